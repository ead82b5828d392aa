//! The verdict of a check: what was verified, what is likely, and what cannot
//! be known. The three are never mixed.

use super::codes::{CONTAINER_UNKNOWN, STATUS_MISSING};
use super::{Level, StoreReport};
use crate::model::finding::Severity;
use crate::model::units;
use crate::usmt::{Store, StoreKind};

/// The verdict of a check, for people and programs.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Verdict {
    /// A short summary.
    pub state: String,
    /// What was checked completely.
    pub proved: Vec<String>,
    /// What is very probably true.
    pub plausible: Vec<String>,
    /// What cannot be known from here.
    pub unknown: Vec<String>,
}

impl Verdict {
    /// The verdict as one sentence.
    pub fn sentence(&self) -> String {
        let list = |words: &str, items: &[String]| match items {
            [] => String::new(),
            items => format!("; {words}: {}", items.join(", ")),
        };
        format!(
            "{}{}{}{}",
            self.state,
            list("verified", &self.proved),
            list("likely", &self.plausible),
            list("unknown", &self.unknown)
        )
    }
}

pub(super) fn of(store: &Store, level: Level, report: &StoreReport) -> Verdict {
    let state = match report.worst() {
        Some(Severity::Fatal) => "loadstate cannot use this store as it is",
        Some(Severity::Damage) => "damaged: some data is lost",
        Some(Severity::Warning) if level == Level::Quick => "OK (quick check), with warnings",
        Some(Severity::Warning) => "OK, with warnings",
        Some(Severity::Info) | None if level == Level::Quick => "OK (quick check)",
        Some(Severity::Info) | None => "OK",
    };
    let mut verdict = Verdict { state: state.to_owned(), ..Verdict::default() };
    if !store.kind.holds_data() {
        "no user data: an estimate".clone_into(&mut verdict.state);
        return verdict;
    }
    verdict.proved.clone_from(&report.proofs);
    if level == Level::Full {
        let size = units::bytes(report.bytes_read);
        let (files, skipped) = (report.files_read, report.files_skipped);
        verdict.proved.push(match report.files_not_whole {
            0 => format!("every byte of {} was read ({size})", count(files)),
            bad => format!("{} were read to the end ({size}), {bad} could not be", count(files)),
        });
        if skipped > 0 {
            verdict
                .unknown
                .push(format!("the contents of {}, which is not on this disk", count(skipped)));
        }
    } else {
        let is = if report.files_seen == 1 { "is" } else { "are" };
        let files = count(report.files_seen);
        verdict.proved.push(format!("{files} {is} listed; no file was read"));
        verdict.unknown.push("whether the files can be read (--level full reads them)".into());
    }
    let has = |code: &str| report.findings.iter().any(|finding| finding.code == code);
    if has(CONTAINER_UNKNOWN.name) {
        let what = "whether it is a store that loadstate can use: its container has no format that \
                    Lifeboat knows";
        verdict.unknown.push(what.into());
    } else if report.worst() < Some(Severity::Damage) {
        let words = match store.kind {
            StoreKind::Compressed => "that loadstate can use it: its structure is sound",
            _ if has(STATUS_MISSING.name) => {
                "that loadstate can use it; the mark of a finished capture is missing"
            }
            _ => "that loadstate can use it: its parts and marker files are complete",
        };
        verdict.plausible.push(words.into());
    }
    if !report.is_sealed {
        verdict
            .unknown
            .push("whether the bytes are those that scanstate wrote (there is no seal)".into());
    }
    verdict.unknown.push("whether every user was captured".into());
    verdict
}

fn count(files: u64) -> String {
    if files == 1 { "1 file".into() } else { format!("{files} files") }
}
