//! Runs `loadstate`: starts it, follows its progress log, waits for its end.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use super::progress::{Said, Watcher};
use crate::usmt::logs::without_key;

/// Interval for reading the progress log.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How much of the end of its output is kept.
const TAIL: u64 = 4096;

/// The result.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ended {
    /// Its return code; `None` if the system ended it.
    pub code: Option<i32>,
    /// Non-fatal errors that it reported.
    pub troubles: u64,
    /// The last lines that it printed.
    pub last_words: Vec<String>,
}

/// Runs `program` in its own folder, with its progress log in `scratch`; returns
/// at its end. `said` gets each line of the log as soon as it appears.
///
/// It is never killed: half of a user's settings would be worse than a long wait.
/// Ctrl-C reaches it anyway, since it shares the console.
///
/// # Errors
/// The program cannot be started.
pub fn run(
    program: &Path,
    arguments: &[String],
    progress_log: &Path,
    scratch: &Path,
    said: &mut dyn FnMut(Said),
) -> io::Result<Ended> {
    // A file, not a pipe: it can continue if nothing reads.
    let words = scratch.join("loadstate-output.txt");
    let output = File::create(&words)?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
    if let Some(folder) = program.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        command.current_dir(folder);
    }
    let mut child = command.spawn()?;
    let mut log = Log { path: progress_log, at: 0, watcher: Watcher::default(), troubles: 0 };
    let status: ExitStatus = loop {
        // Check this before the log, so that everything written before the end is read.
        let ended = child.try_wait()?;
        log.read(said);
        if let Some(status) = ended {
            break status;
        }
        std::thread::sleep(LOOK_EVERY);
    };
    let last_words = tail(&words).unwrap_or_default();
    Ok(Ended { code: status.code(), troubles: log.troubles, last_words })
}

/// The progress log, read up to `at`.
struct Log<'a> {
    path: &'a Path,
    at: u64,
    watcher: Watcher,
    troubles: u64,
}

impl Log<'_> {
    /// Reads on. A log that is missing or cannot be read only costs the progress
    /// bar.
    fn read(&mut self, said: &mut dyn FnMut(Said)) {
        let Ok(mut file) = File::open(self.path) else { return };
        if file.seek(SeekFrom::Start(self.at)).is_err() {
            return;
        }
        let mut buffer = vec![0; 64 << 10];
        while let Ok(n @ 1..) = file.read(&mut buffer) {
            self.at += n as u64;
            for word in self.watcher.feed(&buffer[..n]) {
                self.troubles += u64::from(matches!(word, Said::ErrorKind { .. }));
                said(word);
            }
        }
    }
}

/// The last lines of a file, at most five; without the key of a command line in them.
fn tail(path: &Path) -> io::Result<Vec<String>> {
    let mut file = File::open(path)?;
    let len = file.metadata()?.len();
    file.seek(SeekFrom::Start(len.saturating_sub(TAIL)))?;
    let mut bytes = Vec::new();
    file.take(TAIL).read_to_end(&mut bytes)?;
    bytes.retain(|b| *b != 0); // if it is UTF-16
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let from = lines.len().saturating_sub(5);
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let words = |line: &str| without_key(&line.chars().map(plain).collect::<String>());
    Ok(lines[from..].iter().map(|line| words(line)).collect())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_program_is_followed_to_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("loadstate.exe");
        let log = dir.path().join("progress.log");
        let script = "#!/bin/sh\nlog=\"$1\"\necho first words\n\
            echo 'd, t, r, PHASE, Applying' > \"$log\"\nsleep 0.5\n\
            echo 'd, t, r, totalPercentageCompleted, 50' >> \"$log\"\nsleep 0.3\n\
            echo 'd, t, r, error, UnableToOpen, objectName, C:\\x, action, Ignore' >> \"$log\"\n\
            echo last words /key:secret /c >&2\npwd\nexit 3\n";
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let mut said = Vec::new();
        let arguments = [log.to_str().unwrap().to_owned()];
        let ended =
            run(&program, &arguments, &log, dir.path(), &mut |word| said.push(word)).unwrap();
        assert_eq!((ended.code, ended.troubles, said.len()), (Some(3), 1, 3), "{said:?}");
        let folder = dir.path().canonicalize().unwrap();
        let words = ["first words", "last words /key:*** /c", folder.to_str().unwrap()];
        assert_eq!(ended.last_words, words);
        let missing = dir.path().join("no.exe");
        assert!(run(&missing, &[], &log, dir.path(), &mut |_| {}).is_err());
    }
}
