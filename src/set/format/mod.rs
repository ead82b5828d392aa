//! The format of a set: file names, documents, frames, the tar dialect.

pub(crate) mod digest;
pub(crate) mod facts;
pub mod frames;
pub mod hash;
pub(crate) mod holes;
pub mod instructions;
pub mod journal;
pub mod kinds;
pub mod manifest;
pub mod names;
pub mod pax;
pub mod rescue;
pub mod tar_dialect;
pub mod users;
pub mod ustar;
