//! Text for people: on screens, in logs, in reports and notes. Names on a disk,
//! labels, lines of logs and messages of servers are foreign: they may have
//! characters that act on a terminal, or hide or reverse other text. Each writer
//! for people uses [`visible`]; JSON and the manifest have the exact text.

use std::borrow::Cow;
use std::fmt::Write as _;

/// `text` with each character that would act, hide or reverse other text as its
/// number: `[U+202E]`.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_hidden(c) {
            let _ = write!(shown, "[U+{:04X}]", u32::from(c));
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

/// Control characters, and those of general category Cf that move text or have
/// no width (Unicode, "Bidirectional Algorithm", 2: the directional formatting
/// characters). The joiners (U+200C, U+200D) occur in real names.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
            | '\u{180B}'..='\u{180E}' | '\u{200B}' | '\u{200E}' | '\u{200F}'
            | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FEFF}'
            | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}' | '\u{FFFE}' | '\u{FFFF}'
            | '\u{E0000}'..='\u{E0FFF}' | '\u{F0000}'..='\u{10FFFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_on_a_terminal_or_reverses_text_becomes_its_number() {
        assert_eq!(visible("invoice\u{202E}fdp.exe"), "invoice[U+202E]fdp.exe");
        assert_eq!(
            visible("a\u{0}b\u{1B}[2Jc\nd\u{85}"),
            "a[U+0000]b[U+001B][2Jc[U+000A]d[U+0085]"
        );
        let marks = ['\u{061C}', '\u{200E}', '\u{200F}', '\u{7F}', '\u{9B}', '\u{FEFF}'];
        for c in marks.into_iter().chain('\u{202A}'..='\u{202E}').chain('\u{2066}'..='\u{2069}') {
            assert!(visible(&c.to_string()).starts_with("[U+"), "{c:?}");
        }
        // Real names stay as they are, a lost surrogate too.
        for name in [
            "Zo\u{EB}",
            "\u{639}\u{644}\u{64A}",
            "\u{65E5}\u{672C}",
            "\u{1F469}\u{200D}\u{1F467}",
            "a\u{FFFD}b",
        ] {
            assert!(matches!(visible(name), Cow::Borrowed(same) if same == name));
        }
    }
}
