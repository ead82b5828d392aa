//! One folder of a tree, seen from the tree's own root: what lies beside the
//! way to it is hidden. So a store in a folder that the user named keeps its
//! whole path on its volume, and the folders above keep their facts.

use std::sync::Arc;

use crate::facts::{Facts, Node, NodeId};
use crate::name::{NtName, NtPath};

use super::{Entry, Stream, Tree, TreeError, TreeInfo};

/// See the module.
pub struct Within {
    inner: Arc<dyn Tree>,
    /// The folders on the way, each with the one name that is shown in it.
    way: Vec<(NodeId, NtName)>,
    info: TreeInfo,
}

impl Within {
    /// Shows only what is in `folder`, and the way to it. `source` is what the
    /// user called the folder.
    pub fn new(inner: Arc<dyn Tree>, folder: &NtPath, source: String) -> Result<Self, TreeError> {
        let mut way = Vec::new();
        let mut at = inner.root();
        for name in folder.names() {
            way.push((at, name.clone()));
            at = inner.lookup_in(at, name)?;
        }
        let info = TreeInfo { source, ..inner.info().clone() };
        Ok(Self { inner, way, info })
    }
}

impl Tree for Within {
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
        let mut entries = self.inner.children(id)?;
        if let Some((_, shown)) = self.way.iter().find(|(folder, _)| *folder == id) {
            entries.retain(|entry| entry.name == *shown);
        }
        Ok(entries)
    }

    fn facts(&self, id: NodeId, name: Option<&NtName>) -> Result<Facts, TreeError> {
        self.inner.facts(id, name)
    }

    fn is_damaged(&self, id: NodeId) -> bool {
        self.inner.is_damaged(id)
    }

    fn open(&self, id: NodeId, stream: Option<&NtName>) -> Result<Box<dyn Stream>, TreeError> {
        self.inner.open(id, stream)
    }
}
