//! Names that are not valid in Win32. NTFS allows any name, but a program that
//! uses plain Win32 paths cannot open these (Microsoft, "Naming Files, Paths,
//! and Namespaces").

use crate::model::name::{NtName, is_device};

/// Why Win32 does not accept a name, for display; `None` if it does.
pub(super) fn refused(name: &NtName) -> Option<&'static str> {
    let Some(text) = name.as_str() else { return Some("it is not Unicode") };
    if text.ends_with('.') {
        return Some("it ends with a dot");
    }
    if text.ends_with(' ') {
        return Some("it ends with a space");
    }
    if text.bytes().any(|b| b < b' ' || b"<>:\"/\\|?*".contains(&b)) {
        return Some("it has a character that Win32 does not allow");
    }
    is_device(text).then_some("it is the name of a device")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_judged_as_win32_does() {
        for bad in [
            "a.",
            "a ",
            "a:b",
            "a\\b",
            "a\u{1}",
            "CON",
            "con.txt",
            "Aux .x",
            "LPT9",
            "com1.a.b",
            "COM\u{B9}",
            "com\u{B2}.txt",
            "COM\u{B3}",
            "lpt\u{B9}",
            "LPT\u{B2}",
            "LPT\u{B3}.a",
            "CONIN$",
            "conout$",
        ] {
            assert!(refused(&NtName::from(bad)).is_some(), "{bad}");
        }
        assert!(refused(&NtName::from_utf16(&[0x61, 0xD800])).is_some());
        for good in [
            "a",
            ".a",
            "a b.c",
            "CONX",
            "COM0",
            "COM\u{B9}1",
            "COM\u{2074}",
            "CONIN",
            "\u{B9}\u{B9}\u{B9}1",
            "COM10",
            "LPT",
            "\u{661}\u{661}\u{661}1",
            "\u{1F389}",
        ] {
            assert_eq!(refused(&NtName::from(good)), None, "{good}");
        }
    }
}
