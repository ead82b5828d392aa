//! A restore from its first check to its last comparison.

use super::destination::{self, Destinations};
use super::error::RestoreError;
use super::input::Input;
use super::outcome::{Options, Restored};
use super::verify::{self, Verified};
use super::{job, stage};
use crate::model::monitor::Monitor;

/// Puts a set back. Each written stream is compared with its SHA-256; what is
/// lost goes to `monitor` and is counted.
///
/// While it goes on, [`MARKER`](super::MARKER) stands beside each part's folder; it stays when
/// the restore fails, and with [`Destinations::Staged`] until [`settle`](super::settle). A
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

/// The same, read back and compared ([`verify_restored`](super::verify_restored)) as long as everything
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
