//! Attached volumes that a set can be saved to: those on disks without a store.

use std::path::Path;

use walkdir::WalkDir;

use crate::destination::directory::DirectoryDestination;
use crate::destination::{Destination, Missing};
use crate::disk::{self, Disk, Volume};
use crate::usmt::Store;

/// The folder that is proposed on a volume.
const FOLDER: &str = "rescue";

/// The end of the name of an unfinished set's folder.
pub(crate) const PARTIAL: &str = ".partial";

/// A volume that a set can go to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    /// The folder: `E:\rescue`.
    pub(crate) folder: String,
    /// Label, kind, disk, for display.
    pub(crate) about: String,
    /// Free bytes.
    pub(crate) free: u64,
    /// Whether it is removable.
    removable: bool,
    /// Whether it has an unfinished set.
    pub(crate) begun: bool,
}

/// The places for sets on this machine.
#[derive(Default)]
pub(crate) struct Places {
    /// Best first: removable ones, then those with the most free space.
    pub(crate) found: Vec<Place>,
    /// The mounts of the stores' own disks, which are not places.
    sources: Vec<String>,
}

impl Places {
    /// Examines everything attached. What cannot be read is not a place.
    /// `sources` are from the command line.
    pub(crate) fn find(stores: &[Store], users: &[String], sources: &[String]) -> Self {
        Self::among(disk::attached().into_iter().flatten(), stores, users, sources)
    }

    /// `users` are the volumes with users that may be saved.
    fn among(
        disks: impl Iterator<Item = Disk>,
        stores: &[Store],
        users: &[String],
        sources: &[String],
    ) -> Self {
        let mut places = Self::default();
        for disk in disks {
            if holds(&disk, stores, users) || is_named(&disk, sources) {
                let mounts = disk.volumes.iter().flat_map(|volume| volume.mounts.iter().cloned());
                places.sources.extend(mounts);
            } else {
                let volumes = disk.volumes.iter();
                places.found.extend(volumes.filter_map(|volume| place(&disk, volume)));
            }
        }
        places.found.sort_by_key(|place| {
            (!place.begun, !place.removable, std::cmp::Reverse(place.free), place.folder.clone())
        });
        places
    }

    /// The mount of a store's own disk that a folder is in.
    pub(crate) fn is_on_a_source(&self, folder: &str) -> Option<&str> {
        let folder = std::path::absolute(folder).ok()?;
        // The folder is on the longest matching mount.
        let mounts = self.sources.iter().filter(|mount| folder.starts_with(mount));
        let other = |mount: &&String| {
            let inner = self.found.iter().map(|place| Path::new(&place.folder));
            inner.filter_map(Path::parent).any(|p| p.starts_with(mount) && folder.starts_with(p))
        };
        mounts.max_by_key(|mount| mount.len()).filter(|m| !other(m)).map(String::as_str)
    }
}

fn holds(disk: &Disk, stores: &[Store], users: &[String]) -> bool {
    let parts = stores.iter().flat_map(|store| &store.parts);
    let mut names = parts.map(|part| &part.volume_display).chain(users);
    names.any(|name| disk.volumes.iter().any(|volume| volume.display == *name))
}

/// Whether the disk, or a volume of it, is a source on the command line.
fn is_named(disk: &Disk, sources: &[String]) -> bool {
    let plain = |name: &str| name.trim_end_matches(['/', '\\']).to_lowercase();
    let sources: Vec<String> = sources.iter().map(|source| plain(source)).collect();
    let volumes = disk.volumes.iter();
    let paths = volumes.clone().filter_map(|volume| volume.path.as_deref()).chain([&*disk.path]);
    let mut names = paths
        .map(|path| path.display().to_string())
        .chain(volumes.flat_map(|volume| volume.mounts.iter().cloned()));
    names.any(|name| !plain(&name).is_empty() && sources.contains(&plain(&name)))
}

fn place(disk: &Disk, volume: &Volume) -> Option<Place> {
    let mount = volume.mounts.first().filter(|mount| is_for_sets(mount))?;
    let target = DirectoryDestination::open(Path::new(mount), Missing::Fail).ok()?;
    let free = target.space().ok()??.free;
    let folder = Path::new(mount).join(FOLDER);
    let mut sets = WalkDir::new(&folder).min_depth(1).max_depth(1).into_iter().flatten();
    let begun = sets.any(|set| set.file_name().to_string_lossy().ends_with(PARTIAL));
    let hardware = disk.hardware.as_ref();
    let label = volume.label.iter().filter(|label| !label.is_empty()).cloned();
    let model = hardware.map(|hardware| hardware.model.clone()).filter(|model| !model.is_empty());
    let way = hardware.map(|h| h.transport.clone()).filter(|way| !way.is_empty());
    let words = label.chain([volume.kind.name().to_owned()]).chain(model).chain(way);
    Some(Place {
        folder: folder.display().to_string(),
        about: words.collect::<Vec<_>>().join(", "),
        free,
        removable: hardware.is_some_and(|h| h.removable || h.transport == "usb"),
        begun,
    })
}

/// Excludes the running system and its boot volumes. In WinPE, the system is
/// `X:`, a RAM disk.
fn is_for_sets(mount: &str) -> bool {
    let system = std::env::var("SystemDrive").unwrap_or_default();
    let own = !system.is_empty()
        && mount.get(..system.len()).is_some_and(|drive| drive.eq_ignore_ascii_case(&system));
    let boot = ["/boot", "/efi", "/etc", "/run/live", "/usr"];
    !own && mount != "/" && !boot.iter().any(|path| Path::new(mount).starts_with(path))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A stick with 64 GiB of free space.
    pub(crate) fn place(folder: &str) -> Place {
        let (folder, about) = (folder.to_owned(), "STICK, FAT32, usb".to_owned());
        Place { folder, about, free: 64 << 30, removable: true, begun: false }
    }

    #[test]
    #[cfg(unix)]
    fn a_folder_on_the_stores_disk_is_told_from_others() {
        let places = Places {
            found: vec![place("/mnt/c/usb/rescue")],
            sources: vec!["/mnt/c".into(), "/mnt/d".into()],
        };
        assert_eq!(places.is_on_a_source("/mnt/c/rescue"), Some("/mnt/c"));
        assert_eq!(places.is_on_a_source("/mnt/d"), Some("/mnt/d"));
        assert_eq!(places.is_on_a_source("/mnt/c/usb/rescue"), None);
        assert_eq!(places.is_on_a_source("/mnt/cd"), None);
    }

    /// Disks as the system reports them, each with one volume, mounted in a
    /// folder; the contents are a fixture.
    #[cfg(target_os = "linux")]
    #[test]
    fn sticks_come_first_and_the_store_s_own_disk_is_not_offered() {
        let image = lifeboat_maker::fixture("hardlink-one").unwrap();
        let folders = tempfile::tempdir().unwrap();
        let attached = |name: &str, way: &str| {
            let mount = folders.path().join(name);
            std::fs::create_dir(&mount).unwrap();
            let mut disk = disk::open_image(&image).unwrap();
            disk.path = format!("/dev/{name}").into();
            let model = name.to_uppercase();
            let transport = way.to_owned();
            disk.hardware = Some(disk::Hardware { model, transport, ..Default::default() });
            disk.volumes.truncate(1);
            disk.volumes[0].path = None;
            disk.volumes[0].mounts = vec![mount.display().to_string()];
            disk
        };
        let disks = ["sata", "usb", "nvme"].map(|way| attached(way, way));
        let begun = attached("begun", "sata");
        let partial = folders.path().join("begun/rescue/PC-1.partial");
        std::fs::create_dir_all(partial).unwrap();
        let disks = disks.into_iter().chain([begun]);
        let places = Places::among(disks, &[], &[], &["/dev/nvme".to_owned()]);
        let names: Vec<&str> = places
            .found
            .iter()
            .filter_map(|place| Path::new(&place.folder).parent()?.file_name()?.to_str())
            .collect();
        assert_eq!(names, ["begun", "usb", "sata"], "where it goes on, then what is portable");
        let usb = &places.found[1];
        assert!(usb.about.contains("USB") && usb.about.ends_with("usb"), "{}", usb.about);
        assert!(usb.free > 0 && usb.folder.ends_with("/rescue"), "{usb:?}");
        let own = folders.path().join("nvme/rescue");
        assert!(places.is_on_a_source(own.to_str().unwrap()).is_some());
    }

    #[test]
    fn the_running_system_is_no_place() {
        for mount in ["/", "/boot", "/boot/efi", "/run/live/medium"] {
            assert!(!is_for_sets(mount), "{mount}");
        }
        assert!(is_for_sets("/media/tech/USB"));
    }
}
