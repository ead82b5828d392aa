//! Small streams that other programs have made of our own made-up files, kept
//! in `vectors/`, so that the decoders are tried on every machine.
//!
//! `cargo test --test ntfs -- --ignored write_the_vectors` makes them again,
//! `… write_the_seeds` the seeds of the fuzz targets, which come from them.

use std::path::PathBuf;

use lifeboat::ntfs::codec::lznt1;
use lifeboat::ntfs::read::wof::Algorithm;
use support::codecs::made;
use support::codecs::wim_resource::{ALGORITHMS, read_all};

fn path(name: &str) -> PathBuf {
    support::root().join("tests/ntfs/codecs/vectors").join(name)
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
#[ignore = "makes the vectors again, with wimlib and ntfs-3g"]
fn write_the_vectors() {
    use support::codecs::volume::{Mounted, Volume};
    use support::codecs::wim_resource;

    std::fs::create_dir_all(path("")).unwrap();
    for algorithm in ALGORITHMS {
        let made = wim_resource::capture(&[plain(algorithm)], &wim_resource::options(algorithm));
        let files = wim_resource::files(&made);
        std::fs::write(path(&format!("{}.bin", algorithm.as_str())), files[0].bytes).unwrap();
    }
    let mounted = Mounted::new(16, "compression").unwrap();
    let folder = mounted.packed_folder();
    std::fs::write(folder.join("file"), lznt1_plain()).unwrap();
    let (mut image, _dir) = mounted.into_image();
    let units = Volume::open(&mut image).units(&mut image, &["packed", "file"]).unwrap();
    std::fs::write(path("LZNT1.bin"), &units.0[0]).unwrap();
}

/// The seeds of the fuzz targets for these formats (fuzz/README.md); each
/// target's file says what its input is.
#[test]
#[ignore = "makes the fuzz seeds again"]
fn write_the_seeds() {
    use lifeboat::model::name::NtName;
    use lifeboat::ntfs::read::efs::{EfsExport, EfsStream, Sparse};

    use support::codecs::wim_resource::{Resource, chunks};

    let seed = |target: &str, name: &str, parts: &[&[u8]]| {
        let dir: PathBuf = support::root().join("fuzz/corpus").join(target);
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join(name), parts.concat()).unwrap();
    };
    for (number, algorithm) in (0_u8..).zip(ALGORITHMS) {
        let name = algorithm.as_str();
        let stream = std::fs::read(path(&format!("{name}.bin"))).unwrap();
        let plain = plain(algorithm);
        if algorithm == Algorithm::Xpress4k {
            let size = (plain.len() as u64).to_le_bytes();
            seed("wof", name, &[&[number], &size[..5], &stream]);
        }
        let target = if algorithm == Algorithm::Lzx { "lzx" } else { "xpress" };
        let plain_size = plain.len() as u64;
        let resource = Resource { bytes: &stream, plain_size, is_compressed: true };
        let (chunk, size) = chunks(&resource, algorithm.chunk_bytes())[0];
        seed(target, name, &[&(size as u16).to_le_bytes(), chunk]);
    }
    let reparse = [0x8000_0017_u32, 16, 1, 2, 1, 1].map(u32::to_le_bytes);
    seed("wof", "reparse", &[reparse.as_flattened()]);
    let unit = std::fs::read(path("LZNT1.bin")).unwrap();
    seed("lznt1", "unit", &[&[0xFF, 0xFF], &unit[..8192]]);
    seed("lznt1", "cut", &[&[0x00, 0x11], &unit[..3000]]);

    let read_at = |at: u64, buf: &mut [u8]| {
        buf.fill(at as u8);
        Ok::<(), std::convert::Infallible>(())
    };
    let stream = |name: &str, size, valid, allocated: Option<std::ops::Range<u64>>| {
        let allocated = allocated.map(|range| vec![range]);
        let sparse = allocated.map(|allocated| Sparse { unit_bytes: 4096, allocated });
        let name = NtName::from(name);
        EfsStream { name, size, valid, sparse, is_encrypted: valid > 0, read_at }
    };
    let streams = vec![
        stream("", 1500, 700, None),
        stream("plain", 10, 0, None),
        stream("sparse", 70_000, 70_000, Some(4096..8192)),
    ];
    let mut efs = [0; 40];
    for (place, word) in efs.chunks_exact_mut(4).zip([40_u32, 0, 2]) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    let mut export = EfsExport::new(&efs, streams, 4096).unwrap();
    let mut bytes = vec![0; usize::try_from(export.len()).unwrap()];
    assert_eq!(export.read(&mut bytes), Ok(bytes.len()));
    seed("efs_import", "export", &[&bytes]);
}
