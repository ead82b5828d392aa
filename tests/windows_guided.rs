//! `lifeboat.exe` guides through a rescue on Wine's console too, by the same
//! keys. What a console without VT sequences does with it no Wine can show:
//! docs/windows.md has that as a check by hand.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers fail tests so

#[path = "common/exe.rs"]
mod exe;
#[path = "common/lifeboat.rs"]
mod program;
#[path = "common/require.rs"]
mod require;
#[path = "common/tmux.rs"]
mod tmux;
#[path = "common/wine.rs"]
mod wine;

use program::{Guarded, lifeboat};
use tmux::Tmux;
use wine::Wine;

#[test]
fn a_store_is_saved_on_wines_console() {
    let Some(exe) = require::require("lifeboat.exe", exe::find) else { return };
    let Some(wine) = require::require("wine", wine::find) else { return };
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("disk.img");
    std::fs::copy(lifeboat_maker::fixture("hardlink-two").unwrap(), &image).unwrap();
    let image = Guarded::new(image);
    let Some(terminal) = Tmux::start(folder.path(), &[]) else { return };
    let usb = folder.path().join("usb");
    let (source, dest) = (Wine::path(image.path()), Wine::path(&usb));
    let line = wine.shell_line(&exe);
    terminal.run(&format!("{line} guide '{source}' --to '{dest}'; echo \"ended: $?\""));
    let stores = terminal.wait_for("2 of 5");
    assert!(stores.contains("C:\\StateStore\\USMT") || stores.contains("hard-link"), "{stores}");
    terminal.press(&["Enter"]);
    terminal.wait_for("3 of 5");
    terminal.press(&["Enter"]);
    terminal.wait_for("SAVE NOW");
    terminal.press(&["Enter"]);
    terminal.wait_for("Next ");
    terminal.press(&["Enter"]);
    terminal.wait_for("ended: 0");
    let sets: Vec<_> = std::fs::read_dir(&usb).unwrap().map(|e| e.unwrap().path()).collect();
    assert_eq!(sets.len(), 1, "{sets:?}");
    lifeboat(&["verify", sets[0].to_str().unwrap(), "--level", "full"]).expect(0);
}

#[test]
fn leaving_it_gives_wines_console_back() {
    let Some(exe) = require::require("lifeboat.exe", exe::find) else { return };
    let Some(wine) = require::require("wine", wine::find) else { return };
    let folder = tempfile::tempdir().unwrap();
    let image = lifeboat_maker::fixture("hardlink-one").unwrap();
    let Some(terminal) = Tmux::start(folder.path(), &[]) else { return };
    let line = wine.shell_line(&exe);
    terminal.run("stty -a > before");
    terminal.run(&format!(
        "LIFEBOAT_ASCII=1 {line} guide '{}'; echo \"ended: $?\"; stty -a > after; : > end",
        Wine::path(&image)
    ));
    let stores = terminal.wait_for("2 of 5");
    assert!(stores.is_ascii(), "{stores}");
    terminal.press(&["C-c"]);
    terminal.wait_for("Leave?");
    terminal.press(&["l"]);
    terminal.wait_for("ended: 6");
    terminal.wait("the shell", |_| folder.path().join("end").exists());
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!(read("before"), read("after"));
}
