//! Before a wipe: `seal`, `gate`.
use clap::Args;

use super::shared::{LevelArg, Logon, Search};
use super::values::parse_drive;

#[derive(Args, Debug)]
pub(crate) struct Seal {
    /// Drive, mounted folder, or device of a mounted volume
    #[arg(value_name = "SOURCE", required = true)]
    pub(crate) sources: Vec<String>,
    /// Only this store: its id or its path, as detect shows them
    #[arg(long, value_name = "ID|PATH")]
    pub(crate) store: Vec<String>,
    /// No hashes: only names, sizes and times
    #[arg(long)]
    pub(crate) quick: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Gate {
    /// Disk image, device, volume or mounted folder [default: all attached]
    #[arg(value_name = "SOURCE")]
    pub(crate) sources: Vec<String>,
    /// Rescue set, or a folder with sets (may be repeated)
    /// [default: the destination in lifeboat.toml]
    #[arg(long, value_name = "SET|DEST")]
    pub(crate) set: Vec<String>,
    /// Only this drive will be wiped, such as C: (may be repeated): a store on
    /// others may stay, if it is sealed [default: all will be wiped]
    #[arg(long, value_name = "DRIVE", value_parser = parse_drive)]
    pub(crate) wipes: Vec<char>,
    /// How thorough to check sets, and stores that stay
    #[arg(long, value_enum, default_value = "quick")]
    pub(crate) level: LevelArg,
    /// Accept that scanstate ignored a user's profile, by its log: that user's files
    /// are not needed
    #[arg(hide_short_help = true, long)]
    pub(crate) accept_ignored: bool,
    #[command(flatten)]
    pub(crate) search: Search,
    #[command(flatten)]
    pub(crate) logon: Logon,
}
