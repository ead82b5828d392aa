//! The log file, in ConfigMgr's format, so that CMTrace shows it as a table.

use std::io::Write;

use time::OffsetDateTime;

use super::Importance;
use crate::model::text::visible;

/// An open log.
pub(crate) struct Log {
    file: std::fs::File,
}

impl Log {
    pub(crate) fn new(file: std::fs::File) -> Self {
        Self { file }
    }

    /// Writes a line. A log that cannot be written must not stop a rescue.
    pub(crate) fn write(&mut self, importance: Importance, text: &str) {
        let _ = self.file.write_all(line(importance, text, OffsetDateTime::now_utc()).as_bytes());
    }
}

/// `<![LOG[text]LOG]!><time="15:04:05.678+000" date="11-22-2026" …>`; `+000`
/// means UTC.
fn line(importance: Importance, text: &str, now: OffsetDateTime) -> String {
    // The text must not contain the end mark (a file name may).
    let text = visible(text).replace("]LOG]!>", "]LOG] !>");
    format!(
        "<![LOG[{text}]LOG]!><time=\"{:02}:{:02}:{:02}.{:03}+000\" date=\"{:02}-{:02}-{:04}\" \
         component=\"lifeboat\" context=\"\" type=\"{}\" thread=\"{}\" file=\"\">\r\n",
        now.hour(),
        now.minute(),
        now.second(),
        now.millisecond(),
        u8::from(now.month()),
        now.day(),
        now.year(),
        importance as u8,
        std::process::id(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_what_cmtrace_expects_whatever_the_text() {
        let now = OffsetDateTime::from_unix_timestamp(1_795_359_845).unwrap();
        let got = line(Importance::Error, "a]LOG]!>b\nc\u{202E}", now);
        let start = "<![LOG[a]LOG] !>b[U+000A]c[U+202E]]LOG]!><time=\"15:04:05.000+000\" \
                     date=\"11-22-2026\" ";
        assert!(got.starts_with(start), "{got}");
        assert!(got.contains("type=\"3\"") && got.ends_with(">\r\n"), "{got}");
    }
}
