//! The names of a set's files.

/// The file that makes a set complete.
pub const RESCUE: &str = "rescue.json";
/// The store's tar archive, in frames.
pub const STORE: &str = "store.tar.zst";
/// One line per file of the source.
pub(crate) const MANIFEST: &str = "manifest.jsonl.zst";
/// The hashes of all files of the set, for `sha256sum -c`.
pub(crate) const SUMS: &str = "SHA256SUMS";
/// The report for people.
pub(crate) const REPORT: &str = "report.html";
/// The users whose files a plain set has.
pub const USERS: &str = "users.json";
/// When the set was verified, and how; written after the set, and not a part of it.
pub(crate) const VERIFIED: &str = "verified.json";
/// When the set was restored, and where; likewise.
pub(crate) const RESTORED: &str = "restored.json";
/// The instructions for people.
pub(crate) const INSTRUCTIONS: &str = "RESTORE.txt";
/// The script that restores the set.
pub const SCRIPT: &str = "restore.cmd";
/// Suffix of a name until its file is complete.
pub(crate) const PARTIAL: &str = ".partial";
/// Suffix of the name of a set's folder from when its deletion begins.
pub(crate) const DELETING: &str = ".deleting";
/// The journal of an unfinished set.
pub(crate) const JOURNAL: &str = "journal.jsonl";
/// The mark of a run that is writing the set. Temporary names for it begin the same way.
pub(crate) const IN_USE: &str = "in-use";
/// The set's key, encrypted.
pub const KEY: &str = "key.age";
/// The `rescue.json` of a plain set, encrypted.
pub(crate) const DETAILS: &str = "details.json.age";
/// The extension of an encrypted file.
pub(crate) const AGE: &str = ".age";
/// What stands in place of a drive for deleted files that were recovered: `deleted/C/Users`.
pub(crate) const DELETED: &str = "deleted";
/// The program that wrote a set, and its version.
pub const PROGRAM: &str = concat!("lifeboat ", env!("CARGO_PKG_VERSION"));

/// The names that a path can have: one of Windows has up to 32,767 UTF-16 units.
pub(crate) const MOST_NAMES: usize = 16_384;

/// Whether a path in a set is that of a recovered file, or of a folder above one. (A drive is a
/// letter, or `volume-` and a number.)
pub(crate) fn is_of_deleted(path: &str) -> bool {
    path.strip_prefix(DELETED).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether a file of this name is one of a complete set, which lists its files.
pub(crate) fn has_file(name: &str, lists: impl Fn(&str) -> bool) -> bool {
    [RESCUE, SUMS, VERIFIED, RESTORED].contains(&name) || is_own(name) && lists(name)
}

/// Whether a file of this name in a set's folder is one that this program writes there.
pub fn is_own(name: &str) -> bool {
    const FIXED: [&str; 12] = [
        RESCUE,
        MANIFEST,
        SUMS,
        REPORT,
        USERS,
        VERIFIED,
        RESTORED,
        INSTRUCTIONS,
        SCRIPT,
        JOURNAL,
        KEY,
        DETAILS,
    ];
    let name = name.strip_suffix(PARTIAL).unwrap_or(name);
    if FIXED.contains(&name) || name == STORE {
        return true;
    }
    // The mark of a run: `in-use`, and temporary names with the run's id.
    if let Some(rest) = name.strip_prefix(IN_USE) {
        return rest.is_empty()
            || rest.strip_prefix('.').is_some_and(|run| {
                run.len() == 16 && run.bytes().all(|byte| byte.is_ascii_hexdigit())
            });
    }
    // `store.tar.zst.001`, and `.age` after it in an encrypted set.
    let Some(number) = [STORE, MANIFEST].iter().find_map(|what| name.strip_prefix(what)) else {
        return false;
    };
    let number = number.strip_suffix(AGE).unwrap_or(number);
    number
        .strip_prefix('.')
        .is_some_and(|number| number.len() >= 3 && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The name of a folder without [`PARTIAL`], in any letter case: some servers change it.
pub(crate) fn without_partial(name: &str) -> Option<&str> {
    let at = name.len().checked_sub(PARTIAL.len())?;
    let (rest, ending) = name.split_at_checked(at)?;
    ending.eq_ignore_ascii_case(PARTIAL).then_some(rest)
}

/// The name of a volume of the store; `number` from 1.
pub(crate) fn volume_name(number: u32, split: bool) -> String {
    if split { format!("{STORE}.{number:03}") } else { STORE.to_owned() }
}

/// The name of a file of an encrypted store or manifest; `number` from 1.
pub(crate) fn piece_name(what: &str, number: u32) -> String {
    format!("{what}.{number:03}{AGE}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_s_own_files_are_known_by_their_names_and_nothing_else_is() {
        let piece = piece_name(MANIFEST, 12);
        let store = volume_name(7, true);
        for own in [
            "rescue.json",
            "rescue.json.partial",
            "SHA256SUMS",
            "store.tar.zst",
            &store,
            &piece,
            "store.tar.zst.1000.partial",
            "in-use",
            "in-use.0123456789abcdef",
            "key.age",
            "details.json.age.partial",
            "users.json",
            "restored.json",
            "journal.jsonl",
        ] {
            assert!(is_own(own), "{own}");
        }
        for other in [
            "",
            ".partial.partial",
            "rescue.json.bak",
            "store.tar.zst.bak",
            "store.tar.zst.01",
            "store.tar.zst.001x",
            "store.tar.zst.",
            "in-use-by-bob.txt",
            "in-use.docx",
            "notes.txt",
            "RESCUE.JSON",
            "lifeboat.exe",
            "manifest.jsonl.zst.age",
            "../rescue.json",
        ] {
            assert!(!is_own(other), "{other}");
        }
    }
}
