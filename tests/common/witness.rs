//! A second witness: the `ntfs` crate over the same image.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use lifeboat::name::{NtName, NtPath};
use lifeboat::tree::Tree;
use ntfs::structured_values::{NtfsFileAttributeFlags, NtfsFileNamespace};
use ntfs::{Ntfs, NtfsAttributeFlags, NtfsAttributeType, NtfsFile};

use crate::compare;

/// Compares the bytes of every stream that it can read (it does not unpack
/// compressed ones), and returns how many there were.
pub(crate) fn agrees(tree: &dyn Tree, image: &Path) -> usize {
    let mut fs = std::io::BufReader::new(File::open(image).unwrap());
    let ntfs = Ntfs::new(&mut fs).unwrap();
    let root = ntfs.root_directory(&mut fs).unwrap();
    let mut streams = 0;
    let mut pending = vec![(NtPath::root(), root.file_record_number())];
    while let Some((path, number)) = pending.pop() {
        let directory = ntfs.file(&mut fs, number).unwrap();
        let index = directory.directory_index(&mut fs).unwrap();
        let mut entries = index.entries();
        while let Some(entry) = entries.next(&mut fs) {
            let entry = entry.unwrap();
            let key = entry.key().unwrap().unwrap();
            let number = entry.file_reference().file_record_number();
            if number < 24 || key.namespace() == NtfsFileNamespace::Dos {
                continue;
            }
            let units: Vec<u16> = key.name().u16_iter().collect();
            let path = path.join(NtName::from_utf16(&units));
            let file = ntfs.file(&mut fs, number).unwrap();
            let id = tree.lookup(&path).unwrap();
            assert_eq!(id.0 & 0xFFFF_FFFF_FFFF, number, "{path}");
            assert_eq!(id.0 >> 48, u64::from(file.sequence_number()), "{path}");
            let is_reparse = file
                .info()
                .unwrap()
                .file_attributes()
                .contains(NtfsFileAttributeFlags::REPARSE_POINT);
            if !is_reparse {
                streams += data(tree, &mut fs, &file, &path);
            }
            if file.is_directory() {
                pending.push((path, number));
            }
        }
    }
    streams
}

fn data(
    tree: &dyn Tree,
    fs: &mut std::io::BufReader<File>,
    file: &NtfsFile<'_>,
    path: &NtPath,
) -> usize {
    let id = tree.lookup(path).unwrap();
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
        compare::same_bytes(&ours, &theirs, Path::new(&path.to_string()));
        count += 1;
    }
    count
}
