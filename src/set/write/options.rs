//! Options and result of writing a set.

use super::level::is_level;
use crate::model::metadata::FileTime;
use crate::model::units;
use crate::set::crypt::Encryption;
use crate::set::error::SetError;
use crate::set::format::frames::{FRAME_BYTES, MAX_FRAME_BYTES, MAX_FRAMES};
use crate::set::format::kinds::SetKind;
use crate::set::format::manifest::Line;
use crate::set::format::rescue::{Machine, Rescue, What};
use crate::set::format::users::SetUser;
use crate::set::format::ustar::BLOCK;
use crate::usmt::StoreKind;

/// What to do with an unfinished set of the same source.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Resume {
    /// Resume it if there is one; otherwise start a new set.
    #[default]
    Auto,
    /// Start a new set.
    Never,
    /// Resume the one in this folder, or fail.
    This(String),
}

/// Makes the report of a set from its description and the lines of its
/// manifest.
pub(crate) type MakeReport =
    fn(&Rescue, &mut dyn Iterator<Item = Result<Line, SetError>>) -> Result<Report, SetError>;

/// What a plain set gets besides its data.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// `report.html`.
    pub page: Vec<u8>,
    /// For `users.json`.
    pub users: Vec<SetUser>,
    /// Whether there are more users than these.
    pub more_users: bool,
}

/// Options for writing a set.
#[derive(Clone, Debug)]
pub struct OffloadOptions {
    /// The machine of the source.
    pub machine: Machine,
    /// A store, or another folder.
    pub what: What,
    /// The kind of store, or that it is none.
    pub kind: SetKind,
    /// Missing parts of the store, for people. They are recorded in the set, which is
    /// then one with losses.
    pub lacks: Vec<String>,
    /// Damage of the store, for people; likewise.
    pub damage: Vec<String>,
    /// Volumes that could not be read, for people.
    pub closed: Vec<String>,
    /// The zstd level: see [`is_level`].
    pub level: i32,
    /// Whether the level was only chosen for speed: then an unfinished set of another
    /// level is resumed with its own level.
    pub any_level: bool,
    /// Threads that compress; `None` for one per core.
    pub threads: Option<usize>,
    /// The plain size of a frame, in bytes; larger for a source of many TiB.
    pub frame_bytes: u64,
    /// The largest size of a volume, in bytes. Without it the store is one file, unless
    /// the destination limits file sizes.
    pub split: Option<u64>,
    /// Whether to read the written files back and compare them.
    pub read_back: bool,
    /// Start although the destination looks too small.
    pub despite_space: bool,
    /// What to do with an unfinished set.
    pub resume: Resume,
    /// How to encrypt it; `None` for a plain set.
    pub encryption: Option<Encryption>,
    /// Makes the set's `report.html`; `None` for a set without one. It lists users and
    /// files, so it must not be in a set that hides them.
    pub report: Option<MakeReport>,
    /// When the set was started, by the clock of the rescuing machine; part of its name.
    pub created: FileTime,
}

impl Default for OffloadOptions {
    fn default() -> Self {
        Self {
            machine: Machine::default(),
            what: What::Store,
            kind: StoreKind::HardLink.into(),
            lacks: Vec::new(),
            damage: Vec::new(),
            closed: Vec::new(),
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
    /// Refuses invalid options.
    pub(crate) fn check(&self) -> Result<(), SetError> {
        let bad = |what: String| Err(SetError::BadOption { what });
        if !is_level(self.level) {
            return bad(format!("{} is not a level from -7 to 19", self.level));
        }
        // In whole blocks, so that each frame begins at a block of the tar.
        let blocks = self.frame_bytes.is_multiple_of(BLOCK as u64);
        if !blocks || !(4096..=MAX_FRAME_BYTES).contains(&self.frame_bytes) {
            return bad(format!("a frame size of {} bytes is not possible", self.frame_bytes));
        }
        match self.split {
            // A frame that does not compress becomes slightly larger.
            Some(split) if split < self.frame_bytes.saturating_mul(2) => bad(format!(
                "volumes of {split} bytes are too small: two frames of {} must fit",
                self.frame_bytes
            )),
            _ => Ok(()),
        }
    }

    /// The plain size of a frame for a source of this size: doubled until the number of
    /// frames fits. Each frame may be half full, if a file does not fit.
    ///
    /// # Errors
    /// The source is too large.
    pub(crate) fn frame_bytes_for(&self, source: u64) -> Result<u64, SetError> {
        const MOST_FRAMES: u64 = MAX_FRAMES as u64 / 2;
        // More would exceed the memory limit of a run.
        const LARGEST: u64 = 32 << 20;
        let mut frame = self.frame_bytes;
        // As in `check`: two frames must fit into a volume.
        let fits = |frame: u64| self.split.is_none_or(|split| split / 2 >= frame);
        while source / frame >= MOST_FRAMES && frame <= LARGEST / 2 && fits(frame * 2) {
            frame *= 2;
        }
        if source / frame >= MOST_FRAMES {
            let most = units::bytes(frame * MOST_FRAMES);
            let what = format!("the files are larger than a rescue set can hold ({most})");
            return Err(SetError::Unfit { what });
        }
        Ok(frame)
    }

    /// Threads that compress at this level, and frames in flight, within 256 MiB.
    pub(crate) fn pipeline(&self, level: i32, frame_bytes: u64) -> (usize, usize) {
        const MIB: u64 = 1 << 20;
        // zstd's tables at each level, by its own estimate for 4 MiB of input,
        // rounded up.
        let context = match level {
            ..=6 => 8 * MIB,
            7..=12 => 40 * MIB,
            _ => 90 * MIB,
        };
        // A frame in flight is kept plain and compressed.
        let frame = 2 * frame_bytes + MIB / 8;
        let machine = || std::thread::available_parallelism().map_or(1, usize::from);
        let wanted = self.threads.unwrap_or_else(machine).clamp(1, 16);
        let takes = |threads: usize| threads as u64 * (context + 2 * frame) + frame;
        let threads = (1..=wanted).rev().find(|&n| takes(n) <= 200 * MIB).unwrap_or(1);
        (threads, 2 * threads + 1)
    }
}

/// The result.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// The path of the set's folder.
    pub set: String,
    /// The set's description.
    pub rescue: Rescue,
    /// The number of losses; each was reported to the monitor.
    pub losses: u64,
    /// Frames that were kept from an interrupted run.
    pub resumed_frames: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_source_has_larger_frames_and_one_too_large_is_refused() {
        const TIB: u64 = 1 << 40;
        let options = OffloadOptions::default();
        let frame = |source| options.frame_bytes_for(source);
        assert_eq!(frame(0).unwrap(), FRAME_BYTES);
        assert_eq!(frame(4 * TIB - 1).unwrap(), FRAME_BYTES);
        assert_eq!(frame(4 * TIB).unwrap(), 2 * FRAME_BYTES);
        assert_eq!(frame(32 * TIB - 1).unwrap(), 32 << 20);
        let error = frame(32 * TIB).unwrap_err();
        let expected = "the files are larger than a rescue set can hold (32.0 TiB)";
        assert_eq!(error.to_string(), expected);
        let split = OffloadOptions { split: Some(16 << 20), ..OffloadOptions::default() };
        assert_eq!(split.frame_bytes_for(4 * TIB).unwrap(), 2 * FRAME_BYTES);
        assert!(split.frame_bytes_for(8 * TIB).is_err(), "such a frame would not fit twice");
        // What one asks for stays.
        let large = OffloadOptions { frame_bytes: MAX_FRAME_BYTES, ..options };
        assert_eq!(large.frame_bytes_for(TIB).unwrap(), MAX_FRAME_BYTES);
    }

    #[test]
    fn whatever_the_frames_the_memory_is_bounded() {
        let options = OffloadOptions { threads: Some(16), ..OffloadOptions::default() };
        for frame in [FRAME_BYTES, 16 << 20, 32 << 20] {
            for level in [-7, 1, 9, 19] {
                let (threads, in_flight) = options.pipeline(level, frame);
                assert!(threads >= 1 && in_flight > threads, "level {level}, frames of {frame}");
                let bytes = in_flight as u64 * 2 * frame;
                assert!(bytes <= 200 << 20, "level {level}, frames of {frame}: {bytes}");
            }
        }
    }
}
