//! A disk's bytes (behind one byte of options): MBR, logical partitions, GPT at
//! either end, in either sector size, and volumes that no table leads to. What is found lies on the disk, and each
//! volume's first and last byte can be read.

use std::path::PathBuf;
use std::sync::Arc;

use lifeboat::disk::{Depth, Device, Disk, MemoryDevice};

pub(crate) fn run(data: &[u8]) {
    let Some((options, disk)) = data.split_first() else { return };
    let mut disk = disk.to_vec();
    let sector = if options & 1 == 0 { 512 } else { 4096 };
    // No fuzzer guesses a checksum.
    if options & 2 != 0 {
        for place in [sector, disk.len().saturating_sub(sector)] {
            seal(&mut disk, place, sector);
        }
    }
    let len = disk.len() as u64;
    let sector_size = if options & 4 == 0 { 512 } else { 4096 };
    let device = Arc::new(MemoryDevice::new(disk).with_sector_size(sector_size));
    let mut disk = Disk::probe("disk".to_owned(), PathBuf::from("disk"), device);
    let depth = if options & 8 == 0 { Depth::Usual } else { Depth::Deep };
    disk.find_lost(depth, &|_| false);
    for volume in &disk.volumes {
        assert!(volume.offset.checked_add(volume.len).is_some_and(|end| end <= len));
        assert_eq!(volume.len, volume.device.len());
        if let Some(last) = volume.len.checked_sub(1) {
            volume.device.read_exact_at(0, &mut [0]).expect("the first byte");
            volume.device.read_exact_at(last, &mut [0]).expect("the last byte");
        }
        assert!(volume.device.read_exact_at(volume.len, &mut [0]).is_err());
    }
    assert!(disk.findings().iter().all(|finding| !finding.what.is_empty()));
}

/// Puts the checksums of a GPT header right, and of the entries it leads to.
fn seal(disk: &mut [u8], place: usize, unit: usize) {
    let number = |disk: &[u8], at: usize| {
        let bytes = disk.get(place + at..)?.first_chunk()?;
        usize::try_from(u32::from_le_bytes(*bytes)).ok()
    };
    let fields = (number(disk, 0x48), number(disk, 0x50), number(disk, 0x54), number(disk, 0x0C));
    let (Some(start), Some(count), Some(bytes), Some(header)) = fields else { return };
    let start = start.saturating_mul(unit);
    let end = start.saturating_add(count.saturating_mul(bytes));
    let Some(crc) = disk.get(start..end).map(crc32) else { return };
    let Some(field) = disk.get_mut(place + 0x58..place + 0x5C) else { return };
    field.copy_from_slice(&crc.to_le_bytes());
    disk[place + 0x10..][..4].fill(0);
    let Some(crc) = disk.get(place..place.saturating_add(header)).map(crc32) else { return };
    disk[place + 0x10..][..4].copy_from_slice(&crc.to_le_bytes());
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc: u32, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 }
        })
    })
}
