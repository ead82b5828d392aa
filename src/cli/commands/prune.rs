//! `lifeboat prune`.

use anyhow::Result;
use serde_json::json;

use super::sets::{each, head, show};
use crate::cli::args::Prune;
use crate::cli::exit::{Exit, Failure, explain, interrupted};
use crate::cli::output::Out;
use crate::cli::sets;
use crate::destination::Destination;
use crate::model::metadata::FileTime;
use crate::model::monitor::Monitor;
use crate::model::units;
use crate::sets::Listed;
use crate::sets::prune::{Choice, Rule, choose_all, delete, is_named};

pub(crate) fn run(args: &Prune, out: Out) -> Result<Exit> {
    let target = sets::open_folder(&args.dest, &args.logon, out)?;
    sets::refuse_set(&*target, &args.dest)?;
    let rule = match args.older_than {
        Some(before) => Rule::Older { before, by_restore: args.restored },
        None => Rule::Named(args.names.clone()),
    };
    let now = FileTime::now();
    let mut all = Vec::new();
    let walked = each(&*target, out, &mut |set| {
        all.push(set);
        Ok(())
    })?;
    out.clear();
    let (mut chosen, mut kept) = (Vec::<Listed>::new(), 0_u64);
    let mut refused = Vec::new();
    for (set, choice) in choose_all(all, &rule, now) {
        let is_asked = args.names.iter().any(|name| is_named(&set, name));
        let (word, why) = match &choice {
            Choice::Delete(why) => ("delete", why),
            Choice::Keep(why) => ("keep", why),
        };
        if args.names.is_empty() || is_asked || word == "delete" {
            out.event(
                "prune",
                &json!({"set": target.display(&set.path), "choice": word, "why": why}),
            );
        }
        match choice {
            Choice::Delete(why) => {
                if chosen.is_empty() {
                    head(out);
                }
                show(&set, &*target, out);
                out.field("delete", &why);
                chosen.push(set);
            }
            Choice::Keep(why) => {
                kept += 1;
                if is_asked {
                    refused.push(format!("{}: {why}", set.path));
                } else {
                    out.detail(&format!("{} stays: {why}", set.path));
                }
            }
        }
    }
    for why in &refused {
        out.result(&format!("Not deleted: {why}"));
    }
    let is_known = |name: &String| {
        let is_it = |set: &Listed| is_named(set, name);
        chosen.iter().any(is_it) || refused.iter().any(|why| why.starts_with(name.as_str()))
    };
    if let Some(name) = args.names.iter().find(|name| !is_known(name)) {
        let what = format!("there is no rescue set '{name}'");
        let action = "Give the name of the set's folder, as lifeboat sets shows it.";
        return Err(Failure::new(Exit::NothingFound, what, action).into());
    }
    let bytes = chosen.iter().fold(0_u64, |sum, set| sum.saturating_add(set.set_bytes));
    let sets = units::count(chosen.len() as u64, "rescue set", "rescue sets");
    if !args.yes {
        out.result(&format!("{sets} to delete, {}; {kept} stay", units::bytes(bytes)));
        if !chosen.is_empty() {
            out.say("Nothing was deleted. Run the same command with --yes to delete them.");
        }
    }
    let exit =
        if walked.failed.is_empty() && refused.is_empty() { Exit::Done } else { Exit::Losses };
    if !args.yes {
        return Ok(exit);
    }
    delete_all(&chosen, kept, exit, &*target, out)
}

/// Deletes the sets, past those that cannot be.
fn delete_all(
    chosen: &[Listed],
    kept: u64,
    mut exit: Exit,
    target: &dyn Destination,
    out: Out,
) -> Result<Exit> {
    let (mut done, mut freed) = (0_u64, 0_u64);
    for set in chosen {
        if out.is_cancelled() {
            return Err(interrupted().into());
        }
        match delete(target, &set.path, &out) {
            Ok(deleted) => {
                done += 1;
                freed = freed.saturating_add(deleted.bytes);
                out.event(
                    "pruned",
                    &json!({
                        "set": target.display(&set.path),
                        "files": deleted.files,
                        "bytes": deleted.bytes,
                        "others": deleted.others,
                    }),
                );
                if !deleted.others.is_empty() {
                    out.note(&format!(
                        "{}: the folder stays, because it has other files: {}",
                        set.path,
                        deleted.others.join(", ")
                    ));
                }
            }
            Err(error) => {
                let failure = explain(&error.into());
                if failure.exit == Exit::Interrupted {
                    return Err(failure.into());
                }
                // The others may fare better.
                exit = failure.exit;
                out.error(&failure.what, &failure.action, failure.exit.code());
            }
        }
    }
    out.result(&format!(
        "{} deleted, {}; {kept} stay",
        units::count(done, "rescue set", "rescue sets"),
        units::bytes(freed)
    ));
    Ok(exit)
}
