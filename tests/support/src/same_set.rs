//! Compares the sets of two runs: everything but the id, the time, and what
//! depends on those must be the same, byte for byte. That is: all of the store;
//! the manifest but for the id; the other files but for id, times, hashes and
//! sizes (the manifest's depend on the id), and how long the run took, which
//! stands in `rescue.json` under `timings` and in `report.html` in elements
//! that say so.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use lifeboat_maker::mount::{Mount, MountOptions};
use lifeboat_maker::volume::VolumeSpec;

use crate::made::noise;
use crate::need;

/// The files of a set.
pub type Set = BTreeMap<String, Vec<u8>>;

/// The one set at a destination, at which nothing else may be.
pub fn only_set_in(dest: &Path, when: &str) -> Set {
    let entries = fs::read_dir(dest).unwrap().map(|entry| entry.unwrap().path());
    let entries: Vec<PathBuf> = entries.collect();
    assert_eq!(entries.len(), 1, "{when}: {entries:?}");
    read(&entries[0], when)
}

/// A set without what differs between two runs.
pub fn read(folder: &Path, when: &str) -> Set {
    let text = fs::read_to_string(folder.join("rescue.json"))
        .unwrap_or_else(|error| panic!("{when}: {}: {error}", folder.display()));
    let rescue: serde_json::Value = serde_json::from_str(&text).unwrap();
    let (id, created) = (rescue["set"].as_str().unwrap(), rescue["created"].as_str().unwrap());
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let bytes = fs::read(entry.path()).unwrap();
        for file in rescue["files"].as_array().unwrap().iter().filter(|f| f["name"] == name) {
            assert_eq!(file["size"], bytes.len(), "{when}: {name}");
        }
        let bytes = match name.as_str() {
            // Its first line names the set.
            "manifest.jsonl.zst" => {
                let plain = zstd::decode_all(&bytes[..]).unwrap();
                String::from_utf8(plain).unwrap().replacen(id, "ID", 1).into_bytes()
            }
            name if name.starts_with("store.tar.zst") => bytes,
            "rescue.json" => {
                let mut rescue = rescue.clone();
                let timings = rescue.as_object_mut().unwrap().remove("timings");
                assert!(timings.is_some(), "{when}: a set with a report says how long it took");
                let text = serde_json::to_string_pretty(&rescue).unwrap();
                without_hashes(&text, id, created)
            }
            "report.html" => without_hashes(&without_run(&bytes, when), id, created),
            _ => without_hashes(&String::from_utf8(bytes).unwrap(), id, created),
        };
        files.insert(name, bytes);
    }
    files
}

/// A report without what is of the run: stages and how long they took, times,
/// sizes that depend on the id.
fn without_run(page: &[u8], when: &str) -> String {
    let page = std::str::from_utf8(page).unwrap();
    let (before, timings) = page.split_once("<table class=\"list\" data-timings>").unwrap();
    let (timings, after) = timings.split_once("</table>").unwrap();
    assert!(timings.contains("Reading the source"), "{when}: {timings}");
    let mut text = format!("{before}{after}");
    for (open, close) in [("<time", "</time>"), (" data-run>", "<")] {
        let mut pieces = text.split(open);
        let mut kept = pieces.next().unwrap().to_owned();
        for piece in pieces {
            kept.push_str(piece.split_once(close).unwrap().1);
        }
        text = kept;
    }
    text
}

/// A text without id and time, and without hashes and sizes: those of the
/// manifest depend on the id.
fn without_hashes(text: &str, id: &str, created: &str) -> Vec<u8> {
    let text = text.replace(id, "ID").replace(created, "TIME");
    let is_hash = |word: &str| word.len() == 64 && word.bytes().all(|b| b.is_ascii_hexdigit());
    let words = text.split_inclusive(|c: char| !c.is_ascii_alphanumeric()).map(|word| {
        let bare = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        if is_hash(bare) { word.replace(bare, "HASH") } else { word.to_owned() }
    });
    let text: String = words.collect();
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("\"size\""));
    lines.collect::<Vec<_>>().join("\n").into_bytes()
}

/// Fails unless both are the same.
#[track_caller]
pub fn assert_same(found: &Set, whole: &Set, when: &str) {
    assert_eq!(found.keys().collect::<Vec<_>>(), whole.keys().collect::<Vec<_>>(), "{when}");
    for (name, bytes) in found {
        assert!(*bytes == whole[name], "{when}: {name} differs");
    }
}

/// A hard-link store below `at`: `large` files of so many bytes that do not
/// pack, and `small` ones.
pub fn make_store(at: &Path, large: u64, bytes: usize, small: u64) {
    let usmt = at.join("StateStore/USMT");
    let users = usmt.join("File/C$/Users/alice");
    fs::create_dir_all(&users).unwrap();
    for (name, bytes) in [("catalog.mig", 900), ("MIGSTATE.DAT", 50), ("status.~lg", 0)] {
        fs::write(usmt.join(name), noise(1, bytes)).unwrap();
    }
    fs::write(usmt.join("hardlink.main"), "C\t{0b5c8c5e-0000-4000-8000-000000000000}\r\n").unwrap();
    for i in 0..large {
        fs::write(users.join(format!("photo {i}.jpg")), noise(i + 2, bytes)).unwrap();
    }
    for i in 0..small {
        fs::write(users.join(format!("note {i}.txt")), noise(i + 9000, 700)).unwrap();
    }
}

/// An NTFS image with such a store; `None` where none can be made.
pub fn make_image(at: &Path, large: u64, bytes: usize, small: u64) -> Option<()> {
    need!("fuse");
    let size = (large * bytes as u64 + (24 << 20)).next_multiple_of(1 << 20);
    VolumeSpec::new("Windows", size).format(at).unwrap();
    let mount = Mount::new(at, MountOptions::default()).unwrap();
    make_store(mount.path(), large, bytes, small);
    mount.unmount().unwrap();
    Some(())
}
