//! Linux calls for a directory destination that std does not have.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Advice, CWD, OFlags, RenameFlags};
use rustix::io::Errno;

use super::Space;
use crate::tree::host::linux::upper_of_overlay;

/// The separator between names in a path that is shown.
pub(super) const SEPARATOR: char = '/';

/// `statfs`'s `f_type` for FAT12, FAT16 and FAT32 (`MSDOS_SUPER_MAGIC`,
/// linux/magic.h). exFAT has a different number.
const MSDOS_SUPER_MAGIC: u64 = 0x4D44;

/// `tmpfs` (linux/magic.h, as the following).
const TMPFS_MAGIC: u64 = 0x0102_1994;
const RAMFS_MAGIC: u64 = 0x8584_58F6;
const OVERLAYFS_SUPER_MAGIC: u64 = 0x794C_7630;

/// The path to use for `path`: unchanged.
pub(super) fn usable(path: &Path) -> io::Result<PathBuf> {
    std::path::absolute(path)
}

/// Writes all of `data` at `offset`.
pub(super) fn write_all_at(file: &File, data: &[u8], offset: u64) -> io::Result<()> {
    file.write_all_at(data, offset)
}

/// Reads what there is at `offset`, at most `buf.len()` bytes.
pub(super) fn read_at(file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    file.read_at(buf, offset)
}

/// The error of opening a link that must not be followed (open(2), `O_NOFOLLOW`).
pub(super) const IS_LINK: i32 = Errno::LOOP.raw_os_error();

/// Opens no symbolic link, and does not wait for the other end of a pipe.
pub(super) fn follow_no_link(options: &mut OpenOptions) {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    options.custom_flags(i32::try_from(flags.bits()).unwrap_or(0));
}

/// Opening a named pipe waits for its other end, for ever if there is none (open(2), `O_NONBLOCK`).
pub(super) fn do_not_wait(options: &mut OpenOptions) {
    options.custom_flags(i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or(0));
}

/// Whether it is a named pipe.
pub(super) fn is_pipe(meta: &Metadata) -> bool {
    meta.file_type().is_fifo()
}

/// Whether it is a symbolic link.
pub(super) fn is_link(meta: &Metadata) -> bool {
    meta.file_type().is_symlink()
}

/// Only Windows has such files.
pub(super) fn is_to_be_followed(_meta: &Metadata) -> bool {
    false
}

/// Whether the file has hard links elsewhere.
pub(super) fn has_other_names(meta: &Metadata) -> bool {
    meta.nlink() > 1
}

/// Renames; fails if `to` exists.
pub(super) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    rename(from, to)?;
    // On vfat, the new entry has no content until the renamed file or folder itself is flushed:
    // a power failure after that would leave it empty.
    sync_folder(to)
}

fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // ntfs-3g, NFS and CIFS lack this flag. A check before the rename is as good
        // while one program uses the folder.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            if to.symlink_metadata().is_ok() {
                return Err(Errno::EXIST.into());
            }
            std::fs::rename(from, to)
        }
        other => Ok(other?),
    }
}

/// Flushes a folder's entries to the medium. Some file systems cannot report it.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    // A folder may take files and not show what is in it; SMB clients have all kinds of errors for
    // "not supported". The set's files are looked at by their names when it is complete.
    let flushed = match File::open(folder) {
        Ok(folder) => rustix::fs::fsync(&folder),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(()),
        Err(error) => return Err(error),
    };
    match flushed {
        Err(error) if is_unsupported(error) => Ok(()),
        Err(Errno::BADF | Errno::NOENT | Errno::ACCESS | Errno::PERM | Errno::ISDIR) => Ok(()),
        other => Ok(other?),
    }
}

/// Flushes a file to the medium. Some file systems cannot do it.
pub(super) fn sync_file(file: &File) -> io::Result<()> {
    match rustix::fs::fsync(file) {
        Err(error) if is_unsupported(error) => Ok(()),
        other => Ok(other?),
    }
}

fn is_unsupported(error: Errno) -> bool {
    matches!(error, Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP)
}

/// On Linux, [`drop_cache`] does it through the open file.
pub(super) fn drop_closed(_path: &Path) {}

/// Drops a flushed file from the system's cache, so that reading it back reads
/// the medium. Best effort.
pub(super) fn drop_cache(file: &File, _path: &Path) {
    let _ = rustix::fs::fadvise(file, 0, None, Advice::DontNeed);
}

/// Free space for this user at `folder`.
pub(super) fn space(folder: &Path) -> io::Result<Option<Space>> {
    let stat = rustix::fs::statvfs(folder)?;
    if stat.f_blocks == 0 {
        return Ok(None); // some FUSE file systems do not report it
    }
    Ok(Some(Space {
        free: stat.f_bavail.saturating_mul(stat.f_frsize),
        total: stat.f_blocks.saturating_mul(stat.f_frsize),
    }))
}

/// The number of the device that `folder` is on, by which one mount is told from another (stat(2),
/// `st_dev`).
pub(super) fn device(folder: &Path) -> io::Result<u64> {
    Ok(std::fs::metadata(folder)?.dev())
}

/// The largest possible file at `folder`, in bytes.
pub(super) fn max_file_size(folder: &Path) -> io::Result<u64> {
    Ok(limit_of(rustix::fs::statfs(folder)?.f_type))
}

/// Whether a folder is on a server: on a mounted share or NFS export (statfs(2); `SMB2` is what
/// Linux' cifs reports since 4.18).
pub(super) fn is_remote(folder: &Path) -> bool {
    const SMB2: u64 = 0xFE53_4D42;
    const CIFS: u64 = 0xFF53_4D42;
    const NFS: u64 = 0x6969;
    let kind = rustix::fs::statfs(folder).ok().and_then(|stat| u64::try_from(stat.f_type).ok());
    // The number is signed on some processors.
    kind.is_some_and(|kind| [SMB2, CIFS, NFS].contains(&(kind & 0xFFFF_FFFF)))
}

/// Opens a file to read it. A flush has dropped it from the system's cache ([`drop_cache`]).
pub(super) fn open_past_cache(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// Whether a folder is in memory: on `tmpfs` or `ramfs`, or on an `overlayfs` whose changes go
/// there, as those of a live system do. What cannot be told is not.
pub(super) fn is_in_memory(folder: &Path) -> bool {
    let kind =
        |path: &Path| rustix::fs::statfs(path).ok().and_then(|s| u64::try_from(s.f_type).ok());
    let is_memory = |kind: Option<u64>| matches!(kind, Some(TMPFS_MAGIC | RAMFS_MAGIC));
    match kind(folder) {
        Some(OVERLAYFS_SUPER_MAGIC) => {
            let upper = upper_of_overlay(folder);
            upper.is_some_and(|upper| is_memory(kind(&upper)))
        }
        kind => is_memory(kind),
    }
}

/// FAT keeps a file's size in 32 bits (MS-FATGEN, `DIR_FileSize`).
fn limit_of(file_system: rustix::fs::FsWord) -> u64 {
    if u64::try_from(file_system) == Ok(MSDOS_SUPER_MAGIC) { u64::from(u32::MAX) } else { u64::MAX }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_told_from_disks() {
        assert!(is_in_memory(Path::new("/dev/shm")));
        assert!(!is_in_memory(Path::new("/proc")));
        assert!(!is_in_memory(Path::new("/no such folder")));
    }

    #[test]
    fn a_mount_is_told_from_what_is_below_it() {
        let of = |path: &str| device(Path::new(path)).unwrap();
        assert_eq!(of("/proc"), of("/proc/self"));
        assert_ne!(of("/proc"), of("/"));
    }

    #[test]
    fn fat_holds_less_than_four_gigabytes() {
        assert_eq!(limit_of(0x4D44), (4 << 30) - 1);
        for (name, f_type) in [("exFAT", 0x2011_BAB0), ("ext4", 0xEF53), ("tmpfs", 0x0102_1994)] {
            assert_eq!(limit_of(f_type), u64::MAX, "{name}");
        }
    }
}
