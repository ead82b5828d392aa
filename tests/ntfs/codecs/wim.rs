//! Chunks that wimlib has compressed.

use std::collections::BTreeSet;

use lifeboat::ntfs::codec::xpress;
use lifeboat::ntfs::read::wof::Algorithm;
use support::codecs::made;
use support::codecs::wim_resource::{
    ALGORITHMS, capture, chunk_bytes, chunks, files, options, read_all,
};
use support::need;

/// Every file comes out as it went in, with any size of reads; and the set of
/// files did hold compressed and stored chunks.
fn check(contents: Vec<Vec<u8>>, algorithm: Algorithm) {
    let wim = capture(&contents, &options(algorithm));
    assert_eq!(chunk_bytes(&wim) as usize, algorithm.chunk_bytes());
    let mut want: BTreeSet<_> = contents.into_iter().filter(|c| !c.is_empty()).collect();
    let (mut compressed, mut stored, mut whole_files) = (0, 0, 0);
    for resource in files(&wim) {
        let plain = if resource.is_compressed {
            for (chunk, plain_size) in chunks(&resource, algorithm.chunk_bytes()) {
                *(if chunk.len() == plain_size { &mut stored } else { &mut compressed }) += 1;
            }
            let step = [1000, 4096, 70_000][compressed % 3];
            read_all(algorithm, resource.plain_size, resource.bytes, step)
        } else {
            whole_files += 1;
            resource.bytes.to_vec()
        };
        assert!(want.remove(&plain), "{} bytes came out wrong", resource.plain_size);
    }
    assert!(want.is_empty(), "{} files did not come out", want.len());
    println!(
        "{}: {compressed} chunks, {stored} stored, {whole_files} files not compressed",
        algorithm.as_str()
    );
    assert!(compressed > 100 && stored > 10, "{compressed} compressed, {stored} stored");
}

#[test]
fn what_wimlib_compresses_with_xpress_and_lzx_is_read() {
    need!("wimcapture");
    for algorithm in ALGORITHMS {
        check(made::files(), algorithm);
    }
}

#[test]
fn a_real_program_is_read() {
    need!("wimcapture");
    // This very test, which is machine code.
    let mut code = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    code.truncate(6_000_000);
    for algorithm in [Algorithm::Lzx, Algorithm::Xpress16k] {
        let small: Vec<_> = code.chunks(400_000).map(<[u8]>::to_vec).collect();
        let wim = capture(&small, &options(algorithm));
        let want: BTreeSet<_> = small.into_iter().collect();
        let got: BTreeSet<_> = files(&wim)
            .iter()
            .map(|r| {
                assert!(r.is_compressed);
                read_all(algorithm, r.plain_size, r.bytes, 100_000)
            })
            .collect();
        assert!(want == got, "{}", algorithm.as_str());
    }
}

/// WIM images have larger XPRESS chunks than WOF; the decoder takes them too.
#[test]
fn xpress_chunks_of_32_and_64_kib_are_decoded() {
    need!("wimcapture");
    for (size, option) in [(32_768, "--chunk-size=32K"), (65_536, "--chunk-size=64K")] {
        let contents = vec![made::text(200_000, 7), vec![0; 200_000], made::code(150_000, 3)];
        let wim = capture(&contents, &["--compress=XPRESS", option]);
        let mut want: BTreeSet<_> = contents.into_iter().collect();
        for resource in files(&wim) {
            let mut plain = Vec::new();
            for (chunk, plain_size) in chunks(&resource, size) {
                let mut out = vec![0; plain_size];
                xpress::decompress(chunk, &mut out).unwrap();
                plain.extend(out);
            }
            assert!(want.remove(&plain), "{option}");
        }
        assert!(want.is_empty(), "{option}");
    }
}
