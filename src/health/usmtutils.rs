//! Runs Microsoft's own verifier of compressed stores, if it is available:
//! `usmtutils /verify:all FILE` prints `name TAB OK|CORRUPTED` for each file
//! and returns 42 for corruption (Microsoft, "`UsmtUtils` syntax", "Return
//! codes"). `/extract FILE FOLDER` extracts from one. It is a Windows program that opens files by path, so it runs only
//! on Windows, and only for a volume with a drive letter.

use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use super::codes::{USMTUTILS_CORRUPTED, USMTUTILS_FAILED, USMTUTILS_SOUND};
use crate::model::finding::Finding;
use crate::model::monitor::Monitor;
use crate::model::threads;
use crate::usmt::Part;
use crate::usmt::logs::decode;

const PROGRAM: &str = "usmtutils.exe";
/// Its return code for a store with corrupted files.
const CORRUPTED: i32 = 42;
/// The largest report that is kept.
const REPORT_BYTES: usize = 64 << 20;
const POLL: Duration = Duration::from_millis(50);

/// The `usmtutils` program.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Usmtutils {
    program: PathBuf,
}

impl Usmtutils {
    /// Looks for it in `folder`, otherwise beside this program and in `PATH`.
    /// `None` if it was not found, or on any system but Windows.
    pub fn find(folder: Option<&Path>) -> Option<Self> {
        if !cfg!(windows) {
            return None;
        }
        let beside = || Some(std::env::current_exe().ok()?.parent()?.to_owned());
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders: Vec<PathBuf> = match folder {
            // The ADK has a folder for each architecture.
            Some(folder) => vec![folder.to_owned(), folder.join("amd64"), folder.join("x86")],
            None => beside().into_iter().chain(std::env::split_paths(&path)).collect(),
        };
        let program = folders.into_iter().map(|f| f.join(PROGRAM)).find(|file| file.is_file())?;
        Some(Self { program: std::path::absolute(&program).unwrap_or(program) })
    }

    /// Runs it on the container of `part`; returns what was verified, for
    /// display.
    pub(super) fn check(
        &self,
        part: &Part,
        monitor: &dyn Monitor,
        say: &mut dyn FnMut(Finding),
    ) -> Option<String> {
        let name = part.markers.container_name();
        let at = format!("{}\\{name}", part.windows_path());
        let Some(letter) = part.present_letter else {
            monitor
                .note(&format!("{at}: not checked with usmtutils: the volume has no drive letter"));
            return None;
        };
        let file = format!("{}\\{name}", part.usmt_path.on_drive(&letter.to_string()));
        match self.run(&["/verify:all".into(), file.into()], monitor) {
            Err(error) => {
                say(USMTUTILS_FAILED.at(at, format!("{}: {error}", self.program.display())));
                None
            }
            Ok(None) => None,
            Ok(Some((status, report))) => judge(&at, status.code(), &Report::parse(&report), say),
        }
    }

    /// Extracts files from a container. Its return code; `None` if the user stopped it.
    ///
    /// # Errors
    /// It could not be started.
    pub fn extract(
        &self,
        what: &Extraction<'_>,
        monitor: &dyn Monitor,
    ) -> std::io::Result<Option<i32>> {
        let ended = self.run(&what.arguments(), monitor)?;
        // Without a code, another program ended it.
        Ok(ended.map(|(status, _)| status.code().unwrap_or(-1)))
    }

    /// Its exit status and output; `None` if the user stopped it.
    fn run(
        &self,
        arguments: &[OsString],
        monitor: &dyn Monitor,
    ) -> std::io::Result<Option<(ExitStatus, String)>> {
        let mut child = Command::new(&self.program)
            .args(arguments)
            // If it writes a log, it must not write it to the source.
            .current_dir(std::env::temp_dir())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let reader = child
            .stdout
            .take()
            .map(|mut out| threads::start("usmtutils", move || read_all(&mut out)));
        let reader = match reader.transpose() {
            Ok(reader) => reader,
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(std::io::Error::other(error));
            }
        };
        let status = wait(&mut child, monitor)?;
        let printed = reader.and_then(|r| r.join().ok()).unwrap_or_default();
        Ok(status.map(|status| (status, decode(&printed))))
    }
}

/// What to extract with usmtutils (Microsoft, "`UsmtUtils` syntax", "Extract options").
#[derive(Clone, Copy, Debug)]
pub struct Extraction<'a> {
    /// `USMT.MIG`, by its full path.
    pub file: &'a Path,
    /// The folder to extract to, by its full path.
    pub to: &'a Path,
    /// Patterns of file names: `*.docx`. None: every file.
    pub include: &'a [String],
    /// The file with the key of an encrypted store, by its full path.
    pub key_file: Option<&'a Path>,
    /// The algorithm, as in `/decrypt:AES_256`.
    pub algorithm: Option<&'a str>,
    /// Whether it replaces files.
    pub replace: bool,
}

impl Extraction<'_> {
    fn arguments(&self) -> Vec<OsString> {
        let mut words: Vec<OsString> = vec!["/extract".into(), self.file.into(), self.to.into()];
        if !self.include.is_empty() {
            words.push(format!("/i:{}", self.include.join(",")).into());
        }
        if let Some(file) = self.key_file {
            let algorithm = self.algorithm.map(|name| format!(":{name}")).unwrap_or_default();
            words.push(format!("/decrypt{algorithm}").into());
            let mut word = OsString::from("/keyfile:");
            word.push(file);
            words.push(word);
        }
        if self.replace {
            words.push("/o".into());
        }
        words
    }
}

fn wait(child: &mut Child, monitor: &dyn Monitor) -> std::io::Result<Option<ExitStatus>> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if monitor.is_cancelled() {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(POLL);
    }
}

/// Reads all output, so that the program never blocks; keeps at most
/// [`REPORT_BYTES`].
fn read_all(out: &mut dyn Read) -> Vec<u8> {
    let mut kept = Vec::new();
    let mut buffer = [0; 8 << 10];
    loop {
        match out.read(&mut buffer) {
            Ok(0) | Err(_) => return kept,
            Ok(n) if kept.len() < REPORT_BYTES => kept.extend_from_slice(&buffer[..n]),
            Ok(_) => {}
        }
    }
}

/// Its parsed output.
#[derive(PartialEq, Eq, Debug, Default)]
struct Report {
    sound: u64,
    corrupted: Vec<String>,
}

impl Report {
    fn parse(text: &str) -> Self {
        let mut report = Self::default();
        for (name, word) in text.lines().filter_map(|line| line.trim_end().rsplit_once('\t')) {
            match word.trim() {
                "OK" => report.sound += 1,
                "CORRUPTED" => report.corrupted.push(name.trim().to_owned()),
                _ => {}
            }
        }
        report
    }
}

fn judge(
    at: &str,
    code: Option<i32>,
    report: &Report,
    say: &mut dyn FnMut(Finding),
) -> Option<String> {
    for name in &report.corrupted {
        say(USMTUTILS_CORRUPTED.at(at, format!("{name}: CORRUPTED")));
    }
    let files = report.sound;
    match code {
        Some(0) if report.corrupted.is_empty() => {
            say(USMTUTILS_SOUND.at(at, format!("usmtutils /verify:all: {files} files OK")));
            Some(format!("Microsoft's usmtutils reports {files} files as OK"))
        }
        Some(0) => None,
        Some(CORRUPTED) => {
            if report.corrupted.is_empty() {
                say(USMTUTILS_CORRUPTED.at(at, "usmtutils ended with code 42: corrupted files"));
            }
            None
        }
        Some(other) => {
            say(USMTUTILS_FAILED.at(at, format!("usmtutils ended with code {other}")));
            None
        }
        None => {
            say(USMTUTILS_FAILED.at(at, "another program ended usmtutils"));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(code: i32, report: &str) -> (Vec<&'static str>, bool) {
        let mut found = Vec::new();
        let proof = judge("x", Some(code), &Report::parse(report), &mut |f| found.push(f.code));
        (found, proof.is_some())
    }

    #[test]
    fn its_report_and_its_code_become_findings() {
        let mixed =
            "Verifying\r\nFile\\C:\\a b.txt\tOK\r\nFile\\C:\\c\tCORRUPTED\r\nCatalog\tOK\r\n";
        assert_eq!(codes(42, mixed), (vec!["usmtutils-corrupted"], false));
        assert_eq!(codes(0, "a\tOK\r\nb\tOK\r\n"), (vec!["usmtutils-sound"], true));
        assert_eq!(codes(0, mixed), (vec!["usmtutils-corrupted"], false));
        assert_eq!(codes(42, ""), (vec!["usmtutils-corrupted"], false));
        assert_eq!(codes(37, ""), (vec!["usmtutils-failed"], false));
        let report = Report::parse(mixed);
        assert_eq!((report.sound, &*report.corrupted), (2, &["File\\C:\\c".to_owned()][..]));
    }

    #[test]
    fn it_is_asked_to_extract_as_microsoft_documents_it() {
        let all = Extraction {
            file: Path::new("E:\\S\\USMT\\USMT.MIG"),
            to: Path::new("F:\\out"),
            include: &[],
            key_file: None,
            algorithm: None,
            replace: false,
        };
        let plain = ["/extract", "E:\\S\\USMT\\USMT.MIG", "F:\\out"];
        assert_eq!(all.arguments(), plain);
        let some = Extraction {
            include: &["*.docx".to_owned(), "plan.*".to_owned()],
            key_file: Some(Path::new("F:\\key.txt")),
            algorithm: Some("AES_256"),
            replace: true,
            ..all
        };
        let more = ["/i:*.docx,plan.*", "/decrypt:AES_256", "/keyfile:F:\\key.txt", "/o"];
        assert_eq!(some.arguments(), [&plain[..], &more].concat());
        let words =
            Extraction { algorithm: None, include: &[], replace: false, ..some }.arguments();
        assert_eq!(words[3..], ["/decrypt", "/keyfile:F:\\key.txt"]);
    }
}
