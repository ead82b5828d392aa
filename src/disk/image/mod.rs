//! Disk images: plain files, VHD, VHDX, and the formats that are recognised and refused.

pub(crate) mod container;
pub(crate) mod file;
pub(crate) mod foreign;
mod vhd;
mod vhdx;
mod vhdx_log;
