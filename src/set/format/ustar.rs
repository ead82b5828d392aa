//! The 512-byte header of a tar member (POSIX.1-2017, pax, "ustar Interchange
//! Format"), by the `tar` crate; this module fills in the fields of this dialect.

use tar::EntryType;

/// Bytes of a header, and the unit to which data is padded.
pub const BLOCK: usize = 512;

/// A header's fields. Owner is always 0, mode 0755 for folders and 0644 otherwise.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Header<'a> {
    /// At most 100 bytes; a longer name is in a PAX record.
    pub name: &'a [u8],
    /// The kind of member.
    pub entry_type: EntryType,
    /// Bytes of data that follow; 0 if the number does not fit the field.
    pub size: u64,
    /// Seconds since 1970.
    pub modified: u64,
    /// At most 100 bytes.
    pub link_name: &'a [u8],
}

/// The largest number of an 11-digit octal field: 8 GiB - 1.
pub(crate) const LARGEST: u64 = 0o77_777_777_777;

impl<'a> Header<'a> {
    /// The header's bytes. Names are truncated to 100 bytes, numbers to their field.
    pub(crate) fn to_block(&self) -> [u8; BLOCK] {
        let mut header = tar::Header::new_ustar();
        header.set_mode(if self.entry_type == EntryType::Directory { 0o755 } else { 0o644 });
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(self.size.min(LARGEST));
        header.set_mtime(self.modified.min(LARGEST));
        header.set_entry_type(self.entry_type);
        if let Some(ustar) = header.as_ustar_mut() {
            ustar.set_device_major(0);
            ustar.set_device_minor(0);
        }
        // The crate's own setters refuse `..` and drop `.` and `//`: names must stay exact.
        let fields = header.as_old_mut();
        let put = |field: &mut [u8; 100], name: &[u8]| {
            let name = &name[..name.len().min(field.len())];
            field[..name.len()].copy_from_slice(name);
        };
        put(&mut fields.name, self.name);
        put(&mut fields.linkname, self.link_name);
        header.set_cksum();
        // POSIX allows several forms; six digits, NUL, space is what sets have always had.
        if let Ok(sum) = header.cksum() {
            header.as_old_mut().cksum.copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
        *header.as_bytes()
    }

    /// Parses a header's fields; `None` for an invalid block.
    pub fn parse(block: &'a [u8; BLOCK]) -> Option<Self> {
        if !block[257..].starts_with(b"ustar") {
            return None;
        }
        let mut header = tar::Header::new_old();
        header.as_mut_bytes().copy_from_slice(block);
        let stated = header.cksum().ok()?;
        header.set_cksum();
        (header.cksum().ok()? == stated).then_some(())?;
        let entry_type = header.entry_type();
        let (size, modified) = (header.entry_size().ok()?, header.mtime().ok()?);
        let (name, link_name) = (text(&block[..100]), text(&block[157..257]));
        Some(Self { name, entry_type, size, modified, link_name })
    }
}

fn text(field: &[u8]) -> &[u8] {
    &field[..field.iter().position(|&b| b == 0).unwrap_or(field.len())]
}

/// The number of zeros after data of this size.
pub fn padding(size: u64) -> usize {
    let rest = usize::try_from(size % BLOCK as u64).unwrap_or(0);
    (BLOCK - rest) % BLOCK
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_type() -> impl Strategy<Value = EntryType> {
        use EntryType::{Directory, Link, Regular, Symlink, XHeader};
        prop::sample::select(vec![Regular, Link, Symlink, Directory, XHeader])
    }

    proptest! {
        #[test]
        fn headers_come_back(
            name in "[a-z/]{1,100}",
            link_name in "[a-z/]{0,100}",
            entry_type in any_type(),
            size in 0..=LARGEST,
            modified in 0..=LARGEST,
        ) {
            let (name, link_name) = (name.as_bytes(), link_name.as_bytes());
            let header = Header { name, entry_type, size, modified, link_name };
            let mut block = header.to_block();
            prop_assert_eq!(Header::parse(&block), Some(header));
            block[5] ^= 1;
            prop_assert_eq!(Header::parse(&block), None);
        }

        #[test]
        fn any_block_is_survived(bytes: Vec<u8>) {
            let mut block = [0; BLOCK];
            let n = bytes.len().min(BLOCK);
            block[..n].copy_from_slice(&bytes[..n]);
            let _ = Header::parse(&block);
        }
    }

    #[test]
    fn data_is_filled_up_to_whole_blocks() {
        assert_eq!([0, 1, 511, 512, 513].map(padding), [0, 511, 1, 0, 511]);
    }
}
