//! The pages, one function each.

mod ending;
mod naming;
mod place;
mod saving;
mod stores;
mod unlock;

use std::borrow::Cow;

use super::super::output::Out;
use super::super::users;
use super::app::{App, Page, Question, What};
use super::canvas::{Canvas, Lines, Look};
use crate::model::finding::Severity;
use crate::model::units;

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
        Page::Naming => naming::naming(app, canvas),
        Page::Saving => saving::saving(app, out.live(), tick, canvas),
        Page::End => ending::ending(app, out.live(), canvas),
    }
    if let Some(hint) = app.hint {
        canvas.hint(hint);
    }
    match app.question {
        Some(Question::Quit) => canvas.question(&[
            if app.has_ended() {
                "Leave? Not everything is saved. The disk is unchanged."
            } else {
                "Leave? Nothing was saved yet. The disk is unchanged."
            },
            "",
            "L  leave      Esc  stay",
        ]),
        Some(Question::Stop) => {
            let [first, second] = out.live().with(saving::kept);
            let keys = "S  stop      Esc  continue saving";
            canvas.question(&[first, second, "", keys]);
        }
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
    let action = without_switches(action);
    if !action.is_empty() {
        canvas.pair("Fix", &action, Look::Plain);
    }
}

/// Advice without the sentences about commands and options of the command line, which nobody can
/// give here.
fn without_switches(text: &str) -> Cow<'_, str> {
    let has = |text: &str| {
        let mut words = text.split([' ', '(', '`']);
        words.any(|word| word.starts_with("--") || word == "lifeboat")
    };
    if !has(text) {
        return Cow::Borrowed(text);
    }
    let text = match text.split_once("; ") {
        Some((first, rest)) if !has(first) && has(rest) => &format!("{first}."),
        _ => text,
    };
    let mut kept = String::new();
    for sentence in text.split_inclusive(". ") {
        // Advice may be two ways in one sentence: `use --split 4000M, or a destination with ...`.
        let ways = sentence.split(", or ");
        let ways: Vec<&str> = ways.filter(|way| !has(way)).collect();
        let text = ways.join(", or ");
        let is_rest = !text.is_empty() && text.len() < sentence.len();
        match text.trim() {
            "" => {}
            text if is_rest && text.starts_with(char::is_lowercase) => {
                // `a destination with ...` has lost its verb, `set ...` has one.
                let is_thing = text.starts_with("a ") || text.starts_with("another ");
                let verb = if is_thing { "use " } else { "" };
                let mut text = format!("{verb}{text} ");
                if let Some(first) = text.get_mut(..1) {
                    first.make_ascii_uppercase();
                }
                kept.push_str(&text);
            }
            text => {
                kept.push_str(text);
                kept.push(' ');
            }
        }
    }
    Cow::Owned(kept.trim_end().to_owned())
}

/// What the sets will not have, as far as it is known before the save: a label, a text, a look.
fn warnings(app: &App) -> Vec<(&'static str, String, Look)> {
    let Some(found) = &app.found else { return Vec::new() };
    let mut warnings = Vec::new();
    for target in app.left() {
        match target.what {
            What::Store(seen) => {
                let lacks = seen.lacks.iter().map(|text| ("MISSING", text.clone(), Look::Bad));
                warnings.extend(lacks);
                let is_damage = |severity| severity >= Severity::Damage;
                let damage = seen.findings.iter().filter(|f| is_damage(f.severity)).count() as u64;
                if damage > 0 {
                    let text = units::count(damage, "damage", "damages");
                    let text = format!("{text} in {}", seen.store.display());
                    warnings.push(("DAMAGED", text, Look::Bad));
                }
                if let Some((text, true)) = &seen.seal {
                    warnings.push(("SEAL", text.clone(), Look::Bad));
                }
            }
            What::Users(_, users) => {
                let lacks = users.iter().flat_map(|u| users::lacks(&u.profile, &u.contents));
                warnings.extend(lacks.map(|text| ("MISSING", text, Look::Bad)));
            }
        }
    }
    for volume in &found.locked {
        let text = format!("{}: another store may be there", volume.name);
        warnings.push(("LOCKED", text, Look::Doubtful));
    }
    let is_locked = |name: &String| found.locked.iter().any(|volume| volume.name == *name);
    for name in found.closed.iter().filter(|name| !is_locked(name)) {
        let text = format!("{name}: another store may be there");
        warnings.push(("NOT READ", text, Look::Doubtful));
    }
    warnings
}

/// Draws the first of these, a line each.
fn warn(app: &App, most: usize, canvas: &mut Canvas<'_>) {
    let warnings = warnings(app);
    let room = usize::from(canvas.width()).saturating_sub(15);
    for (label, text, look) in warnings.iter().take(most) {
        canvas.line(&format!("{label:<12}{}", super::canvas::cut(text, room)), *look);
    }
    if let more @ 1.. = warnings.len().saturating_sub(most) {
        canvas.line(&format!("            ... and {more} more"), Look::Doubtful);
    }
}

/// Adds all of them.
fn add_warnings(app: &App, lines: &mut Lines) {
    for (label, text, look) in warnings(app) {
        lines.pair(label, &text, look);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_has_no_options_of_the_command_line() {
        for (advice, said) in [
            ("Free some space there.", "Free some space there."),
            ("Use a USB disk. (--allow-memory saves there nevertheless.)", "Use a USB disk."),
            (
                "use --split 4000M, or a destination with NTFS or exFAT",
                "Use a destination with NTFS or exFAT",
            ),
            ("Use --password-file FILE, or set LIFEBOAT_PASSWORD.", "Set LIFEBOAT_PASSWORD."),
            ("Run verify --level full. Run offload now.", "Run offload now."),
            ("Add --to C=ROOT.", ""),
            (
                "Check the name; `lifeboat detect` without a source lists everything attached.",
                "Check the name.",
            ),
            (
                "Check that the right disk is attached. lifeboat detect without a source searches \
                 all.",
                "Check that the right disk is attached.",
            ),
            ("Lifeboat never writes to the source.", "Lifeboat never writes to the source."),
        ] {
            assert_eq!(without_switches(advice), said, "{advice}");
        }
    }
}
