//! What is attached: physical disks, images, partitions, and what each volume
//! is by its own first bytes. Everything here is opened for reading only.

pub(crate) mod aligned;
pub mod bitlocker;
pub(crate) mod cache;
pub(crate) mod condition;
pub mod controllers;
mod crc;
mod device;
mod error;
mod fault;
mod guid;
mod hardware;
mod image;
mod layout;
#[cfg(target_os = "linux")]
mod linux;
mod live;
mod lost;
mod mapfile;
mod memory;
mod name;
pub(crate) mod ntfs_boot;
mod open;
mod partitions;
mod raid;
mod rights;
mod slice;
mod volume;
#[cfg(windows)]
mod windows;
#[cfg(windows)]
pub(crate) use windows::be_quiet;
#[cfg(windows)]
mod windows_disks;
mod windows_names;

/// Whether the Windows whose folder (`%SystemRoot%`) this is, is WinPE: only that has this set-up
/// tool.
pub(crate) fn is_windows_pe(system_root: &std::path::Path) -> bool {
    system_root.join("System32").join("wpeutil.exe").is_file()
}

pub(crate) use cache::Cached;
pub use device::Device;
pub use error::DiskError;
pub(crate) use error::is_gone;
pub use fault::Fault;
pub use guid::Guid;
pub use hardware::Hardware;
pub use image::container::{Container, DiskFormat, open_container};
pub use image::file::FileDevice;
pub use image::foreign::Foreign;
pub use layout::{Disk, Volume};
pub(crate) use live::TornReadRetry;
pub use lost::{Depth, Unsearched};
pub use mapfile::Mapfile;
pub use memory::MemoryDevice;
pub(crate) use name::is_name_of_disk;
pub use open::{attached, open, open_image, open_with};
pub(crate) use open::{image_below, names_a_device};
pub use partitions::table::{Partition, PartitionTable, PartitionType, TableKind};
pub use raid::RaidMember;
pub(crate) use slice::Slice;
pub use volume::{Identity, VolumeKind, identify};
