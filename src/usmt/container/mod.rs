//! The container of a compressed store (`USMT.MIG`).
//!
//! Its format is not documented. This is the format of Windows Easy Transfer
//! files, whose library has the same constants as USMT's. USMT's container is
//! very probably the same (inferred):
//!
//! ```text
//! 0x00  "1giM"  u32 version (2)  ...                  first record at 0x18;
//!                                                     about 0x34 with a password
//! record: "MRTS"  u32 name_bytes  u32 size  3 x u32 unknown        24 bytes
//!         name, UTF-16LE
//!         8 unknown bytes
//!         zlib data                                   `size` bytes from the name on
//! ```
//!
//! The only known checksum is zlib's own Adler-32. The known part of a record
//! has neither times nor permissions nor the size of the file.

mod check;
mod names;
mod pieces;
mod records;
mod unpack;

pub use check::{ContainerReport, check_container};
pub use names::{Pattern, Place};
pub(crate) use names::{is_catalog, record_names};
pub(crate) use pieces::OpenPieces;
pub use records::{Item, Record, Records, Start};
pub use unpack::{Payload, PayloadError};

const MAGIC: &[u8; 4] = b"1giM";
const RECORD_MAGIC: &[u8; 4] = b"MRTS";
const RECORD_HEADER_BYTES: usize = 24;
const FIRST_RECORD: u64 = 0x18;
const UNKNOWN_BYTES: usize = 8;

/// A problem in a container.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// Byte in the container (all pieces as one).
    pub offset: u64,
    /// The name of the record, if it has one.
    pub record: Option<String>,
    /// For people.
    pub what: String,
}
