//! `lifeboat verify --all` goes on past what is bad, and remembers what it verified.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::Path;

use serde_json::Value;
use support::program::{Run, lifeboat};

use crate::sets::{list, save, with_set};

fn verify(dest: &Path, code: i32, more: &[&str]) -> Run {
    let args = ["verify", dest.to_str().unwrap(), "--all", "--json"];
    lifeboat(&[&args, more].concat()).expect(code)
}

fn rows(run: &Run) -> Vec<(String, String)> {
    let end = run.events("verify-end");
    let text = |row: &Value, field: &str| row[field].as_str().unwrap().to_owned();
    let list = end[0]["list"].as_array().unwrap();
    list.iter().map(|row| (text(row, "set"), text(row, "verdict"))).collect()
}

#[test]
fn bad_and_unfinished_sets_do_not_stop_it_and_the_worst_counts() {
    let (dest, good) = with_set("hardlink-one", 0, &[]);
    let flipped = save("hardlink-two", dest.path(), 0, &[]);
    let run = verify(dest.path(), 0, &["--level", "full"]);
    assert!(rows(&run).iter().all(|(_, verdict)| verdict == "OK"), "{:?}", rows(&run));

    let partial = dest.path().join("A-20260101T000000Z-11111111.partial");
    fs::create_dir(&partial).unwrap();
    fs::write(partial.join("journal.jsonl"), "").unwrap();
    let cut = dest.path().join("B-20260101T000000Z-22222222");
    fs::create_dir(&cut).unwrap();
    fs::write(cut.join("rescue.json"), "{").unwrap();
    let store = dest.path().join(&flipped).join("store.tar.zst");
    let mut bytes = fs::read(&store).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&store, bytes).unwrap();

    let run = verify(dest.path(), 3, &["--level", "full"]);
    let mut verdicts = rows(&run);
    verdicts.sort();
    let mut expected = [
        ("A-20260101T000000Z-11111111.partial", "UNFINISHED"),
        ("B-20260101T000000Z-22222222", "DAMAGED"),
        (good.as_str(), "OK"),
        (flipped.as_str(), "DAMAGED"),
    ]
    .map(|(set, verdict)| (set.to_owned(), verdict.to_owned()));
    expected.sort();
    assert_eq!(verdicts, expected);
    assert_eq!(run.events("verify-end")[0]["bad"], 3);
    // A quick one does not see the bit, and does not hide what a full one saw.
    let listed = list(dest.path(), 3, &["--computer", "volume"]);
    for set in listed.events("rescue-set") {
        let is_flipped = set["name"] == flipped.as_str();
        assert_eq!(set["verified"]["damage"].as_u64().unwrap() > 0, is_flipped, "{set}");
        assert_eq!(set["verified"]["full"], true);
    }
    let set = dest.path().join(&good);
    support::unpack::sums_are_right(&set);
    lifeboat(&["verify", set.to_str().unwrap(), "--level", "full"]).expect(0);

    // A record of another rescue.json is none.
    let rescue = fs::read_to_string(set.join("rescue.json")).unwrap();
    fs::write(set.join("rescue.json"), format!("{rescue}\n")).unwrap();
    let listed = list(dest.path(), 3, &["--of-user", "alice"]);
    let sets = listed.events("rescue-set");
    let changed = sets.iter().find(|set| set["name"] == good.as_str()).unwrap();
    assert!(changed["verified"].is_null(), "{changed}");
}

#[test]
fn sets_are_found_at_any_depth_and_what_is_not_searched_is_named() {
    let (dest, good) = with_set("hardlink-one", 0, &[]);
    let set = dest.path().join(&good);
    let deep = dest.path().join("1/2/3/4/5/6/7").join(&good);
    fs::create_dir_all(&deep).unwrap();
    for file in fs::read_dir(&set).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), deep.join(file.file_name())).unwrap();
    }
    std::os::unix::fs::symlink(&set, dest.path().join("latest")).unwrap();
    fs::create_dir(dest.path().join("#recycle")).unwrap();
    let run = verify(dest.path(), 0, &[]);
    assert_eq!(rows(&run).len(), 2, "{:?}", rows(&run));
    let said = run.stdout + &run.stderr;
    assert!(said.contains("latest: a link, not followed"), "{said}");
    assert!(said.contains("#recycle"), "{said}");
    fs::write(deep.join("store.tar.zst"), "x").unwrap();
    let run = verify(dest.path(), 3, &[]);
    assert_eq!(run.events("verify-end")[0]["bad"], 1);
    // `sets` looks up to three folders below.
    assert_eq!(list(dest.path(), 0, &[]).events("rescue-set").len(), 1);
    fs::rename(&deep, dest.path().join("1/2/3").join(&good)).unwrap();
    assert_eq!(list(dest.path(), 3, &[]).events("rescue-set").len(), 2);
    // What nobody will look into is a doubt.
    let deeper = dest.path().join("d/".repeat(70));
    fs::create_dir_all(deeper).unwrap();
    let run = verify(dest.path(), 3, &[]);
    let said = run.stdout + &run.stderr;
    assert!(said.contains("not searched for rescue sets"), "{said}");
}

#[test]
fn losses_of_a_set_and_a_share_that_is_not_there_have_their_codes() {
    let (dest, _) = with_set("primary-alone", 3, &[]);
    let run = verify(dest.path(), 3, &[]);
    assert_eq!(rows(&run)[0].1, "INCOMPLETE");
    let shown = lifeboat(&["verify", dest.path().to_str().unwrap(), "--all"]).expect(3).stdout;
    assert!(shown.contains("MISSING") && shown.contains(": 1 not OK"), "{shown}");
    let empty = tempfile::tempdir().unwrap();
    verify(empty.path(), 4, &[]);
    verify(&empty.path().join("missing"), 5, &[]);
    lifeboat(&["verify", "x", "--all", "--store", "y"]).expect(2);
}

#[test]
fn a_set_of_another_key_is_verified_as_far_as_that_goes() {
    let (dest, name) = with_set("hardlink-one", 0, &[]);
    let pass = dest.path().join("pass.txt");
    fs::write(&pass, "correct horse battery\n").unwrap();
    let other = dest.path().join("other.txt");
    fs::write(&other, "another passphrase\n").unwrap();
    let sets = dest.path().join("encrypted");
    fs::create_dir(&sets).unwrap();
    let key = ["--passphrase-file", pass.to_str().unwrap()];
    save("hardlink-two", &sets, 0, &key);
    assert!(!name.is_empty());
    let wrong = ["--passphrase-file", other.to_str().unwrap()];
    // Whoever gives a key wants the contents verified.
    for (more, contents, code) in [(&key[..], true, 0), (&wrong, false, 3), (&[], false, 0)] {
        let run = verify(&sets, code, &[more, &["--level", "full"]].concat());
        let detail = run.events("verify-end")[0]["list"][0]["detail"].clone();
        assert_eq!(detail.as_str().unwrap().contains("contents not checked"), !contents);
        let listed = list(&sets, 0, &[]);
        assert_eq!(listed.events("rescue-set")[0]["verified"]["contents"], contents);
    }
}

#[test]
fn a_share_that_may_only_be_read_is_verified_without_a_record() {
    let (dest, name) = with_set("hardlink-one", 0, &[]);
    let set = dest.path().join(&name);
    // A folder in the place of the record: nothing can be written there.
    fs::create_dir(set.join("verified.json")).unwrap();
    fs::create_dir(set.join("verified.json.partial")).unwrap();
    verify(dest.path(), 0, &[]);
    assert!(set.join("verified.json").is_dir());
}

/// One damaged place can hit every file of a set: the first findings are printed, and all of them
/// for programs.
#[test]
fn few_findings_of_each_set_are_printed() {
    let (dest, name) = with_set("hardlink-two", 0, &[]);
    let store = dest.path().join(&name).join("store.tar.zst");
    let mut bytes = fs::read(&store).unwrap();
    let end = bytes.len() * 3 / 4;
    bytes[64..end].fill(0);
    fs::write(&store, bytes).unwrap();
    let all = verify(dest.path(), 3, &["--level", "full"]).events("finding").len();
    let dest = dest.path().to_str().unwrap();
    let run = lifeboat(&["verify", dest, "--all", "--level", "full"]).expect(3);
    let printed = run.stdout.lines().filter(|line| line.contains(" set-")).count();
    assert!(all > 3 && printed == 3, "{printed} of {all}: {}", run.stdout);
    assert!(run.stdout.contains(&format!("{} more finding", all - 3)), "{}", run.stdout);
}
