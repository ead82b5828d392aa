//! What a test needs and this machine may lack: Wine, a Samba server, FUSE. A test
//! says it by [`need!`](crate::need).
//!
//! Where the thing is missing the test says so by name and is skipped. With
//! `LIFEBOAT_REQUIRE_ALL=1`, as `scripts/test.sh` sets it, that is a failure:
//! `scripts/setup.sh test` has installed everything by then. What no package can
//! bring, such as mounts in a container, `LIFEBOAT_WITHOUT` lists (words with
//! spaces between): that is skipped without looking. `LIFEBOAT_SKIP_LIST` is a file
//! that collects the tests that were skipped.

use std::io::Write;
use std::path::PathBuf;

use crate::exe;

/// Returns from a test, after saying so, unless the machine has what it needs.
///
/// ```ignore
/// need!("fuse", "qemu-img"); // words of `known`: kinds of things, and programs
/// let wine = need!("wine", wine::find); // a word, and what finds the thing
/// let server = need!(Smbd::start()); // what has said by itself that it is not here
/// ```
///
/// In a helper that returns an `Option` it returns `None`.
#[macro_export]
macro_rules! need {
    ($($what:literal),+ $(,)?) => {
        $( $crate::need!($crate::require::require($what, || $crate::require::known($what))); )+
    };
    ($what:literal, $look:expr) => {
        $crate::need!($crate::require::require($what, $look))
    };
    ($found:expr) => {
        match $found {
            Some(found) => found,
            None => return Default::default(),
        }
    };
}

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

/// Whether the thing is here that a word of `LIFEBOAT_WITHOUT` stands for.
pub fn known(what: &str) -> Option<()> {
    match what {
        "fuse" => mounts(),
        "libbde" => libbde().map(drop),
        "lifeboat.exe" => exe::find().map(drop),
        "loop" => loop_devices(),
        "mingw" => mingw().map(drop),
        "root" => is_root(),
        "tree-sitter-powershell" => powershell_parser().map(drop),
        // Samba's modules for NT's permissions, which Debian packs apart.
        "samba-vfs-modules" => acl_module(),
        "samba" => program("smbd").and(program("pdbedit")).map(drop),
        "wimtools" => program("wimlib-imagex").map(drop),
        name => program(name).map(drop),
    }
}

/// A Python with libbde's module.
pub fn libbde() -> Option<PathBuf> {
    python_with("pybde")
}

/// A Python with a parser for PowerShell.
pub fn powershell_parser() -> Option<PathBuf> {
    python_with("tree_sitter, tree_sitter_powershell")
}

/// A Python with these modules: that of `scripts/setup.sh`, or the system's.
fn python_with(modules: &str) -> Option<PathBuf> {
    let own = crate::root().join("target/python/bin/python3");
    [Some(own), program("python3")].into_iter().flatten().find(|python| {
        let run =
            std::process::Command::new(python).args(["-c", &format!("import {modules}")]).output();
        run.is_ok_and(|run| run.status.success())
    })
}

/// [`require`] for each of these.
pub fn all(words: &[&str]) -> Option<()> {
    words.iter().all(|word| require(word, || known(word)).is_some()).then_some(())
}

/// The compiler of 64-bit programs for Windows.
pub fn mingw() -> Option<PathBuf> {
    program("x86_64-w64-mingw32-gcc")
}

/// The module of Samba that keeps NT's permissions.
fn acl_module() -> Option<()> {
    let folders = ["/usr/lib/samba/vfs".into()].into_iter().chain(
        std::fs::read_dir("/usr/lib").ok()?.flatten().map(|entry| entry.path().join("samba/vfs")),
    );
    folders.map(|folder| folder.join("acl_xattr.so")).any(|module| module.is_file()).then_some(())
}

#[cfg(unix)]
fn is_root() -> Option<()> {
    use std::os::unix::fs::MetadataExt;
    (std::fs::metadata("/proc/self").ok()?.uid() == 0).then_some(())
}

#[cfg(not(unix))]
fn is_root() -> Option<()> {
    None
}

/// Whether NTFS images can be made and mounted.
#[cfg(target_os = "linux")]
fn mounts() -> Option<()> {
    lifeboat_maker::is_available().ok()
}

#[cfg(not(target_os = "linux"))]
fn mounts() -> Option<()> {
    None
}

/// Whether loop devices can be made here, which takes root and a kernel that
/// lets us.
fn loop_devices() -> Option<()> {
    program("losetup")?;
    let found = std::process::Command::new("losetup").arg("-f").output().ok()?;
    let device = String::from_utf8(found.stdout).ok()?;
    let usable = found.status.success() && std::path::Path::new(device.trim()).exists();
    (usable && std::fs::File::open("/dev/loop-control").is_ok()).then_some(())
}
