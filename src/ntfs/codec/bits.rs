//! The bit stream that XPRESS Huffman and LZX share: little-endian 16-bit
//! words, each read from its highest bit down (MS-XCA 2.2.4; LZX likewise).

use super::{Codec, CodecError};

/// Reads bits, and now and then whole bytes between them. Past the end of the
/// input come zeros; [`Bits::check`] tells whether any of those were used.
pub(crate) struct Bits<'a> {
    codec: Codec,
    input: &'a [u8],
    /// The byte of the input that is loaded next.
    next: usize,
    /// Loaded bits, the next one on top. Below the `have` bits there may stand
    /// bits that will be loaded again: they are the right ones.
    loaded: u64,
    /// How many bits are loaded.
    have: u32,
}

impl<'a> Bits<'a> {
    pub(crate) fn new(codec: Codec, input: &'a [u8]) -> Self {
        Self { codec, input, next: 0, loaded: 0, have: 0 }
    }

    /// Loads words until there are at least 49 bits.
    #[inline(always)]
    pub(crate) fn refill(&mut self) {
        if self.have > 48 {
            return;
        }
        let Some(words) = self.input.get(self.next..).and_then(<[u8]>::first_chunk) else {
            return self.refill_at_end();
        };
        // The first word belongs on top: turn all bytes around, then those of each word.
        let words = u64::from_be_bytes(*words);
        let words = (words >> 8 & 0x00FF_00FF_00FF_00FF) | (words & 0x00FF_00FF_00FF_00FF) << 8;
        self.loaded |= words >> self.have;
        let whole = (64 - self.have) / 16;
        self.next += whole as usize * 2;
        self.have += whole * 16;
    }

    #[cold]
    fn refill_at_end(&mut self) {
        while self.have <= 48 {
            let byte = |at| u64::from(self.input.get(at).copied().unwrap_or(0));
            let word = byte(self.next) | byte(self.next + 1) << 8;
            // What stands below the loaded bits came from bytes that were there.
            self.loaded |= word << (48 - self.have);
            self.next += 2;
            self.have += 16;
        }
    }

    /// The top `count` bits, 1 to 32. [`Bits::refill`] came before.
    #[inline(always)]
    pub(crate) fn peek(&self, count: u32) -> usize {
        (self.loaded >> (64 - count)) as usize
    }

    /// Passes over `count` bits that were loaded, 0 to 32.
    #[inline(always)]
    pub(crate) fn skip(&mut self, count: u32) {
        self.loaded <<= count;
        self.have -= count;
    }

    /// Takes `count` bits, 0 to 32. [`Bits::refill`] came before.
    #[inline(always)]
    pub(crate) fn take(&mut self, count: u32) -> usize {
        // In two steps, since a shift by 64 is none.
        let value = (self.loaded >> 1 >> (63 - count)) as usize;
        self.skip(count);
        value
    }

    /// Takes `count` bits, loading what is needed.
    pub(crate) fn read(&mut self, count: u32) -> usize {
        self.refill();
        self.take(count)
    }

    /// Takes a byte from between the words. MS-XCA 2.2.4 loads the next word as
    /// soon as fewer than 16 bits are there, so the byte stands after the
    /// 16 to 31 bits that are loaded by then.
    pub(crate) fn byte(&mut self) -> Result<u8, CodecError> {
        self.refill();
        self.unload(16 + self.have % 16);
        let Some(&byte) = self.input.get(self.next) else { return Err(self.truncated()) };
        self.next += 1;
        Ok(byte)
    }

    /// Goes to the start of the next word, passing over a whole one where it
    /// stands at a start already, and gives the bytes from there on (LZX's
    /// uncompressed blocks). [`Bits::jump`] goes on after them.
    pub(crate) fn align(&mut self) -> &'a [u8] {
        self.refill();
        let rest = self.have % 16;
        self.skip(if rest == 0 { 16 } else { rest });
        self.unload(0);
        self.input.get(self.next..).unwrap_or_default()
    }

    /// Passes over `count` bytes of what [`Bits::align`] gave.
    pub(crate) fn jump(&mut self, count: usize) {
        self.next += count;
    }

    /// Gives words back, so that `keep` bits remain loaded.
    fn unload(&mut self, keep: u32) {
        self.next -= ((self.have - keep) / 8) as usize;
        self.have = keep;
        // What is loaded next may not be what was loaded before.
        self.loaded &= !u64::MAX.checked_shr(keep).unwrap_or(0);
    }

    /// How many bits were taken, zeros after the end included.
    fn taken(&self) -> usize {
        self.next * 8 - self.have as usize
    }

    /// The byte of the input that the reader stands in.
    pub(crate) fn at(&self) -> usize {
        (self.taken() / 8).min(self.input.len())
    }

    /// An error if bits were taken that are not in the input.
    pub(crate) fn check(&self) -> Result<(), CodecError> {
        if self.taken() > self.input.len() * 8 { Err(self.truncated()) } else { Ok(()) }
    }

    pub(crate) fn truncated(&self) -> CodecError {
        CodecError::Truncated {
            codec: self.codec,
            at: self.input.len(),
            expected: "more compressed data",
        }
    }

    /// The error for a value that cannot be, unless it came from bits that are
    /// not in the input.
    #[cold]
    pub(crate) fn invalid(&self, expected: &'static str, found: usize) -> CodecError {
        let found = u32::try_from(found).unwrap_or(u32::MAX);
        let error = CodecError::Invalid { codec: self.codec, at: self.at(), expected, found };
        self.check().err().unwrap_or(error)
    }

    /// The error for a match that does not fit, if it does not.
    #[inline(always)]
    pub(crate) fn check_match(
        &self,
        distance: usize,
        length: usize,
        done: usize,
        room: usize,
    ) -> Result<(), CodecError> {
        if distance - 1 < done && length <= room {
            return Ok(());
        }
        Err(self.bad_match(distance, length, done, room))
    }

    #[cold]
    fn bad_match(&self, distance: usize, length: usize, done: usize, room: usize) -> CodecError {
        let (codec, at) = (self.codec, self.at());
        let error = if distance > done {
            CodecError::Distance { codec, at, distance, available: done }
        } else {
            CodecError::Overrun { codec, at, length, room }
        };
        self.check().err().unwrap_or(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Against the plainest reader there is: a list of single bits.
        #[test]
        fn bits_come_in_the_order_of_the_words(
            words in prop::collection::vec(any::<u16>(), 0..40),
            counts in prop::collection::vec(0_u32..=32, 0..60),
        ) {
            let input: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
            let mut plain = words.iter().flat_map(|w| (0..16).rev().map(move |b| w >> b & 1));
            let mut bits = Bits::new(Codec::Lzx, &input);
            let mut taken = 0;
            for count in counts {
                let want = (0..count).fold(0, |v, _| v << 1 | plain.next().unwrap_or(0) as usize);
                prop_assert_eq!(bits.read(count), want);
                taken += count as usize;
                prop_assert_eq!(bits.check().is_err(), taken > input.len() * 8);
            }
        }

        /// Against the reader of MS-XCA 2.2.4, word for word.
        #[test]
        fn bytes_stand_where_the_specification_has_them(
            input in prop::collection::vec(any::<u8>(), 40..100),
            steps in prop::collection::vec((0_u32..=15, any::<bool>()), 0..20),
        ) {
            let word = |at: usize| u32::from(u16::from_le_bytes([input[at], input[at + 1]]));
            let (mut next_bits, mut extra, mut at) = (word(0) << 16 | word(2), 16_i32, 4);
            let mut bits = Bits::new(Codec::Xpress, &input);
            // Before the first bit two whole words are loaded; a byte never comes then.
            for (count, byte) in [(1, false)].into_iter().chain(steps) {
                if at + 4 > input.len() {
                    break;
                }
                prop_assert_eq!(bits.read(count), (u64::from(next_bits) >> (32 - count)) as usize);
                next_bits = if count == 0 { next_bits } else { next_bits << count };
                extra -= i32::try_from(count).unwrap();
                if extra < 0 {
                    next_bits |= word(at) << -extra;
                    extra += 16;
                    at += 2;
                }
                if byte {
                    prop_assert_eq!(bits.byte(), Ok(input[at]));
                    at += 1;
                }
            }
        }
    }

    #[test]
    fn alignment_passes_over_a_whole_word_where_it_stands_at_one() {
        let input: Vec<u8> = (0..20).collect();
        let mut bits = Bits::new(Codec::Lzx, &input);
        assert_eq!(bits.align(), &input[2..]);
        bits.jump(4);
        assert_eq!(bits.read(3), 0);
        assert_eq!(bits.align(), &input[8..]);
        bits.jump(3);
        assert_eq!(bits.read(16), 0x0C0B);
        bits.jump(100);
        assert_eq!(bits.align(), b"");
        assert!(bits.check().is_err());
    }
}
