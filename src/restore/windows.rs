//! Writes files on Windows: below an open root, by handles, one name at a time,
//! never through a link. No path is built for Windows to parse, except for EFS,
//! whose call takes nothing else.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::windows::io::OwnedHandle;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use windows_sys::Wdk::Storage::FileSystem as wdk;
use windows_sys::Win32::Storage::FileSystem as fs;
use windows_sys::Win32::System::Ioctl::{
    FSCTL_DELETE_OBJECT_ID, FSCTL_GET_OBJECT_ID, FSCTL_SET_COMPRESSION, FSCTL_SET_OBJECT_ID,
    FSCTL_SET_REPARSE_POINT, FSCTL_SET_SPARSE,
};
use windows_sys::Win32::System::SystemServices as flags;
use windows_sys::Win32::{Foundation as w, Security as sec};

use super::outcome::Verdict;
use super::place::{Fact, FactKind, Kind, SETTABLE, time_slack};
use crate::model::descriptor;
use crate::model::exhausted;
use crate::model::extended_attributes;
use crate::model::metadata::{Times, attributes, is_name_surrogate};
use crate::model::name::NtName;
use crate::tree::host::layouts;
pub(super) use crate::tree::host::windows::info::is_unsupported;
use crate::tree::host::windows::nt::{self, How};
use crate::tree::host::windows::{
    LABELS, WHOLE_DESCRIPTOR, efs, info, placeholders, privileges, streams_of,
};

/// A new file, for its data.
const CREATE: How = How {
    access: fs::FILE_WRITE_DATA | fs::FILE_APPEND_DATA | fs::FILE_WRITE_ATTRIBUTES,
    disposition: wdk::FILE_CREATE,
    options: wdk::FILE_NON_DIRECTORY_FILE | wdk::FILE_SEQUENTIAL_ONLY,
};

/// `SE_DACL_AUTO_INHERIT_REQ` and the like ask Windows to keep
/// `SE_DACL_AUTO_INHERITED` (MS-DTYP 2.4.6); otherwise Windows drops it.
const AUTO_INHERITED: [(u16, u16); 2] = [(0x0400, 0x0100), (0x0800, 0x0200)];

/// A folder to restore into.
pub(super) struct Root {
    path: PathBuf,
    top: Arc<OwnedHandle>,
    /// `FILE_NAMED_STREAMS` and the like (MS-FSCC 2.5.1).
    volume: u32,
    /// `NTFS`, `FAT32`, ...
    file_system: String,
    has_short_names: bool,
    has_streams: bool,
    /// The folders on the way to the last used one, from the top.
    way: Vec<(NtName, Arc<OwnedHandle>)>,
}

impl Root {
    /// Opens a folder that the user gave. Enables the backup privileges.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        privileges::enable();
        placeholders::expose();
        let top = nt::open_root(path)?;
        let volume = nt::volume(&top).ok();
        Ok(Self {
            path: nt::whole_drive(path),
            volume: volume.as_ref().map_or(0, |v| v.flags),
            file_system: volume.map_or_else(String::new, |v| v.file_system),
            has_short_names: true,
            has_streams: streams_of(&top).is_ok(),
            top: Arc::new(top),
            way: Vec::new(),
        })
    }

    /// Whether the file system supports this kind of metadata.
    pub(super) fn holds(&self, fact: FactKind) -> bool {
        let has = |flag| self.volume & flag != 0;
        match fact {
            FactKind::Attributes | FactKind::CreationTime | FactKind::Times => true,
            FactKind::Security => has(flags::FILE_PERSISTENT_ACLS),
            FactKind::Reparse => has(flags::FILE_SUPPORTS_REPARSE_POINTS),
            FactKind::ObjectId => has(flags::FILE_SUPPORTS_OBJECT_IDS),
            FactKind::ExtendedAttributes => has(flags::FILE_SUPPORTS_EXTENDED_ATTRIBUTES),
            FactKind::ShortName => self.file_system == "NTFS" && self.has_short_names,
            FactKind::Stream => self.has_streams && has(flags::FILE_NAMED_STREAMS),
            FactKind::Compression => has(flags::FILE_FILE_COMPRESSION),
            // `EncryptFile` would make a key for whoever restores; and an import with
            // `CREATE_FOR_DIR` takes the folder's raw EFS data, which a set does not have.
            FactKind::FolderEncryption => false,
        }
    }

    /// On Windows, the volume itself says whether files can be compressed.
    #[allow(clippy::unused_self)] // uses it on Linux
    pub(super) fn try_packing(&mut self) {}

    /// Finds out whether the volume keeps DOS names. The setting is partly in the
    /// registry of this Windows, partly on the volume (`fsutil 8dot3name`), and a file
    /// that gets a name shows the result (MS-FSA 2.1.5.15.13): anything else that fails
    /// is about this attempt.
    pub(super) fn try_short_names(&mut self) {
        const NAME: &str = "lifeboat-short-name.partial";
        let name: Vec<u16> = NAME.encode_utf16().collect();
        let probe = nt::open_at(
            &self.top,
            &name,
            How {
                access: fs::DELETE | fs::FILE_WRITE_ATTRIBUTES,
                // One that a power cut left is used, and removed.
                disposition: wdk::FILE_OPEN_IF,
                // Not FILE_DELETE_ON_CLOSE: with it, a name is refused on any volume.
                options: wdk::FILE_NON_DIRECTORY_FILE,
            },
        );
        let Ok(probe) = probe else { return };
        let short: Vec<u16> = "LBSHORT.NAM".encode_utf16().collect();
        let value = layouts::short_name_information(&short);
        if let Err(error) = info::set(&probe, wdk::FileShortNameInformation, &value) {
            let refused = w::ERROR_SHORT_NAMES_NOT_ENABLED_ON_VOLUME.cast_signed();
            self.has_short_names = error.raw_os_error() != Some(refused);
        }
        let _ = info::set(&probe, wdk::FileDispositionInformation, &[1]);
    }

    /// Windows compares names as NTFS does.
    #[allow(clippy::unused_self)] // it is the same call on Linux
    pub(super) fn distinguishes_case_of_ntfs(&self) -> bool {
        false
    }

    /// How far a time may be from the one that was set, in units of 100 ns.
    pub(super) fn time_slack(&self, kind: FactKind) -> u64 {
        time_slack(&self.file_system, kind)
    }

    /// Folders are marked by their attributes when they are complete, so that their
    /// files do not inherit it.
    #[allow(clippy::unnecessary_wraps, clippy::unused_self)] // not so on Linux
    pub(super) fn pack_folder(&mut self, _at: &[NtName]) -> io::Result<()> {
        Ok(())
    }

    /// Bytes that can still be written.
    pub(super) fn space(&self) -> Option<u64> {
        nt::free_bytes(&self.path)
    }

    /// What is at this path, if anything.
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

    /// The first names in a folder, up to `most`; `None` if it does not exist.
    pub(super) fn list(&mut self, at: &[NtName], most: usize) -> io::Result<Option<Vec<NtName>>> {
        // A separate handle: a listing continues where the last one stopped.
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

    /// Makes a folder and its parents; no error if it exists. Returns whether it
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

    /// Makes a new file and its parents; compressed if requested. If compression
    /// fails, the read-back reports it.
    pub(super) fn create(&mut self, at: &[NtName], is_packed: bool) -> io::Result<File> {
        let (folder, name) = self.parent(at, true)?;
        let more = if is_packed { fs::FILE_READ_DATA } else { 0 };
        let file = nt::open_at(&folder, &name, How { access: CREATE.access | more, ..CREATE })?;
        if is_packed {
            let _ = compress(&file);
        }
        Ok(File::from(file))
    }

    /// Opens an existing file, to read.
    pub(super) fn open_file(&mut self, at: &[NtName]) -> io::Result<File> {
        let (folder, name) = self.parent(at, false)?;
        Ok(File::from(nt::open_at(&folder, &name, How::READ)?))
    }

    /// Removes a file or link (never its target), or an empty folder.
    pub(super) fn remove(&mut self, at: &[NtName]) -> io::Result<()> {
        self.way.clear();
        let (folder, name) = self.parent(at, false)?;
        let access = fs::DELETE | fs::FILE_WRITE_ATTRIBUTES;
        let file = nt::open_at(&folder, &name, How { access, ..How::LOOK })?;
        if info::look(&file)?.attributes & attributes::READONLY != 0 {
            info::set_basic(&file, Times::default(), attributes::NORMAL)?;
        }
        // FILE_DISPOSITION_INFORMATION (MS-FSCC 2.4.11): deleted with the last handle.
        info::set(&file, wdk::FileDispositionInformation, &[1])
    }

    /// Renames a file or folder; the new name must be free.
    pub(super) fn rename(&mut self, at: &[NtName], to: &[NtName]) -> io::Result<()> {
        self.way.clear(); // a folder with an open folder below cannot be moved
        let (from, from_name) = self.parent(at, false)?;
        let file = nt::open_at(&from, &from_name, How { access: fs::DELETE, ..How::LOOK })?;
        let (to, name) = self.parent(to, false)?;
        info::rename(&file, &to, &name)
    }

    /// Whether a file has this DOS name, as far as it can be known: Windows accepts
    /// setting the same name again.
    #[allow(clippy::unused_self)] // uses it on Linux
    pub(super) fn has_short_name(&mut self, _at: &[NtName], _short: &NtName) -> bool {
        true
    }

    /// Makes a hard link.
    pub(super) fn link(&mut self, file: &[NtName], at: &[NtName]) -> io::Result<()> {
        let (from, from_name) = self.parent(file, false)?;
        let access = fs::FILE_WRITE_ATTRIBUTES;
        let file = nt::open_at(&from, &from_name, How { access, ..How::LOOK })?;
        let (to, name) = self.parent(at, true)?;
        info::link(&file, &to, &name)
    }

    /// Begins an alternate data stream of an existing file or folder.
    pub(super) fn stream(
        &mut self,
        at: &[NtName],
        name: &NtName,
        _bytes: u64,
    ) -> io::Result<NewStream> {
        let (folder, file) = self.parent(at, false)?;
        let whole = [&file, &[u16::from(b':')][..], &name.to_utf16()].concat();
        let how = How { disposition: wdk::FILE_OVERWRITE_IF, ..CREATE };
        let opened = nt::open_at(&folder, &whole, how).or_else(|error| {
            // A read-only file or folder takes no stream (wimlib, `create_directory`).
            // Its attributes are set after its streams, in any case.
            let access = fs::FILE_WRITE_ATTRIBUTES;
            let owner = nt::open_at(&folder, &file, How { access, ..How::LOOK })?;
            if info::look(&owner)?.attributes & attributes::READONLY == 0 {
                return Err(error);
            }
            info::set_basic(&owner, Times::default(), attributes::NORMAL)?;
            nt::open_at(&folder, &whole, how)
        });
        Ok(NewStream(File::from(opened?)))
    }

    /// Opens an existing alternate data stream, to read.
    pub(super) fn open_stream(
        &mut self,
        at: &[NtName],
        name: &NtName,
    ) -> io::Result<impl Read + use<>> {
        let (folder, file) = self.parent(at, false)?;
        let whole = [&file, &[u16::from(b':')][..], &name.to_utf16()].concat();
        Ok(File::from(nt::open_at(&folder, &whole, How::READ)?))
    }

    /// Imports the EFS raw form into a new file.
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
        // By its drive, as every program names files to EFS; a volume without one has
        // its GUID alone.
        let paths = [nt::drive_path(&folder), nt::final_path(&folder)];
        let paths = paths.into_iter().flatten().map(|mut path| {
            path.pop();
            if path.last() != Some(&u16::from(b'\\')) {
                path.push(b'\\'.into());
            }
            path.extend(&name);
            path.push(0);
            path
        });
        let imported = efs::import(paths, data);
        if imported.is_err() {
            // What is there now is not complete, and nobody could see that.
            let _ = self.remove(at);
        }
        imported
    }

    /// Whether metadata of a file that was just written can be set through its open
    /// handle. On Windows that handle lacks some of the rights.
    #[allow(clippy::unused_self)] // uses it on Linux
    pub(super) fn sets_by_handle(&self, _facts: &[Fact<'_>]) -> bool {
        false
    }

    /// Sets metadata in the given order; calls `failed` for each piece that cannot be
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
            let mut result = set(&file, fact);
            if let (Fact::ShortName(short), Err(error)) = (fact, &result)
                && error.kind() == io::ErrorKind::AlreadyExists
                && take_short_name(&folder, &file, &short.to_utf16()).is_ok()
            {
                result = set(&file, fact);
            }
            if let Err(error) = result {
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

    /// A file's object id; empty if it has none.
    pub(super) fn object_id(&mut self, at: &[NtName]) -> io::Result<Vec<u8>> {
        let (folder, name) = self.parent(at, false)?;
        let file = nt::open_at(&folder, &name, How::LOOK)?;
        match info::control(&file, FSCTL_GET_OBJECT_ID, &[], 64) {
            // MS-FSA 2.1.5.10.12: a file without one.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            found => found,
        }
    }

    /// Takes a file's object id away.
    pub(super) fn remove_object_id(&mut self, at: &[NtName]) -> io::Result<()> {
        let (folder, name) = self.parent(at, false)?;
        let access = fs::FILE_WRITE_ATTRIBUTES; // as for setting one
        let file = nt::open_at(&folder, &name, How { access, ..How::LOOK })?;
        info::control(&file, FSCTL_DELETE_OBJECT_ID, &[], 0).map(drop)
    }

    /// Returns when everything is on the medium, as far as that can be known. Without
    /// the right to flush a volume, Windows has to be trusted.
    #[allow(clippy::unnecessary_wraps, clippy::unused_self)] // not so on Linux
    pub(super) fn sync(&self) -> io::Result<()> {
        let _ = nt::flush_volume(&self.top);
        Ok(())
    }

    /// The parent folder and the last name.
    fn parent(&mut self, at: &[NtName], make: bool) -> io::Result<(Arc<OwnedHandle>, Vec<u16>)> {
        match at.split_last() {
            Some((name, above)) => Ok((self.folder(above, make)?, name.to_utf16())),
            None => Ok((self.top.clone(), Vec::new())),
        }
    }

    /// Opens a folder; makes it and its parents if requested.
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

/// An alternate data stream that is being written.
pub(super) struct NewStream(File);

impl NewStream {
    #[allow(clippy::unnecessary_wraps, clippy::unused_self)] // not so on Linux
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

/// Opens an existing folder; refuses a link or junction. (A folder that a cloud
/// manages has reparse data too, and is accepted.)
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

/// Opens a file with the rights that this metadata needs, or as many of them as
/// are granted: metadata that lacks its right reports its own error.
fn open_to_set(folder: &OwnedHandle, name: &[u16], facts: &[Fact<'_>]) -> io::Result<OwnedHandle> {
    let mut access = fs::FILE_WRITE_ATTRIBUTES;
    for fact in facts {
        access |= match fact {
            Fact::Security(_) => {
                fs::READ_CONTROL | fs::WRITE_DAC | fs::WRITE_OWNER | flags::ACCESS_SYSTEM_SECURITY
            }
            Fact::ExtendedAttributes(_) => fs::FILE_WRITE_EA,
            Fact::ShortName(_) => fs::DELETE,
            Fact::Attributes(_) if packs(fact) => fs::FILE_READ_DATA | fs::FILE_WRITE_DATA,
            // Writing attributes is enough for reparse data (MS-FSA 2.1.5.10.37), and
            // for an id the restore privilege (2.1.5.10.35). Writing data is refused
            // for a file that an earlier run has made read-only.
            Fact::ObjectId(_) | Fact::Reparse(_) | Fact::Attributes(_) | Fact::Times(_) => 0,
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

/// Whether a folder has to be marked as compressed.
fn packs(fact: &Fact<'_>) -> bool {
    matches!(fact, Fact::Attributes(bits) if bits & attributes::COMPRESSED != 0)
}

/// Whether a file has this object id (MS-FSCC 2.1.3.1: the id, then birth bytes).
fn has_object_id(file: &OwnedHandle, id: &[u8]) -> bool {
    let found = info::control(file, FSCTL_GET_OBJECT_ID, &[], 64).unwrap_or_default();
    id.len() >= 16 && found.get(..16) == id.get(..16)
}

/// Takes a DOS name away from another file in the same folder: Windows made it up
/// for that one, and would not for this one (wimlib does the same). A file whose
/// real name this is keeps it.
fn take_short_name(folder: &OwnedHandle, ours: &OwnedHandle, short: &[u16]) -> io::Result<()> {
    let number = |file: &OwnedHandle| info::query(file, wdk::FileInternalInformation, 8);
    let access = fs::DELETE | fs::FILE_WRITE_ATTRIBUTES;
    let other = nt::open_at(folder, short, How { access, ..How::LOOK })?;
    if number(&other)? == number(ours)? {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    let none = layouts::short_name_information(&[]);
    info::set(&other, wdk::FileShortNameInformation, &none)
}

/// Not used on Windows: see [`Root::sets_by_handle`].
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
            // A file that has an id refuses one, also the same (MS-FSA 2.1.5.10.35):
            // a restore that is run again finds its own.
            let set = info::control(file, FSCTL_SET_OBJECT_ID, &whole, 0).map(drop);
            set.or_else(|error| if has_object_id(file, id) { Ok(()) } else { Err(error) })
        }
        Fact::ExtendedAttributes(list) => match extended_attributes::to_set(list) {
            Some(list) => info::set_extended_attributes(file, &list),
            None => Ok(()),
        },
        Fact::ShortName(short) => {
            let value = layouts::short_name_information(&short.to_utf16());
            info::set(file, wdk::FileShortNameInformation, &value)
        }
        Fact::Attributes(bits) => {
            let bits = bits & SETTABLE; // compression has a separate call
            let bits = if bits == 0 { attributes::NORMAL } else { bits };
            info::set_basic(file, Times::default(), bits)
        }
        Fact::Times(times) => info::set_basic(file, times, 0),
    }
}

/// Sets a whole descriptor. Without the rights for audit lists or owners, sets as
/// much as is granted, and still reports the first refusal.
fn set_security(file: &OwnedHandle, descriptor: &[u8]) -> io::Result<()> {
    let mut descriptor = descriptor.to_vec();
    if let Some(control) = descriptor.get(2..4) {
        let mut bits = u16::from_le_bytes([control[0], control[1]]);
        for (says, asks) in AUTO_INHERITED {
            bits |= if bits & says != 0 { asks } else { 0 };
        }
        descriptor[2..4].copy_from_slice(&bits.to_le_bytes());
    }
    // A descriptor without an audit list must not remove one that needs a
    // right to change.
    let has_sacl = descriptor.get(2).is_some_and(|low| low & 0x10 != 0);
    let sacl = sec::SACL_SECURITY_INFORMATION;
    let mut refusal = None;
    for more in LABELS.into_iter().filter(|more| has_sacl || *more == 0) {
        let whole = if has_sacl { WHOLE_DESCRIPTOR } else { WHOLE_DESCRIPTOR & !sacl };
        match info::set_security(file, whole | more, &descriptor) {
            // Without its labels the list is not complete: the first refusal says why.
            Ok(()) if more == 0 && descriptor::has_labels(&descriptor) => {
                return refusal.map_or(Ok(()), Err);
            }
            Ok(()) => return Ok(()),
            Err(error) => refusal = refusal.or(Some(error)),
        }
    }
    for less in [WHOLE_DESCRIPTOR & !sacl, sec::DACL_SECURITY_INFORMATION] {
        if info::set_security(file, less, &descriptor).is_ok() {
            break;
        }
    }
    refusal.map_or(Ok(()), Err)
}

/// Whether a volume is mounted at `name` in `dir`. A junction to a folder does not
/// count, though it has the same reparse tag.
pub(super) fn is_mounted(dir: &Path, name: &str) -> bool {
    let target = std::fs::read_link(dir.join(name)).unwrap_or_default();
    let target = target.to_string_lossy();
    // As in the reparse data, or as Rust shows it.
    [r"\??\Volume{", r"\\?\Volume{", "Volume{"].iter().any(|start| target.starts_with(start))
}

/// Classifies an error of the destination.
pub(super) fn judge(error: &io::Error) -> Verdict {
    if exhausted::is_exhausted(error) {
        return Verdict::Exhausted;
    }
    match error.raw_os_error().map(i32::cast_unsigned) {
        Some(w::ERROR_DISK_FULL | w::ERROR_HANDLE_DISK_FULL | w::ERROR_DISK_QUOTA_EXCEEDED) => {
            Verdict::Full
        }
        Some(w::ERROR_WRITE_PROTECT) => Verdict::Denied,
        Some(
            w::ERROR_NOT_READY
            | w::ERROR_NO_MEDIA_IN_DRIVE
            | w::ERROR_DEV_NOT_EXIST
            // The connection was lost.
            | w::ERROR_UNEXP_NET_ERR
            | w::ERROR_BAD_NET_NAME
            | w::ERROR_SEM_TIMEOUT
            | w::ERROR_VC_DISCONNECTED
            | w::ERROR_NETWORK_UNREACHABLE
            | w::ERROR_HOST_UNREACHABLE
            | w::ERROR_CONNECTION_ABORTED
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

/// Lets a file have holes; if that fails, its zeros are stored.
pub(super) fn allow_holes(file: &File) {
    if let Ok(handle) = file.try_clone() {
        let _ = info::control(&handle.into(), FSCTL_SET_SPARSE, &[], 0);
    }
}

/// Makes NTFS compress what is written from now on, or in a folder the new files
/// (MS-FSCC 2.3.67: `COMPRESSION_FORMAT_DEFAULT` is 1).
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

/// What tells the volume of a folder from others: its serial number.
pub(super) fn volume_of(path: &Path) -> Option<u64> {
    use crate::tree::Tree;
    crate::tree::host::HostTree::open(path).ok()?.info().serial
}

/// Whether two handles are of one file. A file that was removed while it is open cannot be
/// opened again here, and no other takes its name.
pub(super) fn is_same_file(_one: &File, _other: &File) -> bool {
    true
}

/// Reads at most `most` bytes of a file.
pub(super) fn read_start(file: File, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}
