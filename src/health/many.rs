//! Findings that may apply to very many files: reported once, with a count and
//! the first few paths.

use super::Code;
use crate::model::finding::Finding;

/// The number of paths that are listed.
const NAMED: usize = 3;
/// A longer path is shortened to its end.
const PATH_CHARS: usize = 120;

/// Files with the same finding.
pub(super) struct Many {
    code: &'static Code,
    count: u64,
    named: Vec<String>,
}

impl Many {
    pub(super) fn new(code: &'static Code) -> Self {
        Self { code, count: 0, named: Vec::new() }
    }

    /// Adds a file; `path` is called only if the path is listed.
    pub(super) fn add(&mut self, path: impl FnOnce() -> String) {
        self.count += 1;
        if self.named.len() < NAMED {
            self.named.push(short(&path()));
        }
    }

    /// The finding about all files, with the path `at`, if there are any: `12
    /// files are encrypted: a, b, c and others`. `one` and `more` are the texts
    /// for one file and for several.
    pub(super) fn finding(&self, at: &str, one: &str, more: &str) -> Option<Finding> {
        let words = match self.count {
            0 => return None,
            1 => format!("1 {one}"),
            count => format!("{count} {more}"),
        };
        let others = if self.count > self.named.len() as u64 { " and others" } else { "" };
        Some(self.code.at(at, format!("{words}: {}{others}", self.named.join(", "))))
    }
}

/// Shortens a path to its end, which says most.
fn short(path: &str) -> String {
    let chars = path.chars().count();
    if chars <= PATH_CHARS {
        return path.to_owned();
    }
    let end: String = path.chars().skip(chars - PATH_CHARS).collect();
    format!("...{end}")
}

#[cfg(test)]
mod tests {
    use super::super::codes::ENCRYPTED_FILES;
    use super::*;

    #[test]
    fn the_first_few_are_named_and_all_are_counted() {
        let mut many = Many::new(&ENCRYPTED_FILES);
        assert_eq!(many.finding("C:\\S", "file", "files"), None);
        many.add(|| "a".into());
        assert_eq!(many.finding("C:\\S", "file", "files").unwrap().what, "1 file: a");
        for name in ["b", "c", "d"] {
            many.add(|| name.into());
        }
        assert_eq!(many.finding("", "file", "files").unwrap().what, "4 files: a, b, c and others");
        assert_eq!(short(&"x".repeat(500)).len(), PATH_CHARS + 3);
    }
}
