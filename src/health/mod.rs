//! Checks a source, a store or a set, and reports findings.

mod clones;
pub mod codes;
mod container;
mod copy;
mod deleted;
mod logs;
mod many;
mod metadata;
mod names;
mod parts;
mod read_all;
pub mod seal;
mod store;
mod usmtutils;
mod verdict;

pub(crate) use clones::check_clones;
pub use codes::Code;
pub(crate) use container::{PASSWORD_POSITION, container_pieces, container_problem};
pub(crate) use deleted::check_deleted_stores;
pub use deleted::{DeletedStore, deleted_stores};
pub(crate) use metadata::check_deleted_files;
pub(crate) use metadata::has_no_user;
pub use parts::missing_parts;
pub(crate) use read_all::StreamObserver;
pub use store::{Check, Level, StoreReport, check_store};
pub(crate) use store::{check_store_with, unfinished_capture};
pub use usmtutils::{Extraction, Usmtutils};
pub use verdict::Verdict;
