//! Checks a destination within seconds, before hours of work: does it exist, is
//! it writable, is there enough free space, how fast is it?

use std::time::{Duration, Instant};

use super::process::ProcessIdentity;
use super::{Destination, DestinationError, ErrorKind, Space};
use crate::model::metadata::FileTime;
use crate::model::units;

/// Bytes written to measure the speed, at most.
const PROBE: u64 = 8 << 20;

/// Bytes per write.
const STEP: usize = 1 << 20;

/// Measuring stops after this time, even if little was written.
const LONGEST: Duration = Duration::from_secs(3);

/// Prefix of the test folder's name; a time and a process tag follow.
const PROBE_NAME: &str = ".lifeboat-probe-";

/// The names of the empty folder that shows whether things can be removed.
const EMPTY_NAMES: [&str; 2] = [".lifeboat-probe-empty", ".lifeboat-probe-empty2"];

/// A test takes seconds, so a folder older than this is left over from a killed run.
const OLD_SECS: i64 = 24 * 3600;

/// Clocks this close count as equal: FAT's tick is two seconds.
const SAME_CLOCK_SECS: i64 = 5;

/// The files of the test have the names of a set's files: a server may refuse some
/// endings (Samba's `veto files`, a file screen of Windows Server).
const WHOLE: &str = "store.tar.zst";
/// Without this file there is no set.
const REQUIRED: &str = "rescue.json";
/// Files that a set can do without.
pub const OPTIONAL: [&str; 2] = ["restore.cmd", "report.html"];
/// The ending of a name until its file is complete.
const PARTIAL: &str = ".partial";

/// The results for a destination that passed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Preflight {
    /// Free space, if known.
    pub space: Option<Space>,
    /// The largest possible file, in bytes.
    pub max_file_size: u64,
    /// Bytes per second, written and flushed; a sample of a few seconds.
    pub write_speed: u64,
    /// Whether what is written can be read back while the rest is written.
    pub reads_beside: bool,
    /// Seconds by which the destination's clock is ahead of ours (behind, if
    /// negative); 0 if they agree, `None` if unknown.
    pub clock_ahead: Option<i64>,
    /// What is written there is lost when this PC restarts.
    pub in_memory: bool,
    /// Those of [`OPTIONAL`] that the destination refuses: sets are saved without
    /// them.
    pub refused: Vec<&'static str>,
    /// It gives names another letter case (some old servers do).
    pub changes_case: bool,
}

/// Tries everything that writing a set needs: makes a folder and a file, writes,
/// flushes, reads back, renames, removes. Leaves nothing behind. `needed` is the
/// number of bytes to be written, if known.
pub fn preflight(
    target: &dyn Destination,
    needed: Option<u64>,
) -> Result<Preflight, DestinationError> {
    let space = check_room(target, needed.unwrap_or(0))?;
    remove_old(target);
    check_removal(target)?;
    // Two rescues may start at the same destination at the same time.
    let life =
        ProcessIdentity::mine().map_or_else(|| std::process::id().to_string(), |life| life.tag());
    let probe = format!("{PROBE_NAME}{}-{life}", FileTime::now().0);
    let tried = try_out(target, &probe);
    let removed = remove(target, &probe);
    let (write_speed, clock_ahead, refused, changes_case) = tried?;
    removed?;
    let max_file_size = target.max_file_size();
    let in_memory = target.is_in_memory();
    Ok(Preflight {
        space,
        max_file_size,
        write_speed,
        reads_beside: target.beside().is_some(),
        clock_ahead,
        in_memory,
        refused,
        changes_case,
    })
}

/// Why the destination does not accept a small file of this name; `None` if it
/// does, or if the file is there. Tries the final name first: some servers let a
/// file be renamed to a name that they refuse, and then hide it, so that it
/// cannot be removed.
pub(crate) fn refuses(
    target: &dyn Destination,
    path: &str,
) -> Result<Option<DestinationError>, DestinationError> {
    if target.stat(path)?.is_some() {
        return Ok(None);
    }
    match try_small(target, path) {
        Ok(()) => Ok(None),
        Err(error) if is_refusal(&error) => {
            let _ = target.remove_file(path);
            Ok(Some(error))
        }
        // Not a matter of the name; the first large file says how much is missing.
        Err(error) if error.kind == ErrorKind::Full => {
            let _ = target.remove_file(path);
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Whether the error is about the one file, not about the destination.
pub(crate) fn is_refusal(error: &DestinationError) -> bool {
    match error.kind {
        ErrorKind::Denied
        | ErrorKind::NotFound
        | ErrorKind::AlreadyExists
        | ErrorKind::Unfit
        | ErrorKind::Other => true,
        ErrorKind::Unreachable
        | ErrorKind::Logon
        | ErrorKind::Full
        | ErrorKind::Transient
        | ErrorKind::Corrupted => false,
    }
}

/// Creates and removes an empty file.
fn try_small(target: &dyn Destination, path: &str) -> Result<(), DestinationError> {
    target.create(path)?.close()?;
    if target.stat(path)?.is_none() {
        return Err(DestinationError {
            kind: ErrorKind::Denied,
            path: target.display(path),
            what: "the destination accepted a file of this name and then hid it".to_owned(),
            action: "allow this name on the server, or use another destination".to_owned(),
            source: None,
        });
    }
    target.remove_file(path)
}

/// Checks that at least `needed` bytes are free.
pub(crate) fn check_room(
    target: &dyn Destination,
    needed: u64,
) -> Result<Option<Space>, DestinationError> {
    let space = target.space()?;
    match space {
        Some(space) if space.free < needed => Err(no_room(target, needed, space)),
        space => Ok(space),
    }
}

/// Removes test folders of killed runs: those of processes of this machine that
/// have ended, and old ones. Best effort.
fn remove_old(target: &dyn Destination) {
    let now = FileTime::now().to_unix().0;
    for entry in target.list("").unwrap_or_default() {
        let Some(rest) = entry.name.strip_prefix(PROBE_NAME).filter(|_| entry.is_dir) else {
            continue;
        };
        let Some((time, tag)) = rest.split_once('-') else { continue };
        let made = time.parse().map(|ticks| FileTime(ticks).to_unix().0);
        let is_old = made.is_ok_and(|made| now.saturating_sub(made) > OLD_SECS);
        if is_old || ProcessIdentity::is_tag_of_the_dead(tag) {
            let _ = remove(target, &entry.name);
        }
    }
}

/// Makes an empty folder and removes it, before anything else is left behind where nothing can be
/// removed. It has one of few names, so that at most these ever stay.
fn check_removal(target: &dyn Destination) -> Result<(), DestinationError> {
    let mut refused = None;
    for name in EMPTY_NAMES {
        let was_there = target.stat(name)?.is_some();
        target.create_dir_all(name)?;
        match target.remove_dir(name) {
            Ok(()) => return Ok(()),
            // Another rescue tries the same.
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(()),
            // It may be another account's: that says nothing of our own.
            Err(error) if was_there => refused = Some(error),
            Err(error) => return Err(cannot_remove(error)),
        }
    }
    refused.map_or(Ok(()), |error| Err(cannot_remove(error)))
}

/// What [`try_out`] measures: the speed, the clock, the names that are refused, and whether names
/// get another letter case.
type Tried = (u64, Option<i64>, Vec<&'static str>, bool);

/// Measures the speed, compares the clocks, and tries the names of a set's files.
fn try_out(target: &dyn Destination, probe: &str) -> Result<Tried, DestinationError> {
    target.create_dir_all(probe)?;
    // An almost full disk may still take the last part of a set.
    let most = target.space()?.map_or(PROBE, |space| (space.free / 4).min(PROBE));
    let step = if most < STEP as u64 { 4096 } else { STEP };
    let (partial, whole) = (format!("{probe}/{WHOLE}{PARTIAL}"), format!("{probe}/{WHOLE}"));
    let before = FileTime::now();
    let mut file = target.create(&partial)?;
    // Bytes that no file system or link can compress.
    let bytes = noise(step);
    let start = Instant::now();
    let mut written = 0;
    while written < most && (written == 0 || start.elapsed() < LONGEST) {
        file.write_all_at(written, &bytes)?;
        written += step as u64;
    }
    file.sync()?;
    let took = start.elapsed();
    let after = FileTime::now();

    if written == 0 {
        file.write_all_at(0, &bytes)?; // reports the reason
        written = step as u64;
    }
    let mut back = vec![0; step];
    let read = file.read_at(written - step as u64, &mut back)?;
    if read != step || back != bytes || file.size()? != written {
        return Err(not_kept(target.display(&partial)));
    }
    file.close()?;
    let clock_ahead =
        target.modified(&partial)?.map(|modified| clock_ahead(before, modified, after));
    target.rename(&partial, &whole)?;
    if target.stat(&whole)?.is_none_or(|entry| entry.size != written) {
        return Err(not_kept(target.display(&whole)));
    }
    let changes_case = target.list(probe)?.iter().all(|entry| entry.name != WHOLE);

    if let Some(error) = refuses(target, &format!("{probe}/{REQUIRED}"))? {
        return Err(error);
    }
    let mut refused = Vec::new();
    for name in OPTIONAL {
        if refuses(target, &format!("{probe}/{name}"))?.is_some() {
            refused.push(name);
        }
    }
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1);
    Ok((written.saturating_mul(1_000_000) / micros, clock_ahead, refused, changes_case))
}

/// Removes what [`try_out`] may have left.
fn remove(target: &dyn Destination, probe: &str) -> Result<(), DestinationError> {
    let names = [WHOLE, REQUIRED].into_iter().chain(OPTIONAL).map(str::to_owned);
    // Tests of earlier versions had these names.
    let names = [format!("{WHOLE}{PARTIAL}"), "a.partial".to_owned(), "a".to_owned()]
        .into_iter()
        .chain(names);
    // A destination may refuse even to look for a name that it does not accept.
    let there: Vec<String> =
        target.list(probe).unwrap_or_default().into_iter().map(|entry| entry.name).collect();
    let is_there = |name: &String| there.iter().any(|there| there.eq_ignore_ascii_case(name));
    for name in names.filter(is_there) {
        match target.remove_file(&format!("{probe}/{name}")) {
            Err(error) if error.kind != ErrorKind::NotFound => {
                return Err(cannot_remove(error));
            }
            _ => {}
        }
    }
    match target.remove_dir(probe) {
        Err(error) if error.kind != ErrorKind::NotFound => Err(cannot_remove(error)),
        _ => Ok(()),
    }
}

/// Seconds between the clocks, from a file that was changed between two
/// readings of ours.
fn clock_ahead(before: FileTime, modified: FileTime, after: FileTime) -> i64 {
    let (before, modified, after) = (before.to_unix().0, modified.to_unix().0, after.to_unix().0);
    let ahead = modified.saturating_sub(after);
    let behind = before.saturating_sub(modified);
    if ahead > SAME_CLOCK_SECS {
        ahead
    } else if behind > SAME_CLOCK_SECS {
        -behind
    } else {
        0
    }
}

/// Bytes without a pattern (xorshift; not for security).
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// The error for a destination that is too small.
pub(crate) fn no_room(target: &dyn Destination, needed: u64, space: Space) -> DestinationError {
    DestinationError {
        kind: ErrorKind::Full,
        path: target.display(""),
        what: format!(
            "about {} are needed, but only {} are free",
            units::bytes(needed),
            units::bytes(space.free)
        ),
        action: "free some space there, or use another destination".to_owned(),
        source: None,
    }
}

fn not_kept(path: String) -> DestinationError {
    DestinationError {
        kind: ErrorKind::Corrupted,
        path,
        what: "the data read back differs from the data written".to_owned(),
        action: "use another destination: this one corrupts data".to_owned(),
        source: None,
    }
}

/// Only the removal failed: the user may add files but not change them, so no set
/// can be committed.
fn cannot_remove(error: DestinationError) -> DestinationError {
    DestinationError {
        what: format!("what is made there cannot be removed or renamed: {}", error.what),
        action: "allow the account to change, rename and delete what it makes there (CREATOR \
                 OWNER: Modify), and remove the empty folder .lifeboat-probe"
            .to_owned(),
        ..error
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::destination::Missing;
    use crate::destination::directory::DirectoryDestination;

    #[test]
    fn a_good_folder_passes_and_stays_as_it_was() {
        let temp = tempfile::tempdir().unwrap();
        let target = DirectoryDestination::open(temp.path(), Missing::Fail).unwrap();
        let found = preflight(&target, Some(1)).unwrap();
        assert!(found.write_speed > 1_000_000, "{found:?}");
        assert_eq!((found.clock_ahead, found.refused), (Some(0), Vec::new()));
        assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 0);
    }

    #[test]
    fn too_little_room_is_said_in_figures() {
        let temp = tempfile::tempdir().unwrap();
        let target = DirectoryDestination::open(temp.path(), Missing::Fail).unwrap();
        let error = preflight(&target, Some(u64::MAX)).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Full);
        assert!(error.what.starts_with("about 16384.0 PiB are needed"), "{error}");
    }

    #[test]
    fn clocks_are_compared() {
        let at = |secs| FileTime::from_unix(secs, 0);
        for (modified, ahead) in [(1000, 0), (1003, 0), (998, 0), (4600, 3597), (0, -1000)] {
            assert_eq!(clock_ahead(at(1000), at(modified), at(1003)), ahead, "{modified}");
        }
    }
}
