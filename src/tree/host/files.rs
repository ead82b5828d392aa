//! What the trees of all systems share: the files met so far, and the folders opened last.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::table::{ROOT, Table};
use crate::model::metadata::NodeId;
use crate::model::name::NtName;
use crate::tree::TreeError;

/// Open folders that are kept.
const KEPT_FOLDERS: usize = 32;

/// The files of one tree; `H` is an open folder.
pub(super) struct Files<H> {
    /// The root's path, for messages.
    source: String,
    separator: char,
    root: Arc<H>,
    table: Mutex<Table>,
    /// Folders opened last, the latest at the front.
    kept: Mutex<VecDeque<(u32, Arc<H>)>>,
}

impl<H> Files<H> {
    pub(super) fn new(source: &str, separator: char, root: H) -> Self {
        Self {
            source: source.to_owned(),
            separator,
            root: Arc::new(root),
            table: Mutex::new(Table::new()),
            kept: Mutex::default(),
        }
    }

    pub(super) fn root(&self) -> &Arc<H> {
        &self.root
    }

    pub(super) fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The slot of a name that was met.
    pub(super) fn meet(
        &self,
        parent: u32,
        name: &[u8],
        file: Option<u128>,
    ) -> Result<u32, TreeError> {
        let met = self.table().meet(parent, name, file);
        met.ok_or_else(|| self.failed(parent, io::Error::other("too many names")))
    }

    /// The slot of an id that this tree gave out.
    pub(super) fn slot(&self, id: NodeId) -> Result<u32, TreeError> {
        let slot = u32::try_from(id.0).ok().filter(|s| self.table().holds(*s));
        slot.ok_or_else(|| TreeError::NotFound {
            path: format!("file number {}", id.0),
            source_name: self.source.clone(),
        })
    }

    /// The path of a slot, for messages.
    pub(super) fn shown(&self, slot: u32) -> String {
        let separator = u8::try_from(self.separator).unwrap_or(b'/');
        let below = self.table().path(slot, separator);
        if below.is_empty() {
            return self.source.clone();
        }
        let source = self.source.trim_end_matches(self.separator);
        format!("{source}{}{}", self.separator, String::from_utf8_lossy(&below))
    }

    pub(super) fn failed(&self, slot: u32, error: impl Into<io::Error>) -> TreeError {
        TreeError::Host { path: self.shown(slot), error: error.into() }
    }

    /// The same of a name in the folder of a slot.
    pub(super) fn failed_below(
        &self,
        slot: u32,
        name: &NtName,
        error: impl Into<io::Error>,
    ) -> TreeError {
        let path = format!("{}{}{name}", self.shown(slot), self.separator);
        TreeError::Host { path, error: error.into() }
    }

    /// The node at a path, by `step` from a slot to that of a name in it.
    pub(super) fn at(
        path: &[NtName],
        mut step: impl FnMut(u32, &NtName) -> Result<u32, TreeError>,
    ) -> Result<NodeId, TreeError> {
        let mut slot = ROOT;
        for name in path {
            slot = step(slot, name)?;
        }
        Ok(NodeId(slot.into()))
    }

    /// The folder's handle, from the nearest one that is open downwards. `enter` opens
    /// the folder of a slot in the one above it.
    pub(super) fn folder(
        &self,
        slot: u32,
        enter: impl Fn(&H, u32) -> Result<H, TreeError>,
    ) -> Result<Arc<H>, TreeError> {
        let mut down = Vec::new();
        let mut at = slot;
        let mut handle = loop {
            if at == ROOT {
                break self.root.clone();
            }
            if let Some(handle) = self.kept(at) {
                break handle;
            }
            down.push(at);
            at = self.table().parent(at).unwrap_or(ROOT);
        };
        while let Some(at) = down.pop() {
            handle = Arc::new(enter(&handle, at)?);
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.truncate(KEPT_FOLDERS - 1);
            kept.push_front((at, handle.clone()));
        }
        Ok(handle)
    }

    fn kept(&self, slot: u32) -> Option<Arc<H>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().position(|(s, _)| *s == slot)?;
        let found = kept.remove(at)?;
        kept.push_front(found.clone());
        Some(found.1)
    }
}
