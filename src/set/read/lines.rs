//! Reads the manifest line by line, within limits whatever it contains. A damaged frame
//! of it only costs its own lines.

use std::io::Read;

use crate::destination::{Destination, DestinationError, DestinationFile, ErrorKind};
use crate::set::error::SetError;
use crate::set::format::frames::{MAX_FRAME_BYTES, TABLE_FOOTER, Unpacker, read_table, table_size};
use crate::set::format::manifest::Line;

/// The longest line that is read, in bytes: a file with thousands of streams and holes
/// needs a tenth of it.
pub(crate) const MAX_LINE: usize = 16 << 20;
/// Bytes per read if there is no seek table.
const CHUNK: usize = 256 << 10;

/// The manifest's lines, in order.
pub struct Lines {
    source: Source,
    path: String,
    /// Plain bytes that were not returned yet.
    plain: Vec<u8>,
    at: usize,
    /// Bytes of the plain manifest before `plain`.
    before: u64,
    ended: bool,
}

enum Source {
    /// By the seek table.
    Frames { file: Box<dyn DestinationFile>, frames: Frames, next: usize, unpacker: Unpacker },
    /// From start to end.
    Whole(Box<zstd::stream::read::Decoder<'static, std::io::BufReader<Sequential>>>),
}

impl Lines {
    /// Opens a set's manifest.
    pub(crate) fn open(target: &dyn Destination, path: &str) -> Result<Self, SetError> {
        let shown = target.display(path);
        let mut file = target.open(path).map_err(|error| match error.kind {
            ErrorKind::NotFound => {
                let what =
                    format!("this file of the set is missing{}", in_other_case(target, path));
                damaged(&shown, 0, what)
            }
            _ => error.into(),
        })?;
        let size = file.size()?;
        let source = if let Some(frames) = frames(&mut *file, size)? {
            Source::Frames { file, frames, next: 0, unpacker: Unpacker::new()? }
        } else {
            let reader = std::io::BufReader::with_capacity(CHUNK, Sequential { file, at: 0 });
            let damaged = |error: std::io::Error| damaged(&shown, 0, error.to_string());
            let mut decoder = zstd::stream::read::Decoder::with_buffer(reader).map_err(damaged)?;
            // Our frames record their size and need 2 MiB; allow 8 MiB.
            decoder.window_log_max(23).map_err(damaged)?;
            Source::Whole(Box::new(decoder))
        };
        Ok(Self { source, path: shown, plain: Vec::new(), at: 0, before: 0, ended: false })
    }

    /// Whether the manifest's own seek table is intact.
    pub(crate) fn has_table(&self) -> bool {
        matches!(self.source, Source::Frames { .. })
    }

    /// Reads more plain bytes; false at the end.
    fn refill(&mut self) -> Result<bool, SetError> {
        self.before += self.at as u64;
        match &mut self.source {
            Source::Frames { file, frames, next, unpacker } => {
                let Some(&(offset, packed, plain)) = frames.get(*next) else { return Ok(false) };
                *next += 1;
                self.at = 0;
                self.plain.clear();
                let mut bytes = vec![0; packed as usize];
                let read = match file.read_at(offset, &mut bytes) {
                    // A part that does not decrypt only costs its own lines.
                    Err(error) if is_damage(&error) => {
                        return Err(damaged(&self.path, offset, error.what));
                    }
                    read => read?,
                };
                bytes.truncate(read);
                unpacker
                    .unpack(&bytes, u64::from(plain), &mut self.plain)
                    .map_err(|what| damaged(&self.path, offset, what))?;
            }
            Source::Whole(decoder) => {
                self.plain.drain(..self.at);
                self.at = 0;
                let start = self.plain.len();
                if start > MAX_LINE {
                    self.ended = true;
                    let what = format!("a line of more than {MAX_LINE} bytes");
                    return Err(damaged(&self.path, self.before, what));
                }
                self.plain.resize(start + CHUNK, 0);
                let read = decoder.read(&mut self.plain[start..]);
                self.plain.truncate(start + *read.as_ref().unwrap_or(&0));
                match read {
                    Ok(0) => return Ok(false),
                    Ok(_) => {}
                    Err(error) => {
                        self.ended = true; // nothing can be found after this
                        return Err(damaged(&self.path, self.before, error.to_string()));
                    }
                }
            }
        }
        Ok(true)
    }
}

impl Iterator for Lines {
    type Item = Result<Line, SetError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.ended {
                return None;
            }
            let rest = &self.plain[self.at..];
            if let Some(length) = rest.iter().position(|&b| b == b'\n') {
                let at = self.before + self.at as u64;
                self.at += length + 1;
                if length > MAX_LINE {
                    let what = format!("a line of {length} bytes");
                    return Some(Err(damaged(&self.path, at, what)));
                }
                let line = Line::parse(&rest[..length]);
                return Some(line.map_err(|error| damaged(&self.path, at, error.to_string())));
            }
            match self.refill() {
                Ok(true) => {}
                Ok(false) => self.ended = true,
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// Offset, compressed and plain size of each frame.
type Frames = Vec<(u64, u32, u32)>;

/// The frames from the table; `None` without an intact one.
fn frames(file: &mut dyn DestinationFile, size: u64) -> Result<Option<Frames>, SetError> {
    let mut footer = [0; TABLE_FOOTER];
    let Some(at) = size.checked_sub(TABLE_FOOTER as u64) else { return Ok(None) };
    match file.read_at(at, &mut footer) {
        Ok(TABLE_FOOTER) => {}
        Err(error) if !is_damage(&error) => return Err(error.into()),
        _ => return Ok(None),
    }
    let Some(table) = table_size(&footer, size) else { return Ok(None) };
    let mut bytes = vec![0; usize::try_from(table).unwrap_or(0)];
    let read = match file.read_at(size - table, &mut bytes) {
        Err(error) if is_damage(&error) => return Ok(None),
        read => read?,
    };
    let Some(sizes) = read_table(&bytes[..read]) else { return Ok(None) };
    let mut offset = 0;
    let mut frames = Vec::with_capacity(sizes.len());
    for frame in sizes {
        frames.push((offset, frame.packed, frame.plain));
        offset += u64::from(frame.packed);
        let bound = zstd::zstd_safe::compress_bound(usize::try_from(MAX_FRAME_BYTES).unwrap_or(0));
        if u64::from(frame.plain) > MAX_FRAME_BYTES || frame.packed as usize > bound {
            return Ok(None);
        }
    }
    Ok((offset + table == size).then_some(frames))
}

/// Whether an encrypted file is damaged or missing, rather than unreachable.
fn is_damage(error: &DestinationError) -> bool {
    matches!(error.kind, ErrorKind::Corrupted | ErrorKind::NotFound)
}

/// What to say of a missing file whose name is there in another letter case: some shares and
/// sticks change it, and where case matters the file is not found any more.
pub(super) fn in_other_case(target: &dyn Destination, path: &str) -> String {
    let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
    let all = target.list(dir).unwrap_or_default();
    match all.into_iter().find(|entry| entry.name.eq_ignore_ascii_case(name)) {
        Some(entry) => format!("; {} is there: rename it to {name}", entry.name),
        None => String::new(),
    }
}

fn damaged(path: &str, offset: u64, what: String) -> SetError {
    SetError::Damaged { path: path.to_owned(), offset, what }
}

/// A file at a destination as a stream.
struct Sequential {
    file: Box<dyn DestinationFile>,
    at: u64,
}

impl Read for Sequential {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let read = self.file.read_at(self.at, buf).map_err(std::io::Error::other)?;
        self.at += read as u64;
        Ok(read)
    }
}
