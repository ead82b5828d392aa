//! From what a user names, or what is attached, to a disk that is open.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::device::Device;
use super::error::DiskError;
use super::fault::Fault;
use super::image::container::{Container, DiskFormat, open_container};
use super::image::file::FileDevice;
use super::image::foreign::Foreign;
use super::layout::{Disk, Volume};
#[cfg(target_os = "linux")]
use super::linux;
use super::mapfile::{Mapfile, MappedImage};
use super::partitions::table::TableKind;
use super::volume::VolumeKind;
#[cfg(windows)]
use super::{windows_disks, windows_names};

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
pub(crate) fn names_a_device(name: &Path) -> bool {
    #[cfg(target_os = "linux")]
    return linux::is_device(name);
    #[cfg(windows)]
    return windows_names::DeviceName::parse(&name.to_string_lossy()).is_some();
    #[cfg(not(any(target_os = "linux", windows)))]
    return false;
}

/// The disk image that holds the file system of a folder, where the host has it mounted from one.
pub(crate) fn image_below(folder: &Path) -> Option<PathBuf> {
    #[cfg(target_os = "linux")]
    return linux::image_below(folder);
    #[cfg(not(target_os = "linux"))]
    {
        let _ = folder;
        None
    }
}

/// Opens what a user names: a disk, a volume, or a disk image.
pub fn open(name: &Path) -> Result<Disk, DiskError> {
    open_with(name, None)
}

/// The same. `mapfile` is what ddrescue wrote with an image; without one it is looked for beside
/// the image.
pub fn open_with(name: &Path, mapfile: Option<&Path>) -> Result<Disk, DiskError> {
    #[cfg(target_os = "linux")]
    if linux::is_device(name) {
        return linux::open_device(name);
    }
    #[cfg(windows)]
    if let Some(device) = windows_names::DeviceName::parse(&name.to_string_lossy()) {
        return windows_disks::open_device(name, &device);
    }
    open_mapped_image(name, mapfile)
}

/// Opens a disk image: raw, VHD or VHDX, of a disk or of one volume.
pub fn open_image(path: &Path) -> Result<Disk, DiskError> {
    open_mapped_image(path, None)
}

fn open_mapped_image(path: &Path, mapfile: Option<&Path>) -> Result<Disk, DiskError> {
    let mut file: Arc<dyn Device> = Arc::new(FileDevice::open(path)?);
    let mapfile = match mapfile {
        Some(mapfile) => Some((mapfile.display().to_string(), Mapfile::open(mapfile)?)),
        None => Mapfile::beside(path)?,
    };
    let mut mapped = None;
    if let Some((path, map)) = mapfile {
        let missing = map.missing(file.len());
        mapped = (missing > 0).then_some(Fault::Mapfile { path, missing });
        file = Arc::new(MappedImage::new(file, map));
    }
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
    let mut disk = Disk::probe_container(path.display().to_string(), path.to_owned(), container);
    disk.faults.extend(mapped);
    let is_file_of_another_kind =
        disk.format == DiskFormat::Raw && !has_the_size_of_a_disk(&disk.device);
    if is_file_of_another_kind
        && disk.table.kind == TableKind::None
        && disk.volumes.iter().all(is_nothing)
    {
        let why = "no partition table, and no file system that Lifeboat knows".to_owned();
        return Err(DiskError::NotAnImage { path: path.to_owned(), why });
    }
    Ok(disk)
}

/// Whether a file may be a disk that is encrypted or damaged from its first
/// byte on, by its size: whole sectors, and no fewer than a store needs.
fn has_the_size_of_a_disk(device: &dyn Device) -> bool {
    device.len() >= 1 << 20 && device.len().is_multiple_of(512)
}

/// Whether a volume is unknown, and not for want of reading it.
fn is_nothing(volume: &Volume) -> bool {
    volume.kind == VolumeKind::Unknown && volume.faults.is_empty()
}
