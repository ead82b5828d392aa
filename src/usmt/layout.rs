//! The names that USMT uses, and the places where tools keep stores. Which of it is known how
//! surely: docs/reference/format.md is about sets; for stores see [`super`].

pub use crate::model::name::USMT;
use crate::model::name::{NtName, NtPath};

/// The folder of a USMT 3 store, in place of [`USMT`].
pub const USMT3: &str = "USMT3";
/// Settings and the list of what is in the store; without it loadstate cannot use the store.
pub const CATALOG: &str = "catalog.mig";
/// State of the capture.
pub const MIGSTATE: &str = "MIGSTATE.DAT";
/// 0 bytes, written last (inferred).
pub const STATUS: &str = "status.~lg";
/// On the primary volume of a hard-link store. MDT looks for exactly this file.
pub(crate) const HARDLINK_MAIN: &str = "hardlink.main";
/// On secondary volumes of a hard-link store, followed by a GUID.
pub(crate) const HARDLINK_DISTRIBUTED: &str = "hardlink.distributed.";
/// A compressed store; `USMT.MIG01` and so on are further pieces, perhaps, on FAT.
pub(crate) const CONTAINER: &str = "USMT.MIG";
/// A compressed store of USMT 3, in [`USMT3`]: MDT's wizard looks for exactly this file. Its format
/// is not known.
pub(crate) const CONTAINER3: &str = "USMT3.MIG";
/// What `scanstate /p` leaves: an estimate, not a store.
pub(crate) const ESTIMATE: &str = "USMTSIZE.TXT";
/// The folder with the files of a store that is not compressed: `File\C$\Users\...`.
pub const FILE: &str = "File";

/// Whether a folder of a drive has the profiles of users. Windows XP's were elsewhere; USMT 4 and 5
/// could take them.
pub(crate) fn is_profiles_folder(name: &NtName) -> bool {
    ["Users", "Documents and Settings"].iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// The tool that put a store there, judging by its path alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// `\_SMSTaskSequence\UserState`.
    ConfigMgr,
    /// `\StateStore`, `\_SMSTaskSequence\StateStore` or `\MININT\StateStore`.
    Mdt,
    /// `\Windows\StateStore`, `\Windows\Temp\StateStore`: where MDT moves a
    /// store after a failed restore or a clean-up.
    MovedByMdt,
    /// Below `\SuperGrate`.
    SuperGrate,
    /// `\_t\StateStore`: Tanium Provision.
    Tanium,
    /// `\migdata`, a name that scripts use.
    Migdata,
    /// Anywhere else.
    Elsewhere,
}

impl Place {
    /// Judges the folder above `USMT`.
    pub fn of(store_path: &NtPath) -> Self {
        match store_path.to_string().to_ascii_lowercase().as_str() {
            "_smstasksequence/userstate" => Self::ConfigMgr,
            "statestore" | "_smstasksequence/statestore" | "minint/statestore" => Self::Mdt,
            "windows/statestore" | "windows/temp/statestore" => Self::MovedByMdt,
            "_t/statestore" => Self::Tanium,
            "migdata" => Self::Migdata,
            path if path.split('/').next() == Some("supergrate") => Self::SuperGrate,
            _ => Self::Elsewhere,
        }
    }

    /// The stable name, as in `--json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ConfigMgr => "configmgr",
            Self::Mdt => "mdt",
            Self::MovedByMdt => "moved-by-mdt",
            Self::SuperGrate => "supergrate",
            Self::Tanium => "tanium",
            Self::Migdata => "migdata",
            Self::Elsewhere => "elsewhere",
        }
    }

    /// For display.
    pub fn describe(self) -> &'static str {
        match self {
            Self::ConfigMgr => "where ConfigMgr keeps it",
            Self::Mdt => "where MDT keeps it",
            Self::MovedByMdt => "where MDT moves it after a failed restore or a clean-up",
            Self::SuperGrate => "where SuperGrate keeps it",
            Self::Tanium => "where Tanium Provision keeps it",
            Self::Migdata => "where some scripts keep it",
            Self::Elsewhere => "not a known place of a deployment tool",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_known_whatever_their_case() {
        let place = |p: &str| Place::of(&NtPath::from(p));
        assert_eq!(place("_SMSTaskSequence\\UserState"), Place::ConfigMgr);
        assert_eq!(place("STATESTORE"), Place::Mdt);
        assert_eq!(place("MININT/StateStore"), Place::Mdt);
        assert_eq!(place("Windows/Temp/StateStore"), Place::MovedByMdt);
        assert_eq!(place("SuperGrate/USMT/dave"), Place::SuperGrate);
        assert_eq!(place("_T\\StateStore"), Place::Tanium);
        assert_eq!(place("MigData"), Place::Migdata);
        assert_eq!(place("migdata2"), Place::Elsewhere);
        assert_eq!(place("Data/StateStore"), Place::Elsewhere);
        assert_eq!(place(""), Place::Elsewhere);
    }
}
