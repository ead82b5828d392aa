//! Writes a set: plan, producer, compressors, sink, commit; and resumes an interrupted one.

pub(crate) mod append_file;
pub(crate) mod beside;
pub(crate) mod commit;
pub(crate) mod draft;
pub mod estimate;
mod frame_buffer;
pub mod level;
pub(crate) mod lock;
pub(crate) mod observer;
pub(crate) mod options;
pub mod parts;
pub mod plan;
mod plan_builder;
mod producer;
mod queue;
pub mod resume;
pub(crate) mod sample;
pub(crate) mod sink;
mod strangers;
pub mod writer;
