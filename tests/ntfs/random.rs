//! Random trees of all that ntfs-3g can write, judged by ntfs-3g and by the
//! `ntfs` crate.
//!
//! `LIFEBOAT_SEEDS=200` (or `1000..1200`) tries that many seeds instead of a few.
#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use lifeboat::model::monitor::Silent;
use lifeboat::tree::ntfs::NtfsTree;
use support::made::{Random, descriptor, noise, prose};
use support::ntfs3g::Image;
use support::{compare, need, witness};

const RW: &str = "rw,streams_interface=xattr,permissions,compression";
const RO: &str = "ro,streams_interface=xattr,permissions";

/// What is drawn for a tree.
trait Draw {
    fn size(&mut self) -> usize;
    fn bytes(&mut self) -> Vec<u8>;
    fn name(&mut self) -> String;
}

impl Draw for Random {
    fn size(&mut self) -> usize {
        let edges = [0, 1, 511, 512, 513, 600, 700, 4095, 4096, 4097, 65_535, 65_536, 65_537];
        let size = match self.below(3) {
            0 => *self.pick(&edges),
            1 => self.below(3000),
            _ => self.below(400_000),
        };
        usize::try_from(size).unwrap()
    }

    fn bytes(&mut self) -> Vec<u8> {
        let (size, seed) = (self.size(), self.number());
        match self.below(4) {
            0 => noise(seed, size),
            1 => vec![0; size],
            2 => [prose(seed, size / 2), noise(seed, size - size / 2)].concat(),
            _ => prose(seed, size),
        }
    }

    fn name(&mut self) -> String {
        let parts =
            ["a", "Z", "ä", "\u{1F6DF}", " ", ".", "$", "~1", "日本", "-", ":", "?", "LONG"];
        let longest = if self.below(10) == 0 { 60 } else { 5 };
        let count = 1 + self.below(longest);
        let name: String = (0..count).map(|_| *self.pick(&parts)).collect();
        format!("{name}{}", self.below(1000))
    }
}

/// Makes a tree; what ntfs-3g refuses is left out.
fn fill(root: &Path, random: &mut Random) {
    let mut folders = vec![root.to_owned()];
    let mut files: Vec<PathBuf> = Vec::new();
    for _ in 0..60 + random.below(60) {
        let path = random.pick(&folders).join(random.name());
        if path.exists() {
            continue;
        }
        match random.below(12) {
            0..=2 => {
                fs::create_dir(&path).unwrap();
                if random.below(4) == 0 {
                    let flags = 0x0810_u32.to_be_bytes();
                    xattr::set(&path, "system.ntfs_attrib_be", &flags).unwrap();
                }
                folders.push(path.clone());
            }
            3 if !files.is_empty() => {
                let target = random.pick(&files).clone();
                let _ = fs::hard_link(target, &path);
                continue;
            }
            4 => sparse(&path, random),
            5 => reparse(&path, random),
            _ => fs::write(&path, random.bytes()).unwrap(),
        }
        if path.is_file() && !path.is_symlink() {
            files.push(path.clone());
        }
        decorate(&path, random);
    }
    // Deletions and changes leave the traces that a used volume has.
    for _ in 0..random.below(15) {
        if files.is_empty() {
            break;
        }
        let path = random.pick(&files).clone();
        match random.below(3) {
            0 => drop(fs::remove_file(&path)),
            1 => drop(fs::write(&path, random.bytes())),
            _ => {
                if let Ok(file) = fs::File::options().write(true).open(&path) {
                    let _ = file.set_len(random.below(200_000));
                }
            }
        }
    }
}

fn sparse(path: &Path, random: &mut Random) {
    let file = fs::File::create(path).unwrap();
    for _ in 0..random.below(5) {
        let (at, bytes) = (random.below(3_000_000), random.bytes());
        file.write_all_at(&bytes, at).unwrap();
    }
    file.set_len(random.below(4_000_000)).unwrap();
}

fn reparse(path: &Path, random: &mut Random) {
    fs::write(path, "").unwrap();
    let (seed, length) = (random.number(), random.below(300));
    let data = noise(seed, 16 + usize::try_from(length).unwrap());
    let mut bytes = vec![0x42, 0, 0, 0];
    bytes.extend(u16::try_from(data.len() - 16).unwrap().to_le_bytes());
    bytes.extend([0, 0]);
    bytes.extend(data);
    xattr::set(path, "system.ntfs_reparse_data", &bytes).unwrap();
}

/// Streams, permissions, attributes, names, ids: some, on some.
fn decorate(path: &Path, random: &mut Random) {
    if random.below(4) == 0 {
        for _ in 0..random.below(8) {
            let mut bytes = random.bytes();
            bytes.truncate(60_000);
            let _ = xattr::set(path, format!("user.{}", random.name()), &bytes);
        }
    }
    if random.below(3) == 0 {
        let mask = u32::try_from(random.below(64)).unwrap();
        xattr::set(path, "system.ntfs_acl", &descriptor(0x001F_0100 + mask)).unwrap();
    }
    if random.below(5) == 0 && path.is_file() && fs::metadata(path).unwrap().len() > 0 {
        let flags = *random.pick(&[0x21_u32, 0x22, 0x26, 0x2020, 0x2120]);
        let _ = xattr::set(path, "system.ntfs_attrib_be", &flags.to_be_bytes());
    }
    if random.below(5) == 0 {
        let times: Vec<u8> = (0..3).flat_map(|_| (random.number() * 3000).to_be_bytes()).collect();
        let _ = xattr::set(path, "system.ntfs_times_be", &times);
    }
    if random.below(6) == 0 {
        let name = format!("D{}~1.X", random.below(10_000));
        let _ = xattr::set(path, "system.ntfs_dos_name", name.as_bytes());
    }
    if random.below(6) == 0 {
        let seed = random.number();
        let _ = xattr::set(path, "system.ntfs_object_id", &noise(seed, 16));
    }
}

fn seeds() -> std::ops::Range<u64> {
    let wanted = std::env::var("LIFEBOAT_SEEDS").unwrap_or_else(|_| "4".into());
    match wanted.split_once("..") {
        Some((from, to)) => from.parse().unwrap()..to.parse().unwrap(),
        None => 0..wanted.parse().unwrap(),
    }
}

#[test]
fn random_trees_read_the_same_by_all() {
    need!("fuse");
    let layouts = [
        &["-c", "4096"][..],
        &["-c", "512"],
        &["-c", "2048"],
        &["-s", "4096", "-c", "4096"],
        &["-c", "16384"],
    ];
    let (mut files, mut streams) = (0, 0);
    for seed in seeds() {
        let layout = layouts[usize::try_from(seed % 5).unwrap()];
        eprintln!("seed {seed}, mkntfs {layout:?}");
        let image = Image::make(128 << 20, layout);
        let mut random = Random::new(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        image.fill(RW, |root| fill(root, &mut random));
        let tree = NtfsTree::open(image.device(), "random".into(), &Silent).unwrap();
        assert_eq!(tree.findings(), []);
        assert_eq!(support::damage::index_findings(&tree), []);
        let mount = image.mount(RO);
        let compared = compare::with_mount(&tree, mount.path());
        drop(mount);
        let witnessed = witness::agrees(&tree, &image.path());
        eprintln!("{compared:?}, {witnessed} streams witnessed");
        files += compared.files;
        streams += witnessed;
    }
    let tried = seeds().count();
    assert!(files > tried * 20 && streams > tried * 20, "{files} files, {streams} streams");
}
