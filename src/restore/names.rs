//! Which paths of a set may be written. A set is untrusted: a path is only used if
//! every name in it is a plain name.

use crate::model::name::{NtName, NtPath, is_device};
use crate::set::format::names::MOST_NAMES;

/// The longest path, in bytes: twice what Windows can have (32,767 units), and little memory even
/// if every name in it has one letter.
const MAX_PATH: usize = 256 << 10;

/// Splits the exact bytes of a member's path at `/`: the drive, and the names
/// below it.
///
/// # Errors
/// What is wrong with the path, for people.
pub(super) fn split(path: &[u8]) -> Result<(String, NtPath), String> {
    if path.len() > MAX_PATH {
        return Err(format!("{} bytes, more than any path has", path.len()));
    }
    let mut names = Vec::new();
    for piece in path.split(|b| *b == b'/') {
        if names.len() == MOST_NAMES {
            return Err(format!("more than {MOST_NAMES} names, more than any path has"));
        }
        let name = NtName::from_wtf8(piece).ok_or("a name that is not Unicode")?;
        check(&name)?;
        names.push(name);
    }
    let drive = names.remove(0); // split() yields at least one item
    let drive = drive.as_str().ok_or("a drive that is not Unicode")?.to_owned();
    Ok((drive, names.into_iter().collect()))
}

/// Refuses a name that is not a plain file name.
pub(super) fn check(name: &NtName) -> Result<(), String> {
    let bytes = name.as_wtf8();
    let has = |wanted: &[u8]| bytes.iter().any(|b| wanted.contains(b));
    if bytes.is_empty() {
        return Err("an empty name".to_owned());
    }
    if matches!(bytes, b"." | b"..") {
        return Err(format!("the name `{name}`, which means another folder"));
    }
    if has(b"\0/") {
        return Err("a name with a character that is not allowed in file names".to_owned());
    }
    // Windows treats `\` as a separator, and `:` opens a stream, even below a handle.
    if cfg!(windows) && has(b"\\:") {
        return Err(format!("the name `{name}`, which Windows would interpret differently"));
    }
    Ok(())
}

/// The name that a file of this name gets, so that programs in Windows can open it; `None` if it
/// stays. (Microsoft, "Naming Files, Paths, and Namespaces".)
pub(super) fn portable(name: &NtName) -> Option<NtName> {
    let forbidden = |b: &u8| *b < b' ' || b"<>:\"|?*".contains(b);
    let mut bytes: Vec<u8> =
        name.as_wtf8().iter().map(|b| if forbidden(b) { b'_' } else { *b }).collect();
    // `.` and `..` are no names but folders: they are refused.
    if !matches!(*bytes, [b'.'] | [b'.', b'.'])
        && let Some(last) = bytes.last_mut().filter(|b| matches!(**b, b'.' | b' '))
    {
        *last = b'_';
    }
    if is_device(&String::from_utf8_lossy(&bytes)) {
        bytes.insert(0, b'_');
    }
    if bytes == name.as_wtf8() { None } else { NtName::from_wtf8(&bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn plain_paths_are_split() {
        let (drive, path) = split(b"C/StateStore/USMT/trailing dot. /\xED\xA0\x80").unwrap();
        assert_eq!(drive, "C");
        assert_eq!(path.names().len(), 4);
        assert_eq!(split(b"C").unwrap(), ("C".to_owned(), NtPath::root()));
        assert!(split(&b"a/".repeat(MAX_PATH)).is_err());
        assert!(split(&b"a/b".repeat(MOST_NAMES)).unwrap_err().contains("names"));
    }

    #[test]
    fn names_that_windows_cannot_open_get_others() {
        let portable = |name: &str| portable(&NtName::from(name)).map(|n| n.to_string());
        for (name, other) in [
            ("CON", "_CON"),
            ("nul.txt", "_nul.txt"),
            ("com1", "_com1"),
            ("notes. ", "notes._"),
            ("end.", "end_"),
            ("a:b|c?", "a_b_c_"),
            ("a\u{1}b", "a_b"),
        ] {
            assert_eq!(portable(name).as_deref(), Some(other), "{name}");
        }
        for name in ["a.txt", "console", "", ".", "..", "\u{fc} \u{1F600}", ".git"] {
            assert_eq!(portable(name), None, "{name}");
        }
    }

    #[test]
    fn hostile_paths_are_refused() {
        for path in [
            &b""[..],
            b"/",
            b"/etc/passwd",
            b"C/",
            b"C//x",
            b"..",
            b"C/..",
            b"C/../../x",
            b"C/a/./b",
            b"../C/x",
            b"C/nul\0l",
            b"C/\xFF\xFE",
            b"C/\xED\xA0\xBD\xED\xB8\x80",
        ] {
            assert!(split(path).is_err(), "{}", String::from_utf8_lossy(path));
        }
    }

    proptest! {
        #[test]
        fn no_accepted_name_leads_elsewhere(path in "[./\\\\:a\u{0}]{0,12}") {
            if let Ok((drive, below)) = split(path.as_bytes()) {
                let drive = NtName::from(drive.as_str());
                for name in std::iter::once(&drive).chain(below.names()) {
                    let text = name.as_str().unwrap();
                    prop_assert!(!text.is_empty() && text != "." && text != "..");
                    prop_assert!(!text.contains(['/', '\0']));
                }
                let whole = drive.to_string() + if below.names().is_empty() { "" } else { "/" };
                prop_assert_eq!(whole + &below.to_string(), path);
            }
        }
    }
}
