//! Folders that a cloud (`OneDrive`) looks after: they carry reparse data, and
//! have children of their own all the same. Junctions have none.
#![cfg(target_os = "linux")]

use std::path::Path;
use std::sync::Arc;

use lifeboat::disk::{Device, FileDevice};
use lifeboat::model::metadata::NodeKind;
use lifeboat::model::monitor::{Collect, Silent};
use lifeboat::model::name::NtPath;
use lifeboat::tree::host::HostTree;
use lifeboat::tree::ntfs::NtfsTree;
use lifeboat::tree::{Tree, TreeError};
use lifeboat_maker::mount::{Mount, MountOptions};
use lifeboat_maker::volume::VolumeSpec;
use support::need;
use support::program::{Guarded, Run, lifeboat};

const FOLDER: &str = "StateStore/USMT/File/C$/Users/judy/reparse/OneDrive";
const CHILD: &str = "in a cloud folder.txt";
/// What the fixture's maker put there.
const BYTES: &[u8] = b"here all the same";
/// `IO_REPARSE_TAG_CLOUD_6` (MS-FSCC 2.1.2.1).
const TAG: u32 = 0x9000_601A;

fn raw(image: &Path) -> NtfsTree {
    let device: Arc<dyn Device> = Arc::new(FileDevice::open(image).unwrap());
    NtfsTree::open(device, "image".into(), &Silent).unwrap()
}

fn read(tree: &dyn Tree, path: &NtPath) -> Vec<u8> {
    let mut stream = tree.open(tree.lookup(path).unwrap(), None).unwrap();
    let mut bytes = vec![0; usize::try_from(stream.len()).unwrap()];
    stream.read(&mut bytes).unwrap();
    bytes
}

fn mounted(image: &Path, options: MountOptions) -> Option<Mount> {
    need!("fuse");
    Some(Mount::new(image, options).unwrap())
}

fn set_in(dest: &Path, run: &Run) -> String {
    let name = run.events("set")[0]["name"].as_str().unwrap().to_owned();
    dest.join(name).to_str().unwrap().to_owned()
}

#[test]
fn its_children_are_listed_and_a_junction_has_none() {
    let image = Guarded::fixture("facts");
    let tree = raw(image.path());
    let folder = tree.lookup(&FOLDER.into()).unwrap();
    let node = tree.node(folder).unwrap();
    assert_eq!((node.kind, node.reparse_tag), (NodeKind::Directory, Some(TAG)));
    assert!(node.is_plain_directory());
    assert_eq!(read(&tree, &NtPath::from(FOLDER).join(CHILD)), BYTES);
    let junction = NtPath::from(FOLDER).parent().unwrap().join("junction");
    let junction = tree.node(tree.lookup(&junction).unwrap()).unwrap();
    assert!(junction.kind == NodeKind::Directory && !junction.is_plain_directory());
}

/// Counted, checked, saved, listed, extracted, and put back with its reparse
/// data: everywhere the child is there.
#[test]
fn it_goes_into_a_set_and_back_with_its_children() {
    let image = Guarded::fixture("facts");
    let dir = tempfile::tempdir().unwrap();
    let dest = dir.path().join("usb");
    let args = ["offload", image.arg(), "--to", dest.to_str().unwrap(), "--json"];
    let set = set_in(&dest, &lifeboat(&args).expect(3));
    let list = lifeboat(&["list", &set, "--json"]).expect(0);
    let path = format!("C/{FOLDER}/{CHILD}");
    assert!(list.events("member").iter().any(|m| m["path"] == path.as_str()), "{}", list.stdout);

    // Onto a file system that knows no reparse data: the child all the same.
    let out = dir.path().join("out");
    lifeboat(&["extract", &set, &path, "--to", out.to_str().unwrap()]).expect(3);
    assert_eq!(std::fs::read(out.join(&path)).unwrap(), BYTES);

    let volume = dir.path().join("new.img");
    VolumeSpec::new("New", 32 << 20).format(&volume).unwrap();
    let mount = need!(mounted(&volume, MountOptions::default()));
    let to = format!("C={}", mount.path().display());
    let back = lifeboat(&["restore", &set, "--to", &to, "--json"]).expect(3);
    let about: Vec<_> =
        back.events("loss").into_iter().filter(|l| l.to_string().contains("OneDrive")).collect();
    assert!(about.is_empty(), "{about:?}");
    mount.unmount().unwrap();
    same_folder(image.path(), &volume);

    // Again, over what is there: the folder is opened up and covered anew.
    let mount = mounted(&volume, MountOptions::default()).unwrap();
    let to = format!("C={}", mount.path().display());
    let back = lifeboat(&["restore", &set, "--to", &to, "--replace", "--json"]).expect(3);
    assert!(back.events("loss").iter().all(|l| !l.to_string().contains("OneDrive")));
    mount.unmount().unwrap();
    same_folder(image.path(), &volume);
}

fn same_folder(old: &Path, new: &Path) {
    let (old, new) = (raw(old), raw(new));
    let look = |tree: &NtfsTree| {
        let id = tree.lookup(&FOLDER.into()).unwrap();
        let node = tree.node(id).unwrap();
        let facts = tree.facts(id, None).unwrap();
        (node.reparse_tag, facts.reparse, facts.security, node.times.created, node.times.modified)
    };
    assert_eq!(look(&new), look(&old));
    let child = NtPath::from(FOLDER).join(CHILD);
    assert_eq!(read(&new, &child), BYTES);
    assert_eq!(new.children(new.lookup(&FOLDER.into()).unwrap()).unwrap().len(), 1);
}

/// ntfs-3g shows such a folder as a dead link. That must not pass for a folder
/// without children.
#[test]
fn a_mount_that_cannot_show_them_says_so() {
    let image = Guarded::fixture("facts");
    let mount =
        need!(mounted(image.path(), MountOptions { read_only: true, ..MountOptions::default() }));
    let tree = HostTree::open(mount.path()).unwrap();
    let folder = tree.lookup(&FOLDER.into()).unwrap();
    let node = tree.node(folder).unwrap();
    assert_eq!((node.kind, node.reparse_tag), (NodeKind::Directory, Some(TAG)));
    let error = tree.children(folder).unwrap_err();
    assert!(matches!(error, TreeError::NoData { .. }), "{error}");
    assert!(error.to_string().contains("0x9000601A"), "{error}");
    let junction = NtPath::from(FOLDER).parent().unwrap().join("junction");
    assert_eq!(tree.children(tree.lookup(&junction).unwrap()).unwrap(), []);

    // A search says where it could not look.
    let seen = Collect::default();
    tree.find_named(&["USMT"], &seen).unwrap();
    let notes = seen.notes.into_inner().unwrap();
    assert!(notes.iter().any(|n| n.contains("OneDrive")), "{notes:?}");
    assert!(notes.iter().all(|n| !n.contains("junction")), "{notes:?}");

    drop(tree); // it keeps folders open

    let dir = tempfile::tempdir().unwrap();
    let mount_path = mount.path().to_str().unwrap().to_owned();
    let args = ["offload", &mount_path, "--to", dir.path().to_str().unwrap(), "--json"];
    let saved = lifeboat(&args).expect(3);
    let path = format!("C/{FOLDER}");
    let losses = saved.events("loss");
    let of_folder: Vec<_> = losses.iter().filter(|l| l["path"] == path.as_str()).collect();
    assert_eq!(of_folder.len(), 1, "{losses:?}");
    assert_eq!(of_folder[0]["kind"], "unreadable");
    mount.unmount().unwrap();
}

/// A store below such a folder, and one in such a folder, are found.
#[test]
fn a_store_in_one_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("disk.img");
    VolumeSpec::new("Cloud", 16 << 20).format(&image).unwrap();
    let mount = need!(mounted(&image, MountOptions::default()));
    let mut covered = TAG.to_le_bytes().to_vec();
    covered.extend([4, 0, 0, 0, 1, 2, 3, 4]);
    for store in ["OneDrive/StateStore", "Other"] {
        let usmt = mount.path().join(store).join("USMT");
        std::fs::create_dir_all(usmt.join("File/C$/Users/alice")).unwrap();
        std::fs::write(usmt.join("hardlink.main"), "C\t{0}\r\n").unwrap();
        std::fs::write(usmt.join("catalog.mig"), "catalog").unwrap();
        std::fs::write(usmt.join("File/C$/Users/alice/a.txt"), "a").unwrap();
    }
    for folder in ["Other/USMT/File", "Other/USMT", "OneDrive"] {
        let path = mount.path().join(folder);
        xattr::set(path, "system.ntfs_reparse_data", &covered).unwrap();
    }
    mount.unmount().unwrap();
    let image = Guarded::new(image);
    let found = lifeboat(&["detect", image.arg(), "--json"]).expect(0);
    let stores = found.events("store");
    assert_eq!(stores.len(), 2, "{}", found.stdout);
    assert!(stores.iter().all(|s| s.to_string().contains("alice")), "{stores:?}");
}
