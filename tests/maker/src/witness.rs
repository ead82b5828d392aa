//! Reads a volume back through a read-only ntfs-3g mount and compares it with the
//! data it was made from: the proof that an image holds what it claims to.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{ErrorKind, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use sha2::{Digest, Sha256};

use crate::content::{Content, hex};
use crate::mount::{Mount, MountOptions};
use crate::path::TreePath;
use crate::populate::{Root, Spot};
use crate::tree::{Entry, Kind, Times, TreeSpec};

/// What differs between the volume in `image` and `tree`, in words; empty when
/// nothing does.
pub fn differences(image: &Path, tree: &TreeSpec) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let mount = Mount::new(image, MountOptions { read_only: true, windows_streams: false })?;
    let done = compare(&mut Root::open(mount.path())?, tree, &mut found);
    mount.unmount()?;
    done?;
    let windows = MountOptions { read_only: true, windows_streams: true };
    let mount = Mount::new(image, windows)?;
    let done = compare_streams(&mut Root::open(mount.path())?, tree, &mut found);
    mount.unmount()?;
    done?;
    Ok(found)
}

fn compare(root: &mut Root, tree: &TreeSpec, found: &mut Vec<String>) -> Result<()> {
    let mut inodes: BTreeMap<u64, &TreePath> = BTreeMap::new();
    for entry in visible(tree) {
        let spot = root.at(&entry.path)?;
        let file = tree.file_of(entry);
        let mut say = |what: String| found.push(format!("{}: {what}", entry.path));
        match fs::symlink_metadata(&spot) {
            Err(error) => {
                say(error.to_string());
                continue;
            }
            // Links of one file must be one file, others must not.
            Ok(meta) => match inodes.insert(meta.ino(), &file.path) {
                Some(other) if *other != file.path => say(format!("is also {other}")),
                _ => {}
            },
        }
        compare_facts(&spot, entry, file, &mut say).with_context(|| entry.path.to_string())?;
    }
    compare_names(root, tree, found)
}

/// What ntfs-3g lets one see: it shows a folder with reparse data as a link, so
/// nothing below such a one.
fn visible(tree: &TreeSpec) -> impl Iterator<Item = &Entry> {
    let shut: Vec<&TreePath> = tree
        .survivors()
        .filter(|e| e.kind == Kind::Dir && e.facts.reparse.is_some())
        .map(|e| &e.path)
        .collect();
    tree.survivors().filter(move |entry| {
        !shut.iter().any(|folder| entry.path != **folder && entry.path.below(folder).is_some())
    })
}

fn compare_facts(
    spot: &Spot,
    entry: &Entry,
    file: &Entry,
    say: &mut dyn FnMut(String),
) -> Result<()> {
    let facts = &file.facts;
    if facts.reparse.is_none() {
        compare_data(spot, file, say)?;
    }
    let dos_name = entry.facts.dos_name.as_ref().map(String::as_bytes);
    let efs = facts.efs.as_ref().map(|efs| efs.info.as_slice());
    for (name, truth) in [
        ("system.ntfs_acl", facts.security.as_deref()),
        ("system.ntfs_ea", facts.extended.as_deref()),
        ("system.ntfs_reparse_data", facts.reparse.as_deref()),
        ("system.ntfs_object_id", facts.object_id.as_deref()),
        ("system.ntfs_dos_name", dos_name),
        ("system.ntfs_efsinfo", efs),
    ] {
        let Some(truth) = truth else { continue };
        let value = match xattr::get(spot, name) {
            Ok(value) => value.unwrap_or_default(),
            // ntfs-3g does not tell the DOS name of a file with several links.
            Err(error) if error.kind() == ErrorKind::TooManyLinks => continue,
            Err(error) => return Err(error).context(name),
        };
        // A bare object id comes back with its birth ids as zeros.
        if value != truth && !(name == "system.ntfs_object_id" && value.starts_with(truth)) {
            say(format!("{name} is {}, expected {}", hex(&value), hex(truth)));
        }
    }
    compare_times_and_attributes(spot, file, say)
}

fn compare_data(spot: &Spot, file: &Entry, say: &mut dyn FnMut(String)) -> Result<()> {
    let meta = fs::metadata(spot)?;
    let Kind::File(content) = &file.kind else {
        if !meta.is_dir() {
            say("is not a folder".to_owned());
        }
        return Ok(());
    };
    let mut truth = content.clone();
    if let Some(efs) = &file.facts.efs
        && !truth.is_empty()
    {
        let padding = Content::Bytes(efs.padding.to_le_bytes().to_vec());
        truth = Content::ConcatenatedFile(vec![truth, padding]);
    }
    if !meta.is_file() {
        // A system file without bytes looks like a pipe to ntfs-3g, one with one
        // byte like a socket (Interix had them so). Opening a pipe would wait for
        // ever.
        if truth.len() > 1 || file.facts.attributes.unwrap_or_default() & 0x4 == 0 {
            say("is not a file".to_owned());
        }
        return Ok(());
    }
    let (len, sum) = sum_of(spot.as_ref())?;
    if (len, &sum) != (truth.len(), &truth.sha256()) {
        say(format!("{len} bytes, {sum}; expected {} bytes", truth.len()));
    }
    Ok(())
}

fn compare_times_and_attributes(
    spot: &Spot,
    file: &Entry,
    say: &mut dyn FnMut(String),
) -> Result<()> {
    const CHOSEN: u32 = 0x2007;
    let times = xattr::get(spot, "system.ntfs_times_be")?.unwrap_or_default();
    let Times { created, modified, accessed } = file.facts.times;
    for (name, truth, value) in [
        ("created", created, times.get(..8)),
        ("modified", modified, times.get(8..16)),
        ("accessed", accessed, times.get(16..24)),
    ] {
        if value != Some(&truth.to_be_bytes()) {
            say(format!("{name} is {value:?}, expected {truth}"));
        }
    }
    let value = xattr::get(spot, "system.ntfs_attrib_be")?.unwrap_or_default();
    let value = value.try_into().map(u32::from_be_bytes).unwrap_or_default();
    if let Some(truth) = file.facts.attributes
        && value & CHOSEN != truth & CHOSEN
    {
        say(format!("attributes are {value:#x}, expected {truth:#x}"));
    }
    for (bit, truth) in [
        (0x10, file.kind == Kind::Dir),
        (0x400, file.facts.reparse.is_some()),
        (0x4000, file.facts.efs.is_some()),
    ] {
        if (value & bit != 0) != truth {
            say(format!("attributes are {value:#x}, which is wrong at {bit:#x}"));
        }
    }
    Ok(())
}

/// Every folder holds the names it should, and no others.
fn compare_names(root: &mut Root, tree: &TreeSpec, found: &mut Vec<String>) -> Result<()> {
    let mut names: BTreeMap<TreePath, BTreeSet<Vec<u8>>> = BTreeMap::new();
    names.entry(TreePath::root()).or_default();
    for entry in visible(tree) {
        names.entry(entry.path.parent()).or_default().insert(entry.path.file_name().to_vec());
        if entry.kind == Kind::Dir && entry.facts.reparse.is_none() {
            names.entry(entry.path.clone()).or_default();
        }
    }
    for (folder, truth) in &names {
        let mut there = BTreeSet::new();
        for name in fs::read_dir(root.at(folder)?)? {
            there.insert(name?.file_name().as_bytes().to_vec());
        }
        for name in there.symmetric_difference(truth) {
            let which = if there.contains(name) { "should not be there" } else { "is missing" };
            found.push(format!("{}: {which}", folder.join(name)));
        }
    }
    Ok(())
}

fn compare_streams(root: &mut Root, tree: &TreeSpec, found: &mut Vec<String>) -> Result<()> {
    for entry in visible(tree).filter(|e| e.facts.reparse.is_none()) {
        for (name, content) in &entry.facts.streams {
            let spot = root.at(&entry.path)?;
            let mut path = spot.as_ref().as_os_str().to_owned();
            path.push(":");
            path.push(name);
            match sum_of(Path::new(&path)) {
                Ok(sum) if sum == (content.len(), content.sha256()) => {}
                Ok(sum) => found.push(format!("{}:{name}: {sum:?}", entry.path)),
                Err(error) => found.push(format!("{}:{name}: {error:#}", entry.path)),
            }
        }
    }
    Ok(())
}

/// Length and SHA-256 of a file.
fn sum_of(path: &Path) -> Result<(u64, String)> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut block = vec![0; 128 * 1024];
    let mut len = 0;
    loop {
        let size = file.read(&mut block)?;
        if size == 0 {
            return Ok((len, hex(&hash.finalize())));
        }
        hash.update(&block[..size]);
        len += size as u64;
    }
}
