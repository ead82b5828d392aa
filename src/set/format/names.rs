//! The names of a set's files.

/// The file that makes a set complete.
pub const RESCUE: &str = "rescue.json";
/// The store's tar archive, in frames.
pub const STORE: &str = "store.tar.zst";
/// One line per file of the source.
pub const MANIFEST: &str = "manifest.jsonl.zst";
/// The hashes of all files of the set, for `sha256sum -c`.
pub const SUMS: &str = "SHA256SUMS";
/// The report for people.
pub const REPORT: &str = "report.html";
/// The instructions for people.
pub const INSTRUCTIONS: &str = "RESTORE.txt";
/// The script that restores the set.
pub const SCRIPT: &str = "restore.cmd";
/// Suffix of a name until its file is complete.
pub const PARTIAL: &str = ".partial";
/// The journal of an unfinished set.
pub const JOURNAL: &str = "journal.jsonl";
/// The mark of a run that is writing the set. Temporary names for it begin the same way.
pub const IN_USE: &str = "in-use";
/// The set's key, encrypted.
pub const KEY: &str = "key.age";
/// The `rescue.json` of a plain set, encrypted.
pub const DETAILS: &str = "details.json.age";
/// The extension of an encrypted file.
pub const AGE: &str = ".age";
/// What stands in place of a drive for deleted files that were recovered: `deleted/C/Users`.
pub const DELETED: &str = "deleted";
/// The program that wrote a set, and its version.
pub const PROGRAM: &str = concat!("lifeboat ", env!("CARGO_PKG_VERSION"));

/// Whether a path in a set is that of a recovered file, or of a folder above one. (A drive is a
/// letter, or `volume-` and a number.)
pub fn is_of_deleted(path: &str) -> bool {
    path.strip_prefix(DELETED).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The name of a folder without [`PARTIAL`], in any letter case: some servers change it.
pub fn without_partial(name: &str) -> Option<&str> {
    let at = name.len().checked_sub(PARTIAL.len())?;
    let (rest, ending) = name.split_at_checked(at)?;
    ending.eq_ignore_ascii_case(PARTIAL).then_some(rest)
}

/// The name of a volume of the store; `number` from 1.
pub fn volume_name(number: u32, split: bool) -> String {
    if split { format!("{STORE}.{number:03}") } else { STORE.to_owned() }
}

/// The name of a file of an encrypted store or manifest; `number` from 1.
pub(crate) fn piece_name(what: &str, number: u32) -> String {
    format!("{what}.{number:03}{AGE}")
}
