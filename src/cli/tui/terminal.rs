//! Takes the terminal (raw mode, alternate screen, cursor), and restores it in
//! every case: at the end, on an error, in a panic.
//!
//! For a console without VT sequences (WinPE 3 to 5, Wine), `console.rs` draws.
//! Such a console has no alternate screen, so its screen is cleared.

use std::io::{self, Stdout, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use crossterm::{cursor, execute};
use ratatui::backend::CrosstermBackend;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::{Terminal, TerminalOptions, Viewport};

use super::canvas::{HEIGHT, WIDTH};
#[cfg(windows)]
use super::console;

/// Whether the terminal is taken.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The taken terminal.
pub(super) struct Screen {
    terminal: Draws,
}

/// How to draw.
enum Draws {
    BySequences(Terminal<CrosstermBackend<Stdout>>),
    #[cfg(windows)]
    ByConsole(Terminal<console::Console>),
}

impl Screen {
    /// Takes the terminal. From now on, a panic restores it before it prints.
    pub(super) fn take() -> io::Result<Self> {
        let speak = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            give_back();
            speak(info);
        }));
        enable_raw_mode()?;
        TAKEN.store(true, Ordering::SeqCst);
        // An error from here on also restores the terminal.
        let guard = Guard;
        let terminal = Draws::begin()?;
        std::mem::forget(guard);
        Ok(Self { terminal })
    }

    /// Shows what `paint` draws. Sends only changes.
    pub(super) fn draw(&mut self, paint: impl FnOnce(&mut Buffer)) -> io::Result<()> {
        match &mut self.terminal {
            Draws::BySequences(to) => to.draw(|frame| paint(frame.buffer_mut())).map(drop),
            #[cfg(windows)]
            Draws::ByConsole(to) => to.draw(|frame| paint(frame.buffer_mut())).map(drop),
        }
    }

    /// Forgets what was sent: the next picture is sent completely.
    pub(super) fn redraw(&mut self) -> io::Result<()> {
        match &mut self.terminal {
            Draws::BySequences(to) => to.clear(),
            #[cfg(windows)]
            Draws::ByConsole(to) => to.clear(),
        }
    }
}

impl Draws {
    fn begin() -> io::Result<Self> {
        #[cfg(windows)]
        if !knows_sequences() {
            console::clear(false)?;
            return Terminal::new(console::Console::new()).map(Self::ByConsole);
        }
        execute!(io::stdout(), EnterAlternateScreen, cursor::Hide)?;
        let backend = CrosstermBackend::new(io::stdout());
        // A serial console knows no size, and says nought.
        let is_known = crossterm::terminal::size().is_ok_and(|(w, h)| w > 0 && h > 0);
        let terminal = if is_known {
            Terminal::new(backend)
        } else {
            let usual = Rect::new(0, 0, WIDTH, HEIGHT);
            Terminal::with_options(backend, TerminalOptions { viewport: Viewport::Fixed(usual) })
        };
        terminal.map(Self::BySequences)
    }
}

/// Restores the screen that `Draws::begin` found.
fn end() -> io::Result<()> {
    #[cfg(windows)]
    if !knows_sequences() {
        return console::clear(true);
    }
    execute!(io::stdout(), LeaveAlternateScreen, cursor::Show)
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

/// Restores a terminal that could not be taken completely.
struct Guard;

impl Drop for Guard {
    fn drop(&mut self) {
        give_back();
    }
}

fn give_back() {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    let _ = end();
    let _ = io::stdout().flush();
    let _ = disable_raw_mode();
}

/// Whether the terminal supports VT sequences. Tested once, at the start.
#[cfg(windows)]
fn knows_sequences() -> bool {
    static KNOWS: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    *KNOWS.get_or_init(console::takes_sequences)
}

/// Whether lines can be drawn with the characters of code page 437. Only ASCII:
/// with `LIFEBOAT_ASCII`, on a serial console, on a console without VT
/// sequences, and if the locale is not UTF-8.
pub(super) fn draws_lines() -> bool {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    if variable("LIFEBOAT_ASCII").is_some_and(|value| value != "0") {
        return false;
    }
    #[cfg(windows)]
    return knows_sequences();
    #[cfg(not(windows))]
    {
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(variable);
        speaks_unicode(locale.as_deref(), variable("TERM").as_deref())
    }
}

/// Whether the locale is UTF-8 and the terminal is not a serial console.
#[cfg(any(not(windows), test))]
fn speaks_unicode(locale: Option<&str>, term: Option<&str>) -> bool {
    let locale = locale.unwrap_or_default().to_ascii_lowercase();
    let serial = ["vt", "ansi", "dumb", "unknown"];
    (locale.ends_with("utf-8") || locale.ends_with("utf8"))
        && term.is_some_and(|term| !serial.iter().any(|start| term.starts_with(start)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serial_consoles_and_old_locales_get_ascii() {
        assert!(speaks_unicode(Some("de_DE.UTF-8"), Some("linux")));
        assert!(speaks_unicode(Some("C.utf8"), Some("xterm-256color")));
        for (locale, term) in [
            (Some("C.UTF-8"), Some("vt220")),
            (Some("C.UTF-8"), Some("ansi")),
            (Some("C.UTF-8"), None),
            (Some("de_DE"), Some("linux")),
            (None, Some("linux")),
        ] {
            assert!(!speaks_unicode(locale, term), "{locale:?} {term:?}");
        }
    }
}
