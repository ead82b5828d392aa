//! Chooses the compression level so that neither the cores nor the destination wait
//! long for the other.

/// How hard to compress.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Level {
    /// As suits the speed of the destination and the processor.
    #[default]
    Auto,
    /// This zstd level, 1 to 19.
    Fixed(i32),
}

/// zstd levels that are worth choosing, each with what a core packs at it, in
/// plain MB a second: half of what one of a server did with `zstd -b -B4MB` on
/// one part documents and two parts photos and archives, since laptops are
/// slower. Level 5 left more than level 3 there, and took four times as long.
const SPEEDS: [(i32, u64); 5] = [(1, 450), (3, 280), (7, 50), (9, 40), (12, 13)];

/// Compressed size in percent of the plain size (82 in that measurement), minus a
/// fifth for the cores' other work: reading, hashing, sending.
const LEFT_PERCENT: u64 = 64;

/// The strongest level at which this many cores keep up with a destination that takes
/// `bytes_a_second`; a fast one if none does. The same for the same numbers. But the
/// measured speed varies, so the chosen level is part of the plan of a set.
pub fn auto_level(bytes_a_second: u64, cores: usize) -> i32 {
    let cores = u64::try_from(cores).unwrap_or(1).max(1);
    let keeps_up = |speed: u64| {
        let packed = speed.saturating_mul(1_000_000).saturating_mul(cores) / 100 * LEFT_PERCENT;
        packed >= bytes_a_second
    };
    SPEEDS.iter().rev().find(|(_, speed)| keeps_up(*speed)).map_or(1, |(level, _)| *level)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_share_gets_a_strong_level_and_a_fast_disk_a_fast_one() {
        let mb = 1_000_000;
        assert_eq!(auto_level(2_000 * mb, 2), 1, "memory");
        assert_eq!(auto_level(400 * mb, 4), 3, "USB 3.1, four cores");
        assert_eq!(auto_level(400 * mb, 2), 1, "USB 3.1, two cores");
        assert_eq!(auto_level(110 * mb, 4), 7, "a gigabit share, four cores");
        assert_eq!(auto_level(110 * mb, 2), 3, "a gigabit share, two cores");
        assert_eq!(auto_level(11 * mb, 2), 12, "100 megabit");
        assert_eq!(auto_level(0, 0), 12);
        assert_eq!(auto_level(u64::MAX, 1), 1);
    }

    #[test]
    fn more_speed_never_means_a_stronger_level() {
        for cores in [1, 2, 4, 16] {
            let levels: Vec<i32> = (0..40).map(|i| auto_level(1 << i, cores)).collect();
            assert!(levels.is_sorted_by(|a, b| a >= b), "{levels:?}");
        }
    }
}
