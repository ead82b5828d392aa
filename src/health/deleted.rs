//! Finds stores that were deleted completely, from what the volume's records
//! still show. This requires a volume that is read from the device.

use std::collections::BTreeMap;

use crate::model::finding::{Finding, Severity};
use crate::model::monitor::Monitor;
use crate::model::name::{NtName, NtPath};
use crate::ntfs::{DeletedFile, Readable};
use crate::usmt::{Store, StoreVolume, is_container_name};

const NO_WRITES: &str = "Do not write to this disk. Make an image of it; an undelete tool may \
                         recover what is readable.";

/// Finds deleted stores on volumes that have no store now.
pub fn check_deleted_stores(
    volumes: &[StoreVolume],
    stores: &[Store],
    monitor: &dyn Monitor,
) -> Vec<Finding> {
    let has_part = |volume: usize| {
        stores.iter().flat_map(|store| &store.parts).any(|part| part.volume == volume)
    };
    let mut findings = Vec::new();
    for (_, volume) in volumes.iter().enumerate().filter(|(number, _)| !has_part(*number)) {
        let wanted = |path: &NtPath| store_folder(path).is_some();
        let Ok(files) = volume.tree.deleted(&wanted, monitor) else { continue };
        let mut folders: BTreeMap<Vec<NtName>, Vec<DeletedFile>> = BTreeMap::new();
        for file in files {
            if let Some(folder) = store_folder(&file.path) {
                folders.entry(folder.to_vec()).or_default().push(file);
            }
        }
        for (folder, mut files) in folders {
            if !files.iter().any(|file| is_marker(&file.path, folder.len())) {
                continue;
            }
            files.retain(|file| !file.is_directory);
            let path: NtPath = folder.into_iter().collect();
            let finding = Finding {
                code: "deleted-store",
                severity: Severity::Warning,
                path: format!("{}: {path}", volume.display),
                what: format!(
                    "a store was deleted here, by the wipe or before it: {}",
                    Count::of(&files).text("files")
                ),
                meaning: "loadstate cannot use it. It may have been only a part of a store.".into(),
                action: NO_WRITES.into(),
            };
            monitor.finding(&finding);
            findings.push(finding);
        }
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
pub(super) fn left(file: &DeletedFile) -> &'static str {
    match file.readable {
        Readable::Whole => "still readable",
        Readable::Part(_) => "readable in part",
        Readable::Nothing => "overwritten",
        Readable::Unknown => "it is not known whether it is still readable",
    }
}

/// How much there was, and what is left.
#[derive(Default)]
struct Count {
    files: u64,
    bytes: u64,
    whole: u64,
    part: u64,
}

impl Count {
    fn of(files: &[DeletedFile]) -> Self {
        let mut count = Self::default();
        for file in files {
            count.files += 1;
            count.bytes = count.bytes.saturating_add(file.size);
            count.whole += u64::from(file.readable == Readable::Whole);
            count.part += u64::from(matches!(file.readable, Readable::Part(_)));
        }
        count
    }

    fn text(&self, files: &str) -> String {
        let Self { files: number, bytes, whole, part } = self;
        format!("{number} {files}, {bytes} bytes; {whole} still readable, {part} in part")
    }
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
