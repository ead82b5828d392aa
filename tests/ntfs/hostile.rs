//! Real volumes with random bytes changed: the reader must neither panic nor
//! hang nor fill the memory, whatever the bytes say.
//!
//! `LIFEBOAT_ROUNDS=100000` tries that many changes instead of a few.
#![cfg(target_os = "linux")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{fs, io};

use lifeboat::disk::Device;
use lifeboat::model::metadata::Content;
use lifeboat::model::monitor::Silent;
use lifeboat::model::name::NtPath;
use lifeboat::ntfs::Readable;
use lifeboat::ntfs::read::volume::Volume;
use lifeboat::tree::Tree;
use lifeboat::tree::ntfs::NtfsTree;
use lifeboat_maker::container::Container;
use lifeboat_maker::{content, reparse};
use support::made::{noise, prose};
use support::ntfs3g::Image;
use support::{need, tiny_volume};

/// A small volume with some of everything.
fn fill(root: &Path) {
    let folder = root.join("StateStore/USMT/File/C$");
    fs::create_dir_all(&folder).unwrap();
    for i in 0..60_u64 {
        let size = usize::try_from(i * 97).unwrap();
        fs::write(folder.join(format!("file with a name {i}")), noise(i, size)).unwrap();
    }
    fs::hard_link(folder.join("file with a name 5"), root.join("link")).unwrap();
    let packed = root.join("packed");
    fs::create_dir(&packed).unwrap();
    xattr::set(&packed, "system.ntfs_attrib_be", &0x0810_u32.to_be_bytes()).unwrap();
    for i in 0..4 {
        fs::write(packed.join(format!("prose {i}")), prose(i, 200_000)).unwrap();
    }
    for i in 0..30 {
        let name = format!("user.stream {i}");
        xattr::set(root.join("link"), name, &noise(i, 300)).unwrap();
    }
    let sparse = fs::File::create(root.join("sparse")).unwrap();
    sparse.set_len(500_000).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&sparse, b"x", 300_000).unwrap();
    fs::create_dir(root.join("shreds")).unwrap();
    for i in 0..400 {
        fs::write(root.join(format!("shreds/{i}")), [0x5A; 1000]).unwrap();
    }
    for i in 0..200 {
        fs::remove_file(root.join(format!("shreds/{}", i * 2))).unwrap();
    }
    fs::write(root.join("in pieces"), noise(2, 1_500_000)).unwrap();
    for name in ["wof", "cloud"] {
        fs::File::create(root.join(name)).unwrap().set_len(10_000).unwrap();
    }
    xattr::set(root.join("wof"), "user.WofCompressedData", &noise(3, 9000)).unwrap();
    let mut reparse = vec![0x17, 0, 0, 0x80, 16, 0, 0, 0];
    reparse.extend([1_u32, 2, 1, 0].iter().flat_map(|word| word.to_le_bytes()));
    xattr::set(root.join("wof"), "system.ntfs_reparse_data", &reparse).unwrap();
    reparse[..4].copy_from_slice(&0x9000_001A_u32.to_le_bytes());
    xattr::set(root.join("cloud"), "system.ntfs_reparse_data", &reparse).unwrap();
}

struct Memory(Vec<u8>);

impl Device for Memory {
    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let from = usize::try_from(offset).map_err(io::Error::other)?;
        let to = from.checked_add(buf.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        buf.copy_from_slice(self.0.get(from..to).ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
    fn len(&self) -> u64 {
        self.0.len() as u64
    }
    fn sector_size(&self) -> u32 {
        512
    }
}

/// Looks at everything that there is, and reads the start of every stream.
fn look_at_everything(device: Arc<dyn Device>) -> usize {
    let Ok(tree) = NtfsTree::open(device, "hostile".into(), &Silent) else { return 0 };
    let mut buf = vec![0; 200_000];
    let mut pending = vec![(tree.root(), 0)];
    let mut seen = 0;
    while let Some((id, depth)) = pending.pop() {
        seen += 1;
        assert!(seen < 5000 && depth < 5000, "a walk that does not end");
        let _ = tree.node(id);
        tree.paths(id);
        let mut streams = vec![None];
        if let Ok(facts) = tree.facts(id, None) {
            streams.extend(facts.streams.into_iter().map(|stream| Some(stream.name)));
        }
        for name in streams {
            if let Ok(mut stream) = tree.open(id, name.as_ref()) {
                let _ = stream.read(&mut buf);
                let _ = stream.skip(stream.len() / 2);
                let _ = stream.read(&mut buf);
                let _ = stream.skip(stream.len());
                assert!(stream.read(&mut buf).is_ok_and(|n| n == 0));
            }
        }
        let children = tree.children(id).unwrap_or_default();
        pending.extend(children.into_iter().map(|entry| (entry.node, depth + 1)));
    }
    tree.find_named(&["USMT", "in pieces"], &Silent).unwrap();
    for file in tree.deleted(&|_| true, &Silent).unwrap() {
        let mut streams = vec![None];
        if let Ok(facts) = tree.deleted_facts(&file) {
            streams.extend(facts.streams.into_iter().map(|stream| Some(stream.name)));
        }
        for name in streams {
            let Ok(mut stream) = tree.open_deleted(&file, name.as_ref()) else { continue };
            let _ = stream.read(&mut buf);
            let _ = stream.read(&mut buf);
            assert!(stream.holes().iter().all(|hole| hole.offset + hole.length <= stream.len()));
        }
    }
    support::damage::index_findings(&tree);
    seen
}

#[test]
fn random_changes_are_survived() {
    need!("fuse");
    let rounds: u64 = std::env::var("LIFEBOAT_ROUNDS").map_or(150, |n| n.parse().unwrap());
    let image = Image::make(8 << 20, &["-c", "512"]);
    image.fill("rw,streams_interface=xattr,permissions,compression", fill);
    let sound = fs::read(image.path()).unwrap();
    let whole = look_at_everything(Arc::new(Memory(sound.clone())));
    assert!(whole == 276, "{whole}");
    let (volume, _) = Volume::open(image.device()).unwrap();
    let records = volume.records();

    let mut state = 0x1234_5678_9ABC_DEF1_u64;
    let mut random = move |below: u64| {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        (state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16) % below
    };
    let mut opened = 0;
    for round in 0..rounds {
        let mut bytes = sound.clone();
        for _ in 0..=random(40) {
            // Mostly the first half of a record, where the structures are.
            let at = match random(12) {
                0 => random(512),
                1 => random(bytes.len() as u64),
                2 => volume.record_offset(random(16)).unwrap() + random(700),
                _ => volume.record_offset(random(records)).unwrap() + random(700),
            };
            let at = usize::try_from(at).unwrap();
            bytes[at] = match random(4) {
                0 => 0xFF,
                1 => 0,
                2 => bytes[at] ^ (1 << random(8)),
                _ => u8::try_from(random(256)).unwrap(),
            };
        }
        let begun = Instant::now();
        opened += usize::from(look_at_everything(Arc::new(Memory(bytes))) > 0);
        assert!(begun.elapsed() < Duration::from_secs(30), "round {round} took too long");
    }
    eprintln!("{opened} of {rounds} could be opened");
    assert!(opened as u64 > rounds / 2);
}

#[test]
fn a_volume_built_byte_by_byte_is_read() {
    let volume = tiny_volume::make();
    assert_eq!(volume.len(), 24_576);
    let tree = NtfsTree::open(Arc::new(Memory(volume)), "tiny".into(), &Silent).unwrap();
    assert_eq!(tree.info().label, "t");
    let found = tree.find_named(&["USMT", "file"], &Silent).unwrap();
    let paths: Vec<_> = found.iter().map(|(path, _)| path.to_string()).collect();
    assert_eq!(paths, ["USMT", "USMT/file"]);
    let facts = tree.facts(found[1].1, None).unwrap();
    assert_eq!(facts.streams.len(), 1);
    assert!(matches!(facts.content, Content::NotHere(_)));

    let id = |path: &str| tree.lookup(&NtPath::from(path)).unwrap();
    let read = |path: &str| {
        let mut stream = tree.open(id(path), None).unwrap();
        let mut bytes = vec![0; usize::try_from(stream.len()).unwrap()];
        stream.read(&mut bytes).unwrap();
        assert_eq!(stream.holes(), [], "{path}");
        bytes
    };
    assert_eq!(read("USMT/listed"), [0x5A; 700]);
    assert_eq!(read("USMT/packed"), [b'a'; 64]);
    assert_eq!(read("USMT/compact"), [0x5A; 40]);
    let kind = |path| tree.facts(id(path), None).unwrap().content;
    assert_eq!(kind("USMT/compact"), Content::Wof("XPRESS4K"));
    assert_eq!(kind("USMT/sealed"), Content::EfsRaw);
    let facts = tree.facts(id("USMT/folder/in a folder"), None).unwrap();
    assert_eq!(facts.damaged, [""; 0]);
    assert_eq!(facts.short_name, Some("INAFOL~1".into()));
    assert!(facts.object_id.is_some() && facts.extended_attributes.is_some());
    let old_style = tree.facts(id("USMT/folder"), None).unwrap().security;
    assert!(facts.security.is_some() && facts.security == old_style);
    let wrong = support::damage::index_findings(&tree);
    assert!(wrong.iter().all(|finding| finding.path != "USMT/folder"), "{wrong:?}");
    let deleted = tree.deleted(&|_| true, &Silent).unwrap();
    let deleted: Vec<_> = deleted.iter().map(|f| (f.path().to_string(), f.readable)).collect();
    assert_eq!(deleted, [("USMT/gone".to_owned(), Readable::Part(512))]);
}

#[test]
#[ignore = "makes the fuzz seeds again"]
fn write_the_seeds() {
    let corpus = support::root().join("fuzz/corpus");
    let write = |target: &str, name: &str, bytes: &[u8]| {
        fs::create_dir_all(corpus.join(target)).unwrap();
        fs::write(corpus.join(target).join(name), bytes).unwrap();
    };
    let tiny = tiny_volume::make();
    write("ntfs_volume", "tiny", &tiny);
    write("ntfs_boot", "tiny", &tiny[..512]);
    // A folder and a file: blank, without their in-use bit, in each other's place.
    let record = |number: usize| 512 * (1 + number)..512 * (2 + number);
    for number in [24, 25] {
        let mut broken = tiny.clone();
        broken[record(number).start + 0x16] &= !1;
        write("ntfs_volume", &format!("not-in-use{number}"), &broken);
        broken[record(number)].fill(0);
        write("ntfs_volume", &format!("blank{number}"), &broken);
    }
    let mut swapped = tiny.clone();
    swapped.copy_within(record(24), record(25).start);
    write("ntfs_volume", "foreign", &swapped);
    let map =
        "# Mapfile. Created by GNU ddrescue version 1.27\n0x200 ?\n0x0 0x200 +\n0x200 512 -\n";
    write("mapfile", "new", map.as_bytes());
    write("mapfile", "old", b"0 +\n0 01000 +\n512 1 /\n");
    for number in [25, 27, 29, 30, 31, 32] {
        let record = &tiny[512 * (1 + number)..512 * (2 + number)];
        write("ntfs_record", &format!("tiny{number}"), record);
    }
    write("ntfs_runs", "sparse", &[0, 0x11, 1, 27, 0x01, 1, 0x11, 1, 1, 0]);
    write("ntfs_runs", "pieces", &[1, 0x21, 9, 1, 1, 0, 0xEE, 0x12, 1, 2, 0x80, 0]);

    // What mkntfs makes.
    let image = Image::make(8 << 20, &["-c", "4096"]);
    write("ntfs_boot", "mkntfs", &image.bytes(0, 512));
    let (volume, _) = Volume::open(image.device()).unwrap();
    for (number, name) in [(0, "mft"), (5, "root"), (9, "secure")] {
        write("ntfs_record", name, &volume.read_record(number).unwrap().0);
    }
    let tree = NtfsTree::open(image.device(), "mkntfs".into(), &Silent).unwrap();
    let secure = tree.lookup(&"$Secure".into()).unwrap();
    let mut block = vec![0; 4096];
    tree.open(secure, Some(&"$SDS".into())).unwrap().read(&mut block).unwrap();
    write("ntfs_sds", "mkntfs", &block);

    let wof = [1_u32, 2, 1, 0].map(u32::to_le_bytes).concat();
    for (name, data) in [
        ("junction", reparse::junction("C:\\a")),
        ("symlink", reparse::symlink("C:\\a")),
        ("cloud", reparse::microsoft(reparse::CLOUD_6, b"cloud")),
        ("dedup", reparse::microsoft(reparse::DEDUP, b"dedup")),
        ("wof", reparse::microsoft(0x8000_0017, &wof)),
    ] {
        write("reparse", name, &data);
    }
    for (name, is_encrypted) in [("plain", false), ("encrypted", true)] {
        let mut container = Container::new(is_encrypted, 7);
        container.add("File\\C:\\Users\\alice\\a.txt", &content::Content::text(1, 300)).unwrap();
        let bytes = container.finish(&content::Content::text(2, 100)).unwrap();
        // Pieces of 34 bytes, payloads unpacked.
        write("mig", name, &[&[7], bytes.as_slice()].concat());
    }
}
