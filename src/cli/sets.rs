//! Destinations and rescue sets as the user names them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use lifeboat::target::Target;
use lifeboat::target::dest::Dest;
use lifeboat::target::directory::DirectoryTarget;

use super::args::Logon;
use super::output::Output;

/// Opens what stands after `offload --to`.
pub(crate) fn open_dest(text: &str, logon: &Logon, out: &Output) -> Result<Arc<dyn Target>> {
    open(&text.parse()?, logon, out)
}

fn open(dest: &Dest, logon: &Logon, out: &Output) -> Result<Arc<dyn Target>> {
    match dest {
        Dest::Folder(path) => Ok(Arc::new(DirectoryTarget::open(path)?)),
        Dest::Smb(_) => anyhow::bail!("not yet"),
    }
}

/// Whether `what` names a rescue set rather than a source.
pub(crate) fn looks_like_set(what: &str) -> bool {
    what.starts_with("smb://")
        || Path::new(what).join("rescue.json").exists()
        || what.trim_end_matches(['/', '\\']).ends_with(".partial")
}
