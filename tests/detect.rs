//! `lifeboat detect` finds the stores that are there, and none that is not.
#![allow(clippy::unwrap_used, clippy::panic)] // a helper that fails is a failed test

#[path = "common/lifeboat.rs"]
mod program;

use program::{Guarded, lifeboat};
use serde_json::Value;

/// Compares what `detect --json` says with what the maker put there.
fn finds_what_is_there(fixture: &str) {
    let image = Guarded::fixture(fixture);
    let truth = lifeboat_maker::expected(fixture).unwrap();
    let run = lifeboat(&["detect", image.arg(), "--json"]).expect(0);
    let mut found = run.events("store");
    // An estimate holds no data; the maker does not count it as a store.
    found.retain(|store| store["kind"] != "estimate");
    assert_eq!(found.len(), truth.stores.len(), "{}", run.stdout);
    for store in &truth.stores {
        let first = &store.parts[0];
        // Where nobody can know the drive, something else stands for it.
        let path = format!(":\\{}", first.folder.to_string().replace('/', "\\"));
        let one: &Value = found
            .iter()
            .find(|s| s["path"].as_str().is_some_and(|p| p.ends_with(&path)))
            .unwrap_or_else(|| panic!("{path} was not found:\n{}", run.stdout));
        assert_eq!(one["parts"].as_array().unwrap().len(), store.parts.len(), "{one}");
        let drive = one["parts"][0]["drive"].as_str();
        assert!(drive.is_none() || drive == Some(&first.drive.to_string()), "{one}");
        let in_store = |file: &&lifeboat_maker::fixtures::ExpectedFile| {
            store.parts.iter().any(|part| {
                part.partition == file.partition && file.path.below(&part.folder).is_some()
            })
        };
        let mut numbers = std::collections::BTreeSet::new();
        let bytes: u64 = truth
            .files
            .iter()
            .filter(in_store)
            .filter(|f| !f.is_dir && numbers.insert((f.partition, f.file_number)))
            .map(|f| f.size)
            .sum();
        assert_eq!(one["files"], numbers.len(), "{one}");
        assert_eq!(one["bytes"], bytes, "{one}");
    }
    assert_eq!(run.events("summary")[0]["exit_code"], 0);
}

#[test]
fn a_hard_link_store_on_one_volume() {
    finds_what_is_there("hardlink-one");
}

#[test]
fn a_hard_link_store_over_two_volumes_is_one_store() {
    finds_what_is_there("hardlink-two");
}

#[test]
fn an_uncompressed_store_on_4096_byte_sectors() {
    finds_what_is_there("uncompressed");
}

#[test]
fn compressed_stores_with_a_password_and_in_pieces() {
    finds_what_is_there("compressed");
}

#[test]
fn stores_among_leftovers_but_no_decoy() {
    finds_what_is_there("leftovers");
}

#[test]
fn stores_that_were_interrupted_moved_or_made_by_usmt_3() {
    finds_what_is_there("interrupted");
}

#[test]
fn a_secondary_whose_primary_is_gone() {
    finds_what_is_there("secondary-alone");
}

#[test]
fn a_primary_whose_secondary_is_gone() {
    finds_what_is_there("primary-alone");
}

#[test]
fn a_locked_volume_is_never_no_store() {
    let image = Guarded::fixture("leftovers");
    let run = lifeboat(&["detect", image.arg(), "--json"]).expect(0);
    let locked = run
        .events("volume")
        .into_iter()
        .find(|v| v["kind"] == "bitlocker")
        .expect("the BitLocker volume is reported");
    assert_eq!(locked["readable"], false);
    assert!(locked["reason"].as_str().unwrap().contains("manage-bde -unlock"), "{locked}");
}
