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
use crate::model::units;
use crate::usmt::{ContainerReport, Markers, Part, Problem, check_container};

/// The number of damaged records that are listed; the others are counted.
const NAMED_PROBLEMS: usize = 100;

/// Why a container counts as encrypted.
pub(crate) const PASSWORD_POSITION: &str =
    "its first record has the position of a store with a password (inferred)";

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
    let mut is_unusable = false;
    for finding in container_pieces(&part.markers, &at) {
        is_unusable |= finding.code != CONTAINER_PIECE_MISSING.name;
        say(finding);
    }
    if is_unusable {
        return proofs;
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

/// A container with the name of one file has more, whatever its format.
const LEAST_BYTES: u64 = 64;

/// What is wrong with the pieces of a container, by their names and sizes.
pub(crate) fn container_pieces(markers: &Markers, at: &str) -> Vec<Finding> {
    let name = markers.container_name();
    let pieces = markers.pieces();
    let Some((0, first)) = pieces.first() else {
        let what = format!("a compressed store has pieces, but {name} itself is missing");
        return vec![CONTAINER_MISSING.at(at, what)];
    };
    if first.size == 0 {
        return vec![CONTAINER_EMPTY.at(at, format!("{name} is empty"))];
    }
    if pieces.len() == 1 && first.size < LEAST_BYTES {
        let what = format!("{name} has only {}", units::count(first.size, "byte", "bytes"));
        return vec![CONTAINER_EMPTY.at(at, what)];
    }
    let last = pieces.last().map_or(0, |(number, _)| *number);
    let missing = |number: u32| {
        let what = format!("{name}{number:02} is missing, but {name}{last:02} exists");
        CONTAINER_PIECE_MISSING.at(at, what)
    };
    markers.missing_pieces().into_iter().map(missing).collect()
}

/// A problem in the container at `at`.
pub(crate) fn container_problem(problem: &Problem, at: &str) -> Finding {
    let record = problem.record.as_deref().unwrap_or("a record");
    let what = format!("{record}, at byte {}: {}", problem.offset, problem.what);
    CONTAINER_DAMAGED.at(at, what)
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
        say(container_problem(problem, at));
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
        say(STORE_ENCRYPTED.at(at, PASSWORD_POSITION));
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
