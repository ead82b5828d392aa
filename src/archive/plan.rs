//! What goes into a set, in which order: fixed before the first byte is read.
//!
//! The order is the source's alone, so the same source gives the same set. One
//! member costs 36 bytes and its name: a million fit into 100 MiB.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::error::ArchiveError;
use super::hash::to_hex;
use crate::facts::{Node, NodeId, NodeKind};
use crate::monitor::{Monitor, Progress, Stage};
use crate::name::{NtName, NtPath};
use crate::tree::{Tree, TreeError};

/// One part of what is to be packed: a folder tree of one volume.
#[derive(Clone)]
pub struct PlanPart {
    /// The volume.
    pub tree: Arc<dyn Tree>,
    /// The drive letter it had in Windows (`C`), or `volume-<serial>`.
    pub drive: String,
    /// How sure the letter is, for people.
    pub drive_from: String,
    /// The store path below the volume's root (`StateStore`).
    pub path: NtPath,
    /// `primary`, `secondary`, `whole` or `folder`.
    pub role: String,
    /// Folders and files to take, below the volume's root.
    pub take: Vec<NtPath>,
}

/// What a planned member is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PlanKind {
    /// A folder, or a junction.
    Directory,
    /// A file.
    File,
    /// A further name of the file which is that member of the plan.
    Link(usize),
}

/// One member of the plan.
#[derive(Clone, Copy)]
pub struct PlanMember<'a> {
    /// What it is.
    pub kind: PlanKind,
    /// Where it is read from.
    pub tree: &'a dyn Tree,
    /// Which file.
    pub node: NodeId,
    /// Bytes of the unnamed stream, as planned.
    pub size: u64,
    /// What could not be planned as it should be.
    pub trouble: Option<Trouble>,
}

/// What is wrong with a planned member. Each becomes a loss.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trouble {
    /// Nothing is known of it but its name.
    Unknown,
    /// A folder whose contents cannot be listed.
    Unlistable,
    /// A folder that stands in the tree a second time; it was not entered again.
    Repeated,
    /// The name is none (`..`, or with a `/` in it) and was changed.
    Renamed,
}

/// Counts of a plan.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PlanTotals {
    /// Files.
    pub files: u64,
    /// Folders.
    pub directories: u64,
    /// Further links.
    pub links: u64,
    /// Bytes of the unnamed streams. Named streams come on top: to count them
    /// would take a look at every file.
    pub bytes: u64,
}

/// What goes into a set, in which order.
pub struct Plan {
    parts: Vec<PlanPart>,
    trees: Vec<Arc<dyn Tree>>,
    entries: Vec<Entry>,
    names: Vec<u8>,
    /// Indices into `entries`, in the order of the set.
    order: Vec<u32>,
    totals: PlanTotals,
    digest: [u8; 32],
}

/// A member as it is kept in memory.
struct Entry {
    node: NodeId,
    size: u64,
    /// Index of the folder above; its own for a drive.
    parent: u32,
    name_at: u32,
    name_len: u16,
    tree: u8,
    shape: Shape,
    /// A folder to look into: not a junction.
    enter: bool,
    trouble: Option<Trouble>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Shape {
    Directory,
    File,
    Link,
}

impl Plan {
    /// Looks at everything that the parts name and fixes the order.
    ///
    /// A folder that cannot be listed, or a file of which nothing can be known,
    /// is a member with a [`Trouble`]; it becomes a loss when the set is made.
    ///
    /// # Errors
    /// A path to take that is not there; parts that do not fit together.
    pub fn make(parts: Vec<PlanPart>, monitor: &dyn Monitor) -> Result<Self, ArchiveError> {
        let mut builder = Builder::default();
        for drive in drives(&parts)? {
            monitor.stage(Stage::Plan, &drive.tree.info().source);
            builder.drive(&drive, monitor)?;
        }
        if monitor.is_cancelled() {
            return Err(ArchiveError::Cancelled { set: None });
        }
        let Builder { trees, entries, names, order, totals, hash, .. } = builder;
        let digest = hash.finalize().into();
        Ok(Self { parts, trees, entries, names, order, totals, digest })
    }

    /// The parts it was made from.
    pub fn parts(&self) -> &[PlanPart] {
        &self.parts
    }

    /// Members in all.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether there is nothing to pack.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Counts.
    pub fn totals(&self) -> PlanTotals {
        self.totals
    }

    /// SHA-256 over what the source was, in hex: paths, kinds, sizes, times,
    /// node ids and positions. Another digest means another source.
    pub fn digest(&self) -> String {
        to_hex(&self.digest)
    }

    /// The member at a place of the order.
    pub fn member(&self, index: usize) -> Option<PlanMember<'_>> {
        let entry = self.entry(index)?;
        let kind = match entry.shape {
            Shape::Directory => PlanKind::Directory,
            Shape::File => PlanKind::File,
            Shape::Link => {
                // A file's links stand right behind it.
                let shape = |i: usize| self.entry(i).map(|e| e.shape);
                PlanKind::Link((0..index).rev().find(|&i| shape(i) != Some(Shape::Link))?)
            }
        };
        let tree = &**self.trees.get(usize::from(entry.tree))?;
        Some(PlanMember { kind, tree, node: entry.node, size: entry.size, trouble: entry.trouble })
    }

    /// The member's path in the set, `C/StateStore/…`, in WTF-8.
    pub fn path(&self, index: usize) -> Vec<u8> {
        let mut names = Vec::new();
        let mut at = self.order.get(index).copied();
        while let Some((i, entry)) = at.and_then(|i| Some((i, self.entries.get(i as usize)?))) {
            names.push(self.name(entry));
            at = (entry.parent != i).then_some(entry.parent);
        }
        names.reverse();
        names.join(&b'/')
    }

    /// The member's own name; for a drive its letter.
    pub fn file_name(&self, index: usize) -> Option<NtName> {
        NtName::from_wtf8(self.name(self.entry(index)?))
    }

    fn entry(&self, index: usize) -> Option<&Entry> {
        self.entries.get(*self.order.get(index)? as usize)
    }

    fn name(&self, entry: &Entry) -> &[u8] {
        let start = entry.name_at as usize;
        self.names.get(start..start + usize::from(entry.name_len)).unwrap_or_default()
    }
}

/// The parts of one volume.
struct Drive<'a> {
    letter: &'a str,
    tree: &'a Arc<dyn Tree>,
    parts: Vec<&'a PlanPart>,
}

/// The parts by drive, in the order of each drive's first part.
fn drives(parts: &[PlanPart]) -> Result<Vec<Drive<'_>>, ArchiveError> {
    let unfit = |what: String| Err(ArchiveError::Unfit { what });
    let mut drives: Vec<Drive<'_>> = Vec::new();
    for part in parts {
        let letter = part.drive.as_str();
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if letter.is_empty() || letter.len() > 64 || !letter.bytes().all(plain) {
            return unfit(format!("{letter:?} is no name for a drive in a set"));
        }
        match drives.iter_mut().find(|d| d.letter.eq_ignore_ascii_case(letter)) {
            Some(drive) if Arc::ptr_eq(drive.tree, &part.tree) => drive.parts.push(part),
            Some(_) => return unfit(format!("two volumes are both called {letter}:")),
            None => drives.push(Drive { letter, tree: &part.tree, parts: vec![part] }),
        }
    }
    if drives.len() > usize::from(u8::MAX) {
        return unfit(format!("{} volumes are more than one set holds", drives.len()));
    }
    Ok(drives)
}

/// A file's name on its way into the order.
struct Listed {
    node: NodeId,
    /// `u64::MAX` where it is not known: behind all others.
    position: u64,
    entry: u32,
    /// Which of the names of one file it is.
    link: u16,
    /// What goes first: USMT's own files, see [`marker_rank`].
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
    /// Files of the present drive.
    files: Vec<Listed>,
    /// Folders of the present drive that were entered.
    entered: HashSet<NodeId>,
    /// Folders above those to take, by the folder above them and their name.
    above: HashMap<(u32, NtName), u32>,
}

impl Builder {
    fn drive(&mut self, drive: &Drive<'_>, monitor: &dyn Monitor) -> Result<(), ArchiveError> {
        let tree = &**drive.tree;
        // `drives` saw to it that there are few.
        let number = u8::try_from(self.trees.len()).unwrap_or(u8::MAX);
        self.trees.push(Arc::clone(drive.tree));
        self.hash.update(b"lifeboat plan 1\0");
        self.hash.update(drive.letter.as_bytes());
        self.hash.update(tree.info().serial.unwrap_or(0).to_le_bytes());
        self.hash.update([u8::from(tree.info().serial.is_some())]);

        let root = self.add(number, None, &drive.letter.into(), Ok(tree.node(tree.root())?))?;
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
                    let new = self.add(number, Some(at), &entry.name, Ok(node))?;
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

    /// Lists a folder and everything below it, folders in the order of paths.
    fn walk(
        &mut self,
        tree: &dyn Tree,
        top: u32,
        drive: &Drive<'_>,
        monitor: &dyn Monitor,
    ) -> Result<(), ArchiveError> {
        let mut pending = vec![top];
        while let Some(at) = pending.pop() {
            if monitor.is_cancelled() {
                return Err(ArchiveError::Cancelled { set: None });
            }
            if self.order.last() != Some(&at) {
                self.order.push(at);
            }
            let node = self.entries[at as usize].node;
            if !self.entries[at as usize].enter {
                continue; // a junction: a member, never entered
            }
            if !self.entered.insert(node) {
                self.entries[at as usize].trouble = Some(Trouble::Repeated);
                continue;
            }
            let Ok(mut children) = tree.children(node) else {
                self.entries[at as usize].trouble = Some(Trouble::Unlistable);
                continue;
            };
            children.sort_by(|a, b| a.name.cmp(&b.name));
            let first_directory = pending.len();
            for entry in &children {
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

    /// Adds a file or folder; its files' turn in the order comes later.
    fn child(
        &mut self,
        tree: &dyn Tree,
        parent: u32,
        entry: &crate::tree::Entry,
        siblings: &[crate::tree::Entry],
        drive: &Drive<'_>,
    ) -> Result<u32, ArchiveError> {
        let number = self.entries[parent as usize].tree;
        let node = tree.node(entry.node).map_err(|_| entry.node);
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

    fn add(
        &mut self,
        tree: u8,
        parent: Option<u32>,
        name: &NtName,
        node: Result<Node, NodeId>,
    ) -> Result<u32, ArchiveError> {
        let too_many = || ArchiveError::Unfit { what: "more files than one set holds".to_owned() };
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

    /// Whether the folder is the `USMT` folder of one of the drive's parts.
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

    /// Puts the drive's files into the order: USMT's own first, then as they
    /// lie on the disk; the names of one file together.
    fn put_files(&mut self) {
        let mut files = std::mem::take(&mut self.files);
        files.sort_unstable_by_key(|f| (f.node, f.rank, f.entry));
        let mut at = 0;
        while at < files.len() {
            let first = &files[at];
            let (node, rank, position) = (first.node, first.rank, first.position);
            let names = files[at..].iter_mut().take_while(|f| f.node == node);
            for (i, file) in names.enumerate() {
                // The first name speaks for all, so that they stay together.
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

/// What to take of a drive, by the names as they stand there: sorted, none
/// within another. Each is the entries from the root down.
fn canonical_takes(drive: &Drive<'_>) -> Result<Vec<Vec<crate::tree::Entry>>, ArchiveError> {
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

/// The files that make a store a store, in the order in which a reader wants
/// them; `None` for all others.
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
        () if starts("USMT.MIG") => Some(4),
        () => None,
    }
}

/// A name that may stand in a path instead of one that may not (no NTFS driver
/// makes such, a damaged or forged volume may hold them); `None` if it may.
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
        // Only ASCII was put between whole sequences: it is still WTF-8.
        let candidate = NtName::from_wtf8(&safe)?;
        if siblings.iter().all(|entry| entry.name != candidate) {
            return Some(candidate);
        }
    }
}
