//! What an ATA disk's own tables say.
#![cfg_attr(not(any(windows, target_os = "linux")), allow(dead_code))]

use super::Lock;
use crate::model::bytes::{slice, u16_at};

/// By word 128 of the identify data (ATA/ATAPI Command Set, "IDENTIFY DEVICE", security status).
pub(super) fn lock(identify: &[u8]) -> Option<Lock> {
    let word = u16_at(identify, 128 * 2)?;
    // Supported, enabled, locked.
    (word & 0b111 == 0b111).then_some(Lock::AtaPassword)
}

/// The counts of reallocated, pending and uncorrectable sectors in the 512 bytes of SMART data:
/// 30 entries of 12 bytes from byte 2 on, each an id and, from its byte 5, a raw value of 6 bytes.
/// The last byte of all makes their sum 0. The ids are the makers' custom (5, 197, 198).
#[cfg_attr(not(windows), allow(dead_code))]
pub(super) fn counts(data: &[u8]) -> Option<[Option<u64>; 3]> {
    let data = slice(data, 0, 512)?;
    let sum = data.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    if sum != 0 || data.iter().all(|byte| *byte == 0) {
        return None;
    }
    let entries = data.get(2..362)?.chunks_exact(12);
    let raw = |wanted: u8| {
        let entry = entries.clone().find(|entry| entry.first() == Some(&wanted))?;
        // The upper two bytes are other counts in some disks.
        let low = entry.get(5..9)?;
        Some(low.iter().rev().fold(0_u64, |value, byte| value << 8 | u64::from(*byte)))
    };
    Some([raw(5), raw(197), raw(198)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_that_is_set_and_was_not_given_locks() {
        let mut identify = [0_u8; 512];
        for (status, locked) in [(0x0007, true), (0x0009, false), (0x0003, false), (0x0021, false)]
        {
            identify[256..258].copy_from_slice(&u16::to_le_bytes(status));
            assert_eq!(lock(&identify).is_some(), locked, "{status:#x}");
        }
        assert_eq!(lock(&identify[..100]), None);
    }

    #[test]
    fn counts_are_read_from_a_table_that_adds_up() {
        let mut data = [0_u8; 512];
        for (slot, (id, raw)) in [(1_u8, 9_u8), (5, 12), (197, 3), (198, 0)].into_iter().enumerate()
        {
            let entry = &mut data[2 + slot * 12..][..12];
            (entry[0], entry[5]) = (id, raw);
        }
        assert_eq!(counts(&data), None, "it does not add up");
        let sum = data.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
        data[511] = sum.wrapping_neg();
        assert_eq!(counts(&data), Some([Some(12), Some(3), Some(0)]));
        assert_eq!(counts(&[0; 512]), None);
    }
}
