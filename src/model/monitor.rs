//! How the library tells what it is doing: one trait, no printing.

use std::sync::Mutex;

use crate::model::finding::Finding;
use crate::model::loss::Loss;

/// What a long job is doing right now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// Reading the file system's structures of a volume.
    Scan,
    /// Looking for stores.
    Detect,
    /// Deciding what goes into a set, in which order.
    Plan,
    /// Reading every byte of a store or a set.
    Verify,
    /// Writing down what a store holds.
    Seal,
    /// Reading, packing and writing a set.
    Copy,
    /// Reading a written set back.
    ReadBack,
    /// Putting files back.
    Restore,
    /// Setting permissions and times.
    Metadata,
    /// Telling what a set holds.
    List,
}

impl Stage {
    /// The stable name, as in `--json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scan => "scan",
            Self::Detect => "detect",
            Self::Plan => "plan",
            Self::Verify => "verify",
            Self::Seal => "seal",
            Self::Copy => "copy",
            Self::ReadBack => "read-back",
            Self::Restore => "restore",
            Self::Metadata => "facts",
            Self::List => "list",
        }
    }
}

/// How far a stage is. Totals are 0 where nobody knows them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Progress {
    /// Bytes done.
    pub bytes: u64,
    /// Bytes in all.
    pub total_bytes: u64,
    /// Files done.
    pub files: u64,
    /// Files in all.
    pub total_files: u64,
}

/// Who watches a job. Called from several threads; must be quick.
pub trait Monitor: Send + Sync {
    /// A stage begins, on what (a path or a volume, for people).
    fn stage(&self, _stage: Stage, _on: &str) {}
    /// The present stage went on. Called often; a watcher throttles for itself.
    fn progress(&self, _progress: Progress) {}
    /// The file that is worked on now: its path in the set. Called once a file.
    fn file(&self, _path: &str) {}
    /// Something about the health of a source, a store or a set.
    fn finding(&self, _finding: &Finding) {}
    /// Something was lost.
    fn loss(&self, _loss: &Loss) {}
    /// A remark worth showing ("read through the volume device").
    fn note(&self, _text: &str) {}
    /// A call failed for a reason that may pass and is repeated (`text` says which, why, and
    /// for how long). Shown as a note by those who have no better place.
    fn retrying(&self, text: &str) {
        self.note(text);
    }
    /// A call takes long and has not answered yet.
    fn stalled(&self, text: &str) {
        self.note(text);
    }
    /// What was repeated, or took long, works again.
    fn recovered(&self, text: &str) {
        self.note(text);
    }
    /// Whether the job should stop at the next good moment (Ctrl-C).
    fn is_cancelled(&self) -> bool {
        false
    }
}

impl<M: Monitor + ?Sized> Monitor for &M {
    fn stage(&self, stage: Stage, on: &str) {
        (**self).stage(stage, on);
    }
    fn progress(&self, progress: Progress) {
        (**self).progress(progress);
    }
    fn file(&self, path: &str) {
        (**self).file(path);
    }
    fn finding(&self, finding: &Finding) {
        (**self).finding(finding);
    }
    fn loss(&self, loss: &Loss) {
        (**self).loss(loss);
    }
    fn note(&self, text: &str) {
        (**self).note(text);
    }
    fn retrying(&self, text: &str) {
        (**self).retrying(text);
    }
    fn stalled(&self, text: &str) {
        (**self).stalled(text);
    }
    fn recovered(&self, text: &str) {
        (**self).recovered(text);
    }
    fn is_cancelled(&self) -> bool {
        (**self).is_cancelled()
    }
}

/// Watches nothing.
#[derive(Debug, Default)]
pub struct Silent;

impl Monitor for Silent {}

/// Keeps findings, losses and notes; for tests and for callers that want lists.
#[derive(Debug, Default)]
pub struct Collect {
    /// The findings so far.
    pub findings: Mutex<Vec<Finding>>,
    /// The losses so far.
    pub losses: Mutex<Vec<Loss>>,
    /// The notes so far.
    pub notes: Mutex<Vec<String>>,
}

impl Monitor for Collect {
    fn finding(&self, finding: &Finding) {
        if let Ok(mut list) = self.findings.lock() {
            list.push(finding.clone());
        }
    }
    fn loss(&self, loss: &Loss) {
        if let Ok(mut list) = self.losses.lock() {
            list.push(loss.clone());
        }
    }
    fn note(&self, text: &str) {
        if let Ok(mut list) = self.notes.lock() {
            list.push(text.to_owned());
        }
    }
}
