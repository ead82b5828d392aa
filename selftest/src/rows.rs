//! The rows, by their names in docs/guide/windows.md and
//! docs/reference/what-is-kept.md. A test compares them with those pages.

/// Where a row stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    /// docs/guide/windows.md
    Windows,
    /// docs/reference/what-is-kept.md
    Kept,
}

impl Page {
    /// The page's name, in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Windows => "windows.md",
            Self::Kept => "what-is-kept.md",
        }
    }
}

/// One row.
#[derive(Debug)]
pub struct Row {
    /// A stable word, in the JSON file.
    pub id: &'static str,
    /// The page that has it.
    pub page: Page,
    /// Its first cell there.
    pub name: &'static str,
    /// What has to be done manually, if this program cannot show it at all.
    pub manually: Option<&'static str>,
}

const fn kept(id: &'static str, name: &'static str) -> Row {
    Row { id, page: Page::Kept, name, manually: None }
}

const fn windows(id: &'static str, name: &'static str) -> Row {
    Row { id, page: Page::Windows, name, manually: None }
}

const fn manual(id: &'static str, name: &'static str, how: &'static str) -> Row {
    Row { id, page: Page::Windows, name, manually: Some(how) }
}

/// All rows, in the order of the pages.
pub const ROWS: &[Row] = &[
    windows("start", "start"),
    windows("raw-disk", r"raw disks, `\\.\PhysicalDrive0`"),
    windows(
        "raw-volume",
        r"raw volumes, `\\.\C:`, `\\?\Volume{...}`, and the last sectors of a volume",
    ),
    windows("sectors-4k", "a disk with sectors of 4 KiB"),
    windows("firmware-serial", "serial number in the firmware"),
    windows("in-use", "volume in use, with metadata in the driver's cache"),
    windows("bitlocker", "BitLocker"),
    windows("no-write", "no write to the source"),
    windows("privileges", "privileges of SYSTEM and of an administrator"),
    windows("host-metadata", "all metadata is read through the file API"),
    windows("not-followed", "junctions are not followed"),
    windows("fat-volumes", "exFAT and FAT32 volumes, with and without a letter"),
    windows("mounted-folder", "volume mounted in a folder"),
    windows("fat-restore", "a store restored to exFAT"),
    windows("no-short-names", "a volume without 8.3 names"),
    windows("compressed-volume", "a compressed volume"),
    windows("case-only", "names that differ only in case"),
    windows("second-restore", "a second restore"),
    windows("two-runs", "two runs at one destination"),
    windows("killed-offload", "an offload that was killed in each stage"),
    windows("killed-restore", "a restore that was killed in each stage"),
    windows("open-handle", "restore while another program uses the folder"),
    windows("pagefile", r"`--path \` of a Windows volume"),
    windows("fat-destination", "FAT32 and exFAT sticks"),
    windows("share-long-paths", "paths beyond 260 characters on a share"),
    windows("share-wrong-password", "`net use` with a wrong password"),
    windows("share-password", "`net use` with a password"),
    windows("share-closed", "connections are closed again"),
    windows("share-disappears", "a share that disappears"),
    windows("share-beside", "a share is read back while it is written"),
    manual(
        "all-winpe",
        "start in every WinPE",
        "run this program in WinPE 3, 5, 10 and 11; a row `start` for each",
    ),
    manual(
        "unprivileged",
        "metadata that cannot be read through the file API",
        "not as administrator",
    ),
    manual("usmtutils", "Microsoft's own usmtutils", "with USMT's folder, on a compressed store"),
    manual(
        "into-profile",
        "a user's files restored into another profile",
        "needs a second user who has logged on",
    ),
    manual("onedrive", "OneDrive folders", "needs a user of OneDrive"),
    manual("refs", "ReFS volumes", "needs a volume of 2 GiB or more, and an edition that makes it"),
    manual("anonymous", "`--anonymous` (a null session)", "needs a share where everyone may write"),
    manual(
        "guests",
        "guest logon where guests are blocked; a server that does not sign (Windows 11 24H2)",
        "needs another server",
    ),
    manual("power-loss", "restore interrupted by a power loss", "switch the machine off"),
    manual("big-store", "a store above 4 GiB on FAT32", "needs the space"),
    manual("console", "console: code page, colors, Ctrl-C, F2 at the password", "needs eyes"),
    manual("guided", "guided rescue on a console with and without VT sequences", "needs eyes"),
    manual("guided-destinations", "destinations of the guided rescue", "needs a USB stick"),
    manual("boot-image", "boot image without network or free memory", "needs a boot image"),
    manual("build-cmd", "`pe-build/build.cmd`", "needs the ADK"),
    manual("arm64", "ARM64", "needs a PC with Windows on ARM64"),
    manual(
        "controllers",
        "storage controllers and disk health",
        "needs a PC whose disk is behind Intel VMD or RST, and a failing disk",
    ),
    manual("usb-cmd", "`usb.cmd` in a boot image finds the stick by its label", "needs two sticks"),
    manual("variables", "`variables.vbs`: the task sequence's variables", "needs a task sequence"),
    manual(
        "loadstate",
        "`loadstate` accepts what was restored; `lifeboat loadstate --run`",
        "scripts/windows/usmt.ps1 runs it",
    ),
    kept("bytes", "bytes of the unnamed stream"),
    kept("owner", "owner, group, DACL"),
    kept("sacl", "SACL"),
    kept("attributes", "read-only, hidden, system, archive, not indexed ..."),
    kept("written", "creation, last write"),
    kept("accessed", "last access"),
    kept("changed", "change time"),
    kept("streams", "alternate data streams"),
    kept("folder-streams", "alternate data streams on folders"),
    kept("reparse", "junctions, links, any reparse data, raw"),
    kept("object-ids", "object id (16 bytes)"),
    kept("dos-names", "DOS names"),
    kept("extended-attributes", "extended attributes"),
    kept("hard-links", "hard links within the store"),
    kept("sparse", "sparse"),
    kept("compressed", "compressed (NTFS)"),
    kept("wof", "Compact OS (WOF)"),
    kept("efs", "EFS, raw"),
    kept("odd-names", "names that Win32 refuses"),
    kept("long-paths", "paths beyond 260 characters"),
    kept("empty", "empty folders, empty files"),
    kept("drive", "drive and path of every part"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The first cells of the tables that come after `heading`.
    fn first_cells(page: &str, heading: &str) -> BTreeSet<String> {
        let text = page.split_once(heading).unwrap_or_else(|| panic!("no {heading}")).1;
        let rows = text.lines().skip_while(|line| !line.starts_with("|---")).skip(1);
        let rows = rows.take_while(|line| line.starts_with('|'));
        rows.map(|row| row.split('|').nth(1).unwrap().trim().to_owned()).collect()
    }

    fn document(name: &str) -> String {
        let path = format!("{}/../docs/{name}", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
    }

    fn names(wanted: impl Fn(&Row) -> bool) -> BTreeSet<String> {
        ROWS.iter().filter(|row| wanted(row)).map(|row| row.name.to_owned()).collect()
    }

    #[test]
    fn every_row_of_what_is_kept_is_here() {
        let page = document("reference/what-is-kept.md");
        let rows = first_cells(&page, "| metadata | read |");
        // The heading line itself is gone with the split.
        assert_eq!(names(|row| row.page == Page::Kept), rows);
    }

    #[test]
    fn every_row_of_the_page_about_windows_is_here() {
        let page = document("guide/windows.md");
        let covered = first_cells(&page, "## What it shows");
        let by_hand = first_cells(&page, "## What is left to do manually");
        let is_manual = |row: &Row| row.manually.is_some();
        assert_eq!(names(|row| row.page == Page::Windows && !is_manual(row)), covered);
        assert_eq!(names(|row| row.page == Page::Windows && is_manual(row)), by_hand);
    }

    #[test]
    fn ids_are_different_and_plain() {
        let ids: BTreeSet<_> = ROWS.iter().map(|row| row.id).collect();
        assert_eq!(ids.len(), ROWS.len());
        let is_plain = |id: &str| {
            id.bytes().all(|b| b.is_ascii_lowercase() || b == b'-' || b.is_ascii_digit())
        };
        assert!(ids.iter().all(|id| is_plain(id)), "{ids:?}");
    }
}
