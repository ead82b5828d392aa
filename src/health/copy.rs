//! Checks for a manually copied store: what the copy has lost, judging by the
//! file system that it is on.

use crate::model::finding::{Finding, Severity};
use crate::usmt::{Store, StoreKind};

/// Checks the file systems of the store's parts. A copy on NTFS looks like a
/// captured store.
pub(super) fn check(store: &Store, say: &mut dyn FnMut(Finding)) {
    for part in &store.parts {
        let info = part.tree.info();
        let system = info.file_system.as_str();
        let is_ntfs = system.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("NTFS"));
        if is_ntfs || system.is_empty() {
            continue;
        }
        let path = part.windows_path();
        if store.kind == StoreKind::HardLink {
            say(Finding {
                code: "copy-hardlink",
                severity: Severity::Warning,
                path: path.clone(),
                what: format!("a hard-link store on {system}: it was copied there manually"),
                meaning: "The copy has files, not links. loadstate requires NTFS.".into(),
                action: "Offload the copy, then restore it to its original drive and path.".into(),
            });
        }
        // A container has everything inside it.
        if matches!(store.kind, StoreKind::HardLink | StoreKind::Uncompressed) {
            say(Finding {
                code: "copy-facts",
                severity: Severity::Warning,
                path,
                what: format!(
                    "{system} has no Windows owners, permissions, attributes or alternate data \
                     streams"
                ),
                meaning: "loadstate cannot restore what the copy did not keep.".into(),
                action: "Offload from the original disk, if you still have it.".into(),
            });
        }
    }
}
