//! File records, the entries of `$MFT` (Linux-NTFS, "FILE record").

use std::fmt;

use super::attribute::Attributes;
use super::fixup;
use crate::model::bytes::{array_at, shown, u16_at, u32_at, u64_at};
use crate::ntfs::error::{NtfsError, damaged};

const WHAT: &str = "file record";

/// A file reference: a record's number and the sequence number that the record
/// had when the reference was made. A record that is used again counts up, so
/// a reference whose sequence does not fit is stale.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FileRef(pub u64);

impl FileRef {
    /// From its two halves; `number` is cut to 48 bits.
    pub fn new(number: u64, sequence: u16) -> Self {
        Self(u64::from(sequence) << 48 | number & 0xFFFF_FFFF_FFFF)
    }

    /// The record's number.
    pub fn number(self) -> u64 {
        self.0 & 0xFFFF_FFFF_FFFF
    }

    /// The record's sequence number at that time; 0 means "any".
    pub fn sequence(self) -> u16 {
        (self.0 >> 48) as u16
    }

    /// Whether it may mean a record that now has this sequence number.
    pub fn fits(self, sequence: u16) -> bool {
        self.sequence() == 0 || self.sequence() == sequence
    }
}

impl fmt::Debug for FileRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.number(), self.sequence())
    }
}

/// The numbers of the records with a fixed meaning.
pub mod known {
    /// `$MFT` itself.
    pub const MFT: u64 = 0;
    /// `$LogFile`.
    pub(crate) const LOG_FILE: u64 = 2;
    /// `$Volume`: label, version, dirty flag.
    pub const VOLUME: u64 = 3;
    /// The root directory.
    pub const ROOT: u64 = 5;
    /// `$Secure`: security descriptors.
    pub(crate) const SECURE: u64 = 9;
    /// Ordinary files start here.
    pub(crate) const FIRST_USER: u64 = 24;
}

/// A file record after its fix-up.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// The good bytes: all, or those before a tear.
    bytes: &'a [u8],
    /// Byte on the volume.
    pub at: u64,
    /// Sequence number.
    pub sequence: u16,
    /// The record holds a file (or a piece of one) that exists.
    pub in_use: bool,
    /// It is a directory.
    pub is_directory: bool,
    /// The base record that this one extends; `None` in a base record.
    pub base: Option<FileRef>,
    /// The record's own number; volumes before NTFS 3.1 do not have it.
    pub number: Option<u32>,
    /// Part of the record comes from another write and is not looked at.
    pub is_torn: bool,
    first_attribute: usize,
}

impl<'a> Record<'a> {
    /// Whether these bytes start like a file record.
    pub(crate) fn has_signature(bytes: &[u8]) -> bool {
        bytes.starts_with(b"FILE")
    }

    /// Undoes the fix-up in place and reads the header. A record that is torn
    /// behind its first stride is good up to there; see [`Record::is_torn`].
    pub fn parse(bytes: &'a mut [u8], at: u64) -> Result<Self, NtfsError> {
        let signature: [u8; 4] =
            array_at(bytes, 0).ok_or_else(|| damaged(WHAT, at, "a record", "nothing"))?;
        if !Self::has_signature(&signature) {
            return Err(damaged(WHAT, at, "\"FILE\"", shown(&signature)));
        }
        let good = fixup::apply(bytes, at, WHAT)?;
        if good == 0 {
            return Err(damaged(WHAT, at, "one write", "sectors of two writes (torn)"));
        }
        let is_torn = good < bytes.len();
        let bytes: &'a [u8] = &bytes[..good];
        let short = || damaged(WHAT, at, "a header", "the end of the record");
        let array_at = u16_at(bytes, 0x04).ok_or_else(short)?;
        let flags = u16_at(bytes, 0x16).ok_or_else(short)?;
        let used = u32_at(bytes, 0x18).ok_or_else(short)?;
        let first_attribute = usize::from(u16_at(bytes, 0x14).ok_or_else(short)?);
        if first_attribute < 0x28 || first_attribute % 8 != 0 || first_attribute >= good {
            let found = format!("{first_attribute:#x}");
            return Err(damaged(WHAT, at + 0x14, "the offset of the first attribute", found));
        }
        let base = u64_at(bytes, 0x20).ok_or_else(short)?;
        // What lies behind `used` is a leftover. A record whose own idea of its
        // length is absurd is walked to its end marker instead.
        let end = usize::try_from(used).unwrap_or(good);
        let end = if end > first_attribute && end <= good { end } else { good };
        Ok(Self {
            bytes: &bytes[..end],
            at,
            sequence: u16_at(bytes, 0x10).ok_or_else(short)?,
            in_use: flags & 1 != 0,
            is_directory: flags & 2 != 0,
            base: (base != 0).then_some(FileRef(base)),
            number: if array_at >= 0x30 { u32_at(bytes, 0x2C) } else { None },
            is_torn,
            first_attribute,
        })
    }

    /// The attributes, in order. A broken one comes as an error, and ends it.
    pub fn attributes(&self) -> Attributes<'a> {
        let bytes = self.bytes.get(self.first_attribute..).unwrap_or_default();
        Attributes::new(bytes, self.at.saturating_add(self.first_attribute as u64), self.is_torn)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A 1 KiB record with these attribute bytes, ready for [`Record::parse`].
    pub(crate) fn build(number: u32, sequence: u16, flags: u16, attributes: &[u8]) -> Vec<u8> {
        let mut b = vec![0; 1024];
        b[..4].copy_from_slice(b"FILE");
        b[4..8].copy_from_slice(&[0x30, 0, 3, 0]);
        b[0x10..0x12].copy_from_slice(&sequence.to_le_bytes());
        b[0x14..0x16].copy_from_slice(&0x38_u16.to_le_bytes());
        b[0x16..0x18].copy_from_slice(&flags.to_le_bytes());
        let end = 0x38 + attributes.len();
        b[0x38..end].copy_from_slice(attributes);
        b[end..end + 4].copy_from_slice(&[0xFF; 4]);
        b[0x18..0x1C].copy_from_slice(&u32::try_from(end + 8).unwrap().to_le_bytes());
        b[0x1C..0x20].copy_from_slice(&1024_u32.to_le_bytes());
        b[0x2C..0x30].copy_from_slice(&number.to_le_bytes());
        let tails = [b[510], b[511], b[1022], b[1023]];
        b[0x30..0x36].copy_from_slice(&[9, 0, tails[0], tails[1], tails[2], tails[3]]);
        b[510..512].copy_from_slice(&[9, 0]);
        b[1022..1024].copy_from_slice(&[9, 0]);
        b
    }

    #[test]
    fn a_header_is_read() {
        let mut b = build(40, 3, 3, &[]);
        b[0x20..0x28].copy_from_slice(&FileRef::new(77, 2).0.to_le_bytes());
        let record = Record::parse(&mut b, 4096).unwrap();
        assert_eq!((record.sequence, record.number), (3, Some(40)));
        assert!(record.in_use && record.is_directory && !record.is_torn);
        assert_eq!(record.base, Some(FileRef::new(77, 2)));
        assert_eq!(record.attributes().count(), 0);
    }

    #[test]
    fn a_stale_reference_does_not_fit() {
        let reference = FileRef::new(0x1234_5678_9ABC, 7);
        assert_eq!((reference.number(), reference.sequence()), (0x1234_5678_9ABC, 7));
        assert!(reference.fits(7) && !reference.fits(8));
        assert!(FileRef::new(5, 0).fits(8));
    }

    #[test]
    fn hostile_headers_are_refused() {
        assert!(Record::parse(&mut [], 0).is_err());
        assert!(Record::parse(&mut [0; 1024], 0).is_err());
        assert!(Record::parse(&mut build(0, 0, 0, &[])[..512], 0).is_err());
        for first in [0_u16, 7, 0x2F, 1024, 0xFFFF] {
            let mut b = build(40, 3, 1, &[]);
            b[0x14..0x16].copy_from_slice(&first.to_le_bytes());
            assert!(Record::parse(&mut b, 0).is_err(), "{first}");
        }
        let mut b = build(40, 3, 1, &[]);
        b[510] ^= 1;
        assert!(Record::parse(&mut b, 0).unwrap_err().to_string().contains("torn"));
        let mut b = build(40, 3, 1, &[]);
        b[1022] ^= 1;
        assert!(Record::parse(&mut b, 0).unwrap().is_torn);
    }
}
