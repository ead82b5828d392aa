//! The boot sector: sizes, and where `$MFT` lies (Linux-NTFS, "$Boot").
//!
//! It is the volume's first sector; a copy is in its last one, just behind the
//! sectors that the boot sector counts.

use crate::disk::ntfs_boot::{BootFields, OEM};
use crate::model::bytes::shown;
use crate::ntfs::error::{NtfsError, damaged};

const WHAT: &str = "boot sector";

/// What a boot sector says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Boot {
    /// Bytes per sector: 256 to 4096.
    pub sector_bytes: u32,
    /// Bytes per cluster: 256 to 2 MiB, a multiple of the sector.
    pub cluster_bytes: u32,
    /// Bytes per file record: 1024 or 4096 in practice.
    pub record_bytes: u32,
    /// Bytes per index buffer; 0 where the boot sector makes no sense there.
    pub index_bytes: u32,
    /// Sectors of the volume, the copy of the boot sector not counted.
    pub sectors: u64,
    /// First cluster of `$MFT`.
    pub mft_cluster: u64,
    /// First cluster of `$MFTMirr`.
    pub mirror_cluster: u64,
    /// The 64-bit serial number.
    pub serial: u64,
}

impl Boot {
    /// Reads a boot sector; `at` is where it stands on the volume. 512 bytes
    /// are enough whatever the sector size.
    pub fn parse(bytes: &[u8], at: u64) -> Result<Self, NtfsError> {
        let short = || damaged(WHAT, at, "512 bytes", format!("{} bytes", bytes.len()));
        let fields = BootFields::read(bytes).ok_or_else(short)?;
        if fields.oem != *OEM {
            return Err(damaged(WHAT, at + 3, "\"NTFS    \"", shown(&fields.oem)));
        }
        if bytes.len() < 512 {
            return Err(short());
        }
        let sector_bytes = fields.sector_bytes().ok_or_else(|| {
            let found = fields.sector_bytes.to_string();
            damaged(WHAT, at + 0x0B, "256 to 4096 bytes per sector", found)
        })?;
        let cluster_bytes = fields.cluster_bytes().ok_or_else(|| {
            let found = format!("{:#04x}", fields.raw_cluster);
            damaged(WHAT, at + 0x0D, "sectors per cluster, 2 MiB at most", found)
        })?;
        let record_bytes = counted_size(fields.raw_record, cluster_bytes)
            .filter(|n| (512..=65_536).contains(n))
            .ok_or_else(|| {
                damaged(
                    WHAT,
                    at + 0x40,
                    "a file record size",
                    format!("{:#04x}", fields.raw_record),
                )
            })?;
        let index_bytes = counted_size(fields.raw_index, cluster_bytes).unwrap_or(0);
        let BootFields { sectors, mft_cluster, mirror_cluster, serial, .. } = fields;
        if sectors == 0 {
            return Err(damaged(WHAT, at + 0x28, "the number of sectors", "0"));
        }
        Ok(Self {
            sector_bytes,
            cluster_bytes,
            record_bytes,
            index_bytes,
            sectors,
            mft_cluster,
            mirror_cluster,
            serial,
        })
    }

    /// Bytes of the volume, the copy of the boot sector not counted.
    pub fn volume_bytes(&self) -> u64 {
        self.sectors.saturating_mul(u64::from(self.sector_bytes))
    }

    /// Where a cluster starts, in bytes; `None` where that is absurd.
    pub fn cluster_offset(&self, cluster: u64) -> Option<u64> {
        cluster.checked_mul(u64::from(self.cluster_bytes))
    }
}

/// Record and index sizes: a positive byte counts clusters, a negative one is
/// a negated power of two of bytes (0xF6 = -10: 1024 bytes).
fn counted_size(raw: u8, cluster_bytes: u32) -> Option<u32> {
    let signed = i8::from_le_bytes([raw]);
    let size = match u32::try_from(signed) {
        Ok(clusters) => clusters.checked_mul(cluster_bytes)?,
        Err(_) => 1_u32.checked_shl(u32::from(signed.unsigned_abs()))?,
    };
    size.is_power_of_two().then_some(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sector() -> Vec<u8> {
        let mut b = vec![0; 512];
        b[3..11].copy_from_slice(b"NTFS    ");
        b[0x0B..0x0D].copy_from_slice(&512_u16.to_le_bytes());
        b[0x0D] = 8;
        b[0x28..0x30].copy_from_slice(&1000_u64.to_le_bytes());
        b[0x30..0x38].copy_from_slice(&4_u64.to_le_bytes());
        b[0x38..0x40].copy_from_slice(&60_u64.to_le_bytes());
        b[0x40] = 0xF6;
        b[0x44] = 1;
        b[0x48..0x50].copy_from_slice(&0x1234_u64.to_le_bytes());
        b
    }

    #[test]
    fn an_ordinary_sector() {
        let boot = Boot::parse(&sector(), 0).unwrap();
        assert_eq!(boot.cluster_bytes, 4096);
        assert_eq!(boot.record_bytes, 1024);
        assert_eq!(boot.index_bytes, 4096);
        assert_eq!(boot.volume_bytes(), 512_000);
        assert_eq!((boot.mft_cluster, boot.mirror_cluster, boot.serial), (4, 60, 0x1234));
    }

    #[test]
    fn cluster_sizes_count_or_shift() {
        for (raw, bytes) in [(1, 512), (0x80, 65_536), (0xF8, 131_072), (0xF4, 2 << 20)] {
            let mut b = sector();
            b[0x0D] = raw;
            assert_eq!(Boot::parse(&b, 0).unwrap().cluster_bytes, bytes, "{raw:#x}");
        }
        for raw in [0, 3, 0x81, 0xC0, 0xE0, 0xF3] {
            let mut b = sector();
            b[0x0D] = raw;
            let error = Boot::parse(&b, 0).unwrap_err().to_string();
            assert!(error.contains("at byte 13 "), "{raw:#x}: {error}");
        }
    }

    #[test]
    fn record_sizes_count_or_shift() {
        for (raw, bytes) in [(0xF6, Some(1024)), (1, Some(4096)), (0xF4, Some(4096)), (0, None)] {
            let mut b = sector();
            b[0x40] = raw;
            assert_eq!(Boot::parse(&b, 0).ok().map(|x| x.record_bytes), bytes, "{raw:#x}");
        }
        for raw in [0x80, 0xE0, 0x7F, 0xFF] {
            let mut b = sector();
            b[0x40] = raw;
            assert!(Boot::parse(&b, 0).is_err(), "{raw:#x}");
        }
    }

    #[test]
    fn what_is_not_ntfs_is_told_by_byte_and_content() {
        let mut b = sector();
        b[3..11].copy_from_slice(b"-FVE-FS-");
        let error = Boot::parse(&b, 4096).unwrap_err().to_string();
        assert_eq!(
            error,
            "boot sector at byte 4099 of the volume: expected \"NTFS    \", found \"-FVE-FS-\""
        );
        assert!(Boot::parse(&[], 0).is_err());
        assert!(Boot::parse(&sector()[..100], 0).is_err());
    }
}
