//! The metadata of a file, independent of how it was read: the types that all
//! modules share.

use std::fmt;

use crate::model::name::NtName;
use crate::model::recovered::Certainty;

/// A FILETIME: 100 ns units since 1601-01-01 UTC (MS-DTYP 2.3.3).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FileTime(pub u64);

impl FileTime {
    /// 100 ns units between 1601-01-01 and 1970-01-01.
    const UNIX_EPOCH: i128 = 116_444_736_000_000_000;

    /// Seconds since 1970 (may be negative) and nanoseconds in that second.
    pub(crate) fn to_unix(self) -> (i64, u32) {
        let ticks = i128::from(self.0) - Self::UNIX_EPOCH;
        let secs = ticks.div_euclid(10_000_000);
        let nanos = ticks.rem_euclid(10_000_000) * 100;
        // 2^64 ticks are 58,000 years: the seconds fit easily.
        (i64::try_from(secs).unwrap_or(i64::MAX), u32::try_from(nanos).unwrap_or(0))
    }

    /// From seconds since 1970 and nanoseconds; times outside FILETIME's range
    /// become its ends. Nanoseconds below 100 are cut off.
    pub fn from_unix(secs: i64, nanos: u32) -> Self {
        let ticks = i128::from(secs) * 10_000_000 + i128::from(nanos / 100) + Self::UNIX_EPOCH;
        Self(u64::try_from(ticks.max(0)).unwrap_or(u64::MAX))
    }

    /// The current time, by this machine's clock (which may be wrong in WinPE).
    pub fn now() -> Self {
        match std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH) {
            Ok(d) => Self::from_unix(d.as_secs().try_into().unwrap_or(0), d.subsec_nanos()),
            Err(_) => Self(0),
        }
    }
}

impl fmt::Display for FileTime {
    /// `2026-11-22 15:04:05Z`; raw ticks where the calendar ends.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (secs, _) = self.to_unix();
        match time::OffsetDateTime::from_unix_timestamp(secs) {
            Ok(t) => f.pad(&format!(
                "{:04}-{:02}-{:02} {:02}:{:02}:{:02}Z",
                t.year(),
                u8::from(t.month()),
                t.day(),
                t.hour(),
                t.minute(),
                t.second()
            )),
            Err(_) => write!(f, "FILETIME {}", self.0),
        }
    }
}

impl fmt::Debug for FileTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}({})", self.0)
    }
}

/// The four times of `$STANDARD_INFORMATION`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Times {
    /// Creation.
    pub created: FileTime,
    /// Last write to the data.
    pub modified: FileTime,
    /// Last change of the file record ("change time").
    pub changed: FileTime,
    /// Last access.
    pub accessed: FileTime,
}

/// File attributes (MS-FSCC 2.6).
pub mod attributes {
    /// Read-only.
    pub const READONLY: u32 = 0x1;
    /// Hidden.
    pub const HIDDEN: u32 = 0x2;
    /// System.
    pub const SYSTEM: u32 = 0x4;
    /// A directory. NTFS does not store it in `$STANDARD_INFORMATION`; a
    /// [`super::Node`] always has it set for directories.
    pub const DIRECTORY: u32 = 0x10;
    /// Changed since the last backup.
    pub const ARCHIVE: u32 = 0x20;
    /// None of the others.
    pub const NORMAL: u32 = 0x80;
    /// Has unallocated ranges.
    pub const SPARSE: u32 = 0x200;
    /// Has reparse data.
    pub const REPARSE_POINT: u32 = 0x400;
    /// Compressed (LZNT1), or new files in this directory will be.
    pub const COMPRESSED: u32 = 0x800;
    /// The data is elsewhere.
    pub const OFFLINE: u32 = 0x1000;
    /// Encrypted (EFS), or new files in this directory will be.
    pub const ENCRYPTED: u32 = 0x4000;
    /// Opening it fetches it from the cloud.
    pub(crate) const RECALL_ON_OPEN: u32 = 0x4_0000;
    /// Reading it fetches it from the cloud.
    pub(crate) const RECALL_ON_DATA_ACCESS: u32 = 0x40_0000;
}

/// A file's identity in its tree: the NTFS file reference (record number, with
/// the sequence number in the top 16 bits) or the number that a host tree
/// assigns.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NodeId(pub u64);

/// File or directory. A reparse point is one of the two with a tag.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NodeKind {
    /// Has data.
    File,
    /// Has children.
    Directory,
}

/// The metadata of a file that requires only its record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Node {
    /// Its identity.
    pub id: NodeId,
    /// File or directory.
    pub kind: NodeKind,
    /// See [`attributes`].
    pub attributes: u32,
    /// The four times.
    pub times: Times,
    /// Bytes of the unnamed data stream, as a reader sees them (for a
    /// WOF-compressed file the plain size). 0 for directories.
    pub size: u64,
    /// Bytes that the unnamed data stream takes on the disk.
    pub allocated: u64,
    /// The number of its hard links (DOS names do not count).
    pub links: u32,
    /// The reparse tag (MS-FSCC 2.1.2.1), if it is a reparse point.
    pub reparse_tag: Option<u32>,
    /// Byte on the volume where its data starts: to read the disk in one
    /// direction. `None` if not known.
    pub position: Option<u64>,
}

impl Node {
    /// A folder of which nothing is known but that it is there.
    pub(crate) fn bare_folder(id: NodeId) -> Self {
        Self {
            id,
            kind: NodeKind::Directory,
            attributes: attributes::DIRECTORY,
            times: Times::default(),
            size: 0,
            allocated: 0,
            links: 1,
            reparse_tag: None,
            position: None,
        }
    }

    /// Whether it is a directory with its own children: not a junction, a mount
    /// point or a link, whose reparse tag refers to another place. A folder in
    /// the cloud (`OneDrive`) is one.
    pub fn is_plain_directory(&self) -> bool {
        self.kind == NodeKind::Directory && !self.reparse_tag.is_some_and(is_name_surrogate)
    }
}

/// Whether a reparse tag refers to another place (its bit N, MS-FSCC 2.1.2.1).
/// A file with another tag has its own data; a folder, its own children.
pub(crate) fn is_name_surrogate(tag: u32) -> bool {
    tag & 0x2000_0000 != 0
}

/// Whether a reparse tag is that of a file whose data a cloud has: `IO_REPARSE_TAG_CLOUD` and
/// its 15 others, those of OneDrive before Windows 10 1709, Azure File Sync (MS-FSCC 2.1.2.1).
pub(crate) fn is_cloud(tag: u32) -> bool {
    tag & 0xFFFF_0FFF == 0x9000_001A || matches!(tag, 0x8000_0015 | 0x8000_001E | 0x8000_0021)
}

/// An alternate data stream (`file:name`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StreamInfo {
    /// Without the colon and without `:$DATA`.
    pub name: NtName,
    /// Bytes.
    pub size: u64,
}

/// What the unnamed stream of a file is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Content {
    /// Plain data (sparse and LZNT1-compressed included).
    Data,
    /// Compact OS data (reparse tag WOF, MS-FSCC 2.1.2.1), read as plain data.
    /// With the algorithm's name, for display.
    Wof(&'static str),
    /// EFS: the stream yields the raw export form (MS-EFSR 2.2.3).
    EfsRaw,
    /// EFS, and it cannot be exported without loss; the reason, for display.
    EfsLost(String),
    /// The data is not on this disk (cloud or dedup placeholder, remote
    /// storage); the reason, for display. Never read as zeros.
    NotHere(String),
}

/// The metadata of a file that may require more reading.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Metadata {
    /// Owner, group, DACL, SACL: a self-relative descriptor (MS-DTYP 2.4.6).
    pub security: Option<Vec<u8>>,
    /// Reparse data, raw, with its header (MS-FSCC 2.1.2).
    pub reparse: Option<Vec<u8>>,
    /// `$OBJECT_ID`: the 16-byte id and, if present, the 48 birth bytes.
    pub object_id: Option<Vec<u8>>,
    /// Extended attributes, as `FILE_FULL_EA_INFORMATION` entries on the disk.
    pub extended_attributes: Option<Vec<u8>>,
    /// The DOS name (8.3) of the requested name.
    pub short_name: Option<NtName>,
    /// Alternate data streams, ordered by name.
    pub streams: Vec<StreamInfo>,
    /// What the unnamed stream is.
    pub content: Content,
    /// Metadata that the file has (or may have) but that could not be read, for
    /// display: each is a [`LossKind::Fact`](super::loss::LossKind::Fact).
    pub damaged: Vec<String>,
    /// Why the name by which the file was asked for is in doubt, for display: a loss of the
    /// same kind, of that hard link alone.
    pub misnamed: Option<String>,
    /// For a deleted file that was recovered: how sure its bytes are, and why, for display.
    pub recovered: Option<(Certainty, String)>,
}

impl Default for Metadata {
    fn default() -> Self {
        Self {
            security: None,
            reparse: None,
            object_id: None,
            extended_attributes: None,
            short_name: None,
            streams: Vec::new(),
            content: Content::Data,
            damaged: Vec::new(),
            misnamed: None,
            recovered: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filetimes_cross_to_unix_and_back() {
        for (ticks, secs, nanos) in [
            (116_444_736_000_000_000, 0, 0),
            (0, -11_644_473_600, 0),
            (116_444_735_999_999_999, -1, 999_999_900),
        ] {
            assert_eq!(FileTime(ticks).to_unix(), (secs, nanos));
            assert_eq!(FileTime::from_unix(secs, nanos), FileTime(ticks));
        }
        assert_eq!(FileTime::from_unix(0, 0).to_string(), "1970-01-01 00:00:00Z");
    }

    #[test]
    fn impossible_times_do_not_panic() {
        assert_eq!(FileTime::from_unix(i64::MIN, 0), FileTime(0));
        assert_eq!(FileTime::from_unix(i64::MAX, 999_999_999), FileTime(u64::MAX));
        assert!(!FileTime(u64::MAX).to_string().is_empty());
    }
}
