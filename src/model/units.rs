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

/// `1 file`, `12 files`.
pub(crate) fn count(n: u64, one: &str, many: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {many}") }
}

#[cfg(test)]
mod tests {
    use super::*;

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
