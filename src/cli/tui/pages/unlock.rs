//! The volumes that BitLocker has locked, and the field for a key.

use super::super::app::App;
use super::super::canvas::{Canvas, Look, cut, window};
use super::super::jobs::Found;

/// Draws a row for each locked volume, below what else was found.
pub(super) fn rows(found: &Found, canvas: &mut Canvas<'_>) {
    const MOST: usize = 3;
    for volume in found.locked.iter().take(MOST) {
        let text = format!("LOCKED      {:<44}  Key ID {}", cut(&volume.name, 44), volume.key_id);
        canvas.line(&text, Look::Doubtful);
    }
    if let more @ 1.. = found.locked.len().saturating_sub(MOST) {
        canvas.line(&format!("            ... and {more} more"), Look::Doubtful);
    }
}

/// Draws the page with the field.
pub(super) fn unlock(app: &App, canvas: &mut Canvas<'_>) {
    canvas.frame(
        "1 of 5: Unlock a volume",
        &[("F2", "Hide or show"), ("Enter", "Unlock"), ("Esc", "Back")],
    );
    let Some(found) = &app.found else { return };
    let state = &app.unlock;
    canvas.next();
    let text = "These volumes are locked by BitLocker. Enter a key to unlock them.";
    canvas.text(1, text, Look::Plain);
    canvas.next();
    for number in window(found.locked.len(), 6, state.at) {
        let Some(volume) = found.locked.get(number) else { continue };
        let text = format!("{:<46}  Key ID {}", cut(&volume.name, 46), volume.key_id);
        canvas.choice(number == state.at, &text);
    }
    canvas.next();
    let Some(volume) = found.locked.get(state.at) else { return };
    canvas.pair("Opened by", &volume.protectors, Look::Plain);
    if let Some(label) = &volume.label {
        canvas.pair("Name", label, Look::Plain);
    }
    canvas.next();
    let width = usize::from(canvas.width()).saturating_sub(18);
    canvas.at(1, "> Key", Look::Plain);
    let (text, cursor) = state.field.view(width, state.hidden);
    canvas.typed(16, &text);
    canvas.cursor(16_u16.saturating_add(u16::try_from(cursor).unwrap_or(0)));
    canvas.next();
    if let Some(said) = state.hint(volume) {
        canvas.at(16, &said, Look::Bad);
    }
    canvas.next();
    canvas.next();
    let key = match (volume.takes_recovery, volume.takes_password) {
        (true, true) => "The recovery key: 48 digits. Or the password of the volume.",
        (true, false) => "The recovery key: 48 digits.",
        (false, true) => "The password of the volume. It has no recovery key.",
        (false, false) => "Attach the stick with the startup key (a .BEK file), and search again.",
    };
    canvas.pair("Key", key, Look::Plain);
    if !volume.takes_recovery {
        return;
    }
    let find = format!(
        "Search Active Directory or Entra ID for the Key ID {}, or ask the user \
         (aka.ms/myrecoverykey).",
        volume.key_id
    );
    canvas.pair("Where", &find, Look::Plain);
}
