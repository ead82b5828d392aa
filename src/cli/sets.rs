//! Opens the destinations and rescue sets on the command line.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;

use super::args::Logon;
use super::exit::{Exit, Failure, shell_word};
use super::output::Out;
use super::{keys, password, protect};
use crate::destination::address::{Dest, SmbPlace};
use crate::destination::open::{Login, Options, open};
use crate::destination::{Destination, DestinationError, ErrorKind, Missing};
use crate::model::monitor::Monitor;
use crate::model::secret::Secret;
use crate::model::units;
use crate::set::format::names::MANIFEST;
use crate::set::read::reader::SetReader;

/// The destination that was given.
pub(crate) fn given_dest(to: Option<&str>) -> Result<&str> {
    to.ok_or_else(|| {
        let what = "no destination given";
        let action = "Use --to FOLDER or --to \\\\server\\share, or set it in lifeboat.toml.";
        Failure::new(Exit::Usage, what, action).into()
    })
}

/// This program, for a second process of it; `None` where that is not known.
fn own_program() -> Option<PathBuf> {
    std::env::current_exe().ok().filter(|program| program.is_file())
}

/// Opens the destination of `offload --to`. Retries temporary errors for
/// `retry_for`.
pub(crate) fn open_dest(
    text: &str,
    logon: &Logon,
    retry_for: Duration,
    out: Out,
) -> Result<Arc<dyn Destination>> {
    open_target(
        text.parse()?,
        logon,
        &Options { missing: Missing::Make, retry_for, program: own_program() },
        out,
    )
}

/// The same with a password that was typed in the guided rescue. If it is
/// empty, the password comes from the command line or the variable.
pub(crate) fn open_dest_with(
    text: &str,
    logon: &Logon,
    typed: &str,
    retry_for: Duration,
    out: Out,
) -> Result<Arc<dyn Destination>> {
    let password = match typed {
        "" => password::given(logon.password_file.as_deref())?,
        typed => Some(typed.to_owned()),
    };
    let tell = |_: &Login| Ok(password.clone().map(Secret::new));
    let monitor: Arc<dyn Monitor> = Arc::new(out);
    let options = Options { missing: Missing::Make, retry_for, program: own_program() };
    Ok(open(&with_user(text.parse()?, logon)?, &tell, &options, &monitor)?)
}

/// Removes the folder of a destination that was only made to try it, when it is dropped.
pub(crate) struct Traceless<'a>(pub(crate) &'a dyn Destination);

impl Drop for Traceless<'_> {
    fn drop(&mut self) {
        if self.0.was_made() {
            // A folder that is not empty is somebody's, and stays.
            let _ = self.0.remove_dir("");
        }
    }
}

/// Opens the rescue set at `text`.
pub(crate) fn open_set(text: &str, logon: &Logon, out: Out) -> Result<SetReader> {
    let (target, name) = find_set(text, logon, out)?;
    let keys = keys::for_set(&*target, &name, &logon.unlock, out)?;
    Ok(SetReader::open_with(target, &name, &keys)?)
}

/// Opens a folder or share with sets, to read them and to record what was done with them.
pub(crate) fn open_folder(text: &str, logon: &Logon, out: Out) -> Result<Arc<dyn Destination>> {
    if Path::new(text).is_file() {
        let what = format!("{text}: this is a file, not a folder with rescue sets");
        let action = "Give the folder that has the sets. A disk image is a SOURCE.";
        return Err(Failure::new(Exit::Usage, what, action).into());
    }
    let options = Options { missing: Missing::Fail, ..Options::default() };
    open_target(text.parse()?, logon, &options, out)
}

/// Refuses the folder of one set where a folder with sets is needed.
pub(crate) fn refuse_set(target: &dyn Destination, text: &str) -> Result<()> {
    if target.stat(RESCUE)?.is_none() {
        return Ok(());
    }
    let what = format!("{text}: this is a rescue set, not a folder with sets");
    Err(Failure::new(Exit::Usage, what, "Give the folder above it.").into())
}

/// Opens the rescue set at `text` to list or extract its files: if the details of an encrypted
/// set are damaged, this is all that can be done with it.
pub(crate) fn open_files(text: &str, logon: &Logon, out: Out) -> Result<SetReader> {
    let (target, name) = find_set(text, logon, out)?;
    let keys = keys::for_set(&*target, &name, &logon.unlock, out)?;
    Ok(SetReader::open_without_details(target, &name, &keys)?)
}

/// The destination that has a set, and the set's folder there.
pub(crate) fn find_set(
    text: &str,
    logon: &Logon,
    out: Out,
) -> Result<(Arc<dyn Destination>, String)> {
    let (above, name) = split(text.parse()?).ok_or_else(|| {
        Failure::new(
            Exit::Usage,
            format!("{text}: this is not the folder of a rescue set"),
            "Give the set's own folder, which contains rescue.json.",
        )
    })?;
    if let Dest::Folder(above) = &above {
        refuse_other(text, &above.join(&name))?;
    }
    let options = Options { missing: Missing::Fail, ..Options::default() };
    Ok((open_target(above, logon, &options, out)?, name))
}

/// Refuses to restore or extract into a set's own folder: its files would be mixed with the set's.
pub(crate) fn refuse_in_set(set: &str, to: &Path) -> Result<()> {
    let set = Path::new(set);
    if !set.is_dir() {
        return Ok(());
    }
    let sets: [PathBuf; 1] = [set.to_owned()];
    protect::refuse_on_source(to, &sets).map_err(|_| {
        let what = format!("{}: this is the folder of the rescue set itself", to.display());
        Failure::new(Exit::Usage, what, "Give a folder outside the set.").into()
    })
}

/// Says what a path is that is no set's folder. What cannot be looked at is left to the
/// destination, whose errors say more.
fn refuse_other(text: &str, path: &Path) -> Result<()> {
    let (what, action) = match path.metadata() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            ("not found".to_owned(), "Check the path of the rescue set.".to_owned())
        }
        Ok(meta) if !meta.is_dir() => (
            "this is a file, not the folder of a rescue set".to_owned(),
            "A store in a disk image is saved first: lifeboat offload IMAGE --to DEST.".to_owned(),
        ),
        Ok(_) => return refuse_folder_of_sets(text),
        Err(_) => return Ok(()),
    };
    Err(Failure::new(Exit::Failed, format!("{text}: {what}"), action).into())
}

/// Refuses a folder that has sets in it where one of them is wanted.
fn refuse_folder_of_sets(text: &str) -> Result<()> {
    folder_of_sets(text).map_or(Ok(()), |failure| Err(failure.into()))
}

/// What to say of a folder that has sets in it, where one of them is meant, or a store.
pub(crate) fn folder_of_sets(text: &str) -> Option<Failure> {
    let path = Path::new(text);
    if path.join(RESCUE).exists() {
        return None;
    }
    let below = path.read_dir().into_iter().flatten().flatten();
    let mut sets = below.map(|entry| entry.path()).filter(|path| path.join(RESCUE).is_file());
    let first = sets.next()?;
    let count = units::count(1 + sets.count() as u64, "rescue set", "rescue sets");
    Some(Failure::new(
        Exit::Usage,
        format!("{text}: this folder has {count}, but is none itself, and has no store"),
        format!(
            "Give the folder of one set, such as {}. lifeboat sets {} lists them.",
            shell_word(&first.display().to_string()),
            shell_word(text)
        ),
    ))
}

/// The parent folder, and the last name.
fn split(dest: Dest) -> Option<(Dest, String)> {
    match dest {
        Dest::Folder(path) => {
            // `.` and `..` have a last name only when they are resolved. Any
            // other path stays as typed.
            let path = match path.file_name() {
                Some(_) => path,
                // (On Windows, canonicalize would return a path with \\?\.)
                None if cfg!(windows) => std::path::absolute(&path).ok()?,
                None => path.canonicalize().ok()?,
            };
            let name = path.file_name()?.to_str()?.to_owned();
            let above = path.parent().filter(|above| !above.as_os_str().is_empty());
            Some((Dest::Folder(above.map_or_else(|| ".".into(), PathBuf::from)), name))
        }
        Dest::Smb(place) => {
            let dir = place.dir.trim_end_matches('/');
            let (above, name) = dir.rsplit_once('/').unwrap_or(("", dir));
            let (above, name) = (above.to_owned(), name.to_owned());
            (!name.is_empty()).then_some((Dest::Smb(SmbPlace { dir: above, ..place }), name))
        }
    }
}

fn open_target(
    dest: Dest,
    logon: &Logon,
    options: &Options,
    out: Out,
) -> Result<Arc<dyn Destination>> {
    let dest = with_user(dest, logon)?;
    let given = password::given(logon.password_file.as_deref())?;
    let ask = |login: &Login| -> Result<Option<Secret>, DestinationError> {
        if let Some(password) = &given {
            return Ok(Some(Secret::new(password.clone())));
        }
        out.clear();
        password::ask(&format!("{} on {}", login.account, login.server))
            .map(|p| Some(Secret::new(p)))
            .map_err(|error| {
                let action = error.downcast_ref::<Failure>().map(|f| f.action.clone());
                DestinationError {
                    kind: ErrorKind::Logon,
                    path: login.server.clone(),
                    what: error.to_string(),
                    action: action.unwrap_or_default(),
                    source: None,
                }
            })
    };
    let monitor: Arc<dyn Monitor> = Arc::new(out);
    Ok(open(&dest, &ask, options, &monitor)?)
}

/// Applies `--anonymous`, and `--user` to destinations without a user in the
/// address.
///
/// # Errors
/// A user for a folder, which would not be used.
fn with_user(dest: Dest, logon: &Logon) -> Result<Dest> {
    if logon.user.is_none() && !logon.anonymous {
        return Ok(dest);
    }
    let place = match dest {
        Dest::Smb(place) => place,
        Dest::Folder(path) => match unc_place(&path) {
            Some(place) => place,
            // The environment's user is for shares, whatever this is.
            None if !logon.is_typed => return Ok(Dest::Folder(path)),
            None => return Err(user_of_a_folder(&path).into()),
        },
    };
    let Some(user) = logon.user.as_ref().filter(|_| !logon.anonymous) else {
        return Ok(Dest::Smb(SmbPlace { anonymous: true, ..place }));
    };
    let (domain, user) = match user.split_once(['\\', ';']) {
        Some((domain, user)) => (Some(domain.to_owned()), user.to_owned()),
        None => (None, user.clone()),
    };
    Ok(Dest::Smb(SmbPlace { domain, user: Some(user), ..place }))
}

/// `server/share` may be a share that was typed without its first part.
fn user_of_a_folder(path: &Path) -> Failure {
    let shown = path.display();
    let what = format!("{shown}: this is a folder, but a user was given to log on to a share");
    let text = shown.to_string().replace('\\', "/");
    let share = match text.trim_matches('/').split_once('/') {
        Some(_) if path.is_relative() && !path.exists() => text,
        _ => "server/share".to_owned(),
    };
    let action = if cfg!(windows) {
        format!(
            r"For a share, write \\{}. For a folder, leave the user out.",
            share.replace('/', r"\")
        )
    } else {
        format!("For a share, write smb://{share}. For a folder, leave the user out.")
    };
    Failure::new(Exit::Usage, what, action)
}

/// Parses `\\server\share\dir`.
fn unc_place(path: &Path) -> Option<SmbPlace> {
    let text = path.to_str()?.strip_prefix(r"\\")?;
    let mut names = text.split(['\\', '/']).filter(|name| !name.is_empty());
    let (server, share) = (names.next()?, names.next()?);
    (!matches!(server, "?" | ".")).then(|| SmbPlace {
        domain: None,
        user: None,
        anonymous: false,
        server: server.to_owned(),
        port: None,
        share: share.to_owned(),
        dir: names.collect::<Vec<_>>().join("/"),
    })
}

/// The folder to search for a store, if the given folder is not a rescue set or
/// an unfinished one. A store is found by its `USMT` folder, so if that was
/// given, it is the parent folder.
pub(crate) fn copied_store<'a>(target: &dyn Destination, name: &'a str) -> Result<Option<&'a str>> {
    let is_folder = target.stat(name)?.is_some_and(|entry| entry.is_dir);
    let is_set = name.ends_with(".partial") || target.stat(&format!("{name}/{RESCUE}"))?.is_some();
    let folder = if name.eq_ignore_ascii_case("USMT") { "" } else { name };
    Ok((is_folder && !is_set).then_some(folder))
}

/// Whether `what` is a rescue set rather than a source.
pub(crate) fn looks_like_set(what: &str) -> bool {
    what.starts_with("smb://")
        || Path::new(what).join(RESCUE).exists()
        // It has lost its description, and verify says so.
        || Path::new(what).join(MANIFEST).exists()
        || what.trim_end_matches(['/', '\\']).ends_with(".partial")
}

const RESCUE: &str = "rescue.json";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_on_a_share_is_a_folder_in_the_folder_above() {
        let (above, name) = split("smb://u@h/share/dir/PC-1".parse().unwrap()).unwrap();
        assert_eq!(name, "PC-1");
        assert_eq!(above, "smb://u@h/share/dir".parse().unwrap());
        let (above, name) = split("smb://u@h/share/PC-1/".parse().unwrap()).unwrap();
        assert_eq!((above, name.as_str()), ("smb://u@h/share".parse().unwrap(), "PC-1"));
        assert!(split("smb://u@h/share".parse().unwrap()).is_none());
    }

    #[test]
    fn a_folder_stays_as_it_was_typed() {
        for (typed, above, name) in
            [("some/PC-1", "some", "PC-1"), ("PC-1/", ".", "PC-1"), ("../a/PC-1", "../a", "PC-1")]
        {
            let split = split(Dest::Folder(typed.into())).unwrap();
            assert_eq!(split, (Dest::Folder(above.into()), name.to_owned()), "{typed}");
        }
        let here = std::env::current_dir().unwrap();
        let (above, name) = split(Dest::Folder(".".into())).unwrap();
        assert_eq!(above, Dest::Folder(here.parent().unwrap().into()));
        assert_eq!(Some(name.as_str()), here.file_name().unwrap().to_str());
    }

    #[test]
    fn unc_paths_take_the_user_that_is_named() {
        let place = unc_place(Path::new(r"\\server\share\a\b")).unwrap();
        assert_eq!((place.server.as_str(), place.dir.as_str()), ("server", "a/b"));
        assert!(unc_place(Path::new(r"\\?\C:\a")).is_none());
        assert!(unc_place(Path::new(r"C:\a")).is_none());
    }
}
