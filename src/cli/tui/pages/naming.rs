//! The fields for the set's name and a passphrase.

use super::super::app::App;
use super::super::canvas::{Canvas, Look};

/// Draws the page.
pub(super) fn naming(app: &App, canvas: &mut Canvas<'_>) {
    canvas.frame(
        "4 of 5: Name and passphrase",
        &[("Tab", "Next field"), ("F2", "Show"), ("Enter", "OK"), ("Esc", "Back")],
    );
    canvas.next();
    let naming = &app.naming;
    let width = usize::from(canvas.width()).saturating_sub(18);
    let names = ["Name", "Passphrase", "Again"];
    for (number, (name, field)) in names.iter().zip(&naming.fields).enumerate() {
        let is_active = number == naming.at;
        let sign = if is_active { "> " } else { "  " };
        canvas.at(1, &format!("{sign}{name}"), Look::Plain);
        let (text, cursor) = field.view(width, number > 0 && !naming.reveal);
        canvas.typed(16, &text);
        if is_active {
            canvas.cursor(16_u16.saturating_add(u16::try_from(cursor).unwrap_or(0)));
        }
        canvas.next();
    }
    canvas.next();
    if let Some(said) = &naming.said {
        canvas.text(1, said, Look::Bad);
        canvas.next();
    }
    canvas.pair(
        "Name",
        "The set's name begins with it: a ticket number. Empty: the computer's name",
        Look::Plain,
    );
    canvas.pair(
        "Passphrase",
        "Encrypts the set. Empty: not encrypted. Without the passphrase, nobody can read the set. \
         WinPE starts with the US keyboard layout: F2 or Ctrl-T shows what you type",
        Look::Plain,
    );
}
