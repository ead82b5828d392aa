//! From a source through a rescue set to a disk and back to the eye.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use lifeboat::destination::directory::DirectoryDestination;
use lifeboat::model::loss::{Loss, LossKind};
use lifeboat::model::metadata::{Content, NodeKind, attributes};
use lifeboat::model::monitor::{Collect, Silent};
use lifeboat::model::name::NtPath;
use lifeboat::restore::{Destinations, Options, restore, restore_verified, verify_restored};
use lifeboat::set::format::manifest::{Line, MemberKind};
use lifeboat::set::read::reader::SetReader;
use lifeboat::set::write::plan::Plan;
use lifeboat::set::write::writer::{OffloadOptions, offload};
use lifeboat::tree::Tree;
use lifeboat::tree::host::HostTree;
use support::ntfs_mount::{self, Mounted};
use support::view::view;
use support::{full_store, need, sets};

/// Packs a store of a tree, and opens the set.
fn packed(tree: Arc<dyn Tree>, dir: &Path, options: &OffloadOptions) -> SetReader {
    let options = &sets::options_for(&*tree, options);
    let part = sets::store_part(tree);
    let plan = Plan::make(vec![part], &Silent).unwrap();
    let target =
        Arc::new(DirectoryDestination::open(dir, lifeboat::destination::Missing::Make).unwrap());
    let seen = Collect::default();
    let outcome = offload(&plan, &*target, options, &seen).unwrap();
    println!("packed with {:?}", seen.losses.into_inner().unwrap());
    SetReader::open(target, &outcome.set).unwrap()
}

fn onto(root: &Path) -> Destinations {
    Destinations::Drives(BTreeMap::from([("C".to_owned(), root.to_owned())]))
}

fn restored(set: &SetReader, to: &Destinations) -> Vec<Loss> {
    let seen = Collect::default();
    let done = restore(set, to, Options::default(), &seen).unwrap();
    let losses = seen.losses.into_inner().unwrap();
    assert_eq!(done.losses + done.carried, losses.len() as u64);
    losses
}

fn read_back(set: &SetReader, to: &Destinations) -> Vec<Loss> {
    let seen = Collect::default();
    let checked = verify_restored(set, to, &seen).unwrap();
    let losses = seen.losses.into_inner().unwrap();
    assert_eq!(checked.losses, losses.len() as u64);
    losses
}

fn kinds_and_paths(losses: &[Loss]) -> Vec<(LossKind, &str)> {
    losses.iter().map(|l| (l.kind, l.path.as_str())).collect()
}

#[test]
fn from_ntfs_to_ntfs_nothing_is_lost() {
    need!("fuse");
    let mut old = Mounted::fresh(32);
    full_store::make(old.path());
    old.remount(&format!("ro,{}", ntfs_mount::ALL_FACTS));
    let before = fs::read(old.image()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let source = Arc::new(HostTree::open(old.path()).unwrap());
    let (source_view, source_links) = view(&*source, "StateStore");
    let set = packed(source, dir.path(), &sets::options());
    assert_eq!(set.rescue().totals.losses, 0);
    old.unmount();
    assert!(fs::read(old.image()).unwrap() == before, "the source was written to");

    let mut new = Mounted::fresh(32);
    let losses = restored(&set, &onto(new.path()));
    assert!(losses.is_empty(), "{losses:?}");
    let losses = read_back(&set, &onto(new.path()));
    assert!(losses.is_empty(), "{losses:?}");
    new.remount(&format!("ro,{}", ntfs_mount::ALL_FACTS));
    let (new_view, new_links) = view(&HostTree::open(new.path()).unwrap(), "StateStore");
    assert_eq!(new_links, source_links);
    assert_eq!(new_links.len(), 1);
    let paths: Vec<_> = new_view.keys().collect();
    assert_eq!(paths, source_view.keys().collect::<Vec<_>>());
    for (path, seen) in new_view {
        assert_eq!(seen, source_view[&path], "{path}");
    }
}

/// Reading back is reading too: on a volume that keeps access times strictly,
/// those of the set are there all the same at the end.
#[test]
fn access_times_are_those_of_the_set_after_the_read_back() {
    need!("fuse");
    let tree = sets::store();
    let dir = sets::scratch();
    let set = packed(Arc::new(tree), dir.path(), &sets::options());
    let mut new = Mounted::fresh(64);
    new.remount(&format!("atime,{}", ntfs_mount::ALL_FACTS));
    let accessed = |volume: &Mounted| {
        let tree = HostTree::open(volume.path()).unwrap();
        let mut late = 0;
        for line in set.lines().unwrap() {
            let Line::Member(member) = line.unwrap() else { continue };
            if member.kind != MemberKind::File || member.times.accessed == 0 {
                continue;
            }
            let path = NtPath::from(member.path.strip_prefix("C/").unwrap());
            let Ok(id) = tree.lookup(&path) else { continue };
            late += u32::from(tree.node(id).unwrap().times.accessed.0 != member.times.accessed);
        }
        late
    };
    let seen = Collect::default();
    let (done, verified) =
        restore_verified(&set, &onto(new.path()), Options::default(), &seen).unwrap();
    assert!(done.files > 20 && verified.files > 20, "{done:?} {verified:?}");
    new.remount(&format!("ro,{}", ntfs_mount::ALL_FACTS));
    assert_eq!(accessed(&new), 0);
    // The same without putting them back, which shows that reading changes them.
    new.remount(&format!("atime,{}", ntfs_mount::ALL_FACTS));
    read_back(&set, &onto(new.path()));
    new.remount(&format!("ro,{}", ntfs_mount::ALL_FACTS));
    assert!(accessed(&new) > 10);
}

/// `--to DIR`, with a volume mounted at `DIR/C`: what that volume can hold counts,
/// not what `DIR`'s file system can.
#[test]
fn a_volume_mounted_below_the_destination_is_judged_by_itself() {
    need!("fuse");
    let mut old = Mounted::fresh(32);
    full_store::make(old.path());
    old.remount(&format!("ro,{}", ntfs_mount::ALL_FACTS));
    let dir = tempfile::tempdir().unwrap();
    let source = Arc::new(HostTree::open(old.path()).unwrap());
    let (source_view, _) = view(&*source, "StateStore");
    let set = packed(source, dir.path(), &sets::options());

    let mut new = Mounted::fresh_at(32, "C");
    let under = Destinations::Under(new.path().parent().unwrap().to_owned());
    let seen = Collect::default();
    let (done, verified) = restore_verified(&set, &under, Options::default(), &seen).unwrap();
    assert_eq!((done.losses, verified.losses), (0, 0), "{:?}", seen.losses);
    new.remount(&format!("ro,{}", ntfs_mount::ALL_FACTS));
    let (new_view, _) = view(&HostTree::open(new.path()).unwrap(), "StateStore");
    for (path, seen) in &new_view {
        assert_eq!(seen, &source_view[path], "{path}");
    }
    assert_eq!(new_view.len(), source_view.len());

    // A link of that name is none: nothing goes where it leads.
    let elsewhere = tempfile::tempdir().unwrap();
    let to = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), to.path().join("C")).unwrap();
    let under = Destinations::Under(to.path().to_owned());
    restore(&set, &under, Options::default(), &Silent).unwrap_err();
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
}

#[test]
fn every_byte_of_a_set_is_restored_to_a_plain_folder() {
    let tree = sets::store();
    let dir = sets::scratch();
    let set = packed(Arc::new(tree.clone()), dir.path(), &sets::options());
    let to = dir.path().join("to");
    fs::create_dir(&to).unwrap();
    let losses = restored(&set, &onto(&to));
    // One loss for each kind of metadata that this file system has no place for; no file and no
    // byte.
    assert!(losses.iter().all(|l| l.kind == LossKind::Fact), "{losses:?}");
    assert_eq!(losses.len(), 8, "{losses:#?}");
    let back = read_back(&set, &onto(&to));
    assert!(back.is_empty(), "{back:?}");
    let found = HostTree::open(&to).unwrap();
    let (want, want_links) = view(&tree, "StateStore");
    let (have, have_links) = view(&found, "StateStore");
    assert_eq!(have_links, want_links);
    let mut compared = 0;
    for (path, seen) in &want {
        let Some(other) = have.get(path) else { panic!("{path} is missing") };
        assert_eq!(other.kind, seen.kind, "{path}");
        assert_eq!(
            other.hashes.first(),
            seen.hashes.first().filter(|_| seen.kind == NodeKind::File)
        );
        compared += 1;
    }
    assert!(compared == have.len() && compared > 60, "{compared}");
}

#[test]
fn a_folder_that_encrypts_new_files_is_one_loss_and_its_files_are_restored() {
    let mut tree = sets::store();
    let folder = tree.lookup(&"StateStore/USMT/File/C$".into()).unwrap();
    tree.edit(folder).node.attributes |= attributes::ENCRYPTED;
    let dir = sets::scratch();
    let set = packed(Arc::new(tree), dir.path(), &sets::options());
    let to = dir.path().join("to");
    fs::create_dir(&to).unwrap();
    let losses = restored(&set, &onto(&to));
    let of_folder: Vec<_> = losses.iter().filter(|loss| loss.detail.contains("(EFS)")).collect();
    assert_eq!(of_folder.len(), 1, "{losses:?}");
    assert_eq!(of_folder[0].path, "C/StateStore/USMT/File/C$");
    assert_eq!(losses.len(), 9, "as of the store without it, and this one");
}

#[test]
fn what_a_set_lost_is_named_again_and_not_made_up() {
    let tree = sets::broken_store();
    let dir = sets::scratch();
    let set = packed(Arc::new(tree), dir.path(), &sets::options());
    let to = dir.path().join("to");
    fs::create_dir(&to).unwrap();
    let seen = Collect::default();
    let done = restore(&set, &onto(&to), Options::default(), &seen).unwrap();
    assert_eq!(done.carried, set.rescue().totals.losses);
    let folder = to.join("StateStore/USMT/File/D$");
    for missing in ["efs", "cloud", "refuses", "unknowable", "efs raw"] {
        assert!(!folder.join(missing).exists(), "{missing} must not look restored");
    }
    let encrypted = "C/StateStore/USMT/File/D$/efs raw";
    let losses = seen.losses.into_inner().unwrap();
    assert!(kinds_and_paths(&losses).contains(&(LossKind::Encrypted, encrypted)));
    let holes = fs::read(folder.join("holes")).unwrap();
    assert!(holes.len() == 300_000 && holes[100..612] == [0; 512]);
    assert!(folder.join("unlistable").is_dir());
}

#[test]
fn one_damaged_frame_costs_what_lies_in_it() {
    let tree = sets::store();
    let dir = sets::scratch();
    let set = packed(Arc::new(tree.clone()), dir.path(), &sets::options());
    let name = set.display();
    let store = Path::new(&name).join("store.tar.zst");
    let mut bytes = fs::read(&store).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xFF;
    fs::write(&store, bytes).unwrap();
    let to = dir.path().join("to");
    fs::create_dir(&to).unwrap();
    let losses = restored(&set, &onto(&to));
    let hit: Vec<_> = losses.iter().filter(|l| l.kind == LossKind::Hole).collect();
    assert!(!hit.is_empty() && hit.len() < 4, "{losses:?}");
    let found = HostTree::open(&to).unwrap();
    let (want, _) = view(&tree, "StateStore");
    let (have, _) = view(&found, "StateStore");
    for (path, seen) in &want {
        let is_hit = hit.iter().any(|l| l.path == format!("C/{path}"));
        let same = have[path].hashes.first() == seen.hashes.first()
            || seen.kind == NodeKind::Directory
            || seen.facts.content != Content::Data;
        assert!(same != is_hit, "{path}: {same}");
        assert_eq!(have[path].size, seen.size, "{path}");
    }
}
