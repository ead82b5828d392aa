//! FAT12, FAT16, FAT32 and exFAT volumes, read from the device: a compressed
//! store may lie on a stick.
//!
//! All folders are read once, when the volume is opened. What is damaged hides
//! only itself: a chain that breaks is a hole in its file, or a folder that is
//! listed in part and says so. A folder is read to the end of its clusters, also
//! behind its end mark, where only zeros should be.
//!
//! No crate fits. `fatfs` (0.3.6, January 2023) accepts only what it could also
//! write to, follows a chain that leads in a circle for ever, and does not say
//! where a file lies, which the holes and the order of reading need. The crates
//! for exFAT are below 1.0 and were not tried. Reading is little code: two kinds of
//! chains and two kinds of entries.

mod check;
mod entries;
mod geometry;

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;

use self::check::SystemFiles;
use self::entries::{FatEntry, Listing, list};
use self::geometry::{Chain, Extent, Flavour, Geometry};
use super::{Entry, Stream, Tree, TreeError, TreeInfo, Via};
use crate::disk::{Device, is_gone};
use crate::model::finding::{Finding, Severity};
use crate::model::loss::Hole;
use crate::model::metadata::{Metadata, Node, NodeId, NodeKind, Times, attributes};
use crate::model::monitor::Monitor;
use crate::model::name::{NtName, NtPath};

/// More files than this are not taken in: 150 MB of memory.
const MAX_FILES: usize = 500_000;
/// More than a folder of half a million short names has. (FAT allows 2 MiB; exFAT,
/// 256 MiB.)
const MAX_FOLDER: u64 = 48 << 20;
/// How deep folders are nested at most: longer paths than Windows has.
const MAX_DEPTH: u32 = 512;
/// What is read at once where the medium fails.
const SMALLEST: u64 = 4096;

/// A file or a folder.
struct Item {
    entry: FatEntry,
    depth: u32,
    children: Vec<u32>,
    /// Why a folder is not listed, or not completely.
    damage: Option<String>,
    /// Why its bytes may not be those that it had.
    doubt: Option<String>,
    /// Of a folder: the byte of the mark of its end, if it has one.
    ends_at: Option<usize>,
    /// Of a folder: the first clusters of deleted entries.
    deleted: Vec<u32>,
}

impl Item {
    fn new(entry: FatEntry, depth: u32) -> Self {
        Self {
            entry,
            depth,
            children: Vec::new(),
            damage: None,
            doubt: None,
            ends_at: None,
            deleted: Vec::new(),
        }
    }
}

/// A volume.
pub struct FatTree {
    info: TreeInfo,
    device: Arc<dyn Device>,
    geometry: Geometry,
    items: Vec<Item>,
    /// Folders of which only pieces are left.
    lost: Option<Finding>,
    /// What is wrong below its file system.
    damage: Vec<String>,
}

impl FatTree {
    /// Opens a volume and reads its folders. `source` names it for people.
    ///
    /// # Errors
    /// [`TreeError::Host`] when the start or the root folder cannot be read,
    /// [`TreeError::NoData`] when its numbers make no sense or it has too many files.
    pub fn open(
        device: Arc<dyn Device>,
        source: String,
        monitor: &dyn Monitor,
    ) -> Result<Self, TreeError> {
        let host = |error| TreeError::Host { path: source.clone(), error };
        let no_data =
            |reason: &str| TreeError::NoData { path: source.clone(), reason: reason.to_owned() };
        let geometry = Geometry::read(&device).map_err(host)?;
        let geometry = geometry.ok_or_else(|| no_data("the boot sector is damaged"))?;
        let root = FatEntry {
            name: NtName::from(""),
            attributes: attributes::DIRECTORY,
            times: Times::default(),
            first_cluster: 0,
            size: 0,
            valid: 0,
            is_one_run: false,
        };
        let mut tree = Self {
            info: TreeInfo {
                via: Via::Raw,
                file_system: geometry.flavour.name().to_owned(),
                label: String::new(),
                serial: None,
                cluster_bytes: u32::try_from(geometry.cluster_bytes).unwrap_or(0),
                source,
            },
            device,
            geometry,
            items: vec![Item::new(root, 0)],
            lost: None,
            damage: Vec::new(),
        };
        let system = tree.sweep(monitor)?;
        tree.lost = tree.check_clusters(&system, monitor);
        if tree.items.len() == 1
            && let Some(reason) = tree.items.first_mut().and_then(|root| root.damage.take())
        {
            let path = tree.info.source;
            return Err(TreeError::NoData { path, reason: format!("the root folder: {reason}") });
        }
        Ok(tree)
    }

    /// The same, with what is wrong below its file system ([`Tree::damage`]).
    #[must_use]
    pub(crate) fn on_damaged(self, damage: Vec<String>) -> Self {
        Self { damage, ..self }
    }

    /// Reads all folders.
    fn sweep(&mut self, monitor: &dyn Monitor) -> Result<SystemFiles, TreeError> {
        let mut system = SystemFiles::default();
        let mut seen = HashSet::new();
        let mut starts = HashMap::new();
        let mut pending = vec![0_u32];
        while let Some(number) = pending.pop() {
            if monitor.is_cancelled() {
                break;
            }
            let Some(item) = self.items.get(number as usize) else { continue };
            let (entry, depth) = (item.entry.clone(), item.depth);
            let chain = if number == 0 {
                self.geometry.root(MAX_FOLDER)
            } else {
                if !seen.insert(entry.first_cluster) || depth >= MAX_DEPTH {
                    self.damage(number, "it is listed a second time, or nested too deep");
                    continue;
                }
                folder_chain(&self.geometry, &entry)
            };
            let (bytes, trouble) = self.geometry.folder(&chain);
            let is_cluster = |cluster| self.geometry.place_of(cluster).is_some();
            let mut listing = list(self.geometry.flavour, &bytes, &is_cluster);
            let mut trouble = trouble.or_else(|| self.trouble(number, &entry, &listing, &chain));
            if number == 0 {
                self.info.label = listing.label.take().unwrap_or_default();
                system = SystemFiles { bitmap: listing.bitmap, capitals: listing.capitals };
            }
            listing.entries.sort_by(|a, b| a.name.as_wtf8().cmp(b.name.as_wtf8()));
            let mut children = Vec::with_capacity(listing.entries.len());
            let mut last: Option<NtName> = None;
            for mut entry in listing.entries {
                if last.as_ref() == Some(&entry.name) {
                    trouble = trouble.or(Some("it lists a name twice".to_owned()));
                    continue;
                }
                last = Some(entry.name.clone());
                let child = u32::try_from(self.items.len()).unwrap_or(u32::MAX);
                if self.items.len() >= MAX_FILES {
                    let reason = format!("it has more than {MAX_FILES} files");
                    return Err(TreeError::NoData { path: self.info.source.clone(), reason });
                }
                if entry.is_folder() {
                    pending.push(child);
                }
                let mut doubt = self.believe(&mut entry);
                if let Some(other) = starts.insert(entry.first_cluster, child)
                    && entry.first_cluster != 0
                {
                    let text = "it begins at the same cluster as another file";
                    doubt = doubt.or(Some(text.to_owned()));
                    if let Some(other) = self.items.get_mut(other as usize) {
                        other.doubt.get_or_insert_with(|| text.to_owned());
                    }
                }
                children.push(child);
                self.items.push(Item { doubt, ..Item::new(entry, depth + 1) });
            }
            if let Some(item) = self.items.get_mut(number as usize) {
                item.children = children;
                item.damage = trouble;
                item.ends_at = listing.ends_at;
                item.deleted = listing.deleted;
            }
        }
        Ok(system)
    }

    /// Why a folder's list is not believed.
    fn trouble(
        &self,
        number: u32,
        entry: &FatEntry,
        listing: &Listing,
        chain: &Chain,
    ) -> Option<String> {
        let is_exfat = self.geometry.flavour == Flavour::ExFat;
        // Where FAT has its two entries, and exFAT the bitmap.
        let is_begun = listing.is_begun || (number == 0) != is_exfat;
        let is_blank = number == 0 && !is_exfat && listing.entries.is_empty();
        match listing.bad {
            _ if listing.goes_on => Some("there is something behind its end".to_owned()),
            1 => Some("one of its entries is damaged".to_owned()),
            2.. => Some(format!("{} of its entries are damaged", listing.bad)),
            0 if !is_begun => Some("it does not begin as a folder does".to_owned()),
            0 if entry.size > MAX_FOLDER => Some("it is longer than any folder".to_owned()),
            0 if is_blank && self.geometry.is_in_use(chain) => {
                Some("it lists nothing, but clusters are in use".to_owned())
            }
            0 => None,
        }
    }

    /// Takes a size that cannot be back to what the file's clusters have.
    fn believe(&self, entry: &mut FatEntry) -> Option<String> {
        let most = self.geometry.bytes();
        if entry.is_folder() {
            return None;
        }
        if entry.size <= most {
            let text = "more of it was written than its size has";
            return (entry.valid > entry.size).then(|| text.to_owned());
        }
        let size = entry.size;
        entry.size = if entry.is_one_run {
            Some(entry.valid).filter(|valid| *valid <= most).unwrap_or(0)
        } else {
            let chain = self.geometry.chain(entry.first_cluster, most, None);
            chain.extents.iter().fold(0, |sum: u64, extent| sum.saturating_add(extent.len))
        };
        Some(format!("its size, {size} bytes, cannot be: it is taken as {}", entry.size))
    }

    /// Why the bytes of a file may not be those that it had.
    fn doubt(&self, item: &Item) -> Option<String> {
        let entry = &item.entry;
        let by_chain = || match entry.size {
            _ if entry.is_folder() => None,
            0 if entry.first_cluster != 0 => Some("its size is 0, but it has clusters".to_owned()),
            0 => None,
            _ if entry.is_one_run => None,
            size => self.geometry.chain(entry.first_cluster, u64::MAX, Some(size)).doubt,
        };
        item.doubt.clone().or_else(by_chain)
    }

    fn damage(&mut self, number: u32, why: &str) {
        if let Some(item) = self.items.get_mut(number as usize) {
            item.damage = Some(why.to_owned());
        }
    }

    fn cut_short(&self, folders: usize, first: &str) -> Finding {
        let more = match folders.saturating_sub(1) {
            0 => String::new(),
            more => format!(" (and {more} more)"),
        };
        Finding {
            code: "search-cut-short",
            severity: Severity::Warning,
            path: self.info.source.clone(),
            what: format!("a folder is not listed completely: {first}{more}"),
            meaning: "A store, or a part of one, may be there.".to_owned(),
            action: "Copy the disk with ddrescue and search the copy before you wipe anything."
                .to_owned(),
        }
    }

    fn item(&self, id: NodeId) -> Result<&Item, TreeError> {
        let item = usize::try_from(id.0).ok().and_then(|number| self.items.get(number));
        item.ok_or_else(|| TreeError::NotFound {
            path: format!("file {}", id.0),
            source_name: self.info.source.clone(),
        })
    }
}

/// The clusters of a folder. exFAT says how long it is.
fn folder_chain(geometry: &Geometry, entry: &FatEntry) -> Chain {
    if entry.is_one_run {
        geometry.run(entry.first_cluster, entry.size.min(MAX_FOLDER))
    } else if entry.size > 0 {
        geometry.chain(entry.first_cluster, MAX_FOLDER, Some(entry.size.min(MAX_FOLDER)))
    } else {
        geometry.chain(entry.first_cluster, MAX_FOLDER, None)
    }
}

impl Tree for FatTree {
    fn info(&self) -> &TreeInfo {
        &self.info
    }

    fn damage(&self) -> &[String] {
        &self.damage
    }

    fn root(&self) -> NodeId {
        NodeId(0)
    }

    fn node(&self, id: NodeId) -> Result<Node, TreeError> {
        let entry = &self.item(id)?.entry;
        let is_folder = entry.is_folder();
        let size = if is_folder { 0 } else { entry.size };
        let cluster = self.geometry.cluster_bytes;
        Ok(Node {
            id,
            kind: if is_folder { NodeKind::Directory } else { NodeKind::File },
            attributes: entry.attributes,
            times: entry.times,
            size,
            allocated: size.checked_next_multiple_of(cluster).unwrap_or(size),
            links: 1,
            reparse_tag: None,
            position: self.geometry.place_of(entry.first_cluster).filter(|_| size > 0),
        })
    }

    fn children(&self, id: NodeId) -> Result<Vec<Entry>, TreeError> {
        let item = self.item(id)?;
        if let Some(reason) = item.damage.clone().filter(|_| item.children.is_empty()) {
            return Err(TreeError::NoData { path: item.entry.name.to_string(), reason });
        }
        let entry = |child: &u32| {
            let item = self.items.get(*child as usize)?;
            Some(Entry { name: item.entry.name.clone(), node: NodeId((*child).into()) })
        };
        Ok(item.children.iter().filter_map(entry).collect())
    }

    fn facts(&self, id: NodeId, _name: Option<&NtName>) -> Result<Metadata, TreeError> {
        let item = self.item(id)?;
        let damage = item.damage.as_ref();
        let damaged = damage.map(|why| format!("its list of files is not complete: {why}"));
        let damaged = damaged.into_iter().chain(self.doubt(item)).collect();
        Ok(Metadata { damaged, ..Metadata::default() })
    }

    /// A folder that is not listed completely may hide what is looked for.
    fn find_named(
        &self,
        names: &[&str],
        monitor: &dyn Monitor,
    ) -> Result<Vec<(NtPath, NodeId)>, TreeError> {
        let mut found = Vec::new();
        let mut hidden = Vec::new();
        let mut pending = vec![(NtPath::root(), 0_u32)];
        while let Some((path, number)) = pending.pop() {
            if monitor.is_cancelled() {
                break;
            }
            let Some(folder) = self.items.get(number as usize) else { continue };
            if let Some(why) = &folder.damage {
                let place = if number == 0 { "the root folder".into() } else { path.to_string() };
                hidden.push(format!("{place}: {why}"));
            }
            for child in &folder.children {
                let Some(item) = self.items.get(*child as usize) else { continue };
                let below = path.join(item.entry.name.clone());
                if names.iter().any(|name| item.entry.name.eq_ignore_ascii_case(name)) {
                    found.push((below.clone(), NodeId((*child).into())));
                }
                if item.entry.is_folder() {
                    pending.push((below, *child));
                }
            }
        }
        // Said once: the search for logs, by other names, comes later.
        let is_for_stores = names.iter().any(|name| name.eq_ignore_ascii_case("USMT"));
        if let Some(first) = hidden.first().filter(|_| is_for_stores) {
            monitor.finding(&self.cut_short(hidden.len(), first));
        }
        if let Some(lost) = self.lost.as_ref().filter(|_| is_for_stores) {
            monitor.finding(lost);
        }
        found.sort();
        Ok(found)
    }

    fn open(&self, id: NodeId, stream: Option<&NtName>) -> Result<Box<dyn Stream>, TreeError> {
        let item = self.item(id)?;
        let path = item.entry.name.to_string();
        if let Some(stream) = stream {
            let path = format!("{path}:{stream}");
            return Err(TreeError::NotFound { path, source_name: self.info.source.clone() });
        }
        let entry = &item.entry;
        let size = if entry.is_folder() { 0 } else { entry.size };
        let chain = if size == 0 {
            Chain::empty(None)
        } else if entry.is_one_run {
            self.geometry.run(entry.first_cluster, size)
        } else {
            self.geometry.chain(entry.first_cluster, u64::MAX, Some(size))
        };
        Ok(Box::new(FatStream {
            device: self.device.clone(),
            path,
            extents: chain.extents,
            extent: 0,
            into: 0,
            len: size,
            valid: entry.valid.min(size),
            at: 0,
            broken: chain.broken,
            holes: Vec::new(),
            is_hasty: false,
        }))
    }

    fn is_damaged(&self, id: NodeId) -> bool {
        self.item(id).is_ok_and(|item| item.damage.is_some() || self.doubt(item).is_some())
    }
}

/// The bytes of a file.
struct FatStream {
    device: Arc<dyn Device>,
    path: String,
    extents: Vec<Extent>,
    /// Which extent comes next, and how far it was read.
    extent: usize,
    into: u64,
    len: u64,
    /// From here on nothing was ever written: zeros (exFAT).
    valid: u64,
    at: u64,
    /// Why the extents end before the file does.
    broken: Option<String>,
    holes: Vec<Hole>,
    is_hasty: bool,
}

impl FatStream {
    /// Fills `piece` with the bytes at `self.at`, and goes on.
    fn fill(&mut self, mut piece: &mut [u8]) -> Result<(), TreeError> {
        while !piece.is_empty() {
            let want = piece.len() as u64;
            let extent = self.extents.get(self.extent).copied();
            let (place, n) = match extent {
                _ if self.at >= self.valid => (None, want),
                Some(extent) if self.into >= extent.len => {
                    (self.extent, self.into) = (self.extent + 1, 0);
                    continue;
                }
                Some(extent) => {
                    let left = (extent.len - self.into).min(self.valid - self.at);
                    (Some(extent.at.saturating_add(self.into)), want.min(left))
                }
                None => {
                    let n = want.min(self.valid - self.at);
                    let reason = self.broken.clone().unwrap_or_else(|| "no clusters".to_owned());
                    self.add_hole(self.at, n, reason);
                    (None, n)
                }
            };
            let (now, rest) = piece.split_at_mut(usize::try_from(n).unwrap_or(0));
            match place {
                Some(place) => {
                    self.fill_from(place, now)?;
                    self.into += n;
                }
                None => now.fill(0),
            }
            self.at += n;
            piece = rest;
        }
        Ok(())
    }

    /// Reads from the device, in small pieces where it fails.
    fn fill_from(&mut self, place: u64, piece: &mut [u8]) -> Result<(), TreeError> {
        match self.device.read_exact_at(place, piece) {
            Ok(()) => return Ok(()),
            Err(error) if is_gone(&error) => return Err(self.failed(error)),
            Err(error) if self.is_hasty => {
                piece.fill(0);
                self.add_hole(self.at, piece.len() as u64, error.to_string());
                return Ok(());
            }
            Err(_) => {}
        }
        let mut done = 0;
        while done < piece.len() {
            let (at, from) = (place.saturating_add(done as u64), self.at + done as u64);
            let border = usize::try_from(SMALLEST - at % SMALLEST).unwrap_or(512);
            let end = (done + border).min(piece.len());
            let Some(part) = piece.get_mut(done..end) else { break };
            match self.device.read_exact_at(at, part) {
                Ok(()) => {}
                Err(error) if is_gone(&error) => return Err(self.failed(error)),
                Err(error) => {
                    part.fill(0);
                    self.add_hole(from, (end - done) as u64, error.to_string());
                }
            }
            done = end;
        }
        Ok(())
    }

    fn failed(&self, error: io::Error) -> TreeError {
        TreeError::Host { path: self.path.clone(), error }
    }

    fn add_hole(&mut self, offset: u64, length: u64, reason: String) {
        match self.holes.last_mut() {
            Some(last) if last.offset + last.length == offset && last.reason == reason => {
                last.length += length;
            }
            _ => self.holes.push(Hole { offset, length, reason }),
        }
    }
}

impl Stream for FatStream {
    fn len(&self) -> u64 {
        self.len
    }

    fn read(&mut self, buf: &mut [u8]) -> Result<usize, TreeError> {
        let left = self.len.saturating_sub(self.at);
        let want = usize::try_from(left).map_or(buf.len(), |left| left.min(buf.len()));
        self.fill(buf.get_mut(..want).unwrap_or_default())?;
        Ok(want)
    }

    fn skip(&mut self, bytes: u64) -> Result<(), TreeError> {
        let target = self.at.saturating_add(bytes).min(self.len);
        // Within what was written, the extents have to follow.
        let mut data = target.min(self.valid).saturating_sub(self.at);
        while let Some(extent) = self.extents.get(self.extent).filter(|_| data > 0) {
            let step = (extent.len - self.into).min(data);
            (self.into, data) = (self.into + step, data - step);
            if self.into >= extent.len {
                (self.extent, self.into) = (self.extent + 1, 0);
            }
        }
        self.at = target;
        Ok(())
    }

    fn holes(&self) -> &[Hole] {
        &self.holes
    }

    fn set_fail_fast(&mut self, hasty: bool) {
        self.is_hasty = hasty;
    }
}
