//! Small streams that other programs have made of our own made-up files, kept
//! in `vectors/`, so that the decoders are tried on every machine.
//!
//! `cargo test --test codecs -- --ignored write_the_vectors` makes them anew.

use std::path::PathBuf;

use lifeboat::ntfs::codec::lznt1;
use lifeboat::ntfs::wof::Algorithm;

use crate::made;
use crate::wim::{ALGORITHMS, read_all};

fn path(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/codecs/vectors", name].iter().collect()
}

/// What the stream of an algorithm holds: more than one chunk of each, one of
/// them stored plain, the last one short.
fn plain(algorithm: Algorithm) -> Vec<u8> {
    let chunk = algorithm.chunk_bytes();
    let size = if chunk > 16_384 { 1 } else { 2 } * chunk;
    [made::code(size / 2, 4), made::text(size / 2, 5), made::random(chunk, 6), made::text(999, 7)]
        .concat()
}

fn lznt1_plain() -> Vec<u8> {
    [made::text(9000, 8), vec![0; 5000], made::random(5000, 9), made::code(3000, 10)].concat()
}

#[test]
fn kept_streams_of_compact_os_are_read() {
    for algorithm in ALGORITHMS {
        let stream = std::fs::read(path(&format!("{}.bin", algorithm.as_str()))).unwrap();
        let want = plain(algorithm);
        let got = read_all(algorithm, want.len() as u64, &stream, 10_000);
        assert!(got == want, "{}", algorithm.as_str());
    }
}

#[test]
fn a_kept_compression_unit_is_read() {
    let unit = std::fs::read(path("LZNT1.bin")).unwrap();
    let want = lznt1_plain();
    let mut got = Vec::new();
    lznt1::decompress(&unit, &mut got, 65_536).unwrap();
    got.resize(want.len(), 0);
    assert!(got == want);
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "makes the vectors anew, with wimlib and ntfs-3g"]
fn write_the_vectors() {
    use crate::{lznt1 as on_disk, wim, wim_resource};

    std::fs::create_dir_all(path("")).unwrap();
    for algorithm in ALGORITHMS {
        let made = wim::capture(&[plain(algorithm)], &wim_resource::options(algorithm));
        let files = wim_resource::files(&made);
        std::fs::write(path(&format!("{}.bin", algorithm.as_str())), files[0].bytes).unwrap();
    }
    let mounted = on_disk::Mounted::new("write_the_vectors", 16, "compression").unwrap();
    let folder = mounted.packed_folder();
    std::fs::write(folder.join("file"), lznt1_plain()).unwrap();
    let (mut image, _dir) = mounted.into_image();
    let units = on_disk::Volume::open(&mut image).units(&mut image, &["packed", "file"]).unwrap();
    std::fs::write(path("LZNT1.bin"), &units.0[0]).unwrap();
}
