//! Files by handle on Windows: a set put down, looked at, and read back. Run on
//! Windows, or under Wine with the runner set (docs/development/building.md).
#![cfg(windows)]

use std::fs;
use std::os::windows::fs::MetadataExt;
use std::path::{Path, PathBuf};

use lifeboat::model::loss::LossKind;
use lifeboat::model::metadata::NodeKind;
use lifeboat::model::monitor::{Collect, Silent};
use lifeboat::model::name::NtName;
use lifeboat::restore::{
    Destinations, MARKER, Options, RestoreError, Restored, restore, verify_restored,
};
use lifeboat::set::format::manifest::{MemberKind, to_base64};
use lifeboat::tree::Tree;
use lifeboat::tree::host::{HostTree, privileges};
use support::made_set::{self, MadeSet};

/// A folder of its own, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("lifeboat-{}-{name}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(verbatim(&self.0, ""));
    }
}

/// A path that Windows takes as it stands, whatever its length and dots.
fn verbatim(root: &Path, below: &str) -> PathBuf {
    let mut text = format!(r"\\?\{}", root.display());
    if !below.is_empty() {
        text.push('\\');
        text.push_str(&below.replace('/', "\\"));
    }
    text.into()
}

fn restored(
    set: &MadeSet,
    to: &Path,
    replace: bool,
) -> (Restored, Vec<(LossKind, String, String)>) {
    let seen = Collect::default();
    let to = Destinations::Under(to.to_owned());
    let done = restore(set, &to, Options { replace, ..Options::default() }, &seen).unwrap();
    let losses = seen.losses.into_inner().unwrap();
    (done, losses.into_iter().map(|l| (l.kind, l.path, l.detail)).collect())
}

fn store() -> MadeSet {
    let mut set = MadeSet::store("hard-link", &[("C", "StateStore")]);
    for folder in ["C", "C/StateStore", "C/StateStore/USMT", "C/StateStore/USMT/File"] {
        set.folder(folder);
    }
    set.edit("C/StateStore/USMT/File", |m| m.attributes = 0x12);
    set.folder("C/StateStore/USMT/File/empty folder");
    set.file("C/StateStore/USMT/status.~lg", b"");
    for size in [1usize, 511, 512, 513, 4095, 4096, 4097, 65_536, 3_000_000] {
        let bytes: Vec<u8> = (0..size).map(|n| (n * 7 / 3).to_le_bytes()[0]).collect();
        set.file(&format!("C/StateStore/USMT/File/{size}"), &bytes);
    }
    set.file("C/StateStore/USMT/File/trailing dot.", b"dot");
    set.file("C/StateStore/USMT/File/trailing space ", b"space");
    set.file("C/StateStore/USMT/File/\u{1F600}", b"emoji");
    set.file("C/StateStore/USMT/File/read only", b"locked");
    set.edit("C/StateStore/USMT/File/read only", |m| m.attributes = 0x21);
    let deep = format!("C/StateStore/USMT/File/{}/deep", vec!["d".repeat(100); 6].join("/"));
    set.file(&deep, b"600 characters down");
    set.link("C/StateStore/USMT/File/link to 513", "C/StateStore/USMT/File/513");
    set
}

#[test]
fn a_store_goes_down_and_comes_back() {
    let scratch = Scratch::new("store");
    let set = store();
    for replace in [false, true] {
        let (done, losses) = restored(&set, &scratch.0, replace);
        assert!(losses.is_empty(), "{losses:?}");
        assert_eq!((done.files, done.directories, done.links), (15, 5, 1));
    }
    for (member, bytes) in set.members_and_bytes() {
        let path = verbatim(&scratch.0, &member.path);
        let meta = fs::symlink_metadata(&path).unwrap_or_else(|e| panic!("{}: {e}", member.path));
        if member.kind != MemberKind::Link {
            assert_eq!(meta.last_write_time(), member.times.modified, "{}", member.path);
            assert_eq!(meta.creation_time(), member.times.created, "{}", member.path);
            assert_eq!(meta.file_attributes() & 0x27, member.attributes & 0x27, "{}", member.path);
        }
        if member.kind != MemberKind::Directory {
            assert!(fs::read(&path).unwrap() == bytes, "{}", member.path);
        }
    }
    assert!(!scratch.0.join("C").join(MARKER).exists());
    let seen = Collect::default();
    let to = Destinations::Under(scratch.0.clone());
    let checked = verify_restored(&set, &to, &seen).unwrap();
    assert_eq!((checked.files, checked.losses), (15, 0), "{:?}", seen.losses);
    let error = restore(&set, &to, Options::default(), &Silent).unwrap_err();
    assert!(matches!(error, RestoreError::AlreadyExists { .. }), "{error}");
}

#[test]
fn a_folder_is_seen_as_it_is() {
    let scratch = Scratch::new("tree");
    restored(&store(), &scratch.0, false);
    let tree = HostTree::open(&scratch.0).unwrap();
    assert!(!tree.info().file_system.is_empty());
    let file = tree.lookup(&"C/StateStore/USMT/File".into()).unwrap();
    let names: Vec<_> = tree.children(file).unwrap().into_iter().map(|e| e.name).collect();
    assert_eq!(names.len(), 16, "{names:?}");
    assert!(names.contains(&NtName::from("trailing dot.")));
    let at =
        |path: &str| tree.lookup(&format!("C/StateStore/USMT/{path}").as_str().into()).unwrap();
    assert_eq!(at("File/link to 513"), at("File/513"));
    let node = tree.node(at("File/513")).unwrap();
    assert_eq!((node.kind, node.size, node.links), (NodeKind::File, 513, 2));
    let found = tree.find_named(&["DEEP", "usmt"], &Silent).unwrap();
    assert_eq!(found.len(), 2, "{found:?}");
    let deep = found.iter().find(|(p, _)| p.names().len() > 5).unwrap();
    let mut stream = tree.open(deep.1, None).unwrap();
    let mut bytes = [0; 64];
    let n = stream.read(&mut bytes).unwrap();
    assert_eq!(&bytes[..n], b"600 characters down");
    let facts = tree.facts(at("File/513"), None).unwrap();
    assert!(facts.security.is_some_and(|sd| sd[0] == 1), "owner and DACL can be read");
    assert!(facts.reparse.is_none() && facts.short_name.is_none());
}

#[test]
fn nothing_leaves_the_destination() {
    let scratch = Scratch::new("hostile");
    let to = scratch.0.join("to");
    let mut set = MadeSet::store("folder", &[("C", "")]);
    for path in [
        "../up",
        "C/../../up",
        "C//double",
        "C/",
        "C/a:stream",
        "C/..\\..\\up",
        "C/C:\\up",
        "",
        "C/a\\b",
        "D/other",
    ] {
        set.file(path, b"evil");
    }
    set.file("C/file", b"a file");
    set.file("C/file/below", b"evil");
    set.file("C/NUL", b"a device to Win32, a name to NT");
    set.file("C/last", b"and the rest goes on");
    let (done, losses) = restored(&set, &to, false);
    let named = losses.iter().filter(|(k, ..)| *k == LossKind::Name).count();
    assert_eq!((named, done.files), (11, 3), "{losses:?}");
    assert_eq!(fs::read_dir(&scratch.0).unwrap().count(), 1);
    assert_eq!(fs::read_dir(&to).unwrap().count(), 1);
    let device = verbatim(&to, "C/NUL");
    assert_eq!(fs::read(device).unwrap(), b"a device to Win32, a name to NT");
}

#[test]
fn facts_are_set_or_named() {
    let scratch = Scratch::new("facts");
    let mut set = MadeSet::store("folder", &[("C", "")]);
    set.file("C/file", b"with facts");
    set.stream("C/file", "Zone.Identifier", b"[ZoneTransfer]");
    set.edit("C/file", |m| {
        m.security = Some(to_base64(&made_set::descriptor()));
        m.short_name = Some("FILE~1".to_owned());
        m.object_id = Some(to_base64(b"sixteen bytes id"));
    });
    set.folder("C/junction");
    set.edit("C/junction", |m| {
        m.attributes = 0x410;
        m.reparse = Some(to_base64(&made_set::junction_to("C:\\Users")));
    });
    set.file("C/packed", &[b'x'; 200_000]);
    set.edit("C/packed", |m| m.attributes = 0x820);
    set.file("C/bad facts", b"x");
    set.edit("C/bad facts", |m| m.security = Some(to_base64(&[1, 0, 4, 0x80, 255, 255])));
    let (done, losses) = restored(&set, &scratch.0, false);
    assert_eq!(done.files, 3);
    for loss in &losses {
        println!("{loss:?}"); // Wine refuses some; Windows none but the last
    }
    assert!(losses.iter().all(|(kind, ..)| *kind == LossKind::Fact), "{losses:?}");
    assert!(losses.iter().any(|(_, path, _)| path == "C/bad facts"));
    // What was not named as lost is there.
    let to = Destinations::Under(scratch.0.clone());
    let seen = Collect::default();
    verify_restored(&set, &to, &seen).unwrap();
    for loss in seen.losses.into_inner().unwrap() {
        let known = losses.iter().any(|(_, path, _)| loss.path.starts_with(path.as_str()));
        assert!(known, "not as in the set, and nobody said so: {loss:?}");
    }
    assert!(fs::read_dir(scratch.0.join("C")).unwrap().count() <= 5, "no stray files");
}

#[test]
fn privileges_can_be_asked_for() {
    println!("not held: {:?}", privileges::enable());
    assert_eq!(privileges::enable(), privileges::enable());
}
