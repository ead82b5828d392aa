//! What is in a profile, from metadata alone.

use std::collections::HashSet;
use std::rc::Rc;

use super::find::{HIDDEN_SYSTEM, is_at_or_below};
use super::left_out::left_out;
use super::{Place, Profile};
use crate::model::metadata::{FileTime, NodeId, NodeKind, attributes, is_cloud};
use crate::model::monitor::Monitor;
use crate::model::name::{NtName, NtPath};
use crate::model::reparse::link_target;
use crate::tree::{Entry, Tree};
use crate::usmt::StoreVolume;

/// Links that lead away are listed up to this number.
const MAX_LINKS: usize = 20;

/// Counts of a profile and the user's folders elsewhere.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Contents {
    /// Files with data on the disk; hard links of a file count once.
    pub files: u64,
    /// Bytes of their unnamed streams.
    pub bytes: u64,
    /// Files whose data only the cloud has.
    pub cloud_files: u64,
    /// Their sizes, in bytes.
    pub cloud_bytes: u64,
    /// Files that the rules leave out.
    pub left_out_files: u64,
    /// Their sizes, in bytes.
    pub left_out_bytes: u64,
    /// Files and folders that cannot be read.
    pub unreadable: u64,
    /// Junctions and symbolic links that lead to a place which is not the user's: what is there is
    /// not the profile's. The first of them, as paths in Windows with their targets.
    pub links: Vec<(String, String)>,
    /// When the newest file outside `AppData` and the registry was written.
    pub newest: Option<FileTime>,
}

impl Contents {
    /// Counts what is in `profile`.
    pub fn of(profile: &Profile, volumes: &[StoreVolume], monitor: &dyn Monitor) -> Self {
        let mut contents = Self::default();
        let elsewhere = profile.redirected.iter().filter_map(|folder| folder.place.as_ref());
        let own = profile.place.iter().map(|place| (place, true));
        // In Windows, what is the user's; junctions may lead there.
        let mut places: Vec<&str> = vec![&profile.path];
        places.extend(profile.leads_to.as_deref());
        places.extend(profile.redirected.iter().map(|folder| folder.path.as_str()));
        for (place, is_profile) in own.chain(elsewhere.map(|place| (place, false))) {
            let Some(volume) = volumes.get(place.volume) else { continue };
            contents.walk(&*volume.tree, place, is_profile, &places, monitor);
        }
        contents
    }

    /// Remembers a link that leads away from the user's own places.
    fn link(
        &mut self,
        tree: &dyn Tree,
        entry: &Entry,
        path: &NtPath,
        own: &[&str],
        (drive, is_made): (&str, bool),
    ) {
        if self.links.len() >= MAX_LINKS {
            return;
        }
        let facts = tree.facts(entry.node, Some(&entry.name)).ok();
        let target = facts.and_then(|facts| link_target(facts.reparse.as_deref()?));
        let target = target.and_then(|t| Some(NtName::from_wtf8(&t.target)?.to_string_lossy()));
        let is_own = target.as_deref().map_or(is_made, |target| {
            let target = target.strip_prefix(r"\\?\").unwrap_or(target);
            // A relative one mostly stays below the folder above it.
            let is_relative = !target.contains(':') && !target.starts_with('\\');
            (is_relative && !target.contains(".."))
                || own.iter().any(|own| is_at_or_below(target, own))
        });
        if !is_own {
            let path = path.join(entry.name.clone()).on_drive(drive);
            self.links.push((path, target.unwrap_or_else(|| "an unknown place".to_owned())));
        }
    }

    fn walk(
        &mut self,
        tree: &dyn Tree,
        place: &Place,
        is_profile: bool,
        own: &[&str],
        monitor: &dyn Monitor,
    ) {
        let drive = place.drive.name();
        let skip = if is_profile { left_out(tree, &place.path, place.node) } else { Vec::new() };
        let skip: HashSet<NodeId> = skip.into_iter().map(|(_, node)| node).collect();
        let mut linked = HashSet::new();
        // A damaged volume may have a folder inside itself.
        let mut entered = HashSet::from([place.node]);
        // Folders, whether what they hold is left out, whether it is the user's own, and their
        // paths, which only a link needs.
        let root = Rc::new(Above { name: None, above: None });
        let mut pending = vec![(place.node, false, true, root)];
        while let Some((folder, is_out, is_own, above)) = pending.pop() {
            if monitor.is_cancelled() {
                break;
            }
            let Ok(entries) = tree.children(folder) else {
                self.unreadable += 1;
                continue;
            };
            for entry in entries {
                let is_out = is_out || skip.contains(&entry.node);
                let is_top = folder == place.node && is_profile;
                let starts = |prefix: &str| {
                    let first = entry.name.as_wtf8().get(..prefix.len());
                    first.is_some_and(|first| first.eq_ignore_ascii_case(prefix.as_bytes()))
                };
                let is_own = is_own && !(is_top && (starts("AppData") || starts("NTUSER.")));
                match tree.node(entry.node) {
                    Err(_) => self.unreadable += 1,
                    Ok(node) if node.reparse_tag.is_some_and(is_link) => {
                        // Those that Windows makes for old programs lead inside.
                        let is_made = node.attributes & HIDDEN_SYSTEM == HIDDEN_SYSTEM;
                        if !is_out {
                            let path = place.path.names().iter().cloned().chain(above.path());
                            self.link(tree, &entry, &path.collect(), own, (&drive, is_made));
                        }
                    }
                    Ok(node) if node.kind == NodeKind::Directory => {
                        if node.is_plain_directory() && entered.insert(entry.node) {
                            let (name, above) = (Some(entry.name), Some(Rc::clone(&above)));
                            let inside = Rc::new(Above { name, above });
                            pending.push((entry.node, is_out, is_own, inside));
                        }
                    }
                    // Only files with several hard links have to be remembered.
                    Ok(node) if node.links > 1 && !linked.insert(node.id) => {}
                    Ok(node) if is_out => {
                        self.left_out_files += 1;
                        self.left_out_bytes = self.left_out_bytes.saturating_add(node.size);
                    }
                    Ok(node) if is_elsewhere(&node) => {
                        self.cloud_files += 1;
                        self.cloud_bytes = self.cloud_bytes.saturating_add(node.size);
                    }
                    Ok(node) => {
                        self.files += 1;
                        self.bytes = self.bytes.saturating_add(node.size);
                        if is_own {
                            self.newest = self.newest.max(Some(node.times.modified));
                        }
                    }
                }
            }
        }
    }
}

/// A folder that is entered, and the one above it.
struct Above {
    name: Option<NtName>,
    above: Option<Rc<Above>>,
}

impl Above {
    /// Its path below the profile.
    fn path(&self) -> Vec<NtName> {
        let mut path = self.above.as_ref().map(|above| above.path()).unwrap_or_default();
        path.extend(self.name.clone());
        path
    }
}

/// A junction or a symbolic link (MS-FSCC 2.1.2.1).
fn is_link(tag: u32) -> bool {
    matches!(tag, 0xA000_0003 | 0xA000_000C)
}

/// Whether only a cloud has the file's data, judging by its record.
fn is_elsewhere(node: &crate::model::metadata::Node) -> bool {
    const RECALL: u32 =
        attributes::OFFLINE | attributes::RECALL_ON_OPEN | attributes::RECALL_ON_DATA_ACCESS;
    node.size > 0 && node.attributes & RECALL != 0 && node.reparse_tag.is_some_and(is_cloud)
}
