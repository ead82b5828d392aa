//! Every command that takes long shows on a terminal how far it is, and nothing
//! of that where nobody looks.
#![cfg(target_os = "linux")]

use std::fs;

use support::need;
use support::tmux::Tmux;
use tempfile::TempDir;

#[test]
fn long_commands_show_on_a_terminal_how_far_they_are() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::copy(lifeboat_maker::fixture("hardlink-two").unwrap(), path("disk.img")).unwrap();
    let program = [("PROGRAM", support::program::path())];
    let terminal = need!(Tmux::start(folder.path(), &program));
    terminal.record(&path("shown"));
    for (number, (command, words)) in [
        ("detect disk.img", "Looking for stores: "),
        ("verify disk.img --level full", "Checking: "),
        // So small a store is saved before the bar is due again.
        ("offload disk.img --to sets", "Planning: "),
        ("verify sets/* --level full", "Checking: "),
        ("list sets/* > listed", "Listing: "),
        ("restore sets/* --to back", "Restoring: "),
        ("extract sets/* --to out", "Restoring: "),
        // The same.
        ("--via host seal back/C", "Planning: "),
    ]
    .into_iter()
    .enumerate()
    {
        let before = fs::read(path("shown")).unwrap_or_default().len();
        terminal.run(&format!("clear; $PROGRAM {command}; echo \"ended {number}: $?\""));
        let end = format!("ended {number}: ");
        terminal.wait(command, |screen| screen.lines().any(|line| line.starts_with(&end)));
        let shown = fs::read(path("shown")).unwrap();
        let shown = String::from_utf8_lossy(&shown[before..]).into_owned();
        assert!(shown.contains(words), "{command}: {shown}");
        if command.starts_with("offload") {
            assert!(shown.contains(" of 4: "), "no step: {shown}");
            assert!(shown.contains("\u{1b}[92mSaved\u{1b}[0m: "), "no colour: {shown}");
        }
        let bar = ["detect", "--via"].iter().any(|start| command.starts_with(start))
            || shown.contains("% ");
        assert!(bar, "{command} shows no bar: {shown}");
    }
    let listed = fs::read_to_string(path("listed")).unwrap();
    assert!(listed.contains("catalog.mig") && !listed.contains('%'), "{listed}");
    // Neither end is a terminal, or nobody wants it.
    for (number, (command, file)) in [
        ("verify sets/* --level full > quiet 2>&1", "quiet"),
        ("--quiet verify sets/* --level full 2>&1 | cat > quiet", "quiet"),
        ("--json verify sets/* --level full > quiet 2>&1", "quiet"),
    ]
    .into_iter()
    .enumerate()
    {
        terminal.run(&format!("clear; $PROGRAM {command}; echo \"quiet {number}: $?\""));
        let end = format!("quiet {number}: ");
        terminal.wait(command, |screen| screen.lines().any(|line| line.starts_with(&end)));
        let printed = fs::read_to_string(path(file)).unwrap();
        let is_plain = !printed.contains('\u{1b}') && !printed.contains("% ");
        assert!(!printed.is_empty() && is_plain, "{command}: {printed}");
    }
}

#[test]
fn colours_are_only_where_they_are_wanted() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::copy(lifeboat_maker::fixture("hardlink-one").unwrap(), path("disk.img")).unwrap();
    let program = [("PROGRAM", support::program::path())];
    let terminal = need!(Tmux::start(folder.path(), &program));
    terminal.record(&path("shown"));
    for (number, variable) in ["NO_COLOR=1", "TERM=dumb"].into_iter().enumerate() {
        let command = format!("clear; {variable} $PROGRAM -q offload disk.img --to sets{number}");
        terminal.run(&format!("{command}; echo \"ended {number}: $?\""));
        let end = format!("ended {number}: 0");
        let screen = terminal.wait(variable, |s| s.lines().any(|line| line == end));
        // A table, whose texts begin in one column.
        for label in ["what", "files", "size", "losses", "verified", "time", "report", "exit"] {
            let row = format!("\n  {label:<8} ");
            assert!(screen.contains(&row), "{label}: {screen}");
        }
        assert!(screen.contains("  exit     code 0: done"), "{screen}");
    }
    let shown = fs::read_to_string(path("shown")).unwrap();
    assert!(shown.contains("Saved: ") && !shown.contains("[92m"), "{shown}");
}
