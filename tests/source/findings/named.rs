//! Every code is named by a test.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use lifeboat::health::codes::{ELSEWHERE, STORE};
use support::root;

use super::page::sources;

/// The code of a test file: of one in `src/` the part that is for tests alone.
fn test_code(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    if !file.starts_with(root().join("src")) || file.ends_with("tests.rs") {
        return text;
    }
    text.split_once("#[cfg(test)]\nmod tests {")
        .map(|(_, tests)| tests.to_owned())
        .unwrap_or_default()
}

/// A code that no test names is a promise that nobody keeps. That the test which
/// names it fails without the finding, nothing here can tell: whoever writes it
/// sees to that, by one source that shows it and one that does not. About stores,
/// sets and disks there are tables that do so for each code.
#[test]
fn every_code_is_named_by_a_test() {
    let files = ["src", "tests"].iter().flat_map(|folder| sources(&root().join(folder)));
    let here = Path::new(file!()).file_name().unwrap();
    let code: String = files
        .filter(|file| file.file_name() != Some(here))
        .flat_map(|file| {
            let lines = test_code(&file);
            lines.lines().map(|line| line.trim_start().to_owned() + "\n").collect::<Vec<_>>()
        })
        .filter(|line| !line.starts_with("//"))
        .collect();
    let codes = STORE.iter().map(|code| code.name).chain(ELSEWHERE.iter().map(|(name, _)| *name));
    let unnamed: BTreeSet<_> =
        codes.filter(|name| !code.contains(&format!("\"{name}\""))).collect();
    assert!(unnamed.is_empty(), "no test shows {unnamed:?}");
}
