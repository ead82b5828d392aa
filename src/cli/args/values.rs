//! Values that are more than text: levels, times, sizes, drives, accounts.

use std::time::Duration;

use crate::model::metadata::FileTime;
use crate::model::units;
use crate::set::write::level::{Level, is_level};
use crate::sets::age;

/// `auto`, or a level of zstd.
pub(super) fn parse_level(text: &str) -> Result<Level, String> {
    match text.parse() {
        Ok(level) if is_level(level) => Ok(Level::Fixed(level)),
        _ if text.eq_ignore_ascii_case("auto") => Ok(Level::Auto),
        _ => Err(format!("'{text}' is not auto or a level from -7 to 19")),
    }
}

/// `30s`, `10m`, `2h`, or seconds.
pub(super) fn parse_time(text: &str) -> Result<Duration, String> {
    let wrong = || format!("'{text}' is not a time such as 30s, 10m or 2h");
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    let seconds = match text.get(digits.len()..).unwrap_or_default().to_ascii_lowercase().as_str() {
        "" | "s" | "sec" => 1,
        "m" | "min" => 60,
        "h" => 3600,
        _ => return Err(wrong()),
    };
    // A week is long enough, and sums cannot overflow.
    let seconds = number.checked_mul(seconds).filter(|secs| *secs <= 7 * 24 * 3600);
    seconds.map(Duration::from_secs).ok_or_else(|| format!("{text} is too long: at most 168h"))
}

/// `30d`, or a date: see [`age::before`].
pub(super) fn parse_since(text: &str) -> Result<FileTime, String> {
    let wrong = || format!("'{text}' is not an age such as 30d, 12h or 4w, or a date: 2026-01-31");
    age::before(text, FileTime::now()).ok_or_else(wrong)
}

/// `C:`, also `c` and `C:\`.
pub(super) fn parse_drive(text: &str) -> Result<char, String> {
    let mut letters = text.chars();
    match (letters.next(), letters.as_str()) {
        (Some(letter), "" | ":" | ":\\" | ":/") if letter.is_ascii_alphabetic() => {
            Ok(letter.to_ascii_uppercase())
        }
        _ => Err(format!("'{text}' is not a drive such as C:")),
    }
}

/// `OLD:NEW` of `--mu`.
pub(super) fn parse_renamed(text: &str) -> Result<(String, String), String> {
    match text.split_once(':') {
        Some((old, new)) if !old.is_empty() && !new.is_empty() && !new.contains(':') => {
            Ok((old.to_owned(), new.to_owned()))
        }
        _ => Err(format!("'{text}' is not two accounts, such as CORP\\alice:NEW\\anna")),
    }
}

/// The size of a part of a set: at least 16 MiB.
pub(super) fn parse_size(text: &str) -> Result<u64, String> {
    let bytes = parse_bytes(text)?;
    if bytes < 16 << 20 {
        return Err(format!("{text} is too small: at least 16M"));
    }
    Ok(bytes)
}

/// See [`units::parse_bytes`].
pub(super) fn parse_bytes(text: &str) -> Result<u64, String> {
    units::parse_bytes(text).ok_or_else(|| format!("'{text}' is not a size such as 700M or 2G"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_times_are_read() {
        assert_eq!(parse_level("auto"), Ok(Level::Auto));
        assert_eq!(parse_level("19"), Ok(Level::Fixed(19)));
        assert_eq!(parse_level("-7"), Ok(Level::Fixed(-7)));
        for bad in ["0", "20", "-8", "fast", ""] {
            assert!(parse_level(bad).is_err(), "{bad}");
        }
        let seconds = |text| parse_time(text).map(|time| time.as_secs());
        assert_eq!(seconds("45"), Ok(45));
        assert_eq!(seconds("30s"), Ok(30));
        assert_eq!(seconds("10m"), Ok(600));
        assert_eq!(seconds("2H"), Ok(7200));
        for bad in ["", "m", "1d", "-1s", "169h", "99999999999999999999m"] {
            assert!(parse_time(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_part_has_at_least_16_mib() {
        assert_eq!(parse_size("16M"), Ok(16 << 20));
        assert_eq!(parse_size("20MB"), Ok(20_000_000));
        for bad in ["", "15M", "16MB", "1X"] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
    }
}
