//! What nobody can look into is never "no store": a partition or a disk with
//! content that Lifeboat does not know is a finding and exit code 7 (no volume is left). Partitions
//! that by their type hold no store, and blank space, are neither.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use std::io::Write as _;
use support::need;
use support::program::{Guarded, Run, lifeboat};
use tempfile::TempDir;

const MIB: usize = 1 << 20;
const SECTOR: usize = 512;

/// Bytes without a pattern: what encryption leaves.
fn noise(len: usize) -> Vec<u8> {
    let mixed = |i: u64| i.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes()[7];
    (1..=len as u64).map(mixed).collect()
}

struct Image {
    _dir: TempDir,
    path: PathBuf,
}

fn image(bytes: &[u8]) -> Image {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("disk.img");
    fs::write(&path, bytes).unwrap();
    Image { _dir: dir, path }
}

fn sfdisk(script: &str, len: usize) -> Vec<u8> {
    let disk = image(&vec![0; len]);
    let mut child = Command::new("sfdisk")
        .args(["-q", disk.path.to_str().unwrap()])
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    fs::read(&disk.path).unwrap()
}

/// A disk of 8 MiB with one partition of 4 MiB from 1 MiB on, that `table`
/// (`gpt`, `dos`) gives the type `kind`, and `content` in it.
fn disk(table: &str, kind: &str, content: &[u8]) -> Vec<u8> {
    let line = format!("label: {table}\nstart=2048, size=8192, type={kind}\n");
    let mut bytes = sfdisk(&line, 8 * MIB);
    bytes[MIB..MIB + content.len()].copy_from_slice(content);
    bytes
}

fn detect(bytes: &[u8], code: i32) -> Run {
    let image = image(bytes);
    let guarded = Guarded::new(image.path.clone());
    lifeboat(&["detect", guarded.arg(), "--json"]).expect(code)
}

fn closed(run: &Run) -> usize {
    run.events("finding").iter().filter(|f| f["code"] == "volume-closed").count()
}

/// Third-party encryption, dynamic disks, storage pools,
/// types that nobody knows: by the table they may hold a store.
#[test]
fn a_partition_with_unknown_content_is_closed_and_exit_7() {
    need!("sfdisk");
    let content = noise(4 * MIB);
    for (table, kind) in [
        ("gpt", "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7"),
        ("gpt", "AF9B60A0-1431-4F62-BC68-3311714A69AD"),
        ("gpt", "E75CAF8F-F680-4CEE-AFA3-B001E56EFC2D"),
        ("gpt", "12345678-1234-1234-1234-123456789ABC"),
        ("dos", "7"),
        ("dos", "42"),
        ("dos", "17"),
    ] {
        let run = detect(&disk(table, kind, &content), 7);
        assert_eq!(closed(&run), 1, "{kind}: {}", run.stdout);
        assert!(run.stdout.contains("A store may be there"), "{kind}: {}", run.stdout);
    }
}

/// What was found is not all that may be there.
#[test]
fn a_store_beside_a_dark_partition_is_found_and_exit_3() {
    need!("sfdisk");
    let store = fs::read(Guarded::fixture("hardlink-one").path()).unwrap();
    let script = "label: dos\nstart=2048, size=16384, type=7\nstart=18432, size=4096, type=7\n";
    let mut bytes = sfdisk(script, 12 * MIB);
    bytes[MIB..MIB + store.len()].copy_from_slice(&store);
    assert_eq!(closed(&detect(&bytes, 0)), 0);
    bytes[9 * MIB..11 * MIB].copy_from_slice(&noise(2 * MIB));
    let run = detect(&bytes, 3);
    assert_eq!((closed(&run), run.events("store").len()), (1, 1), "{}", run.stdout);
}

/// An encrypted partition that its table calls NTFS, before one of Linux and free
/// space: the first is closed, the others are not.
#[test]
fn one_dark_partition_among_others_is_named() {
    need!("sfdisk");
    let script = "label: dos\nstart=2048, size=4096, type=7\nstart=8192, size=2048, type=83\n";
    let mut bytes = sfdisk(script, 8 * MIB);
    bytes[MIB..3 * MIB].copy_from_slice(&noise(2 * MIB));
    bytes[4 * MIB..5 * MIB].copy_from_slice(&noise(MIB));
    let run = detect(&bytes, 7);
    assert_eq!(closed(&run), 1, "{}", run.stdout);
    assert!(run.stdout.contains("partition 1 (unknown"), "{}", run.stdout);
}

#[test]
fn a_storage_pool_and_a_dynamic_disk_are_named() {
    need!("sfdisk");
    let run = detect(
        &disk(
            "gpt",
            "E75CAF8F-F680-4CEE-AFA3-B001E56EFC2D",
            &[b"SPACEDB ", &noise(99)[..]].concat(),
        ),
        7,
    );
    assert!(run.stdout.contains("it belongs to a storage pool"), "{}", run.stdout);
    let run = detect(&disk("dos", "42", &noise(4 * MIB)), 7);
    assert!(run.stdout.contains("it belongs to a dynamic disk"), "{}", run.stdout);
}

#[test]
fn a_whole_disk_with_unknown_content_is_closed_and_exit_7() {
    for (bytes, code) in [
        (noise(2 * MIB), 7),
        // `diskpart clean`: zeros at both ends, everything else is there.
        ([vec![0; MIB], noise(6 * MIB), vec![0; MIB]].concat(), 7),
        // A blank disk, and one that was wiped with a pattern.
        (vec![0; 2 * MIB], 4),
        (vec![0xFF; 2 * MIB], 4),
    ] {
        let run = detect(&bytes, code);
        assert_eq!(closed(&run), usize::from(code == 7), "{}", run.stdout);
    }
    // Too small or of an odd size: no disk at all.
    let file = image(&noise(100_000));
    lifeboat(&["detect", file.path.to_str().unwrap()]).expect(1);
}

#[test]
fn partitions_that_hold_no_store_by_their_type_close_nothing() {
    need!("sfdisk");
    let mut fat = noise(4 * MIB);
    fat[..SECTOR].copy_from_slice(&fat32_boot_sector());
    for (table, kind) in [
        ("gpt", "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"),
        ("gpt", "E3C9E316-0B5C-4DB8-817D-F92DF00215AE"),
        ("gpt", "DE94BBA4-06D1-4D40-A16A-BFD50179D6AC"),
        ("dos", "ef"),
        ("dos", "27"),
        ("dos", "12"),
    ] {
        for content in [&noise(4 * MIB), &fat] {
            let run = detect(&disk(table, kind, content), 4);
            assert_eq!(closed(&run), 0, "{kind}: {}", run.stdout);
        }
    }
    // Blank, not formatted yet.
    let run = detect(&disk("dos", "7", &[]), 4);
    assert_eq!(closed(&run), 0, "{}", run.stdout);
}

/// The fields that tell FAT32 by its boot sector.
fn fat32_boot_sector() -> Vec<u8> {
    let mut boot = vec![0; SECTOR];
    boot[..3].copy_from_slice(&[0xEB, 0x58, 0x90]);
    boot[0x0B..0x0D].copy_from_slice(&512_u16.to_le_bytes());
    (boot[0x0D], boot[0x10], boot[0x15]) = (1, 2, 0xF8);
    boot[0x0E..0x10].copy_from_slice(&32_u16.to_le_bytes());
    boot[0x20..0x24].copy_from_slice(&8192_u32.to_le_bytes());
    boot[0x24..0x28].copy_from_slice(&64_u32.to_le_bytes());
    boot
}

/// A type that does not fit is no reason to leave a good volume out.
#[test]
fn a_volume_that_opens_is_searched_whatever_its_type_says() {
    need!("sfdisk");
    let volume = fs::read(lifeboat_maker::fixture("hardlink-one").unwrap()).unwrap();
    let sectors = volume.len().div_ceil(SECTOR);
    for kind in ["C12A7328-F81F-11D2-BA4B-00A0C93EC93B", "DE94BBA4-06D1-4D40-A16A-BFD50179D6AC"] {
        let line = format!("label: gpt\nstart=2048, size={sectors}, type={kind}\n");
        let mut bytes = sfdisk(&line, volume.len() + 4 * MIB);
        bytes[MIB..MIB + volume.len()].copy_from_slice(&volume);
        let run = detect(&bytes, 0);
        assert_eq!((run.events("store").len(), closed(&run)), (1, 0), "{}", run.stdout);
    }
}
