//! `lifeboat seal`.

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::json;

use crate::cli::args::{Global, Seal, ViaArg};
use crate::cli::exit::{Exit, Failure};
use crate::cli::nothing_found::nothing_found;
use crate::cli::output::Out;
use crate::cli::sources;
use crate::disk;
use crate::health::missing_parts;
use crate::model::metadata::FileTime;
use crate::model::monitor::Monitor;
use crate::model::name::{NtName, NtPath};
use crate::model::units;
use crate::seal::{Looked, Made, SealOptions, seal_store, verdict};
use crate::set::format::rescue::{Machine as SetMachine, SealOutcome};
use crate::tree::source::SourceVolume;
use crate::usmt::{Lack, Machine, Store};

pub(crate) fn run(args: &Seal, global: &Global, out: Out) -> Result<Exit> {
    if let Some(image) = args.sources.iter().find(|source| is_image(Path::new(source))) {
        return Err(Failure::new(
            Exit::Usage,
            format!("{image}: a disk image is never written to, so it cannot be sealed"),
            "Mount its volume for writing and give the folder, or give a drive.",
        )
        .into());
    }
    // Recent writes may not be on the device yet, but the file API has them.
    let global = Global { via: global.via.or(Some(ViaArg::Host)), ..global.clone() };
    let mut found = sources::find(&args.sources, &global, out)?;
    let stores = sources::choose(std::mem::take(&mut found.stores), &args.store)?;
    let stores: Vec<Store> = stores.into_iter().filter(|s| s.kind.holds_data()).collect();
    if stores.is_empty() {
        return Err(nothing_to_seal(&found));
    }
    let readable: Vec<&SourceVolume> = found.volumes.iter().filter(|v| v.tree.is_ok()).collect();
    let mut exit = Exit::Done;
    for store in &stores {
        let folder = folder_of(store, &readable)?;
        let machine = machine(&found.machine.of_store(store));
        let options = SealOptions { quick: args.quick, machine, created: FileTime::now() };
        let made = seal_store(store, &folder, &options, out)?;
        out.clear();
        show(store, &made, args.quick, out);
        if made.totals.losses > 0 || !is_whole(store, &found.closed, out) {
            exit = Exit::Losses;
        }
    }
    Ok(exit)
}

fn is_image(source: &Path) -> bool {
    source.is_file() && !disk::names_a_device(source)
}

/// The error when nothing was found: a volume that is not mounted may have a
/// store.
fn nothing_to_seal(found: &sources::Found) -> anyhow::Error {
    let closed = found.volumes.iter().find(|v| v.tree.is_err() && v.may_hold_stores);
    match closed {
        Some(volume) => Failure::new(
            Exit::Failed,
            format!("{}: not mounted, so nothing can be sealed there", volume.display),
            "Mount it for writing and give the folder. In Windows, give the drive.",
        )
        .into(),
        None => nothing_found(found).into(),
    }
}

/// The folder for a store's seal, as a path on this machine.
fn folder_of(store: &Store, volumes: &[&SourceVolume]) -> Result<PathBuf> {
    let no_way = |what: String| {
        let action = "Mount the volume for writing and give the folder, or give the drive.";
        Failure::new(Exit::Failed, what, action)
    };
    let Some(part) = store.first() else {
        return Err(no_way("the store has no parts".into()).into());
    };
    let mount = volumes.get(part.volume).and_then(|volume| volume.mount.clone());
    let mount = mount.ok_or_else(|| {
        no_way(format!("{}: not mounted, so no seal can be written", part.volume_display))
    })?;
    let store_path: NtPath = part.store_path();
    let names: Option<PathBuf> = store_path.names().iter().map(NtName::as_str).collect();
    let names = names
        .ok_or_else(|| no_way(format!("{store_path}: the file API does not support this path")))?;
    Ok(mount.join(names))
}

/// The name and serial number of the machine. A running Windows locks its
/// registry hive, so its name comes from the environment. WinPE's own name
/// means nothing.
fn machine(found: &Machine) -> SetMachine {
    let variable = |name| std::env::var(name).ok();
    let in_windows = cfg!(windows) && variable("SystemDrive").is_some_and(|drive| drive != "X:");
    let own = || variable("COMPUTERNAME").filter(|_| in_windows);
    SetMachine {
        name: found.name.as_ref().map(|(name, _)| name.clone()).or_else(own),
        serial: found.serial.as_ref().map(|(serial, _)| serial.clone()),
    }
}

/// Whether all parts of the store were sealed; reports those that were not.
fn is_whole(store: &Store, closed: &[String], out: Out) -> bool {
    for finding in missing_parts(store, closed) {
        out.finding(&finding);
    }
    for lack in store.lacks(closed) {
        match lack {
            Lack::Drive(drive) => {
                let what = format!("the part on drive {drive}: was not found, so it is not sealed");
                out.field("MISSING", &what);
                out.field("Fix", &format!("add its drive: lifeboat seal ... {drive}:"));
            }
            Lack::Primary => {
                let what = "the primary part (hardlink.main) was not found, so it is not sealed";
                out.field("MISSING", what);
            }
            Lack::Unknown(_) => out.field("MISSING", "possibly a part: see above"),
        }
    }
    store.lacks(closed).is_empty()
}

fn show(store: &Store, made: &Made, quick: bool, out: Out) {
    let totals = made.totals;
    out.event(
        "sealed",
        &json!({
            "store": store.id,
            "path": store.display(),
            "seal": made.path.display().to_string(),
            "created": made.created,
            "replaced": made.replaced,
            "quick": quick,
            "totals": totals,
            "seal_bytes": made.seal_bytes,
            "sha256": made.sha256,
        }),
    );
    let how = if quick { "names, sizes and times" } else { "every byte hashed" };
    out.result(&format!("Sealed store {}: {}", store.id, store.display()));
    out.result(&format!(
        "  {}, {}, {}; {how}",
        units::count(totals.files, "file", "files"),
        units::count(totals.directories, "folder", "folders"),
        units::bytes(totals.bytes),
    ));
    out.result(&format!("  {} ({})", made.path.display(), units::bytes(made.seal_bytes)));
    if let Some(earlier) = &made.replaced {
        out.result(&format!("  It replaces the seal of {}.", earlier.replacen('T', " ", 1)));
    }
    if totals.losses > 0 {
        out.result(&format!(
            "  {} without a hash (see above)",
            units::count(totals.losses, "file or stream", "files or streams")
        ));
    }
    out.say("  Nothing else was written.");
}

/// Shows the verdict of a seal; returns whether the exit code is 3.
pub(crate) fn tell(set: &str, outcome: &SealOutcome, looked: Looked, out: Out) -> bool {
    let words = verdict(outcome, looked);
    event(set, outcome, &words, out);
    out.result(&format!("  seal     {words}"));
    outcome.differs()
}

/// The event with the verdict of a seal about a store or a set.
pub(crate) fn event(of: &str, outcome: &SealOutcome, words: &str, out: Out) {
    let mut event = json!({"of": of, "verdict": words});
    if let (Some(event), Ok(serde_json::Value::Object(fields))) =
        (event.as_object_mut(), serde_json::to_value(outcome))
    {
        event.extend(fields);
    }
    out.event("seal", &event);
}
