//! The set back onto a volume, so that `loadstate` finds what it left.
//!
//! A set is taken for what it is: bytes from elsewhere, perhaps made to harm.
//! Every name in it is checked, every file is reached from the destination's
//! own handle, one folder at a time, and never through a link that stood there
//! or was put there. What the destination cannot hold is a named loss, and the
//! rest goes on.

mod chosen;
mod descriptor;
mod destination;
mod error;
mod input;
mod job;
pub mod loadstate;
mod names;
mod place;
mod stage;
mod tally;
mod verify;
pub mod volumes;

#[cfg(target_os = "linux")]
#[path = "linux.rs"]
mod platform;
#[cfg(windows)]
#[path = "windows.rs"]
mod platform;

pub use chosen::Chosen;
pub use destination::{Destinations, MARKER};
pub use error::RestoreError;
pub use input::{Bytes, Input, Ordered};
pub use stage::{ASIDE, PARTIAL, settle};
pub use verify::{Verified, verify_restored};

use crate::model::monitor::Monitor;

/// How a restore goes about it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// Replaces files that are there already. Never through a link: a file that
    /// has another name elsewhere keeps its bytes there.
    pub replace: bool,
}

/// What a restore did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Restored {
    /// Files.
    pub files: u64,
    /// Folders, those included that were there already.
    pub directories: u64,
    /// Further names of files.
    pub links: u64,
    /// Named streams.
    pub streams: u64,
    /// Bytes of all streams.
    pub bytes: u64,
    /// What was lost in this restore.
    pub losses: u64,
    /// What was lost when the set was made, as far as it names files.
    pub carried: u64,
}

/// What an error of a destination means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Verdict {
    /// Only this file is struck.
    OneFile,
    /// Disk or quota is full.
    Full,
    /// The whole destination takes no writes.
    Denied,
    /// The destination is gone.
    Broken,
}

/// Puts a set back. Each written stream is compared with its SHA-256; what is
/// lost goes to `monitor` and is counted.
///
/// While it goes on, [`MARKER`] stands beside each part's folder; it stays when
/// the restore fails, and with [`Destinations::Staged`] until [`settle`]. A
/// further restore of the same set to the same place replaces what the first
/// began; in a stage it keeps the files that are there and whole.
///
/// # Errors
/// The destination is missing, refuses, is full, or holds a store already; the
/// set cannot be read; the monitor was cancelled.
pub fn restore(
    input: &dyn Input,
    to: &Destinations,
    options: Options,
    monitor: &dyn Monitor,
) -> Result<Restored, RestoreError> {
    put_back(input, to, options, monitor, |_| Ok(())).map(|(done, ())| done)
}

/// The same, read back and compared ([`verify_restored`]) as long as everything
/// can be seen: some mounts show no children of a folder that a cloud looks after.
///
/// # Errors
/// Those of both.
pub fn restore_verified(
    input: &dyn Input,
    to: &Destinations,
    options: Options,
    monitor: &dyn Monitor,
) -> Result<(Restored, Verified), RestoreError> {
    let look = |job: &job::Job<'_>| verify::read_back(input, to, Some(job), monitor);
    put_back(input, to, options, monitor, look)
}

fn put_back<T>(
    input: &dyn Input,
    to: &Destinations,
    options: Options,
    monitor: &dyn Monitor,
    look: impl FnOnce(&job::Job<'_>) -> Result<T, RestoreError>,
) -> Result<(Restored, T), RestoreError> {
    let rescue = input.rescue();
    let mut places = destination::Places::open(to, rescue)?;
    let is_begun = places.is_begun(rescue);
    let is_staged = !places.stages.is_empty();
    if is_begun {
        monitor.note("an earlier restore of this set was broken off here; it goes on");
        stage::take_back(&mut places, rescue)?;
    } else if is_staged || !options.replace {
        places.refuse_what_is_there(rescue, options.replace)?;
        places.refuse_too_much(rescue)?;
    }
    let replace = if is_staged { is_begun } else { options.replace || is_begun };
    let mut job = job::Job::new(input, &mut places, replace, monitor);
    job.run()?;
    let seen = look(&job)?;
    job.cover()?;
    Ok((job.finish(), seen))
}
