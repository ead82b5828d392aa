//! One pass over `$MFT` in large reads: what every file is called, where it
//! belongs, and its cheap facts.

use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::{panic, thread};

use super::builder::{Builder, DataMetadata, Mended};
use super::clusters::Clusters;
use super::revival::Revival;
use super::{Catalog, Entry, NO_LCN, entry_flag, same_names};
use crate::disk::TornReadRetry;
use crate::model::bytes::u32_at;
use crate::model::loss::Hole;
use crate::model::metadata::attributes;
use crate::model::monitor::{Monitor, Progress};
use crate::model::threads;
use crate::ntfs::error::NtfsError;
use crate::ntfs::ondisk::attribute::{Attribute, Sizes, Value, kind};
use crate::ntfs::ondisk::file_name::{FileName, Namespace};
use crate::ntfs::ondisk::record::{FileRef, Record, known};
use crate::ntfs::ondisk::runs::{self, Place};
use crate::ntfs::ondisk::standard_information::StandardInformation;
use crate::ntfs::read::data::{DataReader, Source};
use crate::ntfs::read::file::File;
use crate::ntfs::read::volume::Volume;
use crate::ntfs::read::wof;

/// Bytes of one read of `$MFT`: large to a disk, and few enough to be in the
/// processor's cache still when they are looked at.
const READ_BYTES: usize = 1 << 20;
/// Reads that are done before their turn: a disk need not wait for us.
const READS_AHEAD: usize = 2;
/// Files for which memory is asked at once. A hint comes from a bitmap that may
/// say anything; beyond this the lists grow as files are met.
const MOST_AT_ONCE: usize = 1 << 20;
/// How many damaged records are kept by number, of each kind.
const MAX_EXAMPLES: usize = 64;

/// Records that are not as they should be: how many, and the first of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) count: u64,
    pub(crate) examples: Vec<u64>,
}

impl Tally {
    fn add(&mut self, record: u64) {
        self.count += 1;
        if self.examples.len() < MAX_EXAMPLES {
            self.examples.push(record);
        }
    }
}

/// What the sweep saw besides the files.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Records in use that are torn, or whose attributes are broken.
    pub(crate) damaged: Tally,
    /// Records marked bad by Windows (`BAAD`), or without a sane header.
    pub(crate) bad: Tally,
    /// Records that say they are another one.
    pub(crate) foreign: Tally,
    /// Records that the device could not read.
    pub(crate) unreadable: Tally,
    /// Records without a signature, or of another file that was deleted, which `$MFT`'s bitmap
    /// says are in use: zeros, or the fill pattern of a rescue image.
    pub(crate) blank: Tally,
    /// Records that lost their in-use bit, while bitmap and index still have the file: they are
    /// in the catalog ([`entry_flag::REVIVED`]).
    pub(crate) revived: Tally,
    /// Files with clusters that another file has, too ([`entry_flag::SHARED`]).
    pub(crate) shared: Tally,
    /// Files with clusters that are free by the volume's bitmap ([`entry_flag::UNALLOCATED`]).
    pub(crate) unallocated: Tally,
    /// Sectors of the volume's bitmap that lack the clusters of many files.
    pub(crate) bitmap_sectors: u64,
    /// Clusters that are in use by the volume's bitmap, and that no file has.
    pub(crate) unexplained: u64,
    /// Whether the file table's bitmap has no record in use, not even its own.
    pub(crate) is_bitmap_blank: bool,
    /// Whether all structures of the volume are of one moment.
    pub(crate) is_at_rest: bool,
    /// Records that are not in use, although the bitmap says so: a file may be among them.
    pub(crate) unsettled: u64,
    /// Doubts about the bitmap itself: it cannot be read, or lacks records that are in use; and
    /// blank records between those in use.
    pub(crate) bitmap_doubts: u64,
    /// Blank records since the last one in use.
    blanks: u64,
    /// One bit a record: not in use any more, but still telling of a file.
    pub(crate) deleted: Vec<u64>,
    /// What the catalog had to put right.
    pub(crate) mended: Mended,
}

/// Reads all of `$MFT`.
pub(crate) fn sweep(
    volume: &Arc<Volume>,
    monitor: &dyn Monitor,
) -> Result<(Catalog, Report), NtfsError> {
    let record_bytes = volume.record_bytes();
    let total = volume.records();
    let size = total.saturating_mul(record_bytes as u64);
    let sizes = Sizes { allocated: size, size, valid_data_length: size };
    let source = Source::Clusters { runs: volume.mft().clone(), sizes, unit_clusters: 0 };
    let reader = DataReader::new(Arc::clone(volume), source);
    let bitmap = bitmap(volume);
    // The bits of `$MFT` itself and of the root: every volume has these two.
    let is_bitmap_blank = bitmap.first().is_none_or(|first| first & 0x21 == 0);
    let in_use: u64 = bitmap.iter().map(|byte| u64::from(byte.count_ones())).sum();
    let in_use = usize::try_from(in_use.min(total)).unwrap_or(0);
    let mut sweep = Sweep {
        builder: Builder::with_capacity(in_use.min(MOST_AT_ONCE)),
        report: Report { is_bitmap_blank, ..Report::default() },
        patience: TornReadRetry::default(),
        bitmap,
        revival: Revival::default(),
        clusters: Clusters::default(),
    };
    let mut number = 0;
    let holes = read_ahead(reader, record_bytes, |block| {
        if monitor.is_cancelled() {
            return Err(NtfsError::Cancelled);
        }
        for bytes in block.chunks_exact_mut(record_bytes) {
            // The catalog numbers records with 32 bits, as NTFS itself does.
            let Ok(record) = u32::try_from(number) else { break };
            let at = volume.record_offset(number).unwrap_or(0);
            sweep.record(volume, record, bytes, at);
            number += 1;
        }
        let done = Progress {
            bytes: number.saturating_mul(record_bytes as u64),
            total_bytes: size,
            files: number,
            total_files: total,
        };
        monitor.progress(done);
        Ok(())
    })?;
    for hole in holes {
        let first = hole.offset / record_bytes as u64;
        let last = (hole.offset + hole.length).div_ceil(record_bytes as u64).min(total);
        (first..last).for_each(|record| sweep.report.unreadable.add(record));
    }
    let Sweep { builder, mut report, clusters, .. } = sweep;
    let (mut catalog, mended) = builder.finish();
    report.mended = mended;
    let marked = clusters.mark(volume, &mut catalog, monitor)?;
    marked.shared.iter().for_each(|record| report.shared.add(u64::from(*record)));
    marked.unallocated.iter().for_each(|record| report.unallocated.add(u64::from(*record)));
    report.bitmap_sectors = marked.bitmap_sectors;
    report.is_at_rest = marked.is_at_rest;
    report.unexplained = marked.unexplained;
    report.mended.same_names = same_names::settle(volume, &mut catalog);
    report.mended.orphans = catalog.orphans() as u64;
    Ok((catalog, report))
}

/// Gives `look` the stream in blocks of whole records, while another thread reads
/// the next ones. Returns the holes.
fn read_ahead(
    reader: DataReader,
    record_bytes: usize,
    mut look: impl FnMut(&mut [u8]) -> Result<(), NtfsError>,
) -> Result<Vec<Hole>, NtfsError> {
    let block_bytes = (READ_BYTES / record_bytes).max(1) * record_bytes;
    let next = move |reader: &mut DataReader, mut block: Vec<u8>| {
        block.resize(block_bytes, 0);
        reader.read(&mut block).map(|n| {
            block.truncate(n);
            block
        })
    };
    let is_last = |block: &[u8]| block.len() != block_bytes;
    let reader = Mutex::new(Some(reader));
    let take = || reader.lock().unwrap_or_else(PoisonError::into_inner).take();
    thread::scope(|scope| {
        let (read, blocks) = mpsc::sync_channel(READS_AHEAD);
        let (used, unused) = mpsc::channel::<Vec<u8>>();
        let thread = threads::start_in(scope, "read ahead", move || {
            let Some(mut reader) = take() else { return Vec::new() };
            loop {
                let result = next(&mut reader, unused.try_recv().unwrap_or_default());
                let is_last = !result.as_ref().is_ok_and(|block| !is_last(block));
                // Nobody listens any more where the work was stopped.
                if read.send(result).is_err() || is_last {
                    return reader.holes().to_vec();
                }
            }
        });
        let Ok(thread) = thread else {
            // Without a thread, one after the other.
            let Some(mut reader) = take() else { return Ok(Vec::new()) };
            let mut block = Vec::new();
            loop {
                block = next(&mut reader, block)?;
                let is_last = is_last(&block);
                look(&mut block)?;
                if is_last {
                    return Ok(reader.holes().to_vec());
                }
            }
        };
        for block in blocks {
            let mut block = block?;
            look(&mut block)?;
            // The thread may have ended.
            let _ = used.send(block);
        }
        Ok(thread.join().unwrap_or_else(|panic| panic::resume_unwind(panic)))
    })
}

/// `$MFT`'s own bitmap, a bit for each record that is in use; empty where it cannot be read.
fn bitmap(volume: &Arc<Volume>) -> Vec<u8> {
    // A bitmap of 64 million records has 8 MiB.
    let limit = usize::try_from(volume.records() / 8 + 4096).unwrap_or(usize::MAX).min(8 << 20);
    let bitmap = File::load(volume, known::MFT, &Vec::new).and_then(|mft| {
        let bitmap = mft.find(kind::BITMAP, None).ok_or_else(|| mft.missing("$BITMAP"))?;
        mft.value(volume, bitmap, limit)
    });
    bitmap.unwrap_or_default()
}

struct Sweep {
    builder: Builder,
    report: Report,
    patience: TornReadRetry,
    bitmap: Vec<u8>,
    revival: Revival,
    clusters: Clusters,
}

impl Sweep {
    /// Whether the bitmap says that a file has this record. (What it says of the reserved
    /// ones means nothing.)
    fn is_marked(&self, number: u32) -> bool {
        let byte = self.bitmap.get(number as usize / 8).copied().unwrap_or(0);
        u64::from(number) >= known::FIRST_USER && byte >> (number % 8) & 1 != 0
    }

    /// A record of which nothing is left. Without its mark it was never used, or not for long.
    fn nothing_left(&mut self, number: u32) {
        if self.is_marked(number) {
            self.report.blank.add(u64::from(number));
        } else if u64::from(number) >= known::FIRST_USER {
            self.report.blanks += 1;
        }
    }

    fn record(&mut self, volume: &Arc<Volume>, number: u32, bytes: &mut [u8], at: u64) {
        // `BAAD` is how Windows marks torn ones.
        if !Record::has_signature(bytes) && !bytes.starts_with(b"BAAD") {
            return self.nothing_left(number);
        }
        let mut again;
        let record = match Record::parse(bytes, at) {
            Ok(record) if !record.is_torn => Ok(record),
            first => {
                // On a mounted volume it may just have been written.
                again = Vec::new();
                let _ = self.patience.until_whole(volume.medium().is_live(), || {
                    again = volume.read_record_again(u64::from(number)).unwrap_or_default();
                    match Record::parse(&mut again.clone(), at) {
                        Ok(record) if !record.is_torn => Ok(()),
                        _ => Err(()),
                    }
                });
                Record::parse(&mut again, at).or(first)
            }
        };
        let Ok(record) = record else { return self.report.bad.add(u64::from(number)) };
        // The reserved records at the start may not have their number.
        let is_reserved = |own| own == 0 && u64::from(number) < known::FIRST_USER;
        if record.number.is_some_and(|own| own != number && !is_reserved(own)) {
            if record.in_use {
                self.report.foreign.add(u64::from(number));
            } else {
                self.nothing_left(number);
            }
            return;
        }
        if !record.in_use {
            if self.is_marked(number)
                && record.base.is_none()
                && self.revival.is_listed(volume, number, &record)
            {
                self.report.revived.add(u64::from(number));
                return self.base(volume, number, &record, entry_flag::REVIVED);
            }
            self.report.unsettled += u64::from(self.is_marked(number));
            if record.base.is_none() && u64::from(number) >= known::FIRST_USER {
                // Grows as they are met: a table may claim to be of any size.
                let word = number as usize / 64;
                if self.report.deleted.len() <= word {
                    self.report.deleted.resize(word + 1, 0);
                }
                self.report.deleted[word] |= 1 << (number % 64);
            }
            return;
        }
        // NTFS fills the table from its start: records that were never used are behind all.
        self.report.bitmap_doubts += std::mem::take(&mut self.report.blanks);
        if u64::from(number) >= known::FIRST_USER && !self.is_marked(number) {
            self.report.bitmap_doubts += 1;
        }
        // On a mounted volume, records are of different moments.
        if !volume.medium().is_live() {
            self.clusters.add_record(&record);
        }
        match record.base {
            None => self.base(volume, number, &record, 0),
            Some(base) => self.extension(volume, number, base, &record),
        }
    }

    fn base(&mut self, volume: &Volume, number: u32, record: &Record<'_>, flags: u16) {
        let mut is_damaged = record.is_torn;
        let mut is_directory = record.is_directory || u64::from(number) == known::ROOT;
        // The flag is one bit; what the record has says more.
        let is_like_folder = is_like_folder(record);
        if is_like_folder.is_some_and(|is_like| is_like != is_directory) {
            is_directory = !is_directory;
            is_damaged = true;
        }
        let mut entry = Entry {
            record: number,
            sequence: record.sequence,
            lcn: NO_LCN,
            flags: flags | if is_directory { entry_flag::DIRECTORY } else { 0 },
            ..Entry::default()
        };
        let mut named_size = 0;
        let mut dos_name = None;
        let mut has_name = false;
        let mut tag_of_name = 0;
        let mut packed = None;
        for attribute in record.attributes() {
            let Ok(attribute) = attribute else {
                is_damaged = true;
                break;
            };
            match attribute.kind {
                kind::STANDARD_INFORMATION => {
                    let found = attribute.resident().and_then(StandardInformation::parse);
                    let Some(found) = found else {
                        is_damaged = true;
                        continue;
                    };
                    entry.times = found.times;
                    entry.attributes = found.attributes;
                }
                kind::FILE_NAME => {
                    let Some(name) = attribute.resident().and_then(FileName::parse) else {
                        is_damaged = true;
                        continue;
                    };
                    named_size = name.size;
                    if name.attributes & attributes::REPARSE_POINT != 0 {
                        tag_of_name = name.reparse_tag;
                    }
                    if name.namespace == Namespace::Dos {
                        dos_name = Some(name);
                    } else {
                        has_name = true;
                        self.builder.add_name(number, None, &name);
                    }
                }
                kind::DATA if attribute.is_unnamed() => {
                    if let Some(data) = data_facts(&attribute) {
                        entry.take_data(&data);
                    }
                }
                kind::DATA if attribute.is_named(wof::STREAM) => packed = data_facts(&attribute),
                kind::REPARSE_POINT => entry.reparse_tag = reparse_tag(volume, &attribute),
                _ => {}
            }
        }
        // A long name that is lost leaves the short one.
        if let (Some(name), false, true) = (dos_name, has_name, is_damaged) {
            self.builder.add_name(number, None, &name);
        }
        if entry.attributes & attributes::REPARSE_POINT != 0 && entry.reparse_tag == 0 {
            entry.reparse_tag = tag_of_name;
        }
        if let Some(packed) = packed.filter(|_| entry.reparse_tag == wof::TAG) {
            entry.lcn = packed.lcn;
            entry.allocated = packed.allocated;
        }
        if is_damaged {
            entry.flags |= entry_flag::DAMAGED;
            self.report.damaged.add(u64::from(number));
            if !entry.has(entry_flag::HAS_DATA) && !is_directory {
                entry.size = named_size;
            }
        }
        // What the bit says must agree with what the file is.
        entry.attributes &= !attributes::DIRECTORY;
        if is_directory {
            entry.attributes |= attributes::DIRECTORY;
        }
        self.builder.add_entry(entry);
    }

    fn extension(&mut self, volume: &Volume, number: u32, base: FileRef, record: &Record<'_>) {
        self.builder.add_extension(base, number);
        let Ok(base_number) = u32::try_from(base.number()) else { return };
        for attribute in record.attributes() {
            let Ok(attribute) = attribute else {
                return self.report.damaged.add(u64::from(number));
            };
            match attribute.kind {
                kind::FILE_NAME => {
                    let name = attribute.resident().and_then(FileName::parse);
                    if let Some(name) = name.filter(|n| n.namespace != Namespace::Dos) {
                        self.builder.add_name(base_number, Some(base), &name);
                    }
                }
                kind::DATA if attribute.is_unnamed() => {
                    if let Some(data) = data_facts(&attribute) {
                        self.builder.add_data(base, data);
                    }
                }
                kind::REPARSE_POINT => self.builder.add_tag(base, reparse_tag(volume, &attribute)),
                _ => {}
            }
        }
        if record.is_torn {
            self.report.damaged.add(u64::from(number));
        }
    }
}

/// Whether a record is a folder's, by its attributes: a folder has an index of names, a file has
/// data without a name. `None` if it has both or neither (they may be in other records).
fn is_like_folder(record: &Record<'_>) -> Option<bool> {
    let (mut has_index, mut has_data) = (false, false);
    for attribute in record.attributes().map_while(Result::ok) {
        match attribute.kind {
            kind::INDEX_ROOT => has_index |= attribute.is_named("$I30"),
            kind::DATA => has_data |= attribute.is_unnamed(),
            _ => {}
        }
    }
    (has_index != has_data).then_some(has_index)
}

/// The facts of a stream; `None` for its later pieces.
pub(crate) fn data_facts(attribute: &Attribute<'_>) -> Option<DataMetadata> {
    match attribute.value {
        Value::Resident(value) => Some(DataMetadata {
            size: value.len() as u64,
            allocated: 0,
            lcn: NO_LCN,
            is_resident: true,
        }),
        Value::NonResident(value) => {
            let sizes = value.sizes?;
            let mut places = runs::decode(value.runs, 0).map_while(Result::ok).map(|run| run.place);
            let cluster = places.find_map(|place| match place {
                Place::Cluster(cluster) => u32::try_from(cluster).ok(),
                _ => None,
            });
            Some(DataMetadata {
                size: sizes.size,
                allocated: sizes.allocated,
                lcn: cluster.unwrap_or(NO_LCN),
                is_resident: false,
            })
        }
    }
}

/// The tag of reparse data; 0 where it cannot be had. Data of more than some 700 bytes is not
/// in the record.
fn reparse_tag(volume: &Volume, attribute: &Attribute<'_>) -> u32 {
    let tag = match attribute.value {
        Value::Resident(value) => u32_at(value, 0),
        Value::NonResident(value) => {
            let first = runs::decode(value.runs, 0).next().and_then(Result::ok);
            let offset = match first.map(|run| run.place) {
                Some(Place::Cluster(cluster)) => volume.boot().cluster_offset(cluster),
                _ => None,
            };
            let mut tag = [0; 4];
            let read = offset.map(|offset| volume.medium().read("reparse data", offset, &mut tag));
            read.is_some_and(|read| read.is_ok()).then(|| u32::from_le_bytes(tag))
        }
    };
    tag.unwrap_or(0)
}
