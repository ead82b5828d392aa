//! Reads the logs around a store: the capture, the wipe, and the computer's
//! name. They are the only record of what happened, and may be from another
//! run, so their lines are shown verbatim.
//!
//! `text` decodes a log, `lines` splits it, `usmt` and `sequence` interpret it.

mod lines;
mod sequence;
mod text;
mod time;
mod usmt;

use std::collections::BTreeSet;

pub use lines::{Line, lines};
pub use sequence::WipeLine;
pub use text::decode;
pub use time::LogTime;
pub(crate) use usmt::without_key;
pub use usmt::{IgnoredProfiles, Tool, UsmtError, UsmtRun};

use crate::model::metadata::{NodeId, NodeKind};
use crate::model::monitor::Monitor;
use crate::model::name::NtPath;
use crate::tree::{Tree, Via};

use super::{Store, StoreVolume};

/// The number of logs that are read on one volume.
const MAX_LOGS: usize = 60;
/// The number of lines about the wipe that are kept.
const MAX_WIPE_LINES: usize = 200;
/// The depth and the number of names of the search in folders.
const MAX_DEPTH: usize = 4;
const MAX_NAMES: usize = 20_000;

/// Where a task sequence keeps its logs, in each of its phases.
const FOLDERS: [&str; 6] = [
    "_SMSTaskSequence/Logs",
    "Windows/Temp/SMSTSLog",
    "MININT/SMSOSD/OSDLOGS",
    "Windows/Temp/DeploymentLogs",
    "Windows/CCM/Logs",
    // Tanium Provision.
    "_t/logs",
];

/// The kind of a log, by its name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Kind {
    Scanstate,
    Loadstate,
    /// `smsts.log`, and older ones `smsts-<date>-<time>.log`.
    TaskSequence,
    Mdt,
}

/// Exact names; `smsts-*.log` is handled separately.
const NAMES: [(&str, Kind); 8] = [
    ("scanstate.log", Kind::Scanstate),
    ("USMTcapture.log", Kind::Scanstate),
    ("scanstateprogress.log", Kind::Scanstate),
    ("loadstate.log", Kind::Loadstate),
    ("USMTrestore.log", Kind::Loadstate),
    ("smsts.log", Kind::TaskSequence),
    ("BDD.log", Kind::Mdt),
    ("ZTIUserState.log", Kind::Mdt),
];

impl Kind {
    fn of(name: &str) -> Option<Self> {
        let known = NAMES.iter().find(|(known, _)| name.eq_ignore_ascii_case(known));
        let starts = name.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("smsts-"));
        let older =
            starts && name.rsplit('.').next().is_some_and(|e| e.eq_ignore_ascii_case("log"));
        known.map(|(_, kind)| *kind).or(older.then_some(Self::TaskSequence))
    }
}

/// What the logs on all volumes say.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Logs {
    /// The logs that were read, for display.
    pub read: Vec<String>,
    /// Runs of scanstate and loadstate.
    pub runs: Vec<UsmtRun>,
    /// Lines about the wipe, in the order of the logs, at most 200.
    pub wipe: Vec<WipeLine>,
    /// Lines about the wipe that were not kept.
    pub more_wipe_lines: u64,
    /// The computer's name, and the log that has it.
    pub computer: Option<(String, String)>,
}

impl Logs {
    /// Reads the logs in their known places and beside `stores`; on a volume
    /// that is read from its device, everywhere. Skips a log that cannot be
    /// read.
    pub fn read(volumes: &[StoreVolume], stores: &[Store], monitor: &dyn Monitor) -> Self {
        let mut logs = Self::default();
        for (number, volume) in volumes.iter().enumerate() {
            for (path, node, kind) in find(number, volume, stores, monitor) {
                if monitor.is_cancelled() {
                    return logs;
                }
                let Ok(text) = text::read(&*volume.tree, node) else { continue };
                // Without a drive letter: only the store shows which one the
                // volume had.
                let log = format!("\\{}", path.to_string().replace('/', "\\"));
                logs.take(kind, &log, &text);
                logs.read.push(log);
            }
        }
        logs
    }

    /// Reads one log, by its name and its text.
    pub fn of_text(name: &str, text: &str) -> Self {
        let mut logs = Self::default();
        if let Some(kind) = Kind::of(name) {
            logs.take(kind, name, text);
            logs.read.push(name.to_owned());
        }
        logs
    }

    fn take(&mut self, kind: Kind, log: &str, text: &str) {
        let tool = match kind {
            Kind::Scanstate => Some(Tool::Scanstate),
            Kind::Loadstate => Some(Tool::Loadstate),
            Kind::TaskSequence | Kind::Mdt => None,
        };
        if let Some(tool) = tool {
            let mut runs = usmt::runs(tool, log, lines(text));
            let has_lost_lines = text.contains("\0\0\0\0");
            for run in &mut runs {
                run.has_lost_lines = has_lost_lines;
            }
            let named = runs.iter().rev().find_map(|run| run.computer.clone());
            self.name(named, log);
            self.runs.extend(runs);
            return;
        }
        let mut named = None;
        for line in lines(text) {
            // The last one was used.
            named = sequence::computer(line).or(named);
            if sequence::about_the_wipe(line) {
                if self.wipe.len() < MAX_WIPE_LINES {
                    self.wipe.push(sequence::wipe_line(line, log));
                } else {
                    self.more_wipe_lines += 1;
                }
            }
        }
        self.name(named, log);
    }

    fn name(&mut self, name: Option<String>, log: &str) {
        if let (None, Some(name)) = (&self.computer, name) {
            self.computer = Some((name, log.to_owned()));
        }
    }

    /// The run of scanstate that wrote `store`: the newest run with the store's
    /// path in its command line; otherwise the newest run, if it does not
    /// belong to another store. `true` if the command line has the path.
    pub fn capture_of<'a>(&'a self, store: &Store, all: &[Store]) -> Option<(&'a UsmtRun, bool)> {
        let captures = || self.runs.iter().filter(|run| run.tool == Tool::Scanstate);
        let newest = |a: &&UsmtRun, b: &&UsmtRun| a.time().cmp(&b.time());
        let named = captures().filter(|run| names(run, store)).max_by(newest);
        if let Some(run) = named {
            return Some((run, true));
        }
        // A moved store has another path than the command line.
        let of_others =
            |run: &&UsmtRun| all.iter().any(|other| other.id != store.id && names(run, other));
        let free = captures().filter(|run| !of_others(run)).max_by(newest);
        let alone = all.iter().filter(|s| s.kind.holds_data()).count() <= 1;
        free.filter(|_| alone).map(|run| (run, false))
    }
}

impl Logs {
    /// The newest run of loadstate whose command line has the path of `store`.
    pub(crate) fn restore_of(&self, store: &Store) -> Option<&UsmtRun> {
        let restores = self.runs.iter().filter(|run| run.tool == Tool::Loadstate);
        restores.filter(|run| names(run, store)).max_by(|a, b| a.time().cmp(&b.time()))
    }
}

fn names(run: &UsmtRun, store: &Store) -> bool {
    store.parts.iter().any(|part| run.names(&part.store_path().on_drive(&part.drive.name())))
}

/// The logs on a volume, ordered by path.
fn find(
    number: usize,
    volume: &StoreVolume,
    stores: &[Store],
    monitor: &dyn Monitor,
) -> Vec<(NtPath, NodeId, Kind)> {
    let tree = &*volume.tree;
    let mut found = BTreeSet::new();
    let mut left = MAX_NAMES;
    for folder in FOLDERS {
        below(tree, NtPath::from(folder), MAX_DEPTH, &mut left, &mut found);
    }
    for part in stores.iter().flat_map(|s| &s.parts).filter(|part| part.volume == number) {
        below(tree, part.store_path(), 1, &mut left, &mut found);
        below(tree, part.store_path().parent().unwrap_or_default(), 1, &mut left, &mut found);
    }
    // A raw volume knows all its names already; elsewhere, a complete walk
    // would take too long.
    if tree.info().via == Via::Raw {
        let exact: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
        for (path, node) in tree.find_named(&exact, monitor).unwrap_or_default() {
            if found.len() >= 2 * MAX_LOGS {
                break;
            }
            let is_inside = |store: &Store| {
                store.parts.iter().any(|part| {
                    part.volume == number && path.names().starts_with(part.usmt_path.names())
                })
            };
            // A log in a user's profile is a user's file.
            if !stores.iter().any(is_inside) {
                keep(tree, path, node, &mut found);
            }
        }
    }
    let mut found: Vec<_> = found.into_iter().collect();
    found.truncate(MAX_LOGS);
    found
}

fn keep(tree: &dyn Tree, path: NtPath, node: NodeId, found: &mut BTreeSet<(NtPath, NodeId, Kind)>) {
    let Some(kind) = path.file_name().and_then(|n| n.as_str()).and_then(Kind::of) else { return };
    let is_file = tree
        .node(node)
        .is_ok_and(|n| n.kind == NodeKind::File && n.size > 0 && n.reparse_tag.is_none());
    if is_file {
        found.insert((path, node, kind));
    }
}

/// The logs in a folder and `depth - 1` levels below it.
fn below(
    tree: &dyn Tree,
    folder: NtPath,
    depth: usize,
    left: &mut usize,
    found: &mut BTreeSet<(NtPath, NodeId, Kind)>,
) {
    let Ok(node) = tree.lookup(&folder) else { return };
    let mut pending = vec![(folder, node, depth)];
    while let Some((folder, node, depth)) = pending.pop() {
        for entry in tree.children(node).unwrap_or_default() {
            if *left == 0 {
                return;
            }
            *left -= 1;
            let path = folder.join(entry.name);
            keep(tree, path.clone(), entry.node, found);
            if depth > 1 && tree.node(entry.node).is_ok_and(|n| n.is_plain_directory()) {
                pending.push((path, entry.node, depth - 1));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_are_known_by_their_names() {
        assert_eq!(Kind::of("SMSTS.LOG"), Some(Kind::TaskSequence));
        assert_eq!(Kind::of("smsts-20231114-150211.log"), Some(Kind::TaskSequence));
        assert_eq!(Kind::of("usmtcapture.log"), Some(Kind::Scanstate));
        assert_eq!(Kind::of("smsts.log.docx"), None);
    }

    /// Whatever a log holds, it does no harm.
    #[test]
    fn rubbish_tells_nothing() {
        let mut logs = Logs::default();
        for kind in [Kind::Scanstate, Kind::Loadstate, Kind::TaskSequence, Kind::Mdt] {
            for text in ["", "\0\0\0", "<![LOG[USMT Started at", "computerName,\u{301}\n=\n"] {
                logs.take(kind, "x", text);
            }
        }
        assert_eq!(logs.computer, None);
        assert_eq!(logs.wipe, []);
    }
}
