//! Counts what a restore lost. Metadata that a file system does not support is
//! one loss for all files together; everything else is reported per file.

use std::collections::{BTreeMap, BTreeSet};

use super::place::FactKind;
use crate::model::loss::{Loss, LossKind};
use crate::model::monitor::Monitor;

/// How many files are reported for the same error with a piece of metadata.
const NAMED: u64 = 20;

/// Counts losses and reports them.
pub(super) struct Tally<'a> {
    monitor: &'a dyn Monitor,
    /// Kind to the number of files, and the first of them.
    unheld: BTreeMap<FactKind, (u64, String)>,
    /// The kinds that were reported before the work began.
    foretold: BTreeSet<FactKind>,
    /// Metadata and error to the number of files beyond those reported.
    failures: BTreeMap<(FactKind, String), u64>,
    /// New losses.
    pub(super) losses: u64,
    /// Losses that the set itself has recorded.
    pub(super) carried: u64,
}

impl<'a> Tally<'a> {
    pub(super) fn new(monitor: &'a dyn Monitor) -> Self {
        Self {
            monitor,
            unheld: BTreeMap::new(),
            foretold: BTreeSet::new(),
            failures: BTreeMap::new(),
            losses: 0,
            carried: 0,
        }
    }

    /// A file, or a piece of its metadata, is lost.
    pub(super) fn lose(&mut self, path: &str, kind: LossKind, detail: impl Into<String>) {
        self.losses += 1;
        self.monitor.loss(&Loss { path: path.to_owned(), kind, detail: detail.into() });
    }

    /// The set contradicts itself, or is damaged; `path` is the file or the member that is.
    pub(super) fn damaged(&mut self, path: &str, offset: u64, what: &str) {
        let at = if offset == 0 { String::new() } else { format!(" at byte {offset}") };
        let detail = format!("the set is damaged or was changed{at}: {what}");
        self.lose(path, LossKind::Unreadable, detail);
    }

    /// A loss that the set has recorded.
    pub(super) fn carry(&mut self, path: &str, kind: &str, detail: &str) {
        let kind = LossKind::of_name(kind);
        self.carried += 1;
        let detail = format!("{detail} (already lost when the set was saved)");
        self.monitor.loss(&Loss { path: path.to_owned(), kind, detail });
    }

    /// The destination does not support this metadata of this file.
    pub(super) fn unheld(&mut self, path: &str, fact: FactKind) {
        if !self.foretold.contains(&fact) {
            self.unheld.entry(fact).or_insert_with(|| (0, path.to_owned())).0 += 1;
        }
    }

    /// This metadata of this file could not be set. The same error with many files is
    /// reported for the first of them, and counted.
    pub(super) fn fact_failed(&mut self, path: &str, fact: FactKind, error: &std::io::Error) {
        self.fact(path, fact, format!("could not be set: {error}"));
    }

    /// This metadata of this file differs from the set.
    pub(super) fn fact_differs(&mut self, path: &str, fact: FactKind) {
        self.fact(path, fact, "differs from the set".to_owned());
    }

    fn fact(&mut self, path: &str, fact: FactKind, what: String) {
        let detail = format!("{}: {what}", fact.as_str());
        let times = self.failures.entry((fact, what)).or_insert(0);
        *times += 1;
        if *times <= NAMED {
            self.lose(path, LossKind::Fact, detail);
        }
    }

    /// Reports what the destination does not support; these kinds are not reported again.
    pub(super) fn report_unsupported(&mut self) {
        for (fact, (files, first)) in std::mem::take(&mut self.unheld) {
            let what = fact.as_str();
            let detail = format!(
                "{what}: the destination does not support it; {files} lost in total, \
                 this is the first"
            );
            self.lose(&first, LossKind::Fact, detail);
            self.foretold.insert(fact);
        }
    }

    /// Reports what was not reported before the work began.
    pub(super) fn finish(mut self) -> (u64, u64) {
        self.report_unsupported();
        for ((fact, what), times) in std::mem::take(&mut self.failures) {
            if let Some(more) = times.checked_sub(NAMED).filter(|more| *more > 0) {
                let detail = format!("{}: {what}; the same for {more} more files", fact.as_str());
                self.lose("", LossKind::Fact, detail);
            }
        }
        (self.losses, self.carried)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::monitor::Collect;

    #[test]
    fn a_loss_that_the_set_records_keeps_its_kind() {
        let monitor = Collect::default();
        let mut tally = Tally::new(&monitor);
        for kind in LossKind::ALL {
            tally.carry("C/a", kind.as_str(), "a reason");
        }
        let kinds: Vec<_> = monitor.losses.lock().unwrap().iter().map(|loss| loss.kind).collect();
        assert_eq!(kinds, LossKind::ALL);
    }
}
