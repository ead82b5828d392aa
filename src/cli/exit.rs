//! Exit codes. Scripts in boot images depend on them.

use std::process::ExitCode;

use crate::destination::address::DestError;
use crate::destination::{DestinationError, ErrorKind};
use crate::disk::DiskError;
use crate::model::advice::{Advice, Ending};
use crate::restore::{IntoProfileError, RestoreError};
use crate::seal::SealError;
use crate::set::error::SetError;
use crate::tree::source::SourceError;
use crate::usmt::loadstate::quoted;

/// How the program ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Exit {
    /// Done, nothing lost.
    Done = 0,
    /// Nothing usable was produced, or any other error.
    Failed = 1,
    /// The command line is wrong.
    Usage = 2,
    /// Done with losses, or verified with damage.
    Losses = 3,
    /// Nothing found.
    NothingFound = 4,
    /// A problem with the destination: unreachable, refused, full.
    Destination = 5,
    /// Interrupted; the same command resumes.
    Interrupted = 6,
    /// No volume could be read: whether there is a store is not known.
    NothingRead = 7,
}

impl Exit {
    /// The number.
    pub(crate) fn code(self) -> u8 {
        self as u8
    }

    /// The word in the summary event.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::Losses => "losses",
            Self::NothingFound => "nothing-found",
            Self::Destination => "destination",
            Self::Interrupted => "interrupted",
            Self::NothingRead => "nothing-read",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// An error of the program itself, in two lines: what happened, what to do.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) what: String,
    pub(crate) action: String,
    /// The kind of the destination's error, if it is one.
    pub(crate) kind: Option<ErrorKind>,
}

impl Failure {
    pub(crate) fn new(exit: Exit, what: impl Into<String>, action: impl Into<String>) -> Self {
        Self { exit, what: what.into(), action: action.into(), kind: None }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Failure {}

/// An error as one that has advice, if it is an `E`.
type WithAdvice = fn(&anyhow::Error) -> Option<&dyn Advice>;

/// Every error of the library that can end a command.
const ERRORS: [WithAdvice; 8] = [
    of::<SourceError>,
    of::<DiskError>,
    of::<DestinationError>,
    of::<SetError>,
    of::<SealError>,
    of::<DestError>,
    of::<RestoreError>,
    of::<IntoProfileError>,
];

fn of<E: Advice + Send + Sync + 'static>(error: &anyhow::Error) -> Option<&dyn Advice> {
    error.downcast_ref::<E>().map(|error| error as &dyn Advice)
}

impl From<Ending> for Exit {
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::Failed => Self::Failed,
            Ending::Usage => Self::Usage,
            Ending::Destination => Self::Destination,
            Ending::Interrupted => Self::Interrupted,
        }
    }
}

/// Ctrl-C.
pub(crate) fn interrupted() -> Failure {
    Failure::new(Exit::Interrupted, "interrupted", "Run the same command again to resume.")
}

/// An action as a sentence. The library's may go on a line with others.
pub(crate) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let Some(first) = letters.next() else { return String::new() };
    let end = if text.ends_with(['.', '?', '!']) { "" } else { "." };
    format!("{}{}{end}", first.to_ascii_uppercase(), letters.as_str())
}

/// Turns any error into exit code, what happened and what to do.
pub(crate) fn explain(error: &anyhow::Error) -> Failure {
    if let Some(failure) = error.downcast_ref::<Failure>() {
        return failure.clone();
    }
    let kind = error.downcast_ref::<DestinationError>().map(|error| error.kind);
    match ERRORS.iter().find_map(|of| of(error)) {
        Some(error) => {
            let action = sentence(&error.advice());
            let failure = Failure::new(error.ending().into(), error.to_string(), action);
            Failure { kind, ..failure }
        }
        None => Failure::new(Exit::Failed, format!("{error:#}"), ""),
    }
}

/// A path or a name as it is typed on a command line, in quotation marks where it needs them.
pub(crate) fn shell_word(word: &str) -> String {
    quoted(word).unwrap_or_else(|| format!("\"{word}\""))
}
