//! A file as a device: a raw image, or the ground that a container stands on.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::disk::{Device, DiskError};

/// A file opened for reading. Reads are positional, so that threads share it
/// without waiting for each other.
#[derive(Debug)]
pub struct FileDevice {
    file: File,
    len: u64,
    sector_size: u32,
    path: PathBuf,
    /// A block device, which may be unplugged.
    #[cfg(target_os = "linux")]
    is_block: bool,
}

impl FileDevice {
    /// Opens the regular file at `path`.
    pub fn open(path: &Path) -> Result<Self, DiskError> {
        let refused = |error| DiskError::from_open(path, error);
        // Before opening: opening a pipe would wait for its other end.
        let metadata = std::fs::metadata(path).map_err(refused)?;
        if metadata.is_dir() {
            return Err(DiskError::IsDirectory { path: path.to_owned() });
        }
        if !metadata.is_file() {
            return Err(DiskError::NotAnImage {
                path: path.to_owned(),
                why: "it is neither a file nor a disk".to_owned(),
            });
        }
        let file = File::open(path).map_err(refused)?;
        let len = file.metadata().map_err(refused)?.len();
        if len == 0 {
            return Err(DiskError::Empty { path: path.to_owned() });
        }
        Ok(Self {
            file,
            len,
            sector_size: 512,
            path: path.to_owned(),
            #[cfg(target_os = "linux")]
            is_block: false,
        })
    }

    /// A file that is open already, of `len` bytes, read in pieces of
    /// `sector_size` by the hardware: a Linux block device.
    #[cfg(target_os = "linux")]
    pub(crate) fn from_parts(file: File, len: u64, sector_size: u32, path: PathBuf) -> Self {
        Self { file, len, sector_size, path, is_block: true }
    }

    /// A block device that was unplugged fails each read as a bad sector does, or
    /// seems to end: that it has become shorter, or that the kernel does not list
    /// it any more, tells it from both. `ENODEV` then.
    #[cfg(target_os = "linux")]
    fn or_gone(&self, error: io::Error) -> io::Error {
        use std::io::{Seek, SeekFrom};
        use std::os::unix::fs::{FileTypeExt, MetadataExt};
        if !self.is_block {
            return error;
        }
        // Nobody uses the cursor: reads are positional.
        let is_shorter = || (&self.file).seek(SeekFrom::End(0)).is_ok_and(|len| len < self.len);
        let is_unlisted = || {
            let Ok(meta) = self.file.metadata() else { return false };
            let (major, minor) = (rustix::fs::major(meta.rdev()), rustix::fs::minor(meta.rdev()));
            let listed = Path::new("/sys/dev/block");
            meta.file_type().is_block_device()
                && listed.is_dir()
                && !listed.join(format!("{major}:{minor}")).exists()
        };
        if is_shorter() || is_unlisted() { rustix::io::Errno::NODEV.into() } else { error }
    }

    #[cfg(not(target_os = "linux"))]
    #[allow(clippy::unused_self)] // on Linux it does something
    fn or_gone(&self, error: io::Error) -> io::Error {
        error
    }

    /// Where it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Device for FileDevice {
    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        read_exact_at(&self.file, offset, buf).map_err(|error| self.or_gone(error))
    }

    fn len(&self) -> u64 {
        self.len
    }

    fn sector_size(&self) -> u32 {
        self.sector_size
    }
}

#[cfg(unix)]
fn read_exact_at(file: &File, offset: u64, buf: &mut [u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buf, offset)
}

/// `seek_read` moves the file's cursor, which nobody uses here; each call
/// carries its own offset, so threads do not disturb each other.
#[cfg(windows)]
pub(crate) fn read_exact_at(file: &File, mut offset: u64, mut buf: &mut [u8]) -> io::Result<()> {
    use std::os::windows::fs::FileExt;
    while !buf.is_empty() {
        match file.seek_read(buf, offset) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => {
                buf = &mut buf[n..];
                offset += n as u64;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_land_where_they_are_asked_and_the_end_is_an_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk.raw");
        let bytes: Vec<u8> = (0..=255).cycle().take(5000).collect();
        std::fs::write(&path, &bytes).unwrap();
        let device = FileDevice::open(&path).unwrap();
        assert_eq!((device.len(), device.sector_size()), (5000, 512));
        let mut buf = [0; 700];
        device.read_exact_at(4300, &mut buf).unwrap();
        assert_eq!(buf[..], bytes[4300..]);
        let past = device.read_exact_at(4301, &mut buf).unwrap_err();
        assert_eq!(past.kind(), io::ErrorKind::UnexpectedEof);
        assert!(device.read_exact_at(u64::MAX, &mut buf).is_err());
    }

    /// What happens to a block device's size when it is unplugged.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_device_that_shrinks_is_gone_and_a_file_that_does_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk.raw");
        std::fs::write(&path, [7; 5000]).unwrap();
        let open = || File::open(&path).unwrap();
        let device = FileDevice::from_parts(open(), 5000, 512, path.clone());
        let image = FileDevice::open(&path).unwrap();
        device.read_exact_at(0, &mut [0; 512]).unwrap();
        let past = device.read_exact_at(4999, &mut [0; 2]).unwrap_err();
        assert!(!crate::disk::is_gone(&past), "only a read past the end: {past}");
        File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
        let error = device.read_exact_at(0, &mut [0; 512]).unwrap_err();
        assert!(crate::disk::is_gone(&error), "{error}");
        let error = image.read_exact_at(0, &mut [0; 512]).unwrap_err();
        assert!(!crate::disk::is_gone(&error), "{error}");
    }

    #[test]
    fn threads_read_one_file_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk.raw");
        let bytes: Vec<u8> = (0..1_000_000_u32).flat_map(u32::to_le_bytes).collect();
        std::fs::write(&path, &bytes).unwrap();
        let device = FileDevice::open(&path).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..8_u64 {
                let (device, bytes) = (&device, &bytes);
                scope.spawn(move || {
                    let mut buf = [0; 4096];
                    for turn in 0..500_u64 {
                        let offset = (turn * 7919 + thread * 104_729) % 3_990_000;
                        device.read_exact_at(offset, &mut buf).unwrap();
                        let at = usize::try_from(offset).unwrap();
                        assert_eq!(buf[..], bytes[at..at + 4096]);
                    }
                });
            }
        });
    }

    #[test]
    fn what_is_no_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let open = |path: &Path| FileDevice::open(path).unwrap_err();
        assert!(matches!(open(dir.path()), DiskError::IsDirectory { .. }));
        assert!(matches!(open(&dir.path().join("no.img")), DiskError::NotFound { .. }));
        let empty = dir.path().join("empty.img");
        std::fs::write(&empty, []).unwrap();
        assert!(matches!(open(&empty), DiskError::Empty { .. }));
    }
}
