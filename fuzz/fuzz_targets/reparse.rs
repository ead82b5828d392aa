//! Any bytes as the reparse data of a file and of a folder on a volume. Folders
//! are entered unless they stand for another one, data that is not there is never
//! read as zeros, and a link's target is no longer than its data.

use std::sync::Arc;

use lifeboat::disk::MemoryDevice;
use lifeboat::model::metadata::Content;
use lifeboat::model::monitor::Silent;
use lifeboat::ntfs::read::wof;
use lifeboat::model::reparse::link_target;
use lifeboat::tree::Tree;
use lifeboat::tree::ntfs::NtfsTree;
use support::tiny_volume;

pub(crate) fn run(data: &[u8]) {
    let is_wof = wof::parse_reparse(data).is_ok();
    if let Some(link) = link_target(data) {
        assert!(!is_wof && !link.target.is_empty());
        // A unit of UTF-16 is three bytes at most.
        assert!(link.target.len() <= data.len() * 2);
    }
    let data = &data[..data.len().min(tiny_volume::MAX_REPARSE)];
    let device = Arc::new(MemoryDevice::new(tiny_volume::with_reparse(data)));
    let tree = NtfsTree::open(device, "fuzz".into(), &Silent).expect("the rest is sound");
    let tag = data.first_chunk().map(|tag| u32::from_le_bytes(*tag)).filter(|tag| *tag != 0);

    let folder = tree.lookup(&"USMT".into()).expect("the folder is there");
    let node = tree.node(folder).expect("its record is sound");
    assert_eq!(node.reparse_tag, tag);
    assert_eq!(node.is_plain_directory(), tag.is_none_or(|tag| tag & 0x2000_0000 == 0));

    let file = tree.lookup(&"USMT/file".into()).expect("the file is there");
    let facts = tree.facts(file, None).expect("its record is sound");
    assert_eq!(facts.reparse.as_deref(), Some(data));
    let opened = tree.open(file, None);
    // Nothing is both "not here" and read.
    assert_eq!(matches!(facts.content, Content::NotHere(_)), opened.is_err());
}
