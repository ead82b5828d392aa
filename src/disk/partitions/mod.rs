//! Partition tables: MBR and GPT.

mod gpt;
mod mbr;
pub(crate) mod table;
