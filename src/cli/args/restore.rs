//! Back onto a PC: `restore`, `loadstate`.
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::shared::{Algorithm, Logon};
use super::values::parse_renamed;

#[derive(Args, Debug)]
#[allow(clippy::struct_excessive_bools)] // flags of the command line
pub(crate) struct Restore {
    /// The rescue set: folder or URL
    #[arg(value_name = "SET")]
    pub(crate) set: String,
    /// Restore into DIR; or C=ROOT: the C: part below ROOT
    ///
    /// DIR: parts to DIR/C, DIR/D ...; C=ROOT: the C: part below ROOT
    #[arg(long, value_name = "DIR|X=ROOT")]
    pub(crate) to: Vec<String>,
    /// Restore each part onto the volume it came from
    ///
    /// Find each part's volume, and restore the part to its original path
    #[arg(long)]
    pub(crate) in_place: bool,
    /// Only the part of this drive, such as C
    #[arg(hide_short_help = true, long, value_name = "DRIVE")]
    pub(crate) part: Option<String>,
    /// Only this user's files, with --into
    ///
    /// Only this user's files, into the profile that --into names: no settings,
    /// and no loadstate
    #[arg(long, value_name = "NAME", requires = "into")]
    pub(crate) of_user: Option<String>,
    /// Existing profile folder for those files
    ///
    /// Existing profile folder for the files of --of-user: C:\Users\alice.new.
    /// Its account owns them; what is there stays
    #[arg(
        long,
        value_name = "FOLDER",
        requires = "of_user",
        conflicts_with_all = ["to", "in_place", "part"]
    )]
    pub(crate) into: Option<PathBuf>,
    /// Account that gets those files: SID or NAME
    ///
    /// The account that gets the files of --of-user [default: the one that the
    /// permissions of the folder show]
    #[arg(long = "as", value_name = "SID|NAME", requires = "into")]
    pub(crate) account: Option<String>,
    /// Replace existing data
    ///
    /// Replace an existing store, and keep it under another name. From a set of a
    /// folder, and into a profile: replace existing files (never those of a store)
    #[arg(long)]
    pub(crate) replace: bool,
    /// Begin even if the destination seems too small
    #[arg(hide_short_help = true, long)]
    pub(crate) despite_space: bool,
    /// Restore recovered deleted files too
    ///
    /// Restore the recovered deleted files too: to their old paths, or beside what
    /// is there. If the store is there already, only they are restored
    #[arg(long, conflicts_with_all = ["part", "replace", "into"])]
    pub(crate) deleted: bool,
    #[command(flatten)]
    pub(crate) logon: Logon,
}

#[derive(Args, Debug)]
pub(crate) struct Loadstate {
    /// A rescue set, or the restored store: its folder or drives
    #[arg(value_name = "SET|STORE", required = true)]
    pub(crate) what: Vec<String>,
    /// Only this store: its id or its path, as detect shows them
    #[arg(long, value_name = "ID|PATH")]
    pub(crate) store: Option<String>,
    /// a: as Microsoft documents it; b: what may help if a fails
    #[arg(hide_short_help = true, long, value_enum, value_name = "WAY")]
    pub(crate) way: Option<WayArg>,
    /// Migration file of the capture [default: migdocs.xml migapp.xml]
    #[arg(hide_short_help = true, long, value_name = "FILE")]
    pub(crate) i: Vec<String>,
    /// File with the key of an encrypted store
    #[arg(hide_short_help = true, long, value_name = "FILE")]
    pub(crate) keyfile: Option<String>,
    // Help text: shown without Markdown's brackets.
    #[allow(clippy::doc_markdown)]
    /// Its algorithm, such as AES_256 [default: loadstate's own]
    #[arg(hide_short_help = true, long, value_name = "ALG", requires = "keyfile")]
    pub(crate) decrypt: Option<Algorithm>,
    /// Restore the old account as another: CORP\alice:NEW\anna (may be repeated)
    #[arg(long, value_name = "OLD:NEW", value_parser = parse_renamed)]
    pub(crate) mu: Vec<(String, String)>,
    /// Restore only this account: CORP\alice (may be repeated; * is a wildcard)
    #[arg(hide_short_help = true, long, value_name = "DOMAIN\\USER")]
    pub(crate) ui: Vec<String>,
    /// Do not restore this account (may be repeated; * is a wildcard)
    #[arg(hide_short_help = true, long, value_name = "DOMAIN\\USER")]
    pub(crate) ue: Vec<String>,
    /// Folder with loadstate.exe
    #[arg(hide_short_help = true, long, value_name = "DIR")]
    pub(crate) usmt: Option<PathBuf>,
    /// Also write the command as a script to FILE, which must not exist
    #[arg(long, value_name = "FILE")]
    pub(crate) write: Option<PathBuf>,
    /// Run it and follow its progress
    #[arg(long)]
    pub(crate) run: bool,
    #[command(flatten)]
    pub(crate) logon: Logon,
}

/// The ways to restore a store.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WayArg {
    /// As Microsoft documents it
    A,
    /// What may help if a fails
    B,
}
