//! The pages, one function each.

mod ending;
mod place;
mod saving;
mod stores;
mod unlock;

use super::super::output::Out;
use super::app::{App, Page, Question};
use super::canvas::{Canvas, Look};

/// Draws the current page. `tick` counts the pictures, to turn the activity
/// sign.
pub(super) fn paint(app: &App, out: Out, tick: usize, canvas: &mut Canvas<'_>) {
    if canvas.is_too_small() {
        return;
    }
    match app.page {
        Page::Finding => stores::finding(out.live(), tick, canvas),
        Page::Nothing => stores::nothing(app, canvas),
        Page::Stores => stores::stores(app, canvas),
        Page::Unlock => unlock::unlock(app, canvas),
        Page::Where => place::places(app, canvas),
        Page::Form => place::form(app, canvas),
        Page::Checking => place::checking(app, out.live(), tick, canvas),
        Page::Refused => place::refused(app, canvas),
        Page::Ready => place::ready(app, canvas),
        Page::Saving => saving::saving(app, out.live(), tick, canvas),
        Page::End => ending::ending(app, out.live(), canvas),
    }
    match app.question {
        Some(Question::Quit) => canvas.question(&[
            "Leave? Nothing was saved yet. The disk is unchanged.",
            "",
            "L  leave      Esc  stay",
        ]),
        Some(Question::Stop) => canvas.question(&[
            "Stop saving? The saved data is kept. To resume, start",
            "again with the same destination.",
            "",
            "S  stop      Esc  continue saving",
        ]),
        None => {}
    }
}

/// The activity sign.
fn turning(tick: usize) -> char {
    ['|', '/', '-', '\\'][tick / 2 % 4]
}

/// Draws what failed and what to do.
fn failure(what: &str, action: &str, canvas: &mut Canvas<'_>) {
    canvas.text(1, what, Look::Bad);
    canvas.next();
    if !action.is_empty() {
        canvas.pair("Fix", action, Look::Plain);
    }
}

/// Draws that volumes could not be read.
fn closed(volumes: &[String], canvas: &mut Canvas<'_>) {
    if let Some(first) = volumes.first() {
        let more = match volumes.len() {
            1 => String::new(),
            n => format!(" (and {} more)", n - 1),
        };
        let text = format!("{first}{more}: another store may be there");
        canvas.pair("NOT READ", &text, Look::Doubtful);
    }
}
