//! Deleted files: records that are not in use any more but still tell of a
//! file, its directory, and the clusters it had.
//!
//! NTFS counts a record's sequence number up when it frees the record, so a
//! reference to a deleted directory has the number before that.

use std::ops::Range;
use std::sync::Arc;

use super::NtfsError;
use super::attribute::kind;
use super::catalog::{Catalog, Entry, entry_flag};
use super::catalog_builder::Builder;
use super::data::Source;
use super::file::File;
use super::file_name::{FileName, Namespace};
use super::record::{FileRef, Record};
use super::runs::Place;
use super::volume::Volume;
use crate::monitor::{Monitor, Progress};
use crate::name::NtPath;

/// The record of `$Bitmap`, which says what clusters are in use.
const BITMAP: u64 = 6;
/// A bitmap of a larger volume is not looked at (at 4 KiB clusters: 8 TiB).
const MAX_BITMAP_BYTES: usize = 256 << 20;

/// A file or directory that was deleted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeletedFile {
    /// Where it was. Below `$Orphans` where that is not known to the end.
    pub path: NtPath,
    /// Bytes of its unnamed stream; 0 for a directory.
    pub size: u64,
    /// The number of its record.
    pub record: u64,
    /// It was a directory.
    pub is_directory: bool,
    /// What can still be read of it.
    pub readable: Readable,
}

/// What can still be read of a deleted file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Readable {
    /// None of its clusters has been given to another file. (They may have been
    /// since, and given back.)
    Whole,
    /// So many bytes of it.
    Part(u64),
    /// Nothing.
    Nothing,
    /// Nobody can say: the volume's bitmap cannot be read.
    Unknown,
}

/// The deleted files whose path `wanted` likes.
pub(crate) fn list(
    volume: &Arc<Volume>,
    live: &Catalog,
    candidates: &[u64],
    wanted: &dyn Fn(&NtPath) -> bool,
    monitor: &dyn Monitor,
) -> Result<Vec<DeletedFile>, NtfsError> {
    let (catalog, deleted) = gather(volume, live, candidates, monitor)?;
    let clusters = Clusters::read(volume);
    let mut found = Vec::new();
    for record in deleted {
        for path in catalog.paths(record).into_iter().filter(|path| wanted(path)) {
            let Some(entry) = catalog.entry(record) else { continue };
            let readable = match (entry.is_directory(), &clusters) {
                (true, _) => Readable::Nothing,
                (false, None) => Readable::Unknown,
                (false, Some(clusters)) => clusters.readable(volume, u64::from(record)),
            };
            found.push(DeletedFile {
                path,
                size: entry.size,
                record: u64::from(record),
                is_directory: entry.is_directory(),
                readable,
            });
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// A catalog of the deleted files and of all directories, dead or alive.
fn gather(
    volume: &Arc<Volume>,
    live: &Catalog,
    candidates: &[u64],
    monitor: &dyn Monitor,
) -> Result<(Catalog, Vec<u32>), NtfsError> {
    let mut builder = Builder::default();
    let mut deleted = Vec::new();
    let mut living = live.directories().peekable();
    let total = candidates.iter().map(|word| u64::from(word.count_ones())).sum();
    for (i, word) in candidates.iter().enumerate().filter(|(_, word)| **word != 0) {
        if monitor.is_cancelled() {
            return Err(NtfsError::Cancelled);
        }
        for record in (0..64).filter(|bit| word >> bit & 1 != 0).map(|bit| i * 64 + bit) {
            let Ok(record) = u32::try_from(record) else { break };
            while let Some((entry, names)) = living.next_if(|(entry, _)| entry.record < record) {
                builder.add_known(entry, names);
            }
            if add(volume, &mut builder, record) {
                deleted.push(record);
            }
        }
        let files = deleted.len() as u64;
        monitor.progress(Progress { files, total_files: total, ..Progress::default() });
    }
    for (entry, names) in living {
        builder.add_known(entry, names);
    }
    Ok((builder.finish().0, deleted))
}

/// Adds a deleted record; `false` where nothing can be made of it.
fn add(volume: &Volume, builder: &mut Builder, number: u32) -> bool {
    let Ok((mut bytes, at)) = volume.read_record(u64::from(number)) else { return false };
    let Ok(record) = Record::parse(&mut bytes, at) else { return false };
    let mut entry = Entry {
        record: number,
        sequence: record.sequence.wrapping_sub(1),
        flags: if record.is_directory { entry_flag::DIRECTORY } else { 0 },
        ..Entry::default()
    };
    let mut names = Vec::new();
    for attribute in record.attributes().map_while(Result::ok) {
        match attribute.kind {
            kind::FILE_NAME => names.extend(attribute.resident().and_then(FileName::parse)),
            kind::DATA if attribute.is_unnamed() => {
                if let Some(data) = super::sweep::data_facts(&attribute) {
                    entry.take_data(&data);
                }
            }
            _ => {}
        }
    }
    names.retain(|name| name.namespace != Namespace::Dos);
    if names.is_empty() {
        return false;
    }
    builder.add_entry(entry);
    for name in &names {
        builder.add_name(number, None, name);
    }
    true
}

/// Which clusters are in use.
struct Clusters(Vec<u8>);

impl Clusters {
    fn read(volume: &Arc<Volume>) -> Option<Self> {
        let file = File::load(volume, BITMAP, &Vec::new).ok()?;
        let data = file.find(kind::DATA, None)?;
        Some(Self(file.value(volume, data, MAX_BITMAP_BYTES).ok()?))
    }

    /// How many of these clusters are free.
    fn free(&self, clusters: Range<u64>) -> u64 {
        let mut free = 0;
        let mut at = clusters.start;
        while at < clusters.end {
            let Some(byte) = usize::try_from(at / 8).ok().and_then(|i| self.0.get(i)) else {
                break;
            };
            if at.is_multiple_of(8) && clusters.end - at >= 8 {
                free += u64::from(byte.count_zeros());
                at += 8;
            } else {
                free += u64::from(byte >> (at % 8) & 1 == 0);
                at += 1;
            }
        }
        free
    }

    fn readable(&self, volume: &Arc<Volume>, record: u64) -> Readable {
        let source = File::load(volume, record, &Vec::new).and_then(|file| {
            let data = file.find(kind::DATA, None).ok_or_else(|| file.missing("data"))?;
            file.source(volume, data)
        });
        let (runs, sizes) = match source {
            Ok(Source::Resident(_)) => return Readable::Whole,
            Ok(Source::Clusters { runs, sizes, .. }) => (runs, sizes),
            Err(_) => return Readable::Nothing,
        };
        let wanted = sizes.size.div_ceil(volume.cluster_bytes());
        let mut readable = 0;
        for (start, clusters, place) in runs.iter().take_while(|(start, ..)| *start < wanted) {
            let clusters = clusters.min(wanted - start);
            readable += match place {
                Place::Cluster(cluster) => self.free(cluster..cluster.saturating_add(clusters)),
                Place::Sparse => clusters,
                Place::Lost => 0,
            };
        }
        if readable >= wanted {
            Readable::Whole
        } else if readable == 0 {
            Readable::Nothing
        } else {
            Readable::Part((readable.saturating_mul(volume.cluster_bytes())).min(sizes.size))
        }
    }
}

impl Builder {
    /// A directory that exists, with its names.
    fn add_known(&mut self, entry: &Entry, names: Vec<(FileRef, &[u8])>) {
        self.add_entry(*entry);
        for (parent, name) in names {
            self.add_wtf8_name(entry.record, None, parent, name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_clusters_are_counted_bit_by_bit() {
        let clusters = Clusters(vec![0b1111_0000, 0, 0xFF, 0b0000_0001]);
        assert_eq!(clusters.free(0..32), 4 + 8 + 7);
        assert_eq!(clusters.free(3..5), 1);
        assert_eq!(clusters.free(5..19), 8);
        assert_eq!(clusters.free(30..1000), 2);
        assert_eq!(clusters.free(u64::MAX - 1..u64::MAX), 0);
    }
}
