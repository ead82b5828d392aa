//! Runs lifeboat and Windows' programs: each with an end, whatever it does.

use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::os::windows::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::events::{Ran, progress_of, stage_of};
use crate::windows::machine::{is_stopped, printed, system_program};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_mins(15);
/// diskpart and the like.
const TOOL_PATIENCE: Duration = Duration::from_mins(3);
/// Ctrl-C is for this program alone, which ends the others (`CREATE_NEW_PROCESS_GROUP`).
const OWN_GROUP: u32 = 0x200;

/// Windows' programs have an invisible console of their own (`CREATE_NO_WINDOW`): they
/// clean up also while ours is being closed. They print in its code page.
///
/// <https://learn.microsoft.com/windows/win32/procthread/process-creation-flags>
const OWN_CONSOLE: u32 = 0x0800_0000;

/// The run ends here: Ctrl-C.
#[derive(Debug)]
pub(super) struct Stopped;

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("stopped with Ctrl-C")
    }
}

/// A program that runs. Ended when this is dropped.
pub(super) struct Started {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
    errors: Option<JoinHandle<String>>,
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How far a run got when it was to be killed.
pub(super) enum Kill {
    /// It was killed there.
    Done,
    /// It had ended before.
    Ended(Ran),
}

impl Started {
    fn new(mut command: Command, flags: u32) -> std::io::Result<Self> {
        let command = command
            .creation_flags(flags)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // Some runners' job objects refuse processes with flags of their own.
        let mut child = command.spawn().or_else(|_| command.creation_flags(0).spawn())?;
        let (sender, lines) = channel();
        if let Some(out) = child.stdout.take() {
            std::thread::spawn(move || {
                let mut out = BufReader::new(out);
                let mut line = Vec::new();
                // Bytes: `net` and others print in the console's code page.
                while out.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
                    let text = printed(&line).trim_end().to_owned();
                    if sender.send(text).is_err() {
                        break;
                    }
                    line.clear();
                }
            });
        }
        let errors = child.stderr.take().map(|mut err| {
            std::thread::spawn(move || {
                let mut bytes = Vec::new();
                let _ = err.read_to_end(&mut bytes);
                printed(&bytes)
            })
        });
        Ok(Self { child, lines, seen: Vec::new(), errors })
    }

    /// Whether it has ended.
    pub(super) fn has_ended(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_some())
    }

    /// Waits for a line; `false` if it ended before.
    pub(super) fn wait_for(&mut self, is_it: impl Fn(&str) -> bool) -> Result<bool, Stopped> {
        let start = Instant::now();
        loop {
            match self.lines.recv_timeout(Duration::from_millis(50)) {
                Ok(line) => {
                    let found = is_it(&line);
                    self.seen.push(line);
                    if found {
                        return Ok(true);
                    }
                }
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => return Ok(false),
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {
                    if is_stopped() {
                        return Err(Stopped);
                    }
                    if start.elapsed() > PATIENCE {
                        return Ok(false);
                    }
                }
            }
        }
    }

    /// Waits for its end, and ends it if that does not come.
    pub(super) fn wait(mut self, patience: Duration) -> Result<Ran, Stopped> {
        let start = Instant::now();
        let code = loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                break status.code();
            }
            if is_stopped() {
                return Err(Stopped);
            }
            if start.elapsed() > patience {
                let _ = self.child.kill();
                break None;
            }
            while let Ok(line) = self.lines.recv_timeout(Duration::from_millis(20)) {
                self.seen.push(line);
            }
        };
        while let Ok(line) = self.lines.recv_timeout(Duration::from_secs(2)) {
            self.seen.push(line);
        }
        let errors = self.errors.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        Ok(Ran::parse(code, &self.seen.join("\n"), &errors))
    }
}

/// Starts lifeboat, without settings from its surroundings.
pub(super) fn start(lifeboat: &Path, args: &[&str]) -> std::io::Result<Started> {
    let mut command = Command::new(lifeboat);
    command.args(args).arg("--json");
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().to_uppercase().starts_with("LIFEBOAT_") {
            command.env_remove(name);
        }
    }
    Started::new(command, OWN_GROUP)
}

/// Runs lifeboat to its end.
pub(super) fn lifeboat(program: &Path, args: &[&str]) -> Result<Ran, Stopped> {
    match start(program, args) {
        Ok(started) => started.wait(PATIENCE),
        Err(error) => Ok(Ran::parse(None, "", &format!("could not be started: {error}"))),
    }
}

/// Starts lifeboat and kills it in the middle of a stage.
pub(super) fn kill_in(program: &Path, args: &[&str], stage: &str) -> Result<Kill, Stopped> {
    let mut started = match start(program, args) {
        Ok(started) => started,
        Err(error) => return Ok(Kill::Ended(Ran::parse(None, "", &error.to_string()))),
    };
    if !started.wait_for(|line| stage_of(line).as_deref() == Some(stage))? {
        return Ok(Kill::Ended(started.wait(PATIENCE)?));
    }
    // In the middle of the stage, by its own progress, or when the next one begins; a
    // read-back may take less than a second, which is how often progress is reported.
    let wanted = if ["copy", "restore"].contains(&stage) { 0.3 } else { 0.0 };
    let moment = Instant::now();
    while moment.elapsed() < Duration::from_secs(30) && !started.has_ended() {
        if is_stopped() {
            return Err(Stopped);
        }
        if let Ok(line) = started.lines.recv_timeout(Duration::from_millis(10)) {
            let is_next = stage_of(&line).is_some();
            let is_in_the_middle = progress_of(&line).is_some_and(|part| part >= wanted);
            started.seen.push(line);
            if is_next || is_in_the_middle {
                break;
            }
        }
    }
    if started.has_ended() {
        return Ok(Kill::Ended(started.wait(PATIENCE)?));
    }
    drop(started);
    Ok(Kill::Done)
}

/// What a program of Windows printed, and its exit code (`None`: there is no such
/// program here, or it did not end).
pub(super) struct Tool {
    pub(super) code: Option<i32>,
    pub(super) text: String,
}

impl Tool {
    pub(super) fn is_ok(&self) -> bool {
        self.code == Some(0)
    }

    /// For a report. Its words are in the language of this Windows.
    pub(super) fn ended(&self) -> String {
        let line = self.text.lines().rev().find(|line| !line.trim().is_empty());
        let line = line.unwrap_or_default().trim();
        match self.code {
            Some(code) => format!("exit code {code}, \"{line}\""),
            None => format!("no end, or no such program: {line}"),
        }
    }
}

/// Runs a program of Windows' own folder.
pub(super) fn tool(name: &str, args: &[&str], folder: &Path) -> Result<Tool, Stopped> {
    let mut command = Command::new(system_program(name));
    command.args(args).current_dir(folder);
    match Started::new(command, OWN_GROUP | OWN_CONSOLE) {
        Ok(started) => {
            let ran = started.wait(TOOL_PATIENCE)?;
            Ok(Tool { code: ran.code, text: ran.stray.join("\n") })
        }
        Err(error) => Ok(Tool { code: None, text: error.to_string() }),
    }
}

/// What `lifeboat --version` prints.
pub(super) fn lifeboat_version(program: &Path) -> String {
    let mut command = Command::new(program);
    command.arg("--version");
    let ran = Started::new(command, OWN_GROUP).map(|started| started.wait(TOOL_PATIENCE));
    match ran {
        Ok(Ok(ran)) => ran.stray.first().cloned().unwrap_or_else(|| ran.ended()),
        Ok(Err(stopped)) => stopped.to_string(),
        Err(error) => error.to_string(),
    }
}
