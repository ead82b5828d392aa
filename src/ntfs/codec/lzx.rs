//! LZX as WIM images and Compact OS files have it: chunks of 32 KiB, each on its
//! own. The format is that of cabinet files (MS-PATCH, "LZX DELTA" in MS-LZXD 2)
//! with these differences: the window is the chunk, block sizes take one bit
//! where they are 32 KiB and 16 more where they are not, and x86 calls are
//! always translated, for a file size of 12,000,000.

use super::bits::Bits;
use super::huffman::Huffman;
use super::{Codec, CodecError, copy_match};

/// The most plain bytes in a chunk: the window.
pub const MAX_CHUNK: usize = 32_768;

const CODEC: Codec = Codec::Lzx;

/// Position slots of a 32 KiB window (MS-LZXD 2.1).
const SLOTS: usize = 30;
/// Literals, then 8 length headers for each slot.
const MAIN: usize = 256 + 8 * SLOTS;
/// Match lengths from 9 on.
const LENGTHS: usize = 249;
/// Lengths of codes, coded.
const PRE: usize = 20;
/// The low three bits of distances in aligned blocks.
const ALIGNED: usize = 8;
/// The "file size" of the translation of x86 calls.
const CALL_RANGE: i32 = 12_000_000;

/// For each slot: how many bits follow it, and the first distance in it, plus 2
/// (MS-LZXD 2.4.2).
const SLOT_BITS: [u8; SLOTS] = slot_bits();
const SLOT_BASE: [u16; SLOTS] = slot_base();

const fn slot_bits() -> [u8; SLOTS] {
    let mut bits = [0; SLOTS];
    let mut slot = 4;
    while slot < SLOTS {
        bits[slot] = slot as u8 / 2 - 1;
        slot += 1;
    }
    bits
}

const fn slot_base() -> [u16; SLOTS] {
    let mut base = [0; SLOTS];
    let bits = slot_bits();
    let mut slot = 1;
    while slot < SLOTS {
        base[slot] = base[slot - 1] + (1 << bits[slot - 1]);
        slot += 1;
    }
    base
}

/// Decodes one chunk, which holds exactly `output.len()` plain bytes, at most
/// [`MAX_CHUNK`]. A chunk that is stored plain (its size is the plain size) is
/// the caller's business. On an error nothing is said about `output`.
pub fn decompress(input: &[u8], output: &mut [u8]) -> Result<(), CodecError> {
    if output.len() > MAX_CHUNK {
        let length = output.len();
        return Err(CodecError::Overrun { codec: CODEC, at: 0, length, room: MAX_CHUNK });
    }
    Decoder::new(input).chunk(output)?;
    untranslate_calls(output);
    Ok(())
}

struct Decoder<'a> {
    bits: Bits<'a>,
    main: Huffman<MAIN, 2048>,
    length: Huffman<LENGTHS, 1024>,
    aligned: Huffman<ALIGNED, 128>,
    /// The code lengths of the block before, which those of the next build on.
    main_lens: [u8; MAIN],
    length_lens: [u8; LENGTHS],
    /// The last three distances, the last one first.
    recent: [usize; 3],
}

impl<'a> Decoder<'a> {
    fn new(input: &'a [u8]) -> Self {
        Self {
            bits: Bits::new(CODEC, input),
            main: Huffman::new(),
            length: Huffman::new(),
            aligned: Huffman::new(),
            main_lens: [0; MAIN],
            length_lens: [0; LENGTHS],
            recent: [1; 3],
        }
    }

    /// Decodes blocks until `out` is full.
    fn chunk(&mut self, out: &mut [u8]) -> Result<(), CodecError> {
        let mut to = 0;
        while to < out.len() {
            let kind = self.bits.read(3);
            let size = if self.bits.read(1) == 1 { MAX_CHUNK } else { self.bits.read(16) };
            // A block of the default size may say more than a short chunk holds.
            let end = out.len().min(to + size);
            match kind {
                1 => {
                    self.codes()?;
                    self.compressed::<false>(out, to, end)?;
                }
                2 => {
                    self.aligned_code()?;
                    self.codes()?;
                    self.compressed::<true>(out, to, end)?;
                }
                3 => self.stored(&mut out[to..end])?,
                _ => return Err(self.bits.invalid("a block of kind 1, 2 or 3", kind)),
            }
            self.bits.check()?;
            if size == 0 {
                return Err(self.bits.invalid("a block with something in it", 0));
            }
            to = end;
        }
        Ok(())
    }

    /// Fills `out[to..end]` with literals and matches.
    fn compressed<const IS_ALIGNED: bool>(
        &mut self,
        out: &mut [u8],
        mut to: usize,
        end: usize,
    ) -> Result<(), CodecError> {
        let Self { bits, main, length: length_code, aligned, recent, .. } = self;
        while to < end {
            bits.refill(); // enough for all: 16 + 16 + 13 bits
            let Some(symbol) = main.decode(bits) else {
                return Err(bits.invalid("a code of the main tree", bits.peek(16)));
            };
            if symbol < 256 {
                out[to] = symbol as u8;
                to += 1;
                continue;
            }
            let mut length = symbol & 7;
            if length == 7 {
                let Some(more) = length_code.decode(bits) else {
                    return Err(bits.invalid("a code of the length tree", bits.peek(16)));
                };
                length += more;
            }
            length += 2;
            let slot = (symbol - 256) >> 3;
            let distance = if slot < 3 {
                recent.swap(0, slot);
                recent[0]
            } else {
                let extra = u32::from(SLOT_BITS[slot]);
                let mut distance = usize::from(SLOT_BASE[slot]) - 2;
                if IS_ALIGNED && extra >= 3 {
                    distance += bits.take(extra - 3) << 3;
                    let Some(low) = aligned.decode(bits) else {
                        return Err(bits.invalid("a code of the aligned tree", bits.peek(16)));
                    };
                    distance += low;
                } else {
                    distance += bits.take(extra);
                }
                *recent = [distance, recent[0], recent[1]];
                distance
            };
            bits.check_match(distance, length, to, end - to)?;
            copy_match(out, to, distance, length);
            to += length;
        }
        Ok(())
    }

    /// Fills `out` with a block that is stored plain.
    fn stored(&mut self, out: &mut [u8]) -> Result<(), CodecError> {
        let bytes = self.bits.align();
        let (Some(recent), Some(plain)) = (bytes.first_chunk::<12>(), bytes.get(12..)) else {
            return Err(self.bits.truncated());
        };
        for (place, value) in self.recent.iter_mut().zip(recent.chunks_exact(4)) {
            let value = u32::from_le_bytes([value[0], value[1], value[2], value[3]]);
            // 0 would be no distance; and what reaches too far is met when it is used.
            *place = value.max(1) as usize;
        }
        let Some(plain) = plain.get(..out.len()) else { return Err(self.bits.truncated()) };
        out.copy_from_slice(plain);
        self.bits.jump(12 + plain.len().next_multiple_of(2));
        Ok(())
    }

    /// Reads the code of an aligned block's low distance bits.
    fn aligned_code(&mut self) -> Result<(), CodecError> {
        let mut lens = [0; ALIGNED];
        for len in &mut lens {
            *len = self.bits.read(3) as u8;
        }
        self.aligned.build(&lens).ok_or_else(|| self.bits.invalid("a possible aligned tree", 0))
    }

    /// Reads the main code and the length code.
    fn codes(&mut self) -> Result<(), CodecError> {
        let (literals, matches) = self.main_lens.split_at_mut(256);
        code_lengths(&mut self.bits, literals)?;
        code_lengths(&mut self.bits, matches)?;
        code_lengths(&mut self.bits, &mut self.length_lens)?;
        let (main, length) =
            (self.main.build(&self.main_lens), self.length.build(&self.length_lens));
        if main.and(length).is_none() {
            return Err(self.bits.invalid("possible main and length trees", 0));
        }
        Ok(())
    }
}

/// Reads code lengths, as differences from those that stand in `lens`
/// (MS-LZXD 2.4.1.1).
fn code_lengths(bits: &mut Bits<'_>, lens: &mut [u8]) -> Result<(), CodecError> {
    let mut pre_lens = [0; PRE];
    for len in &mut pre_lens {
        *len = bits.read(4) as u8;
    }
    let mut pre = Huffman::<PRE, 64>::new();
    if pre.build(&pre_lens).is_none() {
        return Err(bits.invalid("a possible pre-tree", 0));
    }
    let no_code = |bits: &Bits<'_>| bits.invalid("a code of the pre-tree", bits.peek(16));
    // Lengths go from 0 to 16, and round.
    let minus = |len: u8, by: usize| ((usize::from(len) + 17 - by) % 17) as u8;
    let mut at = 0;
    while let Some(first) = lens.get(at).copied() {
        bits.refill(); // enough for all: 16 + 5 + 16 bits
        let symbol = pre.decode(bits).ok_or_else(|| no_code(bits))?;
        let (count, len) = match symbol {
            17 => (4 + bits.take(4), 0),
            18 => (20 + bits.take(5), 0),
            19 => {
                let count = 4 + bits.take(1);
                match pre.decode(bits).ok_or_else(|| no_code(bits))? {
                    by @ 0..=16 => (count, minus(first, by)),
                    by => return Err(bits.invalid("a length that is repeated", by)),
                }
            }
            by => (1, minus(first, by)),
        };
        // A run may say more than there is room for; encoders do not, and
        // decoders let it pass.
        let end = lens.len().min(at + count);
        lens[at..end].fill(len);
        at = end;
    }
    Ok(())
}

/// Undoes the translation of x86 calls (MS-LZXD 2.3): after each byte 0xE8 the
/// encoder has put the absolute target in place of the relative one.
fn untranslate_calls(data: &mut [u8]) {
    // The last ten bytes are never translated.
    let Some(end) = data.len().checked_sub(10) else { return };
    let mut at = 0;
    while at < end {
        let Some(step) = data[at..end].iter().position(|b| *b == 0xE8) else { break };
        let (here, target) = (at + step, at + step + 1);
        at = here + 5;
        let Some(bytes) = data[target..].first_chunk_mut::<4>() else { break };
        let absolute = i32::from_le_bytes(*bytes);
        let position = i32::from(here as u16); // below MAX_CHUNK
        if absolute >= 0 {
            if absolute < CALL_RANGE {
                *bytes = (absolute - position).to_le_bytes();
            }
        } else if absolute >= -position {
            *bytes = (absolute + CALL_RANGE).to_le_bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_slots_are_those_of_the_specification() {
        assert_eq!(&SLOT_BITS[..8], &[0, 0, 0, 0, 1, 1, 2, 2]);
        assert_eq!(SLOT_BITS[29], 13);
        assert_eq!(&SLOT_BASE[..10], &[0, 1, 2, 3, 4, 6, 8, 12, 16, 24]);
        // The last slot ends where the window does.
        assert_eq!(u32::from(SLOT_BASE[29]) + (1 << 13), 32_768);
    }

    /// Writes bits the way the format has them.
    #[derive(Default)]
    struct Writer(Vec<bool>);

    impl Writer {
        fn put(mut self, count: u32, value: u32) -> Self {
            self.0.extend((0..count).rev().map(|b| value >> b & 1 == 1));
            self
        }

        fn bytes(mut self) -> Vec<u8> {
            self.0.resize(self.0.len().next_multiple_of(16), false);
            let word = |w: &[bool]| w.iter().fold(0_u16, |v, b| v << 1 | u16::from(*b));
            self.0.chunks(16).flat_map(|w| word(w).to_le_bytes()).collect()
        }
    }

    #[test]
    fn stored_blocks_of_odd_and_even_size_follow_one_another() {
        let mut input = Writer::default().put(3, 3).put(1, 0).put(16, 3).bytes();
        input.extend([1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0]);
        input.extend(b"abc\0");
        input.extend(Writer::default().put(3, 3).put(1, 0).put(16, 2).bytes());
        input.extend([1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0]);
        input.extend(b"de");
        let mut out = [0; 5];
        decompress(&input, &mut out).unwrap();
        assert_eq!(&out, b"abcde");
        for cut in 0..input.len() {
            let short = decompress(&input[..cut], &mut [0; 5]);
            assert!(matches!(short, Err(CodecError::Truncated { .. })), "{cut}: {short:?}");
        }
    }

    #[test]
    fn impossible_blocks_are_refused() {
        let kind = decompress(&Writer::default().put(3, 0).put(1, 1).bytes(), &mut [0; 5]);
        assert!(matches!(kind, Err(CodecError::Invalid { found: 0, .. })));
        let mut input = Writer::default().put(3, 3).put(1, 0).put(16, 0).bytes();
        input.extend([0; 40]);
        let empty = decompress(&input, &mut [0; 5]);
        assert!(matches!(empty, Err(CodecError::Invalid { .. })), "{empty:?}");
        let large = decompress(&[0; 9], &mut vec![0; MAX_CHUNK + 1]);
        assert!(matches!(large, Err(CodecError::Overrun { .. })));
    }

    #[test]
    fn calls_are_translated_back_but_for_the_last_ten_bytes() {
        let call = |target: i32| [&[0xE8][..], &target.to_le_bytes()].concat();
        // At byte 0, at 5 (target before the chunk), at 10 (too far), at 15.
        let mut data =
            [call(100), call(-5), call(CALL_RANGE), call(-16), call(7), vec![0; 5]].concat();
        untranslate_calls(&mut data);
        let want =
            [call(100), call(-5 + CALL_RANGE), call(CALL_RANGE), call(-16), call(7), vec![0; 5]];
        assert_eq!(data, want.concat());
        let mut short = [0xE8; 10];
        untranslate_calls(&mut short);
        assert_eq!(short, [0xE8; 10]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_decoded_or_refused(
            bytes in prop::collection::vec(any::<u8>(), 0..2000),
            room in 0_usize..5000,
        ) {
            let mut out = vec![0; room];
            let _ = decompress(&bytes, &mut out);
        }
    }
}
