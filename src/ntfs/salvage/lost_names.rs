//! Names that only a directory's index still tells, since the file record that
//! they lead to is damaged.
//!
//! The catalog goes by the records, so a file whose record is bad would be
//! missing without a trace, and what lies in such a folder would stand among the
//! orphans. The index of the folder above still has its name. It is believed
//! only where the record itself shows damage: an index entry whose record is
//! sound, and says otherwise, is stale.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::model::metadata::NodeId;
use crate::model::name::{NtName, NtPath};
use crate::ntfs::catalog::{Catalog, Folder, NAMELESS, ORPHANS};
use crate::ntfs::ondisk::record::{FileRef, Record, known};
use crate::ntfs::read::file::File;
use crate::ntfs::read::index;
use crate::ntfs::read::volume::Volume;

/// What the index of directory `record` lists and the catalog does not have
/// there: folders whose children are among the orphans, files that lost their
/// names, and files of which nothing but the name is left. (The identity of the
/// last ones leads to no entry.) Reads the index; nothing where that cannot be
/// read.
///
/// Folders are given only to a directory that hangs on the root: so none can
/// come to stand in itself.
pub(crate) fn lost_names(
    volume: &Arc<Volume>,
    catalog: &Catalog,
    record: u32,
) -> Vec<(NtName, NodeId)> {
    let extensions = || catalog.extensions(record);
    let listing = File::load(volume, u64::from(record), &extensions)
        .and_then(|directory| index::list(volume, &directory));
    let Ok(listing) = listing else { return Vec::new() };
    let have: BTreeSet<NtName> =
        catalog.names_in(Folder::Record(record)).into_iter().map(|(name, _)| name).collect();
    let paths = catalog.paths(record);
    let directory = Directory {
        record,
        sequence: catalog.entry(record).map_or(0, |entry| entry.sequence),
        hangs_on_root: Folder::Record(record) == Folder::root()
            || paths.first().is_some_and(|path| !is_orphan(path)),
    };
    let mut lost: Vec<_> = listing
        .names
        .into_iter()
        .filter(|(name, file)| file.number() >= known::FIRST_USER && !have.contains(name))
        .filter_map(|(name, file)| Some((name, directory.node(volume, catalog, file)?)))
        .collect();
    lost.sort();
    lost.dedup_by(|a, b| a.0 == b.0);
    lost
}

/// The directory whose index is looked at.
struct Directory {
    record: u32,
    sequence: u16,
    hangs_on_root: bool,
}

impl Directory {
    /// What an index entry leads to, if it is to be believed.
    fn node(&self, volume: &Volume, catalog: &Catalog, file: FileRef) -> Option<NodeId> {
        if let Some(entry) = catalog.node(NodeId(file.0)) {
            let paths = catalog.paths(entry.record);
            let is_elsewhere = |path: &NtPath| !is_orphan(path) || self.was_replaced(path);
            let is_ours = !entry.is_directory() && !paths.iter().any(is_elsewhere);
            return is_ours.then(|| entry.id());
        }
        let folder = Folder::Lost(u32::try_from(file.number()).ok()?, file.sequence());
        if catalog.has_folder(folder) {
            return self.hangs_on_root.then(|| folder.id());
        }
        is_damaged(volume, file.number()).then_some(NodeId(file.0))
    }

    /// Whether an orphan's path says that it stood in another directory, which had
    /// this one's record before.
    fn was_replaced(&self, path: &NtPath) -> bool {
        let mut parts = path.names().get(1).and_then(NtName::as_str).unwrap_or("").split('-');
        parts.next().and_then(|record| record.parse().ok()) == Some(self.record)
            && parts.next().and_then(|sequence| sequence.parse().ok()) != Some(self.sequence)
    }
}

/// Whether a path leads through the folder of the orphans.
fn is_orphan(path: &NtPath) -> bool {
    path.names().first().is_some_and(|name| name.as_wtf8() == ORPHANS.as_bytes())
}

/// Whether the record cannot be read, makes no sense or is another one.
fn is_damaged(volume: &Volume, number: u64) -> bool {
    let Ok((mut bytes, at)) = volume.read_record(number) else { return true };
    match Record::parse(&mut bytes, at) {
        Ok(record) => record.in_use && record.number.is_some_and(|own| u64::from(own) != number),
        Err(_) => true,
    }
}

/// Whether an identity is that of a folder whose own record is lost, which is
/// known by its children alone.
pub(crate) fn is_lost_folder(id: NodeId) -> bool {
    matches!(Folder::from_id(id), Folder::Lost(record, _) if record != NAMELESS)
}
