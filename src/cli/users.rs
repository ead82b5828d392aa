//! The users of offline Windows installations: shows them, and chooses those that are saved.

use anyhow::Result;
use serde_json::json;

use super::args::Offload;
use super::exit::{Exit, Failure};
use super::output::Out;
use super::sources::Found;
use crate::health::has_no_user;
use crate::model::monitor::Monitor;
use crate::model::name::fold_case;
use crate::model::units;
use crate::profiles::{self, Contents, Installation, Profile, ProfileKind};
use crate::set::write::parts::{FolderSet, of_profiles};
use crate::usmt::{Store, StoreVolume};

/// What is saved of one installation.
pub(crate) struct Chosen {
    pub(crate) set: FolderSet,
    /// What these users had and is not there, for people.
    pub(crate) lacks: Vec<String>,
}

/// Shows each installation and its users, for people and programs.
pub(crate) fn show(installations: &[Installation], volumes: &[StoreVolume], out: Out) {
    for one in installations {
        out.event(
            "windows",
            &json!({
                "path": one.path(),
                "volume": one.volume_display,
                "windows": one.windows.is_some(),
                "computer": one.computer,
                "drive": one.drive.letter,
                "unlisted": one.unlisted,
                "users": one.profiles.len(),
            }),
        );
        let what = if one.windows.is_some() { "Windows" } else { "Users without a Windows" };
        out.result(&format!("{what}: {}", one.path()));
        out.field("on", &one.volume_display);
        if let Some(name) = &one.computer {
            out.field("computer", name);
        }
        if let (Some(why), true) = (one.unlisted, one.windows.is_some()) {
            out.field("users", &format!("{why}: these have a folder"));
        }
        for profile in &one.profiles {
            if out.is_cancelled() {
                return;
            }
            let contents = Contents::of(profile, volumes, &out);
            show_user(one, profile, &contents, out);
        }
    }
}

fn show_user(one: &Installation, profile: &Profile, contents: &Contents, out: Out) {
    let newest = contents.newest.map(|time| time.to_string());
    out.event(
        "user",
        &json!({
            "windows": one.path(),
            "volume": one.volume_display,
            "name": profile.name,
            "kind": profile.kind.as_str(),
            "sid": profile.sid.as_ref().map(ToString::to_string),
            "sid_from": profile.sid_from.as_str(),
            "path": profile.path,
            "found": profile.place.is_some(),
            "has_registry": profile.has_registry,
            "files": contents.files,
            "bytes": contents.bytes,
            "newest": newest,
            "cloud_files": contents.cloud_files,
            "cloud_bytes": contents.cloud_bytes,
            "left_out_files": contents.left_out_files,
            "left_out_bytes": contents.left_out_bytes,
            "unreadable": contents.unreadable,
            "redirected": profile.redirected.iter().map(|folder| json!({
                "name": folder.name,
                "path": folder.path,
                "found": folder.place.is_some(),
            })).collect::<Vec<_>>(),
        }),
    );
    if profile.kind == ProfileKind::Service {
        return;
    }
    let files = units::count(contents.files, "file", "files");
    let name = &profile.name;
    out.result(&format!("  user     {name:<24} {files:>14} {:>12}", units::bytes(contents.bytes)));
    out.field("", &profile.path);
    if let Some(sid) = &profile.sid {
        out.field("", &format!("{sid} ({})", profile.sid_from));
    }
    if let Some(newest) = newest {
        out.field("", &format!("newest file: {newest}"));
    }
    if let Some(to) = &profile.leads_to {
        out.field("", &format!("leads to {to}"));
    }
    if profile.place.is_none() && profile.leads_to.is_some() {
        out.field("", "NOT FOUND: that is on no disk here");
    } else if profile.place.is_none() {
        out.field("", "THE FOLDER IS GONE: offload --profiles --deleted may recover files");
    } else if !profile.has_registry && profile.kind == ProfileKind::Person {
        out.field("", "no NTUSER.DAT: partly wiped, or not a profile");
    }
    if contents.cloud_files > 0 {
        let files = units::count(contents.cloud_files, "more file", "more files");
        let size = units::bytes(contents.cloud_bytes);
        out.field("", &format!("{files} ({size}) only in the cloud"));
    }
    if contents.left_out_files > 0 {
        let files = units::count(contents.left_out_files, "file", "files");
        let size = units::bytes(contents.left_out_bytes);
        out.field("", &format!("{files} ({size}) in caches and temporary folders, not counted"));
    }
    for folder in &profile.redirected {
        let found = match &folder.place {
            Some(_) => "",
            None if folder.path.starts_with(r"\\") => ": on a server, not on this disk",
            None => ": NOT FOUND",
        };
        out.field("", &format!("{} is at {}{found}", folder.name, folder.path));
    }
    if contents.unreadable > 0 {
        out.result(&format!("  UNREADABLE  {} files or folders", contents.unreadable));
    }
}

/// Why a store in which there is no user may not be all of this PC, for people: a Windows beside
/// it has users with files.
pub(crate) fn outside_of(stores: &[&Store], found: &Found, out: Out) -> Vec<String> {
    let without: Vec<&&Store> = stores.iter().filter(|store| has_no_user(store)).collect();
    if without.is_empty() {
        return Vec::new();
    }
    let volumes: Vec<StoreVolume> = found.searchable().collect();
    let mut names = Vec::new();
    for profile in profiles::find(&volumes, &out).iter().flat_map(|one| &one.profiles) {
        let is_person = profile.kind == ProfileKind::Person && profile.place.is_some();
        if is_person && Contents::of(profile, &volumes, &out).files > 0 {
            names.push(profile.path.clone());
        }
    }
    let Some(first) = names.first() else { return Vec::new() };
    let others = match names.len() - 1 {
        0 => String::new(),
        more => format!(" and {}", units::count(more as u64, "other folder", "other folders")),
    };
    let doubt = |store: &&&Store| {
        let store = store.display();
        format!("{store}: no user's files are in it, but there are some in {first}{others}")
    };
    without.iter().map(doubt).collect()
}

/// The users that `--of-user` and `--profiles` mean, as one set for each installation.
pub(crate) fn choose(
    args: &Offload,
    installations: &[Installation],
    found: &Found,
    out: Out,
) -> Result<Vec<Chosen>> {
    let volumes: Vec<StoreVolume> = found.searchable().collect();
    let mut met = vec![false; args.of_user.len()];
    let mut chosen = Vec::new();
    for one in installations {
        let mut users = Vec::new();
        for profile in &one.profiles {
            let mut is_wanted = args.profiles && profile.kind != ProfileKind::Service;
            for (name, met) in args.of_user.iter().zip(&mut met) {
                if is_called(profile, name) {
                    (*met, is_wanted) = (true, true);
                }
            }
            if is_wanted {
                users.push(profile);
            }
        }
        if users.is_empty() {
            continue;
        }
        let mut lacks: Vec<String> = users
            .iter()
            .flat_map(|user| lacks(user, &Contents::of(user, &volumes, &out)))
            .collect();
        if args.profiles {
            lacks.extend(unlisted(one, &found.closed));
        }
        let set = of_profiles(one, &users, &volumes, args.everything);
        let left_out = set.skipped().count() as u64;
        if left_out > 0 {
            let places =
                units::count(left_out, "cache or temporary folder", "caches and temporary folders");
            out.note(&format!("left out by rule: {places} (--everything saves them too)"));
        }
        let elsewhere = users.iter().flat_map(|user| &user.redirected);
        for folder in elsewhere.filter(|folder| folder.path.starts_with(r"\\")) {
            out.note(&format!("not on this disk: {} at {}", folder.name, folder.path));
        }
        chosen.push(Chosen { set, lacks });
    }
    let missing = met.iter().position(|met| !met).and_then(|at| args.of_user.get(at));
    if let Some(missing) = missing {
        let (exit, action) = advice(installations, found);
        return Err(Failure::new(exit, format!("no user '{missing}' found"), action).into());
    }
    if chosen.is_empty() {
        let (exit, action) = advice(installations, found);
        return Err(Failure::new(exit, "no users' folders found", action).into());
    }
    Ok(chosen)
}

/// The persons that are not asked for, for people.
pub(crate) fn others(installations: &[Installation], asked: &[String]) -> Vec<String> {
    let all = installations.iter().flat_map(|one| &one.profiles);
    let others = all.filter(|profile| {
        profile.kind != ProfileKind::Service && !asked.iter().any(|name| is_called(profile, name))
    });
    others.map(|profile| format!("the files of {}", profile.name)).collect()
}

fn is_called(profile: &Profile, name: &str) -> bool {
    fold_case(&profile.name) == fold_case(name)
        || profile.sid.as_ref().is_some_and(|sid| sid.to_string().eq_ignore_ascii_case(name))
}

/// What a user had, by the registry, and what is not on the volumes that were searched.
pub(crate) fn lacks(user: &Profile, contents: &Contents) -> Vec<String> {
    let mut lacks = Vec::new();
    match &user.leads_to {
        Some(to) if user.place.is_none() => {
            let text = format!("leads to {to}, which is on no disk here");
            lacks.push(format!("the folder of {} ({}) {text}", user.name, user.path));
        }
        None if user.place.is_none() => {
            lacks.push(format!("the folder of {} ({}) is gone", user.name, user.path));
        }
        _ => {}
    }
    if user.is_registry_damaged {
        let text = "cannot be read: folders that are kept elsewhere are not known";
        lacks.push(format!("NTUSER.DAT of {} {text}", user.name));
    }
    for name in &user.unknown_folders {
        let text = "does not say where";
        lacks.push(format!("NTUSER.DAT of {} {text} {name} is", user.name));
    }
    for (path, target) in &contents.links {
        lacks.push(format!("{path} leads to {target}, and what is there is not in the set"));
    }
    let elsewhere = user.redirected.iter();
    for folder in elsewhere.filter(|f| f.place.is_none() && !f.path.starts_with(r"\\")) {
        lacks.push(format!("{} of {} ({}) was not found", folder.name, user.name, folder.path));
    }
    lacks
}

/// Why there may be more users of a Windows than those who were found.
fn unlisted(one: &Installation, closed: &[String]) -> Vec<String> {
    let why = one.unlisted.filter(|_| one.windows.is_some());
    let list = why.map(|why| format!("{}: {why}: users may be missing", one.path()));
    let volume = closed
        .first()
        .map(|volume| format!("users' files may be on a volume that could not be read: {volume}"));
    list.into_iter().chain(volume).collect()
}

/// How it ends if a user is not found, and what to do.
fn advice(installations: &[Installation], found: &Found) -> (Exit, String) {
    if !found.closed.is_empty() {
        let action = "Some volumes could not be read (see above): the user may be there.";
        return (Exit::Losses, action.to_owned());
    }
    if found.is_damaged() {
        let action = "A volume is damaged (see above): the user may be in the damaged part.";
        return (Exit::Losses, action.to_owned());
    }
    let unlisted =
        installations.iter().find_map(|one| one.unlisted.filter(|_| one.windows.is_some()));
    if let Some(why) = unlisted {
        return (Exit::Losses, format!("{why}, so there may be more users. Look before you wipe."));
    }
    let mut names: Vec<&str> = installations
        .iter()
        .flat_map(|one| &one.profiles)
        .filter(|profile| profile.kind != ProfileKind::Service)
        .map(|profile| profile.name.as_str())
        .collect();
    names.sort_unstable();
    names.dedup();
    let action = match names.as_slice() {
        [] => "Check that the right disk is attached. offload --path \\Users --deleted looks for \
               deleted ones."
            .to_owned(),
        names => format!("Users on these disks: {}.", names.join(", ")),
    };
    (Exit::NothingFound, action)
}

/// One line about the users, for when there is no store.
pub(crate) fn hint(installations: &[Installation]) -> Option<String> {
    let profiles = installations.iter().flat_map(|one| &one.profiles);
    let people = profiles
        .filter(|profile| profile.kind == ProfileKind::Person && profile.place.is_some())
        .count() as u64;
    (people > 0).then(|| {
        let users = units::count(people, "user", "users");
        format!("The folders of {users} are there: lifeboat offload --profiles saves them.")
    })
}
