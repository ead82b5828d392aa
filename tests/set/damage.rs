//! A damaged set: everything that is not hit is still read, what is hit is
//! named, and nothing that a set claims is believed blindly.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use lifeboat::model::monitor::Silent;
use lifeboat::set::error::SetError;
use lifeboat::set::format::manifest::{Line, Member};
use lifeboat::set::read::reader::SetReader;
use lifeboat::set::read::verify::{Level, Verified, verify_set};
use lifeboat::set::write::writer::OffloadOptions;
use lifeboat::tree::memory::{MemoryData, MemoryTree};
use support::sets::{options, pack, scratch, target};

/// Some hundred small files, and one that spans frames.
fn tree() -> MemoryTree {
    let mut tree = MemoryTree::new("x", 1);
    for i in 0..300_u64 {
        let path = format!("StateStore/USMT/File/small {i:03}");
        let id = tree.file(path.as_str(), MemoryData::pattern(i, 1500 + i));
        if i % 10 == 0 {
            tree.stream(id, "s", MemoryData::pattern(i, 200));
        }
    }
    tree.file("StateStore/USMT/File/large", MemoryData::pattern(7, 900_000));
    tree
}

struct Damaged {
    dir: tempfile::TempDir,
    set: String,
}

impl Damaged {
    fn new(options: &OffloadOptions) -> Self {
        let dir = scratch();
        let set = pack(&tree(), dir.path(), options).set;
        Self { dir, set }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(&self.set).join(name)
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = std::fs::read(self.path(name)).unwrap();
        change(&mut bytes);
        std::fs::write(self.path(name), bytes).unwrap();
    }

    fn open(&self) -> Result<SetReader, SetError> {
        SetReader::open(target(self.dir.path()), &self.set)
    }

    fn verify(&self) -> Verified {
        verify_set(target(self.dir.path()), &self.set, Level::Full, &Silent).unwrap()
    }

    /// The members that can be read whole, with their bytes; how many errors.
    fn salvage(&self) -> (BTreeMap<String, Vec<Vec<u8>>>, usize) {
        let set = self.open().unwrap();
        let (mut good, mut errors) = (BTreeMap::new(), 0);
        let mut in_order = set.in_order().unwrap();
        while let Some(member) = in_order.next_member() {
            let Ok(member) = member else {
                errors += 1;
                assert!(errors < 10_000, "it never ends");
                continue;
            };
            let streams = member.streams.iter().map(|stream| &stream.data);
            let all: Vec<_> = member.data.iter().chain(streams).cloned().collect();
            let mut read = Vec::new();
            for data in &all {
                let mut reader = in_order.data(data);
                let mut bytes = vec![0; usize::try_from(data.size).unwrap()];
                let mut done = 0;
                let whole = loop {
                    match reader.read(&mut bytes[done..]) {
                        Ok(0) if done < bytes.len() => unreachable!("short without an error"),
                        Ok(0) => break reader.read(&mut [0]).is_ok(),
                        Ok(n) => done += n,
                        Err(_) => break false,
                    }
                };
                if whole {
                    read.push(bytes);
                }
            }
            if read.len() == all.len() {
                good.insert(member.path, read);
            } else {
                errors += 1;
            }
        }
        (good, errors)
    }

    fn members(&self) -> Vec<Member> {
        let set = self.open().unwrap();
        let lines = set.lines().unwrap().filter_map(|line| match line {
            Ok(Line::Member(member)) => Some(*member),
            _ => None,
        });
        lines.collect()
    }
}

/// What an undamaged set gives.
fn whole() -> BTreeMap<String, Vec<Vec<u8>>> {
    let (good, errors) = Damaged::new(&options()).salvage();
    assert_eq!((good.len(), errors), (305, 0));
    good
}

/// That what was read is right, though not all was read.
fn assert_part_of(good: &BTreeMap<String, Vec<Vec<u8>>>, whole: &BTreeMap<String, Vec<Vec<u8>>>) {
    for (path, bytes) in good {
        assert!(whole.get(path) == Some(bytes), "{path}: wrong bytes");
    }
}

fn codes(verified: &Verified) -> Vec<&'static str> {
    let mut codes: Vec<_> = verified.findings.iter().map(|finding| finding.code).collect();
    codes.sort_unstable();
    codes.dedup();
    codes
}

#[test]
fn a_flipped_bit_costs_the_files_of_one_frame() {
    let whole = whole();
    let set = Damaged::new(&options());
    let members = set.members();
    set.change("store.tar.zst", |bytes| bytes[100_000] ^= 8);
    let (good, errors) = set.salvage();
    assert_part_of(&good, &whole);
    assert!((1..40).contains(&errors), "{errors} lost");
    assert_eq!(good.len() + errors, whole.len());

    let verified = set.verify();
    let hit = ["set-file-hash", "set-frame-damaged", "set-member-damaged"];
    assert_eq!(codes(&verified), hit);
    // Those that are named are those that could not be read, or whose headers
    // lie in the frame.
    let named: Vec<_> =
        verified.findings.iter().filter(|f| f.code == hit[2]).map(|f| &f.path).collect();
    assert_eq!(named.len() as u64, verified.members_hit);
    for path in whole.keys().filter(|path| !good.contains_key(*path)) {
        assert!(named.contains(&path), "{path} is not named");
    }
    let frames: Vec<_> = named
        .iter()
        .map(|path| members.iter().find(|m| m.path == ***path).unwrap().start.frame)
        .collect();
    assert!(frames.iter().all(|&frame| frame == frames[0]), "{frames:?}");
}

#[test]
fn a_large_file_loses_one_frame_only() {
    let set = Damaged::new(&options());
    let members = set.members();
    let data = members.iter().find(|m| m.path.ends_with("/large")).unwrap().data.clone().unwrap();
    let Some(at) = data.at else { unreachable!() };
    let frame = set.open().unwrap().lines().unwrap().find_map(|line| match line {
        Ok(Line::Frame(frame)) if frame.frame == at.frame + 3 => Some(frame),
        _ => None,
    });
    let frame = frame.unwrap();
    set.change("store.tar.zst", |bytes| {
        bytes[usize::try_from(frame.offset).unwrap() + 30_000] ^= 1;
    });
    let reader = set.open().unwrap();
    let mut reader = reader.open_data(&data).unwrap();
    let expected = MemoryData::pattern(7, 900_000).to_vec();
    let (mut got, mut skipped) = (Vec::new(), 0);
    let mut buf = vec![0; 7000];
    loop {
        match reader.read(&mut buf) {
            Ok(0) => break,
            Ok(n) => got.extend_from_slice(&buf[..n]),
            Err(_) => {
                let bytes = reader.skip_damage();
                skipped += bytes;
                got.resize(got.len() + usize::try_from(bytes).unwrap(), 0);
            }
        }
    }
    assert_eq!(skipped, frame.plain_size);
    assert_eq!(got.len(), expected.len());
    let differ = got.iter().zip(&expected).filter(|(a, b)| a != b).count();
    assert!(differ as u64 <= skipped && differ > 0);
}

#[test]
fn without_its_seek_table_a_set_is_read_by_its_manifest() {
    let whole = whole();
    let set = Damaged::new(&options());
    set.change("store.tar.zst", |bytes| *bytes.last_mut().unwrap() ^= 1);
    assert_eq!(set.salvage(), (whole, 0));
    assert_eq!(codes(&set.verify()), ["set-file-hash", "set-seek-table"]);
}

#[test]
fn a_manifest_without_its_table_is_read_from_the_front() {
    let whole = whole();
    let set = Damaged::new(&options());
    set.change("manifest.jsonl.zst", |bytes| *bytes.last_mut().unwrap() ^= 1);
    let (good, errors) = set.salvage();
    assert!(good == whole && errors == 1, "{errors}: its hash is not the one that was written");
    assert_eq!(codes(&set.verify()), ["set-file-hash", "set-seek-table"]);
}

#[test]
fn what_the_manifest_lost_is_read_from_the_tar() {
    let whole = whole();
    // Frames of the manifest small enough that there are several.
    let small = OffloadOptions { frame_bytes: 4096, ..options() };
    for damage in [
        |bytes: &mut Vec<u8>| bytes[5000] ^= 1,
        |bytes: &mut Vec<u8>| bytes[50] ^= 1,
        |bytes: &mut Vec<u8>| bytes.clear(),
        |bytes: &mut Vec<u8>| bytes.truncate(6000),
    ] {
        let set = Damaged::new(&small);
        set.change("manifest.jsonl.zst", damage);
        let (good, errors) = set.salvage();
        assert!(good == whole, "{} of {} found", good.len(), whole.len());
        assert!(errors > 0, "it went unmentioned");
        assert!(codes(&set.verify()).contains(&"set-manifest-damaged"));
    }
    let set = Damaged::new(&small);
    std::fs::remove_file(set.path("manifest.jsonl.zst")).unwrap();
    assert!(set.salvage().0 == whole);
    assert!(codes(&set.verify()).contains(&"set-file-missing"));
}

/// Copied by way of a stick or a share that changes the case of names.
#[cfg(target_os = "linux")]
#[test]
fn a_file_whose_name_has_another_letter_case_is_named() {
    let set = Damaged::new(&options());
    std::fs::rename(set.path("manifest.jsonl.zst"), set.path("MANIFEST.JSONL.ZST")).unwrap();
    let findings = set.verify().findings;
    let missing = findings.iter().find(|found| found.code == "set-file-missing").unwrap();
    assert!(missing.what.contains("MANIFEST.JSONL.ZST is there: rename it"), "{missing:?}");
}

#[test]
fn a_missing_or_short_volume_costs_what_is_in_it() {
    let whole = whole();
    let split = OffloadOptions { split: Some(200_000), ..options() };
    let volume = "store.tar.zst.003";
    for damage in [
        (|path| std::fs::remove_file(path).unwrap()) as fn(&Path),
        |path| std::fs::File::options().write(true).open(path).unwrap().set_len(70_000).unwrap(),
        |path| std::fs::write(path, vec![0; 200_000]).unwrap(),
    ] {
        let set = Damaged::new(&split);
        damage(&set.path(volume));
        let (good, errors) = set.salvage();
        assert_part_of(&good, &whole);
        assert!(errors > 0 && good.len() > 150, "{} read", good.len());
        let verified = set.verify();
        assert!(verified.members_hit > 0 && verified.damage > 0);
        assert!(verified.findings.iter().any(|f| f.path.ends_with(volume)));
    }
}

/// Every file of the set, at many places, cut or changed: never a panic, never
/// an endless loop, never wrong bytes without an error.
#[test]
fn wherever_a_set_is_hit_nothing_wrong_is_given_out() {
    let whole = whole();
    let sound = Damaged::new(&options());
    let files = ["store.tar.zst", "manifest.jsonl.zst", "rescue.json", "SHA256SUMS", "RESTORE.txt"];
    for name in files {
        let bytes = std::fs::read(sound.path(name)).unwrap();
        for part in 0..24 {
            let at = bytes.len() * part / 24;
            let mut changed = bytes.clone();
            changed[at] ^= 0x41;
            for damaged in [changed, bytes[..at].to_vec()] {
                std::fs::write(sound.path(name), damaged).unwrap();
                let Ok(set) = sound.open() else { continue };
                drop(set);
                let (good, _) = sound.salvage();
                assert_part_of(&good, &whole);
                let verified = sound.verify();
                assert!(verified.damage > 0, "{name} changed at {at}, and verified");
            }
        }
        std::fs::write(sound.path(name), bytes).unwrap();
    }
    assert_eq!(sound.verify().findings, []);
}

#[test]
fn an_incomplete_or_too_new_set_is_refused() {
    let set = Damaged::new(&options());
    set.change("rescue.json", |bytes| {
        let text = String::from_utf8(bytes.clone()).unwrap();
        *bytes = text.replace("\"format\": 1", "\"format\": 3").into_bytes();
    });
    assert!(matches!(set.open(), Err(SetError::TooNew { format: 3, .. })));
    set.change("rescue.json", |bytes| {
        let text = String::from_utf8(bytes.clone()).unwrap();
        *bytes = text.replace("\"format\": 3", "\"format\": 1").into_bytes();
        *bytes = String::from_utf8(bytes.clone())
            .unwrap()
            .replace("\"store.tar.zst\"", "\"store.tar.zst/../../x\"")
            .into_bytes();
    });
    assert!(matches!(set.open(), Err(SetError::NotASet { .. })));
    std::fs::remove_file(set.path("rescue.json")).unwrap();
    assert!(matches!(set.open(), Err(SetError::NotASet { .. })));
}

/// Packs a manifest anew, so that it is well-formed but lies.
fn forge(set: &Damaged, change: impl Fn(&str) -> String) {
    set.change("manifest.jsonl.zst", |bytes| {
        let plain = zstd::stream::decode_all(&bytes[..]).unwrap();
        let plain = change(&String::from_utf8(plain).unwrap());
        *bytes = zstd::stream::encode_all(plain.as_bytes(), 3).unwrap();
    });
}

#[test]
fn forged_manifests_are_contained() {
    let whole = whole();
    let big = u64::MAX.to_string();
    let forgeries: [&dyn Fn(&str) -> String; 6] = [
        &|text| text.replace("\"size\":1501", &format!("\"size\":{big}")),
        &|text| text.replace("\"frame\":1,\"offset\":", &format!("\"frame\":{big},\"offset\":1")),
        &|text| text.replace("\"offset\":1", &format!("\"offset\":{big},\"x\":1")),
        &|text| text.replace("\"plain_size\":", "\"plain_size\":9"),
        &|text| text.replacen('\n', &" ".repeat(40 << 20), 3),
        &|text| "[".repeat(100_000) + text,
    ];
    for (number, forgery) in forgeries.iter().enumerate() {
        let set = Damaged::new(&options());
        forge(&set, forgery);
        let reader = set.open().unwrap();
        let mut in_order = reader.in_order().unwrap();
        let mut good = 0;
        for _ in 0..20_000 {
            match in_order.next_member() {
                None => break,
                Some(Err(_)) => {}
                Some(Ok(member)) => {
                    let Some(data) = member.data else { continue };
                    let mut reader = in_order.data(&data);
                    let mut bytes = Vec::new();
                    let mut buf = [0; 9000];
                    while let Ok(n @ 1..) = reader.read(&mut buf) {
                        bytes.extend_from_slice(&buf[..n]);
                        assert!(bytes.len() < 10 << 20, "it yields without end");
                    }
                    good += usize::from(whole.get(&member.path).is_some_and(|w| w[0] == bytes));
                }
            }
        }
        assert!(in_order.next_member().is_none(), "forgery {number} never ends");
        assert!(number == 3 || good > 100, "forgery {number}: only {good} read");
        assert!(set.verify().damage > 0, "forgery {number} verified");
    }
}

#[test]
fn a_bomb_of_zstd_yields_no_more_than_it_may() {
    let set = Damaged::new(&options());
    let bomb = zstd::stream::encode_all(std::io::repeat(0).take(1 << 30), 1).unwrap();
    // In the place of the manifest, and in the place of a frame.
    set.change("manifest.jsonl.zst", |bytes| *bytes = bomb.clone());
    let mut lines = 0;
    for line in set.open().unwrap().lines().unwrap() {
        assert!(line.is_err() || matches!(line, Ok(Line::Member(_))), "it comes from the tar");
        lines += 1;
    }
    assert!(lines < 1000, "{lines}");
    set.change("store.tar.zst", |bytes| {
        let at = bytes.len() / 2;
        let end = (at + bomb.len()).min(bytes.len());
        bytes[at..end].copy_from_slice(&bomb[..end - at]);
    });
    let _ = set.salvage();
}
