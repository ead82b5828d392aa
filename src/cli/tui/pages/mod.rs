//! The pages, one function each: what is known goes onto the canvas.

mod ending;
mod place;
mod saving;
mod stores;

use super::super::output::Out;
use super::app::{App, Page, Question};
use super::canvas::{Canvas, Look};

/// Paints the page that is shown. `tick` counts the pictures: it turns the sign
/// that something is going on.
pub(super) fn paint(app: &App, out: Out, tick: usize, canvas: &mut Canvas<'_>) {
    if canvas.is_too_small() {
        return;
    }
    match app.page {
        Page::Finding => stores::finding(out.live(), tick, canvas),
        Page::Nothing => stores::nothing(app, canvas),
        Page::Stores => stores::stores(app, canvas),
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
            "Leave? Nothing was saved yet; the disk is as it was.",
            "",
            "L  leave      Esc  stay",
        ]),
        Some(Question::Stop) => canvas.question(&[
            "Stop saving? What is written stays, and starting",
            "again to the same place goes on from there.",
            "",
            "S  stop      Esc  go on saving",
        ]),
        None => {}
    }
}

/// A sign that turns.
fn turning(tick: usize) -> char {
    ['|', '/', '-', '\\'][tick / 2 % 4]
}

/// What happened and what to do.
fn failure(what: &str, action: &str, canvas: &mut Canvas<'_>) {
    canvas.text(1, what, Look::Bad);
    canvas.next();
    if !action.is_empty() {
        canvas.pair("To do", action, Look::Plain);
    }
}
