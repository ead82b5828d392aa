//! The guided rescue of `lifeboat.exe` on Wine's console, in a real terminal, by
//! keys. That console takes no VT sequences (and says that it does), as those of
//! WinPE 3 to 5: this is the way by which the program draws there.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use support::program::lifeboat;
use support::tmux::Tmux;
use support::wine::{self, Wine};
use support::{exe, golden, need};
use tempfile::TempDir;

/// A terminal with Wine, in a folder with a store below `disk`.
struct Desk {
    terminal: Tmux,
    wine: Wine,
    exe: PathBuf,
    folder: TempDir,
}

impl Desk {
    fn new() -> Option<Self> {
        let exe = need!("lifeboat.exe", exe::find);
        let wine = need!("wine", wine::find);
        let folder = TempDir::new().unwrap();
        let image = lifeboat_maker::fixture("hardlink-two").unwrap();
        fs::copy(image, folder.path().join("disk.img")).unwrap();
        let terminal = Tmux::start(folder.path(), &[])?;
        Some(Self { terminal, wine, exe, folder })
    }

    fn start(&self, args: &str) {
        // Wine's own remarks would scroll the terminal under its console.
        let line = self.wine.shell_line(&self.exe);
        self.terminal.run("clear; stty -a > before");
        self.terminal
            .run(&format!("{line} {args} 2> err; echo \"ended: $?\"; stty -a > after; : > end"));
    }

    /// It ended with this code, and the terminal is as it was.
    #[track_caller]
    fn ended(&self, code: i32) -> String {
        let end = format!("ended: {code}");
        let screen = self.terminal.wait(&end, |screen| {
            screen.lines().any(|line| line.trim() == end) && self.folder.path().join("end").exists()
        });
        let read = |name: &str| fs::read_to_string(self.folder.path().join(name)).unwrap();
        assert_eq!(read("before"), read("after"));
        assert_eq!(self.terminal.knows("cursor_flag"), "1", "the cursor is there");
        fs::remove_file(self.folder.path().join("end")).unwrap();
        screen
    }
}

#[test]
fn a_console_without_sequences_shows_every_page() {
    let desk = need!(Desk::new());
    let terminal = &desk.terminal;
    desk.start("guide disk.img --to usb");
    // Wine draws slowly: a page is there once its last line is.
    let page = |title: &str, last: &str| {
        terminal.wait(title, |screen| {
            let whole = screen.lines().last().is_some_and(|line| line.trim_end().ends_with(last));
            let shown = whole && screen.contains(title) && !screen.contains("Leave?");
            // ... and nothing changes any more.
            std::thread::sleep(Duration::from_millis(if shown { 500 } else { 0 }));
            shown && terminal.screen() == *screen
        })
    };
    let stores = page("2 of 5", "R Search again");
    assert!(stores.is_ascii(), "{stores}");
    golden::compare("wine-stores.txt", &stores);
    // A question over the page goes as it came.
    terminal.press(&["Escape"]);
    terminal.wait_for("Leave?");
    terminal.press(&["Escape"]);
    assert_eq!(page("2 of 5", "R Search again"), stores);
    terminal.press(&["Enter"]);
    golden::compare("wine-form.txt", &page("3 of 5", "Esc Back"));
    terminal.press(&["Tab", "Tab"]);
    terminal.write("geheim");
    terminal.wait_for("> Password     ******_");
    terminal.press(&["F2"]);
    terminal.wait_for("> Password     geheim_");
    terminal.press(&["Enter"]);
    page("SAVE NOW", "Esc Back");
    terminal.press(&["Enter"]);
    let end = page("Restore  ", "PgDn More");
    golden::compare("wine-saved.txt", &end);
    terminal.press(&["Enter"]);
    let after = desk.ended(0);
    assert!(after.contains("Saved: "), "what happened stays to be read:\n{after}");
    let sets: Vec<_> = fs::read_dir(desk.folder.path().join("usb")).unwrap().collect();
    assert_eq!(sets.len(), 1, "{sets:?}");
    let set = sets[0].as_ref().unwrap().path();
    lifeboat(&["verify", set.to_str().unwrap(), "--level", "full"]).expect(0);
}

#[test]
fn the_console_is_left_as_it_was_on_ctrl_c() {
    let desk = need!(Desk::new());
    desk.start("guide disk.img");
    desk.terminal.wait_for("2 of 5");
    // Wine makes a signal of it, whatever the console's mode: that asks nothing.
    desk.terminal.press(&["C-c"]);
    let after = desk.ended(6);
    assert!(!after.contains("2 of 5") && after.contains("Nothing was saved."), "{after}");
}
