//! Any bytes as an NTFS volume: everything on it is looked at, and the start of
//! every stream read, in bounded time and memory; a walk ends.

use std::sync::Arc;

use lifeboat::disk::MemoryDevice;
use lifeboat::model::monitor::Silent;
use lifeboat::model::name::NtPath;
use lifeboat::tree::Tree;
use lifeboat::tree::ntfs::NtfsTree;

pub(crate) fn run(data: &[u8]) {
    let device = Arc::new(MemoryDevice::new(data.to_vec()));
    let Ok(tree) = NtfsTree::open(device, "fuzz".into(), &Silent) else { return };
    let mut buf = vec![0; 70_000];
    let mut pending = vec![tree.root()];
    let mut seen = 0;
    while let Some(id) = pending.pop() {
        seen += 1;
        // No record is smaller than 512 bytes, and a name takes 100.
        assert!(seen < 1000 + data.len() / 100, "a walk without end");
        let _ = tree.node(id);
        tree.paths(id);
        let mut streams = vec![None];
        if let Ok(facts) = tree.facts(id, None) {
            streams.extend(facts.streams.into_iter().map(|stream| Some(stream.name)));
        }
        for name in streams {
            let Ok(mut stream) = tree.open(id, name.as_ref()) else { continue };
            let first = stream.read(&mut buf).expect("memory never goes away");
            assert_eq!(first as u64, stream.len().min(buf.len() as u64));
            stream.skip(stream.len() / 2).expect("skipping reads nothing");
            stream.read(&mut buf).expect("memory never goes away");
            for hole in stream.holes() {
                assert!(hole.length > 0 && hole.offset + hole.length <= stream.len());
            }
        }
        let children = tree.children(id).unwrap_or_default();
        assert!(children.is_sorted_by(|a, b| a.name <= b.name));
        pending.extend(children.into_iter().map(|entry| entry.node));
    }
    for (path, id) in tree.find_named(&["USMT", "file"], &Silent).expect("it never fails") {
        assert!(!tree.paths(id).is_empty(), "{path}");
    }
    for file in tree.deleted(&|_| true, &Silent).expect("nobody cancels") {
        assert!(!file.path().names().is_empty());
        let mut streams = vec![None];
        if let Ok(facts) = tree.deleted_facts(&file) {
            streams.extend(facts.streams.into_iter().map(|stream| Some(stream.name)));
        }
        for name in streams {
            let Ok(mut stream) = tree.open_deleted(&file, name.as_ref()) else { continue };
            let first = stream.read(&mut buf).expect("memory never goes away");
            assert_eq!(first as u64, stream.len().min(buf.len() as u64));
            for hole in stream.holes() {
                assert!(hole.length > 0 && hole.offset + hole.length <= stream.len());
            }
        }
    }
    tree.noticed(&[NtPath::root()]);
    tree.findings();
}
