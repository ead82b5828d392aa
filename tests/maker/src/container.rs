//! The compressed image `USMT.MIG`, written after the description of Windows Easy
//! Transfer files, which USMT very probably shares (inferred, never seen):
//! `1giM`, a version, then records `MRTS` that each hold a name, eight bytes of
//! unknown meaning and a zlib stream. What is unknown is filled with made-up bytes.

use std::io::Write as _;

use anyhow::Result;
use flate2::Compression;
use flate2::write::ZlibEncoder;

use crate::content::Content;
use crate::reparse::utf16;
use crate::rng::Rng;

/// Bytes before the first record, without a password.
const PLAIN_START: usize = 0x18;
/// Bytes before the first record, with one.
const ENCRYPTED_START: usize = 0x34;

/// A container that is being written.
#[derive(Clone, Debug)]
pub struct Container {
    bytes: Vec<u8>,
    encrypted: bool,
    unknown: Rng,
}

impl Container {
    /// An empty one. With `encrypted`, payloads are noise, as ciphertext is.
    pub fn new(encrypted: bool, seed: u64) -> Self {
        let mut unknown = Rng::new(seed);
        let start = if encrypted { ENCRYPTED_START } else { PLAIN_START };
        let mut bytes = b"1giM".to_vec();
        bytes.extend_from_slice(&2_u32.to_le_bytes());
        bytes.extend(unknown.bytes(start - 8));
        Self { bytes, encrypted, unknown }
    }

    /// Adds a file under its name in the store: `File\C:\Users\alice\a.docx`.
    pub fn add(&mut self, name: &str, content: &Content) -> Result<()> {
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
        content.pieces(&mut |_, piece| Ok(zlib.write_all(piece)?))?;
        let mut payload = zlib.finish()?;
        if self.encrypted {
            let len = payload.len().next_multiple_of(16);
            payload = self.unknown.bytes(len);
        }
        let name = utf16(name);
        let size = name.len() + 8 + payload.len();
        self.bytes.extend_from_slice(b"MRTS");
        self.bytes.extend_from_slice(&u32::try_from(name.len())?.to_le_bytes());
        self.bytes.extend_from_slice(&u32::try_from(size)?.to_le_bytes());
        self.bytes.extend(self.unknown.bytes(12));
        self.bytes.extend(name);
        self.bytes.extend(self.unknown.bytes(8));
        self.bytes.extend(payload);
        Ok(())
    }

    /// Adds the catalogue and gives the finished file.
    pub fn finish(mut self, catalog: &Content) -> Result<Vec<u8>> {
        self.add("CATALOG.IMG", catalog)?;
        Ok(self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_records_follow_each_other_to_the_end() {
        let content = Content::text(1, 5000);
        for (encrypted, start) in [(false, 0x18), (true, 0x34)] {
            let mut container = Container::new(encrypted, 7);
            container.add("File\\C:\\Users\\alice\\a.txt", &content).unwrap();
            let bytes = container.finish(&Content::text(2, 100)).unwrap();
            assert_eq!(&bytes[..8], b"1giM\x02\0\0\0");
            let mut at = start;
            let mut records = 0;
            while at < bytes.len() {
                assert_eq!(&bytes[at..at + 4], b"MRTS");
                let size = u32::from_le_bytes(bytes[at + 8..at + 12].try_into().unwrap());
                at += 24 + size as usize;
                records += 1;
            }
            assert_eq!((at, records), (bytes.len(), 2));
        }
    }
}
