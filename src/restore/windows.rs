//! Putting files down on Windows: below an open root, by handles, one name at a
//! time, never through a link. No path is ever put together for Windows to take
//! apart again, but for the one call (EFS) that knows nothing else.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::windows::io::OwnedHandle;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use windows_sys::Wdk::Storage::FileSystem as wdk;
use windows_sys::Win32::Foundation as w;
use windows_sys::Win32::Security as sec;
use windows_sys::Win32::Storage::FileSystem as fs;
use windows_sys::Win32::System::Ioctl::{
    FSCTL_SET_COMPRESSION, FSCTL_SET_OBJECT_ID, FSCTL_SET_REPARSE_POINT, FSCTL_SET_SPARSE,
};
use windows_sys::Win32::System::SystemServices as flags;

use super::outcome::Verdict;
use super::place::{Fact, FactKind, Kind, SETTABLE};
use crate::model::metadata::{Times, attributes, is_name_surrogate};
use crate::model::name::NtName;
pub(super) use crate::tree::host::windows::info::is_unsupported;
use crate::tree::host::windows::nt::{self, How};
use crate::tree::host::windows::{
    WHOLE_DESCRIPTOR, efs, info, placeholders, privileges, streams_of,
};

/// A new file, for its data.
const CREATE: How = How {
    access: fs::FILE_WRITE_DATA | fs::FILE_APPEND_DATA | fs::FILE_WRITE_ATTRIBUTES,
    disposition: wdk::FILE_CREATE,
    options: wdk::FILE_NON_DIRECTORY_FILE | wdk::FILE_SEQUENTIAL_ONLY,
};

/// `SE_DACL_AUTO_INHERIT_REQ` and its like ask Windows to keep what
/// `SE_DACL_AUTO_INHERITED` says (MS-DTYP 2.4.6); it is dropped otherwise.
const AUTO_INHERITED: [(u16, u16); 2] = [(0x0400, 0x0100), (0x0800, 0x0200)];

/// A folder below which files are put.
pub(super) struct Root {
    path: PathBuf,
    top: Arc<OwnedHandle>,
    /// `FILE_NAMED_STREAMS` and its like (MS-FSCC 2.5.1).
    volume: u32,
    is_ntfs: bool,
    has_streams: bool,
    /// The folders on the way to the one used last, from the top.
    way: Vec<(NtName, Arc<OwnedHandle>)>,
}

impl Root {
    /// Opens a folder that the user named. Switches the backup privileges on.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        privileges::enable();
        placeholders::expose();
        let top = nt::open_root(path)?;
        let volume = nt::volume(&top).ok();
        Ok(Self {
            path: nt::whole_drive(path),
            volume: volume.as_ref().map_or(0, |v| v.flags),
            is_ntfs: volume.is_some_and(|v| v.file_system == "NTFS"),
            has_streams: streams_of(&top).is_ok(),
            top: Arc::new(top),
            way: Vec::new(),
        })
    }

    /// Whether the file system has a place for such a fact.
    pub(super) fn holds(&self, fact: FactKind) -> bool {
        let has = |flag| self.volume & flag != 0;
        match fact {
            FactKind::Attributes | FactKind::CreationTime | FactKind::Times => true,
            FactKind::Security => has(flags::FILE_PERSISTENT_ACLS),
            FactKind::Reparse => has(flags::FILE_SUPPORTS_REPARSE_POINTS),
            FactKind::ObjectId => has(flags::FILE_SUPPORTS_OBJECT_IDS),
            FactKind::ExtendedAttributes => has(flags::FILE_SUPPORTS_EXTENDED_ATTRIBUTES),
            FactKind::ShortName => self.is_ntfs,
            FactKind::Stream => self.has_streams && has(flags::FILE_NAMED_STREAMS),
            FactKind::Compression => has(flags::FILE_FILE_COMPRESSION),
        }
    }

    /// Here the volume itself says whether files can be compressed.
    #[allow(clippy::unused_self)] // on Linux it does something
    pub(super) fn try_packing(&mut self) {}

    /// Folders are marked with their attributes, when all is in them: so nothing
    /// takes after them.
    #[allow(clippy::unnecessary_wraps, clippy::unused_self)] // on Linux it does something
    pub(super) fn pack_folder(&mut self, _at: &[NtName]) -> io::Result<()> {
        Ok(())
    }

    /// Bytes that may still be written.
    pub(super) fn space(&self) -> Option<u64> {
        nt::free_bytes(&self.path)
    }

    /// What stands there, if anything does.
    pub(super) fn kind(&mut self, at: &[NtName]) -> io::Result<Option<Kind>> {
        let look = self
            .parent(at, false)
            .and_then(|(folder, name)| info::look(&nt::open_at(&folder, &name, How::LOOK)?));
        match look {
            Ok(look) if look.reparse_tag.is_some_and(is_name_surrogate) => Ok(Some(Kind::Other)),
            Ok(look) if look.attributes & attributes::DIRECTORY != 0 => Ok(Some(Kind::Folder)),
            Ok(_) => Ok(Some(Kind::File)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// The first names in a folder, up to `most`; `None` if it is not there.
    pub(super) fn list(&mut self, at: &[NtName], most: usize) -> io::Result<Option<Vec<NtName>>> {
        // A handle of its own: a listing goes on where the last one stopped.
        let folder = if at.is_empty() {
            nt::open_root(&self.path)
        } else {
            self.parent(at, false).and_then(|(above, name)| enter(&above, &name))
        };
        let folder = match folder {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            found => found?,
        };
        let mut names = Vec::new();
        nt::list(&folder, &mut |listed| {
            names.push(NtName::from_utf16(&listed.name));
            names.len() < most
        })?;
        Ok(Some(names))
    }

    /// Makes a folder and those above it; fine if it is there. Says whether it
    /// was made.
    pub(super) fn make_folder(&mut self, at: &[NtName]) -> io::Result<bool> {
        let (above, name) = self.parent(at, true)?;
        match make(&above, &name) {
            Ok(_) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => match self.kind(at)? {
                Some(Kind::Folder) => Ok(false),
                _ => Err(io::ErrorKind::NotADirectory.into()),
            },
            Err(e) => Err(e),
        }
    }

    /// Makes a new file, and the folders above it; a compressed one if that is
    /// asked for. Where that fails the read-back says so.
    pub(super) fn create(&mut self, at: &[NtName], is_packed: bool) -> io::Result<File> {
        let (folder, name) = self.parent(at, true)?;
        let more = if is_packed { fs::FILE_READ_DATA } else { 0 };
        let file = nt::open_at(&folder, &name, How { access: CREATE.access | more, ..CREATE })?;
        if is_packed {
            let _ = compress(&file);
        }
        Ok(File::from(file))
    }

    /// Opens a file that is there, to read.
    pub(super) fn open_file(&mut self, at: &[NtName]) -> io::Result<File> {
        let (folder, name) = self.parent(at, false)?;
        Ok(File::from(nt::open_at(&folder, &name, How::READ)?))
    }

    /// Removes a file or link (never what it leads to), or an empty folder.
    pub(super) fn remove(&mut self, at: &[NtName]) -> io::Result<()> {
        self.way.clear();
        let (folder, name) = self.parent(at, false)?;
        let access = fs::DELETE | fs::FILE_WRITE_ATTRIBUTES;
        let file = nt::open_at(&folder, &name, How { access, ..How::LOOK })?;
        if info::look(&file)?.attributes & attributes::READONLY != 0 {
            info::set_basic(&file, Times::default(), attributes::NORMAL)?;
        }
        // FILE_DISPOSITION_INFORMATION (MS-FSCC 2.4.11): goes with the last handle.
        info::set(&file, wdk::FileDispositionInformation, &[1])
    }

    /// Gives a file or folder another name, which must be free.
    pub(super) fn rename(&mut self, at: &[NtName], to: &[NtName]) -> io::Result<()> {
        self.way.clear(); // a folder that is open further down cannot be moved
        let (from, from_name) = self.parent(at, false)?;
        let file = nt::open_at(&from, &from_name, How { access: fs::DELETE, ..How::LOOK })?;
        let (to, name) = self.parent(to, false)?;
        info::rename(&file, &to, &name)
    }

    /// Whether a file has this DOS name, as far as can be known: Windows gives a
    /// file the one that it has again without complaint.
    #[allow(clippy::unused_self)] // on Linux it does something
    pub(super) fn has_short_name(&mut self, _at: &[NtName], _short: &NtName) -> bool {
        true
    }

    /// A further name for a file.
    pub(super) fn link(&mut self, file: &[NtName], at: &[NtName]) -> io::Result<()> {
        let (from, from_name) = self.parent(file, false)?;
        let access = fs::FILE_WRITE_ATTRIBUTES;
        let file = nt::open_at(&from, &from_name, How { access, ..How::LOOK })?;
        let (to, name) = self.parent(at, true)?;
        info::link(&file, &to, &name)
    }

    /// Begins a named stream of a file or folder that is there.
    pub(super) fn stream(
        &mut self,
        at: &[NtName],
        name: &NtName,
        _bytes: u64,
    ) -> io::Result<NewStream> {
        let (folder, file) = self.parent(at, false)?;
        let whole = [&file, &[u16::from(b':')][..], &name.to_utf16()].concat();
        let how = How { disposition: wdk::FILE_OVERWRITE_IF, ..CREATE };
        Ok(NewStream(File::from(nt::open_at(&folder, &whole, how)?)))
    }

    /// Imports EFS's raw form into a new file.
    pub(super) fn import_encrypted(
        &mut self,
        at: &[NtName],
        may_replace: bool,
        data: &mut dyn Read,
    ) -> io::Result<()> {
        match self.kind(at)? {
            None => {}
            Some(Kind::Folder) => return Err(io::ErrorKind::AlreadyExists.into()),
            Some(_) if may_replace => self.remove(at)?,
            Some(_) => return Err(io::ErrorKind::AlreadyExists.into()),
        }
        let (folder, name) = self.parent(at, true)?;
        let mut path = nt::final_path(&folder)?;
        path.pop();
        if path.last() != Some(&u16::from(b'\\')) {
            path.push(b'\\'.into());
        }
        path.extend(name);
        path.push(0);
        efs::import(&path, data)
    }

    /// Whether facts of a file that was just written can be set through its own
    /// handle. Here that handle has not the rights for all of them.
    #[allow(clippy::unused_self)] // on Linux it does something
    pub(super) fn sets_by_handle(&self, _facts: &[Fact<'_>]) -> bool {
        false
    }

    /// Sets facts, in the order given; calls `failed` for each that cannot be
    /// set.
    pub(super) fn set(
        &mut self,
        at: &[NtName],
        facts: &[Fact<'_>],
        failed: &mut dyn FnMut(FactKind, io::Error),
    ) -> io::Result<()> {
        if facts.is_empty() {
            return Ok(());
        }
        let (folder, name) = self.parent(at, false)?;
        let file = open_to_set(&folder, &name, facts)?;
        for fact in facts {
            if let Err(error) = set(&file, fact) {
                failed(fact.kind(), error);
            }
            if packs(fact)
                && let Err(error) = compress(&file)
            {
                failed(FactKind::Compression, error);
            }
        }
        Ok(())
    }

    /// Returns when everything is on the medium, as far as anybody can know:
    /// whoever may not flush a volume has to trust it.
    #[allow(clippy::unnecessary_wraps, clippy::unused_self)] // on Linux it does something
    pub(super) fn sync(&self) -> io::Result<()> {
        let _ = nt::flush_volume(&self.top);
        Ok(())
    }

    /// The folder above the last name, and that name.
    fn parent(&mut self, at: &[NtName], make: bool) -> io::Result<(Arc<OwnedHandle>, Vec<u16>)> {
        match at.split_last() {
            Some((name, above)) => Ok((self.folder(above, make)?, name.to_utf16())),
            None => Ok((self.top.clone(), Vec::new())),
        }
    }

    /// Opens a folder, making it and those above it if told to.
    fn folder(&mut self, at: &[NtName], make_it: bool) -> io::Result<Arc<OwnedHandle>> {
        let known = self.way.iter().zip(at).take_while(|((have, _), want)| have == *want).count();
        self.way.truncate(known);
        for name in at.iter().skip(known) {
            let above = self.way.last().map_or(&self.top, |(_, handle)| handle).clone();
            let units = name.to_utf16();
            let handle = match enter(&above, &units) {
                Err(e) if make_it && e.kind() == io::ErrorKind::NotFound => make(&above, &units),
                result => result,
            }?;
            self.way.push((name.clone(), Arc::new(handle)));
        }
        Ok(self.way.last().map_or(&self.top, |(_, handle)| handle).clone())
    }
}

/// A named stream on its way to the file system.
pub(super) struct NewStream(File);

impl NewStream {
    #[allow(clippy::unnecessary_wraps, clippy::unused_self)] // on Linux it does something
    pub(super) fn finish(self) -> io::Result<()> {
        Ok(())
    }
}

impl Write for NewStream {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.0.write(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Opens a folder that is there; a link or junction is none. (One that a cloud
/// looks after has reparse data too, and is a folder like others.)
fn enter(above: &OwnedHandle, name: &[u16]) -> io::Result<OwnedHandle> {
    let folder = nt::open_at(above, name, How::FOLDER)?;
    match info::look(&folder)?.reparse_tag {
        Some(tag) if is_name_surrogate(tag) => Err(io::ErrorKind::NotADirectory.into()),
        _ => Ok(folder),
    }
}

fn make(above: &OwnedHandle, name: &[u16]) -> io::Result<OwnedHandle> {
    nt::open_at(above, name, How { disposition: wdk::FILE_CREATE, ..How::FOLDER })
}

/// Opens a file with the rights that these facts take, or as many of them as
/// are granted: each fact that lacks its own will say so.
fn open_to_set(folder: &OwnedHandle, name: &[u16], facts: &[Fact<'_>]) -> io::Result<OwnedHandle> {
    let mut access = fs::FILE_WRITE_ATTRIBUTES;
    for fact in facts {
        access |= match fact {
            Fact::Security(_) => {
                fs::READ_CONTROL | fs::WRITE_DAC | fs::WRITE_OWNER | flags::ACCESS_SYSTEM_SECURITY
            }
            Fact::ExtendedAttributes(_) => fs::FILE_WRITE_EA,
            Fact::ObjectId(_) | Fact::Reparse(_) => fs::FILE_WRITE_DATA,
            Fact::ShortName(_) => fs::DELETE,
            Fact::Attributes(_) if packs(fact) => fs::FILE_READ_DATA | fs::FILE_WRITE_DATA,
            Fact::Attributes(_) | Fact::Times(_) => 0,
        };
    }
    let mut refusal = None;
    for without in [
        0,
        flags::ACCESS_SYSTEM_SECURITY,
        flags::ACCESS_SYSTEM_SECURITY | fs::WRITE_OWNER | fs::WRITE_DAC | fs::DELETE,
    ] {
        match nt::open_at(folder, name, How { access: access & !without, ..How::LOOK }) {
            Ok(file) => return Ok(file),
            Err(error) => refusal = Some(error),
        }
    }
    Err(refusal.unwrap_or_else(|| io::ErrorKind::PermissionDenied.into()))
}

/// Whether a folder is to be marked as compressed.
fn packs(fact: &Fact<'_>) -> bool {
    matches!(fact, Fact::Attributes(bits) if bits & attributes::COMPRESSED != 0)
}

/// What [`Root::sets_by_handle`] never asks for here.
pub(super) fn set_by_handle(
    _file: &File,
    facts: &[Fact<'_>],
    failed: &mut dyn FnMut(FactKind, io::Error),
) {
    for fact in facts {
        failed(fact.kind(), io::ErrorKind::Unsupported.into());
    }
}

fn set(file: &OwnedHandle, fact: &Fact<'_>) -> io::Result<()> {
    match *fact {
        Fact::Security(descriptor) => set_security(file, descriptor),
        Fact::Reparse(data) => info::control(file, FSCTL_SET_REPARSE_POINT, data, 0).map(drop),
        Fact::ObjectId(id) => {
            // MS-FSCC 2.1.3.1: the id, then 48 birth bytes.
            let mut whole = [0; 64];
            whole.iter_mut().zip(id).for_each(|(to, from)| *to = *from);
            info::control(file, FSCTL_SET_OBJECT_ID, &whole, 0).map(drop)
        }
        Fact::ExtendedAttributes(list) => info::set_extended_attributes(file, list),
        Fact::ShortName(short) => {
            // FILE_NAME_INFORMATION (MS-FSCC 2.1.7): bytes, name.
            let units = short.to_utf16();
            let bytes = u32::try_from(units.len() * 2).unwrap_or(u32::MAX);
            let mut value = bytes.to_le_bytes().to_vec();
            value.extend(units.into_iter().flat_map(u16::to_le_bytes));
            info::set(file, wdk::FileShortNameInformation, &value)
        }
        Fact::Attributes(bits) => {
            let bits = bits & SETTABLE; // compression has a call of its own
            let bits = if bits == 0 { attributes::NORMAL } else { bits };
            info::set_basic(file, Times::default(), bits)
        }
        Fact::Times(times) => info::set_basic(file, times, 0),
    }
}

/// Sets a descriptor whole; without the rights to audit lists or owners, as
/// much of it as is granted, and tells the first refusal all the same.
fn set_security(file: &OwnedHandle, descriptor: &[u8]) -> io::Result<()> {
    let mut descriptor = descriptor.to_vec();
    if let Some(control) = descriptor.get(2..4) {
        let mut bits = u16::from_le_bytes([control[0], control[1]]);
        for (says, asks) in AUTO_INHERITED {
            bits |= if bits & says != 0 { asks } else { 0 };
        }
        descriptor[2..4].copy_from_slice(&bits.to_le_bytes());
    }
    // A descriptor without an audit list must not take one away that needs a
    // right to touch.
    let has_sacl = descriptor.get(2).is_some_and(|low| low & 0x10 != 0);
    let sacl = sec::SACL_SECURITY_INFORMATION;
    let whole = if has_sacl { WHOLE_DESCRIPTOR } else { WHOLE_DESCRIPTOR & !sacl };
    let Err(refusal) = info::set_security(file, whole, &descriptor) else { return Ok(()) };
    for less in [WHOLE_DESCRIPTOR & !sacl, sec::DACL_SECURITY_INFORMATION] {
        if info::set_security(file, less, &descriptor).is_ok() {
            break;
        }
    }
    Err(refusal)
}

/// Whether a volume is mounted at `name` in `dir`. A junction to a folder is no
/// mounted volume, though its reparse tag is the same.
pub(super) fn is_mounted(dir: &Path, name: &str) -> bool {
    let target = std::fs::read_link(dir.join(name)).unwrap_or_default();
    let target = target.to_string_lossy();
    // As it is written in the reparse data, or as Rust shows it.
    [r"\??\Volume{", r"\\?\Volume{", "Volume{"].iter().any(|start| target.starts_with(start))
}

/// What trouble an error of the destination is.
pub(super) fn judge(error: &io::Error) -> Verdict {
    match error.raw_os_error().map(i32::cast_unsigned) {
        Some(w::ERROR_DISK_FULL | w::ERROR_HANDLE_DISK_FULL | w::ERROR_DISK_QUOTA_EXCEEDED) => {
            Verdict::Full
        }
        Some(w::ERROR_WRITE_PROTECT) => Verdict::Denied,
        Some(
            w::ERROR_NOT_READY
            | w::ERROR_DEV_NOT_EXIST
            | w::ERROR_BAD_NETPATH
            | w::ERROR_NETNAME_DELETED
            | w::ERROR_NO_SUCH_DEVICE
            | w::ERROR_DEVICE_NOT_CONNECTED
            | w::ERROR_DEVICE_REMOVED
            | w::ERROR_FILE_INVALID,
        ) => Verdict::Broken,
        _ => Verdict::OneFile,
    }
}

/// Lets a file have holes; where that fails, its zeros are stored.
pub(super) fn allow_holes(file: &File) {
    if let Ok(handle) = file.try_clone() {
        let _ = info::control(&handle.into(), FSCTL_SET_SPARSE, &[], 0);
    }
}

/// Has NTFS compress what is written from now on, or in a folder what is made
/// from now on (MS-FSCC 2.3.67: `COMPRESSION_FORMAT_DEFAULT` is 1).
fn compress(file: &OwnedHandle) -> io::Result<()> {
    info::control(file, FSCTL_SET_COMPRESSION, &1_u16.to_le_bytes(), 0).map(drop)
}

/// Writes all of `data` at a byte of the file.
pub(super) fn write_all_at(file: &File, mut data: &[u8], mut at: u64) -> io::Result<()> {
    while !data.is_empty() {
        let n = std::os::windows::fs::FileExt::seek_write(file, data, at)?;
        if n == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        at += n as u64;
        data = &data[n..];
    }
    Ok(())
}

/// Reads at most `most` bytes of a file.
pub(super) fn read_start(file: File, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}
