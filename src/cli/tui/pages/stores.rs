//! The search for stores, and the stores that were found.

use super::super::super::output::words;
use super::super::app::App;
use super::super::canvas::{Canvas, Look, cut, window, wrap};
use super::super::jobs::{Found, Seen, SeenUser};
use super::turning;
use crate::cli::output::live::Live;
use crate::model::finding::{Finding, Severity};
use crate::model::units;
use crate::profiles::ProfileKind;

/// Draws the running search.
pub(super) fn finding(live: &Live, tick: usize, canvas: &mut Canvas<'_>) {
    canvas.frame("1 of 5: Find stores", &[("Esc", "Leave")]);
    canvas.next();
    canvas.line(&format!("{} Searching for migration stores.", turning(tick)), Look::Plain);
    canvas.next();
    live.with(|shown| {
        if let Some(stage) = shown.stages.last() {
            canvas.pair(words(stage.stage), "", Look::Plain);
            canvas.next();
            canvas.text(3, &shown.on, Look::Plain);
            let files = stage.progress.files;
            if files > 0 {
                canvas.text(3, &units::count(files, "file so far", "files so far"), Look::Plain);
            }
        }
        canvas.next();
        for note in shown.notes.iter().rev().take(4).rev() {
            canvas.text(1, note, Look::Plain);
        }
    });
    canvas.next();
    canvas.text(1, "The search writes nothing to any disk.", Look::Plain);
}

/// Draws that no store was found, or that the search failed.
pub(super) fn nothing(app: &App, canvas: &mut Canvas<'_>) {
    let is_locked = app.found.as_ref().is_some_and(|found| !found.locked.is_empty());
    let mut keys = vec![("Enter", "Search again"), ("Esc", "Leave")];
    if is_locked && app.failure.is_none() {
        keys.insert(0, ("K", "Unlock"));
    }
    canvas.frame("1 of 5: Find stores", &keys);
    canvas.next();
    if let Some(failed) = &app.failure {
        super::failure(&failed.what, &failed.action, canvas);
        return;
    }
    let Some(found) = &app.found else { return };
    let volumes = units::count(found.looked_into as u64, "volume", "volumes");
    canvas.line(&format!("NO STORE FOUND ({volumes} searched)."), Look::Bad);
    canvas.next();
    if is_locked {
        super::unlock::rows(found, canvas);
        canvas.next();
        canvas.pair("Fix", "Press K and enter the recovery key.", Look::Plain);
    } else {
        canvas.pair("Fix", "Check that the disk is attached, then search again.", Look::Plain);
    }
    canvas.next();
    for note in &found.notes {
        canvas.text(1, note, Look::Doubtful);
    }
    for (text, look) in found.findings.iter().flat_map(described) {
        canvas.line(&text, look);
    }
}

/// Draws the stores that were found.
pub(super) fn stores(app: &App, canvas: &mut Canvas<'_>) {
    let Some(found) = &app.found else { return };
    let mut keys = vec![
        ("Space", "Select"),
        ("PgDn", "More"),
        ("R", "Search again"),
        ("Enter", "Continue"),
        ("Esc", "Leave"),
    ];
    if !found.locked.is_empty() {
        keys.insert(2, ("K", "Unlock"));
    }
    let has_store = !found.stores.is_empty();
    let title = if has_store { "2 of 5: Choose stores" } else { "2 of 5: Choose users" };
    canvas.frame(title, &keys);
    let count = units::count(found.stores.len() as u64, "store", "stores");
    let machine = match &found.machine.name {
        Some((name, _)) => format!("Computer: {name}"),
        None => "The computer's name is not known".to_owned(),
    };
    if has_store {
        canvas.line(&format!("Found {count}. {machine}"), Look::Plain);
    } else {
        canvas.line(&format!("NO STORE FOUND. {machine}"), Look::Bad);
        let text = "The users' files are there: save them, without settings.";
        canvas.line(text, Look::Plain);
    }
    super::closed(&found.closed, canvas);
    let count = found.stores.len();
    for number in window(count + found.users.len(), 6, app.store) {
        let mark = if app.marked.get(number) == Some(&true) { "[x]" } else { "[ ]" };
        let user = number.checked_sub(count).and_then(|at| found.users.get(at));
        let text = match (found.stores.get(number), user) {
            (Some(seen), _) => {
                let size = units::bytes(seen.survey.total.bytes);
                let path = cut(&seen.store.display(), 44);
                format!("{mark} {path:<44} {:<12} {size:>10}", seen.store.kind.as_str())
            }
            (None, Some(user)) => {
                let size = units::bytes(user.contents.bytes);
                let path = cut(&user.profile.path, 44);
                format!("{mark} {path:<44} {:<12} {size:>10}", "user")
            }
            (None, None) => continue,
        };
        canvas.choice(number == app.store, &text);
    }
    super::unlock::rows(found, canvas);
    canvas.next();
    let user = app.store.checked_sub(count).and_then(|at| found.users.get(at));
    let details = match (found.stores.get(app.store), user) {
        (Some(seen), _) => details(seen, found, canvas),
        (None, Some(user)) => of_user(user, found, canvas),
        (None, None) => return,
    };
    let room = usize::from(canvas.room());
    let first = app.details.min(details.len().saturating_sub(room));
    let more = details.len() > first + room;
    let shown = if more { room.saturating_sub(1) } else { room };
    for (text, look) in details.iter().skip(first).take(shown) {
        canvas.line(text, *look);
    }
    if more {
        canvas.line("    ... more below: PgDn", Look::Plain);
    }
}

/// The details of one user, line by line.
fn of_user(user: &SeenUser, found: &Found, canvas: &Canvas<'_>) -> Vec<(String, Look)> {
    let width = usize::from(canvas.width()).saturating_sub(14);
    let mut lines = Vec::new();
    let mut pair = |name: &str, text: &str, look: Look| {
        for (row, line) in wrap(text, width).into_iter().enumerate() {
            let name = if row == 0 { name } else { "" };
            lines.push((format!("{name:<12}{line}"), look));
        }
    };
    let SeenUser { profile, contents, .. } = user;
    pair("User", &profile.name, Look::Plain);
    if let Some(one) = found.installations.get(user.windows) {
        let what = if one.windows.is_some() { "of" } else { "of a Windows that is gone," };
        pair("", &format!("{what} {} on {}", one.path(), one.volume_display), Look::Plain);
    }
    if let Some(sid) = &profile.sid {
        pair("Account", &format!("{sid} ({})", profile.sid_from), Look::Plain);
    }
    if profile.place.is_none() {
        pair("MISSING", "the folder is gone", Look::Bad);
    } else if !profile.has_registry && profile.kind == ProfileKind::Person {
        pair("WARNING", "no NTUSER.DAT: partly wiped, or not a profile", Look::Doubtful);
    }
    let files = units::count(contents.files, "file", "files");
    pair("Contains", &format!("{files}, {}", units::bytes(contents.bytes)), Look::Plain);
    if let Some(newest) = contents.newest {
        pair("Newest file", &newest.to_string(), Look::Plain);
    }
    if contents.cloud_files > 0 {
        let files = units::count(contents.cloud_files, "more file", "more files");
        let size = units::bytes(contents.cloud_bytes);
        pair(
            "Cloud",
            &format!("{files} ({size}) only in the cloud: not on this disk"),
            Look::Plain,
        );
    }
    if contents.left_out_files > 0 {
        let files = units::count(contents.left_out_files, "file", "files");
        let size = units::bytes(contents.left_out_bytes);
        pair("Left out", &format!("{files} ({size}): caches, temporary files"), Look::Plain);
    }
    for folder in &profile.redirected {
        let (look, note) = match &folder.place {
            Some(_) => (Look::Plain, ""),
            None if folder.path.starts_with(r"\\") => (Look::Plain, ", on a server: not saved"),
            None => (Look::Bad, ": NOT FOUND"),
        };
        pair(folder.name, &format!("{}{note}", folder.path), look);
    }
    if contents.unreadable > 0 {
        let text = format!("{} files or folders", contents.unreadable);
        pair("UNREADABLE", &text, Look::Bad);
    }
    lines
}

/// The details of one store, line by line.
fn details(seen: &Seen, found: &Found, canvas: &Canvas<'_>) -> Vec<(String, Look)> {
    let width = usize::from(canvas.width()).saturating_sub(14);
    let mut lines = Vec::new();
    let mut pair = |name: &str, text: &str, look: Look| {
        for (row, line) in wrap(text, width).into_iter().enumerate() {
            let name = if row == 0 { name } else { "" };
            lines.push((format!("{name:<12}{line}"), look));
        }
    };
    let store = &seen.store;
    let kind = format!("{} store, {}", store.kind.as_str(), store.place.describe());
    pair("Kind", &kind, Look::Plain);
    for part in &store.parts {
        let role = part.role.as_str();
        pair("Part", &format!("{} ({role})", part.windows_path()), Look::Plain);
        pair("", &format!("on {}", part.volume_display), Look::Plain);
    }
    for drive in &store.missing_drives {
        pair("MISSING", &format!("the part on drive {drive}: was not found"), Look::Bad);
    }
    if store.lacks_primary() {
        pair("MISSING", "the primary part (hardlink.main) was not found", Look::Bad);
    }
    let total = seen.survey.total;
    let holds = format!(
        "{}, {}, {}",
        units::count(total.files, "file", "files"),
        units::count(total.directories, "folder", "folders"),
        units::bytes(total.bytes)
    );
    pair("Contains", &holds, Look::Plain);
    if total.unreadable > 0 {
        let text =
            format!("{} files or folders; Lifeboat will list them as lost", total.unreadable);
        pair("UNREADABLE", &text, Look::Bad);
    }
    for (name, user) in &seen.survey.users {
        let permille = user.bytes.saturating_mul(1000).checked_div(total.bytes).unwrap_or(0);
        let text = format!(
            "{:<20} {:>12} {:>11}  {}",
            cut(name, 20),
            units::count(user.files, "file", "files"),
            units::bytes(user.bytes),
            canvas.bar_text(16, permille)
        );
        lines.push((format!("{:<12}{text}", "User"), Look::Plain));
    }
    if let Some(time) = seen.capture.as_ref().and_then(|(run, _)| run.time()) {
        lines.push((format!("{:<12}{time}, by that PC's clock", "Captured"), Look::Plain));
    }
    if let Some((name, from)) = &found.machine.name {
        lines.push((format!("{:<12}{name}, from {from}", "Computer"), Look::Plain));
    }
    if seen.findings.is_empty() && found.findings.is_empty() {
        lines.push((format!("{:<12}OK (quick check)", "Health"), Look::Good));
    }
    lines.extend(seen.findings.iter().chain(&found.findings).flat_map(described));
    for note in &found.notes {
        let wrapped = wrap(note, width).into_iter().enumerate();
        lines.extend(wrapped.map(|(row, line)| {
            (format!("{:<12}{line}", if row == 0 { "Note" } else { "" }), Look::Plain)
        }));
    }
    lines
}

/// The lines of a finding.
fn described(finding: &Finding) -> Vec<(String, Look)> {
    const WIDTH: usize = 66;
    let look = match finding.severity {
        Severity::Info => Look::Plain,
        Severity::Warning => Look::Doubtful,
        Severity::Damage | Severity::Fatal => Look::Bad,
    };
    let severity = match finding.severity {
        Severity::Info => "Info",
        Severity::Warning => "WARNING",
        Severity::Damage => "DAMAGE",
        Severity::Fatal => "FATAL",
    };
    let mut lines = Vec::new();
    for (name, text) in [
        (severity, format!("{}: {}", finding.path, finding.what)),
        ("  meaning", finding.meaning.clone()),
        ("  fix", finding.action.clone()),
    ] {
        for (row, line) in wrap(&text, WIDTH).into_iter().enumerate() {
            let name = if row == 0 { name } else { "" };
            lines.push((format!("{name:<12}{line}"), look));
        }
    }
    lines
}
