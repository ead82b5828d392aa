//! The documents, man pages, licences and the release say what is so.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a helper that fails is a failed test

mod content;
mod licences;
mod lines;
mod man_pages;
mod messages;
mod powershell;
mod release;
mod stick;
