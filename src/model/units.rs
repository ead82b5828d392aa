//! Numbers for people.

/// `1.4 GiB`; exact below 10,000 bytes.
pub(crate) fn bytes(n: u64) -> String {
    if n < 10_000 {
        return count(n, "byte", "bytes");
    }
    #[allow(clippy::cast_precision_loss)] // four digits are shown
    let mut value = n as f64 / 1024.0;
    for unit in ["KiB", "MiB", "GiB", "TiB"] {
        if value < 999.95 {
            return format!("{value:.1} {unit}");
        }
        value /= 1024.0;
    }
    format!("{value:.1} PiB")
}

/// The bytes of a size as GNU tools read it: `20M` and `20MiB` are 20 * 2^20
/// bytes, `20MB` is 20 * 10^6 (GNU Coreutils, "Block size"). `None` for any other
/// text. Units may be in lower case.
pub(crate) fn parse_bytes(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let number: u64 = digits.parse().ok()?;
    let unit = text.get(digits.len()..)?.to_ascii_uppercase();
    if matches!(&*unit, "" | "B") {
        return Some(number);
    }
    let power = u32::try_from("KMGT".find(unit.get(..1)?)?).ok()? + 1;
    let base: u64 = match &unit[1..] {
        "" | "IB" => 1024,
        "B" => 1000,
        _ => return None,
    };
    number.checked_mul(base.checked_pow(power)?)
}

/// `1 file`, `12 files`.
pub(crate) fn count(n: u64, one: &str, many: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {many}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_gnu_tools_read_them() {
        for (text, bytes) in [
            ("0", 0),
            ("4294967295", u64::from(u32::MAX)),
            ("7B", 7),
            ("20M", 20 << 20),
            ("20MiB", 20 << 20),
            ("20MB", 20_000_000),
            ("20mb", 20_000_000),
            ("2g", 2 << 30),
            ("1kB", 1000),
            ("1K", 1024),
            ("3TB", 3_000_000_000_000),
            ("3TiB", 3 << 40),
        ] {
            assert_eq!(parse_bytes(text), Some(bytes), "{text}");
        }
        for bad in ["", "G", "1X", "-1G", "1MM", "1iB", "1 M", "1.5G", "99999999T", "1\u{212A}"] {
            assert_eq!(parse_bytes(bad), None, "{bad}");
        }
    }

    #[test]
    fn sizes_are_short() {
        assert_eq!(bytes(0), "0 bytes");
        assert_eq!(bytes(9_999), "9999 bytes");
        assert_eq!(bytes(10_240), "10.0 KiB");
        assert_eq!(bytes(1 << 30), "1.0 GiB");
        assert_eq!(bytes(1), "1 byte");
        assert_eq!(bytes(1_048_525), "1.0 MiB");
        assert_eq!(bytes(u64::MAX), "16384.0 PiB");
    }
}
