//! What a directory target asks of Linux beyond std.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Advice, CWD, RenameFlags};
use rustix::io::Errno;

use super::Space;

/// What stands between names when a path is shown.
pub(super) const SEPARATOR: char = '/';

/// `statfs`'s `f_type` for FAT12, FAT16 and FAT32 (`MSDOS_SUPER_MAGIC`,
/// linux/magic.h). exFAT has a number of its own.
const MSDOS_SUPER_MAGIC: u64 = 0x4D44;

/// The path to use for `path`: as it is.
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

/// Renames; fails when `to` is there.
pub(super) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Not every file system knows the flag (ntfs-3g, NFS, CIFS do not):
        // look first, which is as good while one program uses the folder.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            if to.symlink_metadata().is_ok() {
                return Err(Errno::EXIST.into());
            }
            std::fs::rename(from, to)
        }
        other => Ok(other?),
    }
}

/// Brings a folder's entries to the medium. File systems that cannot say so.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    match rustix::fs::fsync(&File::open(folder)?) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::BADF) => Ok(()),
        other => Ok(other?),
    }
}

/// Lets go of what the system keeps of a flushed file in memory, so that
/// reading it back asks the medium. Best effort.
pub(super) fn drop_cache(file: &File, _path: &Path) {
    let _ = rustix::fs::fadvise(file, 0, None, Advice::DontNeed);
}

/// Room for this user where `folder` is.
pub(super) fn space(folder: &Path) -> io::Result<Option<Space>> {
    let stat = rustix::fs::statvfs(folder)?;
    if stat.f_blocks == 0 {
        return Ok(None); // some FUSE file systems do not say
    }
    Ok(Some(Space {
        free: stat.f_bavail.saturating_mul(stat.f_frsize),
        total: stat.f_blocks.saturating_mul(stat.f_frsize),
    }))
}

/// The largest file that can be where `folder` is, in bytes.
pub(super) fn max_file_size(folder: &Path) -> io::Result<u64> {
    Ok(limit_of(rustix::fs::statfs(folder)?.f_type))
}

/// FAT keeps a file's size in 32 bits (MS-FATGEN, `DIR_FileSize`).
fn limit_of(file_system: rustix::fs::FsWord) -> u64 {
    if u64::try_from(file_system) == Ok(MSDOS_SUPER_MAGIC) { u64::from(u32::MAX) } else { u64::MAX }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fat_holds_less_than_four_gigabytes() {
        assert_eq!(limit_of(0x4D44), (4 << 30) - 1);
        for (name, f_type) in [("exFAT", 0x2011_BAB0), ("ext4", 0xEF53), ("tmpfs", 0x0102_1994)] {
            assert_eq!(limit_of(f_type), u64::MAX, "{name}");
        }
    }
}
