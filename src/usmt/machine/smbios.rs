//! The machine's serial number in the firmware's tables (DMTF DSP0134).

/// The serial number of the system (structure type 1, string at 07h) in the
/// tables from Windows: eight bytes of Windows' own, then the structures.
#[cfg_attr(not(windows), allow(dead_code))] // Linux reads the tables by itself
pub(super) fn system_serial(raw: &[u8]) -> Option<String> {
    let mut table = raw.get(8..)?;
    // Each structure: type, length, handle; its fields; then its strings, each
    // with a zero at its end, and one more zero.
    while let [kind, length, ..] = *table {
        let length = usize::from(length).max(4);
        let strings = table.get(length..)?;
        if kind == 1 {
            let number = *table.get(..length)?.get(7)?;
            let index = usize::from(number).checked_sub(1)?;
            let string = strings.split(|b| *b == 0).take_while(|s| !s.is_empty()).nth(index)?;
            return Some(String::from_utf8_lossy(string).into_owned());
        }
        let end = strings.windows(2).position(|pair| pair == [0, 0])?;
        table = strings.get(end + 2..)?;
    }
    None
}

/// The serial number, unless it is a placeholder that many boards share.
pub(super) fn sound(serial: &str) -> Option<String> {
    const NONE: [&str; 10] = [
        "to be filled by o.e.m.",
        "default string",
        "system serial number",
        "serial number",
        "not specified",
        "not applicable",
        "unknown",
        "none",
        "n/a",
        "0123456789",
    ];
    let serial = serial.trim();
    let plain = serial.is_ascii() && !serial.chars().any(|c| c.is_ascii_control());
    let lower = serial.to_ascii_lowercase();
    let is_filler = lower.chars().all(|c| !c.is_ascii_alphanumeric() || c == '0' || c == 'x')
        || NONE.contains(&&*lower)
        || "1234567890".starts_with(&*lower);
    (plain && serial.len() <= 64 && !is_filler).then(|| serial.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Vec<u8> {
        let mut raw = vec![0; 8];
        raw.extend([0, 5, 0, 0, 1]); // the firmware itself
        raw.extend(b"Vendor\0\0");
        raw.extend([1, 8, 1, 0, 1, 2, 0, 3]);
        raw.extend(b"Maker\0Model\0PF-12 3Y\0\0");
        raw.extend([127, 4, 2, 0, 0, 0]);
        raw
    }

    #[test]
    fn the_serial_is_the_third_string() {
        assert_eq!(system_serial(&table()).as_deref(), Some("PF-12 3Y"));
    }

    #[test]
    fn broken_tables_tell_nothing() {
        let good = table();
        let serial = good.windows(5).position(|w| w == b"PF-12").unwrap();
        for end in 0..serial {
            assert_eq!(system_serial(&good[..end]).filter(|s| !s.is_empty()), None, "{end}");
        }
        for at in 0..good.len() {
            for value in [0, 1, 0x7F, 0xFF] {
                let mut bad = good.clone();
                bad[at] = value;
                let _ = system_serial(&bad);
            }
        }
    }

    #[test]
    fn fillers_are_no_serial_numbers() {
        assert_eq!(sound(" PF-12 3Y \n").as_deref(), Some("PF-12 3Y"));
        for filler in ["", "0", "00000000", "To be filled by O.E.M.", "None", "123456789", "a\0b"] {
            assert_eq!(sound(filler), None, "{filler}");
        }
    }
}
