//! Whatever was saved, no disk is called ready to be wiped while something on it is not known.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use support::ntfs_mount::{ALL_FACTS, Mounted};
use support::program::{Guarded, Run, lifeboat, path};
use support::{full_store, need};

use crate::gate::store;
use crate::sets::{save, with_set};

const NOT_YET: &str = "Do not wipe this disk yet";

fn offload(source: &str, more: &[&str]) -> (Run, tempfile::TempDir) {
    let dest = tempfile::tempdir_in("/dev/shm").unwrap();
    let args = ["offload", source, "--to", dest.path().to_str().unwrap()];
    (lifeboat(&[&args, more].concat()), dest)
}

fn gate(source: &str, sets: &Path, code: i32, more: &[&str]) -> Run {
    let args = ["gate", source, "--set", sets.to_str().unwrap()];
    lifeboat(&[&args, more].concat()).expect(code)
}

#[test]
fn a_volume_that_is_cut_short_may_hide_a_store() {
    let image = Guarded::fixture("hardlink-one");
    let bytes = fs::read(image.arg()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let cut = dir.path().join("cut.img");
    // The store lies in the first half.
    fs::write(&cut, &bytes[..bytes.len() - (1 << 20)]).unwrap();
    let (run, dest) = offload(cut.to_str().unwrap(), &[]);
    let run = run.expect(3);
    assert!(run.stdout.contains(NOT_YET) && run.stdout.contains("DOUBT"), "{}", run.stdout);
    assert!(!run.stdout.contains("Re-image the PC."), "{}", run.stdout);
    gate(cut.to_str().unwrap(), dest.path(), 3, &[]);
}

/// The verdict is about the disk, not about the set.
#[test]
fn what_was_left_out_is_named() {
    let image = Guarded::fixture("interrupted");
    let found = lifeboat(&["detect", image.arg(), "--json"]).expect(0);
    let stores = found.events("store");
    assert!(stores.len() > 1);
    // One that was captured to its end.
    let one = stores.last().unwrap()["id"].as_str().unwrap();
    let (run, _dest) = offload(image.arg(), &["--store", one]);
    let text = run.expect(0).stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("NOT SAVED"), "{text}");
    assert!(text.contains("Before the disk is wiped, save what was NOT SAVED"), "{text}");
    let (all, _dest) = offload(image.arg(), &[]);
    // The mark of a finished capture is missing.
    let all = all.expect(3);
    let text = all.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("the capture may be incomplete"), "{text}");
    assert!(!all.stdout.contains("NOT SAVED"), "{}", all.stdout);
    assert_eq!(all.stdout.matches("  next ").count(), 1, "one verdict: {}", all.stdout);
}

#[test]
fn a_catalog_of_zeros_is_damage_for_all_commands() {
    let disk = tempfile::tempdir().unwrap();
    store(disk.path());
    fs::write(disk.path().join("StateStore/USMT/catalog.mig"), vec![0; 90_000]).unwrap();
    let source = disk.path().to_str().unwrap();
    lifeboat(&["verify", source]).expect(3);
    let (run, dest) = offload(source, &[]);
    assert!(run.expect(3).stdout.contains("INCOMPLETE"));
    gate(source, dest.path(), 3, &[]);
}

/// A quick check cannot take back what every byte showed.
#[test]
fn known_damage_of_a_set_stays_known() {
    let (dest, name) = with_set("hardlink-one", 0, &[]);
    let image = Guarded::fixture("hardlink-one");
    let file = dest.path().join(&name).join("store.tar.zst");
    let sound = fs::read(&file).unwrap();
    let mut bytes = sound.clone();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, bytes).unwrap();
    let sets = dest.path().to_str().unwrap();
    lifeboat(&["verify", sets, "--all", "--level", "full"]).expect(3);
    let run = lifeboat(&["verify", sets, "--all"]).expect(3);
    assert!(run.stdout.contains("DAMAGED"), "{}", run.stdout);
    lifeboat(&["sets", sets]).expect(3);
    gate(image.arg(), dest.path(), 3, &[]);
    fs::write(&file, sound).unwrap();
    lifeboat(&["verify", sets, "--all", "--level", "full"]).expect(0);
    lifeboat(&["verify", sets, "--all"]).expect(0);
    gate(image.arg(), dest.path(), 0, &[]);
}

#[test]
fn a_key_that_does_not_open_a_set_verifies_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (right, wrong) = (dir.path().join("right"), dir.path().join("wrong"));
    fs::write(&right, "correct horse battery\n").unwrap();
    fs::write(&wrong, "incorrect horse battery\n").unwrap();
    let sets = dir.path().join("sets");
    save("hardlink-one", &sets, 0, &["--passphrase-file", right.to_str().unwrap()]);
    let verify = |key: &Path, code| {
        let key = key.to_str().unwrap();
        lifeboat(&["verify", sets.to_str().unwrap(), "--all", "--passphrase-file", key])
            .expect(code)
    };
    verify(&right, 0);
    assert!(verify(&wrong, 3).stdout.contains("does not open it"));
    // Whose users are not known may be the one that is searched for.
    let run = lifeboat(&["sets", sets.to_str().unwrap(), "--of-user", "alice"]).expect(0);
    assert!(run.stdout.contains("encrypted"), "{}", run.stdout);
}

/// A quick seal has no hashes.
#[test]
fn a_full_gate_wants_a_seal_with_hashes() {
    let disk = tempfile::tempdir().unwrap();
    store(disk.path());
    let source = disk.path().to_str().unwrap();
    lifeboat(&["seal", source, "--quick"]).expect(0);
    lifeboat(&["gate", source, "--wipes", "D:"]).expect(0);
    let run = lifeboat(&["gate", source, "--wipes", "D:", "--level", "full"]).expect(3);
    assert!(run.stdout.contains("no hashes"), "{}", run.stdout);
}

/// A volume that is mounted at a second place is the source there, too.
#[test]
fn nothing_is_saved_to_the_source_by_another_path() {
    let Some(disk) = support::mounted::Tmpfs::new() else { return };
    store(disk.path());
    fs::create_dir(disk.path().join("sets")).unwrap();
    let Some(again) = disk.bind("sets") else { return };
    let (source, to) = (disk.path().to_str().unwrap(), again.path().to_str().unwrap());
    let run = lifeboat(&["offload", source, "--to", to]).expect(2);
    assert!(run.stderr.contains("on the source"), "{}", run.stderr);
    assert_eq!(fs::read_dir(again.path()).unwrap().count(), 0);
}

/// Offloads to a new folder on a volume that is mounted for writing, in each way.
fn refused_on(source: &str, mount: &Path) {
    let to = mount.join("sets");
    let to = to.to_str().unwrap();
    for more in [&[][..], &["--dry-run"], &["--path", r"\"], &["--deleted"]] {
        let run = lifeboat(&[&["offload", source, "--to", to], more].concat()).expect(2);
        assert!(run.stderr.contains("the source"), "{more:?}: {}", run.stderr);
        assert!(!Path::new(to).exists(), "{more:?}: nothing was tried out there");
    }
}

/// The destination is known to be on the source before anything is written to it.
#[test]
fn nothing_is_tried_out_on_the_source() {
    need!("fuse");
    let mut volume = Mounted::fresh(32);
    full_store::make(volume.path());
    refused_on(volume.image().to_str().unwrap(), volume.path());
    need!("loop");
    let device = volume.remount_by_loop();
    refused_on(&device, volume.path());
}

/// Both are the set's own, where the destination keeps both.
#[test]
fn names_that_differ_in_case_only_are_no_strangers() {
    let (disk, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    store(disk.path());
    let folder = disk.path().join("StateStore/USMT/File/C$/x");
    for name in ["sub/y", "SUB/y", "readme.txt", "README.TXT"] {
        fs::create_dir_all(folder.join(name).parent().unwrap()).unwrap();
        fs::write(folder.join(name), name).unwrap();
    }
    let (run, dest) = offload(disk.path().to_str().unwrap(), &[]);
    assert!([0, 3].contains(&run.code), "{}{}", run.stdout, run.stderr);
    let set = fs::read_dir(dest.path()).unwrap().next().unwrap().unwrap().path();
    let to = to.path().join("to");
    let run = lifeboat(&["restore", set.to_str().unwrap(), "--to", to.to_str().unwrap()]);
    // A plain folder does not keep every fact.
    assert!([0, 3].contains(&run.code), "{}{}", run.stdout, run.stderr);
    assert!(!run.stdout.contains("not of the set"), "{}", run.stdout);
    assert!(!run.stderr.contains("not of the set"), "{}", run.stderr);
}

/// A store may be in it: without administrator's rights, or on a mount that hides it.
#[cfg(target_os = "linux")]
#[test]
fn a_folder_that_cannot_be_searched_is_a_doubt() {
    use std::os::unix::fs::PermissionsExt;
    need!("setpriv");
    need!("root", || rustix::process::geteuid().is_root().then_some(()));
    let dir = tempfile::tempdir().unwrap();
    let allow = |path: &Path, mode: u32| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    let program = dir.path().join("lifeboat");
    fs::copy(path(), &program).unwrap();
    let (source, dest) = (dir.path().join("volume"), dir.path().join("sets"));
    store(&source);
    for folder in [&dest, &source.join("lost+found"), &source.join("_SMSTaskSequence")] {
        fs::create_dir_all(folder).unwrap();
        allow(folder, 0o777);
    }
    allow(dir.path(), 0o755);
    allow(&source.join("lost+found"), 0o700);
    let run = |args: &[&str]| {
        let output = Command::new("setpriv")
            .args(["--reuid=64322", "--regid=64322", "--clear-groups"])
            .arg(&program)
            .args(args)
            .env("LIFEBOAT_ALLOW_MEMORY", "1")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout) + &text(&output.stderr))
    };
    let (source_arg, dest_arg) = (source.to_str().unwrap(), dest.to_str().unwrap());
    let (code, said) = run(&["offload", source_arg, "--to", dest_arg]);
    let is_of_search = said.contains("search-cut-short") || said.contains("not searched");
    assert!(!is_of_search, "that of lost+found is nobody's: {code:?} {said}");

    allow(&source.join("_SMSTaskSequence"), 0o700);
    for args in [
        &["detect", source_arg][..],
        &["offload", source_arg, "--to", dest_arg, "--fresh"],
        &["gate", source_arg, "--set", dest_arg],
    ] {
        let (code, said) = run(args);
        assert!(code == Some(3) && said.contains("_SMSTaskSequence"), "{args:?}: {code:?} {said}");
        assert!(!said.contains("Re-image the PC") && !said.contains("SAFE TO WIPE"), "{said}");
    }
    // The only store is not seen.
    allow(&source.join("StateStore"), 0o700);
    for command in ["detect", "gate"] {
        let args = [command, source_arg, "--set", dest_arg];
        let (code, said) = run(if command == "gate" { &args } else { &args[..2] });
        assert!(matches!(code, Some(3 | 7)) && said.contains("StateStore"), "{code:?} {said}");
    }
}

/// The next step of "SAFE TO WIPE" is a disk without those files.
#[test]
fn users_whom_the_capture_left_out_are_a_doubt() {
    need!("fuse");
    let mut disk = Mounted::fresh(32);
    let image = disk.image().to_str().unwrap().to_owned();
    let source = image.as_str();
    store(disk.path());
    let log = disk.path().join("StateStore/scanstate.log");
    let write = |disk: &mut Mounted, more: &str| {
        let text = "2026-11-30 09:20:00, Info [0x000000] USMT Started at 2026/11/30:09:20:00.000\r\n\
                    2026-11-30 09:20:00, Info [0x000000] Command line: scanstate.exe C:\\StateStore \
                    /o /c /hardlink /nocompress\r\n";
        let end = "2026-11-30 09:25:00, Info [0x000000] USMT Completed at \
                   2026/11/30:09:25:00.000\r\n";
        fs::write(&log, format!("{text}{more}{end}")).unwrap();
        let captured = std::time::UNIX_EPOCH + std::time::Duration::from_mins(29_933_845);
        for name in ["catalog.mig", "MIGSTATE.DAT", "status.~lg"] {
            let file = disk.path().join("StateStore/USMT").join(name);
            fs::File::options().write(true).open(file).unwrap().set_modified(captured).unwrap();
        }
        disk.unmount();
    };
    write(&mut disk, "");
    let (run, dest) = offload(source, &[]);
    assert!(run.code == 0 && run.stdout.contains("Re-image the PC"), "{}", run.stdout);
    gate(source, dest.path(), 0, &[]);
    disk.remount(ALL_FACTS);
    write(
        &mut disk,
        "2026-11-30 09:21:00, Warning [0x0803ba] Found valid profile but can't get user \
         credentials. Will ignore due to error code: 0x00000534 User SID: S-1-5-21-1-2-3-1640\r\n",
    );
    let (run, dest) = offload(source, &[]);
    assert_eq!(run.code, 3, "{}", run.stdout);
    assert!(run.stdout.contains(NOT_YET) && run.stdout.contains("1640"), "{}", run.stdout);
    let run = gate(source, dest.path(), 3, &[]);
    assert!(run.stdout.contains("--profiles"), "{}", run.stdout);
    // It was looked at.
    gate(source, dest.path(), 0, &["--accept-ignored"]);
    assert_eq!(offload(source, &["--accept-ignored"]).0.code, 0);
    let args = ["gate", source, "--set", dest.path().to_str().unwrap()];
    let run = Command::new(path()).args(args).env("LIFEBOAT_ACCEPT_IGNORED", "yes").output();
    assert!(run.unwrap().status.success());
}

#[test]
fn a_store_without_users_beside_a_windows_with_users_is_a_doubt() {
    need!("fuse");
    let mut disk = Mounted::fresh(32);
    let image = disk.image().to_str().unwrap().to_owned();
    store(disk.path());
    let drive = disk.path().join("StateStore/USMT/File/C$");
    fs::rename(drive.join("Users"), drive.join("Data")).unwrap();
    disk.unmount();
    let (run, dest) = offload(&image, &[]);
    // The users are gone with their Windows: nothing is known to be left out.
    assert_eq!(run.code, 0, "{}", run.stdout);
    gate(&image, dest.path(), 0, &[]);
    disk.remount(ALL_FACTS);
    let alice = disk.path().join("Users/alice");
    fs::create_dir_all(alice.join("Documents")).unwrap();
    fs::create_dir_all(disk.path().join("Windows/System32")).unwrap();
    fs::write(alice.join("NTUSER.DAT"), "x").unwrap();
    fs::write(alice.join("Documents/letter.txt"), "Dear Bob").unwrap();
    disk.unmount();
    let (run, dest) = offload(&image, &[]);
    assert_eq!(run.code, 3, "{}", run.stdout);
    assert!(run.stdout.contains("no user's files are in it"), "{}", run.stdout);
    let run = gate(&image, dest.path(), 3, &[]);
    assert!(run.stdout.contains("no user's files are in it"), "{}", run.stdout);
    // Windows XP's users are in it.
    disk.remount(ALL_FACTS);
    let drive = disk.path().join("StateStore/USMT/File/C$");
    fs::rename(drive.join("Data"), drive.join("Documents and Settings")).unwrap();
    disk.unmount();
    let (run, dest) = offload(&image, &[]);
    assert_eq!(run.code, 0, "{}", run.stdout);
    gate(&image, dest.path(), 0, &[]);
}
