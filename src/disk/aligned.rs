//! Any read out of whole sectors: Windows' disk and volume devices take
//! nothing else.
#![cfg_attr(not(windows), allow(dead_code))] // no platform of its own, so it is tested everywhere

use std::io;

use crate::disk::device::Device;

/// The largest single read. Enough for full speed, and no driver refuses it.
const MOST: usize = 1 << 20;

/// Reads whole sectors: `offset`, the length and the address of `buf` are
/// multiples of the sector size.
pub(crate) trait SectorReader: Send + Sync {
    /// Fills `buf`, or fails.
    fn read_sectors(&self, offset: u64, buf: &mut [u8]) -> io::Result<()>;
}

/// A device that reads whole sectors, made fit for any read.
pub(crate) struct Aligned<R> {
    reader: R,
    len: u64,
    sector: usize,
}

impl<R: SectorReader> Aligned<R> {
    /// `sector` is a power of two; what is not is taken for 512.
    pub(crate) fn new(reader: R, len: u64, sector: u32) -> Self {
        let sector = usize::try_from(sector).unwrap_or(512);
        let sector =
            if (512..=MOST).contains(&sector) && sector.is_power_of_two() { sector } else { 512 };
        Self { reader, len, sector }
    }

    /// The same device, once its length is known.
    #[cfg(windows)]
    pub(crate) fn with_len(self, len: u64) -> Self {
        Self { len, ..self }
    }
}

impl<R: SectorReader> Device for Aligned<R> {
    fn read_exact_at(&self, offset: u64, mut buf: &mut [u8]) -> io::Result<()> {
        let end = offset.checked_add(buf.len() as u64);
        if end.is_none_or(|end| end > self.len) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let sector = self.sector as u64;
        let mut at = offset;
        // Allocated at the first piece that does not fit as it is.
        let mut scratch = Vec::new();
        while !buf.is_empty() {
            let skip = usize::try_from(at % sector).unwrap_or(0);
            let fits = skip == 0 && buf.len() >= self.sector;
            let piece = if fits && buf.as_ptr().align_offset(self.sector) == 0 {
                let piece = (buf.len() / self.sector * self.sector).min(MOST);
                let (now, rest) = buf.split_at_mut(piece);
                self.reader.read_sectors(at, now)?;
                buf = rest;
                piece
            } else {
                let spanned = (skip + buf.len()).next_multiple_of(self.sector).min(MOST);
                if scratch.is_empty() {
                    scratch = vec![0; spanned + self.sector];
                }
                let shift = scratch.as_ptr().align_offset(self.sector);
                let whole = scratch.get_mut(shift..).and_then(|s| s.get_mut(..spanned));
                let whole = whole.ok_or(io::ErrorKind::OutOfMemory)?;
                self.reader.read_sectors(at - skip as u64, whole)?;
                let piece = (spanned - skip).min(buf.len());
                let (now, rest) = buf.split_at_mut(piece);
                now.copy_from_slice(&whole[skip..skip + piece]);
                buf = rest;
                piece
            };
            at += piece as u64;
        }
        Ok(())
    }

    fn len(&self) -> u64 {
        self.len
    }

    fn sector_size(&self) -> u32 {
        u32::try_from(self.sector).unwrap_or(512)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::MemoryDevice;

    /// Refuses what a disk would refuse.
    struct Strict(MemoryDevice, usize);

    impl SectorReader for Strict {
        fn read_sectors(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
            assert_eq!(offset % self.1 as u64, 0);
            assert_eq!(buf.len() % self.1, 0);
            assert_eq!(buf.as_ptr().align_offset(self.1), 0);
            self.0.read_exact_at(offset, buf)
        }
    }

    #[test]
    fn every_read_comes_out_right_and_reaches_the_disk_in_sectors() {
        let bytes: Vec<u8> = (0..2_600_000_u32 / 4).flat_map(u32::to_le_bytes).collect();
        for sector in [512, 4096] {
            let len = bytes.len() / 4096 * 4096;
            let raw = MemoryDevice::new(bytes[..len].to_vec());
            let device = Aligned::new(Strict(raw, sector), len as u64, sector.try_into().unwrap());
            let mut room = vec![0; 2_500_000];
            for (at, wanted, shift) in [
                (0, 0, 0),
                (0, 1, 1),
                (511, 2, 3),
                (4095, 4098, 0),
                (4096, 2_400_000, 0),
                (4096, 2_400_000, 1),
                (77, 2_499_000, 5),
                (len - 1, 1, 0),
                (len - 4096, 4096, 7),
            ] {
                let buf = &mut room[shift..shift + wanted];
                buf.fill(1);
                device.read_exact_at(at as u64, buf).unwrap();
                assert!(buf == &bytes[at..at + wanted], "{at}, {wanted}");
            }
            assert!(device.read_exact_at(len as u64, &mut [0]).is_err());
            assert!(device.read_exact_at(u64::MAX, &mut [0; 2]).is_err());
        }
    }
}
