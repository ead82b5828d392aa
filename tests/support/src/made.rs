//! Made-up contents.

/// Bytes that do not compress, different for every seed.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Text that compresses well but not to nothing.
pub fn prose(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(length + 64);
    let mut line = seed;
    while bytes.len() < length {
        bytes.extend_from_slice(format!("line {line} of the migration store\r\n").as_bytes());
        line = line.wrapping_mul(31).wrapping_add(7) % 100_000;
    }
    bytes.truncate(length);
    bytes
}
