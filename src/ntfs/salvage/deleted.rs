//! Deleted files: records that are not in use any more but still tell of a
//! file, its directory, and the clusters it had.
//!
//! NTFS counts a record's sequence number up when it frees the record, so a
//! reference to a deleted directory has the number before that.

use std::ops::Range;
use std::sync::Arc;

use crate::model::metadata::NodeId;
use crate::model::monitor::{Monitor, Progress};
use crate::model::name::{NtName, NtPath};
use crate::ntfs::catalog::builder::Builder;
use crate::ntfs::catalog::{Catalog, Entry, ORPHANS, entry_flag};
use crate::ntfs::error::NtfsError;
use crate::ntfs::ondisk::attribute::kind;
use crate::ntfs::ondisk::file_name::{FileName, Namespace};
use crate::ntfs::ondisk::record::{FileRef, Record, known};
use crate::ntfs::ondisk::runs::Place;
use crate::ntfs::read::data::Source;
use crate::ntfs::read::file::File;
use crate::ntfs::read::volume::Volume;

/// Deleted directories are gathered up to this number: each takes 100 bytes.
const MAX_FOLDERS: usize = 500_000;
/// Deleted files are told up to this number: each takes some 500 bytes.
const MAX_FOUND: usize = 200_000;
/// The record of `$Bitmap`, which says what clusters are in use.
const BITMAP: u64 = 6;
/// Bytes of it that are held at a time: 2 million clusters.
const WINDOW: u64 = 256 << 10;

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
///
/// Passes over the records twice: first the directories alone, dead or alive, are
/// gathered, since a wiped Windows leaves a million dead files; then each file's
/// path is told from these, and only what is wanted is held.
pub(crate) fn list(
    volume: &Arc<Volume>,
    live: &Catalog,
    candidates: &[u64],
    wanted: &dyn Fn(&NtPath) -> bool,
    monitor: &dyn Monitor,
) -> Result<Vec<DeletedFile>, NtfsError> {
    let total = candidates.iter().map(|word| u64::from(word.count_ones())).sum();
    let Some(folders) = folders(volume, live, candidates, monitor)? else {
        monitor.note("too many folders were deleted to look through what was in them");
        return Ok(Vec::new());
    };
    let mut above = Above { folders: &folders, last: None };
    let mut clusters = Clusters::open(volume);
    let mut found = Vec::new();
    for (number, record) in (0_u64..).zip(records(candidates)) {
        if number.is_multiple_of(1024) {
            if monitor.is_cancelled() {
                return Err(NtfsError::Cancelled);
            }
            let files = number;
            monitor.progress(Progress { files, total_files: total, ..Progress::default() });
        }
        let Some(Dead { entry, names }) = Dead::read(volume, record) else { continue };
        for (parent, name) in names {
            let Some(path) = above.of(parent).map(|above| above.join(name)) else { continue };
            if !wanted(&path) {
                continue;
            }
            if found.len() >= MAX_FOUND {
                monitor.note(&format!(
                    "more than {MAX_FOUND} files were deleted from stores; the others were not \
                     looked at"
                ));
                found.sort_by(|a: &DeletedFile, b| a.path.cmp(&b.path));
                return Ok(found);
            }
            let readable = match (entry.is_directory(), &mut clusters) {
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

/// The numbers of the records whose bits are set.
fn records(candidates: &[u64]) -> impl Iterator<Item = u32> + '_ {
    let words = candidates.iter().enumerate().filter(|(_, word)| **word != 0);
    let numbers = words.flat_map(|(i, word)| {
        (0..64).filter(move |bit| word >> bit & 1 != 0).map(move |bit| i * 64 + bit)
    });
    numbers.map_while(|number| u32::try_from(number).ok())
}

/// A catalog of all directories, dead or alive; `None` where there are too many.
fn folders(
    volume: &Arc<Volume>,
    live: &Catalog,
    candidates: &[u64],
    monitor: &dyn Monitor,
) -> Result<Option<Catalog>, NtfsError> {
    let mut builder = Builder::default();
    let mut living = live.directories().peekable();
    let mut dead = 0;
    for (number, record) in (0_u64..).zip(records(candidates)) {
        if number.is_multiple_of(1024) && monitor.is_cancelled() {
            return Err(NtfsError::Cancelled);
        }
        while let Some((entry, names)) = living.next_if(|(entry, _)| entry.record < record) {
            builder.add_known(entry, names);
        }
        let Some(Dead { entry, names }) = Dead::read(volume, record) else { continue };
        if !entry.is_directory() {
            continue;
        }
        dead += 1;
        if dead > MAX_FOLDERS {
            return Ok(None);
        }
        builder.add_entry(entry);
        for (parent, name) in &names {
            builder.add_wtf8_name(record, None, *parent, name.as_wtf8());
        }
    }
    for (entry, names) in living {
        builder.add_known(entry, names);
    }
    Ok(Some(builder.finish().0))
}

/// The paths of directories, the last one kept: files of one directory mostly
/// follow each other.
struct Above<'a> {
    folders: &'a Catalog,
    last: Option<(FileRef, Option<NtPath>)>,
}

impl Above<'_> {
    /// `None` for what is below the system's own files.
    fn of(&mut self, directory: FileRef) -> Option<NtPath> {
        if let Some((_, path)) = self.last.as_ref().filter(|(last, _)| *last == directory) {
            return path.clone();
        }
        let path = self.path(directory);
        self.last = Some((directory, path.clone()));
        path
    }

    fn path(&self, directory: FileRef) -> Option<NtPath> {
        if directory.number() == known::ROOT {
            return Some(NtPath::root());
        }
        if let Some(entry) =
            self.folders.node(NodeId(directory.0)).filter(|entry| entry.is_directory())
        {
            self.folders.paths(entry.record).into_iter().next()
        } else {
            let lost = format!("{}-{}", directory.number(), directory.sequence());
            Some(NtPath::root().join(ORPHANS).join(lost.as_str()))
        }
    }
}

/// What a record that is not in use any more tells of a file.
struct Dead {
    entry: Entry,
    /// Its names, DOS names left out, and the directories that they stood in.
    names: Vec<(FileRef, NtName)>,
}

impl Dead {
    /// `None` where nothing can be made of it.
    fn read(volume: &Volume, number: u32) -> Option<Self> {
        let (mut bytes, at) = volume.read_record(u64::from(number)).ok()?;
        let record = Record::parse(&mut bytes, at).ok()?;
        let mut entry = Entry {
            record: number,
            sequence: record.sequence.wrapping_sub(1),
            flags: if record.is_directory { entry_flag::DIRECTORY } else { 0 },
            ..Entry::default()
        };
        let mut names = Vec::new();
        for attribute in record.attributes().map_while(Result::ok) {
            match attribute.kind {
                kind::FILE_NAME => {
                    let name = attribute.resident().and_then(FileName::parse);
                    let name = name.filter(|name| name.namespace != Namespace::Dos);
                    names.extend(name.map(|name| (name.parent, name.name())));
                }
                kind::DATA if attribute.is_unnamed() => {
                    if let Some(data) = crate::ntfs::catalog::sweep::data_facts(&attribute) {
                        entry.take_data(&data);
                    }
                }
                _ => {}
            }
        }
        (!names.is_empty()).then_some(Self { entry, names })
    }
}

/// Fills a buffer from a byte on; false where that cannot be read.
type ReadAt = Box<dyn FnMut(u64, &mut [u8]) -> bool>;

/// Which clusters are in use, by `$Bitmap`, of which a piece is held.
struct Clusters {
    /// Bytes of the bitmap.
    size: u64,
    /// Fills a buffer from a byte of it on; false where that cannot be read.
    read_at: ReadAt,
    window: Vec<u8>,
    window_at: u64,
}

impl Clusters {
    fn open(volume: &Arc<Volume>) -> Option<Self> {
        let file = File::load(volume, BITMAP, &Vec::new).ok()?;
        let data = file.find(kind::DATA, None)?;
        let mut reader = file.reader(volume, data).ok()?;
        let size = reader.len();
        let read_at = move |at, buf: &mut [u8]| matches!(reader.read_at(at, buf), Ok(None));
        Some(Self::new(size, Box::new(read_at)))
    }

    fn new(size: u64, read_at: ReadAt) -> Self {
        Self { size, read_at, window: Vec::new(), window_at: 0 }
    }

    /// A byte of the bitmap, before its end; `None` where it cannot be read.
    fn byte(&mut self, index: u64) -> Option<u8> {
        let at = index / WINDOW * WINDOW;
        if self.window.is_empty() || self.window_at != at {
            let bytes = self.size.saturating_sub(at).min(WINDOW);
            self.window.resize(usize::try_from(bytes).unwrap_or(0), 0);
            self.window_at = at;
            if !(self.read_at)(at, &mut self.window) {
                self.window.clear();
            }
        }
        self.window.get(usize::try_from(index - at).ok()?).copied()
    }

    /// How many of these clusters are free; `None` where nobody can say.
    fn free(&mut self, clusters: Range<u64>) -> Option<u64> {
        let mut free = 0;
        let mut at = clusters.start;
        while at < clusters.end && at / 8 < self.size {
            let byte = self.byte(at / 8)?;
            if at.is_multiple_of(8) && clusters.end - at >= 8 {
                free += u64::from(byte.count_zeros());
                at += 8;
            } else {
                free += u64::from(byte >> (at % 8) & 1 == 0);
                at += 1;
            }
        }
        Some(free)
    }

    fn readable(&mut self, volume: &Arc<Volume>, record: u64) -> Readable {
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
                Place::Cluster(cluster) => {
                    match self.free(cluster..cluster.saturating_add(clusters)) {
                        Some(free) => free,
                        None => return Readable::Unknown,
                    }
                }
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

    fn bitmap(bytes: Vec<u8>, bad: Range<u64>) -> Clusters {
        let size = bytes.len() as u64;
        let read_at = move |at: u64, buf: &mut [u8]| {
            let from = usize::try_from(at).unwrap();
            buf.copy_from_slice(&bytes[from..from + buf.len()]);
            at + buf.len() as u64 <= bad.start || bad.end <= at
        };
        Clusters::new(size, Box::new(read_at))
    }

    #[test]
    fn free_clusters_are_counted_bit_by_bit() {
        let mut clusters = bitmap(vec![0b1111_0000, 0, 0xFF, 0b0000_0001], 99..99);
        assert_eq!(clusters.free(0..32), Some(4 + 8 + 7));
        assert_eq!(clusters.free(3..5), Some(1));
        assert_eq!(clusters.free(5..19), Some(8));
        assert_eq!(clusters.free(30..1000), Some(2));
        assert_eq!(clusters.free(u64::MAX - 1..u64::MAX), Some(0));
    }

    #[test]
    fn a_large_bitmap_is_held_in_pieces_and_a_bad_piece_is_not_guessed() {
        let bytes = 3 * WINDOW;
        let mut map = vec![0; usize::try_from(bytes).unwrap()];
        map[usize::try_from(WINDOW).unwrap()..][..100].fill(0xFF);
        let mut clusters = bitmap(map, 2 * WINDOW + 5..2 * WINDOW + 6);
        assert_eq!(clusters.free(0..8 * 2 * WINDOW), Some(8 * (2 * WINDOW - 100)));
        assert_eq!(clusters.free(8 * 2 * WINDOW..8 * 2 * WINDOW + 9), None);
        assert_eq!(clusters.free(3..5), Some(2), "what can be read is read all the same");
        assert!(clusters.window.len() <= usize::try_from(WINDOW).unwrap());
    }
}
