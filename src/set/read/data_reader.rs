//! Reads one stream from a set and checks it.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::source::{RandomAccessFrames, Shared, Source};
use super::tar_walk;
use super::turn::SequentialCursor;
use crate::set::error::SetError;
use crate::set::format::hash::finish_hex;
use crate::set::format::manifest::{At, Data};

/// The source of a reader's frames.
pub(crate) enum Frames<'a> {
    /// A source of its own.
    Own(Box<RandomAccessFrames>),
    /// One that is shared with other readers.
    Any(&'a mut RandomAccessFrames),
    /// One that reads ahead.
    SequentialCursor(&'a SequentialCursor),
}

impl Source for Frames<'_> {
    fn frame(&mut self, frame: u64) -> Result<Arc<Vec<u8>>, SetError> {
        match self {
            Self::Own(source) => source.frame(frame),
            Self::Any(source) => source.frame(frame),
            Self::SequentialCursor(source) => source.frame(frame),
        }
    }
}

/// The bytes of one stream.
pub struct DataReader<'a> {
    shared: Arc<Shared>,
    source: Frames<'a>,
    at: At,
    left: u64,
    /// `None` after bytes were skipped, or if the hash is unknown.
    hash: Option<Sha256>,
    sha256: String,
}

impl<'a> DataReader<'a> {
    pub(crate) fn new(shared: Arc<Shared>, source: Frames<'a>, data: &Data) -> Self {
        let hash = (!data.sha256.is_empty()).then(Sha256::new);
        let at = data.at.unwrap_or(At { frame: u64::MAX, offset: 0 });
        Self { shared, source, at, left: data.size, hash, sha256: data.sha256.clone() }
    }

    /// The remaining bytes.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// The next bytes; 0 at the end, and only if their hash matches the
    /// manifest.
    ///
    /// # Errors
    /// A frame is damaged: [`DataReader::skip_damage`] skips it, and the rest can be read.
    /// Or everything was read and the hash differs.
    pub fn read(&mut self, buf: &mut [u8]) -> Result<usize, SetError> {
        if buf.is_empty() {
            return Ok(0);
        }
        if self.left == 0 {
            return self.end().map(|()| 0);
        }
        let mut frame = self.source.frame(self.at.frame)?;
        if self.at.offset >= frame.len() as u64 {
            let next = self.at.frame.saturating_add(1);
            frame = self.source.frame(next)?;
            self.at = At { frame: next, offset: 0 };
        }
        let rest = usize::try_from(self.at.offset).ok().and_then(|offset| frame.get(offset..));
        let rest = rest.filter(|rest| !rest.is_empty()).ok_or_else(|| {
            self.shared.damaged(self.at.frame, "the manifest records more data than the frame has")
        })?;
        let length = usize::try_from(self.left).map_or(rest.len(), |left| left.min(rest.len()));
        let length = length.min(buf.len());
        buf[..length].copy_from_slice(&rest[..length]);
        if let Some(hash) = &mut self.hash {
            hash.update(&buf[..length]);
        }
        self.left -= length as u64;
        self.at.offset += length as u64;
        Ok(length)
    }

    /// Skips bytes without reading their frames. The hash is no longer checked.
    pub fn skip(&mut self, bytes: u64) {
        self.hash = None;
        let bytes = bytes.min(self.left);
        self.left -= bytes;
        // A frame that does not exist is damage of what comes next.
        let nowhere = At { frame: u64::MAX, offset: 0 };
        self.at = tar_walk::advance(&self.shared, self.at, bytes).unwrap_or(nowhere);
    }

    /// Skips the part of the stream in the current, damaged frame, and returns its size in
    /// bytes. The hash is no longer checked. Returns 0 after the last byte.
    pub fn skip_damage(&mut self) -> u64 {
        self.hash = None;
        let place = |frame| self.shared.index.get(frame).filter(|place| place.packed > 0);
        let rest = |at: At| Some(u64::from(place(at.frame)?.plain).saturating_sub(at.offset));
        let mut at = self.at;
        if rest(at) == Some(0) {
            at = At { frame: at.frame.saturating_add(1), offset: 0 };
        }
        // The frame's size is unknown: the rest is lost.
        let bytes = rest(at).unwrap_or(u64::MAX).min(self.left);
        self.left -= bytes;
        self.at = At { frame: at.frame.saturating_add(1), offset: 0 };
        bytes
    }

    fn end(&mut self) -> Result<(), SetError> {
        let Some(hash) = self.hash.take() else { return Ok(()) };
        if finish_hex(hash) == self.sha256 {
            return Ok(());
        }
        let what = "the file's SHA-256 differs from the manifest";
        Err(self.shared.damaged(self.at.frame, what))
    }
}
