//! VHDX, Hyper-V's disk format (MS-VHDX). Numbers are little-endian.
//!
//! A megabyte of headers, then regions: the metadata (sizes), the block table
//! (BAT), a log of changes to both that may have to be replayed
//! ([`super::vhdx_log`]), and the blocks.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::container::{
    BlockMap, CACHE_BYTES, Container, DiskFormat, Mapped, merge_advice, read_structure,
};
use super::vhdx_log;
use crate::disk::cache::Cached;
use crate::disk::crc::CRC32C;
use crate::disk::guid::Guid;
use crate::disk::{Device, DiskError};
use crate::model::bytes::{array_at, stands_at, u16_at, u32_at, u64_at};

const KIB: u64 = 1024;
/// Where the two headers and the two region tables are (2.2).
const HEADERS: [u64; 2] = [64 * KIB, 128 * KIB];
const REGION_TABLES: [u64; 2] = [192 * KIB, 256 * KIB];

/// Regions (2.2.3.2).
const BAT: Guid = Guid::from_digits(0x2DC27766_F623_4200_9D64_115E9BFD4A08);
const METADATA: Guid = Guid::from_digits(0x8B7CA206_4790_4B9A_B8FE_575F050F886E);
/// Items of the metadata (2.6.2).
const FILE_PARAMETERS: Guid = Guid::from_digits(0xCAA16737_FA36_4D43_B3B6_33F0AA44E76B);
const DISK_SIZE: Guid = Guid::from_digits(0x2FA54224_CD1B_4876_B211_5DBED83BF4B8);
const LOGICAL_SECTOR: Guid = Guid::from_digits(0x8141BF1D_A96F_4709_BA47_F233A8FAAB5F);

/// The largest disk (2.6.2.2): 64 TiB.
const MAX_DISK: u64 = 64 << 40;

/// The disk in `file` when it is a VHDX; `None` when it is not.
pub(crate) fn open(file: &Arc<dyn Device>, path: &Path) -> Result<Option<Container>, DiskError> {
    let mut magic = [0; 8];
    if file.read_exact_at(0, &mut magic).is_err() || magic != *b"vhdxfile" {
        return Ok(None);
    }
    let header = Header::newest(file, path)?;
    if header.version != 1 {
        return Err(DiskError::Unsupported {
            path: path.to_owned(),
            what: format!("a VHDX of version {}, which is newer than Lifeboat", header.version),
            advice: "attach it in Windows and name the drive".to_owned(),
        });
    }
    let (file, fault) = match header.log {
        Some(log) => vhdx_log::replay(file, &log),
        None => (file.clone(), None),
    };
    let regions = Regions::read(&file, path)?;
    let shape = Shape::read(&file, regions.metadata_at, path)?;
    let disk = map(file, &regions, &shape, path)?;
    let (format, faults) = (DiskFormat::Vhdx, fault.into_iter().collect());
    Ok(Some(Container { device: Arc::new(disk), format, faults }))
}

/// Where the log is, and which entries count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct LogPlace {
    /// Byte in the file.
    pub(crate) offset: u64,
    /// Bytes.
    pub(crate) len: u32,
    /// Carried by the entries of the present log.
    pub(crate) id: Guid,
}

/// A header (2.2.2).
struct Header {
    sequence: u64,
    version: u16,
    /// `None` when the log is empty.
    log: Option<LogPlace>,
}

impl Header {
    /// Of the headers that are whole, the one written last.
    fn newest(file: &dyn Device, path: &Path) -> Result<Self, DiskError> {
        let whole = HEADERS.iter().filter_map(|at| {
            let bytes = read_structure::<4096>(file, *at, path).ok()?;
            Self::parse(&bytes)
        });
        let newest = whole.max_by_key(|header| header.sequence);
        newest.ok_or_else(|| {
            damaged(path, "the VHDX headers", HEADERS[0], "neither of the two is whole")
        })
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let whole =
            stands_at(bytes, 0, b"head") && CRC32C.without_field(bytes, 4) == u32_at(bytes, 4);
        let id = Guid(array_at(bytes, 48)?);
        let log = LogPlace { len: u32_at(bytes, 68)?, offset: u64_at(bytes, 72)?, id };
        whole.then_some(Self {
            sequence: u64_at(bytes, 8)?,
            version: u16_at(bytes, 66)?,
            log: (!id.is_zero()).then_some(log),
        })
    }
}

/// Where the regions are (2.2.3).
struct Regions {
    metadata_at: u64,
    bat_at: u64,
    bat_bytes: u32,
}

impl Regions {
    fn read(file: &dyn Device, path: &Path) -> Result<Self, DiskError> {
        let at = REGION_TABLES[0];
        let whole = REGION_TABLES.iter().find_map(|at| {
            let bytes = read_structure::<{ 64 << 10 }>(file, *at, path).ok()?;
            let sum = CRC32C.without_field(&bytes, 4);
            (stands_at(&bytes, 0, b"regi") && sum == u32_at(&bytes, 4)).then_some(bytes)
        });
        let Some(bytes) = whole else {
            return Err(damaged(path, "the VHDX region tables", at, "neither of the two is whole"));
        };
        let (mut metadata, mut bat) = (None, None);
        let count = usize::try_from(u32_at(&bytes, 8).unwrap_or(0)).unwrap_or(usize::MAX);
        for entry in bytes.get(16..).unwrap_or_default().chunks_exact(32).take(count) {
            let fields = || {
                let kind = Guid(array_at(entry, 0)?);
                Some((kind, u64_at(entry, 16)?, u32_at(entry, 24)?, u32_at(entry, 28)?))
            };
            match fields() {
                Some((METADATA, offset, ..)) => metadata = Some(offset),
                Some((BAT, offset, len, _)) => bat = Some((offset, len)),
                Some((kind, .., required)) if required & 1 == 1 => {
                    return Err(DiskError::Unsupported {
                        path: path.to_owned(),
                        what: format!("a VHDX with a region that Lifeboat does not know ({kind})"),
                        advice: "attach it in Windows and name the drive".to_owned(),
                    });
                }
                _ => {}
            }
        }
        match (metadata, bat) {
            (Some(metadata_at), Some((bat_at, bat_bytes))) => {
                Ok(Self { metadata_at, bat_at, bat_bytes })
            }
            _ => Err(damaged(path, "the VHDX region table", at, "a region is missing in it")),
        }
    }
}

/// What the metadata says of the disk (2.6).
struct Shape {
    block_bytes: u32,
    disk_bytes: u64,
    sector_size: u32,
}

impl Shape {
    fn read(file: &dyn Device, at: u64, path: &Path) -> Result<Self, DiskError> {
        const WHAT: &str = "the VHDX metadata";
        let table = read_structure::<{ 64 << 10 }>(file, at, path)?;
        if !stands_at(&table, 0, b"metadata") {
            return Err(damaged(path, WHAT, at, "its signature is missing"));
        }
        let count = usize::from(u16_at(&table, 10).unwrap_or(0));
        let item = |wanted: Guid| {
            let entries = table.get(32..)?.chunks_exact(32).take(count);
            let mut found = entries.filter(|e| array_at(e, 0) == Some(wanted.0));
            let place = at.checked_add(u32_at(found.next()?, 16)?.into())?;
            let mut bytes = [0; 8];
            // Items of four bytes are followed by others, or by padding.
            file.read_exact_at(place, &mut bytes).ok()?;
            Some(bytes)
        };
        let missing = || damaged(path, WHAT, at, "an item that every disk has is missing");
        let parameters = item(FILE_PARAMETERS).ok_or_else(missing)?;
        let disk_bytes = u64::from_le_bytes(item(DISK_SIZE).ok_or_else(missing)?);
        let sector = item(LOGICAL_SECTOR).ok_or_else(missing)?;
        let shape = Self {
            block_bytes: u32_at(&parameters, 0).ok_or_else(missing)?,
            disk_bytes,
            sector_size: u32_at(&sector, 0).ok_or_else(missing)?,
        };
        if u32_at(&parameters, 4).is_some_and(|flags| flags & 2 != 0) {
            return Err(DiskError::Unsupported {
                path: path.to_owned(),
                what: "a differencing VHDX (a checkpoint, .avhdx): most of its data is in the \
                       parent disk's file"
                    .to_owned(),
                advice: merge_advice(),
            });
        }
        let good = (1 << 20..=256 << 20).contains(&shape.block_bytes)
            && shape.block_bytes.is_power_of_two()
            && matches!(shape.sector_size, 512 | 4096)
            && disk_bytes <= MAX_DISK;
        let found = || {
            format!(
                "a disk of {disk_bytes} bytes in blocks of {} and sectors of {} is impossible",
                shape.block_bytes, shape.sector_size
            )
        };
        if good { Ok(shape) } else { Err(damaged(path, WHAT, at, found())) }
    }
}

fn map(
    file: Arc<dyn Device>,
    regions: &Regions,
    shape: &Shape,
    path: &Path,
) -> Result<Mapped<Bat>, DiskError> {
    // After so many blocks' entries stands one for their sector bitmap (2.5).
    let chunk_blocks = (u64::from(shape.sector_size) << 23) / u64::from(shape.block_bytes);
    let blocks = shape.disk_bytes.div_ceil(shape.block_bytes.into());
    let bat = Bat {
        table: Cached::new(file.clone(), CACHE_BYTES),
        table_at: regions.bat_at,
        chunk_blocks: chunk_blocks.max(1),
        block_bytes: shape.block_bytes.into(),
    };
    let entries = blocks.checked_sub(1).map_or(0, |last| bat.entry_of(last) + 1);
    if entries * 8 > u64::from(regions.bat_bytes) {
        let found = "it is too short for the disk";
        return Err(damaged(path, "the VHDX block table", regions.bat_at, found));
    }
    let (len, sector_size) = (shape.disk_bytes, shape.sector_size);
    Ok(Mapped { file, map: bat, len, sector_size })
}

/// The block table (2.5).
struct Bat {
    table: Cached,
    table_at: u64,
    chunk_blocks: u64,
    block_bytes: u64,
}

impl Bat {
    fn entry_of(&self, block: u64) -> u64 {
        block + block / self.chunk_blocks
    }
}

impl BlockMap for Bat {
    fn block_bytes(&self) -> u64 {
        self.block_bytes
    }

    fn locate(&self, block: u64) -> io::Result<Option<u64>> {
        let mut entry = [0; 8];
        let at = self.entry_of(block).saturating_mul(8).saturating_add(self.table_at);
        self.table.read_exact_at(at, &mut entry)?;
        let entry = u64::from_le_bytes(entry);
        match entry & 7 {
            // Not present, undefined, zero, unmapped (2.5.1.1; unmapped is 5 in
            // the format's version 0.95): zeros, or data of no file.
            0..=3 | 5 => Ok(None),
            // The offset is in units of 1 MiB, from bit 20 on.
            6 => Ok(Some(entry & !0xF_FFFF)),
            state => {
                let what = format!("block {block} of the VHDX has the impossible state {state}");
                Err(io::Error::new(io::ErrorKind::InvalidData, what))
            }
        }
    }
}

/// A structure that is not what it should be.
fn damaged(path: &Path, what: &'static str, offset: u64, found: impl Into<String>) -> DiskError {
    DiskError::Damaged { path: path.to_owned(), what, offset, found: found.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::MemoryDevice;

    /// A table with these entries.
    fn bat(entries: &[u64]) -> Bat {
        let bytes = entries.iter().flat_map(|entry| entry.to_le_bytes()).collect();
        let table: Arc<dyn Device> = Arc::new(MemoryDevice::new(bytes));
        let table = Cached::new(table, CACHE_BYTES);
        Bat { table, table_at: 0, chunk_blocks: 4096, block_bytes: 1 << 20 }
    }

    #[test]
    fn a_block_is_there_or_zeros_or_impossible() {
        let bat = bat(&[0, 1, 2, 3, 5, 7 << 20 | 6, 4, 7]);
        for block in 0..5 {
            assert_eq!(bat.locate(block).unwrap(), None, "{block}");
        }
        assert_eq!(bat.locate(5).unwrap(), Some(7 << 20));
        for block in 6..8 {
            let error = bat.locate(block).unwrap_err();
            assert!(error.to_string().contains("impossible state"), "{error}");
        }
    }
}
