//! What smartctl (smartmontools 7) says, by its JSON.
#![cfg_attr(not(target_os = "linux"), allow(dead_code))]

use serde_json::Value;

use super::{Condition, Lock};

/// A raw value above this is several counts in one, or nonsense.
const MOST: u64 = 10_000_000;

/// By the output of `smartctl --json -i -H -A -g security`.
pub(super) fn condition(output: &[u8]) -> Option<Condition> {
    let all: Value = serde_json::from_slice(output).ok()?;
    let number = |path: &str| all.pointer(path).and_then(Value::as_u64);
    let mut condition = Condition {
        failing: all.pointer("/smart_status/passed").and_then(Value::as_bool).map(|good| !good),
        critical_warning: number("/nvme_smart_health_information_log/critical_warning")
            .and_then(|bits| u8::try_from(bits).ok()),
        uncorrectable: number("/nvme_smart_health_information_log/media_errors"),
        reallocated: number("/scsi_grown_defect_list"),
        ..Condition::default()
    };
    let table = all.pointer("/ata_smart_attributes/table").and_then(Value::as_array);
    for entry in table.into_iter().flatten() {
        let raw = entry.pointer("/raw/value").and_then(Value::as_u64).filter(|raw| *raw < MOST);
        match entry.get("id").and_then(Value::as_u64) {
            Some(5) => condition.reallocated = raw,
            Some(197) => condition.pending = raw,
            Some(198) => condition.uncorrectable = raw,
            _ => {}
        }
    }
    // The state is word 128 of the identify data; its text says "locked" or "not locked".
    let state = number("/ata_security/state");
    if state.is_some_and(|state| state & 0b111 == 0b111) {
        condition.lock = Some(Lock::AtaPassword);
    }
    if condition != Condition::default() {
        condition.from = "smartctl";
    }
    Some(condition)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::condition::Health;

    #[test]
    fn an_ata_disks_attributes_are_counted() {
        let output = br#"{"smart_status":{"passed":true},"ata_smart_attributes":{"table":[
            {"id":5,"name":"Reallocated_Sector_Ct","raw":{"value":12,"string":"12"}},
            {"id":197,"name":"Current_Pending_Sector","raw":{"value":3,"string":"3"}},
            {"id":198,"raw":{"value":281474976710655,"string":"-"}}]},
            "ata_security":{"state":33,"string":"Disabled, NOT FROZEN [SEC1]"}}"#;
        let condition = condition(output).unwrap();
        assert_eq!((condition.reallocated, condition.pending), (Some(12), Some(3)));
        assert_eq!((condition.uncorrectable, condition.lock), (None, None));
        assert_eq!(condition.health(), Health::Critical);
    }

    #[test]
    fn a_disk_that_smartctl_cannot_ask_is_unknown() {
        let output =
            br#"{"smartctl":{"exit_status":1,"messages":[{"string":"Unable to detect"}]}}"#;
        assert_eq!(condition(output).unwrap().health(), Health::Unknown);
        assert!(condition(b"not JSON").is_none());
    }
}
