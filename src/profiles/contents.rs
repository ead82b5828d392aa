//! What is in a profile, from metadata alone.

use std::collections::HashSet;

use super::left_out::left_out;
use super::{Place, Profile};
use crate::model::metadata::{FileTime, NodeId, NodeKind, attributes, is_cloud};
use crate::model::monitor::Monitor;
use crate::tree::Tree;
use crate::usmt::StoreVolume;

/// Counts of a profile and the user's folders elsewhere.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
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
    /// When the newest file outside `AppData` and the registry was written.
    pub newest: Option<FileTime>,
}

impl Contents {
    /// Counts what is in `profile`.
    pub fn of(profile: &Profile, volumes: &[StoreVolume], monitor: &dyn Monitor) -> Self {
        let mut contents = Self::default();
        let elsewhere = profile.redirected.iter().filter_map(|folder| folder.place.as_ref());
        let own = profile.place.iter().map(|place| (place, true));
        for (place, is_profile) in own.chain(elsewhere.map(|place| (place, false))) {
            let Some(volume) = volumes.get(place.volume) else { continue };
            contents.walk(&*volume.tree, place, is_profile, monitor);
        }
        contents
    }

    fn walk(&mut self, tree: &dyn Tree, place: &Place, is_profile: bool, monitor: &dyn Monitor) {
        let skip = if is_profile { left_out(tree, &place.path, place.node) } else { Vec::new() };
        let skip: HashSet<NodeId> = skip.into_iter().map(|(_, node)| node).collect();
        let mut linked = HashSet::new();
        // A damaged volume may have a folder inside itself.
        let mut entered = HashSet::from([place.node]);
        // Folders, whether what they hold is left out, and whether it is the user's own.
        let mut pending = vec![(place.node, false, true)];
        while let Some((folder, is_out, is_own)) = pending.pop() {
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
                    Ok(node) if node.kind == NodeKind::Directory => {
                        if node.is_plain_directory() && entered.insert(entry.node) {
                            pending.push((entry.node, is_out, is_own));
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

/// Whether only a cloud has the file's data, judging by its record.
fn is_elsewhere(node: &crate::model::metadata::Node) -> bool {
    const RECALL: u32 =
        attributes::OFFLINE | attributes::RECALL_ON_OPEN | attributes::RECALL_ON_DATA_ACCESS;
    node.size > 0 && node.attributes & RECALL != 0 && node.reparse_tag.is_some_and(is_cloud)
}
