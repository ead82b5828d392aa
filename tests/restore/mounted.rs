//! Sets put back onto folders and NTFS volumes.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use lifeboat::model::advice::Advice as _;
use lifeboat::model::loss::LossKind;
use lifeboat::model::metadata::FileTime;
use lifeboat::model::monitor::{Collect, Monitor, Silent};
use lifeboat::restore::{
    Destinations, MARKER, Options, RestoreError, Restored, Verified, restore, restore_verified,
    verify_restored,
};
use lifeboat::set::format::manifest::{ContentKind, MemberKind, to_base64};
use lifeboat::tree::Tree;
use lifeboat::tree::host::HostTree;
use support::made_set::{self, MadeSet, TICKS};
use support::need;
use support::ntfs_mount::{self, Mounted};

fn under(dir: &Path) -> Destinations {
    Destinations::Under(dir.to_owned())
}

fn drives(roots: &[(&str, &Path)]) -> Destinations {
    let roots = roots.iter().map(|(d, r)| ((*d).to_owned(), (*r).to_owned()));
    Destinations::Drives(roots.collect::<BTreeMap<_, _>>())
}

/// Restores, and returns what was lost: kind and path.
fn restored(
    set: &MadeSet,
    to: &Destinations,
    replace: bool,
) -> (Restored, Vec<(LossKind, String)>) {
    let seen = Collect::default();
    let done = restore(set, to, Options { replace, ..Options::default() }, &seen).unwrap();
    let losses: Vec<_> =
        seen.losses.into_inner().unwrap().into_iter().map(|l| (l.kind, l.path)).collect();
    assert_eq!(done.losses + done.carried, losses.len() as u64, "{losses:?}");
    (done, losses)
}

fn read_back(set: &MadeSet, to: &Destinations) -> (Verified, Vec<(LossKind, String)>) {
    let seen = Collect::default();
    let checked = verify_restored(set, to, &seen).unwrap();
    let losses = seen.losses.into_inner().unwrap();
    (checked, losses.into_iter().map(|l| (l.kind, l.path)).collect())
}

fn small_store() -> MadeSet {
    let mut set = MadeSet::store("hard-link", &[("C", "StateStore")]);
    set.folder("C");
    set.folder("C/StateStore");
    set.folder("C/StateStore/USMT");
    set.folder("C/StateStore/USMT/File");
    set.folder("C/StateStore/USMT/File/empty folder");
    set.file("C/StateStore/USMT/hardlink.main", b"C\t{0}\r\n");
    set.file("C/StateStore/USMT/status.~lg", b"");
    for size in [0usize, 1, 511, 512, 513, 4095, 4096, 4097, 65_536, 3_000_000] {
        let bytes: Vec<u8> = (0..size).map(|n| (n * 7 / 3).to_le_bytes()[0]).collect();
        set.file(&format!("C/StateStore/USMT/File/{size}"), &bytes);
    }
    set.file("C/StateStore/USMT/File/trailing dot.", b"dot");
    set.file("C/StateStore/USMT/File/trailing space ", b"space");
    set.file("C/StateStore/USMT/File/\u{1F600}", b"emoji");
    set.link("C/StateStore/USMT/File/link to 513", "C/StateStore/USMT/File/513");
    set
}

/// Compares every file of the set with what stands below `root`.
fn assert_bytes(set: &MadeSet, root: &Path) {
    for (member, bytes) in set.members_and_bytes() {
        let path = root.join(&member.path);
        let meta = fs::symlink_metadata(&path).unwrap_or_else(|e| panic!("{}: {e}", member.path));
        match member.kind {
            MemberKind::Directory => assert!(meta.is_dir(), "{}", member.path),
            _ => assert!(fs::read(&path).unwrap() == bytes, "{}", member.path),
        }
    }
}

#[test]
fn a_store_goes_back_onto_a_plain_folder() {
    let set = small_store();
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("made by the restore");
    let (done, losses) = restored(&set, &under(&to), false);
    assert_bytes(&set, &to);
    assert_eq!((done.files, done.directories, done.links), (15, 5, 1));
    let store = to.join("C/StateStore/USMT");
    let ino = |name: &str| fs::metadata(store.join("File").join(name)).unwrap().ino();
    assert_eq!(ino("513"), ino("link to 513"));
    for path in ["C", "C/StateStore", "C/StateStore/USMT/File", "C/StateStore/USMT/File/4096"] {
        let meta = fs::metadata(to.join(path)).unwrap();
        let expected = set.times_of(path).modified;
        let nanos = u32::try_from(meta.mtime_nsec()).unwrap();
        assert_eq!(FileTime::from_unix(meta.mtime(), nanos), FileTime(expected), "{path}");
    }
    // One loss for all creation times together: this file system keeps its own.
    assert_eq!(losses, [(LossKind::Fact, "C".to_owned())]);
    assert!(!to.join("C").join(MARKER).exists());
    let (checked, losses) = read_back(&set, &under(&to));
    assert_eq!((checked.losses, losses), (0, vec![]));
    assert_eq!((checked.files, checked.bytes), (15, done.bytes));
}

#[test]
fn a_read_back_finds_what_changed() {
    let set = small_store();
    let dir = tempfile::tempdir().unwrap();
    restored(&set, &under(dir.path()), false);
    let file = dir.path().join("C/StateStore/USMT/File");
    let one_bit = |path: &Path| {
        let times =
            fs::FileTimes::new().set_modified(fs::metadata(path).unwrap().modified().unwrap());
        let times = times.set_accessed(fs::metadata(path).unwrap().accessed().unwrap());
        let mut bytes = fs::read(path).unwrap();
        bytes[300] ^= 1;
        fs::write(path, bytes).unwrap();
        fs::File::options().write(true).open(path).unwrap().set_times(times).unwrap();
    };
    one_bit(&file.join("4096"));
    fs::remove_file(file.join("0")).unwrap();
    fs::remove_file(file.join("link to 513")).unwrap();
    fs::copy(file.join("513"), file.join("link to 513")).unwrap();
    fs::File::options().append(true).open(file.join("1")).unwrap().set_len(2).unwrap();
    fs::remove_dir(file.join("empty folder")).unwrap();
    fs::write(file.join("empty folder"), b"").unwrap();
    let (checked, losses) = read_back(&set, &under(dir.path()));
    let has = |kind, name: &str| {
        let path = format!("C/StateStore/USMT/File/{name}");
        assert!(losses.contains(&(kind, path)), "{name}: {losses:?}");
    };
    has(LossKind::Unreadable, "4096");
    has(LossKind::Unreadable, "0");
    has(LossKind::Fact, "link to 513");
    has(LossKind::Unreadable, "1");
    has(LossKind::Name, "empty folder");
    assert_eq!(checked.losses, losses.len() as u64);
}

#[test]
fn each_drive_goes_below_its_own_root() {
    let mut set = MadeSet::store("hard-link", &[("C", "USMTMIG"), ("D", "USMTMIG")]);
    set.file("C/USMTMIG/USMT/hardlink.main", b"main");
    set.file("D/USMTMIG/USMT/hardlink.distributed.{1}", b"");
    let [c, d] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let to = drives(&[("C", c.path()), ("D", d.path())]);
    restored(&set, &to, false);
    assert_eq!(fs::read(c.path().join("USMTMIG/USMT/hardlink.main")).unwrap(), b"main");
    assert!(d.path().join("USMTMIG/USMT/hardlink.distributed.{1}").exists());

    let only_c = drives(&[("C", c.path())]);
    let error = restore(&set, &only_c, Options::default(), &Silent).unwrap_err();
    assert!(matches!(&error, RestoreError::NoDestination { drive } if drive == "D"), "{error}");
    assert!(error.advice().contains("--to D="));
    let nowhere = drives(&[("C", &c.path().join("no")), ("D", d.path())]);
    let error = restore(&set, &nowhere, Options::default(), &Silent).unwrap_err();
    assert!(matches!(error, RestoreError::Missing { .. }), "a drive's root is not made: {error}");
}

#[test]
fn what_is_there_stays_unless_it_may_be_replaced() {
    let set = small_store();
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("C/StateStore");
    fs::create_dir_all(&store).unwrap();
    fs::write(store.join("other"), b"other").unwrap();
    let error = restore(&set, &under(dir.path()), Options::default(), &Silent).unwrap_err();
    assert!(matches!(error, RestoreError::AlreadyExists { .. }), "{error}");
    assert!(error.is_destination() && error.to_string().contains("not empty"));

    fs::create_dir_all(store.join("usmt/File")).unwrap();
    let error = restore(&set, &under(dir.path()), Options::default(), &Silent).unwrap_err();
    assert!(error.to_string().contains("a USMT store already exists"), "{error}");
    assert_eq!(fs::read_dir(&store).unwrap().count(), 2, "nothing was changed");
    assert!(!dir.path().join("C").join(MARKER).exists());

    fs::create_dir_all(store.join("USMT/File/4096")).unwrap();
    fs::write(store.join("USMT/File/511"), b"old").unwrap();
    fs::hard_link(store.join("USMT/File/511"), dir.path().join("elsewhere")).unwrap();
    let (_, losses) = restored(&set, &under(dir.path()), true);
    let in_the_way = (LossKind::Name, "C/StateStore/USMT/File/4096".to_owned());
    assert!(losses.contains(&in_the_way), "a folder is never replaced by a file: {losses:?}");
    assert_eq!(fs::read(store.join("USMT/File/511")).unwrap().len(), 511);
    assert_eq!(fs::read(dir.path().join("elsewhere")).unwrap(), b"old", "not written through");
    assert_eq!(fs::read(store.join("other")).unwrap(), b"other");
}

#[test]
fn files_of_a_folder_set_are_not_overwritten_one_by_one() {
    let mut set = MadeSet::store("folder", &[("C", "")]);
    set.folder("C/Users");
    set.file("C/Users/new", b"new");
    set.file("C/Users/old", b"from the set");
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("Users")).unwrap();
    fs::write(dir.path().join("Users/old"), b"mine").unwrap();
    let to = drives(&[("C", dir.path())]);
    let (_, losses) = restored(&set, &to, false);
    assert_eq!(fs::read(dir.path().join("Users/old")).unwrap(), b"mine");
    assert_eq!(fs::read(dir.path().join("Users/new")).unwrap(), b"new");
    assert!(losses.contains(&(LossKind::Name, "C/Users/old".to_owned())), "{losses:?}");
    assert!(losses.contains(&(LossKind::Fact, "C/Users".to_owned())), "its times stay");
}

#[test]
fn nothing_leaves_the_destination() {
    let outside = tempfile::tempdir().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("to");
    fs::create_dir_all(to.join("C/StateStore")).unwrap();
    symlink(outside.path(), to.join("C/way out")).unwrap();
    let mut set = MadeSet::store("folder", &[("C", "")]);
    for path in [
        "../up",
        "C/../../up",
        "C/./here",
        "C//double",
        "/abs",
        "C/",
        "D/other drive",
        "",
        "C/a\0b",
        "C/way out/file",
        "C/way out/deeper/file",
    ] {
        set.file(path, b"evil");
    }
    set.file("C/file", b"a file");
    set.file("C/file/below a file", b"evil");
    set.folder("C/file/folder below a file");
    set.link("C/link out", "../secret");
    set.link("C/link to a link", "C/way out/secret");
    set.link("C/link to nothing", "C/nothing");
    set.link("C/../../linked up", "C/file");
    set.file("C/last", b"and the rest goes on");
    fs::write(outside.path().join("secret"), b"secret").unwrap();
    fs::write(dir.path().join("secret"), b"secret").unwrap();

    for replace in [false, true] {
        let (_, losses) = restored(&set, &under(&to), replace);
        let named = losses.iter().filter(|(k, _)| *k != LossKind::Fact).count();
        assert_eq!(named, 17, "{losses:?}");
        assert_eq!(fs::read(to.join("C/last")).unwrap(), b"and the rest goes on");
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
        let mut left: Vec<_> =
            fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["secret", "to"]);
        assert!(fs::symlink_metadata(to.join("C/way out")).unwrap().is_symlink());
    }
    let meta = fs::metadata(outside.path().join("secret")).unwrap();
    assert_eq!(meta.nlink(), 1);
}

#[test]
fn a_hostile_part_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for (drive, path) in [("..", "x"), ("a/b", "x"), ("", "x")] {
        let set = MadeSet::store("folder", &[(drive, path)]);
        let to = under(&dir.path().join("to"));
        assert!(restore(&set, &to, Options::default(), &Silent).is_err(), "{drive} {path}");
    }
    let set = MadeSet::store("folder", &[("C", "../../x")]);
    restored(&set, &under(&dir.path().join("to")), false);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn names_that_the_file_system_refuses_are_named() {
    let mut set = MadeSet::store("folder", &[("C", "")]);
    // 255 units of three bytes each: NTFS takes them, ext4 does not.
    let long = "\u{20AC}".repeat(255);
    set.folder(&format!("C/{long}"));
    set.file(&format!("C/{long}/inside"), b"lost with its folder");
    set.file(&format!("C/{long}.txt"), b"lost");
    set.file(&format!("C/{}", "x".repeat(255)), b"fits");
    let deep = format!("C/{}", vec!["d".repeat(200); 40].join("/"));
    set.file(&format!("{deep}/far down"), b"deep");
    let dir = tempfile::tempdir().unwrap();
    let (done, losses) = restored(&set, &under(dir.path()), false);
    assert_eq!(losses.iter().filter(|(k, _)| *k == LossKind::Name).count(), 3, "{losses:?}");
    assert_eq!(done.files, 2);
    let tree = HostTree::open(dir.path()).unwrap();
    let far = tree.lookup(&format!("{deep}/far down").as_str().into()).unwrap();
    assert_eq!(tree.node(far).unwrap().size, 4);
}

#[test]
fn damage_in_the_set_is_reported_and_the_rest_is_restored() {
    let mut set = MadeSet::store("folder", &[("C", "")]);
    set.file("C/good", b"good");
    set.file("C/cut", &[7; 10_000]);
    set.file("C/changed", b"not what was saved");
    set.file("C/lost", b"");
    set.file("C/last", b"last");
    set.break_data("C/cut", 6000..usize::MAX);
    set.file("C/pierced", &[7; 10_000]);
    set.break_data("C/pierced", 2000..6000);
    set.change_hash("C/changed");
    set.edit("C/lost", |m| {
        m.content = Some(ContentKind::Missing);
        m.lose(LossKind::NotHere, "in the cloud");
    });
    let dir = tempfile::tempdir().unwrap();
    let (done, losses) = restored(&set, &under(dir.path()), false);
    let kinds: Vec<_> = losses.iter().filter(|(k, _)| *k != LossKind::Fact).collect();
    let expected = [
        (LossKind::Hole, "C/cut".to_owned()),
        (LossKind::Unreadable, "C/changed".to_owned()),
        (LossKind::NotHere, "C/lost".to_owned()),
        (LossKind::Hole, "C/pierced".to_owned()),
    ];
    assert_eq!(kinds, expected.iter().collect::<Vec<_>>());
    assert_eq!((done.carried, done.files), (1, 5));
    let cut = fs::read(dir.path().join("C/cut")).unwrap();
    assert!(cut.len() == 10_000 && cut[..6000] == [7; 6000] && cut[6000..] == [0; 4000]);
    let pierced = fs::read(dir.path().join("C/pierced")).unwrap();
    assert!(pierced.len() == 10_000 && pierced[..2000] == [7; 2000]);
    assert!(pierced[2000..6000] == [0; 4000] && pierced[6000..] == [7; 4000]);
    assert!(!dir.path().join("C/lost").exists(), "an empty file would look like the real one");
    assert_eq!(fs::read(dir.path().join("C/last")).unwrap(), b"last");
}

#[test]
fn an_interrupted_restore_is_recognised_and_done_again() {
    struct StopAfter(std::sync::atomic::AtomicI32);
    impl Monitor for StopAfter {
        fn is_cancelled(&self) -> bool {
            self.0.fetch_sub(1, std::sync::atomic::Ordering::Relaxed) <= 0
        }
    }
    let set = small_store();
    let dir = tempfile::tempdir().unwrap();
    let marker = dir.path().join("C").join(MARKER);
    for steps in [28, 38, 54, 64, 84] {
        let stop = StopAfter(steps.into());
        let error = restore(&set, &under(dir.path()), Options::default(), &stop).unwrap_err();
        assert!(matches!(error, RestoreError::Cancelled), "{error}");
        assert!(fs::read_to_string(&marker).unwrap().contains("do not run loadstate"));
    }
    let seen = Collect::default();
    restore(&set, &under(dir.path()), Options::default(), &seen).unwrap();
    assert!(seen.notes.lock().unwrap()[0].contains("was interrupted here"));
    assert_eq!(seen.losses.lock().unwrap().len(), 1, "creation times alone");
    assert_bytes(&set, dir.path());
    assert!(!marker.exists());
    let error = restore(&set, &under(dir.path()), Options::default(), &Silent).unwrap_err();
    assert!(matches!(error, RestoreError::AlreadyExists { .. }), "whole now: {error}");
}

#[test]
fn another_sets_marker_gives_no_leave_to_replace() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("C/StateStore/USMT")).unwrap();
    fs::write(dir.path().join("C").join(MARKER), "set ffffffff\n").unwrap();
    let error = restore(&small_store(), &under(dir.path()), Options::default(), &Silent);
    assert!(matches!(error.unwrap_err(), RestoreError::AlreadyExists { .. }));
}

#[test]
fn a_full_disk_ends_it() {
    need!("fuse");
    let volume = Mounted::fresh(8);
    let mut set = MadeSet::store("folder", &[("C", "")]);
    set.file("C/too big", &vec![1; 12 << 20]);
    let error = restore(&set, &under(volume.path()), Options::default(), &Silent).unwrap_err();
    assert!(matches!(error, RestoreError::Full { free: Some(_), .. }), "said before: {error}");
    assert!(error.advice().contains("12582912 bytes are needed"), "{}", error.advice());
    set.claim_total(1);
    let error = restore(&set, &under(volume.path()), Options::default(), &Silent).unwrap_err();
    assert!(matches!(error, RestoreError::Full { free: None, .. }), "met on the way: {error}");
    assert!(!volume.path().join("C/too big").exists(), "no half file under a whole name");
    // Whoever knows better may begin.
    set.claim_total(12 << 20);
    let despite = Options { despite_space: true, replace: true, ..Options::default() };
    let error = restore(&set, &under(volume.path()), despite, &Silent).unwrap_err();
    assert!(matches!(error, RestoreError::Full { free: None, .. }), "met on the way: {error}");
}

#[test]
fn a_sparse_file_takes_what_is_in_it_and_roots_share_their_volume() {
    need!("fuse");
    let volume = Mounted::fresh(8);
    let mut set = MadeSet::store("folder", &[("C", "")]);
    set.file("C/sparse", &vec![0; 60 << 20]);
    set.edit("C/sparse", |member| member.attributes = 0x220);
    restore(&set, &under(volume.path()), Options::default(), &Silent).unwrap();
    assert_eq!(volume.path().join("C/sparse").metadata().unwrap().len(), 60 << 20);

    let volume = Mounted::fresh(8);
    let mut set = MadeSet::store("folder", &[("C", ""), ("D", "")]);
    let mut drives = std::collections::BTreeMap::new();
    for drive in ["C", "D"] {
        set.file(&format!("{drive}/half"), &vec![1; 4 << 20]);
        let root = volume.path().join(drive);
        fs::create_dir(&root).unwrap();
        drives.insert(drive.to_owned(), root);
    }
    let to = Destinations::Drives(drives);
    let error = restore(&set, &to, Options::default(), &Silent).unwrap_err();
    assert!(matches!(error, RestoreError::Full { free: Some(_), .. }), "{error}");
}

#[test]
fn all_metadata_is_restored_to_an_ntfs_3g_mount() {
    need!("fuse");
    let mut set = MadeSet::store("uncompressed", &[("C", "StateStore")]);
    let dir = "C/StateStore/USMT";
    set.folder("C/StateStore");
    set.folder(dir);
    set.folder(&format!("{dir}/File"));
    set.edit(&format!("{dir}/File"), |m| m.attributes = 0x12);
    let odd = format!("{dir}/File/trailing dot.");
    set.file(&odd, &vec![9; 70_000]);
    set.edit(&odd, |m| {
        m.attributes = 0x27;
        m.security = Some(to_base64(&made_set::descriptor()));
        m.short_name = Some("TRAILI~1".to_owned());
        m.object_id = Some(to_base64(b"sixteen bytes id"));
    });
    set.stream(&odd, "Zone.Identifier", b"[ZoneTransfer]");
    set.stream(&odd, "empty", b"");
    set.stream(&odd, "large", &vec![1; 70_000]);
    set.link(&format!("{dir}/second name"), &odd);
    set.file(&format!("{dir}/status.~lg"), b"");
    set.edit(&format!("{dir}/status.~lg"), |m| m.attributes = 0x26);
    set.folder(&format!("{dir}/junction"));
    set.edit(&format!("{dir}/junction"), |m| {
        m.attributes = 0x410;
        m.reparse = Some(to_base64(&made_set::junction_to("C:\\Users")));
    });
    set.stream(dir, "on a folder", b"too");
    let compact = format!("{dir}/compact");
    set.file(&compact, b"plain here");
    set.edit(&compact, |m| {
        m.content = Some(ContentKind::Wof);
        m.reparse = Some(to_base64(&made_set::reparse(0x8000_0017, &[0; 16])));
    });

    let mut volume = Mounted::fresh(32);
    let to = drives(&[("C", volume.path())]);
    for replace in [false, true] {
        let (_, losses) = restored(&set, &to, replace);
        let large = (LossKind::Fact, format!("{odd}:large"));
        assert_eq!(losses, std::slice::from_ref(&large), "ntfs-3g takes 64 KiB");
        assert_eq!(read_back(&set, &to).1, [large], "all the rest is as in the set");
    }
    volume.remount(&format!("ro,{}", ntfs_mount::ALL_FACTS));
    let tree = HostTree::open(volume.path()).unwrap();
    let look = |path: &str| {
        let id = tree.lookup(&path[2..].into()).unwrap();
        let name = path.rsplit('/').next().unwrap().into();
        (tree.node(id).unwrap(), tree.facts(id, Some(&name)).unwrap())
    };
    for path in [dir, "C/StateStore", &odd, &format!("{dir}/File"), &format!("{dir}/junction")] {
        let times = look(path).0.times;
        let expected = set.times_of(path);
        assert_eq!(times.created.0, expected.created, "{path}");
        assert_eq!(times.modified.0, expected.modified, "{path}");
        assert_eq!(times.accessed.0, expected.accessed, "{path}");
        assert!(times.created.0 >= TICKS);
    }
    let (node, facts) = look(&odd);
    assert_eq!((node.attributes, node.links, node.size), (0x27, 2, 70_000));
    assert_eq!(facts.security, Some(made_set::descriptor()));
    assert!(volume.path().join("StateStore/USMT/File/TRAILI~1").exists());
    assert_eq!(facts.object_id.unwrap()[..16], *b"sixteen bytes id");
    let streams: Vec<_> = facts.streams.iter().map(|s| (s.name.to_string(), s.size)).collect();
    assert_eq!(streams, [("Zone.Identifier".to_owned(), 14), ("empty".to_owned(), 0)]);
    assert_eq!(look(&format!("{dir}/second name")).0.id, node.id);
    assert_eq!(look(&format!("{dir}/File")).0.attributes, 0x12);
    assert_eq!(look(&format!("{dir}/status.~lg")).0.attributes, 0x26);
    let (node, facts) = look(&format!("{dir}/junction"));
    assert_eq!(node.attributes, 0x410);
    assert_eq!(facts.reparse, Some(made_set::junction_to("C:\\Users")));
    let (node, _) = look(&compact);
    assert_eq!((node.reparse_tag, node.size), (None, 10));
    assert_eq!(look(dir).1.streams[0].name, "on a folder".into());
}

/// The attributes of a file on an ntfs-3g mount.
fn attributes_of(path: &Path) -> u32 {
    let bits = xattr::get(path, "system.ntfs_attrib_be").unwrap().unwrap();
    u32::from_be_bytes(bits.try_into().unwrap())
}

#[test]
fn compressed_files_are_compressed_again_where_that_can_be() {
    const COMPRESSED: u32 = 0x800;
    need!("fuse");
    let mut set = MadeSet::store("uncompressed", &[("C", "StateStore")]);
    for folder in ["C", "C/StateStore", "C/StateStore/packed", "C/StateStore/loose"] {
        set.folder(folder);
    }
    set.edit("C/StateStore/packed", |m| m.attributes |= COMPRESSED);
    let text = "the same words again and again. ".repeat(10_000);
    let files = [
        ("packed", "a", true),
        ("packed", "b", false),
        ("loose", "a", true),
        ("loose", "b", false),
    ];
    for (folder, name, is_packed) in files {
        let path = format!("C/StateStore/{folder}/{name}");
        set.file(&path, text.as_bytes());
        set.edit(&path, |m| m.attributes = if is_packed { 0x820 } else { 0x20 });
    }
    set.file("C/StateStore/packed/empty", b"");
    set.edit("C/StateStore/packed/empty", |m| m.attributes = 0x820);
    let mut volume = Mounted::fresh(32);
    for (options, can_pack) in
        [(ntfs_mount::ALL_FACTS, true), ("streams_interface=xattr,nocompression", false)]
    {
        volume.remount(options);
        let to = volume.path().join(format!("to {can_pack}"));
        fs::create_dir(&to).unwrap();
        let to_drive = drives(&[("C", &to)]);
        let (_, losses) = restored(&set, &to_drive, false);
        // One loss for the kind, told with its count, and all bytes are there.
        let wanted = (LossKind::Fact, "C/StateStore/packed".to_owned());
        assert_eq!(losses, if can_pack { vec![] } else { vec![wanted] });
        for (folder, name, is_packed) in files {
            let path = to.join("StateStore").join(folder).join(name);
            assert!(fs::read(&path).unwrap() == text.as_bytes());
            let is_so = attributes_of(&path) & COMPRESSED != 0;
            assert_eq!(is_so, is_packed && can_pack, "{folder}/{name}");
            let takes = fs::metadata(&path).unwrap().blocks() * 512;
            assert_eq!(takes < text.len() as u64 / 2, is_so, "{folder}/{name} takes {takes}");
        }
        let folder = |name: &str| attributes_of(&to.join("StateStore").join(name)) & COMPRESSED;
        assert_eq!(folder("packed") != 0, can_pack);
        assert_eq!(folder("loose"), 0);
        let names: Vec<_> = fs::read_dir(&to).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, ["StateStore"], "what was tried out is gone");
        let (_, losses) = read_back(&set, &to_drive);
        assert_eq!(losses, []);
    }
    volume.unmount();
}

/// What the restore has told of is not told again by its read-back.
#[test]
fn what_could_not_be_restored_is_counted_once() {
    let once = |set: &MadeSet, to: &Destinations, expected: &[(LossKind, &str)]| {
        let seen = Collect::default();
        let (done, checked) = restore_verified(set, to, Options::default(), &seen).unwrap();
        let losses = seen.losses.into_inner().unwrap();
        let mut told: Vec<_> = losses.iter().map(|l| (l.kind, l.path.as_str())).collect();
        told.sort();
        assert_eq!(told, expected, "{losses:#?}");
        assert_eq!((done.losses, checked.losses), (expected.len() as u64, 0));
    };
    let file = |name: &str| format!("C/StateStore/USMT/File/{name}");
    let mut set = small_store();
    set.file(&file("secret.docx"), b"Windows' raw form");
    set.edit(&file("secret.docx"), |m| m.content = Some(ContentKind::EfsRaw));
    set.link(&file("secret link"), &file("secret.docx"));
    set.file(&file("damaged"), &[7; 10_000]);
    set.break_data(&file("damaged"), 100..600);
    set.file("C/Elsewhere/x", b"outside");
    let dir = tempfile::tempdir().unwrap();
    let expected = [
        (LossKind::Unreadable, file("secret link")),
        (LossKind::Hole, file("damaged")),
        (LossKind::Encrypted, file("secret.docx")),
        (LossKind::Fact, "C".to_owned()), // all creation times together
        (LossKind::Name, "C/Elsewhere/x".to_owned()),
    ];
    let expected = expected.each_ref().map(|(kind, path)| (*kind, path.as_str()));
    once(&set, &under(dir.path()), &expected);

    need!("fuse");
    let mut set = small_store();
    set.stream(&file("4096"), "large", &vec![1; 100_000]); // more than ntfs-3g takes
    set.edit(&file("513"), |m| m.extended_attributes = Some(to_base64(b"no list of attributes")));
    let mut volume = Mounted::fresh(32);
    let expected = [(LossKind::Fact, file("4096:large")), (LossKind::Fact, file("513"))];
    let expected = expected.each_ref().map(|(kind, path)| (*kind, path.as_str()));
    once(&set, &drives(&[("C", volume.path())]), &expected);
    volume.unmount();
}

#[test]
fn holes_stay_holes() {
    let mut set = MadeSet::store("folder", &[("C", "")]);
    let mut bytes = vec![0; 8 << 20];
    bytes[5_000_000..5_000_010].fill(1);
    set.file("C/sparse", &bytes);
    set.edit("C/sparse", |m| m.attributes |= 0x200);
    let dir = tempfile::tempdir().unwrap();
    restored(&set, &under(dir.path()), false);
    assert!(fs::read(dir.path().join("C/sparse")).unwrap() == bytes);
    let blocks = fs::metadata(dir.path().join("C/sparse")).unwrap().blocks();
    assert!(blocks * 512 < 1 << 20, "{blocks} blocks");
}

/// What a destination cannot hold is told, by kind and count, before anything is
/// written to it.
#[test]
fn what_a_volume_cannot_store_is_reported_before_the_restore_begins() {
    struct Watch<'a> {
        store: &'a Path,
        told: std::sync::Mutex<Vec<(bool, String)>>,
    }
    impl Monitor for Watch<'_> {
        fn loss(&self, loss: &lifeboat::model::loss::Loss) {
            self.told.lock().unwrap().push((self.store.exists(), loss.detail.clone()));
        }
    }
    let mut set = small_store();
    for name in ["511", "512", "513"] {
        let path = format!("C/StateStore/USMT/File/{name}");
        set.edit(&path, |m| m.security = Some(to_base64(&made_set::descriptor())));
        set.stream(&path, "one", b"1");
        set.stream(&path, "two", b"2");
    }
    set.edit("C/StateStore/USMT/File", |m| m.attributes = 0x12);
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("C");
    let watch = Watch { store: &store, told: std::sync::Mutex::default() };
    let done = restore(&set, &under(dir.path()), Options::default(), &watch).unwrap();
    let told = watch.told.into_inner().unwrap();
    assert_eq!(done.losses, told.len() as u64);
    for (kind, count) in [
        ("owner and permissions", 3),
        ("alternate data stream", 6),
        ("attributes (read-only, hidden, system)", 1),
        ("creation time", 20),
    ] {
        let start = format!("{kind}: the destination does not support it; {count} lost in total");
        let found = told.iter().find(|(_, detail)| detail.starts_with(&start));
        assert!(found.is_some_and(|(late, _)| !late), "{start}: {told:#?}");
    }
    assert_eq!(told.len(), 4, "and nothing twice: {told:#?}");
}
