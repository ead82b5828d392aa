//! The view of an unlocked volume: a device over a device.

use std::io;
use std::sync::Arc;

use super::cipher::SectorCipher;
use super::map::{Content, Map, Piece};
use crate::disk::device::Device;

/// Reads up to this size are done by one read of whole sectors around them.
const SMALL: usize = 64 << 10;

/// An unlocked volume. Nothing in it changes after it was made, so that reads need no lock.
pub(super) struct View {
    device: Arc<dyn Device>,
    cipher: SectorCipher,
    pieces: Box<[Piece]>,
    len: u64,
}

impl View {
    pub(super) fn new(device: Arc<dyn Device>, cipher: SectorCipher, map: Map) -> Self {
        let len = device.len();
        Self { device, cipher, pieces: map.pieces.into_boxed_slice(), len }
    }

    /// Reads what is stored encrypted from byte `at` of the volume on.
    fn decrypted(&self, at: u64, buf: &mut [u8]) -> io::Result<()> {
        let unit = self.cipher.sector_bytes();
        let before = usize::try_from(at % unit as u64).unwrap_or(0);
        if before == 0 && buf.len().is_multiple_of(unit) {
            self.device.read_exact_at(at, buf)?;
            self.cipher.decrypt(at, buf);
            return Ok(());
        }
        if buf.len() > SMALL {
            // The middle goes straight to where it is wanted.
            let head = (unit - before) % unit;
            let (first, rest) = buf.split_at_mut(head);
            let (middle, last) = rest.split_at_mut(rest.len() / unit * unit);
            let middle_at = at + head as u64;
            self.decrypted_part(at, first)?;
            self.device.read_exact_at(middle_at, middle)?;
            self.cipher.decrypt(middle_at, middle);
            return self.decrypted_part(middle_at + middle.len() as u64, last);
        }
        self.decrypted_part(at, buf)
    }

    /// The same for bytes that are not whole sectors.
    fn decrypted_part(&self, at: u64, buf: &mut [u8]) -> io::Result<()> {
        if buf.is_empty() {
            return Ok(());
        }
        let unit = self.cipher.sector_bytes();
        let before = usize::try_from(at % unit as u64).unwrap_or(0);
        let start = at - before as u64;
        let mut sectors = vec![0; (before + buf.len()).next_multiple_of(unit)];
        self.device.read_exact_at(start, &mut sectors)?;
        self.cipher.decrypt(start, &mut sectors);
        buf.copy_from_slice(&sectors[before..before + buf.len()]);
        Ok(())
    }
}

impl Device for View {
    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        if offset.checked_add(buf.len() as u64).is_none_or(|end| end > self.len) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let first = self.pieces.partition_point(|piece| piece.range.end <= offset);
        let (mut at, mut rest) = (offset, buf);
        for piece in &self.pieces[first..] {
            if rest.is_empty() {
                break;
            }
            let left = usize::try_from(piece.range.end - at).unwrap_or(usize::MAX);
            let (now, later) = rest.split_at_mut(left.min(rest.len()));
            let within = at - piece.range.start;
            match piece.content {
                Content::Hidden => now.fill(0),
                Content::Plain(from) => self.device.read_exact_at(from + within, now)?,
                Content::Encrypted(from) => self.decrypted(from + within, now)?,
                Content::InConversion(what) => return Err(io::Error::other(what)),
            }
            at += now.len() as u64;
            rest = later;
        }
        if rest.is_empty() { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    fn len(&self) -> u64 {
        self.len
    }

    fn sector_size(&self) -> u32 {
        let unit = u32::try_from(self.cipher.sector_bytes()).unwrap_or(512);
        self.device.sector_size().max(unit)
    }

    fn below(&self) -> Option<&dyn Device> {
        Some(&self.device)
    }

    fn is_decrypted(&self) -> bool {
        true
    }
}
