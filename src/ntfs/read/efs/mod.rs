//! EFS files in their raw export form: what `ReadEncryptedFileRaw` yields and
//! `WriteEncryptedFileRaw` imports, without anybody's key.
//!
//! ```text
//! 00 01 00 00 "ROBS" 8 zeros                        MS-EFSR 2.2.3
//! stream    length "NTFS" flag 8 zeros name         2.2.3.1, first $EFS, then the data streams
//!   segment   length "GURE" 4 zeros                 2.2.3.2, for each 64 KiB of the stream
//!     encryption header, to byte 512 of the segment 2.2.3.3, not in $EFS
//!     ciphertext                                    in blocks, whole 512-byte sectors
//! ```
//! (The signatures are UTF-16, all numbers little-endian.) The encryption header
//! is `ENCRYPTED_DATA_INFO` followed by `EXTENDED_ENCRYPTED_DATA_INFO`, whose
//! fields winioctl.h explains.
//!
//! # How sure this is
//! The structures are Microsoft's ("SHOULD be formatted as follows", 2.2.3). What
//! they leave open was taken from descriptions of exports that Windows made, by
//! others who read them, and is marked here:
//! - *seen*: segments of at most 64 KiB of ciphertext; an encryption header of
//!   496 bytes (data at byte 512), with the extended header present and zeros up
//!   to the data; a unit of the smallest power of two, 512 or more, that holds
//!   the segment's part of the stream; one block, rounded up to 512 bytes; the
//!   name `::$DATA` with no NUL after it (2.2.3.1 calls it null-terminated);
//! - *read, not seen*: a segment past the valid data has one block of size 0,
//!   and the block that the valid data ends in is cut at the sector
//!   (`ENCRYPTED_DATA_INFO::DataBlockSize`: 0 is all zeros, less than the unit is
//!   zeros from there on); sparse streams have the compression unit as unit, a
//!   block of size 0 for each hole, and flag 1 in the extended header (2.2.3.4);
//! - *inferred*: named streams are called `:name:$DATA`; an empty stream has a
//!   header and no segment; a stream that is not encrypted has segments of
//!   64 KiB.
//!
//! None of it was tried on a real Windows. What cannot be put into this form at
//! all is an [`EfsLost`].
//!
//! # Ciphertext on the volume
//! NTFS encrypts each 512-byte sector on its own and pads the last one of a
//! stream with zeros before: the sector that the valid data ends in is whole on
//! the volume, beyond the stream's size. Bytes after the valid data length were
//! never encrypted and read as zeros.

// What is cast was bounded by the size of a segment, a header or a name.
#![allow(clippy::cast_possible_truncation)]

mod export;
mod import;

pub use export::{EfsExport, EfsStream, Sparse};
pub use import::{EfsEvent, EfsFormatError, EfsImport};

/// "ROBS" with its version, at the start.
const FILE_SIGNATURE: [u8; 12] = *b"\x00\x01\x00\x00R\x00O\x00B\x00S\x00";
/// Bytes of the header at the start.
const FILE_HEADER: usize = 20;
/// "NTFS", at byte 4 of a stream.
const STREAM_SIGNATURE: [u8; 8] = *b"N\x00T\x00F\x00S\x00";
/// Bytes of a stream's header without its name.
const STREAM_HEADER: usize = 28;
/// "GURE", at byte 4 of a segment.
const SEGMENT_SIGNATURE: [u8; 8] = *b"G\x00U\x00R\x00E\x00";
/// Bytes of a segment's header.
const SEGMENT_HEADER: usize = 16;
/// "EXTD" with its length, at the start of the extended header.
const EXTENDED_SIGNATURE: [u8; 8] = *b"EXTD\x10\x00\x00\x00";
/// Bytes of an encryption header without block sizes.
const ENCRYPTION_HEADER: usize = 28;
/// Bytes of an encryption header as Windows writes it.
const ENCRYPTION_HEADER_PADDED: usize = 512 - SEGMENT_HEADER;
/// Bytes of a stream that a segment stands for, at most.
const SEGMENT: u64 = 65_536;
/// Bytes that are encrypted together.
const SECTOR: u64 = 512;
/// The name of the metadata stream, 0x1910.
const METADATA_NAME: [u8; 2] = [0x10, 0x19];
/// Windows takes no more metadata than this (MS-EFSR 7, note 7).
const METADATA_MAX: usize = 262_144;

/// Why a file cannot be put into the export form exactly.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum EfsLost {
    /// Its `$EFS` attribute, which holds the wrapped keys, is missing or cut.
    #[error("its $EFS metadata has {found} bytes, expected {expected}: the keys are incomplete")]
    Metadata {
        /// Bytes expected.
        expected: u32,
        /// Bytes found.
        found: usize,
    },
    /// Its `$EFS` attribute is larger than Windows takes back.
    #[error("its $EFS metadata has {found} bytes, Windows imports 262,144 at most")]
    MetadataTooLarge {
        /// Bytes found.
        found: usize,
    },
    /// Windows was about to encrypt or decrypt it.
    #[error("its encryption was under way (state {state:#x}): part of it may be plain")]
    UnderWay {
        /// The second word of `$EFS`, 0 when all is done.
        state: u32,
    },
    /// A sparse stream whose holes the form cannot express.
    #[error("its stream \"{name}\" has holes that the export form cannot express: {reason}")]
    Holes {
        /// The stream; empty for the unnamed one.
        name: String,
        /// What is the matter with them.
        reason: &'static str,
    },
    /// Sizes that contradict each other.
    #[error("its stream \"{name}\" has {valid} valid bytes of {size}")]
    Sizes {
        /// The stream; empty for the unnamed one.
        name: String,
        /// Bytes in all.
        size: u64,
        /// Bytes that are valid.
        valid: u64,
    },
}

/// Looks whether the contents of `$EFS` can be exported: all there, and no
/// encryption under way. (MS-EFSR 2.2.2.1: Length, `Reserved1`, `EFS_Version`;
/// in versions 1 to 5 the length is that of the whole.)
fn check_metadata(efs: &[u8]) -> Result<(), EfsLost> {
    let found = efs.len();
    let word = |at: usize| {
        let bytes = efs.get(at..).and_then(<[u8]>::first_chunk).copied();
        bytes.map(u32::from_le_bytes).ok_or(EfsLost::Metadata { expected: 12, found })
    };
    let (length, state, version) = (word(0)?, word(4)?, word(8)?);
    if found > METADATA_MAX {
        return Err(EfsLost::MetadataTooLarge { found });
    }
    if (1..=5).contains(&version) {
        if usize::try_from(length) != Ok(found) {
            return Err(EfsLost::Metadata { expected: length, found });
        }
        if state != 0 {
            return Err(EfsLost::UnderWay { state });
        }
    }
    Ok(())
}

/// What ntfs-3g, mounted with `efs_raw`, wants after the ciphertext of a stream
/// (which it takes in whole sectors) to know its size: how many bytes of the
/// last sector are padding. The `$EFS` bytes go into `system.ntfs_efsinfo`
/// after that.
pub fn ntfs_3g_tail(size: u64) -> [u8; 2] {
    let padding = size.next_multiple_of(SECTOR) - size;
    [(padding & 0xFF) as u8, (padding >> 8) as u8]
}

#[cfg(test)]
mod tests;
