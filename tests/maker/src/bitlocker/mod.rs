//! Wraps the image of a volume into BitLocker. No program on Linux makes such a volume.
//!
//! What BitLocker hides goes where the image has zeros, so that the view of the volume equals the
//! image byte for byte.

mod cipher;
mod conversion;
mod records;

use std::ops::Range;

use anyhow::{Context, Result};

pub use cipher::Cipher;
use conversion::Region;
use records::Places;

/// The recovery key that the volumes are made with.
pub const RECOVERY: &str = "235818-357951-253979-013365-241120-245575-342914-591910";
/// Another one.
pub const OTHER_RECOVERY: &str = "111111-222222-333333-444444-555555-666666-000011-000022";
/// Their password.
pub const PASSWORD: &str = "pa\u{df}word \u{a3}5";

/// A way to the volume's key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Protector {
    /// The key itself: the volume is suspended.
    Clear,
    /// A TPM that nobody has.
    Tpm,
    /// The key of [`Wrapped::bek`].
    Startup,
    /// 48 digits.
    Recovery(String),
    /// A password.
    Password(String),
}

/// How far the volume is encrypted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// Completely.
    Whole,
    /// The old way: up to this byte.
    UpTo(u64),
    /// The same, and the so many bytes behind were caught in conversion.
    Caught(u64, u32),
    /// By bitmaps, in chunks of this size: the back half of each region is encrypted, and the
    /// virtual first sectors are not.
    Bitmaps(u32),
    /// The same, and the first region's second chunk was caught in conversion.
    BitmapsCaught(u32),
    /// Not any more: decrypted, and the metadata is still there.
    Decrypted,
}

/// How to wrap a volume.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wrap {
    /// By which cipher.
    pub cipher: Cipher,
    /// Bytes per sector.
    pub sector_bytes: u32,
    /// The first sector of a To Go volume.
    pub to_go: bool,
    /// The protectors, in this order.
    pub protectors: Vec<Protector>,
    /// How far it is encrypted.
    pub progress: Progress,
    /// Entries that nobody knows, between the others.
    pub unknown_entries: bool,
    /// How many copies of the metadata have a bit flipped, from the first on.
    pub bad_copies: usize,
    /// The places of the hidden areas: at the volume's end.
    pub at_the_end: bool,
}

impl Wrap {
    /// Encrypted by this cipher; the TPM and a recovery key open it.
    pub fn new(cipher: Cipher) -> Self {
        Self {
            cipher,
            sector_bytes: 512,
            to_go: false,
            protectors: vec![Protector::Tpm, Protector::Recovery(RECOVERY.to_owned())],
            progress: Progress::Whole,
            unknown_entries: false,
            bad_copies: 0,
            at_the_end: false,
        }
    }

    /// With other protectors.
    #[must_use]
    pub fn opened_by(self, protectors: &[Protector]) -> Self {
        Self { protectors: protectors.to_vec(), ..self }
    }
}

/// A wrapped volume.
#[derive(Clone)]
pub struct Wrapped {
    /// Its bytes.
    pub image: Vec<u8>,
    /// The startup key's file, as Windows 10 and Windows 11 write it.
    pub bek: [Vec<u8>; 2],
    /// What was caught in conversion: it cannot be read.
    pub caught: Option<Range<u64>>,
    /// Where the three copies of the metadata are.
    pub areas: [u64; 3],
}

/// Bytes of a metadata area, and of the virtual first sectors.
const AREA: u64 = 0x1_0000;
const SPARE: u64 = 0x2000;

/// Every kind of volume that the tests read, by name.
pub fn kinds(len: u64) -> Vec<(&'static str, Wrap)> {
    let recovery = || Protector::Recovery(RECOVERY.to_owned());
    let password = || Protector::Password(PASSWORD.to_owned());
    let xts = || Wrap::new(Cipher::XtsAes128);
    let mut kinds: Vec<(&'static str, Wrap)> = [
        ("elephant-128", Cipher::ElephantAes128),
        ("elephant-256", Cipher::ElephantAes256),
        ("cbc-128", Cipher::CbcAes128),
        ("cbc-256", Cipher::CbcAes256),
        ("xts-128", Cipher::XtsAes128),
        ("xts-256", Cipher::XtsAes256),
    ]
    .map(|(name, cipher)| (name, Wrap::new(cipher)))
    .into();
    let large = |cipher| Wrap { sector_bytes: 4096, ..Wrap::new(cipher) };
    kinds.extend([
        ("4k-elephant", large(Cipher::ElephantAes256)),
        ("4k-cbc", large(Cipher::CbcAes128)),
        ("4k-xts", large(Cipher::XtsAes256)),
        ("suspended", xts().opened_by(&[Protector::Clear])),
        ("suspended-tpm", xts().opened_by(&[Protector::Tpm, recovery(), Protector::Clear])),
        ("password", xts().opened_by(&[password(), recovery()])),
        ("startup", xts().opened_by(&[Protector::Startup, Protector::Tpm])),
        (
            "two-recovery",
            xts().opened_by(&[Protector::Recovery(OTHER_RECOVERY.to_owned()), recovery()]),
        ),
        ("half", Wrap { progress: Progress::UpTo(len / 2 / 4096 * 4096), ..xts() }),
        (
            "half-cbc-end",
            Wrap {
                progress: Progress::UpTo(len / 3 / 4096 * 4096),
                at_the_end: true,
                ..Wrap::new(Cipher::ElephantAes128)
            },
        ),
        ("bitmaps", Wrap { progress: Progress::Bitmaps(0x1_0000), ..xts() }),
        (
            "bitmaps-cbc",
            Wrap { progress: Progress::Bitmaps(0x2_0000), ..Wrap::new(Cipher::CbcAes256) },
        ),
        ("decrypted", Wrap { progress: Progress::Decrypted, ..xts() }),
        ("unknown-entries", Wrap { unknown_entries: true, ..xts() }),
        ("to-go", Wrap { to_go: true, ..Wrap::new(Cipher::ElephantAes128) }),
        ("at-the-end", Wrap { at_the_end: true, ..xts() }),
        ("two-bad-copies", Wrap { bad_copies: 2, ..xts() }),
        ("no-good-copy", Wrap { bad_copies: 3, ..xts() }),
        ("caught", Wrap { progress: Progress::Caught(len / 4 / 4096 * 4096, 0x4000), ..xts() }),
        ("bitmaps-caught", Wrap { progress: Progress::BitmapsCaught(0x1_0000), ..xts() }),
    ]);
    kinds
}

/// Finds places that are zeros.
struct Zeros<'a> {
    plain: &'a [u8],
    taken: Vec<Range<u64>>,
    at_the_end: bool,
}

impl Zeros<'_> {
    /// `len` bytes of zeros at a multiple of 4096, at or behind `from`.
    fn take(&mut self, from: u64, len: u64) -> Result<u64> {
        let end = self.plain.len() as u64;
        let mut places: Vec<u64> =
            (from.next_multiple_of(4096)..=end.saturating_sub(len)).step_by(4096).collect();
        if self.at_the_end {
            // From the last byte on, down, and the first ones of the volume as a last resort.
            places = (0..=(end - len) / 4096).rev().map(|i| i * 4096).collect();
        }
        let found = places.into_iter().find(|at| {
            let range = *at..at + len;
            let bytes = usize::try_from(*at)
                .ok()
                .and_then(|at| self.plain.get(at..at + usize::try_from(len).ok()?));
            let free = self.taken.iter().all(|t| t.end <= range.start || range.end <= t.start);
            *at >= SPARE && free && bytes.is_some_and(|bytes| bytes.iter().all(|b| *b == 0))
        });
        let at = found.context("the image has no zeros for what BitLocker hides")?;
        self.taken.push(at..at + len);
        Ok(at)
    }
}

/// The regions between what is taken; the virtual first sectors are one of their own.
fn regions(taken: &[Range<u64>], len: u64, spare: u64, chunk: u32) -> Vec<Region> {
    let mut taken = taken.to_vec();
    taken.sort_by_key(|range| range.start);
    taken.push(len..len);
    let mut regions = Vec::new();
    let mut at = 0;
    for range in taken {
        if at < range.start {
            let size = range.start - at;
            let plain = size.div_ceil(chunk.into()) / 2;
            regions.push(Region { at, len: size, plain, caught: None });
        }
        if range.start == spare {
            regions.push(Region { at: spare, len: SPARE, plain: 1, caught: None });
        }
        at = range.end;
    }
    regions
}

fn index(at: u64) -> usize {
    usize::try_from(at).unwrap_or(usize::MAX)
}

fn put(image: &mut [u8], at: u64, bytes: &[u8]) {
    image[index(at)..index(at) + bytes.len()].copy_from_slice(bytes);
}

/// Wraps `plain`.
pub fn wrap(plain: &[u8], how: &Wrap) -> Result<Wrapped> {
    let len = plain.len() as u64;
    let fvek: Vec<u8> = [records::bytes_of("fvek"), records::bytes_of("tweak")].concat();
    let fvek = &fvek[..how.cipher.key_bytes()];
    let mut zeros = Zeros { plain, taken: Vec::new(), at_the_end: how.at_the_end };
    let areas =
        [zeros.take(len / 8, AREA)?, zeros.take(len / 3, AREA)?, zeros.take(len / 3 * 2, AREA)?];
    let spare = zeros.take(len / 2, SPARE)?;
    let mut image = plain.to_vec();
    let mut encrypted: Vec<(Range<u64>, bool)> = Vec::new();
    let mut caught = None;
    let mut eow = None;
    let mut state = (4, 4, len, 0);
    let mut hidden: Vec<(u64, Vec<u8>)> = Vec::new();
    match how.progress {
        Progress::Whole => encrypted.push((0..len, true)),
        Progress::UpTo(mark) => {
            encrypted.push((0..mark, true));
            state = (3, 1, mark, 0);
        }
        Progress::Caught(mark, bytes) => {
            encrypted.push((0..mark, true));
            state = (2, 4, mark, bytes);
            caught = Some(mark..mark + u64::from(bytes));
        }
        Progress::Decrypted => state = (1, 1, 0, 0),
        Progress::Bitmaps(chunk) | Progress::BitmapsCaught(chunk) => {
            let is_caught = matches!(how.progress, Progress::BitmapsCaught(_));
            let descriptors = [zeros.take(len / 4, 4096)?, zeros.take(len / 5 * 4, 4096)?];
            let log = conversion::log_bytes(chunk).next_multiple_of(4096);
            // A map and a log for each region; what they take makes one region more, or none.
            let before = zeros.taken.clone();
            let (room, mut regions) = (1..32)
                .find_map(|count| {
                    zeros.taken.clone_from(&before);
                    let room = zeros.take(len / 4, count * (4096 + log)).ok()?;
                    let regions = regions(&zeros.taken, len, spare, chunk);
                    (regions.len() as u64 == count).then_some((room, regions))
                })
                .context("no zeros for the maps of the conversion")?;
            let mut maps = Vec::new();
            for (i, region) in regions.iter().enumerate() {
                let map = room + i as u64 * (4096 + log);
                maps.push(map);
                let from = region.at + region.plain * u64::from(chunk);
                encrypted.push((from.min(region.at + region.len)..region.at + region.len, true));
            }
            if is_caught && let Some(first) = regions.first_mut() {
                // Its second chunk: place 0 is how a log says that it is idle.
                first.caught = Some(chunk.into());
                caught = Some(u64::from(chunk)..2 * u64::from(chunk));
            }
            for (i, region) in regions.iter().enumerate() {
                let map = maps[i];
                hidden.push((map, conversion::map(i, region, chunk, map + 4096)));
                hidden.push((map + 4096, conversion::log(region, chunk, how.sector_bytes, len)));
            }
            let descriptor = conversion::descriptor(how.sector_bytes, chunk, descriptors, &maps);
            hidden.extend(descriptors.map(|at| (at, descriptor.clone())));
            eow = Some(descriptors);
        }
    }
    let spare_bytes = plain[..index(SPARE)].to_vec();
    put(&mut image, spare, &spare_bytes);
    for (range, _) in encrypted.iter().filter(|(_, yes)| *yes) {
        let bytes = &mut image[index(range.start)..index(range.end)];
        how.cipher.encrypt(fvek, index(how.sector_bytes.into()), range.start, bytes);
    }
    let places = Places { areas, spare, spare_len: SPARE, state };
    let area = records::area(how, &places, fvek);
    for (i, at) in areas.into_iter().enumerate() {
        let mut area = area.clone();
        if i < how.bad_copies {
            // A bit of the description or of the time: keys stay good.
            area[0x68] ^= 1;
        }
        put(&mut image, at, &area);
    }
    for (at, bytes) in &hidden {
        put(&mut image, *at, bytes);
    }
    let mut first = sector_zero(plain, how, areas, eow);
    first.resize(index(SPARE), 0);
    put(&mut image, 0, &first);
    let bek = [records::bek(false), records::bek(true)];
    Ok(Wrapped { image, bek, caught, areas })
}

/// Sector 0: like that of a FAT volume, with BitLocker's name and places.
fn sector_zero(plain: &[u8], how: &Wrap, areas: [u64; 3], eow: Option<[u64; 2]>) -> Vec<u8> {
    const NORMAL: [u8; 16] = [
        0x3B, 0xD6, 0x67, 0x49, 0x29, 0x2E, 0xD8, 0x4A, 0x83, 0x99, 0xF6, 0xA3, 0x39, 0xE3, 0xD0,
        0x01,
    ];
    const EOW: [u8; 16] = [
        0x3B, 0x4D, 0xA8, 0x92, 0x80, 0xDD, 0x0E, 0x4D, 0x9E, 0x4E, 0xB1, 0xE3, 0x28, 0x4E, 0xAE,
        0xD8,
    ];
    let mut sector = vec![0; 512];
    sector[..3].copy_from_slice(b"\xEB\x58\x90");
    let (name, at) = if how.to_go { (b"MSWIN4.1", 0x1A8) } else { (b"-FVE-FS-", 0xA0) };
    sector[3..11].copy_from_slice(name);
    let bytes = u16::try_from(how.sector_bytes).unwrap_or(512);
    sector[0x0B..0x0D].copy_from_slice(&bytes.to_le_bytes());
    sector[0x0D] = plain[0x0D].clamp(1, 128);
    sector[0x0E] = 32;
    sector[0x10] = 2;
    sector[0x15] = 0xF8;
    sector[0x18..0x1C].copy_from_slice(&[0x3F, 0, 0xFF, 0]);
    sector[0x24..0x28].copy_from_slice(&0x1FE0_u32.to_le_bytes());
    sector[0x52..0x5A].copy_from_slice(b"FAT32   ");
    sector[at..at + 16].copy_from_slice(if eow.is_some() { &EOW } else { &NORMAL });
    for (i, place) in areas.into_iter().chain(eow.into_iter().flatten()).enumerate() {
        let at = at + 16 + 8 * i;
        sector[at..at + 8].copy_from_slice(&place.to_le_bytes());
    }
    sector[510..].copy_from_slice(&[0x55, 0xAA]);
    sector
}

/// Changes how many bytes are encrypted in the copy of the metadata at `area`, with a good
/// checksum.
pub fn set_encrypted(image: &mut [u8], area: u64, bytes: u64) {
    put(image, area + 16, &bytes.to_le_bytes());
    let at = index(area);
    let len = 16 * usize::from(u16::from_le_bytes([image[at + 8], image[at + 9]]));
    let sum = records::crc32(&image[at..at + len]);
    put(image, area + len as u64 + 4, &sum.to_le_bytes());
}
