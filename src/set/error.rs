//! Why a rescue set cannot be made or read, and what to do about it.

use crate::destination::DestinationError;
use crate::set::crypt::CryptError;
use crate::tree::TreeError;

/// Why a rescue set cannot be made or read.
#[derive(Debug, thiserror::Error)]
pub enum SetError {
    /// The destination refused something.
    #[error(transparent)]
    Destination(#[from] DestinationError),
    /// What was asked for cannot be found in the source.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The source is no longer there: a disk that was unplugged, a mount that
    /// ended. Going on would make losses of files that are still on it.
    #[error("the source is gone: {0}")]
    SourceGone(TreeError),
    /// What was asked for cannot be put into one set.
    #[error("{what}")]
    Unfit {
        /// What does not fit, with the path.
        what: String,
    },
    /// An option's value makes no sense.
    #[error("{what}")]
    BadOption {
        /// Which, and why.
        what: String,
    },
    /// The source is not what it was when the set was begun.
    #[error("{set}: the source has changed since this set was started")]
    SourceChanged {
        /// The unfinished set, in full.
        set: String,
    },
    /// Another run is writing the set.
    #[error("{set}: another run of lifeboat{by} is writing this set")]
    InUse {
        /// The unfinished set, in full.
        set: String,
        /// ` on HOST`, where that is known.
        by: String,
    },
    /// The user stopped it.
    #[error("stopped before the set was complete")]
    Cancelled {
        /// The unfinished set's folder, in full, where one was begun.
        set: Option<String>,
    },
    /// There is no whole set at that place.
    #[error("{path}: {what}")]
    NotASet {
        /// Where.
        path: String,
        /// What is there instead.
        what: String,
    },
    /// The set was written by a later program.
    #[error("{path}: format {format} is newer than this version supports")]
    TooNew {
        /// Where.
        path: String,
        /// Its version.
        format: u32,
    },
    /// A file of a set is damaged.
    #[error("{path}, byte {offset}: {what}")]
    Damaged {
        /// Which file, in full.
        path: String,
        /// Byte in it, as near as can be told.
        offset: u64,
        /// Expected what, found what.
        what: String,
    },
    /// Something cannot be encrypted or decrypted.
    #[error("{path}: {error}")]
    Crypt {
        /// Which file, in full.
        path: String,
        /// Why.
        error: CryptError,
    },
    /// Something inside this program went wrong.
    #[error("{what}")]
    Internal {
        /// What.
        what: String,
    },
}

impl SetError {
    /// What to do, in plain words.
    pub fn advice(&self) -> String {
        match self {
            Self::Destination(error) => error.action.clone(),
            Self::Tree(_) => "Check the path and the volume. `lifeboat detect` lists both.".into(),
            Self::SourceGone(_) => {
                "Attach the disk again and run the same command: Lifeboat resumes.".into()
            }
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
            Self::Crypt { error, .. } => error.advice().into(),
            Self::Internal { .. } => {
                "Run the command again. If the error persists, keep the log and report it.".into()
            }
        }
    }
}

/// An error of the encryption of a file.
pub(crate) fn encryption_error(
    target: &dyn crate::destination::Destination,
    path: &str,
    error: CryptError,
) -> SetError {
    SetError::Crypt { path: target.display(path), error }
}
