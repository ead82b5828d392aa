//! Writes files on Linux: below an open root, one name at a time, never through a
//! link. On an ntfs-3g mount, NTFS metadata is set by `system.ntfs_*` attributes;
//! other file systems only get times.

#[path = "linux/facts.rs"] // this file is `platform` to the module above
mod facts;

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, XattrFlags};
use rustix::io::Errno;

use self::facts::{
    add_attribute, attributes_of, notice_new_kind, set_attributes, set_ntfs, set_plain,
};
pub(super) use self::facts::{put_times_back, set_by_handle};
use super::outcome::Verdict;
use super::place::{Fact, FactKind, Kind, time_slack};
use crate::model::exhausted;
use crate::model::metadata::attributes;
use crate::model::name::NtName;
use crate::tree::host::linux::xattrs::{XATTR_SIZE_MAX, proc_path, stream_attribute};
use crate::tree::host::linux::{Flavour, flavour_of};

/// Folders that are kept open on the way to the last used one.
const MAX_WAY: usize = 32;

/// A folder to restore into.
pub(super) struct Root {
    top: Arc<OwnedFd>,
    flavour: Flavour,
    /// Whether new files in compressed folders are compressed; unknown until it
    /// was tried.
    packs: bool,
    /// The folders on the way to the last used one, from the top.
    way: Vec<(NtName, Arc<OwnedFd>)>,
    /// The attributes of the folder in which the last file was made.
    bits: Option<(Arc<OwnedFd>, u32)>,
}

impl Root {
    /// Opens a folder that the user gave.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let top = rustix::fs::open(path, flags, Mode::empty())?;
        let flavour = flavour_of(&top)?;
        Ok(Self { top: Arc::new(top), flavour, packs: false, way: Vec::new(), bits: None })
    }

    /// Whether the file system supports this kind of metadata.
    pub(super) fn holds(&self, fact: FactKind) -> bool {
        match (self.flavour, fact) {
            (_, FactKind::Times) => true,
            // Takes EFS, and the key of a user.
            (Flavour::Plain, _) | (_, FactKind::FolderEncryption) => false,
            (Flavour::Ntfs3g { streams }, FactKind::Stream) => streams,
            (Flavour::Ntfs3g { .. }, FactKind::Compression) => self.packs,
            (Flavour::Ntfs3g { .. }, _) => true,
        }
    }

    /// On Linux, the mount decides; nothing is to be found out.
    #[allow(clippy::unused_self)] // it is the same call on Windows
    pub(super) fn try_short_names(&mut self) {}

    /// Whether this is NTFS and yet tells names apart that differ only in letter case, as
    /// ntfs-3g does unless it is told not to.
    pub(super) fn distinguishes_case_of_ntfs(&self) -> bool {
        matches!(self.flavour, Flavour::Ntfs3g { .. })
    }

    /// How far a time may be from the one that was set, in units of 100 ns. A file
    /// system without creation times may be FAT.
    pub(super) fn time_slack(&self, kind: FactKind) -> u64 {
        let file_system = if self.holds(FactKind::CreationTime) { "NTFS" } else { "FAT" };
        time_slack(file_system, kind)
    }

    /// Finds out whether files can be compressed. ntfs-3g does so unless a mount
    /// option forbids it or the volume's clusters are too large. Only a new file
    /// shows it.
    pub(super) fn try_packing(&mut self) {
        let Flavour::Ntfs3g { .. } = self.flavour else { return };
        let Ok(folder) = CString::new(format!("lifeboat-{}.partial", std::process::id())) else {
            return;
        };
        if rustix::fs::mkdirat(&*self.top, &*folder, self.mode(true)).is_err() {
            return; // the restore itself will report the error
        }
        let tried = || -> io::Result<bool> {
            add_attribute(&self.top, &folder, attributes::COMPRESSED)?;
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let inside = rustix::fs::openat(&*self.top, &*folder, flags, Mode::empty())?;
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            let file = rustix::fs::openat(&inside, c"x", flags, self.mode(false))?;
            let _ = rustix::io::write(&file, &[0; 64])?;
            drop(file);
            let bits = attributes_of(&inside, c"x");
            rustix::fs::unlinkat(&inside, c"x", AtFlags::empty())?;
            Ok(bits? & attributes::COMPRESSED != 0)
        };
        self.packs = tried().unwrap_or(false);
        let _ = rustix::fs::unlinkat(&*self.top, &*folder, AtFlags::REMOVEDIR);
    }

    /// Marks a folder so that files made in it are compressed.
    pub(super) fn pack_folder(&mut self, at: &[NtName]) -> io::Result<()> {
        self.bits = None;
        let (folder, name) = self.parent(at, false)?;
        Ok(add_attribute(&folder, &name, attributes::COMPRESSED)?)
    }

    /// Bytes that can still be written.
    pub(super) fn space(&self) -> Option<u64> {
        let stat = rustix::fs::fstatvfs(&*self.top).ok()?;
        stat.f_bavail.checked_mul(stat.f_frsize)
    }

    /// What is at this path, if anything.
    pub(super) fn kind(&mut self, at: &[NtName]) -> io::Result<Option<Kind>> {
        let (folder, name) = match self.parent(at, false) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            found => found?,
        };
        match rustix::fs::statat(&*folder, &*name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory => Kind::Folder,
                FileType::RegularFile => Kind::File,
                _ => Kind::Other,
            })),
            Err(Errno::NOENT) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    /// The first names in a folder, up to `most`; `None` if it does not exist.
    pub(super) fn list(&mut self, at: &[NtName], most: usize) -> io::Result<Option<Vec<NtName>>> {
        let folder = match self.folder(at, false) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            found => found?,
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&*folder, c".", flags, Mode::empty())?;
        let mut names = Vec::new();
        for entry in Dir::new(fd)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if names.len() == most {
                break;
            }
            if name != b"." && name != b".." {
                let text = || NtName::from(&*String::from_utf8_lossy(name));
                names.push(NtName::from_wtf8(name).unwrap_or_else(text));
            }
        }
        Ok(Some(names))
    }

    /// Makes a folder and its parents; no error if it exists. Returns whether it
    /// was made.
    pub(super) fn make_folder(&mut self, at: &[NtName]) -> io::Result<bool> {
        let (folder, name) = self.parent(at, true)?;
        match rustix::fs::mkdirat(&*folder, &*name, self.mode(true)) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => match self.kind(at)? {
                Some(Kind::Folder) => Ok(false),
                _ => Err(Errno::NOTDIR.into()),
            },
            Err(e) => Err(e.into()),
        }
    }

    /// Makes a new file and its parents; compressed if requested. The folder's mark
    /// decides about compression here, so it is set for the call and then restored.
    pub(super) fn create(&mut self, at: &[NtName], is_packed: bool) -> io::Result<File> {
        let (folder, name) = self.parent(at, true)?;
        let was = if self.packs { Some(self.bits_of(&folder)?) } else { None };
        let other = was.filter(|bits| (bits & attributes::COMPRESSED != 0) != is_packed);
        if let Some(bits) = other {
            set_attributes(&folder, c".", bits ^ attributes::COMPRESSED)?;
        }
        let made = self.create_in(&folder, &name);
        if let Some(bits) = other {
            set_attributes(&folder, c".", bits)?;
        }
        made
    }

    /// The attributes of a folder that files are made in, read once.
    fn bits_of(&mut self, folder: &Arc<OwnedFd>) -> io::Result<u32> {
        if let Some((known, bits)) = &self.bits
            && Arc::ptr_eq(known, folder)
        {
            return Ok(*bits);
        }
        let bits = attributes_of(folder, c".")?;
        self.bits = Some((Arc::clone(folder), bits));
        Ok(bits)
    }

    fn create_in(&self, folder: &OwnedFd, name: &CString) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let fd = rustix::fs::openat(folder, &**name, flags | OFlags::CLOEXEC, self.mode(false))?;
        Ok(File::from(fd))
    }

    /// Opens an existing file, to read.
    pub(super) fn open_file(&mut self, at: &[NtName]) -> io::Result<File> {
        let (folder, name) = self.parent(at, false)?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        Ok(File::from(rustix::fs::openat(&*folder, &*name, flags, Mode::empty())?))
    }

    /// Imports the EFS raw form; only Windows can do it.
    #[allow(clippy::unused_self)] // it is the same call on Windows
    pub(super) fn import_encrypted(
        &mut self,
        _at: &[NtName],
        _replace: bool,
        _data: &mut dyn Read,
    ) -> io::Result<()> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "only Windows supports this"))
    }

    /// Removes a file or link (never its target), or an empty folder with reparse
    /// data. A folder that is not empty only loses its reparse data and becomes an
    /// ordinary folder.
    pub(super) fn remove(&mut self, at: &[NtName]) -> io::Result<()> {
        self.way.clear();
        let (folder, name) = self.parent(at, false)?;
        match rustix::fs::unlinkat(&*folder, &*name, AtFlags::empty()) {
            Err(Errno::ISDIR | Errno::NOTEMPTY) => {}
            done => return Ok(done?),
        }
        match rustix::fs::unlinkat(&*folder, &*name, AtFlags::REMOVEDIR) {
            Err(Errno::NOTEMPTY | Errno::NOTDIR) => {
                let path = proc_path(&folder, &name);
                rustix::fs::lremovexattr(&*path, "system.ntfs_reparse_data")?;
                notice_new_kind(&folder, &name);
                Ok(())
            }
            done => Ok(done?),
        }
    }

    /// Renames a file or folder; the new name must be free.
    pub(super) fn rename(&mut self, at: &[NtName], to: &[NtName]) -> io::Result<()> {
        self.way.clear();
        let (from, from_name) = self.parent(at, false)?;
        let (to, to_name) = self.parent(to, false)?;
        // FUSE has no rename that refuses to replace. This one moves folders, so it
        // could only replace an empty folder.
        Ok(rustix::fs::renameat(&*from, &*from_name, &*to, &*to_name)?)
    }

    /// Whether a file has this DOS name, as far as it can be known.
    pub(super) fn has_short_name(&mut self, at: &[NtName], short: &NtName) -> bool {
        let Ok((folder, name)) = self.parent(at, false) else { return false };
        let mut found = [0; 64];
        let path = proc_path(&folder, &name);
        rustix::fs::lgetxattr(&*path, "system.ntfs_dos_name", &mut found[..])
            .is_ok_and(|len| found.get(..len) == Some(short.as_wtf8()))
    }

    /// Makes a hard link.
    pub(super) fn link(&mut self, file: &[NtName], at: &[NtName]) -> io::Result<()> {
        let (from, from_name) = self.parent(file, false)?;
        let (to, to_name) = self.parent(at, true)?;
        rustix::fs::linkat(&*from, &*from_name, &*to, &*to_name, AtFlags::empty())?;
        Ok(())
    }

    /// Begins an alternate data stream of an existing file or folder.
    pub(super) fn stream(
        &mut self,
        at: &[NtName],
        name: &NtName,
        bytes: u64,
    ) -> io::Result<NewStream> {
        if bytes > XATTR_SIZE_MAX as u64 {
            let text = "ntfs-3g supports alternate data streams up to 64 KiB only";
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
        }
        let (folder, file) = self.parent(at, false)?;
        Ok(NewStream {
            path: proc_path(&folder, &file),
            _folder: folder,
            name: stream_attribute(name.as_wtf8()),
            bytes: Vec::new(),
        })
    }

    /// Opens an existing alternate data stream, to read.
    pub(super) fn open_stream(
        &mut self,
        at: &[NtName],
        name: &NtName,
    ) -> io::Result<impl Read + use<>> {
        let (folder, file) = self.parent(at, false)?;
        let mut bytes = vec![0; XATTR_SIZE_MAX];
        let attribute = stream_attribute(name.as_wtf8());
        let read = rustix::fs::lgetxattr(&*proc_path(&folder, &file), &*attribute, &mut bytes[..])?;
        bytes.truncate(read);
        Ok(io::Cursor::new(bytes))
    }

    /// Whether this metadata of a file that was just written can be set through its
    /// open handle, which saves a third of the round trips to the mount. What becomes
    /// another file type to the kernel must be set by path.
    pub(super) fn sets_by_handle(&self, facts: &[Fact<'_>]) -> bool {
        let is_plain = |fact: &Fact<'_>| match fact {
            Fact::Reparse(_) | Fact::ShortName(_) => false,
            Fact::Attributes(bits) => bits & attributes::SYSTEM == 0,
            _ => true,
        };
        matches!(self.flavour, Flavour::Ntfs3g { .. }) && facts.iter().all(is_plain)
    }

    /// Sets metadata in the given order; calls `failed` for each piece that cannot be
    /// set. Does not follow a link at the path.
    pub(super) fn set(
        &mut self,
        at: &[NtName],
        facts: &[Fact<'_>],
        failed: &mut dyn FnMut(FactKind, io::Error),
    ) -> io::Result<()> {
        self.bits = None;
        let (folder, name) = self.parent(at, false)?;
        for fact in facts {
            let result = match self.flavour {
                Flavour::Ntfs3g { .. } => set_ntfs(&folder, &name, fact),
                Flavour::Plain => set_plain(&folder, &name, fact),
            };
            if let Err(error) = result {
                failed(fact.kind(), error.into());
            }
        }
        Ok(())
    }

    /// A file's object id; empty if it has none.
    pub(super) fn object_id(&mut self, at: &[NtName]) -> io::Result<Vec<u8>> {
        let (folder, name) = self.parent(at, false)?;
        facts::object_id(&folder, &name)
    }

    /// Takes a file's object id away.
    pub(super) fn remove_object_id(&mut self, at: &[NtName]) -> io::Result<()> {
        let (folder, name) = self.parent(at, false)?;
        facts::remove_object_id(&folder, &name)
    }

    /// Returns when everything is on the medium, as far as that can be known.
    pub(super) fn sync(&self) -> io::Result<()> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&*self.top, c".", flags, Mode::empty())?;
        Ok(rustix::fs::syncfs(fd)?)
    }

    /// Where permissions cannot be kept, the user's files are at least not readable
    /// by everyone; on NTFS the descriptor follows.
    fn mode(&self, is_folder: bool) -> Mode {
        Mode::from_raw_mode(match (self.flavour, is_folder) {
            (Flavour::Plain, false) => 0o600,
            (Flavour::Plain, true) => 0o700,
            (Flavour::Ntfs3g { .. }, false) => 0o666,
            (Flavour::Ntfs3g { .. }, true) => 0o777,
        })
    }

    /// The parent folder and the last name.
    fn parent(&mut self, at: &[NtName], make: bool) -> io::Result<(Arc<OwnedFd>, CString)> {
        match at.split_last() {
            Some((name, above)) => Ok((self.folder(above, make)?, c_name(name)?)),
            None => Ok((self.top.clone(), c".".to_owned())),
        }
    }

    /// Opens a folder; makes it and its parents if requested.
    fn folder(&mut self, at: &[NtName], make: bool) -> io::Result<Arc<OwnedFd>> {
        let known = self.way.iter().zip(at).take_while(|((have, _), want)| have == *want).count();
        self.way.truncate(known);
        let mut beyond: Option<Arc<OwnedFd>> = None;
        for name in at.iter().skip(known) {
            let above = beyond.as_ref().or(self.way.last().map(|(_, fd)| fd));
            let above = above.unwrap_or(&self.top).clone();
            let c_name = c_name(name)?;
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let open = || rustix::fs::openat(&*above, &*c_name, flags, Mode::empty());
            let fd = match open() {
                Err(Errno::NOENT) if make => {
                    rustix::fs::mkdirat(&*above, &*c_name, self.mode(true))?;
                    open()?
                }
                result => result?,
            };
            let fd = Arc::new(fd);
            // A set may have paths that are deeper than there are open files.
            if beyond.is_none() && self.way.len() < MAX_WAY {
                self.way.push((name.clone(), fd));
            } else {
                beyond = Some(fd);
            }
        }
        Ok(beyond.as_ref().or(self.way.last().map(|(_, fd)| fd)).unwrap_or(&self.top).clone())
    }
}

/// An alternate data stream for an ntfs-3g mount, which takes it in one piece.
pub(super) struct NewStream {
    /// Through the folder's handle, which must stay open.
    path: CString,
    _folder: Arc<OwnedFd>,
    name: CString,
    bytes: Vec<u8>,
}

impl NewStream {
    pub(super) fn finish(self) -> io::Result<()> {
        let Self { path, name, bytes, .. } = &self;
        Ok(rustix::fs::lsetxattr(&**path, &**name, bytes, XattrFlags::empty())?)
    }
}

impl Write for NewStream {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + data.len() > XATTR_SIZE_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn c_name(name: &NtName) -> io::Result<CString> {
    CString::new(name.as_wtf8()).map_err(|_| io::ErrorKind::InvalidInput.into())
}

/// Whether another file system is mounted at `name` in `dir`. A link to one does
/// not count.
pub(super) fn is_mounted(dir: &Path, name: &str) -> bool {
    use std::os::unix::fs::MetadataExt;
    let (Ok(at), Ok(above)) = (dir.join(name).symlink_metadata(), dir.metadata()) else {
        return false;
    };
    at.is_dir() && at.dev() != above.dev()
}

/// Classifies an error of the destination.
pub(super) fn judge(error: &io::Error) -> Verdict {
    if exhausted::is_exhausted(error) {
        return Verdict::Exhausted;
    }
    match Errno::from_io_error(error) {
        Some(Errno::NOSPC | Errno::DQUOT) => Verdict::Full,
        Some(Errno::ROFS) => Verdict::Denied,
        Some(
            Errno::NODEV
            | Errno::NXIO
            | Errno::NOTCONN
            | Errno::STALE
            | Errno::HOSTDOWN
            | Errno::SHUTDOWN,
        ) => Verdict::Broken,
        _ => Verdict::OneFile,
    }
}

/// Whether the file system does not support it.
pub(super) fn is_unsupported(error: &io::Error) -> bool {
    Errno::from_io_error(error) == Some(Errno::OPNOTSUPP)
}

/// Lets a file have holes; on Linux nothing is needed.
pub(super) fn allow_holes(_file: &File) {}

/// Writes all of `data` at a byte of the file.
pub(super) fn write_all_at(file: &File, data: &[u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, data, at)
}

/// What tells the volume of a folder from others.
pub(super) fn volume_of(path: &Path) -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    path.metadata().ok().map(|meta| meta.dev())
}

/// Whether two handles are of one file.
pub(super) fn is_same_file(one: &File, other: &File) -> bool {
    use std::os::unix::fs::MetadataExt;
    let (one, other) = (one.metadata(), other.metadata());
    one.is_ok_and(|one| {
        other.is_ok_and(|other| (one.dev(), one.ino()) == (other.dev(), other.ino()))
    })
}

/// Reads at most `most` bytes of a file.
pub(super) fn read_start(file: File, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}
