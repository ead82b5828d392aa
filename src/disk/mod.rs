//! What is attached: physical disks, images, partitions, and what each volume
//! is by its own first bytes. Everything here is opened for reading only.

mod bytes;
mod cache;
mod container;
mod crc;
mod error;
mod fault;
mod foreign;
mod gpt;
mod image;
mod mbr;
mod memory;
mod slice;
mod table;
mod vhd;
mod vhdx;
mod vhdx_log;
mod volume;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use bytes::Guid;
pub use cache::Cached;
pub use container::{Container, DiskFormat, open_container};
pub use error::DiskError;
pub use fault::Fault;
pub use foreign::Foreign;
pub use image::FileDevice;
pub use memory::MemoryDevice;
pub use slice::Slice;
pub use table::{Partition, PartitionTable, PartitionType, TableKind};
pub use volume::{Identity, VolumeKind, identify};

use crate::health::Finding;
use bytes::size_text;
use table::Layout;

/// Something that is read by byte offset: a disk, an image, a partition of
/// either. Reads may be of any offset and length; the implementation aligns.
pub trait Device: Send + Sync {
    /// Fills `buf` from `offset`, or fails. A read past the end is
    /// [`io::ErrorKind::UnexpectedEof`]. On a media error nothing is said about
    /// the contents of `buf`; the caller retries smaller.
    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()>;

    /// Bytes in all.
    fn len(&self) -> u64;

    /// Whether there is nothing to read.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The smallest piece that the hardware reads, in bytes (512 or 4096).
    fn sector_size(&self) -> u32;
}

/// A device behind a shared pointer is a device.
impl Device for Arc<dyn Device> {
    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        (**self).read_exact_at(offset, buf)
    }

    fn len(&self) -> u64 {
        (**self).len()
    }

    fn sector_size(&self) -> u32 {
        (**self).sector_size()
    }
}

/// A disk or an image, and the volumes on it.
#[derive(Clone)]
pub struct Disk {
    /// For people: the path as it was named, `/dev/sda`, `disk.img`.
    pub display: String,
    /// Where it was opened.
    pub path: PathBuf,
    /// How its bytes are kept.
    pub format: DiskFormat,
    /// Its bytes.
    pub device: Arc<dyn Device>,
    /// What is wrong with the file that it is kept in.
    pub faults: Vec<Fault>,
    /// Its partition table; [`TableKind::None`] when it is one volume.
    pub table: PartitionTable,
    /// Its volumes, in the order of the table.
    pub volumes: Vec<Volume>,
}

/// A volume: a partition, or a whole disk or image without partitions.
#[derive(Clone)]
pub struct Volume {
    /// For people: `disk.img, partition 2 (NTFS, 238 GiB)`.
    pub display: String,
    /// The partition's number; 0 for a disk without partitions.
    pub index: u32,
    /// Its bytes, from its own first on.
    pub device: Arc<dyn Device>,
    /// What it is, by its own bytes.
    pub kind: VolumeKind,
    /// Byte on the disk.
    pub offset: u64,
    /// Bytes.
    pub len: u64,
    /// Its entry in the partition table.
    pub partition: Option<Partition>,
    /// Its drive letter here and now (Windows).
    pub letter: Option<char>,
    /// Where it is mounted here and now.
    pub mounts: Vec<String>,
    /// Its label, where it is cheap to know (not for NTFS).
    pub label: Option<String>,
    /// What is wrong with its edges.
    pub faults: Vec<Fault>,
}

impl Disk {
    /// Looks at what a raw `device` holds. Never fails: what cannot be read is
    /// a fault of the table or of a volume.
    pub fn probe(display: String, path: PathBuf, device: Arc<dyn Device>) -> Self {
        let raw = Container { device, format: DiskFormat::Raw, faults: Vec::new() };
        Self::probe_container(display, path, raw)
    }

    /// Looks at what a container holds.
    pub fn probe_container(display: String, path: PathBuf, container: Container) -> Self {
        let Container { device, format, faults } = container;
        let (table, volumes) = match table::read_layout(&device) {
            Layout::Bare(identity) => {
                let volume = Volume::new(&display, device.clone(), None, identity);
                (PartitionTable::none(&device), vec![volume])
            }
            Layout::Table(table) => {
                let volumes = table.partitions.iter().map(|partition| {
                    let (offset, len) = (partition.offset, partition.len);
                    let window: Arc<dyn Device> = Arc::new(Slice::new(device.clone(), offset, len));
                    let identity = identify(&window);
                    Volume::new(&display, window, Some(partition.clone()), identity)
                });
                let volumes = volumes.collect();
                (table, volumes)
            }
        };
        Self { display, path, format, device, faults, table, volumes }
    }

    /// What is wrong with its file, its partition table and its volumes' edges.
    pub fn findings(&self) -> Vec<Finding> {
        let own = self.faults.iter().chain(&self.table.faults);
        let own = own.map(|fault| fault.finding(&self.display));
        own.chain(self.volumes.iter().flat_map(Volume::findings)).collect()
    }
}

impl Volume {
    fn new(
        disk: &str,
        device: Arc<dyn Device>,
        partition: Option<Partition>,
        identity: Identity,
    ) -> Self {
        let len = device.len();
        let index = partition.as_ref().map_or(0, |p| p.number);
        let what = format!("({}, {})", identity.kind, size_text(len));
        let display = match &partition {
            Some(_) => format!("{disk}, partition {index} {what}"),
            None => format!("{disk} {what}"),
        };
        Self {
            display,
            index,
            device,
            kind: identity.kind,
            offset: partition.as_ref().map_or(0, |p| p.offset),
            len,
            partition,
            letter: None,
            mounts: Vec::new(),
            label: identity.label,
            faults: identity.faults,
        }
    }

    /// What is wrong with its edges.
    pub fn findings(&self) -> impl Iterator<Item = Finding> {
        self.faults.iter().map(|fault| fault.finding(&self.display))
    }

    /// The error to give when its files are wanted and it is locked.
    pub fn locked(&self) -> Option<DiskError> {
        let volume = match self.letter {
            Some(letter) => format!("{letter}:"),
            None => self.display.clone(),
        };
        (self.kind == VolumeKind::BitLocker).then_some(DiskError::Locked { volume })
    }
}

/// Opens a disk image: raw, VHD or VHDX, of a disk or of one volume.
pub fn open_image(path: &Path) -> Result<Disk, DiskError> {
    let file: Arc<dyn Device> = Arc::new(FileDevice::open(path)?);
    if let Some(format) = Foreign::of(&file) {
        return Err(DiskError::Foreign { path: path.to_owned(), format });
    }
    let container = open_container(&file, path)?.unwrap_or(Container {
        device: file,
        format: DiskFormat::Raw,
        faults: Vec::new(),
    });
    if Foreign::is_first_of_pieces(path) {
        let format = Foreign::SplitRaw;
        return Err(DiskError::Foreign { path: path.to_owned(), format });
    }
    let disk = Disk::probe_container(path.display().to_string(), path.to_owned(), container);
    if disk.table.kind == TableKind::None && disk.volumes.iter().all(is_nothing) {
        let why = "no partition table, and no file system that Lifeboat knows".to_owned();
        return Err(DiskError::NotAnImage { path: path.to_owned(), why });
    }
    Ok(disk)
}

/// Whether a volume is unknown, and not for want of reading it.
fn is_nothing(volume: &Volume) -> bool {
    volume.kind == VolumeKind::Unknown && volume.faults.is_empty()
}
