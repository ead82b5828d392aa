//! How the library reports its progress and results: one trait, no printing.

use std::sync::Mutex;

use crate::model::finding::Finding;
use crate::model::loss::Loss;

/// The current stage of a long job.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// Reading the file system's structures of a volume.
    Scan,
    /// Searching for stores.
    Detect,
    /// Planning the contents and the order of a set.
    Plan,
    /// Reading every byte of a store or a set.
    Verify,
    /// Recording the contents of a store.
    Seal,
    /// Reading, compressing and writing a set.
    Copy,
    /// Reading a written set back.
    ReadBack,
    /// Restoring files.
    Restore,
    /// Setting permissions and times.
    Metadata,
    /// Listing the contents of a set.
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

/// The progress of a stage. Totals are 0 if not known.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Progress {
    /// Bytes done.
    pub bytes: u64,
    /// Total bytes.
    pub total_bytes: u64,
    /// Files done.
    pub files: u64,
    /// Total files.
    pub total_files: u64,
}

/// Observes a job. Called from several threads; must be quick.
pub trait Monitor: Send + Sync {
    /// A stage begins; `on` is a path or a volume, for display.
    fn stage(&self, _stage: Stage, _on: &str) {}
    /// Progress of the current stage. Called often; the monitor throttles
    /// itself.
    fn progress(&self, _progress: Progress) {}
    /// This many more bytes were compressed. What is read waits for that, so it is the better
    /// measure of a copy. Called from the threads that compress, first with 0.
    fn compressed(&self, _bytes: u64) {}
    /// The current file: its path in the set. Called once per file.
    fn file(&self, _path: &str) {}
    /// A finding about a source, a store or a set.
    fn finding(&self, _finding: &Finding) {}
    /// A loss.
    fn loss(&self, _loss: &Loss) {}
    /// A note ("read through the volume device").
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
    /// Whether the job should stop after the current block (Ctrl-C).
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
    fn compressed(&self, bytes: u64) {
        (**self).compressed(bytes);
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

/// Ignores everything.
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
