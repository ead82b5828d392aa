//! Long jobs on their own threads: the search, the pre-flight check, the save.
//! Each calls the functions of the commands; the screen is drawn meanwhile.

use std::sync::Arc;
use std::sync::mpsc::Sender;

use anyhow::Result;

use super::super::args::{Global, Logon, Offload};
use super::super::commands::offload;
use super::super::ending::SavedSet;
use super::super::exit::{Exit, Failure, explain};
use super::super::output::Out;
use super::super::protect::{self, Protected, trees_of, trees_of_store};
use super::super::users::outside_of;
use super::super::{keys, sets, sources};
use super::places::{PARTIAL, Places};
use crate::cli::exit::interrupted;
use crate::destination::Destination;
use crate::destination::address::{Dest, DestError};
use crate::destination::preflight::{Preflight, no_room};
use crate::disk::bitlocker::ProtectorKind;
use crate::health::{Check, check_store, unfinished_capture};
use crate::model::finding::Finding;
use crate::model::metadata::FileTime;
use crate::model::monitor::Monitor;
use crate::model::recovered::RecoveredCount;
use crate::model::secret::Secret;
use crate::model::threads::{self, NoThread};
use crate::offload::OffloadRequest;
use crate::profiles::{self, Contents, Installation, Profile, ProfileKind};
use crate::seal::{Guard, Looked, StoreCheck, verdict};
use crate::set::error::SetError;
use crate::set::write::level::Level as ZstdLevel;
use crate::set::write::parts::FolderSet;
use crate::set::write::resume::saved_bytes;
use crate::set::write::writer::is_too_small;
use crate::tree::Tree;
use crate::tree::source::SourceVolume;
use crate::usmt::logs::UsmtRun;
use crate::usmt::{Machine, Store, StoreVolume, Survey};

/// The result of a job.
pub(super) enum Done {
    Found(Result<Box<Found>, Failure>),
    Checked(Result<Box<Checked>, Failure>),
    Saved(Box<Saved>),
}

/// A run of scanstate, and whether its command line has the store's path.
pub(super) type Capture = (UsmtRun, bool);

/// A store, and what is known about it.
pub(super) struct Seen {
    pub(super) store: Store,
    pub(super) survey: Survey,
    /// The capture in the logs.
    pub(super) capture: Option<Capture>,
    /// Findings of the quick check.
    pub(super) findings: Vec<Finding>,
    /// Files that were deleted from the store.
    pub(super) deleted: RecoveredCount,
    /// What its seal says, by names, sizes and times; and whether something differs.
    pub(super) seal: Option<(String, bool)>,
    /// The parts that are missing, or may be.
    pub(super) lacks: Vec<String>,
}

/// A user of an offline Windows, and what is in the profile.
pub(super) struct SeenUser {
    /// The index of the installation.
    pub(super) windows: usize,
    pub(super) profile: Profile,
    pub(super) contents: Contents,
}

/// A volume that a key may unlock.
pub(super) struct LockedVolume {
    pub(super) name: String,
    /// The first digits of the Key ID to search for.
    pub(super) key_id: String,
    /// What opens it, for people.
    pub(super) protectors: String,
    /// What BitLocker calls it.
    pub(super) label: Option<String>,
    pub(super) takes_password: bool,
    pub(super) takes_recovery: bool,
}

impl LockedVolume {
    fn of(volume: &SourceVolume) -> Option<Self> {
        let encryption = volume.encryption.as_ref().filter(|encryption| encryption.is_locked())?;
        Some(Self {
            name: volume.display.clone(),
            key_id: encryption.key_ids.join(", "),
            takes_recovery: encryption.protectors.contains(&ProtectorKind::RecoveryKey),
            protectors: encryption.kinds(),
            label: encryption.label.clone(),
            takes_password: encryption.protectors.contains(&ProtectorKind::Password),
        })
    }
}

/// Everything that was found.
pub(super) struct Found {
    pub(super) stores: Vec<Seen>,
    /// The Windows installations whose users may be saved.
    pub(super) installations: Vec<Installation>,
    pub(super) users: Vec<SeenUser>,
    /// The volumes that were searched.
    pub(super) volumes: Vec<StoreVolume>,
    pub(super) machine: Machine,
    /// Volumes that could not be read.
    pub(super) closed: Vec<String>,
    /// Controllers whose disks are not seen.
    pub(super) unseen: usize,
    /// Why a store may be there that was not found.
    pub(super) doubts: Vec<String>,
    /// Those that a key may unlock.
    pub(super) locked: Vec<LockedVolume>,
    pub(super) places: Places,
    /// The volumes that nothing is written to.
    pub(super) protected: Protected,
    /// Findings about the volumes.
    pub(super) findings: Vec<Finding>,
    /// Volumes that could not be read, and other notes.
    pub(super) notes: Vec<String>,
    /// The number of volumes that could be read.
    pub(super) looked_into: usize,
}

#[cfg(test)]
impl Found {
    /// One volume was searched, without a store.
    pub(super) fn of_places(places: Places) -> Self {
        Self {
            stores: Vec::new(),
            installations: Vec::new(),
            users: Vec::new(),
            volumes: Vec::new(),
            machine: Machine::default(),
            places,
            protected: Protected::default(),
            closed: Vec::new(),
            unseen: 0,
            doubts: Vec::new(),
            locked: Vec::new(),
            findings: Vec::new(),
            notes: Vec::new(),
            looked_into: 1,
        }
    }
}

/// A destination that passed the pre-flight check.
#[derive(Clone)]
pub(super) struct Checked {
    pub(super) target: Arc<dyn Destination>,
    pub(super) args: Arc<Offload>,
    /// How sets are made there; without a key.
    pub(super) request: OffloadRequest,
    pub(super) report: Preflight,
    /// What was typed for it.
    pub(super) to: String,
    /// The device of its folder, by which it is known again.
    pub(super) device: Option<u64>,
    /// About how many bytes the sets have, if the files as they are may not fit.
    pub(super) needed: Option<u64>,
    /// Folders of unfinished sets at the destination, and the bytes that each has, if that is
    /// known.
    pub(super) begun: Vec<(String, Option<u64>)>,
    /// How the settings encrypt: `passphrase` or `recipients`.
    pub(super) encrypts: Option<&'static str>,
}

/// One set to make.
pub(super) enum Item {
    /// Of a store, with its capture.
    Store(Box<(Store, Option<Capture>)>),
    /// Of users' folders, with what they lack.
    Users(FolderSet, Vec<String>),
}

impl Item {
    /// The volumes that have something of it.
    fn trees(&self) -> impl Iterator<Item = &Arc<dyn Tree>> {
        let (store, set) = match self {
            Self::Store(of) => (Some(&of.0), None),
            Self::Users(set, _) => (None, Some(set)),
        };
        let of_store = store.into_iter().flat_map(trees_of_store);
        of_store.chain(set.into_iter().flat_map(trees_of))
    }
}

/// A destination that was chosen or typed.
pub(super) struct Wish {
    pub(super) to: String,
    pub(super) logon: Logon,
    pub(super) password: String,
    pub(super) allow_memory: bool,
    /// The device that it was on, if it is to be the same again.
    pub(super) device: Option<u64>,
    /// The volumes that nothing is written to.
    pub(super) protected: Protected,
    /// What is to be saved there: bytes before compression, and whether deleted files are, too.
    pub(super) items: Vec<Item>,
    pub(super) bytes: u64,
    pub(super) deleted: bool,
}

/// What to save, and the destination.
pub(super) struct Order {
    /// With their numbers ([`super::app::Target::number`]).
    pub(super) items: Vec<(usize, Item)>,
    pub(super) machine: Machine,
    /// Volumes that could not be read.
    pub(super) closed: Vec<String>,
    /// Whether deleted files are recovered too.
    pub(super) deleted: bool,
    /// First part of the names of the sets, if it was given.
    pub(super) name: Option<String>,
    /// A passphrase that was typed.
    pub(super) passphrase: Option<Secret>,
    pub(super) to: Checked,
}

/// What was saved.
#[derive(Default)]
pub(super) struct Saved {
    pub(super) sets: Vec<(usize, SavedSet)>,
    /// Why it ended early.
    pub(super) failure: Option<Failure>,
    /// Bytes of the unfinished set that are saved, if that is known.
    pub(super) kept: Option<u64>,
}

/// Said if nothing of an unfinished set can be resumed from.
pub(super) const TOO_LITTLE: &str =
    "Too little is saved to resume from. The next time, saving begins at the start.";

/// Runs a job on a thread. The screen waits for its message, so it is sent even
/// if no thread can be started.
pub(super) fn start(tell: &Sender<Done>, job: impl FnOnce() -> Done + Send + 'static) {
    let (own, tell) = (tell.clone(), tell.clone());
    let spawned = threads::start("guided", move || {
        // The receiver is gone when the program ends.
        let _ = own.send(job());
    });
    if let Err(error) = spawned {
        let failure = Failure::new(Exit::Failed, error.to_string(), NoThread::ADVICE);
        let _ =
            tell.send(Done::Saved(Box::new(Saved { failure: Some(failure), ..Saved::default() })));
    }
}

/// Finds the stores, and places to save them to.
pub(super) fn find(sources: &[String], global: &Global, out: Out) -> Done {
    let find = || -> Result<Box<Found>> {
        let mut found = sources::find(sources, global, out)?;
        let machine = std::mem::take(&mut found.machine);
        let stores = found.stores.clone();
        let volumes: Vec<StoreVolume> = found.searchable().collect();
        let (installations, users) = users(&stores, &volumes, out);
        let on = installations.iter().map(|one| one.volume_display.clone());
        let places = Places::find(&stores, &on.collect::<Vec<_>>(), sources);
        let mut seen = Vec::new();
        let mut doubts = found.doubts();
        let with_data: Vec<&Store> = stores.iter().filter(|one| one.kind.holds_data()).collect();
        doubts.extend(outside_of(&with_data, &found, out));
        for store in stores.into_iter().filter(|store| store.kind.holds_data()) {
            let survey = Survey::of(&store, out);
            let capture = found.logs.capture_of(&store, &found.stores);
            doubts.extend(unfinished_capture(&store, capture, false));
            let check = Check { capture, closed: &found.closed, ..Check::default() };
            let report = check_store(&store, &check, out);
            let (findings, deleted) = (report.findings, report.deleted);
            let capture = capture.map(|(run, is_named)| (run.clone(), is_named));
            let seal = sealed(&store, out)?;
            let lacks = store.lacks(&found.closed).iter().map(ToString::to_string).collect();
            seen.push(Seen { store, survey, capture, findings, deleted, seal, lacks });
        }
        if out.is_cancelled() {
            return Err(interrupted().into());
        }
        let protected = Protected::of(&found);
        Ok(Box::new(Found {
            stores: seen,
            installations,
            users,
            volumes,
            machine,
            doubts,
            unseen: found.unseen,
            closed: found.closed,
            locked: found.volumes.iter().filter_map(LockedVolume::of).collect(),
            places,
            protected,
            looked_into: found.volumes.iter().filter(|volume| volume.tree.is_ok()).count(),
            findings: found.volumes.into_iter().flat_map(|volume| volume.findings).collect(),
            notes: out.live().with(|shown| shown.notes.iter().cloned().collect()),
        }))
    };
    Done::Found(find().map_err(|error| explain(&error)))
}

/// What a store's seal says, as far as names, sizes and times show it.
fn sealed(store: &Store, out: Out) -> Result<Option<(String, bool)>> {
    let Some(mut guard) = Guard::of(store, out) else { return Ok(None) };
    let outcome = StoreCheck::begin(store, &mut guard, false, out)?.finish();
    Ok(Some((verdict(&outcome, Looked::Metadata), outcome.differs())))
}

/// The users that may be saved: those on the disks of the stores, or all without a store.
fn users(
    stores: &[Store],
    volumes: &[StoreVolume],
    out: Out,
) -> (Vec<Installation>, Vec<SeenUser>) {
    let mut installations = profiles::find(volumes, out);
    let disk = |number: usize| volumes.get(number).map(|volume| &volume.disk);
    let parts = || stores.iter().filter(|store| store.kind.holds_data()).flat_map(|s| &s.parts);
    if parts().next().is_some() {
        installations.retain(|one| parts().any(|part| disk(part.volume) == disk(one.volume)));
    }
    let mut seen = Vec::new();
    for (windows, one) in installations.iter().enumerate() {
        let people = one.profiles.iter().filter(|profile| profile.kind != ProfileKind::Service);
        for profile in people {
            let contents = Contents::of(profile, volumes, out);
            seen.push(SeenUser { windows, profile: profile.clone(), contents });
        }
    }
    (installations, seen)
}

/// Converts a typed destination for this system: on Linux, `\\server\share` is
/// `smb://server/share`. A user that is not in the address comes from the User
/// field.
pub(super) fn destination(typed: &str) -> String {
    let typed = without_marks(typed.trim());
    match typed.parse::<Dest>() {
        Err(DestError::UncOnLinux(url)) => url.replacen("smb://user@", "smb://", 1),
        _ => typed.to_owned(),
    }
}

/// A path without the quotation marks that it was copied with.
fn without_marks(typed: &str) -> &str {
    let between = |mark: char| typed.strip_prefix(mark)?.strip_suffix(mark);
    between('"').or_else(|| between('\'')).map_or(typed, str::trim)
}

/// Refuses what is at the path of a destination that is gone: the folder that a disk was mounted
/// in, or another disk. A disk that was connected again may have another number, but it has the
/// set that was begun.
fn refuse_other(target: &dyn Destination, to: &str, device: Option<u64>) -> Result<()> {
    if device.is_none() || target.device() == device {
        return Ok(());
    }
    let entries = target.list("").unwrap_or_default();
    if entries.iter().any(|entry| entry.is_dir && entry.name.ends_with(PARTIAL)) {
        return Ok(());
    }
    Err(gone(to).into())
}

fn gone(to: &str) -> Failure {
    let what = format!("the disk at {to} is gone, and something else is there now");
    Failure::new(Exit::Destination, what, "Connect the disk again, then try again.")
}

/// About how many bytes the sets of these items have at a destination with so many free ones.
/// Refuses one that is too small, as saving does. `done` bytes are in unfinished sets there; `None`
/// if that is not known.
fn size_of(
    wish: Wish,
    done: Option<u64>,
    request: &OffloadRequest,
    target: &dyn Destination,
    out: Out,
) -> Result<Option<u64>> {
    let Some(space) = target.space()?.filter(|space| space.free < wish.bytes) else {
        return Ok(None);
    };
    let request = OffloadRequest { deleted: wish.deleted, ..request.clone() };
    let mut needed = 0_u64;
    for item in wish.items {
        let bytes = match item {
            Item::Store(of) => request.size_of_store(&of.0, space.free, out)?,
            Item::Users(set, _) => request.size_of_folders(set, space.free, out)?,
        };
        needed = needed.saturating_add(bytes);
    }
    let left = wish.bytes.saturating_sub(done.unwrap_or(0));
    let share = u128::from(needed) * u128::from(left) / u128::from(wish.bytes.max(1));
    let needed = u64::try_from(share).unwrap_or(needed);
    if done.is_some() && is_too_small(space.free, needed) && !request.despite_space {
        return Err(no_room(target, needed, space).into());
    }
    Ok(Some(needed))
}

/// Opens the destination and tests everything that writing a set requires.
pub(super) fn check(
    wish: Wish,
    sources: &[String],
    name: Option<&str>,
    level: ZstdLevel,
    out: Out,
) -> Done {
    let check = || -> Result<Box<Checked>> {
        let Wish { to, logon, password, protected, items, .. } = &wish;
        let mut args = Offload::to(to, logon).ok_or_else(|| {
            Failure::new(
                Exit::Usage,
                format!("{to}: not a destination"),
                "Enter a folder or a share.",
            )
        })?;
        args.name = name.map(str::to_owned);
        args.level = level;
        let action = "Enter a folder on another disk, or a share.";
        protect::refuse_swapped(to, sources, action)?;
        protected.refuse(to, items.iter().flat_map(Item::trees))?;
        let target = sets::open_dest_with(to, logon, password, args.retry_for, out)?;
        if let Err(error) = refuse_other(&*target, to, wish.device) {
            drop(sets::Traceless(&*target));
            return Err(error);
        }
        sets::refuse_set(&*target, to)?;
        let (report, request) = offload::look_at(&*target, offload::request(&args, None), out)?;
        if report.in_memory && !wish.allow_memory {
            let action = "Use a USB disk or a share.";
            let what = offload::in_memory(&target.display(""));
            return Err(Failure::new(Exit::Destination, what, action).into());
        }
        let encryption = keys::encryption(&args, out)?;
        let keys = encryption.as_ref().map(|encryption| &encryption.keys);
        let entries = target.list("")?.into_iter().filter(|entry| entry.is_dir);
        let begun = entries.map(|entry| entry.name).filter(|name| name.ends_with(PARTIAL));
        let begun = begun.map(|name| {
            let bytes = saved_bytes(&*target, &name, keys).ok().flatten();
            (name, bytes)
        });
        let begun: Vec<(String, Option<u64>)> = begun.collect();
        let encrypts = encryption.as_ref().map(|encryption| encryption.locks.word());
        let (to, args, device) = (to.clone(), Arc::new(args), target.device());
        // One of them is resumed, if it is of the store.
        let done = begun.iter().map(|(_, bytes)| *bytes);
        let done = done.reduce(|a, b| a.zip(b).map(|(a, b)| a.max(b))).unwrap_or(Some(0));
        let needed = size_of(wish, done, &request, &*target, out)?;
        let report = Preflight { space: target.space()?, ..report };
        Ok(Box::new(Checked { target, args, request, report, to, device, needed, begun, encrypts }))
    };
    Done::Checked(check().map_err(|error| explain(&error)))
}

/// Saves the stores one after the other.
pub(super) fn save(order: Order, out: Out) -> Done {
    let mut saved = Saved::default();
    let Checked { args, target, request, to, device, .. } = &order.to;
    let encryption = match &order.passphrase {
        Some(passphrase) => keys::by_passphrase(passphrase).map(Some).map_err(Into::into),
        None => keys::encryption(args, out),
    };
    let encryption = match encryption {
        Ok(encryption) => encryption,
        Err(error) => {
            saved.failure = Some(explain(&error));
            out.live().end();
            return Done::Saved(Box::new(saved));
        }
    };
    let keys = encryption.as_ref().map(|encryption| encryption.keys.clone());
    let name = order.name.clone();
    let (begun, deleted) = (FileTime::now(), order.deleted);
    let request = OffloadRequest { begun, name, deleted, encryption, ..request.clone() };
    let job =
        offload::Job { request, target: &**target, dry_run: None, accept_ignored: false, out };
    for (number, item) in order.items {
        // A disk may be taken off at any time.
        if device.is_some() && target.device() != *device {
            saved.failure = Some(gone(to));
            break;
        }
        let done = match item {
            Item::Store(of) => {
                let (store, capture) = &*of;
                let check = Check {
                    capture: capture.as_ref().map(|(run, is_named)| (run, *is_named)),
                    closed: &order.closed,
                    ..Check::default()
                };
                job.store(store, &order.machine, &check)
            }
            Item::Users(set, lacks) => job.folder(set, &lacks, &order.closed, &order.machine),
        };
        match done {
            Ok(set) => saved.sets.push((number, set)),
            Err(error) => {
                let mut failure = explain(&error);
                if let Some(SetError::Cancelled { set }) = error.downcast_ref() {
                    let entries = target.list("").unwrap_or_default().into_iter();
                    let mut names = entries.map(|entry| entry.name);
                    let name = set
                        .as_ref()
                        .and_then(|set| names.find(|name| target.display(name) == *set));
                    let kept = name.map(|name| saved_bytes(&**target, &name, keys.as_ref()));
                    saved.kept = match set {
                        Some(_) => kept.and_then(Result::ok).flatten(),
                        // It had not begun.
                        None => Some(0),
                    };
                    if saved.kept == Some(0) {
                        TOO_LITTLE.clone_into(&mut failure.action);
                    }
                }
                saved.failure = Some(failure);
                break;
            }
        }
    }
    out.live().end();
    Done::Saved(Box::new(saved))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(not(windows))]
    fn a_share_may_be_typed_as_windows_writes_it() {
        assert_eq!(destination(r" \\server\share\a b "), "smb://server/share/a b");
        assert_eq!(destination("smb://server/share"), "smb://server/share");
        assert_eq!(destination("/mnt/usb"), "/mnt/usb");
        assert_eq!(destination(" \"/mnt/a b\" "), "/mnt/a b");
        assert_eq!(destination("'/mnt/a b'"), "/mnt/a b");
        assert_eq!(destination("'/mnt/a"), "'/mnt/a", "that may be a name");
        assert_eq!(destination("\""), "\"");
    }
}
