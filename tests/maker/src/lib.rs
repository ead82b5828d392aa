//! Makes the disk images that Lifeboat's tests and its demo run on: NTFS volumes
//! that hold USMT stores as a failed wipe leaves them.
//!
//! A disk is data before it is bytes: [`fixtures::Fixture`] → [`disk::DiskSpec`] →
//! [`volume::VolumeSpec`] → [`tree::TreeSpec`]. From that data the image is made
//! (by mkntfs and ntfs-3g, which know nothing of Lifeboat), and from the same
//! data comes the truth that tests compare with: [`expected`].
//!
//! ```no_run
//! # fn main() -> anyhow::Result<()> {
//! let image = lifeboat_maker::fixture("hardlink-one")?; // needs neither root nor FUSE
//! let truth = lifeboat_maker::expected("hardlink-one")?;
//! assert_eq!(truth.stores.len(), 1);
//! # Ok(()) }
//! ```

pub mod acceptance;
pub mod bitlocker;
pub mod container;
pub mod content;
pub mod damager;
pub mod deleter;
pub mod demo;
pub mod disk;
pub mod extended;
pub mod fixtures;
mod gpt;
pub mod hive;
pub mod many;
mod mbr;
pub mod mount;
pub mod pack;
pub mod path;
pub mod people;
pub mod populate;
pub mod random;
pub mod reparse;
pub mod rng;
pub mod security;
pub mod store;
pub mod tree;
pub mod volume;
pub mod wipe;
pub mod witness;
pub mod wof;

pub use mount::is_available;
pub use pack::{expected, fixture, fixture_copy};
