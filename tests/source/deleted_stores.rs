//! What a wipe deleted of a store is told, with what can still be read of it.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::Path;

use lifeboat_maker::mount::{Mount, MountOptions};
use lifeboat_maker::volume::VolumeSpec;
use support::need;
use support::program::{Guarded, Run, lifeboat};

const USMT: &str = "StateStore/USMT";

/// A volume with a store, after `change`.
fn volume(dir: &Path, change: impl FnOnce(&Path)) -> Option<Guarded> {
    need!("fuse");
    let image = dir.join("disk.img");
    VolumeSpec::new("Wiped", 16 << 20).format(&image).unwrap();
    let mount = Mount::new(&image, MountOptions::default()).unwrap();
    let usmt = mount.path().join(USMT);
    let docs = usmt.join("File/C$/Users/alice");
    fs::create_dir_all(&docs).unwrap();
    let guid = "C\t{5d1b5e49-2d5c-4a2e-9a57-3a0c4d1f7e10}\r\n";
    for (name, text) in [
        ("hardlink.main", guid),
        ("catalog.mig", "catalog"),
        ("MIGSTATE.DAT", "state"),
        ("status.~lg", ""),
    ] {
        fs::write(usmt.join(name), text).unwrap();
    }
    for number in 0..30 {
        fs::write(docs.join(format!("{number:02}.txt")), vec![b'x'; 5000]).unwrap();
    }
    fs::write(mount.path().join("elsewhere.txt"), "no part of a store").unwrap();
    change(mount.path());
    mount.unmount().unwrap();
    Some(Guarded::new(image))
}

fn codes(run: &Run) -> Vec<String> {
    run.events("finding").iter().map(|f| f["code"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn files_deleted_from_a_store_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let image = volume(dir.path(), |root| {
        let docs = root.join(USMT).join("File/C$/Users/alice");
        for number in 5..28 {
            fs::remove_file(docs.join(format!("{number:02}.txt"))).unwrap();
        }
        fs::remove_file(root.join("elsewhere.txt")).unwrap();
    });
    let image = need!(image);
    let run = lifeboat(&["verify", image.arg(), "--json"]).expect(3);
    let findings = run.events("finding");
    let named: Vec<_> = findings.iter().filter(|f| f["code"] == "deleted-files").collect();
    assert_eq!(named.len(), 23, "{}", run.stdout);
    assert_eq!(named[0]["path"], r"C:\StateStore\USMT\File\C$\Users\alice\05.txt");
    assert_eq!(named[0]["what"], "deleted, by the wipe or before it; 5000 bytes, still readable");
    assert!(!run.stdout.contains("elsewhere"), "{}", run.stdout);
}

#[test]
fn a_store_without_deleted_files_has_no_such_finding() {
    let dir = tempfile::tempdir().unwrap();
    let image = volume(dir.path(), |root| fs::remove_file(root.join("elsewhere.txt")).unwrap());
    let image = need!(image);
    let run = lifeboat(&["verify", image.arg(), "--json"]).expect(0);
    assert_eq!(codes(&run), [""; 0], "{}", run.stdout);
}

#[test]
fn a_store_deleted_as_a_whole_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    let image = volume(dir.path(), |root| fs::remove_dir_all(root.join("StateStore")).unwrap());
    let image = need!(image);
    let run = lifeboat(&["detect", image.arg(), "--json"]).expect(4);
    assert_eq!(codes(&run), ["deleted-store"], "{}", run.stdout);
    let finding = &run.events("finding")[0];
    assert!(finding["path"].as_str().unwrap().ends_with(": StateStore/USMT"), "{finding}");
    let what = finding["what"].as_str().unwrap();
    assert!(what.contains("34 files, 150054 bytes; 34 still readable"), "{what}");
}
