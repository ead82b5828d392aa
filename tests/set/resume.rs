//! A rescue that was broken off goes on where it stopped, and what comes of it
//! is byte for byte the set of a run that was never broken.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;

use lifeboat::destination::directory::DirectoryDestination;
use lifeboat::destination::retry::{RETRY_FOR, RetryDestination};
use lifeboat::destination::{
    Destination, DestinationEntry, DestinationError, DestinationFile, ErrorKind, Missing, Space,
};
use lifeboat::model::loss::{Hole, Loss};
use lifeboat::model::metadata::FileTime;
use lifeboat::model::monitor::{Collect, Monitor, Progress, Silent};
use lifeboat::set::error::SetError;
use lifeboat::set::format::kinds::SetKind;
use lifeboat::set::format::rescue::What;
use lifeboat::set::read::verify::{Level, verify_set};
use lifeboat::set::write::writer::{OffloadOptions, Outcome, Resume, offload};
use lifeboat::tree::memory::{MemoryData, MemoryTree};
use support::sets::{self, contents, plan, scratch};

/// A folder behind a program that dies: after so many steps nothing that would
/// change the folder is done any more, and the step in which it dies is torn.
struct Mortal {
    folder: DirectoryDestination,
    life: Arc<ProcessIdentity>,
    /// What this user may not look into.
    denied: Option<String>,
}

struct MortalFile {
    file: Box<dyn DestinationFile>,
    life: Arc<ProcessIdentity>,
}

struct ProcessIdentity {
    steps: AtomicU64,
    /// The step in which it dies.
    last: u64,
    /// Every so many steps there is trouble that passes.
    hiccup: u64,
}

impl ProcessIdentity {
    fn step(&self) -> Result<(), DestinationError> {
        let step = self.steps.fetch_add(1, SeqCst);
        if step >= self.last {
            return Err(trouble(ErrorKind::Unreachable, "dead"));
        }
        if step % self.hiccup == self.hiccup - 1 {
            return Err(trouble(ErrorKind::Transient, "network name gone"));
        }
        Ok(())
    }

    fn is_last(&self) -> bool {
        self.steps.load(SeqCst) == self.last
    }
}

fn trouble(kind: ErrorKind, what: &str) -> DestinationError {
    let (path, what, action) = (String::new(), what.to_owned(), String::new());
    DestinationError { kind, path, what, action, source: None }
}

impl Mortal {
    fn new(dir: &Path, last: u64) -> Self {
        Self::with_hiccups(dir, last, u64::MAX)
    }

    fn with_hiccups(dir: &Path, last: u64, hiccup: u64) -> Self {
        let folder = DirectoryDestination::open(dir, Missing::Make).unwrap();
        Self {
            folder,
            life: Arc::new(ProcessIdentity { steps: AtomicU64::new(0), last, hiccup }),
            denied: None,
        }
    }

    fn file(&self, file: Box<dyn DestinationFile>) -> Box<dyn DestinationFile> {
        Box::new(MortalFile { file, life: Arc::clone(&self.life) })
    }
}

impl Destination for Mortal {
    fn display(&self, path: &str) -> String {
        self.folder.display(path)
    }
    fn list(&self, dir: &str) -> Result<Vec<DestinationEntry>, DestinationError> {
        self.folder.list(dir)
    }
    fn stat(&self, path: &str) -> Result<Option<DestinationEntry>, DestinationError> {
        if self.denied.as_ref().is_some_and(|denied| path.starts_with(denied)) {
            return Err(trouble(ErrorKind::Denied, "access is denied"));
        }
        self.folder.stat(path)
    }
    fn create_dir_all(&self, dir: &str) -> Result<(), DestinationError> {
        self.life.step()?;
        self.folder.create_dir_all(dir)
    }
    fn create(&self, path: &str) -> Result<Box<dyn DestinationFile>, DestinationError> {
        self.life.step()?;
        Ok(self.file(self.folder.create(path)?))
    }
    fn open_rw(&self, path: &str) -> Result<Box<dyn DestinationFile>, DestinationError> {
        Ok(self.file(self.folder.open_rw(path)?))
    }
    fn open(&self, path: &str) -> Result<Box<dyn DestinationFile>, DestinationError> {
        self.folder.open(path)
    }
    fn rename(&self, from: &str, to: &str) -> Result<(), DestinationError> {
        self.life.step()?;
        self.folder.rename(from, to)
    }
    fn remove_file(&self, path: &str) -> Result<(), DestinationError> {
        self.life.step()?;
        self.folder.remove_file(path)
    }
    fn remove_dir(&self, path: &str) -> Result<(), DestinationError> {
        self.life.step()?;
        self.folder.remove_dir(path)
    }
    fn space(&self) -> Result<Option<Space>, DestinationError> {
        self.folder.space()
    }
}

impl DestinationFile for MortalFile {
    fn write_all_at(&mut self, offset: u64, data: &[u8]) -> Result<(), DestinationError> {
        if self.life.is_last() {
            // The write in which it dies gets half of its way.
            self.file.write_all_at(offset, &data[..data.len() / 2])?;
        }
        self.life.step()?;
        self.file.write_all_at(offset, data)
    }
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize, DestinationError> {
        self.file.read_at(offset, buf)
    }
    fn size(&mut self) -> Result<u64, DestinationError> {
        self.file.size()
    }
    fn set_size(&mut self, bytes: u64) -> Result<(), DestinationError> {
        self.life.step()?;
        self.file.set_size(bytes)
    }
    fn sync(&mut self) -> Result<(), DestinationError> {
        Ok(()) // the medium is the memory here; flushing costs the tests' time
    }
    fn close(self: Box<Self>) -> Result<(), DestinationError> {
        Ok(())
    }
}

/// Small frames: a checkpoint every 128 KiB.
fn options() -> OffloadOptions {
    let (what, kind) = (What::Folder, SetKind::Folder);
    OffloadOptions { frame_bytes: 4096, resume: Resume::Auto, what, kind, ..sets::options() }
}

fn never() -> OffloadOptions {
    OffloadOptions { resume: Resume::Never, ..options() }
}

/// Files that span checkpoints, holes that do, and losses before and after.
fn tree() -> MemoryTree {
    let mut tree = MemoryTree::new("x", 1);
    let at = |name: &str| format!("StateStore/USMT/File/{name}");
    let mut data = MemoryData::pattern(1, 400_000);
    data.holes = (0..40)
        .map(|i| Hole { offset: i * 9000, length: 5000, reason: format!("sector {i}") })
        .collect();
    tree.file(at("a").as_str(), data);
    let id = tree.file(at("b").as_str(), MemoryData::pattern(2, 10));
    tree.stream(id, "s", MemoryData::pattern(3, 200_000));
    let mut data = MemoryData::pattern(4, 150_000);
    data.fails_at = Some(20_000);
    tree.stream(id, "t", data);
    tree.link(id, at("z").as_str());
    for i in 0..60 {
        tree.file(at(&format!("small {i}")).as_str(), MemoryData::pattern(i, 1000));
    }
    tree
}

/// Compares by name first, so that a difference can be read.
fn same(found: &Set, whole: &Set, when: &str) {
    let names = |set: &Set| set.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>();
    assert_eq!(names(found), names(whole), "{when}");
    for (a, b) in found.iter().zip(whole) {
        let text =
            |set: &Option<Vec<u8>>| set.as_ref().map(|b| String::from_utf8_lossy(b).into_owned());
        assert!(a == b, "{when}: {} differs: {:?} {:?}", a.0.display(), text(&a.1), text(&b.1));
    }
}

type Set = Vec<(PathBuf, Option<Vec<u8>>)>;

fn losses(monitor: Collect) -> Vec<Loss> {
    monitor.losses.into_inner().unwrap()
}

fn reference(tree: &MemoryTree, options: &OffloadOptions) -> (Set, Vec<Loss>) {
    let dir = scratch();
    let monitor = Collect::default();
    offload(&plan(tree), &Mortal::new(dir.path(), u64::MAX), options, &monitor).unwrap();
    (contents(dir.path()), losses(monitor))
}

fn go_on(tree: &MemoryTree, dir: &Path, options: &OffloadOptions) -> (Outcome, Vec<Loss>) {
    let monitor = Collect::default();
    let outcome = offload(&plan(tree), &Mortal::new(dir, u64::MAX), options, &monitor).unwrap();
    (outcome, losses(monitor))
}

/// Kills a run at every single step and goes on each time.
fn kill_everywhere(options: &OffloadOptions) {
    let tree = tree();
    let plan = plan(&tree);
    let (whole, all_losses) = reference(&tree, options);
    assert_eq!(all_losses.len(), 2);
    let mut resumed = 0;
    for last in 0.. {
        let dir = scratch();
        if offload(&plan, &Mortal::new(dir.path(), last), options, &Silent).is_ok() {
            assert!(last > 100, "{last} steps only");
            break;
        }
        let published = contents(dir.path()).iter().any(|(path, _)| {
            path.file_name().is_some_and(|name| name == "rescue.json")
                && !path.parent().unwrap().to_str().unwrap().ends_with(".partial")
        });
        assert!(!published, "published at step {last}, and then it died");
        let (outcome, told) = go_on(&tree, dir.path(), options);
        resumed += u32::from(outcome.resumed_frames > 0);
        same(&contents(dir.path()), &whole, &format!("after {last} steps"));
        assert_eq!(told, all_losses, "after {last} steps");
    }
    assert!(resumed > 50, "only {resumed} went on");
}

#[test]
fn killed_at_any_step_it_becomes_the_same_set() {
    kill_everywhere(&options());
}

#[test]
fn volumes_survive_a_kill_as_well() {
    kill_everywhere(&OffloadOptions { split: Some(60_000), ..options() });
}

#[test]
fn killed_again_and_again_it_gets_there() {
    let tree = tree();
    let plan = plan(&tree);
    let (whole, all_losses) = reference(&tree, &options());
    let dir = scratch();
    let mut runs = 0;
    // Each run lives long enough for the next checkpoint.
    let told = loop {
        let monitor = Collect::default();
        match offload(&plan, &Mortal::new(dir.path(), 50), &options(), &monitor) {
            Ok(_) => break losses(monitor),
            Err(_) => runs += 1,
        }
        assert!(runs < 50, "it makes no progress");
    };
    assert!(runs >= 3);
    assert!(contents(dir.path()) == whole);
    assert_eq!(told, all_losses);
}

#[test]
fn transient_errors_leave_no_trace() {
    let tree = tree();
    let (whole, all_losses) = reference(&tree, &options());
    let dir = scratch();
    let monitor = Arc::new(Collect::default());
    let target = Mortal::with_hiccups(dir.path(), u64::MAX, 25);
    let target = RetryDestination::new(Arc::new(target), RETRY_FOR, Arc::clone(&monitor) as _);
    offload(&plan(&tree), &target, &options(), &*monitor).unwrap();
    same(&contents(dir.path()), &whole, "with hiccups");
    let notes = monitor.notes.lock().unwrap().clone();
    assert!(notes.len() > 3, "{notes:?}");
    let expected = ["trying again", "works again", "files that failed at first"];
    let expected = |note: &String| expected.iter().any(|part| note.contains(part));
    assert!(notes.iter().all(expected), "{notes:?}");
    assert_eq!(*monitor.losses.lock().unwrap(), all_losses);

    // Borne only so long.
    let dir = scratch();
    let target = Mortal::with_hiccups(dir.path(), u64::MAX, 1);
    let bound = std::time::Duration::from_millis(600);
    let target = RetryDestination::new(Arc::new(target), bound, Arc::new(Silent));
    let began = std::time::Instant::now();
    match offload(&plan(&tree), &target, &options(), &Silent) {
        Err(SetError::Destination(error)) => assert_eq!(error.kind, ErrorKind::Transient),
        other => unreachable!("{other:?}"),
    }
    assert!(began.elapsed() < std::time::Duration::from_secs(5));
}

#[test]
fn a_level_chosen_automatically_is_kept() {
    let tree = tree();
    let (whole, _) = reference(&tree, &options());
    let dir = scratch();
    stop(&tree, dir.path(), 500_000);
    // This time the target was found slower.
    let other = OffloadOptions { level: 9, any_level: true, ..options() };
    let (outcome, _) = go_on(&tree, dir.path(), &other);
    assert!(outcome.resumed_frames >= 96);
    assert_eq!(outcome.rescue.options.level, options().level);
    same(&contents(dir.path()), &whole, "at its own level");
}

#[test]
fn two_runs_never_write_one_set() {
    /// Holds the first run up in the middle until it is let go.
    struct Held {
        at: u64,
        reached: std::sync::mpsc::Sender<()>,
        go: std::sync::Mutex<std::sync::mpsc::Receiver<()>>,
    }
    impl Monitor for Held {
        fn progress(&self, progress: Progress) {
            if progress.bytes >= self.at && self.reached.send(()).is_ok() {
                let _ = self.go.lock().unwrap().recv();
            }
        }
    }
    let tree = tree();
    let (whole, _) = reference(&tree, &options());
    let dir = scratch();
    let (reached, is_reached) = std::sync::mpsc::channel();
    let (go, may_go) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        let first = scope.spawn(|| {
            let held = Held { at: 500_000, reached, go: std::sync::Mutex::new(may_go) };
            let target = Mortal::new(dir.path(), u64::MAX);
            offload(&plan(&tree), &target, &options(), &held).map(drop)
        });
        is_reached.recv().unwrap();
        let target = Mortal::new(dir.path(), u64::MAX);
        let second = offload(&plan(&tree), &target, &options(), &Silent);
        assert!(matches!(second, Err(SetError::InUse { .. })), "{second:?}");
        drop(is_reached);
        drop(go);
        first.join().unwrap().unwrap();
    });
    same(&contents(dir.path()), &whole, "with another run about");
}

/// Stops after so many bytes.
struct Stop {
    after: u64,
    bytes: AtomicU64,
}

impl Monitor for Stop {
    fn progress(&self, progress: Progress) {
        self.bytes.store(progress.bytes, SeqCst);
    }
    fn is_cancelled(&self) -> bool {
        self.bytes.load(SeqCst) >= self.after
    }
}

fn stop(tree: &MemoryTree, dir: &Path, after: u64) -> String {
    let stop = Stop { after, bytes: AtomicU64::new(0) };
    let target = DirectoryDestination::open(dir, lifeboat::destination::Missing::Make).unwrap();
    match offload(&plan(tree), &target, &options(), &stop) {
        Err(SetError::Cancelled { set: Some(set) }) => set,
        other => unreachable!("not cancelled: {other:?}"),
    }
}

fn file(dir: &Path, name: &str) -> PathBuf {
    let all = contents(dir);
    let found = all.iter().find(|(path, _)| path.file_name().is_some_and(|n| n == name));
    dir.join(&found.unwrap().0)
}

#[test]
fn stopped_by_the_user_it_resumes() {
    let tree = tree();
    let (whole, _) = reference(&tree, &options());
    let dir = scratch();
    let set = stop(&tree, dir.path(), 500_000);
    assert!(set.ends_with(".partial"));
    // Another clock and another number of threads make no difference.
    let later = OffloadOptions { created: FileTime::now(), threads: Some(1), ..options() };
    let (outcome, _) = go_on(&tree, dir.path(), &later);
    assert!(outcome.resumed_frames >= 96);
    assert!(contents(dir.path()) == whole);
    let folder: Arc<dyn Destination> = Arc::new(
        DirectoryDestination::open(dir.path(), lifeboat::destination::Missing::Make).unwrap(),
    );
    let verified = verify_set(folder, &outcome.set, Level::Full, &Silent).unwrap();
    assert_eq!((verified.damage, verified.totals), (0, outcome.rescue.totals));
}

#[test]
fn a_changed_source_is_never_mixed_in() {
    let old = tree();
    let dir = scratch();
    let set = stop(&old, dir.path(), 500_000);
    let before = contents(dir.path());
    let mut new = tree();
    let id = lifeboat::tree::Tree::lookup(&new, &"StateStore/USMT/File/small 7".into()).unwrap();
    new.edit(id).node.times.modified.0 += 1;

    let name = Path::new(&set).file_name().unwrap().to_str().unwrap().to_owned();
    let this = OffloadOptions { resume: Resume::This(name), ..options() };
    let target =
        DirectoryDestination::open(dir.path(), lifeboat::destination::Missing::Make).unwrap();
    let refused = offload(&plan(&new), &target, &this, &Silent);
    assert!(matches!(refused, Err(SetError::SourceChanged { .. })), "{refused:?}");
    assert!(contents(dir.path()) == before);

    // Nor without naming it; asked for by name, a new set is begun beside it.
    let refused = offload(&plan(&new), &target, &options(), &Silent);
    assert!(matches!(refused, Err(SetError::SourceChanged { .. })), "{refused:?}");
    assert!(contents(dir.path()) == before);
    let later = OffloadOptions { created: FileTime::now(), ..never() };
    let outcome = offload(&plan(&new), &target, &later, &Silent).unwrap();
    assert_eq!(outcome.resumed_frames, 0);
    let unfinished = before.iter().all(|entry| contents(dir.path()).contains(entry));
    assert!(unfinished, "the unfinished set was touched");
    // Other options would give other bytes.
    let monitor = Collect::default();
    let other = OffloadOptions { level: 4, ..options() };
    let outcome = offload(&plan(&old), &target, &other, &monitor).unwrap();
    assert_eq!(outcome.resumed_frames, 0);
    assert!(monitor.notes.into_inner().unwrap()[0].contains("not changed"));
    // And the source as it was still goes on.
    let (outcome, _) = go_on(&old, dir.path(), &options());
    assert!(outcome.resumed_frames > 0);
}

/// One large file, of which a run saved a part.
fn large(seed: u64) -> MemoryTree {
    let mut tree = MemoryTree::new("x", 1);
    tree.file("StateStore/USMT/File/mail.pst", MemoryData::pattern(seed, 1_000_000));
    tree
}

/// The plan has sizes and times; a disk that was imaged or mended in between may have others'
/// bytes under them.
#[test]
fn a_file_whose_bytes_were_changed_between_two_runs_is_not_mixed() {
    let dir = scratch();
    stop(&large(1), dir.path(), 500_000);
    let target =
        DirectoryDestination::open(dir.path(), lifeboat::destination::Missing::Make).unwrap();
    let refused = offload(&plan(&large(2)), &target, &options(), &Silent);
    let Err(SetError::SourceChanged { set }) = &refused else { panic!("{refused:?}") };
    assert!(set.ends_with("mail.pst"), "{set}");
    let (outcome, _) = go_on(&large(1), dir.path(), &options());
    assert!(outcome.resumed_frames > 0);
    let (whole, _) = reference(&large(1), &options());
    same(&contents(dir.path()), &whole, "after the right bytes were there again");
}

#[test]
fn what_rotted_meanwhile_is_written_again() {
    let tree = tree();
    let (whole, all_losses) = reference(&tree, &options());
    for (name, at) in [
        ("store.tar.zst.partial", 300_000),
        ("store.tar.zst.partial", 10),
        ("manifest.jsonl.zst.partial", 100),
        ("journal.jsonl", 800),
        ("journal.jsonl", 10),
    ] {
        let dir = scratch();
        stop(&tree, dir.path(), 500_000);
        let path = file(dir.path(), name);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[at] ^= 4;
        std::fs::write(&path, bytes).unwrap();
        let (_, told) = go_on(&tree, dir.path(), &options());
        let mut found = contents(dir.path());
        // A journal without its first line is no journal: begun anew, under another name, and
        // what was there stays.
        found.retain(|(path, _)| !path.to_str().unwrap().contains(".partial"));
        if (name, at) == ("journal.jsonl", 10) {
            assert!(path.exists());
            let of_store = |set: &Set| {
                let store = set.iter().find(|(path, _)| path.ends_with("store.tar.zst"));
                store.unwrap().1.clone()
            };
            assert!(of_store(&found) == of_store(&whole));
        } else {
            assert!(found == whole, "{name} at {at}");
        }
        assert_eq!(told, all_losses, "{name} at {at}");
    }
}

#[test]
fn a_set_that_rotted_before_it_was_published_is_mended() {
    let tree = tree();
    let plan = plan(&tree);
    let (whole, all_losses) = reference(&tree, &options());
    let mut mended = 0;
    for last in 200.. {
        let dir = scratch();
        if offload(&plan, &Mortal::new(dir.path(), last), &never(), &Silent).is_ok() {
            break;
        }
        let store = ["store.tar.zst", "store.tar.zst.partial"]
            .map(|name| contents(dir.path()).into_iter().find(|(p, _)| p.ends_with(name)));
        let path = dir.path().join(store.into_iter().flatten().next().unwrap().0);
        let mut bytes = std::fs::read(&path).unwrap();
        // With rescue.json, only the journal still knows what was written.
        let all = contents(dir.path());
        let there = |name: &str| all.iter().any(|(path, _)| path.ends_with(name));
        if there("rescue.json") && !there("journal.jsonl") {
            break; // the next test
        }
        bytes[200_000] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let (_, told) = go_on(&tree, dir.path(), &options());
        assert!(contents(dir.path()) == whole, "after {last} steps");
        assert_eq!(told, all_losses);
        mended += 1;
    }
    assert!(mended > 5);
}

/// A set that lacks nothing but its final name.
fn named_only(tree: &MemoryTree, dir: &Path) -> PathBuf {
    for last in 200.. {
        let _ = std::fs::remove_dir_all(dir);
        std::fs::create_dir(dir).unwrap();
        assert!(offload(&plan(tree), &Mortal::new(dir, last), &never(), &Silent).is_err());
        let all = contents(dir);
        let there = |name: &str| all.iter().any(|(path, _)| path.ends_with(name));
        if there("rescue.json") && !there("journal.jsonl") {
            return std::fs::read_dir(dir).unwrap().next().unwrap().unwrap().path();
        }
    }
    unreachable!("it goes on without end")
}

/// What is done to a set.
type Harm = (&'static str, fn(&Path));

#[test]
fn what_is_published_later_is_proved_first() {
    let tree = tree();
    let harms: [Harm; 9] = [
        ("nothing", |_| ()),
        ("the store is gone", |set| std::fs::remove_file(set.join("store.tar.zst")).unwrap()),
        ("the store is cut", |set| cut(&set.join("store.tar.zst"))),
        ("a bit of the store", |set| flipped(&set.join("store.tar.zst"))),
        ("a bit of the manifest", |set| flipped(&set.join("manifest.jsonl.zst"))),
        ("the sums are gone", |set| std::fs::remove_file(set.join("SHA256SUMS")).unwrap()),
        ("a bit of the sums", |set| flipped(&set.join("SHA256SUMS"))),
        ("the script is gone", |set| std::fs::remove_file(set.join("restore.cmd")).unwrap()),
        ("the store has no name", |set| {
            std::fs::rename(set.join("store.tar.zst"), set.join("store.tar.zst.partial")).unwrap();
        }),
    ];
    for (what, harm) in harms {
        let dir = scratch();
        let dir = dir.path().join("dest");
        let partial = named_only(&tree, &dir);
        harm(&partial);
        // Twice: it must not end in the same error for ever, either.
        for _ in 0..2 {
            let (outcome, _) = go_on(&tree, &dir, &options());
            let verified = verify_set(sets::target(&dir), &outcome.set, Level::Full, &Silent);
            assert_eq!(verified.unwrap().damage, 0, "{what}");
        }
        assert_eq!(partial.exists(), what != "nothing", "{what}");
    }
}

fn cut(path: &Path) {
    let bytes = std::fs::read(path).unwrap();
    std::fs::write(path, &bytes[..bytes.len() - 1000]).unwrap();
}

fn flipped(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn whole_volumes_that_a_sleeper_wrote_more_to_are_cut() {
    let tree = tree();
    let split = OffloadOptions { split: Some(100_000), ..options() };
    let (whole, _) = reference(&tree, &OffloadOptions { resume: Resume::Never, ..split.clone() });
    let dir = scratch();
    let stop = Stop { after: 500_000, bytes: AtomicU64::new(0) };
    let target = Mortal::new(dir.path(), u64::MAX);
    assert!(offload(&plan(&tree), &target, &split, &stop).is_err());
    let path = file(dir.path(), "store.tar.zst.001.partial");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.extend([7; 5000]);
    std::fs::write(&path, bytes).unwrap();
    go_on(&tree, dir.path(), &split);
    same(&contents(dir.path()), &whole, "with a volume that was too long");
}

#[test]
fn a_folder_that_loses_its_contents_with_its_name_is_no_set() {
    /// FUSE file systems for FAT did that.
    struct Forgets(DirectoryDestination, PathBuf);
    impl Destination for Forgets {
        fn display(&self, path: &str) -> String {
            self.0.display(path)
        }
        fn list(&self, dir: &str) -> Result<Vec<DestinationEntry>, DestinationError> {
            self.0.list(dir)
        }
        fn stat(&self, path: &str) -> Result<Option<DestinationEntry>, DestinationError> {
            self.0.stat(path)
        }
        fn create_dir_all(&self, dir: &str) -> Result<(), DestinationError> {
            self.0.create_dir_all(dir)
        }
        fn create(&self, path: &str) -> Result<Box<dyn DestinationFile>, DestinationError> {
            self.0.create(path)
        }
        fn open_rw(&self, path: &str) -> Result<Box<dyn DestinationFile>, DestinationError> {
            self.0.open_rw(path)
        }
        fn open(&self, path: &str) -> Result<Box<dyn DestinationFile>, DestinationError> {
            self.0.open(path)
        }
        fn rename(&self, from: &str, to: &str) -> Result<(), DestinationError> {
            self.0.rename(from, to)?;
            if !to.contains('/') {
                std::fs::remove_dir_all(self.1.join(to)).unwrap();
                std::fs::create_dir(self.1.join(to)).unwrap();
            }
            Ok(())
        }
        fn remove_file(&self, path: &str) -> Result<(), DestinationError> {
            self.0.remove_file(path)
        }
        fn remove_dir(&self, path: &str) -> Result<(), DestinationError> {
            self.0.remove_dir(path)
        }
        fn space(&self) -> Result<Option<Space>, DestinationError> {
            self.0.space()
        }
    }
    let dir = scratch();
    let folder = DirectoryDestination::open(dir.path(), Missing::Make).unwrap();
    let target = Forgets(folder, dir.path().to_owned());
    let error = offload(&plan(&tree()), &target, &options(), &Silent).unwrap_err();
    let SetError::Destination(error) = error else { unreachable!("{error}") };
    assert_eq!(error.kind, ErrorKind::Corrupted);
    assert!(error.to_string().contains("under its final name"), "{error}");
}

#[test]
fn links_in_an_unfinished_set_lead_nowhere() {
    use std::os::unix::fs::symlink;
    let tree = tree();
    let names = ["store.tar.zst.partial", "manifest.jsonl.zst.partial", "journal.jsonl", "in-use"];
    for name in names {
        for hard in [false, true] {
            let dir = scratch();
            let outside = dir.path().join("outside");
            let dest = dir.path().join("dest");
            std::fs::create_dir(&dest).unwrap();
            stop(&tree, &dest, 500_000);
            let set = std::fs::read_dir(&dest).unwrap().next().unwrap().unwrap().path();
            let place = set.join(name);
            let content = std::fs::read(&place).unwrap_or_default();
            let _ = std::fs::rename(&place, &outside);
            std::fs::write(&outside, &content).unwrap();
            if hard {
                std::fs::hard_link(&outside, &place).unwrap();
            } else {
                symlink(&outside, &place).unwrap();
            }
            let target = DirectoryDestination::open(&dest, Missing::Make).unwrap();
            let result = offload(&plan(&tree), &target, &options(), &Silent);
            assert_eq!(std::fs::read(&outside).unwrap(), content, "{name}: {result:?}");
            match result {
                Err(error) => assert!(error.to_string().contains("a link"), "{name}: {error}"),
                // No link is a part of what is called saved.
                Ok(done) => {
                    let set = std::fs::read_dir(dest.join(&done.set)).unwrap();
                    let is_file = |entry: std::fs::DirEntry| entry.file_type().unwrap().is_file();
                    assert!(set.flatten().all(is_file), "{name}");
                }
            }
        }
    }
    // A folder that is a link, with the files of an unfinished set of this source.
    let dir = scratch();
    let (dest, outside) = (dir.path().join("dest"), dir.path().join("outside"));
    std::fs::create_dir(&dest).unwrap();
    stop(&tree, &dest, 500_000);
    let set = std::fs::read_dir(&dest).unwrap().next().unwrap().unwrap().path();
    std::fs::rename(&set, &outside).unwrap();
    symlink(&outside, &set).unwrap();
    let before = contents(&outside);
    let target = DirectoryDestination::open(&dest, Missing::Make).unwrap();
    let done = offload(&plan(&tree), &target, &options(), &Silent).unwrap();
    assert!(!dest.join(&done.set).is_symlink(), "a set beside it");
    assert!(contents(&outside) == before);
}

#[test]
fn an_unfinished_set_of_another_store_is_skipped() {
    let dir = scratch();
    std::fs::create_dir(dir.path().join("theirs.partial")).unwrap();
    let target =
        Mortal { denied: Some("theirs.partial/".to_owned()), ..Mortal::new(dir.path(), u64::MAX) };
    let monitor = Collect::default();
    offload(&plan(&tree()), &target, &options(), &monitor).unwrap();
    let notes = monitor.notes.lock().unwrap().join("\n");
    assert!(notes.contains("skipping that unfinished set"), "{notes}");
    // Asked for by name it is an error.
    let this = OffloadOptions { resume: Resume::This("theirs".to_owned()), ..options() };
    let error = offload(&plan(&tree()), &target, &this, &Silent).unwrap_err();
    assert!(error.to_string().contains("access is denied"), "{error}");
}

#[test]
fn one_without_a_byte_does_not_stay_beside_a_new_set() {
    let tree = tree();
    let dir = scratch();
    let set = PathBuf::from(stop(&tree, dir.path(), 500_000));
    // As it is when it stops before the first frame.
    let journal = file(dir.path(), "journal.jsonl");
    let first = std::fs::read_to_string(&journal).unwrap();
    let first = first.split_inclusive('\n').next().unwrap();
    for entry in set.read_dir().unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
    std::fs::write(&journal, first).unwrap();
    let target = DirectoryDestination::open(dir.path(), Missing::Make).unwrap();
    let other = OffloadOptions { level: 4, created: FileTime::now(), ..options() };
    let outcome = offload(&plan(&tree), &target, &other, &Silent).unwrap();
    assert_eq!(outcome.resumed_frames, 0);
    assert!(!set.exists(), "the empty one stays");
}
