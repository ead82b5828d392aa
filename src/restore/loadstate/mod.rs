//! Starts `loadstate` and follows it. [`crate::usmt::loadstate`] has its command
//! line.

mod find;
mod progress;
mod run;

pub use find::{Around, find, is_windows_pe};
pub use progress::{Said, Watcher};
pub use run::{Ended, run};
