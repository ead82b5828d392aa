//! The raw way in: a [`Tree`] over the structures of an NTFS volume.
//!
//! Names, folders and cheap facts come from one sweep over `$MFT`; a file's
//! further facts from its records; its bytes straight from the device. What
//! lost its directory stands in `$Orphans` (see the catalog's documentation).
//! System files are not listed, but [`Tree::lookup`] finds them by name.
//!
//! Where records are damaged, folders list also what their index alone still
//! tells (`crate::ntfs::salvage::lost_names`): a file of which nothing but its name is
//! left must not be missing without a word.

mod stream;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use stream::{Efs, Plain, Wof};

use super::{Entry, Stream, Tree, TreeError, TreeInfo, Via};
use crate::disk::Device;
use crate::model::finding::Finding;
use crate::model::metadata::{
    Content, Metadata, Node, NodeId, NodeKind, StreamInfo, Times, attributes,
};
use crate::model::monitor::{Monitor, Stage};
use crate::model::name::{NtName, NtPath};
use crate::ntfs::error::NtfsError;
use crate::ntfs::ondisk::attribute::kind;
use crate::ntfs::ondisk::file_name::{FileName, Namespace};
use crate::ntfs::ondisk::record::{FileRef, Record, known};
use crate::ntfs::ondisk::standard_information::StandardInformation;
use crate::ntfs::read::volume::{Repair, Volume};
use crate::ntfs::read::wof;
use crate::ntfs::{
    Body, Catalog, CatalogEntry, DeletedFile, EfsData, File, FileAttribute, Folder, Kind, Security,
    WofData, check_indexes, entry_flag, is_lost_folder, kind_of, list_deleted, lost_names,
    of_volume, sweep,
};

/// Reparse data is 16 KiB at most (MS-FSCC 2.1.2); EAs and descriptors 64 KiB.
const MAX_FACT_BYTES: usize = 256 << 10;

/// What only indexes tell is remembered of so many folders and names: some 32 MiB.
const MOST_REMEMBERED: usize = 400_000;

/// An NTFS volume as a tree.
pub struct NtfsTree {
    volume: Arc<Volume>,
    catalog: Catalog,
    security: Security,
    info: TreeInfo,
    findings: Vec<Finding>,
    /// One bit a record, see [`NtfsTree::deleted`].
    deleted: Vec<u64>,
    /// Records are damaged: files may be known by their names in indexes alone.
    may_lack: bool,
    /// What was found so, by the folder's record.
    lost: Mutex<Remembered>,
}

/// Names that only the indexes of folders tell, by the folder's record.
#[derive(Default)]
struct Remembered {
    by_folder: BTreeMap<u32, Vec<(NtName, NodeId)>>,
    /// Folders and names.
    count: usize,
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
        let (catalog, report) = sweep(&volume, monitor)?;
        let findings = of_volume(&source, &volume, &catalog, &repairs, &report);
        let mended = &report.mended;
        let tallies = [&report.damaged, &report.bad, &report.foreign, &report.unreadable];
        let may_lack = mended.orphans + mended.nameless > 0
            || tallies.iter().any(|tally| tally.count > 0)
            || repairs.iter().any(|repair| matches!(repair, Repair::MftIncomplete { .. }));
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
            may_lack,
            lost: Mutex::default(),
        })
    }

    /// What was found wrong with the volume while it was opened.
    pub fn findings(&self) -> Vec<Finding> {
        self.findings.clone()
    }

    /// Where directory indexes disagree with the file records. Reads every
    /// directory, so it takes a while on a large volume.
    pub fn check_indexes(&self, monitor: &dyn Monitor) -> Vec<Finding> {
        check_indexes(&self.info.source, &self.volume, &self.catalog, monitor)
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
            let record = FileRef(id.0).number();
            let not_found = NtfsError::NotFound { what: "the file".into(), record };
            // A name may have led here whose record is damaged: then that says more.
            let why = self
                .volume
                .read_record(record)
                .and_then(|(mut bytes, at)| Record::parse(&mut bytes, at).map(drop));
            why.err().unwrap_or(not_found).into()
        })
    }

    /// What the folder's index alone still tells of. An index is read once: the
    /// disk may be failing.
    fn lost_in(&self, folder: Folder) -> Vec<(NtName, NodeId)> {
        let Folder::Record(record) = folder else { return Vec::new() };
        if !self.may_lack {
            return Vec::new();
        }
        let known = || self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lost) = known().by_folder.get(&record) {
            return lost.clone();
        }
        // Without the lock: a slow disk holds up nobody else.
        let lost = lost_names(&self.volume, &self.catalog, record);
        let mut known = known();
        let count = known.count + 1 + lost.len();
        if count <= MOST_REMEMBERED {
            known.count = count;
            known.by_folder.insert(record, lost.clone());
        }
        lost
    }

    fn file(&self, entry: &CatalogEntry) -> Result<File, NtfsError> {
        let extensions = || self.catalog.extensions(entry.record);
        File::load(&self.volume, u64::from(entry.record), &extensions)
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

    fn root(&self) -> NodeId {
        // A root whose record is lost still has the children that name it.
        let root = u32::try_from(known::ROOT).ok().and_then(|record| self.catalog.entry(record));
        root.map_or(NodeId(known::ROOT), CatalogEntry::id)
    }

    fn node(&self, id: NodeId) -> Result<Node, TreeError> {
        if self.is_made_up(id) {
            return Ok(made_up(id));
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
        let lost = self.lost_in(folder);
        if !lost.is_empty() {
            children.extend(lost);
            children.sort();
        }
        Ok(children.into_iter().map(|(name, node)| Entry { name, node }).collect())
    }

    fn facts(&self, id: NodeId, name: Option<&NtName>) -> Result<Metadata, TreeError> {
        if self.is_made_up(id) {
            let lost = "the folder's own record is lost, and with it owner, permissions and times";
            let damaged = is_lost_folder(id).then(|| lost.to_owned());
            return Ok(Metadata { damaged: damaged.into_iter().collect(), ..Metadata::default() });
        }
        let file = self.file(self.entry(id)?)?;
        let mut facts = Metadata { damaged: file.damage.clone(), ..Metadata::default() };
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
        facts.security = match standard_information(&file).and_then(|s| s.security_id) {
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
        facts.short_name = short_name(&file, name);
        let kind = self.kind(&file);
        facts.streams = streams(&file, &kind);
        facts.content = match kind {
            Kind::Plain => Content::Data,
            Kind::Wof(algorithm) => Content::Wof(algorithm.as_str()),
            Kind::Encrypted => match EfsData::new(&self.volume, &file) {
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

    fn open(&self, id: NodeId, stream: Option<&NtName>) -> Result<Box<dyn Stream>, TreeError> {
        let file = self.file(self.entry(id)?)?;
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
                    return Ok(Box::new(Wof(WofData::new(algorithm, data.size(), reader))));
                }
                Kind::Encrypted => {
                    let export = EfsData::new(&self.volume, &file);
                    return match export {
                        Ok(export) => Ok(Box::new(Efs(export))),
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
        self.catalog.node(id).is_some_and(|entry| entry.has(entry_flag::DAMAGED))
            || is_lost_folder(id)
    }

    fn deleted(
        &self,
        wanted: &dyn Fn(&NtPath) -> bool,
        monitor: &dyn Monitor,
    ) -> Result<Vec<DeletedFile>, TreeError> {
        Ok(list_deleted(&self.volume, &self.catalog, &self.deleted, wanted, monitor)?)
    }

    fn lookup(&self, path: &NtPath) -> Result<NodeId, TreeError> {
        let mut at = self.root();
        for name in path.names() {
            let folder = Folder::from_id(at);
            let lost = || {
                let mut lost = self.lost_in(folder).into_iter();
                lost.find(|(own, _)| own == name).map(|(_, node)| node)
            };
            at = self.catalog.child_named(folder, name).or_else(lost).ok_or_else(|| {
                TreeError::NotFound {
                    path: path.to_string(),
                    source_name: self.info.source.clone(),
                }
            })?;
        }
        Ok(at)
    }
}

fn made_up(id: NodeId) -> Node {
    Node {
        id,
        kind: NodeKind::Directory,
        attributes: attributes::DIRECTORY,
        times: Times::default(),
        size: 0,
        allocated: 0,
        links: 1,
        reparse_tag: None,
        position: None,
    }
}

fn label(volume: &Arc<Volume>) -> Option<String> {
    let file = File::load(volume, known::VOLUME, &Vec::new).ok()?;
    match &file.find(kind::VOLUME_NAME, None)?.body {
        Body::Resident(bytes) => {
            let units: Vec<_> =
                bytes.chunks_exact(2).map(|u| u16::from_le_bytes([u[0], u[1]])).collect();
            Some(String::from_utf16_lossy(&units))
        }
        Body::NonResident { .. } => None,
    }
}

fn standard_information(file: &File) -> Option<StandardInformation> {
    match &file.find(kind::STANDARD_INFORMATION, None)?.body {
        Body::Resident(value) => StandardInformation::parse(value),
        Body::NonResident { .. } => None,
    }
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
