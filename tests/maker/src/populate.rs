//! Writes a [`TreeSpec`] into an NTFS image through ntfs-3g.
//!
//! The order matters. Names come first: everything that is made, linked or
//! removed changes the times of its folder. Facts follow, the times after the
//! others. Reparse data is last, the deepest first: ntfs-3g shows a folder that
//! has it as a link, which cannot be entered any more.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use anyhow::{Context as _, Result};

use crate::content::Content;
use crate::mount::{Mount, MountOptions};
use crate::path::TreePath;
use crate::rng::Rng;
use crate::tree::{Entry, Kind, Times, TreeSpec};

/// The largest stream that goes through an extended attribute, in bytes.
const LARGEST_XATTR: u64 = 64 * 1024;

/// Writes `tree` into the formatted image at `image`.
pub fn populate(image: &Path, tree: &TreeSpec) -> Result<()> {
    let mount = Mount::new(image, MountOptions::default())?;
    let done = build(&mut Root::open(mount.path())?, tree);
    mount.unmount()?;
    done?;

    let windows = MountOptions { windows_streams: true, ..MountOptions::default() };
    if tree.survivors().any(has_large_stream) {
        let mount = Mount::new(image, windows)?;
        let done = large_streams(&mut Root::open(mount.path())?, tree);
        mount.unmount()?;
        done?;
    }

    // A new mount, so that nothing that was removed lingers in a cache.
    let mount = Mount::new(image, MountOptions::default())?;
    let done = facts(&mut Root::open(mount.path())?, tree);
    mount.unmount()?;
    done
}

/// A mounted volume whose paths may be longer than the 4096 bytes that Linux
/// takes: every folder is opened from the one above it, and a file is named by
/// its folder's descriptor.
#[derive(Debug)]
pub struct Root {
    top: Rc<File>,
    open: HashMap<TreePath, Rc<File>>,
}

/// Where a file is, as a short path that is good while this lives.
#[derive(Debug)]
pub struct Spot {
    _folder: Rc<File>,
    path: PathBuf,
}

impl AsRef<Path> for Spot {
    fn as_ref(&self) -> &Path {
        &self.path
    }
}

impl Root {
    /// The volume that is mounted at `path`.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { top: Rc::new(File::open(path)?), open: HashMap::new() })
    }

    /// Where `path` is.
    pub fn at(&mut self, path: &TreePath) -> io::Result<Spot> {
        let folder = self.folder(&path.parent())?;
        Ok(Spot { path: below(&folder, path.file_name()), _folder: folder })
    }

    /// Forgets the folders it holds open, so that they can be removed.
    pub fn close_folders(&mut self) {
        self.open.clear();
    }

    fn folder(&mut self, path: &TreePath) -> io::Result<Rc<File>> {
        const HELD_OPEN: usize = 100;
        if let Some(folder) = self.open.get(path) {
            return Ok(Rc::clone(folder));
        }
        let mut folder = Rc::clone(&self.top);
        let mut at = TreePath::root();
        for name in path.names() {
            at = at.join(name);
            folder = match self.open.get(&at) {
                Some(open) => Rc::clone(open),
                None => Rc::new(File::open(below(&folder, name))?),
            };
        }
        if self.open.len() >= HELD_OPEN {
            self.open.clear();
        }
        self.open.insert(path.clone(), Rc::clone(&folder));
        Ok(folder)
    }
}

fn below(folder: &File, name: &[u8]) -> PathBuf {
    let folder = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd()));
    if name.is_empty() { folder } else { folder.join(OsStr::from_bytes(name)) }
}

/// Names and data.
fn build(root: &mut Root, tree: &TreeSpec) -> Result<()> {
    let passing = |number| TreePath::from(format!("passing {number}.tmp"));
    for number in 0..tree.churn {
        fs::write(root.at(&passing(number))?, b"soon gone")?;
    }
    for number in 0..tree.churn {
        fs::remove_file(root.at(&passing(number))?)?;
    }
    for entry in &tree.entries {
        make(root, entry).with_context(|| format!("cannot make {}", entry.path))?;
    }
    root.close_folders();

    let folders: BTreeMap<&TreePath, bool> =
        tree.entries.iter().map(|e| (&e.path, e.kind == Kind::Dir)).collect();
    for path in &tree.removed {
        let spot = root.at(path)?;
        let is_folder = folders.get(path).copied().unwrap_or_default();
        let removed = if is_folder {
            root.close_folders();
            fs::remove_dir(&spot)
        } else {
            fs::remove_file(&spot)
        };
        removed.with_context(|| format!("cannot remove {path}"))?;
    }
    Ok(())
}

fn make(root: &mut Root, entry: &Entry) -> Result<()> {
    let spot = root.at(&entry.path)?;
    match &entry.kind {
        Kind::Dir => {
            fs::create_dir(&spot)?;
            if entry.facts.compress {
                set(&spot, "system.ntfs_attrib_be", &0x810_u32.to_be_bytes())?;
            }
        }
        Kind::File(content) => {
            let file = File::create_new(&spot)?;
            if entry.facts.fragments > 1 {
                write_broken(&file, content, entry.facts.fragments)?;
            } else {
                write(&file, content)?;
            }
            if let Some(efs) = &entry.facts.efs
                && !content.is_empty()
            {
                // ntfs-3g takes the padding's length behind the ciphertext and
                // cuts both off when it is given the `$EFS` attribute.
                file.write_all_at(&efs.padding.to_le_bytes(), content.len())?;
            }
        }
        Kind::Link(file) => fs::hard_link(root.at(file)?, &spot)?,
    }
    // A file has one 8.3 name at most, and gets it before it has further links.
    if let Some(name) = &entry.facts.dos_name {
        set(&spot, "system.ntfs_dos_name", name.as_bytes())
            .with_context(|| format!("DOS name {name}"))?;
    }
    for (name, content) in &entry.facts.streams {
        if content.len() <= LARGEST_XATTR {
            set(&spot, &format!("user.{name}"), &content.to_vec()?)
                .with_context(|| format!("stream {name}"))?;
        }
    }
    Ok(())
}

fn write(file: &File, content: &Content) -> Result<()> {
    content.pieces(&mut |offset, piece| Ok(file.write_all_at(piece, offset)?))?;
    if file.metadata()?.len() < content.len() {
        file.set_len(content.len())?; // the hole at the end
    }
    Ok(())
}

/// Writes `content` in `pieces` pieces that do not follow each other on the disk:
/// the last one first, since ntfs-3g takes free clusters in the order of asking.
fn write_broken(file: &File, content: &Content, pieces: u32) -> Result<()> {
    let bytes = content.to_vec()?;
    let size = bytes.len().div_ceil(pieces as usize).max(1);
    for (number, piece) in bytes.chunks(size).enumerate().rev() {
        file.write_all_at(piece, (number * size) as u64)?;
        file.sync_all()?;
    }
    Ok(())
}

fn has_large_stream(entry: &Entry) -> bool {
    entry.facts.streams.values().any(|content| content.len() > LARGEST_XATTR)
}

fn large_streams(root: &mut Root, tree: &TreeSpec) -> Result<()> {
    for entry in tree.survivors().filter(|entry| has_large_stream(entry)) {
        let spot = root.at(&entry.path)?;
        for (name, content) in &entry.facts.streams {
            if content.len() > LARGEST_XATTR {
                let mut path = spot.as_ref().as_os_str().to_owned();
                path.push(":");
                path.push(name);
                let file = File::create(path)
                    .with_context(|| format!("cannot make {}:{name}", entry.path))?;
                write(&file, content)?;
            }
        }
    }
    Ok(())
}

/// Everything that is not a name and not data.
fn facts(root: &mut Root, tree: &TreeSpec) -> Result<()> {
    // A file whose first name was removed is reached by one that survived.
    let mut reached: HashMap<&TreePath, &TreePath> = HashMap::new();
    for entry in tree.survivors() {
        reached.entry(&tree.file_of(entry).path).or_insert(&entry.path);
    }
    let mut reparse_points = Vec::new();
    for entry in &tree.entries {
        if let Some(path) = reached.get(&entry.path) {
            let spot = root.at(path)?;
            set_facts(&spot, entry).with_context(|| format!("cannot set facts of {path}"))?;
            reparse_points.extend(entry.facts.reparse.as_ref().map(|data| (*path, data)));
        }
    }
    reparse_points.sort_by_key(|(path, _)| Reverse(path.names().count()));
    for (path, data) in reparse_points {
        set(&root.at(path)?, "system.ntfs_reparse_data", data)
            .with_context(|| format!("cannot make {path} a reparse point"))?;
    }
    Ok(())
}

fn set_facts(spot: &Spot, entry: &Entry) -> Result<()> {
    let facts = &entry.facts;
    let values = [
        ("system.ntfs_acl", facts.security.as_deref()),
        ("system.ntfs_ea", facts.extended.as_deref()),
        ("system.ntfs_object_id", facts.object_id.as_deref()),
        ("system.ntfs_efsinfo", facts.efs.as_ref().map(|efs| efs.info.as_slice())),
    ];
    for (name, value) in values {
        if let Some(value) = value {
            set(spot, name, value)?;
        }
    }
    if let Some(attributes) = facts.attributes {
        set(spot, "system.ntfs_attrib_be", &attributes.to_be_bytes())?;
    }
    let Times { created, modified, accessed } = facts.times;
    let times: Vec<u8> = [created, modified, accessed].map(u64::to_be_bytes).concat();
    set(spot, "system.ntfs_times_be", &times)
}

/// Sets an extended attribute, of a link itself where it looks like one.
fn set(spot: &Spot, name: &str, value: &[u8]) -> Result<()> {
    xattr::set(spot, name, value).with_context(|| format!("{name} ({} bytes)", value.len()))
}

/// A seed of its own for every path, so that adding a file changes no other.
pub fn seed_of(seed: u64, path: &TreePath) -> u64 {
    Rng::from_text(seed, path.as_bytes()).next_u64()
}
