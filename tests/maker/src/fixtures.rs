//! The disks that tests run on, by name: how each is made, what must be found on
//! it, and the committed copy of it.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::disk::{DiskSpec, Extent};
use crate::path::TreePath;
use crate::people::Person;
use crate::store::{self, Capture, Role, StoreKind};
use crate::tree::{Facts, Kind};
use crate::volume::VolumeSpec;
use crate::wipe::wipe;

const MIB: u64 = 1024 * 1024;

/// A disk and the truth about it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fixture {
    /// Its name, and that of its file.
    pub name: &'static str,
    /// One line on what it holds.
    pub about: &'static str,
    /// How it is made.
    pub disk: DiskSpec,
    /// The stores on it.
    pub stores: Vec<ExpectedStore>,
}

/// A store that must be found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExpectedStore {
    /// What it is.
    pub kind: StoreKind,
    /// Whether all of it is there: the closing marker, the primary part and
    /// every secondary one.
    pub whole: bool,
    /// Its parts.
    pub parts: Vec<ExpectedPart>,
}

/// A store's part on one volume.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExpectedPart {
    /// Index of the partition on the disk.
    pub partition: usize,
    /// What it is in its store.
    pub role: Role,
    /// The drive letter that its files came from.
    pub drive: char,
    /// The folder with the marker files: `StateStore/USMT`.
    pub folder: TreePath,
}

/// A file, or a folder, that must be found in a store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExpectedFile {
    /// Index of the partition on the disk.
    pub partition: usize,
    /// Where on the volume.
    pub path: TreePath,
    /// Whether it is a folder.
    pub is_dir: bool,
    /// Bytes of the unnamed stream (of an EFS file the plain size).
    pub size: u64,
    /// SHA-256 of the unnamed stream (of an EFS file the ciphertext), in hex.
    pub sha256: String,
    /// How many names the file has on the volume in the end.
    pub links: usize,
    /// The same for all names of one file on the volume, and for no other.
    pub file_number: usize,
    /// Everything else.
    pub facts: Facts,
}

/// What must be found on a fixture.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Expected {
    /// The stores.
    pub stores: Vec<ExpectedStore>,
    /// Every file and folder in them, each store folder itself included, in the
    /// order of partition and path.
    pub files: Vec<ExpectedFile>,
    /// Where the partitions lie.
    pub extents: Vec<Extent>,
}

impl Fixture {
    /// What must be found on it.
    pub fn expected(&self) -> Expected {
        let mut files = Vec::new();
        for store in &self.stores {
            for part in &store.parts {
                files.extend(
                    self.files(part.partition)
                        .into_iter()
                        .filter(|file| file.path.below(&part.folder).is_some()),
                );
            }
        }
        files.sort_by(|a, b| (a.partition, &a.path).cmp(&(b.partition, &b.path)));
        Expected { stores: self.stores.clone(), files, extents: self.disk.extents() }
    }

    /// Every file and folder on one volume, whether in a store or not, in the
    /// order they were made.
    pub fn files(&self, partition: usize) -> Vec<ExpectedFile> {
        let Some((_, volume)) = self.disk.volumes().find(|(index, _)| *index == partition) else {
            return Vec::new();
        };
        let tree = &volume.tree;
        let mut numbers = HashMap::new();
        let mut links: HashMap<usize, usize> = HashMap::new();
        let mut files: Vec<ExpectedFile> = tree
            .survivors()
            .map(|entry| {
                let file = tree.file_of(entry);
                let next = numbers.len();
                let file_number = *numbers.entry(&file.path).or_insert(next);
                *links.entry(file_number).or_default() += 1;
                let padding = file.facts.efs.as_ref().map_or(0, |efs| u64::from(efs.padding));
                let (size, sha256) = match &file.kind {
                    Kind::File(content) => (content.len() - padding, content.sha256()),
                    Kind::Dir | Kind::Link(_) => (0, String::new()),
                };
                let mut facts = file.facts.clone();
                facts.dos_name.clone_from(&entry.facts.dos_name);
                ExpectedFile {
                    partition,
                    path: entry.path.clone(),
                    is_dir: file.kind == Kind::Dir,
                    size,
                    sha256,
                    links: 0,
                    file_number,
                    facts,
                }
            })
            .collect();
        for file in &mut files {
            file.links = links.get(&file.file_number).copied().unwrap_or_default();
        }
        files
    }

    /// Makes the disk image at `path`.
    pub fn make(&self, path: &Path) -> Result<()> {
        self.disk.make(path).with_context(|| format!("cannot make the fixture {}", self.name))
    }
}

/// Every fixture.
pub fn all() -> Vec<Fixture> {
    vec![hardlink_one()]
}

/// The fixture called `name`.
pub fn by_name(name: &str) -> Result<Fixture> {
    all().into_iter().find(|f| f.name == name).with_context(|| format!("no fixture {name}"))
}

/// A hard-link store alone on its volume, as after a complete wipe.
fn hardlink_one() -> Fixture {
    let mut volume = VolumeSpec::new("Windows", 6 * MIB);
    let alice = Person::new("alice", 1104, 1);
    let tree = &mut volume.tree;
    alice.small_profile(tree);
    let usmt = TreePath::from("StateStore/USMT");
    store::capture(tree, &usmt, 'C', &[alice.home()], Capture::Link);
    store::markers(tree, &usmt, 1, true);
    store::hardlink_main(tree, &usmt, &[('C', store::guid(1))]);
    wipe(tree, &["StateStore".into()]);
    Fixture {
        name: "hardlink-one",
        about: "a hard-link store on a bare volume, everything else wiped",
        disk: DiskSpec::bare(volume),
        stores: vec![ExpectedStore {
            kind: StoreKind::HardLink,
            whole: true,
            parts: vec![ExpectedPart {
                partition: 0,
                role: Role::Primary,
                drive: 'C',
                folder: usmt,
            }],
        }],
    }
}
