//! The plain content of frames: in any order, or sequentially with a few read and
//! decompressed ahead.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded};
use sha2::{Digest, Sha256};

use super::index::{Index, Place};
use super::volumes::Volumes;
use crate::destination::Destination;
use crate::model::threads;
use crate::set::error::SetError;
use crate::set::format::digest::xxh128_hex;
use crate::set::format::frames::Unpacker;
use crate::set::format::hash::finish_hex;

/// What all readers of a set share.
pub(crate) struct Shared {
    pub(crate) target: Arc<dyn Destination>,
    pub(crate) volumes: Volumes,
    pub(crate) index: Index,
}

impl Shared {
    fn packed(&self, frame: u64) -> Result<(Place, Vec<u8>), SetError> {
        let place = self.index.get(frame).filter(|place| place.packed > 0);
        let place = place.ok_or_else(|| self.damaged(frame, "its location is unknown"))?;
        let mut bytes = vec![0; place.packed as usize];
        self.volumes.read(&*self.target, place.offset, &mut bytes)?;
        Ok((place, bytes))
    }

    /// An error about a frame.
    pub(crate) fn damaged(&self, frame: u64, what: &str) -> SetError {
        let place = self.index.get(frame).and_then(|place| self.volumes.place(place.offset));
        let (volume, offset) = place.unwrap_or_default();
        let path = self.volumes.list().get(volume).map_or("", |volume| volume.path.as_str());
        let what = match what.strip_prefix("frame ") {
            Some(_) => what.to_owned(), // the frame is already in the text
            None => format!("frame {frame}: {what}"),
        };
        SetError::Damaged { path: self.target.display(path), offset, what }
    }
}

/// A source of plain frames.
pub(crate) trait Source {
    /// The plain content of a frame.
    fn frame(&mut self, frame: u64) -> Result<Arc<Vec<u8>>, SetError>;
}

/// Frames in any order; keeps the last few.
pub(crate) struct RandomAccessFrames {
    shared: Arc<Shared>,
    unpacker: Unpacker,
    kept: VecDeque<(u64, Arc<Vec<u8>>)>,
}

impl RandomAccessFrames {
    const KEPT: usize = 4;

    pub(crate) fn new(shared: Arc<Shared>) -> Result<Self, SetError> {
        Ok(Self { shared, unpacker: Unpacker::new()?, kept: VecDeque::new() })
    }
}

impl Source for RandomAccessFrames {
    fn frame(&mut self, frame: u64) -> Result<Arc<Vec<u8>>, SetError> {
        if let Some((_, plain)) = self.kept.iter().find(|(number, _)| *number == frame) {
            return Ok(Arc::clone(plain));
        }
        let (place, packed) = self.shared.packed(frame)?;
        let mut plain = Vec::new();
        self.unpacker
            .unpack(&packed, u64::from(place.plain), &mut plain)
            .map_err(|what| self.shared.damaged(frame, &what))?;
        let plain = Arc::new(plain);
        self.kept.truncate(Self::KEPT - 1);
        self.kept.push_front((frame, Arc::clone(&plain)));
        Ok(plain)
    }
}

/// A frame that was read ahead.
type Ahead = Receiver<Result<Unpacked, SetError>>;

struct Unpacked {
    plain: Vec<u8>,
    /// XXH3 of the compressed bytes, if hashes are requested.
    xxh128: Option<String>,
}

/// Frames in order, read ahead. An earlier frame is possible too, but slow. Ends its
/// threads on drop.
pub(crate) struct ReadAheadFrames {
    shared: Arc<Shared>,
    ahead: Receiver<(u64, Ahead)>,
    /// The last requested frame: its content, or what is wrong.
    now: Option<(u64, Plain)>,
    /// The hashes of frames that were passed, or what is wrong with them.
    hashes: VecDeque<(u64, Result<String, String>)>,
    hashing: bool,
    /// For frames that were passed already.
    back: Option<RandomAccessFrames>,
    volume_hashes: Arc<Mutex<Vec<Option<String>>>>,
}

type Plain = Result<Arc<Vec<u8>>, String>;
type Job = (Place, Vec<u8>, Sender<Result<Unpacked, SetError>>);

impl ReadAheadFrames {
    /// Reads from frame `first`. With `hashing`, also hashes frames and volumes; this
    /// requires `first` to be 0.
    pub(crate) fn new(shared: &Arc<Shared>, first: u64, hashing: bool) -> Result<Self, SetError> {
        let threads = thread::available_parallelism().map_or(1, usize::from).min(8);
        // Limits the memory: a frame plain and compressed each.
        let (ahead_to, ahead) = bounded(threads + 2);
        let (jobs_to, jobs) = bounded::<(u64, Job)>(threads);
        let volume_hashes = Arc::new(Mutex::new(Vec::new()));
        for number in 0..threads {
            let (jobs, shared) = (jobs.clone(), Arc::clone(shared));
            match threads::start("unpack", move || unpack(&shared, &jobs, hashing)) {
                Err(_) if number > 0 => break, // one is enough
                started => drop(started?),
            }
        }
        let (own, hashes) = (Arc::clone(shared), Arc::clone(&volume_hashes));
        let fetch = move || fetch(&own, first, hashing, &ahead_to, &jobs_to, &hashes);
        threads::start("fetch", fetch)?;
        let shared = Arc::clone(shared);
        let hashes = VecDeque::new();
        Ok(Self { shared, ahead, now: None, hashes, hashing, back: None, volume_hashes })
    }

    /// The hash of a compressed frame, or what is wrong with it; once for each, in order.
    /// Reads frames that were not requested yet.
    pub(crate) fn take_hash(&mut self, frame: u64) -> Result<String, SetError> {
        if self.now.as_ref().is_none_or(|(number, _)| *number < frame) {
            // The hash shows what is wrong with the frame itself.
            if let Err(error @ SetError::Destination(_)) = self.frame(frame) {
                return Err(error);
            }
        }
        while let Some((number, hash)) = self.hashes.pop_front() {
            if number == frame {
                return hash.map_err(|what| self.shared.damaged(frame, &what));
            }
        }
        Err(self.shared.damaged(frame, "there is no such frame"))
    }

    /// Reads everything that is left; returns the hash of each volume in hex, `None` for one
    /// that could not be read completely.
    pub(crate) fn finish(self) -> Vec<Option<String>> {
        for (_, ahead) in &self.ahead {
            drop(ahead.recv());
        }
        let hashes = self.volume_hashes.lock().unwrap_or_else(PoisonError::into_inner);
        hashes.clone()
    }
}

impl Source for ReadAheadFrames {
    fn frame(&mut self, frame: u64) -> Result<Arc<Vec<u8>>, SetError> {
        while self.now.as_ref().is_none_or(|(number, _)| *number < frame) {
            let Ok((number, ahead)) = self.ahead.recv() else {
                return Err(self.shared.damaged(frame, "there is no such frame"));
            };
            let unpacked = match ahead.recv() {
                Ok(Ok(unpacked)) => Ok(unpacked),
                Ok(Err(error @ SetError::Destination(_))) => return Err(error),
                Ok(Err(SetError::Damaged { what, .. })) => Err(what),
                Ok(Err(error)) => Err(error.to_string()),
                Err(_) => Err("the thread that decompressed it failed".to_owned()),
            };
            let unpacked = match unpacked {
                Ok(Unpacked { plain, xxh128 }) => {
                    self.hashes.extend(xxh128.map(|hash| (number, Ok(hash))));
                    Ok(Arc::new(plain))
                }
                Err(what) => {
                    if self.hashing {
                        self.hashes.push_back((number, Err(what.clone())));
                    }
                    Err(what)
                }
            };
            self.now = Some((number, unpacked));
        }
        match &self.now {
            Some((number, Ok(plain))) if *number == frame => Ok(Arc::clone(plain)),
            Some((number, Err(what))) if *number == frame => Err(self.shared.damaged(frame, what)),
            // Passed already: wrong sizes in a set can lead too far ahead.
            _ => {
                let back = match self.back.take() {
                    Some(back) => back,
                    None => RandomAccessFrames::new(Arc::clone(&self.shared))?,
                };
                self.back.insert(back).frame(frame)
            }
        }
    }
}

/// Reads the compressed frames in order.
fn fetch(
    shared: &Shared,
    first: u64,
    hashing: bool,
    ahead_to: &Sender<(u64, Ahead)>,
    jobs_to: &Sender<(u64, Job)>,
    volume_hashes: &Mutex<Vec<Option<String>>>,
) {
    let mut hasher = VolumeHasher::new(&shared.volumes);
    let last = shared.index.places.len() as u64;
    for frame in first..last {
        let (to, ahead) = bounded(1);
        if ahead_to.send((frame, ahead)).is_err() {
            return; // the reader was dropped
        }
        match shared.packed(frame) {
            Ok((place, bytes)) => {
                if hashing {
                    hasher.see(place.offset, &bytes);
                }
                if jobs_to.send((frame, (place, bytes, to))).is_err() {
                    return;
                }
            }
            Err(error) => drop(to.send(Err(error))),
        }
    }
    if hashing {
        let finished = hasher.finish(shared);
        *volume_hashes.lock().unwrap_or_else(PoisonError::into_inner) = finished;
    }
}

fn unpack(shared: &Shared, jobs: &Receiver<(u64, Job)>, hashing: bool) {
    let Ok(mut unpacker) = Unpacker::new() else { return };
    for (frame, (place, packed, to)) in jobs {
        let mut plain = Vec::new();
        let result = unpacker.unpack(&packed, u64::from(place.plain), &mut plain);
        let xxh128 = hashing.then(|| xxh128_hex(&packed));
        let result = result.map(|()| Unpacked { plain, xxh128 });
        drop(to.send(result.map_err(|what| shared.damaged(frame, &what))));
    }
}

/// Hashes volumes from their frames as they are read, so that no byte is read
/// twice.
struct VolumeHasher<'a> {
    volumes: &'a Volumes,
    hash: Sha256,
    /// The next expected byte of the store; anything else is a gap.
    next: u64,
    hashes: Vec<Option<String>>,
    gap: bool,
}

impl<'a> VolumeHasher<'a> {
    fn new(volumes: &'a Volumes) -> Self {
        Self { volumes, hash: Sha256::new(), next: 0, hashes: Vec::new(), gap: false }
    }

    fn see(&mut self, offset: u64, bytes: &[u8]) {
        self.reach(offset);
        self.hash.update(bytes);
        self.next += bytes.len() as u64;
    }

    /// Ends the volumes before `offset`; bytes that were not seen are a gap.
    fn reach(&mut self, offset: u64) {
        while let Some(volume) = self.volumes.list().get(self.hashes.len()) {
            let end = volume.start + volume.size;
            if offset < end {
                break;
            }
            let whole = !self.gap && self.next == end;
            let hash = std::mem::take(&mut self.hash);
            self.hashes.push(whole.then(|| finish_hex(hash)));
            self.gap = false;
            self.next = end;
        }
        self.gap |= offset != self.next;
        self.next = offset;
    }

    /// Reads what follows the frames (the seek table) and ends.
    fn finish(mut self, shared: &Shared) -> Vec<Option<String>> {
        let mut buf = vec![0; 1 << 20];
        let size = self.volumes.size();
        while self.next < size {
            let Some((volume, at)) = self.volumes.place(self.next) else { break };
            let left = self.volumes.list()[volume].size - at;
            let chunk = usize::try_from(left).map_or(buf.len(), |left| left.min(buf.len()));
            if chunk == 0
                || self.volumes.read(&*shared.target, self.next, &mut buf[..chunk]).is_err()
            {
                break;
            }
            self.see(self.next, &buf[..chunk]);
        }
        self.reach(size);
        self.hashes.resize(self.volumes.list().len(), None);
        self.hashes
    }
}
