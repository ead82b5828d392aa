//! Compares a store with the logs of its capture. The logs may be from another
//! run, and clocks may have been wrong: a finding here is only a doubt.

use super::codes::{
    CAPTURE_ERRORS, CAPTURE_FAILED, CAPTURE_LOG_DAMAGED, CAPTURE_PROFILES, CAPTURE_REPEATED,
    CAPTURE_UNFINISHED, STORE_NEWER, STORE_OLDER,
};
use crate::model::finding::Finding;
use crate::model::metadata::FileTime;
use crate::model::units;
use crate::usmt::logs::UsmtRun;
use crate::usmt::{Part, Role, Store};

/// USMT's logs have no time zone. A zone differs from UTC by at most 14 hours,
/// plus one in summer. A larger difference means another run.
const SAME_RUN_SECONDS: u64 = 26 * 60 * 60;

/// `is_named`: whether the run's command line has the store's path.
pub(super) fn check(store: &Store, run: &UsmtRun, is_named: bool, say: &mut dyn FnMut(Finding)) {
    if let (Some((what_time, written)), Some(logged)) = (written(store), run.time()) {
        let apart =
            |a: FileTime, b: FileTime| a.0.saturating_sub(b.0) / 10_000_000 > SAME_RUN_SECONDS;
        let told = format!("{} records a capture at {logged} (by that PC's clock)", run.log);
        let store_told = format!("{what_time} was written at {written}");
        let logged = logged.to_filetime();
        if apart(written, logged) {
            return say(STORE_NEWER.at(store.display(), format!("{store_told}; {told}")));
        }
        if apart(logged, written) {
            return say(STORE_OLDER.at(store.display(), format!("{store_told}; {told}")));
        }
    }
    let whose = if is_named { "" } else { " (it may be the log of another store)" };
    if let Some(failure) = &run.failure {
        let what = format!("{} says{whose}: {failure}", run.log);
        say(CAPTURE_FAILED.at(store.display(), what));
    } else if run.completed.is_none() && run.started.is_some() {
        let what = format!("{} does not record the end of the capture{whose}", run.log);
        say(CAPTURE_UNFINISHED.at(store.display(), what));
    }
    for what in errors(run) {
        say(CAPTURE_ERRORS.at(store.display(), format!("{} says{whose}: {what}", run.log)));
    }
    let profiles = &run.ignored_profiles;
    for sid in &profiles.sids {
        let what = format!("{} says{whose}: the profile of {sid} has no account", run.log);
        say(CAPTURE_PROFILES.at(store.display(), what));
    }
    let unnamed = profiles.count.saturating_sub(profiles.sids.len() as u64);
    if unnamed > 0 {
        let many = units::count(unnamed, "profile has", "profiles have");
        let what = format!("{} says{whose}: {many} no account; it does not list the SID", run.log);
        say(CAPTURE_PROFILES.at(store.display(), what));
    }
    if run.has_lost_lines {
        let what = format!("part of {} is zeros", run.log);
        say(CAPTURE_LOG_DAMAGED.at(store.display(), what));
    }
    if let Some(earlier) = &run.earlier_failure {
        let what = format!("{} records an earlier capture that failed, {earlier}", run.log);
        say(CAPTURE_REPEATED.at(store.display(), what));
    }
}

/// The errors that scanstate ignored: one text for each file that the log names,
/// one for each error code, and one if the log names none.
fn errors(run: &UsmtRun) -> Vec<String> {
    let mut found = Vec::new();
    for error in run.errors.iter().filter(|error| !error.is_abort) {
        let times = units::count(error.count, "time", "times");
        found.push(format!("error {}, {times}, first: {}", error.code, error.first));
    }
    let is_first =
        |file: &String| run.errors.iter().any(|error| error.first.ends_with(file.as_str()));
    let others = run.error_files.iter().filter(|file| !is_first(file));
    found.extend(others.map(|file| format!("read or write error for {file}")));
    match run.ignored {
        Some(ignored) if ignored > 0 && found.is_empty() => {
            let errors = units::count(ignored, "error was", "errors were");
            found.push(format!("{errors} ignored; it does not list the files"));
        }
        _ => {}
    }
    found
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
