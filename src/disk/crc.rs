//! The two checksums of partition tables and containers: CRC-32 as in GPT
//! (UEFI 2.10, 5.3.2) and CRC-32C as in VHDX (MS-VHDX 2.2).

/// A reflected CRC-32 with all ones in and out.
pub(crate) struct Crc32([u32; 256]);

/// GPT's: polynomial 0x04C11DB7.
pub(crate) static CRC32: Crc32 = Crc32::new(0xEDB8_8320);
/// VHDX's: Castagnoli, polynomial 0x1EDC6F41.
pub(crate) static CRC32C: Crc32 = Crc32::new(0x82F6_3B78);

impl Crc32 {
    const fn new(reflected: u32) -> Self {
        let mut table = [0; 256];
        let mut i = 0;
        while i < 256 {
            #[allow(clippy::cast_possible_truncation, reason = "i < 256; try_from is not const")]
            let mut crc = i as u32;
            let mut bit = 0;
            while bit < 8 {
                crc = if crc & 1 == 1 { crc >> 1 ^ reflected } else { crc >> 1 };
                bit += 1;
            }
            table[i] = crc;
            i += 1;
        }
        Self(table)
    }

    /// Of `pieces`, one after the other.
    pub(crate) fn of(&self, pieces: &[&[u8]]) -> u32 {
        let bytes = pieces.iter().copied().flatten();
        !bytes.fold(!0, |crc: u32, b| crc >> 8 ^ self.0[usize::from(crc.to_le_bytes()[0] ^ b)])
    }

    /// Of `bytes`, with the four bytes at `at` (the checksum itself) as zeros.
    pub(crate) fn without_field(&self, bytes: &[u8], at: usize) -> Option<u32> {
        let after = bytes.get(at.checked_add(4)?..)?;
        Some(self.of(&[bytes.get(..at)?, &[0; 4], after]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_check_values() {
        assert_eq!(CRC32.of(&[b"123456789"]), 0xCBF4_3926);
        assert_eq!(CRC32C.of(&[b"1234", b"56789"]), 0xE306_9283);
        let zeroed = CRC32.of(&[b"ab\0\0\0\0cd"]);
        assert_eq!(CRC32.without_field(b"abXXXXcd", 2), Some(zeroed));
        assert_eq!(CRC32.without_field(b"abc", 2), None);
    }
}
