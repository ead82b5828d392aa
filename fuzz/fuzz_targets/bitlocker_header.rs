//! The first sector of a BitLocker volume. The sector size is one that the ciphers have.

use lifeboat::disk::bitlocker::VolumeHeader;
use lifeboat::disk::{MemoryDevice, VolumeKind, identify};

pub(crate) fn run(data: &[u8]) {
    let Ok(header) = VolumeHeader::parse(data) else { return };
    assert!(matches!(header.sector_bytes, 512 | 1024 | 2048 | 4096));
    // What can be parsed is taken for one.
    let device = MemoryDevice::new(data.to_vec());
    assert!(data.len() < 512 || identify(&device).kind == VolumeKind::BitLocker);
}
