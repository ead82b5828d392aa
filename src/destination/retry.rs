//! Retries transient errors with growing waits, up to a limit. Other errors are
//! reported at once. Calls that do not return are reported as stalled.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::errors::Numbers;
use super::guard::{Guard, GuardedDestination, Inner};
use super::watch::{STALLED, Watch};
use super::{Destination, DestinationEntry, DestinationError, DestinationFile, ErrorKind, Space};
use crate::model::metadata::FileTime;
use crate::model::monitor::Monitor;

/// How long one call is retried before it fails: time to find the cable, or for a
/// server to restart.
pub const RETRY_FOR: Duration = Duration::from_mins(10);

/// The wait before the first retry; each further one is twice as long, ...
const FIRST_WAIT: Duration = Duration::from_millis(250);

/// ... up to this.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// A destination that retries calls after transient errors. Its files do the
/// same, and are reopened if needed.
pub struct RetryDestination {
    inner: Arc<dyn Destination>,
    policy: RetryPolicy,
}

impl RetryDestination {
    /// Wraps `inner`. Retries a call for at most `retry_for` after its first
    /// failure, and not at all once `monitor` is cancelled. `monitor` gets a note
    /// about each retry.
    pub fn new(
        inner: Arc<dyn Destination>,
        retry_for: Duration,
        monitor: Arc<dyn Monitor>,
    ) -> Self {
        Self { inner, policy: RetryPolicy::new(monitor, retry_for) }
    }

    fn file(&self, path: &str, inner: Box<dyn DestinationFile>) -> Box<dyn DestinationFile> {
        let shown = self.inner.display(path).into();
        Box::new(RetryFile { inner, shown, policy: self.policy.clone() })
    }

    /// Retries a call about `path`.
    fn repeat<T>(
        &self,
        path: &str,
        job: impl FnMut(bool) -> Result<T, DestinationError>,
    ) -> Result<T, DestinationError> {
        self.policy.repeat(&self.inner.display(path).into(), job)
    }
}

impl Destination for RetryDestination {
    fn display(&self, path: &str) -> String {
        self.inner.display(path)
    }

    fn list(&self, dir: &str) -> Result<Vec<DestinationEntry>, DestinationError> {
        self.repeat(dir, |_| self.inner.list(dir))
    }

    fn stat(&self, path: &str) -> Result<Option<DestinationEntry>, DestinationError> {
        self.repeat(path, |_| self.inner.stat(path))
    }

    fn create_dir_all(&self, dir: &str) -> Result<(), DestinationError> {
        self.repeat(dir, |_| self.inner.create_dir_all(dir))
    }

    fn create(&self, path: &str) -> Result<Box<dyn DestinationFile>, DestinationError> {
        Ok(self.file(path, self.repeat(path, |_| self.inner.create(path))?))
    }

    fn open_rw(&self, path: &str) -> Result<Box<dyn DestinationFile>, DestinationError> {
        Ok(self.file(path, self.repeat(path, |_| self.inner.open_rw(path))?))
    }

    fn open(&self, path: &str) -> Result<Box<dyn DestinationFile>, DestinationError> {
        Ok(self.file(path, self.repeat(path, |_| self.inner.open(path))?))
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), DestinationError> {
        let start = Instant::now();
        let waits = BUSY_FOR.min(self.policy.retry_for);
        let rename = || {
            let done = self.inner.rename(from, to);
            let is_early = start.elapsed() < waits;
            done.map_err(|error| if is_early { perhaps_busy(error, Numbers::HERE) } else { error })
        };
        self.repeat(from, |again| match rename() {
            // The earlier attempt may have succeeded and only its answer was lost.
            Err(error)
                if again
                    && matches!(error.kind, ErrorKind::NotFound | ErrorKind::AlreadyExists)
                    && self.inner.stat(from)?.is_none()
                    && self.inner.stat(to)?.is_some() =>
            {
                Ok(())
            }
            done => done,
        })
    }

    fn remove_file(&self, path: &str) -> Result<(), DestinationError> {
        self.repeat(path, |again| gone_is_gone(again, self.inner.remove_file(path)))
    }

    fn remove_dir(&self, path: &str) -> Result<(), DestinationError> {
        self.repeat(path, |again| gone_is_gone(again, self.inner.remove_dir(path)))
    }

    fn modified(&self, path: &str) -> Result<Option<FileTime>, DestinationError> {
        self.repeat(path, |_| self.inner.modified(path))
    }

    fn space(&self) -> Result<Option<Space>, DestinationError> {
        self.repeat("", |_| self.inner.space())
    }

    fn below(&self) -> Option<&dyn Destination> {
        Some(&*self.inner)
    }

    fn without_retry(&self) -> Option<&dyn Destination> {
        Some(&*self.inner)
    }

    fn guarded(&self, guard: Arc<dyn Guard>) -> Option<Box<dyn Destination>> {
        let inner =
            Arc::new(GuardedDestination::new(Inner::Shared(Arc::clone(&self.inner)), guard));
        Some(Box::new(Self { inner, policy: self.policy.clone() }))
    }
}

/// How long "access is denied" to a rename may mean that a program has the file open.
const BUSY_FOR: Duration = Duration::from_mins(1);

/// Windows answers a rename with "access is denied" also while a virus scanner has
/// the file open without sharing its deletion (or a file below the folder).
fn perhaps_busy(mut error: DestinationError, numbers: Numbers) -> DestinationError {
    const ACCESS_DENIED: i32 = 5;
    let code = error.source.as_ref().and_then(std::io::Error::raw_os_error);
    if matches!(numbers, Numbers::Win32) && code == Some(ACCESS_DENIED) {
        error.kind = ErrorKind::Transient;
        "close the program that has it open (a virus scanner, a viewer)"
            .clone_into(&mut error.action);
    }
    error
}

/// A repeated removal may find the file already removed.
fn gone_is_gone(again: bool, done: Result<(), DestinationError>) -> Result<(), DestinationError> {
    match done {
        Err(error) if again && error.kind == ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

struct RetryFile {
    inner: Box<dyn DestinationFile>,
    shown: Arc<str>,
    policy: RetryPolicy,
}

impl DestinationFile for RetryFile {
    fn write_all_at(&mut self, offset: u64, data: &[u8]) -> Result<(), DestinationError> {
        self.policy.repeat(&self.shown, |_| self.inner.write_all_at(offset, data))
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize, DestinationError> {
        self.policy.repeat(&self.shown, |_| self.inner.read_at(offset, buf))
    }

    fn size(&mut self) -> Result<u64, DestinationError> {
        self.policy.repeat(&self.shown, |_| self.inner.size())
    }

    fn set_size(&mut self, bytes: u64) -> Result<(), DestinationError> {
        self.policy.repeat(&self.shown, |_| self.inner.set_size(bytes))
    }

    fn sync(&mut self) -> Result<(), DestinationError> {
        self.policy.repeat(&self.shown, |_| self.inner.sync())
    }

    /// Closing cannot be retried, so flush before it.
    fn close(mut self: Box<Self>) -> Result<(), DestinationError> {
        self.sync()?;
        let Self { inner, shown, policy } = *self;
        policy.watch.during(&shown, || inner.close())
    }
}

#[derive(Clone)]
struct RetryPolicy {
    monitor: Arc<dyn Monitor>,
    retry_for: Duration,
    watch: Arc<Watch>,
}

impl RetryPolicy {
    fn new(monitor: Arc<dyn Monitor>, retry_for: Duration) -> Self {
        let watch = Arc::new(Watch::new(Arc::clone(&monitor), STALLED));
        Self { monitor, retry_for, watch }
    }

    /// Runs `job`, which is about `path`, until it succeeds, fails for good, or the
    /// time is up. `job` gets whether this is a retry.
    fn repeat<T>(
        &self,
        path: &Arc<str>,
        mut job: impl FnMut(bool) -> Result<T, DestinationError>,
    ) -> Result<T, DestinationError> {
        let mut job = |again| self.watch.during(path, || job(again));
        let mut error = match job(false) {
            Err(error) if error.is_transient() => error,
            done => return done,
        };
        let start = Instant::now();
        let mut wait = FIRST_WAIT;
        loop {
            let left = self.retry_for.saturating_sub(start.elapsed());
            if left.is_zero() && !self.retry_for.is_zero() {
                error.what = format!("{} (tried for {})", error.what, human(self.retry_for));
            }
            if left.is_zero() || self.monitor.is_cancelled() {
                return Err(error);
            }
            wait = wait.min(left);
            let left = human(left);
            self.monitor
                .retrying(&format!("{error}; trying again, for up to {left}: {}", error.action));
            if !self.sleep(wait) {
                return Err(error);
            }
            wait = wait.saturating_mul(2).min(LONGEST_WAIT);
            error = match job(true) {
                Err(error) if error.is_transient() => error,
                done => {
                    if done.is_ok() {
                        self.monitor.recovered(&format!("{}: it works again", error.path));
                    }
                    return done;
                }
            };
        }
    }

    /// Waits; false if cancelled in the meantime.
    fn sleep(&self, wait: Duration) -> bool {
        let end = Instant::now() + wait;
        loop {
            if self.monitor.is_cancelled() {
                return false;
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            std::thread::sleep(left.min(Duration::from_millis(100)));
        }
    }
}

/// A duration for people: `45 s`, `10 min`.
fn human(span: Duration) -> String {
    match span.as_secs() {
        0 => format!("{} ms", span.as_millis()),
        secs @ 1..=119 => format!("{secs} s"),
        secs => format!("{} min", secs.div_ceil(60)),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::model::monitor::Collect;

    fn error(kind: ErrorKind) -> DestinationError {
        DestinationError {
            kind,
            path: "there".into(),
            what: "it is away".into(),
            action: "wait".into(),
            source: None,
        }
    }

    fn policy(retry_for: Duration) -> (RetryPolicy, Arc<Collect>) {
        let monitor = Arc::new(Collect::default());
        (RetryPolicy::new(Arc::clone(&monitor) as _, retry_for), monitor)
    }

    #[test]
    fn what_passes_is_repeated_and_told() {
        let (policy, monitor) = policy(RETRY_FOR);
        let mut calls = 0;
        let done = policy.repeat(&"there".into(), |again| {
            calls += 1;
            assert_eq!(again, calls > 1);
            if calls < 3 { Err(error(ErrorKind::Transient)) } else { Ok(calls) }
        });
        assert_eq!(done.unwrap(), 3);
        let notes = monitor.notes.lock().unwrap();
        assert_eq!(notes.len(), 3, "{notes:?}");
        assert!(notes[0].starts_with("there: it is away; trying again, for up to 10 min"));
        assert_eq!(notes[2], "there: it works again");
    }

    #[test]
    fn what_does_not_pass_is_never_repeated() {
        let (policy, monitor) = policy(RETRY_FOR);
        for kind in [ErrorKind::Full, ErrorKind::Denied, ErrorKind::Logon, ErrorKind::Other] {
            let mut calls = 0;
            let failed = policy.repeat(&"there".into(), |_| -> Result<(), _> {
                calls += 1;
                Err(error(kind))
            });
            assert_eq!((failed.unwrap_err().kind, calls), (kind, 1));
        }
        assert!(monitor.notes.lock().unwrap().is_empty());
    }

    #[test]
    fn a_rename_that_is_denied_on_windows_may_be_repeated() {
        let denied = |code| DestinationError {
            source: Some(std::io::Error::from_raw_os_error(code)),
            ..error(ErrorKind::Denied)
        };
        assert!(perhaps_busy(denied(5), Numbers::Win32).is_transient());
        assert!(!perhaps_busy(denied(5), Numbers::Errno).is_transient());
        assert!(!perhaps_busy(denied(19), Numbers::Win32).is_transient());
        assert!(!perhaps_busy(error(ErrorKind::Denied), Numbers::Win32).is_transient());
    }

    #[test]
    fn patience_ends() {
        let (some, _) = policy(Duration::from_millis(600));
        let start = Instant::now();
        let failed =
            some.repeat(&"there".into(), |_| -> Result<(), _> { Err(error(ErrorKind::Transient)) });
        let failed = failed.unwrap_err();
        assert!(failed.is_transient() && failed.what.contains("tried for 600 ms"), "{failed}");
        assert!(start.elapsed() < Duration::from_secs(5));

        let (none, monitor) = policy(Duration::ZERO);
        let mut calls = 0;
        let failed = none.repeat(&"there".into(), |_| -> Result<(), _> {
            calls += 1;
            Err(error(ErrorKind::Transient))
        });
        assert_eq!((failed.unwrap_err().what.as_str(), calls), ("it is away", 1));
        assert!(monitor.notes.lock().unwrap().is_empty());
    }

    #[test]
    fn a_cancelled_job_waits_no_longer() {
        #[derive(Default)]
        struct Stopped(AtomicBool);
        impl Monitor for Stopped {
            fn note(&self, _: &str) {
                self.0.store(true, Ordering::Relaxed);
            }
            fn is_cancelled(&self) -> bool {
                self.0.load(Ordering::Relaxed)
            }
        }
        let policy = RetryPolicy::new(Arc::new(Stopped::default()), RETRY_FOR);
        let start = Instant::now();
        let mut calls = 0;
        let failed = policy.repeat(&"there".into(), |_| -> Result<(), _> {
            calls += 1;
            Err(error(ErrorKind::Transient))
        });
        assert!(failed.unwrap_err().is_transient());
        assert_eq!(calls, 1);
        assert!(start.elapsed() < Duration::from_secs(5));
    }
}
