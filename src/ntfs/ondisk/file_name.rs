//! `$FILE_NAME`: one name of a file in one directory (Linux-NTFS).

use super::record::FileRef;
use crate::model::bytes::{slice, u32_at, u64_at, utf16};
use crate::model::metadata::FileTime;
use crate::model::name::NtName;

/// Which rules a name was made by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Namespace {
    /// Anything goes, case counts.
    Posix,
    /// A long Windows name which has a DOS name beside it.
    Win32,
    /// An 8.3 name beside a long one: not a link of its own.
    Dos,
    /// A Windows name which is a DOS name too.
    Both,
}

/// One name. The sizes and times in it are copies, which NTFS renews all at once and
/// seldom, in an index more often than in a record.
#[derive(Clone, Copy, Debug)]
pub struct FileName<'a> {
    /// The directory.
    pub parent: FileRef,
    /// The copies of the times of the last write, and of the last change of anything.
    pub modified: FileTime,
    /// See `modified`.
    pub changed: FileTime,
    /// Bytes of the unnamed stream, when the name was last renewed.
    pub size: u64,
    /// The copy of the attributes.
    pub attributes: u32,
    /// The reparse tag, where the attributes have that bit.
    pub reparse_tag: u32,
    /// Which rules.
    pub namespace: Namespace,
    /// The name, as UTF-16LE bytes.
    pub name: &'a [u8],
}

impl<'a> FileName<'a> {
    /// Reads the value; `None` where it is too short, or the name empty.
    pub fn parse(value: &'a [u8]) -> Option<Self> {
        let name = slice(value, 0x42, usize::from(*value.get(0x40)?) * 2)?;
        if name.is_empty() {
            return None;
        }
        Some(Self {
            parent: FileRef(u64_at(value, 0)?),
            modified: FileTime(u64_at(value, 0x10)?),
            changed: FileTime(u64_at(value, 0x18)?),
            size: u64_at(value, 0x30)?,
            attributes: u32_at(value, 0x38)?,
            reparse_tag: u32_at(value, 0x3C)?,
            namespace: match value.get(0x41)? & 3 {
                0 => Namespace::Posix,
                1 => Namespace::Win32,
                2 => Namespace::Dos,
                _ => Namespace::Both,
            },
            name,
        })
    }

    /// The name.
    pub fn name(&self) -> NtName {
        NtName::from_utf16(&utf16(self.name))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The value of a `$FILE_NAME`.
    pub(crate) fn build(parent: FileRef, namespace: u8, name: &str) -> Vec<u8> {
        let units: Vec<u16> = name.encode_utf16().collect();
        let mut value = vec![0; 0x42];
        value[..8].copy_from_slice(&parent.0.to_le_bytes());
        value[0x40] = u8::try_from(units.len()).unwrap();
        value[0x41] = namespace;
        value.extend(units.iter().flat_map(|u| u.to_le_bytes()));
        value
    }

    #[test]
    fn a_name_and_its_namespace() {
        let value = build(FileRef::new(5, 5), 2, "USMT~1");
        let found = FileName::parse(&value).unwrap();
        assert_eq!(found.parent, FileRef::new(5, 5));
        assert_eq!((found.namespace, found.name()), (Namespace::Dos, NtName::from("USMT~1")));
    }

    #[test]
    fn short_values_are_refused() {
        let value = build(FileRef::new(5, 5), 1, "USMT");
        for length in 0..value.len() {
            assert!(FileName::parse(&value[..length]).is_none(), "{length}");
        }
        assert!(FileName::parse(&build(FileRef::new(5, 5), 1, "")).is_none());
    }
}
