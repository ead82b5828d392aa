//! Whether the clusters of deleted files were used again: by the volume's bitmap, and by the run
//! lists of all other records, in use or not.
//!
//! Free clusters are no proof. Another file may have had them in between and be deleted itself,
//! and if its record is still there, then the bytes may be of either: neither of the two
//! is sure. If that record was used again, too, nothing on the volume shows it.

use std::sync::Arc;

use super::deleted::{DeletedFile, Doubt, Readable};
use crate::model::monitor::{Monitor, Progress};
use crate::ntfs::catalog::clusters::{Extent, extents_of, join, touching};
use crate::ntfs::error::NtfsError;
use crate::ntfs::ondisk::attribute::kind;
use crate::ntfs::ondisk::record::Record;
use crate::ntfs::ondisk::runs::{Place, Run, RunList};
use crate::ntfs::read::cluster_bitmap::ClusterBitmap;
use crate::ntfs::read::data::Source;
use crate::ntfs::read::file::File;
use crate::ntfs::read::volume::Volume;

/// Extents of all wanted files that are compared (some 40 MiB while they are sorted); files beyond
/// are in doubt.
const MAX_EXTENTS: usize = 1 << 19;
/// Claims that one extent of another record is compared with.
const MAX_HITS: usize = 4096;
/// Extents of one file that files which exist have.
const MAX_TAKEN: usize = 4096;

/// The clusters that deleted files had.
#[derive(Default)]
pub(super) struct Claims {
    /// First cluster, the one behind the last, index of the file; in the order of the files.
    extents: Vec<(u64, u64, u32)>,
    /// For each file with clusters.
    files: Vec<Claim>,
}

/// What one deleted file had.
struct Claim {
    owner: u32,
    /// The sequence number of its record when it existed.
    sequence: u16,
    /// Clusters that are needed to read it.
    needed: u64,
    /// Clusters whose place is lost.
    lost: u64,
    /// Clusters of those that are zeros without a place.
    sparse: u64,
    is_compared: bool,
}

impl Claims {
    /// Adds the clusters that are needed to read a file; whether there are any.
    pub(super) fn add(&mut self, volume: &Volume, file: &File, owner: u32, sequence: u16) -> bool {
        let mut claim = Claim { owner, sequence, needed: 0, lost: 0, sparse: 0, is_compared: true };
        for attribute in &file.attributes {
            let (runs, sizes, unit) = match file.source(volume, attribute) {
                Ok(Source::Resident(_)) => continue,
                Ok(Source::Clusters { runs, sizes, unit_clusters }) => (runs, sizes, unit_clusters),
                Err(_) => {
                    claim.needed += 1;
                    claim.lost += 1;
                    continue;
                }
            };
            let mut wanted = sizes.size.div_ceil(volume.cluster_bytes());
            if unit > 0 && attribute.kind == kind::DATA {
                // A unit can only be decompressed as a whole.
                wanted = wanted.next_multiple_of(unit).min(runs.clusters().max(wanted));
            }
            claim.needed = claim.needed.saturating_add(wanted);
            claim.lost += wanted.saturating_sub(runs.clusters());
            for (start, clusters, place) in runs.iter().take_while(|(start, ..)| *start < wanted) {
                let clusters = clusters.min(wanted - start);
                match place {
                    Place::Cluster(cluster) if self.extents.len() < MAX_EXTENTS => {
                        self.extents.push((cluster, cluster.saturating_add(clusters), owner));
                    }
                    Place::Cluster(_) => claim.is_compared = false,
                    Place::Sparse => claim.sparse += clusters,
                    Place::Lost => claim.lost += clusters,
                }
            }
        }
        let has_any = claim.needed > 0;
        if has_any {
            self.files.push(claim);
        }
        has_any
    }
}

/// Says of each file what can still be read of it, and what is in doubt.
pub(super) fn settle(
    volume: &Arc<Volume>,
    found: &mut [DeletedFile],
    claims: &Claims,
    doubt: Option<Doubt>,
    monitor: &dyn Monitor,
) -> Result<(), NtfsError> {
    if !claims.extents.is_empty() {
        compare(volume, found, claims, monitor)?;
    }
    let free = free(volume, found, claims);
    for claim in &claims.files {
        let index = claim.owner as usize;
        let Some(file) = found.get_mut(index) else { continue };
        let (free, is_known) = match free.get(index) {
            Some(Some(free)) => (*free, true),
            _ => (0, false),
        };
        let there = free.saturating_add(claim.sparse);
        file.readable = if !is_known || !claim.is_compared {
            Readable::Unknown
        } else if there >= claim.needed && claim.lost == 0 {
            Readable::Whole
        } else if free == 0 {
            Readable::Nothing
        } else {
            Readable::Part(there.saturating_mul(volume.cluster_bytes()).min(file.size))
        };
        if is_absurd(claim.lost, there, volume.cluster_bytes()) {
            (file.readable, file.doubt) = (Readable::Nothing, Some(Doubt::Damaged));
        }
        if !claim.is_compared {
            file.doubt = Some(Doubt::NotCompared);
        } else if volume.medium().is_decrypted() {
            file.doubt.get_or_insert(Doubt::Decrypted);
        }
    }
    for file in found {
        if file.doubt.is_none() && !file.is_directory {
            file.doubt = doubt;
        }
    }
    Ok(())
}

/// How many clusters of each file are free; `None` where nobody can say. In the order of the
/// clusters, so that each piece of the bitmap is read once.
fn free(volume: &Arc<Volume>, found: &[DeletedFile], claims: &Claims) -> Vec<Option<u64>> {
    let Some(mut bitmap) = ClusterBitmap::open(volume) else { return Vec::new() };
    let mut free = vec![Some(0_u64); found.len()];
    let mut extents = claims.extents.clone();
    extents.sort_unstable();
    for (first, end, owner) in extents {
        let index = owner as usize;
        let (Some(file), Some(sum)) = (found.get(index), free.get_mut(index)) else { continue };
        for (first, end) in without(&file.taken, (first, end)) {
            let own = bitmap.free(first..end);
            *sum = sum.zip(own).map(|(sum, own)| sum.saturating_add(own));
        }
    }
    free
}

/// Whether a file is nearly all without a place: a stale record may claim any size, and nobody
/// should save or restore that many zeros.
fn is_absurd(lost: u64, there: u64, cluster_bytes: u64) -> bool {
    lost.saturating_mul(cluster_bytes) > 1 << 30 && lost > there.saturating_mul(16)
}

/// Looks through all records for others that claim clusters of the files.
fn compare(
    volume: &Volume,
    found: &mut [DeletedFile],
    claims: &Claims,
    monitor: &dyn Monitor,
) -> Result<(), NtfsError> {
    let mut extents = claims.extents.clone();
    extents.sort_unstable();
    // The largest end so far: from where on an extent can reach a cluster.
    let mut reach = 0;
    let ends: Vec<u64> = extents
        .iter()
        .map(|(_, end, _)| {
            reach = reach.max(*end);
            reach
        })
        .collect();
    let mut all: Vec<Extent> = extents.iter().map(|(first, end, _)| (*first, *end)).collect();
    join(&mut all);
    let mut sequences = vec![0; found.len()];
    for claim in &claims.files {
        if let Some(sequence) = sequences.get_mut(claim.owner as usize) {
            *sequence = claim.sequence;
        }
    }
    let mut is_cut = false;
    let records = volume.records();
    for number in 0..records {
        if number.is_multiple_of(1024) {
            if monitor.is_cancelled() {
                return Err(NtfsError::Cancelled);
            }
            let files = number;
            monitor.progress(Progress { files, total_files: records, ..Progress::default() });
        }
        let (mut bytes, at) = match volume.read_record(number) {
            Ok(read) => read,
            Err(error) if error.is_gone() => return Err(error),
            // What it had is in use by the bitmap, if it is a file that exists.
            Err(_) => continue,
        };
        let Ok(record) = Record::parse(&mut bytes, at) else { continue };
        let is_own = |file: &DeletedFile, sequence: u16| match record.base {
            None => file.record == number,
            Some(base) => base.number() == file.record && base.fits(sequence) && !record.in_use,
        };
        extents_of(&record, &mut |extent| {
            if touching(&all, extent).next().is_none() {
                return;
            }
            let from = ends.partition_point(|end| *end <= extent.0);
            let hits = extents[from..].iter().take_while(|(first, ..)| *first < extent.1);
            for (count, (first, end, owner)) in hits.enumerate() {
                if count >= MAX_HITS {
                    is_cut = true;
                    break;
                }
                let index = *owner as usize;
                let Some(file) = found.get_mut(index) else { continue };
                let sequence = sequences.get(index).copied().unwrap_or(0);
                if *end <= extent.0 || is_own(file, sequence) {
                    continue;
                }
                if !record.in_use {
                    file.doubt.get_or_insert(Doubt::Shared);
                } else if file.taken.len() < MAX_TAKEN {
                    file.taken.push(((*first).max(extent.0), (*end).min(extent.1)));
                } else {
                    file.doubt = Some(Doubt::NotCompared);
                }
            }
        });
    }
    for file in found {
        join(&mut file.taken);
        if is_cut && !file.is_directory {
            file.doubt = Some(Doubt::NotCompared);
        }
    }
    Ok(())
}

/// The parts of an extent that are not in `taken`, which is sorted and apart.
fn without(taken: &[Extent], (first, end): Extent) -> Vec<Extent> {
    let mut left = Vec::new();
    let mut at = first;
    for (from, to) in touching(taken, (first, end)) {
        if at < from {
            left.push((at, from));
        }
        at = at.max(to);
    }
    if at < end {
        left.push((at, end));
    }
    left
}

/// The runs of a deleted file's stream, those whose clusters belong to another file now as
/// [`Place::Lost`]. `is_known`: what the bitmap says counts.
pub(crate) fn mask(
    volume: &Arc<Volume>,
    runs: &RunList,
    taken: &[Extent],
    is_known: bool,
) -> RunList {
    let mut bitmap = if is_known { ClusterBitmap::open(volume) } else { None };
    let mut masked = RunList::default();
    for (_, clusters, place) in runs.iter() {
        let Place::Cluster(cluster) = place else {
            if !masked.push(Run { clusters, place }) {
                break;
            }
            continue;
        };
        let mut free = Vec::new();
        for (first, end) in without(taken, (cluster, cluster.saturating_add(clusters))) {
            match &mut bitmap {
                Some(bitmap) => bitmap.free_extents(first..end, &mut |a, b| free.push((a, b))),
                None => free.push((first, end)),
            }
        }
        let mut at = cluster;
        for (first, end) in free {
            let lost = Run { clusters: first - at, place: Place::Lost };
            let kept = Run { clusters: end - first, place: Place::Cluster(first) };
            if !masked.push(lost) || !masked.push(kept) {
                return masked;
            }
            at = end;
        }
        let rest = cluster.saturating_add(clusters).saturating_sub(at);
        if !masked.push(Run { clusters: rest, place: Place::Lost }) {
            break;
        }
    }
    masked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_without_clusters_is_no_size() {
        assert!(is_absurd(1 << 20, 3, 4096), "4 GiB, of which 12 KiB are there");
        assert!(!is_absurd(1 << 20, 1 << 17, 4096), "an eighth is there");
        assert!(!is_absurd(1 << 10, 0, 4096), "4 MiB of zeros do no harm");
        assert!(is_absurd(u64::MAX, 0, 4096));
    }

    #[test]
    fn what_is_taken_is_cut_out() {
        let taken = [(10, 20), (30, 31)];
        for (extent, left) in [
            ((0, 5), vec![(0, 5)]),
            ((0, 12), vec![(0, 10)]),
            ((12, 18), vec![]),
            ((15, 40), vec![(20, 30), (31, 40)]),
            ((20, 30), vec![(20, 30)]),
        ] {
            assert_eq!(without(&taken, extent), left, "{extent:?}");
        }
    }
}
