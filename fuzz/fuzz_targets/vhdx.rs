//! The structures of a VHDX file, one behind the other: headers, region table,
//! metadata, block table, log. They are put where such a file has them, with
//! their checksums made right unless the options (the first byte) say no. The
//! disk gives the same bytes in one read and in many.

use std::io;
use std::path::Path;
use std::sync::Arc;

use lifeboat::disk::{Device, open_container};

/// Bytes of the input, where they go, and how long the structure is that a
/// checksum at its fourth byte covers (0: none).
const PIECES: [(usize, u64, usize); 8] = [
    (80, 64 << 10, 4096),
    (80, 128 << 10, 4096),
    (112, 192 << 10, 64 << 10),
    (224, 3 << 20, 0),
    (64, (3 << 20) + (64 << 10), 0),
    (64, 2 << 20, 0),
    (256, 4 << 20, 0),
    (16_384, 1 << 20, 4096),
];

/// Bytes of the file.
const LEN: u64 = 6 << 20;

/// A file that is zeros but for a few pieces.
struct Sparse(Vec<(u64, Vec<u8>)>);

impl Device for Sparse {
    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let end = offset.checked_add(buf.len() as u64).filter(|end| *end <= LEN);
        let end = end.ok_or(io::ErrorKind::UnexpectedEof)?;
        buf.fill(0);
        for (start, bytes) in &self.0 {
            let (from, to) = (offset.max(*start), end.min(start + bytes.len() as u64));
            if from < to {
                let (from, to) = (from as usize, to as usize);
                let (base, own) = (offset as usize, *start as usize);
                buf[from - base..to - base].copy_from_slice(&bytes[from - own..to - own]);
            }
        }
        Ok(())
    }

    fn len(&self) -> u64 {
        LEN
    }

    fn sector_size(&self) -> u32 {
        512
    }
}

pub(crate) fn run(data: &[u8]) {
    let Some((options, mut rest)) = data.split_first() else { return };
    let mut pieces = vec![(0, b"vhdxfile".to_vec())];
    for (len, place, sealed) in PIECES {
        let (bytes, after) = rest.split_at(len.min(rest.len()));
        rest = after;
        let mut bytes = bytes.to_vec();
        if sealed != 0 && !bytes.is_empty() {
            bytes.resize(bytes.len().next_multiple_of(sealed), 0);
            if options & 1 == 0 {
                seal(&mut bytes, sealed);
            }
        }
        pieces.push((place, bytes));
    }
    let file: Arc<dyn Device> = Arc::new(Sparse(pieces));
    let Ok(Some(container)) = open_container(&file, Path::new("disk.vhdx")) else { return };
    let disk = container.device;
    let mut whole = vec![0; usize::try_from(disk.len().min(5000)).unwrap_or(0)];
    let all = disk.read_exact_at(0, &mut whole);
    let step = usize::from(options >> 1) * 7 + 1;
    for (at, bytes) in (0..).step_by(step).zip(whole.chunks(step)) {
        let mut piece = vec![0; bytes.len()];
        let read = disk.read_exact_at(at, &mut piece);
        assert!(all.is_err() || read.is_ok() && piece == bytes);
    }
    let _ = disk.read_exact_at(disk.len() / 2, &mut [0; 100]);
    assert!(disk.read_exact_at(disk.len(), &mut [0]).is_err());
}

/// Puts the checksums right, of one structure or of the log's entries.
fn seal(bytes: &mut [u8], len: usize) {
    let mut at = 0;
    while let Some(rest) = bytes.get_mut(at..).filter(|rest| rest.len() >= len) {
        // An entry of the log says how long it is.
        let said = u32::from_le_bytes([rest[8], rest[9], rest[10], rest[11]]) as usize;
        let is_entry = rest.starts_with(b"loge") && (len..=rest.len()).contains(&said);
        let structure = if is_entry { &mut rest[..said] } else { &mut rest[..len] };
        if is_entry || !structure.starts_with(b"data") {
            structure[4..8].fill(0);
            let crc = crc32c(structure);
            structure[4..8].copy_from_slice(&crc.to_le_bytes());
        }
        at += structure.len().next_multiple_of(len);
    }
}

fn crc32c(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut i = 0;
        while i < 256 {
            let mut crc = i as u32;
            let mut bit = 0;
            while bit < 8 {
                crc = if crc & 1 == 1 { crc >> 1 ^ 0x82F6_3B78 } else { crc >> 1 };
                bit += 1;
            }
            table[i] = crc;
            i += 1;
        }
        table
    };
    !bytes.iter().fold(!0, |crc: u32, b| crc >> 8 ^ TABLE[(crc as u8 ^ b) as usize])
}
