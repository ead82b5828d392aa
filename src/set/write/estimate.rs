//! What a set would take, before it is made: a sample of the files is read and compressed.

use std::time::{Duration, Instant};

use super::plan::Plan;
use super::sample::{self, PER_FILE};
use crate::model::monitor::Monitor;
use crate::set::error::SetError;

/// An estimate.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Estimate {
    /// Bytes of the set, compressed.
    pub bytes: u64,
    /// How long it takes to save and read back; `None` if the speed of the destination is not
    /// known, or nothing could be measured.
    pub seconds: Option<u64>,
}

/// A sample of a plan's files, compressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Sample {
    plain: u64,
    packed: u64,
    read: Duration,
    pack: Duration,
}

/// Estimates the set of a plan at a zstd level, for a destination that writes so many bytes a
/// second, and perhaps reads back beside that.
///
/// # Errors
/// The monitor was cancelled.
pub fn estimate(
    plan: &Plan,
    level: i32,
    (write_speed, reads_beside): (u64, bool),
    monitor: &dyn Monitor,
) -> Result<Estimate, SetError> {
    let read = sample::Sample::of(plan, monitor);
    if monitor.is_cancelled() {
        return Err(SetError::Cancelled { set: None });
    }
    let since = Instant::now();
    let packed = read.packed_bytes(level).unwrap_or(0);
    let sample =
        Sample { plain: read.plain_bytes(), packed, read: read.took, pack: since.elapsed() };
    let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let speed = (write_speed, reads_beside);
    Ok(extrapolate(sample, plan.totals().bytes, plan.len() as u64, threads, speed))
}

fn extrapolate(
    sample: Sample,
    bytes: u64,
    members: u64,
    threads: u64,
    (write_speed, reads_beside): (u64, bool),
) -> Estimate {
    let overhead = members.saturating_mul(PER_FILE);
    if sample.plain == 0 {
        return Estimate { bytes: bytes.saturating_add(overhead), seconds: None };
    }
    let share = |part: u64| {
        let part = u128::from(part) * u128::from(bytes) / u128::from(sample.plain);
        u64::try_from(part).unwrap_or(u64::MAX)
    };
    let packed = share(sample.packed).saturating_add(overhead);
    let millis = |took: Duration| u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    // All of it runs at the same time: the slowest counts. Then it is read back, at the speed
    // at which it was written, which is all that is known.
    let seconds = (write_speed > 0).then(|| {
        let writes = packed / write_speed;
        let reads = share(millis(sample.read)) / 1000;
        let packs = share(millis(sample.pack)) / 1000 / threads.max(1);
        let back = if reads_beside { 0 } else { writes };
        writes.max(reads).max(packs).saturating_add(back)
    });
    Estimate { bytes: packed, seconds }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_step_counts_and_the_read_back() {
        let sample = Sample {
            plain: 1_000_000,
            packed: 250_000,
            read: Duration::from_millis(10),
            pack: Duration::from_millis(40),
        };
        let gigabyte = 1_000_000_000;
        // Packing takes 40 s on one core, 10 s on four; writing 25 s at 10 MB/s.
        let made = |threads, speed| extrapolate(sample, gigabyte, 0, threads, (speed, false));
        assert_eq!(made(1, 10_000_000), Estimate { bytes: 250_000_000, seconds: Some(65) });
        assert_eq!(made(4, 10_000_000).seconds, Some(50));
        assert_eq!(made(4, 250_000_000).seconds, Some(11));
        assert_eq!(made(4, 0).seconds, None);
        // Read back while it is written.
        let beside = extrapolate(sample, gigabyte, 0, 4, (10_000_000, true));
        assert_eq!(beside.seconds, Some(25));
        let nothing = extrapolate(Sample::default(), 500, 3, 1, (1000, false));
        assert_eq!(nothing, Estimate { bytes: 500 + 3 * PER_FILE, seconds: None });
    }
}
