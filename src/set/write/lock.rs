//! Keeps two runs from writing one set at the same time.
//!
//! Destinations have no locks that work everywhere and do not outlive a crash. So a
//! run writes a mark to the set's folder and changes it every few seconds. A run that
//! finds a mark watches it for a while, and takes the set over if the mark does not
//! change. It ignores the mark of an ended process of this machine at once, and never takes
//! over from one that exists: a stopped process may go on. A run that finds another run's mark
//! in place of its own stops.
//!
//! A run may also sleep, with its machine. So each change of the mark gives it the right to
//! write for a time that is shorter than what others wait ([`Lease`]); after that it writes
//! nothing until it has seen its own mark again.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

use crate::destination::guard::Guard;
use crate::destination::process::{ProcessIdentity, host_name};
use crate::destination::{Destination, DestinationError, DestinationFile, ErrorKind};
use crate::model::finding::Finding;
use crate::model::loss::Loss;
use crate::model::metadata::FileTime;
use crate::model::monitor::{Monitor, Progress, Stage};
use crate::model::threads::{self, NoThread};
use crate::set::error::SetError;
use crate::set::format::hash::sha256_hex;
use crate::set::format::names::IN_USE;

/// Interval between changes of the mark.
pub(crate) const BEAT: Duration = Duration::from_secs(4);

/// A mark that does not change for this time belongs to a dead run: three beats, and
/// some time for a slow share.
const DEAD_AFTER: Duration = Duration::from_secs(15);

/// How long after a change of its mark a run may write without another look.
const LEASE: Duration = Duration::from_secs(10);

/// How long a write waits for the heartbeat before it fails for now.
const CONFIRM: Duration = Duration::from_secs(8);

/// Interval for checking a mark in the meantime.
const LOOK: Duration = Duration::from_millis(500);

/// The largest mark that is read, in bytes.
const MAX_MARK: usize = 4096;

/// The content of the mark.
#[derive(Serialize, Deserialize)]
struct Mark {
    /// The run's unique id.
    run: String,
    /// Counts up. Always the same number of digits, so that a mark is never torn.
    beat: String,
    /// The machine that it runs on, for people.
    host: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    life: Option<ProcessIdentity>,
}

/// The runs of this process.
static RUNS: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

fn runs() -> MutexGuard<'static, BTreeSet<String>> {
    RUNS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Mark {
    fn new() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let life = ProcessIdentity::mine();
        let host = host_name();
        let (count, now) = (COUNT.fetch_add(1, Ordering::Relaxed), FileTime::now().0);
        let seed = format!("{host} {} {life:?} {now} {count}", std::process::id());
        let run = sha256_hex(seed.as_bytes())[..16].to_owned();
        Self { run, beat: digits(0), host, life }
    }

    /// Whether the run has certainly ended.
    fn is_over(&self) -> bool {
        let own = ProcessIdentity::mine();
        if self.life.is_some() && self.life == own {
            return !runs().contains(&self.run);
        }
        self.life.as_ref().is_some_and(ProcessIdentity::is_over)
    }

    /// Whether the run certainly exists: it may be stopped, but it can go on.
    fn is_here(&self) -> bool {
        !self.is_over() && self.life.as_ref().is_some_and(ProcessIdentity::is_here)
    }

    fn bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default() // three texts cannot fail
    }
}

fn digits(beat: u64) -> String {
    format!("{beat:012}")
}

/// The right to write a set, for a while.
pub(crate) struct Lease {
    /// When the mark was last seen and changed: before that. By both clocks: one stands still
    /// while the machine sleeps, the other one may be set.
    since: Mutex<(Instant, SystemTime)>,
    /// Another run has taken the set over.
    lost: AtomicBool,
    /// The run has given the set back; only its folder's name is missing.
    is_over: AtomicBool,
}

impl Lease {
    fn new() -> Self {
        let since = Mutex::new((Instant::now(), SystemTime::now()));
        Self { since, lost: AtomicBool::new(false), is_over: AtomicBool::new(false) }
    }

    fn renew(&self, from: (Instant, SystemTime)) {
        *self.since.lock().unwrap_or_else(PoisonError::into_inner) = from;
    }

    fn is_valid(&self) -> bool {
        let (steady, wall) = *self.since.lock().unwrap_or_else(PoisonError::into_inner);
        steady.elapsed() < LEASE && wall.elapsed().is_ok_and(|age| age < LEASE)
    }

    fn is_lost(&self) -> bool {
        self.lost.load(Ordering::SeqCst)
    }
}

impl Guard for Lease {
    /// Waits for the heartbeat if the lease has run out.
    fn may_change(&self, path: &str) -> Result<(), DestinationError> {
        let until = Instant::now() + CONFIRM;
        let (kind, what, action) = loop {
            if self.is_lost() {
                let action = "wait until that run ends, or use --fresh to start a separate set";
                break (
                    ErrorKind::Other,
                    "another run of lifeboat has taken over this set",
                    action,
                );
            }
            if self.is_valid() || self.is_over.load(Ordering::SeqCst) {
                return Ok(());
            }
            if Instant::now() >= until {
                let what = "the mark of this run at the destination cannot be reached";
                break (ErrorKind::Transient, what, "check the connection to the destination");
            }
            thread::sleep(Duration::from_millis(20));
        };
        let (path, what, action) = (path.to_owned(), what.to_owned(), action.to_owned());
        Err(DestinationError { kind, path, what, action, source: None })
    }
}

/// A set that this run may write. Released on drop.
pub(crate) struct Lock<'a> {
    target: &'a dyn Destination,
    dir: String,
    mark: Mark,
    /// Beats so far; `None` once the mark is removed.
    beats: Mutex<Option<u64>>,
    lease: Arc<Lease>,
}

impl<'a> Lock<'a> {
    /// Locks the set in the folder `dir`, which exists.
    ///
    /// # Errors
    /// [`SetError::InUse`] if another run is writing it.
    pub(crate) fn take(
        target: &'a dyn Destination,
        dir: &str,
        monitor: &dyn Monitor,
    ) -> Result<Self, SetError> {
        let path = format!("{dir}/{IN_USE}");
        let in_use = |by: &str| SetError::InUse {
            set: target.display(dir),
            by: if by.is_empty() { String::new() } else { format!(" on {by}") },
        };
        if let Some(found) = read(target, &path)? {
            let mark = serde_json::from_slice::<Mark>(&found).ok();
            let by = mark.as_ref().map_or("", |mark| mark.host.as_str());
            if let Some(life) =
                mark.as_ref().filter(|mark| mark.is_here()).and_then(|m| m.life.as_ref())
            {
                return Err(in_use(&format!("{by}, process {}", life.pid())));
            }
            if !mark.as_ref().is_some_and(Mark::is_over) {
                monitor.note(&format!(
                    "{}: a run{} was writing here; checking for {} s whether it still is",
                    target.display(dir),
                    if by.is_empty() { String::new() } else { format!(" on {by}") },
                    DEAD_AFTER.as_secs()
                ));
                let until = Instant::now() + DEAD_AFTER;
                while Instant::now() < until {
                    if monitor.is_cancelled() {
                        return Err(SetError::Cancelled { set: None });
                    }
                    thread::sleep(LOOK);
                    if read(target, &path)?.as_ref() != Some(&found) {
                        return Err(in_use(by));
                    }
                }
            }
            gone_is_fine(target.remove_file(&path))?;
        }
        let lease = Lease::new(); // before the mark can be seen
        let mark = Mark::new();
        let own = format!("{path}.{}", mark.run);
        let mut file = target.create(&own)?;
        file.write_all_at(0, &mark.bytes())?;
        file.close()?;
        // A rename never replaces: only one of two runs succeeds.
        match target.rename(&own, &path) {
            Ok(()) => {}
            Err(error) if error.kind == ErrorKind::AlreadyExists => {
                let _ = target.remove_file(&own);
                return Err(in_use(""));
            }
            Err(error) => return Err(error.into()),
        }
        runs().insert(mark.run.clone());
        let (dir, beats) = (dir.to_owned(), Mutex::new(Some(0)));
        Ok(Self { target, dir, mark, beats, lease: Arc::new(lease) })
    }

    /// Changes the mark, and checks that it is still ours. The writer meets the same
    /// errors of the destination, so nothing is retried here.
    pub(crate) fn beat(&self) {
        let mut beats = self.beats.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(beat) = beats.as_mut() else { return };
        let target = self.target.without_retry().unwrap_or(self.target);
        let path = format!("{}/{IN_USE}", self.dir);
        let from = (Instant::now(), SystemTime::now());
        *beat += 1;
        let Mark { run, host, life, .. } = &self.mark;
        let (run, host, life) = (run.clone(), host.clone(), life.clone());
        let bytes = Mark { run, beat: digits(*beat), host, life }.bytes();
        let lose = || self.lease.lost.store(true, Ordering::SeqCst);
        // Read and written through one handle: whoever takes over makes another file, and if
        // this run sleeps in between, it changes only its own.
        let change = || -> Result<bool, DestinationError> {
            let mut file = target.open_rw(&path)?;
            if !self.is_own(&start_of(&mut *file)?) {
                return Ok(false);
            }
            file.write_all_at(0, &bytes)?;
            file.close()?;
            Ok(read(target, &path)?.is_some_and(|found| self.is_own(&found)))
        };
        match change() {
            Ok(true) => self.lease.renew(from),
            // A missing mark was removed by a run that is about to write its own.
            Ok(false) => lose(),
            Err(error) if error.kind == ErrorKind::NotFound => lose(),
            Err(_) => {} // the next one may succeed
        }
    }

    /// Whether this is the mark of this run. (One that is torn is of nobody else.)
    fn is_own(&self, found: &[u8]) -> bool {
        serde_json::from_slice::<Mark>(found).map_or(true, |mark| mark.run == self.mark.run)
    }

    /// Who is asked before each write to the set.
    pub(crate) fn lease(&self) -> Arc<Lease> {
        Arc::clone(&self.lease)
    }

    /// Whether another run has taken the set over.
    pub(crate) fn is_lost(&self) -> bool {
        self.lease.is_lost()
    }

    /// The error for a set that was taken over.
    pub(crate) fn lost(&self) -> SetError {
        SetError::InUse { set: self.target.display(&self.dir), by: String::new() }
    }

    /// Removes the mark, and temporary files of earlier runs' marks. No file of the set is
    /// open afterwards.
    ///
    /// # Errors
    /// The set is no longer ours; the destination fails.
    pub(crate) fn give_back(&self) -> Result<(), SetError> {
        if !self.lease.is_valid() {
            self.beat();
        }
        let mut beats = self.beats.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_lost() {
            return Err(self.lost());
        }
        if beats.take().is_some() {
            for entry in self.target.list(&self.dir)? {
                if is_mark(&entry.name) && !entry.is_dir {
                    let path = format!("{}/{}", self.dir, entry.name);
                    gone_is_fine(self.target.remove_file(&path))?;
                }
            }
            self.lease.is_over.store(true, Ordering::SeqCst);
        }
        Ok(())
    }
}

impl Drop for Lock<'_> {
    fn drop(&mut self) {
        runs().remove(&self.mark.run);
        let beats = self.beats.get_mut().unwrap_or_else(PoisonError::into_inner);
        if beats.take().is_some() && !self.lease.is_lost() {
            // The run failed, perhaps because of the destination: do not retry.
            let target = self.target.without_retry().unwrap_or(self.target);
            let _ = target.remove_file(&format!("{}/{IN_USE}", self.dir));
        }
    }
}

/// Whether a file's name is that of a mark, or of a temporary one.
pub(crate) fn is_mark(name: &str) -> bool {
    name.to_ascii_lowercase().starts_with(IN_USE)
}

/// Whether no run can be writing in the folder. It does not watch, so a mark of another
/// machine counts as a run.
pub(crate) fn is_abandoned(target: &dyn Destination, dir: &str) -> bool {
    match read(target, &format!("{dir}/{IN_USE}")) {
        Ok(None) => true,
        Ok(Some(found)) => serde_json::from_slice::<Mark>(&found).is_ok_and(|mark| mark.is_over()),
        Err(_) => false,
    }
}

/// Runs `job` with the heartbeat.
pub(crate) fn with_heartbeat<T>(lock: &Lock<'_>, job: impl FnOnce() -> T) -> Result<T, NoThread> {
    thread::scope(|scope| {
        let (stop, stopped) = crossbeam_channel::bounded::<()>(0);
        threads::start_in(scope, "heartbeat", move || {
            while stopped.recv_timeout(BEAT) == Err(crossbeam_channel::RecvTimeoutError::Timeout) {
                lock.beat();
            }
        })?;
        let done = job();
        drop(stop);
        Ok(done)
    })
}

/// Stops a job if another run has taken over its set.
pub(crate) struct LockMonitor<'a> {
    pub(crate) monitor: &'a dyn Monitor,
    pub(crate) lock: &'a Lock<'a>,
}

impl Monitor for LockMonitor<'_> {
    fn stage(&self, stage: Stage, on: &str) {
        self.monitor.stage(stage, on);
    }
    fn progress(&self, progress: Progress) {
        self.monitor.progress(progress);
    }
    fn compressed(&self, bytes: u64) {
        self.monitor.compressed(bytes);
    }
    fn file(&self, path: &str) {
        self.monitor.file(path);
    }
    fn finding(&self, finding: &Finding) {
        self.monitor.finding(finding);
    }
    fn loss(&self, loss: &Loss) {
        self.monitor.loss(loss);
    }
    fn note(&self, text: &str) {
        self.monitor.note(text);
    }
    fn retrying(&self, text: &str) {
        self.monitor.retrying(text);
    }
    fn stalled(&self, text: &str) {
        self.monitor.stalled(text);
    }
    fn recovered(&self, text: &str) {
        self.monitor.recovered(text);
    }
    fn is_cancelled(&self) -> bool {
        self.lock.is_lost() || self.monitor.is_cancelled()
    }
}

/// The mark's bytes; `None` if there is none.
fn read(target: &dyn Destination, path: &str) -> Result<Option<Vec<u8>>, DestinationError> {
    let mut file = match target.open(path) {
        Ok(file) => file,
        Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    start_of(&mut *file).map(Some)
}

fn start_of(file: &mut dyn DestinationFile) -> Result<Vec<u8>, DestinationError> {
    let mut bytes = vec![0; MAX_MARK];
    let read = file.read_at(0, &mut bytes)?;
    bytes.truncate(read);
    Ok(bytes)
}

fn gone_is_fine(done: Result<(), DestinationError>) -> Result<(), DestinationError> {
    match done {
        Err(error) if error.kind == ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::destination::Missing;
    use crate::destination::directory::DirectoryDestination;
    use crate::model::monitor::{Collect, Silent};

    fn target(dir: &tempfile::TempDir) -> DirectoryDestination {
        let target = DirectoryDestination::open(dir.path(), Missing::Fail).unwrap();
        target.create_dir_all("set").unwrap();
        target
    }

    fn is_empty(dir: &tempfile::TempDir) -> bool {
        std::fs::read_dir(dir.path().join("set")).unwrap().next().is_none()
    }

    #[test]
    fn of_two_runs_the_second_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let target = target(&dir);
        let first = Lock::take(&target, "set", &Silent).unwrap();
        let second = with_heartbeat(&first, || Lock::take(&target, "set", &Silent).map(drop));
        let second = second.unwrap();
        assert!(matches!(second, Err(SetError::InUse { .. })), "{second:?}");
        first.give_back().unwrap();
        assert!(is_empty(&dir));
        drop(Lock::take(&target, "set", &Silent).unwrap());
        assert!(is_empty(&dir), "a run that fails leaves no mark");
    }

    #[test]
    fn a_dead_runs_mark_is_passed_over_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let target = target(&dir);
        let mut mark = Mark::new(); // never among the runs of this process
        std::fs::write(dir.path().join("set").join(IN_USE), mark.bytes()).unwrap();
        std::fs::write(dir.path().join("set").join("in-use.torn"), "").unwrap();
        let began = Instant::now();
        let monitor = Collect::default();
        let lock = Lock::take(&target, "set", &monitor).unwrap();
        assert!(began.elapsed() < Duration::from_secs(3));
        assert!(monitor.notes.lock().unwrap().is_empty());
        lock.give_back().unwrap();
        assert!(is_empty(&dir));

        // Of another machine's nobody knows before it has stood still.
        mark.life = None;
        std::fs::write(dir.path().join("set").join(IN_USE), mark.bytes()).unwrap();
        let lock = Lock::take(&target, "set", &monitor).unwrap();
        assert!(began.elapsed() >= DEAD_AFTER);
        assert_eq!(monitor.notes.lock().unwrap().len(), 1);
        drop(lock);
    }

    #[test]
    fn who_slept_writes_nothing_before_it_has_seen_its_mark() {
        let dir = tempfile::tempdir().unwrap();
        let target = target(&dir);
        let lock = Lock::take(&target, "set", &Silent).unwrap();
        let lease = lock.lease();
        lease.may_change("set").unwrap();
        let asleep = (Instant::now(), SystemTime::now() - LEASE);
        lease.renew(asleep);
        assert!(!lease.is_valid(), "one of the two clocks is enough");
        lock.beat();
        lease.may_change("set").unwrap();
        lease.renew(asleep);
        target.remove_file("set/in-use").unwrap();
        let other = Lock::take(&target, "set", &Silent).unwrap();
        lock.beat();
        let error = lease.may_change("set").unwrap_err();
        assert!(!error.is_transient(), "{error}");
        other.lease().may_change("set").unwrap();
        // Nobody changes a mark that is another's.
        let before = std::fs::read(dir.path().join("set/in-use")).unwrap();
        lock.beat();
        assert_eq!(std::fs::read(dir.path().join("set/in-use")).unwrap(), before);
    }

    #[test]
    fn who_was_taken_for_dead_stops() {
        let dir = tempfile::tempdir().unwrap();
        let target = target(&dir);
        let first = Lock::take(&target, "set", &Silent).unwrap();
        let monitor = LockMonitor { monitor: &Silent, lock: &first };
        first.beat();
        assert!(!monitor.is_cancelled());
        target.remove_file("set/in-use").unwrap();
        let second = Lock::take(&target, "set", &Silent).unwrap();
        first.beat();
        assert!(monitor.is_cancelled());
        assert!(matches!(first.give_back(), Err(SetError::InUse { .. })));
        drop(first);
        second.beat();
        assert!(!second.is_lost(), "the first took the second's mark away");
        second.give_back().unwrap();
        assert!(is_empty(&dir));
    }
}
