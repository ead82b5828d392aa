//! A store goes back to its own volume and path, stands beside its place until
//! it is whole, and goes on where it was interrupted.
#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use lifeboat::model::monitor::{Monitor, Progress};
use lifeboat::restore::{
    Destinations, MARKER, Options, RestoreError, restore, settle, verify_restored,
};
use lifeboat::set::read::reader::SetReader;
use lifeboat::set::write::writer::OffloadOptions;
use lifeboat_maker::mount::{Mount, MountOptions};
use lifeboat_maker::volume::VolumeSpec;
use support::program::{Guarded, Run, lifeboat};
use support::{need, sets, text};
use tempfile::TempDir;

/// The set that `offload` made.
fn set_of(run: &Run, dir: &Path) -> PathBuf {
    dir.join(run.events("set")[0]["name"].as_str().unwrap())
}

fn fixture(name: &str, dir: &Path) -> PathBuf {
    let image = Guarded::fixture(name);
    set_of(&lifeboat(&["offload", image.arg(), "--to", text(dir), "--json"]).expect(0), dir)
}

/// A hard-link store of drive D.
fn make_store(root: &Path) {
    let usmt = root.join("StateStore/USMT");
    let alice = usmt.join("File/D$/Users/alice");
    fs::create_dir_all(&alice).unwrap();
    for (name, bytes) in [
        ("catalog.mig", "catalog"),
        ("MIGSTATE.DAT", "x"),
        ("status.~lg", ""),
        ("hardlink.main", "D"),
    ] {
        fs::write(usmt.join(name), bytes).unwrap();
    }
    fs::write(alice.join("a.txt"), "alice").unwrap();
}

#[test]
fn a_store_goes_back_to_the_volume_that_it_came_from() {
    need!("fuse");
    let dir = TempDir::new().unwrap();
    // Other tests mount volumes at the same time: this one is known by its number.
    let mut spec = VolumeSpec::new("Data", 16 << 20);
    spec.serial = 0xA11C_E000_0000_0000 | u64::from(std::process::id());
    let image = dir.path().join("data.img");
    spec.format(&image).unwrap();
    let mount = Mount::new(&image, MountOptions::default()).unwrap();
    make_store(mount.path());
    mount.unmount().unwrap();
    let sets = dir.path().join("sets");
    let set = set_of(
        &lifeboat(&["offload", text(&image), "--to", text(&sets), "--json"]).expect(0),
        &sets,
    );

    let mount = Mount::new(&image, MountOptions::default()).unwrap();
    let store = mount.path().join("StateStore");
    fs::write(store.join("USMT/File/D$/Users/alice/a.txt"), "changed since").unwrap();
    // What is there is not touched.
    let refused = lifeboat(&["restore", text(&set), "--in-place"]).expect(5);
    assert!(refused.stderr.contains("a USMT store already exists here"), "{}", refused.stderr);
    assert!(!mount.path().join("StateStore.lifeboat-partial").exists());
    // ... unless told so, and then it is kept.
    let run = lifeboat(&["restore", text(&set), "--in-place", "--replace", "--json"]).expect(0);
    assert_eq!(run.events("place")[0]["root"].as_str().unwrap(), text(mount.path()));
    let kept = PathBuf::from(run.events("kept-aside")[0]["path"].as_str().unwrap());
    assert_eq!(kept, mount.path().join("StateStore.before-lifeboat"));
    let file = "USMT/File/D$/Users/alice/a.txt";
    assert_eq!(fs::read_to_string(kept.join(file)).unwrap(), "changed since");
    assert_eq!(fs::read_to_string(store.join(file)).unwrap(), "alice");
    // And once more to the empty place.
    fs::remove_dir_all(&store).unwrap();
    lifeboat(&["restore", text(&set), "--in-place"]).expect(0);
    let mut names: Vec<_> =
        fs::read_dir(mount.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["StateStore", "StateStore.before-lifeboat"]);
    let found = lifeboat(&["detect", text(mount.path()), "--json"]).expect(0);
    assert!(!found.events("store").is_empty());
    // In other letter case it is the same store for NTFS, and for us.
    fs::rename(store.join("USMT"), store.join("usmt")).unwrap();
    let other = mount.path().join("statestore");
    fs::rename(&store, &other).unwrap();
    let refused = lifeboat(&["restore", text(&set), "--in-place"]).expect(5);
    assert!(refused.stderr.contains("a USMT store already exists here"), "{}", refused.stderr);
    lifeboat(&["restore", text(&set), "--in-place", "--replace"]).expect(0);
    let mut names: Vec<_> =
        fs::read_dir(mount.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    let kept = ["StateStore.before-lifeboat", "statestore", "statestore.before-lifeboat"];
    assert_eq!(names, kept);
    assert_eq!(fs::read_to_string(other.join(file)).unwrap(), "alice");
    mount.unmount().unwrap();
}

/// An object id is on a volume once: the store that is kept hands it over.
#[test]
fn a_replaced_store_hands_its_object_ids_over() {
    need!("fuse");
    let dir = TempDir::new().unwrap();
    let mut spec = VolumeSpec::new("Data", 16 << 20);
    spec.serial = 0xA11C_E001_0000_0000 | u64::from(std::process::id());
    let image = dir.path().join("data.img");
    spec.format(&image).unwrap();
    let mount = Mount::new(&image, MountOptions::default()).unwrap();
    make_store(mount.path());
    let (file, id) = ("StateStore/USMT/File/D$/Users/alice/a.txt", [7_u8; 16]);
    let set_id = |path: &Path, id: &[u8]| {
        let flags = rustix::fs::XattrFlags::empty();
        rustix::fs::setxattr(path, "system.ntfs_object_id", id, flags).unwrap();
    };
    set_id(&mount.path().join(file), &id);
    mount.unmount().unwrap();
    let sets = dir.path().join("sets");
    let made = lifeboat(&["offload", text(&image), "--to", text(&sets), "--json"]).expect(0);
    let set = set_of(&made, &sets);

    let mount = Mount::new(&image, MountOptions::default()).unwrap();
    let id_of = |path: &str| {
        let mut found = [0; 64];
        let path = mount.path().join(path);
        match rustix::fs::getxattr(&path, "system.ntfs_object_id", &mut found[..]) {
            Ok(size) => found[..size.min(16)].to_vec(),
            Err(_) => Vec::new(),
        }
    };
    assert_eq!(id_of(file), id);
    for kept in ["StateStore.before-lifeboat", "StateStore.before-lifeboat-2"] {
        lifeboat(&["restore", text(&set), "--in-place", "--replace"]).expect(0);
        assert_eq!(id_of(file), id, "{kept}");
        assert!(id_of(&file.replace("StateStore", kept)).is_empty(), "{kept}");
    }
    // A file elsewhere has it: that is said.
    let other = "other";
    fs::write(mount.path().join(other), "x").unwrap();
    rustix::fs::removexattr(mount.path().join(file), "system.ntfs_object_id").unwrap();
    set_id(&mount.path().join(other), &id);
    let run = lifeboat(&["restore", text(&set), "--in-place", "--replace", "--json"]).expect(3);
    let losses = run.events("loss");
    assert_eq!(losses.len(), 1, "{losses:?}");
    assert!(losses[0]["detail"].as_str().unwrap().contains("object id"), "{losses:?}");
    assert_eq!(id_of(other), id);
    mount.unmount().unwrap();
}

/// What somebody adds to a file of an unfinished restore, that keeps the file as it is.
#[test]
fn an_alternate_data_stream_that_is_not_in_the_set_is_told() {
    need!("fuse");
    let dir = TempDir::new().unwrap();
    let set = fixture("hardlink-one", &dir.path().join("sets"));
    let spec = VolumeSpec::new("Data", 16 << 20);
    let image = dir.path().join("data.img");
    spec.format(&image).unwrap();
    let mount = Mount::new(&image, MountOptions::default()).unwrap();
    let to = format!("C={}", text(mount.path()));
    lifeboat(&["restore", text(&set), "--to", &to]).expect(0);
    let (done, stage) = ("StateStore", "StateStore.lifeboat-partial");
    fs::rename(mount.path().join(done), mount.path().join(stage)).unwrap();
    let rescue = fs::read(set.join("rescue.json")).unwrap();
    let rescue: serde_json::Value = serde_json::from_slice(&rescue).unwrap();
    let marker = format!("set {}\nnot whole\n", rescue["set"].as_str().unwrap());
    fs::write(mount.path().join(MARKER), marker).unwrap();
    let flags = rustix::fs::XattrFlags::empty();
    for path in ["USMT/catalog.mig", "USMT/File"] {
        let path = mount.path().join(stage).join(path);
        rustix::fs::setxattr(path, "user.hidden", b"x", flags).unwrap();
    }
    let run = lifeboat(&["restore", text(&set), "--to", &to, "--json"]).expect(3);
    let losses = run.events("loss");
    let told = |path: &str| losses.iter().any(|loss| loss["path"].as_str() == Some(path));
    assert!(told("C/StateStore/USMT/catalog.mig:hidden"), "{losses:?}");
    assert!(told("C/StateStore/USMT/File:hidden"), "{losses:?}");
    assert_eq!(losses.len(), 2, "{losses:?}");
    // It is not the finished store of this set either.
    lifeboat(&["restore", text(&set), "--to", &to]).expect(5);
    mount.unmount().unwrap();
}

#[test]
fn what_is_in_a_stage_and_not_in_the_set_is_told() {
    let dir = TempDir::new().unwrap();
    let set = fixture("hardlink-two", &dir.path().join("sets"));
    let target = sets::target(set.parent().unwrap());
    let opened = SetReader::open(target, set.file_name().unwrap().to_str().unwrap()).unwrap();
    let to = dir.path().join("to");
    for drive in ["C", "D"] {
        let usmt = to.join(drive).join("StateStore.lifeboat-partial/USMT");
        fs::create_dir_all(&usmt).unwrap();
        let marker = format!("set {}\nnot whole\n", opened.rescue().set);
        fs::write(to.join(drive).join(MARKER), marker).unwrap();
    }
    fs::write(to.join("D/StateStore.lifeboat-partial/USMT/stranger.cmd"), "x").unwrap();
    let run = lifeboat(&["restore", text(&set), "--to", text(&to), "--json"]).expect(3);
    let losses = run.events("loss");
    let told: Vec<_> = losses
        .iter()
        .filter(|loss| loss["detail"].as_str().unwrap().contains("not of the set"))
        .collect();
    assert_eq!(told.len(), 1, "{losses:?}");
    assert!(told[0]["path"].as_str().unwrap().ends_with("stranger.cmd"), "{told:?}");
}

#[test]
fn it_refuses_to_guess_and_says_how_to_say_it() {
    // No volume here is the one that the fixture was made from, but for those of
    // tests of the same fixture: drive D, so that a Windows folder says nothing.
    let dir = TempDir::new().unwrap();
    let usmt = dir.path().join("source");
    make_store(&usmt);
    let sets = dir.path().join("sets");
    let source = usmt.join("StateStore");
    let run = lifeboat(&["offload", text(&source), "--to", text(&sets), "--json"]);
    assert!([0, 3].contains(&run.code), "{}", run.stderr);
    let set = set_of(&run, &sets);
    let refused = lifeboat(&["restore", text(&set), "--in-place"]).expect(2);
    assert_eq!(refused.stderr.lines().filter(|l| !l.starts_with("note")).count(), 2);
    assert!(refused.stderr.contains("--to D=ROOT"), "{}", refused.stderr);
    // Said so, it goes; and not with a folder for everything.
    lifeboat(&["restore", text(&set), "--in-place", "--to", text(dir.path())]).expect(2);
    let root = dir.path().join("root");
    fs::create_dir(&root).unwrap();
    let to = format!("D={}", root.display());
    let run = lifeboat(&["restore", text(&set), "--in-place", "--to", &to]);
    assert!([0, 3].contains(&run.code), "{}", run.stderr);
    assert!(walkdir::WalkDir::new(&root).into_iter().any(|e| e.unwrap().file_name() == "a.txt"));
}

#[test]
fn one_part_is_restored_alone() {
    let dir = TempDir::new().unwrap();
    let set = fixture("hardlink-two", &dir.path().join("sets"));
    let to = dir.path().join("to");
    let args = ["restore", text(&set), "--part", "d:", "--to", text(&to)];
    let run = lifeboat(&args);
    assert!([0, 3].contains(&run.code), "{}", run.stderr);
    assert!(to.join("D").is_dir() && !to.join("C").exists());
    // The marker is gone, which changed the times of the folder that it stood in.
    let list = lifeboat(&["list", text(&set), "--json"]).expect(0);
    let of_d = list.events("member").into_iter().find(|member| member["path"] == "D").unwrap();
    let meta = to.join("D").metadata().unwrap();
    let ticks = meta.mtime() * 10_000_000 + meta.mtime_nsec() / 100 + 116_444_736_000_000_000;
    assert_eq!(of_d["times"]["modified"], ticks);
    assert!(run.stdout.contains("also needs the other parts: --part C"), "{}", run.stdout);
    lifeboat(&["restore", text(&set), "--part", "Q", "--to", text(&to)]).expect(4);
}

#[test]
fn one_user_is_restored_alone() {
    let dir = TempDir::new().unwrap();
    let set = fixture("hardlink-two", &dir.path().join("sets"));
    let list = lifeboat(&["list", text(&set), "--json"]).expect(0);
    let members = list.events("member");
    let alices = |path: &str| {
        let (_, own) = path.split_once("$/Users/alice/")?;
        Some(own.to_owned())
    };
    let wanted: Vec<String> =
        members.iter().filter_map(|m| alices(m["path"].as_str().unwrap())).collect();
    assert!(!wanted.is_empty());
    let to = dir.path().join("to");
    // Letter case does not count.
    let run = lifeboat(&["extract", text(&set), "--of-user", "ALICE", "--to", text(&to)]);
    assert!([0, 3].contains(&run.code), "{}", run.stderr);
    for own in &wanted {
        let there = ["C", "D"]
            .iter()
            .any(|d| fs::symlink_metadata(to.join(d).join("Users/alice").join(own)).is_ok());
        assert!(there, "{own}");
    }
    let all = walkdir::WalkDir::new(&to).into_iter().map(|e| e.unwrap());
    let others: Vec<_> = all
        .filter(|e| e.depth() > 2)
        .filter(|e| !e.path().to_str().unwrap().contains("/Users/alice"))
        .collect();
    assert!(others.is_empty(), "{others:?}");
    lifeboat(&["extract", text(&set), "--of-user", "nobody", "--to", text(&to)]).expect(4);
    lifeboat(&["extract", text(&set), "C", "--of-user", "alice", "--to", text(&to)]).expect(2);
}

/// Stops a job after so many bytes.
struct StopAfter(u64, AtomicU64);

impl Monitor for StopAfter {
    fn progress(&self, progress: Progress) {
        self.1.store(progress.bytes, Ordering::SeqCst);
    }
    fn is_cancelled(&self) -> bool {
        self.1.load(Ordering::SeqCst) >= self.0
    }
}

#[test]
fn what_was_interrupted_resumes_and_never_looks_complete() {
    let dir = sets::scratch();
    let tree = sets::store();
    let options = OffloadOptions { ..sets::options() };
    let outcome = sets::pack(&tree, &dir.path().join("sets"), &options);
    let target = sets::target(&dir.path().join("sets"));
    let set = SetReader::open(target, &outcome.set).unwrap();
    let root = dir.path().join("root");
    fs::create_dir(&root).unwrap();
    let drives = [("C".to_owned(), root.clone())].into_iter().collect();
    let to = Destinations::Staged(Box::new(Destinations::Drives(drives)));

    let stop = StopAfter(700_000, AtomicU64::new(0));
    let error = restore(&set, &to, Options::default(), &stop).unwrap_err();
    assert!(matches!(error, RestoreError::Cancelled), "{error}");
    let partial = root.join("StateStore.lifeboat-partial");
    assert!(!root.join("StateStore").exists() && partial.is_dir());
    assert!(root.join(MARKER).exists());

    // Files that are whole stay the very same; one that is not is made again.
    let files = || {
        let all = walkdir::WalkDir::new(&partial).into_iter().map(|e| e.unwrap());
        let files = all.filter(|e| e.file_type().is_file());
        let files = files.map(|e| (e.path().to_owned(), e.metadata().unwrap()));
        files.collect::<Vec<_>>()
    };
    let before: Vec<_> = files().into_iter().filter(|(_, meta)| meta.len() > 0).collect();
    assert!(before.len() > 2, "{}", before.len());
    let aside = dir.path().join("aside");
    fs::create_dir(&aside).unwrap();
    for (number, (path, _)) in before.iter().enumerate() {
        fs::hard_link(path, aside.join(number.to_string())).unwrap();
    }
    let (victim, meta) = &before[1];
    let mut bytes = fs::read(victim).unwrap();
    bytes[0] ^= 1;
    fs::write(victim, bytes).unwrap();

    // A restore of another set does not take it for its own.
    let other = sets::pack(
        &tree,
        &dir.path().join("other"),
        &OffloadOptions {
            created: lifeboat::model::metadata::FileTime(134_082_002_460_000_000),
            ..sets::options()
        },
    );
    let other = SetReader::open(sets::target(&dir.path().join("other")), &other.set).unwrap();
    if other.rescue().set != set.rescue().set {
        let error = restore(
            &other,
            &to,
            Options { replace: true, ..Options::default() },
            &lifeboat::model::monitor::Silent,
        );
        assert!(matches!(error, Err(RestoreError::AlreadyExists { .. })), "{error:?}");
    }

    restore(&set, &to, Options::default(), &lifeboat::model::monitor::Silent).unwrap();
    let checked = verify_restored(&set, &to, &lifeboat::model::monitor::Silent).unwrap();
    assert_eq!(checked.losses, 0);
    assert!(!root.join("StateStore").exists(), "not before it is settled");
    let after: std::collections::HashMap<_, _> = files().into_iter().collect();
    let same = before.iter().filter(|(p, m)| after.get(p).is_some_and(|n| n.ino() == m.ino()));
    let same = same.count();
    assert!(same + 2 >= before.len(), "{same} of {} files were not written again", before.len());
    assert_ne!(after[victim].ino(), meta.ino(), "the damaged one is another file now");

    // Something came into its place meanwhile.
    fs::create_dir_all(root.join("StateStore/USMT")).unwrap();
    let error = settle(&set, &to, false, &lifeboat::model::monitor::Silent).unwrap_err();
    assert!(matches!(error, RestoreError::AlreadyExists { .. }), "{error}");
    assert!(partial.is_dir());
    let kept = settle(&set, &to, true, &lifeboat::model::monitor::Silent).unwrap().kept;
    assert_eq!(kept, [text(&root.join("StateStore.before-lifeboat"))]);
    assert!(root.join("StateStore/USMT/catalog.mig").is_file());
    assert!(!partial.exists() && !root.join(MARKER).exists());
}

/// Two parts get their names together, or none does: what came into the place of
/// one must not keep the other from going on.
#[test]
fn either_every_part_takes_its_place_or_none() {
    let dir = TempDir::new().unwrap();
    let set = fixture("hardlink-two", &dir.path().join("sets"));
    let to = dir.path().join("to");
    let args = ["restore", text(&set), "--to", text(&to)];
    let drives = ["C", "D"].map(|drive| to.join(drive));
    let target = sets::target(set.parent().unwrap());
    let opened = SetReader::open(target, set.file_name().unwrap().to_str().unwrap()).unwrap();
    let under = Destinations::Staged(Box::new(Destinations::Under(to.clone())));
    restore(&opened, &under, Options::default(), &lifeboat::model::monitor::Silent).unwrap();
    // In the place of the part that comes last.
    let in_the_way = drives[1].join("StateStore/not ours");
    fs::create_dir_all(&in_the_way).unwrap();
    let error = settle(&opened, &under, false, &lifeboat::model::monitor::Silent).unwrap_err();
    assert!(matches!(error, RestoreError::AlreadyExists { .. }), "{error}");
    for drive in &drives {
        assert!(drive.join("StateStore.lifeboat-partial").is_dir() && drive.join(MARKER).exists());
    }
    assert!(!drives[0].join("StateStore").exists());

    // Said so, it is kept; and what was there for a while is nowhere else.
    let run = lifeboat(&[&args[..], &["--replace", "--json"]].concat());
    assert!([0, 3].contains(&run.code), "{}", run.stderr);
    assert_eq!(run.events("kept-aside").len(), 1, "{}", run.stdout);
    for (drive, wanted) in drives.iter().zip([1, 2]) {
        assert!(drive.join("StateStore/USMT").is_dir());
        assert_eq!(fs::read_dir(drive).unwrap().count(), wanted, "{}", drive.display());
    }
    assert!(drives[1].join("StateStore.before-lifeboat/not ours").is_dir());
}

/// A disk is unmounted in the middle, and what comes next
/// is looked for in the folder below the mount.
#[test]
fn a_disk_that_is_gone_before_the_last_rename_is_no_restored_store() {
    let dir = TempDir::new().unwrap();
    let name = fixture("hardlink-one", &dir.path().join("sets"));
    let target = sets::target(name.parent().unwrap());
    let set = SetReader::open(target, name.file_name().unwrap().to_str().unwrap()).unwrap();
    let disk = dir.path().join("disk");
    let to = Destinations::Staged(Box::new(Destinations::Under(disk.clone())));
    restore(&set, &to, Options::default(), &lifeboat::model::monitor::Silent).unwrap();
    fs::rename(&disk, dir.path().join("unmounted")).unwrap();
    fs::create_dir(&disk).unwrap();
    let error = settle(&set, &to, false, &lifeboat::model::monitor::Silent).unwrap_err();
    assert!(matches!(error, RestoreError::Broken { .. }), "{error}");
    // It is there again.
    fs::remove_dir_all(&disk).unwrap();
    fs::rename(dir.path().join("unmounted"), &disk).unwrap();
    settle(&set, &to, false, &lifeboat::model::monitor::Silent).unwrap();
    // And once more: it is done.
    settle(&set, &to, false, &lifeboat::model::monitor::Silent).unwrap();
}

#[test]
fn killed_between_its_last_rename_and_its_end_it_resumes() {
    let dir = TempDir::new().unwrap();
    let set = fixture("hardlink-two", &dir.path().join("sets"));
    let to = dir.path().join("to");
    let code = lifeboat(&["restore", text(&set), "--to", text(&to)]).code;
    assert!([0, 3].contains(&code));
    let places = ["C", "D"].map(|drive| to.join(drive));
    let stores = places.clone().map(|place| place.join("StateStore"));
    let inodes = || {
        let all = stores.iter().flat_map(walkdir::WalkDir::new).map(Result::unwrap);
        let files = all.filter(|entry| entry.file_type().is_file());
        files.map(|entry| entry.metadata().unwrap().ino()).collect::<Vec<_>>()
    };
    let before = inodes();
    // As the kill leaves it: the first part has its name, the second has not, and the
    // markers are there.
    let id = SetReader::open(
        sets::target(set.parent().unwrap()),
        set.file_name().unwrap().to_str().unwrap(),
    );
    let id = id.unwrap().rescue().set.clone();
    let marks = "takes its place: 0 C/StateStore\ntakes its place: 0 D/StateStore\n";
    for place in &places {
        fs::write(place.join(MARKER), format!("set {id}\n{marks}not whole\n")).unwrap();
    }
    let partial = places[1].join("StateStore.lifeboat-partial");
    fs::rename(&stores[1], &partial).unwrap();

    let ran = lifeboat(&["restore", text(&set), "--to", text(&to)]);
    assert_eq!(ran.code, code, "{}", ran.stderr);
    assert!(!partial.exists() && places.iter().all(|place| !place.join(MARKER).exists()));
    assert_eq!(inodes(), before, "what was whole was kept");
}
