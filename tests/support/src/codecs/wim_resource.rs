//! WIM images made by wimlib, and as much of their format as finds the
//! compressed files in them: the header, the blob table, and nothing else.

use std::path::Path;
use std::process::{Command, Stdio};

use lifeboat::ntfs::read::wof::{Algorithm, Reader};

const RESOURCE_COMPRESSED: u8 = 4;
const RESOURCE_METADATA: u8 = 2;

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

/// A file in a WIM: its chunk table and chunks, as WOF has them too.
pub struct Resource<'a> {
    pub bytes: &'a [u8],
    pub plain_size: u64,
    pub is_compressed: bool,
}

/// The bytes that an entry (size and flags, offset, plain size) stands for.
fn resource<'a>(wim: &'a [u8], entry: &[u8]) -> (u8, Resource<'a>) {
    let size = u64_at(entry, 0) & 0x00FF_FFFF_FFFF_FFFF;
    let (offset, plain_size, flags) = (u64_at(entry, 8), u64_at(entry, 16), entry[7]);
    let bytes = &wim[usize::try_from(offset).unwrap()..usize::try_from(offset + size).unwrap()];
    (flags, Resource { bytes, plain_size, is_compressed: flags & RESOURCE_COMPRESSED != 0 })
}

/// The files of a WIM (each contents once), not its metadata.
pub fn files(wim: &[u8]) -> Vec<Resource<'_>> {
    assert_eq!(&wim[..8], b"MSWIM\0\0\0");
    let (_, table) = resource(wim, &wim[48..72]);
    assert!(!table.is_compressed);
    let entries = table.bytes.chunks_exact(50).map(|entry| resource(wim, entry));
    entries.filter(|(flags, _)| flags & RESOURCE_METADATA == 0).map(|(_, r)| r).collect()
}

/// Bytes of a chunk of a WIM.
pub fn chunk_bytes(wim: &[u8]) -> u32 {
    u32::from_le_bytes(wim[20..24].try_into().unwrap())
}

/// The chunks of a resource, and the plain size of each.
pub fn chunks<'a>(resource: &Resource<'a>, chunk_bytes: usize) -> Vec<(&'a [u8], usize)> {
    let plain_size = usize::try_from(resource.plain_size).unwrap();
    let count = plain_size.div_ceil(chunk_bytes);
    let (table, data) = resource.bytes.split_at((count - 1) * 4);
    let entry = |e: &[u8]| u32::from_le_bytes(e.try_into().unwrap()) as usize;
    let starts: Vec<_> = std::iter::once(0).chain(table.chunks_exact(4).map(entry)).collect();
    let ends = starts[1..].iter().copied().chain([data.len()]);
    let plain = |n: usize| chunk_bytes.min(plain_size - n * chunk_bytes);
    starts.iter().zip(ends).enumerate().map(|(n, (s, e))| (&data[*s..e], plain(n))).collect()
}

/// The way wimcapture is to compress like a WOF algorithm.
pub fn options(algorithm: Algorithm) -> [&'static str; 2] {
    match algorithm {
        Algorithm::Xpress4k => ["--compress=XPRESS", "--chunk-size=4K"],
        Algorithm::Xpress8k => ["--compress=XPRESS", "--chunk-size=8K"],
        Algorithm::Xpress16k => ["--compress=XPRESS", "--chunk-size=16K"],
        Algorithm::Lzx => ["--compress=LZX", "--chunk-size=32K"],
    }
}

pub const ALGORITHMS: [Algorithm; 4] =
    [Algorithm::Xpress4k, Algorithm::Lzx, Algorithm::Xpress8k, Algorithm::Xpress16k];

/// A WIM of these files.
pub fn capture(contents: &[Vec<u8>], options: &[&str]) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("files");
    std::fs::create_dir(&source).unwrap();
    for (number, bytes) in contents.iter().enumerate() {
        std::fs::write(source.join(format!("{number:04}")), bytes).unwrap();
    }
    capture_dir(&source, &dir.path().join("made.wim"), options)
}

fn capture_dir(source: &Path, wim: &Path, options: &[&str]) -> Vec<u8> {
    let status = Command::new("wimcapture")
        .args([source, wim])
        .args(options)
        .args(["--no-acls", "--threads=1"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "wimcapture {options:?}: {status}");
    std::fs::read(wim).unwrap()
}

/// The plain bytes of a WOF stream, read in pieces of `step` bytes.
pub fn read_all(algorithm: Algorithm, plain_size: u64, stream: &[u8], step: usize) -> Vec<u8> {
    let read_at = |at: u64, buf: &mut [u8]| {
        let at = usize::try_from(at).unwrap();
        buf.copy_from_slice(&stream[at..at + buf.len()]);
        Ok::<(), std::convert::Infallible>(())
    };
    let mut reader = Reader::new(algorithm, plain_size, stream.len() as u64, read_at);
    let mut plain = Vec::new();
    let mut buf = vec![0; step];
    loop {
        match reader.read(&mut buf).unwrap() {
            0 => return plain,
            count => plain.extend_from_slice(&buf[..count]),
        }
    }
}
