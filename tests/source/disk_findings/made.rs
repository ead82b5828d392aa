//! Disks with something wrong, made from sound ones.

use std::fs::{self, File};
use std::io::Write;
use std::ops::Range;
use std::process::{Command, Stdio};
use std::sync::Arc;

use lifeboat::disk::{Depth, Device, Disk, MemoryDevice};
use lifeboat::model::finding::Finding;
use support::damage::BadSectors;

pub(crate) const MIB: usize = 1 << 20;
pub(crate) const SECTOR: usize = 512;
/// Where the first partition starts, and how long each is.
pub(crate) const FIRST: usize = MIB;
pub(crate) const LEN: usize = 2 * MIB;
/// Where the second starts.
const SECOND: usize = 4 * MIB;
/// Where the table in front of the logical partition stands.
pub(crate) const LINK: usize = SECOND - MIB;
const DISK: usize = 8 * MIB;

/// A disk's bytes, and what is wrong with the disk itself.
pub(crate) struct Made {
    bytes: Vec<u8>,
    sector: u32,
    bad: Range<usize>,
}

impl Made {
    fn of(bytes: Vec<u8>) -> Self {
        Self { bytes, sector: 512, bad: 0..0 }
    }

    /// With other bytes.
    pub(crate) fn with(mut self, change: impl FnOnce(&mut Vec<u8>)) -> Self {
        change(&mut self.bytes);
        self
    }

    /// With zeros there.
    pub(crate) fn wiped(self, at: usize, len: usize) -> Self {
        self.with(|bytes| bytes[at..at + len].fill(0))
    }

    /// Without what comes after `len` bytes.
    pub(crate) fn cut(self, len: usize) -> Self {
        self.with(|bytes| bytes.truncate(len))
    }

    /// Behind an adapter that has sectors of another size.
    pub(crate) fn on_sectors_of(self, sector: u32) -> Self {
        Self { sector, ..self }
    }

    /// With bytes that cannot be read.
    pub(crate) fn with_bad(self, bad: Range<usize>) -> Self {
        Self { bad, ..self }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What is found wrong with it.
    pub(crate) fn findings(self) -> Vec<Finding> {
        let device = MemoryDevice::new(self.bytes).with_sector_size(self.sector);
        let bad = self.bad.start as u64..self.bad.end as u64;
        let device: Arc<dyn Device> =
            Arc::new(BadSectors { device: Arc::new(device), bad: vec![bad] });
        let mut disk = Disk::probe("the disk".to_owned(), "disk.img".into(), device);
        disk.find_lost(Depth::Usual, &|_| false);
        disk.findings()
    }
}

/// Runs a program to its good end, with something to read.
pub(crate) fn program(name: &str, args: &[&str], input: &str) {
    let path = format!("{}:/sbin:/usr/sbin", std::env::var("PATH").unwrap_or_default());
    let mut command = Command::new(name);
    command.args(args).env("PATH", path).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let status = child.wait().unwrap();
    assert!(status.success(), "{name} {args:?}: {status}");
}

/// What `name` makes of a file of zeros.
fn made_by(name: &str, args: &[&str], input: &str, len: usize) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    File::create(&path).unwrap().set_len(len as u64).unwrap();
    program(name, &[args, &[path.to_str().unwrap()]].concat(), input);
    fs::read(&path).unwrap()
}

/// A volume by mkntfs.
pub(crate) fn ntfs() -> Vec<u8> {
    made_by("mkntfs", &["-F", "-Q", "-q"], "", LEN)
}

/// The volume as a disk of its own.
pub(crate) fn plain() -> Made {
    Made::of(ntfs())
}

/// A disk by sfdisk, whose volumes stand at `volumes`.
fn disk(script: &str, volumes: &[usize]) -> Made {
    let mut bytes = made_by("sfdisk", &["-q"], script, DISK);
    for at in volumes {
        bytes[*at..at + LEN].copy_from_slice(&ntfs());
    }
    Made::of(bytes)
}

/// A line of sfdisk's script.
fn line(at: usize, len: usize, kind: &str) -> String {
    format!("start={}, size={}, type={kind}\n", at / SECTOR, len / SECTOR)
}

const BASIC_DATA: &str = "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7";

/// Two volumes by GPT.
pub(crate) fn gpt() -> Made {
    let lines = [FIRST, SECOND].map(|at| line(at, LEN, BASIC_DATA));
    disk(&format!("label: gpt\n{}", lines.concat()), &[FIRST, SECOND])
}

/// So many partitions of one sector each, by GPT.
pub(crate) fn many(partitions: usize) -> Made {
    let lines = (0..partitions).map(|n| line(FIRST + n * SECTOR, SECTOR, BASIC_DATA));
    disk(&format!("label: gpt\ntable-length: 1024\n{}", lines.collect::<String>()), &[])
}

/// Two volumes by MBR.
pub(crate) fn dos() -> Made {
    let lines = [FIRST, SECOND].map(|at| line(at, LEN, "7"));
    disk(&format!("label: dos\n{}", lines.concat()), &[FIRST, SECOND])
}

/// The same, with the second one in an extended partition.
pub(crate) fn logical() -> Made {
    let lines = [line(FIRST, LEN, "7"), line(LINK, 4 * MIB, "f"), line(SECOND, LEN, "7")];
    disk(&format!("label: dos\n{}", lines.concat()), &[FIRST, SECOND])
}

/// Where an entry of an MBR stands (UEFI 2.10, 5.2.1).
pub(crate) fn entry(slot: usize) -> usize {
    0x1BE + 16 * slot
}

/// Changes a letter in the first GPT's first entry, without its checksum.
pub(crate) fn rename_first(disk: &mut [u8]) {
    disk[2 * SECTOR + 0x38] ^= 1;
}

/// Swaps first and last sector of the second entry, in both GPTs, and makes the
/// checksums right again (UEFI 2.10, 5.3).
pub(crate) fn turn_second_round(disk: &mut [u8]) {
    for header in [SECTOR, disk.len() - SECTOR] {
        let word = |at: usize| u32::from_le_bytes(disk[at..at + 4].try_into().unwrap()) as usize;
        let entries = word(header + 0x48) * SECTOR;
        let entry_bytes = word(header + 0x54);
        let all = entries..entries + word(header + 0x50) * entry_bytes;
        let ends = entries + entry_bytes + 0x20;
        disk[ends..ends + 16].rotate_left(8);
        let sum = crc32(&disk[all]);
        disk[header + 0x58..header + 0x5C].copy_from_slice(&sum.to_le_bytes());
        disk[header + 0x10..header + 0x14].fill(0);
        let sum = crc32(&disk[header..header + 92]);
        disk[header + 0x10..header + 0x14].copy_from_slice(&sum.to_le_bytes());
    }
}

/// CRC-32, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc: u32, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 }
        })
    })
}
