//! What the rooms for Linux and Windows have in common: the words in which a
//! file is put down and dressed with its facts.

use crate::model::metadata::Times;
use crate::model::name::NtName;

/// A fact that can be set on a file.
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
    /// Zeros are left alone. The change time is set where that can be done.
    Times(Times),
}

/// Attributes that say something about the file rather than how it is stored:
/// read-only, hidden, system, archive, temporary, offline, not indexed.
pub(super) const SETTABLE: u32 = 0x1 | 0x2 | 0x4 | 0x20 | 0x100 | 0x1000 | 0x2000;

/// Those of them which somebody would miss. Every new file has `ARCHIVE`.
pub(super) const MISSED: u32 = 0x1 | 0x2 | 0x4;

/// Kinds of facts, as far as a file system holds them or not.
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
}

impl FactKind {
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
            Self::Stream => "named stream",
            Self::Compression => "compression (the bytes are whole, and take more room)",
        }
    }
}

/// Something of a file that may be lost on its way. What was told of once is
/// not told of again by the read-back.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Piece<'a> {
    /// The bytes of its unnamed stream.
    Data,
    Stream(&'a NtName),
    Fact(FactKind),
    /// That it is one more name of another file.
    Link,
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

/// What stands at a path. Links, junctions and the like are `Other`, whatever
/// they lead to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Folder,
    File,
    Other,
}
