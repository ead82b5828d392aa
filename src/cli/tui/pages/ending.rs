//! The last page: the result, what to do now, the losses, and where everything is.

use super::super::super::ending::{self, End, Row};
use super::super::super::exit::Exit;
use super::super::app::App;
use super::super::canvas::{Canvas, Lines, Look};
use crate::cli::output::live::Live;
use crate::model::loss::Loss;
use crate::model::units;

/// Up to this many sets are shown in detail.
const FEW: usize = 4;

/// Draws the result. The verdict and what to do with the disk come first: a small screen shows
/// them without a key.
pub(super) fn ending(app: &App, live: &Live, canvas: &mut Canvas<'_>) {
    let end = app.end();
    let failed = app.saved.failure.as_ref();
    let mut keys = vec![("Enter", "Leave"), ("PgDn", "More")];
    if let Some(failure) = failed {
        let does = match (failure.exit, app.saved.kept) {
            (Exit::Interrupted, Some(0)) => "Start again",
            (Exit::Interrupted, _) => "Resume now",
            _ => "Try again",
        };
        keys.insert(1, ("R", does));
        keys.insert(2, ("D", "Another destination"));
    }
    canvas.frame(end.word(), &keys);
    let mut lines = Lines::new(canvas);
    lines.line(end.word(), end.tone().into());
    let sets: Vec<_> = app.saved.sets.iter().map(|(_, set)| set).collect();
    let around = app.around();
    if let Some(Row { text, tone, .. }) = ending::next_step(end, &sets, &around) {
        lines.text(&text, tone.into());
    }
    for Row { label, text, tone } in around.rows() {
        lines.pair(label, &text, tone.into());
    }
    lines.blank();
    match failed {
        Some(_) if end == End::Stopped => stopped(app, live, &mut lines),
        Some(failure) => {
            lines.text(&failure.what, Look::Bad);
            let action = super::without_switches(&failure.action);
            if !action.is_empty() {
                lines.pair("Fix", &action, Look::Plain);
            }
            lines.pair("", "The disk with the store is unchanged.", Look::Plain);
            lines.blank();
        }
        None => {}
    }
    for (number, set) in app.saved.sets.iter().take(FEW) {
        let name = &set.outcome.set;
        lines.pair("Set", &app.path_of(*number, name, ""), Look::Plain);
        let rows = ending::rows(set, &|file| app.path_of(*number, name, file));
        // Those of one set are listed below.
        for row in rows.iter().filter(|row| sets.len() > 1 || row.label != "losses") {
            lines.pair(&label(row.label), &row.text, row.tone.into());
        }
        lines.blank();
    }
    for (number, set) in app.saved.sets.iter().skip(FEW) {
        lines.pair("Set", &app.path_of(*number, &set.outcome.set, ""), Look::Plain);
    }
    live.with(|shown| losses(shown.lost, &shown.losses, &mut lines));
    if failed.is_none() {
        lines.blank();
        lines.pair("Restore", &ending::restoring(&sets), Look::Plain);
    }
    canvas.scrolled(&lines, &app.scroll);
}

/// The label, as the pages write labels.
fn label(label: &str) -> String {
    let mut letters = label.chars();
    let first = letters.next().map(|c| c.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

/// What is kept of a save that was stopped.
fn stopped(app: &App, live: &Live, lines: &mut Lines) {
    if app.is_stuck {
        lines.text(
            "A disk or a server has not answered yet. Lifeboat does not wait for it any longer.",
            Look::Doubtful,
        );
    }
    let all = live.with(|shown| {
        shown.stages.iter().rev().find_map(|stage| {
            Some(stage.progress.total_bytes).filter(|total| *total > 0 && stage.copies())
        })
    });
    let kept = match (app.saved.kept, all) {
        (Some(0), _) => super::super::jobs::TOO_LITTLE.to_owned(),
        (Some(kept), Some(all)) => format!(
            "{} of {} are saved. They are kept: resuming does not copy them again.",
            units::bytes(kept.min(all)),
            units::bytes(all)
        ),
        (Some(kept), None) => {
            format!("{} are saved. They are kept.", units::bytes(kept))
        }
        (None, _) => "The saved data is kept.".to_owned(),
    };
    lines.text(&kept, Look::Plain);
    lines.text("The disk with the store is unchanged.", Look::Plain);
    lines.blank();
    let (now, later) = match app.saved.kept {
        Some(0) => ("Press R to start again now.", "choose a destination"),
        _ => ("Press R to resume now.", "choose the same destination"),
    };
    lines.pair("Next", now, Look::Plain);
    let place = if app.saved.kept == Some(0) { String::new() } else { format!(", {}", app.to) };
    let later = format!("Later: start Lifeboat again and {later}{place}");
    lines.pair("", &later, Look::Plain);
    lines.blank();
}

/// The list of the losses.
fn losses(lost: u64, all: &[Loss], lines: &mut Lines) {
    if lost == 0 {
        lines.pair("Losses", "none", Look::Plain);
        return;
    }
    lines.pair("Losses", &format!("{lost}; report.html lists all"), Look::Doubtful);
    for loss in all {
        lines.text(&format!("- {}", loss.path), Look::Plain);
        lines.pair("", &format!("{}: {}", loss.kind, loss.detail), Look::Plain);
    }
    if let more @ 1.. = lost.saturating_sub(all.len() as u64) {
        lines.line(format!("  ... and {more} more"), Look::Plain);
    }
}
