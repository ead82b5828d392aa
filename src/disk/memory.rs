//! Bytes in memory as a device: for tests, fuzzing, and small structures.

use std::io;

use crate::disk::device::Device;

/// A device whose bytes are all in memory.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MemoryDevice {
    bytes: Vec<u8>,
    sector_size: u32,
}

impl MemoryDevice {
    /// With sectors of 512 bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, sector_size: 512 }
    }

    /// With sectors of another size.
    #[must_use]
    pub fn with_sector_size(self, sector_size: u32) -> Self {
        Self { sector_size, ..self }
    }
}

impl Device for MemoryDevice {
    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let start = usize::try_from(offset).ok();
        let range = start.and_then(|s| Some(s..s.checked_add(buf.len())?));
        match range.and_then(|r| self.bytes.get(r)) {
            Some(bytes) => {
                buf.copy_from_slice(bytes);
                Ok(())
            }
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn sector_size(&self) -> u32 {
        self.sector_size
    }
}
