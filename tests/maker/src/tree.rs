//! What a volume shall hold, as data: made from a seed, written by
//! [`populate`](crate::populate), and the truth that tests compare against.

use std::collections::{BTreeMap, BTreeSet};

use crate::content::Content;
use crate::path::TreePath;

/// The FILETIME of 2023-11-14 09:26:40 UTC: what has no time of its own has this.
pub const WORKDAY: u64 = 133_444_276_000_000_000;

/// 100 ns units in a day.
pub const DAY: u64 = 864_000_000_000;

/// Three of the four times as FILETIMEs. (ntfs-3g sets the fourth, the change
/// time, to the present whatever it is asked for.)
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Times {
    /// Creation.
    pub created: u64,
    /// Last write to the data.
    pub modified: u64,
    /// Last access.
    pub accessed: u64,
}

impl Default for Times {
    fn default() -> Self {
        Self { created: WORKDAY, modified: WORKDAY, accessed: WORKDAY }
    }
}

/// The contents of `$EFS` and how much of the last 512 bytes is padding.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Efs {
    /// The `$EFS` attribute. Its first u32 must be its length for ntfs-3g.
    pub info: Vec<u8>,
    /// Bytes of the ciphertext after the end of the plain file, below 512.
    pub padding: u16,
}

/// What an entry has besides its name and its data.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Metadata {
    /// Creation, modification, access.
    pub times: Times,
    /// Windows' attributes; `None` leaves what ntfs-3g gives (0x20 for files).
    /// Only 0x1, 0x2, 0x4, 0x20, 0x80, 0x100, 0x1000, 0x2000 can be chosen.
    pub attributes: Option<u32>,
    /// A self-relative security descriptor.
    pub security: Option<Vec<u8>>,
    /// Named streams, by name.
    pub streams: BTreeMap<String, Content>,
    /// Reparse data with its 8-byte header (MS-FSCC 2.1.2).
    pub reparse: Option<Vec<u8>>,
    /// `$OBJECT_ID`: 16 or 64 bytes.
    pub object_id: Option<Vec<u8>>,
    /// The 8.3 name that belongs to this entry's name.
    pub dos_name: Option<String>,
    /// Extended attributes, as [`crate::extended::encode`] makes them.
    pub extended: Option<Vec<u8>>,
    /// Encrypted: the content is then the ciphertext, in 512-byte units.
    pub efs: Option<Efs>,
    /// Compressed by Compact OS (WOF): what a reader must get, while the content
    /// is one hole. See [`crate::wof`].
    pub wof: Option<Content>,
    /// On a folder: files made in it are LZNT1-compressed.
    pub compress: bool,
    /// Into how many pieces the data is broken on the disk; 0 and 1: as it comes.
    /// Not for compressed files: ntfs-3g 2022.10.3 garbles them when they are
    /// written in any order but from start to end.
    pub fragments: u32,
}

/// What an entry is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A folder.
    Dir,
    /// A file with this unnamed stream.
    File(Content),
    /// One more name of the file made before at this path.
    Link(TreePath),
}

/// One name in the tree.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Where.
    pub path: TreePath,
    /// What.
    pub kind: Kind,
    /// And besides. For a link only the DOS name counts, the rest is the file's.
    pub facts: Metadata,
}

impl Entry {
    /// Sets creation, modification and access.
    pub fn times(&mut self, created: u64, modified: u64, accessed: u64) -> &mut Self {
        self.facts.times = Times { created, modified, accessed };
        self
    }

    /// Sets Windows' attributes.
    pub fn attributes(&mut self, attributes: u32) -> &mut Self {
        self.facts.attributes = Some(attributes);
        self
    }

    /// Sets owner, group, DACL and SACL.
    pub fn security(&mut self, descriptor: Vec<u8>) -> &mut Self {
        self.facts.security = Some(descriptor);
        self
    }

    /// Adds a named stream.
    pub fn stream(&mut self, name: impl Into<String>, content: Content) -> &mut Self {
        self.facts.streams.insert(name.into(), content);
        self
    }

    /// Makes it a reparse point.
    pub fn reparse(&mut self, data: Vec<u8>) -> &mut Self {
        self.facts.reparse = Some(data);
        self
    }

    /// Gives it an object id (16 bytes, or 64 with the birth ids).
    pub fn object_id(&mut self, id: Vec<u8>) -> &mut Self {
        self.facts.object_id = Some(id);
        self
    }

    /// Gives this name an 8.3 name.
    pub fn dos_name(&mut self, name: impl Into<String>) -> &mut Self {
        self.facts.dos_name = Some(name.into());
        self
    }

    /// Breaks its data into `pieces` on the disk.
    pub fn fragments(&mut self, pieces: u32) -> &mut Self {
        self.facts.fragments = pieces;
        self
    }

    /// Files made in this folder from now on are compressed.
    pub fn compress(&mut self) -> &mut Self {
        self.facts.compress = true;
        self
    }

    /// Makes it an EFS-encrypted file whose content is the ciphertext.
    pub fn efs(&mut self, info: Vec<u8>, padding: u16) -> &mut Self {
        self.facts.efs = Some(Efs { info, padding });
        self
    }
}

/// What a volume shall hold: entries in the order they are made, then names that
/// are taken away again (whose records stay behind, deleted, on the disk).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TreeSpec {
    /// How many files are made and removed before everything else, so that their
    /// records are taken again.
    pub churn: u32,
    /// In the order of making; parents before children.
    pub entries: Vec<Entry>,
    /// Names removed at the end, in this order; a folder after what was in it.
    pub removed: Vec<TreePath>,
    /// Where in `entries` a path is.
    known: BTreeMap<TreePath, usize>,
}

impl TreeSpec {
    /// An empty volume.
    pub fn new() -> Self {
        Self::default()
    }

    /// A folder, and those above it that are not there yet. For a folder that
    /// is there already, that one.
    pub fn dir(&mut self, path: impl Into<TreePath>) -> &mut Entry {
        let path = path.into();
        match self.known.get(&path) {
            Some(at) => &mut self.entries[*at],
            None => self.add(path, Kind::Dir),
        }
    }

    /// A file, and the folders above it that are not there yet.
    pub fn file(&mut self, path: impl Into<TreePath>, content: Content) -> &mut Entry {
        self.add(path.into(), Kind::File(content))
    }

    /// A file of these bytes.
    pub fn bytes(&mut self, path: impl Into<TreePath>, bytes: impl AsRef<[u8]>) -> &mut Entry {
        self.file(path, Content::Bytes(bytes.as_ref().to_vec()))
    }

    /// One more name, `path`, of the file made before as `file`.
    pub fn link(&mut self, path: impl Into<TreePath>, file: &TreePath) -> &mut Entry {
        self.add(path.into(), Kind::Link(file.clone()))
    }

    /// Takes `path` away again at the end, with everything below it that is
    /// there by now.
    pub fn remove(&mut self, path: &TreePath) {
        let gone: BTreeSet<&TreePath> = self.removed.iter().collect();
        let mut below: Vec<TreePath> = self
            .entries
            .iter()
            .map(|entry| &entry.path)
            .filter(|p| p.below(path).is_some() && !gone.contains(p))
            .cloned()
            .collect();
        below.reverse(); // children were made after their parents
        self.removed.extend(below);
    }

    /// Whether a folder or file was made at `path` (it may be removed by now).
    pub fn contains(&self, path: &TreePath) -> bool {
        path.is_root() || self.known.contains_key(path)
    }

    /// The entry made at `path`; it may be removed by now.
    pub fn get(&self, path: &TreePath) -> Option<&Entry> {
        self.known.get(path).map(|at| &self.entries[*at])
    }

    /// What is there in the end: the entries whose names were not removed.
    pub fn survivors(&self) -> impl Iterator<Item = &Entry> {
        let gone: BTreeSet<&TreePath> = self.removed.iter().collect();
        self.entries.iter().filter(move |entry| !gone.contains(&entry.path))
    }

    /// The entry with the content and facts of the file that `entry` names:
    /// itself, or the file that it is a link to.
    pub fn file_of<'a>(&'a self, entry: &'a Entry) -> &'a Entry {
        match &entry.kind {
            Kind::Link(file) => self.known.get(file).map_or(entry, |at| &self.entries[*at]),
            Kind::Dir | Kind::File(_) => entry,
        }
    }

    fn add(&mut self, path: TreePath, kind: Kind) -> &mut Entry {
        let parent = path.parent();
        if !self.contains(&parent) {
            self.add(parent, Kind::Dir);
        }
        let last = self.entries.len();
        self.known.insert(path.clone(), last);
        self.entries.push(Entry { path, kind, facts: Metadata::default() });
        &mut self.entries[last]
    }
}
