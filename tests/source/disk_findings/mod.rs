//! Every finding about a disk, its image and the borders of its volumes: a disk
//! that shows it, and one without the damage that does not. The disks are made by
//! sfdisk, mkntfs and qemu-img.
#![cfg(target_os = "linux")]

mod made;
mod raid;

use std::fs::{self, File};
use std::path::Path;

use lifeboat::disk::open_image;
use lifeboat::health::codes::ELSEWHERE;
use lifeboat::model::finding::Finding;
use made::{Made, SECTOR, dos, entry, gpt, logical, ntfs, plain, program};
use support::program::{Guarded, lifeboat};
use support::{dirty_vhdx as dirty, need};

/// `made` shows `code`, as bad as the list of codes says; `sound` does not.
#[track_caller]
fn shows(code: &str, made: &[Finding], sound: &[Finding]) {
    let shown = made.iter().find(|finding| finding.code == code);
    let shown = shown.unwrap_or_else(|| panic!("{code} is not among {made:#?}"));
    assert!(ELSEWHERE.contains(&(shown.code, shown.severity)), "{shown:?}");
    assert!(sound.iter().all(|finding| finding.code != code), "a sound one shows {code}");
}

/// One test a code.
macro_rules! shows {
    ($($name:ident: $code:literal, $sound:expr, $made:expr;)*) => {
        $(
            #[test]
            fn $name() {
                need!("sfdisk", "mkntfs");
                shows($code, &$made.findings(), &$sound.findings());
            }
        )*
    };
}

shows! {
    a_table_of_which_only_the_copy_is_readable: "gpt-from-backup", gpt(), gpt().wiped(SECTOR, SECTOR);
    a_table_without_its_copy: "gpt-backup-bad", gpt(), gpt().with(|disk| {
        let copy = disk.len() - SECTOR;
        disk[copy..].fill(0);
    });
    // With a bad copy, too, nothing is left to check the table by.
    a_table_whose_copy_is_bad_too: "gpt-unchecked", gpt().with(|disk| made::rename_first(disk)), gpt()
        .with(|disk| made::rename_first(disk))
        .with(|disk| {
            let copy = disk.len() - SECTOR;
            disk[copy..].fill(0);
        });
    a_table_behind_a_wiped_first_sector: "gpt-unprotected", gpt(), gpt().wiped(0, SECTOR);
    a_table_without_its_signature: "mbr-unsigned", dos(), dos().wiped(510, 2);
    a_chain_of_logical_partitions_that_breaks_off: "extended-chain", logical(),
        logical().wiped(made::LINK, SECTOR);
    a_first_sector_that_cannot_be_read: "table-unreadable", gpt(), gpt().with_bad(0..SECTOR);
    a_gpt_in_other_sectors_than_the_disks: "table-unit", gpt(), gpt().on_sectors_of(4096);
    an_mbr_in_other_sectors_than_the_disks: "table-unit", dos(), dos().on_sectors_of(4096);
    a_partition_behind_the_end: "partition-outside", gpt(), gpt().cut(made::FIRST + 3 * SECTOR);
    a_partition_over_the_end: "partition-cut-short", gpt(), gpt().cut(made::FIRST + 3 * SECTOR);
    a_partition_that_ends_before_it_starts: "partition-backwards", gpt(),
        gpt().with(|disk| made::turn_second_round(disk));
    partitions_that_share_bytes: "partition-overlap", dos(), dos().with(|disk| {
        // The second one starts in the middle of the first.
        let middle = u32::try_from((made::FIRST + made::LEN / 2) / SECTOR).unwrap();
        disk[entry(1) + 8..entry(1) + 12].copy_from_slice(&middle.to_le_bytes());
    });
    more_partitions_than_any_disk_has: "partition-count", made::many(512), made::many(513);
    // Of the volume that the disk was before, boot code and all is left.
    a_table_where_a_volume_was: "table-or-volume", dos(), dos().with(|disk| {
        let table = disk[0x1B8..0x200].to_vec();
        disk[..SECTOR].copy_from_slice(&ntfs()[..SECTOR]);
        disk[0x1B8..0x200].copy_from_slice(&table);
    });
    a_volume_that_no_table_lists: "lost-partition", dos(), dos().wiped(entry(1), 16);
    a_dynamic_disk: "dynamic-disk", dos(), dos().with(|disk| disk[entry(0) + 4] = 0x42);
    a_boot_sector_of_which_only_the_copy_is_readable: "boot-sector-copy", plain(), plain().wiped(0, SECTOR);
    a_volume_whose_start_cannot_be_read: "volume-start-unreadable", plain(),
        plain().with_bad(0..SECTOR);
    a_volume_that_is_cut_off: "volume-cut-short", plain(), plain().cut(made::LEN / 2);
}

/// Nothing is known of the disk that an image is of: it is not said that it counts otherwise.
#[test]
fn a_table_of_other_sectors_in_an_image_is_told_of_the_image() {
    need!("sfdisk", "mkntfs");
    let found = gpt().on_sectors_of(4096).findings();
    let told = found.iter().find(|finding| finding.code == "table-unit").unwrap();
    assert!(told.what.contains("an image file") && !told.what.contains("the disk"), "{told:?}");
    assert!(!told.action.contains("disk"), "{told:?}");
}

/// A dynamic VHDX of a disk with a volume; `change` damages the file.
fn vhdx(change: impl FnOnce(&str)) -> Vec<Finding> {
    let dir = tempfile::tempdir().unwrap();
    let raw = dir.path().join("raw.img");
    fs::write(&raw, dos().bytes()).unwrap();
    let image = dir.path().join("disk.vhdx");
    let image = image.to_str().unwrap();
    let options = ["convert", "-O", "vhdx", "-o", "subformat=dynamic"];
    program("qemu-img", &[&options[..], &[raw.to_str().unwrap(), image]].concat(), "");
    change(image);
    open_image(Path::new(image)).map_err(|e| e.to_string()).unwrap().findings()
}

/// A VHD by qemu-img of a disk with a volume; `change` damages the file.
fn vhd(change: impl FnOnce(&mut Vec<u8>)) -> Vec<Finding> {
    let dir = tempfile::tempdir().unwrap();
    let raw = dir.path().join("raw.img");
    fs::write(&raw, dos().bytes()).unwrap();
    let image = dir.path().join("disk.vhd");
    let paths = [raw.to_str().unwrap(), image.to_str().unwrap()];
    let options = ["convert", "-O", "vpc", "-o", "subformat=dynamic"];
    program("qemu-img", &[&options[..], &paths].concat(), "");
    let mut bytes = fs::read(&image).unwrap();
    change(&mut bytes);
    fs::write(&image, bytes).unwrap();
    open_image(&image).map_err(|e| e.to_string()).unwrap().findings()
}

#[test]
fn a_vhd_with_a_wrong_footer_checksum() {
    need!("sfdisk", "mkntfs", "qemu-img");
    let wrong = |bytes: &mut Vec<u8>| {
        let footer = bytes.len() - SECTOR;
        bytes[footer + 64] ^= 1;
    };
    shows("vhd-footer-bad", &vhd(wrong), &vhd(|_| ()));
}

#[test]
fn an_image_that_was_not_closed() {
    need!("sfdisk", "mkntfs", "qemu-img");
    shows("vhdx-log-replayed", &vhdx(dirty::dirty_vhdx), &vhdx(|_| ()));
}

#[test]
fn an_image_that_was_not_closed_and_whose_log_is_torn() {
    need!("sfdisk", "mkntfs", "qemu-img");
    let torn = |image: &str| {
        dirty::dirty_vhdx(image);
        dirty::tear_log(image);
    };
    shows("vhdx-log-unusable", &vhdx(torn), &vhdx(dirty::dirty_vhdx));
}

#[test]
fn an_image_that_is_shorter_than_its_log_says() {
    need!("sfdisk", "mkntfs", "qemu-img");
    let cut = |image: &str| {
        dirty::dirty_vhdx(image);
        let file = File::options().write(true).open(image).unwrap();
        file.set_len(file.metadata().unwrap().len() - made::MIB as u64).unwrap();
    };
    shows("image-cut-short", &vhdx(cut), &vhdx(dirty::dirty_vhdx));
}

/// Where all partitions are lost there is no volume to tell it with.
#[test]
fn a_disk_with_no_volume_left_is_reported() {
    need!("sfdisk", "mkntfs");
    let detect = |disk: Made, exit: i32| {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk.img");
        fs::write(&path, disk.bytes()).unwrap();
        let image = Guarded::new(path);
        let run = lifeboat(&["detect", image.arg(), "--json"]).expect(exit);
        let codes = run.events("finding").iter().map(|f| f["code"].to_string()).collect::<Vec<_>>();
        (codes, run.events("volume").len())
    };
    let only_logical =
        || logical().wiped(entry(0), 16).with(|disk| disk[made::FIRST..made::LINK].fill(0));
    assert_eq!(detect(only_logical(), 4), (vec![], 1));
    let chain = || only_logical().with(|disk| disk[made::LINK..].fill(0));
    let (codes, _) = detect(chain(), 7);
    assert_eq!(codes, [r#""extended-chain""#, r#""volume-closed""#]);
    // A disk that nobody has used yet hides nothing.
    let unused = dos().wiped(entry(0), 32).with(|disk| disk[made::FIRST..].fill(0));
    let (codes, _) = detect(unused, 4);
    assert_eq!(codes, [""; 0]);
    // The entries are gone, the volumes are there.
    let (codes, _) = detect(dos().wiped(entry(0), 32), 4);
    let lost = codes.iter().filter(|code| **code == r#""lost-partition""#).count();
    assert_eq!(lost, 2, "{codes:?}");
}
