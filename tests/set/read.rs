//! What goes into a rescue set comes out of it: every byte, every fact, every
//! loss, in the same order, whatever the number of threads.

use std::collections::BTreeMap;
use std::path::Path;

use lifeboat::model::loss::{Hole, LossKind};
use lifeboat::model::metadata::{FileTime, NodeId, Times};
use lifeboat::model::monitor::{Collect, Silent};
use lifeboat::model::name::{NtName, NtPath};
use lifeboat::set::format::manifest::{ContentKind, Line, Member, MemberKind, from_base64};
use lifeboat::set::read::reader::{DataReader, SetReader};
use lifeboat::set::read::verify::{Level, verify_set};
use lifeboat::set::write::writer::OffloadOptions;
use lifeboat::tree::Tree;
use lifeboat::tree::memory::{MemoryData, MemoryTree};
use proptest::prelude::*;
use support::made_set::{self, attribute, descriptor_and};
use support::sets::{
    self, BROKEN_LOSSES, broken_store, options, pack, pack_watched, plan, store, target,
};

fn open(dir: &Path, set: &str) -> SetReader {
    SetReader::open(target(dir), set).unwrap()
}

fn drain(mut reader: DataReader<'_>) -> Vec<u8> {
    let mut all = Vec::new();
    let mut buf = vec![0; 10_000];
    loop {
        match reader.read(&mut buf).unwrap() {
            0 => return all,
            read => all.extend_from_slice(&buf[..read]),
        }
    }
}

/// Members by path, with the bytes of their streams, the unnamed one first.
type Contents = BTreeMap<Vec<u8>, (Member, Vec<Vec<u8>>)>;

fn read_all(set: &SetReader) -> Contents {
    let mut all = BTreeMap::new();
    let mut in_order = set.in_order().unwrap();
    while let Some(member) = in_order.next_member() {
        let member = member.unwrap();
        let streams = member.streams.iter().map(|s| &s.data);
        let data: Vec<_> = member.data.iter().chain(streams).cloned().collect();
        let bytes = data.iter().map(|data| drain(in_order.data(data))).collect();
        let path = member.exact_path().unwrap();
        assert!(all.insert(path, (member, bytes)).is_none(), "a path twice");
    }
    all
}

fn bytes_of(tree: &MemoryTree, id: NodeId, stream: Option<&NtName>) -> Vec<u8> {
    let mut stream = tree.open(id, stream).unwrap();
    let mut bytes = vec![0; usize::try_from(stream.len()).unwrap()];
    assert_eq!(stream.read(&mut bytes).unwrap(), bytes.len());
    bytes
}

/// Compares a set with the tree that it was made of, fact by fact.
fn compare(tree: &MemoryTree, set: &SetReader) {
    let found = read_all(set);
    let plan = plan(tree);
    assert_eq!(found.len(), plan.len());
    let mut first_names: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
    for index in 0..plan.len() {
        let path = plan.path(index);
        let id = plan.member(index).unwrap().node;
        let (member, bytes) = &found[&path];
        let name = plan.file_name(index).unwrap();
        let facts = tree.facts(id, Some(&name)).unwrap();
        if member.kind == MemberKind::Link {
            assert_eq!(member.exact_link_to().as_ref(), first_names.get(&id.0));
            continue;
        }
        first_names.insert(id.0, path);
        let node = tree.node(id).unwrap();
        assert_eq!(member.attributes, node.attributes);
        assert_eq!(Times::from(member.times), node.times);
        let blob = |text: &Option<String>| text.as_ref().map(|t| from_base64(t).unwrap());
        assert_eq!(blob(&member.security), facts.security);
        assert_eq!(blob(&member.reparse), facts.reparse);
        assert_eq!(blob(&member.object_id), facts.object_id);
        assert_eq!(blob(&member.extended_attributes), facts.extended_attributes);
        let mut expected = Vec::new();
        if member.kind == MemberKind::File {
            expected.push(bytes_of(tree, id, None));
        }
        for (stream, found) in facts.streams.iter().zip(&member.streams) {
            assert_eq!(found.exact_name().unwrap(), stream.name.as_wtf8());
            expected.push(bytes_of(tree, id, Some(&stream.name)));
        }
        assert_eq!(facts.streams.len(), member.streams.len());
        assert!(*bytes == expected, "{}: bytes differ", member.path);
    }
}

#[test]
fn what_goes_in_comes_out() {
    let dir = tempfile::tempdir().unwrap();
    let tree = store();
    let outcome = pack(&tree, dir.path(), &options());
    assert_eq!(outcome.losses, 0);
    compare(&tree, &open(dir.path(), &outcome.set));
    let monitor = Collect::default();
    let verified = verify_set(target(dir.path()), &outcome.set, Level::Full, &monitor).unwrap();
    assert_eq!(verified.findings, []);
    assert_eq!((verified.totals, verified.members_hit), (outcome.rescue.totals, 0));
}

#[test]
fn usmt_s_own_files_come_first_and_the_others_as_they_lie() {
    let plan = plan(&store());
    let paths: Vec<String> =
        (0..plan.len()).map(|i| String::from_utf8_lossy(&plan.path(i)).into_owned()).collect();
    let place = |end: &str| paths.iter().position(|path| path.ends_with(end)).unwrap();
    let first = place("/catalog.mig");
    assert!(first > place("/empty"), "folders stand before files");
    let markers = ["/catalog.mig", "/MIGSTATE.DAT", "/status.~lg", "/hardlink.main"];
    assert_eq!(markers.map(place), [first, first + 1, first + 2, first + 3]);
    // Positions run against the names.
    assert!(place("/500000.bin") < place("/4096.bin") && place("/4096.bin") < place("/0.bin"));
    let linked = place("alice/linked");
    assert_eq!((place("alice/zz last"), place("bob/linked too")), (linked + 1, linked + 2));
    assert_eq!(paths[0], "C");
    assert!(paths.iter().all(|p| !p.contains("not in the store") && !p.contains("never seen")));
}

#[test]
fn the_number_of_threads_changes_no_byte() {
    let tree = broken_store();
    let sets = [1, 2, 7].map(|threads| {
        let dir = tempfile::tempdir().unwrap();
        let options = OffloadOptions { threads: Some(threads), ..options() };
        let set = pack(&tree, dir.path(), &options).set;
        sets::contents(&dir.path().join(set))
    });
    assert!(sets[0] == sets[1] && sets[0] == sets[2]);
}

#[test]
fn every_loss_is_named_and_nothing_stops() {
    let dir = tempfile::tempdir().unwrap();
    let tree = broken_store();
    let monitor = Collect::default();
    let outcome = pack_watched(&tree, dir.path(), &options(), &monitor);
    let losses = monitor.losses.into_inner().unwrap();
    let mut told: Vec<_> =
        losses.iter().map(|l| (l.path.rsplit('/').next().unwrap(), l.kind)).collect();
    told.sort_unstable();
    let expected = [
        ("cloud", LossKind::NotHere),
        ("efs", LossKind::Encrypted),
        ("fails", LossKind::Hole),
        ("half known", LossKind::Fact),
        ("holes", LossKind::Hole),
        ("longer", LossKind::Changed),
        ("refuses", LossKind::Unreadable),
        ("shorter", LossKind::Hole),
        ("stream refuses", LossKind::Hole),
        ("unknowable", LossKind::Unreadable),
        ("unlistable", LossKind::Unreadable),
    ];
    assert_eq!(told, expected);
    assert_eq!((outcome.losses, outcome.rescue.totals.losses), (BROKEN_LOSSES, BROKEN_LOSSES));

    let set = open(dir.path(), &outcome.set);
    let all = read_all(&set);
    let get = |name: &str| &all[format!("C/StateStore/USMT/File/D$/{name}").as_bytes()];
    let (member, bytes) = get("holes");
    let holes = &member.data.as_ref().unwrap().holes;
    let ranges: Vec<_> = holes.iter().map(|h| (h.offset, h.length)).collect();
    assert_eq!(ranges, [(100, 512), (130_000, 4096)]);
    assert!(
        bytes[0][100..612].iter().all(|&b| b == 0) && bytes[0][612..700].iter().any(|&b| b != 0)
    );
    let (member, bytes) = get("fails");
    let hole = &member.data.as_ref().unwrap().holes[0];
    assert_eq!((hole.offset, hole.length, bytes[0].len()), (70_001, 129_999, 200_000));
    assert_eq!(bytes[0][..70_001], MemoryData::pattern(5, 200_000).to_vec()[..70_001]);
    assert_eq!(get("shorter").1[0].len(), 1500);
    assert_eq!(get("longer").1[0], MemoryData::pattern(8, 700).to_vec());
    assert_eq!(get("stream refuses").1[1], [0; 1000]);
    assert_eq!(get("efs raw").1[0].len(), 1000);
    let content = |name: &str| get(name).0.content.clone();
    assert_eq!(content("efs raw"), Some(ContentKind::EfsRaw));
    for name in ["refuses", "efs", "cloud", "unknowable"] {
        assert_eq!((content(name), get(name).1[0].len()), (Some(ContentKind::Missing), 0));
    }

    let monitor = Collect::default();
    let verified = verify_set(target(dir.path()), &outcome.set, Level::Full, &monitor).unwrap();
    let codes: Vec<_> = verified.findings.iter().map(|f| f.code).collect();
    assert_eq!((codes, verified.damage), (vec!["set-has-losses"], 0));
}

#[test]
fn any_one_file_is_read_alone() {
    let dir = tempfile::tempdir().unwrap();
    let tree = store();
    let set = open(dir.path(), &pack(&tree, dir.path(), &options()).set);
    let mut seen = 0;
    for line in set.lines().unwrap() {
        let Line::Member(member) = line.unwrap() else { continue };
        let Some(data) = &member.data else { continue };
        let bytes = drain(set.open_data(data).unwrap());
        assert_eq!(bytes.len() as u64, data.size);
        seen += u32::from(data.size > 0);
    }
    assert!(seen > 20);
}

#[test]
fn a_small_file_never_spans_two_frames() {
    let dir = tempfile::tempdir().unwrap();
    let mut tree = MemoryTree::new("x", 1);
    for i in 0..500_u64 {
        let path = format!("StateStore/USMT/File/{i:04}");
        let id = tree.file(path.as_str(), MemoryData::pattern(i, i * 37 % 30_000));
        tree.stream(id, "s", MemoryData::pattern(i, i * 13 % 3000));
    }
    let set = open(dir.path(), &pack(&tree, dir.path(), &options()).set);
    let mut frames = 0;
    for line in set.lines().unwrap() {
        match line.unwrap() {
            Line::Member(member) => {
                let streams = member.streams.iter().filter_map(|s| s.data.at);
                for at in streams.chain(member.data.and_then(|d| d.at)) {
                    assert_eq!(at.frame, member.start.frame);
                }
            }
            Line::Frame(frame) => {
                frames += 1;
                assert!(frame.plain_size <= sets::FRAME);
            }
            _ => {}
        }
    }
    assert!(frames > 100);
}

#[test]
fn the_volumes_together_are_the_set() {
    let dir = tempfile::tempdir().unwrap();
    let tree = store();
    let split = OffloadOptions { split: Some(200_000), ..options() };
    let outcome = pack(&tree, dir.path(), &split);
    let sizes: Vec<u64> = outcome.rescue.files.iter().map(|file| file.size).collect();
    assert!(outcome.rescue.files[1].name.ends_with(".tar.zst.002"));
    assert!(sizes.iter().all(|&size| size <= 200_000) && sizes.len() > 5);
    compare(&tree, &open(dir.path(), &outcome.set));
    let verified = verify_set(target(dir.path()), &outcome.set, Level::Full, &Silent).unwrap();
    assert_eq!(verified.findings, []);

    let whole = tempfile::tempdir().unwrap();
    let set = pack(&tree, whole.path(), &options()).set;
    let mut joined = Vec::new();
    for number in 1.. {
        let name = format!("{}/store.tar.zst.{number:03}", outcome.set);
        let Ok(bytes) = std::fs::read(dir.path().join(name)) else { break };
        joined.extend(bytes);
    }
    assert!(joined == std::fs::read(whole.path().join(set).join("store.tar.zst")).unwrap());
}

#[test]
fn two_volumes_are_one_set() {
    let dir = tempfile::tempdir().unwrap();
    let (c, mut d) = (store(), MemoryTree::new("Data", 2));
    d.file("StateStore/USMT/hardlink.distributed.{0}", MemoryData::new([]));
    d.file("StateStore/USMT/File/D$/x", MemoryData::pattern(1, 100));
    let mut parts = vec![
        sets::part(&c, "C", "StateStore", &["statestore", "StateStore/USMT"]),
        sets::part(&d, "D", "StateStore", &["StateStore"]),
    ];
    parts[1].role = lifeboat::usmt::Role::Secondary.into();
    let plan = lifeboat::set::write::plan::Plan::make(parts, &Silent).unwrap();
    let to = target(dir.path());
    let outcome = lifeboat::set::write::writer::offload(&plan, &*to, &options(), &Silent).unwrap();
    let all = read_all(&open(dir.path(), &outcome.set));
    assert_eq!(all[&b"D/StateStore/USMT/File/D$/x"[..]].1[0], MemoryData::pattern(1, 100).to_vec());
    assert_eq!(outcome.rescue.parts.len(), 2);
    // The overlapping path was taken once, by its name on the disk.
    assert_eq!(all.len(), sets::plan(&c).len() + 7);
}

#[test]
fn what_does_not_fit_together_is_refused() {
    use lifeboat::set::error::SetError;
    use lifeboat::set::write::plan::Plan;
    let make = |parts| Plan::make(parts, &Silent);
    let tree = store();
    let part = |drive, take: &str| sets::part(&tree, drive, "StateStore", &[take]);
    let two = vec![part("C", "StateStore"), part("C", "StateStore")];
    assert!(matches!(make(two), Err(SetError::Unfit { .. })), "two volumes called C");
    for drive in ["", "C:", "..", "a/b"] {
        assert!(matches!(make(vec![part(drive, "x")]), Err(SetError::Unfit { .. })));
    }
    assert!(matches!(make(vec![part("C", "no such")]), Err(SetError::Tree(_))));
}

#[test]
fn forged_names_lead_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let mut tree = MemoryTree::new("x", 1);
    let at = NtPath::from("StateStore");
    for name in ["..", ".", "%2E%2E%", "a/b", "n\0l"] {
        tree.file(at.join(name), MemoryData::new(name.as_bytes().to_vec()));
    }
    let folder = tree.dir(at.join("...").join(".."));
    tree.stream(folder, "s/t", MemoryData::new(*b"stream"));
    let monitor = Collect::default();
    let outcome = pack_watched(&tree, dir.path(), &options(), &monitor);
    let all = read_all(&open(dir.path(), &outcome.set));
    let paths: Vec<_> = all.keys().map(|p| String::from_utf8_lossy(p).into_owned()).collect();
    assert!(paths.iter().all(|p| p.split('/').all(|n| n != ".." && n != "." && !n.is_empty())));
    assert!(paths.iter().all(|p| !p.contains('\0')));
    assert_eq!(paths.len(), sets::plan(&tree).len());
    assert_eq!(all[&b"C/StateStore/%2E%2E%%"[..]].1[0], b"..");
    assert_eq!(all[&b"C/StateStore/%2E%2E%"[..]].1[0], b"%2E%2E%");
    let losses = monitor.losses.into_inner().unwrap();
    assert_eq!(losses.iter().filter(|l| l.kind == LossKind::Name).count(), 5);
}

/// A random file: which folder, which name, what it has.
#[derive(Clone, Debug)]
struct RandomFile {
    folder: Vec<usize>,
    name: Vec<u16>,
    size: u64,
    streams: Vec<(Vec<u16>, u64)>,
    blobs: [Option<Vec<u8>>; 4],
    times: [u64; 4],
    attributes: u32,
    position: Option<u64>,
    links: Vec<Vec<usize>>,
    holes: Vec<(u64, u64)>,
}

fn any_name() -> impl Strategy<Value = Vec<u16>> {
    let unit = prop_oneof![8 => 0x20..0x7F_u16, 1 => any::<u16>()];
    prop::collection::vec(unit, 1..40).prop_map(|mut units| {
        units.iter_mut().filter(|u| [0, 0x2F].contains(*u)).for_each(|u| *u = 0xDC00);
        if units.iter().all(|&u| u == 0x2E) {
            units.push(0x61);
        }
        units
    })
}

fn any_size() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), 0..2000_u64, 0..100_000_u64, 511..514_u64, 65_530..65_540_u64]
}

fn any_file() -> impl Strategy<Value = RandomFile> {
    let blob = || prop::option::of(prop::collection::vec(any::<u8>(), 0..60));
    let folder = || prop::collection::vec(0..3_usize, 0..4);
    let facts = ([blob(), blob(), blob(), blob()], any::<[u64; 4]>(), 0..0x8000_u32);
    let streams = prop::collection::vec((any_name(), any_size()), 0..3);
    let holes = prop::collection::vec((0..100_000_u64, 1..5000_u64), 0..3);
    let links = prop::collection::vec(folder(), 0..3);
    (folder(), any_name(), any_size(), streams, facts, prop::option::of(0..100_u64), links, holes)
        .prop_map(|(folder, name, size, streams, facts, position, links, holes)| {
            let (blobs, times, attributes) = facts;
            let attributes = attributes & !0x410; // neither directory nor reparse point
            RandomFile {
                folder,
                name,
                size,
                streams,
                blobs,
                times,
                attributes,
                position,
                links,
                holes,
            }
        })
}

fn build(files: &[RandomFile]) -> MemoryTree {
    let mut tree = MemoryTree::new("random", 5);
    tree.dir("StateStore");
    let folder = |steps: &[usize]| {
        let names = steps.iter().map(|step| NtName::from(["a", "B", "\u{E4} \u{1F4BE}"][*step]));
        let root = NtPath::from("StateStore");
        names.fold(root, |path, name| path.join(name))
    };
    for (i, file) in files.iter().enumerate() {
        // The number keeps names apart.
        let mut name = file.name.clone();
        name.extend(format!("{i}").encode_utf16());
        let name = NtName::from_utf16(&name);
        let mut data = MemoryData::pattern(i as u64, file.size);
        let mut holes: Vec<Hole> = Vec::new();
        for &(offset, length) in &file.holes {
            let start = holes.last().map_or(0, |h| h.offset + h.length + 1).max(offset);
            if start + length <= file.size {
                holes.push(Hole { offset: start, length, reason: "bad".to_owned() });
            }
        }
        data.holes = holes;
        let id = tree.file(folder(&file.folder).join(name.clone()), data);
        for (j, (stream, size)) in file.streams.iter().enumerate() {
            let mut stream = stream.clone();
            stream.extend(format!("{j}").encode_utf16());
            tree.stream(id, NtName::from_utf16(&stream), MemoryData::pattern(*size, *size));
        }
        for (j, link) in file.links.iter().enumerate() {
            let mut link_name = name.to_utf16();
            link_name.extend(format!(" link {j}").encode_utf16());
            tree.link(id, folder(link).join(NtName::from_utf16(&link_name)));
        }
        let node = tree.edit(id);
        let time = file.times.map(FileTime);
        node.node.times =
            Times { created: time[0], modified: time[1], changed: time[2], accessed: time[3] };
        node.node.attributes = file.attributes;
        node.node.position = file.position;
        let [security, object_id, extended_attributes, reparse] = file.blobs.clone();
        node.facts.security = security.map(|more| descriptor_and(&more));
        node.facts.object_id = object_id.map(|mut id| {
            id.resize(16, 7);
            id
        });
        node.facts.extended_attributes = extended_attributes.map(|value| attribute(&value));
        if let Some(data) = reparse {
            tree.reparse(id, &made_set::reparse(0x8000_0099, &data));
        }
    }
    tree
}

/// It is on the disk as it is; no restore can set it.
#[test]
fn metadata_that_is_damaged_on_the_disk_is_a_loss_and_its_bytes_are_kept() {
    for which in ["security", "reparse", "object_id"] {
        let mut tree = build(&[]);
        let id = tree.file("StateStore/a", MemoryData::pattern(1, 9));
        let bytes = descriptor_and(&[])[..50].to_vec();
        match which {
            "security" => tree.edit(id).facts.security = Some(bytes.clone()),
            "object_id" => tree.edit(id).facts.object_id = Some(bytes.clone()),
            _ => tree.reparse(id, &[&[0x99, 0, 0, 0x80, 43, 0, 0, 0][..], &[1; 42]].concat()),
        }
        let dir = tempfile::tempdir().unwrap();
        let outcome = pack(&tree, dir.path(), &options());
        assert_eq!(outcome.rescue.totals.losses, 1, "{which}");
        let set = open(dir.path(), &outcome.set);
        let member = set
            .lines()
            .unwrap()
            .find_map(|line| match line.unwrap() {
                Line::Member(member) if member.path.ends_with("/a") => Some(member),
                _ => None,
            })
            .unwrap();
        assert!(member.losses[0].detail.contains("damaged on the disk"), "{which}: {member:?}");
        let kept = [&member.security, &member.reparse, &member.object_id];
        let kept = kept.into_iter().flatten().next().unwrap();
        assert_eq!(from_base64(kept).unwrap().len(), 50, "{which}");
        let verified = verify_set(target(dir.path()), &outcome.set, Level::Full, &Silent).unwrap();
        assert!(verified.findings.iter().all(|f| f.code == "set-has-losses"), "{which}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn random_trees_come_back(files in prop::collection::vec(any_file(), 1..40)) {
        let tree = build(&files);
        let dir = tempfile::tempdir().unwrap();
        let outcome = pack(&tree, dir.path(), &options());
        compare(&tree, &open(dir.path(), &outcome.set));
        let verified = verify_set(target(dir.path()), &outcome.set, Level::Full, &Silent).unwrap();
        prop_assert!(verified.findings.iter().all(|f| f.code == "set-has-losses"));
        prop_assert_eq!(verified.totals, outcome.rescue.totals);
    }
}
