//! Why a restore cannot begin or continue.

use std::io;

use crate::model::advice::{Advice, Ending};
use crate::model::exhausted;
use crate::set::error::SetError;

/// Why a restore cannot begin or continue. An error with a single file is not one
/// of these but a [`Loss`](crate::model::loss::Loss), and the restore continues.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// `--to` is not valid.
    #[error("--to {text}: {what}")]
    BadDestination {
        /// The value given.
        text: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The set has a part for which no destination was given.
    #[error("the set has a part of drive {drive}, but no destination was given for it")]
    NoDestination {
        /// The drive, as in the set.
        drive: String,
    },
    /// The destination does not exist.
    #[error("{path}: {error}")]
    Missing {
        /// The destination.
        path: String,
        /// The system's error.
        error: io::Error,
    },
    /// No permission to write to the destination.
    #[error("{path}: no permission to write: {error}")]
    Denied {
        /// The destination, or the file.
        path: String,
        /// The system's error.
        error: io::Error,
    },
    /// The destination is full, or too small.
    #[error("{path}: not enough free space")]
    Full {
        /// The destination, or the file that did not fit.
        path: String,
        /// Bytes to be written in total.
        needed: u64,
        /// Bytes free at the beginning, if known.
        free: Option<u64>,
    },
    /// A store, or something else, already exists there.
    #[error("{path}: {what}")]
    AlreadyExists {
        /// The folder.
        path: String,
        /// What exists there.
        what: &'static str,
    },
    /// There are only files of this set, as an earlier restore leaves them that lost some; and not
    /// all of them.
    #[error("{path}: this set's files are here, but not all of them")]
    NotWhole {
        /// The folder of the first part.
        path: String,
    },
    /// Something that Lifeboat does not write through or over is where the restore keeps its files
    /// or its mark.
    #[error("{path}: {what}")]
    InTheWay {
        /// What is there.
        path: String,
        /// What it is.
        what: &'static str,
    },
    /// A part of the set belongs where the restore has its own files. No sound set has one.
    #[error("{path}: a part of the set belongs where the restore keeps its own files")]
    OwnName {
        /// Where that is.
        path: String,
    },
    /// Another restore is writing there.
    #[error("{path}: another restore is writing here")]
    InUse {
        /// Its marker.
        path: String,
    },
    /// The destination was disconnected, or fails for every file.
    #[error("{path}: {error}")]
    Broken {
        /// The file where the error occurred.
        path: String,
        /// The system's error.
        error: io::Error,
    },
    /// This PC has no more memory or open files.
    #[error("{path}: this PC has no more memory or open files: {error}")]
    Exhausted {
        /// The file where the error occurred.
        path: String,
        /// The system's error.
        error: io::Error,
    },
    /// The set cannot be read.
    #[error(transparent)]
    Set(#[from] SetError),
    /// The user stopped the restore.
    #[error("stopped before everything was restored")]
    Cancelled,
}

impl RestoreError {
    /// Whether the error is about the destination: unreachable, refused or full.
    pub fn is_destination(&self) -> bool {
        matches!(
            self,
            Self::Missing { .. }
                | Self::Denied { .. }
                | Self::Full { .. }
                | Self::AlreadyExists { .. }
                | Self::NotWhole { .. }
                | Self::InTheWay { .. }
                | Self::InUse { .. }
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
                "Run Lifeboat as administrator (Linux: root). Mount a read-only volume for \
                 writing. If Windows is hibernated on it, shut that Windows down first."
                    .to_owned()
            }
            Self::Full { needed, free: Some(free), .. } => {
                format!(
                    "{needed} bytes are needed, {free} are free. Free up space or use another \
                     disk. (restore --despite-space begins anyway.)"
                )
            }
            Self::Full { .. } => {
                "Free some space or use another disk. Then run the same command again.".to_owned()
            }
            Self::AlreadyExists { .. } => {
                "Nothing was changed. Move it away or choose another destination. Or use --replace: \
                 restore keeps the store that is there under another name, extract replaces files."
                    .to_owned()
            }
            Self::NotWhole { .. } => {
                "Nothing was changed. Add --replace to the same command: it restores all of the \
                 set, and keeps what is there under another name."
                    .to_owned()
            }
            Self::InTheWay { .. } => {
                "Nothing was changed. Find out who put it there, move it away, and run the same \
                 command again."
                    .to_owned()
            }
            Self::OwnName { .. } => {
                "Nothing was changed. Find out where this set comes from. lifeboat extract gets \
                 its files."
                    .to_owned()
            }
            Self::InUse { .. } => {
                "Wait until that restore ends. If it hangs, end it and run the same command again."
                    .to_owned()
            }
            Self::Broken { .. } => {
                "Check the cable and the disk. Then run the same command again: it replaces the \
                 files of the unfinished restore."
                    .to_owned()
            }
            Self::Exhausted { .. } => exhausted::ADVICE.to_owned(),
            Self::Set(error) => error.advice(),
            Self::Cancelled => {
                "The restored files are incomplete: do not run loadstate on them. Run the same \
                 command again: it replaces the files of the unfinished restore."
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
