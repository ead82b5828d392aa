//! What the destination did to the bytes between writing and reading them back is
//! found, and the next run writes them again.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;

use lifeboat::destination::directory::DirectoryDestination;
use lifeboat::destination::{ErrorKind, Missing};
use lifeboat::model::monitor::{Monitor, Silent, Stage};
use lifeboat::set::error::SetError;
use lifeboat::set::write::writer::{OffloadOptions, Resume, offload};
use lifeboat::tree::memory::{MemoryData, MemoryTree};
use support::sets::{self, contents, plan, scratch};

/// What is done to a file's bytes.
type Spoil = fn(&mut Vec<u8>);

/// A disk that spoils a file once, as soon as everything is written.
struct Faulty {
    dir: PathBuf,
    file: &'static str,
    spoil: Spoil,
    done: AtomicBool,
}

impl Monitor for Faulty {
    fn stage(&self, stage: Stage, _: &str) {
        if stage == Stage::ReadBack && !self.done.swap(true, SeqCst) {
            let set = fs::read_dir(&self.dir).unwrap().next().unwrap().unwrap().path();
            let path = set.join(format!("{}.partial", self.file));
            let mut bytes = fs::read(&path).unwrap();
            (self.spoil)(&mut bytes);
            fs::write(path, bytes).unwrap();
        }
    }
}

#[test]
fn what_is_not_read_back_as_it_was_written_is_never_a_set() {
    let mut tree = MemoryTree::new("Windows", 1);
    for i in 0..12 {
        let path = format!("StateStore/USMT/File/photo {i:02}.jpg");
        tree.file(path.as_str(), MemoryData::pattern(i, 400_000));
    }
    let plan = plan(&tree);
    let options =
        OffloadOptions { resume: Resume::Auto, ..sets::options_for(&tree, &sets::options()) };
    let run = |dir: &std::path::Path, monitor: &dyn Monitor| {
        let target = DirectoryDestination::open(dir, Missing::Make).unwrap();
        offload(&plan, &target, &options, monitor)
    };
    let whole = scratch();
    run(whole.path(), &Silent).unwrap();
    let faults: [(&str, Spoil); 6] = [
        ("store.tar.zst", |bytes| bytes[0] ^= 1),
        ("store.tar.zst", |bytes| *bytes.last_mut().unwrap() ^= 0x80),
        ("store.tar.zst", |bytes| {
            let middle = bytes.len() / 2;
            bytes[middle..middle + 512].fill(0);
        }),
        ("store.tar.zst", |bytes| bytes.truncate(bytes.len() - 1)),
        ("manifest.jsonl.zst", |bytes| bytes[40] ^= 1),
        ("manifest.jsonl.zst", |bytes| bytes.push(0)),
    ];
    for (number, (file, spoil)) in faults.into_iter().enumerate() {
        let dir = scratch();
        let disk = Faulty { dir: dir.path().to_owned(), file, spoil, done: AtomicBool::new(false) };
        match run(dir.path(), &disk) {
            Err(SetError::Destination(error)) => {
                assert_eq!(error.kind, ErrorKind::Corrupted, "fault {number}: {error}");
                assert!(error.to_string().contains(file), "fault {number}: {error}");
            }
            other => panic!("fault {number} in {file}: {other:?}"),
        }
        assert!(disk.done.load(SeqCst));
        let published = fs::read_dir(dir.path()).unwrap().flatten();
        let names: Vec<_> = published.map(|e| e.file_name().into_string().unwrap()).collect();
        assert!(names.iter().all(|name| name.ends_with(".partial")), "{names:?}");
        run(dir.path(), &Silent).unwrap();
        assert!(contents(dir.path()) == contents(whole.path()), "fault {number}: gone on with");
    }
}
