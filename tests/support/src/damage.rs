//! Damage to images, done on purpose.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use lifeboat::disk::Device;
use lifeboat::model::finding::Finding;
use lifeboat::model::metadata::NodeId;
use lifeboat::model::name::NtPath;
use lifeboat::ntfs::ondisk::attribute::Value;
use lifeboat::ntfs::ondisk::record::{FileRef, Record};
use lifeboat::ntfs::ondisk::runs::RunList;
use lifeboat::ntfs::read::volume::Volume;
use lifeboat::tree::Tree;
use lifeboat::tree::ntfs::NtfsTree;

use crate::ntfs3g::Image;

/// A device whose bad ranges cannot be read.
pub struct BadSectors {
    pub device: Arc<dyn Device>,
    pub bad: Vec<Range<u64>>,
}

impl Device for BadSectors {
    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let end = offset + buf.len() as u64;
        if self.bad.iter().any(|bad| bad.start < end && offset < bad.end) {
            return Err(io::Error::other("bad sector"));
        }
        self.device.read_exact_at(offset, buf)
    }
    fn len(&self) -> u64 {
        self.device.len()
    }
    fn sector_size(&self) -> u32 {
        self.device.sector_size()
    }
}

/// What listing every folder finds wrong with the folders' indexes.
pub fn index_findings(tree: &NtfsTree) -> Vec<Finding> {
    let mut pending = vec![tree.root()];
    let mut listed = 0;
    while let Some(folder) = pending.pop() {
        listed += 1;
        assert!(listed < 1_000_000, "a cycle");
        let entries = tree.children(folder).unwrap_or_default();
        let is_folder = |id: &NodeId| tree.node(*id).is_ok_and(|node| node.is_plain_directory());
        pending.extend(entries.into_iter().map(|entry| entry.node).filter(is_folder));
    }
    tree.noticed(&[NtPath::root()])
}

/// The number of a node's record.
pub fn number(id: NodeId) -> u64 {
    FileRef(id.0).number()
}

/// Where a record stands in the image.
pub fn record_offset(image: &Image, number: u64) -> u64 {
    let (volume, _) = Volume::open(image.device()).unwrap();
    volume.record_offset(number).unwrap()
}

/// Changes a record: `change` sees it without its fix-up.
pub fn patch_record(image: &Image, number: u64, change: impl FnOnce(&mut Vec<u8>)) {
    let (volume, _) = Volume::open(image.device()).unwrap();
    let at = volume.record_offset(number).unwrap();
    let mut bytes = image.bytes(at, volume.record_bytes());
    let array = usize::from(u16::from_le_bytes([bytes[4], bytes[5]]));
    let strides = bytes.len() / 512;
    for i in 0..strides {
        let truth = [bytes[array + 2 + i * 2], bytes[array + 3 + i * 2]];
        bytes[i * 512 + 510..i * 512 + 512].copy_from_slice(&truth);
    }
    change(&mut bytes);
    for i in 0..strides {
        let tail = [bytes[i * 512 + 510], bytes[i * 512 + 511]];
        bytes[array + 2 + i * 2..array + 4 + i * 2].copy_from_slice(&tail);
        let number = [bytes[array], bytes[array + 1]];
        bytes[i * 512 + 510..i * 512 + 512].copy_from_slice(&number);
    }
    image.overwrite(at, &bytes);
}

/// Where the `nth` attribute of a type starts in a record without fix-up, and
/// its length.
pub fn attribute(record: &[u8], kind: u32, nth: usize) -> (usize, usize) {
    let mut at = usize::from(u16::from_le_bytes([record[0x14], record[0x15]]));
    let mut seen = 0;
    loop {
        let word = |i: usize| u32::from_le_bytes(record[at + i..at + i + 4].try_into().unwrap());
        let length = word(4) as usize;
        assert!(word(0) != u32::MAX, "no attribute {kind:#x} number {nth}");
        if word(0) == kind {
            if seen == nth {
                return (at, length);
            }
            seen += 1;
        }
        at += length;
    }
}

/// Where the value of a resident attribute starts.
pub fn value(record: &[u8], kind: u32, nth: usize) -> usize {
    let (at, _) = attribute(record, kind, nth);
    at + usize::from(u16::from_le_bytes([record[at + 0x14], record[at + 0x15]]))
}

/// Where the run list of a non-resident attribute starts.
pub fn runs(record: &[u8], kind: u32, nth: usize) -> usize {
    let (at, _) = attribute(record, kind, nth);
    assert_eq!(record[at + 8], 1, "it is resident");
    at + usize::from(u16::from_le_bytes([record[at + 0x20], record[at + 0x21]]))
}

/// Where the flags of a record stand: bit 0 says that it is in use.
pub const FLAGS: usize = 0x16;

/// The byte of the image at which the first cluster of an attribute is.
pub fn first_cluster(image: &Image, number: u64, kind: u32) -> u64 {
    let (volume, _) = Volume::open(image.device()).unwrap();
    let (mut bytes, at) = volume.read_record(number).unwrap();
    let record = Record::parse(&mut bytes, at).unwrap();
    let attribute = record.attributes().map(Result::unwrap).find(|found| found.kind == kind);
    let Value::NonResident(value) = attribute.expect("the attribute").value else {
        panic!("it is in the record")
    };
    let mut runs = RunList::default();
    runs.push_piece(0, value.runs, 0).unwrap();
    volume.boot().cluster_offset(runs.first_cluster().unwrap()).unwrap()
}

/// The byte of the image at which the bitmap of `$MFT` is.
pub fn record_bitmap(image: &Image) -> u64 {
    first_cluster(image, 0, lifeboat::ntfs::ondisk::attribute::kind::BITMAP)
}
