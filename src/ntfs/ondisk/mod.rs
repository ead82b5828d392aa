//! The structures as they lie on the disk, a file each: bytes in, values out, no device.

pub mod attribute;
pub mod attribute_list;
pub mod boot;
pub mod file_name;
pub mod fixup;
pub mod log_file;
pub mod record;
pub mod runs;
pub mod standard_information;
pub mod volume_information;
