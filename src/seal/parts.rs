//! Matches the parts of a store with those of its seal. Volumes, letters and
//! paths may have changed: in WinPE, in a copy, after MDT moved the store.

use super::SealPart;
use crate::set::format::kinds::PartRole;

/// A part as it is now.
pub(super) struct Here {
    /// The drive, the first name of paths in sets.
    pub(super) drive: String,
    /// The store path, `/` between names.
    pub(super) path: String,
    /// The volume's serial number, as in `rescue.json`.
    pub(super) serial: Option<String>,
    /// What it is to the store.
    pub(super) role: PartRole,
}

/// The matching sealed part for each part.
pub(super) fn pair(sealed: &[SealPart], here: &[&Here]) -> Vec<Option<usize>> {
    type Fits = fn(&SealPart, &Here) -> bool;
    let mut pairs = vec![None; here.len()];
    let rules: [Fits; 4] = [
        |s, h| s.part.volume_serial.is_some() && s.part.volume_serial == h.serial && path(s, h),
        |s, h| s.part.drive.eq_ignore_ascii_case(&h.drive) && path(s, h),
        |s, h| s.part.drive.eq_ignore_ascii_case(&h.drive),
        |s, h| s.part.role == h.role,
    ];
    for fits in rules {
        for (number, part) in here.iter().enumerate() {
            if pairs[number].is_none() {
                let free = |s: &usize| !pairs.contains(&Some(*s));
                let found = (0..sealed.len()).filter(free).find(|s| fits(&sealed[*s], part));
                pairs[number] = found;
            }
        }
    }
    // One part is left on each side: they must match.
    let free: Vec<usize> = (0..sealed.len()).filter(|s| !pairs.contains(&Some(*s))).collect();
    let mut open = pairs.iter_mut().filter(|pair| pair.is_none());
    if let ([only], Some(pair), None) = (free.as_slice(), open.next(), open.next()) {
        *pair = Some(*only);
    }
    pairs
}

fn path(sealed: &SealPart, here: &Here) -> bool {
    sealed.part.path.eq_ignore_ascii_case(&here.path)
}

/// The path of a part's store folder, as in sets.
pub(super) fn prefix(drive: &str, path: &str, folder: &str) -> Vec<u8> {
    let names = [drive, path, folder];
    let names: Vec<&str> = names.into_iter().filter(|name| !name.is_empty()).collect();
    names.join("/").into_bytes()
}

/// The prefix that a path is below, and the rest of the path; empty for the
/// folder itself.
pub(super) fn split<'p>(prefixes: &[Vec<u8>], path: &'p [u8]) -> Option<(usize, &'p [u8])> {
    prefixes.iter().enumerate().find_map(|(part, prefix)| {
        match path.strip_prefix(prefix.as_slice())? {
            [] => Some((part, &[][..])),
            [b'/', below @ ..] => Some((part, below)),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::set::format::rescue::Part;

    fn sealed(drive: &str, path: &str, serial: &str, role: &str) -> SealPart {
        let part = Part {
            drive: drive.to_owned(),
            drive_from: String::new(),
            path: path.to_owned(),
            role: role.to_owned().into(),
            volume_serial: Some(serial.to_owned()),
            volume_label: String::new(),
            file_system: String::new(),
            via: String::new(),
            user: None,
            skipped: Vec::new(),
        };
        SealPart { part, folder: "USMT".to_owned() }
    }

    fn here(drive: &str, path: &str, serial: Option<&str>, role: &str) -> Here {
        let owned = str::to_owned;
        Here {
            drive: owned(drive),
            path: owned(path),
            serial: serial.map(owned),
            role: owned(role).into(),
        }
    }

    #[test]
    fn parts_are_found_whatever_became_of_their_names() {
        let seal = [sealed("C", "Store", "a", "primary"), sealed("D", "Store", "b", "secondary")];
        let secondary = here("volume-x", "Store", Some("b"), "secondary");
        let moved = here("C", "Windows/Temp/Store", Some("a"), "primary");
        assert_eq!(pair(&seal, &[&moved, &secondary]), [Some(0), Some(1)]);
        // Letters of WinPE, serials of a copy: the roles decide.
        let (d, e) = (here("D", "x", None, "secondary"), here("E", "y", None, "primary"));
        assert_eq!(pair(&seal, &[&d, &e]), [Some(1), Some(0)]);
        // A primary that lost hardlink.main.
        assert_eq!(pair(&seal[..1], &[&here("E", "y", None, "whole")]), [Some(0)]);
        assert_eq!(
            pair(&seal[..1], &[&here("C", "Store", None, "primary"), &here("D", "y", None, "x")]),
            [Some(0), None]
        );
    }

    #[test]
    fn a_path_is_below_a_folder_and_not_beside_it() {
        let prefixes = [prefix("C", "", "USMT"), prefix("D", "a/b", "USMT")];
        assert_eq!(split(&prefixes, b"C/USMT"), Some((0, &b""[..])));
        assert_eq!(split(&prefixes, b"D/a/b/USMT/File/x"), Some((1, &b"File/x"[..])));
        assert_eq!(split(&prefixes, b"C/USMTX/a"), None);
        assert_eq!(split(&prefixes, b"C"), None);
    }
}
