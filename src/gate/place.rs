//! Where a set is: on a volume that will be wiped, it saves nothing.

use std::path::{Component, Path, Prefix};

use super::{Judge, Wipes};
use crate::destination::Destination;
use crate::tree::source::{SourceVolume, on_one_volume};
use crate::usmt::Store;

impl Judge<'_> {
    /// The volume of a destination, for people, if the wipe deletes the sets there, too.
    pub(super) fn wiped_volume(&self, target: &dyn Destination, store: &Store) -> Option<&str> {
        let volume = volume_of(target.local_root()?, self.volumes)?;
        let parts = || store.parts.iter();
        let is_wiped = match (self.wipes, volume.letter) {
            (Wipes::Everything, _) => {
                let disk_of = |display: &str| {
                    self.volumes.iter().find(|v| v.display == display).map(|v| v.disk.as_str())
                };
                let is_stores =
                    parts().any(|part| disk_of(&part.volume_display) == Some(&volume.disk));
                is_stores || !self.removable.contains(&volume.display)
            }
            (Wipes::Letters(_), letter @ Some(_)) => !self.wipes.spares(letter, None),
            (Wipes::Letters(_), None) => parts()
                .any(|part| part.volume_display == volume.display && !self.wipes.spares_part(part)),
        };
        is_wiped.then_some(volume.display.as_str())
    }
}

/// The volume of the source that a folder of this machine is on; `None` for a share, and for a
/// volume that is not of the source.
fn volume_of<'a>(folder: &Path, volumes: &'a [SourceVolume]) -> Option<&'a SourceVolume> {
    // Links, junctions and `subst` drives lead elsewhere. Some file systems cannot say where to.
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    if let Some(Component::Prefix(prefix)) = folder.components().next() {
        let letter = match prefix.kind() {
            Prefix::Disk(letter) | Prefix::VerbatimDisk(letter) => char::from(letter),
            _ => return None,
        };
        let is_it = |volume: &&SourceVolume| {
            volume.letter.is_some_and(|own| own.eq_ignore_ascii_case(&letter))
        };
        return volumes.iter().find(is_it);
    }
    // A volume may be mounted at a second place, as a whole or in part.
    let mounts = volumes.iter().filter_map(|volume| {
        let mount = volume.mount.as_deref()?;
        let below = if folder.starts_with(mount) { mount.as_os_str().len() } else { 0 };
        on_one_volume(&folder, mount).then_some((volume, below))
    });
    mounts.max_by_key(|(_, below)| *below).map(|(volume, _)| volume)
}
