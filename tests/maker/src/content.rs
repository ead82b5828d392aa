//! What files hold: bytes that follow from a seed, made while they are written
//! or hashed, so that a file of 20 MB costs no memory.

use anyhow::Result;
use sha2::{Digest, Sha256};

use crate::rng::Rng;

/// Pieces that content comes in, in bytes.
const PIECE: usize = 128 * 1024;

/// The bytes of one stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Content {
    /// These bytes.
    Bytes(Vec<u8>),
    /// Bytes that nothing compresses, like those of pictures and archives.
    Noise {
        /// What they follow from.
        seed: u64,
        /// How many.
        len: u64,
    },
    /// English-looking words, which compress well.
    Text {
        /// What they follow from.
        seed: u64,
        /// How many bytes.
        len: u64,
    },
    /// One after the other.
    ConcatenatedFile(Vec<Content>),
    /// Islands of data, holes between them and after the last. The holes read
    /// as zeros and are left unallocated.
    Sparse {
        /// Bytes in all.
        len: u64,
        /// Offset and data of each island, in order, without overlaps.
        islands: Vec<(u64, Content)>,
    },
}

impl Content {
    /// No bytes at all.
    pub fn empty() -> Self {
        Self::Bytes(Vec::new())
    }

    /// Incompressible bytes.
    pub fn noise(seed: u64, len: u64) -> Self {
        Self::Noise { seed, len }
    }

    /// Words.
    pub fn text(seed: u64, len: u64) -> Self {
        Self::Text { seed, len }
    }

    /// Bytes in all.
    pub fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Noise { len, .. } | Self::Text { len, .. } | Self::Sparse { len, .. } => *len,
            Self::ConcatenatedFile(parts) => parts.iter().map(Self::len).sum(),
        }
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Gives the data piece by piece, in order, each with its offset; holes are
    /// left out.
    pub fn pieces(&self, give: &mut dyn FnMut(u64, &[u8]) -> Result<()>) -> Result<()> {
        self.pieces_at(0, give)
    }

    fn pieces_at(&self, at: u64, give: &mut dyn FnMut(u64, &[u8]) -> Result<()>) -> Result<()> {
        match self {
            Self::Bytes(bytes) => {
                let mut offset = at;
                for piece in bytes.chunks(PIECE) {
                    give(offset, piece)?;
                    offset += piece.len() as u64;
                }
            }
            Self::Noise { seed, len } => {
                let mut rng = Rng::new(*seed);
                made(at, *len, give, |piece| rng.fill(piece))?;
            }
            Self::Text { seed, len } => {
                let mut words = Words::new(*seed);
                made(at, *len, give, |piece| words.fill(piece))?;
            }
            Self::ConcatenatedFile(parts) => {
                let mut offset = at;
                for part in parts {
                    part.pieces_at(offset, give)?;
                    offset += part.len();
                }
            }
            Self::Sparse { islands, .. } => {
                for (offset, island) in islands {
                    island.pieces_at(at + offset, give)?;
                }
            }
        }
        Ok(())
    }

    /// All bytes, holes as zeros.
    pub fn to_vec(&self) -> Result<Vec<u8>> {
        let mut all = vec![0; usize::try_from(self.len())?];
        self.pieces(&mut |offset, piece| {
            let start = usize::try_from(offset)?;
            all[start..start + piece.len()].copy_from_slice(piece);
            Ok(())
        })?;
        Ok(all)
    }

    /// The SHA-256 of all bytes, holes as zeros, in lower-case hex.
    pub fn sha256(&self) -> String {
        let mut hash = Sha256::new();
        let mut at = 0;
        // Nothing in the closure fails.
        let _ = self.pieces(&mut |offset, piece| {
            zeros(&mut hash, offset - at);
            hash.update(piece);
            at = offset + piece.len() as u64;
            Ok(())
        });
        zeros(&mut hash, self.len() - at);
        hex(&hash.finalize())
    }
}

/// Makes `len` bytes by `fill`, a piece at a time.
fn made(
    at: u64,
    len: u64,
    give: &mut dyn FnMut(u64, &[u8]) -> Result<()>,
    mut fill: impl FnMut(&mut [u8]),
) -> Result<()> {
    let mut piece = vec![0; PIECE.min(usize::try_from(len)?)];
    let mut done = 0;
    while done < len {
        let size = PIECE.min(usize::try_from(len - done)?);
        fill(&mut piece[..size]);
        give(at + done, &piece[..size])?;
        done += size as u64;
    }
    Ok(())
}

fn zeros(hash: &mut Sha256, mut len: u64) {
    let block = [0; 4096];
    while len > 0 {
        let size = usize::try_from(len.min(4096)).unwrap_or(4096);
        hash.update(&block[..size]);
        len -= size as u64;
    }
}

/// Bytes in lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// An endless text of words, lines broken at about 80 characters.
struct Words {
    rng: Rng,
    word: &'static [u8],
    column: usize,
}

const WORDS: &[&str] = &[
    "the ",
    "of ",
    "and ",
    "to ",
    "in ",
    "a ",
    "is ",
    "that ",
    "for ",
    "with ",
    "report ",
    "budget ",
    "meeting ",
    "quarter ",
    "customer ",
    "draft ",
    "please ",
    "thanks ",
    "review ",
    "attached ",
    "deadline ",
    "project ",
    "numbers ",
    "holiday ",
    "invoice ",
    "photos ",
    "garden ",
    "school ",
    "recipe ",
    "insurance. ",
    "tomorrow, ",
    "again. ",
];

impl Words {
    fn new(seed: u64) -> Self {
        Self { rng: Rng::new(seed), word: b"", column: 0 }
    }

    fn fill(&mut self, buf: &mut [u8]) {
        for byte in buf {
            let Some((first, rest)) = self.word.split_first() else {
                self.word = self.rng.pick(WORDS).as_bytes();
                if self.column > 72 {
                    self.column = 0;
                    *byte = b'\n';
                } else {
                    *byte = self.word[0];
                    self.word = &self.word[1..];
                    self.column += 1;
                }
                continue;
            };
            *byte = *first;
            self.word = rest;
            self.column += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_that_of_all_bytes_holes_included() {
        let content = Content::ConcatenatedFile(vec![
            Content::text(1, 300_000),
            Content::Sparse {
                len: 100_000,
                islands: vec![
                    (5_000, Content::noise(2, 70_000)),
                    (90_000, Content::Bytes(vec![7])),
                ],
            },
            Content::Bytes(b"end".to_vec()),
        ]);
        let all = content.to_vec().unwrap();
        assert_eq!(all.len(), 400_003);
        assert_eq!(all[304_999..305_000], [0]);
        assert_eq!(all[390_000], 7);
        assert_eq!(content.sha256(), hex(&Sha256::digest(&all)));
    }
}
