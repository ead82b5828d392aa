//! The bitmaps of a volume that is being converted ("encrypt on write").

use super::records::crc32;

/// The region of one map: its place and length, and how many of its chunks are not encrypted yet,
/// from the front.
pub(super) struct Region {
    pub(super) at: u64,
    pub(super) len: u64,
    pub(super) plain: u64,
    /// Bytes from the region's start of a chunk that was caught in conversion.
    pub(super) caught: Option<u64>,
}

const MAP: usize = 0x600;
const RECORD: usize = 0x200;

/// Bytes of a region's log for chunks of this size.
pub(super) fn log_bytes(chunk: u32) -> u64 {
    1024 + 2 * log_record(chunk)
}

fn log_record(chunk: u32) -> u64 {
    1024 + u64::from(chunk / 32)
}

fn put(bytes: &mut [u8], at: usize, what: &[u8]) {
    bytes[at..at + what.len()].copy_from_slice(what);
}

fn low(number: u64) -> [u8; 4] {
    u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes()
}

/// The descriptor.
pub(super) fn descriptor(sector: u32, chunk: u32, places: [u64; 2], maps: &[u64]) -> Vec<u8> {
    let size = 56 + 8 * maps.len();
    let mut bytes = vec![0; size];
    put(&mut bytes, 0, b"FVE-EOW\0");
    put(&mut bytes, 8, &56_u16.to_le_bytes());
    put(&mut bytes, 10, &u16::try_from(size).unwrap_or(0).to_le_bytes());
    put(&mut bytes, 12, &sector.to_le_bytes());
    put(&mut bytes, 16, &sector.to_le_bytes());
    put(&mut bytes, 20, &chunk.to_le_bytes());
    put(&mut bytes, 24, &low(log_bytes(chunk)));
    put(&mut bytes, 28, &low(log_record(chunk)));
    put(&mut bytes, 32, &low(maps.len() as u64));
    put(&mut bytes, 40, &places[0].to_le_bytes());
    put(&mut bytes, 48, &places[1].to_le_bytes());
    for (i, map) in maps.iter().enumerate() {
        put(&mut bytes, 56 + 8 * i, &map.to_le_bytes());
    }
    let sum = crc32(&bytes);
    put(&mut bytes, 36, &sum.to_le_bytes());
    bytes
}

/// The map of a region: the older record says that all is plain.
pub(super) fn map(index: usize, region: &Region, chunk: u32, log: u64) -> Vec<u8> {
    let mut bytes = vec![0; MAP];
    put(&mut bytes, 0, b"FVE-EOWBM\0");
    put(&mut bytes, 10, &60_u16.to_le_bytes());
    put(&mut bytes, 12, &low(MAP as u64));
    put(&mut bytes, 16, &low(index as u64));
    put(&mut bytes, 20, &region.at.to_le_bytes());
    put(&mut bytes, 28, &region.len.to_le_bytes());
    put(&mut bytes, 36, &log.to_le_bytes());
    put(&mut bytes, 44, &low(RECORD as u64));
    put(&mut bytes, 48, &low(2 * RECORD as u64));
    put(&mut bytes, 52, &low(RECORD as u64));
    let sum = crc32(&bytes[..RECORD]);
    put(&mut bytes, 56, &sum.to_le_bytes());
    let chunks = region.len.div_ceil(chunk.into());
    // The newer one is not always the second.
    let (older, newer) = (record(6, chunks, chunks), record(9, chunks, region.plain));
    let both = if index.is_multiple_of(2) { [older, newer] } else { [newer, older] };
    put(&mut bytes, RECORD, &both[0]);
    put(&mut bytes, 2 * RECORD, &both[1]);
    bytes
}

fn record(sequence: u64, chunks: u64, plain: u64) -> Vec<u8> {
    let mut bytes = vec![0xFF; RECORD];
    put(&mut bytes, 0, b"FVE-EOWBR\0");
    put(&mut bytes, 10, &36_u16.to_le_bytes());
    put(&mut bytes, 12, &low(RECORD as u64));
    put(&mut bytes, 16, &low(chunks));
    put(&mut bytes, 20, &sequence.to_le_bytes());
    put(&mut bytes, 28, &1_u32.to_le_bytes());
    put(&mut bytes, 32, &[0; 4]);
    for bit in 0..usize::try_from(plain).unwrap_or(0) {
        bytes[36 + bit / 8] &= !(1 << (bit % 8));
    }
    let sum = crc32(&bytes);
    put(&mut bytes, 32, &sum.to_le_bytes());
    bytes
}

/// The log of a region: idle, or in the middle of a chunk.
pub(super) fn log(region: &Region, chunk: u32, sector: u32, volume: u64) -> Vec<u8> {
    let mut head = b"OLRDHEVF".to_vec();
    for number in [50_u16, 1, 2] {
        head.extend(number.to_le_bytes());
    }
    head.extend(sector.to_le_bytes());
    head.extend(volume.to_le_bytes());
    for number in [u64::from(chunk), log_record(chunk), 32, 2] {
        head.extend(low(number));
    }
    head.extend(region.at.to_le_bytes());
    head.resize(512, 0);
    let body = vec![0; usize::try_from(chunk / 32).unwrap_or(0)];
    let mut bytes = head.clone();
    let now = region.caught.map_or(0, |at| region.at + at);
    for (number, place) in [(9_u64, region.at.max(1)), (10, now)] {
        let mut record = [32_u16.to_le_bytes(), 1_u16.to_le_bytes()].concat();
        record.extend(number.to_le_bytes());
        record.extend(place.to_le_bytes());
        record.extend(low(body.len() as u64));
        record.extend(crc32(&body).to_le_bytes());
        record.extend(crc32(&record).to_le_bytes());
        record.resize(512, 0);
        bytes.extend([&record[..], &body, &record].concat());
    }
    bytes.extend(head);
    bytes
}
