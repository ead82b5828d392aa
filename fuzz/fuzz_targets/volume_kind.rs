//! The bytes of a volume (behind one byte for the sector size): it is something,
//! and the same thing at every look. A volume that is called cut short says that
//! it is longer than it is.

use lifeboat::disk::{Fault, MemoryDevice, identify};

pub(crate) fn run(data: &[u8]) {
    let Some((options, volume)) = data.split_first() else { return };
    let sector_size = if options & 1 == 0 { 512 } else { 4096 };
    let device = MemoryDevice::new(volume.to_vec()).with_sector_size(sector_size);
    let identity = identify(&device);
    assert_eq!(identity, identify(&device));
    for fault in &identity.faults {
        if let Fault::VolumeCutShort { claimed, have } = fault {
            assert!(claimed > have && *have == volume.len() as u64);
        }
        assert!(!fault.finding("volume").what.is_empty());
    }
}
