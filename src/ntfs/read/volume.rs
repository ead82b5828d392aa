//! A volume: its boot sector, where its `$MFT` lies, and how a record is read.

use std::sync::Arc;

use super::device::Medium;
use crate::disk::Device;
use crate::disk::cache::BlockCache;
use crate::ntfs::error::{NtfsError, damaged};
use crate::ntfs::ondisk::attribute::{Value, kind};
use crate::ntfs::ondisk::boot::Boot;
use crate::ntfs::ondisk::record::{FileRef, Record, known};
use crate::ntfs::ondisk::runs::{Place, RunList};

const MFT: &str = "$MFT";
const RECORD: &str = "file record";
/// Bytes of a block of `$MFT` that is kept, so that records beside each other cost one read.
const BLOCK_BYTES: u64 = 64 << 10;
/// Blocks kept: 2 MiB.
const BLOCKS: usize = 32;

/// So many records have a copy in `$MFTMirr`.
const MIRRORED: u64 = 4;

/// What had to be done to open a volume whose first structures are damaged.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Repair {
    /// The boot sector is bad (why); the copy at this byte was used.
    BootCopy {
        /// What is wrong with the boot sector.
        why: String,
        /// Byte on the volume.
        at: u64,
    },
    /// The first record of `$MFT` is bad (why); `$MFTMirr`'s was used.
    Mirror {
        /// What is wrong with the record.
        why: String,
    },
    /// The first record of `$MFT` is whole, and not marked as in use.
    MftNotInUse,
    /// A part of `$MFT` cannot be found (why).
    MftIncomplete {
        /// What is wrong.
        why: String,
    },
}

/// An NTFS volume, read-only.
pub struct Volume {
    medium: Medium,
    boot: Boot,
    mft: RunList,
    /// Bytes of `$MFT`.
    mft_bytes: u64,
    cache: BlockCache,
}

impl Volume {
    /// Reads the boot sector (or its copy) and finds `$MFT` (by its own record
    /// or the mirror's). Also says what was wrong on the way. A boot sector that
    /// leads to no `$MFT` is as bad as none.
    #[allow(clippy::needless_pass_by_value)] // it is handed over, as to every room
    pub fn open(device: Arc<dyn Device>) -> Result<(Self, Vec<Repair>), NtfsError> {
        let first = read_boot(&*device, 0);
        let told = first.as_ref().ok().copied();
        let error = match first.and_then(|boot| Self::with_boot(device.clone(), boot)) {
            Ok(opened) => return Ok(opened),
            Err(error) => error,
        };
        for (boot, at) in boot_copies(&*device, told.as_ref()) {
            // The same once more would lead nowhere else.
            if told == Some(boot) {
                continue;
            }
            if let Ok((volume, mut repairs)) = Self::with_boot(device.clone(), boot) {
                repairs.insert(0, Repair::BootCopy { why: error.to_string(), at });
                return Ok((volume, repairs));
            }
        }
        Err(error)
    }

    /// Finds `$MFT` where `boot` says that it is.
    fn with_boot(device: Arc<dyn Device>, boot: Boot) -> Result<(Self, Vec<Repair>), NtfsError> {
        let mut repairs = Vec::new();
        // The copy of the boot sector belongs to the volume too.
        let bytes = boot.volume_bytes().saturating_add(u64::from(boot.sector_bytes));
        let mut volume = Self {
            medium: Medium::new(device, bytes),
            boot,
            mft: RunList::default(),
            mft_bytes: 0,
            cache: BlockCache::new(BLOCKS),
        };
        match volume.find_mft(boot.mft_cluster, &mut repairs) {
            Ok(()) if !repairs.contains(&Repair::MftNotInUse) => {}
            first => {
                let own = (volume.mft.clone(), volume.mft_bytes, std::mem::take(&mut repairs));
                match (volume.find_mft(boot.mirror_cluster, &mut repairs), first) {
                    // The mirror is no worse, or the only one.
                    (Ok(()), Err(error)) => {
                        repairs.insert(0, Repair::Mirror { why: error.to_string() });
                    }
                    (Ok(()), Ok(())) if repairs.is_empty() => {
                        let why = "it is not marked as in use".to_owned();
                        repairs.push(Repair::Mirror { why });
                    }
                    (_, Ok(())) => (volume.mft, volume.mft_bytes, repairs) = own,
                    // Where the mirror is no better, the first error says more.
                    (Err(_), Err(error)) => return Err(error),
                }
            }
        }
        Ok((volume, repairs))
    }

    /// Where the volume is read from.
    pub fn medium(&self) -> &Medium {
        &self.medium
    }

    /// The boot sector.
    pub fn boot(&self) -> &Boot {
        &self.boot
    }

    /// Bytes per cluster.
    pub fn cluster_bytes(&self) -> u64 {
        u64::from(self.boot.cluster_bytes)
    }

    /// Bytes per file record.
    pub fn record_bytes(&self) -> usize {
        self.boot.record_bytes as usize
    }

    /// Where `$MFT` lies.
    pub fn mft(&self) -> &RunList {
        &self.mft
    }

    /// How many records `$MFT` has room for.
    pub fn records(&self) -> u64 {
        self.mft_bytes / u64::from(self.boot.record_bytes)
    }

    /// Byte on the volume where a record stands.
    pub fn record_offset(&self, number: u64) -> Option<u64> {
        let record_bytes = u64::from(self.boot.record_bytes);
        self.mft_byte(number.checked_mul(record_bytes)?).map(|(at, _)| at)
    }

    /// The bytes of a record, still with its fix-up in place, and where it
    /// stands on the volume. Neighbours come out of a small cache. One of the
    /// first four that is bad comes from `$MFTMirr`.
    pub fn read_record(&self, number: u64) -> Result<(Vec<u8>, u64), NtfsError> {
        if number >= self.records() {
            return Err(NtfsError::NotFound { what: RECORD.into(), record: number });
        }
        let read = self.read_own_record(number);
        if number >= MIRRORED {
            return read;
        }
        let is_good = |(bytes, at): &(Vec<u8>, u64)| {
            Record::parse(&mut bytes.clone(), *at).is_ok_and(|record| !record.is_torn)
        };
        match read {
            Ok(read) if is_good(&read) => Ok(read),
            other => self.read_mirror(number).map_or(other, Ok),
        }
    }

    /// The bytes of a record, read anew.
    pub(crate) fn read_record_again(&self, number: u64) -> Result<Vec<u8>, NtfsError> {
        let mut bytes = vec![0; self.record_bytes()];
        self.read_mft(number.saturating_mul(bytes.len() as u64), &mut bytes)?;
        Ok(bytes)
    }

    /// A record of `$MFTMirr`, if it is good.
    pub fn read_mirror(&self, number: u64) -> Option<(Vec<u8>, u64)> {
        let start = self.boot.cluster_offset(self.boot.mirror_cluster)?;
        let at = start.checked_add(number.checked_mul(self.record_bytes() as u64)?)?;
        let mut bytes = vec![0; self.record_bytes()];
        self.medium.read("$MFTMirr", at, &mut bytes).ok()?;
        let mut copy = bytes.clone();
        let record = Record::parse(&mut copy, at).ok()?;
        let is_it = record.number.is_none_or(|own| u64::from(own) == number);
        (is_it && !record.is_torn).then_some((bytes, at))
    }

    /// `number` is one of [`Self::records`].
    fn read_own_record(&self, number: u64) -> Result<(Vec<u8>, u64), NtfsError> {
        let size = self.record_bytes();
        let start = number.saturating_mul(size as u64);
        let at = self.record_offset(number).ok_or_else(|| no_clusters(start))?;
        let block = start / BLOCK_BYTES;
        let in_block = usize::try_from(start % BLOCK_BYTES).unwrap_or(0);
        let block_start = block * BLOCK_BYTES;
        let length = BLOCK_BYTES.min(self.mft_bytes.saturating_sub(block_start));
        let cached = self.cache.get(block, || {
            let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
            self.read_mft(block_start, &mut bytes).map(|()| bytes)
        });
        if let Some(bytes) =
            cached.ok().and_then(|b| b.get(in_block..in_block + size).map(<[u8]>::to_vec))
        {
            return Ok((bytes, at));
        }
        // A bad sector nearby must not cost this record.
        Ok((self.read_record_again(number)?, at))
    }

    /// Fills `buf` from byte `offset` of `$MFT`, or fails.
    fn read_mft(&self, offset: u64, buf: &mut [u8]) -> Result<(), NtfsError> {
        let mut done = 0;
        while done < buf.len() {
            let position = offset + done as u64;
            let (at, there) = self.mft_byte(position).ok_or_else(|| no_clusters(position))?;
            let n = usize::try_from(there).unwrap_or(usize::MAX).min(buf.len() - done);
            self.medium.read(RECORD, at, &mut buf[done..done + n])?;
            done += n;
        }
        Ok(())
    }

    /// Byte on the volume of a byte of `$MFT`, and how many follow it there.
    fn mft_byte(&self, position: u64) -> Option<(u64, u64)> {
        let cluster_bytes = self.cluster_bytes();
        let vcn = position / cluster_bytes;
        let (start, clusters, place) = self.mft.get(self.mft.find(vcn)?)?;
        let Place::Cluster(cluster) = place else { return None };
        let into = position - start.checked_mul(cluster_bytes)?;
        let at = self.boot.cluster_offset(cluster)?.checked_add(into)?;
        Some((at, clusters.checked_mul(cluster_bytes)? - into))
    }

    /// Reads record 0 at `cluster` and follows it to all of `$MFT`.
    fn find_mft(&mut self, cluster: u64, repairs: &mut Vec<Repair>) -> Result<(), NtfsError> {
        let at = self.boot.cluster_offset(cluster).unwrap_or(u64::MAX);
        let mut bytes = vec![0; self.record_bytes()];
        self.medium.read(MFT, at, &mut bytes)?;
        let record = Record::parse(&mut bytes, at)?;
        let own = record.number.unwrap_or(0);
        if record.base.is_some() || own != 0 {
            return Err(damaged(MFT, at, "record 0", format!("another one ({own})")));
        }
        let mut list = None;
        let mut found = false;
        for attribute in record.attributes().map_while(Result::ok) {
            match (attribute.kind, attribute.value) {
                (kind::ATTRIBUTE_LIST, value) => list = Some(value),
                (kind::DATA, Value::NonResident(data)) if attribute.is_unnamed() && !found => {
                    let Some(sizes) = data.sizes else { continue };
                    let mut runs = RunList::default();
                    runs.push_piece(data.first_vcn, data.runs, attribute.at)?;
                    if runs.first_cluster().is_none() {
                        continue;
                    }
                    self.mft = runs;
                    // Records behind the initialised size were never written.
                    // No more than the volume can hold, whatever is claimed.
                    let least = known::FIRST_USER * u64::from(self.boot.record_bytes);
                    let is_sane = (least..sizes.size).contains(&sizes.valid_data_length);
                    let bytes = if is_sane { sizes.valid_data_length } else { sizes.size };
                    self.mft_bytes = bytes.min(self.medium.len());
                    found = true;
                }
                _ => {}
            }
        }
        if !found {
            return Err(damaged(MFT, at, "the clusters of $MFT", "none"));
        }
        if !record.in_use {
            // Any other record can be free. This one is proved by its run list, which leads
            // back to it.
            if self.mft.first_cluster() != Some(self.boot.mft_cluster) {
                return Err(damaged(MFT, at, "record 0, in use", "a record that is not"));
            }
            repairs.push(Repair::MftNotInUse);
        }
        if let Some(list) = list {
            self.follow_list(list, repairs);
        }
        let mapped = self.mft.clusters().saturating_mul(self.cluster_bytes());
        if mapped < self.mft_bytes {
            let why = format!("{mapped} of {} bytes of $MFT can be found", self.mft_bytes);
            repairs.push(Repair::MftIncomplete { why });
            self.mft_bytes = mapped;
        }
        Ok(())
    }

    /// The further pieces of `$MFT`'s own run list: its attribute list names
    /// records, which the pieces known so far must reach.
    fn follow_list(&mut self, list: Value<'_>, repairs: &mut Vec<Repair>) {
        let mut fail = |error: NtfsError| {
            repairs.push(Repair::MftIncomplete { why: error.to_string() });
        };
        let bytes = match list {
            Value::Resident(bytes) => bytes.to_vec(),
            Value::NonResident(list) => {
                match super::data::read_metadata(&self.medium, &self.boot, &list) {
                    Ok(bytes) => bytes,
                    Err(error) => return fail(error),
                }
            }
        };
        let (entries, error) = crate::ntfs::ondisk::attribute_list::parse(&bytes, 0);
        error.into_iter().for_each(&mut fail);
        let mut pieces: Vec<_> = entries
            .iter()
            .filter(|e| e.kind == kind::DATA && e.name.is_empty() && e.first_vcn > 0)
            .map(|e| (e.first_vcn, e.record))
            .collect();
        pieces.sort_unstable();
        pieces.dedup();
        for (first_vcn, record) in pieces {
            if let Err(error) = self.add_piece(first_vcn, record) {
                // What follows would hang in the air, but may still be mapped:
                // the gap is marked as lost.
                fail(error);
            }
        }
    }

    fn add_piece(&mut self, first_vcn: u64, reference: FileRef) -> Result<(), NtfsError> {
        // Before all of `$MFT` is known, its records are read uncached.
        let number = reference.number();
        let mut bytes = self.read_record_again(number)?;
        let at = self.record_offset(number).unwrap_or(0);
        let record = Record::parse(&mut bytes, at)?;
        let is_ours = record.in_use
            && reference.fits(record.sequence)
            && record.base.is_some_and(|base| base.number() == known::MFT);
        if !is_ours {
            return Err(damaged(MFT, at, "a further record of $MFT", "another one"));
        }
        for attribute in record.attributes() {
            let attribute = attribute?;
            if let (kind::DATA, Value::NonResident(data)) = (attribute.kind, attribute.value)
                && attribute.is_unnamed()
                && data.first_vcn == first_vcn
            {
                return self.mft.push_piece(first_vcn, data.runs, attribute.at);
            }
        }
        Err(damaged(MFT, at, "the clusters of $MFT", "none"))
    }
}

/// For a byte of `$MFT` that nobody knows the place of.
fn no_clusters(position: u64) -> NtfsError {
    let found = format!("none for byte {position} of $MFT");
    NtfsError::Damaged { what: MFT, offset: 0, expected: "clusters".into(), found }
}

fn read_boot(device: &dyn Device, at: u64) -> Result<Boot, NtfsError> {
    let mut sector = [0; 512];
    device.read_exact_at(at, &mut sector).map_err(|error| NtfsError::Io {
        what: "boot sector",
        offset: at,
        error,
    })?;
    Boot::parse(&sector, at)
}

/// The copies of the boot sector that can be read: behind the sectors that
/// `first` counts, in the last sector, whatever its size is, or (Windows NT
/// 3.51) in the middle of the volume.
fn boot_copies(device: &dyn Device, first: Option<&Boot>) -> Vec<(Boot, u64)> {
    let len = device.len();
    let last = [512, 4096, 1024, 2048].map(|sector: u64| len.checked_sub(sector));
    let middle = Some((len / 512 / 2) * 512);
    let mut places: Vec<u64> = first.map(Boot::volume_bytes).into_iter().collect();
    places.extend(last.into_iter().chain([middle]).flatten().filter(|at| *at > 0));
    places.into_iter().filter_map(|at| Some((read_boot(device, at).ok()?, at))).collect()
}
