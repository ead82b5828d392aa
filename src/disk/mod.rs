//! What is attached: physical disks, images, partitions, and what each volume
//! is by its own first bytes. Everything here is opened for reading only.

use std::io;

/// Something that is read by byte offset: a disk, an image, a partition of
/// either. Reads may be of any offset and length; the implementation aligns.
pub trait Device: Send + Sync {
    /// Fills `buf` from `offset`, or fails. A read past the end is
    /// [`io::ErrorKind::UnexpectedEof`]. On a media error nothing is said about
    /// the contents of `buf`; the caller retries smaller.
    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()>;

    /// Bytes in all.
    fn len(&self) -> u64;

    /// Whether there is nothing to read.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The smallest piece that the hardware reads, in bytes (512 or 4096).
    fn sector_size(&self) -> u32;
}
