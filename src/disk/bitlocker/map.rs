//! Which bytes of the view lie where on the volume, and how they are stored.

use std::ops::Range;

use super::eow::{EowMaps, Piece as StoredPiece, Stored};
use super::error::{BitLockerError, Doubt, InConversion};
use super::header::VolumeHeader;
use super::metadata::{AREA, Metadata};

/// The largest spare place for the volume's first sectors: 8 KiB is normal.
const MAX_SPARE: u64 = 1 << 20;

/// What is at a piece of the view.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Content {
    /// What BitLocker keeps for itself: zeros.
    Hidden,
    /// Stored as it is, from this byte of the volume on.
    Plain(u64),
    /// Encrypted, from this byte of the volume on.
    Encrypted(u64),
    /// Cannot be read.
    InConversion(InConversion),
}

/// A piece of the view.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Piece {
    pub(super) range: Range<u64>,
    pub(super) content: Content,
}

/// The pieces of a view: in order, without gaps, from 0 to its end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Map {
    pub(super) pieces: Vec<Piece>,
    pub(super) doubts: Vec<Doubt>,
    /// Bytes of the volume that are stored encrypted.
    pub(super) encrypted: u64,
}

impl Map {
    /// The map of a volume of `len` bytes.
    pub(super) fn new(
        header: &VolumeHeader,
        metadata: &Metadata,
        eow: Option<&EowMaps>,
        len: u64,
    ) -> Result<Self, BitLockerError> {
        let (spare, spare_len) = metadata.spare;
        let wrong = |at, what| BitLockerError::Layout { at, what };
        let unit = u64::from(header.sector_bytes);
        let is_aligned = spare.is_multiple_of(unit) && spare_len.is_multiple_of(unit);
        if spare_len == 0 || spare_len > MAX_SPARE || spare < spare_len || !is_aligned {
            return Err(wrong(spare, "the place of the volume's first sectors makes no sense"));
        }
        if spare.checked_add(spare_len).is_none_or(|end| end > len) {
            return Err(BitLockerError::CutShort { at: spare });
        }
        let mut hidden: Vec<Range<u64>> =
            metadata.areas.iter().map(|at| *at..at.saturating_add(AREA)).collect();
        hidden.push(spare..spare + spare_len);
        hidden.sort_by_key(|range| range.start);
        if hidden.windows(2).any(|pair| pair[0].end > pair[1].start)
            || hidden.first().is_some_and(|first| first.start < spare_len)
        {
            return Err(wrong(spare, "the copies of the metadata overlap"));
        }
        hidden.extend(eow.into_iter().flat_map(|eow| eow.hidden.iter().cloned()));
        let mut map = Self { pieces: Vec::new(), doubts: Vec::new(), encrypted: 0 };
        if hidden.iter().any(|range| range.end > len) {
            map.doubts.push(Doubt::CutShort);
        }
        let stored = map.stored(metadata, eow, &hidden, len);
        map.encrypted = stored
            .iter()
            .filter(|(_, stored)| *stored == Stored::Encrypted)
            .map(|(range, _)| range.end - range.start)
            .sum();
        map.add(&stored, 0..spare_len, spare);
        let mut at = spare_len;
        hidden.sort_by_key(|range| range.start);
        hidden.push(len..len);
        for range in hidden {
            let (start, end) = (range.start.clamp(at, len), range.end.clamp(at, len));
            map.add(&stored, at..start, at);
            map.push(start..end, Content::Hidden);
            at = end;
        }
        Ok(map)
    }

    /// How each byte of the volume is stored, from 0 to its end.
    fn stored(
        &mut self,
        metadata: &Metadata,
        eow: Option<&EowMaps>,
        hidden: &[Range<u64>],
        len: u64,
    ) -> Vec<StoredPiece> {
        if metadata.is_plain() {
            return vec![(0..len, Stored::Plain)];
        }
        // Converted from front to back; the rule goes by where a byte is stored.
        let until = match metadata.encrypted {
            0 => len,
            until => until.min(len),
        };
        // State 2: the conversion was interrupted within a piece (dislocker).
        let piece = if metadata.state == 2 { metadata.in_conversion.into() } else { 0 };
        let piece_end = until.saturating_add(piece).min(len);
        let by_mark = [
            (0..until, Stored::Encrypted),
            (until..piece_end, Stored::InConversion),
            (piece_end..len, Stored::Plain),
        ];
        let Some(eow) = eow else {
            let all: Vec<_> = by_mark.into_iter().filter(|(range, _)| !range.is_empty()).collect();
            self.note_in_conversion(&all);
            return all;
        };
        let mut all: Vec<StoredPiece> = Vec::with_capacity(eow.pieces.len() + 8);
        let mut gaps = 0;
        let mut at = 0;
        let end = [(len..len, Stored::Plain)];
        for (range, stored) in eow.pieces.iter().chain(&end) {
            let (start, end) = (range.start.clamp(at, len), range.end.clamp(at, len));
            for (marked, by_mark) in &by_mark {
                let gap = marked.start.clamp(at, start)..marked.end.clamp(at, start);
                if !gap.is_empty() {
                    gaps += uncovered(&gap, hidden);
                    all.push((gap, *by_mark));
                }
            }
            if start < end {
                all.push((start..end, *stored));
            }
            at = end;
        }
        let not_covered = ["it does not cover the whole volume"];
        let wrong = if eow.wrong.is_empty() && gaps > 0 { &not_covered } else { &*eow.wrong };
        // What the maps lack is told once.
        let bytes = std::iter::once(gaps).chain(std::iter::repeat(0));
        let doubts = wrong.iter().zip(bytes);
        self.doubts.extend(doubts.map(|(why, bytes)| Doubt::ConversionMap { why, bytes }));
        self.note_in_conversion(&all);
        all
    }

    fn note_in_conversion(&mut self, all: &[StoredPiece]) {
        let pieces = all.iter().filter(|(_, stored)| *stored == Stored::InConversion);
        self.doubts.extend(pieces.map(|(range, _)| Doubt::InConversion(in_conversion(range))));
    }

    /// Adds the view's bytes at `view`, which are stored from `from` on.
    fn add(&mut self, stored: &[StoredPiece], view: Range<u64>, from: u64) {
        let end = from.saturating_add(view.end.saturating_sub(view.start));
        let first = stored.partition_point(|(range, _)| range.end <= from);
        for (range, how) in stored.iter().skip(first).take_while(|(range, _)| range.start < end) {
            let (start, stop) = (range.start.max(from), range.end.min(end));
            let shown = |at: u64| view.start + (at - from);
            let content = match how {
                Stored::Plain => Content::Plain(start),
                Stored::Encrypted => Content::Encrypted(start),
                Stored::InConversion => Content::InConversion(in_conversion(range)),
            };
            self.push(shown(start)..shown(stop), content);
        }
    }

    fn push(&mut self, range: Range<u64>, content: Content) {
        if range.is_empty() {
            return;
        }
        if let Some(last) = self.pieces.last_mut() {
            let len = last.range.end - last.range.start;
            let goes_on = match (last.content, content) {
                (Content::Plain(a), Content::Plain(b))
                | (Content::Encrypted(a), Content::Encrypted(b)) => a + len == b,
                (a, b) => a == b,
            };
            if goes_on {
                last.range.end = range.end;
                return;
            }
        }
        self.pieces.push(Piece { range, content });
    }
}

/// Bytes of `range` that are in none of `hidden`.
fn uncovered(range: &Range<u64>, hidden: &[Range<u64>]) -> u64 {
    let within =
        hidden.iter().map(|h| h.end.min(range.end).saturating_sub(h.start.max(range.start)));
    (range.end - range.start).saturating_sub(within.sum())
}

fn in_conversion(range: &Range<u64>) -> InConversion {
    InConversion { start: range.start, len: range.end - range.start }
}
