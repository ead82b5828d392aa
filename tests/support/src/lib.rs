//! What the tests and benches of Lifeboat share: a real smbd, Wine, terminals and
//! mounts; sets, stores and volumes made for a test; and [`need!`], by which a test
//! says what the machine must have.

// A helper that fails is a failed test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::missing_panics_doc)]
#![allow(clippy::unnecessary_debug_formatting)] // paths in messages, odd names and all
#![allow(clippy::return_self_not_must_use)] // `run(..).expect(0)` is a check
#![allow(missing_docs)] // names of tests and helpers speak; what does not is documented

#[cfg(target_os = "linux")]
pub mod chromium;
pub mod codecs;
#[cfg(target_os = "linux")]
pub mod compare;
#[cfg(target_os = "linux")]
pub mod damage;
pub mod dirty_vhdx;
pub mod doc_lines;
pub mod exe;
#[cfg(target_os = "linux")]
pub mod faulty;
#[cfg(target_os = "linux")]
pub mod full_store;
pub mod golden;
pub mod hostile_set;
pub mod made;
pub mod made_set;
pub mod members;
pub mod memory;
#[cfg(target_os = "linux")]
pub mod mounted;
#[cfg(target_os = "linux")]
pub mod ntfs3g;
#[cfg(target_os = "linux")]
pub mod ntfs_mount;
pub mod program;
pub mod relay;
pub mod require;
#[cfg(target_os = "linux")]
pub mod same_set;
pub mod sets;
#[cfg(target_os = "linux")]
pub mod smbd;
pub mod tiny_volume;
#[cfg(target_os = "linux")]
pub mod tmux;
#[cfg(target_os = "linux")]
pub mod truth;
pub mod unpack;
pub mod view;
#[cfg(target_os = "linux")]
pub mod wine;
#[cfg(target_os = "linux")]
pub mod witness;

use std::path::{Path, PathBuf};

/// The folder of the project.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("this crate is two folders deep")
}

/// A path in a command line; tests use plain names.
pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The version of Lifeboat.
pub fn version() -> &'static str {
    let program = lifeboat::set::format::names::PROGRAM;
    program.strip_prefix("lifeboat ").expect("it is `lifeboat VERSION`")
}

/// The folder that Cargo builds into, in which tests may keep what takes long to make.
/// Cargo tells it to integration tests alone, when they are compiled.
///
/// Cargo marks it by a file; without one, a folder for temporary files.
pub fn target_folder() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let target = test.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file());
    let folder = target.map_or_else(std::env::temp_dir, |target| target.join("tmp"));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}
