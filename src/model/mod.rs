//! The types that all modules share: names and paths, metadata, findings,
//! losses, monitors, units, secrets.

pub mod advice;
pub(crate) mod busy;
pub(crate) mod bytes;
pub(crate) mod descriptor;
pub(crate) mod exhausted;
pub(crate) mod extended_attributes;
pub mod finding;
pub(crate) mod inherit;
pub mod loss;
pub mod metadata;
pub mod monitor;
pub mod name;
pub mod recovered;
pub mod reparse;
pub mod secret;
pub mod sid;
pub(crate) mod text;
#[doc(hidden)] // for tests
pub mod threads;
pub mod units;
