//! Extended attributes of a name in an open folder.

use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::io::Errno;

/// The largest extended attribute that Linux hands out (xattr(7)).
pub(crate) const XATTR_SIZE_MAX: usize = 65_536;
/// A path by which attribute calls, which take no folder handle, reach a name
/// in an open folder.
pub(crate) fn proc_path(folder: &OwnedFd, name: &CStr) -> CString {
    let mut path = format!("/proc/self/fd/{}/", folder.as_raw_fd()).into_bytes();
    path.extend_from_slice(name.to_bytes());
    CString::new(path).unwrap_or_default() // a CStr holds no NUL
}

/// The attribute under which ntfs-3g shows a stream.
pub(crate) fn stream_attribute(name: &[u8]) -> CString {
    CString::new([b"user.", name].concat()).unwrap_or_default()
}

/// An attribute of at most `bytes`; `None` if the file has none of that name or
/// the file system knows no such thing. (A buffer that is too small makes
/// ntfs-3g cut the value or answer EIO, hence the size beforehand.)
pub(crate) fn get_xattr(
    path: &CString,
    name: &str,
    bytes: usize,
) -> rustix::io::Result<Option<Vec<u8>>> {
    if_any(get_xattr_raw(path, name, bytes))
}

/// `None` where there is no such attribute.
pub(crate) fn if_any(value: rustix::io::Result<Vec<u8>>) -> rustix::io::Result<Option<Vec<u8>>> {
    match value {
        Ok(value) => Ok(Some(value)),
        Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(None),
        Err(e) => Err(e),
    }
}

pub(crate) fn get_xattr_raw(
    path: &CString,
    name: impl rustix::path::Arg + Copy,
    bytes: usize,
) -> rustix::io::Result<Vec<u8>> {
    let mut value = Vec::with_capacity(bytes);
    rustix::fs::lgetxattr(&**path, name, rustix::buffer::spare_capacity(&mut value))?;
    value.shrink_to_fit();
    Ok(value)
}

/// The same of an open file, which is no way to walk and to be asked about.
pub(crate) fn get_xattr_of(
    file: &OwnedFd,
    name: impl rustix::path::Arg,
    bytes: usize,
) -> rustix::io::Result<Vec<u8>> {
    let mut value = Vec::with_capacity(bytes);
    rustix::fs::fgetxattr(file, name, rustix::buffer::spare_capacity(&mut value))?;
    value.shrink_to_fit();
    Ok(value)
}

/// The names of a file's attributes, each with a NUL.
pub(crate) fn list_xattr(path: &CString) -> rustix::io::Result<Vec<u8>> {
    let mut names = Vec::with_capacity(XATTR_SIZE_MAX);
    match rustix::fs::llistxattr(&**path, rustix::buffer::spare_capacity(&mut names)) {
        Ok(_) => {
            names.shrink_to_fit();
            Ok(names)
        }
        Err(Errno::OPNOTSUPP) => Ok(Vec::new()),
        Err(e) => Err(e),
    }
}
