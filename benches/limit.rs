//! What no rescue can beat: the processor's time for packing a file and for its
//! SHA-256, from memory, one thread; then both shared among the cores.
//!
//! `cargo bench --bench limit -- FILE [LEVEL]` (level 1 if not given). Prints, in
//! seconds, packing, hashing, and their sum by the number of cores.
#![allow(clippy::unwrap_used)] // a bench that cannot run has no result

use std::io::Read;
use std::time::{Duration, Instant};

use lifeboat::set::format::frames::{FRAME_BYTES, Packer};
use sha2::{Digest, Sha256};

fn main() {
    // cargo adds `--bench`.
    let mut args = std::env::args().skip(1).filter(|arg| !arg.starts_with("--"));
    let Some(path) = args.next() else {
        println!("limit: left out, no FILE is given");
        return;
    };
    let level = args.next().map_or(1, |level| level.parse().unwrap());
    let mut file = std::fs::File::open(path).unwrap();
    let mut packer = Packer::new(level).unwrap();
    let mut hash = Sha256::new();
    let (mut plain, mut frame) = (Vec::new(), Vec::new());
    let (mut packing, mut hashing) = (Duration::ZERO, Duration::ZERO);
    loop {
        plain.clear();
        if (&mut file).take(FRAME_BYTES).read_to_end(&mut plain).unwrap() == 0 {
            break;
        }
        let begun = Instant::now();
        packer.pack(&plain, &mut frame).unwrap();
        packing += begun.elapsed();
        let begun = Instant::now();
        hash.update(&plain);
        hashing += begun.elapsed();
    }
    let cores = std::thread::available_parallelism().unwrap().get();
    let both = (packing + hashing).as_secs_f64() / f64::from(u32::try_from(cores).unwrap());
    std::hint::black_box(hash.finalize());
    println!("{:.2} {:.2} {both:.2}", packing.as_secs_f64(), hashing.as_secs_f64());
}
