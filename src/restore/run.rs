//! A restore, from its first check to its last comparison.

use super::destination::{self, Destinations};
use super::error::RestoreError;
use super::input::Input;
use super::outcome::{Options, Restored};
use super::verify::{self, Verified};
use super::{job, stage};
use crate::model::monitor::Monitor;

/// Restores a set. Compares each written stream with its SHA-256; reports losses
/// to `monitor` and counts them.
///
/// During the restore, [`MARKER`](super::MARKER) is beside each part's folder. It stays if the
/// restore fails, and with [`Destinations::Staged`] until [`settle`](super::settle). Another
/// restore of the same set to the same place replaces the files of the first; in
/// a stage it keeps complete files.
///
/// # Errors
/// The destination is missing, refuses, is full, or already has a store; the
/// set cannot be read; the monitor was cancelled.
pub fn restore(
    input: &dyn Input,
    to: &Destinations,
    options: Options,
    monitor: &dyn Monitor,
) -> Result<Restored, RestoreError> {
    put_back(input, to, options, monitor, |_| Ok(())).map(|(done, ())| done)
}

/// The same, then read back and compared ([`verify_restored`](super::verify_restored)) while
/// everything is visible: some mounts show no children of a folder that a cloud manages.
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
    places.refuse_what_is_in_the_way(rescue, options.replace)?;
    places.lock(rescue)?;
    let is_begun = places.is_begun(rescue);
    let is_staged = !places.stages.is_empty();
    if is_begun {
        monitor.note("an earlier restore of this set was interrupted here; resuming it");
        stage::take_back(&mut places, rescue, monitor)?;
    } else if is_staged || !options.replace {
        places.refuse_what_is_there(rescue, options.replace)?;
        if !options.despite_space {
            places.refuse_too_much(input)?;
        }
    }
    // In a stage, everything is of this restore.
    let replace = if is_staged && !options.merge { is_begun } else { options.replace };
    let options = Options { replace, ..options };
    let mut job = job::Job::new(input, &mut places, options, monitor);
    job.is_resumed = is_begun && !is_staged && !options.merge;
    job.run()?;
    if is_staged && is_begun {
        job.report_strangers()?;
    }
    let seen = look(&job)?;
    job.unmark()?;
    job.cover()?;
    Ok((job.finish(), seen))
}
