//! The SMART / health log of an NVMe disk (NVM Express Base Specification, log page 02h).

use super::Condition;

/// What a critical warning says, in a few words.
pub(super) fn warning(bits: u8) -> String {
    const WORDS: [&str; 6] = [
        "spare blocks are used up",
        "too hot or too cold",
        "reliability is degraded",
        "the disk is read-only",
        "its memory backup failed",
        "its persistent memory is read-only",
    ];
    let set = WORDS.iter().enumerate().filter(|(bit, _)| bits & (1 << bit) != 0);
    let words: Vec<&str> = set.map(|(_, word)| *word).collect();
    if words.is_empty() { format!("{bits:#04x}") } else { words.join(", ") }
}

/// By the first bytes of the log.
#[cfg_attr(not(windows), allow(dead_code))] // Linux asks smartctl
pub(super) fn condition(log: &[u8]) -> Option<Condition> {
    // Critical warning at 0, media errors (16 bytes) at 160.
    let errors = log.get(160..176)?.iter().rev();
    let errors = errors.fold(0_u128, |value, byte| value << 8 | u128::from(*byte));
    // A log of zeros is none: a disk that works has a temperature.
    if log.iter().all(|byte| *byte == 0) {
        return None;
    }
    Some(Condition {
        from: "NVMe health log",
        critical_warning: log.first().copied(),
        uncorrectable: Some(u64::try_from(errors).unwrap_or(u64::MAX)),
        ..Condition::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::condition::Health;

    #[test]
    fn the_log_is_read_by_the_specification() {
        let mut log = [0_u8; 512];
        assert_eq!(condition(&log), None);
        log[1..3].copy_from_slice(&310_u16.to_le_bytes());
        assert_eq!(condition(&log).unwrap().health(), Health::Good);
        log[160] = 2;
        let condition = condition(&log).unwrap();
        assert_eq!((condition.uncorrectable, condition.health()), (Some(2), Health::Critical));
        assert_eq!(warning(0b101), "spare blocks are used up, reliability is degraded");
        assert_eq!(warning(0x80), "0x80");
        assert!(super::condition(&log[..100]).is_none());
    }
}
