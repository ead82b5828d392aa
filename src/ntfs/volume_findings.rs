//! What is wrong with a volume, told to people.

use std::sync::Arc;

use super::catalog::sweep::{Report, Tally};
use super::catalog::{Catalog, Folder};
use super::error::NtfsError;
use super::ondisk::attribute::kind;
use super::ondisk::boot;
use super::ondisk::log_file::{self, LogState};
use super::ondisk::record::{FileRef, known};
use super::ondisk::volume_information::VolumeInformation;
use super::read::data::DataReader;
use super::read::file::{Body, File};
use super::read::volume::{Repair, Volume};
use super::salvage::reattach::Reattached;
use crate::model::finding::{Finding, Severity};
use crate::model::name::NtName;
use crate::model::units;

/// How many paths a finding names.
const MAX_NAMED: usize = 8;

const COPY_ELSEWHERE: &str = "Copy what is there first. Do not repair this disk before that.";
const MAY_BE_OLD: &str = "The newest changes may be missing or half done.";

/// Everything that was found wrong while the volume was opened. `source` names
/// the volume for people.
pub(crate) fn of_volume(
    source: &str,
    volume: &Arc<Volume>,
    catalog: &Catalog,
    repairs: &[Repair],
    report: &Report,
    reattached: Reattached,
) -> Vec<Finding> {
    let list = List { source, catalog, found: Vec::new() };
    list.repairs(repairs)
        .boot_copy(volume)
        .state(volume)
        .records(report)
        .folders(reattached)
        .names(report)
        .found
}

struct List<'a> {
    source: &'a str,
    catalog: &'a Catalog,
    found: Vec<Finding>,
}

impl List<'_> {
    fn add(
        &mut self,
        code: &'static str,
        severity: Severity,
        what: String,
        meaning: &str,
        action: &str,
    ) {
        self.found.push(Finding {
            code,
            severity,
            path: self.source.to_owned(),
            what,
            meaning: meaning.to_owned(),
            action: action.to_owned(),
        });
    }

    fn repairs(mut self, repairs: &[Repair]) -> Self {
        for repair in repairs {
            match repair {
                Repair::BootCopy { why, at } => self.add(
                    "ntfs-boot-copy",
                    Severity::Warning,
                    format!("The boot sector is damaged ({why}). Its copy at byte {at} was used."),
                    "Windows cannot mount this volume, Lifeboat can.",
                    COPY_ELSEWHERE,
                ),
                Repair::Mirror { why } => self.add(
                    "ntfs-mft-mirror",
                    Severity::Warning,
                    format!("The start of the file table is damaged ({why}). Its mirror was used."),
                    "Windows may not be able to mount this volume, Lifeboat can.",
                    COPY_ELSEWHERE,
                ),
                Repair::MftNotInUse => self.add(
                    "ntfs-mft-not-in-use",
                    Severity::Warning,
                    "The first record of the file table is not marked as in use. The file table \
                     was read all the same."
                        .into(),
                    "Windows may not be able to mount this volume, Lifeboat can.",
                    COPY_ELSEWHERE,
                ),
                Repair::MftIncomplete { why } => self.add(
                    "ntfs-mft-incomplete",
                    Severity::Damage,
                    format!("Part of the file table cannot be found: {why}."),
                    "Files may be missing without a trace.",
                    COPY_ELSEWHERE,
                ),
            }
        }
        self
    }

    /// The boot sector and its copy should say the same.
    fn boot_copy(mut self, volume: &Volume) -> Self {
        let at = volume.boot().volume_bytes();
        let mut sector = [0; 512];
        // Where the copy cannot be read (a volume device ends before it), or
        // something else stands there, nothing can be said.
        let copy = match volume.medium().read("copy of the boot sector", at, &mut sector) {
            Ok(()) => boot::Boot::parse(&sector, at).ok(),
            Err(_) => None,
        };
        if copy.is_some_and(|copy| copy != *volume.boot()) {
            self.add(
                "ntfs-boot-differs",
                Severity::Warning,
                format!("The boot sector and its copy at byte {at} differ."),
                "One of them is wrong. The first was used, and files were found by it.",
                COPY_ELSEWHERE,
            );
        }
        self
    }

    /// Dirty flag, log, hibernation.
    fn state(mut self, volume: &Arc<Volume>) -> Self {
        if volume_information(volume).is_some_and(|v| v.is_dirty) {
            self.add(
                "ntfs-dirty",
                Severity::Warning,
                "The volume is marked dirty: it was not shut down cleanly.".into(),
                MAY_BE_OLD,
                "Copy first. Run chkdsk only when the copy is safe.",
            );
        }
        match log_state(volume) {
            Some(LogState::Unreplayed) => self.add(
                "ntfs-log-unreplayed",
                Severity::Warning,
                "$LogFile holds changes that were not written to their place.".into(),
                MAY_BE_OLD,
                "Copy first. Windows replays the log when it mounts the volume.",
            ),
            Some(LogState::Unknown) => self.add(
                "ntfs-log-unknown",
                Severity::Info,
                "$LogFile does not say whether it was closed cleanly.".into(),
                MAY_BE_OLD,
                "Nothing, unless files look old.",
            ),
            Some(LogState::Clean) | None => {}
        }
        if self.is_hibernated(volume) {
            self.add(
                "ntfs-hibernated",
                Severity::Warning,
                "hiberfil.sys holds a hibernated Windows (or one shut down by Fast Startup)."
                    .into(),
                "Changes that Windows had in memory are not on the disk.",
                "If that Windows still starts: start it and run: shutdown /s /f /t 0",
            );
        }
        self
    }

    fn is_hibernated(&self, volume: &Arc<Volume>) -> bool {
        let Some(id) = self.catalog.child_named(Folder::root(), &NtName::from("hiberfil.sys"))
        else {
            return false;
        };
        let mut start = [0; 4];
        let read = File::load(volume, FileRef(id.0).number(), &Vec::new).and_then(|file| {
            let data = file.find(kind::DATA, None).ok_or_else(|| file.missing("data"))?;
            file.reader(volume, data)?.read(&mut start)
        });
        // "wake" or zeros: it was resumed.
        read.is_ok() && start.eq_ignore_ascii_case(b"hibr")
    }

    fn records(mut self, report: &Report) -> Self {
        let lost = "What was in them is missing: files, names, or pieces of files.";
        for (code, tally, what, meaning) in [
            (
                "ntfs-record-damaged",
                &report.damaged,
                "file records are damaged in part",
                "What could be read of them is listed; the rest of these files is missing.",
            ),
            ("ntfs-record-bad", &report.bad, "file records cannot be understood", lost),
            ("ntfs-record-foreign", &report.foreign, "file records stand in the wrong place", lost),
            ("ntfs-record-unreadable", &report.unreadable, "file records cannot be read", lost),
            (
                "ntfs-record-blank",
                &report.blank,
                "file records are in use by the file table's bitmap, and nothing is in them",
                lost,
            ),
            (
                "ntfs-record-revived",
                &report.revived,
                "file records are marked as deleted, and their folder and the bitmap have them",
                "They are listed as files that exist. What is saved of them may be old.",
            ),
        ] {
            if tally.count > 0 {
                let what = format!("{} {what}: {}.", tally.count, self.examples(tally));
                self.add(code, Severity::Damage, what, meaning, COPY_ELSEWHERE);
            }
        }
        self
    }

    fn folders(mut self, reattached: Reattached) -> Self {
        if reattached.lost > 0 {
            let what = format!(
                "{} have lost their file record. The index of the folder above has their name.",
                units::count(reattached.lost, "folder", "folders")
            );
            let meaning = "They are listed at their place, without owner, permissions and times. \
                           Files that were in them may be missing.";
            self.add("ntfs-folder-lost", Severity::Damage, what, meaning, COPY_ELSEWHERE);
        }
        if reattached.renumbered > 0 {
            let what = format!(
                "{} have another sequence number than their files say.",
                units::count(reattached.renumbered, "folder", "folders")
            );
            let meaning = "The index of the folder lists these files: they are listed there.";
            self.add("ntfs-folder-renumbered", Severity::Damage, what, meaning, COPY_ELSEWHERE);
        }
        self
    }

    fn names(mut self, report: &Report) -> Self {
        let mended = &report.mended;
        let found = "They are listed below $Orphans. A store may be among them.";
        let look = "Look through $Orphans if something is missing.";
        if mended.orphans > 0 {
            let count = units::count(mended.orphans, "file or folder", "files or folders");
            let what = format!("{count} lost the folder above.");
            self.add("ntfs-orphans", Severity::Warning, what, found, look);
        }
        if mended.nameless > 0 {
            let what = format!("{} files have no name any more.", mended.nameless);
            self.add("ntfs-nameless", Severity::Damage, what, found, look);
        }
        if mended.circles > 0 {
            let what = format!("{} folders contain themselves or nest too deep.", mended.circles);
            self.add("ntfs-circles", Severity::Warning, what, found, look);
        }
        if mended.second_names > 0 {
            let what = format!("{} folders have a second name.", mended.second_names);
            let meaning = "They are listed once. Nothing in them is missing.";
            self.add("ntfs-second-names", Severity::Warning, what, meaning, "Nothing.");
        }
        if mended.same_names > 0 {
            let what = format!(
                "{} files have the name of another file in the same folder.",
                mended.same_names
            );
            self.add("ntfs-same-names", Severity::Warning, what, found, look);
        }
        self
    }

    /// The first few by their paths, or numbers where they have none.
    fn examples(&self, tally: &Tally) -> String {
        let name = |record: &u64| {
            let paths = u32::try_from(*record).map(|r| self.catalog.paths(r)).unwrap_or_default();
            paths.first().map_or_else(|| format!("record {record}"), ToString::to_string)
        };
        let mut names: Vec<_> = tally.examples.iter().take(MAX_NAMED).map(name).collect();
        if tally.count > names.len() as u64 {
            names.push("...".into());
        }
        names.join(", ")
    }
}

fn volume_information(volume: &Arc<Volume>) -> Option<VolumeInformation> {
    let file = File::load(volume, known::VOLUME, &Vec::new).ok()?;
    match &file.find(kind::VOLUME_INFORMATION, None)?.body {
        Body::Resident(value) => VolumeInformation::parse(value),
        Body::NonResident { .. } => None,
    }
}

fn log_state(volume: &Arc<Volume>) -> Option<LogState> {
    let read = || -> Result<Vec<u8>, NtfsError> {
        let file = File::load(volume, known::LOG_FILE, &Vec::new)?;
        let data = file.find(kind::DATA, None).ok_or_else(|| file.missing("data"))?;
        let mut reader: DataReader = file.reader(volume, data)?;
        let mut bytes = vec![0; log_file::RESTART_BYTES];
        let n = reader.read(&mut bytes)?;
        bytes.truncate(n);
        Ok(bytes)
    };
    read().ok().map(|bytes| log_file::state(&bytes))
}
