//! Reads every byte of a store, in disk order, and reports what cannot be read.

use std::collections::HashSet;

use super::codes::{FACTS_LOST, HOLE, MARKER_ZEROS, UNREADABLE};
use super::{StoreReport, metadata};
use crate::model::finding::Finding;
use crate::model::metadata::{Content, Metadata, NodeId, NodeKind};
use crate::model::monitor::{Monitor, Progress};
use crate::model::name::{NtName, NtPath};
use crate::tree::{Tree, TreeError};
use crate::usmt::layout::{CATALOG, HARDLINK_MAIN, MIGSTATE};
use crate::usmt::{Part, Store, is_container_name};

const BUFFER_BYTES: usize = 1 << 20;

/// Receives a store's data while it is read, so that it need not be read a
/// second time.
pub(crate) trait StreamObserver {
    /// A file begins: `part` is the part's index in its store, `below` the path
    /// below the part's `USMT` folder.
    fn file(&mut self, part: usize, below: &NtPath, node: NodeId, facts: &Metadata);
    /// A stream of the file begins; `None` for the unnamed one.
    fn stream(&mut self, name: Option<&NtName>);
    /// The next bytes of the stream.
    fn bytes(&mut self, bytes: &[u8]);
    /// The stream was read completely. Not called for a stream with holes or
    /// with an error.
    fn end(&mut self);
}

/// Reads every file of `store`; adds the counts to `report`.
pub(super) fn read_store(
    store: &Store,
    mut observer: Option<&mut dyn StreamObserver>,
    monitor: &dyn Monitor,
    say: &mut dyn FnMut(Finding),
    report: &mut StoreReport,
) {
    let listings: Vec<(&Part, Listing)> =
        store.parts.iter().map(|part| (part, Listing::of(part, monitor))).collect();
    let mut progress = Progress {
        total_bytes: listings.iter().map(|(_, l)| l.bytes).sum(),
        total_files: listings.iter().map(|(_, l)| l.files.len() as u64).sum(),
        ..Progress::default()
    };
    let mut buffer = vec![0; BUFFER_BYTES];
    for (number, (part, listing)) in listings.iter().enumerate() {
        for file in listing.files.iter().chain(&listing.with_streams) {
            if monitor.is_cancelled() {
                return;
            }
            let path = || part.path_of(&listing.path_of(file));
            let mut look = observer.as_deref_mut().map(|observer| Look {
                observer,
                part: number,
                below: listing.path_of(file),
            });
            let mut read = |bytes: u64| {
                report.bytes_read += bytes;
                progress.bytes += bytes;
                monitor.progress(progress);
                !monitor.is_cancelled()
            };
            let what = (file.node, file.is_folder);
            match read_file(&*part.tree, what, look.as_mut(), &mut buffer, &mut read) {
                Ok(Read::Stopped) => return,
                // A folder is no file that was read; what it lacks counts.
                Ok(Read::Done(troubles)) if file.is_folder && troubles.is_empty() => continue,
                Ok(Read::NotHere) => report.files_skipped += 1,
                Ok(Read::Done(troubles)) => {
                    let is_whole = |t: &Trouble| matches!(t, Trouble::Zeros { .. });
                    let count = if troubles.iter().all(is_whole) {
                        &mut report.files_read
                    } else {
                        &mut report.files_not_whole
                    };
                    *count += 1;
                    for trouble in troubles {
                        // Zeros are what many files of users hold, and none of USMT's.
                        let is_own = file.folder == 0 && is_never_zeros(&file.name);
                        if !matches!(trouble, Trouble::Zeros { .. }) || is_own {
                            say(trouble.into_finding(path()));
                        }
                    }
                }
                Err(error) => {
                    report.files_not_whole += 1;
                    say(UNREADABLE.at(path(), metadata::unreadable(&error)));
                }
            }
            progress.files += 1;
            monitor.progress(progress);
        }
    }
}

/// Whether a file directly in the `USMT` folder is one that USMT never fills with zeros.
fn is_never_zeros(name: &NtName) -> bool {
    let own = [CATALOG, MIGSTATE, HARDLINK_MAIN];
    own.iter().any(|own| name.eq_ignore_ascii_case(own))
        || name.as_str().is_some_and(is_container_name)
}

/// An observer, and the file that it observes.
struct Look<'a> {
    observer: &'a mut dyn StreamObserver,
    part: usize,
    below: NtPath,
}

/// A file to read, or a folder with streams.
struct File {
    position: u64,
    node: NodeId,
    /// That it is in; if it is a folder that can be entered, its own number.
    folder: u32,
    /// Empty for such a folder.
    name: NtName,
    is_folder: bool,
}

/// A part's files in disk order, each with the number of its folder, so that a
/// million of them fit into memory.
struct Listing {
    folders: Vec<(u32, NtName)>,
    files: Vec<File>,
    /// The folders that have streams.
    with_streams: Vec<File>,
    bytes: u64,
}

impl Listing {
    /// Ignores errors: the metadata check has already reported them.
    fn of(part: &Part, monitor: &dyn Monitor) -> Self {
        let tree = &*part.tree;
        let mut listing = Self {
            folders: vec![(0, NtName::default())],
            files: vec![],
            with_streams: vec![],
            bytes: 0,
        };
        let mut linked = HashSet::new();
        let mut pending = vec![(0_u32, part.usmt)];
        while let Some((number, folder)) = pending.pop() {
            if monitor.is_cancelled() {
                break;
            }
            listing.folder(tree, folder, number, NtName::default());
            for entry in tree.children(folder).unwrap_or_default() {
                let Ok(node) = tree.node(entry.node) else { continue };
                if node.kind == NodeKind::File {
                    if node.links > 1 && !linked.insert(node.id) {
                        continue;
                    }
                    listing.bytes = listing.bytes.saturating_add(node.size);
                    listing.files.push(File {
                        position: node.position.unwrap_or(0),
                        node: entry.node,
                        folder: number,
                        name: entry.name,
                        is_folder: false,
                    });
                } else if node.is_plain_directory()
                    && let Ok(next) = u32::try_from(listing.folders.len())
                {
                    listing.folders.push((number, entry.name));
                    pending.push((next, entry.node));
                } else {
                    listing.folder(tree, entry.node, number, entry.name);
                }
            }
        }
        listing.files.sort_unstable_by_key(|f| (f.position, f.node));
        listing
    }

    /// Lists a folder if it has streams.
    fn folder(&mut self, tree: &dyn Tree, node: NodeId, folder: u32, name: NtName) {
        let streams = tree.facts(node, None).map(|facts| facts.streams).unwrap_or_default();
        let bytes = streams.iter().fold(0_u64, |sum, stream| sum.saturating_add(stream.size));
        self.bytes = self.bytes.saturating_add(bytes);
        if !streams.is_empty() {
            self.with_streams.push(File { position: 0, node, folder, name, is_folder: true });
        }
    }

    /// Below the `USMT` folder.
    fn folder_path(&self, mut number: u32) -> NtPath {
        let mut names = Vec::new();
        while number != 0 {
            let Some((parent, name)) = self.folders.get(number as usize) else { break };
            names.push(name.clone());
            number = *parent;
        }
        names.into_iter().rev().collect()
    }

    fn path_of(&self, file: &File) -> NtPath {
        let folder = self.folder_path(file.folder);
        if file.name.is_empty() { folder } else { folder.join(file.name.clone()) }
    }
}

/// The result of reading one file.
enum Read {
    /// Every stream was read.
    Done(Vec<Trouble>),
    /// Its data is not on this disk, or cannot be exported: the metadata check
    /// has already reported that.
    NotHere,
    /// The user stopped the check.
    Stopped,
}

/// A problem with a file that could be opened.
enum Trouble {
    Hole {
        bytes: u64,
        first: String,
    },
    Metadata(String),
    /// The unnamed stream holds nothing but zeros.
    Zeros {
        bytes: u64,
    },
}

/// Reads every stream of a file, or of a folder, which has no unnamed one. `read` receives the
/// number of bytes after each block and returns whether to continue: one file may be most of a
/// store.
fn read_file(
    tree: &dyn Tree,
    (node, is_folder): (NodeId, bool),
    mut look: Option<&mut Look<'_>>,
    buffer: &mut [u8],
    read: &mut dyn FnMut(u64) -> bool,
) -> Result<Read, TreeError> {
    let facts = tree.facts(node, None)?;
    if let Some(look) = &mut look {
        look.observer.file(look.part, &look.below, node, &facts);
    }
    if matches!(facts.content, Content::NotHere(_) | Content::EfsLost(_)) {
        return Ok(Read::NotHere);
    }
    let mut troubles: Vec<Trouble> = facts.damaged.into_iter().map(Trouble::Metadata).collect();
    // The raw export of an EFS file contains all its streams.
    let named: &[_] = if facts.content == Content::EfsRaw { &[] } else { &facts.streams };
    let unnamed = (!is_folder).then_some(None);
    for name in unnamed.into_iter().chain(named.iter().map(|s| Some(&s.name))) {
        let mut stream = tree.open(node, name)?;
        if let Some(look) = &mut look {
            look.observer.stream(name);
        }
        let mut zeros = 0;
        let mut is_zeros = name.is_none();
        loop {
            let n = stream.read(buffer)?;
            if n == 0 {
                break;
            }
            is_zeros = is_zeros && buffer[..n].iter().all(|byte| *byte == 0);
            zeros += n as u64;
            if let Some(look) = &mut look {
                look.observer.bytes(&buffer[..n]);
            }
            if !read(n as u64) {
                return Ok(Read::Stopped);
            }
        }
        if let Some(first) = stream.holes().first() {
            troubles.push(Trouble::Hole {
                bytes: stream.holes().iter().map(|h| h.length).sum(),
                first: first.reason.clone(),
            });
        } else {
            if is_zeros && zeros > 0 {
                troubles.push(Trouble::Zeros { bytes: zeros });
            }
            if let Some(look) = &mut look {
                look.observer.end();
            }
        }
    }
    Ok(Read::Done(troubles))
}

impl Trouble {
    fn into_finding(self, path: String) -> Finding {
        match self {
            Self::Hole { bytes, first } => {
                HOLE.at(path, format!("{bytes} bytes cannot be read: {first}"))
            }
            Self::Metadata(which) => {
                FACTS_LOST.at(path, format!("cannot be read completely: {which}"))
            }
            Self::Zeros { bytes } => {
                MARKER_ZEROS.at(path, format!("all of its {bytes} bytes are zeros"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::memory::{MemoryData, MemoryTree};

    /// Counts the files that it receives.
    #[derive(Default)]
    struct Count(usize);

    impl StreamObserver for Count {
        fn file(&mut self, _: usize, _: &NtPath, _: NodeId, _: &Metadata) {
            self.0 += 1;
        }
        fn stream(&mut self, _: Option<&NtName>) {}
        fn bytes(&mut self, _: &[u8]) {}
        fn end(&mut self) {}
    }

    #[test]
    fn who_stops_in_a_huge_file_need_not_wait_for_its_end() {
        let mut tree = MemoryTree::new("x", 1);
        let mail = tree.file("mail.pst", MemoryData::pattern(1, 50 << 30));
        let (mut buffer, mut pieces) = (vec![0; 4096], Vec::new());
        let mut read = |bytes| {
            pieces.push(bytes);
            pieces.len() < 3
        };
        let mut observer = Count::default();
        let mut look = Look { observer: &mut observer, part: 0, below: "mail.pst".into() };
        let came =
            read_file(&tree, (mail, false), Some(&mut look), &mut buffer, &mut read).unwrap();
        assert!(matches!(came, Read::Stopped));
        assert_eq!(pieces, [4096; 3]);
        assert_eq!(observer.0, 1, "a file's turn comes once");
    }
}
