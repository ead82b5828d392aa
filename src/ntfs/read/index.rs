//! Directory indexes, `$I30` (Linux-NTFS, "Index root", "Index allocation").
//!
//! Lifeboat lists folders from the file records, so an index is only a second
//! opinion: it settles which of two files with one name is the right one, and has
//! the names of files whose records are lost.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::file::File;
use super::volume::Volume;
use crate::model::bytes::{u16_at, u32_at, u64_at};
use crate::model::metadata::FileTime;
use crate::model::name::NtName;
use crate::ntfs::error::{NtfsError, damaged};
use crate::ntfs::ondisk::attribute::kind;
use crate::ntfs::ondisk::file_name::{FileName, Namespace};
use crate::ntfs::ondisk::fixup;
use crate::ntfs::ondisk::record::FileRef;

const WHAT: &str = "directory index";
/// An index of more entries is not believed; bounds the memory.
const MAX_ENTRIES: usize = 8 << 20;
/// A bitmap for that many blocks.
const MAX_BITMAP_BYTES: usize = 1 << 20;
/// Blocks that are kept although the bitmap does not count them.
const MAX_UNUSED: usize = 4096;
/// So many damages are kept.
const MAX_DAMAGE: usize = 32;

/// What an index lists.
#[derive(Debug, Default)]
pub struct Listing {
    /// Names (DOS names left out) and the files they point to.
    pub names: Vec<(NtName, FileRef)>,
    /// What the entries copy from the records, in the order of `names`.
    pub copies: Vec<Copied>,
    /// Why names may be missing.
    pub damage: Vec<String>,
}

/// What an entry copies from the record of its file. NTFS copies all of it at once, now and
/// then; so it may be older than the record, and never newer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Copied {
    /// The file.
    pub file: FileRef,
    /// The last write.
    pub modified: FileTime,
    /// The last change of anything.
    pub changed: FileTime,
    /// Bytes of the unnamed stream.
    pub size: u64,
}

/// What the entries of a node lead to.
#[derive(Debug, Default)]
pub struct Entries {
    /// Names (DOS names left out) and the files they point to.
    pub names: Vec<(NtName, FileRef)>,
    /// What they copy from the records.
    pub copies: Vec<Copied>,
    /// The index blocks below, by their first cluster number in the index.
    pub below: Vec<u64>,
    /// Entries of another folder: the block was written to the wrong place. They are left out.
    pub foreign: usize,
}

/// The entries of one node of the index of the folder `record`: `bytes` from its index header
/// on. Stops at the first that makes no sense, and tells at which byte that is.
pub fn entries(bytes: &[u8], record: u64, found: &mut Entries) -> Result<(), usize> {
    let number = |at| u32_at(bytes, at).and_then(|n| usize::try_from(n).ok());
    let mut at = number(0).ok_or(0_usize)?;
    let end = number(4).ok_or(4_usize)?.min(bytes.len());
    loop {
        let entry = bytes.get(at..end).ok_or(at)?;
        let length = usize::from(u16_at(entry, 8).ok_or(at)?);
        let key_length = usize::from(u16_at(entry, 10).ok_or(at)?);
        let flags = u16_at(entry, 12).ok_or(at)?;
        if length < 0x10
            || length % 8 != 0
            || length > entry.len()
            || found.names.len() >= MAX_ENTRIES
        {
            return Err(at);
        }
        if flags & 1 != 0 {
            found.below.push(u64_at(entry, length - 8).ok_or(at)?);
        }
        if flags & 2 != 0 {
            return Ok(());
        }
        let key = entry.get(0x10..0x10 + key_length).filter(|k| k.len() + 0x10 <= length);
        let name = key.and_then(FileName::parse).ok_or(at)?;
        if name.parent.number() != record {
            found.foreign += 1;
        } else if name.namespace != Namespace::Dos {
            let file = FileRef(u64_at(entry, 0).ok_or(at)?);
            let FileName { modified, changed, size, .. } = name;
            found.copies.push(Copied { file, modified, changed, size });
            found.names.push((name.name(), file));
        }
        at += length;
    }
}

/// Reads the whole index of a directory.
pub(crate) fn list(volume: &Arc<Volume>, directory: &File) -> Result<Listing, NtfsError> {
    let i30 = NtName::from("$I30");
    let root = directory
        .find(kind::INDEX_ROOT, Some(&i30))
        .ok_or_else(|| directory.missing("$INDEX_ROOT"))?;
    let root = directory.value(volume, root, 65_536)?;
    let mut listing = Listing::default();
    let record = directory.number;
    let mut found = Entries::default();
    if let Err(byte) = root.get(0x10..).ok_or(0).and_then(|b| entries(b, record, &mut found)) {
        listing.damage.push(format!("$INDEX_ROOT, byte {}: no index entry", byte + 0x10));
    }
    let Some(allocation) = directory.find(kind::INDEX_ALLOCATION, Some(&i30)) else {
        if !found.below.is_empty() {
            let lost = directory.missing("$INDEX_ALLOCATION").to_string();
            listing.damage.push(format!("its index blocks cannot be found ({lost})"));
        }
        return Ok(listing.with(found));
    };
    let block_bytes = u32_at(&root, 8).and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
    if !block_bytes.is_power_of_two() || !(512..=65_536).contains(&block_bytes) {
        let found = block_bytes.to_string();
        return Err(damaged(WHAT, directory.at, "the size of an index block", found));
    }
    // Blocks are numbered by clusters, or by 512 bytes where clusters are larger than blocks.
    let unit = match volume.cluster_bytes() {
        cluster if cluster <= block_bytes as u64 => cluster,
        _ => 512,
    };
    // Without its bitmap every block is looked at: old ones are told apart by
    // the comparison with the records.
    let bitmap = directory.find(kind::BITMAP, Some(&i30));
    let bitmap = bitmap.and_then(|b| directory.value(volume, b, MAX_BITMAP_BYTES).ok());
    let is_used = |number: usize| {
        bitmap.as_ref().is_none_or(|bitmap| {
            bitmap.get(number / 8).is_some_and(|byte| byte >> (number % 8) & 1 != 0)
        })
    };
    let mut reader = directory.reader(volume, allocation)?;
    let size = usize::try_from(reader.len()).unwrap_or(usize::MAX).min(1 << 20);
    let mut buf = vec![0; size.next_multiple_of(block_bytes)];
    let mut number = 0_usize;
    // Blocks whose bit is not set, in case one of the others leads to them.
    let mut unused = BTreeMap::new();
    let mut used = BTreeSet::new();
    loop {
        let n = reader.read(&mut buf)?;
        if n == 0 {
            break;
        }
        for block in buf[..n].chunks_exact_mut(block_bytes) {
            let vcn = (number as u64).saturating_mul(block_bytes as u64) / unit;
            if is_used(number) {
                used.insert(vcn);
                if let Err(why) = read_block(block, (record, vcn), &mut found) {
                    listing.damage.push(format!("index block {number}: {why}"));
                }
            } else {
                let mut own = Entries::default();
                if unused.len() < MAX_UNUSED && read_block(block, (record, vcn), &mut own).is_ok() {
                    unused.insert(vcn, own);
                }
            }
            number += 1;
        }
    }
    // A block that lost its bit.
    let mut pending = std::mem::take(&mut found.below);
    while let Some(vcn) = pending.pop() {
        if !used.insert(vcn) {
            continue;
        }
        let what = match unused.remove(&vcn) {
            Some(mut own) => {
                found.names.append(&mut own.names);
                found.copies.append(&mut own.copies);
                found.foreign += own.foreign;
                pending.append(&mut own.below);
                "is not marked as in use"
            }
            None => "is missing",
        };
        listing.damage.push(format!("the index block at cluster {vcn} of the index {what}"));
    }
    listing.damage.extend(reader.holes().iter().take(16).map(|hole| hole.reason.clone()));
    Ok(listing.with(found))
}

impl Listing {
    fn with(mut self, found: Entries) -> Self {
        self.names = found.names;
        self.copies = found.copies;
        if found.foreign > 0 {
            self.damage.push(format!("{} of its entries are of another folder", found.foreign));
        }
        self.damage.truncate(MAX_DAMAGE);
        self
    }
}

/// Reads the block that should be at a cluster of the index of a folder.
fn read_block(
    block: &mut [u8],
    (record, vcn): (u64, u64),
    found: &mut Entries,
) -> Result<(), String> {
    if !block.starts_with(b"INDX") {
        return Err("expected \"INDX\"".into());
    }
    let length = block.len();
    match fixup::apply(block, 0, WHAT) {
        Ok(good) if good == length => {}
        Ok(_) => return Err("its end is from a different write (torn)".into()),
        Err(_) => return Err("its update sequence makes no sense".into()),
    }
    if let Some(own) = u64_at(block, 0x10).filter(|own| *own != vcn) {
        return Err(format!("it is the block at cluster {own} of an index"));
    }
    entries(&block[0x18..], record, found)
        .map_err(|byte| format!("no index entry at byte {}", byte + 0x18))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ntfs::ondisk::file_name::tests::build;

    fn entry(record: u64, namespace: u8, name: &str) -> Vec<u8> {
        let key = build(FileRef::new(5, 5), namespace, name);
        let mut b = vec![0; (0x10 + key.len()).next_multiple_of(8)];
        let length = u16::try_from(b.len()).unwrap();
        b[..8].copy_from_slice(&FileRef::new(record, 1).0.to_le_bytes());
        b[8..10].copy_from_slice(&length.to_le_bytes());
        b[10..12].copy_from_slice(&u16::try_from(key.len()).unwrap().to_le_bytes());
        b[0x10..0x10 + key.len()].copy_from_slice(&key);
        b
    }

    fn node(entries: &[Vec<u8>]) -> Vec<u8> {
        let mut last = vec![0; 0x10];
        last[8] = 0x10;
        last[12] = 2;
        let body = [entries.concat(), last].concat();
        let mut b = 16_u32.to_le_bytes().to_vec();
        b.extend(u32::try_from(16 + body.len()).unwrap().to_le_bytes());
        b.resize(16, 0);
        b.extend(body);
        b
    }

    #[test]
    fn names_without_dos_names() {
        let node = node(&[entry(30, 1, "long name"), entry(30, 2, "LONG~1"), entry(31, 3, "B")]);
        let mut found = Entries::default();
        assert_eq!(entries(&node, 5, &mut found), Ok(()));
        assert_eq!(
            found.names,
            [("long name".into(), FileRef::new(30, 1)), ("B".into(), FileRef::new(31, 1))]
        );
    }

    #[test]
    fn hostile_entries_stop_the_walk() {
        let good = node(&[entry(30, 1, "a"), entry(31, 1, "b")]);
        let second = 16 + entry(30, 1, "a").len();
        for (at, byte) in
            [(second + 8, 0), (second + 8, 7), (second + 9, 0xFF), (second + 10, 0xFF)]
        {
            let mut bytes = good.clone();
            bytes[at] = byte;
            let mut found = Entries::default();
            assert_eq!(entries(&bytes, 5, &mut found), Err(second), "{at}");
            assert_eq!(found.names.len(), 1);
        }
        for header in [0_u32, 4, u32::MAX] {
            let mut bytes = good.clone();
            bytes[..4].copy_from_slice(&header.to_le_bytes());
            let _ = entries(&bytes, 5, &mut Entries::default());
            bytes[4..8].copy_from_slice(&header.to_le_bytes());
            assert!(entries(&bytes, 5, &mut Entries::default()).is_err());
        }
        assert_eq!(entries(&[], 5, &mut Entries::default()), Err(0));
    }
}
