//! The files of an encrypted store or manifest, read as one plain file. A damaged chunk
//! only costs its own bytes.

use std::sync::Arc;

use crate::destination::{Destination, DestinationError, DestinationFile, ErrorKind, read_full};
use crate::set::crypt::SetKey;
use crate::set::crypt::stream::{CHUNK, Cipher, MAX_HEADER, SEALED, TAG, open};

/// Chunks per read.
const AT_ONCE: usize = 16;

/// One of the files.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Segment {
    /// Its path at the destination.
    pub(crate) path: String,
    /// Plain bytes in it.
    pub(crate) plain: u64,
}

/// A destination that is owned or borrowed.
pub(crate) trait Reach: Send {
    fn target(&self) -> &dyn Destination;
}

impl Reach for Arc<dyn Destination> {
    fn target(&self) -> &dyn Destination {
        &**self
    }
}

impl Reach for &dyn Destination {
    fn target(&self) -> &dyn Destination {
        *self
    }
}

/// Files in order, readable as one plain file.
pub(crate) struct ConcatenatedFile<T> {
    target: T,
    key: SetKey,
    /// The current segment and its start.
    pieces: Vec<(Segment, u64)>,
    /// The last segment may or may not have its end mark.
    unfinished: bool,
    open: Option<Open>,
}

struct Open {
    piece: usize,
    file: Box<dyn DestinationFile>,
    header: u64,
    cipher: Cipher,
    /// The last decrypted chunks: the number of the first, and their bytes.
    first: u64,
    plain: Vec<u8>,
}

impl<T: Reach> ConcatenatedFile<T> {
    pub(crate) fn new(target: T, key: SetKey, pieces: Vec<Segment>, unfinished: bool) -> Self {
        let mut start = 0_u64;
        let place = |piece: Segment| {
            let at = start;
            start = start.saturating_add(piece.plain);
            (piece, at)
        };
        let pieces = pieces.into_iter().map(place).collect();
        Self { target, key, pieces, unfinished, open: None }
    }

    /// Total plain bytes.
    pub(crate) fn total(&self) -> u64 {
        self.pieces.last().map_or(0, |(piece, start)| start.saturating_add(piece.plain))
    }

    /// The segment of a byte, and its start.
    pub(crate) fn place(&self, offset: u64) -> Option<(usize, u64)> {
        let after = self.pieces.partition_point(|(_, start)| *start <= offset);
        let index = after.checked_sub(1)?;
        let (piece, start) = self.pieces.get(index)?;
        (offset - start < piece.plain).then_some((index, *start))
    }

    /// The path of a segment, the length of its header and its cipher.
    pub(crate) fn cipher(
        &mut self,
        index: usize,
    ) -> Result<(&str, u64, &Cipher), DestinationError> {
        let open = Self::opened(&self.target, &self.key, &self.pieces, &mut self.open, index)?;
        Ok((self.pieces[index].0.path.as_str(), open.header, &open.cipher))
    }

    fn opened<'a>(
        target: &T,
        key: &SetKey,
        pieces: &[(Segment, u64)],
        open_now: &'a mut Option<Open>,
        index: usize,
    ) -> Result<&'a mut Open, DestinationError> {
        if open_now.as_ref().is_none_or(|open| open.piece != index) {
            *open_now = None;
            let path = &pieces[index].0.path;
            let target = target.target();
            let mut file = target.open(path)?;
            let mut start = vec![0; MAX_HEADER];
            let read = read_full(&mut *file, 0, &mut start)?;
            let (header, cipher) = open(key, &start[..read])
                .map_err(|error| corrupted(target, path, error.to_string()))?;
            let (first, plain) = (0, Vec::new());
            let header = header as u64;
            *open_now = Some(Open { piece: index, file, header, cipher, first, plain });
        }
        match open_now {
            Some(open) => Ok(open),
            None => Err(corrupted(target.target(), "", "no such file".to_owned())),
        }
    }

    /// Reads from one segment at a byte of it.
    fn read_piece(
        &mut self,
        index: usize,
        at: u64,
        buf: &mut [u8],
    ) -> Result<usize, DestinationError> {
        let unfinished = self.unfinished && index + 1 == self.pieces.len();
        let Segment { path, plain } = &self.pieces[index].0;
        let last = plain.saturating_sub(1) / CHUNK as u64;
        let wanted = at / CHUNK as u64;
        let open = Self::opened(&self.target, &self.key, &self.pieces, &mut self.open, index)?;
        let have = open.first..open.first + (open.plain.len() as u64).div_ceil(CHUNK as u64);
        if !have.contains(&wanted) {
            open.plain.clear();
            open.first = wanted;
            let inside = usize::try_from(at % CHUNK as u64).unwrap_or(0);
            let chunks = (inside + buf.len()).div_ceil(CHUNK).clamp(1, AT_ONCE);
            let left = usize::try_from(last - wanted).unwrap_or(usize::MAX).saturating_add(1);
            let mut sealed = vec![0; chunks.min(left) * SEALED];
            let from = open.header.saturating_add(wanted.saturating_mul(SEALED as u64));
            let read = read_full(&mut *open.file, from, &mut sealed)?;
            for (number, chunk) in (wanted..).zip(sealed[..read].chunks(SEALED)) {
                let is_last = number == last;
                // Only as many bytes as there are plain ones: the next may follow already.
                let size = plain.saturating_sub(number * CHUNK as u64).min(CHUNK as u64);
                let size = usize::try_from(size).unwrap_or(CHUNK) + TAG;
                let mut bytes = chunk.get(..size).unwrap_or(chunk).to_vec();
                let mut good = open.cipher.open(number, is_last && !unfinished, &mut bytes);
                if !good && is_last && unfinished {
                    // The interruption came after it was marked as the last one.
                    bytes = chunk.get(..size).unwrap_or(chunk).to_vec();
                    good = open.cipher.open(number, true, &mut bytes);
                }
                if !good || bytes.len() + TAG != size {
                    if number > wanted {
                        break; // reported when it is requested
                    }
                    let what = format!("64 KiB block {number} does not decrypt: it is damaged");
                    return Err(corrupted(self.target.target(), path, what));
                }
                open.plain.extend_from_slice(&bytes);
            }
        }
        let inside = usize::try_from(at - open.first * CHUNK as u64).unwrap_or(usize::MAX);
        let rest = open.plain.get(inside..).unwrap_or_default();
        let count = rest.len().min(buf.len());
        buf[..count].copy_from_slice(&rest[..count]);
        if count == 0 {
            let what = "the file ends earlier".to_owned();
            return Err(corrupted(self.target.target(), path, what));
        }
        Ok(count)
    }
}

impl<T: Reach> DestinationFile for ConcatenatedFile<T> {
    fn write_all_at(&mut self, _: u64, _: &[u8]) -> Result<(), DestinationError> {
        Err(read_only(self.target.target()))
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize, DestinationError> {
        let mut done = 0;
        while done < buf.len() {
            let at = offset.saturating_add(done as u64);
            let Some((index, start)) = self.place(at) else { break };
            let left = self.pieces[index].0.plain - (at - start);
            let count = usize::try_from(left).unwrap_or(usize::MAX).min(buf.len() - done);
            done += self.read_piece(index, at - start, &mut buf[done..done + count])?;
        }
        Ok(done)
    }

    fn size(&mut self) -> Result<u64, DestinationError> {
        Ok(self.total())
    }

    fn set_size(&mut self, _: u64) -> Result<(), DestinationError> {
        Err(read_only(self.target.target()))
    }

    fn sync(&mut self) -> Result<(), DestinationError> {
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<(), DestinationError> {
        Ok(())
    }
}

fn read_only(target: &dyn Destination) -> DestinationError {
    DestinationError {
        kind: ErrorKind::Denied,
        ..corrupted(target, "", "it is read-only".to_owned())
    }
}

fn corrupted(target: &dyn Destination, path: &str, what: String) -> DestinationError {
    DestinationError {
        kind: ErrorKind::Corrupted,
        path: target.display(path),
        what,
        action: "get this file of the set from another copy".to_owned(),
        source: None,
    }
}
