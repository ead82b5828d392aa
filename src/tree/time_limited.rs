//! A tree that was not given by name, read through the host's file API: the search has a
//! time limit.
//!
//! Reading a whole system drive that way takes minutes, and what looks like a
//! drive may lead anywhere. So the folders near the top, where stores are, are
//! searched first. If the time runs out, that is a finding.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Entry, Stream, Tree, TreeError, TreeInfo};
use crate::model::finding::{Finding, Severity};
use crate::model::metadata::{Metadata, Node, NodeId};
use crate::model::monitor::Monitor;
use crate::model::name::{NtName, NtPath};

/// Folders that may wait to be searched: some 100 MB of their paths.
const MOST_WAITING: usize = 200_000;

/// See the module.
pub(crate) struct TimeLimitedTree {
    inner: Arc<dyn Tree>,
    time: Duration,
}

impl TimeLimitedTree {
    /// Lets the tree be searched for so long.
    pub(crate) fn new(inner: Arc<dyn Tree>, time: Duration) -> Self {
        Self { inner, time }
    }

    fn cut_short(&self, folders: u64) -> Finding {
        Finding {
            code: "search-cut-short",
            severity: Severity::Warning,
            path: self.info().source.clone(),
            what: format!("only {folders} folders, those near the top, were searched"),
            meaning: "a store deeper down was not found".to_owned(),
            action: "name this drive or folder as the source: then all of it is searched"
                .to_owned(),
        }
    }
}

impl Tree for TimeLimitedTree {
    fn info(&self) -> &TreeInfo {
        self.inner.info()
    }

    fn root(&self) -> NodeId {
        self.inner.root()
    }

    fn node(&self, id: NodeId) -> Result<Node, TreeError> {
        self.inner.node(id)
    }

    fn children(&self, id: NodeId) -> Result<Vec<Entry>, TreeError> {
        self.inner.children(id)
    }

    fn facts(&self, id: NodeId, name: Option<&NtName>) -> Result<Metadata, TreeError> {
        self.inner.facts(id, name)
    }

    fn open(&self, id: NodeId, stream: Option<&NtName>) -> Result<Box<dyn Stream>, TreeError> {
        self.inner.open(id, stream)
    }

    fn lookup_in(&self, folder: NodeId, name: &NtName) -> Result<NodeId, TreeError> {
        self.inner.lookup_in(folder, name)
    }

    fn find_named(
        &self,
        names: &[&str],
        monitor: &dyn Monitor,
    ) -> Result<Vec<(NtPath, NodeId)>, TreeError> {
        let start = Instant::now();
        let mut found = Vec::new();
        let mut folders = 0;
        let mut was_dropped = false;
        let mut waiting = VecDeque::from([(NtPath::root(), self.root())]);
        while let Some((path, folder)) = waiting.pop_front() {
            if monitor.is_cancelled() {
                break;
            }
            if start.elapsed() > self.time {
                was_dropped = true;
                break;
            }
            folders += 1;
            // A folder that cannot be listed hides its own, not the others.
            let Ok(entries) = self.children(folder) else { continue };
            for entry in entries {
                let Ok(node) = self.node(entry.node) else { continue };
                let child = path.join(entry.name.clone());
                if names.iter().any(|n| entry.name.eq_ignore_ascii_case(n)) {
                    found.push((child.clone(), entry.node));
                }
                if node.is_plain_directory() && waiting.len() < MOST_WAITING {
                    waiting.push_back((child, entry.node));
                } else if node.is_plain_directory() {
                    was_dropped = true;
                }
            }
        }
        if was_dropped {
            monitor.finding(&self.cut_short(folders));
        }
        found.sort();
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::monitor::Collect;
    use crate::tree::host::HostTree;

    #[test]
    fn what_is_near_the_top_is_found_first_and_the_rest_is_named() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("StateStore/USMT")).unwrap();
        let inner: Arc<dyn Tree> = Arc::new(HostTree::open(dir.path()).unwrap());
        let seen = Collect::default();
        let whole = TimeLimitedTree::new(inner.clone(), Duration::from_mins(1));
        let found = whole.find_named(&["usmt"], &seen).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found, inner.find_named(&["usmt"], &seen).unwrap());
        assert!(seen.findings.lock().unwrap().is_empty(), "it was searched whole");
        let none = TimeLimitedTree::new(inner, Duration::ZERO);
        assert_eq!(none.find_named(&["usmt"], &seen).unwrap(), []);
        assert_eq!(seen.findings.lock().unwrap()[0].code, "search-cut-short");
    }
}
