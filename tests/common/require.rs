//! What a test needs and this machine may lack: Wine, a Samba server, FUSE.
//!
//! ```ignore
//! #[path = "common/require.rs"]
//! mod require;
//!
//! let Some(wine) = require::require("wine", wine::find) else { return };
//! ```
//!
//! Where the thing is missing the test says so by name and passes over the
//! rest. With `LIFEBOAT_REQUIRE_ALL=1`, as `scripts/test.sh` sets it, that is a
//! failure: there `scripts/setup.sh` has installed everything. What no package
//! can bring (a container without `/dev/fuse`) `LIFEBOAT_MAY_LACK` names, words
//! separated by spaces. `LIFEBOAT_SKIP_LIST` is a file that collects the names
//! of the tests that were passed over.
#![allow(dead_code)] // every test crate uses a part of it

use std::io::Write;
use std::path::PathBuf;

/// What `look` finds; `None` after saying that the test is skipped. `what` is
/// one word, as it would stand in `LIFEBOAT_MAY_LACK`.
///
/// # Panics
/// When it is missing and `LIFEBOAT_REQUIRE_ALL=1`.
pub(crate) fn require<T>(what: &str, look: impl FnOnce() -> Option<T>) -> Option<T> {
    let found = look();
    if found.is_none() {
        skip(what);
    }
    found
}

/// A program on `PATH`, or where Debian puts what is for administrators.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
}

/// Whether file systems can be mounted through FUSE.
pub(crate) fn fuse() -> Option<()> {
    std::fs::OpenOptions::new().read(true).write(true).open("/dev/fuse").ok().map(drop)
}

fn skip(what: &str) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    let variable = |name| std::env::var(name).unwrap_or_default();
    let may_lack = variable("LIFEBOAT_MAY_LACK");
    assert!(
        variable("LIFEBOAT_REQUIRE_ALL") != "1" || may_lack.split_whitespace().any(|w| w == what),
        "{test} needs {what}, which is not here, and LIFEBOAT_REQUIRE_ALL is set: \
         run scripts/setup.sh test"
    );
    eprintln!("SKIPPED {test}: {what} is not here (scripts/setup.sh test installs it)");
    if let Some(list) = std::env::var_os("LIFEBOAT_SKIP_LIST") {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(list);
        // One write a line, so that tests that run side by side do not mix theirs.
        let line = format!("{test} (needs {what})\n");
        file.and_then(|mut f| f.write_all(line.as_bytes()))
            .expect("LIFEBOAT_SKIP_LIST is writable");
    }
}
