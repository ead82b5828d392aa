//! NTFS, FAT and exFAT volumes that no partition table leads to: after `diskpart clean`, or
//! when a disk was partitioned anew, the volumes from before are still there
//! until something is written over them.
//!
//! A volume is known by its boot sector, or by the copy of it in the volume's
//! last sector, and proved by the record of `$MFT` where the boot sector says. FAT and exFAT
//! have no copy there, and are proved by the start of their table.
//!
//! Windows puts partitions at whole MiB, so one read a MiB finds them: the last
//! sector before it (a copy) and the first after it (a boot sector). Space in
//! partitions that are known is left out, and a volume that was found is passed
//! over, so that a normal disk costs a few reads. A terabyte in which nothing is
//! found is 954,000 reads: a minute or two on an SSD, more than an hour on a
//! disk that turns. [`Depth::Usual`] therefore stops after [`PATIENCE`], and
//! says so.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::bitlocker::{Locked, VolumeHeader};
use super::partitions::table::TableKind;
use super::volume::{Identity, NtfsBoot, VolumeKind, from_head, identify, is_blank};
use super::{Device, Disk, Fault, Slice, Volume};
use crate::model::bytes::{array_at, stands_at, u16_at, u32_at, u64_at};

/// The distance of the places that are looked at.
const STEP: u64 = 1 << 20;
/// How long the usual search of a disk may take.
const PATIENCE: Duration = Duration::from_mins(3);
/// So many reads may fail before the search is given up: a failing disk is for
/// ddrescue, not for this.
const MAX_FAILURES: u32 = 64;
/// More volumes than were ever on a disk.
const MAX_FOUND: usize = 64;
/// A partition of the system (EFI, reserved, recovery) up to this size is
/// searched too: it may lie where a larger volume was.
const SMALL: u64 = 2 << 30;
/// No store fits into less.
const SMALLEST_VOLUME: u64 = 1 << 20;
/// Where the first partition started before Windows Vista.
const OLD_START: u64 = 63 * 512;

/// How thoroughly to search for lost volumes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Depth {
    #[default]
    /// At whole MiB of what is in no known partition, for some minutes.
    Usual,
    /// At every sector there, and at whole MiB within the known partitions, as
    /// long as it takes.
    Deep,
}

/// What the search leaves to say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unsearched {
    /// Nothing.
    Nothing,
    /// It ended early, at this byte.
    From(u64),
    /// The disk has content, and nothing that explains it.
    Unexplained,
}

/// A volume that was found.
struct Lost {
    start: u64,
    len: u64,
    /// The copy of its boot sector, if that is how it was found: something else
    /// may be at its start now.
    copy: Option<Box<[u8; 512]>>,
    /// Whether nothing says how long it is.
    is_open: bool,
}

/// A volume whose first 512 bytes are those of the copy.
pub(super) struct WithBoot {
    pub(super) device: Arc<dyn Device>,
    pub(super) boot: Box<[u8; 512]>,
}

impl Device for WithBoot {
    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let own = usize::try_from(offset).ok().and_then(|offset| self.boot.get(offset..));
        let own = own.unwrap_or_default();
        let (first, rest) = buf.split_at_mut(own.len().min(buf.len()));
        if !rest.is_empty() {
            self.device.read_exact_at(offset.saturating_add(first.len() as u64), rest)?;
        }
        first.copy_from_slice(own.get(..first.len()).unwrap_or_default());
        Ok(())
    }

    fn len(&self) -> u64 {
        self.device.len()
    }

    fn below(&self) -> Option<&dyn Device> {
        Some(&self.device)
    }
}

impl Disk {
    /// Searches for volumes that no partition table leads to, and adds them
    /// behind the others. `stop` is told the byte that comes next now and then, and asked
    /// whether to stop there.
    pub fn find_lost(&mut self, depth: Depth, stop: &dyn Fn(u64) -> bool) -> Unsearched {
        let mut search = Search {
            device: &self.device,
            live: self.volumes.iter().map(Live::of).collect(),
            found: Vec::new(),
            blank: self.volumes.iter().enumerate().filter_map(Blank::of).collect(),
            failures: 0,
            until: (depth == Depth::Usual).then(|| Instant::now() + PATIENCE),
            stop,
        };
        let unsearched = search.run(depth);
        search.trim();
        let used: Vec<usize> =
            search.blank.iter().filter(|b| b.has_content).map(|b| b.number).collect();
        let mut found = search.found;
        found.sort_by_key(|lost| lost.start);
        for lost in found {
            let is_by_copy = lost.copy.is_some();
            let mut window: Arc<dyn Device> =
                Arc::new(Slice::new(self.device.clone(), lost.start, lost.len));
            if let Some(boot) = lost.copy {
                window = Arc::new(WithBoot { device: window, boot });
            }
            let mut identity = identify(&window);
            if is_by_copy {
                let at = identity.claimed_len.unwrap_or(lost.len);
                identity.faults.push(Fault::BootSectorCopy { at });
            }
            let over = self.volumes.iter().filter(|v| v.lost_at.is_none() && v.kind.is_known());
            let over = over.filter(|v| overlap(v.offset, v.len, lost.start, lost.len));
            let over = over.map(|volume| volume.index).collect();
            identity.faults.insert(0, Fault::LostPartition { over });
            let volume = Volume::lost(&self.display, window, lost.start, identity);
            self.volumes.push(volume);
        }
        for number in used {
            let Some(volume) = self.volumes.get_mut(number) else { continue };
            let faults = std::mem::take(&mut volume.faults);
            let identity = Identity { faults, ..Identity::of(VolumeKind::Unknown) };
            volume.replace(volume.device.clone(), identity);
        }
        let explained =
            self.volumes.iter().any(|v| v.kind.is_known() || v.kind == VolumeKind::Unknown);
        match unsearched {
            Unsearched::Nothing if self.table.kind != TableKind::None && !explained => {
                let inner = self.device.len().saturating_sub(2 * STEP);
                let inner = Slice::new(self.device.clone(), STEP, inner);
                let nothing = inner.is_empty() || is_blank(&inner);
                if nothing { Unsearched::Nothing } else { Unsearched::Unexplained }
            }
            other => other,
        }
    }
}

fn overlap(a: u64, a_len: u64, b: u64, b_len: u64) -> bool {
    a < b.saturating_add(b_len) && b < a.saturating_add(a_len)
}

/// A volume that the table leads to.
struct Live {
    start: u64,
    len: u64,
    /// Whether its inside is left out.
    is_shut: bool,
    /// Its NTFS boot sector's fields and serial number, or those of the copy.
    ntfs: Option<(NtfsBoot, Option<u64>)>,
}

impl Live {
    fn of(volume: &Volume) -> Self {
        let of_system = volume.partition.as_ref().is_some_and(|p| !p.kind.may_hold_stores());
        let sector = u64::from(volume.device.sector_size());
        let places = [0, volume.len.saturating_sub(sector)];
        let boot = |at| {
            let mut bytes = [0; 512];
            volume.device.read_exact_at(at, &mut bytes).ok()?;
            Some((NtfsBoot::parse(&bytes)?, u64_at(&bytes, 0x48)))
        };
        let is_ntfs = volume.kind == VolumeKind::Ntfs;
        let ntfs = places.into_iter().filter(|_| is_ntfs).find_map(boot);
        // What a smaller volume leaves of its partition may have another behind it.
        let own = ntfs.and_then(|(boot, _)| boot.volume_bytes().checked_add(boot.sector_bytes));
        let tail = own.and_then(|own| volume.len.checked_sub(own)).unwrap_or(0);
        Self {
            start: volume.offset,
            len: if tail >= STEP { volume.len - tail } else { volume.len },
            is_shut: volume.kind.is_known() && !(of_system && volume.len <= SMALL),
            ntfs,
        }
    }
}

/// A volume that is blank, as far as the samples show. The search for lost volumes sees more of it.
struct Blank {
    number: usize,
    start: u64,
    end: u64,
    /// What it is filled with.
    sector: [u8; 512],
    has_content: bool,
}

impl Blank {
    fn of((number, volume): (usize, &Volume)) -> Option<Self> {
        if volume.kind != VolumeKind::Blank {
            return None;
        }
        let mut sector = [0; 512];
        volume.device.read_exact_at(0, &mut sector).ok()?;
        let (start, end) = (volume.offset, volume.offset.saturating_add(volume.len));
        Some(Self { number, start, end, sector, has_content: false })
    }

    /// Looks at whole sectors that were read at `at`.
    fn look(&mut self, at: u64, bytes: &[u8]) {
        let places = (at..).step_by(512).zip(bytes.chunks_exact(512));
        self.has_content |= places
            .filter(|(place, _)| (self.start..self.end).contains(place))
            .any(|(_, sector)| sector != self.sector);
    }
}

struct Search<'a> {
    device: &'a Arc<dyn Device>,
    live: Vec<Live>,
    found: Vec<Lost>,
    blank: Vec<Blank>,
    failures: u32,
    until: Option<Instant>,
    stop: &'a dyn Fn(u64) -> bool,
}

impl Search<'_> {
    fn run(&mut self, depth: Depth) -> Unsearched {
        for (start, end) in self.open_ranges() {
            // The edges first: partitions need not lie at whole MiB, and a copy
            // is in a volume's last sector.
            self.look(start, end);
            self.look(end, end);
            self.look(OLD_START.clamp(start, end), end);
            let mut at = start.next_multiple_of(STEP);
            while at < end {
                if self.is_over(at) {
                    return Unsearched::From(at);
                }
                // The next volume may begin where this one ends.
                at = self.look(at, end).unwrap_or(0).max(at.saturating_add(1));
                at = at.checked_next_multiple_of(STEP).unwrap_or(end);
            }
            if depth == Depth::Deep
                && let Some(at) = self.every_sector(start, end)
            {
                return Unsearched::From(at);
            }
        }
        if depth == Depth::Deep {
            let shut: Vec<(u64, u64)> =
                self.live.iter().filter(|l| l.is_shut).map(|l| (l.start, l.len)).collect();
            for (start, len) in shut {
                let end = start.saturating_add(len).min(self.device.len());
                let mut at = start.saturating_add(1).next_multiple_of(STEP);
                while at < end {
                    if self.is_over(at) {
                        return Unsearched::From(at);
                    }
                    self.look(at, end);
                    at = at.saturating_add(STEP);
                }
            }
        }
        Unsearched::Nothing
    }

    /// What is in no volume whose inside is left out, in order.
    fn open_ranges(&self) -> Vec<(u64, u64)> {
        let mut shut: Vec<(u64, u64)> = self
            .live
            .iter()
            .filter(|live| live.is_shut)
            .map(|live| (live.start, live.start.saturating_add(live.len)))
            .collect();
        shut.sort_unstable();
        shut.push((self.device.len(), u64::MAX));
        let mut ranges = Vec::new();
        let mut at = 0;
        for (start, end) in shut {
            if start > at {
                ranges.push((at, start));
            }
            at = at.max(end);
        }
        ranges
    }

    fn is_over(&self, at: u64) -> bool {
        self.failures >= MAX_FAILURES
            || self.found.len() >= MAX_FOUND
            || (self.stop)(at)
            || self.until.is_some_and(|until| Instant::now() >= until)
    }

    /// Looks at the two sectors that meet at byte `at`. Returns the end of the
    /// volume that starts there, if one does.
    fn look(&mut self, at: u64, end: u64) -> Option<u64> {
        let sector = u64::from(self.device.sector_size()).clamp(512, 4096);
        let (from, to) = (at.saturating_sub(sector), at.saturating_add(sector));
        let to = to.min(self.device.len());
        let mut bytes = vec![0; usize::try_from(to.saturating_sub(from)).unwrap_or(0)];
        if !self.read(from, &mut bytes) {
            return None;
        }
        let (before, after) = bytes.split_at(usize::try_from(at - from).ok()?.min(bytes.len()));
        // With sectors of 4 KiB, a copy of a volume in ones of 512 is the last 512.
        for offset in [sector, 512] {
            let place = usize::try_from(offset).ok().and_then(|n| before.len().checked_sub(n));
            if let Some(place) = place {
                self.candidate(from.saturating_add(place as u64), before.get(place..)?);
            }
        }
        let volume_end = if at < end { self.candidate(at, after) } else { None };
        let known = self.found.iter().find(|lost| lost.start == at);
        volume_end.or_else(|| known.map(|lost| lost.start.saturating_add(lost.len)))
    }

    fn read(&mut self, at: u64, bytes: &mut [u8]) -> bool {
        let read = self.device.read_exact_at(at, bytes);
        self.failures += u32::from(read.is_err());
        if read.is_ok() {
            self.blank.iter_mut().for_each(|blank| blank.look(at, bytes));
        }
        read.is_ok()
    }

    /// Looks at every sector from `start` on; returns where it had to stop.
    fn every_sector(&mut self, start: u64, end: u64) -> Option<u64> {
        let mut at = start.next_multiple_of(512);
        let mut bytes = vec![0; 1 << 20];
        while at < end {
            if self.is_over(at) {
                return Some(at);
            }
            let within =
                |lost: &&Lost| !lost.is_open && lost.start <= at && at - lost.start < lost.len;
            if let Some(lost) = self.found.iter().find(within) {
                at = lost.start.saturating_add(lost.len).next_multiple_of(512);
                continue;
            }
            let len = usize::try_from((end - at).min(STEP)).unwrap_or(0);
            let Some(piece) = bytes.get_mut(..len) else { return Some(at) };
            if self.read(at, piece) {
                let hits: Vec<(u64, [u8; 512])> = (at..)
                    .step_by(512)
                    .zip(piece.chunks_exact(512))
                    .filter(|(_, sector)| stands_at(sector, 510, &[0x55, 0xAA]))
                    .filter_map(|(place, sector)| Some((place, array_at(sector, 0)?)))
                    .collect();
                for (place, sector) in hits {
                    self.candidate(place, &sector);
                }
            }
            at = at.saturating_add(len.max(512) as u64);
        }
        None
    }

    /// Takes what stands at `at` for a boot sector, and for the copy of one.
    /// Returns the end of the volume that starts there.
    fn candidate(&mut self, at: u64, sector: &[u8]) -> Option<u64> {
        if self.has_bitlocker_data(at, sector) {
            return Some(self.bitlocker_volume(at));
        }
        if let Some(len) = self.fat_volume(at, sector) {
            self.add(Lost { start: at, len, copy: None, is_open: false }, None);
            return Some(at.saturating_add(len));
        }
        let boot = NtfsBoot::parse(sector)?;
        let serial = u64_at(sector, 0x48);
        // The copy stands behind the last sector that the volume counts.
        let len = boot.volume_bytes().checked_add(boot.sector_bytes)?;
        if len < SMALLEST_VOLUME {
            return None;
        }
        for start in [Some(at), at.checked_sub(boot.volume_bytes())].into_iter().flatten() {
            // The last sector may be missing where the next partition begins.
            let fits = start.saturating_add(boot.volume_bytes()) <= self.device.len();
            if fits && self.has_file_table(start, &boot) {
                let copy = array_at(sector, 0).filter(|_| start != at).map(Box::new);
                self.add(Lost { start, len, copy, is_open: false }, Some((boot, serial)));
                return (start == at).then(|| start.saturating_add(boot.volume_bytes()));
            }
        }
        None
    }

    /// The bytes of a FAT or exFAT volume whose boot sector stands at `at`. Its table begins with
    /// the kind of medium and ones (FAT, 4; exFAT, 4.1.1).
    fn fat_volume(&self, at: u64, sector: &[u8]) -> Option<u64> {
        let table_at = if stands_at(sector, 3, b"EXFAT   ") {
            u64::from(u32_at(sector, 0x50)?)
                << sector.get(0x6C).filter(|s| (9..=12).contains(*s))?
        } else {
            u64::from(u16_at(sector, 0x0B)?) * u64::from(u16_at(sector, 0x0E)?)
        };
        let identity = from_head(sector)?;
        let medium = match identity.kind {
            VolumeKind::ExFat => 0xF8,
            VolumeKind::Fat12 | VolumeKind::Fat16 | VolumeKind::Fat32 => *sector.get(0x15)?,
            _ => return None,
        };
        let len = identity.claimed_len.filter(|len| *len >= SMALLEST_VOLUME)?;
        let fits = at.checked_add(len)? <= self.device.len();
        let mut start = [0; 3];
        let read = self.device.read_exact_at(at.checked_add(table_at)?, &mut start);
        (fits && read.is_ok() && start == [medium, 0xFF, 0xFF]).then_some(len)
    }

    /// Adds the BitLocker volume that starts at `at`. Returns the byte where it is over for sure;
    /// if its length is not known, the byte behind all that is known to be in it, and it ends
    /// where the next volume begins ([`Self::trim`]).
    fn bitlocker_volume(&mut self, at: u64) -> u64 {
        let end = self.device.len();
        let live = self.live.iter().map(|l| l.start).filter(|start| *start > at).min();
        let most = live.unwrap_or(end).saturating_sub(at);
        let window: Arc<dyn Device> = Arc::new(Slice::new(self.device.clone(), at, most));
        let locked = Locked::read(&window).ok();
        let known = locked.as_ref().and_then(|locked| inner_len(locked).or(locked.volume_len()));
        let own_end = locked.map_or(0, |locked| locked.own_end());
        let len = known.unwrap_or(most).clamp(own_end.min(most), most);
        self.add(Lost { start: at, len, copy: None, is_open: known.is_none() }, None);
        at.saturating_add(known.map_or(own_end, |_| len))
    }

    /// Ends volumes of unknown length where another begins.
    fn trim(&mut self) {
        let starts: Vec<u64> = self.found.iter().map(|lost| lost.start).collect();
        for lost in self.found.iter_mut().filter(|lost| lost.is_open) {
            let next = starts.iter().filter(|start| **start > lost.start).min();
            if let Some(next) = next {
                lost.len = lost.len.min(next - lost.start);
            }
        }
    }

    /// Adds a volume unless it is there already: by the table (perhaps with its
    /// size from before it was extended or shrunk), or found before. A partition
    /// that was cut shorter than its volume does not count: the rest of the files
    /// is behind it.
    fn add(&mut self, lost: Lost, ntfs: Option<(NtfsBoot, Option<u64>)>) {
        let is_live = self.live.iter().any(|live| match (live.ntfs, ntfs) {
            (Some((live_boot, live_serial)), Some((boot, serial))) => {
                let is_cut = live_boot.volume_bytes() > live.len;
                let is_same = live.start == lost.start && live_serial == serial;
                // The table that proves it is the live volume's.
                table_of(live.start, &live_boot) == table_of(lost.start, &boot)
                    && !(is_same && is_cut)
            }
            // A small system partition is searched, too, and begins with its own boot sector.
            (None, None) => live.start == lost.start && lost.len <= live.len,
            _ => false,
        });
        let is_found = self.found.iter().any(|found| found.start == lost.start);
        if !is_live && !is_found && self.found.len() < MAX_FOUND {
            self.found.push(lost);
        }
    }

    /// Whether the record of `$MFT` itself stands where a volume from `start` on
    /// has it, or in `$MFTMirr`.
    fn has_file_table(&self, start: u64, boot: &NtfsBoot) -> bool {
        [boot.mft_cluster, boot.mirror_cluster].into_iter().any(|cluster| {
            let at = cluster.checked_mul(boot.cluster_bytes).and_then(|at| at.checked_add(start));
            let within = at.filter(|at| *at < start.saturating_add(boot.volume_bytes()));
            let record = within.and_then(|at| read_some(self.device, at).ok());
            record.is_some_and(|bytes| is_record_of_mft(&bytes))
        })
    }

    /// Whether one of the three places of BitLocker's metadata that the boot
    /// sector lists has it.
    fn has_bitlocker_data(&self, start: u64, sector: &[u8]) -> bool {
        let Ok(header) = VolumeHeader::parse(sector) else { return false };
        header.metadata.into_iter().any(|offset| {
            let at = start.checked_add(offset).filter(|_| offset > 0);
            let bytes = at.and_then(|at| read_some(self.device, at).ok());
            bytes.is_some_and(|bytes| bytes.starts_with(b"-FVE-FS-"))
        })
    }
}

/// The bytes of the file system in a BitLocker volume that opens without a key.
fn inner_len(locked: &Locked) -> Option<u64> {
    let unlocked = locked.unlock_suspended()?.ok()?;
    let mut sector = [0; 512];
    unlocked.device.read_exact_at(0, &mut sector).ok()?;
    // The copy of the boot sector stands behind the last sector that it counts.
    let ntfs = NtfsBoot::parse(&sector);
    let ntfs = ntfs.map(|boot| boot.volume_bytes().saturating_add(boot.sector_bytes));
    ntfs.or_else(|| from_head(&sector)?.claimed_len)
}

/// The byte on the disk where the file table starts.
fn table_of(start: u64, boot: &NtfsBoot) -> Option<u64> {
    boot.mft_cluster.checked_mul(boot.cluster_bytes)?.checked_add(start)
}

/// A KiB, the size of most file records.
fn read_some(device: &dyn Device, at: u64) -> io::Result<[u8; 1024]> {
    let mut bytes = [0; 1024];
    device.read_exact_at(at, &mut bytes).map(|()| bytes)
}

/// A file record with the name `$MFT` in it. The name is short and stands near
/// the start, so that no fix-up falls into it.
fn is_record_of_mft(record: &[u8]) -> bool {
    const NAME: &[u8] = b"$\0M\0F\0T\0";
    let head = record.get(..510).unwrap_or_default();
    head.starts_with(b"FILE") && head.windows(NAME.len()).any(|bytes| bytes == NAME)
}
