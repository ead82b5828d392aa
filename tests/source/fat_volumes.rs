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
    // The table's first copy wiped: every file has a hole, none is short.
    let mut wiped = bytes;
    let table = usize::from(u16::from_le_bytes([wiped[14], wiped[15]])) * 512;
    wiped[table + 4..table + 512 * 20].fill(0);
    let (read_back, holes) = read(&open(memory(wiped)).unwrap(), path).unwrap();
    assert_eq!((read_back.len(), holes), (container().len(), 1));
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
