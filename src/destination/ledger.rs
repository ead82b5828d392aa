//! Records what was written to a file since its last flush. After a lost
//! connection, Lifeboat checks the file against it: a server that crashed may have
//! accepted bytes and lost them, and with reading back off nothing else notices.

use std::fmt;
use std::hash::Hasher;

use twox_hash::XxHash3_64;

use super::DestinationError;

/// Only this many ranges are remembered. Sequential writes always make one.
const MAX_PIECES: usize = 4096;

/// Bytes read at a time for the check.
const READ: usize = 1 << 20;

/// A range of bytes that was written, and its digest.
#[derive(Clone)]
pub(super) struct Piece {
    start: u64,
    end: u64,
    /// XXH3: detects lost bytes. It does not protect against forgery, which is not
    /// a threat here.
    digest: XxHash3_64,
}

/// The ranges of one file.
#[derive(Default)]
pub(super) struct Ledger {
    pieces: Vec<Piece>,
    /// There were more ranges than are remembered.
    overflowed: bool,
    /// Something changed since the last flush, perhaps only the size.
    dirty: bool,
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pieces, overflowed, dirty } = self;
        write!(f, "Ledger {{ {} pieces, overflowed: {overflowed}, dirty: {dirty} }}", pieces.len())
    }
}

impl Ledger {
    /// The range that results from writing `data` at `offset`. May be computed
    /// during the write; [`Ledger::put`] keeps it.
    pub(super) fn piece(&self, offset: u64, data: &[u8]) -> Piece {
        let mut piece = match self.pieces.last() {
            Some(last) if last.end == offset => last.clone(),
            _ => Piece { start: offset, end: offset, digest: XxHash3_64::new() },
        };
        piece.digest.write(data);
        piece.end = piece.end.saturating_add(data.len() as u64);
        piece
    }

    /// Adds a range after it was written. Ranges that it overlaps are dropped:
    /// they were overwritten.
    pub(super) fn put(&mut self, piece: Piece) {
        self.dirty = true;
        self.pieces.retain(|old| old.end <= piece.start || old.start >= piece.end);
        if self.pieces.len() >= MAX_PIECES {
            self.pieces.clear();
            self.overflowed = true;
        }
        self.pieces.push(piece);
    }

    /// The file was truncated or extended to `bytes`.
    pub(super) fn resized(&mut self, bytes: u64) {
        self.dirty = true;
        self.pieces.retain(|piece| piece.end <= bytes);
    }

    /// Whether there is anything to flush.
    pub(super) fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// Everything is on the medium.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Whether the file, read by `read_at`, still has everything that was written.
    pub(super) fn is_kept(
        &self,
        mut read_at: impl FnMut(u64, &mut [u8]) -> Result<usize, DestinationError>,
    ) -> Result<bool, DestinationError> {
        if self.overflowed {
            return Ok(false);
        }
        let mut buffer = vec![0; READ];
        for piece in &self.pieces {
            let mut digest = XxHash3_64::new();
            let mut at = piece.start;
            while at < piece.end {
                let left = usize::try_from(piece.end - at).unwrap_or(READ).min(READ);
                let part = &mut buffer[..left];
                if read_at(at, part)? != left {
                    return Ok(false);
                }
                digest.write(part);
                at = at.saturating_add(left as u64);
            }
            if digest.finish() != piece.digest.finish() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn write(ledger: &mut Ledger, file: &mut Vec<u8>, offset: usize, data: &[u8]) {
        ledger.put(ledger.piece(offset as u64, data));
        let end = offset + data.len();
        if file.len() < end {
            file.resize(end, 0);
        }
        file[offset..end].copy_from_slice(data);
    }

    fn is_kept(ledger: &Ledger, file: &[u8]) -> bool {
        let read = |at: u64, buf: &mut [u8]| {
            let from = usize::try_from(at).unwrap().min(file.len());
            let n = buf.len().min(file.len() - from);
            buf[..n].copy_from_slice(&file[from..from + n]);
            Ok(n)
        };
        ledger.is_kept(read).unwrap()
    }

    #[test]
    fn a_lost_byte_is_noticed_and_a_kept_file_is_not() {
        let (mut ledger, mut file) = (Ledger::default(), Vec::new());
        for i in 0..100 {
            let offset = file.len();
            write(&mut ledger, &mut file, offset, &vec![i; 1000 + usize::from(i)]);
        }
        assert_eq!(ledger.pieces.len(), 1);
        assert!(is_kept(&ledger, &file));
        for at in [0, 5000, file.len() - 1] {
            let mut lost = file.clone();
            lost[at] ^= 1;
            assert!(!is_kept(&ledger, &lost), "{at}");
        }
        let mut zeros = file.clone();
        zeros[50_000..54_096].fill(0);
        assert!(!is_kept(&ledger, &zeros));
        assert!(!is_kept(&ledger, &file[..file.len() - 1]));
    }

    #[test]
    fn what_is_not_remembered_is_not_vouched_for() {
        let (mut ledger, mut file) = (Ledger::default(), Vec::new());
        for i in 0..=MAX_PIECES {
            write(&mut ledger, &mut file, i * 2, b"x");
        }
        assert!(!is_kept(&ledger, &file));
        ledger.clear();
        assert!(is_kept(&ledger, &file) && !ledger.is_dirty());
    }

    proptest! {
        #[test]
        fn any_order_of_writes_and_cuts_is_kept(
            steps in prop::collection::vec((0_usize..5000, prop::collection::vec(any::<u8>(), 0..3000), any::<bool>()), 1..30)
        ) {
            let (mut ledger, mut file) = (Ledger::default(), Vec::new());
            for (offset, data, cut) in steps {
                write(&mut ledger, &mut file, offset, &data);
                if cut {
                    file.resize(offset, 0);
                    ledger.resized(offset as u64);
                }
                prop_assert!(is_kept(&ledger, &file));
            }
        }
    }
}
