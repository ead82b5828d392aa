//! The second way in: a mounted folder, through the host's own file API. For
//! volumes that are not NTFS, and wherever the raw device is refused.
//!
//! Links, junctions and other reparse points are never followed, and file
//! systems mounted below are not entered: both are shown as what they are.
//! Ids count the files as they are met; they hold for one `HostTree`.
//!
//! What a host cannot show is a missing fact, listed by `HostTree::limits`,
//! and never a reason to stop.

#[cfg(any(target_os = "linux", windows))]
mod files;
#[cfg(any(windows, test))]
pub(crate) mod layouts;
mod stream;
mod table;

#[cfg(target_os = "linux")]
pub(crate) mod linux;
#[cfg(target_os = "linux")]
pub use linux::HostTree;

#[cfg(windows)]
pub(crate) mod windows;
#[cfg(windows)]
pub use windows::{HostTree, privileges};

#[cfg(target_os = "linux")]
use crate::model::bytes::u32_at;

/// Which facts are asked for, where each costs a call.
#[cfg(target_os = "linux")]
#[derive(Clone, Copy)]
#[allow(clippy::struct_excessive_bools)] // that is what it is
pub(crate) struct Wanted {
    pub(crate) security: bool,
    pub(crate) object_id: bool,
    pub(crate) extended_attributes: bool,
    pub(crate) short_name: bool,
    pub(crate) streams: bool,
}

#[cfg(target_os = "linux")]
impl Wanted {
    pub(crate) const ALL: Self = Self {
        security: true,
        object_id: true,
        extended_attributes: true,
        short_name: true,
        streams: true,
    };
}

/// An object id as the file record has it: hosts fill the 48 birth bytes
/// (MS-FSCC 2.1.3) up with zeros where there are none. `None` for no id at all.
fn object_id(mut told: Vec<u8>) -> Option<Vec<u8>> {
    if told.get(16..).is_some_and(|birth| birth.iter().all(|b| *b == 0)) {
        told.truncate(16);
    }
    told.iter().any(|b| *b != 0).then_some(told)
}

/// The algorithm's name in a WOF reparse buffer (MS-FSCC does not describe it;
/// `WOF_EXTERNAL_INFO` and `FILE_PROVIDER_EXTERNAL_INFO_V1` of Microsoft's
/// `ntifs.h` do). `reparse` has its header.
#[cfg(target_os = "linux")]
fn wof_algorithm(reparse: &[u8]) -> &'static str {
    // After the 8-byte header: version, provider (2: a file), version, algorithm.
    match (u32_at(reparse, 12), u32_at(reparse, 20)) {
        (Some(2), Some(0)) => "XPRESS4K",
        (Some(2), Some(1)) => "LZX",
        (Some(2), Some(2)) => "XPRESS8K",
        (Some(2), Some(3)) => "XPRESS16K",
        _ => "unknown algorithm",
    }
}
