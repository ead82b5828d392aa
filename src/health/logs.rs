//! Compares a store with the logs of its capture. The logs may be from another
//! run, and clocks may have been wrong: a finding here is only a doubt.

use super::codes::{CAPTURE_FAILED, CAPTURE_UNFINISHED, STORE_NEWER, STORE_OLDER};
use crate::model::finding::Finding;
use crate::model::metadata::FileTime;
use crate::usmt::logs::UsmtRun;
use crate::usmt::{Part, Role, Store};

/// USMT's logs have no time zone. A zone differs from UTC by at most 14 hours,
/// plus one in summer. A larger difference means another run.
const SAME_RUN_SECONDS: u64 = 26 * 60 * 60;

/// `is_named`: whether the run's command line has the store's path.
pub(super) fn check(store: &Store, run: &UsmtRun, is_named: bool, say: &mut dyn FnMut(Finding)) {
    let Some((what_time, written)) = written(store) else { return };
    let Some(logged) = run.time() else { return };
    let apart = |a: FileTime, b: FileTime| a.0.saturating_sub(b.0) / 10_000_000 > SAME_RUN_SECONDS;
    let told = format!("{} records a capture at {logged} (by that PC's clock)", run.log);
    let store_told = format!("{what_time} was written at {written}");
    let logged = logged.to_filetime();
    if apart(written, logged) {
        return say(STORE_NEWER.at(store.display(), format!("{store_told}; {told}")));
    }
    if apart(logged, written) {
        return say(STORE_OLDER.at(store.display(), format!("{store_told}; {told}")));
    }
    let whose = if is_named { "" } else { " (it may be the log of another store)" };
    if let Some(failure) = &run.failure {
        let what = format!("{} says{whose}: {failure}", run.log);
        say(CAPTURE_FAILED.at(store.display(), what));
    } else if run.completed.is_none() && run.started.is_some() {
        let what = format!("{} does not record the end of the capture{whose}", run.log);
        say(CAPTURE_UNFINISHED.at(store.display(), what));
    }
}

/// When the store was last written: the latest time of the files that USMT
/// writes last.
fn written(store: &Store) -> Option<(&'static str, FileTime)> {
    let part: &Part = store.parts.iter().find(|part| part.role != Role::Secondary)?;
    let markers = &part.markers;
    let container = markers.containers.first().map(|(_, marker)| *marker);
    let last = [
        ("status.~lg", markers.status),
        ("MIGSTATE.DAT", markers.migstate),
        ("catalog.mig", markers.catalog),
        ("USMT.MIG", container),
    ];
    let times = last.into_iter().filter_map(|(name, marker)| {
        let node = part.tree.node(marker?.node).ok()?;
        Some((name, node.times.modified))
    });
    times.max_by_key(|(_, time)| *time)
}
