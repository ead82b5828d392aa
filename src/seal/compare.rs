//! Compares files with a seal: from a walk over a store, from the members of a
//! set that is being written, or from the manifest of a set.

use super::hashing::Hash;
use super::index::{Index, MARKERS, flag};
use super::parts::{Here, pair, prefix, split};
use super::read::{Seal, Unsound};
use crate::health::seal::{SealCode, finding};
use crate::model::metadata::FileTime;
use crate::model::monitor::Monitor;
use crate::model::name::NtName;
use crate::model::recovered::Certainty;
use crate::set::format::hash::from_hex;
use crate::set::format::manifest::{self, ContentKind, Data, Member, MemberKind};
use crate::set::format::names::DELETED;
use crate::set::format::rescue::{SealOutcome, SealState};

/// The number of differences in metadata that are listed; a copy may have lost
/// the metadata of a million files.
const NAMED: u64 = 20;

/// What is compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Depth {
    /// Names, sizes and times.
    Metadata,
    /// Hashes as well, which follow through [`Comparer::hash`].
    Later,
    /// Hashes as well, together with each member.
    Members,
}

/// The result of comparing a file, a folder or a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Said {
    Same,
    Changed,
    Touched,
    Added,
    Metadata,
}

impl Said {
    /// As in a line of a manifest.
    fn word(self) -> Option<&'static str> {
        match self {
            Self::Same => None,
            Self::Changed => Some("changed"),
            Self::Touched => Some("touched"),
            Self::Added => Some("added"),
            Self::Metadata => Some("facts"),
        }
    }
}

/// A part as it is now, and how exactly it keeps metadata.
pub(super) struct Side {
    pub(super) here: Here,
    /// The store's folder; if not known, its name in the seal.
    pub(super) folder: Option<String>,
    /// `raw` or `host`.
    pub(super) via: String,
    /// The rounding of times, in ticks.
    pub(super) slack: u64,
}

/// A file, folder or link as it is now; `None` is not known.
pub(super) struct Present {
    pub(super) kind: MemberKind,
    pub(super) size: Option<u64>,
    pub(super) modified: Option<u64>,
    pub(super) facts: Option<u32>,
    pub(super) rights: u32,
    pub(super) sha256: Option<Hash>,
}

/// A running comparison.
pub(super) struct Comparer<'a> {
    pub(super) seal: &'a Seal,
    sealed_prefixes: Vec<Vec<u8>>,
    sides: Vec<Side>,
    prefixes: Vec<Vec<u8>>,
    /// The matching sealed part for each side.
    pairs: Vec<Option<usize>>,
    pub(super) index: Index,
    depth: Depth,
    outcome: SealOutcome,
    monitor: &'a dyn Monitor,
}

impl<'a> Comparer<'a> {
    /// Reads the seal and matches the parts. Reports nothing yet.
    pub(super) fn new(
        seal: &'a Seal,
        sides: Vec<Side>,
        depth: Depth,
        monitor: &'a dyn Monitor,
    ) -> Result<Self, Unsound> {
        let sealed = &seal.header().parts;
        let sealed_prefixes: Vec<Vec<u8>> =
            sealed.iter().map(|s| prefix(&s.part.drive, &s.part.path, &s.folder)).collect();
        let here: Vec<&Here> = sides.iter().map(|side| &side.here).collect();
        let pairs = pair(sealed, &here);
        let prefixes = sides.iter().zip(&pairs).map(|(side, pair)| {
            let sealed_folder = pair.and_then(|s| sealed.get(s)).map_or("USMT", |s| &s.folder);
            let folder = side.folder.as_deref().unwrap_or(sealed_folder);
            prefix(&side.here.drive, &side.here.path, folder)
        });
        let prefixes = prefixes.collect();
        let index = Index::of(seal, &sealed_prefixes)?;
        let outcome = SealOutcome {
            sealed: seal.header().created.clone(),
            quick: seal.header().quick,
            ..SealOutcome::default()
        };
        Ok(Self { seal, sealed_prefixes, sides, prefixes, pairs, index, depth, outcome, monitor })
    }

    /// The part and the path below its folder; `None` if the seal does not
    /// cover it.
    pub(super) fn place<'p>(&self, path: &'p [u8]) -> Option<(usize, &'p [u8])> {
        split(&self.prefixes, path)
    }

    /// Whether the seal is of this store. `markers` are its marker files: part,
    /// name, bytes, last write. A new capture rewrites them; a copy keeps at
    /// least their sizes.
    pub(super) fn is_of(&mut self, markers: &[(usize, Vec<u8>, u64, u64)]) -> bool {
        let mut met = 0;
        let mut sizes_agree = true;
        for (part, below, size, modified) in markers.iter().filter(|(.., size, _)| *size > 0) {
            let slack = self.sides.get(*part).map_or(0, |side| side.slack);
            let Some(pair) = self.pairs.get(*part).copied().flatten() else { continue };
            let Some(entry) = self.index.get(pair, below, None) else { continue };
            met += 1;
            if entry.modified.abs_diff(*modified) <= slack {
                return true;
            }
            // The list of parts has the same length in every capture.
            let is_list = below.eq_ignore_ascii_case(b"hardlink.main");
            sizes_agree &= is_list || entry.size == *size;
        }
        if met > 0 { sizes_agree } else { markers.is_empty() || self.index.markers == 0 }
    }

    /// Reports that the seal is of another store.
    pub(super) fn refuse(self, shown: &str) -> SealOutcome {
        let header = self.seal.header();
        let machine = header.machine.name.as_deref().unwrap_or("an unknown machine");
        let what = format!("the seal of another capture, made {} on {machine}", self.sealed_at());
        self.monitor.finding(&finding(SealCode::Other, shown, what));
        SealOutcome { state: SealState::Other, ..self.outcome }
    }

    /// Reports what is known before the first file: a quick seal, a moved
    /// store, a part that was not sealed.
    pub(super) fn begin(&mut self, shown: &str) {
        if self.outcome.quick {
            let what = format!("sealed {} without hashes", self.sealed_at());
            self.monitor.finding(&finding(SealCode::Quick, shown, what));
        }
        for (side, pair) in self.sides.iter().zip(&self.pairs) {
            let shown = |drive: &str, path: &str| format!("{drive}:\\{}", path.replace('/', "\\"));
            let now = shown(&side.here.drive, &side.here.path);
            match pair.and_then(|pair| self.seal.header().parts.get(pair)) {
                None => {
                    let what = "this part is not in the seal of the store";
                    self.monitor.finding(&finding(SealCode::Part, now, what));
                    self.outcome.state = SealState::Differs;
                }
                Some(sealed) => {
                    let then = shown(&sealed.part.drive, &sealed.part.path);
                    if !then.eq_ignore_ascii_case(&now) {
                        let what = format!("it was sealed as {then}");
                        self.monitor.finding(&finding(SealCode::Moved, now, what));
                    }
                }
            }
        }
    }

    /// Compares a file, folder or link; `below` is its path below the part's
    /// folder.
    pub(super) fn see(&mut self, part: usize, below: &[u8], now: &Present) -> Said {
        let Some(pair) = self.pairs.get(part).copied().flatten() else { return Said::Same };
        let slack = self.sides.get(part).map_or(0, |side| side.slack);
        let depth = self.depth;
        let Some(entry) = self.index.get(pair, below, None) else {
            return self.added(part, below, now);
        };
        entry.set(flag::SEEN);
        let was = *entry;
        self.outcome.compared += 1;
        if was.is(flag::FOLDER) != (now.kind == MemberKind::Directory) {
            let what = if was.is(flag::FOLDER) { "it was a folder" } else { "it was a file" };
            return self.changed(part, below, None, what);
        }
        if was.is(flag::FOLDER) || now.kind == MemberKind::Link {
            // A link has the bytes of its file.
            self.mark(pair, below, flag::COMPARED);
            let same = now.kind == MemberKind::Link || self.same_facts(&was, now);
            return if same { Said::Same } else { self.facts(part, below) };
        }
        if let Some(size) = now.size.filter(|size| *size != was.size && !was.is(flag::NO_SIZE)) {
            let what = format!("its size is {size} bytes; it was {}", was.size);
            return self.changed(part, below, None, &what);
        }
        let moved = now.modified.filter(|now| was.modified.abs_diff(*now) > slack);
        let compares = was.is(flag::HASH) && (now.sha256.is_some() || depth == Depth::Later);
        if let Some(modified) = moved.filter(|_| !compares) {
            return self.touched(part, below, FileTime(modified));
        }
        if moved.is_some() {
            self.mark(pair, below, flag::TIME);
        }
        if let Some(sha256) = now.sha256 {
            match self.hash(part, below, None, sha256) {
                Said::Same => {}
                differs => return differs,
            }
        }
        // If a hash follows, it decides; a time alone is not reported yet.
        if !self.same_facts(&was, now) || (moved.is_some() && now.sha256.is_some()) {
            return self.facts(part, below);
        }
        Said::Same
    }

    /// Whether the known other metadata agrees.
    fn same_facts(&self, was: &super::index::Entry, now: &Present) -> bool {
        let rights = was.rights() == now.rights || was.rights() == 0 || now.rights == 0;
        // A quick seal has only attributes.
        let facts = self.outcome.quick || now.facts.is_none_or(|facts| facts == was.facts);
        rights && facts
    }

    /// Compares the bytes of a file or of one of its streams.
    pub(super) fn hash(
        &mut self,
        part: usize,
        below: &[u8],
        stream: Option<&[u8]>,
        sha256: Hash,
    ) -> Said {
        let Some(pair) = self.pairs.get(part).copied().flatten() else { return Said::Same };
        let same_way = {
            let then = self.seal.header().parts.get(pair).map(|s| s.part.via.as_str());
            then == self.sides.get(part).map(|side| side.via.as_str())
        };
        let quick = self.outcome.quick;
        let Some(entry) = self.index.get(pair, below, stream) else {
            // The file itself is already reported.
            let Some(name) = stream.filter(|_| !quick) else { return Said::Same };
            if self.index.get(pair, below, None).is_none_or(|file| file.is(flag::EFS)) {
                return Said::Same;
            }
            let what = format!("its stream {} was added", shown_name(name));
            return self.changed(part, below, None, &what);
        };
        entry.set(flag::SEEN | flag::COMPARED);
        let was = *entry;
        if stream.is_some() {
            self.outcome.compared += 1;
        }
        // Windows and Lifeboat export EFS data differently.
        let comparable = was.is(flag::HASH) && (same_way || !was.is(flag::EFS));
        if !comparable || was.sha256 == sha256 {
            self.outcome.hashes_unused += u64::from(was.is(flag::HASH) && !comparable);
            self.outcome.hashes_matched += u64::from(comparable);
            let late = self.depth == Depth::Later && was.is(flag::TIME);
            return if late { self.facts(part, below) } else { Said::Same };
        }
        self.changed(part, below, stream, "its bytes differ (SHA-256)")
    }

    /// Compares the metadata of a file that comes with its bytes.
    pub(super) fn late_facts(&mut self, part: usize, below: &[u8], facts: u32, rights: u32) {
        let Some(pair) = self.pairs.get(part).copied().flatten() else { return };
        let Some(was) = self.index.get(pair, below, None).map(|entry| *entry) else { return };
        let now = Present {
            kind: MemberKind::File,
            size: None,
            modified: None,
            facts: Some(facts),
            rights,
            sha256: None,
        };
        if !was.is(flag::FOLDER) && !self.same_facts(&was, &now) {
            self.facts(part, below);
        }
    }

    /// Compares a deleted file that was recovered with what the seal has at its old path. The
    /// outcome does not change: the file is missing from the store.
    pub(super) fn recovered(&self, member: &mut Member) {
        let is_whole = |data: &Data| data.holes.is_empty();
        let streams = || member.streams.iter().map(|stream| &stream.data);
        if member.certainty().is_none_or(|own| own > Certainty::Unproven)
            || !member.data.iter().chain(streams()).all(is_whole)
        {
            return;
        }
        let Some(path) = member.exact_path() else { return };
        let Some(old) = path.strip_prefix(DELETED.as_bytes()).and_then(|p| p.strip_prefix(b"/"))
        else {
            return;
        };
        let Some((part, below)) = self.place(old) else { return };
        let Some(pair) = self.pairs.get(part).copied().flatten() else { return };
        let is_same = |stream: Option<&[u8]>, data: &Data| {
            let was = self.index.look(pair, below, stream)?;
            let known = was.is(flag::HASH) && !was.is(flag::EFS);
            let now: Hash = from_hex(&data.sha256).and_then(|hash| hash.try_into().ok())?;
            known.then_some(was.sha256 == now)
        };
        let data = member.data.as_ref().map(|data| is_same(None, data));
        let streams = member
            .streams
            .iter()
            .map(|stream| stream.exact_name().and_then(|name| is_same(Some(&name), &stream.data)));
        let all: Option<Vec<bool>> = data.into_iter().chain(streams).collect();
        match all.as_deref() {
            None | Some([]) => {}
            Some(all) if all.iter().all(|same| *same) => {
                let detail = "deleted, and recovered (sure): its SHA-256 is that of the seal";
                member.recover(Certainty::Sure, detail);
            }
            Some(_) => {
                let detail = "deleted, and recovered (unproven): its SHA-256 is not that of the \
                              seal";
                member.recover(Certainty::Unproven, detail);
            }
        }
    }

    /// Compares a complete member of a set; returns what to record in its line.
    pub(super) fn member(&mut self, member: &Member) -> Option<&'static str> {
        let path = member.exact_path()?;
        let (part, below) = self.place(&path)?;
        // Zeros replace what could not be read, so the bytes are not known.
        let hash = |data: &Data| {
            let known = data.holes.is_empty();
            from_hex(&data.sha256).filter(|_| known).and_then(|h| Hash::try_from(h).ok())
        };
        let content = member.content.as_ref();
        let missing = content == Some(&ContentKind::Missing);
        let data = member.data.as_ref().filter(|_| !missing);
        let no_size = content == Some(&ContentKind::EfsRaw);
        let security = member.security.as_deref().and_then(manifest::from_base64);
        let known = member.times.modified != 0;
        let now = Present {
            kind: member.kind,
            size: data.filter(|_| !no_size).map(|data| data.size),
            modified: (known && member.kind == MemberKind::File).then_some(member.times.modified),
            facts: known.then(|| self.index.member_facts(member)),
            rights: self.index.rights(security.as_deref()),
            sha256: data.and_then(hash),
        };
        let mut said = self.see(part, below, &now);
        for stream in &member.streams {
            let (Some(name), Some(hash)) = (stream.exact_name(), hash(&stream.data)) else {
                continue;
            };
            if said != Said::Added && self.hash(part, below, Some(&name), hash) == Said::Changed {
                said = Said::Changed;
            }
        }
        said.word()
    }

    /// Reports everything in the seal that does not exist now; returns the
    /// outcome.
    pub(super) fn finish(
        &mut self,
        mut missing: impl FnMut(&[u8]),
    ) -> Result<SealOutcome, Unsound> {
        let seal = self.seal;
        let hashes = self.depth != Depth::Metadata;
        let mut unread = 0;
        seal.members(|member| {
            let Some(path) = member.exact_path() else { return Ok(()) };
            let Some((pair, below)) = split(&self.sealed_prefixes, &path) else { return Ok(()) };
            let Some(entry) = self.index.get(pair, below, None).map(|entry| *entry) else {
                return Ok(());
            };
            let part = self.pairs.iter().position(|p| *p == Some(pair));
            if !entry.is(flag::SEEN) {
                self.outcome.missing += 1;
                let shown = match part {
                    Some(part) => self.shown(part, below),
                    None => member.path.clone(),
                };
                self.monitor.finding(&finding(SealCode::Missing, shown, "it is missing"));
                let mut now = part.and_then(|part| self.prefixes.get(part)).cloned();
                if let Some(now) = now.as_mut().filter(|_| !below.is_empty()) {
                    now.push(b'/');
                    now.extend_from_slice(below);
                }
                missing(&now.unwrap_or(path));
                return Ok(());
            }
            if !hashes || entry.is(flag::FOLDER | flag::LINK | flag::TOLD) {
                return Ok(());
            }
            let read = entry.is(flag::COMPARED);
            unread += u64::from(!read && entry.is(flag::HASH));
            for stream in &member.streams {
                let Some(name) = stream.exact_name() else { continue };
                let seen =
                    self.index.get(pair, below, Some(&name)).is_some_and(|s| s.is(flag::SEEN));
                if let Some(part) = part.filter(|_| !seen && read && !entry.is(flag::EFS)) {
                    let what = format!("its stream {} is gone", shown_name(&name));
                    self.changed(part, below, None, &what);
                } else if !seen {
                    unread += 1;
                }
            }
            Ok(())
        })?;
        self.end(unread);
        Ok(self.outcome.clone())
    }

    /// The seal could be read once but not now: the comparisons are valid, but
    /// missing files are not known.
    pub(super) fn give_up(&mut self, error: &Unsound) -> SealOutcome {
        let shown = self.sides.first().map(|side| side.here.path.clone()).unwrap_or_default();
        self.monitor.finding(&finding(SealCode::Damaged, shown, error.to_string()));
        SealOutcome { state: SealState::Differs, ..self.outcome.clone() }
    }

    /// Reports the summary.
    fn end(&mut self, unread: u64) {
        let more = |count: u64, code, what: &str| {
            if count > NAMED {
                let what = format!("{what}: {} more files, not listed here", count - NAMED);
                self.monitor.finding(&finding(code, "", what));
            }
        };
        more(self.outcome.facts, SealCode::Metadata, "times, permissions or attributes");
        more(self.outcome.touched, SealCode::Touched, "written to after sealing");
        if unread > 0 {
            self.outcome.hashes_unused += unread;
            let what = format!("{unread} sealed files or streams could not be read and compared");
            let shown = self.sides.first().map(|side| side.here.path.clone()).unwrap_or_default();
            self.monitor.finding(&finding(SealCode::Unread, shown, what));
        }
        let outcome = &mut self.outcome;
        let all = [outcome.changed, outcome.touched, outcome.missing, outcome.added, outcome.facts];
        if all.into_iter().sum::<u64>() + unread > 0 {
            outcome.state = SealState::Differs;
        }
    }

    fn added(&mut self, part: usize, below: &[u8], now: &Present) -> Said {
        self.outcome.added += 1;
        let what = match (now.kind, now.size) {
            (MemberKind::File, Some(size)) => format!("a file of {size} bytes that was not there"),
            (MemberKind::Directory, _) => "a folder that was not there".to_owned(),
            _ => "a file that was not there".to_owned(),
        };
        self.monitor.finding(&finding(SealCode::Added, self.shown(part, below), what));
        Said::Added
    }

    /// Reports it once for each file or stream.
    fn changed(&mut self, part: usize, below: &[u8], stream: Option<&[u8]>, what: &str) -> Said {
        let pair = self.pairs.get(part).copied().flatten().unwrap_or(usize::MAX);
        if let Some(entry) = self.index.get(pair, below, None) {
            let told = entry.is(flag::TOLD);
            entry.set(flag::TOLD | flag::COMPARED);
            if told {
                return Said::Changed;
            }
        }
        self.outcome.changed += 1;
        let mut shown = self.shown(part, below);
        if let Some(name) = stream {
            shown = format!("{shown}:{}", shown_name(name));
        }
        self.monitor.finding(&finding(SealCode::Changed, shown, what));
        Said::Changed
    }

    fn touched(&mut self, part: usize, below: &[u8], modified: FileTime) -> Said {
        self.outcome.touched += 1;
        if self.outcome.touched <= NAMED {
            let what = format!("last written to {modified}; another time than when it was sealed");
            self.monitor.finding(&finding(SealCode::Touched, self.shown(part, below), what));
        }
        Said::Touched
    }

    fn facts(&mut self, part: usize, below: &[u8]) -> Said {
        let pair = self.pairs.get(part).copied().flatten().unwrap_or(usize::MAX);
        if let Some(entry) = self.index.get(pair, below, None) {
            if entry.is(flag::NOTED) {
                return Said::Metadata;
            }
            entry.set(flag::NOTED);
        }
        self.outcome.facts += 1;
        if self.outcome.facts <= NAMED {
            let what = "a time, an owner, a permission or an attribute is not as sealed";
            self.monitor.finding(&finding(SealCode::Metadata, self.shown(part, below), what));
        }
        Said::Metadata
    }

    fn mark(&mut self, pair: usize, below: &[u8], flags: u32) {
        if let Some(entry) = self.index.get(pair, below, None) {
            entry.set(flags);
        }
    }

    /// The Windows path, for display.
    fn shown(&self, part: usize, below: &[u8]) -> String {
        let Some(prefix) = self.prefixes.get(part) else { return shown_name(below) };
        let (drive, path) = match prefix.iter().position(|b| *b == b'/') {
            Some(at) => (&prefix[..at], &prefix[at + 1..]),
            None => (&prefix[..], &[][..]),
        };
        let mut text = format!("{}:\\{}", shown_name(drive), shown_name(path));
        if !below.is_empty() {
            text.push('/');
            text.push_str(&shown_name(below));
        }
        text.replace('/', "\\")
    }

    /// When the store was sealed, for display.
    pub(super) fn sealed_at(&self) -> String {
        super::words::time(&self.outcome.sealed)
    }
}

/// The marker files among paths below a part's folder, for [`Comparer::is_of`].
pub(super) fn marker_names() -> [&'static str; 5] {
    MARKERS
}

fn shown_name(wtf8: &[u8]) -> String {
    NtName::from_wtf8(wtf8)
        .map_or_else(|| String::from_utf8_lossy(wtf8).into_owned(), |n| n.to_string_lossy())
}
