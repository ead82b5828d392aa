//! PAX records (POSIX.1-2017, pax, "pax Extended Header"): `"%d %s=%s\n"`, length,
//! keyword, value. Values can contain any byte, including newlines, where the `tar`
//! crate would split: so they are parsed here.

use super::ustar::{BLOCK, Header};
use crate::model::metadata::FileTime;

/// Records for a header, formatted by the `tar` crate.
#[derive(Default, Debug)]
pub struct Records<'k>(Vec<(&'k str, Vec<u8>)>);

impl<'k> Records<'k> {
    /// Adds a record.
    pub fn push(&mut self, key: &'k str, value: impl AsRef<[u8]>) {
        self.0.push((key, value.as_ref().to_vec()));
    }

    /// Adds all of `more`.
    pub fn extend(&mut self, more: Self) {
        self.0.extend(more.0);
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The records' bytes, without their tar header.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        let records = self.0.iter().map(|(key, value)| (*key, value.as_slice()));
        // Writing into memory does not fail.
        let written = builder.append_pax_extensions(records);
        let Ok(mut bytes) = written.and_then(|()| builder.into_inner()) else { return Vec::new() };
        let size = bytes.first_chunk().and_then(Header::parse).map_or(0, |header| header.size);
        bytes.drain(..BLOCK.min(bytes.len()));
        bytes.truncate(usize::try_from(size).unwrap_or(0));
        bytes
    }
}

/// A keyword and its value.
pub type Record<'a> = (&'a [u8], &'a [u8]);

/// Parses records; `None` at the first invalid one.
pub fn parse(mut bytes: &[u8]) -> Option<Vec<Record<'_>>> {
    let mut records = Vec::new();
    while !bytes.is_empty() {
        let space = bytes.iter().take(20).position(|&b| b == b' ')?;
        let length: usize = decimal(&bytes[..space])?.try_into().ok()?;
        let record = bytes.get(space + 1..length)?;
        let (b'\n', record) = record.split_last()? else { return None };
        let equals = record.iter().position(|&b| b == b'=')?;
        records.push((&record[..equals], &record[equals + 1..]));
        bytes = &bytes[length..];
    }
    Some(records)
}

/// A decimal number of digits only.
pub(crate) fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// A time as seconds since 1970 with a fraction, exact to the 100 ns of NTFS.
pub(crate) fn format_time(time: FileTime) -> String {
    let (mut secs, nanos) = time.to_unix();
    let mut ticks = nanos / 100;
    let mut sign = "";
    if secs < 0 {
        // -1 s and 700 ms is written as -0.3.
        sign = "-";
        if ticks > 0 {
            secs += 1;
            ticks = 10_000_000 - ticks;
        }
        secs = -secs;
    }
    let whole = format!("{sign}{secs}");
    if ticks == 0 {
        return whole;
    }
    format!("{whole}.{ticks:07}").trim_end_matches('0').to_owned()
}

/// Parses [`format_time`]; finer fractions are truncated.
pub(crate) fn parse_time(text: &[u8]) -> Option<FileTime> {
    let (negative, text) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        _ => (false, text),
    };
    let (whole, fraction) = match text.iter().position(|&b| b == b'.') {
        Some(dot) => (&text[..dot], &text[dot + 1..]),
        None => (text, &b""[..]),
    };
    let mut secs = i64::try_from(decimal(whole)?).ok()?;
    let mut ticks = 0;
    for place in 0..7 {
        let digit = fraction.get(place).copied().unwrap_or(b'0');
        ticks = ticks * 10 + u32::from(char::from(digit).to_digit(10)?.try_into().unwrap_or(0u8));
    }
    if negative {
        secs = -secs;
        if ticks > 0 {
            secs = secs.checked_sub(1)?;
            ticks = 10_000_000 - ticks;
        }
    }
    Some(FileTime::from_unix(secs, ticks * 100))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_length_counts_itself() {
        let mut records = Records::default();
        records.push("a", "b"); // 6 bytes
        records.push("path", "x".repeat(90)); // 99: the longest of two digits
        records.push("path", "x".repeat(91)); // 101: one more digit, one more byte
        assert_eq!(&records.to_bytes()[..6], b"6 a=b\n");
        assert_eq!(&records.to_bytes()[6..9], b"99 ");
        assert_eq!(&records.to_bytes()[105..109], b"101 ");
        assert_eq!(parse(&records.to_bytes()).unwrap()[2].1.len(), 91);
    }

    #[test]
    fn times_before_1970_are_read_by_others() {
        for (ticks, text) in [
            (116_444_736_000_000_000, "0"),
            (116_444_735_997_000_000, "-0.3"),
            (0, "-11644473600"),
            (1, "-11644473599.9999999"),
            (133_000_000_012_345_670, "1655526401.234567"),
        ] {
            assert_eq!(format_time(FileTime(ticks)), text);
        }
    }

    proptest! {
        #[test]
        fn records_come_back(
            records in prop::collection::vec(("[A-Za-z.]{1,40}", any::<Vec<u8>>()), 0..20),
        ) {
            let mut out = Records::default();
            for (key, value) in &records {
                out.push(key, value);
            }
            let bytes = out.to_bytes();
            let back = parse(&bytes).unwrap();
            prop_assert_eq!(back.len(), records.len());
            for (a, b) in back.iter().zip(&records) {
                prop_assert_eq!((a.0, a.1), (b.0.as_bytes(), b.1.as_slice()));
            }
        }

        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>) {
            let _ = parse(&bytes);
            let _ = parse_time(&bytes);
        }

        #[test]
        fn times_come_back(ticks: u64) {
            let text = format_time(FileTime(ticks));
            prop_assert_eq!(parse_time(text.as_bytes()), Some(FileTime(ticks)));
        }
    }
}
