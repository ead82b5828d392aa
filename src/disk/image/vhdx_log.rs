//! The log of a VHDX (MS-VHDX 2.3): changes that were on their way into the
//! file when the machine stopped. They are replayed in memory; the file is not
//! written to.

use std::io;
use std::sync::Arc;

use super::vhdx::LogPlace;
use crate::disk::crc::CRC32C;
use crate::disk::guid::Guid;
use crate::disk::{Device, Fault};
use crate::model::bytes::{array_at, stands_at, u32_at, u64_at};
use crate::model::units;

/// Entries are made of pieces of this size, and start at multiples of it.
const SECTOR: usize = 4096;
/// Hyper-V makes logs of 1 MiB. One longer than this is not used: it is held
/// in memory.
const MAX_LOG: u32 = 8 << 20;
const HEADER: usize = 64;
const DESCRIPTOR: usize = 32;

/// `file` as it is once the log was replayed, and what to say of it. Without a
/// log that can be used `file` stays as it is: the disk in it may lack its last
/// changes, which is better than no disk, and is said.
pub(crate) fn replay(file: &Arc<dyn Device>, place: &LogPlace) -> (Arc<dyn Device>, Option<Fault>) {
    let changes = Log::read(file, place).and_then(|log| log.changes());
    match changes {
        Ok(changes) => {
            let fault = if changes.needed_len > file.len() {
                let (have, needed) = (file.len(), changes.needed_len);
                Some(Fault::ContainerCutShort { needed, have })
            } else if changes.patches.is_empty() {
                None
            } else {
                Some(Fault::LogReplayed { changes: changes.patches.len() })
            };
            let patches = changes.patches;
            (Arc::new(Patched { file: file.clone(), patches }), fault)
        }
        Err(why) => (file.clone(), Some(Fault::LogUnusable { why })),
    }
}

/// What the log changes.
struct Changes {
    patches: Vec<Patch>,
    /// Bytes that the file must have.
    needed_len: u64,
}

/// An entry that is whole (2.3.1.1).
#[derive(Clone, Copy)]
struct Entry {
    /// Where it starts in the log.
    start: usize,
    len: usize,
    /// Where the sequence starts that it ends.
    tail: usize,
    sequence: u64,
    descriptors: usize,
    /// What the file's length was at least when it was written.
    flushed_len: u64,
}

/// The log as a whole. It is a ring: what reaches its end goes on at its start.
struct Log {
    /// Twice, so that each entry is in one piece.
    bytes: Vec<u8>,
    len: usize,
    id: Guid,
}

impl Log {
    /// `Err` says why it cannot be used, for people.
    fn read(file: &dyn Device, place: &LogPlace) -> Result<Self, String> {
        if place.len > MAX_LOG {
            return Err(format!("it is {} long", units::bytes(place.len.into())));
        }
        let len = usize::try_from(place.len).unwrap_or(0) / SECTOR * SECTOR;
        let mut bytes = vec![0; len];
        file.read_exact_at(place.offset, &mut bytes).map_err(|e| e.to_string())?;
        bytes.extend_from_within(..);
        Ok(Self { bytes, len, id: place.id })
    }

    /// What it changes, in the order of replay.
    fn changes(&self) -> Result<Changes, String> {
        let active = self.active().ok_or("no entry in it is whole")?;
        let mut patches = Vec::new();
        for entry in &active {
            self.patches_of(entry, &mut patches).ok_or("an entry in it makes no sense")?;
        }
        let needed_len = active.iter().map(|entry| entry.flushed_len).max().unwrap_or(0);
        Ok(Changes { patches, needed_len })
    }

    /// The entry at `start`, when it is whole and of this log. `budget` is how
    /// many bytes may still be summed up: entries do not overlap, so no honest
    /// log needs much more than its length.
    fn entry(&self, start: usize, budget: &mut usize) -> Option<Entry> {
        let bytes = self.bytes.get(start..start.checked_add(self.len)?)?;
        if !stands_at(bytes, 0, b"loge") || array_at(bytes, 32) != Some(self.id.0) {
            return None;
        }
        let len = usize::try_from(u32_at(bytes, 8)?).ok()?;
        let whole = bytes.get(..len)?;
        *budget = budget.checked_sub(len)?;
        let good = len >= SECTOR
            && len.is_multiple_of(SECTOR)
            && CRC32C.without_field(whole, 4) == u32_at(whole, 4);
        good.then_some(Entry {
            start,
            len,
            tail: usize::try_from(u32_at(bytes, 12)?).ok()?,
            sequence: u64_at(bytes, 16)?,
            descriptors: usize::try_from(u32_at(bytes, 24)?).ok()?,
            flushed_len: u64_at(bytes, 48)?,
        })
    }

    /// The sequence that counts (2.3.2): entries one behind the other with
    /// rising numbers, whose last one says that it began within them; of
    /// several the one with the highest number. In the order of replay.
    fn active(&self) -> Option<Vec<Entry>> {
        let mut budget = self.len.saturating_mul(4);
        let starts = (0..self.len).step_by(SECTOR);
        let whole: Vec<Option<Entry>> = starts.map(|at| self.entry(at, &mut budget)).collect();
        let at = |start: usize| whole.get(start / SECTOR).copied().flatten();
        let sequence_from = |first: Entry| {
            let mut sequence = vec![first];
            let mut last = first;
            // As many entries as sectors at most: then the ring is closed.
            while sequence.len() < whole.len() {
                let next = at((last.start + last.len) % self.len);
                match next.filter(|next| Some(next.sequence) == last.sequence.checked_add(1)) {
                    Some(next) => last = next,
                    None => break,
                }
                sequence.push(last);
            }
            // What comes before the tail was replayed and flushed already.
            let tail = sequence.iter().position(|e| e.start == last.tail)?;
            Some((last.sequence, sequence.split_off(tail)))
        };
        // An entry that follows another is in that one's sequence.
        let follows = |entry: &Entry| {
            whole.iter().flatten().any(|before| {
                (before.start + before.len) % self.len == entry.start
                    && before.sequence.checked_add(1) == Some(entry.sequence)
            })
        };
        let firsts = whole.iter().flatten().filter(|entry| !follows(entry));
        let sequences = firsts.filter_map(|first| sequence_from(*first));
        sequences.max_by_key(|(sequence, _)| *sequence).map(|(_, entries)| entries)
    }

    /// Adds what an entry changes (2.3.1.2 to 2.3.1.4); `None` when its
    /// descriptors and data sectors do not fit each other.
    fn patches_of(&self, entry: &Entry, patches: &mut Vec<Patch>) -> Option<()> {
        let bytes = self.bytes.get(entry.start..entry.start.checked_add(entry.len)?)?;
        let described = entry.descriptors.checked_mul(DESCRIPTOR)?.checked_add(HEADER)?;
        let descriptors = bytes.get(HEADER..described)?.chunks_exact(DESCRIPTOR);
        let mut data = bytes.get(described.next_multiple_of(SECTOR)..)?.chunks_exact(SECTOR);
        for descriptor in descriptors {
            let offset = u64_at(descriptor, 16)?;
            if u64_at(descriptor, 24)? != entry.sequence {
                return None;
            }
            match descriptor.first_chunk()? {
                b"zero" => patches.push(Patch { offset, len: u64_at(descriptor, 8)?, data: None }),
                b"desc" => {
                    let sector = data.next()?;
                    let high = u64::from(u32_at(sector, 4)?) << 32;
                    let low = u64::from(u32_at(sector, SECTOR - 4)?);
                    if !stands_at(sector, 0, b"data") || high | low != entry.sequence {
                        return None;
                    }
                    // The sector's own first eight and last four bytes had to
                    // make room for signature and number.
                    let mut plain = descriptor.get(8..16)?.to_vec();
                    plain.extend_from_slice(sector.get(8..SECTOR - 4)?);
                    plain.extend_from_slice(descriptor.get(4..8)?);
                    patches.push(Patch { offset, len: SECTOR as u64, data: Some(plain) });
                }
                _ => return None,
            }
        }
        Some(())
    }
}

/// A change: zeros, or a sector.
struct Patch {
    offset: u64,
    len: u64,
    data: Option<Vec<u8>>,
}

/// A file with changes laid over it, in their order.
struct Patched {
    file: Arc<dyn Device>,
    patches: Vec<Patch>,
}

impl Patched {
    /// How far the file goes, with what the changes add to it.
    fn end(&self) -> u64 {
        let ends = self.patches.iter().map(|p| p.offset.saturating_add(p.len));
        ends.max().unwrap_or(0).max(self.file.len())
    }
}

impl Device for Patched {
    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let end = offset.saturating_add(buf.len() as u64);
        let touching: Vec<&Patch> = self
            .patches
            .iter()
            .filter(|p| p.offset < end && p.offset.saturating_add(p.len) > offset)
            .collect();
        if touching.is_empty() {
            return self.file.read_exact_at(offset, buf);
        }
        if end > self.end() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        // What the changes put past the file's end stands on zeros.
        let there = self.file.len().saturating_sub(offset);
        let there = usize::try_from(there).unwrap_or(usize::MAX).min(buf.len());
        let (own, added) = buf.split_at_mut(there);
        if !own.is_empty() {
            self.file.read_exact_at(offset, own)?;
        }
        added.fill(0);
        for patch in touching {
            let from = patch.offset.max(offset);
            let to = patch.offset.saturating_add(patch.len).min(end);
            let range = |base: u64| {
                let index =
                    |at: u64| usize::try_from(at.saturating_sub(base)).unwrap_or(usize::MAX);
                index(from)..index(to)
            };
            let Some(target) = buf.get_mut(range(offset)) else { continue };
            match patch.data.as_ref().map(|data| data.get(range(patch.offset))) {
                None => target.fill(0),
                Some(Some(data)) => target.copy_from_slice(data),
                Some(None) => return Err(io::ErrorKind::InvalidData.into()),
            }
        }
        Ok(())
    }

    fn len(&self) -> u64 {
        self.end()
    }

    fn sector_size(&self) -> u32 {
        self.file.sector_size()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::MemoryDevice;

    const ID: Guid = Guid([0xAB; 16]);

    /// An entry whose one descriptor makes zeros.
    fn zeros(sequence: u64, tail: u32, offset: u64, len: u64) -> Vec<u8> {
        let mut entry = vec![0; SECTOR];
        entry[..4].copy_from_slice(b"loge");
        entry[8..12].copy_from_slice(&4096_u32.to_le_bytes());
        entry[12..16].copy_from_slice(&tail.to_le_bytes());
        entry[16..24].copy_from_slice(&sequence.to_le_bytes());
        entry[24] = 1;
        entry[32..48].copy_from_slice(&ID.0);
        entry[64..68].copy_from_slice(b"zero");
        entry[72..80].copy_from_slice(&len.to_le_bytes());
        entry[80..88].copy_from_slice(&offset.to_le_bytes());
        entry[88..96].copy_from_slice(&sequence.to_le_bytes());
        seal(&mut entry);
        entry
    }

    fn seal(entry: &mut [u8]) {
        let crc = CRC32C.without_field(entry, 4).unwrap();
        entry[4..8].copy_from_slice(&crc.to_le_bytes());
    }

    /// A file of sevens behind a log of four sectors.
    fn replayed(entries: &[(usize, Vec<u8>)]) -> (Arc<dyn Device>, Option<Fault>) {
        let mut bytes = vec![7; 10 * SECTOR];
        for (sector, entry) in entries {
            bytes[sector * SECTOR..][..entry.len()].copy_from_slice(entry);
        }
        let file: Arc<dyn Device> = Arc::new(MemoryDevice::new(bytes));
        let len = 4 * u32::try_from(SECTOR).unwrap();
        replay(&file, &LogPlace { offset: 0, len, id: ID })
    }

    #[test]
    fn zeros_are_laid_over_the_file_and_past_its_end() {
        let (disk, fault) = replayed(&[(0, zeros(5, 0, 40_900, 8192))]);
        assert_eq!(fault, Some(Fault::LogReplayed { changes: 1 }));
        assert_eq!(disk.len(), 40_900 + 8192);
        let mut buf = [1; 300];
        disk.read_exact_at(40_800, &mut buf).unwrap();
        assert!(buf[..100].iter().all(|b| *b == 7) && buf[100..].iter().all(|b| *b == 0));
        disk.read_exact_at(disk.len() - 300, &mut buf).unwrap();
        assert_eq!(buf, [0; 300]);
        assert!(disk.read_exact_at(disk.len() - 299, &mut buf).is_err());
        assert!(disk.read_exact_at(u64::MAX, &mut buf).is_err());
        disk.read_exact_at(20_000, &mut buf).unwrap();
        assert_eq!(buf, [7; 300]);
    }

    #[test]
    fn only_the_newest_sequence_counts_from_its_tail_on() {
        let at = |sector: u32| sector * 4096;
        // 8 is flushed already: the tail of 10 is at 9. 30 is not whole.
        let mut torn = zeros(30, 12_288, 20_000, 1);
        torn[100] ^= 1;
        let (disk, fault) = replayed(&[
            (0, zeros(8, at(0), 21_000, 1)),
            (1, zeros(9, at(0), 22_000, 1)),
            (2, zeros(10, at(1), 23_000, 1)),
            (3, torn),
        ]);
        assert_eq!(fault, Some(Fault::LogReplayed { changes: 2 }));
        for (offset, byte) in [(20_000, 7), (21_000, 7), (22_000, 0), (23_000, 0)] {
            let mut buf = [1];
            disk.read_exact_at(offset, &mut buf).unwrap();
            assert_eq!(buf, [byte], "at {offset}");
        }
    }

    #[test]
    fn a_ring_of_entries_that_follow_each_other_for_ever_ends() {
        // A whole ring whose numbers rise over its end, and a number that
        // cannot rise.
        for first in [0, u64::MAX - 1] {
            let entries: Vec<_> = [0_u32, 1, 2, 3]
                .map(|i| (i as usize, zeros(first.wrapping_add(i.into()), 0, 20_000, 9)))
                .to_vec();
            let (_, fault) = replayed(&entries);
            assert!(fault.is_some());
        }
    }

    #[test]
    fn a_log_that_is_not_whole_is_a_fault() {
        let unusable = |fault| matches!(fault, Some(Fault::LogUnusable { .. }));
        assert!(unusable(replayed(&[]).1));
        // The tail is not in the sequence.
        assert!(unusable(replayed(&[(0, zeros(5, 4096, 20_000, 9))]).1));
        // An entry longer than the log, or of no length.
        for len in [u32::MAX, 0, 4097, 20_480] {
            let mut entry = zeros(5, 0, 20_000, 9);
            entry[8..12].copy_from_slice(&len.to_le_bytes());
            seal(&mut entry);
            assert!(unusable(replayed(&[(0, entry)]).1), "{len}");
        }
        // More descriptors than there is room for.
        let mut entry = zeros(5, 0, 20_000, 9);
        entry[24..28].fill(0xFF);
        seal(&mut entry);
        assert!(unusable(replayed(&[(0, entry)]).1));
        let file: Arc<dyn Device> = Arc::new(MemoryDevice::new(vec![0; 100]));
        for (offset, len) in [(0, 0), (0, 4096), (u64::MAX, 8192), (0, u32::MAX)] {
            assert!(unusable(replay(&file, &LogPlace { offset, len, id: ID }).1));
        }
    }
}
