//! What the raw reader makes of files whose data is not simply there: Compact
//! OS, cloud and other placeholders, EFS. All on real images.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::Path;
use std::sync::Arc;

use lifeboat::model::metadata::Content;
use lifeboat::model::monitor::Silent;
use lifeboat::model::name::NtName;
use lifeboat::ntfs::read::efs::{EfsEvent, EfsImport, ntfs_3g_tail};
use lifeboat::ntfs::read::wof::{self, Algorithm};
use lifeboat::tree::ntfs::NtfsTree;
use lifeboat::tree::{Tree, TreeError};
use support::damage::{self, BadSectors};
use support::made::noise;
use support::ntfs3g::Image;
use support::{compare, need};

const RW: &str = "rw,streams_interface=windows,efs_raw";

fn open(image: &Image) -> NtfsTree {
    NtfsTree::open(image.device(), "test image".into(), &Silent).unwrap()
}

fn reparse(path: &Path, tag: u32, data: &[u8]) {
    let mut bytes = tag.to_le_bytes().to_vec();
    bytes.extend(u16::try_from(data.len()).unwrap().to_le_bytes());
    bytes.extend([0, 0]);
    bytes.extend(data);
    xattr::set(path, "system.ntfs_reparse_data", &bytes).unwrap();
}

/// A file as Compact OS leaves it.
fn compact(path: &Path, algorithm: u32, plain_bytes: usize, stream: &[u8]) {
    let file = fs::File::create(path).unwrap();
    file.set_len(plain_bytes as u64).unwrap();
    fs::write(format!("{}:{}", path.display(), wof::STREAM), stream).unwrap();
    let words = [1, 2, 1, algorithm].map(u32::to_le_bytes);
    reparse(path, wof::TAG, &words.concat());
}

/// The chunks of `plain`, all stored as they are.
fn stored(plain: &[u8], chunk_bytes: usize) -> Vec<u8> {
    let table = (1..plain.len().div_ceil(chunk_bytes))
        .flat_map(|i| u32::try_from(i * chunk_bytes).unwrap().to_le_bytes());
    table.chain(plain.iter().copied()).collect()
}

/// What the kept streams in `tests/ntfs/codecs/vectors` hold.
fn vector_plain(algorithm: Algorithm) -> Vec<u8> {
    use support::codecs::made::{code, random, text};
    let chunk = algorithm.chunk_bytes();
    let size = if chunk > 16_384 { 1 } else { 2 } * chunk;
    [code(size / 2, 4), text(size / 2, 5), random(chunk, 6), text(999, 7)].concat()
}

const ALGORITHMS: [(u32, Algorithm); 4] = [
    (0, Algorithm::Xpress4k),
    (1, Algorithm::Lzx),
    (2, Algorithm::Xpress8k),
    (3, Algorithm::Xpress16k),
];

#[test]
fn compact_os_files_read_as_their_plain_data() {
    need!("fuse");
    let image = Image::make(64 << 20, &[]);
    let large = noise(1, 5_000_001);
    image.fill(RW, |root| {
        for (number, algorithm) in ALGORITHMS {
            let name = algorithm.as_str();
            let vector = support::root().join(format!("tests/ntfs/codecs/vectors/{name}.bin"));
            let stream = fs::read(vector).unwrap();
            compact(&root.join(name), number, vector_plain(algorithm).len(), &stream);
        }
        fs::write(root.join("large"), "").unwrap();
        fs::write(root.join("large:other"), "a stream of the user's").unwrap();
        compact(&root.join("large"), 2, large.len(), &stored(&large, 8192));
    });
    let tree = open(&image);
    assert_eq!(tree.findings(), []);
    for (_, algorithm) in ALGORITHMS {
        let id = tree.lookup(&algorithm.as_str().into()).unwrap();
        let plain = vector_plain(algorithm);
        assert_eq!(tree.node(id).unwrap().size, plain.len() as u64);
        assert_eq!(tree.node(id).unwrap().reparse_tag, Some(wof::TAG));
        let facts = tree.facts(id, None).unwrap();
        assert_eq!(facts.content, Content::Wof(algorithm.as_str()));
        assert_eq!(facts.streams, []);
        compare::same_bytes(&compare::read_all(&tree, id, None), &plain, Path::new("plain"));
    }
    let id = tree.lookup(&"large".into()).unwrap();
    assert_eq!(tree.facts(id, None).unwrap().streams.len(), 1);
    compare::same_bytes(&compare::read_all(&tree, id, None), &large, Path::new("large"));
    let mut stream = tree.open(id, None).unwrap();
    stream.skip(4_999_999).unwrap();
    let mut buf = [0; 10];
    assert_eq!(stream.read(&mut buf).unwrap(), 2);
    assert_eq!(buf[..2], large[4_999_999..]);

    // A bad sector costs the chunks that it is part of.
    let position = tree.node(id).unwrap().position.expect("where the compressed data is");
    let bad = position + 2_000_384;
    let bad = std::iter::once(bad..bad + 512).collect();
    let device = BadSectors { device: image.device(), bad };
    let tree = NtfsTree::open(Arc::new(device), "failing".into(), &Silent).unwrap();
    let mut stream = tree.open(id, None).unwrap();
    let mut bytes = vec![0; large.len()];
    assert_eq!(stream.read(&mut bytes).unwrap(), large.len());
    let [hole] = stream.holes() else { panic!("{:?}", stream.holes()) };
    assert!(hole.length == 8192 || hole.length == 16_384, "{hole:?}");
    assert!(hole.reason.contains("bad sector"), "{hole:?}");
    let from = usize::try_from(hole.offset).unwrap();
    let to = from + usize::try_from(hole.length).unwrap();
    assert!(bytes[..from] == large[..from] && bytes[to..] == large[to..]);
    assert!(bytes[from..to].iter().all(|byte| *byte == 0));
}

#[test]
fn compact_os_files_that_cannot_be_read_say_why() {
    need!("fuse");
    let image = Image::make(32 << 20, &[]);
    image.fill(RW, |root| {
        compact(&root.join("unknown"), 9, 10_000, b"whatever");
        let words = |words: &[u32]| words.iter().flat_map(|w| w.to_le_bytes()).collect::<Vec<_>>();
        for (name, data) in [("wim", words(&[1, 1, 0, 0])), ("no stream", words(&[1, 2, 1, 0]))] {
            fs::File::create(root.join(name)).unwrap().set_len(10_000).unwrap();
            reparse(&root.join(name), wof::TAG, &data);
        }
    });
    let tree = open(&image);
    for (name, expected) in [("unknown", "algorithm"), ("wim", "WIMBoot"), ("no stream", "missing")]
    {
        not_here(&tree, name, expected);
    }
}

/// The file is recognised as not being here, and cannot be read as zeros.
fn not_here(tree: &NtfsTree, name: &str, expected: &str) {
    let id = tree.lookup(&name.into()).unwrap();
    let Content::NotHere(reason) = tree.facts(id, None).unwrap().content else {
        panic!("{name}: {:?}", tree.facts(id, None).unwrap().content);
    };
    assert!(reason.contains(expected), "{name}: {reason}");
    match tree.open(id, None).err() {
        Some(TreeError::NoData { path, reason: said }) => {
            assert_eq!((path.as_str(), said), (name, reason));
        }
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn placeholders_are_never_read_as_zeros() {
    need!("fuse");
    let cases: [(&str, u32, &str); 6] = [
        ("dedup", 0x8000_0013, "deduplicated"),
        ("onedrive", 0x9000_601A, "cloud"),
        ("old onedrive", 0x8000_0021, "cloud"),
        ("hsm", 0xC000_0004, "remote storage"),
        ("sis", 0x8000_0007, "single-instance"),
        ("projected", 0x9000_001C, "projected"),
    ];
    let image = Image::make(64 << 20, &[]);
    let bytes = noise(4, 100_000);
    image.fill(RW, |root| {
        for (name, tag, _) in cases {
            fs::File::create(root.join(name)).unwrap().set_len(100_000).unwrap();
            reparse(&root.join(name), tag, &[1; 16]);
            // Fetched: the tag is still there, and so is the data.
            let fetched = root.join(format!("{name} fetched"));
            fs::write(&fetched, &bytes).unwrap();
            reparse(&fetched, tag, &[1; 16]);
        }
        // All there but marked as being elsewhere; and only half there.
        fs::write(root.join("offline"), &bytes).unwrap();
        xattr::set(root.join("offline"), "system.ntfs_attrib_be", &0x1020_u32.to_be_bytes())
            .unwrap();
        reparse(&root.join("offline"), 0x9000_001A, &[1; 16]);
        let half = fs::File::create(root.join("half")).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&half, &bytes[..50_000], 50_000).unwrap();
        reparse(&root.join("half"), 0x9000_001A, &[1; 16]);
        // No placeholders: a link, an empty file, a small one.
        std::os::unix::fs::symlink("target", root.join("symlink")).unwrap();
        fs::write(root.join("empty"), "").unwrap();
        reparse(&root.join("empty"), 0x9000_001A, &[1; 16]);
        fs::write(root.join("small"), "resident").unwrap();
        reparse(&root.join("small"), 0x9000_001A, &[1; 16]);
        // Sparse, and nobody's placeholder.
        fs::File::create(root.join("sparse")).unwrap().set_len(100_000).unwrap();
    });
    let tree = open(&image);
    for (name, tag, expected) in cases {
        not_here(&tree, name, expected);
        let id = tree.lookup(&name.into()).unwrap();
        assert_eq!(tree.node(id).unwrap().reparse_tag, Some(tag));
        assert_eq!(tree.node(id).unwrap().size, 100_000);
        plain(&tree, &format!("{name} fetched"), &bytes);
    }
    not_here(&tree, "offline", "cloud");
    not_here(&tree, "half", "cloud");
    plain(&tree, "empty", b"");
    plain(&tree, "small", b"resident");
    plain(&tree, "sparse", &vec![0; 100_000]);
    let id = tree.lookup(&"symlink".into()).unwrap();
    assert_eq!(tree.facts(id, None).unwrap().content, Content::Data);
}

fn plain(tree: &NtfsTree, name: &str, bytes: &[u8]) {
    let id = tree.lookup(&name.into()).unwrap();
    assert_eq!(tree.facts(id, None).unwrap().content, Content::Data, "{name}");
    compare::same_bytes(&compare::read_all(tree, id, None), bytes, Path::new(name));
}

/// Key material as it might be: its length, no operation under way, version 2.
fn key_material(length: u32) -> Vec<u8> {
    let mut efs = noise(3, length as usize);
    for (place, word) in efs.chunks_exact_mut(4).zip([length, 0, 2]) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    efs
}

#[test]
fn encrypted_files_come_in_their_raw_export_form() {
    need!("fuse");
    let image = Image::make(64 << 20, &[]);
    let efs = key_material(700);
    let sizes = [1_usize, 511, 512, 513, 4096, 65_536, 65_537, 300_001];
    let ciphertext = |size: usize| noise(size as u64, size.next_multiple_of(512));
    image.fill(RW, |root| {
        for size in sizes {
            let path = root.join(format!("{size}"));
            let tail = ntfs_3g_tail(size as u64);
            fs::write(&path, [&ciphertext(size)[..], &tail].concat()).unwrap();
            xattr::set(&path, "system.ntfs_efsinfo", &efs).unwrap();
        }
    });
    let tree = open(&image);
    for size in sizes {
        let id = tree.lookup(&format!("{size}").as_str().into()).unwrap();
        assert_eq!(tree.node(id).unwrap().size, size as u64);
        assert_eq!(tree.facts(id, None).unwrap().content, Content::EfsRaw);
        let export = compare::read_all(&tree, id, None);
        let (keys, bytes, end) = import(&export);
        assert!(keys == efs, "{size}: the keys");
        assert_eq!(end, size as u64);
        compare::same_bytes(&bytes, &ciphertext(size), Path::new("ciphertext"));
    }

    // A bad sector: the rest of the export is true.
    let id = tree.lookup(&"300001".into()).unwrap();
    let whole = compare::read_all(&tree, id, None);
    let at = tree.node(id).unwrap().position.unwrap() + 100 * 512;
    let bad = std::iter::once(at..at + 512).collect();
    let device = BadSectors { device: image.device(), bad };
    let tree = NtfsTree::open(Arc::new(device), "failing".into(), &Silent).unwrap();
    let mut stream = tree.open(id, None).unwrap();
    let mut bytes = vec![0; whole.len()];
    for part in bytes.chunks_mut(70_000) {
        stream.read(part).unwrap();
    }
    let missing: u64 = stream.holes().iter().map(|hole| hole.length).sum();
    assert!((512..=1024).contains(&missing), "{:?}", stream.holes());
    for (i, (byte, truth)) in bytes.iter().zip(&whole).enumerate() {
        let is_hole =
            |h: &lifeboat::model::loss::Hole| (h.offset..h.offset + h.length).contains(&(i as u64));
        let expected = if stream.holes().iter().any(is_hole) { 0 } else { *truth };
        assert_eq!(*byte, expected, "byte {i}");
    }
}

#[test]
fn a_bad_last_sector_makes_an_export_no_longer() {
    need!("fuse");
    let image = Image::make(64 << 20, &[]);
    image.fill(RW, |root| {
        let path = root.join("sealed");
        fs::write(&path, [&noise(1, 1024)[..], &ntfs_3g_tail(600)].concat()).unwrap();
        xattr::set(&path, "system.ntfs_efsinfo", &key_material(100)).unwrap();
    });
    let tree = open(&image);
    let id = tree.lookup(&"sealed".into()).unwrap();
    let whole = compare::read_all(&tree, id, None);
    let at = tree.node(id).unwrap().position.unwrap() + 512;
    let bad = std::iter::once(at..at + 512).collect();
    let device = BadSectors { device: image.device(), bad };
    let tree = NtfsTree::open(Arc::new(device), "failing".into(), &Silent).unwrap();
    let mut stream = tree.open(id, None).unwrap();
    let mut bytes = vec![0x55; 70_000];
    assert_eq!(stream.read(&mut bytes).unwrap(), whole.len());
    assert_eq!(stream.read(&mut bytes[whole.len()..]).unwrap(), 0);
    let hole = stream.holes().last().unwrap();
    assert_eq!(hole.offset + hole.length, whole.len() as u64);
    let first = usize::try_from(stream.holes()[0].offset).unwrap();
    assert!(first >= whole.len() - 1024 && bytes[..first] == whole[..first]);
}

fn import(export: &[u8]) -> (Vec<u8>, Vec<u8>, u64) {
    let (mut keys, mut bytes, mut end) = (Vec::new(), Vec::new(), 0);
    let mut import = EfsImport::new(export);
    while let Some(event) = import.next_event().unwrap() {
        match event {
            EfsEvent::Metadata(efs) => keys = efs,
            EfsEvent::Stream { name, is_encrypted } => {
                assert!(name == NtName::default() && is_encrypted);
            }
            EfsEvent::Segment { size_end, .. } => end = end.max(size_end),
            EfsEvent::Data { bytes: data, .. } => bytes.extend(data),
        }
    }
    (keys, bytes, end)
}

#[test]
fn encrypted_files_without_keys_are_reported_as_lost() {
    need!("fuse");
    let image = Image::make(32 << 20, &[]);
    let mut under_way = key_material(100);
    under_way[4] = 2;
    image.fill(RW, |root| {
        for (name, efs) in [("under way", &under_way), ("keys gone", &key_material(100))] {
            fs::write(root.join(name), [&noise(1, 1024)[..], &[0, 0]].concat()).unwrap();
            xattr::set(root.join(name), "system.ntfs_efsinfo", efs).unwrap();
        }
    });
    let gone = damage::number(open(&image).lookup(&"keys gone".into()).unwrap());
    damage::patch_record(&image, gone, |record| {
        let (at, _) = damage::attribute(record, 0x100, 0);
        record[at + 0x18] = b'X'; // no longer called $EFS
    });
    let tree = open(&image);
    for (name, expected) in [("under way", "under way"), ("keys gone", "keys are unreadable")] {
        let id = tree.lookup(&name.into()).unwrap();
        let Content::EfsLost(reason) = tree.facts(id, None).unwrap().content else {
            panic!("{name} is not lost");
        };
        assert!(reason.contains(expected), "{reason}");
        assert!(matches!(tree.open(id, None), Err(TreeError::NoData { .. })));
    }
}
