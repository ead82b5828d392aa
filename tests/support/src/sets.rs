//! What the tests of rescue sets share: trees that have everything, a folder to
//! write to, and the tools of the machine.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use lifeboat::destination::Destination;
use lifeboat::destination::directory::DirectoryDestination;
use lifeboat::model::loss::Hole;
use lifeboat::model::metadata::{FileTime, attributes};
use lifeboat::model::monitor::{Monitor, Silent};
use lifeboat::model::name::NtName;
use lifeboat::set::format::kinds::{PartRole, SetKind};
use lifeboat::set::format::rescue::What;
use lifeboat::set::write::plan::{Plan, PlanPart};
use lifeboat::set::write::writer::{OffloadOptions, Outcome, Resume, offload};
use lifeboat::tree::Tree;
use lifeboat::tree::memory::{MemoryData, MemoryTree};
use lifeboat::usmt::Role;

use crate::made_set::{attribute, descriptor_and};

/// Frames of this size make small trees have many.
pub const FRAME: u64 = 64 << 10;

/// Options that give the same set at every call.
pub fn options() -> OffloadOptions {
    OffloadOptions {
        frame_bytes: FRAME,
        created: FileTime(134_082_002_450_000_000),
        resume: Resume::Never,
        ..OffloadOptions::default()
    }
}

/// Whether a tree has what makes `StateStore` a store. Others are saved as folders.
fn is_store(tree: &dyn Tree) -> bool {
    let marks = ["catalog.mig", "MIGSTATE.DAT", "hardlink.main"];
    marks.iter().all(|mark| tree.lookup(&format!("StateStore/USMT/{mark}").as_str().into()).is_ok())
}

/// Options for a set of this tree.
pub fn options_for(tree: &dyn Tree, options: &OffloadOptions) -> OffloadOptions {
    if is_store(tree) {
        return options.clone();
    }
    OffloadOptions { what: What::Folder, kind: SetKind::Folder, ..options.clone() }
}

/// A part that takes these paths of a tree.
pub fn part(tree: &MemoryTree, drive: &str, path: &str, take: &[&str]) -> PlanPart {
    PlanPart {
        tree: Arc::new(tree.clone()),
        drive: drive.to_owned(),
        drive_from: "the test".to_owned(),
        path: path.into(),
        role: if is_store(tree) { Role::Primary.into() } else { PartRole::Folder },
        take: take.iter().map(|&path| path.into()).collect(),
        skip: Vec::new(),
        user: None,
    }
}

/// The store of a volume that was drive C.
pub fn store_part(tree: Arc<dyn Tree>) -> PlanPart {
    let is_store = is_store(&*tree);
    PlanPart {
        tree,
        drive: "C".to_owned(),
        drive_from: "the test".to_owned(),
        path: "StateStore".into(),
        role: if is_store { Role::Primary.into() } else { PartRole::Folder },
        take: vec!["StateStore".into()],
        skip: Vec::new(),
        user: None,
    }
}

/// The store of the fixture `hardlink-one`, planned, on a volume that is read
/// through the device that `wrap` makes of it.
#[cfg(target_os = "linux")]
pub fn store_through<D: lifeboat::disk::Device + 'static>(
    wrap: impl Fn(Arc<dyn lifeboat::disk::Device>) -> D,
) -> (Arc<D>, Plan) {
    let image = lifeboat_maker::fixture("hardlink-one").unwrap();
    let disk = lifeboat::disk::open_image(&image).unwrap();
    let opened = disk.volumes.iter().find_map(|volume| {
        let device = Arc::new(wrap(volume.device.clone()));
        let tree =
            lifeboat::tree::ntfs::NtfsTree::open(device.clone(), "a disk".to_owned(), &Silent)
                .ok()?;
        tree.lookup(&"StateStore/USMT".into()).ok()?;
        Some((device, tree))
    });
    let (device, tree) = opened.unwrap();
    (device, Plan::make(vec![store_part(Arc::new(tree))], &Silent).unwrap())
}

/// The plan of a store on drive C.
pub fn plan(tree: &MemoryTree) -> Plan {
    Plan::make(vec![part(tree, "C", "StateStore", &["StateStore"])], &Silent).unwrap()
}

/// Makes a set of the tree's store below `dir`.
pub fn pack(tree: &MemoryTree, dir: &Path, options: &OffloadOptions) -> Outcome {
    pack_watched(tree, dir, options, &Silent)
}

/// The same with a monitor.
pub fn pack_watched(
    tree: &MemoryTree,
    dir: &Path,
    options: &OffloadOptions,
    monitor: &dyn Monitor,
) -> Outcome {
    let target = DirectoryDestination::open(dir, lifeboat::destination::Missing::Make).unwrap();
    offload(&plan(tree), &target, &options_for(tree, options), monitor).unwrap()
}

/// A folder in memory where there is one: hundreds of sets are written there,
/// and flushing them to a disk would be most of the work.
pub fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// A folder as a target.
pub fn target(dir: &Path) -> Arc<dyn Destination> {
    Arc::new(DirectoryDestination::open(dir, lifeboat::destination::Missing::Make).unwrap())
}

/// A store with every kind of file: sizes at the edges of blocks and frames,
/// names of all sorts, links, streams, junctions, every fact.
pub fn store() -> MemoryTree {
    let mut tree = MemoryTree::new("Windows", 0x1234_5678_9ABC_DEF0);
    let usmt = "StateStore/USMT";
    let text = |s: &str| MemoryData::new(s.as_bytes().to_vec());
    tree.file(format!("{usmt}/catalog.mig").as_str(), MemoryData::pattern(1, 5000));
    tree.file(format!("{usmt}/MIGSTATE.DAT").as_str(), text("state"));
    tree.file(format!("{usmt}/status.~lg").as_str(), text(""));
    tree.file(format!("{usmt}/hardlink.main").as_str(), text("C\t{0}\r\n"));
    let users = format!("{usmt}/File/C$/Users/alice");
    let sizes = [0, 1, 511, 512, 513, 4095, 4096, 4097, FRAME - 1, FRAME, FRAME + 1, 500_000];
    for (i, size) in (0..).zip(sizes) {
        let path = format!("{users}/sizes/{size}.bin");
        let id = tree.file(path.as_str(), MemoryData::pattern(size, size));
        // Against the order of names: positions decide.
        tree.edit(id).node.position = Some(1_000_000 - i * 1000);
    }
    for name in ["trailing dot.", "trailing space ", "\u{1F4BE} emoji", "new\nline", "a:b", "-rf"] {
        let path = format!("{users}/names").as_str().into();
        let path = lifeboat::model::name::NtPath::join(&path, name);
        tree.file(path, text(name));
    }
    let names = lifeboat::model::name::NtPath::from(format!("{users}/names").as_str());
    tree.file(names.join(NtName::from_utf16(&[0x61, 0xD800, 0x62])), text("lone"));
    tree.file(names.join(NtName::from_utf16(&[0x61, 0xD801, 0x62])), text("another"));
    tree.file(names.join("\u{4E2D}".repeat(85).as_str()), text("long"));
    let mut deep = names.clone();
    for i in 0..30 {
        deep = deep.join(format!("a folder of some depth {i}").as_str());
    }
    tree.file(deep.join("deep.txt"), text("deep"));
    tree.dir(format!("{users}/empty").as_str());

    let linked = tree.file(format!("{users}/linked").as_str(), MemoryData::pattern(9, 3000));
    tree.link(linked, format!("{usmt}/File/C$/Users/bob/linked too").as_str());
    tree.link(linked, format!("{users}/zz last").as_str());

    let all = tree.file(format!("{users}/everything").as_str(), MemoryData::pattern(2, 10_000));
    tree.stream(all, "Zone.Identifier", text("[ZoneTransfer]\r\nZoneId=3\r\n"));
    tree.stream(all, "large", MemoryData::pattern(3, 3 * FRAME + 77));
    tree.stream(all, "none", text(""));
    let node = tree.edit(all);
    node.node.attributes |= attributes::HIDDEN | attributes::SYSTEM;
    node.node.times.created = FileTime(0);
    node.node.times.modified = FileTime(116_444_735_999_999_999);
    node.facts.security = Some(descriptor_and(&(0..=255).collect::<Vec<u8>>()));
    node.facts.object_id = Some(vec![7; 16]);
    node.facts.extended_attributes = Some(attribute(&[8; 300]));
    node.facts.short_name = Some("EVERYT~1".into());
    let folder = tree.dir(format!("{users}/folder with stream").as_str());
    tree.stream(folder, "s", text("on a folder"));
    tree.edit(folder).facts.security = Some(descriptor_and(&[1; 100]));

    let junction = tree.dir(format!("{users}/Application Data").as_str());
    tree.reparse(junction, &reparse(0xA000_0003, r"\??\C:\Users", r"C:\Users"));
    tree.file(format!("{users}/Application Data/never seen").as_str(), text("x"));
    let symlink = tree.file(format!("{users}/symlink").as_str(), text(""));
    tree.reparse(symlink, &reparse(0xA000_000C, r"..\x", r"..\x"));
    let unknown = tree.file(format!("{users}/unknown tag").as_str(), text("data"));
    tree.reparse(unknown, &[0x99, 0, 0, 0x80, 4, 0, 0, 0, 1, 2, 3, 4]);
    tree.file("Windows/not in the store", text("x"));
    tree
}

/// A store in which everything goes wrong that can.
pub fn broken_store() -> MemoryTree {
    use lifeboat::model::metadata::Content;
    let mut tree = store();
    let at = |name: &str| format!("StateStore/USMT/File/D$/{name}");
    let mut data = MemoryData::pattern(4, 300_000);
    data.holes = vec![
        Hole { offset: 100, length: 512, reason: "sector 7".to_owned() },
        Hole { offset: 130_000, length: 4096, reason: "sector 9".to_owned() },
    ];
    tree.file(at("holes").as_str(), data);
    let mut data = MemoryData::pattern(5, 200_000);
    data.fails_at = Some(70_001);
    tree.file(at("fails").as_str(), data);
    let mut data = MemoryData::pattern(6, 1000);
    data.refuses = Some("access denied".to_owned());
    tree.file(at("refuses").as_str(), data.clone());
    let id = tree.file(at("stream refuses").as_str(), MemoryData::pattern(7, 10));
    tree.stream(id, "s", data);
    let id = tree.file(at("shorter").as_str(), MemoryData::pattern(8, 1000));
    tree.edit(id).node.size = 1500;
    let id = tree.file(at("longer").as_str(), MemoryData::pattern(8, 1000));
    tree.edit(id).node.size = 700;
    let id = tree.file(at("efs").as_str(), MemoryData::pattern(8, 1000));
    tree.edit(id).facts.content = Content::EfsLost("no key".to_owned());
    let id = tree.file(at("efs raw").as_str(), MemoryData::pattern(8, 1000));
    tree.edit(id).facts.content = Content::EfsRaw;
    tree.edit(id).node.size = 900;
    let id = tree.file(at("cloud").as_str(), MemoryData::pattern(8, 1000));
    tree.edit(id).facts.content = Content::NotHere("cloud placeholder".to_owned());
    let id = tree.file(at("half known").as_str(), MemoryData::pattern(8, 10));
    tree.edit(id).facts.damaged = vec!["the DOS name cannot be read".to_owned()];
    let id = tree.file(at("unknowable").as_str(), MemoryData::new([]));
    tree.edit(id).unknowable = Some("torn record".to_owned());
    let id = tree.dir(at("unlistable").as_str());
    tree.edit(id).unlistable = Some("torn index".to_owned());
    tree
}

/// How many losses a set of [`broken_store`] has.
pub const BROKEN_LOSSES: u64 = 11;

/// Reparse data of a junction or a symbolic link (MS-FSCC 2.1.2.4, 2.1.2.5).
pub fn reparse(tag: u32, kernel: &str, people: &str) -> Vec<u8> {
    let utf16 = |s: &str| s.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let (kernel, people) = (utf16(kernel), utf16(people));
    let mut data = Vec::new();
    for word in [0, kernel.len(), kernel.len(), people.len()] {
        data.extend(u16::try_from(word).unwrap().to_le_bytes());
    }
    if tag == 0xA000_000C {
        data.extend([1, 0, 0, 0]);
    }
    data.extend([kernel, people].concat());
    let length = u16::try_from(data.len()).unwrap();
    [&tag.to_le_bytes()[..], &length.to_le_bytes(), &[0; 2], &data].concat()
}

/// Runs a line of shell in a folder; what it prints on standard output.
pub fn sh(dir: &Path, line: &str) -> String {
    let out = Command::new("bash").args(["-o", "pipefail", "-ec", line]).current_dir(dir).output();
    let out = out.unwrap();
    let errors = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{line}: {}\n{errors}", out.status);
    String::from_utf8_lossy(&out.stdout).into_owned()
}

/// Every file below a folder with its bytes, sorted; folders end in `/`.
pub fn contents(dir: &Path) -> Vec<(PathBuf, Option<Vec<u8>>)> {
    let mut all = Vec::new();
    let mut pending = vec![dir.to_owned()];
    while let Some(at) = pending.pop() {
        for entry in std::fs::read_dir(&at).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(dir).unwrap().to_owned();
            if path.symlink_metadata().unwrap().is_dir() {
                all.push((name, None));
                pending.push(path);
            } else if path.is_symlink() {
                all.push((name, None));
            } else {
                all.push((name, Some(std::fs::read(&path).unwrap())));
            }
        }
    }
    all.sort();
    all
}
