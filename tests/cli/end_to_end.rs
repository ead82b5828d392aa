//! The whole job, with the real parts: a wiped NTFS disk, a Samba server with
//! a user and a password, a fresh NTFS volume to restore to.
#![cfg(all(target_os = "linux", feature = "smb"))]

use std::path::{Path, PathBuf};

use lifeboat_maker::fixtures::Fixture;
use lifeboat_maker::mount::{Mount, MountOptions};
use lifeboat_maker::volume::VolumeSpec;
use support::program::{Guarded, Run, lifeboat, lifeboat_with};
use support::smbd::{self, Options, Smbd};
use support::{need, text, truth, unpack};

/// The maker makes `fixture` in `dir`, where volumes can be made here.
fn make(fixture: &Fixture, dir: &Path) -> Option<Guarded> {
    need!("fuse");
    let image = dir.join("disk.img");
    fixture.make(&image).unwrap();
    Some(Guarded::new(image))
}

/// A fresh NTFS volume, mounted for writing.
fn fresh_volume(dir: &Path, label: &str, bytes: u64) -> (PathBuf, Mount) {
    let image = dir.join(format!("{label}.img"));
    VolumeSpec::new(label, bytes).format(&image).unwrap();
    let mount = Mount::new(&image, MountOptions::default()).unwrap();
    (image, mount)
}

fn set_of(run: &Run) -> String {
    let sets = run.events("set");
    assert_eq!(sets.len(), 1, "{}", run.stdout);
    sets[0]["name"].as_str().unwrap().to_owned()
}

/// 1,000 files of the sizes and names where things go wrong, from the wiped
/// disk to a share and onto a new volume: every byte and name is there again.
#[test]
fn a_wiped_disk_goes_to_a_share_and_comes_back_byte_for_byte() {
    let dir = tempfile::tempdir().unwrap();
    let fixture = lifeboat_maker::acceptance::acceptance();
    let image = need!(make(&fixture, dir.path()));
    let server = need!(Smbd::start());
    let password = [("LIFEBOAT_PASSWORD", server.password())];

    let found = lifeboat(&["detect", image.arg(), "--json"]).expect(0);
    assert_eq!(found.events("store").len(), 1);
    lifeboat(&["verify", image.arg(), "--level", "full"]).expect(0);

    let dest = server.url("rescue");
    let args = ["offload", image.arg(), "--to", &dest, "--json"];
    let saved = lifeboat_with(&args, &password).expect(0);
    let set = server.url(&format!("rescue/{}", set_of(&saved)));

    let whole = lifeboat_with(&["verify", &set, "--level", "full", "--json"], &password).expect(0);
    assert_eq!(whole.events("verdict")[0]["damage"], 0);
    let list = lifeboat_with(&["list", &set, "--json"], &password).expect(0);
    let truth = fixture.expected();
    let files = truth.files.iter().filter(|file| !file.is_dir).count();
    let listed = list.events("member");
    assert_eq!(listed.iter().filter(|m| m["kind"] != "directory").count(), files);

    let (_, volume) = fresh_volume(dir.path(), "New", 256 << 20);
    let to = format!("C={}", volume.path().display());
    lifeboat_with(&["restore", &set, "--to", &to, "--json"], &password).expect(0);
    // The comparison looks below `root/C`.
    let root = dir.path().join("root");
    std::fs::create_dir(&root).unwrap();
    std::os::unix::fs::symlink(volume.path(), root.join("C")).unwrap();
    let compared = truth::compare_store(&truth, &truth.stores[0], &root);
    assert!(compared.files >= 1000, "{compared:?}");
    volume.unmount().unwrap();
}

/// A two-volume store goes back onto two volumes: links stay links, times and
/// permissions are what they were, and Lifeboat finds the same store there.
#[test]
fn a_store_over_two_volumes_goes_back_onto_two_volumes() {
    need!("fuse");
    let image = Guarded::fixture("hardlink-two");
    let dir = tempfile::tempdir().unwrap();
    let dest = dir.path().join("usb");
    let args = ["offload", image.arg(), "--to", dest.to_str().unwrap(), "--json"];
    let set = dest.join(set_of(&lifeboat(&args).expect(0)));
    let (image_c, c) = fresh_volume(dir.path(), "C", 32 << 20);
    let (image_d, d) = fresh_volume(dir.path(), "D", 32 << 20);
    let (to_c, to_d) = (format!("C={}", c.path().display()), format!("D={}", d.path().display()));
    let args = ["restore", set.to_str().unwrap(), "--to", &to_c, "--to", &to_d, "--json"];
    let restored = lifeboat(&args).expect(0);
    assert_eq!(restored.events("restored")[0]["losses"], 0, "{}", restored.stdout);
    c.unmount().unwrap();
    d.unmount().unwrap();
    let (image_c, image_d) = (Guarded::new(image_c), Guarded::new(image_d));
    let again =
        lifeboat(&["verify", image_c.arg(), image_d.arg(), "--level", "full", "--json"]).expect(0);
    let stores = again.events("store");
    assert_eq!(stores.len(), 1, "{}", again.stdout);
    assert_eq!(stores[0]["parts"].as_array().unwrap().len(), 2);
    // The same store gives the same manifest, but for what the disk gave it:
    // where things lie, and the times of the folders above the store.
    let once_more = dir.path().join("again");
    let args = ["offload", image_c.arg(), image_d.arg(), "--to", once_more.to_str().unwrap()];
    let args: Vec<&str> = args.into_iter().chain(["--json"]).collect();
    let second = once_more.join(set_of(&lifeboat(&args).expect(0)));
    assert_eq!(facts_in(&set), facts_in(&second));
}

/// Every member with its facts, in the order of paths.
fn facts_in(set: &Path) -> Vec<serde_json::Value> {
    let run = lifeboat(&["list", set.to_str().unwrap(), "--json"]).expect(0);
    let mut members: Vec<serde_json::Value> = run
        .events("member")
        .into_iter()
        .filter(|member| member["path"].as_str().unwrap().contains("USMT"))
        .map(|mut member| {
            let fields = member.as_object_mut().unwrap();
            fields.remove("start");
            // NTFS sets the change time itself when the last fact is set, and
            // ntfs-3g the access time when the restored file is read back.
            let times = fields["times"].as_object_mut().unwrap();
            times.remove("changed");
            times.remove("accessed");
            if let Some(data) = fields.get_mut("data") {
                data.as_object_mut().unwrap().remove("at");
            }
            for stream in
                fields.get_mut("streams").into_iter().flat_map(|s| s.as_array_mut().unwrap())
            {
                stream.as_object_mut().unwrap().remove("at");
            }
            member
        })
        .collect();
    members.sort_by_key(|m| m["path"].as_str().unwrap().to_owned());
    members
}

#[test]
fn a_wrong_password_is_exit_5_in_two_lines_and_no_word_of_the_password() {
    let image = Guarded::fixture("hardlink-one");
    let server = need!(Smbd::start());
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("lifeboat.log");
    let dest = server.url("rescue");
    let args = ["offload", image.arg(), "--to", &dest, "--log", log.to_str().unwrap(), "--verbose"];
    let run = lifeboat_with(&args, &[("LIFEBOAT_PASSWORD", "hunter2-wrong")]).expect(5);
    assert_eq!(run.stderr.lines().filter(|l| !l.starts_with("note")).count(), 2, "{}", run.stderr);
    let logged = std::fs::read_to_string(&log).unwrap();
    for text in [&run.stdout, &run.stderr, &logged] {
        assert!(!text.contains("hunter2"), "{text}");
    }
    assert!(std::fs::read_dir(server.share_path()).unwrap().next().is_none());
}

#[test]
fn no_password_and_no_terminal_is_exit_5_and_says_how_to_give_one() {
    let image = Guarded::fixture("hardlink-one");
    let server = need!(Smbd::start());
    let run = lifeboat(&["offload", image.arg(), "--to", &server.url("")]).expect(5);
    assert!(run.stderr.contains("--password-file"), "{}", run.stderr);
}

#[test]
fn a_server_that_is_not_there_is_exit_5_within_seconds() {
    let image = Guarded::fixture("hardlink-one");
    let dest = format!("smb://user@127.0.0.1:{}/share", smbd::free_port());
    let args = ["offload", image.arg(), "--to", &dest];
    let run = lifeboat_with(&args, &[("LIFEBOAT_PASSWORD", "x")]).expect(5);
    assert!(run.stderr.contains("127.0.0.1"), "{}", run.stderr);
}

/// A server that screens scripts and pages out costs those, not the set: a note,
/// words in RESTORE.txt, and sums that are right. Nothing of the test stays.
#[test]
fn a_server_that_screens_endings_out_costs_a_note_and_not_the_set() {
    let image = Guarded::fixture("hardlink-one");
    for (veto, refused) in
        [("/*.cmd/*.html/", &["restore.cmd", "report.html"][..]), ("/*.html/", &["report.html"])]
    {
        let share = vec![format!("veto files = {veto}")];
        let server = need!(Smbd::with(Options { share, ..Options::default() }));
        let password = [("LIFEBOAT_PASSWORD", server.password())];
        let dest = server.url("rescue");
        let args = ["offload", image.arg(), "--to", &dest, "--json"];
        let saved = lifeboat_with(&args, &password).expect(0);
        assert_eq!(saved.events("destination")[0]["refused"], serde_json::json!(refused));
        let notes = saved.events("note");
        for name in refused {
            let told = notes.iter().filter(|n| n["text"].as_str().unwrap().contains(name)).count();
            assert!(told >= 1, "{name}: {notes:?}");
        }
        let set = set_of(&saved);
        lifeboat_with(&["verify", &server.url(&format!("rescue/{set}"))], &password).expect(0);
        let rescue = server.share_path().join("rescue");
        let names = |dir: &Path| -> Vec<String> {
            let entries = std::fs::read_dir(dir).unwrap();
            let mut names: Vec<_> =
                entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        };
        assert_eq!(names(&rescue).join(" "), set, "nothing of the test stays");
        let set = rescue.join(&set);
        let mut wanted = vec!["RESTORE.txt", "SHA256SUMS", "manifest.jsonl.zst", "rescue.json"];
        if refused.len() == 1 {
            wanted.push("restore.cmd");
        }
        wanted.extend(["store.tar.zst", "users.json"]);
        assert_eq!(names(&set), wanted);
        unpack::sums_are_right(&set);
        let words = std::fs::read_to_string(set.join("RESTORE.txt")).unwrap();
        let way = words.contains("did not accept restore.cmd");
        assert_eq!(way, refused.contains(&"restore.cmd"), "{words}");
        lifeboat(&["verify", text(&set), "--level", "full"]).expect(0);
    }
}

/// Without its archive or description there is no set: said at once.
#[test]
fn a_server_that_screens_the_set_itself_out_is_exit_5() {
    let image = Guarded::fixture("hardlink-one");
    for veto in ["/*.zst/", "/*.partial/", "/*.json/"] {
        let share = vec![format!("veto files = {veto}")];
        let server = need!(Smbd::with(Options { share, ..Options::default() }));
        let password = [("LIFEBOAT_PASSWORD", server.password())];
        let run = lifeboat_with(&["offload", image.arg(), "--to", &server.url("")], &password);
        let run = run.expect(5);
        assert!(run.stderr.contains("fix: "), "{}", run.stderr);
        let left = std::fs::read_dir(server.share_path()).unwrap().count();
        assert_eq!(left, 0, "{veto}: {}", run.stderr);
    }
}

/// Explorer and tickets have paths in any letter case.
#[test]
fn a_pasted_path_in_other_letter_case_is_extracted() {
    let (dest, name) = crate::sets::with_set("hardlink-two", 0, &[]);
    let set = dest.path().join(name);
    let set = set.to_str().unwrap();
    let run = lifeboat(&["list", set, "--json"]).expect(0);
    let paths: Vec<String> = run
        .events("member")
        .iter()
        .filter(|member| member["kind"] == "file")
        .filter_map(|member| {
            let path = member["path"].as_str()?;
            let (_, below) = path.split_once("/USMT/File/C$/")?;
            Some(format!("C:\\{}", below.replace('/', "\\")))
        })
        .collect();
    let pasted = paths.iter().find(|path| path.is_ascii() && path.contains("Users")).unwrap();
    for (number, path) in [pasted.to_uppercase(), pasted.to_lowercase()].iter().enumerate() {
        let to = dest.path().join(format!("out{number}"));
        let run = lifeboat(&["extract", set, path, "--to", to.to_str().unwrap(), "--json"]);
        // 3: this file system cannot hold owners and permissions.
        assert_eq!(run.expect(3).events("restored")[0]["files"], 1, "{path}");
    }
    let to = dest.path().join("none");
    let none = format!("{pasted}x");
    lifeboat(&["extract", set, &none, "--to", to.to_str().unwrap()]).expect(4);
}

/// The command that is shown next works on what was restored.
#[test]
fn after_a_restore_into_a_folder_loadstate_is_not_shown_with_the_old_path() {
    let (dest, name) = crate::sets::with_set("hardlink-one", 0, &[]);
    let set = dest.path().join(name);
    let set = set.to_str().unwrap();
    let to = dest.path().join("out");
    let run = lifeboat(&["restore", set, "--to", to.to_str().unwrap()]).expect(3);
    assert!(!run.stdout.contains("loadstate C:"), "{}", run.stdout);
    assert!(run.stdout.contains(&format!("lifeboat restore {set} --in-place")), "{}", run.stdout);
}
