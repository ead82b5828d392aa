//! Attributes: what a file record is made of (Linux-NTFS, "Attribute header").

use crate::model::bytes::{slice, u16_at, u32_at, u64_at, utf16};
use crate::model::name::NtName;
use crate::ntfs::error::{NtfsError, damaged};

const WHAT: &str = "attribute";

/// Attribute types.
pub mod kind {
    /// `$STANDARD_INFORMATION`: times, attributes, security id.
    pub(crate) const STANDARD_INFORMATION: u32 = 0x10;
    /// `$ATTRIBUTE_LIST`: where the other attributes are.
    pub const ATTRIBUTE_LIST: u32 = 0x20;
    /// `$FILE_NAME`: one name in one directory.
    pub const FILE_NAME: u32 = 0x30;
    /// `$OBJECT_ID`.
    pub const OBJECT_ID: u32 = 0x40;
    /// `$SECURITY_DESCRIPTOR`, the old style (NTFS 1.2, and ntfs-3g).
    pub(crate) const SECURITY_DESCRIPTOR: u32 = 0x50;
    /// `$VOLUME_NAME`: the label.
    pub(crate) const VOLUME_NAME: u32 = 0x60;
    /// `$VOLUME_INFORMATION`: version, dirty flag.
    pub const VOLUME_INFORMATION: u32 = 0x70;
    /// `$DATA`: a stream.
    pub const DATA: u32 = 0x80;
    /// `$INDEX_ROOT`.
    pub const INDEX_ROOT: u32 = 0x90;
    /// `$INDEX_ALLOCATION`.
    pub const INDEX_ALLOCATION: u32 = 0xA0;
    /// `$BITMAP`.
    pub const BITMAP: u32 = 0xB0;
    /// `$REPARSE_POINT`.
    pub const REPARSE_POINT: u32 = 0xC0;
    /// `$EA`: extended attributes.
    pub const EA: u32 = 0xE0;
    /// `$LOGGED_UTILITY_STREAM`: `$EFS` is one.
    pub(crate) const LOGGED_UTILITY_STREAM: u32 = 0x100;
}

/// Bits of [`Attribute::flags`].
pub mod flag {
    /// LZNT1 (the whole low byte is the method; 1 is the only one).
    pub const COMPRESSED: u16 = 0x00FF;
    /// EFS.
    pub const ENCRYPTED: u16 = 0x4000;
    /// Sparse.
    pub const SPARSE: u16 = 0x8000;
}

/// One attribute, or one piece of it (a stream in many pieces has one in each
/// of several records).
#[derive(Clone, Copy, Debug)]
pub struct Attribute<'a> {
    /// See [`kind`].
    pub kind: u32,
    /// The name as UTF-16LE bytes; empty for an unnamed one.
    name: &'a [u8],
    /// See [`flag`].
    pub flags: u16,
    /// The instance number, unique in its record.
    pub id: u16,
    /// Byte on the volume.
    pub at: u64,
    /// The value, or where it is.
    pub value: Value<'a>,
}

/// Where an attribute's value is.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    /// In the record.
    Resident(&'a [u8]),
    /// In clusters.
    NonResident(NonResident<'a>),
}

/// An attribute value in clusters.
#[derive(Clone, Copy, Debug)]
pub struct NonResident<'a> {
    /// The first cluster of the value that this piece tells of.
    pub first_vcn: u64,
    /// The last one; one less than `first_vcn` for an empty value.
    pub last_vcn: u64,
    /// Compression unit, as a power of two of clusters; 0 for none.
    pub unit: u8,
    /// Sizes; only the first piece has them.
    pub sizes: Option<Sizes>,
    /// The run list, see [`super::runs`].
    pub runs: &'a [u8],
}

/// Sizes of a non-resident value, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sizes {
    /// Taken on the disk.
    pub allocated: u64,
    /// As a reader sees it.
    pub size: u64,
    /// Written so far; what lies between this and `size` reads as zeros.
    pub valid_data_length: u64,
}

impl<'a> Attribute<'a> {
    /// Whether it has no name.
    pub fn is_unnamed(&self) -> bool {
        self.name.is_empty()
    }

    /// The name.
    pub fn name(&self) -> NtName {
        NtName::from_utf16(&utf16(self.name))
    }

    /// Whether the name is this ASCII text, exactly.
    pub fn is_named(&self, text: &str) -> bool {
        self.name.len() == text.len() * 2
            && self.name.chunks_exact(2).zip(text.bytes()).all(|(u, b)| u == [b, 0])
    }

    /// The value if it is in the record.
    pub fn resident(&self) -> Option<&'a [u8]> {
        match self.value {
            Value::Resident(bytes) => Some(bytes),
            Value::NonResident(_) => None,
        }
    }
}

/// Walks the attributes of a record.
#[derive(Clone, Debug)]
pub struct Attributes<'a> {
    rest: &'a [u8],
    at: u64,
    /// The record is torn: running out of bytes is no news.
    is_cut: bool,
}

impl<'a> Attributes<'a> {
    pub(crate) fn new(bytes: &'a [u8], at: u64, is_cut: bool) -> Self {
        Self { rest: bytes, at, is_cut }
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<Attribute<'a>, NtfsError>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = std::mem::take(&mut self.rest);
        let Some(kind) = u32_at(rest, 0) else {
            // A whole record ends with a marker.
            return (!self.is_cut && !rest.is_empty()).then(|| {
                Err(damaged(WHAT, self.at, "an attribute type", "the end of the record"))
            });
        };
        if kind == u32::MAX {
            return None;
        }
        let length = u32_at(rest, 4).and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
        let Some(bytes) = rest.get(..length).filter(|b| b.len() >= 0x18 && b.len() % 8 == 0) else {
            if self.is_cut && length > rest.len() {
                return None;
            }
            return Some(Err(damaged(
                WHAT,
                self.at.saturating_add(4),
                format!("a length of 24 to {} bytes, a multiple of 8", rest.len()),
                length.to_string(),
            )));
        };
        let found = parse(bytes, kind, self.at);
        if found.is_ok() {
            self.rest = &rest[length..];
            self.at = self.at.saturating_add(length as u64);
        }
        Some(found)
    }
}

fn parse(bytes: &[u8], kind: u32, at: u64) -> Result<Attribute<'_>, NtfsError> {
    let short = |byte: u64, expected: &'static str| {
        damaged(WHAT, at.saturating_add(byte), expected, format!("{} bytes in all", bytes.len()))
    };
    let header = || short(0, "an attribute header");
    let name_at = u16_at(bytes, 0x0A).ok_or_else(header)?;
    let name = slice(bytes, usize::from(name_at), usize::from(bytes[9]) * 2)
        .ok_or_else(|| short(0x09, "a name inside the attribute"))?;
    let value = if bytes[8] == 0 {
        let length = u32_at(bytes, 0x10).and_then(|n| usize::try_from(n).ok());
        let value_at = u16_at(bytes, 0x14).map(usize::from);
        let value = length.zip(value_at).and_then(|(length, at)| slice(bytes, at, length));
        Value::Resident(value.ok_or_else(|| short(0x10, "a value inside the attribute"))?)
    } else {
        Value::NonResident(non_resident(bytes).ok_or_else(|| short(0x10, "a run list"))?)
    };
    Ok(Attribute {
        kind,
        name,
        flags: u16_at(bytes, 0x0C).ok_or_else(header)?,
        id: u16_at(bytes, 0x0E).ok_or_else(header)?,
        at,
        value,
    })
}

fn non_resident(bytes: &[u8]) -> Option<NonResident<'_>> {
    let first_vcn = u64_at(bytes, 0x10)?;
    let unit = *bytes.get(0x22)?;
    let flags = u16_at(bytes, 0x0C)?;
    let sizes = if first_vcn == 0 {
        // Sparse and compressed ones have the true allocation in a field of
        // its own; "allocated" is then the size of the range they span.
        let allocated = match flags & (flag::COMPRESSED | flag::SPARSE) {
            0 => u64_at(bytes, 0x28)?,
            _ => u64_at(bytes, 0x40).or(u64_at(bytes, 0x28))?,
        };
        Some(Sizes {
            allocated,
            size: u64_at(bytes, 0x30)?,
            valid_data_length: u64_at(bytes, 0x38)?,
        })
    } else {
        None
    };
    Some(NonResident {
        first_vcn,
        last_vcn: u64_at(bytes, 0x18)?,
        unit,
        sizes,
        runs: bytes.get(usize::from(u16_at(bytes, 0x20)?)..)?,
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A resident attribute.
    pub(crate) fn resident(kind: u32, name: &str, value: &[u8]) -> Vec<u8> {
        let name: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let value_at = (0x18 + name.len()).next_multiple_of(8);
        let mut b = vec![0; (value_at + value.len()).next_multiple_of(8)];
        b[..4].copy_from_slice(&kind.to_le_bytes());
        let length = u32::try_from(b.len()).unwrap();
        b[4..8].copy_from_slice(&length.to_le_bytes());
        b[9] = u8::try_from(name.len() / 2).unwrap();
        b[0x0A] = 0x18;
        b[0x10..0x14].copy_from_slice(&u32::try_from(value.len()).unwrap().to_le_bytes());
        b[0x14..0x16].copy_from_slice(&u16::try_from(value_at).unwrap().to_le_bytes());
        b[0x18..0x18 + name.len()].copy_from_slice(&name);
        b[value_at..value_at + value.len()].copy_from_slice(value);
        b
    }

    /// A non-resident attribute, unnamed.
    pub(crate) fn non_resident(
        kind: u32,
        flags: u16,
        unit: u8,
        sizes: [u64; 3],
        runs: &[u8],
    ) -> Vec<u8> {
        let mut b = vec![0; (0x48 + runs.len()).next_multiple_of(8)];
        b[..4].copy_from_slice(&kind.to_le_bytes());
        let length = u32::try_from(b.len()).unwrap();
        b[4..8].copy_from_slice(&length.to_le_bytes());
        b[8] = 1;
        b[0x0A] = 0x48;
        b[0x0C..0x0E].copy_from_slice(&flags.to_le_bytes());
        b[0x20] = 0x48;
        b[0x22] = unit;
        for (i, size) in sizes.iter().enumerate() {
            b[0x28 + i * 8..0x30 + i * 8].copy_from_slice(&size.to_le_bytes());
        }
        b[0x40..0x48].copy_from_slice(&sizes[0].to_le_bytes());
        b[0x48..0x48 + runs.len()].copy_from_slice(runs);
        b
    }

    fn walk(bytes: &[u8]) -> Vec<Result<Attribute<'_>, NtfsError>> {
        Attributes::new(bytes, 0, false).collect()
    }

    #[test]
    fn values_and_names_are_found() {
        let mut b = resident(kind::DATA, "Zone.Identifier", b"hello");
        b.extend(non_resident(kind::DATA, 0, 0, [4096, 5, 5], &[0x11, 1, 9, 0]));
        b.extend([0xFF; 4]);
        let found = walk(&b);
        assert_eq!(found.len(), 2);
        let first = found[0].as_ref().unwrap();
        assert_eq!(first.resident(), Some(&b"hello"[..]));
        assert_eq!(first.name(), NtName::from("Zone.Identifier"));
        assert!(first.is_named("Zone.Identifier") && !first.is_named("Zone.Identifiex"));
        let Value::NonResident(second) = found[1].as_ref().unwrap().value else { panic!() };
        assert_eq!(second.sizes, Some(Sizes { allocated: 4096, size: 5, valid_data_length: 5 }));
        assert_eq!(second.runs[..4], [0x11, 1, 9, 0]);
    }

    #[test]
    fn hostile_lengths_end_the_walk_with_an_error() {
        let good = resident(kind::DATA, "", b"hello");
        for (at, bytes) in [
            (4, [0, 0, 0, 0]),
            (4, [7, 0, 0, 0]),
            (4, [0xFF, 0xFF, 0xFF, 0xFF]),
            (8, [0, 0xFF, 0x18, 0]),
            (0x10, [0xFF, 0xFF, 0xFF, 0xFF]),
            (0x14, [0xFF, 0xFF, 0, 0]),
        ] {
            let mut b = good.clone();
            b[at..at + 4].copy_from_slice(&bytes);
            b.extend([0xFF; 4]);
            let found = walk(&b);
            assert_eq!(found.len(), 1, "{at}");
            assert!(found[0].is_err(), "{at}");
        }
    }

    #[test]
    fn a_cut_record_gives_what_is_whole() {
        let mut b = resident(kind::DATA, "", b"hello");
        b.extend(resident(kind::DATA, "x", b"hello"));
        b.truncate(b.len() - 8);
        let found: Vec<_> = Attributes::new(&b, 0, true).collect();
        assert_eq!(found.len(), 1);
        assert!(found[0].is_ok());
        assert_eq!(walk(&b).len(), 2);
        assert!(walk(&b)[1].is_err());
    }
}
