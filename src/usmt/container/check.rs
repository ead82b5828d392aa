//! Checks a container: its chain of records, and their data.

use std::collections::BTreeMap;

use super::Problem;
use super::names::{Place, is_catalog};
use super::pieces::OpenPieces;
use super::records::{Item, Record, Records, Start};
use super::unpack::PayloadError;
use crate::model::monitor::Monitor;
use crate::tree::TreeError;

/// The number of problems that are kept: random bytes have any number.
const PROBLEM_LIMIT: usize = 1000;

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
    fn count(&mut self, record: &Record) {
        self.records += 1;
        self.has_catalog |= is_catalog(&record.name);
        let Some(place) = Place::of(&record.name) else { return };
        self.on_drives += 1;
        let Some(user) = place.user() else { return };
        if self.users.contains_key(&user) || self.users.len() < USER_LIMIT {
            let (records, packed) = self.users.entry(user).or_default();
            *records += 1;
            *packed = packed.saturating_add(record.packed_bytes);
        }
    }

    fn problem(&mut self, problem: Problem) {
        if self.problems.len() < PROBLEM_LIMIT {
            self.problems.push(problem);
        }
    }
}

/// Walks the records of a container. With `payloads`, also decompresses their data (not with a
/// password, which encrypts it).
///
/// # Errors
/// A piece cannot be read completely. Damage is in the report instead.
pub fn check_container(
    open: OpenPieces<'_>,
    payloads: bool,
    monitor: &dyn Monitor,
) -> Result<ContainerReport, TreeError> {
    let mut records = Records::open(open)?;
    let mut report = ContainerReport {
        is_known: records.start() != Start::Unknown,
        has_password: records.start() == Start::Encrypted,
        ..ContainerReport::default()
    };
    let payloads = payloads && records.start() == Start::Plain;
    while !monitor.is_cancelled()
        && let Some(item) = records.next_item()?
    {
        let record = match item {
            Item::Problem(problem) => {
                report.problem(problem);
                continue;
            }
            Item::Record(record) => record,
        };
        report.count(&record);
        let mut payload = records.payload();
        if !payloads || payload.is_absent()? {
            continue;
        }
        match payload.discard() {
            Ok(bytes) => {
                report.payloads_checked += 1;
                report.plain_bytes = report.plain_bytes.saturating_add(bytes);
            }
            Err(PayloadError::Read(error)) => return Err(error),
            Err(PayloadError::Damaged(what)) => report.problem(Problem {
                offset: record.offset,
                record: Some(record.name.to_string_lossy()),
                what: format!("its data is damaged: {what}"),
            }),
        }
    }
    report.chain_is_whole = records.is_whole();
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::loss::Hole;
    use crate::model::monitor::Silent;
    use crate::tree::Stream;
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
            self.1 = (self.1 + usize::try_from(bytes).unwrap()).min(self.0.len());
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
        let piece = |p: &&[u8]| Box::new(Bytes(p.to_vec(), 0)) as Box<dyn Stream>;
        let open = || Ok(pieces.iter().map(piece).collect());
        check_container(Box::new(open), true, &Silent).unwrap()
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
    fn a_damaged_name_of_a_file_is_told_from_another_kind_of_record() {
        for name in [r"Fi|e\C:\Users\a", r"File\#:\Users\a", r"File\C;\Users\a", "File\\\0\\a"] {
            let report = check(&[&container(0x18, &[(name, b"x"), ("CATALOG.IMG", b"cat")])]);
            let named: Vec<_> = report.problems.iter().map(|p| p.record.as_deref()).collect();
            assert_eq!(named, [Some(name)], "{:?}", report.problems);
        }
        for name in [r"Registry\HKCU\Software\a", "other"] {
            let report = check(&[&container(0x18, &[(name, b"x"), ("CATALOG.IMG", b"cat")])]);
            assert_eq!(report.problems, [], "{name}");
        }
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
