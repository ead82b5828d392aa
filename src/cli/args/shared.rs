//! Options that several commands share.
use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// What unlocks BitLocker volumes.
#[derive(Args, Debug, Clone, Default)]
#[command(next_help_heading = "BitLocker")]
pub(crate) struct BitLockerArgs {
    /// Text file with recovery keys of BitLocker volumes, such as an export from
    /// Active Directory or Entra ID (may be repeated)
    #[arg(hide_short_help = true, long, global = true, value_name = "FILE")]
    pub(crate) recovery_key_file: Vec<PathBuf>,
    /// File whose first line is the password of a BitLocker volume
    #[arg(hide_short_help = true, long, global = true, value_name = "FILE")]
    pub(crate) bitlocker_password_file: Option<PathBuf>,
    /// Folder with startup keys (.BEK) of BitLocker volumes
    #[arg(hide_short_help = true, long, global = true, value_name = "FOLDER")]
    pub(crate) bitlocker_keys: Option<PathBuf>,
}

/// The two ways to read a volume.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ViaArg {
    /// The volume's own structures
    Raw,
    /// The file API
    Host,
}

/// How to read a source.
#[derive(Args, Debug, Clone, Default)]
pub(crate) struct Search {
    /// Search each disk completely for volumes from before it was repartitioned
    /// (slow: every sector outside partitions is read)
    #[arg(hide_short_help = true, long)]
    pub(crate) deep: bool,
    /// The mapfile that ddrescue wrote with the image: parts that it did not read
    /// are losses, not zeros [default: the one beside the image]
    #[arg(hide_short_help = true, long, value_name = "FILE")]
    pub(crate) mapfile: Option<PathBuf>,
}

/// How thorough to check.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LevelArg {
    /// Only metadata, in seconds
    Quick,
    /// Every byte
    Full,
}

/// Which store to look into.
#[derive(Args, Debug, Clone, Default)]
pub(crate) struct Within {
    /// Of a set: the files inside its USMT.MIG, not those of the set
    #[arg(long)]
    pub(crate) inside: bool,
    /// Only this store: its id or its path, as detect shows them
    #[arg(long, value_name = "ID|PATH")]
    pub(crate) store: Option<String>,
    #[command(flatten)]
    pub(crate) search: Search,
}

/// What `loadstate` can decrypt ("Migration store encryption").
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
#[value(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Algorithm {
    Aes,
    #[value(name = "AES_128")]
    Aes128,
    #[value(name = "AES_192")]
    Aes192,
    #[value(name = "AES_256")]
    Aes256,
    #[value(name = "3DES")]
    TripleDes,
    #[value(name = "3DES_112")]
    TripleDes112,
}

impl Algorithm {
    /// As USMT's programs take it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Aes => "AES",
            Self::Aes128 => "AES_128",
            Self::Aes192 => "AES_192",
            Self::Aes256 => "AES_256",
            Self::TripleDes => "3DES",
            Self::TripleDes112 => "3DES_112",
        }
    }
}

/// How to log on to a share.
#[derive(Args, Debug, Clone, Default)]
#[command(next_help_heading = "Logon to a share")]
pub(crate) struct Logon {
    /// User: NAME or DOMAIN\NAME
    ///
    /// User for a \\server\share destination: NAME or DOMAIN\NAME
    #[arg(long, value_name = "USER")]
    pub(crate) user: Option<String>,
    /// File whose first line is the password
    #[arg(hide_short_help = true, long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
    /// Log on without an account, to a share where everyone may write
    #[arg(hide_short_help = true, long, conflicts_with_all = ["user", "password_file"])]
    pub(crate) anonymous: bool,
    /// Whether the user, or `--anonymous`, is from the command line.
    #[arg(skip)]
    pub(crate) is_typed: bool,
    #[command(flatten)]
    pub(crate) unlock: Unlock,
}

/// What decrypts a set.
#[derive(Args, Debug, Clone, Default)]
#[command(next_help_heading = "Encryption")]
pub(crate) struct Unlock {
    /// File whose first line is the passphrase of an encrypted set
    #[arg(hide_short_help = true, long, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// File with the secret key of a recipient of an encrypted set
    #[arg(hide_short_help = true, long, value_name = "FILE")]
    pub(crate) identity: Vec<PathBuf>,
    /// Recipients from the settings.
    #[arg(skip)]
    pub(crate) recipients: Vec<String>,
}
