//! Commands, progress, JSON events. Only here is anything printed.

use std::process::ExitCode;

/// Runs the program with the process's arguments.
pub(crate) fn main() -> ExitCode {
    ExitCode::from(2)
}
