//! NTFS volumes read from their own structures: what is on them, damaged ones,
//! hostile ones, and the decoders of compressed data.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a helper that fails is a failed test
#![allow(clippy::unnecessary_debug_formatting)] // paths in messages

mod codecs;
mod content;
mod damage;
mod damager;
mod deleted;
mod findings;
mod hostile;
mod random;
mod reader;
mod sweep;
mod upcase;
