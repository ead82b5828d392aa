//! XXH3 (128 bits), the fast hash: it finds what a disk or a cable did to bytes, in
//! a fraction of the time of SHA-256. It does not protect against forgery; what
//! must resist that (files, and the files of a set) has its SHA-256.

use twox_hash::XxHash3_128;

use super::hash::to_hex;

/// Bytes per digest of a file, and per read-back. The digests of a terabyte take
/// 16 MiB of memory.
pub(crate) const BLOCK: usize = 1 << 20;

/// The XXH3 of 128 bits, without a seed, in hex as `xxhsum -H2` prints it.
pub(crate) fn xxh128_hex(bytes: &[u8]) -> String {
    to_hex(&XxHash3_128::oneshot(bytes).to_be_bytes())
}

/// Whether `data` is the whole block with this digest.
pub(crate) fn is_block(digest: u128, data: &[u8]) -> bool {
    data.len() == BLOCK && XxHash3_128::oneshot(data) == digest
}

/// The digests of a file's blocks, computed as it grows.
#[derive(Default)]
pub(crate) struct Blocks {
    whole: Vec<u128>,
    last: XxHash3_128,
    /// Bytes in `last`, less than a block.
    bytes: usize,
}

impl Blocks {
    /// Adds the next bytes of the file.
    pub(crate) fn update(&mut self, mut data: &[u8]) {
        while !data.is_empty() {
            let (now, later) = data.split_at(data.len().min(BLOCK - self.bytes));
            if now.len() == BLOCK {
                self.whole.push(XxHash3_128::oneshot(now));
            } else {
                self.last.write(now);
                self.bytes += now.len();
            }
            if self.bytes == BLOCK {
                self.whole.push(std::mem::take(&mut self.last).finish_128());
                self.bytes = 0;
            }
            data = later;
        }
    }

    /// The digests of the whole blocks from number `first` on.
    pub(crate) fn whole(&self, first: usize) -> &[u128] {
        self.whole.get(first..).unwrap_or_default()
    }

    /// Whether block `number` (from 0) is exactly `data`.
    pub(crate) fn has(&self, number: usize, data: &[u8]) -> bool {
        match self.whole.get(number) {
            Some(digest) => is_block(*digest, data),
            None => {
                number == self.whole.len()
                    && data.len() == self.bytes
                    && XxHash3_128::oneshot(data) == self.last.finish_128()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_hex_is_what_xxhsum_prints() {
        // `printf abc | xxhsum -H2`, xxhsum 0.8.
        assert_eq!(xxh128_hex(b"abc"), "06b05ab6733a618578af5f94892f3950");
        assert_eq!(xxh128_hex(b""), "99aa06d3014798d86001c324468d497f");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn blocks_are_the_same_however_the_file_grew(
            pieces in proptest::collection::vec(0_usize..3 * BLOCK, 0..6),
            at: prop::sample::Index,
        ) {
            let total: usize = pieces.iter().sum();
            let file: Vec<u8> = (0..total).map(|i| (i * 7 + i / 251).to_le_bytes()[0]).collect();
            let mut blocks = Blocks::default();
            let mut rest = &file[..];
            for bytes in pieces {
                let (now, later) = rest.split_at(bytes);
                blocks.update(now);
                rest = later;
            }
            for (number, block) in file.chunks(BLOCK).enumerate() {
                prop_assert!(blocks.has(number, block));
                prop_assert!(!blocks.has(number + 1, block));
                prop_assert!(!blocks.has(number, &block[1..]));
                let mut other = block.to_vec();
                other[at.index(block.len())] ^= 1;
                prop_assert!(!blocks.has(number, &other));
            }
            prop_assert!(!blocks.has(total / BLOCK + 1, b""));
        }
    }
}
