//! Compression units: how NTFS stores an LZNT1-compressed stream (Linux-NTFS,
//! "Compressed files").
//!
//! A stream is cut into units of (nearly always) 16 clusters. A unit whose
//! clusters are all there is plain; one without any is zeros; in between the
//! clusters hold LZNT1 data and the rest of the unit is marked sparse.

use super::data::{Clusters, Holes, NO_PLACE};
use crate::model::loss::Hole;
use crate::ntfs::codec::lznt1;
use crate::ntfs::error::NtfsError;
use crate::ntfs::ondisk::attribute::Sizes;
use crate::ntfs::ondisk::runs::{Place, Run, RunList};

/// How many bytes of units are read at once where they lie side by side.
const BATCH_BYTES: u64 = 1 << 20;
/// The largest unit that is believed: 64 KiB in practice, but the field allows
/// any power of two.
pub(crate) const MAX_UNIT_BYTES: u64 = 4 << 20;

/// Why there is a hole where the clusters of a unit hold zeros, or end with some: a unit of
/// zeros has no clusters.
const NO_CHUNKS: &str = "zeros are in the place of compressed data";

/// The units unpacked last.
#[derive(Debug, Default)]
pub(crate) struct Units {
    /// Byte of the stream where `plain` starts.
    start: u64,
    plain: Vec<u8>,
    /// The holes in `plain`, told when they are read.
    holes: Vec<Hole>,
    packed: Vec<u8>,
}

impl Units {
    /// Fills `buf` from byte `position` of the stream of these sizes.
    pub(crate) fn read(
        &mut self,
        clusters: &Clusters<'_>,
        unit: u64,
        sizes: &Sizes,
        position: u64,
        buf: &mut [u8],
        holes: &mut Holes,
    ) -> Result<(), NtfsError> {
        let mut done = 0;
        while done < buf.len() {
            let at = position + done as u64;
            if !(self.start..self.end()).contains(&at) {
                self.load(clusters, unit, sizes, at / unit * unit)?;
            }
            let from = usize::try_from(at - self.start).unwrap_or(usize::MAX);
            let part = self.plain.get(from..).unwrap_or_default();
            if part.is_empty() {
                buf[done..].fill(0);
                holes.add(at, (buf.len() - done) as u64, NO_PLACE.into());
                return Ok(());
            }
            let n = part.len().min(buf.len() - done);
            buf[done..done + n].copy_from_slice(&part[..n]);
            for hole in clip(&self.holes, at, at + n as u64) {
                holes.add(at + hole.offset, hole.length, hole.reason);
            }
            done += n;
        }
        Ok(())
    }

    /// Unpacks the units from `start` on, as many as fit into a batch.
    fn load(
        &mut self,
        clusters: &Clusters<'_>,
        unit: u64,
        sizes: &Sizes,
        start: u64,
    ) -> Result<(), NtfsError> {
        self.start = start;
        self.plain.clear();
        self.holes.clear();
        let cluster_bytes = u64::from(clusters.boot.cluster_bytes);
        // One list of all allocated clusters in the batch: units lie side by
        // side on the disk as a rule, so that this is one large read.
        let mut all = RunList::default();
        let mut plan = Vec::new();
        let mut at = start;
        while at / cluster_bytes < clusters.runs.clusters() && at - start < BATCH_BYTES {
            let (allocated, sparse) =
                gather(clusters.runs, at / cluster_bytes, unit / cluster_bytes, &mut all);
            let packed_bytes = allocated * cluster_bytes;
            // A run list may leave out the sparse end of the last unit.
            let is_short = packed_bytes < unit.min(sizes.size.saturating_sub(at));
            plan.push((packed_bytes, allocated > 0 && (sparse > 0 || is_short)));
            at += unit;
        }
        self.packed.resize(usize::try_from(all.clusters() * cluster_bytes).unwrap_or(0), 0);
        let mut gaps = Holes::default();
        let source =
            Clusters { medium: clusters.medium, boot: clusters.boot, runs: &all, ..*clusters };
        source.read(0, &mut self.packed, &mut gaps)?;

        let packed = std::mem::take(&mut self.packed);
        let mut input = packed.as_slice();
        let mut from = 0;
        for (bytes, is_packed) in plan {
            let end = self.plain.len() + usize::try_from(unit).unwrap_or(0);
            let (own, rest) = input.split_at(usize::try_from(bytes).unwrap_or(0).min(input.len()));
            let own_gaps = clip(gaps.list(), from, from + bytes);
            if is_packed {
                let written = sizes.size.min(sizes.valid_data_length);
                let needed = written.saturating_sub(self.end());
                let needed = usize::try_from(needed).unwrap_or(usize::MAX);
                self.unpack(own, &own_gaps, end, needed);
            } else {
                // Plain, or zeros: the bytes stand where they belong.
                let at = self.end();
                self.plain.extend_from_slice(own);
                self.holes
                    .extend(own_gaps.into_iter().map(|h| Hole { offset: at + h.offset, ..h }));
            }
            self.plain.resize(end, 0);
            input = rest;
            from += bytes;
        }
        self.packed = packed;
        Ok(())
    }

    /// Byte of the stream behind `plain`.
    fn end(&self) -> u64 {
        self.start + self.plain.len() as u64
    }

    /// Unpacks one unit, which fills `plain` up to `end`, and must have `needed` bytes.
    fn unpack(&mut self, input: &[u8], gaps: &[Hole], end: usize, needed: usize) {
        // What is behind a gap cannot be unpacked, what is before it can.
        let good = gaps.first().and_then(|gap| usize::try_from(gap.offset).ok());
        let input = good.and_then(|good| input.get(..good)).unwrap_or(input);
        let room = end - self.plain.len();
        let start = self.plain.len();
        let result = lznt1::decompress(input, &mut self.plain, room);
        let reason = match (gaps.first(), result) {
            (Some(gap), _) => gap.reason.clone(),
            (None, Err(error)) => error.to_string(),
            // What is behind the end of the stream need not be there.
            (None, Ok(())) if self.plain.len() - start >= needed.min(room) => return,
            (None, Ok(())) => NO_CHUNKS.to_owned(),
        };
        let length = end.saturating_sub(self.plain.len()) as u64;
        self.holes.push(Hole { offset: self.end(), length, reason });
    }
}

/// The holes between two offsets, counted from the first.
fn clip(holes: &[Hole], from: u64, to: u64) -> Vec<Hole> {
    let clipped = holes.iter().filter_map(|hole| {
        let start = hole.offset.max(from);
        let end = (hole.offset + hole.length).min(to);
        let length = end.checked_sub(start).filter(|n| *n > 0)?;
        Some(Hole { offset: start - from, length, reason: hole.reason.clone() })
    });
    clipped.collect()
}

/// Appends the clusters of a unit to `all`, and counts them and the sparse ones.
fn gather(runs: &RunList, vcn: u64, clusters: u64, all: &mut RunList) -> (u64, u64) {
    let end = vcn + clusters;
    let (mut allocated, mut sparse) = (0, 0);
    let mut index = runs.find(vcn);
    while let Some((start, length, place)) = index.and_then(|i| runs.get(i)) {
        if start >= end {
            break;
        }
        let from = start.max(vcn);
        let clusters = (start + length).min(end) - from;
        let place = match place {
            Place::Cluster(cluster) => Place::Cluster(cluster + (from - start)),
            other => other,
        };
        // The list of one batch cannot get too long.
        if place == Place::Sparse {
            sparse += clusters;
        } else if all.push(Run { clusters, place }) {
            allocated += clusters;
        }
        index = index.map(|i| i + 1);
    }
    (allocated, sparse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_gathered_from_the_runs_that_touch_it() {
        let mut runs = RunList::default();
        // 20 clusters at 100, 12 sparse, 16 at 200.
        runs.push_piece(0, &[0x11, 20, 100, 0x01, 12, 0x11, 16, 100, 0], 0).unwrap();
        let mut all = RunList::default();
        assert_eq!(gather(&runs, 0, 16, &mut all), (16, 0));
        assert_eq!(gather(&runs, 16, 16, &mut all), (4, 12));
        assert_eq!(gather(&runs, 32, 16, &mut all), (16, 0));
        assert_eq!(gather(&runs, 48, 16, &mut all), (0, 0));
        let places: Vec<_> = all.iter().collect();
        assert_eq!(places, [(0, 20, Place::Cluster(100)), (20, 16, Place::Cluster(200))]);
    }

    #[test]
    fn holes_are_clipped_and_moved() {
        let hole = |offset, length| Hole { offset, length, reason: String::new() };
        let holes = [hole(0, 10), hole(20, 10), hole(100, 5)];
        assert_eq!(clip(&holes, 5, 25), [hole(0, 5), hole(15, 5)]);
        assert_eq!(clip(&holes, 30, 100), []);
    }
}
