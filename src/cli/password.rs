//! Gets a password from `--password-file`, `LIFEBOAT_PASSWORD`, or a prompt on
//! the terminal. Never from the command line, never to a log.

use std::io::{IsTerminal, Write};
use std::path::Path;

use anyhow::Result;
use crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use crossterm::terminal;

use super::exit::{Exit, Failure, interrupted};
use crate::model::text::visible;

const VARIABLE: &str = "LIFEBOAT_PASSWORD";

/// The password, if it was given without a prompt.
pub(crate) fn given(file: Option<&Path>) -> Result<Option<String>> {
    if let Some(path) = file {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Failure::new(
                Exit::Usage,
                format!("{}: the password file cannot be read: {error}", path.display()),
                "Give a text file whose first line is the password.",
            )
        })?;
        return Ok(Some(text.lines().next().unwrap_or_default().to_owned()));
    }
    // An unset and an empty variable are the same: cmd cannot set an empty one.
    Ok(std::env::var(VARIABLE).ok().filter(|password| !password.is_empty()))
}

/// Asks for `whom`'s password. F2 shows what is typed: WinPE starts with the US
/// keyboard layout, and a wrong `z` looks like any other star.
pub(crate) fn ask(whom: &str) -> Result<String> {
    if !can_ask() {
        return Err(Failure::new(
            Exit::Destination,
            format!("a password is needed for {whom}, but there is no terminal to ask on"),
            "Use --password-file FILE, or set LIFEBOAT_PASSWORD.",
        )
        .into());
    }
    prompt(&format!("Password for {whom}"))
}

/// Whether there is a terminal to ask on.
pub(crate) fn can_ask() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks for a secret on the terminal.
pub(crate) fn prompt(what: &str) -> Result<String> {
    prompt_with(what, &|_| None)
}

/// The same; `hint` is what to say about what was typed so far.
pub(crate) fn prompt_with(what: &str, hint: &dyn Fn(&str) -> Option<String>) -> Result<String> {
    let _raw = RawMode::enter()?;
    let mut typed = String::new();
    let mut shown = false;
    let mut last_hint = 0;
    loop {
        let stars =
            if shown { visible(&typed).into_owned() } else { "*".repeat(typed.chars().count()) };
        let mut err = std::io::stderr();
        let said = hint(&typed).map(|hint| format!("  [{hint}]")).unwrap_or_default();
        // What is left of a hint goes, and the cursor back to what was typed.
        let wide = said.chars().count().max(last_hint) + 2;
        last_hint = said.chars().count();
        let back = "\x08".repeat(wide);
        let _ = write!(err, "\r{} (F2 shows it): {stars}{said:<wide$}{back}", visible(what));
        let _ = err.flush();
        let Event::Key(key) = event::read()? else { continue };
        if key.kind == KeyEventKind::Release {
            continue;
        }
        match key.code {
            KeyCode::Enter => return Ok(typed),
            KeyCode::Esc => return Err(interrupted().into()),
            KeyCode::Char('c' | 'd') if is_control(key.modifiers) => {
                return Err(interrupted().into());
            }
            KeyCode::F(2) => shown = !shown,
            KeyCode::Backspace => {
                typed.pop();
            }
            KeyCode::Char(c) if !is_control(key.modifiers) => typed.push(c),
            _ => {}
        }
    }
}

/// Whether Ctrl is held: then a letter is a command, and types nothing.
/// `AltGr` arrives as Ctrl and Alt, and types.
fn is_control(held: KeyModifiers) -> bool {
    held.contains(KeyModifiers::CONTROL) && !held.contains(KeyModifiers::ALT)
}

/// Raw mode, which ends when this is dropped.
struct RawMode;

impl RawMode {
    fn enter() -> Result<Self> {
        terminal::enable_raw_mode()?;
        Ok(Self)
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        let _ = terminal::disable_raw_mode();
        eprintln!();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_with_ctrl_is_not_typed() {
        assert!(is_control(KeyModifiers::CONTROL));
        assert!(is_control(KeyModifiers::CONTROL | KeyModifiers::SHIFT));
        assert!(!is_control(KeyModifiers::CONTROL | KeyModifiers::ALT));
        assert!(!is_control(KeyModifiers::SHIFT) && !is_control(KeyModifiers::NONE));
    }

    #[test]
    fn the_first_line_of_the_file_is_the_password() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "s3cret pass \r\nsecond line\n").unwrap();
        assert_eq!(given(Some(file.path())).unwrap().as_deref(), Some("s3cret pass "));
    }

    #[test]
    fn a_missing_password_file_is_a_usage_error() {
        let error = given(Some(Path::new("/no/such/file"))).unwrap_err();
        assert_eq!(error.downcast_ref::<Failure>().unwrap().exit, Exit::Usage);
    }
}
