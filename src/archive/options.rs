//! How a set is to be made, and what came of it.

use super::error::ArchiveError;
use super::frames::{FRAME_BYTES, MAX_FRAME_BYTES};
use super::manifest::Line;
use super::rescue::{Machine, Rescue, What};
use super::ustar::BLOCK;
use crate::crypt::Encryption;
use crate::facts::FileTime;

/// What to do with an unfinished set of the same source.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Resume {
    /// Go on with it if there is one; else begin anew.
    #[default]
    Auto,
    /// Begin anew.
    Never,
    /// Go on with the one in this folder, or fail.
    This(String),
}

/// Makes the page for people that stands in a set: from what the set says of
/// itself, and from the lines of its manifest.
pub type MakeReport = fn(
    &Rescue,
    &mut dyn Iterator<Item = Result<Line, ArchiveError>>,
) -> Result<Vec<u8>, ArchiveError>;

/// How a set is to be made.
#[derive(Clone, Debug)]
pub struct OffloadOptions {
    /// The machine that the source belongs to.
    pub machine: Machine,
    /// A store, or any folder.
    pub what: What,
    /// `hard-link`, `uncompressed`, `compressed` or `folder`.
    pub kind: String,
    /// What of the store is not in the plan, for people; the set says so, and
    /// is one with losses then.
    pub lacks: Vec<String>,
    /// The zstd level, 1 to 19.
    pub level: i32,
    /// Whether the level was only chosen for speed: an unfinished set of another
    /// level is then gone on with, at its own.
    pub any_level: bool,
    /// Threads that compress; `None` for as many as the machine has.
    pub threads: Option<usize>,
    /// The plain size of a frame, in bytes.
    pub frame_bytes: u64,
    /// The largest size of a volume, in bytes. Without it the store is one
    /// file, unless the target cannot hold one of any size.
    pub split: Option<u64>,
    /// Whether to read the written files back and compare.
    pub read_back: bool,
    /// Begin although the target looks too small.
    pub despite_space: bool,
    /// What to do with an unfinished set.
    pub resume: Resume,
    /// How to encrypt it; `None` for a plain set.
    pub encryption: Option<Encryption>,
    /// What makes the set's `report.html`; `None` for a set without one. It
    /// names users and files, so it must not stand in a set that hides them.
    pub report: Option<MakeReport>,
    /// When the set is begun: names it. By the clock of the rescuing machine.
    pub created: FileTime,
}

impl Default for OffloadOptions {
    fn default() -> Self {
        Self {
            machine: Machine::default(),
            what: What::Store,
            kind: "hard-link".to_owned(),
            lacks: Vec::new(),
            level: 3,
            any_level: false,
            threads: None,
            frame_bytes: FRAME_BYTES,
            split: None,
            read_back: true,
            despite_space: false,
            resume: Resume::Auto,
            encryption: None,
            report: None,
            created: FileTime::now(),
        }
    }
}

impl OffloadOptions {
    /// Refuses what cannot be done.
    pub(super) fn check(&self) -> Result<(), ArchiveError> {
        let bad = |what: String| Err(ArchiveError::BadOption { what });
        if !(1..=19).contains(&self.level) {
            return bad(format!("level {} is not between 1 and 19", self.level));
        }
        // In whole blocks, so that every frame begins with one of the tar.
        let blocks = self.frame_bytes.is_multiple_of(BLOCK as u64);
        if !blocks || !(4096..=MAX_FRAME_BYTES).contains(&self.frame_bytes) {
            return bad(format!("frames of {} bytes are not possible", self.frame_bytes));
        }
        match self.split {
            // A frame that does not compress grows a little.
            Some(split) if split < self.frame_bytes.saturating_mul(2) => bad(format!(
                "volumes of {split} bytes are too small: a frame of {} must fit twice",
                self.frame_bytes
            )),
            _ => Ok(()),
        }
    }

    /// Threads that compress at this level, and frames in flight, within 256 MiB.
    pub(super) fn pipeline(&self, level: i32) -> (usize, usize) {
        const MIB: u64 = 1 << 20;
        // What zstd's tables take at a level, by its own estimate for 4 MiB
        // of input, rounded up.
        let context = match level {
            ..=6 => 8 * MIB,
            7..=12 => 40 * MIB,
            _ => 90 * MIB,
        };
        // A frame in flight is held plain and packed.
        let frame = 2 * self.frame_bytes + MIB / 8;
        let machine = || std::thread::available_parallelism().map_or(1, usize::from);
        let wanted = self.threads.unwrap_or_else(machine).clamp(1, 16);
        let takes = |threads: usize| threads as u64 * (context + 2 * frame) + frame;
        let threads = (1..=wanted).rev().find(|&n| takes(n) <= 200 * MIB).unwrap_or(1);
        (threads, 2 * threads + 1)
    }
}

/// What came of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// The set's folder at the target.
    pub set: String,
    /// What the set says of itself.
    pub rescue: Rescue,
    /// How many losses there were; each was told to the monitor.
    pub losses: u64,
    /// Frames that were there from an earlier, interrupted run.
    pub resumed_frames: u64,
}
