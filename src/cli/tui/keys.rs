//! Keys that both a keyboard in WinPE and a serial console have; and a text
//! field.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

/// A key with a meaning in the guided rescue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Key {
    Enter,
    Esc,
    /// Ctrl-C: leave or stop, on every page.
    Stop,
    /// Ctrl-L: redraws everything.
    Redraw,
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    Home,
    End,
    Tab,
    BackTab,
    Backspace,
    Delete,
    /// F2, and Ctrl-T for serial consoles without F2: shows a password.
    Reveal,
    Char(char),
}

impl Key {
    /// `None` for key releases and other keys.
    pub(super) fn of(event: KeyEvent) -> Option<Self> {
        if event.kind == KeyEventKind::Release {
            return None;
        }
        // AltGr arrives as Ctrl and Alt: many keyboards have `\` and `@` there.
        let control = event.modifiers.contains(KeyModifiers::CONTROL)
            && !event.modifiers.contains(KeyModifiers::ALT);
        Some(match event.code {
            KeyCode::Char('c') if control => Self::Stop,
            KeyCode::Char('l') if control => Self::Redraw,
            KeyCode::Char('t') if control => Self::Reveal,
            KeyCode::Char('h') if control => Self::Backspace,
            KeyCode::Char(_) if control => return None,
            KeyCode::Char(c) => Self::Char(c),
            KeyCode::Enter => Self::Enter,
            KeyCode::Esc => Self::Esc,
            KeyCode::Up => Self::Up,
            KeyCode::Down => Self::Down,
            KeyCode::Left => Self::Left,
            KeyCode::Right => Self::Right,
            KeyCode::PageUp => Self::PageUp,
            KeyCode::PageDown => Self::PageDown,
            KeyCode::Home => Self::Home,
            KeyCode::End => Self::End,
            KeyCode::Tab => Self::Tab,
            KeyCode::BackTab => Self::BackTab,
            KeyCode::Backspace => Self::Backspace,
            KeyCode::Delete => Self::Delete,
            KeyCode::F(2) => Self::Reveal,
            _ => return None,
        })
    }
}

/// Far longer than any path or password.
const LONGEST: usize = 1000;

/// A text field.
#[derive(Clone, Default)]
pub(super) struct Field {
    text: Vec<char>,
    /// The index of the character after the cursor.
    cursor: usize,
}

impl Field {
    pub(super) fn new(text: &str) -> Self {
        let text: Vec<char> = text.chars().take(LONGEST).collect();
        Self { cursor: text.len(), text }
    }

    pub(super) fn text(&self) -> String {
        self.text.iter().collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Empties the field, and overwrites what was in it.
    pub(super) fn clear(&mut self) {
        self.text.fill('\0');
        std::hint::black_box(&self.text);
        *self = Self::default();
    }

    /// The part of the text around the cursor that fits in `width` columns, and
    /// the cursor's column. Stars for a hidden password.
    pub(super) fn view(&self, width: usize, hidden: bool) -> (String, usize) {
        let first = self.cursor.saturating_sub(width.saturating_sub(1));
        let seen = self.text.iter().skip(first).take(width);
        let text = if hidden { "*".repeat(seen.count()) } else { seen.collect() };
        (text, self.cursor - first)
    }

    /// Handles a key; returns whether the field uses it.
    pub(super) fn key(&mut self, key: Key) -> bool {
        match key {
            Key::Char(c) if !c.is_control() && self.text.len() < LONGEST => {
                self.text.insert(self.cursor, c);
                self.cursor += 1;
            }
            Key::Backspace if self.cursor > 0 => {
                self.cursor -= 1;
                self.text.remove(self.cursor);
            }
            Key::Delete if self.cursor < self.text.len() => {
                self.text.remove(self.cursor);
            }
            Key::Left => self.cursor = self.cursor.saturating_sub(1),
            Key::Right => self.cursor = (self.cursor + 1).min(self.text.len()),
            Key::Home => self.cursor = 0,
            Key::End => self.cursor = self.text.len(),
            Key::Backspace | Key::Delete => {}
            _ => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alt_gr_types_what_stands_on_the_key() {
        let alt_gr = KeyModifiers::CONTROL | KeyModifiers::ALT;
        let key = |code, modifiers| Key::of(KeyEvent::new(code, modifiers));
        assert_eq!(key(KeyCode::Char('\\'), alt_gr), Some(Key::Char('\\')));
        assert_eq!(key(KeyCode::Char('c'), KeyModifiers::CONTROL), Some(Key::Stop));
        assert_eq!(key(KeyCode::Char('x'), KeyModifiers::CONTROL), None);
    }

    #[test]
    fn a_line_is_edited_where_the_cursor_stands() {
        let mut field = Field::new("server");
        field.key(Key::Home);
        for c in r"\\".chars() {
            assert!(field.key(Key::Char(c)));
        }
        field.key(Key::End);
        field.key(Key::Backspace);
        assert_eq!(field.text(), r"\\serve");
        assert!(!field.key(Key::Tab));
        assert_eq!(field.view(4, false), ("rve".to_owned(), 3));
        assert_eq!(field.view(20, true), ("*******".to_owned(), 7));
    }

    #[test]
    fn it_is_not_typed_beyond_its_bound() {
        let mut field = Field::new(&"a".repeat(2 * LONGEST));
        field.key(Key::Char('b'));
        assert_eq!(field.text().len(), LONGEST);
    }
}
