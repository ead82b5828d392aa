//! A mounted folder on Linux.
//!
//! Every file is reached from the root's handle, one name at a time and never
//! through a link, so depth has no limit and no link can lead elsewhere. On
//! an ntfs-3g mount, all NTFS metadata comes from its `system.ntfs_*` attributes,
//! which `listxattr` does not list: they are read by name.
//!
//! Elsewhere (ext4, FAT, a share) a file has size, times and a name. There a
//! symbolic link is a file with reparse data of the tag that Windows itself
//! gives to such links (`IO_REPARSE_TAG_LX_SYMLINK`), and a socket, pipe or
//! device is a file whose data is not here. Names that are not UTF-8 are shown
//! with each foreign byte as the lone surrogate U+DC80 to U+DCFF.

mod look;
mod mounts;
mod ntfs3g;
pub(crate) mod xattrs;

use std::collections::HashSet;
use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Statx, StatxFlags, StatxTimestamp};
use rustix::io::Errno;

use self::xattrs::{get_xattr, get_xattr_of, get_xattr_raw, proc_path};
use super::files::Files;
use super::stream::{BytesStream, FileStream};
use super::table::ROOT;
use crate::model::metadata::{
    Content, FileTime, Metadata, Node, NodeId, NodeKind, Times, attributes,
};
use crate::model::name::NtName;
use crate::tree::{Entry, Stream, Tree, TreeError, TreeInfo, Via};

/// `statfs` type of a FUSE mount (statfs(2)).
const FUSE_SUPER_MAGIC: i64 = 0x6573_5546;
/// File records below this number are NTFS's own; 5 is the root directory.
const FIRST_USER_RECORD: u64 = 24;
const ROOT_RECORD: u64 = 5;
/// A symbolic link of the Linux subsystem (MS-FSCC 2.1.2.1). Its buffer is the
/// number 2 and the target in UTF-8, as that subsystem writes it.
const TAG_LX_SYMLINK: u32 = 0xA000_001D;
/// Why a mount point below is empty.
const FOREIGN: &str = "another file system is mounted here; it was skipped";
/// What the file system can tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Flavour {
    /// ntfs-3g; whether alternate data streams can be listed.
    Ntfs3g { streams: bool },
    /// Anything else.
    Plain,
}

/// A folder of a mounted file system.
pub struct HostTree {
    info: TreeInfo,
    flavour: Flavour,
    device: (u32, u32),
    /// Whether the root's entries include NTFS's own files.
    is_volume_root: bool,
    /// Where other file systems are mounted, below the root. They are never
    /// touched: one that does not answer would hold us up for good.
    mount_points: HashSet<Vec<u8>>,
    /// Whether bytes are read from the medium and not from memory.
    past_the_cache: bool,
    files: Files<OwnedFd>,
}

/// What the file system of an open folder can tell.
pub(crate) fn flavour_of(folder: &OwnedFd) -> rustix::io::Result<Flavour> {
    let statfs = rustix::fs::fstatfs(folder)?;
    #[allow(clippy::unnecessary_cast)] // its width differs between architectures
    let is_fuse = statfs.f_type as i64 == FUSE_SUPER_MAGIC;
    let here = proc_path(folder, c".");
    if !is_fuse || !matches!(get_xattr(&here, "system.ntfs_attrib_be", 4), Ok(Some(_))) {
        return Ok(Flavour::Plain);
    }
    // Where streams are no attributes, any such name is "not supported".
    let probe = get_xattr_raw(&here, "user.lifeboat.probe", 1);
    Ok(Flavour::Ntfs3g { streams: !matches!(probe, Err(Errno::OPNOTSUPP)) })
}

/// A name in an open folder.
struct Place {
    folder: Arc<OwnedFd>,
    name: CString,
    slot: u32,
    /// The file itself, where it is open.
    file: Option<OwnedFd>,
}

impl Place {
    /// An extended attribute of the file itself, never of what it points to.
    fn attribute(&self, name: &str, bytes: usize) -> rustix::io::Result<Vec<u8>> {
        match &self.file {
            Some(file) => get_xattr_of(file, name, bytes),
            None => get_xattr_raw(&proc_path(&self.folder, &self.name), name, bytes),
        }
    }
}

/// The roots of NTFS volumes that ntfs-3g has mounted for writing.
pub(crate) fn writable_ntfs_mounts() -> Vec<std::path::PathBuf> {
    let mut points = mounts::writable_fuse();
    points.retain(|point| HostTree::open(point).is_ok_and(|tree| tree.is_volume_root));
    points
}

/// Where the changes to the `overlayfs` go that a folder is on; `None` if it is on none.
pub(crate) fn upper_of_overlay(folder: &std::path::Path) -> Option<std::path::PathBuf> {
    mounts::upper_of(folder)
}

impl HostTree {
    /// Opens a folder; a link that `path` itself is, or goes through, is
    /// followed, since the user named it.
    ///
    /// # Errors
    /// [`TreeError::Host`] when it is not a folder or may not be opened.
    pub fn open(path: &Path) -> Result<Self, TreeError> {
        let source = path.display().to_string();
        let failed = |e: Errno| TreeError::Host { path: source.clone(), error: e.into() };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(path, flags, Mode::empty()).map_err(failed)?;
        let stat = statx(&root, c"", AtFlags::EMPTY_PATH).map_err(failed)?;
        let flavour = flavour_of(&root).map_err(failed)?;
        let statfs = rustix::fs::fstatfs(&root).map_err(failed)?;
        let mount = mounts::of_device(stat.stx_dev_major, stat.stx_dev_minor);
        let is_ntfs = flavour != Flavour::Plain;
        let kind = mount.as_ref().map_or("unknown", |m| m.kind.as_str());
        let info = TreeInfo {
            via: Via::Host,
            source,
            file_system: if is_ntfs { "NTFS".to_owned() } else { kind.to_owned() },
            label: mount.as_ref().map_or_else(String::new, mounts::Mount::label),
            serial: mount.as_ref().filter(|_| is_ntfs).and_then(mounts::Mount::ntfs_serial),
            cluster_bytes: if is_ntfs { statfs.f_bsize.try_into().unwrap_or(0) } else { 0 },
        };
        let mount_points = mounts::below(&root);
        let files = Files::new(&info.source, '/', root);
        Ok(Self {
            info,
            flavour,
            device: (stat.stx_dev_major, stat.stx_dev_minor),
            is_volume_root: is_ntfs && stat.stx_ino == ROOT_RECORD,
            mount_points,
            past_the_cache: false,
            files,
        })
    }

    /// The same tree, which reads the bytes of files from the medium: what was flushed
    /// of a file is dropped from memory before it is read. Names, and what the medium
    /// itself keeps in memory, are not.
    pub(crate) fn past_the_cache(mut self) -> Self {
        self.past_the_cache = true;
        // ntfs-3g reads its device as any file, so the kernel has that in memory, too.
        if self.flavour != Flavour::Plain
            && let Some(device) = mounts::of_device(self.device.0, self.device.1)
            && device.source.is_absolute()
            && let Ok(device) = File::open(&device.source)
        {
            let _ = rustix::fs::fdatasync(&device);
            let _ = rustix::fs::fadvise(&device, 0, None, rustix::fs::Advice::DontNeed);
        }
        self
    }

    fn stream(&self, file: File, slot: u32) -> Result<FileStream, TreeError> {
        let stream = FileStream::new(file, self.files.shown(slot))?;
        Ok(if self.past_the_cache { stream.past_the_cache() } else { stream })
    }

    /// What this way in cannot show of any file, for people; worth a note.
    pub fn limits(&self) -> Vec<&'static str> {
        let mut limits = match self.flavour {
            Flavour::Ntfs3g { streams: true } => vec![],
            Flavour::Ntfs3g { streams: false } => {
                vec!["alternate data streams (mount with streams_interface=xattr to see them)"]
            }
            Flavour::Plain => {
                return vec![
                    "owners and permissions, attributes, DOS names, alternate data streams",
                ];
            }
        };
        limits.push("DOS names of files that have several names");
        limits.push("where on the disk a file lies");
        limits.push("data of EFS files, and of those behind reparse points unknown to ntfs-3g");
        limits.push("the contents of folders that OneDrive or another cloud service manages");
        limits
    }

    /// The node at a path, reached by its exact names without listing folders.
    ///
    /// # Errors
    /// [`TreeError::Host`] when a name is not there or may not be looked at.
    pub fn at(&self, path: &[NtName]) -> Result<NodeId, TreeError> {
        Files::<OwnedFd>::at(path, |slot, name| self.step(slot, name))
    }

    /// The node of an exact name in a folder, without listing it.
    ///
    /// # Errors
    /// Those of [`HostTree::at`].
    pub(crate) fn below(&self, folder: NodeId, name: &NtName) -> Result<NodeId, TreeError> {
        self.step(self.files.slot(folder)?, name).map(|slot| NodeId(slot.into()))
    }

    /// The slot of an exact name in a folder.
    fn step(&self, slot: u32, name: &NtName) -> Result<u32, TreeError> {
        let failed = |error: io::Error| self.files.failed_below(slot, name, error);
        if matches!(name.as_wtf8(), b"" | b"." | b"..") || name.as_wtf8().contains(&b'/') {
            return Err(failed(io::ErrorKind::NotFound.into()));
        }
        if self.is_mount_point(slot, None) {
            return Err(self.foreign(slot));
        }
        if self.is_mount_point(slot, Some(name.as_wtf8())) {
            return self.files.meet(slot, name.as_wtf8(), None);
        }
        let folder = self.folder(slot)?;
        let c_name = CString::new(name.as_wtf8()).map_err(|e| failed(e.into()))?;
        let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
        let stat = statx(&folder, &c_name, flags).map_err(|e| failed(e.into()))?;
        if self.is_own_file(slot, stat.stx_ino) {
            return Err(failed(io::ErrorKind::NotFound.into()));
        }
        let file = if self.is_foreign(&stat) { None } else { linked(&stat) };
        self.files.meet(slot, name.as_wtf8(), file)
    }

    /// Whether a file in a folder is one of NTFS's own: `$MFT` and its like.
    fn is_own_file(&self, folder: u32, record: u64) -> bool {
        let at_top = folder == ROOT && self.is_volume_root;
        at_top && record < FIRST_USER_RECORD && record != ROOT_RECORD
    }

    /// Whether something is mounted at a slot, or at a name in it.
    fn is_mount_point(&self, slot: u32, name: Option<&[u8]>) -> bool {
        if self.mount_points.is_empty() {
            return false;
        }
        let mut path = self.files.table().path(slot, b'/');
        if let Some(name) = name {
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(name);
        }
        self.mount_points.contains(&path)
    }

    fn foreign(&self, slot: u32) -> TreeError {
        TreeError::NoData { path: self.files.shown(slot), reason: FOREIGN.to_owned() }
    }

    /// The folder's handle. No link is followed.
    fn folder(&self, slot: u32) -> Result<Arc<OwnedFd>, TreeError> {
        self.files.folder(slot, |above, at| {
            let name = CString::new(self.files.table().name(at))
                .map_err(|error| self.files.failed(at, error))?;
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            rustix::fs::openat(above, &*name, flags, Mode::empty())
                .map_err(|error| self.files.failed(at, error))
        })
    }

    fn place(&self, slot: u32) -> Result<Place, TreeError> {
        let (parent, name) = {
            let table = self.files.table();
            (table.parent(slot), CString::new(table.name(slot)))
        };
        let (folder, name) = if let (Some(parent), Ok(name)) = (parent, name) {
            (self.folder(parent)?, name)
        } else {
            (self.files.root().clone(), c".".to_owned())
        };
        Ok(Place { folder, name, slot, file: None })
    }

    fn stat(&self, place: &Place) -> Result<Statx, TreeError> {
        let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
        statx(&place.folder, &place.name, flags).map_err(|e| self.files.failed(place.slot, e))
    }

    fn is_foreign(&self, stat: &Statx) -> bool {
        (stat.stx_dev_major, stat.stx_dev_minor) != self.device
    }

    fn plain_facts(&self, place: &Place, stat: &Statx) -> Result<Metadata, TreeError> {
        let kind = file_type(stat);
        let mut facts = Metadata::default();
        if kind == FileType::Symlink {
            let target = rustix::fs::readlinkat(&*place.folder, &*place.name, Vec::new())
                .map_err(|e| self.files.failed(place.slot, e))?;
            facts.reparse = Some(lx_symlink(target.to_bytes()));
        }
        if let Some(reason) = plain_absence(kind) {
            facts.content = Content::NotHere(reason);
        }
        Ok(facts)
    }

    /// Opens the unnamed stream.
    fn open_data(&self, place: &Place) -> Result<Box<dyn Stream>, TreeError> {
        // O_NONBLOCK: should a pipe have taken the file's place, do not hang.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = open_unnoticed(&place.folder, &place.name, flags)
            .map_err(|e| self.files.failed(place.slot, e))?;
        Ok(Box::new(self.stream(File::from(file), place.slot)?))
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
        if self.is_mount_point(slot, None) {
            // A mount point, which is not even looked at.
            return Ok(Node::bare_folder(id));
        }
        let place = self.place(slot)?;
        let stat = self.stat(&place)?;
        if self.is_foreign(&stat) || self.flavour == Flavour::Plain {
            return Ok(plain_node(id, &stat));
        }
        self.ntfs_node(&place, &stat)
    }

    fn children(&self, id: NodeId) -> Result<Vec<Entry>, TreeError> {
        let slot = self.files.slot(id)?;
        if self.is_mount_point(slot, None) {
            return Err(self.foreign(slot));
        }
        let place = self.place(slot)?;
        let stat = self.stat(&place)?;
        if file_type(&stat) != FileType::Directory {
            return self.refuse_covered(&place, &stat).map(|()| Vec::new());
        }
        if self.is_foreign(&stat) {
            return Err(self.foreign(slot));
        }
        let folder = self.folder(slot)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = open_unnoticed(&folder, c".", flags).map_err(|e| self.files.failed(slot, e))?;
        let mut entries = Vec::new();
        for entry in Dir::new(fd).map_err(|e| self.files.failed(slot, e))? {
            let entry = entry.map_err(|e| self.files.failed(slot, e))?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            if self.is_own_file(slot, entry.ino()) {
                continue; // shown by show_sys_files
            }
            // Only a file can have several names. What cannot be looked at is an
            // entry all the same; node() says why.
            let is_folder = entry.file_type() == FileType::Directory;
            let stat = if is_folder || self.is_mount_point(slot, Some(name.to_bytes())) {
                None
            } else {
                let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
                statx(&folder, name, flags).ok().filter(|s| !self.is_foreign(s))
            };
            let child = self.files.meet(slot, name.to_bytes(), stat.as_ref().and_then(linked))?;
            let name = nt_name(name.to_bytes());
            entries.push(Entry { name, node: NodeId(child.into()) });
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
        if self.is_mount_point(first, None) {
            let content = Content::NotHere(FOREIGN.to_owned());
            return Ok(Metadata { content, ..Metadata::default() });
        }
        let named = name.and_then(|name| {
            let table = self.files.table();
            table.all_names(first).find(|slot| nt_name(table.name(*slot)) == *name)
        });
        let place = self.place(named.unwrap_or(first))?;
        let stat = self.stat(&place)?;
        if self.is_foreign(&stat) {
            let content = Content::NotHere(FOREIGN.to_owned());
            return Ok(Metadata { content, ..Metadata::default() });
        }
        match self.flavour {
            Flavour::Ntfs3g { .. } => self.ntfs_facts(&place, &stat, place.slot == first),
            Flavour::Plain => self.plain_facts(&place, &stat),
        }
    }

    fn open(&self, id: NodeId, stream: Option<&NtName>) -> Result<Box<dyn Stream>, TreeError> {
        let slot = self.files.slot(id)?;
        if self.is_mount_point(slot, None) {
            return Err(self.foreign(slot));
        }
        let place = self.place(slot)?;
        if let Some(name) = stream {
            return self.open_named(&place, name);
        }
        let stat = self.stat(&place)?;
        let kind = file_type(&stat);
        let mut bytes = Vec::new();
        if self.is_foreign(&stat) || self.flavour == Flavour::Plain {
            if let Some(reason) = plain_absence(kind) {
                return Err(TreeError::NoData { path: self.files.shown(place.slot), reason });
            }
        } else {
            let shape = self.shape(&place)?;
            match shape.content(kind) {
                Content::EfsLost(reason) | Content::NotHere(reason) => {
                    return Err(TreeError::NoData { path: self.files.shown(place.slot), reason });
                }
                _ if shape.reparse.is_some() => {}
                _ => bytes = self.interix(&place, &stat, kind)?.unwrap_or_default(),
            }
        }
        match kind {
            FileType::RegularFile => self.open_data(&place),
            FileType::Directory => Err(self.files.failed(place.slot, Errno::ISDIR)),
            _ => Ok(Box::new(BytesStream::new(bytes))),
        }
    }
}

/// The node of a file of which the host knows no NTFS facts.
fn plain_node(id: NodeId, stat: &Statx) -> Node {
    let kind = file_type(stat);
    let is_dir = kind == FileType::Directory;
    let is_link = kind == FileType::Symlink;
    let mut bits = 0;
    if is_dir {
        bits |= attributes::DIRECTORY;
    } else if is_link {
        bits |= attributes::REPARSE_POINT;
    } else if stat.stx_mode & 0o222 == 0 {
        bits |= attributes::READONLY;
    }
    let has_birth = stat.stx_mask & StatxFlags::BTIME.bits() != 0;
    Node {
        id,
        kind: if is_dir { NodeKind::Directory } else { NodeKind::File },
        attributes: if bits == 0 { attributes::NORMAL } else { bits },
        times: Times {
            // Zero where the host does not know, as in Windows' own calls.
            created: if has_birth { file_time(&stat.stx_btime) } else { FileTime(0) },
            modified: file_time(&stat.stx_mtime),
            changed: file_time(&stat.stx_ctime),
            accessed: file_time(&stat.stx_atime),
        },
        size: if kind == FileType::RegularFile { stat.stx_size } else { 0 },
        allocated: if is_dir { 0 } else { stat.stx_blocks.saturating_mul(512) },
        links: if is_dir { 1 } else { stat.stx_nlink },
        reparse_tag: is_link.then_some(TAG_LX_SYMLINK),
        position: None,
    }
}

/// Why something that is neither file, folder nor link has no data.
fn plain_absence(kind: FileType) -> Option<String> {
    let what = match kind {
        FileType::RegularFile | FileType::Directory | FileType::Symlink => return None,
        FileType::Fifo => "a pipe",
        FileType::Socket => "a socket",
        FileType::CharacterDevice | FileType::BlockDevice => "a device",
        FileType::Unknown => "something unknown",
    };
    Some(format!("{what}, not a file"))
}

/// Reparse data of a symbolic link: tag, length, 0, then version 2 and target.
fn lx_symlink(target: &[u8]) -> Vec<u8> {
    let length = u16::try_from(target.len() + 4).unwrap_or(u16::MAX);
    let mut data = TAG_LX_SYMLINK.to_le_bytes().to_vec();
    data.extend_from_slice(&length.to_le_bytes());
    data.extend_from_slice(&[0, 0, 2, 0, 0, 0]);
    data.extend_from_slice(target);
    data
}

/// The identity of a file that has several names.
fn linked(stat: &Statx) -> Option<u128> {
    let may_have_more = file_type(stat) != FileType::Directory && stat.stx_nlink > 1;
    may_have_more.then_some(stat.stx_ino.into())
}

fn file_time(t: &StatxTimestamp) -> FileTime {
    FileTime::from_unix(t.tv_sec, t.tv_nsec)
}

fn file_type(stat: &Statx) -> FileType {
    FileType::from_raw_mode(stat.stx_mode.into())
}

fn statx(folder: &OwnedFd, name: &std::ffi::CStr, flags: AtFlags) -> rustix::io::Result<Statx> {
    let mask = StatxFlags::BASIC_STATS | StatxFlags::BTIME;
    rustix::io::retry_on_intr(|| rustix::fs::statx(folder, name, flags, mask))
}

/// Opens for reading without leaving a new access time, where the host lets us
/// (only a file's owner may ask for that).
fn open_unnoticed(
    folder: &OwnedFd,
    name: &std::ffi::CStr,
    flags: OFlags,
) -> rustix::io::Result<OwnedFd> {
    let open = |flags| {
        rustix::io::retry_on_intr(|| rustix::fs::openat(folder, name, flags, Mode::empty()))
    };
    match open(flags | OFlags::NOATIME) {
        Err(Errno::PERM) => open(flags),
        result => result,
    }
}

/// A host's name; bytes that are not WTF-8 become U+DC80 to U+DCFF.
fn nt_name(bytes: &[u8]) -> NtName {
    if let Some(name) = NtName::from_wtf8(bytes) {
        return name;
    }
    let mut units = Vec::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        units.extend(chunk.valid().encode_utf16());
        units.extend(chunk.invalid().iter().map(|b| 0xDC00 | u16::from(*b)));
    }
    NtName::from_utf16(&units)
}
