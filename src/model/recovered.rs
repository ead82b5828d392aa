//! How sure it is that a deleted file which was recovered has its old bytes.

use std::fmt;

use serde::{Deserialize, Serialize};

/// See the module. From the best to the worst.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Certainty {
    /// Its bytes were in its file record, which is intact, or their hash is the one that the
    /// store's seal has.
    Sure,
    /// Its file record is intact, and all its clusters are free and belong to no other file that
    /// the volume still knows. A file that has left no trace may have used them.
    Likely,
    /// The same, but something that this rests on is in doubt.
    Unproven,
    /// Some of its clusters belong to other files now: zeros are in their place.
    Part,
    /// Nothing is left of it but its name.
    Overwritten,
}

impl Certainty {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Sure, Self::Likely, Self::Unproven, Self::Part, Self::Overwritten];

    /// The stable name, as in `manifest.jsonl` and `--json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sure => "sure",
            Self::Likely => "likely",
            Self::Unproven => "unproven",
            Self::Part => "part",
            Self::Overwritten => "overwritten",
        }
    }

    /// The one of that stable name. A name that a later program wrote is not taken for sure.
    pub(crate) fn of_name(name: &str) -> Self {
        Self::ALL.into_iter().find(|own| own.as_str() == name).unwrap_or(Self::Unproven)
    }
}

impl fmt::Display for Certainty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How many deleted files are how sure, and their bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RecoveredCount {
    /// Files.
    pub files: u64,
    /// Bytes that they had; in a set, the bytes that are in it for them.
    pub bytes: u64,
    /// Files that are [`Certainty::Sure`].
    pub sure: u64,
    /// Files that are [`Certainty::Likely`].
    pub likely: u64,
    /// Files that are [`Certainty::Unproven`].
    pub unproven: u64,
    /// Files that are [`Certainty::Part`].
    pub part: u64,
    /// Files that are [`Certainty::Overwritten`].
    pub overwritten: u64,
}

impl RecoveredCount {
    /// Counts one more file.
    pub fn add(&mut self, certainty: Certainty, bytes: u64) {
        self.files += 1;
        self.bytes = self.bytes.saturating_add(bytes);
        *match certainty {
            Certainty::Sure => &mut self.sure,
            Certainty::Likely => &mut self.likely,
            Certainty::Unproven => &mut self.unproven,
            Certainty::Part => &mut self.part,
            Certainty::Overwritten => &mut self.overwritten,
        } += 1;
    }

    /// Adds the files of another count.
    pub fn join(&mut self, other: &Self) {
        let Self { files, bytes, sure, likely, unproven, part, overwritten } = other;
        self.files += files;
        self.bytes = self.bytes.saturating_add(*bytes);
        self.sure += sure;
        self.likely += likely;
        self.unproven += unproven;
        self.part += part;
        self.overwritten += overwritten;
    }

    /// `12 sure, 1 in part, 2 overwritten`; what there is none of is left out.
    pub fn words(&self) -> String {
        let all = [
            (self.sure, "sure"),
            (self.likely, "likely"),
            (self.unproven, "unproven"),
            (self.part, "in part"),
            (self.overwritten, "overwritten"),
        ];
        let some = all.into_iter().filter(|(count, _)| *count > 0);
        let words: Vec<String> = some.map(|(count, word)| format!("{count} {word}")).collect();
        if words.is_empty() { "none".to_owned() } else { words.join(", ") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_certainty_is_found_by_its_name_and_an_unknown_one_is_not_sure() {
        for certainty in Certainty::ALL {
            assert_eq!(Certainty::of_name(certainty.as_str()), certainty);
        }
        assert_eq!(Certainty::of_name("of-a-later-program"), Certainty::Unproven);
    }

    #[test]
    fn files_are_counted_by_how_sure_they_are() {
        let mut count = RecoveredCount::default();
        assert_eq!(count.words(), "none");
        for (certainty, bytes) in
            [(Certainty::Sure, 7), (Certainty::Overwritten, u64::MAX), (Certainty::Sure, 1)]
        {
            count.add(certainty, bytes);
        }
        assert_eq!(count.words(), "2 sure, 1 overwritten");
        assert_eq!((count.files, count.bytes), (3, u64::MAX));
    }
}
