//! Options, then a container of a compressed store (`USMT.MIG`): the report is
//! the same however the container is cut into pieces, and does not claim more
//! records than fit. Reading the records one by one, as the extracting does, gives
//! the same, whichever of them are unpacked, and ends.

use lifeboat::model::loss::Hole;
use lifeboat::model::monitor::Silent;
use lifeboat::tree::{Stream, TreeError};
use lifeboat::usmt::container::{Item, Pattern, PayloadError, Place, Records};
use lifeboat::usmt::{ContainerReport, check_container};

struct Piece(Vec<u8>, usize);

impl Stream for Piece {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read(&mut self, buf: &mut [u8]) -> Result<usize, TreeError> {
        let rest = &self.0[self.1..];
        let n = rest.len().min(buf.len());
        buf[..n].copy_from_slice(&rest[..n]);
        self.1 += n;
        Ok(n)
    }

    fn skip(&mut self, bytes: u64) -> Result<(), TreeError> {
        let left = self.0.len() - self.1;
        self.1 += usize::try_from(bytes).map_or(left, |bytes| bytes.min(left));
        Ok(())
    }

    fn holes(&self) -> &[Hole] {
        &[]
    }
}

fn check(bytes: &[u8], piece_bytes: usize, payloads: bool) -> ContainerReport {
    let piece = |bytes: &[u8]| Box::new(Piece(bytes.to_vec(), 0)) as Box<dyn Stream>;
    let open = || Ok(bytes.chunks(piece_bytes).map(piece).collect());
    check_container(Box::new(open), payloads, &Silent).expect("memory never fails")
}

/// Reads the data of the records whose bits are set; returns the number of records, of those that
/// were read completely, and whether nothing was wrong.
fn walk(bytes: &[u8], piece_bytes: usize, which: u64) -> (u64, u64, bool) {
    let piece = |bytes: &[u8]| Box::new(Piece(bytes.to_vec(), 0)) as Box<dyn Stream>;
    let open = || Ok(bytes.chunks(piece_bytes).map(piece).collect());
    let mut reader = Records::open(Box::new(open)).expect("memory never fails");
    let pattern = Pattern::new("C:\\Users\\*\\*.t?t");
    let (mut records, mut unpacked, mut next) = (0_u64, 0, 0);
    while let Some(item) = reader.next_item().expect("memory never fails") {
        let Item::Record(record) = item else { continue };
        assert!(record.offset >= next, "records do not overlap in their headers");
        next = record.offset + 24;
        assert!(next + record.packed_bytes <= bytes.len() as u64);
        if let Some(place) = Place::of(&record.name) {
            assert!(!place.names.is_empty() && !place.windows_path().is_empty());
        }
        let _ = pattern.fits(&record.name);
        records += 1;
        let mut payload = reader.payload();
        if which >> (records % 64) & 1 == 0 || payload.is_absent().expect("memory never fails") {
            continue;
        }
        match payload.discard() {
            Ok(_) => unpacked += 1,
            Err(PayloadError::Damaged(what)) => assert!(!what.is_empty()),
            Err(PayloadError::Read(error)) => panic!("{error}"),
        }
    }
    (records, unpacked, reader.is_whole())
}

pub(crate) fn run(data: &[u8]) {
    let Some((options, bytes)) = data.split_first() else { return };
    let payloads = options & 1 == 1;
    let report = check(bytes, bytes.len().max(1), payloads);
    assert_eq!(report, check(bytes, usize::from(options >> 1) * 11 + 1, payloads));
    assert!(report.records * 24 <= bytes.len() as u64);
    assert!(report.payloads_checked <= if payloads { report.records } else { 0 });
    assert!(report.is_known || report.records == 0);
    for problem in &report.problems {
        assert!(problem.offset <= bytes.len() as u64 && !problem.what.is_empty());
    }
    let (records, unpacked, is_whole) = walk(bytes, bytes.len().max(1), !0);
    if payloads && !report.has_password {
        assert_eq!((records, unpacked, is_whole), {
            (report.records, report.payloads_checked, report.chain_is_whole)
        });
    }
    walk(bytes, bytes.len().max(1), u64::from(*options) * 0x0101_0101_0101_0101);
}
