//! Reads every byte of a store, in disk order, and says what cannot be read.

use std::collections::HashSet;

use crate::facts::{Content, Facts, NodeId, NodeKind};
use crate::monitor::{Monitor, Progress};
use crate::name::{NtName, NtPath};
use crate::store::{Part, Store};
use crate::tree::{Tree, TreeError};

use super::{Finding, Severity};

/// What was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Read {
    pub(super) files: u64,
    pub(super) bytes: u64,
}

const BUFFER_BYTES: usize = 1 << 20;

/// Sees what is read of a store as it is read, so that nobody has to read it a
/// second time.
pub trait Onlooker {
    /// A file's turn comes: the part's number in its store, the path below the
    /// part's `USMT` folder.
    fn file(&mut self, part: usize, below: &NtPath, node: NodeId, facts: &Facts);
    /// One of its streams begins; `None` for the unnamed one.
    fn stream(&mut self, name: Option<&NtName>);
    /// The next bytes of the stream.
    fn bytes(&mut self, bytes: &[u8]);
    /// The stream was read whole. One with holes, or that fails, has no end.
    fn end(&mut self);
}

pub(super) fn read_store(
    store: &Store,
    mut onlooker: Option<&mut dyn Onlooker>,
    monitor: &dyn Monitor,
    say: &mut dyn FnMut(Finding),
) -> Read {
    let listings: Vec<(&Part, Listing)> =
        store.parts.iter().map(|part| (part, Listing::of(part, monitor, say))).collect();
    let mut progress = Progress {
        total_bytes: listings.iter().map(|(_, l)| l.bytes).sum(),
        total_files: listings.iter().map(|(_, l)| l.files.len() as u64).sum(),
        ..Progress::default()
    };
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut read = Read::default();
    for (number, (part, listing)) in listings.iter().enumerate() {
        for file in &listing.files {
            if monitor.is_cancelled() {
                return read;
            }
            let path = || part.drive_path(&listing.path_of(file));
            let before = read.bytes;
            let mut look = onlooker.as_deref_mut().map(|onlooker| Look {
                onlooker,
                part: number,
                below: listing.path_of(file),
            });
            match read_file(&*part.tree, file.node, look.as_mut(), &mut buffer, &mut read.bytes) {
                Ok(troubles) => {
                    if troubles.iter().all(|t| !t.is_bad()) {
                        read.files += 1;
                    }
                    for trouble in troubles {
                        say(trouble.into_finding(path()));
                    }
                }
                Err(error) => say(unreadable(path(), &error)),
            }
            progress.files += 1;
            progress.bytes += read.bytes - before;
            monitor.progress(progress);
        }
    }
    read
}

/// An onlooker, and the file that it is to look at.
struct Look<'a> {
    onlooker: &'a mut dyn Onlooker,
    part: usize,
    below: NtPath,
}

/// A file to read.
struct File {
    position: u64,
    node: NodeId,
    folder: u32,
    name: NtName,
}

/// A part's files in disk order, each with its folder by number, so that a
/// million of them fit into memory.
struct Listing {
    folders: Vec<(u32, NtName)>,
    files: Vec<File>,
    bytes: u64,
}

impl Listing {
    fn of(part: &Part, monitor: &dyn Monitor, say: &mut dyn FnMut(Finding)) -> Self {
        let tree = &*part.tree;
        let mut listing = Self { folders: vec![(0, NtName::default())], files: vec![], bytes: 0 };
        let mut linked = HashSet::new();
        let mut pending = vec![(0_u32, part.usmt)];
        while let Some((number, folder)) = pending.pop() {
            if monitor.is_cancelled() {
                break;
            }
            let entries = match tree.children(folder) {
                Ok(entries) => entries,
                Err(error) => {
                    say(unreadable(part.drive_path(&listing.folder_path(number)), &error));
                    continue;
                }
            };
            for entry in entries {
                let node = match tree.node(entry.node) {
                    Ok(node) => node,
                    Err(error) => {
                        let path = listing.folder_path(number).join(entry.name);
                        say(unreadable(part.drive_path(&path), &error));
                        continue;
                    }
                };
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
                    });
                } else if node.is_plain_directory()
                    && let Ok(next) = u32::try_from(listing.folders.len())
                {
                    listing.folders.push((number, entry.name));
                    pending.push((next, entry.node));
                }
            }
        }
        listing.files.sort_unstable_by_key(|f| (f.position, f.node));
        listing
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
        self.folder_path(file.folder).join(file.name.clone())
    }
}

impl Part {
    /// A path below the `USMT` folder, as Windows saw it.
    fn drive_path(&self, below: &NtPath) -> String {
        let whole: NtPath = self.usmt_path.names().iter().chain(below.names()).cloned().collect();
        whole.on_drive(&self.drive.name())
    }
}

/// What is wrong with a file that could be opened.
enum Trouble {
    Hole { bytes: u64, first: String },
    Encrypted,
    EncryptedLost(String),
    NotHere(String),
}

fn read_file(
    tree: &dyn Tree,
    node: NodeId,
    mut look: Option<&mut Look<'_>>,
    buffer: &mut [u8],
    bytes: &mut u64,
) -> Result<Vec<Trouble>, TreeError> {
    let facts = tree.facts(node, None)?;
    let mut troubles = Vec::new();
    if let Some(look) = &mut look {
        look.onlooker.file(look.part, &look.below, node, &facts);
    }
    match facts.content {
        Content::NotHere(reason) => return Ok(vec![Trouble::NotHere(reason)]),
        Content::EfsLost(reason) => return Ok(vec![Trouble::EncryptedLost(reason)]),
        Content::EfsRaw => troubles.push(Trouble::Encrypted),
        Content::Data | Content::Wof(_) => {}
    }
    // The raw export of an EFS file holds all its streams.
    let named: &[_] = if facts.content == Content::EfsRaw { &[] } else { &facts.streams };
    for name in std::iter::once(None).chain(named.iter().map(|s| Some(&s.name))) {
        let mut stream = tree.open(node, name)?;
        if let Some(look) = &mut look {
            look.onlooker.stream(name);
        }
        loop {
            match stream.read(buffer)? {
                0 => break,
                n => {
                    *bytes += n as u64;
                    if let Some(look) = &mut look {
                        look.onlooker.bytes(&buffer[..n]);
                    }
                }
            }
        }
        if let Some(first) = stream.holes().first() {
            troubles.push(Trouble::Hole {
                bytes: stream.holes().iter().map(|h| h.length).sum(),
                first: first.reason.clone(),
            });
        } else if let Some(look) = &mut look {
            look.onlooker.end();
        }
    }
    Ok(troubles)
}

impl Trouble {
    fn is_bad(&self) -> bool {
        !matches!(self, Self::Encrypted)
    }

    fn into_finding(self, path: String) -> Finding {
        let (code, severity, what, meaning, action) = match self {
            Self::Hole { bytes, first } => (
                "hole",
                Severity::Damage,
                format!("{bytes} bytes cannot be read: {first}"),
                "loadstate restores the file with zeros there, or fails on it.",
                "The disk may be failing: offload now; the rest of the file is saved.",
            ),
            Self::Encrypted => (
                "encrypted-file",
                Severity::Info,
                "encrypted (EFS)".to_owned(),
                "loadstate restores it as it is; only its user's key opens it.",
                "Nothing; it is saved in raw form.",
            ),
            Self::EncryptedLost(reason) => (
                "encrypted-lost",
                Severity::Damage,
                format!("encrypted (EFS) and cannot be exported exactly: {reason}"),
                "The file will be missing after loadstate.",
                "Copy it in the full Windows, or attach the disk there.",
            ),
            Self::NotHere(reason) => (
                "not-here",
                Severity::Warning,
                format!("its data is not on this disk: {reason}"),
                "Only a placeholder can be restored.",
                "Get the file from where the placeholder points (OneDrive, server).",
            ),
        };
        Finding { code, severity, path, what, meaning: meaning.into(), action: action.into() }
    }
}

fn unreadable(path: String, error: &TreeError) -> Finding {
    Finding {
        code: "unreadable",
        severity: Severity::Damage,
        path,
        what: format!("cannot be read: {error}"),
        meaning: "loadstate will miss it.".into(),
        action: "The disk may be failing: offload what can be read, now.".into(),
    }
}
