//! All that a tree says of its files, to be compared.

use std::collections::BTreeMap;

use lifeboat::model::metadata::{FileTime, Metadata, NodeId, NodeKind};
use lifeboat::model::name::NtPath;
use lifeboat::tree::Tree;

/// Everything that a tree says of a file.
#[derive(PartialEq, Debug)]
pub struct Seen {
    pub kind: NodeKind,
    pub attributes: u32,
    pub times: [FileTime; 3],
    pub size: u64,
    pub links: u32,
    pub facts: Metadata,
    pub hashes: Vec<String>,
}

fn hash(tree: &dyn Tree, id: NodeId, stream: Option<&lifeboat::model::name::NtName>) -> String {
    let Ok(mut stream) = tree.open(id, stream) else { return "none".to_owned() };
    let mut bytes = vec![0; usize::try_from(stream.len()).unwrap()];
    let mut at = 0;
    while at < bytes.len() {
        match stream.read(&mut bytes[at..]).unwrap() {
            0 => break,
            n => at += n,
        }
    }
    lifeboat::set::format::hash::sha256_hex(&bytes)
}

/// A whole tree, by path, and which paths share a file.
pub fn view(tree: &dyn Tree, top: &str) -> (BTreeMap<String, Seen>, Vec<Vec<String>>) {
    let mut all = BTreeMap::new();
    let mut groups: BTreeMap<NodeId, Vec<String>> = BTreeMap::new();
    let mut pending = vec![NtPath::from(top)];
    while let Some(path) = pending.pop() {
        let id = tree.lookup(&path).unwrap();
        let node = tree.node(id).unwrap();
        let facts = tree.facts(id, path.file_name()).unwrap();
        let mut hashes = vec![];
        if node.kind == NodeKind::File {
            hashes.push(hash(tree, id, None));
        }
        hashes.extend(facts.streams.iter().map(|s| hash(tree, id, Some(&s.name))));
        groups.entry(id).or_default().push(path.to_string());
        let inside = if node.is_plain_directory() { tree.children(id).unwrap() } else { vec![] };
        pending.extend(inside.into_iter().map(|e| path.join(e.name)));
        let times = [node.times.created, node.times.modified, node.times.accessed];
        let seen = Seen {
            kind: node.kind,
            attributes: node.attributes,
            times,
            size: node.size,
            links: node.links,
            facts,
            hashes,
        };
        all.insert(path.to_string(), seen);
    }
    let mut groups: Vec<_> = groups.into_values().filter(|g| g.len() > 1).collect();
    for group in &mut groups {
        group.sort();
    }
    groups.sort();
    (all, groups)
}
