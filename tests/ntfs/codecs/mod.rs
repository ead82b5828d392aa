//! The decoders against data that other programs have compressed: wimlib's
//! XPRESS and LZX, ntfs-3g's LZNT1 and its EFS files. What those programs made of our own text is
//! kept in `vectors/`, for machines without them.

// Random numbers are cut to bytes.
#![allow(clippy::cast_possible_truncation)]

use support::require;

#[cfg(target_os = "linux")]
mod efs;
#[cfg(target_os = "linux")]
mod lznt1;
mod lzx_by_hand;
mod vectors;
mod wim;

/// Whether a program is there; if not, says which test is skipped.
fn has(program: &str, _test: &str) -> bool {
    require::require(program, || require::program(program)).is_some()
}
