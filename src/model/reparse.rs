//! Where junctions and symbolic links lead, by their reparse data.

use super::bytes::{slice, u16_at, u32_at, utf16};
use super::name::NtName;

/// The target of a junction or symbolic link.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LinkTarget {
    /// The name in WTF-8, with the backslashes of Windows.
    pub target: Vec<u8>,
    /// Whether it is a junction or a volume's mount point.
    pub mount_point: bool,
}

/// Whether this is reparse data with a header whose length fits (MS-FSCC 2.1.2.2, 2.1.2.3: tags
/// that are not Microsoft's have a GUID in it).
pub(crate) fn is_whole(reparse: &[u8]) -> bool {
    let (Some(tag), Some(length)) = (u32_at(reparse, 0), u16_at(reparse, 4)) else { return false };
    let header = if tag & 0x8000_0000 == 0 { 24 } else { 8 };
    reparse.len() >= header + usize::from(length)
}

/// Reads a junction's or symbolic link's reparse data (MS-FSCC 2.1.2.4,
/// 2.1.2.5); `None` for other tags and invalid data.
pub fn link_target(reparse: &[u8]) -> Option<LinkTarget> {
    let (mount_point, names) = match u32_at(reparse, 0)? {
        0xA000_0003 => (true, 16),
        0xA000_000C => (false, 20),
        _ => return None,
    };
    let name = |at: usize| -> Option<Vec<u8>> {
        let (offset, length) = (u16_at(reparse, at)?, u16_at(reparse, at + 2)?);
        let units = utf16(slice(reparse, names + usize::from(offset), usize::from(length))?);
        if units.is_empty() || units.contains(&0) {
            return None;
        }
        Some(NtName::from_utf16(&units).as_wtf8().to_vec())
    };
    // The print name, as the dialect uses it; otherwise the substitute name.
    let kernel = || {
        let name = name(8)?;
        let target = name.strip_prefix(br"\??\").map_or(name.clone(), <[u8]>::to_vec);
        (!target.is_empty()).then_some(target)
    };
    Some(LinkTarget { target: name(12).or_else(kernel)?, mount_point })
}
