use std::convert::Infallible;
use std::ops::Range;

use proptest::prelude::*;

use super::*;
use crate::model::name::NtName;

/// The least metadata there can be, with something in it.
fn metadata(bytes: usize) -> Vec<u8> {
    let mut efs: Vec<u8> = (0..bytes.max(12)).map(|i| (i * 7) as u8).collect();
    let length = efs.len() as u32;
    for (place, word) in efs.chunks_exact_mut(4).zip([length, 0, 2]) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    efs
}

/// What stands on the volume at a byte of a stream.
fn raw(at: u64) -> u8 {
    (at ^ at >> 8 ^ at >> 16).wrapping_mul(167) as u8
}

type Read = fn(u64, &mut [u8]) -> Result<(), Infallible>;

#[allow(clippy::unnecessary_wraps)] // the signature is asked for
fn read_at(at: u64, buf: &mut [u8]) -> Result<(), Infallible> {
    for (offset, byte) in (at..).zip(buf) {
        *byte = raw(offset);
    }
    Ok(())
}

fn stream(name: &str, size: u64, valid: u64) -> EfsStream<Read> {
    let name = NtName::from(name);
    EfsStream { name, size, valid, sparse: None, is_encrypted: true, read_at }
}

fn sparse(size: u64, valid: u64, unit_bytes: u32, allocated: &[Range<u64>]) -> EfsStream<Read> {
    let sparse = Some(Sparse { unit_bytes, allocated: allocated.to_vec() });
    EfsStream { sparse, ..stream("", size, valid) }
}

fn all(mut export: EfsExport<Read>, step: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut buf = vec![0; step];
    loop {
        let Ok(count) = export.read(&mut buf);
        bytes.extend_from_slice(&buf[..count]);
        if count < step {
            assert_eq!(bytes.len() as u64, export.len());
            return bytes;
        }
    }
}

fn events(bytes: &[u8]) -> Vec<EfsEvent> {
    let mut import = EfsImport::new(bytes);
    std::iter::from_fn(|| import.next_event().unwrap()).collect()
}

/// A small file, byte for byte as the descriptions have it.
#[test]
fn an_export_looks_as_described() {
    let efs = metadata(20);
    let export = EfsExport::new(&efs, vec![stream("", 700, 700)], 4096).unwrap();
    let bytes = all(export, 1 << 20);
    let mut want = b"\x00\x01\x00\x00R\x00O\x00B\x00S\x00\0\0\0\0\0\0\0\0".to_vec();
    want.extend(b"\x1E\0\0\0N\0T\0F\0S\0\0\0\0\0\0\0\0\0\0\0\0\0\x02\0\0\0\x10\x19");
    want.extend(b"\x24\0\0\0G\0U\0R\0E\0\0\0\0\0");
    want.extend(&efs);
    want.extend(b"\x2A\0\0\0N\0T\0F\0S\0\0\0\0\0\0\0\0\0\0\0\0\0\x0E\0\0\0:\0:\0$\0D\0A\0T\0A\0");
    want.extend(b"\x00\x06\0\0G\0U\0R\0E\0\0\0\0\0");
    // Offset 0, header of 496 bytes, 700 bytes of the stream, all valid; a unit
    // of 1 KiB, clusters of 4; one block of 1 KiB.
    want.extend(b"\0\0\0\0\0\0\0\0\xF0\x01\0\0\xBC\x02\0\0\xBC\x02\0\0\0\0\x0A\x0A\x0C\x01\x01\0");
    want.extend(b"\0\x04\0\0EXTD\x10\0\0\0\0\0\0\0\0\0\0\0");
    want.extend([0; 448]);
    want.extend((0..1024).map(raw));
    assert!(bytes == want);
}

#[test]
fn the_headers_of_segments_tell_size_valid_data_and_unit() {
    // Where the valid data ends in the second of four segments.
    let export = EfsExport::new(&metadata(0), vec![stream("", 200_000, 66_000)], 512).unwrap();
    let bytes = all(export, 1000);
    let starts: Vec<_> =
        (0..bytes.len() - 12).filter(|at| bytes[at + 4..at + 12] == SEGMENT_SIGNATURE).collect();
    let headers: Vec<_> = starts[1..]
        .iter()
        .map(|at| {
            let word = |n: usize| u32::from_le_bytes(*bytes[at + n..].first_chunk().unwrap());
            // Segment length; offset, in the stream, valid; shift; block.
            (word(0), word(16), word(28), word(32), bytes[at + 38], word(44))
        })
        .collect();
    assert_eq!(
        headers,
        [
            (66_048, 0, 65_536, 65_536, 16, 65_536),
            (1024, 65_536, 65_536, 464, 16, 512),
            (512, 131_072, 65_536, 0, 16, 0),
            (512, 196_608, 3392, 0, 12, 0),
        ]
    );
}

#[test]
fn holes_are_blocks_of_no_bytes() {
    let ranges = [16_384..32_768, 32_768..49_152, 131_072..135_168];
    let export =
        EfsExport::new(&metadata(0), vec![sparse(200_000, 200_000, 16_384, &ranges)], 1024)
            .unwrap();
    let list = events(&all(export, 4000));
    let data: Vec<_> = list
        .iter()
        .filter_map(|e| match e {
            EfsEvent::Data { offset, bytes } => Some(*offset..offset + bytes.len() as u64),
            _ => None,
        })
        .collect();
    assert_eq!(data, [16_384..32_768, 32_768..49_152, 131_072..135_168]);
    assert!(matches!(list[2], EfsEvent::Segment { is_sparse: true, .. }));
}

#[test]
fn what_cannot_be_expressed_is_lost_with_a_reason() {
    let lost = |efs: &[u8], stream| EfsExport::new(efs, vec![stream], 4096).err();
    let good = metadata(100);
    let plain = || stream("", 10, 10);
    assert_eq!(lost(&good, plain()), None);
    assert!(matches!(lost(b"", plain()), Some(EfsLost::Metadata { found: 0, .. })));
    assert!(matches!(lost(&good[..99], plain()), Some(EfsLost::Metadata { expected: 100, .. })));
    let large = metadata(METADATA_MAX + 1);
    assert!(matches!(lost(&large, plain()), Some(EfsLost::MetadataTooLarge { .. })));
    let mut under_way = good.clone();
    under_way[4] = 2;
    assert_eq!(lost(&under_way, plain()), Some(EfsLost::UnderWay { state: 2 }));
    assert!(matches!(lost(&good, stream("", 10, 11)), Some(EfsLost::Sizes { .. })));
    assert!(matches!(lost(&good, stream("", u64::MAX, 0)), Some(EfsLost::Sizes { .. })));
    for (unit, range) in [
        (65_536, 4096..65_536), // data after a hole in a unit
        (65_536, 0..1000),      // a hole within a sector
        (131_072, 0..131_072),  // a unit that is no segment
        (3 << 12, 0..65_536),   // no power of two
    ] {
        let holes = lost(&good, sparse(200_000, 200_000, unit, &[range]));
        assert!(matches!(holes, Some(EfsLost::Holes { .. })), "{unit}");
    }
    let twice = [0..65_536, 0..65_536];
    assert!(matches!(
        lost(&good, sparse(200_000, 200_000, 65_536, &twice)),
        Some(EfsLost::Holes { .. })
    ));
}

#[test]
fn a_failed_read_costs_nothing_before_it_and_can_be_passed_over() {
    let read_at = |at: u64, buf: &mut [u8]| {
        let bad = 70_000;
        if at <= bad && bad < at + buf.len() as u64 { Err("bad sector") } else { Ok(()) }
    };
    let stream = EfsStream {
        name: NtName::default(),
        size: 200_000,
        valid: 200_000,
        sparse: None,
        is_encrypted: true,
        read_at,
    };
    let mut export = EfsExport::new(&metadata(0), vec![stream], 4096).unwrap();
    let mut buf = vec![0; 512];
    let mut failed = 0;
    while export.position() < export.len() {
        match export.read(&mut buf) {
            Ok(0) => break,
            Ok(_) => {}
            Err(_) => {
                failed += 1;
                export.skip(512);
            }
        }
    }
    assert!((1..=2).contains(&failed), "{failed}");
    assert_eq!(export.position(), export.len());
}

#[test]
fn imports_say_where_they_stop() {
    let export = EfsExport::new(&metadata(50), vec![stream("", 70_000, 70_000)], 4096).unwrap();
    let whole = all(export, 5000);
    let ends: Vec<_> = (0..whole.len())
        .step_by(97)
        .filter(|cut| {
            let mut import = EfsImport::new(&whole[..*cut]);
            loop {
                match import.next_event() {
                    Ok(Some(_)) => {}
                    Ok(None) => return true,
                    Err(_) => {
                        assert!(import.next_event().unwrap().is_none());
                        return false;
                    }
                }
            }
        })
        .collect();
    // Only between streams and segments can an export seem to be whole.
    assert!(ends.len() < 4, "{ends:?}");
    let mut wrong = whole.clone();
    wrong[4] = b'X';
    assert!(matches!(
        EfsImport::new(&wrong[..]).next_event(),
        Err(EfsFormatError::Invalid { at: 0, .. })
    ));
}

#[test]
fn ntfs_3g_is_told_the_padding() {
    assert_eq!(ntfs_3g_tail(0), [0, 0]);
    assert_eq!(ntfs_3g_tail(1), [0xFF, 1]);
    assert_eq!(ntfs_3g_tail(512), [0, 0]);
    assert_eq!(ntfs_3g_tail(700), [68, 1]);
}

fn any_stream() -> impl Strategy<Value = EfsStream<Read>> {
    let size = prop_oneof![0_u64..3, 500_u64..520, 65_000_u64..66_000, 0_u64..400_000];
    let name = prop_oneof![Just(String::new()), "[a-z]{1,9}", "\\PC{1,9}"];
    let units = prop::collection::vec(any::<bool>(), 110);
    (size, 0_u64..=1000, name, 0..4, units).prop_map(|(size, valid, name, kind, units)| {
        let valid = size * valid / 1000;
        let mut made = stream(&name.replace(['\0', ':', '/'], "x"), size, valid);
        match kind {
            0 => made.is_encrypted = false,
            1 => {
                let unit = 4096 << (size % 5);
                let ranges = units.iter().enumerate().filter(|(_, is_there)| **is_there);
                let allocated =
                    ranges.map(|(n, _)| n as u64 * unit..(n as u64 + 1) * unit).collect();
                made.sparse = Some(Sparse { unit_bytes: unit as u32, allocated });
            }
            _ => {}
        }
        made
    })
}

proptest! {
    #[test]
    fn what_is_exported_comes_back(
        efs in (12_usize..2000).prop_map(metadata),
        streams in prop::collection::vec(any_stream(), 0..4),
        step in 1_usize..100_000,
    ) {
        // What should come back: names, sizes, and the raw bytes that are there.
        type Back = (NtName, bool, u64, u64, Vec<u64>);
        let sectors = |s: &EfsStream<Read>| -> Vec<u64> {
            let stored = |at: &u64| match &s.sparse {
                _ if !s.is_encrypted => true,
                None => *at < s.valid,
                Some(sparse) => {
                    *at < s.valid && sparse.allocated.iter().any(|r| r.contains(at))
                }
            };
            (0..s.size).step_by(512).filter(stored).collect()
        };
        let want: Vec<Back> = streams
            .iter()
            .map(|s| {
                let valid = if s.is_encrypted { s.valid } else { s.size };
                (s.name.clone(), s.is_encrypted, s.size, valid, sectors(s))
            })
            .collect();
        let export = EfsExport::new(&efs, streams, 4096).unwrap();
        let mut got: Vec<Back> = Vec::new();
        let mut list = events(&all(export, step)).into_iter();
        prop_assert_eq!(list.next(), Some(EfsEvent::Metadata(efs)));
        for event in list {
            match event {
                EfsEvent::Stream { name, is_encrypted } => {
                    got.push((name, is_encrypted, 0, 0, Vec::new()));
                }
                EfsEvent::Segment { size_end, valid_end, .. } => {
                    let last = got.last_mut().unwrap();
                    last.2 = last.2.max(size_end);
                    last.3 = last.3.max(valid_end);
                }
                EfsEvent::Data { offset, bytes } => {
                    let (.., is_encrypted, _, _, sectors) = got.last_mut().unwrap();
                    prop_assert!(!*is_encrypted || bytes.len() % 512 == 0);
                    for (at, sector) in (offset..).step_by(512).zip(bytes.chunks(512)) {
                        sectors.push(at);
                        let right = (at..).zip(sector).all(|(at, byte)| *byte == raw(at));
                        prop_assert!(right);
                    }
                }
                EfsEvent::Metadata(_) => prop_assert!(false, "metadata twice"),
            }
        }
        prop_assert_eq!(got, want);
    }

    #[test]
    fn skipping_leads_where_reading_leads(
        streams in prop::collection::vec(any_stream(), 0..3),
        skips in prop::collection::vec((0_u64..100_000, 0_usize..3000), 0..20),
    ) {
        let copy: Vec<_> = streams
            .iter()
            .map(|s| EfsStream { name: s.name.clone(), sparse: s.sparse.clone(), ..*s })
            .collect();
        let whole = all(EfsExport::new(&metadata(30), copy, 4096).unwrap(), 65_536);
        let mut export = EfsExport::new(&metadata(30), streams, 4096).unwrap();
        for (skip, read) in skips {
            export.skip(skip);
            let at = export.position() as usize;
            let mut buf = vec![0; read];
            let Ok(count) = export.read(&mut buf);
            prop_assert!(buf[..count] == whole[at..at + count]);
            prop_assert_eq!(count, read.min(whole.len() - at));
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        from in 0_usize..700,
    ) {
        // Random bytes in the place of a part of a good export.
        let streams = vec![stream("", 600, 600)];
        let mut export = all(EfsExport::new(&metadata(30), streams, 512).unwrap(), 4000);
        let from = from.min(export.len());
        let to = export.len().min(from + bytes.len());
        export[from..to].copy_from_slice(&bytes[..to - from]);
        let mut import = EfsImport::new(&export[..]);
        while let Ok(Some(_)) = import.next_event() {}
    }
}
