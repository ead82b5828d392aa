//! One folder of a tree, seen from the tree's own root: what lies beside the
//! way to it is hidden. So a store in a folder that the user named keeps its
//! whole path on its volume, and the folders above keep their facts.

use std::sync::Arc;

use super::{Entry, Stream, Tree, TreeError, TreeInfo};
use crate::model::finding::Finding;
use crate::model::metadata::{Metadata, Node, NodeId};
use crate::model::name::{NtName, NtPath, SEAL, USMT};

/// See the module.
pub(crate) struct SubtreeView {
    inner: Arc<dyn Tree>,
    /// The folders on the way, each with the one entry that is shown in it.
    /// They are never listed: beside the way there may be a million files, or a
    /// mounted share that does not answer.
    way: Vec<(NodeId, Entry)>,
    /// Where a store's own folder was named: the seal in the folder above.
    beside: Option<(NodeId, Entry)>,
    info: TreeInfo,
}

impl SubtreeView {
    /// Shows only what is in `folder`, and the way to it. `source` is what the
    /// user called the folder.
    pub(crate) fn new(
        inner: Arc<dyn Tree>,
        folder: &NtPath,
        source: String,
    ) -> Result<Self, TreeError> {
        let mut way = Vec::new();
        let mut at = inner.root();
        for name in folder.names() {
            let node = inner.lookup_in(at, name)?;
            way.push((at, Entry { name: name.clone(), node }));
            at = node;
        }
        let is_store = |shown: &Entry| shown.name.eq_ignore_ascii_case(USMT);
        let beside = way.last().filter(|(_, shown)| is_store(shown)).and_then(|(above, _)| {
            let name = NtName::from(SEAL);
            let node = inner.lookup_in(*above, &name).ok()?;
            Some((*above, Entry { name, node }))
        });
        let info = TreeInfo { source, ..inner.info().clone() };
        Ok(Self { inner, way, beside, info })
    }

    fn shown_in(&self, folder: NodeId) -> Option<&Entry> {
        self.way.iter().find(|(on_the_way, _)| *on_the_way == folder).map(|(_, shown)| shown)
    }
}

impl Tree for SubtreeView {
    fn info(&self) -> &TreeInfo {
        &self.info
    }

    fn root(&self) -> NodeId {
        self.inner.root()
    }

    fn node(&self, id: NodeId) -> Result<Node, TreeError> {
        self.inner.node(id)
    }

    fn children(&self, id: NodeId) -> Result<Vec<Entry>, TreeError> {
        match self.shown_in(id) {
            Some(shown) => {
                let beside = self.beside.iter().filter(|(above, _)| *above == id);
                let mut entries: Vec<_> = beside.map(|(_, entry)| entry.clone()).collect();
                entries.push(shown.clone());
                entries.sort_by(|a, b| a.name.cmp(&b.name));
                Ok(entries)
            }
            None => self.inner.children(id),
        }
    }

    fn lookup_in(&self, folder: NodeId, name: &NtName) -> Result<NodeId, TreeError> {
        match self.shown_in(folder) {
            Some(_) => super::lookup_in_listing(self, folder, name),
            None => self.inner.lookup_in(folder, name),
        }
    }

    fn facts(&self, id: NodeId, name: Option<&NtName>) -> Result<Metadata, TreeError> {
        self.inner.facts(id, name)
    }

    fn is_damaged(&self, id: NodeId) -> bool {
        self.inner.is_damaged(id)
    }

    fn noticed(&self, below: &[NtPath]) -> Vec<Finding> {
        self.inner.noticed(below)
    }

    fn open(&self, id: NodeId, stream: Option<&NtName>) -> Result<Box<dyn Stream>, TreeError> {
        self.inner.open(id, stream)
    }
}
