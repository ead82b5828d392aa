//! The frame that is being filled. Its memory is reused (producer, compressor, writer
//! and back) and is cleared only once.

/// At most `limit` bytes, filled from the front.
pub(crate) struct FrameBuffer {
    /// As long as the limit; bytes after `filled` belong to an earlier frame.
    bytes: Vec<u8>,
    filled: usize,
    limit: usize,
}

impl FrameBuffer {
    pub(crate) fn new(limit: usize) -> Self {
        Self { bytes: vec![0; limit], filled: 0, limit }
    }

    /// Bytes in it.
    pub(crate) fn len(&self) -> usize {
        self.filled
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.filled == 0
    }

    /// Bytes that still fit.
    pub(crate) fn room(&self) -> usize {
        self.limit - self.filled
    }

    /// Adds as many of these bytes as fit; returns how many.
    pub(crate) fn put(&mut self, bytes: &[u8]) -> usize {
        let taken = bytes.len().min(self.room());
        self.next(taken).copy_from_slice(&bytes[..taken]);
        self.add(taken);
        taken
    }

    /// A buffer for the next `most` bytes, or for as many as fit. Its content is
    /// undefined.
    pub(crate) fn next(&mut self, most: usize) -> &mut [u8] {
        let end = self.filled + most.min(self.room());
        &mut self.bytes[self.filled..end]
    }

    /// Counts this many bytes that were written to [`Self::next`], and returns them.
    pub(crate) fn add(&mut self, bytes: usize) -> &[u8] {
        let start = self.filled;
        self.filled += bytes.min(self.room());
        &self.bytes[start..self.filled]
    }

    /// Drops everything after the first `bytes`.
    pub(crate) fn cut_back(&mut self, bytes: usize) {
        self.filled = self.filled.min(bytes);
    }

    /// Takes the content.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.truncate(self.filled);
        self.filled = 0;
        bytes
    }

    /// Reuses the memory of an earlier frame, or an empty one.
    pub(crate) fn reuse(&mut self, mut bytes: Vec<u8>) {
        bytes.resize(self.limit, 0);
        self.bytes = bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_an_earlier_frame_gets_out() {
        let mut buffer = FrameBuffer::new(8);
        assert_eq!(buffer.put(b"0123456789"), 8);
        assert_eq!((buffer.room(), buffer.next(3).len()), (0, 0));
        let first = buffer.take();
        assert_eq!(first, b"01234567");
        buffer.reuse(first);
        assert!(buffer.is_empty());
        buffer.next(4)[..2].copy_from_slice(b"ab");
        assert_eq!(buffer.add(2), b"ab");
        assert_eq!((buffer.put(b"c"), buffer.len()), (1, 3));
        buffer.cut_back(1);
        assert_eq!((buffer.put(b"bc"), buffer.room()), (2, 5));
        buffer.cut_back(9);
        assert_eq!(buffer.take(), b"abc");
        buffer.reuse(Vec::new());
        assert_eq!(buffer.room(), 8);
    }
}
