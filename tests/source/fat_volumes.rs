//! A compressed store on FAT and exFAT, read from the device: volumes by
//! mkfs.vfat and mkfs.exfat, filled by mtools and exfat-fuse.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use lifeboat::disk::{Device, MemoryDevice, open_image};
use lifeboat::model::monitor::Silent;
use lifeboat::model::name::NtPath;
use lifeboat::tree::fat::FatTree;
use lifeboat::tree::ntfs::NtfsTree;
use lifeboat::tree::{Tree, TreeError};
use support::damage::BadSectors;
use support::need;
use support::program::{Guarded, lifeboat};

const MIB: u64 = 1 << 20;

fn run(program: &str, args: &[&str]) -> String {
    let out = Command::new(program)
        .args(args)
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
        .envs([("MTOOLS_SKIP_CHECK", "1"), ("LC_ALL", "C.UTF-8")])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(out.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap().trim().to_owned()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// All bytes of a file, and how many holes it has.
fn read(tree: &dyn Tree, path: &str) -> Result<(Vec<u8>, usize), TreeError> {
    let mut stream = tree.open(tree.lookup(&NtPath::from(path))?, None)?;
    let mut bytes = Vec::new();
    let mut buf = vec![1; 70_001];
    loop {
        let n = stream.read(&mut buf)?;
        if n == 0 {
            return Ok((bytes, stream.holes().len()));
        }
        bytes.extend_from_slice(&buf[..n]);
    }
}

/// The container of the fixture with a compressed store.
fn container() -> Vec<u8> {
    let disk = open_image(&lifeboat_maker::fixture("compressed").unwrap()).unwrap();
    let trees = disk.volumes.iter().filter_map(|volume| {
        NtfsTree::open(volume.device.clone(), "volume".to_owned(), &Silent).ok()
    });
    let found = trees.into_iter().find_map(|tree| {
        let (path, _) = tree.find_named(&["USMT.MIG"], &Silent).ok()?.into_iter().next()?;
        read(&tree, &path.to_string()).ok()
    });
    found.unwrap().0
}

/// What goes on the volume: the container in pieces between others, a long name,
/// an empty file, an empty folder.
fn files() -> Vec<(String, Vec<u8>)> {
    let noise = |seed: u64, len: u64| -> Vec<u8> {
        let mixed = |i: u64| (i + seed).wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes()[7];
        (1..=len).map(mixed).collect()
    };
    let mut files = vec![
        ("store/USMT/USMT.MIG".to_owned(), container()),
        ("store/A long name with \u{e4} and \u{4e2d}.txt".to_owned(), noise(1, 1)),
        ("store/empty".to_owned(), Vec::new()),
        ("store/large".to_owned(), noise(9, 700_000)),
    ];
    for i in 0..40 {
        files.push((format!("many/file number {i}"), noise(i, 100 * i)));
    }
    files
}

/// A folder with the files, and the small ones that are deleted in between.
fn fill(put: impl Fn(&str, &[u8]), remove: impl Fn(&str)) {
    for i in 0..30 {
        put(&format!("many/gap {i}"), &[7; 9000]);
    }
    for i in (0..30).step_by(2) {
        remove(&format!("many/gap {i}"));
    }
    for (path, bytes) in files() {
        put(&path, &bytes);
    }
    for i in (1..30).step_by(2) {
        remove(&format!("many/gap {i}"));
    }
}

/// A FAT volume by mkfs.vfat and mtools.
fn fat(dir: &Path, bits: &str, len: u64) -> PathBuf {
    let image = dir.join(format!("fat{bits}.img"));
    fs::File::create(&image).unwrap().set_len(len).unwrap();
    run("mkfs.vfat", &["-F", bits, "-n", "STICK", text(&image)]);
    for folder in ["store", "store/USMT", "many", "store/none"] {
        run("mmd", &["-i", text(&image), &format!("::{folder}")]);
    }
    let scratch = dir.join("scratch");
    let put = |path: &str, bytes: &[u8]| {
        fs::write(&scratch, bytes).unwrap();
        run("mcopy", &["-i", text(&image), text(&scratch), &format!("::{path}")]);
    };
    let remove = |path: &str| drop(run("mdel", &["-i", text(&image), &format!("::{path}")]));
    fill(put, remove);
    image
}

/// An exFAT volume by mkfs.exfat and exfat-fuse.
fn exfat(dir: &Path) -> PathBuf {
    let image = dir.join("exfat.img");
    fs::File::create(&image).unwrap().set_len(32 * MIB).unwrap();
    run("mkfs.exfat", &["-L", "STICK", text(&image)]);
    let mount = dir.join("mount");
    fs::create_dir(&mount).unwrap();
    let device = run("losetup", &["-f", "--show", text(&image)]);
    run("mount.exfat-fuse", &[&device, text(&mount)]);
    for folder in ["store/USMT", "many", "store/none"] {
        fs::create_dir_all(mount.join(folder)).unwrap();
    }
    fill(
        |path, bytes| fs::write(mount.join(path), bytes).unwrap(),
        |path| fs::remove_file(mount.join(path)).unwrap(),
    );
    run("fusermount", &["-u", text(&mount)]);
    run("losetup", &["-d", &device]);
    image
}

fn open(device: Arc<dyn Device>) -> Result<FatTree, TreeError> {
    FatTree::open(device, "stick".to_owned(), &Silent)
}

fn memory(bytes: Vec<u8>) -> Arc<dyn Device> {
    Arc::new(MemoryDevice::new(bytes))
}

/// Every file is there with its bytes; nothing else is.
fn holds_the_files(image: &Path, kind: &str) {
    let tree = open(memory(fs::read(image).unwrap())).unwrap();
    assert_eq!((tree.info().file_system.as_str(), tree.info().label.as_str()), (kind, "STICK"));
    for (path, bytes) in files() {
        let (read, holes) = read(&tree, &path).unwrap();
        assert!(read == bytes && holes == 0, "{kind}: {path}: {} bytes", read.len());
    }
    let names = |path: &str| tree.children(tree.lookup(&NtPath::from(path)).unwrap()).unwrap();
    assert_eq!((names("many").len(), names("store").len(), names("store/none").len()), (40, 5, 0));
    let (_, id) = tree.find_named(&["usmt.mig"], &Silent).unwrap().remove(0);
    let node = tree.node(id).unwrap();
    assert!(node.size > 0 && node.allocated >= node.size && node.position.is_some());
    let year = node.times.modified.to_string();
    assert!(year.as_str() > "2020" && year.as_str() < "2100", "{year}");
    // Reading from the middle gives the same bytes.
    let id = tree.lookup(&NtPath::from("store/large")).unwrap();
    let mut stream = tree.open(id, None).unwrap();
    let whole = files().into_iter().find(|(path, _)| path == "store/large").unwrap().1;
    let half = whole.len() / 2;
    stream.skip(half as u64).unwrap();
    let mut rest = vec![0; whole.len() - half];
    assert_eq!(stream.read(&mut rest).unwrap(), rest.len());
    assert!(rest == whole[half..], "{kind}: after a skip");
}

/// detect, verify and offload find the store as they do on NTFS.
fn is_rescued(dir: &Path, image: PathBuf, kind: &str) {
    let image = Guarded::new(image);
    let found = lifeboat(&["detect", image.arg(), "--json"]).expect(0);
    assert_eq!(found.events("volume")[0]["kind"], kind, "{}", found.stdout);
    assert_eq!(found.events("store")[0]["kind"], "compressed");
    lifeboat(&["verify", image.arg(), "--level", "full"]).expect(0);
    let to = dir.join("sets");
    lifeboat(&["offload", image.arg(), "--to", text(&to)]).expect(0);
    let set = fs::read_dir(&to).unwrap().next().unwrap().unwrap().path();
    let out = dir.join("out");
    // The file system of the tests has no creation times: a loss of extract.
    lifeboat(&["extract", text(&set), "--to", text(&out)]).expect(3);
    let saved = walkdir::WalkDir::new(&out)
        .into_iter()
        .flatten()
        .find(|entry| entry.file_name() == "USMT.MIG");
    assert!(fs::read(saved.unwrap().path()).unwrap() == container());
}

#[test]
fn fat_by_mtools_is_read_and_rescued() {
    need!("mkfs.vfat", "mcopy");
    for (bits, len, kind) in
        [("12", 8 * MIB, "FAT12"), ("16", 20 * MIB, "FAT16"), ("32", 64 * MIB, "FAT32")]
    {
        let dir = tempfile::tempdir().unwrap();
        let image = fat(dir.path(), bits, len);
        holds_the_files(&image, kind);
        is_rescued(dir.path(), image, &kind.to_lowercase());
    }
}

#[test]
fn exfat_by_exfat_fuse_is_read_and_rescued() {
    need!("fuse", "loop", "mkfs.exfat", "mount.exfat-fuse");
    let dir = tempfile::tempdir().unwrap();
    let image = exfat(dir.path());
    holds_the_files(&image, "exFAT");
    is_rescued(dir.path(), image, "exfat");
}

#[test]
fn a_bad_sector_is_a_hole_and_a_broken_chain_too() {
    need!("mkfs.vfat", "mcopy");
    let dir = tempfile::tempdir().unwrap();
    let bytes = fs::read(fat(dir.path(), "16", 20 * MIB)).unwrap();
    let tree = open(memory(bytes.clone())).unwrap();
    let path = "store/USMT/USMT.MIG";
    let id = tree.lookup(&NtPath::from(path)).unwrap();
    let at = tree.node(id).unwrap().position.unwrap();
    let bad = std::iter::once(at..at + 512).collect();
    let device: Arc<dyn Device> = Arc::new(BadSectors { device: memory(bytes.clone()), bad });
    let (read_back, holes) = read(&open(device).unwrap(), path).unwrap();
    assert_eq!((read_back.len(), holes), (container().len(), 1));
    // The table's first copy wiped: the second leads to the bytes, with a doubt.
    let mut volume = Volume::new(bytes);
    let (table, copy) = (volume.table, volume.copy);
    volume.bytes[table + 4..table + 512 * 20].fill(0);
    let tree = volume.open();
    let (read_back, holes) = read(&tree, path).unwrap();
    assert!(read_back == container() && holes == 0);
    assert!(doubts(&tree, path)[0].contains("second copy"));
    // Both: every file has a hole, none is short.
    volume.bytes[copy + 4..copy + 512 * 20].fill(0);
    let (read_back, holes) = read(&volume.open(), path).unwrap();
    assert_eq!((read_back.len(), holes), (container().len(), 1));
}

/// The bytes of a FAT volume, to damage them.
#[derive(Clone)]
struct Volume {
    bytes: Vec<u8>,
    table: usize,
    copy: usize,
    data: usize,
    cluster: usize,
}

impl Volume {
    fn new(bytes: Vec<u8>) -> Self {
        let word = |at: usize| usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]));
        let length = if word(22) == 0 { word(36) } else { word(22) } * 512;
        let table = word(14) * 512;
        let data = table + 2 * length + word(17) * 32;
        let cluster = usize::from(bytes[13]) * 512;
        Self { table, copy: table + length, data, cluster, bytes }
    }

    fn open(&self) -> FatTree {
        open(memory(self.bytes.clone())).unwrap()
    }

    /// Where the entry with a short name is.
    fn entry(&self, short: &[u8; 11]) -> usize {
        (0..self.bytes.len()).step_by(32).find(|at| self.bytes[*at..].starts_with(short)).unwrap()
    }

    fn first_cluster(&self, entry: usize) -> u16 {
        u16::from_le_bytes([self.bytes[entry + 26], self.bytes[entry + 27]])
    }

    /// Where the first cluster of what an entry names is.
    fn place(&self, entry: usize) -> usize {
        self.data + (usize::from(self.first_cluster(entry)) - 2) * self.cluster
    }

    /// Changes an entry of both copies of the table (FAT16).
    fn link(&mut self, from: u16, to: u16) {
        for table in [self.table, self.copy] {
            let at = table + usize::from(from) * 2;
            self.bytes[at..at + 2].copy_from_slice(&to.to_le_bytes());
        }
    }
}

/// What is said of a file or a folder.
fn doubts(tree: &dyn Tree, path: &str) -> Vec<String> {
    let id = tree.lookup(&NtPath::from(path)).unwrap();
    let damaged = tree.facts(id, None).unwrap().damaged;
    assert_eq!(tree.is_damaged(id), !damaged.is_empty());
    assert!(damaged.iter().all(|text| text.len() <= 120), "{damaged:?}");
    damaged
}

fn names(tree: &dyn Tree, path: &str) -> usize {
    tree.children(tree.lookup(&NtPath::from(path)).unwrap()).unwrap().len()
}

/// Nothing is said of anything on it.
fn is_without_doubt(tree: &dyn Tree) {
    let mut pending = vec![tree.root()];
    while let Some(id) = pending.pop() {
        let damaged = tree.facts(id, None).unwrap().damaged;
        assert!(damaged.is_empty(), "{damaged:?}");
        pending.extend(tree.children(id).unwrap().iter().map(|entry| entry.node));
    }
}

#[test]
fn a_fat_folder_with_a_bad_sector_lists_the_rest_and_says_so() {
    need!("mkfs.vfat", "mcopy");
    let dir = tempfile::tempdir().unwrap();
    let image = fat(dir.path(), "16", 20 * MIB);
    let sound = Volume::new(fs::read(&image).unwrap());
    is_without_doubt(&sound.open());
    let bad = sound.entry(b"FILENU~9   ") / 512 * 512;
    for filler in [&b"\0"[..], b"\xff", b"\xe5", b"U", b"BAD SECTOR "] {
        let mut volume = sound.clone();
        let sector = &mut volume.bytes[bad..bad + 512];
        sector.iter_mut().zip(filler.iter().cycle()).for_each(|(byte, bad)| *byte = *bad);
        let tree = volume.open();
        let left = names(&tree, "many");
        assert!((30..40).contains(&left), "{filler:?}: {left}");
        assert!(!doubts(&tree, "many").is_empty(), "{filler:?}");
        fs::write(&image, &volume.bytes).unwrap();
        let to = dir.path().join(format!("sets-{}", filler[0]));
        let guarded = Guarded::new(image.clone());
        lifeboat(&["offload", guarded.arg(), "--path", r"\many", "--to", text(&to)]).expect(3);
    }
}

#[test]
fn a_store_that_a_damaged_fat_folder_hides_is_not_no_store() {
    need!("mkfs.vfat", "mcopy");
    let dir = tempfile::tempdir().unwrap();
    let image = fat(dir.path(), "16", 20 * MIB);
    let sound = Volume::new(fs::read(&image).unwrap());
    for name in [b"STORE      ", b"USMT       "] {
        for filler in [0, b'U'] {
            let mut volume = sound.clone();
            let at = volume.place(volume.entry(name));
            let len = volume.cluster;
            volume.bytes[at..at + len].fill(filler);
            fs::write(&image, &volume.bytes).unwrap();
            let guarded = Guarded::new(image.clone());
            let found = lifeboat(&["detect", guarded.arg()]).expect(3);
            assert!(found.stderr.contains("could not be read"), "{}", found.stderr);
        }
    }
    // The root folder: nothing is listed, but clusters are in use.
    let mut volume = sound.clone();
    volume.bytes[sound.copy * 2 - sound.table..sound.data].fill(0);
    fs::write(&image, &volume.bytes).unwrap();
    lifeboat(&["detect", Guarded::new(image.clone()).arg()]).expect(7);
}

#[test]
fn fat_chains_that_cannot_be_are_holes_or_doubts() {
    need!("mkfs.vfat", "mcopy");
    let dir = tempfile::tempdir().unwrap();
    let sound = Volume::new(fs::read(fat(dir.path(), "16", 20 * MIB)).unwrap());
    let (path, entry) = ("store/large", sound.entry(b"LARGE      "));
    let (first, size) = (sound.first_cluster(entry), entry + 28);
    let with = |change: &dyn Fn(&mut Volume)| {
        let mut volume = sound.clone();
        change(&mut volume);
        volume.open()
    };
    // Back into itself: what follows is a hole, not the same bytes again.
    let tree = with(&|volume| volume.link(first + 2, first));
    let (bytes, holes) = read(&tree, path).unwrap();
    assert_eq!((bytes.len(), holes), (700_000, 1));
    assert!(bytes[3 * sound.cluster..].iter().all(|byte| *byte == 0));
    // Sizes that do not fit the chain.
    for wrong in [0_u32, 600_000] {
        let tree = with(&|v| v.bytes[size..size + 4].copy_from_slice(&wrong.to_le_bytes()));
        assert_eq!(doubts(&tree, path).len(), 1, "{wrong}");
    }
    // One that is larger than the volume.
    let tree = with(&|v| v.bytes[size..size + 4].copy_from_slice(&u32::MAX.to_le_bytes()));
    assert!(doubts(&tree, path)[0].contains("cannot be"));
    let (bytes, holes) = read(&tree, path).unwrap();
    assert_eq!((bytes.len(), holes), (700_000_usize.next_multiple_of(sound.cluster), 0));
    // Two files at one place.
    let other = sound.entry(b"USMT    MIG");
    let tree = with(&|v| v.bytes[other + 26..other + 28].copy_from_slice(&first.to_le_bytes()));
    for path in [path, "store/USMT/USMT.MIG"] {
        assert!(doubts(&tree, path)[0].contains("same cluster"), "{path}");
    }
    // The copies disagree.
    let at = sound.table + usize::from(first) * 2;
    let tree = with(&|v| v.bytes[at..at + 2].copy_from_slice(&(first + 2).to_le_bytes()));
    assert_eq!(doubts(&tree, path).len(), 1);
}

#[test]
fn a_fat_folder_whose_chain_was_cut_is_in_doubt() {
    need!("mkfs.vfat", "mcopy");
    let dir = tempfile::tempdir().unwrap();
    let image = fat(dir.path(), "16", 20 * MIB);
    // Names of one entry each: the cut is between two of them.
    run("mmd", &["-i", text(&image), "::/SHORT"]);
    for i in 0..100 {
        let file = dir.path().join(format!("F{i}.TXT"));
        fs::write(&file, "x").unwrap();
        run("mcopy", &["-i", text(&image), text(&file), "::/SHORT/"]);
    }
    let sound = Volume::new(fs::read(&image).unwrap());
    is_without_doubt(&sound.open());
    let first = sound.first_cluster(sound.entry(b"SHORT      "));
    let mut volume = sound.clone();
    volume.link(first, 0xFFFF);
    let tree = volume.open();
    assert_eq!(names(&tree, "SHORT"), sound.cluster / 32 - 2);
    let said = doubts(&tree, "SHORT");
    assert!(said[0].contains("1 piece of a folder belongs to no folder"), "{said:?}");
    assert_eq!(doubts(&tree, "store"), [] as [&str; 0]);
    fs::write(&image, &volume.bytes).unwrap();
    let to = dir.path().join("sets");
    let guarded = Guarded::new(image.clone());
    lifeboat(&["offload", guarded.arg(), "--path", r"\SHORT", "--to", text(&to)]).expect(3);
    drop(guarded);

    // The entry of a folder is lost: what was in it is somewhere.
    let mut volume = sound.clone();
    let entry = volume.entry(b"STORE      ");
    volume.bytes[entry] = 0xE5;
    fs::write(&image, &volume.bytes).unwrap();
    let found = lifeboat(&["detect", Guarded::new(image.clone()).arg()]).expect(3);
    assert!(found.stdout.contains("fat-folders-lost"), "{}{}", found.stdout, found.stderr);
    assert!(found.stdout.contains("Files listed there:"), "{}", found.stdout);
    assert!(found.stdout.contains("USMT"), "{}", found.stdout);
}

#[test]
fn a_fat_folder_that_lost_its_last_sector_or_a_name_is_in_doubt() {
    need!("mkfs.vfat", "mcopy");
    let dir = tempfile::tempdir().unwrap();
    let image = fat(dir.path(), "16", 20 * MIB);
    run("mmd", &["-i", text(&image), "::/SHORT"]);
    for i in 0..60 {
        let file = dir.path().join(format!("F{i}.TXT"));
        fs::write(&file, "x").unwrap();
        run("mcopy", &["-i", text(&image), text(&file), "::/SHORT/"]);
    }
    let sound = Volume::new(fs::read(&image).unwrap());
    is_without_doubt(&sound.open());
    // Zeros from a sector on, as far as the folder goes.
    let mut volume = sound.clone();
    let at = sound.place(sound.entry(b"SHORT      "));
    volume.bytes[at + 1024..at + sound.cluster].fill(0);
    let tree = volume.open();
    assert_eq!(names(&tree, "SHORT"), 30);
    let said = doubts(&tree, "SHORT");
    assert!(said[0].contains("it ends where a sector ends"), "{said:?}");
    assert_eq!(doubts(&tree, "store"), [] as [&str; 0]);
    // One name marked as deleted, while its cluster is in use.
    let mut volume = sound.clone();
    let entry = sound.entry(b"F7      TXT");
    volume.bytes[entry] = 0xE5;
    let said = doubts(&volume.open(), "SHORT");
    assert!(said[0].contains("a name is marked as deleted"), "{said:?}");
    fs::write(&image, &volume.bytes).unwrap();
    // The folder is not listed completely: a store may be there.
    let found = lifeboat(&["detect", Guarded::new(image.clone()).arg()]).expect(3);
    assert!(found.stdout.contains("fat-clusters-lost"), "{}", found.stdout);
}

#[test]
fn a_store_on_a_stick_that_was_cleaned_is_found() {
    need!("mkfs.vfat", "mcopy");
    let dir = tempfile::tempdir().unwrap();
    for bits in ["16", "32"] {
        let volume = fs::read(fat(dir.path(), bits, 64 * MIB)).unwrap();
        let disk = [vec![0; 1 << 20], volume, vec![0; 8 << 20]].concat();
        let image = dir.path().join("cleaned.img");
        fs::write(&image, &disk).unwrap();
        let found = lifeboat(&["detect", Guarded::new(image.clone()).arg()]).expect(0);
        assert!(found.stdout.contains("lost partition at byte 1048576"), "{}", found.stdout);
        assert!(found.stdout.contains("compressed, volume-1:"), "{}", found.stdout);
    }
}

#[test]
fn fat_files_with_the_same_clusters_further_on_are_in_doubt() {
    need!("mkfs.vfat", "mcopy");
    let dir = tempfile::tempdir().unwrap();
    let sound = Volume::new(fs::read(fat(dir.path(), "16", 20 * MIB)).unwrap());
    let large = sound.first_cluster(sound.entry(b"LARGE      "));
    let store = sound.first_cluster(sound.entry(b"USMT    MIG"));
    let mut volume = sound.clone();
    // The chain of one leads into the other.
    volume.link(store, large + 20);
    let tree = volume.open();
    for path in ["store/large", "store/USMT/USMT.MIG"] {
        let doubts = doubts(&tree, path);
        assert!(doubts[0].contains("same clusters"), "{path}: {doubts:?}");
    }
    assert_eq!(doubts(&tree, "many/file number 39"), [] as [&str; 0]);
}

#[test]
fn exfat_files_in_clusters_that_the_bitmap_does_not_have_are_in_doubt() {
    need!("fuse", "loop", "mkfs.exfat", "mount.exfat-fuse");
    let dir = tempfile::tempdir().unwrap();
    let mut bytes = fs::read(exfat(dir.path())).unwrap();
    let number = |at: usize, len: usize| {
        bytes[at..at + len].iter().rev().fold(0_usize, |n, byte| n << 8 | usize::from(*byte))
    };
    let sector = 1 << bytes[0x6C];
    let cluster = sector << bytes[0x6D];
    let place = |number: usize| number * cluster;
    let data = number(0x58, 4) * sector;
    let root = data + place(number(0x60, 4) - 2);
    let entry = (root..).step_by(32).find(|at| bytes[*at] == 0x81).unwrap();
    let bitmap = data + place(number(entry + 0x14, 4) - 2);
    let tree = open(memory(bytes.clone())).unwrap();
    let path = "store/large";
    let id = tree.lookup(&NtPath::from(path)).unwrap();
    let at = usize::try_from(tree.node(id).unwrap().position.unwrap()).unwrap();
    let first = (at - data) / cluster;
    // One that cannot be read says nothing.
    let bad = std::iter::once(bitmap as u64..bitmap as u64 + 512).collect();
    let device: Arc<dyn Device> = Arc::new(BadSectors { device: memory(bytes.clone()), bad });
    is_without_doubt(&open(device).unwrap());
    bytes[bitmap + first / 8] &= !(1 << (first % 8));
    let tree = open(memory(bytes)).unwrap();
    assert!(doubts(&tree, path)[0].contains("free by the volume's bitmap"));
    assert_eq!(doubts(&tree, "store/USMT/USMT.MIG"), [] as [&str; 0]);
}

#[test]
fn fat32_says_which_table_counts() {
    need!("mkfs.vfat", "mcopy");
    let dir = tempfile::tempdir().unwrap();
    let mut volume = Volume::new(fs::read(fat(dir.path(), "32", 64 * MIB)).unwrap());
    is_without_doubt(&volume.open());
    volume.bytes[0x28] = 0x81;
    let (table, copy) = (volume.table, volume.copy);
    volume.bytes[table..copy].fill(0);
    is_without_doubt(&volume.open());
    assert!(read(&volume.open(), "store/USMT/USMT.MIG").unwrap() == (container(), 0));
}

#[test]
fn an_exfat_folder_with_damage_lists_the_rest_and_says_so() {
    need!("fuse", "loop", "mkfs.exfat", "mount.exfat-fuse");
    let dir = tempfile::tempdir().unwrap();
    let sound = fs::read(exfat(dir.path())).unwrap();
    is_without_doubt(&open(memory(sound.clone())).unwrap());
    let name: Vec<u8> = "file number 20".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let found = (0..sound.len())
        .step_by(32)
        .find(|at| sound[*at] == 0xC1 && sound[at + 2..].starts_with(&name));
    let set = found.unwrap() - 64;
    let with = |change: &dyn Fn(&mut [u8])| {
        let mut bytes = sound.clone();
        change(&mut bytes[set..set + 512]);
        let tree = open(memory(bytes)).unwrap();
        assert_eq!(doubts(&tree, "many").len(), 1);
        names(&tree, "many")
    };
    // Entries that are not in use, among those that are.
    assert_eq!(with(&|set| set[0] = 0x05), 40);
    assert_eq!(with(&|set| set[32] = 0x40), 40);
    // The others are listed.
    assert_eq!(with(&|set| set[70] ^= 1), 39);
    assert_eq!(with(&|set| set[..96].fill(0)), 39);
    assert_eq!(with(&|set| set[..96].fill(0xFF)), 39);
    assert_eq!(with(&|set| set[..32].fill(0)), 39);
}

/// Reads everything; whatever the bytes say, it ends.
fn walk(bytes: Vec<u8>) {
    let Ok(tree) = open(memory(bytes)) else { return };
    let mut pending = vec![tree.root()];
    let mut left = 20_000;
    while let Some(id) = pending.pop().filter(|_| left > 0) {
        left -= 1;
        let _ = tree.facts(id, None);
        if let Ok(mut stream) = tree.open(id, None) {
            let _ = stream.read(&mut [0; 5000]);
            let _ = stream.skip(u64::MAX);
            assert_eq!(stream.read(&mut [0; 9]).unwrap(), 0);
        }
        pending.extend(tree.children(id).unwrap_or_default().iter().map(|entry| entry.node));
    }
}

#[test]
fn changed_bytes_neither_panic_nor_hang() {
    need!("mkfs.vfat", "mcopy");
    let dir = tempfile::tempdir().unwrap();
    changed(&fat(dir.path(), "12", 4 * MIB));
    changed(&fat(dir.path(), "16", 20 * MIB));
    changed(&fat(dir.path(), "32", 64 * MIB));
    need!("fuse", "loop", "mkfs.exfat", "mount.exfat-fuse");
    changed(&exfat(dir.path()));
}

/// Changes bytes, many times.
fn changed(image: &Path) {
    let sound = fs::read(image).unwrap();
    // What is not zero in the first MiBs: boot sector, table, folders.
    let places: Vec<usize> = (0..sound.len().min(3 << 20)).filter(|at| sound[*at] != 0).collect();
    let mut seed = 1_u64;
    let mut random = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap()
    };
    for _ in 0..60 {
        let mut bytes = sound.clone();
        for _ in 0..8 {
            // Half of them in the first sectors.
            let from = if random() % 2 == 0 { 120 } else { places.len() };
            bytes[places[random() % from.min(places.len())]] = random().to_le_bytes()[0];
        }
        walk(bytes);
    }
}
