//! A second witness: the `ntfs` crate over the same image.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use lifeboat::model::metadata::{NodeId, NodeKind};
use lifeboat::model::name::{NtName, NtPath};
use lifeboat::tree::Tree;
use ntfs::{Ntfs, NtfsAttributeFlags, NtfsAttributeType, NtfsFile};

use crate::compare;

/// Compares the bytes of every stream that it can read (it does not unpack
/// compressed ones), and returns how many there were.
pub fn agrees(tree: &dyn Tree, image: &Path) -> usize {
    let mut fs = std::io::BufReader::new(File::open(image).unwrap());
    let ntfs = Ntfs::new(&mut fs).unwrap();
    let mut streams = 0;
    // By our names: the crate gets lost in large indexes where a cluster is
    // larger than an index block.
    let mut pending = vec![(NtPath::root(), tree.root())];
    while let Some((path, id)) = pending.pop() {
        let number = id.0 & 0xFFFF_FFFF_FFFF;
        let file = ntfs.file(&mut fs, number).unwrap();
        let node = tree.node(id).unwrap();
        assert_eq!(id.0 >> 48, u64::from(file.sequence_number()), "{path}");
        assert_eq!(node.kind == NodeKind::Directory, file.is_directory(), "{path}");
        if node.reparse_tag.is_none() {
            streams += data(tree, &mut fs, &file, id, &path);
        }
        for entry in tree.children(id).unwrap() {
            pending.push((path.join(entry.name), entry.node));
        }
    }
    streams
}

fn data(
    tree: &dyn Tree,
    fs: &mut std::io::BufReader<File>,
    file: &NtfsFile<'_>,
    id: NodeId,
    path: &NtPath,
) -> usize {
    let mut count = 0;
    let mut attributes = file.attributes();
    while let Some(item) = attributes.next(fs) {
        let item = item.unwrap();
        let attribute = item.to_attribute().unwrap();
        if attribute.ty().unwrap() != NtfsAttributeType::Data
            || attribute.flags().contains(NtfsAttributeFlags::COMPRESSED)
        {
            continue;
        }
        let units: Vec<u16> = attribute.name().unwrap().u16_iter().collect();
        let name = NtName::from_utf16(&units);
        let mut theirs = Vec::new();
        attribute.value(fs).unwrap().attach(fs).read_to_end(&mut theirs).unwrap();
        let stream = (!name.is_empty()).then_some(&name);
        let ours = compare::read_all(tree, id, stream);
        // The crate does not know that bytes behind the initialised size are
        // zeros, whatever the clusters hold (ntfs-3g does, and was asked before).
        let written = ours.iter().rposition(|byte| *byte != 0).map_or(0, |i| i + 1);
        assert_eq!(ours.len(), theirs.len(), "{path}");
        compare::same_bytes(&ours[..written], &theirs[..written], Path::new(&path.to_string()));
        count += 1;
    }
    count
}
