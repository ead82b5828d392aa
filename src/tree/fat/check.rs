//! What the table and the folders say of the clusters, compared: clusters that two files have,
//! and clusters in use that no file has. Such a cluster with names in it is a piece of a folder
//! whose chain was cut.

use super::FatTree;
use super::entries::list;
use super::geometry::{Chain, Extent, Flavour};
use crate::model::finding::{Finding, Severity};
use crate::model::monitor::Monitor;
use crate::model::units;

/// More clusters are not compared: the table has 64 MiB then.
const MAX_CLUSTERS: u32 = 1 << 24;
/// The most lost chains that are searched for names.
const MAX_LOOKED_INTO: usize = 4096;
/// A disk loses whole sectors.
const SECTOR: usize = 512;
/// So many names are shown.
const MAX_SHOWN: usize = 5;

/// One bit a cluster.
struct Clusters(Vec<u64>);

impl Clusters {
    fn new(end: u32) -> Self {
        Self(vec![0; end as usize / 64 + 1])
    }

    fn has(&self, cluster: u32) -> bool {
        self.0.get(cluster as usize / 64).is_some_and(|word| word >> (cluster % 64) & 1 != 0)
    }

    /// Whether it was not there before.
    fn add(&mut self, cluster: u32) -> bool {
        let bit = 1 << (cluster % 64);
        self.0.get_mut(cluster as usize / 64).is_some_and(|word| {
            let is_new = *word & bit == 0;
            *word |= bit;
            is_new
        })
    }
}

/// The places of the system's own files on exFAT.
#[derive(Default)]
pub(super) struct SystemFiles {
    pub(super) bitmap: Option<(u32, u64)>,
    pub(super) capitals: Option<(u32, u64)>,
}

impl FatTree {
    /// Compares, and adds to the doubts of files and folders. What no folder explains is
    /// returned, for the volume.
    pub(super) fn check_clusters(
        &mut self,
        system: &SystemFiles,
        monitor: &dyn Monitor,
    ) -> Option<Finding> {
        let end = self.geometry.end();
        // On a mounted volume, table and folders are of different moments.
        if end > MAX_CLUSTERS || self.device.is_live() {
            return None;
        }
        let mut owned = Clusters::new(end);
        let mut shared: Option<Clusters> = None;
        let system_chains = [system.bitmap, system.capitals].into_iter().flatten();
        let system_chains = system_chains.map(|(first, len)| {
            let most = len.min(self.geometry.bytes());
            self.geometry.chain(first, most, Some(most))
        });
        let mut add = |cluster: u32| {
            if !owned.add(cluster) {
                shared.get_or_insert_with(|| Clusters::new(end)).add(cluster);
            }
        };
        for chain in system_chains {
            self.each_cluster(&chain, &mut add);
        }
        let walked = self.each_item(&mut |_, cluster| add(cluster));
        if monitor.is_cancelled() {
            return None;
        }
        if let Some(shared) = shared {
            self.doubt_all("another file has some of the same clusters", |c| shared.has(c));
        }
        if walked < self.items.len() {
            return None;
        }
        // A bitmap that cannot be read says nothing, for a file or against it.
        let used = self.used(system)?;
        if self.geometry.flavour == Flavour::ExFat {
            let why = "some of its clusters are free by the volume's bitmap";
            self.doubt_all(why, |cluster| !used.has(cluster));
        }
        self.doubt_lost(&owned, &used)
    }

    /// Gives `add` each cluster of each file and folder. Returns how many of them were walked:
    /// not all where the same clusters come again too often, as on a volume that is made so.
    fn each_item(&self, add: &mut dyn FnMut(usize, u32)) -> usize {
        let mut left = u64::from(self.geometry.end()).saturating_mul(2);
        for number in 0..self.items.len() {
            let chain = self.clusters_of(number);
            let bytes = chain.extents.iter().fold(0_u64, |sum, e| sum.saturating_add(e.len));
            let Some(rest) = left.checked_sub(bytes / self.geometry.cluster_bytes) else {
                return number;
            };
            left = rest;
            self.each_cluster(&chain, &mut |cluster| add(number, cluster));
        }
        self.items.len()
    }

    /// The clusters of a file or folder, as far as they can be followed.
    fn clusters_of(&self, number: usize) -> Chain {
        let Some(item) = self.items.get(number) else { return Chain::empty(None) };
        let entry = &item.entry;
        if number == 0 {
            return self.geometry.root(super::MAX_FOLDER);
        }
        if entry.is_folder() {
            return super::folder_chain(&self.geometry, entry);
        }
        match (entry.first_cluster, entry.size) {
            (0, _) => Chain::empty(None),
            (first, size) if entry.is_one_run => self.geometry.run(first, size),
            // To its end, also where its size is smaller.
            (first, _) => self.geometry.chain(first, self.geometry.bytes(), None),
        }
    }

    fn each_cluster(&self, chain: &Chain, add: &mut dyn FnMut(u32)) {
        for Extent { at, len } in &chain.extents {
            let Some(first) = self.geometry.cluster_at(*at) else { continue };
            let count = len.div_ceil(self.geometry.cluster_bytes);
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            (first..first.saturating_add(count).min(self.geometry.end())).for_each(&mut *add);
        }
    }

    /// Adds a doubt to what has such a cluster, and to what was not walked.
    fn doubt_all(&mut self, why: &str, is_meant: impl Fn(u32) -> bool) {
        let mut doubtful = vec![false; self.items.len()];
        let walked = self.each_item(&mut |number, cluster| {
            if is_meant(cluster)
                && let Some(is_doubtful) = doubtful.get_mut(number)
            {
                *is_doubtful = true;
            }
        });
        let doubtful =
            doubtful.into_iter().enumerate().map(|(i, is_meant)| is_meant || i >= walked);
        for (item, _) in self.items.iter_mut().zip(doubtful).filter(|(_, is_doubtful)| *is_doubtful)
        {
            item.doubt.get_or_insert_with(|| why.to_owned());
        }
    }

    /// The clusters that are in use: by the table, or by exFAT's bitmap. `None` if that cannot
    /// be read.
    fn used(&self, system: &SystemFiles) -> Option<Clusters> {
        let end = self.geometry.end();
        let mut used = Clusters::new(end);
        if self.geometry.flavour != Flavour::ExFat {
            (2..end).filter(|cluster| self.geometry.mark(*cluster).0).for_each(|cluster| {
                used.add(cluster);
            });
            return Some(used);
        }
        let (first, len) = system.bitmap?;
        let most = len.min(u64::from(end).div_ceil(8));
        let (bytes, trouble) = self.geometry.folder(&self.geometry.chain(first, most, Some(most)));
        for cluster in 2..end {
            let number = cluster as usize - 2;
            if bytes.get(number / 8)? >> (number % 8) & 1 != 0 {
                used.add(cluster);
            }
        }
        Some(used).filter(|_| trouble.is_none())
    }

    /// Looks into clusters that no file has: which folder may have had a file there?
    fn doubt_lost(&mut self, owned: &Clusters, used: &Clusters) -> Option<Finding> {
        let is_lost = |cluster: u32| used.has(cluster) && !owned.has(cluster);
        let lost: Vec<u32> = (2..self.geometry.end()).filter(|c| is_lost(*c)).collect();
        if lost.is_empty() {
            return None;
        }
        // On exFAT a file without a chain has no mark in the table.
        let mut later = Clusters::new(self.geometry.end());
        for cluster in &lost {
            if let (_, Some(next)) = self.geometry.mark(*cluster) {
                later.add(next);
            }
        }
        let heads = lost.iter().filter(|cluster| !later.has(**cluster)).take(MAX_LOOKED_INTO);
        let mut names = Vec::new();
        let mut pieces = 0_u64;
        for head in heads {
            let found = self.names_in(*head);
            pieces += u64::from(!found.is_empty());
            names.extend(found);
        }
        names.truncate(MAX_SHOWN);
        let names = names.join(", ");
        let count = units::count(lost.len() as u64, "cluster", "clusters");
        let told = match pieces {
            0 => format!("{count} in use without a file"),
            1 => "1 piece of a folder belongs to no folder".to_owned(),
            pieces => format!("{pieces} pieces of folders belong to no folder"),
        };
        let has_no_start = self.geometry.flavour == Flavour::ExFat;
        for (number, item) in self.items.iter_mut().enumerate() {
            if !item.entry.is_folder() {
                continue;
            }
            let why = if item.deleted.iter().any(|first| is_lost(*first)) {
                Some("a name is marked as deleted, and its clusters are still in use".to_owned())
            } else {
                match item.ends_at {
                    // Full: the rest of its chain may be cut off.
                    None if pieces > 0 => Some(told.clone()),
                    // Zeros from a sector on, which may have been lost.
                    Some(0) if has_no_start && number > 0 => {
                        Some(format!("it is empty, and there are {told}"))
                    }
                    Some(at) if at > 0 && at % SECTOR == 0 => {
                        Some(format!("it ends where a sector ends, and there are {told}"))
                    }
                    _ => None,
                }
            };
            if let Some(why) = why {
                item.damage.get_or_insert(why);
            }
        }
        Some(if pieces == 0 {
            Finding {
                code: "fat-clusters-lost",
                severity: Severity::Warning,
                path: self.info.source.clone(),
                what: format!("{told}: {}.", units::bytes(self.geometry.bytes_of(lost.len()))),
                meaning: "A file may have lost its name, or a write was not finished.".to_owned(),
                action:
                    "If a file is missing: copy the disk with ddrescue, and use a recovery tool \
                         on the copy."
                        .to_owned(),
            }
        } else {
            Finding {
                code: "fat-folders-lost",
                severity: Severity::Damage,
                path: self.info.source.clone(),
                what: format!("{told}. Files listed there: {names}."),
                meaning: "These files are not in any folder that can be listed. A store may be \
                          there."
                    .to_owned(),
                action: "Copy the disk with ddrescue. Then use a recovery tool on the copy."
                    .to_owned(),
            }
        })
    }

    /// The names in a cluster, if it is a piece of a folder.
    fn names_in(&self, cluster: u32) -> Vec<String> {
        let Some(at) = self.geometry.place_of(cluster) else { return Vec::new() };
        let extents = vec![Extent { at, len: self.geometry.cluster_bytes.min(4096) }];
        let (bytes, trouble) = self.geometry.folder(&Chain { extents, broken: None, doubt: None });
        let is_cluster = |cluster| self.geometry.place_of(cluster).is_some();
        let listing = list(self.geometry.flavour, &bytes, &is_cluster);
        // The first name, and the last, may be cut in two.
        if trouble.is_some() || listing.goes_on || listing.bad > 2 {
            return Vec::new();
        }
        let is_sound = |first: u32| first == 0 || is_cluster(first);
        if !listing.entries.iter().all(|entry| is_sound(entry.first_cluster)) {
            return Vec::new();
        }
        listing.entries.iter().map(|entry| entry.name.to_string()).collect()
    }
}
