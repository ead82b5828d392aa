//! `$Secure`: every security descriptor of the volume, stored once, in the
//! stream `$SDS` (Linux-NTFS, "$Secure").
//!
//! Blocks of 256 KiB stand in pairs: the second is a copy of the first. An
//! entry is a hash, an id, its own offset, its length, and the descriptor.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::data::DataReader;
use super::file::File;
use super::volume::Volume;
use crate::model::bytes::{u32_at, u64_at};
use crate::model::name::NtName;
use crate::ntfs::error::{NtfsError, damaged};
use crate::ntfs::ondisk::attribute::kind;
use crate::ntfs::ondisk::record::known;

const WHAT: &str = "$Secure:$SDS";
const BLOCK_BYTES: u64 = 256 << 10;
const HEADER_BYTES: usize = 20;
/// A descriptor is no longer than that (MS-DTYP's fields are 16-bit sized ACLs,
/// two of them, and two SIDs).
const MAX_DESCRIPTOR_BYTES: usize = 2 * 65_536 + 256;
/// More than this is not believed; bounds the memory of the index to 32 MiB.
const MAX_DESCRIPTORS: usize = 1 << 20;
/// Descriptors kept in memory once read. Few differ on a real volume.
const MAX_KEPT: usize = 512;

/// The header of an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EntryHeader {
    /// Of the descriptor, see [`hash`].
    pub hash: u32,
    /// What `$STANDARD_INFORMATION` refers to.
    pub id: u32,
    /// Byte of the stream where the entry stands (in the copy, too, it is that
    /// of the first).
    pub offset: u64,
    /// Bytes, header included.
    pub length: u32,
}

impl EntryHeader {
    /// Reads one; `None` where the bytes end or make no sense.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let header = Self {
            hash: u32_at(bytes, 0)?,
            id: u32_at(bytes, 4)?,
            offset: u64_at(bytes, 8)?,
            length: u32_at(bytes, 16)?,
        };
        let length = usize::try_from(header.length).ok()?;
        let is_sane = header.id != 0
            && length > HEADER_BYTES
            && length <= HEADER_BYTES + MAX_DESCRIPTOR_BYTES;
        is_sane.then_some(header)
    }
}

/// NTFS's hash of a descriptor: for each 32-bit word, rotate left by 3 and add.
pub fn hash(descriptor: &[u8]) -> u32 {
    descriptor.chunks_exact(4).fold(0_u32, |sum, word| {
        let word = u32::from_le_bytes([word[0], word[1], word[2], word[3]]);
        sum.rotate_left(3).wrapping_add(word)
    })
}

/// The entries that start in one block of `$SDS` at `start`: headers in order,
/// until the zeros at its end. `false` where something else stands before them.
pub fn entries(block: &[u8], start: u64) -> (Vec<EntryHeader>, bool) {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(rest) = block.get(at..).filter(|rest| rest.len() >= HEADER_BYTES) {
        if rest[..HEADER_BYTES].iter().all(|b| *b == 0) {
            break;
        }
        let header = EntryHeader::parse(rest);
        let Some(header) = header.filter(|h| h.offset == start + at as u64) else {
            return (found, false);
        };
        found.push(header);
        at += (header.length as usize).next_multiple_of(16);
    }
    (found, true)
}

/// The descriptors of a volume, by id. The index is built at the first question.
#[derive(Default)]
pub(crate) struct Security {
    state: Mutex<Option<State>>,
}

struct State {
    reader: DataReader,
    /// Id to offset, length, hash.
    index: HashMap<u32, (u64, u32, u32)>,
    kept: HashMap<u32, Arc<[u8]>>,
}

impl Security {
    /// The descriptor with that id.
    pub(crate) fn get(&self, volume: &Arc<Volume>, id: u32) -> Result<Vec<u8>, NtfsError> {
        let mut state = match self.state.lock() {
            Ok(state) => state,
            Err(poisoned) => poisoned.into_inner(),
        };
        if state.is_none() {
            *state = Some(State::build(volume)?);
        }
        match state.as_mut() {
            Some(state) => state.get(id),
            None => Err(not_found(id)),
        }
    }
}

fn not_found(id: u32) -> NtfsError {
    NtfsError::NotFound { what: format!("security descriptor {id}"), record: known::SECURE }
}

impl State {
    fn build(volume: &Arc<Volume>) -> Result<Self, NtfsError> {
        let file = File::load(volume, known::SECURE, &Vec::new)?;
        let name = NtName::from("$SDS");
        let stream = file.find(kind::DATA, Some(&name)).ok_or_else(|| file.missing("$SDS"))?;
        let mut reader = file.reader(volume, stream)?;
        let mut index = HashMap::new();
        let mut block = vec![0; usize::try_from(BLOCK_BYTES).unwrap_or(0)];
        let mut start = 0;
        while start < reader.len() {
            reader.seek(start);
            let n = reader.read(&mut block)?;
            let (mut found, is_whole) = entries(&block[..n], start);
            if !is_whole {
                // The copy may be better.
                reader.seek(start + BLOCK_BYTES);
                let n = reader.read(&mut block)?;
                let (copy, _) = entries(&block[..n], start);
                if copy.len() > found.len() {
                    found = copy;
                }
            }
            if index.len() + found.len() > MAX_DESCRIPTORS {
                break;
            }
            index.extend(found.iter().map(|h| (h.id, (h.offset, h.length, h.hash))));
            start += 2 * BLOCK_BYTES;
        }
        Ok(Self { reader, index, kept: HashMap::new() })
    }

    fn get(&mut self, id: u32) -> Result<Vec<u8>, NtfsError> {
        if let Some(kept) = self.kept.get(&id) {
            return Ok(kept.to_vec());
        }
        let (offset, length, expected) = *self.index.get(&id).ok_or_else(|| not_found(id))?;
        let mut found = 0;
        for offset in [offset, offset.saturating_add(BLOCK_BYTES)] {
            let mut bytes = vec![0; length as usize];
            self.reader.seek(offset);
            if self.reader.read(&mut bytes)? < bytes.len() {
                continue;
            }
            let descriptor = bytes.split_off(HEADER_BYTES);
            found = hash(&descriptor);
            if found == expected {
                if self.kept.len() >= MAX_KEPT {
                    self.kept.clear();
                }
                self.kept.insert(id, descriptor.as_slice().into());
                return Ok(descriptor);
            }
        }
        // The offset is one in the stream: the volume's would need the runs.
        Err(damaged(
            WHAT,
            offset,
            format!("descriptor {id} with hash {expected:08x}"),
            format!("{found:08x}"),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: u32, offset: u64, descriptor: &[u8]) -> Vec<u8> {
        let mut b = hash(descriptor).to_le_bytes().to_vec();
        b.extend(id.to_le_bytes());
        b.extend(offset.to_le_bytes());
        b.extend(u32::try_from(20 + descriptor.len()).unwrap().to_le_bytes());
        b.extend(descriptor);
        b.resize(b.len().next_multiple_of(16), 0);
        b
    }

    #[test]
    fn entries_up_to_the_zeros() {
        let mut block = entry(256, 512, &[1; 40]);
        let second = 512 + block.len() as u64;
        block.extend(entry(257, second, &[2; 44]));
        block.extend([0; 100]);
        let (found, is_whole) = entries(&block, 512);
        assert!(is_whole);
        assert_eq!(found.iter().map(|e| e.id).collect::<Vec<_>>(), [256, 257]);
        assert_eq!(found[1].offset, second);
    }

    #[test]
    fn a_broken_chain_is_told() {
        let good = [entry(256, 0, &[1; 40]), entry(257, 64, &[2; 40])].concat();
        for (at, byte) in [(64 + 8, 1), (64 + 16, 5), (64 + 18, 0xFF), (64 + 5, 0)] {
            let mut block = good.clone();
            block[at] = byte;
            if at == 69 {
                block[68] = 0; // id 0
            }
            let (found, is_whole) = entries(&block, 0);
            assert_eq!((found.len(), is_whole), (1, false), "{at}");
        }
        assert_eq!(entries(&[], 0), (vec![], true));
    }

    #[test]
    fn the_hash_rotates_and_adds() {
        assert_eq!(hash(&[1, 0, 0, 0, 1, 0, 0, 0]), 9);
        assert_eq!(hash(&[0, 0, 0, 0x80, 0, 0, 0, 0, 7]), 4);
    }
}
