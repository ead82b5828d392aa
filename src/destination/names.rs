//! The paths that the rest of the program passes to a destination: names with
//! `/` between them, below the opened folder, never above it.

use super::{DestinationError, ErrorKind};

/// UTF-16 units in a name on NTFS, FAT and exFAT. (Windows calls a longer name
/// "not found"; Linux counts bytes and reports the limit.)
const LONGEST: usize = 255;

/// The names of `path`, from the top. Skips empty ones; refuses a name that leads
/// out of the destination or is more than one name.
pub(super) fn split(path: &str) -> Result<Vec<&str>, DestinationError> {
    checked(path, |name| if cfg!(windows) { name.contains(['\\', ':']) } else { false })
}

/// As [`split`], for servers that may run Windows: they refuse some characters,
/// and silently drop dots and spaces at the end of a name.
#[cfg_attr(not(all(feature = "smb", target_os = "linux")), allow(dead_code))]
pub(super) fn split_for_windows(path: &str) -> Result<Vec<&str>, DestinationError> {
    checked(path, |name| {
        name.contains(['\\', ':', '*', '?', '"', '<', '>', '|'])
            || name.bytes().any(|byte| byte < b' ')
            || name.ends_with(['.', ' '])
    })
}

fn checked(path: &str, refuse: impl Fn(&str) -> bool) -> Result<Vec<&str>, DestinationError> {
    let names: Vec<&str> = path.split('/').filter(|name| !name.is_empty()).collect();
    let fault = names.iter().find_map(|name| {
        if matches!(*name, "." | "..") || name.contains('\0') || refuse(name) {
            Some(format!("{name:?} is not a valid name there"))
        } else if name.encode_utf16().count() > LONGEST {
            Some("the name is too long".to_owned())
        } else {
            None
        }
    });
    match fault {
        None => Ok(names),
        Some(what) => Err(DestinationError {
            kind: ErrorKind::Unfit,
            path: path.to_owned(),
            what,
            action: "use another name".to_owned(),
            source: None,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leads_out_of_the_target() {
        for path in ["..", "a/../b", "a/.", "a\0b"] {
            assert_eq!(split(path).unwrap_err().kind, ErrorKind::Unfit, "{path:?}");
        }
        assert_eq!(split("a//b/c..").unwrap(), ["a", "b", "c.."]);
        assert!(split("").unwrap().is_empty());
    }

    #[test]
    fn names_that_a_windows_server_would_change_are_refused() {
        for path in ["a.", "a ", "a?", "a:b", "a\\b", "d*/x", "a\u{1}"] {
            assert_eq!(split_for_windows(path).unwrap_err().kind, ErrorKind::Unfit, "{path:?}");
        }
        assert_eq!(split_for_windows("%41/a#b/ c").unwrap(), ["%41", "a#b", " c"]);
    }
}
