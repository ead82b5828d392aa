//! `lifeboat offload` packs what is in the image, byte for byte, into sets that
//! stock tools unpack.
#![cfg(target_os = "linux")]

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use lifeboat::model::metadata::{NodeId, NodeKind};
use lifeboat::model::monitor::Silent;
use lifeboat::model::name::NtPath;
use lifeboat::ntfs::ondisk::record::FileRef;
use lifeboat::ntfs::read::volume::Volume;
use lifeboat::tree::Tree;
use lifeboat::tree::ntfs::NtfsTree;
use serde_json::Value;
use support::program::{Guarded, lifeboat};
use support::{truth, unpack};

/// Offloads a fixture; the sets, in the order of the program's report.
fn offload(image: &Guarded, dest: &Path, code: i32, more: &[&str]) -> Vec<PathBuf> {
    let mut args = vec!["offload", image.arg(), "--to", dest.to_str().unwrap(), "--json"];
    args.extend(more);
    let run = lifeboat(&args).expect(code);
    run.events("set").iter().map(|set| PathBuf::from(set["set"].as_str().unwrap())).collect()
}

fn rescue_json(set: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(set.join("rescue.json")).unwrap()).unwrap()
}

/// Every store of the fixture, unpacked by stock zstd and tar, is the maker's.
fn stock_tools_unpack(fixture: &str, code: i32) {
    let image = Guarded::fixture(fixture);
    let truth = lifeboat_maker::expected(fixture).unwrap();
    let dest = tempfile::tempdir().unwrap();
    let sets = offload(&image, dest.path(), code, &[]);
    assert_eq!(unpack::sets_in(dest.path()).len(), sets.len());
    assert_eq!(sets.len(), truth.stores.len());
    for set in &sets {
        unpack::sums_are_right(set);
        let rescue = rescue_json(set);
        let out = tempfile::tempdir().unwrap();
        unpack::unpack(set, out.path());
        // The set's parts say which store it is.
        let part = &rescue["parts"][0];
        let path = format!("{}/USMT", part["path"].as_str().unwrap());
        let drive = part["drive"].as_str().unwrap();
        let store = truth
            .stores
            .iter()
            .find(|s| {
                let folder = s.parts[0].folder.to_string();
                folder == path || folder.rsplit_once('/').map(|(up, _)| up) == part["path"].as_str()
            })
            .unwrap_or_else(|| panic!("{path} is no store"));
        // Where nobody can know the drive, the set has another word for it.
        let wanted = store.parts[0].drive.to_string();
        if drive != wanted {
            std::fs::rename(out.path().join(drive), out.path().join(wanted)).unwrap();
        }
        truth::compare_store(&truth, store, out.path());
    }
}

#[test]
fn a_hard_link_store_on_one_volume() {
    stock_tools_unpack("hardlink-one", 0);
}

#[test]
fn a_hard_link_store_over_two_volumes_is_one_set() {
    stock_tools_unpack("hardlink-two", 0);
}

#[test]
fn an_uncompressed_store_on_4096_byte_sectors() {
    stock_tools_unpack("uncompressed", 0);
}

#[test]
fn compressed_stores_with_a_password_and_in_pieces() {
    stock_tools_unpack("compressed", 0);
}

#[test]
fn stores_among_leftovers_and_decoys() {
    // The wipe got some of the files of one of the stores.
    stock_tools_unpack("leftovers", 3);
}

#[test]
fn an_interrupted_store_is_saved_all_the_same() {
    stock_tools_unpack("interrupted", 3);
}

#[test]
fn a_primary_without_its_secondary_is_saved_and_reported_as_a_loss() {
    stock_tools_unpack("primary-alone", 3);
}

#[test]
fn a_secondary_without_its_primary_is_saved_and_reported_as_a_loss() {
    stock_tools_unpack("secondary-alone", 3);
}

/// Every file and folder below `at`, with its path.
fn below(tree: &NtfsTree, at: &NtPath) -> Vec<(NtPath, NodeId)> {
    let mut found = vec![(at.clone(), tree.lookup(at).unwrap())];
    let mut next = 0;
    while let Some((path, id)) = found.get(next).cloned() {
        let children = tree.children(id).unwrap();
        found.extend(children.into_iter().map(|e| (path.join(e.name), e.node)));
        next += 1;
    }
    found
}

/// A file whose record is bad is known to its folder's index alone; a folder
/// whose record is bad, also to its files.
#[test]
fn what_lost_its_file_record_is_saved_or_named_as_a_loss() {
    let image = tempfile::tempdir().unwrap();
    let path = image.path().join("disk.img");
    std::fs::copy(lifeboat_maker::fixture("hardlink-one").unwrap(), &path).unwrap();
    let disk = lifeboat::disk::open_image(&path).unwrap();
    let store = NtPath::from("StateStore/USMT/File");
    let (volume, tree) = disk
        .volumes
        .iter()
        .filter_map(|v| Some((v, NtfsTree::open(v.device.clone(), String::new(), &Silent).ok()?)))
        .find(|(_, tree)| tree.lookup(&store).is_ok())
        .unwrap();
    let inside = below(&tree, &store);
    let is_file = |id: NodeId| tree.node(id).unwrap().kind == NodeKind::File;
    let (lost_file, file) = inside.iter().find(|(_, id)| is_file(*id)).unwrap();
    let folder_of = |path: &NtPath| path.parent().unwrap();
    let (kept_file, _) = inside
        .iter()
        .rfind(|(path, id)| is_file(*id) && folder_of(path) != folder_of(lost_file))
        .unwrap();
    let folder = tree.lookup(&folder_of(kept_file)).unwrap();
    let (opened, _) = Volume::open(volume.device.clone()).unwrap();
    let raw = std::fs::File::options().write(true).open(&path).unwrap();
    for id in [*file, folder] {
        let at = opened.record_offset(FileRef(id.0).number()).unwrap();
        raw.write_all_at(b"BAAD", volume.offset + at).unwrap();
    }

    let image = Guarded::new(&path);
    let dest = tempfile::tempdir().unwrap();
    let args = ["offload", image.arg(), "--to", dest.path().to_str().unwrap(), "--json"];
    let run = lifeboat(&args).expect(3);
    let losses: Vec<(String, String)> = run
        .events("loss")
        .iter()
        .map(|l| (l["kind"].as_str().unwrap().into(), l["path"].as_str().unwrap().into()))
        .collect();
    let loss = |kind: &str, path: &NtPath| (kind.to_owned(), format!("C/{path}"));
    assert!(losses.contains(&loss("unreadable", lost_file)), "{losses:?}");
    assert!(losses.contains(&loss("fact", &folder_of(kept_file))), "{losses:?}");
    assert_eq!(losses.len(), 2, "{losses:?}");
    assert_eq!(run.events("set")[0]["end_state"], "saved-with-losses");
    // What is in the folder whose record is bad is in the set all the same.
    let set = &unpack::sets_in(dest.path())[0];
    let out = tempfile::tempdir().unwrap();
    unpack::unpack(set, out.path());
    let mut truth = Vec::new();
    let id = tree.lookup(kept_file).unwrap();
    let mut stream = tree.open(id, None).unwrap();
    truth.resize(usize::try_from(stream.len()).unwrap(), 0);
    stream.read(&mut truth).unwrap();
    assert!(std::fs::read(out.path().join(format!("C/{kept_file}"))).unwrap() == truth);
}

#[test]
fn the_same_source_gives_the_same_bytes() {
    let image = Guarded::fixture("hardlink-two");
    let store_of = |dest: &tempfile::TempDir| {
        let sets = offload(&image, dest.path(), 0, &["--level", "5"]);
        std::fs::read(sets[0].join("store.tar.zst")).unwrap()
    };
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    assert_eq!(store_of(&one), store_of(&two));
}

#[test]
fn the_destination_is_tried_out_and_a_level_chosen() {
    let image = Guarded::fixture("hardlink-one");
    let dest = tempfile::tempdir().unwrap();
    // What a trial left that was killed long ago, and one that goes on elsewhere.
    let now = lifeboat::model::metadata::FileTime::now().0;
    let old = dest.path().join(".lifeboat-probe-0-elsewhere-1-2-3");
    let young = dest.path().join(format!(".lifeboat-probe-{now}-elsewhere-1-2-3"));
    for folder in [&old, &young] {
        std::fs::create_dir(folder).unwrap();
        std::fs::write(folder.join("a.partial"), "x").unwrap();
    }
    let to = dest.path().to_str().unwrap();
    let run = lifeboat(&["offload", image.arg(), "--to", to, "--json"]).expect(0);
    let tried = run.events("destination");
    let level = tried[0]["level"].as_i64().unwrap();
    assert!((1..=12).contains(&level), "{tried:?}");
    assert!(tried[0]["bytes_per_second"].as_u64().unwrap() > 0, "{tried:?}");
    let set = PathBuf::from(run.events("set")[0]["set"].as_str().unwrap());
    assert_eq!(rescue_json(&set)["options"]["level"], level);
    assert!(!old.exists() && young.exists());
    std::fs::remove_dir_all(young).unwrap();
    assert_eq!(unpack::sets_in(dest.path()), [set]);

    let args = ["offload", image.arg(), "--to", to, "--level", "5", "--retry-for", "0", "--json"];
    let run = lifeboat(&args).expect(0);
    assert_eq!(run.events("destination")[0]["level"], 5);
}

#[test]
fn a_source_without_a_store_is_exit_4_in_two_lines() {
    let dir = tempfile::tempdir().unwrap();
    let empty = dir.path().join("folder");
    std::fs::create_dir(&empty).unwrap();
    for args in [
        vec!["detect", empty.to_str().unwrap()],
        vec!["verify", empty.to_str().unwrap()],
        vec!["offload", empty.to_str().unwrap(), "--to", dir.path().to_str().unwrap()],
    ] {
        let run = lifeboat(&args).expect(4);
        // A note before it says how the folder is read.
        let lines: Vec<&str> =
            run.stderr.lines().filter(|line| !line.starts_with("note: ")).collect();
        assert_eq!(lines.len(), 2, "{}", run.stderr);
        assert!(lines[0].starts_with("error: no migration store"), "{}", run.stderr);
    }
}

#[test]
fn a_source_that_is_not_there_is_exit_1_in_two_lines() {
    for command in ["detect", "verify"] {
        let run = lifeboat(&[command, "/no/such/disk.img"]).expect(1);
        assert_eq!(run.stderr.lines().count(), 2, "{}", run.stderr);
        assert!(run.stderr.contains("/no/such/disk.img"), "{}", run.stderr);
    }
}

#[test]
fn a_destination_that_is_a_file_is_refused_in_two_lines_and_left_alone() {
    let image = Guarded::fixture("hardlink-one");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "precious").unwrap();
    let dest = file.path().to_str().unwrap();
    let run = lifeboat(&["offload", image.arg(), "--to", dest]).expect(2);
    assert_eq!(run.stderr.lines().count(), 2, "{}", run.stderr);
    assert!(run.stderr.contains(dest), "{}", run.stderr);
    assert_eq!(std::fs::read_to_string(file.path()).unwrap(), "precious");
}

#[test]
fn a_store_can_be_chosen_by_id_or_by_path() {
    let image = Guarded::fixture("leftovers");
    let dest = tempfile::tempdir().unwrap();
    let path = r"C:\_SMSTaskSequence\UserState";
    let sets = offload(&image, dest.path(), 3, &["--store", path]);
    assert_eq!(sets.len(), 1);
    let rescue = rescue_json(&sets[0]);
    assert_eq!(rescue["parts"][0]["path"], "_SMSTaskSequence/UserState");
    // A store that the wipe damaged is not "saved", though every file that is left was.
    assert_eq!(
        (&rescue["end_state"], &rescue["totals"]["losses"]),
        (&"incomplete".into(), &0.into())
    );
    assert!(rescue["damage"][0].as_str().unwrap().contains("deleted, by the wipe"), "{rescue}");
    assert!(rescue["closed"][0].as_str().unwrap().contains("BitLocker"), "{rescue}");
    let text = std::fs::read_to_string(sets[0].join("RESTORE.txt")).unwrap();
    for words in ["DAMAGED:   C:", "NOT READ:  ", "THE STORE WAS NOT WHOLE", "Losses:    none of"] {
        assert!(text.contains(words), "{words} in {text}");
    }
    for command in ["verify", "list"] {
        let again = lifeboat(&[command, sets[0].to_str().unwrap()]);
        assert!(again.stdout.contains("DAMAGED"), "{command}: {}", again.stdout);
    }
    lifeboat(&["verify", sets[0].to_str().unwrap()]).expect(3);
    let nothing = ["offload", image.arg(), "--to", dest.path().to_str().unwrap(), "--store", "0"];
    let run = lifeboat(&nothing).expect(4);
    assert!(run.stderr.contains("no store '0'"), "{}", run.stderr);
}
