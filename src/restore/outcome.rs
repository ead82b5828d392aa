//! The options of a restore, and its result.

/// The options of a restore.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// Replaces existing files. Never writes through a link: a file that has another
    /// hard link elsewhere keeps its bytes there.
    pub replace: bool,
    /// The folder has files of its own, which stay as they are: an existing folder keeps its
    /// metadata without a loss, a file with the same data is no conflict, and each file gets its
    /// name only when it is complete.
    pub merge: bool,
    /// Begins although the destination seems too small.
    pub despite_space: bool,
}

/// The result of a restore.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Restored {
    /// Files.
    pub files: u64,
    /// Folders, including those that existed.
    pub directories: u64,
    /// Hard links.
    pub links: u64,
    /// Alternate data streams.
    pub streams: u64,
    /// Bytes of all streams.
    pub bytes: u64,
    /// What was lost in this restore.
    pub losses: u64,
    /// What was lost when the set was made, as far as it lists files.
    pub carried: u64,
    /// Files that existed with the same data.
    pub same: u64,
    /// Files that only a cloud has: their own program makes them again.
    pub cloud: u64,
}

/// What an error of a destination means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// Only this file is affected.
    OneFile,
    /// Disk or quota is full.
    Full,
    /// The whole destination is read-only.
    Denied,
    /// The destination is gone.
    Broken,
    /// This PC has no more memory or open files.
    Exhausted,
}
