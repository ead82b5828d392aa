//! Whether this process may open disks.

#[cfg(windows)]
mod windows;

/// Whether this account is root, or an administrator with all of its rights: then it is not for
/// want of rights that a disk cannot be opened.
pub(super) fn has_full_rights() -> bool {
    #[cfg(target_os = "linux")]
    return rustix::process::geteuid().is_root();
    #[cfg(windows)]
    return windows::is_elevated();
    #[cfg(not(any(target_os = "linux", windows)))]
    return false;
}
