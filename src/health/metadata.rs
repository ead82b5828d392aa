//! Checks every file of a store by its metadata alone, for `--level quick`.
//! Time grows with the number of files, memory with the largest folder.

use std::collections::HashSet;

use super::codes::{
    DELETED_FILES, ENCRYPTED_FILES, ENCRYPTED_LOST, NAMES_REFUSED, NO_USERS, NOT_HERE, PATHS_LONG,
    RECORD_DAMAGED, REPARSE_POINTS, SIZE_CONTRADICTS, UNREADABLE,
};
use super::deleted::left;
use super::many::Many;
use super::names;
use crate::model::finding::Finding;
use crate::model::metadata::{Content, Node, NodeKind, attributes};
use crate::model::monitor::Monitor;
use crate::model::name::{NtName, NtPath};
use crate::model::recovered::RecoveredCount;
use crate::tree::{Entry, TreeError, Via};
use crate::usmt::layout::{FILE, is_profiles_folder};
use crate::usmt::{Part, Role, Store, StoreKind, is_container_name};

/// The longest path for programs without long-path support, in UTF-16 units
/// without the final zero (`MAX_PATH`).
const LONG_PATH: usize = 259;
/// The number of deleted files of one part that are reported.
const MAX_DELETED: u64 = 10_000;
/// A file whose data is in its record is smaller than the largest record.
const RESIDENT_LIMIT: u64 = 4096;
/// The reparse tag of Compact OS files: read as plain data.
const WOF: u32 = 0x8000_0017;

/// What was checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Looked {
    /// Files, counted by name: a hard link counts again.
    pub(super) files: u64,
    /// Profiles below `File\X$\Users`.
    pub(super) profiles: u64,
    /// Files that were deleted from the store.
    pub(super) deleted: RecoveredCount,
}

/// Checks every file of `store`.
pub(super) fn look(store: &Store, monitor: &dyn Monitor, say: &mut dyn FnMut(Finding)) -> Looked {
    let mut looked = Looked::default();
    for part in &store.parts {
        let mut walk = Walk::new(part);
        walk.run(monitor, say);
        walk.tell(say);
        looked.files += walk.looked.files;
        looked.profiles += walk.looked.profiles;
        part.tree.noticed(std::slice::from_ref(&part.usmt_path)).into_iter().for_each(&mut *say);
        looked.deleted.join(&check_deleted_files(part, monitor, say));
    }
    let has_primary = store.parts.iter().any(|part| part.role != Role::Secondary);
    // For a compressed store, `container` checks the names inside it.
    if store.kind != StoreKind::Compressed && has_primary && looked.profiles == 0 {
        say(NO_USERS.at(store.display(), "it contains no user profile (File\\X$\\Users)"));
    }
    looked
}

/// Whether a hard-link or uncompressed store has the folder of no user. `false` if its folders
/// cannot be listed.
pub(crate) fn has_no_user(store: &Store) -> bool {
    let has_user = |part: &Part| -> Result<bool, TreeError> {
        let mut pending = vec![(Place::Usmt, part.usmt)];
        while let Some((place, folder)) = pending.pop() {
            for entry in part.tree.children(folder)? {
                match place.inside(&entry.name) {
                    _ if place == Place::Users && is_somebody(&entry.name) => return Ok(true),
                    Place::Below => {}
                    next => pending.push((next, entry.node)),
                }
            }
        }
        Ok(false)
    };
    matches!(store.kind, StoreKind::HardLink | StoreKind::Uncompressed)
        && store.parts.iter().all(|part| has_user(part).is_ok_and(|has| !has))
}

/// The position of a folder in a store.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Usmt,
    File,
    Drive,
    Users,
    Below,
}

/// A folder whose entries are being checked.
struct Level {
    entries: std::vec::IntoIter<Entry>,
    place: Place,
    /// UTF-16 units of the path that the folder had before the capture, with
    /// the final backslash.
    units: usize,
}

struct Walk<'a> {
    part: &'a Part,
    /// Names from the `USMT` folder down to the present folder.
    path: Vec<NtName>,
    looked: Looked,
    /// Files with hard links that were checked, to check each once.
    seen: HashSet<crate::model::metadata::NodeId>,
    encrypted: Many,
    not_here: Many,
    reparse: Many,
    names: Many,
    long: Many,
}

impl<'a> Walk<'a> {
    fn new(part: &'a Part) -> Self {
        Self {
            part,
            path: Vec::new(),
            looked: Looked::default(),
            seen: HashSet::new(),
            encrypted: Many::new(&ENCRYPTED_FILES),
            not_here: Many::new(&NOT_HERE),
            reparse: Many::new(&REPARSE_POINTS),
            names: Many::new(&NAMES_REFUSED),
            long: Many::new(&PATHS_LONG),
        }
    }

    fn run(&mut self, monitor: &dyn Monitor, say: &mut dyn FnMut(Finding)) {
        let tree = &*self.part.tree;
        let top = match tree.children(self.part.usmt) {
            Ok(entries) => entries,
            Err(error) => return say(UNREADABLE.at(self.part.windows_path(), unreadable(&error))),
        };
        let units = self.part.windows_path().encode_utf16().count() + 1;
        let mut levels = vec![Level { entries: top.into_iter(), place: Place::Usmt, units }];
        while let Some(level) = levels.last_mut() {
            let Some(entry) = level.entries.next() else {
                levels.pop();
                self.path.pop();
                continue;
            };
            let (place, units) = (level.place, level.units);
            let node = match tree.node(entry.node) {
                Ok(node) => node,
                Err(error) => {
                    say(UNREADABLE.at(self.path_of(&entry.name), unreadable(&error)));
                    continue;
                }
            };
            self.name(&entry.name, units);
            if tree.is_damaged(entry.node) && self.is_new(&node) {
                let what = match node.kind {
                    NodeKind::File => "its file record is damaged",
                    NodeKind::Directory => "its file record or its list of names is damaged",
                };
                say(RECORD_DAMAGED.at(self.path_of(&entry.name), what));
            }
            if node.kind == NodeKind::File {
                self.looked.files += 1;
                self.file(&entry, &node, say);
                continue;
            }
            if node.reparse_tag.is_some() {
                self.reparse.add(|| path_of(self.part, &self.path, &entry.name));
            }
            let inside = place.inside(&entry.name);
            self.looked.profiles += u64::from(place == Place::Users && is_somebody(&entry.name));
            if !node.is_plain_directory() || monitor.is_cancelled() {
                continue;
            }
            match tree.children(entry.node) {
                Ok(entries) => {
                    let units = match inside {
                        // `File\C$` was `C:`.
                        Place::Drive => 3,
                        _ => units + entry.name.to_utf16().len() + 1,
                    };
                    levels.push(Level { entries: entries.into_iter(), place: inside, units });
                    self.path.push(entry.name);
                }
                Err(error) => say(UNREADABLE.at(self.path_of(&entry.name), unreadable(&error))),
            }
        }
    }

    fn path_of(&self, name: &NtName) -> String {
        path_of(self.part, &self.path, name)
    }

    /// Whether a file was not yet checked through another hard link.
    fn is_new(&mut self, node: &Node) -> bool {
        node.links <= 1 || self.seen.insert(node.id)
    }

    fn name(&mut self, name: &NtName, units: usize) {
        if let Some(why) = names::refused(name) {
            self.names.add(|| format!("{} ({why})", path_of(self.part, &self.path, name)));
        }
        // The length in bytes is at least that in units: most need no counting.
        if units + name.as_wtf8().len() > LONG_PATH && units + name.to_utf16().len() > LONG_PATH {
            self.long.add(|| path_of(self.part, &self.path, name));
        }
    }

    fn file(&mut self, entry: &Entry, node: &Node, say: &mut dyn FnMut(Finding)) {
        if let Some(what) = self.contradiction(node) {
            say(SIZE_CONTRADICTS.at(self.path_of(&entry.name), what));
        }
        let reparse = node.reparse_tag.is_some_and(|tag| tag != WOF);
        let special = node.attributes & attributes::ENCRYPTED != 0 || node.reparse_tag.is_some();
        if !special || !self.is_new(node) {
            return;
        }
        let path = || path_of(self.part, &self.path, &entry.name);
        match self.part.tree.facts(entry.node, None).map(|facts| facts.content) {
            Ok(Content::EfsRaw) => self.encrypted.add(path),
            Ok(Content::EfsLost(reason)) => {
                let what = format!("encrypted (EFS) and cannot be exported without loss: {reason}");
                say(ENCRYPTED_LOST.at(path(), what));
            }
            Ok(Content::NotHere(reason)) => {
                self.not_here.add(|| format!("{} ({reason})", path()));
            }
            Ok(Content::Data | Content::Wof(_)) if reparse => self.reparse.add(path),
            Ok(Content::Data | Content::Wof(_)) => {}
            Err(error) => say(UNREADABLE.at(path(), unreadable(&error))),
        }
    }

    /// Sizes that contradict each other. Only NTFS records give exact sizes.
    fn contradiction(&self, node: &Node) -> Option<String> {
        const THIN: u32 = attributes::SPARSE | attributes::COMPRESSED | attributes::OFFLINE;
        let info = self.part.tree.info();
        if info.via != Via::Raw || node.attributes & THIN != 0 || node.reparse_tag.is_some() {
            return None;
        }
        let (size, allocated) = (node.size, node.allocated);
        if allocated == 0 {
            return (size >= RESIDENT_LIMIT)
                .then(|| format!("its size is {size} bytes, but it has no space on the disk"));
        }
        (allocated < size).then(|| {
            format!("its size is {size} bytes, but it has only {allocated} bytes on the disk")
        })
    }

    fn tell(&self, say: &mut dyn FnMut(Finding)) {
        let at = self.part.windows_path();
        let all = [
            self.encrypted.finding(&at, "file is encrypted (EFS)", "files are encrypted (EFS)"),
            self.not_here.finding(
                &at,
                "file is a placeholder (its data is not on this disk)",
                "files are placeholders (their data is not on this disk)",
            ),
            self.reparse.finding(
                &at,
                "reparse point (junction, symbolic link or similar)",
                "reparse points (junctions, symbolic links and similar)",
            ),
            self.names.finding(&at, "name is not valid in Win32", "names are not valid in Win32"),
            self.long.finding(
                &at,
                "file or folder had a path of more than 259 characters",
                "files and folders had paths of more than 259 characters",
            ),
        ];
        all.into_iter().flatten().for_each(say);
    }
}

impl Place {
    /// What the folder `name` in this one is.
    fn inside(self, name: &NtName) -> Self {
        match self {
            Self::Usmt if name.eq_ignore_ascii_case(FILE) => Self::File,
            Self::File if matches!(name.as_wtf8(), [letter, b'$'] if letter.is_ascii_alphabetic()) => {
                Self::Drive
            }
            Self::Drive if is_profiles_folder(name) => Self::Users,
            _ => Self::Below,
        }
    }
}

/// Whether a folder in `Users` belongs to a user. Windows itself creates these.
pub(super) fn is_somebody(name: &NtName) -> bool {
    ["Public", "Default", "Default User", "All Users", "DefaultAppPool"]
        .iter()
        .all(|own| !name.eq_ignore_ascii_case(own))
}

fn path_of(part: &Part, folder: &[NtName], name: &NtName) -> String {
    let below: NtPath = folder.iter().cloned().chain([name.clone()]).collect();
    part.path_of(&below)
}

pub(super) fn unreadable(error: &crate::tree::TreeError) -> String {
    format!("cannot be read: {error}")
}

/// Reports the files of a part that were deleted, and counts them. If a file has the same path
/// today, the deleted one was replaced, not lost.
pub(crate) fn check_deleted_files(
    part: &Part,
    monitor: &dyn Monitor,
    say: &mut dyn FnMut(Finding),
) -> RecoveredCount {
    let mut count = RecoveredCount::default();
    let is_below = |path: &NtPath| path.names().starts_with(part.usmt_path.names());
    let files = match part.tree.deleted(&is_below, monitor) {
        Ok(files) => files,
        Err(error) => {
            monitor.note(&format!("cannot search for deleted files: {error}"));
            return count;
        }
    };
    for file in files.iter().filter(|file| !file.is_directory) {
        let path = file.path();
        if !matters(part, &path) || part.tree.lookup(&path).is_ok() {
            continue;
        }
        count.add(file.certainty(), file.size);
        if count.files <= MAX_DELETED {
            let (size, left) = (file.size, left(file));
            let what = format!("deleted, by the wipe or before it; {size} bytes, {left}");
            say(DELETED_FILES.at(path.on_drive(&part.drive.name()), what));
        }
    }
    if let Some(more) = count.files.checked_sub(MAX_DELETED).filter(|more| *more > 0) {
        say(DELETED_FILES.at(part.windows_path(), format!("{more} more files were deleted")));
    }
    count
}

/// Whether loadstate needs a file of the store. (Which temporary files USMT
/// creates and deletes in its folder is not known.)
fn matters(part: &Part, path: &NtPath) -> bool {
    const MARKERS: [&str; 3] = ["catalog.mig", "MIGSTATE.DAT", "hardlink.main"];
    let below = path.names().get(part.usmt_path.names().len()..).unwrap_or_default();
    match below {
        [name] => {
            MARKERS.iter().any(|marker| name.eq_ignore_ascii_case(marker))
                || name.as_str().is_some_and(is_container_name)
        }
        [file, ..] => file.eq_ignore_ascii_case("File"),
        [] => false,
    }
}
