//! Something found out about a source, a store or a set.

use std::fmt;

/// How bad a [`Finding`] is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Severity {
    /// Worth knowing, harms nothing.
    Info,
    /// May harm the restore; nobody can know from here.
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

/// One thing found out about a source, a store or a set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// A stable word that scripts may match, such as `catalog-missing`.
    pub code: &'static str,
    /// How bad.
    pub severity: Severity,
    /// Where: a path as people know it, or the volume.
    pub path: String,
    /// What was found.
    pub what: String,
    /// What it means for `loadstate`.
    pub meaning: String,
    /// What to do.
    pub action: String,
}
