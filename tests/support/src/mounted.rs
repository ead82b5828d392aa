//! Small file systems of a test's own, mounted where only root may.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::require;

/// A file system in memory.
pub struct Tmpfs(tempfile::TempDir);

impl Tmpfs {
    /// Mounts one; `None` without root.
    pub fn new() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = mount(&["-t", "tmpfs", "-o", "size=64m", "tmpfs"], folder.path());
        if mounted { Some(Self(folder)) } else { require::require("root", || None) }
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Mounts one of its folders at a second place; `None` without root.
    pub fn bind(&self, folder: &str) -> Option<Bound> {
        let at = tempfile::tempdir().unwrap();
        let from = self.path().join(folder);
        let mounted = mount(&["--bind", from.to_str().unwrap()], at.path());
        if mounted { Some(Bound(at)) } else { require::require("root", || None) }
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        unmount(self.path());
    }
}

/// A folder that is mounted at a second place.
pub struct Bound(tempfile::TempDir);

impl Bound {
    /// The second place.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        unmount(self.path());
    }
}

fn mount(args: &[&str], at: &Path) -> bool {
    let mut mount = Command::new("mount");
    mount.args(args).arg(at).stderr(Stdio::null());
    mount.status().is_ok_and(|status| status.success())
}

fn unmount(at: &Path) {
    let _ = Command::new("umount").arg("-l").arg(at).stderr(Stdio::null()).status();
}
