//! The program as its users run it: commands, settings, events, exit codes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a helper that fails is a failed test

mod as_elsewhere;
mod at_once;
mod compressed;
mod doubts;
mod end_to_end;
mod folder;
mod foreign_text;
mod gate;
mod json;
mod killed;
mod limits;
mod offload;
mod progress;
mod prune;
mod sets;
mod settings;
mod sweep;
mod unfinished;
mod users;
mod verify_all;
mod verify_copy;
