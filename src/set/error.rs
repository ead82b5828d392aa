//! Why a rescue set cannot be made or read, and what to do about it.

use crate::destination::DestinationError;
use crate::model::advice::{Advice, Ending};
use crate::model::exhausted;
use crate::model::threads::NoThread;
use crate::set::crypt::CryptError;
use crate::set::format::names::MANIFEST;
use crate::tree::TreeError;

/// Why a rescue set cannot be made or read.
#[derive(Debug, thiserror::Error)]
pub enum SetError {
    /// An error of the destination.
    #[error(transparent)]
    Destination(#[from] DestinationError),
    /// What was requested is not in the source.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The source is no longer there: the disk was unplugged, or its mount ended.
    /// Continuing would report losses of files that still exist on it.
    #[error("the source is gone: {0}")]
    SourceGone(TreeError),
    /// This PC has no more memory or open files. Continuing would report losses of files that are
    /// sound.
    #[error("this PC has no more memory or open files: {0}")]
    Exhausted(TreeError),
    /// What was requested cannot be saved in one set.
    #[error("{what}")]
    Unfit {
        /// What does not fit, with the path.
        what: String,
    },
    /// An option has an invalid value.
    #[error("{what}")]
    BadOption {
        /// Which option, and why.
        what: String,
    },
    /// The source has changed since the set was started.
    #[error("{set}: the source has changed since this set was started")]
    SourceChanged {
        /// The unfinished set's full path.
        set: String,
    },
    /// Another run is writing the set.
    #[error("{set}: another run of lifeboat{by} is writing this set")]
    InUse {
        /// The unfinished set's full path.
        set: String,
        /// ` on HOST`, if known.
        by: String,
    },
    /// The user stopped the offload.
    #[error("stopped before the set was complete")]
    Cancelled {
        /// The unfinished set's full path, if one was started.
        set: Option<String>,
    },
    /// There is no complete set.
    #[error("{path}: {what}")]
    NotASet {
        /// The path.
        path: String,
        /// What is there instead.
        what: String,
    },
    /// A deletion of the set was begun.
    #[error("{path}: this rescue set is being deleted")]
    Deleting {
        /// Its full path.
        path: String,
    },
    /// The set was written by a later version.
    #[error("{path}: format {format} is newer than this version supports")]
    TooNew {
        /// The path.
        path: String,
        /// Its format version.
        format: u32,
    },
    /// A file of a set is damaged.
    #[error("{path}, byte {offset}: {what}")]
    Damaged {
        /// The file's full path.
        path: String,
        /// The byte offset in it, as exact as known.
        offset: u64,
        /// What was expected and what was found.
        what: String,
    },
    /// Something cannot be encrypted or decrypted.
    #[error("{path}: {error}")]
    Crypt {
        /// The file's full path.
        path: String,
        /// Why.
        error: CryptError,
    },
    /// The system starts no more threads.
    #[error(transparent)]
    NoThread(#[from] NoThread),
    /// An internal error.
    #[error("{what}")]
    Internal {
        /// The details.
        what: String,
    },
}

/// An error of the encryption of a file.
pub(crate) fn encryption_error(
    target: &dyn crate::destination::Destination,
    path: &str,
    error: CryptError,
) -> SetError {
    SetError::Crypt { path: target.display(path), error }
}

impl Advice for SetError {
    fn advice(&self) -> String {
        match self {
            Self::Destination(error) => error.action.clone(),
            Self::Tree(_) => "Check the path and the volume. `lifeboat detect` lists both.".into(),
            Self::SourceGone(_) => {
                "Attach the disk again and run the same command: Lifeboat resumes.".into()
            }
            Self::Exhausted(_) => exhausted::ADVICE.into(),
            Self::Unfit { .. } => "Save them to separate sets: run Lifeboat once for each.".into(),
            Self::BadOption { .. } => "Give another value, or leave out the option.".into(),
            Self::SourceChanged { .. } => {
                "The unfinished set was not changed. Use --fresh to start a new set beside it."
                    .into()
            }
            Self::InUse { .. } => {
                "Wait until that run ends, or use --fresh to start a separate set.".into()
            }
            Self::Cancelled { set: Some(set) } => {
                format!("Run the same command again to resume in {set}.")
            }
            Self::Cancelled { set: None } => "Run the same command again.".into(),
            Self::Deleting { .. } => {
                "lifeboat prune with --yes finishes that. To keep the set, rename its folder: take \
                 .deleting off, and verify it."
                    .into()
            }
            Self::Damaged { path, .. } if path.contains(MANIFEST) => {
                "Get the file from another copy of the set, if there is one. Without it, `lifeboat \
                 extract` and `restore --to DIR` still get the files, from the data itself."
                    .into()
            }
            Self::NotASet { .. } => {
                "Give the set's own folder. A folder that ends in .partial is unfinished: run the \
                 same offload again to finish it."
                    .into()
            }
            Self::TooNew { .. } => {
                "Use the version of Lifeboat that wrote it, or a later one.".into()
            }
            Self::Damaged { .. } => {
                "Run `lifeboat verify` on the set to list the affected files. Get the file from \
                 another copy, if there is one."
                    .into()
            }
            Self::Crypt { error, .. } => error.advice(),
            Self::NoThread(_) => NoThread::ADVICE.to_owned(),
            Self::Internal { .. } => {
                "Run the command again. If the error persists, keep the log and report it.".into()
            }
        }
    }

    fn ending(&self) -> Ending {
        match self {
            Self::Cancelled { .. } => Ending::Interrupted,
            Self::Destination(_) | Self::InUse { .. } => Ending::Destination,
            Self::Crypt { error, .. } => error.ending(),
            _ => Ending::Failed,
        }
    }
}
