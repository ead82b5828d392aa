//! A disk that is a part of a RAID array. The metadata is made by the documents that `src/disk/raid.rs`
//! names, and another reader, util-linux' blkid, has to know it, too.

use std::process::Command;

use lifeboat::model::finding::Finding;
use support::need;
use support::program::{Guarded, lifeboat};

use super::made::{MIB, Made, SECTOR, dos};
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

/// The finding about the array; `is_part` if a lone disk has only a part of the data.
#[track_caller]
fn is_member(kind: &str, made: Made, is_part: bool) -> Finding {
    assert_eq!(by_blkid(made.bytes()), kind);
    let found = made.findings();
    let (code, other) =
        if is_part { ("raid-part", "raid-member") } else { ("raid-member", "raid-part") };
    shows(code, &found, &dos().findings());
    assert!(found.iter().all(|finding| finding.code != other), "{found:?}");
    found.into_iter().find(|finding| finding.code == code).unwrap()
}

/// Intel's metadata of one array of `disks` disks, at the end of the disk.
fn intel(disk: &mut [u8], level: u8, disks: u8, cached: bool) {
    intel_arrays(disk, &[level], disks, cached);
}

/// The same of an array for each level, all on the same disks.
fn intel_arrays(disk: &mut [u8], levels: &[u8], disks: u8, cached: bool) {
    let first = 0xD8 + 48 * usize::from(disks);
    let array_len = 112 + 48 + 4 * usize::from(disks);
    let len = first + array_len * levels.len();
    let mut block = vec![0_u8; len.next_multiple_of(SECTOR)];
    block[..30].copy_from_slice(b"Intel Raid ISM Cfg Sig. 1.3.00");
    block[0x24..0x28].copy_from_slice(&u32::try_from(len).unwrap().to_le_bytes());
    (block[0x38], block[0x39]) = (disks, u8::try_from(levels.len()).unwrap());
    for (number, level) in levels.iter().enumerate() {
        let array = first + array_len * number;
        block[array..array + 7].copy_from_slice(format!("Volume{number}").as_bytes());
        block[array + 42] = u8::from(cached);
        (block[array + 112 + 15], block[array + 112 + 16]) = (*level, disks);
    }
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
        let finding = is_member(
            "isw_raid_member",
            dos().with(|disk| intel(disk, level, disks, false)),
            words != "RAID 1, 2 disks",
        );
        assert!(finding.what.contains("Intel RST or VROC array (\"Volume0\", "), "{finding:?}");
        assert!(finding.what.contains(words), "{finding:?}");
        assert_eq!(finding.meaning.contains("can be read alone"), words == "RAID 1, 2 disks");
    }
    let cached = dos().with(|disk| intel(disk, 0, 2, true)).findings();
    let cached = cached.iter().find(|finding| finding.code == "raid-part").unwrap();
    assert!(cached.meaning.contains("on the fast disk alone"), "{cached:?}");
    // Two arrays on the same disks: a mirror, and one that is spread over them.
    let both = dos().with(|disk| intel_arrays(disk, &[1, 0], 2, false));
    let finding = is_member("isw_raid_member", both, true);
    assert!(finding.what.contains("(\"Volume1\", RAID 0, 2 disks)"), "{finding:?}");
    // An array of one disk, as some firmware makes for each: everything is here.
    let alone = dos().with(|disk| intel(disk, 0, 1, false));
    let finding = is_member("isw_raid_member", alone, false);
    assert!(finding.meaning.contains("only this disk"), "{finding:?}");
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
    assert!(spare.findings().iter().all(|finding| !finding.code.starts_with("raid-")));
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
    assert!(is_member("ddf_raid_member", ddf, false).what.contains("(DDF)"));
    let promise = dos().with(|disk| {
        let at = disk.len() - 63 * SECTOR;
        disk[at..at + 24].copy_from_slice(b"Promise Technology, Inc.");
    });
    assert!(
        is_member("promise_fasttrack_raid_member", promise, false).what.contains("AMD or Promise")
    );
    let nas = dos().with(|disk| md(disk, Place::End, "nas:0", 5, 4));
    let finding = is_member("linux_raid_member", nas, true);
    assert!(finding.what.contains("Linux md array (\"nas:0\", RAID 5, 4 disks)"), "{finding:?}");
}

/// Where the metadata of Linux' md stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Version 1.0: 8 KiB before the end.
    End,
    /// Version 1.2: 4 KiB behind the start. The data begins later.
    Start,
}

fn md(disk: &mut [u8], place: Place, name: &str, level: u32, disks: u32) {
    let (at, minor) = match place {
        Place::End => ((disk.len() - 8192) & !4095, 0),
        Place::Start => (4096, 2),
    };
    let mut put = |offset: usize, bytes: &[u8]| {
        disk[at + offset..at + offset + bytes.len()].copy_from_slice(bytes);
    };
    put(0, &0xA92B_4EFC_u32.to_le_bytes());
    put(4, &1_u32.to_le_bytes());
    put(32, name.as_bytes());
    put(72, &level.to_le_bytes());
    put(92, &disks.to_le_bytes());
    if minor == 2 {
        put(128, &2048_u64.to_le_bytes());
    }
    put(144, &(at as u64 / 512).to_le_bytes());
}

/// The disk with the store, as a part of an array that its end tells of.
fn lone(change: impl FnOnce(&mut [u8])) -> (tempfile::TempDir, Guarded) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("disk.img");
    let mut bytes = std::fs::read(Guarded::fixture("hardlink-one").path()).unwrap();
    bytes.resize(bytes.len() + 2 * MIB, 0);
    change(&mut bytes);
    std::fs::write(&path, bytes).unwrap();
    (dir, Guarded::new(path))
}

/// A store was found on it: of a mirror that is all, of the others half of it is elsewhere.
#[test]
fn a_lone_disk_of_an_array_is_a_doubt_unless_it_has_all_of_the_data() {
    type Change = fn(&mut [u8]);
    let cases: [(&str, Change, i32); 8] = [
        ("none", |_| (), 0),
        ("Intel RAID 0", |disk| intel(disk, 0, 2, false), 3),
        ("Intel RAID 0 of one disk", |disk| intel(disk, 0, 1, false), 0),
        ("Intel RAID 1", |disk| intel(disk, 1, 2, false), 0),
        ("Intel RAID 1 and 0", |disk| intel_arrays(disk, &[1, 0], 2, false), 3),
        ("md RAID 0", |disk| md(disk, Place::End, "pc:0", 0, 2), 3),
        ("md linear", |disk| md(disk, Place::End, "pc:0", u32::MAX, 2), 3),
        ("md RAID 1", |disk| md(disk, Place::End, "pc:0", 1, 2), 0),
    ];
    for (name, change, code) in cases {
        let (dir, image) = lone(change);
        let run = lifeboat(&["detect", image.arg()]).expect(code);
        let says = run.stdout.contains("a store may be on its other disks");
        assert_eq!(says, code == 3, "{name}: {}", run.stdout);
        let to = dir.path().join("to");
        let run = lifeboat(&["offload", image.arg(), "--to", to.to_str().unwrap()]).expect(code);
        assert_eq!(run.stdout.contains("Do not wipe this disk yet"), code == 3, "{name}");
    }
}

#[test]
fn no_store_on_a_lone_disk_of_an_array_is_no_proof() {
    need!("sfdisk", "mkntfs");
    let detect = |made: Made, code: i32| {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk.img");
        std::fs::write(&path, made.bytes()).unwrap();
        lifeboat(&["detect", Guarded::new(path).arg()]).expect(code)
    };
    let run = detect(dos().with(|disk| intel(disk, 0, 2, false)), 3);
    assert!(run.stderr.contains("the disk is a part of an array"), "{}", run.stderr);
    detect(dos().with(|disk| intel(disk, 1, 2, false)), 4);
}

#[test]
fn a_volume_that_its_array_hides_is_told_with_the_array() {
    let hidden = |name: &'static str| {
        move |disk: &mut [u8]| {
            // Without the boot sector and its copy, it is unknown, as where the data begins later.
            let copy = disk.len() - 2 * MIB - SECTOR;
            disk[..SECTOR].fill(0x5A);
            disk[copy..copy + SECTOR].fill(0x5A);
            md(disk, Place::Start, name, 1, 2);
        }
    };
    let (_dir, image) = lone(hidden("nas:0"));
    let run = lifeboat(&["detect", image.arg()]).expect(7);
    assert!(
        run.stdout.contains("it belongs to a Linux md array (\"nas:0\", RAID 1, 2 disks)"),
        "{}",
        run.stdout
    );
    assert!(run.stdout.contains("mdadm --assemble --readonly --scan"), "{}", run.stdout);
}
