//! The kinds of sets, and the roles of their parts: closed lists, as `rescue.json` has them.
//! Another word is kept as it is, so that a message can show it; the gate refuses it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::names::DELETED;
use crate::usmt::{Role, StoreKind};

/// What a set is of.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum SetKind {
    /// A store of that kind; never an estimate, which has no data.
    Store(StoreKind),
    /// Any folders.
    Folder,
    /// A word that this program does not know.
    Unknown(String),
}

/// What a part is to its set.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum PartRole {
    /// A part of a store.
    Store(Role),
    /// A folder.
    Folder,
    /// Deleted files that were recovered: no part, and never in `rescue.json`.
    Deleted,
    /// A word that this program does not know.
    Unknown(String),
}

const FOLDER: &str = "folder";

impl SetKind {
    /// The stable name, as in `rescue.json`.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Store(kind) => kind.as_str(),
            Self::Folder => FOLDER,
            Self::Unknown(word) => word,
        }
    }

    /// The kind of store; `None` for folders, and for an unknown word.
    pub fn store(&self) -> Option<StoreKind> {
        match self {
            Self::Store(kind) => Some(*kind),
            Self::Folder | Self::Unknown(_) => None,
        }
    }
}

impl PartRole {
    /// The stable name, as in `rescue.json`.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Store(role) => role.as_str(),
            Self::Folder => FOLDER,
            Self::Deleted => DELETED,
            Self::Unknown(word) => word,
        }
    }

    /// What it is to its store; `None` for a folder, and for an unknown word.
    pub fn of_store(&self) -> Option<Role> {
        match self {
            Self::Store(role) => Some(*role),
            Self::Folder | Self::Deleted | Self::Unknown(_) => None,
        }
    }
}

impl From<StoreKind> for SetKind {
    fn from(kind: StoreKind) -> Self {
        Self::Store(kind)
    }
}

impl From<Role> for PartRole {
    fn from(role: Role) -> Self {
        Self::Store(role)
    }
}

impl From<String> for SetKind {
    fn from(word: String) -> Self {
        match StoreKind::of_name(&word) {
            Some(kind) if kind.holds_data() => Self::Store(kind),
            _ if word == FOLDER => Self::Folder,
            _ => Self::Unknown(word),
        }
    }
}

impl From<String> for PartRole {
    fn from(word: String) -> Self {
        match Role::of_name(&word) {
            Some(role) => Self::Store(role),
            None if word == FOLDER => Self::Folder,
            None => Self::Unknown(word),
        }
    }
}

impl From<SetKind> for String {
    fn from(kind: SetKind) -> Self {
        kind.as_str().to_owned()
    }
}

impl From<PartRole> for String {
    fn from(role: PartRole) -> Self {
        role.as_str().to_owned()
    }
}

impl fmt::Display for SetKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for PartRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_stays_as_it_was_written() {
        for word in ["hard-link", "uncompressed", "compressed", "folder", "estimate", "foo", ""] {
            let json = format!("{word:?}");
            let kind: SetKind = serde_json::from_str(&json).unwrap();
            assert_eq!(serde_json::to_string(&kind).unwrap(), json);
            let is_known = !matches!(word, "estimate" | "foo" | "");
            assert_eq!(is_known, !matches!(kind, SetKind::Unknown(_)), "{word}");
        }
        for word in ["primary", "secondary", "whole", "folder", "deleted", "foo", ""] {
            let json = format!("{word:?}");
            let role: PartRole = serde_json::from_str(&json).unwrap();
            assert_eq!(serde_json::to_string(&role).unwrap(), json);
            let is_known = !matches!(word, "deleted" | "foo" | "");
            assert_eq!(is_known, !matches!(role, PartRole::Unknown(_)), "{word}");
        }
    }
}
