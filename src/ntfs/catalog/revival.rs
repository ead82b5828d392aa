//! Records that lost their in-use bit, and nothing else: a flipped bit, or a sector of another
//! time. A deletion also counts up the record's sequence number, takes the name out of the
//! folder's index, and clears the record's bit in `$MFT`'s bitmap. If all three still have the
//! file, it was not deleted.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::model::name::NtName;
use crate::ntfs::ondisk::attribute::kind;
use crate::ntfs::ondisk::file_name::{FileName, Namespace};
use crate::ntfs::ondisk::record::{FileRef, Record};
use crate::ntfs::read::file::File;
use crate::ntfs::read::index;
use crate::ntfs::read::volume::Volume;

/// Indexes that are read to ask for such files; bounds the time that a hostile volume costs.
const MAX_INDEXES: usize = 4096;
/// Indexes that are kept: the records of a folder's files are often neighbours.
const KEPT: usize = 8;

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
