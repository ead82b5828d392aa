//! The scripts for task sequences and boot images do under Wine's `cmd` what their
//! heads say: find the program and the settings, save, hand the exit code on.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers fail tests so

#[path = "common/exe.rs"]
mod exe;
#[path = "common/lifeboat.rs"]
mod program;
#[path = "common/require.rs"]
mod require;
#[path = "common/wine.rs"]
mod wine;

use std::fs;
use std::path::{Path, PathBuf};

use program::Guarded;
use wine::{Letter, Ran, Wine};

/// The scripts and the program in a folder of a drive, as on a stick.
struct Stick {
    wine: Wine,
    dir: tempfile::TempDir,
    letter: char,
    _drive: Letter,
}

impl Stick {
    fn new(letter: char) -> Option<Self> {
        let exe = require::require("lifeboat.exe", exe::find)?;
        let wine = require::require("wine", wine::find)?;
        let dir = tempfile::tempdir().unwrap();
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/task-sequence");
        let tools = dir.path().join("my tools"); // a space, as in "Program Files"
        fs::create_dir(&tools).unwrap();
        for entry in fs::read_dir(scripts).unwrap() {
            let from = entry.unwrap().path();
            let text = fs::read_to_string(&from).unwrap().replace('\n', "\r\n");
            fs::write(tools.join(from.file_name().unwrap()), text).unwrap();
        }
        fs::copy(exe, tools.join("lifeboat.exe")).unwrap();
        let drive = wine.letter(letter, dir.path());
        Some(Self { wine, dir, letter, _drive: drive })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn run(&self, script: &str, args: &[&str], env: &[(&str, &str)]) -> Ran {
        let script = format!("{}:\\my tools\\{script}", self.letter);
        let all = [&["/c", &script], args].concat();
        self.wine.run_with(Path::new("cmd"), &all, env)
    }

    fn sets(&self, folder: &str) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(self.path(folder)) else { return Vec::new() };
        entries.map(|e| e.unwrap().path()).filter(|p| p.join("rescue.json").exists()).collect()
    }
}

#[test]
fn rescue_saves_where_the_settings_say_and_writes_a_log() {
    let Some(stick) = Stick::new('s') else { return };
    let image = Guarded::fixture("hardlink-one");
    let source = Wine::path(Path::new(image.arg()));
    fs::write(stick.path("my tools/lifeboat.toml"), "to = 'S:\\sets'\nname = 'FRONTDESK'\n")
        .unwrap();
    let logs = stick.path("logs");
    fs::create_dir(&logs).unwrap();

    let ran = stick.run("rescue.cmd", &[&source], &[("LOGS", "S:\\logs")]);
    assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
    let sets = stick.sets("sets");
    let name = sets[0].file_name().unwrap().to_str().unwrap();
    assert!(sets.len() == 1 && name.starts_with("FRONTDESK-"), "{sets:?}");
    let log = fs::read_to_string(logs.join("lifeboat-rescue.log")).unwrap();
    assert!(log.contains("<![LOG["), "{log}");
}

#[test]
fn rescue_hands_the_exit_code_on() {
    let Some(stick) = Stick::new('n') else { return };
    let image = Guarded::fixture("facts"); // holds what cannot be saved
    let source = Wine::path(Path::new(image.arg()));
    let ran = stick.run("rescue.cmd", &[&source], &[("LIFEBOAT_TO", "N:\\sets")]);
    assert_eq!(ran.code, 3, "{}\n{}", ran.stdout, ran.stderr);
    let ran = stick.run("rescue.cmd", &[&source], &[]);
    assert_eq!(ran.code, 2, "no destination: {}\n{}", ran.stdout, ran.stderr);
    let ran = stick.run("rescue.cmd", &[r"N:\missing.img"], &[("LIFEBOAT_TO", "N:\\sets")]);
    assert_eq!(ran.code, 1, "{}\n{}", ran.stdout, ran.stderr);
}

#[test]
fn a_stick_saves_onto_itself() {
    let Some(stick) = Stick::new('o') else { return };
    let image = Guarded::fixture("hardlink-one");
    let ran = stick.run("usb.cmd", &[&Wine::path(Path::new(image.arg()))], &[]);
    assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
    assert_eq!(stick.sets("Rescue").len(), 1);
}

#[test]
fn without_the_program_they_say_what_is_missing() {
    let Some(stick) = Stick::new('p') else { return };
    fs::remove_file(stick.path("my tools/lifeboat.exe")).unwrap();
    for script in ["rescue.cmd", "usb.cmd", "seal.cmd", "restore.cmd"] {
        let ran = stick.run(script, &[], &[]);
        assert_eq!(ran.code, 1, "{script}: {}\n{}", ran.stdout, ran.stderr);
        assert!(ran.stdout.contains("lifeboat.exe was not found"), "{script}: {}", ran.stdout);
    }
}

/// What it really does needs the ADK: `docs/windows.md` has the check by hand.
#[test]
fn the_boot_image_s_builder_names_each_step() {
    let Some(stick) = Stick::new('r') else { return };
    let kit = stick.path("kit/amd64/WinPE_OCs/en-us");
    fs::create_dir_all(&kit).unwrap();
    for package in ["WinPE-WMI", "WinPE-Scripting", "WinPE-SecureStartup"] {
        fs::write(kit.with_file_name(format!("{package}.cab")), "").unwrap();
        fs::write(kit.join(format!("{package}_en-us.cab")), "").unwrap();
    }
    let builder = Path::new(env!("CARGO_MANIFEST_DIR")).join("pe-build/build.cmd");
    let text = fs::read_to_string(builder).unwrap().replace('\n', "\r\n");
    fs::write(stick.path("my tools/build.cmd"), text).unwrap();
    let root = [("WinPERoot", r"R:\kit")];

    let ran = stick.run("build.cmd", &["amd64", r"R:\new", "/dryrun"], &root);
    assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
    let steps = [
        "copype amd64",
        "/Mount-Image",
        r"WinPE-WMI.cab",
        "WinPE-SecureStartup_en-us.cab",
        "/Set-ScratchSpace:512",
        r"Lifeboat\lifeboat.exe",
        "/Unmount-Image",
        "MakeWinPEMedia /ISO",
    ];
    let mut rest = ran.stdout.as_str();
    for step in steps {
        let at = rest.find(step).unwrap_or_else(|| panic!("{step} is missing:\n{}", ran.stdout));
        rest = &rest[at..];
    }
    assert!(!stick.path("new").exists() && !ran.stdout.contains("/UFD"), "{}", ran.stdout);

    for (args, code, why) in [
        (&["arm", r"R:\new"][..], 2, "build.cmd amd64"),
        (&["amd64", r"R:\new", "/settings"], 2, "build.cmd amd64"),
        (&["amd64", r"R:\kit", "/dryrun"], 1, "is there already"),
        (&["x86", r"R:\new", "/dryrun"], 1, "add-on"),
        (&["amd64", r"R:\new", "/exe", r"R:\no.exe"], 1, "there is no such file"),
    ] {
        let ran = stick.run("build.cmd", args, &root);
        assert_eq!(ran.code, code, "{args:?}: {}\n{}", ran.stdout, ran.stderr);
        assert!(ran.stdout.contains(why), "{args:?}: {}", ran.stdout);
    }
}
