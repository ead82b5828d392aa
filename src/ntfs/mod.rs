//! An NTFS volume, read from its device: every structure has a file of its own.
#![forbid(unsafe_code)]

pub mod codec;
pub mod efs;
pub mod wof;

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
}
