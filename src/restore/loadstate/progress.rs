//! The progress log of `loadstate` (`/progress:FILE`). Source: Microsoft's page
//! "Log files" of USMT: date, local time, running time, then keys and values. The
//! comma as separator is known from published logs. The encoding is not documented,
//! so both that Windows uses are read.

use crate::model::bytes::utf16;

/// A relevant line of the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Said {
    /// A phase begins: `Initializing`, `Applying` ...
    Phase(String),
    /// Progress in percent.
    Percent(u8),
    /// Its estimate of the remaining time.
    MinutesLeft(u32),
    /// The user whose files and settings come now.
    User(String),
    /// Something that it could not restore: the error, the file or setting, and the
    /// action (`Ignore`, `Abort`).
    ErrorKind {
        /// `UnableToApply` and the like.
        error: String,
        /// The file or setting.
        object: String,
        /// `Ignore` or `Abort`.
        action: String,
    },
    /// The number of such errors that it ignored.
    Ignored(u64),
    /// The end.
    Code {
        /// The return code.
        code: i32,
        /// Its message.
        message: String,
    },
}

/// The keys that are read; other keys only end a value.
const KEYS: [&str; 19] = [
    "program",
    "productVersion",
    "computerName",
    "commandLine",
    "PHASE",
    "detectedUser",
    "includedInMigration",
    "forUser",
    "detectedComponent",
    "totalSizeInMBToTransfer",
    "totalPercentageCompleted",
    "collectingUser",
    "totalMinutesRemaining",
    "error",
    "objectName",
    "action",
    "errorCode",
    "numberOfIgnoredErrors",
    "message",
];

/// A longer line is not a line of this log.
const LONGEST: usize = 64 << 10;

/// Reads the log as it grows.
#[derive(Debug, Default)]
pub(crate) struct Watcher {
    pending: Vec<u8>,
    encoding: Option<Encoding>,
    /// The rest of a line that was too long is skipped.
    is_skipping: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Encoding {
    /// UTF-8 or the code page: the keys are ASCII in both.
    Bytes,
    Utf16,
}

impl Watcher {
    /// Takes the next bytes of the log; returns what the complete lines say.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Vec<Said> {
        self.pending.extend_from_slice(bytes);
        let encoding = match (self.encoding, self.pending.as_slice()) {
            (Some(encoding), _) => encoding,
            (None, [0xFF, 0xFE, ..] | [_, 0, ..]) => Encoding::Utf16,
            (None, [_, _, ..]) => Encoding::Bytes,
            (None, _) => return Vec::new(),
        };
        self.encoding = Some(encoding);
        let mut said = Vec::new();
        while let Some(line) = self.next_line(encoding) {
            said.extend(read_line(&line));
        }
        if self.pending.len() > LONGEST {
            self.is_skipping = true;
            // Keep a two-byte character together.
            let keep = self.pending.len() % 2;
            self.pending.drain(..self.pending.len() - keep);
        }
        said
    }

    fn next_line(&mut self, encoding: Encoding) -> Option<String> {
        let (end, after) = match encoding {
            Encoding::Bytes => {
                let at = self.pending.iter().position(|b| *b == b'\n')?;
                (at, at + 1)
            }
            Encoding::Utf16 => {
                let mut units = self.pending.chunks_exact(2);
                let at = 2 * units.position(|unit| unit == [b'\n', 0])?;
                (at, at + 2)
            }
        };
        let line = match encoding {
            Encoding::Bytes => String::from_utf8_lossy(&self.pending[..end]).into_owned(),
            Encoding::Utf16 => String::from_utf16_lossy(&utf16(&self.pending[..end])),
        };
        self.pending.drain(..after);
        let is_cut = std::mem::take(&mut self.is_skipping);
        Some(if is_cut { String::new() } else { line })
    }
}

/// `15 Jan 2011, 20:46:21 -08:00, 00:04:48, totalPercentageCompleted, 48`.
fn read_line(line: &str) -> Vec<Said> {
    let fields: Vec<&str> = line.trim().split(',').map(str::trim).collect();
    let fields = fields.get(3..).unwrap_or_default();
    let mut pairs: Vec<(&str, String)> = Vec::new();
    for field in fields {
        match pairs.last_mut() {
            _ if KEYS.contains(field) => pairs.push((field, String::new())),
            // A value can contain commas.
            Some((_, value)) if value.is_empty() => value.push_str(field),
            Some((_, value)) => {
                value.push_str(", ");
                value.push_str(field);
            }
            None => {}
        }
    }
    let value = |key: &str| {
        pairs.iter().find(|(name, _)| *name == key).map_or(String::new(), |(_, v)| v.clone())
    };
    let mut said = Vec::new();
    for (key, text) in &pairs {
        said.extend(match *key {
            "PHASE" => Some(Said::Phase(text.clone())),
            "totalPercentageCompleted" => {
                let percent = text.trim_end_matches('%').trim().parse::<u8>().ok();
                percent.map(|percent| Said::Percent(percent.min(100)))
            }
            "totalMinutesRemaining" => text.parse().ok().map(Said::MinutesLeft),
            "forUser" | "collectingUser" => Some(Said::User(text.clone())),
            "error" => Some(Said::ErrorKind {
                error: text.clone(),
                object: value("objectName"),
                action: value("action"),
            }),
            "numberOfIgnoredErrors" => text.parse().ok().map(Said::Ignored),
            "errorCode" => {
                let code = text.parse().ok();
                code.map(|code| Said::Code { code, message: value("message") })
            }
            _ => None,
        });
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LOG: &str = "15 Jan 2011, 20:41:33 -08:00, 00:00:00, program, LoadState.exe, \
        productVersion, 10.0.1, commandLine, loadstate C:\\s /c\r\n\
        15 Jan 2011, 20:41:35 -08:00, 00:00:02, PHASE, Applying\r\n\
        15 Jan 2011, 20:46:21 -08:00, 00:04:48, totalPercentageCompleted, 48\r\n\
        15 Jan 2011, 20:46:21 -08:00, 00:04:48, totalMinutesRemaining, 5\r\n\
        15 Jan 2011, 20:46:22 -08:00, 00:04:49, error, UnableToApply, objectName, \
        C:\\a, b.txt, action, Ignore\r\n\
        15 Jan 2011, 20:47:00 -08:00, 00:05:27, errorCode, 3, numberOfIgnoredErrors, 1, \
        message, \"done, with errors\"\r\n";

    fn wanted() -> Vec<Said> {
        vec![
            Said::Phase("Applying".to_owned()),
            Said::Percent(48),
            Said::MinutesLeft(5),
            Said::ErrorKind {
                error: "UnableToApply".to_owned(),
                object: "C:\\a, b.txt".to_owned(),
                action: "Ignore".to_owned(),
            },
            Said::Code { code: 3, message: "\"done, with errors\"".to_owned() },
            Said::Ignored(1),
        ]
    }

    fn utf16(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    #[test]
    fn a_log_is_read_in_either_encoding_however_it_is_cut() {
        let marked = [&[0xFF, 0xFE][..], &utf16(LOG)].concat();
        for bytes in [LOG.as_bytes().to_vec(), utf16(LOG), marked] {
            for step in [1, 2, 3, 7, 100, bytes.len()] {
                let mut watcher = Watcher::default();
                let said: Vec<Said> =
                    bytes.chunks(step).flat_map(|piece| watcher.feed(piece)).collect();
                assert_eq!(said, wanted(), "in steps of {step}");
            }
        }
    }

    #[test]
    fn a_line_without_end_is_not_kept() {
        let mut watcher = Watcher::default();
        for _ in 0..100 {
            assert!(watcher.feed(&[b'x'; 10_001]).is_empty());
            assert!(watcher.pending.len() <= LONGEST + 10_001);
        }
        // Its end belongs to it; the next line is read again.
        assert!(watcher.feed(b", a, b, totalPercentageCompleted, 1\n").is_empty());
        let said = watcher.feed(b"d, t, r, totalPercentageCompleted, 200\n");
        assert_eq!(said, [Said::Percent(100)]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(pieces: Vec<Vec<u8>>) {
            let mut watcher = Watcher::default();
            for piece in pieces {
                watcher.feed(&piece);
            }
        }
    }
}
