//! What a restore is asked for, and what it did.

/// How a restore goes about it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// Replaces files that are there already. Never through a link: a file that
    /// has another name elsewhere keeps its bytes there.
    pub replace: bool,
}

/// What a restore did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Restored {
    /// Files.
    pub files: u64,
    /// Folders, those included that were there already.
    pub directories: u64,
    /// Further names of files.
    pub links: u64,
    /// Named streams.
    pub streams: u64,
    /// Bytes of all streams.
    pub bytes: u64,
    /// What was lost in this restore.
    pub losses: u64,
    /// What was lost when the set was made, as far as it names files.
    pub carried: u64,
}

/// What an error of a destination means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// Only this file is struck.
    OneFile,
    /// Disk or quota is full.
    Full,
    /// The whole destination takes no writes.
    Denied,
    /// The destination is gone.
    Broken,
}
