//! Volumes that no partition table leads to: after `diskpart clean`, or when the
//! disk was partitioned anew. Their stores are found, and labelled.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use lifeboat_maker::bitlocker::{Cipher, Progress, Protector, Wrap, wrap};
use serde_json::Value;
use support::need;
use support::program::{Guarded, Run, lifeboat};

const MIB: usize = 1 << 20;
const SECTOR: usize = 512;

/// A bare volume with a store.
fn old_volume() -> Vec<u8> {
    fs::read(lifeboat_maker::fixture("hardlink-one").unwrap()).unwrap()
}

/// A disk of so many MiB of zeros with these volumes on it.
fn disk(mib: usize, volumes: &[(usize, &[u8])]) -> Vec<u8> {
    let mut bytes = vec![0; mib * MIB];
    for (at, volume) in volumes {
        bytes[*at..*at + volume.len()].copy_from_slice(volume);
    }
    bytes
}

/// Bytes without a pattern.
fn noise(len: usize) -> Vec<u8> {
    let mixed = |i: u64| i.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes()[7];
    (1..=len as u64).map(mixed).collect()
}

/// Writes entries of an MBR: type, first byte, bytes.
fn partition(disk: &mut [u8], entries: &[(u8, usize, usize)]) {
    disk[510..512].copy_from_slice(&[0x55, 0xAA]);
    for (slot, (kind, at, len)) in entries.iter().enumerate() {
        let entry = &mut disk[0x1BE + 16 * slot..][..16];
        let sectors = |bytes: usize| u32::try_from(bytes / SECTOR).unwrap().to_le_bytes();
        entry[4] = *kind;
        entry[8..12].copy_from_slice(&sectors(*at));
        entry[12..].copy_from_slice(&sectors(*len));
    }
}

fn new_volume() -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let path: PathBuf = dir.path().join("new");
    fs::write(&path, vec![0; 2 * MIB]).unwrap();
    let made = Command::new("mkntfs")
        .args(["-F", "-Q", "-q", path.to_str().unwrap()])
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
        .status();
    assert!(made.unwrap().success());
    fs::read(&path).unwrap()
}

fn run(bytes: &[u8], args: &[&str], code: i32) -> Run {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("disk.img");
    fs::write(&path, bytes).unwrap();
    let image = Guarded::new(path);
    let to = dir.path().join("sets");
    let to = ["--to", to.to_str().unwrap()];
    let to: &[&str] = if args[0] == "offload" { &to } else { &[] };
    lifeboat(&[args, &[image.arg(), "--json"], to].concat()).expect(code)
}

fn codes(run: &Run) -> Vec<Value> {
    let of_disk = ["lost-partition", "volume-closed"];
    let findings = run.events("finding").into_iter().map(|f| f["code"].clone());
    findings.filter(|code| of_disk.iter().any(|of| code == of)).collect()
}

fn volumes(run: &Run) -> Vec<String> {
    run.events("volume").iter().map(|v| v["volume"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_volume_on_a_cleaned_disk_is_found_and_saved() {
    let volume = old_volume();
    let mib = volume.len() / MIB + 4;
    let noise = noise(MIB);
    let cleaned = disk(mib, &[(2 * MIB, &volume), (2 * MIB + volume.len(), &noise)]);
    for args in [&["detect"][..], &["verify"], &["offload"]] {
        let run = run(&cleaned, args, 0);
        assert_eq!(codes(&run), ["lost-partition"], "{}", run.stdout);
        let volumes = volumes(&run);
        assert!(volumes[1].contains("lost partition at byte 2097152"), "{volumes:?}");
    }
}

#[test]
fn a_volume_is_found_by_the_copy_of_its_boot_sector() {
    let volume = old_volume();
    let mut cleaned = disk(volume.len() / MIB + 4, &[(2 * MIB, &volume)]);
    cleaned[2 * MIB..2 * MIB + SECTOR].fill(0);
    let run = run(&cleaned, &["detect"], 0);
    assert_eq!(codes(&run), ["lost-partition"], "{}", run.stdout);
    // Proved by the file table: without it a boot sector is nothing.
    let mut overwritten = disk(volume.len() / MIB + 4, &[(2 * MIB, &noise(volume.len()))]);
    overwritten[2 * MIB..][..SECTOR].copy_from_slice(&volume[..SECTOR]);
    overwritten[2 * MIB + volume.len() - SECTOR..][..SECTOR].copy_from_slice(&volume[..SECTOR]);
    let run = self::run(&overwritten, &["detect"], 7);
    assert_eq!(codes(&run), ["volume-closed"], "{}", run.stdout);
}

#[test]
fn a_volume_beside_new_partitions_is_found_and_labelled() {
    need!("mkntfs");
    let (old, new) = (old_volume(), new_volume());
    let mib = old.len() / MIB + 8;
    let mut bytes = disk(mib, &[(MIB, &new), (4 * MIB, &old)]);
    partition(&mut bytes, &[(7, MIB, new.len())]);
    let shown = run(&bytes, &["detect"], 0);
    assert_eq!(codes(&shown), ["lost-partition"], "{}", shown.stdout);
    let store = &shown.events("store")[0];
    let place = store["parts"][0]["volume"].as_str().unwrap();
    assert!(place.contains("lost partition at byte 4194304"), "{place}");
    // A new partition that begins within the old volume, and is formatted: the
    // old one is found by its start, and what it shares is said.
    let end = 4 * MIB + old.len();
    let mut bytes = disk(mib, &[(MIB, &new), (4 * MIB, &old), (end - new.len(), &new)]);
    partition(&mut bytes, &[(7, MIB, new.len()), (7, end - new.len(), new.len())]);
    let run = run(&bytes, &["detect"], 0);
    let finding = run.events("finding").into_iter().find(|f| f["code"] == "lost-partition");
    let what = finding.unwrap()["what"].clone();
    assert!(what.as_str().unwrap().ends_with("shares bytes with partition 2"), "{what}");
}

#[test]
fn a_volume_that_was_extended_is_no_second_one() {
    need!("mkntfs");
    let volume = old_volume();
    let mut bytes = disk(volume.len() / MIB + 4, &[(MIB, &volume)]);
    partition(&mut bytes, &[(7, MIB, volume.len())]);
    // The copy from when it was one MiB longer.
    let mut copy = volume[..SECTOR].to_vec();
    let sectors = u64::from_le_bytes(copy[0x28..0x30].try_into().unwrap()) + 2048;
    copy[0x28..0x30].copy_from_slice(&sectors.to_le_bytes());
    let at = MIB + usize::try_from(sectors).unwrap() * SECTOR;
    bytes[at..at + SECTOR].copy_from_slice(&copy);
    let run = run(&bytes, &["detect"], 0);
    assert_eq!((codes(&run), run.events("store").len()), (vec![], 1), "{}", run.stdout);
}

/// A partition that a tool cut shorter than its volume, with the rest behind it.
#[test]
fn a_partition_that_is_shorter_than_its_volume_is_read_whole_too() {
    let volume = old_volume();
    let mut bytes = disk(volume.len() / MIB + 4, &[(MIB, &volume)]);
    partition(&mut bytes, &[(7, MIB, volume.len() - 2 * MIB)]);
    let run = run(&bytes, &["detect"], 3);
    assert_eq!(codes(&run), ["lost-partition"], "{}", run.stdout);
    let all = run.events("finding");
    assert!(all.iter().any(|f| f["code"] == "volume-cut-short"), "{}", run.stdout);
    assert!(volumes(&run)[1].contains("lost partition at byte 1048576"), "{}", run.stdout);
}

/// A tool that makes a boot stick turned a disk into a small FAT partition: the
/// old volume began where that one does, and its copy is in the free space.
#[test]
fn a_volume_under_a_new_fat_partition_is_found_by_its_copy() {
    let volume = old_volume();
    let mut bytes = disk(volume.len() / MIB + 2, &[(MIB, &volume)]);
    let boot = &mut bytes[MIB..MIB + SECTOR];
    boot.fill(0);
    boot[..3].copy_from_slice(&[0xEB, 0x3C, 0x90]);
    boot[0x0B..0x0D].copy_from_slice(&512_u16.to_le_bytes());
    (boot[0x0D], boot[0x0E], boot[0x10], boot[0x12], boot[0x15]) = (1, 1, 2, 2, 0xF8);
    (boot[0x14], boot[0x16]) = (8, 6); // 2048 sectors, six in a table
    partition(&mut bytes, &[(0x0C, MIB, MIB)]);
    let shown = run(&bytes, &["detect"], 3);
    // The new volume's root folder is what was there before.
    assert_eq!(codes(&shown), ["lost-partition", "volume-closed"], "{}", shown.stdout);
    let finding = shown.events("finding").into_iter().find(|f| f["code"] == "lost-partition");
    let what = finding.unwrap()["what"].clone();
    assert!(what.as_str().unwrap().ends_with("shares bytes with partition 1"), "{what}");
    assert_eq!(shown.events("store").len(), 1, "{}", shown.stdout);
    // A new NTFS volume from the same byte on, with the file table at the same
    // place: what is there is the new one's, and not shown as the old one.
    let mut bytes = disk(volume.len() / MIB + 4, &[(MIB, &volume)]);
    let end = MIB + volume.len();
    let mut copy = volume[..SECTOR].to_vec();
    let sectors = u64::from_le_bytes(copy[0x28..0x30].try_into().unwrap()) + 2048;
    copy[0x28..0x30].copy_from_slice(&sectors.to_le_bytes());
    copy[0x48] ^= 1; // another serial number
    bytes[end + MIB - SECTOR..end + MIB].copy_from_slice(&copy);
    partition(&mut bytes, &[(7, MIB, volume.len())]);
    let run = run(&bytes, &["detect"], 0);
    assert_eq!((codes(&run), run.events("store").len()), (vec![], 1), "{}", run.stdout);
}

/// As after a disk was copied onto a larger one, or a partition was formatted from its start only.
#[test]
fn a_volume_behind_the_end_of_a_smaller_one_in_its_partition_is_found() {
    need!("mkntfs");
    let (old, new) = (old_volume(), new_volume());
    let mut bytes = disk(old.len() / MIB + 8, &[(MIB, &new), (5 * MIB, &old)]);
    let len = bytes.len() - MIB;
    partition(&mut bytes, &[(7, MIB, len)]);
    let shown = run(&bytes, &["detect"], 0);
    assert_eq!(codes(&shown), ["lost-partition"], "{}", shown.stdout);
}

/// Fewer samples than the partition has places: the search that looks for volumes sees it.
#[test]
fn a_partition_with_content_between_the_samples_is_not_blank() {
    let len = 300 * MIB;
    let mut bytes = disk(302, &[(MIB + 101 * MIB + MIB / 3, &noise(2 * MIB))]);
    partition(&mut bytes, &[(7, MIB, len)]);
    let shown = run(&bytes, &["detect"], 7);
    assert_eq!(codes(&shown), ["volume-closed"], "{}", shown.stdout);
    bytes[2 * MIB..].fill(0);
    assert_eq!(codes(&run(&bytes, &["detect"], 4)), [""; 0]);
}

#[test]
fn deep_finds_a_volume_at_any_sector_and_within_a_live_one() {
    need!("mkntfs");
    let (old, new) = (old_volume(), new_volume());
    let at = 4 * MIB + 77 * SECTOR;
    let mut bytes = disk(old.len() / MIB + 8, &[(MIB, &new), (at, &old)]);
    partition(&mut bytes, &[(7, MIB, new.len())]);
    assert_eq!(codes(&run(&bytes, &["detect"], 4)), [""; 0]);
    let deep = run(&bytes, &["detect", "--deep"], 0);
    assert_eq!(codes(&deep), ["lost-partition"], "{}", deep.stdout);
    // A quick format of the whole disk, with the old volume within the new one.
    let mut bytes = disk(old.len() / MIB + 8, &[(4 * MIB, &old)]);
    let mut boot = new[..SECTOR].to_vec();
    let len = bytes.len() - MIB;
    boot[0x28..0x30].copy_from_slice(&((len / SECTOR - 1) as u64).to_le_bytes());
    bytes[MIB..MIB + new.len()].copy_from_slice(&new);
    bytes[MIB..MIB + SECTOR].copy_from_slice(&boot);
    partition(&mut bytes, &[(7, MIB, len)]);
    let deep = run(&bytes, &["detect", "--deep"], 0);
    assert!(codes(&deep).contains(&"lost-partition".into()), "{}", deep.stdout);
}

/// A disk whose table lists nothing, with content that nothing explains: an
/// encrypted disk whose header is gone.
#[test]
fn a_table_without_partitions_on_a_disk_with_content_is_exit_7() {
    let mut bytes = disk(8, &[(MIB, &noise(7 * MIB))]);
    partition(&mut bytes, &[]);
    let run = run(&bytes, &["detect"], 7);
    assert_eq!(codes(&run), ["volume-closed"], "{}", run.stdout);
    let mut blank = vec![0; 8 * MIB];
    partition(&mut blank, &[]);
    assert_eq!(codes(&self::run(&blank, &["detect"], 4)), [""; 0]);
}

/// A BitLocker volume ends where it says, and what is behind it is found too.
#[test]
fn what_is_behind_a_lost_bitlocker_volume_is_found() {
    let plain = old_volume();
    let wrapped = |protectors: &[Protector], progress| {
        let how = Wrap { progress, ..Wrap::new(Cipher::XtsAes128) };
        wrap(&plain, &how.opened_by(protectors)).unwrap().image
    };
    let open = || wrapped(&[Protector::Clear], Progress::Whole);
    let locked = || wrapped(&[Protector::Tpm], Progress::Whole);
    let half = Progress::UpTo(2 << 20);
    let cases = [
        ("open, plain", open(), plain.clone()),
        ("locked, plain", locked(), plain.clone()),
        ("open, locked", open(), locked()),
        ("locked, open", locked(), open()),
        ("half open, open", wrapped(&[Protector::Clear], half), open()),
        ("half locked, plain", wrapped(&[Protector::Tpm], half), plain.clone()),
        ("maps, open", wrapped(&[Protector::Tpm], Progress::Bitmaps(0x1_0000)), open()),
    ];
    for (name, first, second) in cases {
        // The second begins where the first ends, and a MiB behind it.
        for gap in [0, MIB] {
            let at = 2 * MIB + first.len() + gap;
            let mut bytes = disk(at / MIB + 9, &[(2 * MIB, &first), (at, &second)]);
            partition(&mut bytes, &[]);
            let is_locked = name.contains("locked") || name.starts_with("maps");
            let seen = run(&bytes, &["detect"], if is_locked { 3 } else { 0 });
            let found = volumes(&seen);
            let here = |at: usize| {
                let wanted = format!("lost partition at byte {at} ");
                found.iter().filter(|volume| volume.contains(&wanted)).count()
            };
            assert_eq!((here(2 * MIB), here(at)), (1, 1), "{name}, {gap}: {found:?}");
            assert!(
                found.iter().all(|v| v.contains("6.0 MiB") || v.contains("7.0 MiB")),
                "{name}: {found:?}"
            );
        }
    }
}

/// An EFI system partition may hide a volume from before; it is none itself.
#[test]
fn the_system_partition_of_a_sound_disk_is_no_lost_one() {
    need!("mkfs.vfat");
    let dir = tempfile::tempdir().unwrap();
    let efi = dir.path().join("efi");
    fs::File::create(&efi).unwrap().set_len(40 * MIB as u64).unwrap();
    let made = Command::new("mkfs.vfat")
        .args(["-F32", "-s1", efi.to_str().unwrap()])
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
        .output();
    assert!(made.unwrap().status.success());
    let (efi, c) = (fs::read(&efi).unwrap(), old_volume());
    let mut bytes = disk(60, &[(MIB, &efi), (45 * MIB, &c)]);
    partition(&mut bytes, &[(0xEF, MIB, 40 * MIB), (0x07, 45 * MIB, c.len())]);
    let path = dir.path().join("disk.img");
    fs::write(&path, bytes).unwrap();
    let run = lifeboat(&["detect", path.to_str().unwrap(), "--json"]).expect(0);
    let findings = run.events("finding");
    let is_lost = |finding: &&Value| finding["code"] == "lost-partition";
    assert!(!findings.iter().any(|finding| is_lost(&finding)), "{findings:?}");
}
