//! The payload of an age file: chunks of 64 KiB, each encrypted separately
//! (ChaCha20-Poly1305) and numbered, with the last one marked. So no chunk can be
//! removed, moved or truncated unnoticed (<https://age-encryption.org/v1>,
//! "Payload").

use std::cell::RefCell;
use std::collections::HashSet;

use age::{DecryptError, Decryptor, EncryptError, Encryptor, Identity, Recipient};
use age_core::format::{FileKey, Stanza};
use age_core::primitives::hkdf;
use age_core::secrecy::ExposeSecret;
use chacha20poly1305::aead::{AeadInPlace, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Nonce, Tag};

use super::{CryptError, SetKey};

/// Plain bytes of a chunk; the last may have fewer.
pub const CHUNK: usize = 64 << 10;
/// Bytes that encryption adds to a chunk.
pub const TAG: usize = 16;
/// Bytes of an encrypted chunk.
pub const SEALED: usize = CHUNK + TAG;
/// Bytes of a file that are read to find its header: ours have about 300.
pub const MAX_HEADER: usize = 16 << 10;

/// Bytes between header and payload, from which the payload's key is derived.
const NONCE: usize = 16;

/// Encrypts and decrypts the chunks of one file.
pub struct Cipher(ChaCha20Poly1305);

impl Cipher {
    fn new(file_key: &FileKey, nonce: &[u8]) -> Self {
        let key = hkdf(nonce, b"payload", file_key.expose_secret());
        Self(ChaCha20Poly1305::new(&key.into()))
    }

    /// Encrypts chunk `number` and appends it to `to`. A number with the same mark
    /// must never be used twice, except for the same bytes.
    pub fn seal(&self, number: u64, last: bool, plain: &[u8], to: &mut Vec<u8>) {
        let start = to.len();
        to.extend_from_slice(plain);
        let nonce = nonce(number, last);
        // Fails only beyond 256 GiB.
        let tag = self.0.encrypt_in_place_detached(&nonce, b"", &mut to[start..]);
        to.extend_from_slice(&tag.unwrap_or_default());
    }

    /// Decrypts chunk `number` in place; false if it is not authentic, and then the
    /// content of `chunk` is undefined.
    #[must_use]
    pub fn open(&self, number: u64, last: bool, chunk: &mut Vec<u8>) -> bool {
        let Some(plain) = chunk.len().checked_sub(TAG).filter(|&plain| plain <= CHUNK) else {
            return false;
        };
        let tag = Tag::clone_from_slice(&chunk[plain..]);
        chunk.truncate(plain);
        self.0.decrypt_in_place_detached(&nonce(number, last), b"", chunk, &tag).is_ok()
    }
}

fn nonce(number: u64, last: bool) -> Nonce {
    let mut nonce = Nonce::default();
    nonce[3..11].copy_from_slice(&number.to_be_bytes());
    nonce[11] = u8::from(last);
    nonce
}

/// The header of a new file encrypted to `key`, and the cipher of its payload.
///
/// # Errors
/// None is known.
pub fn begin(key: &SetKey) -> Result<(Vec<u8>, Cipher), CryptError> {
    let failed = |what: String| CryptError::Failed(what);
    let recipient = Overheard { inner: key.identity().to_public(), key: RefCell::default() };
    let encryptor = Encryptor::with_recipients(std::iter::once(&recipient as &dyn Recipient));
    let encryptor = encryptor.map_err(|error| failed(error.to_string()))?;
    let mut header = Vec::new();
    // Only the header is age's: the payload is encrypted here.
    drop(encryptor.wrap_output(&mut header).map_err(|error| failed(error.to_string()))?);
    let file_key = recipient.key.take().ok_or_else(|| failed("no file key".to_owned()))?;
    let nonce = header.last_chunk::<NONCE>().ok_or_else(|| failed("no nonce".to_owned()))?;
    let cipher = Cipher::new(&file_key, nonce);
    Ok((header, cipher))
}

/// The length of a file's header and the cipher of its payload; `start` is the
/// beginning of the file, [`MAX_HEADER`] bytes of it or all.
///
/// It is not an age file, not encrypted to this key, or damaged.
/// It is no age file, not for this key, or damaged.
pub fn open(key: &SetKey, start: &[u8]) -> Result<(usize, Cipher), CryptError> {
    let mut rest = start;
    let not_age = |_| CryptError::Damaged("it does not start like an encrypted file");
    let sealed = Decryptor::new_buffered(&mut rest).map_err(not_age)?;
    let identity = Overheard { inner: key.identity().clone(), key: RefCell::default() };
    let opened = sealed.decrypt(std::iter::once(&identity as &dyn Identity)).map(drop);
    opened.map_err(|_| CryptError::Damaged("its header does not decrypt with the set's key"))?;
    let length = start.len() - rest.len();
    let file_key = identity.key.take();
    let nonce = start[..length].last_chunk::<NONCE>();
    match (file_key, nonce) {
        (Some(file_key), Some(nonce)) => Ok((length, Cipher::new(&file_key, nonce))),
        _ => Err(CryptError::Damaged("its header is truncated")),
    }
}

/// A recipient or identity that keeps the file's key, which the age crate does
/// not expose.
struct Overheard<T> {
    inner: T,
    key: RefCell<Option<FileKey>>,
}

impl<T: Recipient> Recipient for Overheard<T> {
    fn wrap_file_key(
        &self,
        file_key: &FileKey,
    ) -> Result<(Vec<Stanza>, HashSet<String>), EncryptError> {
        *self.key.borrow_mut() = Some(copy(file_key));
        self.inner.wrap_file_key(file_key)
    }
}

impl<T: Identity> Identity for Overheard<T> {
    fn unwrap_stanza(&self, stanza: &Stanza) -> Option<Result<FileKey, DecryptError>> {
        let found = self.inner.unwrap_stanza(stanza);
        if let Some(Ok(file_key)) = &found {
            *self.key.borrow_mut() = Some(copy(file_key));
        }
        found
    }
}

fn copy(key: &FileKey) -> FileKey {
    FileKey::init_with_mut(|bytes| bytes.copy_from_slice(key.expose_secret()))
}

/// Plain bytes of a payload of this size; a remainder is not a chunk.
pub fn plain_size(payload: u64) -> u64 {
    let (whole, rest) = (payload / SEALED as u64, payload % SEALED as u64);
    whole * CHUNK as u64 + rest.saturating_sub(TAG as u64)
}

/// Payload bytes for this many plain bytes. An empty file has one chunk, too.
pub fn sealed_size(plain: u64) -> u64 {
    plain.saturating_add(plain.div_ceil(CHUNK as u64).max(1).saturating_mul(TAG as u64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    fn noise(length: usize) -> Vec<u8> {
        (0..length).map(|at| u8::try_from(at * at % 251).unwrap()).collect()
    }

    fn sealed(key: &SetKey, plain: &[u8]) -> Vec<u8> {
        let (mut file, cipher) = begin(key).unwrap();
        let chunks: Vec<_> = plain.chunks(CHUNK).collect();
        for (number, chunk) in chunks.iter().enumerate() {
            cipher.seal(number as u64, number + 1 == chunks.len(), chunk, &mut file);
        }
        if chunks.is_empty() {
            cipher.seal(0, true, b"", &mut file);
        }
        file
    }

    #[test]
    fn the_age_crate_reads_what_is_written_here() {
        let key = SetKey::generate();
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 7] {
            let plain = noise(length);
            let file = sealed(&key, &plain);
            assert_eq!(key.open(&file).unwrap(), plain, "{length}");
            let (header, _) = open(&key, &file).unwrap();
            assert_eq!((file.len() - header) as u64, sealed_size(length as u64));
            assert_eq!(plain_size((file.len() - header) as u64), length as u64);
        }
    }

    #[test]
    fn what_the_age_crate_writes_is_read_here() {
        let key = SetKey::generate();
        let plain = noise(2 * CHUNK + 5);
        let recipient = key.identity().to_public();
        let encryptor =
            Encryptor::with_recipients(std::iter::once(&recipient as &dyn Recipient)).unwrap();
        let mut file = Vec::new();
        let mut writer = encryptor.wrap_output(&mut file).unwrap();
        writer.write_all(&plain).unwrap();
        writer.finish().unwrap();
        let (header, cipher) = open(&key, &file).unwrap();
        let mut back = Vec::new();
        for (number, chunk) in file[header..].chunks(SEALED).enumerate() {
            let mut chunk = chunk.to_vec();
            assert!(cipher.open(number as u64, number == 2, &mut chunk));
            back.extend(chunk);
        }
        assert_eq!(back, plain);
        let mut reader = Decryptor::new_buffered(&file[..])
            .unwrap()
            .decrypt(std::iter::once(key.identity() as &dyn Identity))
            .unwrap();
        let mut whole = Vec::new();
        reader.read_to_end(&mut whole).unwrap();
        assert_eq!(whole, plain);
    }

    #[test]
    fn a_chunk_opens_only_as_what_it_is() {
        let key = SetKey::generate();
        let (_, cipher) = begin(&key).unwrap();
        let mut chunk = Vec::new();
        cipher.seal(7, false, b"some bytes", &mut chunk);
        let opens = |number, last, chunk: &[u8]| cipher.open(number, last, &mut chunk.to_vec());
        assert!(opens(7, false, &chunk));
        assert!(!opens(8, false, &chunk), "moved");
        assert!(!opens(7, true, &chunk), "cut off behind it");
        assert!(!opens(7, false, &chunk[..chunk.len() - 1]), "cut");
        for at in 0..chunk.len() {
            chunk[at] ^= 1;
            assert!(!opens(7, false, &chunk), "flipped at {at}");
            chunk[at] ^= 1;
        }
        assert!(!opens(0, true, b"short") && !opens(0, true, &vec![0; SEALED + 1]));
    }

    #[test]
    fn a_flipped_bit_in_a_header_is_seen() {
        let key = SetKey::generate();
        let (header, cipher) = begin(&key).unwrap();
        let mut sealed = Vec::new();
        cipher.seal(0, true, b"bytes", &mut sealed);
        for at in 0..header.len() {
            let mut bad = header.clone();
            bad[at] ^= 4;
            // The nonce makes another key; all else is under the header's own hash.
            let seen = open(&key, &bad).is_ok_and(|(length, cipher)| {
                length == header.len() && cipher.open(0, true, &mut sealed.clone())
            });
            assert!(!seen, "byte {at}");
        }
        assert!(open(&SetKey::generate(), &header).is_err(), "another's");
    }
}
