//! Canonical Huffman codes, given by the length of each symbol's code
//! (MS-XCA 2.2.3): shorter codes first, symbols of one length in their order.

use super::bits::Bits;

/// The longest code of either format, in bits.
const LONGEST: usize = 16;

/// A code for `SYMBOLS` symbols, with a table of `TABLE` (a power of two)
/// entries that decodes what is short enough in one step.
pub(crate) struct Huffman<const SYMBOLS: usize, const TABLE: usize> {
    /// By the next bits: symbol << 4 | length; 0 for codes that are longer, or none.
    table: [u16; TABLE],
    /// The symbols in the order of their codes.
    sorted: [u16; SYMBOLS],
    /// The first code of each length, where its symbol stands, and how many there are.
    lengths: [Length; LONGEST + 1],
}

#[derive(Clone, Copy, Default)]
struct Length {
    first_code: u32,
    first_symbol: u16,
    count: u16,
}

impl<const SYMBOLS: usize, const TABLE: usize> Huffman<SYMBOLS, TABLE> {
    const BITS: u32 = TABLE.trailing_zeros();

    /// A code without symbols.
    pub(crate) fn new() -> Self {
        Self { table: [0; TABLE], sorted: [0; SYMBOLS], lengths: [Length::default(); LONGEST + 1] }
    }

    /// Takes the lengths, 0 (no code) to 16. `None` when there are more codes
    /// than can be. Fewer are fine (a code may even be empty): what has no code
    /// is found out when it is met.
    pub(crate) fn build(&mut self, lens: &[u8; SYMBOLS]) -> Option<()> {
        let mut counts = [0_u16; LONGEST + 1];
        for &len in lens {
            *counts.get_mut(usize::from(len))? += 1;
        }
        let (mut code, mut symbol) = (0_u32, 0_u16);
        let mut at = [0_usize; LONGEST + 1];
        for (bits, length) in self.lengths.iter_mut().enumerate().skip(1) {
            let count = counts[bits];
            code <<= 1;
            *length = Length { first_code: code, first_symbol: symbol, count };
            at[bits] = usize::from(symbol);
            code += u32::from(count);
            symbol += count;
            if code > 1 << bits {
                return None;
            }
        }
        for (symbol, &len) in (0_u16..).zip(lens) {
            if len != 0 {
                let place = &mut at[usize::from(len)];
                self.sorted[*place] = symbol;
                *place += 1;
            }
        }
        let mut rest = &mut self.table[..];
        for bits in 1..=Self::BITS {
            let length = self.lengths[bits as usize];
            let first = usize::from(length.first_symbol);
            for &symbol in &self.sorted[first..first + usize::from(length.count)] {
                // There is room: the codes were counted.
                let (entries, after) = rest.split_at_mut(1 << (Self::BITS - bits));
                entries.fill(symbol << 4 | bits as u16);
                rest = after;
            }
        }
        rest.fill(0);
        Some(())
    }

    /// Takes the next symbol; `None` where no code fits. At least 16 bits are
    /// loaded.
    #[inline(always)]
    pub(crate) fn decode(&self, bits: &mut Bits<'_>) -> Option<usize> {
        let entry = self.table[bits.peek(Self::BITS) & (TABLE - 1)];
        if entry == 0 {
            return self.decode_long(bits);
        }
        bits.skip(u32::from(entry & 0xF));
        Some(usize::from(entry >> 4))
    }

    #[inline(never)]
    fn decode_long(&self, bits: &mut Bits<'_>) -> Option<usize> {
        for len in Self::BITS + 1..=LONGEST as u32 {
            let length = self.lengths[len as usize];
            let nth = bits.peek(len).wrapping_sub(length.first_code as usize);
            if nth < usize::from(length.count) {
                bits.skip(len);
                return self
                    .sorted
                    .get(usize::from(length.first_symbol) + nth)
                    .map(|s| (*s).into());
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::Codec;
    use super::*;
    use proptest::prelude::*;

    /// Every code, as the specification assigns them one after the other.
    fn codes(lens: &[u8]) -> Vec<(usize, u8, u32)> {
        let mut order: Vec<usize> = (0..lens.len()).filter(|s| lens[*s] != 0).collect();
        order.sort_by_key(|s| lens[*s]);
        let (mut code, mut last) = (0_u32, 0);
        let mut codes = Vec::new();
        for symbol in order {
            code <<= lens[symbol] - last;
            last = lens[symbol];
            codes.push((symbol, last, code));
            code += 1;
        }
        codes
    }

    proptest! {
        #[test]
        fn every_code_decodes_to_its_symbol(weights in prop::collection::vec(0_u8..17, 24)) {
            // Drop symbols until the code is possible.
            let mut lens: [u8; 24] = weights.try_into().unwrap();
            let mut code = Huffman::<24, 64>::new();
            while code.build(&lens).is_none() {
                let shortest = (0..24).filter(|s| lens[*s] != 0).min_by_key(|s| lens[*s]).unwrap();
                lens[shortest] = 0;
            }
            for (symbol, len, code_bits) in codes(&lens) {
                let word = (code_bits << (16 - len)) as u16;
                let input = word.to_le_bytes();
                let mut bits = Bits::new(Codec::Lzx, &input);
                bits.refill();
                prop_assert_eq!(code.decode(&mut bits), Some(symbol));
                prop_assert_eq!(bits.peek(16), usize::from(word) << len & 0xFFFF);
            }
        }
    }

    #[test]
    fn too_many_codes_are_refused_and_missing_ones_are_met() {
        let mut code = Huffman::<4, 4>::new();
        assert!(code.build(&[1, 1, 1, 0]).is_none());
        assert!(code.build(&[1, 2, 2, 16]).is_none());
        assert!(code.build(&[17, 0, 0, 0]).is_none());
        assert!(code.build(&[0, 0, 0, 0]).is_some());
        let mut bits = Bits::new(Codec::Lzx, &[0; 8]);
        bits.refill();
        assert_eq!(code.decode(&mut bits), None);
        assert!(code.build(&[0, 2, 0, 4]).is_some());
        let mut bits = Bits::new(Codec::Lzx, &[0xFF, 0xFF, 0x00, 0x10]);
        bits.refill();
        assert_eq!(code.decode(&mut bits), None);
        bits.skip(16);
        assert_eq!(code.decode(&mut bits), Some(1));
        bits.refill();
        assert_eq!(code.decode(&mut bits), Some(3));
    }
}
