//! What of a profile no one restores: caches and temporary files, which programs make again.
//!
//! The list is short on purpose. A folder that is not on it is saved, and so is everything of
//! which it is not certain that the program makes it again. `docs/reference/profiles.md` is the
//! same list for people, and a test compares the two.

use crate::model::metadata::NodeId;
use crate::model::name::{NtName, NtPath};
use crate::tree::Tree;

/// Files and folders below a profile; `*` stands for any part of a name, once in each.
pub const RULES: &[&str] = &[
    // Windows.
    "AppData/Local/Temp",
    "AppData/LocalLow/Temp",
    "AppData/Local/CrashDumps",
    "AppData/Local/D3DSCache",
    // Not all of it: Outlook keeps attachments that are being edited in `Content.Outlook`.
    "AppData/Local/Microsoft/Windows/INetCache/IE",
    "AppData/Local/Microsoft/Windows/INetCache/Low",
    "AppData/Local/Microsoft/Windows/Temporary Internet Files/Content.IE5",
    "AppData/Local/Microsoft/Windows/Temporary Internet Files/Low",
    "AppData/Local/Microsoft/Windows/WebCache",
    "AppData/Local/Microsoft/Windows/WER",
    "AppData/Local/Microsoft/Windows/Explorer/thumbcache_*.db",
    "AppData/Local/Microsoft/Windows/Explorer/iconcache_*.db",
    "AppData/Local/IconCache.db",
    "AppData/Local/Microsoft/Terminal Server Client/Cache",
    "AppData/Local/Packages/*/AC/INetCache",
    "AppData/Local/Packages/*/AC/Temp",
    "AppData/Local/Packages/*/TempState",
    "Local Settings/Temp",
    "Local Settings/Temporary Internet Files/Content.IE5",
    // Graphics drivers.
    "AppData/Local/NVIDIA/DXCache",
    "AppData/Local/NVIDIA/GLCache",
    "AppData/Local/AMD/DxCache",
    // Browsers, by their own profiles.
    "AppData/Local/Google/Chrome/User Data/*/Cache",
    "AppData/Local/Google/Chrome/User Data/*/Code Cache",
    "AppData/Local/Google/Chrome/User Data/*/GPUCache",
    "AppData/Local/Microsoft/Edge/User Data/*/Cache",
    "AppData/Local/Microsoft/Edge/User Data/*/Code Cache",
    "AppData/Local/Microsoft/Edge/User Data/*/GPUCache",
    "AppData/Local/Mozilla/Firefox/Profiles/*/cache2",
    "AppData/Local/Mozilla/Firefox/Profiles/*/startupCache",
    // Teams.
    "AppData/Roaming/Microsoft/Teams/Cache",
    "AppData/Roaming/Microsoft/Teams/Code Cache",
    "AppData/Roaming/Microsoft/Teams/GPUCache",
];

/// What the rules leave out of the profile at `path`, as far as it is there: paths below the
/// volume's root, and the nodes.
pub(crate) fn left_out(tree: &dyn Tree, path: &NtPath, profile: NodeId) -> Vec<(NtPath, NodeId)> {
    let mut found = Vec::new();
    for rule in RULES {
        let mut at = vec![(path.clone(), profile)];
        for pattern in rule.split('/') {
            at = at.iter().flat_map(|(path, node)| step(tree, path, *node, pattern)).collect();
        }
        found.append(&mut at);
    }
    found
}

/// The children that a pattern fits.
fn step(tree: &dyn Tree, path: &NtPath, folder: NodeId, pattern: &str) -> Vec<(NtPath, NodeId)> {
    // A junction leads out of the profile. `Local Settings` is one since Windows Vista.
    if !tree.node(folder).is_ok_and(|node| node.is_plain_directory()) {
        return Vec::new();
    }
    // A folder that cannot be listed is saved, and its loss reported.
    let entries = tree.children(folder).unwrap_or_default();
    let fitting = entries.into_iter().filter(|entry| fits(&entry.name, pattern));
    fitting.map(|entry| (path.join(entry.name), entry.node)).collect()
}

/// Whether a name fits a pattern with one `*` at most, in either letter case.
fn fits(name: &NtName, pattern: &str) -> bool {
    let Some((start, end)) = pattern.split_once('*') else {
        return name.eq_ignore_ascii_case(pattern);
    };
    let name = name.as_wtf8();
    let first = name.get(..start.len());
    let last = name.len().checked_sub(end.len()).and_then(|at| name.get(at..));
    name.len() >= start.len() + end.len()
        && first.is_some_and(|first| first.eq_ignore_ascii_case(start.as_bytes()))
        && last.is_some_and(|last| last.eq_ignore_ascii_case(end.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_part_of_a_name() {
        let fits = |name: &str, pattern| fits(&NtName::from(name), pattern);
        assert!(fits("thumbcache_96.DB", "thumbcache_*.db") && fits("Default", "*"));
        assert!(fits("Cache", "cache") && fits("a*b", "a*b"));
        assert!(!fits("thumbcache.db", "thumbcache_*.db") && !fits("Cache2", "Cache"));
        assert!(!fits("aba", "ab*ba") && fits("abba", "ab*ba"), "start and end do not overlap");
        assert!(!fits("\u{1F600}", "a*") && fits("\u{1F600}.db", "*.db"));
    }

    #[test]
    fn each_rule_names_something_below_the_profile() {
        for rule in RULES {
            let names: Vec<&str> = rule.split('/').collect();
            assert!(names.len() > 1 && names.iter().all(|name| !name.is_empty()), "{rule}");
            assert!(names.iter().all(|name| name.matches('*').count() < 2), "{rule}");
        }
    }
}
