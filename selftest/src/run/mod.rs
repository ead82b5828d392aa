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
use crate::events::Ran;
use crate::facts::{Expect, Tree, compare};
use crate::made::Made;
use crate::outcome::Ledger;
use crate::report::{self, About, COULD_NOT_START, FAILED, Scrub};
use crate::windows::{files, machine};
use child::Stopped;

/// The name of the work folder, where none is given.
const FOLDER: &str = "lifeboat-selftest";

/// A run.
struct Session {
    lifeboat: PathBuf,
    size: u32,
    make_user: bool,
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
    eprintln!("{what}\nFix: {fix}");
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
    let beside =
        std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join("lifeboat.exe")));
    let Some(lifeboat) = args.lifeboat.clone().or(beside).filter(|exe| exe.is_file()) else {
        return refuse(
            "There is no lifeboat.exe.",
            "Put it beside this program, or use --lifeboat FILE.",
        );
    };
    let made = match Made::create(&work) {
        Ok(made) => made,
        Err(error) => {
            let what = format!("{}: the work folder cannot be made: {error}.", work.display());
            return refuse(
                &what,
                "If an earlier run left it: lifeboat-selftest --cleanup (with the same --work). Otherwise use --work FOLDER.",
            );
        }
    };

    let (start, began) = (Instant::now(), SystemTime::now());
    let version = child::lifeboat_version(&lifeboat);
    let mut session = Session {
        lifeboat,
        size: args.size,
        make_user: args.make_user,
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
    session.clean_up(args.keep);

    let about = About {
        system: machine::describe(),
        lifeboat: version,
        mode: if args.on.is_some() { "folder" } else { "disks" },
        remarks: session.remarks.clone(),
        began: report::utc(began.duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())),
        took: start.elapsed().as_secs(),
    };
    write_report(&about, &session, args.out.as_deref().unwrap_or(Path::new(".")))
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
                return refuse(&format!("{}: {error}.", file.display()), "Use --out FOLDER.");
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

    /// Whether this end of lifeboat is a right one. Under Wine some metadata is refused,
    /// which is a listed loss.
    fn is_whole(&self, ran: &Ran) -> bool {
        let only_facts = || ran.losses().iter().all(|loss| loss.starts_with("fact "));
        ran.code == Some(0) || (self.is_wine && ran.code == Some(3) && only_facts())
    }

    /// Saves a store; gives the set. A failure is noted for `bytes`, or `row`.
    fn offload(&mut self, run: &str, row: &str, args: &[&str]) -> Result<Option<String>, Stopped> {
        let sets = self.sets();
        let whole = [&["offload"], args, &["--to", &sets, "--name", "SELFTEST"]].concat();
        let ran = self.run(&whole)?;
        if !self.is_whole(&ran) {
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
            if row == "case-only" {
                // In a folder that is not case-sensitive only one can be; the other is
                // a listed loss.
                let losses = ran.losses();
                let is_listed = |wrong: &String| {
                    let path = wrong.split(": ").next().unwrap_or_default().replace('\\', "/");
                    losses.iter().any(|loss| loss.contains(&path))
                };
                tally.wrong.retain(|wrong| !is_listed(wrong));
            }
            if tally.wrong.is_empty() {
                self.ledger.pass(row, run, format!("{} compared", tally.compared));
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
