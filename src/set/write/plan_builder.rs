//! Reads everything that a plan lists and fixes its order.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::draft::still_there;
use super::plan::{Entry, PlanPart, PlanTotals, Shape, Trouble};
use crate::model::metadata::{Node, NodeId, NodeKind, Times};
use crate::model::monitor::{Monitor, Progress, Stage};
use crate::model::name::{NtName, NtPath};
use crate::set::error::SetError;
use crate::tree::{Tree, TreeError};

/// The file system's own files in a volume's root (NTFS: records 0 to 11). They
/// describe the volume; a set has their information about the files anyway.
const METADATA: [&str; 11] = [
    "$MFT", "$MFTMirr", "$LogFile", "$Volume", "$AttrDef", "$Bitmap", "$Boot", "$BadClus",
    "$Secure", "$UpCase", "$Extend",
];

/// A plan under construction.
pub(crate) struct Built {
    pub(crate) trees: Vec<Arc<dyn Tree>>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) names: Vec<u8>,
    /// Indices into `entries`, in the order of the set.
    pub(crate) order: Vec<u32>,
    pub(crate) totals: PlanTotals,
    pub(crate) digest: [u8; 32],
}

/// Reads the parts.
pub(crate) fn build(parts: &[PlanPart], monitor: &dyn Monitor) -> Result<Built, SetError> {
    let mut builder = Builder::default();
    for drive in drives(parts)? {
        monitor.stage(Stage::Plan, &drive.tree.info().source);
        builder.drive(&drive, monitor)?;
    }
    let Builder { trees, entries, names, order, totals, hash, .. } = builder;
    let digest = hash.finalize().into();
    Ok(Built { trees, entries, names, order, totals, digest })
}

/// The parts of one volume.
struct Drive<'a> {
    letter: &'a str,
    tree: &'a Arc<dyn Tree>,
    parts: Vec<&'a PlanPart>,
}

impl Drive<'_> {
    /// Whether the whole volume is included.
    fn takes_all(&self) -> bool {
        self.parts.iter().any(|part| part.take.contains(&NtPath::root()))
    }
}

/// The parts by drive, in the order of each drive's first part.
fn drives(parts: &[PlanPart]) -> Result<Vec<Drive<'_>>, SetError> {
    let unfit = |what: String| Err(SetError::Unfit { what });
    let mut drives: Vec<Drive<'_>> = Vec::new();
    for part in parts {
        let letter = part.drive.as_str();
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if letter.is_empty() || letter.len() > 64 || !letter.bytes().all(plain) {
            return unfit(format!("{letter:?} is not a valid drive name in a set"));
        }
        match drives.iter_mut().find(|d| d.letter.eq_ignore_ascii_case(letter)) {
            Some(drive) if Arc::ptr_eq(drive.tree, &part.tree) => drive.parts.push(part),
            Some(_) => return unfit(format!("two volumes have the name {letter}:")),
            None => drives.push(Drive { letter, tree: &part.tree, parts: vec![part] }),
        }
    }
    if drives.len() > usize::from(u8::MAX) {
        return unfit(format!("{} volumes are too many for one set", drives.len()));
    }
    Ok(drives)
}

/// A file's name, to be sorted.
struct Listed {
    node: NodeId,
    /// `u64::MAX` if unknown: after all others.
    position: u64,
    entry: u32,
    /// The index among the names of one file.
    link: u16,
    /// USMT's own files go first: see [`marker_rank`].
    rank: u8,
}

#[derive(Default)]
struct Builder {
    trees: Vec<Arc<dyn Tree>>,
    entries: Vec<Entry>,
    names: Vec<u8>,
    order: Vec<u32>,
    totals: PlanTotals,
    hash: Sha256,
    /// Files of the current drive.
    files: Vec<Listed>,
    /// Folders of the current drive that were listed.
    entered: HashSet<NodeId>,
    /// Excluded files and folders of the current drive.
    skip: HashSet<NodeId>,
    /// Parents of the included folders, by their own parent and name.
    above: HashMap<(u32, NtName), u32>,
}

impl Builder {
    fn drive(&mut self, drive: &Drive<'_>, monitor: &dyn Monitor) -> Result<(), SetError> {
        let tree = &**drive.tree;
        // `drives` has limited their number.
        let number = u8::try_from(self.trees.len()).unwrap_or(u8::MAX);
        self.trees.push(Arc::clone(drive.tree));
        self.hash.update(b"lifeboat plan 1\0");
        self.hash.update(drive.letter.as_bytes());
        self.hash.update(tree.info().serial.unwrap_or(0).to_le_bytes());
        self.hash.update([u8::from(tree.info().serial.is_some())]);

        self.skip = skipped(drive);

        let root =
            self.add_above(number, None, &drive.letter.into(), &tree.node(tree.root())?, drive)?;
        self.order.push(root);
        for take in canonical_takes(drive)? {
            let mut at = root;
            let Some((last, above)) = take.split_last() else {
                self.walk(tree, root, drive, monitor)?;
                continue;
            };
            for entry in above {
                let key = (at, entry.name.clone());
                at = if let Some(&known) = self.above.get(&key) {
                    known
                } else {
                    let node = tree.node(entry.node)?;
                    let new = self.add_above(number, Some(at), &entry.name, &node, drive)?;
                    self.order.push(new);
                    self.above.insert(key, new);
                    new
                };
            }
            let taken = self.child(tree, at, last, &[], drive)?;
            if self.is_directory(taken) {
                self.walk(tree, taken, drive, monitor)?;
            }
        }
        self.put_files();
        self.entered.clear();
        self.above.clear();
        Ok(())
    }

    /// Lists a folder and everything below it, folders sorted by path.
    fn walk(
        &mut self,
        tree: &dyn Tree,
        top: u32,
        drive: &Drive<'_>,
        monitor: &dyn Monitor,
    ) -> Result<(), SetError> {
        let mut pending = vec![top];
        while let Some(at) = pending.pop() {
            if monitor.is_cancelled() {
                return Err(SetError::Cancelled { set: None });
            }
            if self.order.last() != Some(&at) {
                self.order.push(at);
            }
            let node = self.entries[at as usize].node;
            if !self.entries[at as usize].enter {
                continue; // a junction: a member, but never followed
            }
            if !self.entered.insert(node) {
                self.entries[at as usize].trouble = Some(Trouble::Repeated);
                continue;
            }
            let mut children = match tree.children(node).map_err(still_there) {
                Ok(children) => children,
                Err(Err(error)) => return Err(error),
                Err(Ok(_)) => {
                    self.entries[at as usize].trouble = Some(Trouble::Unlistable);
                    continue;
                }
            };
            children.sort_by(|a, b| a.name.cmp(&b.name));
            let first_directory = pending.len();
            for entry in &children {
                let is_metadata =
                    || METADATA.iter().any(|own| entry.name.eq_ignore_ascii_case(own));
                if self.skip.contains(&entry.node) || (node == tree.root() && is_metadata()) {
                    continue;
                }
                let child = self.child(tree, at, entry, &children, drive)?;
                if self.is_directory(child) {
                    pending.push(child);
                }
            }
            pending[first_directory..].reverse();
            let files = self.totals.files + self.totals.links + self.totals.directories;
            monitor.progress(Progress { files, bytes: self.totals.bytes, ..Progress::default() });
        }
        Ok(())
    }

    /// Adds a file or folder; files are sorted into the order later.
    fn child(
        &mut self,
        tree: &dyn Tree,
        parent: u32,
        entry: &crate::tree::Entry,
        siblings: &[crate::tree::Entry],
        drive: &Drive<'_>,
    ) -> Result<u32, SetError> {
        let number = self.entries[parent as usize].tree;
        let node = match tree.node(entry.node).map_err(still_there) {
            Err(Err(error)) => return Err(error),
            node => node.map_err(|_| entry.node),
        };
        let position = node.as_ref().ok().and_then(|node| node.position);
        let name = safe_name(&entry.name, siblings);
        let index = self.add(number, Some(parent), name.as_ref().unwrap_or(&entry.name), node)?;
        if name.is_some() {
            self.entries[index as usize].trouble.get_or_insert(Trouble::Renamed);
        }
        if !self.is_directory(index) {
            let rank = match marker_rank(&entry.name) {
                Some(rank) if self.is_store_folder(parent, drive) => rank,
                _ => u8::MAX,
            };
            let position = position.unwrap_or(u64::MAX);
            self.files.push(Listed { node: entry.node, position, entry: index, link: 0, rank });
        }
        Ok(index)
    }

    /// Adds a parent of an included folder. Its times are not part of the plan: they
    /// change with files that are not in the set.
    fn add_above(
        &mut self,
        tree: u8,
        parent: Option<u32>,
        name: &NtName,
        node: &Node,
        drive: &Drive<'_>,
    ) -> Result<u32, SetError> {
        let is_taken = parent.is_none() && drive.takes_all();
        let times = if is_taken { node.times } else { Times::default() };
        let (size, position) = if is_taken { (node.size, node.position) } else { (0, None) };
        self.add(tree, parent, name, Ok(Node { times, size, position, ..*node }))
    }

    fn add(
        &mut self,
        tree: u8,
        parent: Option<u32>,
        name: &NtName,
        node: Result<Node, NodeId>,
    ) -> Result<u32, SetError> {
        let too_many = || SetError::Unfit { what: "too many files for one set".to_owned() };
        let index = u32::try_from(self.entries.len()).map_err(|_| too_many())?;
        let bytes = name.as_wtf8();
        let name_at = u32::try_from(self.names.len()).map_err(|_| too_many())?;
        let name_len = u16::try_from(bytes.len()).map_err(|_| too_many())?;
        self.names.extend_from_slice(bytes);
        let parent = parent.unwrap_or(index);

        self.hash.update(parent.to_le_bytes());
        self.hash.update(name_len.to_le_bytes());
        self.hash.update(bytes);
        let entry = match node {
            Ok(node) => {
                let directory = node.kind == NodeKind::Directory;
                let times = node.times;
                for value in [
                    u64::from(directory),
                    u64::from(node.reparse_tag.unwrap_or(0)),
                    node.size,
                    times.modified.0,
                    times.changed.0,
                    node.id.0,
                    u64::from(node.position.is_some()),
                    node.position.unwrap_or(0),
                ] {
                    self.hash.update(value.to_le_bytes());
                }
                let size = if directory { 0 } else { node.size };
                let shape = if directory { Shape::Directory } else { Shape::File };
                let (enter, trouble, node) = (node.is_plain_directory(), None, node.id);
                self.totals.directories += u64::from(directory);
                Entry { node, size, parent, name_at, name_len, tree, shape, enter, trouble }
            }
            Err(node) => {
                self.hash.update(b"unknown");
                let (size, shape, enter) = (0, Shape::File, false);
                let trouble = Some(Trouble::Unknown);
                Entry { node, size, parent, name_at, name_len, tree, shape, enter, trouble }
            }
        };
        self.entries.push(entry);
        Ok(index)
    }

    fn is_directory(&self, index: u32) -> bool {
        self.entries[index as usize].shape == Shape::Directory
    }

    /// Whether the folder is the `USMT` folder of a part of the drive.
    fn is_store_folder(&self, index: u32, drive: &Drive<'_>) -> bool {
        let mut names = Vec::new();
        let mut at = index;
        loop {
            let entry = &self.entries[at as usize];
            if entry.parent == at {
                break;
            }
            let start = entry.name_at as usize;
            names.push(&self.names[start..start + usize::from(entry.name_len)]);
            at = entry.parent;
        }
        let Some((usmt, store)) = names.split_first() else { return false };
        let same = |path: &NtPath| {
            path.names().len() == store.len()
                && path
                    .names()
                    .iter()
                    .rev()
                    .zip(store)
                    .all(|(a, b)| a.as_wtf8().eq_ignore_ascii_case(b))
        };
        usmt.eq_ignore_ascii_case(b"USMT") && drive.parts.iter().any(|part| same(&part.path))
    }

    /// Puts the drive's files into the order: USMT's own first, then by position on
    /// the disk; the names of one file together.
    fn put_files(&mut self) {
        let mut files = std::mem::take(&mut self.files);
        files.sort_unstable_by_key(|f| (f.node, f.rank, f.entry));
        let mut at = 0;
        while at < files.len() {
            let first = &files[at];
            let (node, rank, position) = (first.node, first.rank, first.position);
            let names = files[at..].iter_mut().take_while(|f| f.node == node);
            for (i, file) in names.enumerate() {
                // All names of a file sort by its first one, to stay together.
                (file.rank, file.position) = (rank, position);
                // NTFS allows 1024 names (CreateHardLinkW, "Remarks").
                file.link = u16::try_from(i).unwrap_or(u16::MAX);
                let entry = &mut self.entries[file.entry as usize];
                if i > 0 && entry.trouble != Some(Trouble::Unknown) {
                    entry.shape = Shape::Link;
                    entry.size = 0;
                    self.totals.links += 1;
                } else {
                    self.totals.files += 1;
                    self.totals.bytes = self.totals.bytes.saturating_add(entry.size);
                }
                at += 1;
            }
        }
        files.sort_unstable_by_key(|f| (f.rank, f.position, f.node, f.link, f.entry));
        self.order.extend(files.iter().map(|f| f.entry));
    }
}

/// The folders and files to include from a drive, with the names on the disk: sorted,
/// none within another. Each is the list of entries from the root.
fn canonical_takes(drive: &Drive<'_>) -> Result<Vec<Vec<crate::tree::Entry>>, SetError> {
    let tree = &**drive.tree;
    let mut takes = Vec::new();
    for path in drive.parts.iter().flat_map(|part| &part.take) {
        takes.push(resolve(tree, path)?);
    }
    let names = |take: &[crate::tree::Entry]| -> Vec<NtName> {
        take.iter().map(|entry| entry.name.clone()).collect()
    };
    takes.sort_by_key(|take| names(take));
    takes.dedup_by(|later, earlier| names(later).starts_with(&names(earlier)));
    Ok(takes)
}

/// The folders and files to exclude, if they exist.
fn skipped(drive: &Drive<'_>) -> HashSet<NodeId> {
    let paths = drive.parts.iter().flat_map(|part| &part.skip);
    let found = paths.filter_map(|path| resolve(&**drive.tree, path).ok()?.pop());
    found.map(|entry| entry.node).collect()
}

fn resolve(tree: &dyn Tree, path: &NtPath) -> Result<Vec<crate::tree::Entry>, TreeError> {
    let mut found: Vec<crate::tree::Entry> = Vec::new();
    for name in path.names() {
        let at = found.last().map_or(tree.root(), |entry| entry.node);
        let entries = tree.children(at)?;
        let exact = entries.iter().find(|e| e.name == *name);
        let loose = || {
            entries.iter().find(|e| name.as_str().is_some_and(|n| e.name.eq_ignore_ascii_case(n)))
        };
        let entry = exact.or_else(loose).ok_or_else(|| TreeError::NotFound {
            path: path.to_string(),
            source_name: tree.info().source.clone(),
        })?;
        found.push(entry.clone());
    }
    Ok(found)
}

/// The files that identify a store, in the order in which a reader needs them; `None`
/// for all others.
fn marker_rank(name: &NtName) -> Option<u8> {
    let starts = |prefix: &str| {
        name.as_wtf8()
            .get(..prefix.len())
            .is_some_and(|p| p.eq_ignore_ascii_case(prefix.as_bytes()))
    };
    let exact = ["catalog.mig", "MIGSTATE.DAT", "status.~lg"];
    if let Some(rank) = exact.iter().position(|marker| name.eq_ignore_ascii_case(marker)) {
        return u8::try_from(rank).ok();
    }
    match () {
        () if starts("hardlink.") => Some(3),
        () if starts("USMT.MIG") || starts("USMT3.MIG") => Some(4),
        () => None,
    }
}

/// A valid replacement for a name that is not allowed in a path (no NTFS driver makes
/// one, a damaged or forged volume may have one); `None` if the name is valid.
fn safe_name(name: &NtName, siblings: &[crate::tree::Entry]) -> Option<NtName> {
    let bytes = name.as_wtf8();
    let special = |b: &u8| matches!(b, b'/' | 0);
    if !matches!(bytes, b"" | b"." | b"..") && !bytes.iter().any(special) {
        return None;
    }
    let mut safe: Vec<u8> = Vec::new();
    for &byte in bytes {
        match byte {
            b'/' => safe.extend(b"%2F"),
            0 => safe.extend(b"%00"),
            b'.' => safe.extend(b"%2E"),
            other => safe.push(other),
        }
    }
    loop {
        safe.push(b'%');
        // Only ASCII was inserted between whole sequences: it is still WTF-8.
        let candidate = NtName::from_wtf8(&safe)?;
        if siblings.iter().all(|entry| entry.name != candidate) {
            return Some(candidate);
        }
    }
}
