//! Deleted files: records that are not in use any more but still tell of a
//! file, its directory, and the clusters it had.
//!
//! NTFS counts a record's sequence number up when it frees the record, so a
//! reference to a deleted directory has the number before that.

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
use crate::ntfs::read::cluster_bitmap::ClusterBitmap;
use crate::ntfs::read::data::Source;
use crate::ntfs::read::file::File;
use crate::ntfs::read::volume::Volume;

/// Deleted directories are gathered up to this number: each takes 100 bytes.
const MAX_FOLDERS: usize = 500_000;
/// Deleted files are told up to this number: each takes some 500 bytes.
const MAX_FOUND: usize = 200_000;

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
    let mut bitmap = ClusterBitmap::open(volume);
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
            let readable = match (entry.is_directory(), &mut bitmap) {
                (true, _) => Readable::Nothing,
                (false, None) => Readable::Unknown,
                (false, Some(bitmap)) => readable(bitmap, volume, u64::from(record)),
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

/// How much of the file's data lies in clusters that are free.
fn readable(bitmap: &mut ClusterBitmap, volume: &Arc<Volume>, record: u64) -> Readable {
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
                match bitmap.free(cluster..cluster.saturating_add(clusters)) {
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

impl Builder {
    /// A directory that exists, with its names.
    fn add_known(&mut self, entry: &Entry, names: Vec<(FileRef, &[u8])>) {
        self.add_entry(*entry);
        for (parent, name) in names {
            self.add_wtf8_name(entry.record, None, parent, name);
        }
    }
}
