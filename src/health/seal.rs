//! What differs between a store and its seal, in words.

use crate::model::finding::{Finding, Severity};

/// What was found out by comparing with a seal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SealCode {
    /// Bytes, size or kind are others.
    Changed,
    /// Written to since, by the time alone.
    Touched,
    /// Not there any more.
    Missing,
    /// Was not there.
    Added,
    /// Time, owner, right or attribute is another.
    Metadata,
    /// The seal is damaged.
    Damaged,
    /// The seal is of another store.
    Other,
    /// The seal has no hashes.
    Quick,
    /// The store lies elsewhere than when it was sealed.
    Moved,
    /// A part that is not in the seal.
    Part,
    /// Hashes of the seal that nothing could be compared with.
    Unread,
}

/// The finding of this code about `path`.
pub fn finding(code: SealCode, path: impl Into<String>, what: impl Into<String>) -> Finding {
    use Severity::{Damage, Info, Warning};
    let (word, severity, meaning, action) = match code {
        SealCode::Changed => (
            "seal-changed",
            Damage,
            "It is not the file that was sealed; loadstate would take it all the same.",
            "Offload the store; look at the file, and for an older copy of it.",
        ),
        SealCode::Touched => (
            "seal-touched",
            Warning,
            "It was written to since; metadata alone do not tell whether it changed.",
            "Run verify --level full: that compares the bytes.",
        ),
        SealCode::Missing => (
            "seal-missing",
            Damage,
            "It was in the store when it was sealed. loadstate will miss it.",
            "Look for it on the disk (deleted files) before anything is written.",
        ),
        SealCode::Added => (
            "seal-added",
            Warning,
            "Somebody put it into the store after it was sealed.",
            "Find out who did; loadstate may take it for a user's file.",
        ),
        SealCode::Metadata => (
            "seal-facts",
            Warning,
            "The bytes are as sealed; loadstate may bring other times or rights back.",
            "Take nothing into possession on the store; offload it as it is.",
        ),
        SealCode::Damaged => (
            "seal-damaged",
            Warning,
            "Nobody can know from it what the store held: nothing was compared.",
            "Judge the store by the other findings; run verify --level full.",
        ),
        SealCode::Other => (
            "seal-other",
            Warning,
            "Nothing was compared. Perhaps scanstate ran again after the seal.",
            "Compare the times; look for another store on all volumes.",
        ),
        SealCode::Quick => (
            "seal-quick",
            Info,
            "Changes that keep size and time do not show.",
            "Nothing. Without --quick, seal takes hashes as well.",
        ),
        SealCode::Moved => (
            "seal-moved",
            Info,
            "loadstate wants a hard-link store where it was captured.",
            "Put it back to where it was sealed; restore does that with a set.",
        ),
        SealCode::Part => (
            "seal-part",
            Warning,
            "What it held when the store was sealed nobody wrote down.",
            "Judge this part by the other findings.",
        ),
        SealCode::Unread => (
            "seal-unread",
            Damage,
            "Whether they are what was sealed is not known.",
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
