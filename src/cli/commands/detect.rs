//! `lifeboat detect`.

use anyhow::Result;
use serde_json::json;

use crate::cli::args::{Detect, Global};
use crate::cli::exit::{Exit, interrupted};
use crate::cli::nothing_found::nothing_found;
use crate::cli::output::Out;
use crate::cli::sources::{self, Found};
use crate::cli::users;
use crate::model::monitor::Monitor;
use crate::model::units;
use crate::profiles;
use crate::usmt::logs::UsmtRun;
use crate::usmt::{Store, StoreKind, StoreVolume, Survey};

/// Log lines about the wipe that are printed; JSON has more.
const WIPE_LINES: usize = 8;

pub(crate) fn run(args: &Detect, global: &Global, out: Out) -> Result<Exit> {
    let found = sources::find_with(&args.sources, global, &args.search, out)?;
    out.clear();
    show_machine(&found, out);
    let mut with_data = 0;
    for store in &found.stores {
        with_data += u32::from(store.kind.holds_data());
        show(store, &Survey::of(store, out), &found, out);
    }
    let volumes: Vec<StoreVolume> = found.searchable().collect();
    let installations = profiles::find(&volumes, &out);
    out.clear();
    users::show(&installations, &volumes, out);
    if out.is_cancelled() {
        return Err(interrupted().into());
    }
    if with_data == 0 {
        if let Some(hint) = users::hint(&installations) {
            out.result(&hint);
        }
        return Err(nothing_found(&found).into());
    }
    Ok(doubt(&found, out))
}

/// Stores were found; whether they are all that may be there.
fn doubt(found: &Found, out: Out) -> Exit {
    let doubts = found.doubts();
    for doubt in &doubts {
        out.result(&format!("DOUBT: {doubt}"));
    }
    if !found.closed.is_empty() {
        out.result("Some volumes could not be read (see above): a store may be there.");
    }
    if doubts.is_empty() && found.closed.is_empty() { Exit::Done } else { Exit::Losses }
}

/// Shows the computer, and what the logs say about the wipe.
pub(crate) fn show_machine(found: &Found, out: Out) {
    let (machine, logs) = (&found.machine, &found.logs);
    let pair = |told: &Option<(String, String)>| {
        told.as_ref().map_or((None, None), |(what, from)| (Some(what.clone()), Some(from.clone())))
    };
    let (name, name_from) = pair(&machine.name);
    let (serial, serial_from) = pair(&machine.serial);
    out.event(
        "machine",
        &json!({
            "name": name,
            "name_from": name_from,
            "serial": serial,
            "serial_from": serial_from,
            "logs": logs.read,
            "wipe": logs.wipe.iter().map(|line| json!({
                "time": line.time.map(|t| t.to_string()),
                "text": line.text,
                "log": line.log,
            })).collect::<Vec<_>>(),
            "more_wipe_lines": logs.more_wipe_lines,
        }),
    );
    match machine.names().as_slice() {
        names @ [_, _, ..] => {
            for named in names {
                out.result(&format!("Computer {}", named.name));
                out.field("from", &named.from);
            }
        }
        _ => {
            if let (Some(name), Some(from)) = (name, name_from) {
                out.result(&format!("Computer {name}"));
                out.field("from", &from);
            }
        }
    }
    if let (Some(serial), Some(from)) = (serial, serial_from) {
        out.field("serial", &format!("{serial} ({from})"));
    }
    if let Some(first) = logs.wipe.first() {
        out.result(&format!("Log of the wipe ({})", first.log));
        for line in logs.wipe.iter().take(WIPE_LINES) {
            let time = line.time.map(|t| t.to_string()).unwrap_or_default();
            out.field(time.get(11..).unwrap_or_default(), &line.text);
        }
        let more = logs.wipe.len().saturating_sub(WIPE_LINES) as u64 + logs.more_wipe_lines;
        if more > 0 {
            out.field("", &format!("... and {}", units::count(more, "more line", "more lines")));
        }
    }
}

/// Shows one store, for people and programs.
pub(crate) fn show(store: &Store, survey: &Survey, found: &Found, out: Out) {
    let capture = found.logs.capture_of(store, &found.stores);
    out.event("store", &describe(store, survey, found, capture));
    out.result(&format!("Store {}: {}, {}", store.id, store.kind.as_str(), store.display()));
    out.field("place", store.place.describe());
    for part in &store.parts {
        out.field(
            "part",
            &format!("{} ({}) on {}", part.windows_path(), part.role.as_str(), part.volume_display),
        );
        match part.drive.letter {
            Some(letter) => out.field("", &format!("drive {letter}: {}", part.drive.from)),
            None => out.field("", "its drive letter in Windows is unknown"),
        }
    }
    for drive in &store.missing_drives {
        out.field("MISSING", &format!("the part on drive {drive}: was not found"));
    }
    if store.lacks_primary() {
        out.field("MISSING", "the primary part (hardlink.main) was not found");
    }
    if let Some((run, is_named)) = capture {
        show_capture(run, is_named, out);
    }
    if let Some(run) = found.logs.restore_of(store) {
        let time = run.time().map_or_else(|| "an unknown time".to_owned(), |t| t.to_string());
        let how = match (&run.failure, run.ignored) {
            (Some(failure), _) => format!("FAILED: {failure}"),
            (None, Some(0)) => "succeeded".to_owned(),
            (None, Some(ignored)) => {
                format!("ignored {}", units::count(ignored, "error", "errors"))
            }
            (None, None) => "the log does not record how it ended".to_owned(),
        };
        out.field("restored", &format!("loadstate at {time}: {how} ({})", run.log));
    }
    if is_encrypted(store, survey, capture) == Some(true) {
        out.field("locked", "encrypted: loadstate needs the key, which is not in the store");
    }
    let tally = survey.total;
    out.field(
        "contains",
        &format!(
            "{}, {}, {}",
            units::count(tally.files, "file", "files"),
            units::count(tally.directories, "folder", "folders"),
            units::bytes(tally.bytes)
        ),
    );
    let packed = if store.kind == StoreKind::Compressed { " compressed" } else { "" };
    for (name, user) in &survey.users {
        let files = units::count(user.files, "file", "files");
        let bytes = units::bytes(user.bytes);
        out.result(&format!("  user     {name:<24} {files:>14} {bytes:>12}{packed}"));
    }
    if tally.unreadable > 0 {
        out.result(&format!("  UNREADABLE  {} files or folders", tally.unreadable));
    }
}

fn show_capture(run: &UsmtRun, is_named: bool, out: Out) {
    let mut words = match (run.completed, run.started) {
        (Some(time), _) => format!("{time}, by the machine's clock"),
        (None, Some(time)) => format!("begun {time}; the log does not record the end"),
        (None, None) => "at an unknown time".to_owned(),
    };
    if let Some(version) = &run.version {
        words = format!("{words}; USMT {version}");
    }
    let whose = if is_named { "" } else { "; the log may be of another store" };
    out.field("captured", &format!("{words} ({}{whose})", run.log));
    if let Some(failure) = &run.failure {
        out.field("FAILED", failure);
    }
    if let Some(ignored) = run.ignored.filter(|ignored| *ignored > 0) {
        let errors = units::count(ignored, "error", "errors");
        out.field("IGNORED", &format!("{errors}: verify lists what is not in the store"));
    }
    if run.ignored_profiles.count > 0 {
        let profiles = units::count(run.ignored_profiles.count, "profile", "profiles");
        out.field("IGNORED", &format!("{profiles} without an account: not in the store"));
        for sid in &run.ignored_profiles.sids {
            out.field("", sid);
        }
    }
}

/// Whether the store is encrypted; `None` if that is not known.
fn is_encrypted(store: &Store, survey: &Survey, capture: Option<(&UsmtRun, bool)>) -> Option<bool> {
    // /encrypt and /nocompress exclude each other (Microsoft, "ScanState syntax").
    if store.kind != StoreKind::Compressed {
        return Some(false);
    }
    let by_log = capture.filter(|(_, is_named)| *is_named).map(|(run, _)| run.is_encrypted());
    by_log.or(survey.container.as_ref().map(|c| c.has_password))
}

/// The fields of the `store` event.
fn describe(
    store: &Store,
    survey: &Survey,
    found: &Found,
    capture: Option<(&UsmtRun, bool)>,
) -> serde_json::Value {
    let tally = survey.total;
    json!({
        "id": store.id,
        "kind": store.kind.as_str(),
        "place": store.place.as_str(),
        "path": store.display(),
        "parts": store.parts.iter().map(|part| json!({
            "path": part.windows_path(),
            "drive": part.drive.letter,
            "drive_from": part.drive.from.to_string(),
            "role": part.role.as_str(),
            "volume": part.volume_display,
        })).collect::<Vec<_>>(),
        "missing_drives": store.missing_drives,
        "lacks_primary": store.lacks_primary(),
        "computer": found.machine.name.as_ref().map(|(name, _)| name),
        "captured": capture.and_then(|(run, _)| run.time()).map(|t| t.to_string()),
        "usmt_version": capture.and_then(|(run, _)| run.version.clone()),
        "capture": capture.map(|(run, is_named)| json!({
            "log": run.log,
            "names_this_store": is_named,
            "started": run.started.map(|t| t.to_string()),
            "completed": run.completed.map(|t| t.to_string()),
            "command": run.command,
            "failure": run.failure,
            "ignored_errors": run.ignored,
            "errors": run.errors.iter().map(|error| json!({
                "code": error.code,
                "aborted": error.is_abort,
                "count": error.count,
                "first": error.first,
            })).collect::<Vec<_>>(),
            "error_files": run.error_files,
            "ignored_profiles": run.ignored_profiles.count,
            "ignored_sids": run.ignored_profiles.sids,
            "earlier_failure": run.earlier_failure,
        })),
        "restore": found.logs.restore_of(store).map(|run| json!({
            "log": run.log,
            "started": run.started.map(|t| t.to_string()),
            "completed": run.completed.map(|t| t.to_string()),
            "failure": run.failure,
            "ignored_errors": run.ignored,
        })),
        "encrypted": is_encrypted(store, survey, capture),
        "files": tally.files,
        "directories": tally.directories,
        "bytes": tally.bytes,
        "unreadable": tally.unreadable,
        "users": survey.users.iter().map(|(name, user)| json!({
            "name": name,
            "files": user.files,
            "bytes": user.bytes,
        })).collect::<Vec<_>>(),
    })
}
