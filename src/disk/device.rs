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

    /// The device that it reads from, if it is a view of one: what it does not say itself, that
    /// one says.
    fn below(&self) -> Option<&dyn Device> {
        None
    }

    /// Whether there is nothing to read.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The smallest piece that the hardware reads, in bytes (512 or 4096).
    fn sector_size(&self) -> u32 {
        self.below().map_or(512, Device::sector_size)
    }

    /// Whether it is a mounted volume, which the system may be writing to. What
    /// contradicts itself there may be consistent a moment later
    /// (`live::TornReadRetry`).
    fn is_live(&self) -> bool {
        self.below().is_some_and(Device::is_live)
    }

    /// Whether what it reads was decrypted on the way: then sectors that the disk has erased, or
    /// that were never encrypted, come as noise that looks like data.
    fn is_decrypted(&self) -> bool {
        self.below().is_some_and(Device::is_decrypted)
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

    fn below(&self) -> Option<&dyn Device> {
        Some(&**self)
    }
}
