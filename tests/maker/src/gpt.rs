//! The GUID partition table (UEFI 2.10, 5.3): protective MBR, header and entries
//! at the start, entries and header again at the end.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use anyhow::{Result, ensure};
use flate2::Crc;

use crate::disk::{Extent, Partition, Purpose, Sectors};
use crate::mbr;
use crate::rng::Rng;

const ENTRIES: usize = 128;
const ENTRY_BYTES: usize = 128;
const HEADER_BYTES: usize = 92;

/// Writes both tables.
pub(crate) fn write(
    disk: &File,
    sectors: Sectors,
    partitions: &[Partition],
    extents: &[Extent],
    seed: u64,
) -> Result<()> {
    ensure!(partitions.len() <= ENTRIES, "a GPT has {ENTRIES} entries");
    let mut ids = Rng::new(seed);
    let disk_id = ids.id();
    let mut entries = vec![0; ENTRIES * ENTRY_BYTES];
    for ((partition, extent), slot) in
        partitions.iter().zip(extents).zip(entries.chunks_mut(ENTRY_BYTES))
    {
        slot.copy_from_slice(&entry(partition, extent, sectors, ids.id()));
    }

    let last = sectors.total() - 1;
    let table_sectors = sectors.of((ENTRIES * ENTRY_BYTES) as u64);
    let usable = (2 + table_sectors, last - table_sectors - 1);
    let front = Header { at: 1, other: last, entries_at: 2 };
    let back = Header { at: last, other: 1, entries_at: last - table_sectors };
    disk.write_all_at(&mbr::protective(sectors), 0)?;
    for header in [front, back] {
        disk.write_all_at(&entries, header.entries_at * sectors.bytes)?;
        disk.write_all_at(&header.encode(usable, disk_id, &entries), header.at * sectors.bytes)?;
    }
    Ok(())
}

/// Where one of the two headers lies, in sectors.
struct Header {
    at: u64,
    other: u64,
    entries_at: u64,
}

impl Header {
    fn encode(&self, usable: (u64, u64), disk_id: [u8; 16], entries: &[u8]) -> [u8; HEADER_BYTES] {
        let mut header = [0; HEADER_BYTES];
        header[..8].copy_from_slice(b"EFI PART");
        header[8..12].copy_from_slice(&0x0001_0000_u32.to_le_bytes());
        header[12..16].copy_from_slice(&92_u32.to_le_bytes());
        header[24..32].copy_from_slice(&self.at.to_le_bytes());
        header[32..40].copy_from_slice(&self.other.to_le_bytes());
        header[40..48].copy_from_slice(&usable.0.to_le_bytes());
        header[48..56].copy_from_slice(&usable.1.to_le_bytes());
        header[56..72].copy_from_slice(&disk_id);
        header[72..80].copy_from_slice(&self.entries_at.to_le_bytes());
        header[80..84].copy_from_slice(&128_u32.to_le_bytes());
        header[84..88].copy_from_slice(&128_u32.to_le_bytes());
        header[88..92].copy_from_slice(&crc(entries).to_le_bytes());
        // The header's own sum is taken with zeros in its place.
        let own = crc(&header).to_le_bytes();
        header[16..20].copy_from_slice(&own);
        header
    }
}

fn entry(
    partition: &Partition,
    extent: &Extent,
    sectors: Sectors,
    id: [u8; 16],
) -> [u8; ENTRY_BYTES] {
    let mut entry = [0; ENTRY_BYTES];
    entry[..16].copy_from_slice(&type_id(partition.purpose));
    entry[16..32].copy_from_slice(&id);
    let first = sectors.of(extent.offset);
    entry[32..40].copy_from_slice(&first.to_le_bytes());
    entry[40..48].copy_from_slice(&(first + sectors.of(extent.bytes) - 1).to_le_bytes());
    let name = partition.name.encode_utf16().take(36).flat_map(u16::to_le_bytes);
    for (to, from) in entry[56..].iter_mut().zip(name) {
        *to = from;
    }
    entry
}

/// Type GUIDs as they stand on the disk (the first three fields little-endian).
fn type_id(purpose: Purpose) -> [u8; 16] {
    let (a, b, c, d): (u32, u16, u16, u64) = match purpose {
        Purpose::Basic => (0xEBD0_A0A2, 0xB9E5, 0x4433, 0x87C0_68B6_B726_99C7),
        Purpose::Efi => (0xC12A_7328, 0xF81F, 0x11D2, 0xBA4B_00A0_C93E_C93B),
        Purpose::Reserved => (0xE3C9_E316, 0x0B5C, 0x4DB8, 0x817D_F92D_F002_15AE),
        Purpose::Recovery => (0xDE94_BBA4, 0x06D1, 0x4D40, 0xA16A_BFD5_0179_D6AC),
    };
    let mut id = [0; 16];
    id[..4].copy_from_slice(&a.to_le_bytes());
    id[4..6].copy_from_slice(&b.to_le_bytes());
    id[6..8].copy_from_slice(&c.to_le_bytes());
    id[8..].copy_from_slice(&d.to_be_bytes());
    id
}

fn crc(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}
