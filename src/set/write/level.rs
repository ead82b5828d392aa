//! Chooses the compression level by which the set is finished first, its read-back included.
//!
//! A sample of the files is packed at one level after the other, from the fastest on, on this
//! processor. What a level costs follows from that and from the speed of the destination.

use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::sample::{PER_FILE, Sample};
use crate::set::error::SetError;
use crate::set::format::frames::{FRAME_BYTES, Packer};

/// How hard to compress.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Level {
    /// The one with the smallest end time.
    #[default]
    Auto,
    /// This zstd level: [`FASTEST`] to [`STRONGEST`], without 0.
    Fixed(i32),
}

/// zstd's fastest level that is used.
pub const FASTEST: i32 = -7;
/// zstd's strongest level that is used.
pub const STRONGEST: i32 = 19;

/// Whether a set can have this level. 0 is zstd's name for its default.
pub fn is_level(level: i32) -> bool {
    (FASTEST..=STRONGEST).contains(&level) && level != 0
}

/// The levels that are tried, from the fastest. Between them, zstd gains little (`zstd -b`).
const LEVELS: [i32; 11] = [FASTEST, -4, -2, 1, 3, 5, 7, 9, 12, 15, STRONGEST];
/// zstd levels that are worth choosing without a sample, each with what a core packs at it, in
/// plain MB a second: half of what one of a server did with `zstd -b -B4MB` on one part documents
/// and two parts photos and archives, since laptops are slower.
const SPEEDS: [(i32, u64); 5] = [(1, 450), (3, 280), (7, 50), (9, 40), (12, 13)];
/// Compressed size in percent of the plain size (82 in that measurement), minus a
/// fifth for the cores' other work: reading, hashing, sending.
const LEFT_PERCENT: u64 = 64;

/// What a byte of a store costs the cores besides packing and its SHA-256, in picoseconds:
/// reading, copies, XXH3 (docs/benchmarks.md).
const OTHER_PICOS: u128 = 900;
/// What a file costs besides its bytes, in nanoseconds.
const FILE_NANOS: u128 = 25_000;
/// The share of the end time that trying levels may take, one part in this many.
const TRYING: u128 = 40;
/// Times that differ by less than one part in this many are equal: the smaller set is better.
const SAME: u128 = 50;

/// What the choice depends on, besides the files.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Conditions {
    /// What the destination writes, as measured; 0 is not known.
    pub bytes_a_second: u64,
    /// Bytes that are free there, if that is known.
    pub free: Option<u64>,
    /// The cores.
    pub cores: usize,
    /// Whether the set is read back after it is written.
    pub read_back: bool,
}

/// What a level would cost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Cost {
    level: i32,
    /// Bytes of the set.
    packed: u128,
    /// Until the set is verified, in nanoseconds.
    nanos: u128,
    /// The part of it that is the cores' alone: a stronger level is never below.
    packing: u128,
}

/// A sample, packed at a level.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Tried {
    level: i32,
    plain: u64,
    packed: u64,
    took: Duration,
}

/// The level for a plan of which this is a sample. Without one, and without the destination's
/// speed, as [`auto_level`].
///
/// # Errors
/// zstd fails.
pub(crate) fn least_time(sample: &Sample, conditions: Conditions) -> Result<i32, SetError> {
    let Conditions { bytes_a_second, cores, .. } = conditions;
    if sample.plain_bytes() == 0 || bytes_a_second == 0 {
        return Ok(auto_level(bytes_a_second, cores));
    }
    let since = Instant::now();
    std::hint::black_box(Sha256::digest(sample.bytes()));
    let hash = since.elapsed();
    let cost = |tried: &Tried| cost(tried, hash, sample, conditions);
    let mut best: Option<Cost> = None;
    let (mut spent, mut last) = (Duration::ZERO, Duration::ZERO);
    for level in LEVELS {
        if let Some(best) = &best {
            // The next one takes up to three times as long.
            let next = spent.saturating_add(last.saturating_mul(3));
            if next.as_nanos() > best.nanos / TRYING && fits(best, conditions) {
                break;
            }
        }
        let tried = tried(sample, level)?;
        (spent, last) = (spent.saturating_add(tried.took), tried.took);
        let cost = cost(&tried);
        best = Some(match best {
            Some(best) => better(best, cost, conditions),
            None => cost,
        });
        if best.is_some_and(|best| cost.packing > best.nanos && fits(&best, conditions)) {
            break;
        }
    }
    Ok(best.map_or(1, |best| best.level))
}

/// Packs the sample, in frames.
fn tried(sample: &Sample, level: i32) -> Result<Tried, SetError> {
    let mut zstd = Packer::new(level)?;
    let mut frame = Vec::new();
    let (mut packed, mut took) = (0_u64, Duration::ZERO);
    // A new packer's first frame pays for its tables.
    let first = sample.bytes().len().min(64 << 10);
    zstd.pack(sample.bytes().get(..first).unwrap_or_default(), &mut frame)?;
    let frame_bytes = usize::try_from(FRAME_BYTES).unwrap_or(4 << 20);
    for plain in sample.bytes().chunks(frame_bytes) {
        let since = Instant::now();
        zstd.pack(plain, &mut frame)?;
        took += since.elapsed();
        packed += frame.len() as u64;
    }
    Ok(Tried { level, plain: sample.plain_bytes(), packed, took })
}

/// What saving the whole plan costs at a level.
fn cost(tried: &Tried, hash: Duration, sample: &Sample, conditions: Conditions) -> Cost {
    let (total, files) = sample.whole();
    let (total, files) = (u128::from(total), u128::from(files));
    let plain = u128::from(tried.plain.max(1));
    let scaled = |part: u128| part * total / plain;
    let cores = u128::try_from(conditions.cores.max(1)).unwrap_or(1);
    let packed = scaled(u128::from(tried.packed)) + files * u128::from(PER_FILE);
    let hash_of = |bytes: u128| hash.as_nanos() * bytes / plain;
    let work = scaled(tried.took.as_nanos())
        + hash_of(total)
        // SHA256SUMS.
        + hash_of(packed)
        + total * OTHER_PICOS / 1000
        + files * FILE_NANOS;
    let packing = work / cores;
    let writing = packed * 1_000_000_000 / u128::from(conditions.bytes_a_second.max(1));
    // Read back at the speed at which it is written, which is all that is known.
    let back = if conditions.read_back { writing.max(hash_of(packed) / cores) } else { 0 };
    Cost { level: tried.level, packed, nanos: packing.max(writing) + back, packing }
}

/// Whether a set of this level fits into the destination, with some room for what a sample does
/// not show.
fn fits(cost: &Cost, conditions: Conditions) -> bool {
    conditions.free.is_none_or(|free| cost.packed + cost.packed / 10 <= u128::from(free))
}

/// The better of two levels, of which the second is stronger.
fn better(best: Cost, next: Cost, conditions: Conditions) -> Cost {
    match (fits(&best, conditions), fits(&next, conditions)) {
        (true, false) => best,
        (false, true) => next,
        (false, false) => {
            if next.packed < best.packed {
                next
            } else {
                best
            }
        }
        (true, true) => {
            let is_as_fast = next.nanos <= best.nanos + best.nanos / SAME;
            let is_better = next.nanos < best.nanos || is_as_fast && next.packed < best.packed;
            // Of two that are as fast, the smaller one; but never step by step to a slow one.
            if is_better { Cost { nanos: next.nanos.min(best.nanos), ..next } } else { best }
        }
    }
}

/// The strongest level at which this many cores keep up with a destination that takes
/// `bytes_a_second`; a fast one if none does. For before the files are known.
pub(crate) fn auto_level(bytes_a_second: u64, cores: usize) -> i32 {
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

    const MB: u64 = 1_000_000;

    #[test]
    fn a_slow_share_gets_a_strong_level_and_a_fast_disk_a_fast_one() {
        assert_eq!(auto_level(2_000 * MB, 2), 1, "memory");
        assert_eq!(auto_level(400 * MB, 4), 3, "USB 3.1, four cores");
        assert_eq!(auto_level(400 * MB, 2), 1, "USB 3.1, two cores");
        assert_eq!(auto_level(110 * MB, 4), 7, "a gigabit share, four cores");
        assert_eq!(auto_level(110 * MB, 2), 3, "a gigabit share, two cores");
        assert_eq!(auto_level(11 * MB, 2), 12, "100 megabit");
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

    /// Levels as a processor may have them: nanoseconds and bytes for a million plain bytes.
    const PROCESSOR: [(i32, u64, u64); 6] = [
        (-7, 1_000_000, 800_000),
        (1, 2_000_000, 600_000),
        (3, 4_000_000, 560_000),
        (9, 25_000_000, 520_000),
        (12, 80_000_000, 510_000),
        (19, 900_000_000, 480_000),
    ];

    fn chosen(conditions: Conditions) -> i32 {
        let sample = Sample::known(vec![0; 1_000_000], 10_000 * MB, 10_000);
        let hash = Duration::from_micros(500);
        let mut best: Option<Cost> = None;
        for (level, nanos, packed) in PROCESSOR {
            let took = Duration::from_nanos(nanos);
            let tried = Tried { level, plain: 1_000_000, packed, took };
            let cost = cost(&tried, hash, &sample, conditions);
            best = Some(best.map_or(cost, |best| better(best, cost, conditions)));
        }
        best.unwrap().level
    }

    #[test]
    fn the_level_is_that_of_the_smallest_end_time() {
        let at =
            |bytes_a_second| Conditions { bytes_a_second, free: None, cores: 2, read_back: true };
        assert_eq!(chosen(at(20_000 * MB)), -7, "memory: packing is all there is");
        assert_eq!(chosen(at(400 * MB)), 1, "level 3 packs for 28 s, level 1 writes for 15");
        assert_eq!(chosen(at(110 * MB)), 3, "28 s of packing hide behind 51 s of writing");
        assert_eq!(chosen(at(11 * MB)), 12);
        assert_eq!(chosen(at(MB)), 19, "writing takes hours, packing one");
        // More cores allow more, and a read-back makes small sets worth more.
        assert_eq!(chosen(Conditions { cores: 16, ..at(110 * MB) }), 9);
        let speeds: Vec<i32> = (20..40).map(|i| chosen(at(1 << i))).collect();
        assert!(speeds.is_sorted_by(|a, b| a >= b), "{speeds:?}");
    }

    #[test]
    fn a_set_that_would_not_fit_is_packed_harder() {
        let conditions = |free| Conditions {
            bytes_a_second: 20_000 * MB,
            free: Some(free),
            cores: 2,
            read_back: true,
        };
        assert_eq!(chosen(conditions(20_000 * MB)), -7);
        assert_eq!(chosen(conditions(6_500 * MB)), 3, "6.6 GB at level 1, with room");
        assert_eq!(chosen(conditions(MB)), 19, "nothing fits: the smallest");
    }

    #[test]
    fn a_sample_of_nothing_and_a_destination_of_unknown_speed_get_a_usual_level() {
        let conditions = Conditions { bytes_a_second: 0, free: None, cores: 2, read_back: true };
        let nothing = Sample::known(Vec::new(), 0, 0);
        let fast = Conditions { bytes_a_second: u64::MAX, ..conditions };
        assert_eq!(least_time(&nothing, fast).unwrap(), 1);
        let some = Sample::known(vec![1; 300_000], 300_000, 1);
        assert_eq!(least_time(&some, conditions).unwrap(), auto_level(0, 2));
        assert!(is_level(least_time(&some, fast).unwrap()));
    }
}
