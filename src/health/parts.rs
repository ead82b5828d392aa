//! Checks that all parts of a store are present, in the right place, with their
//! marker files.

use super::codes::{
    CATALOG_EMPTY, CATALOG_MISSING, DRIVE_UNKNOWN, ESTIMATE_ONLY, FILE_FOLDER_MISSING,
    HARDLINK_MAIN_UNREADABLE, MARKER_ZEROS, MIGSTATE_EMPTY, MIGSTATE_MISSING, PARTS_UNKNOWN,
    PRIMARY_MISSING, SECONDARY_FOREIGN, SECONDARY_GUID, SECONDARY_MISPLACED, SECONDARY_MISSING,
    STATUS_MISSING, STATUS_NOT_EMPTY, STORE_PATH_LONG,
};
use crate::model::finding::Finding;
use crate::usmt::layout::{CATALOG, HARDLINK_MAIN, MIGSTATE};
use crate::usmt::{DriveFrom, Lack, Part, Role, Store, StoreKind};

/// The longest store path that loadstate accepts, in characters (its code 12).
const LONGEST_STORE_PATH: usize = 256;

/// The missing and possibly missing parts of a store: one finding for each
/// [`Lack`], one for each part whose GUID differs from the list, and one if the
/// list of parts cannot be read. `closed` are the volumes that could not be
/// read, for display.
pub fn missing_parts(store: &Store, closed: &[String]) -> Vec<Finding> {
    let finding = |lack: &Lack| match lack {
        Lack::Primary => {
            let what = "a secondary part of a hard-link store; its primary part was not found";
            PRIMARY_MISSING.at(store.display(), what)
        }
        Lack::Drive(drive) => {
            let what = format!(
                "hardlink.main lists a part on drive {drive}:, which was not found (the file's \
                 format is inferred)"
            );
            SECONDARY_MISSING.at(store.display(), what)
        }
        Lack::Unknown(_) => PARTS_UNKNOWN.at(store.display(), lack.to_string()),
    };
    let mut found: Vec<Finding> = store.lacks(closed).iter().map(finding).collect();
    for misfit in &store.misfits {
        let own = match &*misfit.guid {
            "" => "has no GUID".to_owned(),
            guid => format!("has the GUID {guid}"),
        };
        let what = format!(
            "hardlink.main lists another GUID for drive {}: than this part, which {own} (the \
             file's format is inferred)",
            misfit.drive
        );
        found.push(SECONDARY_GUID.at(&misfit.path, what));
    }
    let primary = store.parts.iter().find(|part| part.role == Role::Primary);
    if let Some(marker) = primary.and_then(|part| part.markers.hardlink_main)
        && !store.knows_parts
    {
        let what = match marker.size {
            0 => "hardlink.main is empty",
            _ => "hardlink.main is not a list of drives and GUIDs (inferred)",
        };
        found.push(HARDLINK_MAIN_UNREADABLE.at(store.display() + "\\hardlink.main", what));
    }
    found
}

/// Checks the store as a whole.
pub(super) fn check(store: &Store, closed: &[String], say: &mut dyn FnMut(Finding)) {
    if store.kind == StoreKind::Estimate {
        let what = "only USMTSIZE.TXT: an estimate made by scanstate /p";
        return say(ESTIMATE_ONLY.at(store.display(), what));
    }
    missing_parts(store, closed).into_iter().for_each(&mut *say);
    for (path, guid) in &store.strangers {
        let what = format!(
            "a secondary part at this store's path that hardlink.main does not list (its GUID is \
             {guid})"
        );
        say(SECONDARY_FOREIGN.at(path, what));
    }
    let primary = store.parts.iter().find(|part| part.role == Role::Primary);
    for part in &store.parts {
        // loadstate accepts a store of any other kind from anywhere.
        if store.kind == StoreKind::HardLink && part.drive.from == DriveFrom::Unknown {
            let what = format!("the drive letter that {} had is not known", part.volume_display);
            say(DRIVE_UNKNOWN.at(part.windows_path(), what));
        }
        let length = part.store_path().on_drive(&part.drive.name()).encode_utf16().count();
        if length > LONGEST_STORE_PATH {
            let what = format!("the store path has {length} characters");
            say(STORE_PATH_LONG.at(part.windows_path(), what));
        }
        let Some(primary) = primary.filter(|_| part.role == Role::Secondary) else { continue };
        let (own, first) = (part.usmt_path.to_string(), primary.usmt_path.to_string());
        if !own.eq_ignore_ascii_case(&first) {
            let what = format!("the primary part is at {}", primary.windows_path());
            say(SECONDARY_MISPLACED.at(part.windows_path(), what));
        }
    }
}

/// Checks the files that mark a folder as a store that is not compressed.
pub(super) fn check_markers(part: &Part, say: &mut dyn FnMut(Finding)) {
    let at = part.windows_path();
    let markers = &part.markers;
    if part.role != Role::Secondary {
        for (marker, missing, empty, name) in [
            (markers.catalog, &CATALOG_MISSING, &CATALOG_EMPTY, "catalog.mig"),
            (markers.migstate, &MIGSTATE_MISSING, &MIGSTATE_EMPTY, "MIGSTATE.DAT"),
        ] {
            let (code, state) = match marker {
                None => (missing, "missing"),
                Some(marker) if marker.size == 0 => (empty, "empty"),
                Some(_) => continue,
            };
            say(code.at(format!("{at}\\{name}"), format!("{name} is {state}")));
        }
        let status = format!("{at}\\status.~lg");
        match markers.status {
            None => say(STATUS_MISSING.at(status, "status.~lg is missing")),
            Some(marker) if marker.size > 0 => {
                let what = format!("status.~lg has {} bytes", marker.size);
                say(STATUS_NOT_EMPTY.at(status, what));
            }
            Some(_) => {}
        }
    }
    if markers.file_folder.is_none() {
        say(FILE_FOLDER_MISSING.at(format!("{at}\\File"), "the File folder is missing"));
    }
}

/// As much of a marker file is read by the quick check.
const LOOKED_AT: u64 = 16 << 20;

/// Looks for marker files that hold nothing but zeros: what a disk returns that has lost them.
/// Stops at the first other byte, so that a sound file costs one read.
pub(super) fn check_zeros(part: &Part, say: &mut dyn FnMut(Finding)) {
    let markers = &part.markers;
    let single = [
        (markers.catalog, CATALOG),
        (markers.migstate, MIGSTATE),
        (markers.hardlink_main, HARDLINK_MAIN),
    ];
    let single = single.into_iter().filter_map(|(marker, name)| Some((marker?, name)));
    let containers = markers.containers.iter().map(|(name, marker)| (*marker, name.as_str()));
    let mut block = vec![0; 64 << 10];
    for (marker, name) in single.chain(containers) {
        let mut zeros = 0_u64;
        // What cannot be read is a finding of its own.
        let Ok(mut stream) = part.tree.open(marker.node, None) else { continue };
        while let Ok(read @ 1..) = stream.read(&mut block) {
            let is_zeros = block.iter().take(read).all(|byte| *byte == 0);
            if !is_zeros || !stream.holes().is_empty() {
                zeros = 0;
                break;
            }
            zeros = zeros.saturating_add(read as u64);
            if zeros >= LOOKED_AT {
                break;
            }
        }
        if zeros > 0 && zeros >= marker.size.min(LOOKED_AT) {
            let at = format!("{}\\{name}", part.windows_path());
            let what = if zeros >= marker.size {
                format!("all of its {} bytes are zeros", marker.size)
            } else {
                format!("its first {zeros} bytes are zeros")
            };
            say(MARKER_ZEROS.at(at, what));
        }
    }
}
