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

/// A generator of random numbers (xorshift64*).
pub struct Random(u64);

impl Random {
    /// `seed` is not 0.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn number(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.number() % bound
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[usize::try_from(self.below(from.len() as u64)).unwrap()]
    }
}

/// A self-relative descriptor: owner and group Administrators, one entry that lets
/// Everyone do what `mask` says (MS-DTYP 2.4.6).
pub fn descriptor(mask: u32) -> Vec<u8> {
    let admins = [1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 32, 2, 0, 0];
    let mut b = vec![1, 0, 4, 0x80];
    for offset in [20_u32, 36, 0, 52] {
        b.extend(offset.to_le_bytes());
    }
    b.extend(admins);
    b.extend(admins);
    b.extend([2, 0, 28, 0, 1, 0, 0, 0, 0, 3, 20, 0]);
    b.extend(mask.to_le_bytes());
    b.extend([1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]);
    b
}
