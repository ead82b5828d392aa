//! A dying disk gives its good data first: what lies on a bad place comes behind all
//! else, and only then is that place read in earnest.

use std::io;
use std::sync::{Arc, Mutex};

use lifeboat::disk::Device;
use lifeboat::model::loss::{Hole, Loss};
use lifeboat::model::monitor::{Collect, Silent};
use lifeboat::set::format::manifest::MemberKind;
use lifeboat::set::read::reader::SetReader;
use lifeboat::set::read::verify::{Level, verify_set};
use lifeboat::set::write::plan::Plan;
use lifeboat::set::write::writer::{OffloadOptions, offload};
use lifeboat::tree::memory::{MemoryData, MemoryTree};
use support::need;
use support::sets::{options, pack_watched, scratch, sh, store_through, target};

/// A device with a bad sector, and what it was asked for.
struct Worn {
    device: Arc<dyn Device>,
    bad: Mutex<Option<u64>>,
    asked: Mutex<Vec<(u64, usize)>>,
}

impl Device for Worn {
    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.asked.lock().unwrap().push((offset, buf.len()));
        let touches = |bad: u64| touches((offset, buf.len()), bad);
        if self.bad.lock().unwrap().is_some_and(touches) {
            return Err(io::Error::other("bad sector"));
        }
        self.device.read_exact_at(offset, buf)
    }
    fn len(&self) -> u64 {
        self.device.len()
    }
    fn sector_size(&self) -> u32 {
        self.device.sector_size()
    }
}

fn touches((offset, len): (u64, usize), sector: u64) -> bool {
    sector < offset + len as u64 && offset < sector + 512
}

/// The fixture's store on a disk with a bad sector, planned.
fn store(bad: Option<u64>) -> (Arc<Worn>, Plan) {
    let (worn, plan) =
        store_through(|device| Worn { device, bad: Mutex::new(None), asked: Mutex::default() });
    *worn.bad.lock().unwrap() = bad;
    worn.asked.lock().unwrap().clear();
    (worn, plan)
}

#[test]
fn a_bad_sector_is_met_once_and_again_only_when_all_else_is_saved() {
    // What a run reads, and where a sector in the first third of it lies, of a file
    // of several.
    let (worn, plan) = store(None);
    offload(&plan, &*target(scratch().path()), &options(), &Silent).unwrap();
    let reads = worn.asked.lock().unwrap().clone();
    let large = reads[..reads.len() / 3].iter().rev().find(|(_, len)| *len >= 4096);
    let bad = large.unwrap().0 + 1024;

    let (worn, plan) = store(Some(bad));
    let dir = scratch();
    let monitor = Collect::default();
    // The file has to go out at once, or not at all.
    let options = OffloadOptions { frame_bytes: 16 << 20, ..options() };
    let outcome = offload(&plan, &*target(dir.path()), &options, &monitor).unwrap();
    let asked = worn.asked.lock().unwrap().clone();
    let met: Vec<usize> = (0..asked.len()).filter(|&i| touches(asked[i], bad)).collect();
    assert!(met.len() > 2, "it was read in smaller pieces as well: {met:?}");
    assert!(met[0] < asked.len() / 2, "{met:?} of {}", asked.len());
    // Between the first time and the second lies all that the set lacked then.
    let last_of_others = reads
        .iter()
        .filter(|&&read| !touches(read, bad))
        .filter_map(|read| asked.iter().position(|asked| asked == read));
    let last_of_others = last_of_others.max().unwrap();
    assert!(met[1] > last_of_others, "{met:?}, the last good read was {last_of_others}");

    assert_eq!(outcome.losses, 1);
    let losses: Vec<Loss> = monitor.losses.into_inner().unwrap();
    assert_eq!((losses.len(), losses[0].kind.as_str()), (1, "hole"));
    assert!(losses[0].detail.starts_with("512 of "), "{losses:?}");
    let notes = monitor.notes.into_inner().unwrap();
    assert!(
        notes.iter().any(|note| note.ends_with("the files that failed at first: 1")),
        "{notes:?}"
    );
    let found = verify_set(target(dir.path()), &outcome.set, Level::Full, &Silent).unwrap();
    assert_eq!(found.damage, 0, "{found:?}");
}

fn with_hole(seed: u64, length: u64, offset: u64) -> MemoryData {
    let mut data = MemoryData::pattern(seed, length);
    data.holes = vec![Hole { offset, length: 100, reason: "bad".to_owned() }];
    data
}

#[test]
fn what_was_put_off_comes_last_with_its_links_and_stock_tar_agrees() {
    let mut tree = MemoryTree::new("x", 1);
    let at = |name: &str| format!("StateStore/USMT/File/{name}");
    let file = |tree: &mut MemoryTree, name: &str, data| tree.file(at(name).as_str(), data);
    let id = file(&mut tree, "a bad", with_hole(1, 30_000, 9_000));
    tree.link(id, at("a link").as_str());
    file(&mut tree, "b good", MemoryData::pattern(2, 1_000));
    let id = file(&mut tree, "c stream", MemoryData::pattern(3, 1_000));
    tree.stream(id, "s", with_hole(4, 2_000, 500));
    let mut refused = MemoryData::pattern(5, 3_000);
    refused.refuses = Some("another program holds it".to_owned());
    file(&mut tree, "d held", refused);
    // Its first frames have gone out when the hole is met.
    file(&mut tree, "e large", with_hole(6, 500_000, 300_000));
    file(&mut tree, "f good", MemoryData::pattern(7, 1_000));

    let dir = scratch();
    let monitor = Collect::default();
    let outcome = pack_watched(&tree, dir.path(), &options(), &monitor);
    assert_eq!(outcome.losses, 4);
    let reader = SetReader::open(target(dir.path()), &outcome.set).unwrap();
    let mut in_order = reader.in_order().unwrap();
    let mut names = Vec::new();
    while let Some(member) = in_order.next_member() {
        let member = member.unwrap();
        if member.kind != MemberKind::Directory {
            names.push(member.path.rsplit_once('/').unwrap().1.to_owned());
        }
    }
    let last = ["b good", "e large", "f good", "a bad", "a link", "c stream", "d held"];
    assert_eq!(names, last, "{names:?}");
    let found = verify_set(target(dir.path()), &outcome.set, Level::Full, &Silent).unwrap();
    assert_eq!(found.damage, 0, "{found:?}");

    need!("zstd");
    let out = scratch();
    let set = dir.path().join(&outcome.set);
    let to = out.path().display();
    sh(&set, &format!("zstd -dc store.tar.zst | tar --extract --directory '{to}' --no-same-owner"));
    let read = |name: &str| std::fs::read(out.path().join("C").join(at(name))).unwrap();
    let mut bytes = MemoryData::pattern(1, 30_000).to_vec();
    bytes[9_000..9_100].fill(0);
    assert!(read("a bad") == bytes && read("a link") == bytes);
    assert!(read("f good") == MemoryData::pattern(7, 1_000).to_vec());
}
