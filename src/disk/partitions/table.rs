//! Partition tables of either kind: what they have in common, and which one
//! counts when a disk shows several.

use std::fmt;
use std::sync::Arc;

use super::{gpt, mbr};
use crate::disk::device::Device;
use crate::disk::fault::Fault;
use crate::disk::guid::Guid;
use crate::disk::slice::Slice;
use crate::disk::volume::{Identity, identify};

/// The kind of a disk's partition table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TableKind {
    /// None: the disk, or the image, is one volume.
    None,
    /// MBR, with logical partitions where there are any.
    Mbr,
    /// GPT.
    Gpt,
}

impl TableKind {
    /// The stable name, as in `--json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Mbr => "mbr",
            Self::Gpt => "gpt",
        }
    }
}

/// What a partition is for, by its table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PartitionType {
    /// The byte in an MBR.
    Mbr(u8),
    /// The GUID in a GPT.
    Gpt(Guid),
}

impl PartitionType {
    /// Whether a migration store may be in such a partition. Not in those that
    /// start or repair a system, nor in those of other systems; what no table
    /// explains may hold anything.
    pub(crate) fn may_hold_stores(self) -> bool {
        match self {
            Self::Mbr(byte) => mbr::may_hold_stores(byte),
            Self::Gpt(guid) => gpt::may_hold_stores(&guid),
        }
    }
}

impl fmt::Display for PartitionType {
    /// A name for people; the number where there is none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = match self {
            Self::Mbr(byte) => mbr::type_name(*byte),
            Self::Gpt(guid) => gpt::type_name(guid),
        };
        match (known, self) {
            (Some(name), _) => f.pad(name),
            (None, Self::Mbr(byte)) => write!(f, "type {byte:#04x}"),
            (None, Self::Gpt(guid)) => write!(f, "type {guid}"),
        }
    }
}

/// One partition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Partition {
    /// As Linux counts: MBR primaries 1 to 4, logical ones from 5; GPT entries
    /// from 1.
    pub number: u32,
    /// Byte on the disk.
    pub offset: u64,
    /// Bytes, within the disk.
    pub len: u64,
    /// What it is for, by the table.
    pub kind: PartitionType,
    /// Its name (GPT); empty where it has none.
    pub name: String,
    /// Its own GUID (GPT).
    pub guid: Option<Guid>,
}

/// A disk's partitions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PartitionTable {
    /// Which kind.
    pub kind: TableKind,
    /// Bytes per unit that the table counts in.
    pub unit: u32,
    /// The disk's GUID (GPT) or its signature (MBR), as Windows shows them.
    pub disk_id: Option<String>,
    /// In the order of the table.
    pub partitions: Vec<Partition>,
    /// What is wrong with it.
    pub faults: Vec<Fault>,
}

impl PartitionTable {
    /// No table.
    pub(crate) fn none(device: &dyn Device) -> Self {
        Self {
            kind: TableKind::None,
            unit: device.sector_size(),
            disk_id: None,
            partitions: Vec::new(),
            faults: Vec::new(),
        }
    }

    /// Puts the partitions within the disk's `len` bytes, and says what did
    /// not fit and what overlaps.
    pub(crate) fn settle(&mut self, len: u64) {
        let faults = &mut self.faults;
        self.partitions.retain_mut(|p| {
            let number = p.number;
            if p.offset >= len {
                faults.push(Fault::PartitionOutside { number });
                return false;
            }
            let room = len - p.offset;
            if p.len > room {
                faults.push(Fault::PartitionCutShort { number, missing: p.len - room });
                p.len = room;
            }
            true
        });
        let mut by_offset: Vec<_> = self.partitions.iter().collect();
        by_offset.sort_by_key(|p| (p.offset, p.number));
        for pair in by_offset.windows(2) {
            if let [a, b] = pair
                && a.offset.saturating_add(a.len) > b.offset
            {
                faults.push(Fault::Overlap { first: a.number, second: b.number });
            }
        }
    }
}

/// The units that tables count in: the disk's own first.
fn units(device: &dyn Device) -> Vec<u32> {
    let own = device.sector_size();
    let mut units = vec![512, 4096];
    if let Some(at) = units.iter().position(|u| *u == own) {
        units.swap(0, at);
    }
    units
}

/// What a disk holds: its table, or the one volume that it is.
pub(crate) enum Layout {
    /// A partition table, settled.
    Table(PartitionTable),
    /// One volume from the first byte on.
    Bare(Identity),
}

/// Finds out how a disk is laid out. Never fails: what is not to be read is a
/// fault.
///
/// Sector 0 is looked at as three things at once, for each can look like the
/// others: boot sectors end in 55 AA as an MBR does; partitioning tools leave
/// the boot code of an earlier volume where it was; some formatters put a
/// table into a boot sector; an old GPT may stand behind a new MBR. What
/// stands where each of them points decides.
pub(crate) fn read_layout(device: &Arc<dyn Device>) -> Layout {
    let mut sector = [0; 512];
    let trouble = device.read_exact_at(0, &mut sector).err();
    let unreadable = trouble.map(|e| Fault::TableUnreadable { error: e.to_string() });
    let master = if unreadable.is_none() { mbr::Master::parse(&sector) } else { None };
    let bare = identify(device);

    // A GPT counts if the MBR says so (UEFI 2.10, 5.2.3), or if nothing else
    // is in sector 0.
    let protective = master.as_ref().is_some_and(mbr::Master::is_protective);
    let free = !bare.kind.is_known() && master.as_ref().is_none_or(mbr::Master::is_empty);
    if protective || free {
        let gpt = units(device).iter().find_map(|unit| gpt::read(device, *unit));
        if let Some(mut table) = gpt {
            if !protective {
                table.faults.push(Fault::GptUnprotected);
            }
            return finish(table, device, unreadable);
        }
    }
    match master.and_then(|master| read_mbr(device, &master)) {
        Some(found) if !bare.kind.is_known() => finish(found.table, device, unreadable),
        // An earlier volume's boot code in front of a table that leads to other
        // volumes: the table is the younger one.
        Some(mut found) if found.volumes > 0 && !found.is_the_disk_itself() => {
            found.table.faults.push(Fault::AlsoBootSector { kind: bare.kind });
            finish(found.table, device, unreadable)
        }
        _ => Layout::Bare(bare),
    }
}

/// Settles the table, with what else is wrong with it.
fn finish(mut table: PartitionTable, device: &dyn Device, more: Option<Fault>) -> Layout {
    if table.unit != device.sector_size() {
        table.faults.push(Fault::OtherUnit { unit: table.unit, of_image: false });
    }
    table.settle(device.len());
    if table.partitions.iter().any(|p| p.kind.to_string() == gpt::DYNAMIC) {
        table.faults.push(Fault::DynamicDisk);
    }
    table.faults.extend(more);
    Layout::Table(table)
}

/// An MBR's partitions, and how many of them hold a volume that is known.
struct Found {
    table: PartitionTable,
    volumes: usize,
}

impl Found {
    /// Whether the table is one that formatters write into a boot sector: its
    /// partition is the volume that it stands in.
    fn is_the_disk_itself(&self) -> bool {
        self.table.partitions.iter().all(|p| p.offset == 0)
    }
}

/// Reads the MBR in the units in which it leads to the most volumes; `None`
/// when it makes no sense in any.
fn read_mbr(device: &Arc<dyn Device>, master: &mbr::Master) -> Option<Found> {
    let mut best: Option<Found> = None;
    for unit in units(device) {
        let Some(table) = mbr::read(device, master, unit) else { continue };
        let leads_to_volume = |p: &&Partition| {
            let window = Slice::new(device.clone(), p.offset, p.len);
            !window.is_empty() && identify(&window).kind.is_known()
        };
        let volumes = table.partitions.iter().filter(leads_to_volume).count();
        if best.as_ref().is_none_or(|b| volumes > b.volumes) {
            best = Some(Found { table, volumes });
        }
    }
    // Sensible entries can be chance in a sector that is not signed.
    best.filter(|found| master.is_signed() || found.volumes > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::memory::MemoryDevice;
    use crate::disk::partitions::gpt::tests::disk as gpt_disk;
    use crate::disk::volume::VolumeKind;
    use crate::disk::volume::tests::ntfs;

    /// Writes an MBR entry, and the signature.
    fn put(disk: &mut [u8], slot: usize, kind: u8, first: u32, count: u32) {
        disk[0x1FE..0x200].copy_from_slice(&[0x55, 0xAA]);
        let entry = &mut disk[0x1BE + slot * 16..][..16];
        entry[0] = 0;
        entry[4] = kind;
        entry[8..12].copy_from_slice(&first.to_le_bytes());
        entry[12..].copy_from_slice(&count.to_le_bytes());
    }

    fn layout(bytes: &[u8]) -> Layout {
        layout_of(MemoryDevice::new(bytes.to_vec()))
    }

    fn layout_of(device: MemoryDevice) -> Layout {
        let device: Arc<dyn Device> = Arc::new(device);
        read_layout(&device)
    }

    fn table(layout: Layout) -> PartitionTable {
        match layout {
            Layout::Table(table) => table,
            Layout::Bare(identity) => panic!("bare {identity:?}"),
        }
    }

    fn bare(layout: Layout) -> Identity {
        match layout {
            Layout::Bare(identity) => identity,
            Layout::Table(table) => panic!("{table:?}"),
        }
    }

    #[test]
    fn a_bare_volume_is_no_table_though_it_ends_in_55_aa() {
        assert_eq!(bare(layout(&ntfs(100))).kind, VolumeKind::Ntfs);
        // Boot code that happens to be a sensible entry leading nowhere.
        let mut volume = ntfs(100);
        put(&mut volume, 0, 0x61, 7, 30);
        assert_eq!(bare(layout(&volume)).kind, VolumeKind::Ntfs);
    }

    #[test]
    fn a_table_over_an_earlier_volumes_boot_code_is_a_table() {
        let mut disk = ntfs(200);
        disk[64 * 512..165 * 512].copy_from_slice(&ntfs(100));
        put(&mut disk, 0, 0x07, 64, 101);
        let table = table(layout(&disk));
        assert_eq!(table.partitions[0].offset, 64 * 512);
        assert_eq!(table.faults, [Fault::AlsoBootSector { kind: VolumeKind::Ntfs }]);
    }

    #[test]
    fn a_table_whose_partition_is_the_disk_itself_is_a_bare_volume() {
        let mut disk = ntfs(100);
        put(&mut disk, 0, 0x07, 0, 101);
        assert_eq!(bare(layout(&disk)).kind, VolumeKind::Ntfs);
    }

    #[test]
    fn an_unsigned_table_counts_when_volumes_stand_there() {
        let mut disk = vec![0; 300 * 512];
        put(&mut disk, 0, 0x07, 64, 101);
        disk[0x1FE] = 0;
        // Nothing there: nobody knows.
        assert!(!bare(layout(&disk)).kind.is_known());
        disk[64 * 512..165 * 512].copy_from_slice(&ntfs(100));
        let table = table(layout(&disk));
        assert_eq!((table.partitions.len(), &table.faults[..]), (1, &[Fault::MbrUnsigned][..]));
    }

    #[test]
    fn an_mbr_of_a_disk_with_large_sectors_is_read_in_its_unit() {
        let mut disk = vec![0; 4096 * 40];
        put(&mut disk, 0, 0x07, 16, 13);
        disk[4096 * 16..][..101 * 512].copy_from_slice(&ntfs(100));
        for device in [
            MemoryDevice::new(disk.clone()),
            MemoryDevice::new(disk.clone()).with_sector_size(4096),
        ] {
            let table = table(layout_of(device));
            assert_eq!((table.unit, table.partitions[0].offset), (4096, 4096 * 16));
        }
    }

    #[test]
    fn a_gpt_counts_by_its_protective_entry_or_in_an_empty_sector() {
        for unit in [512, 4096] {
            let mut disk = gpt_disk(unit, 300);
            let faults = table(layout(&disk)).faults;
            let other = [Fault::OtherUnit { unit: u32::try_from(unit).unwrap(), of_image: false }];
            assert_eq!(faults, if unit == 512 { &[][..] } else { &other[..] });
            disk[..512].fill(0);
            let table = table(layout(&disk));
            assert_eq!(table.kind, TableKind::Gpt);
            assert_eq!(table.faults[0], Fault::GptUnprotected);
        }
    }

    #[test]
    fn an_old_gpt_behind_a_new_mbr_does_not_count() {
        let mut disk = gpt_disk(512, 300);
        put(&mut disk, 0, 0x07, 64, 101);
        let table = table(layout(&disk));
        assert_eq!((table.kind, table.partitions[0].len), (TableKind::Mbr, 101 * 512));
    }

    #[test]
    fn partitions_are_kept_within_the_disk_and_overlaps_are_said() {
        let mut disk = vec![0; 512 * 100];
        put(&mut disk, 0, 0x07, 10, 50);
        put(&mut disk, 1, 0x07, 40, 100);
        put(&mut disk, 2, 0x07, 100, 1);
        put(&mut disk, 3, 0x07, u32::MAX, u32::MAX);
        let table = table(layout(&disk));
        let ranges: Vec<_> = table.partitions.iter().map(|p| (p.offset, p.len)).collect();
        assert_eq!(ranges, [(5120, 25_600), (20_480, 30_720)]);
        assert_eq!(
            table.faults,
            [
                Fault::PartitionCutShort { number: 2, missing: 20_480 },
                Fault::PartitionOutside { number: 3 },
                Fault::PartitionOutside { number: 4 },
                Fault::Overlap { first: 1, second: 2 },
            ]
        );
    }

    #[test]
    fn dynamic_disks_are_said() {
        let mut disk = vec![0; 512 * 100];
        put(&mut disk, 0, 0x42, 10, 50);
        assert_eq!(table(layout(&disk)).faults, [Fault::DynamicDisk]);
    }
}
