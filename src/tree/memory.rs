//! A tree in memory, for tests: every fact that a file can have, and every way
//! in which reading one can go wrong.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Entry, Stream, Tree, TreeError, TreeInfo, Via};
use crate::model::loss::Hole;
use crate::model::metadata::{
    FileTime, Metadata, Node, NodeId, NodeKind, StreamInfo, Times, attributes,
};
use crate::model::name::{NtName, NtPath};
use crate::ntfs::error::NtfsError;

/// What stands in a stream.
#[derive(Clone, Debug)]
enum Bytes {
    /// These bytes.
    Plain(Arc<[u8]>),
    /// Bytes computed from a seed; any length costs nothing.
    Pattern { seed: u64, length: u64 },
}

/// The contents of one stream, and what goes wrong when it is read.
#[derive(Clone, Debug)]
pub struct MemoryData {
    bytes: Bytes,
    /// Ranges that come as zeros and are told as holes, in order.
    pub holes: Vec<Hole>,
    /// Reading fails for good at this byte.
    pub fails_at: Option<u64>,
    /// Opening fails, with this reason.
    pub refuses: Option<String>,
}

impl MemoryData {
    /// A stream of these bytes.
    pub fn new(bytes: impl Into<Arc<[u8]>>) -> Self {
        Self::from_bytes(Bytes::Plain(bytes.into()))
    }

    /// A stream of `length` bytes which do not compress, the same for a seed.
    pub fn pattern(seed: u64, length: u64) -> Self {
        Self::from_bytes(Bytes::Pattern { seed, length })
    }

    fn from_bytes(bytes: Bytes) -> Self {
        Self { bytes, holes: Vec::new(), fails_at: None, refuses: None }
    }

    /// Bytes in all.
    pub fn len(&self) -> u64 {
        match &self.bytes {
            Bytes::Plain(bytes) => bytes.len() as u64,
            Bytes::Pattern { length, .. } => *length,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All the bytes as a reader gets them, zeros in the holes.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut all = vec![0; usize::try_from(self.len()).unwrap_or(0)];
        self.fill(0, &mut all);
        all
    }

    /// Copies bytes from `at`; the caller sees to it that they are there.
    fn fill(&self, at: u64, out: &mut [u8]) {
        match &self.bytes {
            Bytes::Plain(bytes) => {
                let start = usize::try_from(at).unwrap_or(usize::MAX);
                if let Some(from) = bytes.get(start..start.saturating_add(out.len())) {
                    out.copy_from_slice(from);
                }
            }
            Bytes::Pattern { seed, .. } => {
                for (i, byte) in (at..).zip(out.iter_mut()) {
                    // splitmix64 of the seed and the number of the 8-byte word.
                    let word = (i / 8).wrapping_add(*seed).wrapping_mul(0x9E37_79B9_7F4A_7C15);
                    let word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
                    let word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
                    *byte = (word ^ (word >> 31)).to_le_bytes()[(i % 8) as usize];
                }
            }
        }
        let end = at.saturating_add(out.len() as u64);
        for hole in &self.holes {
            let from = hole.offset.clamp(at, end);
            let to = hole.offset.saturating_add(hole.length).clamp(from, end);
            // Both lie within `out`, whose length is a usize.
            let range =
                usize::try_from(from - at).unwrap_or(0)..usize::try_from(to - at).unwrap_or(0);
            out[range].fill(0);
        }
    }
}

/// One file or directory.
#[derive(Clone, Debug)]
pub struct MemoryNode {
    /// Its cheap facts; `size` may be made to differ from what reading yields.
    pub node: Node,
    /// Its other facts; the streams come from [`MemoryNode::streams`].
    pub facts: Metadata,
    /// The unnamed stream.
    pub data: MemoryData,
    /// Alternate data streams, with their reported sizes.
    pub streams: BTreeMap<NtName, MemoryData>,
    /// Asking for its facts at all fails, with this reason.
    pub unknowable: Option<String>,
    /// Its children cannot be listed, with this reason.
    pub unlistable: Option<String>,
    children: BTreeMap<NtName, NodeId>,
}

/// A tree in memory. Node ids count from 0, the root.
#[derive(Clone, Debug)]
pub struct MemoryTree {
    info: TreeInfo,
    nodes: Vec<MemoryNode>,
}

impl MemoryTree {
    /// An empty volume with this label and serial number.
    pub fn new(label: &str, serial: u64) -> Self {
        let info = TreeInfo {
            via: Via::Memory,
            source: format!("memory {label}"),
            file_system: "NTFS".to_owned(),
            label: label.to_owned(),
            serial: Some(serial),
            cluster_bytes: 4096,
        };
        let mut tree = Self { info, nodes: Vec::new() };
        tree.push(NodeKind::Directory, MemoryData::new([]));
        tree
    }

    fn push(&mut self, kind: NodeKind, data: MemoryData) -> NodeId {
        let id = NodeId(self.nodes.len() as u64);
        // Times that differ from node to node and have odd ticks.
        let time = |n: u64| FileTime(133_000_000_000_000_007 + id.0 * 10_000_019 + n);
        let directory = kind == NodeKind::Directory;
        let node = Node {
            id,
            kind,
            attributes: if directory { attributes::DIRECTORY } else { attributes::ARCHIVE },
            times: Times {
                created: time(0),
                modified: time(1),
                changed: time(2),
                accessed: time(3),
            },
            size: data.len(),
            allocated: data.len().next_multiple_of(4096),
            links: 1,
            reparse_tag: None,
            position: None,
        };
        self.nodes.push(MemoryNode {
            node,
            facts: Metadata::default(),
            data,
            streams: BTreeMap::new(),
            unknowable: None,
            unlistable: None,
            children: BTreeMap::new(),
        });
        id
    }

    fn index(id: NodeId) -> usize {
        usize::try_from(id.0).unwrap_or(usize::MAX)
    }

    fn get(&self, id: NodeId) -> Result<&MemoryNode, TreeError> {
        let node = self
            .nodes
            .get(Self::index(id))
            .ok_or_else(|| NtfsError::NotFound { what: "file".to_owned(), record: id.0 })?;
        match &node.unknowable {
            None => Ok(node),
            Some(reason) => Err(self.damaged(reason)),
        }
    }

    fn damaged(&self, reason: &str) -> TreeError {
        TreeError::NoData { path: self.info.source.clone(), reason: reason.to_owned() }
    }

    /// The directory at `path`, made where it is not there.
    pub fn dir(&mut self, path: impl Into<NtPath>) -> NodeId {
        let mut at = self.root();
        for name in path.into().names() {
            at = if let Some(&child) = self.nodes[Self::index(at)].children.get(name) {
                child
            } else {
                let child = self.push(NodeKind::Directory, MemoryData::new([]));
                self.nodes[Self::index(at)].children.insert(name.clone(), child);
                child
            };
        }
        at
    }

    fn attach(&mut self, path: &NtPath, id: NodeId) {
        let parent = self.dir(path.parent().unwrap_or_default());
        if let Some(name) = path.file_name() {
            self.nodes[Self::index(parent)].children.insert(name.clone(), id);
        }
    }

    /// Puts a file at `path`; directories above it are made.
    pub fn file(&mut self, path: impl Into<NtPath>, data: MemoryData) -> NodeId {
        let id = self.push(NodeKind::File, data);
        self.attach(&path.into(), id);
        id
    }

    /// Gives the node one more name.
    pub fn link(&mut self, id: NodeId, path: impl Into<NtPath>) {
        self.attach(&path.into(), id);
        self.nodes[Self::index(id)].node.links += 1;
    }

    /// The node, to change anything about it.
    ///
    /// # Panics
    /// When there is no such node: ids come from this very tree.
    pub fn edit(&mut self, id: NodeId) -> &mut MemoryNode {
        &mut self.nodes[Self::index(id)]
    }

    /// Adds a named stream.
    pub fn stream(&mut self, id: NodeId, name: impl Into<NtName>, data: MemoryData) {
        self.nodes[Self::index(id)].streams.insert(name.into(), data);
    }

    /// Makes the node a reparse point with this data (header included).
    pub fn reparse(&mut self, id: NodeId, data: &[u8]) {
        let node = &mut self.nodes[Self::index(id)];
        let tag = data.first_chunk().map_or(0, |tag| u32::from_le_bytes(*tag));
        node.node.reparse_tag = Some(tag);
        node.node.attributes |= attributes::REPARSE_POINT;
        node.facts.reparse = Some(data.to_vec());
    }
}

impl Tree for MemoryTree {
    fn info(&self) -> &TreeInfo {
        &self.info
    }

    fn root(&self) -> NodeId {
        NodeId(0)
    }

    fn node(&self, id: NodeId) -> Result<Node, TreeError> {
        Ok(self.get(id)?.node.clone())
    }

    fn children(&self, id: NodeId) -> Result<Vec<Entry>, TreeError> {
        let dir = self.get(id)?;
        if let Some(reason) = &dir.unlistable {
            return Err(self.damaged(reason));
        }
        Ok(dir.children.iter().map(|(name, &node)| Entry { name: name.clone(), node }).collect())
    }

    fn facts(&self, id: NodeId, _name: Option<&NtName>) -> Result<Metadata, TreeError> {
        let node = self.get(id)?;
        let streams = node.streams.iter();
        let streams =
            streams.map(|(name, data)| StreamInfo { name: name.clone(), size: data.len() });
        Ok(Metadata { streams: streams.collect(), ..node.facts.clone() })
    }

    fn open(&self, id: NodeId, stream: Option<&NtName>) -> Result<Box<dyn Stream>, TreeError> {
        let node = self.get(id)?;
        let data = match stream {
            None => Some(&node.data),
            Some(name) => node.streams.get(name),
        };
        let data = data.ok_or_else(|| NtfsError::NotFound {
            what: stream.map_or_else(String::new, ToString::to_string),
            record: id.0,
        })?;
        match &data.refuses {
            Some(reason) => Err(self.damaged(reason)),
            None => Ok(Box::new(MemoryStream { data: data.clone(), at: 0, holes: 0 })),
        }
    }
}

struct MemoryStream {
    data: MemoryData,
    at: u64,
    /// How many of the data's holes were met.
    holes: usize,
}

impl MemoryStream {
    fn pass(&mut self, bytes: u64) {
        self.at = self.at.saturating_add(bytes);
        self.holes = self.data.holes.iter().take_while(|hole| hole.offset < self.at).count();
    }
}

impl Stream for MemoryStream {
    fn len(&self) -> u64 {
        self.data.len()
    }

    fn read(&mut self, buf: &mut [u8]) -> Result<usize, TreeError> {
        let mut end = self.data.len();
        if let Some(failure) = self.data.fails_at {
            if self.at >= failure {
                let reason = format!("no more after byte {failure}");
                return Err(TreeError::NoData { path: "memory".to_owned(), reason });
            }
            end = end.min(failure);
        }
        let left = end.saturating_sub(self.at);
        let n = usize::try_from(left).map_or(buf.len(), |left| left.min(buf.len()));
        self.data.fill(self.at, &mut buf[..n]);
        self.pass(n as u64);
        Ok(n)
    }

    fn skip(&mut self, bytes: u64) -> Result<(), TreeError> {
        self.pass(bytes);
        Ok(())
    }

    fn holes(&self) -> &[Hole] {
        &self.data.holes[..self.holes]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_in_comes_out() {
        let mut tree = MemoryTree::new("test", 7);
        let a = tree.file("x/a", MemoryData::pattern(1, 10_000));
        tree.link(a, "y/b");
        tree.stream(a, "s", MemoryData::new(*b"stream"));
        let at = tree.lookup(&"Y/B".into()).unwrap();
        assert_eq!((at, tree.node(a).unwrap().links), (a, 2));
        let mut stream = tree.open(a, None).unwrap();
        let mut buf = [0; 100];
        stream.skip(9_950).unwrap();
        assert_eq!(stream.read(&mut buf).unwrap(), 50);
        assert_eq!(buf[..50], tree.edit(a).data.to_vec()[9_950..]);
        assert_eq!(tree.facts(a, None).unwrap().streams[0].size, 6);
    }

    #[test]
    fn holes_are_zeros_and_are_told_when_met() {
        let mut data = MemoryData::new([1; 10]);
        data.holes = vec![Hole { offset: 4, length: 3, reason: "bad".to_owned() }];
        data.fails_at = Some(8);
        let mut tree = MemoryTree::new("test", 7);
        let id = tree.file("f", data);
        let mut stream = tree.open(id, None).unwrap();
        let mut buf = [9; 4];
        assert_eq!((stream.read(&mut buf).unwrap(), stream.holes().len()), (4, 0));
        assert_eq!((stream.read(&mut buf).unwrap(), stream.holes().len()), (4, 1));
        assert_eq!(buf, [0, 0, 0, 1]);
        assert!(stream.read(&mut buf).is_err());
    }
}
