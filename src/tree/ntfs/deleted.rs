//! Deleted files of the raw tree: their facts, and what is left of their data.

use super::stream::Plain;
use super::{NtfsTree, standard_information};
use crate::model::loss::Hole;
use crate::model::metadata::{Content, Metadata};
use crate::model::name::NtName;
use crate::model::recovered::Certainty;
use crate::ntfs::ondisk::attribute::kind;
use crate::ntfs::ondisk::runs::{Place, RunList};
use crate::ntfs::read::data::{DataReader, NO_PLACE, Source};
use crate::ntfs::read::wof;
use crate::ntfs::{
    Body, DeletedFile, Doubt, EfsData, File, FileAttribute, Kind, Readable, WofData, kind_of, mask,
};
use crate::tree::{Stream, TreeError};

/// Why there is a hole where clusters belong to another file now.
const OVERWRITTEN: &str = "this part belongs to another file now, or its place is lost";

/// Ranges of a stream that are zeros without any cluster, in order and apart, and from where on all
/// is: what was never written.
type Blank = (Vec<(u64, u64)>, u64);

impl NtfsTree {
    pub(super) fn facts_of_deleted(&self, deleted: &DeletedFile) -> Result<Metadata, TreeError> {
        let certainty = deleted.certainty();
        let words = words(deleted);
        if deleted.is_name_only {
            let recovered = Some((certainty, words));
            return Ok(Metadata { recovered, ..Metadata::default() });
        }
        let file = File::load_deleted(&self.volume, deleted.record)?;
        let damaged = file.damage.clone();
        let facts = Metadata { damaged, ..Metadata::default() };
        let mut facts = self.facts_of(&file, Some(&deleted.name), facts)?;
        if certainty == Certainty::Part {
            if facts.content == Content::EfsRaw {
                let lost = "some of its encrypted bytes belong to another file now";
                facts.content = Content::EfsLost(lost.to_owned());
            }
            let is_outside = |ea: &FileAttribute| matches!(ea.body, Body::NonResident { .. });
            if file.find(kind::EA, None).is_some_and(is_outside) {
                facts.extended_attributes = None;
                facts.damaged.push("extended attributes: they may be overwritten".to_owned());
            }
        }
        facts.recovered = Some((certainty, words));
        Ok(facts)
    }

    pub(super) fn open_what_is_left(
        &self,
        deleted: &DeletedFile,
        stream: Option<&NtName>,
    ) -> Result<Box<dyn Stream>, TreeError> {
        let lost = |reason: &str| TreeError::NoData {
            path: deleted.path().to_string(),
            reason: reason.to_owned(),
        };
        if deleted.is_name_only || deleted.readable == Readable::Nothing {
            return Err(lost("it is overwritten by other files"));
        }
        let file = File::load_deleted(&self.volume, deleted.record)?;
        let attributes = standard_information(&file).map_or(0, |own| own.attributes);
        let what = || stream.map_or("the data".into(), |name| format!("the stream {name}"));
        let data = file.find(kind::DATA, stream).ok_or_else(|| file.missing(&what()))?;
        if data.is_encrypted() && stream.is_some() {
            return Err(lost("encrypted by EFS: it is part of the file's export"));
        }
        if stream.is_none() {
            match kind_of(&self.volume, &file, attributes) {
                Kind::NotHere(reason) => return Err(lost(&reason)),
                Kind::Encrypted => {
                    return match EfsData::new(&self.volume, &file) {
                        Ok(export) => Ok(Box::new(export)),
                        Err(reason) => Err(lost(&reason)),
                    };
                }
                Kind::Wof(algorithm) => {
                    let packed = NtName::from(wof::STREAM);
                    let packed = file
                        .find(kind::DATA, Some(&packed))
                        .ok_or_else(|| file.missing("the compressed data"))?;
                    let (reader, _) = self.masked(deleted, &file, packed)?;
                    let wof = WofData::new(algorithm, data.size(), reader);
                    return Ok(Box::new(Left::new(Box::new(wof), 0, (Vec::new(), 0))));
                }
                Kind::Plain => {}
            }
        }
        let (reader, zeros) = self.masked(deleted, &file, data)?;
        let cluster = self.volume.cluster_bytes();
        Ok(Box::new(Left::new(Box::new(Plain(reader)), cluster, zeros)))
    }

    /// A reader for which clusters of other files are holes, and the ranges of the stream that
    /// are zeros without any cluster.
    fn masked(
        &self,
        deleted: &DeletedFile,
        file: &File,
        data: &FileAttribute,
    ) -> Result<(DataReader, Blank), TreeError> {
        let source = file.source(&self.volume, data)?;
        let (source, zeros) = match source {
            Source::Resident(bytes) => {
                // In the record: its zeros are its own.
                (Source::Resident(bytes), (Vec::new(), 0))
            }
            Source::Clusters { runs, sizes, unit_clusters } => {
                let cluster = self.volume.cluster_bytes();
                let zeros = (zeros(&runs, unit_clusters, cluster), sizes.valid_data_length);
                let is_known = deleted.readable != Readable::Unknown;
                let runs = mask(&self.volume, &runs, &deleted.taken, is_known);
                (Source::Clusters { runs, sizes, unit_clusters }, zeros)
            }
        };
        Ok((DataReader::new(self.volume.clone(), source), zeros))
    }
}

/// The ranges of a stream that have no clusters, in bytes.
fn zeros(runs: &RunList, unit: u64, cluster: u64) -> Vec<(u64, u64)> {
    let mut found = Vec::new();
    for (start, clusters, _) in runs.iter().filter(|(.., place)| *place == Place::Sparse) {
        let (mut first, mut end) = (start, start.saturating_add(clusters));
        if unit > 0 {
            // The end of a compressed unit has no clusters either.
            (first, end) = (first.next_multiple_of(unit), end / unit * unit);
        }
        if first < end {
            found.push((first.saturating_mul(cluster), end.saturating_mul(cluster)));
        }
    }
    found
}

/// How sure it is, and why; for people.
fn words(file: &DeletedFile) -> String {
    if file.is_directory {
        return "this folder was deleted, and is recovered".to_owned();
    }
    let doubt = file.doubt.map(Doubt::why);
    match file.certainty() {
        Certainty::Sure => {
            "deleted, and recovered (sure): its data is in its own file record".to_owned()
        }
        Certainty::Likely => {
            "deleted, and recovered (likely): no other file that the volume still \
                              knows has or had its clusters"
                .to_owned()
        }
        Certainty::Unproven => format!(
            "deleted, and recovered (unproven): {}",
            doubt.unwrap_or("the volume's list of free clusters cannot be read")
        ),
        Certainty::Part => {
            let left = if let Readable::Part(bytes) = file.readable { bytes } else { 0 };
            let doubt = doubt.map(|doubt| format!("; {doubt}")).unwrap_or_default();
            format!(
                "deleted, and recovered in part: about {left} of {} bytes are left{doubt}",
                file.size
            )
        }
        Certainty::Overwritten if file.is_name_only => {
            format!("deleted, and overwritten: only its name is left; it had {} bytes", file.size)
        }
        Certainty::Overwritten => {
            format!("deleted, and overwritten: none of its {} bytes is left", file.size)
        }
    }
}

/// What is left of a stream. Whole clusters of zeros are no proof of anything: an SSD returns
/// them for what it was told to forget (TRIM), and some return ones.
struct Left {
    inner: Box<dyn Stream>,
    holes: Vec<Hole>,
    /// 0 where zeros mean nothing.
    cluster: u64,
    /// Ranges that are zeros anyway, in order and apart.
    zeros: Vec<(u64, u64)>,
    /// From here on all is zeros anyway.
    valid: u64,
    position: u64,
    /// What all bytes of the current cluster are so far, if that is zeros or ones.
    fill: Option<u8>,
    /// Bytes in clusters of zeros, or of ones.
    blank_bytes: u64,
}

impl Left {
    /// `zeros`: ranges that are zeros anyway, and from where on all is.
    fn new(inner: Box<dyn Stream>, cluster: u64, (zeros, valid): Blank) -> Self {
        Self {
            inner,
            holes: Vec::new(),
            cluster,
            zeros,
            valid,
            position: 0,
            fill: None,
            blank_bytes: 0,
        }
    }

    fn see(&mut self, mut bytes: &[u8]) {
        if self.cluster == 0 {
            self.position += bytes.len() as u64;
            return;
        }
        while !bytes.is_empty() {
            let start = self.position / self.cluster * self.cluster;
            let left = (start + self.cluster).min(self.inner.len().max(1)) - self.position;
            let length = usize::try_from(left.max(1)).unwrap_or(usize::MAX).min(bytes.len());
            let (own, rest) = bytes.split_at(length);
            if self.position == start {
                self.fill = own.first().copied().filter(|first| matches!(first, 0 | 0xFF));
            }
            self.fill = self.fill.filter(|fill| own.iter().all(|byte| byte == fill));
            self.position += length as u64;
            let is_end =
                self.position.is_multiple_of(self.cluster) || self.position == self.inner.len();
            if is_end && self.fill.is_some() && !self.is_meant(start) {
                self.blank_bytes += self.position - start;
            }
            bytes = rest;
        }
    }

    /// Whether a cluster of zeros is nothing to wonder at, or a hole that is listed.
    fn is_meant(&self, start: u64) -> bool {
        let holes = self.inner.holes();
        let end_of = |hole: &Hole| hole.offset.saturating_add(hole.length);
        let hole = holes.get(holes.partition_point(|hole| end_of(hole) <= start));
        let range = self.zeros.get(self.zeros.partition_point(|(_, end)| *end <= start));
        start >= self.valid
            || range.is_some_and(|(first, _)| *first <= start)
            || hole.is_some_and(|hole| hole.offset < start.saturating_add(self.cluster))
    }
}

impl Stream for Left {
    fn len(&self) -> u64 {
        self.inner.len()
    }

    fn read(&mut self, buf: &mut [u8]) -> Result<usize, TreeError> {
        let read = self.inner.read(buf)?;
        let bytes = buf.get(..read).unwrap_or_default();
        self.see(bytes);
        let now = self.inner.holes();
        let is_known = now.len() == self.holes.len()
            && now.last().map(|hole| hole.length) == self.holes.last().map(|hole| hole.length);
        if !is_known {
            self.holes = now.to_vec();
            for hole in &mut self.holes {
                if hole.reason == NO_PLACE {
                    OVERWRITTEN.clone_into(&mut hole.reason);
                }
            }
        }
        Ok(read)
    }

    fn skip(&mut self, bytes: u64) -> Result<(), TreeError> {
        // What is passed over counts for the doubt: a resumed set must end as an unbroken one.
        let mut buf = vec![0; 1 << 16];
        let mut left = bytes;
        while left > 0 {
            let room = usize::try_from(left).unwrap_or(usize::MAX).min(buf.len());
            let read = self.read(&mut buf[..room])?;
            if read == 0 {
                break;
            }
            left -= read as u64;
        }
        Ok(())
    }

    fn holes(&self) -> &[Hole] {
        &self.holes
    }

    fn doubt(&self) -> Option<String> {
        (self.blank_bytes > 0).then(|| {
            format!(
                "{} of its bytes read as zeros or ones; the file may have had them, or the disk \
                 has erased them (TRIM)",
                self.blank_bytes
            )
        })
    }

    fn set_fail_fast(&mut self, hasty: bool) {
        self.inner.set_fail_fast(hasty);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Tree;
    use crate::tree::memory::{MemoryData, MemoryTree};

    fn left(bytes: Vec<u8>, zeros: Blank, steps: usize) -> u64 {
        let mut tree = MemoryTree::new("x", 1);
        let id = tree.file("a", MemoryData::new(bytes));
        let mut stream = Left::new(tree.open(id, None).unwrap(), 8, zeros);
        let mut buf = vec![0; steps];
        while stream.read(&mut buf).unwrap() > 0 {}
        stream.blank_bytes
    }

    #[test]
    fn whole_clusters_of_zeros_are_counted_however_they_are_read() {
        let mut bytes = vec![1; 30];
        bytes[7..20].fill(0); // one whole cluster, from 8 on
        bytes[24..30].fill(0); // and the last one
        for steps in [1, 3, 8, 30, 64] {
            assert_eq!(left(bytes.clone(), (Vec::new(), 30), steps), 8 + 6, "{steps}");
            assert_eq!(left(bytes.clone(), (vec![(8, 16)], 24), steps), 0, "{steps}");
        }
        assert_eq!(left(vec![0; 3], (Vec::new(), 3), 2), 3);
        assert_eq!(left(Vec::new(), (Vec::new(), 0), 2), 0);
    }

    #[test]
    fn sparse_ranges_are_counted_by_whole_units_in_compressed_streams() {
        use crate::ntfs::ondisk::runs::Run;
        let mut runs = RunList::default();
        for (clusters, place) in [
            (4, Place::Cluster(9)),
            (12, Place::Sparse),
            (16, Place::Sparse),
            (1, Place::Cluster(1)),
        ] {
            assert!(runs.push(Run { clusters, place }));
        }
        assert_eq!(zeros(&runs, 16, 10), [(160, 320)]);
        assert_eq!(zeros(&runs, 0, 10), [(40, 320)]);
    }
}
