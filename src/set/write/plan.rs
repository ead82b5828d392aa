//! The content of a set and its order, fixed before the first byte is read.
//!
//! The order depends only on the source, so the same source gives the same set. A
//! member costs 36 bytes and its name: a million fit into 100 MiB.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::plan_builder::{self, Built};
use crate::model::finding::Finding;
use crate::model::metadata::NodeId;
use crate::model::monitor::Monitor;
use crate::model::name::{NtName, NtPath};
use crate::set::error::SetError;
use crate::set::format::hash::to_hex;
use crate::set::format::kinds::PartRole;
use crate::set::format::rescue::{Part, PartUser};
use crate::tree::Tree;

/// A part to be saved: a folder tree of one volume.
#[derive(Clone)]
pub struct PlanPart {
    /// The volume.
    pub tree: Arc<dyn Tree>,
    /// The drive letter it had in Windows (`C`), or `volume-<serial>`.
    pub drive: String,
    /// How the letter is known, for people.
    pub drive_from: String,
    /// The store path below the volume's root (`StateStore`).
    pub path: NtPath,
    /// What it is to the store, or that it is a folder.
    pub role: PartRole,
    /// Folders and files to include, below the volume's root.
    pub take: Vec<NtPath>,
    /// What to exclude from that, below the volume's root: skipped by rule, and recorded
    /// in the set.
    pub skip: Vec<NtPath>,
    /// The user whose folder it is, if it was chosen as that.
    pub user: Option<PartUser>,
}

impl PlanPart {
    /// The part as it is written into `rescue.json`.
    pub(crate) fn to_part(&self) -> Part {
        let info = self.tree.info();
        Part {
            drive: self.drive.clone(),
            drive_from: self.drive_from.clone(),
            path: self.path.to_string(),
            role: self.role.clone(),
            volume_serial: info.serial.map(|serial| format!("{serial:016x}")),
            volume_label: info.label.clone(),
            skipped: self.skip.iter().map(ToString::to_string).collect(),
            file_system: info.file_system.clone(),
            via: info.via.as_str().to_owned(),
            user: self.user.clone(),
        }
    }
}

/// The kind of a planned member.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PlanKind {
    /// A folder, or a junction.
    Directory,
    /// A file.
    File,
    /// A hard link to that member of the plan.
    Link(usize),
}

/// One member of the plan.
#[derive(Clone, Copy)]
pub struct PlanMember<'a> {
    /// Its kind.
    pub kind: PlanKind,
    /// The tree that it is read from.
    pub tree: &'a dyn Tree,
    /// The file.
    pub node: NodeId,
    /// Bytes of the unnamed stream, as planned.
    pub size: u64,
    /// What could not be planned normally.
    pub trouble: Option<Trouble>,
    /// Whether the set is of users' folders: what only a cloud has is no loss there.
    pub is_users: bool,
}

/// A problem with a planned member. Each becomes a loss.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trouble {
    /// Only its name is known.
    Unknown,
    /// A folder whose contents cannot be listed.
    Unlistable,
    /// A folder that is in the tree a second time; its contents are not repeated.
    Repeated,
    /// The name is not valid (`..`, or contains `/`) and was changed.
    Renamed,
}

/// Totals of a plan.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PlanTotals {
    /// Files.
    pub files: u64,
    /// Folders.
    pub directories: u64,
    /// Hard links.
    pub links: u64,
    /// Bytes of the unnamed streams. Alternate data streams are not included: counting
    /// them would require opening every file.
    pub bytes: u64,
}

/// The content of a set, in order.
pub struct Plan {
    parts: Vec<PlanPart>,
    trees: Vec<Arc<dyn Tree>>,
    entries: Vec<Entry>,
    names: Vec<u8>,
    /// Indices into `entries`, in the order of the set.
    order: Vec<u32>,
    totals: PlanTotals,
    digest: [u8; 32],
    took: Duration,
}

/// A member in memory.
pub(crate) struct Entry {
    pub(crate) node: NodeId,
    pub(crate) size: u64,
    /// Index of the parent folder; its own for a drive.
    pub(crate) parent: u32,
    pub(crate) name_at: u32,
    pub(crate) name_len: u16,
    pub(crate) tree: u8,
    pub(crate) shape: Shape,
    /// A folder to list: not a junction.
    pub(crate) enter: bool,
    pub(crate) trouble: Option<Trouble>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shape {
    Directory,
    File,
    Link,
}

impl Plan {
    /// Reads everything that the parts list and fixes the order.
    ///
    /// A folder that cannot be listed, or a file without readable metadata, is a member
    /// with a [`Trouble`]; it becomes a loss when the set is made.
    ///
    /// # Errors
    /// A path to include does not exist; the parts cannot be combined.
    pub fn make(parts: Vec<PlanPart>, monitor: &dyn Monitor) -> Result<Self, SetError> {
        let begun = Instant::now();
        let Built { trees, entries, names, order, totals, digest } =
            plan_builder::build(&parts, monitor)?;
        let took = begun.elapsed();
        Ok(Self { parts, trees, entries, names, order, totals, digest, took })
    }

    /// The parts of the plan.
    pub fn parts(&self) -> &[PlanPart] {
        &self.parts
    }

    /// What was found wrong with the folders while they were listed.
    pub fn noticed(&self) -> Vec<Finding> {
        self.parts.iter().flat_map(|part| part.tree.noticed(&part.take)).collect()
    }

    /// The number of members.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether the plan is empty.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Totals.
    pub fn totals(&self) -> PlanTotals {
        self.totals
    }

    /// How long it took to make.
    pub fn took(&self) -> Duration {
        self.took
    }

    /// SHA-256 over the state of the source, in hex: paths, kinds, sizes, times, node ids
    /// and positions. Another digest means another source.
    pub fn digest(&self) -> String {
        to_hex(&self.digest)
    }

    /// Identifies the store or folder, whatever its content: SHA-256 over drives, volumes
    /// and paths of the parts, in hex.
    pub(crate) fn source_id(&self) -> String {
        let mut hash = Sha256::new();
        for part in &self.parts {
            hash.update(b"\0part\0");
            hash.update(part.drive.as_bytes());
            hash.update(part.tree.info().serial.unwrap_or(0).to_le_bytes());
            for name in part.path.names() {
                hash.update(b"\0");
                hash.update(name.as_wtf8());
            }
            hash.update(b"\0\0");
            hash.update(part.role.as_str().as_bytes());
        }
        to_hex(&hash.finalize())
    }

    /// The member at an index of the order.
    pub fn member(&self, index: usize) -> Option<PlanMember<'_>> {
        let entry = self.entry(index)?;
        let kind = match entry.shape {
            Shape::Directory => PlanKind::Directory,
            Shape::File => PlanKind::File,
            Shape::Link => {
                // A file's hard links come right after it.
                let shape = |i: usize| self.entry(i).map(|e| e.shape);
                PlanKind::Link((0..index).rev().find(|&i| shape(i) != Some(Shape::Link))?)
            }
        };
        let tree = &**self.trees.get(usize::from(entry.tree))?;
        // Recovered files are a part of no user.
        let is_users = self.parts.iter().any(|part| part.user.is_some());
        let Entry { node, size, trouble, .. } = *entry;
        Some(PlanMember { kind, tree, node, size, trouble, is_users })
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

    /// The member's name; for a drive its letter.
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
