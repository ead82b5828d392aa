//! The fields of an NTFS boot sector, as they are on the disk (Linux-NTFS, "$Boot"). Whether
//! they make sense is judged where they are used: when a volume is identified, and when it is
//! opened.

use crate::model::bytes::{array_at, u16_at, u64_at};

/// The name of the file system, at byte 3.
pub(crate) const OEM: &[u8; 8] = b"NTFS    ";

/// The largest cluster that NTFS knows (since Windows 10 1709), in bytes.
pub(crate) const MAX_CLUSTER_BYTES: u64 = 2 << 20;

/// The fields, unchecked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct BootFields {
    /// Byte 3: [`OEM`] on an NTFS volume.
    pub(crate) oem: [u8; 8],
    /// 0x0B: bytes per sector.
    pub(crate) sector_bytes: u16,
    /// 0x0D: sectors per cluster, as it is written.
    pub(crate) raw_cluster: u8,
    /// 0x28: sectors of the volume, without the one for the copy of the boot sector.
    pub(crate) sectors: u64,
    /// 0x30: first cluster of `$MFT`.
    pub(crate) mft_cluster: u64,
    /// 0x38: first cluster of `$MFTMirr`.
    pub(crate) mirror_cluster: u64,
    /// 0x40: size of a file record, as it is written.
    pub(crate) raw_record: u8,
    /// 0x44: size of an index buffer, as it is written.
    pub(crate) raw_index: u8,
    /// 0x48: the 64-bit serial number.
    pub(crate) serial: u64,
}

impl BootFields {
    /// Reads the fields; `None` for fewer than 0x50 bytes.
    pub(crate) fn read(sector: &[u8]) -> Option<Self> {
        Some(Self {
            oem: array_at(sector, 3)?,
            sector_bytes: u16_at(sector, 0x0B)?,
            raw_cluster: *sector.get(0x0D)?,
            sectors: u64_at(sector, 0x28)?,
            mft_cluster: u64_at(sector, 0x30)?,
            mirror_cluster: u64_at(sector, 0x38)?,
            raw_record: *sector.get(0x40)?,
            raw_index: *sector.get(0x44)?,
            serial: u64_at(sector, 0x48)?,
        })
    }

    /// Bytes per sector: a power of two from 256 to 4096.
    pub(crate) fn sector_bytes(&self) -> Option<u32> {
        let bytes = u32::from(self.sector_bytes);
        (bytes.is_power_of_two() && (256..=4096).contains(&bytes)).then_some(bytes)
    }

    /// Bytes per cluster: a power of two up to [`MAX_CLUSTER_BYTES`]. More than 128 sectors in a
    /// cluster are written as a negated power of two: 0xF4 is 2^12 sectors.
    pub(crate) fn cluster_bytes(&self) -> Option<u32> {
        let sectors = match self.raw_cluster {
            n @ 0..=0x80 => u64::from(n),
            n => 1_u64.checked_shl(u32::from(n.wrapping_neg()))?,
        };
        let bytes = sectors.checked_mul(self.sector_bytes()?.into())?;
        let fits = sectors.is_power_of_two() && bytes <= MAX_CLUSTER_BYTES;
        u32::try_from(bytes).ok().filter(|_| fits)
    }
}
