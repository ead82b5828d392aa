//! A set whose members have any names, kinds and order, put down in a real folder:
//! nothing is made outside of it, and a restore that tells of no loss has every file.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use arbitrary::Arbitrary;
use lifeboat::model::monitor::Silent;
use lifeboat::model::monitor::Collect;
use lifeboat::restore::{Destinations, Options, restore, restore_verified, settle};
use support::made_set::MadeSet;

/// What paths are made of: plain names, and those that lead somewhere else.
const NAMES: [&str; 32] = [
    "C",
    "Store",
    "USMT",
    "File",
    "a",
    "b",
    "c",
    "folder",
    "A",
    "store",
    "D",
    "..",
    ".",
    "",
    "NUL",
    "con.txt",
    "a:b",
    "a\\b",
    "x\0y",
    "a ",
    "a.",
    "Store.lifeboat-partial",
    "Store.before-lifeboat",
    "lifeboat-restore.partial",
    "C:",
    "*",
    "\u{1}",
    "É",
    "é",
    "~",
    "$MFT",
    "a/../..",
];

#[derive(Arbitrary, Debug)]
enum Kind {
    Folder,
    File(Vec<u8>),
    Stream(u8, Vec<u8>),
    Link(Vec<u8>),
    /// Bytes that are other ones than the hash says.
    Changed,
}

#[derive(Arbitrary, Debug)]
struct Made {
    /// Where it lies: 0 to 2 are the usual beginnings.
    below: u8,
    path: Vec<u8>,
    kind: Kind,
}

#[derive(Arbitrary, Debug)]
struct Plan {
    to: u8,
    replace: bool,
    twice: bool,
    members: Vec<Made>,
}

fn path(below: u8, rest: &[u8]) -> String {
    let begin = match below % 8 {
        0..=3 => "C/Store/USMT",
        4 => "C/Store",
        5 => "C",
        _ => "",
    };
    let mut names: Vec<&str> = begin.split('/').filter(|name| !name.is_empty()).collect();
    names.extend(rest.iter().take(6).map(|byte| NAMES[usize::from(*byte) % NAMES.len()]));
    names.join("/")
}

fn jail() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    let dir = if memory.is_dir() { memory } else { std::env::temp_dir() };
    dir.join(format!("lifeboat-fuzz-{}", std::process::id()))
}

/// All names in a folder, that of links, not what they lead to.
fn names(dir: &std::path::Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .expect("the jail")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

pub(crate) fn run(data: &[u8]) {
    let Some(plan) = crate::made::<Plan>(data) else { return };
    let mut set = MadeSet::store("uncompressed", &[("C", "Store")]);
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    // Whether the first member of a path is a file: what is changed is that one.
    let mut firsts: BTreeMap<String, bool> = BTreeMap::new();
    let mut is_odd = false;
    for made in plan.members.iter().take(24) {
        let at = path(made.below, &made.path);
        if matches!(made.kind, Kind::Folder | Kind::File(_) | Kind::Link(_)) {
            let is_file = matches!(made.kind, Kind::File(_));
            is_odd |= firsts.insert(at.clone(), *firsts.get(&at).unwrap_or(&is_file)).is_some();
        }
        let is_file = firsts.get(&at).copied().unwrap_or(false);
        match &made.kind {
            Kind::Folder => set.folder(&at),
            Kind::File(bytes) => {
                files.insert(at.clone(), bytes.clone());
                set.file(&at, bytes);
            }
            Kind::Stream(name, bytes) if is_file => {
                set.stream(&at, NAMES[usize::from(*name) % NAMES.len()], bytes);
            }
            Kind::Link(to) => {
                let to = path(made.below, to);
                set.link(&at, &to);
            }
            Kind::Changed if is_file && files.get(&at).is_some_and(|bytes| !bytes.is_empty()) => {
                set.change_hash(&at);
            }
            Kind::Stream(..) | Kind::Changed => {}
        }
    }
    let jail = jail();
    let _ = fs::remove_dir_all(&jail);
    let to = jail.join("to");
    fs::create_dir_all(&to).expect("a folder of our own");
    fs::write(jail.join("outside"), "outside").expect("a file of our own");
    let drives = || Destinations::Drives([("C".to_owned(), to.clone())].into_iter().collect());
    let destination = match plan.to % 3 {
        0 => Destinations::Under(to.clone()),
        1 => drives(),
        _ => Destinations::Staged(Box::new(drives())),
    };
    let options = Options { replace: plan.replace, ..Options::default() };
    if plan.twice {
        let _ = restore(&set, &destination, options, &Collect::default());
    }
    let seen = Collect::default();
    let result = restore_verified(&set, &destination, options, &seen);
    if let (Ok((done, checked)), Destinations::Drives(_)) = (&result, &destination)
        && done.losses + checked.losses == 0
        && !is_odd
        && !plan.twice
    {
        for (at, bytes) in &files {
            let place = to.join(at.strip_prefix("C/").unwrap_or(at));
            let found = fs::read(&place).unwrap_or_default();
            assert!(found == *bytes, "{at}: not there, and no loss was told");
        }
    }
    if let Destinations::Staged(_) = destination
        && result.is_ok()
    {
        let _ = settle(&set, &destination, plan.replace, &Silent);
    }
    assert_eq!(names(&jail), ["outside", "to"]);
    assert_eq!(fs::read(jail.join("outside")).ok().as_deref(), Some(&b"outside"[..]));
    let _ = fs::remove_dir_all(&jail);
}
