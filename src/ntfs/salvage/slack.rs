//! Names in the slack of directory indexes: behind the entries that count, an index block keeps
//! what stood there before (Linux-NTFS, "Index allocation"). For a file or directory whose own
//! record was given to another file, that is the last place with its name.
//!
//! The entries are leftovers: each is taken only if all of its fields fit each other and the
//! directory.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::model::bytes::{u16_at, u32_at, u64_at};
use crate::model::monitor::Monitor;
use crate::model::name::{NtName, NtPath};
use crate::ntfs::catalog::{Catalog, Folder};
use crate::ntfs::error::NtfsError;
use crate::ntfs::ondisk::attribute::kind;
use crate::ntfs::ondisk::file_name::{FileName, Namespace};
use crate::ntfs::ondisk::fixup;
use crate::ntfs::ondisk::record::{FileRef, Record, known};
use crate::ntfs::read::file::{Body, File, sequence_before};
use crate::ntfs::read::volume::Volume;

const WHAT: &str = "directory index";
/// Indexes that are read: each may cost a seek.
const MAX_INDEXES: usize = 8192;
/// Bytes that are read of one index.
const MAX_INDEX_BYTES: u64 = 4 << 20;
/// Names of files that are kept, of some 100 bytes each.
const MAX_NAMES: usize = 100_000;
/// Folders that exist are searched for the names of lost ones down to this depth, beside those
/// that are asked for: stores are near the root.
const SHALLOW: usize = 2;
/// Where the attributes of a record begin at the earliest.
const FIRST_ATTRIBUTE: usize = 0x28;
/// The directory bit in the attributes of `$FILE_NAME`.
const IS_DIRECTORY: u32 = 0x1000_0000;

/// What slack had.
#[derive(Default)]
pub(super) struct Slack {
    /// Lost directories: the directory above, and the name.
    folders: HashMap<FileRef, (FileRef, NtName)>,
    names: Vec<SlackName>,
    other_names: Vec<SlackName>,
}

/// A name of a file.
pub(super) struct SlackName {
    pub(super) file: FileRef,
    pub(super) parent: FileRef,
    pub(super) name: NtName,
    /// Bytes that it had, when the name was written.
    pub(super) size: u64,
}

impl Slack {
    /// A lost directory: the directory above, and its name.
    pub(super) fn folder(&self, folder: FileRef) -> Option<(FileRef, NtName)> {
        self.folders.get(&folder).cloned()
    }

    /// Files whose records were given to others.
    pub(super) fn take_names(&mut self) -> Vec<SlackName> {
        std::mem::take(&mut self.names)
    }

    /// Names of files whose records are still those of a deleted file.
    pub(super) fn take_other_names(&mut self) -> Vec<SlackName> {
        std::mem::take(&mut self.other_names)
    }
}

/// An entry of an index.
struct Found {
    file: FileRef,
    name: NtName,
    size: u64,
    is_directory: bool,
}

/// Looks for the names of `missing` directories, and of files in the wanted ones. `folders` has
/// all directories, dead or alive, and `live` those that exist.
pub(super) fn search(
    volume: &Arc<Volume>,
    folders: &Catalog,
    live: &Catalog,
    missing: &HashSet<FileRef>,
    path_of: &dyn Fn(FileRef) -> Option<NtPath>,
    wanted: &dyn Fn(&NtPath) -> bool,
    monitor: &dyn Monitor,
) -> Result<Slack, NtfsError> {
    let mut slack = Slack::default();
    let mut seen = HashSet::new();
    let mut read = 0;
    for (entry, _) in folders.directories() {
        if monitor.is_cancelled() {
            return Err(NtfsError::Cancelled);
        }
        let own = FileRef(entry.id().0);
        let Some(path) = path_of(own) else { continue };
        let is_live = live.node(entry.id()).is_some();
        let is_near = || !missing.is_empty() && (!is_live || path.names().len() <= SHALLOW);
        if !wanted(&path.join("x")) && !is_near() {
            continue;
        }
        if read >= MAX_INDEXES {
            break;
        }
        read += 1;
        let mut found = Vec::new();
        match leftovers(volume, live, own, is_live, &mut found) {
            Err(error) if error.is_gone() => return Err(error),
            // What can be read of it was.
            Err(_) | Ok(()) => {}
        }
        for Found { file, name, size, is_directory } in found {
            if is_directory {
                if missing.contains(&file) {
                    slack.folders.entry(file).or_insert((own, name));
                }
                continue;
            }
            let record = u32::try_from(own.number()).unwrap_or(u32::MAX);
            if slack.names.len() + slack.other_names.len() >= MAX_NAMES
                || live.child_named(Folder::Record(record), &name).is_some()
                || !seen.insert((file, own, name.clone()))
            {
                continue;
            }
            let name = SlackName { file, parent: own, name, size };
            match left_of(volume, file) {
                Left::Exists => {}
                Left::Deleted => slack.other_names.push(name),
                Left::Name => slack.names.push(name),
            }
        }
    }
    Ok(slack)
}

/// What is left of a file.
enum Left {
    /// It exists, or nobody can say.
    Exists,
    /// Its record is marked as deleted.
    Deleted,
    /// Its record has another file now.
    Name,
}

fn left_of(volume: &Volume, file: FileRef) -> Left {
    let Ok((mut bytes, at)) = volume.read_record(file.number()) else { return Left::Exists };
    let Ok(record) = Record::parse(&mut bytes, at) else { return Left::Exists };
    if record.sequence == file.sequence() {
        Left::Exists
    } else if !record.in_use && sequence_before(record.sequence) == file.sequence() {
        Left::Deleted
    } else {
        Left::Name
    }
}

/// The entries of a directory's index that do not count any more.
fn leftovers(
    volume: &Arc<Volume>,
    live: &Catalog,
    folder: FileRef,
    is_live: bool,
    found: &mut Vec<Found>,
) -> Result<(), NtfsError> {
    let number = folder.number();
    let record = u32::try_from(number).unwrap_or(u32::MAX);
    let file = if is_live {
        File::load(volume, number, &|| live.extensions(record))?
    } else {
        File::load_deleted(volume, number)?
    };
    let i30 = NtName::from("$I30");
    let mut block_bytes = 4096;
    if let Some(Body::Resident(root)) = file.find(kind::INDEX_ROOT, Some(&i30)).map(|a| &a.body)
        && let Some(bytes) = u32_at(root, 8).and_then(|n| usize::try_from(n).ok())
    {
        block_bytes = bytes;
    }
    // A small index is in the record itself, and what it lost may be anywhere in that.
    let (mut bytes, at) = volume.read_record(number)?;
    if fixup::apply(&mut bytes, at, WHAT).is_ok() {
        entries_from(
            bytes.get(FIRST_ATTRIBUTE..).unwrap_or_default(),
            folder,
            volume.records(),
            found,
        );
    }
    if !block_bytes.is_power_of_two() || !(512..=65_536).contains(&block_bytes) {
        return Ok(());
    }
    let Some(allocation) = file.find(kind::INDEX_ALLOCATION, Some(&i30)) else { return Ok(()) };
    let bitmap = file.find(kind::BITMAP, Some(&i30));
    let bitmap = bitmap.and_then(|bitmap| file.value(volume, bitmap, 1 << 20).ok());
    let mut reader = file.reader(volume, allocation)?;
    let blocks = reader.len().min(MAX_INDEX_BYTES) / block_bytes as u64;
    let mut block = vec![0; block_bytes];
    for index in 0..usize::try_from(blocks).unwrap_or(0) {
        if reader.read(&mut block)? < block_bytes {
            break;
        }
        let is_used = bitmap.as_ref().is_none_or(|bitmap| {
            bitmap.get(index / 8).is_some_and(|byte| byte >> (index % 8) & 1 != 0)
        });
        if block.starts_with(b"INDX")
            && fixup::apply(&mut block, 0, WHAT).is_ok_and(|good| good == block_bytes)
        {
            scan(&block[0x18..], folder, is_live && is_used, volume.records(), found);
        }
    }
    Ok(())
}

/// Looks at every place where an entry may be: all of the block, or only what is behind the
/// entries that count. `bytes` are from the index header on.
fn scan(bytes: &[u8], folder: FileRef, is_counted: bool, records: u64, found: &mut Vec<Found>) {
    let number = |at| u32_at(bytes, at).and_then(|n| usize::try_from(n).ok()).unwrap_or(usize::MAX);
    let mut at = if is_counted { number(4) } else { number(0) };
    if at > bytes.len() {
        return;
    }
    at = at.next_multiple_of(8);
    entries_from(bytes.get(at..).unwrap_or_default(), folder, records, found);
}

/// The entries among these bytes, which may begin at every eighth byte.
fn entries_from(bytes: &[u8], folder: FileRef, records: u64, found: &mut Vec<Found>) {
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| rest.len() >= 0x52) {
        match entry(rest, folder, records) {
            Some((entry, length)) if found.len() < MAX_NAMES => {
                found.push(entry);
                at += length;
            }
            Some(_) => return,
            None => at += 8,
        }
    }
}

/// An entry, and its length; `None` if any of its fields does not fit.
fn entry(bytes: &[u8], folder: FileRef, records: u64) -> Option<(Found, usize)> {
    let file = FileRef(u64_at(bytes, 0)?);
    let length = usize::from(u16_at(bytes, 8)?);
    let key_length = usize::from(u16_at(bytes, 10)?);
    let is_file = (known::FIRST_USER..records).contains(&file.number()) && file.sequence() != 0;
    if !is_file || u16_at(bytes, 12)? > 3 || length % 8 != 0 || 0x10 + key_length > length {
        return None;
    }
    let key = bytes.get(..length)?.get(0x10..0x10 + key_length)?;
    let name = FileName::parse(key)?;
    let is_of_folder =
        name.parent.number() == folder.number() && name.parent.fits(folder.sequence());
    // The name is behind 0x42 bytes, two for each unit.
    if !is_of_folder || key_length != 0x42 + name.name.len() || name.namespace == Namespace::Dos {
        return None;
    }
    let is_bad = |unit: &[u8]| matches!(unit, [0 | b'/' | b'\\', 0]);
    if name.name.is_empty() || name.name.chunks(2).any(is_bad) {
        return None;
    }
    let is_directory = name.attributes & IS_DIRECTORY != 0;
    Some((Found { file, name: name.name(), size: name.size, is_directory }, length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ntfs::ondisk::file_name::tests::build;

    fn bytes_of(file: FileRef, parent: FileRef, name: &str) -> Vec<u8> {
        let key = build(parent, 1, name);
        let length = (0x10 + key.len()).next_multiple_of(8);
        let mut entry = vec![0; length];
        entry[..8].copy_from_slice(&file.0.to_le_bytes());
        entry[8..10].copy_from_slice(&u16::try_from(length).unwrap().to_le_bytes());
        entry[10..12].copy_from_slice(&u16::try_from(key.len()).unwrap().to_le_bytes());
        entry[0x10..0x10 + key.len()].copy_from_slice(&key);
        entry
    }

    /// An index header with `counted` bytes that count, and all the entries.
    fn node(counted: usize, entries: &[Vec<u8>]) -> Vec<u8> {
        let mut node = vec![0; 16];
        node[0] = 16;
        node[4..8].copy_from_slice(&u32::try_from(16 + counted).unwrap().to_le_bytes());
        node.extend(entries.concat());
        node.resize(node.len() + 64, 0);
        node
    }

    fn names(bytes: &[u8], is_counted: bool) -> Vec<String> {
        let mut found = Vec::new();
        scan(bytes, FileRef::new(40, 3), is_counted, 1000, &mut found);
        found.into_iter().map(|found| found.name.to_string_lossy()).collect()
    }

    #[test]
    fn leftovers_are_found_behind_what_counts() {
        let parent = FileRef::new(40, 3);
        let [a, b] = ["here.txt", "gone.txt"].map(|n| bytes_of(FileRef::new(50, 1), parent, n));
        let counted = a.len();
        let node = node(counted, &[a, vec![0xEE; 24], b]);
        assert_eq!(names(&node, true), ["gone.txt"]);
        assert_eq!(names(&node, false), ["here.txt", "gone.txt"]);
    }

    #[test]
    fn what_does_not_fit_is_not_taken() {
        let good = FileRef::new(40, 3);
        for (file, parent, name) in [
            (FileRef::new(50, 1), FileRef::new(41, 3), "other folder"),
            (FileRef::new(50, 1), FileRef::new(40, 2), "earlier folder"),
            (FileRef::new(5000, 1), good, "no such record"),
            (FileRef::new(50, 0), good, "no sequence"),
            (FileRef::new(5, 5), good, "system"),
            (FileRef::new(50, 1), good, "../up"),
        ] {
            assert_eq!(names(&node(0, &[bytes_of(file, parent, name)]), false), [""; 0], "{name}");
        }
        let mut torn = bytes_of(FileRef::new(50, 1), good, "torn");
        torn[10] += 2;
        assert_eq!(names(&node(0, &[torn]), false), [""; 0]);
        for length in 0..90 {
            names(&vec![0xFF; length], false);
            names(&vec![0; length], true);
        }
    }
}
