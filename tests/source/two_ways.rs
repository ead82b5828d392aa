//! The same store read from the volume's own structures and through a mount of
//! it: the same members, with the same bytes and facts.
#![cfg(target_os = "linux")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use lifeboat::destination::Missing;
use lifeboat::destination::directory::DirectoryDestination;
use lifeboat::disk;
use lifeboat::model::monitor::Silent;
use lifeboat::set::format::manifest::{Member, MemberKind};
use lifeboat::set::read::reader::SetReader;
use lifeboat::set::write::plan::Plan;
use lifeboat::set::write::writer::offload;
use lifeboat::tree::Tree;
use lifeboat::tree::host::HostTree;
use lifeboat::tree::ntfs::NtfsTree;
use support::ntfs_mount::{self, Mounted};
use support::{full_store, made_set, members, need, sets};

/// The members of a set of the tree's store, without their places in the set.
fn saved(tree: Arc<dyn Tree>, dir: &Path) -> BTreeMap<String, Member> {
    fs::create_dir(dir).unwrap();
    let options = sets::options_for(&*tree, &sets::options());
    let part = sets::store_part(tree);
    let plan = Plan::make(vec![part], &Silent).unwrap();
    let target = Arc::new(DirectoryDestination::open(dir, Missing::Fail).unwrap());
    let outcome = offload(&plan, &*target, &options, &Silent).unwrap();
    members::of(&SetReader::open(target, &outcome.set).unwrap())
}

/// What ntfs-3g can make, and shows otherwise than it is.
fn make_what_is_hard_to_show(root: &Path) {
    let set = |path: &Path, attribute: &str, value: &[u8]| {
        rustix::fs::lsetxattr(path, attribute, value, rustix::fs::XattrFlags::empty())
            .unwrap_or_else(|e| panic!("{attribute} on {}: {e}", path.display()));
    };
    let hard = root.join("StateStore/USMT/File/C$/hard");
    fs::create_dir(&hard).unwrap();
    for (name, bytes) in [("socket", &b"\0"[..]), ("plain", b"plain")] {
        fs::write(hard.join(name), bytes).unwrap();
        set(&hard.join(name), "system.ntfs_attrib_be", &0x24u32.to_be_bytes());
    }
    let packed = hard.join("compressed");
    fs::create_dir(&packed).unwrap();
    set(&packed, "system.ntfs_attrib_be", &0x810u32.to_be_bytes());
    fs::write(packed.join("text"), b"the same again and again ".repeat(20_000)).unwrap();
    let sparse = fs::File::create(hard.join("sparse")).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&sparse, b"end", 3 << 20).unwrap();
    fs::write(hard.join("two names"), b"two").unwrap();
    set(&hard.join("two names"), "system.ntfs_dos_name", b"TWONAM~1");
    fs::hard_link(hard.join("two names"), hard.join("two more names")).unwrap();
    let cloud = hard.join("cloud folder");
    fs::create_dir(&cloud).unwrap();
    fs::write(cloud.join("child"), b"child").unwrap();
    set(&cloud, "system.ntfs_reparse_data", &made_set::reparse(0x9000_601A, b"cloud"));
    fs::write(hard.join("long stream"), b"x").unwrap();
}

/// The members in which the two ways differ, below the folder above: what each
/// lacks of them. docs/reference/commands.md lists the same facts for people.
const DIFFER: [(&str, &str); 6] = [
    ("socket", "the mount does not show its one byte"),
    ("two names", "the mount does not tell its DOS name, since it has several others"),
    ("two more names", "the same file: the loss of the DOS name stands here"),
    ("cloud folder", "the mount does not show what is in it"),
    ("cloud folder/child", "the mount does not show it"),
    ("long stream", "the mount shows alternate data streams up to 64 KiB only"),
];

#[test]
fn a_mount_and_its_image_give_the_same_manifest() {
    need!("fuse");
    let mut volume = Mounted::fresh(32);
    full_store::make(volume.path());
    make_what_is_hard_to_show(volume.path());
    let hard = "C/StateStore/USMT/File/C$/hard";
    let long = volume.path().join(hard.strip_prefix("C/").unwrap()).join("long stream:long");
    volume.remount("streams_interface=windows");
    fs::write(long, vec![7; 100_000]).unwrap();
    volume.remount(&format!("ro,{}", ntfs_mount::ALL_FACTS));
    let dir = sets::scratch();
    let host = saved(Arc::new(HostTree::open(volume.path()).unwrap()), &dir.path().join("host"));
    volume.unmount();
    let image = disk::open(volume.image()).unwrap();
    let device = image.volumes.into_iter().next().unwrap().device;
    let raw = NtfsTree::open(device, "the image".to_owned(), &Silent).unwrap();
    let raw = saved(Arc::new(raw), &dir.path().join("raw"));

    assert!(raw.len() > 30);
    let mut differ = Vec::new();
    for (path, read) in &raw {
        let Some(seen) = host.get(path) else {
            differ.push(path.clone());
            continue;
        };
        // The order of a set is the disk's, which a mount does not show: which of
        // several names comes first, and holds the data, may differ.
        let is_link = |m: &Member| m.kind == MemberKind::Link;
        if is_link(seen) == is_link(read) && seen != read {
            differ.push(path.clone());
        }
    }
    let known: Vec<_> = DIFFER.iter().map(|(path, _)| format!("{hard}/{path}")).collect();
    assert_eq!(differ.iter().collect::<BTreeSet<_>>(), known.iter().collect::<BTreeSet<_>>());
    assert!(host.keys().all(|path| raw.contains_key(path)));
    // What the mount does not show is lost by name, once for all names of a file.
    let loses: BTreeSet<_> = known
        .iter()
        .filter(|path| host.get(*path).is_some_and(|m| m.losses.len() == 1))
        .map(|path| path.strip_prefix(&format!("{hard}/")).unwrap())
        .collect();
    assert_eq!(loses, ["cloud folder", "long stream", "socket", "two more names"].into());
    assert!(known.iter().all(|path| raw[path].losses.is_empty()));
}
