//! Resuming an encrypted set differs: its store and manifest are in several files, and
//! none of them is continued. The one that was being written is ended at the last
//! trusted byte, and the next one begins with a new key, so that no key is used for
//! two plaintexts.

use std::io::{BufRead, BufReader, Read};

use sha2::{Digest, Sha256};

use crate::destination::{Destination, DestinationFile, read_full};
use crate::set::crypt::stream::{CHUNK, SEALED, sealed_size};
use crate::set::crypt::{CryptError, SetKey};
use crate::set::error::{SetError, encryption_error};
use crate::set::format::hash::{finish_hex, thaw};
use crate::set::format::journal::{Checkpoint, Sealed};
use crate::set::format::manifest::{Line, Member};
use crate::set::format::names::{MANIFEST, PARTIAL, STORE, piece_name};
use crate::set::format::rescue::{SetFile, next_number};
use crate::set::read::concatenated_file::{ConcatenatedFile, Segment};
use crate::set::read::lines::MAX_LINE;

/// The location of the bytes of an unfinished encrypted set.
pub(crate) struct Layout<'a> {
    target: &'a dyn Destination,
    dir: &'a str,
    key: SetKey,
    store: Vec<Segment>,
    manifest: Vec<Segment>,
}

/// The files of a set that were ended, and the start of the next.
#[derive(Default)]
pub(crate) struct Closed {
    pub(crate) store: Vec<SetFile>,
    pub(crate) since_cut: u64,
    pub(crate) manifest: Vec<SetFile>,
}

impl<'a> Layout<'a> {
    /// From the last checkpoint; `None` for a set that is not encrypted.
    pub(crate) fn of(
        target: &'a dyn Destination,
        dir: &'a str,
        key: Option<&SetKey>,
        checkpoints: &[(Checkpoint, u64)],
    ) -> Option<Self> {
        let key = key?.clone();
        let last = checkpoints.last().and_then(|(last, _)| last.sealed.clone()).unwrap_or_default();
        let Sealed { store, store_bytes, manifest, manifest_bytes, .. } = last;
        let pieces = |what: &str, whole: &[SetFile], bytes: u64| {
            let present = (next_number(whole), bytes);
            let whole = (1..).zip(whole.iter().map(|file| file.plain_size.unwrap_or(0)));
            let all = whole.chain([present]).filter(|(_, plain)| *plain > 0);
            let path = |number| format!("{dir}/{}{PARTIAL}", piece_name(what, number));
            all.map(|(number, plain)| Segment { path: path(number), plain }).collect()
        };
        let store = pieces(STORE, &store, store_bytes);
        let manifest = pieces(MANIFEST, &manifest, manifest_bytes);
        Some(Self { target, dir, key, store, manifest })
    }

    /// The store as one file.
    pub(crate) fn store(&self) -> ConcatenatedFile<&'a dyn Destination> {
        ConcatenatedFile::new(self.target, self.key.clone(), self.store.clone(), true)
    }

    /// The manifest as one file.
    pub(crate) fn manifest(&self) -> ConcatenatedFile<&'a dyn Destination> {
        ConcatenatedFile::new(self.target, self.key.clone(), self.manifest.clone(), true)
    }

    /// Ends the files at a valid checkpoint.
    pub(crate) fn close(&self, at: &Checkpoint) -> Result<Closed, SetError> {
        let Some(sealed) = &at.sealed else { return Ok(Closed::default()) };
        let mut closed = Closed {
            store: sealed.store.clone(),
            since_cut: sealed.since_cut,
            manifest: sealed.manifest.clone(),
        };
        for (what, bytes, hash, whole) in [
            (STORE, sealed.store_bytes, &sealed.store_hash, &mut closed.store),
            (MANIFEST, sealed.manifest_bytes, &sealed.manifest_hash, &mut closed.manifest),
        ] {
            if bytes > 0 {
                let name = piece_name(what, next_number(whole));
                whole.push(self.close_file(&name, bytes, hash)?);
            }
        }
        Ok(closed)
    }

    /// Ends a file after this many plain bytes, a whole number of chunks: encrypts the last
    /// chunk again, now marked as the last. The same bytes, and another nonce.
    fn close_file(&self, name: &str, bytes: u64, hash: &str) -> Result<SetFile, SetError> {
        let path = format!("{}/{name}{PARTIAL}", self.dir);
        let damaged = |what| encryption_error(self.target, &path, CryptError::Damaged(what));
        let mut hash: Sha256 = thaw(hash).ok_or_else(|| damaged("its hash is unknown"))?;
        let number = (bytes / CHUNK as u64).checked_sub(1);
        let number = number.filter(|_| bytes.is_multiple_of(CHUNK as u64));
        let number = number.ok_or_else(|| damaged("it was not written in whole chunks"))?;
        let pieces = vec![Segment { path: path.clone(), plain: bytes }];
        let mut joined = ConcatenatedFile::new(self.target, self.key.clone(), pieces, true);
        let mut plain = vec![0; CHUNK];
        read_full(&mut joined, number * CHUNK as u64, &mut plain)?;
        let (_, header, cipher) = joined.cipher(0)?;
        let mut sealed = Vec::with_capacity(SEALED);
        cipher.seal(number, true, &plain, &mut sealed);
        let mut file = self.target.open_rw(&path)?;
        file.write_all_at(header + number * SEALED as u64, &sealed)?;
        let size = header + sealed_size(bytes);
        file.set_size(size)?;
        file.sync()?;
        file.close()?;
        hash.update(&sealed);
        let (name, sha256) = (name.to_owned(), finish_hex(hash));
        Ok(SetFile { name, size, sha256, plain_size: Some(bytes) })
    }
}

/// Reports the members of a complete manifest, whether its files have their final
/// names or not.
pub(crate) fn members(
    target: &dyn Destination,
    dir: &str,
    files: &[SetFile],
    key: &SetKey,
    mut tell: impl FnMut(&Member),
) -> Result<(), SetError> {
    let mut pieces = Vec::new();
    for file in files.iter().filter(|file| file.name.starts_with(MANIFEST)) {
        let path = format!("{dir}/{}", file.name);
        let named = target.stat(&path)?.is_some();
        let path = if named { path } else { format!("{path}{PARTIAL}") };
        pieces.push(Segment { path, plain: file.plain_size.unwrap_or(0) });
    }
    let file = ConcatenatedFile::new(target, key.clone(), pieces, false);
    let damaged = |error: std::io::Error| SetError::Damaged {
        path: target.display(&format!("{dir}/{MANIFEST}")),
        offset: 0,
        what: error.to_string(),
    };
    let mut decoder =
        zstd::stream::read::Decoder::new(Sequential { file, at: 0 }).map_err(damaged)?;
    decoder.window_log_max(23).map_err(damaged)?;
    let mut lines = BufReader::new(decoder);
    let mut line = Vec::new();
    loop {
        line.clear();
        let most = MAX_LINE as u64 + 1;
        let read = lines.by_ref().take(most).read_until(b'\n', &mut line).map_err(damaged)?;
        if read == 0 {
            return Ok(());
        }
        if let Ok(Line::Member(member)) = Line::parse(&line) {
            tell(&member);
        }
    }
}

struct Sequential<F> {
    file: F,
    at: u64,
}

impl<F: DestinationFile> Read for Sequential<F> {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let read = self.file.read_at(self.at, buf).map_err(std::io::Error::other)?;
        self.at += read as u64;
        Ok(read)
    }
}
