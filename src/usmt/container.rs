//! The container of a compressed store (`USMT.MIG`).
//!
//! Its format is not documented. This is the format of Windows Easy Transfer
//! files, whose library has the same constants as USMT's. USMT's container is
//! very probably the same (inferred):
//!
//! ```text
//! 0x00  "1giM"  u32 version (2)  ...                  first record at 0x18;
//!                                                     about 0x34 with a password
//! record: "MRTS"  u32 name_bytes  u32 size  3 x u32 unknown        24 bytes
//!         name, UTF-16LE
//!         8 unknown bytes
//!         zlib data                                   `size` bytes from the name on
//! ```
//!
//! The only known checksum is zlib's own Adler-32.

use std::collections::BTreeMap;
use std::io::{self, Read};

use flate2::read::ZlibDecoder;

use crate::model::bytes::{u32_at, utf16};
use crate::model::monitor::Monitor;
use crate::tree::{Stream, TreeError};
use crate::usmt::layout::FILE;

const MAGIC: &[u8; 4] = b"1giM";
const RECORD_MAGIC: &[u8; 4] = b"MRTS";
const RECORD_HEADER_BYTES: usize = 24;
const FIRST_RECORD: u64 = 0x18;
/// The first record is searched up to here; with a password it is at about
/// 0x34.
const FIRST_RECORD_LIMIT: usize = 0x200;
/// Longest path of NTFS, 32,767 units, with room for `File\`.
const NAME_LIMIT_BYTES: u32 = 0x1_0100;
const UNKNOWN_BYTES: u64 = 8;
/// The number of problems that are kept: random bytes have any number.
const PROBLEM_LIMIT: usize = 1000;

/// A problem in a container.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// Byte in the container (all pieces as one).
    pub offset: u64,
    /// The name of the record, if it has one.
    pub record: Option<String>,
    /// For people.
    pub what: String,
}

/// What was found in a container.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[allow(clippy::struct_excessive_bools)] // four independent facts
pub struct ContainerReport {
    /// Whether it begins with the known magic and version.
    pub is_known: bool,
    /// Whether the first record has the position of a container with a password
    /// (inferred).
    pub has_password: bool,
    /// The number of records.
    pub records: u64,
    /// Whether there is a `CATALOG.IMG` record.
    pub has_catalog: bool,
    /// Payloads that decompressed completely, with the right Adler-32.
    pub payloads_checked: u64,
    /// Their decompressed bytes.
    pub plain_bytes: u64,
    /// Whether the chain of records ends exactly at the container's end.
    pub chain_is_whole: bool,
    /// Records whose names are paths on a drive (`File\C:\...`).
    pub on_drives: u64,
    /// Records and their compressed bytes by user, judging by the names
    /// (`File\C:\Users\alice\...`); at most 1,000 users.
    pub users: BTreeMap<String, (u64, u64)>,
    /// The problems, at most 1,000.
    pub problems: Vec<Problem>,
}

/// The number of users that are counted: random bytes may have any number.
const USER_LIMIT: usize = 1000;

impl ContainerReport {
    fn count(&mut self, name: &str, bytes: u64) {
        let names: Vec<&str> = name.splitn(5, '\\').collect();
        let [file, drive, _, ..] = *names else { return };
        let is_drive = matches!(drive.as_bytes(), [_, b':' | b'$']);
        if !file.eq_ignore_ascii_case(FILE) || !is_drive {
            return;
        }
        self.on_drives += 1;
        let [_, _, users, user, _] = *names else { return };
        if !["Users", "Documents and Settings"].iter().any(|u| users.eq_ignore_ascii_case(u)) {
            return;
        }
        if self.users.contains_key(user) || self.users.len() < USER_LIMIT {
            let (records, packed) = self.users.entry(user.to_owned()).or_default();
            *records += 1;
            *packed = packed.saturating_add(bytes);
        }
    }

    fn problem(&mut self, offset: u64, record: Option<&str>, what: impl Into<String>) {
        if self.problems.len() < PROBLEM_LIMIT {
            self.problems.push(Problem {
                offset,
                record: record.map(str::to_owned),
                what: what.into(),
            });
        }
    }
}

/// Walks the records of a container in `pieces`, in order. With `payloads`,
/// also decompresses their data (not with a password, which encrypts it).
///
/// # Errors A piece cannot be read completely. Damage is in the report instead.
pub fn check_container(
    pieces: Vec<Box<dyn Stream>>,
    payloads: bool,
    monitor: &dyn Monitor,
) -> Result<ContainerReport, TreeError> {
    let mut chain = Chain::new(pieces);
    let mut report = ContainerReport::default();
    let mut head = [0; FIRST_RECORD_LIMIT];
    let got = chain.fill(&mut head)?;
    let head = &head[..got];
    report.is_known = head.starts_with(MAGIC) && head.get(4..8) == Some(&2_u32.to_le_bytes()[..]);
    if !report.is_known {
        report.problem(0, None, "does not begin with 1giM, version 2");
        return Ok(report);
    }
    let Some(first) = find_first(head, chain.len) else {
        report.problem(FIRST_RECORD.min(chain.len), None, "the first record was not found");
        return Ok(report);
    };
    report.has_password = first > FIRST_RECORD;
    chain.unread(head, first);
    let payloads = payloads && !report.has_password;
    while chain.position < chain.len && !monitor.is_cancelled() {
        if !record(&mut chain, payloads, &mut report)? {
            return Ok(report);
        }
    }
    report.chain_is_whole = chain.position == chain.len;
    Ok(report)
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

/// One record. False when the chain is lost.
fn record(
    chain: &mut Chain,
    payloads: bool,
    report: &mut ContainerReport,
) -> Result<bool, TreeError> {
    let start = chain.position;
    let mut header = [0; RECORD_HEADER_BYTES];
    if chain.fill(&mut header)? < header.len() {
        report.problem(start, None, "the container ends inside a record's header");
        return Ok(false);
    }
    let Some(header) = Header::parse(&header).filter(Header::is_possible) else {
        report.problem(start, None, "there is no record where the previous one ends");
        return Ok(false);
    };
    let mut name = vec![0; header.name_bytes as usize];
    if chain.fill(&mut name)? < name.len() {
        report.problem(start, None, "the container ends inside a record's name");
        return Ok(false);
    }
    let name = String::from_utf16_lossy(&utf16(&name)).trim_end_matches('\0').to_owned();
    report.records += 1;
    report.count(&name, u64::from(header.size - header.name_bytes));
    report.has_catalog |= name.eq_ignore_ascii_case("CATALOG.IMG");
    let end = start + header.end();
    if end > chain.len {
        let missing = end - chain.len;
        report.problem(start, Some(&name), format!("truncated: {missing} bytes are missing"));
        chain.skip_to(chain.len)?;
        return Ok(false);
    }
    if payloads && end > chain.position + UNKNOWN_BYTES {
        chain.skip_to(chain.position + UNKNOWN_BYTES)?;
        match unpack(chain, end) {
            Ok(bytes) => {
                report.payloads_checked += 1;
                report.plain_bytes = report.plain_bytes.saturating_add(bytes);
            }
            Err(Unpack::Read(error)) => return Err(error),
            Err(Unpack::Damaged(what)) => {
                report.problem(start, Some(&name), format!("its data is damaged: {what}"));
            }
        }
    }
    chain.skip_to(end)?;
    Ok(true)
}

enum Unpack {
    /// The disk.
    Read(TreeError),
    /// The data.
    Damaged(String),
}

/// Decompresses the zlib data that ends at `end`, and discards it.
fn unpack(chain: &mut Chain, end: u64) -> Result<u64, Unpack> {
    let mut payload = Payload { chain, end, error: None };
    let mut decoder = ZlibDecoder::new(&mut payload);
    let result = io::copy(&mut decoder, &mut io::sink());
    match (payload.error, result) {
        (Some(error), _) => Err(Unpack::Read(error)),
        (None, Ok(bytes)) => Ok(bytes),
        (None, Err(error)) => Err(Unpack::Damaged(error.to_string())),
    }
}

/// A record's data as `Read`, keeping the disk's own error.
struct Payload<'a> {
    chain: &'a mut Chain,
    end: u64,
    error: Option<TreeError>,
}

impl Read for &mut Payload<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.chain.position).unwrap_or(usize::MAX);
        let want = buf.len().min(left);
        self.chain.fill(&mut buf[..want]).map_err(|error| {
            self.error = Some(error);
            io::Error::other("the disk failed")
        })
    }
}

/// The pieces as one stream.
struct Chain {
    pieces: std::vec::IntoIter<Box<dyn Stream>>,
    current: Option<Box<dyn Stream>>,
    left_in_current: u64,
    /// Bytes to read again.
    pending: Vec<u8>,
    pending_from: usize,
    position: u64,
    len: u64,
}

impl Chain {
    fn new(pieces: Vec<Box<dyn Stream>>) -> Self {
        let len = pieces.iter().map(|p| p.len()).fold(0, u64::saturating_add);
        Self {
            pieces: pieces.into_iter(),
            current: None,
            left_in_current: 0,
            pending: Vec::new(),
            pending_from: 0,
            position: 0,
            len,
        }
    }

    /// Goes back to `to`, which is in `head`, the container's first bytes.
    fn unread(&mut self, head: &[u8], to: u64) {
        self.pending = head.to_vec();
        self.pending_from = usize::try_from(to).map_or(head.len(), |to| to.min(head.len()));
        self.position = self.pending_from as u64;
    }

    /// Fills `buf`; short only at the end.
    fn fill(&mut self, buf: &mut [u8]) -> Result<usize, TreeError> {
        let mut filled = 0;
        while filled < buf.len() {
            let rest = &mut buf[filled..];
            let pending = &self.pending[self.pending_from..];
            let n = if !pending.is_empty() {
                let n = pending.len().min(rest.len());
                rest[..n].copy_from_slice(&pending[..n]);
                self.pending_from += n;
                n
            } else if let Some(stream) = self.current.as_mut().filter(|_| self.left_in_current > 0)
            {
                let n = stream.read(rest)?;
                self.left_in_current = if n == 0 { 0 } else { self.left_in_current - n as u64 };
                n
            } else if self.next_piece() {
                continue;
            } else {
                break;
            };
            filled += n;
            self.position += n as u64;
        }
        Ok(filled)
    }

    fn next_piece(&mut self) -> bool {
        self.current = self.pieces.next();
        self.left_in_current = self.current.as_ref().map_or(0, |s| s.len());
        self.current.is_some()
    }

    fn skip_to(&mut self, to: u64) -> Result<(), TreeError> {
        while self.position < to {
            let want = to - self.position;
            let pending = (self.pending.len() - self.pending_from) as u64;
            let n = if pending > 0 {
                let n = pending.min(want);
                self.pending_from += usize::try_from(n).unwrap_or(0);
                n
            } else if let Some(stream) = self.current.as_mut().filter(|_| self.left_in_current > 0)
            {
                let n = want.min(self.left_in_current);
                stream.skip(n)?;
                self.left_in_current -= n;
                n
            } else if self.next_piece() {
                continue;
            } else {
                break;
            };
            self.position += n;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::loss::Hole;
    use crate::model::monitor::Silent;
    use flate2::Compression;
    use flate2::write::ZlibEncoder;
    use proptest::prelude::*;
    use std::io::Write;

    struct Bytes(Vec<u8>, usize);

    impl Stream for Bytes {
        fn len(&self) -> u64 {
            self.0.len() as u64
        }
        fn read(&mut self, buf: &mut [u8]) -> Result<usize, TreeError> {
            let n = buf.len().min(self.0.len() - self.1);
            buf[..n].copy_from_slice(&self.0[self.1..self.1 + n]);
            self.1 += n;
            Ok(n)
        }
        fn skip(&mut self, bytes: u64) -> Result<(), TreeError> {
            self.1 += usize::try_from(bytes).unwrap();
            Ok(())
        }
        fn holes(&self) -> &[Hole] {
            &[]
        }
    }

    fn container(first: usize, files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut bytes = b"1giM\x02\0\0\0".to_vec();
        bytes.resize(first, 0);
        for (name, data) in files {
            let name: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
            let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
            zlib.write_all(data).unwrap();
            let zlib = zlib.finish().unwrap();
            bytes.extend(b"MRTS");
            bytes.extend(u32::try_from(name.len()).unwrap().to_le_bytes());
            bytes.extend(u32::try_from(name.len() + 8 + zlib.len()).unwrap().to_le_bytes());
            bytes.extend([7; 12]);
            bytes.extend(name);
            bytes.extend([9; 8]);
            bytes.extend(zlib);
        }
        bytes
    }

    fn check(pieces: &[&[u8]]) -> ContainerReport {
        let pieces = pieces.iter().map(|p| Box::new(Bytes(p.to_vec(), 0)) as Box<dyn Stream>);
        check_container(pieces.collect(), true, &Silent).unwrap()
    }

    fn good() -> Vec<u8> {
        let big = vec![0x5A; 200_000];
        container(
            0x18,
            &[("File\\C:\\Users\\alice\\a.txt", b"hello"), ("b", &big), ("CATALOG.IMG", b"cat")],
        )
    }

    #[test]
    fn a_sound_container_is_walked_to_its_end() {
        let report = check(&[&good()]);
        assert!(report.is_known && report.chain_is_whole && report.has_catalog);
        assert!(!report.has_password);
        assert_eq!((report.records, report.payloads_checked), (3, 3));
        assert_eq!(report.on_drives, 1);
        assert_eq!(report.plain_bytes, 200_008);
        let users: Vec<_> =
            report.users.iter().map(|(name, (files, _))| (&**name, *files)).collect();
        assert_eq!(users, [("alice", 1)]);
        assert_eq!(report.problems, []);
    }

    #[test]
    fn pieces_are_one_container_wherever_they_are_cut() {
        let whole = good();
        for cut in [1, 0x18, 0x20, 0x40, 0x100, whole.len() / 2, whole.len() - 1] {
            let (a, b) = whole.split_at(cut);
            assert_eq!(check(&[a, b]), check(&[&whole]), "cut at {cut}");
        }
    }

    #[test]
    fn a_missing_piece_or_tail_is_seen() {
        let whole = good();
        for len in (9..whole.len()).step_by(37) {
            let report = check(&[&whole[..len]]);
            assert!(!report.chain_is_whole || !report.has_catalog, "{len}");
            assert!(report.problems.iter().all(|p| p.offset <= len as u64), "{report:?}");
        }
    }

    #[test]
    fn a_flipped_bit_in_a_payload_is_seen_and_named() {
        let mut bytes = good();
        let at = bytes.windows(2).rposition(|w| w == b"\x78\x01").unwrap() + 4;
        bytes[at] ^= 1;
        let report = check(&[&bytes]);
        assert_eq!(report.problems.len(), 1, "{report:?}");
        assert_eq!(report.problems[0].record.as_deref(), Some("CATALOG.IMG"));
        assert!(report.chain_is_whole);
    }

    #[test]
    fn with_a_password_payloads_are_left_alone() {
        let report = check(&[&container(0x34, &[("CATALOG.IMG", b"x")])]);
        assert!(report.has_password && report.chain_is_whole && report.has_catalog);
        assert_eq!(report.payloads_checked, 0);
    }

    proptest! {
        #[test]
        fn rubbish_does_no_harm(tail: Vec<u8>, at in 0_usize..300, value: u8) {
            let mut bytes = good();
            bytes[at] = value;
            bytes.extend(&tail);
            check(&[&bytes]);
            check(&[&[&b"1giM\x02\0\0\0"[..], &tail].concat()]);
        }
    }
}
