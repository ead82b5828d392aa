//! `lifeboat verify`.

use std::path::Path;

use anyhow::Result;
use serde_json::json;

use super::{detect, seal, verify_all};
use crate::cli::args::{Global, LevelArg, Verify};
use crate::cli::exit::{Exit, Failure, interrupted};
use crate::cli::nothing_found::nothing_found;
use crate::cli::output::Out;
use crate::cli::{keys, sets, sources};
use crate::health::{
    Check, Level, StoreReport, StreamObserver, Usmtutils, Verdict, check_store_with,
};
use crate::model::finding::Severity;
use crate::model::monitor::Monitor;
use crate::model::recovered::RecoveredCount;
use crate::model::units;
use crate::seal::{Guard, Looked, StoreCheck, check_set, verdict};
use crate::set::read::reader::SetReader;
use crate::usmt::{Store, Survey};

pub(crate) fn run(args: &Verify, global: &Global, out: Out) -> Result<Exit> {
    if args.all {
        return verify_all::run(args, out);
    }
    let (sets, sources): (Vec<_>, Vec<_>) =
        args.what.iter().cloned().partition(|what| sets::looks_like_set(what));
    let mut worst = Exit::Done;
    for set in &sets {
        worst = worst_of(worst, verify_set(set, args, out)?);
    }
    if !sources.is_empty() {
        worst = worst_of(worst, verify_sources(&sources, args, global, out)?);
    }
    Ok(worst)
}

fn worst_of(a: Exit, b: Exit) -> Exit {
    if a == Exit::Done { b } else { a }
}

fn verify_sources(names: &[String], args: &Verify, global: &Global, out: Out) -> Result<Exit> {
    let found = sources::find_with(names, global, &args.search, out)?;
    verify_found(&found, args, out)
}

/// Verifies the stores that were found.
fn verify_found(found: &sources::Found, args: &Verify, out: Out) -> Result<Exit> {
    let level = match args.level {
        LevelArg::Quick => Level::Quick,
        LevelArg::Full => Level::Full,
    };
    let wanted: Vec<String> = args.store.iter().cloned().collect();
    let stores = sources::choose(found.stores.clone(), &wanted)?;
    if !stores.iter().any(|s| s.kind.holds_data()) {
        return Err(nothing_found(found).into());
    }
    // A damaged volume counts as damage, even if the store looks intact.
    let mut damaged = found.is_damaged();
    let usmtutils = Usmtutils::find(args.usmt.as_deref());
    if let Some(folder) = args.usmt.as_deref().filter(|_| usmtutils.is_none()) {
        return Err(no_usmtutils(folder).into());
    }
    detect::show_machine(found, out);
    for store in &stores {
        out.clear();
        detect::show(store, &Survey::of(store, out), found, out);
        let check = Check {
            level,
            capture: found.logs.capture_of(store, &found.stores),
            closed: &found.closed,
            usmtutils: usmtutils.as_ref(),
        };
        let mut guard = Guard::of(store, out);
        let mut sealed = match &mut guard {
            Some(guard) => Some(StoreCheck::begin(store, guard, level == Level::Full, out)?),
            None => None,
        };
        let observer = sealed.as_mut().map(|sealed| sealed as &mut dyn StreamObserver);
        let mut report = check_store_with(store, &check, observer, out);
        if out.is_cancelled() {
            return Err(interrupted().into());
        }
        out.clear();
        damaged |= report.worst() >= Some(Severity::Damage);
        if let Some(sealed) = sealed.map(StoreCheck::finish) {
            let looked = if level == Level::Full { Looked::Bytes } else { Looked::Metadata };
            let words = verdict(&sealed, looked);
            seal::event(&store.id, &sealed, &words, out);
            damaged |= sealed.differs();
            report.is_sealed = sealed.compared > 0;
            report.proofs.push(words);
        }
        show_verdict(store, &report, &report.verdict(store, level), out);
    }
    Ok(if damaged { Exit::Losses } else { Exit::Done })
}

fn show_verdict(store: &Store, report: &StoreReport, verdict: &Verdict, out: Out) {
    out.event(
        "verdict",
        &json!({
            "store": store.id,
            "worst": report.worst().map(Severity::as_str),
            "findings": report.findings.len(),
            "files_seen": report.files_seen,
            "files_read": report.files_read,
            "bytes_read": report.bytes_read,
            "deleted": (report.deleted.files > 0).then_some(report.deleted),
            "verdict": verdict.sentence(),
            "state": verdict.state,
            "proved": verdict.proved,
            "plausible": verdict.plausible,
            "unknown": verdict.unknown,
        }),
    );
    out.field("verdict", &verdict.state);
    let lists = [
        ("verified", &verdict.proved),
        ("likely", &verdict.plausible),
        ("unknown", &verdict.unknown),
    ];
    for (label, items) in lists {
        for (number, item) in items.iter().enumerate() {
            out.field(if number == 0 { label } else { "" }, item);
        }
    }
    if report.deleted.files > 0 {
        let files = units::count(report.deleted.files, "file", "files");
        out.field("deleted", &format!("{files}: {}", report.deleted.words()));
        let RecoveredCount { files, sure, likely, .. } = report.deleted;
        out.field(
            "",
            if sure == files {
                "offload --deleted recovers all of them: the store would be complete"
            } else if sure + likely == files {
                "offload --deleted recovers all of them: the store would likely be complete"
            } else if sure + likely == 0 {
                "offload --deleted recovers what is left of them; the store stays incomplete"
            } else {
                "offload --deleted recovers them; those that are not sure or likely stay in doubt"
            },
        );
    }
}

/// The error if usmtutils is not in the folder of `--usmt`.
pub(crate) fn no_usmtutils(dir: &Path) -> Failure {
    if cfg!(windows) {
        let what = format!("there is no usmtutils.exe in {}", dir.display());
        Failure::new(Exit::Usage, what, "Give the folder that has it, or leave out --usmt.")
    } else {
        let what = "--usmt needs Windows: usmtutils is a Windows program";
        Failure::new(Exit::Usage, what, "Leave it out, or run lifeboat.exe.")
    }
}

fn verify_set(set: &str, args: &Verify, out: Out) -> Result<Exit> {
    use crate::set::read::verify::{Level, verify_set_with};
    let level = match args.level {
        LevelArg::Quick => Level::Quick,
        LevelArg::Full => Level::Full,
    };
    let (target, name) = sets::find_set(set, &args.logon, out)?;
    if let Some(folder) = sets::copied_store(&*target, &name)? {
        return verify_found(&sources::find_at(target, folder, out)?, args, out);
    }
    let keys = keys::if_any(&*target, &name, &args.logon.unlock, out)?;
    let verified = verify_set_with(target.clone(), &name, keys.as_ref(), level, out)?;
    let sealed = match &keys {
        // It has no parts to look for a seal in.
        Some(_) if verified.findings.iter().any(|finding| finding.code == "set-details") => None,
        Some(keys) => check_set(&SetReader::open_with(target, &name, keys)?, out)?,
        None => None,
    };
    out.clear();
    let lost = verified.rescue.totals.losses;
    let rescue = &verified.rescue;
    let verdict = match (verified.damage, level) {
        (0, Level::Full) if keys.is_none() => {
            "OK: the hash of every file matches. The set is encrypted: its contents were not \
             checked without a key"
        }
        (0, Level::Quick) if keys.is_none() => {
            "OK (quick check): all files are present with their sizes. The set is encrypted, and \
             no key was given"
        }
        (0, Level::Full) => "OK: every byte was read, and every hash matches",
        (0, Level::Quick) => {
            "OK (quick check): all files are present with their sizes; no file was read"
        }
        _ => "DAMAGED: see above",
    };
    out.event(
        "verdict",
        &json!({
            "set": set,
            "verdict": verdict,
            "findings": verified.findings.len(),
            "damage": verified.damage,
            "members_hit": verified.members_hit,
            "losses": lost,
            "lacks": rescue.lacks,
        }),
    );
    out.result(&format!("Set {set}"));
    out.result(&format!("  verdict  {verdict}"));
    for (label, text) in rescue.shortfalls() {
        out.field(label, text);
    }
    if lost > 0 {
        out.result(&format!("  saved with {lost} losses: lifeboat list shows each"));
    }
    let looked = if level == Level::Full { Looked::Bytes } else { Looked::Listed };
    let differs = sealed.is_some_and(|sealed| seal::tell(set, &sealed, looked, out));
    let is_all = lost == 0 && rescue.is_of_whole_store();
    Ok(if verified.damage > 0 || !is_all || differs { Exit::Losses } else { Exit::Done })
}
