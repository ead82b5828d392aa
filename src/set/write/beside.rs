//! Reads back what a run has written while it writes on: over a network, which carries both ways
//! at once, that costs no time. Only bytes that are on the medium are read.
//!
//! It decides nothing: what it could not read, or did not find as it was written, is read after
//! the writing, as everything is where a destination cannot do both at once.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, unbounded};

use crate::destination::BesideReader;
use crate::model::threads::{self, NoThread};
use crate::set::format::digest::{BLOCK, is_block};

/// Blocks of one read: each read waits for the server.
const AT_ONCE: usize = 4;
/// The largest sector of a disk, in bytes.
const SECTOR: usize = 4096;

/// How many whole blocks at the start of each file were read back and are as they were written,
/// by the file's final name.
pub(crate) type Verified = HashMap<String, usize>;

/// The bytes of these blocks.
pub(crate) fn bytes_of(verified: &Verified) -> u64 {
    verified.values().fold(0, |sum, blocks| sum + *blocks as u64 * BLOCK as u64)
}

/// Whole blocks of a file that are on the medium.
pub(crate) struct Settled {
    /// The file's path at the destination, which stays as long as it is written.
    pub(crate) path: String,
    /// Its final name in the set.
    pub(crate) name: String,
    /// The digests of the blocks that follow those of which was said before.
    pub(crate) digests: Vec<u128>,
}

/// The thread that reads back.
pub(crate) struct ReadBackBeside {
    settled: Option<Sender<Settled>>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<Verified>>,
}

impl ReadBackBeside {
    /// Starts it. `target` is another way to the destination than that of the writing.
    ///
    /// # Errors
    /// No thread can be started.
    pub(crate) fn start(mut target: Box<dyn BesideReader>) -> Result<Self, NoThread> {
        // Digests only: 16 bytes for each MiB that is not read yet.
        let (settled, news) = unbounded();
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let thread = threads::start("read back", move || follow(&mut *target, &news, &over))?;
        Ok(Self { settled: Some(settled), is_over, thread: Some(thread) })
    }

    /// Where to say what can be read.
    pub(crate) fn settled(&self) -> Option<Sender<Settled>> {
        self.settled.clone()
    }

    /// Ends it after what is being read.
    pub(crate) fn stop(mut self) -> Verified {
        self.end();
        self.thread.take().and_then(|thread| thread.join().ok()).unwrap_or_default()
    }

    fn end(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.settled = None;
    }
}

/// An error of the writing ends it, too. Nobody waits for it then: its server may be gone.
impl Drop for ReadBackBeside {
    fn drop(&mut self) {
        self.end();
    }
}

/// Reads until the writing is over, or something is not as it should be.
fn follow(
    target: &mut dyn BesideReader,
    news: &Receiver<Settled>,
    is_over: &AtomicBool,
) -> Verified {
    let mut verified = Verified::new();
    let mut memory = vec![0; AT_ONCE * BLOCK + SECTOR];
    // Windows reads past its cache into whole sectors only.
    let start = memory.as_ptr().align_offset(SECTOR).min(SECTOR);
    let Some(buf) = memory.get_mut(start..start + AT_ONCE * BLOCK) else { return verified };
    for Settled { path, name, digests } in news {
        let known = verified.entry(name).or_default();
        for digests in digests.chunks(AT_ONCE) {
            if is_over.load(Ordering::Relaxed) {
                return verified;
            }
            let buf = &mut buf[..digests.len() * BLOCK];
            let read = target.read_at(&path, *known as u64 * BLOCK as u64, buf).unwrap_or(0);
            for (digest, block) in digests.iter().zip(buf[..read].chunks(BLOCK)) {
                if !is_block(*digest, block) {
                    return verified;
                }
                *known += 1;
            }
            if read < buf.len() {
                return verified;
            }
        }
    }
    verified
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::destination::DestinationError;
    use crate::set::format::digest::Blocks;

    struct Bytes(Vec<u8>);

    impl BesideReader for Bytes {
        fn read_at(
            &mut self,
            path: &str,
            offset: u64,
            buf: &mut [u8],
        ) -> Result<usize, DestinationError> {
            assert_eq!((path, buf.as_ptr().align_offset(SECTOR)), ("a.partial", 0));
            let rest = self.0.get(usize::try_from(offset).unwrap()..).unwrap_or_default();
            let read = rest.len().min(buf.len());
            buf[..read].copy_from_slice(&rest[..read]);
            Ok(read)
        }
    }

    fn run(bytes: &[u8], said: &[u8]) -> Verified {
        let mut blocks = Blocks::default();
        blocks.update(said);
        let mut reader = ReadBackBeside::start(Box::new(Bytes(bytes.to_vec()))).unwrap();
        let settled = reader.settled().unwrap();
        for digests in blocks.whole(0).chunks(2) {
            let news = Settled {
                path: "a.partial".to_owned(),
                name: "a".to_owned(),
                digests: digests.to_vec(),
            };
            settled.send(news).unwrap();
        }
        drop(settled);
        // To the end of what was said.
        reader.settled = None;
        reader.thread.take().unwrap().join().unwrap()
    }

    #[test]
    fn whole_blocks_are_verified_up_to_the_first_that_differs() {
        let bytes: Vec<u8> = (0..3 * BLOCK + 5).map(|i| (i / 7).to_le_bytes()[0]).collect();
        assert_eq!(run(&bytes, &bytes), [("a".to_owned(), 3)].into());
        let mut other = bytes.clone();
        other[BLOCK + 1] ^= 1;
        assert_eq!(run(&other, &bytes), [("a".to_owned(), 1)].into());
        assert_eq!(run(&bytes[..2 * BLOCK - 1], &bytes), [("a".to_owned(), 1)].into());
    }
}
