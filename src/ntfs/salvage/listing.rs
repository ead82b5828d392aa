//! What the index of a folder adds to the file records.
//!
//! The catalog goes by the records, so a file whose record is bad, blank or used again would
//! be missing without a trace, and what lies in such a folder would be among the orphans. The
//! index of the folder above still has its name. Every folder that is listed is compared: on
//! a sound volume, index and records say the same.

use std::sync::Arc;

use crate::model::finding::{Finding, Severity};
use crate::model::metadata::{NodeId, Times};
use crate::model::name::{NtName, NtPath};
use crate::model::units;
use crate::ntfs::catalog::{Catalog, Entry, Folder, NAMELESS, ORPHANS, entry_flag};
use crate::ntfs::error::NtfsError;
use crate::ntfs::ondisk::record::{FileRef, Record, known};
use crate::ntfs::read::file::File;
use crate::ntfs::read::index;
use crate::ntfs::read::volume::Volume;

/// Names that a finding lists.
const MAX_NAMED: usize = 8;
/// The bit of a node that stands for a name alone, of a folder that is elsewhere by its
/// record. No record number has it, and no made-up folder.
const ELSEWHERE: u64 = 1 << 45 | 1 << 47;

const CHKDSK: &str = "Copy first. chkdsk can mend the index when the copy is safe.";

/// How the index of one folder differs from the records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Comparison {
    /// What the index lists and the catalog does not have there: folders whose children are
    /// among the orphans, files that lost their names, and names of which nothing else is left
    /// ([`why_only_a_name`]). Sorted, each name once.
    pub(crate) added: Vec<(NtName, NodeId)>,
    /// Files by their name in the record, and the name that the index has for it. Sorted.
    pub(crate) renamed: Vec<(NtName, NtName)>,
    /// Names that the records have and the index lacks.
    pub(crate) forgotten: Vec<NtName>,
    /// Why the index may lack names, or has some that cannot be shown.
    pub(crate) damage: Vec<String>,
    /// Files whose record is not the latest, by what the index copied from it: the record, and
    /// why, for people.
    pub(crate) outdated: Vec<(u32, &'static str)>,
}

/// Why a record is not the latest.
const OLDER: &str = "its file record is older than its entry in the folder's index: its data may be \
                     that of an earlier time";
const OTHER_SIZE: &str = "its file record has another size than its entry in the folder's index, of \
                          the same time: a part of its data may be missing";

impl Comparison {
    /// Whether index and records agree.
    pub(crate) fn is_clean(&self) -> bool {
        *self == Self::default()
    }

    /// What the index calls the file that has `name` by its record, if it is another name.
    pub(crate) fn new_name(&self, name: &NtName) -> Option<&NtName> {
        let found = self.renamed.binary_search_by(|(old, _)| old.cmp(name));
        found.ok().and_then(|i| self.renamed.get(i)).map(|(_, new)| new)
    }

    /// What the record calls the file that has `name` by the index.
    pub(crate) fn old_name(&self, name: &NtName) -> Option<&NtName> {
        self.renamed.iter().find(|(_, new)| new == name).map(|(old, _)| old)
    }

    /// The differences for people; `path` is the folder's.
    pub(crate) fn findings(&self, path: &NtPath) -> Vec<Finding> {
        let finding = |code, what, meaning: &str| Finding {
            code,
            severity: Severity::Warning,
            path: path.to_string(),
            what,
            meaning: meaning.into(),
            action: CHKDSK.into(),
        };
        let mut findings = Vec::new();
        if let Some(first) = self.damage.first() {
            let what = format!("The folder's index is damaged: {first}.");
            let meaning = "Windows cannot list all of this folder. Lifeboat lists it from the \
                           file records.";
            findings.push(finding("ntfs-index-damaged", what, meaning));
        }
        if !self.outdated.is_empty() {
            let count = units::count(self.outdated.len() as u64, "file record", "file records");
            findings.push(Finding {
                severity: Severity::Damage,
                ..finding(
                    "ntfs-record-outdated",
                    format!("{count} of this folder do not agree with its index."),
                    "The index has a later time, or another size of the same time. The files are \
                     saved as their records have them, and each is listed as a loss.",
                )
            });
        }
        if !self.forgotten.is_empty() {
            let what = format!("The folder's index lacks {}.", listed(self.forgotten.iter()));
            let meaning = "Windows does not see them. Lifeboat does, by their file records.";
            findings.push(finding("ntfs-index-forgot", what, meaning));
        }
        if !self.added.is_empty() {
            let names = self.added.iter().map(|(name, _)| name);
            let what =
                format!("The folder's index has {} without a file record there.", listed(names));
            let meaning = "Lifeboat saves what is left of them, and lists each as a loss.";
            findings.push(finding("ntfs-index-stale", what, meaning));
        }
        if let Some((old, new)) = self.renamed.first() {
            let more = match self.renamed.len() {
                1 => String::new(),
                more => format!(", and {} more", more - 1),
            };
            let what = format!(
                "The folder's index has another name than the file record: {new} is {old} \
                 there{more}."
            );
            let meaning = "Lifeboat saves the file once, under the name in the index.";
            findings.push(finding("ntfs-index-renamed", what, meaning));
        }
        findings
    }
}

fn listed<'a>(names: impl ExactSizeIterator<Item = &'a NtName>) -> String {
    let count = names.len();
    let mut list: Vec<_> = names.take(MAX_NAMED).map(ToString::to_string).collect();
    if count > MAX_NAMED {
        list.push("...".into());
    }
    let noun = if count == 1 { "name" } else { "names" };
    format!("{count} {noun} ({})", list.join(", "))
}

/// Reads the index of the directory `record` and compares it. What is wrong with the index is
/// part of the answer.
///
/// Folders are added only to a directory that hangs on the root, and only such that hang on
/// nothing: so none can come to stand in itself.
/// `is_at_rest`: whether index and records are of one moment, see
/// [`state::is_at_rest`](crate::ntfs::read::state::is_at_rest).
pub(crate) fn compare(
    volume: &Arc<Volume>,
    catalog: &Catalog,
    record: u32,
    is_at_rest: bool,
) -> Comparison {
    let extensions = || catalog.extensions(record);
    let listing = File::load(volume, u64::from(record), &extensions)
        .and_then(|directory| index::list(volume, &directory));
    let listing = match listing {
        Ok(listing) => listing,
        Err(error) => {
            let damage = vec![error.to_string()];
            index::Listing { damage, ..index::Listing::default() }
        }
    };
    let paths = catalog.paths(record);
    let outdated = if is_at_rest { outdated(catalog, &listing.copies) } else { Vec::new() };
    let directory = Directory {
        volume,
        catalog,
        record,
        sequence: catalog.entry(record).map_or(0, |entry| entry.sequence),
        hangs_on_root: Folder::Record(record) == Folder::root()
            || paths.first().is_some_and(|path| !is_orphan(path)),
        is_live: volume.medium().is_live(),
    };
    Comparison { outdated, ..directory.compare(listing) }
}

/// The files that an index entry knows better than their record. (Windows renews an entry when
/// a handle is closed, all of it at once, and only the one by whose name the file was opened.
/// So an entry may be old, but not newer than the record.)
fn outdated(catalog: &Catalog, copies: &[index::Copied]) -> Vec<(u32, &'static str)> {
    const KNOWN_AS_DAMAGED: u16 =
        entry_flag::DAMAGED | entry_flag::REVIVED | entry_flag::RECORD_LOST;
    let mut outdated: Vec<(u32, &'static str)> = copies
        .iter()
        .filter_map(|copied| {
            let entry = catalog.node(NodeId(copied.file.0))?;
            if entry.has(KNOWN_AS_DAMAGED) || u64::from(entry.record) < known::FIRST_USER {
                return None;
            }
            let Times { modified, changed, .. } = entry.times;
            let is_older = copied.changed > changed && copied.modified > modified;
            let is_same_time = copied.changed == changed && copied.modified == modified;
            let is_other_size = !entry.is_directory() && copied.size != entry.size;
            match (is_older, is_same_time && is_other_size) {
                (true, _) => Some((entry.record, OLDER)),
                (_, true) => Some((entry.record, OTHER_SIZE)),
                _ => None,
            }
        })
        .collect();
    outdated.sort_unstable();
    outdated.dedup_by_key(|(record, _)| *record);
    outdated
}

/// The directory whose index is looked at.
struct Directory<'a> {
    volume: &'a Volume,
    catalog: &'a Catalog,
    record: u32,
    sequence: u16,
    hangs_on_root: bool,
    /// Windows is writing to the volume: what differs may be newer than the sweep.
    is_live: bool,
}

impl Directory<'_> {
    fn compare(&self, listing: index::Listing) -> Comparison {
        let mut found = Comparison { damage: listing.damage, ..Comparison::default() };
        let links = self.catalog.links_in(Folder::Record(self.record));
        // By position in `links`: the index lists it.
        let mut is_listed = vec![false; links.len()];
        let mut others = Vec::new();
        let mut names = listing.names;
        names.sort();
        names.dedup();
        for (name, file) in names {
            if file.number() < known::FIRST_USER {
                continue;
            }
            let of_name = self.links_named(&name);
            let own = of_name.clone().find(|i| u64::from(links[*i].record) == file.number());
            match own {
                Some(i) => {
                    is_listed[i] = true;
                    let entry = self.catalog.entry(links[i].record);
                    if !self.is_live && entry.is_some_and(|entry| !file.fits(entry.sequence)) {
                        found.damage.push(format!(
                            "it has {name} with another sequence number than the file record"
                        ));
                    }
                }
                None => others.push((name, file, !of_name.is_empty())),
            }
        }
        for (name, file, is_taken) in others {
            if is_taken {
                found.damage.push(format!(
                    "the name {name} belongs to two files, records {} and {}",
                    file.number(),
                    self.links_named(&name).next().map_or(0, |i| links[i].record)
                ));
                continue;
            }
            if let Some(old) = self.renamed(file, &mut is_listed) {
                found.renamed.push((old, name));
            } else if let Some(node) = self.node(file) {
                found.added.push((name, node));
            }
        }
        found.added.dedup_by(|a, b| a.0 == b.0);
        found.renamed.sort();
        let forgotten = links.iter().zip(&is_listed);
        let forgotten = forgotten
            .filter(|(link, is_listed)| {
                !**is_listed && u64::from(link.record) >= known::FIRST_USER && !self.is_live
            })
            .filter_map(|(link, _)| NtName::from_wtf8(self.catalog.name_bytes(link)));
        found.forgotten = forgotten.collect();
        found
    }

    /// The positions of the links of that name.
    fn links_named(&self, name: &NtName) -> std::ops::Range<usize> {
        let links = self.catalog.links_in(Folder::Record(self.record));
        let from = links.partition_point(|link| self.catalog.name_bytes(link) < name.as_wtf8());
        let count = links[from..]
            .iter()
            .take_while(|link| self.catalog.name_bytes(link) == name.as_wtf8())
            .count();
        from..from + count
    }

    /// The name in the record of a file that is in this folder, and which the index does not
    /// list by that name.
    fn renamed(&self, file: FileRef, is_listed: &mut [bool]) -> Option<NtName> {
        let entry = self.catalog.node(NodeId(file.0))?;
        let links = self.catalog.links_in(Folder::Record(self.record));
        let mut own = (0..links.len()).filter(|i| links[*i].record == entry.record);
        let i = own.find(|i| !is_listed[*i])?;
        is_listed[i] = true;
        NtName::from_wtf8(self.catalog.name_bytes(&links[i]))
    }

    /// What an index entry leads to; `None` where there is nothing to be said of it.
    fn node(&self, file: FileRef) -> Option<NodeId> {
        if let Some(entry) = self.catalog.node(NodeId(file.0)) {
            return self.known(entry);
        }
        let folder = Folder::Lost(u32::try_from(file.number()).ok()?, file.sequence());
        if self.catalog.has_folder(folder) && self.hangs_on_root {
            return Some(folder.id());
        }
        (!self.is_live || is_damaged(self.volume, file.number())).then_some(NodeId(file.0))
    }

    /// A file or folder that is whole, and elsewhere by its own record.
    fn known(&self, entry: &Entry) -> Option<NodeId> {
        let paths = self.catalog.paths(entry.record);
        // In this one's record stood another folder before, and the file was in that.
        if paths.iter().any(|path| is_orphan(path) && self.was_replaced(path)) {
            return None;
        }
        if !entry.is_directory() {
            return (!self.is_live || paths.iter().all(is_orphan)).then(|| entry.id());
        }
        let elsewhere = FileRef::new(ELSEWHERE | u64::from(entry.record), entry.sequence);
        (!self.is_live).then_some(NodeId(elsewhere.0))
    }

    /// Whether an orphan's path says that it stood in another directory, which had
    /// this one's record before.
    fn was_replaced(&self, path: &NtPath) -> bool {
        let mut parts = path.names().get(1).and_then(NtName::as_str).unwrap_or("").split('-');
        parts.next().and_then(|record| record.parse().ok()) == Some(self.record)
            && parts.next().and_then(|sequence| sequence.parse().ok()) != Some(self.sequence)
    }
}

/// Whether a path leads through the folder of the orphans.
fn is_orphan(path: &NtPath) -> bool {
    path.names().first().is_some_and(|name| name.as_wtf8() == ORPHANS.as_bytes())
}

/// Whether the record cannot be read, makes no sense or is another one.
fn is_damaged(volume: &Volume, number: u64) -> bool {
    let Ok((mut bytes, at)) = volume.read_record(number) else { return true };
    match Record::parse(&mut bytes, at) {
        Ok(record) => record.in_use && record.number.is_some_and(|own| u64::from(own) != number),
        Err(_) => true,
    }
}

/// Why nothing is left of a file but its name in an index, for people.
///
/// # Errors
/// The device is gone.
pub(crate) fn why_only_a_name(
    volume: &Volume,
    catalog: &Catalog,
    id: NodeId,
) -> Result<String, NtfsError> {
    let reference = FileRef(id.0);
    if reference.number() & ELSEWHERE == ELSEWHERE {
        let record = u32::try_from(reference.number() & 0xFFFF_FFFF).unwrap_or(u32::MAX);
        let path = catalog.paths(record).first().map(ToString::to_string).unwrap_or_default();
        return Ok(format!("by its file record, this folder is {path}; it is not listed twice"));
    }
    let number = reference.number();
    let (mut bytes, at) = match volume.read_record(number) {
        Ok(read) => read,
        Err(error) if error.is_gone() => return Err(error),
        Err(error) => return Ok(error.to_string()),
    };
    Ok(match Record::parse(&mut bytes, at) {
        Err(error) => error.to_string(),
        Ok(record) if record.number.is_some_and(|own| u64::from(own) != number) => {
            format!("file record {number} at byte {at}: another record is in its place")
        }
        Ok(record) if !record.in_use => {
            format!("file record {number} at byte {at} is marked as deleted")
        }
        Ok(_) => format!("file record {number} at byte {at} now belongs to another file"),
    })
}

/// Whether an identity is that of a folder whose own record is lost, which is
/// known by its children alone.
pub(crate) fn is_lost_folder(id: NodeId) -> bool {
    matches!(Folder::from_id(id), Folder::Lost(record, _) if record != NAMELESS)
}
