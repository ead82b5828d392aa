//! Lifeboat finds USMT migration stores on offline disks after a failed
//! re-image, proves what state they are in, packs them onto a share or a USB
//! disk, and puts them back so that `loadstate` restores them.
//!
//! The rooms, in the order the data flows: [`disk`] → [`ntfs`] → [`tree`] →
//! [`store`] → [`health`] → [`archive`] → [`target`] → [`restore`]; [`seal`]
//! guards a store between them, [`report`] tells people what a set holds.
//! `ARCHITECTURE.md` is the map. Two rules stand above all: the source is never
//! written to, and loss is never green.
//!
//! The library reports through [`monitor::Monitor`]; only the
//! binary (`src/cli`) prints.

pub mod cli;
pub mod destination;
pub mod disk;
pub mod health;
pub mod model;
pub mod ntfs;
pub mod offload;
pub mod report;
pub mod restore;
pub mod seal;
pub mod set;
pub mod tree;
pub mod usmt;
