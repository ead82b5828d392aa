//! The order of it all: work folder, disks, store, runs of lifeboat, comparison,
//! clean-up, report.

mod cases;
mod child;
mod clean;
mod folders;
mod plant;
mod setup;
mod share;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::args::Args;
use crate::events::{Forgiven, Ran};
use crate::facts::{Expect, Tree, compare, without_listed};
use crate::made::Made;
use crate::outcome::Ledger;
use crate::report::{self, About, COULD_NOT_START, FAILED, Scrub};
use crate::windows::{files, machine};
use child::Stopped;

/// Without one of these, Windows refuses to read or to set some metadata.
const FOR_FACTS: [&str; 3] = ["SeBackupPrivilege", "SeRestorePrivilege", "SeSecurityPrivilege"];

/// The name of the work folder, where none is given.
const FOLDER: &str = "lifeboat-selftest";

/// A run.
struct Session {
    lifeboat: PathBuf,
    size: u32,
    make_user: bool,
    no_bitlocker: bool,
    /// What this user may have planted.
    may: plant::May,
    /// Losses that are right here, whatever is restored.
    forgiven: Forgiven,
    made: Made,
    ledger: Ledger,
    remarks: Vec<String>,
    is_wine: bool,
    disks: Vec<setup::Ours>,
    sets: u32,
    /// The exit code of a run that did not get to its end, whatever its rows say.
    unfinished: Option<u8>,
    /// From a root that is restored to, to the store: a folder is known by its whole path.
    at: PathBuf,
}

fn say(what: &str) {
    eprintln!("lifeboat-selftest: {what}");
}

/// Two lines, as lifeboat's errors.
fn refuse(what: &str, fix: &str) -> u8 {
    eprintln!("{what}\nfix: {fix}");
    COULD_NOT_START
}

/// Runs everything; gives the exit code.
pub fn run(args: &Args) -> u8 {
    let is_wine = machine::wine().is_some();
    let work = match &args.on {
        Some(on) => on.join(format!("{FOLDER}-work")),
        None => args.work.clone().unwrap_or_else(|| long_temp().join(FOLDER)),
    };
    let Ok(work) = std::path::absolute(&work) else {
        return refuse("The work folder has no absolute path.", "Give another one with --work.");
    };
    if args.on.is_none() && !machine::is_administrator() {
        return refuse(
            "This needs an administrator: it makes disks.",
            "Start it from a prompt that was opened with \"Run as administrator\", or use --on FOLDER.",
        );
    }
    machine::catch_ctrl_c();
    let missing = machine::enable_privileges();
    if args.cleanup {
        return clean::left_by_another(&work);
    }
    if args.on.is_none() && is_wine {
        return refuse("Wine has no disks.", "Use --on FOLDER.");
    }
    let here = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.to_owned()));
    let here = here.unwrap_or_else(|| PathBuf::from("."));
    let lifeboat = args.lifeboat.clone().unwrap_or_else(|| here.join("lifeboat.exe"));
    if !lifeboat.is_file() {
        return refuse(
            &format!("{}: there is no such program.", lifeboat.display()),
            "Put lifeboat.exe beside this program, or name it with --lifeboat FILE.",
        );
    }
    // Beside the program: a prompt of an administrator stands in Windows' own folder.
    let out = args.out.clone().unwrap_or(here);
    if let Err(error) = can_write(&out) {
        return refuse(
            &format!("{}: the report cannot be written there: {error}.", out.display()),
            "Name a folder that exists with --out FOLDER.",
        );
    }
    if let Err((what, fix)) = has_room(&work, args) {
        return refuse(&what, fix);
    }
    let made = match Made::create(&work) {
        Ok(made) => made,
        Err(error) => {
            let what = format!("{}: the work folder cannot be made: {error}.", work.display());
            let (cleanup, option) = match (&args.on, &args.work) {
                (Some(on), _) => (format!(" --on {}", on.display()), "--on"),
                (None, Some(work)) => (format!(" --work {}", work.display()), "--work"),
                (None, None) => (String::new(), "--work"),
            };
            return refuse(&what, &Made::advice(&work, &error, &cleanup, option));
        }
    };

    let (start, began) = (Instant::now(), SystemTime::now());
    let version = child::lifeboat_version(&lifeboat);
    let mut session = Session {
        lifeboat,
        size: args.size,
        make_user: args.make_user,
        no_bitlocker: args.no_bitlocker,
        may: plant::May {
            encrypt: !args.no_efs,
            // An owner may deny himself, and cannot read what he has denied.
            deny: !missing.contains(&"SeBackupPrivilege"),
        },
        forgiven: Forgiven {
            facts: is_wine || missing.iter().any(|name| FOR_FACTS.contains(name)),
            ..Forgiven::default()
        },
        made,
        ledger: Ledger::default(),
        remarks: Vec::new(),
        is_wine,
        disks: Vec::new(),
        sets: 0,
        unfinished: None,
        at: plant::STORE.into(),
    };
    if !missing.is_empty() {
        session.remarks.push(format!("Privileges that are not held: {}", missing.join(", ")));
    }
    let is_there = version.starts_with("lifeboat ");
    session.ledger.check("start", "", is_there, format!("`lifeboat --version`: {version}"));
    let ended = if args.on.is_some() { session.on_folders() } else { session.on_disks() };
    if let Err(Stopped) = ended {
        session.remarks.push(format!("The run was {Stopped}."));
        session.unfinished = Some(FAILED);
    }
    session.note_room();
    session.clean_up(args.keep);

    let about = About {
        system: machine::describe(),
        lifeboat: version,
        mode: if args.on.is_some() { "folder" } else { "disks" },
        remarks: session.remarks.clone(),
        began: report::utc(began.duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())),
        took: start.elapsed().as_secs(),
    };
    write_report(&about, &session, &out)
}

/// Whether a file can be made in a folder.
fn can_write(folder: &Path) -> std::io::Result<()> {
    let probe = folder.join(format!("lifeboat-selftest-{}.tmp", std::process::id()));
    fs::OpenOptions::new().write(true).create_new(true).open(&probe)?;
    fs::remove_file(probe)
}

/// Whether there is room for the work folder. Where Windows does not say, there is.
fn has_room(work: &Path, args: &Args) -> Result<(), (String, &'static str)> {
    let needed = crate::plan::needed(args.size, args.on.is_none());
    let Some(free) = work.parent().and_then(machine::free_bytes).map(|bytes| bytes >> 20) else {
        return Ok(());
    };
    if free >= needed {
        return Ok(());
    }
    let what = format!(
        "{}: not enough space: {needed} MiB are needed, {free} MiB are free.",
        work.display()
    );
    Err((what, "Make room, use a smaller --size, or use a folder on another disk."))
}

/// %TEMP% as people write it: a service's or a runner's has an 8.3 name in it
/// (`RUNNER~1`), which EFS, `compact` and comparisons of paths would stumble over.
fn long_temp() -> PathBuf {
    let temp = std::env::temp_dir();
    let whole = fs::canonicalize(&temp).unwrap_or(temp);
    PathBuf::from(crate::windows::plain(&whole))
}

fn write_report(about: &About, session: &Session, out: &Path) -> u8 {
    let mut words = Vec::new();
    for (name, instead) in [
        ("USERPROFILE", "PROFILE"),
        ("TEMP", "TEMP"),
        ("TMP", "TEMP"),
        ("USERNAME", "USER"),
        ("USERDOMAIN", "DOMAIN"),
        ("USERDNSDOMAIN", "DOMAIN"),
        ("COMPUTERNAME", "COMPUTER"),
    ] {
        words.extend(std::env::var(name).ok().map(|value| (value, instead)));
    }
    words.push((session.made.folder().display().to_string(), "WORK"));
    words.extend(machine::firmware_serial().map(|serial| (serial, "SERIAL")));
    let scrub = Scrub::new(words);
    let results = session.ledger.results();
    let text = report::text(about, &results, &scrub);
    println!("{text}");
    let json = report::json(about, &results, &scrub);
    let json = serde_json::to_string_pretty(&json).unwrap_or_default();
    for (name, content) in [("lifeboat-selftest.txt", text), ("lifeboat-selftest.json", json)] {
        let file = out.join(name);
        match fs::write(&file, content) {
            Ok(()) => println!("Send in: {}", file.display()),
            Err(error) => {
                // What it has shown is on the screen; it did start.
                refuse(&format!("{}: {error}.", file.display()), "Use --out FOLDER.");
                return FAILED;
            }
        }
    }
    session.unfinished.unwrap_or_else(|| report::exit_code(&results))
}

impl Session {
    fn work(&self) -> &Path {
        self.made.folder()
    }

    fn run(&self, args: &[&str]) -> Result<Ran, Stopped> {
        child::lifeboat(&self.lifeboat, args)
    }

    /// A new folder for sets.
    fn sets(&mut self) -> String {
        self.sets += 1;
        let folder = self.work().join(format!("sets-{}", self.sets));
        if let Err(error) = fs::create_dir(&folder) {
            self.remarks.push(format!("{}: {error}", folder.display()));
        }
        folder.display().to_string()
    }

    /// Looks at a store, and says what could not be read.
    fn look(&mut self, store: &Path, what: &str) -> Option<Tree> {
        match files::walk(store, self.is_wine) {
            Ok((tree, unread)) => {
                if let Some(first) = unread.first() {
                    let remark =
                        format!("{what}: {} could not be read here, first: {first}", unread.len());
                    self.remarks.push(remark);
                }
                Some(tree)
            }
            Err(error) => {
                self.remarks.push(format!("{what}: {error}"));
                None
            }
        }
    }

    /// Whether this end of an offload is a right one: what cannot be restored is not
    /// forgiven here.
    fn is_saved(&self, ran: &Ran) -> bool {
        ran.is_whole(Forgiven { facts: self.forgiven.facts, ..Forgiven::default() })
    }

    /// Whether this end of a restore is a right one.
    fn is_whole(&self, ran: &Ran) -> bool {
        ran.is_whole(self.forgiven)
    }

    /// The program ran out of room: what failed says nothing about lifeboat.
    fn note_room(&mut self) {
        let free = self.work().parent().and_then(machine::free_bytes);
        if free.is_some_and(|bytes| bytes < 64 << 20) {
            self.remarks.push(
                "The disk of the work folder is full: rows that failed may come from that.".into(),
            );
        }
    }

    /// Saves a store; gives the set. A failure is noted for `bytes`, or `row`.
    fn offload(&mut self, run: &str, row: &str, args: &[&str]) -> Result<Option<String>, Stopped> {
        let sets = self.sets();
        let whole = [&["offload"], args, &["--to", &sets, "--name", "SELFTEST"]].concat();
        let ran = self.run(&whole)?;
        if !self.is_saved(&ran) {
            self.ledger.fail(row, run, format!("offload: {}", ran.ended()));
        }
        let Some(set) = ran.set().map(str::to_owned) else { return Ok(None) };
        let verified = self.run(&["verify", &set, "--level", "full"])?;
        if verified.code != Some(0) {
            self.ledger.fail(row, run, format!("verify of the set: {}", verified.ended()));
        }
        Ok(Some(set))
    }

    /// Restores a set below a folder, and compares. The folder is made.
    fn restore(
        &mut self,
        run: &str,
        set: &str,
        to: &Path,
        source: &Tree,
        expect: Expect,
    ) -> Result<(), Stopped> {
        if let Err(error) = fs::create_dir_all(to) {
            self.ledger.not_possible("bytes", run, format!("{}: {error}", to.display()));
            return Ok(());
        }
        let ran = self.run(&["restore", set, "--to", &part(to)])?;
        let losses_are_right = expect.plain || expect.no_short_names;
        let is_right = self.is_whole(&ran) || (losses_are_right && ran.code == Some(3));
        if !is_right {
            self.ledger.fail("bytes", run, format!("restore: {}", ran.ended()));
        }
        let Some(restored) = self.look(&to.join(&self.at), run) else {
            self.ledger.fail("bytes", run, format!("nothing was restored: {}", ran.ended()));
            return Ok(());
        };
        self.note(run, source, &restored, expect, &ran);
        Ok(())
    }

    /// Notes a comparison, row by row.
    fn note(&mut self, run: &str, source: &Tree, restored: &Tree, expect: Expect, ran: &Ran) {
        for (row, mut tally) in compare(source, restored, expect) {
            if let Some(why) = self.is_wine.then(|| folders::wine_cannot(row)).flatten() {
                self.ledger.not_possible(row, run, why);
                continue;
            }
            let differ = tally.wrong.len();
            // In a folder that is not case-sensitive only one of two names can be; the
            // other is a listed loss.
            if row == "case-only" || self.forgiven.facts {
                tally.wrong = without_listed(row, tally.wrong, &ran.losses());
            }
            if tally.wrong.is_empty() {
                let listed = match differ {
                    0 => String::new(),
                    differ => format!(", {differ} differ and are listed as losses"),
                };
                self.ledger.pass(row, run, format!("{} compared{listed}", tally.compared));
            } else {
                let first: Vec<_> = tally.wrong.iter().take(3).cloned().collect();
                let seen = format!(
                    "{} of {} differ: {}",
                    tally.wrong.len(),
                    tally.compared,
                    first.join("; ")
                );
                self.ledger.fail(row, run, seen);
            }
        }
    }
}

/// `C=ROOT`
fn part(to: &Path) -> String {
    format!("C={}", to.display())
}
