//! Counts the bytes per folder, within bounds: large folders are kept by name,
//! small ones count for their parent folder.

use std::collections::HashMap;

use super::kinds::{COUNT, Count, OTHER};

/// The number of folders that are kept; if there are more, the smaller half is
/// dropped.
const MAX_FOLDERS: usize = 16 << 10;
/// The number of names of a path that count, including the drive.
const MAX_DEPTH: usize = 9;
/// The number of characters of a name that are kept: NTFS has at most 255.
const MAX_NAME: usize = 255;

/// A group of the treemap: a user, or another place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Group {
    /// Its path, names from the drive on.
    pub(super) path: Vec<String>,
    pub(super) count: Count,
    /// What is in it, largest first.
    pub(super) cells: Vec<Cell>,
}

/// A folder in a group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Cell {
    /// Names below the group; empty for the group's own files.
    pub(super) path: Vec<String>,
    pub(super) count: Count,
    /// The kind of most of its bytes.
    pub(super) kind: usize,
    /// Whether it is the rest of a folder whose subfolders are shown
    /// separately.
    pub(super) is_rest: bool,
    /// The number of folders in it; several folders have no path.
    pub(super) folders: usize,
}

#[derive(Default)]
struct Node {
    name: String,
    parent: usize,
    children: HashMap<String, usize>,
    /// Including everything below.
    count: Count,
    kinds: [u64; COUNT],
}

/// The tree of folders.
pub(super) struct Folders {
    /// The first is the root, above the drives.
    nodes: Vec<Node>,
    /// Whether small folders were dropped.
    pub(super) is_cut: bool,
}

impl Folders {
    pub(super) fn new() -> Self {
        Self { nodes: vec![Node::default()], is_cut: false }
    }

    /// Counts a file in a folder; `path` begins with the drive.
    pub(super) fn add(&mut self, path: &[&str], kind: usize, bytes: u64) {
        if self.nodes.len() >= MAX_FOLDERS {
            self.prune();
        }
        let mut at = 0;
        self.count(at, kind, bytes);
        for name in path.iter().take(MAX_DEPTH) {
            at = self.child(at, name);
            self.count(at, kind, bytes);
        }
    }

    fn count(&mut self, at: usize, kind: usize, bytes: u64) {
        let node = &mut self.nodes[at];
        node.count.add(bytes);
        if let Some(of_kind) = node.kinds.get_mut(kind) {
            *of_kind = of_kind.saturating_add(bytes);
        }
    }

    fn child(&mut self, at: usize, name: &str) -> usize {
        if let Some(&child) = self.nodes[at].children.get(name) {
            return child;
        }
        let name: String = name.chars().take(MAX_NAME).collect();
        let next = self.nodes.len();
        match self.nodes[at].children.entry(name.clone()) {
            std::collections::hash_map::Entry::Occupied(there) => *there.get(),
            std::collections::hash_map::Entry::Vacant(free) => {
                free.insert(next);
                self.nodes.push(Node { name, parent: at, ..Node::default() });
                next
            }
        }
    }

    /// Drops the smaller half of the folders without subfolders. Their parents
    /// already count their bytes.
    fn prune(&mut self) {
        self.is_cut = true;
        while self.nodes.len() > MAX_FOLDERS / 2 {
            let leaf = |node: &&Node| node.children.is_empty();
            let mut sizes: Vec<u64> =
                self.nodes.iter().skip(1).filter(leaf).map(|node| node.count.bytes).collect();
            sizes.sort_unstable();
            let Some(&limit) = sizes.get(sizes.len() / 2) else { return };
            let old = std::mem::take(&mut self.nodes);
            let mut places = Vec::with_capacity(old.len());
            // A folder comes after its parent, so the parent's new index is
            // known.
            for (number, mut node) in old.into_iter().enumerate() {
                let given_up = node.children.is_empty() && node.count.bytes <= limit;
                if number > 0 && given_up {
                    places.push(usize::MAX);
                    continue;
                }
                let next = self.nodes.len();
                places.push(next);
                node.children = HashMap::new();
                if number > 0 {
                    node.parent = places[node.parent];
                    let name = node.name.clone();
                    self.nodes[node.parent].children.insert(name, next);
                }
                self.nodes.push(node);
            }
        }
    }

    pub(super) fn total(&self) -> Count {
        self.nodes[0].count
    }

    /// The treemap: at most `max_groups` groups of at most `max_cells` cells.
    pub(super) fn groups(&self, max_groups: usize, max_cells: usize) -> Vec<Group> {
        let mut places = self.places();
        places.sort_by(|a, b| {
            let bytes = |piece: &Piece| self.of(*piece).0.bytes;
            bytes(b).cmp(&bytes(a)).then_with(|| self.path(a.node).cmp(&self.path(b.node)))
        });
        let small = places.split_off(places.len().min(max_groups));
        let mut groups: Vec<Group> = places
            .into_iter()
            .map(|place| Group {
                path: self.path(place.node),
                count: self.of(place).0,
                cells: self.cells(place, max_cells),
            })
            .collect();
        if !small.is_empty() {
            let cell = self.merged(&small);
            groups.push(Group { path: Vec::new(), count: cell.count, cells: vec![cell] });
            groups.sort_by_key(|group| std::cmp::Reverse(group.count.bytes));
        }
        groups
    }

    /// The candidates for groups: the contents of the drives, of the users
    /// folder, and of a single folder.
    fn places(&self) -> Vec<Piece> {
        let mut open = self.pieces(0);
        let mut done = Vec::new();
        while let Some(piece) = open.pop() {
            let node = &self.nodes[piece.node];
            let depth = self.path(piece.node).len();
            let passage = match depth {
                1 => node.name != super::kinds::name(super::kinds::MIGRATION),
                2 => super::figures::is_users(&node.name),
                _ => false,
            };
            // A user is a group, even the only one.
            let is_user = depth == 3 && super::figures::is_users(&self.nodes[node.parent].name);
            let alone = open.is_empty() && done.is_empty() && depth < 4 && !is_user;
            if !piece.is_rest && !node.children.is_empty() && (passage || alone) {
                open.extend(self.pieces(piece.node));
            } else {
                done.push(piece);
            }
        }
        done
    }

    /// The subfolders of a folder that have bytes, and its own files as the
    /// rest.
    fn pieces(&self, node: usize) -> Vec<Piece> {
        let children = self.nodes[node].children.values();
        let mut pieces: Vec<Piece> = children.map(|&node| Piece { node, is_rest: false }).collect();
        pieces.push(Piece { node, is_rest: true });
        pieces.retain(|piece| self.of(*piece).0.bytes > 0);
        pieces
    }

    /// The count of a piece, and its main kind.
    fn of(&self, piece: Piece) -> (Count, usize) {
        let node = &self.nodes[piece.node];
        let (mut count, mut kinds) = (node.count, node.kinds);
        if piece.is_rest {
            for child in node.children.values().map(|&child| &self.nodes[child]) {
                count.files = count.files.saturating_sub(child.count.files);
                count.bytes = count.bytes.saturating_sub(child.count.bytes);
                for (all, theirs) in kinds.iter_mut().zip(child.kinds) {
                    *all = all.saturating_sub(theirs);
                }
            }
        }
        (count, largest(&kinds))
    }

    /// The largest folders of a group: the largest is opened while there are
    /// free cells, and those too small to be visible are combined.
    fn cells(&self, group: Piece, max: usize) -> Vec<Cell> {
        let above = self.path(group.node).len();
        let total = self.total().bytes.max(1);
        let bytes = |piece: &Piece| self.of(*piece).0.bytes;
        let can_open = |piece: &Piece| {
            !piece.is_rest
                && !self.nodes[piece.node].children.is_empty()
                && self.path(piece.node).len() < above + 3
                && bytes(piece) > total / 16
        };
        let mut pieces = if group.is_rest { vec![group] } else { self.pieces(group.node) };
        while pieces.len() < max {
            let openable = pieces.iter().enumerate().filter(|(_, piece)| can_open(piece));
            // Equal sizes are ordered by name, so that the same set gives the
            // same page.
            let next = openable.max_by(|a, b| {
                let by_name = || self.path(b.1.node).cmp(&self.path(a.1.node));
                bytes(a.1).cmp(&bytes(b.1)).then_with(by_name)
            });
            let Some((at, _)) = next else { break };
            let piece = pieces.swap_remove(at);
            pieces.extend(self.pieces(piece.node));
        }
        pieces.sort_by(|a, b| {
            bytes(b).cmp(&bytes(a)).then_with(|| self.path(a.node).cmp(&self.path(b.node)))
        });
        let seen = pieces.iter().take_while(|piece| bytes(piece) >= total / 250).count();
        let small = pieces.split_off(seen.min(max));
        let mut cells: Vec<Cell> = pieces
            .into_iter()
            .map(|piece| {
                let (count, kind) = self.of(piece);
                let path = self.path(piece.node).split_off(above);
                Cell { path, count, kind, is_rest: piece.is_rest, folders: 1 }
            })
            .collect();
        if !small.is_empty() {
            cells.push(self.merged(&small));
            cells.sort_by_key(|cell| std::cmp::Reverse(cell.count.bytes));
        }
        cells
    }

    fn merged(&self, small: &[Piece]) -> Cell {
        let (mut count, mut kinds) = (Count::default(), [0_u64; COUNT]);
        for piece in small {
            let (one, kind) = self.of(*piece);
            count.files += one.files;
            count.bytes = count.bytes.saturating_add(one.bytes);
            kinds[kind] = kinds[kind].saturating_add(one.bytes);
        }
        let (kind, folders) = (largest(&kinds), small.len());
        Cell { path: Vec::new(), count, kind, is_rest: false, folders }
    }

    fn path(&self, mut node: usize) -> Vec<String> {
        let mut names = Vec::new();
        while node != 0 {
            names.push(self.nodes[node].name.clone());
            node = self.nodes[node].parent;
        }
        names.reverse();
        names
    }
}

/// A folder with everything in it, or the rest of it.
#[derive(Clone, Copy)]
struct Piece {
    node: usize,
    is_rest: bool,
}

/// The kind with the most bytes.
fn largest(kinds: &[u64; COUNT]) -> usize {
    let most = kinds.iter().copied().max().filter(|&most| most > 0);
    most.and_then(|most| kinds.iter().position(|&n| n == most)).unwrap_or(OTHER)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(groups: &[Group]) -> Vec<String> {
        groups.iter().map(|group| group.path.join("\\")).collect()
    }

    #[test]
    fn groups_are_users_and_other_places_and_hold_every_byte() {
        let mut folders = Folders::new();
        folders.add(&["C:", "Users", "alice", "Documents"], 0, 500);
        folders.add(&["C:", "Users", "alice", "Documents", "Projects"], 0, 400);
        folders.add(&["C:", "Users", "bob"], 1, 300);
        folders.add(&["C:", "Users"], 9, 7);
        folders.add(&["D:", "Data"], 4, 200);
        folders.add(&["The store itself"], 8, 50);
        let groups = folders.groups(12, 12);
        let expected =
            ["C:\\Users\\alice", "C:\\Users\\bob", "D:\\Data", "The store itself", "C:\\Users"];
        assert_eq!(names(&groups), expected);
        assert_eq!(groups.iter().map(|g| g.count.bytes).sum::<u64>(), folders.total().bytes);
        for group in &groups {
            let cells = group.cells.iter().map(|cell| cell.count.bytes);
            assert_eq!(cells.sum::<u64>(), group.count.bytes, "{group:?}");
        }
        let alice = &groups[0].cells;
        assert_eq!(alice[0].path, ["Documents"]);
        assert!(alice[0].is_rest && alice[0].count.bytes == 500);
        assert_eq!(alice[1].path, ["Documents", "Projects"]);
        assert_eq!(groups[2].cells[0].kind, 4);
    }

    #[test]
    fn a_folder_that_stands_alone_is_opened() {
        let mut folders = Folders::new();
        folders.add(&["D:", "Data", "a"], 0, 10);
        folders.add(&["D:", "Data", "b"], 0, 5);
        assert_eq!(names(&folders.groups(9, 9)), ["D:\\Data\\a", "D:\\Data\\b"]);
    }

    #[test]
    fn a_hundred_thousand_folders_are_kept_in_bounds_and_the_large_ones_by_name() {
        let mut folders = Folders::new();
        for i in 0..100_000_u64 {
            let name = format!("folder {i}");
            let bytes = if i == 70 { 1_000_000 } else { 10 };
            folders.add(&["C:", "Users", "alice", &name], 0, bytes);
            assert!(folders.nodes.len() <= MAX_FOLDERS + MAX_DEPTH);
        }
        assert!(folders.is_cut);
        assert_eq!(folders.total(), Count { files: 100_000, bytes: 1_999_990 });
        let groups = folders.groups(9, 9);
        let cells: Vec<&Cell> = groups.iter().flat_map(|group| &group.cells).collect();
        assert_eq!(cells.iter().map(|cell| cell.count.bytes).sum::<u64>(), 1_999_990);
        let large = cells.iter().find(|cell| cell.count.bytes == 1_000_000);
        assert!(large.is_some(), "{groups:?}");
    }

    #[test]
    fn a_path_without_end_is_cut() {
        let mut folders = Folders::new();
        let deep = vec!["a"; 5000];
        folders.add(&deep, 0, 3);
        let long = "x".repeat(1 << 20);
        folders.add(&[&long], 0, 3);
        folders.add(&[&long], 0, 3);
        assert_eq!(folders.nodes.len(), 1 + MAX_DEPTH + 1);
        assert!(folders.nodes.iter().all(|node| node.name.len() <= MAX_NAME));
    }

    #[test]
    fn many_places_are_put_together() {
        let mut folders = Folders::new();
        for i in 0..100_u64 {
            folders.add(&["C:", "Users", &format!("user {i:03}")], 0, 1000 - i);
        }
        let groups = folders.groups(10, 5);
        assert_eq!(groups.len(), 11);
        let all: u64 = groups.iter().map(|group| group.count.bytes).sum();
        assert_eq!(all, folders.total().bytes);
        let rest = groups.iter().find(|group| group.path.is_empty()).unwrap();
        assert_eq!(rest.cells[0].folders, 90);
    }
}
