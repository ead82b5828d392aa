//! One file, gathered from its base record and the records that extend it.

use std::collections::HashSet;
use std::sync::Arc;

use super::compression::MAX_UNIT_BYTES;
use super::data::{DataReader, Source};
use super::volume::Volume;
use crate::model::name::NtName;
use crate::ntfs::error::{NtfsError, damaged};
use crate::ntfs::ondisk::attribute::{Attribute, Sizes, Value, flag, kind};
use crate::ntfs::ondisk::attribute_list::{self, ListEntry};
use crate::ntfs::ondisk::record::{FileRef, Record};
use crate::ntfs::ondisk::runs::{self, Place, RunList};

/// So many damages are kept.
const MAX_DAMAGE: usize = 32;
/// A file in more records than this is not believed (NTFS stops at about 10,000).
const MAX_RECORDS: usize = 16_384;

/// A file with all its attributes; run lists are still packed.
pub(crate) struct File {
    /// The base record.
    pub(crate) number: u64,
    /// Byte on the volume where that stands.
    pub(crate) at: u64,
    /// In the order they were met.
    pub(crate) attributes: Vec<FileAttribute>,
    /// Why attributes may be missing.
    pub(crate) damage: Vec<String>,
    /// Bytes of values and run lists so far.
    held: usize,
}

/// The sequence number of a record before it was freed. 0 is not used: after 0xFFFF comes 1.
pub(crate) fn sequence_before(now: u16) -> u16 {
    if now <= 1 { u16::MAX } else { now - 1 }
}

/// Whether the file that is gathered exists.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Life {
    Exists,
    Deleted,
}

impl Life {
    /// The sequence number by which references mean a record that has this one now.
    fn sequence(self, now: u16) -> u16 {
        match self {
            Self::Exists => now,
            Self::Deleted => sequence_before(now),
        }
    }
}

/// The largest file that NTFS can hold (at 2 MiB clusters): 8 PiB.
const MAX_STREAM_BYTES: u64 = 1 << 53;
/// More attributes than that are not believed: each takes 26 bytes at least in
/// an attribute list of 256 KiB at most.
const MAX_ATTRIBUTES: usize = 16_384;
/// Bytes of values and run lists in all records: more than the 1.5 million runs
/// take at which NTFS stops, and little enough to hold.
const MAX_BYTES: usize = 32 << 20;

/// One attribute, put together from its pieces.
pub(crate) struct FileAttribute {
    pub(crate) kind: u32,
    pub(crate) name: NtName,
    pub(crate) flags: u16,
    pub(crate) body: Body,
}

/// An attribute's value.
pub(crate) enum Body {
    Resident(Vec<u8>),
    NonResident {
        /// `None` where the first piece is lost.
        sizes: Option<Sizes>,
        /// A power of two of clusters; 0 for none.
        unit: u8,
        pieces: Vec<Piece>,
    },
}

/// The run list of a part of an attribute's value.
pub(crate) struct Piece {
    /// The first cluster of the value that it is about.
    pub(crate) first_vcn: u64,
    /// The last one; one less than the first for an empty value.
    pub(crate) last_vcn: u64,
    pub(crate) runs: Vec<u8>,
    /// Byte on the volume.
    pub(crate) at: u64,
}

impl FileAttribute {
    /// Bytes of the value; 0 where nobody knows.
    pub(crate) fn size(&self) -> u64 {
        match &self.body {
            Body::Resident(bytes) => bytes.len() as u64,
            Body::NonResident { sizes, .. } => sizes.map_or(0, |s| s.size),
        }
    }

    /// The compression unit, as a power of two of clusters; 0 for none.
    pub(crate) fn unit(&self) -> u8 {
        match &self.body {
            Body::Resident(_) => 0,
            Body::NonResident { unit, .. } => *unit,
        }
    }

    /// Whether it is encrypted by EFS.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.flags & flag::ENCRYPTED != 0
    }
}

/// What contradicts itself in a stream: what was expected, and what was found (Linux-NTFS,
/// "Attribute header": `allocated_size`, `initialized_size`, `highest_vcn`).
fn contradiction(stream: &FileAttribute, cluster_bytes: u64) -> Option<(&'static str, String)> {
    let Body::NonResident { sizes, unit, pieces } = &stream.body else { return None };
    let mut clusters = 0_u64;
    let mut has_sparse = false;
    for piece in pieces {
        let mut own = 0_u64;
        for run in runs::decode(&piece.runs, piece.at).map_while(Result::ok) {
            own = own.saturating_add(run.clusters);
            has_sparse |= run.place == Place::Sparse;
        }
        let told = piece.last_vcn.wrapping_sub(piece.first_vcn).wrapping_add(1);
        if own != told {
            return Some(("as many clusters as the header counts", format!("{own}, not {told}")));
        }
        clusters = clusters.saturating_add(own);
    }
    let is_compressed = stream.flags & flag::COMPRESSED != 0;
    if is_compressed && *unit == 0 && !stream.is_encrypted() {
        return Some(("the size of a compression unit", "none".to_owned()));
    }
    let is_plain = stream.flags & (flag::COMPRESSED | flag::SPARSE) == 0;
    if is_plain && has_sparse {
        return Some(("clusters for all of it", "some that are sparse".to_owned()));
    }
    let sizes = (*sizes)?;
    if sizes.valid_data_length > sizes.size || is_plain && sizes.size > sizes.allocated {
        let found = format!(
            "{} valid of {} bytes, {} allocated",
            sizes.valid_data_length, sizes.size, sizes.allocated
        );
        return Some(("sizes that fit each other", found));
    }
    if is_plain && sizes.allocated != clusters.saturating_mul(cluster_bytes) {
        let found = format!("{} bytes in {clusters} clusters", sizes.allocated);
        return Some(("as many clusters as its size", found));
    }
    None
}

impl File {
    /// Gathers file `number`. `extensions` are the records known to extend it,
    /// for when its attribute list cannot be read.
    pub(crate) fn load(
        volume: &Volume,
        number: u64,
        extensions: &dyn Fn() -> Vec<u64>,
    ) -> Result<Self, NtfsError> {
        Self::gather(volume, number, extensions, Life::Exists)
    }

    /// Gathers a deleted file. NTFS counted up the sequence numbers of all its records when it
    /// freed them, and left the references between them as they were.
    pub(crate) fn load_deleted(volume: &Volume, number: u64) -> Result<Self, NtfsError> {
        Self::gather(volume, number, &Vec::new, Life::Deleted)
    }

    fn gather(
        volume: &Volume,
        number: u64,
        extensions: &dyn Fn() -> Vec<u64>,
        life: Life,
    ) -> Result<Self, NtfsError> {
        let (mut bytes, at) = volume.read_record(number)?;
        let record = Record::parse(&mut bytes, at)?;
        let mut file = Self { number, at, attributes: Vec::new(), damage: Vec::new(), held: 0 };
        file.add_record(&record);
        let Some(list) = file.find(kind::ATTRIBUTE_LIST, None) else {
            file.check_streams(volume);
            return Ok(file);
        };
        let base = FileRef::new(number, life.sequence(record.sequence));
        let (entries, error) = match file.read_list(volume, list) {
            Ok(list) => list,
            Err(error) => (Vec::new(), Some(error)),
        };
        let mut records: Vec<_> = entries.iter().map(|entry| entry.record).collect();
        // Every file has attributes in its own record, and its list has them.
        let is_own = |entry: &ListEntry| entry.record.number() == number;
        if let Some(error) = error {
            file.damage.push(error.to_string());
        } else if !entries.iter().any(is_own) {
            let list = damaged("attribute list", at, "the record itself", "other records only");
            file.damage.push(list.to_string());
        }
        // Records that say they belong to this file, whether its list has them or not.
        let listed: HashSet<u64> = records.iter().map(|record| record.number()).collect();
        let others: Vec<u64> =
            extensions().into_iter().filter(|number| !listed.contains(number)).collect();
        if let (Some(other), true) = (others.first(), file.damage.is_empty()) {
            let found = format!("record {other} too, which belongs to it");
            file.damage.push(damaged("attribute list", at, "all its records", found).to_string());
        }
        records.extend(others.into_iter().map(FileRef));
        let mut seen = HashSet::from([number]);
        records.retain(|r| seen.insert(r.number()));
        if records.len() > MAX_RECORDS {
            file.damage.push(format!("it lists {} records, which is too many", records.len()));
            records.truncate(MAX_RECORDS);
        }
        for reference in records {
            if let Err(error) = file.add_extension(volume, base, reference, life) {
                if error.is_gone() {
                    return Err(error);
                }
                file.damage.push(error.to_string());
                file.damage.truncate(MAX_DAMAGE);
            }
        }
        file.sort_pieces();
        file.compare_list(&entries);
        file.check_streams(volume);
        Ok(file)
    }

    /// Adds to the damage what contradicts itself in the streams of the file.
    fn check_streams(&mut self, volume: &Volume) {
        if volume.medium().is_live() {
            return; // its fields may be of two moments
        }
        let streams = self.attributes.iter().filter(|attribute| attribute.kind == kind::DATA);
        let wrong = streams.filter_map(|stream| contradiction(stream, volume.cluster_bytes()));
        let wrong = wrong.map(|(expected, found)| damaged("stream", self.at, expected, found));
        let wrong: Vec<String> = wrong.take(MAX_DAMAGE).map(|error| error.to_string()).collect();
        self.damage.extend(wrong);
    }

    /// Adds to the damage that the list has attributes which the records do not.
    fn compare_list(&mut self, entries: &[ListEntry]) {
        let mut have = HashSet::new();
        for attribute in &self.attributes {
            let firsts: Vec<u64> = match &attribute.body {
                Body::Resident(_) => vec![0],
                Body::NonResident { pieces, .. } => {
                    pieces.iter().map(|piece| piece.first_vcn).collect()
                }
            };
            have.extend(firsts.into_iter().map(|vcn| (attribute.kind, &attribute.name, vcn)));
        }
        let missing = entries
            .iter()
            .find(|entry| !have.contains(&(entry.kind, &entry.name, entry.first_vcn)));
        if let Some(missing) = missing {
            let what = format!("attribute {:#x} in record {:?}", missing.kind, missing.record);
            let error = damaged("attribute list", self.at, what, "no such attribute");
            self.damage.push(error.to_string());
            self.damage.truncate(MAX_DAMAGE);
        }
    }

    /// The first attribute of that type and name (`None`: unnamed).
    pub(crate) fn find(&self, kind: u32, name: Option<&NtName>) -> Option<&FileAttribute> {
        self.attributes.iter().find(|a| {
            a.kind == kind && name.map_or_else(|| a.name.is_empty(), |name| a.name == *name)
        })
    }

    /// All attributes of that type.
    pub(crate) fn all(&self, kind: u32) -> impl Iterator<Item = &FileAttribute> {
        self.attributes.iter().filter(move |a| a.kind == kind)
    }

    /// The error for an attribute that is not there: "not found", or the
    /// damage that may be the cause.
    pub(crate) fn missing(&self, what: &str) -> NtfsError {
        match self.damage.first() {
            None => NtfsError::NotFound { what: what.into(), record: self.number },
            Some(damage) => damaged("file record", self.at, what, damage.clone()),
        }
    }

    /// A reader of the value.
    pub(crate) fn reader(
        &self,
        volume: &Arc<Volume>,
        attribute: &FileAttribute,
    ) -> Result<DataReader, NtfsError> {
        Ok(DataReader::new(Arc::clone(volume), self.source(volume, attribute)?))
    }

    /// The whole value, if it is no longer than `limit` and all readable.
    pub(crate) fn value(
        &self,
        volume: &Arc<Volume>,
        attribute: &FileAttribute,
        limit: usize,
    ) -> Result<Vec<u8>, NtfsError> {
        if let Body::Resident(bytes) = &attribute.body {
            return Ok(bytes.clone());
        }
        let mut reader = self.reader(volume, attribute)?;
        let size = usize::try_from(reader.len()).ok().filter(|n| *n <= limit).ok_or_else(|| {
            let found = format!("{} bytes", reader.len());
            damaged("attribute", self.at, format!("{limit} bytes at most"), found)
        })?;
        let mut bytes = vec![0; size];
        reader.read(&mut bytes)?;
        match reader.holes().first() {
            None => Ok(bytes),
            Some(hole) => {
                Err(damaged("attribute", self.at, "a readable value", hole.reason.clone()))
            }
        }
    }

    pub(crate) fn source(
        &self,
        volume: &Volume,
        attribute: &FileAttribute,
    ) -> Result<Source, NtfsError> {
        let (sizes, unit, pieces) = match &attribute.body {
            Body::Resident(bytes) => return Ok(Source::Resident(bytes.clone())),
            Body::NonResident { sizes, unit, pieces } => (sizes, unit, pieces),
        };
        let Some(sizes) = *sizes else {
            return Err(self.missing("the first piece of a stream"));
        };
        let mut runs = RunList::default();
        for piece in pieces {
            if runs.push_piece(piece.first_vcn, &piece.runs, piece.at).is_err() {
                // Up to here it is good; the rest shows as a hole.
                break;
            }
        }
        // A run list that was cut short leaves a hole; a size far beyond it is
        // no size, and nobody should read that many zeros.
        let mapped = runs.clusters().saturating_mul(volume.cluster_bytes());
        let absurd = sizes.size.saturating_sub(mapped) > volume.medium().len();
        if absurd || sizes.size > MAX_STREAM_BYTES {
            let found = format!("{} bytes, {mapped} of them in clusters", sizes.size);
            return Err(damaged("attribute", self.at, "the size of a stream", found));
        }
        // Encrypted data is never compressed, and keeps a unit all the same.
        let compressed = attribute.flags & flag::COMPRESSED != 0 && !attribute.is_encrypted();
        let unit_clusters = match (compressed, *unit) {
            (false, _) | (true, 0) => 0,
            (true, unit) => 1_u64
                .checked_shl(u32::from(unit))
                .filter(|n| n.saturating_mul(volume.cluster_bytes()) <= MAX_UNIT_BYTES)
                .ok_or_else(|| {
                    damaged(
                        "attribute",
                        self.at,
                        "a compression unit",
                        format!("2^{unit} clusters"),
                    )
                })?,
        };
        Ok(Source::Clusters { runs, sizes, unit_clusters })
    }

    fn read_list(
        &self,
        volume: &Volume,
        list: &FileAttribute,
    ) -> Result<(Vec<ListEntry>, Option<NtfsError>), NtfsError> {
        let bytes = match &list.body {
            Body::Resident(bytes) => bytes.clone(),
            Body::NonResident { sizes, pieces, .. } => {
                let piece = pieces.first().ok_or_else(|| self.missing("the attribute list"))?;
                let value = crate::ntfs::ondisk::attribute::NonResident {
                    first_vcn: piece.first_vcn,
                    last_vcn: piece.last_vcn,
                    unit: 0,
                    sizes: *sizes,
                    runs: &piece.runs,
                };
                super::data::read_metadata(volume.medium(), volume.boot(), &value)?
            }
        };
        Ok(attribute_list::parse(&bytes, self.at))
    }

    fn add_extension(
        &mut self,
        volume: &Volume,
        base: FileRef,
        reference: FileRef,
        life: Life,
    ) -> Result<(), NtfsError> {
        let (mut bytes, at) = volume.read_record(reference.number())?;
        let record = Record::parse(&mut bytes, at)?;
        // A record that was freed has another sequence number.
        let is_alive = match life {
            Life::Exists => record.in_use || reference.sequence() != 0,
            Life::Deleted => !record.in_use && reference.sequence() != 0,
        };
        let is_ours = is_alive
            && reference.fits(life.sequence(record.sequence))
            && record.base.is_some_and(|b| b.number() == base.number() && b.fits(base.sequence()));
        if !is_ours {
            let expected = format!("record {reference:?}, which extends {base:?}");
            let base = record.base.map_or_else(|| "none".to_owned(), |base| format!("{base:?}"));
            let found = format!("sequence {}, base {base}", record.sequence);
            return Err(damaged("file record", at, expected, found));
        }
        if !record.in_use && life == Life::Exists {
            self.damage
                .push(format!("record {reference:?} is marked as deleted, and belongs to it"));
        }
        self.add_record(&record);
        Ok(())
    }

    fn add_record(&mut self, record: &Record<'_>) {
        if record.is_torn {
            self.damage.push(format!(
                "file record at byte {} of the volume: its end is from a different write (torn)",
                record.at
            ));
        }
        let mut last = 0;
        for attribute in record.attributes() {
            // The types of attributes are multiples of 16, and in order (Linux-NTFS, "$AttrDef",
            // "Attribute header").
            let kind = attribute.as_ref().map_or(last, |attribute| attribute.kind);
            let is_type = kind % 0x10 == 0 && kind >= last.max(0x10) && kind <= 0x1000;
            match attribute {
                Ok(attribute) if !is_type => {
                    let found = format!("{:#x}", attribute.kind);
                    let error = damaged("attribute", attribute.at, "an attribute type", found);
                    self.damage.push(error.to_string());
                }
                Ok(attribute) => {
                    last = attribute.kind;
                    self.add(&attribute);
                }
                Err(error) => self.damage.push(error.to_string()),
            }
        }
    }

    fn add(&mut self, attribute: &Attribute<'_>) {
        self.held = self.held.saturating_add(match attribute.value {
            Value::Resident(bytes) => bytes.len(),
            Value::NonResident(value) => value.runs.len(),
        });
        if self.attributes.len() >= MAX_ATTRIBUTES || self.held > MAX_BYTES {
            if self.damage.len() < MAX_DAMAGE {
                self.damage.push("it claims to have more attributes than a file can have".into());
            }
            return;
        }
        let name = attribute.name();
        let (kind, flags) = (attribute.kind, attribute.flags);
        let body = match attribute.value {
            Value::Resident(bytes) => Body::Resident(bytes.to_vec()),
            Value::NonResident(value) => {
                let piece = Piece {
                    first_vcn: value.first_vcn,
                    last_vcn: value.last_vcn,
                    runs: value.runs.to_vec(),
                    at: attribute.at,
                };
                let same = self.attributes.iter_mut().find(|a| a.kind == kind && a.name == name);
                if let Some(FileAttribute {
                    body: Body::NonResident { sizes, unit, pieces },
                    flags: all,
                    ..
                }) = same
                {
                    if value.sizes.is_some() {
                        *sizes = value.sizes;
                        *unit = value.unit;
                        *all = flags;
                    }
                    pieces.push(piece);
                    return;
                }
                Body::NonResident { sizes: value.sizes, unit: value.unit, pieces: vec![piece] }
            }
        };
        self.attributes.push(FileAttribute { kind, name, flags, body });
    }

    fn sort_pieces(&mut self) {
        for attribute in &mut self.attributes {
            if let Body::NonResident { pieces, .. } = &mut attribute.body {
                pieces.sort_by_key(|piece| piece.first_vcn);
            }
        }
    }
}
