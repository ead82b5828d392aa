//! The entries of a folder, with their names: FAT (sections 6 and 7 of its
//! description), exFAT (sections 6 and 7 of its specification).

use super::geometry::Flavour;
use crate::model::bytes::{u16_at, u32_at, u64_at};
use crate::model::metadata::{FileTime, Times, attributes};
use crate::model::name::NtName;

/// A file or a folder, by its entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct FatEntry {
    pub(crate) name: NtName,
    pub(crate) attributes: u32,
    pub(crate) times: Times,
    pub(crate) first_cluster: u32,
    /// Bytes; 0 for a folder on FAT, whose chain tells.
    pub(crate) size: u64,
    /// Bytes that were written; the rest is zeros (exFAT).
    pub(crate) valid: u64,
    /// Whether its clusters follow each other, without a chain (exFAT).
    pub(crate) is_one_run: bool,
}

impl FatEntry {
    pub(crate) fn is_folder(&self) -> bool {
        self.attributes & attributes::DIRECTORY != 0
    }
}

/// What a folder lists.
#[derive(Default)]
pub(crate) struct Listing {
    pub(crate) entries: Vec<FatEntry>,
    /// The volume's label, if it is in this folder.
    pub(crate) label: Option<String>,
    /// How many entries make no sense.
    pub(crate) bad: u64,
    /// Whether there is something behind the mark of the folder's end.
    pub(crate) goes_on: bool,
    /// The byte of the mark of its end; `None` if it is full to the last byte.
    pub(crate) ends_at: Option<usize>,
    /// The first clusters of deleted entries.
    pub(crate) deleted: Vec<u32>,
    /// Where the system's own files are: first cluster and bytes (exFAT, 7.1 and 7.2).
    pub(crate) bitmap: Option<(u32, u64)>,
    pub(crate) capitals: Option<(u32, u64)>,
    /// Whether what such a folder has in any case is there: itself and the folder
    /// above (FAT); the root's bitmap (exFAT).
    pub(crate) is_begun: bool,
}

/// Reads a folder's bytes, all of them: what stands behind a damaged entry, or
/// behind an end mark that should not be there, is listed too. `is_cluster` says
/// whether there is such a cluster.
pub(crate) fn list(flavour: Flavour, bytes: &[u8], is_cluster: &dyn Fn(u32) -> bool) -> Listing {
    match flavour {
        Flavour::ExFat => list_exfat(bytes),
        _ => list_fat(bytes, flavour, is_cluster),
    }
}

/// Whether all bytes are the same: zeros, or what fills a sector that was lost.
fn is_filler(raw: &[u8]) -> bool {
    raw.windows(2).all(|pair| pair.first() == pair.last())
}

/// The entries: 32 bytes each.
fn entries(bytes: &[u8]) -> &[[u8; 32]] {
    bytes.as_chunks().0
}

/// The attributes that both have (MS-FSCC 2.6 has the same bits).
const KEPT: u32 = attributes::READONLY
    | attributes::HIDDEN
    | attributes::SYSTEM
    | attributes::DIRECTORY
    | attributes::ARCHIVE;

fn list_fat(bytes: &[u8], flavour: Flavour, is_cluster: &dyn Fn(u32) -> bool) -> Listing {
    let mut listing = Listing::default();
    let mut long = LongName::default();
    let mut is_ended = false;
    for (number, raw) in entries(bytes).iter().enumerate() {
        listing.goes_on |= is_ended && raw[0] != 0;
        let attributes = raw[11];
        if raw[0] != 0 && raw[0] != 0xE5 && attributes & 0x3F == 0x0F {
            let is_sound = attributes == 0x0F && raw[12] == 0 && raw[26..28] == [0, 0];
            if !is_sound {
                long = LongName::default();
            }
            listing.bad += u64::from(!is_sound || !long.add(raw));
            continue;
        }
        // A long name ends at the entry that it belongs to.
        let pending = std::mem::take(&mut long);
        let is_pending = pending.is_begun;
        match *raw {
            // Old formatters filled what follows the first byte.
            [0, ..] => {
                listing.goes_on |= !is_filler(&raw[1..]);
                is_ended = true;
                listing.ends_at.get_or_insert(number * 32);
                listing.bad += u64::from(is_pending);
            }
            [0xE5, ..] => {
                listing.bad += u64::from(is_pending || is_filler(raw));
                if attributes & 0x3F != 0x0F {
                    let first = fat_entry(NtName::from(""), raw, flavour).first_cluster;
                    listing.deleted.extend(Some(first).filter(|first| is_cluster(*first)));
                }
            }
            _ if attributes & 0x08 != 0 => {
                if is_pending || attributes & 0xD0 != 0 {
                    listing.bad += 1;
                } else {
                    let label = String::from_utf8_lossy(&raw[..11]).trim().to_owned();
                    listing.label.get_or_insert(label);
                }
            }
            _ if is_dots(raw) => listing.is_begun = true,
            _ => {
                let long_name = pending.finish(raw);
                let has_long = long_name.is_some();
                let name = long_name.or_else(|| short_name(raw)).filter(is_usable);
                // With a long name the short one may be anything: some systems
                // write none.
                let is_odd = attributes & 0xC0 != 0 || !has_long && !is_short(raw);
                if is_odd || name.is_none() || is_pending && !has_long {
                    listing.bad += 1;
                }
                let entry = name.map(|name| fat_entry(name, raw, flavour));
                // The text that fills a lost sector is no name.
                let is_likely = |entry: &FatEntry| {
                    let is_entry = has_long || is_short(raw) && raw[12] & !0x18 == 0;
                    !is_odd && !is_ended || is_entry && is_cluster(entry.first_cluster)
                };
                listing.entries.extend(entry.filter(is_likely));
            }
        }
    }
    // The folder was cut off within a name.
    listing.bad += u64::from(long.is_begun);
    listing
}

/// The entry of the folder itself, or of the one above.
fn is_dots(raw: &[u8; 32]) -> bool {
    raw[11] & 0x10 != 0 && matches!(&raw[..11], b".          " | b"..         ")
}

/// Whether an entry without a long name has a possible name.
fn is_short(raw: &[u8; 32]) -> bool {
    let is_letter = |(at, byte): (usize, &u8)| match byte {
        0x05 => at == 0,
        0..0x20 | b'"' | b'*' | b'.' | b'/' | b':' | b'<' | b'>' | b'?' | 0x7F => false,
        // These may be the second half of a letter of two bytes.
        b'\\' | b'|' => {
            at.checked_sub(1).and_then(|at| raw.get(at)).is_some_and(|before| *before >= 0x80)
        }
        _ => true,
    };
    raw[0] != b' ' && raw[..11].iter().enumerate().all(is_letter)
}

/// Neither empty nor one of the two that every folder has.
fn is_usable(name: &NtName) -> bool {
    let bytes = name.as_wtf8();
    !matches!(bytes, b"" | b"." | b"..") && !bytes.iter().any(|b| matches!(b, 0 | b'/' | b'\\'))
}

fn fat_entry(name: NtName, raw: &[u8; 32], flavour: Flavour) -> FatEntry {
    let word = |at| u16_at(raw, at).unwrap_or(0);
    let high = if flavour == Flavour::Fat32 { u32::from(word(0x14)) << 16 } else { 0 };
    let size = u64::from(u32_at(raw, 0x1C).unwrap_or(0));
    let attributes = u32::from(raw[11]) & KEPT;
    let time = |date: usize, time: Option<usize>, tenths: u8| {
        dos_time(word(date), time.map_or(0, word), tenths, 0)
    };
    let modified = time(0x18, Some(0x16), 0);
    FatEntry {
        name,
        attributes,
        times: Times {
            created: time(0x10, Some(0x0E), raw[0x0D]),
            modified,
            changed: modified,
            accessed: time(0x12, None, 0),
        },
        first_cluster: high | u32::from(word(0x1A)),
        size: if attributes & attributes::DIRECTORY == 0 { size } else { 0 },
        valid: size,
        is_one_run: false,
    }
}

/// A date and a time of day; hundredths of a second on top, and minutes east of
/// UTC. FAT has local time without its zone: it is taken as UTC.
fn dos_time(date: u16, time: u16, hundredths: u8, east: i64) -> FileTime {
    let (year, month, day) = (1980 + i64::from(date >> 9), date >> 5 & 0xF, date & 0x1F);
    if month == 0 || day == 0 {
        return FileTime(0);
    }
    // Days since 1970 in the Gregorian calendar, with March as the first month.
    let month = i64::from(month);
    let (y, m) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + i64::from(day) - 719_469;
    let (hour, minute, second) = (time >> 11, time >> 5 & 0x3F, (time & 0x1F) * 2);
    let seconds = i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second);
    let seconds = days * 86_400 + seconds + i64::from(hundredths) / 100 - east * 60;
    FileTime::from_unix(seconds, u32::from(hundredths % 100) * 10_000_000)
}

/// The pieces of a long name, which stand in front of their entry, last first.
#[derive(Default)]
struct LongName {
    units: Vec<u16>,
    /// The number of the next piece; 0 when all are there.
    next: u8,
    sum: u8,
    is_begun: bool,
}

impl LongName {
    /// Adds the next piece; whether it fits.
    fn add(&mut self, raw: &[u8; 32]) -> bool {
        let was_pending = self.is_begun;
        let is_first = raw[0] & 0x40 != 0;
        let (number, sum) = (raw[0] & 0x3F, raw[13]);
        if is_first {
            *self = Self { units: Vec::new(), next: number, sum, is_begun: true };
        }
        if !self.is_begun || number == 0 || number > 20 || number != self.next || sum != self.sum {
            *self = Self::default();
            return false;
        }
        let places = (1..11).step_by(2).chain((14..26).step_by(2)).chain((28..32).step_by(2));
        let mut units: Vec<u16> = places.filter_map(|at| u16_at(raw, at)).collect();
        units.append(&mut self.units);
        self.units = units;
        self.next = number - 1;
        // Another name was not finished.
        !(is_first && was_pending)
    }

    /// The name, if it is whole and belongs to this entry.
    fn finish(self, raw: &[u8; 32]) -> Option<NtName> {
        let sum = raw[..11].iter().fold(0_u8, |sum, b| sum.rotate_right(1).wrapping_add(*b));
        if !self.is_begun || self.next != 0 || self.sum != sum {
            return None;
        }
        let end = self.units.iter().position(|unit| *unit == 0).unwrap_or(self.units.len());
        self.units.get(..end).filter(|units| !units.is_empty()).map(NtName::from_utf16)
    }
}

/// The name of eight and three; letters that are not ASCII are in a code page
/// that nobody knows (Windows writes a long name for them).
fn short_name(raw: &[u8; 32]) -> Option<NtName> {
    let part = |bytes: &[u8], is_lower: bool| {
        let text: String = bytes.iter().map(|b| char::from(*b)).collect();
        let text = text.trim_end_matches(' ').to_owned();
        if is_lower { text.to_ascii_lowercase() } else { text }
    };
    let mut base = raw[..8].to_vec();
    if let Some(first) = base.first_mut().filter(|first| **first == 0x05) {
        *first = 0xE5;
    }
    let (base, extension) = (part(&base, raw[12] & 8 != 0), part(&raw[8..11], raw[12] & 16 != 0));
    if base.is_empty() || base.chars().any(char::is_control) {
        return None;
    }
    let name = if extension.is_empty() { base } else { format!("{base}.{extension}") };
    Some(NtName::from(name.as_str()))
}

fn list_exfat(bytes: &[u8]) -> Listing {
    let mut listing = Listing::default();
    let all = entries(bytes);
    let mut is_ended = false;
    let mut at: usize = 0;
    while let Some(raw) = all.get(at) {
        at += 1;
        listing.goes_on |= is_ended && raw[0] != 0;
        if is_filler(raw) {
            is_ended |= raw[0] == 0;
            if raw[0] == 0 {
                listing.ends_at.get_or_insert((at - 1) * 32);
            }
            listing.bad += u64::from(raw[0] != 0);
            continue;
        }
        match raw[0] {
            0 => (is_ended, listing.goes_on) = (true, true),
            // The label (7.3).
            0x83 => {
                let units = (0..usize::from(raw[1].min(11))).filter_map(|n| u16_at(raw, 2 + 2 * n));
                let label = String::from_utf16_lossy(&units.collect::<Vec<_>>());
                listing.label.get_or_insert(label);
            }
            // The bitmap (7.1).
            0x81 => {
                listing.is_begun = true;
                listing.bitmap = place(raw);
            }
            0x82 => listing.capitals = place(raw),
            // The data of a deleted file.
            0x40 => listing.deleted.extend(u32_at(raw, 0x14)),
            // A file and its secondary entries (7.4).
            0x85 | 0x05 => {
                let count = usize::from(raw[1]);
                let set = all.get(at - 1..at.saturating_add(count));
                let sound = set.filter(|_| raw[0] == 0x85).and_then(exfat_entry);
                let is_sound = sound.is_some();
                match sound.or_else(|| set.and_then(revived)) {
                    Some(entry) => {
                        listing.bad += u64::from(!is_sound);
                        listing.entries.push(entry);
                        at = at.saturating_add(count);
                    }
                    None => listing.bad += u64::from(raw[0] == 0x85),
                }
            }
            // The table of capital letters, and what others may have put there;
            // the same and secondary entries, no longer in use.
            0xA0..=0xA2 | 0x01..=0x03 | 0x20..=0x22 | 0x41 | 0x42 | 0x60..=0x62 => {}
            // Secondary entries of nothing, and what is no entry.
            _ => listing.bad += 1,
        }
    }
    listing
}

/// First cluster and bytes of one of the system's own files.
fn place(raw: &[u8; 32]) -> Option<(u32, u64)> {
    Some((u32_at(raw, 0x14)?, u64_at(raw, 0x18)?))
}

/// A file that is not wholly deleted: some of its entries are still in use.
fn revived(set: &[[u8; 32]]) -> Option<FatEntry> {
    let (file, rest) = set.split_first()?;
    let is_used = |entry: &[u8; 32]| matches!(entry[0], 0xC0 | 0xC1);
    if file[0] != 0x85 && !rest.iter().any(is_used) {
        return None;
    }
    let mut set = set.to_vec();
    for entry in &mut set {
        entry[0] |= 0x80;
    }
    exfat_entry(&set)
}

/// A file's set of entries; `None` when its checksum is wrong (6.3.3) or it
/// makes no sense.
fn exfat_entry(set: &[[u8; 32]]) -> Option<FatEntry> {
    let (file, rest) = set.split_first()?;
    let (stream, names) = rest.split_first()?;
    let bytes = set.iter().flatten().enumerate().filter(|(at, _)| !matches!(at, 2 | 3));
    let sum = bytes.fold(0_u16, |sum, (_, b)| sum.rotate_right(1).wrapping_add((*b).into()));
    if u16_at(file, 2)? != sum || stream[0] != 0xC0 {
        return None;
    }
    let pieces = names.iter().filter(|entry| entry[0] == 0xC1);
    let units = pieces.flat_map(|entry| (2..32).step_by(2).filter_map(|at| u16_at(entry, at)));
    let units: Vec<u16> = units.take(stream[3].into()).collect();
    let name = NtName::from_utf16(&units);
    if units.len() != usize::from(stream[3]) || !is_usable(&name) {
        return None;
    }
    let time = |at: usize, hundredths: u8, zone: u8| {
        let stamp = u32_at(file, at).unwrap_or(0);
        // Quarters of an hour in seven bits, if the eighth says so (7.4.10).
        let quarters = i64::from(zone & 0x7F);
        let quarters = if quarters >= 64 { quarters - 128 } else { quarters };
        let east = if zone & 0x80 == 0 { 0 } else { quarters * 15 };
        let (date, time) = (stamp >> 16, stamp & 0xFFFF);
        let half = |value| u16::try_from(value).unwrap_or(0);
        dos_time(half(date), half(time), hundredths, east)
    };
    let modified = time(0x0C, file[0x15], file[0x17]);
    let size = u64_at(stream, 0x18)?;
    Some(FatEntry {
        name,
        attributes: u32::from(u16_at(file, 4)?) & KEPT,
        times: Times {
            created: time(0x08, file[0x14], file[0x16]),
            modified,
            changed: modified,
            accessed: time(0x10, 0, file[0x18]),
        },
        first_cluster: u32_at(stream, 0x14)?,
        size,
        valid: u64_at(stream, 0x08)?,
        is_one_run: stream[1] & 2 != 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        // 2024-02-29 13:37:42.
        let (date, time) = ((44 << 9) + (2 << 5) + 29, (13 << 11) + (37 << 5) + 21);
        assert_eq!(dos_time(date, time, 0, 0).to_string(), "2024-02-29 13:37:42Z");
        assert_eq!(dos_time(date, time, 150, 60).to_string(), "2024-02-29 12:37:43Z");
        assert_eq!(dos_time((1 << 5) + 1, 0, 0, 0).to_string(), "1980-01-01 00:00:00Z");
        assert_eq!(dos_time(0, 0, 0, 0), FileTime(0));
    }

    #[test]
    fn short_names_have_their_case_and_no_spaces() {
        let mut raw = *b"USMT    MIG                     ";
        raw[12] = 0;
        assert_eq!(short_name(&raw).unwrap().to_string(), "USMT.MIG");
        raw[12] = 0x18;
        assert_eq!(short_name(&raw).unwrap().to_string(), "usmt.mig");
    }
}
