//! From a file's `$EFS` and ciphertext to the export form.

use std::ops::Range;

use super::{
    ENCRYPTION_HEADER_PADDED, EXTENDED_SIGNATURE, EfsLost, FILE_HEADER, FILE_SIGNATURE,
    METADATA_NAME, SECTOR, SEGMENT, SEGMENT_HEADER, SEGMENT_SIGNATURE, STREAM_HEADER,
    STREAM_SIGNATURE, check_metadata,
};
use crate::model::name::NtName;

/// The holes of a sparse stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sparse {
    /// Bytes of a compression unit: what holes are multiples of.
    pub unit_bytes: u32,
    /// What is not a hole: bytes of the stream, in order.
    pub allocated: Vec<Range<u64>>,
}

/// A data stream of the file.
#[derive(Debug)]
pub struct EfsStream<R> {
    /// Its name, without colons; empty for the unnamed stream.
    pub name: NtName,
    /// Bytes.
    pub size: u64,
    /// Valid data length ("initialized size"): zeros follow it.
    pub valid: u64,
    /// The holes, if the stream is sparse.
    pub sparse: Option<Sparse>,
    /// Whether the attribute is flagged as encrypted. A plain stream of an
    /// encrypted file is exported plain.
    pub is_encrypted: bool,
    /// Fills a buffer with raw bytes of the stream from an offset on: ciphertext
    /// as it is on the volume. Is asked for whole sectors of 512 bytes, beyond
    /// the size too (see the module), never for holes or what is not valid. Of a
    /// plain stream it is asked for bytes up to its size, and gives zeros for
    /// holes and invalid ones. Zeros in place of ciphertext that cannot be read
    /// cost the sectors that they stand in, once decrypted: a hole to be told of.
    pub read_at: R,
}

/// A file in the export form, made while it is read. Holds `$EFS` and one
/// segment's header.
pub struct EfsExport<R> {
    len: u64,
    position: u64,
    streams: Vec<EfsStream<R>>,
    cluster_bytes: u32,
    /// The piece that comes next, and how much of it was given.
    piece: Piece,
    given: u64,
    next: Next,
}

/// What is given at one go.
enum Piece {
    Bytes(Vec<u8>),
    Ciphertext { stream: usize, offset: u64, bytes: u64 },
}

/// What comes after the piece.
#[derive(Clone, Copy)]
enum Next {
    /// The header of a stream.
    Stream(usize),
    /// The header of the segment that starts at a byte of the stream.
    Segment(usize, u64),
    /// The data of that segment, from its nth block on.
    Block(usize, u64, usize),
}

impl<R, E> EfsExport<R>
where
    R: FnMut(u64, &mut [u8]) -> Result<(), E>,
{
    /// The export of a file: its `$EFS` attribute, its data streams (the unnamed
    /// one first; a folder has none), and the cluster size of its volume.
    pub fn new(
        efs: &[u8],
        mut streams: Vec<EfsStream<R>>,
        cluster_bytes: u32,
    ) -> Result<Self, EfsLost> {
        check_metadata(efs)?;
        for stream in &mut streams {
            stream.join_runs();
            stream.check()?;
        }
        let mut start = Vec::with_capacity(FILE_HEADER + STREAM_HEADER + 18 + efs.len());
        start.extend(FILE_SIGNATURE);
        start.extend([0; 8]);
        push_stream_header(&mut start, &METADATA_NAME, true);
        push_segment_header(&mut start, efs.len());
        start.extend_from_slice(efs);
        let mut len = start.len() as u64;
        for stream in &streams {
            len += (STREAM_HEADER + stream.name_bytes().len()) as u64;
            len = len.saturating_add(stream.segments_bytes());
        }
        let piece = Piece::Bytes(start);
        let next = Next::Stream(0);
        Ok(Self { len, position: 0, streams, cluster_bytes, piece, given: 0, next })
    }

    /// Bytes in all.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Never: there is always a header.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The byte that is read next.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The next bytes; 0 at the end. Fills `buf` whole except at the end, or
    /// before bytes that `read_at` fails for: then the next call fails, and the
    /// position is where they begin.
    pub fn read(&mut self, buf: &mut [u8]) -> Result<usize, E> {
        let mut done = 0;
        while done < buf.len() {
            let left = self.piece_left();
            if left == 0 {
                if !self.advance() {
                    break;
                }
                continue;
            }
            let room = &mut buf[done..];
            let count = usize::try_from(left).unwrap_or(usize::MAX).min(room.len());
            let room = &mut room[..count];
            match &self.piece {
                Piece::Bytes(bytes) => {
                    let from = self.given as usize; // below the length of a Vec
                    room.copy_from_slice(&bytes[from..from + count]);
                }
                Piece::Ciphertext { stream, offset, .. } => {
                    match (self.streams[*stream].read_at)(offset + self.given, room) {
                        Ok(()) => {}
                        Err(_) if done > 0 => break, // comes again with the next call
                        Err(e) => return Err(e),
                    }
                }
            }
            self.given += count as u64;
            self.position += count as u64;
            done += count;
        }
        Ok(done)
    }

    /// Passes over `bytes` without reading them.
    pub fn skip(&mut self, bytes: u64) {
        let mut rest = bytes;
        while rest > 0 {
            let count = self.piece_left().min(rest);
            self.given += count;
            self.position += count;
            rest -= count;
            if rest > 0 && !self.advance() {
                break;
            }
        }
    }

    fn piece_left(&self) -> u64 {
        let bytes = match &self.piece {
            Piece::Bytes(bytes) => bytes.len() as u64,
            Piece::Ciphertext { bytes, .. } => *bytes,
        };
        bytes - self.given
    }

    /// Goes on to the next piece; whether there is one.
    fn advance(&mut self) -> bool {
        let (Next::Stream(number) | Next::Segment(number, _) | Next::Block(number, ..)) = self.next;
        let Some(stream) = self.streams.get(number) else { return false };
        self.given = 0;
        match self.next {
            Next::Stream(_) => {
                let mut header = Vec::new();
                push_stream_header(&mut header, &stream.name_bytes(), stream.is_encrypted);
                self.piece = Piece::Bytes(header);
                self.next = Next::Segment(number, 0);
            }
            Next::Segment(_, at) if at >= stream.size => {
                self.piece = Piece::Bytes(Vec::new());
                self.next = Next::Stream(number + 1);
            }
            Next::Segment(_, at) => {
                let encryption = stream.encryption_header(at, self.cluster_bytes);
                let data: u64 = stream.blocks(at).map(|b| b.end - b.start).sum();
                let mut header = Vec::new();
                // At most 64 KiB of data and a header.
                push_segment_header(&mut header, encryption.len() + data as usize);
                header.extend(encryption);
                self.piece = Piece::Bytes(header);
                self.next = Next::Block(number, at, 0);
            }
            Next::Block(_, at, nth) => {
                if let Some(block) = stream.blocks(at).nth(nth) {
                    let bytes = block.end - block.start;
                    self.piece = Piece::Ciphertext { stream: number, offset: block.start, bytes };
                    self.next = Next::Block(number, at, nth + 1);
                } else {
                    self.piece = Piece::Bytes(Vec::new());
                    self.next = Next::Segment(number, at.saturating_add(SEGMENT));
                }
            }
        }
        true
    }
}

impl<R> EfsStream<R> {
    /// The stream's name in the export, UTF-16.
    fn name_bytes(&self) -> Vec<u8> {
        let units = std::iter::once(u16::from(b':'))
            .chain(self.name.to_utf16())
            .chain(":$DATA".encode_utf16());
        units.flat_map(u16::to_le_bytes).collect()
    }

    /// Makes one of runs that follow each other without a hole.
    fn join_runs(&mut self) {
        if let Some(sparse) = &mut self.sparse {
            sparse.allocated.dedup_by(|next, before| {
                let is_next = next.start == before.end;
                if is_next {
                    before.end = next.end;
                }
                is_next
            });
        }
    }

    fn check(&self) -> Result<(), EfsLost> {
        let name = || self.name.to_string_lossy();
        // NTFS ends a file at 2^56 bytes or before; so sums of ours cannot run over.
        if self.valid > self.size || self.size > 1 << 56 {
            return Err(EfsLost::Sizes { name: name(), size: self.size, valid: self.valid });
        }
        let Some(sparse) = self.sparse.as_ref().filter(|_| self.is_encrypted) else {
            return Ok(());
        };
        let bad = |reason| Err(EfsLost::Holes { name: name(), reason });
        let unit = u64::from(sparse.unit_bytes);
        if !unit.is_power_of_two() || !(4096..=SEGMENT).contains(&unit) {
            return bad("they come in units that are not of 4 to 64 KiB");
        }
        let mut last_end = 0;
        for range in &sparse.allocated {
            if range.start < last_end || range.end <= range.start {
                return bad("the runs are not in order");
            }
            last_end = range.end;
            // A unit may end early (zeros follow), but not begin late, nor have a gap.
            if range.start % unit != 0 && range.start < self.valid {
                return bad("a unit has data after a hole");
            }
            let is_cut = range.end < self.valid.next_multiple_of(SECTOR);
            if is_cut && range.end % SECTOR != 0 {
                return bad("a hole begins within a sector");
            }
        }
        Ok(())
    }

    /// Bytes of all segments, headers included.
    fn segments_bytes(&self) -> u64 {
        let segments = self.size.div_ceil(SEGMENT);
        if !self.is_encrypted {
            return segments * SEGMENT_HEADER as u64 + self.size;
        }
        let valid = self.valid.next_multiple_of(SECTOR);
        let stored = match &self.sparse {
            None => valid,
            Some(sparse) => {
                let bytes = |r: &Range<u64>| r.end.min(valid).saturating_sub(r.start);
                sparse.allocated.iter().map(bytes).sum()
            }
        };
        segments * (SEGMENT_HEADER + ENCRYPTION_HEADER_PADDED) as u64 + stored
    }

    /// Bytes of a unit of the segment that starts at byte `at`.
    fn unit_bytes(&self, at: u64) -> u64 {
        let smallest = || (self.size - at).clamp(SECTOR, SEGMENT).next_power_of_two();
        self.sparse.as_ref().map_or_else(smallest, |s| s.unit_bytes.into())
    }

    /// What is stored of each unit of the segment that starts at byte `at`; an
    /// empty range for none.
    fn blocks(&self, at: u64) -> impl Iterator<Item = Range<u64>> + '_ {
        let end = self.size.min(at + SEGMENT);
        let unit = if self.is_encrypted { self.unit_bytes(at) } else { SEGMENT };
        (at..end).step_by(unit as usize).map(move |start| {
            if !self.is_encrypted {
                return start..end;
            }
            let valid = self.valid.min(start + unit).next_multiple_of(SECTOR);
            let stored = match &self.sparse {
                None => valid,
                Some(sparse) => {
                    let next = sparse.allocated.partition_point(|r| r.end <= start);
                    let range = sparse.allocated.get(next).filter(|r| r.start <= start);
                    range.map_or(start, |r| r.end.min(valid))
                }
            };
            start..stored.max(start)
        })
    }

    /// The encryption header of the segment that starts at byte `at`, filled up
    /// with zeros; nothing for a stream that is not encrypted.
    fn encryption_header(&self, at: u64, cluster_bytes: u32) -> Vec<u8> {
        if !self.is_encrypted {
            return Vec::new();
        }
        let within = |end: u64| (end.saturating_sub(at).min(SEGMENT) as u32).to_le_bytes();
        let unit_shift = self.unit_bytes(at).trailing_zeros() as u8;
        let blocks: Vec<_> = self.blocks(at).map(|b| (b.end - b.start) as u32).collect();
        let mut header = Vec::with_capacity(ENCRYPTION_HEADER_PADDED);
        header.extend(at.to_le_bytes());
        header.extend((ENCRYPTION_HEADER_PADDED as u32).to_le_bytes());
        header.extend(within(self.size));
        header.extend(within(self.valid));
        // Not compressed; data unit, chunk and cluster; encryption format 1.
        header.extend([0, 0, unit_shift, unit_shift, cluster_bytes.trailing_zeros() as u8, 1]);
        header.extend((blocks.len() as u16).to_le_bytes());
        header.extend(blocks.into_iter().flat_map(u32::to_le_bytes));
        header.extend(EXTENDED_SIGNATURE);
        header.extend(u32::from(self.sparse.is_some()).to_le_bytes());
        header.resize(ENCRYPTION_HEADER_PADDED, 0);
        header
    }
}

fn push_stream_header(out: &mut Vec<u8>, name: &[u8], is_encrypted: bool) {
    // A name has 255 units and `::$DATA` at most.
    out.extend(((STREAM_HEADER + name.len()) as u32).to_le_bytes());
    out.extend(STREAM_SIGNATURE);
    out.extend(u32::from(!is_encrypted).to_le_bytes());
    out.extend([0; 8]);
    out.extend((name.len() as u32).to_le_bytes());
    out.extend_from_slice(name);
}

fn push_segment_header(out: &mut Vec<u8>, bytes: usize) {
    out.extend(((SEGMENT_HEADER + bytes) as u32).to_le_bytes());
    out.extend(SEGMENT_SIGNATURE);
    out.extend([0; 4]);
}
