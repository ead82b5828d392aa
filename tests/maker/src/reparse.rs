//! Reparse data with its header: tag, length, a reserved word, then the buffer
//! (MS-FSCC 2.1.2). Tags are from MS-FSCC 2.1.2.1.

/// Junctions and volume mount points.
pub const MOUNT_POINT: u32 = 0xA000_0003;
/// Symbolic links.
pub const SYMLINK: u32 = 0xA000_000C;
/// `OneDrive` and other cloud placeholders.
pub const CLOUD: u32 = 0x9000_001A;
/// `OneDrive`'s variant 6, as its folders carry.
pub const CLOUD_6: u32 = 0x9000_601A;
/// Deduplicated files.
pub const DEDUP: u32 = 0x8000_0013;
/// Store apps' execution aliases.
pub const APPEXECLINK: u32 = 0x8000_001B;

/// A tag of Microsoft's with any buffer.
pub fn microsoft(tag: u32, buffer: &[u8]) -> Vec<u8> {
    let length = u16::try_from(buffer.len()).unwrap_or(u16::MAX);
    let mut data = tag.to_le_bytes().to_vec();
    data.extend_from_slice(&length.to_le_bytes());
    data.extend_from_slice(&[0, 0]);
    data.extend_from_slice(buffer);
    data
}

/// A junction (MS-FSCC 2.1.2.5) to `target`, like `C:\Users\alice`.
pub fn junction(target: &str) -> Vec<u8> {
    microsoft(MOUNT_POINT, &names(target, &[]))
}

/// A symbolic link (MS-FSCC 2.1.2.4) to an absolute `target`.
pub fn symlink(target: &str) -> Vec<u8> {
    microsoft(SYMLINK, &names(target, &[0; 4]))
}

/// The substitute and the print name with their offsets and lengths, each with
/// a terminating zero that is not counted.
fn names(target: &str, flags: &[u8]) -> Vec<u8> {
    let substitute = utf16(&format!("\\??\\{target}"));
    let print = utf16(target);
    let mut buffer = Vec::new();
    for number in [0, substitute.len(), substitute.len() + 2, print.len()] {
        buffer.extend_from_slice(&u16::try_from(number).unwrap_or(u16::MAX).to_le_bytes());
    }
    buffer.extend_from_slice(flags);
    for name in [substitute, print] {
        buffer.extend(name);
        buffer.extend_from_slice(&[0, 0]);
    }
    buffer
}

/// Text as UTF-16LE bytes.
pub fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}
