//! The wipe that a task sequence runs before it applies an image, and what it
//! leaves when it fails half-way.

use crate::path::TreePath;
use crate::tree::TreeSpec;

/// Removes everything that is not one of `kept`, below one of them or above one.
/// Files go before their folders; their records stay on the disk, deleted.
pub fn wipe(tree: &mut TreeSpec, kept: &[TreePath]) {
    let stays = |path: &TreePath| {
        kept.iter().any(|keep| path.below(keep).is_some() || keep.below(path).is_some())
    };
    let gone: Vec<TreePath> = tree
        .entries
        .iter()
        .rev()
        .map(|entry| &entry.path)
        .filter(|path| !stays(path) && !tree.removed.contains(path))
        .cloned()
        .collect();
    tree.removed.extend(gone);
}
