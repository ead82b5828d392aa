//! Breaks one structure of a sound volume, as real disks and rescue images do: sectors of zeros
//! or of a fill pattern, sectors of another time, swapped sectors, lost bits, torn blocks.
//!
//! Everything follows from a seed. The structures are found by a reader of a few lines that
//! shares nothing with Lifeboat.

use std::ops::Range;

use anyhow::{Context as _, Result};

use crate::rng::Rng;

const SECTOR: usize = 512;
const RECORD: usize = 1024;

/// A broken volume, as what differs from the sound one.
#[derive(Clone, Debug)]
pub struct Damage {
    /// What was done, for people.
    pub what: String,
    /// Byte on the volume, and the bytes that are there now.
    pub patches: Vec<(usize, Vec<u8>)>,
}

/// The structures of a volume that can be broken.
#[derive(Debug, Default)]
pub struct Structures {
    /// File records that are in use.
    pub records: Vec<usize>,
    /// The copies of the first records.
    pub mirror: usize,
    /// Index blocks of 4 KiB.
    pub blocks: Vec<usize>,
    /// Attribute lists in clusters.
    pub lists: Vec<Range<usize>>,
    /// Clusters with the start of compressed data.
    pub compressed: Vec<usize>,
    /// The bitmap of `$MFT`.
    pub record_bitmap: Vec<Range<usize>>,
    /// `$Bitmap`.
    pub cluster_bitmap: Vec<Range<usize>>,
    /// Where records say the first cluster of an attribute: byte, and how many bytes.
    pub extents: Vec<(usize, usize)>,
    /// Bytes of a cluster.
    cluster: usize,
    /// Bytes of the volume.
    bytes: usize,
}

fn number(bytes: &[u8], at: usize, length: usize) -> usize {
    let mut number = [0; 8];
    number[..length].copy_from_slice(&bytes[at..at + length]);
    usize::try_from(u64::from_le_bytes(number)).unwrap_or(usize::MAX)
}

/// A file record with its fix-up undone.
fn record(volume: &[u8], at: usize) -> Vec<u8> {
    let mut record = volume[at..at + RECORD].to_vec();
    let list = number(&record, 4, 2);
    for i in 0..RECORD / SECTOR {
        let truth = [record[list + 2 + i * 2], record[list + 3 + i * 2]];
        record[(i + 1) * SECTOR - 2..(i + 1) * SECTOR].copy_from_slice(&truth);
    }
    record
}

/// The attributes of a record: type, byte, length.
fn attributes(record: &[u8]) -> Vec<(usize, usize, usize)> {
    let mut found = Vec::new();
    let mut at = number(record, 0x14, 2);
    while at + 8 <= record.len() && number(record, at, 4) != 0xFFFF_FFFF {
        let length = number(record, at + 4, 4);
        found.push((number(record, at, 4), at, length));
        at += length.max(8);
    }
    found
}

/// The extents of an attribute in clusters, as bytes of the volume; `None` for a sparse one.
fn extents(record: &[u8], at: usize, cluster: usize) -> Vec<(Option<usize>, usize)> {
    let mut found = Vec::new();
    let mut run = at + number(record, at + 0x20, 2);
    let mut lcn = 0_i64;
    while record[run] != 0 {
        let (sizes, offsets) = (usize::from(record[run] & 15), usize::from(record[run] >> 4));
        let clusters = number(record, run + 1, sizes);
        let place = (offsets > 0).then(|| {
            let bytes = &record[run + 1 + sizes..run + 1 + sizes + offsets];
            let negative = bytes[offsets - 1] & 0x80 != 0;
            let mut delta = [if negative { 0xFF } else { 0 }; 8];
            delta[..offsets].copy_from_slice(bytes);
            lcn += i64::from_le_bytes(delta);
            usize::try_from(lcn).unwrap_or(0) * cluster
        });
        found.push((place, clusters * cluster));
        run += 1 + sizes + offsets;
    }
    found
}

impl Structures {
    /// Finds them on a sound volume with records of 1 KiB and index blocks of 4 KiB.
    ///
    /// # Errors
    /// `$MFT` has no data.
    pub fn of(volume: &[u8]) -> Result<Self> {
        let cluster = number(volume, 0x0B, 2) * usize::from(volume[0x0D]);
        let mut found = Self {
            bytes: volume.len(),
            cluster,
            mirror: number(volume, 0x38, 8) * cluster,
            ..Self::default()
        };
        let mft = record(volume, number(volume, 0x30, 8) * cluster);
        let data =
            attributes(&mft).into_iter().find(|a| a.0 == 0x80).context("$MFT without data")?;
        let places = extents(&mft, data.1, cluster);
        let places =
            places.iter().filter_map(|(place, length)| Some((*place)?..(*place)? + length));
        let records = places.flat_map(|place| place.step_by(RECORD));
        let written = number(&mft, data.1 + 0x38, 8) / RECORD;
        for (index, at) in records.take(written).enumerate() {
            if &volume[at..at + 4] != b"FILE" || volume[at + 0x16] & 1 == 0 {
                continue;
            }
            // The records that are reserved have nothing in them.
            if !(12..24).contains(&index) {
                found.records.push(at);
            }
            let record = record(volume, at);
            for (kind, attribute, _) in attributes(&record) {
                if record[attribute + 8] == 0 {
                    continue;
                }
                let run = attribute + number(&record, attribute + 0x20, 2);
                let (sizes, offsets) = (record[run] & 15, usize::from(record[run] >> 4));
                let first = run + 1 + usize::from(sizes);
                let is_fixed_up = (first..first + offsets).any(|at| at % SECTOR >= SECTOR - 2);
                if offsets > 0 && kind == 0x80 && !is_fixed_up && index >= 24 {
                    found.extents.push((at + first, offsets));
                }
                let places = extents(&record, attribute, cluster);
                let ranges = places.iter().filter_map(|(at, length)| Some((*at)?..(*at)? + length));
                match kind {
                    0x20 => {
                        let length = number(&record, attribute + 0x30, 8);
                        found.lists.extend(ranges.take(1).map(|r| r.start..r.start + length));
                    }
                    0xA0 => found.blocks.extend(
                        ranges
                            .flat_map(|range| range.step_by(4096))
                            .filter(|at| &volume[*at..at + 4] == b"INDX"),
                    ),
                    0xB0 if index == 0 => found.record_bitmap.extend(ranges),
                    0x80 if index == 6 => found.cluster_bitmap.extend(ranges),
                    0x80 if record[attribute + 0x0C] & 1 != 0 => {
                        found.compressed.extend(starts_of_units(&places, cluster));
                    }
                    _ => {}
                }
            }
        }
        Ok(found)
    }

    /// Breaks one structure, or (rarely) two. `before` is the volume at an earlier time.
    pub fn damage(&self, volume: &[u8], before: &[u8], seed: u64) -> Damage {
        let mut rng = Rng::new(seed);
        let mut damage = Damage { what: String::new(), patches: Vec::new() };
        let times = if rng.one_in(8) { 2 } else { 1 };
        for _ in 0..times {
            let (what, patches) = self.one(volume, before, &mut rng);
            if !damage.what.is_empty() {
                damage.what.push_str("; ");
            }
            damage.what.push_str(&what);
            damage.patches.extend(patches);
        }
        damage
    }

    #[allow(clippy::too_many_lines)] // a list
    fn one(&self, volume: &[u8], before: &[u8], rng: &mut Rng) -> (String, Vec<(usize, Vec<u8>)>) {
        let record = *rng.pick(&self.records);
        let block = *rng.pick(&self.blocks);
        match rng.below(24) {
            0 => {
                let at = record + SECTOR * rng.index(2);
                let sectors = 1 + rng.index(16);
                let (name, bytes) = fill(rng, sectors * SECTOR);
                (format!("{name} in {sectors} sectors of $MFT at {at}"), vec![(at, bytes)])
            }
            1 => {
                let (name, bytes) = fill(rng, RECORD);
                (format!("{name} in the record at {record}"), vec![(record, bytes)])
            }
            2 => {
                let flags = volume[record + 0x16] & !1;
                (
                    format!("no in-use bit in the record at {record}"),
                    vec![(record + 0x16, vec![flags])],
                )
            }
            3 => {
                let sectors = *rng.pick(&[1, 2, 8]);
                let at = block + SECTOR * rng.index(9 - sectors);
                let (name, bytes) = fill(rng, sectors * SECTOR);
                (format!("{name} in {sectors} sectors of the index at {at}"), vec![(at, bytes)])
            }
            4 => {
                let other = *rng.pick(&self.blocks);
                let patches = swap(volume, block, other, 4096);
                (format!("index blocks at {block} and {other} swapped"), patches)
            }
            5 => {
                let bytes = before[block..block + 4096].to_vec();
                (format!("an old index block at {block}"), vec![(block, bytes)])
            }
            6 => {
                let other = *rng.pick(&self.records);
                let patches = swap(volume, record, other, RECORD);
                (format!("records at {record} and {other} swapped"), patches)
            }
            7 => {
                let other = *rng.pick(&self.records);
                let (record, other) = (record + SECTOR, other + SECTOR);
                let patches = swap(volume, record, other, SECTOR);
                (format!("sectors at {record} and {other} swapped"), patches)
            }
            8 => Self::bitmap("$MFT", &self.record_bitmap, volume, before, rng),
            9 => Self::bitmap("the volume", &self.cluster_bitmap, volume, before, rng),
            10 | 11 if !self.lists.is_empty() => {
                let list = rng.pick(&self.lists).clone();
                let (name, bytes) = match rng.below(3) {
                    0 => ("an old list", before[list.clone()].to_vec()),
                    1 => fill(rng, list.len()),
                    _ => {
                        let kept = rng.index(list.len() / 8) * 8;
                        let (name, bytes) = fill(rng, list.len() - kept);
                        (name, [&volume[list.start..list.start + kept], &bytes].concat())
                    }
                };
                (
                    format!("{name} in the attribute list at {}", list.start),
                    vec![(list.start, bytes)],
                )
            }
            12 if !self.compressed.is_empty() => {
                let at = *rng.pick(&self.compressed);
                let sectors = 1 + rng.index(self.cluster / SECTOR);
                let bytes = vec![0; sectors * SECTOR];
                (format!("zeros in {sectors} compressed sectors at {at}"), vec![(at, bytes)])
            }
            13 => {
                let (name, bytes) = fill(rng, SECTOR);
                let last = self.bytes - SECTOR;
                let at = *rng.pick(&[0, 0, last, self.records[0], self.mirror]);
                (format!("{name} in the sector at {at}"), vec![(at, bytes)])
            }
            14 => {
                let cut = SECTOR * (1 + rng.index(7));
                let other = *rng.pick(&self.blocks);
                let bytes = volume[other + cut..other + 4096].to_vec();
                (
                    format!("a torn index block at {block}, from byte {cut} on"),
                    vec![(block + cut, bytes)],
                )
            }
            15 => {
                let record = self.records[rng.index(10)];
                let (name, bytes) = fill(rng, RECORD);
                (format!("{name} in the system's record at {record}"), vec![(record, bytes)])
            }
            16 => {
                // In the entries of an index, not in the last two bytes of a sector.
                let at = block + 0x40 + rng.index(4096 - 0x40);
                let at = if at % SECTOR >= SECTOR - 2 { at - 2 } else { at };
                let bit = 1 << rng.below(8);
                (format!("a bit in the index at {at}"), vec![(at, vec![volume[at] ^ bit])])
            }
            17 => {
                let patches = [record, *rng.pick(&self.records)]
                    .map(|at| (at + 0x16, vec![volume[at + 0x16] & !1]));
                (format!("no in-use bits in records {patches:?}"), patches.to_vec())
            }
            18 | 19 => {
                let at = described(volume, record, rng);
                let bit = 1 << rng.below(8);
                let what = format!("a bit in the record at {record}, byte {:#x}", at - record);
                (what, vec![(at, vec![volume[at] ^ bit])])
            }
            20 => {
                let bytes = before[record..record + RECORD].to_vec();
                (format!("an old record at {record}"), vec![(record, bytes)])
            }
            21 if !self.extents.is_empty() => {
                let (at, size) = *rng.pick(&self.extents);
                let (other, _) = *rng.pick(&self.extents);
                let theirs = volume[other..other + size].to_vec();
                (format!("the clusters of the file at {other} in {at}"), vec![(at, theirs)])
            }
            22 if !self.extents.is_empty() => {
                let (at, size) = *rng.pick(&self.extents);
                let at = at + rng.index(size);
                let bit = 1 << rng.below(8);
                (
                    format!("a bit in the first cluster of a file at {at}"),
                    vec![(at, vec![volume[at] ^ bit])],
                )
            }
            _ => {
                // What a drive with sectors of 4 KiB loses.
                let at = record / 4096 * 4096;
                let (name, bytes) = fill(rng, 4096);
                (format!("{name} in 4 KiB of $MFT at {at}"), vec![(at, bytes)])
            }
        }
    }

    fn bitmap(
        of: &str,
        ranges: &[Range<usize>],
        volume: &[u8],
        before: &[u8],
        rng: &mut Rng,
    ) -> (String, Vec<(usize, Vec<u8>)>) {
        let range = rng.pick(ranges).clone();
        let at = range.start + SECTOR * rng.index(range.len() / SECTOR);
        let bytes = match rng.below(3) {
            0 => fill(rng, SECTOR).1,
            1 => before[at..at + SECTOR].to_vec(),
            _ => {
                let mut bytes = volume[at..at + SECTOR].to_vec();
                for _ in 0..=rng.below(20) {
                    let byte = rng.index(SECTOR);
                    bytes[byte] &= !(1 << rng.below(8));
                }
                bytes
            }
        };
        (format!("a bad sector in the bitmap of {of} at {at}"), vec![(at, bytes)])
    }
}

/// A byte of a record that says what or where something is: in its header, the headers of
/// attributes, names, and the lengths of run lists. (No structure tells when a bit of the data
/// flips, or of the times; and Lifeboat does not ask whether the size of a stream is that of
/// last week.)
fn described(volume: &[u8], at: usize, rng: &mut Rng) -> usize {
    let record = record(volume, at);
    let mut bytes: Vec<usize> = (0x10..0x20).collect();
    for (kind, attribute, length) in attributes(&record) {
        let value = attribute + number(&record, attribute + 0x14, 2);
        match (record[attribute + 8] == 0, kind) {
            (true, 0x30) => {
                bytes.extend(attribute..attribute + 0x10);
                bytes.extend((value..value + 8).chain(value + 0x40..attribute + length));
            }
            (true, _) => bytes.extend(attribute..attribute + 0x10),
            (false, _) => {
                bytes.extend(attribute..attribute + 0x28);
                let mut run = attribute + number(&record, attribute + 0x20, 2);
                while run < attribute + length && record[run] != 0 {
                    let (sizes, offsets) = (record[run] & 15, record[run] >> 4);
                    bytes.extend(run + 1..=run + usize::from(sizes));
                    run += 1 + usize::from(sizes + offsets);
                }
            }
        }
    }
    // The last bytes of each sector are the fix-up's.
    bytes.retain(|byte| byte % SECTOR < SECTOR - 2 && *byte < RECORD);
    at + *rng.pick(&bytes)
}

fn fill(rng: &mut Rng, length: usize) -> (&'static str, Vec<u8>) {
    let pattern: (&'static str, &[u8]) = *rng.pick(&[
        ("zeros", &[0][..]),
        ("zeros", &[0][..]),
        ("ones", &[0xFF][..]),
        ("a pattern", b"BAD SECTOR "),
        ("a pattern", &[0x55, 0xAA][..]),
    ]);
    (pattern.0, pattern.1.iter().copied().cycle().take(length).collect())
}

fn swap(volume: &[u8], a: usize, b: usize, length: usize) -> Vec<(usize, Vec<u8>)> {
    let bytes = |at: usize| volume[at..at + length].to_vec();
    vec![(a, bytes(b)), (b, bytes(a))]
}

/// The first clusters of the units of 16 clusters that are stored compressed.
fn starts_of_units(places: &[(Option<usize>, usize)], cluster: usize) -> Vec<usize> {
    let mut clusters = Vec::new();
    for (place, length) in places {
        clusters.extend((0..length / cluster).map(|i| place.map(|place| place + i * cluster)));
    }
    let units = clusters.chunks(16).filter(|unit| unit[0].is_some() && unit.contains(&None));
    units.filter_map(|unit| unit[0]).collect()
}
