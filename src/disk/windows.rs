//! What is asked of Windows about disks and volumes.
//!
//! # How a volume in use is read
//!
//! A volume is read through its volume device, since BitLocker (unlocked or
//! suspended) decrypts only there. Where somebody has it mounted, which Windows
//! does by itself, the file system driver may hold metadata in its cache that
//! is not on the disk yet. What could be done about that:
//!
//! * Flush: `FlushFileBuffers` on a volume wants a handle with write access,
//!   and makes the driver write to the source. Lifeboat never opens a source
//!   for writing, not even to have others write. Ruled out.
//! * Lock or dismount: also makes the driver write, fails while a file is open,
//!   and takes the volume away from everybody else. Ruled out.
//! * Read through a shadow copy: making one writes to the source. One that
//!   exists can be named as a source like any volume.
//! * Read as it is, and read again on contradiction: NTFS flushes a change
//!   within seconds, and a structure caught half written fails its check
//!   (fix-ups, checksums). [`super::TornReadRetry`] has such a structure read again,
//!   after growing waits, a few seconds in all. **This is what is done.**
//!
//! A rescue runs where nobody works on the volume: WinPE after a failed
//! deployment, a disk in another machine. There nothing changes under the
//! reader. [`super::Volume::note`] says in the output what was done.
#![allow(unsafe_code)] // a platform file: std has no words for volumes and device control

use std::fs::{File, OpenOptions};
use std::io;
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::AsRawHandle;

use windows_sys::Win32::Foundation::{
    ERROR_MORE_DATA, ERROR_NO_MORE_FILES, GENERIC_READ, HANDLE, INVALID_HANDLE_VALUE,
};
use windows_sys::Win32::Storage::FileSystem::{
    FILE_SHARE_DELETE, FILE_SHARE_READ, FILE_SHARE_WRITE, FindFirstVolumeW, FindNextVolumeW,
    FindVolumeClose, GetDriveTypeW, GetVolumeNameForVolumeMountPointW,
    GetVolumePathNamesForVolumeNameW, IOCTL_VOLUME_GET_VOLUME_DISK_EXTENTS,
};
use windows_sys::Win32::System::Diagnostics::Debug::{SEM_FAILCRITICALERRORS, SetErrorMode};
use windows_sys::Win32::System::IO::DeviceIoControl;
use windows_sys::Win32::System::Ioctl::{
    FSCTL_ALLOW_EXTENDED_DASD_IO, IOCTL_DISK_GET_DRIVE_GEOMETRY, IOCTL_DISK_GET_LENGTH_INFO,
    IOCTL_STORAGE_QUERY_PROPERTY,
};

use super::Hardware;
use super::aligned::SectorReader;
use super::condition::{self, Condition};
use crate::model::bytes::{u32_at, u64_at};

/// Units enough for `\\?\Volume{GUID}\` and its NUL.
const VOLUME_NAME: u32 = 64;
/// `GetDriveTypeW`: a drive for optical discs.
const DRIVE_CDROM: u32 = 5;

/// A volume that Windows knows.
#[derive(Clone, Debug)]
pub(super) struct SystemVolume {
    /// `\\?\Volume{…}`, without a backslash at the end.
    pub(super) path: String,
    /// `C:\` and folders that it is mounted in.
    pub(super) mounts: Vec<String>,
    /// Where it lies; empty where Windows does not tell.
    pub(super) extents: Vec<Extent>,
}

/// A piece of a volume on a disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Extent {
    /// The N of `\\.\PhysicalDriveN`.
    pub(super) disk: u32,
    /// Byte on the disk.
    pub(super) offset: u64,
}

/// Keeps Windows from asking for a disk to be inserted: an empty drive is an
/// error like others.
pub(crate) fn be_quiet() {
    // SAFETY: sets a flag of this process; there is nothing to get wrong.
    unsafe { SetErrorMode(SEM_FAILCRITICALERRORS) };
}

/// All volumes that are no optical discs.
pub(super) fn volumes() -> io::Result<Vec<SystemVolume>> {
    let mut name = [0_u16; VOLUME_NAME as usize];
    // SAFETY: `name` has `VOLUME_NAME` units.
    let found = unsafe { FindFirstVolumeW(name.as_mut_ptr(), VOLUME_NAME) };
    if found == INVALID_HANDLE_VALUE {
        return Err(io::Error::last_os_error());
    }
    let search = Search(found);
    let mut volumes = Vec::new();
    loop {
        if !is_optical(&name) {
            volumes.push(volume(&text(&name)));
        }
        // SAFETY: the search is open until it is dropped; `name` as above.
        let more = unsafe { FindNextVolumeW(search.0, name.as_mut_ptr(), VOLUME_NAME) };
        if more == 0 {
            let error = io::Error::last_os_error();
            let end = error.raw_os_error() == Some(ERROR_NO_MORE_FILES.cast_signed());
            return if end { Ok(volumes) } else { Err(error) };
        }
    }
}

/// A search for volumes, closed when dropped.
struct Search(HANDLE);

impl Drop for Search {
    fn drop(&mut self) {
        // SAFETY: the handle comes from FindFirstVolumeW and is closed once.
        unsafe { FindVolumeClose(self.0) };
    }
}

/// What Windows knows of the volume `\\?\Volume{…}`, with or without a
/// backslash at the end.
pub(super) fn volume(name: &str) -> SystemVolume {
    let path = name.trim_end_matches('\\').to_owned();
    let mounts = mounts(&wide(&format!("{path}\\")));
    let extents = open_for_questions(&path).and_then(|file| extents(&file)).unwrap_or_default();
    SystemVolume { path, mounts, extents }
}

/// The volume behind a letter.
pub(super) fn volume_of_letter(letter: char) -> io::Result<SystemVolume> {
    let root = wide(&format!("{letter}:\\"));
    let mut name = [0_u16; VOLUME_NAME as usize];
    // SAFETY: `root` is NUL-terminated; `name` has `VOLUME_NAME` units.
    let done =
        unsafe { GetVolumeNameForVolumeMountPointW(root.as_ptr(), name.as_mut_ptr(), VOLUME_NAME) };
    if done == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(volume(&text(&name)))
}

/// Where a volume (NUL-terminated, backslash at the end) is mounted.
fn mounts(name: &[u16]) -> Vec<String> {
    let mut room = 1024_u32;
    // Twice: the second time with the room that Windows asked for.
    for _ in 0..2 {
        let mut list = vec![0_u16; room as usize];
        let mut needed = 0;
        // SAFETY: `name` is NUL-terminated; `list` has `room` units; `needed`
        // outlives the call.
        let done = unsafe {
            GetVolumePathNamesForVolumeNameW(
                name.as_ptr(),
                list.as_mut_ptr(),
                room,
                &raw mut needed,
            )
        };
        if done != 0 {
            let names = list.split(|unit| *unit == 0).take_while(|name| !name.is_empty());
            return names.map(String::from_utf16_lossy).collect();
        }
        let error = io::Error::last_os_error().raw_os_error();
        if error != Some(ERROR_MORE_DATA.cast_signed()) || needed > 1 << 20 {
            break;
        }
        room = needed;
    }
    Vec::new()
}

/// Whether a volume (NUL-terminated, backslash at the end) is an optical disc.
fn is_optical(name: &[u16; VOLUME_NAME as usize]) -> bool {
    // SAFETY: Windows has just written the name, with its NUL.
    unsafe { GetDriveTypeW(name.as_ptr()) == DRIVE_CDROM }
}

/// Opens a device without a right to anything: enough to ask what it is, and
/// allowed to everybody.
fn open_for_questions(path: &str) -> io::Result<File> {
    let everybody = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
    OpenOptions::new().access_mode(0).share_mode(everybody).open(path)
}

/// Where a volume lies (`VOLUME_DISK_EXTENTS`).
fn extents(volume: &File) -> io::Result<Vec<Extent>> {
    let answer = control(volume, IOCTL_VOLUME_GET_VOLUME_DISK_EXTENTS, &[], 8 + 24 * 64)?;
    let count = u32_at(&answer, 0).unwrap_or(0) as usize;
    let extents = answer.get(8..).unwrap_or_default().chunks_exact(24).take(count);
    let extents = extents
        .filter_map(|extent| Some(Extent { disk: u32_at(extent, 0)?, offset: u64_at(extent, 8)? }));
    Ok(extents.collect())
}

/// A disk or a volume, open for reading.
pub(super) struct RawDevice {
    file: File,
    /// Bytes; `None` where the device does not tell.
    pub(super) len: Option<u64>,
    /// Bytes in a sector; `None` where the device does not tell.
    pub(super) sector: Option<u32>,
}

impl RawDevice {
    /// Opens `\\?\Volume{…}`, `\\.\PhysicalDriveN` or another device for
    /// reading, and shares it with everybody.
    pub(super) fn open(path: &str) -> io::Result<Self> {
        let everybody = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
        let file = OpenOptions::new().access_mode(GENERIC_READ).share_mode(everybody).open(path)?;
        // Without it the file system driver refuses the sectors behind its own
        // last one, where NTFS keeps the copy of its boot sector. Disks do not
        // know the call.
        let _ = control(&file, FSCTL_ALLOW_EXTENDED_DASD_IO, &[], 0);
        let len = control(&file, IOCTL_DISK_GET_LENGTH_INFO, &[], 8).ok();
        // DISK_GEOMETRY: BytesPerSector is its last field.
        let geometry = control(&file, IOCTL_DISK_GET_DRIVE_GEOMETRY, &[], 24).ok();
        Ok(Self {
            len: len.and_then(|answer| u64_at(&answer, 0)),
            sector: geometry.and_then(|answer| u32_at(&answer, 20)),
            file,
        })
    }

    /// What the disk says of itself (`STORAGE_DEVICE_DESCRIPTOR`).
    pub(super) fn hardware(&self) -> Hardware {
        // STORAGE_PROPERTY_QUERY: StorageDeviceProperty, PropertyStandardQuery.
        let answer = control(&self.file, IOCTL_STORAGE_QUERY_PROPERTY, &[0; 12], 1024);
        let answer = answer.unwrap_or_default();
        let sector = self.sector.unwrap_or(512);
        let words = |at: usize| {
            let start = u32_at(&answer, at).filter(|start| *start != 0)?;
            let text = answer.get(start as usize..)?;
            let end = text.iter().position(|b| *b == 0).unwrap_or(text.len());
            Some(String::from_utf8_lossy(text.get(..end)?).trim().to_owned())
        };
        let model = [words(12), words(16)].into_iter().flatten().filter(|word| !word.is_empty());
        Hardware {
            model: model.collect::<Vec<_>>().join(" "),
            serial: words(24).unwrap_or_default(),
            transport: bus(u32_at(&answer, 28).unwrap_or(0)).to_owned(),
            removable: answer.get(10).is_some_and(|flag| *flag != 0),
            logical_sector: sector,
            physical_sector: sector,
            backing: String::new(),
            condition: Condition::default(),
        }
    }
}

impl RawDevice {
    /// What the disk says of its health.
    pub(super) fn condition(&self, bus: &str) -> Condition {
        condition::windows::ask(
            bus,
            |question, room| control(&self.file, IOCTL_STORAGE_QUERY_PROPERTY, question, room),
            |room| control(&self.file, condition::windows::PREDICT_FAILURE, &[], room),
        )
    }
}

impl SectorReader for RawDevice {
    fn read_sectors(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        super::image::file::read_exact_at(&self.file, offset, buf)
    }
}

/// `STORAGE_BUS_TYPE`.
fn bus(number: u32) -> &'static str {
    match number {
        1 => "scsi",
        2 | 3 => "ata",
        4 => "firewire",
        7 => "usb",
        8 => "raid",
        9 => "iscsi",
        10 => "sas",
        11 => "sata",
        12 => "sd",
        13 => "mmc",
        14 | 15 => "virtual",
        16 => "storage-spaces",
        17 => "nvme",
        _ => "",
    }
}

/// Asks a device; the answer, at most `room` bytes.
fn control(file: &File, code: u32, question: &[u8], room: usize) -> io::Result<Vec<u8>> {
    let mut answer = vec![0_u8; room];
    let mut len = 0;
    // SAFETY: the handle is open as long as `file`; the lengths are those of
    // the buffers, which outlive the call; it was not opened for overlapped
    // calls, so Windows is done with all of them when the call returns.
    let done = unsafe {
        DeviceIoControl(
            file.as_raw_handle(),
            code,
            question.as_ptr().cast(),
            u32::try_from(question.len()).unwrap_or(0),
            answer.as_mut_ptr().cast(),
            u32::try_from(room).unwrap_or(0),
            &raw mut len,
            std::ptr::null_mut(),
        )
    };
    if done == 0 {
        return Err(io::Error::last_os_error());
    }
    answer.truncate(len as usize);
    Ok(answer)
}

/// With a NUL at the end.
fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

/// Up to the NUL.
fn text(units: &[u16]) -> String {
    let end = units.iter().position(|unit| *unit == 0).unwrap_or(units.len());
    String::from_utf16_lossy(&units[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_windows_has_a_volume_with_a_letter() {
        be_quiet();
        let volumes = volumes().unwrap();
        assert!(
            volumes.iter().all(|v| v.path.starts_with(r"\\?\Volume{") && v.path.ends_with('}'))
        );
        assert!(volumes.iter().any(|v| v.mounts.iter().any(|m| m == r"C:\")), "{volumes:?}");
        let c = volume_of_letter('C').unwrap();
        assert!(c.mounts.iter().any(|m| m == r"C:\"), "{c:?}");
        assert!(volume_of_letter('?').is_err());
    }

    #[test]
    fn a_device_that_is_not_there_is_an_error() {
        assert!(RawDevice::open(r"\\.\PhysicalDrive250").is_err());
        assert!(RawDevice::open(r"\\?\Volume{00000000-0000-0000-0000-000000000000}").is_err());
        let file = File::open(std::env::current_exe().unwrap()).unwrap();
        assert!(control(&file, IOCTL_DISK_GET_LENGTH_INFO, &[], 8).is_err());
    }
}
