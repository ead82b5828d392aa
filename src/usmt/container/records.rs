//! The records of a container, one after the other. Where the chain of records is broken, the
//! next record is searched for, so that one bad sector does not cost the rest.

use std::collections::VecDeque;

use super::names::{Place, record_names};
use super::pieces::{OpenPieces, Pieces};
use super::unpack::{Payload, PayloadError, is_zlib};
use super::{FIRST_RECORD, MAGIC, Problem, RECORD_HEADER_BYTES, RECORD_MAGIC, UNKNOWN_BYTES};
use crate::model::bytes::{u32_at, utf16};
use crate::model::name::NtName;
use crate::tree::TreeError;
use crate::usmt::layout::FILE;

/// The first record is searched up to here; with a password it is at about
/// 0x34.
const FIRST_RECORD_LIMIT: usize = 0x200;
/// A first record up to here is where a container with a password has it (inferred).
const PASSWORD_LIMIT: u64 = 0x60;
/// Longest path of NTFS, 32,767 units, with room for `File\`.
const NAME_LIMIT_BYTES: u32 = 0x1_0100;
/// Longest name of a record that no chain leads to.
const SEARCHED_NAME_BYTES: u32 = 0x2000;

/// A record of a container.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// The container's byte at which it begins.
    pub offset: u64,
    /// Its name, such as `File\C:\Users\alice\a.txt`.
    pub name: NtName,
    /// Bytes of its data in the container.
    pub packed_bytes: u64,
}

/// What comes next in a container.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Item {
    /// A record. Its data can be read until the next item is asked for.
    Record(Record),
    /// Something is wrong.
    Problem(Problem),
}

/// The start of a container.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Start {
    /// It does not begin with the known magic and version.
    Unknown,
    /// It does, but no record was found.
    NoRecord,
    /// The data of its records can be decompressed.
    Plain,
    /// The first record is where a container with a password has it (inferred): the data is
    /// encrypted.
    Encrypted,
}

/// Reads the records of a container in order.
pub struct Records<'a> {
    pub(super) pieces: Pieces<'a>,
    start: Start,
    /// Where the next record should be.
    next: u64,
    /// The last record that was given.
    last: Option<Last>,
    queued: VecDeque<Problem>,
    is_broken: bool,
    is_at_end: bool,
}

/// What is known of the last record.
pub(super) struct Last {
    pub(super) offset: u64,
    name: NtName,
    /// The first byte after the name.
    pub(super) data_from: u64,
    /// Where it ends, by its header.
    pub(super) end: u64,
    /// Where its data really ended, once that is known.
    pub(super) unpacked: Option<Unpacked>,
}

/// How the data of a record ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Unpacked {
    /// Complete, with the right checksum, up to this byte of the container.
    Whole(u64),
    Damaged,
}

impl<'a> Records<'a> {
    /// Opens a container. [`Self::start`] says what was found there.
    ///
    /// # Errors
    /// A piece cannot be read.
    pub fn open(open: OpenPieces<'a>) -> Result<Self, TreeError> {
        let mut pieces = Pieces::new(open)?;
        let len = pieces.len();
        let head = pieces.ensure(FIRST_RECORD_LIMIT)?;
        let head = head[..head.len().min(FIRST_RECORD_LIMIT)].to_vec();
        let is_known = head.starts_with(MAGIC) && head.get(4..8) == Some(&2_u32.to_le_bytes()[..]);
        let mut records = Self {
            pieces,
            start: Start::Unknown,
            next: len,
            last: None,
            queued: VecDeque::new(),
            is_broken: true,
            is_at_end: false,
        };
        if !is_known {
            records.trouble(0, None, "does not begin with 1giM, version 2");
            return Ok(records);
        }
        let found = match find_first(&head, len) {
            Some(first) => Some(first),
            // The sectors at the start may be lost.
            None => records.search(FIRST_RECORD)?,
        };
        let Some(first) = found else {
            records.trouble(FIRST_RECORD.min(len), None, "the first record was not found");
            records.start = Start::NoRecord;
            return Ok(records);
        };
        records.next = first;
        records.is_broken = false;
        records.start = Start::Plain;
        if first > PASSWORD_LIMIT && records.is_zlib_at(first)? {
            records.trouble(
                FIRST_RECORD,
                None,
                format!("the first record was not found; the next one is at byte {first}"),
            );
        } else if first > FIRST_RECORD {
            records.start = Start::Encrypted;
        }
        Ok(records)
    }

    /// What the start of the container looks like.
    pub fn start(&self) -> Start {
        self.start
    }

    /// Bytes of the container.
    pub fn bytes(&self) -> u64 {
        self.pieces.len()
    }

    /// The byte that is read next.
    pub fn position(&self) -> u64 {
        self.pieces.position()
    }

    /// Whether the chain of records was followed to the container's end without a break.
    pub fn is_whole(&self) -> bool {
        self.is_at_end && !self.is_broken
    }

    /// The next record, or the next problem; `None` at the end.
    ///
    /// # Errors
    /// A piece cannot be read any further.
    pub fn next_item(&mut self) -> Result<Option<Item>, TreeError> {
        if let Some(problem) = self.queued.pop_front() {
            return Ok(Some(Item::Problem(problem)));
        }
        let last = match self.last.take() {
            Some(last) => self.settle(last)?,
            None => None,
        };
        if let Some(problem) = self.queued.pop_front() {
            return Ok(Some(Item::Problem(problem)));
        }
        let len = self.pieces.len();
        if self.next >= len {
            if !std::mem::replace(&mut self.is_at_end, true)
                && let Some(doubt) = self.pieces.doubt()
            {
                let what = format!("the copy differs from the original: {}", doubt.reason);
                self.trouble(0, None, what);
                return Ok(self.queued.pop_front().map(Item::Problem));
            }
            return Ok(None);
        }
        let at = self.next;
        match self.header_at(at)? {
            Err(what) => {
                let found = self.search_after(last, at)?;
                let what = match found {
                    Some(next) => format!("{what}; the next record found is at byte {next}"),
                    None => format!("{what}; no further record was found"),
                };
                self.next = found.unwrap_or(len);
                self.trouble(at, None, what);
                Ok(self.queued.pop_front().map(Item::Problem))
            }
            Ok((header, name)) => {
                let data_from = at + RECORD_HEADER_BYTES as u64 + u64::from(header.name_bytes);
                let end = at + header.end();
                let record = Record {
                    offset: at,
                    name: name.clone(),
                    packed_bytes: end.min(len).saturating_sub(data_from),
                };
                let what = if let Some(hole) = self.pieces.hole_in(at, data_from) {
                    Some(format!("its name or size may be wrong: {}", hole.reason))
                } else {
                    (!is_plausible(&name)).then(|| "its name is damaged".to_owned())
                };
                if let Some(what) = what {
                    self.trouble(at, Some(&name), what);
                }
                self.last = Some(Last { offset: at, name, data_from, end, unpacked: None });
                // Problems with this record come after it.
                Ok(Some(Item::Record(record)))
            }
        }
    }

    /// The data of the record that was given last, decompressed. Nothing for an encrypted one.
    pub fn payload(&mut self) -> Payload<'_, 'a> {
        Payload::new(self)
    }

    pub(super) fn last(&mut self) -> Option<&mut Last> {
        self.last.as_mut()
    }

    /// Where the record after this one begins.
    fn settle(&mut self, last: Last) -> Result<Option<Last>, TreeError> {
        let len = self.pieces.len();
        self.next = last.end;
        if let Some(Unpacked::Whole(to)) = last.unpacked
            && to != last.end
            && (to > last.end || self.is_record_at(to)?)
        {
            let what = format!(
                "its size is wrong: its data ends at byte {to}, not {}. Nothing of it is lost",
                last.end
            );
            self.trouble(last.offset, Some(&last.name), what);
            self.next = to;
        } else if last.end > len {
            let (offset, name, missing) = (last.offset, last.name.clone(), last.end - len);
            self.next = len;
            let what = match self.search_after(Some(last), len)? {
                Some(next) => {
                    self.next = next;
                    format!("its size is wrong; the next record found is at byte {next}")
                }
                None => format!("truncated: {missing} bytes are missing"),
            };
            self.trouble(offset, Some(&name), what);
            return Ok(None);
        }
        Ok(Some(last))
    }

    /// Searches for the next record when there is none at `at`, where `last` should end.
    fn search_after(&mut self, last: Option<Last>, at: u64) -> Result<Option<u64>, TreeError> {
        let Some(last) = last.filter(|last| self.pieces.spend_way_back(last.data_from)) else {
            return self.search(at);
        };
        let from = last.data_from;
        // If its data is complete, its size was right: what it contains is no record.
        let unpacked = match last.unpacked {
            None if self.start == Start::Plain => {
                self.last = Some(last);
                match self.payload().discard() {
                    Err(PayloadError::Read(error)) => return Err(error),
                    Ok(_) | Err(PayloadError::Damaged(_)) => {}
                }
                self.last.take().and_then(|last| last.unpacked)
            }
            unpacked => unpacked,
        };
        let from = match unpacked {
            Some(Unpacked::Whole(to)) => to,
            Some(Unpacked::Damaged) | None => from,
        };
        if self.pieces.spend_way_back(from) { self.search(from) } else { self.search(at) }
    }

    /// The first plausible record at or after `from`.
    fn search(&mut self, from: u64) -> Result<Option<u64>, TreeError> {
        let mut at = from;
        loop {
            self.pieces.seek(at)?;
            let bytes = self.pieces.ensure(RECORD_HEADER_BYTES)?;
            if bytes.len() < RECORD_HEADER_BYTES {
                return Ok(None);
            }
            let step = bytes.windows(RECORD_MAGIC.len()).position(|b| b == RECORD_MAGIC);
            let past = bytes.len() - (RECORD_MAGIC.len() - 1);
            match step {
                Some(0) => {
                    if self.is_record_at(at)? {
                        return Ok(Some(at));
                    }
                    at += 1;
                }
                Some(step) => at += step as u64,
                None => at += past as u64,
            }
        }
    }

    /// Whether there is very probably a record at `at`: for places that no chain leads to.
    fn is_record_at(&mut self, at: u64) -> Result<bool, TreeError> {
        let len = self.pieces.len();
        self.pieces.seek(at)?;
        let header = Header::parse(self.pieces.ensure(RECORD_HEADER_BYTES)?);
        let Some(header) = header.filter(Header::is_possible) else { return Ok(false) };
        let fits = at.checked_add(header.end()).is_some_and(|end| end <= len);
        if header.name_bytes > SEARCHED_NAME_BYTES || !fits || !self.is_data_at(at)? {
            return Ok(false);
        }
        let Ok((_, name)) = self.header_at(at)? else { return Ok(false) };
        Ok(is_text(&name))
    }

    fn is_data_at(&mut self, at: u64) -> Result<bool, TreeError> {
        Ok(self.start == Start::Encrypted || self.is_zlib_at(at)?)
    }

    /// Whether the data of the record at `at` begins as zlib data does.
    fn is_zlib_at(&mut self, at: u64) -> Result<bool, TreeError> {
        self.pieces.seek(at)?;
        let header = Header::parse(self.pieces.ensure(RECORD_HEADER_BYTES)?);
        let Some(header) = header.filter(Header::is_possible) else { return Ok(false) };
        let data = RECORD_HEADER_BYTES + header.name_bytes as usize + UNKNOWN_BYTES;
        let bytes = self.pieces.ensure(data + 2)?;
        Ok(header.size as usize >= header.name_bytes as usize + UNKNOWN_BYTES + 2
            && bytes.get(data..data + 2).is_some_and(is_zlib))
    }

    /// Whether a possible header of a record is at `at`.
    pub(super) fn is_header_at(&mut self, at: u64) -> Result<bool, TreeError> {
        self.pieces.seek(at)?;
        let bytes = self.pieces.ensure(RECORD_HEADER_BYTES)?;
        Ok(Header::parse(bytes).is_some_and(|header| header.is_possible()))
    }

    /// The header and the name of the record at `at`; the position stays there.
    fn header_at(&mut self, at: u64) -> Result<Result<(Header, NtName), &'static str>, TreeError> {
        self.pieces.seek(at)?;
        let bytes = self.pieces.ensure(RECORD_HEADER_BYTES)?;
        if bytes.len() < RECORD_HEADER_BYTES {
            return Ok(Err("the container ends inside a record's header"));
        }
        let Some(header) = Header::parse(bytes).filter(Header::is_possible) else {
            return Ok(Err("there is no record where the previous one ends"));
        };
        let name_end = RECORD_HEADER_BYTES + header.name_bytes as usize;
        let Some(name) = self.pieces.ensure(name_end)?.get(RECORD_HEADER_BYTES..name_end) else {
            return Ok(Err("the container ends inside a record's name"));
        };
        let mut units = utf16(name);
        while units.last() == Some(&0) {
            units.pop();
        }
        Ok(Ok((header, NtName::from_utf16(&units))))
    }

    fn trouble(&mut self, offset: u64, record: Option<&NtName>, what: impl Into<String>) {
        self.is_broken = true;
        self.queued.push_back(Problem {
            offset,
            record: record.map(NtName::to_string_lossy),
            what: what.into(),
        });
    }
}

/// Whether it can be the name of a record: no checksum covers it.
fn is_plausible(name: &NtName) -> bool {
    is_text(name) && !is_nearly_a_place(name)
}

fn is_text(name: &NtName) -> bool {
    !name.is_empty() && !name.to_string_lossy().contains(char::is_control)
}

/// Whether a name is that of a file but for a character or two: `Fi|e\C:\...`, `File\#:\...`.
fn is_nearly_a_place(name: &NtName) -> bool {
    let names = record_names(name);
    let [file, drive, _, ..] = names.as_slice() else { return false };
    let has_drive = matches!(drive.as_wtf8(), [letter, end]
        if letter.is_ascii_alphabetic() || matches!(end, b':' | b'$'));
    (has_drive || file.eq_ignore_ascii_case(FILE)) && Place::of(name).is_none()
}

/// The position of the first record: its magic, and a possible name.
fn find_first(head: &[u8], len: u64) -> Option<u64> {
    let from = usize::try_from(FIRST_RECORD).ok()?;
    (from..head.len().saturating_sub(RECORD_HEADER_BYTES)).find_map(|at| {
        let header = Header::parse(head.get(at..at + RECORD_HEADER_BYTES)?)?;
        let at = at as u64;
        (header.is_possible() && at + header.end() <= len).then_some(at)
    })
}

struct Header {
    name_bytes: u32,
    size: u32,
}

impl Header {
    fn parse(bytes: &[u8]) -> Option<Self> {
        bytes.starts_with(RECORD_MAGIC).then_some(())?;
        Some(Self { name_bytes: u32_at(bytes, 4)?, size: u32_at(bytes, 8)? })
    }

    fn is_possible(&self) -> bool {
        self.name_bytes.is_multiple_of(2)
            && self.name_bytes <= NAME_LIMIT_BYTES
            && self.name_bytes <= self.size
    }

    /// Bytes from the record's start to the next record.
    fn end(&self) -> u64 {
        RECORD_HEADER_BYTES as u64 + u64::from(self.size)
    }
}
