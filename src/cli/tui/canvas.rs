//! Draws text, bars, lists and the frame of every page. It never draws outside
//! the screen, and uses only ASCII and code page 437.

use std::cell::Cell;

use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier, Style};

use super::keys::Key;
use crate::cli::output::colour::Tone;
use crate::model::text::visible;

/// The width that pages are made for.
pub(super) const WIDTH: u16 = 80;
/// The height: serial consoles have one line less than Windows' 25.
pub(super) const HEIGHT: u16 = 24;
/// The least width and height that is useful.
const LEAST: (u16, u16) = (60, 16);

/// Characters of code page 437 beyond ASCII, as far as names and the pages use
/// them.
const CP437: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥áíóúñÑªº¿¬½¼¡«»ßµ±÷°·²─│█░";

/// The characters for lines and bars.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Glyphs {
    line: char,
    full: char,
    empty: char,
    /// Whether code page 437 is available, or only ASCII.
    more_than_ascii: bool,
}

impl Glyphs {
    /// Plain characters.
    pub(super) const ASCII: Self =
        Self { line: '-', full: '#', empty: '.', more_than_ascii: false };
    /// Characters of code page 437.
    pub(super) const LINES: Self =
        Self { line: '─', full: '█', empty: '░', more_than_ascii: true };

    /// The character, or `?` if it cannot be shown.
    fn fit(self, c: char) -> char {
        if matches!(c, ' '..='~') || (self.more_than_ascii && CP437.contains(c)) { c } else { '?' }
    }
}

/// How a text looks. Never the only sign of anything: many consoles show no
/// color, and the old Windows console neither bold nor inverse.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Look {
    Plain,
    Good,
    Doubtful,
    Bad,
    /// The selected line.
    Chosen,
}

impl From<Tone> for Look {
    fn from(tone: Tone) -> Self {
        match tone {
            Tone::Plain => Self::Plain,
            Tone::Good => Self::Good,
            Tone::Doubtful => Self::Doubtful,
            Tone::Bad => Self::Bad,
        }
    }
}

impl Look {
    fn style(self) -> Style {
        let style = Style::new();
        match self {
            Self::Plain => style,
            Self::Good => style.fg(Color::LightGreen),
            Self::Doubtful => style.fg(Color::LightYellow),
            Self::Bad => style.fg(Color::LightRed),
            Self::Chosen => style.add_modifier(Modifier::REVERSED),
        }
    }
}

/// How far a page is scrolled. Only the drawing knows how long it is.
#[derive(Debug, Default)]
pub(super) struct Scroll {
    /// The first visible line.
    first: Cell<usize>,
    /// Lines in all, and lines with room.
    lines: Cell<(usize, usize)>,
}

impl Scroll {
    /// To the first line.
    pub(super) fn reset(&self) {
        self.first.set(0);
    }

    /// Scrolls by a page, or to the start or end; returns whether the key does that.
    pub(super) fn key(&self, key: Key) -> bool {
        let (first, (lines, room)) = (self.first.get(), self.lines.get());
        // One line of the last page stays, to find the place again.
        let page = room.saturating_sub(1).max(1);
        self.first.set(match key {
            Key::PageUp => first.saturating_sub(page),
            Key::PageDown => first.saturating_add(page),
            Key::Home => 0,
            Key::End => lines,
            _ => return false,
        });
        self.first.set(self.first.get().min(lines.saturating_sub(room)));
        true
    }

    /// The same, and lines by the arrows.
    pub(super) fn key_or_line(&self, key: Key) -> bool {
        let (first, (lines, room)) = (self.first.get(), self.lines.get());
        match key {
            Key::Up => self.first.set(first.saturating_sub(1)),
            Key::Down => self.first.set((first + 1).min(lines.saturating_sub(room))),
            key => return self.key(key),
        }
        true
    }
}

/// Lines of a page that may be longer than the screen.
pub(super) struct Lines {
    width: usize,
    all: Vec<(String, Look)>,
}

impl Lines {
    /// The column of the texts beside labels.
    const INDENT: usize = 12;

    pub(super) fn new(canvas: &Canvas<'_>) -> Self {
        Self { width: usize::from(canvas.width()).saturating_sub(2), all: Vec::new() }
    }

    /// One line, cut at the edge.
    pub(super) fn line(&mut self, text: impl Into<String>, look: Look) {
        self.all.push((text.into(), look));
    }

    pub(super) fn blank(&mut self) {
        self.line("", Look::Plain);
    }

    /// A wrapped text.
    pub(super) fn text(&mut self, text: &str, look: Look) {
        let lines = wrap(text, self.width).into_iter();
        self.all.extend(lines.map(|line| (line, look)));
    }

    /// A label and a wrapped text.
    pub(super) fn pair(&mut self, label: &str, text: &str, look: Look) {
        self.indented(Self::INDENT, label, text, look);
    }

    /// The same, with the text in this column.
    pub(super) fn indented(&mut self, column: usize, label: &str, text: &str, look: Look) {
        let lines = wrap(text, self.width.saturating_sub(column)).into_iter();
        self.all.extend(lines.enumerate().map(|(row, line)| {
            let label = if row == 0 { label } else { "" };
            (format!("{label:<column$}{line}"), look)
        }));
    }
}

/// A screen to draw on.
pub(super) struct Canvas<'a> {
    buffer: &'a mut Buffer,
    glyphs: Glyphs,
    colours: bool,
    /// The next line of the page.
    line: u16,
}

impl<'a> Canvas<'a> {
    pub(super) fn new(buffer: &'a mut Buffer, glyphs: Glyphs) -> Self {
        // https://no-color.org
        let colours = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { buffer, glyphs, colours, line: 2 }
    }

    pub(super) fn width(&self) -> u16 {
        self.buffer.area.width
    }

    fn height(&self) -> u16 {
        self.buffer.area.height
    }

    /// Whether the screen is too small; if so, says that.
    pub(super) fn is_too_small(&mut self) -> bool {
        let small = self.width() < LEAST.0 || self.height() < LEAST.1;
        if small {
            self.put(0, 0, "Lifeboat: this window is too small.", Look::Plain);
            self.put(0, 1, &format!("Resize it to {WIDTH}x{HEIGHT} or more."), Look::Plain);
        }
        small
    }

    /// Draws text at a position, cut at the edge. Returns the next column.
    pub(super) fn put(&mut self, x: u16, y: u16, text: &str, look: Look) -> u16 {
        let style = if self.colours || look == Look::Chosen { look.style() } else { Style::new() };
        let mut at = x;
        for c in visible(text).chars() {
            // The old Windows console scrolls when its last cell is written.
            let last = at.saturating_add(1) >= self.width() && y.saturating_add(1) >= self.height();
            match self.buffer.cell_mut((at, y)) {
                Some(cell) if !last => {
                    cell.set_char(self.glyphs.fit(c)).set_style(style);
                }
                _ => break,
            }
            at = at.saturating_add(1);
        }
        at
    }

    /// Draws what every page has: its title, and the keys.
    pub(super) fn frame(&mut self, title: &str, keys: &[(&str, &str)]) {
        let name = concat!("Lifeboat ", env!("CARGO_PKG_VERSION"), " - guided rescue");
        self.put(1, 0, name, Look::Plain);
        let at = self.width().saturating_sub(columns(title).saturating_add(1));
        self.put(at, 0, title, Look::Plain);
        self.rule(1);
        self.rule(self.height().saturating_sub(2));
        // On a narrow screen, some are left out; never how to go on and back.
        let wide = |keys: &[(&str, &str)]| {
            let widths = keys.iter().map(|(key, does)| columns(key) + columns(does) + 1);
            widths.sum::<u16>()
        };
        let mut keys = keys.to_vec();
        let gaps = |keys: &[(&str, &str)]| u16::try_from(keys.len()).unwrap_or(u16::MAX);
        while wide(&keys) + 2 * gaps(&keys) > self.width() {
            let may_go = |(key, _): &(&str, &str)| !["Enter", "Esc", "PgDn"].contains(key);
            let Some(at) = keys.iter().rposition(may_go) else { break };
            keys.remove(at);
        }
        let gap = if wide(&keys) + 3 * gaps(&keys) > self.width() { 2 } else { 3 };
        let (mut x, y) = (1, self.height().saturating_sub(1));
        for (key, does) in &keys {
            x = self.put(x, y, key, Look::Chosen);
            x = self.put(x.saturating_add(1), y, does, Look::Plain).saturating_add(gap);
        }
    }

    /// Says why a key does nothing, above the keys.
    pub(super) fn hint(&mut self, text: &str) {
        let y = self.height().saturating_sub(2);
        let text = cut(text, usize::from(self.width().saturating_sub(4)));
        self.put(1, y, &format!(" {text} "), Look::Bad);
    }

    /// Draws lines in the room that is left, as far as they are scrolled, and says where there
    /// are more.
    pub(super) fn scrolled(&mut self, lines: &Lines, scroll: &Scroll) {
        let (count, room) = (lines.all.len(), usize::from(self.room()));
        scroll.lines.set((count, room));
        let first = scroll.first.get().min(count.saturating_sub(room));
        scroll.first.set(first);
        let (above, below) = (self.line, self.height().saturating_sub(2));
        for (text, look) in lines.all.iter().skip(first).take(room) {
            self.line(text, *look);
        }
        let mark = |canvas: &mut Self, y: u16, text: &str| {
            let x = canvas.width().saturating_sub(columns(text) + 2);
            canvas.put(x, y, text, Look::Doubtful);
        };
        if first > 0 {
            mark(self, above.saturating_sub(1), &format!(" {first} more above: PgUp "));
        }
        if let more @ 1.. = count.saturating_sub(first + room) {
            mark(self, below, &format!(" {more} more below: PgDn "));
        }
    }

    fn rule(&mut self, y: u16) {
        let line: String = std::iter::repeat_n(self.glyphs.line, self.width().into()).collect();
        self.put(0, y, &line, Look::Plain);
    }

    /// The remaining lines of the page.
    pub(super) fn room(&self) -> u16 {
        self.height().saturating_sub(2).saturating_sub(self.line)
    }

    /// Draws one line of the page, cut at the edge.
    pub(super) fn line(&mut self, text: &str, look: Look) {
        self.at(1, text, look);
        self.next();
    }

    /// Draws text on the current line, without going to the next. Returns the
    /// next column.
    pub(super) fn at(&mut self, x: u16, text: &str, look: Look) -> u16 {
        if self.room() == 0 {
            return x;
        }
        let room = usize::from(self.width().saturating_sub(x.saturating_add(1)));
        self.put(x, self.line, &cut(text, room), look)
    }

    /// Goes to the next line.
    pub(super) fn next(&mut self) {
        self.line = self.line.saturating_add(1);
    }

    /// Draws a wrapped text.
    pub(super) fn text(&mut self, indent: u16, text: &str, look: Look) {
        let width = usize::from(self.width().saturating_sub(indent.saturating_add(1)));
        for line in wrap(text, width) {
            self.at(indent, &line, look);
            self.next();
        }
    }

    /// Draws typed text on the current line, with letters beyond code page 437:
    /// typing errors must be visible.
    pub(super) fn typed(&mut self, x: u16, text: &str) {
        if self.room() == 0 {
            return;
        }
        for (x, c) in (x..).zip(text.chars()) {
            let shown = !c.is_control() && u32::from(c) < 0x250;
            if let Some(cell) = self.buffer.cell_mut((x, self.line)) {
                cell.set_char(if shown { c } else { '?' });
            }
        }
    }

    /// Draws a label and a wrapped text.
    pub(super) fn pair(&mut self, name: &str, text: &str, look: Look) {
        const INDENT: u16 = 13;
        self.at(1, name, Look::Plain);
        self.text(INDENT, text, look);
    }

    /// The text of a bar.
    pub(super) fn bar_text(&self, width: u16, permille: u64) -> String {
        let full = u64::from(width) * permille.min(1000) / 1000;
        (0..u64::from(width))
            .map(|at| if at < full { self.glyphs.full } else { self.glyphs.empty })
            .collect()
    }

    /// Draws a bar on the current line.
    pub(super) fn bar(&mut self, x: u16, width: u16, permille: u64) {
        let bar = self.bar_text(width, permille);
        self.at(x, &bar, Look::Plain);
    }

    /// Draws a line of a list, with a sign, because not every console shows
    /// inverse text.
    pub(super) fn choice(&mut self, chosen: bool, text: &str) {
        let sign = if chosen { "> " } else { "  " };
        let look = if chosen { Look::Chosen } else { Look::Plain };
        self.line(&format!("{sign}{text}"), look);
    }

    /// Draws a question over the page.
    pub(super) fn question(&mut self, lines: &[&str]) {
        let inner = lines.iter().map(|line| columns(line)).max().unwrap_or(0);
        let width = inner.saturating_add(6).min(self.width());
        let height = u16::try_from(lines.len()).unwrap_or(0).saturating_add(4);
        let x = (self.width() - width) / 2;
        let y = self.height().saturating_sub(height) / 2;
        let edge = format!("+{}+", "-".repeat(usize::from(width.saturating_sub(2))));
        let blank = format!("|{}|", " ".repeat(usize::from(width.saturating_sub(2))));
        for row in 0..height {
            let text = if row == 0 || row + 1 == height { &edge } else { &blank };
            self.put(x, y + row, text, Look::Plain);
        }
        for (row, text) in (y + 2..).zip(lines) {
            self.put(x + 3, row, text, Look::Plain);
        }
    }

    /// Draws the cursor on the current line.
    pub(super) fn cursor(&mut self, x: u16) {
        if let Some(cell) = self.buffer.cell_mut((x, self.line)) {
            // With a sign, because not every console shows inverse text.
            if cell.symbol() == " " {
                cell.set_char('_');
            }
            cell.set_style(Look::Chosen.style());
        }
    }
}

/// The width of a text: every character has one column.
fn columns(text: &str) -> u16 {
    u16::try_from(text.chars().count()).unwrap_or(u16::MAX)
}

/// The text, or its start and end with `...` between. The end of a path says
/// most.
pub(super) fn cut(text: &str, width: usize) -> String {
    let text = &*visible(text);
    let count = text.chars().count();
    if count <= width {
        return text.to_owned();
    }
    let keep = width.saturating_sub(3);
    let (head, tail) = (keep / 3, keep - keep / 3);
    let start: String = text.chars().take(head).collect();
    let end: String = text.chars().skip(count - tail).collect();
    format!("{start}...{end}").chars().take(width).collect()
}

/// Wraps a text at spaces, and breaks words that are too long.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let words = visible(text).split(' ').filter(|w| !w.is_empty()).collect::<Vec<_>>().join(" ");
    if words.is_empty() {
        return Vec::new();
    }
    let options = textwrap::Options::new(width.max(1))
        .wrap_algorithm(textwrap::WrapAlgorithm::FirstFit)
        .word_splitter(textwrap::WordSplitter::NoHyphenation);
    textwrap::wrap(&words, options).into_iter().map(Into::into).collect()
}

/// The visible part of a list: `room` of `count` lines, including `chosen`.
pub(super) fn window(count: usize, room: usize, chosen: usize) -> std::ops::Range<usize> {
    let first = (chosen + 1).saturating_sub(room).min(count);
    first..count.min(first.saturating_add(room))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::layout::Rect;

    #[test]
    fn nothing_is_written_outside_whatever_the_size() {
        for (width, height) in [(0, 0), (1, 1), (2, 40), (59, 24), (80, 24), (80, 25)] {
            let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
            let mut canvas = Canvas::new(&mut buffer, Glyphs::LINES);
            canvas.is_too_small();
            canvas.frame("a title", &[("Enter", "goes on"), ("Esc", "quits")]);
            for _ in 0..50 {
                canvas.text(3, "some words that are longer than the line has room for", Look::Bad);
                canvas.bar(4, 30, 5000);
                canvas.cursor(79);
                canvas.choice(true, "chosen");
            }
            canvas.question(&["A question?", "Yes or no"]);
            canvas.put(u16::MAX, u16::MAX, "far", Look::Good);
        }
    }

    #[test]
    fn the_last_cell_stays_empty() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 4, 2));
        let mut canvas = Canvas::new(&mut buffer, Glyphs::ASCII);
        canvas.put(0, 1, "abcdef", Look::Plain);
        assert_eq!(buffer.cell((2, 1)).unwrap().symbol(), "c");
        assert_eq!(buffer.cell((3, 1)).unwrap().symbol(), " ");
    }

    #[test]
    fn what_the_console_lacks_is_a_question_mark() {
        assert_eq!(Glyphs::LINES.fit('ä'), 'ä');
        assert_eq!(Glyphs::ASCII.fit('ä'), '?');
        for c in ['\n', '\x1b', '\u{202e}', '日', '\u{301}'] {
            assert_eq!((Glyphs::LINES.fit(c), Glyphs::ASCII.fit(c)), ('?', '?'));
        }
    }

    #[test]
    fn texts_are_cut_in_the_middle_and_wrapped_between_words() {
        assert_eq!(cut("C/StateStore/USMT/catalog.mig", 16), "C/St...talog.mig");
        assert_eq!(cut("short", 5), "short");
        assert_eq!(cut("anything", 2), "..");
        assert_eq!(wrap("one two  three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh ij", 3), ["abc", "def", "gh", "ij"]);
        assert!(wrap("", 5).is_empty());
    }

    #[test]
    fn a_page_scrolls_to_its_last_line_and_not_beyond() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 60, 16));
        let mut canvas = Canvas::new(&mut buffer, Glyphs::ASCII);
        let mut lines = Lines::new(&canvas);
        for number in 0..30 {
            lines.line(format!("line {number}"), Look::Plain);
        }
        let scroll = Scroll::default();
        canvas.scrolled(&lines, &scroll);
        for _ in 0..9 {
            assert!(scroll.key(Key::PageDown));
        }
        let mut buffer = Buffer::empty(Rect::new(0, 0, 60, 16));
        Canvas::new(&mut buffer, Glyphs::ASCII).scrolled(&lines, &scroll);
        let row = |y: u16| -> String {
            let cells = (0..60).filter_map(|x| buffer.cell((x, y)));
            cells.map(ratatui::buffer::Cell::symbol).collect::<String>().trim().to_owned()
        };
        assert_eq!((row(13), row(1)), ("line 29".to_owned(), "18 more above: PgUp".to_owned()));
        // One key goes back, however often the other was pressed.
        scroll.key(Key::PageUp);
        assert_eq!(scroll.first.get(), 7);
    }

    #[test]
    fn a_narrow_screen_keeps_the_keys_to_go_on_and_back() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 60, 16));
        let keys = [
            ("Enter", "Continue"),
            ("Esc", "Leave"),
            ("Space", "Select"),
            ("K", "Unlock a volume"),
            ("I", "Show notes"),
            ("R", "Search again"),
        ];
        Canvas::new(&mut buffer, Glyphs::ASCII).frame("title", &keys);
        let cells = (0..60).filter_map(|x| buffer.cell((x, 15)));
        let row: String = cells.map(ratatui::buffer::Cell::symbol).collect();
        assert!(row.contains("Esc Leave") && row.contains("Enter Continue"), "{row}");
        assert!(row.contains("Unlock a volume") && !row.contains("Search"), "{row}");
    }

    #[test]
    fn a_list_shows_what_is_chosen() {
        assert_eq!(window(3, 10, 2), 0..3);
        assert_eq!(window(30, 10, 5), 0..10);
        assert_eq!(window(30, 10, 29), 20..30);
        assert_eq!(window(0, 10, 0), 0..0);
    }
}
