//! Windows calls for a directory destination that std does not have.
#![allow(unsafe_code)] // a platform file: Win32 calls that std does not have

mod logon;

pub(super) use logon::Logon;

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::windows::ffi::OsStrExt;
use std::os::windows::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf, Prefix};

use windows_sys::Win32::Foundation::ERROR_SYMLINK_NOT_SUPPORTED;
use windows_sys::Win32::Storage::FileSystem::{
    FILE_ATTRIBUTE_REPARSE_POINT, FILE_FLAG_NO_BUFFERING, FILE_FLAG_OPEN_REPARSE_POINT,
    GetDiskFreeSpaceExW, GetDriveTypeW, GetVolumeInformationW, GetVolumePathNameW,
    MOVEFILE_WRITE_THROUGH, MoveFileExW,
};

use super::Space;
use crate::disk::is_windows_pe;

/// `GetDriveTypeW`: the drive is a RAM disk (winbase.h).
const DRIVE_REMOTE: u32 = 4;
const DRIVE_RAMDISK: u32 = 6;

/// The separator between names in a path that is shown.
pub(super) const SEPARATOR: char = '\\';

/// `path` as an absolute verbatim path, `\\?\C:\…` or `\\?\UNC\server\share\…`:
/// Windows then accepts it unchanged, whatever its length.
pub(super) fn usable(path: &Path) -> io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    let mut components = path.components();
    let Some(Component::Prefix(prefix)) = components.next() else { return Ok(path) };
    let mut verbatim = match prefix.kind() {
        Prefix::Disk(letter) => format!(r"\\?\{}:", char::from(letter)).into(),
        Prefix::UNC(server, share) => {
            let mut start = std::ffi::OsString::from(r"\\?\UNC\");
            start.push(server);
            start.push(r"\");
            start.push(share);
            start
        }
        _ => return Ok(path), // verbatim already, or a device
    };
    verbatim.push(r"\");
    let mut usable = PathBuf::from(verbatim);
    usable.extend(components.filter(|part| !matches!(part, Component::RootDir)));
    Ok(usable)
}

/// Writes all of `data` at `offset`.
pub(super) fn write_all_at(file: &File, mut data: &[u8], mut offset: u64) -> io::Result<()> {
    while !data.is_empty() {
        let written = file.seek_write(data, offset)?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        data = data.get(written..).unwrap_or_default();
        offset = offset.saturating_add(written as u64);
    }
    Ok(())
}

/// Reads what there is at `offset`, at most `buf.len()` bytes.
pub(super) fn read_at(file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    file.seek_read(buf, offset)
}

/// The error of opening a link that must not be followed.
#[allow(clippy::cast_possible_wrap)] // error codes are small
pub(super) const IS_LINK: i32 = ERROR_SYMLINK_NOT_SUPPORTED as i32;

/// Opens links and junctions themselves.
pub(super) fn follow_no_link(options: &mut OpenOptions) {
    options.custom_flags(FILE_FLAG_OPEN_REPARSE_POINT);
}

/// Windows has no named pipes in folders.
pub(super) fn is_pipe(_meta: &Metadata) -> bool {
    false
}

/// So nothing is waited for.
pub(super) fn do_not_wait(_options: &mut OpenOptions) {}

/// Whether it is a link or a junction: std asks for a tag that stands for another name.
pub(super) fn is_link(meta: &Metadata) -> bool {
    meta.file_type().is_symlink()
}

/// Whether it has reparse data of another kind (deduplication), so that its own bytes are only
/// seen when it is followed.
pub(super) fn is_to_be_followed(meta: &Metadata) -> bool {
    meta.file_attributes() & FILE_ATTRIBUTE_REPARSE_POINT != 0 && !is_link(meta)
}

/// Whether the file has hard links elsewhere: std does not say.
pub(super) fn has_other_names(_meta: &Metadata) -> bool {
    false
}

/// Renames; fails if `to` exists. Returns once the rename is on the medium.
pub(super) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    let (from, to) = (wide(from), wide(to));
    // SAFETY: both are NUL-terminated and outlive the call.
    let done = unsafe { MoveFileExW(from.as_ptr(), to.as_ptr(), MOVEFILE_WRITE_THROUGH) };
    checked(done)
}

/// Flushes a file to the medium.
pub(super) fn sync_file(file: &File) -> io::Result<()> {
    file.sync_all()
}

/// NTFS journals its folders, and flushing a file flushes its names, so this does
/// nothing on Windows.
#[allow(clippy::unnecessary_wraps)] // it can fail on Linux
pub(super) fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}

/// Nothing can be dropped while a file is open: see [`drop_closed`].
pub(super) fn drop_cache(_file: &File, _path: &Path) {}

/// Drops a flushed and closed file from the system's cache, so that reading it back
/// reads the medium: NTFS and FAT flush and purge a file's cache when it is opened
/// without buffering, if no handle with buffering is open (File Buffering, in the
/// documents of Win32; `FatOpenExistingFcb` in Microsoft's sample fastfat). A
/// counterfeit stick is found only by what is on it. Best effort.
pub(super) fn drop_closed(path: &Path) {
    let _ = std::fs::OpenOptions::new().read(true).custom_flags(FILE_FLAG_NO_BUFFERING).open(path);
}

/// Free space for this user at `folder`.
pub(super) fn space(folder: &Path) -> io::Result<Option<Space>> {
    let (mut free, mut total) = (0, 0);
    let folder = wide(&with_end(folder));
    // SAFETY: `folder` is NUL-terminated; the numbers outlive the call; the
    // third number may be left out.
    let done = unsafe {
        GetDiskFreeSpaceExW(folder.as_ptr(), &raw mut free, &raw mut total, std::ptr::null_mut())
    };
    checked(done)?;
    Ok(Some(Space { free, total }))
}

/// The serial number of the volume that `folder` is on, which formatting gives it: another disk
/// with the same letter has another one.
pub(super) fn device(folder: &Path) -> io::Result<u64> {
    let root = volume_root(folder)?;
    let mut serial = 0;
    // SAFETY: `root` is NUL-terminated; `serial` outlives the call; the rest may be left out.
    checked(unsafe {
        GetVolumeInformationW(
            root.as_ptr(),
            std::ptr::null_mut(),
            0,
            &raw mut serial,
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            0,
        )
    })?;
    Ok(u64::from(serial))
}

/// The root of the volume that `folder` is on, NUL-terminated.
fn volume_root(folder: &Path) -> io::Result<Vec<u16>> {
    let folder = wide(&with_end(folder));
    let mut root = vec![0_u16; folder.len().saturating_add(4)];
    let units = u32::try_from(root.len()).unwrap_or(u32::MAX);
    // SAFETY: `folder` is NUL-terminated; `root` has `units` units.
    checked(unsafe { GetVolumePathNameW(folder.as_ptr(), root.as_mut_ptr(), units) })?;
    Ok(root)
}

/// The largest possible file at `folder`, in bytes. A share reports the server's
/// file system.
pub(super) fn max_file_size(folder: &Path) -> io::Result<u64> {
    let root = volume_root(folder)?;
    let mut name = [0_u16; 64];
    // SAFETY: `root` is NUL-terminated by the call before; `name` has 64 units;
    // the rest may be left out.
    checked(unsafe {
        GetVolumeInformationW(
            root.as_ptr(),
            std::ptr::null_mut(),
            0,
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            name.as_mut_ptr(),
            64,
        )
    })?;
    let end = name.iter().position(|unit| *unit == 0).unwrap_or(name.len());
    Ok(limit_of(&String::from_utf16_lossy(&name[..end])))
}

/// Whether a folder is in memory: on a RAM disk, or on the drive of a running WinPE, whose changes
/// are in memory however it was started (Microsoft, "Windows PE: scratch space"). The drive of WinPE
/// need not say that it is a RAM disk.
pub(super) fn is_in_memory(folder: &Path) -> bool {
    let Some(Component::Prefix(prefix)) = folder.components().next() else { return false };
    let (Prefix::Disk(letter) | Prefix::VerbatimDisk(letter)) = prefix.kind() else { return false };
    let letter = char::from(letter);
    let root = wide(Path::new(&format!(r"{letter}:\")));
    // SAFETY: `root` is NUL-terminated and outlives the call.
    if unsafe { GetDriveTypeW(root.as_ptr()) } == DRIVE_RAMDISK {
        return true;
    }
    let system = std::env::var("SystemDrive").unwrap_or_default();
    let is_system = system.chars().next().is_some_and(|own| own.eq_ignore_ascii_case(&letter));
    let root = std::env::var_os("SystemRoot").unwrap_or_default();
    is_system && is_windows_pe(Path::new(&root))
}

/// Whether a folder is on a server: a UNC path, or a drive letter that stands for a share
/// (`GetDriveTypeW`).
pub(super) fn is_remote(folder: &Path) -> bool {
    let Some(Component::Prefix(prefix)) = folder.components().next() else { return false };
    match prefix.kind() {
        Prefix::UNC(..) | Prefix::VerbatimUNC(..) => true,
        Prefix::Disk(letter) | Prefix::VerbatimDisk(letter) => {
            let root = wide(Path::new(&format!(r"{}:\", char::from(letter))));
            // SAFETY: `root` is NUL-terminated and outlives the call.
            unsafe { GetDriveTypeW(root.as_ptr()) == DRIVE_REMOTE }
        }
        _ => false,
    }
}

/// Opens a file to read it from the server and not from this PC's cache. Offsets, lengths and
/// buffers must then be of whole sectors (Microsoft, "File Buffering").
pub(super) fn open_past_cache(path: &Path) -> io::Result<File> {
    std::fs::OpenOptions::new().read(true).custom_flags(FILE_FLAG_NO_BUFFERING).open(path)
}

/// FAT keeps a file's size in 32 bits (MS-FATGEN, `DIR_FileSize`).
fn limit_of(file_system: &str) -> u64 {
    match file_system {
        "FAT" | "FAT12" | "FAT16" | "FAT32" => u64::from(u32::MAX),
        _ => u64::MAX,
    }
}

/// With the trailing `\` that the volume calls require.
fn with_end(folder: &Path) -> PathBuf {
    folder.join("")
}

/// NUL-terminated, for Win32.
fn wide(path: &Path) -> Vec<u16> {
    path.as_os_str().encode_wide().chain([0]).collect()
}

/// The last error, if the call failed.
fn checked(done: windows_sys::core::BOOL) -> io::Result<()> {
    if done == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_verbatim() {
        for (given, verbatim) in [
            (r"C:\a\b", r"\\?\C:\a\b"),
            (r"C:\", r"\\?\C:\"),
            (r"C:/a/b", r"\\?\C:\a\b"),
            (r"\\server\share", r"\\?\UNC\server\share\"),
            (r"\\server\share\dir", r"\\?\UNC\server\share\dir"),
            (r"\\?\C:\a", r"\\?\C:\a"),
            (r"\\?\UNC\server\share\a", r"\\?\UNC\server\share\a"),
        ] {
            assert_eq!(usable(Path::new(given)).unwrap(), Path::new(verbatim), "{given}");
        }
    }

    #[test]
    fn fat_holds_less_than_four_gigabytes() {
        assert_eq!(limit_of("FAT32"), (4 << 30) - 1);
        assert_eq!(limit_of("exFAT"), u64::MAX);
        assert_eq!(limit_of("NTFS"), u64::MAX);
    }
}
