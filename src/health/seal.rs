//! The findings about differences between a store and its seal.

use crate::model::finding::{Finding, Severity};

/// A kind of difference between a store and its seal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SealCode {
    /// Bytes, size or kind differ.
    Changed,
    /// Written to after sealing, by its time alone.
    Touched,
    /// Missing now.
    Missing,
    /// Not in the store when it was sealed.
    Added,
    /// Time, owner, permission or attribute differs.
    Metadata,
    /// The seal is damaged.
    Damaged,
    /// The seal is of another store.
    Other,
    /// The seal has no hashes.
    Quick,
    /// The store has another path than when it was sealed.
    Moved,
    /// A part that is not in the seal.
    Part,
    /// Sealed files that could not be read, so their hashes could not be
    /// compared.
    Unread,
}

/// The finding of this code about `path`.
pub fn finding(code: SealCode, path: impl Into<String>, what: impl Into<String>) -> Finding {
    use Severity::{Damage, Info, Warning};
    let (word, severity, meaning, action) = match code {
        SealCode::Changed => (
            "seal-changed",
            Damage,
            "It is not the file that was sealed, but loadstate would restore it.",
            "Offload the store. Check the file, and look for an older copy of it.",
        ),
        SealCode::Touched => (
            "seal-touched",
            Warning,
            "It was written to after sealing. Metadata alone does not show whether it changed.",
            "Run verify --level full, which compares the bytes.",
        ),
        SealCode::Missing => (
            "seal-missing",
            Damage,
            "It was in the store when it was sealed. loadstate cannot restore it.",
            "Do not write to the disk. Look for it among the deleted files.",
        ),
        SealCode::Added => (
            "seal-added",
            Warning,
            "It was added to the store after sealing.",
            "Find out who added it. loadstate may restore it as a user's file.",
        ),
        SealCode::Metadata => (
            "seal-facts",
            Warning,
            "The bytes are as sealed, but loadstate may restore other times or permissions.",
            "Do not take ownership of the store. Offload it as it is.",
        ),
        SealCode::Damaged => (
            "seal-damaged",
            Warning,
            "It does not show what the store contained: nothing was compared.",
            "Judge the store by the other findings. Run verify --level full.",
        ),
        SealCode::Other => (
            "seal-other",
            Warning,
            "Nothing was compared. scanstate may have run again after sealing.",
            "Compare the times. Look for another store on all volumes.",
        ),
        SealCode::Quick => (
            "seal-quick",
            Info,
            "Changes that keep the size and the time are not detected.",
            "None. Next time, run seal without --quick: it also records hashes.",
        ),
        SealCode::Moved => (
            "seal-moved",
            Info,
            "loadstate requires a hard-link store at the path where it was captured.",
            "Move it to the path where it was sealed. restore does that with a set.",
        ),
        SealCode::Part => (
            "seal-part",
            Warning,
            "The seal does not record what this part contained.",
            "Judge this part by the other findings.",
        ),
        SealCode::Unread => (
            "seal-unread",
            Damage,
            "It is not known whether they are the files that were sealed.",
            "The other findings say why they could not be read.",
        ),
    };
    Finding {
        code: word,
        severity,
        path: path.into(),
        what: what.into(),
        meaning: meaning.into(),
        action: action.into(),
    }
}
