//! The 512-byte header of a tar member (POSIX.1-2017, pax, "ustar Interchange
//! Format").

/// Bytes in a header, and what data is filled up to.
pub const BLOCK: usize = 512;

/// What a member is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TypeFlag {
    /// A file.
    File,
    /// A further name of a member before.
    Link,
    /// A symbolic link.
    Symlink,
    /// A folder.
    Directory,
    /// PAX records for the next member.
    Pax,
    /// Something that this program never writes.
    Other(u8),
}

impl TypeFlag {
    fn to_byte(self) -> u8 {
        match self {
            Self::File => b'0',
            Self::Link => b'1',
            Self::Symlink => b'2',
            Self::Directory => b'5',
            Self::Pax => b'x',
            Self::Other(byte) => byte,
        }
    }

    fn from_byte(byte: u8) -> Self {
        match byte {
            b'0' | 0 => Self::File,
            b'1' => Self::Link,
            b'2' => Self::Symlink,
            b'5' => Self::Directory,
            b'x' => Self::Pax,
            other => Self::Other(other),
        }
    }
}

/// A header's fields. Owner is always 0, mode 0755 for folders and 0644 else.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Header<'a> {
    /// At most 100 bytes; what is too long stands in a PAX record.
    pub name: &'a [u8],
    /// What it is.
    pub type_flag: TypeFlag,
    /// Bytes of data that follow; 0 where they are too many for the field.
    pub size: u64,
    /// Seconds since 1970.
    pub modified: u64,
    /// At most 100 bytes.
    pub link_name: &'a [u8],
}

/// The largest number of an 11-digit octal field: 8 GiB - 1.
pub const LARGEST: u64 = 0o77_777_777_777;

impl<'a> Header<'a> {
    /// The header's bytes. Names are cut at 100 bytes, numbers at their field.
    pub fn to_block(&self) -> [u8; BLOCK] {
        let mut block = [0; BLOCK];
        let mut put = |at: usize, bytes: &[u8], room: usize| {
            let bytes = &bytes[..bytes.len().min(room)];
            block[at..at + bytes.len()].copy_from_slice(bytes);
        };
        let mode = if self.type_flag == TypeFlag::Directory { "0000755" } else { "0000644" };
        put(0, self.name, 100);
        put(100, mode.as_bytes(), 7);
        put(108, b"0000000", 7); // user
        put(116, b"0000000", 7); // group
        put(124, format!("{:011o}", self.size.min(LARGEST)).as_bytes(), 11);
        put(136, format!("{:011o}", self.modified.min(LARGEST)).as_bytes(), 11);
        put(148, b"        ", 8); // the checksum counts as spaces
        put(156, &[self.type_flag.to_byte()], 1);
        put(157, self.link_name, 100);
        put(257, b"ustar\x0000", 8);
        put(329, b"0000000", 7); // device
        put(337, b"0000000", 7);
        let sum = format!("{:06o}\0", checksum(&block));
        block[148..155].copy_from_slice(sum.as_bytes());
        block
    }

    /// The fields of a header; `None` for a block that is none.
    pub fn parse(block: &'a [u8; BLOCK]) -> Option<Self> {
        if &block[257..262] != b"ustar" || octal(&block[148..156])? != u64::from(checksum(block)) {
            return None;
        }
        Some(Self {
            name: text(&block[..100]),
            type_flag: TypeFlag::from_byte(block[156]),
            size: octal(&block[124..136])?,
            modified: octal(&block[136..148])?,
            link_name: text(&block[157..257]),
        })
    }
}

fn checksum(block: &[u8; BLOCK]) -> u32 {
    let bytes = block.iter().enumerate();
    bytes.map(|(i, &b)| u32::from(if (148..156).contains(&i) { b' ' } else { b })).sum()
}

fn text(field: &[u8]) -> &[u8] {
    &field[..field.iter().position(|&b| b == 0).unwrap_or(field.len())]
}

fn octal(field: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(text(field)).ok()?;
    u64::from_str_radix(digits.trim_matches(' '), 8).ok()
}

/// How many zeros follow data of this size.
pub fn padding(size: u64) -> usize {
    let rest = usize::try_from(size % BLOCK as u64).unwrap_or(0);
    (BLOCK - rest) % BLOCK
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_flag() -> impl Strategy<Value = TypeFlag> {
        use TypeFlag::{Directory, File, Link, Pax, Symlink};
        prop::sample::select(vec![File, Link, Symlink, Directory, Pax])
    }

    proptest! {
        #[test]
        fn headers_come_back(
            name in "[a-z/]{1,100}",
            link_name in "[a-z/]{0,100}",
            type_flag in any_flag(),
            size in 0..=LARGEST,
            modified in 0..=LARGEST,
        ) {
            let (name, link_name) = (name.as_bytes(), link_name.as_bytes());
            let header = Header { name, type_flag, size, modified, link_name };
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
