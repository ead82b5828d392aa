//! Where directory indexes disagree with the file records. Nothing is missing
//! from Lifeboat's view because of that, but Windows and `loadstate` go by the
//! indexes.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::model::finding::{Finding, Severity};
use crate::model::monitor::{Monitor, Progress};
use crate::model::name::NtName;
use crate::ntfs::catalog::{Catalog, Folder, is_system};
use crate::ntfs::ondisk::record::known;
use crate::ntfs::read::file::File;
use crate::ntfs::read::index::{self, Listing};
use crate::ntfs::read::volume::Volume;

/// Findings beyond this number are only counted.
const MAX_FINDINGS: usize = 200;
/// Names that a finding lists.
const MAX_NAMED: usize = 8;

const CHKDSK: &str = "Copy first. chkdsk can mend the index when the copy is safe.";

/// Compares every directory's index with what the records say.
pub(crate) fn check(
    source: &str,
    volume: &Arc<Volume>,
    catalog: &Catalog,
    monitor: &dyn Monitor,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut more = 0_u64;
    let directories = catalog.directories().map(|(entry, _)| entry.record);
    for (files, record) in (1..).zip(directories.filter(|record| !is_system(*record))) {
        if monitor.is_cancelled() {
            break;
        }
        monitor.progress(Progress { files, ..Progress::default() });
        for finding in check_one(volume, catalog, record) {
            if findings.len() < MAX_FINDINGS {
                findings.push(finding);
            } else {
                more += 1;
            }
        }
    }
    if more > 0 {
        findings.push(Finding {
            code: "ntfs-index-more",
            severity: Severity::Warning,
            path: source.to_owned(),
            what: format!("{more} more disagreements between folders and their files."),
            meaning: "The volume is badly damaged.".into(),
            action: CHKDSK.into(),
        });
    }
    findings
}

fn check_one(volume: &Arc<Volume>, catalog: &Catalog, record: u32) -> Vec<Finding> {
    let path = catalog.paths(record).first().map(ToString::to_string).unwrap_or_default();
    let extensions = || catalog.extensions(record);
    let listing = File::load(volume, u64::from(record), &extensions)
        .and_then(|file| index::list(volume, &file))
        .unwrap_or_else(|error| Listing { names: Vec::new(), damage: vec![error.to_string()] });
    let finding = |code, severity, what, meaning: &str| Finding {
        code,
        severity,
        path: path.clone(),
        what,
        meaning: meaning.into(),
        action: CHKDSK.into(),
    };
    let mut findings = Vec::new();
    if let Some(first) = listing.damage.first() {
        let what = format!("The folder's index is damaged: {first}.");
        let meaning = "Windows cannot list this folder. Lifeboat lists it from the file records.";
        findings.push(finding("ntfs-index-damaged", Severity::Warning, what, meaning));
    }
    let mut theirs: BTreeSet<_> =
        listing.names.into_iter().map(|(name, file)| (name, file.number())).collect();
    // The root lists itself.
    theirs.retain(|(_, file)| *file != known::ROOT);
    let ours = catalog.names_in(Folder::Record(record));
    let forgot = differing(&ours, &theirs);
    if !forgot.is_empty() {
        let what = format!("The folder's index lacks {}.", listed(&forgot));
        let meaning = "Windows does not see them. Lifeboat does, by their file records.";
        findings.push(finding("ntfs-index-forgot", Severity::Warning, what, meaning));
    }
    let stale = differing(&theirs, &ours);
    if !stale.is_empty() {
        let what = format!("The folder's index lists {} that are not there.", listed(&stale));
        let meaning = "Windows shows files that it cannot open, or opens others for them.";
        findings.push(finding("ntfs-index-stale", Severity::Warning, what, meaning));
    }
    findings
}

fn differing<'a>(
    a: &'a BTreeSet<(NtName, u64)>,
    b: &'a BTreeSet<(NtName, u64)>,
) -> Vec<&'a NtName> {
    a.difference(b).map(|(name, _)| name).collect()
}

fn listed(names: &[&NtName]) -> String {
    let mut list: Vec<_> = names.iter().take(MAX_NAMED).map(ToString::to_string).collect();
    if names.len() > MAX_NAMED {
        list.push("...".into());
    }
    let noun = if names.len() == 1 { "name" } else { "names" };
    format!("{} {noun} ({})", names.len(), list.join(", "))
}
