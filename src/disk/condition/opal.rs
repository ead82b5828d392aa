//! Whether a disk that encrypts by itself is locked: TCG's "Level 0 Discovery" (TCG Storage
//! Architecture Core Specification, 3.3.6; Opal SSC, locking feature), which every such disk
//! answers without a password.
#![cfg_attr(not(target_os = "linux"), allow(dead_code))]

use super::Lock;

/// The descriptor of the locking feature.
const LOCKING: u16 = 0x0002;

/// By the answer to the discovery. Numbers are big-endian.
pub(super) fn lock(answer: &[u8]) -> Option<Lock> {
    let word = |at: usize| Some(u16::from_be_bytes([*answer.get(at)?, *answer.get(at + 1)?]));
    // 48 bytes of header; its first field is the length of what follows it.
    let len = (usize::from(word(0)?) << 16) + usize::from(word(2)?) + 4;
    let mut at = 48;
    while at < len.min(answer.len()) {
        let (code, size) = (word(at)?, usize::from(*answer.get(at + 3)?));
        if code == LOCKING {
            let bits = *answer.get(at + 4)?;
            let has = |bit: u8| bits & (1 << bit) != 0;
            // 1 enabled, 2 locked, 4 shadow MBR enabled, 5 shadow MBR done.
            return match (has(1), has(2), has(4) && !has(5)) {
                (true, _, true) => Some(Lock::OpalShadow),
                (true, true, false) => Some(Lock::Opal),
                _ => None,
            };
        }
        at += 4 + size;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(bits: u8) -> Vec<u8> {
        let mut answer = vec![0_u8; 512];
        // The TPer feature, then the locking feature, 12 bytes each.
        answer[3] = 44 + 16 * 2;
        answer[48..52].copy_from_slice(&[0x00, 0x01, 0x10, 12]);
        answer[64..69].copy_from_slice(&[0x00, 0x02, 0x10, 12, bits]);
        answer
    }

    #[test]
    fn a_disk_is_locked_by_the_bits_of_the_locking_feature() {
        for (bits, lock_is) in [
            (0b00_1001, None),                   // supported, not enabled
            (0b00_1011, None),                   // enabled, unlocked
            (0b00_1111, Some(Lock::Opal)),       // locked
            (0b01_1111, Some(Lock::OpalShadow)), // and its start program is shown
            (0b11_1011, None),                   // unlocked since
        ] {
            assert_eq!(lock(&answer(bits)), lock_is, "{bits:#b}");
        }
        assert_eq!(lock(&[]), None);
        assert_eq!(lock(&[0xFF; 60]), None);
        assert_eq!(lock(&vec![0; 512]), None);
    }
}
