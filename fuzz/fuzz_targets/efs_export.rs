//! Streams of any shape, exported in steps of any size: as long as was said, and
//! the import gives the same names and sizes back.

use std::ops::Range;

use arbitrary::Arbitrary;
use lifeboat::model::name::NtName;
use lifeboat::ntfs::read::efs::{EfsEvent, EfsExport, EfsImport, EfsStream, Sparse};

#[derive(Arbitrary, Debug)]
struct Input {
    efs: Vec<u8>,
    streams: Vec<Stream>,
    step: u16,
}

#[derive(Arbitrary, Debug)]
struct Stream {
    name: Vec<u16>,
    size: u64,
    valid: u64,
    /// A unit and runs.
    sparse: Option<(u32, Vec<Range<u64>>)>,
    is_encrypted: bool,
}

pub(crate) fn run(data: &[u8]) {
    let Some(input) = crate::made::<Input>(data) else { return };
    let streams: Vec<_> = input.streams.iter().map(stream).collect();
    let mut efs = input.efs;
    if let Some(length) = u32::try_from(efs.len()).ok().filter(|l| *l >= 12) {
        for (place, word) in efs.chunks_exact_mut(4).zip([length, 0, 2]) {
            place.copy_from_slice(&word.to_le_bytes());
        }
    }
    let Ok(mut export) = EfsExport::new(&efs, streams, 4096) else { return };
    if export.len() > 4 << 20 {
        export.skip(u64::from(input.step) << 10);
        let Ok(_) = export.read(&mut [0; 3000]);
        return;
    }
    let mut bytes = Vec::new();
    let mut buf = vec![0; usize::from(input.step) + 1];
    loop {
        let Ok(count) = export.read(&mut buf);
        bytes.extend_from_slice(&buf[..count]);
        if count == 0 {
            break;
        }
    }
    assert_eq!(bytes.len() as u64, export.len());
    let mut import = EfsImport::new(&bytes[..]);
    let mut back: Vec<(NtName, u64, u64)> = Vec::new();
    while let Some(event) = import.next_event().unwrap() {
        match event {
            EfsEvent::Metadata(found) => assert_eq!(found, efs),
            EfsEvent::Stream { name, .. } => back.push((name, 0, 0)),
            EfsEvent::Segment { size_end, valid_end, .. } => {
                let last = back.last_mut().unwrap();
                *last = (last.0.clone(), last.1.max(size_end), last.2.max(valid_end));
            }
            EfsEvent::Data { .. } => {}
        }
    }
    for (stream, back) in input.streams.iter().zip(&back) {
        let valid = if stream.is_encrypted { stream.valid } else { stream.size };
        assert_eq!((&name(stream), stream.size, valid), (&back.0, back.1, back.2));
    }
    assert_eq!(input.streams.len(), back.len());
}

/// A name that a stream can have.
fn name(stream: &Stream) -> NtName {
    let units: Vec<u16> = stream.name.iter().copied().filter(|u| *u != 0).take(255).collect();
    NtName::from_utf16(&units)
}

type Read = fn(u64, &mut [u8]) -> Result<(), std::convert::Infallible>;

fn stream(made: &Stream) -> EfsStream<Read> {
    EfsStream {
        name: name(made),
        size: made.size,
        valid: made.valid,
        sparse: made.sparse.clone().map(|(unit_bytes, allocated)| Sparse { unit_bytes, allocated }),
        is_encrypted: made.is_encrypted,
        read_at: |at, buf| {
            buf.fill(at as u8);
            Ok(())
        },
    }
}
