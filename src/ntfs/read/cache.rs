//! A few blocks of `$MFT`, so that records beside each other cost one read.

use std::sync::{Arc, Mutex};

/// Bytes of a block.
pub(crate) const BLOCK_BYTES: u64 = 64 << 10;
/// Blocks kept: 2 MiB.
const BLOCKS: usize = 32;

/// The blocks used last, the latest at the end.
#[derive(Default)]
pub(crate) struct Cache {
    blocks: Mutex<Vec<(u64, Arc<[u8]>)>>,
}

impl Cache {
    /// Block `index`, read by `load` when it is not there.
    pub(crate) fn get<E>(
        &self,
        index: u64,
        load: impl FnOnce() -> Result<Vec<u8>, E>,
    ) -> Result<Arc<[u8]>, E> {
        if let Ok(mut blocks) = self.blocks.lock()
            && let Some(i) = blocks.iter().position(|(at, _)| *at == index)
        {
            let block = blocks.remove(i);
            let bytes = Arc::clone(&block.1);
            blocks.push(block);
            return Ok(bytes);
        }
        // Not under the lock: a slow disk holds up nobody else.
        let bytes: Arc<[u8]> = load()?.into();
        if let Ok(mut blocks) = self.blocks.lock() {
            if blocks.len() >= BLOCKS {
                blocks.remove(0);
            }
            blocks.push((index, Arc::clone(&bytes)));
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_read_once_and_the_oldest_goes() {
        let cache = Cache::default();
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
        for index in 10..10 + BLOCKS as u64 {
            cache.get(index, || Ok::<_, ()>(vec![])).unwrap();
        }
        assert_eq!(cache.get(1, || Err("read again")), Err("read again"));
    }
}
