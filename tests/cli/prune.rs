//! `lifeboat prune` deletes only what it may, only with --yes, and what it began is recognized.
#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use support::program::{Run, lifeboat};

use crate::sets::{list, made, states, with_set};

const OLD: &str = "2026-01-02T03:04:05Z";

fn prune(dest: &Path, code: i32, args: &[&str]) -> Run {
    lifeboat(&[&["prune", dest.to_str().unwrap(), "--json"], args].concat()).expect(code)
}

/// Has a set be one that was restored completely: as `restore` on Windows records it.
fn restored(set: &Path, time: &str, whole: bool, loadstate: Option<i32>) {
    let rescue = support::program::sha256_of(&set.join("rescue.json"));
    let mut run = json!({
        "time": time, "program": "lifeboat 0.1.0", "computer": "NEW-PC", "to": ["C=C:\\"],
        "whole": whole, "losses": 0,
    });
    if let Some(code) = loadstate {
        run["loadstate"] = json!(code);
    }
    let record = json!({"format": 1, "set": "", "rescue": rescue, "runs": [run]});
    fs::write(set.join("restored.json"), record.to_string()).unwrap();
}

fn names(dest: &Path) -> Vec<String> {
    let entries = fs::read_dir(dest).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = entries.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    names
}

/// Files with their bytes, to see that nothing changed.
fn contents(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let all = walkdir::WalkDir::new(dir).sort_by_file_name().into_iter().map(Result::unwrap);
    let files = all.filter(|entry| entry.file_type().is_file());
    files.map(|entry| (entry.path().to_owned(), fs::read(entry.path()).unwrap())).collect()
}

#[test]
fn by_age_only_what_was_restored_completely_goes_and_only_with_yes() {
    let (dest, fresh) = with_set("hardlink-one", 0, &[]);
    let like = dest.path().join(&fresh);
    let set = |computer: &str, id: &str| made(dest.path(), &like, computer, OLD, id);
    let done = set("DONE", "00000001");
    restored(&done, "2026-01-05T00:00:00Z", true, Some(0));
    let recent = set("RECENT", "00000002");
    restored(&recent, &"2026-01-05T00:00:00Z".replace("2026-01", "2099-01"), true, None);
    set("NEVER", "00000003");
    restored(&set("PARTLY", "00000004"), "2026-01-05T00:00:00Z", false, None);
    restored(&set("FAILED", "00000005"), "2026-01-05T00:00:00Z", true, Some(27));
    let partial = dest.path().join("UNFINISHED-20260102T030405Z-00000006.partial");
    fs::create_dir(&partial).unwrap();
    fs::write(partial.join("journal.jsonl"), "").unwrap();
    restored(&like, "2026-01-05T00:00:00Z", true, None); // made just now

    let before = contents(dest.path());
    let run = prune(dest.path(), 0, &["--older-than", "90d"]);
    assert_eq!(contents(dest.path()), before, "a list deletes nothing");
    let choices = run.events("prune");
    let chosen: Vec<&Value> = choices.iter().filter(|c| c["choice"] == "delete").collect();
    assert_eq!(choices.len(), 7, "{choices:?}");
    let is = |set: &Value, name: &str| set["set"].as_str().unwrap().contains(name);
    assert_eq!(chosen.len(), 2, "{chosen:?}");
    assert!(is(chosen[0], "/DONE-") && is(chosen[1], "/RECENT-"), "{chosen:?}");
    let shown = lifeboat(&["prune", dest.path().to_str().unwrap(), "--older-than", "90d"]);
    assert!(shown.expect(0).stdout.contains("Nothing was deleted"));

    // Counted from the restore, one of them is not old.
    let run = prune(dest.path(), 0, &["--older-than", "90d", "--restored", "--yes"]);
    assert_eq!(run.events("pruned").len(), 2, "{}", run.stdout);
    assert!(!done.exists() && !like.exists() && recent.exists());
    prune(dest.path(), 0, &["--older-than", "90d", "--yes"]);
    assert!(!recent.exists());
    assert_eq!(names(dest.path()).len(), 4);
    prune(dest.path(), 2, &["--yes"]);
    prune(dest.path(), 2, &["--older-than", "soon"]);
}

#[test]
fn by_name_any_set_goes_except_one_that_is_being_written() {
    let (dest, fresh) = with_set("hardlink-one", 0, &[]);
    let partial = dest.path().join("PC-20260102T030405Z-00000006.partial");
    fs::create_dir(&partial).unwrap();
    for name in ["journal.jsonl", "store.tar.zst.partial", "in-use"] {
        fs::write(partial.join(name), "{}").unwrap();
    }
    let name = partial.file_name().unwrap().to_str().unwrap();
    let run = prune(dest.path(), 3, &[name, "--yes"]);
    assert!(run.events("prune")[0]["why"].as_str().unwrap().contains("a run is writing it"));
    assert!(partial.exists());
    fs::remove_file(partial.join("in-use")).unwrap();
    prune(dest.path(), 0, &[name, &fresh, "--yes"]);
    assert!(names(dest.path()).is_empty(), "{:?}", names(dest.path()));
    prune(dest.path(), 4, &[name, "--yes"]);
}

#[test]
fn what_is_not_the_set_s_own_stays_and_links_lead_nowhere() {
    let (dest, fresh) = with_set("hardlink-one", 0, &[]);
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("precious.txt"), "precious").unwrap();
    let set = made(dest.path(), &dest.path().join(&fresh), "PC", OLD, "00000001");
    let name = set.file_name().unwrap().to_str().unwrap().to_owned();
    fs::write(set.join("notes of the technician.txt"), "notes").unwrap();
    fs::create_dir(set.join("@eaDir")).unwrap();
    fs::write(set.join("@eaDir/rescue.json"), "x").unwrap();
    for name in ["store.tar.zst.002", "journal.jsonl", "in-use"] {
        fs::write(set.join(name), "mine").unwrap();
    }
    symlink(outside.path(), set.join("key.age")).unwrap();
    symlink(outside.path().join("precious.txt"), set.join("details.json.age")).unwrap();
    // A link to a set is none; a set under another name is left to people.
    symlink(&set, dest.path().join("latest")).unwrap();
    let renamed = made(dest.path(), &dest.path().join(&fresh), "PC", OLD, "00000002");
    fs::rename(&renamed, dest.path().join("do not touch")).unwrap();

    let run = prune(dest.path(), 4, &["latest", "--yes"]);
    assert!(run.events("pruned").is_empty());
    let verified = lifeboat(&["verify", set.to_str().unwrap()]);
    let said = verified.stdout + &verified.stderr;
    assert!(said.contains("details.json.age: not a file of the set"), "{said}");
    let run = prune(dest.path(), 3, &["do not touch", "--yes"]);
    assert!(run.stdout.contains("has another name"), "{}", run.stdout);
    let run = prune(dest.path(), 0, &[&name, "--yes"]);
    let others = run.events("pruned")[0]["others"].clone();
    let mut others: Vec<&str> =
        others.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    others.sort_unstable();
    // (Of a plain set, `key.age` is none of its files; and others only look like it.)
    let strangers = [
        "@eaDir",
        "details.json.age",
        "in-use",
        "journal.jsonl",
        "key.age",
        "notes of the technician.txt",
        "store.tar.zst.002",
    ];
    assert_eq!(others, strangers);
    assert_eq!(names(&set), strangers);
    assert_eq!(fs::read_to_string(outside.path().join("precious.txt")).unwrap(), "precious");
    // It is no set any more, once what looks like one's data is gone.
    fs::remove_file(set.join("store.tar.zst.002")).unwrap();
    fs::remove_file(set.join("journal.jsonl")).unwrap();
    let listed = states(&list(dest.path(), 0, &[]));
    assert!(listed.iter().all(|(listed, _)| *listed != name), "{listed:?}");
}

/// After `rescue.json`, `SHA256SUMS` says which files are the set's.
#[test]
fn a_deletion_that_is_finished_later_leaves_what_is_not_the_set_s() {
    let (dest, fresh) = with_set("hardlink-one", 0, &[]);
    let half = dest.path().join(format!("{fresh}.deleting"));
    fs::rename(dest.path().join(&fresh), &half).unwrap();
    fs::remove_file(half.join("rescue.json")).unwrap();
    fs::write(half.join("store.tar.zst.002"), "mine").unwrap();
    let run = prune(dest.path(), 0, &[&fresh, "--yes"]);
    assert_eq!(run.events("pruned")[0]["others"], json!(["store.tar.zst.002"]));
    assert_eq!(names(&dest.path().join(&fresh)), ["store.tar.zst.002"]);
}

/// A deletion that stops after any of its steps.
#[test]
fn a_half_deleted_set_is_recognized_by_every_command_and_finished_by_prune() {
    let (dest, fresh) = with_set("hardlink-one", 0, &[]);
    let like = dest.path().join(&fresh);
    let whole = made(dest.path(), &like, "PC", OLD, "00000001");
    let files = names(&whole);
    assert!(files.len() > 6);
    let half =
        dest.path().join(format!("{}.deleting", whole.file_name().unwrap().to_str().unwrap()));
    for removed in 0..=files.len() {
        let _ = fs::remove_dir_all(&whole);
        made(dest.path(), &like, "PC", OLD, "00000001");
        fs::rename(&whole, &half).unwrap();
        let order = std::iter::once("rescue.json")
            .chain(files.iter().map(String::as_str).filter(|name| *name != "rescue.json"));
        for name in order.take(removed) {
            fs::remove_file(half.join(name)).unwrap();
        }
        let listed = states(&list(dest.path(), 0, &[]));
        let state = listed.iter().find(|(name, _)| name.ends_with(".deleting"));
        assert_eq!(state.unwrap().1, "deleting", "{removed}");
        if removed < 3 {
            let text = half.to_str().unwrap();
            let out = tempfile::tempdir().unwrap();
            let to = out.path().to_str().unwrap();
            for args in [
                &["list", text][..],
                &["report", text, "--to", "/nowhere/page.html"],
                &["restore", text, "--to", to],
                &["extract", text, "--to", to],
            ] {
                let run = lifeboat(args);
                assert_ne!(run.code, 0, "{args:?}: {}", run.stdout);
                assert_eq!(fs::read_dir(out.path()).unwrap().count(), 0, "{args:?}");
            }
            lifeboat(&["verify", dest.path().to_str().unwrap(), "--all"]).expect(3);
        }
        let run = prune(dest.path(), 0, &["--older-than", "90d", "--yes"]);
        assert_eq!(run.events("pruned").len(), 1, "{removed}");
        assert!(!half.exists() && !whole.exists(), "{removed}");
    }
    assert_eq!(names(dest.path()), [fresh]);
    // A folder that only has such a name is nobody's set.
    let photos = dest.path().join("photos.deleting");
    fs::create_dir(&photos).unwrap();
    fs::write(photos.join("a.jpg"), "x").unwrap();
    prune(dest.path(), 0, &["--older-than", "90d", "--yes"]);
    assert!(photos.join("a.jpg").exists());
}

/// A server shows a link as the folder that it leads to.
#[test]
#[cfg(feature = "smb")]
fn of_sets_with_the_same_id_on_a_share_none_is_deleted() {
    use support::smbd::{Options, Smbd};
    let share = vec!["follow symlinks = yes".to_owned()];
    let server = support::need!(Smbd::with(Options { share, ..Options::default() }));
    let (dest, fresh) = with_set("hardlink-one", 0, &[]);
    let root = server.share_path();
    let set = made(&root, &dest.path().join(&fresh), "PC", OLD, "00000001");
    restored(&set, "2026-01-05T00:00:00Z", true, Some(0));
    let name = set.file_name().unwrap();
    fs::create_dir(root.join("by site")).unwrap();
    symlink(PathBuf::from("..").join(name), root.join("by site").join(name)).unwrap();
    let pass = [("LIFEBOAT_PASSWORD", server.password())];
    let run = |code: i32| {
        let url = server.url("");
        let args = ["prune", url.trim_end_matches('/'), "--older-than", "90d", "--yes", "--json"];
        support::program::lifeboat_with(&args, &pass).expect(code)
    };
    let before = contents(&root);
    let kept = run(0);
    assert_eq!(contents(&root), before);
    assert!(kept.stdout.contains("one may be a link"), "{}", kept.stdout);
    fs::remove_file(root.join("by site").join(name)).unwrap();
    let pruned = run(0);
    assert_eq!(pruned.events("pruned").len(), 1, "{}", pruned.stdout);
    assert!(!set.exists());
}

/// From the restore of everything to the deletion, with nothing made up.
#[test]
fn a_set_that_was_restored_onto_ntfs_may_go() {
    support::need!("fuse");
    let (dest, name) = with_set("hardlink-one", 0, &[]);
    let set = dest.path().join(&name);
    let volume = support::ntfs_mount::Mounted::fresh(64);
    let to = format!("C={}", volume.path().display());
    lifeboat(&["restore", set.to_str().unwrap(), "--to", &to]).expect(0);
    let record = list(dest.path(), 0, &[]).events("rescue-set")[0]["restored"].clone();
    assert_eq!((&record["whole"], &record["losses"]), (&json!(true), &json!(0)), "{record}");
    let run = prune(dest.path(), 0, &["--older-than", "2099-01-01", "--yes"]);
    assert_eq!(run.events("pruned").len(), 1, "{}", run.stdout);
    assert!(!set.exists());
}

#[test]
fn restore_records_where_and_how() {
    let (dest, name) = with_set("hardlink-one", 0, &[]);
    let set = dest.path().join(&name);
    let out = tempfile::tempdir().unwrap();
    let to = out.path().to_str().unwrap();
    let run = lifeboat(&["restore", set.to_str().unwrap(), "--to", to, "--json"]);
    let record = list(dest.path(), 0, &[]).events("rescue-set")[0]["restored"].clone();
    // A plain folder has no owners: that is a loss, and not a whole restore.
    assert_eq!(run.code, 3);
    assert_eq!(record["whole"], false);
    assert_eq!(record["losses"], run.events("restored")[0]["losses"]);
    assert_eq!(record["to"], json!([to]));
    assert!(record["time"].as_str().unwrap().ends_with('Z') && record["program"].is_string());
    support::unpack::sums_are_right(&set);
    let run = prune(dest.path(), 0, &["--older-than", "0d", "--yes"]);
    assert_eq!(run.events("prune")[0]["why"], "not restored completely");
    // Where nothing can be written, the restore is the same.
    fs::remove_file(set.join("restored.json")).unwrap();
    fs::create_dir(set.join("restored.json")).unwrap();
    fs::create_dir(set.join("restored.json.partial")).unwrap();
    let run = lifeboat(&["restore", set.to_str().unwrap(), "--to", to, "--replace"]).expect(3);
    assert!(run.stdout.contains("read back and compared"), "{}", run.stdout);
}
