//! Reading a volume: records, the attributes of one file, the bytes of one stream.

pub(crate) mod cluster_bitmap;
mod compression;
pub(crate) mod content;
pub mod data;
pub mod device;
pub mod efs;
pub(crate) mod efs_data;
pub(crate) mod file;
pub mod index;
pub mod secure;
pub(crate) mod state;
pub mod volume;
pub mod wof;
pub(crate) mod wof_data;
