//! Restores a set onto a volume, so that `loadstate` finds its store.
//!
//! A set is untrusted input. Every name in it is checked. Every file is reached
//! from the destination's handle, one folder at a time, and never through a link
//! that existed there or was put there. What the destination does not support is
//! reported as a loss, and the restore continues.

mod account;
mod chosen;
mod destination;
mod error;
mod existed;
mod from_container;
mod from_plain;
mod input;
mod into_profile;
mod job;
pub mod loadstate;
mod names;
mod object_ids;
mod outcome;
mod place;
mod recovered;
mod run;
mod single_files;
mod stage;
mod tally;
mod verify;
pub mod volumes;

#[cfg(target_os = "linux")]
#[path = "linux.rs"]
mod platform;
#[cfg(windows)]
#[path = "windows.rs"]
mod platform;

pub(crate) use account::lookup_account;
pub use chosen::Chosen;
pub use destination::{Destinations, MARKER};
pub use error::RestoreError;
pub use from_container::{Choice, Extracted, Notice, extract_container};
pub(crate) use from_plain::extract_plain;
pub use input::{Bytes, Input, Ordered};
pub use into_profile::PROFILE;
pub(crate) use into_profile::{IntoProfile, IntoProfileError};
pub use outcome::{Options, Restored};
pub use recovered::Recovered;
pub(crate) use recovered::restore_recovered;
pub use run::{restore, restore_verified};
pub use stage::{Settled, settle};
pub use verify::{Verified, verify_restored};
