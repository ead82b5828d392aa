//! The raw reader on volumes that are damaged on purpose: what is there is
//! found and read, what is not is said.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::Path;
use std::sync::Arc;

use lifeboat::model::loss::Hole;
use lifeboat::model::monitor::Silent;
use lifeboat::model::name::NtPath;
use lifeboat::ntfs::Readable;
use lifeboat::ntfs::ondisk::attribute::kind;
use lifeboat::tree::Tree;
use lifeboat::tree::ntfs::NtfsTree;
use support::damage::{self, BadSectors, number, patch_record, record_offset};
use support::made::{noise, prose};
use support::ntfs3g::{self, Image};
use support::{compare, need};

const RW: &str = "rw,streams_interface=xattr,permissions,compression";

fn open(image: &Image) -> NtfsTree {
    NtfsTree::open(image.device(), "test image".into(), &Silent).unwrap()
}

fn codes(tree: &NtfsTree) -> Vec<&'static str> {
    tree.findings().iter().map(|finding| finding.code).collect()
}

/// All paths that a walk from the root meets, orphans included.
fn walk(tree: &NtfsTree) -> Vec<String> {
    let mut paths = Vec::new();
    let mut pending = vec![(NtPath::root(), tree.root())];
    while let Some((path, id)) = pending.pop() {
        // Of a file whose record is damaged there is only the name.
        let entries = if tree.node(id).is_ok() { tree.children(id).unwrap() } else { Vec::new() };
        for entry in entries {
            let path = path.join(entry.name);
            paths.push(path.to_string());
            pending.push((path, entry.node));
        }
        assert!(paths.len() < 10_000, "a circle");
    }
    paths.sort();
    paths
}

fn read_with_holes(tree: &NtfsTree, path: &str) -> (Vec<u8>, Vec<Hole>) {
    let id = tree.lookup(&path.into()).unwrap();
    let mut stream = tree.open(id, None).unwrap();
    let mut bytes = vec![0xEE; usize::try_from(stream.len()).unwrap()];
    for part in bytes.chunks_mut(100_000) {
        assert_eq!(stream.read(part).unwrap(), part.len());
    }
    (bytes, stream.holes().to_vec())
}

/// Differs nowhere but in the holes, and these are zeros.
fn same_but_for(bytes: &[u8], truth: &[u8], holes: &[Hole]) {
    let mut expected = truth.to_vec();
    for hole in holes {
        let from = usize::try_from(hole.offset).unwrap();
        expected[from..from + usize::try_from(hole.length).unwrap()].fill(0);
    }
    compare::same_bytes(bytes, &expected, Path::new("all but the holes"));
}

/// A small store among other files.
fn store(root: &Path) {
    let folder = root.join("StateStore/USMT/File/C$/Users/alice");
    fs::create_dir_all(&folder).unwrap();
    for i in 0..20 {
        fs::write(folder.join(format!("file {i}")), noise(i, 10_000)).unwrap();
    }
    fs::write(folder.join("small"), "resident").unwrap();
    fs::write(root.join("StateStore/USMT/hardlink.main"), "C\tguid").unwrap();
    fs::create_dir_all(root.join("other/folder")).unwrap();
    fs::write(root.join("other/folder/x"), "x").unwrap();
}

const FILES: &str = "StateStore/USMT/File/C$/Users/alice";

fn image() -> Image {
    let image = Image::make(32 << 20, &[]);
    image.fill(RW, store);
    image
}

#[test]
fn a_sound_volume_has_no_findings() {
    need!("fuse");
    let image = image();
    let tree = open(&image);
    assert_eq!(tree.findings(), []);
    assert_eq!(damage::index_findings(&tree), []);
}

#[test]
fn a_bad_boot_sector_or_table_start_is_got_around() {
    need!("fuse");
    let image = image();
    let sound = walk(&open(&image));
    let mft = record_offset(&image, 0);

    image.overwrite(0, &[0; 512]);
    let tree = open(&image);
    assert_eq!(codes(&tree), ["ntfs-boot-copy"]);
    assert_eq!(walk(&tree), sound);

    // Only now and by the mirror alone.
    image.overwrite(mft, &[0; 1024]);
    let tree = open(&image);
    assert_eq!(codes(&tree), ["ntfs-boot-copy", "ntfs-mft-mirror"]);
    assert_eq!(walk(&tree), sound);
    assert_eq!(tree.info().label, "Lifeboat test");

    // The first records are all gone, and still the label is known.
    image.overwrite(mft, &[0xAA; 4096]);
    let tree = open(&image);
    assert_eq!(walk(&tree), sound);
    assert_eq!(tree.info().label, "Lifeboat test");
}

#[test]
fn a_boot_sector_that_leads_nowhere_is_no_better_than_none() {
    need!("fuse");
    let image = image();
    let sound = walk(&open(&image));
    // It looks like one, but neither $MFT nor its mirror is where it says.
    image.overwrite(0x30, &[[0x77, 1, 0, 0, 0, 0, 0, 0], [0x99, 1, 0, 0, 0, 0, 0, 0]].concat());
    let tree = open(&image);
    assert_eq!(codes(&tree), ["ntfs-boot-copy"]);
    assert_eq!(walk(&tree), sound);
    // Sizes that make no sense together.
    image.overwrite(0x0D, &[1]);
    assert_eq!(walk(&open(&image)), sound);
}

#[test]
fn without_both_boot_sectors_nothing_is_believed() {
    need!("fuse");
    let image = image();
    image.overwrite(0, &[0; 512]);
    image.overwrite((32 << 20) - 512, &[0; 512]);
    let error = NtfsTree::open(image.device(), "it".into(), &Silent).err().unwrap();
    assert!(error.to_string().starts_with("boot sector at byte 3"), "{error}");
}

#[test]
fn a_boot_sector_that_differs_from_its_copy_is_reported() {
    need!("fuse");
    let image = image();
    image.overwrite((32 << 20) - 512 + 0x48, &[1; 8]);
    assert_eq!(codes(&open(&image)), ["ntfs-boot-differs"]);
}

#[test]
fn torn_bad_and_foreign_records_cost_themselves_only() {
    need!("fuse");
    let image = image();
    let sound = open(&image);
    let record =
        |name: &str| number(sound.lookup(&format!("{FILES}/{name}").as_str().into()).unwrap());
    let at = |name: &str| record_offset(&image, record(name));
    // Another write's number in the second half; all attributes are in the first.
    image.overwrite(at("file 0") + 1022, &[0xAB, 0xCD]);
    // In the first half: nothing is left.
    image.overwrite(at("file 1") + 510, &[0xAB, 0xCD]);
    image.overwrite(at("file 2"), b"BAAD");
    let other = image.bytes(at("file 4"), 1024);
    image.overwrite(at("file 3"), &other);

    let tree = open(&image);
    assert_eq!(codes(&tree), ["ntfs-record-damaged", "ntfs-record-bad", "ntfs-record-foreign"]);
    let what: Vec<_> = tree.findings().into_iter().map(|finding| finding.what).collect();
    assert!(
        what[0].contains(&format!("1 file record is damaged in part: {FILES}/file 0.")),
        "{what:?}"
    );
    assert!(what[1].starts_with("2 file records are malformed"), "{what:?}");
    assert!(what[1].contains(&format!("record {}", record("file 2"))), "{what:?}");

    // The folder's index still has the names of those that are gone.
    assert_eq!(walk(&tree), walk(&sound));
    for (name, why) in [
        ("file 1", "torn"),
        ("file 2", "expected \"FILE\", found \"BAAD\""),
        ("file 3", "another record is in its place"),
    ] {
        let id = tree.lookup(&format!("{FILES}/{name}").as_str().into()).unwrap();
        let error = tree.node(id).unwrap_err().to_string();
        assert!(error.contains(why), "{name}: {error}");
        assert!(tree.facts(id, None).is_err() && tree.open(id, None).is_err());
    }
    let (bytes, holes) = read_with_holes(&tree, &format!("{FILES}/file 0"));
    assert_eq!(holes, []);
    compare::same_bytes(&bytes, &noise(0, 10_000), Path::new("file 0"));
    let id = tree.lookup(&format!("{FILES}/file 0").as_str().into()).unwrap();
    assert!(tree.facts(id, None).unwrap().damaged[0].contains("torn"));
}

#[test]
fn a_folder_whose_record_is_bad_keeps_its_files_and_its_name() {
    need!("fuse");
    let image = image();
    let sound = open(&image);
    let folder = "StateStore/USMT/File/C$/Users";
    let lost = number(sound.lookup(&folder.into()).unwrap());
    image.overwrite(record_offset(&image, lost), b"BAAD");
    let tree = open(&image);
    assert_eq!(codes(&tree), ["ntfs-record-bad", "ntfs-folder-lost"]);
    let paths = walk(&tree);
    assert_eq!(paths, walk(&sound), "at their place, and nowhere else");
    assert!(walk(&sound).iter().all(|path| paths.contains(path)), "{paths:?}");
    let id = tree.lookup(&folder.into()).unwrap();
    assert!(tree.node(id).unwrap().is_plain_directory() && tree.is_damaged(id));
    assert!(tree.facts(id, None).unwrap().damaged[0].contains("own record is lost"));
    let path = format!("{FILES}/file 7");
    compare::same_bytes(&read_with_holes(&tree, &path).0, &noise(7, 10_000), Path::new(&path));
}

#[test]
fn an_index_that_leads_back_up_makes_no_cycle() {
    need!("fuse");
    let image = image();
    let sound = open(&image);
    // The folder's record is lost, and an index below it names that very folder.
    let upper = sound.lookup(&"StateStore/USMT".into()).unwrap();
    let lower = number(sound.lookup(&"StateStore/USMT/File/C$".into()).unwrap());
    patch_record(&image, lower, |record| {
        let entry = damage::value(record, kind::INDEX_ROOT, 0) + 0x20;
        record[entry..entry + 8].copy_from_slice(&upper.0.to_le_bytes());
    });
    image.overwrite(record_offset(&image, number(upper)), b"BAAD");
    let tree = open(&image);
    let paths = walk(&tree);
    assert!(paths.contains(&format!("{FILES}/small")), "{paths:?}");
    assert_eq!(paths.iter().filter(|path| path.ends_with("alice/small")).count(), 1);
}

#[test]
fn a_directory_that_is_gone_leaves_its_files_findable() {
    need!("fuse");
    let image = image();
    let sound = open(&image);
    let lost = number(sound.lookup(&"StateStore/USMT".into()).unwrap());
    // As a deletion does it: not in use, and another sequence number. And the folder above it,
    // whose index had its name.
    for folder in [lost, number(sound.lookup(&"StateStore".into()).unwrap())] {
        patch_record(&image, folder, |record| {
            record[0x16] = 0;
            record[0x10] += 1;
        });
    }
    let tree = open(&image);
    assert_eq!(codes(&tree), ["ntfs-orphans"]);
    let found = tree.find_named(&["File"], &Silent).unwrap();
    let expected = format!("$Orphans/{lost}-1/File");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].0.to_string(), expected);
    assert_eq!(tree.lookup(&found[0].0).unwrap(), found[0].1);
    let paths = walk(&tree);
    assert!(paths.contains(&format!("{expected}/C$/Users/alice/small")));
    let path = format!("{expected}/C$/Users/alice/file 7");
    compare::same_bytes(&read_with_holes(&tree, &path).0, &noise(7, 10_000), Path::new(&path));
    for folder in ["$Orphans", &format!("$Orphans/{lost}-1")] {
        let id = tree.lookup(&folder.into()).unwrap();
        assert!(tree.node(id).unwrap().is_plain_directory());
        assert!(tree.facts(id, None).is_ok() && tree.open(id, None).is_err());
    }

    // The record with another number and another name.
    patch_record(&image, lost, |record| {
        record[0x16] = 3;
        let name = damage::value(record, kind::FILE_NAME, 0);
        record[name..name + 8].copy_from_slice(&sound.root().0.to_le_bytes());
        record[name + 0x42] = b'Z';
    });
    let tree = open(&image);
    let again = tree.lookup(&"ZSMT".into()).unwrap();
    // Its index is the old one still, and says that they are.
    let found = tree.find_named(&["File"], &Silent).unwrap();
    assert_eq!(found[0].0.to_string(), "ZSMT/File");
    assert!(tree.children(again).unwrap().iter().any(|entry| entry.name == "File".into()));
}

#[test]
fn cycles_end() {
    need!("fuse");
    let image = image();
    let sound = open(&image);
    let upper = number(sound.lookup(&"StateStore/USMT".into()).unwrap());
    let lower = sound.lookup(&"StateStore/USMT/File/C$".into()).unwrap();
    patch_record(&image, upper, |record| {
        let name = damage::value(record, kind::FILE_NAME, 0);
        record[name..name + 8].copy_from_slice(&lower.0.to_le_bytes());
    });
    let tree = open(&image);
    assert_eq!(codes(&tree), ["ntfs-orphans", "ntfs-circles"]);
    assert_eq!(tree.find_named(&["hardlink.main"], &Silent).unwrap().len(), 1);
    assert_eq!(walk(&tree).iter().filter(|path| path.ends_with("alice/small")).count(), 1);
}

#[test]
fn two_files_of_one_name_are_told_apart_by_the_index() {
    need!("fuse");
    let image = image();
    let sound = open(&image);
    let folder = NtPath::from(FILES);
    let first = sound.lookup(&folder.join("file 1")).unwrap();
    let right = sound.lookup(&folder.join("file 2")).unwrap();
    patch_record(&image, number(first), |record| {
        let name = damage::value(record, kind::FILE_NAME, 0) + 0x42;
        record[name + 10] = b'2';
    });
    let tree = open(&image);
    assert_eq!(codes(&tree), ["ntfs-orphans", "ntfs-same-names"]);
    assert_eq!(tree.lookup(&folder.join("file 2")).unwrap(), right);
    let parent = number(sound.lookup(&folder).unwrap());
    let orphan = format!("$Orphans/{parent}-1/file 2");
    assert_eq!(tree.lookup(&orphan.as_str().into()).unwrap(), first);
    compare::same_bytes(&read_with_holes(&tree, &orphan).0, &noise(1, 10_000), Path::new("1"));

    let findings = damage::index_findings(&tree);
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(findings[0].code, "ntfs-index-stale");
}

#[test]
fn the_records_win_over_a_broken_index() {
    need!("fuse");
    let image = image();
    let sound = open(&image);
    let expected = walk(&sound);
    let folder = number(sound.lookup(&FILES.into()).unwrap());
    // The folder is large enough for index blocks: all of them are wiped.
    patch_record(&image, folder, |record| {
        let runs = damage::runs(record, kind::INDEX_ALLOCATION, 0);
        record[runs..runs + 4].copy_from_slice(&[0x21, 1, 0x10, 0x10]);
    });
    let tree = open(&image);
    assert_eq!(walk(&tree), expected);
    assert_eq!(codes(&tree), ["ntfs-clusters-shared"], "$LogFile is there");
    let findings = damage::index_findings(&tree);
    let codes: Vec<_> = findings.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, ["ntfs-index-damaged", "ntfs-index-forgot"]);
    assert!(findings[1].what.contains("21 "), "{findings:?}");
    assert!(findings[1].path.ends_with("alice"), "{findings:?}");
}

#[test]
fn bad_sectors_cost_themselves() {
    need!("fuse");
    let image = Image::make(64 << 20, &[]);
    let plain = noise(1, 3_000_000);
    let packed = prose(2, 3_000_000);
    image.fill(RW, |root| {
        fs::write(root.join("plain"), &plain).unwrap();
        let folder = root.join("packed");
        fs::create_dir(&folder).unwrap();
        xattr::set(&folder, "system.ntfs_attrib_be", &0x0810_u32.to_be_bytes()).unwrap();
        fs::write(folder.join("packed"), &packed).unwrap();
        fs::write(folder.join("noise"), &plain).unwrap();
    });
    let sound = open(&image);
    let position =
        |path: &str| sound.node(sound.lookup(&path.into()).unwrap()).unwrap().position.unwrap();
    let sectors = |at: u64, count: u64| at..at + count * 512;
    let device = BadSectors {
        device: image.device(),
        bad: vec![
            sectors(position("plain") + 5 * 512, 1),
            sectors(position("plain") + 1_000_448, 300),
            sectors(position("packed/packed") + 100 * 512, 2),
            sectors(position("packed/noise") + 700 * 512, 1),
        ],
    };
    let tree = NtfsTree::open(Arc::new(device), "failing".into(), &Silent).unwrap();
    assert_eq!(tree.findings(), []);

    let (bytes, holes) = read_with_holes(&tree, "plain");
    let ranges: Vec<_> = holes.iter().map(|h| (h.offset, h.length)).collect();
    assert_eq!(ranges, [(2560, 512), (1_000_448, 300 * 512)]);
    assert!(holes[0].reason.contains("bad sector"), "{holes:?}");
    same_but_for(&bytes, &plain, &holes);

    let (bytes, holes) = read_with_holes(&tree, "packed/noise");
    let ranges: Vec<_> = holes.iter().map(|h| (h.offset, h.length)).collect();
    assert_eq!(ranges, [(700 * 512, 512)]);
    same_but_for(&bytes, &plain, &holes);

    // A unit cannot be unpacked beyond the bad sector, but up to it.
    let (bytes, holes) = read_with_holes(&tree, "packed/packed");
    assert_eq!(holes.len(), 1);
    assert!((1..65_536).contains(&holes[0].length), "{holes:?}");
    assert_eq!((holes[0].offset + holes[0].length) % 65_536, 0, "{holes:?}");
    same_but_for(&bytes, &packed, &holes);
}

#[test]
fn runs_past_the_end_and_lost_pieces_are_holes() {
    need!("fuse");
    let image = Image::make(64 << 20, &["-c", "512"]);
    let bytes = noise(3, 4 << 20);
    let first_bytes = noise(4, 14 << 20);
    image.fill(RW, |root| {
        fs::write(root.join("one piece"), &bytes).unwrap();
        ntfs3g::shred_free_space(root, 2000);
        fs::write(root.join("first"), &first_bytes).unwrap();
    });
    let sound = open(&image);
    let record = |name: &str| number(sound.lookup(&name.into()).unwrap());
    // The last run list of `first`: its record is not in use any more.
    let first = record("first");
    let extension = (24..sound_records(&image)).rfind(|n| {
        let bytes = image.bytes(record_offset(&image, *n), 0x28);
        bytes.starts_with(b"FILE")
            && bytes[0x20..0x24] == u32::try_from(first).unwrap().to_le_bytes()
    });
    patch_record(&image, extension.expect("an extension record"), |record| {
        record[0x16] = 0;
        record[0x10] += 1;
    });
    patch_record(&image, record("one piece"), |record| {
        let at = damage::runs(record, kind::DATA, 0);
        // Clusters: as many as before, but from far behind the end on.
        record[at..at + 8].copy_from_slice(&[0x42, 0, 0x20, 0, 0, 0, 0x40, 0]);
    });
    let tree = open(&image);
    assert_eq!(codes(&tree), ["ntfs-clusters-unexplained"]);

    let (read, holes) = read_with_holes(&tree, "first");
    assert!(!holes.is_empty() && holes[0].length < 14 << 20, "{holes:?}");
    assert!(holes[0].reason.contains("file record"), "{holes:?}");
    same_but_for(&read, &first_bytes, &holes);
    let facts = tree.facts(tree.lookup(&"first".into()).unwrap(), None).unwrap();
    assert!(!facts.damaged.is_empty());

    let (read, holes) = read_with_holes(&tree, "one piece");
    assert_eq!(holes.len(), 1);
    assert_eq!((holes[0].offset, holes[0].length), (0, 4 << 20));
    assert!(holes[0].reason.contains("past the end of the volume"), "{holes:?}");
    assert!(read.iter().all(|byte| *byte == 0));
}

fn sound_records(image: &Image) -> u64 {
    lifeboat::ntfs::read::volume::Volume::open(image.device()).unwrap().0.records()
}

#[test]
fn a_table_with_bad_sectors_is_read_around_them() {
    need!("fuse");
    let image = image();
    let sound = open(&image);
    let path = format!("{FILES}/file 5");
    let at = record_offset(&image, number(sound.lookup(&path.as_str().into()).unwrap()));
    let bad = std::iter::once(at + 512..at + 1024).collect();
    let device = BadSectors { device: image.device(), bad };
    let tree = NtfsTree::open(Arc::new(device), "failing".into(), &Silent).unwrap();
    assert_eq!(codes(&tree), ["ntfs-record-damaged", "ntfs-record-unreadable"]);
    // Its name is in the good half.
    assert_eq!(walk(&tree), walk(&sound));
    // Its neighbour in the same block can still be opened.
    let (bytes, holes) = read_with_holes(&tree, &format!("{FILES}/file 6"));
    assert_eq!(holes, []);
    compare::same_bytes(&bytes, &noise(6, 10_000), Path::new("file 6"));
}

#[test]
fn dirty_unreplayed_and_hibernated_volumes_are_reported() {
    need!("fuse");
    let image = image();
    image.fill(RW, |root| {
        let mut bytes = vec![0; 8192];
        bytes[..4].copy_from_slice(b"hibr");
        fs::write(root.join("hiberfil.sys"), bytes).unwrap();
    });
    assert_eq!(codes(&open(&image)), ["ntfs-hibernated"]);
    patch_record(&image, 3, |record| {
        let at = damage::value(record, kind::VOLUME_INFORMATION, 0);
        record[at + 10] |= 1;
    });
    assert_eq!(codes(&open(&image)), ["ntfs-dirty", "ntfs-hibernated"]);
    let log = open(&image);
    let log = log.node(log.lookup(&"$LogFile".into()).unwrap()).unwrap().position.unwrap();
    image.overwrite(log, &restart_page(0, 0));
    assert_eq!(codes(&open(&image)), ["ntfs-dirty", "ntfs-log-unreplayed", "ntfs-hibernated"]);
    image.overwrite(log, &restart_page(0xFFFF, 0));
    assert_eq!(codes(&open(&image)), ["ntfs-dirty", "ntfs-hibernated"]);
    image.overwrite(log, &vec![0x55; 131_072]);
    assert_eq!(codes(&open(&image)), ["ntfs-dirty", "ntfs-log-unknown", "ntfs-hibernated"]);
}

fn restart_page(clients_in_use: u16, flags: u16) -> Vec<u8> {
    let mut page = vec![0; 4096];
    page[..4].copy_from_slice(b"RSTR");
    page[4..8].copy_from_slice(&[0x1E, 0, 9, 0]);
    page[0x10..0x14].copy_from_slice(&4096_u32.to_le_bytes());
    page[0x18] = 0x30;
    page[0x3C..0x3E].copy_from_slice(&clients_in_use.to_le_bytes());
    page[0x3E..0x40].copy_from_slice(&flags.to_le_bytes());
    page
}

#[test]
fn deleted_files_are_listed_with_what_is_left_of_them() {
    need!("fuse");
    let image = image();
    image.fill(RW, |root| {
        fs::remove_dir_all(root.join("StateStore/USMT/File")).unwrap();
        fs::remove_file(root.join("other/folder/x")).unwrap();
    });
    let tree = open(&image);
    assert_eq!(tree.findings(), []);
    let below = |path: &NtPath| path.to_string().starts_with("StateStore/USMT/");
    let deleted = tree.deleted(&below, &Silent).unwrap();
    let paths: Vec<_> = deleted.iter().map(|file| file.path().to_string()).collect();
    assert_eq!(deleted.len(), 25, "{paths:?}");
    assert_eq!(paths[0], "StateStore/USMT/File");
    assert!(paths.contains(&format!("{FILES}/small")));
    let file = deleted.iter().find(|file| file.path().to_string().ends_with("/file 3")).unwrap();
    assert_eq!((file.size, file.readable, file.is_directory), (10_000, Readable::Whole, false));
    assert_eq!(tree.deleted(&|_| true, &Silent).unwrap().len(), 26);

    // Other files take the place.
    image.fill(RW, |root| fs::write(root.join("new"), noise(9, 20 << 20)).unwrap());
    let tree = open(&image);
    let deleted = tree.deleted(&|_| true, &Silent).unwrap();
    let gone =
        deleted.iter().filter(|file| file.readable == Readable::Nothing && !file.is_directory);
    assert!(gone.count() > 10, "{deleted:?}");
}

#[test]
fn a_lost_root_record_loses_no_file() {
    need!("fuse");
    let image = image();
    let sound = walk(&open(&image));
    let root = record_offset(&image, 5);
    for bytes in [&[0; 1024][..], b"BAAD", &[0xFF; 1024]] {
        image.overwrite(root, bytes);
        let tree = open(&image);
        assert_eq!(walk(&tree), sound);
        assert!(tree.node(tree.root()).unwrap().is_plain_directory());
        assert!(!tree.facts(tree.root(), None).unwrap().damaged.is_empty());
        let found = tree.find_named(&["USMT"], &Silent).unwrap();
        assert_eq!(found[0].0.to_string(), "StateStore/USMT");
    }
}

/// What offload lists as losses of a file: the doubts about its metadata.
fn doubts(tree: &NtfsTree, path: &str) -> Vec<String> {
    let path = NtPath::from(path);
    let facts = tree.facts(tree.lookup(&path).unwrap(), path.file_name()).unwrap();
    facts.damaged.into_iter().chain(facts.misnamed).collect()
}

#[test]
fn records_of_zeros_or_of_a_pattern_cost_their_files_by_name() {
    need!("fuse");
    let image = image();
    let sound = open(&image);
    let id = |name: &str| sound.lookup(&format!("{FILES}/{name}").as_str().into()).unwrap();
    let at = |name: &str| record_offset(&image, number(id(name)));
    image.overwrite(at("file 1"), &[0; 1024]);
    image.overwrite(at("file 2"), &[0xFF; 1024]);
    image.overwrite(at("file 3"), &b"NOT READ".repeat(128));
    // The whole folder.
    let folder = number(sound.lookup(&"StateStore/USMT/File/C$".into()).unwrap());
    image.overwrite(record_offset(&image, folder), &[0; 1024]);
    let tree = open(&image);
    assert_eq!(codes(&tree), ["ntfs-record-blank", "ntfs-folder-lost"]);
    assert!(tree.findings()[0].what.starts_with("4 file records"), "{:?}", tree.findings());
    let paths = walk(&tree);
    assert!(walk(&sound).iter().all(|path| paths.contains(path)), "{paths:?}");
    for name in ["file 1", "file 2", "file 3"] {
        let error = tree.node(id(name)).unwrap_err().to_string();
        assert!(error.contains("expected \"FILE\""), "{error}");
    }
    // One that the bitmap does not count was never used.
    let lost = number(id("file 1"));
    let byte = damage::record_bitmap(&image) + lost / 8;
    image.overwrite(byte, &[image.bytes(byte, 1)[0] & !(1 << (lost % 8))]);
    let what = open(&image).findings()[0].what.clone();
    assert!(what.starts_with("3 file records"), "{what}");
    assert_eq!(walk(&open(&image)), paths, "the folder's index has its name all the same");
}

#[test]
fn a_record_that_lost_its_in_use_bit_alone_is_a_file_still() {
    need!("fuse");
    let image = image();
    let sound = open(&image);
    let expected = walk(&sound);
    let record = |path: &str| number(sound.lookup(&path.into()).unwrap());
    let lose = |path: &str| {
        patch_record(&image, record(path), |record| {
            let flags = damage::FLAGS;
            record[flags] &= !1;
        });
    };
    let file = format!("{FILES}/file 4");
    lose(&file);
    lose("StateStore/USMT/File");
    let tree = open(&image);
    assert_eq!(codes(&tree), ["ntfs-record-revived"]);
    assert_eq!(walk(&tree), expected, "a whole subtree");
    let (bytes, holes) = read_with_holes(&tree, &file);
    assert_eq!(holes, []);
    compare::same_bytes(&bytes, &noise(4, 10_000), Path::new(&file));
    assert!(doubts(&tree, &file)[0].contains("marked as deleted"), "{:?}", doubts(&tree, &file));
    assert!(tree.is_damaged(tree.lookup(&file.as_str().into()).unwrap()));

    // Another file has its clusters.
    let runs = |record: &[u8]| {
        let at = damage::runs(record, kind::DATA, 0);
        at..at + 8
    };
    let mut theirs = Vec::new();
    patch_record(&image, record(&file), |record| theirs = record[runs(record)].to_vec());
    patch_record(&image, record(&format!("{FILES}/file 5")), |record| {
        let own = runs(record);
        record[own].copy_from_slice(&theirs);
    });
    let tree = open(&image);
    let error = tree.open(tree.lookup(&file.as_str().into()).unwrap(), None).err().unwrap();
    assert!(error.to_string().contains("another file has its clusters"), "{error}");

    // The bitmap does not have it: a name of which nothing is left.
    let (volume, _) = lifeboat::ntfs::read::volume::Volume::open(image.device()).unwrap();
    let bitmap = damage::record_bitmap(&image);
    let number = record(&file);
    let byte = bitmap + number / 8;
    let bits = image.bytes(byte, 1)[0];
    image.overwrite(byte, &[bits & !(1 << (number % 8))]);
    drop(volume);
    let tree = open(&image);
    assert_eq!(walk(&tree), expected);
    let error = tree.node(tree.lookup(&file.as_str().into()).unwrap()).unwrap_err().to_string();
    assert!(error.contains("is marked as deleted"), "{error}");
}

#[test]
fn files_with_the_same_clusters_or_with_free_ones_are_in_doubt() {
    need!("fuse");
    let image = image();
    let sound = open(&image);
    let expected = walk(&sound);
    let path = |i: u32| format!("{FILES}/file {i}");
    let record = |i: u32| number(sound.lookup(&path(i).as_str().into()).unwrap());
    // The first run has a byte of length and two of place, or three.
    let place = |record: &[u8]| {
        let at = damage::runs(record, kind::DATA, 0);
        at + 2..at + 2 + usize::from(record[at] >> 4)
    };
    let mut theirs = Vec::new();
    patch_record(&image, record(3), |record| theirs = record[place(record)].to_vec());
    patch_record(&image, record(4), |record| {
        let own = place(record);
        record[own].copy_from_slice(&theirs);
    });
    let tree = open(&image);
    assert_eq!(codes(&tree), ["ntfs-clusters-shared"]);
    let what = &tree.findings()[0].what;
    assert!(what.starts_with("2 files are in clusters that another"), "{what}");
    assert_eq!(walk(&tree), expected);
    for i in [3, 4] {
        let doubts = doubts(&tree, &path(i));
        assert!(doubts[0].starts_with("another file has some of the same clusters"), "{doubts:?}");
        assert!(tree.is_damaged(tree.lookup(&path(i).as_str().into()).unwrap()));
    }
    assert_eq!(doubts(&tree, &path(5)), [] as [&str; 0]);

    // At 31 MiB of 32, where nothing is.
    patch_record(&image, record(4), |record| {
        let own = place(record);
        let new = u32::to_le_bytes((31 << 20) / 4096);
        record[own.clone()].copy_from_slice(&new[..own.len()]);
    });
    let tree = open(&image);
    assert_eq!(codes(&tree), ["ntfs-clusters-free"]);
    assert!(doubts(&tree, &path(4))[0].starts_with("some of its clusters are free"));
    assert_eq!(doubts(&tree, &path(3)), [] as [&str; 0]);
}

#[test]
fn a_record_that_is_older_than_the_index_or_shorter_is_a_loss() {
    need!("fuse");
    let image = image();
    let path = |i: u32| format!("{FILES}/file {i}");
    let sound = open(&image);
    let record = |i: u32| number(sound.lookup(&path(i).as_str().into()).unwrap());
    let old = image.bytes(record_offset(&image, record(3)), 1024);
    image.fill(RW, |root| fs::write(root.join(path(3)), noise(77, 10_000)).unwrap());
    image.overwrite(record_offset(&image, record(3)), &old);
    // Data that ends before it did: size and valid size, and nothing else.
    patch_record(&image, record(4), |record| {
        let (at, _) = damage::attribute(record, kind::DATA, 0);
        for field in [0x30, 0x38] {
            record[at + field..at + field + 8].copy_from_slice(&9000_u64.to_le_bytes());
        }
    });
    let tree = open(&image);
    let expected = [(3, "is older than its entry"), (4, "has another size"), (5, "")];
    assert!(walk(&tree).len() > 20);
    for (i, words) in expected {
        let said = doubts(&tree, &path(i)).join(" ");
        assert!(said.contains(words) && said.is_empty() == words.is_empty(), "{i}: {said}");
    }
    let findings = damage::index_findings(&tree);
    assert!(findings.iter().any(|f| f.code == "ntfs-record-outdated"), "{findings:?}");
}

#[test]
fn a_folder_that_lost_its_flag_is_a_folder_still() {
    need!("fuse");
    let image = image();
    let sound = open(&image);
    let expected = walk(&sound);
    let folder = number(sound.lookup(&"StateStore/USMT/File".into()).unwrap());
    patch_record(&image, folder, |record| {
        let flags = damage::FLAGS;
        record[flags] &= !2;
    });
    let tree = open(&image);
    assert_eq!(walk(&tree), expected);
    assert_eq!(codes(&tree), ["ntfs-record-damaged"]);
    // The other way round: a file with the flag.
    let file = number(sound.lookup(&format!("{FILES}/file 5").as_str().into()).unwrap());
    patch_record(&image, file, |record| {
        let flags = damage::FLAGS;
        record[flags] |= 2;
    });
    let tree = open(&image);
    assert_eq!(walk(&tree), expected);
    let (bytes, holes) = read_with_holes(&tree, &format!("{FILES}/file 5"));
    assert!(holes.is_empty() && bytes == noise(5, 10_000));
}

#[test]
fn a_bad_sector_of_the_cluster_bitmap_costs_no_file_its_good_name() {
    need!("fuse");
    let image = image();
    let bitmap = damage::first_cluster(&image, 6, kind::DATA);
    image.overwrite(bitmap, &[0; 512]);
    let tree = open(&image);
    assert_eq!(codes(&tree), ["ntfs-bitmap-damaged"]);
    assert_eq!(doubts(&tree, &format!("{FILES}/file 3")), [] as [&str; 0]);
}

#[test]
fn a_name_whose_record_was_used_again_is_a_name_still() {
    need!("fuse");
    let image = image();
    let sound = open(&image);
    let path = format!("{FILES}/file 6");
    let id = sound.lookup(&path.as_str().into()).unwrap();
    let parent = number(sound.lookup(&"other/folder".into()).unwrap());
    patch_record(&image, number(id), |record| {
        record[0x10] += 1;
        let name = damage::value(record, kind::FILE_NAME, 0);
        record[name..name + 4].copy_from_slice(&u32::try_from(parent).unwrap().to_le_bytes());
        record[name + 0x42] = b'N';
    });
    let tree = open(&image);
    assert_eq!(codes(&tree), [] as [&str; 0]);
    assert!(walk(&tree).contains(&"other/folder/Nile 6".to_owned()));
    let error = tree.node(tree.lookup(&path.as_str().into()).unwrap()).unwrap_err().to_string();
    assert!(error.contains("now belongs to another file"), "{error}");
    let findings = damage::index_findings(&tree);
    let codes: Vec<_> = findings.iter().map(|finding| finding.code).collect();
    assert_eq!(codes.len(), 2, "{findings:?}");
    assert!(codes.contains(&"ntfs-index-stale") && codes.contains(&"ntfs-index-forgot"));
}

#[test]
fn a_file_is_saved_once_by_the_name_in_the_index() {
    need!("fuse");
    let image = image();
    let sound = open(&image);
    let expected = walk(&sound);
    let old = format!("{FILES}/file 7");
    let id = sound.lookup(&old.as_str().into()).unwrap();
    patch_record(&image, number(id), |record| {
        let name = damage::value(record, kind::FILE_NAME, 0) + 0x42;
        record[name] = b'F';
    });
    let tree = open(&image);
    assert_eq!(walk(&tree), expected);
    assert_eq!(tree.lookup(&old.as_str().into()).unwrap(), id);
    assert!(doubts(&tree, &old)[0].contains("another name: File 7"), "{:?}", doubts(&tree, &old));
    let findings = damage::index_findings(&tree);
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(findings[0].code, "ntfs-index-renamed");
    assert!(findings[0].what.contains("file 7 is File 7"), "{findings:?}");
}

#[test]
fn an_index_block_of_another_folder_or_place_is_not_believed() {
    need!("fuse");
    let image = image();
    image.fill(RW, |root| {
        for folder in ["a", "b"] {
            fs::create_dir(root.join(folder)).unwrap();
            for i in 0..200 {
                fs::write(root.join(folder).join(format!("{folder} {i}")), "x").unwrap();
            }
        }
    });
    let sound = open(&image);
    let expected = walk(&sound);
    let blocks = |folder: &str| {
        let id = sound.lookup(&folder.into()).unwrap();
        damage::first_cluster(&image, number(id), kind::INDEX_ALLOCATION)
    };
    let (a, b) = (blocks("a"), blocks("b"));
    let (first, second) = (image.bytes(a, 4096), image.bytes(b, 4096));
    image.overwrite(a, &second);
    image.overwrite(b, &first);
    let tree = open(&image);
    assert_eq!(walk(&tree), expected);
    let findings = damage::index_findings(&tree);
    let damaged: Vec<_> = findings.iter().filter(|f| f.code == "ntfs-index-damaged").collect();
    assert_eq!(damaged.len(), 2, "{findings:?}");
    assert!(damaged.iter().all(|f| f.what.contains("are of another folder")), "{damaged:?}");
    // At another place of the same index: the names of the other block are the records' alone.
    image.overwrite(a, &first);
    image.overwrite(b, &image.bytes(b + 4096, 4096));
    let tree = open(&image);
    assert_eq!(walk(&tree), expected);
    let findings = damage::index_findings(&tree);
    assert!(findings[0].what.contains("it is the block at cluster"), "{findings:?}");
    assert!(doubts(&tree, "b")[0].contains("21 names in it could not be compared"));
    // A record that cannot be read may have been one of this folder's.
    let other = number(sound.lookup(&"other/folder/x".into()).unwrap());
    image.overwrite(record_offset(&image, other), b"BAAD");
    assert!(doubts(&open(&image), "b")[0].contains("files may be missing from this folder"));
    assert_eq!(doubts(&open(&image), "a"), [] as [&str; 0]);
}

#[test]
fn an_attribute_list_of_zeros_or_cut_short_costs_no_stream() {
    need!("fuse");
    let image = Image::make(64 << 20, &["-c", "1024"]);
    image.fill(RW, |root| {
        fs::write(root.join("file"), noise(1, 5000)).unwrap();
        for i in 0..120 {
            xattr::set(root.join("file"), format!("user.stream {i}"), &noise(i, 300)).unwrap();
        }
    });
    let sound = open(&image);
    let id = sound.lookup(&"file".into()).unwrap();
    let at = damage::first_cluster(&image, number(id), kind::ATTRIBUTE_LIST);
    let list = image.bytes(at, 1024);
    assert!(doubts(&sound, "file").is_empty());
    for broken in [vec![0; 1024], vec![0xFF; 1024], [&list[..496], &[0; 528][..]].concat()] {
        image.overwrite(at, &broken);
        let tree = open(&image);
        assert!(doubts(&tree, "file")[0].contains("attribute list"), "{:?}", doubts(&tree, "file"));
        let facts = tree.facts(id, None).unwrap();
        assert_eq!(facts.streams.len(), 120);
        compare::same_bytes(
            &compare::read_all(&tree, id, None),
            &noise(1, 5000),
            Path::new("file"),
        );
    }
    // A list that ends early and looks whole: the streams behind its end are not in it.
    let mut own = list.clone();
    let mut entry = 0;
    while own[entry..entry + 4] == [0x10, 0, 0, 0] || own[entry..entry + 4] == [0x30, 0, 0, 0] {
        entry += usize::from(own[entry + 4]);
    }
    // It does not list its own record.
    let record = own[entry + 0x10];
    for at in (0..entry).step_by(0x20) {
        own[at + 0x10] = record ^ 0xFF;
    }
    image.overwrite(at, &own);
    assert!(!doubts(&open(&image), "file").is_empty());
}

#[test]
fn zeros_where_compressed_data_should_be_are_a_hole() {
    need!("fuse");
    let image = image();
    let bytes = prose(3, 300_000);
    image.fill(RW, |root| {
        let folder = root.join("packed");
        fs::create_dir(&folder).unwrap();
        xattr::set(&folder, "system.ntfs_attrib_be", &0x0810_u32.to_be_bytes()).unwrap();
        fs::write(folder.join("prose"), &bytes).unwrap();
    });
    let sound = open(&image);
    let (read, holes) = read_with_holes(&sound, "packed/prose");
    assert_eq!(holes, []);
    compare::same_bytes(&read, &bytes, Path::new("prose"));
    let id = sound.lookup(&"packed/prose".into()).unwrap();
    let at = damage::first_cluster(&image, number(id), kind::DATA);
    // From the second cluster of the first unit on, and then all of it.
    for (from, length) in [(4096, 4096), (0, 8192)] {
        image.overwrite(at + from, &vec![0; length]);
        let (read, holes) = read_with_holes(&open(&image), "packed/prose");
        assert_eq!(holes.len(), 1, "{holes:?}");
        assert!(holes[0].offset + holes[0].length == 65_536, "{holes:?}");
        assert!((holes[0].offset == 0) == (from == 0), "{holes:?}");
        same_but_for(&read, &bytes, &holes);
    }
}

#[test]
fn a_file_table_that_is_not_in_use_by_its_own_record_is_read() {
    need!("fuse");
    let image = image();
    let sound = walk(&open(&image));
    let clear = |at: u64| {
        let flags = image.bytes(at + 0x16, 1)[0];
        image.overwrite(at + 0x16, &[flags & !1]);
    };
    let mft = record_offset(&image, 0);
    let (volume, _) = lifeboat::ntfs::read::volume::Volume::open(image.device()).unwrap();
    let mirror = volume.read_mirror(0).unwrap().1;
    clear(mft);
    let tree = open(&image);
    assert_eq!(codes(&tree), ["ntfs-mft-mirror"]);
    assert_eq!(walk(&tree), sound);
    clear(mirror);
    let tree = open(&image);
    assert_eq!(codes(&tree), ["ntfs-mft-not-in-use"]);
    assert_eq!(walk(&tree), sound);
}

#[test]
fn a_reparse_tag_that_is_not_in_the_record_is_known_all_the_same() {
    need!("fuse");
    let image = image();
    image.fill("rw", |root| {
        fs::write(root.join("cloud"), "").unwrap();
        let mut data = 0x9000_601A_u32.to_le_bytes().to_vec();
        data.extend(3000_u16.to_le_bytes());
        data.extend([0, 0]);
        data.extend(noise(1, 3000));
        xattr::set(root.join("cloud"), "system.ntfs_reparse_data", &data).unwrap();
    });
    let sound = open(&image);
    let id = sound.lookup(&"cloud".into()).unwrap();
    patch_record(&image, number(id), |record| {
        damage::runs(record, kind::REPARSE_POINT, 0); // it is in clusters
        // The copy in the name is an old one.
        let name = damage::value(record, kind::FILE_NAME, 0);
        record[name + 0x38..name + 0x40].fill(0);
    });
    assert_eq!(open(&image).node(id).unwrap().reparse_tag, Some(0x9000_601A));
}

#[test]
fn a_folder_with_a_wrong_sequence_number_keeps_its_files() {
    need!("fuse");
    let image = image();
    let sound = open(&image);
    let expected = walk(&sound);
    for folder in [FILES, "StateStore/USMT"] {
        let record = number(sound.lookup(&folder.into()).unwrap());
        patch_record(&image, record, |record| record[0x10] += 1);
    }
    let tree = open(&image);
    assert_eq!(codes(&tree), ["ntfs-folder-renumbered"]);
    assert_eq!(walk(&tree), expected);
    assert!(doubts(&tree, FILES)[0].contains("sequence number"), "{:?}", doubts(&tree, FILES));
}

#[test]
fn a_blank_record_is_in_doubt_where_neither_bitmap_nor_index_can_say() {
    need!("fuse");
    let image = image();
    image.fill(RW, |root| {
        for i in 0..200 {
            fs::write(root.join(FILES).join(format!("many {i}")), "x").unwrap();
        }
    });
    let sound = open(&image);
    let id = |path: &str| number(sound.lookup(&path.into()).unwrap());
    let blocks = damage::first_cluster(&image, id(FILES), kind::INDEX_ALLOCATION);
    let lost = id(&format!("{FILES}/file 9"));
    image.overwrite(record_offset(&image, lost), &[0; 1024]);
    let bitmap = damage::record_bitmap(&image);
    let bits = image.bytes(bitmap, 64);
    let mut one = bits.clone();
    one[usize::try_from(lost / 8).unwrap()] &= !(1 << (lost % 8));
    for broken in [vec![0; 64], one] {
        image.overwrite(bitmap, &broken);
        image.overwrite(blocks, &[0; 4096]);
        let tree = open(&image);
        assert!(doubts(&tree, FILES)[0].contains("files may be missing"));
        assert_eq!(doubts(&tree, "other/folder"), [] as [&str; 0]);
    }
}

#[test]
fn a_record_without_its_times_or_with_unsorted_attributes_is_damaged() {
    need!("fuse");
    let image = image();
    let sound = open(&image);
    let path = format!("{FILES}/file 3");
    let record = number(sound.lookup(&path.as_str().into()).unwrap());
    assert_eq!(doubts(&sound, &path), [] as [&str; 0]);
    for kind in [0x1000_u32, 0xB0, 0, 0x13] {
        patch_record(&image, record, |record| {
            let at = usize::from(u16::from_le_bytes([record[0x14], record[0x15]]));
            record[at..at + 4].copy_from_slice(&kind.to_le_bytes());
        });
        let doubts = doubts(&open(&image), &path);
        assert!(doubts.iter().any(|doubt| doubt.contains("times and attributes")), "{doubts:?}");
        assert!(doubts.iter().any(|doubt| doubt.contains("an attribute type")), "{doubts:?}");
    }
}

/// Records that are gone, and their bits in the file table's bitmap too: the volume's own bitmap
/// still says that there were files.
#[test]
fn files_whose_records_and_bits_are_gone_are_missed_by_their_clusters() {
    need!("fuse");
    let image = Image::make(32 << 20, &[]);
    image.fill(RW, |root| {
        fs::create_dir_all(root.join("a/b")).unwrap();
        for i in 0..6 {
            fs::write(root.join(format!("a/b/{i}")), noise(i, 1 << 20)).unwrap();
        }
    });
    let sound = open(&image);
    assert_eq!(codes(&sound), [""; 0]);
    let bits = damage::record_bitmap(&image);
    for path in walk(&sound).iter().filter(|path| path.starts_with('a')) {
        let record = number(sound.lookup(&path.as_str().into()).unwrap());
        image.overwrite(record_offset(&image, record), &[0; 1024]);
        let byte = bits + record / 8;
        image.overwrite(byte, &[image.bytes(byte, 1)[0] & !(1 << (record % 8))]);
    }
    assert_eq!(codes(&open(&image)), ["ntfs-clusters-unexplained"]);
    // Without the bits of the records that every volume has.
    image.overwrite(bits, &[0; 8]);
    let found = codes(&open(&image));
    assert_eq!(found, ["ntfs-mft-bitmap-blank", "ntfs-clusters-unexplained"]);
}
