//! `lifeboat offload`.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Result;
use serde_json::json;

use super::seal;
use crate::cli::args::{Global, Offload};
use crate::cli::ending::{self, Around, End, SavedSet};
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::Out;
use crate::cli::users::Chosen;
use crate::cli::{folder, keys, sets, sources, users};
use crate::destination::Destination;
use crate::destination::preflight::{Preflight, preflight};
use crate::disk;
use crate::health::{Check, DeletedStore, deleted_stores, unfinished_capture};
use crate::model::monitor::Monitor;
use crate::model::units;
use crate::offload::{Foreseen, OffloadRequest};
use crate::profiles;
use crate::seal::{Looked, verdict};
use crate::set::crypt::Encryption;
use crate::set::format::rescue::{EndState, Rescue, SealOutcome};
use crate::set::write::parts::FolderSet;
use crate::set::write::writer::Outcome;
use crate::tree::recovered::DeletedOn;
use crate::tree::source::SourceVolume;
use crate::usmt::{Machine, Store, StoreVolume, drive_of};

pub(crate) fn run(args: &Offload, global: &Global, out: Out) -> Result<Exit> {
    // The destination first: a wrong password should not cost a scan.
    let to = sets::given_dest(args.to.as_deref())?;
    if args.everything && !args.profiles && args.of_user.is_empty() {
        let what = "--everything belongs to --profiles or --of-user";
        return Err(Failure::new(Exit::Usage, what, "Name the users, or leave it out.").into());
    }
    refuse_swapped(to, &args.sources)?;
    // Likewise a passphrase that is too short.
    let encryption = keys::encryption(args, out)?;
    let target = sets::open_dest(to, &args.logon, args.retry_for, out)?;
    let _traceless = args.dry_run.then(|| sets::Traceless(&*target));
    sets::refuse_set(&*target, to)?;
    let request = request(args, encryption);
    let (found, request) = look_at(&*target, request, out)?;
    if found.in_memory && !args.allow_memory {
        let action = "Use a USB disk or a share. (--allow-memory saves there nevertheless.)";
        return Err(Failure::new(Exit::Destination, in_memory(&target.display("")), action).into());
    }
    let dry_run = args.dry_run.then(|| DryRun { free: found.space.map(|space| space.free) });
    let job = Job { request, target: &*target, dry_run, out };
    let Ran { exit, sets, around } = if args.profiles || !args.of_user.is_empty() {
        job.users(args, global)?
    } else if args.path.is_empty() {
        job.stores(args, global)?
    } else {
        job.folders(args, global)?
    };
    if !args.dry_run {
        let end = End::of_all(sets.iter(), None);
        ending::print_next(end, &sets.iter().collect::<Vec<_>>(), &around, true, out);
        let word = ending::exit_word(exit, end);
        out.field("exit", &format!("code {}: {word}", exit.code()));
    }
    Ok(exit)
}

/// What a run did.
struct Ran {
    exit: Exit,
    sets: Vec<SavedSet>,
    around: Around,
}

/// A destination that would be lost.
pub(crate) fn in_memory(folder: &str) -> String {
    format!("{folder}: this folder is in the memory of this PC, and lost when it restarts")
}

/// What is given in each other's place costs nothing: no destination is made of a source.
fn refuse_swapped(to: &str, named: &[String]) -> Result<()> {
    let path = Path::new(to);
    let whole = |path: &Path| path.canonicalize().ok();
    let is_source = named.iter().any(|source| {
        source == to || whole(path).is_some_and(|to| whole(Path::new(source)) == Some(to))
    });
    let what = if path.is_file() {
        "this is a file, not a folder to save sets in"
    } else if disk::names_a_device(path) && !path.is_dir() {
        "this is a device, not a folder to save sets in"
    } else if is_source {
        "this is the source, which is never written to"
    } else {
        let folders = named.iter().map(PathBuf::from).filter(|source| source.is_dir());
        return sources::refuse_on_source(path, &folders.collect::<Vec<_>>());
    };
    let action = "Did you swap SOURCE and --to? lifeboat offload SOURCE --to DEST";
    Err(Failure::new(Exit::Usage, format!("{to}: {what}"), action).into())
}

/// The request that the command line, and the settings behind it, amount to.
pub(crate) fn request(args: &Offload, encryption: Option<Encryption>) -> OffloadRequest {
    OffloadRequest {
        name: args.name.clone(),
        level: args.level,
        write_speed: 0,
        frame_bytes: args.frame_bytes,
        split: args.split,
        read_back: !args.no_read_back,
        despite_space: args.despite_space,
        fresh: args.fresh,
        deleted: args.deleted,
        encryption,
    }
}

/// Tries the destination out: what it can, and the request with its speed.
pub(crate) fn look_at(
    target: &dyn Destination,
    request: OffloadRequest,
    out: Out,
) -> Result<(Preflight, OffloadRequest)> {
    let found = preflight(target, None)?;
    let request = OffloadRequest { write_speed: found.write_speed, ..request };
    let level = request.zstd_level();
    out.event(
        "destination",
        &json!({
            "destination": target.display(""),
            "free_bytes": found.space.map(|space| space.free),
            "bytes_per_second": found.write_speed,
            "clock_ahead_seconds": found.clock_ahead,
            "refused": found.refused,
            "level": level,
        }),
    );
    out.detail(&format!(
        "{}: {}/s; compression level {level}",
        target.display(""),
        units::bytes(found.write_speed)
    ));
    if let Some(ahead) = found.clock_ahead.filter(|ahead| *ahead != 0) {
        let side = if ahead > 0 { "ahead of" } else { "behind" };
        let ahead = units::count(ahead.unsigned_abs(), "second", "seconds");
        out.note(&format!(
            "the destination's clock is {ahead} {side} this PC's clock; the names of sets use \
             this PC's"
        ));
    }
    for name in &found.refused {
        out.note(&format!("the destination does not accept {name}: sets are saved without it"));
    }
    if found.changes_case {
        out.note(
            "the destination changes the letter case of names: on Linux, sha256sum -c needs the \
             names of SHA256SUMS",
        );
    }
    Ok((found, request))
}

/// An offload that saves nothing.
#[derive(Clone, Copy)]
pub(crate) struct DryRun {
    /// Bytes that are free at the destination, if that is known.
    free: Option<u64>,
}

/// What all sets of a run share.
pub(crate) struct Job<'a> {
    pub(crate) request: OffloadRequest,
    pub(crate) target: &'a dyn Destination,
    /// Only say what would be saved.
    pub(crate) dry_run: Option<DryRun>,
    pub(crate) out: Out,
}

impl Job<'_> {
    /// Every store, or those that were asked for.
    fn stores(&self, args: &Offload, global: &Global) -> Result<Ran> {
        let out = self.out;
        let mut sets = Vec::new();
        let found = sources::find_with(&args.sources, global, &args.search, out)?;
        let stores = sources::choose(found.stores.clone(), &args.store)?;
        let stores: Vec<Store> = stores.into_iter().filter(|s| s.kind.holds_data()).collect();
        let mut exit = Exit::Done;
        let mut is_any = !stores.is_empty();
        // Of a store that was deleted as a whole, the finding says how much is left.
        let is_for_deleted = args.deleted && args.store.is_empty() && self.dry_run.is_none();
        if is_for_deleted {
            let deleted = self.deleted(&found)?;
            if !deleted.is_empty() {
                (is_any, exit) = (true, Exit::Losses);
            }
            sets.extend(deleted);
        }
        if !is_any {
            let volumes: Vec<StoreVolume> = found.searchable().collect();
            if let Some(hint) = users::hint(&profiles::find(&volumes, &out)) {
                out.say(&hint);
            }
            return Err(sources::nothing_found(&found).into());
        }
        let volumes: Vec<&SourceVolume> = found.volumes.iter().filter(|v| v.tree.is_ok()).collect();
        let parts = stores.iter().flat_map(|store| &store.parts);
        // A store in a folder may be a copy: then there is nothing to protect around it.
        let is_device = |v: &&&SourceVolume| v.attached || disk::names_a_device(Path::new(&v.disk));
        let attached = parts.filter_map(|part| volumes.get(part.volume).filter(is_device));
        let mounts = attached.filter_map(|volume| volume.mount.clone());
        if let Some(to) = args.to.as_deref().filter(|to| Path::new(to).is_dir()) {
            sources::refuse_on_source(Path::new(to), &mounts.collect::<Vec<_>>())?;
        }
        for store in &stores {
            let check = Check {
                capture: found.logs.capture_of(store, &found.stores),
                closed: &found.closed,
                ..Check::default()
            };
            if let Some(DryRun { free }) = self.dry_run {
                let foreseen = self.request.foresee_store(store, &check, out)?;
                let (kind, machine) = (store.kind.as_str(), found.machine.of_store(store));
                if !self.show_foreseen(&store.display(), kind, &machine, &foreseen, free) {
                    exit = Exit::Losses;
                }
            } else {
                let set = self.store(store, &found.machine, &check)?;
                if set.exit != Exit::Done {
                    exit = Exit::Losses;
                }
                sets.push(set);
            }
        }
        if !found.closed.is_empty() {
            out.result("Some volumes could not be read (see above): a store may be there.");
        }
        let others = found.stores.iter().filter(|store| {
            store.kind.holds_data() && stores.iter().all(|saved| saved.id != store.id)
        });
        let left_out = others.map(Store::display).collect();
        let mut doubts = found.doubts();
        doubts.extend(stores.iter().filter_map(|store| {
            unfinished_capture(store, found.logs.capture_of(store, &found.stores))
        }));
        let around = Around { doubts, left_out };
        if exit == Exit::Done && !(around.doubts.is_empty() && found.closed.is_empty()) {
            exit = Exit::Losses;
        }
        Ok(Ran { exit, sets, around })
    }

    /// The stores that were deleted as a whole, each into a separate set; whether there is
    /// one. A recovered store is never a whole one.
    fn deleted(&self, found: &sources::Found) -> Result<Vec<SavedSet>> {
        let out = self.out;
        let volumes: Vec<StoreVolume> = found.searchable().collect();
        let mut sets = Vec::new();
        let since = Instant::now();
        for DeletedStore { volume, files, .. } in deleted_stores(&volumes, &found.stores, out) {
            let Some(on) = volumes.get(volume) else { continue };
            let drive = drive_of(volume, &volumes).name();
            let all = vec![DeletedOn { drive, tree: on.tree.clone(), files }];
            let saved = self.request.save_deleted(all, &found.machine, self.target, out);
            out.clear();
            if let Some(outcome) = saved? {
                let set = SavedSet { outcome, exit: Exit::Losses, took: since.elapsed() };
                self.show(&set);
                sets.push(set);
                out.say("  This store was deleted: loadstate cannot use it.");
            }
        }
        Ok(sets)
    }

    /// One store, and what is said of it.
    pub(crate) fn store(
        &self,
        store: &Store,
        machine: &Machine,
        check: &Check<'_>,
    ) -> Result<SavedSet> {
        let (out, since) = (self.out, Instant::now());
        let outcome = self.request.save_store(store, machine, check, self.target, out);
        out.clear();
        let outcome = outcome?;
        let differs = outcome.rescue.seal.as_ref().is_some_and(SealOutcome::differs);
        let is_done = outcome.rescue.end_state == EndState::Saved && !differs;
        let exit = if is_done { Exit::Done } else { Exit::Losses };
        let set = SavedSet { outcome, exit, took: since.elapsed() };
        self.show(&set);
        if let Some(sealed) = &set.outcome.rescue.seal {
            seal::event(&set.outcome.set, sealed, &verdict(sealed, Looked::Bytes), out);
        }
        Ok(set)
    }

    /// Folders, stores or not.
    fn folders(&self, args: &Offload, global: &Global) -> Result<Ran> {
        let out = self.out;
        let mut sets = Vec::new();
        let found = sources::open(&args.sources, global, &args.search, out)?;
        let mut exit = Exit::Done;
        for set in folder::find(&args.path, &found, out)? {
            if let Some(DryRun { free }) = self.dry_run {
                if !self.foresee_folder(set, &[], &found, free)? {
                    exit = Exit::Losses;
                }
                continue;
            }
            let saved = self.folder(set, &[], &found.closed, &found.machine)?;
            out.say("  This is a folder, not a store: loadstate cannot use it.");
            if saved.exit != Exit::Done {
                exit = saved.exit;
            }
            sets.push(saved);
        }
        // Only these folders were asked for.
        Ok(Ran { exit, sets, around: Around::default() })
    }

    /// The users' folders, store or not.
    fn users(&self, args: &Offload, global: &Global) -> Result<Ran> {
        let out = self.out;
        let mut sets = Vec::new();
        let found = sources::open(&args.sources, global, &args.search, out)?;
        let volumes: Vec<StoreVolume> = found.searchable().collect();
        let installations = profiles::find(&volumes, out);
        let mut exit = Exit::Done;
        for Chosen { set, lacks } in users::choose(args, &installations, &found, out)? {
            if let Some(DryRun { free }) = self.dry_run {
                if !self.foresee_folder(set, &lacks, &found, free)? {
                    exit = Exit::Losses;
                }
                continue;
            }
            let saved = self.folder(set, &lacks, &found.closed, &found.machine)?;
            out.say("  These are users' files, not a store: loadstate cannot use them.");
            if saved.exit != Exit::Done {
                exit = saved.exit;
            }
            sets.push(saved);
        }
        if !found.closed.is_empty() {
            out.result("Some volumes could not be read (see above): users' files may be there.");
        }
        let left_out = match args.of_user.as_slice() {
            [] => Vec::new(),
            asked => users::others(&installations, asked),
        };
        let around = Around { doubts: found.doubts(), left_out };
        if exit == Exit::Done && !(around.doubts.is_empty() && found.closed.is_empty()) {
            exit = Exit::Losses;
        }
        Ok(Ran { exit, sets, around })
    }

    /// One set of folders, and what is said of it.
    pub(crate) fn folder(
        &self,
        set: FolderSet,
        lacks: &[String],
        closed: &[String],
        machine: &Machine,
    ) -> Result<SavedSet> {
        let (out, since) = (self.out, Instant::now());
        let outcome = self.request.save_folders(set, lacks, closed, machine, self.target, out);
        out.clear();
        let outcome = outcome?;
        let is_done = outcome.rescue.end_state == EndState::Saved;
        let exit = if is_done { Exit::Done } else { Exit::Losses };
        let set = SavedSet { outcome, exit, took: since.elapsed() };
        self.show(&set);
        Ok(set)
    }

    /// What saving folders would do; whether all of it would be saved, as far as that shows.
    fn foresee_folder(
        &self,
        set: FolderSet,
        lacks: &[String],
        found: &sources::Found,
        free: Option<u64>,
    ) -> Result<bool> {
        let display = set.display.clone();
        let machine = found.machine.of_volumes(&[&set.volume]);
        let foreseen = self.request.foresee_folders(set, lacks, &found.closed, self.out)?;
        Ok(self.show_foreseen(&display, "folder", &machine, &foreseen, free))
    }

    fn show_foreseen(
        &self,
        display: &str,
        kind: &str,
        machine: &Machine,
        foreseen: &Foreseen,
        free: Option<u64>,
    ) -> bool {
        let (out, Foreseen { totals, estimate, lacks, damage }) = (self.out, foreseen);
        out.clear();
        let name = self.request.name.as_ref().or(machine.name.as_ref().map(|(name, _)| name));
        let name = name.or(machine.serial.as_ref().map(|(serial, _)| serial));
        let fits = free.is_none_or(|free| free >= estimate.bytes);
        out.event(
            "dry-run",
            &json!({
                "source": display,
                "kind": kind,
                "destination": self.target.display(""),
                "name": name,
                "files": totals.files,
                "directories": totals.directories,
                "links": totals.links,
                "bytes": totals.bytes,
                "set_bytes": estimate.bytes,
                "seconds": estimate.seconds,
                "free_bytes": free,
                "fits": fits,
                "lacks": lacks,
                "damage": damage,
            }),
        );
        out.result(&format!("Would save {display} ({kind})"));
        out.field("to", &self.target.display(""));
        if let Some(name) = name {
            out.field("name", &format!("{name}, the time and an id"));
        }
        out.field(
            "files",
            &format!(
                "{}, {}, {}",
                units::count(totals.files, "file", "files"),
                units::count(totals.directories, "folder", "folders"),
                units::bytes(totals.bytes)
            ),
        );
        let free = free.map_or("not known".to_owned(), units::bytes);
        out.field(
            "size",
            &format!("about {} compressed; {free} free", units::bytes(estimate.bytes)),
        );
        if let Some(seconds) = estimate.seconds {
            out.field("time", &format!("about {}, with the read-back", minutes(seconds)));
        }
        for text in lacks {
            out.field("MISSING", text);
        }
        for text in damage {
            out.field("DAMAGED", text);
        }
        if !fits {
            out.field("space", "NOT ENOUGH: free some there, or use another destination");
        }
        lacks.is_empty() && damage.is_empty() && fits
    }

    /// Says how a set ended.
    fn show(&self, set: &SavedSet) {
        let (target, name) = (self.target, &set.outcome.set);
        event(&set.outcome, target, self.out);
        let at = |file: &str| match file {
            "" => target.display(name),
            file => target.display(&format!("{name}/{file}")),
        };
        ending::print(set, &at, true, self.out);
    }
}

/// `2 h 5 min`, for an estimate.
fn minutes(seconds: u64) -> String {
    match seconds.div_ceil(60) {
        0 | 1 => "a minute".to_owned(),
        minutes @ 2..=59 => format!("{minutes} min"),
        minutes => format!("{} h {} min", minutes / 60, minutes % 60),
    }
}

fn event(outcome: &Outcome, target: &dyn Destination, out: Out) {
    let Rescue { totals, end_state, files, .. } = &outcome.rescue;
    let packed: u64 = files.iter().map(|file| file.size).sum();
    out.event(
        "set",
        &json!({
            "set": target.display(&outcome.set),
            "name": outcome.set,
            "end_state": end_state,
            "totals": totals,
            "lacks": outcome.rescue.lacks,
            "damage": outcome.rescue.damage,
            "set_bytes": packed,
            "resumed_frames": outcome.resumed_frames,
            "encryption": outcome.rescue.encryption.as_ref().map(|encryption| &encryption.how),
        }),
    );
}
