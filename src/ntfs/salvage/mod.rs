//! What the file records alone do not show: deleted files, and names that only the index of a
//! folder still has.

pub(crate) mod deleted;
pub(crate) mod listing;
pub(crate) mod reattach;
pub(crate) mod reuse;
mod slack;
