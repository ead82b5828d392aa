//! A restore into a folder that has files of its own: a user's profile.
//!
//! A file is written beside its place and gets its name when it is complete. So whatever stops
//! the restore, what has a name is whole, and the next run knows its own files by their data.

use std::io;

use super::{Job, Place};
use crate::model::loss::LossKind;
use crate::model::name::NtName;
use crate::restore::error::RestoreError;
use crate::restore::input::Ordered;
use crate::restore::place::{FactKind, Kind, Piece};
use crate::restore::stage::PARTIAL;
use crate::set::format::manifest::{ContentKind, Data, Member, NamedStream};

/// Ends the name of a file that is not complete.
const DAMAGED: &str = ".damaged";
/// Longest name of NTFS, in UTF-16 units.
const MAX_NAME: usize = 255;

impl Job<'_> {
    /// A file, unless one is there already.
    pub(super) fn merge_file(
        &mut self,
        set: &mut dyn Ordered,
        member: &Member,
        place: &Place,
    ) -> Result<bool, RestoreError> {
        let kind = match self.root(place)?.kind(&place.at) {
            Ok(kind) => kind,
            Err(error) => return self.refused(member, place, &error),
        };
        let has_data = !matches!(
            member.content,
            Some(ContentKind::Missing | ContentKind::Cloud | ContentKind::EfsRaw)
        );
        match kind {
            None => {}
            _ if !has_data && member.content != Some(ContentKind::EfsRaw) => {
                return self.file(set, member, place); // its loss, or that a cloud has it
            }
            Some(Kind::File) if has_data && self.has_same_data(member, place) => {
                self.done.same += 1;
                self.progress.files += 1;
                let hash = self.exact(place);
                self.same.insert(hash);
                // No other file of the set may take its place.
                let hash = self.folded(place);
                self.made.insert(hash);
                return Ok(false); // it keeps its metadata
            }
            Some(_) if !self.may_replace(place) || kind == Some(Kind::Folder) => {
                let error = io::Error::from(io::ErrorKind::AlreadyExists);
                return self.refused(member, place, &error);
            }
            Some(_) => {}
        }
        self.write_beside(set, member, place, kind.is_some())
    }

    /// Writes a file under a temporary name, then gives it its own. `is_there`: another file has
    /// that, and is replaced.
    pub(super) fn write_beside(
        &mut self,
        set: &mut dyn Ordered,
        member: &Member,
        place: &Place,
        is_there: bool,
    ) -> Result<bool, RestoreError> {
        let partial = partial(place);
        // What an earlier run left there is its own.
        let is_own = self.options.merge || self.wrote(&partial);
        if is_own
            && matches!(self.root(&partial)?.kind(&partial.at), Ok(Some(Kind::File)))
            && let Err(error) = self.root(&partial)?.remove(&partial.at)
        {
            return self.refused(member, place, &error);
        }
        // NTFS takes the DOS name away when a file gets another name.
        let unnamed = Member { short_name: None, ..member.clone() };
        if !self.file(set, &unnamed, &partial)? {
            return Ok(false);
        }
        // A file with holes never takes the name of a whole one, nor the place of another.
        let is_holed = self.was_reported(partial.root, &partial.at, Piece::Data)
            || member.losses.iter().any(|loss| {
                matches!(LossKind::of_name(&loss.kind), LossKind::Hole | LossKind::Unreadable)
            });
        if is_holed && self.options.merge {
            return self.name_damaged(member, &partial, place);
        }
        let named = (|| {
            let root = self.root(place).map_err(|_| io::Error::from(io::ErrorKind::NotFound))?;
            if is_there {
                root.remove(&place.at)?;
            }
            root.rename(&partial.at, &place.at)
        })();
        if let Err(error) = named {
            let _ = self.root(&partial)?.remove(&partial.at);
            return self.refused(member, place, &error);
        }
        self.take_over(member, &partial, place);
        self.put_short_name(member, place)?;
        Ok(true)
    }

    /// Gives an incomplete file a name that says so. Its loss was reported.
    fn name_damaged(
        &mut self,
        member: &Member,
        partial: &Place,
        place: &Place,
    ) -> Result<bool, RestoreError> {
        let mut at = place.at.clone();
        if let Some(name) = at.pop() {
            at.push(NtName::from_utf16(
                &[name.to_utf16(), DAMAGED.encode_utf16().collect()].concat(),
            ));
        }
        let damaged = Place { root: place.root, at };
        let named = (|| {
            let root = self.root(place).map_err(|_| io::Error::from(io::ErrorKind::NotFound))?;
            if root.kind(&damaged.at)?.is_some() {
                return Err(io::Error::from(io::ErrorKind::AlreadyExists));
            }
            root.rename(&partial.at, &damaged.at)
        })();
        if let Err(error) = named {
            let _ = self.root(partial)?.remove(&partial.at);
            return self.refused(member, place, &error);
        }
        let detail = format!("restored under its name with {DAMAGED}, because it is not complete");
        self.tally.lose(&member.path, LossKind::Name, detail);
        Ok(false)
    }

    /// Whether the link exists already, with the same data.
    pub(super) fn is_linked(&mut self, target: &Place, place: &Place) -> bool {
        let is_same = self.has_same_bytes(target, place);
        self.done.same += u64::from(is_same);
        is_same
    }

    pub(super) fn has_same_bytes(&mut self, target: &Place, place: &Place) -> bool {
        let same: io::Result<bool> = (|| {
            let root = self.root(place).map_err(|_| io::Error::from(io::ErrorKind::NotFound))?;
            if root.kind(&place.at)? != Some(Kind::File) {
                return Ok(false);
            }
            let (mut one, mut other) = (root.open_file(&target.at)?, root.open_file(&place.at)?);
            is_equal(&mut one, &mut other)
        })();
        same.unwrap_or(false)
    }

    pub(super) fn has_same_data(&mut self, member: &Member, place: &Place) -> bool {
        let none = Data::default();
        let data = member.data.as_ref().unwrap_or(&none);
        let plain = Member { short_name: None, ..member.clone() };
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(super::CHUNK, 0);
        let is_same = self.compare(&plain, place, data, &mut buffer);
        self.buffer = buffer;
        is_same.unwrap_or(false)
    }

    /// What is remembered about a file moves with it.
    fn take_over(&mut self, member: &Member, from: &Place, to: &Place) {
        let hashes = (self.exact(from), self.exact(to));
        if self.metadata_set.remove(&hashes.0) {
            self.metadata_set.insert(hashes.1);
        }
        let names = member.streams.iter().filter_map(NamedStream::exact_name);
        let names: Vec<NtName> = names.filter_map(|name| NtName::from_wtf8(&name)).collect();
        let facts = FactKind::ALL.iter().map(|kind| Piece::Fact(*kind));
        let pieces = names.iter().map(Piece::Stream).chain(facts).chain([Piece::Data]);
        for piece in pieces.collect::<Vec<_>>() {
            self.move_report(from, to, piece);
        }
    }
}

/// Where a file is written before it has its name.
fn partial(place: &Place) -> Place {
    let mut at = place.at.clone();
    if let Some(name) = at.pop() {
        let mut units = name.to_utf16();
        // A long name is cut; the number keeps two such names apart.
        // (Many file systems bound the bytes, not the letters.)
        if name.as_wtf8().len() + PARTIAL.len() > MAX_NAME {
            units.truncate(60);
            units.extend(format!("~{:016x}", fnv(name.as_wtf8())).encode_utf16());
        }
        units.extend(PARTIAL.encode_utf16());
        at.push(NtName::from_utf16(&units));
    }
    Place { root: place.root, at }
}

fn is_equal(one: &mut dyn io::Read, other: &mut dyn io::Read) -> io::Result<bool> {
    let mut buffers = (vec![0; 64 << 10], vec![0; 64 << 10]);
    loop {
        let got = (fill(one, &mut buffers.0)?, fill(other, &mut buffers.1)?);
        if got.0 != got.1 || buffers.0.get(..got.0) != buffers.1.get(..got.1) {
            return Ok(false);
        }
        if got.0 == 0 {
            return Ok(true);
        }
    }
}

fn fill(from: &mut dyn io::Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match from.read(&mut buffer[filled..])? {
            0 => break,
            n => filled += n,
        }
    }
    Ok(filled)
}

/// FNV-1a: the same in every run, unlike the standard library's.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3)
    })
}
