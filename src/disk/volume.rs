//! What a volume is, by its own first bytes (and its last ones, where NTFS
//! keeps a copy of its boot sector).

use std::{fmt, io};

use super::bitlocker::is_bitlocker;
use super::error::is_locked_by_bitlocker;
use super::fault::Fault;
use crate::disk::device::Device;
use crate::disk::ntfs_boot::{BootFields, OEM};
use crate::model::bytes::{stands_at, u16_at, u32_at, u64_at};

/// What a volume is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum VolumeKind {
    /// NTFS.
    Ntfs,
    /// Encrypted by BitLocker (or BitLocker To Go), seen without its key.
    BitLocker,
    /// FAT with 12-bit entries.
    Fat12,
    /// FAT with 16-bit entries.
    Fat16,
    /// FAT with 32-bit entries.
    Fat32,
    /// exFAT.
    ExFat,
    /// ReFS.
    ReFs,
    /// ext2, ext3 or ext4.
    Ext,
    /// XFS.
    Xfs,
    /// Btrfs.
    Btrfs,
    /// APFS.
    Apfs,
    /// HFS+ or HFSX.
    HfsPlus,
    /// LUKS, Linux' disk encryption.
    Luks,
    /// A physical volume of Linux' volume manager.
    Lvm,
    /// Linux swap space.
    LinuxSwap,
    /// ISO 9660 or UDF: an optical disc, or an image of one.
    Optical,
    /// The system does not let it be read as a disk, only through its files.
    Refused,
    /// Zeros or another fill, as far as was looked: start, end, and places between.
    Blank,
    /// None of these.
    Unknown,
}

impl VolumeKind {
    /// The stable name, as in `--json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ntfs => "ntfs",
            Self::BitLocker => "bitlocker",
            Self::Fat12 => "fat12",
            Self::Fat16 => "fat16",
            Self::Fat32 => "fat32",
            Self::ExFat => "exfat",
            Self::ReFs => "refs",
            Self::Ext => "ext",
            Self::Xfs => "xfs",
            Self::Btrfs => "btrfs",
            Self::Apfs => "apfs",
            Self::HfsPlus => "hfsplus",
            Self::Luks => "luks",
            Self::Lvm => "lvm",
            Self::LinuxSwap => "linux-swap",
            Self::Optical => "optical",
            Self::Refused => "refused",
            Self::Blank => "blank",
            Self::Unknown => "unknown",
        }
    }

    /// Whether something stands there that was recognised.
    pub fn is_known(self) -> bool {
        !matches!(self, Self::Refused | Self::Blank | Self::Unknown)
    }

    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ntfs => "NTFS",
            Self::BitLocker => "BitLocker, locked",
            Self::Fat12 => "FAT12",
            Self::Fat16 => "FAT16",
            Self::Fat32 => "FAT32",
            Self::ExFat => "exFAT",
            Self::ReFs => "ReFS",
            Self::Ext => "ext2/3/4",
            Self::Xfs => "XFS",
            Self::Btrfs => "Btrfs",
            Self::Apfs => "APFS",
            Self::HfsPlus => "HFS+",
            Self::Luks => "LUKS",
            Self::Lvm => "LVM",
            Self::LinuxSwap => "Linux swap",
            Self::Optical => "optical disc",
            Self::Refused => "not readable as a disk",
            Self::Blank => "blank",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for VolumeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What a look at a volume's own bytes told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// What it is.
    pub kind: VolumeKind,
    /// The label, where it stands in the first sectors (FAT, ext); NTFS and
    /// exFAT keep it in a file.
    pub label: Option<String>,
    /// Bytes that the file system says it has, where the first sectors tell.
    pub claimed_len: Option<u64>,
    /// What is wrong with it.
    pub faults: Vec<Fault>,
}

impl Identity {
    pub(super) fn of(kind: VolumeKind) -> Self {
        Self { kind, label: None, claimed_len: None, faults: Vec::new() }
    }
}

/// How much of a volume's start is looked at: as far as Btrfs' superblock.
const HEAD: u64 = 0x1_1000;

/// Looks at a volume. Never fails: what cannot be read is a fault, and the
/// volume then is what its last sector says, or [`VolumeKind::Unknown`].
pub fn identify(device: &dyn Device) -> Identity {
    let (head, trouble) = match read_head(device) {
        Ok(head) => (head, None),
        Err(e) if is_locked_by_bitlocker(&e) => return Identity::of(VolumeKind::BitLocker),
        Err(e) => (Vec::new(), Some(e)),
    };
    let mut identity = from_head(&head)
        .or_else(|| from_ntfs_copy(device))
        .unwrap_or_else(|| Identity::of(unnamed(device, &head)));
    if let Some(error) = trouble {
        identity.faults.push(Fault::StartUnreadable { error: error.to_string() });
    }
    match identity.claimed_len {
        Some(claimed) if claimed > device.len() => {
            let have = device.len();
            identity.faults.push(Fault::VolumeCutShort { claimed, have });
        }
        _ => {}
    }
    identity
}

/// The volume's start; less of it where a later sector cannot be read.
fn read_head(device: &dyn Device) -> io::Result<Vec<u8>> {
    let mut wanted = HEAD.min(device.len());
    loop {
        let mut head = vec![0; usize::try_from(wanted).unwrap_or(0)];
        match device.read_exact_at(0, &mut head) {
            Ok(()) => return Ok(head),
            Err(_) if wanted > 4096 && !head.is_empty() => wanted = 4096,
            Err(_) if wanted > 512 && device.sector_size() <= 512 => wanted = 512,
            Err(e) => return Err(e),
        }
    }
}

/// What the first sectors say.
pub(super) fn from_head(head: &[u8]) -> Option<Identity> {
    if is_bitlocker(head) {
        return Some(Identity::of(VolumeKind::BitLocker));
    }
    if let Some(boot) = NtfsBoot::parse(head) {
        let claimed_len = Some(boot.volume_bytes());
        return Some(Identity { claimed_len, ..Identity::of(VolumeKind::Ntfs) });
    }
    if stands_at(head, 3, b"EXFAT   ") {
        // exFAT specification 3.1.5, 3.1.13.
        let sectors = u64_at(head, 0x48)?;
        let shift = *head.get(0x6C)?;
        let claimed_len = (9..=12).contains(&shift).then(|| sectors.saturating_mul(1 << shift));
        return Some(Identity { claimed_len, ..Identity::of(VolumeKind::ExFat) });
    }
    if stands_at(head, 3, b"ReFS\0\0\0\0") {
        return Some(Identity::of(VolumeKind::ReFs));
    }
    from_other_systems(head).or_else(|| from_fat(head))
}

/// The fields of an NTFS boot sector that tell whether it is one, and how
/// long the volume is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct NtfsBoot {
    /// Bytes per sector: 256 to 4096.
    pub(crate) sector_bytes: u64,
    /// Bytes per cluster.
    pub(crate) cluster_bytes: u64,
    /// Sectors, without the one for the copy of the boot sector.
    pub(crate) sectors: u64,
    /// Cluster of the start of `$MFT`.
    pub(crate) mft_cluster: u64,
    /// Cluster of the start of `$MFTMirr`.
    pub(crate) mirror_cluster: u64,
}

impl NtfsBoot {
    /// From the first bytes of a boot sector; `None` when they are not one.
    pub(crate) fn parse(sector: &[u8]) -> Option<Self> {
        let fields = BootFields::read(sector).filter(|fields| fields.oem == *OEM)?;
        let sectors = fields.sectors;
        (sectors != 0 && sectors < 1 << 52).then_some(Self {
            sector_bytes: fields.sector_bytes()?.into(),
            cluster_bytes: fields.cluster_bytes()?.into(),
            sectors,
            mft_cluster: fields.mft_cluster,
            mirror_cluster: fields.mirror_cluster,
        })
    }

    /// Bytes of the volume, without the last sector.
    pub(crate) fn volume_bytes(&self) -> u64 {
        self.sectors.saturating_mul(self.sector_bytes)
    }

    /// Whether a file record starts where `$MFT` or `$MFTMirr` should be.
    pub(crate) fn has_records_on(&self, device: &dyn Device) -> bool {
        [self.mft_cluster, self.mirror_cluster].iter().any(|cluster| {
            let mut magic = [0; 4];
            let at = cluster.checked_mul(self.cluster_bytes);
            at.is_some_and(|at| device.read_exact_at(at, &mut magic).is_ok())
                && (magic == *b"FILE" || magic == *b"BAAD")
        })
    }
}

/// NTFS by the copy of the boot sector in the volume's last sector, where the
/// first is gone. The copy must fit: right place, and records where it says.
fn from_ntfs_copy(device: &dyn Device) -> Option<Identity> {
    [512_u64, 4096, 1024, 2048, 256].iter().find_map(|sector| {
        let at = device.len().checked_sub(*sector)?;
        // 84 bytes of fields, but the hardware reads whole sectors anyway.
        let mut bytes = [0; 256];
        device.read_exact_at(at, &mut bytes).ok()?;
        let boot = NtfsBoot::parse(&bytes)?;
        let fits = boot.sector_bytes == *sector
            && boot.volume_bytes() <= at
            && at - boot.volume_bytes() < boot.cluster_bytes.max(*sector)
            && boot.has_records_on(device);
        fits.then(|| Identity {
            claimed_len: Some(boot.volume_bytes()),
            faults: vec![Fault::BootSectorCopy { at }],
            ..Identity::of(VolumeKind::Ntfs)
        })
    })
}

/// File systems and containers of other systems, by their magic.
fn from_other_systems(head: &[u8]) -> Option<Identity> {
    if stands_at(head, 1024 + 0x38, &[0x53, 0xEF]) && u32_at(head, 1024)? != 0 {
        let label = text(head.get(1024 + 0x78..1024 + 0x88)?);
        return Some(Identity { label, ..Identity::of(VolumeKind::Ext) });
    }
    let known: [(usize, &[u8], VolumeKind); 11] = [
        (0, b"XFSB", VolumeKind::Xfs),
        (0, b"LUKS\xBA\xBE", VolumeKind::Luks),
        (0x20, b"NXSB", VolumeKind::Apfs),
        (0x200, b"LABELONE", VolumeKind::Lvm),
        (0x400, b"H+\0\x04", VolumeKind::HfsPlus),
        (0x400, b"HX\0\x05", VolumeKind::HfsPlus),
        (4086, b"SWAPSPACE2", VolumeKind::LinuxSwap),
        (0x8001, b"CD001", VolumeKind::Optical),
        (0x8001, b"BEA01", VolumeKind::Optical),
        (0x8001, b"NSR0", VolumeKind::Optical),
        (0x1_0040, b"_BHRfS_M", VolumeKind::Btrfs),
    ];
    let found = known.iter().find(|(at, magic, _)| stands_at(head, *at, magic));
    found.map(|(.., kind)| Identity::of(*kind))
}

/// FAT has no magic of its own: the parameter block must make sense. The kind
/// follows from the count of clusters (Microsoft FAT specification, 3.5).
fn from_fat(head: &[u8]) -> Option<Identity> {
    let jump = matches!(head.get(..3)?, [0xEB, _, 0x90] | [0xE9, _, _]);
    let sector_bytes = u64::from(u16_at(head, 0x0B)?);
    let per_cluster = u64::from(*head.get(0x0D)?);
    let reserved = u64::from(u16_at(head, 0x0E)?);
    let fats = u64::from(*head.get(0x10)?);
    let root_entries = u64::from(u16_at(head, 0x11)?);
    let media = *head.get(0x15)?;
    let sensible = jump
        && (512..=4096).contains(&sector_bytes)
        && sector_bytes.is_power_of_two()
        && per_cluster.is_power_of_two()
        && reserved != 0
        && (1..=2).contains(&fats)
        && (media == 0xF0 || media >= 0xF8);
    if !sensible {
        return None;
    }
    let either = |short: u16, long: u32| if short == 0 { u64::from(long) } else { short.into() };
    let sectors = either(u16_at(head, 0x13)?, u32_at(head, 0x20)?);
    let fat_sectors = either(u16_at(head, 0x16)?, u32_at(head, 0x24)?);
    let root_sectors = (root_entries * 32).div_ceil(sector_bytes);
    let before_data = reserved + fats * fat_sectors + root_sectors;
    let clusters = sectors.checked_sub(before_data)? / per_cluster;
    let (kind, label_at) = match clusters {
        _ if fat_sectors == 0 => return None,
        // The drivers of Windows and Linux go by the field that only FAT32 leaves empty, before
        // the number of clusters.
        _ if u16_at(head, 0x16)? == 0 => (VolumeKind::Fat32, 0x47),
        0..4085 => (VolumeKind::Fat12, 0x2B),
        4085..65525 => (VolumeKind::Fat16, 0x2B),
        _ => (VolumeKind::Fat32, 0x47),
    };
    let label = text(head.get(label_at..label_at + 11)?).filter(|l| l != "NO NAME");
    let claimed_len = Some(sectors * sector_bytes);
    Some(Identity { kind, label, claimed_len, faults: Vec::new() })
}

/// A padded field as text; `None` when nothing printable is in it.
fn text(field: &[u8]) -> Option<String> {
    let end = field.iter().position(|b| *b == 0).unwrap_or(field.len());
    let text = String::from_utf8_lossy(field.get(..end)?);
    let text = text.trim();
    (!text.is_empty() && !text.chars().any(char::is_control)).then(|| text.to_owned())
}

/// How many places of a volume are looked at before it is called blank.
const SAMPLES: u64 = 64;
/// Bytes that a fill pattern may be long before it repeats: a sector.
const PATTERN: usize = 512;

/// Blank or unknown.
fn unnamed(device: &dyn Device, head: &[u8]) -> VolumeKind {
    if is_filled(device, head) { VolumeKind::Blank } else { VolumeKind::Unknown }
}

/// Whether a device is blank, as far as is looked.
pub(crate) fn is_blank(device: &dyn Device) -> bool {
    read_head(device).is_ok_and(|head| is_filled(device, &head))
}

/// Zeros, or one sector over and over, as tools that wipe leave it. The middle counts too: `diskpart clean` leaves zeros at the start
/// and the end of a disk, and everything between them.
fn is_filled(device: &dyn Device, head: &[u8]) -> bool {
    let Some(pattern) = head.get(..PATTERN.min(head.len())).filter(|p| !p.is_empty()) else {
        return false;
    };
    let is_fill = |bytes: &[u8]| bytes.chunks(PATTERN).all(|chunk| pattern.starts_with(chunk));
    let last = device.len().saturating_sub(4096) / 512 * 512;
    let step = (last / SAMPLES).max(4096) / 4096 * 4096;
    let places = (1..=SAMPLES).map(|n| n.saturating_mul(step)).filter(|at| *at < last);
    let fills = |at: u64| {
        let mut bytes = vec![0; usize::try_from((device.len() - at).min(4096)).unwrap_or(0)];
        device.read_exact_at(at, &mut bytes).is_ok() && is_fill(&bytes)
    };
    is_fill(head) && fills(last) && places.into_iter().all(fills)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::disk::Guid;
    use crate::disk::memory::MemoryDevice;

    /// An NTFS volume of `sectors` sectors (and one more), with just what is
    /// looked at: the boot sector, its copy, a first record.
    pub(crate) fn ntfs(sectors: u64) -> Vec<u8> {
        let mut volume = vec![0; usize::try_from(sectors + 1).unwrap() * 512];
        let boot = &mut volume[..512];
        boot[..11].copy_from_slice(b"\xEB\x52\x90NTFS    ");
        boot[0x0B..0x0D].copy_from_slice(&512_u16.to_le_bytes());
        boot[0x0D] = 8;
        boot[0x28..0x30].copy_from_slice(&sectors.to_le_bytes());
        boot[0x30..0x38].copy_from_slice(&1_u64.to_le_bytes());
        boot[0x38..0x40].copy_from_slice(&2_u64.to_le_bytes());
        boot[0x1FE..].copy_from_slice(&[0x55, 0xAA]);
        let copy = boot.to_vec();
        let last = volume.len() - 512;
        volume[last..].copy_from_slice(&copy);
        volume[4096..4100].copy_from_slice(b"FILE");
        volume
    }

    fn kind_of(bytes: &[u8]) -> VolumeKind {
        identify(&MemoryDevice::new(bytes.to_vec())).kind
    }

    /// 128 KiB with `pieces` at their places.
    fn volume(pieces: &[(usize, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![0; 128 << 10];
        for (at, piece) in pieces {
            bytes[*at..at + piece.len()].copy_from_slice(piece);
        }
        bytes
    }

    #[test]
    fn ntfs_is_known_by_its_boot_sector_or_by_the_copy() {
        let good = ntfs(100);
        let identity = identify(&MemoryDevice::new(good.clone()));
        assert_eq!((identity.kind, identity.claimed_len), (VolumeKind::Ntfs, Some(51_200)));
        assert_eq!(identity.faults, []);

        let mut bad = good.clone();
        bad[..512].fill(0);
        let identity = identify(&MemoryDevice::new(bad.clone()));
        assert_eq!(identity.kind, VolumeKind::Ntfs);
        assert_eq!(identity.faults, [Fault::BootSectorCopy { at: 51_200 }]);
        // A copy that fits, but no records where it says.
        bad[4096..4100].copy_from_slice(b"XXXX");
        assert_eq!(kind_of(&bad), VolumeKind::Unknown);
        // A copy from a longer volume.
        let mut other = vec![0; 8192];
        other.extend(&good[51_200..]);
        assert_eq!(kind_of(&other), VolumeKind::Unknown);
    }

    #[test]
    fn a_volume_is_blank_only_if_its_middle_is() {
        let mut bytes = vec![0; 8 << 20];
        assert_eq!(kind_of(&bytes), VolumeKind::Blank);
        bytes[4 << 20..5 << 20].fill(0x5A);
        assert_eq!(kind_of(&bytes), VolumeKind::Unknown);
        // Fill patterns: one byte, or a sector with words in it.
        assert_eq!(kind_of(&vec![0xFF; 1 << 20]), VolumeKind::Blank);
        let mut sector = b"WIPED ".repeat(86);
        sector.truncate(512);
        assert_eq!(kind_of(&sector.repeat(2048)), VolumeKind::Blank);
    }

    #[test]
    fn a_cut_volume_is_said_to_be_cut() {
        let identity = identify(&MemoryDevice::new(ntfs(100)[..20_000].to_vec()));
        let have = 20_000;
        assert_eq!(identity.faults, [Fault::VolumeCutShort { claimed: 51_200, have }]);
    }

    #[test]
    fn clusters_of_two_mebibytes_are_given_as_a_power() {
        let mut sector = ntfs(10)[..512].to_vec();
        sector[0x0D] = 0xF4; // 2^12 sectors
        assert_eq!(NtfsBoot::parse(&sector).unwrap().cluster_bytes, 2 << 20);
        for nonsense in [0, 3, 0x81, 0xF3] {
            sector[0x0D] = nonsense;
            assert_eq!(NtfsBoot::parse(&sector), None, "{nonsense:#x}");
        }
    }

    #[test]
    fn other_kinds_are_known_by_their_bytes() {
        let to_go = Guid::from_digits(0x4967D63B_2E29_4AD8_8399_F6A339E3D001);
        let cases: [(Vec<u8>, VolumeKind); 13] = [
            (volume(&[(0, b"\xEB\x58\x90-FVE-FS-")]), VolumeKind::BitLocker),
            (volume(&[(3, b"MSWIN4.1"), (0x1A8, &to_go.0)]), VolumeKind::BitLocker),
            (volume(&[(3, b"EXFAT   ")]), VolumeKind::ExFat),
            (volume(&[(3, b"ReFS\0\0\0\0"), (16, b"FSRS")]), VolumeKind::ReFs),
            (volume(&[(0x20, b"NXSB")]), VolumeKind::Apfs),
            (volume(&[(0, b"LUKS\xBA\xBE")]), VolumeKind::Luks),
            (volume(&[(0, b"XFSB")]), VolumeKind::Xfs),
            (volume(&[(0x1_0040, b"_BHRfS_M")]), VolumeKind::Btrfs),
            (volume(&[(0x218, b"LVM2 001"), (0x200, b"LABELONE")]), VolumeKind::Lvm),
            (volume(&[(0x400, b"H+\0\x04")]), VolumeKind::HfsPlus),
            (volume(&[(0x8001, b"CD001")]), VolumeKind::Optical),
            (volume(&[]), VolumeKind::Blank),
            (volume(&[(700, b"?")]), VolumeKind::Unknown),
        ];
        for (bytes, kind) in cases {
            assert_eq!(kind_of(&bytes), kind);
        }
        assert_eq!(kind_of(b""), VolumeKind::Unknown);
        assert_eq!(kind_of(b"\0"), VolumeKind::Blank);
    }

    /// Fails whenever one of the first `.1` bytes is asked for.
    struct BadStart(MemoryDevice, u64);

    impl Device for BadStart {
        fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
            if offset < self.1 {
                return Err(io::Error::other("bad sector"));
            }
            self.0.read_exact_at(offset, buf)
        }
        fn len(&self) -> u64 {
            self.0.len()
        }
        fn sector_size(&self) -> u32 {
            512
        }
    }

    #[test]
    fn a_start_that_cannot_be_read_is_a_fault_and_the_copy_still_counts() {
        let identity = identify(&BadStart(MemoryDevice::new(ntfs(100)), 512));
        assert_eq!(identity.kind, VolumeKind::Ntfs);
        assert!(matches!(
            identity.faults[..],
            [Fault::BootSectorCopy { .. }, Fault::StartUnreadable { .. }]
        ));
        let identity = identify(&BadStart(MemoryDevice::new(vec![0; 9999]), 9999));
        assert_eq!(identity.kind, VolumeKind::Unknown);
        assert!(matches!(identity.faults[..], [Fault::StartUnreadable { .. }]));
    }
}
