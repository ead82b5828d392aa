//! What does not belong into a set's folder.

use crate::destination::Destination;
use crate::set::format::names;

/// What is in a set's folder and is no plain file, such as a link: Lifeboat makes none there, and
/// what a link leads to is no part of the set. `None` if there is nothing, and where it cannot be
/// known.
pub(crate) fn stranger_in(target: &dyn Destination, dir: &str) -> Option<String> {
    let Some(root) = target.local_root() else {
        // Links are not visible there.
        let entries = target.list(dir).ok()?;
        let stranger = entries.iter().find(|entry| entry.is_dir && names::is_own(&entry.name))?;
        return Some(format!("{} in it is a folder", stranger.name));
    };
    let folder = root.join(dir);
    if folder.symlink_metadata().ok()?.is_symlink() {
        return Some("the folder is a link".to_owned());
    }
    let entries = folder.read_dir().ok()?.flatten();
    // Some servers keep folders of their own everywhere (`@eaDir`).
    let mut strangers = entries.filter(|entry| {
        let is_own = || names::is_own(&entry.file_name().to_string_lossy());
        entry.file_type().is_ok_and(|kind| kind.is_symlink() || kind.is_dir() && is_own())
    });
    let name = strangers.next()?.file_name();
    Some(format!("{} in it is a link or a folder", name.to_string_lossy()))
}
