//! A window of a device: one partition.

use std::io;
use std::sync::Arc;

use crate::disk::device::Device;

/// `len` bytes of a device from `offset` on.
#[derive(Clone)]
pub(crate) struct Slice {
    device: Arc<dyn Device>,
    offset: u64,
    len: u64,
}

impl Slice {
    /// The window; what would lie past the device's end is cut off.
    pub(crate) fn new(device: Arc<dyn Device>, offset: u64, len: u64) -> Self {
        let offset = offset.min(device.len());
        let len = len.min(device.len() - offset);
        Self { device, offset, len }
    }
}

impl Device for Slice {
    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let wanted = buf.len() as u64;
        // The sum below cannot overflow: the window lies within the device.
        if offset.checked_add(wanted).is_none_or(|end| end > self.len) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.device.read_exact_at(self.offset + offset, buf)
    }

    fn len(&self) -> u64 {
        self.len
    }

    fn below(&self) -> Option<&dyn Device> {
        Some(&self.device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::memory::MemoryDevice;

    #[test]
    fn a_window_shows_its_bytes_and_no_others() {
        let device = Arc::new(MemoryDevice::new((0..100).collect()));
        let slice = Slice::new(device.clone(), 90, 50);
        assert_eq!(slice.len(), 10);
        let mut buf = [0; 4];
        slice.read_exact_at(6, &mut buf).unwrap();
        assert_eq!(buf, [96, 97, 98, 99]);
        assert!(slice.read_exact_at(7, &mut buf).is_err());
        assert!(slice.read_exact_at(u64::MAX, &mut buf).is_err());
        assert!(Slice::new(device, 200, 1).is_empty());
    }
}
