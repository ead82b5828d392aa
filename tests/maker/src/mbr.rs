//! The partition table in a disk's first sector, and the chain of extended boot
//! records behind it.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use anyhow::{Result, ensure};

use crate::disk::{ALIGNMENT, Extent, Partition, Purpose, Sectors};

/// The disk signature at byte 0x1B8.
const SIGNATURE: u32 = 0x1B0A_7B0A;

const NTFS: u8 = 0x07;
const RECOVERY: u8 = 0x27;
const EFI: u8 = 0xEF;
const EXTENDED: u8 = 0x0F;
const EXTENDED_LINK: u8 = 0x05;

/// Writes the table; with `extended`, all but the first are logical partitions.
pub(crate) fn write(
    disk: &File,
    sectors: Sectors,
    partitions: &[Partition],
    extents: &[Extent],
    extended: bool,
) -> Result<()> {
    let mut entries: Vec<[u8; 16]> = Vec::new();
    for (partition, extent) in partitions.iter().zip(extents) {
        if extended && entries.len() == 1 {
            break;
        }
        entries.push(entry(
            kind(partition),
            entries.is_empty(),
            sectors,
            extent.offset,
            extent.bytes,
        )?);
    }
    ensure!(entries.len() <= 4, "an MBR has four entries");
    if extended && let (Some(first), Some(last)) = (extents.get(1), extents.last()) {
        let start = first.offset - ALIGNMENT;
        entries.push(entry(EXTENDED, false, sectors, start, last.offset + last.bytes - start)?);
        chain(disk, sectors, partitions, extents, start)?;
    }
    let mut sector = table(&entries);
    sector[0x1B8..0x1BC].copy_from_slice(&SIGNATURE.to_le_bytes());
    disk.write_all_at(&sector, 0)?;
    Ok(())
}

/// One record before each logical partition: the partition, counted from the
/// record, and the next record, counted from the start of the extended one.
fn chain(
    disk: &File,
    sectors: Sectors,
    partitions: &[Partition],
    extents: &[Extent],
    start: u64,
) -> Result<()> {
    for (index, extent) in extents.iter().enumerate().skip(1) {
        let mut entries =
            vec![entry(kind(&partitions[index]), false, sectors, ALIGNMENT, extent.bytes)?];
        if let Some(next) = extents.get(index + 1) {
            let record = next.offset - ALIGNMENT;
            let bytes = ALIGNMENT + next.bytes;
            entries.push(entry(EXTENDED_LINK, false, sectors, record - start, bytes)?);
        }
        disk.write_all_at(&table(&entries), extent.offset - ALIGNMENT)?;
    }
    Ok(())
}

/// The protective MBR of a GPT disk: one entry of type 0xEE over everything.
pub(crate) fn protective(sectors: Sectors) -> [u8; 512] {
    let mut entry = [0; 16];
    entry[1..4].copy_from_slice(&[0, 2, 0]);
    entry[4] = 0xEE;
    entry[5..8].copy_from_slice(&[0xFF, 0xFF, 0xFF]);
    entry[8..12].copy_from_slice(&1_u32.to_le_bytes());
    let count = u32::try_from(sectors.total() - 1).unwrap_or(u32::MAX);
    entry[12..16].copy_from_slice(&count.to_le_bytes());
    table(&[entry])
}

fn kind(partition: &Partition) -> u8 {
    match partition.purpose {
        Purpose::Basic | Purpose::Reserved => NTFS,
        Purpose::Recovery => RECOVERY,
        Purpose::Efi => EFI,
    }
}

fn entry(kind: u8, active: bool, sectors: Sectors, start: u64, bytes: u64) -> Result<[u8; 16]> {
    let mut entry = [0; 16];
    entry[0] = if active { 0x80 } else { 0 };
    entry[4] = kind;
    // Beyond what cylinders, heads and sectors can say: LBA counts.
    entry[1..4].copy_from_slice(&[0xFE, 0xFF, 0xFF]);
    entry[5..8].copy_from_slice(&[0xFE, 0xFF, 0xFF]);
    entry[8..12].copy_from_slice(&u32::try_from(sectors.of(start))?.to_le_bytes());
    entry[12..16].copy_from_slice(&u32::try_from(sectors.of(bytes))?.to_le_bytes());
    Ok(entry)
}

fn table(entries: &[[u8; 16]]) -> [u8; 512] {
    let mut sector = [0; 512];
    for (index, entry) in entries.iter().enumerate() {
        let at = 0x1BE + index * 16;
        sector[at..at + 16].copy_from_slice(entry);
    }
    sector[510..].copy_from_slice(&[0x55, 0xAA]);
    sector
}
