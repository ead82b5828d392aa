//! An encrypted file in its raw export form, made of what the volume holds.

use std::sync::Arc;

use super::data::{DataReader, Holes, Source};
use super::device::FailFast;
use super::efs::{EfsExport, EfsStream, Sparse};
use super::file::{File, FileAttribute};
use super::volume::Volume;
use crate::model::loss::Hole;
use crate::model::name::NtName;
use crate::ntfs::error::NtfsError;
use crate::ntfs::ondisk::attribute::{Sizes, flag, kind};
use crate::ntfs::ondisk::runs::{Place, RunList};

/// Ciphertext is made in sectors of this size: what a hole costs at least.
const SECTOR: usize = 512;
/// `$EFS` is a quarter of that at most.
const MAX_METADATA_BYTES: usize = 1 << 20;

type ReadAt = Box<dyn FnMut(u64, &mut [u8]) -> Result<(), Failure> + Send>;

/// Why ciphertext cannot be had.
enum Failure {
    /// The device is gone.
    Device(NtfsError),
    /// There is a hole; why.
    Hole(String),
}

/// The export, read in order.
pub(crate) struct EfsData {
    export: EfsExport<ReadAt>,
    holes: Holes,
    haste: FailFast,
}

impl EfsData {
    /// The export of `file`; the text says why there can be none.
    pub(crate) fn new(volume: &Arc<Volume>, file: &File) -> Result<Self, String> {
        let metadata = file
            .find(kind::LOGGED_UTILITY_STREAM, Some(&NtName::from("$EFS")))
            .ok_or_else(|| file.missing("$EFS"))
            .and_then(|efs| file.value(volume, efs, MAX_METADATA_BYTES))
            .map_err(|error| format!("encrypted by EFS, and its keys are unreadable: {error}"))?;
        let mut attributes: Vec<_> = file.all(kind::DATA).collect();
        attributes.sort_by(|a, b| a.name.cmp(&b.name)); // the unnamed one is first
        let haste = FailFast::default();
        let streams = attributes.into_iter().map(|data| stream(volume, file, data, &haste));
        let streams = streams.collect::<Result<_, _>>();
        let streams = streams.map_err(|error| format!("encrypted by EFS: {error}"))?;
        let export = EfsExport::new(&metadata, streams, volume.boot().cluster_bytes)
            .map_err(|lost| format!("encrypted by EFS, and cannot be exported: {lost}"))?;
        Ok(Self { export, holes: Holes::default(), haste })
    }

    /// In haste what follows the first failure comes as a hole, unread.
    pub(crate) fn haste(&self) -> &FailFast {
        &self.haste
    }

    /// Bytes in all.
    pub(crate) fn len(&self) -> u64 {
        self.export.len()
    }

    /// Passes over bytes.
    pub(crate) fn skip(&mut self, bytes: u64) {
        self.export.skip(bytes.min(self.len() - self.export.position()));
    }

    /// The holes met so far, in bytes of the export.
    pub(crate) fn holes(&self) -> &[Hole] {
        self.holes.list()
    }

    /// The next bytes; fills `buf` whole except at the end.
    pub(crate) fn read(&mut self, buf: &mut [u8]) -> Result<usize, NtfsError> {
        let mut done = 0;
        let mut piece = usize::MAX;
        while done < buf.len() {
            let end = buf.len().min(done.saturating_add(piece));
            match self.export.read(&mut buf[done..end]) {
                Ok(0) => break,
                Ok(n) => {
                    done += n;
                    piece = piece.saturating_mul(2);
                }
                Err(Failure::Device(error)) => return Err(error),
                Err(Failure::Hole(reason)) if self.haste.is_on() => {
                    let n = end - done;
                    buf[done..end].fill(0);
                    self.holes.add(self.export.position(), n as u64, reason);
                    self.export.skip(n as u64);
                    done = end;
                }
                Err(Failure::Hole(_)) if piece > SECTOR && end - done > SECTOR => piece = SECTOR,
                Err(Failure::Hole(reason)) => {
                    // The sectors of the export are not those of the stream:
                    // going on by less than one costs no good one.
                    let at = self.export.position();
                    let left = SECTOR as u64 - at % SECTOR as u64;
                    // The last sector may be longer than what is left of the export.
                    let left = left.min(self.len().saturating_sub(at));
                    let n = usize::try_from(left).unwrap_or(0).clamp(1, end - done);
                    buf[done..done + n].fill(0);
                    self.holes.add(at, n as u64, reason);
                    self.export.skip(n as u64);
                    done += n;
                }
            }
        }
        Ok(done)
    }
}

/// A data stream, to be read as it stands on the volume.
fn stream(
    volume: &Arc<Volume>,
    file: &File,
    data: &FileAttribute,
    haste: &FailFast,
) -> Result<EfsStream<ReadAt>, NtfsError> {
    let mut source = file.source(volume, data)?;
    let size = data.size();
    let mut valid = size;
    let mut sparse = None;
    if let Source::Clusters { runs, sizes, unit_clusters } = &mut source {
        valid = sizes.valid_data_length.min(size);
        if data.flags & flag::SPARSE != 0 {
            sparse = Some(Sparse {
                unit_bytes: unit_bytes(volume, data),
                allocated: allocated(runs, volume.cluster_bytes()),
            });
        }
        if data.is_encrypted() {
            // The last sector is whole on the volume, beyond the size.
            let all = runs.clusters().saturating_mul(volume.cluster_bytes());
            *sizes = Sizes { allocated: all, size: all, valid_data_length: all };
            *unit_clusters = 0;
        }
    }
    let mut reader = DataReader::with_haste(Arc::clone(volume), source, haste.clone());
    let read_at: ReadAt = Box::new(move |at, buf| match reader.read_at(at, buf) {
        Ok(None) => Ok(()),
        Ok(Some(reason)) => Err(Failure::Hole(reason)),
        Err(error) => Err(Failure::Device(error)),
    });
    Ok(EfsStream {
        name: data.name.clone(),
        size,
        valid,
        sparse,
        is_encrypted: data.is_encrypted(),
        read_at,
    })
}

/// Holes of a sparse stream are multiples of 16 clusters where the attribute
/// does not say otherwise.
fn unit_bytes(volume: &Volume, data: &FileAttribute) -> u32 {
    let unit = match data.unit() {
        0 => 4,
        unit => u32::from(unit),
    };
    1_u32.checked_shl(unit).and_then(|n| n.checked_mul(volume.boot().cluster_bytes)).unwrap_or(0)
}

fn allocated(runs: &RunList, cluster_bytes: u64) -> Vec<std::ops::Range<u64>> {
    let bytes = |clusters: u64| clusters.saturating_mul(cluster_bytes);
    let there = runs.iter().filter(|(.., place)| *place != Place::Sparse);
    there.map(|(start, clusters, _)| bytes(start)..bytes(start + clusters)).collect()
}
