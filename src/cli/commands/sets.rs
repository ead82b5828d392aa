//! `lifeboat sets`; and how the other commands show a set of many.

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::json;

use crate::cli::args::Sets;
use crate::cli::exit::{Exit, Failure, interrupted};
use crate::cli::output::Out;
use crate::cli::sets;
use crate::destination::{Destination, DestinationError};
use crate::model::advice::Advice as _;
use crate::model::monitor::{Monitor, Progress, Stage};
use crate::model::units;
use crate::report::sets_page::{self, Row};
use crate::sets::{Filter, Listed, MAX_DEPTH, State, Walked, read, walk};

/// The number of users that are shown of a set.
const SHOWN_USERS: usize = 6;

pub(crate) fn run(args: &Sets, out: Out) -> Result<Exit> {
    let dest = args.dest.as_deref().ok_or_else(|| {
        Failure::new(
            Exit::Usage,
            "no folder with rescue sets was given",
            "Give a folder or \\\\server\\share, or set it in lifeboat.toml.",
        )
    })?;
    let target = sets::open_folder(dest, &args.logon, out)?;
    sets::refuse_set(&*target, dest)?;
    let filter =
        Filter { computer: args.computer.clone(), user: args.of_user.clone(), since: args.since };
    let mut rows = Vec::new();
    let mut shown = 0_u64;
    let mut bytes = 0_u64;
    let mut exit = Exit::Done;
    let walked = each(&*target, out, &mut |set| {
        if !filter.fits(&set) {
            return Ok(());
        }
        let was_damaged = set.verified.as_ref().is_some_and(|run| run.damage > 0);
        if was_damaged || matches!(set.state, State::Damaged(_) | State::Unreadable(_)) {
            exit = Exit::Losses;
        }
        if shown == 0 {
            head(out);
        }
        shown += 1;
        bytes = bytes.saturating_add(set.set_bytes);
        show(&set, &*target, out);
        if args.html.is_some() {
            rows.push(set);
        }
        Ok(())
    })?;
    out.clear();
    if !walked.failed.is_empty() {
        exit = Exit::Losses;
    }
    if let Some(page) = &args.html {
        write_page(page, dest, &rows, &*target, out)?;
    }
    if shown == 0 && exit == Exit::Done {
        let (what, action) = if walked.found == 0 {
            let what = format!("{}: no rescue sets found", target.display(""));
            (what, format!("Give the folder that has them, at most {MAX_DEPTH} folders above."))
        } else {
            let found = units::count(walked.found, "rescue set", "rescue sets");
            let what = format!("no rescue set matches ({found} in all)");
            (what, "Leave out --computer, --of-user or --since.".to_owned())
        };
        return Err(Failure::new(Exit::NothingFound, what, action).into());
    }
    out.say(&format!(
        "{}, {}",
        units::count(shown, "rescue set", "rescue sets"),
        units::bytes(bytes)
    ));
    Ok(exit)
}

/// Calls `with` for each set below the destination. Reports what could not be searched.
pub(crate) fn each(
    target: &dyn Destination,
    out: Out,
    with: &mut dyn FnMut(Listed) -> Result<()>,
) -> Result<Walked> {
    each_within(target, MAX_DEPTH, out, with)
}

/// The same, with at most `most` folders between the destination and a set.
pub(crate) fn each_within(
    target: &dyn Destination,
    most: usize,
    out: Out,
    with: &mut dyn FnMut(Listed) -> Result<()>,
) -> Result<Walked> {
    out.stage(Stage::List, &target.display(""));
    let mut progress = Progress::default();
    let walked = walk::<anyhow::Error>(target, &out, most, &mut |folder| {
        if out.is_cancelled() {
            return Err(interrupted().into());
        }
        progress.files += 1;
        out.progress(progress);
        let set = read(target, &folder)?;
        with(set)
    })?;
    if out.is_cancelled() {
        return Err(interrupted().into());
    }
    for error in &walked.failed {
        failed(error, out);
    }
    Ok(walked)
}

fn failed(error: &DestinationError, out: Out) {
    let what = format!("{error}; rescue sets may be in it");
    out.error(&what, &error.advice(), Exit::Losses.code());
}

/// The heading of a list.
pub(crate) fn head(out: Out) {
    out.say(&format!(
        "{:<15} {:<16} {:<12} {:>10} {:<10} {:<10}",
        "COMPUTER", "MADE (UTC)", "STATE", "SIZE", "VERIFIED", "RESTORED"
    ));
}

/// One set of a list, as an event and as lines.
pub(crate) fn show(set: &Listed, target: &dyn Destination, out: Out) {
    event(set, target, out);
    let computer = set.computer.as_deref().or(set.serial.as_deref()).unwrap_or("-");
    let made = set.created.as_deref().map_or("-".to_owned(), minutes);
    let line = format!(
        "{:<15} {made:<16} {:<12} {:>10} {:<10} {:<10}",
        short(computer, 15),
        set.state.words(),
        units::bytes(set.set_bytes),
        verified(set),
        restored(set),
    );
    out.result(line.trim_end());
    out.result(&format!("  {}", set.path));
    if let Some(why) = set.state.why() {
        out.result(&format!("  {why}"));
    }
    if let Some(users) = users(set) {
        out.field("users", &users);
    }
    if set.others_count > 0 {
        let more = set.others_count - set.others.len().min(5) as u64;
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let names: Vec<&str> = set.others.iter().take(5).map(String::as_str).collect();
        out.field("also", &format!("{}{more}", names.join(", ")));
    }
}

fn event(set: &Listed, target: &dyn Destination, out: Out) {
    out.event(
        "rescue-set",
        &json!({
            "set": target.display(&set.path),
            "name": set.name,
            "state": set.state.as_str(),
            "in_use": set.state == State::Unfinished { in_use: true },
            "why": set.state.why(),
            "computer": set.computer,
            "serial": set.serial,
            "created": set.created,
            "what": set.what,
            "kind": set.kind,
            "users": set.users,
            "more_users": set.more_users,
            "files": set.files,
            "bytes": set.bytes,
            "losses": set.losses,
            "lacks": set.lacks,
            "set_bytes": set.set_bytes,
            "encryption": set.encryption,
            "read_back": set.read_back,
            "verified": set.verified,
            "restored": set.restored,
            "report": set.has_report,
            "others": set.others,
        }),
    );
}

/// The users, for people; `None` if they are not known.
fn users(set: &Listed) -> Option<String> {
    let Some(users) = &set.users else {
        return set.encryption.as_ref().map(|_| "encrypted".to_owned());
    };
    let names: Vec<&str> = users.iter().take(SHOWN_USERS).map(|user| user.name.as_str()).collect();
    let more = users.len().saturating_sub(SHOWN_USERS);
    let more = match (more, set.more_users) {
        (0, false) => String::new(),
        (_, true) => " and more".to_owned(),
        (more, false) => format!(" and {more} more"),
    };
    Some(format!("{}{more}", names.join(", ")))
}

/// When it was verified: a date; `made` if only when it was made; `-`.
pub(crate) fn verified(set: &Listed) -> String {
    match &set.verified {
        Some(run) if run.damage > 0 => "DAMAGED".to_owned(),
        Some(run) if run.full => day(&run.time),
        Some(_) | None if set.read_back => "when made".to_owned(),
        Some(_) => "quick".to_owned(),
        None => "-".to_owned(),
    }
}

/// When it was restored: a date; `partly` if not all of it.
fn restored(set: &Listed) -> String {
    match &set.restored {
        Some(run) if run.is_complete() => day(&run.time),
        Some(_) => "partly".to_owned(),
        None => "-".to_owned(),
    }
}

fn day(time: &str) -> String {
    time.chars().take(10).collect()
}

/// `2026-11-22 15:04`.
fn minutes(time: &str) -> String {
    time.chars().take(16).collect::<String>().replacen('T', " ", 1)
}

fn short(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

/// Writes the page, under a temporary name first.
fn write_page(
    to: &Path,
    dest: &str,
    list: &[Listed],
    target: &dyn Destination,
    out: Out,
) -> Result<()> {
    refuse_other_file(to)?;
    let links = Links::of(to, target);
    let rows: Vec<Row<'_>> =
        list.iter().map(|set| Row { set, link: links.to(target, set) }).collect();
    // The page is read elsewhere: `.` would say nothing there.
    let place = match std::path::absolute(dest) {
        Ok(path) if target.local_root().is_some() => path.display().to_string(),
        _ => target.display(""),
    };
    let page = sets_page::make(&rows, &place, &crate::sets::age::now());
    let mut partial = to.to_path_buf().into_os_string();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let written = std::fs::write(&partial, &page).and_then(|()| std::fs::rename(&partial, to));
    written.map_err(|error| {
        let _ = std::fs::remove_file(&partial);
        let what = format!("{}: the page cannot be written: {error}", to.display());
        Failure::new(Exit::Destination, what, "Give a file in a folder where you can write.")
    })?;
    out.event(
        "page",
        &json!({"file": to.display().to_string(), "bytes": page.len(), "sets": rows.len()}),
    );
    out.result(&format!("{}: {}", to.display(), units::bytes(page.len() as u64)));
    Ok(())
}

/// Only a page that Lifeboat made is replaced.
fn refuse_other_file(to: &Path) -> Result<()> {
    let Ok(meta) = to.symlink_metadata() else { return Ok(()) };
    let mut start = [0; 4096];
    let is_page = meta.is_file()
        && std::fs::File::open(to).and_then(|mut file| file.read(&mut start)).is_ok_and(|read| {
            String::from_utf8_lossy(start.get(..read).unwrap_or_default())
                .contains(sets_page::TITLE)
        });
    if is_page {
        return Ok(());
    }
    let what = format!("{}: Lifeboat did not make this page", to.display());
    let action = "Give the name of a new file, or of an earlier page.";
    Err(Failure::new(Exit::Usage, what, action).into())
}

/// Where a page finds the sets' reports.
struct Links {
    /// The way from the page to the destination, if the page is in it: empty, or `../`.
    relative: Option<String>,
    /// The destination's folder on this machine.
    root: Option<PathBuf>,
}

impl Links {
    fn of(page: &Path, target: &dyn Destination) -> Self {
        let root = target.local_root().and_then(|root| root.canonicalize().ok());
        let above = page.parent().filter(|above| !above.as_os_str().is_empty());
        let above = above.unwrap_or(Path::new(".")).canonicalize().ok();
        let relative = match (&root, above) {
            (Some(root), Some(above)) => {
                let below = above.strip_prefix(root).ok();
                below.map(|below| "../".repeat(below.components().count()))
            }
            _ => None,
        };
        Self { relative, root: root.or_else(|| target.local_root().map(Path::to_path_buf)) }
    }

    fn to(&self, target: &dyn Destination, set: &Listed) -> Option<String> {
        if !set.has_report || !matches!(set.state, State::Complete(_)) {
            return None;
        }
        let path = format!("{}/report.html", set.path);
        if let Some(relative) = &self.relative {
            return Some(format!("{relative}{}", encoded(&path)));
        }
        if let Some(root) = &self.root {
            let root = root.to_str()?.trim_start_matches(r"\\?\UNC").trim_start_matches(r"\\?\");
            let root = root.replace('\\', "/");
            let root = root.trim_end_matches('/');
            // A UNC path names its server; a drive and a Unix path have none.
            let slashes = if root.starts_with("//") {
                ""
            } else if root.starts_with('/') {
                "//"
            } else {
                "///"
            };
            return Some(format!("file:{slashes}{}/{}", encoded(root), encoded(&path)));
        }
        let shown = target.display(&path);
        let rest = shown.strip_prefix("smb://")?;
        // The browser of the helpdesk's Windows opens it as \\server\share.
        Some(format!("file://{}", encoded(rest)))
    }
}

/// Percent-encodes a path for a link.
fn encoded(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~:".contains(&byte) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_in_a_link_has_nothing_that_ends_it() {
        assert_eq!(
            encoded("a b/\"><script>#?%/PC-1/report.html"),
            "a%20b/%22%3E%3Cscript%3E%23%3F%25/PC-1/report.html"
        );
        assert_eq!(encoded("C:/B\u{fc}ro"), "C:/B%C3%BCro");
    }
}
