//! Finding and checking: `detect`, `verify`.
use std::path::PathBuf;

use clap::Args;

use super::shared::{LevelArg, Logon, Search};

#[derive(Args, Debug)]
pub(crate) struct Detect {
    /// Disk image, device, volume or mounted folder [default: all attached]
    #[arg(value_name = "SOURCE")]
    pub(crate) sources: Vec<String>,
    #[command(flatten)]
    pub(crate) search: Search,
}

#[derive(Args, Debug)]
pub(crate) struct Verify {
    /// Sources with stores, or rescue sets (folder or URL)
    #[arg(value_name = "WHAT", required = true)]
    pub(crate) what: Vec<String>,
    /// How thorough to check
    #[arg(long, value_enum, default_value = "quick")]
    pub(crate) level: LevelArg,
    /// Every rescue set in the folders or URLs; the result is recorded beside
    /// each set
    #[arg(long, conflicts_with_all = ["store", "usmt", "deep", "mapfile"])]
    pub(crate) all: bool,
    /// Only this store: its id or its path, as detect shows them
    #[arg(long, value_name = "ID|PATH")]
    pub(crate) store: Option<String>,
    /// Folder with usmtutils, to check compressed stores with it too (Windows)
    /// [default: the folder of lifeboat.exe, then PATH]
    #[arg(long, value_name = "DIR")]
    pub(crate) usmt: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) search: Search,
    #[command(flatten)]
    pub(crate) logon: Logon,
}
