//! The same volume twice: a clone beside its original, half of a mirror, a
//! volume that was moved.

use std::collections::BTreeMap;

use crate::model::finding::{Finding, Severity};
use crate::model::monitor::Monitor;
use crate::usmt::StoreVolume;

/// How many volumes the finding names.
const MAX_NAMED: usize = 6;

/// Reports volumes with the same NTFS serial number, all in one finding. Windows
/// makes a random one of 64 bits when it formats.
pub(crate) fn check_clones(volumes: &[StoreVolume], monitor: &dyn Monitor) {
    let mut by_serial: BTreeMap<u64, Vec<&str>> = BTreeMap::new();
    for volume in volumes {
        if let Some(serial) = volume.tree.info().serial.filter(|serial| *serial != 0) {
            by_serial.entry(serial).or_default().push(&volume.display);
        }
    }
    let twice: Vec<&str> =
        by_serial.into_values().filter(|group| group.len() > 1).flatten().collect();
    let Some(first) = twice.first() else { return };
    let named = twice.iter().take(MAX_NAMED).copied().collect::<Vec<_>>().join("; ");
    let more = twice.len().saturating_sub(MAX_NAMED);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    monitor.finding(&Finding {
        code: "volume-twice",
        severity: Severity::Warning,
        path: (*first).to_owned(),
        what: format!("these volumes have the same serial number: {named}{more}"),
        meaning: "One is a copy of the other: a cloned disk, half a mirror, or a moved volume. \
                  Each copy of a store is listed, with its parts from one disk if possible."
            .to_owned(),
        action: "Rescue every copy: they may differ. Restore only one of them.".to_owned(),
    });
}
