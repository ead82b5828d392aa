//! Splits logs into entries: CMTrace format (task sequences, MDT), or plain
//! lines.

use super::time::LogTime;

/// One entry of a log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Line<'a> {
    /// The time, if the line has one.
    pub time: Option<LogTime>,
    /// The text, which may contain line ends.
    pub text: &'a str,
}

const OPEN: &str = "<![LOG[";
const CLOSE: &str = "]LOG]!>";

/// The entries of a log: `<![LOG[text]LOG]!><time="…" date="…" …>`, which may
/// go over several lines, and plain lines between them. Any text is accepted.
pub fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            rest = rest.trim_start_matches(['\r', '\n']);
            if rest.is_empty() {
                return None;
            }
            let (line, next) = match rest.strip_prefix(OPEN) {
                Some(inner) => entry(inner),
                None => plain(rest),
            };
            rest = next;
            if !line.text.trim().is_empty() {
                return Some(line);
            }
        }
    })
}

/// The entry after `<![LOG[`. An entry without an end is a line.
fn entry(inner: &str) -> (Line<'_>, &str) {
    // The end of another entry does not end this one. Each search stops at the
    // next entry, so the total time is linear.
    let own = &inner[..inner.find(OPEN).unwrap_or(inner.len())];
    let Some(close) = own.find(CLOSE) else { return plain(inner) };
    let text = &inner[..close];
    let rest = &inner[close + CLOSE.len()..];
    let end = rest.find('\n').unwrap_or(rest.len());
    let attributes = &rest[..end];
    let value = |name: &str| {
        let (_, value) = attributes.split_once(name)?;
        value.split_once('"').map(|(value, _)| value)
    };
    let time = match (value("time=\""), value("date=\"")) {
        (Some(time), Some(date)) => LogTime::cmtrace(time, date),
        _ => None,
    };
    (Line { time, text }, &rest[end..])
}

/// A plain line, which may begin with its time.
fn plain(rest: &str) -> (Line<'_>, &str) {
    let end = rest.find('\n').unwrap_or(rest.len());
    let text = rest[..end].trim_end_matches('\r');
    (Line { time: LogTime::year_first(text), text }, &rest[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_and_plain_lines_are_told_apart() {
        let log = "<![LOG[one\r\ntwo]LOG]!><time=\"15:02:11.1+000\" date=\"11-14-2023\" \
                   component=\"x\">\r\n2023-11-14 16:00:00, Info three\r\n\r\n<![LOG[never ends\n\
                   <![LOG[four]LOG]!>no attributes";
        let all: Vec<_> = lines(log).map(|l| (l.time.map(|t| t.to_string()), l.text)).collect();
        let time = |t: &str| Some(t.to_owned());
        assert_eq!(
            all,
            [
                (time("2023-11-14 15:02:11"), "one\r\ntwo"),
                (time("2023-11-14 16:00:00"), "2023-11-14 16:00:00, Info three"),
                (None, "never ends"),
                (None, "four"),
            ]
        );
    }

    #[test]
    fn rubbish_ends() {
        for text in ["", "\n\r\n", "<![LOG[", "<![LOG[]LOG]!>", &"<![LOG[".repeat(5000)] {
            assert!(lines(text).count() <= 5000, "{text:.20}");
        }
    }
}
