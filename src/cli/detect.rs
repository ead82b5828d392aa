//! `lifeboat detect`.

use anyhow::Result;
use lifeboat::store::{Store, Survey};
use serde_json::json;

use super::args::{Detect, Global};
use super::exit::Exit;
use super::output::Out;
use super::{sources, units};

pub(crate) fn run(args: &Detect, global: &Global, out: Out) -> Result<Exit> {
    let found = sources::find(&args.sources, global, out)?;
    out.clear();
    let mut with_data = 0;
    for store in &found.stores {
        with_data += u32::from(store.kind.holds_data());
        show(store, &Survey::of(store, out), out);
    }
    if with_data == 0 {
        return Err(sources::nothing_found(&found).into());
    }
    Ok(Exit::Done)
}

/// Shows one store, to people and programs.
pub(crate) fn show(store: &Store, survey: &Survey, out: Out) {
    out.event("store", &describe(store, survey));
    out.result(&format!("Store {}: {}, {}", store.id, store.kind.as_str(), store.display()));
    out.result(&format!("  place    {}", store.place.describe()));
    for part in &store.parts {
        out.result(&format!(
            "  part     {} ({}) on {}",
            part.windows_path(),
            part.role.as_str(),
            part.volume_display
        ));
        match part.drive.letter {
            Some(letter) => out.result(&format!("           drive {letter}: {}", part.drive.from)),
            None => out.result("           its drive letter in Windows is not known"),
        }
    }
    for drive in &store.missing_drives {
        out.result(&format!("  MISSING  the part on drive {drive}: was not found"));
    }
    if store.lacks_primary() {
        out.result("  MISSING  the primary part (hardlink.main) was not found");
    }
    let tally = survey.total;
    out.result(&format!(
        "  holds    {}, {}, {}",
        units::count(tally.files, "file", "files"),
        units::count(tally.directories, "folder", "folders"),
        units::bytes(tally.bytes)
    ));
    for (name, user) in &survey.users {
        out.result(&format!(
            "  user     {name}: {}, {}",
            units::count(user.files, "file", "files"),
            units::bytes(user.bytes)
        ));
    }
    if tally.unreadable > 0 {
        out.result(&format!("  UNREADABLE  {} files or folders", tally.unreadable));
    }
}

/// The fields of the `store` event.
fn describe(store: &Store, survey: &Survey) -> serde_json::Value {
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
