//! What a store holds, counted from metadata alone.

use std::collections::HashSet;

use crate::facts::NodeKind;
use crate::monitor::Monitor;
use crate::tree::{Tree, TreeError};

use super::Store;

/// Files, folders and bytes of a store or a part of one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// Files; one with several names in the store counts once.
    pub files: u64,
    /// Folders.
    pub directories: u64,
    /// Bytes of the files' unnamed streams.
    pub bytes: u64,
    /// Files and folders that could not be looked at.
    pub unreadable: u64,
}

impl Tally {
    /// Counts all parts of `store`.
    pub fn of_store(store: &Store, monitor: &dyn Monitor) -> Self {
        let mut tally = Self::default();
        for part in &store.parts {
            match Self::of_folder(&*part.tree, part.usmt, monitor) {
                Ok(one) => tally.add(one),
                Err(_) => tally.unreadable += 1,
            }
        }
        tally
    }

    /// Counts everything below `folder`.
    pub fn of_folder(
        tree: &dyn Tree,
        folder: crate::facts::NodeId,
        monitor: &dyn Monitor,
    ) -> Result<Self, TreeError> {
        let mut tally = Self::default();
        let mut linked = HashSet::new();
        let mut pending = tree.children(folder)?;
        while let Some(entry) = pending.pop() {
            if monitor.is_cancelled() {
                break;
            }
            let Ok(node) = tree.node(entry.node) else {
                tally.unreadable += 1;
                continue;
            };
            match node.kind {
                NodeKind::Directory => {
                    tally.directories += 1;
                    if node.is_plain_directory() {
                        match tree.children(entry.node) {
                            Ok(entries) => pending.extend(entries),
                            Err(_) => tally.unreadable += 1,
                        }
                    }
                }
                // Only files with several names need remembering.
                NodeKind::File if node.links > 1 && !linked.insert(node.id) => {}
                NodeKind::File => {
                    tally.files += 1;
                    tally.bytes = tally.bytes.saturating_add(node.size);
                }
            }
        }
        Ok(tally)
    }

    fn add(&mut self, other: Self) {
        self.files += other.files;
        self.directories += other.directories;
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.unreadable += other.unreadable;
    }
}
