//! Notices calls that do not return: a frozen server or a dying disk gives no
//! error for a long time, and silence looks like work.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::model::monitor::Monitor;
use crate::model::threads;

/// A longer call is reported.
pub(super) const STALLED: Duration = Duration::from_secs(10);

/// A call that still has not returned is reported again after this many times that.
const AGAIN: u32 = 6;

/// Watches pending calls. Its thread ends with it.
pub(super) struct Watch {
    shared: Arc<Shared>,
    monitor: Arc<dyn Monitor>,
}

struct Shared {
    state: Mutex<State>,
    ended: Condvar,
    limit: Duration,
}

#[derive(Default)]
struct State {
    calls: BTreeMap<u64, Call>,
    next: u64,
    ended: bool,
}

struct Call {
    since: Instant,
    path: Arc<str>,
    /// How often it was reported.
    told: u32,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves the list as it was.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thread: checks the calls periodically.
    fn look(&self, monitor: &dyn Monitor) {
        let mut state = self.lock();
        while !state.ended {
            let waited = self.ended.wait_timeout(state, self.limit / 8);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            let mut late = Vec::new();
            for call in state.calls.values_mut() {
                let taken = call.since.elapsed();
                if taken >= self.limit * (1 + call.told * AGAIN) {
                    call.told += 1;
                    late.push((Arc::clone(&call.path), taken));
                }
            }
            if !late.is_empty() {
                // A monitor may be slow, and calls must not wait for it.
                drop(state);
                for (path, taken) in late {
                    monitor.stalled(&format!(
                        "{path}: no answer for {} s; still waiting: check the cable and the server",
                        taken.as_secs()
                    ));
                }
                state = self.lock();
            }
        }
    }
}

impl Watch {
    /// Reports calls that take longer than `limit` to `monitor`.
    pub(super) fn new(monitor: Arc<dyn Monitor>, limit: Duration) -> Self {
        let shared = Arc::new(Shared { state: Mutex::default(), ended: Condvar::new(), limit });
        let (own, teller) = (Arc::clone(&shared), Arc::clone(&monitor));
        // Without the thread, stalls are not reported; everything else works.
        let _ = threads::start("watch", move || own.look(&*teller));
        Self { shared, monitor }
    }

    /// Runs `job`, which is about `path`.
    pub(super) fn during<T>(&self, path: &Arc<str>, job: impl FnOnce() -> T) -> T {
        let id = {
            let mut state = self.shared.lock();
            let id = state.next;
            state.next += 1;
            let call = Call { since: Instant::now(), path: Arc::clone(path), told: 0 };
            state.calls.insert(id, call);
            id
        };
        let done = job();
        let call = self.shared.lock().calls.remove(&id);
        if let Some(call) = call.filter(|call| call.told > 0) {
            let taken = call.since.elapsed().as_secs();
            self.monitor.recovered(&format!("{path}: it answers again, after {taken} s"));
        }
        done
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        self.shared.ended.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::model::monitor::Collect;

    #[test]
    fn only_calls_that_stall_are_told_of() {
        let monitor = Arc::new(Collect::default());
        let watch = Watch::new(Arc::clone(&monitor) as _, Duration::from_millis(80));
        let path: Arc<str> = "there".into();
        assert_eq!(watch.during(&path, || 7), 7);
        assert!(monitor.notes.lock().unwrap().is_empty());
        watch.during(&path, || thread::sleep(Duration::from_millis(400)));
        let notes = monitor.notes.lock().unwrap().clone();
        assert_eq!(notes.len(), 2, "{notes:?}");
        assert!(notes[0].starts_with("there: no answer for "), "{notes:?}");
        assert!(notes[1].starts_with("there: it answers again"), "{notes:?}");
    }
}
