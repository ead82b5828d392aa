//! The commands, one file each.

pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod detect;
pub(crate) mod extract;
pub(crate) mod gate;
pub(crate) mod inside;
pub(crate) mod list;
pub(crate) mod loadstate;
pub(crate) mod offload;
pub(crate) mod plain;
pub(crate) mod prune;
pub(crate) mod report;
pub(crate) mod restore;
pub(crate) mod seal;
pub(crate) mod sets;
pub(crate) mod verify;
pub(crate) mod verify_all;
