//! `lifeboat.exe` under Wine puts back one part, one user's files, and a store
//! whose restore was killed: all of it, none of the rest, and nothing twice.
#![cfg(target_os = "linux")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use lifeboat::model::metadata::{FileTime, attributes};
use lifeboat::restore::MARKER;
use lifeboat::set::format::hash::sha256_hex;
use lifeboat::set::format::manifest::{Data, Member, MemberKind};
use lifeboat::set::read::reader::SetReader;
use lifeboat::set::write::writer::OffloadOptions;
use lifeboat::tree::memory::{MemoryData, MemoryTree};
use support::program::{Guarded, Run, lifeboat, sha256_of};
use support::wine::{self, Wine};
use support::{exe, members, need, sets, text};
use tempfile::TempDir;

/// The exe, and what runs it.
struct Exe {
    wine: Wine,
    program: PathBuf,
}

impl Exe {
    fn find() -> Option<Self> {
        let program = need!("lifeboat.exe", exe::find);
        Some(Self { wine: need!("wine", wine::find), program })
    }

    fn run(&self, args: &[&str]) -> Run {
        let ran = self.wine.run(&self.program, args);
        // Wine grumbles too.
        let own = ran.stderr.lines().filter(|line| !line.starts_with("wine: "));
        let stderr = own.collect::<Vec<_>>().join("\n");
        Run { code: ran.code, stdout: ran.stdout, stderr }
    }

    /// Runs `restore` or `extract` to its end. Wine refuses facts of some files
    /// (docs/guide/windows.md): exit code 3. It has no reason to lose anything else.
    fn puts_back(&self, args: &[&str]) -> Run {
        let run = self.run(&[args, &["--json"]].concat());
        let lost = run.events("loss");
        assert!(lost.iter().all(|loss| loss["kind"] == "fact"), "{lost:#?}\n{}", run.stderr);
        run.expect(if lost.is_empty() { 0 } else { 3 })
    }

    /// Starts it, and waits until something is so of what is there and was printed.
    fn started(&self, args: &[&str], mut is_so: impl FnMut(&str) -> bool) -> Child {
        let out = tempfile::NamedTempFile::new().unwrap();
        let args = [args, &["--json"]].concat();
        let mut child = self.wine.start(&self.program, &args, out.path());
        let patience = Instant::now() + Duration::from_mins(2);
        while !is_so(&fs::read_to_string(out.path()).unwrap()) {
            assert!(child.try_wait().unwrap().is_none(), "{args:?} ended before");
            assert!(Instant::now() < patience, "{args:?} does not come so far");
        }
        child
    }

    /// The same, and then it is killed.
    fn killed(&self, args: &[&str], is_so: impl FnMut(&str) -> bool) {
        let mut child = self.started(args, is_so);
        child.kill().unwrap();
        let status = child.wait().unwrap();
        assert_eq!(status.signal(), Some(9), "{args:?} ended before it was killed: {status}");
    }
}

/// A set that the Linux program made of a fixture, and its members.
fn fixture(name: &str, dir: &Path) -> (String, BTreeMap<String, Member>) {
    let image = Guarded::fixture(name);
    let run = lifeboat(&["offload", image.arg(), "--to", text(dir), "--json"]).expect(0);
    let name = run.events("set")[0]["name"].as_str().unwrap().to_owned();
    let set = SetReader::open(sets::target(dir), &name).unwrap();
    (Wine::path(&dir.join(name)), members::of(&set))
}

/// Below `root` stands what `place` says of the set's members, with the bytes and
/// times of the set, and nothing else.
#[track_caller]
fn assert_holds(
    root: &Path,
    members: &BTreeMap<String, Member>,
    place: impl Fn(&str) -> Option<String>,
) {
    let mut names = BTreeSet::new();
    let mut files = Vec::new();
    for (path, member) in members {
        let Some(at) = place(path) else { continue };
        names.extend(Path::new(&at).ancestors().map(Path::to_owned));
        if at.is_empty() {
            continue; // the root itself, which is the user's
        }
        let there = root.join(&at);
        let meta = there.symlink_metadata().unwrap_or_else(|e| panic!("{at}: {e}"));
        if member.kind == MemberKind::Directory {
            assert!(meta.is_dir(), "{at}");
            assert_eq!(ticks(meta.mtime(), meta.mtime_nsec()), member.times.modified, "{at}");
            continue;
        }
        assert!(meta.is_file(), "{at}");
        let holder = member.link_to.as_ref().map_or(member, |holder| &members[holder]);
        let times = [(meta.mtime(), meta.mtime_nsec()), (meta.atime(), meta.atime_nsec())];
        let times = times.map(|(seconds, nanos)| ticks(seconds, nanos));
        assert_eq!(times, [holder.times.modified, holder.times.accessed], "{at}");
        let is_read_only = holder.attributes & attributes::READONLY != 0;
        assert_eq!(meta.permissions().readonly(), is_read_only, "{at}");
        let data = holder.data.as_ref().unwrap();
        assert_eq!(meta.len(), data.size, "{at}");
        if let Some(holder) = member.link_to.as_ref().and_then(|holder| place(holder)) {
            let first = root.join(holder).symlink_metadata().unwrap();
            assert_eq!(meta.ino(), first.ino(), "{at} is another name of a file");
        }
        files.push((there, hash_of(data)));
    }
    // Reading them counts as an access, so that comes last.
    for (file, hash) in files {
        assert_eq!(sha256_of(&file), hash, "{}", file.display());
    }
    let found = walkdir::WalkDir::new(root).into_iter().map(|entry| entry.unwrap());
    let found = found.map(|entry| entry.path().strip_prefix(root).unwrap().to_owned());
    assert_eq!(found.collect::<BTreeSet<_>>(), names);
}

/// An empty stream may stand in the set without a hash.
fn hash_of(data: &Data) -> String {
    if data.size == 0 { sha256_hex(b"") } else { data.sha256.clone() }
}

/// What Windows calls a time of Linux.
fn ticks(seconds: i64, nanos: i64) -> u64 {
    u64::try_from(seconds * 10_000_000 + nanos / 100 + 116_444_736_000_000_000).unwrap()
}

#[test]
fn one_part_is_restored_alone() {
    let exe = need!(Exe::find());
    let dir = TempDir::new().unwrap();
    let (set, members) = fixture("hardlink-two", &dir.path().join("sets"));
    let to = dir.path().join("to");
    let there = Wine::path(&to);
    let restore = |drive| ["restore", set.as_str(), "--part", drive, "--to", there.as_str()];

    // Refused by name, before anything is made.
    for bad in ["Q", "1", "CD"] {
        let run = exe.run(&restore(bad)).expect(4);
        let refused = format!("--part {bad}: the set has no part of this drive");
        assert!(run.stderr.contains(&refused), "{}", run.stderr);
        assert!(run.stderr.contains("It has: C, D."), "{}", run.stderr);
        assert_eq!(run.stderr.lines().count(), 2, "{}", run.stderr);
        assert!(!to.exists());
    }

    let of_d = |path: &str| path.starts_with('D').then(|| path.to_owned());
    let run = exe.puts_back(&restore("d:"));
    assert_holds(&to, &members, of_d);
    let counted = |kind| {
        members.iter().filter(|(path, m)| of_d(path).is_some() && m.kind == kind).count() as u64
    };
    let told = &run.events("restored")[0];
    assert!(counted(MemberKind::File) > 0, "{:?}", members.keys());
    assert_eq!(told["files"], counted(MemberKind::File), "{told}");
    assert_eq!(told["verified_files"], told["files"], "{told}");
    // It is whole, but it is not the store.
    let run = exe.run(&restore("D")).expect(5);
    assert!(run.stderr.contains("a USMT store already exists here"), "{}", run.stderr);
    let whole = sets::contents(&to);

    let run = exe.run(&restore("C"));
    assert!([0, 3].contains(&run.code), "{}", run.stderr);
    assert!(run.stdout.contains("also needs the other parts: --part D"), "{}", run.stdout);
    assert_holds(&to.join("C"), &members, |path| {
        Some(path.strip_prefix('C')?.trim_start_matches('/').to_owned())
    });
    let now = sets::contents(&to).into_iter().filter(|(path, _)| !path.starts_with("C"));
    assert!(now.eq(whole), "the other part is as it was");
}

#[test]
fn one_user_is_restored_alone() {
    let exe = need!(Exe::find());
    let dir = TempDir::new().unwrap();
    let (set, members) = fixture("hardlink-two", &dir.path().join("sets"));
    let to = dir.path().join("to");
    let there = Wine::path(&to);
    let extract = |user| ["extract", set.as_str(), "--of-user", user, "--to", there.as_str()];

    // The beginning of a name is another name.
    for bad in ["nobody", "ali", "alice2"] {
        let run = exe.run(&extract(bad)).expect(4);
        let refused = format!("there are no files of {bad} in this set");
        assert!(run.stderr.contains(&refused), "{}", run.stderr);
        assert_eq!(run.stderr.lines().count(), 2, "{}", run.stderr);
        assert!(!to.exists());
    }
    exe.run(&[&extract("alice")[..], &["C"]].concat()).expect(2); // one or the other

    // What stands at `File/C$/Users/alice` comes as `C/Users/alice`.
    let own = |path: &str| {
        let (_, own) = path.split_once("/USMT/File/")?;
        let (drive, own) = own.split_once("$/Users/alice")?;
        (own.is_empty() || own.starts_with('/')).then(|| format!("{drive}/Users/alice{own}"))
    };
    let wanted = members.iter().filter_map(|(path, member)| Some((own(path)?, member.kind)));
    let wanted: Vec<_> = wanted.collect();
    assert!(wanted.iter().any(|(path, _)| path.len() > 260), "Win32 takes all of them");
    // Letter case does not count.
    let run = exe.puts_back(&extract("ALICE"));
    assert_holds(&to, &members, own);
    let files = wanted.iter().filter(|(_, kind)| *kind == MemberKind::File).count();
    assert!(files > 20, "{wanted:?}");
    assert_eq!(run.events("restored")[0]["files"], files as u64, "{}", run.stdout);

    // What is there already is refused, and is as it was.
    let first = members.keys().filter_map(|path| own(path)).find(|path| to.join(path).is_file());
    let mine = to.join(first.unwrap());
    fs::set_permissions(&mine, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&mine, "mine").unwrap();
    exe.run(&extract("alice")).expect(5);
    assert_eq!(fs::read_to_string(&mine).unwrap(), "mine");
    exe.puts_back(&[&extract("alice")[..], &["--replace"]].concat());
    assert_holds(&to, &members, own);

    // A name of another user's file is a file of its own; and each drive is one.
    let scene = Scene::new();
    let there = Wine::path(&scene.to());
    exe.puts_back(&["extract", &scene.set, "--of-user", "bob", "--to", &there]);
    assert_holds(&scene.to(), &scene.members, |path| {
        let (_, own) = path.split_once("/USMT/File/")?;
        own.contains("/bob").then(|| own.replace('$', ""))
    });
    assert!(scene.to().join("C/Users/bob/13.jpg").is_file());
    assert!(scene.to().join("D/Documents and Settings/bob/old.txt").is_file());

    // The files of a compressed store are inside one of the set: the message says so.
    let (set, _) = fixture("compressed", &dir.path().join("compressed"));
    let run = exe.run(&["extract", &set, "--of-user", "alice", "--to", &there]).expect(4);
    assert!(run.stderr.contains("--inside"), "{}", run.stderr);
}

/// Files that are large enough for a kill to come between two of them.
const PHOTOS: usize = 40;

/// A hard-link store of drive C, and where its photos lie.
fn store() -> (MemoryTree, &'static str) {
    let mut tree = MemoryTree::new("Windows", 0x1234_5678_9ABC_DEF0);
    let usmt = "StateStore/USMT";
    for (name, bytes) in [("catalog.mig", 5000), ("MIGSTATE.DAT", 5), ("status.~lg", 0)] {
        tree.file(format!("{usmt}/{name}").as_str(), MemoryData::pattern(1, bytes));
    }
    let main = MemoryData::new(*b"C\t{11111111-1111-4111-8111-111111111111}\r\n");
    tree.file(format!("{usmt}/hardlink.main").as_str(), main);
    let photos = "StateStore/USMT/File/C$/Users/alice/Pictures";
    for number in 0..PHOTOS as u64 {
        let path = format!("{photos}/photo {number}.jpg");
        let id = tree.file(path.as_str(), MemoryData::pattern(number + 2, 2 << 20));
        match number % 8 {
            3 => tree.edit(id).node.attributes |= attributes::READONLY,
            5 => tree.link(id, format!("{usmt}/File/C$/Users/bob/{number}.jpg").as_str()),
            _ => {}
        }
    }
    for number in 0..100 {
        let path = format!("{usmt}/File/C$/Users/bob/notes/{number}.txt");
        tree.file(path.as_str(), MemoryData::pattern(number, number * 7));
    }
    tree.dir(format!("{usmt}/File/C$/Users/bob/empty").as_str());
    let old = format!("{usmt}/File/D$/Documents and Settings/bob/old.txt");
    tree.file(old.as_str(), MemoryData::pattern(1, 70));
    (tree, photos)
}

/// A set of [`store`], and a place to put it back to.
struct Scene {
    dir: TempDir,
    set: String,
    name: String,
    members: BTreeMap<String, Member>,
    photos: &'static str,
}

impl Scene {
    fn new() -> Self {
        let dir = sets::scratch();
        let (tree, photos) = store();
        let sets = dir.path().join("sets");
        let set = sets::pack(&tree, &sets, &sets::options()).set;
        let members = members::of(&SetReader::open(sets::target(&sets), &set).unwrap());
        fs::create_dir(dir.path().join("to")).unwrap();
        Self { set: Wine::path(&sets.join(&set)), name: set, members, photos, dir }
    }

    /// `C=ROOT`
    fn drive(&self) -> String {
        format!("C={}", Wine::path(&self.to()))
    }

    fn to(&self) -> PathBuf {
        self.dir.path().join("to")
    }

    fn is_whole(&self) -> bool {
        self.to().join("StateStore").exists()
    }

    fn partial(&self) -> PathBuf {
        self.to().join("StateStore.lifeboat-partial")
    }

    /// How many photos are there, whole or not.
    fn photos(&self) -> usize {
        let below = self.photos.strip_prefix("StateStore/").unwrap();
        fs::read_dir(self.partial().join(below)).map_or(0, Iterator::count)
    }

    /// Whoever looks sees that it is half a store, and of which set.
    #[track_caller]
    fn assert_half(&self) {
        assert!(!self.is_whole());
        assert!(self.partial().is_dir());
        let marker = fs::read_to_string(self.to().join(MARKER)).unwrap();
        let id = self.name.rsplit('-').next().unwrap();
        assert!(marker.starts_with(&format!("set {id}\n")), "{marker}");
        assert!(marker.contains("incomplete: do not run loadstate"), "{marker}");
    }

    /// All of the set, and nothing of the way to it.
    #[track_caller]
    fn assert_whole(&self) {
        assert_holds(&self.to(), &self.members, |path| {
            Some(path.strip_prefix("C").unwrap().trim_start_matches('/').to_owned())
        });
    }

    /// Files below the half store that are as in the set: path, and inode.
    fn done(&self) -> BTreeMap<PathBuf, u64> {
        let mut done = BTreeMap::new();
        for (path, member) in &self.members {
            let Some(below) = path.strip_prefix("C/StateStore/") else { continue };
            let at = self.partial().join(below);
            let Some(data) = member.data.as_ref().filter(|data| data.size > 0) else { continue };
            let Ok(meta) = at.symlink_metadata() else { continue };
            if meta.len() == data.size && sha256_of(&at) == data.sha256 {
                done.insert(at, meta.ino());
            }
        }
        done
    }
}

#[test]
fn a_killed_restore_resumes_and_never_looks_complete() {
    let exe = need!(Exe::find());
    let scene = Scene::new();
    let drive = scene.drive();
    let restore = ["restore", scene.set.as_str(), "--to", &drive];
    exe.killed(&restore, |_| scene.photos() >= 12);
    let photos = scene.photos();
    scene.assert_half();
    assert!((12..PHOTOS).contains(&photos), "{photos}");
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(scene.photos(), photos, "it is dead");

    let run = exe.run(&["loadstate", &Wine::path(&scene.partial()), "--run"]).expect(1);
    assert!(run.stderr.contains("a restore of this store is not complete"), "{}", run.stderr);
    // Another set does not go on with it, and does not touch it.
    let later = OffloadOptions { created: FileTime(134_082_002_460_000_000), ..sets::options() };
    let sets = scene.dir.path().join("later");
    let other = Wine::path(&sets.join(sets::pack(&store().0, &sets, &later).set));
    let before = scene.done();
    assert!(before.len() > 10, "{before:?}");
    let run = exe.run(&["restore", &other, "--to", &drive, "--replace"]).expect(5);
    assert!(run.stderr.contains("StateStore.lifeboat-partial"), "{}", run.stderr);
    scene.assert_half();
    assert_eq!(scene.done(), before);

    // A further name keeps an inode's number from coming again. One file is of
    // the same length and not the same any more.
    let aside = scene.dir.path().join("aside");
    fs::create_dir(&aside).unwrap();
    for (number, path) in before.keys().enumerate() {
        fs::hard_link(path, aside.join(number.to_string())).unwrap();
    }
    let is_photo = |path: &&PathBuf| text(path).contains("photo");
    let victim = before.keys().find(is_photo).unwrap().clone();
    let mut bytes = fs::read(&victim).unwrap();
    bytes[700_000] ^= 1;
    fs::write(&victim, bytes).unwrap();

    // Killed once more while it goes on.
    exe.killed(&restore, |_| scene.photos() >= photos + 8);
    scene.assert_half();
    let again = scene.done();
    assert!(again.len() > before.len() && scene.photos() < PHOTOS, "{}", again.len());

    let run = exe.puts_back(&restore);
    let goes_on = "an earlier restore of this set was interrupted here; resuming it";
    assert!(run.events("note").iter().any(|note| note["text"] == goes_on), "{}", run.stdout);
    scene.assert_whole();
    let files = scene.members.values().filter(|m| m.kind == MemberKind::File).count();
    let told = &run.events("restored")[0];
    assert_eq!((&told["files"], &told["verified_files"]), (&files.into(), &files.into()), "{told}");
    // What was whole is the very same file; what was not is another one.
    let inode = |path: &Path| {
        let below = path.strip_prefix(scene.partial()).unwrap();
        scene.to().join("StateStore").join(below).metadata().unwrap().ino()
    };
    for (path, known) in before.iter().chain(&again) {
        if *path != victim {
            assert_eq!(inode(path), *known, "{} was written anew", path.display());
        }
    }
    assert_ne!(inode(&victim), before[&victim]);

    let run = exe.run(&restore).expect(5);
    assert!(run.stderr.contains("a USMT store already exists here"), "{}", run.stderr);
    assert!(scene.is_whole() && !scene.partial().exists());
}

/// The work has stages: whichever it was killed in, the same command ends it.
#[test]
fn a_restore_killed_in_any_stage_resumes() {
    let exe = need!(Exe::find());
    let scene = Scene::new();
    let drive = scene.drive();
    let restore = ["restore", scene.set.as_str(), "--to", &drive];
    exe.killed(&restore, |_| scene.to().join(MARKER).exists());
    assert!(!scene.is_whole());
    let mut done = 0;
    for stage in ["restore", "facts", "read-back"] {
        let begun = format!(r#""stage":"{stage}""#);
        exe.killed(&restore, |printed| printed.contains(&begun) && scene.photos() > 0);
        scene.assert_half();
        assert!(scene.done().len() >= done, "{stage}");
        done = scene.done().len();
    }
    assert!(done > 140, "{done}");
    exe.puts_back(&restore);
    scene.assert_whole();
}

/// Stopped by hand it ends with 6, and says the same of what is there.
#[test]
fn a_stopped_restore_resumes() {
    let exe = need!(Exe::find());
    let scene = Scene::new();
    let drive = scene.drive();
    let restore = ["restore", scene.set.as_str(), "--to", &drive];
    let mut child = exe.started(&restore, |_| scene.photos() >= 12);
    // Wine makes Ctrl-C of it.
    let process = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(process, rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(6));
    scene.assert_half();
    assert!(scene.photos() < PHOTOS);
    exe.puts_back(&restore);
    scene.assert_whole();
}
