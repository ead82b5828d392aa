//! The files of a store that is not compressed, by the names that they have in it.

use super::Part;
use crate::model::metadata::{Node, NodeId, NodeKind};
use crate::model::name::NtName;
use crate::tree::TreeError;
use crate::usmt::layout::FILE;

/// A file or folder below `File\C$`.
#[derive(Clone, Debug)]
pub(crate) struct PlainEntry {
    /// Its name in the store: `File\C$\Users\alice\a.txt`. A folder's ends with a separator, as
    /// in a container.
    pub name: NtName,
    /// What is known of it.
    pub node: Node,
}

impl PlainEntry {
    /// Whether it is a link, a junction or a mount point: its data is elsewhere.
    pub(crate) fn is_link(&self) -> bool {
        self.node.reparse_tag.is_some_and(crate::model::metadata::is_name_surrogate)
    }

    /// Whether it is a folder.
    pub(crate) fn is_folder(&self) -> bool {
        self.node.kind == NodeKind::Directory
    }
}

/// All files and folders below the drives of a part, folder by folder.
pub(crate) struct PlainFiles<'a> {
    part: &'a Part,
    /// Folders that are still to be listed.
    folders: Vec<(NtName, NodeId)>,
    entries: std::vec::IntoIter<(NtName, NodeId)>,
}

impl<'a> PlainFiles<'a> {
    /// Those of a part.
    pub(crate) fn of(part: &'a Part) -> Self {
        let folders = part.markers.file_folder.map(|node| (NtName::from(FILE), node));
        Self { part, folders: folders.into_iter().collect(), entries: Vec::new().into_iter() }
    }
}

impl Iterator for PlainFiles<'_> {
    /// An error is about the file of that name.
    type Item = Result<PlainEntry, (NtName, TreeError)>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((name, id)) = self.entries.next() {
                let node = match self.part.tree.node(id) {
                    Ok(node) => node,
                    Err(error) => return Some(Err((name, error))),
                };
                if node.is_plain_directory() {
                    self.folders.push((name.clone(), id));
                }
                let mut entry = PlainEntry { name, node };
                if entry.is_folder() {
                    entry.name = join(&entry.name, &NtName::default());
                }
                return Some(Ok(entry));
            }
            let (above, id) = self.folders.pop()?;
            match self.part.tree.children(id) {
                Ok(children) => {
                    let child = |child: crate::tree::Entry| (join(&above, &child.name), child.node);
                    let children: Vec<_> = children.into_iter().map(child).collect();
                    self.entries = children.into_iter();
                }
                Err(error) => return Some(Err((join(&above, &NtName::default()), error))),
            }
        }
    }
}

fn join(above: &NtName, name: &NtName) -> NtName {
    let bytes = [above.as_wtf8(), b"\\", name.as_wtf8()].concat();
    // Names that are WTF-8 are so on both sides of an ASCII byte.
    NtName::from_wtf8(&bytes).unwrap_or_default()
}
