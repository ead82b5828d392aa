//! `lifeboat verify`.

use anyhow::Result;
use lifeboat::archive::reader::SetReader;
use lifeboat::health::{Level, Onlooker, Severity, check_store_with};
use lifeboat::monitor::Monitor;
use lifeboat::seal::{Guard, Looked, StoreCheck, check_set, verdict};
use lifeboat::store::Survey;
use serde_json::json;

use super::args::{Global, LevelArg, Verify};
use super::exit::Exit;
use super::output::Out;
use super::{detect, seal, sets, sources};

pub(crate) fn run(args: &Verify, global: &Global, out: Out) -> Result<Exit> {
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
    let level = match args.level {
        LevelArg::Quick => Level::Quick,
        LevelArg::Full => Level::Full,
    };
    let mut found = sources::find(names, global, out)?;
    let wanted: Vec<String> = args.store.iter().cloned().collect();
    let stores = sources::choose(std::mem::take(&mut found.stores), &wanted)?;
    if !stores.iter().any(|s| s.kind.holds_data()) {
        return Err(sources::nothing_found(&found).into());
    }
    // A damaged volume is damage, whatever the store looks like.
    let volumes = found.volumes.iter().flat_map(|v| &v.findings).map(|f| f.severity).max();
    let mut damaged = volumes >= Some(Severity::Damage);
    for store in &stores {
        out.clear();
        detect::show(store, &Survey::of(store, out), out);
        let mut guard = Guard::of(store, out);
        let mut check = match &mut guard {
            Some(guard) => Some(StoreCheck::begin(store, guard, level == Level::Full, out)?),
            None => None,
        };
        let onlooker = check.as_mut().map(|check| check as &mut dyn Onlooker);
        let report = check_store_with(store, level, onlooker, out);
        if out.is_cancelled() {
            return Err(sources::interrupted().into());
        }
        out.clear();
        damaged |= report.worst() >= Some(Severity::Damage);
        let sealed = check.map(StoreCheck::finish);
        let looked = if level == Level::Full { Looked::Bytes } else { Looked::Metadata };
        let verdict = match &sealed {
            Some(sealed) => {
                damaged |= sealed.differs();
                let words = verdict(sealed, looked);
                seal::event(&store.id, sealed, &words, out);
                format!("{}; {words}", report.state())
            }
            None => report.verdict(level),
        };
        out.event(
            "verdict",
            &json!({
                "store": store.id,
                "worst": report.worst().map(Severity::as_str),
                "findings": report.findings.len(),
                "files_read": report.files_read,
                "bytes_read": report.bytes_read,
                "verdict": verdict,
            }),
        );
        out.result(&format!("  verdict  {verdict}"));
    }
    Ok(if damaged { Exit::Losses } else { Exit::Done })
}

fn verify_set(set: &str, args: &Verify, out: Out) -> Result<Exit> {
    use lifeboat::archive::verify::{Level, verify_set};
    let level = match args.level {
        LevelArg::Quick => Level::Quick,
        LevelArg::Full => Level::Full,
    };
    let (target, name) = sets::find_set(set, &args.logon, out)?;
    let verified = verify_set(target.clone(), &name, level, out)?;
    let sealed = check_set(&SetReader::open(target, &name)?, out)?;
    out.clear();
    let lost = verified.rescue.totals.losses;
    let verdict = match (verified.damage, level) {
        (0, Level::Full) => "whole: every byte read, every hash as the set says",
        (0, Level::Quick) => "plausible: all files are there with their sizes; none was read",
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
        }),
    );
    out.result(&format!("Set {set}"));
    out.result(&format!("  verdict  {verdict}"));
    if lost > 0 {
        out.result(&format!("  it was saved with {lost} losses; lifeboat list names each"));
    }
    let looked = if level == Level::Full { Looked::Bytes } else { Looked::Listed };
    let differs = sealed.is_some_and(|sealed| seal::tell(set, &sealed, looked, out));
    Ok(if verified.damage > 0 || lost > 0 || differs { Exit::Losses } else { Exit::Done })
}
