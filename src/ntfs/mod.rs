//! An NTFS volume, read from its device.
//!
//! From the bytes up: [`ondisk`] takes the structures apart, a file each; [`codec`]
//! decompresses; [`read`] reads records, files and streams; `catalog` passes once over the
//! whole `$MFT`, from which names and folders are answered without touching the disk again;
//! `salvage` finds what the catalog alone would miss.
//!
//! On-disk facts are cited where they are used. "Linux-NTFS" is the public
//! documentation of that project; MS-FSCC and MS-EFSR are Microsoft's.
#![forbid(unsafe_code)]

mod catalog;
#[doc(hidden)] // for tests, benches and fuzz targets
pub mod codec;
pub mod error;
#[doc(hidden)] // likewise
pub mod ondisk;
pub mod read;
mod salvage;
mod volume_findings;

pub(crate) use catalog::sweep::sweep;
pub(crate) use catalog::{Catalog, Entry as CatalogEntry, Folder, ORPHANS, entry_flag};
pub use error::NtfsError;
pub(crate) use read::content::{Kind, kind_of};
pub(crate) use read::efs_data::EfsData;
pub(crate) use read::file::{Body, File, FileAttribute};
pub(crate) use read::secure::Security;
pub(crate) use read::wof_data::WofData;
pub(crate) use salvage::deleted::Trust;
pub(crate) use salvage::deleted::list as list_deleted;
pub use salvage::deleted::{DeletedFile, Doubt, Readable};
pub(crate) use salvage::listing::{Comparison, compare, is_lost_folder, why_only_a_name};
pub(crate) use salvage::reattach::{Reattached, reattach};
pub(crate) use salvage::reuse::mask;
pub(crate) use volume_findings::of_volume;
