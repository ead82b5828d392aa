//! Files that are really deleted, and recovered: every one that is called sure has exactly its
//! old bytes. So has every one that is called likely, unless a file that exists had used its
//! clusters and was then written anew elsewhere (every fifth volume): nothing on a volume shows
//! that. Every fourth volume has a seal from before, which proves files.
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
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use lifeboat::destination::Missing;
use lifeboat::destination::directory::DirectoryDestination;
use lifeboat::health::Check;
use lifeboat::model::loss::LossKind;
use lifeboat::model::metadata::FileTime;
use lifeboat::model::monitor::{Monitor, Progress, Silent, Stage};
use lifeboat::model::name::NtPath;
use lifeboat::model::recovered::{Certainty, RecoveredCount};
use lifeboat::offload::OffloadRequest;
use lifeboat::seal::{SealOptions, seal_store};
use lifeboat::set::error::SetError;
use lifeboat::set::format::hash::sha256_hex;
use lifeboat::set::format::manifest::Member;
use lifeboat::set::format::rescue::{EndState, Machine as SetMachine};
use lifeboat::set::read::reader::SetReader;
use lifeboat::set::read::verify::{Level as VerifyLevel, verify_set};
use lifeboat::set::write::level::Level;
use lifeboat::set::write::parts::{FolderPath, folders};
use lifeboat::set::write::writer::Outcome;
use lifeboat::tree::Tree;
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
/// that is used a third time leaves no trace of the second. `rewrites`: some that stay are written
/// anew, elsewhere.
fn reuse(root: &Path, truth: &mut Truth, rng: &mut Rng, rewrites: bool) {
    let mut made = Vec::new();
    for i in 0..rng.between(5, 40) {
        let path = format!("Windows/new {i}.dll");
        let size = usize::try_from(rng.below(60_000)).unwrap();
        truth.write(root, &path, &noise(rng.next_u64(), size));
        made.push(path);
    }
    for path in made.iter().filter(|_| rewrites) {
        let size = usize::try_from(rng.between(60_000, 120_000)).unwrap();
        truth.write(root, path, &noise(rng.next_u64(), size));
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

/// Saves the store, or the whole volume, with its deleted files.
fn offload(
    image: &Image,
    to: &DirectoryDestination,
    is_store: bool,
    monitor: &dyn Monitor,
) -> Result<Outcome, SetError> {
    let tree = NtfsTree::open(image.device(), "disk".into(), &Silent).unwrap();
    let volumes = volume(tree);
    let request = OffloadRequest {
        level: Level::Fixed(1),
        frame_bytes: Some(16 << 10),
        read_back: false,
        deleted: true,
        ..OffloadRequest::default()
    };
    let machine = Machine::default();
    if is_store {
        let (stores, _) = find_stores(&volumes, &Silent);
        request.save_store(&stores[0], &machine, &Check::default(), to, monitor)
    } else {
        let root = [FolderPath::parse("\\").unwrap()];
        let (mut sets, _) = folders(&root, &volumes);
        request.save_folders(sets.remove(0), &[], &[], &machine, to, monitor)
    }
}

/// The members below `deleted/C/`, by path.
fn recover(image: &Image, is_store: bool) -> (BTreeMap<String, Member>, RecoveredCount) {
    let scratch = tempfile::tempdir().unwrap();
    let to = Arc::new(DirectoryDestination::open(scratch.path(), Missing::Make).unwrap());
    let saved = offload(image, &to, is_store, &Silent).unwrap();
    assert_ne!(saved.rescue.end_state, EndState::Saved, "recovered is never saved");
    assert!(saved.rescue.parts.iter().all(|part| part.drive == "C"), "no part of the store");
    let count = saved.rescue.totals.recovered.unwrap_or_default();
    let verified = verify_set(Arc::clone(&to) as Arc<_>, &saved.set, VerifyLevel::Full, &Silent);
    assert_eq!(verified.unwrap().damage, 0);
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

/// Everything that is called so, and has other bytes than it had.
fn lies(found: &BTreeMap<String, Member>, truth: &Truth, called: Certainty) -> Vec<String> {
    let mut lies = Vec::new();
    for (path, member) in found {
        if member.certainty() != Some(called) {
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

fn is_sealed(seed: u64) -> bool {
    seed % 4 == 3
}

fn is_rewritten(seed: u64) -> bool {
    seed % 5 == 4
}

/// Seals the store, and puts the seal beside it.
fn seal(image: &Image) {
    let tree = NtfsTree::open(image.device(), "disk".into(), &Silent).unwrap();
    let volumes = volume(tree);
    let (stores, _) = find_stores(&volumes, &Silent);
    let scratch = tempfile::tempdir().unwrap();
    fs::create_dir(scratch.path().join("USMT")).unwrap();
    let options =
        SealOptions { quick: false, machine: SetMachine::default(), created: FileTime::now() };
    let made = seal_store(&stores[0], scratch.path(), &options, &Silent).unwrap();
    let name = made.path.file_name().unwrap();
    image.fill(RW, |root| {
        fs::copy(&made.path, root.join("StateStore").join(name)).unwrap();
    });
}

/// A volume with deleted files, and what was on it.
fn scene(seed: u64) -> (Image, Truth) {
    let mut rng = Rng::new(seed);
    let mut truth = Truth::default();
    let cluster = *rng.pick(&["512", "1024", "4096", "8192"]);
    let image = Image::make(24 << 20, &["-c", cluster]);
    image.fill(RW, |root| before(root, &mut truth, &mut rng));
    if is_sealed(seed) {
        seal(&image);
    }
    let records = Records::of(&fs::read(image.path()).unwrap());
    image.fill(RW, |root| delete(root, &mut rng));
    image.fill(RW, |root| reuse(root, &mut truth, &mut rng, is_rewritten(seed)));
    if !seed.is_multiple_of(2) {
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
    let all = Mutex::new((RecoveredCount::default(), Vec::new(), 0, [0; 2]));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        break;
                    }
                    let (image, truth) = scene(seed);
                    let (found, count) = recover(&image, !seed.is_multiple_of(3));
                    let mut wrong = lies(&found, &truth, Certainty::Sure);
                    let mut unlikely = lies(&found, &truth, Certainty::Likely);
                    let mut all = all.lock().unwrap();
                    all.0.join(&count);
                    if is_rewritten(seed) {
                        all.2 += unlikely.len();
                    } else {
                        wrong.append(&mut unlikely);
                    }
                    all.3[usize::from(is_sealed(seed))] += count.sure;
                    all.1.extend(wrong.into_iter().map(|lie| format!("seed {seed}: {lie}")));
                }
            });
        }
    });
    let (count, lies, unlikely, [unsealed, sealed]) = all.into_inner().unwrap();
    println!("{} deleted files: {}", count.files, count.words());
    println!(
        "{unlikely} likely ones are of rewritten files; {sealed} of the sure ones have a seal"
    );
    assert!(lies.is_empty(), "{} of {seeds:?}:\n{}", lies.len(), lies.join("\n"));
    // All kinds occur, and sure and likely are not rare.
    let seeds = seeds.end - seeds.start;
    if seeds >= SEEDS {
        assert!(count.likely > 5 * seeds && unsealed > seeds, "{count:?}");
        assert!(sealed > 5 * seeds / 4, "{count:?}");
        assert!(count.unproven > seeds && count.part > seeds / 2, "{count:?}");
        assert!(count.overwritten > seeds, "{count:?}");
    }
}

/// Stops the copy once so many bytes were read.
struct StopAt {
    bytes: u64,
    copies: AtomicBool,
    stops: AtomicBool,
}

impl Monitor for StopAt {
    fn stage(&self, stage: Stage, _on: &str) {
        self.copies.store(stage == Stage::Copy, Ordering::Relaxed);
    }
    fn progress(&self, progress: Progress) {
        if self.copies.load(Ordering::Relaxed) && progress.bytes >= self.bytes {
            self.stops.store(true, Ordering::Relaxed);
        }
    }
    fn is_cancelled(&self) -> bool {
        self.stops.load(Ordering::Relaxed)
    }
}

#[test]
fn an_interrupted_recovery_resumes_and_ends_as_an_unbroken_one() {
    need!("fuse");
    let (image, _) = scene(7);
    let scratch = tempfile::tempdir().unwrap();
    let dest = |name: &str| {
        Arc::new(DirectoryDestination::open(&scratch.path().join(name), Missing::Make).unwrap())
    };
    let to = dest("unbroken");
    let unbroken = offload(&image, &to, true, &Silent).unwrap();
    let set = |to: &Arc<DirectoryDestination>, name: &str| {
        SetReader::open(Arc::clone(to) as Arc<_>, name).unwrap()
    };
    let members = members::of(&set(&to, &unbroken.set));
    let store = fs::read(scratch.path().join("unbroken").join(&unbroken.set).join("store.tar.zst"));
    let store = store.unwrap();
    let bytes = unbroken.rescue.totals.bytes;
    let mut resumed = 0;
    for part in 1..8 {
        let stop = StopAt {
            bytes: bytes * part / 8,
            copies: AtomicBool::new(false),
            stops: AtomicBool::new(false),
        };
        let (name, to) = (format!("broken {part}"), dest(&format!("broken {part}")));
        let broken = offload(&image, &to, true, &stop);
        assert!(matches!(broken, Err(SetError::Cancelled { .. })), "{part}");
        let done = offload(&image, &to, true, &Silent).unwrap();
        resumed += u64::from(done.resumed_frames > 0);
        assert_eq!(done.rescue.totals, unbroken.rescue.totals, "{part}");
        assert_eq!(members::of(&set(&to, &done.set)), members, "{part}");
        let again = fs::read(scratch.path().join(name).join(&done.set).join("store.tar.zst"));
        assert!(again.unwrap() == store, "{part}: other bytes");
    }
    assert!(resumed > 3, "{resumed} were resumed");
}

/// An SSD that was told to forget (TRIM) returns zeros, and the records know nothing of it.
#[test]
fn clusters_that_read_as_zeros_are_not_sure() {
    need!("fuse");
    let image = Image::make(16 << 20, &["-c", "4096"]);
    let mut truth = Truth::default();
    image.fill(RW, |root| {
        let path = format!("{USERS}/alice/erased.docx");
        truth.write(root, &path, &noise(1, 50_000));
        truth.write(root, &format!("{USERS}/alice/kept.docx"), &noise(2, 50_000));
        truth.write(root, "StateStore/USMT/catalog.mig", &noise(3, 100));
        truth.write(root, "StateStore/USMT/MIGSTATE.DAT", &noise(4, 100));
    });
    let sound = fs::read(image.path()).unwrap();
    image.fill(RW, |root| fs::remove_dir_all(root.join(USERS)).unwrap());
    let erased = noise(1, 50_000);
    let at = sound.windows(64).position(|bytes| *bytes == erased[4096..4160]).unwrap();
    image.overwrite(at as u64, &[0; 4096]);
    let (found, count) = recover(&image, true);
    let erased = &found[&format!("{USERS}/alice/erased.docx")];
    assert_eq!(erased.certainty(), Some(Certainty::Unproven));
    let why = &erased.losses[0].detail;
    assert!(
        why.contains("4096 of its bytes read as zeros or ones") && why.contains("TRIM"),
        "{why}"
    );
    assert_eq!((count.likely, count.unproven), (1, 1), "{count:?}");
    assert_eq!(lies(&found, &truth, Certainty::Likely), [""; 0]);
}

/// A volume that was not closed: its bitmap may be older than its files.
#[test]
fn nothing_is_sure_on_a_volume_that_was_not_closed() {
    need!("fuse");
    let (image, _) = scene(2);
    let volume = fs::read(image.path()).unwrap();
    // The dirty flag in the record of $Volume (MS: VOLUME_INFORMATION, 0x70).
    let name: Vec<u8> = "Lifeboat test".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let at = volume.windows(name.len()).position(|bytes| bytes == name).unwrap();
    let record = at / 1024 * 1024;
    let information = (record..record + 1024)
        .step_by(8)
        .find(|at| volume[*at..*at + 4] == [0x70, 0, 0, 0])
        .unwrap();
    let value = information + usize::from(volume[information + 0x14]);
    image.overwrite(value as u64 + 10, &[volume[value + 10] | 1]);
    let (_, count) = recover(&image, true);
    assert!(count.sure + count.likely == 0 && count.unproven > 10, "{count:?}");
}

/// The record of a deleted folder is used again: its name stands in the slack of the index above.
#[test]
fn a_lost_folder_has_its_name_from_index_slack() {
    need!("fuse");
    let image = Image::make(16 << 20, &["-c", "4096"]);
    let mut truth = Truth::default();
    image.fill(RW, |root| {
        for i in 0..40 {
            let path = format!("{USERS}/a user with a name of some length {i:02}/letter.docx");
            truth.write(root, &path, &noise(i, 9000));
        }
        truth.write(root, "StateStore/USMT/catalog.mig", &noise(3, 100));
        truth.write(root, "StateStore/USMT/MIGSTATE.DAT", &noise(4, 100));
    });
    image.fill(RW, |root| {
        for i in 30..40 {
            let user = format!("a user with a name of some length {i:02}");
            fs::remove_dir_all(root.join(USERS).join(user)).unwrap();
        }
    });
    // A few records of folders and files are used again.
    image.fill(RW, |root| {
        for i in 0..7 {
            fs::write(root.join(format!("new {i}")), "in its record").unwrap();
        }
    });
    let tree = NtfsTree::open(image.device(), "disk".into(), &Silent).unwrap();
    let below = |path: &NtPath| path.to_string().starts_with("StateStore/");
    let found = tree.deleted(&below, &Silent).unwrap();
    let letters = |is_only_a_name: bool| {
        let files = found.iter().filter(|file| !file.is_directory);
        files.filter(|file| file.is_name_only == is_only_a_name).count()
    };
    let folders: std::collections::BTreeSet<_> =
        found.iter().filter(|file| file.is_directory).map(|file| file.record).collect();
    let lost = found
        .iter()
        .filter(|file| !file.is_directory && !file.is_name_only)
        .map(|file| file.folder.to_string())
        .filter(|folder| !found.iter().any(|f| f.is_directory && f.path().to_string() == *folder))
        .count();
    println!("{} letters, {lost} of lost folders, {} folders", letters(false), folders.len());
    assert!(lost > 0, "no folder was named from slack");
    for file in found.iter().filter(|file| !file.is_directory) {
        assert!(truth.0.contains_key(&file.path().to_string()), "{}", file.path());
    }
}

/// A file of a hard-link store had a name among the user's files, too. If that one was deleted
/// last, the record has only that; the store's name is in the index of its folder.
#[test]
fn a_file_whose_other_name_was_deleted_later_is_found_by_index_slack() {
    need!("fuse");
    let image = Image::make(16 << 20, &["-c", "4096"]);
    let mut truth = Truth::default();
    image.fill(RW, |root| {
        for i in 0..60 {
            let path = format!("{USERS}/alice/a letter with a name of some length {i:02}.docx");
            truth.write(root, &path, &noise(i, 9000));
            fs::create_dir_all(root.join("Users/alice")).unwrap();
            fs::hard_link(root.join(&path), root.join(format!("Users/alice/{i:02}"))).unwrap();
        }
        truth.write(root, "StateStore/USMT/catalog.mig", &noise(3, 100));
        truth.write(root, "StateStore/USMT/MIGSTATE.DAT", &noise(4, 100));
    });
    image.fill(RW, |root| {
        for i in 40..60 {
            let name = format!("alice/a letter with a name of some length {i:02}.docx");
            fs::remove_file(root.join(USERS).join(name)).unwrap();
            fs::remove_file(root.join(format!("Users/alice/{i:02}"))).unwrap();
        }
    });
    let (found, count) = recover(&image, true);
    assert!(count.likely > 3, "{count:?}");
    assert_eq!(lies(&found, &truth, Certainty::Likely), [""; 0]);
}
