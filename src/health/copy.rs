//! A store that somebody copied by hand: what a copy lacks, as far as the place
//! that it was copied to tells.

use crate::tree::Via;
use crate::usmt::{Store, StoreKind};

use crate::model::finding::{Finding, Severity};

/// Looks at where the store's parts lie. On NTFS, or read from the device,
/// nothing can be told from a store that was captured there.
pub(super) fn check(store: &Store, say: &mut dyn FnMut(Finding)) {
    for part in &store.parts {
        let info = part.tree.info();
        let system = info.file_system.as_str();
        let is_ntfs = system.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("NTFS"));
        if info.via != Via::Host || is_ntfs || system.is_empty() {
            continue;
        }
        let path = part.windows_path();
        if store.kind == StoreKind::HardLink {
            say(Finding {
                code: "copy-hardlink",
                severity: Severity::Warning,
                path: path.clone(),
                what: format!("a hard-link store on {system}: it was copied there by hand"),
                meaning: "A copy holds files, not links. loadstate wants it on NTFS.".into(),
                action: "Offload the copy, then restore it to its own drive and path.".into(),
            });
        }
        // A container has everything inside it.
        if matches!(store.kind, StoreKind::HardLink | StoreKind::Uncompressed) {
            say(Finding {
                code: "copy-facts",
                severity: Severity::Warning,
                path,
                what: format!("{system} shows no Windows owners, rights, attributes, streams"),
                meaning: "loadstate cannot bring back what the copy did not keep.".into(),
                action: "Offload from the disk itself, where it is still to be had.".into(),
            });
        }
    }
}
