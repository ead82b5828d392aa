//! A part of a store that is not there, or may be where nobody can look, is
//! never green: not when the store is saved, and not when its set is looked at
//! or put back later.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::{Path, PathBuf};

use lifeboat_maker::people::Person;
use lifeboat_maker::store;
use lifeboat_maker::volume::VolumeSpec;
use serde_json::{Value, json};
use support::program::{Guarded, Run, lifeboat};
use support::{need, text, unpack};

/// A bare volume that BitLocker has encrypted, to its first sector's say-so.
fn locked(dir: &Path) -> PathBuf {
    let mut bytes = vec![0; 1 << 20];
    bytes[..11].copy_from_slice(b"\xEB\x58\x90-FVE-FS-");
    bytes[510..512].copy_from_slice(&[0x55, 0xAA]);
    let path = dir.join("locked.img");
    fs::write(&path, bytes).unwrap();
    path
}

/// The findings of one code.
fn of(run: &Run, code: &str) -> Vec<Value> {
    run.events("finding").into_iter().filter(|f| f["code"] == code).collect()
}

fn rescue_of(dest: &Path) -> (PathBuf, Value) {
    let set = unpack::sets_in(dest).remove(0);
    let rescue = serde_json::from_slice(&fs::read(set.join("rescue.json")).unwrap()).unwrap();
    (set, rescue)
}

/// A set that lacks a part says so, and ends with 3, whoever looks at it.
fn never_green(set: &Path, words: &str) {
    let run = lifeboat(&["verify", text(set), "--level", "full", "--json"]).expect(3);
    assert!(of(&run, "set-lacks-part")[0]["what"].as_str().unwrap().contains(words));
    assert_eq!(run.events("verdict")[0]["lacks"].as_array().unwrap().len(), 1);
    let listed = lifeboat(&["list", text(set)]).expect(0);
    assert!(listed.stdout.contains("MISSING"), "{}", listed.stdout);
    let note = fs::read_to_string(set.join("RESTORE.txt")).unwrap();
    assert!(note.contains("MISSING:   ") && note.contains(words), "{note}");
    let out = tempfile::tempdir().unwrap();
    let restored = lifeboat(&["restore", text(set), "--to", text(out.path())]).expect(3);
    assert!(restored.stdout.contains("MISSING"), "{}", restored.stdout);
}

#[test]
fn a_set_without_a_part_says_so_in_every_command() {
    for (fixture, code, words) in [
        ("primary-alone", "secondary-missing", "the part on drive D:"),
        ("secondary-alone", "primary-missing", "the primary part"),
    ] {
        let image = Guarded::fixture(fixture);
        let dest = tempfile::tempdir().unwrap();
        let run =
            lifeboat(&["offload", image.arg(), "--to", text(dest.path()), "--json"]).expect(3);
        assert_eq!(of(&run, code).len(), 1, "{}", run.stdout);
        let (set, rescue) = rescue_of(dest.path());
        assert_eq!(rescue["end_state"], "incomplete");
        assert_eq!(rescue["totals"]["losses"], 0);
        assert_eq!(run.events("set")[0]["lacks"], rescue["lacks"]);
        never_green(&set, words);
    }
}

#[test]
fn a_store_that_lists_all_its_parts_is_saved_beside_a_locked_volume_and_the_disk_is_in_doubt() {
    let dir = tempfile::tempdir().unwrap();
    let image = Guarded::fixture("hardlink-one");
    let locked = locked(dir.path());
    let dest = dir.path().join("sets");
    let args = ["offload", image.arg(), text(&locked), "--to", text(&dest), "--json"];
    // Another store may be there.
    let run = lifeboat(&args).expect(3);
    let closed = &of(&run, "volume-closed")[0];
    assert_eq!(closed["severity"], "warning");
    assert!(closed["what"].as_str().unwrap().contains("manage-bde -unlock"), "{closed}");
    let summary = &run.events("summary")[0];
    assert!(summary["warnings"].as_u64() >= Some(1) && summary["losses"] == 0, "{summary}");
    let (_, rescue) = rescue_of(&dest);
    assert!(rescue["closed"][0].as_str().unwrap().contains("BitLocker"), "{rescue}");
    assert_eq!((&rescue["end_state"], &rescue["lacks"]), (&json!("saved"), &Value::Null));
}

/// The format of hardlink.main is a guess: a part on the drive that it lists, at
/// the same path, is of the store although its GUID differs.
#[test]
fn a_part_with_another_guid_is_in_the_set_and_nothing_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("disk.img");
    fs::copy(lifeboat_maker::fixture("hardlink-two").unwrap(), &image).unwrap();
    let mut bytes = fs::read(&image).unwrap();
    let line = bytes.windows(3).position(|w| w == b"D\t{").expect("hardlink.main is resident");
    bytes[line + 3] = if bytes[line + 3] == b'0' { b'1' } else { b'0' };
    fs::write(&image, bytes).unwrap();
    let image = Guarded::new(image);
    let sets = dir.path().join("sets");
    let run = lifeboat(&["offload", image.arg(), "--to", text(&sets), "--json"]).expect(0);
    assert_eq!(of(&run, "secondary-guid-differs").len(), 1, "{}", run.stdout);
    assert!(of(&run, "secondary-missing").is_empty() && of(&run, "primary-missing").is_empty());
    assert_eq!(unpack::sets_in(&sets).len(), 1);
    let (_, rescue) = rescue_of(&sets);
    assert_eq!(rescue["parts"].as_array().unwrap().len(), 2);
    assert_eq!((&rescue["end_state"], &rescue["lacks"]), (&json!("saved"), &Value::Null));
}

#[test]
fn a_part_that_a_locked_volume_may_hold_is_never_green() {
    need!("fuse");
    let dir = tempfile::tempdir().unwrap();
    let mut volume = VolumeSpec::new("OSDisk", 6 << 20);
    let usmt = "StateStore/USMT";
    let documents = format!("{usmt}/File/C$/Users/ivan/Documents");
    Person::new("ivan", 1112, 5).small_projects(&mut volume.tree, documents.as_str());
    store::markers(&mut volume.tree, &usmt.into(), 5, true);
    volume.tree.bytes(format!("{usmt}/hardlink.main"), "");
    let image = dir.path().join("store.img");
    volume.make(&image).unwrap();
    let image = Guarded::new(image);
    let locked = locked(dir.path());

    // Nothing that could not be looked into: a warning, as verify has it.
    let sets = dir.path().join("alone");
    let run = lifeboat(&["offload", image.arg(), "--to", text(&sets), "--json"]).expect(0);
    assert_eq!(of(&run, "hardlink-main-unreadable").len(), 1, "{}", run.stdout);
    assert_eq!(of(&run, "parts-unknown").len(), 0);

    let sets = dir.path().join("beside");
    let args = ["offload", image.arg(), text(&locked), "--to", text(&sets), "--json"];
    let run = lifeboat(&args).expect(3);
    let finding = &of(&run, "parts-unknown")[0];
    assert!(finding["what"].as_str().unwrap().contains("locked.img"), "{finding}");
    let (set, rescue) = rescue_of(&sets);
    assert_eq!(rescue["end_state"], "incomplete");
    never_green(&set, "a part may be missing");
    let run = lifeboat(&["verify", image.arg(), text(&locked), "--json"]).expect(0);
    assert_eq!(of(&run, "parts-unknown").len(), 1, "{}", run.stdout);
}
