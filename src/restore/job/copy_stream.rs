//! Copies a stream from the set into a file. The set's reader checks its
//! hash on the way.

use std::io::{self, Read};

use super::{CHUNK, Job};
use crate::model::loss::LossKind;
use crate::restore::error::RestoreError;
use crate::restore::input::{Bytes, Ordered};
use crate::restore::platform::{self, NewStream};
use crate::set::error::SetError;
use crate::set::format::hash::sha256_hex;
use crate::set::format::manifest::Data;

/// Zeros of this length become a hole, if the file had holes.
const HOLE: usize = 64 << 10;

/// Why a stream was not written completely.
pub(super) enum CopyError {
    /// The destination refused it.
    Write(io::Error),
    /// The restore cannot continue.
    Fatal(RestoreError),
}

/// What is wrong with a written stream, if anything.
pub(super) type ErrorKind = Option<(LossKind, String)>;

/// Receives a stream, from start to end.
pub(super) trait Sink {
    /// Receives the next bytes.
    fn put(&mut self, data: &[u8]) -> io::Result<()>;

    /// Receives this many zeros next.
    fn pass(&mut self, bytes: u64) -> io::Result<()>;
}

impl Job<'_> {
    /// Copies a stream. Ranges that are damaged in the set become zeros.
    pub(super) fn copy_stream(
        &mut self,
        set: &mut dyn Ordered,
        data: &Data,
        sink: &mut dyn Sink,
    ) -> Result<ErrorKind, CopyError> {
        if data.size == 0 {
            let is_so = data.sha256.is_empty() || data.sha256 == sha256_hex(b"");
            let what = "empty, but the set has the hash of other data for it";
            return Ok((!is_so).then(|| (LossKind::Unreadable, what.to_owned())));
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(CHUNK, 0);
        let trouble = self.copy_through(&mut buffer, &mut *set.data(data), data.size, sink);
        self.buffer = buffer;
        trouble
    }

    fn copy_through(
        &mut self,
        buffer: &mut [u8],
        bytes: &mut dyn Bytes,
        size: u64,
        sink: &mut dyn Sink,
    ) -> Result<ErrorKind, CopyError> {
        let mut at = 0;
        let mut holes: Vec<String> = Vec::new();
        loop {
            self.go_on().map_err(CopyError::Fatal)?;
            let passed = match bytes.read(buffer) {
                Ok(0) => break,
                Ok(n) => {
                    sink.put(&buffer[..n]).map_err(CopyError::Write)?;
                    n as u64
                }
                Err(error @ SetError::Damaged { .. }) if at >= size => {
                    return Ok(Some((LossKind::Unreadable, format!("restored, but: {error}"))));
                }
                Err(error @ SetError::Damaged { .. }) => {
                    let lost = match bytes.skip_damage() {
                        0 => size - at,
                        lost => lost.min(size - at),
                    };
                    sink.pass(lost).map_err(CopyError::Write)?;
                    holes.push(format!("{lost} bytes from byte {at} are zeros: {error}"));
                    lost
                }
                Err(error) => return Err(CopyError::Fatal(error.into())),
            };
            at += passed;
            self.progress.bytes = self.progress.bytes.saturating_add(passed);
            self.monitor.progress(self.progress);
        }
        if let [first, more @ ..] = holes.as_slice() {
            let more = match more.len() {
                0 => String::new(),
                more => format!(" (and {more} more ranges)"),
            };
            return Ok(Some((LossKind::Hole, format!("{first}{more}"))));
        }
        let short = at < size; // the set's reader would have reported it
        Ok(short.then(|| (LossKind::Unreadable, format!("ends at byte {at} of {size}"))))
    }
}

/// A file that is written from its start.
pub(super) struct FileSink<'a> {
    file: &'a std::fs::File,
    at: u64,
    /// Whether the file may be shorter than `at`.
    is_short: bool,
    zeros: Zeros,
}

/// How zeros are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Zeros {
    /// Like other bytes; those for damaged ranges are skipped.
    Plain,
    /// Long runs are skipped: the file had holes.
    Holes,
    /// All of them are written.
    Written,
}

impl<'a> FileSink<'a> {
    pub(super) fn new(file: &'a std::fs::File, zeros: Zeros) -> Self {
        Self { file, at: 0, is_short: false, zeros }
    }

    /// Sets the file's length, if zeros at its end were skipped.
    pub(super) fn finish(self) -> io::Result<()> {
        if self.is_short { self.file.set_len(self.at) } else { Ok(()) }
    }
}

impl Sink for FileSink<'_> {
    fn put(&mut self, mut data: &[u8]) -> io::Result<()> {
        let may_have_holes = self.zeros == Zeros::Holes;
        while !data.is_empty() {
            let mut piece = data;
            if may_have_holes {
                let to_border = HOLE - usize::try_from(self.at % HOLE as u64).unwrap_or(0);
                piece = &data[..data.len().min(to_border)];
            }
            self.is_short = may_have_holes && piece.iter().all(|b| *b == 0);
            if !self.is_short {
                platform::write_all_at(self.file, piece, self.at)?;
            }
            self.at += piece.len() as u64;
            data = &data[piece.len()..];
        }
        Ok(())
    }

    fn pass(&mut self, bytes: u64) -> io::Result<()> {
        if self.zeros == Zeros::Written {
            let zeros = vec![0; HOLE];
            let mut left = bytes;
            while left > 0 {
                let piece = usize::try_from(left).map_or(HOLE, |left| left.min(HOLE));
                self.put(&zeros[..piece])?;
                left -= piece as u64;
            }
            return Ok(());
        }
        let too_large = || io::Error::from(io::ErrorKind::FileTooLarge);
        self.at = self.at.checked_add(bytes).ok_or_else(too_large)?;
        self.is_short = true;
        Ok(())
    }
}

impl Sink for NewStream {
    fn put(&mut self, data: &[u8]) -> io::Result<()> {
        io::Write::write_all(self, data)
    }

    fn pass(&mut self, bytes: u64) -> io::Result<()> {
        io::copy(&mut io::repeat(0).take(bytes), self).map(drop)
    }
}

/// A stream of the set for a call that pulls bytes; damage is an error.
pub(super) struct Pull<'a>(pub(super) Box<dyn Bytes + 'a>);

impl Read for Pull<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf).map_err(io::Error::other)
    }
}
