//! `$Bitmap`: which clusters of the volume are in use.

use std::ops::Range;
use std::sync::Arc;

use super::file::File;
use super::volume::Volume;
use crate::ntfs::ondisk::attribute::kind;

/// The record of `$Bitmap`.
const BITMAP: u64 = 6;
/// Bytes of it that are held at a time: 2 million clusters.
const WINDOW: u64 = 256 << 10;

/// Fills a buffer from a byte on; false where that cannot be read.
type ReadAt = Box<dyn FnMut(u64, &mut [u8]) -> bool>;

/// Which clusters are in use, by `$Bitmap`, of which a piece is held.
pub(crate) struct ClusterBitmap {
    /// Bytes of the bitmap.
    size: u64,
    /// Fills a buffer from a byte of it on; false where that cannot be read.
    read_at: ReadAt,
    window: Vec<u8>,
    window_at: u64,
}

impl ClusterBitmap {
    /// `None` where its record cannot be read.
    pub(crate) fn open(volume: &Arc<Volume>) -> Option<Self> {
        let file = File::load(volume, BITMAP, &Vec::new).ok()?;
        let data = file.find(kind::DATA, None)?;
        let mut reader = file.reader(volume, data).ok()?;
        // No more than the volume has clusters for, whatever the record says.
        let clusters = volume.boot().volume_bytes().min(volume.medium().len());
        let clusters = clusters.div_ceil(volume.cluster_bytes().max(1));
        let size = reader.len().min(clusters.div_ceil(8));
        let read_at = move |at, buf: &mut [u8]| matches!(reader.read_at(at, buf), Ok(None));
        Some(Self::new(size, Box::new(read_at)))
    }

    fn new(size: u64, read_at: ReadAt) -> Self {
        Self { size, read_at, window: Vec::new(), window_at: 0 }
    }

    /// A byte of the bitmap, before its end; `None` where it cannot be read.
    fn byte(&mut self, index: u64) -> Option<u8> {
        let at = index / WINDOW * WINDOW;
        if self.window.is_empty() || self.window_at != at {
            let bytes = self.size.saturating_sub(at).min(WINDOW);
            self.window.resize(usize::try_from(bytes).unwrap_or(0), 0);
            self.window_at = at;
            if !(self.read_at)(at, &mut self.window) {
                self.window.clear();
            }
        }
        self.window.get(usize::try_from(index - at).ok()?).copied()
    }

    /// How many of these clusters are free; `None` where nobody can say.
    pub(crate) fn free(&mut self, clusters: Range<u64>) -> Option<u64> {
        let mut free = 0;
        let mut at = clusters.start;
        while at < clusters.end && at / 8 < self.size {
            let byte = self.byte(at / 8)?;
            if at.is_multiple_of(8) && clusters.end - at >= 8 {
                free += u64::from(byte.count_zeros());
                at += 8;
            } else {
                free += u64::from(byte >> (at % 8) & 1 == 0);
                at += 1;
            }
        }
        Some(free)
    }

    /// How many clusters the bitmap counts.
    pub(crate) fn clusters(&self) -> u64 {
        self.size.saturating_mul(8)
    }

    /// Gives `add` the first cluster and the one behind the last of each part that is free.
    /// Parts of the bitmap that cannot be read are passed over.
    pub(crate) fn free_extents(&mut self, clusters: Range<u64>, add: &mut dyn FnMut(u64, u64)) {
        let mut at = clusters.start;
        let end = clusters.end.min(self.size.saturating_mul(8));
        let mut since = None;
        while at < end {
            let byte = self.byte(at / 8).unwrap_or(0xFF);
            if at.is_multiple_of(8) && end - at >= 8 && (byte == 0xFF || byte == 0) {
                if byte == 0 {
                    since.get_or_insert(at);
                } else if let Some(first) = since.take() {
                    add(first, at);
                }
                at += 8;
                continue;
            }
            if byte >> (at % 8) & 1 == 0 {
                since.get_or_insert(at);
            } else if let Some(first) = since.take() {
                add(first, at);
            }
            at += 1;
        }
        if let Some(first) = since {
            add(first, end);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bitmap(bytes: Vec<u8>, bad: Range<u64>) -> ClusterBitmap {
        let size = bytes.len() as u64;
        let read_at = move |at: u64, buf: &mut [u8]| {
            let from = usize::try_from(at).unwrap();
            buf.copy_from_slice(&bytes[from..from + buf.len()]);
            at + buf.len() as u64 <= bad.start || bad.end <= at
        };
        ClusterBitmap::new(size, Box::new(read_at))
    }

    #[test]
    fn free_clusters_are_counted_bit_by_bit() {
        let mut clusters = bitmap(vec![0b1111_0000, 0, 0xFF, 0b0000_0001], 99..99);
        assert_eq!(clusters.free(0..32), Some(4 + 8 + 7));
        assert_eq!(clusters.free(3..5), Some(1));
        assert_eq!(clusters.free(5..19), Some(8));
        assert_eq!(clusters.free(30..1000), Some(2));
        assert_eq!(clusters.free(u64::MAX - 1..u64::MAX), Some(0));
    }

    #[test]
    fn a_large_bitmap_is_held_in_pieces_and_a_bad_piece_is_not_guessed() {
        let bytes = 3 * WINDOW;
        let mut map = vec![0; usize::try_from(bytes).unwrap()];
        map[usize::try_from(WINDOW).unwrap()..][..100].fill(0xFF);
        let mut clusters = bitmap(map, 2 * WINDOW + 5..2 * WINDOW + 6);
        assert_eq!(clusters.free(0..8 * 2 * WINDOW), Some(8 * (2 * WINDOW - 100)));
        assert_eq!(clusters.free(8 * 2 * WINDOW..8 * 2 * WINDOW + 9), None);
        assert_eq!(clusters.free(3..5), Some(2), "what can be read is read all the same");
        assert!(clusters.window.len() <= usize::try_from(WINDOW).unwrap());
    }

    #[test]
    fn free_extents_are_found_bit_by_bit_and_not_in_what_cannot_be_read() {
        let extents = |bytes: &[u8], range: Range<u64>, bad: Range<u64>| {
            let mut found = Vec::new();
            bitmap(bytes.to_vec(), bad).free_extents(range, &mut |a, b| found.push((a, b)));
            found
        };
        let bytes = [0b1111_0011, 0xFF, 0, 0b1111_1110, 0xFF, 0x7F];
        assert_eq!(extents(&bytes, 0..48, 99..99), [(2, 4), (16, 25), (47, 48)]);
        assert_eq!(extents(&bytes, 3..20, 99..99), [(3, 4), (16, 20)]);
        assert_eq!(extents(&bytes, 4..16, 99..99), []);
        assert_eq!(extents(&bytes, 40..u64::MAX, 99..99), [(47, 48)]);
        assert_eq!(extents(&bytes, 0..48, 0..1), []);
    }
}
