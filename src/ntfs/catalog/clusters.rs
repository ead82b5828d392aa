//! Clusters that more than one file has, or that are free by the volume's bitmap. On a sound
//! volume there are none: the file has another's data there, or none, and nothing on the disk
//! says so of one file alone. A stale file record, a wrong run list, and a disk that two systems
//! had mounted at once leave such files.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Catalog, entry_flag};
use crate::model::monitor::Monitor;
use crate::ntfs::error::NtfsError;
use crate::ntfs::ondisk::attribute::Value;
use crate::ntfs::ondisk::record::Record;
use crate::ntfs::ondisk::runs::{self, Place};
use crate::ntfs::read::cluster_bitmap::ClusterBitmap;
use crate::ntfs::read::state::is_at_rest;
use crate::ntfs::read::volume::Volume;

/// Extents that wait to be merged (4 MiB).
const RECENT: usize = 1 << 18;
/// Extents of all files after merging (64 MiB while two lists become one). Neighbours merge, so
/// only a volume with more gaps than that has more, and on it clusters are not compared.
const MAX_EXTENTS: usize = 2 << 20;
/// Extents that are kept for files in doubt.
const MAX_IN_DOUBT: usize = 1 << 20;

/// Clusters that one sector of the volume's bitmap counts.
const SECTOR_CLUSTERS: u64 = 512 * 8;
/// So many files without their clusters in one sector of the bitmap: the sector is damaged, and
/// not all these files.
const MANY: usize = 3;

/// So many parts of one extent are looked at: one is enough to doubt a file.
const MAX_PARTS: usize = 64;

/// From the first cluster to the one behind the last.
pub(crate) type Extent = (u64, u64);

/// The files that were marked, by record.
#[derive(Debug, Default)]
pub(crate) struct Marked {
    pub(crate) shared: Vec<u32>,
    pub(crate) unallocated: Vec<u32>,
    /// Sectors of the volume's bitmap that lack the clusters of many files.
    pub(crate) bitmap_sectors: u64,
    /// Whether all structures of the volume are of one moment.
    pub(crate) is_at_rest: bool,
    /// Clusters that are in use by the volume's bitmap, and that no file has: so many that a
    /// sound volume has not, or 0.
    pub(crate) unexplained: u64,
}

/// The clusters of all files, as far as they were met.
#[derive(Debug, Default)]
pub(crate) struct Clusters {
    /// Sorted, apart from each other.
    merged: Vec<Extent>,
    recent: Vec<Extent>,
    /// Those that two files have.
    shared: Vec<Extent>,
    /// There are too many to compare.
    is_overfull: bool,
}

impl Clusters {
    /// Adds the clusters of one record's attributes.
    pub(crate) fn add_record(&mut self, record: &Record<'_>) {
        extents_of(record, &mut |extent| self.add(extent));
    }

    fn add(&mut self, extent: Extent) {
        if extent.0 >= extent.1 || self.is_overfull {
            return;
        }
        // Neighbours in a run list are often neighbours on the disk.
        match self.recent.last_mut() {
            Some(last) if last.1 == extent.0 => last.1 = extent.1,
            _ => self.recent.push(extent),
        }
        if self.recent.len() >= RECENT {
            self.merge();
        }
    }

    fn merge(&mut self) {
        self.recent.sort_unstable();
        let mut merged: Vec<Extent> = Vec::with_capacity(self.merged.len() + self.recent.len());
        let (mut old, mut new) = (self.merged.iter().peekable(), self.recent.iter().peekable());
        loop {
            let next = match (old.peek(), new.peek()) {
                (Some(a), Some(b)) if a <= b => old.next(),
                (Some(_), None) => old.next(),
                (_, Some(_)) => new.next(),
                (None, None) => None,
            };
            let Some(next) = next else { break };
            match merged.last_mut() {
                Some(last) if next.0 <= last.1 => {
                    if next.0 < last.1 && self.shared.len() < MAX_IN_DOUBT {
                        self.shared.push((next.0, next.1.min(last.1)));
                    }
                    last.1 = last.1.max(next.1);
                }
                _ => merged.push(*next),
            }
        }
        self.recent.clear();
        self.merged = merged;
        if self.merged.len() > MAX_EXTENTS {
            *self = Self { is_overfull: true, ..Self::default() };
        }
    }

    /// Marks the files that share clusters or have free ones, and the revived ones whose clusters
    /// another file has.
    pub(crate) fn mark(
        mut self,
        volume: &Arc<Volume>,
        catalog: &mut Catalog,
        monitor: &dyn Monitor,
    ) -> Result<Marked, NtfsError> {
        self.merge();
        self.mark_overwritten(volume, catalog);
        join(&mut self.shared);
        let mut marked = Marked { is_at_rest: is_at_rest(volume), ..Marked::default() };
        marked.unexplained = self.unexplained(volume, marked.is_at_rest).unwrap_or(0);
        // After a crash the bitmap may be older than the files: then there is nothing to say.
        let free = if marked.is_at_rest { self.free(volume) } else { Vec::new() };
        if self.shared.is_empty() && free.is_empty() {
            return Ok(marked);
        }
        // By sector of the bitmap: the files whose clusters it lacks.
        let mut lacking: BTreeMap<u64, BTreeSet<u32>> = BTreeMap::new();
        for i in 0..catalog.entries.len() {
            if i % 1024 == 0 && monitor.is_cancelled() {
                return Err(NtfsError::Cancelled);
            }
            let entry = &catalog.entries[i];
            if entry.has(entry_flag::REVIVED) {
                continue;
            }
            let mut is_sharing = false;
            let own = std::iter::once(u64::from(entry.record));
            for number in own.chain(catalog.extensions(entry.record)) {
                extents_of_number(volume, number, true, &mut |extent| {
                    is_sharing |= touching(&self.shared, extent).next().is_some();
                    for (first, end) in touching(&free, extent).take(MAX_PARTS) {
                        let (first, end) = (first.max(extent.0), end.min(extent.1));
                        let sectors = first / SECTOR_CLUSTERS..=(end - 1) / SECTOR_CLUSTERS;
                        for sector in sectors.take(MAX_PARTS) {
                            if lacking.len() < MAX_IN_DOUBT || lacking.contains_key(&sector) {
                                let files = lacking.entry(sector).or_default();
                                if files.len() < MANY {
                                    files.insert(entry.record);
                                }
                            }
                        }
                    }
                });
            }
            if is_sharing {
                marked.shared.push(entry.record);
                catalog.entries[i].flags |= entry_flag::SHARED;
            }
        }
        lacking.retain(|_, files| {
            files.len() < MANY || {
                marked.bitmap_sectors += 1;
                false
            }
        });
        let unallocated: BTreeSet<u32> = lacking.into_values().flatten().collect();
        marked.unallocated = unallocated.into_iter().collect();
        for record in &marked.unallocated {
            set_flag(catalog, *record, entry_flag::UNALLOCATED);
        }
        Ok(marked)
    }

    /// The clusters that are in use by the volume's bitmap and that no file record has: where the
    /// records are gone, and their bits in the file table's bitmap too, these still say that files
    /// were there. A few may be left over on any volume (chkdsk calls them free space that is
    /// marked as allocated); after a crash, the bitmap may be ahead of the records.
    fn unexplained(&self, volume: &Arc<Volume>, is_at_rest: bool) -> Option<u64> {
        if self.is_overfull || volume.medium().is_live() {
            return None;
        }
        let mut bitmap = ClusterBitmap::open(volume)?;
        let cluster_bytes = volume.cluster_bytes().max(1);
        // The bits behind the last cluster are set.
        let all = (volume.boot().volume_bytes() / cluster_bytes).min(bitmap.clusters());
        let used = all.checked_sub(bitmap.free(0..all)?)?;
        let mut explained = 0;
        for (first, end) in &self.merged {
            let (first, end) = ((*first).min(all), (*end).min(all));
            explained += (end - first).checked_sub(bitmap.free(first..end)?)?;
        }
        let rest = used.saturating_sub(explained);
        let (share, bytes) = if is_at_rest { (64, 4 << 20) } else { (16, 64 << 20) };
        let is_much = rest >= used / share && rest.saturating_mul(cluster_bytes) >= bytes;
        is_much.then_some(rest)
    }

    /// The clusters of files that are free by the volume's bitmap.
    fn free(&self, volume: &Arc<Volume>) -> Vec<Extent> {
        let mut free = Vec::new();
        let Some(mut bitmap) = ClusterBitmap::open(volume) else { return free };
        for (first, end) in &self.merged {
            bitmap.free_extents(*first..*end, &mut |first, end| {
                if free.len() < MAX_IN_DOUBT {
                    free.push((first, end));
                }
            });
        }
        free
    }

    fn mark_overwritten(&self, volume: &Volume, catalog: &mut Catalog) {
        // First cluster, the one behind the last, record.
        let mut extents: Vec<(u64, u64, u32)> = Vec::new();
        for entry in catalog.entries.iter().filter(|entry| entry.has(entry_flag::REVIVED)) {
            let own = std::iter::once(u64::from(entry.record));
            for number in own.chain(catalog.extensions(entry.record)) {
                extents_of_number(volume, number, false, &mut |(first, end)| {
                    if extents.len() < MAX_IN_DOUBT {
                        extents.push((first, end, entry.record));
                    }
                });
            }
        }
        extents.sort_unstable();
        let is_live = |first: u64, end: u64| touching(&self.merged, (first, end)).next().is_some();
        let live = extents.iter().filter(|(first, end, _)| is_live(*first, *end));
        let mut overwritten: Vec<u32> = live.map(|(.., record)| *record).collect();
        for pair in extents.windows(2) {
            if pair[1].0 < pair[0].1 {
                overwritten.extend([pair[0].2, pair[1].2]);
            }
        }
        for record in overwritten {
            set_flag(catalog, record, entry_flag::OVERWRITTEN);
        }
    }
}

/// Those of the extents, which are sorted and apart, that have a cluster of this one.
pub(crate) fn touching(extents: &[Extent], (first, end): Extent) -> impl Iterator<Item = Extent> {
    let next = extents.partition_point(|other| other.1 <= first);
    extents[next..].iter().copied().take_while(move |other| other.0 < end)
}

/// Sorts, and joins those that overlap.
pub(crate) fn join(extents: &mut Vec<Extent>) {
    extents.sort_unstable();
    extents.dedup_by(|next, last| {
        let joins = next.0 <= last.1;
        if joins {
            last.1 = last.1.max(next.1);
        }
        joins
    });
}

fn set_flag(catalog: &mut Catalog, record: u32, flag: u16) {
    if let Ok(i) = catalog.entries.binary_search_by_key(&record, |entry| entry.record) {
        catalog.entries[i].flags |= flag;
    }
}

/// Gives `add` the clusters that the attributes of one record have. A run list that is not as
/// long as its header says is left out: the file is damaged by that alone, and a wrong length
/// may cover half the volume.
pub(crate) fn extents_of(record: &Record<'_>, add: &mut dyn FnMut(Extent)) {
    for attribute in record.attributes().map_while(Result::ok) {
        let Value::NonResident(value) = attribute.value else { continue };
        let runs = || runs::decode(value.runs, attribute.at).map_while(Result::ok);
        let clusters = runs().fold(0_u64, |sum, run| sum.saturating_add(run.clusters));
        if clusters != value.last_vcn.wrapping_sub(value.first_vcn).wrapping_add(1) {
            continue;
        }
        for run in runs() {
            if let Place::Cluster(first) = run.place {
                add((first, first.saturating_add(run.clusters)));
            }
        }
    }
}

/// The same of a record by its number, if it is in use or not as wanted.
fn extents_of_number(volume: &Volume, number: u64, in_use: bool, add: &mut dyn FnMut(Extent)) {
    let Ok((mut bytes, at)) = volume.read_record(number) else { return };
    if let Ok(record) = Record::parse(&mut bytes, at)
        && record.in_use == in_use
    {
        extents_of(&record, add);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shared(extents: &[Extent]) -> Vec<Extent> {
        let mut clusters = Clusters::default();
        for (i, extent) in extents.iter().enumerate() {
            clusters.add(*extent);
            if i % 3 == 2 {
                clusters.merge();
            }
        }
        clusters.merge();
        join(&mut clusters.shared);
        clusters.shared
    }

    #[test]
    fn clusters_of_two_files_are_found_whatever_the_order() {
        assert_eq!(shared(&[(0, 5), (5, 9), (20, 30), (9, 20), (30, 31)]), []);
        assert_eq!(shared(&[(10, 20), (0, 11), (19, 25)]), [(10, 11), (19, 20)]);
        assert_eq!(
            shared(&[(10, 20), (12, 13), (40, 50), (41, 42), (0, 100)]),
            [(10, 20), (40, 50)]
        );
        assert_eq!(shared(&[(7, 8), (9, 10), (1, 2), (7, 8)]), [(7, 8)]);
        // Nothing in it, or turned round.
        assert_eq!(shared(&[(0, 10), (5, 5), (8, 3)]), []);
    }

    #[test]
    fn extents_touch_by_a_cluster_and_not_by_an_edge() {
        let extents = [(10, 20), (30, 31)];
        for (extent, expected) in [
            ((0, 10), false),
            ((0, 11), true),
            ((20, 30), false),
            ((30, 40), true),
            ((31, 99), false),
        ] {
            assert_eq!(touching(&extents, extent).count() == 1, expected, "{extent:?}");
        }
    }

    #[test]
    fn too_many_extents_are_not_compared() {
        let mut clusters = Clusters::default();
        for i in 0..=(MAX_EXTENTS as u64) {
            clusters.add((i * 2, i * 2 + 1));
        }
        clusters.merge();
        assert!(clusters.is_overfull && clusters.merged.is_empty());
    }
}
