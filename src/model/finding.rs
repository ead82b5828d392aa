//! A finding about a source, a store or a set.

use std::fmt;

/// The severity of a [`Finding`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Severity {
    /// For information; harms nothing.
    Info,
    /// May harm the restore; this cannot be known from the disk.
    Warning,
    /// Data is damaged or missing: exit code 3.
    Damage,
    /// `loadstate` cannot use the store.
    Fatal,
}

impl Severity {
    /// The stable name, as in `--json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Damage => "damage",
            Self::Fatal => "fatal",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A finding about a source, a store or a set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// A stable code that scripts may match, such as `catalog-missing`.
    pub code: &'static str,
    /// Its severity.
    pub severity: Severity,
    /// Where: a path or the volume, for display.
    pub path: String,
    /// What was found.
    pub what: String,
    /// What it means for `loadstate`.
    pub meaning: String,
    /// What to do.
    pub action: String,
}
