//! During a restore, a store has a temporary name that `loadstate` does not look
//! for, until all of it is written and read back. Then a rename gives it its final
//! name; an existing store there is kept under another name.

use std::io;

use super::destination::{Destinations, Places};
use super::error::RestoreError;
use super::input::Input;
use super::object_ids;
use super::place::{Fact, Kind};
use super::platform::Root;
use crate::model::busy;
use crate::model::metadata::Times;
use crate::model::monitor::Monitor;
use crate::model::name::NtName;
use crate::set::format::rescue::Rescue;
use crate::tree::Tree;
use crate::tree::host::HostTree;

/// Suffix of a store's folder while it is incomplete.
pub(crate) const PARTIAL: &str = ".lifeboat-partial";
/// Suffix of a store that was replaced.
pub(crate) const ASIDE: &str = ".before-lifeboat";

/// The folders that have a temporary name.
#[derive(Default)]
pub(super) struct Stages(Vec<(usize, Vec<NtName>)>);

impl Stages {
    /// Folders (root, names below it) that are renamed at the end. A folder within
    /// another moves with it; a root is never renamed.
    pub(super) fn new(mut folders: Vec<(usize, Vec<NtName>)>) -> Self {
        folders.retain(|(_, at)| !at.is_empty());
        folders.sort_by_key(|(_, at)| at.len());
        let mut chosen: Vec<(usize, Vec<NtName>)> = Vec::new();
        for (root, at) in folders {
            if !chosen.iter().any(|(r, above)| *r == root && is_below(&at, above)) {
                chosen.push((root, at));
            }
        }
        Self(chosen)
    }

    /// The folders, by their final names.
    pub(super) fn folders(&self) -> Vec<(usize, Vec<NtName>)> {
        self.0.clone()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a path is in a folder with a temporary name.
    pub(super) fn has_stage(&self, root: usize, at: &[NtName]) -> bool {
        self.0.iter().any(|(r, folder)| {
            let stage = self.redirect(*r, folder.clone());
            *r == root && is_below(at, &stage)
        })
    }

    /// The path under the final name, of one that is in a stage.
    pub(super) fn final_name(&self, root: usize, now: &[NtName]) -> Option<Vec<NtName>> {
        self.0.iter().filter(|(r, _)| *r == root).find_map(|(r, folder)| {
            let stage = self.redirect(*r, folder.clone());
            is_below(now, &stage).then(|| [&folder[..], &now[folder.len()..]].concat())
        })
    }

    /// The current location of a path.
    pub(super) fn redirect(&self, root: usize, mut at: Vec<NtName>) -> Vec<NtName> {
        let stage = self.0.iter().find(|(r, folder)| *r == root && is_below(&at, folder));
        if let Some((_, folder)) = stage
            && let Some(last) = folder.len().checked_sub(1)
            && let Some(name) = at.get_mut(last)
        {
            *name = with_ending(&folder[last], PARTIAL);
        }
        at
    }
}

/// Whether a path is this folder or below it; ignores letter case, as NTFS
/// does.
pub(super) fn is_below(at: &[NtName], folder: &[NtName]) -> bool {
    at.len() >= folder.len() && at.iter().zip(folder).all(|(a, b)| is_same(a, b))
}

/// Whether a path is at or below a temporary name of this folder, or one of those under which a
/// folder that was there before is kept.
pub(super) fn is_beside(at: &[NtName], folder: &[NtName]) -> bool {
    let Some((name, above)) = folder.split_last() else { return false };
    let Some(there) = at.get(above.len()).filter(|_| is_below(at, above)) else { return false };
    let (there, name) = (there.folded(), name.folded());
    let Some(ending) = there.as_wtf8().strip_prefix(name.as_wtf8()) else { return false };
    let starts = |known: &str| ending.starts_with(NtName::from(known).folded().as_wtf8());
    starts(PARTIAL) || starts(ASIDE)
}

pub(super) fn is_same(a: &NtName, b: &NtName) -> bool {
    a == b || a.folded() == b.folded()
}

pub(super) fn with_ending(name: &NtName, ending: &str) -> NtName {
    let bytes = [name.as_wtf8(), ending.as_bytes()].concat();
    NtName::from_wtf8(&bytes).unwrap_or_else(|| NtName::from(ending))
}

/// What [`settle`] did.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Settled {
    /// The paths of the stores that were there before, and are kept.
    pub kept: Vec<String>,
    /// Object ids that the restored files did not get: reported to the monitor.
    pub losses: u64,
}

/// Gives a store that was restored to [`Destinations::Staged`] its final name.
/// With `replace`, an existing store is kept aside. Without stages this does nothing.
///
/// # Errors
/// Another file is in the way, or the destination fails. Then every part of the
/// store keeps its temporary name, and the same restore can be run again.
pub fn settle(
    input: &dyn Input,
    to: &Destinations,
    replace: bool,
    monitor: &dyn Monitor,
) -> Result<Settled, RestoreError> {
    let rescue = input.rescue();
    let mut places = Places::open(to, rescue)?;
    if places.stages.is_empty() {
        return Ok(Settled::default()); // the restore itself has removed its markers
    }
    places.lock(rescue)?;
    // Renames, and removing the marker, change the times of their folder.
    let folders = places.stages.folders().into_iter();
    let times: Vec<_> = folders
        .map(|(root, at)| {
            let times = times_of(&places, root, &at);
            (root, at, times)
        })
        .collect();
    let folders = there(&mut places);
    if folders.is_empty() && !places.is_begun(rescue) {
        // An earlier run has done it. Or the disk is no longer where it was: a path of a mount
        // leads to what is below it then.
        for (root, at) in std::mem::take(&mut places.stages).folders() {
            if places.kind(root, &at)?.is_none() {
                let error = io::Error::other("what was restored is no longer here");
                return Err(RestoreError::Broken { path: places.shown(root, &at), error });
            }
        }
        return Ok(Settled::default());
    }
    places.mark_settling(rescue, &folders)?;
    let stages = std::mem::take(&mut places.stages);
    let mut moves = Vec::new();
    for (root, at) in &stages.0 {
        let now = stages.redirect(*root, at.clone());
        let mut renamer = Renamer { replace, monitor, moves: &mut moves };
        if let Err(error) = renamer.take_place(&mut places, *root, &now, at) {
            // A part with its final name would block the next attempt.
            for moved in moves.into_iter().rev() {
                let shown = places.shown(moved.root, &moved.to);
                if let Some(opened) = places.roots.get_mut(moved.root) {
                    let _ = rename(&mut opened.root, &shown, &moved.to, &moved.from, monitor);
                }
            }
            return Err(error);
        }
    }
    let may_share_ids = stages.0.iter().any(|(root, at)| {
        let opened = places.roots.get_mut(*root);
        opened.is_some_and(|opened| is_kept(&mut opened.root, at))
    });
    let losses = if replace && may_share_ids {
        object_ids::hand_over(input, &mut places, &stages, monitor)?
    } else {
        0
    };
    // Everything is as it will be, before the marks go that say how to go on.
    put_times(&mut places, &times);
    places.sync()?;
    places.unmark(rescue)?;
    put_times(&mut places, &times);
    // Where this is lost, the marks are there again, and the next run finishes.
    if let Err(error) = places.sync() {
        monitor.note(&format!("the marks of this restore may come back: {error}"));
    }
    let kept = moves.iter().filter(|moved| moved.is_aside);
    let kept = kept.map(|moved| places.shown(moved.root, &moved.to)).collect();
    Ok(Settled { kept, losses })
}

/// Whether a replaced store is kept aside: of this run, or of one that was interrupted.
fn is_kept(root: &mut Root, at: &[NtName]) -> bool {
    aside_names(at).any(|aside| matches!(root.kind(&aside), Ok(Some(Kind::Folder))))
}

fn put_times(places: &mut Places, times: &[(usize, Vec<NtName>, Option<Times>)]) {
    for (root, at, times) in times {
        if let (Some(times), Some(opened), Some((_, above))) =
            (times, places.roots.get_mut(*root), at.split_last())
        {
            let _ = opened.root.set(above, &[Fact::Times(*times)], &mut |_, _| {});
        }
    }
}

/// Keeps aside what is at the temporary names and of no restore that can be known.
pub(super) fn put_aside(
    places: &mut Places,
    rescue: &Rescue,
    monitor: &dyn Monitor,
) -> Result<(), RestoreError> {
    if !places.is_unmarked(rescue) {
        return Ok(());
    }
    for (root, at) in there(places) {
        let now = places.stages.redirect(root, at);
        let shown = places.shown(root, &now);
        let Some(opened) = places.roots.get_mut(root) else { continue };
        let folder = &mut opened.root;
        let failed = |error| RestoreError::Broken { path: shown.clone(), error };
        if matches!(folder.list(&now, 1), Ok(Some(names)) if names.is_empty()) {
            continue;
        }
        let Some(aside) = free_name(&now, |at| folder.kind(at).is_ok_and(|k| k.is_none())) else {
            let what = "too many unfinished restores are kept beside it";
            return Err(RestoreError::AlreadyExists { path: shown, what });
        };
        rename(folder, &shown, &now, &aside, monitor).map_err(failed)?;
        let aside = places.shown(root, &aside);
        monitor.note(&format!(
            "{shown}: the mark of its restore is missing or damaged; kept as {aside}"
        ));
    }
    Ok(())
}

/// The folders that have their temporary name now.
fn there(places: &mut Places) -> Vec<(usize, Vec<NtName>)> {
    let mut folders = places.stages.folders();
    folders.retain(|(root, at)| {
        let now = places.stages.redirect(*root, at.clone());
        let opened = places.roots.get_mut(*root);
        opened.is_some_and(|opened| matches!(opened.root.kind(&now), Ok(Some(Kind::Folder))))
    });
    folders
}

/// Undoes the renames of a run that was interrupted just before its end, so that
/// the next run finds its files where it looks for them.
pub(super) fn take_back(
    places: &mut Places,
    rescue: &Rescue,
    monitor: &dyn Monitor,
) -> Result<(), RestoreError> {
    let done = there(places);
    for (root, at) in places.settling(rescue) {
        if done.contains(&(root, at.clone())) {
            continue; // it was not renamed yet
        }
        let now = places.stages.redirect(root, at.clone());
        let shown = places.shown(root, &at);
        let Some(opened) = places.roots.get_mut(root) else { continue };
        if matches!(opened.root.kind(&at), Ok(Some(Kind::Folder))) {
            let renamed = rename(&mut opened.root, &shown, &at, &now, monitor);
            renamed.map_err(|error| RestoreError::Broken { path: shown, error })?;
        }
    }
    Ok(())
}

/// A renamed folder.
struct Moved {
    root: usize,
    from: Vec<NtName>,
    to: Vec<NtName>,
    /// Whether it is what was at the path of a part before.
    is_aside: bool,
}

/// Renames a folder; waits for programs that have a file in it open.
fn rename(
    root: &mut Root,
    shown: &str,
    from: &[NtName],
    to: &[NtName],
    monitor: &dyn Monitor,
) -> io::Result<()> {
    let before = root.list(from, 100)?;
    busy::while_busy(shown, busy::WAIT_FOR, busy::is_busy, monitor, || root.rename(from, to))?;
    // Some file systems report a rename that they did not make, or lose what was in the folder.
    let same = |a: &Option<Vec<NtName>>, b: &Option<Vec<NtName>>| {
        a.as_ref().map(Vec::len) == b.as_ref().map(Vec::len)
    };
    if root.kind(from)?.is_some() || !same(&root.list(to, 100)?, &before) {
        return Err(io::Error::other("the system reported the rename as done, but it was not"));
    }
    Ok(())
}

/// Renames parts; records every rename in `moves`.
struct Renamer<'a> {
    replace: bool,
    monitor: &'a dyn Monitor,
    moves: &'a mut Vec<Moved>,
}

impl Renamer<'_> {
    /// Renames one part.
    fn take_place(
        &mut self,
        places: &mut Places,
        root: usize,
        now: &[NtName],
        at: &[NtName],
    ) -> Result<(), RestoreError> {
        let Self { replace, monitor, ref mut moves } = *self;
        let shown = places.shown(root, at);
        let Some(opened) = places.roots.get_mut(root) else { return Ok(()) };
        let folder = &mut opened.root;
        let failed = |error| RestoreError::Broken { path: shown.clone(), error };
        if folder.kind(now).map_err(failed)? != Some(Kind::Folder) {
            return Ok(()); // nothing of this part was restored: its loss was reported
        }
        let mut note = |from: &[NtName], to: &[NtName], is_aside| {
            moves.push(Moved { root, from: from.to_vec(), to: to.to_vec(), is_aside });
        };
        if folder.kind(at).map_err(failed)?.is_some() {
            let is_empty = matches!(folder.list(at, 1), Ok(Some(names)) if names.is_empty());
            if is_empty {
                folder.remove(at).map_err(failed)?;
            } else if replace {
                let aside = free_name(at, |at| folder.kind(at).is_ok_and(|k| k.is_none()));
                let Some(aside) = aside else {
                    let what = "too many replaced stores are kept beside it";
                    return Err(RestoreError::AlreadyExists { path: shown, what });
                };
                rename(folder, &shown, at, &aside, monitor).map_err(failed)?;
                note(at, &aside, true);
            } else {
                let what = "another file or folder is at the store's path";
                return Err(RestoreError::AlreadyExists { path: shown, what });
            }
        }
        rename(folder, &shown, now, at, monitor).map_err(failed)?;
        note(now, at, false);
        Ok(())
    }
}

/// `StateStore.before-lifeboat`, or the first free name of that form.
fn free_name(at: &[NtName], mut is_free: impl FnMut(&[NtName]) -> bool) -> Option<Vec<NtName>> {
    aside_names(at).find(|aside| is_free(aside))
}

/// The names of stores that are kept aside.
pub(super) fn aside_names(at: &[NtName]) -> impl Iterator<Item = Vec<NtName>> {
    let parts = at.split_last().map(|(name, above)| (name.clone(), above.to_vec()));
    parts.into_iter().flat_map(|(name, above)| {
        (1..100).map(move |number| {
            let ending = if number == 1 { ASIDE.to_owned() } else { format!("{ASIDE}-{number}") };
            let mut aside = above.clone();
            aside.push(with_ending(&name, &ending));
            aside
        })
    })
}

/// The times of the parent folder; none for a root, which belongs to the user.
fn times_of(places: &Places, root: usize, at: &[NtName]) -> Option<Times> {
    let (_, above) = at.split_last()?;
    if above.is_empty() {
        return None;
    }
    let tree = HostTree::open(&places.roots.get(root)?.shown).ok()?;
    Some(tree.node(tree.at(above).ok()?).ok()?.times)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Vec<NtName> {
        text.split('/').filter(|name| !name.is_empty()).map(NtName::from).collect()
    }

    #[test]
    fn only_what_is_in_a_stage_stands_elsewhere() {
        let folders = ["a/Store", "", "a/store/inner", "b"].map(path);
        let stages = Stages::new(folders.into_iter().map(|at| (0, at)).collect());
        let at = |text| stages.redirect(0, path(text));
        assert_eq!(at("a/Store"), path("a/Store.lifeboat-partial"));
        assert_eq!(at("a/store/inner/x"), path("a/Store.lifeboat-partial/inner/x"));
        assert_eq!(at("b/x"), path("b.lifeboat-partial/x"));
        for plain in ["", "a", "a/Store2", "a/Store.lifeboat-partial", "c/b"] {
            assert_eq!(at(plain), path(plain));
        }
        assert!(stages.has_stage(0, &path("a/store.LIFEBOAT-partial/x")));
        assert!(!stages.has_stage(0, &path("a/Store/x")));
        assert_eq!(stages.redirect(1, path("b/x")), path("b/x"), "another root");
    }

    #[test]
    fn what_a_restore_has_beside_a_folder_is_known() {
        let folder = path("a/Store");
        for own in
            ["a/STORE.Lifeboat-Partial", "a/Store.before-lifeboat/x", "a/Store.before-lifeboat-2"]
        {
            assert!(is_beside(&path(own), &folder), "{own}");
        }
        for other in ["a", "a/Store", "a/Store/x", "a/Store2", "b/Store.before-lifeboat", "Store"] {
            assert!(!is_beside(&path(other), &folder), "{other}");
        }
    }

    #[test]
    fn nothing_that_is_kept_aside_is_overwritten() {
        let taken = [path("a/S.before-lifeboat"), path("a/S.before-lifeboat-2")];
        let free = free_name(&path("a/S"), |at| !taken.contains(&at.to_vec()));
        assert_eq!(free, Some(path("a/S.before-lifeboat-3")));
        assert_eq!(free_name(&path("a/S"), |_| false), None);
    }
}
