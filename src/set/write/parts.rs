//! Which files belong to what is saved: a store, or any folder of a volume.

use std::sync::Arc;

use super::plan::PlanPart;
use crate::model::metadata::NodeKind;
use crate::model::monitor::Monitor;
use crate::model::name::{NtName, NtPath, SEAL};
use crate::model::units;
use crate::profiles::{Installation, Place, Profile, left_out};
use crate::set::error::SetError;
use crate::set::format::kinds::PartRole;
use crate::set::format::names::DELETED;
use crate::set::format::rescue::PartUser;
use crate::tree::recovered::{DeletedOn, RecoveredTree};
use crate::tree::{Tree, Via, exact_path};
use crate::usmt::{Drive, Part, StoreVolume, drive_of};

/// Left out of a whole volume, and listed as such in the set: memory that was swapped out,
/// memory of a hibernated Windows, and restore points. They serve no other Windows, and are
/// larger than the files of most users.
const SKIPPED: [&str; 4] =
    ["pagefile.sys", "hiberfil.sys", "swapfile.sys", "System Volume Information"];

/// The `USMT` folder of a part and nothing beside it.
pub(crate) fn usmt_folder(part: &Part) -> PlanPart {
    PlanPart {
        tree: part.tree.clone(),
        drive: part.drive.name(),
        drive_from: part.drive.from.to_string(),
        path: part.store_path(),
        role: part.role.into(),
        take: vec![part.usmt_path.clone()],
        skip: Vec::new(),
        user: None,
    }
}

/// A part of a store: its `USMT` folder, and the files beside it, where task sequences and
/// `lifeboat seal` leave theirs. At a volume's root only the seal belongs to the store.
pub(crate) fn of_store(part: &Part) -> Result<PlanPart, SetError> {
    let mut plan = usmt_folder(part);
    let folder = part.tree.lookup(&plan.path)?;
    for entry in part.tree.children(folder)? {
        // A file of which only the name is left is a loss, and must not be left out.
        let is_file = !part.tree.node(entry.node).is_ok_and(|n| n.kind == NodeKind::Directory);
        let is_seal = entry.name.eq_ignore_ascii_case(SEAL);
        if is_file && (is_seal || plan.path != NtPath::root()) {
            plan.take.push(plan.path.join(entry.name));
        }
    }
    Ok(plan)
}

/// The deleted files below folders of volumes that are saved: the drive's name, the volume, and
/// the folder on it. `None` if none can be found.
///
/// # Errors
/// The volume cannot be read; the monitor was cancelled.
pub(crate) fn of_deleted(
    folders: &[(String, Arc<dyn Tree>, NtPath)],
    monitor: &dyn Monitor,
) -> Result<(Option<PlanPart>, Vec<String>), SetError> {
    let mut not_searched = Vec::new();
    let mut volumes: Vec<(&str, &Arc<dyn Tree>, Vec<&NtPath>)> = Vec::new();
    for (drive, tree, folder) in folders {
        match volumes.iter_mut().find(|(known, ..)| known == drive) {
            Some((.., tops)) => tops.push(folder),
            None => volumes.push((drive, tree, vec![folder])),
        }
    }
    let mut all = Vec::new();
    for (drive, tree, tops) in volumes {
        let info = tree.info();
        if info.via != Via::Raw || !info.file_system.starts_with("NTFS") {
            not_searched.push(format!(
                "deleted files of {}: they can only be found on an NTFS volume that is read raw",
                info.source
            ));
            continue;
        }
        let is_below = |path: &NtPath| {
            tops.iter().any(|top| {
                path.names().len() > top.names().len() && starts_with(path.names(), top.names())
            })
        };
        let files = tree.deleted(&is_below, monitor)?;
        all.push(DeletedOn { drive: drive.to_owned(), tree: tree.clone(), files });
    }
    let part = if all.is_empty() { None } else { recovered(all, monitor) };
    Ok((part, not_searched))
}

/// Deleted files as a part of a set.
pub(crate) fn recovered(all: Vec<DeletedOn>, monitor: &dyn Monitor) -> Option<PlanPart> {
    let tree = RecoveredTree::new(all);
    let count = tree.count();
    monitor.note(&format!(
        "{}: {}",
        units::count(count.files, "deleted file found", "deleted files found"),
        count.words()
    ));
    if tree.is_empty() {
        return None;
    }
    let take = tree.drives();
    Some(PlanPart {
        tree: Arc::new(tree),
        drive: DELETED.to_owned(),
        drive_from: "files that were deleted".to_owned(),
        path: NtPath::root(),
        role: PartRole::Deleted,
        take,
        skip: Vec::new(),
        user: None,
    })
}

/// Whether these names begin with those, without regard to the case of ASCII letters.
fn starts_with(names: &[NtName], first: &[NtName]) -> bool {
    let is_same = |(a, b): (&NtName, &NtName)| a.as_wtf8().eq_ignore_ascii_case(b.as_wtf8());
    names.len() >= first.len() && names.iter().zip(first).all(is_same)
}

/// A folder as a user names it: `\Users\alice`, `C:\Users\alice`, `/Users/alice`, `\`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FolderPath {
    /// As it was typed.
    pub text: String,
    /// The drive in Windows, if one was typed.
    pub drive: Option<char>,
    /// The path below the volume's root.
    pub path: NtPath,
}

impl FolderPath {
    /// Reads what was typed; `None` for what is no path from a volume's root.
    pub fn parse(text: &str) -> Option<Self> {
        let mut rest = text;
        let mut drive = None;
        let mut letters = text.chars();
        if let (Some(letter), Some(':')) = (letters.next(), letters.next())
            && letter.is_ascii_alphabetic()
        {
            drive = Some(letter.to_ascii_uppercase());
            rest = letters.as_str();
        }
        let names: Vec<&str> = rest.split(['\\', '/']).filter(|name| !name.is_empty()).collect();
        if text.is_empty() || names.iter().any(|name| matches!(*name, "." | "..")) {
            return None;
        }
        let path = names.into_iter().map(NtName::from).collect();
        Some(Self { text: text.to_owned(), drive, path })
    }
}

/// The folders of one volume: what one set holds.
pub struct FolderSet {
    /// Volume and first folder, for people.
    pub display: String,
    /// The volume, for people.
    pub volume: String,
    /// One part for each folder.
    pub parts: Vec<PlanPart>,
    /// Folders that are gone, as drive, volume and path: deleted files may be found there.
    pub gone: Vec<(String, Arc<dyn Tree>, NtPath)>,
}

impl FolderSet {
    /// What is left out of it by rule.
    pub fn skipped(&self) -> impl Iterator<Item = &NtPath> {
        self.parts.iter().flat_map(|part| &part.skip)
    }
}

/// Looks for `folders` on all `volumes`. Each volume that has one or more of them gives a set;
/// the second value is the first folder that no volume has.
pub fn folders<'f>(
    folders: &'f [FolderPath],
    volumes: &[StoreVolume],
) -> (Vec<FolderSet>, Option<&'f FolderPath>) {
    let mut met = vec![false; folders.len()];
    let mut sets = Vec::new();
    let drives: Vec<Drive> = (0..volumes.len()).map(|number| drive_of(number, volumes)).collect();
    for (volume, drive) in volumes.iter().zip(&drives) {
        let mut parts = Vec::new();
        for (folder, met) in folders.iter().zip(&mut met) {
            // A letter that no volume is known to have had may be that of any other.
            let is_known = |letter| drives.iter().any(|drive| drive.letter == Some(letter));
            let is_other = |letter| match drive.letter {
                Some(own) => own != letter,
                None => is_known(letter),
            };
            if folder.drive.is_some_and(is_other) {
                continue;
            }
            let Ok((path, _)) = exact_path(&*volume.tree, &folder.path) else { continue };
            *met = true;
            parts.push(PlanPart {
                tree: volume.tree.clone(),
                drive: drive.name(),
                drive_from: drive.from.to_string(),
                role: PartRole::Folder,
                skip: if path == NtPath::root() { skipped(&*volume.tree) } else { Vec::new() },
                take: vec![path.clone()],
                path,
                user: None,
            });
        }
        if let Some(first) = parts.first() {
            let display = format!("{}, {}", volume.display, first.path.on_drive(&first.drive));
            let gone = Vec::new();
            sets.push(FolderSet { display, volume: volume.display.clone(), parts, gone });
        }
    }
    (sets, met.iter().position(|met| !met).map(|at| &folders[at]))
}

/// The folders of these users of one Windows, as one set. With `everything`, also what the
/// rules leave out ([`left_out`]).
pub(crate) fn of_profiles(
    installation: &Installation,
    users: &[&Profile],
    volumes: &[StoreVolume],
    everything: bool,
) -> FolderSet {
    let mut parts: Vec<PlanPart> = Vec::new();
    for user in users {
        let elsewhere = user.redirected.iter().filter_map(|folder| {
            folder.place.as_ref().map(|place| (place, Some(folder.name.to_owned())))
        });
        let own = user.place.iter().map(|place| (place, None));
        for (place, folder) in own.chain(elsewhere) {
            let Some(volume) = volumes.get(place.volume) else { continue };
            let skip = match (&folder, everything) {
                (None, false) => left_out(&*volume.tree, &place.path, place.node),
                _ => Vec::new(),
            };
            let owner = PartUser {
                name: user.name.clone(),
                sid: user.sid.as_ref().map(ToString::to_string),
                folder,
            };
            parts.push(PlanPart {
                tree: volume.tree.clone(),
                drive: drive_name(place, &parts, volumes),
                drive_from: place.drive.from.to_string(),
                path: place.path.clone(),
                role: PartRole::Folder,
                take: vec![place.path.clone()],
                skip: skip.into_iter().map(|(path, _)| path).collect(),
                user: Some(owner),
            });
        }
    }
    let names: Vec<&str> = users.iter().map(|user| user.name.as_str()).collect();
    let display = format!("users of {}: {}", installation.path(), names.join(", "));
    let mut gone = Vec::new();
    if let Some(volume) = volumes.get(installation.volume) {
        let drive = installation.drive.name();
        for user in users.iter().filter(|user| user.place.is_none()) {
            let below = user.path.strip_prefix(&drive).and_then(|rest| rest.strip_prefix(":\\"));
            let names = below.into_iter().flat_map(|below| below.split('\\')).map(NtName::from);
            let names: Vec<NtName> = names.collect();
            if !names.is_empty() {
                let path = installation.base.names().iter().cloned().chain(names).collect();
                gone.push((drive.clone(), volume.tree.clone(), path));
            }
        }
    }
    FolderSet { display, volume: installation.volume_display.clone(), parts, gone }
}

/// The drive of a folder, unless another volume of the set has that name already: what the
/// registry calls `D:` may be on either of two disks.
fn drive_name(place: &Place, parts: &[PlanPart], volumes: &[StoreVolume]) -> String {
    let name = place.drive.name();
    let is_other = |part: &PlanPart| {
        let own = volumes.get(place.volume).map(|volume| &volume.tree);
        part.drive == name && own.is_some_and(|own| !Arc::ptr_eq(own, &part.tree))
    };
    if parts.iter().any(is_other) { place.drive.fallback.clone() } else { name }
}

/// What is left out of a whole volume, as far as it is there.
fn skipped(tree: &dyn Tree) -> Vec<NtPath> {
    let names = SKIPPED.iter().map(|name| NtPath::from(*name));
    names.filter(|path| tree.lookup(path).is_ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_may_be_typed_in_any_way() {
        for (text, drive, path) in [
            (r"\Users\alice", None, "Users/alice"),
            ("Users/alice/", None, "Users/alice"),
            (r"c:\Users\alice", Some('C'), "Users/alice"),
            (r"\", None, ""),
            ("D:", Some('D'), ""),
        ] {
            let typed = FolderPath::parse(text).unwrap();
            assert_eq!(typed.drive, drive, "{text}");
            let wanted = if path.is_empty() { NtPath::root() } else { NtPath::from(path) };
            assert_eq!(typed.path, wanted, "{text}");
        }
        for text in ["", r"\Users\..\Windows", "."] {
            assert!(FolderPath::parse(text).is_none(), "{text}");
        }
    }
}
