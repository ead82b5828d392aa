//! Is a store whole, and will `loadstate` take it?
//!
//! Every finding here says what it means for `loadstate`; where that is
//! inferred rather than documented, the words say so.

use crate::monitor::{Monitor, Stage};
use crate::store::{DriveFrom, Part, Role, Store, StoreKind};

use super::read_all::Onlooker;
use super::{Finding, Severity, container, read_all};

/// How closely to look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Level {
    /// Metadata alone: seconds.
    Quick,
    /// Every byte of every file.
    Full,
}

/// What came of looking at a store.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct StoreReport {
    /// Everything found, in the order it was found.
    pub findings: Vec<Finding>,
    /// Files whose every byte was read; 0 at [`Level::Quick`].
    pub files_read: u64,
    /// Bytes read; 0 at [`Level::Quick`].
    pub bytes_read: u64,
}

impl StoreReport {
    /// The worst severity; `None` when nothing was found.
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(|f| f.severity).max()
    }

    /// The verdict's first words.
    pub fn state(&self) -> &'static str {
        match self.worst() {
            Some(Severity::Fatal) => "loadstate cannot use this store as it is",
            Some(Severity::Damage) => "damaged: some of it is lost",
            Some(Severity::Warning) => "plausible, with doubts (see above)",
            Some(Severity::Info) | None => "plausible",
        }
    }

    /// What was proved, what is only plausible, what nobody can know.
    pub fn verdict(&self, level: Level) -> String {
        let state = self.state();
        match level {
            Level::Quick => format!("{state}; judged by metadata, no file was read"),
            Level::Full => format!(
                "{state}; {} files, {} bytes read to the end. Whether the bytes are \
                 those that scanstate wrote, nobody can know without a seal",
                self.files_read, self.bytes_read
            ),
        }
    }
}

/// Looks at `store`; tells the monitor each finding as it comes.
pub fn check_store(store: &Store, level: Level, monitor: &dyn Monitor) -> StoreReport {
    check_store_with(store, level, None, monitor)
}

/// Like [`check_store`]; at [`Level::Full`] `onlooker` sees what is read.
pub fn check_store_with(
    store: &Store,
    level: Level,
    onlooker: Option<&mut dyn Onlooker>,
    monitor: &dyn Monitor,
) -> StoreReport {
    let mut report = StoreReport::default();
    let mut say = |finding: Finding| {
        monitor.finding(&finding);
        report.findings.push(finding);
    };
    check_parts(store, &mut say);
    for part in &store.parts {
        match store.kind {
            StoreKind::Compressed => container::check(part, level, monitor, &mut say),
            StoreKind::HardLink | StoreKind::Uncompressed => check_markers(part, &mut say),
            StoreKind::Estimate => {}
        }
    }
    if level == Level::Full && store.kind.holds_data() {
        monitor.stage(Stage::Verify, &store.display());
        let read = read_all::read_store(store, onlooker, monitor, &mut say);
        report.files_read = read.files;
        report.bytes_read = read.bytes;
    }
    report
}

fn check_parts(store: &Store, say: &mut dyn FnMut(Finding)) {
    if store.kind == StoreKind::Estimate {
        say(Finding {
            code: "estimate-only",
            severity: Severity::Info,
            path: store.display(),
            what: "only USMTSIZE.TXT: an estimate that scanstate /p left".into(),
            meaning: "There is no user data in it.".into(),
            action: "Look for the store elsewhere.".into(),
        });
        return;
    }
    if store.lacks_primary() {
        say(Finding {
            code: "primary-missing",
            severity: Severity::Fatal,
            path: store.display(),
            what: "a secondary part of a hard-link store; its primary was not found".into(),
            meaning: "The catalog is with the primary: loadstate cannot use this part alone."
                .into(),
            action: "Attach the disk with the primary (hardlink.main), or rescue the part and \
                     copy the files out of File\\ by hand."
                .into(),
        });
    }
    for drive in &store.missing_drives {
        say(Finding {
            code: "secondary-missing",
            severity: Severity::Fatal,
            path: store.display(),
            what: format!(
                "hardlink.main names a part on drive {drive}:, which was not found (the \
                 file's format is inferred)"
            ),
            meaning: "loadstate fails with code 38 when a part is missing.".into(),
            action: "Attach or unlock the volume that was that drive, and run this again.".into(),
        });
    }
    for part in &store.parts {
        if part.drive.from == DriveFrom::Unknown {
            say(Finding {
                code: "drive-unknown",
                severity: Severity::Warning,
                path: part.windows_path(),
                what: format!("nobody knows which drive {} was", part.volume_display),
                meaning: "A part has to go back to its own drive.".into(),
                action: "Name the drive when restoring: --to X=ROOT.".into(),
            });
        }
    }
}

fn check_markers(part: &Part, say: &mut dyn FnMut(Finding)) {
    let at = part.windows_path();
    let markers = &part.markers;
    if part.role != Role::Secondary {
        for (marker, code_missing, code_empty, name) in [
            (markers.catalog, "catalog-missing", "catalog-empty", "catalog.mig"),
            (markers.migstate, "migstate-missing", "migstate-empty", "MIGSTATE.DAT"),
        ] {
            let (code, state) = match marker {
                None => (code_missing, "missing"),
                Some(marker) if marker.size == 0 => (code_empty, "empty"),
                Some(_) => continue,
            };
            say(Finding {
                code,
                severity: Severity::Fatal,
                path: format!("{at}\\{name}"),
                what: format!("{name} is {state}"),
                meaning: "Settings are in it; without it loadstate cannot use the store.".into(),
                action: "The files under File\\ can still be rescued and copied by hand.".into(),
            });
        }
        if markers.status.is_none() {
            say(Finding {
                code: "status-missing",
                severity: Severity::Warning,
                path: format!("{at}\\status.~lg"),
                what: "status.~lg is missing".into(),
                meaning: "It seems to be written last: scanstate may have been cut short \
                          (inferred)."
                    .into(),
                action: "Look into scanstate.log; rescue the store all the same.".into(),
            });
        }
    }
    if markers.file_folder.is_none() {
        say(Finding {
            code: "file-folder-missing",
            severity: Severity::Damage,
            path: format!("{at}\\File"),
            what: "the File folder is missing".into(),
            meaning: "The users' files stand in it: there are none here.".into(),
            action: "Run detect on all volumes; look for deleted files.".into(),
        });
    }
}
