//! Memory and speed of the sweep over a large `$MFT`.
//!
//! The volume of a million files is simulated: a device that makes each file
//! record when it is read. `LIFEBOAT_IMAGE=disk.img` sweeps a real volume instead.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use lifeboat::disk::Device;
use lifeboat::model::metadata::NodeKind;
use lifeboat::model::monitor::Silent;
use lifeboat::ntfs::ondisk::record::FileRef;
use lifeboat::tree::Tree;
use lifeboat::tree::ntfs::NtfsTree;
use support::memory::{alone, peak_mib};

const FILES: u64 = 1_000_000;
const CLUSTER: u64 = 4096;
const RECORD: u64 = 1024;
const MFT_CLUSTER: u64 = 4;
/// Every so many records is a directory, which holds the ones after it.
const PER_DIRECTORY: u64 = 100;

/// A volume whose `$MFT` is made up as it is read.
struct Simulated;

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

fn boot_sector() -> Vec<u8> {
    let mut b = vec![0; 512];
    put(&mut b, 3, b"NTFS    ");
    put(&mut b, 0x0B, &512_u16.to_le_bytes());
    b[0x0D] = 8;
    put(&mut b, 0x28, &(Simulated.len() / 512 - 1).to_le_bytes());
    put(&mut b, 0x30, &MFT_CLUSTER.to_le_bytes());
    put(&mut b, 0x38, &2_u64.to_le_bytes());
    b[0x40] = 0xF6;
    b[0x44] = 1;
    b
}

fn resident(record: &mut [u8], at: usize, kind: u32, value: &[u8]) -> usize {
    let length = (0x18 + value.len()).next_multiple_of(8);
    put(record, at, &kind.to_le_bytes());
    put(record, at + 4, &u32::try_from(length).unwrap().to_le_bytes());
    put(record, at + 0x10, &u32::try_from(value.len()).unwrap().to_le_bytes());
    record[at + 0x14] = 0x18;
    put(record, at + 0x18, value);
    at + length
}

fn non_resident(record: &mut [u8], at: usize, size: u64, runs: &[u8]) -> usize {
    put(record, at, &0x80_u32.to_le_bytes());
    put(record, at + 4, &0x50_u32.to_le_bytes());
    record[at + 8] = 1;
    record[at + 0x20] = 0x40;
    for field in [0x28, 0x30, 0x38] {
        put(record, at + field, &size.to_le_bytes());
    }
    put(record, at + 0x40, runs);
    at + 0x50
}

fn record(number: u64, b: &mut [u8]) {
    let is_directory = number == 5 || number >= 24 && number.is_multiple_of(PER_DIRECTORY);
    let parent =
        if is_directory || number < 200 { 5 } else { number / PER_DIRECTORY * PER_DIRECTORY };
    put(b, 0, b"FILE\x30\0\x03\0");
    put(b, 0x10, &[1, 0, 1, 0, 0x38, 0, if is_directory { 3 } else { 1 }]);
    put(b, 0x2C, &u32::try_from(number).unwrap().to_le_bytes());
    let mut standard = [0; 72];
    put(&mut standard, 0, &(133_000_000_000_000_000 + number).to_le_bytes());
    standard[0x20] = 0x20;
    let mut at = resident(b, 0x38, 0x10, &standard);
    let name = match number {
        0 => "$MFT".into(),
        5 => ".".into(),
        777_777 => "hardlink.main".into(),
        _ => format!("Quarterly report {number}.docx"),
    };
    let mut value = FileRef::new(parent, 1).0.to_le_bytes().to_vec();
    value.resize(0x40, 0);
    value.extend([u8::try_from(name.len()).unwrap(), 1]);
    value.extend(name.encode_utf16().flat_map(u16::to_le_bytes));
    at = resident(b, at, 0x30, &value);
    if number == 0 {
        let clusters = u32::try_from(FILES * RECORD / CLUSTER).unwrap();
        let mut runs = vec![0x14];
        runs.extend(clusters.to_le_bytes());
        runs.push(u8::try_from(MFT_CLUSTER).unwrap());
        at = non_resident(b, at, FILES * RECORD, &runs);
    } else if !is_directory {
        at = non_resident(b, at, 50_000, &[0x31, 13, 0, 0xD1, 3]);
    }
    put(b, at, &[0xFF; 4]);
    put(b, 0x18, &u32::try_from(at + 8).unwrap().to_le_bytes());
    let tails = [b[510], b[511], b[1022], b[1023]];
    put(b, 0x30, &[1, 0]);
    put(b, 0x32, &tails);
    put(b, 510, &[1, 0]);
    put(b, 1022, &[1, 0]);
}

impl Device for Simulated {
    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        buf.fill(0);
        if offset == 0 {
            put(buf, 0, &boot_sector());
        }
        let mft = MFT_CLUSTER * CLUSTER..MFT_CLUSTER * CLUSTER + FILES * RECORD;
        if mft.contains(&offset) {
            // The sweep and the cache read whole records.
            let first = (offset - mft.start) / RECORD;
            assert_eq!((offset - mft.start) % RECORD, 0);
            for (number, bytes) in (first..FILES).zip(buf.chunks_mut(1024)) {
                record(number, bytes);
            }
        }
        Ok(())
    }
    fn len(&self) -> u64 {
        (MFT_CLUSTER + 1000) * CLUSTER + FILES * RECORD
    }
    fn sector_size(&self) -> u32 {
        512
    }
}

#[test]
fn a_million_files_are_held_in_little_memory() {
    if !alone("sweep::a_million_files_are_held_in_little_memory") {
        return;
    }
    let before = peak_mib();
    let mut buf = vec![0; 2 << 20];
    let begun = Instant::now();
    for at in (0..FILES * RECORD).step_by(buf.len()) {
        Simulated.read_exact_at(MFT_CLUSTER * CLUSTER + at, &mut buf).unwrap();
    }
    let making = begun.elapsed();
    let begun = Instant::now();
    let tree = NtfsTree::open(Arc::new(Simulated), "simulated".into(), &Silent).unwrap();
    let opened = begun.elapsed();
    let peak = peak_mib();
    let begun = Instant::now();
    let found = tree.find_named(&["hardlink.main", "USMT"], &Silent).unwrap();
    eprintln!(
        "{FILES} files: opened in {opened:.2?}, of which {making:.2?} making records; \
         found in {:.2?}; peak {peak:?} MiB, {before:?} before",
        begun.elapsed()
    );
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].0.to_string(), "Quarterly report 777700.docx/hardlink.main");
    let node = tree.node(found[0].1).unwrap();
    assert_eq!((node.kind, node.size, node.links), (NodeKind::File, 50_000, 1));
    assert_eq!(tree.children(tree.root()).unwrap().len(), 176 + 9998);
    if let Some((peak, before)) = peak.zip(before) {
        assert!(peak - before < 140, "{} MiB", peak - before);
    }
}

#[test]
fn a_real_volume_is_swept() {
    let Some(path) = std::env::var_os("LIFEBOAT_IMAGE") else {
        eprintln!("SKIPPED a_real_volume_is_swept: LIFEBOAT_IMAGE names no image");
        return;
    };
    let device = Arc::new(Image(std::fs::File::open(path).unwrap()));
    let begun = Instant::now();
    let tree = NtfsTree::open(device, "image".into(), &Silent).unwrap();
    let opened = begun.elapsed();
    let peak = peak_mib();
    let found = tree.find_named(&["hardlink.main", "USMT"], &Silent).unwrap().len();
    eprintln!("opened in {opened:.2?}, {found} names found, peak {peak:?} MiB");
    eprintln!("{:?}", tree.findings());
}

/// An image file.
struct Image(std::fs::File);

impl Device for Image {
    #[cfg(unix)]
    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&self.0, buf, offset)
    }
    #[cfg(not(unix))]
    fn read_exact_at(&self, _offset: u64, _buf: &mut [u8]) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
    fn len(&self) -> u64 {
        self.0.metadata().map_or(0, |metadata| metadata.len())
    }
    fn sector_size(&self) -> u32 {
        512
    }
}
