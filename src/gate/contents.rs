//! Compares the bytes of a store with those in a set, by their SHA-256. A size and a time are kept
//! by whoever wants to, and by some programs that change a file.
//!
//! Of each stream 24 bytes are kept, so a store of millions of files fits into the memory.

use sha2::{Digest, Sha256};

use super::compare::{DESCRIBED, shown};
use crate::health::StreamObserver;
use crate::model::metadata::{Content, Metadata, NodeId};
use crate::model::monitor::Monitor;
use crate::model::name::{NtName, NtPath};
use crate::model::units;
use crate::seal::hashing::Hashers;
use crate::set::error::SetError;
use crate::set::format::hash::from_hex;
use crate::set::format::manifest::{Data, Line, MemberKind};
use crate::set::read::reader::SetReader;
use crate::usmt::Store;

/// The first bytes of the SHA-256 of a stream's path and name.
type Place = u64;
/// The first bytes of the SHA-256 of a stream's data.
type Hash = u128;

/// Hashes every stream of a store while the store is read.
pub(super) struct Observer<'a> {
    store: &'a Store,
    /// The path in a set of the file that is read.
    path: Vec<u8>,
    /// The data of the file is not what a set has: an EFS file as Windows exports it.
    is_other: bool,
    /// The stream that is read.
    stream: Option<Place>,
    hashers: Hashers<Place>,
    contents: Contents,
}

/// The hashes of a store's streams.
#[derive(Default)]
pub(super) struct Contents {
    hashes: Vec<(Place, Hash)>,
    /// Paths of the first files that could not be read to the end.
    unread: Vec<String>,
    /// What the check of the store found, for people.
    damage: Vec<String>,
}

impl<'a> Observer<'a> {
    pub(super) fn new(store: &'a Store) -> Self {
        Self {
            store,
            path: Vec::new(),
            is_other: false,
            stream: None,
            hashers: Hashers::new(),
            contents: Contents::default(),
        }
    }

    /// What was read.
    pub(super) fn finish(mut self, damage: Vec<String>) -> Contents {
        self.leave();
        self.take(true);
        self.contents.hashes.sort_unstable();
        self.contents.damage = damage;
        self.contents
    }

    /// A stream that was not read to its end is one that cannot be.
    fn leave(&mut self) {
        if self.stream.take().is_some() && self.contents.unread.len() < DESCRIBED {
            let path = shown(&self.path);
            if self.contents.unread.last() != Some(&path) {
                self.contents.unread.push(path);
            }
        }
    }

    fn take(&mut self, wait: bool) {
        while let Some((place, hash)) = self.hashers.take(wait) {
            self.contents.hashes.push((place, beginning(&hash)));
        }
    }
}

impl StreamObserver for Observer<'_> {
    fn file(&mut self, part: usize, below: &NtPath, _: NodeId, facts: &Metadata) {
        self.leave();
        self.is_other = facts.content == Content::EfsRaw;
        self.path.clear();
        let Some(part) = self.store.parts.get(part) else { return };
        self.path.extend_from_slice(part.drive.name().as_bytes());
        for name in part.usmt_path.names().iter().chain(below.names()) {
            self.path.push(b'/');
            self.path.extend_from_slice(name.as_wtf8());
        }
    }

    fn stream(&mut self, name: Option<&NtName>) {
        self.leave();
        self.stream = Some(place(&self.path, name.map(NtName::as_wtf8)));
        self.hashers.begin();
    }

    fn bytes(&mut self, bytes: &[u8]) {
        if !self.is_other {
            self.hashers.bytes(bytes);
        }
    }

    fn end(&mut self) {
        if let Some(place) = self.stream.take().filter(|_| !self.is_other) {
            self.hashers.end(place);
        }
        self.take(false);
    }
}

impl Contents {
    /// How the bytes of the store differ from those of the set, for people; none if all are in
    /// it.
    pub(super) fn differences(
        &self,
        set: &SetReader,
        monitor: &dyn Monitor,
    ) -> Result<Vec<String>, SetError> {
        let unread = self.unread.iter().map(|path| format!("{path} cannot be read completely"));
        let damage = self.damage.iter().map(|what| format!("the store is damaged: {what}"));
        let mut described: Vec<String> = damage.chain(unread).collect();
        let mut is_seen = vec![false; self.hashes.len()];
        let mut changed = 0_u64;
        // A link has the bytes of the file before it.
        let mut last = Vec::new();
        for line in set.lines()? {
            if monitor.is_cancelled() {
                return Err(SetError::Cancelled { set: None });
            }
            let Line::Member(member) = line? else { continue };
            let Some(path) = member.exact_path() else { continue };
            if member.kind != MemberKind::Link {
                last.clear();
                last.extend(member.data.as_ref().map(|data| (None, hash_of(data))));
                last.extend(member.streams.iter().filter_map(|stream| {
                    Some((Some(stream.exact_name()?), hash_of(&stream.data)))
                }));
            }
            let mut is_same = true;
            for (name, hash) in &last {
                let place = place(&path, name.as_deref());
                let found = self.hashes.binary_search_by_key(&place, |(place, _)| *place);
                let Ok(index) = found else { continue };
                if let Some(seen) = is_seen.get_mut(index) {
                    *seen = true;
                }
                is_same &= self.hashes.get(index).map(|(_, hash)| *hash) == *hash;
            }
            if !is_same {
                changed += 1;
                if described.len() < DESCRIBED {
                    let path = shown(&path);
                    described.push(format!("{path} has other bytes than in the set"));
                }
            }
        }
        let more = changed.saturating_sub(described.len() as u64);
        if more > 0 {
            let more = units::count(more, "more file has", "more files have");
            described.push(format!("{more} other bytes than in the set"));
        }
        let missing = is_seen.iter().filter(|seen| !**seen).count() as u64;
        if missing > 0 {
            let missing = units::count(missing, "stream", "streams");
            described.push(format!("{missing} of the store's files are not in the set"));
        }
        Ok(described)
    }
}

fn hash_of(data: &Data) -> Option<Hash> {
    from_hex(&data.sha256).map(|hash| beginning(&hash))
}

fn place(path: &[u8], stream: Option<&[u8]>) -> Place {
    let mut hash = Sha256::new();
    hash.update(path);
    if let Some(name) = stream {
        // No path has this byte.
        hash.update([0]);
        hash.update(name);
    }
    u64::try_from(beginning(&hash.finalize()) >> 64).unwrap_or(0)
}

/// The first 16 bytes.
fn beginning(digest: &[u8]) -> u128 {
    digest.iter().take(16).fold(0, |sum, byte| sum << 8 | u128::from(*byte))
}
