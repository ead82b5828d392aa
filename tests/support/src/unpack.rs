//! Unpacks a rescue set with stock tools only: `zstd`, `tar`, `sha256sum`.

use std::path::{Path, PathBuf};
use std::process::Command;

/// `sha256sum -c SHA256SUMS` passes in the set.
pub fn sums_are_right(set: &Path) {
    let output =
        Command::new("sha256sum").args(["-c", "SHA256SUMS"]).current_dir(set).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// `cat store.tar.zst* | zstd -dc | tar -x` in `to`.
pub fn unpack(set: &Path, to: &Path) {
    let script = r#"cat "$1"/store.tar.zst* | zstd -dc | tar -x --warning=no-unknown-keyword"#;
    let output = Command::new("bash")
        .args(["-c", &format!("set -o pipefail; {script}"), "unpack"])
        .arg(set)
        .current_dir(to)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The sets at a destination, in order of their names. Nothing else may be there.
pub fn sets_in(dest: &Path) -> Vec<PathBuf> {
    let mut sets: Vec<PathBuf> =
        std::fs::read_dir(dest).unwrap().map(|entry| entry.unwrap().path()).collect();
    sets.sort();
    for set in &sets {
        assert!(set.join("rescue.json").is_file(), "{} is no whole set", set.display());
    }
    sets
}
