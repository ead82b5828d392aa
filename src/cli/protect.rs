//! The source is never written to: refuses destinations that are on it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;

use super::exit::{Exit, Failure};
use super::sources::Found;
use crate::disk;
use crate::set::write::parts::FolderSet;
use crate::tree::Tree;
use crate::usmt::Store;

const ON_ANOTHER: &str = "Lifeboat never writes to the source. Give a folder on another disk.";

/// The volumes that a destination must not be on, if anything of them is saved.
#[derive(Clone, Default)]
pub(crate) struct Protected {
    /// Volumes of this machine's disks, and where they are mounted.
    mounts: Vec<(Arc<dyn Tree>, PathBuf)>,
    /// Volumes in disk images, and the file of each.
    images: Vec<(Arc<dyn Tree>, PathBuf)>,
}

impl Protected {
    /// Those of all sources. A folder that was named may be a copy of a store: then there is
    /// nothing to protect around it.
    pub(crate) fn of(found: &Found) -> Self {
        let mut protected = Self::default();
        for volume in &found.volumes {
            let (Ok(tree), disk) = (&volume.tree, Path::new(&volume.disk)) else { continue };
            if volume.attached || disk::names_a_device(disk) {
                let mount = volume.mount.iter().map(|mount| (tree.clone(), mount.clone()));
                protected.mounts.extend(mount);
            } else if let Some(image) = disk.canonicalize().ok().filter(|disk| disk.is_file()) {
                protected.images.push((tree.clone(), image));
            }
        }
        protected
    }

    /// Refuses a folder on a volume that has something of what is saved. Nothing may have been
    /// written there before, not even to try it out.
    pub(crate) fn refuse<'a>(
        &self,
        to: &str,
        saved: impl Iterator<Item = &'a Arc<dyn Tree>>,
    ) -> Result<()> {
        let to = Path::new(to);
        let saved: Vec<&Arc<dyn Tree>> = saved.collect();
        let is_saved = |tree: &Arc<dyn Tree>| saved.iter().any(|one| Arc::ptr_eq(one, tree));
        let mounts = self.mounts.iter().filter(|(tree, _)| is_saved(tree));
        let mounts: Vec<PathBuf> = mounts.map(|(_, mount)| mount.clone()).collect();
        refuse_on_source(to, &mounts)?;
        let Some(image) = existing(to).and_then(|folder| disk::image_below(&folder)) else {
            return Ok(());
        };
        if self.images.iter().any(|(tree, file)| *file == image && is_saved(tree)) {
            let what =
                format!("{}: this folder is in the source, {}", to.display(), image.display());
            return Err(Failure::new(Exit::Usage, what, ON_ANOTHER).into());
        }
        Ok(())
    }
}

/// The volumes that a set of folders is made of.
pub(crate) fn trees_of(set: &FolderSet) -> impl Iterator<Item = &Arc<dyn Tree>> {
    set.parts.iter().map(|part| &part.tree).chain(set.gone.iter().map(|(_, tree, _)| tree))
}

/// The volumes that a store is on.
pub(crate) fn trees_of_store(store: &Store) -> impl Iterator<Item = &Arc<dyn Tree>> {
    store.parts.iter().map(|part| &part.tree)
}

/// Refuses what cannot be a destination because it was named as a source, or because it is no
/// folder at all.
pub(crate) fn refuse_swapped(to: &str, named: &[String], action: &str) -> Result<()> {
    let path = Path::new(to);
    let whole = |path: &Path| path.canonicalize().ok();
    let is_source = named.iter().any(|source| {
        source == to || whole(path).is_some_and(|to| whole(Path::new(source)) == Some(to))
    });
    let what = if is_source {
        "this is the source, which is never written to"
    } else if path.is_file() {
        "this is a file, not a folder to save sets in"
    } else if disk::names_a_device(path) && !path.is_dir() {
        "this is a device, not a folder to save sets in"
    } else {
        let folders = named.iter().map(PathBuf::from).filter(|source| source.is_dir());
        return refuse_on_source(path, &folders.collect::<Vec<_>>());
    };
    Err(Failure::new(Exit::Usage, format!("{to}: {what}"), action).into())
}

/// The folder, or the nearest one above it that exists.
fn existing(path: &Path) -> Option<PathBuf> {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    path.ancestors().find_map(|above| above.canonicalize().ok())
}

/// Refuses a folder that is in one of the sources, unless another volume is mounted there.
pub(crate) fn refuse_on_source(dir: &Path, sources: &[PathBuf]) -> Result<()> {
    let whole = |path: &Path| {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        // What does not exist yet is where its parent folder is.
        let known = path.ancestors().find_map(|above| {
            let rest = path.strip_prefix(above).ok()?;
            Some(above.canonicalize().ok()?.join(rest))
        });
        known.unwrap_or(path)
    };
    let dir = whole(dir);
    let is_in = |source: &&PathBuf| {
        let source = whole(source);
        // A whole volume may be mounted at a second place.
        let is_below = dir.starts_with(&source) || is_mount(&source);
        is_below && is_one_volume(&dir, &source)
    };
    match sources.iter().find(is_in) {
        Some(source) => Err(Failure::new(
            Exit::Usage,
            format!("{}: this folder is on the source, {}", dir.display(), source.display()),
            ON_ANOTHER,
        )
        .into()),
        None => Ok(()),
    }
}

/// Whether a folder is the root of a mounted volume.
fn is_mount(folder: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let device = |path: &Path| path.metadata().map(|meta| meta.dev()).ok();
        let above = folder.parent().and_then(device);
        above.is_some() && above != device(folder)
    }
    #[cfg(not(unix))]
    {
        let _ = folder;
        false
    }
}

/// Whether a folder, which need not exist yet, is on the volume of the folder above it. A volume
/// that Windows has mounted in a folder counts as that of the folder.
fn is_one_volume(dir: &Path, source: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let there = dir.ancestors().find_map(|above| above.metadata().ok());
        let pair = there.zip(source.metadata().ok());
        pair.is_none_or(|(there, source)| there.dev() == source.dev())
    }
    #[cfg(not(unix))]
    {
        let _ = (dir, source);
        true
    }
}
