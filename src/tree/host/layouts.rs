//! Structures that the Windows kernel takes, as bytes. Here rather than beside the
//! calls, so that they are tested on every host, and for both widths of a pointer.

/// Bytes that a name takes.
fn name_bytes(name: &[u16]) -> u32 {
    u32::try_from(name.len() * 2).unwrap_or(u32::MAX)
}

/// `FILE_LINK_INFORMATION` and `FILE_RENAME_INFORMATION` of `ntifs.h` (MS-FSCC
/// 2.4.28 and 2.4.42): replace (no), folder, bytes of the name, name.
///
/// The kernel refuses less than the whole structure, which has one unit of a name
/// and ends at a multiple of its pointer (as wimlib and `ReactOS` have it): 24 bytes,
/// or 16 with pointers of 32 bits.
pub(crate) fn name_information(pointer_bytes: usize, folder: u64, name: &[u16]) -> Vec<u8> {
    let mut value = vec![0; pointer_bytes];
    value.extend(folder.to_le_bytes().into_iter().take(pointer_bytes));
    value.extend(name_bytes(name).to_le_bytes());
    value.extend(name.iter().flat_map(|unit| unit.to_le_bytes()));
    let whole = (2 * pointer_bytes + 4 + 2).next_multiple_of(pointer_bytes);
    value.resize(value.len().max(whole), 0);
    value
}

/// `FILE_NAME_INFORMATION` (MS-FSCC 2.1.7) to set a DOS name: bytes, name. An empty
/// name takes the DOS name away (since Windows 7).
///
/// The kernel refuses less than 8 bytes, though the name may have one letter: the
/// structure ends at a multiple of four (wimlib, `set_short_name`).
pub(crate) fn short_name_information(short: &[u16]) -> Vec<u8> {
    let mut value = name_bytes(short).to_le_bytes().to_vec();
    value.extend(short.iter().flat_map(|unit| unit.to_le_bytes()));
    value.resize(value.len().max(8), 0);
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_one_letter_fill_the_whole_structure() {
        let a = [u16::from(b'a')];
        let wide = name_information(8, 0x1122_3344_5566, &a);
        assert_eq!(wide.len(), 24);
        assert_eq!(wide[8..16], [0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 0, 0]);
        assert_eq!(wide[16..22], [2, 0, 0, 0, b'a', 0]);
        let narrow = name_information(4, 0x1122_3344, &a);
        assert_eq!(narrow.len(), 16);
        assert_eq!(narrow[4..14], [0x44, 0x33, 0x22, 0x11, 2, 0, 0, 0, b'a', 0]);
        for name in [&[][..], &a] {
            assert_eq!(short_name_information(name).len(), 8, "{name:?}");
        }
    }

    #[test]
    fn longer_names_follow_their_length() {
        let name: Vec<u16> = "USMT.MIG".encode_utf16().collect();
        assert_eq!(name_information(8, 1, &name).len(), 20 + 16);
        assert_eq!(name_information(4, 1, &name).len(), 12 + 16);
        let short = short_name_information(&name);
        assert_eq!((short.len(), short[0], short[4]), (20, 16, b'U'));
    }
}
