//! `kill -9` at any moment of a rescue, its commit and its resumption; then the
//! same command ends with the set of a run that was never killed, byte for byte.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use support::{need, same_set};

/// Times that a run is killed.
const KILLS: u32 = 150;

struct Place {
    source: PathBuf,
    dest: PathBuf,
}

impl Place {
    fn start(&self) -> Child {
        Command::new(support::program::path())
            .arg("offload")
            .arg(&self.source)
            .arg("--to")
            .arg(&self.dest)
            // Small frames: a checkpoint every 128 KiB.
            .args(["--level", "1", "--frame-bytes", "4096", "--name", "PC", "--json"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Whether the kill came when all was done.
    fn is_whole(&self) -> bool {
        let entries = fs::read_dir(&self.dest).unwrap().map(|entry| entry.unwrap().file_name());
        entries.into_iter().any(|name| {
            let name = name.to_str().unwrap();
            name.starts_with("PC-") && !name.ends_with(".partial")
        })
    }

    /// Runs to the end; how many frames an earlier run had left.
    fn finish(&self, when: &str) -> u64 {
        let done = self.start().wait_with_output().unwrap();
        let said = String::from_utf8(done.stdout).unwrap();
        assert_eq!(done.status.code(), Some(0), "{when}: {said}");
        let sets = said.lines().filter(|line| line.contains(r#""message_type":"set""#));
        let sets: Vec<serde_json::Value> =
            sets.map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(sets.len(), 1, "{when}");
        sets[0]["resumed_frames"].as_u64().unwrap()
    }
}

/// Kills the process; false if it had ended by itself.
fn kill(mut child: Child) -> bool {
    let ended = child.try_wait().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    ended.is_none()
}

/// Waits until something is so, at most a while.
fn until(child: &mut Child, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !is_so() && child.try_wait().unwrap().is_none() && Instant::now() < end {
        std::hint::spin_loop();
    }
}

fn is_there(dest: &Path, name: &str) -> bool {
    let folders = fs::read_dir(dest).into_iter().flatten().flatten();
    folders.into_iter().any(|folder| folder.path().join(name).exists())
}

/// Bytes of the store that are at the destination so far.
fn written(dest: &Path) -> u64 {
    let folders = fs::read_dir(dest).into_iter().flatten().flatten();
    let partial = folders.map(|folder| folder.path().join("store.tar.zst.partial"));
    partial.filter_map(|path| fs::metadata(path).ok()).map(|data| data.len()).max().unwrap_or(0)
}

#[test]
fn killed_at_any_moment_it_becomes_the_same_set() {
    let shm = Path::new("/dev/shm");
    let scratch = if shm.is_dir() { tempfile::tempdir_in(shm) } else { tempfile::tempdir() };
    let scratch = scratch.unwrap();
    let place = |name: &str| {
        let dest = scratch.path().join(name);
        fs::create_dir(&dest).unwrap();
        Place { source: scratch.path().join("disk.img"), dest }
    };
    let source = scratch.path().join("disk.img");
    need!(same_set::make_image(&source, 8, 900_000, 200));
    let unbroken = place("unbroken");
    assert_eq!(unbroken.finish("unbroken"), 0);
    let whole = same_set::only_set_in(&unbroken.dest, "unbroken");
    // The first run was slower: program and image were not in memory yet. The
    // quickest of a few counts, or kills would come when all is done.
    let time = |number: u32| {
        let timed = place(&format!("timed {number}"));
        let began = Instant::now();
        timed.finish("timed");
        began.elapsed()
    };
    let whole_run = (0..4).map(time).min().unwrap();
    assert_eq!(whole.len(), 8, "{:?}", whole.keys());
    assert!(whole["store.tar.zst"].len() > 7_000_000);

    let same = |broken: &Place, when: &str| {
        same_set::assert_same(&same_set::only_set_in(&broken.dest, when), &whole, when);
        fs::remove_dir_all(&broken.dest).unwrap();
    };
    let (mut killed, mut gone_on) = (0, 0);
    for number in 0..KILLS {
        let broken = place(&format!("broken {number}"));
        let after = whole_run * number / KILLS;
        let mut child = broken.start();
        // On a busy machine the time says little of how far it is.
        let bytes = whole["store.tar.zst"].len() as u64 * u64::from(number) / u64::from(KILLS);
        if number % 2 == 0 {
            std::thread::sleep(after);
        } else {
            until(&mut child, || written(&broken.dest) >= bytes);
        }
        killed += u32::from(kill(child));
        let mut when = format!("killed after {after:?} or {bytes} bytes");
        if number % 4 == 3 && !broken.is_whole() {
            // ... and once more while it goes on.
            let child = broken.start();
            std::thread::sleep(whole_run * (number % 17) / 24);
            killed += u32::from(kill(child));
            when += ", and again";
        }
        if !broken.is_whole() {
            gone_on += u32::from(broken.finish(&when) > 0);
        }
        same(&broken, &when);
    }

    // The commit takes too little time to be met by chance.
    for name in [
        "in-use",
        "journal.jsonl",
        "store.tar.zst.partial",
        "store.tar.zst",
        "manifest.jsonl.zst",
        "RESTORE.txt.partial",
        "RESTORE.txt",
        "restore.cmd",
        "report.html.partial",
        "report.html",
        "users.json.partial",
        "users.json",
        "SHA256SUMS.partial",
        "SHA256SUMS",
        "rescue.json.partial",
        "rescue.json",
    ] {
        let broken = place(name);
        let mut child = broken.start();
        until(&mut child, || is_there(&broken.dest, name));
        killed += u32::from(kill(child));
        let when = format!("killed when {name} came");
        if !broken.is_whole() {
            gone_on += u32::from(broken.finish(&when) > 0);
        }
        same(&broken, &when);
    }
    assert!(killed >= 100, "only {killed} runs were met alive");
    assert!(gone_on >= 30, "only {gone_on} had anything to go on with");
}
