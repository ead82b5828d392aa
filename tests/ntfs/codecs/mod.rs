//! The decoders against data that other programs have compressed: wimlib's
//! XPRESS and LZX, ntfs-3g's LZNT1 and its EFS files. What those programs made of our own text is
//! kept in `vectors/`, for machines without them.

// Random numbers are cut to bytes.
#![allow(clippy::cast_possible_truncation)]

#[cfg(target_os = "linux")]
mod efs;
#[cfg(target_os = "linux")]
mod lznt1;
mod lzx_by_hand;
mod vectors;
mod wim;
