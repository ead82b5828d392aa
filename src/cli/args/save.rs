//! Saving: `offload`, `guide`, and `check`, which tries the destination.
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::shared::{Logon, Search};
use super::values::{parse_bytes, parse_level, parse_size, parse_time};
use crate::set::write::level::Level;

#[derive(Args, Debug)]
#[allow(clippy::struct_excessive_bools)] // independent switches
pub(crate) struct Offload {
    /// Disk image, device, volume, folder [default: all]
    ///
    /// Disk image, device, volume or mounted folder [default: all attached]
    #[arg(value_name = "SOURCE")]
    pub(crate) sources: Vec<String>,
    // Help text: shown without Markdown's brackets.
    #[allow(clippy::doc_markdown)]
    /// Folder or share to save to
    ///
    /// Folder, \\server\share\folder or smb://user@server/share/folder
    /// [default: from lifeboat.toml beside the program]
    #[arg(long, value_name = "DEST", aliases = ["dest", "destination"])]
    pub(crate) to: Option<String>,
    /// Only this store: id or path
    ///
    /// Only this store: its id or its path, as detect shows them
    #[arg(long, value_name = "ID|PATH")]
    pub(crate) store: Vec<String>,
    /// Save this folder instead of a store
    ///
    /// Save this folder instead of a store (may be repeated): \Users\alice; \
    /// is the whole volume
    #[arg(long, value_name = "FOLDER", conflicts_with = "store")]
    pub(crate) path: Vec<String>,
    /// Save this user's files instead of a store
    ///
    /// Save the files of this user of an offline Windows instead of a store (may
    /// be repeated): a name or SID, as detect shows them
    #[arg(long, value_name = "NAME|SID", conflicts_with_all = ["store", "path"])]
    pub(crate) of_user: Vec<String>,
    /// Save all users' files instead of a store
    ///
    /// Save the files of all users, without the accounts of services
    #[arg(long, conflicts_with_all = ["store", "path", "of_user"])]
    pub(crate) profiles: bool,
    /// With --of-user or --profiles: also save caches and temporary files
    #[arg(hide_short_help = true, long)]
    pub(crate) everything: bool,
    /// Recover deleted files too: below deleted in the set, each with how sure it is.
    /// Without a store: the files of deleted stores
    #[arg(hide_short_help = true, long)]
    pub(crate) deleted: bool,
    #[command(flatten)]
    pub(crate) search: Search,
    /// zstd level: -7 (fast) to 19, or auto
    ///
    /// zstd level, -7 (fast) to 19 (small); auto: the one that is finished first,
    /// by the speed of DEST and a sample of the files
    #[arg(long, value_name = "N|auto", default_value = "auto", value_parser = parse_level, allow_negative_numbers = true)]
    pub(crate) level: Level,
    /// Split the store into files of at most SIZE: 2G, 700M (of 1024), 700MB
    /// (of 1000)
    #[arg(hide_short_help = true, long, value_name = "SIZE", value_parser = parse_size)]
    pub(crate) split: Option<u64>,
    /// First part of the set's name
    ///
    /// First part of the set's name [default: the computer's name]
    #[arg(hide_short_help = true, long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Start over instead of resuming an interrupted set
    #[arg(hide_short_help = true, long)]
    pub(crate) fresh: bool,
    /// Do not read the written set back (the set records this)
    #[arg(hide_short_help = true, long)]
    pub(crate) no_read_back: bool,
    /// Encrypt the set with a passphrase (from a prompt)
    #[arg(long)]
    pub(crate) encrypt: bool,
    /// Encrypt the set to this age recipient (may be repeated): age1...
    #[arg(hide_short_help = true, long, value_name = "AGE1", conflicts_with = "passphrase_file")]
    pub(crate) recipient: Vec<String>,
    /// File with recipients, one per line
    #[arg(hide_short_help = true, long, value_name = "FILE", conflicts_with = "passphrase_file")]
    pub(crate) recipients_file: Vec<PathBuf>,
    /// How long to retry while DEST is away: 30s, 10m, 2h
    #[arg(hide_short_help = true, long, value_name = "TIME", default_value = "10m", value_parser = parse_time)]
    pub(crate) retry_for: Duration,
    /// Only say what would be saved, where, how large and how long; save nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Begin although DEST seems too small
    #[arg(hide_short_help = true, long)]
    pub(crate) despite_space: bool,
    /// Accept that scanstate ignored a user's profile, by its log: that user's files
    /// are not needed
    #[arg(hide_short_help = true, long)]
    pub(crate) accept_ignored: bool,
    /// Save to a folder in memory too (X: of WinPE, tmpfs), which is lost when the
    /// PC restarts
    #[arg(hide_short_help = true, long)]
    pub(crate) allow_memory: bool,
    /// Uncompressed size of a frame, in bytes; small ones are for tests
    #[arg(long, value_name = "BYTES", hide = true, value_parser = parse_bytes)]
    pub(crate) frame_bytes: Option<u64>,
    #[command(flatten)]
    pub(crate) logon: Logon,
}

#[derive(Args, Debug)]
pub(crate) struct CheckArgs {
    // Help text: shown without Markdown's brackets.
    #[allow(clippy::doc_markdown)]
    /// Folder, \\server\share\folder or smb://user@server/share/folder
    /// [default: from lifeboat.toml beside the program]
    #[arg(long, value_name = "DEST")]
    pub(crate) to: Option<String>,
    /// How long to retry while DEST is away: 30s, 10m, 2h
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_time)]
    pub(crate) retry_for: Duration,
    #[command(flatten)]
    pub(crate) logon: Logon,
}

#[derive(Args, Debug, Clone, Default)]
pub(crate) struct Guide {
    /// Disk image, device, volume or mounted folder [default: all attached]
    #[arg(value_name = "SOURCE")]
    pub(crate) sources: Vec<String>,
    /// Destination to fill in; you can change it on the screen
    #[arg(long, value_name = "DEST")]
    pub(crate) to: Option<String>,
    /// First part of the names of the sets [default: the computer's name]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// zstd level, -7 (fast) to 19 (small); auto: what is finished first
    #[arg(hide_short_help = true, long, value_name = "N|auto", default_value = "auto", value_parser = parse_level, allow_negative_numbers = true)]
    pub(crate) level: Level,
    /// Save to a folder in memory too (X: of WinPE, tmpfs), which is lost when the
    /// PC restarts
    #[arg(hide_short_help = true, long)]
    pub(crate) allow_memory: bool,
    #[command(flatten)]
    pub(crate) logon: Logon,
}
