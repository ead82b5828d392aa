//! The same store read from the volume's own structures and through a mount of
//! it: the same members, with the same bytes and facts.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic)] // in helpers too: a failed one is a failed test

#[path = "common/full_store.rs"]
mod full_store;
#[path = "common/made_set.rs"]
mod made_set;
#[path = "common/ntfs_mount.rs"]
mod ntfs_mount;
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use lifeboat::archive::manifest::{At, Line, Member, MemberKind};
use lifeboat::archive::plan::{Plan, PlanPart};
use lifeboat::archive::reader::SetReader;
use lifeboat::archive::writer::offload;
use lifeboat::disk;
use lifeboat::monitor::Silent;
use lifeboat::target::directory::DirectoryTarget;
use lifeboat::target::open::Missing;
use lifeboat::tree::Tree;
use lifeboat::tree::host::HostTree;
use lifeboat::tree::ntfs::NtfsTree;
use ntfs_mount::Mounted;

/// The members of a set of the tree's store, without their places in the set.
fn members(tree: Arc<dyn Tree>, dir: &Path) -> BTreeMap<String, Member> {
    fs::create_dir(dir).unwrap();
    let part = PlanPart {
        tree,
        drive: "C".to_owned(),
        drive_from: "the test".to_owned(),
        path: "StateStore".into(),
        role: "whole".to_owned(),
        take: vec!["StateStore".into()],
    };
    let plan = Plan::make(vec![part], &Silent).unwrap();
    let target = Arc::new(DirectoryTarget::open(dir, Missing::Fail).unwrap());
    let outcome = offload(&plan, &*target, &support::options(), &Silent).unwrap();
    let set = SetReader::open(target, &outcome.set).unwrap();
    let mut members = BTreeMap::new();
    for line in set.lines().unwrap() {
        let Line::Member(mut member) = line.unwrap() else { continue };
        member.start = At::default();
        member.data.iter_mut().for_each(|data| data.at = None);
        member.streams.iter_mut().for_each(|stream| stream.data.at = None);
        members.insert(member.path.clone(), *member);
    }
    members
}

#[test]
fn a_mount_and_its_image_give_the_same_manifest() {
    if !ntfs_mount::available("a_mount_and_its_image_give_the_same_manifest") {
        return;
    }
    let mut volume = Mounted::fresh(32);
    full_store::make(volume.path());
    volume.remount(&format!("ro,{}", ntfs_mount::ALL_FACTS));
    let dir = support::scratch();
    let host = members(Arc::new(HostTree::open(volume.path()).unwrap()), &dir.path().join("host"));
    volume.unmount();
    let image = disk::open(volume.image()).unwrap();
    let device = image.volumes.into_iter().next().unwrap().device;
    let raw = NtfsTree::open(device, "the image".to_owned(), &Silent).unwrap();
    let raw = members(Arc::new(raw), &dir.path().join("raw"));

    assert_eq!(host.keys().collect::<Vec<_>>(), raw.keys().collect::<Vec<_>>());
    assert!(host.len() > 15);
    // The order of a set is the disk's, which a mount does not show: which of
    // several names comes first, and holds the data, may differ.
    let is_link = |m: &Member| m.kind == MemberKind::Link;
    for (path, seen) in host {
        let read = &raw[&path];
        if is_link(&seen) != is_link(read) {
            continue;
        }
        assert_eq!(seen, *read, "{path}");
    }
}
