//! ddrescue's mapfile: which parts of an image were read from the disk (GNU ddrescue manual,
//! "Mapfile structure").
//!
//! An image holds zeros, or what was there before, where the disk could not be read or was not
//! tried yet. Reads of these parts fail here as they did on the disk, so that what lies there
//! is named, and never taken for zeros.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::device::Device;
use super::error::DiskError;

/// A mapfile of a failing disk of many terabytes has some 100,000 lines of 30 bytes.
const MAX_BYTES: u64 = 64 << 20;
/// Bytes by which a mapfile is told from other text files.
const START_BYTES: u64 = 16 << 10;
/// Endings of a mapfile beside an image, added to its name or in place of its ending.
const ENDINGS: [&str; 5] = ["map", "mapfile", "log", "ddrescue", "ddrescuelog"];

/// The parts of an image that were read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mapfile {
    /// First byte, and the byte behind the last; sorted, apart from each other.
    good: Vec<(u64, u64)>,
}

impl Mapfile {
    /// The mapfile at `path`.
    ///
    /// # Errors
    /// It cannot be read, or is not a mapfile.
    pub fn open(path: &Path) -> Result<Self, DiskError> {
        let refused = |error| DiskError::from_open(path, error);
        let damaged = |why| DiskError::Mapfile { path: path.to_owned(), why };
        let metadata = fs::metadata(path).map_err(refused)?;
        if !metadata.is_file() || metadata.len() > MAX_BYTES {
            return Err(damaged("it is no text file of at most 64 MiB".to_owned()));
        }
        let bytes = fs::read(path).map_err(refused)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| damaged("it is not text".to_owned()))?;
        Self::parse(text).map_err(damaged)
    }

    /// The mapfile beside the image at `image`, by its usual names. If there are several, a part
    /// was read if all of them say so; all are named.
    ///
    /// # Errors
    /// There is one, and it cannot be read.
    pub fn beside(image: &Path) -> Result<Option<(String, Self)>, DiskError> {
        let Some(name) = image.file_name() else { return Ok(None) };
        let mut found: Option<(String, Self)> = None;
        for ending in ENDINGS {
            let mut longer = name.to_owned();
            longer.push(".");
            longer.push(ending);
            for path in [image.with_file_name(longer), image.with_extension(ending)] {
                if path != image && is_mapfile(&path) {
                    let map = Self::open(&path)?;
                    let name = path.display().to_string();
                    found = Some(match found {
                        Some((names, both)) => (format!("{names}, {name}"), both.and(&map)),
                        None => (name, map),
                    });
                }
            }
        }
        Ok(found)
    }

    /// What both say was read.
    fn and(&self, other: &Self) -> Self {
        let mut good = Vec::new();
        let (mut own, mut others) = (self.good.iter().peekable(), other.good.iter().peekable());
        while let (Some(a), Some(b)) = (own.peek(), others.peek()) {
            let (from, to) = (a.0.max(b.0), a.1.min(b.1));
            if from < to {
                good.push((from, to));
            }
            if a.1 <= b.1 {
                own.next()
            } else {
                others.next()
            };
        }
        Self { good }
    }

    /// Reads the text of a mapfile; the error is for people.
    pub fn parse(text: &str) -> Result<Self, String> {
        let lines = text.lines().enumerate();
        let lines = lines.map(|(i, line)| (i + 1, line.split('#').next().unwrap_or("").trim()));
        let mut lines = lines.filter(|(_, line)| !line.is_empty());
        // Where ddrescue stopped.
        let (line, status) = lines.next().ok_or("it is empty")?;
        let mut words = status.split_whitespace();
        let is_status = words.next().is_some_and(|word| number(word).is_some())
            && words.next().is_some_and(|word| word.len() == 1);
        if !is_status {
            return Err(format!("line {line}: no position and status"));
        }
        let mut good: Vec<(u64, u64)> = Vec::new();
        let mut end = 0;
        for (line, text) in lines {
            let words: Vec<&str> = text.split_whitespace().collect();
            let [position, size, status] = words[..] else {
                return Err(format!("line {line}: no position, size and status"));
            };
            let range = number(position).zip(number(size));
            let range = range.and_then(|(at, size)| Some((at, at.checked_add(size)?)));
            let (from, to) = range.ok_or(format!("line {line}: a number is wrong"))?;
            if from < end {
                return Err(format!("line {line}: it overlaps the line before it"));
            }
            end = to;
            match status {
                "+" if from < to => match good.last_mut() {
                    Some(last) if last.1 == from => last.1 = to,
                    _ => good.push((from, to)),
                },
                "+" | "-" | "*" | "/" | "?" => {}
                _ => return Err(format!("line {line}: the status {status} is not known")),
            }
        }
        Ok(Self { good })
    }

    /// How many of the first `len` bytes were not read.
    pub fn missing(&self, len: u64) -> u64 {
        let good = self.good.iter().map(|(from, to)| (*to).min(len).saturating_sub(*from));
        len.saturating_sub(good.sum())
    }

    /// Whether all of these bytes were read.
    fn has(&self, offset: u64, length: u64) -> bool {
        let i = self.good.partition_point(|(_, to)| *to <= offset);
        let end = offset.saturating_add(length);
        length == 0 || self.good.get(i).is_some_and(|(from, to)| *from <= offset && end <= *to)
    }
}

/// A number as C's `strtoull` reads it: decimal, or hexadecimal after `0x`, or octal after `0`.
fn number(word: &str) -> Option<u64> {
    match word.as_bytes() {
        [b'0', b'x' | b'X', ..] => u64::from_str_radix(&word[2..], 16).ok(),
        [b'0', _, ..] => u64::from_str_radix(word, 8).ok(),
        _ => word.parse().ok(),
    }
}

/// Whether the file is a mapfile by its first lines: the comments at its start may be lost or of
/// another program. (Other programs write `.log` files, too.)
fn is_mapfile(path: &Path) -> bool {
    use io::Read;
    let mut start = Vec::new();
    // Before opening: opening a pipe would wait for its other end.
    if !path.is_file() {
        return false;
    }
    let read = fs::File::open(path).and_then(|file| file.take(START_BYTES).read_to_end(&mut start));
    let text = String::from_utf8_lossy(&start);
    if text.starts_with('#') && text.lines().next().is_some_and(|line| line.contains("ddrescue")) {
        return read.is_ok();
    }
    let mut lines = text.lines().map(|line| line.split('#').next().unwrap_or("").trim());
    let mut lines = lines.by_ref().filter(|line| !line.is_empty());
    let is_hex =
        |word: Option<&str>| word.is_some_and(|w| w.starts_with("0x") && number(w).is_some());
    let is_status = lines.next().is_some_and(|line| is_hex(line.split_whitespace().next()));
    let is_block = lines.next().is_some_and(|line| {
        let mut words = line.split_whitespace();
        is_hex(words.next()) && is_hex(words.next())
    });
    read.is_ok() && is_status && is_block
}

/// An image whose parts that were not read fail.
pub(crate) struct MappedImage {
    image: Arc<dyn Device>,
    map: Mapfile,
}

impl MappedImage {
    /// `image` as `map` says.
    pub(crate) fn new(image: Arc<dyn Device>, map: Mapfile) -> Self {
        Self { image, map }
    }
}

impl Device for MappedImage {
    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        if !self.map.has(offset, buf.len() as u64) && offset < self.len() {
            return Err(io::Error::other("not read from the disk, according to the mapfile"));
        }
        self.image.read_exact_at(offset, buf)
    }

    fn len(&self) -> u64 {
        self.image.len()
    }

    fn below(&self) -> Option<&dyn Device> {
        Some(&self.image)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# Mapfile. Created by GNU ddrescue version 1.27\n\
        # Command line: ddrescue -d /dev/sdb disk.img disk.map\n\
        # current_pos  current_status  current_pass\n\
        0x00010000     ?               1\n\
        #      pos        size  status\n\
        0x00000000  0x00001000  +\n\
        0x00001000  0x00000200  -\n\
        0x00001200  0x00000E00  +\n\
        0x00002000  0x00001000  +\r\n\
        0x00003000  0x00001000  *\n\
        0x00004000  0x00001000  ?\n\
        0x00005000  0x00000800  +\n";

    #[test]
    fn what_is_not_finished_was_not_read() {
        let map = Mapfile::parse(TEXT).unwrap();
        assert_eq!(map.good, [(0, 0x1000), (0x1200, 0x3000), (0x5000, 0x5800)]);
        assert_eq!(map.missing(0x6000), 0x200 + 0x2000 + 0x800);
        assert_eq!(map.missing(0x2000), 0x200);
        assert!(map.has(0, 0x1000) && map.has(0x1200, 0x1E00) && map.has(0x7000, 0));
        for (at, length) in [(0, 0x1001), (0xFFF, 2), (0x1000, 1), (0x11FF, 2), (0x5800, 1)] {
            assert!(!map.has(at, length), "{at:#x}");
        }
        assert!(!map.has(u64::MAX, u64::MAX));
    }

    #[test]
    fn numbers_are_those_of_c_and_old_mapfiles_are_read() {
        let text = "0 ?\n0 512 +\n01000 0x200 /\n1024 1024 +\n";
        assert_eq!(Mapfile::parse(text).unwrap().good, [(0, 512), (1024, 2048)]);
        assert_eq!(Mapfile::parse("0x0 +\n").unwrap().missing(100), 100);
    }

    #[test]
    fn what_is_no_mapfile_is_refused_with_its_line() {
        for (text, why) in [
            ("", "empty"),
            ("# only this\n", "empty"),
            ("hello world\n", "line 1"),
            ("0 ?\n0 512\n", "line 2"),
            ("0 ?\n0 512 x\n", "line 2: the status"),
            ("0 ?\n0 512 +\n\n256 512 +\n", "line 4: it overlaps"),
            ("0 ?\n0xFFFFFFFFFFFFFFFF 2 +\n", "line 2: a number"),
            ("0 ?\n-1 2 +\n", "line 2: a number"),
        ] {
            let error = Mapfile::parse(text).unwrap_err();
            assert!(error.contains(why), "{text:?}: {error}");
        }
    }
}
