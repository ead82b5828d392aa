//! A file of a set that grows at its end and is hashed while it grows: plain, or
//! encrypted during writing.

use sha2::{Digest, Sha256};

use super::beside::Settled;
use crate::destination::{Destination, DestinationFile};
use crate::set::crypt::SetKey;
use crate::set::crypt::stream::{CHUNK, Cipher, begin};
use crate::set::error::{SetError, encryption_error};
use crate::set::format::digest::Blocks;
use crate::set::format::hash::{finish_hex, freeze};
use crate::set::format::names::PARTIAL;
use crate::set::format::rescue::SetFile;

/// A file that grows at its end. The hash covers the bytes at the destination.
pub(crate) struct AppendFile {
    name: String,
    file: Box<dyn DestinationFile>,
    /// Bytes so far, plain.
    pub(crate) bytes: u64,
    hash: Hashes,
    sealer: Option<Sealer>,
    /// Whole blocks of which [`Self::settled`] was asked before.
    told: usize,
}

/// Hashes of the bytes sent to the destination.
struct Hashes {
    /// Of the whole file, recorded in the set.
    sha256: Sha256,
    /// Of its blocks, to be compared when it is read back; `None` if an earlier run
    /// wrote the beginning.
    blocks: Option<Blocks>,
}

impl Hashes {
    fn new() -> Self {
        Self { sha256: Sha256::new(), blocks: Some(Blocks::default()) }
    }

    fn update(&mut self, data: &[u8]) {
        self.sha256.update(data);
        if let Some(blocks) = &mut self.blocks {
            blocks.update(data);
        }
    }
}

/// Splits the bytes into chunks.
struct Sealer {
    cipher: Cipher,
    /// Bytes at the destination.
    written: u64,
    /// The number of the next chunk.
    next: u64,
    /// Plain bytes of the next chunk. A full one waits: it may be the last, and the
    /// last one is encrypted differently.
    waiting: Vec<u8>,
    /// The previous chunk, plain and encrypted, if it was written although it may be
    /// the last. It is not hashed yet.
    settled: Option<(Vec<u8>, Vec<u8>)>,
}

impl AppendFile {
    /// A new file of that name in `dir`, encrypted if there is a key.
    pub(crate) fn create(
        target: &dyn Destination,
        dir: &str,
        name: &str,
        key: Option<&SetKey>,
    ) -> Result<Self, SetError> {
        let path = format!("{dir}/{name}");
        let mut file = target.create(&path)?;
        let mut hash = Hashes::new();
        let mut sealer = None;
        if let Some(key) = key {
            let (header, cipher) = begin(key).map_err(|e| encryption_error(target, &path, e))?;
            file.write_all_at(0, &header)?;
            hash.update(&header);
            let written = header.len() as u64;
            sealer = Some(Sealer { cipher, written, next: 0, waiting: Vec::new(), settled: None });
        }
        Ok(Self { name: name.to_owned(), file, bytes: 0, hash, sealer, told: 0 })
    }

    /// An existing plain file, truncated to `bytes`, which have this hash.
    pub(crate) fn go_on(
        target: &dyn Destination,
        dir: &str,
        name: &str,
        bytes: u64,
        sha256: Sha256,
    ) -> Result<Self, SetError> {
        let path = format!("{dir}/{name}");
        let mut file = target.open_rw(&path)?;
        file.set_size(bytes)?;
        let hash = Hashes { sha256, blocks: None };
        Ok(Self { name: name.to_owned(), file, bytes, hash, sealer: None, told: 0 })
    }

    pub(crate) fn append(&mut self, data: &[u8]) -> Result<(), SetError> {
        self.bytes += data.len() as u64;
        let Some(sealer) = &mut self.sealer else {
            self.file.write_all_at(self.bytes - data.len() as u64, data)?;
            self.hash.update(data);
            return Ok(());
        };
        if data.is_empty() {
            return Ok(());
        }
        if let Some((_, sealed)) = sealer.settled.take() {
            self.hash.update(&sealed);
        }
        let mut chunks = Vec::with_capacity(data.len() + data.len() / 1024 + CHUNK);
        let mut data = data;
        while !data.is_empty() {
            if sealer.waiting.len() == CHUNK {
                sealer.cipher.seal(sealer.next, false, &sealer.waiting, &mut chunks);
                sealer.next += 1;
                sealer.waiting.clear();
            }
            let (now, later) = data.split_at(data.len().min(CHUNK - sealer.waiting.len()));
            sealer.waiting.extend_from_slice(now);
            data = later;
        }
        self.file.write_all_at(sealer.written, &chunks)?;
        self.hash.update(&chunks);
        sealer.written += chunks.len() as u64;
        Ok(())
    }

    /// Bytes missing to a whole chunk, so that nothing has to wait; 0 for a plain
    /// file.
    pub(crate) fn to_whole_chunk(&self, more: u64) -> usize {
        let rest = usize::try_from((self.bytes + more) % CHUNK as u64).unwrap_or(0);
        if self.sealer.is_some() && rest > 0 { CHUNK - rest } else { 0 }
    }

    /// Flushes all bytes to the medium. An encrypted file must consist of whole
    /// chunks.
    pub(crate) fn sync(&mut self) -> Result<(), SetError> {
        if let Some(sealer) = &mut self.sealer
            && sealer.waiting.len() == CHUNK
        {
            let mut sealed = Vec::new();
            sealer.cipher.seal(sealer.next, false, &sealer.waiting, &mut sealed);
            self.file.write_all_at(sealer.written, &sealed)?;
            sealer.written += sealed.len() as u64;
            sealer.next += 1;
            sealer.settled = Some((std::mem::take(&mut sealer.waiting), sealed));
        }
        Ok(self.file.sync()?)
    }

    /// The whole blocks that the last [`AppendFile::sync`] brought to the medium, in the folder
    /// `dir`; `None` if there are none, or an earlier run wrote the beginning.
    pub(crate) fn settled(&mut self, dir: &str) -> Option<Settled> {
        let digests = self.hash.blocks.as_ref()?.whole(self.told).to_vec();
        self.told += digests.len();
        (!digests.is_empty()).then(|| Settled {
            path: format!("{dir}/{}", self.name),
            name: self.final_name().to_owned(),
            digests,
        })
    }

    fn final_name(&self) -> &str {
        self.name.strip_suffix(PARTIAL).unwrap_or(&self.name)
    }

    /// The hash of the bytes at the destination without the last chunk, for the journal
    /// after a [`AppendFile::sync`].
    pub(crate) fn frozen(&self) -> String {
        freeze(&self.hash.sha256)
    }

    /// Flushes and closes it. Returns its entry under its final name, and the digests of
    /// its blocks if this run wrote all of them.
    pub(crate) fn finish(mut self) -> Result<(SetFile, Option<Blocks>), SetError> {
        let mut size = self.bytes;
        if let Some(sealer) = &mut self.sealer {
            let mut sealed = Vec::new();
            match sealer.settled.take() {
                // The same bytes again, now marked as the last chunk: another nonce.
                Some((plain, before)) if sealer.waiting.is_empty() => {
                    sealer.written -= before.len() as u64;
                    sealer.cipher.seal(sealer.next - 1, true, &plain, &mut sealed);
                }
                settled => {
                    if let Some((_, before)) = settled {
                        self.hash.update(&before);
                    }
                    sealer.cipher.seal(sealer.next, true, &sealer.waiting, &mut sealed);
                }
            }
            self.file.write_all_at(sealer.written, &sealed)?;
            self.hash.update(&sealed);
            size = sealer.written + sealed.len() as u64;
        }
        self.file.sync()?;
        let name = self.final_name().to_owned();
        self.file.close()?;
        let plain_size = self.sealer.is_some().then_some(self.bytes);
        let sha256 = finish_hex(self.hash.sha256);
        Ok((SetFile { name, size, sha256, plain_size }, self.hash.blocks))
    }
}
