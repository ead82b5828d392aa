//! What the sweep found, held small: 72 bytes a file, 20 a name, and the
//! names' bytes in one arena. A million files take about 115 MiB.
//!
//! A name belongs to a directory. Which one is known from the file's own
//! record, never from directory indexes, so a file that a broken index forgot
//! is found all the same. A name whose directory is gone, was replaced (its
//! sequence number differs), or is part of a circle stands in a made-up folder
//! `$Orphans/<record>-<sequence>` named after the lost directory's reference;
//! a file without any name is `$Orphans/nameless/record-<number>`. The
//! folder `$Orphans` is listed in the root only when there is something in it.

pub(crate) mod builder;
pub(crate) mod clusters;
mod revival;
mod same_names;
pub(crate) mod sweep;

use super::ondisk::record::{FileRef, known};
use crate::model::metadata::{NodeId, Times};
use crate::model::name::{NtName, NtPath};

/// The folder of the orphans.
pub(crate) const ORPHANS: &str = "$Orphans";
/// Marks the identity of a made-up folder. No record number has that bit: NTFS
/// stops at 2^32 records.
const MADE_UP: u64 = 1 << 47;
/// The root directory's record.
pub(crate) const ROOT: u32 = 5;
/// The "directory" of files without a name.
pub(crate) const NAMELESS: u32 = u32::MAX;
/// Deeper folders are cut off and become orphans. (A path of Windows may have
/// 16,383 names of one letter each; nobody does that, damage may.)
pub(crate) const MAX_DEPTH: u16 = 4096;
/// Names that one search may put into paths: a bound on memory for a volume
/// that is made to exhaust it.
const MAX_PATH_NAMES: usize = 1 << 20;

/// The facts of a file, packed. `lcn` is the first cluster of its data.
#[derive(Clone, Copy, Default)]
pub(crate) struct Entry {
    pub(crate) times: Times,
    pub(crate) size: u64,
    pub(crate) allocated: u64,
    pub(crate) attributes: u32,
    pub(crate) reparse_tag: u32,
    pub(crate) record: u32,
    pub(crate) lcn: u32,
    pub(crate) sequence: u16,
    pub(crate) links: u16,
    pub(crate) flags: u16,
}

/// Bits of [`Entry::flags`].
pub(crate) mod entry_flag {
    /// It is a directory.
    pub(crate) const DIRECTORY: u16 = 1;
    /// The unnamed stream was seen.
    pub(crate) const HAS_DATA: u16 = 2;
    /// The unnamed stream is in the record.
    pub(crate) const RESIDENT: u16 = 4;
    /// The record is torn, or an attribute in it is broken.
    pub(crate) const DAMAGED: u16 = 8;
    /// The record lost its in-use bit; see [`super::revival`].
    pub(crate) const REVIVED: u16 = 16;
    /// The same, and its clusters belong to another file.
    pub(crate) const OVERWRITTEN: u16 = 32;
    /// A folder without a record: the index above names it, and files say that they are in it.
    pub(crate) const RECORD_LOST: u16 = 64;
    /// A folder whose sequence number is not the one by which its files know it.
    pub(crate) const RENUMBERED: u16 = 128;
    /// Another file has some of its clusters, too.
    pub(crate) const SHARED: u16 = 256;
    /// Some of its clusters are free by the volume's bitmap.
    pub(crate) const UNALLOCATED: u16 = 512;
}

/// [`Entry::lcn`] of a file whose data has no place.
pub(crate) const NO_LCN: u32 = u32::MAX;

impl Entry {
    pub(crate) fn is_directory(&self) -> bool {
        self.flags & entry_flag::DIRECTORY != 0
    }

    pub(crate) fn has(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }

    pub(crate) fn id(&self) -> NodeId {
        NodeId(FileRef::new(u64::from(self.record), self.sequence).0)
    }

    /// The first cluster of the data.
    pub(crate) fn cluster(&self) -> Option<u64> {
        (self.lcn != NO_LCN).then_some(u64::from(self.lcn))
    }
}

/// One name of one file. Sorted by directory, then by the name's bytes.
#[derive(Clone, Copy)]
pub(crate) struct Link {
    /// The directory's record number.
    pub(crate) parent: u32,
    /// The file's record number.
    pub(crate) record: u32,
    /// Where the name is in the arena.
    pub(crate) name_at: u32,
    /// The directory's sequence number, as the name tells it.
    pub(crate) parent_sequence: u16,
    /// Bytes of the name.
    pub(crate) name_len: u16,
    /// Its directory is not to be had.
    pub(crate) is_orphan: bool,
}

/// A folder: a directory of the volume, or a made-up one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Folder {
    /// A record's.
    Record(u32),
    /// `$Orphans`.
    Orphans,
    /// The orphans of one lost directory.
    Lost(u32, u16),
}

impl Folder {
    /// The root directory.
    pub(crate) fn root() -> Self {
        Self::Record(ROOT)
    }

    /// What a node identity means as a folder.
    pub(crate) fn from_id(id: NodeId) -> Self {
        let reference = FileRef(id.0);
        let record = (reference.number() & 0xFFFF_FFFF) as u32;
        if id.0 & MADE_UP == 0 {
            Self::Record(record)
        } else if reference.number() == MADE_UP | 1 << 46 {
            Self::Orphans
        } else {
            Self::Lost(record, reference.sequence())
        }
    }

    /// The identity of a made-up folder; of a record, without its sequence.
    pub(crate) fn id(self) -> NodeId {
        NodeId(match self {
            Self::Record(record) => u64::from(record),
            Self::Orphans => MADE_UP | 1 << 46,
            Self::Lost(record, sequence) => FileRef::new(MADE_UP | u64::from(record), sequence).0,
        })
    }

    /// The name of a made-up folder.
    fn name(self) -> NtName {
        match self {
            Self::Lost(NAMELESS, _) => NtName::from("nameless"),
            Self::Lost(record, sequence) => NtName::from(format!("{record}-{sequence}").as_str()),
            _ => NtName::from(ORPHANS),
        }
    }
}

/// A record whose number has a fixed meaning, other than the root.
pub(crate) fn is_system(record: u32) -> bool {
    u64::from(record) < known::FIRST_USER && record != ROOT
}

/// Everything the sweep found. Built by [`super::catalog::builder::Builder`].
#[derive(Default)]
pub(crate) struct Catalog {
    /// By record number.
    pub(crate) entries: Vec<Entry>,
    /// Orphans behind all others; then by directory and name.
    pub(crate) links: Vec<Link>,
    /// Indexes of `links`, by the file's record number.
    pub(crate) by_record: Vec<u32>,
    pub(crate) arena: Vec<u8>,
    /// Base record and extension record, sorted.
    pub(crate) extensions: Vec<(u32, u32)>,
}

impl Catalog {
    /// The facts of a record, if it is in use.
    pub(crate) fn entry(&self, record: u32) -> Option<&Entry> {
        let i = self.entries.binary_search_by_key(&record, |e| e.record).ok()?;
        self.entries.get(i)
    }

    /// The facts of a node; `None` where it is gone or was replaced.
    pub(crate) fn node(&self, id: NodeId) -> Option<&Entry> {
        let reference = FileRef(id.0);
        let entry = self.entry(u32::try_from(reference.number()).ok()?)?;
        reference.fits(entry.sequence).then_some(entry)
    }

    /// All directories, by record number, with their names and what these are in.
    pub(crate) fn directories(&self) -> impl Iterator<Item = (&Entry, Vec<(FileRef, &[u8])>)> {
        self.entries.iter().filter(|entry| entry.is_directory()).map(|entry| {
            let named = self.links_of(entry.record).map(|link| {
                let parent = FileRef::new(u64::from(link.parent), link.parent_sequence);
                (parent, self.name_bytes(link))
            });
            (entry, named.collect())
        })
    }

    /// The records that extend `record`.
    pub(crate) fn extensions(&self, record: u32) -> Vec<u64> {
        let from = self.extensions.partition_point(|(base, _)| *base < record);
        let own = self.extensions[from..].iter().take_while(|(base, _)| *base == record);
        own.map(|(_, extension)| u64::from(*extension)).collect()
    }

    /// The names in a folder, in byte order. The root shows no system files,
    /// and `$Orphans` only if there are any.
    pub(crate) fn children(&self, folder: Folder) -> Vec<(NtName, NodeId)> {
        let mut children = match folder {
            Folder::Orphans => {
                let lost = self.lost_folders();
                lost.into_iter().map(|f| (f.name(), f.id())).collect()
            }
            _ => {
                self.links_in(folder).iter().filter_map(|link| self.child(link)).collect::<Vec<_>>()
            }
        };
        if folder == Folder::Record(ROOT) {
            let hidden = |id: NodeId| FileRef(id.0).number() < known::FIRST_USER;
            children.retain(|(_, id)| !hidden(*id));
            if self.has_orphans() {
                children.push((NtName::from(ORPHANS), Folder::Orphans.id()));
            }
        }
        children.sort();
        children
    }

    /// The node called `name` in a folder; ASCII case is ignored where no name
    /// fits exactly. In the root, system files come last, by their exact name.
    pub(crate) fn child_named(&self, folder: Folder, name: &NtName) -> Option<NodeId> {
        let is_root = folder == Folder::Record(ROOT);
        if is_root && name.as_wtf8() == ORPHANS.as_bytes() && self.has_orphans() {
            return Some(Folder::Orphans.id());
        }
        if folder == Folder::Orphans {
            return self.lost_folders().into_iter().find(|f| f.name() == *name).map(Folder::id);
        }
        let links = self.links_in(folder);
        let is_hidden = |link: &Link| is_root && is_system(link.record);
        let mut visible = links.iter().filter(|link| !is_hidden(link));
        let exact = visible.clone().find(|link| self.name_bytes(link) == name.as_wtf8());
        let loose = || visible.find(|l| self.name_bytes(l).eq_ignore_ascii_case(name.as_wtf8()));
        let hidden = || {
            let mut hidden = links.iter().filter(|link| is_root && is_system(link.record));
            hidden.find(|link| self.name_bytes(link) == name.as_wtf8())
        };
        let link = exact.or_else(loose).or_else(hidden)?;
        self.child(link).map(|(_, id)| id)
    }

    /// Whether anything lost its directory.
    pub(crate) fn has_orphans(&self) -> bool {
        self.links.last().is_some_and(|link| link.is_orphan)
    }

    /// How many names lost their directory.
    pub(crate) fn orphans(&self) -> usize {
        self.links.len() - self.links.partition_point(|link| !link.is_orphan)
    }

    /// Whether a made-up folder exists.
    pub(crate) fn has_folder(&self, folder: Folder) -> bool {
        match folder {
            Folder::Record(_) => false,
            Folder::Orphans => self.has_orphans(),
            Folder::Lost(..) => !self.links_in(folder).is_empty(),
        }
    }

    /// Every visible name that `wanted` likes, with its file. System files and
    /// what lies below them are passed over. `false`: there are more, but they
    /// are too many to be true.
    pub(crate) fn find(&self, wanted: &dyn Fn(&[u8]) -> bool) -> (Vec<(NtPath, NodeId)>, bool) {
        let mut found = Vec::new();
        let mut room = MAX_PATH_NAMES;
        for link in self.links.iter().filter(|link| wanted(self.name_bytes(link))) {
            if let (Some(path), Some((_, id))) = (self.path_of_link(link), self.child(link)) {
                room = room.saturating_sub(path.names().len());
                found.push((path, id));
            }
            if room == 0 {
                return (found, false);
            }
        }
        found.sort();
        (found, true)
    }

    /// Whether a folder hangs on the root.
    pub(crate) fn hangs_on_root(&self, folder: u32) -> bool {
        let is_orphan = |path: &NtPath| {
            path.names().first().is_some_and(|name| name.as_wtf8() == ORPHANS.as_bytes())
        };
        folder == ROOT || self.paths(folder).first().is_some_and(|path| !is_orphan(path))
    }

    /// All paths of a file.
    pub(crate) fn paths(&self, record: u32) -> Vec<NtPath> {
        self.links_of(record).filter_map(|link| self.path_of_link(link)).collect()
    }

    /// The first name of a directory, and the directory that this is in.
    pub(crate) fn first_name(&self, record: u32) -> Option<(FileRef, NtName)> {
        let link = self.links_of(record).next()?;
        let parent = FileRef::new(u64::from(link.parent), link.parent_sequence);
        Some((parent, NtName::from_wtf8(self.name_bytes(link))?))
    }

    fn links_of(&self, record: u32) -> impl Iterator<Item = &Link> {
        let record_of = |i: &u32| self.links.get(*i as usize).map_or(u32::MAX, |l| l.record);
        let from = self.by_record.partition_point(move |i| record_of(i) < record);
        self.by_record[from..]
            .iter()
            .filter_map(|i| self.links.get(*i as usize))
            .take_while(move |link| link.record == record)
    }

    /// The path of a name; `None` for system files and what is below them.
    fn path_of_link(&self, link: &Link) -> Option<NtPath> {
        let mut names = Vec::new();
        let mut link = *link;
        // The builder has cut all circles; the bound only says so twice.
        for _ in 0..=MAX_DEPTH {
            if is_system(link.record) {
                return None;
            }
            names.push(NtName::from_wtf8(self.name_bytes(&link))?);
            if link.is_orphan {
                names.push(Folder::Lost(link.parent, link.parent_sequence).name());
                names.push(NtName::from(ORPHANS));
                break;
            }
            if link.parent == ROOT {
                break;
            }
            link = *self.links_of(link.parent).next()?;
        }
        names.reverse();
        Some(names.into_iter().collect())
    }

    fn child(&self, link: &Link) -> Option<(NtName, NodeId)> {
        let entry = self.entry(link.record)?;
        Some((NtName::from_wtf8(self.name_bytes(link))?, entry.id()))
    }

    pub(crate) fn name_bytes(&self, link: &Link) -> &[u8] {
        let at = link.name_at as usize;
        self.arena.get(at..at + usize::from(link.name_len)).unwrap_or_default()
    }

    fn lost_folders(&self) -> Vec<Folder> {
        let from = self.links.partition_point(|link| !link.is_orphan);
        let mut folders: Vec<_> =
            self.links[from..].iter().map(|l| Folder::Lost(l.parent, l.parent_sequence)).collect();
        folders.dedup();
        folders
    }

    pub(crate) fn links_in(&self, folder: Folder) -> &[Link] {
        let key = match folder {
            Folder::Record(record) => (false, record, 0),
            Folder::Lost(record, sequence) => (true, record, sequence),
            Folder::Orphans => return &[],
        };
        let from = self.links.partition_point(|link| link.folder_key() < key);
        let rest = &self.links[from..];
        &rest[..rest.partition_point(|link| link.folder_key() == key)]
    }
}

impl Link {
    /// Links with the same key are in the same folder.
    pub(crate) fn folder_key(&self) -> (bool, u32, u16) {
        (self.is_orphan, self.parent, if self.is_orphan { self.parent_sequence } else { 0 })
    }
}
