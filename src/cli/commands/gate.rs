//! `lifeboat gate`.

use std::sync::Arc;

use anyhow::Result;
use serde_json::json;

use super::sets::each;
use crate::cli::args::{Gate, Global, LevelArg};
use crate::cli::exit::{Exit, Failure};
use crate::cli::nothing_found::nothing_found;
use crate::cli::output::Out;
use crate::cli::{keys, sets, sources, users};
use crate::disk::{self, Disk};
use crate::gate::{Candidate, Judge, Judgement, Safe, Wipes};
use crate::health::unfinished_capture;
use crate::model::units;
use crate::set::read::verify::Level;
use crate::sets::State;
use crate::usmt::Store;

pub(crate) fn run(args: &Gate, global: &Global, out: Out) -> Result<Exit> {
    let wipes = match args.wipes.as_slice() {
        [] => Wipes::Everything,
        letters => Wipes::Letters(letters.to_vec()),
    };
    // The sets first: a wrong password should not cost a scan.
    let (candidates, others) = candidates(args, out)?;
    let no_set = no_set(args, &others);
    let found = sources::find_with(&args.sources, global, &args.search, out)?;
    let mut why = machine_reasons(&found, &wipes);
    let is_lacking = !why.is_empty();
    let stores: Vec<&Store> = found.stores.iter().filter(|store| store.kind.holds_data()).collect();
    why.extend(stores.iter().filter_map(|store| {
        let capture = found.logs.capture_of(store, &found.stores);
        unfinished_capture(store, capture, args.accept_ignored)
    }));
    why.extend(users::outside_of(&stores, &found, out));
    let judge = Judge {
        sets: &candidates,
        no_set: &no_set,
        wipes: &wipes,
        level: match args.level {
            LevelArg::Quick => Level::Quick,
            LevelArg::Full => Level::Full,
        },
        closed: &found.closed,
        volumes: &found.volumes,
        removable: &removable(&candidates),
    };
    let (mut unsafe_stores, mut lacks) = (0_u64, is_lacking);
    for store in &stores {
        let judged = judge.store(store, &out)?;
        out.clear();
        unsafe_stores += u64::from(judged.safe.is_none());
        lacks |= judged.lacks;
        show(store, &judged, out);
    }
    if stores.is_empty() && why.is_empty() {
        return Err(nothing_found(&found).into());
    }
    let is_safe = unsafe_stores == 0 && why.is_empty();
    if is_safe && args.level == LevelArg::Quick {
        out.field("checked", QUICK);
    }
    if stores.is_empty() {
        why.push("no migration store was found on the volumes that were read".to_owned());
    }
    out.event(
        "gate-end",
        &json!({"safe": is_safe, "stores": stores.len(), "unsafe": unsafe_stores, "reasons": why}),
    );
    for reason in &why {
        out.field("why", reason);
    }
    out.result(if is_safe {
        "SAFE TO WIPE: every store is saved, or stays"
    } else {
        "DO NOT WIPE: see above"
    });
    if !is_safe {
        let next = match (lacks, unsafe_stores) {
            (true, _) => FIND_THE_REST,
            // Only the capture is in doubt.
            (false, 0) if !stores.is_empty() => READ_THE_LOG,
            (false, _) => SAVE_IT,
        };
        out.field("next", next);
    }
    Ok(if is_safe { Exit::Done } else { Exit::Losses })
}

/// What a quick gate has looked at.
const QUICK: &str = "names, sizes and times, as the sets' lists or the seals have them; the bytes \
                     of the files were not read (--level full reads all)";
/// What to do where a part of a store, or of the machine, is missing.
const FIND_THE_REST: &str = "unlock the volume or connect the disk that is missing, then run \
                             gate again; damage: save what is left with lifeboat offload";
/// What to do where files of users may be outside of the store.
const READ_THE_LOG: &str = "read scanstate.log: what was not captured is only in the users' folders. \
                            lifeboat offload --profiles saves those too; if they \
                            are not needed, use --accept-ignored";
/// What to do where a store is in no set.
const SAVE_IT: &str = "mend what is said above, or save the store with lifeboat offload; then run \
                       gate again with that set";

/// Why there is no set to compare with.
fn no_set(args: &Gate, others: &[String]) -> String {
    match (args.set.as_slice(), others) {
        ([], _) => "no rescue set was given".to_owned(),
        (given, []) => format!("no rescue set is in {}", given.join(", ")),
        (_, [one]) => format!("the only rescue set there does not count: {one}"),
        (_, [first, rest @ ..]) => format!(
            "no rescue set there counts: {first}, and {}",
            units::count(rest.len() as u64, "other", "others")
        ),
    }
}

/// What speaks against a wipe, whatever the stores that were found.
fn machine_reasons(found: &sources::Found, wipes: &Wipes) -> Vec<String> {
    let mut reasons = Vec::new();
    for closed in &found.closed {
        // A volume that stays may hold what it wants.
        let stays = found.volumes.iter().any(|volume| {
            volume.tree.is_err()
                && closed.starts_with(&volume.display)
                && wipes.spares(volume.letter, None)
        });
        if !stays {
            reasons.push(format!("{closed} could not be read: a store may be there"));
        }
    }
    reasons.extend(found.doubts());
    reasons
}

/// The volumes on disks that can be taken out; only needed for sets on this machine.
fn removable(candidates: &[Candidate]) -> Vec<String> {
    if candidates.iter().all(|candidate| candidate.target.local_root().is_none()) {
        return Vec::new();
    }
    let is_removable = |disk: &Disk| {
        disk.hardware.as_ref().is_some_and(|known| known.removable || known.transport == "usb")
    };
    let disks = disk::attached().into_iter().flatten().filter(is_removable);
    disks.flat_map(|disk| disk.volumes.into_iter().map(|volume| volume.display)).collect()
}

/// The sets that were named, and those in folders that were named; and those there that are not
/// complete.
fn candidates(args: &Gate, out: Out) -> Result<(Vec<Candidate>, Vec<String>)> {
    let (mut candidates, mut others) = (Vec::new(), Vec::new());
    for text in &args.set {
        if let Some((target, path)) = one_set(text, args, out)? {
            let keys = keys::if_any(&*target, &path, &args.logon.unlock, out)?;
            candidates.push(Candidate { target, path, keys: keys.unwrap_or_default() });
            continue;
        }
        let target = sets::open_folder(text, &args.logon, out)?;
        let keys = keys::given_for_all(&args.logon.unlock)?;
        let mut found = Vec::new();
        each(&*target, out, &mut |set| {
            if let State::Complete(_) = set.state {
                // The newest first.
                found.push((set.created, set.path));
            } else {
                others.push(format!("{} ({})", set.path, set.state.words()));
            }
            Ok(())
        })?;
        found.sort_by(|a, b| b.cmp(a));
        candidates.extend(found.into_iter().map(|(_, path)| Candidate {
            target: Arc::clone(&target),
            path,
            keys: keys.clone(),
        }));
    }
    Ok((candidates, others))
}

/// The destination and folder of a set, if that is what `text` names.
fn one_set(
    text: &str,
    args: &Gate,
    out: Out,
) -> Result<Option<(Arc<dyn crate::destination::Destination>, String)>> {
    let Ok((target, path)) = sets::find_set(text, &args.logon, out) else { return Ok(None) };
    let is_set = target.stat(&format!("{path}/rescue.json"))?.is_some();
    if !is_set && path.ends_with(".partial") {
        let what = format!("{text}: this is an unfinished rescue set");
        let action = "Run the same offload again to finish it.";
        return Err(Failure::new(Exit::Losses, what, action).into());
    }
    Ok(is_set.then_some((target, path)))
}

fn show(store: &Store, judged: &Judgement, out: Out) {
    let (set, compared, sealed) = match &judged.safe {
        Some(Safe::InSet { set, compared, .. }) => (Some(set), Some(compared), None),
        Some(Safe::Stays { sealed }) => (None, None, Some(sealed)),
        None => (None, None, None),
    };
    out.event(
        "gate",
        &json!({
            "store": store.id,
            "path": store.display(),
            "safe": judged.safe.is_some(),
            "set": set,
            "compared": compared,
            "sealed": sealed,
            "reasons": judged.reasons,
        }),
    );
    let verdict = if judged.safe.is_some() { "safe" } else { "NOT SAFE" };
    out.result(&format!("{}: {verdict}", store.display()));
    match &judged.safe {
        Some(Safe::InSet { set, by_bytes, compared }) => {
            out.field("saved in", set);
            let how = if *by_bytes { "byte for byte" } else { "with their sizes and times" };
            out.field("", &format!("all {compared} files and folders are in it, {how}"));
        }
        Some(Safe::Stays { sealed }) => {
            out.field("stays", &format!("it matches the seal of {}", sealed.replacen('T', " ", 1)));
        }
        None => {
            for reason in &judged.reasons {
                out.field("why", reason);
            }
        }
    }
}
