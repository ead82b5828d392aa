//! The bytes of a stream, read in large pieces straight from the device.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::compression;
use super::device::{FailFast, Medium};
use super::volume::Volume;
use crate::model::loss::Hole;
use crate::ntfs::error::{NtfsError, damaged};
use crate::ntfs::ondisk::attribute::{NonResident, Sizes};
use crate::ntfs::ondisk::attribute_list;
use crate::ntfs::ondisk::boot::Boot;
use crate::ntfs::ondisk::runs::{Place, RunList};

const WHAT: &str = "stream data";
/// Holes beyond this number are joined, the good bytes between them included:
/// better to say too much is missing than too little, or to run out of memory.
const MAX_HOLES: usize = 4096;

/// Why there is a hole where no run tells of clusters.
pub(crate) const NO_PLACE: &str = "no file record has the position of this part";

/// The holes of a stream, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Holes(Vec<Hole>);

impl Holes {
    /// Adds one behind all others.
    pub(crate) fn add(&mut self, offset: u64, length: u64, reason: String) {
        if length == 0 {
            return;
        }
        let is_full = self.0.len() >= MAX_HOLES;
        match self.0.last_mut() {
            Some(last) if is_full || last.offset + last.length == offset => {
                last.length = offset.saturating_add(length).saturating_sub(last.offset);
            }
            _ => self.0.push(Hole { offset, length, reason }),
        }
    }

    /// The holes so far.
    pub(crate) fn list(&self) -> &[Hole] {
        &self.0
    }
}

/// Where the bytes of a stream are.
#[derive(Clone, Debug)]
pub enum Source {
    /// In the record.
    Resident(Vec<u8>),
    /// In clusters.
    Clusters {
        /// Which.
        runs: RunList,
        /// Sizes in bytes.
        sizes: Sizes,
        /// The compression unit in clusters; 0 where nothing is compressed.
        unit_clusters: u64,
    },
}

/// A stream of a file on a volume.
pub struct DataReader {
    volume: Arc<Volume>,
    source: Source,
    position: u64,
    holes: Holes,
    units: compression::Units,
    haste: FailFast,
}

impl fmt::Debug for DataReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DataReader at {} of {}", self.position, self.len())
    }
}

impl DataReader {
    /// At the start of the stream.
    pub fn new(volume: Arc<Volume>, source: Source) -> Self {
        Self::with_haste(volume, source, FailFast::default())
    }

    /// One of several that are hasty together.
    pub(crate) fn with_haste(volume: Arc<Volume>, source: Source, haste: FailFast) -> Self {
        Self {
            volume,
            source,
            position: 0,
            holes: Holes::default(),
            units: compression::Units::default(),
            haste,
        }
    }

    /// In haste what follows the first failure comes as a hole, unread.
    pub(crate) fn haste(&self) -> &FailFast {
        &self.haste
    }

    /// Bytes in all.
    pub fn len(&self) -> u64 {
        match &self.source {
            Source::Resident(bytes) => bytes.len() as u64,
            Source::Clusters { sizes, .. } => sizes.size,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Byte of the stream that is read next.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Goes on at `position`. Holes passed over are not met.
    pub fn seek(&mut self, position: u64) {
        self.position = position.min(self.len());
    }

    /// The holes met so far.
    pub fn holes(&self) -> &[Hole] {
        self.holes.list()
    }

    /// Fills `buf` from `position` without keeping holes; `Some` says why part
    /// of it is not true.
    pub fn read_at(&mut self, position: u64, buf: &mut [u8]) -> Result<Option<String>, NtfsError> {
        let kept = std::mem::take(&mut self.holes);
        self.seek(position);
        let n = self.read(buf);
        let met = std::mem::replace(&mut self.holes, kept);
        if n? < buf.len() {
            return Ok(Some("it ends too early".into()));
        }
        Ok(met.0.into_iter().next().map(|hole| hole.reason))
    }

    /// The next bytes; fills `buf` whole except at the end. An error only
    /// where nothing further will come.
    pub fn read(&mut self, buf: &mut [u8]) -> Result<usize, NtfsError> {
        let rest = usize::try_from(self.len() - self.position).unwrap_or(usize::MAX);
        let n = rest.min(buf.len());
        let buf = &mut buf[..n];
        match &self.source {
            Source::Resident(bytes) => {
                let from = usize::try_from(self.position).unwrap_or(usize::MAX);
                buf.copy_from_slice(bytes.get(from..from + n).unwrap_or_default());
            }
            Source::Clusters { runs, sizes, unit_clusters } => {
                // Behind what was ever written there are zeros.
                let written = sizes.valid_data_length.saturating_sub(self.position);
                let written = usize::try_from(written).unwrap_or(usize::MAX).min(n);
                buf[written..].fill(0);
                let buf = &mut buf[..written];
                let (medium, boot) = (self.volume.medium(), self.volume.boot());
                let runs = Clusters { medium, boot, runs, in_haste: self.haste.is_on() };
                if *unit_clusters == 0 {
                    runs.read(self.position, buf, &mut self.holes)?;
                } else {
                    let unit = unit_clusters * u64::from(boot.cluster_bytes);
                    let holes = &mut self.holes;
                    self.units.read(&runs, unit, sizes, self.position, buf, holes)?;
                }
            }
        }
        self.position += n as u64;
        Ok(n)
    }
}

/// Clusters of a volume in the order of a value.
pub(crate) struct Clusters<'a> {
    pub(crate) medium: &'a Medium,
    pub(crate) boot: &'a Boot,
    pub(crate) runs: &'a RunList,
    /// Once there is a hole, the rest need not be read.
    pub(crate) in_haste: bool,
}

impl Clusters<'_> {
    /// Fills `buf` from byte `position` of the value; sparse parts and what
    /// lies behind the last cluster are zeros, the latter being a hole too.
    pub(crate) fn read(
        &self,
        position: u64,
        buf: &mut [u8],
        holes: &mut Holes,
    ) -> Result<(), NtfsError> {
        let mut done = 0;
        let cluster_bytes = u64::from(self.boot.cluster_bytes);
        let mut index = self.runs.find(position / cluster_bytes);
        while done < buf.len() {
            let at = position + done as u64;
            if let Some(hole) = holes.list().last().filter(|_| self.in_haste) {
                let reason = hole.reason.clone();
                buf[done..].fill(0);
                holes.add(at, (buf.len() - done) as u64, reason);
                return Ok(());
            }
            let run = index.and_then(|i| self.runs.get(i));
            let Some((start, clusters, place)) = run else {
                buf[done..].fill(0);
                holes.add(at, (buf.len() - done) as u64, NO_PLACE.into());
                return Ok(());
            };
            let into = at.saturating_sub(start.saturating_mul(cluster_bytes));
            let there = clusters.saturating_mul(cluster_bytes).saturating_sub(into);
            let n = usize::try_from(there).unwrap_or(usize::MAX).min(buf.len() - done);
            let part = &mut buf[done..done + n];
            self.read_run(place, into, part, at, holes)?;
            done += n;
            index = index.map(|i| i + 1);
        }
        Ok(())
    }

    fn read_run(
        &self,
        place: Place,
        into: u64,
        part: &mut [u8],
        at: u64,
        holes: &mut Holes,
    ) -> Result<(), NtfsError> {
        match place {
            Place::Sparse => part.fill(0),
            Place::Lost => {
                part.fill(0);
                holes.add(at, part.len() as u64, NO_PLACE.into());
            }
            Place::Cluster(cluster) => {
                // Absurd clusters lie past the end of every volume.
                let offset = self.boot.cluster_offset(cluster).and_then(|o| o.checked_add(into));
                let mut hole = |range: Range<usize>, reason| {
                    holes.add(at + range.start as u64, range.len() as u64, reason);
                };
                let offset = offset.unwrap_or(u64::MAX);
                self.medium.read_around_holes(WHAT, offset, part, self.in_haste, &mut hole)?;
            }
        }
        Ok(())
    }
}

/// Reads the value of a metadata attribute that is in one piece, whole or not
/// at all. For what must be read before files can be.
pub(crate) fn read_metadata(
    medium: &Medium,
    boot: &Boot,
    value: &NonResident<'_>,
) -> Result<Vec<u8>, NtfsError> {
    const WHAT: &str = "attribute list";
    let mut runs = RunList::default();
    runs.push_piece(value.first_vcn, value.runs, 0)?;
    let at = runs.first_cluster().and_then(|c| boot.cluster_offset(c)).unwrap_or(0);
    let size = value.sizes.map_or(0, |s| s.size.min(s.valid_data_length));
    let size = usize::try_from(size).ok().filter(|n| *n <= attribute_list::MAX_BYTES).ok_or_else(
        || {
            damaged(
                WHAT,
                at,
                format!("{} bytes at most", attribute_list::MAX_BYTES),
                size.to_string(),
            )
        },
    )?;
    let mut bytes = vec![0; size];
    let mut holes = Holes::default();
    Clusters { medium, boot, runs: &runs, in_haste: false }.read(0, &mut bytes, &mut holes)?;
    match holes.list().first() {
        None => Ok(bytes),
        Some(hole) => Err(damaged(WHAT, at, "a readable list", hole.reason.clone())),
    }
}
