//! Images with stores, sound ones and such with one thing wrong.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use lifeboat::disk::{self, Device};
use lifeboat::health::{Check, Level, check_store};
use lifeboat::model::finding::Finding;
use lifeboat::model::monitor::Silent;
use lifeboat::model::name::NtPath;
use lifeboat::ntfs::ondisk::record::FileRef;
use lifeboat::ntfs::read::volume::Volume;
use lifeboat::tree::Tree;
use lifeboat::tree::ntfs::NtfsTree;
use lifeboat::usmt::{Logs, StoreVolume, find_stores};
use lifeboat_maker::container::Container;
use lifeboat_maker::content::Content;
use lifeboat_maker::path::TreePath;
use lifeboat_maker::people::Person;
use lifeboat_maker::store::{self, Capture, guid, hardlink_distributed};
use lifeboat_maker::tree::{Kind, TreeSpec};
use lifeboat_maker::volume::VolumeSpec;
use lifeboat_maker::wipe::wipe;
use support::damage::BadSectors;

const USMT: &str = "StateStore/USMT";
const MIB: u64 = 1 << 20;

/// What is made once everything is told.
type Change = Box<dyn FnOnce(&mut TreeSpec)>;

/// Volumes to look at; the images are made when they are asked for.
pub(crate) struct Made {
    volumes: Vec<TreeSpec>,
    fixture: Option<&'static str>,
    #[allow(clippy::type_complexity)] // a path and what to do to its record
    patch: Option<(String, Box<dyn Fn(&mut Vec<u8>)>)>,
    torn: Option<String>,
    bad: Option<String>,
    closed: Vec<String>,
}

impl Made {
    fn of(volumes: Vec<TreeSpec>) -> Self {
        Self { volumes, fixture: None, patch: None, torn: None, bad: None, closed: Vec::new() }
    }

    /// With something else in its first volume.
    pub(crate) fn with(mut self, change: impl FnOnce(&mut TreeSpec)) -> Self {
        change(&mut self.volumes[0]);
        self
    }

    /// Without a file of its `USMT` folder.
    pub(crate) fn without(self, name: &str) -> Self {
        self.with(|tree| tree.remove(&TreePath::from(USMT).join(name)))
    }

    /// With a file of its `USMT` folder that has no bytes.
    pub(crate) fn emptied(self, name: &str) -> Self {
        self.with(|tree| put(tree, &format!("{USMT}/{name}"), ""))
    }

    /// With the file record of `path` changed, as it is without its fix-up.
    pub(crate) fn patched(mut self, path: &str, change: impl Fn(&mut Vec<u8>) + 'static) -> Self {
        self.patch = Some((path.to_owned(), Box::new(change)));
        self
    }

    /// With the file record of `path` written half.
    pub(crate) fn torn(mut self, path: &str) -> Self {
        self.torn = Some(path.to_owned());
        self
    }

    /// With a disk that cannot read the data of `path`.
    pub(crate) fn with_bad_sectors(mut self, path: &str) -> Self {
        self.bad = Some(path.to_owned());
        self
    }

    /// With a volume beside it that cannot be looked into.
    pub(crate) fn beside_a_closed_volume(mut self) -> Self {
        self.closed.push("disk 1, partition 2 (BitLocker)".to_owned());
        self
    }

    /// Makes the images and looks at all stores on them.
    pub(crate) fn findings(&self, level: Level) -> Vec<Finding> {
        let dir = tempfile::tempdir().unwrap();
        let mut images: Vec<PathBuf> = Vec::new();
        for (number, tree) in self.volumes.iter().enumerate() {
            let image = dir.path().join(format!("{number}.img"));
            let mut volume = VolumeSpec::new("Made", 6 * MIB);
            volume.serial += number as u64;
            volume.tree = tree.clone();
            volume.make(&image).unwrap();
            images.push(image);
        }
        images.extend(self.fixture.map(|name| {
            let copy = dir.path().join("fixture.img");
            std::fs::copy(lifeboat_maker::fixture(name).unwrap(), &copy).unwrap();
            copy
        }));
        let devices: Vec<Arc<dyn Device>> =
            images.iter().map(|image| disk::open(image).unwrap().device).collect();
        self.damage(&images[0], &devices[0]);
        let volumes: Vec<StoreVolume> = devices
            .into_iter()
            .enumerate()
            .map(|(number, device)| {
                let device = match &self.bad {
                    Some(path) => {
                        Arc::new(BadSectors { bad: vec![place_of(&device, path)], device })
                    }
                    None => device,
                };
                let display = format!("image {number}");
                let tree = NtfsTree::open(device, display.clone(), &Silent).unwrap();
                let tree: Arc<dyn Tree> = Arc::new(tree);
                StoreVolume {
                    tree,
                    display,
                    present_letter: None,
                    attached: false,
                    disk: "disk".to_owned(),
                    is_lost: false,
                }
            })
            .collect();
        let (stores, failed) = find_stores(&volumes, &Silent);
        assert!(failed.is_empty() && !stores.is_empty(), "{failed:?}");
        let logs = Logs::read(&volumes, &stores, &Silent);
        let check = |store| {
            let capture = logs.capture_of(store, &stores);
            check_store(
                store,
                &Check { level, capture, closed: &self.closed, usmtutils: None },
                &Silent,
            )
            .findings
        };
        stores.iter().flat_map(check).collect()
    }

    fn damage(&self, image: &PathBuf, device: &Arc<dyn Device>) {
        let write = |at: u64, bytes: &[u8]| {
            File::options().write(true).open(image).unwrap().write_all_at(bytes, at).unwrap();
        };
        if let Some((path, change)) = &self.patch {
            let (at, mut record) = record_of(device, path);
            unfix(&mut record);
            change(&mut record);
            fix(&mut record);
            write(at, &record);
        }
        if let Some(path) = &self.torn {
            let (at, record) = record_of(device, path);
            // The last sector is of an older write: its number differs.
            let end = record.len();
            let other = [record[end - 2].wrapping_add(1), record[end - 1]];
            write(at + end as u64 - 2, &other);
        }
    }
}

/// One volume, filled by `fill`.
pub(crate) fn one(fill: impl FnOnce(&mut TreeSpec)) -> Made {
    let mut tree = TreeSpec::new();
    fill(&mut tree);
    Made::of(vec![tree])
}

/// The committed fixture called `name`.
pub(crate) fn fixture(name: &'static str) -> Made {
    Made { fixture: Some(name), ..Made::of(Vec::new()) }
}

/// Somebody whose files all have plain names.
pub(crate) fn person() -> Person {
    Person::new("heidi", 1111, 3)
}

/// A sound hard-link store with its `USMT` folder at `usmt`.
pub(crate) fn store_in(tree: &mut TreeSpec, usmt: &str) {
    let usmt = TreePath::from(usmt);
    let heidi = person();
    heidi.small_projects(tree, "Users/heidi/Documents");
    store::capture(tree, &usmt, 'C', &[heidi.home()], Capture::Link);
    store::markers(tree, &usmt, 1, true);
    store::hardlink_main(tree, &usmt, &[('C', guid(1))]);
    let top = usmt.names().next().unwrap().to_vec();
    wipe(tree, &[TreePath::root().join(top)]);
}

/// A sound hard-link store on one volume.
pub(crate) fn hard_link() -> Made {
    one(|tree| store_in(tree, USMT))
}

/// A store over two volumes: the primary lists the GUIDs 1 and 2; the secondary
/// at `usmt` has the GUID `id`.
pub(crate) fn two(usmt: &str, id: u64) -> Made {
    two_with(usmt, id, 'D')
}

/// The same, with a secondary of another drive.
pub(crate) fn two_with(usmt: &str, id: u64, drive: char) -> Made {
    let mut made = hard_link().with(|tree| {
        put(tree, "StateStore/USMT/hardlink.main", format!("C\t{}\r\nD\t{}\r\n", guid(1), guid(2)));
    });
    let usmt = TreePath::from(usmt);
    let mut tree = TreeSpec::new();
    person().small_projects(&mut tree, "Projects");
    store::capture(&mut tree, &usmt, drive, &["Projects".into()], Capture::Link);
    hardlink_distributed(&mut tree, &usmt, &guid(id));
    made.volumes.push(tree);
    made
}

/// A sound uncompressed store.
pub(crate) fn uncompressed() -> Made {
    one(|tree| {
        let usmt = TreePath::from(USMT);
        let heidi = person();
        heidi.small_projects(tree, "Users/heidi/Documents");
        store::capture(tree, &usmt, 'C', &[heidi.home()], Capture::Copy);
        store::markers(tree, &usmt, 1, true);
        wipe(tree, &["StateStore".into()]);
    })
}

/// Markers, and nothing that they could be markers of.
pub(crate) fn empty() -> Made {
    one(|tree| {
        store::markers(tree, &USMT.into(), 1, true);
        store::hardlink_main(tree, &USMT.into(), &[('C', guid(1))]);
    })
}

/// A sound compressed store.
pub(crate) fn compressed() -> Made {
    container(false, |bytes| bytes)
}

/// A compressed store whose bytes went through `change`.
pub(crate) fn container(encrypted: bool, change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> Made {
    let names = [0, 1, 2, 3, 4].map(|number| format!("File\\C:\\Users\\heidi\\{number}.txt"));
    container_of(&names.each_ref().map(String::as_str), encrypted, change)
}

/// The same, with records of these names before its catalog.
pub(crate) fn container_of(
    names: &[&str],
    encrypted: bool,
    change: impl FnOnce(Vec<u8>) -> Vec<u8>,
) -> Made {
    one(|tree| {
        let mut image = Container::new(encrypted, 5);
        for (number, name) in (0..).zip(names) {
            image.add(name, &Content::text(number, 3000)).unwrap();
        }
        let bytes = image.finish(&Content::text(9, 2000)).unwrap();
        tree.bytes("StateStore/USMT/USMT.MIG", change(bytes));
    })
}

/// Gives a file other bytes than it was made with.
pub(crate) fn put(tree: &mut TreeSpec, path: &str, bytes: impl AsRef<[u8]>) {
    let path = TreePath::from(path);
    let entry = tree.entries.iter_mut().find(|entry| entry.path == path);
    let entry = entry.expect("the file was made before");
    entry.kind = Kind::File(Content::Bytes(bytes.as_ref().to_vec()));
}

/// A scanstate.log of the store, of that day.
pub(crate) fn log(day: &str, ends: bool, failure: &str) -> Change {
    let line = |time: &str, kind: &str, words: String| {
        format!("{day} {time}, {kind:<21} [0x000000] {words}\r\n")
    };
    let date = day.replace('-', "/");
    let command = "Command line: scanstate.exe C:\\StateStore /o /c /hardlink /nocompress";
    let mut lines = vec![
        line("09:20:00", "Info", format!("USMT Started at {date}:09:20:00.000")),
        line("09:20:00", "Info", command.to_owned()),
    ];
    if !failure.is_empty() {
        lines.push(line("09:24:00", "Error", failure.to_owned()));
    }
    if ends {
        lines.push(line("09:25:00", "Info", format!("USMT Completed at {date}:09:25:00.000")));
    }
    let text = lines.concat();
    Box::new(move |tree| {
        tree.bytes("_SMSTaskSequence/Logs/scanstate.log", text);
    })
}

/// Text as UTF-16LE bytes.
pub(crate) fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// Puts `by` where `what` stands.
pub(crate) fn replace(bytes: &mut [u8], what: &[u8], by: &[u8]) {
    let at = bytes.windows(what.len()).position(|w| w == what).expect("it stands there");
    bytes[at..at + by.len()].copy_from_slice(by);
}

/// The first attribute of a type in a record without fix-up.
pub(crate) fn attribute(record: &mut [u8], kind: u32) -> &mut [u8] {
    let mut at = usize::from(u16::from_le_bytes([record[0x14], record[0x15]]));
    loop {
        let word = |i: usize| u32::from_le_bytes(record[at + i..at + i + 4].try_into().unwrap());
        let length = word(4) as usize;
        assert!(word(0) != u32::MAX, "no attribute {kind:#x}");
        if word(0) == kind {
            return &mut record[at..at + length];
        }
        at += length;
    }
}

/// The value of the first resident attribute of a type.
pub(crate) fn value(record: &mut [u8], kind: u32) -> &mut [u8] {
    let attribute = attribute(record, kind);
    let at = usize::from(u16::from_le_bytes([attribute[0x14], attribute[0x15]]));
    &mut attribute[at..]
}

/// Where a file's record stands, and its bytes.
fn record_of(device: &Arc<dyn Device>, path: &str) -> (u64, Vec<u8>) {
    let tree = NtfsTree::open(Arc::clone(device), "image".into(), &Silent).unwrap();
    let id = tree.lookup(&NtPath::from(path)).unwrap();
    let (volume, _) = Volume::open(Arc::clone(device)).unwrap();
    let at = volume.record_offset(FileRef(id.0).number()).unwrap();
    let mut record = vec![0; volume.record_bytes()];
    device.read_exact_at(at, &mut record).unwrap();
    (at, record)
}

/// Where a file's data stands.
fn place_of(device: &Arc<dyn Device>, path: &str) -> Range<u64> {
    let tree = NtfsTree::open(Arc::clone(device), "image".into(), &Silent).unwrap();
    let node = tree.node(tree.lookup(&NtPath::from(path)).unwrap()).unwrap();
    let at = node.position.expect("its data has clusters");
    at..at + node.size
}

/// Puts the true ends of the sectors back in place (Linux-NTFS, "fixup").
fn unfix(record: &mut [u8]) {
    let array = usize::from(u16::from_le_bytes([record[4], record[5]]));
    for sector in 0..record.len() / 512 {
        let truth = [record[array + 2 + sector * 2], record[array + 3 + sector * 2]];
        record[sector * 512 + 510..sector * 512 + 512].copy_from_slice(&truth);
    }
}

fn fix(record: &mut [u8]) {
    let array = usize::from(u16::from_le_bytes([record[4], record[5]]));
    for sector in 0..record.len() / 512 {
        let end = sector * 512 + 510;
        let tail = [record[end], record[end + 1]];
        record[array + 2 + sector * 2..array + 4 + sector * 2].copy_from_slice(&tail);
        let number = [record[array], record[array + 1]];
        record[end..end + 2].copy_from_slice(&number);
    }
}
