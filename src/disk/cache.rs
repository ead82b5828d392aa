//! A block cache over a device, for small reads of structures.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::disk::device::Device;

/// Bytes in a block: what a disk delivers about as fast as a single sector.
const BLOCK: usize = 64 * 1024;

/// The blocks used last, by their index; the one that was not used for longest goes first.
pub(crate) struct BlockCache {
    blocks: Mutex<Blocks>,
    capacity: usize,
}

#[derive(Default)]
struct Blocks {
    by_index: HashMap<u64, (Arc<[u8]>, u64)>,
    /// Counts uses; a block's stamp is that of its last one.
    clock: u64,
}

impl BlockCache {
    /// Keeps up to `capacity` blocks (one at least).
    pub(crate) fn new(capacity: usize) -> Self {
        Self { blocks: Mutex::default(), capacity: capacity.max(1) }
    }

    /// Block `index`, read by `load` if it is not in the cache.
    pub(crate) fn get<E>(
        &self,
        index: u64,
        load: impl FnOnce() -> Result<Vec<u8>, E>,
    ) -> Result<Arc<[u8]>, E> {
        {
            let mut blocks = self.lock();
            blocks.clock += 1;
            let now = blocks.clock;
            if let Some((block, used)) = blocks.by_index.get_mut(&index) {
                *used = now;
                return Ok(block.clone());
            }
        }
        // Read without the lock: a slow disk must not hold up those who hit.
        let block: Arc<[u8]> = load()?.into();
        let mut blocks = self.lock();
        // A few hundred blocks at most: looking at all is nothing beside a read.
        while blocks.by_index.len() >= self.capacity {
            let oldest = blocks.by_index.iter().min_by_key(|(_, (_, used))| *used);
            let Some(oldest) = oldest.map(|(index, _)| *index) else { break };
            blocks.by_index.remove(&oldest);
        }
        let now = blocks.clock;
        blocks.by_index.insert(index, (block.clone(), now));
        Ok(block)
    }

    fn lock(&self) -> MutexGuard<'_, Blocks> {
        self.blocks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A device whose last blocks are kept, whole and aligned. Reads of more than a block
/// go past it: file data is read once.
pub(crate) struct Cached {
    device: Arc<dyn Device>,
    blocks: BlockCache,
}

impl Cached {
    /// Keeps up to `bytes` of blocks (one block at least).
    pub(crate) fn new(device: Arc<dyn Device>, bytes: usize) -> Self {
        Self { device, blocks: BlockCache::new(bytes / BLOCK) }
    }

    /// The block with this index; shorter at the device's end.
    fn block(&self, index: u64) -> io::Result<Arc<[u8]>> {
        self.blocks.get(index, || {
            let start = index.saturating_mul(BLOCK as u64);
            let len = self.device.len().saturating_sub(start).min(BLOCK as u64);
            let mut bytes = vec![0; usize::try_from(len).unwrap_or(BLOCK)];
            self.device.read_exact_at(start, &mut bytes)?;
            Ok(bytes)
        })
    }
}

impl Device for Cached {
    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        if buf.len() > BLOCK {
            return self.device.read_exact_at(offset, buf);
        }
        let end = offset.checked_add(buf.len() as u64);
        if end.is_none_or(|end| end > self.len()) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let (mut at, mut done) = (offset, 0);
        while done < buf.len() {
            let Ok(block) = self.block(at / BLOCK as u64) else {
                // A bad sector in the block must not hide its neighbours.
                return self.device.read_exact_at(at, &mut buf[done..]);
            };
            let within = usize::try_from(at % BLOCK as u64).unwrap_or(BLOCK);
            let piece = block.get(within..).unwrap_or_default();
            let n = piece.len().min(buf.len() - done);
            if n == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            buf[done..done + n].copy_from_slice(&piece[..n]);
            at += n as u64;
            done += n;
        }
        Ok(())
    }

    fn len(&self) -> u64 {
        self.device.len()
    }

    fn below(&self) -> Option<&dyn Device> {
        Some(&self.device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::memory::MemoryDevice;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Counts reads, and fails those that touch one bad byte.
    struct Flaky(MemoryDevice, AtomicUsize, u64);

    impl Device for Flaky {
        fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
            self.1.fetch_add(1, Ordering::Relaxed);
            if (offset..offset + buf.len() as u64).contains(&self.2) {
                return Err(io::Error::other("bad sector"));
            }
            self.0.read_exact_at(offset, buf)
        }
        fn len(&self) -> u64 {
            self.0.len()
        }
        fn sector_size(&self) -> u32 {
            512
        }
    }

    fn flaky(len: u32, bad: u64) -> Arc<Flaky> {
        let bytes = (0..len).map(|i| (i / 1000).to_le_bytes()[0]).collect();
        Arc::new(Flaky(MemoryDevice::new(bytes), AtomicUsize::new(0), bad))
    }

    #[test]
    fn the_same_block_is_read_once_and_the_oldest_goes_first() {
        let device = flaky(400_000, u64::MAX);
        let cached = Cached::new(device.clone(), 2 * BLOCK);
        let mut buf = [0; 1000];
        let block = BLOCK as u64;
        for (offset, reads) in [
            (0, 1),
            (500, 1),
            (block - 500, 2), // spans blocks 0 and 1
            (0, 2),
            (5 * block, 3), // 1 goes
            (0, 3),
            (block, 4),
        ] {
            cached.read_exact_at(offset, &mut buf).unwrap();
            assert_eq!(device.1.load(Ordering::Relaxed), reads, "after {offset}");
            let mut plain = [0; 1000];
            device.0.read_exact_at(offset, &mut plain).unwrap();
            assert_eq!(buf, plain);
        }
        // The last, short block, and the end.
        cached.read_exact_at(399_000, &mut buf).unwrap();
        assert!(cached.read_exact_at(399_001, &mut buf).is_err());
        assert!(cached.read_exact_at(u64::MAX, &mut buf).is_err());
    }

    #[test]
    fn a_bad_sector_does_not_hide_the_rest_of_its_block() {
        let cached = Cached::new(flaky(400_000, 70_000), 1 << 20);
        let mut buf = [0; 512];
        cached.read_exact_at(80_000, &mut buf).unwrap();
        assert_eq!(buf[0], 80);
        assert!(cached.read_exact_at(69_900, &mut buf).is_err());
    }

    #[test]
    fn blocks_are_read_once_and_the_oldest_goes() {
        let cache = BlockCache::new(32);
        let mut reads = Vec::new();
        for index in [1, 1, 2, 1] {
            cache
                .get(index, || {
                    reads.push(index);
                    Ok::<_, ()>(vec![7])
                })
                .unwrap();
        }
        assert_eq!(reads, [1, 2]);
        for index in 10..10 + 32 {
            cache.get(index, || Ok::<_, ()>(vec![])).unwrap();
        }
        assert_eq!(cache.get(1, || Err("read again")), Err("read again"));
    }
}
