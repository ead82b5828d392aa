//! `rescue.json`: what a set is a set of. Written last; without it a set is not
//! whole. Holds no user's and no file's name, so that it may stand open beside
//! an encrypted store.

use serde::{Deserialize, Serialize};

use super::manifest::Totals;
use crate::store::loadstate::{Kept, KeptPart};

/// The version of the format that this program writes.
pub const FORMAT: u32 = 1;

/// The whole of `rescue.json`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Rescue {
    /// The version of the format.
    pub format: u32,
    /// The program that wrote it: `lifeboat 0.1.0`.
    pub program: String,
    /// The set's id: eight hex digits.
    pub set: String,
    /// When it was begun, UTC by the rescuing machine's clock (RFC 3339).
    pub created: String,
    /// What was rescued.
    pub machine: Machine,
    /// A USMT store, or a folder that `loadstate` has no use for.
    pub what: What,
    /// The kind of store: `hard-link`, `uncompressed`, `compressed`, `folder`.
    pub kind: String,
    /// Its parts.
    pub parts: Vec<Part>,
    /// Counts.
    pub totals: Totals,
    /// How it ended.
    pub end_state: EndState,
    /// How it was packed.
    pub options: Options,
    /// SHA-256 over the plan (what the source was), hex.
    pub plan: String,
    /// The other files of the set.
    pub files: Vec<SetFile>,
}

impl Rescue {
    /// The store in it, as `loadstate` is to find it again.
    pub fn kept(&self) -> Kept {
        let part = |part: &Part| KeptPart {
            drive: part.drive.clone(),
            path: part.path.clone(),
            is_secondary: part.role == "secondary",
        };
        Kept { kind: self.kind.clone(), parts: self.parts.iter().map(part).collect() }
    }
}

/// The machine that the store was found on.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Machine {
    /// Its computer name, from the offline Windows or the logs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its serial number, from the firmware.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
}

/// What a set holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// A USMT store.
    Store,
    /// Any folder.
    Folder,
}

/// One part: a folder tree of one volume.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Part {
    /// The drive letter it had in Windows (`C`), or `volume-<serial>` where
    /// nobody knows. The first name of all its members' paths.
    pub drive: String,
    /// How sure the drive letter is, for people.
    pub drive_from: String,
    /// The store path on that drive, `/` between names: `StateStore`.
    pub path: String,
    /// `primary`, `secondary`, `whole` (a store with no other parts) or `folder`.
    pub role: String,
    /// What was not taken, by rule: `pagefile.sys`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<String>,
    /// The volume's serial number, hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume_serial: Option<String>,
    /// The volume's label.
    #[serde(default)]
    pub volume_label: String,
    /// The file system it was read from.
    pub file_system: String,
    /// `raw` or `host`.
    pub via: String,
}

/// How a rescue ended. A failed one leaves no `rescue.json`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndState {
    /// Everything was saved.
    Saved,
    /// Something was lost; the manifest names it.
    SavedWithLosses,
}

/// How a set was packed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Options {
    /// The zstd level.
    pub level: i32,
    /// The largest plain size of a frame, in bytes.
    pub frame_bytes: u64,
    /// The largest size of a volume, in bytes, where the store was split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<u64>,
    /// Whether the written files were read back and compared.
    pub read_back: bool,
}

/// A file of the set.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SetFile {
    /// Its name in the set's folder.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256, hex.
    pub sha256: String,
}
