//! Offline Windows installations and their users: who has files on the disk, store or no store.
//!
//! Users come from the `ProfileList` of the SOFTWARE hive ("User profiles", Microsoft) and, since
//! a wipe may have taken the hive, from the folders below `Users`, too.

mod contents;
mod find;
mod left_out;

use std::fmt;

pub use contents::Contents;
pub use find::find;
pub use left_out::RULES;
pub(crate) use left_out::left_out;

use crate::model::metadata::NodeId;
use crate::model::name::NtPath;
use crate::model::sid::Sid;
use crate::usmt::Drive;

/// A Windows on an offline volume, or the users' folders that are left of one.
#[derive(Clone, Debug)]
pub struct Installation {
    /// The index of its volume in the list that was searched.
    pub volume: usize,
    /// The name of that volume, for display.
    pub volume_display: String,
    /// The folder above its Windows folder: the root, or `Windows.old`.
    pub base: NtPath,
    /// Its Windows folder, below the volume's root; `None` if a wipe took it.
    pub windows: Option<NtPath>,
    /// Its drive in Windows.
    pub drive: Drive,
    /// The computer's name.
    pub computer: Option<String>,
    /// Why the list of its users could not be read, for people; the users are those that have
    /// a folder then.
    pub unlisted: Option<&'static str>,
    /// Its users: persons first, then by path.
    pub profiles: Vec<Profile>,
}

impl Installation {
    /// Its Windows folder, or what is left of it: `C:\Windows`.
    pub fn path(&self) -> String {
        self.windows.as_ref().unwrap_or(&self.base).on_drive(&self.drive.name())
    }
}

/// The profile of one user.
#[derive(Clone, Debug)]
pub struct Profile {
    /// The name of its folder, which is that of the account when it was made.
    pub name: String,
    /// Whose it is.
    pub kind: ProfileKind,
    /// The account, if known.
    pub sid: Option<Sid>,
    /// How the account is known.
    pub sid_from: SidFrom,
    /// Its folder in that Windows: `C:\Users\alice`.
    pub path: String,
    /// The folder, if it is still there.
    pub place: Option<Place>,
    /// Folders of the user that are kept elsewhere.
    pub redirected: Vec<Redirected>,
    /// Whether its registry, `NTUSER.DAT`, is still there.
    pub has_registry: bool,
    /// Whether that cannot be read: folders that the user keeps elsewhere are not known then.
    pub is_registry_damaged: bool,
    /// Where its folder leads, if it is a junction: `place` is what is there.
    pub leads_to: Option<String>,
    /// The user's folders whose place its registry does not tell, although it should.
    pub unknown_folders: Vec<&'static str>,
}

/// Whose a profile is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProfileKind {
    /// A person's.
    Person,
    /// `Public`: for all who log on.
    Shared,
    /// A service's.
    Service,
}

impl ProfileKind {
    /// The stable name, as in `--json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Shared => "shared",
            Self::Service => "service",
        }
    }
}

/// How the account of a profile is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SidFrom {
    /// By the registry.
    ProfileList,
    /// By who may do what with its folder (inferred: no one else is named there).
    Rights,
    /// Not at all.
    Unknown,
}

impl SidFrom {
    /// The stable name, as in `--json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ProfileList => "profile-list",
            Self::Rights => "rights",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for SidFrom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ProfileList => "by the registry",
            Self::Rights => "by the rights on the folder",
            Self::Unknown => "unknown",
        })
    }
}

/// A folder on a volume that was searched.
#[derive(Clone, Debug)]
pub struct Place {
    /// The index of its volume.
    pub volume: usize,
    /// The drive of that volume in Windows.
    pub drive: Drive,
    /// Below the volume's root, with its names as they are on the disk.
    pub path: NtPath,
    /// The folder.
    pub node: NodeId,
}

/// A folder of a user that the registry places outside the profile ("Folder redirection",
/// Microsoft).
#[derive(Clone, Debug)]
pub struct Redirected {
    /// As people know it: `Documents`.
    pub name: &'static str,
    /// Where it is: `D:\Data\alice`, `\\server\home\alice`.
    pub path: String,
    /// The folder, if it is on a volume that was searched and is not all of it.
    pub place: Option<Place>,
}
