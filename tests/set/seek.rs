//! One file out of a large set costs its own frames, wherever the set lies; a
//! volume that is missing or damaged costs the files in it. A target that holds
//! no large files gets volumes by itself.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use lifeboat::destination::directory::DirectoryDestination;
use lifeboat::destination::{
    Destination, DestinationEntry, DestinationError, DestinationFile, ErrorKind, Missing, Space,
};
use lifeboat::model::monitor::Silent;
use lifeboat::restore::{Chosen, Destinations, Options, restore, verify_restored};
use lifeboat::set::format::manifest::{Line, Member};
use lifeboat::set::read::reader::SetReader;
use lifeboat::set::write::writer::{OffloadOptions, offload};
use lifeboat::tree::memory::{MemoryData, MemoryTree};
use support::sets::{options, options_for, plan, scratch};

/// A folder that counts what is read of each file, and that may hold only small
/// files, as FAT32 does.
struct Counting {
    folder: DirectoryDestination,
    read: Arc<Mutex<BTreeMap<String, u64>>>,
    largest: u64,
}

struct CountingFile {
    file: Box<dyn DestinationFile>,
    name: String,
    read: Arc<Mutex<BTreeMap<String, u64>>>,
    largest: u64,
}

impl Counting {
    fn new(dir: &std::path::Path, largest: u64) -> Self {
        let folder = DirectoryDestination::open(dir, Missing::Make).unwrap();
        Self { folder, read: Arc::default(), largest }
    }

    fn file(&self, path: &str, file: Box<dyn DestinationFile>) -> Box<dyn DestinationFile> {
        let name = path.rsplit('/').next().unwrap().to_owned();
        Box::new(CountingFile { file, name, read: Arc::clone(&self.read), largest: self.largest })
    }

    fn take(&self) -> BTreeMap<String, u64> {
        std::mem::take(&mut *self.read.lock().unwrap())
    }
}

impl Destination for Counting {
    fn display(&self, path: &str) -> String {
        self.folder.display(path)
    }
    fn list(&self, dir: &str) -> Result<Vec<DestinationEntry>, DestinationError> {
        self.folder.list(dir)
    }
    fn stat(&self, path: &str) -> Result<Option<DestinationEntry>, DestinationError> {
        self.folder.stat(path)
    }
    fn create_dir_all(&self, dir: &str) -> Result<(), DestinationError> {
        self.folder.create_dir_all(dir)
    }
    fn create(&self, path: &str) -> Result<Box<dyn DestinationFile>, DestinationError> {
        Ok(self.file(path, self.folder.create(path)?))
    }
    fn open_rw(&self, path: &str) -> Result<Box<dyn DestinationFile>, DestinationError> {
        Ok(self.file(path, self.folder.open_rw(path)?))
    }
    fn open(&self, path: &str) -> Result<Box<dyn DestinationFile>, DestinationError> {
        Ok(self.file(path, self.folder.open(path)?))
    }
    fn rename(&self, from: &str, to: &str) -> Result<(), DestinationError> {
        self.folder.rename(from, to)
    }
    fn remove_file(&self, path: &str) -> Result<(), DestinationError> {
        self.folder.remove_file(path)
    }
    fn remove_dir(&self, path: &str) -> Result<(), DestinationError> {
        self.folder.remove_dir(path)
    }
    fn space(&self) -> Result<Option<Space>, DestinationError> {
        self.folder.space()
    }
    fn max_file_size(&self) -> u64 {
        self.largest
    }
}

impl DestinationFile for CountingFile {
    fn write_all_at(&mut self, offset: u64, data: &[u8]) -> Result<(), DestinationError> {
        if offset + data.len() as u64 > self.largest {
            return Err(DestinationError {
                kind: ErrorKind::Unfit,
                path: self.name.clone(),
                what: "larger than the file system can hold".to_owned(),
                action: String::new(),
                source: None,
            });
        }
        self.file.write_all_at(offset, data)
    }
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize, DestinationError> {
        let read = self.file.read_at(offset, buf)?;
        *self.read.lock().unwrap().entry(self.name.clone()).or_default() += read as u64;
        Ok(read)
    }
    fn size(&mut self) -> Result<u64, DestinationError> {
        self.file.size()
    }
    fn set_size(&mut self, bytes: u64) -> Result<(), DestinationError> {
        self.file.set_size(bytes)
    }
    fn sync(&mut self) -> Result<(), DestinationError> {
        self.file.sync()
    }
    fn close(self: Box<Self>) -> Result<(), DestinationError> {
        self.file.close()
    }
}

/// 60 files of 200 KB: 12 MB in frames of 64 KiB.
fn tree() -> MemoryTree {
    let mut tree = MemoryTree::new("Windows", 1);
    tree.file("StateStore/USMT/catalog.mig", MemoryData::pattern(1, 900));
    for i in 0..60 {
        let path = format!("StateStore/USMT/File/C$/Users/alice/photo {i:02}.jpg");
        tree.file(path.as_str(), MemoryData::pattern(i + 2, 200_000));
    }
    tree
}

fn photo(i: u32) -> String {
    format!("C/StateStore/USMT/File/C$/Users/alice/photo {i:02}.jpg")
}

fn members(set: &SetReader) -> BTreeMap<String, Member> {
    let lines = set.lines().unwrap().map(Result::unwrap);
    let members = lines.filter_map(|line| match line {
        Line::Member(member) => Some((member.path.clone(), *member)),
        _ => None,
    });
    members.collect()
}

fn read(set: &SetReader, member: &Member) -> Result<usize, String> {
    let mut reader = set.open_data(member.data.as_ref().unwrap()).map_err(|e| e.to_string())?;
    let (mut buf, mut all) = (vec![0; 100_000], 0);
    loop {
        match reader.read(&mut buf).map_err(|e| e.to_string())? {
            0 => return Ok(all),
            read => all += read,
        }
    }
}

#[test]
fn one_file_costs_its_own_frames() {
    let dir = scratch();
    let target = Arc::new(Counting::new(dir.path(), u64::MAX));
    let outcome =
        offload(&plan(&tree()), &*target, &options_for(&tree(), &options()), &Silent).unwrap();
    let store: u64 = outcome.rescue.files.iter().map(|file| file.size).max().unwrap();
    assert!(store > 3_000_000, "{store} bytes are too few for this test");
    target.take();

    // Of the store: the seek table alone.
    let set = SetReader::open(Arc::clone(&target) as _, &outcome.set).unwrap();
    let members = members(&set);
    let opened = target.take();
    assert!(opened["store.tar.zst"] < 10_000, "{opened:?}");

    // 200 KB lie in four frames of 64 KiB, or five; packed they are no larger.
    assert_eq!(read(&set, &members[&photo(37)]), Ok(200_000));
    let cost = target.take();
    assert!(cost["store.tar.zst"] <= 6 * (64 << 10), "{cost:?}");
    assert_eq!(cost.len(), 1, "{cost:?}");

    // As `extract` does it: some frames are read ahead, twice (it compares what
    // it wrote), but never the set.
    let out = scratch();
    let chosen = Chosen::new(set, &[photo(20), photo(50)]).unwrap();
    let to = Destinations::Under(out.path().to_owned());
    restore(&chosen, &to, Options::default(), &Silent).unwrap();
    verify_restored(&chosen, &to, &Silent).unwrap();
    let cost = target.take();
    assert!(cost["store.tar.zst"] < store / 2, "{cost:?} of {store}");
    for i in [20, 50] {
        assert_eq!(std::fs::metadata(out.path().join(photo(i))).unwrap().len(), 200_000);
    }
}

#[test]
fn a_volume_that_is_gone_costs_the_files_in_it() {
    let dir = scratch();
    let target = Arc::new(Counting::new(dir.path(), u64::MAX));
    let split = OffloadOptions { split: Some(600_000), ..options_for(&tree(), &options()) };
    let outcome = offload(&plan(&tree()), &*target, &split, &Silent).unwrap();
    let volumes = outcome.rescue.files.iter().filter(|f| f.name.starts_with("store.")).count();
    assert!(volumes >= 5, "{volumes}");
    let folder = dir.path().join(&outcome.set);
    for damage in ["gone", "cut", "changed"] {
        let path = folder.join("store.tar.zst.002");
        let bytes = std::fs::read(&path).unwrap();
        match damage {
            "gone" => std::fs::remove_file(&path).unwrap(),
            "cut" => std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap(),
            _ => std::fs::write(&path, bytes.iter().map(|b| b ^ 0x55).collect::<Vec<_>>()).unwrap(),
        }
        let set = SetReader::open(Arc::clone(&target) as _, &outcome.set).unwrap();
        let members = members(&set);
        let lost = (0..60).filter(|i| read(&set, &members[&photo(*i)]).is_err()).count();
        assert!((1..=60 * 2 / volumes).contains(&lost), "{damage}: {lost} of 60 in {volumes}");
        std::fs::write(&path, bytes).unwrap();
    }
    let set = SetReader::open(Arc::clone(&target) as _, &outcome.set).unwrap();
    assert!(members(&set).values().filter(|m| m.data.is_some()).all(|m| read(&set, m).is_ok()));
}

#[test]
fn a_destination_for_small_files_gets_volumes_automatically() {
    let dir = scratch();
    let target = Arc::new(Counting::new(dir.path(), 1_000_000));
    let outcome =
        offload(&plan(&tree()), &*target, &options_for(&tree(), &options()), &Silent).unwrap();
    assert_eq!(outcome.rescue.options.split, Some(1_000_000));
    let files: Vec<_> = outcome.rescue.files.iter().filter(|f| f.name.contains(".0")).collect();
    assert!(files.len() > 2 && files.iter().all(|file| file.size <= 1_000_000), "{files:?}");
    let set = SetReader::open(Arc::clone(&target) as _, &outcome.set).unwrap();
    assert!(members(&set).values().filter(|m| m.data.is_some()).all(|m| read(&set, m).is_ok()));
    // Where it can hold them, the store stays one file.
    let dir = scratch();
    let target = Counting::new(dir.path(), u64::MAX);
    let outcome =
        offload(&plan(&tree()), &target, &options_for(&tree(), &options()), &Silent).unwrap();
    assert_eq!(outcome.rescue.options.split, None);
}
