//! Each call that changes a destination, and what can happen at it: an error, a full disk, a
//! lie, a stall, the end of the program before it and after it. Whatever happens, a run that
//! says that all is well has made what is right, and after any other end the same command
//! makes it right.
//!
//! Here some calls of each kind; `LIFEBOAT_SWEEP=all` tries every one, `LIFEBOAT_SWEEP=5` every fifth,
//! `LIFEBOAT_SWEEP=5+1` those after them (so `5+0` to `5+4` together are all), and each prints how many.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use support::faulty::{Fault, Faulty};
use support::program::{Guarded, Run, path};
use support::{need, text};
use tempfile::TempDir;

const PASSPHRASE: (&str, &str) = ("LIFEBOAT_PASSPHRASE", "correct horse battery staple");

/// Calls that are tried for each fault, if not all.
const SOME: u64 = 2;

/// A folder behind a mount that fails.
struct Place {
    /// Dropped first: what is below is still there.
    mount: Faulty,
    _below: Box<dyn std::any::Any>,
    /// The folder as it is.
    real: PathBuf,
    /// As the program sees it.
    seen: PathBuf,
}

fn scratch() -> std::io::Result<TempDir> {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir())
}

impl Place {
    fn new() -> std::io::Result<Self> {
        let dir = scratch()?;
        let (real, seen) = (dir.path().join("real"), dir.path().join("seen"));
        fs::create_dir(&real)?;
        fs::create_dir(&seen)?;
        let mount = Faulty::mount(&real, &seen)?;
        Ok(Self { mount, _below: Box::new(dir), real, seen })
    }

    /// The folder of a share.
    #[cfg(feature = "smb")]
    fn below(server: support::smbd::Smbd) -> std::io::Result<Self> {
        let dir = scratch()?;
        let (real, seen) = (dir.path().to_owned(), server.share_path());
        let mount = Faulty::mount(&real, &seen)?;
        Ok(Self { mount, _below: Box::new((server, dir)), real, seen })
    }

    /// Empties it.
    fn clear(&self) {
        self.mount.set(None);
        for entry in fs::read_dir(&self.real).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                fs::remove_dir_all(path).unwrap();
            } else {
                fs::remove_file(path).unwrap();
            }
        }
    }
}

fn run(args: &[&str], env: &[(&str, &str)]) -> Run {
    let mut child = Command::new(path())
        .args(args)
        .arg("--json")
        .envs(env.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let read = |from: &mut dyn std::io::Read| {
        let mut text = Vec::new();
        from.read_to_end(&mut text).unwrap();
        String::from_utf8_lossy(&text).into_owned()
    };
    let until = Instant::now() + Duration::from_mins(2);
    let (stdout, stderr) = std::thread::scope(|scope| {
        let out = scope.spawn(move || read(&mut out));
        let err = scope.spawn(move || read(&mut err));
        while child.try_wait().unwrap().is_none() {
            if Instant::now() > until {
                child.kill().unwrap();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        (out.join().unwrap(), err.join().unwrap())
    });
    let code = child.wait().unwrap().code().unwrap_or(-1);
    Run { code, stdout, stderr }
}

/// The calls to try: all, or some that differ for each fault.
fn chosen(calls: u64, fault: Fault, some: u64) -> Vec<u64> {
    if let Ok(wanted) = std::env::var("LIFEBOAT_SWEEP") {
        let (step, more) = wanted.split_once('+').unwrap_or((&wanted, "0"));
        let step = if step == "all" { 1 } else { step.parse().unwrap() };
        let first = (fault as u64 + more.parse::<u64>().unwrap()) % step;
        return (first..calls).step_by(usize::try_from(step).unwrap()).collect();
    }
    let seed = fault as u64 * 37;
    // The last calls rename and remove: most is decided there.
    let late = (0..some).map(|i| calls.saturating_sub(1 + (seed + i * 5) % 24));
    let any = (0..some).map(|i| (seed + 11) * (i + 3) * 2_654_435_761 % calls.max(1));
    late.chain(any).collect()
}

/// A job under faults.
struct Job<'a> {
    name: &'a str,
    args: Vec<&'a str>,
    env: Vec<(&'a str, &'a str)>,
    /// Whether the run says that all is well.
    is_green: &'a dyn Fn(&Run) -> bool,
    /// What is wrong with what is there.
    fault_of: &'a dyn Fn(&Place) -> Result<(), String>,
    /// More arguments, with which a run goes on that has ended with losses.
    again: &'a [&'a str],
    /// What is there before each run.
    before: &'a dyn Fn(&Place),
    /// Calls that are tried for each fault, if not all: so many early and late ones.
    some: u64,
}

/// Nothing is there before.
fn nothing(_: &Place) {}

fn sweep(place: &Place, job: &Job<'_>) {
    place.clear();
    (job.before)(place);
    place.mount.set(None);
    let whole = run(&job.args, &job.env);
    assert!((job.is_green)(&whole), "{}: {}{}", job.name, whole.stdout, whole.stderr);
    (job.fault_of)(place).unwrap();
    let calls = place.mount.calls();
    assert!(calls > 20, "{}: only {calls} calls", job.name);
    let (mut tried, mut green) = (0, 0);
    let mut wrong = Vec::new();
    for fault in Fault::ALL {
        for at in chosen(calls, fault, job.some) {
            place.clear();
            (job.before)(place);
            place.mount.set(Some((fault, at)));
            let first = run(&job.args, &job.env);
            place.mount.set(None);
            tried += 1;
            let what = format!("{}: {fault:?} at call {at} of {calls}", job.name);
            if (job.is_green)(&first) {
                green += 1;
                if let Err(why) = (job.fault_of)(place) {
                    wrong.push(format!("{what}: wrong green: {why}"));
                }
                continue;
            }
            if first.stderr.contains("panicked") {
                wrong.push(format!("{what}: {}", first.stderr));
            }
            let mut said = vec![format!("{}: {}", first.code, first.stderr)];
            let is_mended = (0..2).any(|_| {
                let more = if first.code == 3 { job.again } else { &[] };
                let next = run(&[&job.args, more].concat(), &job.env);
                said.push(format!("{}: {}", next.code, next.stderr));
                (job.is_green)(&next) && (job.fault_of)(place).is_ok()
            });
            if !is_mended {
                let why = (job.fault_of)(place);
                wrong.push(format!("{what}: never mended: {why:?}\n{}", said.join("\n")));
            }
        }
    }
    println!("{}: {calls} calls, {tried} runs, {green} of them green", job.name);
    assert!(wrong.is_empty(), "{} of {tried}:\n{}", wrong.len(), wrong.join("\n\n"));
}

/// The sets that have their final names.
fn sets(real: &Path) -> Vec<PathBuf> {
    let all = fs::read_dir(real.join("dest")).into_iter().flatten().flatten();
    let all = all.map(|entry| entry.path());
    all.filter(|path| path.extension().is_none_or(|ending| ending != "partial")).collect()
}

fn whole_sets(place: &Place) -> Result<(), String> {
    let sets = sets(&place.real);
    // One that a lying file system emptied may lie beside the one that is right.
    let verify = |set: &PathBuf| run(&["verify", text(set), "--level", "full"], &[PASSPHRASE]);
    let last: Vec<Run> = sets.iter().map(verify).collect();
    match last.iter().filter(|run| run.code == 0).count() {
        0 => Err(format!("no set of {sets:?} is whole")),
        _ => Ok(()),
    }
}

#[test]
fn whatever_happens_to_an_offload() {
    let place = need!("fuse", || Place::new().ok());
    let source = Guarded::fixture("hardlink-two");
    let dest = place.seen.join("dest");
    for (name, env) in [("offload", vec![]), ("offload, encrypted", vec![PASSPHRASE])] {
        let args = ["offload", source.arg(), "--to", text(&dest), "--name", "PC"];
        let args = [&args[..], &["--level", "1", "--frame-bytes", "65536"]].concat();
        let job = Job {
            name,
            args,
            env,
            is_green: &|run| matches!(run.code, 0 | 3),
            fault_of: &whole_sets,
            again: &[],
            before: &nothing,
            some: if name == "offload" { SOME } else { 1 },
        };
        sweep(&place, &job);
    }
}

/// A run that goes on with what an interrupted one has left.
#[test]
fn whatever_happens_to_a_resumed_offload() {
    let place = need!("fuse", || Place::new().ok());
    let source = Guarded::fixture("hardlink-two");
    let dest = place.seen.join("dest");
    for (name, env) in [("resume", vec![]), ("resume, encrypted", vec![PASSPHRASE])] {
        let args = ["offload", source.arg(), "--to", text(&dest), "--name", "PC"];
        let args = [&args[..], &["--level", "1", "--frame-bytes", "4096"]].concat();
        place.clear();
        assert_eq!(run(&args, &env).code, 0);
        let calls = place.mount.calls();
        place.clear();
        place.mount.set(Some((Fault::Kill, calls / 2)));
        assert_eq!(run(&args, &env).code, -1);
        place.mount.set(None);
        let kept = tempfile::tempdir().unwrap();
        let copy = |from: &Path, to: &Path| {
            for entry in walkdir::WalkDir::new(from).into_iter().flatten() {
                let to = to.join(entry.path().strip_prefix(from).unwrap());
                if entry.file_type().is_dir() {
                    fs::create_dir_all(&to).unwrap();
                } else {
                    fs::copy(entry.path(), to).unwrap();
                }
            }
        };
        copy(&place.real, kept.path());
        let job = Job {
            name,
            args,
            env,
            is_green: &|run| matches!(run.code, 0 | 3),
            fault_of: &whole_sets,
            again: &[],
            before: &|place| copy(kept.path(), &place.real),
            some: 1,
        };
        sweep(&place, &job);
    }
}

/// The program is elsewhere: what is killed is the server's end of the connection.
#[cfg(feature = "smb")]
#[test]
fn whatever_happens_to_an_offload_to_a_share() {
    need!("fuse");
    let server = need!(support::smbd::Smbd::start());
    let (url, password) = (server.url("dest"), server.password().to_owned());
    let place = need!("fuse", || Place::below(server).ok());
    let source = Guarded::fixture("hardlink-two");
    let args = ["offload", source.arg(), "--to", &url, "--name", "PC", "--retry-for", "3s"];
    let env = vec![("LIFEBOAT_PASSWORD", password.as_str())];
    let encrypted = [&env[..], &[PASSPHRASE]].concat();
    for (name, env) in [("offload to a share", env), ("the same, encrypted", encrypted)] {
        let job = Job {
            name,
            args: [&args[..], &["--level", "1", "--frame-bytes", "65536"]].concat(),
            env,
            is_green: &|run| matches!(run.code, 0 | 3),
            fault_of: &whole_sets,
            again: &[],
            before: &nothing,
            some: 1,
        };
        sweep(&place, &job);
    }
}

/// Every file below a folder: its path, and its bytes.
fn tree(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let all = walkdir::WalkDir::new(dir).into_iter().flatten();
    let all = all.filter(|entry| !entry.file_type().is_dir());
    let below = |path: &Path| path.strip_prefix(dir).unwrap().to_owned();
    all.map(|entry| (below(entry.path()), fs::read(entry.path()).unwrap_or_default())).collect()
}

#[test]
fn whatever_happens_to_a_restore() {
    restore("restore", &[], SOME);
}

#[test]
fn whatever_happens_to_a_restore_of_an_encrypted_set() {
    restore("restore, encrypted", &[PASSPHRASE], 1);
}

fn restore(name: &str, env: &[(&str, &str)], some: u64) {
    let place = need!("fuse", || Place::new().ok());
    let dir = tempfile::tempdir().unwrap();
    let source = Guarded::fixture("hardlink-two");
    let dest = dir.path().join("dest");
    let made = run(&["offload", source.arg(), "--to", text(&dest)], env);
    assert_eq!(made.code, 0, "{}", made.stderr);
    let set = sets(dir.path()).remove(0);
    let to = dir.path().join("plain");
    let plain = run(&["restore", text(&set), "--to", text(&to)], env);
    let wanted = tree(&to);
    let losses = plain.events("loss").len();
    assert!(wanted.len() > 20 && plain.code == 3, "{}", plain.stderr);
    let to = place.seen.join("to");
    let job = Job {
        name,
        args: vec!["restore", text(&set), "--to", text(&to)],
        env: env.to_vec(),
        // This file system holds no rights, which is always a loss.
        is_green: &|run| matches!(run.code, 0 | 3) && run.events("loss").len() <= losses,
        fault_of: &|place| {
            let mut found = tree(&place.real.join("to"));
            // What was restored with losses before is kept.
            found.retain(|path, _| !text(path).contains(".before-lifeboat"));
            // A marker that a lying file system did not remove.
            found.retain(|path, _| !text(path).contains("lifeboat-restore."));
            if found == wanted {
                return Ok(());
            }
            let lacks: Vec<_> = wanted.keys().filter(|path| !found.contains_key(*path)).collect();
            let more: Vec<_> = found.keys().filter(|path| !wanted.contains_key(*path)).collect();
            Err(format!("it lacks {lacks:?} and has {more:?}, or bytes differ"))
        },
        again: &["--replace"],
        before: &nothing,
        some,
    };
    sweep(&place, &job);
}
