//! Folders whose own record is lost, put back where the index of the folder above has them.
//!
//! Their files still say which folder they were in, by its record's number; so without this
//! they are among the orphans, and a store in them is at no path that `loadstate` would find.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::model::monitor::Monitor;
use crate::model::name::NtName;
use crate::ntfs::catalog::builder::{index_records, sort_links};
use crate::ntfs::catalog::{Catalog, Entry, Link, NAMELESS, ROOT, entry_flag, is_system};
use crate::ntfs::ondisk::record::FileRef;
use crate::ntfs::read::file::File;
use crate::ntfs::read::index;
use crate::ntfs::read::volume::Volume;

/// Lost folders that are looked for.
const MAX_LOST: usize = 1000;
/// Indexes that are read for them, those near the root first: a store is never deep. On a hard
/// disk, 20 seconds.
const MAX_INDEXES: usize = 2000;
/// What is put back may lead to more.
const MAX_ROUNDS: usize = 32;

/// How many folders were put in order.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Reattached {
    /// Folders without a record, named by an index.
    pub(crate) lost: u64,
    /// Folders whose files know them by another sequence number.
    pub(crate) renumbered: u64,
}

/// Puts lost folders, and the files of folders with a wrong sequence number, back where the
/// indexes have them.
pub(crate) fn reattach(
    volume: &Arc<Volume>,
    catalog: &mut Catalog,
    monitor: &dyn Monitor,
) -> Reattached {
    let mut done = Reattached::default();
    for _ in 0..MAX_ROUNDS {
        let renumbered = rejoin(volume, catalog, monitor);
        let lost = find_lost(volume, catalog, monitor);
        done.renumbered += renumbered;
        done.lost += lost;
        if renumbered + lost == 0 {
            break;
        }
    }
    done
}

/// Files whose folder is there with another sequence number are in it if its own index says
/// so. Returns the number of such folders.
fn rejoin(volume: &Arc<Volume>, catalog: &mut Catalog, monitor: &dyn Monitor) -> u64 {
    let from = catalog.links.partition_point(|link| !link.is_orphan);
    let is_folder = |record: u32| catalog.entry(record).is_some_and(Entry::is_directory);
    // By the folder: the positions of its orphans.
    let mut orphans: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (i, link) in catalog.links.iter().enumerate().skip(from) {
        if link.parent != NAMELESS && is_folder(link.parent) {
            orphans.entry(link.parent).or_default().push(i);
        }
    }
    let mut found = BTreeSet::new();
    let mut joined = Vec::new();
    for (parent, links) in orphans.into_iter().take(MAX_LOST) {
        // In what hangs on nothing, a folder could come to stand in itself.
        if monitor.is_cancelled() || !catalog.hangs_on_root(parent) {
            continue;
        }
        let names: BTreeSet<(NtName, FileRef)> =
            index_of(volume, catalog, parent).into_iter().collect();
        for i in links {
            let link = &catalog.links[i];
            let Some(entry) = catalog.entry(link.record) else { continue };
            let file = FileRef::new(u64::from(link.record), entry.sequence);
            let name = NtName::from_wtf8(catalog.name_bytes(link));
            if name.is_some_and(|name| names.contains(&(name, file))) {
                joined.push(i);
                found.insert(parent);
            }
        }
    }
    for i in joined {
        catalog.links[i].is_orphan = false;
    }
    for parent in &found {
        if let Ok(i) = catalog.entries.binary_search_by_key(parent, |entry| entry.record) {
            catalog.entries[i].flags |= entry_flag::RENUMBERED;
        }
    }
    if !found.is_empty() {
        sort_links(catalog);
        index_records(catalog);
    }
    found.len() as u64
}

/// Gives lost folders an entry of their own, where an index names them. Returns how many.
fn find_lost(volume: &Arc<Volume>, catalog: &mut Catalog, monitor: &dyn Monitor) -> u64 {
    let mut lost = lost_folders(catalog);
    let mut read = BTreeSet::new();
    let mut found = 0;
    while !lost.is_empty() && !monitor.is_cancelled() {
        let mut places = BTreeMap::new();
        for folder in near_the_root(catalog) {
            if read.len() >= MAX_INDEXES || places.len() == lost.len() {
                break;
            }
            if read.insert(folder) {
                places.extend(named_in(volume, catalog, folder, &lost));
            }
        }
        if places.is_empty() {
            break;
        }
        found += places.len() as u64;
        lost.retain(|folder| !places.contains_key(folder));
        // In these may be others.
        attach(catalog, places);
    }
    found
}

/// References of folders that files name and the catalog does not have.
fn lost_folders(catalog: &Catalog) -> BTreeSet<FileRef> {
    let from = catalog.links.partition_point(|link| !link.is_orphan);
    let orphans = catalog.links[from..].iter();
    let is_lost = |link: &&Link| {
        link.parent != NAMELESS && !is_system(link.parent) && catalog.entry(link.parent).is_none()
    };
    let folders = orphans.filter(is_lost);
    let folders = folders.map(|l| FileRef::new(u64::from(l.parent), l.parent_sequence));
    folders.collect::<BTreeSet<_>>().into_iter().take(MAX_LOST).collect()
}

/// The directories that hang on the root, nearest first.
fn near_the_root(catalog: &Catalog) -> Vec<u32> {
    let mut folders = vec![ROOT];
    let mut next = 0;
    while next < folders.len() && folders.len() < MAX_INDEXES * 2 {
        let below = catalog.children(crate::ntfs::Folder::Record(folders[next]));
        next += 1;
        for (_, id) in below {
            let entry = catalog.node(id).filter(|entry| entry.is_directory());
            folders.extend(entry.map(|entry| entry.record));
        }
    }
    folders
}

/// What the index of a folder calls those that are lost.
fn named_in(
    volume: &Arc<Volume>,
    catalog: &Catalog,
    folder: u32,
    lost: &BTreeSet<FileRef>,
) -> Vec<(FileRef, (u32, NtName))> {
    let names = index_of(volume, catalog, folder).into_iter();
    let names = names.filter(|(_, file)| lost.contains(file));
    names.map(|(name, file)| (file, (folder, name))).collect()
}

/// The names in the index of a folder, as far as it can be read.
fn index_of(volume: &Arc<Volume>, catalog: &Catalog, folder: u32) -> Vec<(NtName, FileRef)> {
    let extensions = || catalog.extensions(folder);
    let listing = File::load(volume, u64::from(folder), &extensions)
        .and_then(|directory| index::list(volume, &directory));
    listing.map(|listing| listing.names).unwrap_or_default()
}

fn attach(catalog: &mut Catalog, places: BTreeMap<FileRef, (u32, NtName)>) {
    for (folder, (parent, name)) in places {
        let (Ok(record), Ok(name_at), Ok(name_len)) = (
            u32::try_from(folder.number()),
            u32::try_from(catalog.arena.len()),
            u16::try_from(name.as_wtf8().len()),
        ) else {
            continue;
        };
        let Err(at) = catalog.entries.binary_search_by_key(&record, |entry| entry.record) else {
            continue;
        };
        let entry = Entry {
            record,
            sequence: folder.sequence(),
            links: 1,
            attributes: crate::model::metadata::attributes::DIRECTORY,
            flags: entry_flag::DIRECTORY | entry_flag::RECORD_LOST,
            ..Entry::default()
        };
        catalog.entries.insert(at, entry);
        catalog.arena.extend_from_slice(name.as_wtf8());
        for link in &mut catalog.links {
            let in_it = FileRef::new(u64::from(link.parent), link.parent_sequence) == folder;
            link.is_orphan &= !in_it;
        }
        let parent_sequence = catalog.entry(parent).map_or(0, |entry| entry.sequence);
        catalog.links.push(Link {
            parent,
            record,
            name_at,
            parent_sequence,
            name_len,
            is_orphan: false,
        });
    }
    sort_links(catalog);
    index_records(catalog);
}
