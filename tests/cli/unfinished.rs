//! What may be in the folder of an unfinished set, or where it is to be, that this program never put
//! there: the same command ends well, in that set or in one beside it.
#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use support::faulty::{Fault, Faulty};
use support::program::{Guarded, lifeboat, lifeboat_with, path};
use support::{need, text};

/// What is put into the folder of an unfinished set.
type Plant = (&'static str, fn(&Path));

/// Puts something to a path; what a link leads to is in the other folder.
type InTheWay = fn(&Path, &Path);

fn folder(dir: &Path, name: &str) {
    let path = dir.join(name);
    let _ = fs::remove_file(&path);
    fs::create_dir(&path).unwrap();
    fs::write(path.join("x"), "of somebody").unwrap();
}

fn file(dir: &Path, name: &str) {
    fs::write(dir.join(name), "of somebody").unwrap();
}

fn link(dir: &Path, name: &str) {
    let path = dir.join(name);
    let _ = fs::remove_file(&path);
    symlink("/dev/null", path).unwrap();
}

const PLANTS: &[Plant] = &[
    ("nothing", |_| {}),
    ("a folder called in-use", |dir| folder(dir, "in-use")),
    ("a folder called journal.jsonl", |dir| folder(dir, "journal.jsonl")),
    ("a folder called manifest.jsonl.zst.partial", |dir| folder(dir, "manifest.jsonl.zst.partial")),
    ("a folder called rescue.json.partial", |dir| folder(dir, "rescue.json.partial")),
    ("a folder called SHA256SUMS", |dir| folder(dir, "SHA256SUMS")),
    ("a folder of another name", |dir| folder(dir, "@eaDir")),
    ("a store beside the unfinished one", |dir| file(dir, "store.tar.zst")),
    ("an encrypted store beside it", |dir| file(dir, "store.tar.zst.001.age")),
    ("a manifest beside the unfinished one", |dir| file(dir, "manifest.jsonl.zst")),
    ("a rescue.json", |dir| file(dir, "rescue.json")),
    ("a SHA256SUMS.partial", |dir| file(dir, "SHA256SUMS.partial")),
    ("a RESTORE.txt", |dir| file(dir, "RESTORE.txt")),
    ("another file", |dir| file(dir, "notes.partial")),
    ("an empty key", |dir| file(dir, "key.age")),
    ("a link for the store", |dir| link(dir, "store.tar.zst.partial")),
    ("a link for the journal", |dir| link(dir, "journal.jsonl")),
    ("a link for the mark", |dir| link(dir, "in-use")),
    ("the set's final name", |dir| {
        let name = dir.to_str().unwrap().strip_suffix(".partial").unwrap().to_owned();
        fs::create_dir(&name).unwrap();
        file(Path::new(&name), "x");
    }),
    ("a file of the final name", |dir| {
        let name = dir.to_str().unwrap().strip_suffix(".partial").unwrap().to_owned();
        fs::write(name, "x").unwrap();
    }),
];

fn partial(dest: &Path) -> Option<PathBuf> {
    let all = fs::read_dir(dest).ok()?.flatten().map(|entry| entry.path());
    let mut all = all.filter(|path| path.extension().is_some_and(|ending| ending == "partial"));
    all.find(|path| path.file_name().unwrap().to_string_lossy().starts_with("PC-"))
}

fn is_saved(dest: &Path, env: &[(&str, &str)]) -> bool {
    fs::read_dir(dest).into_iter().flatten().flatten().any(|entry| {
        let args = ["verify", text(&entry.path()), "--level", "full"].map(str::to_owned);
        !entry.file_name().to_string_lossy().ends_with(".partial")
            && entry.path().join("rescue.json").exists()
            && lifeboat_with(&args, env).code == 0
    })
}

#[test]
fn whatever_is_in_an_unfinished_set_the_same_command_ends_well() {
    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let (real, seen) = (dir.path().join("real"), dir.path().join("seen"));
    fs::create_dir(&real).unwrap();
    fs::create_dir(&seen).unwrap();
    let mount = need!("fuse", || Faulty::mount(&real, &seen).ok());
    let source = Guarded::fixture("hardlink-two");
    let mut wrong = Vec::new();
    for env in [vec![], vec![("LIFEBOAT_PASSPHRASE", "correct horse battery staple")]] {
        let args = |dest: &Path| {
            let args =
                ["offload", source.arg(), "--to", text(dest), "--name", "PC", "--level", "1"];
            [&args[..], &["--frame-bytes", "65536"]]
                .concat()
                .iter()
                .map(|a| (*a).to_owned())
                .collect()
        };
        let made: Vec<String> = args(&seen.join("whole"));
        mount.set(None);
        assert_eq!(lifeboat_with(&made, &env).code, 0);
        let calls = mount.calls();
        // While it copies, and at several steps of the commit.
        let steps = [calls / 2, calls - 14, calls - 3, calls - 22, calls - 8];
        let tried = match (std::env::var_os("LIFEBOAT_SWEEP").is_some(), env.is_empty()) {
            (true, _) => steps.len(),
            (false, true) => 3,
            (false, false) => 1,
        };
        for at in steps.into_iter().take(tried) {
            let start = seen.join(format!("start-{at}"));
            mount.set(Some((Fault::KillAfter, at)));
            let mut killed = Command::new(path());
            killed.args(args(&start) as Vec<String>).envs(env.iter().copied());
            killed.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
            mount.set(None);
            let start = real.join(format!("start-{at}"));
            let Some(left) = partial(&start) else { continue };
            for (number, (what, plant)) in PLANTS.iter().enumerate() {
                let dest = dir.path().join(format!("{at}-{number}"));
                let copy = dest.join(left.file_name().unwrap());
                fs::create_dir_all(&copy).unwrap();
                for entry in fs::read_dir(&left).unwrap().flatten() {
                    fs::copy(entry.path(), copy.join(entry.file_name())).unwrap();
                }
                plant(&copy);
                let command: Vec<String> = args(&dest);
                let mut said = Vec::new();
                let is_mended = (0..2).any(|_| {
                    let run = lifeboat_with(&command, &env);
                    said.push(format!("{}: {}", run.code, run.stderr));
                    run.code == 0 && is_saved(&dest, &env)
                });
                if !is_mended {
                    wrong.push(format!("call {at} of {calls}, {what}: {}", said.join("\n")));
                }
                fs::remove_dir_all(&dest).unwrap();
            }
        }
        fs::remove_dir_all(&real).unwrap();
        fs::create_dir(&real).unwrap();
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn what_is_in_the_way_of_a_restore_is_named_before_anything_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let source = Guarded::fixture("hardlink-one");
    let dest = dir.path().join("dest");
    lifeboat(&["offload", source.arg(), "--to", text(&dest)]).expect(0);
    let set = fs::read_dir(&dest).unwrap().flatten().next().unwrap().path();
    let elsewhere = dir.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let plants: &[(&str, InTheWay)] = &[
        ("C", |at, _| fs::write(at, "x").unwrap()),
        ("C", |at, elsewhere| symlink(elsewhere, at).unwrap()),
        ("C/StateStore.lifeboat-partial", |at, _| fs::write(at, "x").unwrap()),
        ("C/StateStore.lifeboat-partial", |at, elsewhere| symlink(elsewhere, at).unwrap()),
        ("C/lifeboat-restore.partial", |at, _| fs::create_dir(at).unwrap()),
        ("C/lifeboat-restore.partial", |at, _| {
            folder(at.parent().unwrap(), at.file_name().unwrap().to_str().unwrap());
        }),
        ("C/lifeboat-restore.partial", |at, elsewhere| symlink(elsewhere.join("new"), at).unwrap()),
        ("C/lifeboat-restore.settling", |at, _| fs::create_dir(at).unwrap()),
        ("C/lifeboat-restore.settling", |at, elsewhere| {
            symlink(elsewhere.join("new"), at).unwrap();
        }),
    ];
    for (number, (name, plant)) in plants.iter().enumerate() {
        let to = dir.path().join(format!("to-{number}"));
        let at = to.join(name);
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        plant(&at, &elsewhere);
        for more in [&[][..], &["--replace"]] {
            let args = [&["restore", text(&set), "--to", text(&to)], more].concat();
            let run = lifeboat(&args);
            assert_eq!(run.code, 5, "{name} {number}: {}{}", run.stdout, run.stderr);
            assert!(run.stderr.contains(name), "{name} {number}: {}", run.stderr);
            assert!(run.stderr.contains("belongs"), "{name} {number}: {}", run.stderr);
            assert!(!run.stdout.contains("estored"), "{name} {number}: {}", run.stdout);
        }
        assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0, "{name} {number}");
        if at.is_dir() && !at.is_symlink() {
            fs::remove_dir_all(&at).unwrap();
        } else {
            fs::remove_file(&at).unwrap();
        }
        let run = lifeboat(&["restore", text(&set), "--to", text(&to)]);
        assert!(matches!(run.code, 0 | 3), "{name} {number}: {}", run.stderr);
        assert!(to.join("C/StateStore/USMT").is_dir(), "{name} {number}");
    }
}
