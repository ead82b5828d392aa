//! Losses of a rescue.

use std::fmt;

/// A range of a stream that could not be read and was filled with zeros.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hole {
    /// Bytes from the start of the stream.
    pub offset: u64,
    /// Bytes.
    pub length: u64,
    /// Why, for display ("sector at byte 1,234 of the volume: I/O error").
    pub reason: String,
}

/// A loss of a rescue.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Loss {
    /// The path of the file in the set, `C/StateStore/USMT/…`.
    pub path: String,
    /// The kind.
    pub kind: LossKind,
    /// For people.
    pub detail: String,
}

/// Kinds of [`Loss`]; scripts may match the stable names.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum LossKind {
    /// The file, or one of its streams, could not be read at all.
    Unreadable,
    /// Part of it could not be read, and is filled with zeros.
    Hole,
    /// EFS data that cannot be exported without loss.
    Encrypted,
    /// The data was never on this disk (cloud, dedup).
    NotHere,
    /// The data was saved, but not all its metadata (owner, stream, time…).
    Fact,
    /// The name, path or kind cannot exist where it should be restored.
    Name,
    /// It changed while it was read: the saved copy may mix old and new data.
    Changed,
    /// It was deleted from the source, and recovered as far as it could be.
    Recovered,
}

impl LossKind {
    /// All kinds.
    pub const ALL: [Self; 8] = [
        Self::Unreadable,
        Self::Hole,
        Self::Encrypted,
        Self::NotHere,
        Self::Fact,
        Self::Name,
        Self::Changed,
        Self::Recovered,
    ];

    /// The stable name, as in `manifest.jsonl` and `--json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::Hole => "hole",
            Self::Encrypted => "encrypted",
            Self::NotHere => "not-here",
            Self::Fact => "fact",
            Self::Name => "name",
            Self::Changed => "changed",
            Self::Recovered => "recovered",
        }
    }

    /// The kind of that stable name. A name that a later program wrote is taken for the worst:
    /// no loss is left out for its kind.
    pub(crate) fn of_name(name: &str) -> Self {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name).unwrap_or(Self::Unreadable)
    }
}

impl fmt::Display for LossKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_by_its_name_and_an_unknown_one_is_the_worst() {
        for kind in LossKind::ALL {
            assert_eq!(LossKind::of_name(kind.as_str()), kind);
        }
        assert_eq!(LossKind::of_name("of-a-later-program"), LossKind::Unreadable);
    }
}
