//! Prints everything: text for people, or JSON events for programs; the
//! progress bar (`bar.rs`); the log file (`log.rs`).

mod bar;
pub(crate) mod colour;
pub(crate) mod live;
mod log;
mod steps;

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use bar::Bar;
use colour::Tone;
use live::Live;
use serde::Serialize;
use serde_json::{Value, json};
use steps::Steps;

use super::args::Global;
use super::exit::{Exit, Failure};
use super::output::log::Log;
use crate::model::finding::{Finding, Severity};
use crate::model::loss::Loss;
use crate::model::monitor::{Monitor, Progress, Stage};
use crate::model::text::visible;
use crate::model::threads;

/// Set by Ctrl-C: jobs stop after the current block.
static CANCELLED: AtomicBool = AtomicBool::new(false);
/// A line could not be written to standard output, as to a full disk.
static UNPRINTED: AtomicBool = AtomicBool::new(false);

/// Whether something that was printed is not where it should be.
pub(crate) fn is_output_cut() -> bool {
    UNPRINTED.load(Ordering::Relaxed)
}

/// Prints a line on standard output. A closed pipe is not an error: whoever read it has enough.
fn put(line: &dyn std::fmt::Display) {
    if let Err(error) = writeln!(std::io::stdout(), "{line}")
        && error.kind() != std::io::ErrorKind::BrokenPipe
    {
        UNPRINTED.store(true, Ordering::Relaxed);
    }
}

/// Stops the jobs, as Ctrl-C does.
pub(crate) fn cancel() {
    CANCELLED.store(true, Ordering::Relaxed);
}

/// Whether the jobs were stopped.
pub(crate) fn is_cancelled() -> bool {
    CANCELLED.load(Ordering::Relaxed)
}

/// What answers Ctrl-C, once there is one.
static ANSWERS: OnceLock<Out> = OnceLock::new();

/// Removes the progress bar, which would be drawn over what is typed.
pub(crate) fn clear_bar() {
    if let Some(out) = ANSWERS.get() {
        out.clear();
    }
}

/// The interval between progress events.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);

/// The one [`Output`] of the process; it lives as long as the process does.
pub(crate) type Out = &'static Output;

/// Where output goes.
#[allow(clippy::struct_excessive_bools)] // independent switches
pub(crate) struct Output {
    json: bool,
    quiet: bool,
    verbose: bool,
    log: Option<Mutex<Log>>,
    bar: Bar,
    /// Whether standard output is a terminal.
    on_terminal: bool,
    /// Whether standard output and standard error take colours.
    colours: (bool, bool),
    state: Mutex<State>,
    /// What the guided rescue shows. While it has the screen, nothing else is
    /// printed.
    live: Live,
    on_screen: AtomicBool,
}

struct State {
    stage: &'static str,
    /// Where the command is on its way.
    steps: Steps,
    last_event: Option<Instant>,
    /// Findings with severity warning or worse.
    doubts: u64,
    losses: u64,
}

impl Output {
    /// Opens the log and catches Ctrl-C.
    pub(crate) fn open(global: &Global) -> std::io::Result<Out> {
        let log = match &global.log {
            Some(path) => Some(Mutex::new(Log::new(log::open(path)?))),
            None => None,
        };
        // Without a handler, Ctrl-C ends the program at once. Nothing is lost.
        let _ = ctrlc::set_handler(|| {
            if CANCELLED.swap(true, Ordering::SeqCst) {
                // Pressed again: do not wait for a server that does not answer.
                // The set can be resumed from the last checkpoint in any case.
                std::process::exit(i32::from(Exit::Interrupted.code()));
            }
            if let Some(out) = ANSWERS.get() {
                out.answer_stop();
            }
        });
        let show_bar = !global.json && !global.quiet && std::io::stderr().is_terminal();
        let out: Out = Box::leak(Box::new(Self {
            json: global.json,
            quiet: global.quiet,
            verbose: global.verbose,
            log,
            bar: Bar::new(show_bar),
            on_terminal: std::io::stdout().is_terminal(),
            colours: (
                colour::is_on(std::io::stdout().is_terminal()),
                colour::is_on(std::io::stderr().is_terminal()),
            ),
            state: Mutex::new(State {
                stage: "",
                steps: Steps::default(),
                last_event: None,
                doubts: 0,
                losses: 0,
            }),
            live: Live::default(),
            on_screen: AtomicBool::new(false),
        }));
        let _ = ANSWERS.set(out);
        if show_bar {
            // Without it, only the sign of life is missing.
            let _ = threads::start("bar", || out.bar.turn());
        }
        Ok(out)
    }

    /// From now on this command runs, which has steps of its own.
    pub(crate) fn begin(&self, command: &str) {
        if let Ok(mut state) = self.state.lock() {
            state.steps = Steps::of(command);
        }
    }

    /// Says at once that Ctrl-C was seen: the block that is worked on may take a while.
    fn answer_stop(&self) {
        let text = "Stopping after the current block. Press Ctrl-C again to stop now.";
        self.log(Importance::Warning, text);
        self.event("note", &json!({"text": text}));
        if self.prints() {
            self.bar.suspend(|| {
                let _ = writeln!(std::io::stderr(), "{text}");
            });
        }
    }

    /// The guided rescue takes the screen, or returns it.
    pub(crate) fn take_screen(&self, taken: bool) {
        self.on_screen.store(taken, Ordering::SeqCst);
        if taken {
            self.bar.hide();
        }
    }

    /// What the guided rescue shows.
    pub(crate) fn live(&self) -> &Live {
        &self.live
    }

    /// The first lines of the log: the version and the command line.
    pub(crate) fn begin_log(&self, words: impl Iterator<Item = OsString>) {
        let words: Vec<String> = words.map(|word| loggable(&word.to_string_lossy())).collect();
        let system = (std::env::consts::OS, std::env::consts::ARCH);
        let version = env!("CARGO_PKG_VERSION");
        self.log(Importance::Info, &format!("Lifeboat {version} ({} {})", system.0, system.1));
        self.log(Importance::Info, &format!("Command line: lifeboat {}", words.join(" ")));
    }

    /// The last event: the result, and the numbers of findings and losses.
    pub(crate) fn summary(&self, command: &str, exit: Exit) {
        let text = format!("Ended with exit code {} ({})", exit.code(), exit.word());
        self.log(if exit == Exit::Done { Importance::Info } else { Importance::Error }, &text);
        let (doubts, losses) = self.state.lock().map_or((0, 0), |s| (s.doubts, s.losses));
        self.event(
            "summary",
            &json!({
                "command": command,
                "exit_code": exit.code(),
                "result": exit.word(),
                "warnings": doubts,
                "losses": losses,
            }),
        );
    }

    /// Whether text for people is printed line by line.
    fn prints(&self) -> bool {
        !self.json && !self.on_screen.load(Ordering::SeqCst)
    }

    /// Whether events go to programs.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// A result for people: always printed, on standard output.
    pub(crate) fn result(&self, text: &str) {
        self.log(Importance::Info, text);
        self.print(&visible(text));
    }

    /// Prints a result that has no foreign characters left.
    fn print(&self, text: &str) {
        if self.prints() {
            let print = || put(&text);
            // Lines for a file or a pipe do not collide with the bar.
            if self.on_terminal { self.bar.suspend(print) } else { print() }
        }
    }

    /// A result with a label, wrapped to the width of a terminal.
    pub(crate) fn field(&self, label: &str, text: &str) {
        let label = format!("  {label:<8} ");
        self.log(Importance::Info, &format!("{label}{text}"));
        self.print(&wrapped(&label, &" ".repeat(label.len()), &visible(text)));
    }

    /// A result that begins with a verdict, in its colour.
    pub(crate) fn verdict(&self, word: &str, tone: Tone, rest: &str) {
        self.log(Importance::Info, &format!("{word}{rest}"));
        self.print_verdict(word, tone, rest);
    }

    /// The same without the log, which has it already.
    pub(crate) fn print_verdict(&self, word: &str, tone: Tone, rest: &str) {
        self.print(&format!("{}{}", tone.paint(word, self.colours.0), visible(rest)));
    }

    /// A field without the log.
    pub(crate) fn print_field(&self, label: &str, text: &str) {
        let label = format!("  {label:<8} ");
        self.print(&wrapped(&label, &" ".repeat(label.len()), &visible(text)));
    }

    /// Text for people that `--quiet` suppresses.
    pub(crate) fn say(&self, text: &str) {
        if self.quiet {
            self.log(Importance::Info, text);
        } else {
            self.result(text);
        }
    }

    /// A note that is shown only with `--verbose`, in JSON and in the log.
    pub(crate) fn detail(&self, text: &str) {
        if self.verbose || self.json {
            self.note(text);
        } else {
            self.log(Importance::Info, text);
        }
    }

    /// Counts a finding, and writes it to the log and to programs, but not for people.
    pub(crate) fn unprinted(&self, finding: &Finding) {
        if finding.severity >= Severity::Warning
            && let Ok(mut state) = self.state.lock()
        {
            state.doubts += 1;
        }
        self.log(
            Importance::Warning,
            &format!("{} {}: {}: {}", finding.severity, finding.code, finding.path, finding.what),
        );
        self.event(
            "finding",
            &json!({
                "code": finding.code,
                "severity": finding.severity.as_str(),
                "path": finding.path,
                "what": finding.what,
                "meaning": finding.meaning,
                "action": finding.action,
            }),
        );
    }

    /// An event for programs. `value` must be a JSON object.
    pub(crate) fn event(&self, message_type: &str, value: &impl Serialize) {
        if !self.json {
            return;
        }
        let mut object = serde_json::Map::new();
        object.insert("message_type".into(), message_type.into());
        if let Ok(Value::Object(fields)) = serde_json::to_value(value) {
            object.extend(fields);
        }
        put(&Value::Object(object));
    }

    /// The progress of another program, as it reports it.
    pub(crate) fn percent(&self, what: &str, percent: u8) {
        if self.json {
            self.event("progress", &json!({"stage": "loadstate", "percent": percent}));
            return;
        }
        self.bar.percent(what, percent);
    }

    /// A failure: two lines on standard error, or an event.
    pub(crate) fn error(&self, what: &str, action: &str, exit_code: u8) {
        self.bar.clear();
        self.log(Importance::Error, what);
        if !action.is_empty() {
            self.log(Importance::Error, action);
        }
        if self.json {
            self.event("error", &json!({"what": what, "action": action, "exit_code": exit_code}));
        } else if self.prints() {
            say_failure(what, action, self.colours.1);
        }
    }

    /// Removes the progress bar.
    pub(crate) fn clear(&self) {
        self.bar.clear();
    }

    fn log(&self, importance: Importance, text: &str) {
        if let Some(log) = &self.log
            && let Ok(mut log) = log.lock()
        {
            log.write(importance, text);
        }
    }
}

/// A word of the command line without secrets, which should not be there, but may be by mistake:
/// the password of an address, a recovery key, an age key.
fn loggable(word: &str) -> String {
    let digits = word.chars().filter(char::is_ascii_digit).count();
    if digits >= 40 || word.to_ascii_uppercase().contains("AGE-SECRET-KEY") {
        return "(left out)".to_owned();
    }
    let address = word.split_once("://").and_then(|(scheme, rest)| {
        let (who, place) = rest.rsplit_once('@')?;
        let (user, _) = who.split_once(':')?;
        Some(format!("{scheme}://{user}:(left out)@{place}"))
    });
    let word = address.unwrap_or_else(|| word.to_owned());
    if word.contains(char::is_whitespace) { format!("\"{word}\"") } else { word }
}

/// Reports a failure before there is an [`Output`], in the same way.
pub(crate) fn fail_early(json: bool, command: &str, failure: &Failure) -> ExitCode {
    let Failure { exit, what, action, .. } = failure;
    if json {
        let code = exit.code();
        for event in [
            json!({"message_type": "error", "what": what, "action": action, "exit_code": code}),
            json!({
                "message_type": "summary",
                "command": command,
                "exit_code": code,
                "result": exit.word(),
                "warnings": 0,
                "losses": 0,
            }),
        ] {
            let _ = writeln!(std::io::stdout(), "{event}");
        }
    } else {
        say_failure(what, action, colour::is_on(std::io::stderr().is_terminal()));
    }
    (*exit).into()
}

/// A failure for people. Scripts, which read a pipe, have each part on a line.
fn say_failure(what: &str, action: &str, in_colour: bool) {
    let mut err = std::io::stderr();
    let is_terminal = err.is_terminal();
    for (label, text) in [("error: ", what), ("fix: ", action)] {
        let text = visible(text);
        let _ = match (text.is_empty(), is_terminal) {
            (true, _) => Ok(()),
            (_, true) => {
                let lines = wrapped(label, &" ".repeat(label.len()), &text);
                let tone = if label == "error: " { Tone::Bad } else { Tone::Plain };
                let rest = lines.strip_prefix(label).unwrap_or_default();
                writeln!(err, "{}{rest}", tone.paint(label, in_colour))
            }
            (_, false) => writeln!(err, "{label}{text}"),
        };
    }
}

/// The type of a log line; CMTrace colors by it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Importance {
    Info = 1,
    Warning = 2,
    Error = 3,
}

impl Output {
    fn show_note(&self, text: &str) {
        self.log(Importance::Info, text);
        self.event("note", &json!({"text": text}));
        if self.prints() && !self.quiet {
            self.bar.suspend(|| {
                let _ = writeln!(std::io::stderr(), "note: {}", visible(text));
            });
        }
    }
}

impl Output {
    /// Shows progress: programs get what was read, people how far it is.
    fn show_progress(&self, progress: Progress, done: Progress) {
        if self.json {
            let Ok(mut state) = self.state.lock() else { return };
            let now = Instant::now();
            if state.last_event.is_some_and(|last| now - last < PROGRESS_EVERY) {
                return;
            }
            state.last_event = Some(now);
            let now_doing = state.stage;
            drop(state);
            self.event(
                "progress",
                &json!({
                    "stage": now_doing,
                    "bytes": progress.bytes,
                    "total_bytes": progress.total_bytes,
                    "files": progress.files,
                    "total_files": progress.total_files,
                }),
            );
        } else {
            self.bar.progress(progress, done);
        }
    }
}

impl Monitor for Output {
    fn stage(&self, stage: Stage, on: &str) {
        let mut step = String::new();
        if let Ok(mut state) = self.state.lock() {
            state.stage = stage.as_str();
            state.last_event = None;
            step = state.steps.go_to(stage);
        }
        self.log(Importance::Info, &format!("{}: {on}", stage.as_str()));
        self.event("stage", &json!({"stage": stage.as_str(), "on": on}));
        let on_screen = format!("{step}{}: {}", words(stage), visible(on));
        self.bar.stage(on_screen.clone());
        self.live.stage(stage, on);
        if self.verbose && self.prints() && !self.quiet {
            self.bar.suspend(|| {
                let _ = writeln!(std::io::stderr(), "{on_screen}");
            });
        }
    }

    fn file(&self, path: &str) {
        self.live.file(path);
    }

    fn progress(&self, progress: Progress) {
        let done = self.live.progress(progress);
        self.show_progress(progress, done);
    }

    fn compressed(&self, bytes: u64) {
        let done = self.live.compressed(bytes);
        if !self.json && done.total_bytes > 0 {
            self.show_progress(done, done);
        }
    }
    fn finding(&self, finding: &Finding) {
        self.unprinted(finding);
        if self.prints() {
            self.bar.suspend(|| {
                let severity = format!("{:<8}", finding.severity);
                let tone = match finding.severity {
                    Severity::Info => Tone::Plain,
                    Severity::Warning => Tone::Doubtful,
                    Severity::Damage | Severity::Fatal => Tone::Bad,
                };
                let severity = tone.paint(&severity, self.colours.0);
                put(&format_args!("{severity}{}", finding.code));
                // Paths are not wrapped, so that they can be copied.
                put(&format_args!("  {}", visible(&finding.path)));
                for (label, text) in [
                    ("  ", &finding.what),
                    ("  Meaning:  ", &finding.meaning),
                    ("  Fix:      ", &finding.action),
                ] {
                    put(&wrapped(label, &" ".repeat(label.len()), &visible(text)));
                }
            });
        }
    }
    fn loss(&self, loss: &Loss) {
        let count = self.state.lock().map_or(0, |mut state| {
            state.losses += 1;
            state.losses
        });
        // One without a path is of several files.
        let colon = if loss.path.is_empty() { "" } else { ": " };
        let text = format!("lost ({}): {}{colon}{}", loss.kind, loss.path, loss.detail);
        self.log(Importance::Error, &text);
        self.event(
            "loss",
            &json!({"kind": loss.kind.as_str(), "path": loss.path, "detail": loss.detail}),
        );
        self.live.loss(loss);
        // The screen shows the first losses; the set, the log and JSON have
        // all.
        if self.prints() && (self.verbose || count <= 20) {
            self.bar.suspend(|| {
                let mut err = std::io::stderr();
                let _ = if err.is_terminal() {
                    let head = format!("lost ({}): {}", loss.kind, loss.path);
                    let _ = writeln!(err, "{}", visible(&head));
                    writeln!(err, "{}", wrapped("  ", "  ", &visible(&loss.detail)))
                } else {
                    writeln!(err, "{}", visible(&text))
                };
            });
        }
        if self.prints() && !self.verbose && count == 21 {
            self.bar.suspend(|| {
                let _ = writeln!(
                    std::io::stderr(),
                    "lost: more files (-v lists all, --log FILE keeps the list)"
                );
            });
        }
    }

    fn note(&self, text: &str) {
        self.live.note(text);
        self.show_note(text);
    }

    fn retrying(&self, text: &str) {
        self.live.retrying(text);
        self.show_note(text);
    }

    fn stalled(&self, text: &str) {
        self.live.stalled(text);
        self.show_note(text);
    }

    fn recovered(&self, text: &str) {
        self.live.recovered(text);
        self.show_note(text);
    }

    fn is_cancelled(&self) -> bool {
        is_interrupted() || self.live.is_stopped()
    }
}

/// Whether Ctrl-C was pressed, or the console or the system is closing.
pub(crate) fn is_interrupted() -> bool {
    CANCELLED.load(Ordering::SeqCst)
}

/// The width of the smallest terminal.
const COLUMNS: usize = 80;

/// `text` after `first`, further lines after `rest`, wrapped at spaces to 80
/// columns. A longer word (a path) is not broken, so that it can be copied.
fn wrapped(first: &str, rest: &str, text: &str) -> String {
    // Paths stay whole, so that they can be copied.
    let options = textwrap::Options::new(COLUMNS)
        .initial_indent(first)
        .subsequent_indent(rest)
        .break_words(false)
        .word_separator(textwrap::WordSeparator::AsciiSpace)
        .word_splitter(textwrap::WordSplitter::NoHyphenation)
        .wrap_algorithm(textwrap::WrapAlgorithm::FirstFit);
    textwrap::fill(text, options)
}

/// A stage, for people.
pub(crate) fn words(stage: Stage) -> &'static str {
    match stage {
        Stage::Scan => "Reading the file table",
        Stage::Detect => "Looking for stores",
        Stage::Plan => "Planning",
        Stage::Verify => "Checking",
        Stage::Seal => "Sealing",
        Stage::Copy => "Saving",
        Stage::ReadBack => "Reading back",
        Stage::Restore => "Restoring",
        Stage::Metadata => "Setting times and permissions",
        Stage::List => "Listing",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_at_spaces_and_keep_their_words() {
        let text = "word ".repeat(40) + "C:\\a\\very\\long\\path\\".repeat(6).as_str() + " end";
        let shown = wrapped("  label    ", "           ", &text);
        for line in shown.lines() {
            assert!(line.chars().count() <= 80 || !line.trim().contains(' '), "{line}");
        }
        let words = |s: &str| s.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(words(&shown)[1..], words(&text));
    }
}
