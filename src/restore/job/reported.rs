//! What was reported as lost, so that the read-back does not report it again. Keeps
//! hashes: there may be a million files.

use std::hash::BuildHasher;

use super::{Job, Place};
use crate::model::name::NtName;
use crate::restore::place::Piece;

impl Job<'_> {
    /// Remembers that this piece of a file was reported as lost.
    pub(super) fn mark_reported(&mut self, place: &Place, piece: Piece<'_>) {
        let hash = self.piece(place.root, &place.at, piece);
        self.reported.insert(hash);
    }

    fn piece(&self, root: usize, at: &[NtName], piece: Piece<'_>) -> u64 {
        self.hasher.hash_one((root, at, piece))
    }

    /// A file with another name now: what was reported of it stays reported.
    pub(super) fn move_report(&mut self, from: &Place, to: &Place, piece: Piece<'_>) {
        let hash = self.piece(from.root, &from.at, piece);
        if self.reported.remove(&hash) {
            self.mark_reported(to, piece);
        }
    }

    /// Whether this piece of the file was reported as lost.
    pub(in crate::restore) fn was_reported(
        &self,
        root: usize,
        at: &[NtName],
        piece: Piece<'_>,
    ) -> bool {
        self.reported.contains(&self.piece(root, at, piece))
    }

    /// Whether a path of the set was not restored, and that was reported.
    pub(in crate::restore) fn refuses(&self, path: Option<&[u8]>) -> bool {
        self.find(path).is_err()
    }

    /// Whether the path was not restored, or existed and keeps its metadata.
    pub(in crate::restore) fn has_left(&self, root: usize, at: &[NtName]) -> bool {
        self.left.contains(&self.hasher.hash_one((root, at)))
    }
}
