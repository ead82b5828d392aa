//! The rescue set, by task. `docs/reference/format.md` specifies it.
//!
//! [`mod@format`] has names, documents, frames and the tar dialect; [`crypt`] keys and
//! encrypted files. [`mod@write`] makes a set ([`write::plan`] fixes the order, the producer
//! reads members into frames, the sink writes them, commit publishes the set) and
//! resumes an interrupted one (`write::resume`). [`read`] opens sets and verifies them.

pub mod crypt;
pub mod error;
pub mod format;
pub mod read;
pub mod write;

pub use error::SetError;
