//! The kind of store in a folder, by its marker files.

use super::{Role, StoreKind};
use crate::model::metadata::{NodeId, NodeKind};
use crate::tree::{Tree, TreeError};
use crate::usmt::layout::{
    CATALOG, CONTAINER, CONTAINER3, ESTIMATE, FILE, HARDLINK_DISTRIBUTED, HARDLINK_MAIN, MIGSTATE,
    STATUS,
};

/// A marker file: its node and its size in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Marker {
    /// The file.
    pub node: NodeId,
    /// Bytes.
    pub size: u64,
}

/// The files in a `USMT` folder that mark its kind.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Markers {
    /// `catalog.mig`: without it loadstate cannot use the store.
    pub catalog: Option<Marker>,
    /// `MIGSTATE.DAT`.
    pub migstate: Option<Marker>,
    /// `status.~lg`: 0 bytes, written last (inferred).
    pub status: Option<Marker>,
    /// `hardlink.main`: on the primary volume. MDT looks for exactly this file.
    pub hardlink_main: Option<Marker>,
    /// `hardlink.distributed.<GUID>`: on secondary volumes. With the GUID.
    pub distributed: Option<(String, Marker)>,
    /// `USMT.MIG`, `USMT.MIG01` …, by name.
    pub containers: Vec<(String, Marker)>,
    /// `USMTSIZE.TXT`: an estimate.
    pub estimate: Option<Marker>,
    /// The `File` folder.
    pub file_folder: Option<NodeId>,
    /// The drives in the `File` folder: `C` for `File\C$`.
    pub file_drives: Vec<char>,
}

/// Whether `name` is that of a compressed store or a piece of one: `USMT.MIG`
/// and, perhaps on FAT, `USMT.MIG01` and so on; `USMT3.MIG` of USMT 3. Any
/// ending is accepted: one file too many costs nothing, one too few costs the
/// store.
pub(crate) fn is_container_name(name: &str) -> bool {
    after_container(name).is_some()
}

/// What follows the name of a container.
fn after_container(name: &str) -> Option<&str> {
    [CONTAINER, CONTAINER3].into_iter().find_map(|container| {
        let start = name.get(..container.len())?;
        start.eq_ignore_ascii_case(container).then(|| &name[container.len()..])
    })
}

/// The number of a piece of a compressed store: `USMT.MIG` is 0, `USMT.MIG01`
/// is 1. `None` for a name that only begins like one.
pub(crate) fn piece_number(name: &str) -> Option<u32> {
    match after_container(name)? {
        "" => Some(0),
        digits if digits.len() <= 4 && digits.bytes().all(|b| b.is_ascii_digit()) => {
            digits.parse().ok()
        }
        _ => None,
    }
}

impl Markers {
    /// The pieces of a compressed store, in order. A file with another ending
    /// (`USMT.MIG.bak`) is saved with the store, but is not a piece.
    pub fn pieces(&self) -> Vec<(u32, Marker)> {
        let numbered =
            self.containers.iter().filter_map(|(name, m)| Some((piece_number(name)?, *m)));
        let mut pieces: Vec<_> = numbered.collect();
        pieces.sort_unstable_by_key(|(number, _)| *number);
        pieces
    }

    /// The numbers of pieces that are missing before one that is there.
    pub(crate) fn missing_pieces(&self) -> Vec<u32> {
        let pieces = self.pieces();
        let last = pieces.last().map_or(0, |(number, _)| *number);
        (0..last).filter(|n| pieces.iter().all(|(number, _)| number != n)).collect()
    }

    /// The name of the container that loadstate starts with; of USMT 3 if the
    /// folder has only that one.
    pub(crate) fn container_name(&self) -> &'static str {
        let is_old = |(name, _): &(String, Marker)| {
            name.get(..CONTAINER3.len()).is_some_and(|n| n.eq_ignore_ascii_case(CONTAINER3))
        };
        if !self.containers.is_empty() && self.containers.iter().all(is_old) {
            CONTAINER3
        } else {
            CONTAINER
        }
    }

    /// Reads the markers in `folder`.
    pub fn read(tree: &dyn Tree, folder: NodeId) -> Result<Self, TreeError> {
        let mut found = Self::default();
        for entry in tree.children(folder)? {
            let Some(name) = entry.name.as_str() else { continue };
            let node = tree.node(entry.node);
            if let Ok(node) = &node
                && node.kind == NodeKind::Directory
            {
                if name.eq_ignore_ascii_case(FILE) && node.is_plain_directory() {
                    found.file_folder = Some(entry.node);
                    found.file_drives = drives_in(tree, entry.node);
                }
                continue;
            }
            // A marker of which only the name is left still says what kind of store this is.
            let marker = Marker { node: entry.node, size: node.map_or(0, |node| node.size) };
            let is = |marker: &str| name.eq_ignore_ascii_case(marker);
            let prefix = name.get(..HARDLINK_DISTRIBUTED.len());
            if is(CATALOG) {
                found.catalog = Some(marker);
            } else if is(MIGSTATE) {
                found.migstate = Some(marker);
            } else if is(STATUS) {
                found.status = Some(marker);
            } else if is(HARDLINK_MAIN) {
                found.hardlink_main = Some(marker);
            } else if is(ESTIMATE) {
                found.estimate = Some(marker);
            } else if prefix.is_some_and(|p| p.eq_ignore_ascii_case(HARDLINK_DISTRIBUTED)) {
                let guid = name.get(HARDLINK_DISTRIBUTED.len()..).unwrap_or_default();
                found.distributed = Some((guid.to_owned(), marker));
            } else if is_container_name(name) {
                found.containers.push((name.to_owned(), marker));
            }
        }
        found.containers.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(found)
    }

    /// The kind of such a folder; `None` if it is not a store.
    pub fn kind(&self) -> Option<(StoreKind, Role)> {
        if self.hardlink_main.is_some() {
            Some((StoreKind::HardLink, Role::Primary))
        } else if self.distributed.is_some() {
            Some((StoreKind::HardLink, Role::Secondary))
        } else if self.catalog.is_some() || self.migstate.is_some() {
            Some((StoreKind::Uncompressed, Role::Whole))
        } else if !self.containers.is_empty() {
            Some((StoreKind::Compressed, Role::Whole))
        } else if !self.file_drives.is_empty() {
            // The catalog is gone, but `File\C$` is there: users' files.
            Some((StoreKind::Uncompressed, Role::Whole))
        } else if self.estimate.is_some() {
            Some((StoreKind::Estimate, Role::Whole))
        } else {
            None
        }
    }
}

/// `C`, `D` … for the folders `C$`, `D$` … in `File`.
fn drives_in(tree: &dyn Tree, file_folder: NodeId) -> Vec<char> {
    let entries = tree.children(file_folder).unwrap_or_default();
    let mut drives: Vec<char> = entries
        .iter()
        .filter_map(|entry| match entry.name.as_wtf8() {
            [letter, b'$'] if letter.is_ascii_alphabetic() => {
                Some(char::from(letter.to_ascii_uppercase()))
            }
            _ => None,
        })
        .collect();
    drives.sort_unstable();
    drives.dedup();
    drives
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn container_names_are_usmt_mig_and_its_numbered_pieces() {
        for name in ["USMT.MIG", "usmt.mig", "USMT.MIG01", "Usmt.Mig.bak", "usmt3.MIG"] {
            assert!(is_container_name(name), "{name}");
        }
        for name in ["USMT", "USMT.MI", "catalog.mig", "xUSMT.MIG", "USMT4.MIG", "USMT.M\u{130}G"] {
            assert!(!is_container_name(name), "{name}");
        }
    }

    #[test]
    fn hard_link_markers_outrank_the_catalog() {
        let marker = Some(Marker { node: NodeId(1), size: 1 });
        let mut markers = Markers { catalog: marker, ..Markers::default() };
        assert_eq!(markers.kind(), Some((StoreKind::Uncompressed, Role::Whole)));
        markers.hardlink_main = marker;
        assert_eq!(markers.kind(), Some((StoreKind::HardLink, Role::Primary)));
        assert_eq!(Markers::default().kind(), None);
    }
}
