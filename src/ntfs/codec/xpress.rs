//! XPRESS Huffman (MS-XCA 2.1 with 2.2): Compact OS files and WIM images.
//!
//! A chunk is 256 bytes with the code lengths of 512 symbols, four bits each,
//! then a bit stream. Symbols below 256 are literals; the others hold the
//! length of a match (low four bits) and how many bits its distance has (high
//! four bits).

use super::bits::Bits;
use super::huffman::Huffman;
use super::{Codec, CodecError, copy_match};

/// The most plain bytes that one table of code lengths serves (MS-XCA 2.2.4).
/// WOF's chunks have 4 to 16 KiB.
pub const MAX_CHUNK: usize = 65_536;

const CODEC: Codec = Codec::Xpress;

/// Bytes of the table of code lengths.
const TABLE_BYTES: usize = 256;

/// Decodes one chunk, which holds exactly `output.len()` plain bytes, at most
/// [`MAX_CHUNK`]. A chunk that is stored plain (its size is the plain size) is
/// the caller's business. On an error nothing is said about `output`.
pub fn decompress(input: &[u8], output: &mut [u8]) -> Result<(), CodecError> {
    if output.len() > MAX_CHUNK {
        let length = output.len();
        return Err(CodecError::Overrun { codec: CODEC, at: 0, length, room: MAX_CHUNK });
    }
    let Some((table, stream)) = input.split_first_chunk::<TABLE_BYTES>() else {
        return Err(CodecError::Truncated {
            codec: CODEC,
            at: input.len(),
            expected: "256 bytes of code lengths",
        });
    };
    let mut lens = [0; 512];
    for (pair, byte) in lens.chunks_exact_mut(2).zip(table) {
        pair[0] = byte & 0xF;
        pair[1] = byte >> 4;
    }
    let mut code = Huffman::<512, 2048>::new();
    if code.build(&lens).is_none() {
        return Err(CodecError::Invalid {
            codec: CODEC,
            at: 0,
            expected: "code lengths that fit together",
            found: u32::from_le_bytes([table[0], table[1], table[2], table[3]]),
        });
    }
    decode(&code, stream, output).map_err(|e| e.after(TABLE_BYTES))
}

fn decode(code: &Huffman<512, 2048>, stream: &[u8], out: &mut [u8]) -> Result<(), CodecError> {
    let mut bits = Bits::new(CODEC, stream);
    let mut to = 0;
    while to < out.len() {
        bits.refill(); // enough for a literal and a match: 15 + 15 + 15 bits
        let mut symbol = symbol_of(code, &mut bits)?;
        if symbol < 256 {
            out[to] = symbol as u8;
            to += 1;
            if to == out.len() {
                break;
            }
            symbol = symbol_of(code, &mut bits)?;
            if symbol < 256 {
                out[to] = symbol as u8;
                to += 1;
                continue;
            }
        }
        let mut length = symbol & 15;
        if length == 15 {
            length = long_length(&mut bits)?;
        }
        length += 3;
        let distance_bits = (symbol - 256) as u32 >> 4;
        let distance = 1 << distance_bits | bits.take(distance_bits);
        bits.check_match(distance, length, to, out.len() - to)?;
        copy_match(out, to, distance, length);
        to += length;
    }
    // The end mark (symbol 256) may follow; nothing depends on it.
    bits.check()
}

#[inline(always)]
fn symbol_of(code: &Huffman<512, 2048>, bits: &mut Bits<'_>) -> Result<usize, CodecError> {
    code.decode(bits).ok_or_else(|| bits.invalid("a code of the table", bits.peek(15)))
}

/// The length of a match, less 3, where four bits do not hold it: a byte more,
/// or a 16-bit word in place of both.
fn long_length(bits: &mut Bits<'_>) -> Result<usize, CodecError> {
    let byte = bits.byte()?;
    if byte < 255 {
        return Ok(usize::from(byte) + 15);
    }
    let word = u16::from_le_bytes([bits.byte()?, bits.byte()?]);
    if word < 15 {
        return Err(bits.invalid("a match length of 15 or more", word.into()));
    }
    Ok(word.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The worked examples of MS-XCA 3.2: the alphabet, and "abc" a hundred times.
    #[test]
    fn the_published_examples_decode() {
        let mut input = [0; 256];
        input[0x30..0x3E].copy_from_slice(&[
            0x50, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x45, 0x44, 0x04,
        ]);
        input[0x80] = 0x04;
        let stream = [
            0xd8, 0x52, 0x3e, 0xd7, 0x94, 0x11, 0x5b, 0xe9, 0x19, 0x5f, 0xf9, 0xd6, 0x7c, 0xdf,
            0x8d, 0x04, 0x00, 0x00, 0x00, 0x00,
        ];
        let mut out = [0; 26];
        decompress(&[&input[..], &stream].concat(), &mut out).unwrap();
        assert_eq!(&out, b"abcdefghijklmnopqrstuvwxyz");

        let mut input = [0; 256];
        input[0x30..0x32].copy_from_slice(&[0x30, 0x23]);
        input[0x80] = 0x02;
        input[0x8F] = 0x20;
        let stream = [0xa8, 0xdc, 0x00, 0x00, 0xff, 0x26, 0x01];
        let mut out = [0; 300];
        decompress(&[&input[..], &stream].concat(), &mut out).unwrap();
        assert_eq!(out[..], *b"abc".repeat(100));
    }

    #[test]
    fn what_is_missing_or_too_much_is_said() {
        let table_missing = decompress(&[0; 255], &mut [0; 1]);
        assert!(matches!(table_missing, Err(CodecError::Truncated { at: 255, .. })));
        let too_large = decompress(&[0; 300], &mut vec![0; MAX_CHUNK + 1]);
        assert!(matches!(too_large, Err(CodecError::Overrun { length: 65_537, .. })));
        // All 512 symbols with one bit each.
        let too_many = decompress(&[0x11; 300], &mut [0; 1]);
        assert!(matches!(too_many, Err(CodecError::Invalid { at: 0, .. })));
        // No symbol at all.
        let none = decompress(&[0; 300], &mut [0; 1]);
        assert!(matches!(none, Err(CodecError::Invalid { at: 256, .. })), "{none:?}");
        // 'a' with one bit, and four bytes of it: the fifth byte is not there.
        let mut input = [0; 260];
        input[0x30] = 0x10;
        decompress(&input, &mut [0; 32]).unwrap();
        let ended = decompress(&input, &mut [0; 33]);
        assert!(matches!(ended, Err(CodecError::Truncated { at: 260, .. })), "{ended:?}");
    }

    proptest! {
        #[test]
        fn any_bytes_are_decoded_or_refused(
            bytes in prop::collection::vec(any::<u8>(), 250..600),
            // Few symbols, so that the table is possible more often.
            lens in prop::collection::btree_map(0_usize..512, 1_u8..16, 0..12),
            room in 0_usize..5000,
        ) {
            let mut bytes = bytes;
            if !lens.is_empty() && bytes.len() >= 256 {
                bytes[..256].fill(0);
                for (symbol, len) in lens {
                    bytes[symbol / 2] |= len << (symbol % 2 * 4);
                }
            }
            let mut out = vec![0; room];
            let _ = decompress(&bytes, &mut out);
        }
    }
}
