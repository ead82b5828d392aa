//! `rescue.json`: describes a set. Written last; without it a set is incomplete. Has
//! no user or file name, so that it can be in plain text beside an encrypted
//! store.

use serde::{Deserialize, Serialize};

use super::kinds::{PartRole, SetKind};
use super::manifest::{Totals, at_most};
use super::names;
use crate::usmt::loadstate::{LoadstatePart, LoadstateStore};
use crate::usmt::{Role, StoreKind};

/// The format version that this program writes.
pub(crate) const FORMAT: u32 = 1;
/// The format version of an encrypted set, and the latest that this program reads.
pub(crate) const FORMAT_ENCRYPTED: u32 = 2;

/// Entries of a list for people that are read, at most. (A forged list of millions of nothings
/// would need ten times the memory of its text.)
const MOST_WORDS: usize = 10_000;
/// Parts that are read, at most: for folders of thousands of users.
const MOST_PARTS: usize = 10_000;
/// Parts of a store, at most: a volume has one.
pub(crate) const MOST_STORE_PARTS: usize = 256;
/// Files that are read, at most: 100,000 volumes of a store, and as many of a manifest.
const MOST_FILES: usize = 200_010;
/// Names that were left out of a part, at most.
const MOST_SKIPPED: usize = 100;

/// The whole of `rescue.json`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Rescue {
    /// The format version.
    pub format: u32,
    /// The program that wrote it: `lifeboat 0.1.0`.
    pub program: String,
    /// The set's id: eight hex digits.
    pub set: String,
    /// When it was started, UTC by the rescuing machine's clock (RFC 3339).
    pub created: String,
    /// What was rescued.
    pub machine: Machine,
    /// A USMT store, or a folder that `loadstate` cannot use.
    pub what: What,
    /// The kind of store, or that it is none.
    pub kind: SetKind,
    /// Its parts.
    #[serde(deserialize_with = "at_most::<_, _, MOST_PARTS>")]
    pub parts: Vec<Part>,
    /// Missing parts of the store, or parts that may be missing, for people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[serde(deserialize_with = "at_most::<_, _, MOST_WORDS>")]
    pub lacks: Vec<String>,
    /// Damage that the store had before the rescue, for people: the quick check's findings of
    /// that severity, other than missing parts and files that are losses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[serde(deserialize_with = "at_most::<_, _, MOST_WORDS>")]
    pub damage: Vec<String>,
    /// Volumes that could not be read: another store, or a part of this one, may be there. For
    /// people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[serde(deserialize_with = "at_most::<_, _, MOST_WORDS>")]
    pub closed: Vec<String>,
    /// Counts.
    pub totals: Totals,
    /// How the rescue ended.
    pub end_state: EndState,
    /// The compression options.
    pub options: Options,
    /// SHA-256 over the plan (the state of the source), hex; in an encrypted set only
    /// visible with the key.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub plan: String,
    /// How it is encrypted; absent for a plain set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<Encrypted>,
    /// The result of the comparison with the store's seal; absent if there was no
    /// seal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seal: Option<SealOutcome>,
    /// How long it took; only in a set with a report, which shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timings: Option<Timings>,
    /// The other files of the set.
    #[serde(deserialize_with = "at_most::<_, _, MOST_FILES>")]
    pub files: Vec<SetFile>,
}

/// The duration of the run that completed the set, by the rescuing machine's
/// clock.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Timings {
    /// When the files were written and read back (RFC 3339, UTC).
    pub ended: String,
    /// Whether it resumed an interrupted run.
    pub resumed: bool,
    /// Milliseconds to read the source's folders and fix the order.
    pub plan_ms: u64,
    /// Milliseconds to check what an interrupted run had left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prove_ms: Option<u64>,
    /// Milliseconds to read, compress and write; absent if an interrupted run had
    /// done all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy_ms: Option<u64>,
    /// Plain bytes, including tar headers, that were compressed in that time.
    #[serde(default)]
    pub copied_bytes: u64,
    /// Milliseconds to read the written files back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_back_ms: Option<u64>,
    /// Bytes of the written files that were read back before that, while the rest was written.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub beside_bytes: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // what serde calls
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Rescue {
    /// The kind of store; `None` for a folder, and for a word that is not known.
    pub(crate) fn store_kind(&self) -> Option<StoreKind> {
        self.kind.store()
    }

    /// The store in it, as `loadstate` must find it again.
    pub fn kept(&self) -> LoadstateStore {
        let part = |part: &Part| LoadstatePart {
            drive: part.drive.clone(),
            path: part.path.clone(),
            is_secondary: part.role.of_store() == Some(Role::Secondary),
        };
        LoadstateStore { kind: self.store_kind(), parts: self.parts.iter().map(part).collect() }
    }
}

/// How a set is encrypted.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Encrypted {
    /// The format of its files: `age-encryption.org/v1`.
    pub files: String,
    /// How its `key.age` is encrypted: `passphrase` or `recipients`.
    pub how: String,
}

/// The machine of the store.
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
    /// The drive letter it had in Windows (`C`), or `volume-<serial>` if unknown. The
    /// first name in all its members' paths.
    pub drive: String,
    /// How the drive letter is known, for people.
    pub drive_from: String,
    /// The store path on that drive, `/` between names: `StateStore`.
    pub path: String,
    /// What it is to the store, or that it is a folder.
    pub role: PartRole,
    /// What was skipped by rule: `pagefile.sys`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[serde(deserialize_with = "at_most::<_, _, MOST_SKIPPED>")]
    pub skipped: Vec<String>,
    /// The volume's serial number, hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume_serial: Option<String>,
    /// The volume's label.
    #[serde(default)]
    pub volume_label: String,
    /// The source file system.
    pub file_system: String,
    /// `raw` or `host`.
    pub via: String,
    /// The user whose folder it is, if it was chosen as that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<PartUser>,
}

/// The user of a [`Part`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PartUser {
    /// The name of the profile's folder.
    pub name: String,
    /// The account on the saved Windows, if it is known: `S-1-5-21-...`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// Which of the user's folders it is, if it was outside the profile: `Documents`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
}

/// How a rescue ended. A failed one leaves no `rescue.json`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndState {
    /// Everything was saved.
    Saved,
    /// Something was lost; the manifest lists it. (Until version 0.1, also for `lacks`.)
    SavedWithLosses,
    /// A part of the store is missing, or the store was damaged before: see `lacks` and
    /// `damage`. There may be losses, too.
    Incomplete,
}

impl EndState {
    /// How people are told.
    pub fn words(self) -> &'static str {
        match self {
            Self::Saved => "Saved",
            Self::SavedWithLosses => "SAVED WITH LOSSES",
            Self::Incomplete => "INCOMPLETE",
        }
    }
}

/// How the texts in [`Rescue::lacks`] begin that are about a missing part: those of
/// [`crate::usmt::Lack`], and the one of an encrypted set's public description.
const PART_LACKS: [&str; 3] =
    ["the primary part was not found", "the part on drive ", REDACTED_PART];

/// What the public description of an encrypted set says of a missing part: the text itself may
/// have the name of a volume.
pub(crate) const REDACTED_PART: &str =
    "a part of the store (open the set with its key to see which)";

impl Rescue {
    /// What the store did not have when it was saved: a label (`MISSING`, `DAMAGED`), and a
    /// text for people.
    pub(crate) fn shortfalls(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let missing = self.lacks.iter().map(|text| ("MISSING", text.as_str()));
        missing.chain(self.damage.iter().map(|text| ("DAMAGED", text.as_str())))
    }

    /// Whether a part of the store is missing for certain, so that `loadstate` refuses the store
    /// (return code 38). A part that may be missing is not.
    pub(crate) fn lacks_a_part(&self) -> bool {
        let is_part = |lack: &String| PART_LACKS.iter().any(|start| lack.starts_with(start));
        self.what == What::Store && self.lacks.iter().any(is_part)
    }

    /// Whether a file in the set's folder is the set's: one that it lists, or that is beside
    /// those.
    pub(crate) fn has_file(&self, name: &str) -> bool {
        names::has_file(name, |name| self.files.iter().any(|file| file.name == name))
    }

    /// Whether the store was whole when it was saved, as far as the quick check shows.
    pub(crate) fn is_of_whole_store(&self) -> bool {
        self.lacks.is_empty() && self.damage.is_empty()
    }
}

/// The result of comparing a store with its seal.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct SealOutcome {
    /// Whether the seal could be used, and its verdict.
    pub state: SealState,
    /// When the store was sealed, by the clock of that machine (RFC 3339); empty if
    /// the seal is damaged.
    #[serde(default)]
    pub sealed: String,
    /// A quick seal: it has no hashes.
    #[serde(default)]
    pub quick: bool,
    /// Files, folders and alternate data streams that were compared.
    #[serde(default)]
    pub compared: u64,
    /// Hashes that match.
    #[serde(default)]
    pub hashes_matched: u64,
    /// Hashes of the seal that were not compared: the file could not be read, or was
    /// not requested.
    #[serde(default)]
    pub hashes_unused: u64,
    /// Files whose bytes, size or kind differ from the seal.
    #[serde(default)]
    pub changed: u64,
    /// Files that were written to since, by their time; whether their bytes differ is
    /// unknown.
    #[serde(default)]
    pub touched: u64,
    /// Files and folders that no longer exist.
    #[serde(default)]
    pub missing: u64,
    /// Files and folders that are new.
    #[serde(default)]
    pub added: u64,
    /// Files and folders with the same bytes, but another time, owner, permission or
    /// attribute.
    #[serde(default)]
    pub facts: u64,
}

/// The verdict of a seal.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SealState {
    /// Everything matches the seal.
    #[default]
    Matches,
    /// Something differs.
    Differs,
    /// The seal itself is damaged, so nothing was compared.
    Damaged,
    /// The seal is of another store or another capture; nothing was compared.
    Other,
}

impl SealOutcome {
    /// Whether there is any difference.
    pub fn differs(&self) -> bool {
        self.state != SealState::Matches
    }
}

/// The compression options of a set.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Options {
    /// The zstd level.
    pub level: i32,
    /// The largest plain size of a frame, in bytes.
    pub frame_bytes: u64,
    /// The largest size of a volume, in bytes, if the store was split.
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
    /// Plain bytes in it, if it is part of an encrypted store or manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plain_size: Option<u64>,
}

/// The number of the next file, from 1.
pub(crate) fn next_number(whole: &[SetFile]) -> u32 {
    u32::try_from(whole.len()).unwrap_or(u32::MAX).saturating_add(1)
}
