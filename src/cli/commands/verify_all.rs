//! `lifeboat verify --all`: every set of a share, past those that are bad.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use serde_json::json;

use super::seal;
use super::sets::each_within;
use crate::cli::args::{LevelArg, Verify};
use crate::cli::exit::{Exit, explain, shell_word};
use crate::cli::output::Out;
use crate::cli::{keys, sets};
use crate::destination::Destination;
use crate::model::finding::Finding;
use crate::model::monitor::{Monitor, Progress, Stage};
use crate::model::units;
use crate::seal::{Looked, check_set};
use crate::set::crypt::Keys;
use crate::set::error::SetError;
use crate::set::read::reader::SetReader;
use crate::set::read::verify::{Level, verify_set_with};
use crate::sets::record::{VerifyRun, add_verified};
use crate::sets::{Listed, MOST_DEPTH, State, Walked};

/// How a set fared.
struct Row {
    path: String,
    verdict: &'static str,
    detail: String,
    exit: Exit,
}

pub(crate) fn run(args: &Verify, out: Out) -> Result<Exit> {
    let keys = keys::given_for_all(&args.logon.unlock)?;
    let level = match args.level {
        LevelArg::Quick => Level::Quick,
        LevelArg::Full => Level::Full,
    };
    let mut rows = Vec::new();
    let mut worst = Exit::Done;
    for dest in &args.what {
        let target = sets::open_folder(dest, &args.logon, out)?;
        sets::refuse_set(&*target, dest)?;
        let mut all: Vec<Listed> = Vec::new();
        let walked = each_within(&*target, MOST_DEPTH, out, &mut |set| {
            all.push(set);
            Ok(())
        })?;
        if tell_what_was_not_searched(&walked, &*target, out) {
            worst = worse(worst, Exit::Losses);
        }
        for set in &all {
            let row = match verify(set, &target, &keys, level, out) {
                Ok(row) => row,
                Err(error) => {
                    let failure = explain(&error);
                    if failure.exit == Exit::Interrupted {
                        show(&rows, out);
                        return Err(failure.into());
                    }
                    out.error(&failure.what, &failure.action, failure.exit.code());
                    let exit = failure.exit;
                    Row { path: set.path.clone(), verdict: "FAILED", detail: failure.what, exit }
                }
            };
            worst = worse(worst, row.exit);
            rows.push(row);
        }
    }
    if rows.is_empty() && worst == Exit::Done {
        let what = format!("{}: no rescue sets found", args.what.join(", "));
        let action = "Give the folder that has them, not a set. Leave out --all for one set.";
        return Err(crate::cli::exit::Failure::new(Exit::NothingFound, what, action).into());
    }
    show(&rows, out);
    Ok(worst)
}

/// Says where sets may be that were not looked for; whether that is a doubt.
fn tell_what_was_not_searched(walked: &Walked, target: &dyn Destination, out: Out) -> bool {
    for path in &walked.deep {
        let shown = target.display(path);
        let what = format!("{shown}: not searched for rescue sets: too deep, or a loop of folders");
        let action = "Give this folder itself to lifeboat verify --all, if it may have sets.";
        out.error(&what, action, Exit::Losses.code());
    }
    for path in &walked.links {
        out.note(&format!("{}: a link, not followed", target.display(path)));
    }
    let (shown, more) = walked.system.split_at(walked.system.len().min(SHOWN));
    if !shown.is_empty() {
        let more =
            if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
        let shown = shown.join(", ");
        out.note(&format!("not searched, kept by a system or a server: {shown}{more}"));
    }
    !walked.failed.is_empty() || !walked.deep.is_empty()
}

/// The number of folders of systems that are named.
const SHOWN: usize = 5;

/// Prints the first findings of a set: one damaged place can hit thousands of files. Programs and
/// the log get all.
struct Few {
    out: Out,
    printed: AtomicU64,
}

/// The number of findings of a set that are printed.
const PRINTED: u64 = 3;

impl Monitor for Few {
    fn finding(&self, finding: &Finding) {
        if self.printed.fetch_add(1, Ordering::Relaxed) < PRINTED {
            self.out.finding(finding);
        } else {
            self.out.unprinted(finding);
        }
    }
    fn stage(&self, stage: Stage, on: &str) {
        self.out.stage(stage, on);
    }
    fn progress(&self, progress: Progress) {
        self.out.progress(progress);
    }
    fn note(&self, text: &str) {
        self.out.note(text);
    }
    fn retrying(&self, text: &str) {
        self.out.retrying(text);
    }
    fn stalled(&self, text: &str) {
        self.out.stalled(text);
    }
    fn recovered(&self, text: &str) {
        self.out.recovered(text);
    }
    fn is_cancelled(&self) -> bool {
        self.out.is_cancelled()
    }
}

/// What a script must know of first.
fn worse(a: Exit, b: Exit) -> Exit {
    let rank = |exit| match exit {
        Exit::Done => 0,
        Exit::Losses => 1,
        Exit::Destination => 3,
        _ => 2,
    };
    if rank(b) > rank(a) { b } else { a }
}

fn verify(
    set: &Listed,
    target: &Arc<dyn Destination>,
    keys: &Keys,
    level: Level,
    out: Out,
) -> Result<Row> {
    let row = |verdict, detail: String, exit| Row { path: set.path.clone(), verdict, detail, exit };
    match &set.state {
        State::Unfinished { in_use: true } => {
            return Ok(row("being saved", "not verified".to_owned(), Exit::Done));
        }
        State::Unfinished { in_use: false } => {
            let detail = "run the same offload again to finish it".to_owned();
            return Ok(row("UNFINISHED", detail, Exit::Losses));
        }
        State::Deleting => {
            let detail = "lifeboat prune finishes its deletion".to_owned();
            return Ok(row("half deleted", detail, Exit::Losses));
        }
        State::Damaged(why) => return Ok(row("DAMAGED", why.clone(), Exit::Losses)),
        State::Unreadable(why) => return Ok(row("UNREADABLE", why.clone(), Exit::Failed)),
        State::Complete(_) => {}
    }
    let has_keys = keys.passphrase.is_some() || !keys.identities.is_empty();
    let mut keys = (set.encryption.is_none() || has_keys).then_some(keys);
    let mut is_other_key = false;
    let few = Few { out, printed: AtomicU64::new(0) };
    let verified = match verify_set_with(Arc::clone(target), &set.path, keys, level, &few) {
        // The key of other sets: its files can be verified without one.
        Err(SetError::Crypt { .. }) if keys.is_some() => {
            (keys, is_other_key) = (None, true);
            verify_set_with(Arc::clone(target), &set.path, None, level, &few)?
        }
        verified => verified?,
    };
    let sealed = match keys {
        Some(keys) => check_set(&SetReader::open_with(Arc::clone(target), &set.path, keys)?, &out)?,
        None => None,
    };
    out.clear();
    if let Some(more) = few.printed.into_inner().checked_sub(PRINTED).filter(|more| *more > 0) {
        let more = units::count(more, "more finding", "more findings");
        let shown = shell_word(&target.display(&set.path));
        let full = if level == Level::Full { " --level full" } else { "" };
        out.say(&format!("{more}; lifeboat verify {shown}{full} lists all"));
    }
    let looked = if level == Level::Full { Looked::Bytes } else { Looked::Listed };
    let shown = target.display(&set.path);
    let differs = sealed.is_some_and(|sealed| seal::tell(&shown, &sealed, looked, out));
    let run = VerifyRun::now(level == Level::Full, keys.is_some(), verified.damage);
    if let Err(error) = add_verified(&**target, &set.path, run) {
        out.detail(&format!("the set does not record this: {error}"));
    }
    let rescue = &verified.rescue;
    let mut details = Vec::new();
    if is_other_key {
        details.push("the key that was given does not open it: contents not checked".to_owned());
    } else if keys.is_none() {
        details.push("encrypted, no key: contents not checked".to_owned());
    }
    let known = set.verified.as_ref().filter(|run| run.damage > 0 && level == Level::Quick);
    if let Some(run) = known {
        let time = run.time.replacen('T', " ", 1);
        details.push(format!("every byte was read on {time}, and damage was found"));
    }
    if verified.damage > 0 {
        details.push(units::count(verified.damage, "finding", "findings"));
    }
    if rescue.totals.losses > 0 {
        details.push(units::count(rescue.totals.losses, "loss", "losses"));
    }
    details.extend(rescue.shortfalls().map(|(label, text)| format!("{label}: {text}")));
    if differs {
        details.push("not as sealed".to_owned());
    }
    let is_all = rescue.totals.losses == 0 && rescue.is_of_whole_store() && !differs;
    let (verdict, exit) = match (verified.damage, is_all, level) {
        _ if known.is_some() => ("DAMAGED", Exit::Losses),
        (0, ..) if is_other_key => ("NOT OPENED", Exit::Losses),
        (1.., ..) => ("DAMAGED", Exit::Losses),
        (0, false, _) => (State::Complete(rescue.end_state).words(), Exit::Losses),
        (0, true, Level::Full) => ("OK", Exit::Done),
        (0, true, Level::Quick) => ("OK (quick)", Exit::Done),
    };
    out.event(
        "verdict",
        &json!({
            "set": shown,
            "verdict": verdict,
            "findings": verified.findings.len(),
            "damage": verified.damage,
            "members_hit": verified.members_hit,
            "losses": rescue.totals.losses,
            "lacks": rescue.lacks,
        }),
    );
    Ok(row(verdict, details.join("; "), exit))
}

/// The table at the end.
fn show(rows: &[Row], out: Out) {
    out.clear();
    let count = |exit| rows.iter().filter(|row| row.exit == exit).count();
    let bad = rows.len() - count(Exit::Done);
    out.event(
        "verify-end",
        &json!({
            "sets": rows.len(),
            "bad": bad,
            "list": rows.iter().map(|row| json!({
                "set": row.path,
                "verdict": row.verdict,
                "detail": row.detail,
                "exit_code": row.exit.code(),
            })).collect::<Vec<_>>(),
        }),
    );
    for row in rows {
        out.result(&format!("{:<12} {}", row.verdict, row.path));
        if !row.detail.is_empty() {
            out.field("", &row.detail);
        }
    }
    let all = units::count(rows.len() as u64, "rescue set", "rescue sets");
    out.result(&match bad {
        0 => format!("{all}: all OK"),
        _ => format!("{all}: {bad} not OK"),
    });
}
