//! The last page: the result, the losses, what to do next.

use std::fmt::Write as _;

use super::super::super::exit::Exit;
use super::super::app::App;
use super::super::canvas::{Canvas, Look, cut};
use crate::cli::output::live::Live;
use crate::model::units;
use crate::set::format::rescue::{EndState, Part};
use crate::set::write::writer::Outcome;

/// Up to this many sets are shown in detail.
const FEW: usize = 2;
/// So many missing parts and damages of a set are shown.
const MAX_SHORTFALLS: usize = 4;

/// The word for the result.
pub(super) fn word(exit: Exit) -> (&'static str, Look) {
    match exit {
        Exit::Done => ("SAVED", Look::Good),
        Exit::Losses => ("SAVED WITH LOSSES", Look::Doubtful),
        Exit::Interrupted => ("STOPPED", Look::Doubtful),
        _ => ("FAILED", Look::Bad),
    }
}

/// Draws the result.
pub(super) fn ending(app: &App, live: &Live, canvas: &mut Canvas<'_>) {
    let exit = app.exit();
    let is_incomplete =
        exit == Exit::Losses && app.saved.sets.iter().any(|(_, outcome, _)| is_incomplete(outcome));
    let (word, look) =
        if is_incomplete { (EndState::Incomplete.words(), Look::Bad) } else { word(exit) };
    let failed = app.saved.failure.as_ref();
    let mut keys = vec![("Up/Down", "Losses"), ("Enter", "Leave")];
    if failed.is_some() {
        keys.insert(1, ("R", "Try again"));
    }
    canvas.frame(word, &keys);
    canvas.next();
    canvas.line(word, look);
    canvas.next();
    for (_, outcome, _) in &app.saved.sets {
        set(outcome, app, canvas);
    }
    if !app.saved.sets.is_empty() {
        canvas.pair("In", &app.to, Look::Plain);
    }
    if exit == Exit::Interrupted {
        canvas.text(
            1,
            "The saved data is kept. The disk with the store is unchanged.",
            Look::Plain,
        );
        canvas.next();
        canvas.pair(
            "Next",
            "Press R to resume now. Later: start Lifeboat again and choose",
            Look::Plain,
        );
        canvas.pair("", &format!("the same destination, {}", app.to), Look::Plain);
    } else if let Some(failure) = failed {
        super::failure(&failure.what, &failure.action, canvas);
        canvas.pair("", "The disk with the store is unchanged.", Look::Plain);
    } else {
        canvas.next();
        if is_incomplete {
            let is_users = |part: &Part| part.user.is_some();
            let mut parts = app.saved.sets.iter().flat_map(|(_, outcome, _)| &outcome.rescue.parts);
            if parts.all(is_users) {
                let text = "Do not wipe this disk. Look for what is missing: another disk,";
                canvas.pair("Next", text, Look::Bad);
                canvas.pair("", "or a backup.", Look::Plain);
            } else {
                let text = "Do not wipe this disk. Look for the missing part, or for another";
                canvas.pair("Next", text, Look::Bad);
                canvas.pair("", "copy of the store. loadstate may refuse this one.", Look::Plain);
            }
            let text = "RESTORE.txt in the set says how to restore what was saved.";
            canvas.pair("", text, Look::Plain);
        } else {
            next_steps(app, exit, canvas);
        }
    }
    canvas.next();
    losses(app, live, canvas);
}

/// Draws how to go on with sets of whole stores.
fn next_steps(app: &App, exit: Exit, canvas: &mut Canvas<'_>) {
    if app.saved.sets.iter().any(|(_, outcome, _)| !outcome.rescue.closed.is_empty()) {
        let text = "First read what was NOT READ (unlock or repair it), or make sure that it";
        canvas.pair("Next", text, Look::Doubtful);
        canvas.pair("", "has nothing of this PC. Only then re-image the PC.", Look::Doubtful);
    } else if exit == Exit::Done {
        canvas.pair("Next", "Re-image the PC.", Look::Plain);
    } else {
        let text = "Check the losses and decide. Then re-image the PC.";
        canvas.pair("Next", text, Look::Plain);
    }
    let parts = || app.saved.sets.iter().flat_map(|(_, outcome, _)| &outcome.rescue.parts);
    if parts().next().is_some() && parts().all(|part| part.user.is_some()) {
        canvas.pair("", "Let each user log on once to the new Windows. Then, as", Look::Plain);
        canvas.pair("", "administrator, for each user:", Look::Plain);
        let command = r"lifeboat restore SET --of-user NAME --into C:\Users\NAME";
        canvas.pair("", command, Look::Plain);
        return;
    }
    canvas.pair("", "In the new Windows, as administrator:", Look::Plain);
    if app.saved.sets.len() <= FEW {
        for (_, outcome, _) in &app.saved.sets {
            canvas.pair("", &restoring(&app.to, outcome), Look::Plain);
        }
    } else {
        canvas.pair("", "for each set: lifeboat restore SET --to C=C:\\", Look::Plain);
    }
    let then = "then the loadstate command that it prints. See RESTORE.txt in the set.";
    canvas.pair("", then, Look::Plain);
}

/// Whether the store was not whole when it was saved.
fn is_incomplete(outcome: &Outcome) -> bool {
    outcome.rescue.end_state == EndState::Incomplete
}

/// Draws a saved set, and what it lacks.
fn set(outcome: &Outcome, app: &App, canvas: &mut Canvas<'_>) {
    canvas.pair("Set", &outcome.set, Look::Plain);
    if app.saved.sets.len() <= FEW {
        let (totals, files) = (&outcome.rescue.totals, &outcome.rescue.files);
        let packed = files.iter().fold(0_u64, |sum, file| sum.saturating_add(file.size));
        let text = format!(
            "{}, {}, {} compressed to {}",
            units::count(totals.files, "file", "files"),
            units::count(totals.directories, "folder", "folders"),
            units::bytes(totals.bytes),
            units::bytes(packed)
        );
        canvas.pair("", &text, Look::Plain);
    }
    if let Some(recovered) = outcome.rescue.totals.recovered {
        let files = units::count(recovered.files, "deleted file", "deleted files");
        canvas.pair("Recovered", &format!("{files}: {}", recovered.words()), Look::Doubtful);
    }
    // What to do next must stay on the screen.
    for (label, text) in outcome.rescue.shortfalls().take(MAX_SHORTFALLS) {
        canvas.pair(label, text, Look::Bad);
    }
    let more = outcome.rescue.shortfalls().count().saturating_sub(MAX_SHORTFALLS);
    if more > 0 {
        canvas.pair("", &format!("and {more} more: RESTORE.txt lists them"), Look::Bad);
    }
    for volume in &outcome.rescue.closed {
        canvas.pair("NOT READ", volume, Look::Doubtful);
    }
}

/// The command that restores a set.
fn restoring(to: &str, outcome: &Outcome) -> String {
    let separator = if to.contains('\\') { '\\' } else { '/' };
    let set = format!("{}{separator}{}", to.trim_end_matches(separator), outcome.set);
    let quote = if set.contains(' ') { "\"" } else { "" };
    let mut command = format!("lifeboat restore {quote}{set}{quote}");
    for part in &outcome.rescue.parts {
        // The name for an unknown drive is not a drive letter.
        let root = if part.drive.len() == 1 { format!("{}:\\", part.drive) } else { "ROOT".into() };
        let _ = write!(command, " --to {}={root}", part.drive);
    }
    command
}

/// Draws the losses that fit; the keys scroll.
fn losses(app: &App, live: &Live, canvas: &mut Canvas<'_>) {
    live.with(|shown| {
        if shown.lost == 0 {
            canvas.line("Losses      none", Look::Plain);
            return;
        }
        let room = usize::from(canvas.room().saturating_sub(1)) / 2;
        let first = app.loss.min(shown.losses.len().saturating_sub(room.max(1)));
        let last = (first + room).min(shown.losses.len());
        canvas.line(
            &format!("Losses      {} to {last} of {}", first + 1, shown.lost),
            Look::Doubtful,
        );
        let width = usize::from(canvas.width()).saturating_sub(5);
        for loss in shown.losses.iter().skip(first).take(room) {
            canvas.line(&format!("  {}", cut(&loss.path, width)), Look::Plain);
            canvas.line(&format!("    {}: {}", loss.kind, loss.detail), Look::Plain);
        }
    });
}
