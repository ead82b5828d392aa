//! Finds the folders of sets below a destination.

use std::hash::{BuildHasher as _, RandomState};

use super::name::by_name;
use crate::destination::{Destination, DestinationEntry, DestinationError, ErrorKind};
use crate::model::monitor::Monitor;
use crate::set::format::names::{DELETING, JOURNAL, MANIFEST, PARTIAL, RESCUE, STORE};

/// How many folders may be between the destination and a set that is listed:
/// `DEST/country/site/department/set`.
pub(crate) const MAX_DEPTH: usize = 3;
/// The same where every set is to be found. A loop that a server makes of a link ends here.
pub(crate) const MOST_DEPTH: usize = 64;

/// Folders that systems and file servers keep for themselves: what was deleted, earlier states,
/// thumbnails. A set in one of them is none that anybody should restore, or delete.
const SYSTEM: [&str; 9] = [
    "System Volume Information",
    "$RECYCLE.BIN",
    "lost+found",
    "DfsrPrivate",
    "#recycle",
    "#snapshot",
    "~snapshot",
    "@eaDir",
    "@Recycle",
];

/// The folder of a set, whole or not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SetFolder {
    /// Its path at the destination.
    pub path: String,
    /// What is in it. A link is neither a folder nor followed, where that can be known.
    pub entries: Vec<DestinationEntry>,
}

impl SetFolder {
    /// The folder at a path.
    ///
    /// # Errors
    /// It cannot be listed.
    pub fn at(target: &dyn Destination, path: &str) -> Result<Self, DestinationError> {
        Ok(Self { path: path.to_owned(), entries: target.list(path)? })
    }
}

/// What was not searched.
#[derive(Debug, Default)]
pub struct Walked {
    /// The number of folders of sets.
    pub found: u64,
    /// Folders that could not be listed: a set may be there.
    pub failed: Vec<DestinationError>,
    /// Folders that were not entered, since they are too deep, or show the same as one above them.
    pub deep: Vec<String>,
    /// Links to folders, which are not followed.
    pub links: Vec<String>,
    /// Folders that systems and servers keep for themselves, which are not entered.
    pub system: Vec<String>,
}

/// A folder to be searched.
struct Below {
    path: String,
    /// How many folders are between it and the destination.
    depth: usize,
    /// What the folders above it have, as hashes: a server may show a link as a folder.
    above: Vec<u64>,
}

/// Calls `each` for the folder of each set below the destination, in the order of their paths, with
/// at most `most` folders between them. Links are not followed in a folder of this machine.
///
/// # Errors
/// The destination itself cannot be listed, or is lost; `each` fails.
pub fn walk<E: From<DestinationError>>(
    target: &dyn Destination,
    monitor: &dyn Monitor,
    most: usize,
    each: &mut dyn FnMut(SetFolder) -> Result<(), E>,
) -> Result<Walked, E> {
    let mut walked = Walked::default();
    let top = entries(target, "", &mut walked)?;
    let hasher = RandomState::new();
    let hash = |entries: &[DestinationEntry]| {
        let mut names: Vec<_> = entries.iter().map(|e| (&e.name, e.is_dir, e.size)).collect();
        names.sort_unstable();
        hasher.hash_one(names)
    };
    // A short search ends soon enough, and must not miss anything.
    let may_loop = target.local_root().is_none() && most > MAX_DEPTH;
    let mut stack = Vec::new();
    // The last first, so that the first is the top of the stack.
    let below = |folders: Vec<String>, depth, above: &[u64]| {
        let one = move |path| Below { path, depth, above: above.to_vec() };
        folders.into_iter().rev().map(one).collect::<Vec<_>>()
    };
    stack.extend(below(folders("", &top, &mut walked), 0, &[hash(&top)]));
    while let Some(Below { path, depth, above }) = stack.pop() {
        if monitor.is_cancelled() {
            break;
        }
        let entries = match entries(target, &path, &mut walked) {
            Ok(entries) => entries,
            // Deleted or renamed since.
            Err(error) if error.kind == ErrorKind::NotFound => continue,
            Err(error) if is_lost(&error) => return Err(error.into()),
            Err(error) => {
                walked.failed.push(error);
                continue;
            }
        };
        if is_set(&path, &entries) {
            walked.found += 1;
            each(SetFolder { path, entries })?;
            continue;
        }
        let folders = folders(&path, &entries, &mut walked);
        if folders.is_empty() {
            continue;
        }
        let own = hash(&entries);
        let is_loop = may_loop && above.contains(&own);
        if depth >= most || is_loop {
            walked.deep.push(path);
        } else {
            stack.extend(below(folders, depth + 1, &[&above[..], &[own]].concat()));
        }
    }
    Ok(walked)
}

/// Whether a folder is that of a set: a whole one, an unfinished one, what a deletion left, or
/// one that lacks its description.
fn is_set(path: &str, entries: &[DestinationEntry]) -> bool {
    let is_file = |name: &str| entries.iter().any(|entry| !entry.is_dir && entry.name == name);
    let is_store = |entry: &DestinationEntry| {
        !entry.is_dir && (entry.name.starts_with(STORE) || entry.name.starts_with(MANIFEST))
    };
    (path.ends_with(DELETING) && by_name(path.rsplit('/').next().unwrap_or_default()).is_some())
        || is_file(RESCUE)
        || is_file(JOURNAL)
        || (path.ends_with(PARTIAL) && (entries.is_empty() || entries.iter().any(is_store)))
        || entries.iter().any(is_store)
}

/// Whether no other folder will fare better.
fn is_lost(error: &DestinationError) -> bool {
    matches!(error.kind, ErrorKind::Unreachable | ErrorKind::Logon | ErrorKind::Transient)
}

/// The folders to be searched; takes note of the others.
fn folders(above: &str, entries: &[DestinationEntry], walked: &mut Walked) -> Vec<String> {
    let is_system = |name: &str| {
        name.starts_with('.') || SYSTEM.iter().any(|known| known.eq_ignore_ascii_case(name))
    };
    let all = entries.iter().filter(|entry| entry.is_dir);
    let (system, folders): (Vec<_>, Vec<_>) = all.partition(|entry| is_system(&entry.name));
    walked.system.extend(system.into_iter().map(|entry| below(above, &entry.name)));
    folders.into_iter().map(|entry| below(above, &entry.name)).collect()
}

fn below(above: &str, name: &str) -> String {
    if above.is_empty() { name.to_owned() } else { format!("{above}/{name}") }
}

/// The entries of a folder, sorted by name. Takes note of links to folders.
fn entries(
    target: &dyn Destination,
    dir: &str,
    walked: &mut Walked,
) -> Result<Vec<DestinationEntry>, DestinationError> {
    let Some(root) = target.local_root() else { return target.list(dir) };
    let folder = root.join(dir);
    let mut entries = Vec::new();
    let walk = walkdir::WalkDir::new(folder).min_depth(1).max_depth(1).sort_by_file_name();
    for entry in walk {
        // The destination has words for the same error.
        let Ok(entry) = entry else { return target.list(dir) };
        let is_dir = entry.file_type().is_dir();
        let size = match entry.metadata() {
            Ok(meta) if !is_dir => meta.len(),
            _ => 0,
        };
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path_is_symlink() && entry.path().is_dir() {
            walked.links.push(below(dir, &name));
        }
        entries.push(DestinationEntry { name, is_dir, size });
    }
    Ok(entries)
}
