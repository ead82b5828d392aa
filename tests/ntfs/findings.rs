//! Findings about an NTFS volume that take more than one flipped byte: a real
//! volume that shows each, and the same one before, which does not.
#![cfg(target_os = "linux")]

use std::fs;

use lifeboat::health::codes::ELSEWHERE;
use lifeboat::model::monitor::Silent;
use lifeboat::ntfs::ondisk::attribute::kind;
use lifeboat::tree::Tree;
use lifeboat::tree::ntfs::NtfsTree;
use support::damage::{self, number, patch_record, record_offset};
use support::made::noise;
use support::need;
use support::ntfs3g::Image;

const RW: &str = "rw,streams_interface=xattr,permissions";

/// A volume with a folder of files; without findings.
fn image() -> Image {
    let image = Image::make(32 << 20, &[]);
    image.fill(RW, |root| {
        for folder in ["folder", "folder/inner"] {
            fs::create_dir(root.join(folder)).unwrap();
            for i in 0..20 {
                fs::write(root.join(folder).join(format!("file {i}")), noise(i, 5000)).unwrap();
            }
        }
    });
    assert_eq!(shown(&open(&image)), [""; 0]);
    image
}

fn open(image: &Image) -> NtfsTree {
    NtfsTree::open(image.device(), "test image".into(), &Silent).unwrap()
}

/// The codes that are told when the volume is opened, each as bad as the list of
/// codes says.
fn shown(tree: &NtfsTree) -> Vec<&'static str> {
    let findings = tree.findings();
    assert!(findings.iter().all(|f| ELSEWHERE.contains(&(f.code, f.severity))), "{findings:?}");
    findings.iter().map(|finding| finding.code).collect()
}

fn record(tree: &NtfsTree, path: &str) -> u64 {
    number(tree.lookup(&path.into()).unwrap())
}

fn bytes(tree: &NtfsTree, path: &str) -> Vec<u8> {
    let mut stream = tree.open(tree.lookup(&path.into()).unwrap(), None).unwrap();
    let mut bytes = vec![0; usize::try_from(stream.len()).unwrap()];
    assert_eq!(stream.read(&mut bytes).unwrap(), bytes.len());
    assert_eq!(stream.holes(), []);
    bytes
}

#[test]
fn a_file_table_that_ends_early_costs_the_files_behind_its_end() {
    need!("fuse");
    let image = image();
    let sound = open(&image);
    let kept = record(&sound, "folder/file 3");
    let lost = record(&sound, "folder/inner/file 19");
    // $MFT's runs end where the lost file's record would begin.
    let cluster = 4096;
    let clusters = record_offset(&image, lost) - record_offset(&image, 0);
    assert_eq!(clusters, lost * 1024, "the table is in one piece");
    patch_record(&image, 0, |record| {
        let at = damage::runs(record, kind::DATA, 0);
        assert_eq!(record[at] & 0x0F, 1, "its length has one byte");
        record[at + 1] = u8::try_from(clusters / cluster).unwrap();
        let next = at + 2 + usize::from(record[at] >> 4);
        record[next] = 0;
    });
    let tree = open(&image);
    assert!(shown(&tree).contains(&"ntfs-mft-incomplete"), "{:?}", tree.findings());
    assert_eq!(record(&tree, "folder/file 3"), kept);
    assert_eq!(bytes(&tree, "folder/file 3"), noise(3, 5000));
    // The folder's index still has its name, and that is all there is.
    let gone = tree.lookup(&"folder/inner/file 19".into()).unwrap();
    assert!(tree.node(gone).is_err() && tree.open(gone, None).is_err());
}

#[test]
fn a_file_without_a_name_is_reported_and_its_bytes_are_there() {
    need!("fuse");
    let image = image();
    let nameless = record(&open(&image), "folder/file 7");
    patch_record(&image, nameless, |record| {
        let (at, _) = damage::attribute(record, kind::FILE_NAME, 0);
        // A type that nobody knows, and none between its neighbours'.
        record[at] = 0x38;
    });
    let tree = open(&image);
    assert_eq!(shown(&tree), ["ntfs-orphans", "ntfs-nameless"]);
    let path = format!("$Orphans/nameless/record-{nameless}");
    assert_eq!(bytes(&tree, &path), noise(7, 5000));
}

#[test]
fn a_folder_with_two_names_is_listed_once() {
    need!("fuse");
    let image = image();
    let folder = record(&open(&image), "folder/inner");
    patch_record(&image, folder, |record| {
        let (at, len) = damage::attribute(record, kind::FILE_NAME, 0);
        let mut second = record[at..at + len].to_vec();
        // The name's first letter; the name starts at 0x42 of the value.
        let letter = damage::value(record, kind::FILE_NAME, 0) - at + 0x42;
        second[letter] = b'd';
        let used = u32::from_le_bytes(record[0x18..0x1C].try_into().unwrap());
        let size = record.len();
        record.splice(at + len..at + len, second);
        record.truncate(size);
        let used = used + u32::try_from(len).unwrap();
        assert!(used as usize <= size, "there is room for it");
        record[0x18..0x1C].copy_from_slice(&used.to_le_bytes());
    });
    let tree = open(&image);
    assert_eq!(shown(&tree), ["ntfs-second-names"]);
    assert_eq!(bytes(&tree, "folder/inner/file 4"), noise(4, 5000));
    assert!(tree.lookup(&"folder/dnner".into()).is_err());
}

#[test]
fn disagreements_beyond_two_hundred_are_counted() {
    need!("fuse");
    let image = Image::make(32 << 20, &[]);
    image.fill(RW, |root| {
        for i in 0..203 {
            let folder = root.join(format!("folder {i}"));
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join("file"), "resident").unwrap();
        }
    });
    let sound = open(&image);
    assert_eq!(damage::index_findings(&sound), []);
    // A file that is not in use any more, and whose folder still lists it.
    let forget = |folders: std::ops::Range<u64>| {
        for i in folders {
            let file = record(&sound, &format!("folder {i}/file"));
            patch_record(&image, file, |record| {
                record[0x16] = 0;
                record[0x10] += 1;
            });
        }
        damage::index_findings(&open(&image))
    };
    let codes = |from: &[lifeboat::model::finding::Finding]| {
        assert!(from.iter().all(|f| ELSEWHERE.contains(&(f.code, f.severity))), "{from:?}");
        from.iter().map(|finding| finding.code).collect::<Vec<_>>()
    };
    assert_eq!(codes(&forget(0..200)), ["ntfs-index-stale"; 200]);
    let told = forget(200..203);
    assert_eq!(codes(&told)[199..], ["ntfs-index-stale", "ntfs-index-more"]);
    assert_eq!(told[200].what, "3 more differences between folders and their indexes.");
}
