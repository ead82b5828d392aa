//! Checks a compressed store (`USMT.MIG`), as far as its format is known. The
//! result is "structure sound", never "verified": only Microsoft's own code can
//! check more, and it runs as well if it is available.

use super::codes::{
    CONTAINER_DAMAGED, CONTAINER_EMPTY, CONTAINER_MISSING, CONTAINER_NO_CATALOG,
    CONTAINER_PIECE_MISSING, CONTAINER_SOUND, CONTAINER_UNKNOWN, CONTAINER_UNREADABLE, NO_USERS,
    STORE_ENCRYPTED,
};
use super::metadata::{is_somebody, unreadable};
use super::{Check, Level};
use crate::model::finding::Finding;
use crate::model::monitor::Monitor;
use crate::model::name::NtName;
use crate::usmt::{ContainerReport, Part, check_container};

/// The number of damaged records that are listed; the others are counted.
const NAMED_PROBLEMS: usize = 100;

/// Checks the container of `part`; returns what was verified, for display.
pub(super) fn check(
    part: &Part,
    check: &Check<'_>,
    monitor: &dyn Monitor,
    say: &mut dyn FnMut(Finding),
) -> Vec<String> {
    let mut proofs = Vec::new();
    let name = part.markers.container_name();
    let at = format!("{}\\{name}", part.windows_path());
    let pieces = part.markers.pieces();
    let Some((0, first)) = pieces.first() else {
        let what = format!("a compressed store has pieces, but {name} itself is missing");
        say(CONTAINER_MISSING.at(at, what));
        return proofs;
    };
    if first.size == 0 {
        say(CONTAINER_EMPTY.at(at, format!("{name} is empty")));
        return proofs;
    }
    let last = pieces.last().map_or(0, |(number, _)| *number);
    for missing in (1..last).filter(|n| pieces.iter().all(|(number, _)| number != n)) {
        let what = format!("{name}{missing:02} is missing, but {name}{last:02} exists");
        say(CONTAINER_PIECE_MISSING.at(at.clone(), what));
    }
    let full = check.level == Level::Full;
    match check_container(part.open_container(), full, monitor) {
        Err(error) => say(CONTAINER_UNREADABLE.at(at, unreadable(&error))),
        Ok(report) => {
            judge(&report, pieces.len(), &at, check, say);
            if report.payloads_checked > 0 && report.problems.is_empty() {
                proofs.push(format!(
                    "the data of {} records decompresses, and its checksums match",
                    report.payloads_checked
                ));
            }
        }
    }
    if let Some(usmtutils) = check.usmtutils {
        proofs.extend(usmtutils.check(part, monitor, say));
    }
    proofs
}

fn judge(
    report: &ContainerReport,
    pieces: usize,
    at: &str,
    check: &Check<'_>,
    say: &mut dyn FnMut(Finding),
) {
    if !report.is_known {
        let what = "does not begin as a compressed store does (inferred)";
        return say(CONTAINER_UNKNOWN.at(at, what));
    }
    for problem in report.problems.iter().take(NAMED_PROBLEMS) {
        let record = problem.record.as_deref().unwrap_or("a record");
        let what = format!("{record}, at byte {}: {}", problem.offset, problem.what);
        say(CONTAINER_DAMAGED.at(at, what));
    }
    if let Some(more) = report.problems.len().checked_sub(NAMED_PROBLEMS).filter(|n| *n > 0) {
        say(CONTAINER_DAMAGED.at(at, format!("at least {more} more damaged records")));
    }
    if report.chain_is_whole && !report.has_catalog {
        let what = format!("{} records, but no CATALOG.IMG", report.records);
        say(CONTAINER_NO_CATALOG.at(at, what));
    }
    let told_by_log = check.capture.is_some_and(|(run, named)| named && run.is_encrypted());
    if report.has_password && !told_by_log {
        let what = "its first record has the position of a store with a password (inferred)";
        say(STORE_ENCRYPTED.at(at, what));
    }
    let has_users = has_users(report);
    if has_users == Some(false) {
        let what =
            "by the names of its records, it contains no user's file (File\\X:\\Users; inferred)";
        say(NO_USERS.at(at, what));
    }
    if report.problems.is_empty() && report.chain_is_whole && report.has_catalog {
        let pieces = if pieces > 1 { format!(" in {pieces} pieces") } else { String::new() };
        let payloads = if report.has_password {
            "the data is encrypted and was not checked".to_owned()
        } else if check.level == Level::Full {
            format!("the data of {} records decompresses", report.payloads_checked)
        } else {
            "the data was not decompressed (--level full does that)".to_owned()
        };
        let whose = if has_users.is_none() {
            "; their names do not show whether users' files are among them"
        } else {
            ""
        };
        let what =
            format!("structure sound: {} records{pieces}; {payloads}{whose}", report.records);
        say(CONTAINER_SOUND.at(at, what));
    }
}

/// Whether the container has users' files, by the names of its records. `None`
/// if the names do not show it: some records were not read, a piece may be
/// missing, or no name has the known form (inferred).
fn has_users(report: &ContainerReport) -> Option<bool> {
    if report.users.keys().any(|name| is_somebody(&NtName::from(name.as_str()))) {
        return Some(true);
    }
    let are_known = report.on_drives > 0 || report.records == 1; // the catalog
    (report.chain_is_whole && report.has_catalog && are_known).then_some(false)
}
