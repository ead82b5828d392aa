//! A file's bytes through the host, with what cannot be read filled with zeros.

use std::fs::File;
use std::io;

use crate::facts::Hole;
use crate::tree::{Stream, TreeError};

/// The smallest piece that is tried: hosts read whole pages of this size.
const SMALLEST: usize = 4096;

/// An open file.
pub(super) struct FileStream {
    file: File,
    /// For messages.
    path: String,
    length: u64,
    at: u64,
    holes: Vec<Hole>,
}

impl FileStream {
    pub(super) fn new(file: File, path: String) -> Result<Self, TreeError> {
        match file.metadata() {
            Ok(meta) => Ok(Self { file, path, length: meta.len(), at: 0, holes: Vec::new() }),
            Err(error) => Err(TreeError::Host { path, error }),
        }
    }

    fn failed(&self, error: io::Error) -> TreeError {
        TreeError::Host { path: self.path.clone(), error }
    }

    /// Reads into the whole of `buf`, piece by piece where the medium fails.
    fn fill(&mut self, buf: &mut [u8]) -> Result<(), TreeError> {
        let mut done = 0;
        while done < buf.len() {
            match read_at(&self.file, &mut buf[done..], self.at) {
                Ok(0) => {
                    let text = format!("ends at byte {} of {}", self.at, self.length);
                    return Err(self.failed(io::Error::new(io::ErrorKind::UnexpectedEof, text)));
                }
                Ok(n) => {
                    done += n;
                    self.at += n as u64;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
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
            match read_at(&self.file, &mut piece[done..], self.at) {
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
        const BAD: [u32; 6] = [
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

fn read_at(file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    #[cfg(unix)]
    return std::os::unix::fs::FileExt::read_at(file, buf, offset);
    #[cfg(windows)]
    return std::os::windows::fs::FileExt::seek_read(file, buf, offset);
}
