//! Long jobs on their own threads: the search, the pre-flight check, the save.
//! Each calls the functions of the commands; the screen is drawn meanwhile.

use std::sync::Arc;
use std::sync::mpsc::Sender;

use anyhow::Result;

use super::super::args::{Global, Offload};
use super::super::commands::offload;
use super::super::exit::{Exit, Failure, explain};
use super::super::output::Out;
use super::super::{keys, sets, sources};
use super::app::Wish;
use super::places::{PARTIAL, Places};
use crate::destination::Destination;
use crate::destination::address::{Dest, DestError};
use crate::destination::preflight::Preflight;
use crate::disk::bitlocker::ProtectorKind;
use crate::health::{Check, check_store};
use crate::model::finding::Finding;
use crate::model::monitor::Monitor;
use crate::model::recovered::RecoveredCount;
use crate::offload::OffloadRequest;
use crate::set::write::level::Level as ZstdLevel;
use crate::set::write::writer::Outcome;
use crate::tree::source::SourceVolume;
use crate::usmt::logs::UsmtRun;
use crate::usmt::{Machine, Store, Survey};

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
}

impl LockedVolume {
    fn of(volume: &SourceVolume) -> Option<Self> {
        let encryption = volume.encryption.as_ref().filter(|encryption| encryption.is_locked())?;
        Some(Self {
            name: volume.display.clone(),
            key_id: encryption.key_id.clone().unwrap_or_default(),
            protectors: encryption.kinds(),
            label: encryption.label.clone(),
            takes_password: encryption.protectors.contains(&ProtectorKind::Password),
        })
    }
}

/// Everything that was found.
pub(super) struct Found {
    pub(super) stores: Vec<Seen>,
    pub(super) machine: Machine,
    /// Volumes that could not be read.
    pub(super) closed: Vec<String>,
    /// Those that a key may unlock.
    pub(super) locked: Vec<LockedVolume>,
    pub(super) places: Places,
    /// Findings about the volumes.
    pub(super) findings: Vec<Finding>,
    /// Volumes that could not be read, and other notes.
    pub(super) notes: Vec<String>,
    /// The number of volumes that could be read.
    pub(super) looked_into: usize,
}

/// A destination that passed the pre-flight check.
#[derive(Clone)]
pub(super) struct Checked {
    pub(super) target: Arc<dyn Destination>,
    pub(super) args: Arc<Offload>,
    /// How sets are made there; without a key.
    pub(super) request: OffloadRequest,
    pub(super) report: Preflight,
    /// Folders of unfinished sets at the destination.
    pub(super) begun: Vec<String>,
}

/// What to save, and the destination.
pub(super) struct Order {
    /// With their numbers in the list of stores, and their captures.
    pub(super) stores: Vec<(usize, Store, Option<Capture>)>,
    pub(super) machine: Machine,
    /// Volumes that could not be read.
    pub(super) closed: Vec<String>,
    /// Whether deleted files are recovered too.
    pub(super) deleted: bool,
    pub(super) to: Checked,
}

/// What was saved.
#[derive(Default)]
pub(super) struct Saved {
    pub(super) sets: Vec<(usize, Outcome, Exit)>,
    /// Why it ended early.
    pub(super) failure: Option<Failure>,
}

/// Runs a job on a thread. The screen waits for its message, so it is sent even
/// if no thread can be started.
pub(super) fn start(tell: &Sender<Done>, job: impl FnOnce() -> Done + Send + 'static) {
    let (own, tell) = (tell.clone(), tell.clone());
    let spawned = std::thread::Builder::new().name("guided".into()).spawn(move || {
        // The receiver is gone when the program ends.
        let _ = own.send(job());
    });
    if let Err(error) = spawned {
        let what = format!("no thread could be started: {error}");
        let failure = Failure::new(Exit::Failed, what, "Close other programs and try again.");
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
        let places = Places::find(&stores, sources);
        let mut seen = Vec::new();
        for store in stores.into_iter().filter(|store| store.kind.holds_data()) {
            let survey = Survey::of(&store, out);
            let capture = found.logs.capture_of(&store, &found.stores);
            let check = Check { capture, closed: &found.closed, ..Check::default() };
            let report = check_store(&store, &check, out);
            let (findings, deleted) = (report.findings, report.deleted);
            let capture = capture.map(|(run, is_named)| (run.clone(), is_named));
            seen.push(Seen { store, survey, capture, findings, deleted });
        }
        if out.is_cancelled() {
            return Err(sources::interrupted().into());
        }
        Ok(Box::new(Found {
            stores: seen,
            machine,
            closed: found.closed,
            locked: found.volumes.iter().filter_map(LockedVolume::of).collect(),
            places,
            looked_into: found.volumes.iter().filter(|volume| volume.tree.is_ok()).count(),
            findings: found.volumes.into_iter().flat_map(|volume| volume.findings).collect(),
            notes: out.live().with(|shown| shown.notes.iter().cloned().collect()),
        }))
    };
    Done::Found(find().map_err(|error| explain(&error)))
}

/// Converts a typed destination for this system: on Linux, `\\server\share` is
/// `smb://server/share`. A user that is not in the address comes from the User
/// field.
pub(super) fn destination(typed: &str) -> String {
    let typed = typed.trim();
    match typed.parse::<Dest>() {
        Err(DestError::UncOnLinux(url)) => url.replacen("smb://user@", "smb://", 1),
        _ => typed.to_owned(),
    }
}

/// Opens the destination and tests everything that writing a set requires.
pub(super) fn check(wish: &Wish, name: Option<&str>, level: ZstdLevel, out: Out) -> Done {
    let Wish { to, logon, password } = wish;
    let check = || -> Result<Box<Checked>> {
        let mut args = Offload::to(to, logon).ok_or_else(|| {
            Failure::new(
                Exit::Usage,
                format!("{to}: not a destination"),
                "Enter a folder or a share.",
            )
        })?;
        args.name = name.map(str::to_owned);
        args.level = level;
        // The compressed size is not known, and the page has shown the free
        // space.
        args.despite_space = true;
        let target = sets::open_dest_with(to, logon, password, args.retry_for, out)?;
        let (report, request) = offload::look_at(&*target, offload::request(&args, None), out)?;
        let entries = target.list("")?.into_iter().filter(|entry| entry.is_dir);
        let begun = entries.map(|entry| entry.name).filter(|name| name.ends_with(PARTIAL));
        let begun = begun.collect();
        Ok(Box::new(Checked { target, args: Arc::new(args), request, report, begun }))
    };
    Done::Checked(check().map_err(|error| explain(&error)))
}

/// Saves the stores one after the other.
pub(super) fn save(order: &Order, out: Out) -> Done {
    let mut saved = Saved::default();
    let Checked { args, target, request, .. } = &order.to;
    let encryption = match keys::encryption(args, out) {
        Ok(encryption) => encryption,
        Err(error) => {
            saved.failure = Some(explain(&error));
            out.live().end();
            return Done::Saved(Box::new(saved));
        }
    };
    let request = OffloadRequest { encryption, deleted: order.deleted, ..request.clone() };
    let job = offload::Job { request, target: &**target, out };
    for (number, store, capture) in &order.stores {
        let check = Check {
            capture: capture.as_ref().map(|(run, is_named)| (run, *is_named)),
            closed: &order.closed,
            ..Check::default()
        };
        match job.store(store, &order.machine, &check) {
            Ok((outcome, end)) => saved.sets.push((*number, outcome, end)),
            Err(error) => {
                saved.failure = Some(explain(&error));
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
    }
}
