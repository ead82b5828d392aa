//! Rescue sets on a share: `sets`, `prune`, `report`.
use std::path::PathBuf;

use clap::Args;

use super::shared::Logon;
use super::values::parse_since;
use crate::model::metadata::FileTime;

#[derive(Args, Debug)]
pub(crate) struct Sets {
    /// Folder or URL with rescue sets, up to three folders below it
    /// [default: from lifeboat.toml beside the program]
    #[arg(value_name = "DEST")]
    pub(crate) dest: Option<String>,
    /// Only sets of computers with this in their name or serial number
    #[arg(long, value_name = "NAME")]
    pub(crate) computer: Option<String>,
    /// Only sets with files of this user (the name of the profile folder)
    #[arg(long, value_name = "NAME")]
    pub(crate) of_user: Option<String>,
    /// Only sets made since: 30d, 12h, 4w, or 2026-01-31
    #[arg(long, value_name = "TIME", value_parser = parse_since)]
    pub(crate) since: Option<FileTime>,
    /// Write the list as a page to FILE; replaces an earlier one
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) logon: Logon,
}

#[derive(Args, Debug)]
#[command(group(clap::ArgGroup::new("which").required(true).args(["names", "older_than"])))]
pub(crate) struct Prune {
    /// Folder or URL with rescue sets
    #[arg(value_name = "DEST")]
    pub(crate) dest: String,
    /// Sets to delete, by the names of their folders
    #[arg(value_name = "NAME", conflicts_with = "older_than")]
    pub(crate) names: Vec<String>,
    /// Delete sets that were restored completely and are older: 90d, 12w
    #[arg(long, value_name = "TIME", value_parser = parse_since)]
    pub(crate) older_than: Option<FileTime>,
    /// Count the age from the last restore, not from when the set was made
    #[arg(long, requires = "older_than")]
    pub(crate) restored: bool,
    /// Delete; without it, only list what would be deleted
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) logon: Logon,
}

#[derive(Args, Debug)]
pub(crate) struct Report {
    /// The rescue set: folder or URL
    #[arg(value_name = "SET")]
    pub(crate) set: String,
    /// Page to write; must not exist [default: NAME-OF-SET.html here]
    #[arg(long, value_name = "FILE")]
    pub(crate) to: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) logon: Logon,
}
