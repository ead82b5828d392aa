//! Starting `loadstate` and following it. What its command line is stands in
//! [`crate::usmt::loadstate`].

mod find;
mod progress;
mod run;

pub use find::{Around, find, is_windows_pe};
pub use progress::{Said, Watcher};
pub use run::{Ended, run};
