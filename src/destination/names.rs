//! The paths that the rest of the program hands to a target: names with `/`
//! between them, below the place that was opened, never above it.

use super::{DestinationError, ErrorKind};

/// UTF-16 units that a name may have on NTFS, FAT and exFAT. (Windows calls a
/// longer one "not found"; Linux counts bytes, and says so by itself.)
const LONGEST: usize = 255;

/// The names of `path`, from the top. Empty ones are passed over; one that
/// would lead out of the target, or be more than one name, is refused.
pub(super) fn split(path: &str) -> Result<Vec<&str>, DestinationError> {
    checked(path, |name| if cfg!(windows) { name.contains(['\\', ':']) } else { false })
}

/// As [`split`], for servers that may be Windows: they refuse some letters, and
/// silently drop dots and spaces from the end of a name.
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
            Some(format!("{name:?} cannot be a name there"))
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
