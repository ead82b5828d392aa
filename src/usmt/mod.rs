//! What USMT is: where stores live, which kind they are, their parts.
//!
//! Facts here come from Microsoft's documentation where it speaks. Where it
//! does not, the code says "inferred", and so do the messages built on it.

mod classify;
mod container;
mod drive;
mod find;
pub mod layout;
pub mod loadstate;
pub mod logs;
mod machine;
mod tally;

use std::fmt;
use std::sync::Arc;

pub use classify::{Markers, is_container_name};
pub use container::{ContainerReport, Problem, check_container};
pub use drive::{Drive, DriveFrom};
pub use find::{drive_of, find_stores};
pub use layout::Place;
pub use logs::Logs;
pub use machine::Machine;
pub use tally::{Survey, Tally};

use crate::model::metadata::NodeId;
use crate::model::name::NtPath;
use crate::tree::Tree;

/// The kinds of migration store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StoreKind {
    /// `scanstate /hardlink /nocompress`: plain files that were hard links.
    HardLink,
    /// `scanstate /nocompress`: plain files.
    Uncompressed,
    /// One `USMT.MIG` image.
    Compressed,
    /// `USMTSIZE.TXT` alone: what `scanstate /p` leaves. No data in it.
    Estimate,
}

impl StoreKind {
    /// The stable name, as in `--json` and `rescue.json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HardLink => "hard-link",
            Self::Uncompressed => "uncompressed",
            Self::Compressed => "compressed",
            Self::Estimate => "estimate",
        }
    }

    /// Whether there is user data in such a store.
    pub fn holds_data(self) -> bool {
        self != Self::Estimate
    }
}

/// What a part is to its store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// The store has only this part, and needs no other.
    Whole,
    /// Holds `hardlink.main` and the catalog.
    Primary,
    /// Holds the files of another volume; useless without its primary.
    Secondary,
}

impl Role {
    /// The stable name, as in `--json` and `rescue.json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Primary => "primary",
            Self::Secondary => "secondary",
        }
    }
}

/// A volume that stores are looked for on.
#[derive(Clone)]
pub struct StoreVolume {
    /// Its files.
    pub tree: Arc<dyn Tree>,
    /// For people: `disk.img, partition 2`.
    pub display: String,
    /// The letter that it has on the machine that Lifeboat runs on. In WinPE
    /// that is not the letter it had in Windows.
    pub present_letter: Option<char>,
    /// Whether it is on a disk of the machine that Lifeboat runs on; not so an
    /// image, which may be of any machine.
    pub attached: bool,
}

/// One part of a store: a `USMT` folder on one volume.
#[derive(Clone)]
pub struct Part {
    /// Its volume, by number in the list that was searched.
    pub volume: usize,
    /// That volume's files.
    pub tree: Arc<dyn Tree>,
    /// That volume, for people.
    pub volume_display: String,
    /// The letter that its volume has now, on the machine running Lifeboat.
    pub present_letter: Option<char>,
    /// The `USMT` folder, below the volume's root.
    pub usmt_path: NtPath,
    /// The `USMT` folder.
    pub usmt: NodeId,
    /// What it is to its store.
    pub role: Role,
    /// The drive that it was on in Windows.
    pub drive: Drive,
    /// The files that tell what it is.
    pub markers: Markers,
}

impl Part {
    /// What `loadstate` is given: the folder above `USMT`.
    pub fn store_path(&self) -> NtPath {
        self.usmt_path.parent().unwrap_or_default()
    }

    /// The path as Windows saw it: `C:\StateStore\USMT`.
    pub fn windows_path(&self) -> String {
        self.usmt_path.on_drive(&self.drive.name())
    }

    /// A path below the `USMT` folder, as Windows saw it.
    pub fn path_of(&self, below: &NtPath) -> String {
        let whole: NtPath = self.usmt_path.names().iter().chain(below.names()).cloned().collect();
        whole.on_drive(&self.drive.name())
    }
}

/// What a store lacks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Lack {
    /// The part with `hardlink.main` and the catalog.
    Primary,
    /// The part that was on this drive, which `hardlink.main` lists (inferred).
    Drive(String),
    /// Nobody can know: `hardlink.main` does not tell which parts there are, and
    /// these volumes could not be looked into.
    Unknown(Vec<String>),
}

/// As many volumes are named where all of them may hold something.
const NAMED_VOLUMES: usize = 3;

impl fmt::Display for Lack {
    /// As it is said of a set.
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
                    "a part may be missing: hardlink.main does not tell, and {}{others} could not \
                     be looked into",
                    named.join(", ")
                )
            }
        }
    }
}

/// A migration store, with all its parts that were found.
#[derive(Clone)]
pub struct Store {
    /// Short and stable while the store stays where it is: for `--store`.
    pub id: String,
    /// Which kind.
    pub kind: StoreKind,
    /// Who put it there, judging by the path.
    pub place: Place,
    /// Primary (or only) part first, secondaries by path after it.
    pub parts: Vec<Part>,
    /// Drives that `hardlink.main` lists and no part was found for. Inferred:
    /// the file's format is not documented.
    pub missing_drives: Vec<String>,
    /// Secondary parts at the primary's path that `hardlink.main` does not list:
    /// where, as Windows saw it, and their GUID. Each is a store of its own.
    pub strangers: Vec<(String, String)>,
    /// Whether `hardlink.main` told which parts there are (inferred: nobody has
    /// published its format).
    pub knows_parts: bool,
}

impl Store {
    /// The primary or only part; for secondaries alone the first of them.
    pub fn first(&self) -> Option<&Part> {
        self.parts.first()
    }

    /// Whether it consists of secondaries whose primary was not found.
    pub fn lacks_primary(&self) -> bool {
        self.kind == StoreKind::HardLink && self.parts.iter().all(|p| p.role == Role::Secondary)
    }

    /// What of the store is not among its parts, or may not be. `closed` are the
    /// volumes that could not be looked into, for people.
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

    /// The store as `loadstate` is to find it.
    pub fn kept(&self) -> loadstate::LoadstateStore {
        let part = |part: &Part| loadstate::LoadstatePart {
            drive: part.drive.name(),
            path: part.store_path().to_string(),
            is_secondary: part.role == Role::Secondary,
        };
        loadstate::LoadstateStore {
            kind: self.kind.as_str().to_owned(),
            parts: self.parts.iter().map(part).collect(),
        }
    }

    /// Where it is, for people: the first part's path as Windows saw it.
    pub fn display(&self) -> String {
        self.first().map_or_else(String::new, Part::windows_path)
    }
}
