//! Rescue sets: written, read, verified, resumed, damaged, encrypted, and opened
//! with the tools of any machine.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a helper that fails is a failed test

mod damage;
mod encrypted;
mod findings;
mod forged_memory;
mod format;
mod gate;
mod good_data_first;
mod memory;
mod old_sets;
mod read;
mod read_back;
mod report;
mod resume;
mod script;
mod seek;
mod source_gone;
mod stock_tools;
