//! LZNT1: what NTFS's "compressed" attribute means (MS-XCA 2.5).
//!
//! The input is a row of chunks. Each has a 16-bit header (bit 15: compressed;
//! bits 14-12: always 3; bits 11-0: bytes after the header, less one) and
//! stands for 4096 plain bytes; matches never reach before their chunk. A
//! header of 0, or the end of the input, ends the row.

use std::ops::Range;

use super::{Codec, CodecError, copy_match};

const CODEC: Codec = Codec::Lznt1;

/// Plain bytes that a chunk stands for.
pub const CHUNK: usize = 4096;

/// Decodes `input` and appends the plain bytes to `out`, `limit` of them at
/// most: what comes after is not looked at.
///
/// Fewer bytes than `limit` are no error: the row ended early, and on an NTFS
/// volume zeros follow up to the end of the compression unit. A chunk that
/// decodes short and is followed by another is filled up with zeros, as NTFS
/// does, so that every chunk starts at a multiple of [`CHUNK`].
///
/// On an error `out` has the chunks that came before the bad one.
pub fn decompress(input: &[u8], out: &mut Vec<u8>, limit: usize) -> Result<(), CodecError> {
    row(input, &[], out, limit, |_, e| Err(e))
}

/// So many zeros, at a multiple of as many bytes of a chunk's body, are not believed.
const ZEROS: usize = 128;

/// Plain bytes that could not be decoded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bad {
    /// Which, counted from where decoding began; zeros stand there.
    pub plain: Range<usize>,
    /// Why.
    pub error: CodecError,
}

/// Like [`decompress`], for input of which parts could not be read: goes on
/// after a bad chunk as long as its header makes sense, with zeros in its place.
/// `unreadable` are the bytes of `input` that stand for nothing (whatever is
/// there may well decode); every chunk that has one of them is bad.
///
/// Returns what is missing, in order; where the row breaks off, that is all up
/// to `limit`, and `out` is filled up with zeros.
pub fn salvage(
    input: &[u8],
    unreadable: &[Range<usize>],
    out: &mut Vec<u8>,
    limit: usize,
) -> Vec<Bad> {
    let start = out.len();
    let mut missing = Vec::new();
    let broken = row(input, unreadable, out, limit, |plain, error| {
        missing.push(Bad { plain, error });
        Ok(())
    });
    if let Err(error) = broken {
        let plain = (out.len() - start).next_multiple_of(CHUNK).min(limit)..limit;
        out.resize(start + limit, 0);
        missing.push(Bad { plain, error });
    }
    missing
}

/// Decodes the row of chunks. `bad` decides what an error in the body of a
/// chunk means, which has its length and can be passed over.
fn row(
    input: &[u8],
    unreadable: &[Range<usize>],
    out: &mut Vec<u8>,
    limit: usize,
    mut bad: impl FnMut(Range<usize>, CodecError) -> Result<(), CodecError>,
) -> Result<(), CodecError> {
    let check = |bytes: Range<usize>| {
        let at = unreadable.iter().find(|r| r.start < bytes.end && bytes.start < r.end);
        at.map_or(Ok(()), |r| Err(CodecError::Unreadable { codec: CODEC, at: r.start }))
    };
    let start = out.len();
    let mut at = 0;
    // A lone byte after the last chunk is no header: the cluster had no room
    // for the two zero bytes of the end mark.
    while let Some((header, body)) = input[at..].split_first_chunk::<2>() {
        let header = u16::from_le_bytes(*header);
        let done = out.len() - start;
        let first = done.next_multiple_of(CHUNK);
        if first >= limit {
            break;
        }
        check(at..at + 2)?;
        if header == 0 {
            break;
        }
        let (body, is_compressed) = chunk_body(header, body, at)?;
        let begin = start + first;
        // Room for the whole chunk, even where the limit cuts it; zeros fill
        // up the chunk before it.
        out.resize(begin + CHUNK, 0);
        let room = &mut out[begin..];
        let decoded = check(at + 2..at + 2 + body.len()).and_then(|()| {
            if is_compressed {
                return no_zeros(body, at + 2).and_then(|()| compressed(body, at + 2, room));
            }
            room[..body.len()].copy_from_slice(body);
            Ok(body.len())
        });
        at += 2 + body.len();
        match decoded {
            Ok(produced) => out.truncate(begin + produced),
            Err(e) => {
                out.truncate(start + done);
                bad(first..limit.min(first + CHUNK), e)?;
                out.resize(begin + CHUNK, 0);
            }
        }
        // Where the row ends short of the limit, the short chunk stays short.
        out.truncate(start.saturating_add(limit));
    }
    Ok(())
}

/// Zeros in the body of a compressed chunk decode as literal zeros, and no compressor writes
/// hundreds of these: a disk that was not read there has them.
fn no_zeros(body: &[u8], at: usize) -> Result<(), CodecError> {
    let is_zeros = |piece: &[u8]| piece.len() == ZEROS && piece.iter().all(|byte| *byte == 0);
    body.chunks(ZEROS).position(is_zeros).map_or(Ok(()), |piece| {
        Err(CodecError::Invalid {
            codec: CODEC,
            at: at + piece * ZEROS,
            expected: "compressed data",
            found: 0,
        })
    })
}

/// The body of the chunk whose header stands at byte `at` of the input, out of
/// what follows the header, and whether it is compressed.
fn chunk_body(header: u16, rest: &[u8], at: usize) -> Result<(&[u8], bool), CodecError> {
    if header & 0x7000 != 0x3000 {
        return Err(CodecError::Invalid {
            codec: CODEC,
            at,
            expected: "a chunk header with signature 3",
            found: header.into(),
        });
    }
    let size = usize::from(header & 0x0FFF) + 1;
    let body = rest.get(..size).ok_or(CodecError::Truncated {
        codec: CODEC,
        at: at + 2 + rest.len(),
        expected: "the rest of a chunk",
    })?;
    Ok((body, header & 0x8000 != 0))
}

/// Decodes the body of a compressed chunk, which stands at byte `at` of the
/// input. Returns the number of plain bytes.
fn compressed(body: &[u8], at: usize, out: &mut [u8]) -> Result<usize, CodecError> {
    let mut from = 0;
    let mut to = 0;
    while from < body.len() {
        // A byte of flags, lowest bit first, then a literal or a match for each.
        let mut flags = body[from];
        from += 1;
        if flags == 0
            && let (Some(literals), Some(room)) =
                (body.get(from..from + 8), out.get_mut(to..to + 8))
        {
            room.copy_from_slice(literals);
            from += 8;
            to += 8;
            continue;
        }
        for _ in 0..8 {
            let Some(&first) = body.get(from) else { break };
            let room = out.len() - to;
            if flags & 1 == 0 {
                if room == 0 {
                    return Err(CodecError::Overrun {
                        codec: CODEC,
                        at: at + from,
                        length: 1,
                        room,
                    });
                }
                out[to] = first;
                from += 1;
                to += 1;
            } else {
                let Some(&second) = body.get(from + 1) else {
                    return Err(CodecError::Truncated {
                        codec: CODEC,
                        at: at + from + 1,
                        expected: "the second byte of a match",
                    });
                };
                let word = u16::from_le_bytes([first, second]);
                let length_bits = 16 - distance_bits(to);
                let distance = usize::from(word >> length_bits) + 1;
                let length = usize::from(word & ((1 << length_bits) - 1)) + 3;
                if distance > to {
                    let at = at + from;
                    return Err(CodecError::Distance { codec: CODEC, at, distance, available: to });
                }
                if length > room {
                    return Err(CodecError::Overrun { codec: CODEC, at: at + from, length, room });
                }
                copy_match(out, to, distance, length);
                from += 2;
                to += length;
            }
            flags >>= 1;
        }
    }
    Ok(to)
}

/// How many bits of a match are its distance, when `done` bytes of the chunk
/// are there: as many as `done - 1` needs, from 4 to 12 (MS-XCA 2.5.1.4).
#[inline]
fn distance_bits(done: usize) -> u32 {
    (usize::BITS - done.saturating_sub(1).leading_zeros()).clamp(4, 12)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plain(input: &[u8], limit: usize) -> Result<Vec<u8>, CodecError> {
        let mut out = b"before".to_vec();
        decompress(input, &mut out, limit)?;
        assert_eq!(&out[..6], b"before");
        Ok(out.split_off(6))
    }

    /// The worked example of MS-XCA 3.3.
    const EXAMPLE: &[u8] = &[
        0x38, 0xb0, 0x88, 0x46, 0x23, 0x20, 0x00, 0x20, 0x47, 0x20, 0x41, 0x00, 0x10, 0xa2, 0x47,
        0x01, 0xa0, 0x45, 0x20, 0x44, 0x00, 0x08, 0x45, 0x01, 0x50, 0x79, 0x00, 0xc0, 0x45, 0x20,
        0x05, 0x24, 0x13, 0x88, 0x05, 0xb4, 0x02, 0x4a, 0x44, 0xef, 0x03, 0x58, 0x02, 0x8c, 0x09,
        0x16, 0x01, 0x48, 0x45, 0x00, 0xbe, 0x00, 0x9e, 0x00, 0x04, 0x01, 0x18, 0x90, 0x00,
    ];
    const EXAMPLE_TEXT: &[u8] = b"F# F# G A A G F# E D D E F# F# E E F# F# G A A G F# E D D E F# \
        E D D E E F# D E F# G F# D E F# G F# E D E A F# F# G A A G F# E D D E F# E D D\0";

    #[test]
    fn the_published_example_decodes() {
        assert_eq!(plain(EXAMPLE, CHUNK).unwrap(), EXAMPLE_TEXT);
    }

    #[test]
    fn the_row_ends_at_a_zero_header_a_lone_byte_or_the_end() {
        for tail in [&[][..], &[0], &[7], &[0, 0], &[0, 0, 0xFF, 0xFF, 1]] {
            let input = [EXAMPLE, tail].concat();
            assert_eq!(plain(&input, CHUNK).unwrap(), EXAMPLE_TEXT);
        }
        assert_eq!(plain(&[], CHUNK).unwrap(), b"");
    }

    #[test]
    fn a_short_chunk_is_filled_with_zeros_only_where_another_follows() {
        // "abc" stored, twice.
        let stored = [0x02, 0x30, b'a', b'b', b'c'];
        let out = plain(&[stored, stored].concat(), 65536).unwrap();
        assert_eq!(out.len(), CHUNK + 3);
        assert_eq!((&out[..3], &out[CHUNK..]), (&b"abc"[..], &b"abc"[..]));
        assert!(out[3..CHUNK].iter().all(|b| *b == 0));
    }

    #[test]
    fn the_limit_cuts_and_what_follows_is_not_looked_at() {
        let garbage = [0x02, 0x30, b'a', b'b', b'c', 0xFF, 0x0F];
        assert_eq!(plain(&garbage, 2).unwrap(), b"ab");
        assert_eq!(plain(&garbage, 3).unwrap(), b"abc");
        assert_eq!(plain(&garbage, CHUNK).unwrap(), b"abc");
        assert!(plain(&garbage, CHUNK + 1).is_err());
        assert_eq!(plain(&garbage, 0).unwrap(), b"");
    }

    #[test]
    fn errors_say_where_and_keep_the_chunks_before() {
        let stored = [0x02, 0x30, b'a', b'b', b'c'];
        let bad: [(&[u8], CodecError); 5] = [
            (
                &[0x02, 0x40, 0, 0, 0],
                CodecError::Invalid {
                    codec: Codec::Lznt1,
                    at: 5,
                    expected: "a chunk header with signature 3",
                    found: 0x4002,
                },
            ),
            (
                &[0x02, 0xB0, 0],
                CodecError::Truncated {
                    codec: Codec::Lznt1,
                    at: 8,
                    expected: "the rest of a chunk",
                },
            ),
            (
                // Flags ask for a match, of which one byte is there.
                &[0x02, 0xB0, 0x02, b'a', 0x00],
                CodecError::Truncated {
                    codec: Codec::Lznt1,
                    at: 10,
                    expected: "the second byte of a match",
                },
            ),
            (
                &[0x03, 0xB0, 0x02, b'a', 0x00, 0x10],
                CodecError::Distance { codec: Codec::Lznt1, at: 9, distance: 2, available: 1 },
            ),
            (
                // One literal, then a match of 4098 bytes.
                &[0x03, 0xB0, 0x02, b'a', 0xFF, 0x0F],
                CodecError::Overrun { codec: Codec::Lznt1, at: 9, length: 4098, room: 4095 },
            ),
        ];
        for (bytes, want) in bad {
            let mut out = Vec::new();
            let got = decompress(&[&stored[..], bytes].concat(), &mut out, 65536);
            assert_eq!(got, Err(want));
            assert_eq!(out, b"abc");
        }
    }

    #[test]
    fn a_bad_chunk_is_passed_over_where_its_header_stands() {
        let stored = [0x02, 0x30, b'a', b'b', b'c'];
        let bad = [0x03, 0xB0, 0x02, b'x', 0x00, 0x10]; // reaches before its start
        let mut out = b"before".to_vec();
        let missing = salvage(&[&stored[..], &bad, &stored].concat(), &[], &mut out, 65_536);
        assert_eq!(missing.len(), 1);
        assert_eq!(missing[0].plain, 4096..8192);
        assert_eq!(
            missing[0].error,
            CodecError::Distance { codec: CODEC, at: 9, distance: 2, available: 1 }
        );
        let want = [&b"beforeabc"[..], &[0; 8189], b"abc"].concat();
        assert!(out == want);

        // Where the header is gone too, so is the rest.
        let mut out = Vec::new();
        let missing = salvage(&[&stored[..], &[0xFF; 9], &stored].concat(), &[], &mut out, 10_000);
        assert_eq!(missing.len(), 1);
        assert_eq!(missing[0].plain, 4096..10_000);
        assert_eq!((&out[..3], out.len()), (&b"abc"[..], 10_000));
    }

    #[test]
    fn what_could_not_be_read_is_missing_even_if_it_decodes() {
        let input = [0x02, 0x30, b'a', b'b', b'c'].repeat(3);
        for (unreadable, missing_plain) in [
            (8..9, 4096..8192),   // in the second chunk
            (5..6, 4096..20_000), // in its header
            (6..11, 4096..20_000),
            (13..99, 8192..12_288),
        ] {
            let mut out = Vec::new();
            let missing = salvage(&input, std::slice::from_ref(&unreadable), &mut out, 20_000);
            assert_eq!(missing.len(), 1);
            assert_eq!(missing[0].plain, missing_plain.clone(), "{unreadable:?}");
            assert_eq!(
                missing[0].error,
                CodecError::Unreadable { codec: CODEC, at: unreadable.start }
            );
            assert!(out[missing_plain].iter().all(|b| *b == 0));
        }
        // The end mark could not be read: nobody knows whether more followed.
        let mut out = Vec::new();
        let missing = salvage(&[0x00, 0x30, b'a', 0, 0, 0], &[3..4, 4..5], &mut out, 9000);
        assert_eq!(missing[0].plain, 4096..9000);
    }

    #[test]
    fn a_full_chunk_takes_no_more() {
        // Literals alone: 4094 bytes of groups (a header cannot say more than 4096).
        let mut body = Vec::new();
        for _ in 0..CHUNK / 8 {
            body.extend_from_slice(&[0, 1, 2, 3, 4, 5, 6, 7, 8]);
        }
        body.truncate(4094);
        let mut input = (0xB000 | u16::try_from(body.len() - 1).unwrap()).to_le_bytes().to_vec();
        input.extend_from_slice(&body);
        assert_eq!(plain(&input, CHUNK).unwrap().len(), body.len() - body.len().div_ceil(9));
    }

    #[test]
    fn the_split_of_a_match_moves_with_the_position() {
        let want = [(0, 4), (1, 4), (16, 4), (17, 5), (32, 5), (33, 6), (2048, 11), (2049, 12)];
        for (done, bits) in want {
            assert_eq!(distance_bits(done), bits, "after {done} bytes");
        }
        assert_eq!(distance_bits(CHUNK), 12);
    }

    proptest! {
        #[test]
        fn any_bytes_are_decoded_or_refused_within_the_limit(
            bytes in prop::collection::vec(any::<u8>(), 0..600),
            limit in 0_usize..20_000,
        ) {
            let mut out = Vec::new();
            let _ = decompress(&bytes, &mut out, limit);
            prop_assert!(out.len() <= limit);
        }

        #[test]
        fn damaged_real_data_is_decoded_or_refused(at in 0..EXAMPLE.len(), to: u8) {
            let mut bytes = EXAMPLE.to_vec();
            bytes[at] = to;
            let mut out = Vec::new();
            let _ = decompress(&bytes, &mut out, CHUNK);
            prop_assert!(out.len() <= CHUNK);
        }
    }
}
