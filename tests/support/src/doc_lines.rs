//! The command lines that the documents and the help texts show.

use std::fs;

/// Where documents are.
pub const FOLDERS: [&str; 8] = [
    "",
    "docs",
    "docs/guide",
    "docs/reference",
    "docs/development",
    "fuzz",
    "pe-build",
    "scripts/task-sequence",
];

/// A command line somewhere, without its comment.
#[derive(Debug, Clone)]
pub struct Line {
    /// `docs/guide/winpe-stick.md:26`, or `lifeboat offload --help`.
    pub place: String,
    pub text: String,
    /// In a block of its own or an example of the help; else it stands in a sentence.
    pub shown: bool,
}

/// Every line of the documents' blocks that are marked as no other language, and
/// everything in backquotes that has two words or more.
pub fn of_documents() -> Vec<Line> {
    let root = crate::root();
    let mut lines = Vec::new();
    for folder in FOLDERS {
        let mut files: Vec<_> =
            fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        for file in files.iter().filter(|file| file.extension().is_some_and(|e| e == "md")) {
            let name = file.strip_prefix(root).unwrap().display().to_string();
            of_document(&name, &fs::read_to_string(file).unwrap(), &mut lines);
        }
    }
    lines
}

fn of_document(name: &str, text: &str, lines: &mut Vec<Line>) {
    let mut block: Option<&str> = None;
    for (at, line) in text.lines().enumerate() {
        let place = format!("{name}:{}", at + 1);
        if let Some(language) = line.trim().strip_prefix("```") {
            block = if block.is_some() { None } else { Some(language) };
        } else if block == Some("") {
            let text = line.split(" #").next().unwrap_or_default().trim().to_owned();
            if !text.is_empty() {
                lines.push(Line { place, text, shown: true });
            }
        } else if block.is_none() {
            for text in line.split('`').skip(1).step_by(2).filter(|text| text.contains(' ')) {
                let text = text.replace("\\|", "|"); // as a table has to write it
                lines.push(Line { place: place.clone(), text, shown: false });
            }
        }
    }
    assert!(block.is_none(), "{name}: a block is not closed");
}

/// The examples of the help texts, and the lines that follow their `usage`.
pub fn of_help(command: &clap::Command) -> Vec<Line> {
    let mut lines = Vec::new();
    for command in std::iter::once(command).chain(command.get_subcommands()) {
        let help = command.get_after_long_help().or_else(|| command.get_after_help());
        let help = help.expect("every help has examples").to_string();
        let examples = help.split("\n\n").find_map(|block| block.strip_prefix("Examples:\n"));
        for line in examples.expect("every help has examples").lines() {
            // What it does stands behind it, two spaces away.
            let text = line.trim_start().split("  ").next().unwrap_or_default().to_owned();
            let place = format!("{} --help", command.get_name());
            lines.push(Line { place, text, shown: true });
        }
    }
    lines
}

/// Words as a shell takes them apart, but for backslashes: those are Windows'.
pub fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let (mut word, mut quote, mut any) = (String::new(), None, false);
    for c in text.chars() {
        match quote {
            Some(q) if q == c => quote = None,
            None if c == '\'' || c == '"' => (quote, any) = (Some(c), true),
            None if c.is_whitespace() => {
                if any || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                any = false;
            }
            _ => word.push(c),
        }
    }
    if any || !word.is_empty() {
        words.push(word);
    }
    words
}
