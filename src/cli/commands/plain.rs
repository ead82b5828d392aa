//! `lifeboat list` and `lifeboat extract` of a store that is not compressed, by the paths that its
//! files had in Windows.

use anyhow::Result;
use serde_json::json;

use super::inside::{choice, ended, nothing, renamed, summary};
use crate::cli::args::Extract;
use crate::cli::containers::PlainStore;
use crate::cli::exit::{Exit, interrupted};
use crate::cli::output::Out;
use crate::health::check_deleted_files;
use crate::model::finding::{Finding, Severity};
use crate::model::loss::{Loss, LossKind};
use crate::model::monitor::{Monitor, Stage};
use crate::model::units;
use crate::restore::{Notice, Options, extract_plain};
use crate::usmt::container::Place;
use crate::usmt::plain::{PlainEntry, PlainFiles};

/// `lifeboat list`.
pub(crate) fn list(store: &PlainStore, out: Out) -> Result<Exit> {
    begin(store, out);
    out.stage(Stage::List, &store.store.display());
    let (mut files, mut folders, mut bytes, mut lost) = (0_u64, 0_u64, 0_u64, 0_u64);
    for item in store.store.parts.iter().flat_map(PlainFiles::of) {
        if out.is_cancelled() {
            return Err(interrupted().into());
        }
        match item {
            Ok(entry) => {
                let Some(place) = Place::of(&entry.name) else { continue };
                if entry.is_folder() {
                    folders += 1;
                } else {
                    files += 1;
                    bytes = bytes.saturating_add(entry.node.size);
                }
                show(&entry, &place, out);
            }
            Err((name, error)) => {
                lost += 1;
                let path = Place::of(&name).map_or(name.to_string_lossy(), |p| p.windows_path());
                let detail = error.to_string();
                out.loss(&Loss { path, kind: LossKind::Unreadable, detail });
            }
        }
    }
    out.clear();
    out.say(&format!(
        "{}, {}, {}",
        units::count(files, "file", "files"),
        units::count(folders, "folder", "folders"),
        units::bytes(bytes),
    ));
    Ok(if is_sound(store, out) && lost == 0 { Exit::Done } else { Exit::Losses })
}

/// `lifeboat extract`.
pub(crate) fn extract(store: &PlainStore, args: &Extract, out: Out) -> Result<Exit> {
    store.refuse_on_source(&args.to)?;
    begin(store, out);
    let choice = choice(args);
    let options = Options { replace: args.replace, ..Options::default() };
    let mut tell = |notice| {
        if let Notice::Renamed { path, written } = notice {
            renamed(&path, &written, out);
        }
    };
    let done = extract_plain(&store.store, &choice, &args.to, options, out, &mut tell);
    let done = ended(done, out)?;
    let is_sound = is_sound(store, out);
    if done.chosen == 0 {
        let is_all = is_sound && done.losses == 0;
        let exit = if is_all { Exit::Done } else { Exit::Losses };
        return Err(nothing(&store.store.display(), args, exit).into());
    }
    out.say("Only the data was extracted. A rescue set (lifeboat offload) keeps permissions,");
    out.say("times, attributes and alternate data streams as well.");
    let is_all = summary(&done, &choice, is_sound, false, out);
    Ok(if is_all { Exit::Done } else { Exit::Losses })
}

fn begin(store: &PlainStore, out: Out) {
    let (display, kind) = (store.store.display(), store.store.kind.as_str());
    out.event("plain-store", &json!({"path": display, "kind": kind, "lacks": store.lacks}));
    out.say(&format!("{display} ({kind} store)"));
    for lack in &store.lacks {
        out.field("MISSING", lack);
    }
}

/// Whether nothing is known to be wrong with the store and its volumes.
fn is_sound(store: &PlainStore, out: Out) -> bool {
    let mut is_sound = store.lacks.is_empty() && !store.is_damaged;
    for part in &store.store.parts {
        let mut say = |finding: Finding| out.finding(&finding);
        is_sound &= check_deleted_files(part, &out, &mut say).files == 0;
        for finding in part.tree.noticed(std::slice::from_ref(&part.usmt_path)) {
            is_sound &= finding.severity < Severity::Damage;
            out.finding(&finding);
        }
    }
    is_sound
}

fn show(entry: &PlainEntry, place: &Place, out: Out) {
    let (path, node) = (place.windows_path(), &entry.node);
    let kind = match (entry.is_link(), entry.is_folder()) {
        (true, _) => "link",
        (false, true) => "folder",
        (false, false) => "file",
    };
    out.event("plain-file", &json!({"path": path, "kind": kind, "bytes": node.size}));
    let modified = node.times.modified;
    let what = match kind {
        "link" => "<LINK>".to_owned(),
        "folder" => "<DIR>".to_owned(),
        _ => node.size.to_string(),
    };
    out.result(&format!("{modified} {what:>15} {path}"));
}
