//! The master boot record and the chain of logical partitions.
//!
//! A sector of 512 bytes: a disk signature at 0x1B8, four entries of 16 bytes
//! at 0x1BE (status, first CHS, type, last CHS, first sector, count), 55 AA at
//! 0x1FE (UEFI 2.10, 5.2.1). A logical partition is described by such a sector
//! in front of it, whose second entry leads to the next.

use super::table::{Partition, PartitionTable, PartitionType, TableKind};
use crate::disk::device::Device;
use crate::disk::fault::Fault;
use crate::model::bytes::{u16_at, u32_at};

/// More logical partitions than any tool makes.
const MAX_LINKS: usize = 256;

/// One of the four entries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Entry {
    kind: u8,
    first: u32,
    count: u32,
}

impl Entry {
    fn is_empty(self) -> bool {
        self.kind == 0 || self.count == 0
    }

    /// Whether it holds the logical partitions (DOS, Windows 95, Linux).
    fn is_extended(self) -> bool {
        !self.is_empty() && matches!(self.kind, 0x05 | 0x0F | 0x85)
    }
}

/// The four entries; `None` when the status bytes are not those of a table.
fn entries(sector: &[u8]) -> Option<[Entry; 4]> {
    let mut entries = [Entry { kind: 0, first: 0, count: 0 }; 4];
    for (entry, raw) in entries.iter_mut().zip(sector.get(0x1BE..0x1FE)?.chunks_exact(16)) {
        if !matches!(raw.first(), Some(0x00 | 0x80)) {
            return None;
        }
        *entry = Entry { kind: *raw.get(4)?, first: u32_at(raw, 8)?, count: u32_at(raw, 12)? };
    }
    Some(entries)
}

fn is_signed(sector: &[u8]) -> bool {
    u16_at(sector, 0x1FE) == Some(0xAA55)
}

/// Sector 0, read as a master boot record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Master {
    entries: [Entry; 4],
    signed: bool,
    disk_signature: u32,
}

impl Master {
    /// `None` when the bytes cannot be one.
    pub(crate) fn parse(sector: &[u8]) -> Option<Self> {
        Some(Self {
            entries: entries(sector)?,
            signed: is_signed(sector),
            disk_signature: u32_at(sector, 0x1B8)?,
        })
    }

    /// Whether it ends in 55 AA.
    pub(crate) fn is_signed(&self) -> bool {
        self.signed
    }

    /// Whether it says that a GPT describes the disk (UEFI 2.10, 5.2.3).
    pub(crate) fn is_protective(&self) -> bool {
        self.signed && self.entries.iter().any(|e| e.kind == 0xEE)
    }

    /// Whether no entry is used.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.iter().all(|e| e.is_empty())
    }
}

/// The partitions of an MBR that counts in units of `unit` bytes; `None` when
/// all of them would lie outside the disk and nothing else speaks for it.
pub(crate) fn read(device: &dyn Device, master: &Master, unit: u32) -> Option<PartitionTable> {
    let bytes = |sectors: u64| sectors.saturating_mul(unit.into());
    let mut partitions = Vec::new();
    let mut faults = Vec::new();
    let mut logical = Vec::new();
    for (entry, number) in master.entries.iter().zip(1..) {
        if entry.is_extended() {
            follow(device, unit, entry.first, &mut logical, &mut faults);
        } else if !entry.is_empty() {
            partitions.push(partition(*entry, number, bytes(entry.first.into()), unit));
        }
    }
    for ((entry, offset), number) in logical.into_iter().zip(5..) {
        partitions.push(partition(entry, number, offset, unit));
    }
    let plausible = partitions.iter().any(|p| p.offset < device.len());
    if !master.signed && !plausible {
        return None;
    }
    if !master.signed {
        faults.push(Fault::MbrUnsigned);
    }
    let disk_id = (master.disk_signature != 0).then(|| format!("{:08x}", master.disk_signature));
    Some(PartitionTable { kind: TableKind::Mbr, unit, disk_id, partitions, faults })
}

fn partition(entry: Entry, number: u32, offset: u64, unit: u32) -> Partition {
    Partition {
        number,
        offset,
        len: u64::from(entry.count).saturating_mul(unit.into()),
        kind: PartitionType::Mbr(entry.kind),
        name: String::new(),
        guid: None,
    }
}

/// Follows the chain from the extended partition that starts at sector
/// `start`; adds its partitions with their bytes on the disk.
///
/// A partition is given from its own link on, the next link from the start of
/// the whole extended partition.
fn follow(
    device: &dyn Device,
    unit: u32,
    start: u32,
    found: &mut Vec<(Entry, u64)>,
    faults: &mut Vec<Fault>,
) {
    let mut link = u64::from(start);
    let mut seen = Vec::new();
    loop {
        let at = link.saturating_mul(unit.into());
        let mut broken = |why| faults.push(Fault::ChainBroken { at, why });
        if seen.contains(&link) {
            return broken("it leads back to itself");
        }
        if seen.len() >= MAX_LINKS {
            return broken("it is longer than any disk has");
        }
        seen.push(link);
        let mut sector = [0; 512];
        if device.read_exact_at(at, &mut sector).is_err() {
            return broken("the sector cannot be read");
        }
        let Some(entries) = entries(&sector).filter(|_| is_signed(&sector)) else {
            return broken("there is no partition table");
        };
        for entry in entries.iter().filter(|e| !e.is_empty() && !e.is_extended()) {
            let first = link.saturating_add(entry.first.into());
            found.push((*entry, first.saturating_mul(unit.into())));
        }
        match entries.iter().find(|e| e.is_extended()) {
            Some(next) => link = u64::from(start).saturating_add(next.first.into()),
            None => return,
        }
    }
}

/// What a type byte stands for, where Windows or its neighbours use it.
pub(crate) fn type_name(kind: u8) -> Option<&'static str> {
    Some(match kind {
        0x01 => "FAT12",
        0x04 | 0x06 | 0x0E => "FAT16",
        0x07 => "NTFS or exFAT",
        0x0B | 0x0C => "FAT32",
        0x11 | 0x14 | 0x16 | 0x17 | 0x1B | 0x1C | 0x1E => "hidden",
        0x12 | 0x27 | 0xDE => "recovery",
        0x42 => "Windows dynamic disk",
        0x82 => "Linux swap",
        0x83 => "Linux",
        0x8E => "Linux LVM",
        0xAF => "Apple HFS+",
        0xEE => "protective",
        0xEF => "EFI system",
        0xFD => "Linux RAID",
        _ => return None,
    })
}

/// Not in the recovery partitions of Windows and of makers (0x12, 0x27, 0xDE),
/// the EFI system partition (0xEF), and those of Linux, Apple and BSD.
pub(crate) fn may_hold_stores(kind: u8) -> bool {
    !matches!(
        kind,
        0x12 | 0x27 | 0xDE | 0xEF | 0x82 | 0x83 | 0x8E | 0xFD | 0xA5 | 0xA6 | 0xA8 | 0xA9 | 0xAF
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::memory::MemoryDevice;

    /// Writes an entry into the table in `sector` of `disk`.
    fn put(disk: &mut [u8], sector: usize, slot: usize, kind: u8, first: u32, count: u32) {
        let table = &mut disk[sector * 512..][..512];
        table[0x1FE..].copy_from_slice(&[0x55, 0xAA]);
        let entry = &mut table[0x1BE + slot * 16..][..16];
        entry[4] = kind;
        entry[8..12].copy_from_slice(&first.to_le_bytes());
        entry[12..].copy_from_slice(&count.to_le_bytes());
    }

    fn read_disk(disk: &[u8]) -> PartitionTable {
        let master = Master::parse(&disk[..512]).unwrap();
        read(&MemoryDevice::new(disk.to_vec()), &master, 512).unwrap()
    }

    /// Numbers and ranges, in sectors.
    fn ranges(table: &PartitionTable) -> Vec<(u32, u64, u64)> {
        table.partitions.iter().map(|p| (p.number, p.offset / 512, p.len / 512)).collect()
    }

    #[test]
    fn primaries_and_logical_partitions_are_numbered_as_linux_does() {
        let mut disk = vec![0; 512 * 200];
        disk[0x1B8..0x1BC].copy_from_slice(&[0x78, 0x56, 0x34, 0x12]);
        put(&mut disk, 0, 0, 0x07, 10, 20);
        put(&mut disk, 0, 2, 0x0F, 100, 100);
        put(&mut disk, 100, 0, 0x07, 2, 18);
        put(&mut disk, 100, 1, 0x05, 40, 60); // from 100 on: at 140
        put(&mut disk, 140, 0, 0x83, 5, 10);
        put(&mut disk, 0, 3, 0x27, 50, 5);
        let table = read_disk(&disk);
        assert_eq!(ranges(&table), [(1, 10, 20), (4, 50, 5), (5, 102, 18), (6, 145, 10)]);
        assert_eq!(table.disk_id.as_deref(), Some("12345678"));
        assert_eq!(table.partitions[1].kind.to_string(), "recovery");
        assert!(table.faults.is_empty());
    }

    #[test]
    fn a_chain_that_bites_its_tail_ends() {
        let mut disk = vec![0; 512 * 200];
        put(&mut disk, 0, 0, 0x05, 100, 100);
        put(&mut disk, 100, 0, 0x07, 2, 18);
        put(&mut disk, 100, 1, 0x05, 40, 60);
        put(&mut disk, 140, 0, 0x07, 2, 18);
        put(&mut disk, 140, 1, 0x05, 0, 60); // back to 100
        let table = read_disk(&disk);
        assert_eq!(ranges(&table), [(5, 102, 18), (6, 142, 18)]);
        let why = "it leads back to itself";
        assert_eq!(table.faults, [Fault::ChainBroken { at: 51_200, why }]);
    }

    #[test]
    fn a_chain_without_end_ends() {
        let mut disk = vec![0; 512 * 2000];
        put(&mut disk, 0, 0, 0x05, 1, 1999);
        for link in 1..1500 {
            put(&mut disk, link, 0, 0x07, 1, 1);
            put(&mut disk, link, 1, 0x05, u32::try_from(link).unwrap(), 1);
        }
        let table = read_disk(&disk);
        assert_eq!(table.partitions.len(), MAX_LINKS);
        assert!(matches!(table.faults[..], [Fault::ChainBroken { .. }]));
    }

    #[test]
    fn a_broken_link_keeps_what_came_before() {
        let mut disk = vec![0; 512 * 200];
        put(&mut disk, 0, 0, 0x05, 100, 100);
        put(&mut disk, 100, 0, 0x07, 2, 18);
        for (next, why) in
            [(40, "there is no partition table"), (u32::MAX, "the sector cannot be read")]
        {
            put(&mut disk, 100, 1, 0x05, next, 60);
            let table = read_disk(&disk);
            assert_eq!(ranges(&table), [(5, 102, 18)]);
            let at = (100 + u64::from(next)) * 512;
            assert_eq!(table.faults, [Fault::ChainBroken { at, why }]);
        }
    }

    #[test]
    fn partitions_that_start_or_repair_a_system_hold_no_stores() {
        let without: Vec<u8> = [0x12, 0x27, 0xEF].to_vec();
        assert!(without.iter().all(|kind| !may_hold_stores(*kind)));
        assert!([0x07, 0x0C, 0x42, 0x17, 0x99].iter().all(|kind| may_hold_stores(*kind)));
    }

    #[test]
    fn status_bytes_tell_a_table_from_boot_code() {
        let mut sector = [0; 512];
        sector[0x1BE] = 0x80;
        assert!(Master::parse(&sector).is_some_and(|m| m.is_empty() && !m.is_signed()));
        sector[0x1DE] = 0x6F;
        assert!(Master::parse(&sector).is_none());
    }
}
