//! The restore itself, in two passes over the set. The first makes all files, links
//! and folders, in the order of the set. The second sets the metadata: any change in
//! a folder changes its times, and a read-only file takes no more data. (A file that
//! does not change any more gets its metadata as soon as it is written, if its handle
//! allows it.) Folder times come after that, and last the reparse data that hides
//! the children of folders ([`directory_reparse`]).

mod apply_metadata;
mod check_support;
mod copy_stream;
pub(super) mod directory_reparse;
mod existing;
mod merge;
mod ntfs_compression;
mod own;
mod reported;

pub(super) use apply_metadata::times;
pub(super) use existing::There;
pub(super) use ntfs_compression::is_packed;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::io;

use self::copy_stream::{CopyError, FileSink, Pull, Zeros};
use super::destination::Places;
use super::error::RestoreError;
use super::existed::Existed;
use super::input::{Input, Ordered};
use super::outcome::{Options, Verdict};
use super::place::{FactKind, Kind, Piece};
use super::platform::{self, Root};
use super::stage::is_below;
use super::tally::Tally;
use super::{Restored, names};
use crate::model::loss::LossKind;
use crate::model::metadata::attributes;
use crate::model::monitor::{Monitor, Progress, Stage};
use crate::model::name::NtName;
use crate::set::error::SetError;
use crate::set::format::manifest::{ContentKind, Data, Member, MemberKind};

/// Bytes that are read and written at a time.
pub(super) const CHUNK: usize = 1 << 20;

/// A member's location: the root, and the names below it.
struct Place {
    root: usize,
    at: Vec<NtName>,
}

/// One restore.
pub(super) struct Job<'a> {
    input: &'a dyn Input,
    monitor: &'a dyn Monitor,
    places: &'a mut Places,
    tally: Tally<'a>,
    /// The folders of the set's parts.
    parts: Vec<Place>,
    /// Whether existing files are replaced, and whether others' are expected.
    options: Options,
    /// Whether an earlier run was interrupted here that wrote to the folders themselves.
    pub(super) is_resumed: bool,
    /// Whether what is replaced hands its object ids over at the end.
    pub(in crate::restore) hands_ids_over: bool,
    /// What was there before that run, or before this one.
    existed: Existed,
    done: Restored,
    progress: Progress,
    buffer: Vec<u8>,
    /// Hashes of the paths made, ignoring letter case.
    made: HashSet<u64>,
    /// How many further paths of the set are the same but for letter case, by that hash.
    twins: HashMap<u64, u32>,
    /// Hashes of the paths that were not restored, or that existed and keep their
    /// metadata.
    left: HashSet<u64>,
    /// Hashes of the paths among them that existed with the same data.
    same: HashSet<u64>,
    /// Hashes of the paths of files that have their metadata already.
    metadata_set: HashSet<u64>,
    /// Hashes of the paths of files that got hard links, which changes their times.
    linked: HashSet<u64>,
    /// Hashes of the pieces of restored files that were reported as lost.
    reported: HashSet<u64>,
    /// The depths of the folders whose reparse data hides children.
    cover_depths: BTreeSet<usize>,
    /// The folders that have a marker in them.
    marked: Vec<(Member, Place)>,
    hasher: RandomState,
}

impl<'a> Job<'a> {
    pub(super) fn new(
        input: &'a dyn Input,
        places: &'a mut Places,
        options: Options,
        monitor: &'a dyn Monitor,
    ) -> Self {
        let totals = input.rescue().totals;
        let parts = input.rescue().parts.iter().filter_map(|part| places.part(part));
        let parts = parts.map(|(root, at)| Place { root, at }).collect();
        Self {
            input,
            monitor,
            places,
            tally: Tally::new(monitor),
            parts,
            options,
            is_resumed: false,
            hands_ids_over: false,
            existed: Existed::default(),
            done: Restored::default(),
            progress: Progress {
                bytes: 0,
                total_bytes: totals.bytes,
                files: 0,
                total_files: totals.files,
            },
            buffer: vec![0; CHUNK],
            made: HashSet::new(),
            twins: HashMap::new(),
            left: HashSet::new(),
            same: HashSet::new(),
            metadata_set: HashSet::new(),
            linked: HashSet::new(),
            reported: HashSet::new(),
            cover_depths: BTreeSet::new(),
            marked: Vec::new(),
            hasher: RandomState::new(),
        }
    }

    /// Both passes. [`Self::unmark`] and [`Self::cover`] come after.
    pub(super) fn run(&mut self) -> Result<(), RestoreError> {
        let input = self.input;
        self.check_support()?;
        let known = self.what_existed()?;
        for (root, at) in self.places.mark(input.rescue())? {
            let hash = self.folded(&Place { root, at });
            self.made.insert(hash);
        }
        self.note_what_exists(known)?;
        self.monitor.stage(Stage::Restore, &input.rescue().set);
        let mut set = input.in_order()?;
        set.check_headers();
        while let Some(member) = self.next(&mut *set, true)? {
            self.put(&mut *set, &member)?;
        }
        self.monitor.stage(Stage::Metadata, &input.rescue().set);
        let mut set = input.in_order()?;
        while let Some(member) = self.next(&mut *set, false)? {
            self.apply_metadata(&member)?;
        }
        let above = self.places.marked(input.rescue());
        let mut set = input.in_order()?;
        while let Some(member) = self.next(&mut *set, false)? {
            let Some(place) = self.whole(&member) else { continue };
            if member.kind != MemberKind::Directory {
                continue;
            }
            if directory_reparse::of(&member).is_some() {
                self.cover_depths.insert(place.at.len());
            }
            self.date(&member, &place)?;
            if above.contains(&(place.root, place.at.clone())) {
                self.marked.push((member, place));
            }
        }
        self.places.sync()
    }

    /// Removes the markers when everything else was read back; those of a stage stay until it
    /// gets its final name.
    pub(super) fn unmark(&mut self) -> Result<(), RestoreError> {
        if self.places.stages.is_empty() {
            self.places.unmark(self.input.rescue())?;
            // That changed the times of their folders.
            for (member, place) in std::mem::take(&mut self.marked) {
                self.date(&member, &place)?;
            }
            self.places.sync()?;
        }
        Ok(())
    }

    /// The result and the losses.
    pub(super) fn finish(self) -> Restored {
        let Self { tally, mut done, .. } = self;
        (done.losses, done.carried) = tally.finish();
        done
    }

    /// The next member; damage of the manifest in between is reported once.
    fn next(
        &mut self,
        set: &mut dyn Ordered,
        is_first_pass: bool,
    ) -> Result<Option<Member>, RestoreError> {
        loop {
            self.go_on()?;
            match set.next_member() {
                None => return Ok(None),
                Some(Ok(member)) => return Ok(Some(member)),
                Some(Err(SetError::Damaged { path, offset, what })) => {
                    if is_first_pass {
                        self.tally.damaged(&path, offset, &what);
                    }
                }
                Some(Err(error)) => return Err(error.into()),
            }
        }
    }

    fn go_on(&self) -> Result<(), RestoreError> {
        if self.monitor.is_cancelled() { Err(RestoreError::Cancelled) } else { Ok(()) }
    }

    /// The first pass: a folder, a file with its streams, or a link.
    fn put(&mut self, set: &mut dyn Ordered, member: &Member) -> Result<(), RestoreError> {
        for loss in &member.losses {
            self.tally.carry(&member.path, &loss.kind, &loss.detail);
        }
        let place = match self.find(member.exact_path().as_deref()) {
            Ok(place) => place,
            Err(why) => {
                let detail = format!("not restored: its path contains {why}");
                self.tally.lose(&member.path, LossKind::Name, detail);
                return Ok(());
            }
        };
        let whole = match member.kind {
            MemberKind::Directory => self.folder(set, member, &place),
            MemberKind::File if self.options.merge => self.merge_file(set, member, &place),
            MemberKind::File if self.is_direct() => self.direct_file(set, member, &place),
            MemberKind::File => self.file(set, member, &place),
            MemberKind::Link => self.link(member, &place),
        }?;
        if whole {
            let hash = self.folded(&place);
            if !self.made.insert(hash) {
                *self.twins.entry(hash).or_default() += 1;
            }
        } else {
            let hash = self.exact(&place);
            self.left.insert(hash);
        }
        self.monitor.progress(self.progress);
        Ok(())
    }

    fn folder(
        &mut self,
        set: &mut dyn Ordered,
        member: &Member,
        place: &Place,
    ) -> Result<bool, RestoreError> {
        if place.at.is_empty() {
            return Ok(false); // the root belongs to the user and keeps its metadata
        }
        let mut result = self.root(place)?.make_folder(&place.at);
        if result.is_err() && (self.may_replace(place) || self.wrote(place)) {
            let root = self.root(place)?;
            if root.kind(&place.at).is_ok_and(|kind| kind == Some(Kind::Other)) {
                result = root.remove(&place.at).and_then(|()| root.make_folder(&place.at));
            }
        }
        let is_made = match result {
            Ok(is_made) => is_made,
            Err(error) => return self.refused(member, place, &error),
        };
        self.done.directories += 1;
        if !is_made && !self.may_set_metadata(member, place)? {
            return Ok(false);
        }
        self.pack_folder(member, place);
        self.put_short_name(member, place)?;
        self.streams(set, member, place)?;
        Ok(true)
    }

    /// Whether an existing folder gets the metadata from the set.
    fn may_set_metadata(&mut self, member: &Member, place: &Place) -> Result<bool, RestoreError> {
        if self.made.contains(&self.folded(place)) {
            return Ok(true);
        }
        let is_above = |part: &Place| {
            part.root == place.root
                && part.at.len() > place.at.len()
                && part.at.starts_with(&place.at)
        };
        if self.parts.iter().any(is_above) {
            return Ok(false); // it is not part of what was rescued
        }
        if self.options.merge {
            return Ok(false);
        }
        if self.options.replace || self.wrote(place) {
            return Ok(true);
        }
        let names = self.root(place)?.list(&place.at, 1);
        if let Err(error) = &names {
            self.fatal(place, error)?;
        }
        if names.is_ok_and(|names| names.is_none_or(|names| names.is_empty())) {
            return Ok(true);
        }
        let detail = "the folder already existed; its permissions, times and attributes were \
         not changed";
        self.tally.lose(&member.path, LossKind::Fact, detail);
        Ok(false)
    }

    fn file(
        &mut self,
        set: &mut dyn Ordered,
        member: &Member,
        place: &Place,
    ) -> Result<bool, RestoreError> {
        let none = Data::default();
        let data = member.data.as_ref().unwrap_or(&none);
        if let Some(why) = self.cannot_be(data) {
            self.tally.lose(&member.path, LossKind::Unreadable, why);
            return Ok(false);
        }
        match &member.content {
            // The set records its loss, which was reported; an empty file in its place
            // would look like the real one.
            Some(ContentKind::Missing) => return Ok(false),
            // Only the cloud's own program can make a placeholder that it knows.
            Some(ContentKind::Cloud) => {
                self.done.cloud += 1;
                return Ok(false);
            }
            Some(ContentKind::EfsRaw) => return self.encrypted_file(set, member, place, data),
            _ => {}
        }
        if self.is_there_whole(member, place, data) {
            self.progress.files += 1;
            self.progress.bytes = self.progress.bytes.saturating_add(data.size);
            self.done.files += 1;
            self.done.bytes = self.done.bytes.saturating_add(data.size);
            self.streams(set, member, place)?;
            return Ok(true);
        }
        let is_packed = self.is_to_be_packed(member, place);
        let file = match self.create(place, is_packed) {
            Ok(file) => file,
            Err(error) => return self.refused(member, place, &error),
        };
        // Before hard links: ntfs-3g gives no DOS name to a linked file.
        self.put_short_name(member, place)?;
        let zeros = match member.attributes & attributes::SPARSE {
            _ if is_packed => Zeros::Written, // ntfs-3g compresses what is written in order
            0 => Zeros::Plain,
            _ => Zeros::Holes,
        };
        if zeros == Zeros::Holes {
            platform::allow_holes(&file);
        }
        let mut sink = FileSink::new(&file, zeros);
        let poured = self.copy_stream(set, data, &mut sink).and_then(|trouble| {
            sink.finish().map_err(CopyError::Write)?;
            Ok(trouble)
        });
        if poured.is_ok() && !is_packed {
            self.apply_metadata_to_new(member, place, &file)?;
        }
        drop(file);
        let trouble = match poured {
            Ok(trouble) => trouble,
            Err(CopyError::Fatal(error)) => return Err(error),
            Err(CopyError::Write(error)) => {
                // The result looks like the file but is not complete.
                let _ = self.root(place)?.remove(&place.at);
                return self.refused(member, place, &error);
            }
        };
        if let Some((kind, detail)) = trouble {
            self.tally.lose(&member.path, kind, detail);
            self.mark_reported(place, Piece::Data);
        }
        self.progress.files += 1;
        self.done.files += 1;
        self.done.bytes = self.done.bytes.saturating_add(data.size);
        self.streams(set, member, place)?;
        Ok(true)
    }

    /// Why a stream cannot be of this set: a forged size must not fill a disk with
    /// zeros.
    fn cannot_be(&self, data: &Data) -> Option<String> {
        let most = self.input.most_bytes().filter(|most| data.size > *most)?;
        Some(format!(
            "not restored: its size is given as {} bytes, but the whole set has {most}",
            data.size
        ))
    }

    /// A file whose data is the EFS raw export, which includes its streams.
    fn encrypted_file(
        &mut self,
        set: &mut dyn Ordered,
        member: &Member,
        place: &Place,
        data: &Data,
    ) -> Result<bool, RestoreError> {
        let replace = self.may_replace(place);
        let mut bytes = Pull(set.data(data));
        match self.root(place)?.import_encrypted(&place.at, replace, &mut bytes) {
            Ok(()) => {
                self.progress.files += 1;
                self.progress.bytes = self.progress.bytes.saturating_add(data.size);
                self.done.files += 1;
                self.done.bytes = self.done.bytes.saturating_add(data.size);
                Ok(true)
            }
            Err(error) => {
                self.fatal(place, &error)?;
                let detail = format!(
                    "encrypted by EFS; complete in the set, but could not be restored: {error}"
                );
                self.tally.lose(&member.path, LossKind::Encrypted, detail);
                Ok(false)
            }
        }
    }

    fn streams(
        &mut self,
        set: &mut dyn Ordered,
        member: &Member,
        place: &Place,
    ) -> Result<(), RestoreError> {
        for stream in &member.streams {
            if !self.root(place)?.holds(FactKind::Stream) {
                self.tally.unheld(&member.path, FactKind::Stream);
                continue;
            }
            let path = format!("{}:{}", member.path, stream.name);
            let name = stream.exact_name().and_then(|name| NtName::from_wtf8(&name));
            let Some(name) = name.filter(|name| names::check(name).is_ok()) else {
                self.tally.lose(
                    &path,
                    LossKind::Name,
                    "not restored: the stream name is not valid",
                );
                continue;
            };
            if let Some(why) = self.cannot_be(&stream.data) {
                self.tally.lose(&path, LossKind::Unreadable, why);
                self.mark_reported(place, Piece::Stream(&name));
                continue;
            }
            if self.is_stream_whole(place, &name, &stream.data) {
                self.done.streams += 1;
                self.done.bytes = self.done.bytes.saturating_add(stream.data.size);
                self.progress.bytes = self.progress.bytes.saturating_add(stream.data.size);
                continue;
            }
            let begun = self.root(place)?.stream(&place.at, &name, stream.data.size);
            let written = begun.map_err(CopyError::Write).and_then(|mut new| {
                let trouble = self.copy_stream(set, &stream.data, &mut new)?;
                new.finish().map_err(CopyError::Write)?;
                Ok(trouble)
            });
            match written {
                Ok(trouble) => {
                    self.done.streams += 1;
                    self.done.bytes = self.done.bytes.saturating_add(stream.data.size);
                    if let Some((kind, detail)) = trouble {
                        self.tally.lose(&path, kind, detail);
                        self.mark_reported(place, Piece::Stream(&name));
                    }
                }
                Err(CopyError::Fatal(error)) => return Err(error),
                Err(CopyError::Write(error)) => {
                    self.fatal(place, &error)?;
                    let detail =
                        format!("this alternate data stream could not be written: {error}");
                    self.tally.lose(&path, LossKind::Fact, detail);
                    self.mark_reported(place, Piece::Stream(&name));
                }
            }
        }
        Ok(())
    }

    fn link(&mut self, member: &Member, place: &Place) -> Result<bool, RestoreError> {
        let target = self.find(member.exact_link_to().as_deref());
        let target = target.ok().filter(|t| t.root == place.root);
        let is_restored = |target: &Place| {
            let hash = self.exact(target);
            !self.left.contains(&hash) || self.same.contains(&hash)
        };
        let Some(target) = target.filter(is_restored) else {
            let detail = "not restored: the file that it is a hard link to was not restored";
            self.tally.lose(&member.path, LossKind::Unreadable, detail);
            return Ok(false);
        };
        if self.options.merge && self.is_linked(&target, place) {
            return Ok(true);
        }
        let mut result = self.root(place)?.link(&target.at, &place.at);
        if is_there(&result) && (self.may_replace(place) || self.is_own_link(&target, place)) {
            let root = self.root(place)?;
            result = root.remove(&place.at).and_then(|()| root.link(&target.at, &place.at));
        }
        if let Err(error) = result {
            if error.kind() == io::ErrorKind::AlreadyExists {
                return self.refused(member, place, &error);
            }
            self.fatal(place, &error)?;
            return self.copy_instead(member, &target, place, &error);
        }
        self.done.links += 1;
        let first = self.exact(&target);
        self.linked.insert(first);
        self.put_short_name(member, place)?;
        Ok(true)
    }

    /// Without hard links, a copy at least keeps the bytes.
    fn copy_instead(
        &mut self,
        member: &Member,
        from: &Place,
        to: &Place,
        error: &io::Error,
    ) -> Result<bool, RestoreError> {
        let copied = (|| {
            let root = self.root(from).map_err(|_| io::Error::from(io::ErrorKind::NotFound))?;
            let mut source = root.open_file(&from.at)?;
            let mut copy = self.create(to, false)?;
            io::copy(&mut source, &mut copy)
        })();
        match copied {
            Ok(bytes) => {
                let detail = format!("a hard link became a copy: {error}");
                self.tally.lose(&member.path, LossKind::Fact, detail);
                self.mark_reported(to, Piece::Link);
                self.done.links += 1;
                self.done.bytes = self.done.bytes.saturating_add(bytes);
                Ok(true)
            }
            Err(error) => self.refused(member, to, &error),
        }
    }

    /// Makes a new file. A file that may be replaced is removed first, not overwritten:
    /// it may have hard links that are not ours.
    fn create(&mut self, place: &Place, is_packed: bool) -> io::Result<std::fs::File> {
        let may_replace = self.may_replace(place);
        let opened = self.places.roots.get_mut(place.root);
        let root = &mut opened.ok_or(io::ErrorKind::NotFound)?.root;
        match root.create(&place.at, is_packed) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && may_replace => {
                if root.kind(&place.at)? == Some(Kind::Folder) {
                    return Err(e);
                }
                root.remove(&place.at)?;
                root.create(&place.at, is_packed)
            }
            made => made,
        }
    }

    /// Whether the existing file may be removed: never one that this restore has
    /// made itself under a name that differs only in case.
    fn may_replace(&self, place: &Place) -> bool {
        self.options.replace && !self.made.contains(&self.folded(place))
    }

    fn find(&self, path: Option<&[u8]>) -> Result<Place, String> {
        let path = path.ok_or("damaged text")?;
        let (drive, below) = names::split(path)?;
        let (root, at) = self
            .places
            .find(&drive, &below)
            .ok_or_else(|| format!("the drive `{drive}`, which is not in the set"))?;
        let is_inside = self
            .parts
            .iter()
            .any(|part| part.root == root && (is_below(&at, &part.at) || is_below(&part.at, &at)));
        let rescue = self.input.rescue();
        if !is_inside && !self.places.is_seal_at_root(rescue, root, &at) {
            return Err("a path outside the folders of the set".to_owned());
        }
        Ok(Place { root, at })
    }

    fn root(&mut self, place: &Place) -> Result<&mut Root, RestoreError> {
        let missing = || RestoreError::NoDestination { drive: String::new() };
        Ok(&mut self.places.roots.get_mut(place.root).ok_or_else(missing)?.root)
    }

    /// A member that could not be restored: a loss, or the end of the restore.
    fn refused(
        &mut self,
        member: &Member,
        place: &Place,
        error: &io::Error,
    ) -> Result<bool, RestoreError> {
        self.fatal(place, error)?;
        let detail = match error.kind() {
            io::ErrorKind::AlreadyExists if self.made.contains(&self.folded(place)) => {
                "not restored: another file of the set has this name (letter case does not count)"
                    .to_owned()
            }
            io::ErrorKind::AlreadyExists => {
                "not restored: a file or folder with that name already exists".to_owned()
            }
            _ => format!("not restored: {error}"),
        };
        self.tally.lose(&member.path, LossKind::Name, detail);
        Ok(false)
    }

    fn fatal(&self, place: &Place, error: &io::Error) -> Result<(), RestoreError> {
        self.fatal_at(self.places.shown(place.root, &place.at), error)
    }

    /// Fails if the error is not only about this file.
    fn fatal_at(&self, path: String, error: &io::Error) -> Result<(), RestoreError> {
        let copy = || match error.raw_os_error() {
            Some(code) => io::Error::from_raw_os_error(code),
            None => io::Error::new(error.kind(), error.to_string()),
        };
        Err(match platform::judge(error) {
            Verdict::OneFile => return Ok(()),
            Verdict::Full => {
                RestoreError::Full { path, needed: self.progress.total_bytes, free: None }
            }
            Verdict::Denied => RestoreError::Denied { path, error: copy() },
            Verdict::Broken => RestoreError::Broken { path, error: copy() },
            Verdict::Exhausted => RestoreError::Exhausted { path, error: copy() },
        })
    }

    /// Whether a file that should be compressed was made so.
    pub(super) fn packs(&self, root: usize) -> bool {
        self.places.roots.get(root).is_some_and(|opened| opened.root.holds(FactKind::Compression))
    }

    fn exact(&self, place: &Place) -> u64 {
        self.hasher.hash_one((place.root, &place.at))
    }

    /// The same for names that differ only in case.
    fn folded(&self, place: &Place) -> u64 {
        let folded: Vec<_> = place.at.iter().map(NtName::folded).collect();
        self.hasher.hash_one((place.root, folded))
    }
}

fn is_there(result: &io::Result<()>) -> bool {
    result.as_ref().is_err_and(|e| e.kind() == io::ErrorKind::AlreadyExists)
}
