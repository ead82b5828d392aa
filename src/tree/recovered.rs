//! The deleted files of one or more volumes as a tree of their own: a folder for each drive, and
//! the files below it at the paths that they had. So a set can hold them beside a store without
//! being mixed with it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Entry, Stream, Tree, TreeError, TreeInfo, Via};
use crate::model::metadata::{Metadata, Node, NodeId, NodeKind, Times, attributes};
use crate::model::name::{NtName, NtPath};
use crate::model::recovered::RecoveredCount;
use crate::ntfs::DeletedFile;

/// So many files of one path are told apart by a number.
const MAX_SAME: u32 = 10_000;

/// Deleted files of one volume.
pub(crate) struct DeletedOn {
    /// What the volume's folder is called: `C`.
    pub drive: String,
    /// The volume.
    pub tree: Arc<dyn Tree>,
    /// The files, and the folders that were deleted too.
    pub files: Vec<DeletedFile>,
}

/// See the module.
pub(crate) struct RecoveredTree {
    info: TreeInfo,
    volumes: Vec<Arc<dyn Tree>>,
    /// The root first.
    items: Vec<Item>,
    count: RecoveredCount,
}

/// A file or folder.
#[derive(Default)]
struct Item {
    /// Index of the volume, and what was deleted; `None` for a folder that only leads to others.
    deleted: Option<(usize, DeletedFile)>,
    is_folder: bool,
    /// By name without regard to case.
    children: BTreeMap<String, Entry>,
}

impl RecoveredTree {
    /// Puts the files together. Two with the same path both stay: the second one's name gets a
    /// number.
    pub(crate) fn new(all: Vec<DeletedOn>) -> Self {
        let first = all.first().map(|on| on.tree.info().clone());
        let info = TreeInfo {
            via: Via::Raw,
            source: first.as_ref().map(|info| info.source.clone()).unwrap_or_default(),
            file_system: "NTFS".to_owned(),
            label: String::new(),
            serial: first.and_then(|info| info.serial),
            cluster_bytes: 0,
        };
        let root = Item { is_folder: true, ..Item::default() };
        let mut tree =
            Self { info, volumes: Vec::new(), items: vec![root], count: RecoveredCount::default() };
        for DeletedOn { drive, tree: volume, mut files } in all {
            let number = tree.volumes.len();
            tree.volumes.push(volume);
            let top = tree.folder(0, &NtName::from(drive.as_str()));
            // Folders first, so that their names are taken by folders; then the best files.
            files.sort_by(|a, b| {
                let own = (!a.is_directory, a.certainty(), b.times.modified, a.record);
                own.cmp(&(!b.is_directory, b.certainty(), a.times.modified, b.record))
            });
            for file in files {
                tree.put(top, number, file);
            }
        }
        tree
    }

    /// How many files are how sure.
    pub(crate) fn count(&self) -> RecoveredCount {
        self.count
    }

    /// Whether there is nothing in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.items.iter().all(|item| item.deleted.is_none())
    }

    /// The folders of the drives.
    pub(crate) fn drives(&self) -> Vec<NtPath> {
        let root = self.items.first().map(|root| &root.children);
        root.into_iter()
            .flatten()
            .map(|(_, entry)| NtPath::root().join(entry.name.clone()))
            .collect()
    }

    fn put(&mut self, top: usize, volume: usize, file: DeletedFile) {
        let mut at = top;
        for folder in file.folder.names() {
            at = self.folder(at, folder);
        }
        let name = &file.name;
        if file.is_directory {
            let at = self.folder(at, name);
            if let Some(item) = self.items.get_mut(at) {
                item.deleted.get_or_insert((volume, file));
            }
            return;
        }
        let Some(name) = self.free_name(at, name) else { return };
        self.count.add(file.certainty(), file.size);
        self.add(at, name, Item { deleted: Some((volume, file)), ..Item::default() });
    }

    /// The folder of that name; a file that has the name already does not hide it.
    fn folder(&mut self, at: usize, name: &NtName) -> usize {
        let is_folder = |item: &&Item| item.is_folder;
        let there = self.child(at, name);
        if let Some(there) = there.filter(|n| self.items.get(*n).as_ref().is_some_and(is_folder)) {
            return there;
        }
        let name = self.free_name(at, name).unwrap_or_else(|| name.clone());
        self.add(at, name, Item { is_folder: true, ..Item::default() })
    }

    fn child(&self, at: usize, name: &NtName) -> Option<usize> {
        let entry = self.items.get(at)?.children.get(&key(name))?;
        index(entry.node)
    }

    /// `letter.docx`, or `letter (2).docx` if there is one.
    fn free_name(&self, at: usize, name: &NtName) -> Option<NtName> {
        (1..MAX_SAME)
            .map(|number| numbered(name, number))
            .find(|name| self.child(at, name).is_none())
    }

    fn add(&mut self, at: usize, name: NtName, item: Item) -> usize {
        let new = self.items.len();
        self.items.push(item);
        if let Some(folder) = self.items.get_mut(at) {
            let node = NodeId(new as u64);
            folder.children.insert(key(&name), Entry { name, node });
        }
        new
    }

    fn item(&self, id: NodeId) -> Result<&Item, TreeError> {
        let item = index(id).and_then(|index| self.items.get(index));
        item.ok_or_else(|| TreeError::NotFound {
            path: format!("deleted file {}", id.0),
            source_name: self.info.source.clone(),
        })
    }
}

fn key(name: &NtName) -> String {
    name.folded().to_string_lossy()
}

fn index(id: NodeId) -> Option<usize> {
    usize::try_from(id.0).ok()
}

/// The name with a number before its ending, from 2 on.
fn numbered(name: &NtName, number: u32) -> NtName {
    if number < 2 {
        return name.clone();
    }
    let bytes = name.as_wtf8();
    let dot = bytes.iter().rposition(|byte| *byte == b'.').filter(|dot| *dot > 0);
    let (stem, ending) = bytes.split_at(dot.unwrap_or(bytes.len()));
    let new = [stem, format!(" ({number})").as_bytes(), ending].concat();
    NtName::from_wtf8(&new).unwrap_or_else(|| name.clone())
}

impl Tree for RecoveredTree {
    fn info(&self) -> &TreeInfo {
        &self.info
    }

    fn root(&self) -> NodeId {
        NodeId(0)
    }

    fn node(&self, id: NodeId) -> Result<Node, TreeError> {
        let item = self.item(id)?;
        let file = item.deleted.as_ref().map(|(_, file)| file);
        let own = file.map_or(0, |file| file.attributes);
        Ok(Node {
            id,
            kind: if item.is_folder { NodeKind::Directory } else { NodeKind::File },
            attributes: if item.is_folder { own | attributes::DIRECTORY } else { own },
            times: file.map_or_else(Times::default, |file| file.times),
            size: match file {
                Some(file) if !item.is_folder && !file.is_name_only => file.size,
                _ => 0,
            },
            allocated: 0,
            links: 1,
            reparse_tag: None,
            position: file.and_then(|file| file.position).filter(|_| !item.is_folder),
        })
    }

    fn children(&self, id: NodeId) -> Result<Vec<Entry>, TreeError> {
        let mut children: Vec<Entry> = self.item(id)?.children.values().cloned().collect();
        children.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(children)
    }

    fn facts(&self, id: NodeId, _name: Option<&NtName>) -> Result<Metadata, TreeError> {
        let item = self.item(id)?;
        let Some((volume, file)) = &item.deleted else { return Ok(Metadata::default()) };
        let volume = self.volumes.get(*volume).ok_or_else(|| no_volume(file))?;
        let mut facts = volume.deleted_facts(file)?;
        if item.is_folder {
            // Its files are here, wherever it led.
            facts.reparse = None;
        }
        Ok(facts)
    }

    fn open(&self, id: NodeId, stream: Option<&NtName>) -> Result<Box<dyn Stream>, TreeError> {
        match &self.item(id)?.deleted {
            Some((volume, file)) => {
                let volume = self.volumes.get(*volume).ok_or_else(|| no_volume(file))?;
                volume.open_deleted(file, stream)
            }
            None => Err(TreeError::NotFound {
                path: "a folder".to_owned(),
                source_name: self.info.source.clone(),
            }),
        }
    }
}

fn no_volume(file: &DeletedFile) -> TreeError {
    TreeError::NotFound { path: file.path().to_string(), source_name: String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::metadata::FileTime;
    use crate::ntfs::Readable;
    use crate::tree::memory::MemoryTree;

    fn deleted(path: &str, record: u64, readable: Readable, is_directory: bool) -> DeletedFile {
        DeletedFile {
            folder: Arc::new(NtPath::from(path).parent().unwrap_or_default()),
            name: NtPath::from(path).file_name().unwrap().clone(),
            size: if is_directory { 0 } else { 10 },
            record,
            is_directory,
            readable,
            doubt: None,
            times: Times { modified: FileTime(record), ..Times::default() },
            attributes: 0x20,
            position: None,
            is_in_record: false,
            is_name_only: false,
            taken: Vec::new(),
        }
    }

    fn paths(tree: &RecoveredTree) -> Vec<String> {
        let mut found = Vec::new();
        let mut pending = vec![(String::new(), tree.root())];
        while let Some((path, at)) = pending.pop() {
            for entry in tree.children(at).unwrap() {
                let node = tree.node(entry.node).unwrap();
                let path = format!("{path}/{}", entry.name);
                if node.kind == NodeKind::Directory {
                    pending.push((path.clone(), entry.node));
                    found.push(path + "/");
                } else {
                    found.push(path);
                }
            }
        }
        found.sort();
        found
    }

    #[test]
    fn files_stand_below_their_drive_and_the_best_of_one_path_keeps_its_name() {
        let tree: Arc<dyn Tree> = Arc::new(MemoryTree::new("x", 7));
        let files = vec![
            deleted("S/a.txt", 30, Readable::Part(3), false),
            deleted("s/A.txt", 31, Readable::Whole, false),
            deleted("S/a.txt", 32, Readable::Whole, false),
            deleted("S", 33, Readable::Nothing, true),
            deleted("S/folder", 34, Readable::Nothing, true),
            deleted("S/folder", 35, Readable::Nothing, false),
        ];
        let on = DeletedOn { drive: "C".to_owned(), tree, files };
        let tree = RecoveredTree::new(vec![on]);
        assert_eq!(
            paths(&tree),
            [
                "/C/",
                "/C/S/",
                "/C/S/A (2).txt",
                "/C/S/a (3).txt",
                "/C/S/a.txt",
                "/C/S/folder (2)",
                "/C/S/folder/"
            ]
        );
        let count = tree.count();
        assert_eq!((count.files, count.likely, count.part, count.overwritten), (4, 2, 1, 1));
        let at = tree.lookup(&"C/S/a.txt".into()).unwrap();
        assert_eq!(tree.node(at).unwrap().times.modified, FileTime(32), "the latest");
        assert_eq!(tree.drives(), [NtPath::from("C")]);
    }

    #[test]
    fn numbers_come_before_the_ending() {
        for (name, new) in [("a.txt", "a (2).txt"), (".x", ".x (2)"), ("a", "a (2)")] {
            assert_eq!(numbered(&name.into(), 2), NtName::from(new));
        }
    }
}
