//! Made-up files: the same bytes on every machine.

#![allow(clippy::cast_possible_truncation)] // random numbers are cut to bytes

/// A generator of random numbers (xorshift64*), for bytes that do not compress.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    pub fn number(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.number() >> 33) as usize % bound
    }
}

/// Sentences that are none.
pub fn text(bytes: usize, seed: u64) -> Vec<u8> {
    const WORDS: [&str; 24] = [
        "lifeboat",
        "the",
        "store",
        "volume",
        "of",
        "a",
        "record",
        "and",
        "sector",
        "read",
        "once",
        "drive",
        "letter",
        "is",
        "not",
        "known",
        "until",
        "its",
        "first",
        "bytes",
        "were",
        "seen",
        "migration",
        "profile",
    ];
    let mut random = Random::new(seed);
    let mut out = Vec::with_capacity(bytes + 16);
    while out.len() < bytes {
        let word = WORDS[random.below(24).min(random.below(24))];
        out.extend_from_slice(word.as_bytes());
        match random.below(12) {
            0 => out.extend_from_slice(b".\r\n"),
            1 => out.extend_from_slice(random.below(100_000).to_string().as_bytes()),
            _ => out.push(b' '),
        }
    }
    out.truncate(bytes);
    out
}

/// Bytes that do not compress.
pub fn random(bytes: usize, seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    (0..bytes).map(|_| (random.number() >> 56) as u8).collect()
}

/// Something like x86 code: moves, returns, and calls of a few functions near
/// and far, so that the translation of calls has work in every range.
pub fn code(bytes: usize, seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut out = Vec::with_capacity(bytes + 8);
    while out.len() < bytes {
        match random.below(6) {
            0 | 1 => {
                let target = i32::try_from(random.below(40) * 977).unwrap() - 9000;
                let here = i32::try_from(out.len() % 32_768).unwrap();
                out.push(0xE8);
                out.extend_from_slice(&(target - here).to_le_bytes());
            }
            2 => out.extend_from_slice(&[0x48, 0x8B, 0x45, random.below(16) as u8 * 8]),
            3 => out.extend_from_slice(&[0x0F, 0xB6, 0xC0, 0xC3]),
            4 => {
                // A call whose absolute target is at one of the ends of the range.
                out.push(0xE8);
                let far = [12_000_000, 11_999_999, -1, i32::MIN, i32::MAX][random.below(5)];
                out.extend_from_slice(&far.to_le_bytes());
            }
            _ => out.push(0x90),
        }
    }
    out.truncate(bytes);
    out
}

/// Text, random bytes, zeros and code in turns, in pieces of odd sizes.
pub fn mixed(bytes: usize, seed: u64) -> Vec<u8> {
    let mut dice = Random::new(seed);
    let mut out = Vec::with_capacity(bytes);
    while out.len() < bytes {
        let piece = 1 + dice.below(60_000);
        let piece_seed = dice.number();
        out.extend(match dice.below(4) {
            0 => text(piece, piece_seed),
            1 => random(piece, piece_seed),
            2 => vec![0; piece],
            _ => code(piece, piece_seed),
        });
    }
    out.truncate(bytes);
    out
}

/// The files that every format is tried with: all kinds in all sizes where a
/// chunk may begin or end. No two have the same contents.
pub fn files() -> Vec<Vec<u8>> {
    let sizes = [
        0, 1, 2, 511, 512, 513, 4095, 4096, 4097, 8191, 8193, 16_384, 16_385, 32_767, 32_768,
        32_769, 65_535, 65_536, 65_537, 300_000,
    ];
    let mut files = Vec::new();
    for (seed, size) in (1..).zip(sizes) {
        files.extend([
            text(size, seed),
            random(size, seed << 8),
            vec![0; size],
            code(size, seed << 16),
            mixed(size, seed << 24),
        ]);
    }
    files.push(mixed(5_000_000, 99));
    files.sort();
    files.dedup();
    files
}
