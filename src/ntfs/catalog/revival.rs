//! Records that lost their in-use bit, and nothing else: a flipped bit, or a sector of another
//! time. A deletion also counts up the record's sequence number, takes the name out of the
//! folder's index, and clears the record's bit in `$MFT`'s bitmap. If all three still have the
//! file, it was not deleted.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{Catalog, entry_flag};
use crate::model::monitor::Monitor;
use crate::model::name::NtName;
use crate::ntfs::error::NtfsError;
use crate::ntfs::ondisk::attribute::{Value, kind};
use crate::ntfs::ondisk::file_name::{FileName, Namespace};
use crate::ntfs::ondisk::record::{FileRef, Record};
use crate::ntfs::ondisk::runs::{self, Place};
use crate::ntfs::read::file::File;
use crate::ntfs::read::index;
use crate::ntfs::read::volume::Volume;

/// Indexes that are read to ask for such files; bounds the time that a hostile volume costs.
const MAX_INDEXES: usize = 4096;
/// Indexes that are kept: the records of a folder's files are often neighbours.
const KEPT: usize = 8;
/// Extents of such files that are compared with those of all others.
const MAX_EXTENTS: usize = 1 << 20;

/// Asks the indexes of folders for files whose records are not marked as in use.
#[derive(Default)]
pub(crate) struct Revival {
    read: usize,
    /// By the folder's reference, each sorted.
    indexes: VecDeque<(FileRef, Vec<(NtName, FileRef)>)>,
}

impl Revival {
    /// Whether the index of a folder lists the file by one of the names in its record.
    pub(crate) fn is_listed(
        &mut self,
        volume: &Arc<Volume>,
        number: u32,
        record: &Record<'_>,
    ) -> bool {
        let own = FileRef::new(u64::from(number), record.sequence);
        let names = record.attributes().map_while(Result::ok);
        let names = names.filter(|attribute| attribute.kind == kind::FILE_NAME);
        let names = names.filter_map(|name| name.resident().and_then(FileName::parse));
        names
            .filter(|name| name.namespace != Namespace::Dos)
            .any(|name| self.lists(volume, name.parent, &(name.name(), own)))
    }

    fn lists(&mut self, volume: &Arc<Volume>, folder: FileRef, wanted: &(NtName, FileRef)) -> bool {
        if !self.indexes.iter().any(|(known, _)| *known == folder) {
            let mut names = Vec::new();
            // After a wipe, the folders of a million deleted files are deleted, too.
            if is_same_folder(volume, folder) {
                if self.read >= MAX_INDEXES {
                    return false;
                }
                self.read += 1;
                let listing = File::load(volume, folder.number(), &Vec::new)
                    .and_then(|file| index::list(volume, &file));
                names = listing.map(|listing| listing.names).unwrap_or_default();
                names.sort();
            }
            self.indexes.truncate(KEPT - 1);
            self.indexes.push_front((folder, names));
        }
        let known = self.indexes.iter().find(|(known, _)| *known == folder);
        known.is_some_and(|(_, names)| names.binary_search(wanted).is_ok())
    }
}

/// Whether the record still is that of the folder, in use or not.
fn is_same_folder(volume: &Volume, folder: FileRef) -> bool {
    let Ok((mut bytes, at)) = volume.read_record(folder.number()) else { return false };
    let record = Record::parse(&mut bytes, at);
    record.is_ok_and(|record| record.is_directory && folder.fits(record.sequence))
}

/// Marks the revived files that share clusters with another file: what is there is not
/// theirs, or not any more. Passes over all records once more.
pub(crate) fn mark_overwritten(
    volume: &Arc<Volume>,
    catalog: &mut Catalog,
    monitor: &dyn Monitor,
) -> Result<(), NtfsError> {
    // First cluster, the one behind the last, record; sorted.
    let mut extents: Vec<(u64, u64, u32)> = Vec::new();
    let records = |catalog: &Catalog, record: u32| {
        std::iter::once(u64::from(record)).chain(catalog.extensions(record)).collect::<Vec<_>>()
    };
    for entry in catalog.entries.iter().filter(|entry| entry.has(entry_flag::REVIVED)) {
        for number in records(catalog, entry.record) {
            extents_of(volume, number, &mut |first, end| {
                if extents.len() < MAX_EXTENTS {
                    extents.push((first, end, entry.record));
                }
            });
        }
    }
    extents.sort_unstable();
    let mut overwritten = Vec::new();
    for (i, entry) in catalog.entries.iter().enumerate() {
        if i % 1024 == 0 && monitor.is_cancelled() {
            return Err(NtfsError::Cancelled);
        }
        for number in records(catalog, entry.record) {
            extents_of(volume, number, &mut |first, end| {
                let from = extents.partition_point(|(_, other_end, _)| *other_end <= first);
                let touching = extents[from..].iter().take_while(|(other, ..)| *other < end);
                let others = touching.filter(|(.., record)| *record != entry.record);
                overwritten.extend(others.map(|(.., record)| *record));
            });
        }
        if overwritten.len() > MAX_EXTENTS {
            overwritten.sort_unstable();
            overwritten.dedup();
        }
    }
    for record in overwritten {
        if let Ok(i) = catalog.entries.binary_search_by_key(&record, |entry| entry.record) {
            catalog.entries[i].flags |= entry_flag::OVERWRITTEN;
        }
    }
    Ok(())
}

/// Gives `add` the clusters that the attributes of one record have: the first, and the one
/// behind the last.
fn extents_of(volume: &Volume, number: u64, add: &mut dyn FnMut(u64, u64)) {
    let Ok((mut bytes, at)) = volume.read_record(number) else { return };
    let Ok(record) = Record::parse(&mut bytes, at) else { return };
    for attribute in record.attributes().map_while(Result::ok) {
        let Value::NonResident(value) = attribute.value else { continue };
        for run in runs::decode(value.runs, attribute.at).map_while(Result::ok) {
            if let Place::Cluster(first) = run.place {
                add(first, first.saturating_add(run.clusters));
            }
        }
    }
}
