//! `lifeboat offload`.

use crate::destination::Destination;
use crate::destination::preflight::{Preflight, preflight};
use crate::health::missing_parts;
use crate::model::metadata::NodeKind;
use crate::model::monitor::{Monitor, Stage};
use crate::model::name::NtPath;
use crate::report;
use crate::seal::{self as sealing, Guard, Looked};
use crate::set::crypt::Encryption;
use crate::set::format::rescue::{EndState, Machine as SetMachine, Rescue, What};
use crate::set::write::level::auto_level;
use crate::set::write::observer::MemberObserver;
use crate::set::write::plan::{Plan, PlanPart};
use crate::set::write::writer::{OffloadOptions, Outcome, Resume, offload_with};
use crate::usmt::{Machine, Part, Store};
use anyhow::Result;
use serde_json::json;

use super::seal;
use crate::cli::args::{Global, Level, Offload};
use crate::cli::exit::{Exit, Failure};
use crate::cli::folder::{self, Wanted};
use crate::cli::output::Out;
use crate::cli::{keys, sets, sources};
use crate::model::units;

pub(crate) fn run(args: &Offload, global: &Global, out: Out) -> Result<Exit> {
    // The destination first: a wrong password should not cost a scan.
    let to = args.to.as_deref().ok_or_else(|| {
        Failure::new(
            Exit::Usage,
            "no destination given",
            "Use --to FOLDER or --to \\\\server\\share, or set it in lifeboat.toml.",
        )
    })?;
    // Likewise a passphrase that is too short.
    let encryption = keys::encryption(args, out)?;
    let target = sets::open_dest(to, &args.logon, args.retry_for, out)?;
    let (_, level) = look_at(&*target, args, out)?;
    let job = Job { args, target: &*target, level, encryption, out };
    if args.path.is_empty() { job.stores(global) } else { job.folders(global) }
}

/// Tests the destination; returns its abilities and the compression level.
pub(crate) fn look_at(
    target: &dyn Destination,
    args: &Offload,
    out: Out,
) -> Result<(Preflight, i32)> {
    let found = preflight(target, None)?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let level = match args.level {
        Level::Fixed(level) => level,
        Level::Auto => auto_level(found.write_speed, cores),
    };
    out.event(
        "destination",
        &json!({
            "destination": target.display(""),
            "free_bytes": found.space.map(|space| space.free),
            "bytes_per_second": found.write_speed,
            "clock_ahead_seconds": found.clock_ahead,
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
    Ok((found, level))
}

/// What all sets of a run share.
pub(crate) struct Job<'a> {
    pub(crate) args: &'a Offload,
    pub(crate) target: &'a dyn Destination,
    /// The zstd level.
    pub(crate) level: i32,
    /// How the sets are encrypted, if they are.
    pub(crate) encryption: Option<Encryption>,
    pub(crate) out: Out,
}

impl Job<'_> {
    /// Saves every store, or the selected ones.
    fn stores(&self, global: &Global) -> Result<Exit> {
        let (args, out) = (self.args, self.out);
        let mut found = sources::find(&args.sources, global, out)?;
        let stores = sources::choose(std::mem::take(&mut found.stores), &args.store)?;
        let stores: Vec<Store> = stores.into_iter().filter(|s| s.kind.holds_data()).collect();
        if stores.is_empty() {
            return Err(sources::nothing_found(&found).into());
        }
        let mut exit = Exit::Done;
        for store in &stores {
            if self.store(store, &found.machine, &found.closed)?.1 != Exit::Done {
                exit = Exit::Losses;
            }
        }
        if !found.closed.is_empty() {
            out.result("Some volumes could not be read (see above): a store may be there.");
        }
        Ok(exit)
    }

    /// Saves one store. A missing part counts as a loss. So does a part that
    /// may be on a volume that could not be read (`closed`), and a difference
    /// from the seal.
    pub(crate) fn store(
        &self,
        store: &Store,
        machine: &Machine,
        closed: &[String],
    ) -> Result<(Outcome, Exit)> {
        let out = self.out;
        out.stage(Stage::Plan, &store.display());
        let parts: Result<Vec<PlanPart>> = store.parts.iter().map(plan_part).collect();
        let mut guard = Guard::of(store, out);
        let observer = guard.as_mut().map(|guard| guard.observer(out));
        let observer = observer.as_ref().map(|observer| observer as &dyn MemberObserver);
        for finding in missing_parts(store, closed) {
            out.finding(&finding);
        }
        let lacks: Vec<String> = store.lacks(closed).iter().map(ToString::to_string).collect();
        let kind = (What::Store, store.kind.as_str());
        let outcome = self.save(parts?, kind, lacks, machine, observer);
        out.clear();
        let outcome = outcome?;
        self.show(&outcome);
        let sealed = outcome.rescue.seal.as_ref();
        let differs = sealed.is_some_and(|s| seal::tell(&outcome.set, s, Looked::Bytes, out));
        let is_done = outcome.rescue.end_state == EndState::Saved && !differs;
        Ok((outcome, if is_done { Exit::Done } else { Exit::Losses }))
    }

    /// Saves folders that are not stores.
    fn folders(&self, global: &Global) -> Result<Exit> {
        let (args, out) = (self.args, self.out);
        let found = sources::open(&args.sources, global, out)?;
        let mut exit = Exit::Done;
        for Wanted { display, parts } in folder::find(&args.path, &found, out)? {
            out.stage(Stage::Plan, &display);
            let outcome =
                self.save(parts, (What::Folder, "folder"), Vec::new(), &found.machine, None);
            out.clear();
            let outcome = outcome?;
            self.show(&outcome);
            out.say("  This is a folder, not a store: loadstate cannot use it.");
            if outcome.losses > 0 {
                exit = Exit::Losses;
            }
        }
        Ok(exit)
    }

    fn save(
        &self,
        parts: Vec<PlanPart>,
        (what, kind): (What, &str),
        lacks: Vec<String>,
        machine: &Machine,
        observer: Option<&dyn MemberObserver>,
    ) -> Result<Outcome> {
        let args = self.args;
        let plan = Plan::make(parts, self.out)?;
        let defaults = OffloadOptions::default();
        let name = machine.name.as_ref().map(|(name, _)| name.clone());
        let options = OffloadOptions {
            machine: SetMachine {
                name: args.name.clone().or(name),
                serial: machine.serial.as_ref().map(|(serial, _)| serial.clone()),
            },
            what,
            kind: kind.to_owned(),
            lacks,
            level: self.level,
            any_level: args.level == Level::Auto,
            frame_bytes: args.frame_bytes.unwrap_or(defaults.frame_bytes),
            split: args.split,
            read_back: !args.no_read_back,
            despite_space: args.despite_space,
            encryption: self.encryption.clone(),
            resume: if args.fresh { Resume::Never } else { Resume::Auto },
            report: Some(report::make),
            ..defaults
        };
        Ok(offload_with(&plan, self.target, &options, observer, self.out)?)
    }

    fn show(&self, outcome: &Outcome) {
        show(outcome, self.target, self.out);
    }
}

/// The `USMT` folder, and the files beside it: task sequences and `lifeboat
/// seal` write files there. At the root of a volume, only the seal belongs to
/// the store.
fn plan_part(part: &Part) -> Result<PlanPart> {
    let store_path = part.store_path();
    let mut take = vec![part.usmt_path.clone()];
    let folder = part.tree.lookup(&store_path)?;
    for entry in part.tree.children(folder)? {
        let is_file = part.tree.node(entry.node).is_ok_and(|n| n.kind == NodeKind::File);
        let is_seal = entry.name.eq_ignore_ascii_case(sealing::NAME);
        if is_file && (is_seal || store_path != NtPath::root()) {
            take.push(store_path.join(entry.name));
        }
    }
    Ok(PlanPart {
        tree: part.tree.clone(),
        drive: part.drive.name(),
        drive_from: part.drive.from.to_string(),
        path: store_path,
        role: part.role.as_str().to_owned(),
        take,
        skip: Vec::new(),
    })
}

fn show(outcome: &Outcome, target: &dyn Destination, out: Out) {
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
            "set_bytes": packed,
            "resumed_frames": outcome.resumed_frames,
            "encryption": outcome.rescue.encryption.as_ref().map(|encryption| &encryption.how),
        }),
    );
    let word = match end_state {
        EndState::Saved => "Saved",
        EndState::SavedWithLosses => "SAVED WITH LOSSES",
    };
    out.result(&format!("{word}: {}", target.display(&outcome.set)));
    out.result(&format!(
        "  {}, {}, {} compressed to {}",
        units::count(totals.files, "file", "files"),
        units::count(totals.directories, "folder", "folders"),
        units::bytes(totals.bytes),
        units::bytes(packed)
    ));
    for lack in &outcome.rescue.lacks {
        out.field("MISSING", lack);
    }
    if totals.losses > 0 {
        out.result(&format!(
            "  {}: the manifest lists each",
            units::count(totals.losses, "loss", "losses")
        ));
    }
    if let Some(encryption) = &outcome.rescue.encryption {
        let key = if encryption.how == "passphrase" {
            "Without the passphrase it cannot be read, not even by you."
        } else {
            "Only the identity of a recipient can decrypt it."
        };
        out.result(&format!("  Encrypted. {key}"));
    }
    out.say("  Next: RESTORE.txt in that folder says how to restore it.");
}
