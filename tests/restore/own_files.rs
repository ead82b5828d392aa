//! A restore into folders that have files already: what was there before stays, on every
//! repetition, and a store that is there is never mixed with the files of a folder.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use support::faulty::{Fault, Faulty};
use support::program::{Guarded, lifeboat};
use support::{need, text};

fn set_of(path: &str, dir: &Path) -> PathBuf {
    let image = Guarded::fixture("hardlink-one");
    let args = ["offload", image.arg(), "--path", path, "--to", text(dir), "--json"];
    let run = lifeboat(&args).expect(0);
    PathBuf::from(run.events("set")[0]["set"].as_str().unwrap())
}

fn tree(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let all = walkdir::WalkDir::new(dir).into_iter().flatten();
    let all = all.filter(|entry| entry.file_type().is_file());
    let below = |path: &Path| path.strip_prefix(dir).unwrap().to_owned();
    all.map(|entry| (below(entry.path()), fs::read(entry.path()).unwrap())).collect()
}

fn put(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

#[test]
fn what_was_there_stays_whenever_the_restore_was_killed() {
    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let set = set_of("\\", &dir.path().join("sets"));
    let (real, seen) = (dir.path().join("real"), dir.path().join("seen"));
    fs::create_dir(&real).unwrap();
    fs::create_dir(&seen).unwrap();
    let plain = dir.path().join("plain");
    lifeboat(&["restore", text(&set), "--to", text(&plain)]).expect(3);
    let wanted = tree(&plain);
    let files: Vec<&PathBuf> = wanted.keys().filter(|path| wanted[*path].len() > 20).collect();
    let (other, same) = (files[0], files[files.len() / 2]);
    let mount = need!("fuse", || Faulty::mount(&real, &seen).ok());
    let (to, at) = (seen.join("to"), real.join("to"));
    let begin = || {
        let _ = fs::remove_dir_all(&at);
        put(&at.join(other), b"of somebody");
        put(&at.join(same), &wanted[same]);
        fs::set_permissions(at.join(same), fs::Permissions::from_mode(0o640)).unwrap();
    };
    let command = ["restore", text(&set), "--to", text(&to), "--json"];
    begin();
    mount.set(None);
    lifeboat(&command).expect(3);
    let calls = mount.calls();
    let steps: Vec<u64> = match std::env::var_os("LIFEBOAT_SWEEP") {
        Some(_) => (0..calls).collect(),
        None => (0..12).map(|step| calls * step / 12).chain(calls - 12..calls).collect(),
    };
    for step in steps {
        begin();
        mount.set(Some((Fault::KillAfter, step)));
        lifeboat(&command);
        mount.set(None);
        for again in 0..2 {
            let when = format!("killed at {step} of {calls}, repetition {again}");
            let run = lifeboat(&command);
            assert_eq!(run.code, 3, "{when}: {}", run.stderr);
            let mut found = tree(&at);
            assert_eq!(found.remove(other).unwrap(), b"of somebody", "{when}");
            let mode = fs::metadata(at.join(same)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o640, "{when}: it is not ours");
            let lost = run.events("loss");
            let names: Vec<&str> = lost.iter().filter_map(|loss| loss["path"].as_str()).collect();
            for path in [other, same] {
                assert!(names.contains(&text(path)), "{when}: {path:?} is not named: {names:?}");
            }
            found.retain(|path, _| !text(path).contains("lifeboat-restore."));
            found.insert(other.clone(), wanted[other].clone());
            assert!(found == wanted, "{when}: {:?}", found.keys());
        }
    }
}

#[test]
fn a_store_that_is_there_is_not_mixed_with_the_files_of_a_folder() {
    let dir = tempfile::tempdir().unwrap();
    for path in ["\\", "\\StateStore"] {
        let set = set_of(path, &dir.path().join("sets"));
        let plain = dir.path().join("plain");
        let _ = fs::remove_dir_all(&plain);
        lifeboat(&["restore", text(&set), "--to", text(&plain)]);
        let catalog = tree(&plain).into_keys().find(|path| path.ends_with("USMT/catalog.mig"));
        let to = dir.path().join("to");
        let _ = fs::remove_dir_all(&to);
        put(&to.join(catalog.as_ref().unwrap()), b"OLD");
        let before = tree(&to);
        let run = lifeboat(&["restore", text(&set), "--to", text(&to), "--replace"]);
        assert_eq!(run.code, 5, "{path}: {}", run.stderr);
        assert!(run.stderr.contains("a USMT store is here"), "{}", run.stderr);
        assert_eq!(tree(&to), before, "{path}");
        // Files of no store are replaced, as they always were.
        fs::remove_dir_all(&to).unwrap();
        let note = to.join(catalog.unwrap().parent().unwrap()).join("note.txt");
        put(&note, b"of no store");
        let run = lifeboat(&["restore", text(&set), "--to", text(&to), "--replace"]);
        assert_eq!(run.code, 3, "{path}: {}", run.stderr);
        assert_eq!(fs::read(&note).unwrap(), b"of no store");
    }
}

/// A place for two drives is a slip of the pen, not another restore.
#[test]
fn two_drives_with_one_place_are_refused_before_anything_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let image = Guarded::fixture("hardlink-two");
    let sets = dir.path().join("sets");
    let args = ["offload", image.arg(), "--to", text(&sets), "--json"];
    let run = lifeboat(&args).expect(0);
    let set = run.events("set")[0]["set"].as_str().unwrap().to_owned();
    let (one, link, other) =
        (dir.path().join("one"), dir.path().join("link"), dir.path().join("two"));
    fs::create_dir(&one).unwrap();
    fs::create_dir(&other).unwrap();
    std::os::unix::fs::symlink(&one, &link).unwrap();
    let to = |drive: &str, dir: &Path| format!("{drive}={}", dir.display());
    for second in [&one, &link] {
        let run = lifeboat(&["restore", &set, "--to", &to("C", &one), "--to", &to("D", second)]);
        let run = run.expect(2);
        assert!(run.stderr.contains("two drives have the same place"), "{}", run.stderr);
        assert_eq!(fs::read_dir(&one).unwrap().count(), 0);
    }
    let run = lifeboat(&["restore", &set, "--to", &to("C", &one), "--to", &to("D", &other)]);
    assert_ne!(run.code, 2, "{}", run.stderr);
}

/// A part in the place of what the restore itself has there: only a forged set has one.
#[test]
fn a_part_in_the_place_of_the_restore_s_own_files_is_refused_before_anything_is_made() {
    use std::sync::Arc;

    use lifeboat::model::monitor::Silent;
    use lifeboat::set::write::plan::Plan;
    use lifeboat::set::write::writer::offload;
    use lifeboat::tree::memory::{MemoryData, MemoryTree};
    use lifeboat::usmt::Role;
    use support::sets;

    for (name, is_refused) in [
        ("StateStore.lifeboat-partial", true),
        ("statestore.before-lifeboat-2", true),
        ("lifeboat-restore.partial", true),
        ("lifeboat-restore.existed", true),
        ("StateStore2", false),
    ] {
        let dir = sets::scratch();
        let mut tree = MemoryTree::new("x", 1);
        for file in ["catalog.mig", "MIGSTATE.DAT", "hardlink.main"] {
            let path = format!("StateStore/USMT/{file}");
            tree.file(path.as_str(), MemoryData::pattern(1, 90));
        }
        let path = format!("{name}/USMT/hardlink.distributed.{{0}}");
        tree.file(path.as_str(), MemoryData::pattern(1, 90));
        let mut parts = vec![
            sets::part(&tree, "C", "StateStore", &["StateStore"]),
            sets::part(&tree, "C", name, &[name]),
        ];
        parts[1].tree = Arc::clone(&parts[0].tree);
        parts[1].role = Role::Secondary.into();
        let plan = Plan::make(parts, &Silent).unwrap();
        let target = sets::target(dir.path());
        let made = offload(&plan, &*target, &sets::options(), &Silent).unwrap();
        let (set, to) = (dir.path().join(made.set), dir.path().join("to"));
        fs::create_dir(&to).unwrap();
        let run = lifeboat(&["restore", text(&set), "--to", text(&to)]);
        let said = run.stdout + &run.stderr;
        if is_refused {
            assert_eq!(run.code, 1, "{name}: {said}");
            assert!(said.contains("keeps its own files"), "{name}: {said}");
            assert_eq!(fs::read_dir(&to).unwrap().count(), 0, "{name}");
        } else {
            assert!(matches!(run.code, 0 | 3), "{name}: {said}");
            assert!(to.join("C/StateStore2/USMT").is_dir(), "{name}");
        }
    }
}
