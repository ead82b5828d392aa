//! Finds the folders of sets below a destination.

use super::name::by_name;
use crate::destination::{Destination, DestinationEntry, DestinationError, ErrorKind};
use crate::model::monitor::Monitor;
use crate::set::format::names::{DELETING, JOURNAL, MANIFEST, PARTIAL, RESCUE, STORE};

/// How many folders below the destination a set may be: `DEST/site/department/set`.
pub(crate) const MAX_DEPTH: usize = 3;

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
}

/// Calls `each` for the folder of each set below the destination, in the order of their paths.
/// Links are not followed in a folder of this machine.
///
/// # Errors
/// The destination itself cannot be listed, or is lost; `each` fails.
pub fn walk<E: From<DestinationError>>(
    target: &dyn Destination,
    monitor: &dyn Monitor,
    each: &mut dyn FnMut(SetFolder) -> Result<(), E>,
) -> Result<Walked, E> {
    let mut walked = Walked::default();
    let top = entries(target, "")?;
    // Reversed, so that the first is the last of the stack.
    let mut stack: Vec<(String, usize)> = folders("", &top).map(|path| (path, 1)).collect();
    stack.reverse();
    while let Some((path, depth)) = stack.pop() {
        if monitor.is_cancelled() {
            break;
        }
        let entries = match entries(target, &path) {
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
        } else if depth < MAX_DEPTH {
            let below: Vec<_> = folders(&path, &entries).map(|path| (path, depth + 1)).collect();
            stack.extend(below.into_iter().rev());
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

fn folders<'a>(
    above: &'a str,
    entries: &'a [DestinationEntry],
) -> impl Iterator<Item = String> + 'a {
    let is_system = |name: &str| {
        name.starts_with('.') || SYSTEM.iter().any(|known| known.eq_ignore_ascii_case(name))
    };
    let is_one = move |entry: &&DestinationEntry| entry.is_dir && !is_system(&entry.name);
    entries.iter().filter(is_one).map(move |entry| match above {
        "" => entry.name.clone(),
        above => format!("{above}/{}", entry.name),
    })
}

/// The entries of a folder, sorted by name.
fn entries(target: &dyn Destination, dir: &str) -> Result<Vec<DestinationEntry>, DestinationError> {
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
        entries.push(DestinationEntry { name, is_dir, size });
    }
    Ok(entries)
}
