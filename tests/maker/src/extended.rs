//! Extended attributes as they stand on the disk (`FILE_FULL_EA_INFORMATION`,
//! MS-FSCC 2.4.16), with the last entry's offset filled in, as NTFS keeps it.

/// The list of `(name, value)` pairs; names in ASCII capitals.
pub fn encode(pairs: &[(&str, &[u8])]) -> Vec<u8> {
    let mut list = Vec::new();
    for (name, value) in pairs {
        let length = (8 + name.len() + 1 + value.len()).next_multiple_of(4);
        let end = list.len() + length;
        list.extend_from_slice(&u32::try_from(length).unwrap_or(0).to_le_bytes());
        list.extend_from_slice(&[0, u8::try_from(name.len()).unwrap_or(0)]);
        list.extend_from_slice(&u16::try_from(value.len()).unwrap_or(0).to_le_bytes());
        list.extend_from_slice(name.as_bytes());
        list.push(0);
        list.extend_from_slice(value);
        list.resize(end, 0);
    }
    list
}
