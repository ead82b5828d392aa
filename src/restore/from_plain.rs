//! Single files out of a store that is not compressed, with the same rules as out of a container.

use std::path::Path;

use super::error::RestoreError;
use super::from_container::{Choice, Extracted, Job, Notice, shown};
use super::outcome::Options;
use crate::model::loss::{Hole, LossKind};
use crate::model::metadata::attributes;
use crate::model::monitor::{Monitor, Progress};
use crate::tree::{Tree, TreeError};
use crate::usmt::Store;
use crate::usmt::container::Place;
use crate::usmt::plain::{PlainEntry, PlainFiles};

/// Extracts files from a store that is not compressed: only their data, not their metadata. The
/// rules are those of [`extract_container`](super::extract_container).
///
/// # Errors
/// The destination cannot be used, or the monitor was cancelled.
pub(crate) fn extract_plain(
    store: &Store,
    choice: &Choice,
    dir: &Path,
    options: Options,
    monitor: &dyn Monitor,
    tell: &mut dyn FnMut(Notice),
) -> Result<Extracted, RestoreError> {
    let mut job = Job::new(choice, dir, options, monitor, tell)?;
    for part in &store.parts {
        for item in PlainFiles::of(part) {
            if monitor.is_cancelled() {
                return Err(RestoreError::Cancelled);
            }
            let entry = match item {
                Ok(entry) => entry,
                Err((name, error)) => {
                    // What a folder that cannot be listed has in it may be what was asked for.
                    job.lose(&name, LossKind::Unreadable, error.to_string());
                    continue;
                }
            };
            job.done.records += 1;
            let files = job.done.records;
            monitor.progress(Progress { files, ..Progress::default() });
            if Place::of(&entry.name).is_some() && job.is_chosen(&entry.name) {
                job.done.chosen += 1;
                plain_entry(&mut job, &*part.tree, &entry)?;
            }
        }
    }
    job.finish()
}

fn plain_entry(job: &mut Job<'_>, tree: &dyn Tree, entry: &PlainEntry) -> Result<(), RestoreError> {
    let name = &entry.name;
    let Some(place) = Place::of(name) else { return Ok(()) };
    if entry.is_link() {
        job.done.links += 1;
        return Ok(());
    }
    job.monitor.file(&shown(name));
    let path = place.path();
    if entry.is_folder() {
        let made = job.files.folder(&path);
        job.done.folders += u64::from(made.is_ok());
        return job.check(name, made).map(drop);
    }
    if entry.node.attributes & attributes::ENCRYPTED != 0 {
        let what = "encrypted by EFS: not extracted; a rescue set keeps it in its raw form";
        job.lose(name, LossKind::Encrypted, what.to_owned());
        return Ok(());
    }
    let mut stream = match tree.open(entry.node.id, None) {
        Ok(stream) => stream,
        Err(error) => {
            let kind = match error {
                TreeError::NoData { .. } => LossKind::NotHere,
                _ => LossKind::Unreadable,
            };
            job.lose(name, kind, format!("nothing of it was extracted: {error}"));
            return Ok(());
        }
    };
    let begun = job.files.begin(&path);
    let Some(mut new) = job.check(name, begun)? else { return Ok(()) };
    let mut buffer = std::mem::take(&mut job.buffer);
    let result = loop {
        if job.monitor.is_cancelled() {
            job.files.discard(new);
            return Err(RestoreError::Cancelled);
        }
        match stream.read(&mut buffer) {
            Ok(0) => break Ok(()),
            Ok(n) => {
                if let Err(why) = job.files.write(&mut new, &buffer[..n]) {
                    job.files.discard(new);
                    job.buffer = buffer;
                    return job.check(name, Err::<(), _>(why)).map(drop);
                }
            }
            Err(error) => break Err(error.to_string()),
        }
    };
    job.buffer = buffer;
    let damage = match (result, stream.holes()) {
        (Err(error), _) => Some(error),
        (Ok(()), [first, ..]) => Some(holes(first, stream.holes())),
        (Ok(()), []) if new.bytes < stream.len() => {
            Some(format!("it ends at byte {} of {}", new.bytes, stream.len()))
        }
        (Ok(()), []) if tree.is_damaged(entry.node.id) => {
            Some("its file record is damaged, so its data may be wrong".to_owned())
        }
        (Ok(()), []) => None,
    };
    job.settle(name, new, damage)
}

fn holes(first: &Hole, all: &[Hole]) -> String {
    let bytes = all.iter().map(|hole| hole.length).fold(0, u64::saturating_add);
    format!("{bytes} bytes of it, from byte {}, are zeros: {}", first.offset, first.reason)
}
