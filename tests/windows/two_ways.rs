//! `lifeboat.exe` reads a store through Windows' file API, as far as Wine has it,
//! and finds what the image holds: the same members with the same bytes. What Wine
//! has no word for (docs/guide/windows.md) is left out here, and by name.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lifeboat::destination::Missing;
use lifeboat::destination::directory::DirectoryDestination;
use lifeboat::set::format::manifest::{Member, MemberKind};
use lifeboat::set::read::reader::SetReader;
use serde_json::Value;
use support::ntfs_mount::{self, Mounted};
use support::program::lifeboat;
use support::wine::{self, Wine};
use support::{exe, full_store, members, need};

fn members_in(folder: &Path) -> BTreeMap<String, Member> {
    let name = fs::read_dir(folder).unwrap().next().unwrap().unwrap().file_name();
    let target = Arc::new(DirectoryDestination::open(folder, Missing::Fail).unwrap());
    members::of(&SetReader::open(target, name.to_str().unwrap()).unwrap())
}

/// Names that Win32 changes or refuses, and a path longer than it takes.
fn make_odd_names(root: &Path) {
    let folder = root.join("StateStore/USMT/File/C$/odd");
    fs::create_dir(&folder).unwrap();
    for name in ["trailing space ", "dots...", "NUL", "COM1.txt", "\u{1F600}", "UPPER", "upper"] {
        fs::write(folder.join(name), name).unwrap();
    }
    let deep = folder.join(vec!["d".repeat(100); 6].join("/"));
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("600 characters down"), b"deep").unwrap();
}

#[test]
fn a_store_on_a_drive_is_the_store_in_its_image() {
    need!("fuse");
    let exe = need!("lifeboat.exe", exe::find);
    let wine = need!("wine", wine::find);
    let mut volume = Mounted::fresh(32);
    full_store::make(volume.path());
    make_odd_names(volume.path());
    // Wine follows them, or shows nothing: it has no reparse points.
    let alice = volume.path().join("StateStore/USMT/File/C$/Users/alice");
    for link in ["Application Data", "unknown tag", "link", "pipe"] {
        let path = alice.join(link);
        fs::remove_file(&path).or_else(|_| fs::remove_dir(&path)).unwrap();
    }
    volume.remount(&format!("ro,{}", ntfs_mount::ALL_FACTS));
    let dir = tempfile::tempdir().unwrap();
    let (by_exe, raw) = (dir.path().join("exe"), dir.path().join("raw"));
    fs::create_dir(&by_exe).unwrap();
    let _drive = wine.letter('m', volume.path());

    let ran = wine.run(&exe, &["detect", "M:\\", "--via", "host", "--json"]);
    assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
    let events = ran.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let shown = events.into_iter().find(|e| e["message_type"] == "volume").unwrap();
    assert_eq!(shown["via"], "host");
    assert!(!shown["why"].as_str().unwrap().is_empty(), "{shown}");

    let to = Wine::path(&by_exe);
    let ran = wine.run(&exe, &["offload", "M:\\StateStore", "--to", &to]);
    // 3: facts that Wine refuses are losses, each with its name.
    assert!([0, 3].contains(&ran.code), "{}\n{}", ran.stdout, ran.stderr);
    println!("{}", ran.stderr);
    let image = volume.image().to_str().unwrap().to_owned();
    // Still mounted, which Wine may hold on to; but for reading only. 3: the store has no
    // catalog.mig.
    lifeboat(&["offload", &image, "--to", raw.to_str().unwrap()]).expect(3);

    let (seen, held) = (members_in(&by_exe), members_in(&raw));
    assert_eq!(seen.keys().collect::<Vec<_>>(), held.keys().collect::<Vec<_>>());
    assert!(held.len() > 25);
    for (path, seen) in &seen {
        let held = &held[path];
        // Which of several names comes first is the disk's affair.
        if (seen.kind == MemberKind::Link) != (held.kind == MemberKind::Link) {
            continue;
        }
        assert_eq!((seen.kind, &seen.data, &seen.link_to), (held.kind, &held.data, &held.link_to));
        // Wine's creation and change times are Linux' own.
        let times = |m: &Member| (m.times.modified, m.times.accessed);
        assert_eq!(times(seen), times(held), "{path}");
        assert!(seen.losses.iter().all(|l| l.kind == "fact"), "{path}: {:?}", seen.losses);
    }
    let links = |all: &BTreeMap<String, Member>| {
        all.values().filter(|m| m.kind == MemberKind::Link).count()
    };
    assert_eq!(links(&seen), links(&held));
}

/// Without a source it looks at what is attached: under Wine that is this whole
/// machine, through the file API, and it ends all the same.
#[test]
fn volumes_that_were_not_listed_are_searched_for_a_limited_time() {
    let exe = need!("lifeboat.exe", exe::find);
    let wine = need!("wine", wine::find);
    let start = Instant::now();
    let ran = wine.run(&exe, &["detect", "--json"]);
    assert!(start.elapsed() < Duration::from_mins(3));
    // 3: a drive of this machine cannot be read.
    assert!([0, 3, 4].contains(&ran.code), "{}\n{}", ran.stdout, ran.stderr);
    let events: Vec<Value> =
        ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let volumes = events.iter().filter(|e| e["message_type"] == "volume").count();
    assert!(volumes > 0, "{}", ran.stdout);
    let is_cut = |e: &&Value| e["code"] == "search-cut-short";
    for cut in events.iter().filter(is_cut) {
        assert!(cut["action"].as_str().unwrap().contains("name this drive"), "{cut}");
    }
}
