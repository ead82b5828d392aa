//! The log file, in ConfigMgr's format, so that CMTrace shows it as a table.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use time::OffsetDateTime;

use super::Importance;
use crate::model::text::visible;

/// How each line of a log begins.
const BEGINNING: &[u8; 7] = b"<![LOG[";

/// An open log.
pub(crate) struct Log {
    file: std::fs::File,
}

/// Opens a log to append to. Anything else that is there is left alone: a device, a disk image, a
/// set's file that was named by mistake.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    if let Ok(meta) = path.metadata() {
        let mut start = [0; BEGINNING.len()];
        let is_empty = meta.is_file() && meta.len() == 0;
        let mut is_log = || {
            File::open(path).and_then(|mut file| file.read_exact(&mut start)).is_ok()
                && start == *BEGINNING
        };
        let may_append = is_empty || (meta.is_file() && is_log());
        if !may_append {
            return Err(io::Error::other("there is something that is no log of Lifeboat"));
        }
    }
    File::options().create(true).append(true).open(path)
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
