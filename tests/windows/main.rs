//! `lifeboat.exe`: what it imports, and what it does under Wine. On Windows itself,
//! `files` alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a helper that fails is a failed test

mod bitlocker;
mod disks;
mod files;
mod guided;
mod imports;
mod loadstate;
mod pe_image;
mod resources;
mod restore;
mod scripts;
mod selftest;
mod two_ways;
mod users;
mod usmtutils;
mod wine;
