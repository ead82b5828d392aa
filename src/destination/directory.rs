//! A folder as a destination: a USB disk, a mounted share, a UNC path on Windows.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use super::errors::{bytes_are_missing, from_io, in_the_way, no_folder_above};
use super::ledger::Ledger;
use super::{
    BesideReader, Destination, DestinationEntry, DestinationError, DestinationFile, ErrorKind,
    Missing, Space, host, names,
};
use crate::model::metadata::FileTime;

/// A folder, through the host's file API.
#[derive(Debug)]
pub struct DirectoryDestination {
    /// As the user typed it.
    shown: String,
    /// As the system gets it.
    root: PathBuf,
    /// It was made when it was opened.
    made: bool,
    /// Bytes.
    max_file_size: u64,
    /// Held as long as the folder is used.
    #[cfg(windows)]
    _logon: Option<host::Logon>,
}

impl DirectoryDestination {
    /// Opens the folder at `path`. Makes it only if its parent exists.
    pub fn open(path: &Path, missing: Missing) -> Result<Self, DestinationError> {
        let shown = path.display().to_string();
        let fail = |error| from_io(error, shown.clone(), false);
        let root = host::usable(path).map_err(fail)?;
        let mut made = false;
        match (std::fs::metadata(&root), missing) {
            (Ok(meta), _) if meta.is_dir() => {}
            (Ok(_), _) => return Err(a_file_is_there(shown)),
            (Err(error), Missing::Make) if error.kind() == io::ErrorKind::NotFound => {
                make_folder(&root).map_err(|error| match fail(error) {
                    error if error.kind == ErrorKind::NotFound => no_folder_above(error),
                    error => error,
                })?;
                made = true;
            }
            (Err(error), _) => return Err(fail(error)),
        }
        // No known limit: nothing to check.
        let max_file_size = host::max_file_size(&root).unwrap_or(u64::MAX);
        Ok(Self {
            shown,
            root,
            made,
            max_file_size,
            #[cfg(windows)]
            _logon: None,
        })
    }

    /// Logs on to the server first. The password is not kept.
    #[cfg(windows)]
    pub fn open_with_logon(
        place: &super::address::SmbPlace,
        account: &str,
        password: &crate::model::secret::Secret,
        missing: Missing,
    ) -> Result<Self, DestinationError> {
        let share = place.unc_share();
        let logon = host::Logon::at(&share, account, password)
            .map_err(|error| from_io(error, share, false))?;
        Ok(Self { _logon: Some(logon), ..Self::open(&place.unc_path(), missing)? })
    }

    /// The path of `path` for the system.
    fn at(&self, path: &str) -> Result<PathBuf, DestinationError> {
        let names = names::split(path)
            .map_err(|error| DestinationError { path: self.display(path), ..error })?;
        let mut at = self.root.clone();
        at.extend(names);
        Ok(at)
    }

    /// An error about `path`.
    fn fail(&self, path: &str, error: io::Error) -> DestinationError {
        if error.raw_os_error() == Some(host::IS_LINK) {
            return a_link_is_there(self.display(path));
        }
        from_io(error, self.display(path), true)
    }

    fn open_as(
        &self,
        path: &str,
        access: Access,
    ) -> Result<Box<dyn DestinationFile>, DestinationError> {
        let at = self.at(path)?;
        if access != Access::Read {
            self.refuse_links_above(path)?;
        }
        let file = match access.open(&at) {
            // Windows reports "access denied" for a folder; Linux reports no error.
            Ok(file) if file.metadata().is_ok_and(|meta| meta.is_dir()) => {
                return Err(a_folder_is_there(self.display(path)));
            }
            Err(_) if at.is_dir() => return Err(a_folder_is_there(self.display(path))),
            // It has no content of its own, and may never give any.
            Ok(file) if file.metadata().is_ok_and(|meta| host::is_pipe(&meta)) => {
                return Err(in_the_way(
                    self.display(path),
                    "there is a named pipe where a file is needed",
                ));
            }
            Ok(file) => file,
            Err(error) => return Err(self.fail(path, error)),
        };
        Ok(Box::new(DirectoryFile {
            file: Some(file),
            path: at,
            shown: self.display(path),
            access: access.again(),
            max_file_size: self.max_file_size,
            ledger: Ledger::default(),
            reopened: false,
            flush_failed: false,
            name_unflushed: access == Access::Create,
        }))
    }

    /// Refuses a path that leads through a link, which may have been planted: what is written
    /// must stay in this folder.
    fn refuse_links_above(&self, path: &str) -> Result<(), DestinationError> {
        let at = self.at(path)?;
        let below = at.strip_prefix(&self.root).unwrap_or(Path::new(""));
        let mut folder = self.root.clone();
        for name in below.parent().unwrap_or(Path::new("")) {
            folder.push(name);
            if std::fs::symlink_metadata(&folder).is_ok_and(|meta| host::is_link(&meta)) {
                return Err(a_link_is_there(self.display(path)));
            }
        }
        Ok(())
    }

    /// Flushes the entries of the folder around `at` to the medium.
    fn sync_above(&self, path: &str, at: &Path) -> Result<(), DestinationError> {
        match at.parent() {
            Some(above) => host::sync_folder(above).map_err(|error| self.fail(path, error)),
            None => Ok(()),
        }
    }
}

impl Destination for DirectoryDestination {
    fn display(&self, path: &str) -> String {
        let mut text = self.shown.clone();
        for name in path.split('/').filter(|name| !name.is_empty()) {
            if !text.ends_with(['/', host::SEPARATOR]) {
                text.push(host::SEPARATOR);
            }
            text.push_str(name);
        }
        text
    }

    fn list(&self, dir: &str) -> Result<Vec<DestinationEntry>, DestinationError> {
        let fail = |error| self.fail(dir, error);
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(self.at(dir)?).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            // Follows links, as `stat` does. A dangling link, or a file deleted in
            // the meantime, is reported as itself.
            let meta = match std::fs::metadata(entry.path()) {
                Ok(meta) => meta,
                Err(_) => match entry.metadata() {
                    Ok(meta) => meta,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) => return Err(fail(error)),
                },
            };
            entries.push(entry_of(entry.file_name().to_string_lossy().into_owned(), &meta));
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn stat(&self, path: &str) -> Result<Option<DestinationEntry>, DestinationError> {
        let name = path.split('/').rfind(|name| !name.is_empty()).unwrap_or_default();
        match std::fs::metadata(self.at(path)?) {
            Ok(meta) => Ok(Some(entry_of(name.to_owned(), &meta))),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                Ok(None)
            }
            Err(error) => Err(self.fail(path, error)),
        }
    }

    fn create_dir_all(&self, dir: &str) -> Result<(), DestinationError> {
        let at = self.at(dir)?;
        let below = at.strip_prefix(&self.root).unwrap_or(Path::new(""));
        let mut folder = self.root.clone();
        for name in below {
            folder.push(name);
            match std::fs::symlink_metadata(&folder) {
                Ok(meta) if host::is_link(&meta) => {
                    return Err(a_link_is_there(self.display(dir)));
                }
                Ok(meta) if meta.is_dir() => continue,
                Ok(_) => return Err(a_file_is_there(self.display(dir))),
                Err(_) => {} // making the folder reports the reason
            }
            match make_folder(&folder) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(self.fail(dir, error));
                }
                _ => {} // another writer may have just made it
            }
        }
        Ok(())
    }

    fn create(&self, path: &str) -> Result<Box<dyn DestinationFile>, DestinationError> {
        self.open_as(path, Access::Create)
    }

    fn open_rw(&self, path: &str) -> Result<Box<dyn DestinationFile>, DestinationError> {
        self.open_as(path, Access::ReadWrite)
    }

    fn open(&self, path: &str) -> Result<Box<dyn DestinationFile>, DestinationError> {
        self.open_as(path, Access::Read)
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), DestinationError> {
        let (source, goal) = (self.at(from)?, self.at(to)?);
        self.refuse_links_above(from)?;
        self.refuse_links_above(to)?;
        host::rename_new(&source, &goal).map_err(|error| {
            // "Exists" is about the new path; "not found" is about the old one.
            let missing = error.kind() == io::ErrorKind::NotFound;
            self.fail(if missing { from } else { to }, error)
        })?;
        self.sync_above(to, &goal)?;
        if source.parent() != goal.parent() {
            self.sync_above(from, &source)?;
        }
        Ok(())
    }

    fn remove_file(&self, path: &str) -> Result<(), DestinationError> {
        self.refuse_links_above(path)?;
        std::fs::remove_file(self.at(path)?).map_err(|error| self.fail(path, error))
    }

    fn remove_dir(&self, path: &str) -> Result<(), DestinationError> {
        self.refuse_links_above(path)?;
        std::fs::remove_dir(self.at(path)?).map_err(|error| self.fail(path, error))
    }

    fn modified(&self, path: &str) -> Result<Option<FileTime>, DestinationError> {
        let meta = std::fs::metadata(self.at(path)?).map_err(|error| self.fail(path, error))?;
        let Ok(time) = meta.modified() else { return Ok(None) };
        let since = time.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
        Ok(Some(FileTime::from_unix(seconds, since.subsec_nanos())))
    }

    fn space(&self) -> Result<Option<Space>, DestinationError> {
        host::space(&self.root).map_err(|error| self.fail("", error))
    }

    fn max_file_size(&self) -> u64 {
        self.max_file_size
    }

    fn is_in_memory(&self) -> bool {
        host::is_in_memory(&self.root)
    }

    fn was_made(&self) -> bool {
        self.made
    }

    fn device(&self) -> Option<u64> {
        host::device(&self.root).ok()
    }

    fn local_root(&self) -> Option<&Path> {
        Some(&self.root)
    }

    fn beside(&self) -> Option<Box<dyn BesideReader>> {
        let reader =
            || DirectoryReader { shown: self.display(""), root: self.root.clone(), open: None };
        host::is_remote(&self.root).then(|| Box::new(reader()) as Box<dyn BesideReader>)
    }
}

/// How a file is opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Access {
    Create,
    ReadWrite,
    Read,
}

impl Access {
    fn open(self, path: &Path) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true);
        if self == Self::Read {
            host::do_not_wait(&mut options);
            return options.open(path);
        }
        host::follow_no_link(options.write(true));
        if self == Self::Create {
            // Never through what is there already: a link, or a hard link of another file.
            match options.clone().create_new(true).open(path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    std::fs::remove_file(path)?;
                    return options.create_new(true).open(path);
                }
                made => return made,
            }
        }
        let file = options.open(path)?;
        // (A folder is reported by the caller.)
        let meta = file.metadata()?;
        if host::is_link(&meta) || (meta.is_file() && host::has_other_names(&meta)) {
            return Err(io::Error::from_raw_os_error(host::IS_LINK));
        }
        if host::is_to_be_followed(&meta) {
            return OpenOptions::new().read(true).write(true).open(path);
        }
        Ok(file)
    }

    /// How to reopen a file after a lost connection: keep what has been written.
    fn again(self) -> Self {
        if self == Self::Create { Self::ReadWrite } else { self }
    }
}

/// An open file in the folder.
#[derive(Debug)]
struct DirectoryFile {
    /// `None` after a transient error: the handle may be dead, so the next use
    /// reopens the file.
    file: Option<File>,
    path: PathBuf,
    shown: String,
    access: Access,
    /// Bytes.
    max_file_size: u64,
    /// What was written since the last flush.
    ledger: Ledger,
    /// The connection was lost since the last flush, and with it perhaps the
    /// system's cache of earlier writes.
    reopened: bool,
    /// Linux reports a failed flush only once; the next one succeeds. So remember it.
    flush_failed: bool,
    /// Its directory entry may not be on the medium.
    name_unflushed: bool,
}

impl DirectoryFile {
    /// Runs `job` with the handle, reopened if needed.
    fn with<T>(&mut self, job: impl FnOnce(&File) -> io::Result<T>) -> Result<T, DestinationError> {
        let file = match self.file.take() {
            Some(file) => Ok(file),
            None => self.access.open(&self.path).inspect(|_| self.reopened = true),
        };
        file.and_then(|file| job(self.file.insert(file))).map_err(|error| {
            let error = from_io(error, self.shown.clone(), true);
            if error.is_transient() {
                self.file = None;
            }
            error
        })
    }

    fn check_size(&self, bytes: Option<u64>) -> Result<(), DestinationError> {
        if bytes.is_some_and(|bytes| bytes <= self.max_file_size) {
            return Ok(());
        }
        Err(DestinationError {
            kind: ErrorKind::Unfit,
            path: self.shown.clone(),
            what: "the file is too large for the destination's file system".to_owned(),
            action: "use --split 4000M, or a destination with NTFS or exFAT".to_owned(),
            source: None,
        })
    }
}

impl DestinationFile for DirectoryFile {
    fn write_all_at(&mut self, offset: u64, data: &[u8]) -> Result<(), DestinationError> {
        // Windows reports a full FAT volume if only the file is too large.
        self.check_size(offset.checked_add(data.len() as u64))?;
        self.with(|file| host::write_all_at(file, data, offset))?;
        self.ledger.put(self.ledger.piece(offset, data));
        Ok(())
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize, DestinationError> {
        self.with(|file| read_full_at(file, offset, buf))
    }

    fn size(&mut self) -> Result<u64, DestinationError> {
        self.with(|file| Ok(file.metadata()?.len()))
    }

    fn set_size(&mut self, bytes: u64) -> Result<(), DestinationError> {
        self.check_size(Some(bytes))?;
        self.with(|file| file.set_len(bytes))?;
        self.ledger.resized(bytes);
        Ok(())
    }

    fn sync(&mut self) -> Result<(), DestinationError> {
        if self.access == Access::Read {
            return Ok(());
        }
        self.with(host::sync_file)
            .inspect_err(|error| self.flush_failed |= !error.is_transient())?;
        if self.flush_failed {
            return Err(bytes_are_missing(self.shown.clone()));
        }
        if self.reopened {
            let ledger = std::mem::take(&mut self.ledger);
            let kept = ledger.is_kept(|offset, buf| self.read_at(offset, buf));
            self.ledger = ledger;
            if !kept? {
                return Err(bytes_are_missing(self.shown.clone()));
            }
        }
        let path = self.path.clone();
        if let Some(above) = path.parent().filter(|_| self.name_unflushed) {
            self.with(|_| host::sync_folder(above))?;
        }
        (self.reopened, self.name_unflushed) = (false, false);
        self.ledger.clear();
        self.with(|file| {
            host::drop_cache(file, &path);
            Ok(())
        })
    }

    /// Flushes if needed: some mounts (NFS, CIFS) report "disk full" only then.
    fn close(mut self: Box<Self>) -> Result<(), DestinationError> {
        let done = if self.ledger.is_dirty() { self.sync() } else { Ok(()) };
        if self.access != Access::Read {
            self.file = None;
            host::drop_closed(&self.path);
        }
        done
    }
}

/// Reads from a server what another handle writes there. The logon is that of the destination,
/// which lives longer.
struct DirectoryReader {
    shown: String,
    root: PathBuf,
    open: Option<(String, File)>,
}

impl DirectoryReader {
    fn read(&mut self, path: &str, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let file = match self.open.take() {
            Some((of, file)) if of == path => file,
            _ => {
                let mut at = self.root.clone();
                at.extend(names::split(path).map_err(io::Error::other)?);
                host::open_past_cache(&at)?
            }
        };
        let (_, file) = self.open.insert((path.to_owned(), file));
        read_full_at(file, offset, buf)
    }
}

impl BesideReader for DirectoryReader {
    fn read_at(
        &mut self,
        path: &str,
        offset: u64,
        buf: &mut [u8],
    ) -> Result<usize, DestinationError> {
        let shown = format!("{}/{path}", self.shown);
        self.read(path, offset, buf).map_err(|error| from_io(error, shown, true))
    }
}

/// Reads until `buf` is full or the file ends.
fn read_full_at(file: &File, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
    let mut done = 0;
    while let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match host::read_at(file, rest, offset.saturating_add(done as u64)) {
            Ok(0) => break,
            Ok(read) => done += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// Makes one folder and flushes its directory entry.
fn make_folder(folder: &Path) -> io::Result<()> {
    std::fs::create_dir(folder)?;
    folder.parent().map_or(Ok(()), host::sync_folder)
}

fn entry_of(name: String, meta: &Metadata) -> DestinationEntry {
    let is_dir = meta.is_dir();
    DestinationEntry { name, is_dir, size: if is_dir { 0 } else { meta.len() } }
}

fn a_file_is_there(path: String) -> DestinationError {
    in_the_way(path, "there is a file where a folder is needed")
}

fn a_link_is_there(path: String) -> DestinationError {
    in_the_way(path, "there is a link, which Lifeboat does not follow")
}

fn a_folder_is_there(path: String) -> DestinationError {
    in_the_way(path, "there is a folder where a file is needed")
}
