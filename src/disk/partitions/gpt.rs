//! The GUID partition table, and its copy at the disk's end (UEFI 2.10, 5.3).

use super::table::{Partition, PartitionTable, PartitionType, TableKind};
use crate::disk::crc::CRC32;
use crate::disk::device::Device;
use crate::disk::fault::Fault;
use crate::disk::guid::Guid;
use crate::model::bytes::{array_at, u32_at, u64_at};
use crate::model::units;

const MAGIC: &[u8] = b"EFI PART";
/// Bytes of a header that are defined; more, up to a sector, may be counted.
const HEADER: usize = 92;
/// Room for 8192 entries of the usual size; tools make 128.
const MAX_ENTRIES_BYTES: u64 = 1 << 20;
/// More partitions than this are left out.
const MAX_PARTITIONS: usize = 512;

/// What stands where a GPT should be.
enum Copy {
    /// Nothing like a GPT.
    Absent,
    /// A damaged one: what is wrong, and what it says if one believes it.
    Bad { why: String, table: Option<PartitionTable> },
    /// A good one, and where it says that its twin is (in units).
    Good { table: PartitionTable, twin: u64 },
}

/// Reads the GPT of a disk whose units have `unit` bytes; `None` when there is
/// nothing like one at its start and its end.
pub(crate) fn read(device: &dyn Device, unit: u32) -> Option<PartitionTable> {
    let last = (device.len() / u64::from(unit)).checked_sub(1).filter(|last| *last > 1)?;
    let (bad, first_why) = match load(device, unit, 1) {
        Copy::Good { mut table, twin } => {
            let fault = match load(device, unit, twin) {
                Copy::Good { .. } => None,
                Copy::Bad { why, .. } => Some(why),
                Copy::Absent if twin > last => Some(format!(
                    "it should be at {}, past the end",
                    units::bytes(twin.saturating_mul(unit.into()))
                )),
                Copy::Absent => Some("it is not there".to_owned()),
            };
            table.faults.extend(fault.map(|why| Fault::GptBackupBad { why }));
            return Some(table);
        }
        Copy::Bad { why, table } => (table, why),
        Copy::Absent => (None, "it is not there".to_owned()),
    };
    let second = match load(device, unit, last) {
        Copy::Good { mut table, .. } => {
            table.faults.push(Fault::GptFromBackup { why: first_why });
            return Some(table);
        }
        Copy::Bad { table, .. } => table,
        Copy::Absent => None,
    };
    // Neither is whole: what they say is better than nothing, and what it
    // leads to is looked at anyway.
    let mut table = bad.or(second)?;
    table.faults.push(Fault::GptUnchecked { why: first_why });
    Some(table)
}

/// Reads the header at `at` (in units) and the entries that it leads to.
fn load(device: &dyn Device, unit: u32, at: u64) -> Copy {
    let mut sector = vec![0; unit.try_into().unwrap_or(4096)];
    let offset = at.saturating_mul(unit.into());
    if device.read_exact_at(offset, &mut sector).is_err() || !sector.starts_with(MAGIC) {
        return Copy::Absent;
    }
    let Some(header) = Header::parse(&sector) else {
        return Copy::Bad { why: "the header is invalid".to_owned(), table: None };
    };
    let mut why = None;
    if !header.is_intact {
        why = Some("the header's checksum is wrong");
    } else if header.own_place != at {
        why = Some("the header belongs to another position on the disk");
    }
    let mut entries = vec![0; header.entries_bytes()];
    let entries_at = header.entries_place.saturating_mul(unit.into());
    if device.read_exact_at(entries_at, &mut entries).is_err() {
        return Copy::Bad { why: "the entries cannot be read".to_owned(), table: None };
    }
    if CRC32.of(&[&entries]) != header.entries_crc {
        why = why.or(Some("the checksum of the entries is wrong"));
    }
    let table = header.table(&entries, unit);
    match why {
        None => Copy::Good { table, twin: header.twin_place },
        Some(why) => {
            let table = Some(table).filter(|t| !t.partitions.is_empty());
            Copy::Bad { why: why.to_owned(), table }
        }
    }
}

/// The header's fields that matter here. Places are in units.
struct Header {
    own_place: u64,
    twin_place: u64,
    disk: Guid,
    entries_place: u64,
    entry_count: u32,
    entry_bytes: u32,
    entries_crc: u32,
    is_intact: bool,
}

impl Header {
    /// `None` when its numbers cannot be.
    fn parse(sector: &[u8]) -> Option<Self> {
        let size = usize::try_from(u32_at(sector, 0x0C)?).ok()?;
        let crc = sector.get(..size).and_then(|bytes| CRC32.without_field(bytes, 0x10));
        let header = Self {
            own_place: u64_at(sector, 0x18)?,
            twin_place: u64_at(sector, 0x20)?,
            disk: Guid(array_at(sector, 0x38)?),
            entries_place: u64_at(sector, 0x48)?,
            entry_count: u32_at(sector, 0x50)?,
            entry_bytes: u32_at(sector, 0x54)?,
            entries_crc: u32_at(sector, 0x58)?,
            is_intact: size >= HEADER && crc == u32_at(sector, 0x10),
        };
        let bytes = u64::from(header.entry_count) * u64::from(header.entry_bytes);
        let good = (128..=4096).contains(&header.entry_bytes) && bytes <= MAX_ENTRIES_BYTES;
        good.then_some(header)
    }

    /// Checked by [`Header::parse`] to be little.
    fn entries_bytes(&self) -> usize {
        self.entry_count as usize * self.entry_bytes as usize
    }

    /// The partitions in `entries`, as the header would have them.
    fn table(&self, entries: &[u8], unit: u32) -> PartitionTable {
        let mut partitions = Vec::new();
        let mut faults = Vec::new();
        for (raw, number) in entries.chunks_exact(self.entry_bytes as usize).zip(1..) {
            let Some(kind) = array_at(raw, 0).map(Guid).filter(|kind| !kind.is_zero()) else {
                continue;
            };
            if partitions.len() >= MAX_PARTITIONS {
                faults.push(Fault::TooManyPartitions);
                break;
            }
            match partition(raw, number, kind, unit) {
                Some(partition) => partitions.push(partition),
                None => faults.push(Fault::PartitionBackwards { number }),
            }
        }
        let disk_id = Some(self.disk.to_string());
        PartitionTable { kind: TableKind::Gpt, unit, disk_id, partitions, faults }
    }
}

/// One entry (UEFI 2.10, table 5-6); `None` when it ends before it starts.
fn partition(raw: &[u8], number: u32, kind: Guid, unit: u32) -> Option<Partition> {
    let (first, last) = (u64_at(raw, 0x20)?, u64_at(raw, 0x28)?);
    let count = last.checked_sub(first)?.saturating_add(1);
    let units: Vec<u16> =
        (0x38..0x80).step_by(2).map_while(|at| crate::model::bytes::u16_at(raw, at)).collect();
    let end = units.iter().position(|u| *u == 0).unwrap_or(units.len());
    Some(Partition {
        number,
        offset: first.saturating_mul(unit.into()),
        len: count.saturating_mul(unit.into()),
        kind: PartitionType::Gpt(kind),
        name: String::from_utf16_lossy(&units[..end]),
        guid: Some(Guid(array_at(raw, 0x10)?)),
    })
}

/// The database of a dynamic disk: a MiB, and no files.
const DYNAMIC_DATABASE: Guid = Guid::from_digits(0x5808C8AA_7E8F_42E0_85D2_E1E90434CFB3);

/// Type GUIDs that Windows and its neighbours use.
const TYPES: &[(Guid, &str)] = &[
    (Guid::from_digits(0xC12A7328_F81F_11D2_BA4B_00A0C93EC93B), "EFI system"),
    (Guid::from_digits(0xE3C9E316_0B5C_4DB8_817D_F92DF00215AE), "Microsoft reserved"),
    (Guid::from_digits(0xEBD0A0A2_B9E5_4433_87C0_68B6B72699C7), "basic data"),
    (Guid::from_digits(0xDE94BBA4_06D1_4D40_A16A_BFD50179D6AC), "recovery"),
    (DYNAMIC_DATABASE, DYNAMIC),
    (Guid::from_digits(0xAF9B60A0_1431_4F62_BC68_3311714A69AD), DYNAMIC),
    (Guid::from_digits(0xE75CAF8F_F680_4CEE_AFA3_B001E56EFC2D), "Storage Spaces"),
    (Guid::from_digits(0x21686148_6449_6E6F_744E_656564454649), "BIOS boot"),
    (Guid::from_digits(0x0FC63DAF_8483_4772_8E79_3D69D8477DE4), "Linux"),
    (Guid::from_digits(0x0657FD6D_A4AB_43C4_84E5_0933C84B4F4F), "Linux swap"),
    (Guid::from_digits(0xE6D6D379_F507_44C2_A23C_238F2A3DF928), "Linux LVM"),
    (Guid::from_digits(0x48465300_0000_11AA_AA11_00306543ECAC), "Apple HFS+"),
    (Guid::from_digits(0x7C3457EF_0000_11AA_AA11_00306543ECAC), "Apple APFS"),
];

/// The name of both types of a dynamic disk's partitions.
pub(crate) const DYNAMIC: &str = "Windows dynamic disk";

/// What a type GUID stands for.
pub(crate) fn type_name(kind: &Guid) -> Option<&'static str> {
    TYPES.iter().find(|(guid, _)| guid == kind).map(|(_, name)| *name)
}

/// Types that hold no store, by their names above.
const WITHOUT_STORES: &[&str] = &[
    "EFI system",
    "Microsoft reserved",
    "recovery",
    "BIOS boot",
    "Linux",
    "Linux swap",
    "Linux LVM",
    "Apple HFS+",
    "Apple APFS",
];

/// Whether a store may be in a partition of that type.
pub(crate) fn may_hold_stores(kind: &Guid) -> bool {
    let by_name = type_name(kind).is_some_and(|name| WITHOUT_STORES.contains(&name));
    !by_name && *kind != DYNAMIC_DATABASE
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::disk::memory::MemoryDevice;

    /// A disk of `units` units with one partition (from 40, 20 long) in both
    /// tables.
    pub(crate) fn disk(unit: usize, units: usize) -> Vec<u8> {
        let mut disk = vec![0; unit * units];
        disk[0x1BE + 4] = 0xEE;
        disk[0x1BE + 8] = 1;
        disk[0x1BE + 12..0x1BE + 16].fill(0xFF);
        disk[0x1FE..0x200].copy_from_slice(&[0x55, 0xAA]);
        let entries_units = (16_384_usize).div_ceil(unit);
        put_entry(&mut disk, 2 * unit, 0, 40, 59);
        let copy = (units - 1 - entries_units) * unit;
        put_entry(&mut disk, copy, 0, 40, 59);
        seal(&mut disk, unit, 1, units - 1, 2);
        seal(&mut disk, unit, units - 1, 1, units - 1 - entries_units);
        disk
    }

    pub(crate) fn put_entry(disk: &mut [u8], at: usize, slot: usize, first: u64, last: u64) {
        let entry = &mut disk[at + slot * 128..][..128];
        entry[..16].copy_from_slice(&TYPES[2].0.0);
        entry[16..32].fill(7);
        entry[32..40].copy_from_slice(&first.to_le_bytes());
        entry[40..48].copy_from_slice(&last.to_le_bytes());
        for (i, unit) in "Daten \u{e4}".encode_utf16().enumerate() {
            entry[56 + 2 * i..58 + 2 * i].copy_from_slice(&unit.to_le_bytes());
        }
    }

    /// Writes a header, with its checksums.
    pub(crate) fn seal(disk: &mut [u8], unit: usize, own: usize, twin: usize, entries: usize) {
        let entries_crc = CRC32.of(&[&disk[entries * unit..][..16_384]]);
        let header = &mut disk[own * unit..][..HEADER];
        header.fill(0);
        header[..8].copy_from_slice(MAGIC);
        header[8..12].copy_from_slice(&[0, 0, 1, 0]);
        header[12] = 92;
        header[0x18..0x20].copy_from_slice(&(own as u64).to_le_bytes());
        header[0x20..0x28].copy_from_slice(&(twin as u64).to_le_bytes());
        header[0x38..0x48].fill(9);
        header[0x48..0x50].copy_from_slice(&(entries as u64).to_le_bytes());
        header[0x50] = 128;
        header[0x54] = 128;
        header[0x58..0x5C].copy_from_slice(&entries_crc.to_le_bytes());
        let crc = CRC32.of(&[header]);
        header[0x10..0x14].copy_from_slice(&crc.to_le_bytes());
    }

    fn read_disk(disk: &[u8], unit: u32) -> Option<PartitionTable> {
        read(&MemoryDevice::new(disk.to_vec()), unit)
    }

    fn range(table: &PartitionTable) -> (u64, u64) {
        let [p] = &table.partitions[..] else { panic!("{table:?}") };
        (p.offset, p.len)
    }

    #[test]
    fn a_whole_table_in_either_unit() {
        for unit in [512, 4096] {
            let table = read_disk(&disk(unit, 200), u32::try_from(unit).unwrap()).unwrap();
            assert_eq!(range(&table), (unit as u64 * 40, unit as u64 * 20));
            assert_eq!(table.faults, []);
            let p = &table.partitions[0];
            assert_eq!((p.number, p.name.as_str()), (1, "Daten \u{e4}"));
            assert_eq!(p.kind.to_string(), "basic data");
            assert_eq!(p.guid, Some(Guid([7; 16])));
        }
        assert_eq!(read_disk(&disk(512, 200), 4096), None);
        assert_eq!(read_disk(&disk(4096, 200), 512), None);
    }

    #[test]
    fn the_copy_counts_when_the_first_is_damaged() {
        let good = disk(512, 200);
        for (at, why) in [
            (512, "it is not there"),
            (512 + 0x30, "the header's checksum is wrong"),
            (1024 + 60, "the checksum of the entries is wrong"),
        ] {
            let mut bad = good.clone();
            bad[at] ^= 0x40;
            let table = read_disk(&bad, 512).unwrap();
            assert_eq!(range(&table), (20_480, 10_240));
            assert_eq!(table.faults, [Fault::GptFromBackup { why: why.to_owned() }]);
        }
    }

    #[test]
    fn without_a_good_one_the_bad_one_is_taken_and_said() {
        let mut bad = disk(512, 200);
        bad[1024 + 60] ^= 1;
        bad[512 * 199..].fill(0);
        let table = read_disk(&bad, 512).unwrap();
        assert_eq!(range(&table), (20_480, 10_240));
        assert!(matches!(table.faults[..], [Fault::GptUnchecked { .. }]));
    }

    #[test]
    fn a_cut_image_has_lost_its_copy_only() {
        let table = read_disk(&disk(512, 200)[..512 * 150], 512).unwrap();
        assert_eq!(range(&table), (20_480, 10_240));
        assert!(matches!(table.faults[..], [Fault::GptBackupBad { .. }]));
    }

    #[test]
    fn impossible_numbers_are_refused() {
        for (field, value) in [
            (0x50, u32::MAX), // entries
            (0x54, 0),        // bytes an entry
            (0x54, u32::MAX),
        ] {
            let mut bad = disk(512, 200);
            bad[512 * 199..].fill(0);
            bad[512 + field..512 + field + 4].copy_from_slice(&value.to_le_bytes());
            assert_eq!(read_disk(&bad, 512), None, "{field:#x}");
        }
        let mut backwards = disk(512, 200);
        put_entry(&mut backwards, 1024, 3, 80, 70);
        put_entry(&mut backwards, 1024, 4, 0, u64::MAX);
        seal(&mut backwards, 512, 1, 199, 2);
        let table = read_disk(&backwards, 512).unwrap();
        assert_eq!(table.faults, [Fault::PartitionBackwards { number: 4 }]);
        assert_eq!(table.partitions[1].len, u64::MAX);
    }

    #[test]
    fn a_disk_too_small_for_a_table_has_none() {
        for len in [0, 511, 512, 1024, 1536] {
            assert_eq!(read_disk(&vec![0; len], 512), None);
        }
    }
}
