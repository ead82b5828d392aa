//! Every error that the program can print has its row in docs/reference/messages.md: a
//! technician searches there for the words on the screen.

use std::fs;
use std::path::Path;

/// Where messages begin in the source.
const ERRORS: [&str; 1] = ["#[error("];
const FAILURES: [&str; 3] = ["Failure::new(", "let what =", "let (what, action) = ("];
const TROUBLE: [&str; 3] = ["always(", "network(", ": &str ="];

/// Messages with less than this of their own are the system's words.
const WORTH_SEARCHING: usize = 6;

#[test]
fn every_message_has_its_row() {
    let root = support::root();
    let page = fs::read_to_string(root.join("docs/reference/messages.md")).unwrap();
    let page = page.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut missing = Vec::new();
    let mut seen = 0;
    for (file, message) in messages(&root.join("src")) {
        let own = own_words(&message);
        if own.len() >= WORTH_SEARCHING {
            seen += 1;
            if !page.contains(own) {
                missing.push(format!("{file}: {own}"));
            }
        }
    }
    assert!(seen > 100, "{seen} messages: are they still written like this?");
    assert!(missing.is_empty(), "no row in docs/reference/messages.md: {missing:#?}");
}

/// The longest piece without anything put in.
fn own_words(message: &str) -> &str {
    let pieces = message.split('{').flat_map(|piece| piece.rsplit('}').take(1));
    let trimmed = pieces.map(|piece| piece.trim_matches([' ', ':', ',', ';', '/', '\'']));
    trimmed.max_by_key(|piece| piece.len()).unwrap_or_default()
}

/// File and message, everywhere where one is made that can reach the screen alone.
/// Details of NTFS's structures are parts of others, which say at which byte.
fn messages(src: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in walkdir::WalkDir::new(src).sort_by_file_name() {
        let entry = entry.unwrap();
        let name = entry.path().strip_prefix(src).unwrap().display().to_string();
        if entry.path().extension().is_none_or(|e| e != "rs") || name.starts_with("ntfs/") {
            continue;
        }
        let text = fs::read_to_string(entry.path()).unwrap();
        let text = text.split("#[cfg(test)]").next().unwrap();
        let mut add = |text: &str, marks: &[&str]| {
            for mark in marks {
                for rest in text.split(mark).skip(1) {
                    found.extend(first_literal(rest).map(|message| (name.clone(), message)));
                }
            }
        };
        add(text, &ERRORS);
        if name.starts_with("cli/") {
            add(text, &FAILURES);
        }
        if name == "destination/errors.rs" {
            // The messages come after the advice.
            add(text.split_once("use ErrorKind::").unwrap().1, &TROUBLE);
        }
    }
    found
}

/// The text that stands first in the arguments: `"..."`, `format!("...")`, also after
/// names such as `Exit::Usage,` and numbers; nothing for a variable.
fn first_literal(rest: &str) -> Option<String> {
    let before = rest.find('"')?;
    // `Exit::Usage`, `Transient`, `1203`: not a variable, which would be the message itself.
    let is_name = |word: &str| {
        let word = word.trim_end_matches(['r', '(']).trim_end_matches("format!");
        word.is_empty() || word.starts_with(|c: char| c.is_ascii_digit() || c.is_ascii_uppercase())
    };
    let names: Vec<&str> = rest[..before].split(',').map(str::trim).collect();
    if names.len() > 3 || !names.iter().all(|name| is_name(name)) {
        return None;
    }
    let mut text = String::new();
    let mut chars = rest[before + 1..].chars();
    let is_raw = rest[..before].ends_with('r');
    while let Some(c) = chars.next() {
        match c {
            '"' => return Some(text),
            '\\' if !is_raw => match chars.next()? {
                // A continued line: skip its indentation.
                '\n' => chars = chars.as_str().trim_start().chars(),
                other => text.push(other),
            },
            c => text.push(c),
        }
    }
    None
}

#[test]
fn messages_are_taken_from_the_source_as_they_are_printed() {
    for (source, message) in [
        ("\"{path}: not enough free space\")]", Some("{path}: not enough free space")),
        ("\n    Exit::Usage,\n    format!(\"no {x}\"),", Some("no {x}")),
        ("384,\n Unreachable,\n \"SMB1 \\\n   only\",", Some("SMB1 only")),
        (" r\"\\\\server\",", Some("\\\\server")),
        ("Exit::Failed, error.to_string(), \"advice\")", None),
        ("Exit::Failed, what, \"advice\")", None),
        ("transparent)] struct A { b: \"", None),
    ] {
        assert_eq!(first_literal(source).as_deref(), message, "{source}");
    }
    assert_eq!(own_words("{path}: not enough free space"), "not enough free space");
    assert_eq!(
        own_words("{set}: another run of lifeboat{by} is writing"),
        "another run of lifeboat"
    );
}
