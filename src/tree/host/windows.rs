//! A mounted folder on Windows, with backup rights.
//!
//! Every file is opened by its folder's handle and its own name, itself and not
//! what it may lead to, and never fetched from a cloud. What Windows (or Wine)
//! refuses to tell is a missing fact.
//!
//! Reading may leave a new access time where the volume keeps such times: not
//! to leave one would take the right to write.

pub(crate) mod efs;
pub(crate) mod info;
pub(crate) mod nt;
pub(crate) mod placeholders;
pub mod privileges;

use std::fs::File;
use std::io;
use std::os::windows::io::OwnedHandle;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use windows_sys::Wdk::Storage::FileSystem as wdk;
use windows_sys::Win32::Foundation::ERROR_NOT_A_REPARSE_POINT;
use windows_sys::Win32::Security as sec;
use windows_sys::Win32::Storage::FileSystem as fs;
use windows_sys::Win32::System::Ioctl::{
    FSCTL_GET_NTFS_VOLUME_DATA, FSCTL_GET_OBJECT_ID, FSCTL_GET_REPARSE_POINT,
};
use windows_sys::Win32::System::SystemServices::{ACCESS_SYSTEM_SECURITY, FILE_PERSISTENT_ACLS};

use self::efs::EfsStream;
use self::info::Look;
use self::nt::How;
use super::files::Files;
use super::stream::{BytesStream, FileStream};
use super::table::ROOT;
use crate::model::bytes::{u32_at, u64_at, utf16};
use crate::model::metadata::{
    Content, Metadata, Node, NodeId, NodeKind, StreamInfo, attributes, is_name_surrogate,
};
use crate::model::name::NtName;
use crate::tree::{Entry, Stream, Tree, TreeError, TreeInfo, Via};

/// Tags of MS-FSCC 2.1.2.1.
const TAG_WOF: u32 = 0x8000_0017;
const TAG_DEDUP: u32 = 0x8000_0013;
/// `MAXIMUM_REPARSE_DATA_BUFFER_SIZE` (MS-FSCC 2.1.2).
const MOST_REPARSE: usize = 16 << 10;
/// Owner, group and both access lists.
pub(crate) const WHOLE_DESCRIPTOR: u32 = sec::OWNER_SECURITY_INFORMATION
    | sec::GROUP_SECURITY_INFORMATION
    | sec::DACL_SECURITY_INFORMATION
    | sec::SACL_SECURITY_INFORMATION;

/// What the SACL has besides audit entries: integrity labels, resource attributes,
/// central access policies. `SACL_SECURITY_INFORMATION` leaves these out
/// (`SECURITY_INFORMATION` in the documents of Win32; wimlib asks for the same).
/// All but the label came with Windows 8, and an older kernel may refuse them.
pub(crate) const LABELS: [u32; 3] = [
    sec::LABEL_SECURITY_INFORMATION
        | sec::ATTRIBUTE_SECURITY_INFORMATION
        | sec::SCOPE_SECURITY_INFORMATION
        | sec::BACKUP_SECURITY_INFORMATION,
    sec::LABEL_SECURITY_INFORMATION,
    0,
];

/// A folder of a mounted volume.
pub struct HostTree {
    info: TreeInfo,
    /// Whether the file system keeps what only NTFS and ReFS keep. (Windows makes
    /// up descriptors for files on FAT.)
    has_streams: bool,
    has_security: bool,
    /// Whether file ids tell hard links. FAT's do not: two files can have one id
    /// (`FatGenerateFileIdFromDirentOffset` in Microsoft's sample driver fastfat).
    has_ids: bool,
    /// If bytes are to be read from the medium and not from memory: whether this volume
    /// takes that, by the first file that was tried.
    takes_sectors: Option<OnceLock<bool>>,
    path: PathBuf,
    files: Files<OwnedHandle>,
}

/// A name in an open folder; no name stands for the folder itself.
struct Place {
    folder: Arc<OwnedHandle>,
    name: Vec<u16>,
    slot: u32,
}

impl HostTree {
    /// Opens a folder or a volume's root (`D:`, `\\?\Volume{…}\`); a link that
    /// `path` itself is, or goes through, is followed, since the user named it.
    /// Switches the backup privileges on.
    ///
    /// # Errors
    /// [`TreeError::Host`] when it is not a folder or may not be opened.
    pub fn open(path: &Path) -> Result<Self, TreeError> {
        privileges::enable();
        placeholders::expose();
        let source = nt::shown(path);
        let failed = |error| TreeError::Host { path: source.clone(), error };
        let root = nt::open_root(path).map_err(failed)?;
        let volume = nt::volume(&root).ok();
        // NTFS_VOLUME_DATA_BUFFER: serial number, …, bytes per cluster at 44.
        let ntfs = info::control(&root, FSCTL_GET_NTFS_VOLUME_DATA, &[], 96).unwrap_or_default();
        let serial = u64_at(&ntfs, 0).filter(|serial| *serial != 0);
        let info = TreeInfo {
            via: Via::Host,
            source,
            file_system: volume.as_ref().map_or("unknown", |v| &v.file_system).to_owned(),
            label: volume.as_ref().map_or_else(String::new, |v| v.label.clone()),
            serial,
            cluster_bytes: u32_at(&ntfs, 44).unwrap_or(0),
        };
        let has_streams = streams_of(&root).is_ok();
        let is_fat = ["FAT", "FAT12", "FAT16", "FAT32", "exFAT"].contains(&&*info.file_system);
        let files = Files::new(&info.source, '\\', root);
        Ok(Self {
            info,
            has_streams,
            has_security: volume.is_none_or(|v| v.flags & FILE_PERSISTENT_ACLS != 0),
            has_ids: !is_fat,
            takes_sectors: None,
            path: path.to_owned(),
            files,
        })
    }

    /// The same tree, which reads the bytes of files from the medium, where the file
    /// system can. A server has a cache of its own, and so has the medium.
    pub(crate) fn past_the_cache(mut self) -> Self {
        self.takes_sectors = Some(OnceLock::new());
        self
    }

    /// Opens a file or stream to read it.
    fn open_to_read(
        &self,
        place: &Place,
        name: &[u16],
        shown: &str,
        open: fn(&OwnedHandle, &[u16], How) -> io::Result<OwnedHandle>,
    ) -> Result<FileStream, TreeError> {
        let open = |how| {
            let file = open(&place.folder, name, how)
                .map_err(|error| TreeError::Host { path: shown.to_owned(), error })?;
            FileStream::new(File::from(file), shown.to_owned())
        };
        // A driver may refuse the flag, or larger sectors than 4 KiB may be needed: the
        // first file tells of all, and is then opened again.
        let in_sectors = || open(How::READ_MEDIUM)?.in_sectors();
        let works =
            |mut stream: FileStream| (!stream.is_empty()).then(|| stream.read(&mut [0]).is_ok());
        if let Some(takes) = &self.takes_sectors {
            let tried = || match in_sectors() {
                Ok(stream) => works(stream),
                // A file that cannot be read at all tells nothing.
                Err(_) => open(How::READ).ok().map(|_| false),
            };
            if takes.get().is_none()
                && let Some(works) = tried()
            {
                let _ = takes.set(works);
            }
            if takes.get() == Some(&true) {
                return in_sectors();
            }
        }
        open(How::READ)
    }

    /// What this way in cannot show of any file, for people; worth a note.
    pub fn limits(&self) -> Vec<&'static str> {
        let mut limits = vec!["where on the disk a file lies"];
        if !self.has_streams {
            limits.push("alternate data streams");
        }
        if !privileges::enable().is_empty() {
            limits.push("audit lists, and what this user may not read (backup rights are missing)");
        }
        limits
    }

    /// The node at a path, reached by its exact names without listing folders.
    ///
    /// # Errors
    /// [`TreeError::Host`] when a name is not there or may not be looked at.
    pub fn at(&self, path: &[NtName]) -> Result<NodeId, TreeError> {
        Files::<OwnedHandle>::at(path, |slot, name| self.step(slot, name))
    }

    /// The node of a name in a folder, as Windows finds it.
    ///
    /// # Errors
    /// Those of [`HostTree::at`].
    pub(crate) fn below(&self, folder: NodeId, name: &NtName) -> Result<NodeId, TreeError> {
        self.step(self.files.slot(folder)?, name).map(|slot| NodeId(slot.into()))
    }

    /// The slot of a name in a folder, as Windows finds it.
    fn step(&self, slot: u32, name: &NtName) -> Result<u32, TreeError> {
        let failed = |error: io::Error| self.files.failed_below(slot, name, error);
        // Those would be a stream's name, or a path.
        if name.is_empty() || name.as_wtf8().iter().any(|b| matches!(b, b':' | b'\\')) {
            return Err(failed(io::ErrorKind::NotFound.into()));
        }
        let folder = self.folder(slot)?;
        let file = nt::open_at(&folder, &name.to_utf16(), How::LOOK).map_err(failed)?;
        let look = info::look(&file).map_err(failed)?;
        let is_file = look.attributes & attributes::DIRECTORY == 0;
        // The file's number on the volume (MS-FSCC, FileInternalInformation: 0 means none). ReFS
        // has -1 if its own number is longer.
        let id = (is_file && self.has_ids)
            .then(|| info::query(&file, wdk::FileInternalInformation, 8).ok())
            .flatten();
        let id = id.and_then(|id| u64_at(&id, 0)).filter(|id| *id != 0 && *id != u64::MAX);
        let id = id.map(u128::from);
        self.files.meet(slot, name.as_wtf8(), id)
    }

    fn units(&self, slot: u32) -> Vec<u16> {
        NtName::from_wtf8(self.files.table().name(slot))
            .map_or_else(Vec::new, |name| name.to_utf16())
    }

    /// The folder's handle.
    fn folder(&self, slot: u32) -> Result<Arc<OwnedHandle>, TreeError> {
        self.files.folder(slot, |above, at| self.enter(above, at))
    }

    /// Opens a folder below an open one; a junction is none.
    fn enter(&self, above: &OwnedHandle, slot: u32) -> Result<OwnedHandle, TreeError> {
        let name = self.units(slot);
        let folder =
            nt::open_at(above, &name, How::FOLDER).map_err(|e| self.files.failed(slot, e))?;
        match info::look(&folder).map_err(|e| self.files.failed(slot, e))?.reparse_tag {
            Some(tag) if is_name_surrogate(tag) => {
                Err(self.files.failed(slot, io::ErrorKind::NotADirectory))
            }
            _ => Ok(folder),
        }
    }

    fn place(&self, slot: u32) -> Result<Place, TreeError> {
        let parent = self.files.table().parent(slot);
        match parent {
            Some(parent) => {
                Ok(Place { folder: self.folder(parent)?, name: self.units(slot), slot })
            }
            None => Ok(Place { folder: self.files.root().clone(), name: Vec::new(), slot }),
        }
    }

    fn open_to_look(&self, place: &Place) -> Result<OwnedHandle, TreeError> {
        let how = How::LOOK;
        nt::open_at(&place.folder, &place.name, how).map_err(|e| self.files.failed(place.slot, e))
    }

    fn look(&self, place: &Place) -> Result<Look, TreeError> {
        info::look(&self.open_to_look(place)?).map_err(|e| self.files.failed(place.slot, e))
    }

    /// Opens a file with as many rights to look as are granted.
    fn open_for_facts(&self, place: &Place) -> Result<(OwnedHandle, u32), TreeError> {
        let without_sacl = WHOLE_DESCRIPTOR & !sec::SACL_SECURITY_INFORMATION;
        for (access, which) in [
            (fs::READ_CONTROL | fs::FILE_READ_EA | ACCESS_SYSTEM_SECURITY, WHOLE_DESCRIPTOR),
            (fs::READ_CONTROL | fs::FILE_READ_EA, without_sacl),
        ] {
            let how = How { access, ..How::LOOK };
            if let Ok(file) = nt::open_at(&place.folder, &place.name, how) {
                return Ok((file, which));
            }
        }
        Ok((self.open_to_look(place)?, without_sacl))
    }

    /// A handle to list a folder's names with.
    fn open_to_list(&self, slot: u32) -> Result<OwnedHandle, TreeError> {
        let is_root = self.files.table().parent(slot).is_none();
        if is_root {
            return nt::open_root(&self.path).map_err(|e| self.files.failed(slot, e));
        }
        let place = self.place(slot)?;
        self.enter(&place.folder, slot)
    }
}

impl Tree for HostTree {
    fn info(&self) -> &TreeInfo {
        &self.info
    }

    fn root(&self) -> NodeId {
        NodeId(ROOT.into())
    }

    fn node(&self, id: NodeId) -> Result<Node, TreeError> {
        let slot = self.files.slot(id)?;
        let look = self.look(&self.place(slot)?)?;
        let is_dir = look.attributes & attributes::DIRECTORY != 0;
        let is_link = look.reparse_tag.is_some_and(is_name_surrogate);
        Ok(Node {
            id,
            kind: if is_dir { NodeKind::Directory } else { NodeKind::File },
            attributes: look.attributes,
            times: look.times,
            size: if is_dir || is_link { 0 } else { look.size },
            allocated: if is_dir { 0 } else { look.allocated },
            links: if is_dir { 1 } else { look.links.max(1) },
            reparse_tag: look.reparse_tag,
            position: None,
        })
    }

    fn children(&self, id: NodeId) -> Result<Vec<Entry>, TreeError> {
        let slot = self.files.slot(id)?;
        let look = self.look(&self.place(slot)?)?;
        let is_link = look.reparse_tag.is_some_and(is_name_surrogate);
        if look.attributes & attributes::DIRECTORY == 0 || (is_link && slot != ROOT) {
            return Ok(Vec::new());
        }
        let folder = self.open_to_list(slot)?;
        let mut entries = Vec::new();
        let mut trouble = None;
        let listing = nt::list(&folder, &mut |listed| {
            let name = NtName::from_utf16(&listed.name);
            let is_file = listed.attributes & attributes::DIRECTORY == 0;
            let file = listed.id.filter(|_| is_file && self.has_ids).map(u128::from);
            match self.files.meet(slot, name.as_wtf8(), file) {
                Ok(child) => entries.push(Entry { name, node: NodeId(child.into()) }),
                Err(error) => trouble = Some(error),
            }
            trouble.is_none()
        });
        listing.map_err(|e| self.files.failed(slot, e))?;
        if let Some(error) = trouble {
            return Err(error);
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn lookup_in(&self, folder: NodeId, name: &NtName) -> Result<NodeId, TreeError> {
        match self.step(self.files.slot(folder)?, name) {
            Ok(slot) => Ok(NodeId(slot.into())),
            Err(TreeError::Host { error, .. }) if error.kind() == io::ErrorKind::NotFound => {
                crate::tree::lookup_in_listing(self, folder, name)
            }
            Err(error) => Err(error),
        }
    }

    fn facts(&self, id: NodeId, name: Option<&NtName>) -> Result<Metadata, TreeError> {
        let first = self.files.slot(id)?;
        let named = name.and_then(|name| {
            let table = self.files.table();
            table.all_names(first).find(|slot| table.name(*slot) == name.as_wtf8())
        });
        let place = self.place(named.unwrap_or(first))?;
        let (file, which) = self.open_for_facts(&place)?;
        let look = info::look(&file).map_err(|e| self.files.failed(place.slot, e))?;
        let mut damaged = Vec::new();
        let security = if self.has_security {
            // A Samba server may answer with nothing.
            told(security(&file, which), "owner and permissions", &mut damaged)
                .filter(|descriptor| !descriptor.is_empty())
        } else {
            None
        };
        // What the filter driver makes of it, not the file's own.
        let is_dedup = look.reparse_tag == Some(TAG_DEDUP);
        let reparse = look.reparse_tag.filter(|_| !is_dedup).and_then(|_| {
            told(reparse_data(&file), "reparse data", &mut damaged).filter(|data| !data.is_empty())
        });
        // Wine says that it succeeded, and gives nothing.
        let object_id =
            told(object_id(&file), "object id", &mut damaged).and_then(super::object_id);
        let extended_attributes =
            told(extended_attributes(&file), "extended attributes", &mut damaged).flatten();
        let streams = match streams_of(&file) {
            Err(_) if !self.has_streams => Vec::new(),
            streams => told(streams, "alternate data streams", &mut damaged).unwrap_or_default(),
        };
        let short_name = told(short_name(&file, &place.name), "DOS name", &mut damaged).flatten();
        Ok(Metadata {
            security,
            reparse,
            object_id,
            extended_attributes,
            short_name,
            streams,
            content: content(&look),
            damaged,
            misnamed: None,
            recovered: None,
        })
    }

    fn open(&self, id: NodeId, stream: Option<&NtName>) -> Result<Box<dyn Stream>, TreeError> {
        let place = self.place(self.files.slot(id)?)?;
        let shown = self.files.shown(place.slot);
        if let Some(stream) = stream {
            let shown = format!("{shown}:{stream}");
            let name = [&place.name, &[u16::from(b':')][..], &stream.to_utf16()].concat();
            // Folders have alternate data streams too, and those are no folders.
            return Ok(Box::new(self.open_to_read(&place, &name, &shown, nt::open_at)?));
        }
        let look = self.look(&place)?;
        if look.attributes & attributes::DIRECTORY != 0 {
            return Err(self.files.failed(place.slot, io::ErrorKind::IsADirectory));
        }
        match (content(&look), look.reparse_tag) {
            (Content::EfsLost(reason) | Content::NotHere(reason), _) => {
                Err(TreeError::NoData { path: shown, reason })
            }
            (Content::EfsRaw, _) => {
                let file = self.open_to_look(&place)?;
                // By its drive, as every program names files to EFS; a volume
                // without one has its GUID alone.
                let paths = [nt::drive_path(&file), nt::final_path(&file)];
                // EFS opens the file without sharing it (OpenEncryptedFileRaw).
                drop(file);
                let mut refused = None;
                for path in paths {
                    let opened = path
                        .map_err(|error| self.files.failed(place.slot, error))
                        .and_then(|path| EfsStream::open(path, shown.clone()));
                    match opened {
                        Ok(stream) => return Ok(Box::new(stream)),
                        Err(error) => refused = refused.or(Some(error)),
                    }
                }
                Err(refused
                    .unwrap_or_else(|| self.files.failed(place.slot, io::ErrorKind::Unsupported)))
            }
            (_, Some(tag)) if is_name_surrogate(tag) => Ok(Box::new(BytesStream::new(Vec::new()))),
            (_, tag) => {
                let open = match tag {
                    Some(TAG_DEDUP) => nt::open_through,
                    _ => nt::open_at,
                };
                Ok(Box::new(self.open_to_read(&place, &place.name, &shown, open)?))
            }
        }
    }
}

/// A fact, or a word on what is lost. What the file system knows nothing of is
/// no loss. (Some say so by refusing a parameter, which is always the same.)
fn told<T>(fact: io::Result<T>, what: &str, damaged: &mut Vec<String>) -> Option<T> {
    match fact {
        Ok(fact) => Some(fact),
        Err(error) => {
            let is_unknown = error.kind() == io::ErrorKind::InvalidInput;
            if !is_unknown && !info::is_unsupported(&error) {
                damaged.push(format!("{what}: {error}"));
            }
            None
        }
    }
}

/// The descriptor with as much as this Windows gives.
fn security(file: &OwnedHandle, which: u32) -> io::Result<Vec<u8>> {
    // With BACKUP_SECURITY_INFORMATION the right to the audit list is needed.
    let has_sacl = which & sec::SACL_SECURITY_INFORMATION != 0;
    let backup = if has_sacl { 0 } else { sec::BACKUP_SECURITY_INFORMATION };
    let ask = |more: u32| info::security(file, which | (more & !backup));
    let [all, label, none] = LABELS;
    ask(all).or_else(|_| ask(label)).or_else(|_| ask(none))
}

/// Empty where there is none after all (Wine says of a drive's root that it has).
fn reparse_data(file: &OwnedHandle) -> io::Result<Vec<u8>> {
    match info::control(file, FSCTL_GET_REPARSE_POINT, &[], MOST_REPARSE) {
        Err(e) if e.raw_os_error() == Some(ERROR_NOT_A_REPARSE_POINT.cast_signed()) => Ok(vec![]),
        answer => answer,
    }
}

fn object_id(file: &OwnedHandle) -> io::Result<Vec<u8>> {
    match info::control(file, FSCTL_GET_OBJECT_ID, &[], 64) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        answer => answer,
    }
}

/// Asked for only where the file says that it has some.
fn extended_attributes(file: &OwnedHandle) -> io::Result<Option<Vec<u8>>> {
    // MS-FSCC 2.4.13: the size of the attributes.
    let size = info::query(file, wdk::FileEaInformation, 4)?;
    match u32_at(&size, 0) {
        Some(1..) => info::extended_attributes(file),
        _ => Ok(None),
    }
}

/// What the unnamed stream of a file is.
fn content(look: &Look) -> Content {
    const ELSEWHERE: u32 =
        attributes::OFFLINE | attributes::RECALL_ON_OPEN | attributes::RECALL_ON_DATA_ACCESS;
    let bits = look.attributes;
    if bits & attributes::DIRECTORY != 0 {
        return Content::Data;
    }
    if bits & ELSEWHERE != 0 {
        return Content::NotHere(
            "its data is in a cloud or on remote storage, and was not fetched".to_owned(),
        );
    }
    if bits & attributes::ENCRYPTED != 0 {
        return Content::EfsRaw;
    }
    match look.reparse_tag {
        // Where the driver for it runs, the tag does not show.
        Some(TAG_WOF) => Content::NotHere(
            "compressed as Compact OS does, and this Windows has no driver for that; \
             read the disk itself"
                .to_owned(),
        ),
        _ => Content::Data,
    }
}

/// The DOS name, where it is a name of its own (MS-FSCC 2.4.5).
fn short_name(file: &OwnedHandle, name: &[u16]) -> io::Result<Option<NtName>> {
    let answer = match info::query(file, wdk::FileAlternateNameInformation, 64) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        answer => answer?,
    };
    let bytes = u32_at(&answer, 0).unwrap_or(0) as usize;
    let short = answer.get(4..).and_then(|text| text.get(..bytes)).map(utf16);
    let short = short.filter(|short| !short.is_empty() && short != name);
    Ok(short.map(|short| NtName::from_utf16(&short)))
}

/// The alternate data streams of an open file (MS-FSCC, `FileStreamInformation`).
pub(crate) fn streams_of(file: &OwnedHandle) -> io::Result<Vec<StreamInfo>> {
    let answer = info::query(file, wdk::FileStreamInformation, 4096)?;
    let mut streams = Vec::new();
    let mut at = 0;
    while let Some(entry) = answer.get(at..).filter(|entry| entry.len() >= 24) {
        let bytes = u32_at(entry, 4).unwrap_or(0) as usize;
        let name = utf16(entry.get(24..).and_then(|n| n.get(..bytes)).unwrap_or_default());
        // `:name:$DATA`, and `::$DATA` for the unnamed one.
        let colon = u16::from(b':');
        let name = name.strip_prefix(&[colon]).unwrap_or(&name);
        let end = name.iter().position(|u| *u == colon).unwrap_or(name.len());
        if end > 0 {
            let size = u64_at(entry, 8).unwrap_or(0);
            streams.push(StreamInfo { name: NtName::from_utf16(&name[..end]), size });
        }
        match u32_at(entry, 0) {
            Some(next) if next > 0 => at += next as usize,
            _ => break,
        }
    }
    streams.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(streams)
}
