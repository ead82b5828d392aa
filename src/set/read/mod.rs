//! Reading a set: opening it, members by the manifest, verification.

mod data_reader;
mod in_order;
pub(crate) mod index;
pub mod lines;
pub mod reader;
mod source;
mod tar_walk;
mod turn;
pub mod verify;
mod verify_files;
mod volumes;
