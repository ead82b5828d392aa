//! Deleted files: records that are not in use any more but still tell of a
//! file, its directory, and the clusters it had.
//!
//! NTFS counts a record's sequence number up when it frees the record, so a
//! reference to a deleted directory has the number before that. Where the
//! record of a deleted directory was given to another file, the slack of the
//! index above may still have its name ([`super::slack`]).
//!
//! What a deleted file had is only known to be its own as long as nothing else
//! had the clusters since: the volume's bitmap says which are free, and the run
//! lists of all other records, in use or not, say who claims them
//! ([`super::reuse`]).

use std::collections::HashSet;
use std::sync::Arc;

use super::reuse::{self, Claims};
use super::slack::{self, Slack, SlackName};
use crate::model::metadata::{NodeId, Times};
use crate::model::monitor::{Monitor, Progress};
use crate::model::name::{NtName, NtPath};
use crate::model::recovered::Certainty;
use crate::ntfs::catalog::builder::Builder;
use crate::ntfs::catalog::{Catalog, Entry, ORPHANS, entry_flag, is_system};
use crate::ntfs::error::NtfsError;
use crate::ntfs::ondisk::attribute::kind;
use crate::ntfs::ondisk::file_name::{FileName, Namespace};
use crate::ntfs::ondisk::record::{FileRef, Record, known};
use crate::ntfs::ondisk::standard_information::StandardInformation;
use crate::ntfs::read::file::{Body, File, sequence_before};
use crate::ntfs::read::volume::Volume;

/// Deleted directories are gathered up to this number: each takes 100 bytes.
const MAX_FOLDERS: usize = 500_000;
/// Deleted files are told up to this number: each takes some 300 bytes.
const MAX_FOUND: usize = 200_000;
/// Directories whose records are gone and that are looked for in indexes.
const MAX_MISSING: usize = 1 << 17;
/// A path of more directories than this is cut off.
const MAX_DEPTH: usize = 256;

/// A file or directory that was deleted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeletedFile {
    /// The folder that it was in, shared by its files. Below `$Orphans` where that is not known
    /// to the end.
    pub folder: Arc<NtPath>,
    /// Its name.
    pub name: NtName,
    /// Bytes of its unnamed stream; 0 for a directory.
    pub size: u64,
    /// The number of its record.
    pub record: u64,
    /// It was a directory.
    pub is_directory: bool,
    /// What can still be read of it.
    pub readable: Readable,
    /// Why that may not be its own bytes, although it looks so.
    pub doubt: Option<Doubt>,
    /// Its times.
    pub times: Times,
    /// Its attributes (MS-FSCC 2.6).
    pub attributes: u32,
    /// Byte on the volume where its data starts, where that is known.
    pub position: Option<u64>,
    /// All its bytes, those of its streams too, are in its own record.
    pub is_in_record: bool,
    /// Its record was given to another file: only a name in an index is left.
    pub is_name_only: bool,
    /// Its clusters that files which exist have, by their records.
    pub(crate) taken: Vec<(u64, u64)>,
}

/// What can still be read of a deleted file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Readable {
    /// None of its clusters belongs to another file now. (They may have been given
    /// to one since, and given back.)
    Whole,
    /// So many bytes of it.
    Part(u64),
    /// Nothing.
    Nothing,
    /// Nobody can say: the volume's bitmap cannot be read.
    Unknown,
}

/// Why what can be read of a deleted file may not be its own bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Doubt {
    /// The volume was not closed properly.
    Unsettled,
    /// The bitmap lacks clusters of files that exist.
    Bitmap,
    /// Another deleted file claims some of the same clusters.
    Shared,
    /// Its record contradicts itself, or a part of it is lost.
    Damaged,
    /// It has no bytes any more, but its name remembers some.
    Emptied,
    /// EFS encrypts it: what comes out shows nothing of whether it is right.
    Encrypted,
    /// There were too many files to compare them all.
    NotCompared,
    /// The volume is encrypted: erased sectors come as noise (TRIM), and free ones may never have
    /// been encrypted.
    Decrypted,
}

impl Doubt {
    /// For people, after "but".
    pub fn why(self) -> &'static str {
        match self {
            Self::Unsettled => {
                "the volume was not closed properly, so its list of free clusters may be old"
            }
            Self::Bitmap => "the volume's list of free clusters is damaged",
            Self::Shared => "another deleted file had some of the same clusters",
            Self::Damaged => "its file record is damaged",
            Self::Emptied => "its size was set to 0 when it was deleted",
            Self::Encrypted => "it is encrypted (EFS), so its content cannot be checked",
            Self::Decrypted => {
                "the volume is encrypted, so what the disk has erased (TRIM) looks like data"
            }
            Self::NotCompared => "there are too many deleted files to compare all of them",
        }
    }
}

impl DeletedFile {
    /// Where it was.
    pub fn path(&self) -> NtPath {
        self.folder.join(self.name.clone())
    }

    /// How sure it is that what can be read has its old bytes.
    pub fn certainty(&self) -> Certainty {
        match (self.readable, self.doubt) {
            (Readable::Whole, None) if self.is_in_record => Certainty::Sure,
            (Readable::Whole, None) => Certainty::Likely,
            (Readable::Whole, Some(_)) | (Readable::Unknown, _) => Certainty::Unproven,
            (Readable::Part(_), _) => Certainty::Part,
            (Readable::Nothing, _) => Certainty::Overwritten,
        }
    }
}

/// What is known of the volume as a whole.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trust {
    /// All structures are of one moment.
    pub(crate) is_at_rest: bool,
    /// No file that exists has clusters which the bitmap calls free.
    pub(crate) is_bitmap_good: bool,
}

impl Trust {
    fn doubt(self) -> Option<Doubt> {
        match self {
            Self { is_at_rest: false, .. } => Some(Doubt::Unsettled),
            Self { is_bitmap_good: false, .. } => Some(Doubt::Bitmap),
            _ => None,
        }
    }
}

/// The deleted files whose path `wanted` likes.
///
/// Passes over the deleted records twice: first the directories alone, dead or alive, are
/// gathered, since a wiped Windows leaves a million dead files; then each file's
/// path is told from these, and only what is wanted is held. If anything is, one pass over
/// all records shows whose clusters were used again.
pub(crate) fn list(
    volume: &Arc<Volume>,
    live: &Catalog,
    candidates: &[u64],
    trust: Trust,
    wanted: &dyn Fn(&NtPath) -> bool,
    monitor: &dyn Monitor,
) -> Result<Vec<DeletedFile>, NtfsError> {
    let total = candidates.iter().map(|word| u64::from(word.count_ones())).sum();
    let Some((folders, parents)) = folders(volume, live, candidates, monitor)? else {
        monitor.note("too many folders were deleted to look through what was in them");
        return Ok(Vec::new());
    };
    let missing = parents.into_iter().filter(|parent| is_missing(&folders, *parent)).collect();
    let mut above = Above { folders: &folders, slack: Slack::default(), last: None };
    let slack = slack::search(
        volume,
        &folders,
        live,
        &missing,
        &|folder| above.path(folder),
        wanted,
        monitor,
    )?;
    above.slack = slack;
    let mut found = Vec::new();
    let mut claims = Claims::default();
    let mut is_full = false;
    'records: for (number, record) in (0_u64..).zip(records(candidates)) {
        if number.is_multiple_of(1024) {
            if monitor.is_cancelled() {
                return Err(NtfsError::Cancelled);
            }
            let files = number;
            monitor.progress(Progress { files, total_files: total, ..Progress::default() });
        }
        let Some(dead) = Dead::read(volume, record) else { continue };
        for (parent, name) in &dead.names {
            let Some(folder) = above.of(*parent) else { continue };
            if !wanted(&folder.join(name.clone())) {
                continue;
            }
            if found.len() >= MAX_FOUND {
                is_full = true;
                break 'records;
            }
            let owner = u32::try_from(found.len()).unwrap_or(u32::MAX);
            found.push(dead.look(volume, (folder, name), owner, &mut claims));
        }
    }
    // A file with several names keeps the one that was deleted last; indexes may have others.
    for SlackName { file, parent, name, .. } in above.slack.take_other_names() {
        let Some(dead) = u32::try_from(file.number()).ok().and_then(|n| Dead::read(volume, n))
        else {
            continue;
        };
        let Some(folder) = above.of(parent) else { continue };
        if dead.has_name(parent, &name) || !wanted(&folder.join(name.clone())) {
            continue;
        }
        if found.len() >= MAX_FOUND {
            is_full = true;
            break;
        }
        let owner = u32::try_from(found.len()).unwrap_or(u32::MAX);
        found.push(dead.look(volume, (folder, &name), owner, &mut claims));
    }
    reuse::settle(volume, &mut found, &claims, trust.doubt(), monitor)?;
    for name in above.slack.take_names() {
        let Some(folder) = above.of(name.parent) else { continue };
        if !wanted(&folder.join(name.name.clone())) {
            continue;
        }
        if found.len() >= MAX_FOUND {
            is_full = true;
            break;
        }
        found.push(DeletedFile {
            folder,
            name: name.name,
            size: name.size,
            record: name.file.number(),
            is_directory: false,
            readable: Readable::Nothing,
            doubt: None,
            times: Times::default(),
            attributes: 0,
            position: None,
            is_in_record: false,
            is_name_only: true,
            taken: Vec::new(),
        });
    }
    if is_full {
        monitor.note(&format!(
            "more than {MAX_FOUND} deleted files belong here; the others were not looked at"
        ));
    }
    found.sort_by(|a, b| (&a.folder, &a.name, a.record).cmp(&(&b.folder, &b.name, b.record)));
    Ok(found)
}

/// Whether a directory is neither there nor among the deleted ones.
fn is_missing(folders: &Catalog, directory: FileRef) -> bool {
    directory.number() != known::ROOT
        && folders.node(NodeId(directory.0)).is_none_or(|entry| !entry.is_directory())
}

/// The numbers of the records whose bits are set.
fn records(candidates: &[u64]) -> impl Iterator<Item = u32> + '_ {
    let words = candidates.iter().enumerate().filter(|(_, word)| **word != 0);
    let numbers = words.flat_map(|(i, word)| {
        (0..64).filter(move |bit| word >> bit & 1 != 0).map(move |bit| i * 64 + bit)
    });
    numbers.map_while(|number| u32::try_from(number).ok())
}

/// A catalog of all directories, dead or alive, and the directories that deleted files name;
/// `None` where there are too many.
fn folders(
    volume: &Arc<Volume>,
    live: &Catalog,
    candidates: &[u64],
    monitor: &dyn Monitor,
) -> Result<Option<(Catalog, HashSet<FileRef>)>, NtfsError> {
    let mut builder = Builder::default();
    let mut parents = HashSet::new();
    let mut living = live.directories().peekable();
    let mut dead = 0;
    for (number, record) in (0_u64..).zip(records(candidates)) {
        if number.is_multiple_of(1024) && monitor.is_cancelled() {
            return Err(NtfsError::Cancelled);
        }
        while let Some((entry, names)) = living.next_if(|(entry, _)| entry.record < record) {
            builder.add_known(entry, names);
        }
        let Some(Dead { entry, names, .. }) = Dead::read(volume, record) else { continue };
        for (parent, _) in &names {
            if parents.len() < MAX_MISSING {
                parents.insert(*parent);
            }
        }
        if !entry.is_directory() {
            continue;
        }
        dead += 1;
        if dead > MAX_FOLDERS {
            return Ok(None);
        }
        builder.add_entry(entry);
        for (parent, name) in &names {
            builder.add_wtf8_name(record, None, *parent, name.as_wtf8());
        }
    }
    for (entry, names) in living {
        builder.add_known(entry, names);
    }
    Ok(Some((builder.finish().0, parents)))
}

/// The paths of directories, the last one kept: files of one directory mostly
/// follow each other.
struct Above<'a> {
    folders: &'a Catalog,
    slack: Slack,
    last: Option<(FileRef, Option<Arc<NtPath>>)>,
}

impl Above<'_> {
    /// `None` for what is below the system's own files.
    fn of(&mut self, directory: FileRef) -> Option<Arc<NtPath>> {
        if let Some((_, path)) = self.last.as_ref().filter(|(last, _)| *last == directory) {
            return path.clone();
        }
        let path = self.path(directory).map(Arc::new);
        self.last = Some((directory, path.clone()));
        path
    }

    fn path(&self, directory: FileRef) -> Option<NtPath> {
        let mut names = Vec::new();
        let mut at = directory;
        let mut is_known = false;
        for _ in 0..MAX_DEPTH {
            if at.number() == known::ROOT {
                is_known = true;
                break;
            }
            let entry = self.folders.node(NodeId(at.0)).filter(|entry| entry.is_directory());
            if entry.is_some_and(|entry| is_system(entry.record)) {
                return None;
            }
            let own = match entry {
                Some(entry) => self.folders.first_name(entry.record),
                None => self.slack.folder(at),
            };
            let Some((parent, name)) = own else { break };
            names.push(name);
            at = parent;
        }
        if !is_known {
            names.push(format!("{}-{}", at.number(), at.sequence()).as_str().into());
            names.push(NtName::from(ORPHANS));
        }
        names.reverse();
        Some(names.into_iter().collect())
    }
}

/// What a record that is not in use any more tells of a file.
struct Dead {
    entry: Entry,
    /// Its names, DOS names left out, and the directories that they stood in.
    names: Vec<(FileRef, NtName)>,
    /// Bytes of its data as its names remember them.
    named_size: u64,
    is_torn: bool,
}

impl Dead {
    /// `None` where nothing can be made of it.
    fn read(volume: &Volume, number: u32) -> Option<Self> {
        let (mut bytes, at) = volume.read_record(u64::from(number)).ok()?;
        let record = Record::parse(&mut bytes, at).ok()?;
        let entry = Entry {
            record: number,
            sequence: sequence_before(record.sequence),
            flags: if record.is_directory { entry_flag::DIRECTORY } else { 0 },
            ..Entry::default()
        };
        let is_torn = record.is_torn;
        let mut dead = Self { entry, names: Vec::new(), named_size: 0, is_torn };
        let mut has_list = false;
        for attribute in record.attributes().map_while(Result::ok) {
            match attribute.kind {
                kind::STANDARD_INFORMATION => {
                    let own = attribute.resident().and_then(StandardInformation::parse);
                    if let Some(own) = own {
                        (dead.entry.times, dead.entry.attributes) = (own.times, own.attributes);
                    }
                }
                kind::ATTRIBUTE_LIST => has_list = true,
                kind::FILE_NAME => dead.add_name(attribute.resident()),
                kind::DATA if attribute.is_unnamed() => {
                    if let Some(data) = crate::ntfs::catalog::sweep::data_facts(&attribute) {
                        dead.entry.take_data(&data);
                    }
                }
                _ => {}
            }
        }
        if dead.names.is_empty() && has_list {
            // They are in another record.
            let file = File::load_deleted(volume, u64::from(number)).ok()?;
            for name in file.all(kind::FILE_NAME) {
                if let Body::Resident(value) = &name.body {
                    dead.add_name(Some(value));
                }
            }
        }
        (!dead.names.is_empty()).then_some(dead)
    }

    fn add_name(&mut self, value: Option<&[u8]>) {
        let Some(name) = value.and_then(FileName::parse) else { return };
        if name.namespace != Namespace::Dos {
            self.named_size = self.named_size.max(name.size);
            self.names.push((name.parent, name.name()));
        }
    }

    fn has_name(&self, parent: FileRef, name: &NtName) -> bool {
        self.names.iter().any(|(own, of)| *own == parent && of == name)
    }

    /// The file at this path, and the clusters that it claims.
    fn look(
        &self,
        volume: &Arc<Volume>,
        (folder, name): (Arc<NtPath>, &NtName),
        owner: u32,
        claims: &mut Claims,
    ) -> DeletedFile {
        let entry = &self.entry;
        let mut file = DeletedFile {
            folder,
            name: name.clone(),
            size: entry.size,
            record: u64::from(entry.record),
            is_directory: entry.is_directory(),
            readable: Readable::Nothing,
            doubt: self.is_torn.then_some(Doubt::Damaged),
            times: entry.times,
            attributes: entry.attributes,
            position: match entry.cluster() {
                Some(cluster) if !entry.has(entry_flag::RESIDENT) => {
                    volume.boot().cluster_offset(cluster)
                }
                _ => volume.record_offset(u64::from(entry.record)),
            },
            is_in_record: false,
            is_name_only: false,
            taken: Vec::new(),
        };
        if file.is_directory {
            file.size = 0;
            return file;
        }
        let Ok(whole) = File::load_deleted(volume, file.record) else { return file };
        if !whole.damage.is_empty() {
            file.doubt = Some(Doubt::Damaged);
        }
        let Some(data) = whole.find(kind::DATA, None) else { return file };
        file.size = data.size();
        if file.size == 0 && (self.named_size > 0 || matches!(data.body, Body::NonResident { .. }))
        {
            // Windows empties the data of a file in many records before it frees them.
            file.doubt = Some(Doubt::Emptied);
        }
        if data.is_encrypted() {
            file.doubt.get_or_insert(Doubt::Encrypted);
        }
        file.readable = Readable::Whole; // until its clusters were compared
        file.is_in_record = !claims.add(volume, &whole, owner, entry.sequence);
        file
    }
}

impl Builder {
    /// A directory that exists, with its names.
    fn add_known(&mut self, entry: &Entry, names: Vec<(FileRef, &[u8])>) {
        self.add_entry(*entry);
        for (parent, name) in names {
            self.add_wtf8_name(entry.record, None, parent, name);
        }
    }
}
