//! What a test needs and this machine may lack: Wine, a Samba server, FUSE.
//!
//! ```ignore
//! #[path = "common/require.rs"]
//! mod require;
//!
//! let Some(wine) = require::require("wine", wine::find) else { return };
//! let Some(()) = require::require("fuse", require::mounts) else { return };
//! ```
//!
//! Where the thing is missing the test says so by name and passes over the
//! rest. With `LIFEBOAT_REQUIRE_ALL=1`, as `scripts/test.sh` sets it, that is a
//! failure: `scripts/setup.sh test` has installed everything by then. What no
//! package can bring, such as mounts in a container, `LIFEBOAT_WITHOUT` names
//! (words with spaces between): that is passed over without looking.
//! `LIFEBOAT_SKIP_LIST` is a file that collects the tests that were passed over.

use std::io::Write;
use std::path::{Path, PathBuf};

/// What `look` finds; `None` after saying that the test is skipped. `what` is
/// one word, as it would stand in `LIFEBOAT_WITHOUT`.
///
/// # Panics
/// When it is missing and `LIFEBOAT_REQUIRE_ALL=1`.
pub fn require<T>(what: &str, look: impl FnOnce() -> Option<T>) -> Option<T> {
    let variable = |name| std::env::var(name).unwrap_or_default();
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    if !variable("LIFEBOAT_WITHOUT").split_whitespace().any(|word| word == what) {
        if let Some(found) = look() {
            return Some(found);
        }
        assert_ne!(
            variable("LIFEBOAT_REQUIRE_ALL"),
            "1",
            "{test} needs {what}, which is not here: run scripts/setup.sh test"
        );
    }
    // Not by eprintln!, which cargo test shows for failed tests only.
    let _ = writeln!(
        std::io::stderr(),
        "SKIPPED {test}: {what} is not here (scripts/setup.sh test installs what can be)"
    );
    if let Some(list) = std::env::var_os("LIFEBOAT_SKIP_LIST") {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(list);
        // One write a line, so that tests that run side by side do not mix theirs.
        let line = format!("{test} (needs {what})\n");
        file.and_then(|mut f| f.write_all(line.as_bytes()))
            .expect("LIFEBOAT_SKIP_LIST is writable");
    }
    None
}

/// A program on `PATH`, or where Debian puts what is for administrators.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
}

/// Whether NTFS images can be made and mounted. As `"fuse"`.
pub fn mounts() -> Option<()> {
    for needed in ["mkntfs", "ntfs-3g", "fusermount"] {
        program(needed)?;
    }
    // Setuid helpers open it for users who may not; that it exists is enough.
    Path::new("/dev/fuse").exists().then_some(())
}

/// Whether there is a Samba server and the tool for its users. As `"samba"`.
pub fn samba() -> Option<()> {
    program("smbd").and(program("pdbedit")).map(drop)
}
