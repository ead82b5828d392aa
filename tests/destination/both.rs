//! What holds at every destination: a folder and a share pass the same checks.

use std::path::Path;

use lifeboat::destination::{Destination, ErrorKind};

/// Bytes that differ from place to place.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    (0..u32::try_from(len).unwrap()).map(|i| (i ^ (i >> 11)).to_le_bytes()[0]).collect()
}

/// Files come back as they were written; `folder` is where the target leads to.
pub(crate) fn files_come_back(target: &dyn Destination, folder: &Path) {
    let large = pattern(20 << 20);
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
        assert!(std::fs::read(folder.join(name)).unwrap() == bytes, "{name}");
    }
}

/// Files and folders of these names are listed by them, in order.
pub(crate) fn names_are_kept(target: &dyn Destination, folder: &Path, names: &[&str]) {
    for name in names {
        target.create_dir_all(&format!("d/{name}")).unwrap();
        let path = format!("d/{name}/{name}");
        let mut file = target.create(&path).unwrap();
        file.write_all_at(0, name.as_bytes()).unwrap();
        file.close().unwrap();
        assert_eq!(target.stat(&path).unwrap().unwrap().size, name.len() as u64);
        assert_eq!(std::fs::read(folder.join(&path)).unwrap(), name.as_bytes(), "{name}");
    }
    let listed: Vec<_> = target.list("d").unwrap().into_iter().map(|entry| entry.name).collect();
    let mut expected = names.to_vec();
    expected.sort_unstable();
    assert_eq!(listed, expected);
}

pub(crate) fn a_rename_never_replaces(target: &dyn Destination, folder: &Path) {
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
    assert!(folder.join("a/x/one").is_file());
}

pub(crate) fn files_are_opened_again_cut_and_removed(target: &dyn Destination, folder: &Path) {
    let mut file = target.create("f").unwrap();
    file.write_all_at(0, b"0123456789").unwrap();
    file.close().unwrap();
    let mut file = target.open_rw("f").unwrap();
    file.set_size(4).unwrap();
    assert_eq!(file.size().unwrap(), 4);
    file.write_all_at(6, b"67").unwrap();
    file.close().unwrap();
    assert_eq!(std::fs::read(folder.join("f")).unwrap(), b"0123\0\x0067");
    target.create("f").unwrap().close().unwrap();
    assert_eq!(target.stat("f").unwrap().unwrap().size, 0);

    target.create_dir_all("d/e").unwrap();
    assert_eq!(target.remove_dir("d").unwrap_err().kind, ErrorKind::AlreadyExists);
    target.remove_dir("d/e").unwrap();
    target.remove_file("f").unwrap();
    assert_eq!(target.remove_file("f").unwrap_err().kind, ErrorKind::NotFound);
    assert_eq!(target.open("f").err().unwrap().kind, ErrorKind::NotFound);
    assert_eq!(target.open_rw("f").err().unwrap().kind, ErrorKind::NotFound);
    assert_eq!(target.list("none").err().unwrap().kind, ErrorKind::NotFound);
    assert_eq!(target.list("d").unwrap(), []);
}

/// A folder is no file and a file no folder.
pub(crate) fn existing_files_are_reported(target: &dyn Destination) {
    target.create_dir_all("d").unwrap();
    target.create("f").unwrap().close().unwrap();
    for error in [
        target.create("d").err().unwrap(),
        target.open("d").err().unwrap(),
        target.list("f").err().unwrap(),
        target.create_dir_all("f").unwrap_err(),
        target.create_dir_all("f/below").unwrap_err(),
    ] {
        assert_eq!(error.kind, ErrorKind::AlreadyExists, "{error}");
        assert!(!error.action.is_empty());
    }
}
