//! The contents of a store, in total and by user, from metadata alone.

use std::collections::{BTreeMap, HashSet};

use super::{ContainerReport, Part, Store, StoreKind, check_container};
use crate::model::metadata::{NodeId, NodeKind};
use crate::model::monitor::Monitor;
use crate::model::name::NtName;
use crate::tree::{Tree, TreeError};
use crate::usmt::layout::{FILE, is_profiles_folder};

/// Files, folders and bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// Files; hard links of a file count once.
    pub files: u64,
    /// Folders.
    pub directories: u64,
    /// Bytes of the files' unnamed streams.
    pub bytes: u64,
    /// Files and folders that could not be read.
    pub unreadable: u64,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.files += other.files;
        self.directories += other.directories;
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.unreadable += other.unreadable;
    }
}

/// The contents of a store, in total and by user.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Survey {
    /// All of it, including markers and catalog.
    pub total: Tally,
    /// By profile folder below `File\X$\Users`, including `Public` and similar.
    /// For a compressed store by the names in its container, with compressed
    /// bytes.
    pub users: BTreeMap<String, Tally>,
    /// The container of a compressed store.
    pub container: Option<ContainerReport>,
}

/// The position of a folder in a store.
#[derive(Clone, PartialEq, Eq)]
enum Place {
    /// The `USMT` folder.
    Store,
    /// `File`.
    File,
    /// `File\C$`.
    Drive,
    /// `File\C$\Users`: its folders are users.
    Users,
    /// In a user's profile.
    User(usize),
    /// Anywhere else.
    Other,
}

impl Survey {
    /// Counts all parts of `store`.
    pub(crate) fn of(store: &Store, monitor: &dyn Monitor) -> Self {
        let mut survey = Self::default();
        if store.kind == StoreKind::Compressed {
            survey.container = store.parts.first().and_then(|part| look_into(part, monitor));
            for (name, (files, bytes)) in survey.container.iter().flat_map(|c| &c.users) {
                let tally = Tally { files: *files, bytes: *bytes, ..Tally::default() };
                survey.users.insert(name.clone(), tally);
            }
        }
        for part in &store.parts {
            if survey.walk(&*part.tree, part.usmt, monitor).is_err() {
                survey.total.unreadable += 1;
            }
        }
        survey
    }

    fn walk(
        &mut self,
        tree: &dyn Tree,
        usmt: NodeId,
        monitor: &dyn Monitor,
    ) -> Result<(), TreeError> {
        let mut total = Tally::default();
        let mut users: Vec<(String, Tally)> = Vec::new();
        let mut linked = HashSet::new();
        let mut pending = vec![(Place::Store, tree.children(usmt)?)];
        while let Some((place, entries)) = pending.pop() {
            if monitor.is_cancelled() {
                break;
            }
            for entry in entries {
                let mut one = Tally::default();
                let mut at = place.clone();
                match tree.node(entry.node) {
                    Err(_) => one.unreadable = 1,
                    Ok(node) if node.kind == NodeKind::Directory => {
                        one.directories = 1;
                        at = place.child(&entry.name, &mut users);
                        if node.is_plain_directory() {
                            match tree.children(entry.node) {
                                Ok(entries) => pending.push((at.clone(), entries)),
                                Err(_) => one.unreadable = 1,
                            }
                        }
                    }
                    // Only files with several hard links have to be remembered.
                    Ok(node) if node.links > 1 && !linked.insert(node.id) => {}
                    Ok(node) => {
                        one.files = 1;
                        one.bytes = node.size;
                    }
                }
                total.add(one);
                if let Place::User(number) = at
                    && let Some((_, user)) = users.get_mut(number)
                {
                    user.add(one);
                }
            }
        }
        self.total.add(total);
        for (name, tally) in users {
            self.users.entry(name).or_default().add(tally);
        }
        Ok(())
    }
}

/// The names of a container's records, without their data.
fn look_into(part: &Part, monitor: &dyn Monitor) -> Option<ContainerReport> {
    let report = check_container(part.open_container(), false, monitor).ok()?;
    report.is_known.then_some(report)
}

impl Place {
    fn child(&self, name: &NtName, users: &mut Vec<(String, Tally)>) -> Self {
        match self {
            Self::Store if name.eq_ignore_ascii_case(FILE) => Self::File,
            Self::File if matches!(name.as_wtf8(), [letter, b'$'] if letter.is_ascii_alphabetic()) => {
                Self::Drive
            }
            Self::Drive if is_profiles_folder(name) => Self::Users,
            Self::Users => {
                users.push((name.to_string_lossy(), Tally::default()));
                Self::User(users.len() - 1)
            }
            Self::User(number) => Self::User(*number),
            _ => Self::Other,
        }
    }
}
