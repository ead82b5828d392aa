//! Where the structures of a FAT12, FAT16, FAT32 or exFAT volume are, and the
//! chains of its clusters. (Microsoft: "FAT: General Overview of On-Disk Format"
//! 1.03; "exFAT file system specification", by section.)

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use crate::disk::{Cached, Device};
use crate::model::bytes::{stands_at, u16_at, u32_at, u64_at};

/// Memory for the table and the folders.
const CACHE_BYTES: usize = 4 << 20;

/// How the table is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Flavour {
    Fat12,
    Fat16,
    Fat32,
    ExFat,
}

impl Flavour {
    /// For people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Fat12 => "FAT12",
            Self::Fat16 => "FAT16",
            Self::Fat32 => "FAT32",
            Self::ExFat => "exFAT",
        }
    }

    /// From this value on an entry ends a chain.
    fn end(self) -> u32 {
        match self {
            Self::Fat12 => 0xFF8,
            Self::Fat16 => 0xFFF8,
            Self::Fat32 => 0x0FFF_FFF8,
            Self::ExFat => 0xFFFF_FFF8,
        }
    }
}

/// A run of bytes on the volume.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Extent {
    /// Byte on the volume.
    pub(crate) at: u64,
    /// Bytes.
    pub(crate) len: u64,
}

/// What a chain leads to, as far as it goes.
pub(crate) struct Chain {
    /// In order.
    pub(crate) extents: Vec<Extent>,
    /// Why it ends before it should, for people.
    pub(crate) broken: Option<String>,
    /// Why it may be another one than it was, for people.
    pub(crate) doubt: Option<String>,
}

impl Chain {
    /// One without clusters.
    pub(crate) fn empty(broken: Option<String>) -> Self {
        Self { extents: Vec::new(), broken, doubt: None }
    }
}

/// The clusters of a chain so far, to know one that comes again.
#[derive(Default)]
struct Visited {
    /// Runs: the first, and the one behind the last.
    runs: BTreeMap<u32, u32>,
    run: u32,
}

impl Visited {
    /// Whether it is new.
    fn add(&mut self, cluster: u32) -> bool {
        let before = self.runs.range(..=cluster).next_back();
        if before.is_some_and(|(_, end)| cluster < *end) {
            return false;
        }
        let next = cluster.saturating_add(1);
        match self.runs.get_mut(&self.run) {
            Some(end) if *end == cluster => *end = next,
            _ => {
                self.run = cluster;
                self.runs.insert(cluster, next);
            }
        }
        true
    }
}

/// What follows a cluster.
enum Step {
    Next(u32),
    End,
    /// For people.
    Bad(String),
}

/// What a walk along a chain met.
struct Walk {
    chain: Chain,
    /// Whether an entry of the other copy of the table was needed.
    is_helped: bool,
    /// Whether the copies lead on to different clusters.
    is_torn: bool,
}

impl Walk {
    /// The less, the better.
    fn troubles(&self) -> (bool, bool, bool) {
        (self.chain.broken.is_some(), self.chain.doubt.is_some(), self.is_helped)
    }
}

/// A volume's numbers. All places are bytes on the volume.
pub(crate) struct Geometry {
    pub(crate) flavour: Flavour,
    pub(crate) cluster_bytes: u64,
    table_at: u64,
    /// The table's second copy, where there is one that is kept like the first.
    copy_at: Option<u64>,
    data_at: u64,
    /// How many clusters there are; the first has the number 2.
    clusters: u32,
    /// The root folder: a chain, or a place of its own (FAT12, FAT16).
    root_cluster: u32,
    root_place: Option<Extent>,
    device: Cached,
}

impl Geometry {
    /// Reads the boot sector; `None` when its numbers make no volume.
    pub(crate) fn read(device: &Arc<dyn Device>) -> io::Result<Option<Self>> {
        let mut sector = [0; 512];
        device.read_exact_at(0, &mut sector)?;
        let exfat = stands_at(&sector, 3, b"EXFAT   ");
        Ok(if exfat { Self::exfat(&sector, device) } else { Self::fat(&sector, device) })
    }

    /// FAT, 3.1 to 3.5.
    fn fat(boot: &[u8], device: &Arc<dyn Device>) -> Option<Self> {
        let sector = u64::from(u16_at(boot, 0x0B)?);
        let per_cluster = u64::from(*boot.get(0x0D)?);
        let reserved = u64::from(u16_at(boot, 0x0E)?);
        let tables = u64::from(*boot.get(0x10)?);
        let root_bytes = u64::from(u16_at(boot, 0x11)?) * 32;
        let either = |short: u16, long: u32| if short == 0 { long.into() } else { short.into() };
        let sectors: u64 = either(u16_at(boot, 0x13)?, u32_at(boot, 0x20)?);
        let table_sectors: u64 = either(u16_at(boot, 0x16)?, u32_at(boot, 0x24)?);
        let fits = (512..=4096).contains(&sector)
            && sector.is_power_of_two()
            && per_cluster.is_power_of_two()
            && (1..=2).contains(&tables)
            && reserved > 0
            && table_sectors > 0;
        if !fits {
            return None;
        }
        let root_at = reserved + tables * table_sectors;
        let data = root_at + root_bytes.div_ceil(sector);
        let clusters = sectors.checked_sub(data)? / per_cluster;
        let (flavour, bits) = match clusters {
            // As in `disk::volume`.
            _ if u16_at(boot, 0x16)? == 0 => (Flavour::Fat32, 32),
            0..4085 => (Flavour::Fat12, 12),
            4085..65525 => (Flavour::Fat16, 16),
            _ => (Flavour::Fat32, 32),
        };
        // No more than the table has entries for.
        let entries = table_sectors * sector * 8 / bits;
        let clusters = clusters.min(entries.saturating_sub(2)).min(0x0FFF_FFF5);
        let is_32 = flavour == Flavour::Fat32;
        // FAT32 may keep only one of its tables, and says which.
        let flags = if is_32 { u16_at(boot, 0x28)? } else { 0 };
        let active = Some(u64::from(flags & 0xF)).filter(|n| flags & 0x80 != 0 && *n < tables);
        let table = |n: u64| (reserved + n * table_sectors) * sector;
        Some(Self {
            flavour,
            cluster_bytes: per_cluster * sector,
            table_at: table(active.unwrap_or(0)),
            copy_at: (tables == 2 && active.is_none()).then(|| table(1)),
            data_at: data * sector,
            clusters: u32::try_from(clusters).ok()?,
            root_cluster: if is_32 { u32_at(boot, 0x2C)? } else { 0 },
            root_place: (!is_32).then_some(Extent { at: root_at * sector, len: root_bytes }),
            device: Cached::new(device.clone(), CACHE_BYTES),
        })
    }

    /// exFAT, 3.1.
    fn exfat(boot: &[u8], device: &Arc<dyn Device>) -> Option<Self> {
        let shift = *boot.get(0x6C)?;
        let cluster_shift = *boot.get(0x6D)?;
        let fits = (9..=12).contains(&shift) && cluster_shift <= 25 - shift;
        if !fits {
            return None;
        }
        let bytes = |sectors: u32| u64::from(sectors) << shift;
        let entries = bytes(u32_at(boot, 0x54)?) / 4;
        let clusters = u64::from(u32_at(boot, 0x5C)?).min(entries.saturating_sub(2));
        // 64 bits of sectors; the volume ends where the device does at the latest.
        (u64_at(boot, 0x48)? > 0).then_some(())?;
        // The second table is for transactions (TexFAT); a flag says which counts.
        let length = bytes(u32_at(boot, 0x54)?);
        let is_second = boot.get(0x6E) == Some(&2) && u16_at(boot, 0x6A)? & 1 != 0;
        let table_at = bytes(u32_at(boot, 0x50)?) + if is_second { length } else { 0 };
        Some(Self {
            flavour: Flavour::ExFat,
            cluster_bytes: 1 << (shift + cluster_shift),
            table_at,
            copy_at: None,
            data_at: bytes(u32_at(boot, 0x58)?),
            clusters: u32::try_from(clusters).ok()?.min(0xFFFF_FFF5),
            root_cluster: u32_at(boot, 0x60)?,
            root_place: None,
            device: Cached::new(device.clone(), CACHE_BYTES),
        })
    }

    /// The root folder.
    pub(crate) fn root(&self, most: u64) -> Chain {
        match self.root_place {
            Some(place) => Chain { extents: vec![place], broken: None, doubt: None },
            None => self.chain(self.root_cluster, most, None),
        }
    }

    /// Where a cluster is; `None` when there is no such cluster.
    pub(crate) fn place_of(&self, cluster: u32) -> Option<u64> {
        let number = cluster.checked_sub(2).filter(|number| *number < self.clusters)?;
        u64::from(number).checked_mul(self.cluster_bytes)?.checked_add(self.data_at)
    }

    /// The number of the last cluster, and one more.
    pub(crate) fn end(&self) -> u32 {
        self.clusters.saturating_add(2)
    }

    /// The cluster at a byte of the volume.
    pub(crate) fn cluster_at(&self, at: u64) -> Option<u32> {
        let number = at.checked_sub(self.data_at)? / self.cluster_bytes;
        u32::try_from(number).ok()?.checked_add(2)
    }

    /// What the first table has for a cluster: whether it is in use, and the cluster that
    /// follows it.
    pub(crate) fn mark(&self, cluster: u32) -> (bool, Option<u32>) {
        let Ok(next) = self.next(cluster, self.table_at) else { return (false, None) };
        if self.place_of(next).is_some() {
            return (true, Some(next));
        }
        (next >= self.flavour.end(), None)
    }

    /// How many bytes so many clusters have.
    pub(crate) fn bytes_of(&self, clusters: usize) -> u64 {
        (clusters as u64).saturating_mul(self.cluster_bytes)
    }

    /// How many bytes all clusters have.
    pub(crate) fn bytes(&self) -> u64 {
        u64::from(self.clusters).saturating_mul(self.cluster_bytes)
    }

    /// The clusters from `first` on, to the chain's end and no more than `most`
    /// bytes of them. With `len`, the chain must have so many bytes.
    pub(crate) fn chain(&self, first: u32, most: u64, len: Option<u64>) -> Chain {
        let walk = self.walk(first, most, len, (self.table_at, self.copy_at));
        let mut best = walk;
        let mut is_second = false;
        if let Some(copy) = self.copy_at.filter(|_| best.troubles() != (false, false, false)) {
            let other = self.walk(first, most, len, (copy, Some(self.table_at)));
            is_second = other.troubles() < best.troubles();
            if is_second {
                best = other;
            }
        }
        let Walk { mut chain, is_helped, is_torn } = best;
        let doubt = if is_helped || is_second {
            Some("the second copy of the table was used: the first is damaged")
        } else if is_torn {
            Some("the two copies of the table lead to different clusters")
        } else {
            None
        };
        chain.doubt = chain.doubt.or(doubt.map(str::to_owned));
        chain
    }

    fn walk(&self, first: u32, most: u64, len: Option<u64>, tables: (u64, Option<u64>)) -> Walk {
        let mut walk = Walk { chain: Chain::empty(None), is_helped: false, is_torn: false };
        let most = len.map_or(most, |len| len.min(most));
        let mut left = most.div_ceil(self.cluster_bytes);
        let mut visited = Visited::default();
        let mut cluster = first;
        while left > 0 {
            let Some(at) = self.place_of(cluster) else {
                walk.chain.broken = Some(format!("the chain leads to cluster {cluster}"));
                return walk;
            };
            if !visited.add(cluster) {
                walk.chain.broken = Some("the chain leads in a circle".to_owned());
                return walk;
            }
            match walk.chain.extents.last_mut() {
                Some(last) if last.at.saturating_add(last.len) == at => {
                    last.len = last.len.saturating_add(self.cluster_bytes);
                }
                _ => walk.chain.extents.push(Extent { at, len: self.cluster_bytes }),
            }
            left -= 1;
            let is_last = left == 0 && len.is_some();
            match self.step(cluster, tables, &mut walk) {
                Step::End => {
                    if len.is_some() && left > 0 {
                        walk.chain.broken = Some("the chain ends too early".to_owned());
                    }
                    return walk;
                }
                Step::Next(_) if is_last => {
                    let text = "it has more clusters than its size needs";
                    walk.chain.doubt = Some(text.to_owned());
                }
                Step::Next(next) => cluster = next,
                // All of it is there; whether it should be longer is not known.
                Step::Bad(why) if is_last => {
                    walk.chain.doubt = Some(format!("its end is not sure: {why}"));
                }
                Step::Bad(why) => {
                    walk.chain.broken = Some(why);
                    return walk;
                }
            }
        }
        if len.is_none() {
            walk.chain.broken = Some("it is longer than any folder".to_owned());
        }
        walk
    }

    /// What follows a cluster, by the first table, or else by the other.
    fn step(&self, cluster: u32, tables: (u64, Option<u64>), walk: &mut Walk) -> Step {
        let read = |table| match self.next(cluster, table) {
            Ok(next) if next >= self.flavour.end() => Step::End,
            Ok(next) if self.place_of(next).is_some() => Step::Next(next),
            Ok(next) => Step::Bad(format!("the chain leads to cluster {next}")),
            Err(error) => Step::Bad(format!("the table cannot be read: {error}")),
        };
        let first = read(tables.0);
        let Some(second) = tables.1.map(read) else { return first };
        match (&first, &second) {
            (Step::Bad(_), Step::Bad(_)) => {}
            (Step::Bad(_), _) => {
                walk.is_helped = true;
                return second;
            }
            (Step::End, Step::Next(_)) | (Step::Next(_), Step::End) => walk.is_torn = true,
            (Step::Next(a), Step::Next(b)) => walk.is_torn |= a != b,
            _ => {}
        }
        first
    }

    /// Whether a cluster outside of `chain` belongs to something (FAT).
    pub(crate) fn is_in_use(&self, chain: &Chain) -> bool {
        /// Some 64 MiB of table.
        const MOST: u32 = 1 << 24;
        let is_ours = |cluster| {
            self.place_of(cluster).is_none_or(|at| {
                let mut extents = chain.extents.iter();
                extents.any(|e| e.at <= at && at < e.at.saturating_add(e.len))
            })
        };
        let tables = (self.table_at, self.copy_at);
        let mut scratch = Walk { chain: Chain::empty(None), is_helped: false, is_torn: false };
        (2..self.clusters.min(MOST).saturating_add(2)).any(|cluster| {
            !matches!(self.step(cluster, tables, &mut scratch), Step::Bad(_)) && !is_ours(cluster)
        })
    }

    /// One run of clusters, for exFAT's files without a chain (6.3.4.2).
    pub(crate) fn run(&self, first: u32, len: u64) -> Chain {
        let Some(at) = self.place_of(first) else {
            let broken = Some(format!("it starts at cluster {first}"));
            return Chain::empty(broken);
        };
        let room = self.bytes().saturating_add(self.data_at).saturating_sub(at);
        let broken = (len > room).then(|| "it ends behind the volume".to_owned());
        Chain { extents: vec![Extent { at, len: len.min(room) }], broken, doubt: None }
    }

    /// The entry of a cluster in that table.
    fn next(&self, cluster: u32, table: u64) -> io::Result<u32> {
        let number = u64::from(cluster);
        let read = |offset: u64| {
            let mut bytes = [0; 4];
            // Two bytes at a time: the table may end with the device.
            let len = if self.flavour == Flavour::Fat32 || self.flavour == Flavour::ExFat {
                4
            } else {
                2
            };
            let at = table.saturating_add(offset);
            self.device.read_exact_at(at, bytes.get_mut(..len).unwrap_or_default())?;
            Ok::<u32, io::Error>(u32::from_le_bytes(bytes))
        };
        Ok(match self.flavour {
            Flavour::Fat12 => {
                let pair = read(number + number / 2)?;
                if cluster & 1 == 0 { pair & 0xFFF } else { pair >> 4 }
            }
            Flavour::Fat16 => read(number * 2)?,
            Flavour::Fat32 => read(number * 4)? & 0x0FFF_FFFF,
            Flavour::ExFat => read(number * 4)?,
        })
    }

    /// The bytes of a folder, as far as they can be read: and why not all.
    pub(crate) fn folder(&self, chain: &Chain) -> (Vec<u8>, Option<String>) {
        let mut bytes = Vec::new();
        let mut trouble = chain.broken.clone().or_else(|| chain.doubt.clone());
        for extent in &chain.extents {
            for offset in (0..extent.len).step_by(4096) {
                let mut piece = [0; 4096];
                let len = usize::try_from((extent.len - offset).min(4096)).unwrap_or(0);
                let Some(piece) = piece.get_mut(..len) else { continue };
                if let Err(error) = self.device.read_exact_at(extent.at + offset, piece) {
                    trouble = trouble.or(Some(error.to_string()));
                    // Deleted entries: neither names nor the folder's end.
                    let deleted = if self.flavour == Flavour::ExFat { 0x05 } else { 0xE5 };
                    piece.fill(deleted);
                }
                bytes.extend_from_slice(piece);
            }
        }
        (bytes, trouble)
    }
}
