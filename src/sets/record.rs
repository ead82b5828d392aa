//! What was done with a set since it was made: `verified.json` and `restored.json` beside it.
//!
//! They are no part of the set: neither `rescue.json` nor `SHA256SUMS` lists them, and whoever
//! can write to the folder can write them. So they are shown, and prove nothing. They are written
//! where that is possible, and a failure is no error of the job.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::age;
use crate::destination::process::host_name;
use crate::destination::{Destination, DestinationEntry, DestinationError, ErrorKind, read_full};
use crate::set::format::hash::sha256_hex;
use crate::set::format::names::{PROGRAM, RESCUE, RESTORED, VERIFIED};
use crate::set::read::reader::MAX_RESCUE;

/// The version of the format that this program writes.
const FORMAT: u32 = 1;
/// The largest record that is read, in bytes.
const MAX_BYTES: u64 = 64 << 10;
/// The number of runs that are kept.
const MAX_RUNS: usize = 20;
/// The number of characters of a text that are kept.
const MAX_TEXT: usize = 200;

/// The whole of a record.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Record<R> {
    format: u32,
    /// The set's id.
    set: String,
    /// SHA-256 of the `rescue.json` that the runs are about, hex.
    rescue: String,
    /// Oldest first.
    runs: Vec<R>,
}

/// A verification.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct VerifyRun {
    /// When it ended, by the clock of that machine (RFC 3339, UTC).
    pub time: String,
    /// The program: `lifeboat 0.1.0`.
    pub program: String,
    /// Whether every byte was read.
    pub full: bool,
    /// Whether an encrypted set was decrypted; true for a plain one.
    pub contents: bool,
    /// Findings that mean damage.
    pub damage: u64,
}

/// A restore.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RestoreRun {
    /// When it ended, by the clock of that machine (RFC 3339, UTC).
    pub time: String,
    /// The program: `lifeboat 0.1.0`.
    pub program: String,
    /// The computer that it ran on; absent if not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub computer: Option<String>,
    /// Where the parts went: `C=C:\`, or a folder.
    pub to: Vec<String>,
    /// Whether all of the set was restored, and nothing was lost.
    pub whole: bool,
    /// Losses.
    pub losses: u64,
    /// The return code of loadstate, if it was run for this restore.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loadstate: Option<i32>,
}

impl VerifyRun {
    /// A run that ends now.
    pub fn now(full: bool, contents: bool, damage: u64) -> Self {
        Self { time: age::now(), program: PROGRAM.to_owned(), full, contents, damage }
    }
}

impl RestoreRun {
    /// A run that ends now, on this machine.
    pub fn now(to: Vec<String>, whole: bool, losses: u64) -> Self {
        let computer = Some(host_name()).filter(|name| !name.is_empty());
        let (time, program) = (age::now(), PROGRAM.to_owned());
        Self { time, program, computer, to, whole, losses, loadstate: None }
    }

    /// Whether nothing of the set is needed any more, as far as this can say: all of it was
    /// restored, and loadstate, where it was run, succeeded.
    pub(crate) fn is_complete(&self) -> bool {
        self.whole && self.loadstate.unwrap_or(0) == 0
    }
}

/// Adds a verification to a set's record.
///
/// # Errors
/// The destination refuses, which is no failure of the verification.
pub(crate) fn add_verified(
    target: &dyn Destination,
    dir: &str,
    run: VerifyRun,
) -> Result<(), DestinationError> {
    change(target, dir, VERIFIED, |runs| runs.push(run))
}

/// Adds a restore to a set's record.
///
/// # Errors
/// The destination refuses, which is no failure of the restore.
pub(crate) fn add_restored(
    target: &dyn Destination,
    dir: &str,
    run: RestoreRun,
) -> Result<(), DestinationError> {
    change(target, dir, RESTORED, |runs| runs.push(run))
}

/// Adds loadstate's return code to the last restore on this machine. Without such a restore,
/// nothing is recorded.
///
/// # Errors
/// The destination refuses, which is no failure of loadstate.
pub(crate) fn add_loadstate(
    target: &dyn Destination,
    dir: &str,
    code: i32,
) -> Result<(), DestinationError> {
    let here = Some(host_name()).filter(|name| !name.is_empty());
    change(target, dir, RESTORED, |runs: &mut Vec<RestoreRun>| {
        if let Some(last) = runs.iter_mut().rev().find(|run| run.computer == here) {
            last.loadstate = Some(code);
        }
    })
}

/// The runs in a record of the set whose `rescue.json` has this hash, oldest first; none if there
/// is no record, or one that cannot be used.
pub(super) fn runs<R: DeserializeOwned>(
    target: &dyn Destination,
    dir: &str,
    entry: &DestinationEntry,
    rescue: &str,
) -> Result<Vec<R>, DestinationError> {
    let path = format!("{dir}/{}", entry.name);
    let Some(bytes) = read_small(target, &path, entry.size, MAX_BYTES)? else {
        return Ok(Vec::new());
    };
    let record: Option<Record<R>> = serde_json::from_slice(&bytes).ok();
    let record = record.filter(|record| record.format == FORMAT && record.rescue == rescue);
    let mut runs = record.map(|record| record.runs).unwrap_or_default();
    runs.truncate(MAX_RUNS);
    Ok(runs)
}

/// A file's bytes, `size` of them as it was listed; `None` if it has more than `max`, or is gone.
pub(super) fn read_small(
    target: &dyn Destination,
    path: &str,
    size: u64,
    max: u64,
) -> Result<Option<Vec<u8>>, DestinationError> {
    let Ok(length) = usize::try_from(size.min(max.saturating_add(1))) else { return Ok(None) };
    if size > max {
        return Ok(None);
    }
    let mut file = match target.open(path) {
        Ok(file) => file,
        Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = vec![0; length];
    let read = read_full(&mut *file, 0, &mut bytes)?;
    bytes.truncate(read);
    Ok(Some(bytes))
}

/// Changes the runs of a record, and writes it.
fn change<R: Serialize + DeserializeOwned + Clone + PartialEq>(
    target: &dyn Destination,
    dir: &str,
    name: &str,
    change: impl FnOnce(&mut Vec<R>),
) -> Result<(), DestinationError> {
    // It is not worth waiting for.
    let target = target.without_retry().unwrap_or(target);
    let described = format!("{dir}/{RESCUE}");
    let Some(entry) = target.stat(&described)? else { return Ok(()) };
    let Some(json) = read_small(target, &described, entry.size, MAX_RESCUE)? else {
        return Ok(());
    };
    let Ok(Id { set }) = serde_json::from_slice(&json) else { return Ok(()) };
    let set: String = set.chars().take(MAX_TEXT).collect();
    let rescue = sha256_hex(&json);
    let path = format!("{dir}/{name}");
    let there = target.stat(&path)?.filter(|entry| !entry.is_dir);
    let mut runs: Vec<R> = match &there {
        Some(entry) => self::runs(
            target,
            dir,
            &DestinationEntry { name: name.to_owned(), ..entry.clone() },
            &rescue,
        )?,
        None => Vec::new(),
    };
    let before = runs.clone();
    change(&mut runs);
    if runs == before {
        return Ok(());
    }
    let surplus = runs.len().saturating_sub(MAX_RUNS);
    runs.drain(..surplus);
    let record = Record { format: FORMAT, set, rescue, runs };
    let mut bytes = serde_json::to_vec_pretty(&record).unwrap_or_default();
    bytes.push(b'\n');
    if bytes.len() as u64 > MAX_BYTES {
        return Ok(());
    }
    // In place: an account may be allowed to add files and not to delete any, and what is torn
    // by an interruption is no record.
    let Some(there) = there else {
        let mut file = target.create(&path)?;
        file.write_all_at(0, &bytes)?;
        file.sync()?;
        return file.close();
    };
    let old = read_small(target, &path, there.size, MAX_BYTES)?.unwrap_or_default();
    let mut file = target.open_rw(&path)?;
    // Cut only when the new one is there: on a full disk, the old one stays.
    let changed = file.write_all_at(0, &bytes).and_then(|()| file.sync());
    let changed = changed.and_then(|()| file.set_size(bytes.len() as u64));
    if let Err(error) = changed {
        let back = file.write_all_at(0, &old).and_then(|()| file.set_size(old.len() as u64));
        let _ = back.and_then(|()| file.close());
        return Err(error);
    }
    file.sync()?;
    file.close()
}

/// What is needed of `rescue.json`.
#[derive(Deserialize)]
struct Id {
    set: String,
}
