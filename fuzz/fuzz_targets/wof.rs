//! A byte of algorithm, five of plain size, then the stream: reading in any
//! steps gives the same bytes, and every error names a range that is passed.
//! The whole is also taken as reparse data.

use lifeboat::ntfs::read::wof::{Algorithm, Reader, parse_reparse};

pub(crate) fn run(data: &[u8]) {
    let _ = parse_reparse(data);
    let Some((head, stream)) = data.split_first_chunk::<6>() else { return };
    let algorithm =
        [Algorithm::Xpress4k, Algorithm::Lzx, Algorithm::Xpress8k, Algorithm::Xpress16k]
            [usize::from(head[0] % 4)];
    let mut size = [0; 8];
    size[..5].copy_from_slice(&head[1..]);
    let size = u64::from_le_bytes(size);
    assert_eq!(read(algorithm, size, stream, 1000), read(algorithm, size, stream, 77_777));
}

/// The first 200,000 bytes, zeros where they cannot be had.
fn read(algorithm: Algorithm, size: u64, stream: &[u8], step: usize) -> Vec<u8> {
    const MOST: usize = 200_000;
    let read_at = |at: u64, buf: &mut [u8]| {
        let at = usize::try_from(at).unwrap();
        buf.copy_from_slice(&stream[at..at + buf.len()]);
        Ok::<(), std::convert::Infallible>(())
    };
    let mut reader = Reader::new(algorithm, size, stream.len() as u64, read_at);
    let mut plain = Vec::new();
    let mut buf = vec![0; step];
    while plain.len() < MOST {
        match reader.read(&mut buf) {
            Ok(0) => break,
            Ok(count) => plain.extend_from_slice(&buf[..count]),
            Err(e) => {
                let (from, to) = e.plain_range();
                let at = reader.position();
                assert!(from <= at && at < to && to <= size);
                reader.skip(to - at);
                plain.resize(plain.len() + usize::try_from(to - at).unwrap(), 0);
            }
        }
        assert_eq!(reader.position(), plain.len() as u64);
    }
    plain.truncate(MOST);
    plain
}
