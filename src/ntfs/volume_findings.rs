//! What is wrong with a volume, told to people.

use std::sync::Arc;

use super::catalog::sweep::{Report, Tally};
use super::catalog::{Catalog, Folder};
use super::ondisk::attribute::kind;
use super::ondisk::boot;
use super::ondisk::log_file::LogState;
use super::ondisk::record::FileRef;
use super::read::file::File;
use super::read::state::{log_state, volume_information};
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
        .records(report, volume.cluster_bytes())
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

    fn records(mut self, report: &Report, cluster_bytes: u64) -> Self {
        let lost = "What was in them is missing: files, names, or pieces of files.";
        let records = ["file record", "file records"];
        for (code, tally, [one, many], what, meaning) in [
            (
                "ntfs-record-damaged",
                &report.damaged,
                records,
                "damaged in part",
                "What could be read of them is listed; the rest of these files is missing.",
            ),
            ("ntfs-record-bad", &report.bad, records, "malformed", lost),
            ("ntfs-record-foreign", &report.foreign, records, "in the wrong place", lost),
            ("ntfs-record-unreadable", &report.unreadable, records, "unreadable", lost),
            (
                "ntfs-record-blank",
                &report.blank,
                records,
                "blank, but in use by the file table's bitmap",
                lost,
            ),
            (
                "ntfs-record-revived",
                &report.revived,
                records,
                "marked as deleted, but still listed by their folder and the bitmap",
                "They are listed as files that exist. What is saved of them may be old.",
            ),
            (
                "ntfs-clusters-shared",
                &report.shared,
                ["file", "files"],
                "in clusters that another file has, too",
                "In each such cluster is the data of one file at most. Nothing says of which.",
            ),
            (
                "ntfs-clusters-free",
                &report.unallocated,
                ["file", "files"],
                "in clusters that are free by the volume's bitmap",
                "The file record is out of date, or the bitmap is. The data may be another file's.",
            ),
        ] {
            if tally.count > 0 {
                let is = if tally.count == 1 { "is" } else { "are" };
                let count = units::count(tally.count, one, many);
                let what = format!("{count} {is} {what}: {}.", self.examples(tally));
                self.add(code, Severity::Damage, what, meaning, COPY_ELSEWHERE);
            }
        }
        if report.is_bitmap_blank {
            self.add(
                "ntfs-mft-bitmap-blank",
                Severity::Damage,
                "The file table's bitmap has no file, not even the file table itself.".into(),
                "It was overwritten. Where file records were overwritten too, files may be missing \
                 without a trace.",
                COPY_ELSEWHERE,
            );
        }
        if report.unexplained > 0 {
            let what = format!(
                "{} are in use by the volume's bitmap, and no file has them.",
                units::bytes(report.unexplained.saturating_mul(cluster_bytes))
            );
            self.add(
                "ntfs-clusters-unexplained",
                Severity::Damage,
                what,
                "The file records that had them are gone or wrong. Files may be missing without a \
                 trace.",
                COPY_ELSEWHERE,
            );
        }
        if report.bitmap_sectors > 0 {
            let what = format!(
                "The volume's bitmap lacks the clusters of many files, in {}.",
                units::count(report.bitmap_sectors, "sector", "sectors")
            );
            let meaning =
                "The files are read all the same. A write to the volume may destroy them.";
            self.add("ntfs-bitmap-damaged", Severity::Warning, what, meaning, COPY_ELSEWHERE);
        }
        self
    }

    fn folders(mut self, reattached: Reattached) -> Self {
        if reattached.lost > 0 {
            let what = format!(
                "Folders that lost their file record, with a name in the index above: {}.",
                reattached.lost
            );
            let meaning = "They are listed at their place, without owner, permissions and times. \
                           Files that were in them may be missing.";
            self.add("ntfs-folder-lost", Severity::Damage, what, meaning, COPY_ELSEWHERE);
        }
        if reattached.renumbered > 0 {
            let what = format!(
                "Folders with another sequence number than their files say: {}.",
                reattached.renumbered
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
            let what = format!("Files and folders that lost the folder above: {}.", mended.orphans);
            self.add("ntfs-orphans", Severity::Warning, what, found, look);
        }
        if mended.nameless > 0 {
            let what =
                format!("{} without a name.", units::count(mended.nameless, "file", "files"));
            self.add("ntfs-nameless", Severity::Damage, what, found, look);
        }
        if mended.circles > 0 {
            let what =
                format!("Folders that contain themselves or nest too deep: {}.", mended.circles);
            self.add("ntfs-circles", Severity::Warning, what, found, look);
        }
        if mended.second_names > 0 {
            let what = format!("Folders with a second name: {}.", mended.second_names);
            let meaning = "They are listed once. Nothing in them is missing.";
            self.add("ntfs-second-names", Severity::Warning, what, meaning, "Nothing.");
        }
        if mended.same_names > 0 {
            let what = format!(
                "Files with the name of another file in the same folder: {}.",
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
