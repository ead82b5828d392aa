//! Data that other programs have compressed, for the tests and benches of the decoders.

pub mod made;
#[cfg(target_os = "linux")]
pub mod volume;
pub mod wim_resource;
