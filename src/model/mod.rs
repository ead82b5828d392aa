//! What all rooms speak of: names and paths, metadata of a file, findings, losses, how a job
//! reports, units, secrets.

pub mod advice;
pub(crate) mod bytes;
pub mod finding;
pub mod loss;
pub mod metadata;
pub mod monitor;
pub mod name;
pub mod secret;
pub mod units;
