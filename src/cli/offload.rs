//! `lifeboat offload`.

use anyhow::Result;
use lifeboat::archive::plan::{Plan, PlanPart};
use lifeboat::archive::rescue::{EndState, Machine as SetMachine, Rescue, What};
use lifeboat::archive::writer::{OffloadOptions, Outcome, Resume, offload};
use lifeboat::facts::NodeKind;
use lifeboat::monitor::{Monitor, Stage};
use lifeboat::name::NtPath;
use lifeboat::store::{Machine, Part, Store, StoreVolume};
use lifeboat::target::Target;
use serde_json::json;

use super::args::{Global, Offload};
use super::exit::Exit;
use super::output::Out;
use super::{sets, sources, units};

pub(crate) fn run(args: &Offload, global: &Global, out: Out) -> Result<Exit> {
    // The destination first: a wrong password should not cost a scan.
    let target = sets::open_dest(&args.to, &args.logon, out)?;
    let mut found = sources::find(&args.sources, global, out)?;
    let stores = sources::choose(std::mem::take(&mut found.stores), &args.store)?;
    let stores: Vec<Store> = stores.into_iter().filter(|s| s.kind.holds_data()).collect();
    if stores.is_empty() {
        return Err(sources::nothing_found(&found).into());
    }
    let machine = machine(&found);
    let mut exit = Exit::Done;
    for store in &stores {
        let outcome = save(store, &machine, args, &*target, out)?;
        show(&outcome, &*target, out);
        if end_of(store, &outcome) != Exit::Done {
            exit = Exit::Losses;
        }
    }
    if found.hidden {
        out.say("Some volumes could not be looked into (see above): a store may be there.");
    }
    Ok(exit)
}

/// The machine that the stores are of.
pub(crate) fn machine(found: &sources::Found) -> Machine {
    let volumes: Vec<StoreVolume> = found.searchable().collect();
    Machine::find(&volumes)
}

/// How saving one store ended: a part that is not there is a loss, too.
pub(crate) fn end_of(store: &Store, outcome: &Outcome) -> Exit {
    let lacks = store.lacks_primary() || !store.missing_drives.is_empty();
    if outcome.losses > 0 || lacks { Exit::Losses } else { Exit::Done }
}

/// Saves one store.
pub(crate) fn save(
    store: &Store,
    machine: &Machine,
    args: &Offload,
    target: &dyn Target,
    out: Out,
) -> Result<Outcome> {
    out.stage(Stage::Plan, &store.display());
    let parts: Result<Vec<PlanPart>> = store.parts.iter().map(plan_part).collect();
    let plan = Plan::make(parts?, out)?;
    let options = OffloadOptions {
        machine: SetMachine {
            name: args.name.clone().or_else(|| machine.name.as_ref().map(|(name, _)| name.clone())),
            serial: None,
        },
        what: What::Store,
        kind: store.kind.as_str().to_owned(),
        level: args.level,
        split: args.split,
        read_back: !args.no_read_back,
        resume: if args.fresh { Resume::Never } else { Resume::Auto },
        ..OffloadOptions::default()
    };
    let outcome = offload(&plan, target, &options, out);
    out.clear();
    for drive in &store.missing_drives {
        out.note(&format!("the part on drive {drive}: was not found and is not in the set"));
    }
    if store.lacks_primary() {
        out.note("the primary part was not found and is not in the set");
    }
    Ok(outcome?)
}

/// The `USMT` folder, and the files that stand beside it: task sequences and
/// `lifeboat seal` leave theirs there. At a volume's root there is nothing that
/// belongs to the store.
fn plan_part(part: &Part) -> Result<PlanPart> {
    let store_path = part.store_path();
    let mut take = vec![part.usmt_path.clone()];
    if store_path != NtPath::root() {
        let folder = part.tree.lookup(&store_path)?;
        for entry in part.tree.children(folder)? {
            let is_file = part.tree.node(entry.node).is_ok_and(|n| n.kind == NodeKind::File);
            if is_file {
                take.push(store_path.join(entry.name));
            }
        }
    }
    Ok(PlanPart {
        tree: part.tree.clone(),
        drive: part.drive.name(),
        drive_from: part.drive.from.to_string(),
        path: store_path,
        role: part.role.as_str().to_owned(),
        take,
    })
}

/// Says what came of it.
pub(crate) fn show(outcome: &Outcome, target: &dyn Target, out: Out) {
    let Rescue { totals, end_state, files, .. } = &outcome.rescue;
    let packed: u64 = files.iter().map(|file| file.size).sum();
    out.event(
        "set",
        &json!({
            "set": target.display(&outcome.set),
            "name": outcome.set,
            "end_state": end_state,
            "totals": totals,
            "set_bytes": packed,
            "resumed_frames": outcome.resumed_frames,
        }),
    );
    let word = match end_state {
        EndState::Saved => "Saved",
        EndState::SavedWithLosses => "SAVED WITH LOSSES",
    };
    out.result(&format!("{word}: {}", target.display(&outcome.set)));
    out.result(&format!(
        "  {}, {}, {} packed into {}",
        units::count(totals.files, "file", "files"),
        units::count(totals.directories, "folder", "folders"),
        units::bytes(totals.bytes),
        units::bytes(packed)
    ));
    if totals.losses > 0 {
        out.result(&format!(
            "  {}: the manifest names each",
            units::count(totals.losses, "loss", "losses")
        ));
    }
    out.say("  Next: RESTORE.txt in that folder says how to put it back.");
}
