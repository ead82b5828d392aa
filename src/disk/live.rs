//! Volumes that are in use while they are read.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::disk::device::Device;

/// A device that somebody else may be writing to at this moment.
pub(crate) struct Live(pub(crate) Arc<dyn Device>);

impl Device for Live {
    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(offset, buf)
    }

    fn len(&self) -> u64 {
        self.0.len()
    }

    fn below(&self) -> Option<&dyn Device> {
        Some(&self.0)
    }

    fn is_live(&self) -> bool {
        true
    }
}

/// How long structures that contradict themselves are waited for, in all: a
/// volume with a thousand torn records must not take an hour.
const IN_ALL: Duration = Duration::from_secs(5);
/// The waits for one of them. Windows writes what it has changed within a
/// second or a few.
const WAITS: [Duration; 3] =
    [Duration::from_millis(50), Duration::from_millis(500), Duration::from_secs(2)];

/// Reads again what contradicts itself on a live device.
#[derive(Debug)]
pub(crate) struct TornReadRetry {
    left: Duration,
}

impl Default for TornReadRetry {
    fn default() -> Self {
        Self { left: IN_ALL }
    }
}

impl TornReadRetry {
    /// Calls `read` once; again after a while, a few times, when it fails and
    /// the device `is_live`: the structure may have been caught half written.
    /// The last result is returned. `read` must go to the device, not to a
    /// cache.
    pub(crate) fn until_whole<T, E>(
        &mut self,
        is_live: bool,
        mut read: impl FnMut() -> Result<T, E>,
    ) -> Result<T, E> {
        let mut result = read();
        for wait in WAITS {
            if result.is_ok() || !is_live || self.left.is_zero() {
                break;
            }
            let wait = wait.min(self.left);
            self.left = self.left.saturating_sub(wait);
            std::thread::sleep(wait);
            result = read();
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{Cached, MemoryDevice, Slice};

    #[test]
    fn what_is_seen_through_windows_and_caches_stays_live() {
        let dead: Arc<dyn Device> = Arc::new(MemoryDevice::new(vec![0; 9]));
        assert!(!Cached::new(dead.clone(), 1).is_live());
        let live: Arc<dyn Device> = Arc::new(Live(dead));
        assert!(Slice::new(live.clone(), 1, 5).is_live() && Cached::new(live, 1).is_live());
    }

    #[test]
    fn only_what_is_live_is_read_again_and_not_for_ever() {
        let mut patience = TornReadRetry { left: Duration::from_millis(70) };
        for (is_live, good_at, reads) in [(false, 2, 1), (true, 2, 2), (true, 9, 2), (true, 2, 1)] {
            let mut count = 0;
            let result = patience.until_whole(is_live, || {
                count += 1;
                if count == good_at { Ok(()) } else { Err(()) }
            });
            assert_eq!((count, result.is_ok()), (reads, reads == good_at));
        }
    }
}
