//! A stream from the set into a file, compared with its hash on the way.

use std::io::{self, Write};

use sha2::{Digest, Sha256};

use super::{CHUNK, Job};
use crate::archive::hash::finish_hex;
use crate::archive::manifest::Data;
use crate::facts::LossKind;
use crate::restore::error::RestoreError;
use crate::restore::platform;

/// Zeros of this length become a hole in files that had holes.
const HOLE: usize = 64 << 10;

/// Why a stream was not written whole.
pub(super) enum Spill {
    /// The destination did not take it.
    Write(io::Error),
    /// Nothing more can be done at all.
    Fatal(RestoreError),
}

/// How much of a stream was written.
pub(super) struct Poured {
    pub(super) bytes: u64,
    /// What is wrong with it, if anything is.
    pub(super) trouble: Option<(LossKind, String)>,
}

impl Job<'_> {
    /// Copies a stream, and compares it with its hash on the way.
    pub(super) fn pour(&mut self, data: &Data, sink: &mut dyn Write) -> Result<Poured, Spill> {
        if data.size == 0 {
            return Ok(Poured { bytes: 0, trouble: None });
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(CHUNK, 0);
        let poured = self.pour_through(&mut buffer, data, sink);
        self.buffer = buffer;
        poured
    }

    fn pour_through(
        &mut self,
        buffer: &mut [u8],
        data: &Data,
        sink: &mut dyn Write,
    ) -> Result<Poured, Spill> {
        let input = self.input;
        let mut reader = input.open(data).map_err(|e| Spill::Fatal(e.into()))?;
        let mut hash = Sha256::new();
        let mut bytes = 0;
        while bytes < data.size {
            self.go_on().map_err(Spill::Fatal)?;
            let left = usize::try_from(data.size - bytes).map_or(CHUNK, |left| left.min(CHUNK));
            let why = match reader.read(&mut buffer[..left]) {
                Ok(0) => "the set ends too early".to_owned(),
                Ok(n) => {
                    hash.update(&buffer[..n]);
                    sink.write_all(&buffer[..n]).map_err(Spill::Write)?;
                    bytes += n as u64;
                    self.progress.bytes += n as u64;
                    self.monitor.progress(self.progress);
                    continue;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => e.to_string(),
            };
            let detail = format!("zeros from byte {bytes} on: {why}");
            return Ok(Poured { bytes, trouble: Some((LossKind::Hole, detail)) });
        }
        let trouble = (finish_hex(hash) != data.sha256).then(|| {
            let detail = "restored, but these are not the bytes that were saved (SHA-256 differs)";
            (LossKind::Unreadable, detail.to_owned())
        });
        Ok(Poured { bytes, trouble })
    }
}

/// Writes a file from its start; zeros are left out where holes may be.
pub(super) struct FileSink<'a> {
    pub(super) file: &'a mut std::fs::File,
    pub(super) at: u64,
    pub(super) may_have_holes: bool,
}

impl Write for FileSink<'_> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if !self.may_have_holes {
            return self.file.write(data);
        }
        let to_border = HOLE - usize::try_from(self.at % HOLE as u64).unwrap_or(0);
        let piece = &data[..data.len().min(to_border)];
        if piece.iter().any(|b| *b != 0) {
            platform::write_all_at(self.file, piece, self.at)?;
        }
        self.at += piece.len() as u64;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
