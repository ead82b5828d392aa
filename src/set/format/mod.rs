//! The format of a set: file names, documents, frames, the tar dialect.

pub(crate) mod digest;
pub(crate) mod facts;
pub mod frames;
pub mod hash;
pub(crate) mod holes;
pub mod instructions;
#[doc(hidden)] // for tests and fuzz targets
pub mod journal;
pub mod kinds;
pub mod manifest;
pub mod names;
#[doc(hidden)] // likewise
pub mod pax;
pub mod rescue;
#[doc(hidden)] // likewise
pub mod tar_dialect;
pub mod users;
#[doc(hidden)] // likewise
pub mod ustar;
