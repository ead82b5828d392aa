//! Finds an unfinished set to resume, by its journal. `validate_partial`
//! checks what the destination actually has of it.

pub(crate) mod encrypted;
pub(crate) mod validate_partial;

use super::commit::SetNames;
use super::lock;
use super::options::{OffloadOptions, Resume};
use super::plan::Plan;
use super::resume::encrypted as sealed;
use super::strangers::stranger_in;
use crate::destination::{Destination, DestinationEntry, DestinationError, ErrorKind, read_full};
use crate::model::monitor::Monitor;
use crate::set::crypt::{Keys, SetKey};
use crate::set::error::SetError;
use crate::set::format::journal::{self, Begin, Checkpoint, Written};
use crate::set::format::manifest::{Line, Member, report_losses};
use crate::set::format::names::{self, MANIFEST, PARTIAL, PROGRAM, STORE};
use crate::set::format::rescue::{Options, Rescue, SetFile};
use crate::set::read::decrypting_destination::{details, is_key, open_key};
use crate::set::read::lines::Lines;
use crate::set::read::reader::read_rescue;

/// An unfinished set.
pub(crate) struct Unfinished {
    pub(crate) names: SetNames,
    pub(crate) state: State,
    /// The key, if it is encrypted.
    pub(crate) key: Option<SetKey>,
}

/// How far it got.
pub(crate) enum State {
    /// Frames were being written.
    Copying(Box<Begin>, Vec<(Checkpoint, u64)>),
    /// Store and manifest were written.
    Written(Box<Begin>, Box<Written>, Vec<(Checkpoint, u64)>),
    /// All but the folder's name was done.
    Named(Box<Rescue>),
    /// It is encrypted and its key is not available: the reason.
    Closed(String),
    /// What it has cannot be used any more: the reason.
    Damaged(String),
}

impl State {
    /// Plain bytes at the destination according to the journal, and those of the store's
    /// files so far.
    pub(crate) fn done(&self) -> u64 {
        match self {
            Self::Copying(_, checkpoints) => checkpoints.last().map_or(0, |(last, _)| {
                let inside = last.position.inside.as_ref().map_or(0, |inside| inside.sent);
                last.position.totals.bytes.saturating_add(inside)
            }),
            Self::Written(..) | Self::Named(_) | Self::Closed(_) | Self::Damaged(_) => u64::MAX,
        }
    }
}

/// Bytes of the source that an unfinished set has already, by its journal. `None` if that is not
/// known: it is damaged, or encrypted and its key is not among `keys`. `name` is that of its folder.
///
/// # Errors
/// The destination fails.
pub(crate) fn saved_bytes(
    target: &dyn Destination,
    name: &str,
    keys: Option<&Keys>,
) -> Result<Option<u64>, SetError> {
    let Some(folder) = names::without_partial(name) else { return Ok(None) };
    let Some(unfinished) = look(target, folder, keys)? else { return Ok(None) };
    Ok(match &unfinished.state {
        State::Copying(..) => Some(unfinished.state.done()),
        State::Written(_, written, _) => Some(written.totals.bytes),
        State::Named(rescue) => Some(rescue.totals.bytes),
        State::Closed(_) | State::Damaged(_) => None,
    })
}

/// Looks for an unfinished set of this plan.
pub(crate) fn find(
    target: &dyn Destination,
    plan: &Plan,
    options: &OffloadOptions,
    packing: &Options,
    monitor: &dyn Monitor,
) -> Result<Option<Unfinished>, SetError> {
    let wanted = match &options.resume {
        Resume::Never => return Ok(None),
        Resume::Auto => None,
        Resume::This(name) => Some(name.trim_end_matches('/').trim_end_matches(PARTIAL)),
    };
    let mut found: Option<(String, Unfinished)> = None;
    let mut changed = None;
    let source = plan.source_id();
    let keys = options.encryption.as_ref().map(|encryption| &encryption.keys);
    for entry in target.list("")? {
        let Some(folder) = names::without_partial(&entry.name).filter(|_| entry.is_dir) else {
            continue;
        };
        if wanted.is_some_and(|wanted| !wanted.eq_ignore_ascii_case(folder)) {
            continue;
        }
        let looked = match look(target, folder, keys) {
            // Another user's, behind its own permissions, or no set at all: ignore it.
            Err(SetError::Destination(error)) if wanted.is_none() && is_of_it(&error) => {
                monitor.note(&format!("{error}; skipping that unfinished set"));
                continue;
            }
            looked => looked?,
        };
        let Some(unfinished) = looked else {
            if folder.starts_with(&SetNames::machine(plan, options)) {
                sweep(target, &entry.name);
            }
            continue;
        };
        let (made_by, made_of, packed, of) = match &unfinished.state {
            State::Copying(begin, _) | State::Written(begin, ..) => {
                (&begin.program, &begin.plan, &begin.options, Some(&begin.source))
            }
            State::Named(rescue) => (&rescue.program, &rescue.plan, &rescue.options, None),
            State::Damaged(why) => {
                if wanted.is_some() || folder.starts_with(&SetNames::machine(plan, options)) {
                    monitor.note(&format!(
                        "{}: unfinished and damaged: {why}; not changed",
                        target.display(&entry.name)
                    ));
                }
                continue;
            }
            State::Closed(why) => {
                if wanted.is_some() || folder.starts_with(&SetNames::machine(plan, options)) {
                    monitor.note(&format!(
                        "{}: unfinished and encrypted: {why}; not changed. To resume it, give the \
                         same passphrase, or --identity.",
                        target.display(&entry.name)
                    ));
                }
                continue;
            }
        };
        let same_packing = made_by == PROGRAM
            && unfinished.key.is_some() == options.encryption.is_some()
            && (options.any_level || packed.level == packing.level)
            && (packed.frame_bytes, packed.split) == (packing.frame_bytes, packing.split);
        if *made_of == plan.digest() && same_packing {
            let created = unfinished.names.created.clone();
            // The latest, if there are several.
            if found.as_ref().is_none_or(|(earlier, _)| *earlier < created) {
                found = Some((created, unfinished));
            }
        } else if wanted.is_none()
            && of == Some(&source)
            && is_empty(target, &entry.name, &unfinished)
        {
            // Nothing is lost with it, and a second one would stay beside the new set for ever.
            sweep(target, &entry.name);
        } else if wanted.is_some() {
            return Err(SetError::SourceChanged { set: target.display(&entry.name) });
        } else if *made_of != plan.digest() && of == Some(&source) {
            changed = Some(target.display(&entry.name));
        } else if folder.starts_with(&SetNames::machine(plan, options)) {
            monitor.note(&format!(
                "{}: unfinished, but from another source or with other options; not changed",
                target.display(&entry.name)
            ));
        }
    }
    match (found, wanted) {
        (Some((_, unfinished)), _) => Ok(Some(unfinished)),
        (None, None) if changed.is_some() => {
            Err(SetError::SourceChanged { set: changed.unwrap_or_default() })
        }
        (None, None) => Ok(None),
        (None, Some(wanted)) => Err(SetError::NotASet {
            path: target.display(wanted),
            what: "no unfinished set that can be resumed".to_owned(),
        }),
    }
}

/// Whether an error is about what is in a folder, and not about its destination: the next run would
/// meet it again.
pub(crate) fn is_of_it(error: &DestinationError) -> bool {
    use ErrorKind::{AlreadyExists, Denied, NotFound, Unfit};
    matches!(error.kind, AlreadyExists | Denied | NotFound | Unfit)
}

/// What of a set has its final name already while it is copied: somebody put it there, and
/// the set could never be completed beside it.
pub(crate) fn early_file(target: &dyn Destination, dir: &str) -> Result<Option<String>, SetError> {
    let mut names = target.list(dir)?.into_iter().map(|entry| entry.name);
    let is_early = |name: &String| {
        (name.starts_with(STORE) || name.starts_with(MANIFEST))
            && names::is_own(name)
            && names::without_partial(name).is_none()
    };
    Ok(names.find(is_early).map(|name| format!("{name} is there before its time")))
}

/// Removes the folder of a run that ended before it began: it has only a journal
/// without a first line, and marks of dead runs. Best effort.
fn sweep(target: &dyn Destination, dir: &str) {
    let target = target.without_retry().unwrap_or(target);
    let Ok(entries) = target.list(dir) else { return };
    if !is_idle(&entries) || !lock::is_abandoned(target, dir) {
        return;
    }
    for entry in entries {
        let _ = target.remove_file(&format!("{dir}/{}", entry.name));
    }
    let _ = target.remove_dir(dir);
}

/// Whether an unfinished set was begun, but has not a byte of a store.
fn is_empty(target: &dyn Destination, dir: &str, unfinished: &Unfinished) -> bool {
    let is_at_start =
        matches!(unfinished.state, State::Copying(..)) && unfinished.state.done() == 0;
    is_at_start && target.list(dir).is_ok_and(|entries| is_idle(&entries))
}

/// Whether nothing was begun in a folder with these entries.
fn is_idle(entries: &[DestinationEntry]) -> bool {
    let is_idle = |name: &str| {
        let name = name.to_ascii_lowercase();
        name == names::JOURNAL || is_key(&name) || lock::is_mark(&name)
    };
    let is_without_bytes = |entry: &DestinationEntry| entry.size == 0 && names::is_own(&entry.name);
    entries.iter().all(|entry| !entry.is_dir && (is_idle(&entry.name) || is_without_bytes(entry)))
}

/// Names for a new set that no other set has, including unfinished ones.
pub(crate) fn new_names(
    target: &dyn Destination,
    plan: &Plan,
    options: &OffloadOptions,
) -> Result<SetNames, SetError> {
    let keys = options.encryption.as_ref().map(|encryption| &encryption.keys);
    for attempt in 0..100 {
        let names = SetNames::new(plan, options, attempt);
        let there = |path: &str| target.stat(path).map(|e| e.is_some());
        if there(&names.folder)? {
            continue;
        }
        // A folder in which nothing was started counts as free.
        if !there(&names.partial())? || look(target, &names.folder, keys)?.is_none() {
            return Ok(names);
        }
    }
    Err(SetError::Internal { what: "no free name for the set".to_owned() })
}

/// Reads an unfinished set's folder; `None` if it is not one.
pub(crate) fn look(
    target: &dyn Destination,
    folder: &str,
    keys: Option<&Keys>,
) -> Result<Option<Unfinished>, SetError> {
    let dir = format!("{folder}{PARTIAL}");
    let names = |set: &str, created: &str| SetNames {
        id: set.to_owned(),
        created: created.to_owned(),
        folder: folder.to_owned(),
    };
    if let Some(why) = stranger_in(target, &dir) {
        let state = State::Damaged(why);
        return Ok(Some(Unfinished { names: names("", ""), state, key: None }));
    }
    let key = match open_key(target, &dir, keys.unwrap_or(&Keys::default())) {
        Ok(key) => key,
        Err(SetError::Crypt { error, .. }) => {
            let state = State::Closed(error.to_string());
            return Ok(Some(Unfinished { names: names("", ""), state, key: None }));
        }
        Err(error) => return Err(error),
    };
    let path = format!("{dir}/{}", names::JOURNAL);
    let size = target.stat(&path)?.map_or(0, |entry| entry.size);
    let mut bytes = vec![0; usize::try_from(size.min(journal::MAX_BYTES)).unwrap_or(0)];
    if !bytes.is_empty() {
        let mut file = target.open(&path)?;
        let read = read_full(&mut *file, 0, &mut bytes)?;
        bytes.truncate(read);
    }
    let lines = match &key {
        Some(key) => journal::read_sealed(&bytes, key),
        None => journal::read(&bytes),
    };
    let mut lines = lines.into_iter();
    let Some((journal::Line::Begin(begin), end)) = lines.next() else {
        let damaged = |why: String| {
            let state = State::Damaged(why);
            Ok(Some(Unfinished { names: names("", ""), state, key: None }))
        };
        return match read_rescue(target, &dir) {
            Ok(rescue) if rescue.encryption.is_some() != key.is_some() => {
                damaged("key.age does not fit rescue.json".to_owned())
            }
            Ok(mut rescue) => {
                if let Some(key) = &key {
                    rescue = match details(target, &dir, key, &rescue) {
                        Err(error @ SetError::Crypt { .. }) => return damaged(error.to_string()),
                        details => details?,
                    };
                }
                let names = names(&rescue.set, &rescue.created);
                Ok(Some(Unfinished { names, state: State::Named(Box::new(rescue)), key }))
            }
            Err(SetError::Destination(error)) => Err(error.into()),
            Err(_) if target.stat(&dir)?.is_none() => Ok(None),
            Err(_) if is_idle(&target.list(&dir)?) => Ok(None),
            Err(SetError::NotASet { .. }) => damaged("its journal has no first line".to_owned()),
            Err(error) => damaged(error.to_string()),
        };
    };
    let names = names(&begin.set, &begin.created);
    // Where the journal is truncated if none of its checkpoints is valid.
    let mut checkpoints = vec![(Checkpoint::default(), end)];
    for (line, end) in lines {
        match line {
            journal::Line::Begin(_) => {}
            journal::Line::Checkpoint(checkpoint) => checkpoints.push((*checkpoint, end)),
            journal::Line::Written(written) => {
                let state = State::Written(begin, written, checkpoints);
                return Ok(Some(Unfinished { names, state, key }));
            }
        }
    }
    Ok(Some(Unfinished { names, state: State::Copying(begin, checkpoints), key }))
}

/// Reports the losses of a set whose manifest is complete.
pub(crate) fn tell_all_losses(
    target: &dyn Destination,
    dir: &str,
    files: &[SetFile],
    key: Option<&SetKey>,
    monitor: &dyn Monitor,
) -> Result<(), SetError> {
    if let Some(key) = key {
        let tell = |member: &Member| report_losses(member, monitor);
        return sealed::members(target, dir, files, key, tell);
    }
    let path = format!("{dir}/{MANIFEST}");
    let partial = format!("{path}{PARTIAL}");
    let named = target.stat(&path)?.is_some();
    for line in Lines::open(target, if named { &path } else { &partial })? {
        if let Line::Member(member) = line? {
            report_losses(&member, monitor);
        }
    }
    Ok(())
}
