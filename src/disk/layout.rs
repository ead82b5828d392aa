//! A disk, an image, and the volumes on them.

use std::path::PathBuf;
use std::sync::Arc;

use super::bitlocker::{Encryption, KeySource, Locked, find_header};
use super::lost::WithBoot;
use super::partitions::table::{Layout, read_layout};
use super::raid::RaidMember;
use super::{
    Container, Device, DiskFormat, Fault, Hardware, Identity, Partition, PartitionTable, Slice,
    VolumeKind, identify,
};
use crate::model::finding::Finding;
use crate::model::units;

/// A disk or an image, and the volumes on it.
#[derive(Clone)]
pub struct Disk {
    /// For people: the path as it was named, `/dev/sda`, `disk.img`.
    pub display: String,
    /// Where it was opened.
    pub path: PathBuf,
    /// How its bytes are kept.
    pub format: DiskFormat,
    /// What the system says of it, when it is a disk of this machine.
    pub hardware: Option<Hardware>,
    /// Its bytes.
    pub device: Arc<dyn Device>,
    /// What is wrong with the file that it is kept in.
    pub faults: Vec<Fault>,
    /// Its partition table; [`TableKind::None`](super::TableKind::None) when it is one volume.
    pub table: PartitionTable,
    /// Its volumes, in the order of the table.
    pub volumes: Vec<Volume>,
}

/// A volume: a partition, or a whole disk or image without partitions.
#[derive(Clone)]
pub struct Volume {
    /// For people: `disk.img, partition 2 (NTFS, 238 GiB)`.
    pub display: String,
    /// Which disk and which partition, for people.
    place: String,
    /// The partition's number; 0 for a disk without partitions.
    pub index: u32,
    /// Its bytes, from its own first on.
    pub device: Arc<dyn Device>,
    /// What it is, by its own bytes.
    pub kind: VolumeKind,
    /// Byte on the disk.
    pub offset: u64,
    /// Bytes.
    pub len: u64,
    /// Where it starts on the disk, if no partition table leads to it: it was
    /// found by its own boot sector.
    pub lost_at: Option<u64>,
    /// Its entry in the partition table.
    pub partition: Option<Partition>,
    /// The system's own device for it: `/dev/sda2`, `\\\\?\\Volume{…}`; `None` in
    /// images.
    pub path: Option<PathBuf>,
    /// Its drive letter here and now (Windows).
    pub letter: Option<char>,
    /// Where it is mounted here and now: folders that the host can read.
    pub mounts: Vec<String>,
    /// Its label, where it is cheap to know (not for NTFS).
    pub label: Option<String>,
    /// What is wrong with its edges.
    pub faults: Vec<Fault>,
    /// How BitLocker has it, unlocked or not.
    pub encryption: Option<Encryption>,
}

impl Disk {
    /// Looks at what a raw `device` holds. Never fails: what cannot be read is
    /// a fault of the table or of a volume.
    pub fn probe(display: String, path: PathBuf, device: Arc<dyn Device>) -> Self {
        let raw = Container { device, format: DiskFormat::Raw, faults: Vec::new() };
        Self::probe_container(display, path, raw)
    }

    /// Looks at what a container holds.
    pub(crate) fn probe_container(display: String, path: PathBuf, container: Container) -> Self {
        let Container { device, format, mut faults } = container;
        faults.extend(RaidMember::find(&device).map(Fault::Raid));
        let (table, volumes) = match read_layout(&device) {
            Layout::Bare(identity) => {
                let volume = Volume::new(&display, device.clone(), None, identity);
                (PartitionTable::none(&device), vec![volume])
            }
            Layout::Table(mut table) => {
                for fault in &mut table.faults {
                    if let Fault::OtherUnit { of_image, .. } = fault {
                        *of_image = format != DiskFormat::Attached;
                    }
                }
                let volumes = table.partitions.iter().map(|partition| {
                    let (offset, len) = (partition.offset, partition.len);
                    let window: Arc<dyn Device> = Arc::new(Slice::new(device.clone(), offset, len));
                    let identity = identify(&window);
                    Volume::new(&display, window, Some(partition.clone()), identity)
                });
                let volumes = volumes.collect();
                (table, volumes)
            }
        };
        Self { display, path, format, hardware: None, device, faults, table, volumes }
    }

    /// A volume that the system does not let be read as a disk.
    #[cfg(windows)]
    pub(crate) fn refused(display: String, path: PathBuf, error: &std::io::Error) -> Self {
        let device: Arc<dyn Device> = Arc::new(super::MemoryDevice::new(Vec::new()));
        let identity = Identity {
            kind: VolumeKind::Refused,
            label: None,
            claimed_len: None,
            faults: vec![Fault::Refused { error: error.to_string() }],
        };
        let volume = Volume::new(&display, device.clone(), None, identity);
        Self {
            display,
            path,
            format: DiskFormat::Attached,
            hardware: None,
            table: PartitionTable::none(&device),
            device,
            faults: Vec::new(),
            volumes: vec![volume],
        }
    }

    /// Asks a disk of this machine for its health, and whether it is locked
    /// ([`Hardware::condition`]). A disk that fails may take seconds to answer.
    pub fn ask_condition(&mut self) {
        let Some(mut hardware) = self.hardware.take() else { return };
        #[cfg(target_os = "linux")]
        let condition = super::linux::condition(self, &hardware);
        #[cfg(windows)]
        let condition = super::windows_disks::condition(self, &hardware);
        #[cfg(not(any(target_os = "linux", windows)))]
        let condition = super::condition::Condition::default();
        hardware.condition = condition;
        self.hardware = Some(hardware);
    }

    /// What is wrong with its file, its partition table and its volumes' edges.
    pub fn findings(&self) -> Vec<Finding> {
        let own = self.faults.iter().chain(&self.table.faults);
        let own = own.map(|fault| fault.finding(&self.display));
        own.chain(self.volumes.iter().flat_map(Volume::findings)).collect()
    }
}

impl Volume {
    pub(crate) fn new(
        disk: &str,
        device: Arc<dyn Device>,
        partition: Option<Partition>,
        identity: Identity,
    ) -> Self {
        let index = partition.as_ref().map_or(0, |p| p.number);
        let place = match &partition {
            Some(_) => format!("{disk}, partition {index}"),
            None => disk.to_owned(),
        };
        let mut volume = Self {
            display: String::new(),
            place,
            index,
            len: device.len(),
            device: device.clone(),
            kind: identity.kind,
            offset: partition.as_ref().map_or(0, |p| p.offset),
            lost_at: None,
            partition,
            path: None,
            letter: None,
            mounts: Vec::new(),
            label: None,
            faults: Vec::new(),
            encryption: None,
        };
        volume.replace(device, identity);
        volume
    }

    /// A volume from byte `at` on that no partition table leads to.
    pub(crate) fn lost(disk: &str, device: Arc<dyn Device>, at: u64, identity: Identity) -> Self {
        let mut volume = Self::new(disk, device, None, identity);
        volume.place = format!("{disk}, lost partition at byte {at}");
        (volume.offset, volume.lost_at) = (at, Some(at));
        volume.name();
        volume
    }

    /// Puts another device for the same volume in place, and what that one
    /// shows.
    pub(crate) fn replace(&mut self, device: Arc<dyn Device>, identity: Identity) {
        self.len = device.len();
        self.device = device;
        self.kind = identity.kind;
        self.label = identity.label;
        self.faults = identity.faults;
        self.name();
    }

    /// Names it anew, once its kind or its letter have changed.
    pub(crate) fn name(&mut self) {
        let letter = self.letter.map(|letter| format!("{letter}: on "));
        // A volume that was named by its letter has it as its place.
        let letter = letter.filter(|_| self.partition.is_some()).unwrap_or_default();
        let size = match self.kind {
            VolumeKind::Refused => String::new(),
            _ => format!(", {}", units::bytes(self.len)),
        };
        // A locked one is called so by its kind.
        let within = match &self.encryption {
            Some(_) if self.kind != VolumeKind::BitLocker => " in BitLocker",
            _ => "",
        };
        self.display = format!("{letter}{} ({}{within}{size})", self.place, self.kind);
    }

    /// Unlocks a BitLocker volume by itself or by `keys`, if that can be done; says in
    /// [`encryption`](Self::encryption) what it is in any case.
    pub fn unlock(&mut self, keys: &dyn KeySource) {
        self.know_by_metadata();
        if self.kind != VolumeKind::BitLocker {
            return;
        }
        let locked = match Locked::read(&self.device) {
            Ok(locked) => locked,
            Err(error) => {
                self.encryption = Some(Encryption::unreadable(&error));
                return;
            }
        };
        let tried = keys.unlock(&locked, &self.display);
        self.encryption = Some(Encryption::of(&locked, tried.as_ref()));
        if let Some(Ok(unlocked)) = tried {
            let mut identity = identify(&unlocked.device);
            let doubts = unlocked.doubts.into_iter().map(Fault::BitLocker);
            identity
                .faults
                .splice(0..0, std::mem::take(&mut self.faults).into_iter().chain(doubts));
            self.replace(unlocked.device, identity);
        }
    }

    /// Takes an unknown volume for one of BitLocker, if it has the metadata of one.
    fn know_by_metadata(&mut self) {
        if self.kind != VolumeKind::Unknown {
            return;
        }
        let Some((header, at)) = find_header(&self.device) else { return };
        let boot = Box::new(header.to_sector());
        let device: Arc<dyn Device> = Arc::new(WithBoot { device: self.device.clone(), boot });
        let mut identity = identify(&device);
        let faults = std::mem::take(&mut self.faults);
        identity.faults.splice(0..0, faults.into_iter().chain([Fault::BitLockerStart { at }]));
        self.replace(device, identity);
    }

    /// What is wrong with its edges.
    pub fn findings(&self) -> impl Iterator<Item = Finding> {
        self.faults.iter().map(|fault| fault.finding(&self.display))
    }

    /// Reads a BitLocker volume through the device that the system has made of it, unlocked.
    #[cfg(target_os = "linux")]
    pub(crate) fn unlocked_by_system(&mut self, device: Arc<dyn Device>) {
        self.encryption = match Locked::read(&self.device) {
            Ok(locked) => Some(Encryption::by_system(&locked)),
            Err(_) => None,
        };
        let identity = identify(&device);
        self.replace(device, identity);
    }

    /// What to say when it is in use while it is read. Why it is done so stands
    /// in `windows.rs`.
    pub fn note(&self) -> Option<String> {
        self.device.is_live().then(|| {
            let at = match self.mounts.first() {
                Some(mount) => format!("mounted at {mount}"),
                None => "mounted".to_owned(),
            };
            format!(
                "{}: {at}; read from the disk beside its file system, which was not flushed or \
                 locked: changes of the last seconds may be missing",
                self.display
            )
        })
    }
}
