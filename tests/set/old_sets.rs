//! Sets that earlier programs made stay readable, and the same source still gives
//! the same bytes. `tests/set/old/` keeps a few small sets of each generation,
//! with the disks that they are of; its README.md tells what is in it, and how
//! the next generation is made ([`make_the_next_generation`]).
//!
//! Everything goes through the program, as its users would do it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use support::program::{Run, lifeboat, sha256_of};
use tempfile::TempDir;

/// The version of the program under test.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// How a kind of set is made.
struct Kind {
    /// Its archive in the generation's folder.
    name: &'static str,
    /// Its disk in `sources/`.
    source: &'static str,
    args: &'static [&'static str],
    key: Key,
    format: u64,
    /// What `offload` ends with.
    code: i32,
    /// The disk is damaged first, see [`damage`].
    damaged: bool,
    /// The run that made it was killed.
    interrupted: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Key {
    None,
    Passphrase,
    Recipient,
}

/// Small frames: a checkpoint every 128 KiB.
const SMALL: &[&str] = &["--level", "3", "--frame-bytes", "4096"];
/// Frames in which the disk's noise does not repeat itself, see `make::fill`.
const SPLIT: &[&str] = &["--level", "1", "--frame-bytes", "65536", "--split", "16M"];
const PLAIN: Kind = Kind {
    name: "plain",
    source: "one",
    args: &["--level", "3"],
    key: Key::None,
    format: 1,
    code: 0,
    damaged: false,
    interrupted: false,
};

/// Every kind that a generation has.
const KINDS: [Kind; 9] = [
    PLAIN,
    // Files with everything that NTFS can give them; two are not on that disk.
    Kind { name: "facts", source: "facts", code: 3, ..PLAIN },
    // In two volumes.
    Kind { name: "split", source: "large", args: SPLIT, ..PLAIN },
    Kind { name: "losses", code: 3, damaged: true, ..PLAIN },
    Kind { name: "sealed", source: "sealed", ..PLAIN },
    Kind { name: "passphrase", key: Key::Passphrase, format: 2, ..PLAIN },
    // Went on after a break, so that store and manifest are of several files.
    Kind { name: "recipient", args: SMALL, key: Key::Recipient, format: 2, ..PLAIN },
    Kind { name: "interrupted", args: SMALL, interrupted: true, ..PLAIN },
    Kind {
        name: "interrupted-encrypted",
        args: SMALL,
        key: Key::Passphrase,
        format: 2,
        interrupted: true,
        ..PLAIN
    },
];

/// Files whose records or places on the disk [`damage`] spoils.
const UNREADABLE: &str = "Letter to the landlord.docx";
const UNPLACED: &str = "old report.doc";

impl Kind {
    /// The options that open the set.
    fn key(&self) -> Vec<String> {
        match self.key {
            Key::None => Vec::new(),
            Key::Passphrase => vec!["--passphrase-file".to_owned(), text(&kept("passphrase.txt"))],
            Key::Recipient => vec!["--identity".to_owned(), text(&kept("identity.txt"))],
        }
    }

    /// Runs `offload` as this kind is made, of the disk at `image`.
    fn offload(&self, image: &Path, dest: &Path) -> Run {
        lifeboat(&self.offload_args(image, dest))
    }

    fn offload_args(&self, image: &Path, dest: &Path) -> Vec<String> {
        let mut args = vec!["offload".to_owned(), text(image), "--to".to_owned(), text(dest)];
        args.extend(["--name", "PC0815", "--json"].map(str::to_owned));
        args.extend(self.args.iter().map(|&arg| arg.to_owned()));
        args.extend(self.key());
        if self.key == Key::Recipient {
            args.extend(["--recipient".to_owned(), recipient()]);
        }
        args
    }

    /// Its disk, as it was when the set was made.
    fn disk(&self, dir: &Path) -> PathBuf {
        let image = dir.join(format!("{}.img", self.name));
        let packed = File::open(kept(&format!("sources/{}.img.zst", self.source))).unwrap();
        let mut bytes = Vec::new();
        zstd::Decoder::new(packed).unwrap().read_to_end(&mut bytes).unwrap();
        if self.damaged {
            damage(&mut bytes);
        }
        fs::write(&image, bytes).unwrap();
        image
    }

    /// Runs a command over the set, with its key.
    fn run(&self, command: &str, set: &Path, more: &[&str]) -> Run {
        let mut args = vec![command.to_owned(), text(set), "--json".to_owned()];
        args.extend(self.key());
        args.extend(more.iter().map(|&arg| arg.to_owned()));
        lifeboat(&args)
    }

    fn members(&self, set: &Path) -> Vec<Value> {
        let members = self.run("list", set, &[]).expect(0).events("member");
        assert!(members.len() > 10, "{}", self.name);
        members
    }
}

/// A set of a generation, unpacked.
struct LoadstateStore {
    generation: String,
    kind: &'static Kind,
    dir: TempDir,
}

impl LoadstateStore {
    fn dest(&self) -> PathBuf {
        self.dir.path().join("dest")
    }

    fn set(&self) -> PathBuf {
        only_folder(&self.dest())
    }

    fn called(&self) -> String {
        format!("{}/{}", self.generation, self.kind.name)
    }
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

fn kept(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/set/old").join(name)
}

/// The public half of `identity.txt`.
fn recipient() -> String {
    let identity = fs::read_to_string(kept("identity.txt")).unwrap();
    identity.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap().to_owned()
}

fn only_folder(dest: &Path) -> PathBuf {
    let entries: Vec<PathBuf> =
        fs::read_dir(dest).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(entries.len(), 1, "{entries:?}");
    entries[0].clone()
}

/// Folders of `tests/set/old` that are called as versions are.
fn generations() -> Vec<String> {
    let names = fs::read_dir(kept("")).unwrap().map(|e| e.unwrap().file_name());
    let names = names.map(|name| name.into_string().unwrap());
    let mut names: Vec<String> =
        names.filter(|name| name.starts_with(|c: char| c.is_ascii_digit())).collect();
    names.sort();
    assert!(!names.is_empty());
    names
}

/// Every set that is kept, of the kinds that `wanted` takes.
fn sets(wanted: impl Fn(&Kind) -> bool) -> Vec<LoadstateStore> {
    let mut found = Vec::new();
    for generation in generations() {
        for kind in KINDS.iter().filter(|kind| wanted(kind)) {
            let archive = kept(&format!("{generation}/{}.tar.zst", kind.name));
            // A later kind is not in an earlier generation.
            if archive.exists() {
                let dir = tempfile::tempdir().unwrap();
                let dest = dir.path().join("dest");
                fs::create_dir(&dest).unwrap();
                unpack(&archive, &dest);
                found.push(LoadstateStore { generation: generation.clone(), kind, dir });
            }
        }
    }
    assert!(!found.is_empty());
    found
}

fn unpack(archive: &Path, to: &Path) {
    let mut decoder = zstd::Decoder::new(File::open(archive).unwrap()).unwrap();
    decoder.window_log_max(27).unwrap();
    let tar = to.with_extension("tar");
    std::io::copy(&mut decoder, &mut File::create(&tar).unwrap()).unwrap();
    let status = Command::new("tar").arg("-xf").arg(&tar).arg("-C").arg(to).status().unwrap();
    assert!(status.success(), "{}", archive.display());
    fs::remove_file(tar).unwrap();
}

fn rescue(set: &Path) -> Value {
    serde_json::from_slice(&fs::read(set.join("rescue.json")).unwrap()).unwrap()
}

/// What a disk's store holds, by somebody else's account: SHA-256 by path in a set.
fn truth(source: &str) -> BTreeMap<String, String> {
    let lines = fs::read_to_string(kept(&format!("sources/{source}.sha256"))).unwrap();
    let pairs = lines.lines().map(|line| line.split_once("  ").unwrap());
    pairs.map(|(sha256, path)| (path.to_owned(), sha256.to_owned())).collect()
}

/// Whether [`damage`] takes this file from the sets of this kind.
fn is_lost(kind: &Kind, path: &str) -> bool {
    kind.damaged && [UNREADABLE, UNPLACED].iter().any(|name| path.ends_with(name))
}

#[test]
fn sets_of_every_generation_are_read_by_every_command() {
    for kept in sets(|kind| !kind.interrupted) {
        let (kind, set, called) = (kept.kind, kept.set(), kept.called());
        let truth = truth(kind.source);
        assert_eq!(rescue(&set)["format"], kind.format, "{called}");

        let mut losses = 0;
        let mut listed = BTreeMap::new();
        for member in kind.members(&set) {
            let path = member["path"].as_str().unwrap().to_owned();
            losses += member["losses"].as_array().map_or(0, Vec::len);
            let holder = member["link_to"].as_str().unwrap_or(&path).to_owned();
            if let Some(sha256) = member["data"]["sha256"].as_str() {
                listed.insert(path.clone(), sha256.to_owned());
            } else if let Some(sha256) = listed.get(&holder).cloned() {
                listed.insert(path, sha256); // a further name stands behind the first
            }
        }
        assert_eq!(losses > 0, kind.code == 3, "{called}: {losses} losses");
        for (path, sha256) in &truth {
            let said = listed.get(path).unwrap_or_else(|| panic!("{called}: no {path}"));
            assert_eq!(said == sha256, !is_lost(kind, path), "{called}: {path}");
        }

        for level in ["quick", "full"] {
            let run = kind.run("verify", &set, &["--level", level]).expect(kind.code);
            let verdict = &run.events("verdict")[0];
            assert_eq!((&verdict["damage"], &verdict["members_hit"]), (&0.into(), &0.into()));
            let seals = run.events("seal");
            assert_eq!(seals.len(), usize::from(kind.name == "sealed"), "{called}");
            assert!(seals.iter().all(|seal| seal["state"] == "matches"), "{called}: {seals:?}");
        }

        let out = kept.dir.path().join("one file");
        let one = "C/StateStore/USMT/catalog.mig";
        // 3: a folder of Linux holds no owner.
        kind.run("extract", &set, &[one, "--to", &text(&out)]).expect(3);
        assert_eq!(sha256_of(&out.join(one)), truth[one], "{called}");

        let out = kept.dir.path().join("restored");
        kind.run("restore", &set, &["--to", &text(&out)]).expect(3);
        for (path, sha256) in truth.iter().filter(|(path, _)| !is_lost(kind, path)) {
            assert_eq!(sha256_of(&out.join(path)), *sha256, "{called}: {path}");
        }
        assert_eq!(out.join("C/StateStore/lifeboat.seal").exists(), kind.name == "sealed");
        kind.run("report", &set, &["--to", &text(&kept.dir.path().join("r.html"))]).expect(0);
        assert!(kind.run("loadstate", &set, &[]).expect(0).stdout.contains("StateStore"));
    }
}

/// The files of store and manifest, unpacked but for the store, whose frames are
/// compared as they are; without the set's id, which is never the same.
fn bytes_of(set: &Path) -> BTreeMap<String, Vec<u8>> {
    let id = rescue(set)["set"].as_str().unwrap().to_owned();
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(set).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let bytes = || fs::read(set.join(&name)).unwrap();
        if name.starts_with("store.") {
            files.insert(name.clone(), bytes());
        } else if name.starts_with("manifest.") {
            let plain = String::from_utf8(zstd::decode_all(&bytes()[..]).unwrap()).unwrap();
            let plain = plain.replacen(&id, "ID", 1);
            let lines = plain.lines().map(|line| {
                let line: Value = serde_json::from_str(line).unwrap();
                format!("{}\n", without_words(line))
            });
            files.insert(name.clone(), lines.collect::<String>().into_bytes());
        }
    }
    assert!(files.len() >= 2, "{}", set.display());
    files
}

/// Fails with the first line or byte that differs.
fn assert_same_bytes(found: &Path, whole: &Path, called: &str) {
    let (found, whole) = (bytes_of(found), bytes_of(whole));
    let names = |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&found), names(&whole), "{called}");
    for (name, bytes) in &found {
        let whole = &whole[name];
        let at = bytes.iter().zip(whole).position(|(a, b)| a != b);
        let at =
            at.or_else(|| (bytes.len() != whole.len()).then_some(bytes.len().min(whole.len())));
        let Some(at) = at else { continue };
        let unpacked = |bytes: &[u8]| zstd::decode_all(bytes).ok();
        let packed_otherwise = name == "store.tar.zst" && unpacked(bytes) == unpacked(whole);
        panic!(
            "{called}: {name} differs from byte {at} on{}",
            if packed_otherwise {
                ", though it unpacks to the same: is this another zstd?"
            } else {
                ""
            }
        );
    }
}

/// Why something was lost, and why a hole is there, is said in words for people, which may
/// be put better later.
fn without_words(mut line: Value) -> Value {
    match &mut line {
        Value::Object(fields) => {
            for (name, value) in fields {
                let is_for_people = matches!(name.as_str(), "detail" | "reason");
                *value = if is_for_people { Value::Null } else { without_words(value.take()) };
            }
        }
        Value::Array(values) => {
            for value in values {
                *value = without_words(value.take());
            }
        }
        _ => {}
    }
    line
}

/// The members as `list` shows them, without their places and without words for people.
fn without_places(members: Vec<Value>) -> Vec<Value> {
    let mut members: Vec<Value> = members.into_iter().map(without_words).collect();
    for member in &mut members {
        let member = member.as_object_mut().unwrap();
        member.remove("start");
        if let Some(data) = member.get_mut("data") {
            data.as_object_mut().unwrap().remove("at");
        }
        for stream in member.get_mut("streams").and_then(Value::as_array_mut).into_iter().flatten()
        {
            stream.as_object_mut().unwrap().remove("at");
        }
    }
    members
}

#[test]
fn the_same_source_gives_the_same_bytes_as_then() {
    let now = tempfile::tempdir().unwrap();
    let mut made = BTreeMap::new();
    for kept in sets(|kind| !kind.interrupted).iter().rev() {
        let (kind, called) = (kept.kind, kept.called());
        let dest = made.entry(kind.name).or_insert_with(|| {
            let dest = now.path().join(kind.name);
            kind.offload(&kind.disk(now.path()), &dest).expect(kind.code);
            dest
        });
        let (old, new) = (kept.set(), only_folder(dest));
        // Another format has other bytes; each generation still says the same.
        let is_same_format = rescue(&old)["format"] == rescue(&new)["format"];
        if kind.key == Key::None && is_same_format {
            assert_same_bytes(&new, &old, &called);
        }
        let (old, new) = (without_places(kind.members(&old)), without_places(kind.members(&new)));
        assert!(old == new, "{called}: the members are others");
    }
}

#[test]
fn an_interrupted_set_is_gone_on_with_and_ends_as_an_unbroken_one() {
    let mut resumed = BTreeSet::new();
    for kept in sets(|kind| kind.interrupted) {
        let (kind, called) = (kept.kind, kept.called());
        let partial = kept.set();
        assert!(text(&partial).ends_with(".partial"), "{called}");
        let before = contents(&partial);
        let image = kind.disk(kept.dir.path());
        let run = kind.offload(&image, &kept.dest()).expect(0);
        let frames = run.events("set")[0]["resumed_frames"].as_u64().unwrap();
        if kept.generation != VERSION {
            // Another version's set stays as it is, and a new one stands beside it.
            assert_eq!(frames, 0, "{called}");
            assert!(contents(&partial) == before, "{called}");
            continue;
        }
        assert!(frames >= 32, "{called}: {frames} frames were gone on with");
        resumed.insert(kind.name);

        let unbroken = kept.dir.path().join("unbroken");
        kind.offload(&image, &unbroken).expect(0);
        let (set, unbroken) = (kept.set(), only_folder(&unbroken));
        assert!(!text(&set).ends_with(".partial") && text(&partial).starts_with(&text(&set)));
        if kind.key == Key::None {
            assert_same_bytes(&set, &unbroken, &called);
        }
        let places = without_places(kind.members(&set)) == without_places(kind.members(&unbroken));
        assert!(places, "{called}: the members are others");
        kind.run("verify", &set, &["--level", "full"]).expect(0);
        let out = kept.dir.path().join("restored");
        kind.run("restore", &set, &["--to", &text(&out)]).expect(3);
        for (path, sha256) in truth(kind.source) {
            assert_eq!(sha256_of(&out.join(&path)), sha256, "{called}: {path}");
        }
    }
    let all: BTreeSet<_> = KINDS.iter().filter(|k| k.interrupted).map(|k| k.name).collect();
    assert_eq!(resumed, all, "no interrupted set of {VERSION} is kept: tests/set/old/README.md");
}

fn contents(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    let named =
        |e: fs::DirEntry| (e.file_name().into_string().unwrap(), fs::read(e.path()).unwrap());
    entries.map(named).collect()
}

#[test]
fn every_format_that_the_program_knows_has_sets_here() {
    let all = sets(|_| true);
    for kind in &KINDS {
        assert!(all.iter().any(|kept| kept.kind.name == kind.name), "{} is gone", kind.name);
    }
    let mut formats = BTreeSet::new();
    let mut seals = BTreeSet::new();
    for kept in sets(|kind| !kind.interrupted) {
        formats.insert(rescue(&kept.set())["format"].as_u64().unwrap());
        if kept.kind.name == "sealed" {
            let out = kept.dir.path().join("seal");
            let path = "C/StateStore/lifeboat.seal";
            kept.kind.run("extract", &kept.set(), &[path, "--to", &text(&out)]).expect(3);
            seals.insert(seal_format(&out.join(path)));
        }
    }

    // What it reads: a format is unknown if it is refused as that of a far day is.
    let kept = &sets(|kind| kind.name == "plain")[0];
    let refused = |format: u64| {
        let mut said = rescue(&kept.set());
        said["format"] = format.into();
        fs::write(kept.set().join("rescue.json"), said.to_string()).unwrap();
        let run = lifeboat(&["list".to_owned(), text(&kept.set())]);
        run.stderr
    };
    let unknown = refused(987_654);
    assert!(unknown.contains("987654"), "{unknown}");
    for format in 1..100u64 {
        // The folder's path has digits, too: they become the same in both.
        let number = format.to_string();
        let is_unknown = refused(format).replace(&number, "N")
            == unknown.replace("987654", "N").replace(&number, "N");
        assert!(
            is_unknown || formats.contains(&format),
            "format {format} has no set: tests/set/old/README.md"
        );
    }
    assert!(formats.contains(&1) && formats.contains(&2));

    // What it writes.
    let now = tempfile::tempdir().unwrap();
    for kind in KINDS.iter().filter(|kind| matches!(kind.name, "plain" | "passphrase")) {
        let dest = now.path().join(kind.name);
        kind.offload(&kind.disk(now.path()), &dest).expect(0);
        let written = rescue(&only_folder(&dest))["format"].as_u64().unwrap();
        assert!(formats.contains(&written), "format {written} has no set");
    }
    let store = now.path().join("store");
    let usmt = store.join("StateStore/USMT");
    fs::create_dir_all(usmt.join("File/C$/Users/alice")).unwrap();
    for name in ["catalog.mig", "MIGSTATE.DAT", "status.~lg", "File/C$/Users/alice/a.txt"] {
        fs::write(usmt.join(name), name).unwrap();
    }
    lifeboat(&["seal", "--via", "host", &text(&store)]).expect(0);
    let written = seal_format(&store.join("StateStore/lifeboat.seal"));
    assert!(seals.contains(&written), "seals of format {written} are in no set");
}

fn seal_format(seal: &Path) -> u64 {
    let plain = zstd::decode_all(File::open(seal).unwrap()).unwrap();
    let first = plain.split(|b| *b == b'\n').next().unwrap();
    let first: Value = serde_json::from_slice(first).unwrap();
    first["format"].as_u64().unwrap()
}

/// Spoils two files of a bare NTFS volume with records of 1024 bytes: the record of
/// one is no record any more, and another's data lies where the volume has ended.
fn damage(disk: &mut [u8]) {
    let record_of = |disk: &[u8], name: &str| {
        let wide: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let records = disk.chunks(1024).enumerate().filter(|(_, record)| {
            // A file, in use (flags at 0x16); its folder has the name, too.
            record.starts_with(b"FILE")
                && record[0x16] & 3 == 1
                && record.windows(wide.len()).any(|at| at == wide)
        });
        let found: Vec<usize> = records.map(|(number, _)| number * 1024).collect();
        assert_eq!(found.len(), 1, "{name}");
        found[0]
    };
    let at = record_of(disk, UNREADABLE);
    disk[at..at + 4].copy_from_slice(b"BAAD");

    let record = record_of(disk, UNPLACED);
    let u16_at = |disk: &[u8], at: usize| usize::from(u16::from_le_bytes([disk[at], disk[at + 1]]));
    let mut at = record + u16_at(disk, record + 0x14);
    while disk[at..at + 4] != [0x80, 0, 0, 0] {
        at += u16_at(disk, at + 4);
    }
    assert_eq!(disk[at + 8], 1, "its data is not in the record");
    // The first run: lengths in the two halves of a byte, clusters, first cluster.
    let runs = at + u16_at(disk, at + 0x20);
    let (clusters, place) = (usize::from(disk[runs] & 15), usize::from(disk[runs] >> 4));
    assert!(place >= 2);
    disk[runs + clusters + place] = 0x7F;
}

#[path = "old/make.rs"] // beside what it makes
mod make;
