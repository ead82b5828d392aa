//! Writes compressed frames to files at the destination: volumes, manifest, journal.

use std::collections::HashMap;

use crossbeam_channel::Sender;

use super::append_file::AppendFile;
use super::beside::Settled;
use super::observer::MemberObserver;
use crate::destination::Destination;
use crate::set::crypt::SetKey;
use crate::set::crypt::stream::{CHUNK, MAX_HEADER, SEALED};
use crate::set::error::{SetError, encryption_error};
use crate::set::format::digest::{Blocks, xxh128_hex};
use crate::set::format::frames::{MOST_PADDING, Packer, TableWriter};
use crate::set::format::journal::{self, Checkpoint, Position, Sealed};
use crate::set::format::manifest::{Frame, Header, Line, Totals};
use crate::set::format::names::{MANIFEST, PARTIAL, STORE, piece_name, volume_name};
use crate::set::format::rescue::{FORMAT, FORMAT_ENCRYPTED, SetFile, next_number};
use crate::set::read::lines::MAX_LINE;

/// The level for the manifest: its lines are similar and compress well at any.
const MANIFEST_LEVEL: i32 = 3;

/// Bytes of lines per frame of the manifest, if no checkpoint ends it.
const LINES: usize = 1 << 20;

/// Bytes of journal per checkpoint, on average.
const JOURNAL_LINE: usize = 16 << 10;

/// A frame to be written.
pub(crate) struct PackedFrame {
    /// From 0.
    pub(crate) number: u64,
    /// Bytes, plain.
    pub(crate) plain_size: u64,
    /// The frame.
    pub(crate) bytes: Vec<u8>,
    /// The plain content, a buffer to be reused.
    pub(crate) plain: Vec<u8>,
    /// XXH3 of the frame, hex.
    pub(crate) xxh128: String,
    /// The manifest lines of the members that end in it.
    pub(crate) lines: Vec<u8>,
    /// The position after it, if there is a checkpoint.
    pub(crate) checkpoint: Option<Position>,
}

/// The start of the sink: empty, or what an earlier run left.
pub(crate) struct Start {
    /// The current volume; `None` before the first.
    pub(crate) volume: Option<AppendFile>,
    /// Its number, from 1.
    pub(crate) volume_number: u32,
    /// Complete volumes.
    pub(crate) volumes: Vec<SetFile>,
    /// The store's frames so far.
    pub(crate) table: TableWriter,
    /// The manifest; `None` before its first line.
    pub(crate) manifest: Option<AppendFile>,
    /// The manifest's frames so far.
    pub(crate) manifest_table: TableWriter,
    /// Frames of the store so far.
    pub(crate) frames: u64,
    /// The journal, open at its end.
    pub(crate) journal: AppendFile,
    /// Plain bytes of the store so far, in all its files.
    pub(crate) store_bytes: u64,
    /// Plain bytes since it was last split because of its size.
    pub(crate) since_cut: u64,
    /// Complete files of the manifest.
    pub(crate) manifests: Vec<SetFile>,
    /// Plain bytes in them.
    pub(crate) manifest_bytes: u64,
}

impl Start {
    /// Only a journal with its first line.
    pub(crate) fn new(journal: AppendFile) -> Self {
        Self {
            volume: None,
            volume_number: 1,
            volumes: Vec::new(),
            table: TableWriter::default(),
            manifest: None,
            manifest_table: TableWriter::default(),
            frames: 0,
            journal,
            store_bytes: 0,
            since_cut: 0,
            manifests: Vec::new(),
            manifest_bytes: 0,
        }
    }
}

/// The digests of the blocks by a file's final name, for files that this run wrote
/// completely.
pub(crate) type Proofs = HashMap<String, Blocks>;

/// Writes frames in their order.
pub(crate) struct Sink<'a> {
    target: &'a dyn Destination,
    dir: &'a str,
    /// Encrypts what is written.
    key: Option<&'a SetKey>,
    split: Option<u64>,
    volume: AppendFile,
    volume_number: u32,
    volumes: Vec<SetFile>,
    table: TableWriter,
    /// Plain bytes of the store in earlier files.
    store_before: u64,
    /// Plain bytes of those since it was last split because of its size.
    since_cut: u64,
    manifest: AppendFile,
    manifests: Vec<SetFile>,
    /// Plain bytes of the manifest in earlier files.
    manifest_before: u64,
    manifest_table: TableWriter,
    packer: Packer,
    /// Lines of the manifest that are not in a frame yet.
    lines: Vec<u8>,
    frames: u64,
    journal: AppendFile,
    /// Checkpoints since the last one in the journal.
    checkpoints_since: usize,
    /// Bytes of the frames of this run, plain and compressed.
    so_far: (u64, u64),
    proofs: Proofs,
    /// Told what can be read back while the writing goes on.
    beside: Option<Sender<Settled>>,
}

impl<'a> Sink<'a> {
    pub(crate) fn new(
        target: &'a dyn Destination,
        dir: &'a str,
        set: &str,
        split: Option<u64>,
        key: Option<&'a SetKey>,
        start: Start,
    ) -> Result<Self, SetError> {
        let mut lines = Vec::new();
        let manifest = if let Some(manifest) = start.manifest {
            manifest
        } else {
            if start.manifest_bytes == 0 {
                let format = if key.is_some() { FORMAT_ENCRYPTED } else { FORMAT };
                push_line(&mut lines, &Line::Header(Header { format, set: set.into() }))?;
            }
            let name = match key {
                Some(_) => piece_name(MANIFEST, next_number(&start.manifests)),
                None => MANIFEST.to_owned(),
            };
            AppendFile::create(target, dir, &format!("{name}{PARTIAL}"), key)?
        };
        let volume = match start.volume {
            Some(volume) => volume,
            None => new_volume(target, dir, start.volume_number, split, key)?,
        };
        Ok(Self {
            target,
            dir,
            key,
            split: split.map(|split| if key.is_some() { plain_limit(split) } else { split }),
            volume,
            volume_number: start.volume_number,
            volumes: start.volumes,
            table: start.table,
            store_before: start.store_bytes,
            since_cut: start.since_cut,
            manifest,
            manifests: start.manifests,
            manifest_before: start.manifest_bytes,
            manifest_table: start.manifest_table,
            packer: Packer::new(MANIFEST_LEVEL)?,
            lines,
            frames: start.frames,
            journal: start.journal,
            checkpoints_since: 0,
            so_far: (0, 0),
            proofs: Proofs::new(),
            beside: None,
        })
    }

    /// Says from now on what can be read back.
    pub(crate) fn tell(&mut self, beside: Option<Sender<Settled>>) {
        self.beside = beside;
    }

    /// Frames written so far.
    pub(crate) fn frames(&self) -> u64 {
        self.frames
    }

    /// Bytes of the frames of this run, plain and compressed.
    pub(crate) fn so_far(&self) -> (u64, u64) {
        self.so_far
    }

    /// Writes the next frame. Keeps its buffers for reuse.
    pub(crate) fn frame(&mut self, frame: &mut PackedFrame) -> Result<(), SetError> {
        let pad = self.key.is_some() && frame.checkpoint.is_some();
        let most = frame.bytes.len() + if pad { MOST_PADDING } else { 0 };
        self.make_room(most as u64)?;
        if pad {
            fill_up(&self.volume, &mut frame.bytes);
            frame.xxh128 = xxh128_hex(&frame.bytes);
        }
        self.volume.append(&frame.bytes)?;
        let size = frame.bytes.len() as u64;
        self.table.push(size, frame.plain_size)?;
        self.so_far.0 += frame.plain_size;
        self.so_far.1 += size;
        self.frames += 1;
        self.lines.extend_from_slice(&frame.lines);
        let line = Frame {
            frame: frame.number,
            volume: self.volume(),
            offset: self.in_volume() - size,
            size,
            plain_size: frame.plain_size,
            xxh128: std::mem::take(&mut frame.xxh128),
        };
        push_line(&mut self.lines, &Line::Frame(line))?;
        if let Some(position) = frame.checkpoint.take() {
            self.checkpoint(position)?;
        }
        Ok(())
    }

    /// The volume of the current frame, as the manifest counts: an encrypted store is a
    /// single one there, since each interruption begins a new file of it.
    fn volume(&self) -> u32 {
        if self.key.is_some() { 1 } else { self.volume_number }
    }

    /// Bytes in that volume.
    fn in_volume(&self) -> u64 {
        self.volume.bytes + if self.key.is_some() { self.store_before } else { 0 }
    }

    /// Begins a new volume if this many bytes do not fit into the current one: a frame
    /// must not be split.
    fn make_room(&mut self, bytes: u64) -> Result<(), SetError> {
        let here = self.since_cut + self.volume.bytes;
        if here > 0 && self.split.is_some_and(|split| here.saturating_add(bytes) > split) {
            self.volume_number += 1;
            self.store_before += self.volume.bytes;
            self.since_cut = 0;
            let number = self.volume_number;
            let next = new_volume(self.target, self.dir, number, self.split, self.key)?;
            let whole = std::mem::replace(&mut self.volume, next);
            self.volumes.push(finish(whole, &mut self.proofs)?);
        }
        Ok(())
    }

    /// Compresses the waiting lines into frames of the manifest; usually one, unless a
    /// file has extreme amounts of metadata. With `whole`, an encrypted manifest
    /// consists of whole chunks afterwards.
    fn flush_lines(&mut self, whole: bool) -> Result<(), SetError> {
        let mut packed = Vec::new();
        let mut rest = &self.lines[..];
        while !rest.is_empty() {
            let end = if rest.len() <= MAX_LINE {
                rest.len()
            } else {
                // At least one line each: no line is split.
                let line_end = |at: usize| rest[at..].iter().position(|&b| b == b'\n');
                line_end(MAX_LINE / 2).map_or(rest.len(), |more| MAX_LINE / 2 + more + 1)
            };
            let (now, later) = rest.split_at(end);
            self.packer.pack(now, &mut packed)?;
            if whole && later.is_empty() {
                fill_up(&self.manifest, &mut packed);
            }
            self.manifest.append(&packed)?;
            self.manifest_table.push(packed.len() as u64, now.len() as u64)?;
            rest = later;
        }
        self.lines.clear();
        Ok(())
    }

    /// Ends the manifest's frame, flushes everything to the medium, and records that in
    /// the journal.
    fn checkpoint(&mut self, position: Position) -> Result<(), SetError> {
        self.flush_lines(true)?;
        self.checkpoints_since += 1;
        let sealed = match self.key {
            Some(_) => Some(self.sealed()?),
            None => None,
        };
        let checkpoint = Checkpoint {
            position,
            frames: self.frames,
            volume: self.volume(),
            volume_bytes: self.in_volume(),
            manifest_bytes: self.manifest_before + self.manifest.bytes,
            sealed,
        };
        let line = journal::Line::Checkpoint(Box::new(checkpoint));
        let line = journal_line(self.target, self.dir, &line, self.key)?;
        // The line is long in the middle of a file with thousands of holes. The journal must
        // not outgrow its purpose, so some checkpoints are skipped.
        if line.len() > JOURNAL_LINE.saturating_mul(self.checkpoints_since) {
            return Ok(());
        }
        self.checkpoints_since = 0;
        self.volume.sync()?;
        self.manifest.sync()?;
        if let Some(beside) = &self.beside
            && let Some(settled) = self.volume.settled(self.dir)
        {
            // It may have ended.
            let _ = beside.send(settled);
        }
        self.journal.append(&line)?;
        self.journal.sync()
    }

    /// The current positions of an encrypted set in its files. Settles what is written first.
    fn sealed(&mut self) -> Result<Sealed, SetError> {
        self.volume.sync()?;
        self.manifest.sync()?;
        Ok(Sealed {
            store: self.volumes.clone(),
            store_bytes: self.volume.bytes,
            store_hash: self.volume.frozen(),
            since_cut: self.since_cut + self.volume.bytes,
            manifest: self.manifests.clone(),
            manifest_bytes: self.manifest.bytes,
            manifest_hash: self.manifest.frozen(),
        })
    }

    /// Ends store and manifest; returns their entries, the totals, and the digests for
    /// comparing the files.
    pub(crate) fn finish(
        mut self,
        totals: Totals,
        observer: Option<&dyn MemberObserver>,
    ) -> Result<(journal::Written, Proofs), SetError> {
        let mut say = |line: &Line| {
            push_line(&mut self.lines, line)?;
            if self.lines.len() > LINES { self.flush_lines(false) } else { Ok(()) }
        };
        let seal = observer.map(|observer| observer.finish(&mut say)).transpose()?;
        let totals = Totals { frames: self.frames, ..totals };
        let table = std::mem::take(&mut self.table).to_bytes();
        self.make_room(table.len() as u64)?;
        self.volume.append(&table)?;
        push_line(&mut self.lines, &Line::End(totals))?;
        self.flush_lines(false)?;
        let table = std::mem::take(&mut self.manifest_table).to_bytes();
        self.manifest.append(&table)?;
        let mut files = self.volumes;
        files.push(finish(self.volume, &mut self.proofs)?);
        files.append(&mut self.manifests);
        files.push(finish(self.manifest, &mut self.proofs)?);
        let written = journal::Written { files, totals, seal };
        let line = journal::Line::Written(Box::new(written.clone()));
        append_line(&mut self.journal, self.target, self.dir, &line, self.key)?;
        self.journal.finish()?;
        Ok((written, self.proofs))
    }
}

/// Ends a file and keeps its digests.
fn finish(file: AppendFile, proofs: &mut Proofs) -> Result<SetFile, SetError> {
    let (file, blocks) = file.finish()?;
    proofs.extend(blocks.map(|blocks| (file.name.clone(), blocks)));
    Ok(file)
}

/// Appends a line to the journal and flushes it to the medium.
pub(crate) fn append_line(
    journal: &mut AppendFile,
    target: &dyn Destination,
    dir: &str,
    line: &journal::Line,
    key: Option<&SetKey>,
) -> Result<(), SetError> {
    journal.append(&journal_line(target, dir, line, key)?)?;
    journal.sync()
}

fn journal_line(
    target: &dyn Destination,
    dir: &str,
    line: &journal::Line,
    key: Option<&SetKey>,
) -> Result<Vec<u8>, SetError> {
    let line = journal::to_bytes(line).map_err(|e| unwritable(&e))?;
    let Some(key) = key else { return Ok(line) };
    journal::to_sealed(&line, key).map_err(|error| encryption_error(target, dir, error))
}

/// Appends a skippable frame (RFC 8878, 3.1.2), so that after `bytes` the file
/// consists of whole chunks. Not needed for a plain file.
fn fill_up(file: &AppendFile, bytes: &mut Vec<u8>) {
    const HEADER: usize = 8;
    let mut missing = file.to_whole_chunk(bytes.len() as u64);
    if missing == 0 {
        return;
    }
    if missing < HEADER {
        missing += CHUNK;
    }
    bytes.extend(0x184D_2A50_u32.to_le_bytes());
    bytes.extend(u32::try_from(missing - HEADER).unwrap_or(0).to_le_bytes());
    bytes.resize(bytes.len() + missing - HEADER, 0);
}

/// The plain bytes of an encrypted file of at most `size` bytes.
fn plain_limit(size: u64) -> u64 {
    size.saturating_sub(MAX_HEADER as u64) / SEALED as u64 * CHUNK as u64
}

fn new_volume(
    target: &dyn Destination,
    dir: &str,
    number: u32,
    split: Option<u64>,
    key: Option<&SetKey>,
) -> Result<AppendFile, SetError> {
    let name = match key {
        Some(_) => piece_name(STORE, number),
        None => volume_name(number, split.is_some()),
    };
    AppendFile::create(target, dir, &format!("{name}{PARTIAL}"), key)
}

fn push_line(lines: &mut Vec<u8>, line: &Line) -> Result<(), SetError> {
    serde_json::to_writer(&mut *lines, line).map_err(|e| unwritable(&e))?;
    lines.push(b'\n');
    Ok(())
}

fn unwritable(error: &serde_json::Error) -> SetError {
    SetError::Internal { what: error.to_string() }
}
