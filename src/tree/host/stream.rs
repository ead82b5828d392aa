//! A file's bytes through the host, with what cannot be read filled with zeros.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::time::SystemTime;

#[cfg(any(windows, test))]
use crate::disk::Device;
#[cfg(any(windows, test))]
use crate::disk::aligned::{Aligned, SectorReader};
use crate::model::loss::Hole;
use crate::tree::{Stream, TreeError};

/// The smallest piece that is tried: hosts read whole pages of this size.
const SMALLEST: usize = 4096;

/// What a file that is open without buffering is read in: the largest sector there is.
#[cfg(any(windows, test))]
const SECTOR: u32 = 4096;

/// An open file.
pub(super) struct FileStream {
    file: File,
    /// The same, if it takes only whole sectors.
    #[cfg(any(windows, test))]
    in_sectors: Option<Aligned<Sectors>>,
    /// For messages.
    path: String,
    length: u64,
    /// Size and last write when it was opened.
    opened: (u64, Option<SystemTime>),
    at: u64,
    holes: Vec<Hole>,
    /// What the host says has data on the disk, at or after `at`: the rest need
    /// not be read to know that it is zeros.
    data: Range<u64>,
    /// A failure is enough to give up the rest.
    hasty: bool,
}

impl FileStream {
    pub(super) fn new(file: File, path: String) -> Result<Self, TreeError> {
        match file.metadata() {
            Ok(meta) => {
                let length = meta.len();
                let data = if is_sparse(&meta) { 0..0 } else { 0..length };
                Ok(Self {
                    file,
                    #[cfg(any(windows, test))]
                    in_sectors: None,
                    path,
                    length,
                    opened: state(&meta),
                    at: 0,
                    holes: Vec::new(),
                    data,
                    hasty: false,
                })
            }
            Err(error) => Err(TreeError::Host { path, error }),
        }
    }

    /// The file was opened without buffering: whole sectors are read.
    #[cfg(any(windows, test))]
    pub(super) fn in_sectors(mut self) -> Result<Self, TreeError> {
        let file = self.file.try_clone().map_err(|error| self.failed(error))?;
        let sectors = Sectors { file, length: self.length };
        self.in_sectors = Some(Aligned::new(sectors, self.length, SECTOR));
        Ok(self)
    }

    /// Drops what the system has in memory of the file, so that reading it reads the
    /// medium: only what was flushed is dropped. Best effort.
    #[cfg(unix)]
    pub(super) fn past_the_cache(self) -> Self {
        let _ = rustix::fs::fadvise(&self.file, 0, None, rustix::fs::Advice::DontNeed);
        self
    }

    /// Reads what there is at `self.at`, at most `buf.len()` bytes.
    fn read_here(&self, buf: &mut [u8]) -> io::Result<usize> {
        #[cfg(any(windows, test))]
        if let Some(device) = &self.in_sectors {
            return device.read_exact_at(self.at, buf).map(|()| buf.len());
        }
        read_at(&self.file, buf, self.at)
    }

    /// Reads into the whole of `buf`; leaves out what the host has no data for.
    fn fill(&mut self, buf: &mut [u8]) -> Result<(), TreeError> {
        let mut done = 0;
        while done < buf.len() {
            if self.at >= self.data.end {
                let next = next_data(&self.file, self.at, self.length);
                // Where the host does not tell, everything may be data.
                self.data = next.unwrap_or(self.at..self.length);
            }
            let is_data = self.at >= self.data.start;
            let until = if is_data { self.data.end } else { self.data.start };
            let left = usize::try_from(until - self.at).unwrap_or(usize::MAX);
            let n = left.min(buf.len() - done);
            let piece = &mut buf[done..done + n];
            if is_data {
                self.fill_with_data(piece)?;
            } else {
                piece.fill(0);
                self.at += n as u64;
            }
            done += n;
        }
        Ok(())
    }

    fn failed(&self, error: io::Error) -> TreeError {
        TreeError::Host { path: self.path.clone(), error }
    }

    /// Reads into the whole of `buf`, piece by piece where the medium fails.
    fn fill_with_data(&mut self, buf: &mut [u8]) -> Result<(), TreeError> {
        let mut done = 0;
        while done < buf.len() {
            match self.read_here(&mut buf[done..]) {
                Ok(0) => {
                    let text = format!("ends at byte {} of {}", self.at, self.length);
                    return Err(self.failed(io::Error::new(io::ErrorKind::UnexpectedEof, text)));
                }
                Ok(n) => {
                    done += n;
                    self.at += n as u64;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if self.hasty && is_medium_error(&e) => {
                    let lost = buf.len() - done;
                    buf[done..].fill(0);
                    self.add_hole(lost as u64, e.to_string());
                    self.at += lost as u64;
                    return Ok(());
                }
                Err(e) if is_medium_error(&e) => {
                    // To the next page border, so that good pages are whole.
                    let into_page = usize::try_from(self.at % SMALLEST as u64).unwrap_or(0);
                    let border = SMALLEST - into_page;
                    let piece = border.min(buf.len() - done);
                    self.small_piece(&mut buf[done..done + piece])?;
                    done += piece;
                }
                Err(e) => return Err(self.failed(e)),
            }
        }
        Ok(())
    }

    /// One page or less: its bytes, or zeros and a hole.
    fn small_piece(&mut self, piece: &mut [u8]) -> Result<(), TreeError> {
        let mut done = 0;
        while done < piece.len() {
            match self.read_here(&mut piece[done..]) {
                Ok(n) if n > 0 => {
                    done += n;
                    self.at += n as u64;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if !is_medium_error(&e) => return Err(self.failed(e)),
                // A medium error, or an end that should not be there yet.
                failure => {
                    let reason = match failure {
                        Err(e) => e.to_string(),
                        Ok(_) => "the host returned no bytes".to_owned(),
                    };
                    let lost = piece.len() - done;
                    piece[done..].fill(0);
                    self.add_hole(lost as u64, reason);
                    self.at += lost as u64;
                    done = piece.len();
                }
            }
        }
        Ok(())
    }

    fn add_hole(&mut self, length: u64, reason: String) {
        match self.holes.last_mut() {
            Some(last) if last.offset + last.length == self.at && last.reason == reason => {
                last.length += length;
            }
            _ => self.holes.push(Hole { offset: self.at, length, reason }),
        }
    }
}

impl Stream for FileStream {
    fn len(&self) -> u64 {
        self.length
    }

    fn read(&mut self, buf: &mut [u8]) -> Result<usize, TreeError> {
        let left = self.length - self.at.min(self.length);
        let want = usize::try_from(left).map_or(buf.len(), |left| left.min(buf.len()));
        self.fill(&mut buf[..want])?;
        Ok(want)
    }

    fn skip(&mut self, bytes: u64) -> Result<(), TreeError> {
        self.at = self.at.saturating_add(bytes).min(self.length);
        Ok(())
    }

    fn holes(&self) -> &[Hole] {
        &self.holes
    }

    fn was_written(&self) -> bool {
        self.file.metadata().is_ok_and(|meta| state(&meta) != self.opened)
    }

    fn set_fail_fast(&mut self, hasty: bool) {
        self.hasty = hasty;
    }
}

/// A file that takes only reads of whole sectors. Its last one is not whole: zeros
/// follow its end.
#[cfg(any(windows, test))]
struct Sectors {
    file: File,
    length: u64,
}

#[cfg(any(windows, test))]
impl SectorReader for Sectors {
    fn read_sectors(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let mut done = 0;
        while done < buf.len() {
            let n = read_at(&self.file, &mut buf[done..], offset + done as u64)?;
            done += n;
            // What is left would not begin at a sector.
            if n == 0 || !done.is_multiple_of(SECTOR as usize) {
                break;
            }
        }
        if offset + (done as u64) < self.length.min(offset + buf.len() as u64) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        buf[done..].fill(0);
        Ok(())
    }
}

/// A small stream that was read whole.
pub(super) struct BytesStream {
    bytes: Vec<u8>,
    at: usize,
}

impl BytesStream {
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, at: 0 }
    }
}

impl Stream for BytesStream {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read(&mut self, buf: &mut [u8]) -> Result<usize, TreeError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let n = rest.len().min(buf.len());
        buf[..n].copy_from_slice(&rest[..n]);
        self.at += n;
        Ok(n)
    }

    fn skip(&mut self, bytes: u64) -> Result<(), TreeError> {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        self.at = self.at.saturating_add(bytes).min(self.bytes.len());
        Ok(())
    }

    fn holes(&self) -> &[Hole] {
        &[]
    }
}

/// Whether the medium failed at this place only, so that the next may be good.
fn is_medium_error(error: &io::Error) -> bool {
    #[cfg(unix)]
    {
        use rustix::io::Errno;
        // ENODATA and EILSEQ are what the block layer makes of some sense codes.
        const BAD: [Errno; 4] = [Errno::IO, Errno::NODATA, Errno::ILSEQ, Errno::BADMSG];
        Errno::from_io_error(error).is_some_and(|e| BAD.contains(&e))
    }
    #[cfg(windows)]
    {
        use windows_sys::Win32::Foundation as w;
        const BAD: [u32; 8] = [
            // ReFS, where a file keeps checksums.
            w::ERROR_DATA_CHECKSUM_ERROR,
            w::ERROR_DEVICE_HARDWARE_ERROR,
            w::ERROR_CRC,
            w::ERROR_SECTOR_NOT_FOUND,
            w::ERROR_READ_FAULT,
            w::ERROR_IO_DEVICE,
            w::ERROR_DISK_CORRUPT,
            w::ERROR_FILE_CORRUPT,
        ];
        error.raw_os_error().is_some_and(|e| BAD.contains(&e.cast_unsigned()))
    }
}

/// What changes when a file is written.
fn state(meta: &std::fs::Metadata) -> (u64, Option<SystemTime>) {
    (meta.len(), meta.modified().ok())
}

/// Whether a file may have ranges without data.
#[cfg(unix)]
fn is_sparse(meta: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    meta.blocks().saturating_mul(512) < meta.len()
}

#[cfg(windows)]
fn is_sparse(meta: &std::fs::Metadata) -> bool {
    use std::os::windows::fs::MetadataExt;
    meta.file_attributes() & crate::model::metadata::attributes::SPARSE != 0
}

/// The next range with data at or after `at`; `length..length` if there is none,
/// `None` if the host does not tell. Never an empty range before `length`.
#[cfg(unix)]
fn next_data(file: &File, at: u64, length: u64) -> Option<Range<u64>> {
    use rustix::fs::{SeekFrom, seek};
    let start = match seek(file, SeekFrom::Data(at)) {
        Ok(start) => start,
        Err(rustix::io::Errno::NXIO) => return Some(length..length),
        Err(_) => return None,
    };
    let end = seek(file, SeekFrom::Hole(start)).ok()?.min(length);
    (start >= at && start < end).then_some(start..end)
}

#[cfg(windows)]
fn next_data(file: &File, at: u64, length: u64) -> Option<Range<u64>> {
    super::windows::info::next_allocated(file, at, length)
}

fn read_at(file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    #[cfg(unix)]
    return std::os::unix::fs::FileExt::read_at(file, buf, offset);
    #[cfg(windows)]
    return std::os::windows::fs::FileExt::seek_read(file, buf, offset);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn files_with_holes_are_read_as_they_are(
            pieces in prop::collection::vec((0..400_u64, 1..9000_usize, 1..=255_u8), 0..8),
            end in 0..40_000_u64,
            chunk in 1..70_000_usize,
            skip in 0..200_000_u64,
            in_sectors: bool,
        ) {
            let mut file = tempfile::tempfile().unwrap();
            let mut at = 0;
            for (gap, bytes, value) in pieces {
                at += gap * 1000;
                io::Seek::seek(&mut file, io::SeekFrom::Start(at)).unwrap();
                io::Write::write_all(&mut file, &vec![value; bytes]).unwrap();
                at += bytes as u64;
            }
            file.set_len(at + end).unwrap();
            let mut whole = vec![1; usize::try_from(at + end).unwrap()];
            let mut done = 0;
            while done < whole.len() {
                done += read_at(&file, &mut whole[done..], done as u64).unwrap();
            }
            let mut stream = FileStream::new(file, "a file".to_owned()).unwrap();
            if in_sectors {
                stream = stream.in_sectors().unwrap();
            }
            stream.skip(skip).unwrap();
            let from = whole.len().min(usize::try_from(skip).unwrap());
            let mut seen = Vec::new();
            let mut buffer = vec![2; chunk];
            loop {
                let n = stream.read(&mut buffer).unwrap();
                if n == 0 { break }
                seen.extend_from_slice(&buffer[..n]);
            }
            prop_assert!(seen == whole[from..], "{} bytes of {}", seen.len(), whole.len() - from);
            prop_assert!(stream.holes().is_empty());
        }
    }

    #[test]
    fn a_file_that_became_shorter_is_not_filled_with_zeros() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(10_000).unwrap();
        let mut stream = FileStream::new(file.try_clone().unwrap(), "a file".to_owned()).unwrap();
        stream.data = 0..10_000; // not known to be a hole
        let mut stream = stream.in_sectors().unwrap();
        file.set_len(5000).unwrap();
        assert!(stream.read(&mut vec![0; 10_000]).is_err());
    }

    /// On the file system of the build: one in memory has nowhere else to read from.
    #[cfg(target_os = "linux")]
    #[test]
    fn what_was_flushed_is_read_from_the_medium_again() {
        use rustix::io::{Errno, ReadWriteFlags, preadv2};
        let mut file = tempfile::tempfile_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        io::Write::write_all(&mut file, &vec![7; 300_000]).unwrap();
        file.sync_all().unwrap();
        // NOWAIT: only what is in memory.
        let in_memory = |file: &File| {
            let mut buf = [0; 4096];
            let buf = &mut [io::IoSliceMut::new(&mut buf)];
            preadv2(file, buf, 100_000 / 4096 * 4096, ReadWriteFlags::NOWAIT)
        };
        let is_on_a_disk = !matches!(
            rustix::fs::fstatfs(&file).map(|stat| stat.f_type),
            Ok(0x0102_1994 | 0x8584_58F6) // tmpfs, ramfs
        );
        if !is_on_a_disk || in_memory(&file).is_err() {
            return; // nothing can be told here
        }
        let stream = FileStream::new(file.try_clone().unwrap(), "a file".to_owned()).unwrap();
        let mut stream = stream.past_the_cache();
        assert_eq!(in_memory(&file), Err(Errno::AGAIN));
        let mut seen = vec![0; 300_000];
        assert_eq!(stream.read(&mut seen).unwrap(), 300_000);
        assert!(seen.iter().all(|byte| *byte == 7));
    }

    #[test]
    fn a_hole_is_not_read() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(1 << 40).unwrap();
        if next_data(&file, 0, 1 << 40) != Some(1 << 40..1 << 40) {
            return; // a file system that does not tell
        }
        let mut stream = FileStream::new(file, "a file".to_owned()).unwrap();
        stream.skip((1 << 40) - 5).unwrap();
        assert_eq!(stream.read(&mut [1; 9]).unwrap(), 5);
        assert_eq!(stream.data, 1 << 40..1 << 40, "nothing was read from the disk");
    }
}
