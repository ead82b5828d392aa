//! File records as Windows leaves them when it deletes a file.
//!
//! ntfs-3g does the deletion: index entries, bitmaps and the sequence number are right then. But
//! it edits the record on the way (names, link count). Windows clears the in-use flag and counts
//! the sequence number up, and everything else stays: run lists, sizes, all names. So the record
//! of before is put back with these two changes.

use std::collections::BTreeMap;

const RECORD: usize = 1024;
const SEQUENCE: usize = 0x10;
const FLAGS: usize = 0x16;
const NUMBER: usize = 0x2C;

/// The records of a volume that are in use, at one moment.
#[derive(Debug, Default)]
pub struct Records {
    /// By the byte where the record is.
    records: BTreeMap<usize, Vec<u8>>,
}

fn number(bytes: &[u8], at: usize, length: usize) -> usize {
    let mut number = [0; 8];
    if let Some(bytes) = bytes.get(at..at + length) {
        number[..length].copy_from_slice(bytes);
    }
    usize::try_from(u64::from_le_bytes(number)).unwrap_or(usize::MAX)
}

fn in_use(record: &[u8]) -> bool {
    record.starts_with(b"FILE") && number(record, FLAGS, 2) & 1 != 0
}

impl Records {
    /// All of them on a volume with records of 1 KiB.
    pub fn of(volume: &[u8]) -> Self {
        let blocks = volume.chunks_exact(RECORD).enumerate();
        let records = blocks
            .filter(|(_, block)| in_use(block) && number(block, NUMBER, 4) >= 24)
            .map(|(i, block)| (i * RECORD, block.to_vec()));
        Self { records: records.collect() }
    }

    /// Gives the records that were freed since the look that Windows would have left, and returns
    /// how many there are.
    pub fn as_windows_leaves(&self, volume: &mut [u8]) -> usize {
        let mut freed = 0;
        for (at, before) in &self.records {
            let Some(now) = volume.get_mut(*at..at + RECORD) else { continue };
            let (old, new) = (number(before, SEQUENCE, 2), number(now, SEQUENCE, 2));
            if !now.starts_with(b"FILE") || in_use(now) || new != old + 1 {
                continue;
            }
            let flags = before[FLAGS] & !1;
            let sequence = [now[SEQUENCE], now[SEQUENCE + 1]];
            now.copy_from_slice(before);
            now[FLAGS] = flags;
            now[SEQUENCE..SEQUENCE + 2].copy_from_slice(&sequence);
            freed += 1;
        }
        freed
    }

    /// Windows empties the data of a file in very many pieces before it frees the records. Does
    /// that to one freed record with data in clusters, the `nth`; false if there is none.
    pub fn empty_one(&self, volume: &mut [u8], nth: usize) -> bool {
        let mut left = nth;
        for (at, before) in &self.records {
            let Some(record) = volume.get_mut(*at..at + RECORD) else { continue };
            // Not the record of a later file: its runs are what shows that it had clusters of
            // others, and if they are gone, nothing on the volume shows it.
            let is_first = number(record, SEQUENCE, 2) == number(before, SEQUENCE, 2) + 1;
            if !record.starts_with(b"FILE") || in_use(record) || !is_first {
                continue;
            }
            let Some(data) = data_in_clusters(record) else { continue };
            if left > 0 {
                left -= 1;
                continue;
            }
            let runs = data + number(record, data + 0x20, 2);
            let fields = data + 0x10..data + 0x40;
            // Neither may lie where the fix-up has its numbers.
            if [510, 511].iter().any(|byte| fields.contains(byte) || runs == *byte) {
                continue;
            }
            record[data + 0x18..data + 0x20].fill(0xFF); // the last cluster: -1
            record[data + 0x28..data + 0x40].fill(0); // allocated, size, valid size
            record[runs] = 0;
            return true;
        }
        false
    }
}

/// Where the attribute of a record with unnamed data in clusters is.
fn data_in_clusters(record: &[u8]) -> Option<usize> {
    let mut at = number(record, 0x14, 2);
    while at + 0x40 <= RECORD && number(record, at, 4) != 0xFFFF_FFFF {
        let (is_unnamed, is_outside) = (record[at + 9] == 0, record[at + 8] == 1);
        if number(record, at, 4) == 0x80 && is_unnamed && is_outside {
            return Some(at);
        }
        at += number(record, at + 4, 4).max(8);
    }
    None
}
