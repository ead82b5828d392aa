//! The bytes of a VHD file, behind one byte of options and one for the length of
//! reads. The disk in it gives the same bytes in one read and in many.

use std::path::Path;
use std::sync::Arc;

use lifeboat::disk::{Device, MemoryDevice, open_container};

pub(crate) fn run(data: &[u8]) {
    let [options, step, file @ ..] = data else { return };
    let mut file = file.to_vec();
    // No fuzzer guesses a checksum.
    if options & 1 != 0 {
        let end = file.len().saturating_sub(512);
        for (place, len, at) in [(0, 512, 64), (end, 512, 64), (512, 1024, 36)] {
            if let Some(structure) = file.get_mut(place..place + len) {
                structure[at..at + 4].fill(0);
                let sum = structure.iter().fold(0_u32, |sum, b| sum.wrapping_add((*b).into()));
                structure[at..at + 4].copy_from_slice(&(!sum).to_be_bytes());
            }
        }
    }
    let file: Arc<dyn Device> = Arc::new(MemoryDevice::new(file));
    let Ok(Some(container)) = open_container(&file, Path::new("disk.vhd")) else { return };
    let disk = container.device;
    let mut whole = vec![0; usize::try_from(disk.len().min(20_000)).unwrap_or(0)];
    let all = disk.read_exact_at(0, &mut whole);
    let step = usize::from(*step).max(1) * 7;
    for (at, bytes) in (0..).step_by(step).zip(whole.chunks(step)) {
        let mut piece = vec![0; bytes.len()];
        let read = disk.read_exact_at(at, &mut piece);
        assert!(all.is_err() || read.is_ok() && piece == bytes);
    }
    assert!(disk.read_exact_at(disk.len(), &mut [0]).is_err());
}
