//! How saving ended, for people: the same words after `lifeboat offload` and on the last page of
//! the guided rescue.

use std::time::Duration;

use super::exit::Exit;
use super::output::Out;
use super::output::colour::Tone;
use crate::model::units;
use crate::seal::{Looked, verdict};
use crate::set::format::names::{REPORT, SCRIPT};
use crate::set::format::rescue::{EndState, Part, What};
use crate::set::write::writer::Outcome;

/// A set that was saved.
pub(crate) struct SavedSet {
    pub(crate) outcome: Outcome,
    pub(crate) exit: Exit,
    /// How long this run took for it.
    pub(crate) took: Duration,
}

/// How saving ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    Saved,
    Losses,
    Incomplete,
    Stopped,
    Failed,
}

impl End {
    /// The end of one set.
    pub(crate) fn of_set(set: &SavedSet) -> Self {
        match (set.outcome.rescue.end_state, set.exit) {
            (EndState::Incomplete, _) => Self::Incomplete,
            (EndState::Saved, Exit::Done) => Self::Saved,
            // Also if it differs from its seal.
            _ => Self::Losses,
        }
    }

    /// The end of all: of the worst set, or of what stopped it.
    pub(crate) fn of_all<'a>(
        sets: impl Iterator<Item = &'a SavedSet>,
        failed: Option<Exit>,
    ) -> Self {
        match failed {
            Some(Exit::Interrupted) => return Self::Stopped,
            Some(_) => return Self::Failed,
            None => {}
        }
        let worst = |one: Self, other: Self| match (one, other) {
            (Self::Incomplete, _) | (_, Self::Incomplete) => Self::Incomplete,
            (Self::Losses, _) | (_, Self::Losses) => Self::Losses,
            _ => Self::Saved,
        };
        sets.map(Self::of_set).fold(Self::Saved, worst)
    }

    /// The verdict.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Saved => EndState::Saved.words(),
            Self::Losses => EndState::SavedWithLosses.words(),
            Self::Incomplete => EndState::Incomplete.words(),
            Self::Stopped => "STOPPED",
            Self::Failed => "FAILED",
        }
    }

    /// How good it is.
    pub(crate) fn tone(self) -> Tone {
        match self {
            Self::Saved => Tone::Good,
            Self::Losses | Self::Stopped => Tone::Doubtful,
            Self::Incomplete | Self::Failed => Tone::Bad,
        }
    }
}

/// What is said of a set: a label and a text.
pub(crate) struct Row {
    pub(crate) label: &'static str,
    pub(crate) text: String,
    pub(crate) tone: Tone,
}

impl Row {
    fn new(label: &'static str, text: impl Into<String>) -> Self {
        Self { label, text: text.into(), tone: Tone::Plain }
    }

    fn bad(label: &'static str, text: impl Into<String>) -> Self {
        Self { tone: Tone::Bad, ..Self::new(label, text) }
    }

    fn doubtful(label: &'static str, text: impl Into<String>) -> Self {
        Self { tone: Tone::Doubtful, ..Self::new(label, text) }
    }
}

/// What is known of the disks of a run beside its sets.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Around {
    /// Why a store may be there that was not found.
    pub(crate) doubts: Vec<String>,
    /// Stores and users that were found, and left out.
    pub(crate) left_out: Vec<String>,
}

impl Around {
    /// What is said of it.
    pub(crate) fn rows(&self) -> Vec<Row> {
        let left_out = self.left_out.iter().map(|one| Row::doubtful("NOT SAVED", one));
        let doubts = self.doubts.iter().map(|doubt| Row::doubtful("DOUBT", doubt));
        left_out.chain(doubts).collect()
    }
}

/// What to do now with the disks that were saved from: one verdict for the whole run.
pub(crate) fn next_step(end: End, sets: &[&SavedSet], around: &Around) -> Option<Row> {
    let all = || sets.iter().map(|set| &set.outcome.rescue);
    let parts = || all().flat_map(|rescue| &rescue.parts);
    let is_users = parts().next().is_some() && parts().all(|part: &Part| part.user.is_some());
    let is_store = all().any(|rescue| rescue.what == What::Store);
    let is_missing = all().any(|rescue| !rescue.lacks.is_empty());
    let is_closed = all().any(|rescue| !rescue.closed.is_empty());
    let is_read_back = all().all(|rescue| rescue.options.read_back);
    Some(match end {
        End::Incomplete if is_store && is_missing => Row::bad(
            "next",
            "Do not wipe this disk. Look for the missing part, or for another copy of the store: \
             loadstate may refuse this one.",
        ),
        End::Incomplete if is_store => Row::bad(
            "next",
            "Do not wipe this disk. The store was damaged before it was saved: look for another \
             copy of it. loadstate may refuse this one.",
        ),
        End::Incomplete => Row::bad(
            "next",
            "Do not wipe this disk. Look for what is missing: another disk, or a backup.",
        ),
        End::Saved | End::Losses if is_closed => Row::doubtful(
            "next",
            "Do not wipe this disk yet. First read what was NOT READ (unlock or repair it), or \
             make sure that it has nothing of this PC.",
        ),
        End::Saved | End::Losses if !around.doubts.is_empty() => Row::doubtful(
            "next",
            "Do not wipe this disk yet. More may be on it than was saved: see DOUBT.",
        ),
        End::Saved | End::Losses if !around.left_out.is_empty() => Row::doubtful(
            "next",
            "Before the disk is wiped, save what was NOT SAVED, or make sure that nobody needs it.",
        ),
        End::Saved | End::Losses if !is_read_back => Row::doubtful(
            "next",
            "Do not wipe this disk yet. First verify the set: lifeboat verify with --level full.",
        ),
        End::Losses if is_store || is_users => {
            Row::doubtful("next", "Check the losses and decide. Then re-image the PC.")
        }
        End::Losses => Row::doubtful("next", "Check the losses and decide."),
        End::Saved if is_store || is_users => Row::new("next", "Re-image the PC."),
        End::Saved | End::Stopped | End::Failed => return None,
    })
}

/// What is in a set: `hard-link store C:\StateStore`, `files of alice, bob`.
fn contents(outcome: &Outcome) -> String {
    const MOST: usize = 4;
    let rescue = &outcome.rescue;
    let mut users: Vec<&str> = rescue
        .parts
        .iter()
        .filter_map(|part| part.user.as_ref().map(|user| user.name.as_str()))
        .collect();
    users.dedup();
    let names: Vec<String> = if users.is_empty() {
        let path = |part: &Part| match part.drive.len() {
            1 => format!("{}:\\{}", part.drive, part.path.replace('/', "\\")),
            _ => format!("\\{} of an unknown drive", part.path.replace('/', "\\")),
        };
        rescue.parts.iter().map(path).collect()
    } else {
        users.iter().map(ToString::to_string).collect()
    };
    let more = names.len().saturating_sub(MOST);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let names = names.into_iter().take(MOST).collect::<Vec<_>>().join(", ");
    let what = match (users.is_empty(), rescue.what) {
        (false, _) => "files of".to_owned(),
        (true, What::Store) => format!("{} store", rescue.kind),
        (true, What::Folder) if names.is_empty() => "deleted files".to_owned(),
        (true, What::Folder) => "folder".to_owned(),
    };
    format!("{what} {names}{more}").trim_end().to_owned()
}

/// What is said of a set, in this order: what it lacks, what is in it, whether it is verified.
/// `at` makes the path of a file in it.
pub(crate) fn rows(set: &SavedSet, at: &dyn Fn(&str) -> String) -> Vec<Row> {
    let rescue = &set.outcome.rescue;
    let totals = &rescue.totals;
    let mut rows = Vec::new();
    for (label, text) in rescue.shortfalls() {
        rows.push(Row::bad(label, text));
    }
    for volume in &rescue.closed {
        rows.push(Row::doubtful("NOT READ", format!("{volume}: another store may be there")));
    }
    let packed = rescue.files.iter().fold(0_u64, |sum, file| sum.saturating_add(file.size));
    rows.push(Row::new("what", contents(&set.outcome)));
    rows.push(Row::new(
        "files",
        format!(
            "{}, {}",
            units::count(totals.files, "file", "files"),
            units::count(totals.directories, "folder", "folders")
        ),
    ));
    rows.push(Row::new(
        "size",
        format!("{}, compressed to {}", units::bytes(totals.bytes), units::bytes(packed)),
    ));
    if totals.losses > 0 {
        rows.push(Row::bad("losses", units::count(totals.losses, "loss", "losses")));
    } else {
        rows.push(Row::new("losses", "none"));
    }
    if totals.cloud > 0 {
        let files = units::count(totals.cloud, "file", "files");
        rows.push(Row::doubtful(
            "cloud",
            format!("{files} only in the cloud: nothing of them is on this disk"),
        ));
    }
    if let Some(recovered) = totals.recovered {
        let files = units::count(recovered.files, "deleted file", "deleted files");
        rows.push(Row::doubtful("deleted", format!("{files} recovered: {}", recovered.words())));
    }
    if let Some(seal) = &rescue.seal {
        let row = Row::new("seal", verdict(seal, Looked::Bytes));
        rows.push(Row { tone: if seal.differs() { Tone::Bad } else { Tone::Plain }, ..row });
    }
    rows.push(if rescue.options.read_back {
        Row::new("verified", "yes: the saved copy was read back and matches what was written")
    } else {
        Row::doubtful("verified", "NO: it was not read back")
    });
    if let Some(encryption) = &rescue.encryption {
        let key = if encryption.how == "passphrase" {
            "without the passphrase it cannot be read, not even by you"
        } else {
            "only the identity of a recipient can decrypt it"
        };
        rows.push(Row::new("secret", format!("encrypted: {key}")));
    }
    rows.push(Row::new("time", span(set.took)));
    if rescue.files.iter().any(|file| file.name == REPORT) {
        rows.push(Row::new("report", at(REPORT)));
    }
    rows
}

/// How the saved files come back.
pub(crate) fn restoring(sets: &[&SavedSet]) -> String {
    let all = || sets.iter().map(|set| &set.outcome.rescue);
    let parts = || all().flat_map(|rescue| &rescue.parts);
    let is_users = parts().next().is_some() && parts().all(|part| part.user.is_some());
    let is_whole_store =
        all().all(|rescue| rescue.what == What::Store && rescue.end_state != EndState::Incomplete);
    let has_script = all().all(|rescue| rescue.files.iter().any(|file| file.name == SCRIPT));
    if is_users {
        "Let each user log on once to the new Windows. RESTORE.txt in the set says how to restore \
         the files of each."
            .to_owned()
    } else if is_whole_store && has_script {
        format!(
            "In the new Windows, run {SCRIPT} in the folder of the set as administrator. RESTORE.txt \
             there explains it."
        )
    } else {
        "RESTORE.txt in the set says how to restore what was saved.".to_owned()
    }
}

/// How a run ended, after its exit code.
pub(crate) fn exit_word(exit: Exit, end: End) -> &'static str {
    match (exit, end) {
        (Exit::Losses, End::Incomplete) => "incomplete",
        (Exit::Losses, End::Saved) => "saved, with doubts",
        _ => exit.word(),
    }
}

/// Prints what to do with the disks, after all sets of a run. In the log it is only if
/// `is_logged`.
pub(crate) fn print_next(end: End, sets: &[&SavedSet], around: &Around, is_logged: bool, out: Out) {
    for Row { label, text, .. } in around.rows().into_iter().chain(next_step(end, sets, around)) {
        if is_logged {
            out.field(label, &text);
        } else {
            out.print_field(label, &text);
        }
    }
}

/// Prints a set as a table. In the log it is only if `is_logged`.
pub(crate) fn print(set: &SavedSet, at: &dyn Fn(&str) -> String, is_logged: bool, out: Out) {
    let end = End::of_set(set);
    let rest = format!(": {}", at(""));
    if is_logged {
        out.verdict(end.word(), end.tone(), &rest);
    } else {
        out.print_verdict(end.word(), end.tone(), &rest);
    }
    for Row { label, text, .. } in rows(set, at) {
        if is_logged {
            out.field(label, &text);
        } else {
            out.print_field(label, &text);
        }
    }
    let restore = restoring(&[set]);
    if is_logged {
        out.field("restore", &restore);
    } else {
        out.print_field("restore", &restore);
    }
}

/// `12 s`, `5 min 3 s`, `2 h 5 min`.
pub(crate) fn span(span: Duration) -> String {
    match span.as_secs() {
        0 => "under a second".to_owned(),
        secs @ 1..=59 => format!("{secs} s"),
        secs @ 60..=3599 => format!("{} min {} s", secs / 60, secs % 60),
        secs => format!("{} h {} min", secs / 3600, secs / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short() {
        let said = |secs| span(Duration::from_secs(secs));
        assert_eq!((said(0), said(59)), ("under a second".into(), "59 s".into()));
        assert_eq!((said(303), said(7500)), ("5 min 3 s".into(), "2 h 5 min".into()));
    }

    #[test]
    fn what_stopped_it_comes_before_the_sets() {
        assert_eq!(End::of_all([].iter(), None), End::Saved);
        assert_eq!(End::of_all([].iter(), Some(Exit::Interrupted)), End::Stopped);
        assert_eq!(End::of_all([].iter(), Some(Exit::Destination)), End::Failed);
    }
}
