//! The frame that is being filled. Its memory goes round (producer, packer, writer
//! and back) and is cleared once, not for every frame.

/// At most `limit` bytes, filled from the front.
pub(crate) struct FrameBuffer {
    /// As long as the limit; what lies behind `filled` is of an earlier frame.
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

    /// Bytes that still go in.
    pub(crate) fn room(&self) -> usize {
        self.limit - self.filled
    }

    /// Puts in as many of these bytes as there is room for; says how many.
    pub(crate) fn put(&mut self, bytes: &[u8]) -> usize {
        let taken = bytes.len().min(self.room());
        self.next(taken).copy_from_slice(&bytes[..taken]);
        self.add(taken);
        taken
    }

    /// The place for the next `most` bytes, or for as many as there is room for. What
    /// it holds means nothing.
    pub(crate) fn next(&mut self, most: usize) -> &mut [u8] {
        let end = self.filled + most.min(self.room());
        &mut self.bytes[self.filled..end]
    }

    /// Counts so many bytes that were put into [`Self::next`], and gives them.
    pub(crate) fn add(&mut self, bytes: usize) -> &[u8] {
        let start = self.filled;
        self.filled += bytes.min(self.room());
        &self.bytes[start..self.filled]
    }

    /// Gives up what stands behind the first `bytes`.
    pub(crate) fn cut_back(&mut self, bytes: usize) {
        self.filled = self.filled.min(bytes);
    }

    /// Takes out what is in it.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.truncate(self.filled);
        self.filled = 0;
        bytes
    }

    /// Goes on with the memory of an earlier frame, or an empty one.
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
