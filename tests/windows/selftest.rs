//! `lifeboat-selftest.exe` under Wine: what a folder can show is really run, and what
//! Wine cannot show says so. What it does with disks, only a real Windows can show.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use support::wine::{self, Wine};
use support::{exe, need};
use tempfile::TempDir;

/// Rows that a folder under Wine really shows.
const SHOWN: [&str; 11] = [
    "start",
    "bytes",
    "hard-links",
    "odd-names",
    "long-paths",
    "empty",
    "drive",
    "second-restore",
    "two-runs",
    "killed-offload",
    "killed-restore",
];

fn row<'a>(report: &'a Value, id: &str) -> &'a Value {
    let rows = report["rows"].as_array().unwrap();
    rows.iter().find(|row| row["id"] == id).unwrap_or_else(|| panic!("no row {id}"))
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    entries.map(|name| name.into_string().unwrap()).collect()
}

#[test]
fn under_wine_it_shows_what_folders_can_show_and_leaves_nothing() {
    let exe = need!("lifeboat.exe", exe::find);
    let selftest = need!("lifeboat-selftest.exe", exe::selftest);
    let wine = need!("wine", wine::find);
    let dir = TempDir::new().unwrap();
    let (on, out) = (dir.path().join("on"), dir.path().join("out"));
    fs::create_dir(&on).unwrap();
    fs::create_dir(&out).unwrap();
    let (lifeboat, on_there, out_there) = (Wine::path(&exe), Wine::path(&on), Wine::path(&out));
    let args = ["--lifeboat", &lifeboat, "--on", &on_there, "--out", &out_there, "--size", "16"];
    let printed = dir.path().join("printed");
    let mut child = wine.start(&selftest, &args, &printed);
    let start = Instant::now();
    let ended = loop {
        if let Some(ended) = child.try_wait().unwrap() {
            break ended;
        }
        assert!(start.elapsed() < Duration::from_mins(9), "it does not end");
        std::thread::sleep(Duration::from_millis(100));
    };
    let printed = fs::read_to_string(printed).unwrap().replace("\r\n", "\n");
    println!("{printed}");

    let json = fs::read_to_string(out.join("lifeboat-selftest.json")).unwrap();
    let report: Value = serde_json::from_str(&json).unwrap();
    let failed: Vec<&Value> =
        report["rows"].as_array().unwrap().iter().filter(|row| row["outcome"] == "fail").collect();
    assert!(failed.is_empty(), "{failed:#?}");
    assert_eq!(ended.code(), Some(0));
    for id in SHOWN {
        assert_eq!(row(&report, id)["outcome"], "pass", "{}", row(&report, id));
    }
    for (id, why) in [("raw-disk", "--on"), ("owner", "Wine"), ("onedrive", "manually")] {
        let row = row(&report, id);
        assert_eq!(row["outcome"], "not-possible");
        assert!(row["seen"].as_str().unwrap().contains(why), "{row}");
    }
    assert!(report["system"].as_str().unwrap().contains("Wine"), "{}", report["system"]);
    let text = fs::read_to_string(out.join("lifeboat-selftest.txt")).unwrap();
    assert!(text.ends_with(" not possible here\n"), "{text}");
    assert!(printed.contains(text.trim()), "it is printed, too");
    // Nothing of this machine or its user.
    for name in [text_of("HOSTNAME", "hostname"), dir.path().to_str().unwrap().replace('/', "\\")] {
        let is_there = |where_: &str| where_.to_lowercase().contains(&name.to_lowercase());
        assert!(name.len() < 3 || (!is_there(&text) && !is_there(&json)), "{name}: {text}");
    }
    assert!(names(&on).is_empty(), "{:?}", names(&on));
}

/// What a program prints, or a variable.
fn text_of(variable: &str, program: &str) -> String {
    let printed = || Command::new(program).output().ok().map(|out| out.stdout);
    let printed = || String::from_utf8(printed()?).ok();
    std::env::var(variable).ok().or_else(printed).unwrap_or_default().trim().to_owned()
}

#[test]
fn a_folder_that_is_not_its_own_is_neither_used_nor_removed() {
    let exe = need!("lifeboat.exe", exe::find);
    let selftest = need!("lifeboat-selftest.exe", exe::selftest);
    let wine = need!("wine", wine::find);
    let dir = TempDir::new().unwrap();
    let work = dir.path().join("lifeboat-selftest-work");
    fs::create_dir(&work).unwrap();
    fs::write(work.join("mine.txt"), "mine").unwrap();
    let (lifeboat, on, work_there) = (Wine::path(&exe), Wine::path(dir.path()), Wine::path(&work));
    let ran = wine.run(&selftest, &["--lifeboat", &lifeboat, "--on", &on]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.stderr.contains("fix: It is not of this program"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("--cleanup"), "{}", ran.stderr);
    for place in [["--work", &work_there], ["--on", &on]] {
        let ran = wine.run(&selftest, &[&["--cleanup"], &place[..]].concat());
        assert_eq!(ran.code, 3, "{ran:?}");
    }
    assert_eq!(fs::read_to_string(work.join("mine.txt")).unwrap(), "mine");
}

#[test]
fn what_a_crash_left_is_removed_by_cleanup() {
    let selftest = need!("lifeboat-selftest.exe", exe::selftest);
    let exe = need!("lifeboat.exe", exe::find);
    let wine = need!("wine", wine::find);
    let dir = TempDir::new().unwrap();
    let (lifeboat, on) = (Wine::path(&exe), Wine::path(dir.path()));
    let out = dir.path().join("printed");
    let mut child = wine.start(&selftest, &["--lifeboat", &lifeboat, "--on", &on], &out);
    let work = dir.path().join("lifeboat-selftest-work");
    let marker = work.join("lifeboat-selftest-made.json");
    let start = Instant::now();
    while !marker.exists() || !work.join("source/StateStore").exists() {
        assert!(start.elapsed().as_secs() < 60 && child.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // A run that finds it says how it is removed, and that works.
    let ran = wine.run(&selftest, &["--lifeboat", &lifeboat, "--on", &on]);
    assert_eq!(ran.code, 3, "{ran:?}");
    let advice = format!("lifeboat-selftest --cleanup --on {on}");
    assert!(ran.stderr.contains(&advice), "{}", ran.stderr);
    let ran = wine.run(&selftest, &["--cleanup", "--on", &on]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(!work.exists());
}

#[test]
fn what_cannot_work_is_refused_before_anything_is_made() {
    let selftest = need!("lifeboat-selftest.exe", exe::selftest);
    let exe = need!("lifeboat.exe", exe::find);
    let wine = need!("wine", wine::find);
    let dir = TempDir::new().unwrap();
    let (lifeboat, on) = (Wine::path(&exe), Wine::path(dir.path()));
    let run = |on: &str, more: &[&str]| {
        wine.run(&selftest, &[&["--lifeboat", &lifeboat, "--on", on], more].concat())
    };
    let nowhere = format!(r"{on}\no\such");
    let ran = run(&on, &["--out", &nowhere]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.stderr.contains("report") && ran.stderr.contains("--out"), "{}", ran.stderr);
    let ran = run(&nowhere, &["--out", &on]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.stderr.contains("Make the folder above it first"), "{}", ran.stderr);
    // 40 GiB and more.
    if free_below(dir.path()) < 40 << 30 {
        let ran = run(&on, &["--out", &on, "--size", "4096"]);
        assert_eq!(ran.code, 3, "{ran:?}");
        assert!(ran.stderr.contains("not enough space"), "{}", ran.stderr);
    }
    assert!(names(dir.path()).is_empty(), "{:?}", names(dir.path()));
    // They would have no effect.
    for more in [["--work", &nowhere[..]].as_slice(), &["--make-user"]] {
        assert_eq!(run(&on, more).code, 2, "{more:?}");
    }
}

/// Bytes that are free below a folder.
fn free_below(folder: &Path) -> u64 {
    let out = Command::new("df").args(["--output=avail", "-B1"]).arg(folder).output().unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    text.lines().last().unwrap().trim().parse().unwrap()
}

#[test]
fn a_wrong_command_line_and_a_missing_program_have_their_exit_codes() {
    let selftest = need!("lifeboat-selftest.exe", exe::selftest);
    let wine = need!("wine", wine::find);
    assert_eq!(wine.run(&selftest, &["--no-such-option"]).code, 2);
    let version = wine.run(&selftest, &["--version"]);
    assert_eq!((version.code, version.stdout.starts_with("lifeboat-selftest ")), (0, true));
    let dir = TempDir::new().unwrap();
    let on = Wine::path(dir.path());
    let ran = wine.run(&selftest, &["--on", &on, "--lifeboat", "Z:\\no\\such.exe"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.stderr.contains(r"Z:\no\such.exe"), "{}", ran.stderr);
    // Wine has no disks to make.
    let ran = wine.run(&selftest, &[]);
    assert_eq!(ran.code, 3, "{ran:?}");
}
