//! Ages as people type them, and dates as sets have them.

use time::format_description::well_known::Rfc3339;
use time::{Date, Month, OffsetDateTime, Time};

use crate::model::metadata::FileTime;

const DAY: i64 = 24 * 3600;

/// `30d`, `4w`, `12h`: the time that long before `now`; `2026-01-31`: the start of that day, UTC.
/// `None` for any other text.
pub fn before(text: &str, now: FileTime) -> Option<FileTime> {
    let text = text.trim();
    if let Some(seconds) = seconds(text) {
        return Some(FileTime::from_unix(now.to_unix().0.checked_sub(seconds)?, 0));
    }
    let mut numbers = text.split('-');
    let (year, month, day) = (numbers.next()?, numbers.next()?, numbers.next()?);
    if numbers.next().is_some() || year.len() != 4 {
        return None;
    }
    let month = Month::try_from(month.parse::<u8>().ok()?).ok()?;
    let date = Date::from_calendar_date(year.parse().ok()?, month, day.parse().ok()?).ok()?;
    let midnight = OffsetDateTime::new_utc(date, Time::MIDNIGHT);
    Some(FileTime::from_unix(midnight.unix_timestamp(), 0))
}

fn seconds(text: &str) -> Option<i64> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    // No sign: a negative age would be a date in the future.
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: i64 = digits.parse().ok()?;
    let unit = match text.get(digits.len()..)?.to_ascii_lowercase().as_str() {
        "h" => 3600,
        "d" => DAY,
        "w" => 7 * DAY,
        "y" => 365 * DAY,
        _ => return None,
    };
    // A thousand years are enough, and sums cannot overflow.
    number.checked_mul(unit).filter(|seconds| *seconds <= 365_000 * DAY)
}

/// The time of an RFC 3339 text; `None` if it is none.
pub fn parse(text: &str) -> Option<FileTime> {
    let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    Some(FileTime::from_unix(time.unix_timestamp(), 0))
}

/// Now, as RFC 3339 in whole seconds, UTC.
pub fn now() -> String {
    let (seconds, _) = FileTime::now().to_unix();
    let time = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    time.format(&Rfc3339).unwrap_or_default()
}

/// Whole days from `then` to `now`; `None` if `then` is later.
pub fn days(then: FileTime, now: FileTime) -> Option<u64> {
    let seconds = now.to_unix().0.checked_sub(then.to_unix().0)?;
    u64::try_from(seconds).ok().map(|seconds| seconds / DAY.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_and_dates_are_read() {
        let now = parse("2026-11-30T12:00:00Z").unwrap();
        for (text, then) in [
            ("30d", "2026-10-31T12:00:00Z"),
            ("2w", "2026-11-16T12:00:00Z"),
            ("36H", "2026-11-29T00:00:00Z"),
            ("0d", "2026-11-30T12:00:00Z"),
            ("2026-01-31", "2026-01-31T00:00:00Z"),
        ] {
            assert_eq!(before(text, now), parse(then), "{text}");
        }
        for bad in [
            "",
            "d",
            "30",
            "-1d",
            "+1d",
            "1m",
            "99999999999999999999d",
            "400000d",
            "2026-13-01",
            "2026-02-30",
            "26-01-01",
            "2026-01-01-01",
            "d30",
            "1\u{661}d",
        ] {
            assert_eq!(before(bad, now), None, "{bad}");
        }
    }

    #[test]
    fn a_date_in_the_future_has_no_age() {
        let now = parse("2026-11-30T12:00:00Z").unwrap();
        assert_eq!(days(parse("2026-11-28T12:00:01Z").unwrap(), now), Some(1));
        assert_eq!(days(parse("2026-11-28T12:00:00+00:00").unwrap(), now), Some(2));
        assert_eq!(days(parse("2026-12-01T00:00:00Z").unwrap(), now), None);
        assert_eq!(parse("last Tuesday"), None);
    }
}
