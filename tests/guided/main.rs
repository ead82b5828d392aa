//! The guided rescue, in a real terminal, by real keys: from the first page to
//! the last, over real images, to a folder and to a real Samba server.
//!
//! Screens are compared with `tests/golden/`; `tests/support/src/golden.rs` says what
//! is left out of the comparison, and how to write them anew.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic)] // a helper that fails is a failed test

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use support::program::{Guarded, lifeboat};
#[cfg(feature = "smb")]
use support::relay;
#[cfg(feature = "smb")]
use support::smbd;
use support::tmux::Tmux;
use support::{golden, need};
use tempfile::TempDir;

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
        let program = [("PROGRAM", support::program::path())];
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

    /// The path of a file on the desk.
    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
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
    let is_option = |word: &str| {
        word.strip_prefix("--")
            .is_some_and(|name| name.starts_with(|c: char| c.is_ascii_lowercase()))
    };
    assert!(
        !screen.split(['(', ' ', '\n']).any(is_option),
        "nobody can give options here: {screen}"
    );
}

#[test]
fn a_store_is_saved_by_keys_alone() {
    let desk = need!(Desk::new("hardlink-two"));
    desk.start("guide disk.img --to usb");
    let stores = desk.terminal.wait_for("R Search again");
    golden::compare("stores.txt", &stores);
    shows_everywhere(&stores);
    desk.terminal.press(&["Enter"]);
    let form = desk.terminal.wait_for("Esc Back");
    golden::compare("form.txt", &form);
    desk.terminal.press(&["Enter"]);
    let ready = desk.terminal.wait_for("SAVE NOW");
    golden::compare("ready.txt", &ready);
    shows_everywhere(&ready);
    assert!(desk.sets().is_empty(), "the pre-flight leaves nothing behind");
    desk.terminal.press(&["Enter"]);
    let end = desk.terminal.wait_for("Enter Leave");
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
        ("an old serial console", "TERM=vt100"),
        ("a locale without UTF-8", "LC_ALL=C"),
    ] {
        let desk = need!(Desk::new("hardlink-one"));
        desk.start_with(env, "guide disk.img --to usb");
        let screen = desk.terminal.wait_for("R Search again");
        assert!(screen.is_ascii(), "{name}:\n{screen}");
        golden::compare("stores-ascii.txt", &screen);
        desk.terminal.press(&["Escape"]);
        golden::compare("leave-ascii.txt", &desk.terminal.wait_for("Leave?"));
        desk.terminal.press(&["l"]);
        desk.ended(6);
    }
}

#[test]
fn a_serial_console_without_a_size_has_the_usual_one() {
    let desk = need!(Desk::new("hardlink-one"));
    desk.terminal.run("stty rows 0 cols 0");
    desk.start_with("TERM=vt220", "guide disk.img --to usb");
    let screen = desk.terminal.wait_for("2 of 5");
    assert!(screen.is_ascii() && screen.contains("Enter Continue"), "{screen}");
    desk.terminal.press(&["C-c"]);
    desk.terminal.wait_for("Leave?");
    desk.terminal.press(&["C-c"]);
    desk.ended(6);
}

#[test]
fn without_a_command_a_terminal_gets_the_guided_rescue() {
    let folder = TempDir::new().unwrap();
    let desk = need!(Desk::with(folder, None));
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
fn without_a_terminal_a_command_is_required() {
    for args in [&["guide"][..], &["guide", "--json"], &[]] {
        let run = lifeboat(args).expect(2);
        assert!(run.stdout.is_empty() || run.stdout.contains("\"error\""), "{}", run.stdout);
    }
}

#[test]
fn where_nothing_is_it_says_what_to_do() {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("empty")).unwrap();
    let desk = need!(Desk::with(folder, None));
    desk.start("guide empty");
    golden::compare("nothing.txt", &desk.terminal.wait_for("NO STORE FOUND"));
    desk.terminal.press(&["Escape"]);
    desk.ended(4);
}

#[test]
fn a_missing_part_is_shown_on_every_page() {
    let desk = need!(Desk::new("primary-alone"));
    desk.start("guide disk.img --to usb");
    let stores = desk.terminal.wait_for("2 of 5");
    assert!(stores.contains("MISSING"), "{stores}");
    assert!(desk.go_to_usb().contains("SAVE NOW"));
    desk.terminal.press(&["Enter"]);
    let end = desk.terminal.wait_for("Enter Leave");
    assert!(end.contains("INCOMPLETE") && end.contains("MISSING"), "{end}");
    golden::compare("part-missing.txt", &end);
    desk.terminal.press(&["Enter"]);
    desk.ended(3);
}

#[test]
fn losses_are_listed_and_scroll() {
    // What lies behind the cut cannot be read.
    let desk = need!(Desk::cut("facts", Some(5 << 20)));
    desk.start("guide disk.img --to usb");
    let stores = desk.terminal.wait_for("R Search again");
    golden::compare("stores-damaged.txt", &stores);
    assert!(stores.contains("DAMAGE"), "{stores}");
    desk.go_to_usb();
    desk.terminal.press(&["Enter"]);
    let end = desk.terminal.wait_for("Enter Leave");
    golden::compare("losses.txt", &end);
    assert!(end.contains("SAVED WITH LOSSES") && end.contains("more below: PgDn"), "{end}");
    // A page by a page, to the last line.
    desk.terminal.press(&["PPage", "NPage"]);
    desk.terminal.wait("the next page", |screen| screen.contains("more above: PgUp"));
    desk.terminal.press(&["End"]);
    let last = desk.terminal.wait("the last line", |screen| {
        screen.contains("Restore  ") && !screen.contains("more below")
    });
    golden::compare("losses-end.txt", &last);
    desk.terminal.press(&["Enter"]);
    desk.ended(3);
}

/// A desk with a store and a share behind a network that can be slow.
#[cfg(feature = "smb")]
struct Slow {
    desk: Desk,
    network: relay::Relay,
    server: smbd::Smbd,
}

#[cfg(feature = "smb")]
impl Slow {
    /// With a store in a folder, of more bytes than any machine keeps in flight,
    /// that do not pack: saving it takes as long as the network wants.
    fn new() -> Option<Self> {
        const FILES: u64 = 4;
        const BYTES: usize = 40 << 20;
        let folder = TempDir::new().unwrap();
        let usmt = folder.path().join("disk/StateStore/USMT");
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
        for number in 0..FILES {
            let mut seed = 0x9E37_79B9_7F4A_7C15_u64 + number;
            let mut bytes = Vec::with_capacity(BYTES);
            while bytes.len() < BYTES {
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                bytes.extend_from_slice(&seed.to_le_bytes());
            }
            fs::write(home.join(format!("video-{number}.mkv")), bytes).unwrap();
        }
        Self::with(Desk::with(folder, None)?)
    }

    fn with(desk: Desk) -> Option<Self> {
        let server = smbd::Smbd::start()?;
        let network = relay::Relay::to(server.port());
        Some(Self { desk, network, server })
    }

    /// Starts it, and goes to where it is about to save.
    fn start(&self, source: &str, more: &str) -> String {
        let url = format!("smb://{}@127.0.0.1:{}/share", self.server.user(), self.network.port());
        let password = format!("LIFEBOAT_PASSWORD='{}'", self.server.password());
        self.desk.start_with(&password, &format!("guide {source} --to {url} --level 1 {more}"));
        self.desk.go_to_usb()
    }

    /// The page of a running rescue, once it has come some way.
    fn under_way(&self, bytes_per_second: u64) -> String {
        self.network.slow_down(bytes_per_second);
        self.desk.terminal.press(&["Enter"]);
        self.desk.terminal.wait("a rescue under way", |screen| {
            percent(screen, "All ").is_some_and(|n| (1..70).contains(&n))
                && screen.contains("video-")
                && !screen.contains("...\n")
        })
    }

    fn sets(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.server.share_path()).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }
}

/// A live page without what the machine decides: numbers, the rate and the times
/// that come of it, the scratch folder's name.
#[cfg(feature = "smb")]
fn still(screen: &str) -> String {
    let plain = golden::without_numbers(screen);
    let lines = plain.lines().map(|line| {
        let line = line.split_once("% ").map_or_else(
            || line.to_owned(),
            |(start, end)| format!("{} #% {end}", start.trim_end_matches(['#', ' '])),
        );
        match line.get(..12) {
            Some(" Rate       ") => " Rate        RATE".to_owned(),
            Some(" Time left  ") => " Time left   TIME".to_owned(),
            Some(" File       ") => " File        PATH".to_owned(),
            _ if line.starts_with(" * Store") => " * Store # of # PATH".to_owned(),
            _ => line,
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// What stands before `%` on the line that begins so.
#[cfg(feature = "smb")]
fn percent(screen: &str, line: &str) -> Option<u32> {
    let line = screen.lines().find(|text| text.trim_start().starts_with(line))?;
    line.split('%').next()?.split_whitespace().last()?.parse().ok()
}

/// Bytes a second at which a rescue of [`Slow::new`] takes most of a minute.
#[cfg(feature = "smb")]
const SLOW: u64 = 4 << 20;

#[test]
#[cfg(feature = "smb")]
fn stopped_and_started_again_it_resumes() {
    let slow = need!(Slow::new());
    let terminal = &slow.desk.terminal;
    slow.start("disk", "");
    let live = slow.under_way(SLOW);
    let rate = live.lines().find(|line| line.starts_with(" Rate")).unwrap();
    assert!(rate.ends_with("iB/s"), "{rate}");
    assert_eq!(live.matches("Time left").count(), 1, "{live}");
    golden::compare("live.txt", &still(&live));
    // Beyond what a run that is resumed may have to repeat.
    slow.network.slow_down(4 * SLOW);
    terminal.wait("checkpoints", |screen| percent(screen, "All ").is_some_and(|n| n >= 68));
    terminal.press(&["Escape"]);
    terminal.wait_for("Stop saving?");
    terminal.press(&["s"]);
    slow.network.slow_down(0);
    let end = terminal.wait_for("STOPPED");
    assert!(end.contains("R Resume now") && end.contains("MiB of 160.0 MiB are saved."), "{end}");
    terminal.press(&["Enter"]);
    slow.desk.ended(6);
    let sets = slow.sets();
    assert_eq!(sets.len(), 1, "{sets:?}");
    assert!(sets[0].to_str().unwrap().ends_with(".partial"), "{sets:?}");

    let ready = slow.start("disk", "--log log");
    assert!(ready.contains("unfinished") && ready.contains("MiB are"), "{ready}");
    assert!(!ready.contains("R Resume"), "Enter does it: {ready}");
    terminal.press(&["Enter"]);
    let end = terminal.wait_for("Enter Leave");
    assert!(end.contains("verified") || end.contains("Verified"), "{end}");
    terminal.press(&["Enter"]);
    slow.desk.ended(if end.contains("LOSSES") { 3 } else { 0 });
    let sets = slow.sets();
    assert_eq!(sets.len(), 1, "{sets:?}");
    is_whole(&sets[0]);
    let log = fs::read_to_string(slow.desk.folder.path().join("log")).unwrap();
    assert!(log.contains("resuming "), "{log}");
    assert!(!log.contains(slow.server.password()), "{log}");
}

#[test]
#[cfg(feature = "smb")]
fn a_pulled_cable_is_counted_and_waited_for() {
    let slow = need!(Slow::new());
    let terminal = &slow.desk.terminal;
    slow.start("disk", "");
    slow.under_way(SLOW);
    slow.network.cut(true);
    let waiting = terminal.wait("the wait", |screen| {
        let retries = screen.lines().find(|line| line.starts_with(" Retries"));
        screen.contains("WAITING") && retries.is_some_and(|line| !line.ends_with(" 0"))
    });
    assert!(waiting.contains("trying again"), "{waiting}");
    shows_everywhere(&waiting);
    slow.network.cut(false);
    slow.network.slow_down(0);
    terminal.wait("it to go on", |screen| !screen.contains("WAITING"));
    let end = terminal.wait_for("Enter Leave");
    assert!(end.contains("Verified"), "{end}");
    terminal.press(&["Enter"]);
    terminal.wait("the end", |screen| screen.lines().any(|line| line.starts_with("ended: ")));
    is_whole(&slow.sets()[0]);
}

#[test]
#[cfg(feature = "smb")]
fn losses_are_shown_while_it_runs() {
    // What lies behind the cut cannot be read.
    let desk = need!(Desk::cut("facts", Some(5 << 20)));
    let slow = need!(Slow::with(desk));
    slow.start("disk.img", "");
    // As good as still: the page stays until it was looked at.
    slow.network.slow_down(20 << 10);
    slow.desk.terminal.press(&["Enter"]);
    let live = slow.desk.terminal.wait("all files read", |screen| {
        let files = screen.lines().find_map(|line| line.trim().strip_prefix("Files "));
        let counts = files.and_then(|text| text.trim().split_once(" of "));
        counts.is_some_and(|(done, all)| done == all) && screen.contains("Last loss")
    });
    golden::compare("live-losses.txt", &still(&live));
    slow.network.slow_down(0);
    let end = slow.desk.terminal.wait_for("Enter Leave");
    assert!(end.contains("SAVED WITH LOSSES"), "{end}");
    slow.desk.terminal.press(&["Enter"]);
    slow.desk.ended(3);
}

#[test]
#[cfg(feature = "smb")]
fn resizing_and_signals_leave_a_sane_terminal() {
    let slow = need!(Slow::new());
    let terminal = &slow.desk.terminal;
    slow.start("disk", "");
    slow.under_way(SLOW);
    for (columns, lines) in [(132, 43), (60, 16), (79, 24)] {
        terminal.resize(columns, lines);
        let screen = terminal.wait("the page in its new size", |screen| {
            let rule = screen.lines().nth(1).unwrap_or_default().trim_end();
            screen.contains("5 of 5") && rule.chars().count() == usize::from(columns)
        });
        assert!(screen.contains("All "), "{screen}");
    }
    terminal.resize(40, 10);
    terminal.wait_for("too small");
    terminal.resize(80, 25);
    terminal.wait_for("5 of 5");
    // The first asks, the second says yes.
    terminal.press(&["C-c"]);
    terminal.wait_for("Stop saving?");
    terminal.press(&["C-c"]);
    slow.network.slow_down(0);
    terminal.wait_for("STOPPED");
    slow.network.slow_down(SLOW);
    // Without a further question.
    terminal.press(&["r"]);
    terminal.wait("a rescue that goes on", |screen| screen.contains("5 of 5"));
    // As when the system goes down.
    let pid = terminal.knows("pane_pid");
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    let program = children.split_whitespace().next().unwrap();
    let killed = std::process::Command::new("kill").args(["-s", "TERM", program]).status();
    assert!(killed.unwrap().success());
    slow.network.slow_down(0);
    let after = slow.desk.ended(6);
    assert!(after.contains("to resume"), "{after}");
}

#[test]
#[cfg(feature = "smb")]
fn a_wrong_password_is_asked_for_again_and_never_shown_unasked() {
    let server = need!(smbd::Smbd::start());
    let desk = need!(Desk::new("hardlink-one"));
    let share = server.url("rescue").replace("smb://technician@", "smb://");
    desk.start(&format!("guide disk.img --to '{share}' --user technician --log log"));
    desk.terminal.wait_for("2 of 5");
    desk.terminal.press(&["Enter"]);
    desk.terminal.wait_for("3 of 5");
    desk.terminal.press(&["Tab", "Tab"]);
    desk.terminal.write("hunter2-wrong");
    desk.terminal.wait_for("*************");
    desk.terminal.press(&["Enter"]);
    let refused = desk.terminal.wait_for("Can't save to");
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
    desk.terminal.wait_for("Enter Leave");
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
fn a_destination_that_cannot_be_used_is_refused_with_what_to_do() {
    let desk = need!(Desk::new("hardlink-one"));
    File::create(desk.folder.path().join("file")).unwrap();
    desk.start("guide disk.img --to file/inside");
    desk.terminal.wait_for("2 of 5");
    desk.terminal.press(&["Enter"]);
    desk.terminal.wait_for("3 of 5");
    desk.terminal.press(&["Enter"]);
    golden::compare("refused.txt", &desk.terminal.wait_for("Can't save to"));
    desk.terminal.press(&["Enter"]);
    desk.terminal.wait_for("3 of 5");
    desk.terminal.press(&["C-c"]);
    desk.terminal.wait_for("Leave?");
    desk.terminal.press(&["C-c"]);
    desk.ended(6);
}

/// A desk with a BitLocker volume that a TPM and a recovery key open.
fn locked_desk() -> Option<Desk> {
    use lifeboat_maker::bitlocker::{Cipher, Wrap, wrap};
    let folder = TempDir::new().unwrap();
    let plain = fs::read(lifeboat_maker::fixture("hardlink-one").unwrap()).unwrap();
    let made = wrap(&plain, &Wrap::new(Cipher::XtsAes128)).unwrap();
    let image = folder.path().join("disk.img");
    fs::write(&image, made.image).unwrap();
    Desk::with(folder, Some(Guarded::new(image)))
}

#[test]
fn a_locked_volume_is_unlocked_by_a_key_that_is_typed() {
    let desk = need!(locked_desk());
    desk.start("guide disk.img --to usb");
    let screen = desk.terminal.wait_for("NO VOLUME COULD BE READ");
    golden::compare("locked.txt", &screen);
    shows_everywhere(&screen);
    desk.terminal.press(&["k"]);
    desk.terminal.wait_for("Unlock a volume");
    // A mistyped group is said at once, a wrong key when it was tried.
    desk.terminal.press(&["235819"]);
    let screen = desk.terminal.wait_for("group 1 is mistyped");
    golden::compare("unlock.txt", &screen);
    shows_everywhere(&screen);
    desk.terminal.press(&["BSpace", "8", "Enter"]);
    desk.terminal.wait_for("8 groups of 6 digits");
    let wrong = "000011-000022-000033-000044-000055-000066-000077-000088";
    desk.terminal.press(&[wrong, "Enter"]);
    desk.terminal.wait_for("That key does not unlock this volume");
    desk.terminal.press(&[lifeboat_maker::bitlocker::RECOVERY, "Enter"]);
    desk.go_to_usb();
    desk.terminal.press(&["Enter"]);
    desk.terminal.wait_for("Enter Leave");
    desk.terminal.press(&["Enter"]);
    let after = desk.ended(0);
    assert!(!after.contains("235818"), "{after}");
    is_whole(&desk.sets()[0]);
    drop(desk.image); // was not written to
}

#[test]
fn without_a_store_the_users_folders_are_saved() {
    let desk = need!(Desk::new("users"));
    desk.start("guide disk.img --to usb");
    // The last thing that is drawn.
    let screen = desk.terminal.wait_for("R Search again");
    golden::compare("users.txt", &screen);
    shows_everywhere(&screen);
    // Dora's folder is gone: that is said, and what is saved is not all there was.
    desk.terminal.press(&["Down"]);
    desk.terminal.wait_for("the folder is gone");
    desk.terminal.press(&["Home"]);
    desk.go_to_usb();
    desk.terminal.press(&["Enter"]);
    let end = desk.terminal.wait_for("Enter Leave");
    golden::compare("users-saved.txt", &end);
    shows_everywhere(&end);
    desk.terminal.press(&["Enter"]);
    desk.ended(3);
    let sets = desk.sets();
    assert_eq!(sets.len(), 2, "one for each Windows: {sets:?}");
    for set in &sets {
        is_whole(set);
    }
    drop(desk.image); // was not written to
}

#[test]
fn users_that_are_not_wanted_leave_nothing_to_save() {
    let desk = need!(Desk::new("users"));
    desk.start("guide disk.img --to usb");
    desk.terminal.wait_for("Choose users");
    desk.terminal.press(&["Escape"]);
    desk.terminal.wait_for("Leave?");
    desk.terminal.press(&["l"]);
    desk.ended(4); // there is no store
}

/// A desk with a store of which the wipe has deleted some files.
fn wiped_desk() -> Option<Desk> {
    use lifeboat_maker::mount::{Mount, MountOptions};
    need!("fuse");
    let folder = TempDir::new().unwrap();
    let image = folder.path().join("disk.img");
    lifeboat_maker::volume::VolumeSpec::new("Wiped", 16 << 20).format(&image).unwrap();
    let mount = Mount::new(&image, MountOptions::default()).unwrap();
    let usmt = mount.path().join("StateStore/USMT");
    let documents = usmt.join("File/C$/Users/alice");
    fs::create_dir_all(&documents).unwrap();
    for (name, text) in [
        ("hardlink.main", "C\t{5d1b5e49-2d5c-4a2e-9a57-3a0c4d1f7e10}\r\n"),
        ("catalog.mig", "catalog"),
        ("MIGSTATE.DAT", "state"),
        ("status.~lg", ""),
    ] {
        fs::write(usmt.join(name), text).unwrap();
    }
    for number in 0..30 {
        fs::write(documents.join(format!("{number:02}.txt")), vec![b'x'; 5000]).unwrap();
    }
    mount.unmount().unwrap();
    let mount = Mount::new(&image, MountOptions::default()).unwrap();
    for number in 5..17 {
        let file = format!("StateStore/USMT/File/C$/Users/alice/{number:02}.txt");
        fs::remove_file(mount.path().join(file)).unwrap();
    }
    mount.unmount().unwrap();
    Desk::with(folder, Some(Guarded::new(image)))
}

#[test]
fn deleted_files_are_recovered_unless_they_are_left_out() {
    for is_wanted in [true, false] {
        let desk = need!(wiped_desk());
        desk.start("guide disk.img --to usb");
        let ready = desk.go_to_usb();
        if is_wanted {
            golden::compare("ready-deleted.txt", &ready);
            shows_everywhere(&ready);
        } else {
            desk.terminal.press(&["d"]);
            let ready = desk.terminal.wait_for("recover: NO");
            golden::compare("ready-deleted-no.txt", &ready);
            shows_everywhere(&ready);
        }
        desk.terminal.press(&["Enter"]);
        let end = desk.terminal.wait_for("Enter Leave");
        if is_wanted {
            golden::compare("saved-deleted.txt", &end);
            shows_everywhere(&end);
        }
        desk.terminal.press(&["Enter"]);
        desk.ended(3);
        let set = &desk.sets()[0];
        is_whole(set);
        let rescue = fs::read_to_string(set.join("rescue.json")).unwrap();
        assert_eq!(rescue.contains("\"recovered\""), is_wanted, "{rescue}");
        drop(desk.image); // was not written to
    }
}

/// A desk with a store in a folder: files that compress hard, so that a high level takes long.
fn hard_desk() -> Option<Desk> {
    let folder = TempDir::new().unwrap();
    let usmt = folder.path().join("disk/StateStore/USMT");
    let home = usmt.join("File/C$/Users/alice");
    fs::create_dir_all(&home).unwrap();
    for (name, text) in [
        ("hardlink.main", "C\t{5d1b5e49-2d5c-4a2e-9a57-3a0c4d1f7e10}\r\n"),
        ("catalog.mig", "catalog"),
        ("MIGSTATE.DAT", "state"),
        ("status.~lg", ""),
    ] {
        fs::write(usmt.join(name), text).unwrap();
    }
    let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
    let mut bytes = Vec::new();
    while bytes.len() < 192 << 20 {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        // Words of few letters: many short matches.
        bytes.extend(seed.to_le_bytes().map(|byte| b'a' + byte % 11));
    }
    fs::write(home.join("table.csv"), bytes).unwrap();
    Desk::with(folder, None)
}

#[test]
fn in_the_middle_of_a_hard_frame_it_lives_and_stops() {
    let desk = need!(hard_desk());
    let terminal = &desk.terminal;
    desk.start("guide disk --to usb --level 19");
    desk.go_to_usb();
    terminal.press(&["Enter"]);
    let seen = terminal.wait("compression", |screen| {
        screen.contains("[>] Saving") && !screen.contains("Rate        ...")
    });
    // Each second, something is different.
    let mut last = seen;
    for _ in 0..4 {
        std::thread::sleep(Duration::from_secs(1));
        let now = terminal.screen();
        let done = |screen: &str| {
            let saving = screen.lines().find(|line| line.contains("[>] Saving"));
            saving.map(|line| line.split("% ").nth(1).unwrap_or_default().to_owned())
        };
        assert_ne!(done(&now), done(&last), "{now}");
        last = now;
    }
    terminal.press(&["q"]);
    terminal.wait_for("Stop saving?");
    let since = Instant::now();
    terminal.press(&["s"]);
    let end = terminal.wait_for("STOPPED");
    assert!(since.elapsed() < Duration::from_secs(4), "{:?}", since.elapsed());
    assert!(end.contains("Press R to start again now."), "{end}");
    terminal.press(&["Enter"]);
    desk.ended(6);
}

#[test]
#[cfg(feature = "smb")]
fn a_server_that_does_not_answer_is_not_waited_for_when_it_stops() {
    let slow = need!(Slow::new());
    let terminal = &slow.desk.terminal;
    slow.start("disk", "");
    slow.under_way(SLOW);
    slow.server.freeze();
    terminal.press(&["Escape"]);
    terminal.wait_for("Stop saving?");
    let since = Instant::now();
    terminal.press(&["s"]);
    let end = terminal.wait_for("STOPPED");
    assert!(since.elapsed() < Duration::from_secs(4), "{:?}", since.elapsed());
    assert!(end.contains("not answered yet"), "{end}");
    terminal.press(&["r"]);
    terminal.wait_for("Wait, or leave.");
    slow.server.thaw();
    slow.network.slow_down(0);
    // When the job is over, it can be resumed here.
    terminal.wait("the end of the job", |screen| !screen.contains("not answered yet"));
    terminal.press(&["r"]);
    let end = terminal.wait_for("Verified");
    assert!(end.contains("Enter Leave"), "{end}");
    terminal.press(&["Enter"]);
    terminal.wait("the end", |screen| screen.lines().any(|line| line.starts_with("ended: ")));
    is_whole(&slow.sets()[0]);
}

#[test]
fn the_smallest_screen_shows_the_verdict_first_and_all_by_scrolling() {
    let desk = need!(Desk::new("primary-alone"));
    let terminal = &desk.terminal;
    terminal.resize(60, 16);
    desk.start("guide disk.img --to usb");
    for (page, key) in [("2 of 5", "Enter"), ("3 of 5", "Enter"), ("SAVE NOW", "Enter")] {
        let screen = terminal.wait_for(page);
        assert!(screen.contains("MISSING"), "{screen}");
        assert!(screen.lines().all(|line| line.chars().count() <= 60), "{screen}");
        terminal.press(&[key]);
    }
    let end = terminal.wait_for("Enter Leave");
    let at = |text: &str| end.find(text).unwrap_or_else(|| panic!("{text} in\n{end}"));
    assert!(at("INCOMPLETE") < at("Do not wipe this disk") && at("Do not") < at("MISSING"));
    assert!(end.contains("more below: PgDn"), "{end}");
    let mut all = end.split_whitespace().collect::<Vec<_>>().join(" ") + &end;
    for _ in 0..6 {
        terminal.press(&["NPage"]);
        std::thread::sleep(Duration::from_millis(400));
        let screen = terminal.screen();
        all += &(screen.split_whitespace().collect::<Vec<_>>().join(" ") + &screen);
    }
    for text in
        ["Losses      none", "Verified    yes", "report.html", "Restore  ", "more above: PgUp"]
    {
        assert!(all.contains(text), "{text} in\n{all}");
    }
    assert!(!terminal.screen().contains("more below"), "{}", terminal.screen());
    // In another size, too.
    terminal.resize(132, 43);
    terminal.wait("all of it", |screen| {
        screen.contains("Do not wipe") && screen.contains("Restore") && !screen.contains("more ")
    });
    terminal.resize(60, 16);
    terminal.wait_for("more ");
    terminal.press(&["Enter"]);
    let after = desk.ended(3);
    // The same words as after the command.
    let run = lifeboat(&["offload", &desk.path("disk.img"), "--to", &desk.path("other")]).expect(3);
    for text in ["INCOMPLETE", "Do not wipe this disk", "the part on drive D: was not found"] {
        assert!(run.stdout.contains(text), "{text} in {}", run.stdout);
        assert!(all.contains(text), "{text} in {all}");
    }
    for said in [&run.stdout, &after] {
        assert!(said.contains("  exit     code 3: incomplete"), "{said}");
    }
}

#[test]
fn a_set_has_the_name_and_the_passphrase_that_are_typed() {
    let desk = need!(Desk::new("hardlink-one"));
    let terminal = &desk.terminal;
    desk.start("guide disk.img --to usb --log log");
    let ready = desk.go_to_usb();
    assert!(ready.contains("encrypted   no"), "{ready}");
    terminal.press(&["n"]);
    terminal.wait_for("> Name");
    terminal.write("INC-4711");
    terminal.press(&["Tab"]);
    terminal.write("correct horse battery");
    terminal.press(&["Tab"]);
    terminal.write("correct horse");
    terminal.press(&["Enter"]);
    let differs = terminal.wait_for("The two passphrases differ.");
    golden::compare("naming.txt", &differs);
    shows_everywhere(&differs);
    assert!(!differs.contains("horse"), "{differs}");
    terminal.write(" battery");
    terminal.press(&["Enter"]);
    let ready = terminal.wait_for("with the passphrase that you typed");
    assert!(ready.contains("INC-4711, the time and an id"), "{ready}");
    terminal.press(&["Enter"]);
    terminal.wait_for("Enter Leave");
    terminal.press(&["Enter"]);
    desk.ended(0);
    let set = &desk.sets()[0];
    assert!(set.file_name().unwrap().to_str().unwrap().starts_with("INC-4711-"), "{set:?}");
    let file = desk.folder.path().join("passphrase");
    fs::write(&file, "correct horse battery").unwrap();
    let (set, file) = (set.to_str().unwrap(), file.to_str().unwrap());
    lifeboat(&["verify", set, "--level", "full", "--passphrase-file", file]).expect(0);
    let log = fs::read_to_string(desk.folder.path().join("log")).unwrap();
    assert!(!log.contains("horse"), "{log}");
}

#[test]
fn where_no_volume_can_be_read_it_does_not_say_that_there_is_no_store() {
    let desk = need!(locked_desk());
    desk.start("guide disk.img --to usb");
    let screen = desk.terminal.wait_for("NO VOLUME COULD BE READ");
    assert!(!screen.contains("NO STORE"), "{screen}");
    desk.terminal.press(&["Escape"]);
    desk.ended(7);
    let run = lifeboat(&["detect", &desk.path("disk.img")]).expect(7);
    assert!(run.stderr.contains("no volume could be read"), "{}", run.stderr);
}

#[test]
fn enter_that_cannot_go_on_says_why() {
    let desk = need!(Desk::new("hardlink-one"));
    desk.start("guide disk.img");
    desk.terminal.wait_for("2 of 5");
    desk.terminal.press(&["Space", "Enter"]);
    let screen = desk.terminal.wait_for("Press Space to select");
    shows_everywhere(&screen);
    desk.terminal.press(&["C-c"]);
    desk.terminal.wait_for("Leave?");
    desk.terminal.press(&["C-c"]);
    desk.ended(6);
}

/// A desk with a store in a folder: so many MiB that do not compress.
fn noise_desk(mib: usize) -> Option<Desk> {
    let folder = TempDir::new().unwrap();
    make_store(&folder.path().join("disk/StateStore/USMT"), mib);
    Desk::with(folder, None)
}

fn make_store(usmt: &Path, mib: usize) {
    let home = usmt.join("File/C$/Users/alice");
    fs::create_dir_all(&home).unwrap();
    for (name, text) in [
        ("hardlink.main", "C\t{5d1b5e49-2d5c-4a2e-9a57-3a0c4d1f7e10}\r\n"),
        ("catalog.mig", "catalog"),
        ("MIGSTATE.DAT", "state"),
        ("status.~lg", ""),
    ] {
        fs::write(usmt.join(name), text).unwrap();
    }
    let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
    let mut bytes = Vec::new();
    while bytes.len() < mib << 20 {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        bytes.extend_from_slice(&seed.to_le_bytes());
    }
    fs::write(home.join("video.mkv"), bytes).unwrap();
}

#[test]
fn a_disk_that_was_taken_off_does_not_get_its_set_on_what_is_below() {
    let stick = need!(support::mounted::Tmpfs::new());
    let desk = need!(noise_desk(40));
    let terminal = &desk.terminal;
    let below = stick.path().to_owned();
    let to = below.display().to_string();
    desk.start(&format!("guide disk --to {to} --allow-memory"));
    desk.go_to_usb();
    // As it is pulled out between two keys.
    drop(stick);
    fs::create_dir_all(&below).unwrap();
    terminal.press(&["Enter"]);
    let is_gone = "is gone, and something else is there now";
    let words = |screen: &str| screen.split_whitespace().collect::<Vec<_>>().join(" ");
    let end = terminal.wait("the end", |screen| screen.contains("FAILED"));
    assert!(words(&end).contains(is_gone), "{end}");
    terminal.press(&["r"]);
    let refused = terminal.wait_for("Can't save to");
    assert!(words(&refused).contains(is_gone), "{refused}");
    // Nor by the form.
    terminal.press(&["Enter"]);
    terminal.wait_for("> Destination");
    terminal.press(&["Enter"]);
    let refused = terminal.wait_for("Can't save to");
    assert!(words(&refused).contains(is_gone), "{refused}");
    shows_everywhere(&refused);
    assert_eq!(fs::read_dir(&below).unwrap().count(), 0);
    terminal.press(&["Enter"]);
    terminal.wait_for("> Destination");
    terminal.press(&["Escape"]);
    // The result is still there; another disk is another way out.
    terminal.wait_for("FAILED");
    terminal.press(&["d"]);
    terminal.wait("the destination", |screen| {
        screen.contains("Choose a destination") || screen.contains("> Destination")
    });
    terminal.press(&["C-c"]);
    terminal.wait_for("Not everything is saved");
    terminal.press(&["l"]);
    desk.ended(5);
    fs::remove_dir(&below).unwrap();
}

#[test]
fn a_destination_that_is_too_small_is_refused_before_it_saves() {
    let stick = need!(support::mounted::Tmpfs::new());
    let desk = need!(noise_desk(90));
    let terminal = &desk.terminal;
    desk.start(&format!("guide disk --to {} --allow-memory", stick.path().display()));
    for page in ["2 of 5", "3 of 5"] {
        terminal.wait_for(page);
        terminal.press(&["Enter"]);
    }
    let refused = terminal.wait_for("Can't save to");
    let words = refused.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("about 90.0 MiB are needed, but only 6"), "{refused}");
    assert_eq!(fs::read_dir(stick.path()).unwrap().count(), 0);
    // What compresses does fit, and that is said.
    terminal.press(&["C-c"]);
    terminal.wait_for("Leave?");
    terminal.press(&["C-c"]);
    desk.ended(6);
    let file = desk.folder.path().join("disk/StateStore/USMT/File/C$/Users/alice/video.mkv");
    fs::write(file, vec![b'a'; 90 << 20]).unwrap();
    desk.start(&format!("guide disk --to {} --allow-memory", stick.path().display()));
    let ready = desk.go_to_usb();
    assert!(ready.contains("[ok] space") && ready.contains("are needed, by a sample"), "{ready}");
    terminal.press(&["Enter"]);
    terminal.wait_for("Enter Leave");
    terminal.press(&["Enter"]);
    desk.ended(0);
}

#[test]
fn a_full_destination_leads_to_another_one() {
    let stick = need!(support::mounted::Tmpfs::new());
    let desk = need!(noise_desk(40));
    let terminal = &desk.terminal;
    desk.start(&format!("guide disk --to {} --allow-memory", stick.path().display()));
    desk.go_to_usb();
    // Something else takes the space.
    fs::write(stick.path().join("other"), vec![1; 50 << 20]).unwrap();
    terminal.press(&["Enter"]);
    let failed = terminal.wait_for("D Another destination");
    assert!(failed.contains("FAILED"), "{failed}");
    terminal.press(&["d"]);
    let screen = terminal.wait("the destination", |screen| {
        screen.contains("Another folder, or a share") || screen.contains("> Destination")
    });
    if !screen.contains("> Destination") {
        terminal.press(&["End", "Enter"]);
        terminal.wait_for("> Destination");
    }
    for _ in 0..stick.path().display().to_string().len() {
        terminal.press(&["BSpace"]);
    }
    // As a path is copied from elsewhere.
    terminal.write(&format!("\"{}\"", desk.path("usb")));
    terminal.press(&["Enter"]);
    terminal.wait_for("SAVE NOW");
    terminal.press(&["Enter"]);
    let end = terminal.wait_for("Enter Leave");
    assert!(end.contains("Re-image") && end.contains("/usb/"), "{end}");
    terminal.press(&["Enter"]);
    desk.ended(0);
    is_whole(&desk.sets()[0]);
}

#[test]
fn what_cannot_be_resumed_is_not_said_to_be() {
    let desk = need!(hard_desk());
    let terminal = &desk.terminal;
    desk.start("guide disk --to usb --level 19");
    desk.go_to_usb();
    terminal.press(&["Enter"]);
    terminal.wait("compression", |screen| {
        screen.contains("[>] Saving") && !screen.contains("Rate        ...")
    });
    terminal.press(&["q"]);
    let asked = terminal.wait_for("Stop saving?");
    assert!(asked.contains("Too little may be saved to resume from"), "{asked}");
    shows_everywhere(&asked);
    terminal.press(&["s"]);
    let end = terminal.wait_for("STOPPED");
    assert!(end.contains("Too little is saved to resume from"), "{end}");
    assert!(end.contains("R Start again") && !end.contains("Resume now"), "{end}");
    terminal.press(&["Enter"]);
    let after = desk.ended(6);
    assert!(after.contains("Too little is saved to resume from"), "{after}");
    assert!(!after.contains("to resume in"), "{after}");
    // Nor the next time. Other options make another set, and that the first one stays is said.
    desk.start("guide disk --to usb --level 1");
    let ready = desk.go_to_usb();
    assert!(ready.contains("[!!] unfinished") && !ready.contains("R Resume"), "{ready}");
    let words = ready.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("nothing in it can be resumed"), "{ready}");
    assert!(words.contains("you can delete this one"), "{ready}");
    terminal.press(&["C-c"]);
    terminal.wait_for("Leave?");
    terminal.press(&["C-c"]);
    desk.ended(6);
    // With the same ones, it is the same set.
    desk.start("guide disk --to usb --level 19");
    desk.go_to_usb();
    terminal.press(&["Enter"]);
    terminal.wait_for("[>] Saving");
    assert_eq!(desk.sets().len(), 1, "{:?}", desk.sets());
    terminal.press(&["q"]);
    terminal.wait_for("Stop saving?");
    terminal.press(&["s"]);
    terminal.wait_for("STOPPED");
    terminal.press(&["Enter"]);
    desk.ended(6);
}

#[test]
#[cfg(feature = "smb")]
fn the_smallest_screen_shows_what_it_waits_for_and_no_cut_amounts() {
    let slow = need!(Slow::new());
    let terminal = &slow.desk.terminal;
    terminal.resize(60, 16);
    slow.start("disk", "");
    slow.under_way(SLOW);
    slow.network.cut(true);
    let waiting = terminal
        .wait("the wait", |screen| screen.contains("WAITING") && !screen.contains("retries: 0"));
    assert!(waiting.contains("Losses ") && waiting.contains("All "), "{waiting}");
    let amounts = waiting.lines().filter(|line| line.contains("% "));
    for line in amounts {
        assert!(!line.contains("..."), "{waiting}");
        assert!(line.contains(" of ") && line.contains("MiB"), "{waiting}");
    }
    slow.network.cut(false);
    slow.network.slow_down(0);
    let end = terminal.wait_for("Enter Leave");
    assert!(end.contains("Re-image"), "{end}");
    terminal.press(&["Enter"]);
    slow.desk.ended(0);
}

#[test]
#[cfg(feature = "smb")]
fn a_share_without_a_user_asks_for_the_user() {
    let server = need!(smbd::Smbd::start());
    let desk = need!(Desk::new("hardlink-one"));
    let share = server.url("rescue").replace("smb://technician@", "smb://");
    desk.start(&format!("guide disk.img --to '{share}'"));
    desk.terminal.wait_for("2 of 5");
    desk.terminal.press(&["Enter"]);
    desk.terminal.wait_for("> Destination");
    desk.terminal.press(&["Enter"]);
    let form = desk.terminal.wait_for("Fill in User");
    assert!(form.contains("> User"), "{form}");
    shows_everywhere(&form);
    desk.terminal.write("technician");
    desk.terminal.press(&["Up"]);
    desk.terminal.wait_for("> Destination");
    desk.terminal.press(&["Down", "Down"]);
    desk.terminal.wait_for("> Password");
    desk.terminal.write(server.password());
    desk.terminal.press(&["Enter"]);
    desk.terminal.wait_for("SAVE NOW");
    desk.terminal.press(&["C-c"]);
    desk.terminal.wait_for("Leave?");
    desk.terminal.press(&["C-c"]);
    desk.ended(6);
}

#[test]
fn the_name_that_a_set_gets_is_the_one_that_is_shown() {
    let desk = need!(Desk::new("hardlink-one"));
    let terminal = &desk.terminal;
    desk.start("guide disk.img --to usb");
    desk.go_to_usb();
    terminal.press(&["n"]);
    terminal.wait_for("> Name");
    terminal.write("INC 4711/Müller, the third floor of the old building");
    terminal.press(&["Enter"]);
    let ready = terminal.wait_for("SAVE NOW");
    let name = "INC-4711-M-ller--the-third-floor-of-the";
    assert!(ready.contains(&format!("[!!] name        {name}, the time")), "{ready}");
    let words = ready.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("letters, digits and -, at most 40 characters"), "{ready}");
    terminal.press(&["Enter"]);
    terminal.wait_for("Enter Leave");
    terminal.press(&["Enter"]);
    desk.ended(0);
    let set = desk.sets()[0].file_name().unwrap().to_str().unwrap().to_owned();
    assert!(set.starts_with(&format!("{name}-20")), "{set}");
}

#[test]
fn what_was_mistyped_gets_advice_that_can_be_followed() {
    let desk = need!(Desk::new("hardlink-one"));
    let terminal = &desk.terminal;
    // The source where the destination belongs.
    desk.start("guide disk.img --to disk.img");
    for page in ["2 of 5", "3 of 5"] {
        terminal.wait_for(page);
        terminal.press(&["Enter"]);
    }
    let refused = terminal.wait_for("Can't save to");
    assert!(refused.contains("this is the source, which is never written to"), "{refused}");
    assert!(refused.contains("Enter a folder on another disk, or a share."), "{refused}");
    terminal.press(&["C-c"]);
    terminal.wait_for("Leave?");
    terminal.press(&["C-c"]);
    desk.ended(6);
    // A source that is not there.
    desk.start("guide nosuch.img");
    let nothing = terminal.wait_for("nosuch.img: not found");
    assert!(nothing.contains("Check the name.") && !nothing.contains("detect"), "{nothing}");
    terminal.press(&["Escape"]);
    let after = terminal.wait("the end", |screen| screen.contains("ended: "));
    assert!(after.contains("nosuch.img: not found"), "{after}");
    assert!(!after.contains("Nothing was saved"), "{after}");
}

#[test]
fn a_search_that_is_repeated_keeps_what_was_chosen() {
    let folder = TempDir::new().unwrap();
    for name in ["one", "two"] {
        make_store(&folder.path().join(name).join("StateStore/USMT"), 1);
    }
    let desk = need!(Desk::with(folder, None));
    let terminal = &desk.terminal;
    desk.start("guide one two --to usb");
    let is_marked = |screen: &str| screen.matches("[x]").count();
    let both = terminal.wait_for("R Search again");
    assert_eq!(is_marked(&both), 2, "{both}");
    terminal.press(&["Down", "Space"]);
    let one = terminal.wait("one choice", |screen| is_marked(screen) == 1);
    terminal.press(&["r"]);
    terminal.wait_for("Searching");
    let again = terminal.wait_for("R Search again");
    assert_eq!(again, one);
    terminal.press(&["C-c"]);
    terminal.wait_for("Leave?");
    terminal.press(&["C-c"]);
    desk.ended(6);
}

#[test]
fn pulled_out_in_the_middle_it_goes_on_on_the_same_disk_alone() {
    let memory = need!(support::mounted::Tmpfs::new());
    fs::create_dir(memory.path().join("stick")).unwrap();
    let stick = need!(memory.bind("stick"));
    let desk = need!(noise_desk(40));
    let terminal = &desk.terminal;
    let to = stick.path().display().to_string();
    let run = |program: &str, args: &[&str]| {
        assert!(std::process::Command::new(program).args(args).status().unwrap().success());
    };
    desk.start(&format!("guide disk --to {to} --level 19 --allow-memory"));
    desk.go_to_usb();
    terminal.press(&["Enter"]);
    terminal.wait_for("[>] Saving");
    run("umount", &["-l", &to]);
    let end = terminal.wait("the end", |screen| screen.contains("FAILED"));
    assert!(end.contains("R Try again"), "{end}");
    terminal.press(&["r"]);
    let refused = terminal.wait_for("Can't save to");
    assert!(refused.contains("is gone, and something else"), "{refused}");
    assert_eq!(fs::read_dir(&to).unwrap().count(), 0);
    // Connected again.
    run("mount", &["--bind", memory.path().join("stick").to_str().unwrap(), &to]);
    terminal.press(&["Enter"]);
    terminal.wait_for("> Destination");
    terminal.press(&["Enter"]);
    terminal.wait_for("SAVE NOW");
    terminal.press(&["Enter"]);
    let end = terminal.wait_for("Enter Leave");
    assert!(end.contains("Re-image"), "{end}");
    terminal.press(&["Enter"]);
    desk.ended(0);
    let sets: Vec<_> = fs::read_dir(&to).unwrap().collect();
    assert_eq!(sets.len(), 1, "{sets:?}");
    is_whole(&sets[0].as_ref().unwrap().path());
}
