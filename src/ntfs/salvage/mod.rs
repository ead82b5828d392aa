//! What the file records alone do not show: deleted files, names whose record is gone,
//! indexes that disagree with the records.

pub(crate) mod deleted;
pub(crate) mod index_check;
pub(crate) mod lost_names;
