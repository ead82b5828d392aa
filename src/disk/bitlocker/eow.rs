//! "Encrypt on write": what of a volume is encrypted, by bitmaps (libbde since 2026; dissect.fve;
//! seen in real volumes).
//!
//! A descriptor, twice on the volume, leads to one map for each region of it. A map has two
//! records, of which the one with the higher number counts, and a log, which says whether a chunk
//! was being converted when the power failed.

use std::ops::Range;

use crate::disk::crc::CRC32;
use crate::disk::device::Device;
use crate::model::bytes::{slice, stands_at, u16_at, u32_at, u64_at};

/// Bytes of a descriptor before the maps' places.
const DESCRIPTOR: usize = 56;
/// A descriptor, a map or a record is never larger.
const MAX: usize = 1 << 20;
/// More chunks than a volume of a hundred TiB has.
const MAX_CHUNKS: u64 = 1 << 26;
/// More pieces than a conversion makes: it goes from front to back.
const MAX_PIECES: usize = 1 << 20;
/// The unit of the areas that BitLocker keeps for itself (libbde).
const UNIT: u64 = 4096;
const LOG_SECTOR: u64 = 512;

/// What is stored at a place of the volume.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stored {
    Plain,
    Encrypted,
    /// It was being converted: some of both.
    InConversion,
}

/// A piece of the volume, and how it is stored.
pub(super) type Piece = (Range<u64>, Stored);

/// What the maps of a volume say.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct EowMaps {
    /// How each piece is stored, in order, without overlaps. There may be gaps.
    pub(super) pieces: Vec<Piece>,
    /// What BitLocker keeps for itself.
    pub(super) hidden: Vec<Range<u64>>,
    /// What is wrong with the maps, for people; each once.
    pub(super) wrong: Vec<&'static str>,
}

/// The newest map of a region is gone, by what its log says.
const STALE: &str = "the newest map of it is damaged, and an older one was used";
/// What was being converted cannot be known.
const NO_LOG: &str = "its log is damaged: Lifeboat cannot tell whether a piece was being converted";

/// The descriptor's fields.
struct Descriptor {
    places: [u64; 2],
    len: u64,
    chunk: u64,
    log_len: u64,
    log_record: u64,
    maps: Vec<u64>,
}

impl EowMaps {
    /// Reads the maps by the places of the descriptor's two copies.
    pub fn read(device: &dyn Device, descriptors: [u64; 2]) -> Self {
        let mut maps = Self::default();
        let found = descriptors.into_iter().find_map(|at| Descriptor::read(device, at));
        let Some(descriptor) = found else {
            maps.add_wrong("both copies of its descriptor are damaged");
            return maps;
        };
        for at in descriptors.into_iter().chain(descriptor.places) {
            maps.hide(at, descriptor.len);
        }
        let mut chunks = 0;
        for at in &descriptor.maps {
            let Some(map) = Map::read(device, *at) else {
                maps.add_wrong("a map of the conversion is damaged");
                continue;
            };
            maps.hide(*at, map.len);
            maps.hide(map.log, descriptor.log_len);
            chunks += map.region_len / descriptor.chunk;
            let Some(bits) = map.bits.as_ref().filter(|_| chunks <= MAX_CHUNKS) else {
                maps.add_wrong("a map of the conversion has no valid record");
                continue;
            };
            let log = Log::read(device, &descriptor, &map);
            let chunks_here = map.region_len.div_ceil(descriptor.chunk);
            if let Some(wrong) = log.contradicts(map.sequence, is_uniform(bits, chunks_here)) {
                maps.add_wrong(wrong);
            }
            if !maps.add(&map, bits, descriptor.chunk, log.converting()) {
                maps.add_wrong("a map of the conversion is too short");
            }
        }
        maps.pieces.sort_by_key(|(range, _)| range.start);
        let mut end = 0;
        let mut overlap = false;
        for (range, _) in &mut maps.pieces {
            if range.start < end {
                overlap = true;
                range.start = end.min(range.end);
            }
            end = end.max(range.end);
        }
        if overlap {
            maps.add_wrong("two maps of the conversion overlap");
        }
        maps.pieces.retain(|(range, _)| !range.is_empty());
        maps
    }

    /// The ranges of the volume that the maps cover, in order.
    pub fn ranges(&self) -> impl Iterator<Item = Range<u64>> {
        self.pieces.iter().map(|(range, _)| range.clone())
    }

    fn add_wrong(&mut self, what: &'static str) {
        if !self.wrong.contains(&what) {
            self.wrong.push(what);
        }
    }

    fn hide(&mut self, at: u64, len: u64) {
        let range = at..at.saturating_add(len.next_multiple_of(UNIT));
        if at != 0 && len != 0 && !self.hidden.contains(&range) {
            self.hidden.push(range);
        }
    }

    /// Adds a region's chunks; whether its bits were enough for them.
    fn add(&mut self, map: &Map, bits: &[u8], chunk: u64, in_conversion: Option<u64>) -> bool {
        let end = map.region.saturating_add(map.region_len);
        let mut at = map.region;
        for index in 0.. {
            if at >= end {
                return true;
            }
            let Some(byte) = bits.get(index / 8) else { return false };
            if self.pieces.len() >= MAX_PIECES {
                return false;
            }
            let next = at.saturating_add(chunk).min(end);
            let stored = match byte >> (index % 8) & 1 {
                _ if in_conversion.is_some_and(|at_now| (at..next).contains(&at_now)) => {
                    Stored::InConversion
                }
                1 => Stored::Encrypted,
                _ => Stored::Plain,
            };
            match self.pieces.last_mut() {
                Some((range, last)) if range.end == at && *last == stored => range.end = next,
                _ => self.pieces.push((at..next, stored)),
            }
            at = next;
        }
        true
    }
}

impl Descriptor {
    fn read(device: &dyn Device, at: u64) -> Option<Self> {
        let head = read(device, at, DESCRIPTOR)?;
        if !stands_at(&head, 0, b"FVE-EOW\0") {
            return None;
        }
        let size = usize::from(u16_at(&head, 10)?);
        let bytes = read(device, at, size.max(DESCRIPTOR))?;
        let count = usize::try_from(u32_at(&bytes, 32)?).ok()?;
        let has_good_sum = CRC32.without_field(bytes.get(..size)?, 36) == u32_at(&bytes, 36);
        let places = slice(&bytes, DESCRIPTOR, count.checked_mul(8)?)?;
        let chunk = u64::from(u32_at(&bytes, 20)?);
        // 512 is the smallest sector; a chunk is MiB in practice.
        let is_sound = has_good_sum && chunk >= 512 && chunk.is_multiple_of(512);
        is_sound.then_some(Self {
            places: [u64_at(&bytes, 40)?, u64_at(&bytes, 48)?],
            len: size as u64,
            chunk,
            log_len: u32_at(&bytes, 24)?.into(),
            log_record: u32_at(&bytes, 28)?.into(),
            maps: places.chunks_exact(8).filter_map(|place| u64_at(place, 0)).collect(),
        })
    }
}

/// The map of one region.
struct Map {
    len: u64,
    region: u64,
    region_len: u64,
    log: u64,
    /// The number of the newer valid record, and its bits.
    sequence: u64,
    bits: Option<Vec<u8>>,
}

impl Map {
    fn read(device: &dyn Device, at: u64) -> Option<Self> {
        let head = read(device, at, 60)?;
        if !stands_at(&head, 0, b"FVE-EOWBM\0") {
            return None;
        }
        let size = usize::try_from(u32_at(&head, 12)?).ok().filter(|size| *size <= MAX)?;
        let bytes = read(device, at, size.max(60))?;
        let records = [44, 48].map(|at| u32_at(&bytes, at).and_then(|at| usize::try_from(at).ok()));
        let first = records.into_iter().flatten().min()?;
        let has_good_sum = CRC32.without_field(bytes.get(..first)?, 56) == u32_at(&bytes, 56);
        let newest = records.into_iter().flatten().filter_map(|at| record(bytes.get(at..)?));
        let newest = newest.max_by_key(|(sequence, _)| *sequence);
        has_good_sum.then_some(Self {
            len: size as u64,
            region: u64_at(&bytes, 20)?,
            region_len: u64_at(&bytes, 28)?,
            log: u64_at(&bytes, 36)?,
            sequence: newest.as_ref().map_or(0, |(sequence, _)| *sequence),
            bits: newest.map(|(_, bits)| bits),
        })
    }
}

/// A valid record's number and bits.
fn record(bytes: &[u8]) -> Option<(u64, Vec<u8>)> {
    if !stands_at(bytes, 0, b"FVE-EOWBR\0") {
        return None;
    }
    let record = bytes.get(..usize::try_from(u32_at(bytes, 12)?).ok()?)?;
    let has_good_sum = CRC32.without_field(record, 32) == u32_at(record, 32);
    // As many bytes as the count of bits takes: what is behind may be anything.
    let count = usize::try_from(u32_at(record, 16)?).ok()?;
    let bits = slice(record, 36, count.div_ceil(8).min(record.len().checked_sub(36)?))?;
    has_good_sum.then_some((u64_at(record, 20)?, bits.to_vec()))
}

/// Whether all of a region's chunks have the same bit.
fn is_uniform(bits: &[u8], chunks: u64) -> bool {
    let bit = |index: u64| {
        let byte = usize::try_from(index / 8).ok().and_then(|at| bits.get(at))?;
        Some(byte >> (index % 8) & 1)
    };
    (1..chunks).all(|index| bit(index) == bit(0))
}

/// One of the two records of a region's log.
enum Entry {
    /// Its number, and the place of the chunk that was being converted, 0 for none.
    Valid(u64, u64),
    /// Never written.
    Blank,
    Damaged,
}

/// A region's log (seen; documented nowhere). Before a chunk is converted, a record with the
/// map's next number and the chunk's place is written; behind it, one that says it is idle. So the
/// newest number is the map's, the one behind it, or, in the middle of the next chunk, two behind
/// it.
struct Log {
    entries: [Entry; 2],
}

impl Log {
    fn read(device: &dyn Device, descriptor: &Descriptor, map: &Map) -> Self {
        Self { entries: [0, 1].map(|index| Entry::read(device, descriptor, map, index)) }
    }

    /// The newest record.
    fn newest(&self) -> Option<(u64, u64)> {
        let valid = self.entries.iter().filter_map(|entry| match entry {
            Entry::Valid(number, place) => Some((*number, *place)),
            Entry::Blank | Entry::Damaged => None,
        });
        valid.max_by_key(|(number, _)| *number)
    }

    /// The place of the chunk that is being converted.
    fn converting(&self) -> Option<u64> {
        self.newest().map(|(_, place)| place).filter(|place| *place != 0)
    }

    /// What is wrong if the region's map has the number `sequence`, and is all of one kind or not.
    fn contradicts(&self, sequence: u64, is_uniform: bool) -> Option<&'static str> {
        let is_damaged = self.entries.iter().any(|entry| matches!(entry, Entry::Damaged));
        let has_blank = self.entries.iter().any(|entry| matches!(entry, Entry::Blank));
        match self.newest() {
            _ if is_damaged => Some(NO_LOG),
            // A region of which nothing was ever converted may have none.
            None => (!is_uniform).then_some(NO_LOG),
            // Two records were written by then.
            Some((number, _)) if number < sequence || has_blank && number > 2 => Some(NO_LOG),
            Some((number, place)) => {
                let ahead = if place == 0 { 1 } else { 2 };
                (number > sequence.saturating_add(ahead)).then_some(STALE)
            }
        }
    }
}

impl Entry {
    fn read(device: &dyn Device, descriptor: &Descriptor, map: &Map, index: u64) -> Self {
        Self::try_read(device, descriptor, map, index).unwrap_or(Self::Damaged)
    }

    fn try_read(
        device: &dyn Device,
        descriptor: &Descriptor,
        map: &Map,
        index: u64,
    ) -> Option<Self> {
        let start = map.log.checked_add(LOG_SECTOR)?;
        let start = start.checked_add(descriptor.log_record.checked_mul(index)?)?;
        // A record's header is before its body and behind it.
        let last = start.checked_add(descriptor.log_record)?.checked_sub(LOG_SECTOR)?;
        let heads = [start, last].map(|at| read(device, at, 32));
        let valid = heads.iter().flatten().find_map(|head| {
            let is_sound = u16_at(head, 0)? == 32 && u32_at(head, 28)? == CRC32.of(&[&head[..28]]);
            is_sound.then_some(Self::Valid(u64_at(head, 4)?, u64_at(head, 12)?))
        });
        let is_blank = |head: &Option<Vec<u8>>| {
            head.as_ref().is_some_and(|head| head.iter().all(|byte| *byte == 0))
        };
        valid.or_else(|| heads.iter().all(is_blank).then_some(Self::Blank))
    }
}

fn read(device: &dyn Device, at: u64, len: usize) -> Option<Vec<u8>> {
    let end = at.checked_add(len as u64)?;
    if len > MAX || end > device.len() {
        return None;
    }
    let mut bytes = vec![0; len];
    device.read_exact_at(at, &mut bytes).ok().map(|()| bytes)
}
