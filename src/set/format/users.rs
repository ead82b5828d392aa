//! `users.json`: the users whose files a plain set has, so that a list of many sets can show
//! them without reading manifests. An encrypted set has no such file.

use serde::{Deserialize, Serialize};

/// The version of the format that this program writes.
pub(crate) const FORMAT: u32 = 1;
/// The largest file that is read, in bytes: 2,000 users with long names.
pub(crate) const MAX_BYTES: u64 = 1 << 20;

/// The whole file.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct SetUsers {
    /// The version of the format.
    pub format: u32,
    /// The set's id, as in `rescue.json`.
    pub set: String,
    /// The users, most bytes first; at most 2,000.
    pub users: Vec<SetUser>,
    /// Whether there are more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
}

/// A user, by the name of the profile's folder.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct SetUser {
    /// The name of the folder: `alice`.
    pub name: String,
    /// Files.
    #[serde(default)]
    pub files: u64,
    /// Bytes of all their streams.
    #[serde(default)]
    pub bytes: u64,
}
