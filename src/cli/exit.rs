//! Exit codes. Scripts in boot images depend on them.

use std::process::ExitCode;

use crate::destination::address::DestError;
use crate::destination::{DestinationError, ErrorKind};
use crate::restore::RestoreError;
use crate::seal::SealError;
use crate::set::crypt::CryptError;
use crate::set::error::SetError;
use crate::tree::source::SourceError;

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

/// The first sentence of an error in the command line, without the usage text.
pub(crate) fn of_command_line(error: &clap::Error) -> Failure {
    let text = error.to_string();
    let what = text.split("\n\n").next().unwrap_or_default();
    let what = what.strip_prefix("error: ").unwrap_or(what);
    let what = what.split_whitespace().collect::<Vec<_>>().join(" ");
    Failure::new(Exit::Usage, what, "See lifeboat --help, or lifeboat COMMAND --help.")
}

/// Turns any error into exit code, what happened and what to do.
pub(crate) fn explain(error: &anyhow::Error) -> Failure {
    if let Some(failure) = error.downcast_ref::<Failure>() {
        return failure.clone();
    }
    if let Some(error) = error.downcast_ref::<SourceError>() {
        return Failure::new(Exit::Failed, error.to_string(), error.advice());
    }
    if let Some(error) = error.downcast_ref::<DestinationError>() {
        let failure = Failure::new(Exit::Destination, error.to_string(), error.action.clone());
        return Failure { kind: Some(error.kind), ..failure };
    }
    if let Some(error) = error.downcast_ref::<SetError>() {
        let exit = match error {
            SetError::Cancelled { .. } => Exit::Interrupted,
            SetError::Destination(_) | SetError::InUse { .. } => Exit::Destination,
            SetError::Crypt {
                error: CryptError::NoPassphrase | CryptError::NoIdentity, ..
            } => Exit::Usage,
            _ => Exit::Failed,
        };
        return Failure::new(exit, error.to_string(), error.advice());
    }
    if let Some(error) = error.downcast_ref::<SealError>() {
        let exit = match error {
            SealError::Cancelled => Exit::Interrupted,
            SealError::Write { .. } | SealError::ReadBack { .. } => Exit::Destination,
            SealError::Archive(_) | SealError::NoFolder { .. } => Exit::Failed,
        };
        return Failure::new(exit, error.to_string(), error.advice());
    }
    if let Some(error) = error.downcast_ref::<DestError>() {
        return Failure::new(Exit::Usage, error.to_string(), error.action());
    }
    if let Some(error) = error.downcast_ref::<RestoreError>() {
        let exit = match error {
            RestoreError::Cancelled => Exit::Interrupted,
            RestoreError::BadDestination { .. } | RestoreError::NoDestination { .. } => Exit::Usage,
            error if error.is_destination() => Exit::Destination,
            _ => Exit::Failed,
        };
        return Failure::new(exit, error.to_string(), error.advice());
    }
    Failure::new(Exit::Failed, format!("{error:#}"), "")
}
