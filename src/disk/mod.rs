//! What is attached: physical disks, images, partitions, and what each volume
//! is by its own first bytes. Everything here is opened for reading only.

mod aligned;
mod bytes;
mod cache;
mod crc;
mod error;
mod fault;
mod hardware;
mod image;
mod layout;
#[cfg(target_os = "linux")]
mod linux;
mod live;
mod memory;
mod partitions;
mod slice;
mod volume;
#[cfg(windows)]
mod windows;
#[cfg(windows)]
mod windows_disks;
mod windows_names;

use std::io;
use std::path::Path;
use std::sync::Arc;

pub use bytes::Guid;
pub(crate) use bytes::size_text;
pub use cache::Cached;
pub use error::DiskError;
pub(crate) use error::is_gone;
pub use fault::Fault;
pub use hardware::Hardware;
pub use image::container::{Container, DiskFormat, open_container};
pub use image::file::FileDevice;
pub use image::foreign::Foreign;
pub use layout::{Disk, Volume};
pub use live::Patience;
pub use memory::MemoryDevice;
pub use partitions::table::{Partition, PartitionTable, PartitionType, TableKind};
pub use slice::Slice;
pub use volume::{Identity, VolumeKind, identify};

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

    /// Whether somebody else may be writing to it now: a mounted volume. What
    /// contradicts itself there may be whole a moment later ([`Patience`]).
    fn is_live(&self) -> bool {
        false
    }
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

    fn is_live(&self) -> bool {
        (**self).is_live()
    }
}

/// Every disk of this machine that has a medium, each or why it cannot be read.
/// Volumes that no disk accounts for are disks of their own.
pub fn attached() -> Vec<Result<Disk, DiskError>> {
    #[cfg(target_os = "linux")]
    return linux::attached();
    #[cfg(windows)]
    return windows_disks::attached();
    #[cfg(not(any(target_os = "linux", windows)))]
    return Vec::new();
}

/// Whether `name` is a disk or a volume of this machine, not a file: `/dev/sda1`;
/// `C:`, `C:\`, `\\.\C:`, `\\?\Volume{…}`, `\\.\PhysicalDrive0`.
pub fn names_a_device(name: &Path) -> bool {
    #[cfg(target_os = "linux")]
    return linux::is_device(name);
    #[cfg(windows)]
    return windows_names::DeviceName::parse(&name.to_string_lossy()).is_some();
    #[cfg(not(any(target_os = "linux", windows)))]
    return false;
}

/// Opens what a user names: a disk, a volume, or a disk image.
pub fn open(name: &Path) -> Result<Disk, DiskError> {
    #[cfg(target_os = "linux")]
    if linux::is_device(name) {
        return linux::open_device(name);
    }
    #[cfg(windows)]
    if let Some(device) = windows_names::DeviceName::parse(&name.to_string_lossy()) {
        return windows_disks::open_device(name, &device);
    }
    open_image(name)
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
