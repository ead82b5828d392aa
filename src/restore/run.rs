//! A restore, from its first check to its last comparison.

use super::destination::{self, Destinations};
use super::error::RestoreError;
use super::input::Input;
use super::job::There;
use super::outcome::{Options, Restored};
use super::verify::{self, Verified};
use super::{job, stage};
use crate::model::monitor::{Monitor, Progress, Silent, Stage};

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
    let look = |job: &job::Job<'_>| verify::read_back(input, to, Some(job), false, monitor);
    match put_back(input, to, options, monitor, look) {
        Err(error @ RestoreError::AlreadyExists { .. }) if !options.replace => {
            // What is there may be what an earlier run of this restore has left.
            finished(input, to, options, monitor)?.ok_or(error)
        }
        done => done,
    }
}

/// What is at the final names, if it is this set's store and nothing else: an earlier run was
/// stopped when all was done, or somebody repeats what has succeeded.
fn finished(
    input: &dyn Input,
    to: &Destinations,
    options: Options,
    monitor: &dyn Monitor,
) -> Result<Option<(Restored, Verified)>, RestoreError> {
    let Destinations::Staged(inner) = to else { return Ok(None) };
    let mut places = destination::Places::open(to, input.rescue())?;
    if places.has_stage() {
        return Ok(None);
    }
    places.settle();
    let mut job = job::Job::new(input, &mut places, options, &Silent);
    match job.what_is_there()? {
        // The last that a restore does is that.
        There::All => job.date_above()?,
        There::Some => {
            return Err(RestoreError::NotWhole { path: places.first_part(input.rescue()) });
        }
        There::Other => return Ok(None),
    }
    let verified = verify::read_back(input, inner, None, true, &Quiet(monitor))?;
    if verified.losses > 0 {
        return Ok(None);
    }
    monitor.note("this set's store is here already, whole; nothing was written");
    let mut job = job::Job::new(input, &mut places, options, monitor);
    job.count()?;
    Ok(Some((job.finish(), verified)))
}

/// Shows how far it is, and no loss: a store of another set has many.
struct Quiet<'a>(&'a dyn Monitor);

impl Monitor for Quiet<'_> {
    fn stage(&self, stage: Stage, what: &str) {
        self.0.stage(stage, what);
    }

    fn progress(&self, progress: Progress) {
        self.0.progress(progress);
    }

    fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }
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
    places.refuse_one_place(rescue)?;
    places.refuse_own_names(rescue)?;
    places.refuse_what_is_in_the_way(rescue, options.replace)?;
    places.lock(rescue)?;
    let is_begun = places.is_begun(rescue);
    let is_staged = !places.stages.is_empty();
    if is_begun {
        monitor.note("an earlier restore of this set was interrupted here; resuming it");
        stage::take_back(&mut places, rescue, monitor)?;
    } else if is_staged || !options.replace {
        if is_staged && options.replace {
            stage::put_aside(&mut places, rescue, monitor)?;
        }
        places.refuse_what_is_there(rescue, options.replace)?;
        if !options.despite_space {
            places.refuse_too_much(input)?;
        }
    }
    // In a stage, everything is of this restore.
    let replace = if is_staged && !options.merge { is_begun } else { options.replace };
    let hands_ids_over = is_staged && options.replace;
    let options = Options { replace, ..options };
    let mut job = job::Job::new(input, &mut places, options, monitor);
    job.hands_ids_over = hands_ids_over;
    job.is_resumed = is_begun && !is_staged && !options.merge;
    job.run()?;
    if is_staged {
        job.report_strangers()?;
    }
    let seen = look(&job)?;
    job.unmark()?;
    job.cover()?;
    Ok((job.finish(), seen))
}
