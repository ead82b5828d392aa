//! From what a user names (an image, a device, a volume, a mounted folder) to
//! trees of files.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::fat::FatTree;
use super::host::HostTree;
use super::ntfs::NtfsTree;
use super::subtree::SubtreeView;
use super::time_limited::TimeLimitedTree;
use super::{Tree, TreeError, Via};
use crate::disk::bitlocker::{Encryption, KeySource, Keyring};
use crate::disk::{
    self, Depth, Disk, DiskError, DiskFormat, Fault, Hardware, RaidMember, Unsearched, Volume,
    VolumeKind,
};
use crate::model::advice::Advice;
use crate::model::finding::{Finding, Severity};
use crate::model::monitor::{Monitor, Progress, Stage};
use crate::model::name::{NtName, NtPath};

/// Why a source cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The disk, image or device.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The folder.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// `--via raw` asked for a folder.
    #[error("{0}: a folder cannot be read from the raw device")]
    FolderRaw(String),
}

/// One volume of a source.
pub struct SourceVolume {
    /// For people: `disk.img, partition 2 (NTFS, 238.0 GiB)`.
    pub display: String,
    /// `NTFS`, `BitLocker`, `FAT32` …, or what the host calls it.
    pub kind: String,
    /// Its files, or why they cannot be looked at, with what to do.
    pub tree: Result<Arc<dyn Tree>, String>,
    /// How BitLocker has it, unlocked or not.
    pub encryption: Option<Encryption>,
    /// Whether a store may be there though it cannot be looked at.
    pub may_hold_stores: bool,
    /// The letter it has now.
    pub letter: Option<char>,
    /// Where the host has its root mounted.
    pub mount: Option<PathBuf>,
    /// The disk, image or folder that it is on, for people.
    pub disk: String,
    /// Whether no partition table leads to it: it is from before the disk was
    /// cleaned or repartitioned.
    pub is_lost: bool,
    /// Whether it is on a disk of this machine. `false` for an image, and for a
    /// folder, of which that is not known.
    pub attached: bool,
    /// What was noticed while opening.
    pub findings: Vec<Finding>,
    /// Why it is read the way it is, for people; empty where it is not read.
    pub why: String,
    /// What that way does not show of any file, for people.
    pub not_shown: Vec<&'static str>,
}

/// How long the host's file API searches a volume that was not given by name.
const UNNAMED: Duration = Duration::from_mins(1);

/// How a source is opened.
#[derive(Clone, Default)]
pub struct OpenOptions {
    /// The way that was asked for; `None`: whichever works.
    pub via: Option<Via>,
    /// How thoroughly to search for volumes that no partition table leads to.
    pub depth: Depth,
    /// What ddrescue wrote with an image; `None`: look for it beside the image.
    pub mapfile: Option<PathBuf>,
    /// The keys of BitLocker volumes. Without any, those that take none are opened.
    pub keys: Option<Arc<dyn KeySource>>,
}

impl OpenOptions {
    /// That way, and the usual search.
    pub fn via(via: Option<Via>) -> Self {
        Self { via, ..Self::default() }
    }
}

/// Something to look for stores in.
pub struct Source {
    /// As the user named it.
    pub display: String,
    /// The disk, if it is one of this machine, or a part of one.
    pub hardware: Option<Hardware>,
    /// Bytes; 0 for a folder.
    pub len: u64,
    /// Its volumes, in the order they lie.
    pub volumes: Vec<SourceVolume>,
}

impl Source {
    /// Opens a disk image, a device, a volume or a mounted folder.
    pub fn open(spec: &str, via: Option<Via>, monitor: &dyn Monitor) -> Result<Self, SourceError> {
        Self::open_with(spec, &OpenOptions::via(via), monitor)
    }

    /// The same, with options.
    pub fn open_with(
        spec: &str,
        options: &OpenOptions,
        monitor: &dyn Monitor,
    ) -> Result<Self, SourceError> {
        let via = options.via;
        let path = Path::new(spec);
        let through_host = |why| {
            let opened = folder(path)?;
            let volume = SourceVolume {
                display: path.display().to_string(),
                kind: opened.tree.info().file_system.clone(),
                letter: letter_of(path),
                tree: Ok(opened.tree),
                encryption: None,
                may_hold_stores: true,
                mount: Some(opened.root),
                disk: path.display().to_string(),
                is_lost: false,
                attached: false,
                findings: Vec::new(),
                why,
                not_shown: opened.not_shown,
            };
            Ok(Self { display: spec.to_owned(), hardware: None, len: 0, volumes: vec![volume] })
        };
        if path.is_dir() && !disk::names_a_device(path) {
            if via == Some(Via::Raw) {
                return Err(SourceError::FolderRaw(spec.to_owned()));
            }
            return through_host("the source is a folder".to_owned());
        }
        match disk::open_with(path, options.mapfile.as_deref()) {
            Ok(disk) => Ok(Self::of_disk(disk, options, Asked::ByName, monitor)),
            // A drive that is no disk of this machine: a share with a letter.
            Err(error) if path.is_dir() && via != Some(Via::Raw) => through_host(error.to_string()),
            Err(error) => Err(error.into()),
        }
    }

    /// Everything attached. Disks that cannot be opened are in the second list.
    pub fn attached(options: &OpenOptions, monitor: &dyn Monitor) -> (Vec<Self>, Vec<SourceError>) {
        let mut sources = Vec::new();
        let mut errors = Vec::new();
        for disk in disk::attached() {
            match disk {
                Ok(disk) => sources.push(Self::of_disk(disk, options, Asked::WithAll, monitor)),
                Err(error) => errors.push(error.into()),
            }
        }
        (sources, errors)
    }

    fn of_disk(mut disk: Disk, options: &OpenOptions, asked: Asked, monitor: &dyn Monitor) -> Self {
        let via = options.via;
        // Only the device shows what no partition table leads to.
        let unsearched = match via {
            Some(Via::Host) => Unsearched::Nothing,
            _ => find_lost(&mut disk, options.depth, monitor),
        };
        let none = Keyring::default();
        let keys: &dyn KeySource = options.keys.as_deref().unwrap_or(&none);
        disk.ask_condition();
        disk.volumes.iter_mut().for_each(|volume| volume.unlock(keys));
        let lost: Vec<(u64, u64)> =
            disk.volumes.iter().filter_map(|v| Some((v.lost_at?, v.len))).collect();
        let own = disk.faults.iter().chain(&disk.table.faults);
        let mut table_findings: Vec<Finding> =
            own.map(|fault| fault.finding(&disk.display)).collect();
        let array = disk.faults.iter().find_map(|fault| match fault {
            Fault::Raid(member) => Some(member.clone()),
            _ => None,
        });
        let mut volumes: Vec<SourceVolume> = disk
            .volumes
            .into_iter()
            .map(|volume| {
                let is_lost = volume.lost_at.is_some();
                // What was unknown is explained by what was found in most of it.
                let range = volume.offset..volume.offset.saturating_add(volume.len);
                let within = lost.iter().filter(|(at, _)| !is_lost && range.contains(at));
                let found: u64 = within.map(|(_, len)| *len).fold(0, u64::saturating_add);
                let is_explained = volume.kind == VolumeKind::Unknown && found > volume.len / 2;
                // Of a partition, the array may be its own.
                let array = (volume.kind == VolumeKind::Unknown)
                    .then(|| RaidMember::find(&volume.device).or_else(|| array.clone()))
                    .flatten();
                let mut volume = open_volume(volume, via, asked, monitor);
                if let (Err(reason), Some(array)) = (&mut volume.tree, array) {
                    *reason = array.reason();
                }
                volume.may_hold_stores &= !is_explained;
                volume
            })
            .collect();
        volumes.extend(unexplained(&disk.display, unsearched));
        // A loop device shows an image.
        let attached = disk.format == DiskFormat::Attached
            && disk.hardware.as_ref().is_none_or(|hardware| hardware.backing.is_empty());
        if let Some(hardware) = &disk.hardware {
            table_findings.extend(hardware.condition.findings(&disk.display));
        }
        // What is wrong with a table that leads to no volume is told all the same.
        if volumes.is_empty() && !table_findings.is_empty() {
            volumes.push(no_volume(&disk.display, &table_findings));
        }
        for volume in &mut volumes {
            volume.attached = attached;
            volume.disk.clone_from(&disk.display);
        }
        if let Some(first) = volumes.first_mut() {
            table_findings.append(&mut first.findings);
            first.findings = table_findings;
        }
        let len = disk.device.len();
        Self { display: disk.display, hardware: disk.hardware, len, volumes }
    }
}

/// Searches for lost volumes. Most searches end at once; one that takes longer is shown.
fn find_lost(disk: &mut Disk, depth: Depth, monitor: &dyn Monitor) -> Unsearched {
    const AT_ONCE: Duration = Duration::from_secs(1);
    let total_bytes = disk.device.len();
    let name = format!("{}, lost volumes", disk.display);
    let begun = Instant::now();
    let is_shown = Cell::new(false);
    disk.find_lost(depth, &|bytes| {
        if !is_shown.get() && begun.elapsed() > AT_ONCE {
            is_shown.set(true);
            monitor.stage(Stage::Scan, &name);
        }
        if is_shown.get() {
            monitor.progress(Progress { bytes, total_bytes, ..Progress::default() });
        }
        monitor.is_cancelled()
    })
}

/// Whether the user named a source, or wants all that is attached.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    ByName,
    WithAll,
}

/// Stands for the space outside partitions, if a store may be there all the same.
fn unexplained(disk: &str, unsearched: Unsearched) -> Option<SourceVolume> {
    let why = match unsearched {
        Unsearched::Nothing => return None,
        Unsearched::From(at) => {
            format!(
                "the search for lost volumes ended at byte {at} (lifeboat detect --deep searches \
                 the whole disk)"
            )
        }
        Unsearched::Unexplained => "it is not blank, but no volume can be found in it: the disk \
                                    may be encrypted, or its partitions damaged"
            .to_owned(),
    };
    let mut volume = no_volume(&format!("{disk}, outside all partitions"), &[]);
    (volume.tree, volume.may_hold_stores) = (Err(why), true);
    Some(volume)
}

/// Stands for the volumes of a disk on which none can be found.
fn no_volume(disk: &str, why: &[Finding]) -> SourceVolume {
    SourceVolume {
        display: disk.to_owned(),
        kind: VolumeKind::Unknown.as_str().to_owned(),
        tree: Err("no volume can be found on it".to_owned()),
        encryption: None,
        // A table that is merely not as usual hides none, nor does a disk's bad health.
        may_hold_stores: why
            .iter()
            .any(|f| f.severity > Severity::Info && !matches!(f.code, "disk-failing")),
        letter: None,
        mount: None,
        disk: disk.to_owned(),
        is_lost: false,
        attached: false,
        findings: Vec::new(),
        why: String::new(),
        not_shown: Vec::new(),
    }
}

/// Opens one volume: NTFS from the device, what is not NTFS or refuses through
/// the host, where the host has it mounted.
fn open_volume(
    volume: Volume,
    via: Option<Via>,
    asked: Asked,
    monitor: &dyn Monitor,
) -> SourceVolume {
    let mut findings: Vec<Finding> = volume.findings().collect();
    let nonsense = volume.faults.iter().filter(|fault| fault.may_show_nonsense());
    let damage: Vec<String> = nonsense
        .map(|fault| fault.finding(&volume.display))
        .map(|finding| format!("{}: {}", finding.path, finding.what))
        .collect();
    let mut not_shown = Vec::new();
    let mounted = mount_of(&volume);
    // What cannot even be looked at may be anything.
    let is_dark = volume.faults.iter().any(|fault| matches!(fault, Fault::StartUnreadable { .. }));
    let by_table = volume.partition.as_ref().is_none_or(|p| p.kind.may_hold_stores());
    let may_hold_stores = by_table && (may_hold_stores(volume.kind) || is_dark);
    if volume.kind == VolumeKind::Ntfs && via != Some(Via::Host) {
        volume.note().iter().for_each(|note| monitor.note(note));
    }
    let mut host = |mount: &str, why: String| {
        let opened = folder(Path::new(mount)).map_err(|error| error.to_string())?;
        not_shown = opened.not_shown;
        let tree = match asked {
            Asked::ByName => opened.tree,
            Asked::WithAll => Arc::new(TimeLimitedTree::new(opened.tree, UNNAMED)),
        };
        Ok((tree, format!("{why}; through {mount}")))
    };
    let raw = |findings: &mut Vec<Finding>| {
        let tree = NtfsTree::open(volume.device.clone(), volume.display.clone(), monitor)
            .map_err(|error| error.to_string())?;
        findings.extend(tree.findings());
        let why = if via.is_some() { "asked for by --via raw" } else { "NTFS" };
        Ok((Arc::new(tree.on_damaged(damage.clone())) as Arc<dyn Tree>, why.to_owned()))
    };
    let fat = |kind: VolumeKind| {
        let tree = FatTree::open(volume.device.clone(), volume.display.clone(), monitor);
        let tree = tree.map_err(|e| format!("{e}; mount it read-only and name the folder"))?;
        let tree = tree.on_damaged(damage.clone());
        Ok((Arc::new(tree) as Arc<dyn Tree>, kind.to_string()))
    };
    let opened = match (via, &mounted, volume.kind) {
        (_, _, VolumeKind::BitLocker) => {
            let reason = volume.encryption.as_ref().and_then(Encryption::reason);
            Err(reason.unwrap_or_else(|| "locked by BitLocker".to_owned()))
        }
        (Some(Via::Host), Some(mount), _) => host(mount, "asked for by --via host".to_owned()),
        (Some(Via::Host), None, _) => {
            Err("not mounted, so the file API cannot read it; leave out --via host".to_owned())
        }
        (_, mount, VolumeKind::Ntfs) => raw(&mut findings).or_else(|reason| match mount {
            Some(mount) if via.is_none() => host(mount, reason),
            _ => Err(reason),
        }),
        (None, None, kind) if !by_table && kind != VolumeKind::Ntfs => {
            Err("a partition of this type has no migration store".to_owned())
        }
        (_, mount, kind) if is_fat(kind) && (mount.is_none() || via == Some(Via::Raw)) => fat(kind),
        (None, Some(mount), kind) if kind.is_known() && asked == Asked::ByName => {
            host(mount, format!("{kind}, not NTFS"))
        }
        (None, Some(mount), kind) if may_hold_stores => host(mount, kind.to_string()),
        (None, Some(mount), kind) => Err(format!(
            "{kind} cannot hold a store; to search it anyway, give {mount} as the source"
        )),
        _ => Err(not_read(&volume)),
    };
    let (tree, why) = match opened {
        Ok((tree, why)) => (Ok(tree), why),
        Err(reason) => (Err(reason), String::new()),
    };
    SourceVolume {
        kind: volume.kind.as_str().to_owned(),
        display: volume.display,
        tree,
        encryption: volume.encryption,
        may_hold_stores,
        letter: volume.letter,
        mount: mounted.map(PathBuf::from),
        disk: String::new(),
        is_lost: volume.lost_at.is_some(),
        attached: false,
        findings,
        why,
        not_shown,
    }
}

/// Why a volume is not read from the disk, and what to do.
fn not_read(volume: &Volume) -> String {
    let table = volume.partition.as_ref().map(|partition| partition.kind.to_string());
    match (volume.kind, table.as_deref()) {
        (VolumeKind::Unknown, Some("Storage Spaces")) => {
            "it belongs to a storage pool: attach all its disks to Windows and name the drive"
                .to_owned()
        }
        (VolumeKind::Unknown, Some("Windows dynamic disk")) => {
            "it belongs to a dynamic disk: attach the disk to Windows and name the drive".to_owned()
        }
        (VolumeKind::Unknown, _) => "it is encrypted, damaged, or of an unknown file system: \
                                     decrypt or mount it, and name the drive or the folder"
            .to_owned(),
        (VolumeKind::Blank, _) => "it is blank".to_owned(),
        (kind, _) => {
            format!("{kind} is not read from the disk: mount it read-only and name the folder")
        }
    }
}

/// Where the host shows a volume's files. Windows shows those of a volume
/// without a letter too.
fn mount_of(volume: &Volume) -> Option<String> {
    let guid = || {
        let path = volume.path.as_ref().filter(|_| cfg!(windows))?.to_str()?;
        path.starts_with(r"\\?\Volume{").then(|| format!("{path}\\"))
    };
    volume.mounts.first().cloned().or_else(guid)
}

/// Whether the volume's own structures are read by [`FatTree`].
fn is_fat(kind: VolumeKind) -> bool {
    use VolumeKind::{ExFat, Fat12, Fat16, Fat32};
    matches!(kind, Fat12 | Fat16 | Fat32 | ExFat)
}

/// Whether USMT may have put a store there, as far as is known.
fn may_hold_stores(kind: VolumeKind) -> bool {
    matches!(
        kind,
        VolumeKind::Ntfs
            | VolumeKind::BitLocker
            | VolumeKind::Refused
            // USMT writes compressed and uncompressed stores to these as well.
            | VolumeKind::Fat12
            | VolumeKind::Fat16
            | VolumeKind::Fat32
            | VolumeKind::ExFat
            | VolumeKind::ReFs
            // Encrypted by another program, damaged, or newer than Lifeboat.
            | VolumeKind::Unknown
    )
}

/// A folder that was opened through the host.
struct Folder {
    tree: Arc<dyn Tree>,
    /// Where the host has the tree's root.
    root: PathBuf,
    not_shown: Vec<&'static str>,
}

/// A mounted folder, seen from its volume's root where that can be read.
fn folder(path: &Path) -> Result<Folder, SourceError> {
    let within = volume_root(path).and_then(|(root, below)| {
        let tree = HostTree::open(&root).ok()?;
        let not_shown = tree.limits();
        let tree = SubtreeView::new(Arc::new(tree), &below, path.display().to_string()).ok()?;
        Some(Folder { tree: Arc::new(tree), root, not_shown })
    });
    if let Some(folder) = within {
        return Ok(folder);
    }
    let tree = HostTree::open(path)?;
    let root = path.to_owned();
    Ok(Folder { not_shown: tree.limits(), root, tree: Arc::new(tree) })
}

/// The root of the volume that `path` lies on, and the way from there.
fn volume_root(path: &Path) -> Option<(PathBuf, NtPath)> {
    let path = std::path::absolute(path).ok()?;
    // Links on the way are the user's own choice and are resolved.
    let path = path.canonicalize().unwrap_or(path);
    let mut root = path.as_path();
    while let Some(parent) = root.parent().filter(|parent| on_one_volume(parent, root)) {
        root = parent;
    }
    let below = path.strip_prefix(root).ok()?;
    let names: Option<NtPath> =
        below.iter().map(|name| NtName::from_wtf8(name.as_encoded_bytes())).collect();
    Some((root.to_owned(), names?))
}

#[cfg(unix)]
pub(crate) fn on_one_volume(a: &Path, b: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let device = |path: &Path| path.symlink_metadata().map(|m| m.dev()).ok();
    device(a).is_some() && device(a) == device(b)
}

/// Volumes mounted in folders are rare on Windows; the drive is the volume.
#[cfg(not(unix))]
pub(crate) fn on_one_volume(_: &Path, _: &Path) -> bool {
    true
}

/// `C` for a path that begins with `C:`.
fn letter_of(path: &Path) -> Option<char> {
    match path.as_os_str().as_encoded_bytes() {
        [letter, b':', ..] if letter.is_ascii_alphabetic() => {
            Some(char::from(letter.to_ascii_uppercase()))
        }
        _ => None,
    }
}

impl Advice for SourceError {
    fn advice(&self) -> String {
        match self {
            Self::Disk(error) => error.advice(),
            Self::Tree(_) => "Check that the folder is there and that you may read it.".into(),
            Self::FolderRaw(_) => {
                "Name the volume or the disk instead, or leave out --via raw.".into()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{Device, MemoryDevice};
    use crate::model::monitor::{Collect, Silent};

    /// A volume of a kind that is known by its first sector, mounted at a folder.
    fn volume(name: [u8; 8], mount: Option<&Path>) -> Volume {
        let mut bytes = vec![0; 1 << 20];
        bytes[3..11].copy_from_slice(&name);
        let device: Arc<dyn Device> = Arc::new(MemoryDevice::new(bytes));
        let disk = Disk::probe("stick".to_owned(), "stick".into(), device);
        let mut volume = disk.volumes.into_iter().next().unwrap();
        volume.mounts.extend(mount.map(|mount| mount.display().to_string()));
        volume
    }

    #[test]
    fn what_is_not_ntfs_is_read_where_it_is_mounted() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("StateStore/USMT")).unwrap();
        for (name, kind) in [(*b"EXFAT   ", "exfat"), (*b"ReFS\0\0\0\0", "refs")] {
            for asked in [Asked::ByName, Asked::WithAll] {
                let opened = open_volume(volume(name, Some(dir.path())), None, asked, &Silent);
                let tree = opened.tree.unwrap();
                assert_eq!((opened.kind.as_str(), tree.info().via), (kind, Via::Host));
                assert_eq!(tree.find_named(&["usmt"], &Silent).unwrap().len(), 1);
                assert!(opened.why.contains("through"), "{}", opened.why);
                assert!(!opened.not_shown.is_empty());
            }
            let lone = open_volume(volume(name, None), None, Asked::ByName, &Silent);
            let reason = lone.tree.err().unwrap();
            assert!(lone.may_hold_stores && reason.contains("mount it"), "{reason}");
            let raw =
                open_volume(volume(name, Some(dir.path())), Some(Via::Raw), Asked::ByName, &Silent);
            assert!(raw.tree.is_err(), "there is no other reader than the host's");
        }
    }

    #[test]
    fn a_volume_of_another_system_is_searched_when_it_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let xfs = || {
            let mut bytes = vec![0; 1 << 20];
            bytes[..4].copy_from_slice(b"XFSB");
            let device: Arc<dyn Device> = Arc::new(MemoryDevice::new(bytes));
            let disk = Disk::probe("stick".to_owned(), "stick".into(), device);
            let mut volume = disk.volumes.into_iter().next().unwrap();
            volume.mounts.push(dir.path().display().to_string());
            volume
        };
        assert!(open_volume(xfs(), None, Asked::ByName, &Silent).tree.is_ok());
        let unnamed = open_volume(xfs(), None, Asked::WithAll, &Silent);
        assert!(unnamed.tree.is_err() && !unnamed.may_hold_stores);
    }

    /// A disk whose first 64 KiB cannot be read, and that has zeros behind them.
    struct BadStart;

    impl Device for BadStart {
        fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> std::io::Result<()> {
            if offset < 1 << 16 {
                return Err(std::io::Error::other("bad sector"));
            }
            buf.fill(0);
            Ok(())
        }
        fn len(&self) -> u64 {
            1 << 20
        }
        fn sector_size(&self) -> u32 {
            512
        }
    }

    #[test]
    fn what_cannot_be_read_at_all_may_hold_a_store() {
        let open = |device: Arc<dyn Device>| {
            let disk = Disk::probe("disk 1".to_owned(), "disk".into(), device);
            let source = Source::of_disk(disk, &OpenOptions::default(), Asked::WithAll, &Silent);
            let [volume] = &source.volumes[..] else { panic!("{}", source.volumes.len()) };
            (volume.tree.is_ok(), volume.may_hold_stores, volume.findings.len())
        };
        assert_eq!(open(Arc::new(BadStart)), (false, true, 1));
        assert_eq!(open(Arc::new(MemoryDevice::new(vec![0; 1 << 20]))), (false, false, 0));
    }

    #[test]
    fn ntfs_that_cannot_be_read_raw_is_read_through_the_host_and_why_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let mut broken = volume(*b"EXFAT   ", Some(dir.path()));
        broken.kind = VolumeKind::Ntfs; // by its type; its structures are not there
        let seen = Collect::default();
        let opened = open_volume(broken.clone(), None, Asked::ByName, &seen);
        assert_eq!(opened.tree.unwrap().info().via, Via::Host);
        assert!(opened.why.len() > "; through ".len(), "{}", opened.why);
        assert!(open_volume(broken, Some(Via::Raw), Asked::ByName, &seen).tree.is_err());
    }
}
