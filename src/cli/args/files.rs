//! Single files: `list`, `extract`.
use std::path::PathBuf;

use clap::Args;

use super::shared::{Algorithm, Logon, Within};

#[derive(Args, Debug)]
pub(crate) struct List {
    /// A rescue set (folder or URL); or a disk image, device or folder with a
    /// store, or a USMT.MIG
    #[arg(value_name = "SET|STORE")]
    pub(crate) set: String,
    #[command(flatten)]
    pub(crate) inside: Within,
    #[command(flatten)]
    pub(crate) logon: Logon,
}

#[derive(Args, Debug)]
pub(crate) struct Extract {
    /// Rescue set, or disk image or folder with a store
    ///
    /// A rescue set (folder or URL); or a disk image, device or folder with a
    /// store, or a USMT.MIG
    #[arg(value_name = "SET|STORE")]
    pub(crate) set: String,
    /// Files or folders, as list shows them [default: all]
    ///
    /// Files or folders, as list shows them; of a store also with * and ?
    /// [default: all]
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<String>,
    /// Only this user's files
    ///
    /// Only this user's files, at their own paths: DIR/C/Users/NAME
    #[arg(long, value_name = "NAME", conflicts_with = "paths")]
    pub(crate) of_user: Option<String>,
    /// Folder to extract to
    #[arg(long, value_name = "DIR")]
    pub(crate) to: PathBuf,
    /// Overwrite existing files
    #[arg(long)]
    pub(crate) replace: bool,
    #[command(flatten)]
    pub(crate) inside: Within,
    /// Folder with usmtutils, to extract from a compressed store with it (Windows)
    #[arg(hide_short_help = true, long, value_name = "DIR", conflicts_with = "of_user")]
    pub(crate) usmt: Option<PathBuf>,
    /// File with the key of an encrypted store, for usmtutils
    #[arg(hide_short_help = true, long, value_name = "FILE", requires = "usmt")]
    pub(crate) keyfile: Option<PathBuf>,
    // Help text: shown without Markdown's brackets.
    #[allow(clippy::doc_markdown)]
    /// Its algorithm, such as AES_256 [default: usmtutils' own]
    #[arg(hide_short_help = true, long, value_name = "ALG", requires = "keyfile")]
    pub(crate) decrypt: Option<Algorithm>,
    #[command(flatten)]
    pub(crate) logon: Logon,
}
