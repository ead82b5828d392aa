//! The gate: what must be true of a set before anything in it is believed
//! (docs/reference/format.md, section 16). Every reader asks here, so that no command calls
//! a set whole that another one does not.

use std::collections::BTreeSet;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::lines::Lines;
use super::name_rules::Names;
use super::part_rules;
use super::positions::{Misplaced, Positions};
use super::reader::SetReader;
use super::source::Shared;
use crate::destination::{Destination, ErrorKind};
use crate::model::loss::LossKind;
use crate::model::monitor::Monitor;
use crate::set::error::SetError;
use crate::set::format::facts;
use crate::set::format::frames::{MAX_FRAME_BYTES, size_of_table};
use crate::set::format::hash::{finish_hex, sha256_hex};
use crate::set::format::manifest::{
    ContentKind, Data, Frame, HoleLine, Line, Member, MemberKind, TimesLine, Totals,
};
use crate::set::format::names::{
    DETAILS, INSTRUCTIONS, KEY, MANIFEST, REPORT, SCRIPT, STORE, USERS, piece_name, volume_name,
};
use crate::set::format::rescue::{EndState, FORMAT, FORMAT_ENCRYPTED, Part, Rescue, SetFile, What};
use crate::set::format::ustar::BLOCK;

/// Faults that are kept; the others are only counted.
const MOST: usize = 100;

/// Something that contradicts the format.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// The code of the finding about it.
    pub code: &'static str,
    /// The file of the set, or the path of a member; empty for the set itself.
    pub at: String,
    /// For people.
    pub what: String,
}

/// What the gate found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Gate {
    /// What contradicts the format, the first 100. Damaged lines are not among them: whoever
    /// reads the manifest meets those.
    pub faults: Vec<Fault>,
    /// All faults.
    pub count: u64,
    /// Whether the manifest is the one that was written, from its first line to its last. If
    /// not, members come from the tar, too.
    pub manifest_is_whole: bool,
}

impl Gate {
    pub(crate) fn fault(&mut self, code: &'static str, at: &str, what: impl Into<String>) {
        self.count += 1;
        if self.faults.len() < MOST {
            self.faults.push(Fault { code, at: at.to_owned(), what: what.into() });
        }
    }

    /// Takes the faults of another.
    pub(crate) fn add(&mut self, other: Self) {
        self.count += other.count;
        let room = MOST.saturating_sub(self.faults.len());
        self.faults.extend(other.faults.into_iter().take(room));
        self.manifest_is_whole &= other.manifest_is_whole;
    }

    /// Whether the set contradicts nothing, and its manifest is whole.
    pub fn is_sound(&self) -> bool {
        self.count == 0 && self.manifest_is_whole
    }
}

/// What `rescue.json` alone shows.
pub(crate) fn of_description(rescue: &Rescue) -> Gate {
    let mut gate = Gate { manifest_is_whole: true, ..Gate::default() };
    let mut contradicts = |what: String| gate.fault("set-contradiction", "", what);
    let is_encrypted = rescue.encryption.is_some();
    if rescue.format != if is_encrypted { FORMAT_ENCRYPTED } else { FORMAT } {
        contradicts(format!(
            "format {} does not fit a set that is {}encrypted",
            rescue.format,
            if is_encrypted { "" } else { "not " }
        ));
    }
    if rescue.set.len() != 8 || !is_hex(&rescue.set) {
        contradicts("its id is not eight hex digits".to_owned());
    }
    if !(BLOCK as u64..=MAX_FRAME_BYTES).contains(&rescue.options.frame_bytes) {
        contradicts(format!("no frame has {} bytes", rescue.options.frame_bytes));
    }
    let (losses, is_short) = (rescue.totals.losses, !rescue.is_of_whole_store());
    let fits = match rescue.end_state {
        EndState::Saved => losses == 0 && !is_short,
        // Until version 0.1, for missing parts too.
        EndState::SavedWithLosses => rescue.damage.is_empty() && (losses > 0 || is_short),
        EndState::Incomplete => is_short,
    };
    if !fits {
        contradicts(format!(
            "the end state is \"{}\", but there are {losses} losses, {} missing parts and {} \
             damages",
            rescue.end_state.words(),
            rescue.lacks.len(),
            rescue.damage.len()
        ));
    }
    if losses == 0 && rescue.totals.recovered.is_some_and(|recovered| recovered.files > 0) {
        contradicts("it has recovered files, but no losses".to_owned());
    }
    if rescue.what == What::Store && rescue.parts.is_empty() {
        contradicts("it is of a store, and lists no part of it".to_owned());
    }
    if is_encrypted {
        if !is_redacted(rescue) {
            contradicts("it shows what should only be in its encrypted details".to_owned());
        }
    } else {
        part_rules::of_parts(rescue, &mut gate);
    }
    files(rescue, &mut gate);
    gate
}

/// Whether the public description of an encrypted set has nothing but what may be public.
fn is_redacted(outer: &Rescue) -> bool {
    let is_part = |part: &Part| {
        part.path.is_empty()
            && part.drive_from.is_empty()
            && part.volume_label.is_empty()
            && part.volume_serial.is_none()
            && part.skipped.is_empty()
            && part.user.is_none()
    };
    outer.plan.is_empty() && outer.seal.is_none() && outer.parts.iter().all(is_part)
}

/// The files that `rescue.json` lists.
fn files(rescue: &Rescue, gate: &mut Gate) {
    let is_encrypted = rescue.encryption.is_some();
    let split = rescue.options.split.is_some();
    let (mut stores, mut manifests) = (0, 0);
    let mut known = BTreeSet::new();
    for file in &rescue.files {
        let name = file.name.as_str();
        let expected = if name.starts_with(STORE) {
            stores += 1;
            if is_encrypted { piece_name(STORE, stores) } else { volume_name(stores, split) }
        } else if name.starts_with(MANIFEST) {
            manifests += 1;
            if is_encrypted { piece_name(MANIFEST, manifests) } else { MANIFEST.to_owned() }
        } else {
            let small: &[&str] = if is_encrypted {
                &[KEY, DETAILS, INSTRUCTIONS, SCRIPT]
            } else {
                &[INSTRUCTIONS, SCRIPT, REPORT, USERS]
            };
            small.iter().find(|small| **small == name).copied().unwrap_or_default().to_owned()
        };
        if expected != name || !known.insert(name) {
            gate.fault("set-file-name", "", format!("rescue.json lists {name:?}"));
        }
        let is_hash = is_sha256(&file.sha256);
        let is_piece = is_encrypted && (name.starts_with(STORE) || name.starts_with(MANIFEST));
        if !is_hash || file.plain_size.is_some() != is_piece {
            gate.fault("set-contradiction", name, "rescue.json has no valid entry for it");
        }
    }
    if stores == 0 || manifests == 0 || (manifests > 1 && !is_encrypted) {
        let what = format!("rescue.json lists {stores} files of the store, {manifests} manifests");
        gate.fault("set-contradiction", "", what);
    }
    for needed in [KEY, DETAILS].into_iter().filter(|_| is_encrypted) {
        if !known.contains(needed) {
            gate.fault("set-contradiction", "", format!("rescue.json does not list {needed}"));
        }
    }
}

/// Whether this is a SHA-256 as sets have it.
fn is_sha256(text: &str) -> bool {
    text.len() == 64 && is_hex(text)
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// The same for the description inside an encrypted set, and the public one outside.
/// `public` makes of a description what may be public.
pub(crate) fn of_details(
    inner: &Rescue,
    outer: &Rescue,
    public: impl Fn(&Rescue) -> Rescue,
) -> Gate {
    let mut gate = Gate { manifest_is_whole: true, ..Gate::default() };
    if (Rescue { files: outer.files.clone(), ..public(inner) }) != *outer {
        let what = "rescue.json differs from the encrypted details";
        gate.fault("set-contradiction", "", what);
    }
    part_rules::of_parts(inner, &mut gate);
    gate
}

/// Whether the details are of this set: their list has the files of its store and manifest, with
/// their hashes.
pub(crate) fn is_bound(inner: &Rescue, outer: &Rescue) -> bool {
    let is_large =
        |file: &&SetFile| file.name.starts_with(STORE) || file.name.starts_with(MANIFEST);
    inner.set == outer.set
        && inner.files.iter().filter(is_large).eq(outer.files.iter().filter(is_large))
}

/// The manifest as it is at the destination: its size, its hash, its lines. `target` shows the
/// plain manifest; `files` are those that were written, and `stored` shows them.
pub(crate) fn of_manifest(
    gate: &mut Gate,
    (stored, target): (&dyn Destination, &dyn Destination),
    set: &SetReader,
    monitor: &dyn Monitor,
) -> Result<(), SetError> {
    let (dir, rescue) = (set.dir(), set.rescue());
    let before = gate.count;
    for file in rescue.files.iter().filter(|file| file.name.starts_with(MANIFEST)) {
        if let Some(what) = file_fault(stored, &format!("{dir}/{}", file.name), file, monitor)? {
            gate.fault("set-file-hash", &file.name, what);
        }
    }
    let lines = match Lines::open(target, &format!("{dir}/{MANIFEST}")) {
        Ok(lines) => lines,
        Err(SetError::Damaged { what, .. }) => {
            gate.fault("set-manifest-damaged", MANIFEST, what);
            gate.manifest_is_whole = false;
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let mut check = LineCheck::new(rescue, set.shared());
    let mut damaged = 0_u64;
    for line in lines {
        if monitor.is_cancelled() {
            return Err(SetError::Cancelled { set: None });
        }
        match line {
            Ok(line) => check.line(&line, gate),
            Err(SetError::Damaged { .. }) => {
                damaged += 1;
                check.positions.lost();
                check.members.lost();
                check.is_unbroken = false;
            }
            Err(error) => return Err(error),
        }
    }
    if damaged == 0 {
        check.end(gate);
        if gate.count == before {
            check.read_main(gate, set);
        }
    }
    // A fault of one member leaves the list of them whole.
    gate.manifest_is_whole &= damaged == 0 && gate.count == before + check.of_members;
    Ok(())
}

/// What is wrong with a file as it is stored, by its size and its hash.
fn file_fault(
    stored: &dyn Destination,
    path: &str,
    file: &SetFile,
    monitor: &dyn Monitor,
) -> Result<Option<&'static str>, SetError> {
    let mut open = match stored.open(path) {
        Ok(open) => open,
        // Its absence is a finding of its own, and opening its lines fails.
        Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    if open.size()? != file.size {
        return Ok(Some("its size differs from what was written"));
    }
    let mut hash = Sha256::new();
    let mut chunk = vec![0; 1 << 20];
    let mut at = 0;
    while at < file.size {
        if monitor.is_cancelled() {
            return Err(SetError::Cancelled { set: None });
        }
        match open.read_at(at, &mut chunk) {
            Ok(0) => break,
            Ok(read) => {
                hash.update(&chunk[..read]);
                at += read as u64;
            }
            Err(error) if matches!(error.kind, ErrorKind::Corrupted | ErrorKind::Other) => {
                return Ok(Some("it cannot be read completely"));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok((finish_hex(hash) != file.sha256).then_some("its SHA-256 differs"))
}

/// The lines of a manifest, in their order.
struct LineCheck<'a> {
    rescue: &'a Rescue,
    lines: u64,
    totals: Totals,
    end: Option<Totals>,
    of_members: u64,
    members: part_rules::Members<'a>,
    names: Names,
    /// No line was damaged: each folder before this line is known.
    is_unbroken: bool,
    positions: Positions,
    shared: &'a Shared,
}

impl<'a> LineCheck<'a> {
    fn new(rescue: &'a Rescue, shared: &'a Arc<Shared>) -> Self {
        Self {
            rescue,
            lines: 0,
            totals: Totals::default(),
            end: None,
            of_members: 0,
            members: part_rules::Members::new(rescue),
            names: Names::default(),
            is_unbroken: true,
            positions: Positions::new(shared),
            shared,
        }
    }

    fn line(&mut self, line: &Line, gate: &mut Gate) {
        if let Some(what) = self.members.line(line) {
            self.of_members += 1;
            gate.fault("set-contradiction", "", what);
        }
        let mut wrong = |what: &str| gate.fault("set-manifest-damaged", MANIFEST, what);
        if self.lines == 0 && !matches!(line, Line::Header(_)) {
            wrong("it does not begin with its header");
        }
        if self.end.is_some() {
            wrong("it continues after its last line");
        }
        match line {
            Line::Header(_) if self.lines > 0 => wrong("it has two headers"),
            Line::Header(header) if header.set != self.rescue.set => {
                wrong("this is the manifest of another set");
            }
            Line::Header(header) if header.format != self.rescue.format => {
                wrong(&format!("its header is of format {}", header.format));
            }
            Line::Header(_) | Line::SealMissing(_) | Line::Other => {}
            Line::Frame(frame) => {
                if frame.frame != self.totals.frames {
                    wrong(&format!("frame {} follows {}", frame.frame, self.totals.frames));
                }
                if !self.is_at_its_place(frame) {
                    wrong(&format!("the store has frame {} elsewhere", frame.frame));
                }
                self.totals.frames = frame.frame.saturating_add(1);
            }
            Line::Member(member) => {
                self.totals.count(member);
                let needs_folder = self.is_unbroken && self.members.has_folder_of(member);
                let known = self.members.member(member);
                let named = self.names.member(member, needs_folder);
                let faults = [member_fault(member), known, named];
                for what in faults.into_iter().flatten() {
                    self.of_members += 1;
                    gate.fault("set-contradiction", &member.path, what);
                }
                match self.positions.member(member) {
                    None => {}
                    Some(Misplaced::Data) => {
                        self.of_members += 1;
                        let what = "the store has it elsewhere, or not as the manifest says";
                        gate.fault("set-contradiction", &member.path, what);
                    }
                    Some(Misplaced::Gap) => {
                        let what = format!("it lacks what the store has before {}", member.path);
                        gate.fault("set-manifest-damaged", MANIFEST, what);
                    }
                }
            }
            Line::End(totals) => self.end = Some(*totals),
        }
        self.lines += 1;
    }

    /// Whether the store's own table has a frame where the manifest has it.
    fn is_at_its_place(&self, frame: &Frame) -> bool {
        let Some(place) = self.shared.index.get(frame.frame) else { return false };
        let volume = self.shared.volumes.place(place.offset);
        u64::from(place.packed) == frame.size
            && u64::from(place.plain) == frame.plain_size
            && volume.map(|(number, at)| (number as u64 + 1, at))
                == Some((u64::from(frame.volume), frame.offset))
            // A frame has blocks of the tar, and at least one.
            && place.plain > 0
            && (place.plain as usize).is_multiple_of(BLOCK)
            && frame.plain_size <= self.rescue.options.frame_bytes
    }

    /// Whether the store has bytes before, between or behind its frames and its table.
    fn has_more(&self) -> bool {
        let index = &self.shared.index;
        if index.from_table {
            return false; // it was taken only because everything adds up
        }
        let mut end = 0;
        let mut is_gap = false;
        for place in &index.places {
            is_gap |= place.packed > 0 && place.offset != end;
            end = place.offset.saturating_add(u64::from(place.packed));
        }
        let table = size_of_table(index.places.len());
        is_gap || end.saturating_add(table) != self.shared.volumes.size()
    }

    /// What `hardlink.main` says of the parts. Damage of its bytes is left to those who read all.
    fn read_main(&mut self, gate: &mut Gate, set: &SetReader) {
        let Some(data) = self.members.main_to_read() else { return };
        let Ok(mut open) = set.open_data(data) else { return };
        let mut bytes = vec![0; usize::try_from(data.size).unwrap_or(0)];
        let mut filled = 0;
        while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match open.read(rest) {
                Ok(read @ 1..) => filled += read,
                _ => return,
            }
        }
        if sha256_hex(&bytes) != data.sha256 {
            return;
        }
        for what in self.members.main(&bytes) {
            self.of_members += 1;
            gate.fault("set-contradiction", "", what);
        }
    }

    fn end(&self, gate: &mut Gate) {
        for what in self.members.end() {
            gate.fault("set-contradiction", "", what);
        }
        if self.has_more() {
            let what = "the store has bytes that are in no frame and in no seek table";
            gate.fault("set-contradiction", STORE, what);
        }
        if !self.positions.ends() {
            let what = "it lacks what the store has after its last member";
            gate.fault("set-manifest-damaged", MANIFEST, what);
        }
        let (said, listed) = (self.rescue.totals, self.totals);
        let of = |totals: Totals| totals.files.saturating_add(totals.links);
        match self.end {
            None => {
                let what = format!(
                    "it is cut off: it lists {} files and links; {} were saved",
                    of(listed),
                    of(said)
                );
                gate.fault("set-manifest-damaged", MANIFEST, what);
            }
            Some(end) if end != said || listed != said => {
                let what = format!(
                    "the manifest lists {} files and links; rescue.json has {}, and the \
                     manifest's last line {}; or other counts differ",
                    of(listed),
                    of(said),
                    of(end)
                );
                gate.fault("set-totals", "", what);
            }
            Some(_) => {}
        }
    }
}

/// What a member's line contradicts.
fn member_fault(member: &Member) -> Option<&'static str> {
    let streams = member.streams.iter().map(|stream| &stream.data);
    let all = || streams.clone().chain(&member.data);
    if member.data.is_some() != (member.kind == MemberKind::File) {
        return Some("it has data and is no file, or is a file and has none");
    }
    if member.link_to.is_some() != (member.kind == MemberKind::Link) {
        return Some("it is a link that leads nowhere, or leads somewhere and is no link");
    }
    if all().any(|data| data.size > 0 && !is_sha256(&data.sha256)) {
        return Some("it has no valid hash");
    }
    if all().any(|data| !holes_fit(&data.holes, data.size)) {
        return Some("its holes are outside its size");
    }
    let is_reason = |kind: &str| {
        !matches!(LossKind::of_name(kind), LossKind::Fact | LossKind::Name | LossKind::Changed)
    };
    let has_reason = member.losses.iter().any(|loss| is_reason(&loss.kind));
    if all().any(|data| !data.holes.is_empty()) && !has_reason {
        return Some("it has a hole, and no loss says so");
    }
    let is_empty = member.data.as_ref().is_none_or(|data: &Data| data.size == 0);
    match &member.content {
        Some(ContentKind::Missing) if !has_reason => {
            return Some("its content is missing, and no loss says so");
        }
        Some(ContentKind::Other(_)) => return Some("its content is of a kind that is not known"),
        Some(ContentKind::Missing | ContentKind::Cloud) if !is_empty => {
            return Some("its content is missing, and yet it has data");
        }
        _ => {}
    }
    let recovered = member.losses.iter().any(|loss| loss.kind == LossKind::Recovered.as_str());
    if member.recovered.is_some() && !recovered {
        return Some("it was recovered, and no loss says so");
    }
    let has_facts =
        [&member.security, &member.reparse, &member.object_id, &member.extended_attributes]
            .iter()
            .any(|fact| fact.is_some());
    if member.kind == MemberKind::Link
        && (has_facts
            || !member.streams.is_empty()
            || member.content.is_some()
            || member.attributes != 0
            || member.times != TimesLine::default())
    {
        return Some("it is a link, and has what only its file can have");
    }
    if member.kind == MemberKind::Directory && member.content.is_some() {
        return Some("it is a folder, and has the content of a file");
    }
    facts::fault(member)
}

/// Whether holes are in order, apart, and inside the data.
pub(crate) fn holes_fit(holes: &[HoleLine], size: u64) -> bool {
    let mut end = 0;
    holes.iter().all(|hole| {
        let fits = hole.offset >= end;
        end = hole.offset.saturating_add(hole.length);
        fits && end <= size
    })
}
