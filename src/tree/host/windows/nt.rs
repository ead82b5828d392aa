//! Files by handle and name, as NT itself opens them.
//!
//! `NtCreateFile` takes a folder's handle and one name, exactly as written: no
//! drive letters, no device names, no `..`, no trailing dots cut off, no limit
//! to depth, and never through a link. Win32 has no such call.
#![allow(unsafe_code)] // calls of ntdll and kernel32

use std::fs::OpenOptions;
use std::io;
use std::mem::size_of;
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::path::{Path, PathBuf};
use std::ptr::{null, null_mut};

use windows_sys::Wdk::Foundation::OBJECT_ATTRIBUTES;
use windows_sys::Wdk::Storage::FileSystem as wdk;
use windows_sys::Win32::Foundation as status;
use windows_sys::Win32::Foundation::{ERROR_FILENAME_EXCED_RANGE, HANDLE, UNICODE_STRING};
use windows_sys::Win32::Storage::FileSystem as fs;
use windows_sys::Win32::System::IO::IO_STATUS_BLOCK;

use super::info::{Aligned, check, win32};
use crate::model::bytes::{u32_at, u64_at, utf16};

/// What every handle here is opened with: calls wait for their end, backup
/// rights count, a link is opened itself.
const ALWAYS: u32 = wdk::FILE_SYNCHRONOUS_IO_NONALERT
    | wdk::FILE_OPEN_FOR_BACKUP_INTENT
    | wdk::FILE_OPEN_REPARSE_POINT;

/// Nobody is kept out while a handle is open.
const SHARE: u32 = fs::FILE_SHARE_READ | fs::FILE_SHARE_WRITE | fs::FILE_SHARE_DELETE;

/// How a name is opened.
#[derive(Clone, Copy)]
pub(crate) struct How {
    /// Access rights; reading attributes and waiting are always among them.
    pub(crate) access: u32,
    /// `FILE_OPEN`, `FILE_CREATE`, … of `ntifs.h`.
    pub(crate) disposition: u32,
    /// Further options of `NtCreateFile`.
    pub(crate) options: u32,
}

impl How {
    /// A folder that is there, to look into and to open names in.
    pub(crate) const FOLDER: Self = Self {
        access: fs::FILE_LIST_DIRECTORY | fs::FILE_TRAVERSE,
        disposition: wdk::FILE_OPEN,
        options: wdk::FILE_DIRECTORY_FILE,
    };

    /// Whatever is there, to look at.
    pub(crate) const LOOK: Self = Self { access: 0, disposition: wdk::FILE_OPEN, options: 0 };

    /// A file that is there, to read; never fetched from a cloud or a tape.
    pub(crate) const READ: Self = Self {
        access: fs::FILE_READ_DATA,
        disposition: wdk::FILE_OPEN,
        options: wdk::FILE_NON_DIRECTORY_FILE
            | wdk::FILE_OPEN_NO_RECALL
            | wdk::FILE_SEQUENTIAL_ONLY,
    };

    /// The same, past the system's cache, in whole sectors: "all reads are guaranteed to
    /// come from the file and not from any system buffer" (KB 99794; File Buffering).
    pub(crate) const READ_MEDIUM: Self = Self {
        access: fs::FILE_READ_DATA,
        disposition: wdk::FILE_OPEN,
        options: wdk::FILE_NON_DIRECTORY_FILE
            | wdk::FILE_OPEN_NO_RECALL
            | wdk::FILE_NO_INTERMEDIATE_BUFFERING,
    };
}

/// Opens a folder that the user named. Links on the way are followed, since the
/// user named them.
pub(crate) fn open_root(path: &Path) -> io::Result<OwnedHandle> {
    let file = OpenOptions::new()
        .access_mode(fs::FILE_LIST_DIRECTORY | fs::FILE_TRAVERSE | fs::SYNCHRONIZE)
        .share_mode(SHARE)
        .custom_flags(fs::FILE_FLAG_BACKUP_SEMANTICS)
        .open(whole_drive(path))?;
    if !file.metadata()?.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    Ok(file.into())
}

/// A path as people write it, without the prefix that keeps Windows from
/// changing it.
pub(crate) fn shown(path: &Path) -> String {
    let text = path.display().to_string();
    if let Some(share) = text.strip_prefix(r"\\?\UNC\") {
        return format!(r"\\{share}");
    }
    match text.strip_prefix(r"\\?\") {
        Some(rest) if rest.as_bytes().get(1) == Some(&b':') => rest.to_owned(),
        _ => text,
    }
}

/// `C:` alone is wherever the shell stands on that drive; here it is the drive.
pub(crate) fn whole_drive(path: &Path) -> PathBuf {
    match path.to_str().map(str::as_bytes) {
        Some([letter, b':']) if letter.is_ascii_alphabetic() => {
            PathBuf::from(format!("{}:\\", char::from(*letter)))
        }
        _ => path.to_owned(),
    }
}

/// Opens a name in an open folder; no name: the folder once more.
pub(crate) fn open_at(parent: &OwnedHandle, name: &[u16], how: How) -> io::Result<OwnedHandle> {
    open_with_options(parent, name, how, ALWAYS)
}

/// Like [`open_at`], but lets a filter driver (deduplication) give the data of
/// a file with reparse data. Only for tags that are no links.
pub(crate) fn open_through(
    parent: &OwnedHandle,
    name: &[u16],
    how: How,
) -> io::Result<OwnedHandle> {
    open_with_options(parent, name, how, ALWAYS & !wdk::FILE_OPEN_REPARSE_POINT)
}

fn open_with_options(
    parent: &OwnedHandle,
    name: &[u16],
    how: How,
    options: u32,
) -> io::Result<OwnedHandle> {
    let Ok(bytes) = u16::try_from(name.len() * 2) else {
        return Err(win32(ERROR_FILENAME_EXCED_RANGE));
    };
    let name =
        UNICODE_STRING { Length: bytes, MaximumLength: bytes, Buffer: name.as_ptr().cast_mut() };
    let object = OBJECT_ATTRIBUTES {
        Length: length_of::<OBJECT_ATTRIBUTES>(),
        RootDirectory: parent.as_raw_handle(),
        ObjectName: &raw const name,
        Attributes: 0,
        SecurityDescriptor: null(),
        SecurityQualityOfService: null(),
    };
    let mut handle: HANDLE = null_mut();
    let mut io = IO_STATUS_BLOCK::default();
    // SAFETY: all pointers are to live values of the types that the call wants;
    // it only reads the name and the attributes.
    let result = unsafe {
        wdk::NtCreateFile(
            &raw mut handle,
            how.access | fs::FILE_READ_ATTRIBUTES | fs::SYNCHRONIZE,
            &raw const object,
            &raw mut io,
            null(),
            fs::FILE_ATTRIBUTE_NORMAL,
            SHARE,
            how.disposition,
            how.options | options,
            null(),
            0,
        )
    };
    check(result)?;
    // SAFETY: the call succeeded, so the handle is open and ours alone.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}

/// A name in a folder, as a listing tells it.
pub(crate) struct Listed {
    /// Its UTF-16 units.
    pub(crate) name: Vec<u16>,
    /// MS-FSCC 2.6.
    pub(crate) attributes: u32,
    /// The volume's number of the file; `None` where it has none to give.
    pub(crate) id: Option<u64>,
}

/// The names in a folder, but for `.` and `..`. The handle must be fresh: a
/// listing goes on where the last one on the same handle stopped.
pub(crate) fn list(folder: &OwnedHandle, each: &mut dyn FnMut(Listed) -> bool) -> io::Result<()> {
    let mut buffer = Aligned::new(64 << 10);
    let mut class = wdk::FileIdBothDirectoryInformation;
    let mut is_first = true;
    loop {
        let mut io = IO_STATUS_BLOCK::default();
        // SAFETY: the buffer is as long as said and aligned to 8 bytes; the
        // handle waits, so nothing is written after the call has returned.
        let result = unsafe {
            wdk::NtQueryDirectoryFile(
                folder.as_raw_handle(),
                null_mut(),
                None,
                null(),
                &raw mut io,
                buffer.as_mut_ptr(),
                buffer.length(),
                class,
                false,
                null(),
                is_first,
            )
        };
        match result {
            status::STATUS_NO_MORE_FILES | status::STATUS_NO_SUCH_FILE => return Ok(()),
            status::STATUS_INVALID_INFO_CLASS
            | status::STATUS_INVALID_PARAMETER
            | status::STATUS_NOT_SUPPORTED
            | status::STATUS_NOT_IMPLEMENTED
                if is_first && class == wdk::FileIdBothDirectoryInformation =>
            {
                class = wdk::FileBothDirectoryInformation; // a server without file ids
                continue;
            }
            other => check(other)?,
        }
        is_first = false;
        let has_ids = class == wdk::FileIdBothDirectoryInformation;
        let bytes = buffer.bytes(io.Information);
        if bytes.is_empty() {
            return Ok(());
        }
        let mut at = 0;
        while let Some((entry, next)) = listed(bytes.get(at..).unwrap_or_default(), has_ids) {
            let is_dot = matches!(entry.name.as_slice(), [0x2E] | [0x2E, 0x2E]);
            if !is_dot && !each(entry) {
                return Ok(());
            }
            if next == 0 {
                break;
            }
            at += next;
        }
    }
}

/// One entry of `FILE_ID_BOTH_DIR_INFORMATION` (MS-FSCC 2.4.17), or of
/// `FILE_BOTH_DIR_INFORMATION` (2.4.8), and how far the next one is.
fn listed(entry: &[u8], has_id: bool) -> Option<(Listed, usize)> {
    let name_at = if has_id { 104 } else { 94 };
    let name = entry.get(name_at..)?.get(..u32_at(entry, 60)? as usize)?;
    let id = if has_id { u64_at(entry, 96) } else { None };
    let listed = Listed {
        name: utf16(name),
        attributes: u32_at(entry, 56)?,
        id: id.filter(|id| *id != 0 && *id != u64::MAX),
    };
    Some((listed, u32_at(entry, 0)? as usize))
}

/// What Windows tells of the volume of an open file.
pub(crate) struct Volume {
    pub(crate) label: String,
    pub(crate) file_system: String,
    /// `FILE_NAMED_STREAMS` and its like (MS-FSCC 2.5.1).
    pub(crate) flags: u32,
}

/// The volume of an open file.
pub(crate) fn volume(file: &OwnedHandle) -> io::Result<Volume> {
    let (mut label, mut file_system) = ([0u16; 261], [0u16; 261]);
    let mut flags = 0;
    // SAFETY: both texts are as long as said, in units; the serial number and
    // the longest name are not asked for.
    let result = unsafe {
        fs::GetVolumeInformationByHandleW(
            file.as_raw_handle(),
            label.as_mut_ptr(),
            261,
            null_mut(),
            null_mut(),
            &raw mut flags,
            file_system.as_mut_ptr(),
            261,
        )
    };
    if result == 0 {
        return Err(io::Error::last_os_error());
    }
    let text = |units: &[u16]| {
        let end = units.iter().position(|u| *u == 0).unwrap_or(units.len());
        String::from_utf16_lossy(&units[..end])
    };
    Ok(Volume { label: text(&label), file_system: text(&file_system), flags })
}

/// The path of an open file for the few calls that take only paths, by volume
/// GUID, ending in NUL.
pub(crate) fn final_path(file: &OwnedHandle) -> io::Result<Vec<u16>> {
    path_by(file, fs::VOLUME_NAME_GUID | fs::FILE_NAME_NORMALIZED)
}

/// The same by drive letter (`\\?\C:\…`) or share (`\\?\UNC\…`), where the
/// volume has one.
pub(crate) fn drive_path(file: &OwnedHandle) -> io::Result<Vec<u16>> {
    path_by(file, fs::VOLUME_NAME_DOS | fs::FILE_NAME_NORMALIZED)
}

fn path_by(file: &OwnedHandle, form: fs::GETFINALPATHNAMEBYHANDLE_FLAGS) -> io::Result<Vec<u16>> {
    let mut path = vec![0u16; 1024];
    loop {
        let room = u32::try_from(path.len()).unwrap_or(u32::MAX);
        // SAFETY: the text has room for as many units as said.
        let got = unsafe {
            fs::GetFinalPathNameByHandleW(file.as_raw_handle(), path.as_mut_ptr(), room, form)
        };
        match got as usize {
            0 => return Err(io::Error::last_os_error()),
            got if got < path.len() => {
                path.truncate(got + 1);
                return Ok(path);
            }
            needed if needed <= 40_000 => path.resize(needed + 1, 0),
            _ => return Err(win32(ERROR_FILENAME_EXCED_RANGE)),
        }
    }
}

/// Bytes that this user may still write below a folder.
pub(crate) fn free_bytes(path: &Path) -> Option<u64> {
    use std::os::windows::ffi::OsStrExt;
    // A UNC name must end in a backslash (GetDiskFreeSpaceExW).
    let path: Vec<u16> = path.join("").as_os_str().encode_wide().chain([0]).collect();
    let mut free = 0;
    // SAFETY: the path ends in NUL; the other numbers are not asked for.
    let result =
        unsafe { fs::GetDiskFreeSpaceExW(path.as_ptr(), &raw mut free, null_mut(), null_mut()) };
    (result != 0).then_some(free)
}

/// Has everything that was written to a file's volume put on the medium. Takes
/// an administrator.
pub(crate) fn flush_volume(file: &OwnedHandle) -> io::Result<()> {
    use std::os::windows::ffi::OsStringExt;
    let path = final_path(file)?;
    // `\\?\Volume{…}`, which without the backslash behind it is the volume itself.
    let backslash = u16::from(b'\\');
    let mut ends = path.iter().enumerate().filter(|(_, u)| **u == backslash).map(|(i, _)| i);
    let end = ends.nth(3).ok_or(io::ErrorKind::Unsupported)?;
    let volume = std::ffi::OsString::from_wide(&path[..end]);
    let volume =
        OpenOptions::new().access_mode(fs::FILE_WRITE_DATA).share_mode(SHARE).open(volume)?;
    volume.sync_all()
}

fn length_of<T>() -> u32 {
    u32::try_from(size_of::<T>()).unwrap_or(0)
}
