//! `lifeboat list` and `lifeboat extract` inside the container of a compressed store.

use std::path::Path;

use anyhow::Result;
use serde_json::json;

use crate::cli::args::{Algorithm, Extract};
use crate::cli::containers::Container;
use crate::cli::exit::{Exit, Failure, interrupted};
use crate::cli::output::Out;
use crate::health::codes::{
    CONTAINER_DAMAGED, CONTAINER_NO_CATALOG, CONTAINER_UNKNOWN, CONTAINER_UNREADABLE,
};
use crate::health::{Extraction, PASSWORD_POSITION, Usmtutils, container_problem};
use crate::model::finding::{Finding, Severity};
use crate::model::monitor::{Monitor, Progress, Stage};
use crate::model::units;
use crate::restore::{Choice, Extracted, Notice, Options, RestoreError, extract_container};
use crate::tree::source::SourceError;
use crate::usmt::container::{Item, Pattern, Place, Problem, Record, Records, Start, is_catalog};
use crate::usmt::loadstate::return_code;

/// Said once: nothing here is documented.
const INFERRED: &str = "The format of USMT.MIG is inferred: Microsoft does not document it.";
/// How many problems of a container are listed; the others are counted.
const LISTED: u64 = 1000;

/// `lifeboat list`.
pub(crate) fn list(container: &Container, out: Out) -> Result<Exit> {
    let mut records = open(container, out)?;
    out.say("Sizes are compressed sizes. The container has no others, and no times.");
    let mut told = Told::new(container, out);
    let mut totals = Totals::default();
    out.stage(Stage::List, &container.display);
    let unread = loop {
        if out.is_cancelled() {
            return Err(interrupted().into());
        }
        match records.next_item() {
            Ok(Some(Item::Record(record))) => {
                totals.add(&record);
                show(&record, out);
                out.progress(Progress {
                    bytes: records.position(),
                    total_bytes: records.bytes(),
                    ..Progress::default()
                });
            }
            Ok(Some(Item::Problem(problem))) => told.problem(&problem),
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    out.clear();
    if let Some(error) = unread {
        told.damage(&CONTAINER_UNREADABLE.at(&*container.display, error.to_string()));
    }
    told.catalog(records.is_whole(), totals.has_catalog);
    let exit = told.finish();
    out.say(&format!(
        "{}, {}, {} of other data; {} compressed",
        units::count(totals.files, "file", "files"),
        units::count(totals.folders, "folder", "folders"),
        units::count(totals.others, "record", "records"),
        units::bytes(totals.bytes),
    ));
    match encrypted(container, &records) {
        Some(failure) => Err(failure.into()),
        None => Ok(exit),
    }
}

/// `lifeboat extract`.
pub(crate) fn extract(container: &Container, args: &Extract, out: Out) -> Result<Exit> {
    container.refuse_on_source(&args.to)?;
    if let Some(folder) = &args.usmt {
        return with_usmtutils(container, folder, args, out);
    }
    let mut records = open(container, out)?;
    if let Some(failure) = encrypted(container, &records) {
        return Err(failure.into());
    }
    let choice = choice(args);
    let mut told = Told::new(container, out);
    let options = Options { replace: args.replace, ..Options::default() };
    let mut tell = |notice| match notice {
        Notice::Problem(problem) => told.problem(&problem),
        Notice::Renamed { path, written } => renamed(&path, &written, out),
    };
    let done = extract_container(&mut records, &choice, &args.to, options, out, &mut tell);
    let done = ended(done, out)?;
    if let Some(error) = &done.unread {
        told.damage(&CONTAINER_UNREADABLE.at(&*container.display, error.to_string()));
    }
    told.catalog(records.is_whole(), done.has_catalog);
    let exit = told.finish();
    if done.chosen == 0 {
        return Err(nothing(&container.display, args, exit).into());
    }
    out.say("Permissions, times and attributes are not in the known part of the container.");
    let is_all = summary(&done, &choice, exit == Exit::Done, true, out);
    Ok(if is_all { Exit::Done } else { Exit::Losses })
}

/// What the command line chooses.
pub(super) fn choice(args: &Extract) -> Choice {
    match &args.of_user {
        Some(user) => Choice::User(user.clone()),
        None if args.paths.is_empty() => Choice::All,
        None => Choice::Like(args.paths.iter().map(|path| Pattern::new(path)).collect()),
    }
}

pub(super) fn renamed(path: &str, written: &str, out: Out) {
    out.event("renamed", &json!({"path": path, "written": written}));
    out.result(&format!("  {path} is {written}"));
}

/// What was done, or why nothing was.
pub(super) fn ended(done: Result<Extracted, RestoreError>, out: Out) -> Result<Extracted> {
    out.clear();
    match done {
        Err(RestoreError::Cancelled) => Err(Failure::new(
            Exit::Interrupted,
            "stopped before everything was extracted",
            "Run the same command again. Files that were extracted completely stay.",
        )
        .into()),
        done => Ok(done?),
    }
}

/// Opens a container and says what it is.
fn open(container: &Container, out: Out) -> Result<Records<'_>> {
    let records = Records::open(container.open()).map_err(SourceError::from)?;
    let is_encrypted = encrypted(container, &records).is_some();
    out.event(
        "container",
        &json!({
            "path": container.display,
            "pieces": container.pieces(),
            "bytes": records.bytes(),
            "encrypted": is_encrypted,
        }),
    );
    let pieces = match container.pieces() {
        1 => String::new(),
        pieces => format!(" in {pieces} pieces"),
    };
    out.say(&format!("{} ({}{pieces})", container.display, units::bytes(records.bytes())));
    out.say(INFERRED);
    if records.start() == Start::Unknown {
        let text = "does not begin as a compressed store does (inferred)";
        out.finding(&CONTAINER_UNKNOWN.at(&*container.display, text));
        return Err(Failure::new(
            Exit::Failed,
            format!("{}: the files inside cannot be listed or extracted", container.display),
            "Try usmtutils /extract on a PC that has USMT: lifeboat extract STORE --usmt DIR.",
        )
        .into());
    }
    Ok(records)
}

/// The error if the store is encrypted.
fn encrypted(container: &Container, records: &Records<'_>) -> Option<Failure> {
    let why = if container.is_told_encrypted {
        "scanstate's log has /encrypt"
    } else if records.start() == Start::Encrypted {
        PASSWORD_POSITION
    } else {
        return None;
    };
    Some(Failure::new(
        Exit::Failed,
        format!("{}: the store is encrypted: {why}", container.display),
        "Only its key opens it, and the key is never in the store. Restore it with loadstate \
         /decrypt:ALG and /key:KEY or /keyfile:FILE (lifeboat loadstate --keyfile FILE). Or \
         extract files with usmtutils: lifeboat extract STORE --usmt DIR --keyfile FILE --to DIR.",
    ))
}

/// The error if nothing was chosen.
pub(super) fn nothing(display: &str, args: &Extract, exit: Exit) -> Failure {
    let asked = match &args.of_user {
        Some(user) => format!("there are no files of {user} in this store"),
        None if args.paths.is_empty() => "there is no file in this store".to_owned(),
        None => format!("there is no {} in this store", args.paths.join(", ")),
    };
    let (exit, action) = if exit == Exit::Done {
        (Exit::NothingFound, "Run lifeboat list: it lists the paths in the store.")
    } else {
        (exit, "The store is damaged (see above): the file may be in a part that cannot be read.")
    };
    Failure::new(exit, format!("{display}: {asked}"), action)
}

/// Shows what was extracted; returns whether that is all that was asked for.
pub(super) fn summary(
    done: &Extracted,
    choice: &Choice,
    is_sound: bool,
    has_checksums: bool,
    out: Out,
) -> bool {
    let missing: Vec<&str> = match choice {
        Choice::Like(patterns) => {
            let pairs = patterns.iter().zip(&done.met);
            pairs.filter(|(_, met)| !**met).map(|(pattern, _)| pattern.text()).collect()
        }
        Choice::All | Choice::User(_) => Vec::new(),
    };
    out.event(
        "extracted",
        &json!({
            "files": done.files,
            "directories": done.folders,
            "bytes": done.bytes,
            "damaged": done.damaged,
            "renamed": done.renamed,
            "losses": done.losses,
            "missing": missing,
        }),
    );
    let is_all = is_sound && done.losses == 0 && missing.is_empty() && done.unread.is_none();
    let checked = if has_checksums { "; checksums (Adler-32) compared" } else { "" };
    out.result(&format!(
        "{}: {}, {}{checked}",
        if is_all { "Extracted" } else { "EXTRACTED WITH LOSSES" },
        units::count(done.files, "file", "files"),
        units::bytes(done.bytes),
    ));
    if !is_sound {
        out.result("  The store is damaged (see above): more files may be missing.");
    }
    for missing in &missing {
        out.result(&format!("  not found: {missing}"));
    }
    if done.losses > 0 {
        let losses = units::count(done.losses, "loss", "losses");
        out.result(&format!("  {losses} (see above)"));
    }
    if done.damaged > 0 {
        let files = units::count(done.damaged, "damaged file", "damaged files");
        out.result(&format!("  {files}: the readable part is in NAME.damaged"));
    }
    if done.renamed > 0 {
        let files = units::count(done.renamed, "file has", "files have");
        out.result(&format!("  {files} another name than in the store (see above)"));
    }
    if done.without_data > 0 {
        let files = units::count(done.without_data, "record", "records");
        out.result(&format!("  {files} without data: extracted as empty files (inferred)"));
    }
    if done.links > 0 {
        let links = units::count(done.links, "link or junction", "links and junctions");
        out.result(&format!("  {links} not extracted: the data is elsewhere"));
    }
    is_all
}

fn show(record: &Record, out: Out) {
    let place = Place::of(&record.name);
    let name = record.name.to_string_lossy();
    let (kind, path) = match &place {
        Some(place) if place.is_folder => ("folder", place.windows_path()),
        Some(place) => ("file", place.windows_path()),
        None if is_catalog(&record.name) => ("catalog", name),
        None => ("other", name),
    };
    out.event(
        "record",
        &json!({
            "path": path,
            "kind": kind,
            "packed_bytes": record.packed_bytes,
            "offset": record.offset,
        }),
    );
    match kind {
        "file" => out.result(&format!("{:>15} {path}", record.packed_bytes)),
        "folder" => out.result(&format!("{:>15} {path}", "<DIR>")),
        "catalog" => out.result(&format!("{:>15} {path} (catalog with the settings)", "<CATALOG>")),
        _ => out.result(&format!("{:>15} {path} (not a file)", "<OTHER>")),
    }
}

#[derive(Default)]
struct Totals {
    files: u64,
    folders: u64,
    others: u64,
    bytes: u64,
    has_catalog: bool,
}

impl Totals {
    fn add(&mut self, record: &Record) {
        self.has_catalog |= is_catalog(&record.name);
        self.bytes = self.bytes.saturating_add(record.packed_bytes);
        match Place::of(&record.name) {
            Some(place) if place.is_folder => self.folders += 1,
            Some(_) => self.files += 1,
            None => self.others += 1,
        }
    }
}

/// Reports what is wrong with a container.
struct Told<'a> {
    container: &'a Container,
    out: Out,
    problems: u64,
    is_damaged: bool,
}

impl<'a> Told<'a> {
    fn new(container: &'a Container, out: Out) -> Self {
        let mut told = Self { container, out, problems: 0, is_damaged: container.is_damaged };
        for finding in &container.findings {
            told.damage(finding);
        }
        told
    }

    fn problem(&mut self, problem: &Problem) {
        self.problems += 1;
        self.is_damaged = true;
        if self.problems <= LISTED {
            self.damage(&container_problem(problem, &self.container.display));
        }
    }

    fn damage(&mut self, finding: &Finding) {
        self.is_damaged |= finding.severity >= Severity::Damage;
        self.out.finding(finding);
    }

    fn catalog(&mut self, is_whole: bool, has_catalog: bool) {
        if is_whole && !has_catalog {
            let text = "there is no CATALOG.IMG";
            self.damage(&CONTAINER_NO_CATALOG.at(&*self.container.display, text));
        }
    }

    fn finish(self) -> Exit {
        if let Some(more) = self.problems.checked_sub(LISTED).filter(|more| *more > 0) {
            let text = format!("at least {more} more damaged records");
            self.out.finding(&CONTAINER_DAMAGED.at(&*self.container.display, text));
        }
        if self.is_damaged { Exit::Losses } else { Exit::Done }
    }
}

/// Runs Microsoft's own program instead.
fn with_usmtutils(container: &Container, folder: &Path, args: &Extract, out: Out) -> Result<Exit> {
    let Some(program) = Usmtutils::find(Some(folder)) else {
        return Err(super::verify::no_usmtutils(folder).into());
    };
    let Some(file) = &container.file else {
        return Err(Failure::new(
            Exit::Usage,
            format!("{}: usmtutils needs the file on a drive with a letter", container.display),
            "Extract USMT.MIG from the set, or give its volume a letter. Or leave out --usmt.",
        )
        .into());
    };
    // What usmtutils documents are names with * and ?.
    if let Some(path) = args.paths.iter().find(|path| Pattern::new(path).is_path()) {
        return Err(Failure::new(
            Exit::Usage,
            format!("{path}: usmtutils takes patterns of file names only, such as *.docx"),
            "Leave the folder out, or leave out --usmt.",
        )
        .into());
    }
    let whole = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let (to, key) = (whole(&args.to), args.keyfile.as_deref().map(whole));
    let what = Extraction {
        file,
        to: &to,
        include: &args.paths,
        key_file: key.as_deref(),
        algorithm: args.decrypt.map(Algorithm::as_str),
        replace: args.replace,
    };
    out.stage(Stage::Restore, &container.display);
    std::fs::create_dir_all(&to).map_err(|error| {
        let what = format!("{}: the folder cannot be made: {error}", to.display());
        Failure::new(Exit::Destination, what, "Check the path, and that you may write there.")
    })?;
    let before = count(&to);
    let code = match program.extract(&what, out) {
        Ok(Some(code)) => code,
        Ok(None) => {
            return Err(Failure::new(
                Exit::Interrupted,
                "usmtutils was stopped before everything was extracted",
                "The last file may be incomplete. Run the same command again with --replace.",
            )
            .into());
        }
        Err(error) => {
            return Err(Failure::new(
                Exit::Failed,
                format!("usmtutils could not be started: {error}"),
                "usmtutils.exe needs the other files of its folder. Or leave out --usmt.",
            )
            .into());
        }
    };
    out.clear();
    let files = count(&to);
    out.event("usmtutils", &json!({"code": code, "files": files, "files_before": before}));
    out.result(&format!(
        "usmtutils ended with code {code}; {} now has {}",
        to.display(),
        units::count(files, "file", "files")
    ));
    let meaning = return_code(code);
    match (code, &meaning) {
        (0, _) if files == 0 => Err(Failure::new(
            Exit::NothingFound,
            "usmtutils extracted nothing",
            "Check the patterns. lifeboat list lists the files.",
        )
        .into()),
        (0, _) => Ok(Exit::Done),
        // "Corrupted files".
        (42, _) => Err(Failure::new(
            Exit::Losses,
            "usmtutils found corrupted files: they are missing or damaged",
            "Extract without --usmt: Lifeboat saves what can be read of each file.",
        )
        .into()),
        (_, meaning) => Err(Failure::new(
            Exit::Failed,
            format!("usmtutils ended with code {code}, so files may be missing"),
            meaning.map_or("Run it manually and read its output.", |meaning| meaning.what),
        )
        .into()),
    }
}

/// The number of files in a folder.
fn count(folder: &Path) -> u64 {
    let entries = walkdir::WalkDir::new(folder).into_iter().flatten();
    entries.filter(|entry| entry.file_type().is_file()).count() as u64
}
