//! Checks whether bytes are a security descriptor. Windows takes one without its
//! length, so one that points beyond its end must never get there.

use crate::model::bytes::{u16_at, u32_at};

/// `SE_DACL_PRESENT`, `SE_SACL_PRESENT`, `SE_SELF_RELATIVE` (MS-DTYP 2.4.6).
const DACL_PRESENT: u16 = 0x4;
const SACL_PRESENT: u16 = 0x10;
const SELF_RELATIVE: u16 = 0x8000;

/// Whether this is a self-relative descriptor whose parts lie within it
/// (MS-DTYP 2.4.6).
pub(super) fn is_whole(bytes: &[u8]) -> bool {
    let Some(control) = u16_at(bytes, 2) else { return false };
    let part = |field: usize, is_there: bool, is_good: fn(&[u8]) -> bool| {
        let Some(at) = u32_at(bytes, field) else { return false };
        // The header has 20 bytes; nothing may lie in it.
        at == 0 || !is_there || (at >= 20 && bytes.get(at as usize..).is_some_and(is_good))
    };
    bytes.first() == Some(&1)
        && control & SELF_RELATIVE != 0
        && part(4, true, is_sid)
        && part(8, true, is_sid)
        && part(12, control & SACL_PRESENT != 0, is_list)
        && part(16, control & DACL_PRESENT != 0, is_list)
}

/// A SID at the start of these bytes (MS-DTYP 2.4.2.2).
fn is_sid(bytes: &[u8]) -> bool {
    match bytes {
        [1, count @ 0..=15, ..] => bytes.len() >= 8 + 4 * usize::from(*count),
        _ => false,
    }
}

/// An access list at the start of these bytes (MS-DTYP 2.4.5).
fn is_list(bytes: &[u8]) -> bool {
    let (Some(size), Some(count)) = (u16_at(bytes, 2), u16_at(bytes, 4)) else { return false };
    let Some(list) = bytes.get(..usize::from(size)) else { return false };
    let Some(mut rest) = list.get(8..) else { return false };
    for _ in 0..count {
        // MS-DTYP 2.4.4.1: type, flags, size of the whole entry.
        let Some(entry) = u16_at(rest, 2).map(usize::from).filter(|size| *size >= 4) else {
            return false;
        };
        let Some(next) = rest.get(entry..) else { return false };
        rest = next;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Owner and group SYSTEM, a list with one entry for Administrators.
    fn good() -> Vec<u8> {
        let system = [1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0];
        let mut sd = vec![1, 0, 4, 0x80];
        for offset in [20u32, 32, 0, 44] {
            sd.extend(offset.to_le_bytes());
        }
        sd.extend(system);
        sd.extend(system);
        sd.extend([2, 0, 32, 0, 1, 0, 0, 0, 0, 3, 24, 0, 0xFF, 0x01, 0x1F, 0x00]);
        sd.extend([1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 32, 2, 0, 0]);
        sd
    }

    #[test]
    fn a_whole_one_passes_and_a_cut_one_does_not() {
        let good = good();
        assert!(is_whole(&good));
        for cut in 0..good.len() {
            assert!(!is_whole(&good[..cut]), "cut at {cut}");
        }
    }

    #[test]
    fn what_points_beyond_the_end_is_refused() {
        for (at, value) in
            [(4, 70), (4, 8), (16, 0xFF), (46, 33), (48, 2), (54, 25), (54, 3), (21, 15)]
        {
            let mut bad = good();
            bad[at] = value;
            assert!(!is_whole(&bad), "{value} at {at}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged(bytes: Vec<u8>) {
            is_whole(&bytes);
        }
    }
}
