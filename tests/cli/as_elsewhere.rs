//! What has hurt other backup programs, by the reports of their users, tried on this one.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::{Path, PathBuf};

use support::faulty::{Fault, Faulty};
use support::program::{Guarded, lifeboat};
use support::{need, text};

/// A mount that fails; dropped before what is below it.
struct Place {
    mount: Faulty,
    real: PathBuf,
    seen: PathBuf,
    _dir: tempfile::TempDir,
}

impl Place {
    fn new() -> std::io::Result<Self> {
        let dir = tempfile::tempdir()?;
        let (real, seen) = (dir.path().join("real"), dir.path().join("seen"));
        fs::create_dir(&real)?;
        fs::create_dir(&seen)?;
        Ok(Self { mount: Faulty::mount(&real, &seen)?, real, seen, _dir: dir })
    }
}

fn only_set(dest: &Path) -> PathBuf {
    let sets: Vec<_> = fs::read_dir(dest).unwrap().flatten().map(|entry| entry.path()).collect();
    assert_eq!(sets.len(), 1, "{sets:?}");
    sets[0].clone()
}

/// restic 3720 and 3751, borg 1287, libgit2 5356: mounts of shares refuse to flush a folder, or a
/// file, with errors of many kinds.
#[test]
fn a_mount_that_flushes_nothing_takes_a_set() {
    let place = need!("fuse", || Place::new().ok());
    let source = Guarded::fixture("hardlink-one");
    for (number, (file, folder)) in [
        (None, Some(2)),
        (None, Some(13)),
        (None, Some(22)),
        (None, Some(9)),
        (None, Some(95)),
        (Some(22), Some(22)),
        (Some(95), Some(2)),
    ]
    .into_iter()
    .enumerate()
    {
        place.mount.refuse_flushes(file, folder);
        let dest = place.seen.join(number.to_string());
        let run = lifeboat(&["offload", source.arg(), "--to", text(&dest), "--level", "1"]);
        assert_eq!(run.code, 0, "{file:?} {folder:?}: {}{}", run.stdout, run.stderr);
        let verify = ["verify", text(&only_set(&dest)), "--level", "full"].map(str::to_owned);
        assert_eq!(lifeboat(&verify).code, 0, "{file:?} {folder:?}");
    }
    // A medium that fails is another matter.
    place.mount.refuse_flushes(Some(5), None);
    let dest = place.seen.join("fails");
    let run = lifeboat(&["offload", source.arg(), "--to", text(&dest), "--level", "1"]);
    assert_eq!(run.code, 5, "{}{}", run.stdout, run.stderr);
}

/// restic 3060 (a call that is interrupted) and 22023 (a stale handle): errors that pass.
#[test]
fn errors_that_pass_are_waited_for() {
    let place = need!("fuse", || Place::new().ok());
    let source = Guarded::fixture("hardlink-one");
    let args = |dest: &Path| {
        ["offload", source.arg(), "--to", text(dest), "--level", "1"].map(str::to_owned)
    };
    place.mount.set(None);
    assert_eq!(lifeboat(&args(&place.seen.join("whole"))).code, 0);
    let calls = place.mount.calls();
    for code in [4, 11, 16, 110, 116] {
        place.mount.set_error(code);
        for part in 1..6 {
            let at = calls * part / 6;
            let dest = place.seen.join(format!("{code}-{part}"));
            place.mount.set(Some((Fault::Error, at)));
            let run = lifeboat(&args(&dest));
            place.mount.set(None);
            assert_eq!(run.code, 0, "error {code} at {at} of {calls}: {}", run.stderr);
            let verify = ["verify", text(&only_set(&dest)), "--level", "full"].map(str::to_owned);
            assert_eq!(lifeboat(&verify).code, 0, "error {code} at {at} of {calls}");
        }
    }
}

/// ownCloud 3144, Nextcloud 25175: on a full disk, a small file that is written again is emptied.
#[test]
fn a_full_disk_does_not_take_the_record_of_earlier_verifications() {
    let place = need!("fuse", || Place::new().ok());
    let source = Guarded::fixture("hardlink-one");
    let dest = place.seen.join("dest");
    place.mount.set(None);
    lifeboat(&["offload", source.arg(), "--to", text(&dest), "--level", "1"]).expect(0);
    let set = only_set(&place.real.join("dest"));
    let verify = ["verify", "--all", text(&dest)];
    lifeboat(&verify).expect(0);
    let runs = || {
        let record = fs::read(set.join("verified.json")).unwrap();
        let record: serde_json::Value = serde_json::from_slice(&record).unwrap_or_default();
        record["runs"].as_array().map_or(0, Vec::len)
    };
    assert_eq!(runs(), 1);
    for at in 0..6 {
        for fault in [Fault::FullFrom, Fault::ErrorsFrom] {
            place.mount.set(Some((fault, at)));
            let _ = lifeboat(&verify);
            place.mount.set(None);
            assert!(runs() >= 1, "{fault:?} from call {at}");
        }
    }
    lifeboat(&verify).expect(0);
    assert!(runs() >= 2);
}

/// pip 6327, dragonfly 1988: on NFS, a file that is removed while it is open stays under a name of
/// its own.
#[test]
fn what_nfs_leaves_of_an_open_file_is_no_part_of_a_set() {
    let place = need!("fuse", || Place::new().ok());
    let source = Guarded::fixture("hardlink-one");
    let args = |dest: &Path| {
        let args = ["offload", source.arg(), "--to", text(dest), "--level", "1"];
        [&args[..], &["--frame-bytes", "65536"]].concat().iter().map(|a| (*a).to_owned()).collect()
    };
    place.mount.set(None);
    let whole: Vec<String> = args(&place.seen.join("whole"));
    assert_eq!(lifeboat(&whole).code, 0);
    let calls = place.mount.calls();
    for at in [calls / 2, calls - 6] {
        let dest = place.seen.join(at.to_string());
        let command: Vec<String> = args(&dest);
        place.mount.set(Some((Fault::ErrorsFrom, at)));
        assert_eq!(lifeboat(&command).code, 5);
        place.mount.set(None);
        let left = only_set(&dest);
        fs::write(left.join(".nfs000000005bd10cc500000713"), "of an open file").unwrap();
        let run = lifeboat(&command);
        assert_eq!(run.code, 0, "{}", run.stderr);
        let verify = ["verify", text(&only_set(&dest)), "--level", "full"].map(str::to_owned);
        lifeboat(&verify).expect(0);
    }
}
