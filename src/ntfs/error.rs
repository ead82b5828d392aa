//! Why a volume, or something on it, cannot be read.

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

    /// Whether this PC has no more memory or open files.
    pub(crate) fn is_exhausted(&self) -> bool {
        matches!(self, Self::Io { error, .. } if crate::model::exhausted::is_exhausted(error))
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
