//! Volumes that are in use while they are read.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::Device;

/// A device that somebody else may be writing to at this moment.
pub(crate) struct Live(pub(crate) Arc<dyn Device>);

impl Device for Live {
    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(offset, buf)
    }

    fn len(&self) -> u64 {
        self.0.len()
    }

    fn sector_size(&self) -> u32 {
        self.0.sector_size()
    }

    fn is_live(&self) -> bool {
        true
    }
}

/// The waits between readings of a structure that contradicts itself. Windows
/// writes what it has changed within a second or a few.
const WAITS: [Duration; 3] =
    [Duration::from_millis(50), Duration::from_millis(500), Duration::from_secs(2)];

/// Calls `read` once; again after a while, a few times, when it fails and the
/// device is live: a structure may have been caught half written. The last
/// result is returned. `read` must go to the device, not to a cache.
pub fn until_whole<T, E>(
    device: &dyn Device,
    mut read: impl FnMut() -> Result<T, E>,
) -> Result<T, E> {
    let mut result = read();
    for wait in WAITS {
        if result.is_ok() || !device.is_live() {
            break;
        }
        std::thread::sleep(wait);
        result = read();
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{MemoryDevice, Slice};

    #[test]
    fn only_what_is_live_is_read_again() {
        let dead: Arc<dyn Device> = Arc::new(MemoryDevice::new(vec![0; 9]));
        let live: Arc<dyn Device> = Arc::new(Live(dead.clone()));
        let live_window = Slice::new(live, 1, 5);
        for (device, reads) in [(&dead as &dyn Device, 1), (&live_window, 2)] {
            let mut count = 0;
            let result = until_whole(device, || {
                count += 1;
                if count == 2 { Ok(()) } else { Err(()) }
            });
            assert_eq!((count, result.is_ok()), (reads, reads == 2));
        }
    }
}
