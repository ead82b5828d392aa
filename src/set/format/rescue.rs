//! `rescue.json`: what a set is a set of. Written last; without it a set is not
//! whole. Holds no user's and no file's name, so that it may stand open beside
//! an encrypted store.

use serde::{Deserialize, Serialize};

use super::manifest::Totals;
use crate::usmt::loadstate::{LoadstatePart, LoadstateStore};

/// The version of the format that this program writes.
pub const FORMAT: u32 = 1;
/// The version of an encrypted set, and the latest that this program reads.
pub const FORMAT_ENCRYPTED: u32 = 2;

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
    /// What of the store is not in the set, or may not be, for people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lacks: Vec<String>,
    /// Counts.
    pub totals: Totals,
    /// How it ended.
    pub end_state: EndState,
    /// How it was packed.
    pub options: Options,
    /// SHA-256 over the plan (what the source was), hex; of an encrypted set
    /// only for who has its key.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub plan: String,
    /// How it is encrypted; absent where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<Encrypted>,
    /// What the store's seal said when the set was made; absent where there
    /// was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seal: Option<SealOutcome>,
    /// How long it took; only in a set with a report, which tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timings: Option<Timings>,
    /// The other files of the set.
    pub files: Vec<SetFile>,
}

/// How long the run took that made the set whole, by the rescuing machine's
/// clock.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Timings {
    /// When the files were written and read back (RFC 3339, UTC).
    pub ended: String,
    /// Whether it went on with what an interrupted run had left.
    pub resumed: bool,
    /// Milliseconds to look at the source and fix the order.
    pub plan_ms: u64,
    /// Milliseconds to prove what an interrupted run had left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prove_ms: Option<u64>,
    /// Milliseconds to read, pack and write; absent if an interrupted run had
    /// done all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy_ms: Option<u64>,
    /// Plain bytes, tar headers included, that were packed in that time.
    #[serde(default)]
    pub copied_bytes: u64,
    /// Milliseconds to read the written files back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_back_ms: Option<u64>,
}

impl Rescue {
    /// The store in it, as `loadstate` is to find it again.
    pub fn kept(&self) -> LoadstateStore {
        let part = |part: &Part| LoadstatePart {
            drive: part.drive.clone(),
            path: part.path.clone(),
            is_secondary: part.role == "secondary",
        };
        LoadstateStore { kind: self.kind.clone(), parts: self.parts.iter().map(part).collect() }
    }
}

/// How a set is encrypted.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Encrypted {
    /// The format of its files: `age-encryption.org/v1`.
    pub files: String,
    /// What opens its `key.age`: `passphrase` or `recipients`.
    pub how: String,
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
    /// Something was lost; the manifest names it, or `lacks` does.
    SavedWithLosses,
}

/// What a comparison of a store with its seal came to.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct SealOutcome {
    /// Whether the seal could be used, and what it said.
    pub state: SealState,
    /// When the store was sealed, by the clock of that machine (RFC 3339);
    /// empty where the seal is damaged.
    #[serde(default)]
    pub sealed: String,
    /// A quick seal: it has no hashes.
    #[serde(default)]
    pub quick: bool,
    /// Files, folders and named streams that were compared.
    #[serde(default)]
    pub compared: u64,
    /// Hashes that were the same.
    #[serde(default)]
    pub hashes_matched: u64,
    /// Hashes of the seal that nothing was compared with: the file could not be
    /// read, or was not asked to be.
    #[serde(default)]
    pub hashes_unused: u64,
    /// Files whose bytes, size or kind are not what was sealed.
    #[serde(default)]
    pub changed: u64,
    /// Files that were written to since, by their time; whether their bytes are
    /// the same is not known.
    #[serde(default)]
    pub touched: u64,
    /// Files and folders that are not there any more.
    #[serde(default)]
    pub missing: u64,
    /// Files and folders that were not there.
    #[serde(default)]
    pub added: u64,
    /// Files and folders with the same bytes, but another time, owner, right
    /// or attribute.
    #[serde(default)]
    pub facts: u64,
}

/// What a seal is good for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SealState {
    /// All is as it was sealed.
    #[default]
    Matches,
    /// Something is not.
    Differs,
    /// The seal itself is damaged, so nothing was compared.
    Damaged,
    /// The seal is of another store or another capture; nothing was compared.
    Other,
}

impl SealOutcome {
    /// Whether there is anything but agreement.
    pub fn differs(&self) -> bool {
        self.state != SealState::Matches
    }
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
    /// Plain bytes in it, where it is a piece of an encrypted store or manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plain_size: Option<u64>,
}

/// The number of the file behind these, from 1.
pub(crate) fn next_number(whole: &[SetFile]) -> u32 {
    u32::try_from(whole.len()).unwrap_or(u32::MAX).saturating_add(1)
}
