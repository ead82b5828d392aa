//! Frames in order, shared by consecutive readers. Nothing is read before the first
//! request.

use std::sync::{Arc, Mutex, PoisonError};

use super::source::{ReadAheadFrames, Shared, Source};
use crate::set::error::SetError;

/// Up to this distance, frames are read and skipped rather than starting again at a
/// later one: this is how far it reads ahead anyway.
const NEAR: u64 = 8;

/// See the module. Streams are best requested in the order of the set. Going back, or far
/// ahead, is possible and starts again there.
pub(crate) struct SequentialCursor {
    shared: Arc<Shared>,
    /// The last requested frame, and the reader ahead of it.
    ahead: Mutex<Option<(u64, ReadAheadFrames)>>,
}

impl SequentialCursor {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared), ahead: Mutex::new(None) }
    }

    /// Whether this frame was passed already: to go back is slow.
    pub(crate) fn is_passed(&self, frame: u64) -> bool {
        let ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        ahead.as_ref().is_some_and(|(last, _)| *last > frame)
    }

    pub(crate) fn frame(&self, frame: u64) -> Result<Arc<Vec<u8>>, SetError> {
        let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, in_turn) = match ahead.take() {
            Some(state) if state.0 <= frame && frame - state.0 <= NEAR => ahead.insert(state),
            _ => ahead.insert((frame, ReadAheadFrames::new(&self.shared, frame, false)?)),
        };
        *last = frame;
        in_turn.frame(frame)
    }
}
