//! The guided rescue, in a real terminal, by real keys: from the first page to
//! the last, over real images, to a folder and to a real Samba server.
//!
//! Screens are compared with `tests/golden/`; `tests/common/golden.rs` says what
//! is left out of the comparison, and how to write them anew.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic)] // a helper that fails is a failed test

#[path = "common/golden.rs"]
mod golden;
#[path = "common/lifeboat.rs"]
mod program;
#[path = "common/require.rs"]
mod require;
#[cfg(feature = "smb")]
#[path = "common/smbd.rs"]
mod smbd;
#[path = "common/tmux.rs"]
mod tmux;

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use lifeboat_maker::mount::{Mount, MountOptions};
use lifeboat_maker::volume::VolumeSpec;
use program::{Guarded, lifeboat};
use tempfile::TempDir;
use tmux::Tmux;

/// A terminal whose shell stands in a scratch folder with a fixture in it, the
/// fixture as `disk.img`.
struct Desk {
    terminal: Tmux,
    /// Looked at once more before the folder goes.
    image: Option<Guarded>,
    folder: TempDir,
}

impl Desk {
    fn new(fixture: &str) -> Option<Self> {
        Self::cut(fixture, None)
    }

    /// The same with the image cut off, as a disk that ends too early.
    fn cut(fixture: &str, bytes: Option<u64>) -> Option<Self> {
        let folder = TempDir::new().unwrap();
        let image = folder.path().join("disk.img");
        fs::copy(lifeboat_maker::fixture(fixture).unwrap(), &image).unwrap();
        if let Some(bytes) = bytes {
            File::options().write(true).open(&image).unwrap().set_len(bytes).unwrap();
        }
        Self::with(folder, Some(Guarded::new(image)))
    }

    fn with(folder: TempDir, image: Option<Guarded>) -> Option<Self> {
        let program = [("PROGRAM", env!("CARGO_BIN_EXE_lifeboat"))];
        let terminal = Tmux::start(folder.path(), &program)?;
        Some(Self { terminal, image, folder })
    }

    /// Starts it, between two looks at the terminal's settings.
    fn start(&self, args: &str) {
        self.start_with("", args);
    }

    /// The same with variables of its own.
    fn start_with(&self, variables: &str, args: &str) {
        self.terminal.run("clear; stty -a > before");
        self.terminal.run(&format!(
            "{variables} $PROGRAM {args}; echo \"ended: $?\"; stty -a > after; : > end"
        ));
    }

    /// It ended with this code, and the terminal is as it was.
    #[track_caller]
    fn ended(&self, code: i32) -> String {
        let screen = self.terminal.wait(&format!("exit code {code}"), |screen| {
            screen.lines().any(|line| line.starts_with("ended: "))
                && self.folder.path().join("end").exists()
        });
        assert!(screen.contains(&format!("\nended: {code}\n")), "{screen}");
        let read = |name: &str| fs::read_to_string(self.folder.path().join(name)).unwrap();
        assert_eq!(read("before"), read("after"));
        assert_eq!(self.terminal.knows("alternate_on"), "0", "the other screen is left");
        assert_eq!(self.terminal.knows("cursor_flag"), "1", "the cursor is there");
        fs::remove_file(self.folder.path().join("end")).unwrap();
        screen
    }

    /// From the stores to the pre-flight of `usb`, which has to pass.
    fn go_to_usb(&self) -> String {
        self.terminal.wait_for("2 of 5");
        self.terminal.press(&["Enter"]);
        self.terminal.wait_for("3 of 5");
        self.terminal.press(&["Enter"]);
        self.terminal.wait_for("SAVE NOW")
    }

    /// The sets in `usb`.
    fn sets(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.folder.path().join("usb")).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }
}

/// Every byte of the one set is good.
fn is_whole(set: &Path) {
    let run = lifeboat(&["verify", set.to_str().unwrap(), "--level", "full", "--json"]);
    assert_eq!(run.events("verdict")[0]["damage"], 0, "{}", run.stdout);
}

/// The characters that code page 437 has too.
fn shows_everywhere(screen: &str) {
    let drawn = "─█░";
    for c in screen.chars() {
        assert!(matches!(c, ' '..='~' | '\n') || drawn.contains(c), "{c:?} in\n{screen}");
    }
    assert!(screen.lines().count() <= 25 && screen.lines().all(|line| line.chars().count() <= 80));
}

#[test]
fn a_store_is_saved_by_keys_alone() {
    let Some(desk) = Desk::new("hardlink-two") else { return };
    desk.start("guide disk.img --to usb");
    let stores = desk.terminal.wait_for("2 of 5");
    golden::compare("stores.txt", &stores);
    shows_everywhere(&stores);
    desk.terminal.press(&["Enter"]);
    let form = desk.terminal.wait_for("3 of 5");
    golden::compare("form.txt", &form);
    desk.terminal.press(&["Enter"]);
    let ready = desk.terminal.wait_for("SAVE NOW");
    golden::compare("ready.txt", &ready);
    shows_everywhere(&ready);
    assert!(desk.sets().is_empty(), "the pre-flight leaves nothing behind");
    desk.terminal.press(&["Enter"]);
    let end = desk.terminal.wait_for("Next ");
    golden::compare("saved.txt", &end);
    desk.terminal.press(&["Enter"]);
    let after = desk.ended(0);
    assert!(after.contains("Saved: "), "what happened stays to be read:\n{after}");
    let sets = desk.sets();
    assert_eq!(sets.len(), 1, "{sets:?}");
    is_whole(&sets[0]);
    drop(desk.image); // was not written to
}

#[test]
fn plain_characters_are_enough() {
    for (name, env) in [
        ("the variable", "LIFEBOAT_ASCII=1"),
        ("a serial console", "TERM=vt220"),
        ("a locale without UTF-8", "LC_ALL=C"),
    ] {
        let Some(desk) = Desk::new("hardlink-one") else { return };
        desk.start_with(env, "guide disk.img --to usb");
        let screen = desk.terminal.wait_for("2 of 5");
        assert!(screen.is_ascii(), "{name}:\n{screen}");
        golden::compare("stores-ascii.txt", &screen);
        desk.terminal.press(&["Escape"]);
        golden::compare("leave-ascii.txt", &desk.terminal.wait_for("Leave?"));
        desk.terminal.press(&["l"]);
        desk.ended(6);
    }
}

#[test]
fn without_a_command_a_terminal_gets_the_guided_rescue() {
    let folder = TempDir::new().unwrap();
    let Some(desk) = Desk::with(folder, None) else { return };
    desk.start("");
    desk.terminal.wait_for("guided rescue");
    // It may have looked through this machine's own disks already.
    desk.terminal.press(&["Escape"]);
    desk.terminal.wait("the end", |screen| {
        if screen.contains("Leave?") {
            desk.terminal.press(&["l"]);
        }
        screen.lines().any(|line| line.starts_with("ended: "))
    });
    let screen = desk.terminal.screen();
    assert!(screen.contains("\nended: 6") || screen.contains("\nended: 4"), "{screen}");
}

#[test]
fn scripts_are_told_to_name_a_command() {
    for args in [&["guide"][..], &["guide", "--json"], &[]] {
        let run = lifeboat(args).expect(2);
        assert!(run.stdout.is_empty() || run.stdout.contains("\"error\""), "{}", run.stdout);
    }
}

#[test]
fn where_nothing_is_it_says_what_to_do() {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("empty")).unwrap();
    let Some(desk) = Desk::with(folder, None) else { return };
    desk.start("guide empty");
    golden::compare("nothing.txt", &desk.terminal.wait_for("NO STORE FOUND"));
    desk.terminal.press(&["Escape"]);
    desk.ended(4);
}

#[test]
fn a_part_that_is_missing_is_said_on_every_page() {
    let Some(desk) = Desk::new("primary-alone") else { return };
    desk.start("guide disk.img --to usb");
    let stores = desk.terminal.wait_for("2 of 5");
    assert!(stores.contains("MISSING"), "{stores}");
    assert!(desk.go_to_usb().contains("SAVE NOW"));
    desk.terminal.press(&["Enter"]);
    let end = desk.terminal.wait_for("Next ");
    assert!(end.contains("SAVED WITH LOSSES") && end.contains("MISSING"), "{end}");
    golden::compare("part-missing.txt", &end);
    desk.terminal.press(&["Enter"]);
    desk.ended(3);
}

#[test]
fn losses_are_listed_and_scroll() {
    // What lies behind the cut cannot be read.
    let Some(desk) = Desk::cut("facts", Some(5 << 20)) else { return };
    desk.start("guide disk.img --to usb");
    let stores = desk.terminal.wait_for("2 of 5");
    golden::compare("stores-damaged.txt", &stores);
    assert!(stores.contains("WARNING"), "{stores}");
    desk.go_to_usb();
    desk.terminal.press(&["Enter"]);
    let end = desk.terminal.wait_for("Next ");
    golden::compare("losses.txt", &end);
    assert!(end.contains("SAVED WITH LOSSES") && end.contains("Losses      1 to "), "{end}");
    desk.terminal.press(&["End"]);
    let last = desk.terminal.wait("the last loss", |screen| screen != end);
    golden::compare("losses-end.txt", &last);
    desk.terminal.press(&["Enter"]);
    desk.ended(3);
}

/// A desk whose image has a store that takes seconds to save at level 19: text
/// of random letters. `None` where no volume can be made.
fn desk_with_slow_store(bytes: usize) -> Option<Desk> {
    require::require("fuse", || lifeboat_maker::is_available().ok())?;
    let folder = TempDir::new().unwrap();
    let image = folder.path().join("disk.img");
    VolumeSpec::new("Windows", 160 << 20).format(&image).unwrap();
    let mount = Mount::new(&image, MountOptions::default()).unwrap();
    let usmt = mount.path().join("StateStore/USMT");
    let home = usmt.join("File/C$/Users/alice");
    fs::create_dir_all(&home).unwrap();
    let guid = "C\t{5d1b5e49-2d5c-4a2e-9a57-3a0c4d1f7e10}\r\n";
    for (name, text) in [
        ("hardlink.main", guid),
        ("catalog.mig", "catalog"),
        ("MIGSTATE.DAT", "state"),
        ("status.~lg", ""),
    ] {
        fs::write(usmt.join(name), text).unwrap();
    }
    for number in 0..4 {
        let mut seed = 0x9E37_79B9_7F4A_7C15_u64 + number;
        let mut letter = || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            b"etaoin shrdlucm\n"[(seed >> 60) as usize]
        };
        let text: Vec<u8> = (0..bytes / 4).map(|_| letter()).collect();
        fs::write(home.join(format!("video-{number}.mkv")), text).unwrap();
    }
    mount.unmount().unwrap();
    Desk::with(folder, None)
}

/// The page of a running rescue, once it has come some way.
fn under_way(desk: &Desk) -> String {
    desk.terminal.wait("a rescue under way", |screen| {
        let all = screen.lines().find(|line| line.trim_start().starts_with("All "));
        let percent = all.and_then(|line| line.split('%').next()?.split_whitespace().last());
        percent.and_then(|n| n.parse::<u32>().ok()).is_some_and(|n| (2..60).contains(&n))
            && screen.contains("video-")
    })
}

#[test]
#[ignore = "needs a rescue that takes seconds on any machine: by hand, --run-ignored all"]
fn stopped_and_started_again_it_goes_on() {
    let Some(desk) = desk_with_slow_store(48 << 20) else { return };
    desk.start("guide disk.img --to usb --level 9");
    desk.go_to_usb();
    desk.terminal.press(&["Enter"]);
    let live = under_way(&desk);
    golden::compare("live.txt", &golden::without_numbers(&live));
    desk.terminal.press(&["Escape"]);
    desk.terminal.wait_for("Stop saving?");
    desk.terminal.press(&["s"]);
    let end = desk.terminal.wait_for("STOPPED");
    assert!(end.contains("Try again"), "{end}");
    desk.terminal.press(&["Enter"]);
    desk.ended(6);
    let sets = desk.sets();
    assert_eq!(sets.len(), 1, "{sets:?}");
    assert!(sets[0].to_str().unwrap().ends_with(".partial"), "{sets:?}");

    desk.start("guide disk.img --to usb --log log");
    let ready = desk.go_to_usb();
    assert!(ready.contains("unfinished"), "{ready}");
    desk.terminal.press(&["Enter"]);
    let end = desk.terminal.wait_for("Next ");
    assert!(end.contains("SAVED"), "{end}");
    desk.terminal.press(&["Enter"]);
    desk.ended(0);
    let sets = desk.sets();
    assert_eq!(sets.len(), 1, "{sets:?}");
    is_whole(&sets[0]);
    let log = fs::read_to_string(desk.folder.path().join("log")).unwrap();
    assert!(log.contains("going on with"), "{log}");
}

#[test]
#[ignore = "needs a rescue that takes seconds on any machine: by hand, --run-ignored all"]
fn resizing_and_signals_leave_a_sane_terminal() {
    let Some(desk) = desk_with_slow_store(96 << 20) else { return };
    desk.start("guide disk.img --to usb --level 9");
    desk.go_to_usb();
    desk.terminal.press(&["Enter"]);
    under_way(&desk);
    for (columns, lines) in [(132, 43), (60, 16), (79, 24)] {
        desk.terminal.resize(columns, lines);
        let screen = desk.terminal.wait("the page in its new size", |screen| {
            let rule = screen.lines().nth(1).unwrap_or_default().trim_end();
            screen.contains("5 of 5") && rule.chars().count() == usize::from(columns)
        });
        assert!(screen.contains("All "), "{screen}");
    }
    desk.terminal.resize(40, 10);
    desk.terminal.wait_for("too small");
    desk.terminal.resize(80, 25);
    desk.terminal.wait_for("5 of 5");
    // The first asks, the second says yes.
    desk.terminal.press(&["C-c"]);
    desk.terminal.wait_for("Stop saving?");
    desk.terminal.press(&["C-c"]);
    desk.terminal.wait_for("STOPPED");
    desk.terminal.press(&["r"]);
    desk.terminal.wait_for("SAVE NOW");
    desk.terminal.press(&["Enter"]);
    desk.terminal.wait_for("Saving");
    // As when the system goes down.
    let pid = desk.terminal.knows("pane_pid");
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    let program = children.split_whitespace().next().unwrap();
    let killed = std::process::Command::new("kill").args(["-s", "TERM", program]).status();
    assert!(killed.unwrap().success());
    let after = desk.ended(6);
    assert!(after.contains("goes on where it stopped"), "{after}");
}

#[test]
#[cfg(feature = "smb")]
fn a_wrong_password_is_asked_for_again_and_never_shown_unasked() {
    let Some(server) = smbd::Smbd::start() else { return };
    let Some(desk) = Desk::new("hardlink-one") else { return };
    let share = server.url("rescue").replace("smb://technician@", "smb://");
    desk.start(&format!("guide disk.img --to '{share}' --user technician --log log"));
    desk.terminal.wait_for("2 of 5");
    desk.terminal.press(&["Enter"]);
    desk.terminal.wait_for("3 of 5");
    desk.terminal.press(&["Tab", "Tab"]);
    desk.terminal.write("hunter2-wrong");
    desk.terminal.wait_for("*************");
    desk.terminal.press(&["Enter"]);
    let refused = desk.terminal.wait_for("does not serve");
    assert!(refused.contains("password") && !refused.contains("hunter2"), "{refused}");
    desk.terminal.press(&["Enter"]);
    let form = desk.terminal.wait_for("> Password");
    assert!(!form.contains("hunter2"), "{form}");
    desk.terminal.press(&["F2"]);
    desk.terminal.wait_for("hunter2-wrong");
    for _ in 0..13 {
        desk.terminal.press(&["BSpace"]);
    }
    desk.terminal.press(&["F2"]);
    desk.terminal.write(server.password());
    desk.terminal.press(&["Enter"]);
    desk.terminal.wait_for("SAVE NOW");
    desk.terminal.press(&["Enter"]);
    desk.terminal.wait_for("Next ");
    desk.terminal.press(&["Enter"]);
    desk.ended(0);
    let sets: Vec<_> = fs::read_dir(server.share_path().join("rescue")).unwrap().collect();
    assert_eq!(sets.len(), 1, "{sets:?}");
    is_whole(&sets[0].as_ref().unwrap().path());
    let log = fs::read_to_string(desk.folder.path().join("log")).unwrap();
    assert!(log.contains("copy"), "{log}");
    assert!(!log.contains("hunter2") && !log.contains(server.password()), "{log}");
}

#[test]
fn a_place_that_does_not_serve_is_refused_with_what_to_do() {
    let Some(desk) = Desk::new("hardlink-one") else { return };
    File::create(desk.folder.path().join("file")).unwrap();
    desk.start("guide disk.img --to file/inside");
    desk.terminal.wait_for("2 of 5");
    desk.terminal.press(&["Enter"]);
    desk.terminal.wait_for("3 of 5");
    desk.terminal.press(&["Enter"]);
    golden::compare("refused.txt", &desk.terminal.wait_for("does not serve"));
    desk.terminal.press(&["Enter"]);
    desk.terminal.wait_for("3 of 5");
    desk.terminal.press(&["C-c"]);
    desk.terminal.wait_for("Leave?");
    desk.terminal.press(&["C-c"]);
    desk.ended(6);
}
