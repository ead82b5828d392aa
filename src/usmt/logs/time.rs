//! Times in logs: the PC's local time, mostly without a zone.

use std::fmt;

use time::{Date, Month, PrimitiveDateTime, Time};

use crate::model::metadata::FileTime;

/// A time in a log.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct LogTime {
    local: PrimitiveDateTime,
    /// Minutes to add to get UTC; `None` if the log has no zone.
    bias: Option<i32>,
}

impl LogTime {
    fn new(date: [u32; 3], clock: [u32; 3], bias: Option<i32>) -> Option<Self> {
        let [year, month, day] = date;
        let [hour, minute, second] = clock.map(|n| u8::try_from(n).unwrap_or(u8::MAX));
        let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
        let year = i32::try_from(year).ok().filter(|year| (1980..=9000).contains(year))?;
        let date = Date::from_calendar_date(year, month, u8::try_from(day).ok()?).ok()?;
        let time = Time::from_hms(hour, minute, second.min(59)).ok()?;
        Some(Self { local: PrimitiveDateTime::new(date, time), bias })
    }

    /// `2023-11-14 15:02:11`, `2023/11/14:15:02:11.401`: the start of `text`.
    pub(super) fn year_first(text: &str) -> Option<Self> {
        let mut numbers = Numbers(text);
        let date = [numbers.next(4, "-/")?, numbers.next(2, "-/")?, numbers.next(2, " :T,")?];
        let clock = [numbers.next(2, ":")?, numbers.next(2, ":")?, numbers.next(2, "")?];
        Self::new(date, clock, None)
    }

    /// The two attributes of a line for CMTrace: `15:02:11.123+480` and
    /// `11-14-2023`. The minutes to UTC follow the plus or minus.
    pub(super) fn cmtrace(time: &str, date: &str) -> Option<Self> {
        let mut numbers = Numbers(date);
        let (month, day) = (numbers.next(2, "-")?, numbers.next(2, "-")?);
        let year = numbers.next(4, "")?;
        let mut numbers = Numbers(time);
        let clock = [numbers.next(2, ":")?, numbers.next(2, ":")?, numbers.next(2, "")?];
        let sign = time.rfind(['+', '-']);
        let bias = sign.and_then(|at| time.get(at..)?.parse().ok());
        let bias = bias.filter(|minutes: &i32| minutes.abs() <= 24 * 60);
        Self::new([year, month, day], clock, bias)
    }

    /// In UTC, if the log has the zone; otherwise the local time as if it were
    /// UTC, which is wrong by up to 14 hours.
    pub fn to_filetime(self) -> FileTime {
        let seconds = self.local.assume_utc().unix_timestamp();
        FileTime::from_unix(seconds + i64::from(self.bias.unwrap_or(0)) * 60, 0)
    }
}

impl fmt::Display for LogTime {
    /// The local time, as logged: `2023-11-14 15:02:11`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (date, time) = (self.local.date(), self.local.time());
        let (hour, minute, second) = time.as_hms();
        let month = u8::from(date.month());
        f.pad(&format!(
            "{:04}-{month:02}-{:02} {hour:02}:{minute:02}:{second:02}",
            date.year(),
            date.day()
        ))
    }
}

/// Reads numbers from the start of a text.
struct Numbers<'a>(&'a str);

impl Numbers<'_> {
    /// A number of at most `digits` digits, followed by one of `separators` (if
    /// there are any).
    fn next(&mut self, digits: usize, separators: &str) -> Option<u32> {
        let end = self.0.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.0.len());
        let number = self.0.get(..end).filter(|n| (1..=digits).contains(&n.len()))?;
        self.0 = self.0.get(end..)?;
        if !separators.is_empty() {
            let first = self.0.chars().next().filter(|c| separators.contains(*c))?;
            self.0 = self.0.get(first.len_utf8()..)?;
            self.0 = self.0.trim_start_matches(' ');
        }
        number.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_every_form_that_logs_use() {
        let want = "2023-11-14 15:02:11";
        for text in ["2023-11-14 15:02:11, Info", "2023/11/14:15:02:11.401", "2023-11-14T15:02:11"]
        {
            assert_eq!(LogTime::year_first(text).unwrap().to_string(), want, "{text}");
        }
        let time = LogTime::cmtrace("15:02:11.123+480", "11-14-2023").unwrap();
        assert_eq!(time.to_string(), want);
        assert_eq!(time.to_filetime().to_string(), "2023-11-14 23:02:11Z");
        let time = LogTime::cmtrace("15:02:11.1-60", "11-14-2023").unwrap();
        assert_eq!(time.to_filetime().to_string(), "2023-11-14 14:02:11Z");
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in
            ["", "2023", "2023-13-01 00:00:00", "99999-01-01 00:00:00", "2023-11-14 25:00:00"]
        {
            assert_eq!(LogTime::year_first(text), None, "{text}");
        }
        assert_eq!(LogTime::cmtrace("a", "b"), None);
        assert_eq!(LogTime::cmtrace("15:02:11", "02-30-2023"), None);
    }
}
