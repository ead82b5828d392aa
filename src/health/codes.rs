//! Every code that a [`Finding`] about a store may have, with its texts.
//!
//! Findings about disks, volumes, seals and sets have theirs where they are made.
//! Scripts match codes: never rename or remove one. docs/reference/findings.md
//! lists all of them for people, and a test compares the two.

use Severity::{Damage, Fatal, Info, Warning};

use crate::model::finding::{Finding, Severity};

/// What a check requires to find something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum When {
    /// Metadata alone.
    Quick,
    /// Reading every byte.
    Full,
    /// Microsoft's usmtutils.
    Usmtutils,
}

impl When {
    /// As in docs/reference/findings.md.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Quick => "quick",
            Self::Full => "full",
            Self::Usmtutils => "usmtutils",
        }
    }
}

/// A kind of finding about a store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Code {
    /// The stable name.
    pub name: &'static str,
    /// How severe it is.
    pub severity: Severity,
    /// What the check requires.
    pub when: When,
    /// What it means for `loadstate`.
    pub meaning: &'static str,
    /// What to do.
    pub action: &'static str,
}

impl Code {
    /// A finding of this kind.
    pub fn at(&self, path: impl Into<String>, what: impl Into<String>) -> Finding {
        Finding {
            code: self.name,
            severity: self.severity,
            path: path.into(),
            what: what.into(),
            meaning: self.meaning.to_owned(),
            action: self.action.to_owned(),
        }
    }
}

/// Declares each code once, so that none is missing from [`STORE`].
macro_rules! codes {
    ($($name:ident = $word:literal, $severity:ident, $when:ident, $meaning:literal, $action:literal;)*) => {
        $(
            #[doc = concat!("`", $word, "`: ", $meaning)]
            pub const $name: Code = Code {
                name: $word,
                severity: $severity,
                when: When::$when,
                meaning: $meaning,
                action: $action,
            };
        )*
        /// Every kind of finding about a store.
        pub static STORE: &[&Code] = &[$(&$name),*];
    };
}

codes! {
    ESTIMATE_ONLY = "estimate-only", Info, Quick,
        "It contains no user data.",
        "Look for the store elsewhere.";
    PRIMARY_MISSING = "primary-missing", Fatal, Quick,
        "The catalog is in the primary part: loadstate cannot use this part alone.",
        "Attach the disk with the primary part (hardlink.main). Or rescue this part and copy the \
         files from File\\ manually.";
    SECONDARY_MISSING = "secondary-missing", Fatal, Quick,
        "loadstate fails with code 38 when a part is missing.",
        "Attach or unlock the volume that was that drive, and run the command again.";
    PARTS_UNKNOWN = "parts-unknown", Warning, Quick,
        "loadstate fails with code 38 when a part is missing.",
        "Unlock or attach the volumes that could not be read, and run the command again.";
    SECONDARY_MISPLACED = "secondary-misplaced", Damage, Quick,
        "loadstate looks for each part at the primary part's path on its own drive (inferred).",
        "Rescue both parts. Before you run loadstate, move this one to the primary part's path.";
    SECONDARY_FOREIGN = "secondary-foreign", Warning, Quick,
        "It very probably belongs to another capture; loadstate ignores it (inferred).",
        "Rescue it as a separate store. Do not restore it beside this one.";
    SECONDARY_GUID = "secondary-guid-differs", Warning, Quick,
        "It very probably belongs to this store. loadstate may not accept it (inferred).",
        "Rescue the store with this part. If loadstate ends with code 38, read its log.";
    HARDLINK_MAIN_UNREADABLE = "hardlink-main-unreadable", Warning, Quick,
        "Lifeboat cannot tell which other parts the store has; loadstate may not find them either.",
        "Run detect on all disks of the PC. Rescue every part that it finds.";
    DRIVE_UNKNOWN = "drive-unknown", Warning, Quick,
        "A part must be restored to its own drive.",
        "Give the drive when you restore: --to X=ROOT.";
    STORE_PATH_LONG = "store-path-long", Fatal, Quick,
        "loadstate refuses a store path of more than 256 characters (code 12).",
        "Rescue the store and restore it to a short path.";
    CATALOG_MISSING = "catalog-missing", Fatal, Quick,
        "It contains the settings: without it loadstate cannot use the store.",
        "Rescue the store. You can still copy the files under File\\ manually.";
    CATALOG_EMPTY = "catalog-empty", Fatal, Quick,
        "It contains the settings: without it loadstate cannot use the store.",
        "Rescue the store. You can still copy the files under File\\ manually.";
    MIGSTATE_MISSING = "migstate-missing", Fatal, Quick,
        "It contains the settings: without it loadstate cannot use the store.",
        "Rescue the store. You can still copy the files under File\\ manually.";
    MIGSTATE_EMPTY = "migstate-empty", Fatal, Quick,
        "It contains the settings: without it loadstate cannot use the store.",
        "Rescue the store. You can still copy the files under File\\ manually.";
    STATUS_MISSING = "status-missing", Warning, Quick,
        "scanstate seems to write it last: the capture may have been interrupted (inferred).",
        "Rescue the store. Check scanstate.log.";
    STATUS_NOT_EMPTY = "status-not-empty", Info, Quick,
        "In all known stores this file is empty. What its contents mean is not known.",
        "None: it is saved unchanged.";
    FILE_FOLDER_MISSING = "file-folder-missing", Damage, Quick,
        "It contains the users' files: this store has none.",
        "Run detect on all volumes. Look for deleted files.";
    NO_USERS = "no-users", Warning, Quick,
        "loadstate would restore no profile. scanstate skips profiles whose account is gone, \
         without a message.",
        "Before you wipe the disk, look for another store, and for users' files outside this one.";
    UNREADABLE = "unreadable", Damage, Quick,
        "loadstate cannot restore it.",
        "The disk may be failing: run offload now. It saves everything that can be read.";
    RECORD_DAMAGED = "record-damaged", Damage, Quick,
        "Part of the file's NTFS metadata is lost: loadstate may miss the file, or parts of it.",
        "Run offload now. It saves what can be read of the file.";
    SIZE_CONTRADICTS = "size-contradicts", Damage, Quick,
        "The end of the file is very probably no longer on the disk.",
        "Run verify --level full, which reads the file. Run offload in any case.";
    DELETED_FILES = "deleted-files", Damage, Quick,
        "These files were deleted from the store: loadstate cannot restore them.",
        "Do not write to this disk. offload --deleted recovers those that are not overwritten.";
    ENCRYPTED_FILES = "encrypted-files", Info, Quick,
        "loadstate restores them encrypted; only the user's key decrypts them.",
        "offload saves them in raw form. Keep the user's certificate with its private key.";
    ENCRYPTED_LOST = "encrypted-lost", Damage, Quick,
        "The file is missing after loadstate.",
        "Copy it in Windows (not WinPE), or attach the disk to another Windows PC.";
    NOT_HERE = "not-here", Warning, Quick,
        "Only the placeholders can be restored.",
        "Get the files from the service that the placeholders point to (OneDrive, a server).";
    REPARSE_POINTS = "reparse-points", Info, Quick,
        "Lifeboat saves them unchanged and never follows them. How loadstate treats each kind is \
         not known.",
        "None. Their targets are in the store only if the targets were captured themselves.";
    NAMES_REFUSED = "names-refused", Warning, Quick,
        "loadstate uses Win32 paths: it may skip these files, or fail on them (inferred).",
        "offload saves them. If loadstate fails on one, get it from the set with extract.";
    PATHS_LONG = "paths-long", Info, Quick,
        "USMT supports long paths (inferred). Some programs do not open such files.",
        "None: offload saves them.";
    STORE_NEWER = "store-newer-than-logs", Warning, Quick,
        "The log may be from an earlier capture: do not judge this store by it.",
        "Look for a newer scanstate.log. The clocks may have been wrong.";
    STORE_OLDER = "store-older-than-logs", Warning, Quick,
        "There was a later capture: this may not be the newest store.",
        "Before you use this store, look for another one on all disks and on the server.";
    CAPTURE_UNFINISHED = "capture-unfinished", Warning, Quick,
        "scanstate may have been interrupted: some files may not be in the store.",
        "Rescue the store. Read the end of the log, and look for users' files outside the store.";
    CAPTURE_FAILED = "capture-failed", Damage, Quick,
        "According to its log, scanstate failed: some files may not be in the store.",
        "Rescue the store. Before you wipe the disk, look for users' files outside the store.";
    CAPTURE_ERRORS = "capture-errors", Warning, Quick,
        "scanstate ignored errors: these files are not in the store, so loadstate cannot restore \
         them.",
        "Before you wipe the disk, copy these files from it. Search scanstate.log for the others.";
    CAPTURE_PROFILES = "capture-profiles", Warning, Quick,
        "scanstate ignored a user's profile: that user's files and settings are not in the store.",
        "Before you wipe the disk, copy the user's files from the profile folder.";
    CAPTURE_LOG_DAMAGED = "capture-log-damaged", Warning, Quick,
        "Lines of the log are lost. An error of the capture may be among them.",
        "Rescue the store. Look for users' files outside the store before you wipe the disk.";
    CAPTURE_REPEATED = "capture-repeated", Info, Quick,
        "The last capture in the log counts.",
        "None, if the last capture has no findings.";
    STORE_ENCRYPTED = "store-encrypted", Info, Quick,
        "loadstate needs /decrypt and the key (code 37 without). The key is never in the store.",
        "Get the key from the author of the task sequence.";
    CONTAINER_MISSING = "container-missing", Fatal, Quick,
        "loadstate starts with USMT.MIG.",
        "Rescue the pieces. Look for USMT.MIG on other volumes.";
    CONTAINER_EMPTY = "container-empty", Fatal, Quick,
        "It contains no user data.",
        "Look for deleted files, and for another store.";
    CONTAINER_PIECE_MISSING = "container-piece-missing", Fatal, Quick,
        "loadstate needs every piece of the container, in order (inferred).",
        "Look for the piece on other volumes, and for deleted files.";
    CONTAINER_UNREADABLE = "container-unreadable", Fatal, Quick,
        "loadstate needs the complete file.",
        "The disk may be failing: run offload now. It saves everything that can be read.";
    CONTAINER_UNKNOWN = "container-unknown", Warning, Quick,
        "It is damaged, or of a format that Lifeboat does not know (inferred).",
        "Rescue it. Run usmtutils /verify on a PC that has USMT.";
    CONTAINER_DAMAGED = "container-damaged", Damage, Quick,
        "loadstate very probably stops there, or skips that file (inferred).",
        "Save what can be read: lifeboat extract. Run usmtutils /verify on a PC that has USMT.";
    CONTAINER_NO_CATALOG = "container-no-catalog", Damage, Quick,
        "A piece may be missing. Without the catalog, loadstate cannot use the store (inferred).",
        "Look for USMT.MIG01, USMT.MIG02 ... on other volumes.";
    CONTAINER_SOUND = "container-sound", Info, Quick,
        "As far as the format is known, loadstate can use it (inferred).",
        "Run usmtutils /verify on it, on a PC that has USMT.";
    HOLE = "hole", Damage, Full,
        "loadstate restores the file with zeros in that place, or fails on it.",
        "The disk may be failing: run offload now. It saves the rest of the file.";
    MARKER_ZEROS = "marker-zeros", Damage, Quick,
        "loadstate cannot use the store without what was in it.",
        "The disk was not read there, or lost it. Image or read the original disk again.";
    FACTS_LOST = "facts-lost", Damage, Full,
        "loadstate restores the file without this metadata, or fails on it.",
        "Run offload now. It saves the file's data and the metadata that can be read.";
    USMTUTILS_SOUND = "usmtutils-sound", Info, Usmtutils,
        "According to Microsoft's own check, loadstate can use it.",
        "None.";
    USMTUTILS_CORRUPTED = "usmtutils-corrupted", Damage, Usmtutils,
        "According to Microsoft's own check it is corrupted: loadstate skips it, or fails (code \
         42).",
        "Extract the other files with usmtutils /extract.";
    USMTUTILS_FAILED = "usmtutils-failed", Warning, Usmtutils,
        "Microsoft's own check could not run.",
        "Run it manually and read its log: usmtutils /verify:all FILE.";
}

/// Codes about disks, volumes and sets, with their severities. The modules that
/// report them have the texts.
pub static ELSEWHERE: &[(&str, Severity)] = &[
    ("copy-hardlink", Warning),
    ("copy-facts", Warning),
    ("seal-changed", Damage),
    ("seal-missing", Damage),
    ("seal-added", Warning),
    ("seal-touched", Warning),
    ("seal-facts", Warning),
    ("seal-unread", Damage),
    ("seal-part", Warning),
    ("seal-damaged", Warning),
    ("seal-other", Warning),
    ("seal-quick", Info),
    ("seal-moved", Info),
    ("gpt-from-backup", Warning),
    ("gpt-backup-bad", Info),
    ("gpt-unchecked", Warning),
    ("gpt-unprotected", Warning),
    ("mbr-unsigned", Warning),
    ("extended-chain", Warning),
    ("table-unreadable", Warning),
    ("table-unit", Info),
    ("partition-outside", Warning),
    ("partition-cut-short", Warning),
    ("partition-backwards", Warning),
    ("partition-overlap", Warning),
    ("partition-count", Warning),
    ("table-or-volume", Info),
    ("lost-partition", Warning),
    ("dynamic-disk", Warning),
    ("raid-member", Warning),
    ("raid-part", Warning),
    ("controller-no-driver", Info),
    ("no-disk", Warning),
    ("controller-hides-disks", Warning),
    ("disk-failing", Warning),
    ("disk-worn", Info),
    ("disk-locked", Warning),
    ("vhd-footer-bad", Warning),
    ("image-unread", Warning),
    ("vhdx-log-replayed", Info),
    ("vhdx-log-unusable", Damage),
    ("image-cut-short", Damage),
    ("boot-sector-copy", Warning),
    ("volume-refused", Warning),
    ("volume-start-unreadable", Damage),
    ("volume-closed", Warning),
    ("volume-cut-short", Warning),
    ("bitlocker-start", Warning),
    ("bitlocker-copies", Info),
    ("bitlocker-unchecked", Warning),
    ("bitlocker-hash", Damage),
    ("bitlocker-copies-differ", Damage),
    ("bitlocker-in-conversion", Damage),
    ("bitlocker-conversion", Damage),
    ("bitlocker-cut-short", Warning),
    ("search-cut-short", Warning),
    ("fat-folders-lost", Damage),
    ("fat-clusters-lost", Warning),
    ("volume-twice", Warning),
    ("ntfs-boot-copy", Warning),
    ("ntfs-mft-mirror", Warning),
    ("ntfs-mft-not-in-use", Warning),
    ("ntfs-mft-incomplete", Damage),
    ("ntfs-boot-differs", Warning),
    ("ntfs-dirty", Warning),
    ("ntfs-log-unreplayed", Warning),
    ("ntfs-log-unknown", Info),
    ("ntfs-hibernated", Warning),
    ("ntfs-record-damaged", Damage),
    ("ntfs-record-bad", Damage),
    ("ntfs-record-foreign", Damage),
    ("ntfs-record-unreadable", Damage),
    ("ntfs-record-blank", Damage),
    ("ntfs-record-revived", Damage),
    ("ntfs-clusters-shared", Damage),
    ("ntfs-clusters-free", Damage),
    ("ntfs-bitmap-damaged", Warning),
    ("ntfs-mft-bitmap-blank", Damage),
    ("ntfs-clusters-unexplained", Damage),
    ("ntfs-folder-lost", Damage),
    ("ntfs-folder-renumbered", Damage),
    ("ntfs-orphans", Warning),
    ("ntfs-nameless", Damage),
    ("ntfs-circles", Warning),
    ("ntfs-second-names", Warning),
    ("ntfs-same-names", Warning),
    ("ntfs-index-more", Warning),
    ("ntfs-index-damaged", Warning),
    ("ntfs-record-outdated", Damage),
    ("ntfs-index-forgot", Warning),
    ("ntfs-index-stale", Warning),
    ("ntfs-index-renamed", Warning),
    ("deleted-store", Warning),
    ("set-has-losses", Warning),
    ("set-lacks-part", Warning),
    ("set-of-damaged-store", Warning),
    ("set-seek-table", Warning),
    ("set-contradiction", Damage),
    ("set-details", Damage),
    ("set-file-missing", Damage),
    ("set-file-size", Damage),
    ("set-file-name", Damage),
    ("set-file-hash", Damage),
    ("set-frame-damaged", Damage),
    ("set-manifest-damaged", Damage),
    ("set-member-damaged", Damage),
    ("set-member-differs", Damage),
    ("set-totals", Damage),
];
