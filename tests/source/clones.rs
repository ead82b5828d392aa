//! Two disks with the same volumes: a clone beside the original, half a mirror.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::Path;

use serde_json::Value;
use support::program::{Guarded, Run, lifeboat};

fn image(dir: &Path, name: &str) -> Guarded {
    let path = dir.join(name);
    fs::copy(lifeboat_maker::fixture("hardlink-two").unwrap(), &path).unwrap();
    Guarded::new(path)
}

fn of(run: &Run, code: &str) -> Vec<Value> {
    run.events("finding").into_iter().filter(|f| f["code"] == code).collect()
}

/// On which disk each store's parts are, and which drives are missing.
fn stores(run: &Run) -> Vec<(Vec<String>, usize)> {
    let disk = |part: &Value| {
        let volume = part["volume"].as_str().unwrap();
        let end = volume.find(".img").unwrap();
        volume[end - 1..end].to_owned()
    };
    let store = |store: &Value| {
        let mut parts: Vec<String> = store["parts"].as_array().unwrap().iter().map(disk).collect();
        parts.sort();
        (parts, store["missing_drives"].as_array().unwrap().len())
    };
    run.events("store").iter().map(store).collect()
}

#[test]
fn a_clone_beside_its_original_is_two_whole_stores() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (image(dir.path(), "a.img"), image(dir.path(), "b.img"));
    let run = lifeboat(&["detect", a.arg(), b.arg(), "--json"]).expect(0);
    let both = |disk: &str| (vec![disk.to_owned(), disk.to_owned()], 0);
    assert_eq!(stores(&run), [both("a"), both("b")], "{}", run.stdout);
    let ids: Vec<Value> = run.events("store").iter().map(|s| s["id"].clone()).collect();
    assert_ne!(ids[0], ids[1]);
    // The first has the id that it has alone.
    let alone = lifeboat(&["detect", a.arg(), "--json"]).expect(0);
    assert_eq!(alone.events("store")[0]["id"], ids[0]);
    assert_eq!((of(&run, "volume-twice").len(), of(&alone, "volume-twice").len()), (1, 0));
    let to = dir.path().join("sets");
    let args = ["offload", a.arg(), b.arg(), "--to", to.to_str().unwrap(), "--json"];
    let saved = lifeboat(&args).expect(0);
    assert_eq!(saved.events("set").len(), 2);
}

#[test]
fn a_part_that_only_the_clone_has_completes_the_original() {
    let dir = tempfile::tempdir().unwrap();
    // The original without its second NTFS volume.
    let path = dir.path().join("a.img");
    fs::copy(lifeboat_maker::fixture("hardlink-two").unwrap(), &path).unwrap();
    let disk = lifeboat::disk::open_image(&path).unwrap();
    let volume = disk.volumes.iter().rfind(|v| v.kind == lifeboat::disk::VolumeKind::Ntfs).unwrap();
    let (at, len) = (volume.offset, volume.len);
    let mut bytes = fs::read(&path).unwrap();
    bytes[usize::try_from(at).unwrap()..usize::try_from(at + len).unwrap()].fill(0);
    fs::write(&path, bytes).unwrap();
    let (a, b) = (Guarded::new(path), image(dir.path(), "b.img"));
    let alone = lifeboat(&["detect", a.arg(), "--json"]).expect(0);
    assert_eq!(alone.events("store").len(), 1, "{}", alone.stdout);
    let run = lifeboat(&["detect", a.arg(), b.arg(), "--json"]).expect(0);
    let found = stores(&run);
    assert_eq!(found.len(), 2, "{}", run.stdout);
    assert!(found.iter().all(|(parts, missing)| parts.len() == 2 && *missing == 0), "{found:?}");
    assert!(found.contains(&(vec!["b".to_owned(), "b".to_owned()], 0)), "{found:?}");
}
