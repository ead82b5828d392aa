//! An area of metadata, behind one byte of options; its checksum is put right. The volume around it
//! has 1 MiB. What is unlocked gives the same bytes in one read and in many.

use std::sync::Arc;

use lifeboat::disk::bitlocker::{KeyFile, KeySource, Keyring, Locked, Metadata};
use lifeboat::disk::{Device, MemoryDevice};

const LEN: usize = 1 << 20;
const AREAS: [u64; 3] = [0x2_0000, 0x4_0000, 0x6_0000];

pub(crate) fn run(data: &[u8]) {
    let [options, area @ ..] = data else { return };
    let mut area = area.get(..0x1_0000).unwrap_or(area).to_vec();
    if options & 1 == 0
        && let Some(len) =
            area.get(8..10).map(|b| usize::from(u16::from_le_bytes([b[0], b[1]])) * 16)
        && area.len() >= len + 8
    {
        let sum = super::bitlocker_eow::crc32(&area[..len], None);
        area[len + 4..len + 8].copy_from_slice(&sum.to_le_bytes());
    }
    let unit: u32 = if options & 2 == 0 { 512 } else { 4096 };
    let _ = Metadata::parse(&area, unit);
    let mut volume: Vec<u8> = (0..LEN).map(|i| (i / 512).to_le_bytes()[0]).collect();
    let mut head = [0; 512];
    head[..11].copy_from_slice(b"\xEB\x58\x90-FVE-FS-");
    head[11..13].copy_from_slice(&u16::try_from(unit).unwrap_or(512).to_le_bytes());
    head[0xA0..0xB0].copy_from_slice(&[
        0x3B, 0xD6, 0x67, 0x49, 0x29, 0x2E, 0xD8, 0x4A, 0x83, 0x99, 0xF6, 0xA3, 0x39, 0xE3, 0xD0,
        0x01,
    ]);
    for (i, at) in AREAS.into_iter().enumerate() {
        head[0xB0 + 8 * i..0xB8 + 8 * i].copy_from_slice(&at.to_le_bytes());
        let at = usize::try_from(at).unwrap_or(0);
        volume[at..at + area.len()].copy_from_slice(&area);
    }
    volume[..512].copy_from_slice(&head);
    let device: Arc<dyn Device> = Arc::new(MemoryDevice::new(volume));
    let Ok(locked) = Locked::read(&device) else { return };
    assert!(locked.conversion().percent() <= 100);
    let none = Keyring { files: vec![KeyFile::parse(b"")], ..Keyring::default() };
    let Some(Ok(unlocked)) = none.unlock(&locked, "") else { return };
    let view = unlocked.device;
    assert_eq!(view.len(), LEN as u64);
    let mut whole = vec![0; LEN];
    let all = view.read_exact_at(0, &mut whole);
    let step = usize::from(*options).max(1) * 97;
    for (at, bytes) in (0..).step_by(step).zip(whole.chunks(step)).step_by(7) {
        let mut piece = vec![0; bytes.len()];
        let read = view.read_exact_at(at, &mut piece);
        assert!(all.is_err() || read.is_ok() && piece == bytes);
    }
}
