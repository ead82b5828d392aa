//! A VHDX that was not closed: what it holds is in its log only.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};

/// Overwrites bytes of a file.
pub fn poke(path: &str, offset: u64, bytes: &[u8]) {
    let mut file = OpenOptions::new().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start(offset)).unwrap();
    file.write_all(bytes).unwrap();
}

/// Bytes of a file.
pub fn peek(path: &str, offset: u64, len: usize) -> Vec<u8> {
    let mut file = File::open(path).unwrap();
    file.seek(SeekFrom::Start(offset)).unwrap();
    let mut bytes = vec![0; len];
    file.read_exact(&mut bytes).unwrap();
    bytes
}

/// CRC-32C, bit by bit, to be a witness of its own.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc: u32, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            if crc & 1 == 1 { crc >> 1 ^ 0x82F6_3B78 } else { crc >> 1 }
        })
    })
}

/// Writes the checksum at byte 4 of a structure.
fn seal(bytes: &mut [u8]) {
    bytes[4..8].fill(0);
    let crc = crc32c(bytes);
    bytes[4..8].copy_from_slice(&crc.to_le_bytes());
}

/// A log entry that puts `sectors` (offset, 4096 bytes) in place.
fn log_entry(
    id: [u8; 16],
    sequence: u64,
    tail: u32,
    end: u64,
    sectors: &[(u64, &[u8])],
) -> Vec<u8> {
    let mut entry = vec![0; 4096 * (1 + sectors.len())];
    entry[..4].copy_from_slice(b"loge");
    let len = u32::try_from(entry.len()).unwrap();
    entry[8..12].copy_from_slice(&len.to_le_bytes());
    entry[12..16].copy_from_slice(&tail.to_le_bytes());
    entry[16..24].copy_from_slice(&sequence.to_le_bytes());
    entry[24] = u8::try_from(sectors.len()).unwrap();
    entry[32..48].copy_from_slice(&id);
    entry[48..56].copy_from_slice(&end.to_le_bytes());
    entry[56..64].copy_from_slice(&end.to_le_bytes());
    for (i, (offset, bytes)) in sectors.iter().enumerate() {
        let descriptor = &mut entry[64 + 32 * i..][..32];
        descriptor[..4].copy_from_slice(b"desc");
        descriptor[4..8].copy_from_slice(&bytes[4092..]);
        descriptor[8..16].copy_from_slice(&bytes[..8]);
        descriptor[16..24].copy_from_slice(&offset.to_le_bytes());
        descriptor[24..].copy_from_slice(&sequence.to_le_bytes());
        let data = &mut entry[4096 * (i + 1)..][..4096];
        data[..4].copy_from_slice(b"data");
        data[4..8].copy_from_slice(&sequence.to_le_bytes()[4..]);
        data[8..4092].copy_from_slice(&bytes[8..4092]);
        data[4092..].copy_from_slice(&sequence.to_le_bytes()[..4]);
    }
    seal(&mut entry);
    entry
}

/// Takes the block table out of the file and leaves it in the log only, in two
/// entries of which the later mends the earlier, across the ring's end.
pub fn dirty_vhdx(image: &str) {
    let bytes = fs::read(image).unwrap();
    let end = bytes.len() as u64;
    // The BAT's entry in the first region table.
    let guid = [0x66, 0x77, 0xC2, 0x2D, 0x23, 0xF6];
    let entry = bytes.windows(6).position(|w| w == guid).unwrap();
    let bat = u64::from_le_bytes(bytes[entry + 16..entry + 24].try_into().unwrap());
    let good = peek(image, bat, 4096);
    let wrong = vec![0x55; 4096];
    poke(image, bat, &wrong);

    let newest =
        if sequence(&bytes, 0x1_0000) > sequence(&bytes, 0x2_0000) { 0x1_0000 } else { 0x2_0000 };
    let mut header = bytes[newest..newest + 4096].to_vec();
    let id = [0xAB; 16];
    header[48..64].copy_from_slice(&id);
    seal(&mut header);
    poke(image, newest as u64, &header);

    let log = u64::from_le_bytes(header[72..80].try_into().unwrap());
    let log_len = u32::from_le_bytes(header[68..72].try_into().unwrap());
    let first = log_len - 8192;
    // Left over from before: a lower number, wrong bytes.
    poke(image, log + 65_536, &log_entry(id, 7, 65_536, end, &[(bat, &wrong)]));
    poke(image, log + u64::from(first), &log_entry(id, 20, first, end, &[(bat, &wrong)]));
    poke(image, log, &log_entry(id, 21, first, end, &[(bat, &good)]));
}

fn sequence(bytes: &[u8], header: usize) -> u64 {
    u64::from_le_bytes(bytes[header + 8..header + 16].try_into().unwrap())
}

/// Damages every entry in the log of one that [`dirty_vhdx`] has made.
pub fn tear_log(image: &str) {
    let header = peek(image, 0x1_0000, 4096);
    let log = u64::from_le_bytes(header[72..80].try_into().unwrap());
    for at in [0, 65_536, (1 << 20) - 8192] {
        poke(image, log + at + 200, &[1]);
    }
}
