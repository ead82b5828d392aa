//! The rescue set: plan, tar dialect, frames, manifest, writer, reader.
//! `docs/reference/format.md` specifies it.
//!
//! Writing: [`plan`] fixes the order, the producer reads members (`draft`) into
//! [`tar_dialect`] and frames, others compress them, the `sink` writes them,
//! `commit` publishes the set. [`journal`] is what makes a break harmless: `resume`
//! finds what was broken off, `prove` reads back what is there of it.

mod commit;
mod data_reader;
mod digest;
pub(crate) mod draft;
pub mod error;
mod frame_buffer;
pub mod frames;
mod growing;
pub mod hash;
mod holes;
mod in_order;
mod index;
pub mod instructions;
mod joined;
pub mod journal;
pub mod level;
pub mod lines;
mod lock;
pub mod manifest;
mod opened;
mod options;
pub mod pax;
pub mod plan;
mod plan_builder;
mod producer;
mod prove;
mod queue;
pub mod reader;
pub mod rescue;
mod resume;
mod resume_sealed;
pub mod sink;
mod source;
pub mod tar_dialect;
mod tar_walk;
mod turn;
pub mod ustar;
pub mod verify;
mod verify_files;
mod volumes;
pub mod witness;
pub mod writer;

pub use commit::{REPORT, RESCUE, SUMS};
pub use error::ArchiveError;
pub use opened::{AGE, DETAILS, KEY, how_locked};
pub(crate) use resume::tell_losses;
