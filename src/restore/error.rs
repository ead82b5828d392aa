//! Why a restore cannot begin, or cannot go on.

use crate::model::advice::{Advice, Ending};
use std::io;

use crate::set::error::SetError;

/// Why a restore cannot begin, or cannot go on. What only strikes one file is
/// no error but a [`Loss`](crate::model::loss::Loss), and the rest goes on.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// `--to` is not understood.
    #[error("--to {text}: {what}")]
    BadDestination {
        /// What was typed.
        text: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The set has a part for which no destination was named.
    #[error("the set holds a part of drive {drive}, but no destination was named for it")]
    NoDestination {
        /// The drive, as in the set.
        drive: String,
    },
    /// The destination is not there.
    #[error("{path}: {error}")]
    Missing {
        /// The destination.
        path: String,
        /// What the system said.
        error: io::Error,
    },
    /// The destination may not be written.
    #[error("{path}: may not be written: {error}")]
    Denied {
        /// The destination, or the file.
        path: String,
        /// What the system said.
        error: io::Error,
    },
    /// The destination is full, or would be.
    #[error("{path}: not enough room")]
    Full {
        /// The destination, or the file that did not fit.
        path: String,
        /// Bytes to be written in all.
        needed: u64,
        /// Bytes free at the beginning, where the system tells.
        free: Option<u64>,
    },
    /// A store, or something else, is there already.
    #[error("{path}: {what}")]
    AlreadyExists {
        /// The folder.
        path: String,
        /// What is there.
        what: &'static str,
    },
    /// The destination went away, or fails for every file.
    #[error("{path}: {error}")]
    Broken {
        /// The file that it was found by.
        path: String,
        /// What the system said.
        error: io::Error,
    },
    /// The set cannot be read.
    #[error(transparent)]
    Set(#[from] SetError),
    /// The user stopped it.
    #[error("stopped before everything was restored")]
    Cancelled,
}

impl RestoreError {
    /// Whether the destination is to blame: unreachable, refused or full.
    pub fn is_destination(&self) -> bool {
        matches!(
            self,
            Self::Missing { .. }
                | Self::Denied { .. }
                | Self::Full { .. }
                | Self::AlreadyExists { .. }
                | Self::Broken { .. }
        )
    }
}

impl Advice for RestoreError {
    fn advice(&self) -> String {
        match self {
            Self::BadDestination { .. } => {
                "Give a folder (--to DIR), or a root for each drive (--to C=ROOT --to D=ROOT)."
                    .to_owned()
            }
            Self::NoDestination { drive } => {
                format!("Add --to {drive}=ROOT, or use --to DIR for all drives at once.")
            }
            Self::Missing { .. } => {
                "Check the path; attach or mount the volume first; then run the same command again."
                    .to_owned()
            }
            Self::Denied { .. } => {
                "Run it as administrator (Linux: root). A volume mounted read-only must be mounted \
                 for writing; one that Windows hibernated on must be shut down first."
                    .to_owned()
            }
            Self::Full { needed, free: Some(free), .. } => {
                format!(
                    "{needed} bytes are needed, {free} are free: make room or use another disk."
                )
            }
            Self::Full { .. } => "Make room or use another disk; then run it again.".to_owned(),
            Self::AlreadyExists { .. } => {
                "Nothing was changed. Move it away or choose another destination; with --replace \
                 files of the same names are replaced."
                    .to_owned()
            }
            Self::Broken { .. } => {
                "Check cable and disk; then run the same command again: it replaces what it began."
                    .to_owned()
            }
            Self::Set(error) => error.advice(),
            Self::Cancelled => {
                "What is there is not whole: do not run loadstate on it. Run the same command \
                 again; it replaces what it began."
                    .to_owned()
            }
        }
    }

    fn ending(&self) -> Ending {
        match self {
            Self::Cancelled => Ending::Interrupted,
            Self::BadDestination { .. } | Self::NoDestination { .. } => Ending::Usage,
            error if error.is_destination() => Ending::Destination,
            _ => Ending::Failed,
        }
    }
}
