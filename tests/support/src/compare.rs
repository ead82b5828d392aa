//! Compares a raw tree with what an ntfs-3g mount shows, fact by fact.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use lifeboat::model::metadata::{Node, NodeId, NodeKind, attributes};
use lifeboat::model::name::NtName;
use lifeboat::tree::Tree;

/// How much was compared, so that a test can say that it was not nothing.
#[derive(Debug, Default)]
pub struct Compared {
    pub files: usize,
    pub directories: usize,
    pub streams: usize,
    pub descriptors: usize,
    pub reparse: usize,
    pub dos_names: usize,
    pub object_ids: usize,
    pub links: usize,
}

/// Everything below the root. The mount must have been made with
/// `streams_interface=xattr`, without `compression` or `show_sys_files`.
pub fn with_mount(tree: &dyn Tree, mount: &Path) -> Compared {
    let mut compared = Compared::default();
    let mut inodes: BTreeMap<u64, NodeId> = BTreeMap::new();
    let mut pending = vec![(mount.to_owned(), tree.root())];
    while let Some((path, id)) = pending.pop() {
        let ours = tree.children(id).unwrap();
        let names: Vec<_> = ours.iter().map(|e| e.name.as_wtf8().to_vec()).collect();
        assert!(names.is_sorted(), "{path:?} is not in byte order");
        let theirs: BTreeSet<_> = std::fs::read_dir(&path)
            .unwrap_or_else(|e| panic!("{path:?}: {e}"))
            .map(|e| e.unwrap().file_name().as_bytes().to_vec())
            .collect();
        assert_eq!(names.iter().cloned().collect::<BTreeSet<_>>(), theirs, "names in {path:?}");
        assert_eq!(names.len(), theirs.len(), "names in {path:?}");
        for entry in ours {
            let path = path.join(std::ffi::OsStr::from_bytes(entry.name.as_wtf8()));
            let node = tree.node(entry.node).unwrap();
            let inode = std::fs::symlink_metadata(&path).unwrap().ino();
            let first = *inodes.entry(inode).or_insert(entry.node);
            assert_eq!(first, entry.node, "{path:?} is a link of another file");
            compared.links += usize::from(node.links > 1);
            facts(tree, &node, &entry.name, &path, &mut compared);
            if node.is_plain_directory() {
                pending.push((path, entry.node));
            }
        }
    }
    compared
}

fn facts(tree: &dyn Tree, node: &Node, name: &NtName, path: &Path, compared: &mut Compared) {
    let facts = tree.facts(node.id, Some(name)).unwrap();
    assert_eq!(facts.damaged, Vec::<String>::new(), "{path:?}");
    let attribute = |name: &str| xattr::get(path, name).ok().flatten();

    // ntfs-3g follows junctions where it shows attributes: ask only for the rest.
    let is_reparse = node.reparse_tag.is_some();
    if !is_reparse {
        let theirs = attribute("system.ntfs_attrib_be").expect("attributes");
        let theirs = u32::from_be_bytes(theirs.try_into().unwrap());
        let known = !(attributes::NORMAL | attributes::DIRECTORY);
        assert_eq!(node.attributes & known, theirs & known, "attributes of {path:?}");
        let times = attribute("system.ntfs_times_be").expect("times");
        let time = |i: usize| u64::from_be_bytes(times[i * 8..i * 8 + 8].try_into().unwrap());
        assert_eq!(node.times.created.0, time(0), "creation of {path:?}");
        assert_eq!(node.times.modified.0, time(1), "modification of {path:?}");
        assert_eq!(node.times.accessed.0, time(2), "access of {path:?}");
        assert_eq!(node.times.changed.0, time(3), "change of {path:?}");
    }
    let theirs = xattr::get(path, "system.ntfs_acl").ok().flatten();
    if !is_reparse {
        assert_eq!(facts.security, theirs, "descriptor of {path:?}");
        compared.descriptors += usize::from(theirs.is_some());
    }
    let theirs = attribute("system.ntfs_reparse_data");
    if !is_reparse || theirs.is_some() {
        assert_eq!(facts.reparse, theirs, "reparse data of {path:?}");
        compared.reparse += usize::from(theirs.is_some());
    }
    let theirs = attribute("system.ntfs_dos_name");
    if !is_reparse {
        let ours = facts.short_name.as_ref().map(|n| n.as_wtf8().to_vec());
        // For a name that is its own DOS name ntfs-3g shows that one; of a file
        // with several links it asks the directory of any of them.
        let is_own = ours.is_none() && theirs.as_deref() == Some(name.as_wtf8());
        let is_unsure = node.links > 1 && theirs.is_none();
        assert!(
            ours == theirs || is_own || is_unsure,
            "DOS name of {path:?}: {ours:?}, {theirs:?}"
        );
        compared.dos_names += usize::from(ours.is_some());
    }
    let theirs = attribute("system.ntfs_object_id");
    if !is_reparse {
        // ntfs-3g shows zeros for birth ids that are not there.
        let mut ours = facts.object_id.clone();
        if let (Some(ours), Some(theirs)) = (&mut ours, &theirs) {
            ours.resize(theirs.len(), 0);
        }
        assert_eq!(ours, theirs, "object id of {path:?}");
        compared.object_ids += usize::from(theirs.is_some());
    }
    match node.kind {
        NodeKind::Directory => compared.directories += 1,
        NodeKind::File => {
            compared.files += 1;
            if std::fs::symlink_metadata(path).unwrap().file_type().is_fifo() {
                // What Interix called a pipe: ntfs-3g takes any for one.
                let is_it = node.size == 0 && node.attributes & attributes::SYSTEM != 0;
                assert!(is_it, "{path:?} is no pipe");
            } else if !is_reparse {
                let theirs = std::fs::read(path).unwrap();
                assert_eq!(node.size, theirs.len() as u64, "size of {path:?}");
                same_bytes(&read_all(tree, node.id, None), &theirs, path);
            }
        }
    }
    if !is_reparse {
        streams(tree, node.id, &facts.streams, path, compared);
    }
}

fn streams(
    tree: &dyn Tree,
    id: NodeId,
    ours: &[lifeboat::model::metadata::StreamInfo],
    path: &Path,
    compared: &mut Compared,
) {
    let listed: BTreeSet<Vec<u8>> = xattr::list(path)
        .unwrap()
        .filter_map(|n| Some(n.as_bytes().strip_prefix(b"user.")?.to_vec()))
        .collect();
    let names: BTreeSet<_> = ours.iter().map(|s| s.name.as_wtf8().to_vec()).collect();
    assert_eq!(names, listed, "streams of {path:?}");
    for stream in ours {
        let bytes = read_all(tree, id, Some(&stream.name));
        assert_eq!(bytes.len() as u64, stream.size, "{path:?}:{}", stream.name);
        if stream.size <= 65_536 {
            let key = format!("user.{}", stream.name);
            let theirs = xattr::get(path, key).unwrap().expect("the stream");
            let shown = PathBuf::from(format!("{}:{}", path.display(), stream.name));
            same_bytes(&bytes, &theirs, &shown);
        }
        compared.streams += 1;
    }
}

/// All bytes of a stream, read in uneven pieces; no holes.
pub fn read_all(tree: &dyn Tree, id: NodeId, stream: Option<&NtName>) -> Vec<u8> {
    let mut reader = tree.open(id, stream).unwrap();
    let mut bytes = Vec::new();
    let mut buf = vec![0; 300_007];
    loop {
        let n = reader.read(&mut buf).unwrap();
        if n == 0 {
            break;
        }
        bytes.extend_from_slice(&buf[..n]);
    }
    assert_eq!(reader.holes(), []);
    assert_eq!(bytes.len() as u64, reader.len());
    bytes
}

/// Says where two byte strings differ instead of printing them.
pub fn same_bytes(ours: &[u8], theirs: &[u8], path: &Path) {
    assert_eq!(ours.len(), theirs.len(), "length of {path:?}");
    let first = ours.iter().zip(theirs).position(|(a, b)| a != b);
    assert_eq!(first, None, "first differing byte of {path:?}");
}
