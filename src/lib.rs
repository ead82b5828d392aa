//! Lifeboat finds USMT migration stores on offline disks after a failed re-image, verifies them,
//! saves them to a share or a USB disk as a rescue set, and restores them so that `loadstate`
//! works.
//!
//! Two rules come before everything else: the source is never written to, and loss is never green. The
//! library reports through [`Monitor`](model::monitor::Monitor); it never prints and never exits.
//! `ARCHITECTURE.md` is the map of its rooms, in the order in which they may use each other.
//!
//! # Detect, verify, offload, restore
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//!
//! use lifeboat::destination::Missing;
//! use lifeboat::destination::directory::DirectoryDestination;
//! use lifeboat::health::{Check, check_store};
//! use lifeboat::model::finding::Severity;
//! use lifeboat::model::monitor::Collect;
//! use lifeboat::offload::OffloadRequest;
//! use lifeboat::restore::{Destinations, Options, restore};
//! use lifeboat::set::read::reader::SetReader;
//! use lifeboat::tree::source::Source;
//! use lifeboat::usmt::{Machine, StoreVolume, find_stores};
//!
//! # let scratch = tempfile::tempdir()?;
//! # let image = scratch.path().join("disk.img");
//! # let packed = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/hardlink-one.img.zst");
//! # zstd::stream::copy_decode(std::fs::File::open(packed)?, std::fs::File::create(&image)?)?;
//! # let (image, share) = (image.to_str().unwrap(), scratch.path().join("share"));
//! # let target = scratch.path().join("restored");
//! # std::fs::create_dir(&target)?;
//! let monitor = Collect::default();
//!
//! // Detect: every volume of a disk, a device or an image, read from its own structures.
//! let source = Source::open(image, None, &monitor)?;
//! let volumes: Vec<StoreVolume> = source.volumes.iter().filter_map(StoreVolume::of).collect();
//! let (stores, _) = find_stores(&volumes, &monitor);
//! let store = stores.first().ok_or("no migration store on this disk")?;
//!
//! // Verify: findings with a stable code, a severity, and what to do.
//! let report = check_store(store, &Check::default(), &monitor);
//! assert!(report.worst() < Some(Severity::Damage));
//!
//! // Offload: into a new rescue set at the destination.
//! let share = Arc::new(DirectoryDestination::open(&share, Missing::Make)?);
//! let request = OffloadRequest::default();
//! let saved = request.save_store(store, &Machine::default(), &Check::default(), &*share, &monitor)?;
//! assert_eq!(saved.losses, 0);
//!
//! // Restore: each part below the folder, under its drive letter; bytes are compared.
//! let set = SetReader::open(share, &saved.set)?;
//! let to = Destinations::Under(target);
//! let restored = restore(&set, &to, Options::default(), &monitor)?;
//! assert_eq!(restored.files, saved.rescue.totals.files);
//! // What the file system there cannot hold of NTFS's metadata is one loss for each kind.
//! # Ok(())
//! # }
//! ```
//!
//! # What is not the library's interface
//!
//! What only the program needs is `pub(crate)`. A module that is public but hidden from this
//! documentation (`cli`, and the bytes of NTFS and of the sets) is a door for this project's own
//! tests and fuzz targets.

#[doc(hidden)]
pub mod cli;
pub mod destination;
pub mod disk;
pub(crate) mod gate;
pub mod health;
pub mod model;
pub mod ntfs;
pub mod offload;
pub mod profiles;
pub mod report;
pub mod restore;
pub mod seal;
pub mod set;
pub mod sets;
pub mod tree;
pub mod usmt;
