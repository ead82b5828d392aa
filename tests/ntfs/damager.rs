//! Volumes that a seeded program breaks, one structure each: whatever was on the sound volume
//! is in the set with its bytes, or the offload does not end as "saved".
//!
//! `LIFEBOAT_SEEDS=20000` (or `300..301`) tries that many seeds instead of those of CI.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lifeboat::destination::Missing;
use lifeboat::destination::directory::DirectoryDestination;
use lifeboat::disk::Device;
use lifeboat::health::Check;
use lifeboat::model::monitor::Silent;
use lifeboat::offload::OffloadRequest;
use lifeboat::set::format::hash::sha256_hex;
use lifeboat::set::read::reader::SetReader;
use lifeboat::set::write::level::Level;
use lifeboat::set::write::parts::{FolderPath, folders};
use lifeboat::tree::Tree;
use lifeboat::tree::ntfs::NtfsTree;
use lifeboat::usmt::{Machine, StoreVolume, find_stores};
use lifeboat_maker::damager::{Damage, Structures};
use support::made::{noise, prose};
use support::ntfs3g::Image;
use support::{members, need};

const RW: &str = "rw,streams_interface=xattr,permissions,compression";
const SEEDS: u64 = 2000;

fn seeds() -> std::ops::Range<u64> {
    let Ok(wanted) = std::env::var("LIFEBOAT_SEEDS") else { return 0..SEEDS };
    let number = |text: &str| text.parse().expect("a number of seeds, or FROM..TO");
    match wanted.split_once("..") {
        Some((from, to)) => number(from)..number(to),
        None => 0..number(&wanted),
    }
}

/// A sound volume with changes.
struct Broken {
    sound: Arc<Vec<u8>>,
    patches: Vec<(usize, Vec<u8>)>,
}

impl Device for Broken {
    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let from = usize::try_from(offset).unwrap();
        let end = from + buf.len();
        let sound = self.sound.get(from..end).ok_or(io::ErrorKind::UnexpectedEof)?;
        buf.copy_from_slice(sound);
        for (at, bytes) in &self.patches {
            let (first, last) = ((*at).max(from), (at + bytes.len()).min(end));
            if first < last {
                buf[first - from..last - from].copy_from_slice(&bytes[first - at..last - at]);
            }
        }
        Ok(())
    }
    fn len(&self) -> u64 {
        self.sound.len() as u64
    }
    fn sector_size(&self) -> u32 {
        512
    }
}

fn before(root: &Path) {
    let users = root.join("StateStore/USMT/File/C$/Users");
    for user in ["alice", "bob"] {
        let folder = users.join(user).join("Documents");
        fs::create_dir_all(&folder).unwrap();
        for i in 0..40_u64 {
            let name = format!("a letter that has a name of some length {i}.docx");
            let size = usize::try_from(i * 331 % 9000).unwrap();
            fs::write(folder.join(name), noise(i, size)).unwrap();
        }
        fs::create_dir(folder.join("to go")).unwrap();
        fs::write(folder.join("to go/x"), "x").unwrap();
    }
    let usmt = root.join("StateStore/USMT");
    fs::write(usmt.join("catalog.mig"), noise(900, 30_000)).unwrap();
    fs::write(usmt.join("MIGSTATE.DAT"), noise(901, 700)).unwrap();
    fs::write(usmt.join("hardlink.main"), "C\tguid").unwrap();
    fs::write(root.join("StateStore/beside.log"), "beside").unwrap();
    fs::create_dir_all(root.join("other/deep/er")).unwrap();
    for i in 0..30_u64 {
        fs::write(root.join(format!("other/deep/er/{i}")), noise(i + 100, 1500)).unwrap();
    }
}

fn after(root: &Path) {
    let alice = root.join("StateStore/USMT/File/C$/Users/alice");
    fs::remove_dir_all(alice.join("Documents/to go")).unwrap();
    fs::rename(root.join("other/deep"), root.join("other/renamed")).unwrap();
    for i in 0..10 {
        fs::remove_file(root.join(format!("other/renamed/er/{i}"))).unwrap();
    }
    let packed = alice.join("packed");
    fs::create_dir(&packed).unwrap();
    xattr::set(&packed, "system.ntfs_attrib_be", &0x0810_u32.to_be_bytes()).unwrap();
    for i in 0..4 {
        fs::write(packed.join(format!("prose {i}")), prose(i, 200_000)).unwrap();
    }
    // Streams enough for an attribute list in clusters.
    let streams = alice.join("streams");
    fs::write(&streams, noise(7, 3000)).unwrap();
    for i in 0..40 {
        xattr::set(&streams, format!("user.stream number {i}"), &noise(i, 300)).unwrap();
    }
    for i in 0..12 {
        fs::hard_link(&streams, alice.join(format!("another name of it {i}"))).unwrap();
    }
    fs::create_dir(alice.join("nest")).unwrap();
    for i in 0..25_u64 {
        let folder = alice.join(format!("nest/folder {i}"));
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("one"), noise(i + 300, 2000)).unwrap();
        fs::write(folder.join("two"), noise(i + 400, 90)).unwrap();
    }
}

struct Sound {
    now: Arc<Vec<u8>>,
    before: Vec<u8>,
    structures: Structures,
}

/// Path, and SHA-256 of the data; empty for a folder.
type Files = BTreeMap<String, String>;

enum End {
    /// Nothing was saved, and the words say why.
    Failed,
    /// Exit code 0.
    Saved(Files),
    /// Exit code 3, and the paths of the losses.
    Losses(Files, Vec<String>),
}

fn offload(device: Broken, is_store: bool) -> End {
    let Ok(tree) = NtfsTree::open(Arc::new(device), "broken".into(), &Silent) else {
        return End::Failed;
    };
    let tree: Arc<dyn Tree> = Arc::new(tree);
    let scratch = tempfile::tempdir().unwrap();
    let to = Arc::new(DirectoryDestination::open(scratch.path(), Missing::Make).unwrap());
    let request =
        OffloadRequest { level: Level::Fixed(1), read_back: false, ..OffloadRequest::default() };
    let machine = Machine::default();
    let display = "broken".to_owned();
    let volumes = [StoreVolume {
        tree,
        disk: display.clone(),
        display,
        present_letter: Some('C'),
        attached: false,
        is_lost: false,
    }];
    let saved = if is_store {
        let (stores, _) = find_stores(&volumes, &Silent);
        let Some(store) = stores.first() else { return End::Failed };
        request.save_store(store, &machine, &Check::default(), &*to, &Silent)
    } else {
        let root = [FolderPath::parse("\\").unwrap()];
        let (mut sets, _) = folders(&root, &volumes);
        request.save_folders(sets.remove(0), &[], &[], &machine, &*to, &Silent)
    };
    let Ok(saved) = saved else { return End::Failed };
    let set = SetReader::open(to, &saved.set).unwrap();
    let mut files = Files::new();
    let mut losses = Vec::new();
    let members = members::of(&set);
    for (path, member) in &members {
        let below = path.split_once('/').map_or_else(String::new, |(_, path)| path.to_owned());
        // The bytes of a hard link are those of the file, and so are the losses.
        let file = member.link_to.as_ref().and_then(|to| members.get(to)).unwrap_or(member);
        if !member.losses.is_empty() || !file.losses.is_empty() {
            losses.push(below.clone());
        }
        let hash = file.data.as_ref().map(|data| data.sha256.clone());
        files.insert(below, hash.unwrap_or_default());
    }
    if saved.losses == 0 { End::Saved(files) } else { End::Losses(files, losses) }
}

fn sound() -> Sound {
    let image = Image::make(24 << 20, &["-c", "1024"]);
    image.fill(RW, before);
    let old = fs::read(image.path()).unwrap();
    image.fill(RW, after);
    let now = fs::read(image.path()).unwrap();
    let structures = Structures::of(&now).unwrap();
    Sound { now: Arc::new(now), before: old, structures }
}

/// What is wrong with how an offload of a broken volume ended, if anything.
fn judge(end: &End, truth: &Files) -> Option<String> {
    let (files, losses) = match end {
        End::Failed => return None,
        End::Saved(files) => (files, &[][..]),
        End::Losses(files, losses) => (files, losses.as_slice()),
    };
    for (path, hash) in truth {
        match files.get(path) {
            Some(found) if found == hash || losses.contains(path) => {}
            Some(_) => return Some(format!("{path} has other bytes, and no loss is listed")),
            None if losses.is_empty() => {
                return Some(format!("{path} is missing, and the end is 0"));
            }
            None => {}
        }
    }
    None
}

#[test]
fn nothing_of_a_broken_volume_is_missing_without_a_word() {
    need!("fuse");
    let sound = sound();
    let device = |patches| Broken { sound: Arc::clone(&sound.now), patches };
    let truth = [false, true].map(|is_store| match offload(device(Vec::new()), is_store) {
        End::Saved(files) => files,
        _ => panic!("the sound volume is not saved without losses"),
    });
    assert!(truth[0].len() > 200 && truth[1].len() > 150, "{}", truth[1].len());
    let hash = truth[1].get("StateStore/USMT/hardlink.main");
    assert_eq!(hash, Some(&sha256_hex(b"C\tguid")));

    let seeds = seeds();
    let next = AtomicU64::new(seeds.start);
    let counts = [const { AtomicU64::new(0) }; 3];
    let wrong = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        break;
                    }
                    let Damage { what, patches } =
                        sound.structures.damage(&sound.now, &sound.before, seed);
                    let is_store = seed % 2 == 1;
                    let end = offload(device(patches), is_store);
                    let count = match &end {
                        End::Failed => 0,
                        End::Saved(_) => 1,
                        End::Losses(..) => 2,
                    };
                    counts[count].fetch_add(1, Ordering::Relaxed);
                    if let Some(why) = judge(&end, &truth[usize::from(is_store)]) {
                        wrong.lock().unwrap().push(format!("seed {seed} ({what}): {why}"));
                    }
                }
            });
        }
    });
    let [failed, saved, losses] = counts.map(AtomicU64::into_inner);
    println!("{failed} failed, {saved} saved, {losses} saved with losses");
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} of {seeds:?}:\n{}", wrong.len(), wrong.join("\n"));
    if seeds == (0..SEEDS) {
        assert!(saved > SEEDS / 10 && losses > SEEDS / 10, "the damage is of one kind only");
    }
}
