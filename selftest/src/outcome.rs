//! What was seen of a row, run by run.

use std::collections::BTreeMap;

use crate::rows::{ROWS, Row};

/// How a row ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is as documented; what was seen.
    Pass(String),
    /// It is not; what was seen instead.
    Fail(String),
    /// It cannot be shown on this machine; why.
    NotPossible(String),
}

impl Outcome {
    /// `PASS`, `FAIL`, `NOT POSSIBLE HERE`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Pass(_) => "PASS",
            Self::Fail(_) => "FAIL",
            Self::NotPossible(_) => "NOT POSSIBLE HERE",
        }
    }

    /// What was seen, or why not.
    pub fn text(&self) -> &str {
        match self {
            Self::Pass(text) | Self::Fail(text) | Self::NotPossible(text) => text,
        }
    }
}

/// Rows that say "in each stage" or "with and without": a part of them is not the row.
const EACH_STAGE: [&str; 5] =
    ["killed-offload", "killed-restore", "open-handle", "fat-volumes", "raw-volume"];

/// Everything that was seen.
#[derive(Debug, Default)]
pub struct Ledger {
    seen: BTreeMap<&'static str, Vec<(String, Outcome)>>,
    /// Rows of names that are in no table: a mistake in this program.
    unknown: Vec<String>,
}

impl Ledger {
    /// Notes what one run (`raw`, `host`, ...) has shown of a row.
    pub fn note(&mut self, row: &str, run: &str, outcome: Outcome) {
        match ROWS.iter().find(|known| known.id == row) {
            Some(known) => {
                self.seen.entry(known.id).or_default().push((run.to_owned(), outcome));
            }
            None => self.unknown.push(row.to_owned()),
        }
    }

    /// Notes a pass.
    pub fn pass(&mut self, row: &str, run: &str, seen: impl Into<String>) {
        self.note(row, run, Outcome::Pass(seen.into()));
    }

    /// Notes a failure.
    pub fn fail(&mut self, row: &str, run: &str, seen: impl Into<String>) {
        self.note(row, run, Outcome::Fail(seen.into()));
    }

    /// Notes that a row is not possible.
    pub fn not_possible(&mut self, row: &str, run: &str, why: impl Into<String>) {
        self.note(row, run, Outcome::NotPossible(why.into()));
    }

    /// Pass or fail, by whether something is so.
    pub fn check(&mut self, row: &str, run: &str, is_so: bool, seen: impl Into<String>) {
        let seen = seen.into();
        self.note(row, run, if is_so { Outcome::Pass(seen) } else { Outcome::Fail(seen) });
    }

    /// Whether anything was noted of a row.
    pub fn has(&self, row: &str) -> bool {
        self.seen.contains_key(row)
    }

    /// The outcome of each row. One failure makes a row fail. One pass without a
    /// failure makes it pass, unless the row is about several stages: then each of
    /// them has to pass. What was not possible is said in any case.
    pub fn results(&self) -> Vec<(&'static Row, Outcome)> {
        let mut results: Vec<_> = ROWS.iter().map(|row| (row, self.of(row))).collect();
        if let (false, Some(last)) = (self.unknown.is_empty(), results.last_mut()) {
            last.1 = Outcome::Fail(format!("no such rows: {}", self.unknown.join(", ")));
        }
        results
    }

    fn of(&self, row: &Row) -> Outcome {
        if let Some(how) = row.manually {
            return Outcome::NotPossible(format!("manually: {how}"));
        }
        let none = Vec::new();
        let seen = self.seen.get(row.id).unwrap_or(&none);
        let texts = |wanted: &str| {
            let of_this = seen.iter().filter(|(_, outcome)| outcome.word() == wanted);
            let texts = of_this.map(|(run, outcome)| match run.as_str() {
                "" => outcome.text().to_owned(),
                run => format!("{run}: {}", outcome.text()),
            });
            let mut all: Vec<String> = Vec::new();
            for text in texts {
                if !all.contains(&text) {
                    all.push(text);
                }
            }
            (!all.is_empty()).then(|| all.join("; "))
        };
        let why = texts("NOT POSSIBLE HERE");
        let with = |text: String| match &why {
            Some(why) => format!("{text}; not possible here: {why}"),
            None => text,
        };
        if let Some(text) = texts("FAIL") {
            return Outcome::Fail(with(text));
        }
        match (texts("PASS"), &why) {
            (Some(text), Some(why)) if EACH_STAGE.contains(&row.id) => {
                Outcome::NotPossible(format!("{why}; as documented: {text}"))
            }
            (Some(text), _) => Outcome::Pass(with(text)),
            (None, Some(why)) => Outcome::NotPossible(why.clone()),
            (None, None) => Outcome::NotPossible("this run did not reach it".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(ledger: &Ledger, id: &str) -> Outcome {
        ledger.results().into_iter().find(|(row, _)| row.id == id).unwrap().1
    }

    #[test]
    fn one_failure_outweighs_any_pass_and_a_pass_what_was_not_possible() {
        let mut ledger = Ledger::default();
        assert_eq!(
            outcome(&ledger, "bytes"),
            Outcome::NotPossible("this run did not reach it".to_owned())
        );
        ledger.not_possible("bytes", "raw", "no disk");
        ledger.pass("bytes", "host", "3 files");
        assert_eq!(
            outcome(&ledger, "bytes"),
            Outcome::Pass("host: 3 files; not possible here: raw: no disk".to_owned()),
            "what was not shown is said"
        );
        ledger.fail("bytes", "raw", "a.txt differs");
        ledger.fail("bytes", "raw", "a.txt differs");
        let failed =
            Outcome::Fail("raw: a.txt differs; not possible here: raw: no disk".to_owned());
        assert_eq!(outcome(&ledger, "bytes"), failed);
    }

    #[test]
    fn a_row_about_several_stages_passes_only_with_all_of_them() {
        assert!(EACH_STAGE.iter().all(|id| ROWS.iter().any(|row| row.id == *id)));
        let mut ledger = Ledger::default();
        ledger.pass("killed-restore", "restore", "finished");
        ledger.pass("killed-restore", "facts", "finished");
        assert_eq!(outcome(&ledger, "killed-restore").word(), "PASS");
        ledger.not_possible("killed-restore", "read-back", "it had ended before");
        let not = outcome(&ledger, "killed-restore");
        assert_eq!(not.word(), "NOT POSSIBLE HERE");
        assert!(not.text().starts_with("read-back: it had ended before; as documented: "));
    }

    #[test]
    fn a_row_that_is_in_no_table_is_a_failure() {
        let mut ledger = Ledger::default();
        ledger.pass("no such row", "", "x");
        assert!(ledger.results().iter().any(|(_, o)| matches!(o, Outcome::Fail(_))));
    }

    #[test]
    fn rows_that_only_people_can_check_say_how() {
        let ledger = Ledger::default();
        let outcome = outcome(&ledger, "onedrive");
        assert!(outcome.text().starts_with("manually: "), "{outcome:?}");
    }
}
