//! The search for stores, and the stores that were found.

use super::super::super::output::words;
use super::super::app::App;
use super::super::canvas::{Canvas, Lines, Look, cut, window};
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
    let is_unread = found.looked_into == 0 && !found.closed.is_empty();
    let is_unseen = found.unseen > 0;
    if is_unseen {
        let text = "A DISK OF THIS PC IS NOT SEEN. Whether there is a store is not known.";
        canvas.text(1, text, Look::Bad);
    } else if is_unread {
        let text = "NO VOLUME COULD BE READ. Whether there is a store is not known.";
        canvas.text(1, text, Look::Bad);
    } else {
        let volumes = units::count(found.looked_into as u64, "volume", "volumes");
        canvas.line(&format!("NO STORE FOUND ({volumes} searched)."), Look::Bad);
    }
    canvas.next();
    if is_locked {
        super::unlock::rows(found, canvas);
        canvas.next();
        canvas.pair("Fix", "Press K and enter the recovery key.", Look::Plain);
    } else if is_unseen {
        let text = "Load the driver as described below, then search again.";
        canvas.pair("Fix", text, Look::Plain);
    } else if is_unread {
        let text = "Do not wipe this disk. Make a volume readable, then search again.";
        canvas.pair("Fix", text, Look::Plain);
    } else {
        canvas.pair("Fix", "Check that the disk is attached, then search again.", Look::Plain);
    }
    canvas.next();
    let mut lines = Lines::new(canvas);
    notes(found, "", Look::Doubtful, &mut lines);
    findings(found.findings.iter(), app.unfolded, &mut lines);
    canvas.scrolled(&lines, &app.scroll);
}

/// Notes of the search, without advice that belongs to the command line.
fn notes(found: &Found, label: &str, look: Look, lines: &mut Lines) {
    for note in &found.notes {
        let note = super::without_switches(note);
        if label.is_empty() { lines.text(&note, look) } else { lines.pair(label, &note, look) }
    }
}

/// Draws the stores that were found.
pub(super) fn stores(app: &App, canvas: &mut Canvas<'_>) {
    let Some(found) = &app.found else { return };
    let mut keys = vec![
        ("Space", "Select"),
        ("PgDn", "More"),
        ("Enter", "Continue"),
        ("Esc", "Leave"),
        ("R", "Search again"),
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
    if let [first, more @ ..] = found.closed.as_slice() {
        let more =
            if more.is_empty() { String::new() } else { format!(" (and {} more)", more.len()) };
        let text = format!("NOT READ    {first}{more}: another store may be there");
        canvas.line(&text, Look::Doubtful);
    }
    let count = found.stores.len();
    // The path gives way, kind and size stay.
    let wide = usize::from(canvas.width()).saturating_sub(36).min(44);
    // A small screen has room for the details, too.
    let listed = usize::from(canvas.room() / 3).clamp(2, 6);
    for number in window(count + found.users.len(), listed, app.store) {
        let mark = if app.marked.get(number) == Some(&true) { "[x]" } else { "[ ]" };
        let user = number.checked_sub(count).and_then(|at| found.users.get(at));
        let text = match (found.stores.get(number), user) {
            (Some(seen), _) => {
                let size = units::bytes(seen.survey.total.bytes);
                let path = cut(&seen.store.display(), wide);
                format!("{mark} {path:<wide$} {:<12} {size:>10}", seen.store.kind.as_str())
            }
            (None, Some(user)) => {
                let size = units::bytes(user.contents.bytes);
                let path = cut(&user.profile.path, wide);
                format!("{mark} {path:<wide$} {:<12} {size:>10}", "user")
            }
            (None, None) => continue,
        };
        canvas.choice(number == app.store, &text);
    }
    super::unlock::rows(found, canvas);
    canvas.next();
    let user = app.store.checked_sub(count).and_then(|at| found.users.get(at));
    let mut lines = Lines::new(canvas);
    match (found.stores.get(app.store), user) {
        (Some(seen), _) => details(seen, found, app.unfolded, canvas, &mut lines),
        (None, Some(user)) => of_user(user, found, &mut lines),
        (None, None) => return,
    }
    canvas.scrolled(&lines, &app.scroll);
}

/// The details of one user, line by line.
fn of_user(user: &SeenUser, found: &Found, lines: &mut Lines) {
    let mut pair = |name: &str, text: &str, look: Look| lines.pair(name, text, look);
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
}

/// The details of one store, line by line.
fn details(seen: &Seen, found: &Found, unfolded: bool, canvas: &Canvas<'_>, lines: &mut Lines) {
    let mut pair = |name: &str, text: &str, look: Look| lines.pair(name, text, look);
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
        lines.line(format!("{:<12}{text}", "User"), Look::Plain);
    }
    if let Some(time) = seen.capture.as_ref().and_then(|(run, _)| run.time()) {
        lines.pair("Captured", &format!("{time}, by that PC's clock"), Look::Plain);
    }
    if let Some((name, from)) = &found.machine.name {
        lines.pair("Computer", &format!("{name}, from {from}"), Look::Plain);
    }
    if let Some((text, differs)) = &seen.seal {
        lines.pair("Seal", text, if *differs { Look::Bad } else { Look::Plain });
    }
    if seen.findings.is_empty() && found.findings.is_empty() {
        lines.pair("Health", "OK (quick check)", Look::Good);
    }
    findings(seen.findings.iter().chain(&found.findings), unfolded, lines);
    notes(found, "Note", Look::Plain, lines);
}

/// Findings, the worst first. Those that are only information are one line, unless they are
/// unfolded.
fn findings<'a>(all: impl Iterator<Item = &'a Finding>, unfolded: bool, lines: &mut Lines) {
    let mut all: Vec<&Finding> = all.collect();
    all.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let infos = all.iter().filter(|finding| finding.severity == Severity::Info).count() as u64;
    let shown = |finding: &&&Finding| unfolded || finding.severity > Severity::Info;
    for finding in all.iter().filter(shown) {
        described(finding, lines);
    }
    if infos > 0 {
        let (count, does) = (units::count(infos, "note", "notes"), ["shows", "hides"]);
        let does = does[usize::from(unfolded)];
        let harm = if infos == 1 { "harms nothing: I {} it" } else { "harm nothing: I {} them" };
        let text = format!("{count} that {}", harm.replace("{}", does));
        lines.pair("Info", &text, Look::Plain);
    }
}

/// The lines of a finding.
fn described(finding: &Finding, lines: &mut Lines) {
    let (severity, look) = match finding.severity {
        Severity::Info => ("Info", Look::Plain),
        Severity::Warning => ("WARNING", Look::Doubtful),
        Severity::Damage => ("DAMAGE", Look::Bad),
        Severity::Fatal => ("FATAL", Look::Bad),
    };
    lines.pair(severity, &format!("{}: {}", finding.path, finding.what), look);
    lines.pair("  meaning", &finding.meaning, look);
    lines.pair("  fix", &super::without_switches(&finding.action), look);
}

#[cfg(test)]
mod tests {
    use ratatui::buffer::Buffer;
    use ratatui::layout::Rect;

    use super::super::super::canvas::{Glyphs, Scroll};
    use super::*;

    fn screen(all: &[Finding], unfolded: bool) -> String {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 80, 24));
        let mut canvas = Canvas::new(&mut buffer, Glyphs::ASCII);
        let mut lines = Lines::new(&canvas);
        findings(all.iter(), unfolded, &mut lines);
        canvas.scrolled(&lines, &Scroll::default());
        let cells = buffer.content.chunks(80);
        cells
            .map(|row| row.iter().map(ratatui::buffer::Cell::symbol).collect::<String>() + "\n")
            .collect()
    }

    #[test]
    fn the_worst_comes_first_and_information_is_folded() {
        let finding = |code, severity| Finding {
            code,
            severity,
            path: code.to_owned(),
            what: "x".to_owned(),
            meaning: String::new(),
            action: String::new(),
        };
        let all = [
            finding("note one", Severity::Info),
            finding("warning one", Severity::Warning),
            finding("fatal one", Severity::Fatal),
            finding("note two", Severity::Info),
            finding("damage one", Severity::Damage),
        ];
        let folded = screen(&all, false);
        let at = |text: &str| folded.find(text).unwrap();
        assert!(
            at("fatal one") < at("damage one") && at("damage one") < at("warning one"),
            "{folded}"
        );
        assert!(folded.contains("2 notes that harm nothing: I shows them"), "{folded}");
        assert!(!folded.contains("note one"), "{folded}");
        let unfolded = screen(&all, true);
        assert!(unfolded.contains("note one") && unfolded.contains("I hides them"), "{unfolded}");
    }
}
