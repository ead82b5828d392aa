//! Disks in files, and the volumes on them.
#![allow(unsafe_code)] // calls of virtdisk and kernel32

use std::ffi::c_void;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::mem::transmute;
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::{FromRawHandle, OwnedHandle};
use std::path::Path;
use std::ptr::{null, null_mut};

use windows_sys::Win32::Foundation::{ERROR_SUCCESS, HANDLE};
use windows_sys::Win32::Storage::FileSystem as fs;
use windows_sys::Win32::Storage::Vhd as vhd;
use windows_sys::Win32::System::Ioctl as ioctl;

use super::files::control;
use super::machine::function;
use super::{wide, win32};
use crate::plan::{DiskFacts, VolumeFacts, disk_number};

/// A disk in a file, attached until this is dropped, also if the process ends:
/// without `ATTACH_VIRTUAL_DISK_FLAG_PERMANENT_LIFETIME` it goes with its last handle.
#[derive(Debug)]
pub struct Attached {
    _handle: OwnedHandle,
    /// The number in `\\.\PhysicalDrive7`.
    pub number: u32,
}

/// virtdisk.dll, which some `WinPE` lack. That of Windows 7 knows neither VHDX nor the
/// second versions of these structures, and refuses them.
pub struct VirtDisk {
    create: Create,
    open: Open,
    attach: Attach,
    physical_path: PhysicalPath,
}

type Create = unsafe extern "system" fn(
    *const vhd::VIRTUAL_STORAGE_TYPE,
    *const u16,
    i32,
    *mut c_void,
    i32,
    u32,
    *const vhd::CREATE_VIRTUAL_DISK_PARAMETERS,
    *const c_void,
    *mut HANDLE,
) -> u32;
type Open = unsafe extern "system" fn(
    *const vhd::VIRTUAL_STORAGE_TYPE,
    *const u16,
    i32,
    i32,
    *const vhd::OPEN_VIRTUAL_DISK_PARAMETERS,
    *mut HANDLE,
) -> u32;
type Attach = unsafe extern "system" fn(
    HANDLE,
    *mut c_void,
    i32,
    u32,
    *const vhd::ATTACH_VIRTUAL_DISK_PARAMETERS,
    *const c_void,
) -> u32;
type PhysicalPath = unsafe extern "system" fn(HANDLE, *mut u32, *mut u16) -> u32;

/// VHDX (Windows 8 and newer).
static VHDX: vhd::VIRTUAL_STORAGE_TYPE = vhd::VIRTUAL_STORAGE_TYPE {
    DeviceId: vhd::VIRTUAL_STORAGE_TYPE_DEVICE_VHDX,
    VendorId: vhd::VIRTUAL_STORAGE_TYPE_VENDOR_MICROSOFT,
};

/// What `GetProcAddress` gives, before it has a type.
type Any = unsafe extern "system" fn() -> isize;

fn done(code: u32) -> io::Result<()> {
    if code == ERROR_SUCCESS { Ok(()) } else { Err(win32(code)) }
}

impl VirtDisk {
    /// Loads it; `None` where it is not.
    pub fn load() -> Option<Self> {
        let get = |name| function("virtdisk.dll", name);
        // SAFETY: the types are those of the functions' pages.
        unsafe {
            Some(Self {
                create: transmute::<Any, Create>(get(c"CreateVirtualDisk")?),
                open: transmute::<Any, Open>(get(c"OpenVirtualDisk")?),
                attach: transmute::<Any, Attach>(get(c"AttachVirtualDisk")?),
                physical_path: transmute::<Any, PhysicalPath>(get(c"GetVirtualDiskPhysicalPath")?),
            })
        }
    }

    /// Makes a file for a disk that grows. Fails if there is one.
    ///
    /// <https://learn.microsoft.com/windows/win32/api/virtdisk/nf-virtdisk-createvirtualdisk>:
    /// with version 2, the access mask must be 0.
    pub fn create(&self, file: &Path, bytes: u64, sector: u32) -> io::Result<()> {
        let path = wide(file);
        let version2 = vhd::CREATE_VIRTUAL_DISK_PARAMETERS_0_1 {
            MaximumSize: bytes,
            SectorSizeInBytes: sector,
            PhysicalSectorSizeInBytes: if sector == 4096 { 4096 } else { 0 },
            ..vhd::CREATE_VIRTUAL_DISK_PARAMETERS_0_1::default()
        };
        let parameters = vhd::CREATE_VIRTUAL_DISK_PARAMETERS {
            Version: vhd::CREATE_VIRTUAL_DISK_VERSION_2,
            Anonymous: vhd::CREATE_VIRTUAL_DISK_PARAMETERS_0 { Version2: version2 },
        };
        let mut handle: HANDLE = null_mut();
        // SAFETY: the path ends in NUL; the parameters are of the version that they
        // say; the handle is closed by its owner.
        unsafe {
            done((self.create)(
                &raw const VHDX,
                path.as_ptr(),
                vhd::VIRTUAL_DISK_ACCESS_NONE,
                null_mut(),
                vhd::CREATE_VIRTUAL_DISK_FLAG_NONE,
                0,
                &raw const parameters,
                null(),
                &raw mut handle,
            ))?;
            drop(OwnedHandle::from_raw_handle(handle));
        }
        Ok(())
    }

    /// Attaches a disk without letters for its volumes.
    ///
    /// <https://learn.microsoft.com/windows/win32/api/virtdisk/nf-virtdisk-openvirtualdisk>
    /// <https://learn.microsoft.com/windows/win32/api/virtdisk/nf-virtdisk-attachvirtualdisk>
    pub fn attach(&self, file: &Path, read_only: bool) -> io::Result<Attached> {
        let path = wide(file);
        let version2 = vhd::OPEN_VIRTUAL_DISK_PARAMETERS_0_1 {
            ReadOnly: i32::from(read_only),
            ..vhd::OPEN_VIRTUAL_DISK_PARAMETERS_0_1::default()
        };
        let parameters = vhd::OPEN_VIRTUAL_DISK_PARAMETERS {
            Version: vhd::OPEN_VIRTUAL_DISK_VERSION_2,
            Anonymous: vhd::OPEN_VIRTUAL_DISK_PARAMETERS_0 { Version2: version2 },
        };
        let mut handle: HANDLE = null_mut();
        // SAFETY: as above.
        let handle = unsafe {
            done((self.open)(
                &raw const VHDX,
                path.as_ptr(),
                vhd::VIRTUAL_DISK_ACCESS_NONE,
                vhd::OPEN_VIRTUAL_DISK_FLAG_NONE,
                &raw const parameters,
                &raw mut handle,
            ))?;
            OwnedHandle::from_raw_handle(handle)
        };
        // A policy may make drives read-only that BitLocker does not protect. The flag
        // that passes it by is younger than the call: who does not know it refuses it.
        // https://learn.microsoft.com/windows/win32/api/virtdisk/ne-virtdisk-attach_virtual_disk_flag
        let mut flags = vhd::ATTACH_VIRTUAL_DISK_FLAG_NO_DRIVE_LETTER;
        if read_only {
            flags |= vhd::ATTACH_VIRTUAL_DISK_FLAG_READ_ONLY;
        }
        let parameters = vhd::ATTACH_VIRTUAL_DISK_PARAMETERS {
            Version: vhd::ATTACH_VIRTUAL_DISK_VERSION_1,
            ..vhd::ATTACH_VIRTUAL_DISK_PARAMETERS::default()
        };
        let raw = std::os::windows::io::AsRawHandle::as_raw_handle(&handle);
        let attach = |flags| {
            // SAFETY: the handle is open; no security descriptor means the default one.
            done(unsafe { (self.attach)(raw, null_mut(), flags, 0, &raw const parameters, null()) })
        };
        let without_policy = vhd::ATTACH_VIRTUAL_DISK_FLAG_BYPASS_DEFAULT_ENCRYPTION_POLICY;
        attach(flags | without_policy).or_else(|_| attach(flags))?;
        let number = self.number(raw)?;
        Ok(Attached { _handle: handle, number })
    }

    /// <https://learn.microsoft.com/windows/win32/api/virtdisk/nf-virtdisk-getvirtualdiskphysicalpath>
    fn number(&self, disk: HANDLE) -> io::Result<u32> {
        let mut path = [0_u16; 300];
        let mut bytes = 600;
        // SAFETY: the buffer has as many bytes as said.
        done(unsafe { (self.physical_path)(disk, &raw mut bytes, path.as_mut_ptr()) })?;
        let length = path.iter().position(|unit| *unit == 0).unwrap_or(path.len());
        let path = String::from_utf16_lossy(&path[..length]);
        disk_number(&path).ok_or_else(|| io::Error::other(format!("{path}: no number of a disk")))
    }
}

/// Opens a device to look at, and to read.
fn device(name: &str, access: u32) -> io::Result<File> {
    OpenOptions::new()
        .access_mode(access)
        .share_mode(fs::FILE_SHARE_READ | fs::FILE_SHARE_WRITE)
        .open(name)
}

/// What is known of a disk.
///
/// <https://learn.microsoft.com/windows/win32/api/winioctl/ni-winioctl-ioctl_disk_get_length_info>
/// <https://learn.microsoft.com/windows/win32/api/winioctl/ns-winioctl-storage_device_descriptor>
pub fn disk_facts(number: u32) -> io::Result<DiskFacts> {
    let mut disk = device(&format!(r"\\.\PhysicalDrive{number}"), fs::FILE_GENERIC_READ)?;
    let length = control(&disk, ioctl::IOCTL_DISK_GET_LENGTH_INFO, &[], 8)?;
    // STORAGE_PROPERTY_QUERY: StorageDeviceProperty, PropertyStandardQuery.
    let property = control(&disk, ioctl::IOCTL_STORAGE_QUERY_PROPERTY, &[0; 12], 1024)?;
    let bus = property.get(28..32).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes);
    let mut start = vec![0; 1 << 20];
    disk.read_exact(&mut start)?;
    Ok(DiskFacts {
        bytes: length.try_into().map_or(0, u64::from_le_bytes),
        bus,
        is_blank: start.iter().all(|byte| *byte == 0),
    })
}

/// What is known of the volume behind a letter.
///
/// <https://learn.microsoft.com/windows/win32/api/fileapi/nf-fileapi-getvolumeinformationw>
/// <https://learn.microsoft.com/windows/win32/api/fileapi/nf-fileapi-getvolumenameforvolumemountpointw>
/// <https://learn.microsoft.com/windows/win32/api/winioctl/ni-winioctl-ioctl_storage_get_device_number>
pub fn volume_facts(letter: char) -> io::Result<VolumeFacts> {
    let root = wide(format!("{letter}:\\"));
    let (mut label, mut system, mut guid) = ([0_u16; 64], [0_u16; 64], [0_u16; 64]);
    // SAFETY: the path ends in NUL; the buffers are as long as said; what is not asked
    // for is null.
    unsafe {
        let told = fs::GetVolumeInformationW(
            root.as_ptr(),
            label.as_mut_ptr(),
            64,
            null_mut(),
            null_mut(),
            null_mut(),
            system.as_mut_ptr(),
            64,
        );
        if told == 0
            || fs::GetVolumeNameForVolumeMountPointW(root.as_ptr(), guid.as_mut_ptr(), 64) == 0
        {
            return Err(io::Error::last_os_error());
        }
    }
    let text = |units: &[u16]| {
        let length = units.iter().position(|unit| *unit == 0).unwrap_or(units.len());
        String::from_utf16_lossy(&units[..length])
    };
    let volume = device(&format!(r"\\.\{letter}:"), fs::FILE_GENERIC_READ)?;
    // STORAGE_DEVICE_NUMBER: type, number, partition.
    let place = control(&volume, ioctl::IOCTL_STORAGE_GET_DEVICE_NUMBER, &[], 12)?;
    let disk = place.get(4..8).and_then(|b| b.try_into().ok()).map(u32::from_le_bytes);
    let length = control(&volume, ioctl::IOCTL_DISK_GET_LENGTH_INFO, &[], 8)?;
    Ok(VolumeFacts {
        label: text(&label),
        file_system: text(&system),
        guid: text(&guid),
        disk,
        bytes: length.try_into().map_or(0, u64::from_le_bytes),
    })
}

/// Makes Windows write what it holds of a volume of ours.
///
/// <https://learn.microsoft.com/windows/win32/api/fileapi/nf-fileapi-flushfilebuffers>:
/// for a volume, it takes an administrator.
pub fn flush(letter: char) -> io::Result<()> {
    let access = fs::FILE_GENERIC_READ | fs::FILE_GENERIC_WRITE;
    device(&format!(r"\\.\{letter}:"), access)?.sync_all()
}

/// Reads the first sector of a volume of ours, or writes it.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ifs/blocking-direct-write-operations-to-volumes-and-disks>:
/// boot sectors of a mounted volume may be written.
pub fn first_sector(letter: char, write: Option<&[u8]>) -> io::Result<Vec<u8>> {
    use std::io::Write;
    let access = fs::FILE_GENERIC_READ | fs::FILE_GENERIC_WRITE;
    let mut volume = device(&format!(r"\\.\{letter}:"), access)?;
    if let Some(bytes) = write {
        volume.write_all(bytes)?;
        volume.sync_all()?;
        return Ok(bytes.to_vec());
    }
    let mut first = vec![0; 4096];
    volume.read_exact(&mut first)?;
    let sector = first.get(11..13).map_or(512, |b| usize::from(b[0]) | usize::from(b[1]) << 8);
    first.truncate(sector.clamp(512, 4096));
    Ok(first)
}

/// Makes Windows forget a volume of ours and look at it again.
///
/// <https://learn.microsoft.com/windows/win32/api/winioctl/ni-winioctl-fsctl_dismount_volume>
pub fn remount(letter: char) -> io::Result<()> {
    let access = fs::FILE_GENERIC_READ | fs::FILE_GENERIC_WRITE;
    let volume = device(&format!(r"\\.\{letter}:"), access)?;
    control(&volume, ioctl::FSCTL_LOCK_VOLUME, &[], 0)?;
    control(&volume, ioctl::FSCTL_DISMOUNT_VOLUME, &[], 0).map(drop)
}

/// Mounts a volume in an empty folder, which must be on NTFS.
///
/// <https://learn.microsoft.com/windows/win32/api/winbase/nf-winbase-setvolumemountpointw>
pub fn mount(folder: &Path, guid: &str) -> io::Result<()> {
    let mut path = folder.as_os_str().to_owned();
    path.push("\\");
    let (path, guid) = (wide(path), wide(guid));
    // SAFETY: both end in a backslash and NUL.
    let mounted = unsafe { fs::SetVolumeMountPointW(path.as_ptr(), guid.as_ptr()) };
    if mounted == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Takes a volume out of a folder, or its letter from it.
///
/// <https://learn.microsoft.com/windows/win32/api/winbase/nf-winbase-deletevolumemountpointw>
pub fn unmount(mount_point: &str) -> io::Result<()> {
    let path = wide(format!("{}\\", mount_point.trim_end_matches('\\')));
    // SAFETY: the path ends in a backslash and NUL.
    let gone = unsafe { fs::DeleteVolumeMountPointW(path.as_ptr()) };
    if gone == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
