//! Two runs at once, runs that are suspended and wake, and a machine that starts no more
//! threads.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use support::program::{Guarded, lifeboat, lifeboat_with, path};
use support::{need, same_set, text};

const PASSPHRASE: (&str, &str) = ("LIFEBOAT_PASSPHRASE", "correct horse battery staple");

fn start(args: &[&str], env: &[(&str, &str)]) -> Child {
    Command::new(path())
        .args(args)
        .envs(env.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
}

/// The folder of the unfinished set, once its store has so many bytes.
fn unfinished(dest: &Path, bytes: u64) -> PathBuf {
    let until = Instant::now() + Duration::from_mins(1);
    while Instant::now() < until {
        let folders = fs::read_dir(dest).into_iter().flatten().flatten();
        // (Not that of the trial.)
        for folder in folders.filter(|f| f.file_name().to_string_lossy().starts_with("PC-")) {
            let files = fs::read_dir(folder.path()).into_iter().flatten().flatten();
            let store = files.filter(|file| file.file_name().to_string_lossy().contains("store."));
            let size: u64 = store.filter_map(|file| Some(file.metadata().ok()?.len())).sum();
            if size >= bytes {
                return folder.path();
            }
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    panic!("no set came so far");
}

#[test]
fn a_run_that_slept_writes_nothing_to_the_set_of_another() {
    sleep(&[], "plain");
}

#[test]
fn nor_to_an_encrypted_one() {
    sleep(&[PASSPHRASE], "encrypted");
}

fn sleep(env: &[(&str, &str)], what: &str) {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("disk.img");
    need!(same_set::make_image(&source, 20, 4_000_000, 100));
    let dest = dir.path().join("dest");
    let args = ["offload", text(&source), "--to", text(&dest), "--name", "PC"];
    let args = [&args[..], &["--level", "1", "--frame-bytes", "4096"]].concat();
    let stopped = || {
        let _ = fs::remove_dir_all(&dest);
        let mut first = start(&args, env);
        let set = unfinished(&dest, 500_000);
        signal(&first, "-STOP");
        if set.join("in-use").exists() {
            return Some((first, set));
        }
        signal(&first, "-CONT"); // it was too quick
        first.wait().unwrap();
        None
    };
    let (first, set) = (0..20).find_map(|_| stopped()).unwrap();
    // It exists, and may go on: nobody takes the set over.
    let run = lifeboat_with(&args, env);
    assert_eq!(run.code, 5, "{what}: {}", run.stderr);
    assert!(run.stderr.contains("another run of lifeboat"), "{what}: {}", run.stderr);
    // As if it were on another machine, which went to sleep.
    let mark = set.join("in-use");
    let text = fs::read_to_string(&mark).unwrap();
    let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
    value.as_object_mut().unwrap().remove("life");
    fs::write(&mark, value.to_string()).unwrap();
    let run = lifeboat_with(&args, env);
    assert!(run.code == 0, "{what}: {}{}", run.stdout, run.stderr);
    // It wakes, and finds that it has lost the set.
    signal(&first, "-CONT");
    let ended = first.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(5), "{what}: {said}");
    let sets: Vec<_> = fs::read_dir(&dest).unwrap().flatten().map(|set| set.path()).collect();
    assert_eq!(sets.len(), 1, "{what}: {sets:?}");
    let verify = ["verify", sets[0].to_str().unwrap(), "--level", "full"];
    let run = lifeboat_with(&verify, env);
    assert_eq!(run.code, 0, "{what}: {}", run.stdout);
}

#[test]
fn of_two_restores_to_one_place_the_second_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("disk.img");
    need!(same_set::make_image(&source, 10, 4_000_000, 100));
    let dest = dir.path().join("dest");
    lifeboat(&["offload", text(&source), "--to", text(&dest)]).expect(0);
    let set = fs::read_dir(&dest).unwrap().next().unwrap().unwrap().path();
    let to = dir.path().join("to");
    let args = ["restore", text(&set), "--to", text(&to)];
    let first = start(&args, &[]);
    let until = Instant::now() + Duration::from_mins(1);
    let is_begun = || {
        let all = walkdir::WalkDir::new(&to).into_iter().flatten();
        all.filter(|entry| entry.file_name() == "lifeboat-restore.partial")
            .any(|entry| entry.metadata().is_ok_and(|meta| meta.len() > 0))
    };
    while !is_begun() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(1));
    }
    signal(&first, "-STOP");
    for more in [&[][..], &["--replace"]] {
        let run = lifeboat(&[&args[..], more].concat()).expect(5);
        assert!(run.stderr.contains("another restore is writing here"), "{}", run.stderr);
    }
    signal(&first, "-CONT");
    let ended = first.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(3), "{said}"); // this file system holds no rights
    let left = walkdir::WalkDir::new(&to).into_iter().flatten();
    let left = left.filter(|entry| entry.file_name().to_string_lossy().contains("lifeboat-"));
    assert_eq!(left.count(), 0, "no marker and no stage stays");
}

#[test]
fn where_no_thread_can_be_started_it_says_so() {
    need!("setpriv", "prlimit");
    need!("root", || rustix::process::geteuid().is_root().then_some(()));
    let source = Guarded::fixture("hardlink-one");
    let dir = tempfile::tempdir().unwrap();
    let dest = dir.path().join("dest");
    lifeboat(&["offload", source.arg(), "--to", text(&dest)]).expect(0);
    let set = fs::read_dir(&dest).unwrap().next().unwrap().unwrap().path();
    let image = dir.path().join("disk.img");
    fs::copy(source.path(), &image).unwrap();
    let program = dir.path().join("lifeboat");
    fs::copy(path(), &program).unwrap();
    let world = |path: &Path| {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
    };
    for path in [dir.path(), &dest, &set, &image] {
        world(path);
    }
    for limit in ["1", "2", "3", "4", "6"] {
        for args in [
            vec!["verify", text(&set), "--level", "full"],
            vec!["list", text(&set)],
            vec!["detect", text(&image)],
            vec!["offload", text(&image), "--to", text(&dest), "--fresh"],
        ] {
            let nproc = format!("--nproc={limit}");
            // An id that nobody else uses: the limit counts all processes of a user.
            let ids = ["--reuid=64321", "--regid=64321", "--clear-groups"];
            let output = Command::new("setpriv")
                .args(ids)
                .args(["prlimit", &nproc])
                .arg(&program)
                .args(&args)
                .stdin(Stdio::null())
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(!said.contains("panicked"), "{limit}: {args:?}: {said}");
            let code = output.status.code();
            assert!(
                matches!(code, Some(0 | 3)) || said.contains("no thread can be started"),
                "{limit}: {args:?}: {code:?} {said}"
            );
        }
    }
}

#[test]
fn with_little_memory_it_works_or_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("disk.img");
    need!(same_set::make_image(&source, 6, 4_000_000, 100));
    let dest = dir.path().join("dest");
    let mut ended = [0, 0];
    for kib in [20_000, 60_000, 100_000, 140_000, 200_000, 250_000, 300_000, 400_000, 4_000_000] {
        let limit = format!("ulimit -v {kib}; exec \"$0\" \"$@\"");
        let output = Command::new("sh")
            .args(["-c", &limit, path()])
            .args(["offload", text(&source), "--to", text(&dest), "--fresh", "-q"])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let code = output.status.code();
        assert!(!said.contains("panicked"), "{kib}: {said}");
        // Below that, the system cannot even load it.
        let has_words = said.contains("fix: ") || (kib < 100_000 && code != Some(0));
        assert!(matches!(code, Some(0 | 3)) || has_words, "{kib}: {code:?} {said}");
        ended[usize::from(matches!(code, Some(0 | 3)))] += 1;
    }
    assert!(ended[0] > 0 && ended[1] > 0, "{ended:?}");
}
