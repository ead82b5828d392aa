//! One view of files, whichever way they are read: from a raw NTFS volume
//! ([`ntfs`](crate::ntfs)), through the host's file API, or from memory.

pub mod fat;
pub mod host;
pub mod memory;
pub mod ntfs;
pub mod recovered;
pub mod source;
pub mod subtree;
pub(crate) mod time_limited;

use crate::model::exhausted;
use crate::model::finding::{Finding, Severity};
use crate::model::loss::Hole;
use crate::model::metadata::{Metadata, Node, NodeId};
use crate::model::monitor::Monitor;
use crate::model::name::{NtName, NtPath};
use crate::model::units;
use crate::ntfs::DeletedFile;

/// How many folders that cannot be searched are named.
const MAX_UNSEARCHED: usize = 3;

/// A name in a directory. DOS (8.3) names are no entries; see
/// [`Metadata::short_name`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The name.
    pub name: NtName,
    /// Whose name it is.
    pub node: NodeId,
}

/// How a tree is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Via {
    /// From the volume's own structures on the device.
    Raw,
    /// Through the host's file API.
    Host,
    /// From memory.
    Memory,
}

impl Via {
    /// The stable name, as in `--via` and `--json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Host => "host",
            Self::Memory => "memory",
        }
    }
}

/// What a tree is a tree of.
#[derive(Clone, Debug)]
pub struct TreeInfo {
    /// How it is read.
    pub via: Via,
    /// Where it was opened, for people: `disk.img, partition 2`, `/mnt/c`.
    pub source: String,
    /// File system, for people: `NTFS`, or what the host calls it.
    pub file_system: String,
    /// The volume's label; empty if it has none, or if it is not known.
    pub label: String,
    /// The 64-bit NTFS serial number; `None` where the host does not tell.
    pub serial: Option<u64>,
    /// Bytes per cluster; 0 when not known.
    pub cluster_bytes: u32,
}

/// Why a file could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// No such file in the tree.
    #[error("{path}: not found on {source_name}")]
    NotFound {
        /// What was asked for.
        path: String,
        /// Of which tree.
        source_name: String,
    },
    /// The volume's structures are damaged there.
    #[error(transparent)]
    Ntfs(#[from] crate::ntfs::error::NtfsError),
    /// A folder's index has the name, and nothing else is left of the file.
    #[error("{reason}")]
    OnlyAName {
        /// Why, for people.
        reason: String,
    },
    /// The host said no.
    #[error("{path}: {error}")]
    Host {
        /// Which file.
        path: String,
        /// What the host said.
        error: std::io::Error,
    },
    /// The stream exists, but its bytes are not to be had from here (EFS that
    /// cannot be exported, a cloud placeholder).
    #[error("{path}: {reason}")]
    NoData {
        /// Which file.
        path: String,
        /// Why, for people.
        reason: String,
    },
}

/// Whether a folder is one that the system closes to all others, and that has nobody's files.
fn is_of_system(path: &NtPath) -> bool {
    let closed = ["System Volume Information", "lost+found"];
    let is = |name: &NtName| closed.iter().any(|closed| name.eq_ignore_ascii_case(closed));
    path.names().last().is_some_and(is)
}

impl TreeError {
    /// Whether it is not there, or not any more.
    fn is_not_found(&self) -> bool {
        match self {
            Self::NotFound { .. } => true,
            Self::Host { error, .. } => error.kind() == std::io::ErrorKind::NotFound,
            _ => false,
        }
    }

    /// Whether the whole source is no longer there (a disk that was unplugged):
    /// that is no loss of this one file, and nothing further will come.
    pub fn is_gone(&self) -> bool {
        match self {
            Self::Ntfs(error) => error.is_gone(),
            Self::Host { error, .. } => crate::disk::is_gone(error),
            Self::NotFound { .. } | Self::OnlyAName { .. } | Self::NoData { .. } => false,
        }
    }
}

impl TreeError {
    /// Whether this PC has no more memory or open files: that is no loss of this one file.
    pub(crate) fn is_exhausted(&self) -> bool {
        match self {
            Self::Ntfs(error) => error.is_exhausted(),
            Self::Host { error, .. } => exhausted::is_exhausted(error),
            Self::NotFound { .. } | Self::OnlyAName { .. } | Self::NoData { .. } => false,
        }
    }
}

/// The bytes of one stream, in order. Ranges of the medium that cannot be read
/// come as zeros and are listed by [`Stream::holes`]; an `Err` means that the
/// rest of the stream cannot be had at all.
pub trait Stream: Send {
    /// Bytes in all. What is read may fall short of it on `Err` only.
    fn len(&self) -> u64;

    /// Whether the stream is empty.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The next bytes; 0 at the end. Fills `buf` whole except at the end.
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, TreeError>;

    /// Passes over `bytes` without reading them where that is possible.
    fn skip(&mut self, bytes: u64) -> Result<(), TreeError>;

    /// The holes met so far, in order.
    fn holes(&self) -> &[Hole];

    /// Why what was read may not be the stream's own bytes, although it could be read; for
    /// people. Only deleted files have that.
    fn doubt(&self) -> Option<String> {
        None
    }

    /// Whether the file was written since it was opened: what was read may then be of two
    /// versions. `false` where that cannot be asked.
    fn was_written(&self) -> bool {
        false
    }

    /// From now on a failing medium is not asked again, in smaller pieces: once
    /// there is a hole, all that follows may come as one, unread. The caller opens
    /// the stream again when everything else is saved.
    fn set_fail_fast(&mut self, _hasty: bool) {}
}

/// The files of one volume or folder, read-only.
///
/// Links and reparse points are never followed. Nothing that implements this
/// ever writes to what it reads.
pub trait Tree: Send + Sync {
    /// What it is a tree of.
    fn info(&self) -> &TreeInfo;

    /// The topmost directory.
    fn root(&self) -> NodeId;

    /// The cheap facts of a file.
    fn node(&self, id: NodeId) -> Result<Node, TreeError>;

    /// The names in a directory, in byte order; empty for a file. The raw tree
    /// goes by the file records, so that what a broken index forgot is there.
    fn children(&self, id: NodeId) -> Result<Vec<Entry>, TreeError>;

    /// The facts that need more reading. `name` tells which of several links
    /// the DOS name is wanted for.
    fn facts(&self, id: NodeId, name: Option<&NtName>) -> Result<Metadata, TreeError>;

    /// Opens the unnamed stream (`None`) or a named one.
    fn open(&self, id: NodeId, stream: Option<&NtName>) -> Result<Box<dyn Stream>, TreeError>;

    /// What was found wrong with folders below these paths while they were listed.
    fn noticed(&self, below: &[NtPath]) -> Vec<Finding> {
        let _ = below;
        Vec::new()
    }

    /// Why what is read of its volume may be wrong without a word, for people.
    fn damage(&self) -> &[String] {
        &[]
    }

    /// Deleted files (and directories) whose path `wanted` likes, by path. A file
    /// stands below `$Orphans` where its path is not known to the end. Costs about
    /// as much as opening the volume did; none where the tree cannot show them,
    /// as only the raw one can.
    fn deleted(
        &self,
        wanted: &dyn Fn(&NtPath) -> bool,
        monitor: &dyn Monitor,
    ) -> Result<Vec<DeletedFile>, TreeError> {
        let _ = (wanted, monitor);
        Ok(Vec::new())
    }

    /// The facts of a deleted file that need more reading.
    fn deleted_facts(&self, file: &DeletedFile) -> Result<Metadata, TreeError> {
        Err(not_deleted(self.info(), &file.path()))
    }

    /// Opens what is left of a stream of a deleted file: what belongs to other files now is a
    /// hole.
    fn open_deleted(
        &self,
        file: &DeletedFile,
        stream: Option<&NtName>,
    ) -> Result<Box<dyn Stream>, TreeError> {
        let _ = stream;
        Err(not_deleted(self.info(), &file.path()))
    }

    /// Every file or directory called one of `names` (ASCII case ignored), with
    /// its path below the root. The raw tree answers from its sweep, without
    /// walking; stops early when the monitor is cancelled. Folders that cannot be
    /// searched are a finding.
    fn find_named(
        &self,
        names: &[&str],
        monitor: &dyn Monitor,
    ) -> Result<Vec<(NtPath, NodeId)>, TreeError> {
        let mut found = Vec::new();
        let mut unsearched = Vec::new();
        let (mut more, mut hidden) = (0_u64, 0);
        let mut pending = vec![(NtPath::root(), self.root())];
        while let Some((path, dir)) = pending.pop() {
            if monitor.is_cancelled() {
                break;
            }
            let entries = match self.children(dir) {
                Ok(entries) => entries,
                // It hides its own, not the others.
                Err(error) if is_of_system(&path) || error.is_not_found() => continue,
                // A mount that cannot show the folders of a cloud: no store is in them.
                Err(error @ TreeError::NoData { .. }) => {
                    if hidden < MAX_UNSEARCHED {
                        monitor.note(&format!("not searched: {error}"));
                    }
                    hidden += 1;
                    continue;
                }
                Err(error) if unsearched.len() < MAX_UNSEARCHED => {
                    unsearched.push(error.to_string());
                    continue;
                }
                Err(_) => {
                    more += 1;
                    continue;
                }
            };
            for entry in entries {
                let Ok(node) = self.node(entry.node) else { continue };
                let child = path.join(entry.name.clone());
                if names.iter().any(|n| entry.name.eq_ignore_ascii_case(n)) {
                    found.push((child.clone(), entry.node));
                }
                if node.is_plain_directory() {
                    pending.push((child, entry.node));
                }
            }
        }
        if !unsearched.is_empty() {
            let more = match more {
                0 => String::new(),
                more => format!("; and {}", units::count(more, "more folder", "more folders")),
            };
            monitor.finding(&Finding {
                code: "search-cut-short",
                severity: Severity::Warning,
                path: self.info().source.clone(),
                what: format!("not searched: {}{more}", unsearched.join("; ")),
                meaning: "A store in there was not found.".into(),
                action: "Run Lifeboat as administrator (root), or give it access to these folders."
                    .into(),
            });
        }
        found.sort();
        Ok(found)
    }

    /// Whether what NTFS holds about a file is damaged, so that its other facts
    /// may be wrong or short. Only the raw tree sees that.
    fn is_damaged(&self, _id: NodeId) -> bool {
        false
    }

    /// The node at `path`; ASCII case is ignored where no name fits exactly.
    fn lookup(&self, path: &NtPath) -> Result<NodeId, TreeError> {
        let mut at = self.root();
        for name in path.names() {
            at = self.lookup_in(at, name).map_err(|error| match error {
                TreeError::NotFound { source_name, .. } => {
                    TreeError::NotFound { path: path.to_string(), source_name }
                }
                other => other,
            })?;
        }
        Ok(at)
    }

    /// The node called `name` in `folder`; ASCII case is ignored where no name
    /// fits exactly.
    fn lookup_in(&self, folder: NodeId, name: &NtName) -> Result<NodeId, TreeError> {
        lookup_in_listing(self, folder, name)
    }
}

/// The node at `path`, and the path with its names as they are in the tree.
///
/// # Errors
/// There is no such file, or a folder above it cannot be listed.
pub fn exact_path(tree: &dyn Tree, path: &NtPath) -> Result<(NtPath, NodeId), TreeError> {
    let mut at = tree.root();
    let mut names = NtPath::root();
    for name in path.names() {
        let next = tree.lookup_in(at, name)?;
        let entries = tree.children(at)?;
        let is_own = |entry: &&Entry| entry.node == next && entry.name == *name;
        let is_alike = |entry: &&Entry| {
            let alike = |name| entry.name.eq_ignore_ascii_case(name);
            entry.node == next && name.as_str().is_some_and(alike)
        };
        let own = entries.iter().find(is_own).or_else(|| entries.iter().find(is_alike));
        names = names.join(own.map_or_else(|| name.clone(), |entry| entry.name.clone()));
        at = next;
    }
    Ok((names, at))
}

/// Only a tree that lists deleted files can read them.
fn not_deleted(info: &TreeInfo, path: &NtPath) -> TreeError {
    TreeError::NotFound { path: path.to_string(), source_name: info.source.clone() }
}

/// The node called `name` by a listing of the folder.
fn lookup_in_listing<T: Tree + ?Sized>(
    tree: &T,
    folder: NodeId,
    name: &NtName,
) -> Result<NodeId, TreeError> {
    let entries = tree.children(folder)?;
    let exact = entries.iter().find(|e| e.name == *name);
    let loose = || {
        let text = name.as_str()?;
        entries.iter().find(|e| e.name.eq_ignore_ascii_case(text))
    };
    exact.or_else(loose).map(|entry| entry.node).ok_or_else(|| TreeError::NotFound {
        path: name.to_string(),
        source_name: tree.info().source.clone(),
    })
}
