//! Files that are really deleted, and recovered: every one that is called sure has exactly its
//! old bytes.
//!
//! Two kinds of volumes, by turns: as ntfs-3g leaves them (even seeds), and with the deleted
//! records as Windows leaves them (odd seeds; see `lifeboat_maker::deleter`). New files then take
//! a part of the clusters and of the records, and some of those are deleted in turn, so that two
//! deleted files claim the same clusters.
//!
//! `LIFEBOAT_SEEDS=200` (or `300..301`) tries that many seeds instead of those of CI.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use lifeboat::destination::Missing;
use lifeboat::destination::directory::DirectoryDestination;
use lifeboat::health::Check;
use lifeboat::model::loss::LossKind;
use lifeboat::model::monitor::Silent;
use lifeboat::model::recovered::{Certainty, RecoveredCount};
use lifeboat::offload::OffloadRequest;
use lifeboat::set::format::hash::sha256_hex;
use lifeboat::set::format::manifest::Member;
use lifeboat::set::format::rescue::EndState;
use lifeboat::set::read::reader::SetReader;
use lifeboat::set::write::level::Level;
use lifeboat::set::write::parts::{FolderPath, folders};
use lifeboat::tree::ntfs::NtfsTree;
use lifeboat::usmt::{Machine, StoreVolume, find_stores};
use lifeboat_maker::deleter::Records;
use lifeboat_maker::rng::Rng;
use support::made::{noise, prose};
use support::ntfs3g::Image;
use support::{members, need};

const RW: &str = "rw,streams_interface=xattr,permissions,compression";
const SEEDS: u64 = 20;
const USERS: &str = "StateStore/USMT/File/C$/Users";

fn seeds() -> std::ops::Range<u64> {
    let Ok(wanted) = std::env::var("LIFEBOAT_SEEDS") else { return 0..SEEDS };
    let number = |text: &str| text.parse().expect("a number of seeds, or FROM..TO");
    match wanted.split_once("..") {
        Some((from, to)) => number(from)..number(to),
        None => 0..number(&wanted),
    }
}

/// What was on the volume: by path, the SHA-256 of the data, and of its stream if it has one.
#[derive(Default)]
struct Truth(BTreeMap<String, (String, Option<String>)>);

impl Truth {
    fn write(&mut self, root: &Path, path: &str, bytes: &[u8]) {
        let file = root.join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, bytes).unwrap();
        self.0.insert(path.to_owned(), (sha256_hex(bytes), None));
    }

    fn stream(&mut self, root: &Path, path: &str, bytes: &[u8]) {
        xattr::set(root.join(path), "user.more", bytes).unwrap();
        self.0.get_mut(path).unwrap().1 = Some(sha256_hex(bytes));
    }
}

fn before(root: &Path, truth: &mut Truth, rng: &mut Rng) {
    for (name, bytes) in [
        ("hardlink.main", &b"C\tguid"[..]),
        ("catalog.mig", &noise(900, 30_000)),
        ("MIGSTATE.DAT", &noise(901, 700)),
        ("status.~lg", b""),
    ] {
        truth.write(root, &format!("StateStore/USMT/{name}"), bytes);
    }
    for user in ["alice", "bob", "carol"] {
        let documents = format!("{USERS}/{user}/Documents");
        for i in 0..rng.between(10, 30) {
            let path = format!("{documents}/a letter of some length {i}.docx");
            // Some in their record, most in clusters.
            let size = if rng.one_in(4) { rng.below(600) } else { rng.below(90_000) };
            truth.write(root, &path, &noise(rng.next_u64(), usize::try_from(size).unwrap()));
            if rng.one_in(5) {
                let size = usize::try_from(rng.between(1, 9000)).unwrap();
                truth.stream(root, &path, &noise(rng.next_u64(), size));
            }
        }
        // In many pieces, side by side.
        let pieces: Vec<_> = (0..3).map(|i| format!("{documents}/grown {i}.pst")).collect();
        let mut grown = vec![Vec::new(); pieces.len()];
        for _ in 0..6 {
            for (path, bytes) in pieces.iter().zip(&mut grown) {
                bytes.extend(noise(rng.next_u64(), 7000));
                truth.write(root, path, bytes);
            }
        }
        truth.write(root, &format!("{documents}/zeros.bin"), &vec![0; 20_000]);
        let packed = format!("{USERS}/{user}/packed");
        fs::create_dir_all(root.join(&packed)).unwrap();
        xattr::set(root.join(&packed), "system.ntfs_attrib_be", &0x0810_u32.to_be_bytes()).unwrap();
        for i in 0..2 {
            truth.write(root, &format!("{packed}/prose {i}.txt"), &prose(rng.below(999), 150_000));
        }
    }
}

fn delete(root: &Path, rng: &mut Rng) {
    // One user as a whole, as a wipe deletes a folder, and single files of the others.
    let users = ["alice", "bob", "carol"];
    let gone = *rng.pick(&users);
    fs::remove_dir_all(root.join(USERS).join(gone)).unwrap();
    for user in users.iter().filter(|user| **user != gone) {
        let documents = root.join(USERS).join(user).join("Documents");
        for entry in fs::read_dir(documents).unwrap() {
            if rng.one_in(2) {
                fs::remove_file(entry.unwrap().path()).unwrap();
            }
        }
    }
}

/// New files over a part, of which some are deleted: nothing is made after that, since a record
/// that is used a third time leaves no trace of the second.
fn reuse(root: &Path, truth: &mut Truth, rng: &mut Rng) {
    let mut made = Vec::new();
    for i in 0..rng.between(5, 40) {
        let path = format!("Windows/new {i}.dll");
        let size = usize::try_from(rng.below(60_000)).unwrap();
        truth.write(root, &path, &noise(rng.next_u64(), size));
        made.push(path);
    }
    for path in made {
        if rng.one_in(4) {
            fs::remove_file(root.join(path)).unwrap();
        }
    }
}

fn volume(tree: NtfsTree) -> [StoreVolume; 1] {
    [StoreVolume {
        tree: Arc::new(tree),
        disk: "disk".to_owned(),
        display: "disk".to_owned(),
        present_letter: Some('C'),
        attached: false,
        is_lost: false,
    }]
}

/// The members below `deleted/C/`, by path.
fn recover(image: &Image, is_store: bool) -> (BTreeMap<String, Member>, RecoveredCount) {
    let tree = NtfsTree::open(image.device(), "disk".into(), &Silent).unwrap();
    let volumes = volume(tree);
    let scratch = tempfile::tempdir().unwrap();
    let to = Arc::new(DirectoryDestination::open(scratch.path(), Missing::Make).unwrap());
    let request = OffloadRequest {
        level: Level::Fixed(1),
        read_back: false,
        deleted: true,
        ..OffloadRequest::default()
    };
    let machine = Machine::default();
    let saved = if is_store {
        let (stores, _) = find_stores(&volumes, &Silent);
        request.save_store(&stores[0], &machine, &Check::default(), &*to, &Silent)
    } else {
        let root = [FolderPath::parse("\\").unwrap()];
        let (mut sets, _) = folders(&root, &volumes);
        request.save_folders(sets.remove(0), &machine, &*to, &Silent)
    };
    let saved = saved.unwrap();
    assert_ne!(saved.rescue.end_state, EndState::Saved, "recovered is never saved");
    assert!(saved.rescue.parts.iter().all(|part| part.drive == "C"), "no part of the store");
    let count = saved.rescue.totals.recovered.unwrap_or_default();
    let set = SetReader::open(to, &saved.set).unwrap();
    let mut found = BTreeMap::new();
    for (path, member) in members::of(&set) {
        let Some(path) = path.strip_prefix("deleted/C/") else {
            assert!(member.recovered.is_none(), "{path}");
            continue;
        };
        if member.data.is_some() {
            assert!(member.recovered.is_some(), "{path}");
            let kind = LossKind::Recovered.as_str();
            assert!(member.losses.iter().any(|loss| loss.kind == kind), "{path}");
            found.insert(path.to_owned(), member);
        }
    }
    (found, count)
}

/// Everything that is called sure and has other bytes than it had.
fn lies(found: &BTreeMap<String, Member>, truth: &Truth) -> Vec<String> {
    let mut lies = Vec::new();
    for (path, member) in found {
        if member.certainty() != Some(Certainty::Sure) {
            continue;
        }
        // Where the record of a folder was used again, what is above it may not be known.
        let mut names = path.split('/');
        let below = match names.next() {
            Some("$Orphans") => names.skip(1).collect::<Vec<_>>().join("/"),
            _ => path.clone(),
        };
        let is_it = |own: &&String| **own == below || below != *path && own.ends_with(&below);
        let own = member.data.as_ref().map(|own| own.sha256.as_str()).unwrap_or_default();
        let mut candidates = truth.0.iter().filter(|(own, _)| is_it(own)).map(|(_, truth)| truth);
        let Some((_, stream)) = candidates.find(|(data, _)| data == own) else {
            lies.push(format!("{path} has other bytes"));
            continue;
        };
        let streams: Vec<_> = member.streams.iter().map(|own| own.data.sha256.clone()).collect();
        if streams != stream.iter().cloned().collect::<Vec<_>>() {
            lies.push(format!("{path} has another stream"));
        }
    }
    lies
}

/// A volume with deleted files, and what was on it.
fn scene(seed: u64) -> (Image, Truth) {
    let mut rng = Rng::new(seed);
    let mut truth = Truth::default();
    let cluster = *rng.pick(&["512", "1024", "4096", "8192"]);
    let image = Image::make(24 << 20, &["-c", cluster]);
    image.fill(RW, |root| before(root, &mut truth, &mut rng));
    let records = Records::of(&fs::read(image.path()).unwrap());
    image.fill(RW, |root| delete(root, &mut rng));
    image.fill(RW, |root| reuse(root, &mut truth, &mut rng));
    if seed % 2 == 1 {
        let mut bytes = fs::read(image.path()).unwrap();
        assert!(records.as_windows_leaves(&mut bytes) > 0);
        if rng.one_in(2) {
            records.empty_one(&mut bytes, rng.index(5));
        }
        fs::write(image.path(), bytes).unwrap();
    }
    (image, truth)
}

#[test]
fn every_file_that_is_called_sure_has_its_old_bytes() {
    need!("fuse");
    let seeds = seeds();
    let next = AtomicU64::new(seeds.start);
    let all = Mutex::new((RecoveredCount::default(), Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        break;
                    }
                    let (image, truth) = scene(seed);
                    let (found, count) = recover(&image, seed % 3 != 0);
                    let lies = lies(&found, &truth);
                    let mut all = all.lock().unwrap();
                    all.0.join(&count);
                    all.1.extend(lies.into_iter().map(|lie| format!("seed {seed}: {lie}")));
                }
            });
        }
    });
    let (count, lies) = all.into_inner().unwrap();
    println!("{} deleted files: {}", count.files, count.words());
    assert!(lies.is_empty(), "{} of {seeds:?}:\n{}", lies.len(), lies.join("\n"));
    // All kinds occur, and sure is not rare.
    let seeds = seeds.end - seeds.start;
    if seeds >= SEEDS {
        assert!(count.sure > 10 * seeds, "{count:?}");
        assert!(count.unproven > seeds && count.part > seeds / 2, "{count:?}");
        assert!(count.overwritten > seeds, "{count:?}");
    }
}
