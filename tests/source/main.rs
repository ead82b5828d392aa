//! Where a store is read from: disks, volumes, mounted folders; which stores are
//! found there, what is found out about them, and their seals.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a helper that fails is a failed test

mod bitlocker;
mod bitlocker_commands;
mod bitlocker_judges;
mod clones;
mod closed_volumes;
mod cloud_folders;
mod deleted_stores;
mod detect;
mod disk;
mod disk_findings;
mod fat_volumes;
mod findings;
mod host_tree;
mod lost_partitions;
mod mapfiles;
mod missing_parts;
mod seal;
mod seal_unread;
mod two_ways;
mod unseen_disks;
mod users;
mod which_way;
