//! Writes a seal: the only thing that Lifeboat ever writes to a source.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use zstd::stream::write::Encoder;

use super::hashing::{Hash, Hashers};
use super::parts::{prefix, split};
use super::read::Seal;
use super::store::folder_name;
use super::{End, FORMAT, Header, Line, NAME, SealPart};
use crate::destination::close_and_forget;
use crate::model::advice::{Advice, Ending};
use crate::model::busy;
use crate::model::loss::LossKind;
use crate::model::metadata::FileTime;
use crate::model::monitor::{Monitor, Progress, Stage};
use crate::set::error::SetError;
use crate::set::format::hash::{finish_hex, to_hex};
use crate::set::format::manifest::{
    Data, HoleLine, Member, MemberKind, Totals, report_losses, to_text,
};
use crate::set::format::names::PROGRAM;
use crate::set::format::rescue::Machine;
use crate::set::write::draft::{self, Draft, stream_name};
use crate::set::write::parts::usmt_folder;
use crate::set::write::plan::{Plan, PlanKind, PlanMember};
use crate::tree::{Stream, TreeError};
use crate::usmt::Store;

/// Bytes to read at once.
const CHUNK: usize = 1 << 20;
/// The lines compress well at any level.
const LEVEL: i32 = 3;
/// The number of holes that are recorded for one stream.
const MAX_HOLES: usize = 100;
/// The name of an incomplete seal.
const PARTIAL: &str = "lifeboat.seal.partial";

/// Why a store cannot be sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The store cannot be read.
    #[error(transparent)]
    Archive(#[from] SetError),
    /// The folder for the seal does not exist.
    #[error("{}: the store's folder does not exist", path.display())]
    NoFolder {
        /// Where it should be.
        path: PathBuf,
    },
    /// The seal cannot be written.
    #[error("{}: the seal cannot be written: {error}", path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The seal that was read back differs from what was written.
    #[error("{}: the seal was not written correctly: {what}", path.display())]
    ReadBack {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The monitor was cancelled.
    #[error("stopped before the store was sealed; no file was left behind")]
    Cancelled,
}

/// How a store is to be sealed.
#[derive(Clone, Debug)]
pub struct SealOptions {
    /// Only names, sizes and times, without reading the files.
    pub quick: bool,
    /// The computer that the store is from.
    pub machine: Machine,
    /// When, by the clock of this machine.
    pub created: FileTime,
}

/// What was sealed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Made {
    /// The seal.
    pub path: PathBuf,
    /// When the store was sealed before; `None` without a valid seal.
    pub replaced: Option<String>,
    /// When it was sealed now (RFC 3339).
    pub created: String,
    /// What it counts. Losses are files whose bytes could not be hashed.
    pub totals: Totals,
    /// Bytes of the seal itself.
    pub seal_bytes: u64,
    /// The hash in its last line.
    pub sha256: String,
}

/// Seals a store: records the contents of all its parts in one file in
/// `folder`, the folder above the first part's `USMT` folder, as a host path.
/// The file appears complete or not at all.
///
/// # Errors [`SealError`]; the store and an earlier seal are unchanged.
pub fn seal_store(
    store: &Store,
    folder: &Path,
    options: &SealOptions,
    monitor: &dyn Monitor,
) -> Result<Made, SealError> {
    let usmt = store.first().map(|part| folder.join(folder_name(part)));
    let Some(first) = store.first().filter(|_| usmt.is_some_and(|usmt| usmt.is_dir())) else {
        return Err(SealError::NoFolder { path: folder.to_owned() });
    };
    monitor.stage(Stage::Plan, &store.display());
    let plan =
        Plan::make(store.parts.iter().map(usmt_folder).collect(), monitor).map_err(|error| {
            match error {
                SetError::Cancelled { .. } => SealError::Cancelled,
                error => error.into(),
            }
        })?;
    let earlier = Seal::beside(first).and_then(Result::ok);
    let replaced = earlier.map(|seal| seal.header().created.clone());
    let (seconds, _) = options.created.to_unix();
    let created = OffsetDateTime::from_unix_timestamp(seconds)
        .ok()
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_default();
    let parts = plan.parts().iter().zip(&store.parts);
    let header = Header {
        format: FORMAT,
        program: PROGRAM.to_owned(),
        created: created.clone(),
        quick: options.quick,
        machine: options.machine.clone(),
        kind: store.kind.as_str().to_owned(),
        parts: parts
            .map(|(plan, part)| SealPart { part: plan.to_part(), folder: folder_name(part) })
            .collect(),
    };
    monitor.stage(Stage::Seal, &store.display());
    let partial = Partial::create(folder.join(PARTIAL))?;
    let End { totals, sha256 } = write(&partial, &header, &plan, options.quick, monitor)?;
    let path = folder.join(NAME);
    let seal_bytes = partial.publish(&path, &sha256, monitor)?;
    Ok(Made { path, replaced, created, totals, seal_bytes, sha256 })
}

/// The seal's file until it is complete; removed on drop if it is not.
struct Partial {
    path: PathBuf,
    /// Closed to read it back.
    file: Option<File>,
    published: bool,
}

impl Partial {
    fn create(path: PathBuf) -> Result<Self, SealError> {
        let fail = |error| SealError::Write { path: path.clone(), error };
        // Left by an interrupted run, or a link that was placed there.
        if path.symlink_metadata().is_ok() {
            fs::remove_file(&path).map_err(fail)?;
        }
        let file = File::options().read(true).write(true).create_new(true).open(&path);
        let file = file.map_err(fail)?;
        Ok(Self { path, file: Some(file), published: false })
    }

    /// The file, to write to.
    fn file(&self) -> Result<&File, SealError> {
        self.file.as_ref().ok_or_else(|| SealError::Write {
            path: self.path.clone(),
            error: io::ErrorKind::NotConnected.into(),
        })
    }

    /// Flushes, reads back from the medium, compares and renames. Bytes of the file.
    fn publish(mut self, to: &Path, sha256: &str, monitor: &dyn Monitor) -> Result<u64, SealError> {
        let fail = |error| SealError::Write { path: to.to_owned(), error };
        let file = self.file()?;
        file.sync_all().map_err(fail)?;
        let bytes = file.metadata().map_err(fail)?.len();
        if let Some(file) = self.file.take() {
            close_and_forget(file, &self.path);
        }
        let again = self.path.clone();
        let read = Seal::prove(move || Ok(Box::new(File::open(&again)?) as Box<dyn Read>));
        let wrong = |what| SealError::ReadBack { path: self.path.clone(), what };
        match read {
            Ok(seal) if seal.sha256() == sha256 => {}
            Ok(_) => return Err(wrong("its SHA-256 is another".to_owned())),
            Err(error) => return Err(wrong(error.to_string())),
        }
        // A scanner may look at what was just written.
        let shown = to.display().to_string();
        busy::while_busy(&shown, busy::WAIT_FOR, busy::is_busy, monitor, || {
            fs::rename(&self.path, to)
        })
        .map_err(fail)?;
        self.published = true;
        // The new name is on the medium when the folder is flushed. Windows has
        // no such call, and NTFS does not need it.
        #[cfg(unix)]
        if let Some(folder) = to.parent() {
            File::open(folder).and_then(|folder| folder.sync_all()).map_err(fail)?;
        }
        Ok(bytes)
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.published {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn write(
    partial: &Partial,
    header: &Header,
    plan: &Plan,
    quick: bool,
    monitor: &dyn Monitor,
) -> Result<End, SealError> {
    let fail = |error| SealError::Write { path: partial.path.clone(), error };
    let mut encoder = Encoder::new(partial.file()?, LEVEL).map_err(fail)?;
    encoder.include_checksum(true).map_err(fail)?;
    let total = plan.totals();
    let prefixes: Vec<Vec<u8>> =
        header.parts.iter().map(|p| prefix(&p.part.drive, &p.part.path, &p.folder)).collect();
    let mut sealer = Sealer {
        monitor,
        out: LineWriter { encoder, text: Vec::new(), hash: Sha256::new() },
        hashers: Hashers::new(),
        pending: VecDeque::new(),
        totals: Totals::default(),
        progress: Progress {
            total_bytes: if quick { 0 } else { total.bytes },
            total_files: total.files + total.links,
            ..Progress::default()
        },
        buffer: vec![0; CHUNK],
    };
    sealer.out.line(&Line::Seal(header.clone())).map_err(fail)?;
    for number in 0..plan.len() {
        if monitor.is_cancelled() {
            return Err(SealError::Cancelled);
        }
        // The folders above do not belong to the store.
        if split(&prefixes, &plan.path(number)).is_none() {
            continue;
        }
        if quick {
            sealer.quick(plan, number);
        } else {
            sealer.member(plan, number)?;
        }
        sealer.flush(false).map_err(fail)?;
    }
    sealer.flush(true).map_err(fail)?;
    if monitor.is_cancelled() {
        return Err(SealError::Cancelled);
    }
    let Sealer { out, totals, .. } = sealer;
    out.end(totals).map_err(fail)
}

/// Writes lines and hashes them.
struct LineWriter<'a> {
    encoder: Encoder<'a, &'a File>,
    text: Vec<u8>,
    hash: Sha256,
}

impl LineWriter<'_> {
    fn line(&mut self, line: &Line) -> io::Result<()> {
        self.text.clear();
        serde_json::to_writer(&mut self.text, line)?;
        self.text.push(b'\n');
        self.hash.update(&self.text);
        self.encoder.write_all(&self.text)
    }

    fn end(mut self, totals: Totals) -> io::Result<End> {
        let end = End { totals, sha256: finish_hex(self.hash.clone()) };
        self.line(&Line::End(end.clone()))?;
        self.encoder.finish()?;
        Ok(end)
    }
}

/// A member with unfinished hashes.
struct Pending {
    member: Member,
    hashes: usize,
}

struct Sealer<'a> {
    monitor: &'a dyn Monitor,
    out: LineWriter<'a>,
    /// By the stream's index in [`Member::streams`]; `None` for the unnamed
    /// one.
    hashers: Hashers<Option<usize>>,
    pending: VecDeque<Pending>,
    totals: Totals,
    progress: Progress,
    buffer: Vec<u8>,
}

impl Sealer<'_> {
    /// A member from its metadata alone.
    fn quick(&mut self, plan: &Plan, number: usize) {
        let Some(planned) = plan.member(number) else { return };
        let kind = match planned.kind {
            PlanKind::Directory => MemberKind::Directory,
            PlanKind::File => MemberKind::File,
            PlanKind::Link(_) => MemberKind::Link,
        };
        let mut member = Member::new(&plan.path(number), kind);
        if let PlanKind::Link(to) = planned.kind {
            let (text, raw) = to_text(&plan.path(to));
            (member.link_to, member.raw_link_to) = (Some(text), raw);
        } else {
            match planned.tree.node(planned.node) {
                Ok(node) => {
                    member.attributes = node.attributes;
                    member.times = node.times.into();
                }
                Err(error) => member.lose(LossKind::Unreadable, error.to_string()),
            }
            if kind == MemberKind::File {
                member.data = Some(Data { size: planned.size, ..Data::default() });
            }
        }
        self.count();
        self.pending.push_back(Pending { member, hashes: 0 });
    }

    /// A member with all its metadata; its streams are read.
    fn member(&mut self, plan: &Plan, number: usize) -> Result<(), SealError> {
        let Draft { mut member, stream } = draft::member(plan, number)?;
        let mut hashes = 0;
        let Some(planned) = plan.member(number) else { return Ok(()) };
        if let (Some(mut stream), Some(data)) = (stream, &mut member.data) {
            let read = self.read(&mut *stream, None, data);
            hashes += usize::from(note(&mut member, None, read));
        }
        if !member.streams.is_empty() {
            hashes += self.streams(&planned, &mut member);
        }
        if member.kind == MemberKind::File && has_changed(&planned, &member) {
            member.lose(LossKind::Changed, "it was changed while it was sealed");
        }
        self.count();
        report_losses(&member, self.monitor);
        self.pending.push_back(Pending { member, hashes });
        Ok(())
    }

    fn count(&mut self) {
        self.progress.files += 1;
        self.monitor.progress(self.progress);
    }

    /// Reads the alternate data streams; returns the number of hashes.
    fn streams(&mut self, planned: &PlanMember<'_>, member: &mut Member) -> usize {
        let mut hashes = 0;
        let names = planned.tree.facts(planned.node, None).map(|facts| facts.streams);
        for number in 0..member.streams.len() {
            let mut data = std::mem::take(&mut member.streams[number].data);
            if data.size > 0 {
                let wanted = member.streams[number].exact_name();
                let found = names.iter().flatten().find(|s| Some(stream_name(&s.name)) == wanted);
                let opened = found.map(|s| planned.tree.open(planned.node, Some(&s.name)));
                let read = match opened {
                    Some(Ok(mut stream)) => self.read(&mut *stream, Some(number), &mut data),
                    Some(Err(error)) => Err(error),
                    None => Ok(false),
                };
                hashes += usize::from(note(member, Some(number), read));
            }
            member.streams[number].data = data;
        }
        hashes
    }

    /// Reads a stream and hashes it; returns whether there will be a hash.
    fn read(
        &mut self,
        stream: &mut dyn Stream,
        number: Option<usize>,
        data: &mut Data,
    ) -> Result<bool, TreeError> {
        self.hashers.begin();
        let mut bytes = 0;
        loop {
            let n = stream.read(&mut self.buffer)?;
            if n == 0 {
                break;
            }
            self.hashers.bytes(&self.buffer[..n]);
            bytes += n as u64;
            self.progress.bytes += n as u64;
            self.monitor.progress(self.progress);
            if self.monitor.is_cancelled() {
                return Ok(false);
            }
        }
        data.size = bytes;
        data.holes = stream
            .holes()
            .iter()
            .take(MAX_HOLES)
            .map(|hole| HoleLine {
                offset: hole.offset,
                length: hole.length,
                reason: hole.reason.clone(),
            })
            .collect();
        // Zeros in place of unreadable bytes are not the file's data.
        let whole = data.holes.is_empty();
        if whole {
            self.hashers.end(number);
        }
        Ok(whole)
    }

    /// Writes the members that are complete; with `wait`, all of them.
    fn flush(&mut self, wait: bool) -> io::Result<()> {
        loop {
            while self.pending.front().is_some_and(|pending| pending.hashes == 0) {
                let Some(Pending { member, .. }) = self.pending.pop_front() else { break };
                self.totals.count(&member);
                self.out.line(&Line::Member(Box::new(member)))?;
            }
            let Some((stream, hash)) = self.hashers.take(wait) else { return Ok(()) };
            // Hashes come in the order of the streams, so this is that of the
            // first member.
            if let Some(pending) = self.pending.front_mut() {
                pending.hashes = pending.hashes.saturating_sub(1);
                put(&mut pending.member, stream, &hash);
            }
        }
    }
}

fn put(member: &mut Member, stream: Option<usize>, hash: &Hash) {
    let data = match stream {
        None => member.data.as_mut(),
        Some(number) => member.streams.get_mut(number).map(|stream| &mut stream.data),
    };
    if let Some(data) = data {
        data.sha256 = to_hex(hash);
    }
}

/// Records what could not be read; returns whether there will be a hash.
fn note(member: &mut Member, stream: Option<usize>, read: Result<bool, TreeError>) -> bool {
    let what = match stream {
        Some(number) => format!("stream {}: ", member.streams[number].name),
        None => String::new(),
    };
    match read {
        Ok(true) => return true,
        Ok(false) => member.lose(LossKind::Hole, format!("{what}parts of it cannot be read")),
        Err(error) => member.lose(LossKind::Unreadable, format!("{what}{error}")),
    }
    false
}

/// Whether the file was changed since its metadata was read.
fn has_changed(planned: &PlanMember<'_>, member: &Member) -> bool {
    let now = planned.tree.node(planned.node);
    now.is_ok_and(|now| now.times.modified.0 != member.times.modified)
}

impl Advice for SealError {
    fn advice(&self) -> String {
        match self {
            Self::Archive(error) => error.advice(),
            Self::NoFolder { .. } => {
                "Name the drive or the folder that the volume is mounted at.".into()
            }
            Self::Write { error, .. } => match error.kind() {
                io::ErrorKind::ReadOnlyFilesystem => {
                    "Mount the volume for writing, or seal in the running Windows.".into()
                }
                io::ErrorKind::PermissionDenied => {
                    "Run it as administrator (root); a seal is one file beside the store.".into()
                }
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    "Make a little room on that volume: a seal takes some 50 bytes a file.".into()
                }
                _ => "Check the volume; nothing was changed.".into(),
            },
            Self::ReadBack { .. } => "The disk may be failing: offload the store now.".into(),
            Self::Cancelled => "Run the same command again; it starts over.".into(),
        }
    }

    fn ending(&self) -> Ending {
        match self {
            Self::Cancelled => Ending::Interrupted,
            Self::Write { .. } | Self::ReadBack { .. } => Ending::Destination,
            Self::Archive(_) | Self::NoFolder { .. } => Ending::Failed,
        }
    }
}
