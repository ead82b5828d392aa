//! `lifeboat gate`: 0 only if no store would be lost.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::Path;

use support::need;
use support::ntfs_mount::{ALL_FACTS, Mounted};
use support::program::{Guarded, Run, lifeboat};

use crate::sets::{save, with_set};

fn gate(source: &str, code: i32, more: &[&str]) -> Run {
    lifeboat(&[&["gate", source, "--json"], more].concat()).expect(code)
}

fn reasons(run: &Run) -> String {
    let all = run.events("gate").into_iter().chain(run.events("gate-end"));
    all.map(|event| event["reasons"].to_string()).collect()
}

/// A store in a folder, as on a mounted volume.
pub(crate) fn store(root: &Path) {
    let home = root.join("StateStore/USMT/File/C$/Users/alice");
    fs::create_dir_all(&home).unwrap();
    let usmt = root.join("StateStore/USMT");
    for name in ["catalog.mig", "MIGSTATE.DAT", "status.~lg"] {
        fs::write(usmt.join(name), if name == "status.~lg" { "" } else { name }).unwrap();
    }
    let parts = "C\t{5d1b5e49-2d5c-4a2e-9a57-3a0c4d1f7e10}\r\n";
    fs::write(usmt.join("hardlink.main"), parts).unwrap();
    fs::write(home.join("letter.txt"), "Dear Bob").unwrap();
    fs::write(home.join("other.txt"), "Dear Carol").unwrap();
}

fn offload(source: &str, dest: &Path, more: &[&str]) -> Run {
    let args = ["offload", source, "--to", dest.to_str().unwrap(), "--json"];
    let run = lifeboat(&[&args, more].concat());
    assert!([0, 3].contains(&run.code), "{}", run.stdout);
    run
}

#[test]
fn a_store_that_is_whole_in_a_set_is_safe_and_one_of_another_pc_is_not() {
    let (dest, name) = with_set("hardlink-two", 0, &[]);
    let set = dest.path().join(&name);
    let (all, one) = (dest.path().to_str().unwrap(), set.to_str().unwrap());
    let image = Guarded::fixture("hardlink-two");
    for sets in [all, one] {
        let run = gate(image.arg(), 0, &["--set", sets]);
        let judged = &run.events("gate")[0];
        assert!(judged["set"].as_str().unwrap().ends_with(&name), "{judged}");
        assert!(judged["compared"].as_u64().unwrap() > 50, "{judged}");
        gate(image.arg(), 0, &["--set", sets, "--level", "full"]);
    }
    let run = gate(image.arg(), 3, &[]);
    assert!(reasons(&run).contains("no rescue set was given"), "{}", run.stdout);
    let other = Guarded::fixture("hardlink-one");
    let run = gate(other.arg(), 3, &["--set", one]);
    assert!(run.events("gate")[0]["set"].is_null(), "{}", run.stdout);
    gate(image.arg(), 5, &["--set", "/no/such/share"]);
    // A PC without a store has nothing to judge.
    let nothing = Guarded::fixture("users");
    gate(nothing.arg(), 4, &["--set", all]);
}

/// The set was whole when it was made. Zeros since, of the same size, are seen without reading.
#[test]
fn a_set_whose_seek_table_is_damaged_is_not_safe() {
    let (dest, name) = with_set("hardlink-one", 0, &[]);
    let image = Guarded::fixture("hardlink-one");
    let store = dest.path().join(&name).join("store.tar.zst");
    let size = fs::metadata(&store).unwrap().len();
    fs::write(&store, vec![0; usize::try_from(size).unwrap()]).unwrap();
    let run = gate(image.arg(), 3, &["--set", dest.path().to_str().unwrap()]);
    assert!(reasons(&run).contains("seek table"), "{}", run.stdout);
}

#[test]
fn one_byte_more_one_file_less_or_another_time_closes_the_gate() {
    let disk = tempfile::tempdir().unwrap();
    store(disk.path());
    // On another volume than the store.
    let dest = tempfile::tempdir_in("/dev/shm").unwrap();
    let (source, sets) = (disk.path().to_str().unwrap(), dest.path().to_str().unwrap());
    assert_eq!(offload(source, dest.path(), &[]).code, 0);
    gate(source, 0, &["--set", sets]);
    let letter = disk.path().join("StateStore/USMT/File/C$/Users/alice/letter.txt");

    let time = fs::metadata(&letter).unwrap().modified().unwrap();
    let with_time = |text: &str, time| {
        fs::write(&letter, text).unwrap();
        fs::File::options().write(true).open(&letter).unwrap().set_modified(time).unwrap();
    };
    with_time("Dear Bobby", time);
    let run = gate(source, 3, &["--set", sets]);
    assert!(reasons(&run).contains("letter.txt was changed after the set was made"));
    with_time("Dear Bob", time + std::time::Duration::from_secs(2));
    gate(source, 3, &["--set", sets]);
    with_time("Dear Bob", time);
    gate(source, 0, &["--set", sets]);
    // What the set has and the store lost is no loss of a wipe; what is new is one.
    let added = letter.with_file_name("new.txt");
    fs::write(&added, "").unwrap();
    let run = gate(source, 3, &["--set", sets]);
    assert!(reasons(&run).contains("new.txt is not in the set"), "{}", run.stdout);
    fs::remove_file(&added).unwrap();
    fs::remove_file(&letter).unwrap();
    gate(source, 0, &["--set", sets]);
    // A log beside the store is not of it.
    fs::write(disk.path().join("StateStore/smsts.log"), "later").unwrap();
    gate(source, 0, &["--set", sets]);
    // A second capture, of the same names.
    fs::remove_dir_all(disk.path().join("StateStore")).unwrap();
    store(disk.path());
    gate(source, 3, &["--set", sets]);
    // The newest set counts, whichever it is.
    offload(source, dest.path(), &[]);
    gate(source, 0, &["--set", sets]);
}

#[test]
fn a_set_with_losses_a_damaged_or_an_unverified_one_is_not_enough() {
    let (dest, _) = with_set("primary-alone", 3, &[]);
    let image = Guarded::fixture("primary-alone");
    let run = gate(image.arg(), 3, &["--set", dest.path().to_str().unwrap()]);
    assert!(reasons(&run).contains("not all of it is here"), "{}", run.stdout);

    let image = Guarded::fixture("hardlink-one");
    let (dest, name) = with_set("hardlink-one", 0, &["--no-read-back"]);
    let sets = dest.path().to_str().unwrap();
    let run = gate(image.arg(), 3, &["--set", sets]);
    assert!(reasons(&run).contains("was not read back"), "{}", run.stdout);
    gate(image.arg(), 0, &["--set", sets, "--level", "full"]);

    let path = dest.path().join(&name).join("store.tar.zst");
    let bytes = fs::read(&path).unwrap();
    let mut flipped = bytes.clone();
    flipped[bytes.len() / 2] ^= 1;
    fs::write(&path, &flipped).unwrap();
    let run = gate(image.arg(), 3, &["--set", sets, "--level", "full"]);
    assert!(reasons(&run).contains("the set is damaged"), "{}", run.stdout);

    let (dest, name) = with_set("hardlink-one", 0, &[]);
    let sets = dest.path().to_str().unwrap();
    let set = dest.path().join(&name);
    let bytes = fs::read(set.join("store.tar.zst")).unwrap();
    fs::write(set.join("store.tar.zst"), &bytes[..bytes.len() - 1]).unwrap();
    gate(image.arg(), 3, &["--set", sets]);
    fs::write(set.join("store.tar.zst"), &bytes).unwrap();
    gate(image.arg(), 0, &["--set", sets]);
    // A record beside the set proves nothing.
    let manifest = fs::read(set.join("manifest.jsonl.zst")).unwrap();
    fs::write(set.join("manifest.jsonl.zst"), &manifest[..manifest.len() / 2]).unwrap();
    gate(image.arg(), 3, &["--set", sets]);
    fs::remove_file(set.join("rescue.json")).unwrap();
    gate(image.arg(), 3, &["--set", sets]);
    let partial = dest.path().join(format!("{name}.partial"));
    fs::rename(&set, &partial).unwrap();
    let run = gate(image.arg(), 3, &["--set", partial.to_str().unwrap()]);
    assert!(run.stdout.contains("unfinished rescue set"), "{}", run.stdout);
}

#[test]
fn an_encrypted_set_counts_with_its_key() {
    let scratch = tempfile::tempdir().unwrap();
    let pass = scratch.path().join("pass.txt");
    fs::write(&pass, "correct horse battery\n").unwrap();
    let sets = scratch.path().join("sets");
    let key = ["--passphrase-file", pass.to_str().unwrap()];
    save("hardlink-one", &sets, 0, &key);
    let image = Guarded::fixture("hardlink-one");
    let to = ["--set", sets.to_str().unwrap()];
    gate(image.arg(), 0, &[&to[..], &key].concat());
    let run = gate(image.arg(), 3, &to);
    assert!(reasons(&run).contains("passphrase"), "{}", run.stdout);
}

#[test]
fn a_set_that_is_wiped_with_the_store_saves_nothing() {
    let disk = tempfile::tempdir().unwrap();
    store(disk.path());
    let (source, sets) = (disk.path().to_str().unwrap(), disk.path().join("sets"));
    // Lifeboat refuses a destination on the source; people copy sets.
    let elsewhere = tempfile::tempdir().unwrap();
    let there = elsewhere.path().join("sets");
    assert_eq!(offload(source, &there, &[]).code, 0);
    fs::create_dir(&sets).unwrap();
    for set in fs::read_dir(&there).unwrap() {
        let set = set.unwrap();
        let to = sets.join(set.file_name());
        fs::create_dir(&to).unwrap();
        for file in fs::read_dir(set.path()).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
    }
    let sets = sets.to_str().unwrap();
    let run = gate(source, 3, &["--set", sets]);
    assert!(reasons(&run).contains("which will be wiped"), "{}", run.stdout);
    gate(source, 3, &["--set", sets, "--wipes", "C:"]);
    // Where neither the store nor the set is wiped.
    gate(source, 0, &["--set", sets, "--wipes", "D:"]);
}

#[test]
fn a_sealed_store_may_stay_where_nothing_is_wiped() {
    let disk = tempfile::tempdir().unwrap();
    store(disk.path());
    let source = disk.path().to_str().unwrap();
    let run = gate(source, 3, &["--wipes", "D:"]);
    assert!(reasons(&run).contains("it is not sealed"), "{}", run.stdout);
    lifeboat(&["seal", source]).expect(0);
    for level in ["quick", "full"] {
        let run = gate(source, 0, &["--wipes", "d", "--level", level]);
        assert!(run.events("gate")[0]["sealed"].is_string(), "{}", run.stdout);
    }
    // Its drive in Windows is C:.
    let run = gate(source, 3, &["--wipes", "D:", "--wipes", "C:\\"]);
    assert!(reasons(&run).contains("will be wiped"), "{}", run.stdout);
    gate(source, 3, &[]);
    let letter = disk.path().join("StateStore/USMT/File/C$/Users/alice/letter.txt");
    fs::write(&letter, "Dear Eve").unwrap();
    // A file system that is not NTFS may round times.
    let later = std::time::SystemTime::now() + std::time::Duration::from_mins(1);
    fs::File::options().write(true).open(&letter).unwrap().set_modified(later).unwrap();
    let run = gate(source, 3, &["--wipes", "D:"]);
    assert!(reasons(&run).contains("NOT AS SEALED"), "{}", run.stdout);
    lifeboat(&["gate", source, "--wipes", "nowhere"]).expect(2);
}

/// What `verify` found counts, although the quick check of the gate cannot see it.
#[test]
fn a_set_that_was_found_damaged_is_not_safe() {
    let (dest, name) = with_set("hardlink-two", 0, &[]);
    let all = dest.path().to_str().unwrap();
    let image = Guarded::fixture("hardlink-two");
    let data = dest.path().join(&name).join("store.tar.zst");
    let mut bytes = fs::read(&data).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&data, bytes).unwrap();
    lifeboat(&["verify", all, "--all", "--level", "full"]).expect(3);
    let run = gate(image.arg(), 3, &["--set", all]);
    assert!(reasons(&run).contains("verify found damage in it"), "{}", run.stdout);
    gate(image.arg(), 3, &["--set", all, "--level", "full"]);
    lifeboat(&["sets", all]).expect(3);
}

/// A seal with hashes shows a change that no size and no time shows.
#[test]
fn a_store_that_changed_since_its_seal_is_not_safe_by_a_set() {
    let disk = tempfile::tempdir().unwrap();
    store(disk.path());
    let source = disk.path().to_str().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let sets = elsewhere.path().join("sets");
    lifeboat(&["seal", source]).expect(0);
    assert_eq!(offload(source, &sets, &[]).code, 0);
    let letter = disk.path().join("StateStore/USMT/File/C$/Users/alice/letter.txt");
    let then = fs::metadata(&letter).unwrap().modified().unwrap();
    fs::write(&letter, "Dear Eve").unwrap();
    fs::File::options().write(true).open(&letter).unwrap().set_modified(then).unwrap();
    let full = ["--set", sets.to_str().unwrap(), "--wipes", "D:", "--level", "full"];
    gate(source, 3, &full);
}

/// Programs that keep the time of a file that they change: `--level full` reads the bytes.
#[test]
fn the_full_gate_compares_the_bytes_of_the_store_with_those_of_the_set() {
    let disk = tempfile::tempdir().unwrap();
    store(disk.path());
    let dest = tempfile::tempdir_in("/dev/shm").unwrap();
    let (source, sets) = (disk.path().to_str().unwrap(), dest.path().to_str().unwrap());
    assert_eq!(offload(source, dest.path(), &[]).code, 0);
    let full = ["--set", sets, "--level", "full"];
    let run = lifeboat(&[&["gate", source], &full[..]].concat()).expect(0);
    assert!(run.stdout.contains("byte for byte"), "{}", run.stdout);
    let letter = disk.path().join("StateStore/USMT/File/C$/Users/alice/letter.txt");
    let time = fs::metadata(&letter).unwrap().modified().unwrap();
    fs::write(&letter, "Dear Eve").unwrap();
    fs::File::options().write(true).open(&letter).unwrap().set_modified(time).unwrap();
    gate(source, 0, &["--set", sets]);
    let run = gate(source, 3, &full);
    assert!(reasons(&run).contains("letter.txt has other bytes than in the set"), "{}", run.stdout);
    // A hard link has the bytes of its file.
    fs::write(&letter, "Dear Bob").unwrap();
    fs::File::options().write(true).open(&letter).unwrap().set_modified(time).unwrap();
    gate(source, 0, &full);
    fs::hard_link(&letter, letter.with_file_name("again.txt")).unwrap();
    gate(source, 3, &full);
    offload(source, dest.path(), &[]);
    gate(source, 0, &full);
}

/// A volume that is mounted twice is wiped once, and what a link leads to is on its own volume.
#[test]
fn a_set_on_the_wiped_disk_is_none_by_whatever_path() {
    let Some(disk) = support::mounted::Tmpfs::new() else { return };
    store(disk.path());
    let (source, sets) = (disk.path().to_str().unwrap(), disk.path().join("sets"));
    let elsewhere = tempfile::tempdir().unwrap();
    assert_eq!(offload(source, elsewhere.path(), &[]).code, 0);
    let mut copy = std::process::Command::new("cp");
    assert!(copy.arg("-r").arg(elsewhere.path()).arg(&sets).status().unwrap().success());
    let link = elsewhere.path().join("link");
    std::os::unix::fs::symlink(&sets, &link).unwrap();
    let Some(again) = disk.bind("sets") else { return };
    for way in [&sets, &link, &again.path().to_owned()] {
        let run = gate(source, 3, &["--set", way.to_str().unwrap()]);
        assert!(reasons(&run).contains("which will be wiped"), "{way:?}: {}", run.stdout);
    }
}

#[test]
fn a_set_that_does_not_count_is_named_and_what_to_do_is_said() {
    let (dest, name) = with_set("hardlink-one", 0, &[]);
    let image = Guarded::fixture("hardlink-one");
    let sets = dest.path().to_str().unwrap();
    let partial = dest.path().join(format!("{name}.partial"));
    fs::rename(dest.path().join(&name), &partial).unwrap();
    let run = gate(image.arg(), 3, &["--set", sets]);
    let why = reasons(&run);
    assert!(why.contains("does not count") && why.contains("UNFINISHED"), "{why}");
    let run = lifeboat(&["gate", image.arg(), "--set", sets]).expect(3);
    assert!(run.stdout.contains("save the store with lifeboat offload"), "{}", run.stdout);
    fs::remove_dir_all(&partial).unwrap();
    let run = gate(image.arg(), 3, &["--set", sets]);
    assert!(reasons(&run).contains("no rescue set is in"), "{}", run.stdout);
}

/// Names, sizes and times of the files are the same.
#[test]
fn a_stream_of_a_folder_or_another_target_of_a_junction_closes_the_gate() {
    need!("fuse");
    let mut disk = Mounted::fresh(32);
    store(disk.path());
    let alice = disk.path().join("StateStore/USMT/File/C$/Users/alice");
    let junction = alice.join("junction");
    fs::create_dir(&junction).unwrap();
    let lead_to = |target: &str| {
        let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
        let (to, shown) = (wide(&format!(r"\??\{target}")), wide(target));
        let size = |bytes: usize| u16::try_from(bytes).unwrap().to_le_bytes();
        let names = [0, to.len(), to.len() + 2, shown.len()].map(size).concat();
        let body = [&names[..], &to, &[0, 0], &shown, &[0, 0]].concat();
        let head = [&0xA000_0003_u32.to_le_bytes()[..], &size(body.len()), &[0, 0]].concat();
        xattr::set(&junction, "system.ntfs_reparse_data", &[head, body].concat()).unwrap();
    };
    lead_to(r"C:\One\A");
    disk.unmount();
    let dest = tempfile::tempdir_in("/dev/shm").unwrap();
    let sets = dest.path().to_str().unwrap();
    let image = disk.image().to_str().unwrap().to_owned();
    assert_eq!(offload(&image, dest.path(), &[]).code, 0);
    let judge = |code: i32, why: &str| {
        for level in ["quick", "full"] {
            let run = gate(&image, code, &["--set", sets, "--level", level]);
            assert!(reasons(&run).contains(why), "{level}: {}", run.stdout);
        }
    };
    judge(0, "");
    disk.remount(ALL_FACTS);
    xattr::set(&alice, "user.note", b"of the folder").unwrap();
    disk.unmount();
    judge(3, "alice: the set does not have its stream note");
    disk.remount(ALL_FACTS);
    xattr::remove(&alice, "user.note").unwrap();
    lead_to(r"C:\Two\B");
    disk.unmount();
    judge(3, "junction: its reparse data");
}

/// `verify` reads the streams of folders, too.
#[test]
fn a_stream_of_a_folder_is_compared_with_the_seal() {
    need!("fuse");
    let mut disk = Mounted::fresh(32);
    store(disk.path());
    let alice = disk.path().join("StateStore/USMT/File/C$/Users/alice");
    xattr::set(&alice, "user.note", b"of the folder").unwrap();
    lifeboat(&["seal", disk.path().to_str().unwrap()]).expect(0);
    let verify = |disk: &mut Mounted, code: i32| {
        disk.unmount();
        let run = lifeboat(&["verify", disk.image().to_str().unwrap(), "--level", "full"]);
        disk.remount(ALL_FACTS);
        run.expect(code)
    };
    verify(&mut disk, 0);
    xattr::set(&alice, "user.note", b"of another one").unwrap();
    verify(&mut disk, 3);
    xattr::set(&alice, "user.note", b"of the folder").unwrap();
    verify(&mut disk, 0);
    xattr::set(&alice, "user.more", b"more").unwrap();
    let run = verify(&mut disk, 3);
    assert!(run.stdout.contains("more was added"), "{}", run.stdout);
}
