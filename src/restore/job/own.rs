//! A restore into folders that may have files of others: what it wrote itself, and what was there
//! before. Each file gets its name only when it is complete, and what was there before the first
//! one is listed ([`Existed`]); so the next run after an interruption knows its own.

use std::io;

use sha2::{Digest, Sha256};

use super::{Job, Place};
use crate::model::metadata::Content;
use crate::model::name::USMT;
use crate::restore::error::RestoreError;
use crate::restore::existed::{Existed, store_above};
use crate::restore::input::Ordered;
use crate::restore::place::Kind;
use crate::set::format::hash::finish_hex;
use crate::set::format::manifest::{ContentKind, Member, MemberKind};
use crate::set::format::rescue::What;
use crate::tree::Tree;
use crate::tree::host::HostTree;

impl Job<'_> {
    /// Whether files go where they stay: not into a stage, and not into a profile.
    pub(super) fn is_direct(&self) -> bool {
        self.places.stages.is_empty() && !self.options.merge
    }

    /// Whether what is at a path is of an earlier run of this restore.
    pub(super) fn wrote(&self, place: &Place) -> bool {
        self.is_resumed
            && !self.existed.has(place.root, &place.at)
            && !self.made.contains(&self.folded(place))
    }

    /// What was there before the run that was interrupted; `None` if there was none, or if it had
    /// not begun to write files.
    ///
    /// # Errors
    /// Files of a store would be replaced by those of a folder.
    pub(super) fn what_existed(&mut self) -> Result<Option<Existed>, RestoreError> {
        let input = self.input;
        let known = if self.is_resumed { Existed::read(self.places, input.rescue()) } else { None };
        if self.is_direct() && self.options.replace && input.rescue().what == What::Folder {
            self.refuse_files_of_stores(known.as_ref())?;
        }
        Ok(known)
    }

    /// Lists what is there before the first file is written.
    pub(super) fn note_what_exists(&mut self, known: Option<Existed>) -> Result<(), RestoreError> {
        let input = self.input;
        if !self.is_direct() {
            return Ok(());
        }
        if let Some(known) = known {
            self.existed = known;
            return Ok(());
        }
        let mut existed = Existed::default();
        let mut set = input.in_order()?;
        while let Some(member) = self.next(&mut *set, false)? {
            let Ok(place) = self.find(member.exact_path().as_deref()) else { continue };
            if !place.at.is_empty() && !self.made.contains(&self.folded(&place)) {
                existed.note(self.places, place.root, &place.at)?;
            }
        }
        existed.write(self.places, input.rescue())?;
        self.existed = existed;
        Ok(())
    }

    /// A store that is there is never mixed with the files of a folder: what it loses would be
    /// kept nowhere.
    fn refuse_files_of_stores(&mut self, known: Option<&Existed>) -> Result<(), RestoreError> {
        let input = self.input;
        let mut set = input.in_order()?;
        while let Some(member) = self.next(&mut *set, false)? {
            let is_inside = member.path.to_ascii_uppercase().contains(USMT);
            if !is_inside || member.kind == MemberKind::Directory {
                continue;
            }
            let Ok(place) = self.find(member.exact_path().as_deref()) else { continue };
            let (root, at) = (place.root, &place.at);
            if known.is_some_and(|known| !known.has(root, at))
                || matches!(self.places.kind(root, at)?, None | Some(Kind::Folder))
            {
                continue;
            }
            if let Some(store) = store_above(self.places, root, at) {
                let what = "a USMT store is here, and files of this folder's set would replace \
                            its own";
                return Err(RestoreError::InTheWay { path: self.places.shown(root, &store), what });
            }
        }
        Ok(())
    }

    /// A file that goes where it stays.
    pub(super) fn direct_file(
        &mut self,
        set: &mut dyn Ordered,
        member: &Member,
        place: &Place,
    ) -> Result<bool, RestoreError> {
        if matches!(member.content, Some(ContentKind::Missing | ContentKind::Cloud)) {
            return self.file(set, member, place); // its loss, or that a cloud has it
        }
        let kind = match self.root(place)?.kind(&place.at) {
            Ok(kind) => kind,
            Err(error) => return self.refused(member, place, &error),
        };
        let is_raw = member.content == Some(ContentKind::EfsRaw);
        match kind {
            None => {}
            Some(Kind::File) if self.wrote(place) => {
                let is_same = if is_raw {
                    self.has_same_raw(member, place)
                } else {
                    self.has_same_data(member, place)
                };
                if is_same {
                    let size = member.data.as_ref().map_or(0, |data| data.size);
                    self.progress.files += 1;
                    self.progress.bytes = self.progress.bytes.saturating_add(size);
                    self.done.files += 1;
                    self.done.bytes = self.done.bytes.saturating_add(size);
                    self.put_short_name(member, place)?;
                    if !is_raw {
                        self.streams(set, member, place)?;
                    }
                    return Ok(true);
                }
                // Somebody put it there, or wrote to it.
                if !self.may_replace(place) {
                    return self.refused(member, place, &io::ErrorKind::AlreadyExists.into());
                }
            }
            Some(Kind::Other) if self.wrote(place) => {}
            Some(Kind::File | Kind::Other) if self.may_replace(place) => {}
            Some(_) => return self.refused(member, place, &io::ErrorKind::AlreadyExists.into()),
        }
        let is_whole = self.write_beside(set, member, place, kind.is_some())?;
        // A new name changes the times.
        let hash = self.exact(place);
        self.linked.insert(hash);
        Ok(is_whole)
    }

    /// Whether an encrypted file is, in its raw form, that of the set. Where the system does not
    /// show that form, it is not known.
    fn has_same_raw(&mut self, member: &Member, place: &Place) -> bool {
        let (Some(data), Some(opened)) = (&member.data, self.places.roots.get(place.root)) else {
            return false;
        };
        let Ok(tree) = HostTree::open(&opened.shown) else { return false };
        let Ok(node) = tree.at(&place.at) else { return false };
        if !tree.facts(node, None).is_ok_and(|facts| facts.content == Content::EfsRaw) {
            return false;
        }
        let Ok(mut stream) = tree.open(node, None) else { return false };
        let mut hash = Sha256::new();
        let (mut buffer, mut bytes) = (vec![0; super::CHUNK], 0);
        while let Ok(read) = stream.read(&mut buffer) {
            if read == 0 {
                return bytes == data.size && finish_hex(hash) == data.sha256;
            }
            bytes += read as u64;
            hash.update(&buffer[..read]);
        }
        false
    }

    /// Whether an earlier run made this hard link, or a copy in place of it.
    pub(super) fn is_own_link(&mut self, target: &Place, place: &Place) -> bool {
        self.wrote(place) && self.has_same_bytes(target, place)
    }
}
