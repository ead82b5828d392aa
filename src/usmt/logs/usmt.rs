//! Reads USMT's own logs: `scanstate.log`, `USMTcapture.log`, `loadstate.log`.
//! Their format is not documented. This module looks for lines of published
//! logs; what it does not find stays unknown.

use super::lines::Line;
use super::text::{LINE_BYTES, clean};
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
    /// The first line about a failure, verbatim.
    pub failure: Option<String>,
    /// The errors that the tool ignored (`/c`), as it counts them; `None` if the
    /// log does not say.
    pub ignored: Option<u64>,
    /// What the table at the end of the log lists: a line for each error code.
    pub errors: Vec<UsmtError>,
    /// Files that the log names in a read or write error, at most 100.
    pub error_files: Vec<String>,
    /// Profiles that the tool ignored because their account was not found.
    pub ignored_profiles: IgnoredProfiles,
    /// An earlier run in the same log that failed: its time and its words.
    pub earlier_failure: Option<String>,
    /// Part of the log is zeros: lines were lost.
    pub has_lost_lines: bool,
}

/// A row of the table `USMT ERROR SUMMARY`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UsmtError {
    /// The error code of Windows.
    pub code: u64,
    /// Whether the tool stopped because of it.
    pub is_abort: bool,
    /// How often it occurred.
    pub count: u64,
    /// The first occurrence, verbatim: it has the file's path.
    pub first: String,
}

/// Profiles that are not in the store, although they were on the PC.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct IgnoredProfiles {
    /// Their SIDs, as far as the log names them, at most 100.
    pub sids: Vec<String>,
    /// All of them, each SID once.
    pub count: u64,
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

/// The tool's verdict of a run that failed.
const FAILED: &str = "Failed.";
/// The number of runs that are kept.
const MAX_RUNS: usize = 100;
/// The number of rows, files and SIDs of a run that are kept.
const MAX_LISTED: usize = 100;

/// The runs in a log: USMT appends to an existing log.
pub(super) fn runs<'a>(
    tool: Tool,
    log: &str,
    lines: impl Iterator<Item = Line<'a>>,
) -> Vec<UsmtRun> {
    let mut reader = Reader {
        tool,
        log,
        runs: Vec::new(),
        preamble: None,
        after: After::Nothing,
        is_failed_by_code: false,
        is_judged: false,
    };
    for line in lines {
        reader.take(line);
    }
    reader.finish()
}

/// The line before may go on in the next one, which then has no time.
#[derive(Clone, Copy, PartialEq, Eq)]
enum After {
    Nothing,
    /// `Command line: ...`
    Command,
    /// A row of the table.
    Row,
    /// An ignored profile; its SID has not been seen.
    Profile,
}

struct Reader<'l> {
    tool: Tool,
    log: &'l str,
    runs: Vec<UsmtRun>,
    /// `SCANSTATE.EXE Version 10.0.19041` stands before the line with which a
    /// run begins.
    preamble: Option<(Option<LogTime>, Option<String>)>,
    after: After,
    /// Whether the failure is only a return code in some line.
    is_failed_by_code: bool,
    /// Whether the current run has the tool's own verdict.
    is_judged: bool,
}

impl Reader<'_> {
    fn begin(&mut self, started: Option<LogTime>) {
        if self.runs.len() == MAX_RUNS {
            self.runs.remove(0);
        }
        self.runs.push(UsmtRun {
            tool: self.tool,
            log: self.log.to_owned(),
            started,
            completed: None,
            version: None,
            command: None,
            computer: None,
            failure: None,
            ignored: None,
            errors: Vec::new(),
            error_files: Vec::new(),
            ignored_profiles: IgnoredProfiles::default(),
            earlier_failure: None,
            has_lost_lines: false,
        });
        (self.is_failed_by_code, self.is_judged) = (false, false);
        if let (Some((time, version)), Some(run)) = (self.preamble.take(), self.runs.last_mut()) {
            run.started = run.started.or(time);
            run.version = version;
        }
    }

    /// The current run. Lines of a run whose start is lost begin one.
    fn run(&mut self, time: Option<LogTime>) -> Option<&mut UsmtRun> {
        if self.runs.is_empty() {
            self.begin(time);
        }
        self.runs.last_mut()
    }

    /// A second verdict is of another run, whose start is lost: only the start
    /// and the end of a long log are read. It is taken to be of the same
    /// command line (inferred).
    fn judged(&mut self, time: Option<LogTime>) {
        if self.is_judged && self.runs.last().is_some_and(|run| run.completed.is_some()) {
            let command = self.runs.last().and_then(|run| run.command.clone());
            self.begin(None);
            if let Some(run) = self.runs.last_mut() {
                run.command = command;
            }
        }
        self.run(time);
        self.is_judged = true;
    }

    fn take(&mut self, line: Line<'_>) {
        let told = |words: &str| behind(line.text, words);
        let after = std::mem::replace(&mut self.after, After::Nothing);
        let tagged = message(line.text);
        let message = without_gle(tagged);
        // An entry has a time, or at least a tag.
        let is_entry = line.time.is_some() || tagged.len() < line.text.len();
        if !is_entry && self.goes_on(after, line.text) {
            return;
        }
        if let Some(at) = told("USMT Started at") {
            return self.begin(LogTime::year_first(at.trim_start()).or(line.time));
        }
        for (words, tool) in
            [("SCANSTATE.EXE Version", Tool::Scanstate), ("LOADSTATE.EXE Version", Tool::Loadstate)]
        {
            if let Some(version) = told(words) {
                self.tool = tool;
                self.preamble = Some((line.time, version_in(version)));
                return;
            }
        }
        if let Some(at) = told("USMT Completed at") {
            let completed = LogTime::year_first(at.trim_start()).or(line.time);
            if let Some(run) = self.run(line.time) {
                run.completed = completed;
            }
            self.is_judged = true;
            return;
        }
        if let Some(ignored) = success(message) {
            self.judged(line.time);
            let is_weak = std::mem::take(&mut self.is_failed_by_code);
            if let Some(run) = self.run(line.time) {
                run.ignored = Some(ignored);
                // The tool's own word outranks a code in some line.
                if is_weak {
                    run.failure = None;
                }
            }
            return;
        }
        if message == FAILED {
            self.judged(line.time);
            self.is_failed_by_code = false;
            if let Some(run) = self.run(line.time) {
                run.failure.get_or_insert_with(|| message.to_owned());
            }
            return;
        }
        if let Some(row) = row(message) {
            self.after = After::Row;
            if let Some(run) = self.run(line.time) {
                // It says more than the verdict.
                if row.is_abort && run.failure.as_deref().is_none_or(|said| said == FAILED) {
                    run.failure = Some(row.first.clone());
                }
                if run.errors.len() < MAX_LISTED {
                    run.errors.push(row);
                }
            }
            return;
        }
        if told("[0x0803ba]").is_some()
            || told("Found valid profile but can't get user credentials").is_some()
        {
            let sid = sid_in(line.text);
            self.after = if sid.is_some() { After::Nothing } else { After::Profile };
            if let Some(run) = self.run(line.time) {
                run.ignored_profiles.add(sid);
            }
            return;
        }
        if let Some(file) = error_file(message)
            && let Some(run) = self.run(line.time)
            && run.error_files.len() < MAX_LISTED
            && !run.error_files.contains(&file)
        {
            run.error_files.push(file);
        }
        self.facts(line);
    }

    /// Whether `text`, without a time, continues the line before.
    fn goes_on(&mut self, after: After, text: &str) -> bool {
        let Some(run) = self.runs.last_mut() else { return false };
        let text = without_gle(text);
        match after {
            After::Nothing => return false,
            After::Command => {
                let Some(command) = &mut run.command else { return false };
                if !text.trim_start().starts_with(['/', '"']) || command.len() >= LINE_BYTES {
                    return false;
                }
                // A key may stand on either side of the break.
                *command = without_key(&clean(&format!("{command} {}", text.trim())));
            }
            After::Row => {
                let Some(row) = run.errors.last_mut() else { return false };
                if text.trim_start().starts_with(['|', '+', '*']) || row.first.len() >= LINE_BYTES {
                    return false;
                }
                row.first = kept(&format!("{} {}", row.first, text.trim()));
            }
            After::Profile => {
                let Some(sid) = sid_in(text) else { return false };
                run.ignored_profiles.name(sid);
                return true;
            }
        }
        self.after = after;
        true
    }

    fn facts(&mut self, line: Line<'_>) {
        let facts = facts_in(line);
        if facts == Facts::default() {
            return;
        }
        if facts.command.is_some() {
            self.after = After::Command;
        }
        // The first reason says most; only a code or the bare verdict gives way.
        let said = self.runs.last().and_then(|run| run.failure.as_deref());
        let gives_way = match said {
            None => true,
            Some(said) => (self.is_failed_by_code || said == FAILED) && !facts.is_weak,
        };
        if facts.failure.is_some() && gives_way {
            self.is_failed_by_code = facts.is_weak;
        }
        let Some(run) = self.run(line.time) else { return };
        run.command = run.command.take().or(facts.command);
        run.version = run.version.take().or(facts.version);
        run.computer = run.computer.take().or(facts.computer);
        if gives_way {
            run.failure = facts.failure.or_else(|| run.failure.take());
        }
    }

    fn finish(mut self) -> Vec<UsmtRun> {
        if self.preamble.is_some() {
            self.begin(None); // the log breaks off before the next line
        }
        let mut earlier: Option<String> = None;
        for run in &mut self.runs {
            run.earlier_failure.clone_from(&earlier);
            if let Some(failure) = &run.failure {
                let time = run.completed.or(run.started);
                let time = time.map_or_else(|| "at an unknown time".to_owned(), |t| t.to_string());
                earlier = Some(format!("{time}: {failure}"));
            }
        }
        self.runs
    }
}

impl IgnoredProfiles {
    fn add(&mut self, sid: Option<String>) {
        match sid {
            Some(sid) if self.sids.contains(&sid) => return,
            Some(sid) if self.sids.len() < MAX_LISTED => self.sids.push(sid),
            _ => {}
        }
        self.count = self.count.saturating_add(1);
    }

    /// Names the profile that was added last.
    fn name(&mut self, sid: String) {
        if self.sids.contains(&sid) {
            self.count = self.count.saturating_sub(1);
        } else if self.sids.len() < MAX_LISTED {
            self.sids.push(sid);
        }
    }
}

/// The number of ignored errors in the tool's verdict `Success.` or `Success, 37
/// errors ignored.`
fn success(message: &str) -> Option<u64> {
    let rest = message.strip_prefix("Success")?;
    if matches!(rest, "" | ".") {
        return Some(0);
    }
    let (number, rest) = rest.strip_prefix(", ")?.split_once(' ')?;
    number.parse().ok().filter(|_| rest.starts_with("error"))
}

/// A row of the table: `| 395 | No | 37 | Read error 395 for C:\...`.
fn row(message: &str) -> Option<UsmtError> {
    let mut cells = message.trim_start().strip_prefix('|')?.splitn(4, '|').map(str::trim);
    let (code, abort, count) = (cells.next()?, cells.next()?, cells.next()?);
    Some(UsmtError {
        code: number(code)?,
        is_abort: abort.eq_ignore_ascii_case("yes"),
        count: number(count)?,
        first: kept(cells.next()?),
    })
}

/// A decimal number, or a hexadecimal one after `0x`.
fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

/// The path in `Read error 395 for C:\...` and `Write error 112 for ...`.
fn error_file(message: &str) -> Option<String> {
    let rest = ["Read error ", "Write error "].iter().find_map(|w| message.strip_prefix(w))?;
    let (code, file) = rest.split_once(" for ")?;
    let file = kept(file);
    (number(code).is_some() && !file.is_empty()).then_some(file)
}

/// The SID of a user in a line.
fn sid_in(text: &str) -> Option<String> {
    let at = text.find("S-1-")?;
    let sid = text[at + 1..].split(|c: char| c != '-' && !c.is_ascii_digit()).next()?;
    // MS-DTYP 2.4.2: at most 15 sub-authorities of 10 digits.
    let is_sid = sid.len() <= 190 && sid.matches('-').count() >= 3;
    is_sid.then(|| format!("S{}", sid.trim_end_matches('-')))
}

/// A text from a log, for display.
fn kept(text: &str) -> String {
    without_key(&clean(without_gle(text)))
}

/// A message without `[gle=0x00000091]` at its end: the last error of Windows.
fn without_gle(message: &str) -> &str {
    let message = message.trim();
    match message.rfind("[gle=") {
        Some(at) if message.ends_with(']') && message.len() - at <= 20 => message[..at].trim_end(),
        _ => message,
    }
}

#[derive(PartialEq, Eq, Default)]
struct Facts {
    command: Option<String>,
    version: Option<String>,
    computer: Option<String>,
    failure: Option<String>,
    /// Whether the failure is only a return code.
    is_weak: bool,
}

fn facts_in(line: Line<'_>) -> Facts {
    let command = behind(line.text, "Command line:")
        .or_else(|| behind(line.text, "commandLine,"))
        .map(kept)
        .filter(|c| !c.is_empty());
    let computer = ["computerName,", "Computer name:", "Computer:"]
        .iter()
        .find_map(|words| behind(line.text, words))
        .and_then(computer_name);
    let version = ["productVersion,", "USMT version", "scanstate version", "loadstate version"]
        .iter()
        .find_map(|words| behind(line.text, words))
        .and_then(version_in);
    let (failure, is_weak) = failure(line.text).unzip();
    Facts { command, version, computer, failure, is_weak: is_weak.unwrap_or(false) }
}

/// A key on the command line decrypts the store: never show or log it. USMT
/// accepts `/key:KEY` and `/key KEY` ("ScanState syntax").
pub(crate) fn without_key(command: &str) -> String {
    let mut shown = String::with_capacity(command.len());
    let mut rest = command;
    while let Some(after) = behind(rest, "/key") {
        let (before, _) = rest.split_at(rest.len() - after.len());
        shown.push_str(before);
        rest = after;
        let secret = match after.strip_prefix([':', ' ', '\t']) {
            Some(secret) => secret.trim_start_matches([' ', '\t']),
            None if after.is_empty() => "",
            None => continue, // /keyfile
        };
        shown.push_str(&after[..after.len() - secret.len()]);
        // "/key:a b" and /key:"a b"
        let is_inside = before.len() >= 5 && before[..before.len() - 4].ends_with('"');
        let end = match secret.strip_prefix('"') {
            Some(quoted) => quoted.find('"').map_or(secret.len(), |at| at + 2),
            None if is_inside => secret.find('"').unwrap_or(secret.len()),
            None => secret.find(char::is_whitespace).unwrap_or(secret.len()),
        };
        if end > 0 {
            shown.push_str("***");
        }
        rest = &secret[end..];
    }
    shown.push_str(rest);
    shown
}

/// Published messages of failed runs, and return codes other than 0. `true` if
/// it is only a return code, which may be that of another program.
fn failure(text: &str) -> Option<(String, bool)> {
    let failed = [
        "Unable to Complete Migration",
        "Migration failed to complete",
        "An error occurred processing the command line",
    ];
    // `Unable to process object C:\a -> 733, aborting...`
    let is_abort = behind(text, "Unable to process object")
        .is_some_and(|object| behind(object, ", aborting").is_some());
    if is_abort || failed.iter().any(|words| behind(text, words).is_some()) {
        return Some((kept(message(text)), false));
    }
    let is_code = behind(text, "return code")
        .map(|rest| rest.trim_start_matches([':', '=', ' ']))
        .map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default())
        .and_then(|digits| digits.parse::<u32>().ok())
        .is_some_and(|code| code != 0);
    is_code.then(|| (kept(message(text)), true))
}

/// A line of USMT without its time and kind: `Error [0x000000] ...`.
fn message(text: &str) -> &str {
    const TAG: usize = "[0x000000]".len();
    let Some(at) = text.find("[0x").filter(|at| *at <= 120) else { return text };
    match text.as_bytes().get(at + TAG - 1) {
        Some(b']') => &text[at + TAG..],
        _ => text,
    }
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
        assert_eq!(shown("scanstate /key x1 /c"), "scanstate /key *** /c");
        assert_eq!(shown("scanstate \"/key:a b\" /c"), "scanstate \"/key:***\" /c");
        assert_eq!(shown("/key:a /key \"b c\" d"), "/key:*** /key *** d");
        assert_eq!(shown("/keyfile:k /key:"), "/keyfile:k /key:");
    }

    #[test]
    fn a_return_code_is_a_failure_unless_it_is_0() {
        assert_eq!(failure("ScanState return code: 0"), None);
        assert_eq!(failure("return code"), None);
        let words = "ScanState return code: 26";
        assert_eq!(failure(words), Some((words.to_owned(), true)));
    }

    #[test]
    fn a_log_that_says_nothing_tells_of_no_run() {
        assert_eq!(runs(Tool::Scanstate, "x", lines("\u{0}garbage\nmore [0x garbage")), []);
    }

    fn entry(words: &str) -> String {
        format!("2024-02-03 10:00:00, Info                  [0x000000] {words}\r\n")
    }

    /// A run: its version line first, its verdict near its end.
    fn run_of(tool: &str, verdict: &str, behind_it: &[&str]) -> String {
        let mut text = entry(&format!("{tool}.EXE Version 10.0.19041[gle=0x000000b7]"));
        text += &entry("USMT Started at 2024/02/03:10:00:00.001");
        text += &entry(&format!("Command line: C:\\u\\{tool}.exe C:\\StateStore /c"));
        text += &entry(verdict);
        text += &entry("USMT Completed at 2024/02/03:10:20:00.002[gle=0x00000091]");
        for words in behind_it {
            text += &entry(words);
        }
        text
    }

    fn read(text: &str) -> Vec<UsmtRun> {
        runs(Tool::Scanstate, "scanstate.log", lines(text))
    }

    #[test]
    fn the_version_before_the_start_belongs_to_the_run() {
        let text = run_of("SCANSTATE", "Success.[gle=0x00000000]", &[]);
        let found = read(&text);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].version.as_deref(), Some("10.0.19041"));
        assert_eq!((&found[0].failure, found[0].ignored), (&None, Some(0)));
        assert!(found[0].completed.is_some() && found[0].names("C:\\StateStore"));
        // The next run has only its version: it broke off.
        let found = read(&(text.clone() + &entry("SCANSTATE.EXE Version 10.0.22621")));
        assert_eq!(found.len(), 2);
        assert_eq!((found[1].completed, found[1].version.as_deref()), (None, Some("10.0.22621")));
        assert!(found[1].started.is_some());
        // What a log is called is not always what wrote it.
        assert_eq!(read(&run_of("LOADSTATE", "Success.", &[]))[0].tool, Tool::Loadstate);
    }

    #[test]
    fn ignored_errors_and_their_files_are_read_from_the_table() {
        let table = [
            "-------- USMT ERROR SUMMARY --------",
            "| Error Code | Caused Abort | Recurrence | First Occurence",
            "|        395 |           No |         37 | Read error 395 for C:\\Users\\ida\\One - X\\a.txt[gle=0x1]",
            "|     0x0005 |           No |          2 | Write error 5 for File | C:\\b",
            "+-----",
            "| - Check the log",
        ];
        let words = "Success, 39 errors ignored. See the log for more information.[gle=0x00000091]";
        let found = read(&run_of("SCANSTATE", words, &table)).remove(0);
        assert_eq!((found.ignored, &found.failure), (Some(39), &None));
        let rows: Vec<_> = found.errors.iter().map(|e| (e.code, e.count, &*e.first)).collect();
        assert_eq!(
            rows,
            [
                (395, 37, "Read error 395 for C:\\Users\\ida\\One - X\\a.txt"),
                (5, 2, "Write error 5 for File | C:\\b")
            ]
        );
    }

    #[test]
    fn a_run_that_says_failed_and_then_completed_failed() {
        let found = read(&run_of("SCANSTATE", "Failed.[gle=0x00000002]", &[])).remove(0);
        assert_eq!(found.failure.as_deref(), Some("Failed."));
        assert!(found.completed.is_some());
        // The reason says more than the verdict, whichever comes first.
        let reason = "An error occurred processing the command line.";
        for text in [
            entry("USMT Started at 2024/02/03:10:00:00.001") + &entry("Failed.") + &entry(reason),
            entry("USMT Started at 2024/02/03:10:00:00.001") + &entry(reason) + &entry("Failed."),
        ] {
            assert_eq!(read(&text)[0].failure.as_deref(), Some(reason));
        }
        let row = "| 112 | Yes | 1 | Write error 112 for C:\\a";
        for verdict in ["x", "Failed.[gle=0x00000070]"] {
            let found = read(&run_of("SCANSTATE", verdict, &[row])).remove(0);
            assert_eq!(found.failure.as_deref(), Some("Write error 112 for C:\\a"));
        }
        // The first reason says most.
        let text = "Unable to process object C:\\a -> 7, aborting...\n".to_owned()
            + "Unable to Complete Migration. MigDoMigration Failed= 0x4\n";
        let found = read(&text).remove(0);
        assert_eq!(
            found.failure.as_deref(),
            Some("Unable to process object C:\\a -> 7, aborting...")
        );
        assert_eq!(read("Unable to process object C:\\a -> 7, ignoring"), []);
        // A code of some plug-in is not the verdict.
        let text = entry("plug-in x: return code: 5") + &run_of("SCANSTATE", "Success.", &[]);
        assert_eq!(read(&text).last().unwrap().failure, None);
        let text = run_of("SCANSTATE", "return code = 5\r\nSuccess.", &[]);
        assert_eq!(read(&text)[0].failure, None);
    }

    #[test]
    fn the_last_run_counts_and_the_earlier_failure_is_kept() {
        let text = run_of("SCANSTATE", "Failed.", &[]) + &run_of("SCANSTATE", "Success.", &[]);
        let found = read(&text);
        assert_eq!((found.len(), &found[1].failure), (2, &None));
        assert_eq!(found[1].earlier_failure.as_deref(), Some("2024-02-03 10:20:00: Failed."));
        // The start of the second run is in the middle of a long log.
        let text = run_of("SCANSTATE", "Success.", &[])
            + &entry("Failed.[gle=0x2]")
            + &entry("USMT Completed at 2024/02/04:10:20:00.002");
        let found = read(&text);
        assert_eq!(found.len(), 2);
        assert!(found[1].failure.is_some() && found[1].names("C:\\StateStore"));
        assert_eq!(found[0].failure, None);
    }

    #[test]
    fn ignored_profiles_are_listed_by_sid() {
        let words = "Will ignore due to error code: 0x00000534";
        let warning = |rest: &str| {
            format!(
                "2024-02-03 10:00:00, Warning               [0x0803ba] Found valid profile but \
                 can't get user credentials. {words}{rest}\n"
            )
        };
        let text = entry("USMT Started at 2024/02/03:10:00:00.001")
            + &warning(" User SID: S-1-5-21-1-2-3-1640[gle=0x000000cb]")
            + &warning("\nUser SID: S-1-5-21-1-2-3-1641[gle=0x000000cb]")
            + &warning(" User SID: S-1-5-21-1-2-3-1640")
            + &warning("");
        let found = read(&text).remove(0).ignored_profiles;
        assert_eq!(found.sids, ["S-1-5-21-1-2-3-1640", "S-1-5-21-1-2-3-1641"]);
        assert_eq!(found.count, 3);
    }

    #[test]
    fn entries_without_a_time_are_told_apart_by_their_tag() {
        let entry = |words: &str| format!("Info                  [0x000000] {words}\n");
        let text = entry("| 395 | No | 2 | Read error 395 for C:\\a")
            + "and more of it\n"
            + &entry("| 5 | No | 1 | Write error 5 for C:\\b")
            + &entry("Failed.");
        let found = read(&text).remove(0);
        let rows: Vec<_> = found.errors.iter().map(|e| &*e.first).collect();
        assert_eq!(rows, ["Read error 395 for C:\\a and more of it", "Write error 5 for C:\\b"]);
        assert_eq!(found.failure.as_deref(), Some("Failed."));
    }

    #[test]
    fn a_command_line_may_go_over_lines() {
        let text = entry("USMT Started at 2024/02/03:10:00:00.001")
            + "2024-02-03 10:00:00, Info [0x000000] Command line: scanstate.exe C:\\StateStore /key \n \
               /l:a.log \"/key:b c\"\n /c\n"
            + &entry("/not: of it");
        let command = read(&text).remove(0).command.unwrap();
        assert_eq!(command, "scanstate.exe C:\\StateStore /key *** \"/key:***\" /c");
    }

    #[test]
    fn what_a_run_keeps_is_bounded() {
        let mut text = entry("USMT Started at 2024/02/03:10:00:00.001");
        for number in 0..300 {
            text += &entry(&format!("Read error 5 for C:\\{number}"));
            text += &entry(&format!("| 5 | No | 1 | Read error 5 for {}", "x".repeat(9000)));
            text.extend(["[0x0803ba] S-1-5-21-1-1-1-", &number.to_string(), "\n"]);
            text.extend([&*"y".repeat(9000), "\n"]);
        }
        let found = read(&text).remove(0);
        assert_eq!((found.errors.len(), found.error_files.len()), (100, 100));
        assert_eq!((found.ignored_profiles.sids.len(), found.ignored_profiles.count), (100, 300));
        assert!(found.errors.iter().all(|row| row.first.len() <= 2 * LINE_BYTES));
    }
}
