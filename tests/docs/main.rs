//! The documents, man pages, licences and the release say what is so.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a helper that fails is a failed test

#[allow(dead_code)] // of what may be typed only the description is used here
#[path = "../../src/cli/args.rs"]
mod args;
mod content;
mod licences;
mod lines;
mod man_pages;
mod messages;
mod release;
