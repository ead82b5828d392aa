//! `list` and `extract` inside compressed stores: on a disk, in a copy, in a set, split, damaged,
//! hostile. What comes out is compared with what the maker put in.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use lifeboat_maker::container::Container;
use lifeboat_maker::content::Content;
use lifeboat_maker::people::Person;
use lifeboat_maker::rng::Rng;
use lifeboat_maker::tree::{Kind, TreeSpec};
use lifeboat_maker::volume::VolumeSpec;
use serde_json::Value;
use support::need;
use support::program::{Guarded, Run, lifeboat};
use tempfile::TempDir;

/// Windows path to content.
type Truth = BTreeMap<String, Vec<u8>>;

/// What the compressed stores of the fixture have in them.
fn dave() -> Truth {
    let mut people = TreeSpec::new();
    Person::new("dave", 1107, 5).small_projects(&mut people, "Users/dave/Documents");
    let files = people.entries.iter().filter_map(|entry| match &entry.kind {
        Kind::File(content) => {
            let path = entry.path.to_string().replace('/', "\\");
            Some((format!("C:\\{path}"), content.to_vec().unwrap()))
        }
        _ => None,
    });
    files.collect()
}

/// Everything below a folder: path with `/` to content.
fn written(dir: &Path) -> Truth {
    let entries = walkdir::WalkDir::new(dir).min_depth(1).into_iter().map(Result::unwrap);
    let files = entries.filter(|entry| !entry.file_type().is_dir());
    files
        .map(|entry| {
            let path = entry.path().strip_prefix(dir).unwrap().to_str().unwrap().to_owned();
            (path, fs::read(entry.path()).unwrap_or_default())
        })
        .collect()
}

/// Where the files of `truth` are extracted to.
fn placed(truth: &Truth) -> Truth {
    let place = |path: &String| path.replacen(":\\", "/", 1).replace('\\', "/");
    truth.iter().map(|(path, data)| (place(path), data.clone())).collect()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A container with some files, and its catalog.
fn files() -> Truth {
    [
        ("C:\\Users\\alice\\Documents\\Plan.docx", Content::noise(1, 9000)),
        ("C:\\Users\\alice\\Documents\\notes.txt", Content::text(2, 40_000)),
        ("C:\\Users\\alice\\empty.txt", Content::empty()),
        ("C:\\Users\\alice\\Pictures\\cat.png", Content::noise(3, 20_000)),
        ("C:\\Users\\bob\\todo.txt", Content::text(4, 3000)),
        ("D:\\Data\\plan.docx", Content::text(5, 70_000)),
    ]
    .into_iter()
    .map(|(path, content)| (path.to_owned(), content.to_vec().unwrap()))
    .collect()
}

fn container(truth: &Truth, encrypted: bool) -> Vec<u8> {
    let mut container = Container::new(encrypted, 77);
    for (path, data) in truth {
        container.add(&format!("File\\{path}"), &Content::Bytes(data.clone())).unwrap();
    }
    container.finish(&Content::text(9, 2000)).unwrap()
}

/// A folder with a copied store, whose container has these bytes.
fn copy(bytes: &[u8]) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let usmt = dir.path().join("PC12/USMT");
    fs::create_dir_all(&usmt).unwrap();
    fs::write(usmt.join("USMT.MIG"), bytes).unwrap();
    let file = usmt.join("USMT.MIG");
    (dir, file)
}

/// Extracts from a container file; what came out, and the run.
fn extract(file: &Path, more: &[&str], code: i32) -> (Truth, Run) {
    let out = tempfile::tempdir().unwrap();
    let args = ["extract", text(file), "--to", text(out.path())];
    let run = lifeboat(&[&args, more].concat()).expect(code);
    (written(out.path()), run)
}

/// The byte at which the record of a file begins.
fn record_of(bytes: &[u8], path: &str) -> usize {
    let name: Vec<u8> = format!("File\\{path}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    bytes.windows(name.len()).position(|window| window == name).unwrap() - 24
}

/// What was printed, without line breaks.
fn said(run: &Run) -> String {
    format!("{} {}", run.stdout, run.stderr).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn without(truth: &Truth, paths: &[&str]) -> Truth {
    let mut truth = truth.clone();
    for path in paths {
        truth.remove(*path).unwrap();
    }
    truth
}

const PNG: &str = "C:\\Users\\alice\\Pictures\\cat.png";
const TODO: &str = "C:\\Users\\bob\\todo.txt";

#[test]
fn files_come_out_of_a_store_on_a_disk_as_they_went_in() {
    let image = Guarded::fixture("compressed");
    let truth = dave();
    assert!(truth.len() > 3);
    let found = lifeboat(&["detect", image.arg(), "--json"]).expect(0).events("store");
    // Which of them is meant has to be said.
    let run = lifeboat(&["list", image.arg()]).expect(2);
    assert!(
        said(&run).contains("--store") && said(&run).contains("there are 3 stores"),
        "{}",
        run.stderr
    );
    for store in found {
        let (id, path) = (store["id"].as_str().unwrap(), store["path"].as_str().unwrap());
        let out = tempfile::tempdir().unwrap();
        let is_encrypted = path.contains("SuperGrate");
        let code = i32::from(is_encrypted);
        let listed = lifeboat(&["list", image.arg(), "--store", id, "--json"]).expect(code);
        let records = listed.events("record");
        let files: Vec<&str> = records
            .iter()
            .filter(|record| record["kind"] == "file")
            .map(|record| record["path"].as_str().unwrap())
            .collect();
        let mut sorted = files.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, truth.keys().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(records.last().unwrap()["kind"], "catalog");
        let to = text(out.path());
        let run = lifeboat(&["extract", image.arg(), "--store", path, "--to", to]).expect(code);
        if is_encrypted {
            for words in ["encrypted", "inferred", "/decrypt", "/keyfile"] {
                assert!(said(&run).contains(words), "{words}: {}", run.stderr);
            }
            assert_eq!(written(out.path()), Truth::new());
        } else {
            assert_eq!(written(out.path()), placed(&truth), "{path}");
            assert!(said(&run).contains("inferred"), "{}", run.stdout);
        }
        let pieces = listed.events("container")[0]["pieces"].as_u64().unwrap();
        assert_eq!(pieces, if path.contains("PC0815") { 2 } else { 1 });
    }
}

#[test]
fn a_copy_its_folder_and_its_container_are_all_the_store() {
    let truth = files();
    let bytes = container(&truth, false);
    let (dir, file) = copy(&bytes);
    let renamed = dir.path().join("backup-of-alice.dat");
    fs::copy(&file, &renamed).unwrap();
    for store in [&file, file.parent().unwrap(), &dir.path().join("PC12"), dir.path(), &renamed] {
        assert_eq!(extract(store, &[], 0).0, placed(&truth), "{}", store.display());
    }
    // Split anywhere.
    for cut in [1, 30, bytes.len() / 2] {
        fs::write(&file, &bytes[..cut]).unwrap();
        fs::write(file.with_file_name("USMT.MIG01"), &bytes[cut..]).unwrap();
        assert_eq!(extract(&file, &[], 0).0, placed(&truth), "cut at {cut}");
    }
    // A piece that is missing is not passed over in silence.
    fs::rename(file.with_file_name("USMT.MIG01"), file.with_file_name("USMT.MIG02")).unwrap();
    let (_, run) = extract(&file, &[], 3);
    assert!(said(&run).contains("container-piece-missing"), "{}", run.stdout);
}

#[test]
fn pasted_paths_and_users_choose_what_is_extracted() {
    let truth = files();
    let (_dir, file) = copy(&container(&truth, false));
    for (chosen, paths) in [
        (&["C:\\Users\\alice\\Documents\\*.docx"][..], &["C/Users/alice/Documents/Plan.docx"][..]),
        (&["c:/users/BOB"], &["C/Users/bob/todo.txt"]),
        (&["*.docx"], &["C/Users/alice/Documents/Plan.docx", "D/Data/plan.docx"]),
        (&["D:"], &["D/Data/plan.docx"]),
        (&["D:\\Data\\plan.docx", "catalog.img"], &["CATALOG.IMG", "D/Data/plan.docx"]),
        (&["--of-user", "BOB"], &["C/Users/bob/todo.txt"]),
    ] {
        let (out, _) = extract(&file, chosen, 0);
        assert_eq!(out.keys().map(String::as_str).collect::<Vec<_>>(), paths, "{chosen:?}");
    }
    let (out, run) = extract(&file, &["C:\\Users\\carol"], 4);
    assert!(out.is_empty() && said(&run).contains("there is no"), "{}", run.stderr);
    extract(&file, &["--of-user", "carol"], 4);
    let (out, run) = extract(&file, &["*.png", "*.xlsx"], 3);
    assert_eq!(out.len(), 1);
    assert!(said(&run).contains("not found: *.xlsx"), "{}", run.stdout);
}

#[test]
fn a_set_with_a_compressed_store_is_looked_into() {
    let image = Guarded::fixture("compressed");
    let scratch = tempfile::tempdir().unwrap();
    let dest = scratch.path().join("sets");
    let truth = dave();
    let saved = lifeboat(&["offload", image.arg(), "--to", text(&dest), "--json"]);
    let mut stores = 0;
    for set in saved.events("set") {
        let set = set["set"].as_str().unwrap();
        let plain = lifeboat(&["list", set]).expect(0);
        assert!(said(&plain).contains("USMT.MIG") && said(&plain).contains("--inside"));
        let out = tempfile::tempdir().unwrap();
        let to = text(out.path());
        let run = lifeboat(&["extract", set, "--inside", "--to", to]);
        if run.code == 1 {
            assert!(said(&run).contains("encrypted"), "{}", run.stderr);
            continue;
        }
        let run = run.expect(0);
        assert_eq!(written(out.path()), placed(&truth), "{}", run.stdout);
        stores += 1;
        let listed = lifeboat(&["list", set, "--inside", "--json"]).expect(0);
        assert_eq!(listed.events("record").len(), truth.len() + 1);
        let plain = lifeboat(&["extract", set, "--of-user", "dave", "--to", to]).expect(4);
        assert!(said(&plain).contains("--inside"), "{}", plain.stderr);
        // One flipped bit in the set costs no file without a word.
        let file = Path::new(set).join("store.tar.zst");
        let mut bytes = fs::read(&file).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x10;
        fs::write(&file, bytes).unwrap();
        let out = tempfile::tempdir().unwrap();
        let run = lifeboat(&["extract", set, "--inside", "--to", text(out.path()), "--json"]);
        assert_ne!(run.code, 0, "{}", run.stdout);
        for (path, data) in written(out.path()) {
            assert!(path.ends_with(".damaged") || placed(&truth)[&path] == data, "{path}");
        }
    }
    assert_eq!(stores, 2);
    let hard_links = Guarded::fixture("hardlink-one");
    let saved = lifeboat(&["offload", hard_links.arg(), "--to", text(&dest), "--json"]);
    let set = saved.events("set")[0]["set"].as_str().unwrap().to_owned();
    let run = lifeboat(&["list", &set, "--inside"]).expect(4);
    assert!(said(&run).contains("has no compressed store"), "{}", run.stderr);
}

/// Files of stores that are not compressed come out by the same paths.
#[test]
fn plain_stores_are_listed_and_extracted_too() {
    for fixture in lifeboat_maker::fixtures::all() {
        if !["hardlink-one", "hardlink-two", "uncompressed", "facts"].contains(&fixture.name) {
            continue;
        }
        let image = Guarded::fixture(fixture.name);
        let found = lifeboat(&["detect", image.arg(), "--json"]).events("store");
        let [store] = found.as_slice() else { panic!("{}: {}", fixture.name, found.len()) };
        assert_ne!(store["kind"], "compressed");
        let out = tempfile::tempdir().unwrap();
        let run = lifeboat(&["extract", image.arg(), "--to", text(out.path()), "--json"]);
        assert!([0, 3].contains(&run.code), "{}{}", run.stdout, run.stderr);
        let of = |event: &Value, key: &str| event[key].as_str().unwrap().to_owned();
        let renamed: BTreeMap<_, _> =
            run.events("renamed").iter().map(|e| (of(e, "path"), of(e, "written"))).collect();
        let lost: BTreeMap<_, _> =
            run.events("loss").iter().map(|e| (of(e, "path"), of(e, "kind"))).collect();
        assert_eq!(run.code, if lost.is_empty() { 0 } else { 3 }, "{}", run.stdout);
        let listed = lifeboat(&["list", image.arg(), "--json"]);
        let listed: BTreeMap<_, _> =
            listed.events("plain-file").iter().map(|e| (of(e, "path"), of(e, "kind"))).collect();
        let mut seen = 0;
        for part in &fixture.stores[0].parts {
            for file in fixture.files(part.partition) {
                let Some(below) = file.path.below(&part.folder) else { continue };
                let below = below.to_string();
                let Some((drive, path)) =
                    below.strip_prefix("File/").and_then(|below| below.split_once("$/"))
                else {
                    continue;
                };
                let windows = format!("{drive}:\\{}", path.replace('/', "\\"));
                if file.is_dir || windows.contains('\u{FFFD}') || listed[&windows] == "link" {
                    continue;
                }
                seen += 1;
                if lost.contains_key(&windows) {
                    continue;
                }
                let at = renamed.get(&windows).cloned().unwrap_or(format!("{drive}/{path}"));
                if at.len() > 3500 {
                    continue; // too long to open by its whole path here
                }
                let written = out.path().join(&at);
                assert!(written.is_file(), "{}: {} bytes: {at}", fixture.name, at.len());
                let hash = support::program::sha256_of(&written);
                assert_eq!(hash, file.sha256, "{}: {windows}", fixture.name);
            }
        }
        assert!(seen > 10, "{}: {seen}", fixture.name);
        assert!(lost.len() * 3 < seen, "{}: {lost:?}", fixture.name);
        let is_encrypted = lost.values().any(|kind| kind == "encrypted");
        assert_eq!(is_encrypted, fixture.name == "facts", "{lost:?}");
    }
    let image = Guarded::fixture("hardlink-one");
    let (out, _) = extract(image.path(), &["C:\\Users\\alice\\Documents\\*.docx"], 0);
    assert!(!out.is_empty() && out.keys().all(|path| path.starts_with("C/Users/alice/Documents")));
    // A part that is missing is said.
    let image = Guarded::fixture("primary-alone");
    let (_, run) = extract(image.path(), &[], 3);
    assert!(said(&run).contains("MISSING"), "{}", said(&run));
}

#[test]
fn damaged_data_is_a_named_loss_and_never_has_the_files_name() {
    let truth = files();
    let mut bytes = container(&truth, false);
    // In the middle of the noise, which deflate stores as it is: only the checksum sees it.
    let at = record_of(&bytes, PNG) + 10_000;
    bytes[at] ^= 1;
    let (_dir, file) = copy(&bytes);
    let (out, run) = extract(&file, &["--json"], 3);
    let losses = run.events("loss");
    assert_eq!(losses.len(), 1, "{losses:?}");
    assert_eq!((&losses[0]["path"], &losses[0]["kind"]), (&PNG.into(), &"unreadable".into()));
    let mut expected = placed(&without(&truth, &[PNG]));
    let damaged = out.get("C/Users/alice/Pictures/cat.png.damaged").expect("the readable part");
    assert!(damaged[..8000] == truth[PNG][..8000]);
    expected.insert("C/Users/alice/Pictures/cat.png.damaged".into(), damaged.clone());
    assert_eq!(out, expected);
    let extracted = &run.events("extracted")[0];
    assert_eq!((&extracted["damaged"], &extracted["losses"]), (&1.into(), &1.into()));
    // Files that it is not about are well.
    assert_eq!(extract(&file, &["*.docx"], 0).0.len(), 2);
}

#[test]
fn a_broken_chain_costs_the_broken_record_and_is_said() {
    let truth = files();
    let whole = container(&truth, false);
    // A header that a bad sector took.
    let mut bytes = whole.clone();
    let at = record_of(&bytes, PNG);
    bytes[at..at + 24].fill(0);
    let (_dir, file) = copy(&bytes);
    let (out, run) = extract(&file, &[], 3);
    assert_eq!(out, placed(&without(&truth, &[PNG])));
    assert!(said(&run).contains("EXTRACTED WITH LOSSES"));
    for words in ["container-damaged", "there is no record where", "the next record found is"] {
        assert!(said(&run).contains(words), "{words}: {}", run.stdout);
    }
    let (out, run) = extract(&file, &[PNG], 3);
    assert!(out.is_empty() && said(&run).contains("damaged (see above)"), "{}", run.stderr);
    // A wrong size, too large or too small, costs nothing: the data says where it ends.
    for size in [3_u32, 5000, 60_000, 0x7FFF_FFFF] {
        let mut bytes = whole.clone();
        let name_bytes = u32::from_le_bytes(bytes[at + 4..at + 8].try_into().unwrap());
        bytes[at + 8..at + 12].copy_from_slice(&(name_bytes + size).to_le_bytes());
        fs::write(&file, &bytes).unwrap();
        let (out, run) = extract(&file, &[], 3);
        let expected = placed(&truth);
        assert_eq!(out.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{size}");
        assert!(out == expected, "{size}");
        assert!(said(&run).contains("container-damaged"), "{}", run.stdout);
        let listed = lifeboat(&["list", text(&file), "--json"]).expect(3);
        assert_eq!(listed.events("record").len(), truth.len() + 1, "{size}");
    }
}

#[test]
fn of_a_truncated_store_everything_before_the_end_is_extracted() {
    let truth = files();
    let whole = container(&truth, false);
    for cut in [record_of(&whole, TODO), record_of(&whole, TODO) + 10, whole.len() - 1] {
        let (_dir, file) = copy(&whole[..cut]);
        let (out, run) = extract(&file, &[], 3);
        let before: &[&str] =
            if cut == whole.len() - 1 { &[] } else { &[TODO, "D:\\Data\\plan.docx"] };
        assert_eq!(out, placed(&without(&truth, before)), "{cut}: {}", run.stdout);
        lifeboat(&["list", text(&file)]).expect(3);
    }
}

#[test]
fn what_is_no_container_is_said_to_be_none() {
    let (_dir, file) = copy(b"MSWIM\0\0\0 and so on");
    for command in [&["list", text(&file)][..], &["extract", text(&file), "--to", "never-made"]] {
        let run = lifeboat(command).expect(1);
        assert!(said(&run).contains("container-unknown"), "{}", run.stdout);
    }
    assert!(!Path::new("never-made").exists());
    let (_dir, file) = copy(&container(&files(), true));
    let run = lifeboat(&["list", text(&file)]).expect(1);
    assert!(said(&run).contains("Plan.docx") && said(&run).contains("/decrypt"), "{}", run.stderr);
    // Nobody types a container.
    assert!(lifeboat(&["list", "-"]).expect(1).stderr.contains("rescue set"));
}

#[test]
fn foreign_names_stay_in_the_folder_and_can_be_opened() {
    let names = [
        "C:\\..\\..\\up.txt",
        "C:\\a\\.\\b.txt",
        "C:\\a\\\\b.txt",
        "C:\\etc/passwd",
        "..\\C:\\x",
        "C:\\link\\through.txt",
        "C:\\CON",
        "C:\\a\\nul.txt",
        "C:\\a\\b:stream",
        "C:\\a\\dots...",
        "C:\\Same.txt",
        "C:\\SAME.TXT",
        "C:\\Same.txt",
        "C:\\lifeboat-extract.partial",
        "C:\\u\u{202E}txt.exe",
    ];
    let mut image = Container::new(false, 7);
    for (number, name) in (0..).zip(names) {
        image.add(&format!("File\\{name}"), &Content::text(number, 500)).unwrap();
    }
    let bytes = image.finish(&Content::text(9, 100)).unwrap();
    let (dir, file) = copy(&bytes);
    let out = dir.path().join("inner/out");
    fs::create_dir_all(out.join("C")).unwrap();
    let elsewhere = dir.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, out.join("C/link")).unwrap();
    let before = written(dir.path()).len();
    let run = lifeboat(&["extract", text(&file), "--to", text(&out), "--json"]).expect(3);
    let lost: Vec<String> =
        run.events("loss").iter().map(|loss| loss["path"].as_str().unwrap().to_owned()).collect();
    let expected = [
        "C:\\..\\..\\up.txt",
        "C:\\a\\.\\b.txt",
        "C:\\a\\\\b.txt",
        "C:\\etc/passwd",
        "C:\\link\\through.txt",
        "C:\\SAME.TXT",
        "C:\\Same.txt",
    ];
    assert_eq!(lost, expected);
    let made: Vec<String> = written(&out).into_keys().collect();
    let expected = [
        "C/SAME (2).TXT",
        "C/Same (3).txt",
        "C/Same.txt",
        "C/_CON",
        "C/_lifeboat-extract.partial",
        "C/a/_nul.txt",
        "C/a/b_stream",
        "C/a/dots.._",
        "C/link",
        "C/u\u{202E}txt.exe",
    ];
    assert_eq!(made, expected);
    assert_eq!(written(dir.path()).len(), before + made.len() - 1, "nothing anywhere else");
    let renamed = run.events("renamed");
    assert_eq!(renamed.len(), 7, "{renamed:?}");
    assert!(renamed.iter().any(|e| e["path"] == "C:\\CON" && e["written"] == "C/_CON"));
}

#[test]
fn files_that_are_there_already_are_kept_unless_they_may_be_replaced() {
    let truth = files();
    let (dir, file) = copy(&container(&truth, false));
    let out = dir.path().join("out");
    let extract = |more: &[&str], code| {
        let args = ["extract", text(&file), "--to", text(&out)];
        lifeboat(&[&args, more].concat()).expect(code)
    };
    extract(&[], 0);
    // The same again is no loss.
    extract(&[], 0);
    let todo = out.join("C/Users/bob/todo.txt");
    fs::write(&todo, "mine").unwrap();
    let run = extract(&[], 3);
    assert!(said(&run).contains("already exists") || said(&run).contains("already exists"));
    assert_eq!(fs::read(&todo).unwrap(), b"mine");
    // Not through a link, and not the other names of the file.
    let other = dir.path().join("other.txt");
    fs::rename(&todo, &other).unwrap();
    fs::hard_link(&other, &todo).unwrap();
    extract(&["--replace"], 0);
    assert_eq!(written(&out), placed(&truth));
    assert_eq!(fs::read(&other).unwrap(), b"mine");
    // A copy stays as it is.
    let run = lifeboat(&["extract", text(&file), "--to", text(&todo)]).expect(5);
    assert!(!run.stderr.is_empty());
}

#[test]
fn sectors_that_ddrescue_did_not_read_are_given_as_the_reason() {
    need!("fuse");
    let scratch = tempfile::tempdir().unwrap();
    let truth = files();
    let whole = container(&truth, false);
    let image = scratch.path().join("disk.img");
    let mut volume = VolumeSpec::new("OSDisk", 6 << 20);
    volume.tree.bytes("StateStore/USMT/USMT.MIG", whole.clone());
    volume.make(&image).unwrap();
    let mut bytes = fs::read(&image).unwrap();
    // In the middle of the data of a file, and over the header of another one.
    let span = |path: &str, from: usize| {
        let at = (record_of(&bytes, path) + from) / 512 * 512;
        at..at + 512
    };
    let (data, header) = (span(PNG, 10_000), span(TODO, 0));
    let map = format!(
        "0x0 +\n0x0 {:#x} +\n{:#x} 0x200 -\n{:#x} {:#x} +\n{:#x} 0x200 -\n{:#x} {:#x} +\n",
        data.start,
        data.start,
        data.end,
        header.start - data.end,
        header.start,
        header.end,
        bytes.len() - header.end
    );
    fs::write(scratch.path().join("disk.img.map"), map).unwrap();
    bytes[data].fill(0);
    bytes[header].fill(0);
    fs::write(&image, &bytes).unwrap();
    let (mut out, run) = extract(&image, &["--json"], 3);
    let detail = |path: &str| {
        let losses = run.events("loss");
        let loss = losses.iter().find(|loss| loss["path"] == path)?;
        Some(loss["detail"].as_str().unwrap().to_owned())
    };
    assert!(detail(PNG).unwrap().contains("according to the mapfile"), "{}", run.stdout);
    out.retain(|path, _| !path.ends_with(".damaged"));
    // The record before it is in the same sector.
    let hit = [PNG, "C:\\Users\\alice\\empty.txt", TODO];
    assert_eq!(out, placed(&without(&truth, &hit)), "{}", run.stdout);
    assert!(said(&run).contains("there is no record where the previous one ends"));
}

/// Zeros, one and then 258 at a time, in the fixed code of deflate (RFC 1951, 3.2.6).
fn zlib_of_zeros(len: u64) -> Vec<u8> {
    let mut bytes = vec![0x78, 0x01];
    let (mut word, mut filled) = (0_u64, 0_u32);
    let mut put = |code: u64, bits: u32| {
        // Codes go in from their first bit.
        word |= (code.reverse_bits() >> (64 - bits)) << filled;
        filled += bits;
        while filled >= 8 {
            bytes.push(u8::try_from(word & 0xFF).unwrap());
            word >>= 8;
            filled -= 8;
        }
    };
    put(0b110, 3); // the last block; fixed codes (as their bits come)
    put(0b0011_0000, 8);
    for _ in 0..(len - 1) / 258 {
        put(0b1100_0101, 8);
        put(0, 5);
    }
    put(0, 7);
    put(0, 7); // to the next byte
    bytes.extend(u32::try_from((len % 65521) << 16 | 1).unwrap().to_be_bytes());
    bytes
}

/// A gigabyte of zeros in a megabyte: what is written is checked, nothing of it is kept.
#[test]
fn a_bomb_takes_no_memory() {
    use lifeboat::model::monitor::Silent;
    use lifeboat::tree::Tree;
    use lifeboat::tree::host::HostTree;
    use lifeboat::usmt::check_container;

    if !support::memory::alone("compressed::a_bomb_takes_no_memory") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let zeros = 4_161_790 * 258 + 1;
    let mut bytes = Container::new(false, 7).finish(&Content::empty()).unwrap();
    let name: Vec<u8> = "File\\C:\\bomb".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let data = zlib_of_zeros(zeros);
    bytes.extend(b"MRTS");
    bytes.extend(u32::try_from(name.len()).unwrap().to_le_bytes());
    bytes.extend(u32::try_from(name.len() + 8 + data.len()).unwrap().to_le_bytes());
    bytes.extend([[7; 12].as_slice(), &name, &[9; 8], &data].concat());
    fs::write(dir.path().join("USMT.MIG"), bytes).unwrap();
    let tree = HostTree::open(dir.path()).unwrap();
    let node = tree.lookup(&"USMT.MIG".into()).unwrap();
    let open = || Ok(vec![tree.open(node, None)?]);
    let report = check_container(Box::new(open), true, &Silent).unwrap();
    assert_eq!((report.plain_bytes, report.payloads_checked), (zeros, 2), "{:?}", report.problems);
    let peak = support::memory::peak_mib().unwrap();
    assert!(peak < 256, "{peak} MiB");
}

/// Whatever a bad sector hits: what is not as it was is named, and what it did not hit is there.
#[test]
fn one_bad_place_costs_no_more_than_what_it_hits() {
    use lifeboat::model::monitor::Collect;
    use lifeboat::restore::{Choice, Notice, Options, extract_container};
    use lifeboat::tree::Tree;
    use lifeboat::tree::host::HostTree;
    use lifeboat::usmt::container::Records;

    let truth = files();
    let whole = container(&truth, false);
    let spans: BTreeMap<&String, std::ops::Range<usize>> = truth
        .keys()
        .map(|path| {
            let at = record_of(&whole, path);
            let size = u32::from_le_bytes(whole[at + 8..at + 12].try_into().unwrap());
            (path, at..at + 24 + size as usize)
        })
        .collect();
    let wanted = std::env::var("LIFEBOAT_SEEDS").unwrap_or_else(|_| "60".into());
    let seeds: std::ops::Range<u64> = match wanted.split_once("..") {
        Some((from, to)) => from.parse().unwrap()..to.parse().unwrap(),
        None => 0..wanted.parse().unwrap(),
    };
    for seed in seeds {
        let mut rng = Rng::new(seed);
        let mut bytes = whole.clone();
        let at = 0x18 + rng.index(whole.len() - 0x18);
        let len = *rng.pick(&[1, 16, 512, 4096]);
        let end = (at + len).min(whole.len());
        match rng.index(4) {
            0 => bytes[at..end].fill(0),
            1 => rng.fill(&mut bytes[at..end]),
            // (Adler-32 is weak: it does not see some changes of several bits by the same value.)
            2 => bytes[at] ^= 0x20,
            _ => bytes[at..end].fill(0xFF),
        }
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("USMT.MIG"), &bytes).unwrap();
        let tree = HostTree::open(dir.path()).unwrap();
        let node = tree.lookup(&"USMT.MIG".into()).unwrap();
        let mut records = Records::open(Box::new(|| Ok(vec![tree.open(node, None)?]))).unwrap();
        let out = tempfile::tempdir().unwrap();
        let seen = Collect::default();
        let mut problems = Vec::new();
        let mut tell = |notice| {
            if let Notice::Problem(problem) = notice {
                problems.push(problem);
            }
        };
        let (choice, options) = (Choice::All, Options::default());
        let done = extract_container(&mut records, &choice, out.path(), options, &seen, &mut tell)
            .unwrap();
        assert!(done.unread.is_none());
        let out = written(out.path());
        let is_told = done.losses > 0 || !problems.is_empty();
        let placed = placed(&truth);
        for ((path, span), (place, data)) in spans.iter().zip(&placed) {
            let is_hit = span.start < end && at < span.end;
            let is_there = out.get(place) == Some(data);
            assert!(is_there || is_hit, "seed {seed}: {path} was not hit at {at}..{end}");
            // No checksum covers names.
            let name = span.start..span.start + 24 + 2 * ("File\\".len() + path.len());
            let is_name_hit = name.start < end && at < name.end;
            assert!(
                is_there || is_told || is_name_hit,
                "seed {seed}: {path} at {span:?} is lost in silence; {at}..{end} was hit; {:?}",
                out.keys()
            );
            if let Some(other) = out.get(place).filter(|other| *other != data) {
                panic!("seed {seed}: {path} has other {} bytes under its name", other.len());
            }
        }
    }
}
