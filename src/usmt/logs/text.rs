//! Decodes a log file: UTF-8, UTF-16 or the system's code page, within bounds.

use crate::model::metadata::NodeId;
use crate::tree::{Tree, TreeError};

/// For a longer log, this many bytes of its start and of its end are read.
const END_BYTES: u64 = 2 << 20;
/// A longer line is truncated, in bytes of UTF-8.
pub(super) const LINE_BYTES: usize = 4 << 10;

/// The text of a log; for a long one, its start and its end with a line end
/// between them.
pub(super) fn read(tree: &dyn Tree, node: NodeId) -> Result<String, TreeError> {
    let mut stream = tree.open(node, None)?;
    let len = stream.len();
    if len <= 2 * END_BYTES {
        return Ok(decode(&take(&mut *stream, len)?));
    }
    let start = take(&mut *stream, END_BYTES)?;
    // An even number of bytes, so that UTF-16 stays aligned.
    let skipped = (len - 2 * END_BYTES).next_multiple_of(2);
    stream.skip(skipped)?;
    let rest = take(&mut *stream, len - END_BYTES - skipped)?;
    let encoding = Encoding::of(&start);
    Ok(format!("{}\n{}", encoding.decode(&start), encoding.decode(&rest)))
}

fn take(stream: &mut dyn crate::tree::Stream, bytes: u64) -> Result<Vec<u8>, TreeError> {
    let mut taken = vec![0; usize::try_from(bytes).unwrap_or(0)];
    let mut filled = 0;
    while filled < taken.len() {
        match stream.read(&mut taken[filled..])? {
            0 => break,
            n => filled += n,
        }
    }
    taken.truncate(filled);
    Ok(taken)
}

/// Decodes bytes in any encoding.
pub fn decode(bytes: &[u8]) -> String {
    Encoding::of(bytes).decode(bytes)
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Encoding {
    Utf8,
    Utf16,
    Utf16BigEndian,
    /// One byte a character.
    Ansi,
}

impl Encoding {
    /// By the byte order mark; without one, by the first bytes.
    fn of(bytes: &[u8]) -> Self {
        // A lost sector is zeros in any encoding.
        let lost = bytes.chunks(512).take_while(|sector| sector.iter().all(|b| *b == 0)).count();
        let bytes = bytes.get(lost * 512..).unwrap_or_default();
        let start = &bytes[..bytes.len().min(4096)];
        let pairs = || start.chunks_exact(2).filter(|pair| **pair != [0, 0]);
        let wide = |odd: usize| {
            let zeros = pairs().filter(|pair| pair[odd] == 0).count();
            start.len() >= 4 && zeros > 0 && zeros > pairs().count() / 2
        };
        match start {
            [0xFF, 0xFE, ..] => Self::Utf16,
            [0xFE, 0xFF, ..] => Self::Utf16BigEndian,
            [0xEF, 0xBB, 0xBF, ..] => Self::Utf8,
            // Latin text as UTF-16: nearly every second byte is zero.
            _ if wide(1) => Self::Utf16,
            _ if wide(0) => Self::Utf16BigEndian,
            _ => match std::str::from_utf8(bytes) {
                Ok(_) => Self::Utf8,
                // Only truncated inside a character.
                Err(error) if error.error_len().is_none() => Self::Utf8,
                Err(_) => Self::Ansi,
            },
        }
    }

    fn decode(self, bytes: &[u8]) -> String {
        let wide = |unit: fn([u8; 2]) -> u16| {
            let units: Vec<u16> =
                bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]])).collect();
            String::from_utf16_lossy(&units)
        };
        let text = match self {
            Self::Utf8 => String::from_utf8_lossy(bytes).into_owned(),
            Self::Utf16 => wide(u16::from_le_bytes),
            Self::Utf16BigEndian => wide(u16::from_be_bytes),
            // The code page is not known. Latin-1 keeps ASCII and maps every
            // other byte.
            Self::Ansi => bytes.iter().map(|b| char::from(*b)).collect(),
        };
        text.trim_start_matches('\u{FEFF}').to_owned()
    }
}

/// `line`, truncated, and without breaks and tabs. Other control characters stay:
/// what a person reads is escaped where it is written.
pub(super) fn clean(line: &str) -> String {
    let end = (0..=line.len().min(LINE_BYTES)).rev().find(|at| line.is_char_boundary(*at));
    let kept = &line[..end.unwrap_or(0)];
    let plain = |c: char| if matches!(c, '\r' | '\n' | '\t') { ' ' } else { c };
    kept.chars().map(plain).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_encoding_gives_the_same_text() {
        let text = "Unable to delete directory C:\\Users\r\nSuccessfully wiped C:\\\r\n";
        let wide = |unit: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(unit).collect();
        let little: Vec<u8> = wide(u16::to_le_bytes);
        let big: Vec<u8> = wide(u16::to_be_bytes);
        for bytes in [
            text.as_bytes().to_vec(),
            [&b"\xEF\xBB\xBF"[..], text.as_bytes()].concat(),
            [&b"\xFF\xFE"[..], &little].concat(),
            little,
            [&b"\xFE\xFF"[..], &big].concat(),
            big,
        ] {
            assert_eq!(decode(&bytes), text);
        }
        // Behind sectors that were lost.
        for lost in [100, 512, 1500, 9000] {
            let bytes = [&vec![0; lost], text.as_bytes()].concat();
            assert!(decode(&bytes).ends_with(text), "{lost}");
        }
        assert_eq!(decode(b"M\xFCller"), "M\u{FC}ller");
        assert_eq!(decode(b""), "");
        assert_eq!(decode(&[0xFF]), "\u{FF}");
    }

    #[test]
    fn a_line_has_no_breaks_and_an_end() {
        assert_eq!(clean("a\x1b[31mb\tc\r\n"), "a\x1b[31mb c");
        assert_eq!(clean(&"\u{E4}".repeat(9999)).len(), LINE_BYTES);
    }
}
