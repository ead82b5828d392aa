//! The data of one record: decompressed piece by piece, whatever its size, and compared with
//! zlib's own checksum (Adler-32, RFC 1950).

use flate2::{Decompress, FlushDecompress, Status};

use super::UNKNOWN_BYTES;
use super::records::{Records, Unpacked};
use crate::model::bytes::array_at;
use crate::tree::TreeError;

const NOT_ZLIB: &str = "its data cannot be decompressed, or its checksum is wrong";

/// Why the data of a record cannot be read any further.
#[derive(Debug)]
pub enum PayloadError {
    /// The disk.
    Read(TreeError),
    /// The data; for people.
    Damaged(String),
}

impl From<TreeError> for PayloadError {
    fn from(error: TreeError) -> Self {
        Self::Read(error)
    }
}

/// The data of the last record.
pub struct Payload<'r, 'a> {
    records: &'r mut Records<'a>,
    inflate: Box<Decompress>,
    /// The container's byte that is read next, and where the record ends.
    at: u64,
    end: u64,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Before,
    Within,
    /// Past the end by the record's header, where no record begins.
    Beyond,
    /// Nothing more can be decompressed.
    Failed,
    Done,
}

impl<'r, 'a> Payload<'r, 'a> {
    pub(super) fn new(records: &'r mut Records<'a>) -> Self {
        let len = records.bytes();
        let place = records
            .last()
            .map(|last| (last.data_from.saturating_add(UNKNOWN_BYTES as u64), last.end.min(len)));
        let state = if place.is_some() { State::Before } else { State::Done };
        let (at, end) = place.unwrap_or((len, len));
        Self { records, inflate: Box::new(Decompress::new(true)), at, end, state }
    }

    /// Whether the record has no data at all, as one of an empty file or a folder may: its
    /// header says so, and the next record, or the end, is where it says.
    ///
    /// # Errors
    /// A piece cannot be read.
    pub fn is_absent(&mut self) -> Result<bool, TreeError> {
        let len = self.records.bytes();
        let Some(end) = self.records.last().map(|last| last.end) else { return Ok(true) };
        Ok(self.at >= end && (end == len || (end < len && self.records.is_header_at(end)?)))
    }

    /// The next bytes; 0 at the end, and only if the checksum is right.
    ///
    /// # Errors
    /// The data is damaged, or cannot be read.
    pub fn read(&mut self, buf: &mut [u8]) -> Result<usize, PayloadError> {
        if buf.is_empty() {
            return Ok(0);
        }
        loop {
            match self.state {
                State::Done => return Ok(0),
                State::Before => {
                    self.begin()?;
                    continue;
                }
                State::Failed => return Err(self.damaged(NOT_ZLIB)),
                State::Within | State::Beyond => {}
            }
            let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
            self.records.pieces.seek(self.at)?;
            let input = self.records.pieces.ensure(1)?;
            let input = &input[..input.len().min(left)];
            if input.is_empty() {
                self.go_beyond()?;
                continue;
            }
            let (before_in, before_out) = (self.inflate.total_in(), self.inflate.total_out());
            let result = self.inflate.decompress(input, buf, FlushDecompress::None);
            let read = self.inflate.total_in() - before_in;
            let written = usize::try_from(self.inflate.total_out() - before_out).unwrap_or(0);
            self.at += read;
            match result {
                Ok(Status::StreamEnd) => {
                    self.state = State::Done;
                    self.set(Unpacked::Whole(self.at));
                    return Ok(written);
                }
                // What came before the damage is still good to have.
                Err(_) if written > 0 => {
                    self.state = State::Failed;
                    return Ok(written);
                }
                Ok(_) if written > 0 => return Ok(written),
                Ok(_) if read > 0 => {}
                Ok(_) | Err(_) => return Err(self.damaged(NOT_ZLIB)),
            }
        }
    }

    /// Reads to the end; returns the number of bytes.
    ///
    /// # Errors
    /// Those of [`Self::read`].
    pub fn discard(&mut self) -> Result<u64, PayloadError> {
        let mut buffer = vec![0; 64 << 10];
        let mut bytes = 0_u64;
        loop {
            match self.read(&mut buffer)? {
                0 => return Ok(bytes),
                n => bytes = bytes.saturating_add(n as u64),
            }
        }
    }

    fn begin(&mut self) -> Result<(), PayloadError> {
        if self.is_absent()? {
            self.state = State::Done;
            return Ok(());
        }
        self.state = State::Within;
        if self.at >= self.end {
            self.go_beyond()?;
        }
        self.records.pieces.seek(self.at)?;
        let start = self.records.pieces.ensure(2)?;
        if !is_zlib(start) {
            return Err(self.damaged("its data does not begin as zlib data does"));
        }
        Ok(())
    }

    /// The record ends by its header, but its data does not. If no record begins there, its size
    /// may be wrong.
    fn go_beyond(&mut self) -> Result<(), PayloadError> {
        let len = self.records.bytes();
        if self.state == State::Beyond || self.end >= len || self.records.is_header_at(self.end)? {
            return Err(self.damaged("its data ends early"));
        }
        self.state = State::Beyond;
        self.end = len;
        Ok(())
    }

    fn damaged(&mut self, what: &str) -> PayloadError {
        self.set(Unpacked::Damaged);
        self.state = State::Done;
        let from = self.records.last().map_or(self.at, |last| last.offset);
        let why = match self.records.pieces.hole_in(from, self.at.saturating_add(1)) {
            Some(hole) => format!("{what} ({})", hole.reason),
            None => what.to_owned(),
        };
        PayloadError::Damaged(format!("{why}, at byte {} of the container", self.at))
    }

    fn set(&mut self, how: Unpacked) {
        if let Some(last) = self.records.last() {
            last.unpacked = Some(how);
        }
    }
}

/// Whether bytes begin as zlib data does (RFC 1950, 2.2: method 8, a window of at most 32 KiB, a
/// multiple of 31).
pub(super) fn is_zlib(bytes: &[u8]) -> bool {
    let Some([method, flags]) = array_at(bytes, 0) else { return false };
    method & 0x0F == 8 && method >> 4 <= 7 && u16::from_be_bytes([method, flags]).is_multiple_of(31)
}
