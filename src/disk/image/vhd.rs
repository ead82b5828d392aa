//! VHD, the disk format of Virtual PC and Hyper-V (Microsoft's "Virtual Hard
//! Disk Image Format Specification", 2006). Numbers are big-endian.
//!
//! A fixed disk is the raw disk with a footer of 512 bytes. A dynamic disk has
//! a copy of the footer in front, a header, a table of blocks, and the blocks,
//! each behind a bitmap of its sectors.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::container::{
    BlockMap, CACHE_BYTES, Container, DiskFormat, Mapped, merge_advice, read_structure,
};
use crate::disk::cache::Cached;
use crate::disk::{Device, DiskError, Fault, Slice};
use crate::model::bytes::{array_at, stands_at};

const SECTOR: u32 = 512;

/// Where no block is.
const UNUSED: u32 = u32::MAX;

/// The disk in `file` when it is a VHD; `None` when it is not.
pub(crate) fn open(file: &Arc<dyn Device>, path: &Path) -> Result<Option<Container>, DiskError> {
    let Some((footer, fault)) = Footer::find(file) else { return Ok(None) };
    let faults: Vec<Fault> = fault.into_iter().collect();
    let vhd = |device| Container { device, format: DiskFormat::Vhd, faults: faults.clone() };
    match footer.kind {
        2 => Ok(Some(vhd(Arc::new(Slice::new(file.clone(), 0, footer.disk_bytes))))),
        3 => open_dynamic(file, &footer, path).map(|disk| Some(vhd(disk))),
        4 => Err(DiskError::Unsupported {
            path: path.to_owned(),
            what: "a differencing VHD: most of its data is in the parent disk's file".to_owned(),
            advice: merge_advice(),
        }),
        other => Err(DiskError::Unsupported {
            path: path.to_owned(),
            what: format!("a VHD of an unknown type ({other})"),
            advice: "convert it first: qemu-img convert -O raw".to_owned(),
        }),
    }
}

/// The footer's fields that matter here.
#[derive(Clone, Copy)]
struct Footer {
    /// Byte of the dynamic disk's header.
    header_at: u64,
    disk_bytes: u64,
    /// 2 fixed, 3 dynamic, 4 differencing.
    kind: u32,
    /// Whether its checksum is right.
    is_intact: bool,
}

impl Footer {
    /// The footer at the file's end, or its copy at the start (dynamic disks:
    /// the end is missing when the file was not copied whole). One with a wrong
    /// checksum is believed when neither is better and what it says fits.
    fn find(file: &dyn Device) -> Option<(Self, Option<Fault>)> {
        let last = file.len().checked_sub(512)?;
        let end = Self::read(file, last).filter(|f| f.kind != 2 || f.disk_bytes <= last);
        if let Some(footer) = end.filter(|f| f.is_intact) {
            return Some((footer, None));
        }
        let why = match end {
            Some(_) => "its checksum is wrong",
            None => "it is not there",
        };
        let start = Self::read(file, 0).filter(|f| f.kind != 2);
        if let Some(footer) = start.filter(|f| f.is_intact) {
            return Some((footer, Some(Fault::VhdFooterBad { why, from_copy: true })));
        }
        let fits = |footer: &Self| {
            let mut magic = [0; 8];
            let header = file.read_exact_at(footer.header_at, &mut magic);
            let is_dynamic = footer.kind != 2 && header.is_ok() && magic == *b"cxsparse";
            is_dynamic || footer.kind == 2 && footer.disk_bytes == last
        };
        let why = "its checksum is wrong";
        let from_copy = end.is_none_or(|footer| !fits(&footer));
        let footer = end.filter(fits).or_else(|| start.filter(fits))?;
        Some((footer, Some(Fault::VhdFooterBad { why, from_copy })))
    }

    fn read(file: &dyn Device, at: u64) -> Option<Self> {
        let mut bytes = [0; 512];
        file.read_exact_at(at, &mut bytes).ok()?;
        if !bytes.starts_with(b"conectix") {
            return None;
        }
        Some(Self {
            header_at: u64_be(&bytes, 16)?,
            disk_bytes: u64_be(&bytes, 48)?,
            kind: u32_be(&bytes, 60)?,
            is_intact: checksum_fits(&bytes, 64),
        })
    }
}

fn open_dynamic(
    file: &Arc<dyn Device>,
    footer: &Footer,
    path: &Path,
) -> Result<Arc<dyn Device>, DiskError> {
    let at = footer.header_at;
    let damaged = |found: &str| DiskError::Damaged {
        path: path.to_owned(),
        what: "the VHD's header",
        offset: at,
        found: found.to_owned(),
    };
    let header = read_structure::<1024>(file, at, path)?;
    if !stands_at(&header, 0, b"cxsparse") {
        return Err(damaged("expected cxsparse, found something else"));
    }
    if !checksum_fits(&header, 36) {
        return Err(damaged("its checksum is wrong"));
    }
    let fields = || Some((u64_be(&header, 16)?, u32_be(&header, 28)?, u32_be(&header, 32)?));
    let (table_at, entries, block_bytes) = fields().unwrap_or_default();
    if block_bytes < SECTOR || !block_bytes.is_power_of_two() {
        return Err(damaged(&format!("blocks of {block_bytes} bytes are impossible")));
    }
    if footer.disk_bytes.div_ceil(block_bytes.into()) > entries.into() {
        return Err(damaged("the table of blocks is too short for the disk"));
    }
    let map = Dynamic {
        table: Cached::new(file.clone(), CACHE_BYTES),
        table_at,
        block_bytes,
        bitmap_bytes: (block_bytes / SECTOR).div_ceil(8).next_multiple_of(SECTOR),
    };
    let (file, len) = (file.clone(), footer.disk_bytes);
    Ok(Arc::new(Mapped { file, map, len, sector_size: SECTOR }))
}

/// The block table of a dynamic disk.
struct Dynamic {
    table: Cached,
    table_at: u64,
    block_bytes: u32,
    /// In front of each block. What it says is not needed: sectors that were
    /// never written are zeros in the block as well.
    bitmap_bytes: u32,
}

impl BlockMap for Dynamic {
    fn block_bytes(&self) -> u64 {
        self.block_bytes.into()
    }

    fn locate(&self, block: u64) -> io::Result<Option<u64>> {
        let mut entry = [0; 4];
        let at = block.saturating_mul(4).saturating_add(self.table_at);
        self.table.read_exact_at(at, &mut entry)?;
        let sector = u32::from_be_bytes(entry);
        let data = u64::from(sector) * u64::from(SECTOR) + u64::from(self.bitmap_bytes);
        Ok((sector != UNUSED).then_some(data))
    }
}

/// Whether the checksum at `at` is the complement of the sum of all other bytes.
fn checksum_fits(bytes: &[u8], at: usize) -> bool {
    let others = bytes.iter().enumerate().filter(|(i, _)| !(at..at + 4).contains(i));
    let sum = others.fold(0_u32, |sum, (_, b)| sum.wrapping_add(u32::from(*b)));
    u32_be(bytes, at) == Some(!sum)
}

fn u32_be(bytes: &[u8], at: usize) -> Option<u32> {
    array_at(bytes, at).map(u32::from_be_bytes)
}

fn u64_be(bytes: &[u8], at: usize) -> Option<u64> {
    array_at(bytes, at).map(u64::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::MemoryDevice;
    use crate::model::advice::Advice as _;

    fn seal(bytes: &mut [u8], at: usize) {
        bytes[at..at + 4].fill(0);
        let sum: u32 = bytes.iter().map(|b| u32::from(*b)).sum();
        bytes[at..at + 4].copy_from_slice(&(!sum).to_be_bytes());
    }

    fn footer(kind: u32, disk_bytes: u64) -> Vec<u8> {
        let mut footer = vec![0; 512];
        footer[..8].copy_from_slice(b"conectix");
        footer[16..24].copy_from_slice(&512_u64.to_be_bytes());
        footer[48..56].copy_from_slice(&disk_bytes.to_be_bytes());
        footer[60..64].copy_from_slice(&kind.to_be_bytes());
        seal(&mut footer, 64);
        footer
    }

    /// Four blocks of 4 KiB, of which the second is there, full of sevens.
    fn dynamic() -> Vec<u8> {
        let mut file = footer(3, 16_000);
        let mut header = vec![0; 1024];
        header[..8].copy_from_slice(b"cxsparse");
        header[16..24].copy_from_slice(&1536_u64.to_be_bytes());
        header[28..32].copy_from_slice(&4_u32.to_be_bytes());
        header[32..36].copy_from_slice(&4096_u32.to_be_bytes());
        seal(&mut header, 36);
        file.extend(header);
        let mut table = vec![0xFF; 512];
        table[4..8].copy_from_slice(&4_u32.to_be_bytes());
        file.extend(table);
        file.extend([0xFF; 512]); // the block's bitmap
        file.extend([7; 4096]);
        file.extend(footer(3, 16_000));
        file
    }

    fn open_bytes(bytes: Vec<u8>) -> Result<Option<Arc<dyn Device>>, DiskError> {
        let file: Arc<dyn Device> = Arc::new(MemoryDevice::new(bytes));
        open(&file, Path::new("test.vhd")).map(|found| found.map(|c| c.device))
    }

    fn read_all(device: &dyn Device) -> Vec<u8> {
        let mut bytes = vec![1; usize::try_from(device.len()).unwrap()];
        device.read_exact_at(0, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn a_fixed_disk_is_all_but_the_footer() {
        let mut file = vec![5; 4096];
        file.extend(footer(2, 4096));
        assert_eq!(read_all(&open_bytes(file.clone()).unwrap().unwrap()), [5; 4096]);
        // A footer from somewhere else is data.
        file.extend(footer(2, 1 << 40));
        assert!(open_bytes(file).unwrap().is_none());
        assert!(open_bytes(vec![0; 9000]).unwrap().is_none());
        assert!(open_bytes(vec![0; 9]).unwrap().is_none());
    }

    #[test]
    fn a_dynamic_disk_has_its_blocks_and_zeros() {
        let disk = open_bytes(dynamic()).unwrap().unwrap();
        let mut expected = vec![0; 16_000];
        expected[4096..8192].fill(7);
        assert_eq!(read_all(&disk), expected);
        assert!(disk.read_exact_at(16_000, &mut [0]).is_err());
        assert!(disk.read_exact_at(u64::MAX, &mut [0]).is_err());
    }

    #[test]
    fn a_cut_dynamic_disk_is_read_as_far_as_it_goes() {
        let mut file = dynamic();
        file.truncate(file.len() - 2000);
        let disk = open_bytes(file).unwrap().unwrap();
        disk.read_exact_at(4096, &mut [0; 1000]).unwrap();
        let error = disk.read_exact_at(4096, &mut [0; 4096]).unwrap_err();
        assert!(error.to_string().contains("the file is incomplete"), "{error}");
    }

    #[test]
    fn a_footer_with_a_wrong_checksum_is_a_fault_and_the_disk_is_read() {
        let faults = |bytes: &[u8]| {
            let file: Arc<dyn Device> = Arc::new(MemoryDevice::new(bytes.to_vec()));
            let disk = open(&file, Path::new("test.vhd")).unwrap().unwrap();
            (disk.device.len(), disk.faults)
        };
        let why = "its checksum is wrong";
        let mut fixed = vec![5; 4096];
        fixed.extend(footer(2, 4096));
        assert_eq!(faults(&fixed), (4096, vec![]));
        fixed[4096 + 64] ^= 1;
        let as_it_is = vec![Fault::VhdFooterBad { why, from_copy: false }];
        assert_eq!(faults(&fixed), (4096, as_it_is.clone()));
        let mut file = dynamic();
        assert_eq!(faults(&file), (16_000, vec![]));
        let end = file.len() - 512;
        file[end + 64] ^= 1;
        assert_eq!(faults(&file), (16_000, vec![Fault::VhdFooterBad { why, from_copy: true }]));
        file[64] ^= 1;
        assert_eq!(faults(&file), (16_000, as_it_is));
        // Nothing that it says fits.
        file[end + 20..end + 24].fill(9);
        file[16..24].fill(9);
        assert!(open_bytes(file).unwrap().is_none());
    }

    #[test]
    fn damage_and_differencing_disks_are_refused_with_words() {
        let mut bad = dynamic();
        bad[512 + 30] ^= 1;
        assert!(matches!(open_bytes(bad), Err(DiskError::Damaged { offset: 512, .. })));
        let mut file = dynamic();
        let end = file.len() - 512;
        file[end..].copy_from_slice(&footer(4, 16_000));
        let error = open_bytes(file).err().unwrap();
        assert!(error.to_string().contains("differencing"), "{error}");
        assert!(error.advice().contains("Merge-VHD"));
        // A disk that claims more than its table can hold.
        let mut file = dynamic();
        file[..512].copy_from_slice(&footer(3, 1 << 50));
        file[end..].copy_from_slice(&footer(3, 1 << 50));
        assert!(matches!(open_bytes(file), Err(DiskError::Damaged { .. })));
    }
}
