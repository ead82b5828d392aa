//! Options, then a container of a compressed store (`USMT.MIG`): the report is
//! the same however the container is cut into pieces, and does not claim more
//! records than fit.

use lifeboat::model::loss::Hole;
use lifeboat::model::monitor::Silent;
use lifeboat::tree::{Stream, TreeError};
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
}
