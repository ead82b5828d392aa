//! A real terminal for one test: tmux, with a shell in it. Keys go in as a
//! keyboard sends them; what comes out is what a person would see.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::{need, require};

/// Longer than anything here takes, on a busy machine.
const PATIENCE: Duration = Duration::from_mins(3);

/// A terminal with a shell in it, until this is dropped.
pub struct Tmux {
    program: PathBuf,
    folder: TempDir,
}

impl Tmux {
    /// A terminal of 80 columns and 25 lines, its shell in `dir`. `env` comes on
    /// top of a plain environment. `None` where there is no tmux.
    pub fn start(dir: &Path, env: &[(&str, &str)]) -> Option<Self> {
        let program = need!("tmux", || require::program("tmux"));
        let folder = TempDir::with_prefix("lifeboat-tmux-").unwrap();
        let config = "set -g status off\nset -g default-terminal screen\n\
                      set -sg escape-time 0\n";
        std::fs::write(folder.path().join("tmux.conf"), config).unwrap();
        let terminal = Self { program, folder };
        let mut command = terminal.command();
        command.args(["new-session", "-d", "-x", "80", "-y", "25", "-c"]).arg(dir);
        for (name, value) in env {
            command.arg("-e").arg(format!("{name}={value}"));
        }
        assert!(command.arg("PS1='$ ' exec sh").status().unwrap().success());
        terminal.wait_for("$");
        Some(terminal)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(["-u", "-L", "test", "-f"])
            .arg(self.folder.path().join("tmux.conf"))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("TMUX_TMPDIR", self.folder.path())
            .env("HOME", self.folder.path())
            .env("TERM", "screen")
            .env("LC_ALL", "C.UTF-8");
        command
    }

    fn tmux(&self, args: &[&str]) -> String {
        let done = self.command().args(args).output().unwrap();
        let complaint = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "tmux {args:?}: {complaint}");
        String::from_utf8(done.stdout).unwrap()
    }

    /// Presses keys by tmux's names: `Enter`, `Escape`, `C-c`, `F2`, `Down`.
    pub fn press(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    /// Types a text.
    pub fn write(&self, text: &str) {
        self.tmux(&["send-keys", "-l", "--", text]);
    }

    /// Types a line for the shell.
    pub fn run(&self, line: &str) {
        self.write(line);
        self.press(&["Enter"]);
    }

    /// What is to be seen now.
    pub fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    /// From now on everything that is sent to the terminal goes to `file` as well.
    pub fn record(&self, file: &Path) {
        self.tmux(&["pipe-pane", &format!("cat >> '{}'", file.display())]);
    }

    /// Something that tmux knows of the terminal: `cursor_flag`, `alternate_on`.
    pub fn knows(&self, what: &str) -> String {
        self.tmux(&["display-message", "-p", &format!("#{{{what}}}")]).trim().to_owned()
    }

    /// Gives the window another size.
    pub fn resize(&self, columns: u16, lines: u16) {
        let (columns, lines) = (columns.to_string(), lines.to_string());
        self.tmux(&["resize-window", "-x", &columns, "-y", &lines]);
    }

    /// The first screen on which `fits` sees what it waits for.
    #[track_caller]
    pub fn wait(&self, what: &str, fits: impl Fn(&str) -> bool) -> String {
        let start = Instant::now();
        loop {
            let screen = self.screen();
            if fits(&screen) {
                return screen;
            }
            assert!(start.elapsed() < PATIENCE, "{what} did not come:\n{screen}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The first screen with `text` on it.
    #[track_caller]
    pub fn wait_for(&self, text: &str) -> String {
        self.wait(text, |screen| screen.contains(text))
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        let _ = self.command().arg("kill-server").status();
    }
}
