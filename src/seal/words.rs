//! The verdict of a comparison, for people.

use crate::set::format::rescue::{SealOutcome, SealState};

/// What was compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Looked {
    /// Every byte.
    Bytes,
    /// Names, sizes and times.
    Metadata,
    /// The hashes in a set's manifest, but not the bytes themselves.
    Listed,
}

/// The text of a verdict: what was verified, and how. Damage of the store or
/// the set itself is reported elsewhere.
pub fn verdict(outcome: &SealOutcome, looked: Looked) -> String {
    let date = time(&outcome.sealed);
    match outcome.state {
        SealState::Damaged => return "its seal is damaged and was not used".to_owned(),
        SealState::Other => {
            return format!("the seal of {date} is of another capture and was not used");
        }
        SealState::Matches | SealState::Differs => {}
    }
    let matched = outcome.hashes_matched;
    let proved = match (looked, outcome.quick) {
        (Looked::Bytes, false) => {
            format!("every byte read, {matched} hashes matched the seal of {date}")
        }
        (Looked::Bytes, true) => format!(
            "every byte read; names, sizes and times compared with the quick seal of {date}, \
             which has no hashes"
        ),
        (Looked::Listed, false) => {
            format!("{matched} hashes of the set matched the seal of {date}; no file was read")
        }
        (Looked::Metadata, _) | (Looked::Listed, true) => {
            format!("names, sizes and times compared with the seal of {date}; no file was read")
        }
    };
    if outcome.state == SealState::Matches {
        return proved;
    }
    let mut differences = Vec::new();
    for (count, word) in [
        (outcome.changed, "changed"),
        (outcome.touched, "written to"),
        (outcome.missing, "missing"),
        (outcome.added, "added"),
        (outcome.facts, "with other metadata"),
    ] {
        if count > 0 {
            differences.push(format!("{count} {word}"));
        }
    }
    if differences.is_empty() {
        differences.push("not everything could be compared".to_owned());
    }
    format!("NOT AS SEALED: {}; {proved}", differences.join(", "))
}

/// `2026-11-22 15:04:05Z` for a time of RFC 3339 in whole seconds.
pub(super) fn time(rfc3339: &str) -> String {
    rfc3339.replacen('T', " ", 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_proved_is_said_and_no_more() {
        let outcome = SealOutcome {
            sealed: "2026-11-22T15:04:05Z".to_owned(),
            hashes_matched: 12,
            ..SealOutcome::default()
        };
        let words = "every byte read, 12 hashes matched the seal of 2026-11-22 15:04:05Z";
        assert_eq!(verdict(&outcome, Looked::Bytes), words);
        assert!(verdict(&outcome, Looked::Metadata).contains("no file was read"));
        let quick = SealOutcome { quick: true, ..outcome.clone() };
        assert!(verdict(&quick, Looked::Bytes).contains("no hashes"));
        let differs =
            SealOutcome { state: SealState::Differs, changed: 1, missing: 2, ..outcome.clone() };
        let said = verdict(&differs, Looked::Bytes);
        assert!(said.starts_with("NOT AS SEALED: 1 changed, 2 missing; every byte"), "{said}");
        for state in [SealState::Damaged, SealState::Other] {
            let said = verdict(&SealOutcome { state, ..outcome.clone() }, Looked::Bytes);
            assert!(said.contains("was not used"), "{said}");
        }
    }
}
