//! The compressed store (`USMT.MIG`), as far as it is known. The words are
//! "structure sound", never "verified": only Microsoft's own code knows more.

use crate::monitor::Monitor;
use crate::store::{ContainerReport, Part, check_container};

use super::{Finding, Level, Severity};

/// As many damaged records are named; the rest is counted.
const NAMED_PROBLEMS: usize = 100;

const ASK_USMTUTILS: &str = "Run usmtutils /verify on it where USMT is at hand.";

pub(super) fn check(
    part: &Part,
    level: Level,
    monitor: &dyn Monitor,
    say: &mut dyn FnMut(Finding),
) {
    let at = part.windows_path();
    let mut finding = |code, severity, what: String, meaning: &str, action: &str| {
        say(Finding {
            code,
            severity,
            path: format!("{at}\\USMT.MIG"),
            what,
            meaning: meaning.into(),
            action: action.into(),
        });
    };
    let containers = &part.markers.containers;
    let Some((_, first)) =
        containers.iter().find(|(name, _)| name.eq_ignore_ascii_case("USMT.MIG"))
    else {
        return finding(
            "container-missing",
            Severity::Fatal,
            "pieces of a compressed store are here, but not USMT.MIG itself".into(),
            "loadstate starts with USMT.MIG.",
            "Rescue the pieces; look for USMT.MIG on other volumes.",
        );
    };
    if first.size == 0 {
        return finding(
            "container-empty",
            Severity::Fatal,
            "USMT.MIG is empty".into(),
            "There is no user data in it.",
            "Look for deleted files and for another store.",
        );
    }
    let pieces: Result<Vec<_>, _> =
        containers.iter().map(|(_, marker)| part.tree.open(marker.node, None)).collect();
    match pieces.and_then(|pieces| check_container(pieces, level == Level::Full, monitor)) {
        Err(error) => finding(
            "unreadable",
            Severity::Fatal,
            format!("cannot be read: {error}"),
            "loadstate needs it whole.",
            "The disk may be failing: offload what can be read, now.",
        ),
        Ok(report) => judge(&report, containers.len(), level, &mut finding),
    }
}

fn judge(
    report: &ContainerReport,
    pieces: usize,
    level: Level,
    finding: &mut dyn FnMut(&'static str, Severity, String, &str, &str),
) {
    if !report.is_known {
        return finding(
            "container-unknown",
            Severity::Warning,
            "does not begin as compressed stores are believed to".into(),
            "Either it is damaged, or of a kind that is not known here (inferred).",
            "Rescue it all the same. Run usmtutils /verify where USMT is at hand.",
        );
    }
    for problem in report.problems.iter().take(NAMED_PROBLEMS) {
        let record = problem.record.as_deref().unwrap_or("a record");
        finding(
            "container-damaged",
            Severity::Damage,
            format!("{record}, at byte {}: {}", problem.offset, problem.what),
            "loadstate very probably stops there, or leaves that file out (inferred).",
            ASK_USMTUTILS,
        );
    }
    if let Some(more) = report.problems.len().checked_sub(NAMED_PROBLEMS).filter(|n| *n > 0) {
        finding(
            "container-damaged",
            Severity::Damage,
            format!("{more} more damaged records, at least"),
            "loadstate very probably leaves those files out (inferred).",
            ASK_USMTUTILS,
        );
    }
    if report.chain_is_whole && !report.has_catalog {
        finding(
            "container-no-catalog",
            Severity::Damage,
            format!("{} records, and none is CATALOG.IMG", report.records),
            "A piece may be missing; without the catalog loadstate cannot use it (inferred).",
            "Look for USMT.MIG01, USMT.MIG02 ... on other volumes.",
        );
    }
    if report.problems.is_empty() && report.chain_is_whole && report.has_catalog {
        let pieces = if pieces > 1 { format!(" in {pieces} pieces") } else { String::new() };
        let payloads = if report.has_password {
            "the data is encrypted and was not checked".to_owned()
        } else if level == Level::Full {
            format!("{} payloads unpack soundly", report.payloads_checked)
        } else {
            "the data was not unpacked (--level full does that)".to_owned()
        };
        finding(
            "container-sound",
            Severity::Info,
            format!("structure sound: {} records{pieces}; {payloads}", report.records),
            "As far as the format is known (inferred), loadstate will take it.",
            ASK_USMTUTILS,
        );
    }
}
