//! How well the files of a plan compress, from a sample of them: some pieces, spread evenly over
//! their bytes.

use std::time::{Duration, Instant};

use super::plan::{Plan, PlanKind};
use crate::model::monitor::Monitor;

/// Bytes of a piece.
const PIECE: usize = 128 << 10;
/// The number of pieces, at most: some 6 MiB, which a disk reads in less than a second even if it
/// has to seek for each.
const PIECES: u64 = 48;
/// A failing disk does not get more time than this before its good data is saved.
const LONGEST: Duration = Duration::from_secs(2);
/// A stronger level takes seconds for a sample, and saves little more.
const STRONGEST: i32 = 9;
/// What a file takes in a set beside its data: headers and a line of the manifest, compressed
/// (measured: 180 to 320 bytes).
pub(super) const PER_FILE: u64 = 300;

/// The pieces, one after the other, as they are in a set.
pub(crate) struct Sample {
    bytes: Vec<u8>,
    total: u64,
    files: u64,
    /// How long the reading took.
    pub(super) took: Duration,
}

impl Sample {
    /// Reads the sample. What cannot be read is not in it.
    pub(crate) fn of(plan: &Plan, monitor: &dyn Monitor) -> Self {
        let total = plan.totals().bytes;
        let files = plan.totals().files;
        let mut sample = Self { bytes: Vec::new(), total, files, took: Duration::ZERO };
        let since = Instant::now();
        let step = (total / PIECES).max(1);
        // The middle of each of as many equal ranges of all bytes.
        let (mut wanted, mut passed) = (step / 2, 0_u64);
        for index in 0..plan.len() {
            let Some(member) = plan.member(index).filter(|m| m.kind == PlanKind::File) else {
                continue;
            };
            let end = passed.saturating_add(member.size);
            while wanted < end {
                sample.took = since.elapsed();
                if sample.took > LONGEST || monitor.is_cancelled() {
                    return sample;
                }
                // A whole piece, if the file has one.
                let last = member.size.saturating_sub(PIECE as u64);
                let at = wanted.saturating_sub(passed).min(last);
                if let Ok(mut stream) = member.tree.open(member.node, None) {
                    stream.set_fail_fast(true);
                    let start = sample.bytes.len();
                    sample.bytes.resize(start + PIECE, 0);
                    let read = stream.skip(at).and_then(|()| {
                        stream.read(sample.bytes.get_mut(start..).unwrap_or_default())
                    });
                    let read = read.ok().filter(|_| stream.holes().is_empty()).unwrap_or(0);
                    sample.bytes.truncate(start + read);
                }
                wanted = wanted.saturating_add(step);
            }
            passed = end;
        }
        sample.took = since.elapsed();
        sample
    }

    /// A sample of files that a test knows: their bytes in all, and their number.
    #[cfg(test)]
    pub(super) fn known(bytes: Vec<u8>, total: u64, files: u64) -> Self {
        Self { bytes, total, files, took: Duration::ZERO }
    }

    /// The bytes of the sample.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Bytes and files of the whole plan.
    pub(super) fn whole(&self) -> (u64, u64) {
        (self.total, self.files)
    }

    /// Bytes of the sample.
    pub(super) fn plain_bytes(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// What these take at a zstd level.
    pub(super) fn packed_bytes(&self, level: i32) -> Option<u64> {
        let packed = zstd::bulk::compress(&self.bytes, level.min(STRONGEST)).ok()?;
        Some(packed.len() as u64)
    }

    /// About how many bytes the set of the whole plan has at a zstd level; `None` without a
    /// sample.
    pub(super) fn packed_size(&self, level: i32) -> Option<u64> {
        let packed = u128::from(self.packed_bytes(level)?);
        let sample = Some(u128::from(self.plain_bytes())).filter(|bytes| *bytes > 0)?;
        let data = u128::from(self.total) * packed / sample;
        let data = u64::try_from(data).ok()?;
        Some(data.saturating_add(self.files.saturating_mul(PER_FILE)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::monitor::Silent;
    use crate::set::write::plan::PlanPart;
    use crate::tree::memory::{MemoryData, MemoryTree};
    use std::sync::Arc;

    fn plan_of(files: Vec<Vec<u8>>) -> Plan {
        let mut tree = MemoryTree::new("x", 1);
        tree.dir("S");
        for (number, bytes) in files.into_iter().enumerate() {
            tree.file(&*format!("S/{number:03}"), MemoryData::new(bytes));
        }
        let part = PlanPart {
            tree: Arc::new(tree),
            drive: "C".to_owned(),
            drive_from: String::new(),
            path: "S".into(),
            role: crate::set::format::kinds::PartRole::Folder,
            take: vec!["S".into()],
            skip: Vec::new(),
            user: None,
        };
        Plan::make(vec![part], &Silent).unwrap()
    }

    #[test]
    fn a_store_of_which_half_compresses_is_foreseen_within_a_tenth() {
        // By turns text that compresses to nothing, and noise.
        let mut state = 1_u64;
        let mut noise = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            u8::try_from(state >> 56).unwrap_or_default()
        };
        let files = (0..200)
            .map(|n| match n % 2 {
                0 => vec![b'a'; 200_000],
                _ => (0..200_000).map(|_| noise()).collect(),
            })
            .collect();
        let plan = plan_of(files);
        let size = Sample::of(&plan, &Silent).packed_size(3).unwrap();
        assert!((18_000_000..22_000_000).contains(&size), "{size} of 40,000,000");
    }

    #[test]
    fn nothing_is_foreseen_of_nothing() {
        let plan = plan_of(Vec::new());
        assert_eq!(Sample::of(&plan, &Silent).packed_size(3), None);
    }
}
