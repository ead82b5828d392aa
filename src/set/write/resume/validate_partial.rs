//! Validates an unfinished set at the destination, frame by frame, and restores the
//! state at the interruption. Only data that was read back is trusted.

use sha2::{Digest, Sha256};
use zstd::zstd_safe::{find_frame_compressed_size, get_frame_content_size};

use super::encrypted as sealed;
use crate::destination::{Destination, DestinationFile, ErrorKind, read_full};
use crate::model::bytes::u32_at;
use crate::model::monitor::{Monitor, Progress, Stage};
use crate::set::crypt::SetKey;
use crate::set::error::SetError;
use crate::set::format::digest::xxh128_hex;
use crate::set::format::frames::{MOST_PADDING, TableWriter, Unpacker};
use crate::set::format::hash::finish_hex;
use crate::set::format::journal::{Checkpoint, Position};
use crate::set::format::manifest::{Frame, Line, Member, Totals, report_losses};
use crate::set::format::names::{self, MANIFEST, PARTIAL, STORE, volume_name};
use crate::set::format::rescue::SetFile;
use crate::set::read::lines::MAX_LINE;
use crate::set::write::append_file::AppendFile;
use crate::set::write::observer::MemberObserver;
use crate::set::write::sink::Start;

/// The most bytes of the manifest between two checkpoints.
const MAX_SEGMENT: u64 = 256 << 20;

/// The state to resume from.
pub(crate) struct Proven {
    pub(crate) start: Start,
    pub(crate) position: Position,
}

/// Reads back the data before each checkpoint and resumes at the last valid
/// one.
pub(crate) fn prove(
    target: &dyn Destination,
    dir: &str,
    split: bool,
    key: Option<&SetKey>,
    checkpoints: &[(Checkpoint, u64)],
    observer: Option<&dyn MemberObserver>,
    monitor: &dyn Monitor,
) -> Result<Proven, SetError> {
    monitor.stage(Stage::ReadBack, &target.display(dir));
    let manifest_name = format!("{MANIFEST}{PARTIAL}");
    let mut prover = Prover {
        target,
        dir,
        // The manifest of an encrypted set does not count volumes.
        split: split && key.is_none(),
        sealed: sealed::Layout::of(target, dir, key, checkpoints),
        monitor,
        good: Good::default(),
        open: None,
        unpacker: Unpacker::new()?,
        progress: Progress::default(),
    };
    // Approximate bytes written: for the monitor's percentage.
    prover.progress.total_bytes =
        checkpoints.last().map_or(0, |(last, _)| last.position.totals.bytes);
    let mut at = 0;
    for (index, (checkpoint, _)) in checkpoints.iter().enumerate().skip(1) {
        match prover.segment(&manifest_name, checkpoint) {
            Ok(members) => {
                // The earlier run reported to its own monitor; this one and the observer need
                // the members as well.
                for mut member in members {
                    report_losses(&member, monitor);
                    if let Some(observer) = observer {
                        observer.see(&mut member);
                    }
                }
                at = index;
            }
            Err(SetError::Damaged { path, offset, what }) => {
                monitor.note(&format!("{path}, byte {offset}: {what}; writing again from there"));
                break;
            }
            Err(error) => return Err(error),
        }
    }
    let Prover { good, sealed: layout, .. } = prover;
    let Some((checkpoint, journal_bytes)) = checkpoints.get(at) else {
        return Err(SetError::Internal { what: "the journal has no first line".to_owned() });
    };
    let go_on = |name: &str, bytes, hash| AppendFile::go_on(target, dir, name, bytes, hash);
    let journal = go_on(names::JOURNAL, *journal_bytes, Sha256::new())?;
    if let Some(layout) = layout {
        let closed = layout.close(checkpoint)?;
        cut(target, dir, closed.store.iter().chain(&closed.manifest))?;
        let start = Start {
            volume: None,
            volume_number: crate::set::format::rescue::next_number(&closed.store),
            volumes: closed.store,
            table: good.table,
            manifest: None,
            manifest_table: good.manifest_table,
            frames: checkpoint.frames,
            journal,
            store_bytes: good.volume_bytes,
            since_cut: closed.since_cut,
            manifests: closed.manifest,
            manifest_bytes: good.manifest_bytes,
        };
        return Ok(Proven { start, position: checkpoint.position.clone() });
    }
    cut(target, dir, &good.volumes)?;
    let (volume, manifest) = if checkpoint.frames == 0 {
        (None, None) // start over: existing files are truncated
    } else {
        let name = format!("{}{PARTIAL}", volume_name(checkpoint.volume, split));
        let volume = go_on(&name, good.volume_bytes, good.volume_hash)?;
        let manifest = go_on(&manifest_name, good.manifest_bytes, good.manifest_hash)?;
        (Some(volume), Some(manifest))
    };
    let start = Start {
        volume,
        volume_number: checkpoint.volume.max(1),
        volumes: good.volumes,
        table: good.table,
        manifest,
        manifest_table: good.manifest_table,
        frames: checkpoint.frames,
        journal,
        store_bytes: 0,
        since_cut: 0,
        manifests: Vec::new(),
        manifest_bytes: 0,
    };
    Ok(Proven { start, position: checkpoint.position.clone() })
}

/// Cuts whole files to the size that was proved: a run that slept may have written more.
fn cut<'a>(
    target: &dyn Destination,
    dir: &str,
    whole: impl IntoIterator<Item = &'a SetFile>,
) -> Result<(), SetError> {
    for SetFile { name, size, .. } in whole {
        let path = format!("{dir}/{name}{PARTIAL}");
        if target.stat(&path)?.is_some_and(|entry| entry.size > *size) {
            let mut file = target.open_rw(&path)?;
            file.set_size(*size)?;
            file.sync()?;
            file.close()?;
        }
    }
    Ok(())
}

/// What has been read back and is valid.
#[derive(Default)]
struct Good {
    frames: u64,
    /// From 1; 0 before the first frame.
    volume: u32,
    volume_bytes: u64,
    volume_hash: Sha256,
    volumes: Vec<SetFile>,
    table: TableWriter,
    manifest_bytes: u64,
    manifest_hash: Sha256,
    manifest_table: TableWriter,
    totals: Totals,
}

struct Prover<'a> {
    target: &'a dyn Destination,
    dir: &'a str,
    split: bool,
    /// The location of the bytes of an encrypted set.
    sealed: Option<sealed::Layout<'a>>,
    monitor: &'a dyn Monitor,
    good: Good,
    /// The volume that was read last.
    open: Option<(u32, Box<dyn DestinationFile + 'a>)>,
    unpacker: Unpacker,
    progress: Progress,
}

impl<'a> Prover<'a> {
    /// Reads back the data between the last valid checkpoint and this one, and returns
    /// the members that end there. The checkpoint is valid only if all of it
    /// is.
    fn segment(
        &mut self,
        manifest: &str,
        checkpoint: &Checkpoint,
    ) -> Result<Vec<Member>, SetError> {
        let path = format!("{}/{manifest}", self.dir);
        let start = self.good.manifest_bytes;
        let shown = self.target.display(&path);
        let damaged = |what: &str| {
            let (path, what) = (shown.clone(), what.to_owned());
            SetError::Damaged { path, offset: start, what }
        };
        let length = checkpoint.manifest_bytes.checked_sub(start);
        let length = length.filter(|&length| length <= MAX_SEGMENT);
        let length = length.and_then(|length| usize::try_from(length).ok());
        let mut bytes = vec![0; length.ok_or_else(|| damaged("the journal is not valid"))?];
        let mut file = self.open(&path)?;
        let read = self.read(&mut *file, &path, start, &mut bytes)?;
        if read < bytes.len() {
            return Err(damaged("the manifest ends before its checkpoint"));
        }
        let (members, frames, sizes) = self.lines(&path, start, &bytes)?;

        let mut totals = self.good.totals;
        for member in &members {
            totals.count(member);
        }
        let count = self.good.frames + frames.len() as u64;
        if totals != checkpoint.position.totals || count != checkpoint.frames {
            return Err(damaged("manifest and journal do not match"));
        }
        let mut volume = (self.good.volume, self.good.volume_bytes, self.good.volume_hash.clone());
        let mut whole = Vec::new();
        for (number, frame) in (self.good.frames..).zip(&frames) {
            if frame.frame != number {
                return Err(damaged("a frame is missing in the manifest"));
            }
            if frame.volume != volume.0 {
                let (number, size, hash) =
                    std::mem::replace(&mut volume, (frame.volume, 0, Sha256::new()));
                if number > 0 {
                    let name = volume_name(number, self.split);
                    let (sha256, plain_size) = (finish_hex(hash), None);
                    whole.push(SetFile { name, size, sha256, plain_size });
                }
            }
            let bytes = self.frame(frame, volume.1)?;
            volume.2.update(&bytes);
            volume.1 += bytes.len() as u64;
        }
        if (volume.0, volume.1) != (checkpoint.volume, checkpoint.volume_bytes) {
            return Err(damaged("store and journal do not match"));
        }
        for (packed, plain) in sizes {
            self.good.manifest_table.push(packed, plain)?;
        }
        for frame in &frames {
            self.good.table.push(frame.size, frame.plain_size)?;
        }
        let good = &mut self.good;
        good.frames = count;
        (good.volume, good.volume_bytes, good.volume_hash) = volume;
        good.volumes.extend(whole);
        good.manifest_bytes = checkpoint.manifest_bytes;
        good.manifest_hash.update(&bytes);
        good.totals = totals;
        Ok(members)
    }

    /// The members and frames in a part of the manifest, and the sizes of its own
    /// frames.
    #[allow(clippy::type_complexity)] // three lists, used once
    fn lines(
        &mut self,
        path: &str,
        start: u64,
        mut bytes: &[u8],
    ) -> Result<(Vec<Member>, Vec<Frame>, Vec<(u64, u64)>), SetError> {
        let (mut members, mut frames, mut sizes) = (Vec::new(), Vec::new(), Vec::new());
        let mut plain = Vec::new();
        while !bytes.is_empty() {
            let no_frame = || self.damaged(path, start, "the manifest has no frame there");
            let size = find_frame_compressed_size(bytes).map_err(|_| no_frame())?;
            if is_skippable(bytes) {
                // The padding of an encrypted manifest belongs to the frame before.
                let rest = bytes.get(size..).ok_or_else(no_frame)?;
                match sizes.last_mut() {
                    Some((packed, _)) => *packed += size as u64,
                    None => return Err(no_frame()),
                }
                bytes = rest;
                continue;
            }
            let content = get_frame_content_size(bytes).ok().flatten().ok_or_else(no_frame)?;
            let (frame, rest) = bytes.split_at_checked(size).ok_or_else(no_frame)?;
            let unpacked = self.unpacker.unpack(frame, content, &mut plain);
            unpacked.map_err(|what| self.damaged(path, start, &what))?;
            for text in plain.split(|&b| b == b'\n').filter(|text| !text.is_empty()) {
                let line = (text.len() <= MAX_LINE).then(|| Line::parse(text));
                match line {
                    Some(Ok(Line::Member(member))) => members.push(*member),
                    Some(Ok(Line::Frame(frame))) => frames.push(frame),
                    Some(Ok(Line::Header(_))) if start == 0 => {}
                    _ => return Err(self.damaged(path, start, "a line of it is not valid")),
                }
            }
            sizes.push((size as u64, content));
            bytes = rest;
        }
        Ok((members, frames, sizes))
    }

    /// Reads a frame of the store back; it must be at `offset` of its volume.
    fn frame(&mut self, frame: &Frame, offset: u64) -> Result<Vec<u8>, SetError> {
        if self.monitor.is_cancelled() {
            return Err(SetError::Cancelled { set: None });
        }
        let path = format!("{}/{}{PARTIAL}", self.dir, volume_name(frame.volume, self.split));
        let bound = zstd::zstd_safe::compress_bound(usize::try_from(frame.plain_size).unwrap_or(0));
        let size = usize::try_from(frame.size).ok();
        let size = size.filter(|&size| size <= bound + MOST_PADDING);
        let (Some(size), true) = (size, frame.offset == offset) else {
            return Err(self.damaged(&path, offset, "the manifest is not valid"));
        };
        if self.open.as_ref().is_none_or(|(number, _)| *number != frame.volume) {
            self.open = Some((frame.volume, self.open(&path)?));
        }
        let mut bytes = vec![0; size];
        let monitor = self.monitor;
        let mut open = self.open.take();
        let read = match &mut open {
            Some((_, file)) => self.read(&mut **file, &path, offset, &mut bytes)?,
            None => 0,
        };
        self.open = open;
        if read < size || xxh128_hex(&bytes) != frame.xxh128 {
            let what = format!("frame {} differs from what was written", frame.frame);
            return Err(self.damaged(&path, offset, &what));
        }
        self.progress.bytes = self.progress.bytes.saturating_add(frame.plain_size);
        monitor.progress(self.progress);
        Ok(bytes)
    }

    /// Reads; what does not decrypt counts as damage.
    fn read(
        &self,
        file: &mut dyn DestinationFile,
        path: &str,
        offset: u64,
        buf: &mut [u8],
    ) -> Result<usize, SetError> {
        match read_full(file, offset, buf) {
            Err(error)
                if self.sealed.is_some()
                    && matches!(error.kind, ErrorKind::Corrupted | ErrorKind::NotFound) =>
            {
                Err(self.damaged(path, offset, &error.what))
            }
            read => Ok(read?),
        }
    }

    fn open(&self, path: &str) -> Result<Box<dyn DestinationFile + 'a>, SetError> {
        if let Some(sealed) = &self.sealed {
            let is_store = path == format!("{}/{STORE}{PARTIAL}", self.dir);
            let joined = if is_store { sealed.store() } else { sealed.manifest() };
            return Ok(Box::new(joined));
        }
        if self.target.stat(path)?.is_none() {
            return Err(self.damaged(path, 0, "this file is missing"));
        }
        Ok(self.target.open(path)?)
    }

    fn damaged(&self, path: &str, offset: u64, what: &str) -> SetError {
        let (path, what) = (self.target.display(path), what.to_owned());
        SetError::Damaged { path, offset, what }
    }
}

/// Whether a skippable frame begins there (RFC 8878, 3.1.2).
fn is_skippable(bytes: &[u8]) -> bool {
    u32_at(bytes, 0).is_some_and(|magic| magic & !15 == 0x184D_2A50)
}
