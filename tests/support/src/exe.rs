//! Where the Windows program is.

use std::path::PathBuf;

/// `LIFEBOAT_EXE`, or what `scripts/build-windows.sh` made last for 64 bits.
pub fn find() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("LIFEBOAT_EXE") {
        let named = PathBuf::from(named);
        assert!(named.is_file(), "LIFEBOAT_EXE: {} is not there", named.display());
        return Some(named);
    }
    built("x86_64")
}

/// That one, and those for 32 bits and ARM64 where they were built: CI builds the first alone,
/// `scripts/release.sh` all.
pub fn all() -> Option<Vec<PathBuf>> {
    let mut all = vec![find()?];
    if std::env::var_os("LIFEBOAT_EXE").is_none() {
        all.extend(built("i686"));
        all.extend(built("aarch64"));
    }
    Some(all)
}

/// The program that proves it on a real Windows, as `scripts/build-windows.sh` made it
/// last for 64 bits.
pub fn selftest() -> Option<PathBuf> {
    built_as("x86_64", "lifeboat-selftest.exe")
}

/// Every program that is handed out.
pub fn handed_out() -> Option<Vec<PathBuf>> {
    let mut all = all()?;
    for arch in ["x86_64", "i686", "aarch64"] {
        all.extend(built_as(arch, "lifeboat-selftest.exe"));
    }
    Some(all)
}

fn built(arch: &str) -> Option<PathBuf> {
    built_as(arch, "lifeboat.exe")
}

fn built_as(arch: &str, name: &str) -> Option<PathBuf> {
    let target = match arch {
        "aarch64" => "aarch64-pc-windows-gnullvm".to_owned(),
        arch => format!("{arch}-win7-windows-gnu"),
    };
    let target = crate::root().join("target/windows").join(target);
    ["release", "debug"]
        .map(|profile| target.join(profile).join(name))
        .into_iter()
        .filter(|exe| exe.is_file())
        .max_by_key(|exe| exe.metadata().and_then(|m| m.modified()).ok())
}
