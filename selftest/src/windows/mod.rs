//! Windows' own calls. Each has Microsoft's page beside it.

pub mod disks;
pub mod files;
pub mod machine;

use std::ffi::OsStr;
use std::io;
use std::os::windows::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A text for a call that wants it to end in NUL.
pub(crate) fn wide(text: impl AsRef<OsStr>) -> Vec<u16> {
    text.as_ref().encode_wide().chain([0]).collect()
}

/// An error by its number.
pub(crate) fn win32(code: u32) -> io::Error {
    io::Error::from_raw_os_error(code.cast_signed())
}

/// A path that Windows takes as it stands: any length, dots and spaces at the end,
/// names of devices. (Naming Files, Paths, and Namespaces: "Win32 File Namespaces")
pub fn verbatim(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let text = absolute.display().to_string();
    if text.starts_with(r"\\?\") || text.starts_with(r"\\.\") {
        return path.to_owned();
    }
    match text.strip_prefix(r"\\") {
        Some(share) => PathBuf::from(format!(r"\\?\UNC\{share}")),
        None => PathBuf::from(format!(r"\\?\{text}")),
    }
}

/// A path as programs such as `compact` want it.
pub fn plain(path: &Path) -> String {
    let text = path.display().to_string();
    match text.strip_prefix(r"\\?\UNC\") {
        Some(share) => format!(r"\\{share}"),
        None => text.strip_prefix(r"\\?\").unwrap_or(&text).to_owned(),
    }
}
