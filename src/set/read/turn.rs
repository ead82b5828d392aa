//! Frames in their order, shared by readers that follow one another. Nothing is
//! read before the first of them asks.

use std::cell::RefCell;
use std::sync::Arc;

use super::source::{ReadAheadFrames, Shared, Source};
use crate::set::error::SetError;

/// Frames that are read though nobody asked for them, rather than begin anew
/// behind them: what is read ahead anyhow.
const NEAR: u64 = 8;

/// See the module. Streams are best asked for in the order of the set; going
/// back, or far ahead, is possible and begins anew there.
pub(crate) struct SequentialCursor {
    shared: Arc<Shared>,
    /// The frame asked for last, and what reads ahead of it.
    ahead: RefCell<Option<(u64, ReadAheadFrames)>>,
}

impl SequentialCursor {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared), ahead: RefCell::new(None) }
    }

    pub(crate) fn frame(&self, frame: u64) -> Result<Arc<Vec<u8>>, SetError> {
        let mut ahead = self.ahead.borrow_mut();
        let (last, in_turn) = match ahead.take() {
            Some(state) if state.0 <= frame && frame - state.0 <= NEAR => ahead.insert(state),
            _ => ahead.insert((frame, ReadAheadFrames::new(&self.shared, frame, false))),
        };
        *last = frame;
        in_turn.frame(frame)
    }
}
