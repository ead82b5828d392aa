//! Users' files without a store: `detect` shows them, `offload` saves them.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::Digest as _;
use support::program::{Guarded, Run, lifeboat};
use support::unpack;

fn offload(image: &Guarded, dest: &Path, more: &[&str]) -> Run {
    let mut args = vec!["offload", image.arg(), "--to", dest.to_str().unwrap(), "--json"];
    args.extend(more);
    lifeboat(&args)
}

fn set_of(run: &Run) -> (PathBuf, Value) {
    let set = PathBuf::from(run.events("set")[0]["set"].as_str().unwrap());
    let rescue = serde_json::from_slice(&fs::read(set.join("rescue.json")).unwrap()).unwrap();
    (set, rescue)
}

#[test]
fn detect_shows_the_users_and_still_finds_no_store() {
    let image = Guarded::fixture("users");
    let run = lifeboat(&["detect", image.arg(), "--json"]).expect(4);
    let windows = run.events("windows");
    assert_eq!(windows.len(), 2);
    assert_eq!(windows[0]["computer"], "PC-4711");
    let users = run.events("user");
    let names: Vec<&str> = users.iter().map(|user| user["name"].as_str().unwrap()).collect();
    let all = ["Public", "MSSQLSERVER", "alice", "dora", "erin.CONTOSO", "frank", "bob", "carol"];
    assert!(all.iter().all(|name| names.contains(name)) && names.len() == all.len(), "{names:?}");
    let text = lifeboat(&["detect", image.arg()]).expect(4);
    for words in ["THE FOLDER IS GONE", "3 more files (878.9 KiB) only in the cloud", "PC-4711"] {
        assert!(text.stdout.contains(words), "{}", text.stdout);
    }
    assert!(text.stdout.contains("lifeboat offload --profiles saves them"), "{}", text.stdout);
    assert!(!text.stdout.contains("MSSQLSERVER"), "services are not people");
    assert!(text.stdout.lines().all(|line| line.len() <= 80), "{}", text.stdout);
}

#[test]
fn a_user_is_saved_with_what_is_on_other_drives_and_without_caches() {
    let image = Guarded::fixture("users");
    let dest = tempfile::tempdir().unwrap();
    let run = offload(&image, dest.path(), &["--of-user", "ALICE"]).expect(0);
    let (set, rescue) = set_of(&run);
    assert_eq!(rescue["end_state"], "saved");
    assert_eq!(rescue["totals"]["cloud"], 3);
    assert_eq!(rescue["totals"]["losses"], 0);
    let parts = rescue["parts"].as_array().unwrap();
    assert_eq!(parts[0]["user"]["name"], "alice");
    assert_eq!(parts[1]["user"]["folder"], "Documents");
    assert_eq!(parts[1]["drive"], "D");
    assert_eq!(parts[0]["skipped"].as_array().unwrap().len(), 3);
    lifeboat(&["verify", set.to_str().unwrap(), "--level", "full"]).expect(0);

    let out = tempfile::tempdir().unwrap();
    unpack::unpack(&set, out.path());
    let truth = lifeboat_maker::fixtures::by_name("users").unwrap();
    let mut compared = 0;
    for (partition, drive, folder) in [(0, "C", "Users/alice/"), (1, "D", "Data/alice/")] {
        for file in truth.files(partition) {
            let path = file.path.to_string();
            if file.is_dir || !path.starts_with(folder) || path.contains("Only in the cloud") {
                continue;
            }
            let is_cache = ["/Temp/", "/Cache/", "thumbcache"].iter().any(|c| path.contains(c));
            let saved = fs::read(out.path().join(drive).join(&path));
            assert_eq!(saved.is_err(), is_cache, "{path}");
            if let Ok(bytes) = saved {
                assert_eq!(support::program::hex(&sha2_of(&bytes)), file.sha256, "{path}");
                compared += 1;
            }
        }
    }
    assert!(compared > 30, "{compared}");
    let all = offload(&image, dest.path(), &["--of-user", "alice", "--everything"]).expect(0);
    assert_eq!(
        set_of(&all).1["totals"]["files"].as_u64().unwrap(),
        rescue["totals"]["files"].as_u64().unwrap() + 4
    );
}

fn sha2_of(bytes: &[u8]) -> Vec<u8> {
    sha2::Sha256::digest(bytes).to_vec()
}

#[test]
fn all_users_without_services_and_a_folder_that_is_gone_is_missing() {
    let image = Guarded::fixture("users");
    let dest = tempfile::tempdir().unwrap();
    let run = offload(&image, dest.path(), &["--profiles"]).expect(3);
    let sets = run.events("set");
    assert_eq!(sets.len(), 2, "one for each Windows");
    assert_eq!(sets[0]["end_state"], "incomplete");
    assert_eq!(sets[0]["lacks"][0], r"the folder of dora (C:\Users\dora) is gone");
    assert_eq!(sets[1]["end_state"], "saved");
    let rescue = set_of(&run).1;
    let mut names: Vec<&str> = rescue["parts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|part| part["user"]["name"].as_str().unwrap())
        .collect();
    names.dedup();
    assert_eq!(names, ["alice", "erin.CONTOSO", "frank", "bob", "Public"]);
}

#[test]
fn a_user_who_is_not_there_is_an_error_that_names_the_others() {
    let image = Guarded::fixture("users");
    let dest = tempfile::tempdir().unwrap();
    let run = offload(&image, dest.path(), &["--of-user", "zoe"]).expect(4);
    let error = &run.events("error")[0];
    assert_eq!(error["what"], "no user 'zoe' found");
    assert!(error["action"].as_str().unwrap().contains("alice, bob, carol"), "{error}");
    assert!(unpack::sets_in(dest.path()).is_empty());
    // One that is known, and by SID.
    let sid = "S-1-5-21-1085031214-1563985344-725345543-1105";
    let run = offload(&image, dest.path(), &["--of-user", sid]).expect(0);
    assert_eq!(set_of(&run).1["parts"][0]["user"]["name"], "bob");
    offload(&image, dest.path(), &["--everything"]).expect(2);
    let empty = Guarded::fixture("hardlink-one");
    let run = offload(&empty, dest.path(), &["--profiles"]).expect(4);
    assert_eq!(run.events("error")[0]["what"], "no users' folders found");
}

#[test]
fn offload_without_a_store_says_that_users_files_are_there() {
    let image = Guarded::fixture("users");
    let dest = tempfile::tempdir().unwrap();
    let run = lifeboat(&["offload", image.arg(), "--to", dest.path().to_str().unwrap()]).expect(4);
    assert!(run.stdout.contains("5 users are there"), "{}", run.stdout);
    assert!(run.stdout.contains("offload --profiles"), "{}", run.stdout);
}

#[test]
fn a_users_set_is_never_spoken_of_as_a_store() {
    let image = Guarded::fixture("users");
    let dest = tempfile::tempdir().unwrap();
    let (set, _) = set_of(&offload(&image, dest.path(), &["--of-user", "dora"]).expect(3));
    let set = set.to_str().unwrap();
    let run = lifeboat(&["verify", set]).expect(3);
    assert!(run.stdout.contains("everything that was asked for"), "{}", run.stdout);
    assert!(!run.stdout.contains("loadstate"), "{}", run.stdout);
    let run = lifeboat(&["loadstate", set]).expect(2);
    assert!(run.stderr.contains("--of-user NAME --into FOLDER"), "{}", run.stderr);
    let (set, _) = set_of(&offload(&image, dest.path(), &["--profiles"]).expect(3));
    let run = lifeboat(&["restore", set.to_str().unwrap(), "--in-place"]).expect(2);
    assert_eq!(run.stderr.matches("C=ROOT").count(), 1, "{}", run.stderr);
}

#[test]
fn the_report_names_the_users() {
    let image = Guarded::fixture("users");
    let dest = tempfile::tempdir().unwrap();
    let run = offload(&image, dest.path(), &["--profiles"]).expect(3);
    let page = fs::read_to_string(set_of(&run).0.join("report.html")).unwrap();
    for name in ["alice", "bob", "frank"] {
        assert!(page.contains(&format!(">{name}<")), "{name} is not in the report");
    }
}

#[test]
fn a_sets_own_users_are_extracted_by_name() {
    let image = Guarded::fixture("users");
    let dest = tempfile::tempdir().unwrap();
    let (set, _) = set_of(&offload(&image, dest.path(), &["--of-user", "bob"]).expect(0));
    let out = dest.path().join("out");
    let args = ["extract", set.to_str().unwrap(), "--of-user", "bob", "--to"];
    lifeboat(&[&args[..], &[out.to_str().unwrap()]].concat()).expect(3); // facts of Windows
    assert!(out.join("D/Users/bob/Projects/Readme.txt").exists());
}
