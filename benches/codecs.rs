//! How fast the decoders are: plain megabytes (10^6 bytes) per second, one
//! thread, the best of several rounds over the same data.
//!
//! `cargo bench --bench codecs`. The data is a program (this one) and made-up
//! text, compressed by wimlib and ntfs-3g as the tests do it; where those are
//! missing, the line is left out.

// Not part of the program: what fails here may end it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::cast_possible_truncation)]
#![allow(clippy::cast_precision_loss)] // figures for people

use std::time::{Duration, Instant};

use lifeboat::ntfs::read::wof::Algorithm;
#[cfg(target_os = "linux")]
use support::codecs::volume;
use support::codecs::{made, wim_resource};

/// Whether a program is there; says what is left out without it.
fn has(program: &str, what: &str) -> bool {
    let found = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(program).is_file()));
    if !found {
        println!("{what}: left out, needs {program}");
    }
    found
}

/// Prints the speed of `decode`, which yields `plain_bytes` each time.
fn time(name: &str, kind: &str, plain_bytes: usize, compressed: usize, mut decode: impl FnMut()) {
    let mut best = Duration::MAX;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(2) {
        let round = Instant::now();
        decode();
        best = best.min(round.elapsed());
    }
    let speed = plain_bytes as f64 / 1e6 / best.as_secs_f64();
    let ratio = 100.0 * compressed as f64 / plain_bytes as f64;
    println!("{name:<11} {kind:<8} {speed:6.0} MB/s   (compressed to {ratio:.0} %)");
}

fn main() {
    let mut program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    // Small, so that the best round is one that no other program got into.
    program.truncate(1_000_000);
    let kinds = [("program", program), ("text", made::text(1_000_000, 1))];
    for (kind, plain) in &kinds {
        for algorithm in wim_resource::ALGORITHMS {
            compact_os(algorithm, kind, plain);
        }
        #[cfg(target_os = "linux")]
        compressed_attribute(kind, plain);
    }
}

fn compact_os(algorithm: Algorithm, kind: &str, plain: &[u8]) {
    if !has("wimcapture", algorithm.as_str()) {
        return;
    }
    let made = wim_resource::capture(&[plain.to_vec()], &wim_resource::options(algorithm));
    let stream = &wim_resource::files(&made)[0];
    time(algorithm.as_str(), kind, plain.len(), stream.bytes.len(), || {
        let out = wim_resource::read_all(algorithm, stream.plain_size, stream.bytes, 1 << 20);
        assert_eq!(out.len(), plain.len());
    });
}

#[cfg(target_os = "linux")]
fn compressed_attribute(kind: &str, plain: &[u8]) {
    let mounted = support::need!(volume::Mounted::new(64, "compression"));
    std::fs::write(mounted.packed_folder().join("file"), plain).unwrap();
    let (mut image, _dir) = mounted.into_image();
    let volume = volume::Volume::open(&mut image);
    let (units, size) = volume.units(&mut image, &["packed", "file"]).unwrap();
    let compressed = units.iter().map(Vec::len).sum();
    time("LZNT1", kind, size, compressed, || {
        assert_eq!(volume::decode(&units, size).len(), plain.len());
    });
}
