//! What the modules for Linux and Windows share: types for writing a file and
//! its metadata.

use crate::model::metadata::Times;
use crate::model::name::NtName;

/// A piece of metadata that can be set on a file.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fact<'a> {
    /// Self-relative descriptor (MS-DTYP 2.4.6).
    Security(&'a [u8]),
    /// Reparse data with its header (MS-FSCC 2.1.2).
    Reparse(&'a [u8]),
    /// 16 or 64 bytes (MS-FSCC 2.1.3).
    ObjectId(&'a [u8]),
    /// `FILE_FULL_EA_INFORMATION` entries (MS-FSCC 2.4.16).
    ExtendedAttributes(&'a [u8]),
    /// DOS name.
    ShortName(&'a NtName),
    /// MS-FSCC 2.6, [`SETTABLE`] ones only.
    Attributes(u32),
    /// Zeros leave a time unchanged. The change time is set where possible.
    Times(Times),
}

/// Attributes that describe the file rather than how it is stored: read-only,
/// hidden, system, archive, temporary, offline, not indexed.
pub(super) const SETTABLE: u32 = 0x1 | 0x2 | 0x4 | 0x20 | 0x100 | 0x1000 | 0x2000;

/// The attributes whose loss is reported. Every new file has `ARCHIVE`.
pub(super) const MISSED: u32 = 0x1 | 0x2 | 0x4;

/// Kinds of metadata that a file system may or may not support.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum FactKind {
    Security,
    Reparse,
    ObjectId,
    ExtendedAttributes,
    ShortName,
    Attributes,
    CreationTime,
    Times,
    Stream,
    Compression,
    /// That new files in a folder are encrypted by EFS.
    FolderEncryption,
}

impl FactKind {
    /// All kinds.
    pub(super) const ALL: [Self; 11] = [
        Self::Security,
        Self::Reparse,
        Self::ObjectId,
        Self::ExtendedAttributes,
        Self::ShortName,
        Self::Attributes,
        Self::CreationTime,
        Self::Times,
        Self::Stream,
        Self::Compression,
        Self::FolderEncryption,
    ];

    /// For people.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Security => "owner and permissions",
            Self::Reparse => "reparse data (link, junction or the like)",
            Self::ObjectId => "object id",
            Self::ExtendedAttributes => "extended attributes",
            Self::ShortName => "DOS name",
            Self::Attributes => "attributes (read-only, hidden, system)",
            Self::CreationTime => "creation time",
            Self::Times => "times",
            Self::Stream => "alternate data stream",
            Self::FolderEncryption => "encryption of new files in a folder (EFS)",
            Self::Compression => "compression (the data is complete, but uses more disk space)",
        }
    }
}

/// A piece of a file that may be lost. The read-back does not report again
/// what was reported before.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Piece<'a> {
    /// The data of its unnamed stream.
    Data,
    Stream(&'a NtName),
    Fact(FactKind),
    /// That it is a hard link to another file.
    Link,
}

/// How far a time on a file system may be from the one that was set, in units of
/// 100 ns. FAT keeps writes in steps of 2 s and creations in steps of 10 ms; exFAT
/// keeps both in steps of 10 ms (MS-FATGEN and the exFAT specification, 7.4.8).
pub(super) fn time_slack(file_system: &str, kind: FactKind) -> u64 {
    const SECOND: u64 = 10_000_000;
    let is_fat = matches!(file_system, "FAT" | "FAT12" | "FAT16" | "FAT32");
    match kind {
        FactKind::CreationTime if is_fat => SECOND / 100,
        _ if is_fat => 2 * SECOND,
        _ if file_system == "exFAT" => SECOND / 100,
        _ => 0,
    }
}

impl Fact<'_> {
    pub(super) fn kind(&self) -> FactKind {
        match self {
            Self::Security(_) => FactKind::Security,
            Self::Reparse(_) => FactKind::Reparse,
            Self::ObjectId(_) => FactKind::ObjectId,
            Self::ExtendedAttributes(_) => FactKind::ExtendedAttributes,
            Self::ShortName(_) => FactKind::ShortName,
            Self::Attributes(_) => FactKind::Attributes,
            Self::Times(_) => FactKind::Times,
        }
    }
}

/// The kind of what is at a path. Links, junctions and the like are `Other`,
/// whatever their target is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Folder,
    File,
    Other,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fat_keeps_times_in_steps() {
        for (file_system, modified, created) in [
            ("FAT32", 20_000_000, 100_000),
            ("FAT", 20_000_000, 100_000),
            ("exFAT", 100_000, 100_000),
            ("NTFS", 0, 0),
            ("ReFS", 0, 0),
        ] {
            assert_eq!(time_slack(file_system, FactKind::Times), modified, "{file_system}");
            assert_eq!(time_slack(file_system, FactKind::CreationTime), created, "{file_system}");
        }
    }
}
