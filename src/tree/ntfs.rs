//! The raw way in: a [`Tree`] over the structures of an NTFS volume.
//!
//! Names, folders and cheap facts come from one sweep over `$MFT`; a file's
//! further facts from its records; its bytes straight from the device. What
//! lost its directory stands in `$Orphans` (see the catalog's documentation).
//! System files are not listed, but [`Tree::lookup`] finds them by name.

use std::sync::Arc;

use super::{Entry, Stream, Tree, TreeError, TreeInfo, Via};
use crate::disk::Device;
use crate::facts::{Content, Facts, Hole, Node, NodeId, NodeKind, StreamInfo, Times, attributes};
use crate::monitor::{Monitor, Stage};
use crate::name::{NtName, NtPath};
use crate::ntfs::attribute::kind;
use crate::ntfs::data::DataReader;
use crate::ntfs::file_name::{FileName, Namespace};
use crate::ntfs::record::{FileRef, known};
use crate::ntfs::standard_information::StandardInformation;
use crate::ntfs::volume::Volume;
use crate::ntfs::{
    Body, Catalog, CatalogEntry, File, Folder, NtfsError, Security, WOF_STREAM, entry_flag, sweep,
};

/// Reparse data is 16 KiB at most (MS-FSCC 2.1.2); EAs and descriptors 64 KiB.
const MAX_FACT_BYTES: usize = 256 << 10;

/// An NTFS volume as a tree.
pub struct NtfsTree {
    volume: Arc<Volume>,
    catalog: Catalog,
    security: Security,
    info: TreeInfo,
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
        let (volume, _repairs) = Volume::open(device)?;
        let volume = Arc::new(volume);
        let (catalog, _report) = sweep(&volume, monitor)?;
        let info = TreeInfo {
            via: Via::Raw,
            source,
            file_system: "NTFS".into(),
            label: label(&volume).unwrap_or_default(),
            serial: Some(volume.boot().serial),
            cluster_bytes: volume.boot().cluster_bytes,
        };
        Ok(Self { volume, catalog, security: Security::default(), info })
    }

    /// Every path of a file: one for each hard link.
    pub fn paths(&self, id: NodeId) -> Vec<NtPath> {
        self.entry(id).map(|entry| self.catalog.paths(entry.record)).unwrap_or_default()
    }

    fn entry(&self, id: NodeId) -> Result<&CatalogEntry, TreeError> {
        self.catalog.node(id).ok_or_else(|| {
            let record = FileRef(id.0).number();
            NtfsError::NotFound { what: "the file".into(), record }.into()
        })
    }

    fn file(&self, entry: &CatalogEntry) -> Result<File, NtfsError> {
        let extensions = || self.catalog.extensions(entry.record);
        File::load(&self.volume, u64::from(entry.record), &extensions)
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
        if self.catalog.has_folder(Folder::from_id(id)) || id == NodeId(known::ROOT) {
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
        let folder = Folder::from_id(id);
        if matches!(folder, Folder::Record(_)) && id != NodeId(known::ROOT) {
            self.entry(id)?;
        }
        let children = self.catalog.children(folder);
        Ok(children.into_iter().map(|(name, node)| Entry { name, node }).collect())
    }

    fn facts(&self, id: NodeId, name: Option<&NtName>) -> Result<Facts, TreeError> {
        if self.catalog.has_folder(Folder::from_id(id)) {
            return Ok(Facts::default());
        }
        let file = self.file(self.entry(id)?)?;
        let mut facts = Facts { damaged: file.damage.clone(), ..Facts::default() };
        let mut value = |kind: u32, what: &str| {
            let attribute = file.find(kind, None)?;
            let value = file.value(&self.volume, attribute, MAX_FACT_BYTES);
            value.map_err(|error| facts.damaged.push(format!("{what}: {error}"))).ok()
        };
        facts.reparse = value(kind::REPARSE_POINT, "reparse data");
        facts.object_id = value(kind::OBJECT_ID, "object id");
        facts.extended_attributes = value(kind::EA, "extended attributes");
        let old_style = value(kind::SECURITY_DESCRIPTOR, "security descriptor");
        facts.security = match security_id(&file) {
            None => old_style,
            Some(security_id) => match self.security.get(&self.volume, security_id) {
                Ok(descriptor) => Some(descriptor),
                Err(error) => {
                    facts.damaged.push(format!("owner and permissions: {error}"));
                    old_style
                }
            },
        };
        facts.short_name = short_name(&file, name);
        facts.streams = streams(&file);
        facts.content = content(&file);
        Ok(facts)
    }

    fn open(&self, id: NodeId, stream: Option<&NtName>) -> Result<Box<dyn Stream>, TreeError> {
        let file = self.file(self.entry(id)?)?;
        let what = || stream.map_or("the data".into(), |name| format!("the stream {name}"));
        let attribute = file.find(kind::DATA, stream).ok_or_else(|| file.missing(&what()))?;
        let reader = file.reader(&self.volume, attribute)?;
        Ok(Box::new(PlainStream(reader)))
    }

    fn find_named(
        &self,
        names: &[&str],
        monitor: &dyn Monitor,
    ) -> Result<Vec<(NtPath, NodeId)>, TreeError> {
        let wanted = |name: &[u8]| names.iter().any(|n| name.eq_ignore_ascii_case(n.as_bytes()));
        let (found, is_all) = self.catalog.find(&wanted);
        if !is_all {
            monitor.note("Too many files have the names of a store; not all were looked at.");
        }
        Ok(found)
    }

    fn lookup(&self, path: &NtPath) -> Result<NodeId, TreeError> {
        let mut at = self.root();
        for name in path.names() {
            at = self.catalog.child_named(Folder::from_id(at), name).ok_or_else(|| {
                TreeError::NotFound {
                    path: path.to_string(),
                    source_name: self.info.source.clone(),
                }
            })?;
        }
        Ok(at)
    }
}

/// A stream read as it is.
struct PlainStream(DataReader);

impl Stream for PlainStream {
    fn len(&self) -> u64 {
        self.0.len()
    }

    fn read(&mut self, buf: &mut [u8]) -> Result<usize, TreeError> {
        Ok(self.0.read(buf)?)
    }

    fn skip(&mut self, bytes: u64) -> Result<(), TreeError> {
        self.0.seek(self.0.position().saturating_add(bytes));
        Ok(())
    }

    fn holes(&self) -> &[Hole] {
        self.0.holes()
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

fn security_id(file: &File) -> Option<u32> {
    match &file.find(kind::STANDARD_INFORMATION, None)?.body {
        Body::Resident(value) => StandardInformation::parse(value)?.security_id,
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

fn streams(file: &File) -> Vec<StreamInfo> {
    let named = file.all(kind::DATA).filter(|a| !a.name.is_empty());
    let mut streams: Vec<_> =
        named.map(|a| StreamInfo { name: a.name.clone(), size: a.size() }).collect();
    streams.sort_by(|a, b| a.name.cmp(&b.name));
    streams.dedup_by(|a, b| a.name == b.name);
    streams
}

fn content(file: &File) -> Content {
    let wof = NtName::from(WOF_STREAM);
    if file.find(kind::DATA, Some(&wof)).is_some() {
        return Content::NotHere("compressed by Windows (Compact OS)".into());
    }
    match file.find(kind::DATA, None) {
        Some(data) if data.is_encrypted() => Content::EfsLost("encrypted".into()),
        _ => Content::Data,
    }
}
