//! `lifeboat detect` finds the stores that are there, and none that is not.

#[path = "common/lifeboat.rs"]
mod program;

use program::{Guarded, lifeboat};
use serde_json::Value;

/// Compares what `detect --json` says with what the maker put there.
fn finds_what_is_there(fixture: &str) {
    let image = Guarded::fixture(fixture);
    let truth = lifeboat_maker::expected(fixture).unwrap();
    let run = lifeboat(&["detect", image.arg(), "--json"]).expect(0);
    let found = run.events("store");
    assert_eq!(found.len(), truth.stores.len(), "{}", run.stdout);
    for store in &truth.stores {
        let first = &store.parts[0];
        let path = format!("{}:\\{}", first.drive, first.folder.to_string().replace('/', "\\"));
        let one: &Value = found
            .iter()
            .find(|s| s["path"].as_str().is_some_and(|p| p.eq_ignore_ascii_case(&path)))
            .unwrap_or_else(|| panic!("{path} was not found:\n{}", run.stdout));
        assert_eq!(one["parts"].as_array().unwrap().len(), store.parts.len(), "{one}");
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
