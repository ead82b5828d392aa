//! Random stores with all that ntfs-3g can make: from one NTFS volume through a
//! rescue set onto a fresh one. Our own reader finds the same on both, ntfs-3g
//! finds the same on both, and the read-back has nothing to say.
//!
//! `LIFEBOAT_SEEDS=200` (or `1000..1200`) tries that many seeds instead of a few.
#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lifeboat::disk::FileDevice;
use lifeboat::model::metadata::{FileTime, attributes};
use lifeboat::model::monitor::{Collect, Silent};
use lifeboat::restore::{Destinations, Options, restore, settle, verify_restored};
use lifeboat::set::read::reader::SetReader;
use lifeboat::set::write::plan::Plan;
use lifeboat::set::write::writer::offload;
use lifeboat::tree::Tree;
use lifeboat::tree::host::HostTree;
use lifeboat::tree::ntfs::NtfsTree;
use support::made::Random;
use support::ntfs_mount::{ALL_FACTS, Mounted};
use support::view::{Seen, view};
use support::{made_set, need, sets};

/// What is drawn for a store.
trait Draw {
    fn bytes(&mut self, most: u64) -> Vec<u8>;
    fn name(&mut self, number: usize) -> String;
}

impl Draw for Random {
    fn bytes(&mut self, most: u64) -> Vec<u8> {
        let edges = [0, 1, 511, 512, 700, 4096, 4097, 65_536];
        let size = if self.below(2) == 0 { *self.pick(&edges) } else { self.below(most) };
        let size = usize::try_from(size.min(most)).unwrap();
        let (start, step) = (self.number(), self.below(3));
        (0..size as u64).map(|i| (start + i * step * 7 / 3).to_le_bytes()[0]).collect()
    }

    /// Names of all sorts; those that Win32 refuses, and long ones.
    fn name(&mut self, number: usize) -> String {
        let parts = ["a", "Z", "\u{e4}", "\u{1F6DF}", " ", ".", "$", "~1", "\u{65e5}", ":", "?"];
        let longest = if self.below(8) == 0 { 50 } else { 4 };
        let count = 1 + self.below(longest);
        let name: String = (0..count).map(|_| *self.pick(&parts)).collect();
        let end = self.pick(&["", "", ".", " ", ".txt"]);
        format!("{name}{number}{end}")
    }
}

fn set(path: &Path, attribute: &str, value: &[u8]) -> bool {
    rustix::fs::lsetxattr(path, attribute, value, rustix::fs::XattrFlags::empty()).is_ok()
}

/// A store; what ntfs-3g refuses is left out.
fn fill(root: &Path, random: &mut Random) {
    let usmt = root.join("StateStore/USMT");
    fs::create_dir_all(usmt.join("File/C$/Users")).unwrap();
    fs::write(usmt.join("hardlink.main"), b"C\t{0}\r\n").unwrap();
    fs::write(usmt.join("status.~lg"), b"").unwrap();
    let mut folders = vec![usmt.join("File/C$/Users")];
    let mut files: Vec<PathBuf> = Vec::new();
    let mut all = Vec::new();
    for number in 0..usize::try_from(40 + random.below(40)).unwrap() {
        let path = random.pick(&folders).join(random.name(number));
        match random.below(12) {
            0..=2 => {
                fs::create_dir(&path).unwrap();
                folders.push(path.clone());
            }
            3 if !files.is_empty() => {
                let _ = fs::hard_link(random.pick(&files), &path);
                continue;
            }
            4 => {
                let file = fs::File::create(&path).unwrap();
                for _ in 0..random.below(4) {
                    let at = random.below(2_000_000);
                    file.write_all_at(&random.bytes(70_000), at).unwrap();
                }
                file.set_len(random.below(3_000_000)).unwrap();
                files.push(path.clone());
            }
            5 => {
                // No data behind it: a junction, or a name surrogate.
                let tag = *random.pick(&[0xA000_0003, 0xA000_0019, 0xA000_0027]);
                let data = match tag {
                    0xA000_0003 => made_set::junction_to("C:\\Users\\somebody"),
                    tag => made_set::reparse(tag, &random.bytes(300)),
                };
                if tag == 0xA000_0003 {
                    fs::create_dir(&path).unwrap();
                } else {
                    fs::write(&path, b"").unwrap();
                }
                set(&path, "system.ntfs_reparse_data", &data);
                continue;
            }
            _ => {
                fs::write(&path, random.bytes(200_000)).unwrap();
                files.push(path.clone());
            }
        }
        all.push(path);
    }
    for (number, path) in all.iter().enumerate().rev() {
        decorate(path, number, random);
    }
}

/// Streams, permissions, attributes, names, ids, times: some, on some.
fn decorate(path: &Path, number: usize, random: &mut Random) {
    if random.below(4) == 0 {
        for _ in 0..random.below(5) {
            let name = format!("user.{}", random.name(number).replace(':', ";"));
            set(path, &name, &random.bytes(60_000));
        }
    }
    if random.below(6) == 0 {
        set(path, "system.ntfs_dos_name", format!("D{number}~1.X").as_bytes());
    }
    if random.below(6) == 0 {
        let id: Vec<u8> = (0..16).map(|_| random.number().to_le_bytes()[0]).collect();
        set(path, "system.ntfs_object_id", &id);
    }
    if random.below(6) == 0 {
        // FILE_FULL_EA_INFORMATION (MS-FSCC 2.4.16): next, flags, lengths, name.
        let mut entry = vec![16, 0, 0, 0, 0, 4, 3, 0]; // ntfs-3g wants the length in the last, too
        entry.extend(b"NAME\0val");
        set(path, "system.ntfs_ea", &entry);
    }
    if random.below(3) == 0 {
        let mut descriptor = made_set::descriptor();
        // The rights that its one entry grants.
        descriptor[56] = random.number().to_le_bytes()[0];
        set(path, "system.ntfs_acl", &descriptor);
    }
    if random.below(4) == 0 && path.is_file() {
        let bits = *random.pick(&[0x21_u32, 0x22, 0x26, 0x2020, 0x0120]);
        set(path, "system.ntfs_attrib_be", &bits.to_be_bytes());
    }
    if random.below(2) == 0 {
        let time = |random: &mut Random| 120_000_000_000_000_000 + random.below(1 << 54);
        let times: Vec<u8> = (0..4).flat_map(|_| time(random).to_be_bytes()).collect();
        set(path, "system.ntfs_times_be", &times);
    }
}

fn raw(image: &Path) -> NtfsTree {
    let device = Arc::new(FileDevice::open(image).unwrap());
    NtfsTree::open(device, "random".to_owned(), &Silent).unwrap()
}

/// What a Linux restore promises: all but where data has holes, and the times of access and of change, which reading back and
/// NTFS itself move on.
fn promised(mut seen: Seen) -> Seen {
    seen.attributes &= !(attributes::SPARSE | attributes::NORMAL);
    seen.times[2] = FileTime(0);
    // The birth ids behind the first 16 bytes are the volume's affair.
    if let Some(id) = &mut seen.facts.object_id {
        id.truncate(16);
    }
    seen
}

fn assert_same(old: &dyn Tree, new: &dyn Tree, what: &str) -> usize {
    let ((old, old_links), (new, new_links)) = (view(old, "StateStore"), view(new, "StateStore"));
    assert_eq!(old_links, new_links, "{what}");
    let names = |map: &std::collections::BTreeMap<String, Seen>| -> Vec<String> {
        map.keys().cloned().collect()
    };
    assert_eq!(names(&old), names(&new), "{what}");
    let count = old.len();
    for ((path, old), (_, new)) in old.into_iter().zip(new) {
        assert_eq!(promised(old), promised(new), "{what}: {path}");
    }
    count
}

fn seeds() -> std::ops::Range<u64> {
    let wanted = std::env::var("LIFEBOAT_SEEDS").unwrap_or_else(|_| "3".into());
    match wanted.split_once("..") {
        Some((from, to)) => from.parse().unwrap()..to.parse().unwrap(),
        None => 0..wanted.parse().unwrap(),
    }
}

#[test]
fn random_stores_are_restored_with_all_metadata() {
    need!("fuse");
    let mut compared = 0;
    for seed in seeds() {
        eprintln!("seed {seed}");
        let mut old = Mounted::fresh(64);
        let mut random = Random::new(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        fill(old.path(), &mut random);
        old.unmount();
        let source = raw(old.image());
        assert_eq!(source.findings(), []);
        let sets = sets::scratch();
        let tree = raw(old.image());
        let options = sets::options_for(&tree, &sets::options());
        let part = sets::store_part(Arc::new(tree));
        let plan = Plan::make(vec![part], &Silent).unwrap();
        let target = sets::target(sets.path());
        let made = offload(&plan, &*target, &options, &Silent).unwrap();
        let rescue_set = SetReader::open(target, &made.set).unwrap();
        assert_eq!(rescue_set.rescue().totals.losses, 0);

        let mut new = Mounted::fresh(64);
        let drives = [("C".to_owned(), new.path().to_owned())].into_iter().collect();
        let to = Destinations::Staged(Box::new(Destinations::Drives(drives)));
        let seen = Collect::default();
        restore(&rescue_set, &to, Options::default(), &seen).unwrap();
        verify_restored(&rescue_set, &to, &seen).unwrap();
        let losses = seen.losses.into_inner().unwrap();
        assert_eq!(losses, [], "seed {seed}");
        settle(&rescue_set, &to, false, &lifeboat::model::monitor::Silent).unwrap();
        new.unmount();

        let restored = raw(new.image());
        assert_eq!(restored.findings(), []);
        assert_eq!(support::damage::index_findings(&restored), []);
        compared += assert_same(&source, &restored, &format!("seed {seed}, our reader"));
        old.remount(&format!("ro,{ALL_FACTS}"));
        new.remount(&format!("ro,{ALL_FACTS}"));
        let [by_old, by_new] = [old.path(), new.path()].map(|p| HostTree::open(p).unwrap());
        compared += assert_same(&by_old, &by_new, &format!("seed {seed}, ntfs-3g"));
    }
    let tried = seeds().count();
    eprintln!("{compared} files compared in {tried} seeds");
    assert!(compared > tried * 40);
}
