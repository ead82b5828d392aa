//! Finds stores that were deleted completely, from what the volume's records
//! still show. This requires a volume that is read from the device.

use std::collections::BTreeMap;

use crate::model::finding::{Finding, Severity};
use crate::model::monitor::Monitor;
use crate::model::name::{NtName, NtPath};
use crate::model::recovered::{Certainty, RecoveredCount};
use crate::model::units;
use crate::ntfs::DeletedFile;
use crate::usmt::{Store, StoreVolume, is_container_name};

const NO_WRITES: &str = "Do not write to this disk. Make an image of it; offload --deleted saves \
                         what is readable.";

/// A store that was deleted as a whole.
pub struct DeletedStore {
    /// The index of its volume.
    pub volume: usize,
    /// Its `USMT` folder.
    pub path: NtPath,
    /// Its files and folders.
    pub files: Vec<DeletedFile>,
}

/// Finds deleted stores on volumes that have no store now.
pub fn deleted_stores(
    volumes: &[StoreVolume],
    stores: &[Store],
    monitor: &dyn Monitor,
) -> Vec<DeletedStore> {
    let has_part = |volume: usize| {
        stores.iter().flat_map(|store| &store.parts).any(|part| part.volume == volume)
    };
    let mut found = Vec::new();
    for (number, volume) in volumes.iter().enumerate().filter(|(number, _)| !has_part(*number)) {
        let wanted = |path: &NtPath| store_folder(path).is_some();
        let Ok(files) = volume.tree.deleted(&wanted, monitor) else { continue };
        let mut folders: BTreeMap<Vec<NtName>, Vec<DeletedFile>> = BTreeMap::new();
        for file in files {
            if let Some(folder) = store_folder(&file.path()) {
                folders.entry(folder.to_vec()).or_default().push(file);
            }
        }
        for (folder, files) in folders {
            if files.iter().any(|file| is_marker(&file.path(), folder.len())) {
                let path = folder.into_iter().collect();
                found.push(DeletedStore { volume: number, path, files });
            }
        }
    }
    found
}

/// Reports deleted stores on volumes that have no store now.
pub(crate) fn check_deleted_stores(
    volumes: &[StoreVolume],
    stores: &[Store],
    monitor: &dyn Monitor,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for DeletedStore { volume, path, mut files } in deleted_stores(volumes, stores, monitor) {
        files.retain(|file| !file.is_directory);
        let display = volumes.get(volume).map_or("", |volume| volume.display.as_str());
        let finding = Finding {
            code: "deleted-store",
            severity: Severity::Warning,
            path: format!("{display}: {path}"),
            what: format!(
                "a store was deleted here, by the wipe or before it: {}",
                count_words(&files)
            ),
            meaning: "loadstate cannot use it. It may have been only a part of a store.".into(),
            action: NO_WRITES.into(),
        };
        monitor.finding(&finding);
        findings.push(finding);
    }
    findings
}

/// The path of the `USMT` folder that a path is below.
fn store_folder(path: &NtPath) -> Option<&[NtName]> {
    let names = path.names();
    let is_it = |n: &NtName| n.eq_ignore_ascii_case("USMT") || n.eq_ignore_ascii_case("USMT3");
    let at = names.iter().position(is_it)?;
    (at + 1 < names.len()).then(|| &names[..=at])
}

/// Whether the file, `depth` folders down, marks its folder as a store.
fn is_marker(path: &NtPath, depth: usize) -> bool {
    let [name] = path.names().get(depth..).unwrap_or_default() else { return false };
    let name = name.to_string_lossy().to_ascii_lowercase();
    ["catalog.mig", "migstate.dat", "file"].contains(&name.as_str())
        || name.starts_with("hardlink.")
        || is_container_name(&name)
}

/// What can still be read of a file.
pub(super) fn left(file: &DeletedFile) -> String {
    match (file.certainty(), file.doubt) {
        (Certainty::Sure, _) => "still readable".to_owned(),
        (Certainty::Likely, _) => "likely still readable".to_owned(),
        (Certainty::Unproven, Some(doubt)) => format!("readable, but not sure: {}", doubt.why()),
        (Certainty::Unproven, None) => "it is not known whether it is still readable".to_owned(),
        (Certainty::Part, _) => "readable in part".to_owned(),
        (Certainty::Overwritten, _) => "overwritten".to_owned(),
    }
}

/// How much there was, and what is left.
fn count_words(files: &[DeletedFile]) -> String {
    let mut count = RecoveredCount::default();
    for file in files {
        count.add(file.certainty(), file.size);
    }
    let RecoveredCount { files, bytes, sure, likely, unproven, part, .. } = count;
    let readable = sure + likely;
    let not_sure = if unproven > 0 { format!(", {unproven} not sure") } else { String::new() };
    let files = units::count(files, "file", "files");
    format!("{files}, {bytes} bytes; {readable} still readable{not_sure}, {part} in part")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_told_by_its_markers() {
        let folder = |path: &str| store_folder(&path.into()).map(<[NtName]>::len);
        assert_eq!(folder("StateStore/usmt/catalog.mig"), Some(2));
        assert_eq!(folder("StateStore/USMT/File/C$/USMT/a"), Some(2));
        assert_eq!(folder("StateStore/USMT"), None);
        assert_eq!(folder("StateStore/catalog.mig"), None);
        assert!(is_marker(&"S/USMT/USMT.MIG01".into(), 2));
        assert!(is_marker(&"S/USMT/hardlink.main".into(), 2));
        assert!(!is_marker(&"S/USMT/File/catalog.mig".into(), 2));
        assert!(!is_marker(&"S/USMT/readme.txt".into(), 2));
    }
}
