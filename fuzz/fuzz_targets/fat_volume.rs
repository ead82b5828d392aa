//! Any bytes as a FAT or exFAT volume: every folder is listed, every file read in
//! part, in bounded time and memory; holes lie in their file.

use std::sync::Arc;

use lifeboat::disk::MemoryDevice;
use lifeboat::model::monitor::Silent;
use lifeboat::tree::Tree;
use lifeboat::tree::fat::FatTree;

pub(crate) fn run(data: &[u8]) {
    let device = Arc::new(MemoryDevice::new(data.to_vec()));
    let Ok(tree) = FatTree::open(device, "fuzz".into(), &Silent) else { return };
    let mut buf = vec![0; 70_000];
    let mut pending = vec![tree.root()];
    let mut seen = 0;
    while let Some(id) = pending.pop() {
        seen += 1;
        // An entry has 32 bytes. Two folders may share clusters, not all of them.
        assert!(seen < 1000 + data.len() * data.len() / 1024, "a walk without end");
        let node = tree.node(id).expect("it was listed");
        let _ = tree.facts(id, None);
        let mut stream = tree.open(id, None).expect("a file can be opened");
        assert_eq!(stream.len(), node.size);
        let first = stream.read(&mut buf).expect("memory never goes away");
        assert_eq!(first as u64, stream.len().min(buf.len() as u64));
        stream.skip(stream.len() / 2).expect("skipping reads nothing");
        stream.read(&mut buf).expect("memory never goes away");
        for hole in stream.holes() {
            assert!(hole.length > 0 && hole.offset + hole.length <= stream.len());
        }
        let children = tree.children(id).unwrap_or_default();
        assert!(children.is_sorted_by(|a, b| a.name < b.name));
        pending.extend(children.into_iter().map(|entry| entry.node));
    }
}
