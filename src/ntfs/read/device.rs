//! Reading a device that may fail: large reads first, then smaller ones, then
//! zeros and a note of what is missing.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::disk::{Device, is_gone};
use crate::ntfs::error::NtfsError;

/// After a failed read, pieces of this size are tried, and sectors in those
/// that fail too.
const RETRY_BYTES: usize = 64 << 10;

/// Whether a reader makes do with the first failure instead of trying smaller
/// pieces: for whoever reads the same again later. All clones are one.
#[derive(Clone, Default, Debug)]
pub(crate) struct FailFast(Arc<AtomicBool>);

impl FailFast {
    pub(crate) fn set(&self, on: bool) {
        self.0.store(on, Ordering::Relaxed);
    }

    pub(crate) fn is_on(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A device and the part of it that is the volume.
#[derive(Clone)]
pub struct Medium {
    device: Arc<dyn Device>,
    /// Bytes of the volume that are on the device.
    len: u64,
    sector: usize,
}

impl Medium {
    /// The first `len` bytes of the device, or as many as there are.
    pub fn new(device: Arc<dyn Device>, len: u64) -> Self {
        let len = len.min(device.len());
        let sector = usize::try_from(device.sector_size()).unwrap_or(512).clamp(512, RETRY_BYTES);
        Self { device, len, sector }
    }

    /// Bytes that can be asked for.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether somebody else may be writing to it now.
    pub fn is_live(&self) -> bool {
        self.device.is_live()
    }

    /// Whether it is decrypted on the way ([`Device::is_decrypted`]).
    pub(crate) fn is_decrypted(&self) -> bool {
        self.device.is_decrypted()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All of `buf`, or an error.
    pub fn read(&self, what: &'static str, offset: u64, buf: &mut [u8]) -> Result<(), NtfsError> {
        let fits = offset.checked_add(buf.len() as u64).is_some_and(|end| end <= self.len);
        let result = if fits {
            self.device.read_exact_at(offset, buf)
        } else {
            Err(io::Error::new(io::ErrorKind::UnexpectedEof, "past the end of the volume"))
        };
        result.map_err(|error| NtfsError::Io { what, offset, error })
    }

    /// As much of `buf` as can be had, zeros for the rest, which `hole` is
    /// told of (range in `buf`, reason). An error only where the whole device
    /// is gone: then nothing further will come. In haste all of `buf` is a hole
    /// where one read cannot fill it.
    pub(crate) fn read_around_holes(
        &self,
        what: &'static str,
        offset: u64,
        buf: &mut [u8],
        in_haste: bool,
        hole: &mut dyn FnMut(Range<usize>, String),
    ) -> Result<(), NtfsError> {
        let there = usize::try_from(self.len.saturating_sub(offset)).unwrap_or(usize::MAX);
        if there < buf.len() {
            buf[there..].fill(0);
            let end = self.len;
            hole(there..buf.len(), format!("lies past the end of the volume (byte {end})"));
        }
        let there = there.min(buf.len());
        let piece = if in_haste { 0 } else { usize::MAX };
        self.read_smaller(what, offset, &mut buf[..there], piece, 0, hole)
    }

    fn read_smaller(
        &self,
        what: &'static str,
        offset: u64,
        buf: &mut [u8],
        piece: usize,
        from: usize,
        hole: &mut dyn FnMut(Range<usize>, String),
    ) -> Result<(), NtfsError> {
        let mut done = 0;
        while done < buf.len() {
            let at = offset + done as u64;
            // Pieces end at multiples of their size, so that a bad sector
            // costs itself and not its neighbours.
            let to_edge = match piece {
                0 | usize::MAX => usize::MAX,
                piece => piece - usize::try_from(at % piece as u64).unwrap_or(0),
            };
            let end = done + to_edge.min(buf.len() - done);
            let part = &mut buf[done..end];
            if let Err(error) = self.device.read_exact_at(at, part) {
                if is_gone(&error) {
                    return Err(NtfsError::Io { what, offset: at, error });
                }
                let smaller = if part.len() > RETRY_BYTES { RETRY_BYTES } else { self.sector };
                if piece > smaller && part.len() > smaller {
                    self.read_smaller(what, at, part, smaller, from + done, hole)?;
                } else {
                    part.fill(0);
                    hole(from + done..from + end, format!("byte {at} of the volume: {error}"));
                }
            }
            done = end;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    fn counter(byte: u64) -> u8 {
        u8::try_from(byte / 512 % 251).unwrap() + 1
    }

    /// 256 KiB of a counter; the bad sectors fail, and what was asked is kept.
    struct Failing {
        bad: Vec<u64>,
        gone_from: u64,
        asked: Mutex<Vec<(u64, usize)>>,
    }

    impl Device for Failing {
        fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
            self.asked.lock().unwrap().push((offset, buf.len()));
            let end = offset + buf.len() as u64;
            if end > self.gone_from {
                return Err(io::Error::from_raw_os_error(if cfg!(windows) { 1167 } else { 19 }));
            }
            if self.bad.iter().any(|bad| *bad * 512 < end && *bad * 512 + 512 > offset) {
                return Err(io::Error::other("bad sector"));
            }
            for (i, byte) in buf.iter_mut().enumerate() {
                *byte = counter(offset + i as u64);
            }
            Ok(())
        }
        fn len(&self) -> u64 {
            256 << 10
        }
        fn sector_size(&self) -> u32 {
            512
        }
    }

    fn read(
        bad: &[u64],
        gone_from: u64,
        offset: u64,
        len: usize,
    ) -> (Vec<u8>, Vec<Range<usize>>, bool) {
        let device = Arc::new(Failing { bad: bad.into(), gone_from, asked: Mutex::default() });
        let medium = Medium::new(device.clone(), u64::MAX);
        let mut buf = vec![0xEE; len];
        let mut holes = Vec::new();
        let mut hole = |range, _| holes.push(range);
        let result = medium.read_around_holes("test", offset, &mut buf, false, &mut hole);
        assert!(device.asked.lock().unwrap().len() < 600);
        (buf, holes, result.is_ok())
    }

    #[test]
    fn only_the_bad_sectors_are_missing() {
        let (buf, holes, ok) = read(&[3, 200, 201], u64::MAX, 100, 200_000);
        assert!(ok);
        assert_eq!(holes, [1436..1948, 102_300..102_812, 102_812..103_324]);
        for (i, byte) in buf.iter().enumerate() {
            let expected =
                if holes.iter().any(|h| h.contains(&i)) { 0 } else { counter(i as u64 + 100) };
            assert_eq!(*byte, expected, "{i}");
        }
    }

    #[test]
    fn a_short_read_in_a_bad_sector_is_one_hole() {
        let (buf, holes, ok) = read(&[3], u64::MAX, 1600, 10);
        assert!(ok && holes[0] == (0..10) && holes.len() == 1 && buf == [0; 10]);
    }

    #[test]
    fn in_haste_a_bad_sector_is_met_once() {
        let device =
            Arc::new(Failing { bad: vec![3], gone_from: u64::MAX, asked: Mutex::default() });
        let medium = Medium::new(device.clone(), u64::MAX);
        let (mut buf, mut holes) = (vec![0xEE; 200_000], Vec::new());
        let mut hole = |range, _| holes.push(range);
        medium.read_around_holes("test", 100, &mut buf, true, &mut hole).unwrap();
        assert_eq!(*device.asked.lock().unwrap(), [(100, 200_000)]);
        assert!(holes[0] == (0..200_000) && holes.len() == 1 && buf.iter().all(|b| *b == 0));
    }

    #[test]
    fn past_the_end_is_a_hole_and_no_read() {
        let (buf, holes, ok) = read(&[], u64::MAX, (256 << 10) - 10, 30);
        assert!(ok && holes[0] == (10..30) && buf[10..] == [0; 20] && buf[0] != 0);
        let (_, holes, ok) = read(&[], u64::MAX, u64::MAX - 5, 30);
        assert!(ok && holes[0] == (0..30));
    }

    #[test]
    fn a_device_that_went_away_is_an_error_at_once() {
        let (_, _, ok) = read(&[], 1000, 0, 100_000);
        assert!(!ok);
    }
}
