//! `offload --path`: saves folders that are not stores.

use anyhow::Result;

use super::exit::{Exit, Failure};
use super::output::Out;
use super::sources::Found;
use crate::model::monitor::Monitor;
use crate::set::write::parts::{FolderPath, FolderSet, folders};
use crate::usmt::StoreVolume;

const HOW: &str = r"Give the path from the root of the volume: \Users\alice, or \ for all of it.";

/// Looks for the paths on all volumes. Each volume that has any of them gives a
/// set; a path that is nowhere is an error.
pub(crate) fn find(paths: &[String], found: &Found, out: Out) -> Result<Vec<FolderSet>> {
    let mut wanted = Vec::new();
    for text in paths {
        wanted.push(FolderPath::parse(text).ok_or_else(|| {
            let what = format!("'{text}' is not the path of a folder on a volume");
            Failure::new(Exit::Usage, what, HOW)
        })?);
    }
    let volumes: Vec<StoreVolume> = found.searchable().collect();
    let (sets, missing) = folders(&wanted, &volumes);
    for set in &sets {
        let skipped: Vec<String> = set.skipped().map(ToString::to_string).collect();
        if !skipped.is_empty() {
            out.note(&format!("{}: left out by rule: {}", set.volume, skipped.join(", ")));
        }
    }
    if let Some(missing) = missing {
        let what = format!("no volume has the folder '{}'", missing.text);
        let (exit, action) = if !found.closed.is_empty() {
            let action = "Some volumes could not be read (see above): the folder may be there.";
            (Exit::Losses, action)
        } else if found.is_damaged() {
            let action = "A volume is damaged (see above): the folder may be in the damaged part.";
            (Exit::Losses, action)
        } else {
            (Exit::NothingFound, HOW)
        };
        return Err(Failure::new(exit, what, action).into());
    }
    Ok(sets)
}
