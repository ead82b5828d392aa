//! A share full of sets: which there are and in what state, what was done with them since, and
//! which of them may be deleted.
//!
//! A list of thousands of sets has to be quick: `find` lists each folder once, and `summary`
//! reads one small file of a set, and the records beside it. Nothing here proves a set:
//! [`crate::set::read::verify`] does.
//!
//! `record` keeps when a set was verified and restored, in files beside the set that are no part
//! of it. Anybody who can write there can write them: they inform people, and prove nothing.

pub mod age;
mod find;
mod name;
pub mod prune;
pub mod record;
mod summary;

pub(crate) use find::{MAX_DEPTH, MOST_DEPTH};
pub use find::{SetFolder, Walked, walk};
pub use summary::{Filter, Listed, State, read};
