//! The raw way in: a [`Tree`] over the structures of an NTFS volume.
//!
//! Names, folders and cheap facts come from one sweep over `$MFT`; a file's
//! further facts from its records; its bytes straight from the device. What
//! lost its directory stands in `$Orphans` (see the catalog's documentation).
//! System files are not listed, but [`Tree::lookup`] finds them by name.
//!
//! A folder that is listed is compared with its index (`crate::ntfs::salvage::listing`), and
//! what only the index has is listed too: a file of which nothing but its name is left must
//! not be missing without a word.

mod deleted;
mod many;
mod stream;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use many::{ManyNames, another_name};
use stream::Plain;

use super::{Entry, Stream, Tree, TreeError, TreeInfo, Via};
use crate::disk::Device;
use crate::model::bytes::utf16;
use crate::model::finding::{Finding, Severity};
use crate::model::metadata::{Content, Metadata, Node, NodeId, NodeKind, StreamInfo};
use crate::model::monitor::{Monitor, Stage};
use crate::model::name::{NtName, NtPath};
use crate::model::units;
use crate::ntfs::error::NtfsError;
use crate::ntfs::ondisk::attribute::kind;
use crate::ntfs::ondisk::file_name::{FileName, Namespace};
use crate::ntfs::ondisk::record::known;
use crate::ntfs::ondisk::standard_information::StandardInformation;
use crate::ntfs::read::volume::{Repair, Volume};
use crate::ntfs::read::wof;
use crate::ntfs::{
    Body, Catalog, CatalogEntry, Comparison, DeletedFile, EfsData, File, FileAttribute, Folder,
    Kind, Reattached, Security, Trust, WofData, compare, entry_flag, is_lost_folder, kind_of,
    list_deleted, of_volume, reattach, sweep, why_only_a_name,
};

/// Reparse data is 16 KiB at most (MS-FSCC 2.1.2); EAs and descriptors 64 KiB.
const MAX_FACT_BYTES: usize = 256 << 10;

/// Folders whose index differs are remembered up to this number.
const MOST_REMEMBERED: usize = 20_000;
/// Folders whose index was compared, one bit each: up to this record (32 MiB).
const MOST_COMPARED: u32 = 1 << 28;
/// Differences between folders and their indexes are listed up to this number.
const MOST_FINDINGS: usize = 200;

/// An NTFS volume as a tree.
pub struct NtfsTree {
    volume: Arc<Volume>,
    catalog: Catalog,
    security: Security,
    info: TreeInfo,
    findings: Vec<Finding>,
    /// One bit a record, see [`NtfsTree::deleted`].
    deleted: Vec<u64>,
    /// File records that are in use and cannot be understood, or whose names are lost.
    suspects: u64,
    /// Whether all structures are of one moment.
    is_at_rest: bool,
    /// No file has clusters that are free by the volume's bitmap.
    is_bitmap_good: bool,
    /// How indexes differ from the records, as far as folders were listed.
    compared: Mutex<Compared>,
    /// What is wrong below its file system.
    damage: Vec<String>,
    /// The last file that has many attributes: thousands of names or streams are asked for one
    /// by one, and each time all its records would be read.
    last: Mutex<Option<LastFile>>,
}

/// Its record, it, and its names.
type LastFile = (u32, Arc<File>, Arc<ManyNames>);

/// A file with more attributes is kept until the next one.
const MANY_ATTRIBUTES: usize = 64;

/// What comparing folders with their indexes gave.
#[derive(Default)]
struct Compared {
    /// One bit a record: this folder agrees with its index.
    clean: Vec<u64>,
    /// By the folder's record.
    differing: BTreeMap<u32, Arc<Comparison>>,
    findings: Vec<(NtPath, Finding)>,
    /// Files by record whose record is not the latest, and why.
    outdated: BTreeMap<u32, &'static str>,
    /// Findings beyond [`MOST_FINDINGS`].
    more: u64,
}

impl Compared {
    fn is_clean(&self, record: u32) -> bool {
        self.clean.get(record as usize / 64).is_some_and(|word| word >> (record % 64) & 1 != 0)
    }

    fn set_clean(&mut self, record: u32) {
        if record < MOST_COMPARED {
            let word = record as usize / 64;
            if self.clean.len() <= word {
                self.clean.resize(word + 1, 0);
            }
            self.clean[word] |= 1 << (record % 64);
        }
    }
}

impl NtfsTree {
    /// Opens the volume on `device` and sweeps its `$MFT`. `source` says for
    /// people what it is (`disk.img, partition 2`). Fails only where no file
    /// could be found at all, or the monitor was cancelled.
    pub fn open(
        device: Arc<dyn Device>,
        source: String,
        monitor: &dyn Monitor,
    ) -> Result<Self, NtfsError> {
        monitor.stage(Stage::Scan, &source);
        let (volume, repairs) = Volume::open(device)?;
        let volume = Arc::new(volume);
        let (mut catalog, mut report) = sweep(&volume, monitor)?;
        let mut reattached = Reattached::default();
        if report.mended.orphans > 0 {
            reattached = reattach(&volume, &mut catalog, monitor);
            report.mended.orphans = catalog.orphans() as u64;
        }
        let findings = of_volume(&source, &volume, &catalog, &repairs, &report, reattached);
        let mended = &report.mended;
        let tallies =
            [&report.damaged, &report.bad, &report.foreign, &report.unreadable, &report.blank];
        let incomplete = |repair: &&Repair| matches!(repair, Repair::MftIncomplete { .. });
        let suspects = tallies.iter().map(|tally| tally.count).sum::<u64>()
            + mended.nameless
            + report.unsettled
            + report.bitmap_doubts
            + repairs.iter().filter(incomplete).count() as u64;
        let info = TreeInfo {
            via: Via::Raw,
            source,
            file_system: "NTFS".into(),
            label: label(&volume).unwrap_or_default(),
            serial: Some(volume.boot().serial),
            cluster_bytes: volume.boot().cluster_bytes,
        };
        Ok(Self {
            volume,
            catalog,
            security: Security::default(),
            info,
            findings,
            deleted: report.deleted,
            suspects,
            is_at_rest: report.is_at_rest,
            is_bitmap_good: report.unallocated.count == 0 && report.bitmap_sectors == 0,
            compared: Mutex::default(),
            damage: Vec::new(),
            last: Mutex::default(),
        })
    }

    /// The same, with what is wrong below its file system ([`Tree::damage`]).
    #[must_use]
    pub(crate) fn on_damaged(self, damage: Vec<String>) -> Self {
        Self { damage, ..self }
    }

    /// What was found wrong with the volume while it was opened.
    pub fn findings(&self) -> Vec<Finding> {
        self.findings.clone()
    }

    /// Every path of a file: one for each hard link.
    pub fn paths(&self, id: NodeId) -> Vec<NtPath> {
        self.entry(id).map(|entry| self.catalog.paths(entry.record)).unwrap_or_default()
    }

    /// Whether it is a folder of the orphans, or a root whose record is lost.
    fn is_made_up(&self, id: NodeId) -> bool {
        self.catalog.has_folder(Folder::from_id(id))
            || id == NodeId(known::ROOT) && self.catalog.node(id).is_none()
    }

    fn entry(&self, id: NodeId) -> Result<&CatalogEntry, TreeError> {
        self.catalog.node(id).ok_or_else(|| {
            match why_only_a_name(&self.volume, &self.catalog, id) {
                Ok(reason) => TreeError::OnlyAName { reason },
                Err(error) => error.into(),
            }
        })
    }

    /// How the folder's index differs from the records. Each index is read once: the disk may
    /// be failing.
    fn comparison(&self, folder: Folder) -> Option<Arc<Comparison>> {
        let Folder::Record(record) = folder else { return None };
        let entry = self.catalog.entry(record)?;
        if !entry.is_directory() || entry.has(entry_flag::RECORD_LOST) {
            return None;
        }
        let known = || self.compared.lock().unwrap_or_else(PoisonError::into_inner);
        {
            let known = known();
            if known.is_clean(record) {
                return None;
            }
            if let Some(comparison) = known.differing.get(&record) {
                return Some(Arc::clone(comparison));
            }
        }
        // Without the lock, so that a slow disk does not block other threads.
        let comparison = compare(&self.volume, &self.catalog, record, self.is_at_rest);
        let mut known = known();
        if comparison.is_clean() {
            known.set_clean(record);
            return None;
        }
        if known.outdated.len() < MOST_REMEMBERED {
            known.outdated.extend(comparison.outdated.iter().copied());
        }
        let comparison = Arc::new(comparison);
        if known.differing.len() < MOST_REMEMBERED
            && known.differing.insert(record, Arc::clone(&comparison)).is_none()
        {
            let path = self.catalog.paths(record).into_iter().next().unwrap_or_default();
            for finding in comparison.findings(&path) {
                if known.findings.len() < MOST_FINDINGS {
                    known.findings.push((path.clone(), finding));
                } else {
                    known.more += 1;
                }
            }
        }
        Some(comparison)
    }

    /// Why a file's record is not the latest, as far as its folders were listed.
    fn outdated(&self, record: u32) -> Option<String> {
        let known = self.compared.lock().unwrap_or_else(PoisonError::into_inner);
        known.outdated.get(&record).map(|why| (*why).to_owned())
    }

    /// Why a folder may have had more files, or other names, than anything on the volume lists.
    fn doubt(&self, folder: Folder) -> Option<String> {
        let comparison = self.comparison(folder)?;
        let damage = comparison.damage.first()?;
        if self.suspects > 0 {
            return Some(format!(
                "files may be missing from this folder: its list of names is damaged ({damage}), \
                 and file records of this volume are damaged ({})",
                self.suspects
            ));
        }
        let unlisted = units::count(comparison.forgotten.len() as u64, "name", "names");
        (!comparison.forgotten.is_empty()).then(|| {
            format!(
                "its list of names is damaged ({damage}): {unlisted} in it could not be compared \
                 with the file records"
            )
        })
    }

    /// The facts that stand in a file's records, added to those that are known already.
    fn facts_of(
        &self,
        file: &File,
        name: Option<&NtName>,
        mut facts: Metadata,
    ) -> Result<Metadata, TreeError> {
        // A device that is gone is no loss of a fact.
        let mut gone = None;
        let mut value = |kind: u32, what: &str| {
            let attribute = file.find(kind, None)?;
            match file.value(&self.volume, attribute, MAX_FACT_BYTES) {
                Ok(value) => return Some(value),
                Err(error) if error.is_gone() => gone = Some(error),
                Err(error) => facts.damaged.push(format!("{what}: {error}")),
            }
            None
        };
        facts.reparse = value(kind::REPARSE_POINT, "reparse data");
        facts.object_id = value(kind::OBJECT_ID, "object id");
        facts.extended_attributes = value(kind::EA, "extended attributes");
        let old_style = value(kind::SECURITY_DESCRIPTOR, "security descriptor");
        facts.security = match standard_information(file).and_then(|s| s.security_id) {
            None => old_style,
            Some(security_id) => match self.security.get(&self.volume, security_id) {
                Ok(descriptor) => Some(descriptor),
                Err(error) if error.is_gone() => return Err(error.into()),
                Err(error) => {
                    facts.damaged.push(format!("owner and permissions: {error}"));
                    old_style
                }
            },
        };
        if let Some(error) = gone {
            return Err(error.into());
        }
        if file.find(kind::STANDARD_INFORMATION, None).is_none() {
            let lost = "times and attributes: the file record does not have them";
            facts.damaged.push(lost.to_owned());
        }
        if facts.security.is_none() && facts.damaged.is_empty() {
            let lost = "owner and permissions: the file record does not have them";
            facts.damaged.push(lost.to_owned());
        }
        facts.short_name = short_name(file, name);
        let kind = self.kind(file);
        facts.streams = streams(file, &kind);
        facts.content = match kind {
            Kind::Plain => Content::Data,
            Kind::Wof(algorithm) => Content::Wof(algorithm.as_str()),
            Kind::Encrypted => match EfsData::new(&self.volume, file) {
                Ok(_) => {
                    // The export holds all streams.
                    facts.streams.clear();
                    Content::EfsRaw
                }
                Err(reason) => Content::EfsLost(reason),
            },
            Kind::NotHere(reason) => Content::NotHere(reason),
        };
        Ok(facts)
    }

    fn file(&self, entry: &CatalogEntry) -> Result<Arc<File>, NtfsError> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((record, file, _)) = &*last
            && *record == entry.record
        {
            return Ok(Arc::clone(file));
        }
        let extensions = || self.catalog.extensions(entry.record);
        let file = Arc::new(File::load(&self.volume, u64::from(entry.record), &extensions)?);
        // On a live volume it may be another one a moment later.
        if file.attributes.len() > MANY_ATTRIBUTES && !self.volume.medium().is_live() {
            *last = Some((entry.record, Arc::clone(&file), Arc::new(ManyNames::of(&file))));
        }
        Ok(file)
    }

    /// What the names of this file have in common, if it has many.
    fn many(&self, file: &Arc<File>) -> Option<Arc<ManyNames>> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, own, many) = last.as_ref()?;
        Arc::ptr_eq(own, file).then(|| Arc::clone(many))
    }

    fn kind(&self, file: &File) -> Kind {
        let attributes = standard_information(file).map_or(0, |s| s.attributes);
        kind_of(&self.volume, file, attributes)
    }

    fn no_data(&self, id: NodeId, reason: String) -> TreeError {
        let path = self.paths(id).first().map(ToString::to_string).unwrap_or_default();
        TreeError::NoData { path, reason }
    }

    fn position(&self, entry: &CatalogEntry) -> Option<u64> {
        if entry.has(entry_flag::RESIDENT) {
            return self.volume.record_offset(u64::from(entry.record));
        }
        entry.cluster().and_then(|cluster| self.volume.boot().cluster_offset(cluster))
    }
}

impl Tree for NtfsTree {
    fn info(&self) -> &TreeInfo {
        &self.info
    }

    fn damage(&self) -> &[String] {
        &self.damage
    }

    fn root(&self) -> NodeId {
        // A root whose record is lost still has the children that name it.
        let root = u32::try_from(known::ROOT).ok().and_then(|record| self.catalog.entry(record));
        root.map_or(NodeId(known::ROOT), CatalogEntry::id)
    }

    fn node(&self, id: NodeId) -> Result<Node, TreeError> {
        if self.is_made_up(id) {
            return Ok(Node::bare_folder(id));
        }
        let entry = self.entry(id)?;
        let is_directory = entry.is_directory();
        Ok(Node {
            id: entry.id(),
            kind: if is_directory { NodeKind::Directory } else { NodeKind::File },
            attributes: entry.attributes,
            times: entry.times,
            size: entry.size,
            allocated: entry.allocated,
            links: u32::from(entry.links),
            reparse_tag: (entry.reparse_tag != 0).then_some(entry.reparse_tag),
            position: if is_directory { None } else { self.position(entry) },
        })
    }

    fn children(&self, id: NodeId) -> Result<Vec<Entry>, TreeError> {
        if !self.is_made_up(id) {
            self.entry(id)?;
        }
        let folder = Folder::from_id(id);
        let mut children = self.catalog.children(folder);
        if let Some(comparison) = self.comparison(folder) {
            for (name, _) in &mut children {
                if let Some(new) = comparison.new_name(name) {
                    *name = new.clone();
                }
            }
            children.extend(comparison.added.iter().cloned());
            children.sort();
        }
        Ok(children.into_iter().map(|(name, node)| Entry { name, node }).collect())
    }

    fn facts(&self, id: NodeId, name: Option<&NtName>) -> Result<Metadata, TreeError> {
        let has_record = |entry: &CatalogEntry| !entry.has(entry_flag::RECORD_LOST);
        if self.is_made_up(id) || !self.catalog.node(id).is_none_or(has_record) {
            let lost = "the folder's own record is lost, and with it owner, permissions and times";
            let is_lost = match Folder::from_id(id) {
                Folder::Orphans => false,
                Folder::Lost(..) => is_lost_folder(id),
                Folder::Record(_) => true,
            };
            let damaged = is_lost.then(|| lost.to_owned());
            return Ok(Metadata { damaged: damaged.into_iter().collect(), ..Metadata::default() });
        }
        let entry = self.entry(id)?;
        let file = self.file(entry)?;
        let mut facts = Metadata { damaged: file.damage.clone(), ..Metadata::default() };
        if entry.has(entry_flag::REVIVED) {
            let lost = "its file record is marked as deleted, although its folder and the file \
                        table still list it";
            facts.damaged.push(lost.to_owned());
        }
        if entry.has(entry_flag::SHARED) {
            let shared = "another file has some of the same clusters: a part of its data may be \
                          the other file's";
            facts.damaged.push(shared.to_owned());
        }
        if entry.has(entry_flag::UNALLOCATED) {
            let free = "some of its clusters are free by the volume's bitmap: a part of its data \
                        may be another file's";
            facts.damaged.push(free.to_owned());
        }
        facts.damaged.extend(self.outdated(entry.record));
        if entry.is_directory() {
            facts.damaged.extend(self.doubt(Folder::Record(entry.record)));
            if entry.has(entry_flag::RENUMBERED) {
                let wrong = "its sequence number is not the one by which its files know it";
                facts.damaged.push(wrong.to_owned());
            }
        } else if file.find(kind::DATA, None).is_none() {
            // Every file has some, if only of 0 bytes.
            facts.damaged.push(file.missing("data").to_string());
        }
        if let (Some(many), Some(name)) = (self.many(&file), name) {
            let known = many.facts(&facts.damaged.clone(), || self.facts_of(&file, None, facts))?;
            // A further name is asked for its own names only.
            return Ok(Metadata {
                short_name: many.short_name(name),
                misnamed: many.misnamed(name),
                ..Metadata::clone(&known)
            });
        }
        let mut facts = self.facts_of(&file, name, facts)?;
        if u64::from(entry.record) != known::ROOT {
            facts.misnamed = name.and_then(|name| misnamed(&file, name));
        }
        Ok(facts)
    }

    fn open(&self, id: NodeId, stream: Option<&NtName>) -> Result<Box<dyn Stream>, TreeError> {
        let entry = self.entry(id)?;
        if entry.has(entry_flag::OVERWRITTEN) {
            let reason = "its file record is marked as deleted, and another file has its clusters";
            return Err(self.no_data(id, reason.to_owned()));
        }
        let file = self.file(entry)?;
        let what = || stream.map_or("the data".into(), |name| format!("the stream {name}"));
        let data = file.find(kind::DATA, stream).ok_or_else(|| file.missing(&what()))?;
        if data.is_encrypted() && stream.is_some() {
            return Err(
                self.no_data(id, "encrypted by EFS: it is part of the file's export".into())
            );
        }
        if stream.is_none() {
            match self.kind(&file) {
                Kind::NotHere(reason) => return Err(self.no_data(id, reason)),
                Kind::Wof(algorithm) => {
                    let packed = NtName::from(wof::STREAM);
                    let packed = file
                        .find(kind::DATA, Some(&packed))
                        .ok_or_else(|| file.missing("the compressed data"))?;
                    let reader = file.reader(&self.volume, packed)?;
                    return Ok(Box::new(WofData::new(algorithm, data.size(), reader)));
                }
                Kind::Encrypted => {
                    let export = EfsData::new(&self.volume, &file);
                    return match export {
                        Ok(export) => Ok(Box::new(export)),
                        Err(reason) => Err(self.no_data(id, reason)),
                    };
                }
                Kind::Plain => {}
            }
        }
        Ok(Box::new(Plain(file.reader(&self.volume, data)?)))
    }

    fn find_named(
        &self,
        names: &[&str],
        monitor: &dyn Monitor,
    ) -> Result<Vec<(NtPath, NodeId)>, TreeError> {
        let wanted = |name: &[u8]| names.iter().any(|n| name.eq_ignore_ascii_case(n.as_bytes()));
        let (found, is_all) = self.catalog.find(&wanted);
        if !is_all {
            monitor.note("Too many files have the names of a store: some were not searched.");
        }
        Ok(found)
    }

    fn is_damaged(&self, id: NodeId) -> bool {
        const FLAGS: u16 = entry_flag::DAMAGED
            | entry_flag::REVIVED
            | entry_flag::OVERWRITTEN
            | entry_flag::SHARED
            | entry_flag::UNALLOCATED
            | entry_flag::RECORD_LOST
            | entry_flag::RENUMBERED;
        is_lost_folder(id)
            || self.catalog.node(id).is_some_and(|entry| {
                let folder = Folder::Record(entry.record);
                entry.has(FLAGS)
                    || self.outdated(entry.record).is_some()
                    || entry.is_directory() && self.doubt(folder).is_some()
            })
    }

    fn deleted(
        &self,
        wanted: &dyn Fn(&NtPath) -> bool,
        monitor: &dyn Monitor,
    ) -> Result<Vec<DeletedFile>, TreeError> {
        let trust = Trust { is_at_rest: self.is_at_rest, is_bitmap_good: self.is_bitmap_good };
        let (volume, deleted) = (&self.volume, &self.deleted);
        Ok(list_deleted(volume, &self.catalog, deleted, trust, wanted, monitor)?)
    }

    fn deleted_facts(&self, file: &DeletedFile) -> Result<Metadata, TreeError> {
        self.facts_of_deleted(file)
    }

    fn open_deleted(
        &self,
        file: &DeletedFile,
        stream: Option<&NtName>,
    ) -> Result<Box<dyn Stream>, TreeError> {
        self.open_what_is_left(file, stream)
    }

    fn noticed(&self, below: &[NtPath]) -> Vec<Finding> {
        let known = self.compared.lock().unwrap_or_else(PoisonError::into_inner);
        let is_wanted =
            |path: &NtPath| below.iter().any(|top| path.names().starts_with(top.names()));
        let mut findings: Vec<_> = known
            .findings
            .iter()
            .filter(|(path, _)| is_wanted(path))
            .map(|(_, finding)| finding.clone())
            .collect();
        if known.more > 0 {
            findings.push(Finding {
                code: "ntfs-index-more",
                severity: Severity::Warning,
                path: self.info.source.clone(),
                what: format!("{} more differences between folders and their indexes.", known.more),
                meaning: "The volume is badly damaged.".into(),
                action: "Copy first. chkdsk can mend the indexes when the copy is safe.".into(),
            });
        }
        findings
    }

    fn lookup(&self, path: &NtPath) -> Result<NodeId, TreeError> {
        let mut at = self.root();
        for name in path.names() {
            let folder = Folder::from_id(at);
            let by_index = || {
                let comparison = self.comparison(folder)?;
                let added = comparison.added.iter().find(|(own, _)| own == name);
                let renamed = || self.catalog.child_named(folder, comparison.old_name(name)?);
                added.map(|(_, node)| *node).or_else(renamed)
            };
            at = self.catalog.child_named(folder, name).or_else(by_index).ok_or_else(|| {
                TreeError::NotFound {
                    path: path.to_string(),
                    source_name: self.info.source.clone(),
                }
            })?;
        }
        Ok(at)
    }
}

fn label(volume: &Arc<Volume>) -> Option<String> {
    let file = File::load(volume, known::VOLUME, &Vec::new).ok()?;
    match &file.find(kind::VOLUME_NAME, None)?.body {
        Body::Resident(bytes) => Some(String::from_utf16_lossy(&utf16(bytes))),
        Body::NonResident { .. } => None,
    }
}

fn standard_information(file: &File) -> Option<StandardInformation> {
    match &file.find(kind::STANDARD_INFORMATION, None)?.body {
        Body::Resident(value) => StandardInformation::parse(value),
        Body::NonResident { .. } => None,
    }
}

/// Why `name` is in doubt, which a folder's index or a name that Lifeboat made up gave.
fn misnamed(file: &File, name: &NtName) -> Option<String> {
    let names = file.all(kind::FILE_NAME).filter_map(|attribute| match &attribute.body {
        Body::Resident(value) => FileName::parse(value),
        Body::NonResident { .. } => None,
    });
    let mut names: Vec<NtName> = names.map(|own| own.name()).collect();
    if names.contains(name) {
        return None;
    }
    names.truncate(1);
    Some(another_name(names.first()))
}

/// The DOS name beside `name` (or beside any, for `None`): it stands in the
/// same directory, and only a name of the namespace "Win32" has one.
fn short_name(file: &File, name: Option<&NtName>) -> Option<NtName> {
    let names = || {
        file.all(kind::FILE_NAME).filter_map(|a| match &a.body {
            Body::Resident(value) => FileName::parse(value),
            Body::NonResident { .. } => None,
        })
    };
    let is_long = |n: &FileName<'_>| {
        n.namespace == Namespace::Win32 && name.is_none_or(|name| n.name() == *name)
    };
    let mut dos_names = names().filter(|n| n.namespace == Namespace::Dos);
    let found = dos_names.find(|dos| names().any(|n| is_long(&n) && n.parent == dos.parent));
    found.map(|dos| dos.name())
}

/// The alternate data streams. The one with WOF's compressed data is not the user's.
fn streams(file: &File, kind: &Kind) -> Vec<StreamInfo> {
    let is_hidden = |a: &FileAttribute| {
        a.name.is_empty()
            || matches!(kind, Kind::Wof(_)) && a.name.as_wtf8() == wof::STREAM.as_bytes()
    };
    let named = file.all(kind::DATA).filter(|a| !is_hidden(a));
    let mut streams: Vec<_> =
        named.map(|a| StreamInfo { name: a.name.clone(), size: a.size() }).collect();
    streams.sort_by(|a, b| a.name.cmp(&b.name));
    streams.dedup_by(|a, b| a.name == b.name);
    streams
}
