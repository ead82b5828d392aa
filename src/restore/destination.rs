//! The folders that the parts of a set are restored to, what already exists
//! there, and the marker file of an unfinished restore.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::error::RestoreError;
use super::existed::EXISTED;
use super::input::Input;
use super::names;
use super::outcome::Verdict;
use super::place::Kind;
use super::platform::{self, Root};
use super::stage::{Stages, is_below, is_beside, is_same};
use crate::model::metadata::attributes;
use crate::model::name::{NtName, NtPath, SEAL, USMT};
use crate::set::format::rescue::{Part, Rescue};

/// Is beside the store's folder during a restore.
pub const MARKER: &str = "lifeboat-restore.partial";

/// Is beside it while the folders of the store get their final names.
const SETTLING: &str = "lifeboat-restore.settling";

/// The value of `--to`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Destinations {
    /// Every part below one folder: `DIR/C/…`, `DIR/D/…`.
    Under(PathBuf),
    /// Each drive's part below a separate root: `ROOT/…`.
    Drives(BTreeMap<String, PathBuf>),
    /// One of these, but each part's folder has a temporary name until
    /// [`settle`](super::settle) renames it.
    Staged(Box<Self>),
}

impl Destinations {
    /// Reads the values of `--to`: one folder, or `DRIVE=ROOT` for each drive.
    ///
    /// # Errors
    /// [`RestoreError::BadDestination`] if they cannot be combined.
    pub fn parse<S: AsRef<str>>(values: &[S]) -> Result<Self, RestoreError> {
        let bad = |text: &str, what| RestoreError::BadDestination { text: text.to_owned(), what };
        let mut drives = BTreeMap::new();
        for value in values {
            let value = value.as_ref();
            if value.is_empty() {
                return Err(bad(value, "is empty"));
            }
            let Some((drive, root)) = drive_and_root(value) else {
                return match values {
                    [_] => Ok(Self::Under(value.into())),
                    _ => Err(bad(value, "several folders can only be given as DRIVE=ROOT")),
                };
            };
            if root.is_empty() {
                return Err(bad(value, "has no folder after the ="));
            }
            if drives.insert(drive, root.into()).is_some() {
                return Err(bad(value, "gives a drive twice"));
            }
        }
        if drives.is_empty() {
            return Err(bad("", "is missing"));
        }
        Ok(Self::Drives(drives))
    }
}

/// `C=ROOT` or `volume-1A2B=ROOT`; any other `=` is part of a folder's name.
fn drive_and_root(value: &str) -> Option<(String, &str)> {
    let (drive, root) = value.split_once('=')?;
    match drive.as_bytes() {
        [letter] if letter.is_ascii_alphabetic() => Some((drive.to_ascii_uppercase(), root)),
        _ if drive.starts_with("volume-") && !drive.contains(['/', '\\']) => {
            Some((drive.to_owned(), root))
        }
        _ => None,
    }
}

/// One open root, and how the user knows it.
pub(super) struct Opened {
    pub(super) root: Root,
    pub(super) shown: PathBuf,
}

/// The open roots, and the root of each drive.
pub(super) struct Places {
    pub(super) roots: Vec<Opened>,
    /// Drive to root, and the names between the root and the drive's files.
    drives: BTreeMap<String, (usize, Vec<NtName>)>,
    /// The folders of parts that are renamed at the end.
    pub(super) stages: Stages,
    /// Whether the parts are of a store that gets its name at the end.
    is_store: bool,
    /// The markers that this run has locked, with their text: no other restore works here.
    held: Vec<Held>,
    /// Where the folder of a part is there already in other letter case: root, the path in the
    /// set, and the path that is there.
    other_case: Vec<(usize, Vec<NtName>, Vec<NtName>)>,
}

/// A marker that this run has locked.
struct Held {
    marker: (usize, Vec<NtName>),
    /// Open as long as it is locked.
    _file: File,
    lines: Vec<String>,
}

impl Places {
    /// Opens the roots of a set's drives. `--to DIR` makes `DIR` if it is missing; a
    /// drive's root must exist. A volume mounted at `DIR/C` is a separate root, with
    /// its own free space and features.
    pub(super) fn open(to: &Destinations, rescue: &Rescue) -> Result<Self, RestoreError> {
        if let Destinations::Staged(to) = to {
            let mut places = Self::open(to, rescue)?;
            places.is_store = true;
            let folders = rescue.parts.iter().filter_map(|part| places.part(part));
            places.stages = Stages::new(folders.collect());
            return Ok(places);
        }
        let mut places = Self {
            roots: Vec::new(),
            drives: BTreeMap::new(),
            stages: Stages::default(),
            is_store: false,
            held: Vec::new(),
            other_case: Vec::new(),
        };
        for part in &rescue.parts {
            let drive = &part.drive;
            if places.drives.contains_key(drive) {
                continue;
            }
            names::check(&NtName::from(drive.as_str())).map_err(|_| {
                RestoreError::NoDestination { drive: drive.clone() } // a hostile set
            })?;
            let place = match to {
                Destinations::Under(dir) if platform::is_mounted(dir, drive) => {
                    places.roots.push(open_root(&dir.join(drive))?);
                    (places.roots.len() - 1, Vec::new())
                }
                Destinations::Under(dir) => {
                    let known = places.roots.iter().position(|root| root.shown == *dir);
                    if known.is_none() {
                        make_dir(dir)?;
                        places.roots.push(open_root(dir)?);
                    }
                    let root = known.unwrap_or(places.roots.len() - 1);
                    (root, vec![NtName::from(drive.as_str())])
                }
                Destinations::Drives(roots) => {
                    let root = roots.iter().find(|(d, _)| d.eq_ignore_ascii_case(drive));
                    let Some((_, root)) = root else {
                        return Err(RestoreError::NoDestination { drive: drive.clone() });
                    };
                    places.roots.push(open_root(root)?);
                    (places.roots.len() - 1, Vec::new())
                }
                Destinations::Staged(_) => continue, // handled above
            };
            places.drives.insert(drive.clone(), place);
        }
        places.look_for_other_case(rescue);
        Ok(places)
    }

    /// On NTFS, `statestore` is `StateStore`. Windows says so by itself; a mount on Linux
    /// distinguishes them, and would make a second folder.
    fn look_for_other_case(&mut self, rescue: &Rescue) {
        for part in &rescue.parts {
            let Some((root, wanted)) = self.part(part) else { continue };
            let Some(opened) = self.roots.get_mut(root) else { continue };
            if !opened.root.distinguishes_case_of_ntfs() {
                continue;
            }
            let mut there = Vec::new();
            for name in &wanted {
                let mut next = [&there[..], std::slice::from_ref(name)].concat();
                if !matches!(opened.root.kind(&next), Ok(Some(_)))
                    && let Ok(Some(names)) = opened.root.list(&there, usize::MAX)
                    && let Some(other) = names.into_iter().find(|other| is_same(other, name))
                {
                    next.pop();
                    next.push(other);
                }
                there = next;
            }
            if there != wanted {
                self.other_case.push((root, wanted, there));
            }
        }
        // The longest first: a part may be below another.
        self.other_case.sort_by_key(|(_, wanted, _)| std::cmp::Reverse(wanted.len()));
    }

    /// Whether a folder with a temporary name is there.
    pub(super) fn has_stage(&mut self) -> bool {
        let folders = self.stages.folders();
        folders.into_iter().any(|(root, at)| {
            let now = self.stages.redirect(root, at);
            !matches!(self.kind(root, &now), Ok(None))
        })
    }

    /// From now on, the parts' folders have their final names.
    pub(super) fn settle(&mut self) {
        self.stages = Stages::default();
    }

    /// The root of a path below a drive, and the names below that root.
    pub(super) fn find(&self, drive: &str, below: &NtPath) -> Option<(usize, Vec<NtName>)> {
        let (root, at) = self.find_settled(drive, below)?;
        let now = self.stages.redirect(root, at.clone());
        // The temporary name of a stage is not a valid name of the set.
        let is_alias = now == at && self.stages.has_stage(root, &at);
        (!is_alias).then_some((root, now))
    }

    /// The final path.
    fn find_settled(&self, drive: &str, below: &NtPath) -> Option<(usize, Vec<NtName>)> {
        let (root, above) = self.drives.get(drive)?;
        let mut at: Vec<NtName> = above.iter().chain(below.names()).cloned().collect();
        let known = self.other_case.iter().filter(|(of, ..)| of == root);
        for (_, wanted, there) in known {
            // The folder of the part, what is below it, and the folders above it.
            let both = at.len().min(wanted.len());
            if is_below(&at[..both], &wanted[..both]) {
                at[..both].clone_from_slice(&there[..both]);
                break;
            }
        }
        Some((*root, at))
    }

    /// A path, as the user knows it.
    pub(super) fn shown(&self, root: usize, at: &[NtName]) -> String {
        let mut path = self.roots.get(root).map_or_else(PathBuf::new, |r| r.shown.clone());
        path.extend(at.iter().map(NtName::to_string_lossy));
        path.display().to_string()
    }

    /// The folder of a part; `None` for a hostile part.
    pub(super) fn part(&self, part: &Part) -> Option<(usize, Vec<NtName>)> {
        let path = format!("{}/{}", part.drive, part.path);
        let (drive, below) = names::split(path.trim_end_matches('/').as_bytes()).ok()?;
        // At a volume's root, only this folder is the store.
        let below = if self.is_at_root(part) { below.join(USMT) } else { below };
        self.find(&drive, &below)
    }

    /// The folder of the first part, as the user knows it.
    pub(super) fn first_part(&self, rescue: &Rescue) -> String {
        let first = rescue.parts.iter().find_map(|part| self.part(part));
        first.map(|(root, at)| self.shown(root, &at)).unwrap_or_default()
    }

    fn is_at_root(&self, part: &Part) -> bool {
        self.is_store && part.path.is_empty()
    }

    /// Whether a path is that of the seal beside a store at a volume's root.
    pub(super) fn is_seal_at_root(&self, rescue: &Rescue, root: usize, at: &[NtName]) -> bool {
        let Some((name, above)) = at.split_last() else { return false };
        name.eq_ignore_ascii_case(SEAL)
            && rescue.parts.iter().filter(|part| self.is_at_root(part)).any(|part| {
                let folder = self.part(part);
                folder
                    .is_some_and(|(r, at)| r == root && at.split_last().map(|l| l.1) == Some(above))
            })
    }

    /// The paths of a set's markers: beside each part's folder.
    fn markers(&self, rescue: &Rescue) -> Vec<(usize, Vec<NtName>)> {
        self.beside(rescue, MARKER)
    }

    pub(super) fn beside(&self, rescue: &Rescue, name: &str) -> Vec<(usize, Vec<NtName>)> {
        let folders: Vec<_> =
            rescue.parts.iter().filter_map(|part| Some((part, self.part(part)?))).collect();
        // Nothing of these files may end up in a store.
        let is_inside = |root: usize, at: &[NtName]| {
            folders.iter().any(|(_, (r, above))| {
                self.is_store && *r == root && at.len() > above.len() && is_below(at, above)
            })
        };
        let outer = folders.iter().filter(|(_, (root, at))| !is_inside(*root, at));
        let mut markers: Vec<_> = outer
            .map(|(part, (root, at))| {
                let mut at = at.clone();
                // The marker of a part that is a whole drive is inside it.
                if !part.path.is_empty() || self.is_at_root(part) {
                    at.pop();
                }
                at.push(NtName::from(name));
                (*root, at)
            })
            .collect();
        markers.sort();
        markers.dedup();
        markers
    }

    /// The files that a restore has beside the folders while it works, the markers first.
    fn own_files(&self, rescue: &Rescue) -> Vec<(usize, Vec<NtName>)> {
        let others = [SETTLING, EXISTED].map(|name| self.beside(rescue, name));
        [self.markers(rescue), others.concat()].concat()
    }

    /// Locks the markers that are there, for as long as this exists.
    ///
    /// # Errors
    /// [`RestoreError::InUse`] if another run has one of them.
    pub(super) fn lock(&mut self, rescue: &Rescue) -> Result<(), RestoreError> {
        for marker in self.markers(rescue) {
            let Some(opened) = self.roots.get_mut(marker.0) else { continue };
            let Ok(file) = opened.root.open_file(&marker.1) else { continue };
            self.hold(marker, file)?;
        }
        Ok(())
    }

    /// Locks an open marker, unless it is no longer at its path: then its run has ended.
    fn hold(&mut self, marker: (usize, Vec<NtName>), file: File) -> Result<(), RestoreError> {
        // Where a file system has no locks, there are none.
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            return Err(RestoreError::InUse { path: self.shown(marker.0, &marker.1) });
        }
        let Some(opened) = self.roots.get_mut(marker.0) else { return Ok(()) };
        let now = opened.root.open_file(&marker.1);
        if !now.is_ok_and(|now| platform::is_same_file(&now, &file)) {
            return Ok(());
        }
        let text = file.try_clone().and_then(|file| platform::read_start(file, 64 << 10));
        let text = text.unwrap_or_default();
        let lines = String::from_utf8_lossy(&text).lines().map(str::to_owned).collect();
        self.held.push(Held { marker, _file: file, lines });
        Ok(())
    }

    /// Refuses links and files where folders of the restore belong, and links and folders where its
    /// marks belong: nothing is written through or over them, so every file would be lost.
    /// `may_replace` allows them in place of the last folder of a part.
    ///
    /// # Errors
    /// [`RestoreError::InTheWay`]; the destination fails.
    pub(super) fn refuse_what_is_in_the_way(
        &mut self,
        rescue: &Rescue,
        may_replace: bool,
    ) -> Result<(), RestoreError> {
        for (root, at) in self.own_files(rescue) {
            let what = match self.kind(root, &at)? {
                Some(Kind::Folder) => "there is a folder where the mark of the restore belongs",
                Some(Kind::Other) => "there is a link where the mark of the restore belongs",
                None | Some(Kind::File) => continue,
            };
            return Err(RestoreError::InTheWay { path: self.shown(root, &at), what });
        }
        let is_staged = !self.stages.is_empty();
        for part in &rescue.parts {
            let Some((root, at)) = self.part(part) else { continue };
            let last = if may_replace && !is_staged { at.len() } else { at.len() + 1 };
            for depth in 1..last {
                let what = match self.kind(root, &at[..depth])? {
                    Some(Kind::File) => "there is a file where a folder of the restore belongs",
                    Some(Kind::Other) => "there is a link where a folder of the restore belongs",
                    Some(Kind::Folder) => continue,
                    None => break,
                };
                return Err(RestoreError::InTheWay { path: self.shown(root, &at[..depth]), what });
            }
        }
        for (root, at) in self.stages.folders() {
            let what = match self.kind(root, &at)? {
                Some(Kind::File) => "there is a file where a folder of the restore belongs",
                Some(Kind::Other) => "there is a link where a folder of the restore belongs",
                None | Some(Kind::Folder) => continue,
            };
            return Err(RestoreError::InTheWay { path: self.shown(root, &at), what });
        }
        Ok(())
    }

    /// Refuses roots of two drives that are one folder, if their parts would meet there.
    ///
    /// # Errors
    /// [`RestoreError::BadDestination`].
    pub(super) fn refuse_one_place(&self, rescue: &Rescue) -> Result<(), RestoreError> {
        let real =
            |opened: &Opened| opened.shown.canonicalize().unwrap_or_else(|_| opened.shown.clone());
        let real: Vec<PathBuf> = self.roots.iter().map(real).collect();
        let markers = self.markers(rescue);
        for (number, (root, at)) in markers.iter().enumerate() {
            let meets = |(other, there): &&(usize, Vec<NtName>)| {
                other != root && real.get(*other) == real.get(*root) && is_below(at, there)
            };
            if markers[..number].iter().any(|other| meets(&other)) {
                let text = self.shown(*root, &[]);
                return Err(RestoreError::BadDestination {
                    text,
                    what: "two drives have the same place",
                });
            }
        }
        Ok(())
    }

    /// Refuses a set with a part where the restore keeps its own files.
    ///
    /// # Errors
    /// [`RestoreError::OwnName`].
    pub(super) fn refuse_own_names(&self, rescue: &Rescue) -> Result<(), RestoreError> {
        let place = |part: &Part| {
            let path = format!("{}/{}", part.drive, part.path);
            let (drive, below) = names::split(path.trim_end_matches('/').as_bytes()).ok()?;
            self.find_settled(&drive, &below)
        };
        let parts: Vec<_> = rescue.parts.iter().filter_map(place).collect();
        let own = self.own_files(rescue);
        let stages = self.stages.folders();
        let is_own = |(root, at): &&(usize, Vec<NtName>)| {
            own.iter().any(|(r, own)| r == root && is_below(at, own))
                || stages.iter().any(|(r, folder)| r == root && is_beside(at, folder))
        };
        match parts.iter().find(is_own) {
            Some((root, at)) => Err(RestoreError::OwnName { path: self.shown(*root, at) }),
            None => Ok(()),
        }
    }

    /// Whether the markers that are there are of no restore that can be known: empty, torn, or
    /// none at all.
    pub(super) fn is_unmarked(&mut self, rescue: &Rescue) -> bool {
        let markers = self.markers(rescue);
        let is_mark = |line: &String| {
            line.strip_prefix("set ")
                .is_some_and(|id| id.len() == 8 && id.bytes().all(|byte| byte.is_ascii_hexdigit()))
        };
        !markers.iter().any(|marker| self.marker_lines(marker).first().is_some_and(is_mark))
    }

    pub(super) fn kind(
        &mut self,
        root: usize,
        at: &[NtName],
    ) -> Result<Option<Kind>, RestoreError> {
        let shown = self.shown(root, at);
        let Some(opened) = self.roots.get_mut(root) else { return Ok(None) };
        match opened.root.kind(at) {
            // A link or a file above it, which is met on the way there.
            Err(error) if platform::judge(&error) == Verdict::OneFile => Ok(None),
            kind => kind.map_err(|error| fatal(shown, error)),
        }
    }

    /// Whether an earlier restore of the same set was interrupted here. All of its markers are
    /// there while it works. The first goes first, so one that is left is of a run that was
    /// done; if the first is there and another is not, none of its files was written.
    pub(super) fn is_begun(&mut self, rescue: &Rescue) -> bool {
        let own = marker_line(rescue);
        let (markers, settling) = (self.markers(rescue), self.beside(rescue, SETTLING));
        let mut is_own = |marker| self.marker_lines(&marker).first() == Some(&own);
        let markers: Vec<bool> = markers.into_iter().map(&mut is_own).collect();
        let is_settling = settling.into_iter().any(&mut is_own);
        let is_first = markers.first() == Some(&true);
        is_settling || markers.contains(&true) && (!is_first || !markers.contains(&false))
    }

    /// Refuses folders of parts that are not empty; for staged parts, both of their
    /// folders, or with `may_replace` only the stage.
    pub(super) fn refuse_what_is_there(
        &mut self,
        rescue: &Rescue,
        may_replace: bool,
    ) -> Result<(), RestoreError> {
        let is_store = self.is_store;
        let parts = || rescue.parts.iter().filter(|p| is_store || !p.path.is_empty());
        let mut folders: Vec<_> = parts().filter_map(|part| self.part(part)).collect();
        if !self.stages.is_empty() && !may_replace {
            let stages = std::mem::take(&mut self.stages);
            folders.extend(parts().filter_map(|part| self.part(part)));
            self.stages = stages;
        }
        for (root, at) in folders {
            let shown = self.shown(root, &at);
            let Some(opened) = self.roots.get_mut(root) else { continue };
            let names = match opened.root.list(&at, 100) {
                Ok(Some(names)) => names,
                Ok(None) => continue,
                Err(error) => return Err(fatal(shown, error)),
            };
            if names.iter().any(|n| n.eq_ignore_ascii_case("USMT")) {
                let what = "a USMT store already exists here";
                return Err(RestoreError::AlreadyExists { path: shown, what });
            }
            if !names.is_empty() {
                let what = "the folder already exists and is not empty";
                return Err(RestoreError::AlreadyExists { path: shown, what });
            }
        }
        Ok(())
    }

    /// Refuses a set that cannot fit. Sparse and compressed files do not count: what they take
    /// is not known. Roots on one volume share its space.
    pub(super) fn refuse_too_much(&self, input: &dyn Input) -> Result<(), RestoreError> {
        let free: Vec<Option<u64>> = self.roots.iter().map(|opened| opened.root.space()).collect();
        let total = input.rescue().totals.bytes;
        if free.iter().all(|free| free.is_none_or(|free| free >= total)) {
            return Ok(());
        }
        let volumes: Vec<(bool, u64)> = (0..)
            .zip(&self.roots)
            .map(|(number, opened)| match platform::volume_of(&opened.shown) {
                Some(volume) => (true, volume),
                None => (false, number),
            })
            .collect();
        let mut needed: BTreeMap<(bool, u64), u64> = BTreeMap::new();
        let mut set = input.in_order()?;
        while let Some(member) = set.next_member() {
            let Ok(member) = member else { continue };
            if member.attributes & (attributes::SPARSE | attributes::COMPRESSED) != 0 {
                continue;
            }
            let place = member.exact_path().and_then(|path| names::split(&path).ok());
            let place = place.and_then(|(drive, below)| self.find(&drive, &below));
            let Some(volume) = place.and_then(|(root, _)| volumes.get(root)) else { continue };
            let streams = member.streams.iter().map(|stream| stream.data.size);
            let bytes = streams.chain(member.data.as_ref().map(|data| data.size));
            let sum = needed.entry(*volume).or_default();
            *sum = bytes.fold(*sum, u64::saturating_add);
        }
        for ((opened, volume), free) in self.roots.iter().zip(&volumes).zip(free) {
            let needed = needed.get(volume).copied().unwrap_or(0);
            if free.is_some_and(|free| free < needed) {
                let path = opened.shown.display().to_string();
                return Err(RestoreError::Full { path, needed, free });
            }
        }
        Ok(())
    }

    /// The folders of the markers.
    pub(super) fn marked(&self, rescue: &Rescue) -> Vec<(usize, Vec<NtName>)> {
        let mut folders = self.markers(rescue);
        for (_, at) in &mut folders {
            at.pop();
        }
        folders
    }

    /// Returns when everything is on the medium, as far as that can be known.
    pub(super) fn sync(&self) -> Result<(), RestoreError> {
        for opened in &self.roots {
            let path = || opened.shown.display().to_string();
            opened.root.sync().map_err(|error| RestoreError::Broken { path: path(), error })?;
        }
        Ok(())
    }

    /// The text of a marker, at least its beginning.
    fn marker_lines(&mut self, marker: &(usize, Vec<NtName>)) -> Vec<String> {
        if let Some(held) = self.held.iter().find(|held| held.marker == *marker) {
            return held.lines.clone();
        }
        let (root, at) = marker;
        let Some(opened) = self.roots.get_mut(*root) else { return Vec::new() };
        let text = opened.root.open_file(at).and_then(|f| platform::read_start(f, 64 << 10));
        String::from_utf8_lossy(&text.unwrap_or_default()).lines().map(str::to_owned).collect()
    }

    /// The folders that were being renamed when an earlier run was interrupted.
    pub(super) fn settling(&mut self, rescue: &Rescue) -> Vec<(usize, Vec<NtName>)> {
        let mut lines = Vec::new();
        // (Version 0.1 wrote it into the marker.)
        for marker in [self.beside(rescue, SETTLING), self.markers(rescue)].concat() {
            lines.append(&mut self.marker_lines(&marker));
        }
        let mut folders = self.stages.folders();
        folders.retain(|(root, at)| lines.contains(&settling_line(*root, at)));
        folders
    }

    /// Writes the markers and locks them; one that an earlier run of this restore wrote stays.
    /// Returns the folders that were made for them.
    pub(super) fn mark(
        &mut self,
        rescue: &Rescue,
    ) -> Result<Vec<(usize, Vec<NtName>)>, RestoreError> {
        let mut made = Vec::new();
        let own = marker_line(rescue);
        let text = format!(
            "{own}\nLifeboat is restoring files here, or was stopped before it finished.\n\
             The folder beside this file is incomplete: do not run loadstate on it.\n\
             Run the same restore again; it removes this file when it is done.\n",
        );
        for marker in self.markers(rescue) {
            let (root, at) = &marker;
            let known = self.held.iter().position(|held| held.marker == marker);
            if known.and_then(|at| self.held.get(at)?.lines.first()) == Some(&own) {
                continue;
            }
            // Of another set, or torn. It stays locked until its successor is.
            let old = known.map(|at| self.held.remove(at));
            let is_old = old.is_some();
            let _locked = old.filter(|_| !cfg!(windows));
            let path = self.shown(*root, at);
            let Some(opened) = self.roots.get_mut(*root) else { continue };
            for depth in 1..at.len() {
                let folder = at[..depth].to_vec();
                match opened.root.make_folder(&folder) {
                    Ok(true) => made.push((*root, folder)),
                    Ok(false) => {}
                    Err(error) => return Err(fatal(path, error)),
                }
            }
            if is_old {
                opened.root.remove(at).map_err(|error| fatal(path.clone(), error))?;
            }
            let mut file = match opened.root.create(at, false) {
                // It was not there a moment ago.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    return Err(RestoreError::InUse { path });
                }
                file => file.map_err(|error| fatal(path.clone(), error))?,
            };
            if let Err(TryLockError::WouldBlock) = file.try_lock() {
                return Err(RestoreError::InUse { path });
            }
            let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
            written.map_err(|error| fatal(path, error))?;
            let lines = text.lines().map(str::to_owned).collect();
            self.held.push(Held { marker, _file: file, lines });
        }
        Ok(made)
    }

    /// Records beside the markers that these folders are being renamed: in a file of its own,
    /// so that there is never a moment without a marker.
    pub(super) fn mark_settling(
        &mut self,
        rescue: &Rescue,
        folders: &[(usize, Vec<NtName>)],
    ) -> Result<(), RestoreError> {
        let lines: String =
            folders.iter().map(|(root, at)| settling_line(*root, at) + "\n").collect();
        let text = format!("{}\n{lines}", marker_line(rescue));
        for (root, at) in self.beside(rescue, SETTLING) {
            let path = self.shown(root, &at);
            let Some(opened) = self.roots.get_mut(root) else { continue };
            let file = match opened.root.create(&at, false) {
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                    opened.root.remove(&at).and_then(|()| opened.root.create(&at, false))
                }
                made => made,
            };
            file.and_then(|mut file| {
                file.write_all(text.as_bytes()).and_then(|()| file.sync_all())
            })
            .map_err(|error| fatal(path, error))?;
        }
        self.sync()
    }

    /// Removes the markers, from the first, and after them what is beside them. A run that is
    /// interrupted here is taken for an unfinished one.
    pub(super) fn unmark(&mut self, rescue: &Rescue) -> Result<(), RestoreError> {
        // Windows removes a file when its last handle is closed.
        let held = std::mem::take(&mut self.held);
        if cfg!(windows) {
            drop(held);
        }
        for (root, at) in self.own_files(rescue) {
            let path = self.shown(root, &at);
            let Some(opened) = self.roots.get_mut(root) else { continue };
            match opened.root.remove(&at) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                removed => removed.map_err(|error| fatal(path, error))?,
            }
        }
        Ok(())
    }
}

fn settling_line(root: usize, at: &[NtName]) -> String {
    let names: Vec<String> = at.iter().map(NtName::to_string_lossy).collect();
    format!("takes its place: {root} {}", names.join("/"))
}

pub(super) fn marker_line(rescue: &Rescue) -> String {
    format!("set {}", rescue.set)
}

fn make_dir(dir: &Path) -> Result<(), RestoreError> {
    std::fs::create_dir_all(dir).map_err(|error| fatal(dir.display().to_string(), error))
}

/// Opens a folder, and makes it if it is missing.
pub(super) fn open_dir(dir: &Path) -> Result<Opened, RestoreError> {
    make_dir(dir)?;
    open_root(dir)
}

fn open_root(path: &Path) -> Result<Opened, RestoreError> {
    match Root::open(path) {
        Ok(root) => Ok(Opened { root, shown: path.to_owned() }),
        Err(error) => Err(fatal(path.display().to_string(), error)),
    }
}

/// A fatal error of the destination.
pub(super) fn fatal(path: String, error: io::Error) -> RestoreError {
    match (platform::judge(&error), error.kind()) {
        (Verdict::Full, _) => RestoreError::Full { path, needed: 0, free: None },
        (Verdict::Broken, _) => RestoreError::Broken { path, error },
        (Verdict::Exhausted, _) => RestoreError::Exhausted { path, error },
        (Verdict::Denied, _) | (_, io::ErrorKind::PermissionDenied) => {
            RestoreError::Denied { path, error }
        }
        _ => RestoreError::Missing { path, error },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_are_read() {
        let under = |dir: &str| Destinations::Under(dir.into());
        assert_eq!(Destinations::parse(&["/mnt/x"]).unwrap(), under("/mnt/x"));
        assert_eq!(Destinations::parse(&["D:\\back"]).unwrap(), under("D:\\back"));
        assert_eq!(Destinations::parse(&["some=dir"]).unwrap(), under("some=dir"));
        assert_eq!(Destinations::parse(&["./C=x"]).unwrap(), under("./C=x"));
        let drives = [("C", "/mnt/c"), ("D", "E:\\")];
        let drives = drives.iter().map(|(d, r)| ((*d).to_owned(), r.into())).collect();
        let parsed = Destinations::parse(&["c=/mnt/c", "D=E:\\"]).unwrap();
        assert_eq!(parsed, Destinations::Drives(drives));
        for bad in [&["C="][..], &[], &[""], &["a", "b"], &["C=a", "b"], &["C=a", "c=b"]] {
            let error = Destinations::parse(bad).unwrap_err();
            assert!(matches!(error, RestoreError::BadDestination { .. }), "{bad:?}: {error}");
        }
    }
}
