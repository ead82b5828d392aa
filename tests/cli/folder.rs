//! `lifeboat offload --path`: any folder of a volume with the care that a store
//! gets, and a set that says what it is.
#![cfg(target_os = "linux")]

use std::path::{Path, PathBuf};

use lifeboat_maker::mount::{Mount, MountOptions};
use lifeboat_maker::volume::VolumeSpec;
use serde_json::Value;
use support::program::{Guarded, Run, lifeboat};
use support::{need, text, unpack};

/// Offloads folders of an image; the sets.
fn offload(image: &Guarded, dest: &Path, paths: &[&str]) -> (Run, Vec<PathBuf>) {
    let mut args = vec!["offload", image.arg(), "--to", text(dest), "--json"];
    args.extend(paths.iter().flat_map(|path| ["--path", path]));
    let run = lifeboat(&args).expect(0);
    let sets = run.events("set");
    let sets = sets.iter().map(|set| PathBuf::from(set["set"].as_str().unwrap())).collect();
    (run, sets)
}

fn rescue(set: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(set.join("rescue.json")).unwrap()).unwrap()
}

fn members(set: &Path) -> Vec<String> {
    let list = lifeboat(&["list", text(set), "--json"]).expect(0);
    let members = list.events("member");
    members.iter().map(|m| m["path"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_users_folder_is_saved_as_it_is_and_says_so() {
    let image = Guarded::fixture("leftovers");
    let dest = tempfile::tempdir().unwrap();
    // Letters of the path's names do not matter, those of the set are exact.
    let (_, sets) = offload(&image, dest.path(), &[r"C:\users\ALICE"]);
    assert_eq!(sets.len(), 1);
    let set = &sets[0];
    unpack::sums_are_right(set);
    let said = rescue(set);
    assert_eq!((&said["what"], &said["kind"]), (&"folder".into(), &"folder".into()));
    assert_eq!(said["machine"]["name"], "PC-0815");
    let part = &said["parts"][0];
    assert_eq!((&part["drive"], &part["path"]), (&"C".into(), &"Users/alice".into()));
    assert_eq!(part["role"], "folder");
    assert!(part.get("skipped").is_none());
    let paths = members(set);
    assert!(paths.contains(&"C/Users/alice".to_owned()));
    let inside = |path: &String| path.starts_with("C/Users/alice/");
    assert!(paths.iter().any(inside));
    assert!(paths.iter().all(|p| inside(p) || "C/Users/alice".starts_with(p.as_str())));

    let words = std::fs::read_to_string(set.join("RESTORE.txt")).unwrap();
    assert!(words.contains("a folder, not a USMT store: loadstate cannot use it"), "{words}");
    assert!(!words.contains("RUN LOADSTATE"), "{words}");
    let script = std::fs::read_to_string(set.join("restore.cmd")).unwrap();
    assert!(script.contains(r#"restore "%~dp0." --to "%DEST%""#), "{script}");
    assert!(!script.contains("C=C:"), "it never goes back over the new users: {script}");

    // Every other command takes the set.
    lifeboat(&["verify", text(set), "--level", "full"]).expect(0);
    let out = tempfile::tempdir().unwrap();
    // A folder on Linux cannot hold the metadata of NTFS: losses.
    let restored = lifeboat(&["restore", text(set), "--to", text(out.path())]).expect(3);
    assert!(restored.stdout.contains("loadstate cannot use it"), "{}", restored.stdout);
    let stock = tempfile::tempdir().unwrap();
    unpack::unpack(set, stock.path());
    let files: Vec<&String> = paths.iter().filter(|p| stock.path().join(p).is_file()).collect();
    assert!(!files.is_empty());
    for file in files {
        let read = |dir: &Path| std::fs::read(dir.join(file)).unwrap();
        assert!(read(out.path()) == read(stock.path()), "{file}");
        let one = tempfile::tempdir().unwrap();
        lifeboat(&["extract", text(set), file, "--to", text(one.path())]).expect(3);
        assert!(read(one.path()) == read(stock.path()), "{file}");
    }
}

#[test]
fn several_folders_of_a_volume_are_one_set() {
    let image = Guarded::fixture("leftovers");
    let dest = tempfile::tempdir().unwrap();
    let (_, sets) = offload(&image, dest.path(), &[r"\Users\alice", "Windows/System32"]);
    assert_eq!(sets.len(), 1);
    assert_eq!(rescue(&sets[0])["parts"].as_array().unwrap().len(), 2);
    let paths = members(&sets[0]);
    assert!(paths.contains(&"C/Windows/System32/config".to_owned()), "{paths:?}");
    assert!(!paths.iter().any(|path| path.starts_with("C/_SMSTaskSequence")));
}

#[test]
fn a_folder_that_is_nowhere_is_exit_4_in_two_lines() {
    let image = Guarded::fixture("hardlink-one");
    let dest = tempfile::tempdir().unwrap();
    let args = ["offload", image.arg(), "--to", text(dest.path()), "--path", r"\No\Such"];
    let run = lifeboat(&args).expect(4);
    assert_eq!(run.stderr.lines().count(), 2, "{}", run.stderr);
    assert!(run.stderr.contains(r"\No\Such"), "{}", run.stderr);
    let run = lifeboat(&["offload", image.arg(), "--to", text(dest.path()), "--path", r"\a\..\b"]);
    run.expect(2);
    assert_eq!(std::fs::read_dir(dest.path()).unwrap().count(), 0);
}

/// The whole volume: everything that is somebody's, and by name what is not.
#[test]
fn a_whole_volume_leaves_out_only_what_it_names() {
    need!("fuse");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("volume.img");
    VolumeSpec::new("Data", 32 << 20).format(&path).unwrap();
    let mount = Mount::new(&path, MountOptions::default()).unwrap();
    for (name, text) in [
        ("Users/bob/letter.txt", "dear all"),
        ("$Recycle.Bin/S-1-5-21-1/$R1.docx", "thrown away by mistake"),
        ("pagefile.sys", "memory"),
        ("hiberfil.sys", "memory"),
        ("swapfile.sys", "memory"),
        ("System Volume Information/tracking.log", "log"),
        ("Users/pagefile.sys", "a user's own file"),
    ] {
        let file = mount.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }
    mount.unmount().unwrap();
    let image = Guarded::new(path);
    let dest = tempfile::tempdir().unwrap();
    let (run, sets) = offload(&image, dest.path(), &[r"\"]);
    assert_eq!(sets.len(), 1);
    let paths = members(&sets[0]);
    let drive = rescue(&sets[0])["parts"][0]["drive"].as_str().unwrap().to_owned();
    let files: Vec<String> = paths
        .iter()
        .filter_map(|path| path.strip_prefix(&format!("{drive}/")))
        .filter(|path| path.rsplit('/').next().unwrap().contains('.'))
        .filter(|path| *path != "$Recycle.Bin")
        .map(str::to_owned)
        .collect();
    let mut sorted = files.clone();
    sorted.sort();
    assert_eq!(
        sorted,
        ["$Recycle.Bin/S-1-5-21-1/$R1.docx", "Users/bob/letter.txt", "Users/pagefile.sys"]
    );
    assert!(!paths.iter().any(|path| path.contains("$MFT") || path.contains("$Extend")));
    let skipped = ["pagefile.sys", "hiberfil.sys", "swapfile.sys", "System Volume Information"];
    assert_eq!(rescue(&sets[0])["parts"][0]["skipped"], serde_json::json!(skipped));
    let notes = run.events("note");
    let told = |note: &Value| note["text"].as_str().unwrap().contains("left out by rule: pagefile");
    assert!(notes.iter().any(told), "{notes:?}");
}
