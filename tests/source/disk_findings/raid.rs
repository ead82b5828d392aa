//! A disk that is a part of a RAID array. The metadata is made by the documents that `src/disk/raid.rs`
//! names, and another reader, util-linux' blkid, has to know it, too.

use std::process::Command;

use lifeboat::model::finding::Finding;
use support::need;

use super::made::{Made, SECTOR, dos};
use super::shows;

/// What blkid takes the disk for.
fn by_blkid(bytes: &[u8]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("disk.img");
    std::fs::write(&path, bytes).unwrap();
    let path_variable = format!("{}:/sbin:/usr/sbin", std::env::var("PATH").unwrap_or_default());
    let mut blkid = Command::new("blkid");
    blkid.args(["-p", "-u", "raid", "-o", "value", "-s", "TYPE"]).arg(path);
    let out = blkid.env("PATH", path_variable).output().unwrap();
    String::from_utf8(out.stdout).unwrap().trim().to_owned()
}

#[track_caller]
fn is_member(kind: &str, made: Made) -> Finding {
    assert_eq!(by_blkid(made.bytes()), kind);
    let found = made.findings();
    shows("raid-member", &found, &dos().findings());
    found.into_iter().find(|finding| finding.code == "raid-member").unwrap()
}

/// Intel's metadata of `disks` disks in one array, at the end of the disk.
fn intel(disk: &mut [u8], level: u8, disks: u8, cached: bool) {
    let array = 0xD8 + 48 * usize::from(disks);
    let len = array + 164;
    let mut block = vec![0_u8; len.next_multiple_of(SECTOR)];
    block[..30].copy_from_slice(b"Intel Raid ISM Cfg Sig. 1.3.00");
    block[0x24..0x28].copy_from_slice(&u32::try_from(len).unwrap().to_le_bytes());
    (block[0x38], block[0x39]) = (disks, 1);
    block[array..array + 7].copy_from_slice(b"Volume0");
    block[array + 42] = u8::from(cached);
    (block[array + 112 + 15], block[array + 112 + 16]) = (level, disks);
    let words = block[..len].chunks_exact(4).map(|w| u32::from_le_bytes(w.try_into().unwrap()));
    let sum = words.fold(0_u32, u32::wrapping_add);
    block[0x20..0x24].copy_from_slice(&sum.to_le_bytes());
    // The first sector is the last but one of the disk; what follows it is before it.
    let anchor = disk.len() - 2 * SECTOR;
    disk[anchor..anchor + SECTOR].copy_from_slice(&block[..SECTOR]);
    let more = &block[SECTOR..];
    disk[anchor - more.len()..anchor].copy_from_slice(more);
}

#[test]
fn a_disk_of_an_intel_array() {
    need!("blkid", "sfdisk", "mkntfs");
    for (level, disks, words) in [
        (0, 2, "RAID 0, 2 disks"),
        (1, 2, "RAID 1, 2 disks"),
        (1, 4, "RAID 10, 4 disks"),
        (5, 3, "RAID 5, 3 disks"),
    ] {
        let finding =
            is_member("isw_raid_member", dos().with(|disk| intel(disk, level, disks, false)));
        assert!(finding.what.contains("Intel RST or VROC array (\"Volume0\", "), "{finding:?}");
        assert!(finding.what.contains(words), "{finding:?}");
        assert_eq!(finding.meaning.contains("can be read alone"), words == "RAID 1, 2 disks");
    }
    let cached = dos().with(|disk| intel(disk, 0, 2, true)).findings();
    let cached = cached.iter().find(|finding| finding.code == "raid-member").unwrap();
    assert!(cached.meaning.contains("on the fast disk alone"), "{cached:?}");
}

#[test]
fn a_disk_that_was_in_an_array_and_has_none_any_more() {
    need!("sfdisk", "mkntfs");
    let spare = dos().with(|disk| {
        intel(disk, 0, 2, false);
        let anchor = disk.len() - 2 * SECTOR;
        // One array less: the number, and the sum of all.
        disk[anchor + 0x39] = 0;
        let sum = u32::from_le_bytes(disk[anchor + 0x20..][..4].try_into().unwrap());
        disk[anchor + 0x20..][..4].copy_from_slice(&(sum - 0x100).to_le_bytes());
    });
    assert!(spare.findings().iter().all(|finding| finding.code != "raid-member"));
}

#[test]
fn disks_of_other_arrays() {
    need!("blkid", "sfdisk", "mkntfs");
    let ddf = dos().with(|disk| {
        let at = disk.len() - SECTOR;
        disk[at..at + 4].copy_from_slice(&[0xDE, 0x11, 0xDE, 0x11]);
        disk[at + 8..at + 32].copy_from_slice(b"LSI     \x10\0\0[\0\0\0\0\0\0\0\0\0\0\0\0");
        disk[at + 32..at + 40].copy_from_slice(b"01.02.00");
    });
    assert!(is_member("ddf_raid_member", ddf).what.contains("(DDF)"));
    let promise = dos().with(|disk| {
        let at = disk.len() - 63 * SECTOR;
        disk[at..at + 24].copy_from_slice(b"Promise Technology, Inc.");
    });
    assert!(is_member("promise_fasttrack_raid_member", promise).what.contains("AMD or Promise"));
    // Version 1.0 of Linux' md: 8 KiB before the end.
    let md = dos().with(|disk| {
        let at = (disk.len() - 8192) & !4095;
        let mut put = |offset: usize, bytes: &[u8]| {
            disk[at + offset..at + offset + bytes.len()].copy_from_slice(bytes);
        };
        put(0, &0xA92B_4EFC_u32.to_le_bytes());
        put(4, &1_u32.to_le_bytes());
        put(32, b"nas:0");
        put(72, &5_u32.to_le_bytes());
        put(92, &4_u32.to_le_bytes());
        put(144, &(at as u64 / 512).to_le_bytes());
    });
    let finding = is_member("linux_raid_member", md);
    assert!(finding.what.contains("Linux md array (\"nas:0\", RAID 5, 4 disks)"), "{finding:?}");
}
