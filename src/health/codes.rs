//! Every code that a [`Finding`] may have, with its words.
//!
//! Codes are a contract with scripts: what is here stays. docs/reference/findings.md is
//! the same list for people, and a test compares the two.

use crate::model::finding::{Finding, Severity};
use Severity::{Damage, Fatal, Info, Warning};

/// What it takes to find something out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum When {
    /// Metadata alone.
    Quick,
    /// Every byte has to be read.
    Full,
    /// Microsoft's usmtutils has to be at hand.
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

/// Something that may be found out about a store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Code {
    /// The stable word.
    pub name: &'static str,
    /// How bad.
    pub severity: Severity,
    /// What it takes to find it.
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

/// One declaration a code, so that none is left out of [`STORE`].
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
        /// Everything that may be found out about a store.
        pub static STORE: &[&Code] = &[$(&$name),*];
    };
}

codes! {
    ESTIMATE_ONLY = "estimate-only", Info, Quick,
        "There is no user data in it.",
        "Look for the store elsewhere.";
    PRIMARY_MISSING = "primary-missing", Fatal, Quick,
        "The catalog is with the primary: loadstate cannot use this part alone.",
        "Attach the disk with the primary (hardlink.main), or rescue the part and copy the files \
         out of File\\ by hand.";
    SECONDARY_MISSING = "secondary-missing", Fatal, Quick,
        "loadstate fails with code 38 when a part is missing.",
        "Attach or unlock the volume that was that drive, and run this again.";
    PARTS_UNKNOWN = "parts-unknown", Warning, Quick,
        "loadstate fails with code 38 when a part is missing.",
        "Unlock or attach the volumes that could not be looked into, and run this again.";
    SECONDARY_MISPLACED = "secondary-misplaced", Damage, Quick,
        "loadstate looks for each part at the primary's path on its own drive (inferred).",
        "Rescue both parts. Before loadstate, put this one at the primary's path.";
    SECONDARY_FOREIGN = "secondary-foreign", Warning, Quick,
        "It very probably belongs to another capture (inferred); loadstate leaves it aside.",
        "Rescue it as a store of its own; do not put it beside this one.";
    HARDLINK_MAIN_UNREADABLE = "hardlink-main-unreadable", Warning, Quick,
        "Which other parts the store has is not known; loadstate may not find them either.",
        "Run detect on all disks of the machine; rescue every part that is found.";
    DRIVE_UNKNOWN = "drive-unknown", Warning, Quick,
        "A part has to go back to its own drive.",
        "Name the drive when restoring: --to X=ROOT.";
    STORE_PATH_LONG = "store-path-long", Fatal, Quick,
        "loadstate refuses a store path of more than 256 characters (code 12).",
        "Rescue the store and restore it to a short path.";
    CATALOG_MISSING = "catalog-missing", Fatal, Quick,
        "Settings are in it; without it loadstate cannot use the store.",
        "The files under File\\ can still be rescued and copied by hand.";
    CATALOG_EMPTY = "catalog-empty", Fatal, Quick,
        "Settings are in it; without it loadstate cannot use the store.",
        "The files under File\\ can still be rescued and copied by hand.";
    MIGSTATE_MISSING = "migstate-missing", Fatal, Quick,
        "Settings are in it; without it loadstate cannot use the store.",
        "The files under File\\ can still be rescued and copied by hand.";
    MIGSTATE_EMPTY = "migstate-empty", Fatal, Quick,
        "Settings are in it; without it loadstate cannot use the store.",
        "The files under File\\ can still be rescued and copied by hand.";
    STATUS_MISSING = "status-missing", Warning, Quick,
        "It seems to be written last: scanstate may have been cut short (inferred).",
        "Look into scanstate.log; rescue the store all the same.";
    STATUS_NOT_EMPTY = "status-not-empty", Info, Quick,
        "In the stores that are known it has no bytes; what that means is not known.",
        "Nothing; it is saved as it is.";
    FILE_FOLDER_MISSING = "file-folder-missing", Damage, Quick,
        "The users' files stand in it: there are none here.",
        "Run detect on all volumes; look for deleted files.";
    NO_USERS = "no-users", Warning, Quick,
        "loadstate would restore nobody's profile. scanstate skips profiles whose account is \
         gone, without a word.",
        "Look for another store, and for files of users outside it, before wiping.";
    UNREADABLE = "unreadable", Damage, Quick,
        "loadstate will miss it.",
        "The disk may be failing: offload what can be read, now.";
    RECORD_DAMAGED = "record-damaged", Damage, Quick,
        "Part of what NTFS knew of the file is gone: loadstate may miss it, or pieces of it.",
        "Offload now; what can be read of the file is saved.";
    SIZE_CONTRADICTS = "size-contradicts", Damage, Quick,
        "The end of the file is very probably not on the disk any more.",
        "Run verify --level full, which reads it; offload in any case.";
    DELETED_FILES = "deleted-files", Damage, Quick,
        "loadstate will miss them. The wipe got there, or somebody did.",
        "Do not write to this disk. What was not overwritten can be undeleted.";
    ENCRYPTED_FILES = "encrypted-files", Info, Quick,
        "loadstate restores them as they are; only the user's key opens them.",
        "Nothing; they are saved in raw form. The user's certificate has to be kept as well.";
    ENCRYPTED_LOST = "encrypted-lost", Damage, Quick,
        "The file will be missing after loadstate.",
        "Copy it in the full Windows, or attach the disk there.";
    NOT_HERE = "not-here", Warning, Quick,
        "Only placeholders can be restored.",
        "Get the files from where the placeholders point (OneDrive, server).";
    REPARSE_POINTS = "reparse-points", Info, Quick,
        "They are kept as they are and never followed; how loadstate treats each kind is not \
         known.",
        "Nothing. What they point to is in the store only if it was captured itself.";
    NAMES_REFUSED = "names-refused", Warning, Quick,
        "loadstate goes through Win32: it may skip these files, or fail on them (inferred).",
        "They are saved. If loadstate fails on one, take it out of the set by extract.";
    PATHS_LONG = "paths-long", Info, Quick,
        "USMT takes long paths, as far as is known; some programs do not open such files.",
        "Nothing; they are saved.";
    STORE_NEWER = "store-newer-than-logs", Warning, Quick,
        "The log may be of an earlier capture: do not judge this store by it.",
        "Look for a newer scanstate.log. Mind that clocks may have been wrong.";
    STORE_OLDER = "store-older-than-logs", Warning, Quick,
        "There was a later capture: this may not be the newest store.",
        "Look for another store on all disks and on the server before using this one.";
    CAPTURE_UNFINISHED = "capture-unfinished", Warning, Quick,
        "scanstate may have been cut short: files may never have got into the store.",
        "Rescue the store; look at what the log says last, and for files outside the store.";
    CAPTURE_FAILED = "capture-failed", Damage, Quick,
        "By its own log scanstate failed: files may never have got into the store.",
        "Rescue the store; look for the users' files outside it before wiping.";
    STORE_ENCRYPTED = "store-encrypted", Info, Quick,
        "loadstate needs /decrypt and the key (code 37 without). The key is never in the store.",
        "Get the key from whoever wrote the task sequence.";
    CONTAINER_MISSING = "container-missing", Fatal, Quick,
        "loadstate starts with USMT.MIG.",
        "Rescue the pieces; look for USMT.MIG on other volumes.";
    CONTAINER_EMPTY = "container-empty", Fatal, Quick,
        "There is no user data in it.",
        "Look for deleted files and for another store.";
    CONTAINER_PIECE_MISSING = "container-piece-missing", Fatal, Quick,
        "loadstate needs every piece, in order (inferred).",
        "Look for the piece on other volumes, and for deleted files.";
    CONTAINER_UNREADABLE = "container-unreadable", Fatal, Quick,
        "loadstate needs it whole.",
        "The disk may be failing: offload what can be read, now.";
    CONTAINER_UNKNOWN = "container-unknown", Warning, Quick,
        "Either it is damaged, or of a kind that is not known here (inferred).",
        "Rescue it all the same. Run usmtutils /verify where USMT is at hand.";
    CONTAINER_DAMAGED = "container-damaged", Damage, Quick,
        "loadstate very probably stops there, or leaves that file out (inferred).",
        "Run usmtutils /verify on it where USMT is at hand.";
    CONTAINER_NO_CATALOG = "container-no-catalog", Damage, Quick,
        "A piece may be missing; without the catalog loadstate cannot use it (inferred).",
        "Look for USMT.MIG01, USMT.MIG02 ... on other volumes.";
    CONTAINER_SOUND = "container-sound", Info, Quick,
        "As far as the format is known (inferred), loadstate will take it.",
        "Run usmtutils /verify on it where USMT is at hand.";
    HOLE = "hole", Damage, Full,
        "loadstate restores the file with zeros there, or fails on it.",
        "The disk may be failing: offload now; the rest of the file is saved.";
    FACTS_LOST = "facts-lost", Damage, Full,
        "loadstate restores the file without them, or fails on it.",
        "Offload now; the file's data is saved, with what is known of it.";
    USMTUTILS_SOUND = "usmtutils-sound", Info, Usmtutils,
        "By Microsoft's own check loadstate will take it.",
        "Nothing.";
    USMTUTILS_CORRUPTED = "usmtutils-corrupted", Damage, Usmtutils,
        "Microsoft's own check calls it corrupted: loadstate leaves it out, or fails (code 42).",
        "Take the other files out by usmtutils /extract.";
    USMTUTILS_FAILED = "usmtutils-failed", Warning, Usmtutils,
        "Microsoft's own check could not be made.",
        "Run it by hand and read its log: usmtutils /verify:all FILE.";
}

/// Codes about disks, volumes and sets. Their words stand with the rooms that
/// find them; here are the names and how bad each is.
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
    ("dynamic-disk", Warning),
    ("vhdx-log-replayed", Info),
    ("vhdx-log-unusable", Damage),
    ("image-cut-short", Damage),
    ("boot-sector-copy", Warning),
    ("volume-refused", Warning),
    ("volume-start-unreadable", Damage),
    ("volume-closed", Warning),
    ("volume-cut-short", Warning),
    ("search-cut-short", Warning),
    ("ntfs-boot-copy", Warning),
    ("ntfs-mft-mirror", Warning),
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
    ("ntfs-orphans", Warning),
    ("ntfs-nameless", Damage),
    ("ntfs-circles", Warning),
    ("ntfs-second-names", Warning),
    ("ntfs-same-names", Warning),
    ("ntfs-index-more", Warning),
    ("ntfs-index-damaged", Warning),
    ("ntfs-index-forgot", Warning),
    ("ntfs-index-stale", Warning),
    ("deleted-store", Warning),
    ("set-has-losses", Warning),
    ("set-lacks-part", Warning),
    ("set-seek-table", Warning),
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
