//! Run lists: which clusters hold a value (Linux-NTFS, "Data runs").
//!
//! A run is a byte with two sizes, then a length and a distance from the run
//! before, both signed and as short as they can be. A run without a distance
//! is sparse.

use crate::ntfs::error::{NtfsError, damaged};

const WHAT: &str = "run list";
/// A file in more pieces than this is not believed (NTFS itself stops at about
/// 1.5 million; LZNT1 makes two of each unit). Bounds the memory to 64 MiB.
const MAX_RUNS: usize = 4 << 20;

/// Where a part of a value is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// From this cluster of the volume on.
    Cluster(u64),
    /// Nowhere: zeros.
    Sparse,
    /// The record that would tell is damaged or gone.
    Lost,
}

/// Consecutive clusters of a value which are consecutive on the volume.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Run {
    /// Clusters.
    pub clusters: u64,
    /// Where they are; never [`Place::Lost`].
    pub place: Place,
}

/// Decodes the bytes of a run list; `at` is where they stand on the volume.
pub fn decode(bytes: &[u8], at: u64) -> impl Iterator<Item = Result<Run, NtfsError>> + '_ {
    Decoder { rest: bytes, at, cluster: 0 }
}

struct Decoder<'a> {
    rest: &'a [u8],
    at: u64,
    cluster: i64,
}

impl Decoder<'_> {
    fn run(&mut self, header: u8) -> Option<Run> {
        let (length_size, distance_size) = (usize::from(header & 15), usize::from(header >> 4));
        let length = signed(self.rest.get(1..=length_size)?)?;
        let distance = self.rest.get(1 + length_size..1 + length_size + distance_size)?;
        let clusters = u64::try_from(length).ok().filter(|n| *n > 0)?;
        let place = if distance.is_empty() {
            Place::Sparse
        } else {
            self.cluster = self.cluster.checked_add(signed(distance)?)?;
            match u64::try_from(self.cluster) {
                // The end of the run must be a number too.
                Ok(cluster) => cluster.checked_add(clusters).map(|_| Place::Cluster(cluster))?,
                // NTFS before 3.0 wrote -1 for sparse runs.
                Err(_) if self.cluster == -1 => Place::Sparse,
                Err(_) => return None,
            }
        };
        let used = 1 + length_size + distance_size;
        self.rest = &self.rest[used..];
        self.at = self.at.saturating_add(used as u64);
        Some(Run { clusters, place })
    }
}

impl Iterator for Decoder<'_> {
    type Item = Result<Run, NtfsError>;

    fn next(&mut self) -> Option<Self::Item> {
        let header = *self.rest.first()?;
        if header == 0 {
            return None;
        }
        if let Some(run) = self.run(header) {
            return Some(Ok(run));
        }
        let found: Vec<_> = self.rest.iter().take(17).map(|b| format!("{b:02x}")).collect();
        self.rest = &[];
        Some(Err(damaged(WHAT, self.at, "a run", found.join(" "))))
    }
}

/// A signed little-endian number of 0 to 8 bytes.
fn signed(bytes: &[u8]) -> Option<i64> {
    let mut wide = match bytes.last() {
        Some(top) if top & 0x80 != 0 => [0xFF; 8],
        _ => [0; 8],
    };
    wide.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(i64::from_le_bytes(wide))
}

/// Where a whole value is: runs in order, without gaps.
#[derive(Clone, Debug, Default)]
pub struct RunList {
    /// First cluster of the value, and [`code`] of its place.
    runs: Vec<(u64, u64)>,
    end: u64,
}

const SPARSE: u64 = u64::MAX;
const LOST: u64 = u64::MAX - 1;

fn code(place: Place) -> u64 {
    match place {
        Place::Cluster(cluster) => cluster,
        Place::Sparse => SPARSE,
        Place::Lost => LOST,
    }
}

impl RunList {
    /// Clusters in all.
    pub fn clusters(&self) -> u64 {
        self.end
    }

    /// Appends a run; joins it with the one before where it goes on there.
    /// `false`, and nothing done, where the list gets too long to be true.
    #[must_use]
    pub fn push(&mut self, run: Run) -> bool {
        let Some(end) = self.end.checked_add(run.clusters) else { return false };
        let goes_on = self.runs.last().is_some_and(|(start, last)| match run.place {
            Place::Cluster(cluster) => *last < LOST && last + (self.end - start) == cluster,
            other => *last == code(other),
        });
        if !goes_on && run.clusters > 0 {
            if self.runs.len() >= MAX_RUNS {
                return false;
            }
            self.runs.push((self.end, code(run.place)));
        }
        self.end = end;
        true
    }

    /// Appends the runs of the piece that starts at `first_vcn`. Clusters
    /// between the list's end and there are [`Place::Lost`]. On an error the
    /// runs before it stay.
    pub fn push_piece(&mut self, first_vcn: u64, bytes: &[u8], at: u64) -> Result<(), NtfsError> {
        let too_long = || damaged(WHAT, at, format!("{MAX_RUNS} runs at most"), "more");
        match first_vcn.checked_sub(self.end) {
            Some(0) => {}
            Some(gap) => {
                if !self.push(Run { clusters: gap, place: Place::Lost }) {
                    return Err(too_long());
                }
            }
            None => {
                let expected = format!("a piece from cluster {} on", self.end);
                return Err(damaged(WHAT, at, expected, format!("one from {first_vcn} on")));
            }
        }
        for run in decode(bytes, at) {
            if !self.push(run?) {
                return Err(too_long());
            }
        }
        Ok(())
    }

    /// The runs: first cluster of the value, clusters, place.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u64, Place)> + '_ {
        (0..self.runs.len()).filter_map(|i| self.get(i))
    }

    /// Run `i`: first cluster of the value, clusters, place.
    pub fn get(&self, i: usize) -> Option<(u64, u64, Place)> {
        let (start, code) = *self.runs.get(i)?;
        let end = self.runs.get(i + 1).map_or(self.end, |next| next.0);
        let place = match code {
            SPARSE => Place::Sparse,
            LOST => Place::Lost,
            cluster => Place::Cluster(cluster),
        };
        Some((start, end - start, place))
    }

    /// Which run holds cluster `vcn` of the value; `None` behind the end.
    pub fn find(&self, vcn: u64) -> Option<usize> {
        if vcn >= self.end {
            return None;
        }
        self.runs.partition_point(|(start, _)| *start <= vcn).checked_sub(1)
    }

    /// The first cluster of the volume that it names.
    pub fn first_cluster(&self) -> Option<u64> {
        self.runs.iter().map(|(_, code)| *code).find(|code| *code < LOST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn list(bytes: &[u8]) -> Vec<(u64, u64, Place)> {
        let mut list = RunList::default();
        list.push_piece(0, bytes, 0).unwrap();
        list.iter().collect()
    }

    #[test]
    fn runs_go_forth_and_back_and_nowhere() {
        // 0x30 at 0x60, 0x10 sparse, 0x20 at 0x60-0x20.
        let bytes = [0x11, 0x30, 0x60, 0x01, 0x10, 0x11, 0x20, 0xE0, 0x00];
        assert_eq!(
            list(&bytes),
            [
                (0, 0x30, Place::Cluster(0x60)),
                (0x30, 0x10, Place::Sparse),
                (0x40, 0x20, Place::Cluster(0x40)),
            ]
        );
    }

    #[test]
    fn neighbours_are_joined_and_gaps_are_lost() {
        let mut runs = RunList::default();
        runs.push_piece(0, &[0x11, 4, 10, 0x11, 4, 4, 0], 0).unwrap();
        assert_eq!(runs.iter().collect::<Vec<_>>(), [(0, 8, Place::Cluster(10))]);
        runs.push_piece(10, &[0x11, 4, 20, 0], 0).unwrap();
        assert_eq!(runs.get(1), Some((8, 2, Place::Lost)));
        assert_eq!(runs.get(2), Some((10, 4, Place::Cluster(20))));
        assert_eq!((runs.find(9), runs.find(13), runs.find(14)), (Some(1), Some(2), None));
        assert!(runs.push_piece(5, &[0], 0).is_err());
    }

    #[test]
    fn hostile_lists_are_refused() {
        for bytes in [
            &[0x11, 0, 5][..],
            &[0x11, 0x80, 5],
            &[0x10, 5],
            &[0x11, 5],
            &[0x99, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1],
            &[0x11, 5, 0x80],
            &[0x18, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F, 1, 0x11, 1, 1, 0x88],
        ] {
            let mut runs = RunList::default();
            assert!(runs.push_piece(0, bytes, 7).is_err(), "{bytes:x?}");
        }
        // Three of the longest runs pass the end of the numbers.
        let mut runs = RunList::default();
        let longest = [0x08, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F];
        let three: Vec<u8> = longest.iter().copied().cycle().take(27).collect();
        assert!(runs.push_piece(0, &three, 0).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_end(bytes: Vec<u8>, first in 0_u64..10) {
            let mut runs = RunList::default();
            let _ = runs.push_piece(first, &bytes, 0);
            let mut end = 0;
            for (start, clusters, _) in runs.iter() {
                prop_assert_eq!(start, end);
                prop_assert!(clusters > 0);
                end = start + clusters;
            }
            prop_assert_eq!(end, runs.clusters());
        }
    }
}
