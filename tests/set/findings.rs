//! Every finding about a rescue set: a set that shows it, and a sound one that
//! does not.

use std::fs;
use std::path::{Path, PathBuf};

use lifeboat::health::codes::ELSEWHERE;
use lifeboat::model::monitor::Silent;
use lifeboat::set::read::verify::{Level, verify_set};
use lifeboat::set::write::writer::OffloadOptions;
use lifeboat::tree::memory::{MemoryData, MemoryTree};
use serde_json::Value;
use support::sets::{broken_store, options, pack, scratch, target};

fn tree() -> MemoryTree {
    let mut tree = MemoryTree::new("x", 1);
    for i in 0..40_u64 {
        tree.file(format!("StateStore/USMT/File/{i:02}").as_str(), MemoryData::pattern(i, 9000));
    }
    tree
}

/// What is done to a set before it is looked at; the set's folder.
type Harm = fn(&Path);

/// The codes that a set shows.
fn shown(tree: &MemoryTree, options: &OffloadOptions, harm: Harm) -> Vec<&'static str> {
    let dir = scratch();
    let set = pack(tree, dir.path(), options).set;
    harm(&dir.path().join(&set));
    let verified = verify_set(target(dir.path()), &set, Level::Full, &Silent).unwrap();
    let mut codes: Vec<_> = verified.findings.iter().map(|finding| finding.code).collect();
    codes.sort_unstable();
    codes.dedup();
    codes
}

fn change(file: PathBuf, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(&file).unwrap();
    change(&mut bytes);
    fs::write(file, bytes).unwrap();
}

fn flip_the_middle(file: PathBuf) {
    change(file, |bytes| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0xFF;
    });
}

fn edit_rescue(set: &Path, edit: impl FnOnce(&mut Value)) {
    change(set.join("rescue.json"), |bytes| {
        let mut rescue = serde_json::from_slice(bytes).unwrap();
        edit(&mut rescue);
        *bytes = serde_json::to_vec(&rescue).unwrap();
    });
}

/// Rewrites the manifest, line by line; a line that becomes none goes.
fn edit_manifest(set: &Path, edit: impl Fn(Value) -> Option<Value>) {
    change(set.join("manifest.jsonl.zst"), |bytes| {
        let plain = zstd::decode_all(&bytes[..]).unwrap();
        let lines = std::str::from_utf8(&plain).unwrap().lines();
        let kept = lines.filter_map(|line| edit(serde_json::from_str(line).unwrap()));
        let text: Vec<String> = kept.map(|line| line.to_string() + "\n").collect();
        *bytes = zstd::encode_all(text.concat().as_bytes(), 3).unwrap();
    });
}

/// A code, and the harm that shows it.
const HARMS: &[(&str, Harm)] = &[
    ("set-seek-table", |set| {
        change(set.join("store.tar.zst"), |bytes| *bytes.last_mut().unwrap() ^= 1);
    }),
    ("set-file-missing", |set| fs::remove_file(set.join("RESTORE.txt")).unwrap()),
    ("set-file-size", |set| change(set.join("RESTORE.txt"), |bytes| bytes.push(b'\n'))),
    ("set-file-name", |set| {
        edit_rescue(set, |rescue| {
            let files = rescue["files"].as_array_mut().unwrap();
            let note = files.iter_mut().find(|file| file["name"] == "RESTORE.txt").unwrap();
            note["name"] = "../RESTORE.txt".into();
        });
    }),
    ("set-file-hash", |set| flip_the_middle(set.join("restore.cmd"))),
    ("set-frame-damaged", |set| flip_the_middle(set.join("store.tar.zst"))),
    ("set-manifest-damaged", |set| flip_the_middle(set.join("manifest.jsonl.zst"))),
    ("set-member-damaged", |set| flip_the_middle(set.join("store.tar.zst"))),
    // A file that the tar has, and the manifest does not name.
    ("set-member-differs", |set| {
        edit_manifest(set, |line| (line["path"] != "C/StateStore/USMT/File/07").then_some(line));
    }),
    ("set-totals", |set| edit_rescue(set, |rescue| rescue["totals"]["files"] = 41.into())),
];

#[test]
fn each_finding_is_shown_by_its_own_harm_and_by_no_sound_set() {
    assert_eq!(shown(&tree(), &options(), |_| ()), [""; 0], "a sound set shows nothing");
    for (code, harm) in HARMS {
        let codes = shown(&tree(), &options(), *harm);
        assert!(codes.contains(code), "{code} is not in {codes:?}");
    }
    let lacking = OffloadOptions { lacks: vec!["the part on drive D:".to_owned()], ..options() };
    assert_eq!(shown(&tree(), &lacking, |_| ()), ["set-lacks-part"]);
    let damaged = OffloadOptions { damage: vec!["12 files were deleted".into()], ..options() };
    assert_eq!(shown(&tree(), &damaged, |_| ()), ["set-of-damaged-store"]);
    assert_eq!(shown(&broken_store(), &options(), |_| ()), ["set-has-losses"]);
}

/// The counts alone, and a name alone, are damage by themselves.
#[test]
fn errors_of_the_manifest_alone_are_told_apart_from_damaged_data() {
    let of = |code| HARMS.iter().find(|(name, _)| *name == code).unwrap().1;
    let codes = shown(&tree(), &options(), of("set-totals"));
    assert_eq!(codes, ["set-file-hash", "set-totals"], "SHA256SUMS tells the forged rescue.json");
    let codes = shown(&tree(), &options(), of("set-member-differs"));
    assert!(
        !codes.contains(&"set-member-damaged"),
        "the files that are named are whole: {codes:?}"
    );
}

/// A code that nothing shows is a promise that nobody keeps.
#[test]
fn every_code_about_sets_is_shown_by_a_test() {
    let shown = |code: &str| {
        HARMS.iter().any(|(name, _)| *name == code)
            || ["set-lacks-part", "set-has-losses", "set-of-damaged-store"].contains(&code)
            || ["set-contradiction", "set-details"].contains(&code) // tests/set/gate.rs
    };
    let sets = ELSEWHERE.iter().map(|(code, _)| *code).filter(|code| code.starts_with("set-"));
    let missing: Vec<_> = sets.filter(|code| !shown(code)).collect();
    assert_eq!(missing, [""; 0]);
}
