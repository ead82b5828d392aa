//! What a wipe deleted of a store is told, with what can still be read of it; recovered into a set
//! beside the store, and restored when that is asked for.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::{Path, PathBuf};

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
    assert_eq!(
        named[0]["what"],
        "deleted, by the wipe or before it; 5000 bytes, likely still readable"
    );
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

/// The only set below a folder.
fn set_in(dir: &Path) -> PathBuf {
    let mut sets = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let set = sets.next().expect("a set");
    assert_eq!(sets.next(), None, "one set");
    set
}

/// A scratch folder's path as an argument.
fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn delete_some(root: &Path) {
    let docs = root.join(USMT).join("File/C$/Users/alice");
    for number in 5..28 {
        fs::remove_file(docs.join(format!("{number:02}.txt"))).unwrap();
    }
    fs::remove_file(root.join("elsewhere.txt")).unwrap();
}

#[test]
fn verify_says_what_would_be_complete_with_the_deleted_files() {
    let dir = tempfile::tempdir().unwrap();
    let image = need!(volume(dir.path(), delete_some));
    let run = lifeboat(&["verify", image.arg()]).expect(3);
    assert!(run.stdout.contains("23 files: 23 likely"), "{}", run.stdout);
    let words = run.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("recovers all of them: the store would likely be complete"), "{words}");
    let run = lifeboat(&["verify", image.arg(), "--json"]).expect(3);
    let deleted = &run.events("verdict")[0]["deleted"];
    assert_eq!((&deleted["files"], &deleted["likely"]), (&23.into(), &23.into()), "{deleted}");
}

#[test]
fn a_store_is_not_listed_or_extracted_without_a_word_of_its_deleted_files() {
    let dir = tempfile::tempdir().unwrap();
    let image = need!(volume(dir.path(), delete_some));
    let out = dir.path().join("out");
    for args in [&["list", image.arg()][..], &["extract", image.arg(), "--to", text(&out)]] {
        let run = lifeboat(args).expect(3);
        assert!(run.stdout.contains("deleted-files"), "{}", run.stdout);
        assert!(run.stdout.contains("offload --deleted"), "{}", run.stdout);
    }
}

#[test]
fn deleted_files_are_recovered_beside_the_store_and_restored_when_asked() {
    let dir = tempfile::tempdir().unwrap();
    let image = need!(volume(dir.path(), delete_some));
    let (sets, out) = (dir.path().join("sets"), dir.path().join("out"));
    let to = ["offload", image.arg(), "--to", text(&sets), "--deleted"];
    let run = lifeboat(&to).expect(3);
    assert!(run.stdout.contains("INCOMPLETE"), "{}", run.stdout);
    assert!(run.stdout.contains("23 deleted files recovered: 23 likely"), "{}", run.stdout);
    let set = set_in(&sets);
    let verified = lifeboat(&["verify", text(&set), "--level", "full", "--json"]).expect(3);
    assert_eq!(verified.events("verdict")[0]["damage"], 0, "{}", verified.stdout);

    let listed = lifeboat(&["list", text(&set)]).expect(0).stdout;
    assert_eq!(listed.matches("RECOVERED:").count(), 23, "{listed}");
    assert!(listed.contains("deleted/C/StateStore/USMT/File/C$/Users/alice/05.txt"), "{listed}");
    assert!(!listed.contains("elsewhere"), "no part of the store: {listed}");
    let members = lifeboat(&["list", text(&set), "--json"]).expect(0);
    let members = members.events("member");
    let likely = members.iter().filter(|member| member["recovered"] == "likely");
    assert_eq!(likely.count(), 23);
    let instructions = fs::read_to_string(set.join("RESTORE.txt")).unwrap();
    assert!(instructions.contains("Recovered: 23 deleted files"), "{instructions}");
    let page = fs::read_to_string(set.join("report.html")).unwrap();
    assert!(page.contains("23 deleted files"), "the report has them");
    let rescue = fs::read_to_string(set.join("rescue.json")).unwrap();
    assert!(!rescue.contains("\"drive\":\"deleted\"") && rescue.contains("\"likely\""), "{rescue}");

    // Single files, by their path in the set.
    let single = dir.path().join("single");
    let path = "deleted/C/StateStore/USMT/File/C$/Users/alice/05.txt";
    lifeboat(&["extract", text(&set), path, "--to", text(&single)]).expect(3);
    assert_eq!(fs::read(single.join(path)).unwrap(), vec![b'x'; 5000]);

    // Without being asked, they stay in the set.
    let run = lifeboat(&["restore", text(&set), "--to", text(&out)]).expect(3);
    assert!(run.stdout.contains("23 recovered deleted files were not restored"), "{}", run.stdout);
    let docs = out.join("C").join(USMT).join("File/C$/Users/alice");
    assert!(docs.join("04.txt").is_file() && !docs.join("05.txt").exists());
    assert!(!out.join("deleted").exists());

    // Never over what is there, and twice is as good as once.
    fs::write(docs.join("05.txt"), "mine").unwrap();
    for _ in 0..2 {
        let run = lifeboat(&["restore", text(&set), "--to", text(&out), "--deleted"]).expect(3);
        assert!(run.stderr.contains("only the deleted files are restored"), "{}", run.stderr);
        assert_eq!(fs::read_to_string(docs.join("05.txt")).unwrap(), "mine");
        let bytes = vec![b'x'; 5000];
        for name in ["05 (recovered).txt", "06.txt", "27.txt"] {
            assert_eq!(fs::read(docs.join(name)).unwrap(), bytes, "{name}");
        }
        assert_eq!(fs::read_dir(&docs).unwrap().count(), 31);
        assert!(!out.join("C/lifeboat-restore.partial").exists());
    }

    // The store and the deleted files at once.
    let both = dir.path().join("both");
    lifeboat(&["restore", text(&set), "--to", text(&both), "--deleted"]).expect(3);
    let docs = both.join("C").join(USMT).join("File/C$/Users/alice");
    assert_eq!(fs::read_dir(&docs).unwrap().count(), 30);
}

#[test]
fn a_store_deleted_as_a_whole_is_recovered_into_a_set_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let image = volume(dir.path(), |root| fs::remove_dir_all(root.join("StateStore")).unwrap());
    let image = need!(image);
    let (sets, out) = (dir.path().join("sets"), dir.path().join("out"));
    lifeboat(&["offload", image.arg(), "--to", text(&sets)]).expect(4);
    let run = lifeboat(&["offload", image.arg(), "--to", text(&sets), "--deleted"]).expect(3);
    assert!(run.stdout.contains("34 deleted files recovered: 4 sure, 30 likely"), "{}", run.stdout);
    let set = set_in(&sets);
    let verified = lifeboat(&["verify", text(&set), "--level", "full", "--json"]).expect(3);
    assert_eq!(verified.events("verdict")[0]["damage"], 0, "{}", verified.stdout);
    let run = lifeboat(&["restore", text(&set), "--to", text(&out)]).expect(3);
    assert!(run.stdout.contains("34 recovered deleted files were not restored"), "{}", run.stdout);
    lifeboat(&["restore", text(&set), "--to", text(&out), "--deleted"]).expect(3);
    // Which drive it was is not known: the store would say so.
    let drive = fs::read_dir(&out).unwrap().next().unwrap().unwrap().path();
    assert!(drive.file_name().unwrap().to_str().unwrap().starts_with("volume-"), "{drive:?}");
    let usmt = drive.join(USMT);
    assert_eq!(fs::read_to_string(usmt.join("catalog.mig")).unwrap(), "catalog");
    assert_eq!(fs::read_dir(usmt.join("File/C$/Users/alice")).unwrap().count(), 30);
}

#[test]
fn deleted_files_of_a_folder_are_recovered_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let image = need!(volume(dir.path(), delete_some));
    let sets = dir.path().join("sets");
    let docs = format!(r"\{}\File\C$\Users", USMT.replace('/', r"\"));
    let to = ["offload", image.arg(), "--to", text(&sets), "--path", &docs, "--deleted"];
    let run = lifeboat(&to).expect(3);
    assert!(run.stdout.contains("23 deleted files recovered: 23 likely"), "{}", run.stdout);
}

#[test]
fn a_sound_store_has_nothing_to_recover() {
    let dir = tempfile::tempdir().unwrap();
    let image = volume(dir.path(), |root| fs::remove_file(root.join("elsewhere.txt")).unwrap());
    let image = need!(image);
    let sets = dir.path().join("sets");
    lifeboat(&["offload", image.arg(), "--to", text(&sets), "--deleted"]).expect(0);
    let set = set_in(&sets);
    let out = dir.path().join("out");
    let run = lifeboat(&["restore", text(&set), "--to", text(&out), "--deleted"]).expect(4);
    assert!(run.stderr.contains("has no recovered deleted files"), "{}", run.stderr);
}

#[test]
fn a_mounted_folder_cannot_show_deleted_files() {
    let dir = tempfile::tempdir().unwrap();
    let usmt = dir.path().join("source/StateStore/USMT");
    fs::create_dir_all(usmt.join("File/C$/Users/alice")).unwrap();
    for name in ["catalog.mig", "MIGSTATE.DAT", "status.~lg"] {
        fs::write(usmt.join(name), "text").unwrap();
    }
    let (source, sets) = (dir.path().join("source"), dir.path().join("sets"));
    let run = lifeboat(&["offload", text(&source), "--to", text(&sets), "--deleted"]).expect(3);
    let words = run.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("they can only be found on an NTFS volume"), "{words}");
}

/// On an encrypted volume, what an SSD has erased (TRIM) comes as noise, and clusters that were free
/// when the volume was encrypted were never encrypted.
#[test]
fn nothing_in_clusters_is_sure_on_an_encrypted_volume() {
    use lifeboat_maker::bitlocker::{Cipher, RECOVERY, Wrap, wrap};
    let dir = tempfile::tempdir().unwrap();
    let plain = need!(volume(dir.path(), |root| {
        delete_some(root);
        fs::remove_file(root.join(USMT).join("MIGSTATE.DAT")).unwrap();
    }));
    let plain = fs::read(plain.arg()).unwrap();
    let image = dir.path().join("encrypted.img");
    fs::write(&image, wrap(&plain, &Wrap::new(Cipher::XtsAes128)).unwrap().image).unwrap();
    let key = dir.path().join("key.txt");
    fs::write(&key, RECOVERY).unwrap();
    let run = lifeboat(&["verify", text(&image), "--recovery-key-file", text(&key)]).expect(3);
    assert!(run.stdout.contains("24 files: 1 sure, 23 unproven"), "{}", run.stdout);
    assert!(run.stdout.contains("looks like data"), "{}", run.stdout);
}
