//! The update sequence: how NTFS tells a record that was written whole from
//! one that was torn (Linux-NTFS, "Fixup").
//!
//! The last two bytes of every 512-byte stride hold the record's update
//! sequence number; the bytes that belong there stand in an array in the
//! header. A stride that holds another number comes from another write.

use crate::model::bytes::{array_at, u16_at};
use crate::ntfs::error::{NtfsError, damaged};

/// Puts the true bytes back and returns how many bytes from the start are
/// good: all of them, or those before the first stride of another write.
pub fn apply(bytes: &mut [u8], at: u64, what: &'static str) -> Result<usize, NtfsError> {
    let short = || damaged(what, at, "an update sequence", "a record that is too short");
    let list_at = usize::from(u16_at(bytes, 4).ok_or_else(short)?);
    let count = usize::from(u16_at(bytes, 6).ok_or_else(short)?);
    let bad =
        |found: String| damaged(what, at + 4, "an update sequence that fits the record", found);
    let strides =
        count.checked_sub(1).filter(|n| *n > 0).ok_or_else(|| bad(format!("{count} entries")))?;
    // 512 in every volume seen, but the count says it better than we can.
    let stride = bytes.len() / strides;
    if stride * strides != bytes.len()
        || !stride.is_power_of_two()
        || !(256..=4096).contains(&stride)
    {
        return Err(bad(format!("{count} entries for {} bytes", bytes.len())));
    }
    // The array lies in the first stride, before its last two bytes.
    if list_at < 8 || list_at % 2 != 0 || list_at + count * 2 > stride - 2 {
        return Err(bad(format!("{count} entries at byte {list_at}")));
    }
    let number: [u8; 2] = array_at(bytes, list_at).ok_or_else(short)?;
    for i in 0..strides {
        let tail = (i + 1) * stride - 2;
        if bytes[tail..tail + 2] != number {
            return Ok(i * stride);
        }
        let truth: [u8; 2] = array_at(bytes, list_at + 2 + i * 2).ok_or_else(short)?;
        bytes[tail..tail + 2].copy_from_slice(&truth);
    }
    Ok(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record of two strides whose tails should read `aa bb` and `cc dd`.
    fn record() -> Vec<u8> {
        let mut b = vec![0x11; 1024];
        b[4..8].copy_from_slice(&[0x30, 0, 3, 0]);
        b[0x30..0x36].copy_from_slice(&[7, 0, 0xAA, 0xBB, 0xCC, 0xDD]);
        b[510..512].copy_from_slice(&[7, 0]);
        b[1022..1024].copy_from_slice(&[7, 0]);
        b
    }

    #[test]
    fn a_whole_record_gets_its_bytes_back() {
        let mut b = record();
        assert_eq!(apply(&mut b, 0, "record").unwrap(), 1024);
        assert_eq!((&b[510..512], &b[1022..]), (&[0xAA, 0xBB][..], &[0xCC, 0xDD][..]));
    }

    #[test]
    fn a_torn_record_is_good_up_to_the_tear() {
        let mut b = record();
        b[1022] = 6;
        assert_eq!(apply(&mut b, 0, "record").unwrap(), 512);
        let mut b = record();
        b[510] = 6;
        assert_eq!(apply(&mut b, 0, "record").unwrap(), 0);
    }

    #[test]
    fn absurd_arrays_are_refused() {
        for (at, count) in [
            (0x30, 0),
            (0x30, 1),
            (0x30, 4),
            (0x30, 0xFFFF),
            (4, 3),
            (0x31, 3),
            (508, 3),
            (0xFFFE, 3),
        ] {
            let mut b = record();
            b[4..6].copy_from_slice(&u16::to_le_bytes(at));
            b[6..8].copy_from_slice(&u16::to_le_bytes(count));
            assert!(apply(&mut b, 0, "record").is_err(), "{at} {count}");
        }
        assert!(apply(&mut [], 0, "record").is_err());
        assert!(apply(&mut [0; 8], 0, "record").is_err());
    }
}
