//! Converts text to HTML, and formats numbers. Everything that comes from a
//! disk or a set goes through [`escape`] or [`name`].

use super::treemap::float;
use crate::model::text::visible;

/// Escapes text for an element or an attribute in double quotes.
///
/// Characters that would hide or reverse other text (control characters,
/// direction marks, zero width) are shown as their number, such as `[U+202E]`.
pub(super) fn escape(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in visible(text).chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            '`' => html.push_str("&#96;"),
            c => html.push(c),
        }
    }
    html
}

/// Text from the set in its own element, so that right-to-left letters do not
/// reverse the text around it.
pub(super) fn name(text: &str) -> String {
    format!("<bdi>{}</bdi>", escape(text))
}

/// At most `max` characters: start and end, with an ellipsis between.
pub(super) fn shorten(text: &str, max: usize) -> String {
    if text.len() <= max || text.chars().count() <= max {
        return text.to_owned();
    }
    let tail = max / 3;
    let head = max.saturating_sub(tail + 1);
    let mut short: String = text.chars().take(head).collect();
    short.push('…');
    let end: Vec<char> = text.chars().rev().take(tail).collect();
    short.extend(end.iter().rev());
    short
}

/// `1,234,567`.
pub(super) fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 file`, `1,200 files`.
pub(super) fn count(n: u64, one: &str, many: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{} {many}", number(n)) }
}

/// `12%`, `under 1%`.
pub(super) fn share(part: u64, whole: u64) -> String {
    let percent = float(part) / float(whole.max(1)) * 100.0;
    if part > 0 && percent < 1.0 { "under 1%".to_owned() } else { format!("{percent:.0}%") }
}

/// `1 h 02 min 03 s`, `4.2 s`.
pub(super) fn duration(millis: u64) -> String {
    let seconds = millis / 1000;
    match seconds {
        0..60 => format!("{:.1} s", float(millis) / 1000.0),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min {:02} s", seconds / 3600, seconds / 60 % 60, seconds % 60),
    }
}

/// `104.3 MiB a second`; `None` if too little was done.
pub(super) fn rate(bytes_done: u64, millis: u64) -> Option<String> {
    if millis == 0 || bytes_done == 0 {
        return None;
    }
    let a_second = u128::from(bytes_done) * 1000 / u128::from(millis);
    Some(format!(
        "{} a second",
        crate::model::units::bytes(u64::try_from(a_second).unwrap_or(u64::MAX))
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_gets_out_of_its_element_or_attribute() {
        let hostile = "</bdi><script>alert('1')</script>\" onload=`x` & more";
        let html = escape(hostile);
        assert!(!html.contains(['<', '>', '"', '\'', '`']), "{html}");
        assert!(html.starts_with("&lt;/bdi&gt;&lt;script&gt;alert(&#39;1&#39;)"));
        assert!(html.ends_with("&amp; more"));
    }

    #[test]
    fn what_turns_text_around_or_hides_stands_as_its_number() {
        assert_eq!(escape("invoice\u{202E}fdp.exe"), "invoice[U+202E]fdp.exe");
        assert_eq!(escape("a\u{0}b\u{1B}[2Jc\nd\u{85}"), "a[U+0000]b[U+001B][2Jc[U+000A]d[U+0085]");
        for c in ['\u{200F}', '\u{2066}', '\u{2069}', '\u{FEFF}', '\u{E0041}', '\u{200B}'] {
            assert!(escape(&c.to_string()).starts_with("[U+"), "{c:?}");
        }
        // Real names stay as they are, a lost surrogate too.
        for name in ["Zoë", "علي", "日本語", "👩‍👧", "a\u{FFFD}b"] {
            assert_eq!(escape(name), name);
        }
    }

    #[test]
    fn long_texts_keep_beginning_and_end() {
        assert_eq!(shorten("C/Users/alice", 20), "C/Users/alice");
        let long = format!("C/{}/end.docx", "é".repeat(500));
        let short = shorten(&long, 30);
        assert_eq!(short.chars().count(), 30);
        assert!(short.starts_with("C/é") && short.ends_with("/end.docx") && short.contains('…'));
    }

    #[test]
    fn numbers_are_for_people() {
        assert_eq!(number(0), "0");
        assert_eq!(number(999), "999");
        assert_eq!(number(1_234_567), "1,234,567");
        assert_eq!(share(1, 1000), "under 1%");
        assert_eq!(share(0, 0), "0%");
        assert_eq!(share(1, 2), "50%");
        assert_eq!(duration(4_240), "4.2 s");
        assert_eq!(duration(3_723_000), "1 h 02 min 03 s");
        assert_eq!(rate(u64::MAX, 1).unwrap(), "16384.0 PiB a second");
        assert_eq!(rate(10, 0), None);
    }
}
