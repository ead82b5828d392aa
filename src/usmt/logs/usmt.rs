//! Reads USMT's own logs: `scanstate.log`, `USMTcapture.log`, `loadstate.log`.
//! Their format is not documented. This module looks for lines of published
//! logs; what it does not find stays unknown.

use super::lines::Line;
use super::text::clean;
use super::time::LogTime;

/// Which tool wrote the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tool {
    /// Wrote the store.
    Scanstate,
    /// Read it.
    Loadstate,
}

impl Tool {
    /// The stable name, as in `--json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scanstate => "scanstate",
            Self::Loadstate => "loadstate",
        }
    }
}

/// One run of scanstate or loadstate, from its log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UsmtRun {
    /// Which of the two.
    pub tool: Tool,
    /// The log, for display.
    pub log: String,
    /// When it began.
    pub started: Option<LogTime>,
    /// When it ended; `None` if the log breaks off.
    pub completed: Option<LogTime>,
    /// USMT's version.
    pub version: Option<String>,
    /// The whole command line.
    pub command: Option<String>,
    /// The computer's name.
    pub computer: Option<String>,
    /// The last line about a failure, verbatim.
    pub failure: Option<String>,
}

impl UsmtRun {
    /// The time closest to the completion of the store.
    pub fn time(&self) -> Option<LogTime> {
        self.completed.or(self.started)
    }

    /// Whether the command line requested an encrypted store.
    pub fn is_encrypted(&self) -> bool {
        self.command.as_deref().is_some_and(|c| c.to_ascii_lowercase().contains("/encrypt"))
    }

    /// Whether its command line contains `store_path`, such as `C:\StateStore`.
    pub fn names(&self, store_path: &str) -> bool {
        let Some(command) = self.command.as_deref() else { return false };
        let (command, path) = (command.to_ascii_lowercase(), store_path.to_ascii_lowercase());
        let Some(at) = command.find(&path) else { return false };
        // `C:\StateStore` must not match `C:\StateStore2`.
        let next = command[at + path.len()..].trim_start_matches('\\').chars().next();
        next.is_none_or(|c| c.is_whitespace() || c == '"')
    }
}

/// The runs in a log: USMT appends to an existing log.
pub(super) fn runs<'a>(
    tool: Tool,
    log: &str,
    lines: impl Iterator<Item = Line<'a>>,
) -> Vec<UsmtRun> {
    /// The number of runs that are kept.
    const MAX_RUNS: usize = 100;
    let mut runs: Vec<UsmtRun> = Vec::new();
    let begin = |started: Option<LogTime>| UsmtRun {
        tool,
        log: log.to_owned(),
        started,
        completed: None,
        version: None,
        command: None,
        computer: None,
        failure: None,
    };
    for line in lines {
        let told = |words: &str| behind(line.text, words);
        if let Some(at) = told("USMT Started at") {
            if runs.len() == MAX_RUNS {
                runs.remove(0);
            }
            runs.push(begin(LogTime::year_first(at).or(line.time)));
            continue;
        }
        let facts = facts_in(line);
        if runs.is_empty() && facts != Facts::default() {
            runs.push(begin(line.time));
        }
        let Some(run) = runs.last_mut() else { continue };
        if let Some(at) = told("USMT Completed at") {
            run.completed = LogTime::year_first(at).or(line.time);
        }
        run.command = run.command.take().or(facts.command);
        run.version = run.version.take().or(facts.version);
        run.computer = run.computer.take().or(facts.computer);
        run.failure = facts.failure.or_else(|| run.failure.take());
    }
    runs
}

#[derive(PartialEq, Eq, Default)]
struct Facts {
    command: Option<String>,
    version: Option<String>,
    computer: Option<String>,
    failure: Option<String>,
}

fn facts_in(line: Line<'_>) -> Facts {
    let command = behind(line.text, "Command line:")
        .or_else(|| behind(line.text, "commandLine,"))
        .map(|command| without_key(&clean(command)))
        .filter(|c| !c.is_empty());
    let computer = ["computerName,", "Computer name:", "Computer:"]
        .iter()
        .find_map(|words| behind(line.text, words))
        .and_then(computer_name);
    let version = ["productVersion,", "USMT version", "scanstate version", "loadstate version"]
        .iter()
        .find_map(|words| behind(line.text, words))
        .and_then(version_in);
    Facts { command, version, computer, failure: failure(line.text) }
}

/// A key on the command line decrypts the store: never show or log it.
pub(crate) fn without_key(command: &str) -> String {
    match behind(command, "/key:") {
        None => command.to_owned(),
        Some(rest) => {
            let before = &command[..command.len() - rest.len()];
            let secret = match rest.strip_prefix('"') {
                Some(quoted) => quoted.find('"').map_or(rest.len(), |at| at + 2),
                None => rest.find(' ').unwrap_or(rest.len()),
            };
            format!("{before}***{}", &rest[secret..])
        }
    }
}

/// Published messages of failed runs, and return codes other than 0.
fn failure(text: &str) -> Option<String> {
    let failed = ["Unable to Complete Migration", "Migration failed to complete"];
    let is_failure = failed.iter().any(|words| behind(text, words).is_some())
        || behind(text, "return code")
            .map(|rest| rest.trim_start_matches([':', '=', ' ']))
            .map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default())
            .and_then(|digits| digits.parse::<u32>().ok())
            .is_some_and(|code| code != 0);
    is_failure.then(|| clean(message(text)))
}

/// A line of USMT without its time and kind: `Error [0x000000] …`.
fn message(text: &str) -> &str {
    let start = text.get(..60).unwrap_or(text).find('[').filter(|at| {
        let rest = &text[*at..];
        rest.starts_with("[0x") && rest.get(..12).is_some_and(|tag| tag.contains(']'))
    });
    start.and_then(|at| text[at..].split_once(']')).map_or(text, |(_, message)| message)
}

/// A dotted number of at least three parts: `10.0.19041.1`.
fn version_in(text: &str) -> Option<String> {
    text.split(|c: char| !c.is_ascii_digit() && c != '.')
        .map(|word| word.trim_matches('.'))
        .find(|word| word.len() <= 32 && word.split('.').filter(|n| !n.is_empty()).count() >= 3)
        .map(str::to_owned)
}

/// The first word, if it is a possible computer name.
pub(super) fn computer_name(text: &str) -> Option<String> {
    let word = text.trim_start_matches([' ', '"', '\'', '=', ':']);
    let end = word.find(|c: char| !(c.is_alphanumeric() || matches!(c, '-' | '_')));
    let name = &word[..end.unwrap_or(word.len())];
    (!name.is_empty() && name.len() <= 63).then(|| name.to_owned())
}

/// The text after `words`, ignoring ASCII case.
pub(super) fn behind<'a>(text: &'a str, words: &str) -> Option<&'a str> {
    let (text_bytes, words) = (text.as_bytes(), words.as_bytes());
    let at = text_bytes.windows(words.len()).position(|w| w.eq_ignore_ascii_case(words))?;
    text.get(at + words.len()..)
}

#[cfg(test)]
mod tests {
    use super::super::lines::lines;
    use super::*;

    const LOG: &str = "\
2023-11-14 15:02:11, Info                  [0x000000] USMT Started at 2023/11/14:15:02:11.401\r
2023-11-14 15:02:11, Info                  [0x000000] Command line: scanstate.exe \"C:\\StateStore\" /o /hardlink /nocompress\r
2023-11-14 15:02:12, Info                  [0x000000] USMT version 10.0.19041.1\r
2023-11-14 15:02:12, Info                  [0x000000] Computer: PC-0815\r
2023-11-14 15:09:40, Info                  [0x000000] USMT Completed at 2023/11/14:15:09:40.112\r
2023-11-15 09:00:00, Info                  [0x000000] USMT Started at 2023/11/15:09:00:00.000\r
2023-11-15 09:00:00, Info                  [0x000000] Command line: scanstate.exe D:\\Other /encrypt /key:x\r
2023-11-15 09:03:00, Error                 [0x000000] Unable to Complete Migration. MigDoMigration Failed= 0x4\r
";

    #[test]
    fn a_log_tells_of_its_runs_one_by_one() {
        let runs = runs(Tool::Scanstate, "scanstate.log", lines(LOG));
        assert_eq!(runs.len(), 2);
        let first = &runs[0];
        assert_eq!(first.completed.unwrap().to_string(), "2023-11-14 15:09:40");
        assert_eq!(first.version.as_deref(), Some("10.0.19041.1"));
        assert_eq!(first.computer.as_deref(), Some("PC-0815"));
        assert_eq!(first.failure, None);
        assert!(first.names("c:\\statestore") && !first.names("C:\\State"));
        assert!(!first.is_encrypted());
        let second = &runs[1];
        assert_eq!((second.completed, second.is_encrypted()), (None, true));
        let words = "Unable to Complete Migration. MigDoMigration Failed= 0x4";
        assert_eq!(second.failure.as_deref(), Some(words));
    }

    #[test]
    fn a_key_is_not_repeated() {
        let shown = |c: &str| without_key(c);
        assert_eq!(shown("scanstate C:\\a /key:x1 /c"), "scanstate C:\\a /key:*** /c");
        assert_eq!(shown("scanstate /KEY:\"a b\" /c"), "scanstate /KEY:*** /c");
        assert_eq!(shown("scanstate /key:\"a b"), "scanstate /key:***");
        assert_eq!(shown("scanstate /keyfile:k.txt"), "scanstate /keyfile:k.txt");
    }

    #[test]
    fn a_return_code_is_a_failure_unless_it_is_0() {
        assert_eq!(failure("ScanState return code: 0"), None);
        assert_eq!(failure("return code"), None);
        assert_eq!(
            failure("ScanState return code: 26").as_deref(),
            Some("ScanState return code: 26")
        );
    }

    #[test]
    fn a_log_that_says_nothing_tells_of_no_run() {
        assert_eq!(runs(Tool::Scanstate, "x", lines("\u{0}garbage\nmore [0x garbage")), []);
    }
}
