//! Renames that wait: a virus scanner or an indexer has just-written files open for
//! a moment, and Windows renames no folder with an open file below it.

use std::io;
use std::time::{Duration, Instant};

use crate::model::monitor::Monitor;

/// How long a rename is tried again: long enough for a scanner that reads a large
/// file to its end.
pub(crate) const WAIT_FOR: Duration = Duration::from_mins(1);

/// Whether a file may be open in a scanner or the like: what is refused now may
/// work in a moment. Windows says "access is denied" (5) of a folder to be renamed
/// while a file below it is open (MS-FSA 2.1.5.15.11), or "in use" (32).
pub(crate) fn is_busy(error: &io::Error) -> bool {
    #[cfg(windows)]
    return matches!(error.raw_os_error(), Some(5 | 32));
    #[cfg(not(windows))]
    return matches!(error.kind(), io::ErrorKind::ResourceBusy | io::ErrorKind::ExecutableFileBusy);
}

/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(500);

/// Runs `job`, which is about `path`, until it succeeds, fails with an error that
/// is not `is_busy`, or `wait_for` is over. Tells `monitor` what it waits for.
pub(crate) fn while_busy<T>(
    path: &str,
    wait_for: Duration,
    is_busy: impl Fn(&io::Error) -> bool,
    monitor: &dyn Monitor,
    mut job: impl FnMut() -> io::Result<T>,
) -> io::Result<T> {
    let start = Instant::now();
    let mut waits = false;
    loop {
        match job() {
            Err(error) if is_busy(&error) => {
                if start.elapsed() >= wait_for || monitor.is_cancelled() {
                    return Err(error);
                }
                if !std::mem::replace(&mut waits, true) {
                    monitor.retrying(&format!(
                        "{path}: {error}; trying again, for up to {} s: close the program that \
                         has it open (a virus scanner, a viewer)",
                        wait_for.as_secs()
                    ));
                }
                std::thread::sleep(PAUSE.min(wait_for));
            }
            done => {
                if waits && done.is_ok() {
                    monitor.recovered(&format!("{path}: it works again"));
                }
                return done;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::monitor::Collect;

    fn busy(error: &io::Error) -> bool {
        error.kind() == io::ErrorKind::ResourceBusy
    }

    #[test]
    fn a_rename_waits_for_a_scanner_and_says_so() {
        let monitor = Collect::default();
        let mut calls = 0;
        let done = while_busy("D:\\Store", WAIT_FOR, busy, &monitor, || {
            calls += 1;
            if calls < 3 { Err(io::ErrorKind::ResourceBusy.into()) } else { Ok(calls) }
        });
        assert_eq!(done.unwrap(), 3);
        let notes = monitor.notes.lock().unwrap();
        assert_eq!(notes.len(), 2, "{notes:?}");
        assert!(notes[0].contains("D:\\Store") && notes[0].contains("for up to 60 s"), "{notes:?}");
    }

    #[test]
    fn it_does_not_wait_forever_nor_for_other_errors() {
        let monitor = Collect::default();
        let mut calls = 0;
        let short = Duration::from_millis(1);
        let failed = while_busy("x", short, busy, &monitor, || -> io::Result<()> {
            calls += 1;
            Err(io::ErrorKind::ResourceBusy.into())
        });
        assert!(busy(&failed.unwrap_err()) && calls >= 2);
        calls = 0;
        let failed = while_busy("x", WAIT_FOR, busy, &monitor, || -> io::Result<()> {
            calls += 1;
            Err(io::ErrorKind::NotFound.into())
        });
        assert_eq!((failed.unwrap_err().kind(), calls), (io::ErrorKind::NotFound, 1));
    }
}
