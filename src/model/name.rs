//! Names and paths of NTFS: sequences of UTF-16 units, which may contain lone
//! surrogates, trailing dots and spaces, and anything but `/` and NUL.
//!
//! Kept as WTF-8 (UTF-8 that may also encode a lone surrogate): half the
//! memory of UTF-16 for most names, and the very bytes that ntfs-3g on Linux
//! and `OsStr` on Windows use.

use std::fmt;

/// The folder that `scanstate` makes in the store path it is given. With [`SEAL`] all that a tree
/// knows of stores; `usmt::layout` has the rest.
pub const USMT: &str = "USMT";

/// The file that `lifeboat seal` writes beside a `USMT` folder. A tree that shows one folder of
/// a volume shows it too.
pub const SEAL: &str = "lifeboat.seal";

/// One name of a file, a folder or a stream. Order is by bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct NtName(Box<[u8]>);

impl NtName {
    /// From UTF-16 units, in host order. Nothing is lost.
    pub fn from_utf16(units: &[u16]) -> Self {
        let mut bytes = Vec::with_capacity(units.len());
        push_utf16_as_wtf8(units, &mut bytes);
        Self(bytes.into_boxed_slice())
    }

    /// From WTF-8 bytes (ntfs-3g's names); `None` if they are not WTF-8.
    pub(crate) fn from_wtf8(bytes: &[u8]) -> Option<Self> {
        decode_wtf8(bytes)?;
        Some(Self(bytes.into()))
    }

    /// The UTF-16 units, in host order.
    pub fn to_utf16(&self) -> Vec<u16> {
        // The bytes were validated when the name was made.
        decode_wtf8(&self.0).unwrap_or_default()
    }

    /// The WTF-8 bytes.
    pub fn as_wtf8(&self) -> &[u8] {
        &self.0
    }

    /// The name as text, if it has no lone surrogate (nearly always).
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// The name as text, lone surrogates as U+FFFD.
    pub fn to_string_lossy(&self) -> String {
        match self.as_str() {
            Some(text) => text.to_owned(),
            None => String::from_utf16_lossy(&self.to_utf16()),
        }
    }

    /// Whether the two names are equal, ignoring ASCII case. (Enough for USMT's
    /// own names; for others, NTFS uses `$UpCase`.)
    pub fn eq_ignore_ascii_case(&self, other: &str) -> bool {
        self.0.eq_ignore_ascii_case(other.as_bytes())
    }

    /// The same for all names that NTFS takes for one: see [`fold_case`].
    #[must_use]
    pub fn folded(&self) -> Self {
        if let Some(text) = self.as_str() {
            return Self::from(&*fold_case(text));
        }
        let upper = |unit: &u16| match char::from_u32(u32::from(*unit)) {
            Some(c) => u16::try_from(u32::from(fold_char(c))).unwrap_or(*unit),
            None => *unit,
        };
        Self::from_utf16(&self.to_utf16().iter().map(upper).collect::<Vec<_>>())
    }

    /// Whether the name is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<&str> for NtName {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().into())
    }
}

impl fmt::Display for NtName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.to_string_lossy())
    }
}

impl fmt::Debug for NtName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string_lossy())
    }
}

/// A text as NTFS compares it: each unit by itself in upper case, as a volume's `$UpCase` has it. A
/// letter of two units keeps its case, and so does one whose upper case is longer.
pub fn fold_case(text: &str) -> String {
    text.chars().map(fold_char).collect()
}

/// The letters of which Unicode has an upper case and the table of Windows has none: letters that
/// are newer than it, and some variants. (The table is the one that Windows 7 and later write when
/// they format a volume; `tests/ntfs/upcase.rs` compares.)
const WITHOUT_UPPER: &[(u32, u32)] = &[
    (0xB5, 0xB5),
    (0x131, 0x131),
    (0x17F, 0x17F),
    (0x19B, 0x19B),
    (0x1C5, 0x1C5),
    (0x1C8, 0x1C8),
    (0x1CB, 0x1CB),
    (0x1F2, 0x1F2),
    (0x23F, 0x240),
    (0x252, 0x252),
    (0x25C, 0x25C),
    (0x261, 0x261),
    (0x264, 0x266),
    (0x26A, 0x26A),
    (0x26C, 0x26C),
    (0x282, 0x282),
    (0x287, 0x287),
    (0x29D, 0x29E),
    (0x345, 0x345),
    (0x3C2, 0x3C2),
    (0x3D0, 0x3D1),
    (0x3D5, 0x3D6),
    (0x3F0, 0x3F1),
    (0x3F3, 0x3F3),
    (0x3F5, 0x3F5),
    (0x525, 0x52F),
    (0x10D0, 0x10FF),
    (0x13F8, 0x13FD),
    (0x1C80, 0x1C8F),
    (0x1D8E, 0x1D8E),
    (0x1E9B, 0x1E9B),
    (0x1FBE, 0x1FBE),
    (0x2C5F, 0x2C5F),
    (0x2CEC, 0x2CF3),
    (0x2D27, 0x2D2D),
    (0xA661, 0xA661),
    (0xA699, 0xA69B),
    (0xA790, 0xA7FF),
    (0xAB53, 0xABBF),
];

fn fold_char(c: char) -> char {
    let code = u32::from(c);
    let upper = match code {
        0..0x80 => return c.to_ascii_uppercase(),
        _ if WITHOUT_UPPER.iter().any(|(first, last)| (*first..=*last).contains(&code)) => None,
        // Greek letters with a iota, whose upper case is longer in Unicode.
        0x1F80..=0x1F87 | 0x1F90..=0x1F97 | 0x1FA0..=0x1FA7 => char::from_u32(code + 8),
        0x1FB3 | 0x1FC3 | 0x1FF3 => char::from_u32(code + 9),
        0x1_0000.. => None,
        _ => {
            let mut upper = c.to_uppercase();
            upper.next().filter(|upper| {
                upper.len_utf16() == 1 && !upper.is_ascii() && c.to_uppercase().count() == 1
            })
        }
    };
    upper.unwrap_or(c)
}

/// Whether Windows takes a file of this name for a device, whatever its ending:
/// `NUL.txt` too. `CONIN$` and `CONOUT$` are reserved only without an ending; they
/// are refused with one all the same. The superscript digits count as digits
/// (Microsoft, "Naming Files, Paths, and Namespaces").
pub(crate) fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end();
    let is = |device: &&str| stem.eq_ignore_ascii_case(device);
    let is_port = |port: &&str| {
        let digit =
            stem.get(port.len()..).filter(|_| stem[..port.len()].eq_ignore_ascii_case(port));
        let mut digit = digit.unwrap_or_default().chars();
        matches!(digit.next(), Some('1'..='9' | '\u{B9}' | '\u{B2}' | '\u{B3}'))
            && digit.next().is_none()
    };
    ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"].iter().any(is)
        || ["COM", "LPT"].iter().any(is_port)
}

/// Appends UTF-16 units as WTF-8: surrogate pairs become four-byte sequences,
/// lone surrogates the three-byte sequence of their value.
pub(crate) fn push_utf16_as_wtf8(units: &[u16], out: &mut Vec<u8>) {
    for unit in char::decode_utf16(units.iter().copied()) {
        match unit {
            Ok(c) => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            Err(lone) => {
                let v = lone.unpaired_surrogate();
                out.push(0xE0 | (v >> 12) as u8);
                out.push(0x80 | ((v >> 6) & 0x3F) as u8);
                out.push(0x80 | (v & 0x3F) as u8);
            }
        }
    }
}

/// WTF-8 to UTF-16 units; `None` for bytes that are not WTF-8.
fn decode_wtf8(bytes: &[u8]) -> Option<Vec<u16>> {
    let mut units = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while !rest.is_empty() {
        let (good, bad) = match std::str::from_utf8(rest) {
            Ok(text) => (text, &[][..]),
            Err(e) => {
                let (good, bad) = rest.split_at(e.valid_up_to());
                (std::str::from_utf8(good).ok()?, bad)
            }
        };
        units.extend(good.encode_utf16());
        let Some(lone) = bad.get(..3) else {
            return bad.is_empty().then_some(units);
        };
        // ED A0..BF 80..BF is the encoding of U+D800..U+DFFF.
        let [0xED, b @ 0xA0..=0xBF, c @ 0x80..=0xBF] = *lone else { return None };
        let unit = 0xD000 | u16::from(b & 0x3F) << 6 | u16::from(c & 0x3F);
        let after_high = units.last().is_some_and(|u| (0xD800..0xDC00).contains(u));
        if (0xDC00..=0xDFFF).contains(&unit) && after_high && good.is_empty() {
            return None; // a pair written as two halves is not WTF-8
        }
        units.push(unit);
        rest = &bad[3..];
    }
    Some(units)
}

/// A path below some root: names from the root down, none for the root itself.
/// Shown with `/`, which no NTFS name can contain (`\` can, in the POSIX
/// namespace).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct NtPath(Vec<NtName>);

impl NtPath {
    /// The root itself.
    pub fn root() -> Self {
        Self::default()
    }

    /// The names, from the root down.
    pub fn names(&self) -> &[NtName] {
        &self.0
    }

    /// This path with one more name.
    #[must_use]
    pub fn join(&self, name: impl Into<NtName>) -> Self {
        let mut names = self.0.clone();
        names.push(name.into());
        Self(names)
    }

    /// The path without its last name; `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        let (_, up) = self.0.split_last()?;
        Some(Self(up.to_vec()))
    }

    /// The last name; `None` for the root.
    pub fn file_name(&self) -> Option<&NtName> {
        self.0.last()
    }

    /// As a Windows path on `drive`, for messages: `C:\StateStore\USMT`.
    pub(crate) fn on_drive(&self, drive: &str) -> String {
        let mut text = format!("{drive}:\\");
        for (i, name) in self.0.iter().enumerate() {
            if i > 0 {
                text.push('\\');
            }
            text.push_str(&name.to_string_lossy());
        }
        text
    }
}

impl FromIterator<NtName> for NtPath {
    fn from_iter<I: IntoIterator<Item = NtName>>(iter: I) -> Self {
        Self(iter.into_iter().collect())
    }
}

impl From<&str> for NtPath {
    /// Splits at `/` and `\`; empty names are skipped.
    fn from(text: &str) -> Self {
        text.split(['/', '\\']).filter(|n| !n.is_empty()).map(NtName::from).collect()
    }
}

impl fmt::Display for NtPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.0.iter().map(NtName::to_string_lossy).collect();
        f.pad(&names.join("/"))
    }
}

impl fmt::Debug for NtPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_sequence_of_units_survives(units: Vec<u16>) {
            let name = NtName::from_utf16(&units);
            prop_assert_eq!(name.to_utf16(), units);
            prop_assert!(NtName::from_wtf8(name.as_wtf8()).is_some());
        }

        #[test]
        fn arbitrary_bytes_are_refused_or_survive(bytes: Vec<u8>) {
            if let Some(name) = NtName::from_wtf8(&bytes) {
                prop_assert_eq!(NtName::from_utf16(&name.to_utf16()), name);
            }
        }
    }

    #[test]
    fn a_lone_surrogate_is_kept_and_shown_as_a_replacement() {
        let name = NtName::from_utf16(&[0x61, 0xD800, 0x62]);
        assert_eq!(name.as_wtf8(), b"a\xED\xA0\x80b");
        assert_eq!(name.to_string_lossy(), "a\u{FFFD}b");
        assert!(name.as_str().is_none());
    }

    #[test]
    fn paths_are_shown_for_people_and_for_windows() {
        let path = NtPath::from("StateStore/USMT");
        assert_eq!(path.to_string(), "StateStore/USMT");
        assert_eq!(path.on_drive("C"), "C:\\StateStore\\USMT");
        assert_eq!(NtPath::root().on_drive("D"), "D:\\");
    }
}
