//! USMT stores in a tree of files, laid out as Microsoft documents it and, where
//! that ends, as this project infers it. What stands in `catalog.mig` and
//! `MIGSTATE.DAT` is not known: theirs are made-up bytes.

use crate::content::Content;
use crate::path::TreePath;
use crate::populate::seed_of;
use crate::rng::Rng;
use crate::tree::{Kind, TreeSpec};

/// What scanstate was told to make.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StoreKind {
    /// `/hardlink /nocompress`: the files are further names of the user's own.
    HardLink,
    /// `/nocompress`: copies.
    Uncompressed,
    /// One `USMT.MIG`.
    Compressed,
}

/// What a part is in its store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// The only part, or the one with `hardlink.main`.
    Primary,
    /// A part on another volume.
    Secondary,
}

/// A GUID as Windows writes it, with braces.
pub fn guid(seed: u64) -> String {
    let mut rng = Rng::new(seed);
    format!(
        "{{{:08X}-{:04X}-{:04X}-{:04X}-{:012X}}}",
        rng.below(1 << 32),
        rng.below(1 << 16),
        0x4000 | rng.below(1 << 12),
        0x8000 | rng.below(1 << 14),
        rng.below(1 << 48)
    )
}

/// How the store's files come to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Capture {
    /// One more name of the user's file.
    Link,
    /// A copy, with everything that the file has.
    Copy,
}

/// Puts everything below `sources` into the store folder `usmt`, as files under
/// `File/<drive>$/<original path>`. The `File` folder is hidden.
pub fn capture(
    tree: &mut TreeSpec,
    usmt: &TreePath,
    drive: char,
    sources: &[TreePath],
    how: Capture,
) {
    let files = usmt.join("File");
    tree.dir(&files).attributes(0x2);
    let below = files.join(format!("{drive}$"));
    let gathered: Vec<_> = tree
        .entries
        .iter()
        .filter(|entry| sources.iter().any(|source| entry.path.below(source).is_some()))
        .cloned()
        .collect();
    // The folders above a source keep their facts too.
    for source in sources {
        let mut above = source.parent();
        while !above.is_root() {
            let facts = tree.dir(&above).facts.clone();
            tree.dir(below.join(&above)).facts = facts;
            above = above.parent();
        }
    }
    for mut entry in gathered {
        let path = below.join(&entry.path);
        match (&entry.kind, how) {
            (Kind::Dir, _) => tree.dir(path).facts = entry.facts,
            (Kind::File(content), Capture::Copy) => {
                entry.facts.object_id = None; // unique on its volume
                tree.file(path, content.clone()).facts = entry.facts;
            }
            (Kind::File(_), Capture::Link) => _ = tree.link(path, &entry.path),
            (Kind::Link(file), Capture::Link) => _ = tree.link(path, file),
            (Kind::Link(file), Capture::Copy) => {
                let first = below.join(file);
                tree.link(path, &first);
            }
        }
    }
}

/// Writes what scanstate writes beside the files: the catalogue, its state and,
/// when it got to its end, the empty `status.~lg`.
pub fn markers(tree: &mut TreeSpec, usmt: &TreePath, seed: u64, finished: bool) {
    let catalog = usmt.join("catalog.mig");
    let state = usmt.join("MIGSTATE.DAT");
    let (a, b) = (seed_of(seed, &catalog), seed_of(seed, &state));
    tree.file(
        catalog,
        Content::ConcatenatedFile(vec![Content::noise(a, 1200), Content::text(a, 5000)]),
    );
    tree.file(
        state,
        Content::ConcatenatedFile(vec![Content::text(b, 2000), Content::noise(b, 300)]),
    );
    if finished {
        tree.file(usmt.join("status.~lg"), Content::empty());
    }
}

/// Writes `hardlink.main`: thought to be one line a part, drive letter, tab, GUID.
pub fn hardlink_main(tree: &mut TreeSpec, usmt: &TreePath, parts: &[(char, String)]) {
    let lines: Vec<String> = parts.iter().map(|(drive, id)| format!("{drive}\t{id}\r\n")).collect();
    tree.bytes(usmt.join("hardlink.main"), lines.concat());
}

/// Writes the file that marks a secondary part: `hardlink.distributed.<GUID>`.
pub fn hardlink_distributed(tree: &mut TreeSpec, usmt: &TreePath, id: &str) {
    tree.bytes(usmt.join(format!("hardlink.distributed.{id}")), format!("{id}\r\n"));
}
