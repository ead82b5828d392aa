//! All threads start here. Where none can be started (a limit of processes, too little memory),
//! that is an error with words, never a panic.

use std::io;
use std::thread::{Builder, JoinHandle, Scope, ScopedJoinHandle};

/// The system starts no more threads.
#[derive(Debug, thiserror::Error)]
#[error("no thread can be started: {0}")]
pub struct NoThread(#[from] io::Error);

impl NoThread {
    /// What to do.
    pub(crate) const ADVICE: &'static str =
        "Close other programs, or raise the limit of processes and memory (ulimit -u, ulimit -v).";
}

/// Starts a thread.
///
/// # Errors
/// The system starts no more threads.
pub fn start<T: Send + 'static>(
    name: &str,
    job: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, NoThread> {
    Ok(Builder::new().name(name.to_owned()).spawn(job)?)
}

/// Starts a thread that ends with its scope.
///
/// # Errors
/// The system starts no more threads.
pub(crate) fn start_in<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    name: &str,
    job: impl FnOnce() -> T + Send + 'scope,
) -> Result<ScopedJoinHandle<'scope, T>, NoThread> {
    Ok(Builder::new().name(name.to_owned()).spawn_scoped(scope, job)?)
}
