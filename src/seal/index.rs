//! A seal in 64 bytes per file, so that a million files fit into memory. Names
//! are compared by their hashes; the seal is read again if they have to be
//! reported.

use std::hash::{BuildHasher, RandomState};

use super::hashing::Hash;
use super::parts::split;
use super::read::{Seal, Unsound};
use crate::model::descriptor;
use crate::model::metadata::attributes;
use crate::set::format::hash::from_hex;
use crate::set::format::manifest::{ContentKind, Data, Member, MemberKind, from_base64};

/// The number of files, folders and streams in one seal: 256 MiB of memory.
const MAX_ENTRIES: usize = 4 << 20;

/// Files that only a store has, and that a new capture rewrites. The empty
/// `status.~lg` is useless for this.
pub(super) const MARKERS: [&str; 5] =
    ["catalog.mig", "MIGSTATE.DAT", "hardlink.main", "USMT.MIG", "USMT3.MIG"];

/// What is known about an [`Entry`], and the result of its comparison.
pub(super) mod flag {
    /// A folder.
    pub(crate) const FOLDER: u32 = 1;
    /// Another hard link of a file.
    pub(crate) const LINK: u32 = 1 << 1;
    /// An alternate data stream.
    pub(crate) const STREAM: u32 = 1 << 2;
    /// It has a hash.
    pub(crate) const HASH: u32 = 1 << 3;
    /// The bytes are an EFS export, whose length depends on the exporter.
    pub(crate) const EFS: u32 = 1 << 4;
    /// The size is not that of the file: an EFS export, or an unreadable file.
    pub(crate) const NO_SIZE: u32 = 1 << 5;
    /// It exists.
    pub(crate) const SEEN: u32 = 1 << 6;
    /// Its bytes were compared.
    pub(crate) const COMPARED: u32 = 1 << 7;
    /// The difference in its bytes was reported.
    pub(crate) const TOLD: u32 = 1 << 8;
    /// It was written to after sealing; its bytes may be the same.
    pub(crate) const TIME: u32 = 1 << 9;
    /// The difference in its other metadata was reported.
    pub(crate) const NOTED: u32 = 1 << 10;
}

/// The bits above the flags are the result of `rights`.
const RIGHTS_SHIFT: u32 = 11;

/// A file, folder or stream as it was sealed.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    key: u64,
    /// Bytes.
    pub(super) size: u64,
    /// FILETIME; 0 if not known.
    pub(super) modified: u64,
    /// Valid only with [`flag::HASH`].
    pub(super) sha256: Hash,
    /// The result of [`Index::facts`] for its other metadata.
    pub(super) facts: u32,
    bits: u32,
}

impl Entry {
    pub(super) fn is(&self, flag: u32) -> bool {
        self.bits & flag != 0
    }

    pub(super) fn set(&mut self, flag: u32) {
        self.bits |= flag;
    }

    /// Owner, group and access list; 0 if not known.
    pub(super) fn rights(&self) -> u32 {
        self.bits >> RIGHTS_SHIFT
    }
}

/// The index of a seal.
pub(super) struct Index {
    entries: Vec<Entry>,
    hasher: RandomState,
    /// The number of [`MARKERS`] in it.
    pub(super) markers: usize,
}

impl Index {
    /// Reads the seal. `prefixes` are the folders of its parts.
    pub(super) fn of(seal: &Seal, prefixes: &[Vec<u8>]) -> Result<Self, Unsound> {
        let totals = seal.totals();
        let sum = [totals.files, totals.directories, totals.links, totals.streams];
        let sum = sum.into_iter().fold(0_u64, u64::saturating_add);
        let damaged = |what: &str| Unsound::Damaged { line: 1, what: what.to_owned() };
        let Some(count) = usize::try_from(sum).ok().filter(|&n| n <= MAX_ENTRIES) else {
            return Err(damaged("it lists more files than can be compared"));
        };
        let mut index =
            Self { entries: Vec::with_capacity(count), hasher: RandomState::new(), markers: 0 };
        // Links directly follow their file.
        let mut file: Option<(Vec<u8>, Entry)> = None;
        seal.members(|member| {
            let no_path = || damaged("it has an invalid path");
            let path = member.exact_path().ok_or_else(no_path)?;
            // Folders above a part do not belong to the store.
            let Some((part, below)) = split(prefixes, &path) else { return Ok(()) };
            let mut entry = index.entry(part, below, &member);
            if member.kind == MemberKind::Link {
                let leads_to = member.exact_link_to();
                if let Some((_, to)) =
                    file.as_ref().filter(|(path, _)| Some(path) == leads_to.as_ref())
                {
                    entry = Entry { key: entry.key, bits: to.bits | flag::LINK, ..*to };
                }
            }
            for stream in &member.streams {
                let name = stream.exact_name().ok_or_else(no_path)?;
                let key = index.key(part, below, Some(&name));
                let own = Entry { key, modified: 0, facts: 0, bits: flag::STREAM, ..entry };
                index.entries.push(with_data(own, &stream.data));
            }
            index.markers += usize::from(is_marker(below));
            if member.kind == MemberKind::File {
                file = Some((path, entry));
            }
            index.entries.push(entry);
            Ok(())
        })?;
        index.entries.sort_unstable_by_key(|entry| entry.key);
        if index.entries.windows(2).any(|pair| pair[0].key == pair[1].key) {
            return Err(damaged("it lists a file twice"));
        }
        Ok(index)
    }

    fn entry(&self, part: usize, below: &[u8], member: &Member) -> Entry {
        let bits = match (member.kind, &member.content) {
            (MemberKind::Directory, _) => flag::FOLDER,
            (MemberKind::Link, _) => flag::LINK,
            (MemberKind::File, Some(ContentKind::EfsRaw)) => flag::EFS | flag::NO_SIZE,
            (MemberKind::File, Some(ContentKind::Missing)) => flag::NO_SIZE,
            (MemberKind::File, _) => 0,
        };
        let security = member.security.as_deref().and_then(from_base64);
        let entry = Entry {
            key: self.key(part, below, None),
            size: 0,
            modified: member.times.modified,
            sha256: Hash::default(),
            facts: self.member_facts(member),
            bits: bits | self.rights(security.as_deref()) << RIGHTS_SHIFT,
        };
        match &member.data {
            Some(data) if member.content != Some(ContentKind::Missing) => with_data(entry, data),
            _ => entry,
        }
    }

    fn key(&self, part: usize, below: &[u8], stream: Option<&[u8]>) -> u64 {
        self.hasher.hash_one((part, below, stream))
    }

    /// The file, folder or stream of that name.
    pub(super) fn get(
        &mut self,
        part: usize,
        below: &[u8],
        stream: Option<&[u8]>,
    ) -> Option<&mut Entry> {
        let at = self.position(part, below, stream)?;
        self.entries.get_mut(at)
    }

    /// The same, to read.
    pub(super) fn look(&self, part: usize, below: &[u8], stream: Option<&[u8]>) -> Option<&Entry> {
        self.entries.get(self.position(part, below, stream)?)
    }

    fn position(&self, part: usize, below: &[u8], stream: Option<&[u8]>) -> Option<usize> {
        let key = self.key(part, below, stream);
        self.entries.binary_search_by_key(&key, |entry| entry.key).ok()
    }

    /// The important attributes, creation time and reparse data as one number,
    /// for comparison.
    pub(super) fn facts(&self, attributes: u32, created: u64, reparse: Option<&[u8]>) -> u32 {
        const MISSED: u32 = attributes::READONLY | attributes::HIDDEN | attributes::SYSTEM;
        low(self.hasher.hash_one((attributes & MISSED, created, reparse)))
    }

    pub(super) fn member_facts(&self, member: &Member) -> u32 {
        let reparse = member.reparse.as_deref().and_then(from_base64);
        // Compact OS data is read as plain data, so its reparse data does not
        // count.
        let reparse = reparse.filter(|_| member.content != Some(ContentKind::Wof));
        self.facts(member.attributes, member.times.created, reparse.as_deref())
    }

    /// Owner, group and access list of a descriptor as one number of 21 bits; 0 if
    /// there is none. The rest (audit list, order of the parts) depends on the reader.
    pub(super) fn rights(&self, security: Option<&[u8]>) -> u32 {
        let Some(bytes) = security else { return 0 };
        let parts = descriptor::parts(bytes).map(|parts| (parts.owner, parts.group, parts.dacl));
        (low(self.hasher.hash_one(parts)) >> RIGHTS_SHIFT).max(1)
    }
}

pub(super) fn is_marker(below: &[u8]) -> bool {
    MARKERS.iter().any(|marker| below.eq_ignore_ascii_case(marker.as_bytes()))
}

fn with_data(mut entry: Entry, data: &Data) -> Entry {
    entry.size = data.size;
    let hash = from_hex(&data.sha256).and_then(|hash| Hash::try_from(hash).ok());
    if let Some(hash) = hash {
        entry.sha256 = hash;
        entry.set(flag::HASH);
    }
    entry
}

fn low(hash: u64) -> u32 {
    u32::try_from(hash & u64::from(u32::MAX)).unwrap_or_default()
}
