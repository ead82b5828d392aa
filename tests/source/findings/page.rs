//! docs/reference/findings.md, the program's list and its source say the same.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use lifeboat::health::codes::{ELSEWHERE, STORE};
use support::root;

/// The rows of the page that are about a code.
fn rows() -> Vec<String> {
    let page = fs::read_to_string(root().join("docs/reference/findings.md")).unwrap();
    page.lines().filter(|line| line.starts_with("| `")).map(str::to_owned).collect()
}

#[test]
fn the_page_has_every_code_with_its_words() {
    let mut rows = rows();
    let mut take = |start: &str| {
        let at = rows.iter().position(|row| row.starts_with(start));
        let at = at.unwrap_or_else(|| panic!("docs/reference/findings.md has no row: {start}"));
        rows.remove(at)
    };
    for code in STORE {
        let (severity, when) = (code.severity, code.when.as_str());
        take(&format!(
            "| `{}` | {severity} | {when} | {} | {} |",
            code.name, code.meaning, code.action
        ));
    }
    for (name, severity) in ELSEWHERE {
        take(&format!("| `{name}` | {severity} | "));
    }
    assert!(rows.is_empty(), "rows about nothing: {rows:#?}");
}

#[test]
fn codes_are_words_and_there_is_one_of_each() {
    let names = STORE.iter().map(|code| code.name).chain(ELSEWHERE.iter().map(|(name, _)| *name));
    let mut seen = BTreeSet::new();
    for name in names {
        assert!(seen.insert(name), "{name} is there twice");
        assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'));
    }
    for code in STORE {
        assert!(code.meaning.is_ascii() && code.action.is_ascii(), "{}", code.name);
    }
}

/// Every code that the source writes down is in the list, and nothing else is.
#[test]
fn the_list_has_every_code_of_the_source() {
    let known: BTreeSet<&str> =
        STORE.iter().map(|code| code.name).chain(ELSEWHERE.iter().map(|(name, _)| *name)).collect();
    let mut written = BTreeSet::new();
    for file in sources(&root().join("src")) {
        if file.ends_with("health/codes.rs") {
            continue;
        }
        let text: String = fs::read_to_string(&file).unwrap().split_whitespace().collect();
        for place in
            ["code:\"", "tell(\"", ".add(\"", "finding(\"", ".fault(\"", "=>(\"", "(\"ntfs-"]
        {
            for (at, _) in text.match_indices(place) {
                let start = at + place.find('"').unwrap() + 1;
                let word = text[start..].split('"').next().unwrap();
                let rest = &text[start + word.len() + 1..];
                let ranked = ["Info", "Warning", "Damage"]
                    .iter()
                    .any(|s| rest[..30.min(rest.len())].contains(s));
                let is_code = word.contains('-')
                    && word
                        .bytes()
                        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
                if is_code && (place != "=>(\"" || ranked) {
                    written.insert(word.to_owned());
                }
            }
        }
    }
    assert!(written.len() > 40, "{written:?}: has the way they are written changed?");
    let unlisted: Vec<_> = written.iter().filter(|word| !known.contains(word.as_str())).collect();
    assert!(unlisted.is_empty(), "not in src/health/codes.rs: {unlisted:?}");
    let unused: Vec<_> = ELSEWHERE.iter().filter(|(name, _)| !written.contains(*name)).collect();
    assert!(unused.is_empty(), "nothing finds {unused:?}");
}

/// The Rust files in a folder and below it.
pub(crate) fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found
}
