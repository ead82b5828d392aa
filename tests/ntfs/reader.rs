//! The raw reader on real images, judged by ntfs-3g and by the `ntfs` crate.
#![cfg(target_os = "linux")]

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use lifeboat::model::metadata::{NodeId, NodeKind, attributes};
use lifeboat::model::monitor::Silent;
use lifeboat::model::name::{NtName, NtPath};
use lifeboat::ntfs::ondisk::record::{FileRef, Record};
use lifeboat::ntfs::read::volume::Volume;
use lifeboat::tree::Tree;
use lifeboat::tree::ntfs::NtfsTree;
use support::made::{descriptor, noise, prose};
use support::ntfs3g::{self, Image};
use support::{compare, need};

const RW: &str = "rw,streams_interface=xattr,permissions,compression";
const RO: &str = "ro,streams_interface=xattr,permissions";

fn open(image: &Image) -> NtfsTree {
    NtfsTree::open(image.device(), "test image".into(), &Silent).unwrap()
}

fn everything(root: &Path) {
    for size in [0, 1, 511, 512, 513, 700, 1024, 4095, 4096, 4097, 65_536, 1_000_003] {
        fs::write(root.join(format!("size {size}")), noise(size as u64 + 1, size)).unwrap();
    }
    let deep = root.join("StateStore/USMT/File/C$/Users/alice/Documents");
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("a.docx"), noise(1, 5000)).unwrap();
    fs::hard_link(deep.join("a.docx"), root.join("link of a")).unwrap();
    fs::hard_link(deep.join("a.docx"), deep.join("second link")).unwrap();
    for name in
        ["trailing dot.", "trailing space ", "COM1", "a:b?c*d|e", "\u{1F6DF} emoji", "Größe"]
    {
        fs::write(deep.join(name), name).unwrap();
    }
    fs::write(deep.join("n".repeat(255)), "longest").unwrap();
    fs::create_dir(root.join("empty folder")).unwrap();

    // Streams, on files and on folders.
    let with_streams = deep.join("streams");
    fs::write(&with_streams, "main").unwrap();
    for (name, size) in [("small", 20), ("Zone.Identifier", 0), ("large", 60_000)] {
        xattr::set(&with_streams, format!("user.{name}"), &noise(size as u64, size)).unwrap();
    }
    xattr::set(deep.parent().unwrap(), "user.on a folder", b"folder stream").unwrap();

    // Sparse.
    let mut sparse = fs::File::create(deep.join("sparse")).unwrap();
    sparse.write_all(b"start").unwrap();
    sparse.seek(SeekFrom::Start(3_000_000)).unwrap();
    sparse.write_all(b"middle").unwrap();
    sparse.set_len(5_000_000).unwrap();
    drop(sparse);

    compressed(&deep.join("compressed"));

    // Attributes, permissions, times, names, ids.
    let facts = deep.join("Facts of a file.txt");
    fs::write(&facts, "facts").unwrap();
    xattr::set(&facts, "system.ntfs_attrib_be", &0x2027_u32.to_be_bytes()).unwrap();
    let times: Vec<u8> =
        [131_000_000_000_000_001_u64, 131_000_000_000_000_002, 131_000_000_000_000_003]
            .iter()
            .flat_map(|t| t.to_be_bytes())
            .collect();
    xattr::set(&facts, "system.ntfs_times_be", &times).unwrap();
    xattr::set(&facts, "system.ntfs_dos_name", b"FACTSO~1.TXT").unwrap();
    xattr::set(&facts, "system.ntfs_object_id", &[7; 16]).unwrap();
    for (i, name) in ["trailing dot.", "a.docx", "streams"].iter().enumerate() {
        let descriptor = descriptor(0x0012_0089 + u32::try_from(i).unwrap());
        xattr::set(deep.join(name), "system.ntfs_acl", &descriptor).unwrap();
    }

    // A reparse point of a kind that nobody interprets, with data.
    let reparse = deep.join("reparse");
    fs::write(&reparse, "").unwrap();
    let mut data = vec![0x42, 0, 0, 0, 24, 0, 0, 0];
    data.extend([9; 16]); // a GUID, since the tag is nobody's
    data.extend(noise(5, 24));
    xattr::set(&reparse, "system.ntfs_reparse_data", &data).unwrap();
}

/// A folder whose files are stored compressed.
fn compressed(folder: &Path) {
    fs::create_dir(folder).unwrap();
    let flags = 0x0810_u32.to_be_bytes();
    xattr::set(folder, "system.ntfs_attrib_be", &flags).unwrap();
    for size in [100, 4096, 65_535, 65_536, 65_537, 300_000, 3_000_000] {
        fs::write(folder.join(format!("prose {size}")), prose(3, size)).unwrap();
        fs::write(folder.join(format!("noise {size}")), noise(3, size)).unwrap();
        fs::write(folder.join(format!("zeros {size}")), vec![0; size]).unwrap();
        let mut mixed = prose(9, size);
        mixed.extend(noise(9, size));
        mixed.extend(vec![0; size]);
        mixed.extend(prose(10, size / 3));
        fs::write(folder.join(format!("mixed {size}")), mixed).unwrap();
    }
    let mut gap = fs::File::create(folder.join("gap")).unwrap();
    gap.write_all(&prose(4, 70_000)).unwrap();
    gap.seek(SeekFrom::Start(1_000_000)).unwrap();
    gap.write_all(&prose(5, 70_000)).unwrap();
}

#[test]
fn everything_that_ntfs_3g_can_write_reads_the_same() {
    need!("fuse");
    // Sector, cluster; 4 KiB sectors mean 4 KiB records.
    for layout in [
        &["-s", "512", "-c", "4096"][..],
        &["-s", "512", "-c", "512"],
        &["-s", "512", "-c", "1024"],
        &["-s", "4096", "-c", "4096"],
        &["-s", "512", "-c", "65536"],
        &["-s", "4096", "-c", "65536"],
        &["-s", "512", "-c", "2097152"],
    ] {
        let image = Image::make(160 << 20, layout);
        image.fill(RW, everything);
        let tree = open(&image);
        let mount = image.mount(RO);
        let compared = compare::with_mount(&tree, mount.path());
        eprintln!("{layout:?}: {compared:?}");
        assert!(compared.files >= 55 && compared.directories >= 9, "{compared:?}");
        assert!(compared.streams >= 4 && compared.descriptors >= 55, "{compared:?}");
        assert_eq!((compared.dos_names, compared.object_ids), (1, 1), "{compared:?}");
        assert_eq!(compared.links, 3, "{compared:?}");
        if layout[3].parse::<u32>().unwrap() <= 4096 {
            let folder = "StateStore/USMT/File/C$/Users/alice/Documents/compressed";
            let id = tree.lookup(&NtPath::from(folder).join("prose 3000000")).unwrap();
            let node = tree.node(id).unwrap();
            assert!(node.allocated < node.size / 2, "it was to be compressed: {node:?}");
        }
    }
}

#[test]
fn names_are_found_wherever_they_are() {
    need!("fuse");
    let image = Image::make(64 << 20, &[]);
    image.fill(RW, |root| {
        for folder in ["StateStore/USMT", "Windows/Temp/StateStore/usmt", "a/b/c/d"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        fs::write(root.join("a/b/USMT"), "a file").unwrap();
        fs::write(root.join("a/b/c/d/hardlink.main"), "C").unwrap();
        fs::hard_link(root.join("a/b/c/d/hardlink.main"), root.join("Hardlink.MAIN")).unwrap();
    });
    let tree = open(&image);
    let found = tree.find_named(&["USMT", "hardlink.main"], &Silent).unwrap();
    let paths: Vec<_> = found.iter().map(|(path, _)| path.to_string()).collect();
    assert_eq!(
        paths,
        [
            "Hardlink.MAIN",
            "StateStore/USMT",
            "Windows/Temp/StateStore/usmt",
            "a/b/USMT",
            "a/b/c/d/hardlink.main",
        ]
    );
    assert_eq!(found[0].1, found[4].1);
    assert_eq!(tree.paths(found[0].1).len(), 2);
    for (path, id) in &found {
        assert_eq!(tree.lookup(path).unwrap(), *id);
    }
    assert_eq!(tree.lookup(&"statestore/usmt".into()).unwrap(), found[1].1);
    assert!(tree.lookup(&"StateStore/nothing".into()).is_err());

    // System files stay out of the way, but can be had.
    let root: Vec<_> = tree.children(tree.root()).unwrap();
    let root: Vec<_> = root.iter().map(|e| e.name.to_string()).collect();
    assert_eq!(root, ["Hardlink.MAIN", "StateStore", "Windows", "a"]);
    let mft = tree.lookup(&"$MFT".into()).unwrap();
    assert_eq!(tree.node(mft).unwrap().kind, NodeKind::File);
    let extend = tree.lookup(&"$Extend".into()).unwrap();
    assert!(tree.node(extend).unwrap().attributes & attributes::DIRECTORY != 0);
    assert!(!tree.children(extend).unwrap().is_empty());
    assert_eq!(tree.info().label, "Lifeboat test");

    // A reference to a record as it was before it was used again is stale.
    let stale = lifeboat::model::metadata::NodeId(found[1].1.0 ^ 1 << 60);
    assert!(tree.node(stale).is_err() && tree.children(stale).is_err());
    assert!(tree.facts(stale, None).is_err() && tree.open(stale, None).is_err());
}

#[test]
fn files_in_very_many_pieces_need_attribute_lists() {
    need!("fuse");
    // Records of 1 KiB, and of 4 KiB.
    for layout in [&["-c", "512"][..], &["-s", "4096", "-c", "4096"]] {
        let image = Image::make(96 << 20, layout);
        let bytes = noise(77, 16 << 20);
        image.fill(RW, |root| {
            ntfs3g::shred_free_space(root, 2500);
            fs::write(root.join("first"), &bytes).unwrap();
            fs::write(root.join("second"), "second").unwrap();
            // Enough names, and streams, for records of their own.
            for i in 0..40 {
                let name = format!("a rather long name of the first file, number {i}");
                fs::hard_link(root.join("first"), root.join(name)).unwrap();
            }
            for i in 0..40 {
                let name = format!("user.stream {i}");
                xattr::set(root.join("second"), name, &noise(i, 200)).unwrap();
            }
        });
        let tree = open(&image);
        assert_eq!(tree.findings(), []);
        let first = tree.lookup(&"first".into()).unwrap();
        assert_eq!(tree.node(first).unwrap().links, 41);
        assert!(extension_records(&image, first) > 1, "it was to be in many pieces");
        let second = tree.lookup(&"second".into()).unwrap();
        assert!(extension_records(&image, second) > 1, "it was to be in many pieces");
        compare::same_bytes(&compare::read_all(&tree, first, None), &bytes, Path::new("first"));
        let mount = image.mount(RO);
        let compared = compare::with_mount(&tree, mount.path());
        assert_eq!((compared.links, compared.streams), (41, 40), "{compared:?}");
    }
}

fn extension_records(image: &Image, id: NodeId) -> usize {
    let (volume, _) = Volume::open(image.device()).unwrap();
    let extends = |number: &u64| {
        let (mut bytes, at) = volume.read_record(*number).unwrap();
        Record::parse(&mut bytes, at).is_ok_and(|record| record.base == Some(FileRef(id.0)))
    };
    (0..volume.records()).filter(extends).count()
}

#[test]
fn a_file_table_in_very_many_pieces_is_swept_whole() {
    need!("fuse");
    let image = Image::make(64 << 20, &["-c", "512"]);
    image.fill(RW, |root| {
        ntfs3g::shred_free_space(root, 2500);
        for i in 0..10_000 {
            fs::write(root.join(format!("new {i}")), format!("{i}")).unwrap();
        }
    });
    let (volume, repairs) = Volume::open(image.device()).unwrap();
    assert_eq!(repairs, []);
    assert!(
        volume.mft().iter().count() > 50,
        "$MFT was to be in many pieces: {}",
        volume.mft().iter().count()
    );
    assert!(extension_records(&image, NodeId(FileRef::new(0, 1).0)) > 0);
    let tree = open(&image);
    assert_eq!(tree.findings(), []);
    for i in 0..10_000 {
        let id = tree.lookup(&format!("new {i}").as_str().into()).unwrap();
        assert_eq!(compare::read_all(&tree, id, None), format!("{i}").as_bytes());
    }
}

#[test]
fn large_streams_and_skipping() {
    need!("fuse");
    let image = Image::make(64 << 20, &[]);
    let bytes = noise(8, 700_001);
    image.fill("rw,streams_interface=windows", |root| {
        fs::write(root.join("file"), "main").unwrap();
        fs::write(root.join("file:large stream"), &bytes).unwrap();
        fs::create_dir(root.join("folder")).unwrap();
        fs::write(root.join("folder:large stream"), &bytes).unwrap();
    });
    let tree = open(&image);
    let name = NtName::from("large stream");
    for path in ["file", "folder"] {
        let id = tree.lookup(&path.into()).unwrap();
        let facts = tree.facts(id, None).unwrap();
        assert_eq!(facts.streams.len(), 1);
        assert_eq!(facts.streams[0].size, 700_001);
        let read = compare::read_all(&tree, id, Some(&name));
        compare::same_bytes(&read, &bytes, Path::new(path));

        let mut stream = tree.open(id, Some(&name)).unwrap();
        stream.skip(600_000).unwrap();
        let mut buf = vec![0; 200_000];
        assert_eq!(stream.read(&mut buf).unwrap(), 100_001);
        compare::same_bytes(&buf[..100_001], &bytes[600_000..], Path::new(path));
        assert_eq!(stream.read(&mut buf).unwrap(), 0);
        stream.skip(u64::MAX).unwrap();
        assert_eq!(stream.read(&mut buf).unwrap(), 0);
    }
    let folder = tree.lookup(&"folder".into()).unwrap();
    assert!(tree.open(folder, None).is_err(), "a folder has no unnamed stream");
    assert!(tree.open(folder, Some(&"none".into())).is_err());
}
