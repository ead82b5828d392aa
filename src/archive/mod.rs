//! The rescue set: plan, tar dialect, frames, manifest, writer, reader.
//! `docs/format.md` specifies it.

pub mod manifest;
pub mod rescue;
