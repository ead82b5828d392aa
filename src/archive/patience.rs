//! What makes passing trouble is tried again, with growing waits, within a
//! bound; nothing else ever is.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::monitor::Monitor;
use crate::target::TargetError;

/// How often it is looked whether the user wants to stop.
const BLINK: Duration = Duration::from_millis(100);

/// How long passing trouble is borne.
#[derive(Clone, Copy)]
pub(super) struct Patience<'a> {
    pub(super) bound: Duration,
    pub(super) monitor: &'a dyn Monitor,
}

impl Patience<'_> {
    /// Does `job` until it is done, fails for good, or patience ends.
    pub(super) fn insist<T>(
        &self,
        mut job: impl FnMut() -> Result<T, TargetError>,
    ) -> Result<T, TargetError> {
        let began = Instant::now();
        let mut wait = Duration::from_millis(250);
        loop {
            let error = match job() {
                Err(error) if error.is_passing() => error,
                done => return done,
            };
            if began.elapsed() + wait > self.bound {
                return Err(error);
            }
            self.monitor.note(&format!("{error}; trying again in {} ms", wait.as_millis()));
            let until = Instant::now() + wait;
            while Instant::now() < until {
                if self.monitor.is_cancelled() {
                    return Err(error);
                }
                sleep(BLINK.min(until.saturating_duration_since(Instant::now())));
            }
            wait = (wait * 2).min(Duration::from_secs(10));
        }
    }
}
