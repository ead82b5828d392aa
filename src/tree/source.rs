//! From what a user names (an image, a device, a volume, a mounted folder) to
//! trees of files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::{self, Disk, DiskError, Volume, VolumeKind};
use crate::health::Finding;
use crate::monitor::Monitor;
use crate::name::{NtName, NtPath};

use super::host::HostTree;
use super::ntfs::NtfsTree;
use super::within::Within;
use super::{Tree, TreeError, Via};

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

impl SourceError {
    /// What to do, in plain words.
    pub fn advice(&self) -> String {
        match self {
            Self::Disk(error) => error.advice(),
            Self::Tree(_) => "Check that the folder is there and that you may read it.".into(),
            Self::FolderRaw(_) => {
                "Name the volume or the disk instead, or leave out --via raw.".into()
            }
        }
    }
}

/// One volume of a source.
pub struct SourceVolume {
    /// For people: `disk.img, partition 2 (NTFS, 238.0 GiB)`.
    pub display: String,
    /// `NTFS`, `BitLocker`, `FAT32` …, or what the host calls it.
    pub kind: String,
    /// Its files, or why they cannot be looked at, with what to do.
    pub tree: Result<Arc<dyn Tree>, String>,
    /// Whether a store may be there though it cannot be looked at.
    pub may_hold_stores: bool,
    /// The letter it has now.
    pub letter: Option<char>,
    /// Where the host has its root mounted.
    pub mount: Option<PathBuf>,
    /// What was noticed while opening.
    pub findings: Vec<Finding>,
}

/// Something to look for stores in.
pub struct Source {
    /// As the user named it.
    pub display: String,
    /// Its volumes, in the order they lie.
    pub volumes: Vec<SourceVolume>,
}

impl Source {
    /// Opens a disk image, a device, a volume or a mounted folder.
    pub fn open(spec: &str, via: Option<Via>, monitor: &dyn Monitor) -> Result<Self, SourceError> {
        if Path::new(spec).is_dir() && !disk::names_a_device(Path::new(spec)) {
            if via == Some(Via::Raw) {
                return Err(SourceError::FolderRaw(spec.to_owned()));
            }
            return Ok(Self { display: spec.to_owned(), volumes: vec![folder(Path::new(spec))?] });
        }
        match disk::open(Path::new(spec)) {
            Ok(disk) => Ok(Self::of_disk(disk, via, monitor)),
            // A drive that is no disk of this machine: a share with a letter.
            Err(error) if Path::new(spec).is_dir() && via != Some(Via::Raw) => {
                monitor.note(&format!("{error}; reading it through {spec} instead"));
                Ok(Self { display: spec.to_owned(), volumes: vec![folder(Path::new(spec))?] })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Everything attached. Disks that cannot be opened are in the second list.
    pub fn attached(via: Option<Via>, monitor: &dyn Monitor) -> (Vec<Self>, Vec<SourceError>) {
        let mut sources = Vec::new();
        let mut errors = Vec::new();
        for disk in disk::attached() {
            match disk {
                Ok(disk) => sources.push(Self::of_disk(disk, via, monitor)),
                Err(error) => errors.push(error.into()),
            }
        }
        (sources, errors)
    }

    fn of_disk(disk: Disk, via: Option<Via>, monitor: &dyn Monitor) -> Self {
        let own = disk.faults.iter().chain(&disk.table.faults);
        let mut table_findings: Vec<Finding> =
            own.map(|fault| fault.finding(&disk.display)).collect();
        let mut volumes: Vec<SourceVolume> =
            disk.volumes.into_iter().map(|volume| open_volume(volume, via, monitor)).collect();
        if let Some(first) = volumes.first_mut() {
            table_findings.append(&mut first.findings);
            first.findings = table_findings;
        }
        Self { display: disk.display, volumes }
    }
}

/// Opens one volume: NTFS from the device, what is not NTFS or refuses through
/// the host, where the host has it mounted.
fn open_volume(volume: Volume, via: Option<Via>, monitor: &dyn Monitor) -> SourceVolume {
    let mut findings: Vec<Finding> = volume.findings().collect();
    let mounted = volume.mounts.first().cloned();
    if volume.kind == VolumeKind::Ntfs && via != Some(Via::Host) {
        volume.note().iter().for_each(|note| monitor.note(note));
    }
    let host = |findings: &mut Vec<Finding>, mount: &str| {
        let mut opened = folder(Path::new(mount)).map_err(|error| error.to_string())?;
        findings.append(&mut opened.findings);
        opened.tree
    };
    let raw = |findings: &mut Vec<Finding>| {
        let tree = NtfsTree::open(volume.device.clone(), volume.display.clone(), monitor)
            .map_err(|error| error.to_string())?;
        findings.extend(tree.findings());
        Ok(Arc::new(tree) as Arc<dyn Tree>)
    };
    let tree = match (via, &mounted, volume.kind) {
        (_, _, VolumeKind::BitLocker) => {
            Err(volume.locked().map_or_else(|| "locked by BitLocker".into(), |e| e.advice()))
        }
        (Some(Via::Host), Some(mount), _) => host(&mut findings, mount),
        (Some(Via::Host), None, _) => {
            Err("not mounted, so the file API cannot read it; leave out --via host".to_owned())
        }
        (_, mount, VolumeKind::Ntfs) => raw(&mut findings).or_else(|reason| match mount {
            Some(mount) if via.is_none() => {
                monitor.note(&format!(
                    "{}: {reason}; reading it through {mount} instead",
                    volume.display
                ));
                host(&mut findings, mount)
            }
            _ => Err(reason),
        }),
        (None, Some(mount), kind) if kind.is_known() || kind == VolumeKind::Refused => {
            host(&mut findings, mount)
        }
        (_, _, kind) => {
            Err(format!("{kind} is not read from the disk: mount it read-only and name the folder"))
        }
    };
    let may_hold_stores = match volume.kind {
        VolumeKind::Ntfs
        | VolumeKind::BitLocker
        | VolumeKind::Refused
        // USMT writes compressed and uncompressed stores to these as well.
        | VolumeKind::Fat32
        | VolumeKind::ExFat
        | VolumeKind::ReFs => true,
        _ => false,
    };
    SourceVolume {
        kind: volume.kind.as_str().to_owned(),
        display: volume.display,
        tree,
        may_hold_stores,
        letter: volume.letter,
        mount: mounted.map(PathBuf::from),
        findings,
    }
}

/// A mounted folder, seen from its volume's root where that can be read.
fn folder(path: &Path) -> Result<SourceVolume, SourceError> {
    let within = volume_root(path).and_then(|(root, below)| {
        let tree = Arc::new(HostTree::open(&root).ok()?);
        let tree = Within::new(tree, &below, path.display().to_string()).ok()?;
        Some((Arc::new(tree) as Arc<dyn Tree>, root))
    });
    let (tree, mount) = match within {
        Some(within) => within,
        None => (Arc::new(HostTree::open(path)?) as Arc<dyn Tree>, path.to_owned()),
    };
    Ok(SourceVolume {
        display: path.display().to_string(),
        kind: tree.info().file_system.clone(),
        letter: letter_of(path),
        tree: Ok(tree),
        may_hold_stores: true,
        mount: Some(mount),
        findings: Vec::new(),
    })
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
fn on_one_volume(a: &Path, b: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let device = |path: &Path| path.symlink_metadata().map(|m| m.dev()).ok();
    device(a).is_some() && device(a) == device(b)
}

/// Volumes mounted in folders are rare on Windows; the drive is the volume.
#[cfg(not(unix))]
fn on_one_volume(_: &Path, _: &Path) -> bool {
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
