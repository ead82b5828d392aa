//! How disks are named.

use std::path::Path;

#[cfg(windows)]
use super::windows_names;

/// Whether `name` is how a disk is named, there or not: `/dev/nvme0n1`, `\\.\PhysicalDrive0`.
pub(crate) fn is_name_of_disk(name: &Path) -> bool {
    #[cfg(windows)]
    return matches!(
        windows_names::DeviceName::parse(&name.to_string_lossy()),
        Some(windows_names::DeviceName::Disk(_))
    );
    #[cfg(not(windows))]
    return name.starts_with("/dev");
}
