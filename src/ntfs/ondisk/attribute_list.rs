//! `$ATTRIBUTE_LIST`: where the attributes are of a file that does not fit
//! into one record (Linux-NTFS).

use super::record::FileRef;
use crate::model::bytes::{slice, u16_at, u32_at, u64_at, utf16};
use crate::model::name::NtName;
use crate::ntfs::error::{NtfsError, damaged};

const WHAT: &str = "attribute list";

/// Longer lists are not believed. NTFS itself stops at 256 KiB.
pub(crate) const MAX_BYTES: usize = 1 << 20;

/// An entry without a name, and its padding.
const LEAST_BYTES: usize = 0x20;

/// One attribute, or one piece of one, and the record it is in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListEntry {
    /// The attribute's type.
    pub kind: u32,
    /// Its name; empty for an unnamed one.
    pub name: NtName,
    /// First cluster of the value that the piece tells of.
    pub first_vcn: u64,
    /// The record that holds it.
    pub record: FileRef,
    /// The attribute's instance number there.
    pub id: u16,
}

/// Reads a list. Gives the entries before the first broken one, and that one's
/// error; `at` is where the list stands on the volume, as far as that is known.
/// Every list has an entry, and ends with one but for padding: room for another entry with
/// zeros in it is what a rescue image has where the disk could not be read.
pub fn parse(bytes: &[u8], at: u64) -> (Vec<ListEntry>, Option<NtfsError>) {
    let mut entries = Vec::new();
    let mut rest = bytes;
    let is_padding = |rest: &[u8]| rest.len() < LEAST_BYTES && rest.iter().all(|b| *b == 0);
    while entries.is_empty() || !is_padding(rest) {
        let Some((entry, length)) = entry(rest) else {
            let offset = at.saturating_add((bytes.len() - rest.len()) as u64);
            let found = format!("{} bytes that are not an entry", rest.len());
            return (entries, Some(damaged(WHAT, offset, "an entry", found)));
        };
        entries.push(entry);
        rest = &rest[length..];
    }
    (entries, None)
}

fn entry(bytes: &[u8]) -> Option<(ListEntry, usize)> {
    let length = usize::from(u16_at(bytes, 4)?);
    let bytes = bytes.get(..length).filter(|b| b.len() >= 0x1A && b.len() % 8 == 0)?;
    let name = slice(bytes, usize::from(bytes[7]), usize::from(bytes[6]) * 2)?;
    let entry = ListEntry {
        kind: u32_at(bytes, 0)?,
        name: NtName::from_utf16(&utf16(name)),
        first_vcn: u64_at(bytes, 8)?,
        record: FileRef(u64_at(bytes, 0x10)?),
        id: u16_at(bytes, 0x18)?,
    };
    Some((entry, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(kind: u32, name: &str, first_vcn: u64, record: FileRef) -> Vec<u8> {
        let units: Vec<u16> = name.encode_utf16().collect();
        let length = (0x1A + units.len() * 2).next_multiple_of(8);
        let mut b = vec![0; length];
        b[..4].copy_from_slice(&kind.to_le_bytes());
        b[4] = u8::try_from(length).unwrap();
        b[6] = u8::try_from(units.len()).unwrap();
        b[7] = 0x1A;
        b[8..16].copy_from_slice(&first_vcn.to_le_bytes());
        b[16..24].copy_from_slice(&record.0.to_le_bytes());
        for (i, unit) in units.iter().enumerate() {
            b[0x1A + i * 2..0x1C + i * 2].copy_from_slice(&unit.to_le_bytes());
        }
        b
    }

    #[test]
    fn entries_one_after_the_other() {
        let mut list = build(0x80, "", 0, FileRef::new(30, 1));
        list.extend(build(0x80, "ads", 16, FileRef::new(31, 2)));
        let (entries, error) = parse(&list, 0);
        assert!(error.is_none());
        assert_eq!(entries.len(), 2);
        assert_eq!((entries[1].first_vcn, entries[1].record), (16, FileRef::new(31, 2)));
        assert_eq!(entries[1].name, NtName::from("ads"));
    }

    #[test]
    fn what_stands_before_the_damage_is_kept() {
        let mut list = build(0x80, "", 0, FileRef::new(30, 1));
        let good = list.len();
        list.extend(build(0x80, "ads", 16, FileRef::new(31, 2)));
        for (at, byte) in [(4, 0), (4, 7), (4, 0xF8), (6, 0xFF), (7, 0xFF)] {
            let mut list = list.clone();
            list[good + at] = byte;
            let (entries, error) = parse(&list, 100);
            assert_eq!(entries.len(), 1, "{at} {byte}");
            assert!(error.unwrap().to_string().contains(&format!("byte {}", 100 + good)));
        }
    }

    #[test]
    fn padding_is_no_damage_and_zeros_in_the_place_of_entries_are() {
        let list = build(0x80, "", 0, FileRef::new(30, 1));
        for (zeros, is_damage) in [(0, false), (8, false), (24, false), (32, true), (400, true)] {
            let (entries, error) = parse(&[&list[..], &vec![0; zeros]].concat(), 0);
            assert_eq!((entries.len(), error.is_some()), (1, is_damage), "{zeros}");
        }
        assert!(parse(&[], 0).1.is_some(), "every file has attributes");
        assert!(parse(&[0; 512], 0).1.is_some());
    }
}
