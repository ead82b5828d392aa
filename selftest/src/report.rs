//! The text and the JSON file to send in, without personal data.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::outcome::Outcome;
use crate::rows::Row;

/// A row failed, a planned disk is missing, or the run was stopped.
pub const FAILED: u8 = 1;
/// Not administrator, no `lifeboat.exe`, ...
pub const COULD_NOT_START: u8 = 3;

/// Words that say who or where somebody is, and what stands for them.
#[derive(Debug, Default, Clone)]
pub struct Scrub(Vec<(String, &'static str)>);

impl Scrub {
    /// Words to take out; the longer ones go first. Words of one or two letters are in
    /// other words: those of two go where they stand alone, those of one where a path or
    /// an account has them.
    pub fn new(words: Vec<(String, &'static str)>) -> Self {
        // A path also as it is in a set, and without its drive.
        let variants = words.into_iter().flat_map(|(word, instead)| {
            let below = word.split_once(":\\").map(|(_, below)| format!("\\{below}"));
            let in_sets = below.as_ref().map(|below| below.replace('\\', "/"));
            let all = [Some(word), below, in_sets].into_iter().flatten();
            all.map(move |word| (word, instead)).collect::<Vec<_>>()
        });
        let mut words: Vec<_> =
            variants.filter(|(word, _)| word.chars().any(char::is_alphanumeric)).collect();
        words.sort_by_key(|(word, _)| std::cmp::Reverse(word.len()));
        Self(words)
    }

    /// A text without them. Also without the numbers of domains in SIDs.
    pub fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (word, instead) in &self.0 {
            text = replace_ignoring_case(&text, word, instead);
            // As JSON and debug output write it.
            let doubled = word.replace('\\', r"\\");
            if doubled != *word {
                text = replace_ignoring_case(&text, &doubled, instead);
            }
        }
        without_domains(&text)
    }
}

fn replace_ignoring_case(text: &str, word: &str, instead: &str) -> String {
    let (lower, word) = (text.to_lowercase(), word.to_lowercase());
    if lower.len() != text.len() {
        // Rare letters whose small form has another length: positions would not agree.
        return text.replace(&word, instead);
    }
    let mut out = String::new();
    let mut at = 0;
    for (found, _) in lower.match_indices(&word) {
        let inside = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        let before = lower[..found].chars().next_back();
        let after = lower[found + word.len()..].chars().next();
        let is_path = word.contains(['\\', '/']);
        let is_letter = word.chars().count() == 1;
        let is_name = !is_letter || before == Some('\\') || before == Some('/');
        let is_device = is_letter && after == Some(':');
        if found < at || !is_name || is_device || (!is_path && (inside(before) || inside(after))) {
            continue;
        }
        out.push_str(&text[at..found]);
        out.push_str(instead);
        at = found + word.len();
    }
    out.push_str(&text[at..]);
    out
}

/// `S-1-5-21-1-2-3-1001` as `S-1-5-21-X-1001`.
fn without_domains(text: &str) -> String {
    const DOMAIN: &str = "S-1-5-21-";
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(DOMAIN) {
        out.push_str(before);
        out.push_str(DOMAIN);
        let end = after.find(|c: char| !c.is_ascii_digit() && c != '-').unwrap_or(after.len());
        let (number, behind) = after.split_at(end);
        let last = number.rsplit('-').next().unwrap_or_default();
        out.push_str("X-");
        out.push_str(last);
        rest = behind;
    }
    out.push_str(rest);
    out
}

/// What was tested, and on what.
#[derive(Debug, Default, Clone)]
pub struct About {
    /// `Windows 10.0.20348 (server), x86_64`
    pub system: String,
    /// `lifeboat 0.1.0`
    pub lifeboat: String,
    /// `disks` or `folder`
    pub mode: &'static str,
    /// Remarks about the run as a whole.
    pub remarks: Vec<String>,
    /// When it began, in UTC.
    pub began: String,
    /// Seconds.
    pub took: u64,
}

/// How many rows passed, failed, were not possible.
pub fn counts(results: &[(&Row, Outcome)]) -> (usize, usize, usize) {
    let count = |word: &str| results.iter().filter(|(_, outcome)| outcome.word() == word).count();
    (count("PASS"), count("FAIL"), count("NOT POSSIBLE HERE"))
}

/// The exit code. A run in which nothing passed has shown nothing.
pub fn exit_code(results: &[(&Row, Outcome)]) -> u8 {
    let (passed, failed, _) = counts(results);
    if failed > 0 || passed == 0 { FAILED } else { 0 }
}

/// The text file, which is what is printed, too.
pub fn text(about: &About, results: &[(&Row, Outcome)], scrub: &Scrub) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "lifeboat-selftest {}: {} on {}",
        env!("CARGO_PKG_VERSION"),
        about.lifeboat,
        about.system
    );
    let _ = writeln!(out, "{}, {} s, mode: {}", about.began, about.took, about.mode);
    for remark in &about.remarks {
        let _ = writeln!(out, "{}", scrub.text(remark));
    }
    let mut page = "";
    for (row, outcome) in results {
        if row.page.name() != page {
            page = row.page.name();
            let _ = writeln!(out, "\n{page}");
        }
        let _ = writeln!(out, "  {:<17} {}", outcome.word(), row.name);
        let what = scrub.text(outcome.text());
        if !what.is_empty() {
            let _ = writeln!(out, "  {:<17}   {what}", "");
        }
    }
    let (passed, failed, not_possible) = counts(results);
    let _ = writeln!(out, "\n{passed} passed, {failed} failed, {not_possible} not possible here");
    out
}

/// The JSON file.
pub fn json(about: &About, results: &[(&Row, Outcome)], scrub: &Scrub) -> Value {
    let (passed, failed, not_possible) = counts(results);
    let rows: Vec<Value> = results
        .iter()
        .map(|(row, outcome)| {
            let word = match outcome {
                Outcome::Pass(_) => "pass",
                Outcome::Fail(_) => "fail",
                Outcome::NotPossible(_) => "not-possible",
            };
            json!({
                "id": row.id,
                "page": row.page.name(),
                "row": row.name,
                "outcome": word,
                "seen": scrub.text(outcome.text()),
            })
        })
        .collect();
    let remarks: Vec<String> = about.remarks.iter().map(|remark| scrub.text(remark)).collect();
    json!({
        "format": 1,
        "selftest": env!("CARGO_PKG_VERSION"),
        "lifeboat": about.lifeboat,
        "system": about.system,
        "mode": about.mode,
        "began": about.began,
        "seconds": about.took,
        "passed": passed,
        "failed": failed,
        "not_possible": not_possible,
        "remarks": remarks,
        "rows": rows,
    })
}

/// Seconds since 1970 as `2026-11-29 17:00 UTC`.
pub fn utc(seconds: u64) -> String {
    // Days to a date, by the calendar of eras of 400 years (Howard Hinnant's
    // days-from-civil, turned round).
    let days = seconds / 86_400 + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let of_day = seconds % 86_400;
    format!("{year}-{month:02}-{day:02} {:02}:{:02} UTC", of_day / 3600, of_day % 3600 / 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Ledger;

    fn scrub() -> Scrub {
        Scrub::new(vec![
            ("alice".into(), "USER"),
            ("PC-1".into(), "COMPUTER"),
            (r"C:\Users\alice\AppData\Local\Temp".into(), "TEMP"),
            ("vm".into(), "COMPUTER"),
            ("q".into(), "USER"),
        ])
    }

    #[test]
    fn nothing_personal_is_left() {
        let text = scrub()
            .text(r"\\pc-1\s: C:\USERS\Alice\AppData\Local\Temp\x of ALICE, abstract, malice");
        assert_eq!(text, r"\\COMPUTER\s: TEMP\x of USER, abstract, malice");
        let text = scrub().text(r#"{"p":"C:\\Users\\alice\\AppData\\Local\\Temp\\x"}"#);
        assert_eq!(text, r#"{"p":"TEMP\\x"}"#);
        let text = scrub()
            .text(r"fact C/users/alice/appdata/local/temp/x: \Users\alice\AppData\Local\Temp");
        assert_eq!(text, "fact CTEMP/x: TEMP");
        let text = scrub().text("O:S-1-5-21-11-22-33-1001G:S-1-5-18D:(A;;FA;;;S-1-5-21-1-2-3-500)");
        assert_eq!(text, "O:S-1-5-21-X-1001G:S-1-5-18D:(A;;FA;;;S-1-5-21-X-500)");
        assert_eq!(scrub().text("\u{130}alice"), "\u{130}USER");
        // Short names, too.
        let text = scrub().text(r"\\VM\s, VM\q, C:\Users\Q\x; vmware of q; \\.\Q:");
        assert_eq!(text, r"\\COMPUTER\s, COMPUTER\USER, C:\Users\USER\x; vmware of q; \\.\Q:");
    }

    #[test]
    fn the_exit_code_says_whether_a_row_failed() {
        let mut ledger = Ledger::default();
        assert_eq!(exit_code(&ledger.results()), FAILED, "nothing was shown");
        ledger.pass("bytes", "", "3 files");
        assert_eq!(exit_code(&ledger.results()), 0);
        ledger.fail("sacl", "raw", "alice's file");
        assert_eq!(exit_code(&ledger.results()), FAILED);
        let about = About { mode: "disks", ..About::default() };
        let text = super::text(&about, &ledger.results(), &scrub());
        assert!(
            text.contains("FAIL              SACL\n") && text.contains("raw: USER's file"),
            "{text}"
        );
        assert!(
            text.ends_with("not possible here\n") && text.contains("1 passed, 1 failed, "),
            "{text}"
        );
        let json = super::json(&about, &ledger.results(), &scrub());
        let row = json["rows"].as_array().unwrap().iter().find(|row| row["id"] == "sacl").unwrap();
        assert_eq!((&row["outcome"], &row["seen"]), (&json!("fail"), &json!("raw: USER's file")));
    }

    #[test]
    fn dates_are_right() {
        assert_eq!(utc(0), "1970-01-01 00:00 UTC");
        assert_eq!(utc(951_827_696), "2000-02-29 12:34 UTC");
        assert_eq!(utc(1_764_435_540), "2025-11-29 16:59 UTC");
    }
}
