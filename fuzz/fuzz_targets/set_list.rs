//! A set in a list: the name of its folder, its `rescue.json` and the three files beside it, with
//! a zero byte between them. Whatever they are, it is listed, judged for deletion, and shown on
//! the page, where nothing of it becomes markup.

use std::collections::HashMap;
use std::sync::Arc;

use lifeboat::destination::DestinationEntry;
use lifeboat::model::metadata::FileTime;
use lifeboat::report::sets_page::{self, Row};
use lifeboat::set::format::hash::sha256_hex;
use lifeboat::sets::prune::{Choice, Rule, choose};
use lifeboat::sets::{Filter, SetFolder, State, read};

use super::set_reader::Folder;

pub(crate) fn run(input: &[u8]) {
    let mut pieces = input.split(|byte| *byte == 0);
    let name = String::from_utf8_lossy(pieces.next().unwrap_or_default()).replace('/', "-");
    let rescue = pieces.next().unwrap_or_default().to_vec();
    // The records count only with the hash of the description.
    let hash = sha256_hex(&rescue);
    let mut files = HashMap::new();
    let mut entries = Vec::new();
    let names = ["users.json", "verified.json", "restored.json"].into_iter().zip(pieces);
    let others = names.map(|(file, bytes)| {
        (file, String::from_utf8_lossy(bytes).replace("HASH", &hash).into_bytes())
    });
    for (file, bytes) in std::iter::once(("rescue.json", rescue)).chain(others) {
        let size = bytes.len() as u64;
        entries.push(DestinationEntry { name: file.to_owned(), is_dir: false, size });
        files.insert(format!("{name}/{file}"), Arc::new(bytes));
    }
    let folder = SetFolder { path: name.clone(), entries };
    let listed = read(&Folder(files), &folder).expect("a folder in memory is not lost");
    let _ = Filter { computer: Some("x".to_owned()), user: Some("alice".to_owned()), since: None }
        .fits(&listed);
    let now = FileTime::from_unix(4_000_000_000, 0);
    let rule = Rule::Older { before: now, by_restore: false };
    if let Choice::Delete(_) = choose(&listed, &rule, now) {
        let restored = listed.restored.as_ref().is_some_and(|run| run.whole);
        assert!(listed.state == State::Deleting || restored);
    }
    let page = sets_page::make(&[Row { set: &listed, link: None }], &name, &name);
    let page = String::from_utf8(page).expect("a page is text");
    assert_eq!(page.matches("<script").count(), 1);
    assert_eq!(page.matches("<tr>").count(), 2);
}
