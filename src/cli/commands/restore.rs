//! `lifeboat restore`.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use serde_json::json;

use super::seal;
use crate::cli::args::Restore;
use crate::cli::exit::{Exit, Failure, shell_word};
use crate::cli::output::Out;
use crate::cli::{places, sets};
use crate::destination::Destination;
use crate::model::advice::Advice;
use crate::model::monitor::Monitor;
use crate::model::sid::{AccountKind, NotASid, Sid};
use crate::model::units;
use crate::restore::{
    Chosen, Destinations, Input, IntoProfile, IntoProfileError, Options, PROFILE, Recovered,
    RestoreError, Restored, Verified, lookup_account, restore_recovered, restore_verified, settle,
};
use crate::seal::{Looked, check_set};
use crate::set::format::rescue::{Rescue, What};
use crate::set::read::reader::SetReader;
use crate::sets::record::{RestoreRun, add_restored};
use crate::usmt::StoreKind;
use crate::usmt::loadstate::{Call, ways};

/// Refuses a command line that does not say where to restore to.
fn refuse_nowhere(args: &Restore) -> Result<()> {
    if args.to.is_empty() && !args.in_place && args.into.is_none() {
        let action = "Use --in-place (each part onto the volume that it came from), --to C=ROOT \
                      (the C: part below ROOT, such as C:\\), --to DIR (into a separate folder), or \
                      --of-user NAME --into FOLDER (one user's files into a profile).";
        let what = format!("{}: no destination to restore to was given", args.set);
        return Err(Failure::new(Exit::Usage, what, action).into());
    }
    if args.of_user.is_some() && args.into.is_none() {
        let what = "--of-user restores into a profile: --into is missing";
        let action = format!(
            "Add --into FOLDER. For the files in a folder of their own: lifeboat extract {} \
             --of-user {} --to DIR.",
            shell_word(&args.set),
            shell_word(args.of_user.as_deref().unwrap_or("NAME"))
        );
        return Err(Failure::new(Exit::Usage, what, action).into());
    }
    Ok(())
}

pub(crate) fn run(args: &Restore, out: Out) -> Result<Exit> {
    refuse_nowhere(args)?;
    if let (Some(user), Some(into)) = (&args.of_user, &args.into) {
        return into_profile(args, user, into, out);
    }
    // Check --to before opening the set.
    let named = if args.to.is_empty() { None } else { Some(Destinations::parse(&args.to)?) };
    if let Some(Destinations::Under(to)) = &named {
        sets::refuse_in_set(&args.set, to)?;
    }
    let set = sets::open_set(&args.set, &args.logon, out)?;
    let whole = set.rescue().clone();
    let place = (Arc::clone(set.target()), set.dir().to_owned());
    let (sealed, shown) = (check_set(&set, out)?, set.display());
    let recovered = whole.totals.recovered.unwrap_or_default().files;
    if args.deleted && recovered == 0 {
        let what = "--deleted: this set has no recovered deleted files";
        let fix = "Leave --deleted out. offload --deleted saves them if there are any.";
        return Err(Failure::new(Exit::NothingFound, what, fix).into());
    }
    let set: Box<dyn Input> = match &args.part {
        Some(drive) => Box::new(one_part(set, drive)?),
        None if recovered > 0 => Box::new(Chosen::without_recovered(set)?),
        None => Box::new(set),
    };
    let rescue = set.rescue();
    let mut all_restored = true;
    let (mut losses, mut restored_to) = (0, Vec::new());
    if whole.parts.is_empty() && whole.what == What::Store {
        out.result("  Nothing was restored: the set lists no part of its store. Run verify on it.");
        all_restored = false;
    } else if whole.parts.is_empty() {
        out.say("This set has no store: it has only deleted files that were recovered.");
    } else {
        let to = match named.clone() {
            Some(to) if !args.in_place => to,
            named => places::find(rescue, named, out)?,
        };
        // A folder merges with what is there; a store is staged.
        let to = match rescue.what {
            What::Store => Destinations::Staged(Box::new(to)),
            What::Folder => to,
        };
        let despite_space = args.despite_space;
        let options = Options { replace: args.replace, despite_space, ..Options::default() };
        match restore_verified(&*set, &to, options, out) {
            Err(error @ (RestoreError::AlreadyExists { .. } | RestoreError::NotWhole { .. }))
                if args.deleted =>
            {
                out.clear();
                out.note(&format!("{error}; only the deleted files are restored"));
            }
            restored => {
                let (done, verified) = restored?;
                let settled = settle(&*set, &to, args.replace, out)?;
                restored_to = words(&to);
                let done = Restored { losses: done.losses + settled.losses, ..done };
                losses = show("Restored", done, verified, out);
                all_restored = losses == 0;
                for kept in settled.kept {
                    out.event("kept-aside", &json!({"path": kept}));
                    out.result(&format!("  The previous store is kept as {kept}"));
                }
            }
        }
    }
    if args.deleted {
        let set = sets::open_set(&args.set, &args.logon, out)?;
        let files = Recovered::new(set)?;
        let to = match named {
            Some(to) if !args.in_place => to,
            named => places::find(files.rescue(), named, out)?,
        };
        let (done, verified) = restore_recovered(&files, &to, out)?;
        // What was deleted is never restored without a loss.
        all_restored = false;
        show("Restored deleted files", done, verified, out);
    } else if recovered > 0 {
        out.result(&format!(
            "  {} not restored: --deleted restores them too",
            units::count(recovered, "recovered deleted file was", "recovered deleted files were")
        ));
    }
    let differs = sealed.is_some_and(|s| seal::tell(&shown, &s, Looked::Bytes, out));
    for (label, text) in rescue.shortfalls() {
        out.field(label, text);
    }
    advise(args, &whole, rescue, &restored_to, out);
    let is_all = all_restored && recovered == 0 && !differs && rescue.is_of_whole_store();
    if !restored_to.is_empty() {
        let run = RestoreRun::now(restored_to, is_all && args.part.is_none(), losses);
        record(&place, run, out);
    }
    Ok(if is_all { Exit::Done } else { Exit::Losses })
}

/// One user's files, into an existing profile.
fn into_profile(args: &Restore, user: &str, into: &Path, out: Out) -> Result<Exit> {
    // Before the set: a name that is typed wrong should cost nothing.
    let account = args.account.as_deref().map(account).transpose()?;
    let set = sets::open_set(&args.set, &args.logon, out)?;
    if set.rescue().store_kind() == Some(StoreKind::Compressed) {
        let what = format!("{}: the users' files are inside the compressed store", set.display());
        let action = format!(
            "Extract them: lifeboat extract {} --inside --of-user {} --to DIR.",
            shell_word(&args.set),
            shell_word(user)
        );
        return Err(Failure::new(Exit::Failed, what, action).into());
    }
    let whole = set.rescue().clone();
    let place = (Arc::clone(set.target()), set.dir().to_owned());
    let set = match IntoProfile::new(set, user, into, account) {
        Err(error @ IntoProfileError::NoUser { .. }) => {
            let (what, action) = (error.to_string(), error.advice());
            return Err(Failure::new(Exit::NothingFound, what, action).into());
        }
        set => set?,
    };
    match set.accounts() {
        Some((from, to)) if from != to => out.say(&format!("Permissions of {from} go to {to}")),
        Some(_) => {}
        None => out.note(&format!("owners and permissions are not set: {}", set.why_not_set())),
    }
    let to = Destinations::Drives([(PROFILE.to_owned(), into.to_owned())].into());
    let despite_space = args.despite_space;
    let options = Options { replace: args.replace, merge: true, despite_space };
    let (done, verified) = restore_verified(&set, &to, options, out)?;
    let losses = show("Restored", done, verified, out);
    // One user is not all of a set.
    record(&place, RestoreRun::now(vec![into.display().to_string()], false, losses), out);
    for (number, one, more, what) in [
        (done.same, "file was", "files were", "there already, with the same data"),
        (done.cloud, "file is", "files are", "only in the cloud: sign in there to get them"),
        (
            set.left_out(),
            "file or link",
            "files and links",
            "of the old profile's registry left out",
        ),
    ] {
        if number > 0 {
            out.result(&format!("  {} {what}", units::count(number, one, more)));
        }
    }
    for (label, text) in set.rescue().shortfalls() {
        out.field(label, text);
    }
    let recovered = whole.totals.recovered.map_or(0, |count| count.files);
    if recovered > 0 {
        let files =
            units::count(recovered, "recovered deleted file stays", "recovered deleted files stay");
        out.result(&format!("  {files} in the set: restore --deleted --to DIR restores them"));
    }
    let is_all = losses == 0 && recovered == 0 && whole.is_of_whole_store();
    Ok(if is_all { Exit::Done } else { Exit::Losses })
}

/// Records the restore beside the set, where that is possible.
fn record((target, dir): &(Arc<dyn Destination>, String), run: RestoreRun, out: Out) {
    if let Err(error) = add_restored(&**target, dir, run) {
        out.detail(&format!("the set does not record this: {error}"));
    }
}

/// Where the parts went, for people.
fn words(to: &Destinations) -> Vec<String> {
    let full = |path: &Path| {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        path.display().to_string()
    };
    match to {
        Destinations::Under(folder) => vec![full(folder)],
        Destinations::Drives(drives) => {
            drives.iter().map(|(drive, root)| format!("{drive}={}", full(root))).collect()
        }
        Destinations::Staged(inner) => words(inner),
    }
}

/// The account of `--as`.
fn account(text: &str) -> Result<Sid> {
    if let Ok(sid) = text.parse::<Sid>() {
        if sid.account() == AccountKind::Person {
            return Ok(sid);
        }
        let what = format!("--as {text}: this is not the SID of a person's account");
        let action = "Give the SID of the account (whoami /user shows it).";
        return Err(Failure::new(Exit::Usage, what, action).into());
    }
    if text.get(..2).is_none_or(|start| start.eq_ignore_ascii_case("S-")) {
        let what = format!("--as {text}: {NotASid}");
        let action = "Give the SID of the account (whoami /user shows it).";
        return Err(Failure::new(Exit::Usage, what, action).into());
    }
    lookup_account(text).map_err(|why| {
        let action = "Give the SID of the account (whoami /user shows it).";
        Failure::new(Exit::Usage, format!("--as {text}: {why}"), action).into()
    })
}

/// The part of one drive.
fn one_part(set: SetReader, drive: &str) -> Result<Chosen> {
    let drive = drive.trim_end_matches(['\\', ':']);
    let parts = &set.rescue().parts;
    let there: Vec<String> = parts.iter().map(|part| part.drive.clone()).collect();
    let Some(found) = there.iter().find(|there| there.eq_ignore_ascii_case(drive)) else {
        return Err(Failure::new(
            Exit::NothingFound,
            format!("--part {drive}: the set has no part of this drive"),
            format!("It has: {}.", there.join(", ")),
        )
        .into());
    };
    Ok(Chosen::part(set, found)?)
}

/// Says what loadstate needs now.
fn advise(args: &Restore, whole: &Rescue, restored: &Rescue, to: &[String], out: Out) {
    let set = shell_word(&args.set);
    if whole.what != What::Store {
        out.say("This set is a folder, not a store: loadstate cannot use it.");
        return;
    }
    if whole.parts.len() > restored.parts.len() {
        let missing = whole.parts.iter().filter(|part| !restored.parts.contains(part));
        let missing: Vec<&str> = missing.map(|part| part.drive.as_str()).collect();
        out.say(&format!("loadstate also needs the other parts: --part {}", missing.join(", ")));
        return;
    }
    if whole.lacks_a_part() {
        out.say("loadstate refuses a store without all its parts (code 38). Find the part that is");
        out.say("missing and save the store again; or extract single files from the set.");
        return;
    }
    if let [folder] = to
        && !folder.contains('=')
    {
        out.say(&format!("The store is in {folder}, each part in a folder named after its drive."));
        if whole.store_kind() == Some(StoreKind::HardLink) {
            out.say("loadstate needs each part at its own drive and path. To put them there:");
            out.say(&format!("  lifeboat restore {set} --in-place"));
        } else {
            out.say("For loadstate, give the folder above USMT there:");
            out.say(&format!("  lifeboat loadstate {}", shell_word(folder)));
        }
        return;
    }
    if let Some(way) = ways(&whole.kept()).first() {
        out.say("Next, as administrator in Windows (loadstate does not run in WinPE):");
        out.say(&format!("  {}", way.command(&Call::default())));
        out.say(&format!("  or: lifeboat loadstate {set} --run"));
    }
}

/// Shows what was done; returns the number of losses, including old ones.
pub(crate) fn show(verb: &str, done: Restored, verified: Verified, out: Out) -> u64 {
    out.clear();
    let losses = done.losses + verified.losses;
    out.event(
        "restored",
        &json!({
            "files": done.files,
            "directories": done.directories,
            "links": done.links,
            "streams": done.streams,
            "bytes": done.bytes,
            "losses": losses,
            "lost_before": done.carried,
            "same": done.same,
            "cloud": done.cloud,
            "verified_files": verified.files,
            "verified_bytes": verified.bytes,
        }),
    );
    out.result(&format!(
        "{}: {}, {}, {}; read back and compared",
        if losses == 0 { verb.to_owned() } else { format!("{} WITH LOSSES", verb.to_uppercase()) },
        units::count(done.files, "file", "files"),
        units::count(done.directories, "folder", "folders"),
        units::bytes(done.bytes),
    ));
    if losses > 0 {
        out.result(&format!(
            "  {} in this run (see above)",
            units::count(losses, "loss", "losses")
        ));
    }
    if done.carried > 0 {
        out.result(&format!(
            "  {} when the set was made: lifeboat list shows each",
            units::count(done.carried, "loss", "losses")
        ));
    }
    losses + done.carried
}
