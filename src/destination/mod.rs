//! Where rescue sets go and come from: a folder (USB disk, mounted share, UNC
//! path) or an SMB server.
//!
//! Paths are relative to the destination that was opened, with `/` between
//! names. Writes go to explicit offsets, so that one can be repeated after a
//! connection was lost.

pub mod address;
pub mod directory;
pub mod errors;
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

/// One file or folder at a target.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DestinationEntry {
    /// Its last name.
    pub name: String,
    /// Whether it is a folder.
    pub is_dir: bool,
    /// Bytes; 0 for folders.
    pub size: u64,
}

/// Room at a target, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Space {
    /// What may still be written.
    pub free: u64,
    /// What the whole takes.
    pub total: u64,
}

/// What kind of trouble a target makes; decides about retries and exit codes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ErrorKind {
    /// Not there: host, share or folder unknown.
    Unreachable,
    /// User name or password is wrong.
    Logon,
    /// The user may not do that.
    Denied,
    /// The disk or the quota is full.
    Full,
    /// The file or folder is not there.
    NotFound,
    /// Something of that name is there already, or is of the wrong kind.
    AlreadyExists,
    /// The file system cannot hold such a file (too large, bad name).
    Unfit,
    /// May go away by itself: time-out, connection lost, sharing violation.
    Transient,
    /// What was read back is not what was written.
    Corrupted,
    /// Anything else.
    Other,
}

/// Why a target refused something.
#[derive(Debug)]
pub struct DestinationError {
    /// What kind of trouble.
    pub kind: ErrorKind,
    /// Where, in full, as the user knows it (`\\server\share\dir\file`).
    pub path: String,
    /// What happened, in plain words.
    pub what: String,
    /// What to do, in plain words.
    pub action: String,
    /// What the system said, if it did.
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
    /// Whether trying again may help.
    pub fn is_transient(&self) -> bool {
        self.kind == ErrorKind::Transient
    }
}

/// An open file at a target.
pub trait DestinationFile: Send {
    /// Writes all of `data` at `offset`. May be repeated after a passing error. An
    /// error may be that of an earlier write which was still under way; then nothing
    /// of `data` has been taken, and repeating the call repeats both.
    fn write_all_at(&mut self, offset: u64, data: &[u8]) -> Result<(), DestinationError>;

    /// Reads up to `buf.len()` bytes at `offset`; short only at the file's end.
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize, DestinationError>;

    /// Bytes in the file.
    fn size(&mut self) -> Result<u64, DestinationError>;

    /// Cuts or extends the file.
    fn set_size(&mut self, bytes: u64) -> Result<(), DestinationError>;

    /// Returns when the bytes are on the medium, as far as anybody can know.
    fn sync(&mut self) -> Result<(), DestinationError>;

    /// Closes the file and reports what closing brought to light.
    fn close(self: Box<Self>) -> Result<(), DestinationError>;
}

/// What to do where the folder is not there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Missing {
    /// Make it, if the folder above is there: for writing a set.
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

/// A place that sets are written to and read from.
pub trait Destination: Send + Sync {
    /// The place or a path in it, in full, as the user knows it.
    fn display(&self, path: &str) -> String;

    /// What is in a folder, sorted by name.
    fn list(&self, dir: &str) -> Result<Vec<DestinationEntry>, DestinationError>;

    /// What is at `path`; `None` if nothing is.
    fn stat(&self, path: &str) -> Result<Option<DestinationEntry>, DestinationError>;

    /// Makes a folder, and those above it; fine if it is there.
    fn create_dir_all(&self, dir: &str) -> Result<(), DestinationError>;

    /// Makes a file, or empties the one that is there; to read and write.
    fn create(&self, path: &str) -> Result<Box<dyn DestinationFile>, DestinationError>;

    /// Opens a file that is there, to read and write.
    fn open_rw(&self, path: &str) -> Result<Box<dyn DestinationFile>, DestinationError>;

    /// Opens a file that is there, to read.
    fn open(&self, path: &str) -> Result<Box<dyn DestinationFile>, DestinationError>;

    /// Renames a file or folder; fails with [`ErrorKind::AlreadyExists`] when `to` is
    /// there already.
    fn rename(&self, from: &str, to: &str) -> Result<(), DestinationError>;

    /// Removes a file.
    fn remove_file(&self, path: &str) -> Result<(), DestinationError>;

    /// Removes an empty folder.
    fn remove_dir(&self, path: &str) -> Result<(), DestinationError>;

    /// When `path` was last changed, by the target's own clock; `None` where
    /// nobody can say.
    fn modified(&self, _path: &str) -> Result<Option<FileTime>, DestinationError> {
        Ok(None)
    }

    /// Room there; `None` where nobody can say.
    fn space(&self) -> Result<Option<Space>, DestinationError>;

    /// The largest file that it can hold, in bytes (FAT32: 4 GiB - 1).
    fn max_file_size(&self) -> u64 {
        u64::MAX
    }

    /// The same place without repetitions, for calls that are not worth waiting
    /// for; `None` where nothing is repeated anyway.
    fn without_retry(&self) -> Option<&dyn Destination> {
        None
    }
}
