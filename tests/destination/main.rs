//! Where sets are written: folders and SMB shares, and what can go wrong there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a helper that fails is a failed test

mod beside;
mod both;
mod directory;
mod faults;
mod permissions;
mod smb;
