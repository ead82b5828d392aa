//! The facts of files on an ntfs-3g mount. `system.ntfs_*` attributes are not
//! listed by the mount: they are asked for by name.

use rustix::fs::{FileType, Statx};
use rustix::io::Errno;

use super::xattrs::{
    XATTR_SIZE_MAX, get_xattr_raw, if_any, list_xattr, proc_path, stream_attribute,
};
use super::{Flavour, HostTree, Place, file_type, nt_name};
use crate::model::bytes::u32_at;
use crate::model::metadata::{
    Content, FileTime, Metadata, Node, NodeId, NodeKind, StreamInfo, Times, attributes,
    is_name_surrogate,
};
use crate::model::name::NtName;
use crate::tree::host::stream::BytesStream;
use crate::tree::host::{Wanted, wof_algorithm};
use crate::tree::{Stream, TreeError};

/// Compact OS and its like (MS-FSCC 2.1.2.1).
const TAG_WOF: u32 = 0x8000_0017;
/// Sockets, pipes and devices of the Linux subsystem, which have none either:
/// `AF_UNIX`, `LX_FIFO`, `LX_CHR`, `LX_BLK` (MS-FSCC 2.1.2.1).
const TAGS_SPECIAL: std::ops::RangeInclusive<u32> = 0x8000_0023..=0x8000_0026;
/// What a mount says of a file's DOS name.
#[derive(PartialEq, Eq)]
enum DosName {
    None,
    Known(NtName),
    /// There is one, but it is not shown.
    Untold,
}

/// How many names of one file are asked for their DOS name. NTFS allows 1,024.
const MOST_NAMES: usize = 64;

impl HostTree {
    /// An extended attribute of the file itself, never of what it points to.
    fn attribute(
        &self,
        at: &Place,
        name: &str,
        bytes: usize,
    ) -> Result<Option<Vec<u8>>, TreeError> {
        if_any(at.attribute(name, bytes)).map_err(|e| self.files.failed(at.slot, e))
    }

    /// The attributes, and the reparse data where they say that there is some.
    pub(super) fn shape(&self, place: &Place) -> Result<Shape, TreeError> {
        let four = self.attribute(place, "system.ntfs_attrib_be", 4)?;
        let four = four.and_then(|v| <[u8; 4]>::try_from(v).ok());
        let Some(bits) = four.map(u32::from_be_bytes) else {
            return Err(self.files.failed(place.slot, Errno::NODATA));
        };
        let reparse = if bits & attributes::REPARSE_POINT == 0 {
            None
        } else {
            self.attribute(place, "system.ntfs_reparse_data", XATTR_SIZE_MAX)?
        };
        Ok(Shape { bits, reparse })
    }

    /// Fails for a folder with children that the mount shows as a dead link,
    /// since it does not know its reparse tag.
    pub(super) fn refuse_covered(&self, place: &Place, stat: &Statx) -> Result<(), TreeError> {
        if self.flavour == Flavour::Plain || self.is_foreign(stat) {
            return Ok(());
        }
        let shape = self.shape(place)?;
        match shape.tag().filter(|tag| shape.is_dir() && !is_name_surrogate(*tag)) {
            None => Ok(()),
            Some(tag) => Err(TreeError::NoData {
                path: self.files.shown(place.slot),
                reason: format!(
                    "this mount cannot show what is in the folder (reparse tag 0x{tag:08X}); \
                     read the disk or image itself"
                ),
            }),
        }
    }

    /// The node of a file on an ntfs-3g mount.
    pub(super) fn ntfs_node(&self, place: &Place, stat: &Statx) -> Result<Node, TreeError> {
        self.node_of(place, stat, &self.shape(place)?)
    }

    /// The same, where its shape is known.
    pub(super) fn node_of(
        &self,
        place: &Place,
        stat: &Statx,
        shape: &Shape,
    ) -> Result<Node, TreeError> {
        let is_dir = shape.is_dir();
        let times = self.attribute(place, "system.ntfs_times_be", 32)?;
        let size = match file_type(stat) {
            FileType::RegularFile if !is_dir => stat.stx_size,
            _ if is_dir || shape.reparse.is_some() => 0,
            kind => self.interix(place, stat, kind)?.map_or(stat.stx_size, |d| d.len() as u64),
        };
        let mut links = if is_dir { 1 } else { stat.stx_nlink };
        if links > 1 && self.any_dos_name(place)? {
            links -= 1;
        }
        Ok(Node {
            id: NodeId(place.slot.into()),
            kind: if is_dir { NodeKind::Directory } else { NodeKind::File },
            attributes: shape.bits,
            times: times.map_or_else(Times::default, |t| ntfs_times(&t)),
            size,
            allocated: if is_dir { 0 } else { stat.stx_blocks.saturating_mul(512) },
            links,
            reparse_tag: shape.tag(),
            position: None,
        })
    }

    /// The bytes of a file that ntfs-3g shows as a link, pipe or device, since it
    /// is marked SYSTEM and has the form that Interix gave those: `IntxLNK`, 1
    /// and the target in UTF-16; nothing for a pipe; `IntxCHR` or `IntxBLK`, 0,
    /// and the device's numbers (ntfs-3g's `layout.h`). `None` for a socket, whose
    /// one byte is not known.
    pub(super) fn interix(
        &self,
        place: &Place,
        stat: &Statx,
        kind: FileType,
    ) -> Result<Option<Vec<u8>>, TreeError> {
        let device = |magic: &[u8; 8]| {
            let [major, minor] = [stat.stx_rdev_major, stat.stx_rdev_minor];
            [*magic, u64::from(major).to_le_bytes(), u64::from(minor).to_le_bytes()].concat()
        };
        Ok(match kind {
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(&*place.folder, &*place.name, Vec::new())
                    .map_err(|e| self.files.failed(place.slot, e))?;
                let units = nt_name(target.to_bytes()).to_utf16();
                let mut data = b"IntxLNK\x01".to_vec();
                data.extend(units.into_iter().flat_map(u16::to_le_bytes));
                Some(data)
            }
            FileType::Fifo => Some(Vec::new()),
            FileType::CharacterDevice => Some(device(b"IntxCHR\0")),
            FileType::BlockDevice => Some(device(b"IntxBLK\0")),
            _ => None,
        })
    }

    /// Whether one of a file's names that were met has a DOS name beside it; the
    /// kernel counts that one too.
    fn any_dos_name(&self, place: &Place) -> Result<bool, TreeError> {
        if self.dos_name(place)? != DosName::None {
            return Ok(true);
        }
        let others: Vec<_> = self.files.table().all_names(place.slot).take(MOST_NAMES).collect();
        for slot in others.into_iter().filter(|slot| *slot != place.slot) {
            // A name that is gone by now tells nothing.
            let Ok(place) = self.place(slot) else { continue };
            if self.dos_name(&place).is_ok_and(|name| name != DosName::None) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The DOS name where it is a name of its own. (A name that fits both
    /// namespaces is given too by ntfs-3g, and is no further name.)
    fn dos_name(&self, place: &Place) -> Result<DosName, TreeError> {
        if place.name.as_bytes() == b"." {
            return Ok(DosName::None); // the tree's root, for which ntfs-3g has EPERM
        }
        match if_any(place.attribute("system.ntfs_dos_name", 256)) {
            Ok(Some(name)) if !name.is_empty() && name.as_slice() != place.name.to_bytes() => {
                Ok(DosName::Known(nt_name(&name)))
            }
            Ok(_) => Ok(DosName::None),
            // What ntfs-3g says of a file with a DOS name and several others.
            Err(Errno::MLINK) => Ok(DosName::Untold),
            Err(e) => Err(self.files.failed(place.slot, e)),
        }
    }

    /// All facts. Those of the file as a whole are told with each of its names.
    pub(super) fn ntfs_facts(
        &self,
        place: &Place,
        stat: &Statx,
        is_first_name: bool,
    ) -> Result<Metadata, TreeError> {
        let shape = self.shape(place)?;
        Ok(self.facts_of(place, stat, shape, is_first_name, Wanted::ALL))
    }

    /// The facts that are wanted, where its shape is known.
    pub(super) fn facts_of(
        &self,
        place: &Place,
        stat: &Statx,
        shape: Shape,
        is_first_name: bool,
        wanted: Wanted,
    ) -> Metadata {
        let mut damaged = Vec::new();
        let mut whole = |is_wanted: bool, name: &str, what: &str| {
            if !is_wanted {
                return None;
            }
            if_any(place.attribute(name, XATTR_SIZE_MAX)).unwrap_or_else(|e| {
                damaged.push(format!("{what}: {e}"));
                None
            })
        };
        let security = whole(wanted.security, "system.ntfs_acl", "owner and permissions");
        let object_id = whole(wanted.object_id, "system.ntfs_object_id", "object id");
        let is_wanted = wanted.extended_attributes;
        let extended_attributes = whole(is_wanted, "system.ntfs_ea", "extended attributes");
        let content = shape.content(file_type(stat));
        let streams = if wanted.streams { self.streams(place) } else { Ok(Vec::new()) };
        let mut streams = streams.unwrap_or_else(|e| {
            damaged.push(format!("alternate data streams: {e}"));
            Vec::new()
        });
        if matches!(content, Content::Wof(_)) {
            // What the plain data was made of.
            streams.retain(|s| s.name != "WofCompressedData".into());
        }
        let short_name = if wanted.short_name { self.dos_name(place) } else { Ok(DosName::None) };
        let short_name = match short_name {
            Ok(DosName::Known(name)) => Some(name),
            Ok(DosName::None) => None,
            // Which of its names it belongs to is not shown either: said once.
            Ok(DosName::Untold) => {
                if is_first_name {
                    let what =
                        "DOS name: the mount does not tell that of a file with several names";
                    damaged.push(what.to_owned());
                }
                None
            }
            Err(e) => {
                damaged.push(format!("DOS name: {e}"));
                None
            }
        };
        Metadata {
            security,
            reparse: shape.reparse,
            object_id: object_id.and_then(super::super::object_id),
            extended_attributes,
            short_name,
            streams,
            content,
            damaged,
            misnamed: None,
            recovered: None,
        }
    }

    /// The alternate data streams: on ntfs-3g they are the `user.` attributes.
    fn streams(&self, place: &Place) -> Result<Vec<StreamInfo>, TreeError> {
        if self.flavour != (Flavour::Ntfs3g { streams: true }) {
            return Ok(Vec::new());
        }
        let path = proc_path(&place.folder, &place.name);
        let list = list_xattr(&path).map_err(|e| self.files.failed(place.slot, e))?;
        let mut streams = Vec::new();
        for name in list.split(|b| *b == 0).filter_map(|n| n.strip_prefix(b"user.")) {
            let size = rustix::fs::lgetxattr_query(&*path, &*stream_attribute(name))
                .map_err(|e| self.files.failed(place.slot, e))?;
            streams.push(StreamInfo { name: nt_name(name), size: size as u64 });
        }
        streams.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(streams)
    }

    /// Opens a named stream: read at once, since it has 64 KiB at most.
    pub(super) fn open_named(
        &self,
        place: &Place,
        name: &NtName,
    ) -> Result<Box<dyn Stream>, TreeError> {
        let shown = format!("{}:{name}", self.files.shown(place.slot));
        let path = proc_path(&place.folder, &place.name);
        match get_xattr_raw(&path, &*stream_attribute(name.as_wtf8()), XATTR_SIZE_MAX) {
            Ok(bytes) => Ok(Box::new(BytesStream::new(bytes))),
            Err(Errno::NODATA | Errno::OPNOTSUPP) => {
                Err(TreeError::NotFound { path: shown, source_name: self.info.source.clone() })
            }
            Err(Errno::TOOBIG | Errno::RANGE) => Err(TreeError::NoData {
                path: shown,
                reason: "a mount shows alternate data streams up to 64 KiB only; \
                         read the disk or image itself"
                    .to_owned(),
            }),
            Err(e) => Err(TreeError::Host { path: shown, error: e.into() }),
        }
    }
}

/// What decides how a file on an ntfs-3g mount is taken.
pub(super) struct Shape {
    bits: u32,
    /// With its header.
    pub(super) reparse: Option<Vec<u8>>,
}

impl Shape {
    fn is_dir(&self) -> bool {
        self.bits & attributes::DIRECTORY != 0
    }

    fn tag(&self) -> Option<u32> {
        u32_at(self.reparse.as_deref()?, 0)
    }

    /// What the unnamed stream is, when the kernel takes the file for `kind`.
    pub(super) fn content(&self, kind: FileType) -> Content {
        if self.is_dir() {
            return Content::Data;
        }
        if self.bits & attributes::ENCRYPTED != 0 {
            return Content::EfsLost(
                "encrypted by EFS; a mount cannot export it, read the disk or image itself"
                    .to_owned(),
            );
        }
        match (self.tag(), self.reparse.as_deref()) {
            (None, _) if kind == FileType::Socket => Content::NotHere(
                "one byte that this mount takes for a socket; read the disk or image itself"
                    .to_owned(),
            ),
            (None, _) => Content::Data,
            (Some(tag), _) if is_without_data(tag) => Content::Data,
            // A plug-in of ntfs-3g reads it.
            (Some(TAG_WOF), Some(data)) if kind == FileType::RegularFile => {
                Content::Wof(wof_algorithm(data))
            }
            (Some(_), _) if kind == FileType::RegularFile => Content::Data,
            (Some(tag), _) => Content::NotHere(format!(
                "behind a reparse point (tag 0x{tag:08X}) that this mount does not read; \
                 read the disk or image itself"
            )),
        }
    }
}

/// Whether files with this tag have no data of their own.
fn is_without_data(tag: u32) -> bool {
    is_name_surrogate(tag) || TAGS_SPECIAL.contains(&tag)
}

/// `system.ntfs_times_be`: creation, modification, access, change.
fn ntfs_times(data: &[u8]) -> Times {
    let time = |at: usize| {
        let bytes = data.get(at..at + 8).and_then(|b| b.try_into().ok());
        FileTime(bytes.map_or(0, u64::from_be_bytes))
    };
    Times { created: time(0), modified: time(8), accessed: time(16), changed: time(24) }
}
