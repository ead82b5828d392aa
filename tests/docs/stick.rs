//! `scripts/stick.sh` says what is wrong with what it is given, before it downloads or
//! writes anything. That the stick boots and rescues, `scripts/stick-test.sh` shows.
#![cfg(target_os = "linux")]

use std::fs;
use std::process::Command;

use support::{program, root};

#[test]
fn the_stick_s_maker_says_what_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("text"), "no program").unwrap();
    let (out, missing, text) = (path("stick.img"), path("missing"), path("text"));
    let (out, missing, text) = (out.as_str(), missing.as_str(), text.as_str());
    let no_folder = path("no folder/stick.img");
    let linux = program::path();
    for (args, why) in [
        (&[] as &[&str], "no result was named"),
        (&["stick.bin"], "neither .img nor .iso"),
        (&[out, "--nonsense"], "--nonsense is not an option"),
        (&[out, "--program"], "--program requires a value"),
        (&[out, out], "one result at a time"),
        (&[no_folder.as_str()], "there is no such folder"),
        (&[out, "--program", missing], "there is no such file"),
        (&[out, "--program", text], "not a program for 64-bit Linux"),
        (&[out, "--program", linux, "--settings", missing], "there is no such file"),
        (&[out, "--program", linux, "--add", text], "there is no such folder"),
        (&[out, "--program", linux, "--space", "-1"], "--space -1"),
        (&[out, "--program", linux, "--package", "a b"], "--package a b"),
        (&[out, "--program", linux, "--keyboard", "xx"], "there is no such layout"),
    ] {
        let done = Command::new(root().join("scripts/stick.sh")).args(args).output().unwrap();
        let said = String::from_utf8(done.stderr).unwrap();
        assert!(done.status.code() == Some(1) && said.contains(why), "{args:?}: {said}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "{args:?}");
    }
    let help = Command::new(root().join("scripts/stick.sh")).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    for option in ["--program", "--settings", "--add", "--keyboard", "--package", "--space"] {
        assert!(help.contains(option), "{help}");
    }
}
