//! A folder as a target: what is written is there, and what goes wrong is said.

use std::path::Path;

use lifeboat::destination::directory::DirectoryDestination;
use lifeboat::destination::{Destination, ErrorKind, Missing};

use crate::both;

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
    names
}

#[test]
fn files_come_back_as_they_were_written() {
    let temp = tempfile::tempdir().unwrap();
    both::files_come_back(&target(temp.path()), temp.path());
}

#[test]
fn odd_names_are_names() {
    let temp = tempfile::tempdir().unwrap();
    both::names_are_kept(&target(temp.path()), temp.path(), &odd_names());
}

#[test]
fn a_rename_never_replaces() {
    let temp = tempfile::tempdir().unwrap();
    both::a_rename_never_replaces(&target(temp.path()), temp.path());
}

#[test]
fn files_are_opened_again_cut_and_removed() {
    let temp = tempfile::tempdir().unwrap();
    both::files_are_opened_again_cut_and_removed(&target(temp.path()), temp.path());
}

#[test]
fn existing_files_are_reported() {
    let temp = tempfile::tempdir().unwrap();
    let target = target(temp.path());
    both::existing_files_are_reported(&target);
    let error = DirectoryDestination::open(&temp.path().join("f"), Missing::Make).unwrap_err();
    assert_eq!(error.kind, ErrorKind::AlreadyExists, "{error}");
    assert!(!error.action.is_empty());
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
    assert!(error.action.contains("parent folder"), "{}", error.action);
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

/// Nobody may ever write into it: it is not waited for.
#[cfg(unix)]
#[test]
fn a_named_pipe_is_no_file() {
    let temp = tempfile::tempdir().unwrap();
    let made = std::process::Command::new("mkfifo").arg(temp.path().join("p")).status();
    assert!(made.unwrap().success());
    let target = target(temp.path());
    for opened in [target.open("p"), target.open_rw("p")] {
        let error = opened.err().unwrap();
        assert!(error.to_string().contains("a named pipe where a file is needed"), "{error}");
    }
    target.create("p").unwrap().write_all_at(0, b"x").unwrap();
    assert_eq!(std::fs::read(temp.path().join("p")).unwrap(), b"x");
}
