//! Checks whether a store is complete, and whether `loadstate` can use it.
//!
//! Every finding says what it means for `loadstate`, and says "inferred" if
//! Microsoft does not document that.

use std::collections::BTreeMap;

use super::codes::{
    CAPTURE_FAILED, CAPTURE_PROFILES, CAPTURE_UNFINISHED, STATUS_MISSING, STORE_ENCRYPTED,
};
use super::read_all::{self, StreamObserver};
use super::{Usmtutils, Verdict, container, copy, logs, metadata, parts, verdict};
use crate::model::finding::{Finding, Severity};
use crate::model::monitor::{Monitor, Stage};
use crate::model::recovered::RecoveredCount;
use crate::usmt::logs::UsmtRun;
use crate::usmt::{Store, StoreKind};

/// The number of findings of one code that are reported; the others are
/// counted. A failing disk may have millions.
const TOLD_OF_ONE_CODE: u64 = 1000;

/// How thorough a check is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Level {
    /// Metadata alone: seconds.
    #[default]
    Quick,
    /// Every byte of every file.
    Full,
}

/// How to check a store.
#[derive(Clone, Copy, Debug, Default)]
pub struct Check<'a> {
    /// How thorough the check is.
    pub level: Level,
    /// The scanstate run in the store's logs, and whether that run's command
    /// line has the store's path
    /// ([`Logs::capture_of`](crate::usmt::Logs::capture_of)).
    pub capture: Option<(&'a UsmtRun, bool)>,
    /// Volumes that could not be read, for display: a part of the store may be
    /// there.
    pub closed: &'a [String],
    /// Microsoft's own verifier, if it is available and can run.
    pub usmtutils: Option<&'a Usmtutils>,
}

/// The result of a check.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct StoreReport {
    /// All findings in the order in which they were found: at most 1,000 of one
    /// code, then one that counts the others.
    pub findings: Vec<Finding>,
    /// Files whose metadata was checked, counted by name.
    pub files_seen: u64,
    /// Files whose every byte was read; 0 at [`Level::Quick`].
    pub files_read: u64,
    /// Files that were deleted from the store, and how many of them can be recovered.
    pub deleted: RecoveredCount,
    /// Files that could not be read completely.
    pub files_not_whole: u64,
    /// Files whose data is not on the disk (placeholders).
    pub files_skipped: u64,
    /// Bytes read; 0 at [`Level::Quick`].
    pub bytes_read: u64,
    /// What else was verified, for display: `412 hashes matched the seal of
    /// PC-1`.
    pub proofs: Vec<String>,
    /// Whether the store was compared with a seal.
    pub is_sealed: bool,
}

impl StoreReport {
    /// The worst severity; `None` without findings.
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(|f| f.severity).max()
    }

    /// What was verified, what is likely, and what cannot be known.
    pub fn verdict(&self, store: &Store, level: Level) -> Verdict {
        verdict::of(store, level, self)
    }
}

/// Checks `store`, and reports each finding to the monitor at once.
pub fn check_store(store: &Store, check: &Check<'_>, monitor: &dyn Monitor) -> StoreReport {
    check_store_with(store, check, None, monitor)
}

/// Like [`check_store`]; at [`Level::Full`], `observer` receives the data that
/// is read.
pub(crate) fn check_store_with(
    store: &Store,
    check: &Check<'_>,
    observer: Option<&mut dyn StreamObserver>,
    monitor: &dyn Monitor,
) -> StoreReport {
    let mut report = StoreReport::default();
    let mut told = Told { monitor, kept: Vec::new(), counts: BTreeMap::new() };
    let mut say = |finding: Finding| told.take(finding);
    parts::check(store, check.closed, &mut say);
    copy::check(store, &mut say);
    for part in &store.parts {
        match store.kind {
            StoreKind::Compressed => {
                let proofs = container::check(part, check, monitor, &mut say);
                report.proofs.extend(proofs);
            }
            StoreKind::HardLink | StoreKind::Uncompressed => parts::check_markers(part, &mut say),
            StoreKind::Estimate => {}
        }
        // A full check reads all of them.
        if check.level == Level::Quick {
            parts::check_zeros(part, &mut say);
        }
    }
    if let Some((run, is_named)) = check.capture {
        logs::check(store, run, is_named, &mut say);
        if store.kind == StoreKind::Compressed && is_named && run.is_encrypted() {
            let what = format!("{} records a capture with /encrypt", run.log);
            say(STORE_ENCRYPTED.at(store.display(), what));
        }
    }
    if store.kind.holds_data() {
        let looked = metadata::look(store, monitor, &mut say);
        (report.files_seen, report.deleted) = (looked.files, looked.deleted);
    }
    if check.level == Level::Full && store.kind.holds_data() {
        monitor.stage(Stage::Verify, &store.display());
        read_all::read_store(store, observer, monitor, &mut say, &mut report);
    }
    report.findings = told.finish();
    report
}

/// Why the capture that made a store does not have everything, for people: files of users may be
/// outside of it. With `accept_ignored`, profiles that scanstate ignored are no reason.
pub(crate) fn unfinished_capture(
    store: &Store,
    capture: Option<(&UsmtRun, bool)>,
    accept_ignored: bool,
) -> Option<String> {
    let mut found = None;
    let mut say = |finding: Finding| {
        let says = match finding.code {
            code if code == CAPTURE_PROFILES.name && !accept_ignored => {
                "that user's files are not in the store"
            }
            code if [STATUS_MISSING.name, CAPTURE_UNFINISHED.name, CAPTURE_FAILED.name]
                .contains(&code) =>
            {
                "the capture may be incomplete"
            }
            _ => return,
        };
        found.get_or_insert(format!("{}: {}; {says}", store.display(), finding.what));
    };
    if matches!(store.kind, StoreKind::HardLink | StoreKind::Uncompressed) {
        store.parts.iter().for_each(|part| parts::check_markers(part, &mut say));
    }
    // The log of another store says nothing of this one.
    if let Some((run, true)) = capture {
        logs::check(store, run, true, &mut say);
    }
    found
}

/// Collects and reports findings, at most [`TOLD_OF_ONE_CODE`] of one code.
struct Told<'a> {
    monitor: &'a dyn Monitor,
    kept: Vec<Finding>,
    counts: BTreeMap<&'static str, u64>,
}

impl Told<'_> {
    fn take(&mut self, finding: Finding) {
        let count = self.counts.entry(finding.code).or_default();
        *count += 1;
        if *count <= TOLD_OF_ONE_CODE {
            self.monitor.finding(&finding);
            self.kept.push(finding);
        }
    }

    fn finish(mut self) -> Vec<Finding> {
        for (code, count) in &self.counts {
            let Some(more) = count.checked_sub(TOLD_OF_ONE_CODE).filter(|more| *more > 0) else {
                continue;
            };
            let Some(last) = self.kept.iter().rfind(|finding| finding.code == *code) else {
                continue;
            };
            let what = format!("{more} more of this kind");
            let finding = Finding { what, ..last.clone() };
            self.monitor.finding(&finding);
            self.kept.push(finding);
        }
        self.kept
    }
}
