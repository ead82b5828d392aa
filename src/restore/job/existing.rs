//! What an earlier attempt of the same restore left and may stay.

use std::collections::HashMap;
use std::io::{self, Read};

use sha2::{Digest, Sha256};

use super::{CHUNK, Job, Place};
use crate::model::loss::LossKind;
use crate::model::name::NtName;
use crate::restore::error::RestoreError;
use crate::restore::place::{FactKind, Kind};
use crate::set::format::hash::finish_hex;
use crate::set::format::manifest::{ContentKind, Data, Member, MemberKind};

/// Whether a path is that of a folder above a part.
fn is_above(parts: &[Place], root: usize, at: &[NtName]) -> bool {
    parts.iter().any(|p| p.root == root && p.at.len() > at.len() && p.at.starts_with(at))
}

/// What is at the final places of a set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::restore) enum There {
    /// All of the set, and nothing else.
    All,
    /// Some of the set, and nothing else.
    Some,
    /// Something else, or nothing.
    Other,
}

impl Job<'_> {
    /// Reports what is in a stage and not in the set: with the stage's final name it would be in
    /// the store. Nothing of it is removed.
    pub(in crate::restore) fn report_strangers(&mut self) -> Result<(), RestoreError> {
        let mut folders = Vec::new();
        for (root, at) in self.places.stages.folders() {
            folders.push(Place { root, at: self.places.stages.redirect(root, at) });
        }
        while let Some(folder) = folders.pop() {
            self.go_on()?;
            let mut seen: HashMap<u64, u32> = HashMap::new();
            let names = match self.root(&folder)?.list(&folder.at, usize::MAX) {
                Ok(Some(names)) => names,
                Ok(None) => continue,
                Err(error) => {
                    self.fatal(&folder, &error)?;
                    let path = self.places.shown(folder.root, &folder.at);
                    let detail = format!("it cannot be listed: {error}");
                    self.tally.lose(&path, LossKind::Unreadable, detail);
                    continue;
                }
            };
            for name in names {
                let at = [&folder.at[..], &[name]].concat();
                let place = Place { root: folder.root, at };
                let (folded, exact) = (self.folded(&place), self.exact(&place));
                // Some mounts tell names apart that are one name in Windows. A set may have both.
                let before = seen.entry(folded).or_default();
                let is_twin = *before > self.twins.get(&folded).copied().unwrap_or(0);
                *before += 1;
                if is_twin || !self.made.contains(&folded) && !self.left.contains(&exact) {
                    let path = self.places.shown(place.root, &place.at);
                    let detail = "it is not of the set, but in the folder of the restored store";
                    self.tally.lose(&path, LossKind::Name, detail);
                } else if matches!(self.root(&place)?.kind(&place.at), Ok(Some(Kind::Folder))) {
                    folders.push(place);
                }
            }
        }
        Ok(())
    }

    /// Whether the files and folders of the set are there, files with their sizes, and nothing
    /// else in the folders of the parts. Reads no file.
    pub(in crate::restore) fn what_is_there(&mut self) -> Result<There, RestoreError> {
        let input = self.input;
        let mut is_all = true;
        let mut set = input.in_order()?;
        while let Some(member) = self.next(&mut *set, false)? {
            if matches!(member.content, Some(ContentKind::Missing | ContentKind::Cloud)) {
                continue;
            }
            let Ok(place) = self.find(member.exact_path().as_deref()) else {
                return Ok(There::Other);
            };
            let is_folder = member.kind == MemberKind::Directory;
            let root = self.root(&place)?;
            let is_same = match root.kind(&place.at) {
                Ok(Some(Kind::Folder)) => is_folder,
                // A link, or reparse data.
                Ok(Some(Kind::Other)) => true,
                Ok(Some(Kind::File)) if member.content == Some(ContentKind::EfsRaw) => true,
                Ok(Some(Kind::File)) => {
                    let size = root.open_file(&place.at).and_then(|file| file.metadata());
                    let wanted = member.data.as_ref().map(|data| data.size);
                    !is_folder
                        && size.is_ok_and(|meta| wanted.is_none_or(|wanted| wanted == meta.len()))
                }
                Ok(None) => {
                    is_all = false;
                    continue;
                }
                Err(_) => false,
            };
            if !is_same {
                return Ok(There::Other);
            }
            let hash = self.exact(&place);
            self.made.insert(hash);
        }
        let mut is_any = false;
        let mut folders: Vec<Place> = Vec::new();
        folders
            .extend(self.parts.iter().map(|part| Place { root: part.root, at: part.at.clone() }));
        while let Some(folder) = folders.pop() {
            let Ok(names) = self.root(&folder)?.list(&folder.at, usize::MAX) else {
                return Ok(There::Other);
            };
            let names = names.unwrap_or_default();
            is_any |= !names.is_empty();
            for name in names {
                let at = [&folder.at[..], &[name]].concat();
                let place = Place { root: folder.root, at };
                if !self.made.contains(&self.exact(&place)) {
                    return Ok(There::Other);
                }
                if matches!(self.root(&place)?.kind(&place.at), Ok(Some(Kind::Folder))) {
                    folders.push(place);
                }
            }
        }
        Ok(match (is_all, is_any) {
            (true, _) => There::All,
            (false, true) => There::Some,
            (false, false) => There::Other,
        })
    }

    /// Sets the times of the folders above the parts that have nothing else in them: a restore that
    /// was stopped at its end did not come to it.
    pub(in crate::restore) fn date_above(&mut self) -> Result<(), RestoreError> {
        let input = self.input;
        let mut set = input.in_order()?;
        while let Some(member) = self.next(&mut *set, false)? {
            let Ok(place) = self.find(member.exact_path().as_deref()) else { continue };
            if place.at.is_empty() || !is_above(&self.parts, place.root, &place.at) {
                continue;
            }
            let Ok(Some(names)) = self.root(&place)?.list(&place.at, 100) else { continue };
            let leads_to_a_part = |name: &NtName| {
                let next = [&place.at[..], std::slice::from_ref(name)].concat();
                let is_part = |part: &Place| part.root == place.root && part.at == next;
                is_above(&self.parts, place.root, &next) || self.parts.iter().any(is_part)
            };
            if names.iter().all(leads_to_a_part) {
                self.date(&member, &place)?;
            }
        }
        Ok(())
    }

    /// Counts what is there already, and reports what this destination cannot keep and what the
    /// set lost.
    pub(in crate::restore) fn count(&mut self) -> Result<(), RestoreError> {
        self.check_support()?;
        let input = self.input;
        let mut set = input.in_order()?;
        while let Some(member) = self.next(&mut *set, true)? {
            for loss in &member.losses {
                self.tally.carry(&member.path, &loss.kind, &loss.detail);
            }
            match member.kind {
                MemberKind::Directory => self.done.directories += 1,
                MemberKind::Link => self.done.links += 1,
                MemberKind::File if member.content == Some(ContentKind::Missing) => {}
                MemberKind::File if member.content == Some(ContentKind::Cloud) => {
                    self.done.cloud += 1;
                }
                MemberKind::File => self.done.files += 1,
            }
            self.done.streams += member.streams.len() as u64;
            let streams = member.streams.iter().map(|stream| stream.data.size);
            let bytes = streams.chain(member.data.as_ref().map(|data| data.size));
            self.done.bytes = bytes.fold(self.done.bytes, u64::saturating_add);
        }
        Ok(())
    }

    /// Whether an earlier attempt restored this same file completely. Only in a
    /// stage: it has only files of this restore.
    pub(super) fn is_there_whole(&mut self, member: &Member, place: &Place, data: &Data) -> bool {
        if self.places.stages.is_empty() || !self.may_replace(place) {
            return false;
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(CHUNK, 0);
        let is_whole = self.compare(member, place, data, &mut buffer);
        self.buffer = buffer;
        is_whole.unwrap_or(false)
    }

    /// Whether an earlier attempt wrote this alternate data stream completely. A
    /// read-only file or folder would refuse it now.
    pub(super) fn is_stream_whole(&mut self, place: &Place, name: &NtName, data: &Data) -> bool {
        if !self.may_replace(place) && !self.wrote(place) {
            return false;
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(CHUNK, 0);
        let is_whole = (|| {
            let root = self.root(place).map_err(|_| io::ErrorKind::NotFound)?;
            let stream = root.open_stream(&place.at, name)?;
            // One byte more shows a longer one.
            self.is_same(&mut stream.take(data.size.saturating_add(1)), data, &mut buffer)
        })();
        self.buffer = buffer;
        is_whole.unwrap_or(false)
    }

    /// Whether this is the data of the set.
    fn is_same(&self, from: &mut dyn Read, data: &Data, buffer: &mut [u8]) -> io::Result<bool> {
        let mut hash = Sha256::new();
        let mut bytes = 0;
        loop {
            if self.monitor.is_cancelled() {
                return Ok(false);
            }
            match from.read(buffer)? {
                0 => break,
                n => {
                    hash.update(&buffer[..n]);
                    bytes += n as u64;
                }
            }
        }
        let is_empty = data.size == 0 && data.sha256.is_empty();
        Ok(bytes == data.size && (is_empty || finish_hex(hash) == data.sha256))
    }

    pub(super) fn compare(
        &mut self,
        member: &Member,
        place: &Place,
        data: &Data,
        buffer: &mut [u8],
    ) -> io::Result<bool> {
        let root = self.root(place).map_err(|_| io::ErrorKind::NotFound)?;
        if root.kind(&place.at)? != Some(Kind::File) {
            return Ok(false);
        }
        if let Some(short) = &member.short_name
            && root.holds(FactKind::ShortName)
            && !root.has_short_name(&place.at, &NtName::from(short.as_str()))
        {
            return Ok(false);
        }
        let mut file = root.open_file(&place.at)?;
        if file.metadata()?.len() != data.size {
            return Ok(false);
        }
        self.is_same(&mut file, data, buffer)
    }
}
