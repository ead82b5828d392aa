//! Windows: physical disks with their own partition tables, and the volumes
//! that Windows makes of them, by GUID path.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::aligned::Aligned;
use super::condition::Condition;
use super::error::is_locked_by_bitlocker;
use super::image::container::{Container, DiskFormat};
use super::live::Live;
use super::volume::NtfsBoot;
use super::windows::{RawDevice, SystemVolume, be_quiet, volume, volume_of_letter, volumes};
use super::windows_names::DeviceName;
use super::{Device, Disk, DiskError, Hardware, VolumeKind, identify};

/// More disks than a machine has. Numbers may have gaps.
const MAX_DISKS: u32 = 64;
/// A whole disk's device, without its number.
const WHOLE_DISK: &str = r"\\.\PhysicalDrive";

/// Every disk with a medium, then the volumes that lie on none of them (or on
/// several).
pub(super) fn attached() -> Vec<Result<Disk, DiskError>> {
    be_quiet();
    let mut found = Vec::new();
    let mut left = match volumes() {
        Ok(volumes) => volumes,
        Err(error) => {
            found.push(Err(DiskError::Io {
                path: PathBuf::from("volumes"),
                doing: "asking Windows for them",
                error,
            }));
            Vec::new()
        }
    };
    for number in 0..MAX_DISKS {
        match open_disk(number, &mut left) {
            Ok(disk) => found.push(Ok(disk)),
            // No disk of that number, or a card reader without a card.
            Err(DiskError::NotFound { .. } | DiskError::NoMedium { .. }) => {}
            Err(error) => found.push(Err(error)),
        }
    }
    let alone = left.iter().map(|volume| open_or_through_disk(Path::new(&volume.path), volume));
    found.extend(alone.filter(|result| !matches!(result, Err(DiskError::NoMedium { .. }))));
    found
}

/// Opens what the user has named.
pub(super) fn open_device(path: &Path, name: &DeviceName) -> Result<Disk, DiskError> {
    be_quiet();
    match name {
        DeviceName::Disk(number) => {
            let mut known = volumes().unwrap_or_default();
            open_disk(*number, &mut known)
        }
        DeviceName::Letter(letter) => {
            let root = PathBuf::from(format!("{letter}:\\"));
            match volume_of_letter(*letter) {
                Ok(volume) => open_or_through_disk(&root, &volume),
                Err(error) => Err(DiskError::from_open(&root, error)),
            }
        }
        DeviceName::Volume(name) => open_or_through_disk(path, &volume(name)),
        DeviceName::Other(device) => {
            let (path_text, mounts, extents) = (device.clone(), Vec::new(), Vec::new());
            open_volume(path, &SystemVolume { path: path_text, mounts, extents })
        }
    }
}

/// Opens a physical disk; its partitions that are among `known` are read
/// through their volume devices, and taken out of `known`.
fn open_disk(number: u32, known: &mut Vec<SystemVolume>) -> Result<Disk, DiskError> {
    let name = format!("{WHOLE_DISK}{number}");
    let path = PathBuf::from(&name);
    let (device, mut hardware) =
        open_raw(&name).map_err(|error| DiskError::from_open(&path, error))?;
    // A disk whose driver does not say how it is attached is one of the PC all the same.
    if hardware.transport.is_empty() {
        "other".clone_into(&mut hardware.transport);
    }
    if device.is_empty() {
        return Err(DiskError::NoMedium { path });
    }
    let attached = Container { device, format: DiskFormat::Attached, faults: Vec::new() };
    let mut disk = Disk::probe_container(format!("disk {number}"), path, attached);
    disk.hardware = Some(hardware);
    for volume in &mut disk.volumes {
        let offset = volume.offset;
        let place = known.iter().position(|v| {
            matches!(v.extents[..], [extent] if extent.disk == number && extent.offset == offset)
        });
        if let Some(place) = place {
            let system = known.swap_remove(place);
            adopt(volume, &system);
        }
    }
    Ok(disk)
}

/// What a whole disk says of its health; volumes have none of their own.
pub(super) fn condition(disk: &Disk, hardware: &Hardware) -> Condition {
    let path = disk.path.to_string_lossy();
    let is_whole =
        path.get(..WHOLE_DISK.len()).is_some_and(|at| at.eq_ignore_ascii_case(WHOLE_DISK));
    let raw = if is_whole { RawDevice::open(&path).ok() } else { None };
    raw.map(|raw| raw.condition(&hardware.transport)).unwrap_or_default()
}

/// A volume as a disk of its own: by its device, or if BitLocker has locked that, by the sectors
/// of its partition, which Lifeboat can unlock.
fn open_or_through_disk(named: &Path, system: &SystemVolume) -> Result<Disk, DiskError> {
    let opened = open_volume(named, system);
    let is_locked = match &opened {
        Ok(disk) => disk.volumes.iter().any(|volume| volume.kind == VolumeKind::BitLocker),
        Err(error) => matches!(error, DiskError::Locked { .. }),
    };
    let through_disk = || {
        let [extent] = system.extents[..] else { return None };
        let whole = open_disk(extent.disk, &mut Vec::new()).ok()?;
        let volume = whole.volumes.into_iter().find(|volume| volume.offset == extent.offset)?;
        if volume.kind != VolumeKind::BitLocker {
            return None;
        }
        let device = volume.device;
        let sectors = Container { device, format: DiskFormat::Attached, faults: Vec::new() };
        let display = match letter(system) {
            Some(letter) => format!("{letter}:"),
            None => named.display().to_string(),
        };
        let mut disk = Disk::probe_container(display, named.to_owned(), sectors);
        disk.hardware = whole.hardware;
        disk.volumes.iter_mut().for_each(|volume| note(volume, system));
        Some(disk)
    };
    if is_locked { through_disk().map_or(opened, Ok) } else { opened }
}

/// A volume as a disk of its own, by its device.
fn open_volume(named: &Path, system: &SystemVolume) -> Result<Disk, DiskError> {
    let display = match letter(system) {
        Some(letter) => format!("{letter}:"),
        None => named.display().to_string(),
    };
    let (device, hardware) = match open_system(system) {
        Ok(opened) => opened,
        Err(error) if is_locked_by_bitlocker(&error) => {
            return Err(DiskError::Locked { volume: display });
        }
        Err(error) => return refused(named, display, system, error),
    };
    // A refusal now is better than a volume of an unknown kind.
    let mut first = vec![0; usize::try_from(device.sector_size()).unwrap_or(512)];
    match device.read_exact_at(0, &mut first) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            return Err(DiskError::NoMedium { path: named.to_owned() });
        }
        Err(error) if !is_locked_by_bitlocker(&error) => {
            return refused(named, display, system, error);
        }
        _ => {}
    }
    let attached = Container { device, format: DiskFormat::Attached, faults: Vec::new() };
    let mut disk = Disk::probe_container(display, named.to_owned(), attached);
    disk.hardware = Some(hardware);
    if let [volume] = &mut disk.volumes[..] {
        volume.device = Arc::new(Live(volume.device.clone()));
        note(volume, system);
    }
    Ok(disk)
}

/// A volume that cannot be read as a disk. Where it is mounted its files can
/// still be read, so that is a volume; elsewhere it is an error.
fn refused(
    named: &Path,
    display: String,
    system: &SystemVolume,
    error: io::Error,
) -> Result<Disk, DiskError> {
    if system.mounts.is_empty() {
        return Err(DiskError::from_open(named, error));
    }
    let mut disk = Disk::refused(display, named.to_owned(), &error);
    disk.volumes.iter_mut().for_each(|volume| note(volume, system));
    Ok(disk)
}

/// Reads a partition through the volume device that Windows has for it.
fn adopt(volume: &mut super::Volume, system: &SystemVolume) {
    note(volume, system);
    match open_system(system) {
        Ok((device, _)) => {
            let device: Arc<dyn Device> = Arc::new(Live(device));
            let identity = identify(&device);
            let refused = identity.kind == VolumeKind::Unknown && !identity.faults.is_empty();
            // What the volume device refuses the disk may still give: the sectors of a locked volume
            // are there alone.
            let locked = VolumeKind::BitLocker;
            let is_locked = identity.kind == locked && volume.kind == locked;
            if !refused && !is_locked {
                volume.replace(device, identity);
            }
        }
        Err(error) if is_locked_by_bitlocker(&error) => volume.kind = VolumeKind::BitLocker,
        // Stays as it was found on the disk.
        Err(_) => {}
    }
    volume.name();
}

fn note(volume: &mut super::Volume, system: &SystemVolume) {
    volume.path = Some(PathBuf::from(&system.path));
    volume.mounts.clone_from(&system.mounts);
    volume.letter = letter(system);
}

/// The drive letter among a volume's mount points.
fn letter(volume: &SystemVolume) -> Option<char> {
    volume.mounts.iter().find_map(|mount| match mount.as_bytes() {
        [letter, b':', b'\\'] => Some(char::from(letter.to_ascii_uppercase())),
        _ => None,
    })
}

/// Opens a volume by its GUID or, where that device refuses (Wine's does), by
/// its letter.
fn open_system(system: &SystemVolume) -> io::Result<(Arc<dyn Device>, Hardware)> {
    open_raw(&system.path).or_else(|error| match letter(system) {
        Some(letter) => open_raw(&format!(r"\\.\{letter}:")).map_err(|_| error),
        None => Err(error),
    })
}

/// Opens a disk or a volume for reads of any kind.
fn open_raw(path: &str) -> io::Result<(Arc<dyn Device>, Hardware)> {
    let raw = RawDevice::open(path)?;
    let hardware = raw.hardware();
    let sector = raw.sector.unwrap_or(512);
    let Some(len) = raw.len else {
        return open_without_length(raw, sector).map(|device| (device, hardware));
    };
    Ok((Arc::new(Aligned::new(raw, len, sector)), hardware))
}

/// A volume that does not tell its length (a shadow copy, some drivers): its
/// NTFS boot sector does.
fn open_without_length(raw: RawDevice, sector: u32) -> io::Result<Arc<dyn Device>> {
    let start = Aligned::new(raw, 4096, sector);
    let mut first = [0; 512];
    start.read_exact_at(0, &mut first)?;
    let boot = NtfsBoot::parse(&first).ok_or_else(|| {
        io::Error::new(io::ErrorKind::Unsupported, "the device does not tell its length")
    })?;
    // One more sector: the copy of the boot sector.
    let len = boot.volume_bytes().saturating_add(boot.sector_bytes);
    Ok(Arc::new(start.with_len(len)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// On a real Windows this opens disks; under Wine it is refused. Either way
    /// it ends, and says of what.
    #[test]
    fn what_is_attached_is_opened_or_refused_by_name() {
        for result in attached() {
            match result {
                Ok(disk) if disk.device.is_empty() => {
                    let [volume] = &disk.volumes[..] else { panic!("{}", disk.display) };
                    assert_eq!(volume.kind, VolumeKind::Refused);
                    assert!(!volume.mounts.is_empty());
                }
                Ok(disk) => disk.device.read_exact_at(0, &mut [0; 100]).unwrap(),
                Err(error) => assert!(error.to_string().contains(": "), "{error}"),
            }
        }
    }

    #[test]
    fn a_drive_or_a_disk_that_is_not_there_is_not_found() {
        for name in ["Q:", r"\\.\PhysicalDrive200"] {
            let parsed = DeviceName::parse(name).unwrap();
            let error = open_device(Path::new(name), &parsed).err().unwrap();
            assert!(matches!(error, DiskError::NotFound { .. }), "{name}: {error:?}");
        }
    }
}
