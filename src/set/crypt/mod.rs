//! Encryption of rescue sets: age v1 files (<https://age-encryption.org/v1>), so
//! that the stock `age` reads them.
//!
//! The `age` crate makes and decrypts every header and every small file ([`key`]).
//! The payload of large files is processed here ([`stream`]), chunk by chunk: a
//! reader can seek to a chunk, and a writer knows the position of every byte when it
//! is interrupted.
//!
//! **No nonce is ever used for two plaintexts.** Each file has its own key, and
//! a resumed run starts a new file instead of continuing the old one.

use crate::model::advice::{Advice, Ending};

pub mod key;
pub mod stream;

pub use key::{Encryption, Keys, Locks, SetKey};

/// Why something cannot be encrypted or decrypted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CryptError {
    /// Wrong passphrase.
    #[error("the passphrase is wrong")]
    WrongPassphrase,
    /// It needs a passphrase, and none was given.
    #[error("it is encrypted with a passphrase, and none was given")]
    NoPassphrase,
    /// It is encrypted to recipients, and no given identity matches.
    #[error("it is encrypted to a recipient, and none of the given identities matches")]
    NoIdentity,
    /// Checking the passphrase would take more memory than this program
    /// allows.
    #[error("its passphrase needs 2^{0} rounds, which is above the limit of 2^18")]
    TooMuchWork(u8),
    /// The data is damaged.
    #[error("{0}")]
    Damaged(&'static str),
    /// A passphrase that can be guessed.
    #[error("{0}")]
    WeakPassphrase(&'static str),
    /// An invalid recipient or identity.
    #[error("{0}")]
    NotAKey(String),
    /// The age crate cannot encrypt.
    #[error("encryption failed: {0}")]
    Failed(String),
}

impl Advice for CryptError {
    fn advice(&self) -> String {
        let advice = match self {
            Self::WrongPassphrase => {
                "Type it again (F2 shows it). In WinPE, check the keyboard layout."
            }
            Self::NoPassphrase => "Use --passphrase-file FILE or LIFEBOAT_PASSPHRASE.",
            Self::NoIdentity => "Give the file with its AGE-SECRET-KEY-1 line: --identity FILE.",
            Self::TooMuchWork(_) => {
                "Read the set with stock age: see docs/reference/format.md, section 14."
            }
            Self::Damaged(_) => "Get the file from another copy of the set.",
            Self::WeakPassphrase(_) => "Use a stronger one, such as five random words.",
            Self::NotAKey(_) => {
                "Recipients begin with age1, identities with AGE-SECRET-KEY-1; age-keygen makes both."
            }
            Self::Failed(_) => "Run the command again. If the error persists, report it.",
        };
        advice.to_owned()
    }

    fn ending(&self) -> Ending {
        match self {
            Self::NoPassphrase | Self::NoIdentity => Ending::Usage,
            _ => Ending::Failed,
        }
    }
}
