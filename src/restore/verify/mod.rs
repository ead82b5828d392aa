//! Reads a restored tree back and compares it with its set.

mod seen;

use std::collections::HashSet;

use sha2::{Digest, Sha256};

use self::seen::Seen;
use super::destination::{Destinations, Places};
use super::error::RestoreError;
use super::input::Input;
use super::job::{self, Job};
use super::names;
use super::place::{FactKind, Piece, SETTABLE};
use super::platform::Root;
use super::stage::is_below;
use super::tally::Tally;
use crate::model::descriptor;
use crate::model::extended_attributes;
use crate::model::loss::LossKind;
use crate::model::metadata::{FileTime, Metadata, Node, NodeId, NodeKind, attributes};
use crate::model::monitor::{Monitor, Progress, Stage};
use crate::model::name::NtName;
use crate::set::error::SetError;
use crate::set::format::hash::finish_hex;
use crate::set::format::manifest::{
    ContentKind, Data, Member, MemberKind, NamedStream, from_base64,
};
use crate::tree::host::HostTree;
use crate::tree::{Stream, Tree, TreeError};

/// The result of a read-back.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Verified {
    /// Files compared.
    pub files: u64,
    /// Bytes compared.
    pub bytes: u64,
    /// Files, links, folders and pieces of metadata that differ from the set.
    pub losses: u64,
}

/// Reads a restored tree back: every byte against the manifest's hashes, and all
/// metadata that the file system supports. Reports differences to `monitor` as
/// losses. Change and access times are not compared: hosts maintain the one, and
/// reading changes the other.
///
/// # Errors
/// The destination or the set cannot be read; the monitor was cancelled.
pub fn verify_restored(
    input: &dyn Input,
    to: &Destinations,
    monitor: &dyn Monitor,
) -> Result<Verified, RestoreError> {
    read_back(input, to, None, false, monitor)
}

/// The same. As part of a restore (`job`) it does not repeat that restore's
/// reports, and sets the times again, since reading a file may change its access
/// time. In a stage, or with `is_alone`, nothing else may be there: an alternate data stream that
/// is not of the set is a loss.
pub(super) fn read_back(
    input: &dyn Input,
    to: &Destinations,
    job: Option<&Job<'_>>,
    is_alone: bool,
    monitor: &dyn Monitor,
) -> Result<Verified, RestoreError> {
    let rescue = input.rescue();
    let places = Places::open(to, rescue)?;
    let is_alone = is_alone || job.is_some() && !places.stages.is_empty();
    let mut trees = Vec::new();
    for opened in &places.roots {
        let tree = HostTree::open(&opened.shown).map_err(|error| RestoreError::Missing {
            path: opened.shown.display().to_string(),
            error: std::io::Error::other(error),
        })?;
        // A counterfeit stick is found only by what is on it.
        trees.push(tree.past_the_cache());
    }
    monitor.stage(Stage::ReadBack, &rescue.set);
    let totals = rescue.totals;
    let progress =
        Progress { bytes: 0, total_bytes: totals.bytes, files: 0, total_files: totals.files };
    let tally = Tally::new(monitor);
    let buffer = vec![0; job::CHUNK];
    let above = None;
    let parts = rescue.parts.iter().filter_map(|part| places.part(part)).collect();
    let mut check =
        Check { places, trees, above, job, is_alone, parts, monitor, tally, progress, buffer };
    let mut set = input.in_order()?;
    while let Some(member) = set.next_member() {
        if monitor.is_cancelled() {
            return Err(RestoreError::Cancelled);
        }
        match member {
            Ok(member) => check.member(&member)?,
            Err(SetError::Damaged { .. }) if job.is_some() => {}
            Err(SetError::Damaged { path, offset, what }) => {
                check.tally.damaged(&path, offset, &what);
            }
            Err(error) => return Err(error.into()),
        }
        monitor.progress(check.progress);
    }
    if monitor.is_cancelled() {
        return Err(RestoreError::Cancelled);
    }
    let Check { tally, progress, .. } = check;
    let (losses, _) = tally.finish();
    Ok(Verified { files: progress.files, bytes: progress.bytes, losses })
}

struct Check<'a> {
    places: Places,
    trees: Vec<HostTree>,
    /// The folder of the last member: root, names and node.
    above: Option<(usize, Vec<NtName>, NodeId)>,
    job: Option<&'a Job<'a>>,
    /// Whether everything there is to be of the set.
    is_alone: bool,
    /// The folders of the parts.
    parts: Vec<(usize, Vec<NtName>)>,
    monitor: &'a dyn Monitor,
    tally: Tally<'a>,
    progress: Progress,
    buffer: Vec<u8>,
}

impl Check<'_> {
    fn member(&mut self, member: &Member) -> Result<(), RestoreError> {
        if matches!(member.content, Some(ContentKind::Missing | ContentKind::Cloud)) {
            return Ok(());
        }
        if self.job.is_some_and(|job| job.refuses(member.exact_path().as_deref())) {
            return Ok(());
        }
        let Some((root, at)) = self.find(member.exact_path()) else {
            self.tally.lose(&member.path, LossKind::Name, "not restored: its path is not valid");
            return Ok(());
        };
        // What is above a store may have been there before it, and have times of its own.
        let is_above = self.job.is_none() && self.is_alone && {
            self.parts
                .iter()
                .any(|(r, part)| *r == root && part.len() > at.len() && is_below(part, &at))
        };
        let is_left = is_above || self.job.is_some_and(|job| job.has_left(root, &at));
        if at.is_empty() || is_left {
            return Ok(()); // the root, which belongs to the user; or it was reported
        }
        if let Err(error) = self.compare(member, root, &at) {
            if error.is_exhausted() {
                let error = std::io::Error::other(error);
                return Err(RestoreError::Exhausted { path: self.places.shown(root, &at), error });
            }
            self.tally.lose(
                &member.path,
                LossKind::Unreadable,
                format!("reading back failed: {error}"),
            );
        }
        Ok(())
    }

    fn find(&self, path: Option<Vec<u8>>) -> Option<(usize, Vec<NtName>)> {
        let (drive, below) = names::split(&path?).ok()?;
        self.places.find(&drive, &below)
    }

    /// The folder of a member: mostly that of the previous one.
    fn folder(&mut self, root: usize, above: &[NtName]) -> Result<NodeId, TreeError> {
        match &self.above {
            Some((r, names, id)) if *r == root && names == above => Ok(*id),
            _ => {
                let Some(tree) = self.trees.get(root) else { return Ok(NodeId(0)) };
                let id = tree.at(above)?;
                self.above = Some((root, above.to_vec(), id));
                Ok(id)
            }
        }
    }

    fn compare(&mut self, member: &Member, root: usize, at: &[NtName]) -> Result<(), TreeError> {
        let Some((name, above)) = at.split_last() else { return Ok(()) };
        let folder = self.folder(root, above)?;
        let (Some(tree), Some(opened)) = (self.trees.get(root), self.places.roots.get(root)) else {
            return Ok(());
        };
        let mut seen = Seen::look(tree, folder, name, member, self.is_alone)?;
        let node = seen.node.clone();
        let id = node.id;
        let is_folder = member.kind == MemberKind::Directory;
        if is_folder != (node.kind == NodeKind::Directory) {
            let detail = "there is a folder in place of a file, or a file in place of a folder";
            self.tally.lose(&member.path, LossKind::Name, detail);
            return Ok(());
        }
        if member.kind == MemberKind::Link {
            let first = self.find(member.exact_link_to());
            let first = first.filter(|(r, _)| *r == root).and_then(|(_, at)| tree.at(&at).ok());
            if first != Some(id) && !self.was_reported(root, at, Piece::Link) {
                let detail = "a separate file; it should be a hard link to another file";
                self.tally.lose(&member.path, LossKind::Fact, detail);
            }
            return Ok(());
        }
        // Where the key is missing, an EFS file's bytes cannot be compared; its metadata can.
        // A file system without EFS has no such file, which was reported.
        let is_efs = member.content == Some(ContentKind::EfsRaw);
        if !is_efs || node.attributes & attributes::ENCRYPTED != 0 {
            let facts = seen.facts(tree, name)?;
            let (job, tally) = (self.job, &mut self.tally);
            // (The raw form of an EFS file has its streams.)
            if self.is_alone && !is_efs && opened.root.holds(FactKind::Stream) {
                for name in strangers(member, &facts) {
                    let detail = "this alternate data stream is not of the set, but on a restored \
                                  file";
                    tally.lose(&format!("{}:{name}", member.path), LossKind::Name, detail);
                }
            }
            compare_facts(member, &node, &facts, &opened.root, &mut |kind| {
                if !job.is_some_and(|job| job.was_reported(root, at, Piece::Fact(kind))) {
                    tally.fact_differs(&member.path, kind);
                }
            });
            if job.is_some_and(|job| job.packs(root))
                && job::is_packed(member)
                && node.attributes & attributes::COMPRESSED == 0
                && !self.was_reported(root, at, Piece::Fact(FactKind::Compression))
            {
                self.tally.fact_differs(&member.path, FactKind::Compression);
            }
        }
        let compares_data = !is_folder && member.content != Some(ContentKind::EfsRaw);
        if let Some(data) = member.data.as_ref().filter(|_| compares_data) {
            let mut stream = seen.data(tree)?;
            self.progress.files += 1;
            let same = Comparison {
                buffer: &mut self.buffer,
                monitor: self.monitor,
                progress: &mut self.progress,
            };
            match same.of(&mut *stream, data)? {
                Err(why) if !self.was_reported(root, at, Piece::Data) => {
                    self.tally.lose(&member.path, LossKind::Unreadable, why);
                }
                Ok(()) | Err(_) => {}
            }
        }
        for named in member.streams.iter().filter(|_| opened.root.holds(FactKind::Stream)) {
            let path = format!("{}:{}", member.path, named.name);
            let name = named.exact_name().and_then(|name| NtName::from_wtf8(&name));
            let same = Comparison {
                buffer: &mut self.buffer,
                monitor: self.monitor,
                progress: &mut self.progress,
            };
            let same = match tree.open(id, name.as_ref()) {
                Ok(mut stream) => same.of(&mut *stream, &named.data)?,
                Err(error) if error.is_exhausted() => return Err(error),
                Err(error) => Err(error.to_string()),
            };
            let was_reported =
                name.is_some_and(|name| self.was_reported(root, at, Piece::Stream(&name)));
            match same {
                Err(why) if !was_reported => self.tally.lose(&path, LossKind::Fact, why),
                Ok(()) | Err(_) => {}
            }
        }
        if self.job.is_some() && !is_folder {
            self.put_times_back(&seen, member, root, at);
        }
        Ok(())
    }

    fn was_reported(&self, root: usize, at: &[NtName], piece: Piece<'_>) -> bool {
        self.job.is_some_and(|job| job.was_reported(root, at, piece))
    }

    fn put_times_back(&mut self, seen: &Seen, member: &Member, root: usize, at: &[NtName]) {
        let Some(opened) = self.places.roots.get_mut(root) else { return };
        let tally = &mut self.tally;
        let times = job::times(member.times);
        let set = seen.put_times_back(&mut opened.root, at, times, &mut |kind, error| {
            tally.fact_failed(&member.path, kind, &error);
        });
        if let Err(error) = set {
            self.tally.fact_failed(&member.path, FactKind::Times, &error);
        }
    }
}

/// Checks one stream against its hash.
struct Comparison<'a> {
    buffer: &'a mut [u8],
    monitor: &'a dyn Monitor,
    progress: &'a mut Progress,
}

impl Comparison<'_> {
    /// What is wrong with the stream, if anything. Ends early, without a report, if
    /// the monitor is cancelled.
    fn of(self, stream: &mut dyn Stream, data: &Data) -> Result<Result<(), String>, TreeError> {
        let bytes = stream.len();
        if bytes != data.size {
            return Ok(Err(format!("it has {bytes} bytes instead of {}", data.size)));
        }
        let mut hash = Sha256::new();
        loop {
            let n = stream.read(self.buffer)?;
            if n == 0 {
                break;
            }
            hash.update(&self.buffer[..n]);
            self.progress.bytes = self.progress.bytes.saturating_add(n as u64);
            self.monitor.progress(*self.progress);
            if self.monitor.is_cancelled() {
                return Ok(Ok(()));
            }
        }
        if let [hole, ..] = stream.holes() {
            return Ok(Err(format!("unreadable at byte {}: {}", hole.offset, hole.reason)));
        }
        // A member whose line was lost has no hash to compare.
        let has_hash = bytes > 0 && !data.sha256.is_empty();
        if has_hash && finish_hex(hash) != data.sha256 {
            return Ok(Err("the data differs from the saved data (SHA-256)".to_owned()));
        }
        Ok(Ok(()))
    }
}

/// The alternate data streams of a file that its member does not have.
fn strangers<'f>(member: &Member, facts: &'f Metadata) -> impl Iterator<Item = &'f NtName> {
    let named = member.streams.iter().filter_map(NamedStream::exact_name);
    let known: Vec<NtName> = named.filter_map(|name| NtName::from_wtf8(&name)).collect();
    let known: HashSet<NtName> = known.iter().map(NtName::folded).collect();
    facts.streams.iter().map(|s| &s.name).filter(move |name| !known.contains(&name.folded()))
}

/// Reports the metadata that differs from the set, as far as the file system
/// supports it.
fn compare_facts(
    member: &Member,
    node: &Node,
    facts: &Metadata,
    root: &Root,
    differs: &mut dyn FnMut(FactKind),
) {
    let mut expect = |kind: FactKind, is_same: bool| {
        if root.holds(kind) && !is_same {
            differs(kind);
        }
    };
    let same = |wanted: &Option<String>, found: Option<&[u8]>, is_same: &dyn Fn(&[u8]) -> bool| {
        match wanted {
            Some(text) => from_base64(text).map_or(found.is_none(), |wanted| is_same(&wanted)),
            None => true, // metadata that is not in the set comes from the file system
        }
    };
    let found = facts.security.as_deref();
    let is_same = |wanted: &[u8]| found.is_some_and(|found| descriptor::is_same(wanted, found));
    expect(FactKind::Security, same(&member.security, found, &is_same));
    let is_compact = member.content == Some(ContentKind::Wof);
    // Reparse data that hides children is compared when it is set.
    let is_later = is_compact || job::directory_reparse::of(member).is_some();
    let found = facts.reparse.as_deref();
    let is_same = |wanted: &[u8]| found == Some(wanted);
    expect(FactKind::Reparse, is_later || same(&member.reparse, found, &is_same));
    // The birth ids beyond the first 16 bytes belong to the volume.
    let id = |bytes: &Vec<u8>| bytes.get(..16).map(<[u8]>::to_vec);
    let wanted_id = member.object_id.as_deref().and_then(from_base64).and_then(|b| id(&b));
    let found_id = facts.object_id.as_ref().and_then(id);
    expect(FactKind::ObjectId, wanted_id.is_none() || wanted_id == found_id);
    let found = facts.extended_attributes.as_deref();
    let is_same = |wanted: &[u8]| extended_attributes::is_same(wanted, found);
    expect(FactKind::ExtendedAttributes, same(&member.extended_attributes, found, &is_same));
    let found_short = facts.short_name.as_ref().and_then(NtName::as_str);
    // A host does not report the DOS name of a file with hard links.
    let can_tell = node.links == 1;
    let wanted_short = member.short_name.as_deref().filter(|_| can_tell);
    expect(FactKind::ShortName, wanted_short.is_none() || wanted_short == found_short);
    expect(FactKind::Attributes, (member.attributes ^ node.attributes) & SETTABLE == 0);

    let near = |wanted: u64, found: FileTime, kind| {
        wanted == 0 || wanted.abs_diff(found.0) <= root.time_slack(kind)
    };
    for (kind, wanted, found) in [
        (FactKind::Times, member.times.modified, node.times.modified),
        (FactKind::CreationTime, member.times.created, node.times.created),
    ] {
        expect(kind, near(wanted, found, kind));
    }
}
