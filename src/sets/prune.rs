//! Which sets may be deleted, and how that is done so that a half-deleted set is none.
//!
//! The first step of a deletion renames the folder to `<name>.deleting`, the second removes
//! `rescue.json`. From the first step on, no reader takes the folder for a set, whatever is left
//! of it, and [`choose`] finishes what was begun. Files that are not a set's own are never
//! removed: the folder gets its name back, with them in it.

use std::collections::{BTreeMap, BTreeSet};

use super::age;
use super::record::read_small;
use super::summary::{Listed, State};
use crate::destination::{Destination, ErrorKind};
use crate::model::metadata::FileTime;
use crate::model::monitor::Monitor;
use crate::model::units;
use crate::set::error::SetError;
use crate::set::format::names::{DELETING, PARTIAL, RESCUE, SUMS, has_file, is_own};
use crate::set::read::reader::{MAX_RESCUE, parse_rescue};
use crate::set::write::lock::Lock;

/// Which sets are to be deleted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Rule {
    /// Those that were restored, and are older.
    Older {
        /// Made before that time; if `by_restore`, restored before it.
        before: FileTime,
        /// The age counts from the last restore.
        by_restore: bool,
    },
    /// These, by the names of their folders.
    Named(Vec<String>),
}

/// What happens to a set, and why, for people.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Choice {
    /// It is deleted.
    Delete(String),
    /// It stays.
    Keep(String),
}

/// Decides about all sets of a destination. Sets with the same id stay: a server may show a link
/// as a folder, and deleting the one that is a link would empty the other.
pub(crate) fn choose_all(sets: Vec<Listed>, rule: &Rule, now: FileTime) -> Vec<(Listed, Choice)> {
    let mut ids: BTreeMap<String, u64> = BTreeMap::new();
    for id in sets.iter().filter_map(|set| set.id.clone()) {
        *ids.entry(id).or_default() += 1;
    }
    let choose = |set: Listed| {
        let mut choice = choose(&set, rule, now);
        let twins = set.id.as_ref().and_then(|id| ids.get(id)).copied().unwrap_or(0);
        if let (Choice::Delete(_), 2..) = (&choice, twins) {
            choice = Choice::Keep(format!("{twins} folders have its id: one may be a link"));
        }
        (set, choice)
    };
    sets.into_iter().map(choose).collect()
}

/// Decides about a set. An unfinished one, one that was not restored completely, and one of which
/// that is not known, are only deleted by name; one that a run is writing never is.
pub fn choose(set: &Listed, rule: &Rule, now: FileTime) -> Choice {
    if set.state == State::Deleting && set.id.is_some() {
        return match rule {
            Rule::Named(names) if !names.iter().any(|name| is_named(set, name)) => {
                Choice::Keep("its deletion began earlier, but it was not asked for".to_owned())
            }
            _ => Choice::Delete("its deletion began earlier".to_owned()),
        };
    }
    if matches!(set.state, State::Unfinished { in_use: true }) {
        return Choice::Keep("a run is writing it".to_owned());
    }
    // A folder with another name may be a link, or something that somebody uses.
    let id = set.id.as_ref().map(|id| format!("-{id}"));
    let plain = set.name.strip_suffix(PARTIAL).unwrap_or(&set.name);
    if id.is_none_or(|id| !plain.ends_with(&id)) {
        return Choice::Keep("its folder has another name than that of the set".to_owned());
    }
    match rule {
        Rule::Named(names) => {
            if names.iter().any(|name| is_named(set, name)) {
                Choice::Delete("asked for by name".to_owned())
            } else {
                Choice::Keep("not asked for".to_owned())
            }
        }
        Rule::Older { before, by_restore } => by_age(set, *before, *by_restore, now),
    }
}

/// Whether a name is that of a set's folder: its last name, or its path at the destination; a set
/// whose deletion began has its old name, too.
pub fn is_named(set: &Listed, name: &str) -> bool {
    let old = |text: &str| text.strip_suffix(DELETING).unwrap_or(text).to_owned();
    old(name) == old(&set.name) || old(name) == old(&set.path)
}

fn by_age(set: &Listed, before: FileTime, by_restore: bool, now: FileTime) -> Choice {
    let keep = |why: &str| Choice::Keep(why.to_owned());
    match set.state {
        State::Complete(_) => {}
        State::Unfinished { .. } => return keep("unfinished"),
        _ => return keep("it cannot be read"),
    }
    let Some(run) = &set.restored else { return keep("not restored") };
    if !run.whole {
        return keep("not restored completely");
    }
    if !run.is_complete() {
        return keep("loadstate failed after the restore");
    }
    let date = if by_restore { Some(&run.time) } else { set.created.as_ref() };
    let Some(then) = date.and_then(|date| age::parse(date)) else {
        return keep("its date is not valid");
    };
    let Some(days) = age::days(then, now) else { return keep("its date is in the future") };
    let days = units::count(days, "day", "days");
    let what = if by_restore { "restored" } else { "made" };
    // Who was restored yesterday may still miss something.
    let since = age::parse(&run.time).and_then(|then| age::days(then, now));
    let text = match since {
        Some(since) if !by_restore => {
            format!("{what} {days} ago, restored {} ago", units::count(since, "day", "days"))
        }
        _ => format!("{what} {days} ago"),
    };
    if then < before { Choice::Delete(text) } else { Choice::Keep(text) }
}

/// What a deletion did.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Deleted {
    /// Files that were removed.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What else is in the folder, which therefore stays.
    pub others: Vec<String>,
}

/// Which files in a folder are the set's.
enum Own {
    /// Those that it lists itself, and those beside them.
    Listed(BTreeSet<String>),
    /// Its description is lost, or it was never finished: those with a name of a set's file.
    Named,
}

impl Own {
    fn at(target: &dyn Destination, dir: &str) -> Result<Self, SetError> {
        let plain = dir.strip_suffix(DELETING).unwrap_or(dir);
        if plain.ends_with(PARTIAL) {
            return Ok(Self::Named);
        }
        let read = |name: &str| -> Result<Option<Vec<u8>>, SetError> {
            let path = format!("{dir}/{name}");
            let there = target.stat(&path)?.filter(|entry| !entry.is_dir);
            let Some(entry) = there else { return Ok(None) };
            Ok(read_small(target, &path, entry.size, MAX_RESCUE)?)
        };
        if let Some(bytes) = read(RESCUE)?
            && let Ok(rescue) = parse_rescue(target, dir, &bytes)
        {
            let names = rescue.files.into_iter().map(|file| file.name);
            return Ok(Self::Listed(names.collect()));
        }
        // The description goes first, this list last.
        let Some(sums) = read(SUMS)? else { return Ok(Self::Named) };
        let sums = String::from_utf8_lossy(&sums).into_owned();
        let names = sums.lines().filter_map(|line| line.split_once(" *"));
        let names: BTreeSet<_> = names.map(|(_, name)| name.to_owned()).collect();
        Ok(if names.contains(RESCUE) { Self::Listed(names) } else { Self::Named })
    }

    fn has(&self, name: &str) -> bool {
        match self {
            Self::Listed(names) => has_file(name, |name| names.contains(name)),
            Self::Named => is_own(name),
        }
    }
}

/// Deletes a set's own files, and the folder if nothing else is in it. Repeat it to finish a
/// deletion that was interrupted.
///
/// # Errors
/// The destination refuses; another run is writing the set; the monitor was cancelled.
pub fn delete(
    target: &dyn Destination,
    path: &str,
    monitor: &dyn Monitor,
) -> Result<Deleted, SetError> {
    let path = path.trim_end_matches('/');
    let own = Own::at(target, path)?;
    let (name, dir) = if let Some(name) = path.strip_suffix(DELETING) {
        (name, path.to_owned())
    } else {
        if path.ends_with(PARTIAL) {
            // Waits until it is certain that no run is writing it.
            Lock::take(target, path, monitor)?.give_back()?;
        }
        let dir = format!("{path}{DELETING}");
        target.rename(path, &dir)?;
        (path, dir)
    };
    let mut deleted = Deleted::default();
    let mut entries = target.list(&dir)?;
    // The description first; last what says which files are the set's.
    entries.sort_by_key(|entry| (entry.name != RESCUE, entry.name == SUMS));
    for entry in entries {
        if monitor.is_cancelled() {
            return Err(SetError::Cancelled { set: None });
        }
        if entry.is_dir || !own.has(&entry.name) {
            deleted.others.push(entry.name);
            continue;
        }
        match target.remove_file(&format!("{dir}/{}", entry.name)) {
            Ok(()) => {
                deleted.files += 1;
                deleted.bytes = deleted.bytes.saturating_add(entry.size);
            }
            Err(error) if error.kind == ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    if deleted.others.is_empty() {
        match target.remove_dir(&dir) {
            Err(error) if error.kind != ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    } else {
        // The folder is no set any more. If something else took the name, this one is enough.
        match target.rename(&dir, name) {
            Err(error) if error.kind != ErrorKind::AlreadyExists => return Err(error.into()),
            _ => {}
        }
    }
    Ok(deleted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::destination::Missing;
    use crate::destination::directory::DirectoryDestination;
    use crate::set::format::rescue::EndState;
    use crate::sets::record::RestoreRun;
    use crate::sets::{SetFolder, read};

    fn listed() -> Listed {
        let temp = tempfile::tempdir().unwrap();
        let target = DirectoryDestination::open(temp.path(), Missing::Fail).unwrap();
        let folder =
            SetFolder { path: "PC-1-20260101T000000Z-1a2b3c4d".to_owned(), entries: Vec::new() };
        Listed { state: State::Complete(EndState::Saved), ..read(&target, &folder).unwrap() }
    }

    fn restored(time: &str, whole: bool, loadstate: Option<i32>) -> RestoreRun {
        let run = RestoreRun::now(vec!["C=C:\\".to_owned()], whole, 0);
        RestoreRun { time: time.to_owned(), loadstate, ..run }
    }

    #[test]
    fn only_a_set_that_was_restored_completely_is_deleted_by_its_age() {
        let now = age::parse("2026-12-01T00:00:00Z").unwrap();
        let rule =
            |by_restore| Rule::Older { before: age::before("90d", now).unwrap(), by_restore };
        let at = "2026-11-20T00:00:00Z";
        let made = listed();
        assert_eq!(made.created.as_deref(), Some("2026-01-01T00:00:00Z"));
        let is_deleted =
            |set: &Listed, rule: &Rule| matches!(choose(set, rule, now), Choice::Delete(_));
        for (restored, by_made) in [
            (None, false),
            (Some(restored(at, false, None)), false),
            (Some(restored(at, true, Some(27))), false),
            (Some(restored(at, true, None)), true),
            (Some(restored(at, true, Some(0))), true),
        ] {
            let set = Listed { restored, ..made.clone() };
            assert_eq!(is_deleted(&set, &rule(false)), by_made, "{:?}", set.restored);
            assert!(!is_deleted(&set, &rule(true)), "restored 11 days ago");
        }
        let long_ago =
            Listed { restored: Some(restored("2026-08-01T00:00:00Z", true, None)), ..made.clone() };
        assert!(is_deleted(&long_ago, &rule(true)));
        for created in ["2027-01-01T00:00:00Z", "yesterday", "2026-11-01T00:00:00Z"] {
            let set = Listed { created: Some(created.to_owned()), ..long_ago.clone() };
            assert!(!is_deleted(&set, &rule(false)), "{created}");
        }
        for state in [
            State::Unfinished { in_use: false },
            State::Damaged(String::new()),
            State::Unreadable(String::new()),
        ] {
            let set = Listed { state, ..long_ago.clone() };
            assert!(!is_deleted(&set, &rule(false)), "{:?}", set.state);
            assert!(is_deleted(&set, &Rule::Named(vec![set.name.clone()])), "{:?}", set.state);
            assert!(!is_deleted(&set, &Rule::Named(vec![set.name[1..].to_owned()])));
        }
        let writing = Listed { state: State::Unfinished { in_use: true }, ..long_ago.clone() };
        assert!(!is_deleted(&writing, &Rule::Named(vec![writing.name.clone()])));
        let half = Listed { state: State::Deleting, ..made };
        assert!(is_deleted(&half, &rule(true)));
        assert!(is_deleted(&half, &Rule::Named(vec![half.name.clone()])));
        assert!(!is_deleted(&half, &Rule::Named(vec!["another".to_owned()])));
    }
}
