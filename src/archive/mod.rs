//! The rescue set: plan, tar dialect, frames, manifest, writer, reader.
//! `docs/format.md` specifies it.

pub mod error;
pub mod hash;
pub mod manifest;
pub mod pax;
pub mod plan;
pub mod rescue;
pub mod tar_dialect;
pub mod ustar;
