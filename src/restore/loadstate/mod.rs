//! Starts `loadstate` and follows it. [`crate::usmt::loadstate`] has its command
//! line.

mod find;
mod progress;
mod run;

pub(crate) use find::is_windows_pe;
pub use find::{Around, find};
pub use progress::Said;
pub use run::{Ended, run};
