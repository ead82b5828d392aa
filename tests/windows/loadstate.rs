//! `lifeboat loadstate`: the right command for each kind of store; and, under
//! Wine with a program that stands in for Microsoft's, that it is run with those
//! arguments, followed, and its return code told in words.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use lifeboat::usmt::loadstate::unsure::QUESTIONS;
use support::program::{Guarded, lifeboat};
use support::wine::{self, Ran, Wine};
use support::{exe, need, require, text};
use tempfile::TempDir;

/// A fixture's rescue set.
fn set_of(fixture: &str, dir: &Path) -> PathBuf {
    let image = Guarded::fixture(fixture);
    let run = lifeboat(&["offload", image.arg(), "--to", dir.to_str().unwrap(), "--json"]);
    let run = if run.code == 3 { run.expect(3) } else { run.expect(0) };
    dir.join(run.events("set")[0]["name"].as_str().unwrap())
}

#[test]
fn each_kind_of_set_gets_its_command() {
    let dir = TempDir::new().unwrap();
    for (fixture, flags) in [
        ("hardlink-one", "/hardlink /nocompress /i:migdocs.xml"),
        ("uncompressed", "/nocompress /i:migdocs.xml"),
        ("compressed", "/i:migdocs.xml"),
    ] {
        let set = set_of(fixture, &dir.path().join(fixture));
        let run = lifeboat(&["loadstate", text(&set), "--json"]).expect(0);
        let ways = run.events("loadstate");
        let command = ways[0]["command"].as_str().unwrap();
        let (store, rest) = command.strip_prefix("loadstate ").unwrap().split_once(" /").unwrap();
        let is_known = ways[0]["can_run"] == true;
        assert_eq!(store.contains(":\\"), is_known, "{command}");
        assert!(is_known || ways[0]["before"][0].as_str().unwrap().contains("drive letter"));
        assert!(format!("/{rest}").starts_with(flags), "{fixture}: {command}");
        let has_b = ways.iter().any(|way| way["way"] == "b");
        assert_eq!(has_b, fixture == "hardlink-one", "{fixture}");
        if has_b {
            assert_eq!(ways[1]["tried"], "unknown");
            let only = lifeboat(&["loadstate", text(&set), "--way", "b"]).expect(0);
            assert!(only.stdout.contains("UNTESTED"), "{}", only.stdout);
            assert!(!only.stdout.contains("/hardlink /"), "{}", only.stdout);
        } else {
            lifeboat(&["loadstate", text(&set), "--way", "b"]).expect(2);
        }
    }
}

#[test]
fn a_restored_store_gets_the_command_of_its_set() {
    let dir = TempDir::new().unwrap();
    let set = set_of("hardlink-two", &dir.path().join("sets"));
    let to = dir.path().join("to");
    let (c, d) = (to.join("C"), to.join("D"));
    for root in [&c, &d] {
        fs::create_dir_all(root).unwrap();
    }
    let args = ["restore", text(&set), "--to", text(&to)];
    assert!([0, 3].contains(&lifeboat(&args).code));
    let way = |args: &[&str]| lifeboat(args).expect(0).events("loadstate")[0].clone();
    let of_set = way(&["loadstate", text(&set), "--json"]);
    let of_store = way(&["loadstate", text(&c), text(&d), "--json"]);
    assert_eq!(of_set["kind"], of_store["kind"]);
    assert_eq!(of_set["when"], of_store["when"]);
    let empty = dir.path().join("empty");
    fs::create_dir(&empty).unwrap();
    lifeboat(&["loadstate", text(&empty)]).expect(4);
}

#[test]
fn options_become_arguments_and_bad_ones_are_refused() {
    let dir = TempDir::new().unwrap();
    let set = set_of("compressed", &dir.path().join("compressed"));
    let args = ["loadstate", text(&set), "--i", "own rules.xml", "--keyfile", "D:\\key.txt"];
    let args = [&args[..], &["--decrypt", "AES_256", "-q"]].concat();
    let run = lifeboat(&args).expect(0);
    let wanted = "\"/i:own rules.xml\" /decrypt:AES_256 /keyfile:D:\\key.txt /c /lac /v:5";
    assert!(run.stdout.contains(wanted), "{}", run.stdout);
    assert!(!run.stdout.contains("migdocs"), "{}", run.stdout);
    lifeboat(&["loadstate", text(&set), "--decrypt", "AES_256"]).expect(2);
    lifeboat(&["loadstate", text(&set), "--i", "100%.xml"]).expect(2);
    let plain = set_of("uncompressed", &dir.path().join("uncompressed"));
    lifeboat(&["loadstate", text(&plain), "--keyfile", "D:\\key.txt"]).expect(2);
}

#[test]
fn linux_does_not_run_it_and_says_what_to_do() {
    let dir = TempDir::new().unwrap();
    let set = set_of("hardlink-one", dir.path());
    let run = lifeboat(&["loadstate", text(&set), "--run"]).expect(2);
    assert!(run.stdout.contains("loadstate C:\\"), "the command is shown: {}", run.stdout);
    assert_eq!(run.stderr.lines().count(), 2, "{}", run.stderr);
    assert!(run.stderr.contains("--write"), "{}", run.stderr);
}

#[test]
fn a_script_is_written_once() {
    let dir = TempDir::new().unwrap();
    let set = set_of("hardlink-one", &dir.path().join("sets"));
    let file = dir.path().join("migrate.cmd");
    let args = ["loadstate", text(&set), "--write", text(&file), "--usmt", "E:\\my tools"];
    lifeboat(&args).expect(0);
    let script = fs::read_to_string(&file).unwrap();
    assert!(script.contains("\r\nset \"USMT=E:\\my tools\"\r\n"), "{script}");
    assert!(script.contains("\"%LOADSTATE%\" C:\\"), "{script}");
    assert!(!script.contains('@') || script.starts_with("@echo off"), "{script}");
    lifeboat(&args).expect(1);
    assert_eq!(fs::read_to_string(&file).unwrap(), script);
}

/// The table in the code and the protocol in the documents are the same ones.
#[test]
fn every_open_question_has_its_protocol() {
    let page = include_str!("../../docs/guide/windows.md");
    for question in QUESTIONS {
        assert!(page.contains(&format!("\n### {}: ", question.id)), "{}", question.id);
    }
    assert_eq!(page.matches("\n### ").count(), QUESTIONS.len());
}

/// What a Wine test needs: the exe, a program that stands in for Microsoft's,
/// and a store at `C:\...` of Wine's own drive.
struct Stage {
    wine: Wine,
    exe: PathBuf,
    dir: TempDir,
    usmt: PathBuf,
    store: PathBuf,
}

fn stage() -> Option<Stage> {
    stage_with("uncompressed")
}

fn stage_with(fixture: &str) -> Option<Stage> {
    stage_in(fixture, TempDir::new().unwrap())
}

fn stage_in(fixture: &str, dir: TempDir) -> Option<Stage> {
    let exe = need!("lifeboat.exe", exe::find);
    let gcc = need!("mingw", require::mingw);
    let wine = need!("wine", wine::find);
    let usmt = dir.path().join("usmt");
    fs::create_dir(&usmt).unwrap();
    let source = support::root().join("tests/windows/loadstate.c");
    let mut compiler = Command::new(gcc);
    compiler.args(["-O1", "-s", "-o"]).arg(usmt.join("loadstate.exe")).arg(source);
    assert!(compiler.status().unwrap().success());
    for xml in ["migdocs.xml", "migapp.xml"] {
        fs::write(usmt.join(xml), "<migration/>").unwrap();
    }
    let set = set_of(fixture, &dir.path().join("sets"));
    let to = dir.path().join("to");
    assert!([0, 3].contains(&lifeboat(&["restore", text(&set), "--to", text(&to)]).code));
    let store = find_usmt(&to).unwrap();
    Some(Stage { wine, exe, dir, usmt, store })
}

/// The folder above `USMT`.
fn find_usmt(below: &Path) -> Option<PathBuf> {
    let all = walkdir::WalkDir::new(below).into_iter().filter_map(Result::ok);
    let usmt = all.into_iter().find(|entry| entry.file_name() == "USMT")?;
    usmt.path().parent().map(Path::to_owned)
}

impl Stage {
    fn run(&self, code: i32, more: &[&str]) -> Ran {
        fs::write(self.usmt.join("code.txt"), code.to_string()).unwrap();
        let (store, usmt) = (Wine::path(&self.store), Wine::path(&self.usmt));
        let args = ["loadstate", store.as_str(), "--run", "--usmt", usmt.as_str()];
        self.wine.run(&self.exe, &[&args[..], more].concat())
    }

    fn arguments(&self) -> Vec<String> {
        let text = fs::read_to_string(self.usmt.join("arguments.txt")).unwrap();
        text.lines().map(str::to_owned).collect()
    }
}

#[test]
fn it_is_run_with_the_right_arguments_and_followed() {
    let stage = need!(stage());
    let ran = stage.run(0, &["--json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let usmt = Wine::path(&stage.usmt);
    let arguments = stage.arguments();
    assert_eq!(arguments[0], Wine::path(&stage.store));
    assert_eq!(arguments[1], "/nocompress");
    assert_eq!(arguments[2], format!("/i:{usmt}\\migdocs.xml"));
    assert_eq!(arguments[3], format!("/i:{usmt}\\migapp.xml"));
    assert_eq!(arguments[4..7], ["/c", "/lac", "/v:5"]);
    assert!(arguments[7].starts_with("/l:") && arguments[8].starts_with("/progress:"));
    assert_eq!(arguments.len(), 9);
    let percents: Vec<_> = ran.stdout.lines().filter(|line| line.contains("\"percent\"")).collect();
    assert!(percents.iter().any(|line| line.contains("\"percent\":40")), "{ran:?}");
    assert!(percents.last().unwrap().contains("\"percent\":100"), "{ran:?}");
    let end = ran.stdout.lines().find(|line| line.contains("\"loadstate-end\"")).unwrap();
    assert!(end.contains("\"code\":0") && end.contains("Everything was restored"), "{end}");
}

/// Another store may stand at the path that it would have on the drive.
#[test]
fn a_store_in_a_folder_that_is_a_volume_of_its_own_is_named_in_full() {
    for above in [Path::new("/dev/shm"), &std::env::temp_dir()] {
        let dir = TempDir::new_in(above).unwrap();
        let stage = need!(stage_in("uncompressed", dir));
        fs::write(stage.usmt.join("code.txt"), "0").unwrap();
        let to = Wine::path(&stage.dir.path().join("to"));
        let usmt = Wine::path(&stage.usmt);
        let args = ["loadstate", &to, "--run", "--usmt", &usmt];
        let ran = stage.wine.run(&stage.exe, &args);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert_eq!(stage.arguments()[0], Wine::path(&stage.store), "below {}", above.display());
    }
}

#[test]
fn its_return_codes_are_explained_in_words() {
    let stage = need!(stage());
    fs::write(stage.usmt.join("utf16.txt"), "").unwrap();
    for (code, exit, words) in [
        (3, 3, "ignored some errors because of /c"),
        (2, 6, "stopped before it finished"),
        (27, 1, "not recognized"),
        (36, 1, "Start Windows (not WinPE)"),
        (4711, 1, "does not document"),
    ] {
        let ran = stage.run(code, &[]);
        assert_eq!(ran.code, exit, "{ran:?}");
        assert!(ran.stderr.contains(words), "{ran:?}");
        assert!(ran.stderr.contains(&format!("return code {code}:")), "{ran:?}");
        assert!(ran.stderr.contains("UnableToApply: C:\\Users\\alice\\a, b.txt"), "{ran:?}");
        assert!(ran.stderr.contains("the last line on the screen"), "{ran:?}");
    }
}

/// The key that opens the store: in the file that is named, in scanstate's log beside
/// the store, and in what loadstate says of itself.
#[test]
fn the_key_stands_on_no_screen_and_in_no_log() {
    let stage = need!(stage_with("compressed"));
    let secret = "Schluessel4711";
    let key = stage.dir.path().join("key.txt");
    fs::write(&key, secret).unwrap();
    let said = format!("loadstate.exe C:\\StateStore /decrypt /key:{secret} /c");
    fs::write(stage.usmt.join("said.txt"), &said).unwrap();
    let scanstate = said.replace("loadstate.exe", "Command line: scanstate.exe");
    let line = format!("2023-11-14 15:02:11, Info  [0x000000] {scanstate}\r\n");
    fs::write(stage.store.join("scanstate.log"), line).unwrap();
    let (key, log) = (Wine::path(&key), stage.dir.path().join("log"));
    let more = ["--keyfile", &key, "--decrypt", "AES_256", "--verbose", "--log", &Wine::path(&log)];
    for json in [&["--json"][..], &[]] {
        for (code, exit) in [(0, 0), (27, 1)] {
            let ran = stage.run(code, &[&more[..], json].concat());
            assert_eq!(ran.code, exit, "{ran:?}");
            assert!(!ran.stdout.contains(secret) && !ran.stderr.contains(secret), "{ran:?}");
            assert!(code == 0 || format!("{ran:?}").contains("/key:*** /c"), "{ran:?}");
        }
    }
    let arguments = stage.arguments();
    assert!(arguments.contains(&format!("/keyfile:{key}")), "{arguments:?}");
    assert!(!arguments.iter().any(|argument| argument.contains(secret)), "{arguments:?}");
    let log = fs::read_to_string(&log).unwrap();
    assert!(log.contains("return code 27") && !log.contains(secret), "{log}");
}

#[test]
fn it_is_not_run_where_it_cannot_work() {
    let stage = need!(stage());
    let empty = stage.dir.path().join("empty");
    fs::create_dir(&empty).unwrap();
    // No loadstate.exe there.
    let ran = stage.run(0, &["--usmt", &Wine::path(&empty)]);
    assert_eq!(ran.code, 2, "twice is a wrong command line: {ran:?}");
    let store = Wine::path(&stage.store);
    let ran =
        stage.wine.run(&stage.exe, &["loadstate", &store, "--run", "--usmt", &Wine::path(&empty)]);
    assert!(ran.code == 1 && ran.stderr.contains("ADK"), "{ran:?}");
    // An XML file that is not there.
    let ran = stage.run(0, &["--i", "nowhere.xml"]);
    assert!(ran.code == 2 && ran.stderr.contains("nowhere.xml"), "{ran:?}");
    // A restore that has not ended.
    let marker = stage.store.parent().unwrap().join(lifeboat::restore::MARKER);
    fs::write(&marker, "set x").unwrap();
    let ran = stage.run(0, &[]);
    assert!(ran.code == 1 && ran.stderr.contains("is not complete"), "{ran:?}");
    assert!(!stage.usmt.join("arguments.txt").exists(), "nothing of this was run");
}
