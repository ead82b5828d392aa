//! A folder at a destination as a tree: a store that was copied to a share.
//! A destination shows names, sizes and the last change; it shows no other NTFS
//! metadata.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Destination, DestinationError, DestinationFile};
use crate::model::loss::Hole;
use crate::model::metadata::{Content, Metadata, Node, NodeId, NodeKind, Times};
use crate::model::name::NtName;
use crate::tree::{Entry, Stream, Tree, TreeError, TreeInfo, Via};

/// What such a tree does not show of any file, for people.
pub(crate) const NOT_SHOWN: &[&str] = &[
    "owners and permissions",
    "attributes",
    "alternate data streams",
    "hard links",
    "times but that of the last change",
];

/// A folder at a destination. Each folder is listed once, on first use.
pub(crate) struct DestinationTree {
    target: Arc<dyn Destination>,
    /// The folder, as the target names it.
    dir: String,
    info: TreeInfo,
    met: Mutex<Vec<Slot>>,
}

/// A file or folder that was listed; its index is its id.
struct Slot {
    parent: usize,
    name: Box<str>,
    size: u64,
    is_dir: bool,
    /// The range of its children, if it was listed.
    children: Option<(u32, u32)>,
}

impl DestinationTree {
    /// The folder `dir` of a destination; `file_system` is its name for people.
    ///
    /// # Errors
    /// It does not exist, or is not a folder.
    pub(crate) fn open(
        target: Arc<dyn Destination>,
        dir: &str,
        file_system: &str,
    ) -> Result<Self, DestinationError> {
        target.list(dir)?;
        let info = TreeInfo {
            via: Via::Host,
            source: target.display(dir),
            file_system: file_system.to_owned(),
            label: String::new(),
            serial: None,
            cluster_bytes: 0,
        };
        let root = Slot { parent: 0, name: "".into(), size: 0, is_dir: true, children: None };
        Ok(Self { target, dir: dir.to_owned(), info, met: Mutex::new(vec![root]) })
    }

    fn met(&self) -> MutexGuard<'_, Vec<Slot>> {
        self.met.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The path at the destination; fails for an unknown id.
    fn path(&self, id: NodeId) -> Result<String, TreeError> {
        let met = self.met();
        let mut names = Vec::new();
        let mut at = number(id);
        while at != 0 {
            let slot = met.get(at).ok_or_else(|| self.unknown())?;
            names.push(&*slot.name);
            at = slot.parent; // always a smaller number
        }
        names.push(&self.dir);
        names.reverse();
        let start = usize::from(self.dir.is_empty());
        Ok(names.get(start..).unwrap_or_default().join("/"))
    }

    fn unknown(&self) -> TreeError {
        TreeError::NotFound { path: "a file".to_owned(), source_name: self.info.source.clone() }
    }

    fn failed(&self, path: &str, error: DestinationError) -> TreeError {
        let path = self.target.display(path);
        let error = error.source.unwrap_or_else(|| std::io::Error::other(error.what));
        TreeError::Host { path, error }
    }
}

impl Tree for DestinationTree {
    fn info(&self) -> &TreeInfo {
        &self.info
    }

    fn root(&self) -> NodeId {
        NodeId(0)
    }

    fn node(&self, id: NodeId) -> Result<Node, TreeError> {
        let path = self.path(id)?;
        let (size, is_dir) = {
            let met = self.met();
            let slot = met.get(number(id)).ok_or_else(|| self.unknown())?;
            (slot.size, slot.is_dir)
        };
        // No caller needs a folder's time, and each costs a round trip.
        let modified = if is_dir {
            None
        } else {
            self.target.modified(&path).map_err(|error| self.failed(&path, error))?
        };
        Ok(Node {
            id,
            kind: if is_dir { NodeKind::Directory } else { NodeKind::File },
            attributes: 0,
            times: Times { modified: modified.unwrap_or_default(), ..Times::default() },
            size,
            allocated: size,
            links: 1,
            reparse_tag: None,
            position: None,
        })
    }

    fn children(&self, id: NodeId) -> Result<Vec<Entry>, TreeError> {
        let path = self.path(id)?;
        let known = match self.met().get(number(id)) {
            Some(slot) if !slot.is_dir => return Ok(Vec::new()),
            Some(slot) => slot.children,
            None => return Err(self.unknown()),
        };
        let range = if let Some(range) = known {
            range
        } else {
            let entries = self.target.list(&path).map_err(|error| self.failed(&path, error))?;
            let mut met = self.met();
            let too_many = |_| self.failed(&path, full());
            let first = u32::try_from(met.len()).map_err(too_many)?;
            let count = u32::try_from(entries.len()).map_err(too_many)?;
            met.extend(entries.into_iter().map(|entry| Slot {
                parent: number(id),
                name: entry.name.into(),
                size: entry.size,
                is_dir: entry.is_dir,
                children: None,
            }));
            if let Some(slot) = met.get_mut(number(id)) {
                slot.children = Some((first, count));
            }
            (first, count)
        };
        let met = self.met();
        let numbers = u64::from(range.0)..u64::from(range.0) + u64::from(range.1);
        let mut entries: Vec<Entry> = numbers
            .filter_map(|n| {
                let slot = met.get(number(NodeId(n)))?;
                Some(Entry { name: NtName::from(&*slot.name), node: NodeId(n) })
            })
            .collect();
        entries.sort_by(|a, b| a.name.as_wtf8().cmp(b.name.as_wtf8()));
        Ok(entries)
    }

    fn facts(&self, _id: NodeId, _name: Option<&NtName>) -> Result<Metadata, TreeError> {
        Ok(Metadata { content: Content::Data, ..Metadata::default() })
    }

    fn open(&self, id: NodeId, stream: Option<&NtName>) -> Result<Box<dyn Stream>, TreeError> {
        let path = self.path(id)?;
        if stream.is_some() {
            let source_name = self.info.source.clone();
            return Err(TreeError::NotFound { path, source_name });
        }
        let open = || {
            let mut file = self.target.open(&path)?;
            let bytes = file.size()?;
            Ok((file, bytes))
        };
        let (file, bytes) = open().map_err(|error| self.failed(&path, error))?;
        Ok(Box::new(DestinationStream { file, path: self.target.display(&path), at: 0, bytes }))
    }
}

/// A file at a destination, read in order.
struct DestinationStream {
    file: Box<dyn DestinationFile>,
    path: String,
    at: u64,
    bytes: u64,
}

impl Stream for DestinationStream {
    fn len(&self) -> u64 {
        self.bytes
    }

    fn read(&mut self, buf: &mut [u8]) -> Result<usize, TreeError> {
        let left = usize::try_from(self.bytes - self.at).unwrap_or(usize::MAX);
        let most = buf.len().min(left);
        let mut done = 0;
        while done < most {
            let error = match self.file.read_at(self.at, &mut buf[done..most]) {
                Ok(0) => std::io::ErrorKind::UnexpectedEof.into(),
                Ok(n) => {
                    done += n;
                    self.at += n as u64;
                    continue;
                }
                Err(error) => error.source.unwrap_or_else(|| std::io::Error::other(error.what)),
            };
            return Err(TreeError::Host { path: self.path.clone(), error });
        }
        Ok(done)
    }

    fn skip(&mut self, bytes: u64) -> Result<(), TreeError> {
        self.at = self.at.saturating_add(bytes).min(self.bytes);
        Ok(())
    }

    fn holes(&self) -> &[Hole] {
        &[]
    }
}

/// A slot's index in the list.
fn number(id: NodeId) -> usize {
    usize::try_from(id.0).unwrap_or(usize::MAX)
}

fn full() -> DestinationError {
    DestinationError {
        kind: super::ErrorKind::Other,
        path: String::new(),
        what: "more files than can be counted".to_owned(),
        action: String::new(),
        source: None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Missing;
    use super::super::directory::DirectoryDestination;
    use super::*;

    #[test]
    fn a_folder_of_a_target_is_a_tree_with_the_same_files_each_time() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("copy/USMT/File")).unwrap();
        std::fs::write(dir.path().join("copy/USMT/catalog.mig"), [7; 5000]).unwrap();
        let target = Arc::new(DirectoryDestination::open(dir.path(), Missing::Fail).unwrap());
        let tree = DestinationTree::open(target.clone(), "copy", "a share").unwrap();
        let catalog = tree.lookup(&"usmt/CATALOG.MIG".into()).unwrap();
        assert_eq!(tree.lookup(&"USMT/catalog.mig".into()).unwrap(), catalog);
        let node = tree.node(catalog).unwrap();
        assert_eq!((node.kind, node.size, node.links), (NodeKind::File, 5000, 1));
        let mut stream = tree.open(catalog, None).unwrap();
        let mut bytes = [0; 6000];
        stream.skip(1000).unwrap();
        assert_eq!(stream.read(&mut bytes).unwrap(), 4000);
        assert_eq!((bytes[3999], bytes[4000]), (7, 0));
        assert_eq!(stream.read(&mut bytes).unwrap(), 0);
        assert!(tree.open(catalog, Some(&"s".into())).is_err());
        assert!(tree.node(NodeId(99)).is_err() && tree.children(NodeId(99)).is_err());
        assert_eq!(tree.children(catalog).unwrap().len(), 0);
        assert!(DestinationTree::open(target, "nothing", "a share").is_err());
    }
}
