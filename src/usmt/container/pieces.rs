//! The pieces of a container as one run of bytes: read forward, and opened again to go back.

use crate::model::loss::Hole;
use crate::tree::{Stream, TreeError};

/// Opens the pieces of a container from their first byte, in order.
pub(crate) type OpenPieces<'a> = Box<dyn Fn() -> Result<Vec<Box<dyn Stream>>, TreeError> + 'a>;

/// Bytes that are read at a time.
const CHUNK: usize = 64 << 10;
/// The number of holes that are kept.
const HOLE_LIMIT: usize = 1000;

pub(super) struct Pieces<'a> {
    open: OpenPieces<'a>,
    streams: std::vec::IntoIter<Box<dyn Stream>>,
    current: Option<Box<dyn Stream>>,
    /// The container's byte at which the current piece begins.
    current_from: u64,
    left_in_current: u64,
    /// The holes of the current piece that are known already.
    known_holes: usize,
    /// Bytes that were read, and the container's byte at which they begin.
    window: Vec<u8>,
    window_from: u64,
    position: u64,
    len: u64,
    /// Ranges that the medium did not give; they read as zeros.
    holes: Vec<Hole>,
    /// Bytes that may still be read a second time.
    may_go_back: u64,
}

impl<'a> Pieces<'a> {
    pub(super) fn new(open: OpenPieces<'a>) -> Result<Self, TreeError> {
        let streams = open()?;
        let len = streams.iter().map(|piece| piece.len()).fold(0, u64::saturating_add);
        Ok(Self {
            open,
            streams: streams.into_iter(),
            current: None,
            current_from: 0,
            left_in_current: 0,
            known_holes: 0,
            window: Vec::new(),
            window_from: 0,
            position: 0,
            len,
            holes: Vec::new(),
            may_go_back: len.max(CHUNK as u64),
        })
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// The first hole in a range, for people.
    pub(super) fn hole_in(&self, from: u64, to: u64) -> Option<&Hole> {
        let overlaps =
            |hole: &&Hole| hole.offset < to && hole.offset.saturating_add(hole.length) > from;
        self.holes.iter().find(overlaps)
    }

    /// What is wrong with the pieces as a whole, although all bytes came.
    pub(super) fn doubt(&self) -> Option<&Hole> {
        self.holes.iter().find(|hole| hole.length == 0)
    }

    /// Whether it may still go back that far: all the ways back together are no longer than the
    /// container, so that damage never costs more than reading it twice.
    pub(super) fn spend_way_back(&mut self, to: u64) -> bool {
        let Some(left) = self.may_go_back.checked_sub(self.position.saturating_sub(to)) else {
            return false;
        };
        self.may_go_back = left;
        true
    }

    /// The next read begins at byte `to`.
    pub(super) fn seek(&mut self, to: u64) -> Result<(), TreeError> {
        let to = to.min(self.len);
        if to < self.window_from {
            self.streams = (self.open)()?.into_iter();
            self.current = None;
            (self.current_from, self.left_in_current) = (0, 0);
            self.window.clear();
            self.window_from = 0;
        }
        self.position = to;
        let read_to = self.window_from + self.window.len() as u64;
        if to > read_to {
            self.window.clear();
            self.window_from = read_to;
            self.skip(to - read_to)?;
        }
        Ok(())
    }

    /// The bytes at the position, at least `want` of them; fewer only at the end.
    pub(super) fn ensure(&mut self, want: usize) -> Result<&[u8], TreeError> {
        if self.available().len() < want {
            let used = usize::try_from(self.position - self.window_from).unwrap_or(usize::MAX);
            self.window.drain(..used.min(self.window.len()));
            self.window_from = self.position;
            self.fill(want.max(CHUNK))?;
        }
        Ok(self.available())
    }

    fn available(&self) -> &[u8] {
        let used = usize::try_from(self.position - self.window_from).unwrap_or(usize::MAX);
        self.window.get(used..).unwrap_or_default()
    }

    /// Reads until the window has `want` bytes, or the pieces end.
    fn fill(&mut self, want: usize) -> Result<(), TreeError> {
        let mut filled = self.window.len();
        self.window.resize(want.max(filled), 0);
        let mut result = Ok(());
        while filled < self.window.len() {
            let Some(stream) = self.current.as_mut().filter(|_| self.left_in_current > 0) else {
                if self.next_piece() {
                    continue;
                }
                break;
            };
            match stream.read(&mut self.window[filled..]) {
                Ok(0) => self.left_in_current = 0,
                Ok(n) => {
                    self.left_in_current = self.left_in_current.saturating_sub(n as u64);
                    filled += n;
                }
                Err(error) => {
                    result = Err(error);
                    break;
                }
            }
            self.note_holes();
        }
        self.window.truncate(filled);
        result
    }

    /// Passes over bytes that were not read.
    fn skip(&mut self, mut bytes: u64) -> Result<(), TreeError> {
        while bytes > 0 {
            let Some(stream) = self.current.as_mut().filter(|_| self.left_in_current > 0) else {
                if self.next_piece() {
                    continue;
                }
                break;
            };
            let now = bytes.min(self.left_in_current);
            stream.skip(now)?;
            self.left_in_current -= now;
            self.window_from += now;
            bytes -= now;
        }
        Ok(())
    }

    fn next_piece(&mut self) -> bool {
        if let Some(done) = &self.current {
            self.current_from = self.current_from.saturating_add(done.len());
        }
        self.current = self.streams.next();
        self.left_in_current = self.current.as_ref().map_or(0, |piece| piece.len());
        self.known_holes = 0;
        self.current.is_some()
    }

    fn note_holes(&mut self) {
        let Some(stream) = &self.current else { return };
        for hole in stream.holes().iter().skip(self.known_holes) {
            let offset = self.current_from.saturating_add(hole.offset);
            let is_known = self.holes.iter().any(|known| known.offset == offset);
            if !is_known && self.holes.len() < HOLE_LIMIT {
                self.holes.push(Hole { offset, ..hole.clone() });
            }
        }
        self.known_holes = stream.holes().len();
    }
}
