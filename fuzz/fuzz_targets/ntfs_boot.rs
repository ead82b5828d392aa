//! Any bytes as a boot sector: sizes that make sense, or an error.

use lifeboat::ntfs::ondisk::boot::Boot;

pub(crate) fn run(data: &[u8]) {
    let Ok(boot) = Boot::parse(data, 0) else { return };
    assert!(boot.cluster_bytes.is_power_of_two() && boot.cluster_bytes <= 2 << 20);
    assert!(boot.cluster_bytes >= boot.sector_bytes && boot.sector_bytes >= 256);
    assert!(boot.record_bytes.is_power_of_two() && boot.record_bytes <= 65_536);
    assert!(boot.volume_bytes() > 0);
    boot.cluster_offset(boot.mft_cluster);
}
