//! Sets restored to folders and NTFS volumes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a helper that fails is a failed test

mod from_set;
mod hostile;
mod in_place;
mod into_profile;
mod mounted;
mod own_files;
mod random;
mod repeated;
