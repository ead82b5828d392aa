//! An NTFS volume, read from its device: every structure has a file of its own.
//!
//! From the bytes up: [`boot`] says where things lie, [`fixup`] proves that a
//! record was written whole, [`record`] and [`attribute`] take it apart,
//! [`runs`] says which clusters hold a stream, [`volume`] reads records,
//! `file` gathers one file from its records, [`data`] reads a stream, and
//! `sweep` passes once over the whole `$MFT` to fill the `catalog`, from
//! which names and folders are answered without touching the disk again.
//!
//! On-disk facts are cited where they are used. "Linux-NTFS" is the public
//! documentation of that project; MS-FSCC and MS-EFSR are Microsoft's.
#![forbid(unsafe_code)]

pub mod attribute;
pub mod attribute_list;
pub mod boot;
mod bytes;
mod cache;
mod catalog;
mod catalog_builder;
pub mod codec;
mod compression;
mod content;
pub mod data;
mod deleted;
pub mod device;
pub mod efs;
mod efs_data;
mod file;
pub mod file_name;
mod findings;
pub mod fixup;
pub mod index;
mod index_check;
pub mod log_file;
mod lost_names;
pub mod record;
pub mod runs;
mod same_names;
pub mod secure;
pub mod standard_information;
mod sweep;
pub mod volume;
pub mod volume_information;
pub mod wof;
mod wof_data;

pub(crate) use catalog::{Catalog, Entry as CatalogEntry, Folder, entry_flag};
pub(crate) use content::{Kind, kind_of};
pub(crate) use deleted::list as list_deleted;
pub use deleted::{DeletedFile, Readable};
pub(crate) use efs_data::EfsData;
pub(crate) use file::{Body, File, FileAttribute};
pub(crate) use findings::of_volume;
pub(crate) use index_check::check as check_indexes;
pub(crate) use lost_names::{is_lost_folder, lost_names};
pub(crate) use secure::Security;
pub(crate) use sweep::sweep;
pub(crate) use wof_data::WofData;

use std::io;

/// Why a volume, a file or a piece of either cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum NtfsError {
    /// The device failed.
    #[error("{what} at byte {offset} of the volume: {error}")]
    Io {
        /// What was being read.
        what: &'static str,
        /// Byte on the volume.
        offset: u64,
        /// What the device said.
        error: io::Error,
    },
    /// A structure is not what it should be.
    #[error("{what} at byte {offset} of the volume: expected {expected}, found {found}")]
    Damaged {
        /// Which structure.
        what: &'static str,
        /// Byte on the volume.
        offset: u64,
        /// What should stand there.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// No such record, name or stream.
    #[error("{what} not found in file record {record}")]
    NotFound {
        /// What was asked for.
        what: String,
        /// The record's number.
        record: u64,
    },
    /// The user stopped the work.
    #[error("stopped before the volume was read")]
    Cancelled,
}

impl NtfsError {
    /// Whether the device is no longer there: nothing further will come from it.
    pub(crate) fn is_gone(&self) -> bool {
        matches!(self, Self::Io { error, .. } if crate::disk::is_gone(error))
    }
}

/// Shorthand for [`NtfsError::Damaged`].
pub(crate) fn damaged(
    what: &'static str,
    offset: u64,
    expected: impl Into<String>,
    found: impl Into<String>,
) -> NtfsError {
    NtfsError::Damaged { what, offset, expected: expected.into(), found: found.into() }
}
