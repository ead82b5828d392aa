//! `lifeboat offload`.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use serde_json::json;

use super::seal;
use crate::cli::args::{Global, Offload};
use crate::cli::ending::{self, Around, End, SavedSet};
use crate::cli::exit::{Exit, Failure};
use crate::cli::nothing_found::nothing_found;
use crate::cli::output::Out;
use crate::cli::protect::{self, Protected, trees_of, trees_of_store};
use crate::cli::sources::Found;
use crate::cli::users::Chosen;
use crate::cli::{folder, keys, sets, sources, users};
use crate::destination::Destination;
use crate::destination::address::Dest;
use crate::destination::preflight::{Preflight, preflight};
use crate::health::{Check, DeletedStore, deleted_stores, unfinished_capture};
use crate::model::metadata::FileTime;
use crate::model::monitor::Monitor;
use crate::model::units;
use crate::offload::{Foreseen, OffloadRequest};
use crate::profiles;
use crate::seal::{Looked, verdict};
use crate::set::crypt::Encryption;
use crate::set::format::rescue::{EndState, Rescue, SealOutcome};
use crate::set::write::parts::FolderSet;
use crate::set::write::writer::Outcome;
use crate::tree::Tree;
use crate::tree::recovered::DeletedOn;
use crate::usmt::{Machine, Store, StoreVolume, drive_of};

pub(crate) fn run(args: &Offload, global: &Global, out: Out) -> Result<Exit> {
    let to = sets::given_dest(args.to.as_deref())?;
    if args.everything && !args.profiles && args.of_user.is_empty() {
        let what = "--everything belongs to --profiles or --of-user";
        return Err(Failure::new(Exit::Usage, what, "Name the users, or leave it out.").into());
    }
    let swapped = "Did you swap SOURCE and --to? lifeboat offload SOURCE --to DEST";
    protect::refuse_swapped(to, &args.sources, swapped)?;
    // A passphrase that is too short, or a wrong password, should not cost a search.
    let mut encryption = keys::encryption(args, out)?;
    let is_share = to.parse().is_ok_and(|dest: Dest| dest.is_share());
    let mut tried = None;
    if is_share {
        tried = Some(Tried::out(to, args, encryption.take(), out)?);
    }
    // A folder is not even tried out before it is known to be on no volume that is saved.
    let look = Look::at(args, global, out)?;
    Protected::of(&look.found).refuse(to, look.saved().into_iter())?;
    let Tried { target, request, free } = match tried {
        Some(tried) => tried,
        None => Tried::out(to, args, encryption, out)?,
    };
    let _traceless = args.dry_run.then(|| sets::Traceless(&*target));
    let dry_run = args.dry_run.then_some(DryRun { free });
    let job = Job { request, target: &*target, dry_run, accept_ignored: args.accept_ignored, out };
    let Ran { exit, sets, around } = job.save(look)?;
    if !args.dry_run {
        let end = End::of_all(sets.iter(), None);
        ending::print_next(end, &sets.iter().collect::<Vec<_>>(), &around, true, out);
        let word = ending::exit_word(exit, end);
        out.field("exit", &format!("code {}: {word}", exit.code()));
    }
    Ok(exit)
}

/// A destination that passed the pre-flight check.
struct Tried {
    target: Arc<dyn Destination>,
    /// With the destination's speed.
    request: OffloadRequest,
    /// Bytes that are free there, if that is known.
    free: Option<u64>,
}

impl Tried {
    fn out(to: &str, args: &Offload, encryption: Option<Encryption>, out: Out) -> Result<Self> {
        let target = sets::open_dest(to, &args.logon, args.retry_for, out)?;
        let look = || -> Result<(OffloadRequest, Option<u64>)> {
            sets::refuse_set(&*target, to)?;
            let (found, request) = look_at(&*target, request(args, encryption), out)?;
            if found.in_memory && !args.allow_memory {
                let what = in_memory(&target.display(""));
                let action =
                    "Use a USB disk or a share. (--allow-memory saves there nevertheless.)";
                return Err(Failure::new(Exit::Destination, what, action).into());
            }
            Ok((request, found.space.map(|space| space.free)))
        };
        match look() {
            Ok((request, free)) => Ok(Self { target, request, free }),
            Err(error) => {
                drop(sets::Traceless(&*target));
                Err(error)
            }
        }
    }
}

/// What there is to save. Nothing was written yet.
struct Look {
    found: Found,
    what: Wanted,
}

/// What of it was asked for.
enum Wanted {
    /// Stores, and those that were deleted as a whole, on volumes that can be searched.
    Stores(Vec<Store>, Vec<DeletedStore>),
    /// Folders, stores or not.
    Folders(Vec<FolderSet>),
    /// Users' folders, and the users who are left out.
    Users(Vec<Chosen>, Vec<String>),
}

impl Look {
    fn at(args: &Offload, global: &Global, out: Out) -> Result<Self> {
        if args.profiles || !args.of_user.is_empty() {
            let found = sources::open(&args.sources, global, &args.search, out)?;
            let volumes: Vec<StoreVolume> = found.searchable().collect();
            let installations = profiles::find(&volumes, out);
            let chosen = users::choose(args, &installations, &found, out)?;
            let left_out = match args.of_user.as_slice() {
                [] => Vec::new(),
                asked => users::others(&installations, asked),
            };
            return Ok(Self { found, what: Wanted::Users(chosen, left_out) });
        }
        if !args.path.is_empty() {
            let found = sources::open(&args.sources, global, &args.search, out)?;
            let what = Wanted::Folders(folder::find(&args.path, &found, out)?);
            return Ok(Self { found, what });
        }
        let found = sources::find_with(&args.sources, global, &args.search, out)?;
        let stores = sources::choose(found.stores.clone(), &args.store)?;
        let stores: Vec<Store> = stores.into_iter().filter(|s| s.kind.holds_data()).collect();
        let volumes: Vec<StoreVolume> = found.searchable().collect();
        // Of a store that was deleted as a whole, the finding says how much is left.
        let is_for_deleted = args.deleted && args.store.is_empty() && !args.dry_run;
        let deleted =
            if is_for_deleted { deleted_stores(&volumes, &found.stores, out) } else { Vec::new() };
        if stores.is_empty() && deleted.is_empty() {
            if let Some(hint) = users::hint(&profiles::find(&volumes, &out)) {
                out.say(&hint);
            }
            return Err(nothing_found(&found).into());
        }
        Ok(Self { found, what: Wanted::Stores(stores, deleted) })
    }

    /// The volumes that have something of it.
    fn saved(&self) -> Vec<&Arc<dyn Tree>> {
        match &self.what {
            Wanted::Stores(stores, deleted) => {
                let volumes: Vec<_> =
                    self.found.volumes.iter().filter_map(|v| v.tree.as_ref().ok()).collect();
                let on = deleted.iter().filter_map(|one| volumes.get(one.volume).copied());
                stores.iter().flat_map(trees_of_store).chain(on).collect()
            }
            Wanted::Folders(sets) => sets.iter().flat_map(trees_of).collect(),
            Wanted::Users(chosen, _) => chosen.iter().flat_map(|one| trees_of(&one.set)).collect(),
        }
    }
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

/// The request that the command line, and the settings behind it, amount to.
pub(crate) fn request(args: &Offload, encryption: Option<Encryption>) -> OffloadRequest {
    OffloadRequest {
        begun: FileTime::now(),
        name: args.name.clone(),
        level: args.level,
        write_speed: 0,
        reads_beside: false,
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
    let (write_speed, reads_beside) = (found.write_speed, found.reads_beside);
    let request = OffloadRequest { write_speed, reads_beside, ..request };
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
    /// Profiles that scanstate ignored are no doubt.
    pub(crate) accept_ignored: bool,
    pub(crate) out: Out,
}

impl Job<'_> {
    /// All of it, a set for each.
    fn save(&self, look: Look) -> Result<Ran> {
        let Look { found, what } = look;
        match what {
            Wanted::Stores(stores, deleted) => self.stores(&found, &stores, deleted),
            Wanted::Folders(sets) => self.folders(&found, sets),
            Wanted::Users(chosen, left_out) => self.users(&found, chosen, left_out),
        }
    }

    /// Stores, and those that were deleted.
    fn stores(&self, found: &Found, stores: &[Store], deleted: Vec<DeletedStore>) -> Result<Ran> {
        let out = self.out;
        let mut exit = Exit::Done;
        let mut sets = self.deleted(found, deleted)?;
        if !sets.is_empty() {
            exit = Exit::Losses;
        }
        if stores.is_empty() && sets.is_empty() {
            return Err(nothing_found(found).into());
        }
        for store in stores {
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
            let capture = found.logs.capture_of(store, &found.stores);
            unfinished_capture(store, capture, self.accept_ignored)
        }));
        doubts.extend(users::outside_of(&stores.iter().collect::<Vec<_>>(), found, out));
        let around = Around { doubts, left_out };
        if exit == Exit::Done && !(around.doubts.is_empty() && found.closed.is_empty()) {
            exit = Exit::Losses;
        }
        Ok(Ran { exit, sets, around })
    }

    /// The stores that were deleted as a whole, each into a separate set. A recovered store is
    /// never a whole one.
    fn deleted(&self, found: &Found, deleted: Vec<DeletedStore>) -> Result<Vec<SavedSet>> {
        let out = self.out;
        let volumes: Vec<StoreVolume> = found.searchable().collect();
        let mut sets = Vec::new();
        for DeletedStore { volume, files, .. } in deleted {
            let Some(on) = volumes.get(volume) else { continue };
            let since = Instant::now();
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
    fn folders(&self, found: &Found, folders: Vec<FolderSet>) -> Result<Ran> {
        let all = folders.into_iter().map(|set| Chosen { set, lacks: Vec::new() });
        let (exit, sets) =
            self.chosen(found, all, "This is a folder, not a store: loadstate cannot use it.")?;
        // Only these folders were asked for.
        Ok(Ran { exit, sets, around: Around::default() })
    }

    /// The users' folders.
    fn users(&self, found: &Found, chosen: Vec<Chosen>, left_out: Vec<String>) -> Result<Ran> {
        let out = self.out;
        let (mut exit, sets) = self.chosen(
            found,
            chosen.into_iter(),
            "These are users' files, not a store: loadstate cannot use them.",
        )?;
        if !found.closed.is_empty() {
            out.result("Some volumes could not be read (see above): users' files may be there.");
        }
        let around = Around { doubts: found.doubts(), left_out };
        if exit == Exit::Done && !(around.doubts.is_empty() && found.closed.is_empty()) {
            exit = Exit::Losses;
        }
        Ok(Ran { exit, sets, around })
    }

    /// Sets of folders. `what` is said of each that is saved.
    fn chosen(
        &self,
        found: &Found,
        chosen: impl Iterator<Item = Chosen>,
        what: &str,
    ) -> Result<(Exit, Vec<SavedSet>)> {
        let (mut exit, mut sets) = (Exit::Done, Vec::new());
        for Chosen { set, lacks } in chosen {
            if let Some(DryRun { free }) = self.dry_run {
                if !self.foresee_folder(set, &lacks, found, free)? {
                    exit = Exit::Losses;
                }
                continue;
            }
            let saved = self.folder(set, &lacks, &found.closed, &found.machine)?;
            self.out.say(&format!("  {what}"));
            if saved.exit != Exit::Done {
                exit = saved.exit;
            }
            sets.push(saved);
        }
        Ok((exit, sets))
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
        found: &Found,
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
