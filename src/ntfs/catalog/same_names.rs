//! Two files with one name in one directory: the directory's index says which
//! is the right one; the other is a leftover of damage, and becomes an orphan.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Catalog;
use super::builder::{index_records, sort_links};
use crate::model::name::NtName;
use crate::ntfs::read::file::File;
use crate::ntfs::read::index;
use crate::ntfs::read::volume::Volume;

/// Indexes read for this. Beyond them the lowest record number wins.
const MAX_INDEXES: usize = 256;
/// Rounds of renaming orphans that share a name.
const MAX_ROUNDS: usize = 8;

/// Leaves each name of a directory to one file, and returns how many lost theirs.
pub(crate) fn settle(volume: &Arc<Volume>, catalog: &mut Catalog) -> u64 {
    // By directory: the links that share their name with the next one, or had.
    let mut shared: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for i in 1..catalog.links.len() {
        if is_same(catalog, i - 1, i) && !catalog.links[i].is_orphan {
            let links = shared.entry(catalog.links[i].parent).or_default();
            if links.last() != Some(&(i - 1)) {
                links.push(i - 1);
            }
            links.push(i);
        }
    }
    let mut losers = 0;
    for (n, (directory, links)) in shared.into_iter().enumerate() {
        let listing = if n < MAX_INDEXES { listed(volume, catalog, directory) } else { None };
        // Links of one name stand side by side.
        for same in links
            .chunk_by(|a, b| is_same(catalog, *a, *b))
            .map(<[usize]>::to_vec)
            .collect::<Vec<_>>()
        {
            let name = NtName::from_wtf8(catalog.name_bytes(&catalog.links[same[0]]));
            let rightful = listing.as_ref().zip(name).and_then(|(l, name)| l.get(&name));
            let records: Vec<_> = same.iter().map(|i| catalog.links[*i].record).collect();
            let winner = rightful.and_then(|r| records.iter().position(|x| x == r)).unwrap_or(0);
            for (k, i) in same.iter().enumerate() {
                if k != winner {
                    catalog.links[*i].is_orphan = true;
                    losers += 1;
                }
            }
        }
    }
    for _ in 0..MAX_ROUNDS {
        if losers > 0 {
            sort_links(catalog);
        }
        let renamed = rename_orphans(catalog);
        losers += renamed;
        if renamed == 0 {
            break;
        }
    }
    if losers > 0 {
        index_records(catalog);
    }
    losers
}

fn is_same(catalog: &Catalog, a: usize, b: usize) -> bool {
    let (a, b) = (&catalog.links[a], &catalog.links[b]);
    a.folder_key() == b.folder_key() && catalog.name_bytes(a) == catalog.name_bytes(b)
}

/// What the directory's index says: names and record numbers.
fn listed(
    volume: &Arc<Volume>,
    catalog: &Catalog,
    directory: u32,
) -> Option<BTreeMap<NtName, u32>> {
    let extensions = || catalog.extensions(directory);
    let file = File::load(volume, u64::from(directory), &extensions).ok()?;
    let listing = index::list(volume, &file).ok()?;
    let names = listing.names.into_iter();
    Some(
        names.filter_map(|(name, file)| Some((name, u32::try_from(file.number()).ok()?))).collect(),
    )
}

/// Orphans of one directory that share a name get their record number added.
fn rename_orphans(catalog: &mut Catalog) -> u64 {
    let from = catalog.links.partition_point(|link| !link.is_orphan);
    let same: Vec<_> =
        (from + 1..catalog.links.len()).filter(|i| is_same(catalog, i - 1, *i)).collect();
    for i in &same {
        let mut name = catalog.name_bytes(&catalog.links[*i]).to_vec();
        name.extend(format!("~{}", catalog.links[*i].record).bytes());
        let (Ok(name_at), Ok(name_len)) =
            (u32::try_from(catalog.arena.len()), u16::try_from(name.len()))
        else {
            continue;
        };
        catalog.arena.extend_from_slice(&name);
        catalog.links[*i].name_at = name_at;
        catalog.links[*i].name_len = name_len;
    }
    same.len() as u64
}
