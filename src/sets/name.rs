//! What the name of a set's folder says.

use super::age;
use crate::set::format::names::{DELETING, PARTIAL};

/// The computer, the date and the id in the name of a set's folder, `PC-0815-20261122T150405Z-1f3a9c07`:
/// for people, where there is nothing else.
pub(super) fn by_name(name: &str) -> Option<(String, String, String)> {
    let name = name.strip_suffix(DELETING).unwrap_or(name);
    let name = name.strip_suffix(PARTIAL).unwrap_or(name);
    let (rest, id) = name.rsplit_once('-')?;
    let (computer, time) = rest.rsplit_once('-')?;
    let is_id = id.len() == 8 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let digits: String = time.chars().filter(char::is_ascii_digit).collect();
    if !is_id || time.len() != 16 || digits.len() != 14 || computer.is_empty() {
        return None;
    }
    let (date, clock) = digits.split_at(8);
    let date = format!("{}-{}-{}", &date[..4], &date[4..6], &date[6..]);
    let created = format!("{date}T{}:{}:{}Z", &clock[..2], &clock[2..4], &clock[4..]);
    age::parse(&created)?;
    Some((computer.to_owned(), created, id.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_s_name_says_whose_an_unfinished_set_is() {
        let known = |name: &str| by_name(name);
        let expected = ["PC-0815", "2026-11-22T15:04:05Z", "1f3a9c07"].map(str::to_owned).into();
        let expected = Some(expected);
        assert_eq!(known("PC-0815-20261122T150405Z-1f3a9c07"), expected);
        assert_eq!(known("PC-0815-20261122T150405Z-1f3a9c07.partial"), expected);
        assert_eq!(known("PC-0815-20261122T150405Z-1f3a9c07.partial.deleting"), expected);
        for other in [
            "",
            "backup",
            "-20261122T150405Z-1f3a9c07",
            "PC-20261322T150405Z-1f3a9c07",
            "PC-20261122T150405Z-1f3a9c0",
            "PC-2026\u{661}122T150405Z-1f3a9c07",
        ] {
            assert_eq!(known(other), None, "{other}");
        }
    }
}
