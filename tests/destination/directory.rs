//! A folder as a target: what is written is there, and what goes wrong is said.

use std::path::Path;

use lifeboat::destination::Missing;
use lifeboat::destination::directory::DirectoryDestination;
use lifeboat::destination::{Destination, ErrorKind};

fn target(folder: &Path) -> DirectoryDestination {
    DirectoryDestination::open(folder, Missing::Make).unwrap()
}

/// Names that some way or other is known to stumble over.
fn odd_names() -> Vec<&'static str> {
    let mut names =
        vec!["%41", "a#b", "two  spaces", " leading", "\u{1F600}.bin", "dots...", "~$x"];
    names.extend(["\u{FC}&;+=@!", "space "]);
    if !cfg!(windows) {
        names.extend(["50% off?", "a:b", "a\\b"]);
    }
    names.sort_unstable();
    names
}

#[test]
fn files_come_back_as_they_were_written() {
    let temp = tempfile::tempdir().unwrap();
    let target = target(temp.path());
    let large: Vec<u8> = (0..20 << 20).map(|i: u32| (i ^ (i >> 11)).to_le_bytes()[0]).collect();
    for (name, bytes) in [("empty", &[][..]), ("one", b"x"), ("large", &large)] {
        let mut file = target.create(name).unwrap();
        // Out of order, as a repeated write may come.
        let half = bytes.len() / 2;
        file.write_all_at(half as u64, &bytes[half..]).unwrap();
        file.write_all_at(0, &bytes[..half]).unwrap();
        file.sync().unwrap();
        assert_eq!(file.size().unwrap(), bytes.len() as u64);
        file.close().unwrap();

        let mut back = vec![0xEE; bytes.len() + 7];
        let mut file = target.open(name).unwrap();
        assert_eq!(file.read_at(0, &mut back).unwrap(), bytes.len());
        assert!(back[..bytes.len()] == *bytes, "{name}");
        assert_eq!(file.read_at(bytes.len() as u64, &mut back).unwrap(), 0);
        file.close().unwrap();
        assert_eq!(std::fs::read(temp.path().join(name)).unwrap(), bytes);
    }
}

#[test]
fn odd_names_are_names() {
    let temp = tempfile::tempdir().unwrap();
    let target = target(temp.path());
    for name in odd_names() {
        target.create_dir_all(&format!("d/{name}")).unwrap();
        let path = format!("d/{name}/{name}");
        let mut file = target.create(&path).unwrap();
        file.write_all_at(0, name.as_bytes()).unwrap();
        file.close().unwrap();
        assert_eq!(target.stat(&path).unwrap().unwrap().size, name.len() as u64);
        assert_eq!(std::fs::read(temp.path().join(&path)).unwrap(), name.as_bytes());
    }
    let listed: Vec<_> = target.list("d").unwrap().into_iter().map(|entry| entry.name).collect();
    assert_eq!(listed, odd_names());
}

#[test]
fn a_rename_never_replaces() {
    let temp = tempfile::tempdir().unwrap();
    let target = target(temp.path());
    target.create_dir_all("a.partial/x").unwrap();
    target.create_dir_all("there").unwrap();
    target.create("one").unwrap().close().unwrap();
    target.create("two").unwrap().close().unwrap();

    assert_eq!(target.rename("one", "two").unwrap_err().kind, ErrorKind::AlreadyExists);
    assert_eq!(target.rename("a.partial", "there").unwrap_err().kind, ErrorKind::AlreadyExists);
    let missing = target.rename("none", "three").unwrap_err();
    assert_eq!(missing.kind, ErrorKind::NotFound);
    assert!(missing.path.ends_with("none"), "{missing}");

    target.rename("a.partial", "a").unwrap();
    target.rename("one", "a/x/one").unwrap();
    assert!(target.stat("a.partial").unwrap().is_none());
    assert!(!target.stat("a/x/one").unwrap().unwrap().is_dir);
}

#[test]
fn files_are_opened_again_cut_and_removed() {
    let temp = tempfile::tempdir().unwrap();
    let target = target(temp.path());
    let mut file = target.create("f").unwrap();
    file.write_all_at(0, b"0123456789").unwrap();
    file.close().unwrap();
    let mut file = target.open_rw("f").unwrap();
    file.set_size(4).unwrap();
    file.write_all_at(6, b"67").unwrap();
    file.close().unwrap();
    assert_eq!(std::fs::read(temp.path().join("f")).unwrap(), b"0123\0\x0067");
    target.create("f").unwrap().close().unwrap();
    assert_eq!(target.stat("f").unwrap().unwrap().size, 0);

    target.create_dir_all("d/e").unwrap();
    assert_eq!(target.remove_dir("d").unwrap_err().kind, ErrorKind::AlreadyExists);
    target.remove_dir("d/e").unwrap();
    target.remove_file("f").unwrap();
    assert_eq!(target.remove_file("f").unwrap_err().kind, ErrorKind::NotFound);
    assert_eq!(target.open("f").err().unwrap().kind, ErrorKind::NotFound);
    assert_eq!(target.open_rw("f").err().unwrap().kind, ErrorKind::NotFound);
}

#[test]
fn existing_files_are_reported() {
    let temp = tempfile::tempdir().unwrap();
    let target = target(temp.path());
    target.create_dir_all("d").unwrap();
    target.create("f").unwrap().close().unwrap();
    for error in [
        target.create("d").err().unwrap(),
        target.open("d").err().unwrap(),
        target.create_dir_all("f").unwrap_err(),
        target.create_dir_all("f/below").unwrap_err(),
        DirectoryDestination::open(&temp.path().join("f"), Missing::Make).unwrap_err(),
    ] {
        assert_eq!(error.kind, ErrorKind::AlreadyExists, "{error}");
        assert!(!error.action.is_empty());
    }
    assert!(target.stat("f/below").unwrap().is_none());
    for name in if cfg!(windows) { vec!["../out", "a:b", "a\\b", "a?"] } else { vec!["../out"] } {
        assert_eq!(target.create(name).err().unwrap().kind, ErrorKind::Unfit, "{name}");
    }
}

#[test]
fn only_the_last_folder_is_made_on_opening() {
    let temp = tempfile::tempdir().unwrap();
    let refused = DirectoryDestination::open(&temp.path().join("new"), Missing::Fail).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::NotFound);
    DirectoryDestination::open(&temp.path().join("new"), Missing::Make).unwrap();
    assert!(temp.path().join("new").is_dir());
    let error =
        DirectoryDestination::open(&temp.path().join("typo/new"), Missing::Make).unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
    assert!(error.action.contains("above"), "{}", error.action);
}

#[test]
fn paths_are_shown_in_full_and_long_ones_work() {
    let temp = tempfile::tempdir().unwrap();
    let target = target(temp.path());
    let shown = target.display("a/b");
    assert!(Path::new(&shown) == temp.path().join("a").join("b"), "{shown}");
    let deep = vec!["a".repeat(60); 10].join("/");
    target.create_dir_all(&deep).unwrap();
    target.create(&format!("{deep}/f")).unwrap().close().unwrap();
    assert!(target.stat(&format!("{deep}/f")).unwrap().is_some());
    let error = target.create(&"n".repeat(300)).err().unwrap();
    assert_eq!(error.kind, ErrorKind::Unfit, "{error}");
}

#[test]
fn free_space_is_known() {
    let temp = tempfile::tempdir().unwrap();
    let space = target(temp.path()).space().unwrap().unwrap();
    assert!(space.free > 0 && space.free <= space.total, "{space:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_full_wherever_it_shows() {
    let mut file = target(Path::new("/dev")).open_rw("full").unwrap();
    let error = file.write_all_at(0, &[1; 4096]).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Full);
    assert!(!error.is_transient());
}
