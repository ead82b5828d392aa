//! The maps of a conversion: a device whose first bytes are the descriptor. All checksums are put
//! right. What the maps cover is in order, without overlaps.

use lifeboat::disk::MemoryDevice;
use lifeboat::disk::bitlocker::EowMaps;

/// CRC-32, with the four bytes at `zeros` as zeros.
pub(crate) fn crc32(bytes: &[u8], zeros: Option<usize>) -> u32 {
    let mut crc = !0_u32;
    for (i, byte) in bytes.iter().enumerate() {
        let is_field = zeros.is_some_and(|at| (at..at + 4).contains(&i));
        crc ^= if is_field { 0 } else { u32::from(*byte) };
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 };
        }
    }
    !crc
}

fn number(bytes: &[u8], at: usize) -> usize {
    let field = bytes.get(at..at.saturating_add(4)).and_then(|b| b.try_into().ok());
    field.map_or(0, |b| usize::try_from(u32::from_le_bytes(b)).unwrap_or(0))
}

/// Puts right the checksum at `field` of the structure of `len` bytes at `at`.
fn mend(bytes: &mut [u8], at: usize, len: usize, field: usize) {
    let Some(end) = at.checked_add(len) else { return };
    let Some(part) = bytes.get_mut(at..end).filter(|part| part.len() >= field + 4) else { return };
    let sum = crc32(part, Some(field));
    part[field..field + 4].copy_from_slice(&sum.to_le_bytes());
}

pub(crate) fn run(data: &[u8]) {
    let mut bytes = data.get(..0x4000).unwrap_or(data).to_vec();
    let size = number(&bytes, 10) & 0xFFFF;
    mend(&mut bytes, 0, size, 36);
    for map in 0..number(&bytes, 32).min(4) {
        let at = number(&bytes, 56 + 8 * map);
        let records = [44, 48].map(|field| number(&bytes, at.saturating_add(field)));
        for record in records {
            let place = at.saturating_add(record);
            let len = number(&bytes, place.saturating_add(12)).min(0x1000);
            mend(&mut bytes, place, len, 32);
        }
        mend(&mut bytes, at, records[0].min(records[1]).min(0x1000), 56);
    }
    let device = MemoryDevice::new(bytes);
    let maps = EowMaps::read(&device, [0, 0]);
    let mut end = 0;
    for range in maps.ranges() {
        assert!(range.start >= end && range.end > range.start);
        end = range.end;
    }
}
