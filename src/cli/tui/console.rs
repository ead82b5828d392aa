//! The Windows console: tests for VT sequences, and draws with console
//! functions if it does not support them (WinPE 3 to 5, Wine).
//!
//! `crossterm` asks the console whether it supports sequences. Wine says yes
//! but shows them as text, and if `TERM` is set, `crossterm` assumes support.
//! Therefore this module tests the console, and calls the console functions
//! directly.

use std::io::{self, Stdout, Write};

use crossterm::Command;
use crossterm::cursor::{Hide, MoveTo, RestorePosition, SavePosition, Show};
use crossterm::style::{
    Color as ConsoleColour, ResetColor, SetBackgroundColor, SetForegroundColor,
};
use crossterm::terminal::{Clear, ClearType as ConsoleClearType};
use ratatui::backend::{Backend, ClearType, IntoCrossterm, WindowSize};
use ratatui::buffer::Cell;
use ratatui::layout::{Position, Size};
use ratatui::style::{Color, Modifier};

/// Whether the console supports VT sequences: an invisible sequence must not
/// move the cursor.
pub(super) fn takes_sequences() -> bool {
    const NOTHING: &[u8] = b"\x1b[0m";
    if !crossterm::ansi_support::supports_ansi() {
        return false;
    }
    let try_out = || -> io::Result<bool> {
        let mut out = io::stdout();
        out.flush()?;
        SavePosition.execute_winapi()?;
        let before = crossterm::cursor::position()?;
        out.write_all(NOTHING)?;
        out.flush()?;
        let stands = crossterm::cursor::position()? == before;
        if !stands {
            RestorePosition.execute_winapi()?;
            out.write_all(&vec![b' '; NOTHING.len()])?;
            out.flush()?;
            RestorePosition.execute_winapi()?;
        }
        Ok(stands)
    };
    // Not a console but a pipe to a terminal, which supports sequences.
    try_out().unwrap_or(true)
}

/// Clears the console, and shows or hides its cursor.
pub(super) fn clear(cursor: bool) -> io::Result<()> {
    ResetColor.execute_winapi()?;
    Clear(ConsoleClearType::All).execute_winapi()?;
    MoveTo(0, 0).execute_winapi()?;
    if cursor { Show.execute_winapi() } else { Hide.execute_winapi() }
}

/// A console without VT sequences.
pub(super) struct Console {
    out: Stdout,
}

impl Console {
    pub(super) fn new() -> Self {
        Self { out: io::stdout() }
    }

    /// Shows a text in these colors. It is flushed, because the colors and the
    /// position of the next text do not go through the buffer.
    fn show(&mut self, text: &str, (front, back): (Color, Color)) -> io::Result<()> {
        // Reset means both of the console's own colors.
        ResetColor.execute_winapi()?;
        if front != Color::Reset {
            SetForegroundColor(front.into_crossterm()).execute_winapi()?;
        }
        if back != Color::Reset {
            SetBackgroundColor(back.into_crossterm()).execute_winapi()?;
        }
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }
}

/// The colors of a cell: these consoles have no inverse.
fn colours(cell: &Cell) -> (Color, Color) {
    if cell.modifier.contains(Modifier::REVERSED) {
        (Color::Black, Color::Gray)
    } else {
        (cell.fg, cell.bg)
    }
}

impl Backend for Console {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        // Once, before any color is set: this saves the console's own colors.
        SetForegroundColor(ConsoleColour::Reset).execute_winapi()?;
        // Adjacent cells with the same colors are one text.
        let mut text = String::new();
        let mut look = (Color::Reset, Color::Reset);
        let mut next = None;
        for (x, y, cell) in content {
            let looks = colours(cell);
            if next != Some((x, y)) || looks != look {
                if !text.is_empty() {
                    self.show(&text, look)?;
                    text.clear();
                }
                MoveTo(x, y).execute_winapi()?;
                look = looks;
            }
            text.push_str(cell.symbol());
            next = Some((x.saturating_add(1), y));
        }
        if !text.is_empty() {
            self.show(&text, look)?;
        }
        ResetColor.execute_winapi()
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        Hide.execute_winapi()
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        Show.execute_winapi()
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        crossterm::cursor::position().map(Position::from)
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        let Position { x, y } = position.into();
        MoveTo(x, y).execute_winapi()
    }

    fn clear(&mut self) -> io::Result<()> {
        self.clear_region(ClearType::All)
    }

    fn clear_region(&mut self, what: ClearType) -> io::Result<()> {
        let what = match what {
            ClearType::All => ConsoleClearType::All,
            ClearType::AfterCursor => ConsoleClearType::FromCursorDown,
            ClearType::BeforeCursor => ConsoleClearType::FromCursorUp,
            ClearType::CurrentLine => ConsoleClearType::CurrentLine,
            ClearType::UntilNewLine => ConsoleClearType::UntilNewLine,
        };
        Clear(what).execute_winapi()
    }

    fn size(&self) -> io::Result<Size> {
        crossterm::terminal::size().map(|(width, height)| Size { width, height })
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        // Pixels are not used.
        Ok(WindowSize { columns_rows: self.size()?, pixels: Size::default() })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
