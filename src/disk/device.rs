//! What everything here reads from: bytes by their offset.

use std::io;
use std::sync::Arc;

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

    /// Whether it is a mounted volume, which the system may be writing to. What
    /// contradicts itself there may be consistent a moment later
    /// ([`TornReadRetry`](super::live::TornReadRetry)).
    fn is_live(&self) -> bool {
        false
    }

    /// Whether what it reads was decrypted on the way: then sectors that the disk has erased, or
    /// that were never encrypted, come as noise that looks like data.
    fn is_decrypted(&self) -> bool {
        false
    }
}

/// A device behind a shared pointer is a device.
impl Device for Arc<dyn Device> {
    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        (**self).read_exact_at(offset, buf)
    }

    fn len(&self) -> u64 {
        (**self).len()
    }

    fn sector_size(&self) -> u32 {
        (**self).sector_size()
    }

    fn is_live(&self) -> bool {
        (**self).is_live()
    }

    fn is_decrypted(&self) -> bool {
        (**self).is_decrypted()
    }
}
