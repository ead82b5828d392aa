//! Verifies a set: every file, every frame, every member's data, and that manifest and
//! tar match. Each byte is read once, the manifest's twice: first it goes through the
//! [`gate`](super::gate). Of an encrypted set all are read encrypted and decrypted.

use std::collections::VecDeque;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::gate::{Gate, holes_fit};
use super::reader::SetReader;
use super::source::{ReadAheadFrames, Shared, Source};
use super::tar_walk::{advance, read};
use crate::destination::Destination;
use crate::model::finding::{Finding, Severity};
use crate::model::monitor::{Monitor, Progress, Stage};
use crate::set::crypt::Keys;
use crate::set::error::SetError;
use crate::set::format::hash::finish_hex;
use crate::set::format::manifest::{At, Data, Frame, Line, Member, Totals};
use crate::set::format::names::{MANIFEST, STORE};
use crate::set::format::rescue::{Rescue, What};
use crate::set::format::tar_dialect::{END, member_header, stream_header};
use crate::set::format::ustar::padding;

/// The extent of the check.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Level {
    /// Whether all files exist with their sizes, and can be opened.
    Quick,
    /// Every byte.
    Full,
}

/// Findings that are kept; the others are only reported to the monitor and counted.
const MAX_FINDINGS: usize = 10_000;

/// The result of a verification.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verified {
    /// The set's description.
    pub rescue: Rescue,
    /// The findings, the first 10,000.
    pub findings: Vec<Finding>,
    /// How many of all findings mean damage.
    pub damage: u64,
    /// Members whose data or metadata is damaged.
    pub members_hit: u64,
    /// The totals counted; all 0 after a quick check.
    pub totals: Totals,
}

/// Verifies the set in the folder `path` of the destination. Reports findings to the
/// monitor as they occur.
///
/// # Errors
/// There is no set; it is of a later format; the destination fails; the user stops.
pub fn verify_set(
    target: Arc<dyn Destination>,
    path: &str,
    level: Level,
    monitor: &dyn Monitor,
) -> Result<Verified, SetError> {
    verify(&SetReader::open(target, path)?, level, monitor)
}

/// Verifies a set that may be encrypted. Without `keys`, only its files are compared
/// with their hashes, and their content stays unchecked.
///
/// # Errors
/// Those of [`verify_set`], and none of the keys opens it.
pub(crate) fn verify_set_with(
    target: Arc<dyn Destination>,
    path: &str,
    keys: Option<&Keys>,
    level: Level,
    monitor: &dyn Monitor,
) -> Result<Verified, SetError> {
    let set = match keys {
        Some(keys) => SetReader::open_without_details(target, path, keys)?,
        None => SetReader::open_closed(target, path)?,
    };
    verify(&set, level, monitor)
}

fn verify(set: &SetReader, level: Level, monitor: &dyn Monitor) -> Result<Verified, SetError> {
    monitor.stage(Stage::Verify, &set.display());
    let mut verifier = Verifier {
        set,
        monitor,
        findings: Vec::new(),
        damage: 0,
        hit: 0,
        totals: Totals::default(),
        progress: Progress {
            total_bytes: set.rescue().totals.bytes,
            total_files: set.rescue().totals.files + set.rescue().totals.links,
            ..Progress::default()
        },
    };
    verifier.files()?;
    verifier.small_files()?;
    let gate = if level == Level::Full { set.gate(monitor)? } else { set.described() };
    verifier.faults(gate);
    if level == Level::Full {
        if set.rescue().encryption.is_some() {
            verifier.encrypted_files()?;
        }
        if !set.is_closed() {
            verifier.store()?;
        }
    }
    let Verifier { findings, damage, hit, totals, .. } = verifier;
    Ok(Verified { rescue: set.rescue().clone(), findings, damage, members_hit: hit, totals })
}

pub(crate) struct Verifier<'a> {
    pub(crate) set: &'a SetReader,
    pub(crate) monitor: &'a dyn Monitor,
    findings: Vec<Finding>,
    damage: u64,
    hit: u64,
    totals: Totals,
    progress: Progress,
}

/// The meaning and the action of a finding, by its code.
fn find(code: &'static str, kind: What, path: String, what: String) -> Finding {
    let (severity, meaning, action) = match code {
        "set-has-losses" => (
            Severity::Warning,
            "The set lacks what was lost when it was made.",
            "`lifeboat list` lists each loss.",
        ),
        "set-lacks-part" if kind == What::Folder => (
            Severity::Warning,
            "The set does not have everything that was asked for.",
            "Look for it before its disk is wiped.",
        ),
        "set-lacks-part" => (
            Severity::Warning,
            "loadstate fails with code 38 when a part of the store is missing.",
            "Find and rescue that part before its disk is wiped.",
        ),
        "set-of-damaged-store" => (
            Severity::Warning,
            "The store was damaged before it was saved. The set has what was left of it.",
            "Look for another copy of the store before its disk is wiped.",
        ),
        "set-seek-table" => (
            Severity::Warning,
            "The manifest has the same data as the table. Something changed the set since it was made.",
            "Verify it with --level full. Make another copy of the set while it can be read.",
        ),
        "set-file-missing" | "set-file-size" => (
            Severity::Damage,
            "The data in the missing part cannot be restored.",
            "Copy that file of the set again from the original.",
        ),
        "set-member-damaged" => (
            Severity::Damage,
            "This file cannot be restored completely.",
            "Use another copy of the set, or restore without this file.",
        ),
        "set-contradiction" => (
            Severity::Damage,
            "The set contradicts itself: it was changed after it was written, or forged.",
            "Use another copy of the set.",
        ),
        "set-details" => (
            Severity::Damage,
            "It is not known where the files belong: the set cannot be restored.",
            "Copy details.json.age again from the original. `lifeboat extract` works without it.",
        ),
        "set-manifest-damaged" => (
            Severity::Damage,
            "Hashes and losses of some files are unknown; their data is still in the tar.",
            "Copy the manifest again from the original.",
        ),
        _ => (
            Severity::Damage,
            "The set differs from what was written.",
            "Copy the set again from the original. Other findings list the affected files.",
        ),
    };
    let (meaning, action) = (meaning.to_owned(), action.to_owned());
    Finding { code, severity, path, what, meaning, action }
}

impl Verifier<'_> {
    /// What the gate found.
    fn faults(&mut self, gate: &Gate) {
        for fault in &gate.faults {
            self.tell(fault.code, self.set.place_of(fault), fault.what.clone());
        }
        let more = gate.count.saturating_sub(gate.faults.len() as u64);
        if more > 0 {
            let what = format!("{more} more contradictions like these");
            self.tell("set-contradiction", self.set.display(), what);
        }
    }

    pub(crate) fn tell(
        &mut self,
        code: &'static str,
        path: impl Into<String>,
        what: impl Into<String>,
    ) {
        let finding = find(code, self.set.rescue().what, path.into(), what.into());
        self.damage += u64::from(finding.severity >= Severity::Damage);
        self.monitor.finding(&finding);
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(finding);
        }
    }

    pub(crate) fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.set.dir())
    }

    pub(crate) fn shown(&self, name: &str) -> String {
        self.set.target().display(&self.path(name))
    }

    /// Every byte of the manifest and the store.
    fn store(&mut self) -> Result<(), SetError> {
        let shared = Arc::clone(self.set.shared());
        let mut walk = Walk {
            frames: ReadAheadFrames::new(&shared, 0, true)?,
            shared,
            here: Some(At::default()),
            members_in_frame: 0,
            waiting: VecDeque::new(),
        };
        let lines = match self.set.manifest() {
            Ok(lines) => Some(lines),
            Err(SetError::Damaged { .. }) => None, // the gate has a fault
            Err(error) => return Err(error),
        };
        if lines.as_ref().is_some_and(|lines| !lines.has_table()) {
            let what = "its seek table is damaged";
            self.tell("set-seek-table", self.shown(MANIFEST), what);
        }
        let mut whole = lines.is_some();
        for line in lines.into_iter().flatten() {
            if self.monitor.is_cancelled() {
                return Err(SetError::Cancelled { set: None });
            }
            match line {
                Ok(Line::Member(member)) => {
                    self.frames(&mut walk, member.start.frame)?;
                    self.member(&mut walk, &member)?;
                }
                Ok(Line::Frame(frame)) => {
                    self.totals.frames += 1;
                    let members = std::mem::take(&mut walk.members_in_frame);
                    // A member that ends later may need it again.
                    walk.waiting.push_back((frame, members));
                }
                Ok(Line::Header(_) | Line::SealMissing(_) | Line::Other | Line::End(_)) => {}
                Err(SetError::Damaged { path, what, offset }) => {
                    let what = format!("byte {offset}: {what}");
                    self.tell("set-manifest-damaged", path, what);
                    // Only its own line has the start of the next member now.
                    (walk.here, whole) = (None, false);
                }
                Err(error) => return Err(error),
            }
        }
        self.end_of_tar(&mut walk, whole)?;
        self.frames(&mut walk, u64::MAX)?;
        self.volumes(walk);
        Ok(())
    }

    /// One member: its headers, its data, its position.
    fn member(&mut self, walk: &mut Walk, member: &Member) -> Result<(), SetError> {
        self.totals.count(member);
        walk.members_in_frame += 1;
        let here = walk.here.and_then(|here| advance(&walk.shared, here, 0));
        if here.is_some_and(|here| here != member.start) {
            let at = member.start;
            let there = here.unwrap_or_default();
            let what = format!(
                "the manifest has it in frame {} at byte {}, the tar in frame {} at byte {}",
                at.frame, at.offset, there.frame, there.offset
            );
            self.tell("set-member-differs", member.path.clone(), what);
        }
        let result = self.member_bytes(walk, member);
        self.progress.files = self.totals.files + self.totals.links;
        self.monitor.progress(self.progress);
        let what = match result {
            Ok(None) => return Ok(()),
            Ok(Some(what)) => what,
            Err(SetError::Damaged { path, offset, what }) => {
                walk.here = None;
                format!("{what} (byte {offset} of {path})")
            }
            Err(error) => return Err(error),
        };
        self.hit += 1;
        self.tell("set-member-damaged", member.path.clone(), what);
        Ok(())
    }

    /// What is wrong with a member, if anything. Afterwards `walk.here` is after it, or
    /// unknown.
    fn member_bytes(
        &mut self,
        walk: &mut Walk,
        member: &Member,
    ) -> Result<Option<String>, SetError> {
        let mut at = member.start;
        // Set again only if everything is good.
        walk.here = None;
        let header = member_header(member).unwrap_or_default();
        if header.is_empty() || read(&mut walk.frames, &mut at, header.len())? != header {
            return Ok(Some("the tar header differs from the manifest".to_owned()));
        }
        if let Some(data) = &member.data
            && let Some(what) = self.data(walk, data, &mut at)?
        {
            return Ok(Some(what));
        }
        for stream in &member.streams {
            let header = stream_header(member, stream).unwrap_or_default();
            if header.is_empty() || read(&mut walk.frames, &mut at, header.len())? != header {
                let what =
                    format!("stream {}: its tar header differs from the manifest", stream.name);
                return Ok(Some(what));
            }
            if let Some(what) = self.data(walk, &stream.data, &mut at)? {
                return Ok(Some(format!("stream {}: {what}", stream.name)));
            }
        }
        walk.here = Some(at);
        Ok(None)
    }

    /// Checks a stream's data at `at`, and advances it past the padding.
    fn data(
        &mut self,
        walk: &mut Walk,
        data: &Data,
        at: &mut At,
    ) -> Result<Option<String>, SetError> {
        let here = advance(&walk.shared, *at, 0).unwrap_or(*at);
        if data.at.is_some_and(|at| at != here) || data.at.is_some() != (data.size > 0) {
            return Ok(Some("the manifest has another location for its data".to_owned()));
        }
        if !holes_fit(&data.holes, data.size) {
            return Ok(Some("its holes are outside its size".to_owned()));
        }
        let mut hash = Sha256::new();
        let mut left = data.size;
        while left > 0 {
            let frame = walk.frames.frame(at.frame)?;
            let rest = usize::try_from(at.offset).ok().and_then(|offset| frame.get(offset..));
            match rest {
                Some(rest) if !rest.is_empty() => {
                    let part =
                        usize::try_from(left).map_or(rest.len(), |left| left.min(rest.len()));
                    hash.update(&rest[..part]);
                    left -= part as u64;
                    at.offset += part as u64;
                    self.progress.bytes += part as u64;
                    self.monitor.progress(self.progress);
                    if self.monitor.is_cancelled() {
                        return Err(SetError::Cancelled { set: None });
                    }
                }
                _ => *at = At { frame: at.frame.saturating_add(1), offset: 0 },
            }
        }
        if finish_hex(hash) != data.sha256 {
            return Ok(Some("its data has another SHA-256".to_owned()));
        }
        let zeros = read(&mut walk.frames, at, padding(data.size))?;
        if zeros.iter().any(|&b| b != 0) {
            return Ok(Some("its padding is not zeros".to_owned()));
        }
        Ok(None)
    }

    /// Checks the waiting frame lines, up to one that a member may need.
    fn frames(&mut self, walk: &mut Walk, before: u64) -> Result<(), SetError> {
        while let Some((line, _)) = walk.waiting.front() {
            if line.frame >= before {
                break;
            }
            if let Some((line, members)) = walk.waiting.pop_front() {
                self.frame(walk, &line, members)?;
            }
        }
        Ok(())
    }

    /// Compares a frame with its line.
    fn frame(&mut self, walk: &mut Walk, line: &Frame, members: u64) -> Result<(), SetError> {
        let place = walk.shared.index.get(line.frame);
        let agrees = place.is_some_and(|place| {
            let volume = walk.shared.volumes.place(place.offset);
            let volume = volume.map(|(number, at)| (number as u64 + 1, at));
            u64::from(place.packed) == line.size
                && u64::from(place.plain) == line.plain_size
                && volume == Some((u64::from(line.volume), line.offset))
        });
        let what = match walk.frames.take_hash(line.frame) {
            Err(SetError::Damaged { what, .. }) => what,
            Err(error) => return Err(error),
            Ok(_) if !agrees => "the manifest has another location for it".to_owned(),
            Ok(hash) if hash != line.xxh128 => "its hash differs".to_owned(),
            Ok(_) => return Ok(()),
        };
        let what = format!("frame {}, in which {members} members end: {what}", line.frame);
        self.tell("set-frame-damaged", self.shown(STORE), what);
        Ok(())
    }

    /// Whether the tar ends where the manifest does.
    fn end_of_tar(&mut self, walk: &mut Walk, whole: bool) -> Result<(), SetError> {
        if let Some(mut here) = walk.here.filter(|_| whole) {
            let end = At { frame: self.set.rescue().totals.frames, offset: 0 };
            let ends = match read(&mut walk.frames, &mut here, END) {
                Ok(zeros) => {
                    zeros.iter().all(|byte| *byte == 0)
                        && advance(&walk.shared, here, 0) == Some(end)
                }
                Err(SetError::Damaged { .. }) => true, // its frame was reported
                Err(error) => return Err(error),
            };
            if !ends {
                let what = "the tar continues after the last member of the manifest";
                self.tell("set-member-differs", self.shown(STORE), what);
            }
        }
        Ok(())
    }

    /// The hashes of the volumes, which were computed during reading.
    fn volumes(&mut self, walk: Walk) {
        let rescue = self.set.rescue();
        if rescue.encryption.is_some() {
            return; // the bytes were decrypted, not those of the files
        }
        let files = rescue.files.iter().filter(|file| file.name.starts_with(STORE));
        for (file, hash) in files.zip(walk.frames.finish()) {
            match hash {
                Some(hash) if hash == file.sha256 => {}
                Some(_) => {
                    self.tell("set-file-hash", self.shown(&file.name), "its SHA-256 differs");
                }
                None => {
                    let what = "parts of it could not be read, so its SHA-256 is unknown";
                    self.tell("set-file-hash", self.shown(&file.name), what);
                }
            }
        }
    }
}

/// The position of the verification in the store.
struct Walk {
    shared: Arc<Shared>,
    frames: ReadAheadFrames,
    /// After the last member; `None` if unknown.
    here: Option<At>,
    members_in_frame: u64,
    /// Lines of frames that are not checked yet, with the number of members that end there.
    waiting: VecDeque<(Frame, u64)>,
}
