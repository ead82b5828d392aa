//! Reads a set: opening, members by the manifest, verification.

mod all_lines;
pub(crate) mod concatenated_file;
mod data_reader;
pub(crate) mod decrypting_destination;
pub mod gate;
mod in_order;
pub(crate) mod index;
#[doc(hidden)] // for fuzz targets
pub mod lines;
pub(crate) mod member_stream;
mod name_rules;
mod part_rules;
mod positions;
pub mod reader;
mod source;
mod tar_walk;
mod turn;
pub mod verify;
mod verify_files;
mod volumes;
