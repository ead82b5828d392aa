//! Where rescue sets go and come from: a folder (USB disk, mounted share, UNC
//! path) or an SMB server.
//!
//! Paths are relative to the opened destination, with `/` between names. Writes
//! give explicit offsets, so that they can be repeated after a lost connection.

pub mod address;
pub mod directory;
pub mod errors;
pub(crate) mod guard;
mod ledger;
#[cfg(target_os = "linux")]
mod linux;
mod names;
pub mod open;
pub mod preflight;
pub(crate) mod process;
pub mod retry;
#[cfg(all(feature = "smb", target_os = "linux"))]
pub mod smb;
pub mod tree;
mod watch;
#[cfg(windows)]
mod windows;

#[cfg(target_os = "linux")]
use linux as host;
#[cfg(windows)]
use windows as host;

pub use open::open;

use std::fmt;

use crate::model::advice::{Advice, Ending};
use crate::model::metadata::FileTime;

/// Closes a file that was flushed, and drops it from the system's cache, so that reading
/// it back reads the medium. Best effort.
pub(crate) fn close_and_forget(file: std::fs::File, path: &std::path::Path) {
    host::drop_cache(&file, path);
    drop(file);
    host::drop_closed(path);
}

/// A file or folder at a destination.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DestinationEntry {
    /// Its name, without the path.
    pub name: String,
    /// Whether it is a folder.
    pub is_dir: bool,
    /// Bytes; 0 for folders.
    pub size: u64,
}

/// Free space at a destination, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Space {
    /// Bytes that can still be written.
    pub free: u64,
    /// Total capacity.
    pub total: u64,
}

/// The kind of a destination's error; decides about retries and exit codes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ErrorKind {
    /// Unreachable: unknown host, share or folder.
    Unreachable,
    /// User name or password is wrong.
    Logon,
    /// Permission denied.
    Denied,
    /// The disk or the quota is full.
    Full,
    /// The file or folder does not exist.
    NotFound,
    /// The name exists, or has the wrong kind (file or folder).
    AlreadyExists,
    /// The file system does not support such a file (too large, invalid name).
    Unfit,
    /// Transient: time-out, connection lost, sharing violation.
    Transient,
    /// The data read back differs from the data written.
    Corrupted,
    /// Anything else.
    Other,
}

/// An error of a destination.
#[derive(Debug)]
pub struct DestinationError {
    /// The kind of error.
    pub kind: ErrorKind,
    /// The full path, as the user knows it (`\\server\share\dir\file`).
    pub path: String,
    /// What failed, for people.
    pub what: String,
    /// What to do, for people.
    pub action: String,
    /// The system's own error, if there was one.
    pub source: Option<std::io::Error>,
}

impl fmt::Display for DestinationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.what)
    }
}

impl std::error::Error for DestinationError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|e| e as _)
    }
}

impl Advice for DestinationError {
    fn advice(&self) -> String {
        self.action.clone()
    }

    fn ending(&self) -> Ending {
        Ending::Destination
    }
}

impl DestinationError {
    /// Whether a retry may help.
    pub fn is_transient(&self) -> bool {
        self.kind == ErrorKind::Transient
    }
}

/// An open file at a destination.
pub trait DestinationFile: Send {
    /// Writes all of `data` at `offset`. May be repeated after a transient error.
    /// The error may belong to an earlier write that was still pending; then none of
    /// `data` was accepted, and repeating the call repeats both.
    fn write_all_at(&mut self, offset: u64, data: &[u8]) -> Result<(), DestinationError>;

    /// Reads up to `buf.len()` bytes at `offset`; short only at the file's end.
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize, DestinationError>;

    /// The file's size in bytes.
    fn size(&mut self) -> Result<u64, DestinationError>;

    /// Truncates or extends the file.
    fn set_size(&mut self, bytes: u64) -> Result<(), DestinationError>;

    /// Returns when the bytes are on the medium, as far as that can be known.
    fn sync(&mut self) -> Result<(), DestinationError>;

    /// Closes the file and reports errors of closing.
    fn close(self: Box<Self>) -> Result<(), DestinationError>;
}

/// What to do if the folder does not exist.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Missing {
    /// Make it if its parent exists: for writing a set.
    Make,
    /// Fail: for reading one.
    Fail,
}

/// Reads until `buf` is full or the file ends.
pub(crate) fn read_full(
    file: &mut dyn DestinationFile,
    offset: u64,
    buf: &mut [u8],
) -> Result<usize, DestinationError> {
    let mut done = 0;
    while done < buf.len() {
        match file.read_at(offset.saturating_add(done as u64), &mut buf[done..])? {
            0 => break,
            read => done += read,
        }
    }
    Ok(done)
}

/// Reads files of a destination while another handle writes to them.
pub trait BesideReader: Send {
    /// Reads at `offset` of the file at `path`; short only at the file's end. On Windows, the
    /// offset, the length and the address of `buf` are multiples of 4096.
    ///
    /// # Errors
    /// As for [`DestinationFile::read_at`].
    fn read_at(
        &mut self,
        path: &str,
        offset: u64,
        buf: &mut [u8],
    ) -> Result<usize, DestinationError>;
}

/// A folder where sets are written and read.
pub trait Destination: Send + Sync {
    /// The full path of the folder, or of a path in it, as the user knows it.
    fn display(&self, path: &str) -> String;

    /// Lists a folder, sorted by name.
    fn list(&self, dir: &str) -> Result<Vec<DestinationEntry>, DestinationError>;

    /// The entry at `path`; `None` if there is none.
    fn stat(&self, path: &str) -> Result<Option<DestinationEntry>, DestinationError>;

    /// Makes a folder and its parents; no error if it exists.
    fn create_dir_all(&self, dir: &str) -> Result<(), DestinationError>;

    /// Makes or truncates a file; to read and write.
    fn create(&self, path: &str) -> Result<Box<dyn DestinationFile>, DestinationError>;

    /// Opens an existing file, to read and write.
    fn open_rw(&self, path: &str) -> Result<Box<dyn DestinationFile>, DestinationError>;

    /// Opens an existing file, to read.
    fn open(&self, path: &str) -> Result<Box<dyn DestinationFile>, DestinationError>;

    /// Renames a file or folder; fails with [`ErrorKind::AlreadyExists`] if `to`
    /// exists.
    fn rename(&self, from: &str, to: &str) -> Result<(), DestinationError>;

    /// Removes a file.
    fn remove_file(&self, path: &str) -> Result<(), DestinationError>;

    /// Removes an empty folder.
    fn remove_dir(&self, path: &str) -> Result<(), DestinationError>;

    /// The destination that it passes calls on to, if it is a layer above one: what it does not
    /// say itself, that one says.
    fn below(&self) -> Option<&dyn Destination> {
        None
    }

    /// When `path` was last changed, by the destination's clock; `None` if
    /// unknown.
    fn modified(&self, path: &str) -> Result<Option<FileTime>, DestinationError> {
        self.below().map_or(Ok(None), |below| below.modified(path))
    }

    /// Free space; `None` if unknown.
    fn space(&self) -> Result<Option<Space>, DestinationError> {
        self.below().map_or(Ok(None), Destination::space)
    }

    /// The largest possible file, in bytes (FAT32: 4 GiB - 1).
    fn max_file_size(&self) -> u64 {
        self.below().map_or(u64::MAX, Destination::max_file_size)
    }

    /// Whether what is written there is only in the memory of this PC, and lost when it restarts:
    /// the `X:` of WinPE, `tmpfs`, the changes to a live system.
    fn is_in_memory(&self) -> bool {
        self.below().is_some_and(Destination::is_in_memory)
    }

    /// Whether the folder did not exist, and was made when it was opened.
    fn was_made(&self) -> bool {
        self.below().is_some_and(Destination::was_made)
    }

    /// What is at the folder's path: a file system's number, which another disk does not share, or
    /// the folder that is seen when a disk is taken off. `None` if that is not known, or of a
    /// server.
    fn device(&self) -> Option<u64> {
        self.below().and_then(Destination::device)
    }

    /// The folder in this machine's file system; `None` for any other place. For walking it
    /// without following links.
    fn local_root(&self) -> Option<&std::path::Path> {
        self.below().and_then(Destination::local_root)
    }

    /// A second way to this folder, by which files can be read while this one writes on at the
    /// same speed, and not from a cache of this PC; `None` if there is none, as to a single disk.
    fn beside(&self) -> Option<Box<dyn BesideReader>> {
        self.below().and_then(Destination::beside)
    }

    /// The same destination without retries, for calls that are not worth waiting
    /// for; `None` if it does not retry anyway.
    fn without_retry(&self) -> Option<&dyn Destination> {
        self.below().and_then(Destination::without_retry)
    }

    /// The same destination, which asks `guard` before each change and before each repetition
    /// of one; `None` if it repeats nothing: then `guard::GuardedDestination` does the same.
    fn guarded(&self, _guard: std::sync::Arc<dyn guard::Guard>) -> Option<Box<dyn Destination>> {
        None
    }
}
