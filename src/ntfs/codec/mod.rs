//! Decoders for the compression that NTFS volumes hold: LZNT1 (the
//! "compressed" attribute), XPRESS Huffman and LZX (Compact OS files).
//!
//! They take untrusted bytes: every length and distance is checked, nothing is
//! allocated beyond what the caller allows, and nothing panics.

// Bit fields are cut out of wider words all over these files; the shift or the
// mask beside each cast keeps it in range.
#![allow(clippy::cast_possible_truncation)]
// Measured: without these the hot loops lose a third of their speed.
#![allow(clippy::inline_always)]

mod bits;
mod huffman;
pub mod lznt1;
pub mod lzx;
pub mod xpress;

use std::fmt;

/// The compression formats.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Codec {
    /// MS-XCA 2.5.
    Lznt1,
    /// MS-XCA 2.1 with 2.2.
    Xpress,
    /// LZX as WIM and WOF use it.
    Lzx,
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Lznt1 => "LZNT1",
            Self::Xpress => "XPRESS",
            Self::Lzx => "LZX",
        })
    }
}

/// Why compressed bytes cannot be decoded. `at` is the byte of the input where
/// the decoder stood.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CodecError {
    /// The input ends in the middle of something.
    #[error("{codec} data ends at byte {at}: expected {expected}")]
    Truncated {
        /// Of which format.
        codec: Codec,
        /// Byte of the input.
        at: usize,
        /// What should follow there.
        expected: &'static str,
    },
    /// A field has a value that it cannot have.
    #[error("{codec} data, byte {at}: expected {expected}, found {found:#x}")]
    Invalid {
        /// Of which format.
        codec: Codec,
        /// Byte of the input.
        at: usize,
        /// What should stand there.
        expected: &'static str,
        /// What stands there.
        found: u32,
    },
    /// Bytes that could not be read would be needed.
    #[error("{codec} data, byte {at}: could not be read")]
    Unreadable {
        /// Of which format.
        codec: Codec,
        /// Byte of the input.
        at: usize,
    },
    /// A match copies from before the start of the plain data.
    #[error(
        "{codec} data, byte {at}: expected a match within the {available} bytes decoded, \
         found distance {distance}"
    )]
    Distance {
        /// Of which format.
        codec: Codec,
        /// Byte of the input.
        at: usize,
        /// How far back the match points, in bytes.
        distance: usize,
        /// How many bytes are there.
        available: usize,
    },
    /// There is more plain data than there is room for.
    #[error("{codec} data, byte {at}: expected at most {room} more plain bytes, found {length}")]
    Overrun {
        /// Of which format.
        codec: Codec,
        /// Byte of the input.
        at: usize,
        /// Bytes that the input wants to produce.
        length: usize,
        /// Bytes that may be produced.
        room: usize,
    },
}

impl CodecError {
    /// The same, for input that begins with `bytes` more.
    fn after(mut self, bytes: usize) -> Self {
        match &mut self {
            Self::Truncated { at, .. }
            | Self::Invalid { at, .. }
            | Self::Unreadable { at, .. }
            | Self::Distance { at, .. }
            | Self::Overrun { at, .. } => *at += bytes,
        }
        self
    }
}

/// Copies `length` bytes within `out`, from `distance` before `pos` to `pos`;
/// the two may overlap, as LZ77 matches do. May also write up to
/// [`COPY_SLACK`] bytes after the match where `out` goes on.
///
/// The caller has checked that `1 <= distance <= pos` and that `length` bytes
/// from `pos` lie in `out`.
#[inline]
fn copy_match(out: &mut [u8], pos: usize, distance: usize, length: usize) {
    let from = pos - distance;
    if distance >= COPY_STEP && out.len() - pos >= length + COPY_SLACK {
        // Whole steps, past the end if need be: two instructions each.
        let mut done = 0;
        while done < length {
            let mut step = [0; COPY_STEP];
            step.copy_from_slice(&out[from + done..][..COPY_STEP]);
            out[pos + done..][..COPY_STEP].copy_from_slice(&step);
            done += COPY_STEP;
        }
    } else if distance == 1 {
        let byte = out[from];
        out[pos..pos + length].fill(byte);
    } else if distance >= length {
        out.copy_within(from..from + length, pos);
    } else {
        // The pattern repeats: every round doubles what can be copied at once.
        let mut done = 0;
        while done < length {
            let step = (distance + done).min(length - done);
            out.copy_within(from..from + step, pos + done);
            done += step;
        }
    }
}

/// How many bytes [`copy_match`] moves at a time.
const COPY_STEP: usize = 16;

/// How far [`copy_match`] may write past the end of a match.
const COPY_SLACK: usize = COPY_STEP - 1;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_match_is_copied_byte_after_byte(
            distance in 1_usize..80,
            length in 0_usize..300,
            slack in 0_usize..40,
        ) {
            let mut want: Vec<u8> = (0_u8..).take(distance).map(|i| i ^ 0x5A).collect();
            let mut out = want.clone();
            out.resize(distance + length + slack, 0xEE);
            for i in 0..length {
                want.push(want[i]);
            }
            copy_match(&mut out, distance, distance, length);
            prop_assert_eq!(&out[..distance + length], &want[..]);
        }
    }
}
