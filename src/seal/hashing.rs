//! Hashes on separate threads while the next bytes are read: without the
//! processor's instructions, SHA-256 is slower than a good disk.

use std::collections::VecDeque;
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded};
use sha2::{Digest, Sha256};

use crate::model::threads;

/// A finished hash.
pub(crate) type Hash = [u8; 32];

/// The size of a piece.
const CHUNK: usize = 1 << 20;
/// The number of pieces of one stream in the queue.
const PIECES: usize = 4;
/// The number of streams with unfinished hashes.
const WAITING: usize = 256;

/// A stream to hash.
enum Job {
    /// The whole stream.
    Whole(Vec<u8>, Sender<Hash>),
    /// Piece by piece, until the sender of the pieces is dropped.
    Pieces(Receiver<Vec<u8>>, Sender<Hash>),
}

/// Hashes streams, one at a time, and returns each hash with its context, in
/// order.
pub(crate) struct Hashers<T> {
    jobs: Sender<Job>,
    now: Option<Now>,
    waiting: VecDeque<(T, Receiver<Hash>)>,
    /// No thread could be started: it hashes by itself.
    is_alone: bool,
}

/// The current stream.
struct Now {
    bytes: Vec<u8>,
    pieces: Option<(Sender<Vec<u8>>, Receiver<Hash>)>,
    /// Of a stream that is hashed here.
    hash: Sha256,
}

impl<T> Hashers<T> {
    /// Starts the threads. They end when this is dropped.
    pub(crate) fn new() -> Self {
        let threads = thread::available_parallelism().map_or(1, usize::from).clamp(1, 4);
        let (jobs, queue) = bounded::<Job>(threads);
        let start = |_| {
            let queue = queue.clone();
            threads::start("hash", move || work(&queue)).ok()
        };
        let is_alone = (0..threads).map_while(start).count() == 0;
        Self { jobs, now: None, waiting: VecDeque::new(), is_alone }
    }

    /// A new stream begins; an unfinished one is discarded.
    pub(crate) fn begin(&mut self) {
        self.now = Some(Now { bytes: Vec::new(), pieces: None, hash: Sha256::new() });
    }

    /// The next bytes of the stream.
    pub(crate) fn bytes(&mut self, mut bytes: &[u8]) {
        let Some(now) = &mut self.now else { return };
        if self.is_alone {
            now.hash.update(bytes);
            return;
        }
        while !bytes.is_empty() {
            let (some, rest) = bytes.split_at(bytes.len().min(CHUNK - now.bytes.len()));
            now.bytes.extend_from_slice(some);
            bytes = rest;
            if now.bytes.len() == CHUNK {
                let piece = std::mem::take(&mut now.bytes);
                let (pieces, _) = now.pieces.get_or_insert_with(|| {
                    let (pieces, from) = bounded(PIECES);
                    let (to, done) = bounded(1);
                    // A closed channel is noticed when the hash is requested.
                    let _ = self.jobs.send(Job::Pieces(from, to));
                    (pieces, done)
                });
                let _ = pieces.send(piece);
            }
        }
    }

    /// The stream is complete; `what` is returned with its hash.
    pub(crate) fn end(&mut self, what: T) {
        let Some(Now { bytes, pieces, hash }) = self.now.take() else { return };
        let done = if self.is_alone {
            let (to, done) = bounded(1);
            let _ = to.send(hash.finalize().into());
            done
        } else if let Some((pieces, done)) = pieces {
            let _ = pieces.send(bytes);
            done
        } else {
            let (to, done) = bounded(1);
            let _ = self.jobs.send(Job::Whole(bytes, to));
            done
        };
        self.waiting.push_back((what, done));
    }

    /// The oldest stream's hash, if it is finished, or if too many are
    /// unfinished; with `wait`, waits for it. `None` if there is none.
    pub(crate) fn take(&mut self, wait: bool) -> Option<(T, Hash)> {
        let (_, done) = self.waiting.front()?;
        let hash = if wait || self.waiting.len() > WAITING {
            // The thread that hashed it cannot end without a panic.
            done.recv().ok()?
        } else {
            done.try_recv().ok()?
        };
        let (what, _) = self.waiting.pop_front()?;
        Some((what, hash))
    }
}

fn work(queue: &Receiver<Job>) {
    for job in queue {
        // The receiver is dropped if the hash is not needed any more.
        let _ = match job {
            Job::Whole(bytes, to) => to.send(Sha256::digest(&bytes).into()),
            Job::Pieces(pieces, to) => {
                let mut hash = Sha256::new();
                pieces.iter().for_each(|piece| hash.update(&piece));
                to.send(hash.finalize().into())
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_come_in_order_whatever_the_sizes() {
        let mut hashers = Hashers::new();
        let mut got: Vec<(usize, Hash)> = Vec::new();
        let sizes = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 9 * CHUNK, 5];
        let all = sizes.iter().cycle().take(700).copied().enumerate();
        let made = |number: usize, size: usize| vec![number.to_le_bytes()[0]; size];
        for (number, size) in all.clone().filter(|(n, size)| *n < 7 || *size < CHUNK) {
            hashers.begin();
            made(number, size).chunks(777_777).for_each(|bytes| hashers.bytes(bytes));
            hashers.end((number, size));
            while let Some(((number, _), hash)) = hashers.take(false) {
                got.push((number, hash));
            }
        }
        while let Some(((number, _), hash)) = hashers.take(true) {
            got.push((number, hash));
        }
        let expected: Vec<(usize, Hash)> = all
            .filter(|(n, size)| *n < 7 || *size < CHUNK)
            .map(|(number, size)| (number, Sha256::digest(made(number, size)).into()))
            .collect();
        assert!(got == expected);
    }

    #[test]
    fn a_stream_that_is_not_ended_is_forgotten() {
        let mut hashers = Hashers::new();
        hashers.begin();
        hashers.bytes(&vec![1; 3 * CHUNK]);
        hashers.begin();
        hashers.bytes(b"abc");
        hashers.end(());
        assert_eq!(hashers.take(true), Some(((), Sha256::digest(b"abc").into())));
        assert_eq!(hashers.take(true), None);
    }
}
