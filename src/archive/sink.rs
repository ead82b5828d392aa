//! Packed frames become files at the target: volumes, manifest, journal.

use sha2::{Digest, Sha256};

use super::error::ArchiveError;
use super::frames::{Packer, TableWriter};
use super::hash::finish_hex;
use super::journal::{self, Checkpoint, Position};
use super::lines::MAX_LINE;
use super::manifest::{Frame, Header, Line, Totals};
use super::rescue::{FORMAT, SetFile};
use crate::target::{Target, TargetFile};

/// The store's name in the set; volumes have `.001` … behind it.
pub const STORE: &str = "store.tar.zst";
/// The manifest's name in the set.
pub const MANIFEST: &str = "manifest.jsonl.zst";
/// What stands behind a name until its file is whole.
pub const PARTIAL: &str = ".partial";

/// The level of the manifest: its lines are alike and pack well at any.
const MANIFEST_LEVEL: i32 = 3;

/// Bytes of journal that every checkpoint may cost in the long run.
const JOURNAL_LINE: usize = 16 << 10;

/// A frame on its way to the target.
pub(super) struct PackedFrame {
    /// From 0.
    pub(super) number: u64,
    /// Bytes, plain.
    pub(super) plain_size: u64,
    /// The frame.
    pub(super) bytes: Vec<u8>,
    /// The plain contents, a buffer to be used again.
    pub(super) plain: Vec<u8>,
    /// SHA-256 of the frame, hex.
    pub(super) sha256: String,
    /// The manifest's lines of the members that end in it.
    pub(super) lines: Vec<u8>,
    /// Where to go on behind it, if a checkpoint stands there.
    pub(super) checkpoint: Option<Position>,
}

/// The name of a volume of the store.
pub fn volume_name(number: u32, split: bool) -> String {
    if split { format!("{STORE}.{number:03}") } else { STORE.to_owned() }
}

/// A file that grows at its end, hashed as it grows.
pub(super) struct Growing {
    name: String,
    file: Box<dyn TargetFile>,
    pub(super) bytes: u64,
    hash: Sha256,
}

impl Growing {
    /// A new file of that name in `dir`.
    pub(super) fn create(target: &dyn Target, dir: &str, name: &str) -> Result<Self, ArchiveError> {
        let path = format!("{dir}/{name}");
        let file = target.create(&path)?;
        Ok(Self { name: name.to_owned(), file, bytes: 0, hash: Sha256::new() })
    }

    /// A file that is there, cut to `bytes`, which have this hash.
    pub(super) fn go_on(
        target: &dyn Target,
        dir: &str,
        name: &str,
        bytes: u64,
        hash: Sha256,
    ) -> Result<Self, ArchiveError> {
        let path = format!("{dir}/{name}");
        let mut file = target.open_rw(&path)?;
        file.set_size(bytes)?;
        Ok(Self { name: name.to_owned(), file, bytes, hash })
    }

    pub(super) fn append(&mut self, data: &[u8]) -> Result<(), ArchiveError> {
        self.file.write_all_at(self.bytes, data)?;
        self.hash.update(data);
        self.bytes += data.len() as u64;
        Ok(())
    }

    pub(super) fn sync(&mut self) -> Result<(), ArchiveError> {
        Ok(self.file.sync()?)
    }

    /// Brings it to the medium and closes it. What it is, under its final name.
    pub(super) fn finish(mut self) -> Result<SetFile, ArchiveError> {
        self.sync()?;
        self.file.close()?;
        let name = self.name.strip_suffix(PARTIAL).unwrap_or(&self.name).to_owned();
        Ok(SetFile { name, size: self.bytes, sha256: finish_hex(self.hash) })
    }
}

/// What the sink begins with: nothing, or what an earlier run left.
pub(super) struct Start {
    /// The volume that is being written; `None` before the first.
    pub(super) volume: Option<Growing>,
    /// Its number, from 1.
    pub(super) volume_number: u32,
    /// Volumes that are whole.
    pub(super) volumes: Vec<SetFile>,
    /// The store's frames so far.
    pub(super) table: TableWriter,
    /// The manifest; `None` before its first line.
    pub(super) manifest: Option<Growing>,
    /// The manifest's frames so far.
    pub(super) manifest_table: TableWriter,
    /// Frames of the store so far.
    pub(super) frames: u64,
    /// The journal, open at its end.
    pub(super) journal: Growing,
}

impl Start {
    /// Nothing but a journal with its first line.
    pub(super) fn new(journal: Growing) -> Self {
        Self {
            volume: None,
            volume_number: 1,
            volumes: Vec::new(),
            table: TableWriter::default(),
            manifest: None,
            manifest_table: TableWriter::default(),
            frames: 0,
            journal,
        }
    }
}

/// Writes frames in their order.
pub(super) struct Sink<'a> {
    target: &'a dyn Target,
    dir: &'a str,
    split: Option<u64>,
    volume: Growing,
    volume_number: u32,
    volumes: Vec<SetFile>,
    table: TableWriter,
    manifest: Growing,
    manifest_table: TableWriter,
    packer: Packer,
    /// Lines of the manifest that wait for their frame.
    lines: Vec<u8>,
    frames: u64,
    journal: Growing,
    /// Checkpoints since the last that is in the journal.
    checkpoints_since: usize,
    /// Bytes of the frames of this run, plain and packed.
    so_far: (u64, u64),
}

impl<'a> Sink<'a> {
    pub(super) fn new(
        target: &'a dyn Target,
        dir: &'a str,
        set: &str,
        split: Option<u64>,
        start: Start,
    ) -> Result<Self, ArchiveError> {
        let mut lines = Vec::new();
        let manifest = if let Some(manifest) = start.manifest {
            manifest
        } else {
            push_line(&mut lines, &Line::Header(Header { format: FORMAT, set: set.into() }))?;
            Growing::create(target, dir, &format!("{MANIFEST}{PARTIAL}"))?
        };
        let volume = match start.volume {
            Some(volume) => volume,
            None => new_volume(target, dir, start.volume_number, split)?,
        };
        Ok(Self {
            target,
            dir,
            split,
            volume,
            volume_number: start.volume_number,
            volumes: start.volumes,
            table: start.table,
            manifest,
            manifest_table: start.manifest_table,
            packer: Packer::new(MANIFEST_LEVEL)?,
            lines,
            frames: start.frames,
            journal: start.journal,
            checkpoints_since: 0,
            so_far: (0, 0),
        })
    }

    /// Frames written so far.
    pub(super) fn frames(&self) -> u64 {
        self.frames
    }

    /// Bytes of the frames of this run, plain and packed.
    pub(super) fn so_far(&self) -> (u64, u64) {
        self.so_far
    }

    /// Writes the next frame.
    pub(super) fn frame(&mut self, frame: PackedFrame) -> Result<(), ArchiveError> {
        self.append_whole(&frame.bytes)?;
        let size = frame.bytes.len() as u64;
        self.table.push(size, frame.plain_size)?;
        self.so_far.0 += frame.plain_size;
        self.so_far.1 += size;
        self.frames += 1;
        self.lines.extend_from_slice(&frame.lines);
        let line = Frame {
            frame: frame.number,
            volume: self.volume_number,
            offset: self.volume.bytes - size,
            size,
            plain_size: frame.plain_size,
            sha256: frame.sha256,
        };
        push_line(&mut self.lines, &Line::Frame(line))?;
        if let Some(position) = frame.checkpoint {
            self.checkpoint(position)?;
        }
        Ok(())
    }

    /// Appends to the store what must not be torn between two volumes.
    fn append_whole(&mut self, bytes: &[u8]) -> Result<(), ArchiveError> {
        let after = self.volume.bytes.saturating_add(bytes.len() as u64);
        if self.volume.bytes > 0 && self.split.is_some_and(|split| after > split) {
            self.volume_number += 1;
            let next = new_volume(self.target, self.dir, self.volume_number, self.split)?;
            self.volumes.push(std::mem::replace(&mut self.volume, next).finish()?);
        }
        self.volume.append(bytes)
    }

    /// Packs the waiting lines into frames of the manifest; one is enough but
    /// for files with absurdly many facts.
    fn flush_lines(&mut self) -> Result<(), ArchiveError> {
        let mut packed = Vec::new();
        let mut rest = &self.lines[..];
        while !rest.is_empty() {
            let end = if rest.len() <= MAX_LINE {
                rest.len()
            } else {
                // A line of its own length at least: none is torn.
                let line_end = |at: usize| rest[at..].iter().position(|&b| b == b'\n');
                line_end(MAX_LINE / 2).map_or(rest.len(), |more| MAX_LINE / 2 + more + 1)
            };
            let (now, later) = rest.split_at(end);
            self.packer.pack(now, &mut packed)?;
            self.manifest.append(&packed)?;
            self.manifest_table.push(packed.len() as u64, now.len() as u64)?;
            rest = later;
        }
        self.lines.clear();
        Ok(())
    }

    /// Ends the manifest's frame, brings everything to the medium, and says so
    /// in the journal.
    fn checkpoint(&mut self, position: Position) -> Result<(), ArchiveError> {
        self.flush_lines()?;
        self.checkpoints_since += 1;
        let checkpoint = Checkpoint {
            position,
            frames: self.frames,
            volume: self.volume_number,
            volume_bytes: self.volume.bytes,
            manifest_bytes: self.manifest.bytes,
        };
        let line = journal_line(&journal::Line::Checkpoint(Box::new(checkpoint)))?;
        // In the middle of a file with thousands of holes the line is long. The
        // journal must not outgrow what it serves, so some are left out.
        if line.len() > JOURNAL_LINE.saturating_mul(self.checkpoints_since) {
            return Ok(());
        }
        self.checkpoints_since = 0;
        self.volume.sync()?;
        self.manifest.sync()?;
        self.journal.append(&line)?;
        self.journal.sync()
    }

    /// Ends store and manifest; what they are, and the counts.
    pub(super) fn finish(mut self, totals: Totals) -> Result<journal::Written, ArchiveError> {
        let totals = Totals { frames: self.frames, ..totals };
        let table = std::mem::take(&mut self.table).to_bytes();
        self.append_whole(&table)?;
        push_line(&mut self.lines, &Line::End(totals))?;
        self.flush_lines()?;
        let table = std::mem::take(&mut self.manifest_table).to_bytes();
        self.manifest.append(&table)?;
        let mut files = self.volumes;
        files.push(self.volume.finish()?);
        files.push(self.manifest.finish()?);
        let written = journal::Written { files, totals };
        append_line(&mut self.journal, &journal::Line::Written(written.clone()))?;
        self.journal.finish()?;
        Ok(written)
    }
}

/// Appends a line to the journal and brings it to the medium.
pub(super) fn append_line(journal: &mut Growing, line: &journal::Line) -> Result<(), ArchiveError> {
    journal.append(&journal_line(line)?)?;
    journal.sync()
}

fn journal_line(line: &journal::Line) -> Result<Vec<u8>, ArchiveError> {
    journal::to_bytes(line).map_err(|e| unwritable(&e))
}

fn new_volume(
    target: &dyn Target,
    dir: &str,
    number: u32,
    split: Option<u64>,
) -> Result<Growing, ArchiveError> {
    let name = format!("{}{PARTIAL}", volume_name(number, split.is_some()));
    Growing::create(target, dir, &name)
}

fn push_line(lines: &mut Vec<u8>, line: &Line) -> Result<(), ArchiveError> {
    serde_json::to_writer(&mut *lines, line).map_err(|e| unwritable(&e))?;
    lines.push(b'\n');
    Ok(())
}

fn unwritable(error: &serde_json::Error) -> ArchiveError {
    ArchiveError::Internal { what: error.to_string() }
}
