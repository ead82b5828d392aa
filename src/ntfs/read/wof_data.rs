//! A file compressed by WOF, read as plain data from its stream.

use super::data::{DataReader, Holes};
use super::device::FailFast;
use super::wof::{Algorithm, Reader, WofError};
use crate::model::loss::Hole;
use crate::ntfs::error::NtfsError;

/// Why a piece of the compressed stream cannot be had.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// The device is gone: nothing will come any more.
    #[error("{0}")]
    Device(NtfsError),
    /// There is a hole.
    #[error("{0}")]
    Hole(String),
}

type ReadAt = Box<dyn FnMut(u64, &mut [u8]) -> Result<(), Failure> + Send>;

/// The plain bytes.
pub(crate) struct WofData {
    reader: Reader<ReadAt>,
    holes: Holes,
    haste: FailFast,
}

impl WofData {
    /// A file of `plain_bytes`; `stream` is its stream
    /// [`STREAM`](super::wof::STREAM).
    pub(crate) fn new(algorithm: Algorithm, plain_bytes: u64, mut stream: DataReader) -> Self {
        let stream_bytes = stream.len();
        let haste = stream.haste().clone();
        let read_at: ReadAt = Box::new(move |at, buf| match stream.read_at(at, buf) {
            Ok(None) => Ok(()),
            Ok(Some(reason)) => Err(Failure::Hole(reason)),
            Err(error) => Err(Failure::Device(error)),
        });
        let reader = Reader::new(algorithm, plain_bytes, stream_bytes, read_at);
        Self { reader, holes: Holes::default(), haste }
    }

    /// In haste what follows the first failure comes as a hole, unread.
    pub(crate) fn haste(&self) -> &FailFast {
        &self.haste
    }

    /// Bytes in all.
    pub(crate) fn len(&self) -> u64 {
        self.reader.len()
    }

    /// Passes over bytes.
    pub(crate) fn skip(&mut self, bytes: u64) {
        self.reader.skip(bytes);
    }

    /// The holes met so far.
    pub(crate) fn holes(&self) -> &[Hole] {
        self.holes.list()
    }

    /// The next bytes; fills `buf` whole except at the end.
    pub(crate) fn read(&mut self, buf: &mut [u8]) -> Result<usize, NtfsError> {
        let mut done = 0;
        while done < buf.len() {
            match self.reader.read(&mut buf[done..]) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(WofError::Read { error: Failure::Device(error), .. }) => return Err(error),
                Err(error) => {
                    let at = self.reader.position();
                    let (_, end) = error.plain_range();
                    let missing = usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX);
                    let left = buf.len() - done;
                    let n = if self.haste.is_on() { left } else { missing.clamp(1, left) };
                    buf[done..done + n].fill(0);
                    self.holes.add(at, n as u64, error.to_string());
                    self.reader.skip(n as u64);
                    done += n;
                }
            }
        }
        Ok(done)
    }
}
