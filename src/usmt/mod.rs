//! USMT migration stores: their places, kinds and parts.
//!
//! The source is Microsoft's documentation. What it does not document is marked
//! "inferred", in the code and in the messages.

mod classify;
pub mod container;
mod drive;
mod find;
pub mod layout;
pub mod loadstate;
pub mod logs;
mod machine;
pub mod plain;
mod tally;

use std::fmt;
use std::sync::Arc;

pub use classify::Markers;
pub(crate) use classify::{is_container_name, piece_number};
pub(crate) use container::OpenPieces;
pub use container::{ContainerReport, Problem, check_container};
pub use drive::{Drive, DriveFrom};
pub(crate) use drive::{MOST_MAIN, parse_hardlink_main};
pub(crate) use find::drive_of;
pub use find::find_stores;
pub use layout::Place;
pub use logs::Logs;
pub(crate) use machine::hive;
pub use machine::{DiskName, Machine};
pub(crate) use tally::Survey;
pub use tally::Tally;

use crate::model::metadata::NodeId;
use crate::model::name::NtPath;
use crate::tree::Tree;
use crate::tree::source::SourceVolume;

/// The kinds of migration store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StoreKind {
    /// `scanstate /hardlink /nocompress`: plain files that were hard links.
    HardLink,
    /// `scanstate /nocompress`: plain files.
    Uncompressed,
    /// One `USMT.MIG` image.
    Compressed,
    /// `USMTSIZE.TXT` alone, from `scanstate /p`. Contains no data.
    Estimate,
}

impl StoreKind {
    /// All kinds.
    pub const ALL: [Self; 4] =
        [Self::HardLink, Self::Uncompressed, Self::Compressed, Self::Estimate];

    /// The kind of that stable name.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// The stable name, as in `--json` and `rescue.json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HardLink => "hard-link",
            Self::Uncompressed => "uncompressed",
            Self::Compressed => "compressed",
            Self::Estimate => "estimate",
        }
    }

    /// Whether such a store contains user data.
    pub(crate) fn holds_data(self) -> bool {
        self != Self::Estimate
    }
}

/// The role of a part in its store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// The store has only this part, and needs no other.
    Whole,
    /// Contains `hardlink.main` and the catalog.
    Primary,
    /// Contains the files of another volume; useless without the primary part.
    Secondary,
}

impl Role {
    /// The role of that stable name.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        let all = [Self::Whole, Self::Primary, Self::Secondary];
        all.into_iter().find(|role| role.as_str() == name)
    }

    /// The stable name, as in `--json` and `rescue.json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Primary => "primary",
            Self::Secondary => "secondary",
        }
    }
}

/// A volume to search for stores.
#[derive(Clone)]
pub struct StoreVolume {
    /// Its files.
    pub tree: Arc<dyn Tree>,
    /// For display: `disk.img, partition 2`.
    pub display: String,
    /// Its letter on this machine. In WinPE, that is not its letter in Windows.
    pub present_letter: Option<char>,
    /// Whether it is on a disk of this machine. An image may be from any
    /// machine.
    pub attached: bool,
    /// The disk that it is on, for display.
    pub disk: String,
    /// Whether no partition table leads to it.
    pub is_lost: bool,
}

impl StoreVolume {
    /// The volume of a source, if it can be read.
    pub fn of(volume: &SourceVolume) -> Option<Self> {
        Some(Self {
            tree: volume.tree.as_ref().ok()?.clone(),
            display: volume.display.clone(),
            present_letter: volume.letter,
            attached: volume.attached,
            disk: volume.disk.clone(),
            is_lost: volume.is_lost,
        })
    }
}

/// One part of a store: a `USMT` folder on one volume.
#[derive(Clone)]
pub struct Part {
    /// The index of its volume in the list that was searched.
    pub volume: usize,
    /// The files of that volume.
    pub tree: Arc<dyn Tree>,
    /// The name of that volume, for display.
    pub volume_display: String,
    /// The letter of its volume on this machine.
    pub present_letter: Option<char>,
    /// The `USMT` folder, below the volume's root.
    pub usmt_path: NtPath,
    /// The `USMT` folder.
    pub usmt: NodeId,
    /// Its role in the store.
    pub role: Role,
    /// The drive that it was on in Windows.
    pub drive: Drive,
    /// The files that mark what it is.
    pub markers: Markers,
}

impl Part {
    /// The store path for `loadstate`: the folder above `USMT`.
    pub(crate) fn store_path(&self) -> NtPath {
        self.usmt_path.parent().unwrap_or_default()
    }

    /// The path in Windows: `C:\StateStore\USMT`.
    pub fn windows_path(&self) -> String {
        self.usmt_path.on_drive(&self.drive.name())
    }

    /// Opens the pieces of its container, in order.
    pub fn open_container(&self) -> OpenPieces<'_> {
        let nodes: Vec<NodeId> = self.markers.pieces().iter().map(|(_, m)| m.node).collect();
        Box::new(move || nodes.iter().map(|node| self.tree.open(*node, None)).collect())
    }

    /// The Windows path of a path below the `USMT` folder.
    pub(crate) fn path_of(&self, below: &NtPath) -> String {
        let whole: NtPath = self.usmt_path.names().iter().chain(below.names()).cloned().collect();
        whole.on_drive(&self.drive.name())
    }
}

/// A missing part of a store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Lack {
    /// The part with `hardlink.main` and the catalog.
    Primary,
    /// The part that was on this drive, which `hardlink.main` lists (inferred).
    Drive(String),
    /// Not known: `hardlink.main` does not list the parts, and these volumes
    /// could not be read.
    Unknown(Vec<String>),
}

/// The number of volumes that are listed.
const NAMED_VOLUMES: usize = 3;

impl fmt::Display for Lack {
    /// As in a set.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Primary => f.write_str("the primary part was not found and is not in the set"),
            Self::Drive(drive) => {
                write!(f, "the part on drive {drive}: was not found and is not in the set")
            }
            Self::Unknown(closed) => {
                let named: Vec<&str> = closed.iter().take(NAMED_VOLUMES).map(|v| &**v).collect();
                let others = if closed.len() > NAMED_VOLUMES { " and others" } else { "" };
                write!(
                    f,
                    "a part may be missing: hardlink.main does not list the parts, and {}{others} \
                     could not be read",
                    named.join(", ")
                )
            }
        }
    }
}

/// A part at the primary part's path, on a drive that `hardlink.main` lists with
/// another GUID. The format of that file is inferred, so the part belongs to the
/// store all the same.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Misfit {
    /// Its path in Windows.
    pub path: String,
    /// The drive that `hardlink.main` lists.
    pub drive: char,
    /// The GUID of the part, in lower case; empty if its marker has none.
    pub guid: String,
}

/// A migration store, with the parts that were found.
#[derive(Clone)]
pub struct Store {
    /// For `--store`: short, and stable until the store is moved.
    pub id: String,
    /// Which kind.
    pub kind: StoreKind,
    /// The tool that put it there, judging by the path.
    pub place: Place,
    /// The primary (or only) part first, then the secondary parts by path.
    pub parts: Vec<Part>,
    /// Drives in `hardlink.main` for which no part was found. Inferred: the
    /// format of the file is not documented.
    pub missing_drives: Vec<String>,
    /// Secondary parts at the primary part's path that `hardlink.main` does not
    /// list: their Windows path and GUID. Each is a separate store.
    pub strangers: Vec<(String, String)>,
    /// Parts whose drive `hardlink.main` lists with another GUID.
    pub misfits: Vec<Misfit>,
    /// Whether `hardlink.main` lists the parts (inferred: its format is not
    /// documented).
    pub knows_parts: bool,
}

impl Store {
    /// The primary or only part; without one, the first secondary part.
    pub fn first(&self) -> Option<&Part> {
        self.parts.first()
    }

    /// Whether only secondary parts were found.
    pub(crate) fn lacks_primary(&self) -> bool {
        self.kind == StoreKind::HardLink && self.parts.iter().all(|p| p.role == Role::Secondary)
    }

    /// The parts that are missing or may be missing. `closed` are the volumes
    /// that could not be read, for display.
    pub fn lacks(&self, closed: &[String]) -> Vec<Lack> {
        if self.kind != StoreKind::HardLink {
            return Vec::new(); // any other kind has one part
        }
        if self.lacks_primary() {
            return vec![Lack::Primary];
        }
        if !self.knows_parts && !closed.is_empty() {
            return vec![Lack::Unknown(closed.to_vec())];
        }
        self.missing_drives.iter().cloned().map(Lack::Drive).collect()
    }

    /// The store as `loadstate` must find it.
    pub fn kept(&self) -> loadstate::LoadstateStore {
        let part = |part: &Part| loadstate::LoadstatePart {
            drive: part.drive.name(),
            path: part.store_path().to_string(),
            is_secondary: part.role == Role::Secondary,
        };
        loadstate::LoadstateStore {
            kind: Some(self.kind),
            parts: self.parts.iter().map(part).collect(),
        }
    }

    /// Where it is, for display: the Windows path of the first part.
    pub fn display(&self) -> String {
        self.first().map_or_else(String::new, Part::windows_path)
    }
}
