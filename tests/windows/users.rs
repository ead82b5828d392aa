//! Users' files by `lifeboat.exe`, under Wine: the same users, the same sets as on Linux, and
//! files that come into another profile. (Wine keeps rights of its own: what they become is a
//! row for a real Windows.)
#![cfg(target_os = "linux")]

use std::fs;

use serde_json::Value;
use sha2::Digest as _;
use support::program::{Guarded, hex, lifeboat};
use support::wine::{self, Wine};
use support::{exe, need, text};

fn events(output: &str, kind: &str) -> Vec<Value> {
    let all = output.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    all.filter(|event| event["message_type"] == *kind).collect()
}

#[test]
fn users_are_found_saved_and_restored_into_another_profile() {
    let exe = need!("lifeboat.exe", exe::find);
    let wine = need!("wine", wine::find);
    let image = Guarded::fixture("users");
    let dir = tempfile::tempdir().unwrap();
    let there = Wine::path(image.path());

    let ran = wine.run(&exe, &["detect", &there, "--json"]);
    assert_eq!(ran.code, 4, "{}", ran.stderr);
    let ours = lifeboat(&["detect", image.arg(), "--json"]).expect(4);
    let names = |users: &[Value]| -> Vec<(Value, Value, Value)> {
        let one = |user: &Value| (user["name"].clone(), user["sid"].clone(), user["bytes"].clone());
        users.iter().map(one).collect()
    };
    assert_eq!(names(&events(&ran.stdout, "user")), names(&ours.events("user")));

    let sets = dir.path().join("sets");
    let to = Wine::path(&sets);
    let level = ["--level", "3", "--json"];
    let ran = wine
        .run(&exe, &[&["offload", &there, "--of-user", "alice", "--to", &to], &level[..]].concat());
    assert_eq!(ran.code, 0, "{}", ran.stdout);
    let set = fs::read_dir(&sets).unwrap().next().unwrap().unwrap().path();
    let own = dir.path().join("own");
    let args = ["offload", image.arg(), "--of-user", "alice", "--to", text(&own)];
    let ours = lifeboat(&[&args[..], &level].concat()).expect(0);
    let ours = std::path::PathBuf::from(ours.events("set")[0]["set"].as_str().unwrap());
    let tar = |set: &std::path::Path| fs::read(set.join("store.tar.zst")).unwrap();
    assert!(tar(&set) == tar(&ours), "the same bytes on Windows and Linux");

    let profile = dir.path().join("profile");
    fs::create_dir(&profile).unwrap();
    fs::create_dir(profile.join("Documents")).unwrap();
    fs::write(profile.join("Documents/notes.txt"), "hers").unwrap();
    let into = Wine::path(&profile);
    let set = Wine::path(&set);
    let sid = "S-1-5-21-9-9-9-1000";
    let ran = wine.run(
        &exe,
        &["restore", &set, "--of-user", "alice", "--into", &into, "--as", sid, "--json"],
    );
    // 3: the file that was there, and facts that Wine does not keep.
    assert_eq!(ran.code, 3, "{}\n{}", ran.stdout, ran.stderr);
    let lost = events(&ran.stdout, "loss");
    let kept = lost.iter().filter(|loss| loss["kind"] == "name").count();
    let is_notes = |loss: &&Value| loss["path"] == "profile/Documents/notes.txt";
    assert!(lost.iter().any(|loss| is_notes(&loss)), "{lost:?}");
    assert_eq!(fs::read(profile.join("Documents/notes.txt")).unwrap(), b"hers");
    let truth = lifeboat_maker::fixtures::by_name("users").unwrap();
    let mut same = 0;
    for file in truth.files(0) {
        let path = file.path.to_string();
        let Some(below) = path.strip_prefix("Users/alice/") else { continue };
        let Ok(bytes) = fs::read(profile.join(below)) else { continue };
        if below != "Documents/notes.txt" {
            assert_eq!(hex(&sha2::Sha256::digest(&bytes)), file.sha256, "{below}");
            same += 1;
        }
    }
    assert!(same + kept >= 30, "{same} files, {kept} refused by their names: {lost:?}");
    assert!(profile.join("Documents/on the other disk.docx").exists());
    let ran = wine.run(
        &exe,
        &["restore", &set, "--of-user", "alice", "--into", &into, "--as", "no such account"],
    );
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("--as no such account"), "{}", ran.stderr);
}
