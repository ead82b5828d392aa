//! One logon at one share, and the files open there. It has its own thread, since
//! libsmbclient's files cannot move between threads.
//!
//! After a lost connection, the client reconnects on its next call, but every
//! handle is dead. They are dropped, and reopened by path on their next use.

use std::collections::HashMap;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pavao::{
    SmbClient, SmbCredentials, SmbDirentType, SmbError, SmbFile, SmbMode, SmbOpenOptions,
    SmbOptions,
};

use super::super::address::SmbPlace;
use super::super::errors::{Numbers, row};
use super::super::{DestinationEntry, ErrorKind, Space};
use super::raw;
use crate::model::secret::Secret;

/// The most that one call transfers. Measured on loopback: calls of 64 KiB reach a
/// third of the speed, calls above 4 MiB gain nothing.
const LARGEST_CALL: usize = 4 << 20;

/// The least, for links so slow that a larger call would time out.
const SMALLEST_CALL: usize = 64 << 10;

/// A slower call makes the next ones smaller, ...
const SLOW: Duration = Duration::from_secs(4);

/// ... and a faster one larger.
const QUICK: Duration = Duration::from_secs(1);

/// Errno values that this module checks.
mod errno {
    pub(super) const EPERM: i32 = 1;
    pub(super) const ENOENT: i32 = 2;
    pub(super) const EIO: i32 = 5;
    pub(super) const EBADF: i32 = 9;
    pub(super) const EACCES: i32 = 13;
    pub(super) const EEXIST: i32 = 17;
    pub(super) const ENOTDIR: i32 = 20;
    pub(super) const EISDIR: i32 = 21;
    pub(super) const EINVAL: i32 = 22;
    pub(super) const ETIMEDOUT: i32 = 110;
    pub(super) const EHOSTUNREACH: i32 = 113;
    pub(super) const ESTALE: i32 = 116;
    /// Replaces the error of a logon that is refused on reconnect.
    pub(super) const EKEYREJECTED: i32 = 129;
}

/// Keeps every other thread out of libsmbclient, whose contexts share state.
/// (pavao has such a lock too, but ours must span the calls in [`raw`].)
pub(super) fn library() -> MutexGuard<'static, ()> {
    static LIBRARY: Mutex<()> = Mutex::new(());
    // It guards no data that a panic could leave inconsistent.
    LIBRARY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A client for `place`. Does not contact the server yet.
///
/// The caller holds [`library`], here and for everything below.
pub(super) fn client(
    place: &SmbPlace,
    password: &Secret,
    timeout: Duration,
) -> io::Result<SmbClient> {
    raw::silence();
    let credentials = SmbCredentials::default()
        .server(place.server_url())
        .share(format!("/{}", encoded(&place.share)))
        .workgroup(place.domain.as_deref().unwrap_or_default())
        // Without a name this is the anonymous logon, and then only if asked for.
        .username(place.user.as_deref().filter(|_| !place.anonymous).unwrap_or_default())
        .password(password.expose());
    // The server decides about dialect, signing and encryption. A failed logon
    // must not fall back to guest.
    let options = SmbOptions::default().no_auto_anonymous_login(true);
    let client = SmbClient::new(credentials, options).map_err(io_error)?;
    client.set_timeout(timeout).map_err(io_error)?;
    Ok(client)
}

/// How a file is opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Access {
    /// Created or truncated, to read and write.
    Create,
    /// To read and write.
    ReadWrite,
    /// To read.
    Read,
}

impl Access {
    fn options(self) -> SmbOpenOptions {
        let options = SmbOpenOptions::default().read(true);
        match self {
            Self::Read => options,
            Self::ReadWrite => options.write(true),
            Self::Create => options.write(true).create(true).truncate(true),
        }
    }
}

/// An open file.
struct Handle<'c> {
    path: String,
    /// How to reopen it.
    access: Access,
    /// `None` after the connection was lost.
    file: Option<SmbFile<'c>>,
    /// The offset of libsmbclient's next read or write.
    position: u64,
    /// It was reopened since the last [`Session::settled`].
    reopened: bool,
}

/// See the module.
pub(super) struct Session<'c> {
    client: &'c SmbClient,
    /// `smb://server:port/share`, encoded.
    share_url: String,
    files: HashMap<u64, Handle<'c>>,
    next_id: u64,
    /// The last call lost the connection.
    lost: bool,
    /// Bytes that the next call may transfer.
    call_bytes: usize,
}

impl<'c> Session<'c> {
    pub(super) fn new(client: &'c SmbClient, place: &SmbPlace) -> Self {
        Self {
            client,
            share_url: format!("{}/{}", place.server_url(), encoded(&place.share)),
            files: HashMap::new(),
            next_id: 0,
            lost: false,
            call_bytes: LARGEST_CALL / 4,
        }
    }

    /// Logs on: the first call to the server.
    pub(super) fn log_on(&mut self) -> io::Result<()> {
        self.client.stat("/").map(drop).map_err(io_error)
    }

    /// The entry at `path`.
    pub(super) fn stat(&mut self, path: &str) -> io::Result<Option<DestinationEntry>> {
        let url = encoded(path);
        match self.call(|client| client.stat(&url)) {
            Ok(stat) => {
                let is_dir = stat.mode.is_dir();
                let name = path.rsplit('/').next().unwrap_or_default().to_owned();
                Ok(Some(DestinationEntry {
                    name,
                    is_dir,
                    size: if is_dir { 0 } else { stat.size },
                }))
            }
            Err(error) if is(&error, errno::ENOENT) || is(&error, errno::ENOTDIR) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// When `path` was last changed, by the server's clock: seconds since 1970.
    pub(super) fn modified(&mut self, path: &str) -> io::Result<Option<i64>> {
        let url = encoded(path);
        let stat = self.call(|client| client.stat(&url))?;
        let since = stat.modified.duration_since(std::time::UNIX_EPOCH).ok();
        Ok(since.and_then(|since| i64::try_from(since.as_secs()).ok()))
    }

    /// Lists a folder, unsorted.
    pub(super) fn list(&mut self, path: &str) -> io::Result<Vec<DestinationEntry>> {
        self.expect(path, true)?; // listing itself does not report the reason
        let url = encoded(path);
        let entries = self.call(|client| client.list_dirplus(&url))?;
        Ok(entries
            .into_iter()
            .map(|entry| {
                let is_dir = entry.get_type() == SmbDirentType::Dir;
                DestinationEntry {
                    is_dir,
                    size: if is_dir { 0 } else { entry.size },
                    name: entry.name,
                }
            })
            .collect())
    }

    /// Makes one folder.
    pub(super) fn make_dir(&mut self, path: &str) -> io::Result<()> {
        let url = encoded(path);
        self.call(|client| client.mkdir(&url, SmbMode::from(0o755)))
    }

    /// Makes a folder and its parents, below `base`, which exists.
    pub(super) fn make_dirs(&mut self, base: &str, names: &[String]) -> io::Result<()> {
        let mut path = base.to_owned();
        for name in names {
            path.push('/');
            path.push_str(name);
            match self.stat(&path)? {
                Some(entry) if entry.is_dir => {}
                Some(_) => return Err(io::Error::from_raw_os_error(errno::ENOTDIR)),
                None => match self.make_dir(&path) {
                    // Another writer may have just made it.
                    Err(error) if !is(&error, errno::EEXIST) => return Err(error),
                    _ => {}
                },
            }
        }
        Ok(())
    }

    /// Renames; fails if `to` exists. libsmbclient would overwrite it.
    pub(super) fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        if self.stat(to)?.is_some() {
            return Err(io::Error::from_raw_os_error(errno::EEXIST));
        }
        let (from, to) = (encoded(from), encoded(to));
        self.call(|client| client.rename(&from, &to))
    }

    /// Removes a file. libsmbclient would also remove an empty folder.
    pub(super) fn remove_file(&mut self, path: &str) -> io::Result<()> {
        self.expect(path, false)?;
        let url = encoded(path);
        self.call(|client| client.unlink(&url))
    }

    /// Removes an empty folder.
    pub(super) fn remove_dir(&mut self, path: &str) -> io::Result<()> {
        self.expect(path, true)?;
        let url = encoded(path);
        self.call(|client| client.rmdir(&url))
    }

    /// Free space at `path`. SMB reports sectors and sectors per unit, as `frsize`
    /// and `bsize`.
    pub(super) fn space(&mut self, path: &str) -> io::Result<Option<Space>> {
        let url = encoded(path);
        let stat = self.call(|client| client.statvfs(&url))?;
        let unit = stat.bsize.saturating_mul(stat.frsize.max(1));
        if unit == 0 || stat.blocks == 0 {
            return Ok(None);
        }
        let bytes = |units: u64| units.saturating_mul(unit);
        Ok(Some(Space { free: bytes(stat.bavail), total: bytes(stat.blocks) }))
    }

    /// Opens a file and returns its id.
    pub(super) fn open(&mut self, path: &str, access: Access) -> io::Result<u64> {
        self.connected()?;
        let file = self.client.open_with(encoded(path), access.options());
        let file = file.map_err(io_error);
        let file = Some(self.watched(file)?);
        let access = if access == Access::Create { Access::ReadWrite } else { access };
        let id = self.next_id;
        self.next_id += 1;
        let path = path.to_owned();
        self.files.insert(id, Handle { path, access, file, position: 0, reopened: false });
        Ok(id)
    }

    /// Closes a file. (libsmbclient does not pass on an error of closing.)
    pub(super) fn close(&mut self, id: u64) {
        self.files.remove(&id);
    }

    /// Writes all of `data` at `offset`.
    pub(super) fn write_all_at(
        &mut self,
        id: u64,
        mut offset: u64,
        mut data: &[u8],
    ) -> io::Result<()> {
        while !data.is_empty() {
            let part = data.get(..self.call_bytes).unwrap_or(data);
            let written = self.with_file(id, offset, |file| file.write(part))?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            data = data.get(written..).unwrap_or_default();
            offset = offset.saturating_add(written as u64);
        }
        Ok(())
    }

    /// Reads at `offset` until `buf` is full or the file ends.
    pub(super) fn read_at(&mut self, id: u64, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while done < buf.len() {
            let end = buf.len().min(done + self.call_bytes);
            let part = &mut buf[done..end];
            let at = offset.saturating_add(done as u64);
            match self.with_file(id, at, |file| file.read(part))? {
                0 => break,
                read => done += read,
            }
        }
        Ok(done)
    }

    /// The size of a file in bytes.
    pub(super) fn size(&mut self, id: u64) -> io::Result<u64> {
        let path = self.handle(id)?.path.clone();
        self.with_file(id, 0, |_| Ok(0))?; // reopens it if needed
        let url = encoded(&path);
        Ok(self.call(|client| client.stat(&url))?.size)
    }

    /// Truncates or extends a file.
    pub(super) fn set_size(&mut self, id: u64, bytes: u64) -> io::Result<()> {
        self.connected()?;
        let path = encoded(&self.handle(id)?.path);
        let url = format!("{}{path}", self.share_url);
        let done = raw::truncate(self.client, &url, bytes);
        self.watched(done)
    }

    /// Whether a file was reopened since the last [`Session::settled`]. Reopens it
    /// if that is due.
    pub(super) fn was_reopened(&mut self, id: u64) -> io::Result<bool> {
        self.with_file(id, 0, |_| Ok(0))?;
        Ok(self.handle(id)?.reopened)
    }

    /// What was written before the file was reopened has been checked.
    pub(super) fn settled(&mut self, id: u64) {
        if let Some(handle) = self.files.get_mut(&id) {
            handle.reopened = false;
        }
    }

    fn handle(&mut self, id: u64) -> io::Result<&mut Handle<'c>> {
        self.files.get_mut(&id).ok_or_else(|| io::Error::from_raw_os_error(errno::EBADF))
    }

    /// Fails unless a folder, or a file, is at `path`.
    fn expect(&mut self, path: &str, is_dir: bool) -> io::Result<()> {
        let code = match self.stat(path)? {
            None => errno::ENOENT,
            Some(entry) if entry.is_dir == is_dir => return Ok(()),
            Some(_) if is_dir => errno::ENOTDIR,
            Some(_) => errno::EISDIR,
        };
        Err(io::Error::from_raw_os_error(code))
    }

    /// A call about a path.
    fn call<T>(&mut self, job: impl FnOnce(&SmbClient) -> Result<T, SmbError>) -> io::Result<T> {
        self.connected()?;
        let done = job(self.client).map_err(io_error);
        self.watched(done)
    }

    /// A call about an open file at `offset`, which moves by that many bytes.
    fn with_file(
        &mut self,
        id: u64,
        offset: u64,
        job: impl FnOnce(&mut SmbFile<'c>) -> io::Result<usize>,
    ) -> io::Result<usize> {
        self.connected()?;
        let client = self.client;
        let handle = self.handle(id)?;
        let fresh = handle.file.is_none();
        let done = match handle.file.take() {
            Some(file) => Ok(file),
            None => client
                .open_with(encoded(&handle.path), handle.access.options())
                .map_err(io_error)
                .inspect(|_| (handle.position, handle.reopened) = (0, true)),
        }
        .and_then(|file| {
            let file = handle.file.insert(file);
            if handle.position != offset {
                file.seek(SeekFrom::Start(offset))?;
            }
            // The position after a failed call is unknown.
            handle.position = u64::MAX;
            let start = Instant::now();
            let moved = job(file)?;
            handle.position = offset.saturating_add(moved as u64);
            Ok((moved, start.elapsed()))
        });
        // A handle that the server no longer knows is an "invalid argument": reopen
        // it once.
        let stale = |error: &io::Error| is(error, errno::EINVAL) || is(error, errno::EBADF);
        let done = done.map_err(|error| match stale(&error) {
            true if fresh => io::Error::from_raw_os_error(errno::EIO),
            true => io::Error::from_raw_os_error(errno::ESTALE),
            false => error,
        });
        let (moved, took) = self.watched(done)?;
        if took > SLOW {
            self.call_bytes = (self.call_bytes / 2).max(SMALLEST_CALL);
        } else if took < QUICK && moved == self.call_bytes {
            self.call_bytes = (self.call_bytes * 2).min(LARGEST_CALL);
        }
        Ok(moved)
    }

    /// Reconnects if that is due. While the server is away, a reconnect can fail in
    /// several ways (a name that no longer resolves is an "invalid argument"); all but
    /// a refused logon may be transient.
    fn connected(&mut self) -> io::Result<()> {
        if !self.lost {
            return Ok(());
        }
        match self.client.stat("/").map_err(io_error) {
            Ok(_) => {
                self.lost = false;
                Ok(())
            }
            Err(error) if is(&error, errno::EACCES) || is(&error, errno::EPERM) => {
                Err(io::Error::from_raw_os_error(errno::EKEYREJECTED))
            }
            Err(error) if is_loss(&error) => Err(error),
            Err(_) => Err(io::Error::from_raw_os_error(errno::EHOSTUNREACH)),
        }
    }

    /// Passes a result on, and notices a lost connection.
    fn watched<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        if let Err(error) = &result
            && is_loss(error)
        {
            self.lost = true;
            let timed_out = is(error, errno::ETIMEDOUT);
            if timed_out {
                self.call_bytes = (self.call_bytes / 4).max(SMALLEST_CALL);
            }
            for handle in self.files.values_mut() {
                match handle.file.take() {
                    // Closing would wait twice the time-out for an answer that will not
                    // come; the context frees the handle in the end.
                    Some(file) if timed_out => std::mem::forget(file),
                    dead => drop(dead),
                }
            }
        }
        result
    }
}

/// Whether the error says that the connection is gone.
fn is_loss(error: &io::Error) -> bool {
    let code = error.raw_os_error().filter(|code| *code >= 100 || *code == 32);
    code.and_then(|code| row(Numbers::Errno, code))
        .is_some_and(|row| row.later == ErrorKind::Transient)
}

fn is(error: &io::Error, code: i32) -> bool {
    error.raw_os_error() == Some(code)
}

/// pavao's error, as the system's error if there is one.
fn io_error(error: SmbError) -> io::Error {
    match error {
        SmbError::Io(error) => error,
        // For a folder that could not be opened, pavao reports only this; errno is
        // still that of the call.
        SmbError::BadFileDescriptor => io::Error::last_os_error(),
        SmbError::NulInPath(_) => io::Error::from_raw_os_error(errno::EINVAL),
        other => io::Error::other(other),
    }
}

/// A path as libsmbclient needs it in a URL: it decodes `%41`, and cuts at `?`.
fn encoded(path: &str) -> String {
    use std::fmt::Write as _;
    let mut url = String::with_capacity(path.len() + 8);
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            url.push(char::from(byte));
        } else {
            let _ = write!(url, "%{byte:02X}"); // writing to a String cannot fail
        }
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_encoded_for_the_library() {
        assert_eq!(encoded("/a b/%41?#.x"), "/a%20b/%2541%3F%23.x");
        assert_eq!(encoded("\u{FC}"), "%C3%BC");
    }

    #[test]
    fn a_lost_connection_is_told_from_other_trouble() {
        for code in [32, 102, 103, 104, 107, 110, 111, 113] {
            assert!(is_loss(&io::Error::from_raw_os_error(code)), "{code}");
        }
        // Busy files pass too, but the connection stands; a quota does not pass.
        for code in [2, 11, 13, 16, 28, 122] {
            assert!(!is_loss(&io::Error::from_raw_os_error(code)), "{code}");
        }
    }
}
