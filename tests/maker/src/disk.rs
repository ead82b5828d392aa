//! Volumes assembled into a disk: bare, or with the partition table of a BIOS
//! machine (MBR) or of a UEFI one (GPT, UEFI 2.10 chapter 5).

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek as _, SeekFrom};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};

use crate::volume::VolumeSpec;
use crate::{gpt, mbr};

/// Where partitions start: on whole multiples of this many bytes.
pub const ALIGNMENT: u64 = 1024 * 1024;

/// How a disk tells where its partitions are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scheme {
    /// Not at all: the one volume starts with the disk.
    Bare,
    /// A master boot record with up to four primary partitions.
    Mbr,
    /// A master boot record with one primary partition, the others logical ones
    /// in an extended partition.
    MbrExtended,
    /// A GUID partition table and its backup.
    Gpt,
}

/// What a partition is for (its type in either table).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// A volume with a drive letter.
    Basic,
    /// The EFI system partition.
    Efi,
    /// Microsoft's reserved partition.
    Reserved,
    /// Windows' recovery tools.
    Recovery,
}

/// What is in a partition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Inside {
    /// An NTFS volume.
    Ntfs(VolumeSpec),
    /// These first bytes, then zeros up to this size.
    Raw(Vec<u8>, u64),
}

/// A partition of a disk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Partition {
    /// Its name; only a GPT keeps it.
    pub name: String,
    /// What it is for.
    pub purpose: Purpose,
    /// What is in it.
    pub inside: Inside,
}

impl Partition {
    /// A data partition with an NTFS volume, named like it.
    pub fn ntfs(volume: VolumeSpec) -> Self {
        Self { name: volume.label.clone(), purpose: Purpose::Basic, inside: Inside::Ntfs(volume) }
    }

    /// A partition that is not NTFS.
    pub fn raw(name: &str, purpose: Purpose, head: Vec<u8>, bytes: u64) -> Self {
        Self { name: name.to_owned(), purpose, inside: Inside::Raw(head, bytes) }
    }

    /// Its size in bytes.
    pub fn bytes(&self) -> u64 {
        match &self.inside {
            Inside::Ntfs(volume) => volume.bytes,
            Inside::Raw(_, bytes) => *bytes,
        }
    }
}

/// A disk before it is made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DiskSpec {
    /// Which table.
    pub scheme: Scheme,
    /// Bytes per sector, 512 or 4096; the volumes' own may differ only on a bare one.
    pub sector: u32,
    /// In the order they lie on the disk.
    pub partitions: Vec<Partition>,
    /// Where disk and partition ids follow from.
    pub seed: u64,
}

/// Where a partition lies, in bytes from the start of the disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Extent {
    /// First byte.
    pub offset: u64,
    /// Bytes.
    pub bytes: u64,
}

impl DiskSpec {
    /// A volume without a partition table.
    pub fn bare(volume: VolumeSpec) -> Self {
        Self {
            scheme: Scheme::Bare,
            sector: volume.sector,
            partitions: vec![Partition::ntfs(volume)],
            seed: 0,
        }
    }

    /// A disk of 512-byte sectors.
    pub fn new(scheme: Scheme, partitions: Vec<Partition>) -> Self {
        Self { scheme, sector: 512, partitions, seed: 0x1B0A7 }
    }

    /// The NTFS volumes, in the order they lie on the disk, each with the index
    /// of its partition.
    pub fn volumes(&self) -> impl Iterator<Item = (usize, &VolumeSpec)> {
        self.partitions.iter().enumerate().filter_map(|(index, p)| match &p.inside {
            Inside::Ntfs(volume) => Some((index, volume)),
            Inside::Raw(..) => None,
        })
    }

    /// Where each partition lies.
    pub fn extents(&self) -> Vec<Extent> {
        let mut at = if self.scheme == Scheme::Bare { 0 } else { ALIGNMENT };
        let mut extents = Vec::new();
        for (index, partition) in self.partitions.iter().enumerate() {
            if self.scheme == Scheme::MbrExtended && index > 0 {
                at += ALIGNMENT; // the record before each logical partition
            }
            let bytes = partition.bytes();
            extents.push(Extent { offset: at, bytes });
            at = (at + bytes).next_multiple_of(ALIGNMENT);
        }
        extents
    }

    /// Bytes of the whole disk.
    pub fn bytes(&self) -> u64 {
        let end = self.extents().last().map_or(0, |e| e.offset + e.bytes);
        match self.scheme {
            Scheme::Bare => end,
            // At its end a GPT has its backup.
            _ => end.next_multiple_of(ALIGNMENT) + ALIGNMENT,
        }
    }

    /// Makes the disk image at `path`.
    pub fn make(&self, path: &Path) -> Result<()> {
        if self.scheme == Scheme::Bare {
            let [Partition { inside: Inside::Ntfs(volume), .. }] = self.partitions.as_slice()
            else {
                bail!("a disk without a partition table holds exactly one volume");
            };
            return volume.make(path);
        }
        let disk =
            File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
        disk.set_len(self.bytes())?;
        let extents = self.extents();
        let sectors = Sectors { bytes: u64::from(self.sector), disk_bytes: self.bytes() };
        match self.scheme {
            Scheme::Bare => {}
            Scheme::Mbr => mbr::write(&disk, sectors, &self.partitions, &extents, false)?,
            Scheme::MbrExtended => mbr::write(&disk, sectors, &self.partitions, &extents, true)?,
            Scheme::Gpt => gpt::write(&disk, sectors, &self.partitions, &extents, self.seed)?,
        }

        // Beside the disk, so that there is room and it is the same file system.
        let beside = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let scratch = tempfile::Builder::new().prefix("lifeboat-volume-").tempdir_in(beside)?;
        for (partition, extent) in self.partitions.iter().zip(extents) {
            match &partition.inside {
                Inside::Raw(head, _) => disk.write_all_at(head, extent.offset)?,
                Inside::Ntfs(volume) => {
                    ensure!(volume.sector == self.sector, "{}: other sectors", volume.label);
                    let image = scratch.path().join("volume.img");
                    volume.make(&image)?;
                    set_hidden_sectors(&image, volume, extent.offset / u64::from(self.sector))?;
                    copy_sparsely(&mut File::open(&image)?, &disk, extent.offset)?;
                }
            }
        }
        Ok(())
    }
}

/// Copies one partition out of a disk image into a file of its own: ntfs-3g, which
/// takes no offset, mounts that.
pub fn copy_partition(disk: &Path, extent: Extent, out: &Path) -> Result<()> {
    let mut from = File::open(disk)?;
    from.seek(SeekFrom::Start(extent.offset))?;
    let to = File::create(out)?;
    to.set_len(extent.bytes)?;
    copy_sparsely(&mut from.take(extent.bytes), &to, 0)?;
    Ok(())
}

/// A disk's sectors, for the tables.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sectors {
    /// Bytes in one.
    pub(crate) bytes: u64,
    /// Bytes of the whole disk.
    pub(crate) disk_bytes: u64,
}

impl Sectors {
    /// How many sectors `bytes` are.
    pub(crate) fn of(self, bytes: u64) -> u64 {
        bytes / self.bytes
    }

    /// How many sectors the disk has.
    pub(crate) fn total(self) -> u64 {
        self.of(self.disk_bytes)
    }
}

/// Tells the boot sector and its copy how many sectors stand before the volume.
fn set_hidden_sectors(image: &Path, volume: &VolumeSpec, before: u64) -> Result<()> {
    const HIDDEN_SECTORS: u64 = 0x1C;
    let file = OpenOptions::new().write(true).open(image)?;
    let before = u32::try_from(before)?.to_le_bytes();
    for at in [0, volume.backup_boot_sector()] {
        file.write_all_at(&before, at + HIDDEN_SECTORS)?;
    }
    Ok(())
}

/// Writes what `from` gives at `offset` of a file, leaving blocks of zeros out.
/// Gives the number of bytes.
pub(crate) fn copy_sparsely(from: &mut dyn Read, to: &File, offset: u64) -> Result<u64> {
    let mut at = offset;
    let mut block = Vec::new();
    loop {
        block.clear();
        from.take(64 * 1024).read_to_end(&mut block)?;
        if block.is_empty() {
            return Ok(at - offset);
        }
        if block.iter().any(|b| *b != 0) {
            to.write_all_at(&block, at)?;
        }
        at += block.len() as u64;
    }
}
